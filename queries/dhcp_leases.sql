-- name: dhcp_leases
-- question: Which device had which address, and from when on?
-- why: Addresses change hands; this says who was behind one at a time. A second DHCP server in a network is a mistake or an attack.
-- params:
--   limit number 100 How many leases to show.
-- columns:
--   ip Address that was given.
--   client_mac Hardware address of the device.
--   host_name Name that the device says it has.
--   vendor_class Software of the device.
--   fingerprint Options that it asks for, which tell its system.
--   server_id Server that gave it.
--   routers Routers that it was told.
--   dns_servers Resolvers that it was told.
--   lease_s Longest time that it was given for, in seconds.
--   times How often it was confirmed.
--   first_ts First time.
--   last_ts Last time.
WITH asked AS (
  SELECT capture_id, xid, client_mac, min(host_name) AS host_name, min(vendor_class) AS vendor_class, min(fingerprint) AS fingerprint
  FROM dhcp
  WHERE NOT from_server
  GROUP BY capture_id, xid, client_mac
)
SELECT d.assigned_ip AS ip, d.client_mac, min(coalesce(a.host_name, d.host_name)) AS host_name, min(a.vendor_class) AS vendor_class,
       min(a.fingerprint) AS fingerprint, d.server_id, min(d.routers) AS routers, min(d.dns_servers) AS dns_servers,
       max(d.lease_s) AS lease_s, count(*) AS times, min(d.ts) AS first_ts, max(d.ts) AS last_ts
FROM dhcp d
LEFT JOIN asked a ON a.capture_id = d.capture_id AND a.xid = d.xid AND a.client_mac IS NOT DISTINCT FROM d.client_mac
WHERE d.from_server AND d.message_type = 'ack' AND d.assigned_ip IS NOT NULL
GROUP BY d.assigned_ip, d.client_mac, d.server_id
ORDER BY last_ts DESC, ip, d.client_mac, d.server_id
LIMIT $limit::BIGINT;
