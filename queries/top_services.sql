-- name: top_services
-- question: Which application protocols are spoken, by whom and how much?
-- why: The short list of what this network does. Services told by content are facts; those told by port are a hint.
-- params:
--   limit number 30 How many services to show.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   service Application protocol; NULL: nothing was recognised.
--   told_by content, port, or both.
--   protocol Transport protocols it ran over; other: IP protocols without a name here.
--   flows Flows.
--   clients Distinct originators.
--   servers Distinct responders.
--   ports Distinct ports of the responders.
--   bytes Bytes of both directions with IP headers.
SELECT service, coalesce(string_agg(DISTINCT service_source, ', ' ORDER BY service_source), '') AS told_by,
       array_to_string(list_sort(list(DISTINCT CASE WHEN try_cast(protocol AS INTEGER) IS NULL THEN protocol ELSE 'other' END)), ', ') AS protocol,
       count(*) AS flows,
       count(DISTINCT src_ip) AS clients, count(DISTINCT dst_ip) AS servers, count(DISTINCT dst_port) AS ports,
       sum(src_ip_bytes + dst_ip_bytes) AS bytes
FROM flows
WHERE ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
GROUP BY service
ORDER BY flows DESC, bytes DESC, service
LIMIT $limit::BIGINT;
