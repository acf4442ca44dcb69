//! Handshakes as they come: whole, in pieces, one-sided, lost, lying.

use super::*;
use crate::flow::{At, FlowView};
use crate::model::flow::Tuple;
use crate::model::ids::FlowId;
use crate::model::record::Record;
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use crate::protocol::Emitted;
use crate::protocol::clues::HostClue;

#[derive(Default)]
struct Flow {
    parser: Tls,
    left: [Vec<u8>; 2],
    skip: [u64; 2],
    rows: Vec<TlsHandshake>,
    certs: Vec<Certificate>,
    names: Vec<String>,
    weirds: Vec<WeirdKind>,
    host: Option<String>,
    done: bool,
    clock: i64,
}

impl Flow {
    fn with<R>(&mut self, work: impl FnOnce(&mut Tls, &mut Output<'_>) -> R) -> R {
        let ip = crate::model::addr::Ip::v4([10, 0, 0, 1]);
        let tuple = Tuple { src: ip, dst: ip, src_port: 40_000, dst_port: 443, protocol: 6 };
        let flow = FlowView { id: FlowId(1), tuple, first_ts: Timestamp(0), saw_start: true };
        self.clock += 1;
        let at = At { ts: Timestamp(self.clock), packet: 1 };
        let (rows, certs, weirds, host) = (&mut self.rows, &mut self.certs, &mut self.weirds, &mut self.host);
        let names = &mut self.names;
        let mut emit = |emitted| match emitted {
            Emitted::Record(_, record) => {
                if let Some(row) = record.as_type::<TlsHandshake>() {
                    rows.push(row.clone());
                } else if let Some(clue) = record.as_type::<HostClue>() {
                    names.push(clue.value.clone());
                } else {
                    certs.push(record.as_type::<Certificate>().unwrap().clone());
                }
            }
            Emitted::Weird(kind, _) => weirds.push(kind),
            Emitted::Hostname(name) => drop(host.get_or_insert(name.into())),
            Emitted::Expect(..) | Emitted::Next(..) => {}
        };
        work(&mut self.parser, &mut Output { flow: &flow, at, old_hashes: false, emit: &mut emit })
    }

    fn feed(&mut self, side: Side, data: &[u8]) -> &mut Self {
        let i = side.index();
        let n = (self.skip[i] as usize).min(data.len());
        self.skip[i] -= n as u64;
        if data[n..].is_empty() || self.done {
            return self;
        }
        self.left[i].extend_from_slice(&data[n..]);
        let all = std::mem::take(&mut self.left[i]);
        match self.with(|p, out| p.feed(side, &all, out)) {
            Fed::Took(n) => self.left[i] = all[n..].to_vec(),
            Fed::Skip(n) => self.skip[i] = n,
            Fed::Done | Fed::NotMine | Fed::Switch(_) => self.done = true,
        }
        self
    }

    fn client(&mut self, data: &[u8]) -> &mut Self {
        self.feed(Side::Orig, data)
    }

    fn server(&mut self, data: &[u8]) -> &mut Self {
        self.feed(Side::Resp, data)
    }

    fn end(&mut self) -> &mut Self {
        if !self.done {
            self.with(|p, out| p.finish(out));
        }
        self
    }
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn extension_of(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn vector(value: &[u8]) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes()[..], value].concat()
}

/// A ClientHello for example.org with GREASE, ALPN and TLS 1.3.
fn client_hello() -> Vec<u8> {
    let name = [&[0][..], &vector(b"Example.org")].concat();
    let extensions = [
        extension_of(0x0a0a, b""),
        extension_of(0, &vector(&name)),
        extension_of(10, &vector(&[0x1a, 0x1a, 0, 29, 0, 23])),
        extension_of(13, &vector(&[4, 3, 8, 4])),
        extension_of(16, &vector(b"\x02h2\x08http/1.1")),
        extension_of(43, &[4, 3, 4, 3, 3]),
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[4, 1, 2, 3, 4],
        &vector(&[0x2a, 0x2a, 0x13, 0x01, 0xc0, 0x2f]),
        &[1, 0],
        &vector(&extensions),
    ];
    message(1, &body.concat())
}

fn server_hello(session_id: &[u8], cipher: u16, extensions: &[u8], random: [u8; 32]) -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &random,
        &[session_id.len() as u8],
        session_id,
        &cipher.to_be_bytes(),
        &[0],
        &vector(extensions),
    ];
    message(2, &body.concat())
}

