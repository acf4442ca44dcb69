-- name: files_seen
-- question: Which files crossed the network, and which are not what they claim to be?
-- why: A program that is served as a picture, or the same file sent to many hosts, is worth a look. The SHA-256 can be looked up elsewhere;
--   it is there when the whole file was seen.
-- params:
--   mime text null Only files whose type, told or found, contains this.
--   limit number 50 How many files to show.
-- columns:
--   source Protocol that carried it.
--   name Name that the protocol gives.
--   mime Type by its first bytes.
--   declared_mime Type that the protocol declares.
--   is_disguised Is what was found a program, a script or an archive, and does the protocol declare a picture, sound, font or text?
--   bytes Most bytes of it that were seen.
--   sha256 Hash of the whole file.
--   times How often it crossed.
--   senders Distinct senders.
--   receivers Distinct receivers.
--   example_sender One of the senders.
--   first_ts First time.
--   last_ts Last time.
WITH seen AS (
  SELECT t.*, CASE WHEN t.sender = 'src' THEN f.src_ip ELSE f.dst_ip END AS from_ip,
         CASE WHEN t.sender = 'src' THEN f.dst_ip ELSE f.src_ip END AS to_ip
  FROM files t
  JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
)
SELECT source, name, mime, declared_mime,
       coalesce(mime IN ('application/x-dosexec', 'application/x-elf', 'application/x-mach-binary', 'application/java-vm', 'application/wasm', 'text/x-script', 'text/x-php',
                   'application/zip', 'application/gzip', 'application/x-bzip2', 'application/x-xz', 'application/zstd', 'application/x-7z-compressed',
                   'application/vnd.rar', 'application/vnd.ms-cab-compressed', 'application/x-tar', 'application/x-ole-storage')
                AND split_part(declared_mime, '/', 1) IN ('image', 'text', 'audio', 'video', 'font')
                AND NOT (starts_with(mime, 'text/') AND starts_with(declared_mime, 'text/')), false) AS is_disguised,
       max(seen_bytes) AS bytes, sha256, count(*) AS times, count(DISTINCT from_ip) AS senders, count(DISTINCT to_ip) AS receivers,
       min(from_ip) AS example_sender, min(ts) AS first_ts, max(ts) AS last_ts
FROM seen
WHERE $mime IS NULL OR contains(lower(coalesce(mime, '') || ' ' || coalesce(declared_mime, '')), lower($mime))
GROUP BY source, name, mime, declared_mime, sha256
ORDER BY is_disguised DESC, times DESC, bytes DESC, source, name, sha256, mime, declared_mime
LIMIT $limit::BIGINT;
