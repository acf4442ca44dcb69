//! Can a database be asked while another process writes it?
//!
//! `ingest --follow` owns it; every reading command asks at its socket, and what it leaves behind when it is killed harms nobody.

use crate::support::{Lab, Outcome, PATIENCE, samples};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// An ingest that follows a folder with one capture in it. Killed with the test.
struct Owner {
    child: Child,
    folder: PathBuf,
}

impl Owner {
    fn start(lab: &Lab, more: &[&str]) -> Self {
        let folder = lab.path("spool");
        std::fs::create_dir_all(&folder).unwrap();
        let mut args = vec!["ingest", "--follow"];
        args.extend(more);
        args.push(folder.to_str().unwrap());
        let child = lab.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { child, folder }
    }

    fn add(&self, sample: &str) {
        std::fs::copy(samples().join(sample), self.folder.join(sample.replace('/', "-"))).unwrap();
    }

    /// Stop it as Ctrl-C does; its exit code.
    fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ask until the answer is `wanted`.
fn until(lab: &Lab, sql: &str, wanted: &str) -> Outcome {
    let began = Instant::now();
    loop {
        let outcome = lab.run(&["query", "--format", "csv", "-e", sql]);
        if outcome.stdout.lines().nth(1) == Some(wanted) {
            return outcome;
        }
        if began.elapsed() > PATIENCE {
            outcome.fail(&format!("{wanted} expected"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn every_reading_command_asks_the_owner() {
    let lab = Lab::new();
    lab.ingest(&["scan_vertical_syn/scan_vertical_syn.pcap"]).expect_code(0);
    let anomaly = lab.value("SELECT anomaly_id FROM anomalies LIMIT 1");
    let mut owner = Owner::start(&lab, &[]);
    owner.add("dns/dns.pcap");
    let socket = lab.path("data/secnetmon.duckdb.sock");
    until(&lab, "SELECT count(*) FROM captures WHERE status = 'live'", "1");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let commands: &[&[&str]] = &[
        &["query", "top_talkers"],
        &["flows", "-n", "3"],
        &["hosts"],
        &["anomalies"],
        &["anomalies", "show", &anomaly],
        &["schema"],
        &["schema", "flows"],
        &["db", "info"],
        &["extract", "--anomaly", &anomaly, "-o", "-"],
    ];
    std::thread::scope(|scope| {
        for args in commands {
            scope.spawn(|| lab.run(args).expect_code(0));
        }
    });
    let copy = lab.path("copy.duckdb");
    lab.run(&["db", "backup", copy.to_str().unwrap()]).expect_code(0);
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let known = lab.value("SELECT count(*) FROM flows");
    let of_copy = lab.run(&["--db", copy.to_str().unwrap(), "query", "-e", "SELECT count(*) FROM flows"]);
    let copied = of_copy.expect_code(0).stdout.lines().nth(1).unwrap().parse::<u32>().unwrap();
    assert!(copied > 0 && copied <= known.parse().unwrap(), "{copied} of {known}");
    lab.run(&["query", "-e", "DELETE FROM flows"]).expect_code(1).expect_said("reading statement");
    lab.run(&["anomalies", "set", &anomaly, "acknowledged"]).expect_code(1).expect_said("in use by process");
    lab.ingest(&["web/web.pcap"]).expect_code(1).expect_said("in use by process");
    assert_eq!(owner.stop(), Some(0));
    assert!(!socket.exists() && !lab.path("data/out").exists());
    // Flows that were still open then are written at the end.
    let number = |text: &str| text.parse::<u32>().unwrap();
    assert!(number(&lab.value("SELECT count(*) FROM flows")) >= number(&known));
}

#[test]
fn rows_are_seen_while_it_goes_on_and_a_kill_leaves_no_trap() {
    let lab = Lab::new();
    let mut owner = Owner::start(&lab, &[]);
    owner.add("dns/dns.pcap");
    until(&lab, "SELECT count(*) > 0 FROM dns", "true");
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    assert!(lab.path("data/secnetmon.duckdb.sock").exists(), "a killed one cannot clean up");
    assert_ne!(lab.value("SELECT count(*) FROM dns"), "0", "the file is read");
    let mut owner = Owner::start(&lab, &[]);
    until(&lab, "SELECT status FROM captures WHERE status <> 'live'", "interrupted");
    until(&lab, "SELECT count(*) FROM captures WHERE status = 'live'", "1");
    owner.stop();
}

#[test]
fn packets_of_a_ring_are_found_while_it_is_written() {
    let lab = Lab::new();
    let ring = lab.path("ring");
    let mut owner =
        Owner::start(&lab, &["--save-pcap", ring.to_str().unwrap(), "--set", "flow.open_after=1"]);
    owner.add("web/web.pcap");
    until(&lab, "SELECT status FROM capture_files WHERE format = 'pcapng' AND packets > 0", "live");
    let out = lab.path("out.pcapng");
    let extract = || lab.run(&["extract", "--where", "true", "--force", "-o", out.to_str().unwrap()]);
    let said = extract().expect_code(0).stdout;
    assert!(said.contains(" packets of "), "{said}");
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    extract().expect_code(0);
    let mut owner = Owner::start(&lab, &[]);
    until(&lab, "SELECT count(*) FROM capture_files WHERE status = 'interrupted'", "1");
    owner.stop();
}
