-- name: rare_fingerprint
-- question: Whose TLS fingerprint has no other host here?
-- why: A fingerprint belongs to a program's library, not to a user. In a network of many hosts, a program that only one of them runs and that
--   talks to the outside by itself deserves a name.
-- kind: rare_fingerprint
-- horizon: 7 d
-- from: tls
-- only: tls: count(ja4) >= greatest($min_hosts::BIGINT, $min_connections::BIGINT)
-- params:
--   min_hosts number 20 Local hosts that speak TLS to the outside, at least; among few hosts every program is rare.
--   min_connections number 5 Connections with the fingerprint, at least: one may be a scan or a test.
--   max_share number 0.02 Share of those hosts that have the fingerprint, at most one host in any case.
-- innocent:
--   A device of another make than the rest, a new browser version on the first host that updated.
-- next:
--   To which names does it connect? Which program is it (ja3, ja4 in public lists)?
-- references:
--   J. Althouse, J. Atkinson, J. Atkins, JA3 (2017); FoxIO, JA4 for TLS clients (BSD licence).
-- columns:
--   first_ts First connection.
--   last_ts Last one.
--   src_ip The host.
--   dst_ip Server it connected to first.
--   about JA4.
--   count Connections.
--   title A sentence.
--   reasons Rarity.
--   flow_ids Flows.
--   details JA3 and names.
WITH hellos AS (
  SELECT t.ts, t.flow_id, t.ja3, t.ja4, t.server_name, f.src_ip, f.dst_ip, t.capture_id = $capture::BIGINT AS current
  FROM tls t JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
  WHERE t.capture_id IN (SELECT unnest($captures::BIGINT[])) AND t.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND t.ja4 IS NOT NULL AND f.direction = 'outbound'),
hosts AS (SELECT count(DISTINCT src_ip) AS hosts FROM hellos),
prints AS (
  SELECT ja4, count(DISTINCT src_ip) AS users, min(src_ip) AS src_ip, count(*) AS n, min(ts) AS first_ts, max(ts) AS last_ts,
         arg_min(dst_ip, flow_id) AS dst_ip, min(ja3) AS ja3, list(DISTINCT server_name ORDER BY server_name)[:10] AS names,
         list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids, bool_or(current) AS current
  FROM hellos GROUP BY ja4
  HAVING count(DISTINCT src_ip) = 1 AND count(*) >= $min_connections::BIGINT)
SELECT first_ts, last_ts, src_ip, dst_ip, ja4 AS about, n AS count,
       concat(src_ip, ' alone of ', hosts, ' hosts has the TLS fingerprint ', ja4) AS title,
       [{'name': 'hosts_share', 'value': round(users / hosts, 4), 'threshold': $max_share::DOUBLE, 'weight': 0.4},
        {'name': 'connections', 'value': n::DOUBLE, 'threshold': $min_connections::DOUBLE, 'weight': 0.2}] AS reasons,
       flow_ids, to_json({'ja3': ja3, 'names': names})::VARCHAR AS details
FROM prints, hosts
WHERE hosts >= $min_hosts::BIGINT AND users <= greatest(1, $max_share::DOUBLE * hosts) AND current
ORDER BY n DESC, src_ip, ja4;
