-- fires: a card that the days before did not have
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-11 00:00:00', '2024-01-14 00:00:00', 'complete');
INSERT INTO host_facts(capture_id, ip, is_internal, macs, names, first_ts, last_ts, flows)
VALUES (2, '10.0.0.5', true, ['02:00:00:00:00:05'], [], sec(-99999), sec(-88888), 1), (1, '10.0.0.6', true, ['02:00:00:00:00:06'], [], sec(0), sec(9), 1);
-- quiet: the same card with another address
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status) VALUES (2, 0, 'lab', '2024-01-11 00:00:00', '2024-01-14 00:00:00', 'complete');
INSERT INTO host_facts(capture_id, ip, is_internal, macs, names, first_ts, last_ts, flows)
VALUES (2, '10.0.0.5', true, ['02:00:00:00:00:05'], [], sec(-99999), sec(-88888), 1), (1, '10.0.0.6', true, ['02:00:00:00:00:05'], [], sec(0), sec(9), 1);
-- quiet: without history everything would be new
INSERT INTO host_facts(capture_id, ip, is_internal, macs, names, first_ts, last_ts, flows)
VALUES (1, '10.0.0.6', true, ['02:00:00:00:00:06'], [], sec(0), sec(9), 1);
