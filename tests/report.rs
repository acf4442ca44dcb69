//! Does the report say what is there, in every form, and nothing that is not?
//!
//! Golden reports of samples (`tests/golden/reports/SAMPLE.txt`, `.md`, `.json`); an empty database, a benign and a damaged capture; options and
//! exit codes; countries from a file that knows 198.51.100.0/24 and 203.0.113.0/26, made up; hostile names in every form, and the page in a real browser when chromium is there.

use crate::golden::blessing;
use crate::support::rows::{Csv, difference};
use crate::support::{Lab, all_samples, root, tool};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A damaged one, one with several findings of a kind, one with certificates.
const GOLDEN: &[&str] = &["cut", "web_attack", "tls_selfsigned_expired"];
const FORMS: &[(&str, &str)] = &[("text", "txt"), ("markdown", "md"), ("json", "json")];

const SECTIONS: &[&str] =
    &["summary", "findings", "hosts", "traffic", "dns", "tls", "files", "credentials", "quality", "method"];

fn with(names: &[&str]) -> Lab {
    let lab = Lab::new();
    let captures: Vec<_> =
        all_samples().into_iter().filter(|s| names.contains(&s.name.as_str())).map(|s| s.capture).collect();
    assert_eq!(captures.len(), names.len());
    lab.ingest(&captures).expect_codes(&[0, 3]);
    lab
}

fn report(lab: &Lab, args: &[&str]) -> String {
    let all: Vec<&str> = ["report"].iter().chain(args).copied().collect();
    lab.run(&all).expect_code(0).stdout
}

#[test]
fn reports_of_samples_are_golden() {
    let folder = root().join("tests/golden/reports");
    let mut problems = Vec::new();
    for name in GOLDEN {
        let lab = with(&[name]);
        for (form, ending) in FORMS {
            let mut args = vec!["--format", *form];
            // The method lists all detectors: it would change with each new one.
            args.extend(SECTIONS.iter().filter(|s| **s != "method"));
            let now = report(&lab, &args);
            let path = folder.join(format!("{name}.{ending}"));
            if blessing() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, now).unwrap();
                continue;
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            if expected != now {
                problems.push(format!("{name}.{ending}:\n{}", difference(&expected, &now)));
            }
        }
    }
    assert!(
        problems.is_empty(),
        "{}\n\nIf the change is meant: BLESS=1 make test TESTS=report",
        problems.join("\n\n")
    );
}

#[test]
fn an_empty_database_says_that_it_can_say_nothing() {
    let lab = Lab::new();
    lab.run(&["init"]).expect_code(0);
    for (form, _) in FORMS {
        let text = report(&lab, &["--format", form]);
        assert!(text.contains("holds no capture yet"), "{form}: {text}");
        assert!(!text.contains("Nothing was found"), "{form}: an empty database proves nothing");
    }
    assert!(report(&lab, &["--format", "html"]).contains("holds no capture yet"));
    assert_eq!(Csv::parse(&report(&lab, &["--format", "csv", "hosts"])).rows.len(), 0);
    lab.run(&["report", "--fail-on", "info"]).expect_code(0);
}

#[test]
fn a_benign_capture_proves_nothing() {
    let lab = with(&["twin_web_odd_urls"]);
    for form in ["text", "markdown", "html", "json"] {
        let text = report(&lab, &["--format", form]).replace('\n', " ");
        assert!(
            text.contains("Nothing was found by the ") && text.contains("That does not prove"),
            "{form}: {text}"
        );
    }
    // A severity that nothing reaches is not the same as nothing.
    let lab = with(&["web_attack"]);
    let text = report(&lab, &["summary", "--min-severity", "critical"]).replace('\n', " ");
    assert!(text.contains("Left out as less severe than asked for: "), "{text}");
}

#[test]
fn damage_and_loss_are_said_first() {
    let lab = with(&["cut"]);
    let text = report(&lab, &["summary"]).replace('\n', " ");
    assert!(text.contains("cut.pcap is damaged: the file ends inside its last record"), "{text}");
    assert!(text.find("damaged").unwrap() < text.find("Traffic over time").unwrap());
    let page = report(&lab, &["--format", "html"]);
    assert!(page.contains("class=\"block prose caution\"><h3>How complete it is"));
}

