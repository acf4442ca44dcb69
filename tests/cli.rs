//! What does the program say to bad input, and what does it leave alone?
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but the input was damaged. One clear sentence on stderr each
//! time, rows on stdout only, nothing lost that was stored before.

use crate::support::rows::Csv;
use crate::support::{Lab, PATIENCE, may_mount, samples, tool};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const WEB: &str = "web/web.pcap";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

/// A lab with one capture in it.
fn with_web() -> Lab {
    let lab = Lab::new();
    lab.ingest(&[WEB]).expect_code(0);
    lab
}

#[test]
fn help_and_version_are_no_errors() {
    let lab = Lab::new();
    for args in [["--help"].as_slice(), &["--version"], &["ingest", "--help"], &["query", "--help"]] {
        let outcome = lab.run(args).expect_code(0);
        assert!(!outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{args:?} speaks on stdout");
    }
    assert!(!lab.database().exists(), "help made a database");
}

#[test]
fn wrong_usage_ends_with_2() {
    let lab = Lab::new();
    let wrong: &[&[&str]] = &[
        &["frobnicate"],
        &["ingest"],
        &["ingest", "--no-such-flag", WEB],
        &["ingest", "--threads", "many", WEB],
        &["ingest", "--local-net", "300.0.0.0/8", WEB],
        &["query"],
        &["query", "--format", "xml", "-e", "SELECT 1"],
    ];
    for args in wrong {
        lab.run(args).expect_code(2).expect_one_sentence();
    }
    assert!(!lab.database().exists(), "wrong usage made a database");
}

#[test]
fn files_that_are_no_captures_are_named_and_refused() {
    let lab = Lab::new();
    let text = lab.write("notes.txt", b"This is a shopping list, not a capture.\n");
    let empty = lab.write("empty.pcap", b"");
    let short = lab.write("short.pcap", &[0xd4, 0xc3, 0xb2]);
    let folder = lab.path("folder");
    std::fs::create_dir(&folder).unwrap();
    for path in [&lab.path("missing.pcap"), &text, &empty, &short, &folder] {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        lab.ingest(&[path]).expect_codes(&[1, 2]).expect_said(&name).expect_one_sentence();
    }
}

#[test]
fn one_bad_file_does_not_take_the_good_ones_with_it() {
    let lab = Lab::new();
    let text = lab.write("notes.txt", b"This is a shopping list, not a capture.\n");
    lab.ingest(&[Path::new(WEB), &text, Path::new("dns/dns.pcap")])
        .expect_codes(&[1, 3])
        .expect_said("notes.txt");
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "2", "captures stored");
}

#[test]
fn a_file_without_permission_is_named() {
    let lab = Lab::new();
    let secret = lab.write("secret.pcap", &std::fs::read(samples().join(WEB)).unwrap());
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    let ingest = ["ingest".as_ref(), secret.as_os_str()];
    let command = if std::fs::File::open(&secret).is_ok() {
        // Root reads everything unless it gives that capability up.
        if !tool("setpriv") {
            return;
        }
        let give_up = [
            "setpriv",
            "--bounding-set=-dac_override,-dac_read_search",
            "--inh-caps=-dac_override,-dac_read_search",
        ];
        lab.wrapped(&[&give_up[..], &[crate::support::BINARY]].concat(), &ingest)
    } else {
        lab.command(&ingest)
    };
    crate::support::finish(command, &[])
        .expect_code(1)
        .expect_said("secret.pcap")
        .expect_said("permission")
        .expect_one_sentence();
}

#[test]
fn folders_are_read_when_asked_for() {
    let lab = Lab::new();
    let folder = lab.path("captures/deeper");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(samples().join(WEB), folder.join("a.pcap")).unwrap();
    std::fs::copy(samples().join("dns/dns.pcap"), lab.path("captures/b.pcap")).unwrap();
    lab.run(&["ingest".as_ref(), "-r".as_ref(), lab.path("captures").as_os_str()]).expect_code(0);
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "2");
}

