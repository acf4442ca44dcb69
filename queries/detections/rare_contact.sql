-- name: rare_contact
-- question: Which destinations does hardly anybody use, and are odd besides?
-- why: What everybody visits is business. A place that one host alone of the network talks to is where command channels are found, but most such places are
--   harmless. So rarity counts only together with what ordinary services do not do: no name, an unknown protocol, a port of its own.
-- kind: rare_contact
-- horizon: 7 d
-- from: flows
-- only: flows: count(*) FILTER (direction IN ('outbound', 'external', 'internal') AND protocol <> 'icmp' AND protocol <> 'icmp6' AND dst_port <> 53 AND dst_port <> 123 AND src_bytes > 0 AND dst_packets > 0 AND (direction <> 'internal' OR protocol = 'tcp' AND dst_port > 1024 AND dst_bytes > 0 OR dst_port IN (80, 443) AND dst_bytes > 0)) >= greatest(1, $min_answered::BIGINT)
-- params:
--   min_answered number 1 Answered connections in which the host sent data, at least: what never answered is a scan's matter.
--   many_peers number 20 Odd destinations of one host from which on it looks like a peer-to-peer client, which weakens.
--   top number 10 Destinations reported per host, the oddest ones: a peer-to-peer client must not fill the list.
--   strong number 0.75 Oddness of all signs together from which on it is medium, when they are many; peers of file sharing reach 0.69 (measured).
--   strong_signs number 4 Signs it then has at least: three come together by chance, with a device of its own protocol.
--   inside number 0.57 Oddness from which on a destination inside is told, where addresses without names and ports of one's own are common; command servers in laboratories reach 0.58 (measured); with many hosts inside, strong.
--   inside_top number 3 Destinations inside that are reported per host, the oddest ones, as top for those outside.
--   many_hosts number 20 Local hosts in the network from which on rarity counts by itself; among few, everything is rare.
-- innocent:
--   Games, peer-to-peer, VPNs, a self-hosted service, Internet of Things devices with a protocol of their maker.
-- next:
--   Name, certificate and owner of the address; when did the contact begin, and what else happened on the host then?
-- references:
--   MITRE ATT&CK T1071, T1571, T1573.
-- columns:
--   first_ts First connection.
--   last_ts Last packet.
--   src_ip The host.
--   dst_ip The destination.
--   dst_port Port used most.
--   protocol Over what.
--   count Connections.
--   severity medium when many signs agree and the host has few such places, else that of the kind.
--   title A sentence.
--   reasons What is odd.
--   flow_ids The connections.
--   details Bytes, services, name.
WITH places AS (
  SELECT dst_ip, min(src_ip) AS src_ip, count(*) AS n, sum(src_bytes) > 1000 AND sum(dst_bytes) = 0 AS one_way,
         min(first_ts) AS first_ts, max(last_ts) AS last_ts, arg_max(dst_port, flow_id) AS dst_port, arg_max(protocol, flow_id) AS protocol,
         max(hostname) AS hostname, max(domain) AS domain, sum(src_bytes) AS bytes_out, sum(dst_bytes) AS bytes_in,
         count(*) FILTER (service_source = 'content') AS known, max(service) FILTER (service_source = 'content') AS service,
         max(service) AS any_service, max(duration_s) AS longest,
         -- What is spoken shows at the beginning of a connection; of those that the capture joined midway nobody can tell.
         bool_and(protocol = 'tcp' AND regexp_matches(coalesce(history, 'S'), '^\^?[^\^Sh]')) AS joined_late, bool_and(direction = 'internal') AS inside
  FROM flows
  WHERE capture_id = $capture::BIGINT AND direction IN ('outbound', 'external', 'internal') AND protocol <> 'icmp' AND protocol <> 'icmp6'
    AND first_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND dst_port <> 53 AND dst_port <> 123
    AND src_bytes > 0 AND dst_packets > 0
    AND (direction <> 'internal' OR protocol = 'tcp' AND dst_port > 1024 AND dst_bytes > 0 OR dst_port IN (80, 443) AND dst_bytes > 0)
  GROUP BY dst_ip
  HAVING min(src_ip) = max(src_ip) AND count(*) >= $min_answered::BIGINT
     AND coalesce(max(service), '') NOT IN ('dns', 'ntp', 'bittorrent', 'gnutella', 'edonkey', 'skype', 'stun', 'dtls', 'rtp')),
ends AS MATERIALIZED (
  SELECT flow_id, dst_ip FROM flows
  WHERE capture_id = $capture::BIGINT AND direction IN ('outbound', 'external', 'internal') AND src_bytes > 0 AND dst_ip IN (SELECT dst_ip FROM places)),
hosts AS (
  SELECT count(DISTINCT ip) AS hosts FROM host_facts WHERE capture_id = $capture::BIGINT AND is_internal),
before AS (
  SELECT DISTINCT f.dst_ip FROM flows f
  WHERE len($captures::BIGINT[]) > 1 AND f.capture_id IN (SELECT unnest($captures::BIGINT[])) AND f.capture_id <> $capture::BIGINT
    AND f.dst_ip IN (SELECT dst_ip FROM places)),
