-- name: tls_obsolete
-- question: Which connections agreed to encryption that is known to be breakable?
-- why: What was agreed counts, not what was offered. SSL 2 and 3, TLS 1.0 and 1.1, and suites without encryption or authentication, with export
--   keys, RC4, DES or 3DES protect against nobody who is serious. Old malware speaks them, too.
-- kind: tls_obsolete
-- horizon: capture
-- from: tls
-- only: tls: bool_or(version IN ('SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1', 'DTLSv1.0') OR regexp_matches(coalesce(cipher, ''), '_NULL_|_anon_|EXPORT|_DES_|_DES40_|_RC4_|_3DES_'))
-- innocent:
--   Old devices and printers; a capture from years when this was usual.
-- next:
--   Can the server do better? Then the client is old, or somebody forced them down.
-- references:
--   RFC 8996 (TLS 1.0, 1.1), RFC 7568 (SSL 3), RFC 6176 (SSL 2), RFC 7465 (RC4), NIST SP 800-52r2.
-- columns:
--   first_ts First connection.
--   last_ts Last one.
--   src_ip Client that connected first.
--   dst_ip Server.
--   dst_port At which port.
--   protocol tcp or udp.
--   count Connections.
--   title A sentence.
--   reasons What is weak.
--   flow_ids Flows.
--   details Version and suite.
WITH agreed AS (
  SELECT t.ts, t.flow_id, t.version, t.cipher, t.server_name, f.src_ip, f.dst_ip, f.dst_port, f.protocol,
         t.version IN ('SSLv2', 'SSLv3') AS is_ssl, t.version IN ('TLSv1.0', 'TLSv1.1', 'DTLSv1.0') AS is_old,
         regexp_matches(coalesce(t.cipher, ''), '_NULL_|_anon_|EXPORT|_DES_|_DES40_') AS is_void,
         regexp_matches(coalesce(t.cipher, ''), '_RC4_|_3DES_') AS is_weak
  FROM tls t JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
  WHERE t.capture_id = $capture::BIGINT AND t.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND t.version IS NOT NULL)
SELECT min(ts) AS first_ts, max(ts) AS last_ts, arg_min(src_ip, flow_id) AS src_ip, dst_ip, dst_port, protocol, count(*) AS count,
       concat(coalesce(max(server_name) || ' (' || dst_ip || ')', dst_ip), ' port ', dst_port, ' agreed to ', min(version), ' with ', min(cipher)) AS title,
       list_filter([
         CASE WHEN bool_or(is_ssl) THEN {'name': 'ssl_connections', 'value': count(*) FILTER (is_ssl)::DOUBLE, 'threshold': 1.0, 'weight': 0.7} END,
         CASE WHEN bool_or(is_old) THEN {'name': 'old_tls_connections', 'value': count(*) FILTER (is_old)::DOUBLE, 'threshold': 1.0, 'weight': 0.55} END,
         CASE WHEN bool_or(is_void) THEN {'name': 'void_suite_connections', 'value': count(*) FILTER (is_void)::DOUBLE, 'threshold': 1.0, 'weight': 0.8} END,
         CASE WHEN bool_or(is_weak) THEN {'name': 'weak_suite_connections', 'value': count(*) FILTER (is_weak)::DOUBLE, 'threshold': 1.0, 'weight': 0.55} END
       ], lambda r: r IS NOT NULL) AS reasons,
       list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
       to_json({'versions': list(DISTINCT version ORDER BY version), 'ciphers': list(DISTINCT cipher ORDER BY cipher)[:10], 'clients': count(DISTINCT src_ip)})::VARCHAR AS details
FROM agreed
WHERE is_ssl OR is_old OR is_void OR is_weak
GROUP BY dst_ip, dst_port, protocol
ORDER BY 1, 4, 5, 6;