#[test]
fn damaged_input_ends_with_3_and_keeps_what_was_before() {
    let lab = Lab::new();
    lab.ingest(&["cut/cut.pcap"])
        .expect_code(3)
        .expect_said("cut.pcap")
        .expect_said("at byte")
        .expect_one_sentence();
    let row =
        Csv::parse(&lab.csv("SELECT status, packets, stop_reason <> '' AS why, stop_offset FROM captures"))
            .rows;
    let whole = crate::support::packets::read(&std::fs::read(samples().join("cut/cut.pcap")).unwrap()).len();
    assert_eq!(row[0][..3], ["damaged".to_owned(), whole.to_string(), "true".to_owned()], "{row:?}");
    let offset: u64 = row[0][3].parse().unwrap();
    assert!(offset > 18_000 && offset <= 20_000, "stop_offset {offset}");
}

#[test]
fn the_same_content_is_taken_once() {
    let lab = with_web();
    let copy = lab.write("renamed.bin", &std::fs::read(samples().join(WEB)).unwrap());
    let before = lab.csv("SELECT * FROM captures");
    for path in [Path::new(WEB), &copy] {
        lab.ingest(&[path]).expect_code(0).expect_said("already");
        assert_eq!(lab.csv("SELECT * FROM captures"), before);
    }
    let flows = lab.value("SELECT count(*) FROM flows");
    lab.run(&["ingest", "--force", WEB]).expect_code(0);
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "1", "--force replaces");
    assert_eq!(lab.value("SELECT count(*) FROM flows"), flows, "--force replaces");
}

#[test]
fn the_whole_file_replaces_its_damaged_beginning() {
    let lab = Lab::new();
    let whole = std::fs::read(samples().join(WEB)).unwrap();
    // A copy that broke off, and was then made again under the same name.
    let path = lab.write("copied.pcap", &whole[..9_000]);
    lab.ingest(&[&path]).expect_code(3);
    assert_eq!(lab.value("SELECT status FROM captures"), "damaged");
    std::fs::write(&path, &whole).unwrap();
    lab.ingest(&[&path]).expect_code(0);
    assert_eq!(lab.value("SELECT status FROM captures"), "complete", "one capture, the whole one");
}

#[test]
fn private_by_default() {
    let lab = with_web();
    let database = lab.database();
    assert_eq!(mode(database.parent().unwrap()), 0o700, "the database's folder");
    for file in std::fs::read_dir(database.parent().unwrap()).unwrap().map(|e| e.unwrap().path()) {
        let allowed = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&file) & !allowed, 0, "{}", file.display());
    }
}

#[test]
fn init_says_what_it_made_and_can_be_repeated() {
    let lab = Lab::new();
    let first = lab.run(&["init"]).expect_code(0);
    assert!((first.stdout + &first.stderr).contains("secnetmon.duckdb"));
    assert_eq!(mode(&lab.database()), 0o600);
    lab.ingest(&[WEB]).expect_code(0);
    lab.run(&["init"]).expect_code(0);
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "1", "init again lost a capture");
}

#[test]
fn reading_without_a_database_says_how_to_make_one() {
    let lab = Lab::new();
    lab.run(&["query", "-e", "SELECT 1"]).expect_code(1).expect_said("ingest").expect_one_sentence();
    assert!(!lab.database().exists(), "a reading command made a database");
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let lab = Lab::new();
    let path = lab.write("data/secnetmon.duckdb", b"These are my notes, please do not overwrite them.\n");
    let before = std::fs::read(&path).unwrap();
    lab.ingest(&[WEB]).expect_code(1).expect_one_sentence();
    lab.run(&["query", "-e", "SELECT 1"]).expect_code(1).expect_one_sentence();
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let lab = with_web();
    {
        let db = duckdb::Connection::open(lab.database()).unwrap();
        db.execute_batch("UPDATE schema_version SET version = version + 1000").unwrap();
    }
    for args in [["ingest", "dns/dns.pcap"].as_slice(), &["query", "-e", "SELECT count(*) FROM flows"]] {
        lab.run(args).expect_code(1).expect_said("newer").expect_one_sentence();
    }
}

