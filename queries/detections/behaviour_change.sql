-- name: behaviour_change
-- question: Which hosts had an hour unlike all their hours before, and unlike their peers'?
-- why: Compromise changes what a host does: more peers, more bytes out, work at night. Compared with its own past, a noisy server is as
--   comparable as a quiet printer; compared with its peers, a Monday morning explains itself.
-- kind: behaviour_change
-- horizon: 30 d
-- from: traffic_hourly
-- only: traffic_hourly: count(*) > $min_hours::BIGINT
-- params:
--   min_hours number 24 Hours of the host's history, at least; before a full day has passed nothing is usual.
--   min_score number 6 Deviations (median absolute deviation, scaled to a normal one) from the host's own median, at least; 3.5 is the custom for one sample (Iglewicz, Hoaglin 1993), here every hour of every host is one.
--   min_bytes number 10000000 Bytes an hour that must have moved, at least, for a change of bytes; below it lie ordinary pages.
--   min_flows number 200 Flows an hour, at least, for a change of flows: a single page makes dozens.
--   peer_score number 3 Deviation of the median peer in that hour from which on it is everybody's hour and not the host's.
-- innocent:
--   A backup, an update, a new user of the machine, a move to another office.
-- next:
--   What moved (details)? secnetmon flows --host IP for the hour shows with whom.
-- references:
--   B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers (1993).
-- columns:
--   first_ts Begin of the worst hour.
--   last_ts End of the last such hour.
--   src_ip The host.
--   count Hours.
--   title A sentence.
--   reasons What moved, with its deviation.
--   details Values against the usual ones.
WITH hours AS (
  SELECT ip, epoch_ns(hour) // 3600000000000 AS hour, sum(flows)::DOUBLE AS flows, sum(bytes_out)::DOUBLE AS bytes_out, sum(bytes_in)::DOUBLE AS bytes_in,
         bool_or(capture_id = $capture::BIGINT) AS current
  FROM traffic_hourly
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND is_internal AND hour BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
  GROUP BY ALL),
-- On a logarithmic scale: traffic doubles, it does not add.
logged AS (
  SELECT ip, hour, current, flows, bytes_out, bytes_in, ln(1 + flows) AS f, ln(1 + bytes_out) AS o, ln(1 + bytes_in) AS i FROM hours),
usual AS (
  SELECT ip, count(*) AS n, median(f) AS mf, median(o) AS mo, median(i) AS mi,
         -- A floor of a tenth (10 %): a host that always does the same may vary a little.
         greatest(0.1, 1.4826 * mad(f)) AS df, greatest(0.1, 1.4826 * mad(o)) AS do_, greatest(0.1, 1.4826 * mad(i)) AS di
  FROM logged GROUP BY ip HAVING count(*) > $min_hours::BIGINT),
scored AS (
  SELECT l.*, u.n, (f - mf) / df AS sf, (o - mo) / do_ AS so, (i - mi) / di AS si, exp(mf) - 1 AS uf, exp(mo) - 1 AS uo, exp(mi) - 1 AS ui
  FROM logged l JOIN usual u USING (ip)),
peers AS (
  SELECT hour, median(sf) AS pf, median(so) AS po, median(si) AS pi, count(*) AS peers FROM scored GROUP BY hour),
odd AS (
  SELECT s.*,
         sf >= $min_score::DOUBLE AND flows >= $min_flows::DOUBLE AND (peers < 3 OR pf < $peer_score::DOUBLE) AS odd_f,
         so >= $min_score::DOUBLE AND bytes_out >= $min_bytes::DOUBLE AND (peers < 3 OR po < $peer_score::DOUBLE) AS odd_o,
         si >= $min_score::DOUBLE AND bytes_in >= $min_bytes::DOUBLE AND (peers < 3 OR pi < $peer_score::DOUBLE) AS odd_i
  FROM scored s JOIN peers USING (hour)
  WHERE s.current),
worst AS (
  SELECT *, count(*) OVER (PARTITION BY ip) AS hours, max(hour) OVER (PARTITION BY ip) AS last_hour
  FROM odd WHERE odd_f OR odd_o OR odd_i
  QUALIFY row_number() OVER (PARTITION BY ip ORDER BY greatest(sf, so, si) DESC, hour) = 1)
SELECT make_timestamp_ns(hour * 3600000000000) AS first_ts, make_timestamp_ns((last_hour + 1) * 3600000000000) AS last_ts, ip AS src_ip, hours AS count,
       concat(ip, ' had an hour unlike its ', n - 1, ' others: ', concat_ws(', ',
              CASE WHEN odd_f THEN flows::BIGINT || ' flows instead of ' || round(uf)::BIGINT END,
              CASE WHEN odd_o THEN round(bytes_out / 1e6, 1) || ' MB out instead of ' || round(uo / 1e6, 1) END,
              CASE WHEN odd_i THEN round(bytes_in / 1e6, 1) || ' MB in instead of ' || round(ui / 1e6, 1) END)) AS title,
       list_filter([
         CASE WHEN odd_f THEN {'name': 'flows_deviation', 'value': round(sf, 1), 'threshold': $min_score::DOUBLE, 'weight': least(0.7, 0.4 + 0.02 * sf)} END,
         CASE WHEN odd_o THEN {'name': 'bytes_out_deviation', 'value': round(so, 1), 'threshold': $min_score::DOUBLE, 'weight': least(0.7, 0.4 + 0.02 * so)} END,
         CASE WHEN odd_i THEN {'name': 'bytes_in_deviation', 'value': round(si, 1), 'threshold': $min_score::DOUBLE, 'weight': least(0.7, 0.4 + 0.02 * si)} END
       ], lambda r: r IS NOT NULL) AS reasons,
       to_json({'flows': flows, 'usual_flows': round(uf), 'bytes_out': bytes_out, 'usual_bytes_out': round(uo), 'bytes_in': bytes_in, 'usual_bytes_in': round(ui),
                'hours_of_history': n})::VARCHAR AS details
FROM worst
ORDER BY greatest(sf, so, si) DESC, ip;
