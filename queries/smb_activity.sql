-- name: smb_activity
-- question: Who did what to which files on which Windows servers?
-- why: Programs copied to ADMIN$ or C$, many files rewritten in a short time, a script in SYSVOL that changes: lateral movement and ransomware
--   show here first. Encrypted sessions hide their files.
-- params:
--   action text null Only this action, such as write or delete.
--   limit number 50 How many rows to show.
-- columns:
--   src_ip Client.
--   dst_ip Server.
--   username Account of the session.
--   share Share as the client named it.
--   file_name File, relative to the share.
--   action What happened to it.
--   new_name Name after a rename.
--   read_bytes Bytes read.
--   written_bytes Bytes written.
--   times How often.
--   failed How often the server refused it.
--   first_ts First time.
--   last_ts Last time.
SELECT f.src_ip, f.dst_ip, s.username, s.share, s.file_name, s.action, s.new_name, sum(s.read_bytes) AS read_bytes,
       sum(s.written_bytes) AS written_bytes, count(*) AS times,
       count(*) FILTER (WHERE s.status <> 'STATUS_SUCCESS') AS failed, min(s.ts) AS first_ts, max(s.ts) AS last_ts
FROM smb s
JOIN flows f ON f.capture_id = s.capture_id AND f.flow_id = s.flow_id
WHERE s.action IS NOT NULL AND s.file_name IS NOT NULL AND ($action IS NULL OR s.action = $action)
GROUP BY f.src_ip, f.dst_ip, s.username, s.share, s.file_name, s.action, s.new_name
ORDER BY s.action IN ('write', 'create', 'rename', 'delete', 'overwrite') DESC, times DESC, first_ts, s.share, s.file_name, s.action,
         f.src_ip, f.dst_ip, s.username, s.new_name
LIMIT $limit::BIGINT;
