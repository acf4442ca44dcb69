-- What every case stands on: one capture of one day of the sensor lab, and short words for rows.
INSERT INTO captures(capture_id, capture_no, sensor, first_ts, last_ts, status, local_nets)
VALUES (1, 1, 'lab', '2024-01-15 00:00:00', '2024-01-16 00:00:00', 'complete', ['10.0.0.0/8']);
CREATE TEMP MACRO sec(s) AS make_timestamp_ns(1705276800000000000 + (s * 1e9)::BIGINT);
-- A number between 0 and 1 that looks random and is not.
CREATE TEMP MACRO chance(i) AS (hash(i) % 10007) / 10007;
CREATE TEMP MACRO some_flows(n) AS TABLE
SELECT range AS i, 1 AS capture_id, range + 1 AS flow_id, sec(range) AS first_ts, sec(range + 1) AS last_ts, 1.0 AS duration_s, 4 AS ip_version,
       'tcp' AS protocol, '10.0.0.5' AS src_ip, 40000 AS src_port, '198.51.100.7' AS dst_ip, 443 AS dst_port, 5 AS src_packets, 5 AS dst_packets,
       500 AS src_bytes, 900 AS dst_bytes, 700 AS src_ip_bytes, 1100 AS dst_ip_bytes, 'SF' AS conn_state, NULL::VARCHAR AS service,
       NULL::VARCHAR AS service_source, NULL::VARCHAR AS hostname, NULL::VARCHAR AS hostname_source, NULL::VARCHAR AS domain,
       'outbound' AS direction, true AS src_internal, false AS dst_internal FROM range(n);
CREATE TEMP MACRO some_questions(n) AS TABLE
SELECT range AS i, 1 AS capture_id, range + 1 AS flow_id, sec(range) AS ts, 'dns' AS service, '10.0.0.5' AS client_ip, '10.0.0.1' AS server_ip,
       'www.example.com' AS query, 'example.com' AS domain, 1 AS qtype, 'A' AS qtype_name, 0 AS rcode, 'NOERROR' AS rcode_name,
       ['198.51.100.7'] AS answers, ['198.51.100.7'] AS answer_ips, 3600 AS min_ttl, 1 AS answer_count, 1 AS attempts, 60 AS query_bytes,
       90 AS answer_bytes FROM range(n);
