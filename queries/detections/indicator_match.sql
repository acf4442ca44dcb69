-- name: indicator_match
-- question: What was seen that stands in a list of indicators?
-- why: Somebody else has already found these addresses, names and hashes to be bad. A contact that was answered counts most; an attempt from
--   outside that was refused is what every address meets.
-- kind: indicator_match
-- horizon: capture
-- from: indicators
-- params:
--   max_rows number 1000 Findings, at most: a list that matches more has an entry that is too wide.
-- innocent:
--   An address that has changed hands since the list was made; a shared host or a content network; a fingerprint that other programs have, too.
-- next:
--   How old is the entry, and what does its source say (details)? Look at all the host did from the first contact on.
-- references:
--   OASIS STIX 2.1; MISP core format.
-- columns:
--   first_ts First match.
--   last_ts Last one.
--   src_ip Who contacted, or asked; for an address that came to us, that address.
--   dst_ip Whom.
--   dst_port At which port.
--   about The entry.
--   count Flows and messages.
--   severity high when it was answered, medium when it was not or is only a fingerprint, low for what came from outside in vain and for the host of a URL.
--   title A sentence.
--   reasons What matched.
--   flow_ids Flows.
--   details Entry, list, source, date and note.
WITH listed AS (
  SELECT i.kind, i.value, i.low, i.high, i.date, i.note, i.list, l.source
  FROM indicators i LEFT JOIN indicator_lists l ON l.name = i.list),
f AS (
  SELECT flow_id, first_ts, last_ts, src_ip, dst_ip, dst_port, protocol, src_internal, dst_internal,
         CASE WHEN protocol = 'tcp' THEN conn_state IN ('S1', 'S2', 'S3', 'SF', 'RSTO', 'RSTR') ELSE dst_packets > 0 END AS answered
  FROM flows WHERE capture_id = $capture::BIGINT AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS),
-- Addresses, and networks by their first and last address in 32 hexadecimal digits.
ips AS (SELECT DISTINCT src_ip AS ip FROM f UNION SELECT DISTINCT dst_ip FROM f),
halves AS (
  SELECT ip, list_filter(string_split(split_part(ip, '::', 1), ':'), lambda g: g <> '') AS a,
         list_filter(string_split(split_part(ip, '::', 2), ':'), lambda g: g <> '') AS b
  FROM ips WHERE EXISTS (FROM listed WHERE kind = 'network')),
keyed AS (
  SELECT ip, CASE WHEN contains(ip, ':')
    THEN array_to_string(list_transform(a || list_transform(range(0, greatest(0, 8 - len(a) - len(b))), lambda i: '0') || b, lambda g: lpad(g, 4, '0')), '')
    ELSE '00000000000000000000ffff' || array_to_string(list_transform(string_split(ip, '.'), lambda n: printf('%02x', coalesce(TRY_CAST(n AS INTEGER), 0))), '')
    END AS key
  FROM halves),
bad_ips AS (
  SELECT ips.ip, l.* FROM ips JOIN listed l ON l.kind = 'address' AND l.value = ips.ip
  UNION ALL
  SELECT k.ip, l.* FROM keyed k JOIN listed l ON l.kind = 'network' AND k.key BETWEEN l.low AND l.high),
-- Names, with all names below a listed one.
names AS (
  SELECT flow_id, ts, lower(rtrim(query, '.')) AS name, 'asked for' AS did FROM dns
  WHERE capture_id = $capture::BIGINT AND query IS NOT NULL AND service = 'dns'
  UNION ALL SELECT flow_id, ts, server_name, 'connected to' FROM tls WHERE capture_id = $capture::BIGINT AND server_name IS NOT NULL
  UNION ALL SELECT flow_id, ts, server_name, 'connected to' FROM quic WHERE capture_id = $capture::BIGINT AND server_name IS NOT NULL
  UNION ALL SELECT flow_id, ts, lower(regexp_replace(host, ':[0-9]+$', '')), 'connected to' FROM http WHERE capture_id = $capture::BIGINT AND host IS NOT NULL),
