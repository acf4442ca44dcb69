-- name: industrial_commands
-- question: Who changes what in the plant?
-- why: A controller is read all day and written rarely, by few stations. A new writer, a stop or a download is worth a call to the plant.
-- params:
--   all text no yes also shows what only reads.
--   limit number 50 How many rows to show.
-- columns:
--   protocol Protocol.
--   src_ip Who asked.
--   dst_ip The device.
--   function Function, by name or number.
--   times How often.
--   target What it works on: unit and address, object or symbol.
--   is_write Does it change the device?
--   refused How often the device refused it.
--   first_ts First time.
--   last_ts Last time.
WITH commands AS (
  SELECT 'modbus' AS protocol, capture_id, flow_id, coalesce(function, function_code::VARCHAR) AS function,
         'unit ' || unit || coalesce(' address ' || address, '') AS target, is_write, count, exception IS NOT NULL AS refused, ts, last_ts, NULL::BOOLEAN AS from_orig
  FROM modbus
  UNION ALL
  SELECT 's7comm', capture_id, flow_id, coalesce(function, function_code::VARCHAR), object, is_write, count, coalesce(error, 0) <> 0, ts, last_ts, NULL
  FROM s7comm
  UNION ALL
  SELECT 'dnp3', capture_id, flow_id, coalesce(function, function_code::VARCHAR), 'station ' || destination || coalesce(' ' || objects, ''),
         is_write, count, false, ts, last_ts, NULL
  FROM dnp3
  UNION ALL
  SELECT 'iec104', capture_id, flow_id, coalesce(function, frame), 'station ' || common_address || coalesce(' object ' || object_address, ''),
         is_write, count, coalesce(negative, false), ts, last_ts, from_orig
  FROM iec104
  UNION ALL
  SELECT 'enip', capture_id, flow_id, coalesce(function, command_name),
         coalesce(symbol, 'class ' || class || coalesce(' instance ' || instance, '')), is_write, count, coalesce(cip_status, 0) <> 0, ts, last_ts, NULL
  FROM enip
  UNION ALL
  SELECT 'bacnet', capture_id, flow_id, function, concat_ws(' ', object, instance), is_write, count, error IS NOT NULL, ts, last_ts, NULL
  FROM bacnet
)
-- A capture that begins with an answer turns the flow: then the device stands first. The ports are those on which devices are asked; a command of IEC 104 says who sent it.
SELECT c.protocol, CASE WHEN t.turned THEN f.dst_ip ELSE f.src_ip END AS src_ip, CASE WHEN t.turned THEN f.src_ip ELSE f.dst_ip END AS dst_ip, c.function,
       sum(c.count) AS times, c.target, c.is_write,
       coalesce(sum(c.count) FILTER (WHERE c.refused), 0) AS refused, min(c.ts) AS first_ts, max(c.last_ts) AS last_ts
FROM commands c
JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
CROSS JOIN LATERAL (SELECT CASE WHEN c.from_orig IS NOT NULL AND c.is_write THEN NOT c.from_orig
                                ELSE f.src_port IN (102, 502, 2222, 2404, 20000, 44818, 47808) AND f.dst_port NOT IN (102, 502, 2222, 2404, 20000, 44818, 47808) END AS turned) t
WHERE c.is_write OR $all = 'yes'
GROUP BY ALL
ORDER BY c.is_write DESC, times DESC, c.protocol, 2, 3, c.function, c.target
LIMIT $limit::BIGINT;
