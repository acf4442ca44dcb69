-- name: dns_resolver
-- question: Who asks a resolver that others here do not use?
-- why: Malware that changes the resolver, or a tunnel that talks to its own server directly, goes past the resolver that everybody else uses.
-- kind: dns_resolver
-- horizon: 24 h
-- from: dns
-- only: dns: count(DISTINCT client_ip) >= $min_clients::BIGINT AND count(*) >= $min_questions::BIGINT
-- params:
--   min_clients number 5 Clients in the network, at least; among fewer nothing is usual.
--   usual_share number 0.6 Share of the clients that use the usual resolver, at least: a clear majority, or there is no usual one.
--   max_clients number 1 Clients of the unusual one, at most: a second one may be a plan.
--   min_questions number 10 Questions asked of it, at least: fewer may be a try by hand.
-- innocent:
--   A guest's telephone or a browser with a resolver of its own, a name server that asks the roots itself, a check by an administrator.
-- next:
--   Whose is the resolver? Compare what it answers with what the usual one says.
-- references:
--   MITRE ATT&CK T1071.004, T1557.
-- columns:
--   first_ts First question.
--   last_ts Last one.
--   src_ip Who asks.
--   dst_ip The unusual resolver.
--   dst_port Always 53.
--   count Questions.
--   title A sentence.
--   reasons Shares.
--   details The usual resolver.
WITH asked AS (
  SELECT d.client_ip, d.server_ip, count(*) AS n, min(d.ts) AS first_ts, max(d.ts) AS last_ts, bool_or(d.capture_id = $capture::BIGINT) AS current,
         bool_or(f.dst_internal) AS inside, count(DISTINCT d.domain) AS domains
  FROM dns d JOIN flows f ON f.capture_id = d.capture_id AND f.flow_id = d.flow_id
  WHERE d.capture_id IN (SELECT unnest($captures::BIGINT[])) AND d.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND d.service = 'dns' AND f.src_internal AND f.dst_port = 53 AND d.rcode IS NOT NULL
  GROUP BY ALL),
clients AS (SELECT count(DISTINCT client_ip) AS clients FROM asked),
servers AS (SELECT server_ip, count(DISTINCT client_ip) AS users FROM asked GROUP BY ALL),
usual AS (
  SELECT server_ip, users, clients FROM servers, clients
  WHERE clients >= $min_clients::BIGINT AND users >= $usual_share::DOUBLE * clients
  ORDER BY users DESC, server_ip LIMIT 1)
SELECT a.first_ts, a.last_ts, a.client_ip AS src_ip, a.server_ip AS dst_ip, 53 AS dst_port, a.n AS count,
       concat(a.client_ip, ' asks the resolver ', a.server_ip, ', while ', u.users, ' of ', u.clients, ' hosts ask ', u.server_ip) AS title,
       [{'name': 'users_of_the_usual_share', 'value': round(u.users / u.clients, 3), 'threshold': $usual_share::DOUBLE, 'weight': 0.4},
        {'name': 'users_of_this', 'value': s.users::DOUBLE, 'threshold': $max_clients::DOUBLE, 'weight': 0.25}] AS reasons,
       to_json({'usual': u.server_ip, 'domains': a.domains})::VARCHAR AS details
FROM asked a JOIN servers s USING (server_ip), usual u
-- Who asks many servers works as a resolver itself.
WHERE a.current AND NOT a.inside AND s.users <= $max_clients::BIGINT AND a.server_ip <> u.server_ip AND a.n >= $min_questions::BIGINT
  AND (SELECT count(*) FROM asked o WHERE o.client_ip = a.client_ip) <= 4
  AND a.client_ip NOT IN (SELECT server_ip FROM servers)
ORDER BY a.n DESC, a.client_ip, a.server_ip;
