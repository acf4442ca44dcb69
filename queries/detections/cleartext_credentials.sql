-- name: cleartext_credentials
-- question: Whose passwords crossed the network readable?
-- why: Anyone on the path has them now. Outward that is many, inside it is every switch and everybody who can pretend to be one.
-- kind: cleartext_credentials
-- horizon: capture
-- from: credentials
-- only: credentials: bool_or(secret = 'clear' AND service <> 'stratum')
-- innocent:
--   Anonymous FTP, a test account, a device that cannot do better on a network of its own.
-- next:
--   Change the passwords of the accounts named; move the service to TLS.
-- references:
--   MITRE ATT&CK T1040, T1552; RFC 8314 (cleartext considered obsolete for mail).
-- columns:
--   first_ts First login.
--   last_ts Last login.
--   src_ip Who logged in.
--   dst_ip At which server.
--   dst_port At which port.
--   protocol Over what.
--   about Service.
--   count Logins.
--   severity medium when it leaves the network, else low.
--   title A sentence without the secret, which is never stored.
--   reasons Logins and accounts.
--   flow_ids Flows.
--   details Accounts.
SELECT min(c.ts) AS first_ts, max(c.ts) AS last_ts, f.src_ip, f.dst_ip, f.dst_port, f.protocol, c.service AS about, count(*) AS count,
       CASE WHEN f.direction = 'outbound' AND bool_or(c.success) THEN 'medium' END AS severity,
       concat(f.src_ip, ' sent ', CASE WHEN count(*) = 1 THEN 'a password' ELSE count(*) || ' passwords' END, ' for ',
              coalesce(min(c.account), 'an account'), CASE WHEN count(DISTINCT c.account) > 1 THEN ' and others' ELSE '' END,
              ' readable to ', f.dst_ip, ' (', c.service, ')') AS title,
       [{'name': 'readable_passwords', 'value': count(*)::DOUBLE, 'threshold': 1.0, 'weight': 0.9}] AS reasons,
       list(DISTINCT c.flow_id ORDER BY c.flow_id)[:25] AS flow_ids,
       to_json({'accounts': list(DISTINCT c.account ORDER BY c.account)[:20], 'mechanisms': list(DISTINCT c.mechanism ORDER BY c.mechanism),
                'accepted': count(*) FILTER (c.success)})::VARCHAR AS details
FROM credentials c JOIN flows f ON f.capture_id = c.capture_id AND f.flow_id = c.flow_id
WHERE c.capture_id = $capture::BIGINT AND c.ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND c.secret = 'clear'
  AND lower(coalesce(c.account, '')) NOT IN ('anonymous', 'ftp', 'guest')
  -- A community name of SNMP and the like is no person's password, a miner's is a formality; loopback leaves no host.
  AND c.service <> 'stratum' AND f.dst_ip NOT LIKE '127.%' AND f.dst_ip <> '::1'
GROUP BY f.src_ip, f.dst_ip, f.dst_port, f.protocol, c.service, f.direction
ORDER BY count(*) DESC, f.src_ip, f.dst_ip, f.dst_port;
