-- fires: a program that is declared as a picture
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, mime, declared_mime, seen_bytes) VALUES (1, 1, sec(0), 'http', 'dst', 'application/x-dosexec', 'image/png', 50000);
-- quiet: a picture
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, mime, declared_mime, seen_bytes) VALUES (1, 1, sec(0), 'http', 'dst', 'image/png', 'image/png', 50000);
-- quiet: a text about a program
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, mime, declared_mime, seen_bytes) VALUES (1, 1, sec(0), 'http', 'dst', 'text/plain', 'application/octet-stream', 50000);
