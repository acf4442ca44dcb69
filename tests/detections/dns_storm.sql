-- fires: two hundred names within a minute that do not exist
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (sec(i / 5) AS ts, 'x' || i || '.example.com' AS query, 3 AS rcode, 'NXDOMAIN' AS rcode_name) FROM some_questions(200);
-- quiet: black-list lookups: not there means not listed
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (sec(i / 5) AS ts, i % 250 || '.1.113.203.zen.spamhaus.org' AS query, 3 AS rcode, 'NXDOMAIN' AS rcode_name) FROM some_questions(200);
-- quiet: as many over ten minutes
INSERT INTO dns BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 3) AS ts, 'x' || i || '.example.com' AS query, 3 AS rcode, 'NXDOMAIN' AS rcode_name) FROM some_questions(200);
