//! How is a flow that goes on shown, and counted once?
//!
//! A stream writes flows that have not ended with `end_reason` `open`, and writes them again as they go on. Each row replaces the one before it under
//! its flow, in the transaction of the batch it comes with, so that nobody ever sees two. Only these flows are remembered: eight bytes each and the
//! set around them, bounded by what the engine tracks. Refuses to look at captures that are files: their flows are written once.

use super::StoreError;
use super::arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use super::arrow::compute::filter_record_batch;
use super::arrow::datatypes::Int64Type;
use super::connect::write_error;
use crate::model::flow::EndReason;
use crate::model::ids::CaptureId;
use duckdb::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// Rows deleted by one statement: their ids stand in it as a list.
const AT_ONCE: usize = 2_048;

/// The flows whose row says that they go on.
#[derive(Debug, Default)]
pub(super) struct GoingOn(BTreeSet<i64>);

impl GoingOn {
    /// Rows of flows without those that later ones of the same batch replace, and the flows whose stored row must go.
    pub(super) fn supersede(&mut self, batch: RecordBatch) -> Result<(RecordBatch, Vec<i64>), StoreError> {
        let ids = batch.column_by_name("flow_id").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let reasons = batch.column_by_name("end_reason").and_then(|c| c.as_string_opt::<i32>());
        let (Some(ids), Some(reasons)) = (ids, reasons) else {
            return Err(StoreError::Misuse("flows without flow_id or end_reason"));
        };
        let open = |i: usize| reasons.is_valid(i) && reasons.value(i) == EndReason::Open.name();
        if self.0.is_empty() && !(0..batch.num_rows()).any(open) {
            return Ok((batch, Vec::new()));
        }
        let mut kept = vec![true; batch.num_rows()];
        let mut stale = Vec::new();
        let mut here: BTreeMap<i64, usize> = BTreeMap::new();
        for (i, id) in ids.values().iter().enumerate() {
            if let Some(before) = here.remove(id).and_then(|b| kept.get_mut(b)) {
                *before = false;
            } else if self.0.remove(id) {
                stale.push(*id);
            }
            if open(i) {
                here.insert(*id, i);
            }
        }
        self.0.extend(here.into_keys());
        if kept.iter().all(|k| *k) {
            return Ok((batch, stale));
        }
        let fresh = filter_record_batch(&batch, &BooleanArray::from(kept))
            .map_err(|e| StoreError::Write(format!("rows of flows do not fit together: {e}")))?;
        Ok((fresh, stale))
    }
}

/// Delete the rows of these flows.
pub(super) fn delete(db: &Connection, capture: CaptureId, flows: &[i64]) -> Result<(), StoreError> {
    for some in flows.chunks(AT_ONCE) {
        let list: Vec<String> = some.iter().map(i64::to_string).collect();
        let sql = format!(
            "DELETE FROM flows WHERE capture_id = {} AND flow_id IN ({})",
            capture.0,
            list.join(", ")
        );
        db.execute_batch(&sql).map_err(write_error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::arrow::array::{Int64Array, StringArray};
    use super::*;
    use std::sync::Arc;

    fn batch(rows: &[(i64, &str)]) -> RecordBatch {
        let ids = Int64Array::from_iter_values(rows.iter().map(|r| r.0));
        let reasons = StringArray::from_iter_values(rows.iter().map(|r| r.1));
        RecordBatch::try_from_iter([("flow_id", Arc::new(ids) as _), ("end_reason", Arc::new(reasons) as _)])
            .unwrap()
    }

    fn rows(batch: &RecordBatch) -> Vec<(i64, String)> {
        let ids = batch.column(0).as_primitive::<Int64Type>();
        let reasons = batch.column(1).as_string::<i32>();
        ids.values().iter().copied().zip(reasons.iter().map(|r| r.unwrap().to_owned())).collect()
    }

    #[test]
    fn each_row_replaces_the_one_before_it_and_the_last_one_stays() {
        let mut going = GoingOn::default();
        let (fresh, stale) =
            going.supersede(batch(&[(1, "open"), (2, "closed"), (3, "open"), (1, "open")])).unwrap();
        assert_eq!((rows(&fresh).len(), stale), (3, vec![]));
        assert_eq!(going.0, BTreeSet::from([1, 3]));
        let (fresh, stale) = going.supersede(batch(&[(3, "open"), (4, "idle"), (3, "closed")])).unwrap();
        assert_eq!(rows(&fresh), [(4, "idle".to_owned()), (3, "closed".to_owned())]);
        assert_eq!((stale, going.0.clone()), (vec![3], BTreeSet::from([1])));
        let (_, stale) = going.supersede(batch(&[(1, "open")])).unwrap();
        assert_eq!((stale, going.0.clone()), (vec![1], BTreeSet::from([1])));
        let (_, stale) = going.supersede(batch(&[(1, "capture_end")])).unwrap();
        assert_eq!((stale, going.0.is_empty()), (vec![1], true));
    }
}
