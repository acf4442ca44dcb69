-- fires: a probe every five minutes, all in vain
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 300) AS first_ts, '10.0.1.' || i AS dst_ip, 22 AS dst_port, 'S0' AS conn_state, 'internal' AS direction) FROM some_flows(40);
-- quiet: one dead server, tried again and again
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (sec(i * 300) AS first_ts, 'S0' AS conn_state) FROM some_flows(40);
-- quiet: a client of many servers, of which a few are down
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE ('198.51.100.' || i AS dst_ip, CASE WHEN i % 5 = 0 THEN 'S0' ELSE 'SF' END AS conn_state) FROM some_flows(80);
-- quiet: found by its rate already
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('10.0.1.' || i AS dst_ip, 22 AS dst_port, 'S0' AS conn_state) FROM some_flows(40);
INSERT INTO anomalies(anomaly_id, capture_id, src_ip, kind) VALUES (5, 1, '10.0.0.5', 'port_scan_horizontal');
-- quiet: one half of the route: the client acknowledges what is not seen
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 300) AS first_ts, '198.51.100.' || i AS dst_ip, 'S0' AS conn_state), 'SADF' AS history FROM some_flows(40);
-- quiet: a node of a coin and its stale addresses
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 300) AS first_ts, '198.51.100.' || i AS dst_ip, 8333 AS dst_port, 'S0' AS conn_state) FROM some_flows(40);
-- quiet: one half of the route of a client some of whose servers are gone
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (sec(i * 300) AS first_ts, '198.51.100.' || i AS dst_ip, CASE WHEN i % 5 < 2 THEN 'S0' ELSE 'SH' END AS conn_state),
       CASE WHEN i % 5 < 2 THEN 'S' ELSE 'SADF' END AS history FROM some_flows(80);
