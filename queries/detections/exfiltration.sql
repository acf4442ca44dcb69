-- name: exfiltration
-- question: Who sends far more to one outside place than it gets from there?
-- why: Clients fetch; who sends by the hundred megabytes to a place that was not used before, is saving something or carrying it away.
-- kind: exfiltration
-- horizon: 7 d
-- from: flows
-- only: flows: sum(src_bytes) FILTER (direction = 'outbound' AND src_bytes > 1000 AND dst_packets > 0) >= least($alone_bytes::DOUBLE, $min_bytes::DOUBLE)
-- params:
--   min_bytes number 100000000 Bytes to one destination in one hour, at least, where history shows that the destination is new; below this lie photos and mail.
--   min_ratio number 5 Bytes up to bytes down, at least, in that case: uploads acknowledge with little.
--   alone_bytes number 25000000 Bytes in one hour, at least, where there is no history to compare with.
--   alone_ratio number 10 Bytes up to bytes down, at least, in that case: stricter, as nothing else speaks for it.
--   sigmas number 4 How many deviations above the host's own exponentially weighted mean an hour must lie where there is history (EWMA chart, Roberts 1959; 3 is the rule for one chart, there is one for every host here).
--   smoothing number 0.3 Weight of the newest hour in that mean; 0.2 to 0.3 is the custom.
-- innocent:
--   A backup to the cloud that began today, uploads of video, a developer who publishes an image, a video call.
-- next:
--   Whose is the destination? Is it the company's own storage?
--   What ran on the host at that hour, and what was read by it from inside (smb, files)?
-- references:
--   MITRE ATT&CK T1041, T1048, T1567; S. W. Roberts, Control Chart Tests Based on Geometric Moving Averages (1959).
-- columns:
--   first_ts First flow of the hour.
--   last_ts Last packet of the hour's flows.
--   src_ip Who sends.
--   dst_ip To whom.
--   dst_port At which port.
--   count Flows.
--   severity low for large providers of storage, video and backups, and tests of speed, else that of the kind.
--   title A sentence.
--   reasons Bytes, ratio and what is known of the past.
--   flow_ids The largest flows.
--   details Bytes and name.
WITH large AS (
  SELECT src_ip, dst_ip, epoch_ns(first_ts) // 3600000000000 AS hour, sum(src_bytes) AS up, sum(dst_bytes) AS down, count(*) AS n,
         min(first_ts) AS first_ts, max(last_ts) AS last_ts, max(hostname) AS hostname, max(domain) AS domain, arg_max(dst_port, (src_bytes, flow_id)) AS dst_port,
         list(flow_id ORDER BY src_bytes DESC, flow_id)[:25] AS flow_ids
  FROM flows
  WHERE capture_id = $capture::BIGINT AND direction = 'outbound' AND src_bytes > 1000
    AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND protocol <> 'icmp' AND dst_packets > 0
  GROUP BY src_ip, dst_ip, hour
  HAVING sum(src_bytes) >= least($alone_bytes::DOUBLE, $min_bytes::DOUBLE)
     AND sum(src_bytes) >= least($alone_ratio::DOUBLE, $min_ratio::DOUBLE) * sum(dst_bytes)),
-- The past of the sender, hour by hour, and whether it knew the place.
past AS (
  SELECT t.ip, epoch_ns(t.hour) // 3600000000000 AS hour, sum(t.bytes_out)::DOUBLE AS bytes
  FROM traffic_hourly t
  WHERE t.capture_id IN (SELECT unnest($captures::BIGINT[])) AND t.ip IN (SELECT src_ip FROM large)
  GROUP BY ALL),
weighted AS (
  SELECT l.src_ip, l.hour, count(*) AS hours,
         sum(p.bytes * pow(1 - $smoothing::DOUBLE, l.hour - p.hour)) / sum(pow(1 - $smoothing::DOUBLE, l.hour - p.hour)) AS mean,
         sum(p.bytes * p.bytes * pow(1 - $smoothing::DOUBLE, l.hour - p.hour)) / sum(pow(1 - $smoothing::DOUBLE, l.hour - p.hour)) AS square
  FROM (SELECT DISTINCT src_ip, hour FROM large) l JOIN past p ON p.ip = l.src_ip AND p.hour < l.hour
  GROUP BY ALL),
