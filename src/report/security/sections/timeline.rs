//! What happened when, and which findings stand there?
//!
//! The span of the flows in at most [`BUCKETS`] equal intervals of a round length. A flow counts, with all its bytes, in the interval in which
//! it began.

use super::super::Context;
use super::super::model::{Bucket, Mark, Timeline};
use crate::model::time::NANOS_PER_SEC;
use crate::store::StoreError;

/// Intervals at most.
const BUCKETS: i64 = 96;
/// Findings marked at most.
const MARKS: u64 = 60;

/// Lengths of an interval, milliseconds.
const STEPS: &[i64] = &[
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    2_592_000_000,
    7_776_000_000,
    31_536_000_000,
];

/// A round length that needs at most [`BUCKETS`] intervals for `span` nanoseconds.
fn step(span: i64) -> i64 {
    let fits = STEPS.iter().map(|ms| ms * (NANOS_PER_SEC / 1_000)).find(|s| span / s < BUCKETS - 1);
    fits.unwrap_or_else(|| span / (BUCKETS - 1) + 1)
}

/// The time line; `None` without flows. Asked once for all sections.
pub(super) fn timeline(cx: &Context<'_>) -> Result<Option<Timeline>, StoreError> {
    if let Some(known) = cx.timeline.get() {
        return Ok(known.clone());
    }
    let asked = ask(cx)?;
    Ok(cx.timeline.get_or_init(|| asked).clone())
}

fn ask(cx: &Context<'_>) -> Result<Option<Timeline>, StoreError> {
    let bounds = cx.ask.row(
        "SELECT epoch_ns(min(first_ts)) AS first, epoch_ns(max(first_ts)) AS last, count(*) AS n FROM {flows}",
    )?;
    if bounds.count("n") == 0 {
        return Ok(None);
    }
    let (first, last) = (bounds.whole("first"), bounds.whole("last"));
    let step = step(last.saturating_sub(first));
    let start = first.div_euclid(step).saturating_mul(step);
    let n = usize::try_from(last.saturating_sub(start) / step + 1).unwrap_or(1);
    let mut buckets = vec![Bucket::default(); n];
    for row in cx.ask.rows(&format!(
        "SELECT (epoch_ns(first_ts) - ({start})) // {step} AS i, count(*) AS flows, sum(src_ip_bytes + dst_ip_bytes) AS bytes
         FROM {{flows}} GROUP BY i"
    ))? {
        if let Some(b) = usize::try_from(row.whole("i")).ok().and_then(|i| buckets.get_mut(i)) {
            b.flows = row.count("flows");
            b.bytes = row.count("bytes");
        }
    }
    // A finding may begin before the first flow that is there (packets without a flow) or end the line: it goes to the nearest interval.
    for row in cx.ask.rows(&format!(
        "SELECT greatest(0, least({}, (epoch_ns(first_ts) - ({start})) // {step})) AS i, severity_rank AS rank, count(*) AS n
         FROM {{findings}} GROUP BY ALL",
        n - 1
    ))? {
        let slot = usize::try_from(row.whole("i")).ok().and_then(|i| buckets.get_mut(i));
        let rank = usize::try_from(row.count("rank")).unwrap_or(1);
        if let Some(s) = slot.and_then(|b| b.findings.get_mut(rank.saturating_sub(1))) {
            *s += row.count("n");
        }
    }
    let marks = cx.ask.rows(&format!(
        "SELECT anomaly_id, epoch_ns(first_ts) AS at, severity, title FROM {{findings}} AS a
         ORDER BY severity_rank DESC, score DESC, a.first_ts, anomaly_id LIMIT {MARKS}"
    ))?;
    Ok(Some(Timeline {
        name: "timeline",
        title: "Traffic over time by begin of flows, with the findings",
        start,
        step,
        buckets,
        marks: marks
            .iter()
            .map(|m| Mark {
                id: m.whole("anomaly_id"),
                at: m.whole("at"),
                severity: m.severity("severity"),
                title: m.text("title"),
            })
            .collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_round_and_few() {
        assert_eq!(step(0), 1_000_000);
        assert_eq!(step(90 * NANOS_PER_SEC), NANOS_PER_SEC);
        assert_eq!(step(3_600 * NANOS_PER_SEC), 60 * NANOS_PER_SEC);
        for span in [1, 7_777_777, i64::MAX / 2, i64::MAX] {
            assert!(span / step(span) < BUCKETS, "{span}");
        }
    }
}
