-- name: new_hosts
-- question: Which local hosts appeared only lately?
-- why: A device that was never there before is a new laptop, a guest, or somebody's implant. New means: first seen within the last hours
--   before the sensor's latest packet, while the sensor was already watching before that.
-- params:
--   hours number 24 How far back counts as lately.
--   limit number 50 How many hosts to show.
-- columns:
--   sensor Where it was seen.
--   ip Address.
--   macs Link addresses seen with it.
--   names Names seen for it.
--   first_ts First packet from or to it.
--   last_ts Last packet.
--   flows Flows.
--   bytes_out Bytes sent.
--   bytes_in Bytes received.
WITH watch AS (
  SELECT sensor, min(epoch_ns(first_ts)) AS began, max(epoch_ns(last_ts)) AS ended
  FROM hosts
  GROUP BY sensor
)
SELECT h.sensor, h.ip, array_to_string(h.macs, ', ') AS macs, array_to_string(h.names, ', ') AS names,
       h.first_ts, h.last_ts, h.flows, h.bytes_out, h.bytes_in
FROM hosts h
JOIN watch w ON w.sensor IS NOT DISTINCT FROM h.sensor
WHERE h.is_internal
  AND epoch_ns(h.first_ts) >= w.ended - ($hours::DOUBLE * 3600000000000)::BIGINT
  AND w.began < w.ended - ($hours::DOUBLE * 3600000000000)::BIGINT
ORDER BY h.first_ts DESC, h.ip
LIMIT $limit::BIGINT;
