//! Does `monitor` see what is on the wire, all of it, and end as it should?
//!
//! In network namespaces of their own with a pair of virtual devices: a sample is replayed into one end, the monitor watches the other. Needs
//! root, ip, tcpreplay and tcpdump; says so and is skipped where they are missing.

use crate::support::rows::{Csv, difference, dump};
use crate::support::{BINARY, Lab, Outcome, finish, samples, tool};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What must happen happens within this time, also on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A network namespace with the devices `va` and `vb`; goes with the test.
pub(crate) struct Net {
    name: String,
}

impl Net {
    /// `None` where the machine cannot; says why.
    pub(crate) fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !["ip", "tcpreplay", "tcpdump"].iter().all(|t| tool(t)) {
            return None;
        }
        let name = format!("sm{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).stderr(Stdio::null()).status();
        if !made.is_ok_and(|s| s.success()) {
            eprintln!("skipped: needs root, for a network namespace");
            return None;
        }
        let net = Self { name };
        // Only what is replayed shall be on the wire.
        net.sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; \
                ip link set lo up");
        net.devices();
        Some(net)
    }

    fn devices(&self) {
        self.sh("ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
    }

    fn sh(&self, script: &str) {
        let status =
            Command::new("ip").args(["netns", "exec", &self.name, "sh", "-c", script]).status().unwrap();
        assert!(status.success(), "{script}");
    }

    pub(crate) fn monitor(&self, lab: &Lab, args: &[&str]) -> Command {
        let mut all = vec!["netns", "exec", &self.name, BINARY, "monitor"];
        all.extend(args);
        let mut command = lab.wrapped(&["ip"], &all);
        // A test that runs at midnight shall have one capture, too.
        command.env("SECNETMON_MONITOR_CAPTURE_ROTATE", "never");
        command
    }

    pub(crate) fn replay(&self, sample: &str) {
        self.replay_at(sample, &["--pps", "4000"]);
    }

    pub(crate) fn replay_at(&self, sample: &str, speed: &[&str]) {
        let path = samples().join(format!("{sample}/{sample}.pcap"));
        let status = Command::new("ip")
            .args(["netns", "exec", &self.name, "tcpreplay", "-q", "-i", "va"])
            .args(speed)
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "tcpreplay {}", path.display());
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

/// A process that does not outlive its test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// `ip netns exec` becomes the program, so this is its number.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Exit code, stdout and stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let until = Instant::now() + SOON;
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "does not end");
            sleep(Duration::from_millis(20));
        }
        let read = |pipe: Option<&mut dyn std::io::Read>| {
            let mut text = Vec::new();
            if let Some(pipe) = pipe {
                pipe.read_to_end(&mut text).unwrap();
            }
            String::from_utf8_lossy(&text).into_owned()
        };
        let out = read(self.0.stdout.as_mut().map(|p| p as &mut dyn std::io::Read));
        let err = read(self.0.stderr.as_mut().map(|p| p as &mut dyn std::io::Read));
        (self.0.wait().unwrap().code(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !there() {
        assert!(Instant::now() < until, "{what}: not within {SOON:?}");
        sleep(Duration::from_millis(100));
    }
}

pub(crate) fn status(lab: &Lab) -> Outcome {
    finish(lab.command(&["status", "--json"]), &[])
}

/// The number of packets that the running monitor has seen, once it runs.
pub(crate) fn packets(lab: &Lab) -> Option<u64> {
    let text = status(lab).stdout;
    text.split_once("\"packets\":")?.1.split([',', '}']).next()?.parse().ok()
}

pub(crate) fn wait_until_running(lab: &Lab) {
    wait_for("the monitor runs", || packets(lab).is_some());
}

pub(crate) fn wait_for_packets(lab: &Lab, least: u64) {
    wait_for(&format!("{least} packets"), || packets(lab).is_some_and(|n| n >= least));
}

/// Packets of a capture file, as the program counts them.
pub(crate) fn count(path: &Path) -> u64 {
    let lab = Lab::new();
    lab.ingest(&[path]).expect_code(0);
    lab.value("SELECT sum(packets) FROM captures").parse().unwrap()
}

#[test]
fn what_is_watched_equals_what_is_read_from_a_file() {
    let Some(net) = Net::new() else { return };
    let (live, file) = (Lab::new(), Lab::new());
    let dump_path = live.write("tcpdump.pcap", b"");
    let ours = ["--local-net", "10.0.0.0/8,192.168.0.0/16"];
    let monitor = Running::start(
        net.monitor(&live, &["-i", "vb", "--json", "--set", "flow.open_after=1", ours[0], ours[1]]),
    );
    wait_until_running(&live);
    let mut tcpdump = Command::new("ip");
    tcpdump.args([
        "netns",
        "exec",
        &net.name,
        "tcpdump",
        "-i",
        "vb",
        "-U",
        "--time-stamp-precision=nano",
        "-B",
        "65536",
    ]);
    // It would change its user and could not write here.
    tcpdump.args(["-Z", "root", "-w"]).arg(&dump_path);
    let tcpdump = Running::start(tcpdump);
    wait_for("tcpdump writes its header", || std::fs::metadata(&dump_path).is_ok_and(|m| m.len() >= 24));
    sleep(Duration::from_millis(300));
    let shown = ["dns", "web", "tls", "ssh", "scan_vertical_syn"];
    let sent: u64 = shown.iter().map(|s| count(&samples().join(format!("{s}/{s}.pcap")))).sum();
    shown.iter().for_each(|s| net.replay(s));
    wait_for_packets(&live, sent);
    sleep(Duration::from_millis(500));
    tcpdump.signal(Signal::INT);
    tcpdump.end();
    monitor.signal(Signal::TERM);
    let (code, out, err) = monitor.end();
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(
        out.lines().any(|l| l.contains("\"kind\":\"port_scan_vertical\"")),
        "told as it happens: {out}\n{err}"
    );
    assert!(out.lines().all(|l| l.starts_with('{') && l.ends_with('}')), "{out}");
    file.run(&["ingest".as_ref(), ours[0].as_ref(), ours[1].as_ref(), dump_path.as_os_str()]).expect_code(0);
    assert_eq!(
        live.value("SELECT packets || ' ' || status || ' ' || dropped_packets FROM captures"),
        format!("{sent} complete 0")
    );
    let minutes = "SELECT sum(packets) || ' ' || sum(dropped_kernel + dropped_interface + dropped_here) || ' ' || any_value(device) || ' ' || \
                   (count(*) = count(DISTINCT ts)) FROM capture_intervals";
    assert_eq!(live.value(minutes), format!("{sent} 0 vb true"));
    // Identities and places in a file are their own; how long a detector took, too.
    let apart = [
        "anomaly_id",
        "capture_id",
        "content_hash",
        "first_offset",
        "last_offset",
        "path",
        "started_at",
        "duration_s",
    ];
    let tables = |lab: &Lab| {
        let mut all = dump(lab, &apart);
        all.retain(|name, _| {
            !["captures", "capture_files", "capture_intervals", "detector_runs"].contains(&name.as_str())
        });
        all
    };
    let (a, b) = (tables(&file), tables(&live));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert!(a["flows"].rows.len() > 200 && a.contains_key("anomalies") && a.contains_key("dns"));
    for (name, table) in &a {
        let (a, b) = (table.text(), b[name].text());
        assert!(a == b, "{name}: file and live differ\n{}", difference(&a, &b));
    }
}

#[test]
fn a_device_that_goes_and_comes_back_is_awaited_while_the_other_goes_on() {
    let Some(net) = Net::new() else { return };
    net.sh("ip link add other type veth peer name far && ip link set other up && ip link set far up");
    let lab = Lab::new();
    let monitor = Running::start(net.monitor(&lab, &["-i", "vb,far", "--local-net", "10.0.0.0/8"]));
    wait_until_running(&lab);
    net.replay("dns");
    let one = count(&samples().join("dns/dns.pcap"));
    wait_for_packets(&lab, one);
    net.sh("ip link del va");
    sleep(Duration::from_secs(2));
    let path = samples().join("dns/dns.pcap").display().to_string();
    net.sh(&format!("tcpreplay -q --pps 4000 -i other {path} >/dev/null 2>&1"));
    wait_for_packets(&lab, one * 2);
    net.devices();
    // Opened anew after a wait that grows; what is sent before is not seen.
    wait_for("captured again", || {
        net.replay("dns");
        packets(&lab).is_some_and(|n| n >= one * 3)
    });
    lab.run(&["stop"]).expect_code(0).expect_said("has ended");
    status(&lab).expect_code(1);
    let (code, out, err) = monitor.end();
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(
        err.contains("vb: lost") && err.contains("vb: captured again") && !err.contains("far: lost"),
        "{err}"
    );
    assert_eq!(lab.value("SELECT status FROM captures"), "complete");
    assert_eq!(lab.value("SELECT string_agg(path, ' ' ORDER BY file_no) FROM capture_files"), "vb far");
}

#[test]
fn killed_it_leaves_what_was_committed_and_the_next_one_goes_on() {
    let Some(net) = Net::new() else { return };
    let lab = Lab::new();
    // Flows that go on are shown, so that a kill does not take them along.
    let args = ["-i", "vb", "--local-net", "10.0.0.0/8", "--set", "flow.open_after=1"];
    let monitor = Running::start(net.monitor(&lab, &args));
    wait_until_running(&lab);
    net.replay("dns");
    wait_for_packets(&lab, count(&samples().join("dns/dns.pcap")));
    // Rows are committed a second after they were written, and their account within five.
    sleep(Duration::from_secs(7));
    monitor.signal(Signal::KILL);
    monitor.end();
    status(&lab).expect_code(1);
    let monitor = Running::start(net.monitor(&lab, &args));
    wait_until_running(&lab);
    monitor.signal(Signal::INT);
    assert_eq!(monitor.end().0, Some(0));
    let rows =
        Csv::parse(&lab.csv("SELECT status, packets > 0, flows > 0 FROM captures ORDER BY capture_no")).rows;
    assert_eq!(rows, [["interrupted", "true", "true"], ["complete", "false", "false"]]);
    let sql = "SELECT bool_or(end_reason = 'open') AND count(*) = count(DISTINCT flow_id) FROM flows";
    assert_eq!(lab.value(sql), "true");
}

#[test]
fn limits_and_mistakes_are_told_clearly() {
    let Some(net) = Net::new() else { return };
    let lab = Lab::new();
    for (args, said) in [
        (&["-i", "nosuch"][..], "there is no device nosuch"),
        (&["-i", "vb", "--filter", "port http or"], "is not understood"),
        (&["-i", "vb", "--user", "no-such-user"], "no user no-such-user"),
        (&["-i", "vb", "--duration", "soon"], "give a number of seconds"),
        (&[], "secnetmon interfaces lists them"),
    ] {
        finish(net.monitor(&lab, args), &[]).expect_code(2).expect_said(said);
    }
    assert!(!lab.database().exists(), "nothing was made for a mistake");
    let monitor = Running::start(net.monitor(&lab, &["-i", "vb", "--packets", "10", "--filter", "udp"]));
    wait_until_running(&lab);
    net.replay("dns");
    assert_eq!(monitor.end().0, Some(0));
    assert_eq!(lab.value("SELECT packets FROM captures"), "10");
    // Without the capability nothing is opened, and the remedy is named.
    if tool("setpriv") {
        let without = [
            "netns",
            "exec",
            &net.name,
            "setpriv",
            "--bounding-set",
            "-net_raw",
            "--inh-caps",
            "-all",
            BINARY,
            "monitor",
            "-i",
            "vb",
        ];
        finish(lab.wrapped(&["ip"], &without), &[])
            .expect_code(1)
            .expect_said("setcap cap_net_raw,cap_net_admin=eip");
    }
}

#[test]
fn a_daemon_belongs_to_its_user_says_how_it_is_doing_and_stops() {
    let Some(net) = Net::new() else { return };
    let lab = Lab::new();
    for folder in ["data", "state"] {
        std::fs::create_dir_all(lab.path(folder)).unwrap();
        std::os::unix::fs::chown(lab.path(folder), Some(65_534), Some(65_534)).unwrap();
    }
    let mut command =
        net.monitor(&lab, &["-i", "vb", "--daemon", "--local-net", "10.0.0.0/8,198.51.100.0/24"]);
    // The caller of sudo; with this home the lab's folders stay theirs.
    command.env("SUDO_UID", "65534").env("HOME", "/nonexistent");
    finish(command, &[]).expect_code(0).expect_said("running in the background");
    let stop = || lab.run(&["stop"]);
    let report = status(&lab).expect_code(0).stdout;
    let pid = report.split_once("\"pid\":").unwrap().1.split(',').next().unwrap().to_owned();
    let rights = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in ["Uid:\t65534", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(rights.contains(line), "{line} in\n{rights}");
    }
    net.replay("scan_vertical_syn");
    wait_for_packets(&lab, 400);
    stop().expect_code(0);
    stop().expect_code(1).expect_said("no monitor is running");
    let logs: Vec<String> = std::fs::read_dir(lab.path("state/secnetmon"))
        .unwrap()
        .map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap())
        .collect();
    assert!(logs.len() == 1 && logs[0].contains("port_scan_vertical"), "{logs:?}");
    use std::os::unix::fs::MetadataExt;
    let made = std::fs::metadata(lab.database()).unwrap();
    assert_eq!((made.uid(), made.mode() & 0o777), (65_534, 0o600));
    assert_eq!(lab.value("SELECT status FROM captures"), "complete");
}

