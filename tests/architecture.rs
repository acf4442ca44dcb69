//! Does the house still stand as ARCHITECTURE.md says?
//!
//! Read from the sources as text: floors import upwards only, files introduce themselves and stay short, lists are
//! complete, nothing that can panic is called outside tests. Each failure names the file, the line and the rule.

use crate::support::{all_samples, root, samples};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines after which a file has to say `//! Size: reason`.
const LONG: usize = 500;

/// Modules allowed beside the floors: the crate's two roots.
const ROOTS: &[&str] = &["lib.rs", "main.rs"];

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn report(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

/// The floors as `src/lib.rs` declares them, lowest first, each with its number.
fn floors() -> Vec<(String, u32)> {
    let found: Vec<(String, u32)> = text(&root().join("src/lib.rs"))
        .lines()
        .filter_map(|l| {
            let (name, rest) = l.trim().strip_prefix("pub mod ")?.split_once(';')?;
            let number = rest.trim().strip_prefix("//")?.split_whitespace().next()?.parse().ok()?;
            Some((name.to_owned(), number))
        })
        .collect();
    assert!(found.len() >= 8, "src/lib.rs lists the floors as `pub mod name; // number  what`");
    assert!(found.is_sorted_by_key(|(_, number)| *number), "src/lib.rs lists the lowest floor first");
    found
}

/// A line without the visibility in front of it.
fn without_visibility(line: &str) -> &str {
    let line = line.trim_start();
    match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ").map_or(line, |(_, item)| item),
        None => line.strip_prefix("pub ").unwrap_or(line),
    }
}

/// The code of a file without its comments, and whether each line belongs to a test module (which comes last).
fn code_lines(source: &str) -> Vec<(usize, String, bool)> {
    let mut in_tests = false;
    let mut pending = false;
    let mut out = Vec::new();
    for (n, line) in source.lines().enumerate() {
        let line = line.trim_end();
        if line.trim_start().starts_with("#[cfg(test)]") || line.trim_start().starts_with("#[cfg(all(test") {
            pending = true;
        } else if pending && without_visibility(line).starts_with("mod ") {
            // `mod tests;` lives in a file of its own; `mod tests {` is the rest of this one.
            in_tests |= line.ends_with('{');
            pending = false;
        } else if !line.trim_start().starts_with("#[") {
            pending = false;
        }
        let code = if line.trim_start().starts_with("//") { "" } else { line };
        out.push((n + 1, code.to_owned(), in_tests));
    }
    out
}

/// Where a file is declared as a module: the declaring file, and whether only tests compile it.
fn declaration(path: &Path) -> Option<(PathBuf, bool)> {
    let name = path.file_stem()?.to_string_lossy().into_owned();
    // `a/mod.rs` is declared where `a.rs` would be.
    let (module, folder) = if name == "mod" {
        let dir = path.parent()?;
        (dir.file_name()?.to_string_lossy().into_owned(), dir.parent()?.to_path_buf())
    } else {
        (name, path.parent()?.to_path_buf())
    };
    for parent in [folder.join("lib.rs"), folder.join("mod.rs"), folder.with_extension("rs")] {
        let Ok(source) = std::fs::read_to_string(&parent) else { continue };
        let mut for_tests = false;
        for line in source.lines().map(str::trim) {
            let declared = without_visibility(line);
            if declared.starts_with(&format!("mod {module};")) {
                return Some((parent, for_tests));
            }
            for_tests = line.starts_with("#[cfg(test)]")
                || line.starts_with("#[cfg(all(test")
                || (for_tests && line.starts_with("#["));
        }
    }
    None
}

/// A file that only tests compile, by its own declaration or that of a module around it.
fn is_test_file(path: &Path) -> bool {
    match declaration(path) {
        Some((_, true)) => true,
        Some((parent, false)) if !parent.ends_with("src/lib.rs") => is_test_file(&parent),
        _ => false,
    }
}

