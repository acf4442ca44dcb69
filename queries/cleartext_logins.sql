-- name: cleartext_logins
-- question: Whose password went over the network for all to read?
-- why: A password in FTP, Telnet, POP3, HTTP Basic … is known to everybody on the path. The account is listed, the password is never
--   stored. Guests of FTP (anonymous, ftp) have none and are left out.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   service Service that asked for it.
--   account Account.
--   host Name of the server as the client said it.
--   dst_ip Server.
--   dst_port Its port.
--   clients Distinct clients.
--   logins Times that the password was sent.
--   accepted Times that the server accepted it.
--   first_ts First time.
--   last_ts Last time.
WITH sent AS (
  SELECT capture_id, flow_id, ts, service, account, NULL AS host, success
  FROM credentials
  WHERE secret = 'clear' AND NOT (service = 'ftp' AND lower(coalesce(account, '')) IN ('anonymous', 'ftp'))
  UNION ALL
  -- HTTP has the answer beside the request; what credentials has of the same flow is the same login.
  SELECT h.capture_id, h.flow_id, h.ts, 'http', h.username, h.host, h.status_code < 400
  FROM http h
  WHERE h.password_seen
    AND NOT EXISTS (SELECT 1 FROM credentials c
                    WHERE c.capture_id = h.capture_id AND c.flow_id = h.flow_id AND c.secret = 'clear' AND c.account = h.username)
)
SELECT s.service, s.account, coalesce(s.host, f.hostname) AS host, f.dst_ip, f.dst_port, count(DISTINCT f.src_ip) AS clients,
       count(*) AS logins, count(*) FILTER (WHERE s.success) AS accepted, min(s.ts) AS first_ts, max(s.ts) AS last_ts
FROM sent s
JOIN flows f ON f.capture_id = s.capture_id AND f.flow_id = s.flow_id
GROUP BY s.service, s.account, coalesce(s.host, f.hostname), f.dst_ip, f.dst_port
ORDER BY logins DESC, s.service, s.account, host, f.dst_ip, f.dst_port
LIMIT $limit::BIGINT;
