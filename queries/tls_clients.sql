-- name: tls_clients
-- question: Which programs speak TLS, on how many hosts and with whom?
-- why: JA4 and JA3 name the program that built the hello, whatever it calls itself. Common ones are browsers and system services; know
--   them first, then ask ja4_rarity for those that hardly anybody has.
-- params:
--   limit number 50 How many fingerprints to show.
-- columns:
--   ja4 JA4 fingerprint of the client's hello.
--   ja3 JA3 fingerprint seen with it; one of them where an order varies.
--   clients Distinct hosts that have it.
--   handshakes Handshakes.
--   names Distinct server names.
--   example_name One of them; NULL when none was sent.
--   example_client One of the clients.
--   client_version Highest version it offers.
--   first_ts First handshake.
--   last_ts Last handshake.
SELECT t.ja4, min(t.ja3) AS ja3, count(DISTINCT f.src_ip) AS clients, count(*) AS handshakes,
       count(DISTINCT t.server_name) AS names, min(t.server_name) AS example_name, min(f.src_ip) AS example_client,
       max(t.client_version) AS client_version, min(t.ts) AS first_ts, max(t.ts) AS last_ts
FROM tls t
JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
WHERE t.ja4 IS NOT NULL
GROUP BY t.ja4
ORDER BY clients DESC, handshakes DESC, t.ja4
LIMIT $limit::BIGINT;
