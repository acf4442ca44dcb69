-- fires: AXFR
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('example.com' AS query, 252 AS qtype, 'AXFR' AS qtype_name, 40 AS answer_count) FROM some_questions(1);
-- quiet: ANY is not the zone
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE ('example.com' AS query, 255 AS qtype, 'ANY' AS qtype_name) FROM some_questions(1);
