-- name: timeline
-- question: How much happened when?
-- why: Bursts, silences and the hours in which nobody should be at work. A flow counts in the interval in which it began;
--   intervals without flows are left out.
-- params:
--   seconds number 60 Length of one interval.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   ts Begin of the interval.
--   flows Flows that began in it.
--   sources Distinct originators.
--   destinations Distinct responders.
--   failed TCP attempts without an answer or refused.
--   bytes Bytes of those flows, both directions, with IP headers.
SELECT make_timestamp_ns(epoch_ns(first_ts) // (greatest($seconds::BIGINT, 1) * 1000000000)
         * (greatest($seconds::BIGINT, 1) * 1000000000)) AS ts,
       count(*) AS flows, count(DISTINCT src_ip) AS sources, count(DISTINCT dst_ip) AS destinations,
       count(*) FILTER (WHERE protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')) AS failed,
       sum(src_ip_bytes + dst_ip_bytes) AS bytes
FROM flows
WHERE ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
GROUP BY ts
ORDER BY ts;