#[test]
fn thresholds_are_read_anew_while_it_goes_on() {
    let Some(net) = Net::new() else { return };
    let lab = Lab::new();
    std::fs::create_dir_all(lab.path("config/secnetmon")).unwrap();
    let settings = lab.path("config/secnetmon/secnetmon.toml");
    std::fs::write(&settings, "[detect]\ndisabled = [\"port_scan\"]\n").unwrap();
    let monitor =
        Running::start(net.monitor(&lab, &["-i", "vb", "--local-net", "10.0.0.0/8,198.51.100.0/24"]));
    wait_until_running(&lab);
    let scan = count(&samples().join("scan_vertical_syn/scan_vertical_syn.pcap"));
    net.replay("scan_vertical_syn");
    wait_for_packets(&lab, scan);
    let scans = || lab.value("SELECT count(*) FROM anomalies WHERE kind = 'port_scan_vertical'");
    sleep(Duration::from_secs(10));
    assert_eq!(scans(), "0", "it is switched off");
    // A mistake changes nothing and ends nothing.
    std::fs::write(&settings, "[detect.port_scan]\nprots = 7\n").unwrap();
    monitor.signal(Signal::HUP);
    sleep(Duration::from_secs(7));
    std::fs::write(&settings, "[detect.port_scan]\nports = 20\n").unwrap();
    monitor.signal(Signal::HUP);
    sleep(Duration::from_secs(7));
    net.replay("scan_vertical_syn");
    wait_for_packets(&lab, scan * 2);
    monitor.signal(Signal::TERM);
    let (code, out, err) = monitor.end();
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert_eq!(scans(), "1");
    assert!(err.contains("not read anew, everything stays as it was: ") && err.contains("prots"), "{err}");
    assert!(err.contains("read anew: other numbers for port_scan, "), "{err}");
    let numbers =
        "SELECT json_extract(parameters, '$.ports') FROM detector_runs WHERE detector = 'port_scan'";
    assert!(lab.value(numbers).starts_with("20"), "{}", lab.value(numbers));
}
