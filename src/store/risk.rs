//! How much does a host deserve a look?
//!
//! One definition for the view `hosts` and for the report. Risk comes from findings alone: the worst kind in which a host acts counts in full (the
//! finding's score, 0 to 100: severity and confidence together), every further kind closes a fifth of its share of the gap to 100; where a host is
//! only the target, half. Refuses to rate hosts without findings (no row): nothing found is not the same as safe.

/// A host's parts in findings by kind: the severest finding, and the score halved where it is only the target. Nobody's address and
/// those of many have no part. `findings` is the table of those that count.
#[must_use]
pub fn parts(findings: &str) -> String {
    format!(
        "
  SELECT c.sensor, p.ip, p.kind, p.acts, count(*) AS n, max(p.severity_rank) AS rank, max(p.score) * if(p.acts, 1.0, 0.5) AS weight
  FROM (
    SELECT capture_id, src_ip AS ip, kind, true AS acts, severity_rank, score FROM {findings} WHERE src_ip IS NOT NULL
    UNION ALL
    SELECT capture_id, dst_ip, kind, false, severity_rank, score FROM {findings} WHERE dst_ip IS NOT NULL AND dst_ip IS DISTINCT FROM src_ip) p
  JOIN captures c ON c.capture_id = p.capture_id
  WHERE p.ip NOT IN ('0.0.0.0', '::', '255.255.255.255') AND NOT regexp_matches(p.ip, '^(ff..:|2(2[4-9]|3[0-9])[.])')
  GROUP BY c.sensor, p.ip, p.kind, p.acts"
    )
}

/// 0 to 100, to one decimal: the largest weight, and each other closes a fifth of its share of the gap to 100. Multiplied in order of
/// size, so that equal rows give equal digits.
pub const RISK: &str = "round(100 - (100 - max(weight)) / (1 - max(weight) / 500)
                       * list_aggregate(list_sort(list(1 - weight / 500)), 'product'), 1)";
