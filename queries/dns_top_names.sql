-- name: dns_top_names
-- question: Which names are asked for the most?
-- why: Names tell intent before any connection is made. Thousands of names below one domain, each asked once, are a tunnel or a
--   tracker; a name that every host asks for is infrastructure.
-- params:
--   limit number 20 How many names to show.
--   by text query query: whole names; domain: registered domains.
--   since time null Only questions at or after this time.
--   until time null Only questions before this time.
-- columns:
--   name Name asked for, or its registered domain.
--   queries Questions; an answer whose question was not seen counts as one.
--   clients Distinct hosts that asked.
--   names Distinct names asked for below it.
--   types Record types asked for.
--   failed Questions answered with an error.
--   unanswered Questions without an answer.
--   first_ts First question.
--   last_ts Last question.
SELECT CASE WHEN $by = 'domain' THEN domain ELSE query END AS name, count(*) AS queries,
       count(DISTINCT client_ip) AS clients, count(DISTINCT query) AS names,
       string_agg(DISTINCT qtype_name, ', ' ORDER BY qtype_name) AS types,
       count(*) FILTER (WHERE rcode > 0) AS failed, count(*) FILTER (WHERE rcode IS NULL) AS unanswered,
       min(ts) AS first_ts, max(ts) AS last_ts
FROM dns
WHERE service = 'dns' AND query IS NOT NULL AND ($by <> 'domain' OR domain IS NOT NULL)
  AND ($since IS NULL OR ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR ts < $until::TIMESTAMP_NS)
GROUP BY name
ORDER BY queries DESC, name
LIMIT $limit::BIGINT;
