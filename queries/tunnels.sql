-- name: tunnels
-- question: What is carried inside tunnels?
-- why: Tunnels cross borders that firewalls draw. Between two routers they are a design; from a workstation they are a way out.
-- params:
--   limit number 50 How many tunnels to show.
-- columns:
--   tunnel Tunnels from the outside in, such as gre or vxlan:42.
--   flows Flows inside.
--   sources Distinct originators inside.
--   destinations Distinct responders inside.
--   services Protocols recognised inside; empty when none was.
--   bytes Bytes of the inner packets with IP headers.
--   first_ts First flow.
--   last_ts Last packet.
SELECT tunnel, count(*) AS flows, count(DISTINCT src_ip) AS sources, count(DISTINCT dst_ip) AS destinations,
       coalesce(string_agg(DISTINCT service, ', ' ORDER BY service), '') AS services,
       sum(src_ip_bytes + dst_ip_bytes) AS bytes, min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM flows
WHERE tunnel IS NOT NULL
GROUP BY tunnel
ORDER BY flows DESC, tunnel
LIMIT $limit::BIGINT;
