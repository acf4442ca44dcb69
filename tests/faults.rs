//! What is left after kill -9, on a full disk, in a read-only folder?
//!
//! Each capture wholly or not at all, a database that opens, and a next ingest that works.

use crate::support::packets::{Packet, Pcap, multiply, pcap, read};
use crate::support::rows::Csv;
use crate::support::{BINARY, Lab, finish, may_mount, samples};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A capture that takes long enough to be interrupted at ten moments.
fn load(lab: &Lab, times: u32) -> (PathBuf, usize) {
    let packets: Vec<Packet> = ["web", "dns", "scan", "tls"]
        .iter()
        .flat_map(|n| read(&std::fs::read(samples().join(format!("{n}/{n}.pcap"))).unwrap()))
        .collect();
    let many = multiply(&packets, times);
    (lab.write("load.pcap", &pcap(&many, Pcap::Nano, false)), many.len())
}

/// Captures as the database shows them: path, packets, and the packets that the stored flows add up to.
fn stored(lab: &Lab) -> Vec<Vec<String>> {
    let sql = "SELECT c.path, c.packets, (SELECT sum(src_packets + dst_packets) FROM flows f WHERE f.capture_id = c.capture_id) \
               FROM captures c ORDER BY c.path";
    Csv::parse(&lab.csv(sql)).rows
}

