-- fires: outside first, then the router
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (1 AS min_ttl, [CASE WHEN i < 2 THEN '203.0.113.9' ELSE '192.168.1.1' END] AS answer_ips) FROM some_questions(4);
-- quiet: always inside
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (1 AS min_ttl, ['192.168.1.1'] AS answer_ips) FROM some_questions(4);
-- quiet: a black list says yes
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (1 AS min_ttl, [CASE WHEN i < 2 THEN '203.0.113.9' ELSE '127.0.0.2' END] AS answer_ips) FROM some_questions(4);
