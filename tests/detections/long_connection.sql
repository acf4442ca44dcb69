-- fires: nine hours to the outside
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (32400.0 AS duration_s, sec(32400) AS last_ts, 900 AS src_packets, 900 AS dst_packets) FROM some_flows(1);
-- quiet: fifty minutes
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (3000.0 AS duration_s, sec(3000) AS last_ts, 900 AS src_packets, 900 AS dst_packets) FROM some_flows(1);
-- quiet: nine hours inside
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (32400.0 AS duration_s, sec(32400) AS last_ts, 900 AS src_packets, '10.0.0.9' AS dst_ip, 'internal' AS direction, true AS dst_internal) FROM some_flows(1);
-- quiet: nobody answered in nine hours
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (32400.0 AS duration_s, sec(32400) AS last_ts, 900 AS src_packets, 0 AS dst_packets) FROM some_flows(1);
-- fires: [low] a telephone waits for messages
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (32400.0 AS duration_s, sec(32400) AS last_ts, 900 AS src_packets, 900 AS dst_packets, 5228 AS dst_port, 'tls' AS service, 'content' AS service_source) FROM some_flows(1);
-- fires: [high] something that is no TLS on that port
INSERT INTO flows BY NAME
SELECT * EXCLUDE i REPLACE (32400.0 AS duration_s, sec(32400) AS last_ts, 900 AS src_packets, 900 AS dst_packets, 5228 AS dst_port, 'ssh' AS service, 'content' AS service_source) FROM some_flows(1);
