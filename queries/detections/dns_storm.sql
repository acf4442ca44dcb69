-- name: dns_storm
-- question: Who asks for names that do not exist at a rate no user makes?
-- why: Searching for subdomains, a random-name attack on a resolver, or malware that tries the domains of the day looks like this; so does a
--   broken search list.
-- kind: dns_storm
-- horizon: capture
-- from: dns
-- only: dns: count(*) FILTER (rcode_name = 'NXDOMAIN') >= $min_failures::BIGINT
-- params:
--   min_failures number 100 Different questions that failed in one minute, at least; a browser's probes are three.
--   min_share number 0.5 Share of failures among the client's questions in that minute, at least.
-- innocent:
--   Black-list lookups of a mail server (no such name means not listed), a script over a list of old domains.
-- next:
--   Below how many domains? One is an attack on it or a search for names, many are a DGA (see dga).
-- references:
--   MITRE ATT&CK T1498; RFC 8020 for what NXDOMAIN means.
-- columns:
--   first_ts First failure of the worst minute.
--   last_ts Last one.
--   src_ip Client.
--   dst_ip A server that was asked.
--   count Failures in that minute.
--   title A sentence.
--   reasons The rate.
--   details Domains.
WITH minutes AS (
  SELECT client_ip, epoch_ns(ts) // 60000000000 AS minute, count(*) AS n,
         count(DISTINCT query) FILTER (rcode_name = 'NXDOMAIN') AS failures, min(ts) FILTER (rcode_name = 'NXDOMAIN') AS first_ts,
         max(ts) FILTER (rcode_name = 'NXDOMAIN') AS last_ts, min(server_ip) AS dst_ip,
         count(DISTINCT domain) FILTER (rcode_name = 'NXDOMAIN') AS domains, min(domain) FILTER (rcode_name = 'NXDOMAIN') AS domain,
         count(*) FILTER (rcode_name = 'NXDOMAIN' AND regexp_matches(query, '^(\d{1,3}\.){4}|^([0-9a-f]\.){32}')) AS reversed
  FROM dns
  WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND service = 'dns' AND query NOT LIKE '%.arpa'
  GROUP BY client_ip, minute
  HAVING count(*) >= $min_failures::BIGINT)
SELECT first_ts, last_ts, client_ip AS src_ip, dst_ip, failures AS count,
       concat(client_ip, ' asked for ', failures, ' names within a minute that do not exist, below ', domains, ' domains') AS title,
       list_filter([
         {'name': 'nxdomain_per_minute', 'value': failures::DOUBLE, 'threshold': $min_failures::DOUBLE, 'weight': 0.7},
         CASE WHEN reversed >= failures * 0.5 THEN {'name': 'reversed_addresses', 'value': reversed::DOUBLE, 'threshold': round(failures * 0.5), 'weight': -0.5} END
       ], lambda r: r IS NOT NULL) AS reasons,
       to_json({'domains': domains, 'such_as': domain, 'questions': n})::VARCHAR AS details
FROM minutes
WHERE failures >= $min_failures::BIGINT AND failures >= $min_share::DOUBLE * n
QUALIFY row_number() OVER (PARTITION BY client_ip ORDER BY failures DESC, minute) = 1
ORDER BY failures DESC, client_ip;