parts AS (SELECT name, string_split(name, '.') AS p FROM (SELECT DISTINCT name FROM names WHERE EXISTS (FROM listed WHERE kind = 'domain'))),
suffixes AS (SELECT name, unnest(list_transform(range(1, len(p) + 1), lambda n: array_to_string(p[n:], '.'))) AS suffix FROM parts),
bad_names AS (SELECT s.name, l.* FROM suffixes s JOIN listed l ON l.kind = 'domain' AND l.value = s.suffix),
prints AS (
  SELECT flow_id, ts, 'ja3' AS kind, ja3 AS print FROM tls WHERE capture_id = $capture::BIGINT AND ja3 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'ja4', ja4 FROM tls WHERE capture_id = $capture::BIGINT AND ja4 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'ja3', ja3 FROM quic WHERE capture_id = $capture::BIGINT AND ja3 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'ja4', ja4 FROM quic WHERE capture_id = $capture::BIGINT AND ja4 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'certificate', sha256 FROM x509 WHERE capture_id = $capture::BIGINT AND sha256 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'certificate', sha1 FROM x509 WHERE capture_id = $capture::BIGINT AND sha1 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'file', sha256 FROM files WHERE capture_id = $capture::BIGINT AND sha256 IS NOT NULL
  -- Read while a list held such hashes.
  UNION ALL SELECT flow_id, ts, 'file', md5 FROM files WHERE capture_id = $capture::BIGINT AND md5 IS NOT NULL
  UNION ALL SELECT flow_id, ts, 'file', sha1 FROM files WHERE capture_id = $capture::BIGINT AND sha1 IS NOT NULL),
urls AS (
  SELECT flow_id, ts, CASE WHEN uri LIKE '/%' THEN lower(coalesce(host, '')) || uri ELSE regexp_replace(uri, '^[a-zA-Z]+://', '') END AS url
  FROM http WHERE capture_id = $capture::BIGINT AND uri IS NOT NULL AND EXISTS (FROM listed WHERE kind = 'url')),
-- Inside encryption the path of a URL does not show; that its host was visited is a hint, except where half of the world keeps its files.
hosts AS (
  SELECT *, regexp_replace(split_part(value, '/', 1), ':[0-9]+$', '') AS host FROM listed
  WHERE kind = 'url' AND NOT regexp_matches(value, '^([^/]*\.)?(github\.com|githubusercontent\.com|github\.io|gitlab\.com|bitbucket\.org|google\.com|googleapis\.com|googleusercontent\.com|dropbox\.com|'
    || 'dropboxusercontent\.com|live\.com|1drv\.ms|sharepoint\.com|windows\.net|azurewebsites\.net|amazonaws\.com|cloudfront\.net|discordapp\.com|discord\.com|pastebin\.com|mediafire\.com|mega\.nz|'
    || 'telegram\.org|t\.me|telegra\.ph|archive\.org|wordpress\.com|blogspot\.com|weebly\.com|wixsite\.com|pages\.dev|workers\.dev|r2\.dev|vercel\.app|netlify\.app|ipfs\.io|bit\.ly|tinyurl\.com)(:|/|$)')),
visits AS (
  SELECT flow_id, ts, server_name AS host FROM tls WHERE capture_id = $capture::BIGINT AND server_name IS NOT NULL
  UNION ALL SELECT flow_id, ts, server_name FROM quic WHERE capture_id = $capture::BIGINT AND server_name IS NOT NULL),
