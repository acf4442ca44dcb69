-- name: new_device
-- question: Which link addresses were not seen before?
-- why: Somebody connected something. Most often it is a new laptop; on a network where nothing should be new it is the first thing to know.
-- kind: new_device
-- horizon: 30 d
-- from: host_facts
-- params:
--   min_history_s number 86400 Seconds that the sensor's history must reach back before anything counts as new: a day holds most devices once.
-- innocent:
--   A visitor, a new device, a telephone with a random link address (details.random), a replaced network card.
-- next:
--   Which maker, which name, which switch port? secnetmon hosts IP shows what is known.
-- references:
--   CIS Control 1 (inventory of devices).
-- columns:
--   first_ts First flow.
--   last_ts Last packet.
--   src_ip Its address.
--   about Its link address.
--   count Flows.
--   title A sentence.
--   reasons How long the history is.
--   details Maker and names.
WITH history AS (
  SELECT min(epoch_ns(first_ts)) AS since, min(epoch_ns(first_ts)) FILTER (capture_id = $capture::BIGINT) AS began
  FROM captures WHERE capture_id IN (SELECT unnest($captures::BIGINT[]))),
links AS (
  SELECT capture_id, ip, unnest(macs) AS mac, first_ts, last_ts, flows, names
  FROM host_facts
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND is_internal
    AND (SELECT began - since >= $min_history_s::DOUBLE * 1e9 FROM history)),
known AS (SELECT DISTINCT mac FROM links WHERE capture_id <> $capture::BIGINT),
fresh AS (
  SELECT mac, arg_min(ip, (first_ts, ip)) AS ip, min(first_ts) AS first_ts, max(last_ts) AS last_ts, sum(flows) AS flows,
         list_distinct(flatten(list(names)))[:10] AS names, count(*) AS addresses
  FROM links WHERE capture_id = $capture::BIGINT AND mac NOT IN (FROM known)
  GROUP BY mac)
SELECT f.first_ts, f.last_ts, f.ip AS src_ip, f.mac AS about, f.flows AS count,
       concat('A device not seen before: ', f.mac, coalesce(' (' || p.vendor || ')', ''), ' with the address ', f.ip) AS title,
       [{'name': 'history_days', 'value': round((SELECT began - since FROM history) / 86400e9, 1), 'threshold': round($min_history_s::DOUBLE / 86400, 1), 'weight': 0.7}] AS reasons,
       to_json({'vendor': p.vendor, 'names': f.names, 'random': substr(f.mac, 2, 1) IN ('2', '6', 'a', 'e')})::VARCHAR AS details
FROM fresh f LEFT JOIN host_profiles p ON p.capture_id = $capture::BIGINT AND p.ip = f.ip
-- One link address in front of many addresses is a router.
WHERE f.addresses <= 4
ORDER BY f.first_ts, f.mac;
