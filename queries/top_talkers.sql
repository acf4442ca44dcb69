-- name: top_talkers
-- question: Which hosts moved the most bytes?
-- why: Few hosts make most of the traffic. Know them first: a backup server belongs there, a printer does not. Read
--   from the hourly totals of each capture, so it stays quick over millions of flows; times are whole hours.
-- params:
--   limit number 20 How many hosts to show.
--   since time null Only hours that begin at or after this time.
--   until time null Only hours that begin before this time.
-- columns:
--   ip Address of the host.
--   is_internal Is it in the local networks of the capture?
--   bytes All bytes sent and received, with IP headers.
--   bytes_out Bytes it sent.
--   bytes_in Bytes it received.
--   packets Packets sent and received.
--   flows Flows it took part in.
--   share_pct Its part of all bytes that any host sent or received, in percent.
WITH hosts AS (
  SELECT ip, bool_or(is_internal) AS is_internal, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in,
         sum(packets_out) + sum(packets_in) AS packets, sum(flows) AS flows
  FROM traffic_hourly
  WHERE ($since IS NULL OR hour >= $since::TIMESTAMP_NS) AND ($until IS NULL OR hour < $until::TIMESTAMP_NS)
  GROUP BY ip
)
SELECT ip, is_internal, bytes_out + bytes_in AS bytes, bytes_out, bytes_in, packets, flows,
       round(100.0 * (bytes_out + bytes_in) / nullif(sum(bytes_out + bytes_in) OVER (), 0), 2) AS share_pct
FROM hosts
ORDER BY bytes DESC, ip
LIMIT $limit::BIGINT;