-- weight: how much a match says by itself.
hits AS (
  SELECT f.flow_id, f.first_ts AS ts, b.ip = f.src_ip AND f.src_ip <> f.dst_ip AS from_bad, b.kind, b.value, b.list, b.source, b.date, b.note,
         'connected to' AS did, CASE WHEN b.kind = 'address' THEN 0.75 ELSE 0.6 END AS weight
  FROM f JOIN bad_ips b ON b.ip IN (f.src_ip, f.dst_ip)
  UNION ALL
  SELECT n.flow_id, n.ts, false, b.kind, b.value, b.list, b.source, b.date, b.note, n.did, 0.8 FROM names n JOIN bad_names b USING (name)
  UNION ALL
  SELECT p.flow_id, p.ts, false, p.kind, l.value, l.list, l.source, l.date, l.note,
         CASE p.kind WHEN 'file' THEN 'exchanged' WHEN 'certificate' THEN 'met' ELSE 'spoke with' END,
         CASE p.kind WHEN 'file' THEN 0.95 WHEN 'certificate' THEN 0.9 ELSE 0.55 END
  FROM prints p JOIN listed l ON l.value = p.print AND (l.kind = p.kind OR (l.kind IN ('sha1', 'sha256') AND p.kind IN ('certificate', 'file')) OR (l.kind = 'md5' AND p.kind IN ('ja3', 'file')))
  UNION ALL
  SELECT u.flow_id, u.ts, false, 'url', l.value, l.list, l.source, l.date, l.note, 'fetched', 0.95 FROM urls u JOIN listed l ON l.kind = 'url' AND l.value = u.url
  UNION ALL
  SELECT v.flow_id, v.ts, false, 'url', h.value, h.list, h.source, h.date, h.note, 'went to the host of', 0.4 FROM visits v JOIN hosts h USING (host)),
met AS (
  SELECT h.*, f.src_ip, f.dst_ip, f.dst_port, f.protocol, f.answered, f.src_internal, f.dst_internal, f.last_ts
  FROM hits h JOIN f USING (flow_id)),
grouped AS (
  SELECT kind, value, from_bad, did, src_ip,
         -- The one visited most; of equals the lowest.
         list_sort(list_transform(map_entries(histogram(dst_ip)), lambda e: {'n': -(e.value::BIGINT), 'ip': e.key}))[1].ip AS dst_ip,
         CASE WHEN count(DISTINCT dst_port) = 1 THEN min(dst_port) END AS dst_port, count(DISTINCT dst_ip) AS targets,
         min(ts) AS first_ts, max(greatest(ts, last_ts)) AS last_ts, count(*) AS n, bool_or(answered) AS answered,
         bool_or(src_internal) AS src_internal, bool_or(dst_internal) AS dst_internal,
         max(weight) AS weight, list(DISTINCT list ORDER BY list) AS lists, min(source) AS source, max(date) AS date, min(note) AS note,
         list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids
  FROM met GROUP BY kind, value, from_bad, did, src_ip, CASE WHEN from_bad THEN '' ELSE dst_ip END)
SELECT first_ts, last_ts, src_ip, dst_ip, dst_port, src_internal, dst_internal, concat(kind, ':', value, CASE WHEN from_bad THEN ' from' WHEN did = 'went to the host of' THEN ' host' ELSE '' END) AS about, n AS count,
       CASE WHEN from_bad THEN CASE WHEN answered THEN 'medium' ELSE 'low' END
            WHEN did = 'went to the host of' THEN 'low'
            WHEN kind IN ('ja3', 'ja4') OR NOT answered THEN 'medium' ELSE 'high' END AS severity,
       concat(CASE WHEN from_bad THEN concat('Listed ', src_ip, ' came to ', CASE WHEN targets = 1 THEN dst_ip ELSE targets || ' hosts' END)
                   WHEN kind IN ('address', 'network') THEN concat(src_ip, ' connected to listed ', dst_ip)
                   ELSE concat(src_ip, ' ', did, ' listed ', kind, ' ', value) END,
              CASE WHEN answered THEN '' ELSE ' without an answer' END, ' (list ', lists[1], coalesce(', ' || date, ''), ')') AS title,
       list_filter([
         {'name': concat('listed_', kind, CASE WHEN did = 'went to the host of' THEN '_host' ELSE '' END), 'value': n::DOUBLE, 'threshold': 1.0, 'weight': weight::DOUBLE},
         CASE WHEN answered AND NOT from_bad THEN {'name': 'answered', 'value': 1.0, 'threshold': 0.0, 'weight': 0.3} END,
         CASE WHEN len(lists) > 1 THEN {'name': 'lists', 'value': len(lists)::DOUBLE, 'threshold': 2.0, 'weight': 0.4} END
       ], lambda r: r IS NOT NULL) AS reasons,
       flow_ids, to_json({'indicator': value, 'type': kind, 'lists': lists, 'source': source, 'date': date, 'note': note})::VARCHAR AS details
FROM grouped
ORDER BY first_ts, src_ip, dst_ip, about
LIMIT $max_rows::BIGINT;
