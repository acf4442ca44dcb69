-- name: dns_failures
-- question: Which questions to the DNS fail, and who asks them?
-- why: Malware that computes its domains asks for many that do not exist. So do typing errors and stale configurations, but those
--   ask for few names, again and again.
-- params:
--   limit number 30 How many rows to show.
--   min_failed number 1 Only rows with at least so many failures.
-- columns:
--   client_ip Who asked.
--   result Response code by name, or no answer.
--   failed Questions that ended so.
--   names Distinct names among them.
--   domains Distinct registered domains among them.
--   failed_pct Of all its questions, in percent.
--   example One of the names.
--   servers Distinct servers asked.
--   first_ts First failure.
--   last_ts Last failure.
WITH asked AS (
  SELECT *, count(*) OVER (PARTITION BY client_ip) AS total
  FROM dns
  WHERE service = 'dns'
)
SELECT client_ip, coalesce(rcode_name, 'no answer') AS result, count(*) AS failed, count(DISTINCT query) AS names,
       count(DISTINCT domain) AS domains, round(100.0 * count(*) / any_value(total), 1) AS failed_pct,
       min(query) AS example, count(DISTINCT server_ip) AS servers, min(ts) AS first_ts, max(ts) AS last_ts
FROM asked
WHERE rcode IS NULL OR rcode > 0
GROUP BY client_ip, result
HAVING count(*) >= $min_failed::BIGINT
ORDER BY failed DESC, client_ip, result
LIMIT $limit::BIGINT;
