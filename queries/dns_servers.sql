-- name: dns_servers
-- question: Who answers questions to the DNS, for whom and how fast?
-- why: Clients should ask the resolvers they were given. A host that asks an outside server directly goes round them, and round their
--   filters and logs. Many answers to questions that nobody asked are an amplification attack, or somebody who forges answers.
-- params:
--   limit number 30 How many servers to show.
-- columns:
--   server_ip Server that was asked.
--   is_internal Is it in the local networks?
--   clients Distinct hosts that asked it.
--   queries Questions.
--   unanswered Questions without an answer.
--   unasked Answers to a question that was not seen; they are no part of queries.
--   median_ms Median time from question to answer, milliseconds.
--   names Distinct names asked for.
--   tcp Questions over TCP.
-- Who answers without being asked is the originator of the flow.
SELECT d.server_ip, bool_or(CASE d.server_ip WHEN f.dst_ip THEN f.dst_internal ELSE f.src_internal END) AS is_internal,
       count(DISTINCT d.client_ip) AS clients, count(*) FILTER (WHERE d.rcode IS NULL OR d.rtt_s IS NOT NULL) AS queries,
       count(*) FILTER (WHERE d.rcode IS NULL) AS unanswered, count(*) FILTER (WHERE d.rcode IS NOT NULL AND d.rtt_s IS NULL) AS unasked, round(1000 * median(d.rtt_s), 3) AS median_ms,
       count(DISTINCT d.query) AS names, count(*) FILTER (WHERE d.proto = 'tcp') AS tcp
FROM dns d
JOIN flows f ON f.capture_id = d.capture_id AND f.flow_id = d.flow_id
WHERE d.service = 'dns'
GROUP BY d.server_ip
ORDER BY queries + unasked DESC, d.server_ip
LIMIT $limit::BIGINT;
