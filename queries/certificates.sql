-- name: certificates
-- question: Which certificates were shown, and which were out of date, self-issued or weak?
-- why: Expired when it was used, issued by itself, valid for ten years, a 1024-bit key: each is a reason to ask who runs the server.
--   Time of use is packet time, so old captures are judged by their own time.
-- params:
--   only_bad text no yes: only certificates with a problem.
--   limit number 50 How many certificates to show.
-- columns:
--   problems What is odd: expired, not yet valid, self-issued, weak key, weak signature, long-lived; empty when nothing is.
--   subject Whom it names.
--   issuer Who issued it.
--   not_before Begin of its validity.
--   not_after End of its validity.
--   key Kind and size of its key.
--   servers Distinct servers that showed it.
--   example_server One of them.
--   times How often it was shown.
--   last_ts Last time.
--   sha256 Fingerprint.
WITH shown AS (
  SELECT x.sha256, any_value(x.subject) AS subject, any_value(x.issuer) AS issuer, any_value(x.not_before) AS not_before,
         any_value(x.not_after) AS not_after, any_value(x.key_type) AS key_type, any_value(x.key_bits) AS key_bits,
         any_value(x.key_curve) AS key_curve, any_value(x.signature_algorithm) AS signature_algorithm,
         bool_or(x.position = 0 AND x.self_issued) AS self_issued, bool_or(x.position > 0 AND x.self_issued) AS is_root, bool_or(x.position = 0) AS is_own, bool_or(x.ts > x.not_after) AS expired,
         bool_or(x.ts < x.not_before) AS not_yet, count(DISTINCT f.dst_ip) AS servers, min(f.dst_ip) AS example_server,
         count(*) AS times, max(x.ts) AS last_ts
  FROM x509 x
  JOIN flows f ON f.capture_id = x.capture_id AND f.flow_id = x.flow_id
  GROUP BY x.sha256
), judged AS (
  SELECT *, concat_ws(', ',
           CASE WHEN expired THEN 'expired' END,
           CASE WHEN not_yet THEN 'not yet valid' END,
           -- Only the owner's own certificate counts: a root in a chain is self-issued and long-lived by nature.
           CASE WHEN self_issued THEN 'self-issued' END,
           CASE WHEN key_type IN ('rsa', 'dsa') AND key_bits < 2048 THEN 'weak key' END,
           -- Nobody relies on the signature that a root made for itself.
           CASE WHEN NOT is_root AND (signature_algorithm ILIKE 'md5%' OR signature_algorithm ILIKE '%sha1%') THEN 'weak signature' END,
           CASE WHEN is_own AND epoch_ns(not_after) - epoch_ns(not_before) > 825 * 86400000000000
                THEN 'long-lived' END) AS problems
  FROM shown
)
SELECT problems, subject, issuer, not_before, not_after,
       concat_ws(' ', key_type, key_bits::VARCHAR, key_curve) AS key, servers, example_server, times, last_ts, sha256
FROM judged
WHERE $only_bad <> 'yes' OR problems <> ''
ORDER BY problems = '', times DESC, sha256
LIMIT $limit::BIGINT;
