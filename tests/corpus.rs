//! Does a folder of other people's captures give the packet counts that capinfos gives?
//!
//! Needs Wireshark's capinfos and the corpus beside the project (`../shared/corpus`, not part of it); says so and is skipped
//! where one is missing.

use crate::support::rows::Csv;
use crate::support::{Lab, root, tool};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn captures(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            captures(&path, out);
        } else if !path
            .extension()
            .is_some_and(|e| ["tsv", "txt", "md", "json", "log"].iter().any(|x| e == *x))
        {
            out.push(path);
        }
    }
}

/// Packets by capinfos, where it can read the file.
fn capinfos(path: &Path) -> Option<u64> {
    let out = Command::new("capinfos").args(["-T", "-r", "-M", "-c"]).arg(path).output().unwrap();
    String::from_utf8_lossy(&out.stdout).lines().find_map(|l| l.rsplit('\t').next()?.parse().ok())
}

/// Packets of one file in a fresh database; 0 when it is refused.
fn alone(path: &Path) -> u64 {
    let lab = Lab::new();
    match lab.ingest(&[path]).expect_codes(&[0, 1, 3]).status.code() {
        Some(1) => 0,
        _ => lab.value("SELECT coalesce(sum(packets), 0) FROM captures").parse().unwrap(),
    }
}

#[test]
fn packet_counts_equal_capinfos() {
    let corpus = root().join("../shared/corpus");
    if !corpus.is_dir() {
        eprintln!("skipped: no corpus at ../shared/corpus");
        return;
    }
    if !tool("capinfos") {
        return;
    }
    let mut paths = Vec::new();
    ["formats", "protocols"].iter().for_each(|f| captures(&corpus.join(f), &mut paths));
    paths.sort();
    assert!(!paths.is_empty(), "no captures in {}", corpus.display());
    // All in one process; what is refused there as a duplicate of another file gets a database of its own.
    let all = Lab::new();
    all.ingest(&paths).expect_codes(&[0, 1, 3]);
    let rows = Csv::parse(&all.csv("SELECT path, packets FROM captures")).rows;
    let together: HashMap<String, u64> =
        rows.into_iter().map(|r| (r[0].clone(), r[1].parse().unwrap())).collect();
    let mut wrong = Vec::new();
    for path in paths {
        let Some(expected) = capinfos(&path) else { continue };
        let found = together.get(&path.display().to_string()).copied().unwrap_or_else(|| alone(&path));
        if found != expected {
            wrong.push(format!("{}: {found}, capinfos {expected}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{} captures differ:\n{}", wrong.len(), wrong.join("\n"));
}
