-- name: slow_scan
-- question: Whose first contacts fail so often that it must be searching?
-- why: A scanner that waits between two probes stays below every rate. It cannot hide that most doors it tries are closed: honest clients
--   know where they want to go. Each first contact moves a ratio up when it fails and down when it works, over the whole database.
-- kind: port_scan_slow
-- horizon: 7 d
-- from: flows
-- params:
--   threshold number 10 First contacts that failed, at least; the test alone would decide after four, with too many faults of one server among them.
--   honest_success number 0.8 Chance that a first contact of an honest client works (theta0 of the paper).
--   scanner_success number 0.2 Chance that one of a scanner works (theta1 of the paper).
--   detection number 0.99 Chance wanted to find a scanner.
--   false_alarm number 0.01 Chance accepted to blame an honest client.
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
--   dst_ip The host that was tried most.
--   protocol tcp.
--   count Contacts that failed.
--   title A sentence.
--   reasons The ratio and the failures.
--   flow_ids Some of the failed contacts.
--   details Targets and ports.
WITH contacts AS (
  SELECT src_ip, dst_ip, dst_port, min(flow_id) AS flow_id, arg_min(conn_state, flow_id) AS conn_state, arg_min(epoch_ns(first_ts), flow_id) AS t,
         max(capture_id = $capture::BIGINT) AS current, arg_min(service, flow_id) AS service
  FROM flows
  WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND protocol = 'tcp' AND direction <> 'multicast'
    AND conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SF', 'S1', 'S2', 'S3', 'RSTO', 'RSTR')
    AND src_ip IN (SELECT src_ip FROM flows
                   WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND protocol = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH')
                     -- Who was found by its rate is not looked for again; nor are invented senders of a flood.
                     AND src_ip NOT IN (SELECT src_ip FROM anomalies WHERE capture_id = $capture::BIGINT AND src_ip IS NOT NULL
                                          AND kind LIKE 'port_scan%' AND kind <> 'port_scan_slow')
                   GROUP BY src_ip HAVING count(*) >= $threshold::BIGINT
                      AND (approx_count_distinct(dst_ip) >= $min_targets::BIGINT * 0.8 OR approx_count_distinct(dst_port) >= $min_targets::BIGINT * 0.8))
  GROUP BY src_ip, dst_ip, dst_port),
-- Peers of a peer-to-peer network: one high port for each host. They count half.
habits AS (
  SELECT src_ip, count(DISTINCT dst_port) FILTER (dst_port >= 1024) >= 0.5 * count(DISTINCT dst_ip) AND count(DISTINCT dst_ip) >= 10
              AND count(*) <= 1.5 * count(DISTINCT dst_ip) AS peers
  FROM contacts GROUP BY src_ip),
steps AS (
  SELECT c.*, c.conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH') AS failed,
         CASE WHEN c.conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH')
              THEN ln((1 - $scanner_success::DOUBLE) / (1 - $honest_success::DOUBLE)) * CASE WHEN h.peers OR c.service IN ('bittorrent', 'gnutella', 'edonkey', 'skype') THEN 0.5 ELSE 1 END
              ELSE ln($scanner_success::DOUBLE / $honest_success::DOUBLE) END AS step,
         h.peers
  FROM contacts c JOIN habits h USING (src_ip)),
walked AS (
  SELECT *, sum(step) OVER w AS total FROM steps WINDOW w AS (PARTITION BY src_ip ORDER BY t, flow_id ROWS UNBOUNDED PRECEDING)),
-- The test begins anew whenever it has found the host honest, so what counts is the rise above the lowest point.
risen AS (
  SELECT *, total - least(0, min(total) OVER (PARTITION BY src_ip ORDER BY t, flow_id ROWS UNBOUNDED PRECEDING)) AS rise FROM walked),
summed AS (
  SELECT src_ip, max(rise) AS rise, count(*) FILTER (failed) AS failures, count(*) FILTER (NOT failed) AS successes,
         count(DISTINCT (dst_ip, dst_port)) FILTER (failed) AS targets, count(DISTINCT dst_ip) FILTER (failed) AS hosts,
         count(DISTINCT dst_port) FILTER (failed) AS ports, min(t) FILTER (failed) AS first_t, max(t) FILTER (failed) AS last_t,
         mode(dst_ip) FILTER (failed) AS dst_ip, list(DISTINCT dst_port ORDER BY dst_port) FILTER (failed) AS port_list,
         list(flow_id ORDER BY flow_id) FILTER (failed)[:20] AS flow_ids, bool_or(current) AS current, bool_or(peers) AS peers
  FROM risen GROUP BY src_ip)
SELECT make_timestamp_ns(first_t) AS first_ts, make_timestamp_ns(last_t) AS last_ts, src_ip, dst_ip, 'tcp' AS protocol, failures AS count,
       concat(src_ip, ' tried ', ports, ' ports of ', hosts, ' hosts for the first time and failed at ', failures, ' of ', failures + successes) AS title,
       [{'name': 'likelihood_ratio', 'value': round(exp(least(rise, 100)), 1), 'threshold': round($detection::DOUBLE / $false_alarm::DOUBLE, 1), 'weight': 0.5},
        {'name': 'failed_first_contacts', 'value': failures::DOUBLE, 'threshold': $threshold::DOUBLE,
         'weight': least(0.6, 0.2 + 0.01 * failures)}] AS reasons,
       flow_ids,
       to_json({'hosts': hosts, 'ports': port_list[:50], 'failed': failures, 'worked': successes, 'technique': 'syn'})::VARCHAR AS details
FROM summed
WHERE current AND rise >= ln($detection::DOUBLE / $false_alarm::DOUBLE) AND failures >= $threshold::BIGINT AND targets >= $min_targets::BIGINT
  AND failures >= 2 * successes
ORDER BY failures DESC, src_ip;
