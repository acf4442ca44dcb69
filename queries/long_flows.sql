-- name: long_flows
-- question: Which flows stayed open the longest?
-- why: Tunnels, remote shells and command channels are held open for hours; so are mail and chat. Ask who holds one to an outside
--   address, and with how few bytes.
-- params:
--   limit number 20 How many flows to show.
--   min_seconds number 60 Only flows at least this long.
--   outside text no yes: only flows with an outside address.
-- columns:
--   flow_id The flow.
--   first_ts First packet.
--   duration_s Seconds from first to last packet.
--   src_ip Originator.
--   dst_ip Responder.
--   dst_port Port of the responder.
--   protocol Transport protocol.
--   service Application protocol; NULL when unknown.
--   hostname Name of the responder; NULL when none was seen.
--   bytes Payload of both directions.
--   bytes_per_s Payload bytes a second.
SELECT flow_id, first_ts, duration_s, src_ip, dst_ip, dst_port, protocol, service, hostname,
       src_bytes + dst_bytes AS bytes, round((src_bytes + dst_bytes) / nullif(duration_s, 0), 1) AS bytes_per_s
FROM flows
WHERE duration_s >= $min_seconds::DOUBLE
  AND ($outside <> 'yes' OR NOT (src_internal AND dst_internal))
ORDER BY duration_s DESC, flow_id
LIMIT $limit::BIGINT;
