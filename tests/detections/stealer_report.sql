-- fires: a keylogger mails passwords under user and machine
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (587 AS dst_port) FROM some_flows(1);
INSERT INTO smtp(capture_id, flow_id, ts, helo, mailfrom, subject, received_count, auth_mechanism, tls) VALUES (1, 1, sec(0), 'DESKTOP-7', 'a@example.org', 'PW_jane/DESKTOP-7', 0, 'login', false);
-- fires: the same by FTP, as a file with a time
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (21 AS dst_port) FROM some_flows(1);
INSERT INTO ftp(capture_id, flow_id, ts, command, argument, reply_code) VALUES (1, 1, sec(0), 'STOR', 'KL_jane-DESKTOP-7_2024_03_07_19_00_36.html', 226);
-- fires: one that says what it is
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (587 AS dst_port) FROM some_flows(1);
INSERT INTO smtp(capture_id, flow_id, ts, helo, subject, received_count) VALUES (1, 1, sec(0), 'PC', 'Some Keylogger | Passwords | jane', 0);
-- quiet: a person writes about a machine with a mail program
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (587 AS dst_port) FROM some_flows(1);
INSERT INTO smtp(capture_id, flow_id, ts, helo, subject, received_count, message_id) VALUES (1, 1, sec(0), 'DESKTOP-7', 'Problem with DESKTOP-7', 0, '<1@example.org>');
-- quiet: a backup by FTP that is named after user and machine
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (21 AS dst_port) FROM some_flows(1);
INSERT INTO ftp(capture_id, flow_id, ts, command, argument, reply_code) VALUES (1, 1, sec(0), 'STOR', 'jane-DESKTOP-7_2024_03_07_19_00_36.zip', 226);
-- quiet: a report that stays inside
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('internal' AS direction, '10.0.0.25' AS dst_ip, 25 AS dst_port) FROM some_flows(1);
INSERT INTO smtp(capture_id, flow_id, ts, helo, subject, received_count) VALUES (1, 1, sec(0), 'DESKTOP-7', 'PW_jane/DESKTOP-7', 0);
-- quiet: the same upload was refused
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (21 AS dst_port) FROM some_flows(1);
INSERT INTO ftp(capture_id, flow_id, ts, command, argument, reply_code) VALUES (1, 1, sec(0), 'STOR', 'KL_jane-DESKTOP-7_2024_03_07_19_00_36.html', 550);
