-- fires: an FTP password
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO credentials(capture_id, flow_id, ts, service, account, mechanism, secret, success) VALUES (1, 1, sec(0), 'ftp', 'alice', 'password', 'clear', true);
-- quiet: a challenge was answered
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO credentials(capture_id, flow_id, ts, service, account, mechanism, secret, success) VALUES (1, 1, sec(0), 'imap', 'alice', 'cram-md5', 'hashed', true);
-- quiet: anonymous FTP
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO credentials(capture_id, flow_id, ts, service, account, mechanism, secret, success) VALUES (1, 1, sec(0), 'ftp', 'anonymous', 'password', 'clear', true);
