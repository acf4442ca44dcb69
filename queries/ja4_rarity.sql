-- name: ja4_rarity
-- question: Which TLS clients are rare here?
-- why: Programs offer TLS in their own way; JA4 names it. A fingerprint that one host only has, and only towards one server, is a program nobody
--   else runs: an update service, or malware. Rarest first.
-- params:
--   limit number 50 How many fingerprints to show.
-- columns:
--   ja4 Fingerprint of the client's hello.
--   clients Distinct clients.
--   example_client One of them.
--   client_os Operating system that this client behaves like.
--   servers Distinct servers.
--   example_server One of them, by name if one was said.
--   connections Connections.
--   established Connections whose handshake was completed.
--   ja3 The same hello by JA3.
--   first_ts First connection.
--   last_ts Last connection.
WITH hello AS (
  SELECT t.ja4, min(t.ja3) AS ja3, count(DISTINCT f.src_ip) AS clients, min(f.src_ip) AS example_client,
         count(DISTINCT f.dst_ip) AS servers, min(coalesce(t.server_name, f.dst_ip)) AS example_server, count(*) AS connections,
         count(*) FILTER (WHERE t.established) AS established, min(t.ts) AS first_ts, max(t.ts) AS last_ts
  FROM tls t
  JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
  WHERE t.ja4 IS NOT NULL
  GROUP BY t.ja4
)
SELECT ja4, clients, example_client, (SELECT min(os_guess) FROM hosts WHERE ip = example_client) AS client_os, servers, example_server,
       connections, established, ja3, first_ts, last_ts
FROM hello
ORDER BY clients, servers, connections, ja4
LIMIT $limit::BIGINT;
