//! Does what the documents show still work, and look as they show it?
//!
//! Reads `README.md` and `docs/*.md`. A block `sh` is run line by line in a throw-away home whose working folder holds the shipped
//! `samples` and two captures of a reader's own (`capture.pcapng`, `yesterday.pcap`); a block `console` is run likewise, and its output is
//! compared. The conventions, told to readers in `docs/README.md`:
//!
//! - a block with `secnetmon ingest` begins with an empty database, any other goes on with the one before it;
//! - `sudo secnetmon …`, and a line whose remark says "until Ctrl-C", has only its arguments checked; other programs of [`NOT_RUN`] are left alone;
//! - a remark "ends with N" tells the exit code, which is 0 otherwise; `ID` stands for a finding or a flow of the database;
//! - a `sql` block that begins with `-- name: X` is the file `X.sql`;
//! - `...` alone on a line of output stands for any lines, `...` within a line for any text.

use crate::support::{BINARY, Lab, Outcome, finish, root, rows, samples, tool};
use std::path::{Path, PathBuf};

/// Programs that are not ours to run: they build, need a privilege, or change the system.
const NOT_RUN: &[&str] = &["cargo", "git", "make", "sudo", "systemctl", "useradd", "dpkg"];

/// One fenced block.
struct Block {
    page: String,
    line: usize,
    language: String,
    lines: Vec<String>,
}

/// A command of a block, with the output that is shown behind it.
struct Step {
    line: usize,
    command: String,
    remark: String,
    shown: Vec<String>,
}

fn pages() -> Vec<PathBuf> {
    let mut found = vec![root().join("README.md")];
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path());
    found.extend(docs.filter(|p| p.extension().is_some_and(|e| e == "md")));
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

/// The fenced blocks of a page, and the lines outside of them.
fn blocks(page: &str, text: &str) -> (Vec<Block>, Vec<(usize, String)>) {
    let (mut blocks, mut prose) = (Vec::new(), Vec::new());
    let mut open: Option<Block> = None;
    for (i, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(language), None) => {
                let language = language.trim().to_owned();
                open = Some(Block { page: page.to_owned(), line: i + 1, language, lines: Vec::new() });
            }
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => prose.push((i + 1, line.to_owned())),
        }
    }
    assert!(open.is_none(), "{page}: a block is not closed");
    (blocks, prose)
}

/// The command and its remark.
fn remark(line: &str) -> (String, String) {
    match line.find(" # ") {
        Some(at) if line[..at].matches('\'').count().is_multiple_of(2) => {
            (line[..at].trim().to_owned(), line[at + 3..].trim().to_owned())
        }
        _ => (line.trim().to_owned(), String::new()),
    }
}

fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut open = String::new();
    for (i, line) in block.lines.iter().enumerate() {
        let text = match block.language.as_str() {
            "console" => match line.strip_prefix("$ ") {
                Some(command) => command,
                None if open.is_empty() => {
                    let last = steps.last_mut();
                    last.unwrap_or_else(|| panic!("{}:{}: output without a command", block.page, block.line))
                        .shown
                        .push(line.trim_end().to_owned());
                    continue;
                }
                None => line,
            },
            _ if line.trim().is_empty() || line.trim_start().starts_with('#') => continue,
            _ => line,
        };
        open.push_str(text.trim_end().trim_end_matches('\\'));
        if text.trim_end().ends_with('\\') {
            continue;
        }
        let (command, remark) = remark(&std::mem::take(&mut open));
        steps.push(Step { line: block.line + i + 1, command, remark, shown: Vec::new() });
    }
    steps
}

/// A reader's home, with a working folder.
struct Home {
    lab: Lab,
}

impl Home {
    fn new() -> Self {
        let home = Self { lab: Lab::new() };
        std::fs::create_dir_all(home.work()).unwrap();
        std::os::unix::fs::symlink(samples(), home.work().join("samples")).unwrap();
        for (sample, file) in
            [("guess_http/guess_http.pcap.gz", "capture.pcapng"), ("web/web.pcap", "yesterday.pcap")]
        {
            std::fs::copy(samples().join(sample), home.work().join(file)).unwrap();
        }
        home
    }

    fn work(&self) -> PathBuf {
        self.lab.path("work")
    }

