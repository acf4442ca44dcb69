-- name: long_connection
-- question: Which connections to the outside stay open for hours?
-- why: A remote shell, a tunnel or a command channel that keeps one connection open makes no pattern of calls. Its length is the pattern.
-- kind: long_connection
-- horizon: capture
-- from: flows
-- only: flows: max(duration_s) FILTER (direction = 'outbound') >= $low_s::DOUBLE
-- params:
--   low_s number 3600 Seconds from which on it is reported, low; RITA 5 begins at an hour.
--   medium_s number 14400 Seconds from which on it is medium; as in RITA 5.
--   high_s number 28800 Seconds from which on it is high: longer than most working days; RITA 5 has 8 hours.
--   active_s number 3600 Longest mean pause between packets in seconds: a forgotten connection that says nothing is none.
-- innocent:
--   A VPN to the office, push messages of a phone, a chat, a video call, a backup, remote maintenance.
-- next:
--   Who is at the other end: name, certificate, owner of the address?
--   Compare bytes in and out: a shell is small in both directions, a tunnel is not.
-- references:
--   MITRE ATT&CK T1071, T1572; RITA 5 (Active Countermeasures), long connections.
-- columns:
--   first_ts Begin of the longest one.
--   last_ts Its end.
--   src_ip Who opened it.
--   dst_ip To whom.
--   dst_port At which port.
--   protocol Over what.
--   count Connections of that length between the two.
--   severity By the length; low for services that are made to push messages.
--   title A sentence.
--   reasons The length.
--   flow_ids The connections.
--   details Bytes and name.
WITH long AS (
  SELECT src_ip, dst_ip, dst_port, protocol, flow_id, duration_s, first_ts, last_ts, hostname, service, src_bytes, dst_bytes,
         -- Telephones and chats keep one connection for their messages; the name is the server's own, under TLS, or the port is theirs alone.
         domain IN ('google.com', 'googleapis.com', 'apple.com', 'icloud.com', 'microsoft.com', 'windows.com', 'live.com', 'office.com', 'office365.com',
                    'outlook.com', 'slack.com', 'slack-msgs.com', 'whatsapp.net', 'whatsapp.com', 'facebook.com', 'skype.com', 'zoom.us', 'discord.gg',
                    'dropbox.com', 'spotify.com', 'mozilla.com', 'amazon.com', 'xboxlive.com', 'playstation.net', 'steampowered.com')
           AND coalesce(service, 'tls') IN ('tls', 'quic', 'websocket', 'xmpp')
           OR dst_port IN (5223, 5228) AND coalesce(service, 'tls') IN ('tls', 'xmpp') OR service IN ('bgp', 'discord', 'steam') AS pushed
  FROM flows
  WHERE capture_id = $capture::BIGINT AND duration_s >= $low_s::DOUBLE AND direction = 'outbound' AND src_packets > 1 AND dst_packets > 1
    AND last_ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND duration_s / (src_packets + dst_packets) <= $active_s::DOUBLE
    AND protocol IN ('tcp', 'udp', 'sctp') AND coalesce(service, '') NOT IN ('ntp', 'dns', 'mdns', 'ssdp')),
sums AS (
  SELECT src_ip, dst_ip, dst_port, protocol, max(duration_s) AS longest, count(*) AS n, arg_max(first_ts, (duration_s, flow_id)) AS first_ts,
         arg_max(last_ts, (duration_s, flow_id)) AS last_ts, max(hostname) AS hostname, max(service) AS service, sum(src_bytes) AS bytes_out,
         sum(dst_bytes) AS bytes_in, bool_and(pushed) AS pushed, list(flow_id ORDER BY duration_s DESC, flow_id)[:25] AS flow_ids
  FROM long GROUP BY ALL)
SELECT first_ts, last_ts, src_ip, dst_ip, dst_port, protocol, n AS count,
       CASE WHEN pushed THEN 'low' WHEN longest >= $high_s::DOUBLE THEN 'high' WHEN longest >= $medium_s::DOUBLE THEN 'medium' ELSE 'low' END AS severity,
       concat('A connection of ', src_ip, ' to ', coalesce(hostname || ' (' || dst_ip || ')', dst_ip), ' port ', dst_port, ' stayed open for ',
              round(longest / 3600, 1), ' hours') AS title,
       list_filter([{'name': 'duration_s', 'value': round(longest, 1), 'threshold': $low_s::DOUBLE,
         'weight': least(0.95, 0.5 + 0.3 * (longest - $low_s::DOUBLE) / ($high_s::DOUBLE - $low_s::DOUBLE))},
         CASE WHEN pushed THEN {'name': 'made_to_push', 'value': 1.0, 'threshold': 0.0, 'weight': 0.0} END], lambda r: r IS NOT NULL) AS reasons,
       flow_ids,
       to_json({'duration_s': longest, 'bytes_out': bytes_out, 'bytes_in': bytes_in, 'name': hostname, 'service': service})::VARCHAR AS details
FROM sums
ORDER BY longest DESC, src_ip, dst_ip;