fn server_hello_13() -> Vec<u8> {
    let extensions = [extension_of(43, &[3, 4]), extension_of(51, &[0, 29, 0, 0])].concat();
    server_hello(&[1, 2, 3, 4], 0x1301, &extensions, [9; 32])
}

#[test]
fn a_handshake_of_tls_1_3() {
    let mut f = Flow::default();
    f.client(&record(22, &client_hello())).server(&record(22, &server_hello_13())).server(&record(20, &[1]));
    f.server(&record(23, &[0; 900])).client(&record(20, &[1])).client(&record(23, &[0; 53]));
    assert!(f.done, "nothing more is wanted");
    let row = &f.rows[0];
    assert_eq!((row.version, row.client_version, row.cipher), (Some(0x0304), Some(0x0304), Some(0x1301)));
    assert_eq!((row.server_name.as_deref(), f.host.as_deref()), (Some("example.org"), Some("example.org")));
    assert_eq!((row.alpn_offered.as_deref(), row.curve.as_deref()), (Some("h2,http/1.1"), Some("x25519")));
    assert_eq!(row.groups_offered.as_deref(), Some("x25519,secp256r1"));
    assert_eq!((row.ciphers_offered, row.extensions_offered, row.resumed), (Some(2), Some(5), Some(false)));
    assert!(row.ja4.as_deref().unwrap().starts_with("t13d0205h2_"));
    assert!(row.established_after.unwrap() > 0 && f.weirds.is_empty());
}

#[test]
fn an_alert_of_tls_1_3_is_no_finished() {
    let mut f = Flow::default();
    f.client(&record(22, &client_hello()))
        .server(&record(22, &server_hello_13()))
        .server(&record(23, &[0; 900]));
    f.client(&record(23, &[0; 19])).end();
    assert_eq!((f.rows.len(), f.rows[0].established_after), (1, None));
}

#[test]
fn a_hello_in_pieces_is_the_same_hello() {
    let mut whole = Flow::default();
    whole.client(&record(22, &client_hello())).end();
    let hello = client_hello();
    for size in [1, 2, 3, 5, 50, 200] {
        let records: Vec<u8> = hello.chunks(size).flat_map(|part| record(22, part)).collect();
        for segment in [1, 7, 1000] {
            let mut f = Flow::default();
            for piece in records.chunks(segment) {
                f.client(piece);
            }
            f.end();
            assert_eq!(f.rows[0].ja3, whole.rows[0].ja3, "records of {size}, segments of {segment}");
        }
    }
}

/// Made for this test: self-signed, P-256, CN=secnetmon.test, one DNS name, one address of RFC 5737.
const CERT: &[u8] = include_bytes!("test_cert.der");

fn certificates(chain: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> =
        chain.iter().flat_map(|der| [&(der.len() as u32).to_be_bytes()[1..], *der].concat()).collect();
    message(11, &[&(list.len() as u32).to_be_bytes()[1..], &list].concat())
}