#[test]
fn sections_periods_and_exit_codes() {
    let lab = with(&["web_attack", "twin_web_odd_urls"]);
    lab.run(&["report", "sumary"]).expect_code(2).expect_said("did you mean summary?");
    lab.run(&["report", "--format", "csv", "dns", "tls"]).expect_code(2).expect_said("one section");
    lab.run(&["report", "--since", "yesterday"]).expect_code(2).expect_said("--since");
    lab.run(&["report", "--geoip", "/no/such.mmdb"]).expect_code(1).expect_said("/no/such.mmdb");
    let countries = root().join("tests/data/countries.mmdb");
    let placed = report(&lab, &["traffic", "--geoip", countries.to_str().unwrap()]);
    assert!(placed.contains("Countries of outside hosts\n") && placed.contains("\nGermany  "), "{placed}");
    lab.run(&["report", "--fail-on", "medium"]).expect_code(4);
    lab.run(&["report", "--fail-on", "critical"]).expect_code(0);
    let before = report(&lab, &["--until", "2000-01-01"]);
    assert!(before.contains("Nothing in the database matches before 2000-01-01"), "{before}");
    lab.run(&["report", "--until", "2000-01-01", "--fail-on", "info"]).expect_code(0);
    // One capture of two, and only its findings.
    let id = lab.value("SELECT capture_id FROM captures WHERE path LIKE '%twin%'");
    assert!(report(&lab, &["findings", "--capture", &id]).contains("Nothing was found"));
    let text = report(&lab, &["findings"]);
    assert!(text.contains("web_attack") && !text.contains("Summary"), "only the section asked for");
    let all: u64 = lab.value("SELECT count(*) FROM anomalies").parse().unwrap();
    assert_eq!(Csv::parse(&report(&lab, &["--format", "csv"])).rows.len() as u64, all);
    let id = lab.value("SELECT anomaly_id FROM anomalies ORDER BY score DESC LIMIT 1");
    lab.run(&["anomalies", "set", &id, "false-positive"]).expect_code(0);
    let text = report(&lab, &["summary"]).replace('\n', " ");
    assert!(text.contains("Left out as marked false positive: 1 finding"), "{text}");
}

#[test]
fn files_are_written_by_their_ending_and_csv_into_a_folder() {
    let lab = with(&["web_attack"]);
    for (name, start) in
        [("a.html", "<!DOCTYPE html>"), ("a.md", "# Security"), ("a.json", "{"), ("a.txt", "Security")]
    {
        let path = lab.path(name);
        let out = lab.run(&["report".as_ref(), "-o".as_ref(), path.as_os_str()]).expect_code(0);
        assert!(out.stdout.is_empty());
        assert!(std::fs::read_to_string(&path).unwrap().starts_with(start), "{name}");
    }
    let folder = lab.path("tables");
    lab.run(&["report".as_ref(), "--format".as_ref(), "csv".as_ref(), "-o".as_ref(), folder.as_os_str()])
        .expect_code(0);
    for section in SECTIONS {
        let text = std::fs::read_to_string(folder.join(format!("{section}.csv"))).unwrap();
        assert!(!Csv::parse(&text).header.is_empty(), "{section}.csv");
    }
    lab.run(&["report".as_ref(), "-o".as_ref(), folder.as_os_str()])
        .expect_code(2)
        .expect_said("is a folder");
    lab.run(&["report", "-o", "x.pdf"]).expect_code(2).expect_said("print it from a browser");
    lab.run(&["report", "-o", "/no/such/folder/x.html"]).expect_code(1).expect_said("/no/such/folder/x.html");
}

/// A sample in which texts were replaced by others of the same length, so that all else stays.
fn with_texts(lab: &Lab, name: &str, texts: &[(&str, &str)]) -> PathBuf {
    let mut bytes = all_samples().into_iter().find(|s| s.name == name).unwrap().bytes();
    for (old, new) in texts {
        let new = format!("{new:width$}", width = old.len());
        assert_eq!(old.len(), new.len(), "{new} is too long");
        let at: Vec<usize> =
            (0..bytes.len() - old.len()).filter(|i| bytes[*i..].starts_with(old.as_bytes())).collect();
        assert!(!at.is_empty(), "{name} has no {old}");
        for i in at {
            bytes[i..i + new.len()].copy_from_slice(new.as_bytes());
        }
    }
    lab.write(&format!("{name}.pcap"), &bytes)
}

/// Captures with names in them that try to be markup, a formula, the end of a cell.
fn hostile(lab: &Lab) -> Vec<PathBuf> {
    vec![
        with_texts(lab, "exe_download", &[("update.exe", "<b>\"|*`.ex"), ("logo.png", "=1+1|<p>")]),
        with_texts(
            lab,
            "agent_tools",
            &[
                (
                    "WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)",
                    "WPScan </script><img src=x onerror=document.title=7>",
                ),
                (
                    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
                    "Nuclei [x](javascript:a) |*_`",
                ),
            ],
        ),
        // Server name and subject, banner, name asked for, account, program of a miner.
        with_texts(lab, "tls_selfsigned_expired", &[("portal.example.com", "<img src=x>.ex.com")]),
        with_texts(lab, "ssh", &[("OpenSSH_9.2p1 Debian-2+deb12u10", "<script>alert(1)</script>")]),
        with_texts(lab, "dns", &[("nobody", "<hr/>x")]),
        with_texts(lab, "cleartext_login", &[("alice", "<i>a>")]),
        with_texts(lab, "mining_stratum", &[("cgminer/4.12.1", "<svg onload=1>")]),
    ]
}

