//! Do the shipped detections explain themselves, and what becomes of a user's own?

use super::*;

#[test]
fn the_list_is_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries/detections");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.strip_suffix(".sql").map(str::to_owned))
        .collect();
    let mut names: Vec<String> = SHIPPED.iter().map(|(n, _)| (*n).to_owned()).collect();
    files.sort_unstable();
    names.sort_unstable();
    assert_eq!(names, files);
}

#[test]
fn every_detection_explains_itself() {
    for (name, sql) in SHIPPED {
        let d = Detection::parse(name, name, sql).unwrap_or_else(|e| panic!("{e}"));
        let h = &d.header;
        assert!(h.question.ends_with('?') && h.question.len() > 20, "{name}: question");
        assert!(h.why.ends_with('.') && h.why.len() > 60, "{name}: why");
        for (what, list) in [("innocent", &d.innocent), ("next", &d.next), ("references", &d.references)] {
            assert!(!list.is_empty(), "{name}: {what}");
            assert!(list.iter().all(|s| s.ends_with(['.', '?'])), "{name}: {what} are sentences: {list:?}");
        }
        assert!(!d.tables.is_empty(), "{name}: from");
        for p in &h.params {
            assert!(
                p.meaning.ends_with('.') && p.meaning.len() > 30,
                "{name}: {} needs unit, reason and source",
                p.name
            );
            assert!(sql.contains(&format!("${}::", p.name)), "{name}: ${} is not used or not cast", p.name);
            assert!(p.default.is_some(), "{name}: {} has no default", p.name);
        }
        for (column, meaning) in &h.columns {
            assert!(meaning.ends_with('.'), "{name}: column {column} needs a sentence");
        }
        assert!(sql.trim_end().ends_with(';'), "{name}: ends without ;");
        assert!(
            sql.contains("$capture::BIGINT") || sql.contains("$captures::BIGINT[]"),
            "{name}: looks at everything"
        );
        let joins = sql.contains("$captures");
        assert_eq!(joins, d.horizon > 0, "{name}: joins captures exactly when it looks back");
    }
}

#[test]
fn every_detection_is_plain_sql() {
    // What needs our Rust functions or macros, the extension icu, or falls from nano- to microseconds.
    let forbidden = [
        "ip_in(",
        "ip_class(",
        "is_internal(",
        "etld1(",
        "port_name(",
        "packets(",
        "severity_rank(",
        "now(",
        "current_date",
        "current_timestamp",
        "timestamptz",
        "at time zone",
        "strftime(",
        "date_trunc(",
        "date_part(",
        "time_bucket(",
        " epoch(",
        "interval ",
    ];
    for (name, sql) in SHIPPED {
        let sql: String = sql.lines().filter(|l| !l.starts_with("--")).collect::<Vec<_>>().join("\n");
        for word in forbidden {
            assert!(!sql.to_lowercase().contains(word), "{name}: {word}");
        }
    }
}

#[test]
fn a_folder_adds_replaces_and_loses_only_what_is_bad() {
    let folder = std::env::temp_dir().join(format!("secnetmon-detections-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let own =
        |name: &str| format!("-- name: {name}\n-- question: Mine?\n-- why: So.\n-- kind: beacon\nSELECT 1");
    for (file, text) in [
        ("mine.sql", own("mine")),
        ("strobe.sql", own("strobe")),
        ("bad.sql", own("other")),
        ("note.txt", String::new()),
        ("worse.sql", "-- name: worse\n-- question: x\n-- why: y\n-- kind: nothing\nSELECT 1".to_owned()),
    ] {
        std::fs::write(folder.join(file), text).unwrap();
    }
    std::fs::write(folder.join("binary.sql"), [0xff, 0xfe, 0x00]).unwrap();
    let (all, bad) = with_folder(Some(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(all.len(), SHIPPED.len() + 1);
    let strobe = all.iter().find(|d| d.header.name == "strobe").unwrap();
    assert!(!strobe.shipped && strobe.header.question == "Mine?");
    let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told.iter().any(|t| t.contains("worse.sql: line 4 of the header: no kind of finding")),
        "{told:?}"
    );
    assert_eq!(with_folder(Some(Path::new("/nowhere/at/all"))).1, []);
    assert_eq!(with_folder(None).0.len(), SHIPPED.len());
}
