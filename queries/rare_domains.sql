-- name: rare_domains
-- question: Which outside domains does hardly anybody here visit?
-- why: What everybody visits is business. What a single host visits, and keeps visiting, is where command channels are found.
-- params:
--   max_hosts number 1 Only domains visited by at most so many local hosts.
--   min_flows number 2 Only domains with at least so many flows.
--   limit number 50 How many domains to show.
-- columns:
--   domain Registered domain.
--   hosts Local hosts that went there.
--   example_host One of them.
--   flows Flows.
--   names Distinct host names below the domain.
--   bytes_out Payload sent there.
--   bytes_in Payload received from there.
--   first_ts First flow.
--   last_ts Last packet.
SELECT domain, count(DISTINCT src_ip) AS hosts, min(src_ip) AS example_host, count(*) AS flows,
       count(DISTINCT hostname) AS names, sum(src_bytes) AS bytes_out, sum(dst_bytes) AS bytes_in,
       min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM flows
WHERE domain IS NOT NULL AND direction = 'outbound'
GROUP BY domain
HAVING count(DISTINCT src_ip) <= $max_hosts::BIGINT AND count(*) >= $min_flows::BIGINT
ORDER BY hosts, flows DESC, domain
LIMIT $limit::BIGINT;