#[test]
fn names_from_the_wire_are_text_in_every_form() {
    let lab = Lab::new();
    lab.ingest(&hostile(&lab)).expect_codes(&[0, 3]);
    let json = report(&lab, &["--format", "json"]);
    assert!(
        json.contains("</script><img src=x onerror=document.title=7>"),
        "the name is in the report at all"
    );
    let page = report(&lab, &["--format", "html"]);
    assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=document.title=7&gt;"));
    for shown in
        ["<img src=x>.ex.com", "<script>alert(1)</script>", "<hr/>x.example.com", "<i>a>", "<svg onload=1>"]
    {
        let escaped = shown.replace('<', "&lt;").replace('>', "&gt;");
        assert!(page.contains(&escaped), "{shown} is on the page at all");
        assert!(!page.contains(shown), "{shown}");
    }
    assert!(!page.contains("<img") && !page.contains("<b>\"") && page.matches("</script>").count() == 1);
    let markdown = report(&lab, &["--format", "markdown"]);
    assert!(markdown.contains("&lt;/script&gt;&lt;img") && !markdown.contains("<img"), "{markdown}");
    assert!(!markdown.contains("[x](javascript"), "a link of the wire: {markdown}");
    assert!(markdown.contains("=1+1\\|&lt;p&gt;"), "a bar would end the cell: {markdown}");
    let table = report(&lab, &["--format", "csv", "files"]);
    assert!(table.contains("'=1+1|<p>"), "a spreadsheet would compute it: {table}");
    let text = report(&lab, &["files"]);
    assert!(text.lines().all(|l| !l.contains(['\u{1b}', '\u{7}', '\t'])), "{text}");
}

#[test]
fn the_page_works_in_a_browser_and_runs_nothing_of_the_wire() {
    if !tool("chromium") || !tool("python3") {
        return;
    }
    let lab = Lab::new();
    let mut captures = hostile(&lab);
    captures.extend(
        all_samples()
            .into_iter()
            .filter(|s| ["scan", "web_attack"].contains(&s.name.as_str()))
            .map(|s| s.capture),
    );
    lab.ingest(&captures).expect_codes(&[0, 3]);
    let page = lab.path("report.html");
    lab.run(&["report".as_ref(), "-o".as_ref(), page.as_os_str()]).expect_code(0);
    browser_accepts(&page);
    // The check itself sees an element that a text became.
    let text = std::fs::read_to_string(&page).unwrap();
    let broken = text.replace("&lt;img src=x onerror", "<img src=x onerror");
    assert_ne!(text, broken);
    let broken = lab.write("broken.html", broken.as_bytes());
    assert!(!checked(&broken).status.success(), "the check accepts a page with an image of the wire");
}

fn checked(page: &Path) -> std::process::Output {
    Command::new(root().join("scripts/report-page.sh")).arg(page).output().unwrap()
}

#[track_caller]
fn browser_accepts(page: &Path) {
    let out = checked(page);
    let words = [out.stdout.as_slice(), out.stderr.as_slice()].concat();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&words));
}

#[test]
fn hosts_and_the_report_agree_on_the_risk() {
    let lab = Lab::new();
    lab.ingest(&["guess_http/guess_http.pcap.gz", "web/web.pcap"]).expect_code(0);
    let risks = |json: &serde_json::Value, name: &str| -> Vec<(String, String)> {
        let rows = json.as_array().unwrap().iter().filter(|r| !r[name].is_null());
        rows.map(|r| (r["ip"].as_str().unwrap().to_owned(), r[name].to_string())).collect()
    };
    let parsed = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&lab.run(args).expect_code(0).stdout).unwrap()
    };
    let listed = risks(&parsed(&["hosts", "--sort", "risk", "--format", "json"]), "risk_score");
    assert!(listed.len() >= 2 && listed.len() < 6, "those with findings, and no others: {listed:?}");
    let table = Csv::parse(&report(&lab, &["--format", "csv", "hosts"]));
    let column = |name: &str| table.header.iter().position(|h| h == name).unwrap();
    let of_report: Vec<(String, f64)> = table
        .rows
        .iter()
        .filter(|r| !r[column("risk")].is_empty())
        .map(|r| (r[column("ip")].clone(), r[column("risk")].parse().unwrap()))
        .collect();
    for (ip, risk) in &listed {
        let risk: f64 = risk.parse().unwrap();
        assert!(of_report.contains(&(ip.clone(), risk)), "{ip} {risk}: {of_report:?}");
        let profile = parsed(&["hosts", ip, "--format", "json"]);
        assert_eq!(profile["host"][0]["risk_score"].as_f64(), Some(risk), "{profile}");
    }
    assert_eq!(listed.len(), of_report.len());
    // What is marked as innocent rates nobody.
    for id in lab.csv("SELECT anomaly_id FROM anomalies").lines().skip(1) {
        lab.run(&["anomalies", "set", id, "false-positive"]).expect_code(0);
    }
    assert!(risks(&parsed(&["hosts", "--format", "json"]), "risk_score").is_empty());
}