#[test]
fn a_handshake_of_tls_1_2_shows_its_certificates() {
    let mut f = Flow::default();
    let flight = [
        server_hello(&[5, 6], 0xc02f, &extension_of(16, &vector(b"\x02h2")), [9; 32]),
        certificates(&[CERT, b"\x30\x03junk"]),
        message(12, &[3, 0, 23, 65, 4]),
        message(14, b""),
    ]
    .concat();
    f.client(&record(22, &client_hello())).server(&record(22, &flight));
    f.client(&record(22, &message(16, &[0; 66]))).client(&record(20, &[1])).client(&record(22, &[0xee; 40]));
    f.server(&record(20, &[1])).server(&record(22, &[0xee; 40]));
    assert!(f.done);
    let row = &f.rows[0];
    assert_eq!(
        (row.version, row.alpn.as_deref(), row.curve.as_deref()),
        (Some(0x0303), Some("h2"), Some("secp256r1"))
    );
    assert_eq!((row.server_certs, row.resumed), (2, Some(false)));
    assert_eq!(row.cert_sha256.as_deref(), Some(&*f.certs[0].sha256));
    assert_eq!((f.certs.len(), f.weirds.as_slice()), (1, &[WeirdKind::CertificateMalformed][..]));
    let cert = &f.certs[0];
    assert_eq!(
        (cert.common_name.as_deref(), &*cert.key_type, cert.key_bits),
        (Some("secnetmon.test"), "ec", Some(256))
    );
    assert_eq!(cert.san_dns.iter().map(|n| &**n).collect::<Vec<_>>(), ["secnetmon.test"]);
    assert_eq!(cert.san_ip.iter().map(|n| &**n).collect::<Vec<_>>(), ["192.0.2.7"]);
    assert!(cert.self_issued && cert.key_curve.as_deref() == Some("secp256r1"));
    assert_eq!(&*cert.signature_algorithm, "ecdsa-with-SHA256");
}

#[test]
fn a_resumed_session_has_no_certificate() {
    let mut f = Flow::default();
    f.client(&record(22, &client_hello()))
        .server(&record(22, &server_hello(&[1, 2, 3, 4], 0xc02f, b"", [9; 32])));
    f.server(&record(20, &[1]))
        .server(&record(22, &[0xee; 40]))
        .client(&record(20, &[1]))
        .client(&record(22, &[0xee; 40]));
    assert_eq!((f.rows[0].resumed, f.done), (Some(true), true));
}

#[test]
fn a_retry_is_followed_by_another_hello() {
    let retry = {
        let hex = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";
        let random: Vec<u8> =
            (0..32).map(|i| u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).unwrap()).collect();
        server_hello(&[1, 2, 3, 4], 0x1301, &extension_of(43, &[3, 4]), random.try_into().unwrap())
    };
    let mut f = Flow::default();
    let mut refused = Flow::default();
    refused.client(&record(22, &client_hello())).server(&record(22, &retry)).client(&record(21, &[2, 47]));
    assert_eq!((refused.rows[0].version, refused.rows[0].cipher), (Some(0x0304), Some(0x1301)));
    assert_eq!((refused.rows[0].hello_retry, refused.rows[0].ja3s.as_deref()), (true, None));
    f.client(&record(22, &client_hello())).server(&record(22, &retry)).server(&record(20, &[1]));
    f.client(&record(20, &[1])).client(&record(22, &client_hello())).server(&record(22, &server_hello_13()));
    f.server(&record(23, &[0; 900])).client(&record(23, &[0; 53]));
    assert_eq!((f.rows.len(), f.rows[0].hello_retry, f.rows[0].curve.as_deref()), (1, true, Some("x25519")));
    assert!(f.rows[0].established_after.is_some() && f.weirds.is_empty());
}

#[test]
fn a_fatal_alert_ends_it() {
    let mut f = Flow::default();
    f.client(&record(22, &client_hello())).server(&record(21, &[2, 40]));
    assert_eq!((f.done, f.rows[0].alert.as_deref()), (true, Some("server fatal handshake_failure")));
    assert_eq!(f.rows[0].established_after, None);
}

