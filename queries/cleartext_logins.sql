-- name: cleartext_logins
-- question: Whose password went over the network for all to read?
-- why: A password in HTTP Basic authorization is known to everybody on the path. The account is listed, the password is never stored.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   username Account.
--   host Host as the client named it.
--   dst_ip Server.
--   dst_port Its port.
--   clients Distinct clients.
--   requests Requests with the password.
--   accepted Requests that were not refused (status below 400).
--   first_ts First request.
--   last_ts Last request.
SELECT h.username, h.host, f.dst_ip, f.dst_port, count(DISTINCT f.src_ip) AS clients, count(*) AS requests,
       count(*) FILTER (WHERE h.status_code < 400) AS accepted, min(h.ts) AS first_ts, max(h.ts) AS last_ts
FROM http h
JOIN flows f ON f.capture_id = h.capture_id AND f.flow_id = h.flow_id
WHERE h.password_seen
GROUP BY h.username, h.host, f.dst_ip, f.dst_port
ORDER BY requests DESC, h.username, h.host, f.dst_ip, f.dst_port
LIMIT $limit::BIGINT;
