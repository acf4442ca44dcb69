-- name: dns_rebinding
-- question: Which outside names answer with an inside address, after an outside one or from a resolver outside?
-- why: A web page may talk to its own name only. When that name suddenly means 192.168.1.1, the page talks to the router from inside.
-- kind: dns_rebinding
-- horizon: 24 h
-- from: dns
-- only: dns: bool_or(min_ttl <= $max_ttl::BIGINT AND regexp_matches(array_to_string(answer_ips, ' '), '(^| )(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|127\.0\.0\.1( |$)|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1( |$))'))
-- params:
--   max_ttl number 120 Seconds that the answers may be kept, at most; the trick needs the browser to ask again soon.
-- innocent:
--   A company whose own name has other addresses inside (split horizon), a home router's name, tests of a developer.
-- next:
--   Which page was open? Did the client talk to the inside address afterwards, and what did it ask?
-- references:
--   C. Jackson, A. Barth, A. Bortz, W. Shao, D. Boneh, Protecting Browsers from DNS Rebinding Attacks (CCS 2007).
-- columns:
--   first_ts First answer.
--   last_ts Last answer.
--   src_ip Client.
--   dst_ip The inside address.
--   about The name.
--   count Answers with an inside address.
--   severity medium when it led outside before and the client then spoke to it, else low.
--   title A sentence.
--   reasons Both kinds of answers and the TTL.
WITH answers AS (
  SELECT client_ip, query, ts, min_ttl, flow_id, unnest(answer_ips) AS ip, capture_id = $capture::BIGINT AS current
  FROM dns
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND service = 'dns' AND domain IS NOT NULL AND len(answer_ips) > 0 AND min_ttl <= $max_ttl::BIGINT),
classed AS (
  -- 127.0.0.2 and its like are answers of black lists.
  SELECT *, regexp_matches(ip, '^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|127\.0\.0\.1$|f[cd][0-9a-f]{2}:|fe[89ab][0-9a-f]:|::1$)') AS inside,
         NOT regexp_matches(ip, '^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|127\.|0\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe[89ab]|::)') AS outside
  FROM answers),
sums AS (
  SELECT client_ip, query, count(*) FILTER (inside) AS n, count(*) FILTER (outside) AS m, min(ts) AS first_ts, max(ts) AS last_ts, min(min_ttl) AS ttl,
         arg_min(ip, (ts, ip)) FILTER (inside) AS dst_ip, min(flow_id) FILTER (inside) AS flow_id, min(ts) FILTER (outside) AS began,
         max(ts) FILTER (inside) AS turned, bool_or(current) AS current
  FROM classed GROUP BY client_ip, query
  HAVING count(*) FILTER (inside) > 0 AND bool_or(current)),
-- Names of one's own are answered with inside addresses by a resolver inside; one outside has no business to know any.
asked AS (
  SELECT s.*, f.dst_internal,
         EXISTS (FROM flows f WHERE f.capture_id IN (SELECT unnest($captures::BIGINT[])) AND f.src_ip = s.client_ip AND f.dst_ip = s.dst_ip
                   AND f.first_ts >= coalesce(s.began, s.first_ts)) AS spoke
  FROM sums s LEFT JOIN flows f ON f.flow_id = s.flow_id AND f.capture_id IN (SELECT unnest($captures::BIGINT[])))
SELECT first_ts, last_ts, client_ip AS src_ip, dst_ip, query AS about, n AS count,
       CASE WHEN m > 0 AND spoke THEN 'medium' ELSE 'low' END AS severity,
       concat(query, CASE WHEN m > 0 THEN ' led ' || client_ip || ' outside first and then to ' ELSE ', a name that a resolver outside knows, led ' || client_ip || ' to ' END,
              dst_ip, ' inside') AS title,
       list_filter([{'name': 'inside_answers', 'value': n::DOUBLE, 'threshold': 1.0, 'weight': 0.6},
        {'name': 'ttl_s', 'value': ttl::DOUBLE, 'threshold': $max_ttl::DOUBLE, 'weight': CASE WHEN ttl <= 10 THEN 0.3 ELSE 0.1 END},
        CASE WHEN m = 0 THEN {'name': 'never_outside', 'value': 1.0, 'threshold': 0.0, 'weight': -0.1} END], lambda r: r IS NOT NULL) AS reasons
FROM asked
WHERE m > 0 AND began < turned OR m = 0 AND spoke AND NOT dst_internal
ORDER BY n DESC, query, client_ip;
