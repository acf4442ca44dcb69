//! A sink that keeps rows in memory: what tests ask instead of a database. No transactions, no limits.

use super::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use crate::model::anomaly::Anomaly;
use crate::model::ids::CaptureNo;
use crate::model::rows::Rows;

/// Rows of one or more captures, in the order they came.
#[derive(Debug, Default)]
pub struct Memory {
    batches: Vec<Rows>,
    captures: u32,
    /// Findings, by id, as they stood last.
    pub anomalies: std::collections::BTreeMap<i64, Anomaly>,
    /// Was the last capture committed?
    pub committed: bool,
}

impl Memory {
    /// All rows of `table` as text, the named columns only; NULL is `None`.
    pub fn select(&self, table: &str, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let mut out = Vec::new();
        for rows in self.batches.iter().filter(|r| r.table.name == table) {
            let at: Vec<_> = columns
                .iter()
                .filter_map(|name| rows.table.all_columns().position(|c| c.name == *name))
                .collect();
            out.extend((0..rows.len()).map(|r| at.iter().map(|c| rows.get(r, *c)).collect()));
        }
        out
    }

    /// Every row of every table as one text each, sorted: two equal runs are equal here.
    pub fn dump(&self) -> Vec<String> {
        let mut out = Vec::new();
        for rows in &self.batches {
            for r in 0..rows.len() {
                let cells: Vec<_> = (0..rows.columns.len())
                    .map(|c| rows.get(r, c).unwrap_or_else(|| "NULL".into()))
                    .collect();
                out.push(format!("{}|{}", rows.table.name, cells.join("|")));
            }
        }
        out.sort_unstable();
        out
    }
}

impl Sink for Memory {
    type Error = std::convert::Infallible;

    fn begin(&mut self, _: &CaptureStart) -> Result<CaptureNo, Self::Error> {
        self.captures += 1;
        self.committed = false;
        Ok(CaptureNo(self.captures))
    }

    fn rows(&mut self, rows: Rows) -> Result<(), Self::Error> {
        self.batches.push(rows);
        Ok(())
    }

    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), Self::Error> {
        self.anomalies.extend(found.into_iter().map(|a| (a.id.0, a)));
        Ok(())
    }

    fn commit(&mut self, _: &CaptureSummary) -> Result<Stored, Self::Error> {
        self.committed = true;
        Ok(Stored::Committed)
    }

    fn abandon(&mut self) -> Result<(), Self::Error> {
        self.batches.clear();
        self.anomalies.clear();
        Ok(())
    }
}
