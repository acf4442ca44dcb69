-- name: lookup_obeyed
-- question: Did a host that was sent a JNDI lookup do as it was told?
-- why: A request with ${jndi:...} is an attempt, made by the thousand. When the host that got it then asks or connects to the very place that
--   stands in the expression, it is vulnerable and obeyed. When the expression also holds ${env:...} or its like, a secret left with the question.
-- kind: exploit_attempt, exfiltration
-- technique: T1190
-- severity: critical
-- horizon: capture
-- from: http
-- only: http: bool_or(contains(lower(concat_ws(' ', uri, user_agent, referrer, origin, x_forwarded_for, username, request_content_type)), 'jndi'))
-- params:
--   window number 60 Seconds after the request in which the host has to turn to that place; logging happens at once, slow lookups time out within this.
-- innocent:
--   A scanner of your own that waits for the answer, which is the same thing with leave.
-- next:
--   Isolate the host: what did it fetch from the place (flows, files), which programs ran after that?
--   Change the secrets of its environment, when one was asked for.
-- references:
--   CVE-2021-44228; Apache Log4j 2, Lookups; MITRE ATT&CK T1190, T1048.003.
-- columns:
--   first_ts The request.
--   last_ts Last time that the host turned to the place.
--   kind exfiltration when the expression takes a secret along, else exploit_attempt.
--   src_ip Who sent the request; for exfiltration the host that the secret left.
--   dst_ip The host that obeyed; for exfiltration where it went.
--   about The place.
--   count Requests.
--   title A sentence.
--   reasons The request, what followed and how soon.
--   flow_ids Request and answer.
--   details The place, the way and the names asked for; not those that are a secret (dns has them).
WITH texts AS (
  SELECT capture_id, flow_id, ts, concat_ws(' ', uri, user_agent, referrer, origin, x_forwarded_for, username, request_content_type) AS text
  FROM http
  WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS
    AND contains(lower(concat_ws(' ', uri, user_agent, referrer, origin, x_forwarded_for, username, request_content_type)), 'jndi')),
plain AS (
  SELECT *, replace(replace(replace(replace(lower(text), '%24', '$'), '%7b', '{'), '%7d', '}'), '%3a', ':') AS lookup FROM texts),
taken AS (
  SELECT *, regexp_matches(lookup, '\$\{(env|sys|java|docker|k8s|main|ctx|bundle|spring):') AS secret,
         regexp_extract(lookup, '\$\{jndi:([a-z]+):', 1) AS way,
         regexp_extract(regexp_replace(lookup, '\$\{(env|sys|java|docker|k8s|main|ctx|bundle|spring):[^}]*\}\.?', '', 'g'),
                        '\$\{jndi:[a-z]+:/*([^/:}\s?]+)', 1) AS place
  FROM plain),
sent AS (
  SELECT t.*, f.src_ip AS sender, f.dst_ip AS target
  FROM taken t JOIN flows f ON f.capture_id = t.capture_id AND f.flow_id = t.flow_id
  WHERE len(place) > 3),
asked AS (
  SELECT s.*, d.ts AS then_ts, d.flow_id AS then_flow, d.server_ip AS there, d.query AS name
  FROM sent s JOIN dns d ON d.client_ip = s.target AND epoch_ns(d.ts) - epoch_ns(s.ts) BETWEEN 0 AND $window::DOUBLE * 1e9
   AND (d.server_ip = s.place OR lower(d.query) = s.place OR ends_with(lower(d.query), '.' || s.place))
  WHERE d.capture_id = $capture::BIGINT AND NOT contains(d.query, '${')
  UNION ALL
  SELECT s.*, f.first_ts, f.flow_id, f.dst_ip, NULL
  FROM sent s JOIN flows f ON f.src_ip = s.target AND epoch_ns(f.first_ts) - epoch_ns(s.ts) BETWEEN 0 AND $window::DOUBLE * 1e9
   AND (f.dst_ip = s.place OR f.hostname = s.place OR ends_with(f.hostname, '.' || s.place))
  WHERE f.capture_id = $capture::BIGINT AND f.service IS DISTINCT FROM 'dns'),
obeyed AS (
  SELECT sender, target, place, min(ts) AS first_ts, max(then_ts) AS last_ts, count(DISTINCT flow_id) AS n, bool_or(secret) AS secret, min(there) AS there,
         min(epoch_ns(then_ts) - epoch_ns(ts)) / 1e9 AS soon, min(way) AS way, list_sort(list_distinct(list(name) FILTER (name IS NOT NULL)))[:10] AS names,
         list_sort(list_distinct(list_concat(list(flow_id), list(then_flow))))[:25] AS flow_ids
  FROM asked GROUP BY sender, target, place)
SELECT first_ts, last_ts, CASE WHEN secret THEN 'exfiltration' ELSE 'exploit_attempt' END AS kind,
       CASE WHEN secret THEN target ELSE sender END AS src_ip, CASE WHEN secret THEN there ELSE target END AS dst_ip, place AS about, n AS count,
       CASE WHEN secret THEN concat(target, ' gave ', there, ' a secret of its own, as the request of ', sender, ' told it (${jndi:', way, ':...})')
            ELSE concat(target, ' turned to ', place, ', as the request of ', sender, ' told it (${jndi:', way, ':...})') END AS title,
       list_filter([{'name': 'lookups_sent', 'value': n::DOUBLE, 'threshold': 1.0, 'weight': 0.6},
        {'name': 'turned_there_after_s', 'value': round(soon, 3), 'threshold': $window::DOUBLE, 'weight': 0.7},
        CASE WHEN secret THEN {'name': 'expression_takes_a_secret', 'value': 1.0, 'threshold': 0.0, 'weight': 0.5} END], lambda r: r IS NOT NULL) AS reasons,
       flow_ids, to_json({'place': place, 'way': way, 'names': CASE WHEN NOT secret THEN names END})::VARCHAR AS details
FROM obeyed
ORDER BY first_ts, sender, target, place;
