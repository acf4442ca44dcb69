-- name: logins
-- question: Who logged in where, and did it work?
-- why: One account from many hosts, an administrator's account where it does not belong, a service account that a person uses.
-- params:
--   account text null Only accounts that contain this.
--   limit number 50 How many rows to show.
-- columns:
--   account Account as sent.
--   service Service that asked for it.
--   mechanism How it was proved.
--   secret clear, hashed or none: what somebody on the path has of the secret.
--   dst_ip Server.
--   dst_port Its port.
--   clients Distinct clients.
--   example_client One of them.
--   attempts Attempts.
--   accepted Attempts that the server accepted.
--   refused Attempts that it refused.
--   unknown Attempts whose answer was not seen.
--   first_ts First attempt.
--   last_ts Last attempt.
SELECT c.account, c.service, c.mechanism, c.secret, f.dst_ip, f.dst_port, count(DISTINCT f.src_ip) AS clients,
       min(f.src_ip) AS example_client, count(*) AS attempts, count(*) FILTER (WHERE c.success) AS accepted,
       count(*) FILTER (WHERE NOT c.success) AS refused, count(*) FILTER (WHERE c.success IS NULL) AS unknown,
       min(c.ts) AS first_ts, max(c.ts) AS last_ts
FROM credentials c
JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
WHERE $account IS NULL OR contains(lower(c.account), lower($account))
GROUP BY c.account, c.service, c.mechanism, c.secret, f.dst_ip, f.dst_port
ORDER BY attempts DESC, c.account, c.service, f.dst_ip, f.dst_port, c.mechanism, c.secret
LIMIT $limit::BIGINT;
