-- name: weirds
-- question: What was odd about the packets?
-- why: Malformed, cut and contradictory packets: broken capture set-ups, broken stacks, evasion. Rows are stored up to a cap a kind;
--   captures.weird_count has the true total. `secnetmon report quality` says what each name means.
-- params:
--   limit number 50 How many kinds to show.
-- columns:
--   kind Stable name of the oddity.
--   layer capture, link, network, transport or application.
--   stored Rows stored of it.
--   captures Captures in which it was met.
--   flows Flows in which it was met.
--   example What was noted at the first one; NULL when the name says it all.
--   first_ts First time.
--   last_ts Last time.
SELECT kind, layer, count(*) AS stored, count(DISTINCT capture_id) AS captures, count(DISTINCT flow_id) AS flows,
       arg_min(detail, (ts, packet)) AS example, min(ts) AS first_ts, max(ts) AS last_ts
FROM weirds
GROUP BY kind, layer
ORDER BY stored DESC, kind
LIMIT $limit::BIGINT;
