-- name: beacon
-- question: Which hosts call the same place again and again, as a clock would?
-- why: Implants ask their server for orders at intervals. People do not: their visits come in bursts. Regular times, equal sizes and calls
--   all day long each say a little; together they are the score that RITA 5 computes. Jitter breaks the score and not the second view, which
--   asks how many pauses lie near the middle one.
-- kind: beacon
-- horizon: 24 h
-- from: flows
-- only: flows: epoch_ns(max(first_ts)) - epoch_ns(min(first_ts)) >= $min_span_s::DOUBLE * 1e9 AND (count(*) FILTER (direction <> 'inbound' AND direction <> 'multicast' AND protocol <> 'icmp' AND protocol <> 'icmp6') - count(DISTINCT hash(src_ip, dst_ip)) FILTER (direction <> 'inbound' AND direction <> 'multicast' AND protocol <> 'icmp' AND protocol <> 'icmp6') >= $min_connections::BIGINT - 1 OR count(*) FILTER (hostname_source = 'content') - count(DISTINCT hash(src_ip, hostname)) FILTER (hostname_source = 'content') >= $min_connections::BIGINT - 1)
-- or: http: epoch_ns(max(ts)) - epoch_ns(min(ts)) >= $min_span_s::DOUBLE * 1e9 AND count(uri) - count(DISTINCT hash(coalesce(host, ''), split_part(uri, '?', 1))) FILTER (uri IS NOT NULL) >= $min_requests::BIGINT - 1
-- params:
--   min_connections number 12 Connections, at least; with fewer, chance alone looks regular (11 pauses of which 7 agree: 1 in 250 by chance).
--   min_span_s number 60 Seconds from the first to the last one, at least: a page load is over by then.
--   min_gap_s number 2 Seconds of the middle pause, at least: faster repetition is a loop or a download (a burst of 12 requests in 3 s scores 0.92).
--   min_score number 0.7 Score from which on it is reported; RITA 5 calls this and above a likely beacon.
--   steady_share number 0.6 Share of pauses near the middle one from which on the second view reports; random arrivals have 0.21.
--   steady_width number 0.3 How near: this part of the middle pause. Cobalt Strike's and Sliver's usual jitter stays within it.
--   min_requests number 8 Requests for one path, at least, where requests are counted instead of connections: the same path narrows the choice.
--   few_share number 0.85 Share of pauses near the middle one for fewer than min_connections of them (6 of 7 by chance: 1 in 10,000).
--   brief_s number 120 Seconds from the first to the last call below which it is low: a minute or two of regular calls is what any retry loop makes.
--   max_connections number 86400 Connections a day from which on it is a strobe and no beacon (once a second); as in RITA 5.
--   rare_share number 0.02 Share of the local hosts that know the destination, up to which it counts as rare; as in RITA 5.
--   common_share number 0.5 Share from which on it counts as common; as in RITA 5.
-- innocent:
--   Software that looks for updates, a mail client that polls, a monitoring system, a weather widget.
--   A cloud service that keeps a session alive.
-- next:
--   Look at the destination's name and certificate, and at which other hosts go there: secnetmon flows --host DST.
--   Extract the packets and compare the sizes: orders and answers break the pattern.
-- references:
--   RITA 5 (Active Countermeasures): description of the beacon score.
--   A. L. Bowley, Elements of Statistics (1920), for the skewness; D. Moore and G. McCabe, Introduction to the Practice of Statistics, for the quartiles.
-- columns:
--   first_ts First connection.
--   last_ts Last connection.
--   src_ip Who calls.
--   dst_ip Who is called.
--   dst_port At which port.
--   protocol Over what.
--   about The name called, where the pattern belongs to a name with several addresses, or to one that a proxy is asked for.
--   count Connections.
--   severity info inside the network (low when only one host calls there over the web or an unknown protocol), low for what is known to poll, speaks a protocol of calls or games, passes by between others, or was seen only briefly, else medium.
--   title A sentence.
--   reasons Score, steadiness, and what strengthens or weakens them.
--   flow_ids The connections.
--   details The parts of the score and the pauses.
WITH scope AS (
  SELECT unnest($captures::BIGINT[]) AS capture_id),