secure AS (
  SELECT f.dst_ip, count(*) AS n, count(*) FILTER (t.server_name IS NOT NULL) AS named, max(t.version) AS version,
         bool_or(t.issuer = t.subject) AS self_issued
  FROM tls t JOIN ends f ON f.flow_id = t.flow_id
  WHERE t.capture_id = $capture::BIGINT
  GROUP BY f.dst_ip),
hidden AS (
  SELECT f.dst_ip, count(*) AS n, count(*) FILTER (q.server_name IS NOT NULL) AS named
  FROM quic q JOIN ends f ON f.flow_id = q.flow_id
  WHERE q.capture_id = $capture::BIGINT
  GROUP BY f.dst_ip),
plain AS (
  SELECT f.dst_ip, count(*) AS n, count(*) FILTER (h.method = 'POST') AS posts, count(*) FILTER (regexp_full_match(h.host, '[0-9.]+(:\d+)?')) AS bare,
         count(*) FILTER (h.host IS NULL AND h.method IS NOT NULL) AS hostless, count(*) FILTER (h.user_agent IS NULL AND h.method IS NOT NULL) AS nameless
  FROM http h JOIN ends f ON f.flow_id = h.flow_id
  WHERE h.capture_id = $capture::BIGINT
  GROUP BY f.dst_ip),
looked_up AS (
  SELECT DISTINCT ip FROM (SELECT unnest(answer_ips) AS ip FROM dns WHERE capture_id IN (SELECT unnest($captures::BIGINT[])) AND len(answer_ips) > 0)),
lookups AS (SELECT count(*) AS n FROM looked_up),
-- Names that anybody gets in a minute for a changing address; a public list is in the documentation of each provider.
dynamic AS (
  SELECT ['duckdns.org', 'no-ip.org', 'no-ip.com', 'no-ip.biz', 'ddns.net', 'hopto.org', 'zapto.org', 'sytes.net',
          'myftp.org', 'myftp.biz', 'servebeer.com', 'servehttp.com', 'serveftp.com', 'redirectme.net', 'con-ip.com', 'dynu.net',
          'dynu.com', 'freeddns.org', 'mooo.com', 'chickenkiller.com', 'dyndns.org', 'dynalias.com', 'dynamicdns.org.uk', 'dynamic-dns.net',
          'changeip.com', '3utilities.com', 'bounceme.net', 'gotdns.ch', 'publicvm.com', 'linkpc.net', 'webredirect.org', 'kozow.com',
          'ngrok.io', 'portmap.io', 'portmap.host'] AS names),