-- A day of hours is history; less says nothing about what is usual.
rated AS (
  SELECT l.*, coalesce(w.hours, 0) >= 24 AS known_host, w.mean, sqrt(greatest(0, w.square - w.mean * w.mean)) AS deviation,
         EXISTS (FROM flows f WHERE f.capture_id IN (SELECT unnest($captures::BIGINT[])) AND f.src_ip = l.src_ip AND f.dst_ip = l.dst_ip
                   AND f.first_ts >= $since::TIMESTAMP_NS AND epoch_ns(f.first_ts) // 3600000000000 < l.hour - 1) AS known_place
  FROM large l LEFT JOIN weighted w ON w.src_ip = l.src_ip AND w.hour = l.hour),
found AS (
  SELECT *, up / greatest(down, 1) AS ratio,
         coalesce(domain IN ('google.com', 'googleapis.com', 'googleusercontent.com', 'googlevideo.com', 'youtube.com', 'gvt1.com', 'dropbox.com',
                             'dropboxapi.com', 'icloud.com', 'icloud-content.com', 'apple.com', 'microsoft.com', 'office.com', 'office365.com',
                             'sharepoint.com', 'live.com', 'onedrive.com', 'backblaze.com', 'backblazeb2.com', 'carbonite.com', 'crashplan.com',
                             'facebook.com', 'fbcdn.net', 'instagram.com', 'whatsapp.net', 'zoom.us', 'webex.com', 'github.com', 'gitlab.com', 'docker.io',
                             'speedtest.net', 'ookla.com', 'ooklaserver.net', 'fast.com', 'nflxvideo.net', 'measurementlab.net'), false) AS usual,
         known_host AND up >= $alone_bytes::DOUBLE AND up > mean + $sigmas::DOUBLE * deviation AND NOT known_place AS unusual
  FROM rated
  WHERE CASE WHEN known_host
             THEN NOT known_place AND ((up >= $min_bytes::DOUBLE AND up >= $min_ratio::DOUBLE * down)
                  OR (up >= $alone_bytes::DOUBLE AND up > mean + $sigmas::DOUBLE * deviation AND up >= $min_ratio::DOUBLE * down))
             ELSE up >= $alone_bytes::DOUBLE AND up >= $alone_ratio::DOUBLE * down END)
SELECT first_ts, last_ts, src_ip, dst_ip, dst_port, n AS count,
       -- Where everybody keeps pictures and documents; who steals may use them, too, so it is told.
       CASE WHEN usual THEN 'low' END AS severity,
       concat(src_ip, ' sent ', round(up / 1e6)::BIGINT, ' MB to ', coalesce(hostname || ' (' || dst_ip || ')', dst_ip), ' within an hour and got ',
              round(down / 1e6, 1), ' MB back') AS title,
       list_filter([
         {'name': 'bytes_up', 'value': up::DOUBLE, 'threshold': CASE WHEN known_host THEN $min_bytes::DOUBLE ELSE $alone_bytes::DOUBLE END, 'weight': 0.45},
         {'name': 'up_down_ratio', 'value': round(ratio, 1), 'threshold': CASE WHEN known_host THEN $min_ratio::DOUBLE ELSE $alone_ratio::DOUBLE END, 'weight': 0.3},
         CASE WHEN known_host AND NOT known_place THEN {'name': 'new_destination', 'value': 1.0, 'threshold': 0.0, 'weight': 0.3} END,
         CASE WHEN unusual THEN {'name': 'hour_mean_bytes', 'value': round(mean), 'threshold': round(mean + $sigmas::DOUBLE * deviation), 'weight': 0.3} END,
         CASE WHEN usual THEN {'name': 'large_provider', 'value': 1.0, 'threshold': 0.0, 'weight': 0.0} END,
         CASE WHEN hostname IS NULL THEN {'name': 'no_name', 'value': 1.0, 'threshold': 0.0, 'weight': 0.15} END
       ], lambda r: r IS NOT NULL) AS reasons,
       flow_ids,
       to_json({'bytes_up': up, 'bytes_down': down, 'name': hostname, 'hours_of_history': known_host})::VARCHAR AS details
FROM found
QUALIFY row_number() OVER (PARTITION BY src_ip, dst_ip ORDER BY up DESC, hour) = 1
ORDER BY up DESC, src_ip, dst_ip;
