-- name: dns_zone_transfer
-- question: Who asked for a whole zone?
-- why: A zone transfer is a list of all names of a network in one answer: what a second name server needs, and what an intruder asks for first.
-- kind: dns_zone_transfer
-- horizon: capture
-- from: dns
-- only: dns: bool_or(qtype IN (251, 252))
-- innocent:
--   The secondary name servers of the zone; an administrator who looks.
-- next:
--   Is the client one of the zone's name servers? Restrict transfers to those.
-- references:
--   RFC 5936 (AXFR), RFC 1995 (IXFR); MITRE ATT&CK T1590.002.
-- columns:
--   first_ts First question.
--   last_ts Last one.
--   src_ip Who asked.
--   dst_ip Name server.
--   about The zone.
--   count Questions.
--   severity medium when it was given, low when it was refused.
--   title A sentence.
--   reasons Question and answer.
--   flow_ids Flows.
--   details Answer.
SELECT min(ts) AS first_ts, max(ts) AS last_ts, client_ip AS src_ip, server_ip AS dst_ip, 53 AS dst_port, query AS about, count(*) AS count,
       CASE WHEN bool_or(rcode = 0 AND answer_count > 0) THEN 'medium' ELSE 'low' END AS severity,
       concat(client_ip, ' asked ', server_ip, ' for the whole zone ', query,
              CASE WHEN bool_or(rcode = 0 AND answer_count > 0) THEN ' and got it' ELSE '' END) AS title,
       [{'name': 'transfer_questions', 'value': count(*)::DOUBLE, 'threshold': 1.0, 'weight': 0.6},
        {'name': 'records_given', 'value': coalesce(max(answer_count), 0)::DOUBLE, 'threshold': 1.0,
         'weight': CASE WHEN coalesce(max(answer_count), 0) > 0 THEN 0.4 ELSE 0.0 END}] AS reasons,
       list(DISTINCT flow_id ORDER BY flow_id)[:25] AS flow_ids,
       to_json({'type': min(qtype_name), 'answer': min(rcode_name), 'records': max(answer_count)})::VARCHAR AS details
FROM dns
WHERE capture_id = $capture::BIGINT AND ts BETWEEN $since::TIMESTAMP_NS AND $until::TIMESTAMP_NS AND qtype IN (251, 252) AND service = 'dns'
GROUP BY client_ip, server_ip, query
ORDER BY 1, 3, 4, 6;
