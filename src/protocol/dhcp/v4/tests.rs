//! Are DHCP exchanges told whole, relayed and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, Run, orig};

/// A message with these options behind the cookie.
fn message(op: u8, client: [u8; 4], given: [u8; 4], options: &[&[u8]]) -> Vec<u8> {
    let mut d = vec![op, 1, 6, 0, 0, 0, 0x3d, 0x1d, 0, 0, 0, 0];
    d.extend([client, given, [0; 4], [0; 4]].concat());
    d.extend([0, 0x0b, 0x82, 1, 0xfc, 0x42]);
    d.resize(HEADER, 0);
    d.extend(COOKIE.to_be_bytes());
    d.extend(options.concat());
    d.push(255);
    d
}

fn run(d: &[u8]) -> Run {
    Bench::udp(67).only(&[&PROTOCOL]).run(&[orig(d)])
}

fn clues(run: &Run) -> Vec<String> {
    run.records::<HostClue>().iter().map(|c| format!("{} {} {}", c.ip, c.clue.name(), c.value)).collect()
}

#[test]
fn a_client_says_who_it_is() {
    let d = message(
        1,
        [0; 4],
        [0; 4],
        &[
            &[53, 1, 3, 50, 4, 10, 0, 0, 9, 54, 4, 10, 0, 0, 1, 61, 7, 1, 0, 0x0b, 0x82, 1, 0xfc, 0x42],
            b"\x0c\x05win10\x3c\x08MSFT 5.0\x37\x04\x01\x0f\x03\x06",
            &[81, 11, 4, 0, 0, 5, b'w', b'i', b'n', b'1', b'0', 1, b'x'],
        ],
    );
    let run = run(&d);
    let r = run.records::<DhcpRecord>()[0];
    assert_eq!((r.message_type, r.from_server, r.xid), (Some(3), false, 0x3d1d));
    assert_eq!(r.client_mac.map(|m| m.to_string()).as_deref(), Some("00:0b:82:01:fc:42"));
    assert_eq!(r.client_id.as_deref(), Some("00:0b:82:01:fc:42"));
    assert_eq!((r.fingerprint.as_deref(), r.fqdn.as_deref()), (Some("1,15,3,6"), Some("win10.x")));
    assert_eq!((run.service, run.faults, run.weirds.len()), (Some("dhcp"), 0, 0));
    let said = clues(&run);
    for want in ["10.0.0.9 name win10", "10.0.0.9 system MSFT 5.0", "10.0.0.9 fingerprint 1,15,3,6"] {
        assert!(said.iter().any(|c| c == want), "{want} in {said:?}");
    }
}

#[test]
fn a_server_gives_and_names_the_others() {
    let options: &[&[u8]] = &[
        &[
            53, 1, 5, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 14, 16, 3, 4, 10, 0, 0, 254, 6, 8, 10, 0, 0, 53, 8, 8,
            8, 8,
        ],
        b"\x0f\x07corp.ex",
        &[121, 9, 24, 192, 168, 5, 10, 0, 0, 7, 0],
        &[82, 9, 1, 4, b'e', b't', b'h', b'1', 2, 1, 0xff],
    ];
    let run = run(&message(2, [0; 4], [10, 0, 0, 9], options));
    let r = run.records::<DhcpRecord>()[0];
    assert_eq!((r.lease, r.assigned_ip), (Some(3600), Some(Ip::v4([10, 0, 0, 9]))));
    assert_eq!(r.routes, ["192.168.5.0/24 via 10.0.0.7"], "the route without its router is left out");
    assert_eq!((r.circuit_id.as_deref(), r.remote_id.as_deref()), (Some("eth1"), Some("ff")));
    let said = clues(&run);
    for want in [
        "10.0.0.1 role dhcp_server",
        "10.0.0.254 role router",
        "8.8.8.8 role resolver",
        "10.0.0.9 mac 00:0b:82:01:fc:42",
        "10.0.0.9 domain corp.ex",
    ] {
        assert!(said.iter().any(|c| c == want), "{want} in {said:?}");
    }
}

#[test]
fn a_wish_is_no_clue() {
    let discover = message(1, [0; 4], [0; 4], &[&[53, 1, 1, 50, 4, 10, 0, 0, 9], b"\x0c\x05win10"]);
    assert_eq!(clues(&run(&discover)), [""; 0]);
}

#[test]
fn long_and_overloaded_options_are_joined() {
    let mut d = message(2, [0; 4], [0; 4], &[&[53, 1, 2, 52, 1, 1], b"\x38\x02ab", b"\x38\x02cd"]);
    d[108..114].copy_from_slice(b"\x38\x02ef\xff\0");
    let run = run(&d);
    let r = run.records::<DhcpRecord>()[0];
    assert_eq!((r.message.as_deref(), r.boot_file.as_deref()), (Some("abcdef"), None));
}

#[test]
fn every_prefix_survives() {
    let d = message(1, [0; 4], [0; 4], &[&[53, 1, 3], b"\x0c\x05win10\x3c\x08MSFT 5.0"]);
    for end in 1..d.len() {
        let run = run(&d[..end]);
        let whole = end >= HEADER + 4;
        assert_eq!((run.faults, run.service == Some("dhcp")), (0, whole), "at {end}");
        assert_eq!(run.records::<DhcpRecord>().len(), usize::from(whole), "at {end}");
    }
    assert_eq!(run(&[1; 300]).weirds.len(), 0);
}

#[test]
fn a_message_that_the_snaplen_cut_keeps_its_addresses() {
    let whole = message(2, [0; 4], [10, 0, 0, 9], &[&[53, 1, 5]]);
    let cut = |port, len| {
        let sent = orig(&whole[..len]).of(whole.len());
        Bench::udp(67).source_port(port).run(&[sent])
    };
    let run = cut(68, 54);
    let r = run.records::<DhcpRecord>()[0];
    assert_eq!((r.message_type, r.assigned_ip), (None, Some(Ip::v4([10, 0, 0, 9]))));
    assert_eq!(r.client_mac.map(|m| m.to_string()).as_deref(), Some("00:0b:82:01:fc:42"));
    assert!(cut(4000, 54).records::<DhcpRecord>().is_empty());
    assert!(cut(68, 43).records::<DhcpRecord>().is_empty());
}
