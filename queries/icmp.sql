-- name: icmp
-- question: Who sends which ICMP messages?
-- why: Echo sweeps map a network, redirects change its paths, large echo payloads carry data, and unreachables tell who is being probed.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   protocol icmp or icmp6.
--   type ICMP type of the originator.
--   name What the type means; NULL for rare ones.
--   src_ip Originator.
--   destinations Distinct responders.
--   flows Flows.
--   answered Flows with packets from the responder.
--   packets Packets of both directions.
--   largest_payload Largest mean payload of a flow, bytes a packet.
--   first_ts First flow.
WITH names(protocol, type, name) AS (
  VALUES ('icmp', 0, 'echo reply'), ('icmp', 3, 'destination unreachable'), ('icmp', 4, 'source quench'), ('icmp', 5, 'redirect'),
         ('icmp', 8, 'echo request'), ('icmp', 9, 'router advertisement'), ('icmp', 10, 'router solicitation'),
         ('icmp', 11, 'time exceeded'), ('icmp', 12, 'parameter problem'), ('icmp', 13, 'timestamp request'),
         ('icmp', 14, 'timestamp reply'), ('icmp', 17, 'address mask request'), ('icmp', 18, 'address mask reply'),
         ('icmp6', 1, 'destination unreachable'), ('icmp6', 2, 'packet too big'), ('icmp6', 3, 'time exceeded'),
         ('icmp6', 4, 'parameter problem'), ('icmp6', 128, 'echo request'), ('icmp6', 129, 'echo reply'),
         ('icmp6', 130, 'multicast listener query'), ('icmp6', 131, 'multicast listener report'),
         ('icmp6', 133, 'router solicitation'), ('icmp6', 134, 'router advertisement'),
         ('icmp6', 135, 'neighbour solicitation'), ('icmp6', 136, 'neighbour advertisement'), ('icmp6', 137, 'redirect'),
         ('icmp6', 143, 'multicast listener report v2')
)
SELECT f.protocol, f.src_port AS type, any_value(n.name) AS name, f.src_ip, count(DISTINCT f.dst_ip) AS destinations,
       count(*) AS flows, count(*) FILTER (WHERE f.dst_packets > 0) AS answered,
       sum(f.src_packets + f.dst_packets) AS packets,
       round(max((f.src_bytes + f.dst_bytes) / nullif(f.src_packets + f.dst_packets, 0)), 1) AS largest_payload,
       min(f.first_ts) AS first_ts
FROM flows f
LEFT JOIN names n ON n.protocol = f.protocol AND n.type = f.src_port
WHERE f.protocol IN ('icmp', 'icmp6')
GROUP BY f.protocol, f.src_port, f.src_ip
ORDER BY flows DESC, packets DESC, f.protocol, type, f.src_ip
LIMIT $limit::BIGINT;
