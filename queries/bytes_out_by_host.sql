-- name: bytes_out_by_host
-- question: How much does each of our hosts send to the outside, and to how many?
-- why: Exfiltration is payload that leaves. A host that sends far more than it receives, or far more than its peers, wants an explanation.
-- params:
--   limit number 20 How many hosts to show.
--   since time null Only flows that began at or after this time.
--   until time null Only flows that began before this time.
-- columns:
--   ip Local host.
--   bytes_out Payload it sent to outside addresses.
--   bytes_in Payload it received from them.
--   out_in_ratio bytes_out / bytes_in; NULL when nothing came in.
--   destinations Distinct outside addresses.
--   flows Flows between it and them.
--   top_destination Outside address that got the most payload from it.
--   top_name Name of that address; NULL when none was seen.
WITH crossing AS (
  SELECT CASE WHEN src_internal THEN src_ip ELSE dst_ip END AS ip,
         CASE WHEN src_internal THEN dst_ip ELSE src_ip END AS peer,
         CASE WHEN src_internal THEN src_bytes ELSE dst_bytes END AS bytes_out,
         CASE WHEN src_internal THEN dst_bytes ELSE src_bytes END AS bytes_in,
         CASE WHEN src_internal THEN hostname END AS name
  FROM flows
  WHERE direction IN ('outbound', 'inbound')
    AND ($since IS NULL OR first_ts >= $since::TIMESTAMP_NS) AND ($until IS NULL OR first_ts < $until::TIMESTAMP_NS)
), pairs AS (
  SELECT ip, peer, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in, count(*) AS flows, min(name) AS name
  FROM crossing
  GROUP BY ip, peer
), ranked AS (
  SELECT *, row_number() OVER (PARTITION BY ip ORDER BY bytes_out DESC, peer) AS place
  FROM pairs
)
SELECT ip, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in,
       round(sum(bytes_out) / nullif(sum(bytes_in), 0), 2) AS out_in_ratio,
       count(*) AS destinations, sum(flows) AS flows,
       max(peer) FILTER (WHERE place = 1) AS top_destination, max(name) FILTER (WHERE place = 1) AS top_name
FROM ranked
GROUP BY ip
ORDER BY bytes_out DESC, ip
LIMIT $limit::BIGINT;
