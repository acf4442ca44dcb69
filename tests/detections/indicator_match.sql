-- fires: a listed address was talked to
INSERT INTO indicators(list, kind, value) VALUES ('bad', 'address', '198.51.100.7');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(2);
-- fires: a name below a listed domain
INSERT INTO indicators(list, kind, value) VALUES ('bad', 'domain', 'evil.example');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'www.evil.example');
-- quiet: a neighbour of a listed address
INSERT INTO indicators(list, kind, value) VALUES ('bad', 'address', '198.51.100.8');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(2);
-- quiet: a name that only ends like a listed domain
INSERT INTO indicators(list, kind, value) VALUES ('bad', 'domain', 'evil.example');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'notevil.example');
