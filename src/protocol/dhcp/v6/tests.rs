//! Are DHCPv6 exchanges told whole, relayed and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, orig};

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn address() -> Vec<u8> {
    let mut ip = vec![0x20, 1, 0x0d, 0xb8];
    ip.resize(15, 0);
    ip.push(9);
    ip.extend([0, 0, 0, 100, 0, 0, 1, 0x2c]);
    ip
}

fn request() -> Vec<u8> {
    [
        vec![3, 0x12, 0x34, 0x56],
        option(1, &[0, 3, 0, 1, 2, 3, 4, 5, 6, 7]),
        option(3, &[vec![0; 12], option(5, &address())].concat()),
        option(6, &[0, 23, 0, 24]),
        option(39, b"\0\x03box\0"),
        option(16, b"\0\0\x01\x37\0\x08MSFT 5.0"),
    ]
    .concat()
}

#[test]
fn a_request_with_and_without_a_relay() {
    let plain = Bench::udp(547).only(&[&PROTOCOL]).run(&[orig(&request())]);
    let r = plain.records::<Dhcpv6Record>()[0];
    assert_eq!((r.message_type, r.xid, r.lease), (3, 0x12_3456, Some(300)));
    assert_eq!(joined(&r.addresses).as_deref(), Some("2001:db8::9"));
    assert_eq!(r.client_mac.map(|m| m.to_string()).as_deref(), Some("02:03:04:05:06:07"));
    assert_eq!((r.fqdn.as_deref(), r.fingerprint.as_deref()), (Some("box"), Some("23,24")));
    assert_eq!(r.vendor_class.as_deref(), Some("311 MSFT 5.0"));
    let named = plain.records::<HostClue>().iter().filter(|c| c.value == "box").count();
    assert_eq!((named, plain.service, plain.faults), (2, Some("dhcpv6"), 0), "sender and wanted address");

    let relayed =
        [&[12, 0][..], &[0x20; 16], &[0xfe; 16], &option(18, b"ge-0"), &option(9, &request())].concat();
    let run = Bench::udp(547).only(&[&PROTOCOL]).run(&[orig(&relayed)]);
    let through = run.records::<Dhcpv6Record>()[0];
    assert_eq!((through.relays, through.interface_id.as_deref()), (1, Some("ge-0")));
    assert_eq!((through.xid, through.relay_peer), (r.xid, Some(Ip::v6([0xfe; 16]))));
}

#[test]
fn an_answer_names_servers_and_prefixes() {
    let prefix = [&[0, 0, 0, 1, 0, 0, 0, 2, 56][..], &[0x20; 16]].concat();
    let reply = [
        vec![7, 0, 0, 1],
        option(2, &[0, 4, 9]),
        option(25, &[vec![0; 12], option(26, &prefix)].concat()),
        option(23, &[7; 32]),
        option(24, b"\x02ab\0\x01c\0"),
        option(13, b"\0\x02none left"),
    ]
    .concat();
    let run = Bench::udp(547).only(&[&PROTOCOL]).run(&[orig(&reply)]);
    let r = run.records::<Dhcpv6Record>()[0];
    assert_eq!((r.status, r.message.as_deref()), (Some(2), Some("none left")));
    assert_eq!((r.dns_servers.len(), r.domains.join(" ")), (2, "ab c".into()));
    assert!(r.prefixes[0].ends_with("/56"), "{:?}", r.prefixes);
    assert!(run.records::<HostClue>().iter().any(|c| c.value == "dhcp_server"));
}

#[test]
fn every_prefix_survives_and_relays_end() {
    let whole = request();
    for end in 0..whole.len() {
        let run = Bench::udp(547).only(&[&PROTOCOL]).run(&[orig(&whole[..end])]);
        assert_eq!(run.faults, 0);
    }
    let mut nested = request();
    for _ in 0..9 {
        nested = [&[12, 0][..], &[0x20; 32], &option(9, &nested)].concat();
    }
    assert_eq!(Dhcpv6Record::read(&nested), None, "more relays than allowed");
}

#[test]
fn questions_for_leases_have_names() {
    let query = [vec![14, 0, 0, 7], option(1, &[0, 3, 0, 1, 2, 3, 4, 5, 6, 7])].concat();
    let run = Bench::udp(547).run(&[orig(&query)]);
    assert_eq!(run.records::<Dhcpv6Record>()[0].message_type, 14);
    assert_eq!((type_name(14), run.service), (Some("leasequery"), Some("dhcpv6")));
}