#[test]
fn floors_import_downwards_only() {
    let floors = floors();
    // Rooms of one floor stand in the order of the list, too.
    let place = |name: &str| floors.iter().position(|(n, _)| n == name);
    let mut problems = Vec::new();
    let mut seen = 0;
    for path in files(&root().join("src"), "rs") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let own = first.trim_end_matches(".rs");
        let Some(own_place) = place(own) else {
            if !ROOTS.contains(&first.as_str()) {
                problems.push(format!("{}: belongs to no floor of src/lib.rs", shown(&path)));
            }
            continue;
        };
        for (n, line, in_tests) in code_lines(&text(&path)) {
            // A test may borrow from above: that is how a floor is tried with the real thing.
            if in_tests || is_test_file(&path) {
                continue;
            }
            for used in line.match_indices("crate::").filter_map(|(at, _)| {
                let before = line[..at].chars().next_back();
                // `$crate::` in a macro is this crate, too; `other_crate::` is not.
                let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_');
                whole.then(|| {
                    line[at + 7..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
                })
            }) {
                match place(used) {
                    // A name that the crate's root re-exports, or `crate::{a, b}`, which hides what it takes.
                    None => problems.push(format!("{}:{n}: `crate::{used}` names no floor", shown(&path))),
                    Some(p) if p < own_place => seen += 1,
                    Some(p) if p == own_place => {}
                    Some(_) => problems
                        .push(format!("{}:{n}: imports `{used}`, which stands above it", shown(&path))),
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} imports seen: this test reads the sources wrongly");
    report(&problems);
}

#[test]
fn every_file_introduces_itself_and_stays_short() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for path in files(&root().join(folder), "rs") {
            let source = text(&path);
            let first = source.lines().next().unwrap_or("");
            if !first.starts_with("//! ") || first.len() < 15 {
                problems.push(format!("{}: begins with `//!` and the question it answers", shown(&path)));
            }
            let lines = source.lines().count();
            if lines > LONG && !source.lines().any(|l| l.starts_with("//! Size: ")) {
                problems.push(format!(
                    "{}: {lines} lines; split it or say why not in `//! Size: `",
                    shown(&path)
                ));
            }
        }
    }
    report(&problems);
}

#[test]
fn every_source_file_is_a_module() {
    let mut problems = Vec::new();
    for path in files(&root().join("src"), "rs") {
        let inside = path.strip_prefix(root().join("src")).unwrap();
        if !ROOTS.iter().any(|r| Path::new(r) == inside) && declaration(&path).is_none() {
            problems.push(format!("{}: no `mod` declares it, so it is not compiled", shown(&path)));
        }
    }
    report(&problems);
}

#[test]
fn nothing_outside_tests_can_panic_on_purpose() {
    let words =
        [".unwrap()", ".expect(\"", ".expect(&", "panic!(", "unreachable!(", "todo!(", "unimplemented!("];
    let mut problems = Vec::new();
    for path in files(&root().join("src"), "rs").into_iter().filter(|p| !is_test_file(p)) {
        let source = text(&path);
        let mut allowed = false;
        for (n, line, in_tests) in code_lines(&source) {
            // An exception is written down where it stands: #[allow(clippy::…, reason = "…")] or #[expect(…)].
            allowed |= line.contains("clippy::unwrap_used")
                || line.contains("clippy::expect_used")
                || line.contains("clippy::panic");
            let hit = words.iter().find(|w| line.contains(**w));
            if let (Some(word), false, false) = (hit, in_tests, allowed) {
                problems.push(format!("{}:{n}: {word} outside tests", shown(&path)));
            }
            if hit.is_some() || line.is_empty() {
                allowed = false;
            }
        }
        if source.contains("allow(clippy::") && !source.contains("reason") && !in_order(&source) {
            problems.push(format!("{}: a lint is allowed without a reason", shown(&path)));
        }
    }
    report(&problems);
}

/// Every `allow` has a comment on its own line or the line above.
fn in_order(source: &str) -> bool {
    let lines: Vec<_> = source.lines().collect();
    lines.iter().enumerate().filter(|(_, l)| l.contains("allow(clippy::")).all(|(n, l)| {
        l.contains("//")
            || n.checked_sub(1).and_then(|p| lines.get(p)).is_some_and(|p| p.trim_start().starts_with("//"))
    })
}

#[test]
fn every_sample_says_what_it_is() {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let mut total = 0;
    for sample in all_samples() {
        let origin = samples().join(&sample.name).join("ORIGIN.md");
        if !names.insert(sample.name.clone()) {
            problems.push(format!("samples/{}: more than one capture", sample.name));
        }
        let stem = sample.capture.file_name().unwrap().to_string_lossy().into_owned();
        if stem.split('.').next() != Some(&sample.name) {
            problems.push(format!("samples/{}: the capture is called {stem}", sample.name));
        }
        let about = std::fs::read_to_string(&origin).unwrap_or_default();
        for needed in
            ["# ", "| sha256 |", "| packets, by capinfos |", "scripts/record-samples.sh", "Look at `"]
        {
            if !about.contains(needed) {
                problems.push(format!("{}: lacks {needed:?}", shown(&origin)));
            }
        }
        let size = sample.bytes().len();
        total += size;
        if size > 200_000 {
            problems.push(format!("samples/{}: {size} bytes; samples are small", sample.name));
        }
        // One that shows nothing has no golden tables.
        let quiet = sample.is_shown() && !sample.facts("finding").iter().any(|f| f.starts_with('`'));
        if !quiet && !root().join("tests/golden").join(&sample.name).is_dir() {
            problems
                .push(format!("tests/golden/{}: missing; run BLESS=1 make test and review it", sample.name));
        }
    }
    for golden in std::fs::read_dir(root().join("tests/golden")).unwrap().map(|e| e.unwrap().file_name()) {
        let golden = golden.to_string_lossy().into_owned();
        if !["queries", "reports"].contains(&golden.as_str()) && !names.contains(&golden) {
            problems.push(format!("tests/golden/{golden}: no such sample"));
        }
    }
    assert!(total < 2_500_000, "samples are {total} bytes together");
    report(&problems);
}

#[test]
fn the_digests_of_the_samples_are_theirs() {
    use sha2::Digest;
    for sample in all_samples() {
        let digest = sha2::Sha256::digest(sample.bytes());
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let about = text(&samples().join(&sample.name).join("ORIGIN.md"));
        assert!(
            about.contains(&hex),
            "samples/{}: the capture is not the one ORIGIN.md describes ({hex})",
            sample.name
        );
    }
}

#[test]
fn every_protocol_is_listed_once_with_its_tables() {
    let mut names = BTreeSet::new();
    for protocol in secnetmon::protocol::ALL {
        assert!(names.insert(protocol.name), "{} twice in protocol::ALL", protocol.name);
        assert!(
            protocol.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{}",
            protocol.name
        );
        assert!(
            protocol.parser.is_some() || protocol.tables.is_empty(),
            "{}: nothing fills its tables",
            protocol.name
        );
    }
    assert!(["dns", "http", "tls", "ssh"].iter().all(|p| names.contains(p)), "{names:?}");
}

#[test]
fn every_weird_is_raised_somewhere() {
    let sources: String = files(&root().join("src"), "rs")
        .iter()
        .filter(|p| !p.ends_with("model/weird.rs"))
        .map(|p| {
            code_lines(&text(p))
                .into_iter()
                .filter(|(_, _, tests)| !tests)
                .map(|(_, l, _)| l + "\n")
                .collect::<String>()
        })
        .collect();
    let silent: Vec<String> = secnetmon::model::weird::WeirdKind::ALL
        .iter()
        .filter(|k| {
            !sources.contains(&format!("WeirdKind::{k:?}")) && !sources.contains(&format!("K::{k:?}"))
        })
        .map(|k| format!("{}: declared, but nothing raises it", k.name()))
        .collect();
    report(&silent);
}

#[test]
fn documents_name_only_what_is_there() {
    let mut problems = Vec::new();
    for page in ["README.md", "ARCHITECTURE.md"] {
        let source = text(&root().join(page));
        for word in source.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "queries/", "samples/", "scripts/", "tests/", ".ci/"]
                .iter()
                .any(|p| word.starts_with(p));
            if is_path && !word.contains(['<', '*', ' ', '…', 'N']) && !root().join(word).exists() {
                problems.push(format!("{page}: `{word}` does not exist"));
            }
        }
    }
    report(&problems);
}
