//! How are tables compared?
//!
//! As CSV, with columns by name, without those that tell when or where the test ran.

use super::Lab;
use std::collections::BTreeMap;

/// Columns that differ from run to run: the wall clock and the machine.
pub(crate) const VOLATILE: &[&str] = &["started_at", "finished_at", "loaded_at", "program_version"];

/// A table as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Csv {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Csv {
    pub(crate) fn parse(text: &str) -> Self {
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(text.as_bytes());
        let header = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        Self { header, rows }
    }

    /// Without these columns.
    pub(crate) fn without(&self, names: &[&str]) -> Self {
        let keep: Vec<usize> =
            (0..self.header.len()).filter(|i| !names.contains(&self.header[*i].as_str())).collect();
        let pick = |row: &Vec<String>| keep.iter().map(|i| row[*i].clone()).collect::<Vec<_>>();
        Self { header: pick(&self.header), rows: self.rows.iter().map(pick).collect() }
    }

    pub(crate) fn text(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|r| writer.write_record(r).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }
}

/// What the lab's database holds of its captures: every table with a `capture_id`, rows in a fixed order.
/// Tables without rows are left out.
pub(crate) fn dump(lab: &Lab, without: &[&str]) -> BTreeMap<String, Csv> {
    let tables = lab.csv(
        "SELECT DISTINCT table_name FROM information_schema.columns \
         WHERE column_name = 'capture_id' AND table_schema = 'main' ORDER BY table_name",
    );
    let mut found = BTreeMap::new();
    for name in Csv::parse(&tables).rows.into_iter().flatten() {
        let columns = lab.csv(&format!(
            "SELECT column_name FROM information_schema.columns WHERE table_name = '{name}' ORDER BY ordinal_position"
        ));
        let columns: Vec<String> = Csv::parse(&columns)
            .rows
            .into_iter()
            .flatten()
            .filter(|c| !without.contains(&c.as_str()) && !VOLATILE.contains(&c.as_str()))
            .collect();
        let table = Csv::parse(&lab.csv(&format!("SELECT {} FROM {name} ORDER BY ALL", columns.join(", "))));
        if !table.rows.is_empty() {
            found.insert(name, table);
        }
    }
    assert!(found.contains_key("captures"), "no captures in the database");
    found
}

/// Lines that only one of two texts has, marked - and +; at most twenty.
pub(crate) fn difference(expected: &str, found: &str) -> String {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    expected.lines().for_each(|l| *counts.entry(l).or_default() += 1);
    found.lines().for_each(|l| *counts.entry(l).or_default() -= 1);
    let mut out: Vec<String> = counts
        .iter()
        .filter(|(_, n)| **n != 0)
        .map(|(line, n)| format!("{} {line}", if *n > 0 { '-' } else { '+' }))
        .collect();
    if out.is_empty() {
        return "the same lines in another order".to_owned();
    }
    let all = out.len();
    out.truncate(20);
    if all > out.len() {
        out.push(format!("... and {} more", all - out.len()));
    }
    out.join("\n")
}
