-- name: failed_logins
-- question: Who was refused at which server, how often, and did it work in the end?
-- why: Many refusals of one account are guessing; one refusal of each of many accounts is spraying. A success behind them is a break-in. SSH
--   hides its answers: many short connections in ssh_servers are its refusals.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   src_ip Client.
--   dst_ip Server.
--   dst_port Its port.
--   service Service that asked for it.
--   refused Refused attempts.
--   accounts Distinct accounts that were refused.
--   example_account One of them.
--   example_detail What the server said to one of them, or what it was for (the page or command).
--   accepted_after Attempts accepted after the first refusal.
--   first_ts First refusal.
--   last_ts Last refusal.
WITH tried AS (
  SELECT c.*, f.src_ip, f.dst_ip, f.dst_port
  FROM credentials c
  JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
), refusals AS (
  SELECT src_ip, dst_ip, dst_port, service, count(*) AS refused, count(DISTINCT account) AS accounts,
         min(account) AS example_account, min(detail) AS example_detail, min(ts) AS first_ts, max(ts) AS last_ts
  FROM tried
  WHERE NOT success
  GROUP BY src_ip, dst_ip, dst_port, service
)
SELECT r.src_ip, r.dst_ip, r.dst_port, r.service, r.refused, r.accounts, r.example_account, r.example_detail,
       (SELECT count(*) FROM tried t
        WHERE t.success AND t.src_ip = r.src_ip AND t.dst_ip = r.dst_ip AND t.dst_port = r.dst_port AND t.service = r.service
          AND t.ts > r.first_ts) AS accepted_after,
       r.first_ts, r.last_ts
FROM refusals r
ORDER BY r.refused DESC, r.src_ip, r.dst_ip, r.dst_port, r.service
LIMIT $limit::BIGINT;
