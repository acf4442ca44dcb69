-- name: exposed_services
-- question: Which of our services answer to the outside?
-- why: The attack surface as it was really used: local servers that answered outside addresses. Compare with what should be open.
-- params:
--   limit number 50 How many services to show.
-- columns:
--   dst_ip Local server.
--   dst_port Its port.
--   protocol Transport protocol.
--   service Application protocol; NULL when unknown.
--   clients Distinct outside addresses that got an answer.
--   flows Answered flows.
--   refused Flows that were refused or not answered.
--   bytes_out Payload it sent out.
--   bytes_in Payload it received.
--   first_ts First answered flow.
--   last_ts Last packet of an answered flow.
WITH inbound AS (
  SELECT *, CASE WHEN protocol = 'tcp' THEN dst_bytes > 0 OR conn_state IN ('S1', 'SF', 'S2', 'S3', 'RSTO', 'RSTR')
                 ELSE dst_packets > 0 END AS answered
  FROM flows
  WHERE direction = 'inbound' AND protocol IN ('tcp', 'udp', 'sctp')
)
SELECT dst_ip, dst_port, protocol, mode(service ORDER BY service) AS service,
       count(DISTINCT src_ip) FILTER (WHERE answered) AS clients, count(*) FILTER (WHERE answered) AS flows,
       count(*) FILTER (WHERE NOT answered) AS refused, sum(dst_bytes) AS bytes_out, sum(src_bytes) AS bytes_in,
       min(first_ts) FILTER (WHERE answered) AS first_ts, max(last_ts) FILTER (WHERE answered) AS last_ts
FROM inbound
GROUP BY dst_ip, dst_port, protocol
HAVING count(*) FILTER (WHERE answered) > 0
ORDER BY clients DESC, flows DESC, dst_ip, dst_port
LIMIT $limit::BIGINT;
