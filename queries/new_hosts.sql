-- name: new_hosts
-- question: Which local hosts appeared only lately?
-- why: A device that was never there before is a new laptop, a guest, or somebody's implant. New means: first seen within the last
--   hours before the latest packet, while the sensor had been watching for longer. Captures without a sensor's name stand alone.
-- params:
--   hours number 24 How far back counts as lately.
--   limit number 50 How many hosts to show.
-- columns:
--   sensor Where it was seen; empty when not said.
--   ip Address.
--   macs Link addresses seen with it.
--   names Names seen for it.
--   first_ts First packet from or to it.
--   last_ts Last packet.
--   flows Flows.
--   bytes_out Bytes sent, with IP headers.
--   bytes_in Bytes received, with IP headers.
WITH facts AS (
  SELECT *, CASE WHEN coalesce(sensor, '') = '' THEN capture_id::VARCHAR ELSE sensor END AS island
  FROM host_facts
), watch AS (
  SELECT island, min(epoch_ns(first_ts)) AS began, max(epoch_ns(last_ts)) AS ended
  FROM facts
  GROUP BY island
), merged AS (
  SELECT island, any_value(sensor) AS sensor, ip, bool_or(is_internal) AS is_internal,
         list_sort(list_distinct(flatten(list(macs)))) AS macs, list_sort(list_distinct(flatten(list(names)))) AS names,
         min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(flows) AS flows, sum(bytes_out) AS bytes_out,
         sum(bytes_in) AS bytes_in
  FROM facts
  GROUP BY island, ip
)
SELECT m.sensor, m.ip, array_to_string(m.macs, ', ') AS macs, array_to_string(m.names, ', ') AS names, m.first_ts,
       m.last_ts, m.flows, m.bytes_out, m.bytes_in
FROM merged m
JOIN watch w ON w.island = m.island
WHERE m.is_internal
  AND epoch_ns(m.first_ts) >= w.ended - ($hours::DOUBLE * 3600000000000)::BIGINT
  AND w.began < w.ended - ($hours::DOUBLE * 3600000000000)::BIGINT
ORDER BY m.first_ts DESC, m.ip, m.sensor
LIMIT $limit::BIGINT;
