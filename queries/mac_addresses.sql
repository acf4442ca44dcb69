-- name: mac_addresses
-- question: Which link addresses stand behind which IP addresses?
-- why: A MAC with many addresses is a router, or somebody playing one. An address that changes its MAC is a moved cable, a failover, or ARP
--   spoofing.
-- params:
--   limit number 50 How many link addresses to show.
-- columns:
--   mac Link address that sent.
--   addresses Distinct IP addresses it sent from.
--   shared_addresses Of those: addresses that another MAC used, too.
--   examples Up to five of its addresses.
--   flows Flows it originated.
--   first_ts First flow.
--   last_ts Last packet.
WITH pairs AS (
  SELECT src_mac AS mac, src_ip AS ip, count(*) AS flows, min(first_ts) AS first_ts, max(last_ts) AS last_ts
  FROM flows
  -- Who has no address yet says so with zeros; that is nobody's address.
  WHERE src_mac IS NOT NULL AND tunnel IS NULL AND src_ip NOT IN ('0.0.0.0', '::')
  GROUP BY src_mac, src_ip
), marked AS (
  SELECT *, count(*) OVER (PARTITION BY ip) > 1 AS is_shared FROM pairs
)
SELECT mac, count(*) AS addresses, count(*) FILTER (WHERE is_shared) AS shared_addresses,
       array_to_string(list_slice(list(ip ORDER BY flows DESC, ip), 1, 5), ', ') AS examples,
       sum(flows) AS flows, min(first_ts) AS first_ts, max(last_ts) AS last_ts
FROM marked
GROUP BY mac
ORDER BY addresses DESC, flows DESC, mac
LIMIT $limit::BIGINT;
