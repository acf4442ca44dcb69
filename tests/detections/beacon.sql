-- fires: every minute with a little jitter, all equal
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 60 + i * 7 % 5) AS first_ts) FROM some_flows(120);
-- fires: half of the interval is jitter, sizes differ: only the second view sees it
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 300 + 75 * chance(i)) AS first_ts, 100 + (9000 * chance(i + 500))::INT AS src_ip_bytes) FROM some_flows(40);
-- fires: one name with four addresses
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, '198.51.100.' || i % 4 AS dst_ip, 'c2.example.org' AS hostname, 'content' AS hostname_source) FROM some_flows(40);
-- fires: requests for one path in one connection that stays open
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(0) AS first_ts, 'http' AS service, 'content' AS service_source) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, method, uri, trans_depth) SELECT 1, 1, sec(range * 37), 'POST', '/beacon?' || range, range + 1 FROM range(20);
-- quiet: twelve requests within three seconds
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i / 4) AS first_ts) FROM some_flows(12);
-- quiet: a person: pauses from a second to an hour, all sizes
INSERT INTO flows BY NAME
SELECT * EXCLUDE (i, t) REPLACE (sec(t) AS first_ts, (200 + 20000 * chance(i + 99) * chance(i + 7))::INT AS src_ip_bytes)
FROM (SELECT *, sum(3600 * pow(chance(i), 6) + 1) OVER (ORDER BY i) AS t FROM some_flows(80));
-- quiet: eleven regular calls are too few
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts) FROM some_flows(11);
-- quiet: time is asked for at intervals by design
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 64) AS first_ts, 123 AS dst_port, 'udp' AS protocol, 'ntp' AS service) FROM some_flows(120);
-- fires: [low] a call whose place is kept alive
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, 'udp' AS protocol, 50004 AS dst_port, 'discord' AS service, 'content' AS service_source) FROM some_flows(30);
-- fires: [medium] the same by something unknown
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, 'udp' AS protocol, 50004 AS dst_port) FROM some_flows(30);
-- fires: [low] a known name that DNS led to
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, 'http' AS service, 'content' AS service_source, 'www.amazon.com' AS hostname, 'content' AS hostname_source, 'amazon.com' AS domain)
FROM some_flows(40);
INSERT INTO dns BY NAME SELECT * EXCLUDE i FROM some_questions(1);
-- fires: [medium] a Host header that pretends to be one
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, 'http' AS service, 'content' AS service_source, 'www.amazon.com' AS hostname, 'content' AS hostname_source, 'amazon.com' AS domain)
FROM some_flows(40);
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (['203.0.113.9'] AS answer_ips) FROM some_questions(1);
-- fires: [low] between two hosts that are not ours, on a line of a provider
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, '203.0.113.4' AS src_ip, 'external' AS direction, false AS src_internal) FROM some_flows(120);
-- fires: [medium] a place outside that a proxy inside is asked for
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, '10.0.0.80' AS dst_ip, 3128 AS dst_port, 'internal' AS direction, true AS dst_internal, 'http' AS service, 'content' AS service_source)
FROM some_flows(20);
INSERT INTO http(capture_id, flow_id, ts, method, host, uri, trans_depth) SELECT 1, range + 1, sec(range * 60), 'CONNECT', 'c2.example.org:443', 'c2.example.org:443', 1 FROM range(20);
-- fires: [low] the same asked of a server inside
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 60) AS first_ts, '10.0.0.80' AS dst_ip, 80 AS dst_port, 'internal' AS direction, true AS dst_internal, 'http' AS service, 'content' AS service_source)
FROM some_flows(20);
INSERT INTO http(capture_id, flow_id, ts, method, host, uri, trans_depth) SELECT 1, range + 1, sec(range * 60), 'POST', 'intranet', '/state', 1 FROM range(20);
