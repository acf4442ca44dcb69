-- name: executable_download
-- question: Who fetched a program in clear text, or one that pretends to be something else?
-- why: A program that came unencrypted may have been changed on the way. One that is declared as a picture or as text was sent by somebody who
--   had reason to hide it.
-- kind: executable_download
-- horizon: capture
-- from: files
-- only: files: bool_or(mime IN ('application/x-dosexec', 'application/x-elf', 'application/x-mach-binary', 'application/java-vm', 'text/x-php') AND seen_bytes >= $min_bytes::BIGINT)
-- params:
--   min_bytes number 1024 Bytes seen, at least: the smallest programs for Windows have about a kilobyte.
-- innocent:
--   Software updates, which are signed and therefore often travel in clear; a web server that does not know the type and says octet-stream.
-- next:
--   Look the hash up (details.sha256); take the file out of the packets and examine it.
-- references:
--   MITRE ATT&CK T1105, T1036.008.
-- columns:
--   first_ts First such file.
--   last_ts Last one.
--   src_ip Who fetched.
--   dst_ip From where.
--   dst_port At which port.
--   protocol Over what.
--   about Kind of file.
--   count Files.
--   severity medium when it pretends to be something else or comes from a bare address, else low.
--   title A sentence.
--   reasons What was seen.
--   flow_ids Flows.
--   details Names, hashes, types.
WITH programs AS (
  SELECT f.capture_id, f.flow_id, f.ts, f.name, f.mime, f.declared_mime, f.sha256, f.seen_bytes, f.source,
         CASE WHEN f.sender = 'dst' THEN w.src_ip ELSE w.dst_ip END AS taker, CASE WHEN f.sender = 'dst' THEN w.dst_ip ELSE w.src_ip END AS giver,
         w.dst_port, w.protocol, w.hostname, w.domain, w.direction,
         -- The declared type says plainly something else; octet-stream and nothing say nothing.
         f.declared_mime IS NOT NULL AND regexp_matches(f.declared_mime, '^(image|audio|video|font)/|^text/(html|plain|css|xml)|json|pdf|xml$')
           AND NOT (f.mime LIKE 'text/%' AND f.declared_mime LIKE 'text/%') AS disguised
  FROM files f JOIN flows w ON w.capture_id = f.capture_id AND w.flow_id = f.flow_id
  WHERE f.capture_id = $capture::BIGINT AND f.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND f.mime IN ('application/x-dosexec', 'application/x-elf', 'application/x-mach-binary', 'application/java-vm', 'text/x-php')
    AND f.seen_bytes >= $min_bytes::BIGINT AND f.source IN ('http', 'http2', 'ftp', 'tftp', 'smtp', 'pop3', 'imap', 'websocket'))
SELECT min(ts) AS first_ts, max(ts) AS last_ts, taker AS src_ip, giver AS dst_ip, dst_port, protocol, mime AS about, count(*) AS count,
       CASE WHEN bool_or(disguised) OR (direction = 'outbound' AND bool_or(hostname IS NULL OR regexp_full_match(hostname, '[0-9.]+'))) THEN 'medium' END AS severity,
       concat(taker, ' got ', CASE WHEN count(*) = 1 THEN 'a program' ELSE count(*) || ' programs' END, ' (', split_part(mime, '/', 2), ') from ',
              coalesce(max(hostname) || ' (' || giver || ')', giver), CASE WHEN bool_or(disguised) THEN ' declared as ' || max(declared_mime) FILTER (disguised) ELSE '' END) AS title,
       list_filter([
         {'name': 'programs', 'value': count(*)::DOUBLE, 'threshold': 1.0, 'weight': 0.6},
         CASE WHEN bool_or(disguised) THEN {'name': 'type_unlike_content', 'value': count(*) FILTER (disguised)::DOUBLE, 'threshold': 1.0, 'weight': 0.5} END,
         CASE WHEN bool_or(regexp_full_match(hostname, '[0-9.]+')) THEN {'name': 'bare_address', 'value': 1.0, 'threshold': 0.0, 'weight': 0.3} END,
         CASE WHEN bool_or(domain IN ('windowsupdate.com', 'microsoft.com', 'ubuntu.com', 'debian.org', 'apple.com', 'adobe.com', 'google.com', 'gvt1.com', 'mozilla.org', 'mozilla.net'))
              THEN {'name': 'known_publisher', 'value': 1.0, 'threshold': 0.0, 'weight': -0.2} END
       ], lambda r: r IS NOT NULL) AS reasons,
       list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
       to_json({'names': list(DISTINCT name ORDER BY name)[:10], 'sha256': list(DISTINCT sha256 ORDER BY sha256)[:10],
                'declared': list(DISTINCT declared_mime ORDER BY declared_mime)[:10], 'bytes': sum(seen_bytes)})::VARCHAR AS details
FROM programs
GROUP BY taker, giver, dst_port, protocol, mime, direction
ORDER BY 1, 3, 4, 7;
