-- name: failed_connections
-- question: Who tries to connect and fails?
-- why: Scanners, worms and broken configurations all fail a lot. Many destinations on one port is a sweep, many ports on one destination
--   is a scan, one port on one destination is usually a service that is down.
-- params:
--   limit number 20 How many originators to show.
--   min_failed number 3 Only originators with at least so many failed attempts.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   src_ip Originator.
--   failed TCP attempts without an answer or refused.
--   unanswered Of those: no answer (S0, or given up with RST).
--   refused Of those: refused (REJ).
--   failed_pct Failed of all its TCP flows, in percent.
--   destinations Distinct responders it failed at.
--   ports Distinct ports it failed at.
--   top_port The port it failed at most.
--   first_ts First failure.
--   last_ts Last failure.
WITH attempts AS (
  SELECT *, conn_state IN ('S0', 'REJ', 'RSTOS0') AS failed
  FROM flows
  WHERE protocol = 'tcp'
    AND ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
)
SELECT src_ip, count(*) FILTER (WHERE failed) AS failed,
       count(*) FILTER (WHERE conn_state IN ('S0', 'RSTOS0')) AS unanswered,
       count(*) FILTER (WHERE conn_state = 'REJ') AS refused,
       round(100.0 * count(*) FILTER (WHERE failed) / count(*), 1) AS failed_pct,
       count(DISTINCT dst_ip) FILTER (WHERE failed) AS destinations,
       count(DISTINCT dst_port) FILTER (WHERE failed) AS ports,
       mode(dst_port ORDER BY dst_port) FILTER (WHERE failed) AS top_port,
       min(first_ts) FILTER (WHERE failed) AS first_ts, max(first_ts) FILTER (WHERE failed) AS last_ts
FROM attempts
GROUP BY src_ip
HAVING count(*) FILTER (WHERE failed) >= $min_failed::BIGINT
ORDER BY failed DESC, src_ip
LIMIT $limit::BIGINT;