#[test]
fn killed_at_ten_moments_every_capture_is_there_wholly_or_not_at_all() {
    let whole = Lab::new();
    let (path, packets) = load(&whole, 900);
    whole.ingest(&["ssh/ssh.pcap"]).expect_code(0);
    let began = Instant::now();
    whole.ingest(&[&path]).expect_code(0);
    let takes = began.elapsed();
    let expected: Vec<Vec<String>> = stored(&whole);
    let complete = expected.iter().find(|r| r[0] == path.display().to_string()).unwrap();
    assert_eq!(complete[1], packets.to_string());
    let mut interrupted = 0;
    for moment in 1..=10u32 {
        let lab = Lab::new();
        lab.ingest(&["ssh/ssh.pcap"]).expect_code(0);
        let mut child = lab
            .command(&["ingest".as_ref(), path.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Ten moments over the whole run, the last one about where it commits.
        std::thread::sleep(takes * moment / 10);
        let killed = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        interrupted += u32::from(killed);
        let after = stored(&lab);
        for row in &after {
            assert!(
                expected.contains(row),
                "after a kill at moment {moment}: {row:?} is none of {expected:?}"
            );
        }
        assert!(
            after.iter().any(|r| r[0] == "ssh/ssh.pcap"),
            "moment {moment}: what was there before is gone: {after:?}"
        );
        lab.ingest(&[&path]).expect_code(0);
        assert_eq!(stored(&lab), expected, "moment {moment}: the next ingest");
    }
    assert!(interrupted >= 5, "only {interrupted} of 10 runs were killed before their end ({takes:?} each)");
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    if !may_mount() {
        return;
    }
    let lab = Lab::new();
    let (load, _) = load(&lab, 900);
    let data = lab.path("data").display().to_string();
    std::fs::create_dir_all(lab.path("data")).unwrap();
    // Inside a mount namespace of its own: a small disk, one capture that fits, one that does not, and then a look.
    let script = format!(
        "mount -t tmpfs -o size=10m none {data} && \"$0\" ingest ssh/ssh.pcap >/dev/null 2>&1 && \
         {{ \"$0\" ingest {load}; echo \"code $?\"; }} >&2 ; \
         \"$0\" query --format csv -e 'SELECT path, packets > 0 AS some FROM captures' && \
         \"$0\" ingest dns/dns.pcap >/dev/null 2>&1; \
         \"$0\" query --format csv -e 'SELECT count(*) AS n FROM captures'",
        load = load.display()
    );
    let outcome = finish(lab.wrapped(&["unshare", "--mount", "sh", "-c", &script], &[BINARY]), &[])
        .expect_code(0)
        .expect_said("code 1");
    let stdout = outcome.stdout.clone();
    if stdout != "path,some\nssh/ssh.pcap,true\nn\n2\n" {
        outcome.fail("one capture before, none of the failed one, and the next ingest works");
    }
    outcome.expect_said("the disk is full");
}

#[test]
fn an_interrupt_ends_in_order() {
    let lab = Lab::new();
    let (path, _) = load(&lab, 900);
    let mut child = lab
        .command(&["ingest".as_ref(), path.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(400));
    let pid = rustix::process::Pid::from_child(&child);
    let running = child.try_wait().unwrap().is_none();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    if running {
        assert!(matches!(status.code(), Some(130 | 0)), "ended with {status:?} on Ctrl-C");
    }
    let complete = lab.value("SELECT count(*) FROM captures WHERE status = 'complete'");
    assert!(
        status.code() == Some(0) || complete == "0",
        "interrupted, but the capture calls itself complete"
    );
    lab.ingest(&[&path]).expect_code(0);
    assert_eq!(lab.value("SELECT count(*) FROM captures"), "1");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_damage_not_a_crash() {
    let lab = Lab::new();
    let (path, packets) = load(&lab, 900);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut child = lab
        .command(&["ingest".as_ref(), path.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(250));
    file.set_len(3_000_000).unwrap();
    let code = child.wait().unwrap().code();
    // It may have been read to its end before the cut; otherwise what was read is kept, or the file is refused as changed.
    match code {
        Some(0) => assert_eq!(lab.value("SELECT packets FROM captures"), packets.to_string()),
        Some(1) => {}
        Some(3) => assert_eq!(lab.value("SELECT status FROM captures"), "damaged"),
        other => panic!("ended with {other:?}"),
    }
}

/// A capture, its packets, and an empty folder to mount a small disk on; `None` where that is not allowed.
fn place_for_a_ring() -> Option<(Lab, PathBuf, usize, String)> {
    if !may_mount() {
        return None;
    }
    let lab = Lab::new();
    let (load, packets) = load(&lab, 60);
    let ring = lab.path("ring").display().to_string();
    std::fs::create_dir_all(&ring).unwrap();
    Some((lab, load, packets, ring))
}

#[test]
fn a_ring_on_a_full_disk_ends_whole_and_the_stream_goes_on() {
    let Some((lab, load, packets, ring)) = place_for_a_ring() else { return };
    let script = format!(
        "mount -t tmpfs -o size=2m none {ring} && {{ \"$0\" ingest --save-pcap {ring} --save-file-mib 1 - < {load}; echo \"code $?\"; }} >&2 ; \
         \"$0\" query --format csv -e \"SELECT (SELECT packets || ' ' || status FROM captures) AS c, \
            string_agg(status, ' ' ORDER BY file_no) AS f, bool_and(bytes > 0) AS b FROM capture_files\" && \
         \"$0\" extract --where 'last_packet < 1000' -o {out} >/dev/null; echo \"extract $?\"",
        load = load.display(),
        out = lab.path("out.pcapng").display()
    );
    let outcome = finish(lab.wrapped(&["unshare", "--mount", "sh", "-c", &script], &[BINARY]), &[])
        .expect_said("code 0")
        .expect_said("could not be kept: No space left on device");
    let stdout = outcome.stdout.clone();
    let wanted = format!("c,f,b\n{packets} complete,complete full,true\nextract 0\n");
    if stdout != wanted {
        outcome.fail(&format!("{wanted:?} expected"));
    }
}

#[test]
fn a_ring_goes_on_when_the_disk_has_room_again() {
    let Some((lab, load, packets, ring)) = place_for_a_ring() else { return };
    // What fills the disk goes after the first half of the packets.
    let half = std::fs::metadata(&load).unwrap().len() / 2;
    let script = format!(
        "mount -t tmpfs -o size=6m none {ring} && head -c 5500000 /dev/zero > {ring}/filler && \
         {{ {{ head -c {half} {load}; rm {ring}/filler; tail -c +{rest} {load}; }} | \
            \"$0\" ingest --save-pcap {ring} --save-file-mib 1 -; echo \"code $?\"; }} >&2 ; \
         \"$0\" query --format csv -e \"SELECT (SELECT packets || ' ' || status FROM captures) AS c, sum(packets) AS n, \
            string_agg(DISTINCT status, ' ' ORDER BY status) AS f, count(*) FILTER (status = 'full') AS gaps, \
            last(status ORDER BY file_no) AS end, count(*) FILTER (stop_reason LIKE '% packets after it could not be kept, until %') AS told FROM capture_files\"",
        load = load.display(),
        rest = half + 1,
    );
    let outcome = finish(lab.wrapped(&["unshare", "--mount", "sh", "-c", &script], &[BINARY]), &[])
        .expect_said("code 0")
        .expect_said("could not be kept, until");
    let wanted = format!("c,n,f,gaps,end,told\n{packets} complete,{packets},complete full,1,complete,1\n");
    let stdout = outcome.stdout.clone();
    if stdout != wanted {
        outcome.fail(&format!("{wanted:?} expected"));
    }
}