#[test]
fn wrong_sql_is_explained() {
    let lab = with_web();
    for sql in [
        "SELEC 1",
        "SELECT * FROM flowz",
        "SELECT no_such_column FROM flows",
        "SELECT",
        "SELECT 1; SELECT 2",
        "",
    ] {
        lab.run(&["query", "-e", sql]).expect_codes(&[1, 2]).expect_one_sentence();
    }
    lab.run(&["query", "no_such_report"])
        .expect_codes(&[1, 2])
        .expect_said("no_such_report")
        .expect_one_sentence();
    lab.run(&["query", "top_talkers", "-p", "limit=many"]).expect_codes(&[1, 2]).expect_one_sentence();
    lab.run(&["query", "top_talkers", "-p", "nothing=1"])
        .expect_codes(&[1, 2])
        .expect_said("nothing")
        .expect_one_sentence();
}

#[test]
fn a_query_can_neither_write_nor_leave_the_database() {
    let lab = with_web();
    let out = lab.path("out.csv").display().to_string();
    let attach = format!("ATTACH '{}' AS other", lab.path("other.duckdb").display());
    let copy = format!("COPY flows TO '{out}'");
    let export = format!("EXPORT DATABASE '{}'", lab.path("export").display());
    let forbidden = [
        "DELETE FROM flows",
        "INSERT INTO flows SELECT * FROM flows",
        "UPDATE flows SET src_bytes = 0",
        "DROP TABLE flows",
        "CREATE TABLE mine AS SELECT 1",
        "CREATE OR REPLACE VIEW hosts AS SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM flows",
        "WITH x AS (SELECT 1) DELETE FROM flows",
        "SET enable_external_access = true",
        "PRAGMA disable_verification",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CHECKPOINT",
        "BEGIN TRANSACTION",
        "CALL pragma_version()",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://203.0.113.1/x.parquet')",
        "SELECT 1; DROP TABLE flows",
        &attach,
        &copy,
        &export,
    ];
    let before = lab.csv("SELECT * FROM flows ORDER BY ALL");
    for sql in forbidden {
        lab.run(&["query", "-e", sql]).expect_codes(&[1, 2]).expect_one_sentence();
    }
    assert_eq!(lab.csv("SELECT * FROM flows ORDER BY ALL"), before, "a query changed the flows");
    for left in ["out.csv", "other.duckdb", "export"] {
        assert!(!lab.path(left).exists(), "a query wrote {left}");
    }
}

#[test]
fn a_second_writer_is_told_who_holds_the_database() {
    let lab = with_web();
    let mut first =
        lab.command(&["ingest", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = first.stdin.take().unwrap();
    let bytes = std::fs::read(samples().join("dns/dns.pcap")).unwrap();
    pipe.write_all(&bytes[..5_000]).unwrap();
    // Its lock names it as soon as it holds the database.
    let lock = lab.path("data/secnetmon.duckdb.lock");
    let began = Instant::now();
    while std::fs::read_to_string(&lock).unwrap_or_default().trim() != first.id().to_string() {
        assert!(began.elapsed() < PATIENCE, "the first writer did not take the database");
        std::thread::sleep(Duration::from_millis(20));
    }
    let owner = format!("process {}", first.id());
    lab.ingest(&["ssh/ssh.pcap"])
        .expect_code(1)
        .expect_said("--db")
        .expect_said(&owner)
        .expect_one_sentence();
    pipe.write_all(&bytes[5_000..]).unwrap();
    drop(pipe);
    let mut said = String::new();
    for line in BufReader::new(first.stderr.take().unwrap()).lines() {
        said += &(line.unwrap() + "\n");
    }
    assert!(first.wait().unwrap().success(), "the first writer failed: {said}");
    let packets =
        lab.value("SELECT packets FROM captures WHERE path NOT LIKE '%web%' AND path NOT LIKE '%ssh%'");
    let whole = crate::support::packets::read(&bytes).len();
    assert_eq!(packets, whole.to_string(), "packets of what came by standard input");
}

#[test]
fn a_read_only_folder_is_named() {
    if !may_mount() {
        return;
    }
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("data")).unwrap();
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec \"$0\" \"$@\"",
        lab.path("data").display()
    );
    let command =
        lab.wrapped(&["unshare", "--mount", "sh", "-c", &script, crate::support::BINARY], &["ingest", WEB]);
    crate::support::finish(command, &[]).expect_code(1).expect_said("data").expect_one_sentence();
}

