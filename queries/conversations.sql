-- name: conversations
-- question: Which pairs of hosts talked the most?
-- why: Shows who depends on whom, whoever began. A pair in which one side only ever sends is a feed, a backup or a leak.
-- params:
--   limit number 20 How many pairs to show.
--   host text null Only pairs with this address.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   a Address that sorts first.
--   b The other address.
--   flows Flows between them.
--   bytes Bytes of both directions with IP headers.
--   a_to_b Bytes from a to b.
--   b_to_a Bytes from b to a.
--   packets Packets of both directions.
--   services Protocols recognised between them; empty when none was.
--   first_ts First packet.
--   last_ts Last packet.
SELECT least(src_ip, dst_ip) AS a, greatest(src_ip, dst_ip) AS b, count(*) AS flows,
       sum(src_ip_bytes + dst_ip_bytes) AS bytes,
       sum(CASE WHEN src_ip <= dst_ip THEN src_ip_bytes ELSE dst_ip_bytes END) AS a_to_b,
       sum(CASE WHEN src_ip <= dst_ip THEN dst_ip_bytes ELSE src_ip_bytes END) AS b_to_a,
       sum(src_packets + dst_packets) AS packets,
       coalesce(string_agg(DISTINCT service, ', ' ORDER BY service), '') AS services,
       min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM flows
WHERE ($host IS NULL OR src_ip = $host OR dst_ip = $host)
  AND ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
GROUP BY a, b
ORDER BY bytes DESC, a, b
LIMIT $limit::BIGINT;
