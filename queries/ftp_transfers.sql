-- name: ftp_transfers
-- question: Which files went over FTP, in which direction, and as whose?
-- why: FTP has no encryption and no limits; malware uploads loot with it, and old devices fetch their software with it.
-- params:
--   limit number 50 How many transfers to show.
-- columns:
--   ts When it was asked for.
--   src_ip Client.
--   dst_ip Server.
--   user Account of the session.
--   command RETR fetches, STOR and APPE store.
--   path File with its folder as far as known, else as the client said it.
--   file_size Size in bytes, where known.
--   reply_code Answer of the server.
--   reply_text Its words.
SELECT c.ts, f.src_ip, f.dst_ip, c."user", c.command, coalesce(c.path, c.argument) AS path, c.file_size, c.reply_code, c.reply_text
FROM ftp c
JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
WHERE c.command IN ('RETR', 'STOR', 'STOU', 'APPE', 'DELE', 'RNFR', 'RNTO')
ORDER BY c.ts DESC, c.flow_id, c.command, path
LIMIT $limit::BIGINT;
