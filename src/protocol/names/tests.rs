//! Real first bytes get their name, and nothing gets a wrong one.

use super::samples::{Sample, all};
use super::*;
use crate::model::flow::ServiceSource;
use crate::protocol::ALL;
use crate::protocol::testing::{Bench, orig, resp};
use proptest::prelude::*;

/// Name by content, on a port that hints at nothing unless one is given.
fn tcp(port: u16, o: &[u8], r: &[u8]) -> Option<&'static str> {
    let run =
        Bench::tcp(port).run(&[orig(o), resp(r)].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>());
    run.service.filter(|_| run.source == Some(ServiceSource::Content))
}

fn udp(port: u16, o: &[u8]) -> Option<&'static str> {
    let run = Bench::udp(port).run(&[orig(o)]);
    run.service.filter(|_| run.source == Some(ServiceSource::Content))
}

#[test]
fn servers_that_greet() {
    let cases: &[(&str, &[u8], &[u8])] = &[
        ("ftp", b"USER anonymous\r\n", b"220 ready\r\n"),
        ("ftp", b"", b"220 (vsFTPd 3.0.3)\r\n"),
        ("smtp", b"EHLO client\r\n", b"220 mail.example\r\n"),
        ("smtp", b"", b"220 mail.example ESMTP\r\n"),
        ("pop3", b"CAPA\r\n", b"+OK ready\r\n"),
        ("imap", b"a1 CAPABILITY\r\n", b"* OK ready\r\n"),
        ("nntp", b"MODE READER\r\n", b"200 news\r\n"),
        ("rfb", b"", b"RFB 003.008\n"),
        ("mysql", b"", b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0"),
        ("rsync", b"", b"@RSYNCD: 31.0\n"),
        ("telnet", b"", b"\xff\xfd\x18\xff\xfd\x20"),
    ];
    for (name, o, r) in cases {
        assert_eq!(tcp(4242, o, r), Some(*name), "{o:?} {r:?}");
    }
}

#[test]
fn clients_that_speak_first() {
    let cases: &[(&str, &[u8])] = &[
        ("irc", b"NICK bot\r\nUSER a b c :d\r\n"),
        ("xmpp", b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>"),
        ("git", b"0032git-upload-pack /project.git\0host=example\0"),
        ("postgresql", b"\0\0\0\x08\x04\xd2\x16\x2f"),
        ("postgresql", b"\0\0\0\x20\0\x03\0\0user\0me\0database\0d\0\0"),
        ("redis", b"*1\r\n$4\r\nPING\r\n"),
        ("mqtt", b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"),
        ("amqp", b"AMQP\0\0\x09\x01"),
        ("stomp", b"CONNECT\naccept-version:1.2\n\n\0"),
        ("rdp", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
        ("smb", b"\0\0\0\x2c\xfeSMB\x40\0"),
        ("dcerpc", b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0"),
        ("ldap", b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0"),
        ("bittorrent", b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0"),
        ("rtsp", b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n"),
        ("sip", b"REGISTER sip:x SIP/2.0\r\n"),
        ("pptp", b"\0\x9c\0\x01\x1a\x2b\x3c\x4d\0\x01\0\0"),
        ("iec104", b"\x68\x04\x07\0\0\0"),
        ("bgp", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x1d\x01\x04"),
    ];
    for (name, o) in cases {
        assert_eq!(tcp(4242, o, b""), Some(*name), "{o:?}");
        // Byte by byte the name must be the same: nobody may decide too early.
        let bytes: Vec<_> = o.chunks(1).map(orig).collect();
        assert_eq!(Bench::tcp(4242).run(&bytes).service, Some(*name), "{name} byte by byte");
    }
}

#[test]
fn answers_that_make_it_sure() {
    let ask = b"\0\x01\0\0\0\x06\x01\x03\0\0\0\x02";
    assert_eq!(tcp(4242, ask, b"\0\x01\0\0\0\x07\x01\x03\x04\0\0\0\0"), Some("modbus"));
    assert_eq!(tcp(502, ask, b"\0\x02\0\0\0\x07\x01\x03\x04\0\0\0\0"), None, "another transaction");
    assert_eq!(tcp(502, ask, b""), Some("modbus"), "on its port a request whose fields all fit is enough");
    assert_eq!(
        Bench::tcp(502).run(&[orig(&ask[..8])]).source,
        Some(ServiceSource::Port),
        "the start of one is a hint"
    );
    assert_eq!(tcp(4242, b"\x05\x01\0", b"\x05\0"), Some("socks"));
    assert_eq!(tcp(4242, b"\x05\x01\0", b"\x05\x02"), None, "a method that was not offered");
    // The frame of IEEE 1815 that every introduction shows: link status request from 1024 to 1.
    let frame = b"\x05\x64\x05\xc0\x01\0\0\x04\xe9\x21";
    assert_eq!(tcp(4242, frame, b""), Some("dnp3"));
}

#[test]
fn datagrams() {
    let mut dhcp = vec![0; 244];
    dhcp[..3].copy_from_slice(&[1, 1, 6]);
    dhcp[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    let ntp = [&[0x23, 0][..], &[0; 46]].concat();
    let stun = b"\0\x01\0\0\x21\x12\xa4\x42abcdefghijkl";
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &[0; 12], &[8, 0, 0x45]].concat();
    let teredo = [&[0x60, 0, 0, 0, 0, 0, 59, 64][..], &[0x20, 0x01, 0, 0], &[1; 28]].concat();
    let cases: &[(&str, u16, &[u8])] = &[
        ("dhcp", 4242, &dhcp),
        ("ntp", 123, &ntp),
        ("stun", 4242, stun),
        ("vxlan", 4789, &vxlan),
        ("geneve", 6081, &[0, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3]),
        ("gtp", 2152, &[0x30, 0xff, 0, 1, 0, 0, 0, 1, 0x45]),
        ("teredo", 4242, &teredo),
        ("snmp", 4242, b"\x30\x0d\x02\x01\x01\x04\x06public\xa0\x01"),
        ("syslog", 4242, b"<34>Oct 11 22:14:15 host su: failed"),
        ("ssdp", 4242, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"),
        ("tftp", 4242, b"\0\x01boot.cfg\0octet\0"),
        ("bittorrent", 4242, b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:aa1:y1:qe"),
        ("bacnet", 47808, &[0x81, 0x0b, 0, 8, 1, 0x20, 0xff, 0xff]),
        ("coap", 5683, &[0x40, 0x01, 0, 1, 0xb1, b'x']),
        ("kerberos", 4242, &[0x6a, 0x0a, 0x30, 0x08, 0xa1, 3, 2, 1, 5, 0xa2, 1, 0]),
    ];
    for (name, port, data) in cases {
        assert_eq!(udp(*port, data), Some(*name));
        for end in 1..data.len() {
            let got = udp(*port, &data[..end]);
            assert!(got.is_none() || got == Some(*name), "{name} cut at {end} is taken for {got:?}");
        }
    }
    assert_eq!(udp(4242, &ntp), None, "48 bytes are no clock");
}

/// The surest claim of all probes over one transport, as the dispatcher decides when no more bytes come. A claim whose parser wants to see
/// more before it gives its name (RTP) is none yet.
fn surest_claim(transport: Transport, port: u16, o: &[u8], r: &[u8]) -> Option<(&'static str, u8)> {
    let probe = Probe { orig: o, resp: r, transport, ports: (40_000, port) };
    let mut best = None;
    for p in ALL.iter().filter(|p| p.transports.contains(&transport)) {
        match (p.probe)(&probe) {
            Verdict::Mine(_) if p.parser.is_some_and(|new| !new().sure()) => {}
            Verdict::Mine(sure) if best.is_none_or(|(_, b)| sure > b) => best = Some((p.name, sure)),
            _ => {}
        }
    }
    best
}

fn bench(sample: &Sample, port: u16) -> Bench {
    match sample.transport {
        Transport::Tcp => Bench::tcp(port),
        Transport::Udp => Bench::udp(port),
    }
}

#[test]
fn every_sample_has_its_own_name_at_home() {
    let mut wrong = Vec::new();
    for s in all() {
        let sent: Vec<_> = [orig(&s.orig), resp(&s.resp)].into_iter().filter(|s| !s.is_empty()).collect();
        let run = bench(&s, s.port).run(&sent);
        if (run.service, run.source) != (Some(s.name), Some(ServiceSource::Content)) {
            wrong.push((s.name, s.port, run.service));
        }
        if s.transport == Transport::Tcp {
            let bytes: Vec<_> = s.orig.chunks(1).map(orig).chain(s.resp.chunks(1).map(resp)).collect();
            let run = bench(&s, s.port).run(&bytes);
            if (run.service, run.source) != (Some(s.name), Some(ServiceSource::Content)) {
                wrong.push(("byte by byte", s.port, run.service));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What only the port can tell: a line and its answer, an X.224 connection without a word about what it is for. And DNS has
/// no mark of its own: on its ports it takes what fits, as does ESP, of which only a number is not random.
fn told_by_port(sample: &str, taken_for: &str) -> bool {
    taken_for == "dns"
        || matches!(
            (sample, taken_for),
            ("whois", "finger") | ("finger", "whois") | ("mms", "rdp" | "tds") | ("dns", "esp")
        )
}

#[test]
fn no_sample_has_another_name_on_any_port() {
    let mut ports: Vec<u16> = ALL.iter().flat_map(|p| p.ports).copied().chain([4242]).collect();
    ports.sort_unstable();
    ports.dedup();
    let mut wrong = Vec::new();
    for s in all() {
        for port in &ports {
            let claim = surest_claim(s.transport, *port, &s.orig, &s.resp).map(|(name, _)| name);
            if claim.is_some_and(|name| name != s.name && !told_by_port(s.name, name)) {
                wrong.push((s.name, *port, claim));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn no_beginning_of_a_sample_has_another_name() {
    let mut wrong = Vec::new();
    for s in all() {
        for end in 1..s.orig.len().min(128) {
            for port in [s.port, 4242] {
                let claim = surest_claim(s.transport, port, &s.orig[..end], &[]).map(|(name, _)| name);
                if claim.is_some_and(|name| name != s.name && !told_by_port(s.name, name)) {
                    wrong.push((s.name, end, claim));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_probe_that_declines_has_declined_for_good() {
    let mut wrong = Vec::new();
    for s in all().into_iter().filter(|s| s.transport == Transport::Tcp) {
        for p in ALL.iter().filter(|p| p.transports.contains(&s.transport)) {
            let said = |o: usize, r: usize, port| {
                let ports = (40_000, port);
                let probe = Probe { orig: &s.orig[..o], resp: &s.resp[..r], transport: s.transport, ports };
                (p.probe)(&probe)
            };
            let (o, r) = (s.orig.len(), s.resp.len());
            for port in [s.port, 4242] {
                let first = if o > 0 { said(1, 0, port) } else { said(0, 1, port) };
                if said(o, r, port) != Verdict::NotMine && first == Verdict::NotMine {
                    wrong.push((p.name, s.name, port));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "declined the first byte, not the rest: {wrong:?}");
}

#[test]
fn numbers_of_ip_protocols_are_services() {
    use crate::model::flow::ip_protocol;
    assert_eq!(by_number(89), Some("ospf"));
    assert_eq!(
        (by_number(ip_protocol::TCP), by_number(ip_protocol::UDP), by_number(253)),
        (None, None, None)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Random bytes are nothing, on a port that belongs to nobody.
    #[test]
    fn random_bytes_have_no_name(
        o in prop::collection::vec(any::<u8>(), 0..300),
        r in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for transport in [Transport::Tcp, Transport::Udp] {
            prop_assert_eq!(surest_claim(transport, 4242, &o, &r), None);
        }
    }
}
