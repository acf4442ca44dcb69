-- name: sip_calls
-- question: Who called whom, and did the call come about?
-- why: Calls to dear numbers at night are toll fraud. Many refused calls or registrations from outside are somebody looking for an open exchange.
-- params:
--   limit number 50 How many calls to show.
-- columns:
--   ts When it began.
--   src_ip Who sent the invitation.
--   dst_ip Who got it.
--   sip_from Caller.
--   sip_to Callee.
--   status Final status of the invitation.
--   reason Its words.
--   user_agent Software of the caller.
--   server Software of the other end.
--   duration_s Seconds from the invitation to the end of the call; NULL when the end was not seen.
--   call_id Names the call.
WITH invited AS (
  SELECT s.*, CASE WHEN s.from_orig THEN f.src_ip ELSE f.dst_ip END AS caller_ip,
         CASE WHEN s.from_orig THEN f.dst_ip ELSE f.src_ip END AS callee_ip
  FROM sip s
  JOIN flows f ON f.capture_id = s.capture_id AND f.flow_id = s.flow_id
  WHERE s.method = 'INVITE'
  -- An invitation that asks for a password is sent again with one; the last one tells how the call went.
  QUALIFY row_number() OVER (PARTITION BY s.capture_id, s.call_id, s.flow_id ORDER BY s.ts DESC, s.cseq DESC) = 1
), ended AS (
  SELECT capture_id, call_id, min(ts) AS ended_ts
  FROM sip
  WHERE method = 'BYE'
  GROUP BY capture_id, call_id
)
SELECT i.ts, i.caller_ip AS src_ip, i.callee_ip AS dst_ip, i.sip_from, i.sip_to, i.status, i.reason, i.user_agent, i.server,
       (epoch_ns(e.ended_ts) - epoch_ns(i.ts)) / 1e9 AS duration_s, i.call_id
FROM invited i
LEFT JOIN ended e ON e.capture_id = i.capture_id AND e.call_id = i.call_id
ORDER BY i.ts DESC, i.call_id, i.flow_id
LIMIT $limit::BIGINT;