#[test]
fn settings_come_from_flag_then_environment_then_file() {
    let lab = Lab::new();
    let elsewhere = lab.path("elsewhere/flag.duckdb");
    lab.run(&["--db".as_ref(), elsewhere.as_os_str(), "ingest".as_ref(), WEB.as_ref()]).expect_code(0);
    assert!(elsewhere.exists() && !lab.database().exists(), "--db stands above SECNETMON_DB");
    lab.write("config/secnetmon/secnetmon.toml", b"no_such_setting = 1\n");
    lab.ingest(&[WEB]).expect_codes(&[1, 2]).expect_said("no_such_setting").expect_one_sentence();
}

#[test]
fn untrusted_text_cannot_drive_the_terminal() {
    let lab = Lab::new();
    let mut packets = crate::support::packets::read(&std::fs::read(samples().join(WEB)).unwrap());
    for p in &mut packets {
        // The Host header of each request, made into a colour change. Same length, so only checksums are off.
        if let Some(at) = p.data.windows(15).position(|w| w == b"www.example.com") {
            p.data[at..at + 15].copy_from_slice(b"\x1b[31mexample\x07om");
        }
    }
    use crate::support::packets::{Pcap, pcap};
    let path = lab.write("colour.pcap", &pcap(&packets, Pcap::Micro, false));
    lab.ingest(&[path]).expect_codes(&[0, 3]);
    for format in ["table", "csv", "json", "markdown"] {
        for report in ["http_hosts", "dns_top_names"] {
            let shown = lab.run(&["query", "--format", format, report]).expect_code(0).stdout;
            assert!(
                !shown.contains(['\x1b', '\x07']),
                "{report} as {format} lets control characters through"
            );
        }
    }
}

#[test]
fn generated_pages_are_there() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(lab.run(&["completions", shell]).expect_code(0).stdout.contains("ingest"), "{shell}");
    }
    assert!(
        lab.run(&["man"]).expect_code(0).stdout.starts_with(".ie")
            || lab.run(&["man"]).stdout.contains(".TH")
    );
}

#[test]
fn backup_export_and_reset() {
    let lab = with_web();
    let flows = lab.value("SELECT count(*) FROM flows");
    lab.run(&["db", "info"]).expect_code(0);
    let copy = lab.path("copy.duckdb");
    lab.run(&["db".as_ref(), "backup".as_ref(), copy.as_os_str()]).expect_code(0);
    assert_eq!(mode(&copy), 0o600);
    let counted = lab.run(&[
        "--db".as_ref(),
        copy.as_os_str(),
        "query".as_ref(),
        "--format".as_ref(),
        "csv".as_ref(),
        "-e".as_ref(),
        "SELECT count(*) AS n FROM flows".as_ref(),
    ]);
    assert_eq!(counted.expect_code(0).stdout, format!("n\n{flows}\n"), "the backup's flows");
    lab.run(&["db".as_ref(), "export".as_ref(), lab.path("lake").as_os_str()]).expect_code(0);
    assert!(lab.path("lake").is_dir());
    // Nobody answers: nothing is deleted.
    lab.run(&["db", "reset"]).expect_codes(&[1, 2]);
    assert_eq!(lab.value("SELECT count(*) FROM flows"), flows, "reset without confirmation deleted rows");
    lab.run(&["db", "reset", "--yes"]).expect_code(0);
    lab.ingest(&[WEB]).expect_code(0);
}

#[test]
fn systemd_understands_the_unit() {
    if !tool("systemd-analyze") {
        return;
    }
    let lab = Lab::new();
    std::fs::create_dir(lab.path("bin")).unwrap();
    std::os::unix::fs::symlink(crate::support::BINARY, lab.path("bin/secnetmon")).unwrap();
    let unit = include_str!("../packaging/secnetmon.service");
    let unit = unit.replace("@PREFIX@", lab.path("").to_str().unwrap().trim_end_matches('/'));
    let unit = lab.write("secnetmon.service", unit.as_bytes());
    let analyse = |args: &[&str]| {
        let mut command = std::process::Command::new("systemd-analyze");
        let out = command.args(args).arg(&unit).output().unwrap();
        let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "{args:?}: {text}");
        text
    };
    assert_eq!(analyse(&["verify", "--man=no"]), "");
    // Versions of systemd count a little differently; 1.5 was measured with 252.
    analyse(&["security", "--offline=true", "--no-pager", "--threshold=20"]);
}
