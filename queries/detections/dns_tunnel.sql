-- name: dns_tunnel
-- question: Whose DNS names carry data?
-- why: Resolvers pass on any name, so a network that lets nothing else out lets this out. Data in names is long, looks random and never
--   comes twice; the answers come as TXT, NULL or CNAME, because they hold more. Some tools are known by the form of their names.
-- kind: dns_tunnel
-- horizon: 24 h
-- from: dns
-- only: dns: count(DISTINCT query) FILTER (length(query) > 12) >= $min_names::BIGINT OR bool_or(qtype IN (5, 10, 15, 16, 65399) OR query LIKE 'dnscat.%' OR query LIKE '%=auth.%' OR query LIKE '%=connect.%' OR query LIKE '%=resource.%' OR regexp_matches(query, '^(aaa|baa|post|api|cdn|www6)\.(stage\.)?[0-9a-f]{6,}\.') OR query LIKE 'h4si%')
-- params:
--   window_s number 300 Length of a window in seconds in which questions are counted; long enough for a slow tunnel's burst.
--   min_questions number 25 Questions of one client below one domain in a window, at least.
--   min_names number 15 Different names with a long part below the domain among them, at least.
--   min_length number 50 Characters below the domain from which on a part is long; host names of people stay below 30.
--   day_names number 100 Different names a day from which on shorter parts count as well, when they look random.
--   min_entropy number 3.0 Bits a character of the part below the domain for that; words have 2.5 to 3, hexadecimal digits up to 4, base32 up to 5.
--   once_share number 0.9 Share of names asked only once, from which on it strengthens.
-- innocent:
--   Reputation services of virus scanners and mail filters, which ask for hashes; telemetry in names; content delivery.
-- next:
--   Who owns the domain, and which server answers for it?
--   What ran on the client? Data of what size left (details.bytes_up)?
-- references:
--   MITRE ATT&CK T1071.004, T1048.003; K. Born, D. Gustafson, Detecting DNS Tunnels Using Character Frequency Analysis (2010).
-- columns:
--   first_ts First question.
--   last_ts Last one.
--   src_ip Client.
--   dst_ip Server that was asked first.
--   about Domain below which the data lies.
--   count Questions.
--   severity medium for a single name of a known form, low below the zone of a reputation service, else that of the kind.
--   title A sentence.
--   reasons What speaks for it.
--   flow_ids Flows.
--   details Measures and an example.
WITH asked AS (
  SELECT capture_id, flow_id, ts, client_ip, server_ip, query, qtype, qtype_name, answer_bytes, query_bytes, answer_ips,
         -- The registered domain; without one (a tree of its own) the last two labels, or nothing where the tool sends none.
         coalesce(domain, CASE WHEN query LIKE 'dnscat.%' THEN 'dnscat' ELSE regexp_extract(query, '[^.]+\.[^.]+$') END) AS zone
  FROM dns
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND service = 'dns' AND query IS NOT NULL AND length(query) > 12 AND attempts > 0
    -- Reversed addresses are what reputation services are asked for.
    AND NOT regexp_matches(query, '^(\d{1,3}\.){4}|^([0-9a-f]\.){16}')
    AND query NOT LIKE '%.arpa' AND query NOT LIKE '%.local' AND query NOT LIKE '\_%' ESCAPE '\'),
parted AS (
  SELECT *, CASE WHEN zone IN ('', 'dnscat') THEN query WHEN length(query) > length(zone) THEN left(query, length(query) - length(zone) - 1) ELSE '' END AS part
  FROM asked),
-- Form of known tools: iodine's NULL and PRIVATE questions, dnscat2's tag and hexadecimal sessions, dns2tcp's commands, Cobalt Strike's
-- default stages, and a gzip file in base64 as a name.
formed AS (
  SELECT *, replace(part, '.', '') AS packed,
         CASE WHEN qtype IN (10, 65399) AND length(part) >= 5 THEN 'iodine'
              WHEN query LIKE 'dnscat.%' THEN 'dnscat2'
              WHEN length(part) >= 18 AND regexp_full_match(replace(part, '.', ''), '[0-9a-f]+') AND qtype IN (5, 15, 16) THEN 'dnscat2'
              WHEN query LIKE '%=auth.%' OR query LIKE '%=connect.%' OR query LIKE '%=resource.%' THEN 'dns2tcp'
              WHEN regexp_matches(query, '^(aaa|baa|post|api|cdn|www6)\.(stage\.)?[0-9a-f]{6,}\.') THEN 'cobalt strike'
              WHEN query LIKE 'h4sia%' AND length(part) >= 20 OR query LIKE 'h4sic%' AND length(part) >= 20 THEN 'gzip in base64' END AS form
  FROM parted),
windows AS (
  SELECT client_ip, zone, epoch_ns(ts) // ($window_s::BIGINT * 1000000000) AS slot, count(*) AS n,
         count(DISTINCT query) FILTER (length(part) >= $min_length::BIGINT) AS long_names
  FROM formed GROUP BY ALL),
peaks AS (
  SELECT client_ip, zone, max(n) AS peak, max(long_names) FILTER (n >= $min_questions::BIGINT) AS peak_names FROM windows GROUP BY ALL),
-- Most zones have few names: the dear sums are made for the others only.
zones AS (
  SELECT client_ip, zone
  FROM formed
  GROUP BY client_ip, zone
  HAVING max(length(part)) >= 12 AND count(*) >= $min_names::BIGINT AND count(DISTINCT query) >= $min_names::BIGINT OR count(form) > 0),
sums AS (
  SELECT client_ip, zone, count(*) AS n, count(DISTINCT query) AS names, min(ts) AS first_ts, max(ts) AS last_ts, arg_min(server_ip, (ts, server_ip)) AS dst_ip,
         avg(length(part)) AS mean_length, max(length(part)) AS max_length,
         count(*) FILTER (qtype IN (5, 10, 15, 16, 25, 65399)) / count(*) AS carrier_share,
         count(*) FILTER (form IS NOT NULL) AS formed, max(form) AS form, count(*) FILTER (len(answer_ips) > 0) / count(*) AS address_share,
         sum(length(part)) AS bytes_up, sum(coalesce(answer_bytes, 0)) AS bytes_down, string_agg(packed, '' ORDER BY ts, packed) AS text,
         arg_max(query, (length(query), query)) AS example, list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
         bool_or(capture_id = $capture::BIGINT) AS current
  FROM formed SEMI JOIN zones USING (client_ip, zone)
  GROUP BY client_ip, zone),
-- Letters of the first names: entropy needs no more.
weighed AS (
  SELECT s.*, p.peak, coalesce(p.peak_names, 0) AS peak_names, names / n AS once,
         list_sum(list_transform(map_values(list_aggregate(string_split(left(text, 4000), ''), 'histogram')),
                  lambda c: -(c / least(4000, greatest(length(text), 1))) * log2(c / least(4000, greatest(length(text), 1))))) AS entropy
  FROM sums s JOIN peaks p USING (client_ip, zone)
  WHERE current),
found AS (
  SELECT *, peak_names >= $min_names::BIGINT AS is_long,
         names >= $day_names::BIGINT AND entropy >= $min_entropy::DOUBLE AND mean_length >= 12 AND once >= 0.5 AS is_many,
         formed >= 5 OR (formed > 0 AND form IN ('gzip in base64', 'dns2tcp')) AS is_formed,
         -- Zones of services that are asked for hashes and addresses; only their owner gets what is in the names.
         zone IN ('sophosxl.net', 'sophosxl.com', 'mcafee.com', 'e5.sk', 'spamhaus.org', 'spamhaus.net', 'surbl.org', 'uribl.com', 'barracudabrts.com',
                  'barracudacentral.org', 'trendmicro.com', 'cymru.com', 'senderbase.org', 'webcfs00.com', 'dnswl.org', 'mailshell.net', 'fortinet.net',
                  'metric.gstatic.com', 'gstatic.com', 'kaspersky-labs.com', 'avast.com', 'webroot.com') AS known
  FROM weighed)
SELECT first_ts, last_ts, client_ip AS src_ip, dst_ip, zone AS about, n AS count,
       CASE WHEN known THEN 'low' WHEN n < 5 THEN 'medium' END AS severity,
       concat(client_ip, ' moved ', bytes_up, ' bytes out in ', names, ' names below ', zone, CASE WHEN is_formed THEN ' in the form of ' || form ELSE '' END) AS title,
       list_filter([
         CASE WHEN is_long THEN {'name': 'long_names_in_window', 'value': peak_names::DOUBLE, 'threshold': $min_names::DOUBLE, 'weight': 0.5} END,
         CASE WHEN is_many THEN {'name': 'names_per_day', 'value': names::DOUBLE, 'threshold': $day_names::DOUBLE, 'weight': 0.35} END,
         CASE WHEN is_formed THEN {'name': 'tool_form', 'value': formed::DOUBLE, 'threshold': 1.0, 'weight': 0.6} END,
         CASE WHEN carrier_share >= 0.3 AND n >= 5 THEN {'name': 'carrier_types_share', 'value': round(carrier_share, 3), 'threshold': 0.3, 'weight': 0.35} END,
         CASE WHEN once >= $once_share::DOUBLE AND n >= 5 THEN {'name': 'names_asked_once_share', 'value': round(once, 3), 'threshold': $once_share::DOUBLE, 'weight': 0.1} END,
         CASE WHEN entropy >= 3.5 THEN {'name': 'entropy_bits', 'value': round(entropy, 2), 'threshold': 3.5, 'weight': 0.15} END,
         CASE WHEN known THEN {'name': 'known_reputation_service', 'value': 1.0, 'threshold': 0.0, 'weight': -0.1} END,
         -- Reputation services answer with an address (127.0.0.2) or not at all; their names are hashes or reversed addresses.
         CASE WHEN address_share >= 0.5 AND carrier_share < 0.1 AND NOT is_formed THEN {'name': 'answers_are_addresses_share', 'value': round(address_share, 3), 'threshold': 0.5, 'weight': -0.25} END
       ], lambda r: r IS NOT NULL) AS reasons,
       flow_ids,
       to_json({'names': names, 'mean_length': round(mean_length, 1), 'longest': max_length, 'bytes_up': bytes_up, 'bytes_down': bytes_down,
                'carrier_types_share': round(carrier_share, 3), 'entropy_bits': round(entropy, 2), 'tool': form, 'example': example[:120]})::VARCHAR AS details
FROM found
WHERE is_long OR is_many OR is_formed
ORDER BY n DESC, client_ip, zone;