-- Only numbers and the name that the client itself gave: services of the few that are found are looked up at the end.
outward AS NOT MATERIALIZED (
  SELECT src_ip, dst_ip, dst_port, flow_id, capture_id, epoch_ns(first_ts) AS t, src_ip_bytes AS bytes,
         CASE WHEN hostname_source = 'content' THEN hostname END AS name
  FROM flows
  WHERE capture_id IN (FROM scope) AND direction <> 'inbound' AND direction <> 'multicast' AND protocol <> 'icmp' AND protocol <> 'icmp6'
    AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND dst_port NOT IN (53, 123, 67, 68, 546, 547, 5353, 5355, 137, 138, 1900)),
-- Cheap first, where there are millions of pairs: how often, by a number for the pair; only for those that are left also how long.
-- Pairs that cannot have a middle pause as long as asked fall out: half of the pauses would have to be that long.
often_paired AS (
  SELECT hash(src_ip, dst_ip) AS pair FROM outward GROUP BY pair HAVING count(*) >= $min_connections::BIGINT),
calls AS NOT MATERIALIZED (
  SELECT * FROM outward WHERE hash(src_ip, dst_ip) IN (FROM often_paired)),
pairs AS (
  SELECT src_ip, dst_ip, '' AS about
  FROM calls
  GROUP BY src_ip, dst_ip
  HAVING count(*) >= $min_connections::BIGINT
     AND max(t) - min(t) >= 1e9 * greatest($min_span_s::DOUBLE, (count(*) - 1) / 2 * $min_gap_s::DOUBLE)),
names AS (
  SELECT src_ip, name AS about
  FROM outward WHERE name IS NOT NULL
  GROUP BY src_ip, name
  HAVING count(*) >= $min_connections::BIGINT AND min(dst_ip) <> max(dst_ip)
     AND max(t) - min(t) >= 1e9 * greatest($min_span_s::DOUBLE, (count(*) - 1) / 2 * $min_gap_s::DOUBLE)),
-- Requests for the same path inside connections that stay open are calls, too.
asked_often AS (
  SELECT coalesce(host, '') AS host, split_part(uri, '?', 1) AS path
  FROM http
  WHERE capture_id IN (FROM scope) AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND uri IS NOT NULL
  GROUP BY ALL HAVING count(*) >= $min_requests::BIGINT),
often AS (
  SELECT h.capture_id, h.flow_id, h.ts, coalesce(h.request_body_len, 0) + length(h.uri) AS bytes, 'GET ' || a.path AS path
  FROM http h JOIN asked_often a ON a.host = coalesce(h.host, '') AND a.path = split_part(h.uri, '?', 1)
  WHERE h.capture_id IN (FROM scope) AND h.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND h.uri IS NOT NULL),
requests AS (
  SELECT f.src_ip, f.dst_ip, f.dst_port, f.flow_id, f.capture_id, epoch_ns(o.ts) AS t, o.bytes, o.path
  FROM often o JOIN flows f ON f.capture_id = o.capture_id AND f.flow_id = o.flow_id),
paths AS (
  SELECT src_ip, dst_ip, path FROM requests GROUP BY ALL
  HAVING count(*) >= $min_requests::BIGINT AND max(t) - min(t) >= $min_span_s::DOUBLE * 1e9),
events AS (
  SELECT c.src_ip, p.about, c.dst_ip, c.dst_port, c.flow_id, c.capture_id, c.t, c.bytes FROM calls c JOIN pairs p USING (src_ip, dst_ip)
  UNION ALL
  SELECT c.src_ip, n.about, c.dst_ip, c.dst_port, c.flow_id, c.capture_id, c.t, c.bytes
  FROM outward c JOIN names n ON n.src_ip = c.src_ip AND n.about = c.name
  UNION ALL
  SELECT r.src_ip, r.path AS about, r.dst_ip, r.dst_port, r.flow_id, r.capture_id, r.t, r.bytes FROM requests r JOIN paths p USING (src_ip, dst_ip, path)),
