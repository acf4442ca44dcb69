-- name: http_downloads
-- question: Which files came in over plain HTTP, and are they what they claim to be?
-- why: Programs and archives that arrive unencrypted, and bodies whose first bytes contradict the declared type, are how droppers look on
--   the wire. Pages that only say that something failed or moved are left out.
-- params:
--   min_bytes number 1 Only bodies of at least so many bytes.
--   limit number 50 How many to show.
-- columns:
--   ts Request.
--   client Who fetched it.
--   server Where from.
--   host Host as the client named it.
--   uri What was asked for.
--   status_code Status of the answer.
--   declared Content-Type that the server declares.
--   looks_like What the first bytes look like; NULL when they show nothing known.
--   bytes Body bytes as seen.
--   file_name File name that the server gives; NULL without one.
--   flow_id The flow.
SELECT h.ts, f.src_ip AS client, f.dst_ip AS server, h.host, h.uri, h.status_code,
       h.response_content_type AS declared, h.response_mime AS looks_like, h.response_body_len AS bytes,
       h.response_file_name AS file_name, h.flow_id
FROM http h
JOIN flows f ON f.capture_id = h.capture_id AND f.flow_id = h.flow_id
WHERE h.response_body_len >= $min_bytes::UBIGINT
  AND (h.status_code IS NULL OR h.status_code < 300 OR h.response_mime NOT LIKE 'text/%')
ORDER BY h.response_body_len DESC, h.ts, h.flow_id
LIMIT $limit::BIGINT;
