-- name: mqtt_topics
-- question: Which topics does a broker carry, and who writes and reads them?
-- why: A client that subscribes to everything (#) reads the whole plant; one that publishes where it never did commands it.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   dst_ip Broker.
--   topic Topic or filter.
--   action publish, subscribe or unsubscribe.
--   is_wildcard Does the filter match more than one topic?
--   clients Distinct clients.
--   example_client One of them.
--   messages Messages.
--   bytes Bytes published.
--   refused Requests that the broker refused.
--   first_ts First one.
--   last_ts Last one.
SELECT f.dst_ip, m.topic, m.action, contains(m.topic, '#') OR contains(m.topic, '+') AS is_wildcard, count(DISTINCT f.src_ip) AS clients,
       min(f.src_ip) AS example_client, count(*) AS messages, sum(m.payload_len) AS bytes,
       count(*) FILTER (WHERE NOT m.success) AS refused, min(m.ts) AS first_ts, max(m.ts) AS last_ts
FROM mqtt m
JOIN flows f ON f.capture_id = m.capture_id AND f.flow_id = m.flow_id
WHERE m.topic IS NOT NULL
GROUP BY f.dst_ip, m.topic, m.action
ORDER BY is_wildcard DESC, messages DESC, f.dst_ip, m.topic, m.action
LIMIT $limit::BIGINT;
