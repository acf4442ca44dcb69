-- fires: nine hosts ask one resolver, the tenth another
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (53 AS dst_port) FROM some_flows(120);
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE ('10.0.0.' || (i % 10 + 5) AS client_ip, CASE WHEN i % 10 = 9 THEN '203.0.113.53' ELSE '9.9.9.9' END AS server_ip) FROM some_questions(120);
-- quiet: everybody asks the same
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (53 AS dst_port) FROM some_flows(120);
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('10.0.0.' || (i % 10 + 5) AS client_ip, '9.9.9.9' AS server_ip) FROM some_questions(120);
-- quiet: two hosts are no majority
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (53 AS dst_port) FROM some_flows(60);
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('10.0.0.' || (i % 2 + 5) AS client_ip, '9.9.9.' || i % 2 AS server_ip) FROM some_questions(60);
