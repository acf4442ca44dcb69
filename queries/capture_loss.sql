-- name: capture_loss
-- question: Can the captures be trusted, or did they lose packets?
-- why: Bytes that were acknowledged but never seen were lost by the capture, not by the network; retransmissions point at the network. With much
--   loss, missing records mean nothing. Where packets are truncated, a snaplen was chosen that keeps their beginnings only.
-- columns:
--   capture_id The capture.
--   path What was read.
--   tcp_flows TCP flows.
--   tcp_bytes TCP payload observed.
--   missed_bytes TCP payload that was sent and is not in the capture: acknowledged but never seen, or cut off by the snaplen.
--   missed_pct Of all TCP payload by its sequence numbers, in percent.
--   flows_with_gaps TCP flows with missed bytes.
--   retransmits Segments that repeated bytes already seen.
--   retransmit_pct Retransmissions of all TCP packets, in percent.
--   one_sided_flows TCP flows with packets of one side only although the other side must have answered.
--   dropped_packets Packets the capturing system says it dropped; NULL when it does not say.
--   truncated_packets Packets cut by the snaplen.
SELECT c.capture_id, any_value(c.path) AS path, count(f.flow_id) AS tcp_flows,
       coalesce(sum(f.src_bytes + f.dst_bytes), 0) AS tcp_bytes, coalesce(sum(f.missed_bytes), 0) AS missed_bytes,
       round(100.0 * sum(f.missed_bytes) / nullif(greatest(sum(f.src_stream_bytes + f.dst_stream_bytes), sum(f.missed_bytes)), 0), 3) AS missed_pct,
       count(*) FILTER (WHERE f.missed_bytes > 0) AS flows_with_gaps,
       coalesce(sum(f.retransmits), 0) AS retransmits,
       round(100.0 * sum(f.retransmits) / nullif(sum(f.src_packets + f.dst_packets), 0), 3) AS retransmit_pct,
       count(*) FILTER (WHERE (f.dst_packets = 0 AND f.src_bytes > 0) OR f.src_packets = 0) AS one_sided_flows,
       any_value(c.dropped_packets) AS dropped_packets, any_value(c.truncated_packets) AS truncated_packets
FROM captures c
LEFT JOIN flows f ON f.capture_id = c.capture_id AND f.protocol = 'tcp'
GROUP BY c.capture_id
ORDER BY missed_pct DESC NULLS LAST, path, c.capture_id;