#[test]
fn either_side_may_be_missing() {
    let mut f = Flow::default();
    f.server(&record(22, &server_hello_13())).end();
    assert_eq!((f.rows[0].version, f.rows[0].client_version), (Some(0x0304), None));
    let mut f = Flow::default();
    f.client(&record(22, &client_hello()));
    for _ in 0..ONE_SIDED_CAP {
        f.client(&record(23, &[0; 1000]));
    }
    assert!(f.done && f.rows[0].established_after.is_none(), "it is not followed for ever");
}

#[test]
fn loss_is_survived_when_a_record_begins_a_segment() {
    let mut f = Flow::default();
    let flight = [server_hello(&[5], 0xc02f, b"", [9; 32]), certificates(&[CERT])].concat();
    let sent = record(22, &flight);
    f.client(&record(22, &client_hello())).server(&sent[..100]);
    f.left[1].clear();
    f.with(|p, out| p.gap(Side::Resp, 50, out));
    f.server(&[0xab; 30]).server(&record(20, &[1])).server(&record(22, &[0xee; 40]));
    f.client(&record(20, &[1])).client(&record(22, &[0xee; 40])).end();
    assert_eq!((f.rows.len(), f.rows[0].established_after.is_some()), (1, true));
}

#[test]
fn what_is_encrypted_behind_loss_is_not_read() {
    let mut f = Flow::default();
    let flight = [server_hello(&[5], 0xc02f, b"", [9; 32]), certificates(&[CERT])].concat();
    f.client(&record(22, &client_hello())).server(&record(22, &flight));
    f.client(&record(22, &message(16, &[0; 66]))).client(&record(20, &[1])).client(&record(22, &[0xee; 40]));
    // The server's ChangeCipherSpec is lost; its Finished, data and an alert are not.
    f.with(|p, out| p.gap(Side::Resp, 6, out));
    f.server(&record(22, &[0xee; 40]));
    assert_eq!((f.done, f.rows.len(), f.weirds.len()), (false, 0, 0));
    f.server(&record(23, &[0xee; 40])).end();
    assert!(f.rows[0].established_after.is_some() && f.weirds.is_empty(), "{:?}", f.weirds);
    let mut f = Flow::default();
    f.client(&record(22, &client_hello())).server(&record(22, &flight));
    f.with(|p, out| p.gap(Side::Resp, 6, out));
    f.server(&record(21, &[0xee; 24])).end();
    assert!(f.rows[0].alert.is_none() && f.weirds.is_empty(), "{:?}", f.weirds);
}

#[test]
fn hellos_of_ssl_2() {
    // SSL 3 offered in the form of SSL 2, with two ciphers of either kind.
    let body = [&[1, 3, 0, 0, 6, 0, 0, 0, 16][..], &[0, 0, 4, 1, 0, 0x80], &[7; 16]].concat();
    let hello = [&[0x80, body.len() as u8][..], &body].concat();
    assert_eq!(look(&hello), Look::Hello);
    let mut f = Flow::default();
    f.client(&hello).server(&record(22, &server_hello(&[5], 4, b"", [9; 32]))).end();
    assert_eq!(
        (f.rows[0].client_version, f.rows[0].version, f.rows[0].ciphers_offered),
        (Some(0x0300), Some(0x0303), Some(1))
    );
    let answer = [
        &[4, 0, 1, 0, 2][..],
        &(CERT.len() as u16).to_be_bytes(),
        &[0, 3, 0, 16],
        CERT,
        &[1, 0, 0x80],
        &[7; 16],
    ]
    .concat();
    let mut old = hello.clone();
    old[3..5].copy_from_slice(&[0, 2]);
    let mut f = Flow::default();
    f.client(&old).server(&[&(0x8000 | answer.len() as u16).to_be_bytes()[..], &answer].concat());
    assert_eq!((f.done, f.rows[0].version, f.certs.len()), (true, Some(2), 1));
    assert_eq!(f.rows[0].ciphers_offered, Some(1), "the one that is none of SSL 2 does not count");
}

