-- fires: an address that was contacted
INSERT INTO indicators(list, kind, value) VALUES ('l', 'address', '198.51.100.7');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(3);
-- fires: an address of a listed network
INSERT INTO indicators(list, kind, value, low, high) VALUES ('l', 'network', '198.51.100.0/29', '00000000000000000000ffffc6336400', '00000000000000000000ffffc6336407');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
-- fires: an address of a listed network of IPv6
INSERT INTO indicators(list, kind, value, low, high) VALUES ('l', 'network', '2001:db8::/32', '20010db8000000000000000000000000', '20010db8ffffffffffffffffffffffff');
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('2001:db8::7:1' AS dst_ip, '2001:470::5' AS src_ip) FROM some_flows(1);
-- fires: a name below a listed one
INSERT INTO indicators(list, kind, value) VALUES ('l', 'domain', 'example.com');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO dns BY NAME SELECT * EXCLUDE i FROM some_questions(1);
-- fires: a fingerprint
INSERT INTO indicators(list, kind, value) VALUES ('l', 'ja3', 'e7d705a3286e19ea42f587b344ee6865');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, ja3) VALUES (1, 1, sec(0), 'e7d705a3286e19ea42f587b344ee6865');
-- fires: a file by a hash that may be a certificate's, too
INSERT INTO indicators(list, kind, value) VALUES ('l', 'sha256', 'abab');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, sha256) VALUES (1, 1, sec(0), 'http', 'dst', 'abab');
-- fires: a URL
INSERT INTO indicators(list, kind, value) VALUES ('l', 'url', 'www.example.com/Drop.php?a=1');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO http(capture_id, flow_id, ts, host, uri) VALUES (1, 1, sec(0), 'WWW.example.com', '/Drop.php?a=1');
-- quiet: the network beside
INSERT INTO indicators(list, kind, value, low, high) VALUES ('l', 'network', '198.51.100.0/30', '00000000000000000000ffffc6336400', '00000000000000000000ffffc6336403');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(3);
-- quiet: a name that only ends alike, and one above
INSERT INTO indicators(list, kind, value) VALUES ('l', 'domain', 'ww.example.com'), ('l', 'domain', 'a.www.example.com'), ('l', 'domain', 'ample.com');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO dns BY NAME SELECT * EXCLUDE i FROM some_questions(1);
-- quiet: a hash of another kind of thing
INSERT INTO indicators(list, kind, value) VALUES ('l', 'certificate', 'abab'), ('l', 'ja3', 'abab');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, sha256) VALUES (1, 1, sec(0), 'http', 'dst', 'abab');
-- fires: a listed address that comes to two hosts equally often
INSERT INTO indicators(list, kind, value) VALUES ('l', 'address', '198.51.100.7');
INSERT INTO flows BY NAME SELECT * EXCLUDE i REPLACE ('198.51.100.7' AS src_ip, CASE WHEN i % 2 = 0 THEN '10.0.0.9' ELSE '10.0.0.5' END AS dst_ip) FROM some_flows(4);
-- fires: the host of a URL, inside TLS
INSERT INTO indicators(list, kind, value) VALUES ('l', 'url', 'drop.example.net:8443/gate.php');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'drop.example.net');
-- quiet: another host, and one where everybody keeps files
INSERT INTO indicators(list, kind, value) VALUES ('l', 'url', 'drop.example.net/gate.php'), ('l', 'url', 'raw.githubusercontent.com/x/y/z.exe'), ('l', 'url', 'github.com/x/y');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(3);
INSERT INTO tls(capture_id, flow_id, ts, server_name) VALUES (1, 1, sec(0), 'example.net'), (1, 2, sec(1), 'raw.githubusercontent.com'), (1, 3, sec(2), 'github.com');
-- fires: a file by its MD5, of a list that may mean JA3
INSERT INTO indicators(list, kind, value) VALUES ('l', 'md5', '00ab');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, sha256, md5, sha1) VALUES (1, 1, sec(0), 'http', 'dst', 'abab', '00ab', '11ab');
-- fires: a file by its SHA-1
INSERT INTO indicators(list, kind, value) VALUES ('l', 'file', '11ab');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO files(capture_id, flow_id, ts, source, sender, sha256, md5, sha1) VALUES (1, 1, sec(0), 'http', 'dst', 'abab', '00ab', '11ab');
-- fires: a JA3 of a list that does not say what it holds
INSERT INTO indicators(list, kind, value) VALUES ('l', 'md5', 'e7d705a3286e19ea42f587b344ee6865');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO tls(capture_id, flow_id, ts, ja3) VALUES (1, 1, sec(0), 'e7d705a3286e19ea42f587b344ee6865');
-- quiet: a certificate whose SHA-1 a list has as a JA3
INSERT INTO indicators(list, kind, value) VALUES ('l', 'ja3', '11ab'), ('l', 'md5', '11ab');
INSERT INTO flows BY NAME SELECT * EXCLUDE i FROM some_flows(1);
INSERT INTO x509(capture_id, flow_id, ts, sha1) VALUES (1, 1, sec(0), '11ab');
