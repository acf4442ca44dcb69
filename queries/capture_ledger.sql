-- name: capture_ledger
-- question: What was read, and what of it was lost?
-- why: Before believing an answer, know what it rests on: damage, packets cut by the snaplen, packets the capturing
--   machine dropped, link types without a decoder.
-- columns:
--   capture_id The capture.
--   path What was read.
--   sensor Where it was recorded; NULL or empty when not said.
--   status complete, damaged, live or interrupted.
--   packets Packets read.
--   bytes Bytes they had on the wire.
--   first_ts Earliest packet.
--   last_ts Latest packet.
--   decoded_pct Packets whose network layer was decoded, in percent.
--   truncated_packets Packets cut by the snaplen.
--   unknown_link_packets Packets of a link type without a decoder.
--   dropped_packets Packets the capturing system says it dropped; NULL when it does not say.
--   weird_count Oddities, stored or not.
--   stop_reason Why reading stopped.
--   stop_offset Byte at which damage begins; NULL without damage.
SELECT capture_id, path, sensor, status, packets, bytes, first_ts, last_ts,
       round(100.0 * decoded_packets / nullif(packets, 0), 2) AS decoded_pct,
       truncated_packets, unknown_link_packets, dropped_packets, weird_count, stop_reason, stop_offset
FROM captures
ORDER BY first_ts NULLS LAST, path, capture_id;
