-- fires: long names that never come twice
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (md5(i::VARCHAR) || md5('b' || i) || '.t.example.com' AS query, 16 AS qtype, 'TXT' AS qtype_name, []::VARCHAR[] AS answer_ips) FROM some_questions(60);
-- fires: the NULL questions of iodine
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE ('laeg' || left(md5(i::VARCHAR), 14) || '.pirate.sea' AS query, NULL AS domain, 10 AS qtype, 'NULL' AS qtype_name, []::VARCHAR[] AS answer_ips) FROM some_questions(20);
-- fires: a gzip file as a name
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('h4sicn03ca2qaa3rlc3qudhh0aavjycxwakjehelu5klueow0zjxulgage.test.txt' AS query, NULL AS domain) FROM some_questions(1);
-- quiet: a mail server asks a black list
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (i % 250 || '.' || i % 7 || '.113.203.zen.spamhaus.org' AS query, 'spamhaus.org' AS domain, ['127.0.0.2'] AS answer_ips) FROM some_questions(300);
-- quiet: one long name of a content network, again and again
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE ('e1234567890abcdef1234567890abcdef1234567890abcdef12345.cdn.example.com' AS query) FROM some_questions(300);
-- quiet: a page with many short names
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('img' || i || '.example.com' AS query) FROM some_questions(90);
-- fires: [low] a virus scanner asks its maker for hashes by text records
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (md5(i::VARCHAR) || md5('b' || i) || '.x.sophosxl.net' AS query, 'sophosxl.net' AS domain, 16 AS qtype, 'TXT' AS qtype_name, []::VARCHAR[] AS answer_ips) FROM some_questions(60);
