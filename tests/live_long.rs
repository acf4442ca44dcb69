//! What becomes of a monitor that goes on for long: is it cut without loss, do old captures go, are drops counted?
//!
//! With the network namespaces of `live`; skipped where that is.

use crate::live::{Net, Running, count, packets, status, wait_for, wait_for_packets, wait_until_running};
use crate::support::{Lab, samples};
use rustix::process::Signal;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn a_monitor_is_cut_loses_nothing_and_lets_go_of_what_is_old() {
    let Some(net) = Net::new() else { return };
    let (lab, file) = (Lab::new(), Lab::new());
    let ring = lab.path("ring").display().to_string();
    let ours = ["--local-net", "10.0.0.0/8"];
    let args = ["-i", "vb", "--rotate", "10s", "--save-pcap", &ring, ours[0], ours[1]];
    let monitor = Running::start(net.monitor(&lab, &args));
    wait_until_running(&lab);
    let path = samples().join("ssh/ssh.pcap");
    let sent = count(&path);
    // Some 24 seconds: two cuts at least, and hardly between two connections.
    net.replay_at("ssh", &["--pps", "6"]);
    wait_for_packets(&lab, sent);
    monitor.signal(Signal::TERM);
    let (code, out, err) = monitor.end();
    assert_eq!(code, Some(0), "{out}\n{err}");
    assert!(
        err.contains("the monitor goes on in a new capture") && out.contains("captures: "),
        "{out}\n{err}"
    );
    let all = "SELECT sum(packets) || ' ' || bool_and(status = 'complete') || ' ' || (count(*) >= 3) || ' ' || \
               (count(continues) = count(*) - 1) FROM captures";
    assert_eq!(lab.value(all), format!("{sent} true true true"));
    assert_eq!(lab.value("SELECT sum(packets) FROM capture_intervals"), sent.to_string());
    let chain = "SELECT count(*) FROM captures c JOIN captures b ON c.continues = b.capture_id AND c.capture_no = b.capture_no + 1";
    assert_eq!(lab.value(chain), lab.value("SELECT count(continues) FROM captures"));
    // Together they are what the file is.
    file.run(&["ingest".as_ref(), ours[0].as_ref(), ours[1].as_ref(), path.as_os_str()]).expect_code(0);
    let sums = "SELECT protocol, src_ip, src_port, dst_ip, dst_port, sum(src_packets), sum(dst_packets), sum(src_bytes), sum(dst_bytes), \
                sum(src_stream_bytes), sum(dst_stream_bytes), max(service) FROM flows GROUP BY ALL ORDER BY ALL";
    assert_eq!(lab.csv(sums), file.csv(sums));
    let parts = "SELECT bool_or(n >= 2 AND n = parts AND n = ids) FROM (SELECT count(DISTINCT capture_id) AS n, count(*) AS parts, \
                 count(DISTINCT flow_id) AS ids FROM flows WHERE dst_port = 22 GROUP BY src_port)";
    assert_eq!(lab.value(parts), "true", "a connection with a part in each");
    let lone = "SELECT (SELECT count(*) FROM ssh) || ' ' || count(*) FROM ssh s ANTI JOIN flows f USING (capture_id, flow_id)";
    assert_eq!(lab.value(lone), format!("{} 0", file.value("SELECT count(*) FROM ssh")));
    // A file of the ring belongs to one capture, and the packets of every part are found.
    assert_eq!(
        lab.value("SELECT count(*) = count(DISTINCT path) AND count(*) >= 3 FROM capture_files"),
        "true"
    );
    let taken = lab.path("taken.pcapng");
    lab.run(&["extract", "--where", "true", "-o", taken.to_str().unwrap()]).expect_code(0);
    let flows: u64 = lab.value("SELECT sum(src_packets + dst_packets) FROM flows").parse().unwrap();
    assert_eq!(count(&taken), flows);
    // The next monitor may keep less than a list of indicators takes: what is complete goes, its own captures, too.
    let list = lab.path("list.txt");
    let hashes: String =
        (1..=50_000_u64).map(|n| format!("{:016x}{n:048x}\n", n.wrapping_mul(u64::MAX / 3))).collect();
    std::fs::write(&list, hashes).unwrap();
    lab.run(&["intel", "add", list.to_str().unwrap()]).expect_code(0);
    let small = ["-i", "vb", "--rotate", "10s", "--set", "store.max_database_size_mib=1", ours[0], ours[1]];
    let monitor = Running::start(net.monitor(&lab, &small));
    wait_until_running(&lab);
    net.replay("dns");
    wait_for_packets(&lab, count(&samples().join("dns/dns.pcap")));
    let kept = || {
        lab.value("SELECT count(*) || ' ' || bool_and(status = 'live') || ' ' || (max(continues) IS NOT NULL) FROM captures")
    };
    wait_for("the first capture of a running monitor goes", || kept() == "1 true true");
    assert_eq!(lab.value("SELECT count(*) FROM dns"), "0");
    monitor.signal(Signal::TERM);
    assert_eq!(monitor.end().0, Some(0));
}

#[test]
fn what_the_kernel_drops_is_counted_by_the_minute_and_told() {
    let Some(net) = Net::new() else { return };
    let lab = Lab::new();
    let monitor =
        Running::start(net.monitor(&lab, &["-i", "vb", "--buffer-mib", "1", "--local-net", "10.0.0.0/8"]));
    wait_until_running(&lab);
    // It does not read while more comes than a MiB holds, some 30 times over.
    let loops = 2_000;
    let sent = count(&samples().join("web/web.pcap")) * loops;
    monitor.signal(Signal::STOP);
    net.replay_at("web", &["--topspeed", "-K", &format!("--loop={loops}")]);
    monitor.signal(Signal::CONT);
    let seen = || status(&lab).stdout.split_once("\"packets\":").map(|(_, rest)| rest.to_owned());
    wait_for("it has read what is left", || {
        let before = seen();
        sleep(Duration::from_secs(3));
        seen() == before && packets(&lab).is_some_and(|n| n > 0)
    });
    monitor.signal(Signal::TERM);
    let (code, out, err) = monitor.end();
    assert_eq!(code, Some(0), "{out}\n{err}");
    let counted = "SELECT packets + dropped_packets || ' ' || (dropped_packets > packets) || ' ' || status FROM captures";
    assert_eq!(lab.value(counted), format!("{sent} true complete"));
    let minutes = "SELECT (SELECT packets || ' ' || dropped_packets FROM captures) = sum(packets) || ' ' || sum(dropped_kernel) FROM capture_intervals";
    assert_eq!(lab.value(minutes), "true");
    assert!(
        err.contains("by the kernel (its buffer was full)") && out.contains("dropped while capturing"),
        "{out}\n{err}"
    );
}
