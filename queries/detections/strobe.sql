-- name: strobe
-- question: Which hosts connect to one place more often than once a second, all day?
-- why: So many connections are a fault or a very impatient program; among them a beacon cannot be told from a loop, so they are named apart.
-- kind: strobe
-- horizon: 24 h
-- from: flows
-- only: flows: count(*) > $max_connections::BIGINT
-- params:
--   max_connections number 86400 Connections a day, more than this: one a second; as in RITA 5.
-- innocent:
--   Monitoring, a load balancer's health checks, a broken client that retries without a pause.
-- next:
--   Do the connections succeed? A client that is refused and retries is a fault to mend.
-- references:
--   RITA 5 (Active Countermeasures), strobes.
-- columns:
--   first_ts First connection.
--   last_ts Last connection.
--   src_ip Who connects.
--   dst_ip To whom.
--   count Connections.
--   title A sentence.
--   reasons How many a day.
WITH counted AS (
  SELECT src_ip, dst_ip, count(*) AS n, min(first_ts) AS first_ts, max(first_ts) AS last_ts, bool_or(capture_id = $capture::BIGINT) AS current
  FROM flows
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND direction = 'outbound' AND protocol <> 'icmp'
    -- Cheap first: among a few thousand heaps of pairs, one that is too small as a whole has no such pair. Millions of pairs need not be told apart.
    AND hash(src_ip, dst_ip) % 4096 IN (
      SELECT hash(src_ip, dst_ip) % 4096 FROM flows
      WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
        AND direction = 'outbound' AND protocol <> 'icmp'
      GROUP BY ALL HAVING count(*) > $max_connections::BIGINT)
  GROUP BY src_ip, dst_ip
  HAVING count(*) > $max_connections::BIGINT),
rated AS (
  SELECT *, n * 86400.0 / greatest(86400.0, (epoch_ns(last_ts) - epoch_ns(first_ts)) / 1e9) AS a_day FROM counted WHERE current)
SELECT first_ts, last_ts, src_ip, dst_ip, n AS count,
       concat(src_ip, ' connected to ', dst_ip, ' ', n, ' times') AS title,
       [{'name': 'connections_per_day', 'value': round(a_day), 'threshold': $max_connections::DOUBLE, 'weight': 0.8}] AS reasons
FROM rated
WHERE a_day > $max_connections::DOUBLE
ORDER BY n DESC, src_ip, dst_ip;