#[test]
fn only_hellos_are_mine() {
    let verdict =
        |orig: &[u8], resp: &[u8]| probe(&Probe { orig, resp, transport: Transport::Tcp, ports: (1, 443) });
    let hello = record(22, &client_hello());
    assert_eq!(verdict(&hello, b""), Verdict::Mine(95));
    assert_eq!(verdict(b"", &record(22, &server_hello_13())), Verdict::Mine(95));
    assert_eq!(verdict(&hello[..5], b""), Verdict::NeedMore);
    assert_eq!(verdict(b"GET / HTTP/1.1\r\n", b""), Verdict::NotMine);
    let dark = record(23, &[0; 40]);
    assert_eq!(verdict(&dark, b""), Verdict::Mine(LATE_AT_HOME), "one record, on a port of TLS");
    let elsewhere =
        |orig: &[u8]| probe(&Probe { orig, resp: b"", transport: Transport::Tcp, ports: (1, 4242) });
    assert_eq!(elsewhere(&dark), Verdict::Mine(LATE), "whoever else claims it goes first");
    assert_eq!(elsewhere(&dark[..20]), Verdict::NeedMore, "its end is not there");
    assert_eq!(verdict(&dark, &dark), Verdict::Mine(80), "joined late");
    assert_eq!(verdict(&dark.repeat(2)[..50], b""), Verdict::Mine(80));
    assert_eq!(verdict(b"", &dark.repeat(2)), Verdict::Mine(80));
    assert_eq!(verdict(&[&dark[..], b"\x17\x03\x02\x00\x28"].concat(), b""), Verdict::NotMine);
    assert_eq!(verdict(&dark, b"HTTP/1.1 200 OK"), Verdict::NotMine);
    assert_eq!(verdict(b"\x17\x03\x01\0\0\x17\x03\x01\0\0", b""), Verdict::NotMine, "empty ones are no TLS");
    assert_eq!(verdict(b"\x16\x03\x01\x02\x00\x02\x00\x00", b""), Verdict::Mine(95));
    let keys = verdict(b"\x16\x03\x01\x02\x00\x10\x00\x00", b"");
    assert_eq!(keys, Verdict::Mine(LATE_AT_HOME), "a client's keys, behind its hello");
    assert_eq!(
        verdict(b"\x16\x03\x01\x00\x0f\x10\x01\x00", b""),
        Verdict::NotMine,
        "a message beyond 64 KiB"
    );
    assert_eq!(verdict(b"\x80\x90\x11\x22\x33\x44", b""), Verdict::NotMine);
    assert_eq!(verdict(b"", b""), Verdict::NeedMore);
}

#[test]
fn rows_fit_their_tables() {
    let cert = Certificate::parse(CERT, false, 0).unwrap();
    let records: [&dyn Record; 2] = [&TlsHandshake::default(), &cert];
    for record in records {
        let mut rows = Rows::new(record.table());
        {
            let mut row = rows.row();
            row.time(Timestamp(0)).i64(0).i64(0);
            record.write(&mut row);
        }
        assert_eq!(rows.faults(), 0, "{}", record.table().name);
    }
}

#[test]
fn no_prefix_and_no_flipped_bit_breaks_it() {
    let hello = record(22, &client_hello());
    let flight = record(22, &[server_hello(&[5], 0xc02f, b"", [9; 32]), certificates(&[CERT])].concat());
    for n in 0..=flight.len() {
        Flow::default().client(&hello[..n.min(hello.len())]).server(&flight[..n]).end();
    }
    for bit in 0..flight.len() * 8 {
        let (mut a, mut b) = (hello.clone(), flight.clone());
        b[bit / 8] ^= 1 << (bit % 8);
        if let Some(byte) = a.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        Flow::default().client(&a).server(&b).client(&record(23, &[0; 60])).end();
    }
}
