-- fires: self-issued
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, subject, issuer, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 0, 'CN=x', 'CN=x', 'x', sec(-864000), sec(864000), true, [], 'aa');
-- fires: expired a day ago
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 0, 'x', sec(-864000), sec(-86400), false, [], 'aa');
-- fires: for another name
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'bank.example.com');
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 0, 'x', sec(-864000), sec(864000), false, ['*.example.org'], 'aa');
-- quiet: in order, by a wildcard
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'bank.example.com');
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 0, 'x', sec(-864000), sec(864000), false, ['*.example.com'], 'aa');
-- quiet: a self-issued one of a printer inside
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE (true AS dst_internal, 'internal' AS direction, '10.0.0.9' AS dst_ip) FROM some_flows(1);
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 0, 'x', sec(-864000), sec(864000), true, [], 'aa');
-- quiet: the root at the end of the chain
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO x509(capture_id, flow_id, ts, from_client, position, common_name, not_before, not_after, self_issued, san_dns, sha256)
VALUES (1, 1, sec(0), false, 2, 'x', sec(-864000), sec(864000), true, [], 'aa');