-- A day at a time, counted back from the end, as the score is made for one.
grouped AS (
  SELECT src_ip, CASE WHEN about = '' OR about LIKE 'GET %' THEN dst_ip END AS pair_ip, about, (epoch_ns($until::TIMESTAMP_NS) - t) // 86400000000000 AS day,
         count(*) AS n, list_sort(list(t)) AS times, list_sort(list(bytes::DOUBLE)) AS sizes, arg_min(dst_ip, (t, flow_id)) AS dst_ip,
         CASE WHEN min(dst_port) = max(dst_port) THEN min(dst_port) END AS dst_port, min(flow_id) AS first_flow
  FROM events
  GROUP BY src_ip, pair_ip, about, day
  HAVING count(*) BETWEEN CASE WHEN about LIKE 'GET %' THEN $min_requests::BIGINT ELSE $min_connections::BIGINT END AND $max_connections::BIGINT - 1
     AND bool_or(capture_id = $capture::BIGINT)),
-- Bounds of the data: what the scope holds of each day, in whole seconds.
bounds AS (
  SELECT min(epoch_ns(first_ts)) // 1000000000 AS lo, max(epoch_ns(last_ts)) // 1000000000 AS hi
  FROM captures WHERE capture_id IN (FROM scope)),
timed AS (
  SELECT g.*, list_transform(times, lambda x: x // 1000000000) AS secs,
         greatest(b.lo, epoch_ns($until::TIMESTAMP_NS) // 1000000000 - (g.day + 1) * 86400) AS lo,
         least(b.hi, epoch_ns($until::TIMESTAMP_NS) // 1000000000 - g.day * 86400) AS hi
  FROM grouped g, bounds b),
gapped AS (
  SELECT *, list_sort(list_filter(list_transform(list_zip(secs[2:], secs[:-2]), lambda p: (p[1] - p[2])::DOUBLE), lambda g: g > 0)) AS gaps,
         list_transform(list_zip(times[2:], times[:-2]), lambda p: (p[1] - p[2]) / 1e9) AS fine,
         list_aggregate(list_transform(secs, lambda s: least(23, greatest(0, ((s - lo) * 24) // greatest(hi - lo, 1)))), 'histogram') AS bins
  FROM timed
  WHERE len(list_distinct(secs)) >= 4 AND hi > lo),
measured AS (
  SELECT * EXCLUDE (bins),
         list_median(gaps) AS g2, list_median(gaps[:len(gaps) // 2]) AS g1, list_median(gaps[len(gaps) - len(gaps) // 2 + 1:]) AS g3,
         list_aggregate(gaps, 'mad') AS gmad,
         list_median(sizes) AS s2, list_median(sizes[:n // 2]) AS s1, list_median(sizes[n - n // 2 + 1:]) AS s3,
         list_aggregate(sizes, 'mad') AS smad,
         map_values(bins) AS bars,
         list_sum(list_transform(map_keys(bins), lambda b: 1::BIGINT << b::INT)) AS mask,
         list_median(fine) AS middle
  FROM gapped
  WHERE len(gaps) >= 3),
parts AS (
  SELECT *,
         round((1 - abs(CASE WHEN g3 - g1 >= 10 AND g2 <> g1 AND g2 <> g3 THEN (g1 + g3 - 2 * g2) / (g3 - g1) ELSE 0 END)
               + CASE WHEN g2 < 1 THEN 1 ELSE greatest(0, (g2 - gmad) / g2) END) / 2, 3) AS ts_score,
         round((1 - abs(CASE WHEN s3 - s1 >= 10 AND s2 <> s1 AND s2 <> s3 THEN (s1 + s3 - 2 * s2) / (s3 - s1) ELSE 0 END)
               + CASE WHEN s2 < 1 THEN 0 ELSE greatest(0, (s2 - smad) / s2) END) / 2, 3) AS ds_score,
         greatest(0, 1 - sqrt(greatest(0, list_sum(list_transform(bars, lambda c: (c * c)::DOUBLE)) / 24 - pow(n / 24, 2))) / (n / 24)) AS flat,
         list_reverse_sort(map_values(list_aggregate(list_transform(bars, lambda c: c // ceil(0.05::DOUBLE * list_max(bars))::BIGINT), 'histogram'))) AS modes,
         list_max(list_transform(string_split(repeat(lpad(bin(mask::UINTEGER), 24, '0'), 2), '0'), lambda r: least(24, length(r)))) AS run,
         (secs[-1] - secs[1]) / (hi - lo) AS coverage,
         len(list_filter(fine, lambda g: abs(g - middle) <= $steady_width::DOUBLE * middle)) / len(fine) AS steady
  FROM measured),
scored AS (
  SELECT *,
         round(greatest(flat, CASE WHEN len(bars) >= 11 THEN least(1, list_sum(modes[:2]) / greatest(len(bars) - 1, 1)) ELSE 0 END), 3) AS hist_score,
         round(CASE WHEN len(bars) < 6 THEN 0 ELSE least(1, greatest(coverage, run / 12)) END, 3) AS dur_score
  FROM parts),
ranked AS (
  SELECT *, nullif(regexp_extract(about, '^GET (?:[a-z]+://)?([^/:]+\.[^/:]+)(?::\d+)?(?:/.*)?$', 1), '') AS proxied_name,
         round((ts_score + ds_score + hist_score + dur_score) / 4, 3) AS score
  FROM scored),
regular AS (
  SELECT * FROM ranked
  WHERE CASE WHEN n >= $min_connections::BIGINT THEN score >= $min_score::DOUBLE OR steady >= $steady_share::DOUBLE
             ELSE steady >= $few_share::DOUBLE END
    AND middle >= $min_gap_s::DOUBLE AND (times[-1] - times[1]) >= $min_span_s::DOUBLE * 1e9
  QUALIFY row_number() OVER (PARTITION BY src_ip, dst_ip, proxied_name ORDER BY score DESC, n DESC, about, day) = 1),
-- Names and services; what speaks by itself at intervals by design is left out.
found AS (
  SELECT r.*, f.protocol, r.proxied_name IS NOT NULL AS proxied, coalesce(r.proxied_name, f.hostname) AS hostname,
         coalesce(regexp_extract(r.proxied_name, '[^.]+\.[^.]+$'), f.domain) AS domain,
         -- What is asked of a proxy goes outside, wherever that stands.
         CASE WHEN r.proxied_name IS NOT NULL THEN 'outbound' ELSE f.direction END AS direction, f.service,
         f.service IS NULL OR f.service IN ('http', 'tls', 'quic', 'websocket') AS carrier,
         -- Calls and games keep their places alive; such a name is told by what was said, not by a port.
         f.service_source = 'content' AND f.service IN ('discord', 'rtp', 'rtcp', 'stun', 'dtls', 'sip', 'rtsp', 'zoom', 'skype', 'whatsapp', 'telegram', 'teamspeak', 'mumble', 'iax', 'steam', 'source_engine', 'raknet', 'minecraft') AS media
  FROM regular r JOIN flows f ON f.flow_id = r.first_flow
  WHERE f.capture_id IN (FROM scope)
    AND coalesce(f.service, '') NOT IN ('ntp', 'dns', 'mdns', 'llmnr', 'nbns', 'dhcp', 'dhcpv6', 'ssdp', 'ptp', 'bfd', 'hsrp', 'vrrp')),
evidence AS (
  SELECT e.src_ip, e.dst_ip, e.about, list(DISTINCT e.flow_id ORDER BY e.flow_id)[:25] AS flow_ids
  FROM events e SEMI JOIN found USING (src_ip, about) GROUP BY ALL),
-- Requests without a Host, as programs make them that speak HTTP by hand.
hostless AS (
  SELECT e.src_ip, e.dst_ip, e.about, count(*) AS n
  FROM (SELECT src_ip, dst_ip, about, unnest(flow_ids) AS flow_id FROM evidence) e JOIN http h ON h.flow_id = e.flow_id
  WHERE h.capture_id IN (FROM scope) AND h.method IS NOT NULL AND h.host IS NULL
  GROUP BY ALL),
-- How many of the local hosts know the place.
known AS (
  SELECT dst_ip, count(DISTINCT src_ip) AS hosts FROM flows
  WHERE capture_id IN (FROM scope) AND dst_ip IN (SELECT dst_ip FROM found) AND direction <> 'inbound' AND direction <> 'multicast'
  GROUP BY dst_ip),
local AS (
  SELECT count(DISTINCT ip) AS hosts FROM host_facts WHERE capture_id IN (FROM scope) AND is_internal),
asked AS (
  SELECT DISTINCT ip FROM (SELECT unnest(answer_ips) AS ip FROM dns WHERE capture_id IN (FROM scope) AND answer_ips IS NOT NULL)
  WHERE ip IN (SELECT dst_ip FROM found)),
lookups AS (SELECT count(*) AS n FROM dns WHERE capture_id IN (FROM scope)),
polls(domain) AS (
  VALUES ('microsoft.com'), ('windowsupdate.com'), ('windows.com'), ('msftncsi.com'), ('msftconnecttest.com'), ('office.com'),
         ('live.com'), ('apple.com'), ('icloud.com'), ('google.com'), ('googleapis.com'), ('gstatic.com'), ('mozilla.org'),
         ('mozilla.com'), ('firefox.com'), ('ubuntu.com'), ('canonical.com'), ('debian.org'), ('fedoraproject.org'), ('adobe.com'),
         ('digicert.com'), ('letsencrypt.org'), ('lencr.org'), ('symantec.com'), ('kaspersky.com'), ('eset.com'), ('avast.com'),
         ('dropbox.com'), ('slack.com'), ('zoom.us'), ('whatsapp.net'), ('facebook.com'), ('skype.com'), ('spotify.com'), ('netflix.com'),
         ('msn.com'), ('bing.com'), ('office365.com'), ('office.net'), ('sharepoint.com'), ('outlook.com'), ('xboxlive.com'), ('gvt1.com'),
         ('google-analytics.com'), ('doubleclick.net'), ('googlesyndication.com'), ('youtube.com'), ('yahoo.com'), ('twitter.com'),
         ('instagram.com'), ('linkedin.com'), ('amazon.com'), ('mcafee.com'), ('norton.com'), ('bitdefender.com'), ('sophos.com'),
         ('trendmicro.com'), ('malwarebytes.com'), ('nr-data.net'), ('scorecardresearch.com'), ('chartbeat.net'), ('roku.com'), ('sonos.com'),
         ('samsungcloudsolution.com'), ('hicloud.com'), ('miui.com'), ('qq.com'), ('baidu.com'))
SELECT make_timestamp_ns(f.times[1]) AS first_ts, make_timestamp_ns(f.times[-1]) AS last_ts, f.src_ip, f.dst_ip, f.dst_port, f.protocol,
       CASE WHEN f.about LIKE 'GET %' THEN coalesce(f.proxied_name, '') ELSE f.about END AS about, f.n AS count,
       CASE WHEN f.direction = 'internal' THEN CASE WHEN k.hosts <= 1 AND f.carrier THEN 'low' ELSE 'info' END WHEN p.domain IS NOT NULL OR f.media OR f.direction = 'external' OR f.times[-1] - f.times[1] < $brief_s::DOUBLE * 1e9 THEN 'low' ELSE 'medium' END AS severity,
       concat(f.src_ip, ' calls ', coalesce(f.hostname || ' (' || f.dst_ip || ')', f.dst_ip), ' every ',
              CASE WHEN f.middle < 10 THEN round(f.middle, 1)::VARCHAR WHEN f.middle < 600 THEN round(f.middle)::INT::VARCHAR ELSE round(f.middle / 60, 1)::VARCHAR END,
              CASE WHEN f.middle < 600 THEN ' s, ' ELSE ' min, ' END, f.n, ' times') AS title,
       list_filter([
         CASE WHEN f.score >= $min_score::DOUBLE
              THEN {'name': 'beacon_score', 'value': f.score, 'threshold': $min_score::DOUBLE, 'weight': least(0.9, f.score - 0.15)} END,
         CASE WHEN f.steady >= $steady_share::DOUBLE
              THEN {'name': 'steady_gaps_share', 'value': round(f.steady, 3), 'threshold': $steady_share::DOUBLE, 'weight': 0.5 + 0.4 * (f.steady - 0.6)} END,
         CASE WHEN l.hosts >= 20 AND NOT f.proxied AND k.hosts <= $rare_share::DOUBLE * l.hosts
              THEN {'name': 'hosts_share', 'value': k.hosts / l.hosts, 'threshold': $rare_share::DOUBLE, 'weight': 0.15} END,
         CASE WHEN l.hosts >= 4 AND NOT f.proxied AND k.hosts >= $common_share::DOUBLE * l.hosts
              THEN {'name': 'common_hosts_share', 'value': k.hosts / l.hosts, 'threshold': $common_share::DOUBLE, 'weight': -0.15} END,
         CASE WHEN f.direction <> 'internal' AND NOT f.proxied AND a.ip IS NULL AND EXISTS (FROM dns WHERE capture_id IN (FROM scope))
              THEN {'name': 'no_dns_before', 'value': 1.0, 'threshold': 0.0, 'weight': 0.1} END,
         CASE WHEN h.n > 0 THEN {'name': 'requests_without_host', 'value': h.n::DOUBLE, 'threshold': 1.0, 'weight': 0.1} END,
         CASE WHEN f.times[-1] - f.times[1] < $brief_s::DOUBLE * 1e9
              THEN {'name': 'seen_briefly_s', 'value': round((f.times[-1] - f.times[1]) / 1e9, 1), 'threshold': $brief_s::DOUBLE, 'weight': 0.0} END,
         CASE WHEN p.domain IS NOT NULL THEN {'name': 'known_to_poll', 'value': 1.0, 'threshold': 0.0, 'weight': 0.0} END
       ], lambda r: r IS NOT NULL) AS reasons,
       e.flow_ids,
       to_json({'score': f.score, 'timestamps': f.ts_score, 'sizes': f.ds_score, 'histogram': f.hist_score, 'duration': f.dur_score,
                'steady_gaps_share': round(f.steady, 3), 'median_gap_s': round(f.middle, 3), 'median_bytes': f.s2, 'name': f.hostname,
                'hosts': k.hosts, 'counted': CASE WHEN f.about LIKE 'GET %' THEN 'requests' ELSE 'connections' END, 'path': CASE WHEN f.about LIKE 'GET %' THEN substr(f.about, 5) END})::VARCHAR AS details
FROM found f CROSS JOIN local l LEFT JOIN known k ON k.dst_ip = f.dst_ip LEFT JOIN asked a ON a.ip = f.dst_ip
-- A Host header costs nothing: in clear text the name counts only where a DNS answer led to the address.
CROSS JOIN lookups q LEFT JOIN polls p ON p.domain = f.domain AND (f.service IS DISTINCT FROM 'http' OR a.ip IS NOT NULL OR f.proxied OR q.n = 0)
LEFT JOIN hostless h ON h.src_ip = f.src_ip AND h.dst_ip = f.dst_ip AND h.about = f.about
LEFT JOIN evidence e ON e.src_ip = f.src_ip AND e.dst_ip = f.dst_ip AND e.about = f.about
ORDER BY f.score DESC, f.n DESC, f.src_ip, f.dst_ip;
