-- name: capture_drops
-- question: In which minutes did a live capture lose packets, and whose fault was it?
-- why: The kernel drops when this program is too slow (more --buffer-mib, a --filter, fewer detectors), the interface when the machine is. What happened in such a
--   minute may be missing; a minute with nothing at all on a busy network is a question to the cable.
-- params:
--   limit number 50 How many minutes to show.
--   all text no yes: also minutes without losses.
-- columns:
--   ts Start of the minute.
--   path What was captured from.
--   device The device.
--   packets Packets taken.
--   bytes Bytes they had on the wire.
--   dropped_kernel Dropped by the kernel: its buffer was full.
--   dropped_interface Dropped by the interface or its driver.
--   dropped_here Left behind by this program when it ended.
--   lost_pct Lost of all that came, in percent.
--   capture_id The capture.
SELECT i.ts, c.path, i.device, sum(i.packets) AS packets, sum(i.bytes) AS bytes, sum(i.dropped_kernel) AS dropped_kernel,
       sum(i.dropped_interface) AS dropped_interface, sum(i.dropped_here) AS dropped_here,
       round(100.0 * sum(i.dropped_kernel + i.dropped_interface + i.dropped_here)
             / nullif(sum(i.packets + i.dropped_kernel + i.dropped_interface + i.dropped_here), 0), 3) AS lost_pct,
       i.capture_id
FROM capture_intervals i JOIN captures c USING (capture_id)
GROUP BY i.ts, c.path, i.device, i.capture_id
HAVING $all = 'yes' OR sum(i.dropped_kernel + i.dropped_interface + i.dropped_here) > 0
ORDER BY lost_pct DESC NULLS LAST, i.ts, i.device, i.capture_id
LIMIT $limit::BIGINT;
