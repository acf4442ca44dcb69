-- name: tls_certificate
-- question: Which servers outside showed a certificate that nobody should trust?
-- why: Honest public servers have a certificate of a known authority, for their name, valid now. Command servers often made theirs in a minute:
--   self-signed, for years, for no name or another's.
-- kind: tls_certificate
-- horizon: capture
-- from: x509
-- params:
--   max_days number 398 Days of validity, at most, for certificates issued since September 2020 (CA/Browser Forum ballot SC31 as the browsers enforce it).
-- innocent:
--   A device's own web page, a private authority of a company or a maker, a test server, a capture from another time than the certificate's.
-- next:
--   Compare issuer and subject with what the name should have; search the certificate's hash.
-- references:
--   CA/Browser Forum, Baseline Requirements; RFC 5280, RFC 9525; MITRE ATT&CK T1587.003.
-- columns:
--   first_ts First time it was shown.
--   last_ts Last time.
--   src_ip Who connected first.
--   dst_ip Server.
--   dst_port At which port.
--   protocol tcp or udp.
--   about Certificate.
--   count Times it was shown.
--   title A sentence.
--   reasons What is wrong.
--   flow_ids Flows.
--   details Subject, issuer, validity, the names in it and those that were asked for.
WITH shown AS (
  SELECT x.ts, x.flow_id, x.subject, x.issuer, x.common_name, x.sha256, x.not_before, x.not_after, x.self_issued, x.san_dns, x.san_ip,
         f.src_ip, f.dst_ip, f.dst_port, f.protocol, nullif(t.server_name, f.dst_ip) AS server_name,
         (epoch_ns(x.not_after) - epoch_ns(x.not_before)) / 86400e9 AS days,
         CASE WHEN len(x.san_dns) > 0 THEN x.san_dns WHEN x.common_name IS NOT NULL THEN [x.common_name] ELSE [] END AS names
  FROM x509 x JOIN flows f ON f.capture_id = x.capture_id AND f.flow_id = x.flow_id
  LEFT JOIN tls t ON t.capture_id = x.capture_id AND t.flow_id = x.flow_id
  WHERE x.capture_id = $capture::BIGINT AND x.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND x.position = 0 AND NOT x.from_client AND NOT f.dst_internal),
judged AS (
  SELECT *, self_issued AS is_self, ts > not_after AS is_expired, ts < not_before AS is_early,
         days > $max_days::DOUBLE AND not_before >= TIMESTAMP_NS '2020-09-01 00:00:00' AS is_long,
         server_name IS NOT NULL AND len(names) > 0
           AND len(list_filter(names, lambda n: lower(n) = server_name
                     OR (n LIKE '*.%' AND contains(server_name, '.') AND substr(server_name, strpos(server_name, '.')) = lower(substr(n, 2))))) = 0 AS is_other
  FROM shown)
SELECT min(ts) AS first_ts, max(ts) AS last_ts, arg_min(src_ip, flow_id) AS src_ip, dst_ip, dst_port, protocol, sha256 AS about, count(*) AS count,
       concat('The server ', coalesce(coalesce(max(server_name) FILTER (is_other), max(server_name)) || ' (' || dst_ip || ')', dst_ip), ' showed a certificate that is ',
              concat_ws(', ', CASE WHEN bool_or(is_self) THEN 'self-issued' END, CASE WHEN bool_or(is_expired) THEN 'expired' END,
                        CASE WHEN bool_or(is_early) THEN 'not valid yet' END, CASE WHEN bool_or(is_long) THEN 'valid for ' || round(max(days))::INT || ' days' END,
                        CASE WHEN bool_or(is_other) THEN 'for another name' END)) AS title,
       list_filter([
         CASE WHEN bool_or(is_self) THEN {'name': 'self_issued', 'value': 1.0, 'threshold': 0.0, 'weight': 0.6} END,
         CASE WHEN bool_or(is_expired) THEN {'name': 'expired_days', 'value': round(max(epoch_ns(ts) - epoch_ns(not_after)) / 86400e9, 1), 'threshold': 0.0, 'weight': 0.6} END,
         CASE WHEN bool_or(is_early) THEN {'name': 'days_until_valid', 'value': round(max(epoch_ns(not_before) - epoch_ns(ts)) / 86400e9, 1), 'threshold': 0.0, 'weight': 0.6} END,
         CASE WHEN bool_or(is_long) THEN {'name': 'validity_days', 'value': round(max(days)), 'threshold': $max_days::DOUBLE, 'weight': 0.35} END,
         CASE WHEN bool_or(is_other) THEN {'name': 'other_name', 'value': 1.0, 'threshold': 0.0, 'weight': 0.55} END
       ], lambda r: r IS NOT NULL) AS reasons,
       list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
       to_json({'subject': min(subject), 'issuer': min(issuer), 'not_before': min(not_before), 'not_after': max(not_after),
                'names': min(names)[:10], 'asked_for': list(DISTINCT server_name ORDER BY server_name)[:10]})::VARCHAR AS details
FROM judged
WHERE is_self OR is_expired OR is_early OR is_long OR is_other
GROUP BY dst_ip, dst_port, protocol, sha256
ORDER BY 1, 4, 5, 7;
