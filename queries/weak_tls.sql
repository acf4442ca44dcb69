-- name: weak_tls
-- question: Which servers agreed to TLS that no longer protects?
-- why: SSL 2 and 3, TLS 1.0 and 1.1 (RFC 8996), and suites without encryption or authentication, with export keys, RC4, DES or 3DES, and
--   small Diffie-Hellman groups can be read or broken into. What was agreed counts, not what was offered.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   dst_ip Server.
--   dst_port Its port.
--   dst_internal Is it in the local networks?
--   server_name Name that a client asked it for.
--   problems What is wrong, in a list.
--   version Version that was agreed.
--   cipher Suite that was agreed.
--   dh_bits Smallest Diffie-Hellman prime seen.
--   clients Distinct clients.
--   connections Connections.
--   last_ts Last one.
WITH agreed AS (
  SELECT t.*, f.src_ip, f.dst_ip, f.dst_port, f.dst_internal, concat_ws(', ',
           CASE WHEN t.version IN ('SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1') THEN 'old version' END,
           CASE WHEN t.cipher LIKE '%\_NULL\_%' ESCAPE '\' THEN 'no encryption' END,
           CASE WHEN t.cipher LIKE '%\_anon\_%' ESCAPE '\' THEN 'no authentication' END,
           CASE WHEN t.cipher LIKE '%EXPORT%' THEN 'export key' END,
           CASE WHEN t.cipher LIKE '%\_RC4\_%' ESCAPE '\' THEN 'RC4' END,
           CASE WHEN t.cipher LIKE '%\_DES\_%' ESCAPE '\' OR t.cipher LIKE '%\_DES40\_%' ESCAPE '\' THEN 'DES' END,
           CASE WHEN t.cipher LIKE '%\_3DES\_%' ESCAPE '\' THEN '3DES' END,
           CASE WHEN t.dh_bits < 2048 THEN 'small Diffie-Hellman group' END) AS problems
  FROM tls t
  JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
)
SELECT dst_ip, dst_port, bool_or(dst_internal) AS dst_internal, min(server_name) AS server_name, problems, version, cipher,
       min(dh_bits) AS dh_bits, count(DISTINCT src_ip) AS clients, count(*) AS connections, max(ts) AS last_ts
FROM agreed
WHERE problems <> ''
GROUP BY dst_ip, dst_port, problems, version, cipher
ORDER BY connections DESC, dst_ip, dst_port, version, cipher, problems
LIMIT $limit::BIGINT;
