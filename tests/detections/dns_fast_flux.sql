-- fires: thirty addresses in thirty networks
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE ('flux.example.com' AS query, 60 AS min_ttl, [(i + 20) || '.' || i || '.1.1'] AS answers, [(i + 20) || '.' || i || '.1.1'] AS answer_ips) FROM some_questions(30);
-- quiet: content delivery: an alias, then addresses
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (60 AS min_ttl, ['edge.cdn.example.net', (i + 20) || '.' || i || '.1.1'] AS answers, [(i + 20) || '.' || i || '.1.1'] AS answer_ips) FROM some_questions(30);
-- quiet: a farm of one network
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (60 AS min_ttl, ['198.51.100.' || i] AS answers, ['198.51.100.' || i] AS answer_ips) FROM some_questions(30);
