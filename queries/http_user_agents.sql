-- name: http_user_agents
-- question: Which programs speak HTTP, and which of them are rare?
-- why: Browsers are many and alike; a program that only one host runs, or that sends no name at all, stands out. Rare ones first.
-- params:
--   limit number 50 How many programs to show.
-- columns:
--   user_agent As the program names itself; NULL when it does not.
--   clients Distinct hosts that run it.
--   requests Requests.
--   hosts Distinct servers by name.
--   example_host One of them.
--   example_client One of the clients.
--   posts Requests that send something (POST, PUT).
--   first_ts First request.
--   last_ts Last request.
SELECT h.user_agent, count(DISTINCT f.src_ip) AS clients, count(*) AS requests, count(DISTINCT h.host) AS hosts,
       min(h.host) AS example_host, min(f.src_ip) AS example_client,
       count(*) FILTER (WHERE h.method IN ('POST', 'PUT')) AS posts, min(h.ts) AS first_ts, max(h.ts) AS last_ts
FROM http h
JOIN flows f ON f.capture_id = h.capture_id AND f.flow_id = h.flow_id
WHERE h.method IS NOT NULL
GROUP BY h.user_agent
ORDER BY clients, requests, h.user_agent NULLS FIRST
LIMIT $limit::BIGINT;
