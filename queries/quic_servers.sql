-- name: quic_servers
-- question: Which servers are reached over QUIC, by which programs?
-- why: QUIC passes by what inspects TLS. The name of the server is in its first packet; connections without one, or to strange ports, stand out.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   server_name Name that the client asked for.
--   dst_port Port.
--   servers Distinct addresses.
--   clients Distinct clients.
--   version Version of QUIC.
--   alpn_offered Protocols that the client offers inside.
--   ja4 Distinct fingerprints of clients.
--   connections Connections.
--   established Connections that were completed.
--   bytes Payload of both directions.
--   first_ts First connection.
--   last_ts Last connection.
SELECT q.server_name, f.dst_port, count(DISTINCT f.dst_ip) AS servers, count(DISTINCT f.src_ip) AS clients, max(q.version) AS version,
       min(q.alpn_offered) AS alpn_offered, count(DISTINCT q.ja4) AS ja4, count(*) AS connections,
       count(*) FILTER (WHERE q.established) AS established, sum(f.src_bytes + f.dst_bytes) AS bytes, min(q.ts) AS first_ts, max(q.ts) AS last_ts
FROM quic q
JOIN flows f ON f.capture_id = q.capture_id AND f.flow_id = q.flow_id
GROUP BY q.server_name, f.dst_port
ORDER BY connections DESC, q.server_name, f.dst_port
LIMIT $limit::BIGINT;
