-- fires: RC4 in TLS 1.0
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, version, cipher) VALUES (1, 1, sec(0), 'TLSv1.0', 'TLS_RSA_WITH_RC4_128_SHA');
-- quiet: TLS 1.2 with AES
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, version, cipher, client_version) VALUES (1, 1, sec(0), 'TLSv1.2', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'TLSv1.3');
-- quiet: only offered
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, client_version) VALUES (1, 1, sec(0), 'TLSv1.0');
