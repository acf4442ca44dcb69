-- fires: outside first, then the router
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (1 AS min_ttl, [CASE WHEN i < 2 THEN '203.0.113.9' ELSE '192.168.1.1' END] AS answer_ips) FROM some_questions(4);
-- quiet: always inside
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (1 AS min_ttl, ['192.168.1.1'] AS answer_ips) FROM some_questions(4);
-- quiet: a black list says yes
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (1 AS min_ttl, [CASE WHEN i < 2 THEN '203.0.113.9' ELSE '127.0.0.2' END] AS answer_ips) FROM some_questions(4);
-- fires: a resolver outside says an inside address, and the client goes there
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (1 AS min_ttl, ['192.168.1.1'] AS answer_ips, '198.51.100.53' AS server_ip) FROM some_questions(2);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('udp' AS protocol, 53 AS dst_port, '198.51.100.53' AS dst_ip) FROM some_flows(2);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (9 AS flow_id, '192.168.1.1' AS dst_ip, 80 AS dst_port, true AS dst_internal) FROM some_flows(1);
-- quiet: the same, and nobody goes there
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (1 AS min_ttl, ['192.168.1.1'] AS answer_ips, '198.51.100.53' AS server_ip) FROM some_questions(2);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('udp' AS protocol, 53 AS dst_port, '198.51.100.53' AS dst_ip) FROM some_flows(2);
