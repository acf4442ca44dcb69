//! How are tables compared?
//!
//! As CSV, with columns by name, without those that tell when or where the test ran.

use super::Lab;
use std::collections::BTreeMap;

/// Columns that differ from run to run: the wall clock and the machine.
pub(crate) const VOLATILE: &[&str] = &["started_at", "finished_at", "loaded_at", "program_version"];

/// Tables left out: which detectors ran with which numbers is asked elsewhere, and how long they took differs.
const LEFT_OUT: &[&str] = &["detector_runs"];

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

/// What the lab's database holds of its captures: every table and view with a `capture_id`, each cell as text, rows in a
/// fixed order. What has no rows is left out. Read by DuckDB itself, so that the program's own reading is not trusted here.
pub(crate) fn dump(lab: &Lab, without: &[&str]) -> BTreeMap<String, Csv> {
    let config = duckdb::Config::default().access_mode(duckdb::AccessMode::ReadOnly).unwrap();
    let db = duckdb::Connection::open_with_flags(lab.database(), config).unwrap();
    let columns = cells(
        &db,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'main' \
         AND table_name IN (SELECT table_name FROM information_schema.columns WHERE column_name = 'capture_id') \
         ORDER BY table_name, ordinal_position",
    );
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in columns {
        let [table, column] = row.try_into().unwrap();
        if LEFT_OUT.contains(&table.as_str()) {
            continue;
        }
        if !without.contains(&column.as_str()) && !VOLATILE.contains(&column.as_str()) {
            tables.entry(table).or_default().push(column);
        }
    }
    let mut found = BTreeMap::new();
    for (name, header) in tables {
        let as_text: Vec<String> =
            header.iter().map(|c| format!("coalesce({c}::VARCHAR, '') AS {c}")).collect();
        let rows =
            cells(&db, &format!("SELECT {} FROM {name} ORDER BY {}", as_text.join(", "), header.join(", ")));
        if !rows.is_empty() {
            found.insert(name, Csv { header, rows });
        }
    }
    assert!(found.contains_key("captures"), "no captures in the database");
    found
}

/// The answer to a question whose columns are all text.
fn cells(db: &duckdb::Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = db.prepare(sql).unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let mut rows = statement.query([]).unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let mut out = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let width = row.as_ref().column_count();
        out.push((0..width).map(|i| row.get::<_, String>(i).unwrap()).collect());
    }
    out
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
