-- fires: two days of a little, then an hour of a gigabyte
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in)
SELECT 1, sec(range * 1800), '10.0.0.5', true, 50, 1000000 + (200000 * chance(range))::INT, 900000 FROM range(0, 46, 2);
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-13 00:00:00', '2024-01-15 00:00:00', 'complete');
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in)
SELECT 2, sec(-range * 3600), '10.0.0.5', true, 50, 1000000 + (200000 * chance(range))::INT, 900000 FROM range(1, 40);
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in) VALUES (1, sec(82800), '10.0.0.5', true, 60, 1000000000, 900000);
-- quiet: the same hour without history
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in)
SELECT 1, sec(range * 3600), '10.0.0.5', true, 50, 1000000, 900000 FROM range(0, 20);
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in) VALUES (1, sec(82800), '10.0.0.5', true, 60, 1000000000, 900000);
-- quiet: everybody had such an hour
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-13 00:00:00', '2024-01-15 00:00:00', 'complete');
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in)
SELECT 2, sec(-h.range * 3600), '10.0.0.' || i.range, true, 50, 1000000, 900000 FROM range(1, 40) h, range(5, 12) i;
INSERT INTO traffic_hourly(capture_id, hour, ip, is_internal, flows, bytes_out, bytes_in)
SELECT 1, sec(36000), '10.0.0.' || range, true, 50, 900000000, 900000 FROM range(5, 12);
