-- fires: a hundred thousand connections in a day
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 0.8) AS first_ts) FROM some_flows(100000);
INSERT INTO host_facts(capture_id, ip, is_internal, flows) VALUES (1, '10.0.0.5', true, 100000);
-- quiet: as many, to a thousand places
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 0.8) AS first_ts, '198.51.' || i % 250 || '.' || i % 4 AS dst_ip) FROM some_flows(100000);
INSERT INTO host_facts(capture_id, ip, is_internal, flows) VALUES (1, '10.0.0.5', true, 100000);
