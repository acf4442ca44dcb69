-- name: database_logins
-- question: Who logs in to which database, and is refused?
-- why: Databases know few clients, and these log in with few accounts. Refusals are guessing or a password that was changed; the account sa or root
--   from a new client is a question.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   service Kind of database.
--   dst_ip Server.
--   dst_port Its port.
--   dst_internal Is it in the local networks?
--   account Account as sent.
--   clients Distinct clients.
--   example_client One of them.
--   secret clear, hashed or none: what somebody on the path has of the secret.
--   attempts Attempts.
--   accepted Attempts that were accepted.
--   refused Attempts that were refused.
--   first_ts First attempt.
--   last_ts Last attempt.
SELECT c.service, f.dst_ip, f.dst_port, bool_or(f.dst_internal) AS dst_internal, c.account, count(DISTINCT f.src_ip) AS clients,
       min(f.src_ip) AS example_client, c.secret, count(*) AS attempts, count(*) FILTER (WHERE c.success) AS accepted,
       count(*) FILTER (WHERE NOT c.success) AS refused, min(c.ts) AS first_ts, max(c.ts) AS last_ts
FROM credentials c
JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
WHERE c.service IN ('mysql', 'postgresql', 'tds', 'mongodb', 'redis', 'cassandra')
GROUP BY c.service, f.dst_ip, f.dst_port, c.account, c.secret
ORDER BY attempts DESC, c.service, f.dst_ip, f.dst_port, c.account, c.secret
LIMIT $limit::BIGINT;
