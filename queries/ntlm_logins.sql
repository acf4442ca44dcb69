-- name: ntlm_logins
-- question: Who logs in with NTLM, from which machine, to what?
-- why: NTLM is what pass-the-hash and relays use; a domain with Kerberos has little of it. The first version of its response can be cracked by
--   anybody. A machine name that does not exist in the network belongs to a tool.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   username Account.
--   domain Its domain, as the client says it.
--   hostname Machine, as the client says it.
--   src_ip Client.
--   dst_ip Server.
--   service Protocol that carried it.
--   server_name Machine, as the server says it.
--   response Kind of response.
--   attempts Attempts.
--   accepted Attempts that were accepted.
--   refused Attempts that were refused.
--   first_ts First attempt.
--   last_ts Last attempt.
SELECT n.username, n.domain, n.hostname, f.src_ip, f.dst_ip, n.service,
       min(coalesce(n.server_dns_computer_name, n.server_nb_computer_name)) AS server_name, n.response, count(*) AS attempts,
       count(*) FILTER (WHERE n.success) AS accepted, count(*) FILTER (WHERE NOT n.success) AS refused, min(n.ts) AS first_ts,
       max(n.ts) AS last_ts
FROM ntlm n
JOIN flows f ON f.capture_id = n.capture_id AND f.flow_id = n.flow_id
GROUP BY n.username, n.domain, n.hostname, f.src_ip, f.dst_ip, n.service, n.response
ORDER BY attempts DESC, n.username, n.domain, n.hostname, f.src_ip, f.dst_ip, n.service, n.response
LIMIT $limit::BIGINT;
