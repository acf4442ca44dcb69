-- name: dns_fast_flux
-- question: Which names change their addresses all the time, over many networks?
-- why: Rented armies of broken-into hosts serve a name in turn, each for minutes. Content delivery looks similar; it hands out addresses of
--   few networks of its own behind an alias.
-- kind: dns_fast_flux
-- horizon: 24 h
-- from: dns
-- only: dns: count(*) FILTER (len(answer_ips) > 0 AND min_ttl <= $max_ttl::BIGINT) - count(DISTINCT query) FILTER (len(answer_ips) > 0 AND min_ttl <= $max_ttl::BIGINT) >= $min_answers::BIGINT - 1
-- params:
--   min_addresses number 10 Different addresses of one name, at least; Holz et al. saw dozens where a company has a handful.
--   min_networks number 5 Different networks (/16) of them, at least; a company has one or two, broken-into hosts are everywhere.
--   max_ttl number 300 Seconds that the answers may be kept, at most; Holz et al. saw below 300 in nearly all.
--   min_answers number 3 Answers that were seen, at least: one long answer is a farm, not a flux.
-- innocent:
--   Content delivery, time servers (pool.ntp.org), cloud services of several regions.
-- next:
--   To whom do the addresses belong: one company or households in many countries?
-- references:
--   T. Holz, C. Gorecki, K. Rieck, F. Freiling, Measuring and Detecting Fast-Flux Service Networks (NDSS 2008); MITRE ATT&CK T1568.001.
-- columns:
--   first_ts First answer.
--   last_ts Last answer.
--   src_ip Client that asked first.
--   about The name.
--   count Answers.
--   title A sentence.
--   reasons Addresses, networks, TTL.
--   details A part of the addresses.
WITH answers AS (
  SELECT query, client_ip, ts, min_ttl, answer_ips, answers, capture_id = $capture::BIGINT AS current
  FROM dns
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND service = 'dns' AND len(answer_ips) > 0 AND min_ttl <= $max_ttl::BIGINT AND domain IS NOT NULL
    -- An alias in the answer is how content delivery works.
    AND len(answers) = len(answer_ips) AND domain NOT IN ('ntp.org', 'pool.ntp.org')),
sums AS (
  SELECT query, count(*) AS n, arg_min(client_ip, (ts, client_ip)) AS src_ip, min(ts) AS first_ts, max(ts) AS last_ts, avg(min_ttl) AS ttl, bool_or(current) AS current,
         list_distinct(flatten(list(answer_ips))) AS ips
  FROM answers GROUP BY query
  HAVING count(*) >= $min_answers::BIGINT),
spread AS (
  SELECT *, len(ips) AS addresses, len(list_distinct(list_transform(ips, lambda a: regexp_extract(a, '^(\d+\.\d+|[0-9a-f]+:[0-9a-f]*)')))) AS networks
  FROM sums WHERE current)
SELECT first_ts, last_ts, src_ip, query AS about, n AS count,
       concat(query, ' had ', addresses, ' addresses in ', networks, ' networks, each for ', round(ttl)::INT, ' s') AS title,
       [{'name': 'addresses', 'value': addresses::DOUBLE, 'threshold': $min_addresses::DOUBLE, 'weight': 0.3},
        {'name': 'networks', 'value': networks::DOUBLE, 'threshold': $min_networks::DOUBLE, 'weight': least(0.5, 0.2 + 0.02 * networks)},
        {'name': 'ttl_s', 'value': round(ttl), 'threshold': $max_ttl::DOUBLE, 'weight': 0.1}] AS reasons,
       to_json({'addresses': list_sort(ips)[:25]})::VARCHAR AS details
FROM spread
WHERE addresses >= $min_addresses::BIGINT AND networks >= $min_networks::BIGINT
ORDER BY addresses DESC, query;