    /// What a shell answers, both outputs together as on a terminal.
    fn shell(&self, line: &str) -> Outcome {
        let both = format!("{{ {line}\n}} 2>&1");
        let mut command = self.lab.wrapped(&["sh"], &["-c", &both]);
        let path = std::env::var("PATH").unwrap_or_default();
        let ours = Path::new(BINARY).parent().unwrap();
        command.current_dir(self.work()).env("PATH", format!("{}:{path}", ours.display()));
        for name in ["SECNETMON_DB", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        finish(command, &[])
    }

    fn fresh(&self) {
        let _ = std::fs::remove_dir_all(self.lab.path(".local/share/secnetmon"));
    }

    /// `ID` becomes a finding or a flow.
    fn with_ids(&self, command: &str) -> String {
        let ask = |sql: &str| {
            let line = format!("secnetmon query --format csv -e '{sql}'");
            self.shell(&line).stdout.lines().nth(1).unwrap_or("0").to_owned()
        };
        let mut out: Vec<String> = Vec::new();
        for word in command.split(' ') {
            let of_flow = out.last().is_some_and(|w| w == "--flow" || w == "--follow");
            out.push(match word {
                "ID" if of_flow => {
                    ask("SELECT flow_id FROM flows ORDER BY src_bytes + dst_bytes DESC, flow_id LIMIT 1")
                }
                "ID" => {
                    ask("SELECT anomaly_id FROM anomalies ORDER BY severity_rank DESC, score DESC LIMIT 1")
                }
                word => word.to_owned(),
            });
        }
        out.join(" ")
    }

    /// Are the arguments right? Nothing is done.
    fn parsed(&self, command: &str) -> Outcome {
        self.shell(&format!("{command} --help"))
    }
}

/// Does a line match, `...` standing for any text?
fn line_fits(shown: &str, got: &str) -> bool {
    let mut parts = shown.split("...");
    let Some(mut rest) = parts.next().and_then(|first| got.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// How many of the lines shown come out, in order; all of them when it fits.
fn fitting(shown: &[String], got: &[&str]) -> usize {
    match shown.split_first() {
        None => 0,
        Some((first, rest)) if first == "..." => {
            let best = (0..=got.len()).map(|n| {
                let fit = fitting(rest, &got[n..]);
                let all = fit == rest.len() && (!rest.is_empty() || n == got.len());
                (all, fit)
            });
            1 + best.max().map_or(0, |(_, fit)| fit)
        }
        Some((first, rest)) => match got.split_first() {
            Some((line, more)) if line_fits(first, line.trim_end()) => {
                if rest.is_empty() && !more.is_empty() { 0 } else { 1 + fitting(rest, more) }
            }
            _ => 0,
        },
    }
}

fn trimmed(lines: &[String]) -> &[String] {
    let end = lines.iter().rposition(|l| !l.is_empty()).map_or(0, |i| i + 1);
    &lines[..end]
}

/// Run one step; what is wrong with it?
fn check(home: &Home, at: &str, step: &Step) -> Option<String> {
    let command = &step.command;
    let first = command.split(' ').next().unwrap_or_default();
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    if first == "make" {
        let target = command.split(' ').nth(1).unwrap_or("build");
        let there = makefile.lines().any(|l| l.starts_with(&format!("{target}:")));
        return (!there).then(|| format!("{at}: the Makefile has no target {target}"));
    }
    let unprivileged = command.strip_prefix("sudo ").filter(|c| c.starts_with("secnetmon "));
    let ours = unprivileged.or_else(|| step.remark.contains("until Ctrl-C").then_some(command.as_str()));
    if let Some(ours) = ours {
        let outcome = home.parsed(ours);
        let wrong = outcome.status.code() != Some(0);
        return wrong.then(|| format!("{at}: `{ours}` is not understood:\n{}", outcome.stdout));
    }
    if NOT_RUN.contains(&first) {
        return None;
    }
    for piped in command.split('|').skip(1) {
        let program = piped.split_whitespace().next().unwrap_or_default();
        if program != "secnetmon" && !tool(program) {
            return None;
        }
    }
    let wanted = step.remark.split_once("ends with ").map_or(0, |(_, n)| {
        let digits: String = n.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<i32>().unwrap_or(0)
    });
    let outcome = home.shell(&home.with_ids(command));
    if outcome.status.code() != Some(wanted) {
        return Some(format!(
            "{at}: `{command}` ended with {:?}, not {wanted}:\n{}",
            outcome.status.code(),
            outcome.stdout
        ));
    }
    let shown = trimmed(&step.shown);
    if shown.is_empty() {
        return None;
    }
    let got: Vec<&str> = outcome.stdout.trim_end().lines().collect();
    let fit = fitting(shown, &got);
    (fit < shown.len())
        .then(|| format!("{at}: `{command}` does not print\n  {}\nbut\n{}", shown[fit], outcome.stdout))
}

/// Run all of a page.
fn run(path: &Path) -> (usize, Vec<String>) {
    let page = name(path);
    let (blocks, prose) = blocks(&page, &std::fs::read_to_string(path).unwrap());
    let home = Home::new();
    let (mut count, mut problems) = (0, Vec::new());
    let is_command = |l: &str| {
        ["secnetmon ", "$ secnetmon", "sudo secnetmon"].iter().any(|p| l.trim_start().starts_with(p))
    };
    for (line, text) in &prose {
        if text.starts_with("    ") && is_command(text) {
            problems.push(format!("{page}:{line}: a command outside of a block sh or console is never run"));
        }
        for word in text.split('`').skip(1).step_by(2).filter(|w| w.starts_with("secnetmon ")) {
            count += 1;
            let outcome = home.parsed(&word.replace(['…', '<', '>', '|', '\''], "").replace(" ID", " 1"));
            if outcome.status.code() != Some(0) {
                problems.push(format!("{page}:{line}: `{word}` is not understood:\n{}", outcome.stdout));
            }
        }
    }
    for block in &blocks {
        match block.language.as_str() {
            "sh" | "console" => {}
            "sql" => {
                if let Some(name) = block.lines.first().and_then(|l| l.strip_prefix("-- name: ")) {
                    std::fs::write(home.work().join(format!("{name}.sql")), block.lines.join("\n")).unwrap();
                }
                continue;
            }
            _ => {
                if block.lines.iter().any(|l| is_command(l)) {
                    problems.push(format!("{page}:{}: commands belong into sh or console", block.line));
                }
                continue;
            }
        }
        let steps = steps(block);
        if steps.iter().any(|s| s.command.contains("secnetmon ingest")) {
            home.fresh();
        }
        for step in &steps {
            count += 1;
            problems.extend(check(&home, &format!("{page}:{}", step.line), step));
        }
    }
    (count, problems)
}

#[test]
fn every_command_in_the_documents_works_as_shown() {
    let (mut count, mut problems) = (0, Vec::new());
    for page in pages() {
        let (n, found) = run(&page);
        count += n;
        problems.extend(found);
    }
    assert!(problems.is_empty(), "{} of {count} commands:\n\n{}", problems.len(), problems.join("\n\n"));
    assert!(count > 60, "only {count} commands were found in the documents");
}

#[test]
fn the_readme_lists_every_command() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let help = Lab::new().run(&["--help"]).expect_code(0).stdout;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter_map(|l| l.strip_prefix("  ").filter(|l| !l.starts_with(' '))?.split(' ').next())
        .filter(|c| *c != "help")
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    let table: String = readme.lines().filter(|l| l.starts_with("| `")).collect();
    let missing: Vec<_> = commands.iter().filter(|c| !table.contains(&format!("`{c}"))).collect();
    assert!(missing.is_empty(), "the table of commands has no {missing:?}");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|l| l.split_once(')')).map(|(l, _)| l) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !page.parent().unwrap().join(file).exists() {
                problems.push(format!("{}: {link} leads nowhere", name(&page)));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn what_is_shown_is_compared() {
    let shown = |s: &str| s.lines().map(str::to_owned).collect::<Vec<_>>();
    let fits = |s: &str, got: &str| {
        let shown = shown(s);
        fitting(&shown, &got.lines().collect::<Vec<_>>()) == shown.len()
    };
    assert!(fits("a\nb", "a\nb") && !fits("a\nb", "a\nc") && !fits("a", "a\nb") && !fits("a\nb", "a"));
    assert!(fits("a\n...\nd", "a\nb\nc\nd") && fits("a\n...", "a\nb") && fits("...\nd", "c\nd"));
    assert!(!fits("a\n...\nd", "a\nb\nc") && !fits("...\nc", "c\nd"));
    assert!(
        line_fits("in ... s (... packets/s)", "in 3.3 s (882 packets/s)")
            && !line_fits("in ... s", "in 3 ms")
    );
}

#[test]
fn the_tables_are_described_as_the_database_does() {
    let lab = Lab::new();
    lab.run(&["init"]).expect_code(0);
    let tables = rows::Csv::parse(&lab.run(&["schema", "--format", "csv"]).expect_code(0).stdout);
    let columns = rows::Csv::parse(&lab.csv(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main'
         ORDER BY table_name, column_index",
    ));
    let cell = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|");
    let mut page = String::from(
        "# Tables\n\nThis page is written by a test (`BLESS=1`) from the comments in the database; `secnetmon schema TABLE` shows the same.\n\
         Times are UTC, `duration_s` and the like are seconds, sizes are bytes. NULL means not known.\n",
    );
    for table in &tables.rows {
        page += &format!(
            "\n## {}\n\n{}\n\n| column | type | meaning |\n| --- | --- | --- |\n",
            table[0],
            cell(&table[1])
        );
        for c in columns.rows.iter().filter(|c| c[0] == table[0]) {
            page += &format!("| `{}` | {} | {} |\n", c[1], cell(&c[2]), cell(&c[3]));
        }
    }
    let path = root().join("docs/tables.md");
    if std::env::var_os("BLESS").is_some_and(|v| v == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == page, "docs/tables.md is stale: BLESS=1 with this test writes it anew");
}
