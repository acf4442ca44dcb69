-- name: expired_certificates
-- question: Which servers showed a certificate outside its time?
-- why: Nobody looks after that server, or its clock or the client's is wrong; malware's servers often do so. Measured by the time of the packet.
-- params:
--   limit number 50 How many rows to show.
-- columns:
--   dst_ip Server.
--   dst_port Its port.
--   server_name Name that a client asked it for.
--   problem expired or not yet valid.
--   days Days past its end, or before its beginning.
--   subject Whom it names.
--   issuer Who issued it.
--   not_before Begin of its validity.
--   not_after End of its validity.
--   clients Distinct clients.
--   times How often it was shown.
--   last_ts Last time.
--   sha256 Its fingerprint.
WITH shown AS (
  SELECT x.*, f.src_ip, f.dst_ip, f.dst_port, f.hostname,
         CASE WHEN x.ts > x.not_after THEN 'expired' WHEN x.ts < x.not_before THEN 'not yet valid' END AS problem,
         CASE WHEN x.ts > x.not_after THEN epoch_ns(x.ts) - epoch_ns(x.not_after)
              ELSE epoch_ns(x.not_before) - epoch_ns(x.ts) END // 86400000000000 AS days
  FROM x509 x
  JOIN flows f ON f.capture_id = x.capture_id AND f.flow_id = x.flow_id
  WHERE x.position = 0 AND NOT x.from_client
)
SELECT dst_ip, dst_port, min(hostname) AS server_name, problem, max(days) AS days, any_value(subject) AS subject,
       any_value(issuer) AS issuer, any_value(not_before) AS not_before, any_value(not_after) AS not_after,
       count(DISTINCT src_ip) AS clients, count(*) AS times, max(ts) AS last_ts, sha256
FROM shown
WHERE problem IS NOT NULL
GROUP BY dst_ip, dst_port, problem, sha256
ORDER BY times DESC, dst_ip, dst_port, sha256
LIMIT $limit::BIGINT;
