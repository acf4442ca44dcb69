-- fires: one of thirty hosts has another
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('10.0.0.' || i % 30 AS src_ip) FROM some_flows(300);
INSERT INTO tls(capture_id, flow_id, ts, ja4, ja3) SELECT 1, range + 1, sec(range), CASE WHEN range % 30 = 7 THEN 'odd' ELSE 'usual' END, 'x' FROM range(300);
-- quiet: all have the same
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('10.0.0.' || i % 30 AS src_ip) FROM some_flows(300);
INSERT INTO tls(capture_id, flow_id, ts, ja4) SELECT 1, range + 1, sec(range), 'usual' FROM range(300);
-- quiet: among three hosts everything is rare
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('10.0.0.' || i % 3 AS src_ip) FROM some_flows(30);
INSERT INTO tls(capture_id, flow_id, ts, ja4) SELECT 1, range + 1, sec(range), 'print' || range % 3 FROM range(30);
