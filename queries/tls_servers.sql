-- name: tls_servers
-- question: Which TLS servers are used, and how well do they protect?
-- why: What is encrypted still says where it goes. Old versions, self-issued certificates and handshakes without a server name are where
--   to look first.
-- params:
--   limit number 30 How many servers to show.
--   old text no yes: only servers that chose a version before TLS 1.2.
-- columns:
--   name Server name that the client sent; NULL when it sent none.
--   dst_ip Server.
--   dst_port Its port.
--   versions Versions that it chose.
--   cipher Cipher suite it chose most.
--   handshakes Handshakes.
--   established Handshakes that led to encrypted data.
--   clients Distinct clients.
--   issuer Issuer of its certificate; NULL when it was not seen (TLS 1.3 hides it).
--   ja3s Fingerprint of its answer, the most common one.
--   first_ts First handshake.
--   last_ts Last handshake.
SELECT t.server_name AS name, f.dst_ip, f.dst_port,
       coalesce(string_agg(DISTINCT t.version, ', ' ORDER BY t.version), '') AS versions,
       mode(t.cipher ORDER BY t.cipher) AS cipher, count(*) AS handshakes,
       count(*) FILTER (WHERE t.established) AS established, count(DISTINCT f.src_ip) AS clients,
       mode(t.issuer ORDER BY t.issuer) AS issuer, mode(t.ja3s ORDER BY t.ja3s) AS ja3s,
       min(t.ts) AS first_ts, max(t.ts) AS last_ts
FROM tls t
JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
WHERE $old <> 'yes' OR t.version IN ('SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1')
GROUP BY t.server_name, f.dst_ip, f.dst_port
ORDER BY handshakes DESC, name, f.dst_ip, f.dst_port
LIMIT $limit::BIGINT;
