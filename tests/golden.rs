//! Captures in, tables out: is every cell of every table what it was?
//!
//! `tests/golden/SAMPLE/TABLE.csv` holds what each sample gave. `BLESS=1 make test TESTS=golden` writes them anew; a person
//! reviews the difference. Add a sample by adding its folder. Of a sample that shows a finding (`| finding |` in its ORIGIN.md) only the
//! table of findings is kept: its flows are many and alike.

use crate::support::rows::{Csv, difference, dump};
use crate::support::{Lab, Sample, all_samples, root};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Write instead of compare?
pub(crate) fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|v| v == "1")
}

/// Compare `found` with the files in `folder`, or write them. What differs comes back.
pub(crate) fn compare(folder: &Path, found: &BTreeMap<String, Csv>) -> Vec<String> {
    if blessing() {
        let _ = std::fs::remove_dir_all(folder);
        // An innocent twin has nothing to keep.
        if !found.is_empty() {
            std::fs::create_dir_all(folder).unwrap();
        }
        for (name, table) in found {
            std::fs::write(folder.join(format!("{name}.csv")), table.text()).unwrap();
        }
        return Vec::new();
    }
    let mut names: BTreeSet<String> = found.keys().cloned().collect();
    for file in std::fs::read_dir(folder).into_iter().flatten().map(|e| e.unwrap().path()) {
        names.insert(file.file_stem().unwrap().to_string_lossy().into_owned());
    }
    let mut problems = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.csv"));
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        let now = found.get(&name).map(Csv::text).unwrap_or_default();
        if expected != now {
            problems.push(format!("{shown}: - expected, + found\n{}", difference(&expected, &now)));
        }
    }
    problems
}

fn check(sample: &Sample) -> Vec<String> {
    let lab = Lab::new();
    let outcome = lab.ingest(&[&sample.capture]).expect_codes(&[0, 3]);
    let status = lab.value("SELECT status FROM captures");
    let mut found = dump(&lab, &[]);
    if sample.is_shown() {
        found.retain(|name, _| name == "anomalies");
    }
    let mut problems = compare(&root().join("tests/golden").join(&sample.name), &found);
    // Promise 3: damage and exit code 3 go together.
    if (status == "damaged") != (outcome.status.code() == Some(3)) {
        problems.push(format!("status {status}, but exit code {:?}", outcome.status.code()));
    }
    if !problems.is_empty() {
        problems.push(format!(
            "to repeat: cd samples && SECNETMON_DB=/tmp/look.duckdb secnetmon ingest {}",
            sample.capture.display()
        ));
    }
    problems
}

#[test]
fn every_sample_gives_its_golden_tables() {
    let problems: Vec<String> = all_samples()
        .iter()
        .flat_map(|s| check(s).into_iter().map(|p| format!("sample {}: {p}", s.name)))
        .collect();
    assert!(
        problems.is_empty(),
        "{}\n\nIf the change is meant: BLESS=1 make test TESTS=golden",
        problems.join("\n\n")
    );
}

#[test]
fn packet_counts_are_those_of_origin_md() {
    let lab = Lab::new();
    for sample in all_samples() {
        lab.ingest(&[&sample.capture]).expect_codes(&[0, 3]);
        let fact =
            |name: &str| sample.fact(name).unwrap_or_else(|| panic!("{}: no fact {name}", sample.name));
        let path = sample.capture.display();
        let row = lab.csv(&format!("SELECT packets, bytes FROM captures WHERE path = '{path}'"));
        let expected = vec![vec![fact("packets, by capinfos"), fact("bytes on the wire, by capinfos")]];
        assert_eq!(Csv::parse(&row).rows, expected, "packets and bytes of samples/{path}");
    }
}
