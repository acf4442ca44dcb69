-- name: unusual_ports
-- question: Which services run on ports that are not theirs?
-- why: A shell on 443 or a web server on 4444 is either somebody's workaround or somebody's hiding place. The service
--   was told by content, so the port is the odd part.
-- params:
--   limit number 50 How many servers to show.
-- columns:
--   service What is spoken.
--   protocol Transport protocol.
--   dst_ip Server.
--   dst_port Its port.
--   dst_internal Is the server in the local networks?
--   hostname A name clients used for it; NULL when none was seen.
--   flows Flows.
--   clients Distinct clients.
--   bytes Payload of both directions.
--   first_ts First flow.
WITH usual(service, port) AS (
  VALUES ('http', 80), ('http', 8080), ('http', 8000), ('http', 8008), ('http', 8888), ('http', 3128), ('http', 5985),
         ('http', 631), ('http', 1900), ('http', 2869), ('http', 5357),
         ('tls', 443), ('tls', 8443), ('tls', 993), ('tls', 995), ('tls', 465), ('tls', 636), ('tls', 853), ('tls', 989),
         ('tls', 990), ('tls', 5061), ('tls', 5223), ('tls', 5228), ('tls', 3389), ('tls', 25), ('tls', 587), ('tls', 110),
         ('tls', 143), ('tls', 21), ('tls', 389), ('tls', 8883), ('tls', 6697),
         ('ssh', 22), ('dns', 53), ('mdns', 5353), ('llmnr', 5355), ('nbns', 137), ('ftp', 21), ('smtp', 25), ('smtp', 587),
         ('smtp', 465), ('pop3', 110), ('imap', 143), ('smb', 445), ('smb', 139), ('rdp', 3389), ('ldap', 389), ('ldap', 3268),
         ('kerberos', 88), ('kerberos', 464), ('ntp', 123), ('snmp', 161), ('snmp', 162), ('dhcp', 67), ('dhcp', 68), ('sip', 5060),
         ('quic', 443), ('mqtt', 1883), ('irc', 6667), ('telnet', 23), ('mysql', 3306), ('postgresql', 5432), ('redis', 6379)
)
SELECT f.service, f.protocol, f.dst_ip, f.dst_port, bool_or(f.dst_internal) AS dst_internal,
       min(f.hostname) AS hostname, count(*) AS flows, count(DISTINCT f.src_ip) AS clients,
       sum(f.src_bytes + f.dst_bytes) AS bytes, min(f.first_ts) AS first_ts
FROM flows f
WHERE f.service_source = 'content'
  AND f.service IN (SELECT service FROM usual)
  AND NOT EXISTS (SELECT 1 FROM usual u
                  WHERE u.service = f.service AND (u.port = f.dst_port OR (f.protocol = 'udp' AND u.port = f.src_port)))
GROUP BY f.service, f.protocol, f.dst_ip, f.dst_port
ORDER BY flows DESC, f.service, f.dst_ip, f.dst_port
LIMIT $limit::BIGINT;
