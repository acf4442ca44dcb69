-- fires: 60 MB out and nearly nothing back, no history
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (30000000 AS src_bytes, 100000 AS dst_bytes) FROM some_flows(2);
-- fires: a new place gets 120 MB from a host that is known for three days
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-11 00:00:00', '2024-01-14 00:00:00', 'complete');
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, bytes_out) SELECT 2, sec(-range * 3600), '10.0.0.5', true, 1000000 FROM range(24, 96);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (120000000 AS src_bytes, 20000000 AS dst_bytes) FROM some_flows(1);
-- quiet: the backup goes where it went every day
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-11 00:00:00', '2024-01-14 00:00:00', 'complete');
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, bytes_out) SELECT 2, sec(-range * 3600), '10.0.0.5', true, 1000000 FROM range(24, 96);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (2 AS capture_id, sec(-172800) AS first_ts, 120000000 AS src_bytes) FROM some_flows(1);
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (7 AS flow_id, 120000000 AS src_bytes, 2000000 AS dst_bytes) FROM some_flows(1);
-- quiet: a video call: as much comes back
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (60000000 AS src_bytes, 55000000 AS dst_bytes) FROM some_flows(1);
-- quiet: ten megabytes of photographs
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (10000000 AS src_bytes, 50000 AS dst_bytes) FROM some_flows(1);
-- fires: [low] photographs go to a provider that everybody uses
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (30000000 AS src_bytes, 100000 AS dst_bytes, 'photos.googleapis.com' AS hostname, 'googleapis.com' AS domain) FROM some_flows(2);
-- fires: [medium] to a place with a name of its own
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (30000000 AS src_bytes, 100000 AS dst_bytes, 'drop.example.net' AS hostname, 'example.net' AS domain) FROM some_flows(2);
