-- name: top_ports
-- question: Which destination ports are used the most?
-- why: Ports tell what a network is for before any protocol is parsed. A port with many servers and few bytes is being
--   probed; one server with many clients is a service.
-- params:
--   limit number 20 How many ports to show.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   protocol tcp, udp or sctp.
--   port Port of the responder.
--   service The service most flows to it turned out to speak; NULL when none is known.
--   flows Flows to the port.
--   answered_pct Flows in which the responder sent something, in percent.
--   clients Distinct originators.
--   servers Distinct responders.
--   bytes Bytes of both directions with IP headers.
SELECT protocol, dst_port AS port, mode(service ORDER BY service) AS service, count(*) AS flows,
       round(100.0 * count(*) FILTER (WHERE dst_packets > 0) / count(*), 1) AS answered_pct,
       count(DISTINCT src_ip) AS clients, count(DISTINCT dst_ip) AS servers,
       sum(src_ip_bytes + dst_ip_bytes) AS bytes
FROM flows
WHERE protocol IN ('tcp', 'udp', 'sctp')
  AND ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
GROUP BY protocol, dst_port
ORDER BY flows DESC, bytes DESC, protocol, port
LIMIT $limit::BIGINT;
