-- name: http_hosts
-- question: Which web servers are used without encryption, and for what?
-- why: Everything here could be read and changed on its way. A host named by a bare address, or one that only receives POSTs,
--   is worth a look.
-- params:
--   limit number 30 How many hosts to show.
-- columns:
--   host Host as the client named it; NULL when it named none.
--   servers Distinct addresses behind it.
--   clients Distinct clients.
--   requests Requests.
--   methods Methods used.
--   errors Answers with a status of 400 and above.
--   bytes_up Bytes of request bodies.
--   bytes_down Bytes of response bodies.
--   user_agents Distinct user agents.
--   server Server software as it named itself; NULL when it did not.
--   first_ts First request.
--   last_ts Last request.
SELECT h.host, count(DISTINCT f.dst_ip) AS servers, count(DISTINCT f.src_ip) AS clients, count(*) AS requests,
       coalesce(string_agg(DISTINCT h.method, ', ' ORDER BY h.method), '') AS methods,
       count(*) FILTER (WHERE h.status_code >= 400) AS errors,
       coalesce(sum(h.request_body_len), 0) AS bytes_up, coalesce(sum(h.response_body_len), 0) AS bytes_down,
       count(DISTINCT h.user_agent) AS user_agents, mode(h.server ORDER BY h.server) AS server,
       min(h.ts) AS first_ts, max(h.ts) AS last_ts
FROM http h
JOIN flows f ON f.capture_id = h.capture_id AND f.flow_id = h.flow_id
GROUP BY h.host
ORDER BY requests DESC, h.host
LIMIT $limit::BIGINT;
