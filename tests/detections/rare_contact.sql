-- fires: [low] an unknown protocol on a port of its own, without a name
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (8219 AS dst_port) FROM some_flows(3);
-- fires: a name that anybody gets in a minute
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE ('tls' AS service, 'content' AS service_source, 'evil.duckdns.org' AS hostname, 'dns' AS hostname_source, 'evil.duckdns.org' AS domain) FROM some_flows(3);
-- quiet: a web site that only one host visits
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE ('tls' AS service, 'content' AS service_source, 'www.example.com' AS hostname, 'content' AS hostname_source, 'example.com' AS domain) FROM some_flows(3);
-- quiet: the same odd place, used by two hosts
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (8219 AS dst_port, '10.0.0.' || i AS src_ip) FROM some_flows(2);
-- fires: [medium] a name that anybody gets, a port of its own, TLS without a name and a certificate made by hand
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE ('tls' AS service, 'content' AS service_source, 'evil.duckdns.org' AS hostname, 'dns' AS hostname_source, 'evil.duckdns.org' AS domain, 7707 AS dst_port)
FROM some_flows(3);
INSERT INTO tls(capture_id, flow_id, ts, version, subject, issuer)
SELECT 1, range, sec(range), 'TLSv1.2', 'CN=AsyncRAT Server', 'CN=AsyncRAT Server' FROM range(1, 4);
-- fires: [low] orders over IRC
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE ('irc' AS service, 'content' AS service_source, 'irc.example.com' AS hostname, 'dns' AS hostname_source, 'example.com' AS domain, 6667 AS dst_port)
FROM some_flows(2);
-- quiet: connections that were there before the capture, whose protocol nobody can tell
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('OTH' AS conn_state) , 'DadA' AS history FROM some_flows(3);
-- fires: [low] one of them was seen from its beginning
INSERT INTO flows BY NAME SELECT * EXCLUDE i, CASE WHEN i = 1 THEN 'ShADad' ELSE 'DadA' END AS history FROM some_flows(3);
-- fires: [low] the same inside, in a network of few hosts
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (8219 AS dst_port, '10.9.0.7' AS dst_ip, 'internal' AS direction, true AS dst_internal) FROM some_flows(3);
-- quiet: a service inside that is known, without a name and on a port of its own
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (8219 AS dst_port, '10.9.0.7' AS dst_ip, 'internal' AS direction, true AS dst_internal, 'tls' AS service, 'content' AS service_source) FROM some_flows(3);
-- quiet: an unknown protocol inside, in a network of many hosts
INSERT INTO host_facts(capture_id, ip, is_internal) SELECT 1, '10.0.1.' || range, true FROM range(30);
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (8219 AS dst_port, '10.9.0.7' AS dst_ip, 'internal' AS direction, true AS dst_internal) FROM some_flows(3);
-- fires: [low] neither end is known to be ours, as in captures with changed addresses
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (8219 AS dst_port, 'external' AS direction, false AS src_internal) FROM some_flows(3);
