-- name: smb_shares
-- question: Which shares are used, by whom, and where was access refused?
-- why: ADMIN$ and C$ are for administrators and intruders, IPC$ is how services are reached. A client that tries many shares is looking for
--   something.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   share Share as the client named it.
--   dst_ip Server.
--   share_type disk, pipe or print.
--   is_administrative Is it one of the shares that Windows makes for administrators?
--   clients Distinct clients.
--   example_client One of them.
--   accounts Distinct accounts.
--   connects Connects to it.
--   refused Connects that the server refused.
--   files Distinct files touched in it.
--   written_bytes Bytes written to it.
--   first_ts First use.
--   last_ts Last use.
SELECT s.share, f.dst_ip, min(s.share_type) AS share_type,
       coalesce(upper(regexp_extract(s.share, '[^\\]*$')) IN ('ADMIN$', 'C$', 'D$', 'E$', 'IPC$', 'PRINT$'), false) AS is_administrative,
       count(DISTINCT f.src_ip) AS clients, min(f.src_ip) AS example_client, count(DISTINCT s.username) AS accounts,
       count(*) FILTER (WHERE s.command = 'tree_connect') AS connects,
       count(*) FILTER (WHERE s.command = 'tree_connect' AND s.status <> 'STATUS_SUCCESS') AS refused,
       count(DISTINCT s.file_name) AS files, sum(s.written_bytes) AS written_bytes, min(s.ts) AS first_ts, max(s.ts) AS last_ts
FROM smb s
JOIN flows f ON f.capture_id = s.capture_id AND f.flow_id = s.flow_id
WHERE s.share IS NOT NULL
GROUP BY s.share, f.dst_ip
ORDER BY is_administrative DESC, clients DESC, connects DESC, s.share, f.dst_ip
LIMIT $limit::BIGINT;
