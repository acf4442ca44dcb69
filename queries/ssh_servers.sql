-- name: ssh_servers
-- question: Which SSH servers are there, what runs on them, and who logs in?
-- why: SSH is how administrators and intruders move. Old software, servers nobody knows of, and clients that connect for a second,
--   again and again, show here.
-- params:
--   limit number 30 How many servers to show.
-- columns:
--   dst_ip Server.
--   dst_port Its port.
--   dst_internal Is it in the local networks?
--   software Banner of the server.
--   hassh_server Fingerprint of the server's lists.
--   clients Distinct clients.
--   client_software Distinct banners of clients.
--   connections Connections.
--   short Connections of less than five seconds: scans, failures, guessing.
--   longest_s Seconds of the longest one.
--   bytes Payload of both directions.
--   first_ts First connection.
--   last_ts Last packet.
SELECT f.dst_ip, f.dst_port, bool_or(f.dst_internal) AS dst_internal, mode(s.server ORDER BY s.server) AS software,
       mode(s.hassh_server ORDER BY s.hassh_server) AS hassh_server, count(DISTINCT f.src_ip) AS clients,
       count(DISTINCT s.client) AS client_software, count(*) AS connections,
       count(*) FILTER (WHERE f.duration_s < 5) AS short, max(f.duration_s) AS longest_s,
       sum(f.src_bytes + f.dst_bytes) AS bytes, min(f.first_ts) AS first_ts, max(f.last_ts) AS last_ts
FROM ssh s
JOIN flows f ON f.capture_id = s.capture_id AND f.flow_id = s.flow_id
GROUP BY f.dst_ip, f.dst_port
ORDER BY connections DESC, f.dst_ip, f.dst_port
LIMIT $limit::BIGINT;