odd AS MATERIALIZED (
  SELECT p.*, h.hosts, list_filter([
           CASE WHEN list_has_any(d.names, [regexp_extract(p.domain, '[^.]+\.[^.]+$'), regexp_extract(p.domain, '[^.]+\.[^.]+\.[^.]+$')]) THEN {'name': 'dynamic_dns_name', 'value': 1.0, 'threshold': 0.0, 'weight': 0.5} END,
           CASE WHEN p.known = 0 AND s.n IS NULL AND NOT p.joined_late THEN {'name': 'unknown_protocol', 'value': p.n::DOUBLE, 'threshold': 1.0, 'weight': 0.3} END,
           CASE WHEN p.known = 0 AND s.n IS NULL AND NOT p.joined_late AND p.protocol = 'tcp' AND p.dst_port IN (443, 80, 25, 21, 22, 993, 8080, 8443) AND (NOT p.inside OR p.dst_port IN (80, 443))
                THEN {'name': 'unlike_its_port', 'value': p.dst_port::DOUBLE, 'threshold': 0.0, 'weight': 0.4} END,
           CASE WHEN p.protocol = 'tcp' AND p.service = 'http' AND p.dst_port IN (443, 8443) THEN {'name': 'http_on_tls_port', 'value': p.dst_port::DOUBLE, 'threshold': 0.0, 'weight': 0.5} END,
           CASE WHEN p.protocol = 'tcp' AND p.dst_port NOT IN (80, 443, 8080, 8443, 22, 21, 25, 465, 587, 993, 995, 143, 110, 853, 1883, 8883, 5222, 5223, 5228, 3389, 1935, 554, 43, 843, 990)
                THEN {'name': 'port_of_its_own', 'value': p.dst_port::DOUBLE, 'threshold': 1024.0, 'weight': 0.3} END,
           -- People left it; bots take orders there since 1999.
           CASE WHEN p.service = 'irc' THEN {'name': 'chat_over_irc', 'value': 1.0, 'threshold': 0.0, 'weight': 0.35} END,
           CASE WHEN p.hostname IS NULL AND l.ip IS NULL AND k.n > 0 THEN {'name': 'no_dns_before', 'value': 1.0, 'threshold': 0.0, 'weight': 0.25}
                WHEN p.hostname IS NULL THEN {'name': 'no_name', 'value': 1.0, 'threshold': 0.0, 'weight': 0.15} END,
           CASE WHEN s.n > 0 AND s.named = 0 THEN {'name': 'tls_without_name', 'value': s.n::DOUBLE, 'threshold': 1.0, 'weight': 0.25} END,
           -- HTTP/3 cannot do without a name, so every browser sends one.
           CASE WHEN u.n > 0 AND u.named = 0 AND p.service = 'quic' THEN {'name': 'quic_without_name', 'value': u.n::DOUBLE, 'threshold': 1.0, 'weight': 0.45} END,
           CASE WHEN p.one_way THEN {'name': 'only_sends_bytes', 'value': p.bytes_out::DOUBLE, 'threshold': 1000.0, 'weight': 0.2} END,
           CASE WHEN s.self_issued THEN {'name': 'self_issued_certificate', 'value': 1.0, 'threshold': 0.0, 'weight': 0.3} END,
           CASE WHEN s.version IN ('TLSv1.0', 'TLSv1.1', 'SSLv3') AND p.dst_port <> 443 THEN {'name': 'old_tls_on_odd_port', 'value': 1.0, 'threshold': 0.0, 'weight': 0.2} END,
           CASE WHEN q.bare > 0 THEN {'name': 'http_to_bare_address', 'value': q.bare::DOUBLE, 'threshold': 1.0, 'weight': 0.3} END,
           CASE WHEN q.nameless > 0 THEN {'name': 'http_without_user_agent', 'value': q.nameless::DOUBLE, 'threshold': 1.0, 'weight': 0.2} END,
           CASE WHEN q.posts >= 3 AND q.posts >= 0.8 * q.n THEN {'name': 'only_posts', 'value': q.posts::DOUBLE, 'threshold': 3.0, 'weight': 0.2} END,
           CASE WHEN h.hosts >= $many_hosts::BIGINT THEN {'name': 'hosts', 'value': 1.0, 'threshold': 1.0, 'weight': 0.2} END,
           CASE WHEN len($captures::BIGINT[]) > 1 AND b.dst_ip IS NULL THEN {'name': 'new_destination', 'value': 1.0, 'threshold': 0.0, 'weight': 0.15} END
         ], lambda r: r IS NOT NULL) AS reasons
  FROM places p CROSS JOIN hosts h CROSS JOIN lookups k
  LEFT JOIN before b ON b.dst_ip = p.dst_ip LEFT JOIN secure s ON s.dst_ip = p.dst_ip LEFT JOIN hidden u ON u.dst_ip = p.dst_ip LEFT JOIN plain q ON q.dst_ip = p.dst_ip
  LEFT JOIN looked_up l ON l.ip = p.dst_ip CROSS JOIN dynamic d),
weighed AS (
  SELECT *, 1 - list_product(list_transform(reasons, lambda r: 1 - r.weight::DOUBLE)) AS oddness FROM odd WHERE len(reasons) > 0 AND oddness >= CASE WHEN NOT inside THEN 0.5 WHEN hosts >= $many_hosts::BIGINT THEN $strong::DOUBLE ELSE $inside::DOUBLE END),
ranked AS (
  SELECT *, row_number() OVER (PARTITION BY src_ip, inside ORDER BY oddness DESC, n DESC, dst_ip) AS place,
         count(*) OVER (PARTITION BY src_ip, inside) AS odd_places
  FROM weighed),
evidence AS (
  SELECT src_ip, dst_ip, list(flow_id ORDER BY flow_id)[:25] AS flow_ids
  FROM flows SEMI JOIN (FROM ranked WHERE place <= CASE WHEN inside THEN $inside_top::BIGINT ELSE $top::BIGINT END) USING (src_ip, dst_ip)
  WHERE capture_id = $capture::BIGINT
  GROUP BY src_ip, dst_ip)
SELECT r.first_ts, r.last_ts, r.src_ip, r.dst_ip, r.dst_port, r.protocol, n AS count,
       CASE WHEN NOT inside AND oddness >= $strong::DOUBLE AND len(reasons) >= $strong_signs::BIGINT AND odd_places <= $many_peers::BIGINT THEN 'medium' END AS severity,
       concat('Only ', r.src_ip, ' talks to ', coalesce(hostname || ' (' || r.dst_ip || ')', r.dst_ip), ' port ', r.dst_port, ': ',
              array_to_string(list_transform(reasons, lambda r: replace(r.name, '_', ' ')), ', ')) AS title,
       CASE WHEN odd_places > $many_peers::BIGINT
            THEN list_append(reasons, {'name': 'odd_destinations', 'value': odd_places::DOUBLE, 'threshold': $many_peers::DOUBLE, 'weight': -0.15}) ELSE reasons END AS reasons,
       flow_ids,
       to_json({'bytes_out': bytes_out, 'bytes_in': bytes_in, 'name': hostname, 'service': service, 'longest_s': round(longest, 1), 'local_hosts': hosts})::VARCHAR AS details
FROM ranked r JOIN evidence e ON e.src_ip = r.src_ip AND e.dst_ip = r.dst_ip
WHERE place <= CASE WHEN inside THEN $inside_top::BIGINT ELSE $top::BIGINT END
ORDER BY oddness DESC, r.src_ip, r.dst_ip;
