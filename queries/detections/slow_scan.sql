-- name: slow_scan
-- question: Whose first contacts fail so often that it must be searching?
-- why: A scanner that waits between two probes stays below every rate. It cannot hide that most doors it tries are closed: honest clients
--   know where they want to go. Each first contact moves a likelihood ratio up when it fails and down when it works. Over a whole database the
--   order says nothing more, so all of them are weighed together.
-- kind: port_scan_slow
-- horizon: 7 d
-- from: flows
-- only: flows: count(*) FILTER (protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')) - count(DISTINCT src_ip) FILTER (protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')) >= $threshold::BIGINT - 1
-- params:
--   threshold number 10 First contacts that failed, at least; the test alone would decide after four, with too many faults of one server among them.
--   window number 604800 Seconds before the end in which contacts count: a week, in which even a probe an hour makes 168.
--   honest_success number 0.8 Chance that a first contact of an honest client works (theta0 of the paper).
--   scanner_success number 0.2 Chance that one of a scanner works (theta1 of the paper).
--   detection number 0.99 Chance wanted to find a scanner, as in the paper; with the next one it gives the ratio of 99 that decides.
--   false_alarm number 0.01 Chance accepted to blame an honest client, as in the paper.
--   min_targets number 5 Different hosts or ports that failed, at least: one dead server that is tried again is no scan.
-- innocent:
--   A peer-to-peer client whose peers have gone, a monitoring system, a browser behind a broken proxy, half of an asymmetric route.
-- next:
--   Which ports and hosts, in which order? Did any contact work afterwards?
-- references:
--   J. Jung, V. Paxson, A. Berger, H. Balakrishnan, Fast Portscan Detection Using Sequential Hypothesis Testing (IEEE S&P 2004).
-- columns:
--   first_ts First contact that failed.
--   last_ts Last one.
--   src_ip Who searches.
--   dst_ip The host that was tried first.
--   protocol tcp.
--   count Contacts that failed.
--   title A sentence.
--   reasons The ratio and the failures.
--   flow_ids Some of the failed contacts.
--   details Targets and ports.
-- The first flow of a contact and whether it failed in one number, so that one minimum finds both.
WITH contacts AS (
  SELECT src_ip, dst_ip, dst_port, min(flow_id::UBIGINT * 2 + (conn_state = 'REJ' OR (conn_state IN ('S0', 'RSTOS0') AND NOT half))::INT) AS first,
         min(epoch_ns(first_ts)) AS t, bool_or(capture_id = $capture::BIGINT) AS current,
         bool_or(service IN ('bittorrent', 'gnutella', 'edonkey', 'skype')) AS peers
  -- Who acknowledges or sends was answered on a way that the capture does not see.
  FROM (SELECT *, conn_state IN ('S0', 'SH', 'RSTOS0') AND regexp_matches(coalesce(history, ''), '[AD]') AS half FROM flows)
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND epoch_ns(first_ts) >= epoch_ns($until::TIMESTAMP_NS) - $window::DOUBLE * 1e9 AND protocol = 'tcp' AND direction <> 'multicast'
    AND (half OR conn_state IN ('S0', 'REJ', 'RSTOS0', 'SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR'))
    -- Usual ports of peer networks, whose members keep stale addresses.
    AND NOT (direction = 'outbound' AND dst_port IN (4001, 4662, 6346, 6881, 6882, 6883, 6884, 6885, 6886, 6887, 6888, 6889, 8333, 8334, 9333, 18080, 22556, 26656, 30303, 51413))
    AND src_ip IN (SELECT src_ip FROM flows
                   WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0')
                     -- Who was found by its rate is not looked for again.
                     AND src_ip NOT IN (SELECT src_ip FROM anomalies WHERE capture_id = $capture::BIGINT AND src_ip IS NOT NULL
                                          AND kind LIKE 'port_scan%' AND kind <> 'port_scan_slow')
                   GROUP BY src_ip HAVING count(*) >= $threshold::BIGINT)
  GROUP BY src_ip, dst_ip, dst_port),
summed AS (
  SELECT src_ip, count(*) FILTER (first % 2 = 1) AS failures, count(*) FILTER (first % 2 = 0) AS successes,
         count(*) FILTER (first % 2 = 1 AND peers) AS peer_failures,
         count(DISTINCT dst_ip) FILTER (first % 2 = 1) AS hosts, count(DISTINCT dst_port) FILTER (first % 2 = 1) AS ports,
         count(DISTINCT dst_port) FILTER (dst_port >= 1024) AS high_ports, count(DISTINCT dst_ip) AS all_hosts, count(*) AS n,
         min(t) FILTER (first % 2 = 1) AS first_t, max(t) FILTER (first % 2 = 1) AS last_t, bool_or(current) AS current
  FROM contacts GROUP BY src_ip
  HAVING count(*) FILTER (first % 2 = 1) >= greatest($threshold::BIGINT, $min_targets::BIGINT)),
-- Peers of a peer-to-peer network: one high port for each host. Their failures count half.
weighed AS (
  SELECT *, CASE WHEN all_hosts >= 10 AND high_ports >= 0.5 * all_hosts AND n <= 1.5 * all_hosts THEN failures ELSE peer_failures END AS half
  FROM summed),
found AS (
  SELECT *, (failures - 0.5 * half) * ln((1 - $scanner_success::DOUBLE) / (1 - $honest_success::DOUBLE))
            + successes * ln($scanner_success::DOUBLE / $honest_success::DOUBLE) AS ratio
  FROM weighed
  WHERE current AND failures >= 2 * successes),
targets AS (
  SELECT src_ip, arg_min(dst_ip, first) AS dst_ip, list(DISTINCT dst_port ORDER BY dst_port)[:50] AS port_list,
         list((first // 2)::BIGINT ORDER BY first)[:20] AS flow_ids
  FROM contacts SEMI JOIN found USING (src_ip) WHERE first % 2 = 1 GROUP BY src_ip)
SELECT make_timestamp_ns(first_t) AS first_ts, make_timestamp_ns(last_t) AS last_ts, f.src_ip, t.dst_ip, 'tcp' AS protocol, failures AS count,
       concat(f.src_ip, ' tried ', ports, ' ports of ', hosts, ' hosts for the first time and failed at ', failures, ' of ', failures + successes) AS title,
       [{'name': 'likelihood_ratio', 'value': round(exp(least(ratio, 100)), 1), 'threshold': round($detection::DOUBLE / $false_alarm::DOUBLE, 1), 'weight': 0.5},
        {'name': 'failed_first_contacts', 'value': failures::DOUBLE, 'threshold': $threshold::DOUBLE, 'weight': least(0.6, 0.2 + 0.01 * failures)}] AS reasons,
       flow_ids,
       to_json({'hosts': hosts, 'ports': port_list, 'failed': failures, 'worked': successes, 'technique': 'syn'})::VARCHAR AS details
FROM found f JOIN targets t USING (src_ip)
WHERE ratio >= ln($detection::DOUBLE / $false_alarm::DOUBLE) AND (hosts >= $min_targets::BIGINT OR ports >= $min_targets::BIGINT)
ORDER BY failures DESC, f.src_ip;
