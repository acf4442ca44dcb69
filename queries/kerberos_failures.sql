-- name: kerberos_failures
-- question: Which Kerberos requests were refused, for whom and why?
-- why: Many names that do not exist are a search for accounts, one name with a wrong password is guessing. That pre-authentication is required is
--   the first step of every login and left out.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   src_ip Client.
--   dst_ip Domain controller.
--   request_type AS for a login, TGS for a service.
--   error Why, by its name in RFC 4120.
--   clients Distinct names of users or machines.
--   example_client One of them.
--   services Distinct services.
--   example_service One of them.
--   times How often.
--   first_ts First time.
--   last_ts Last time.
SELECT f.src_ip, f.dst_ip, k.request_type, coalesce(k.error, k.error_code::VARCHAR) AS error, count(DISTINCT k.client) AS clients,
       min(k.client) AS example_client, count(DISTINCT k.service) AS services, min(k.service) AS example_service, count(*) AS times,
       min(k.ts) AS first_ts, max(k.ts) AS last_ts
FROM kerberos k
JOIN flows f ON f.capture_id = k.capture_id AND f.flow_id = k.flow_id
WHERE NOT k.success AND coalesce(k.error_code, 0) <> 25
GROUP BY f.src_ip, f.dst_ip, k.request_type, coalesce(k.error, k.error_code::VARCHAR)
ORDER BY times DESC, f.src_ip, f.dst_ip, k.request_type, error
LIMIT $limit::BIGINT;
