//! Connections as they come: whole, shuffled, retried, refused, lying.

use super::initial::Pair;
use super::initial::sealing::seal;
use super::version::Version;
use super::*;
use crate::protocol::testing::{Bench, Run, Sent, orig, resp};

const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const SERVER: [u8; 4] = [0xaa, 0xbb, 0xcc, 0xdd];
const V2: u32 = 0x6b33_43cf;

fn vector(value: &[u8]) -> Vec<u8> {
    [&(value.len() as u16).to_be_bytes()[..], value].concat()
}

fn extension_of(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(value)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn client_hello() -> Vec<u8> {
    let name = [&[0][..], &vector(b"Example.org")].concat();
    let agent = [&[0x71, 0x29, 9][..], b"Chrome/99"].concat();
    let extensions = [
        extension_of(0, &vector(&name)),
        extension_of(16, &vector(b"\x02h3\x03doq")),
        extension_of(13, &vector(&[4, 3, 8, 4])),
        extension_of(43, &[2, 3, 4]),
        extension_of(57, &[&[1, 2, 0x40, 0x40][..], &agent].concat()),
    ]
    .concat();
    let ciphers = vector(&[0x13, 0x01, 0x13, 0x02]);
    message(1, &[&[3, 3][..], &[7; 32], &[0], &ciphers, &[1, 0], &vector(&extensions)].concat())
}

fn server_hello() -> Vec<u8> {
    let extensions = [extension_of(43, &[3, 4]), extension_of(51, &[0, 29, 0, 0])].concat();
    message(2, &[&[3, 3][..], &[9; 32], &[0], &[0x13, 0x01, 0], &vector(&extensions)].concat())
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let two = |n: usize| (n as u16 | 0x4000).to_be_bytes();
    [&[6][..], &two(offset), &two(data.len()), data].concat()
}

/// An Initial packet: from the client to `to`, or from the server.
fn initial(version: u32, key_id: &[u8], client: bool, to: &[u8], number: u8, frames: &[u8]) -> Vec<u8> {
    let pair = Pair::derive(&Version(version).salts()[0], key_id).unwrap();
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(if client { 1162 } else { 100 }), 0);
    let from: &[u8] = if client { &[1, 2] } else { &SERVER };
    let first = if version == V2 { 0xd0 } else { 0xc0 };
    let length = (payload.len() + 17) as u16 | 0x4000;
    let mut header = [&[first][..], &version.to_be_bytes(), &[to.len() as u8], to].concat();
    header.extend([&[from.len() as u8][..], from, &[0], &length.to_be_bytes(), &[number]].concat());
    seal(if client { &pair.client } else { &pair.server }, &header, header.len() - 1, &payload)
}

fn short() -> Vec<u8> {
    vec![0x41; 60]
}

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::udp(4242).run(sent);
    assert_eq!(run.faults, 0);
    run
}

#[test]
fn a_connection_of_every_version() {
    for (version, name) in [
        (1, "v1"),
        (V2, "v2"),
        (0xff00_001d, "draft-29"),
        (0xff00_001b, "draft-27"),
        (0xface_b002, "mvfst-27"),
    ] {
        let hello = initial(version, &ID, true, &ID, 0, &crypto(0, &client_hello()));
        let answer = initial(
            version,
            &ID,
            false,
            &[1, 2],
            0,
            &[&[2, 0, 0, 0, 0][..], &crypto(0, &server_hello())].concat(),
        );
        let run = run(&[orig(&hello), resp(&answer), orig(&short())]);
        let rows = run.records::<QuicConnection>();
        let row = rows[0];
        assert_eq!(
            (rows.len(), run.service, Version(row.version).to_string()),
            (1, Some("quic"), name.into())
        );
        assert_eq!(
            (row.server_name.as_deref(), run.hostname.as_deref()),
            (Some("example.org"), Some("example.org"))
        );
        assert_eq!((row.alpn_offered.as_deref(), row.cipher), (Some("h3,doq"), Some(0x1301)));
        assert_eq!((row.tls_version, row.group, row.established), (Some(0x0304), Some(29), true));
        assert_eq!(row.client_dcid.as_deref(), Some("8394c8f03e515708"));
        assert_eq!((row.client_cid.as_deref(), row.server_cid.as_deref()), (Some("0102"), Some("aabbccdd")));
        assert_eq!((row.user_agent.as_deref(), row.rtt), (Some("Chrome/99"), Some(1_000_000)));
        assert!(row.ja4.as_deref().unwrap().starts_with("q13d0205h3_") && run.weirds.is_empty());
    }
}

#[test]
fn a_hello_over_several_packets_in_any_order() {
    let hello = client_hello();
    let pieces: Vec<_> = hello.chunks(10).enumerate().map(|(i, piece)| crypto(i * 10, piece)).collect();
    let odd: Vec<u8> = pieces.iter().rev().step_by(2).flatten().copied().chain([1, 0, 0]).collect();
    let even: Vec<u8> = pieces.iter().rev().skip(1).step_by(2).flatten().copied().collect();
    let run = run(&[orig(&initial(1, &ID, true, &ID, 1, &odd)), orig(&initial(1, &ID, true, &ID, 0, &even))]);
    let rows = run.records::<QuicConnection>();
    assert_eq!((rows[0].server_name.as_deref(), rows[0].rtt), (Some("example.org"), None));
}

#[test]
fn a_request_for_another_hello_is_not_the_answer() {
    let retry = {
        let random: Vec<u8> = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
            .as_bytes()
            .chunks(2)
            .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
            .collect();
        let extensions = [extension_of(43, &[3, 4]), extension_of(51, &[0, 23])].concat();
        message(2, &[&[3, 3][..], &random, &[0], &[0x13, 0x01, 0], &vector(&extensions)].concat())
    };
    let (hello, answer) = (client_hello(), server_hello());
    let first = initial(1, &ID, true, &ID, 0, &crypto(0, &hello));
    let asked = initial(1, &ID, false, &[1, 2], 0, &crypto(0, &retry));
    let again = initial(1, &ID, true, &SERVER, 1, &crypto(hello.len(), &hello));
    let padded = [&again[..], &[0; 9]].concat();
    let given = initial(1, &ID, false, &[1, 2], 1, &crypto(retry.len(), &answer));
    let cut = run(&[orig(&first), resp(&asked), orig(&padded)]);
    let row = cut.records::<QuicConnection>()[0];
    assert_eq!((row.hello_retry, row.cipher, row.ja3s.as_deref()), (true, Some(0x1301), None));
    assert_eq!((row.established, row.group), (false, None));
    let whole = run(&[orig(&first), resp(&asked), orig(&padded), resp(&given), orig(&short())]);
    let row = whole.records::<QuicConnection>()[0];
    assert_eq!((row.hello_retry, row.group, row.established), (true, Some(29), true));
    let plain = run(&[orig(&first), resp(&initial(1, &ID, false, &[1, 2], 0, &crypto(0, &answer)))]);
    assert_eq!(row.ja3s, plain.records::<QuicConnection>()[0].ja3s);
}

#[test]
fn a_retry_changes_the_keys() {
    let hello = crypto(0, &client_hello());
    let retry = [&[0xf0, 0, 0, 0, 1, 2, 1, 2, 4][..], &SERVER, b"token", &[0x55; 16]].concat();
    let again = initial(1, &SERVER, true, &SERVER, 1, &hello);
    let answer = initial(1, &SERVER, false, &[1, 2], 0, &crypto(0, &server_hello()));
    // The first packet is damaged, so that only the second can be read.
    let mut first = initial(1, &ID, true, &ID, 0, &hello);
    first[400] ^= 1;
    let run = run(&[orig(&first), resp(&retry), orig(&again), resp(&answer)]);
    let row = run.records::<QuicConnection>()[0].clone();
    assert_eq!(
        (row.retry, row.server_name.as_deref(), row.cipher),
        (true, Some("example.org"), Some(0x1301))
    );
}

#[test]
fn a_refused_version_is_followed_by_another() {
    let asked = initial(0xff00_001d, &ID, true, &ID, 0, &[1]);
    let refused = [
        &[0x80, 0, 0, 0, 0, 2, 1, 2, 8][..],
        &ID,
        &[0, 0, 0, 1, 0x1a, 0x2a, 0x3a, 0x4a, 0x6b, 0x33, 0x43, 0xcf],
    ]
    .concat();
    let other = [3; 8];
    let again = initial(1, &other, true, &other, 1, &crypto(0, &client_hello()));
    let run = run(&[orig(&asked), resp(&refused), orig(&again)]);
    let row = run.records::<QuicConnection>()[0].clone();
    assert_eq!((row.server_versions.as_deref(), row.version), (Some("v1,v2"), 1));
    assert_eq!(row.server_name.as_deref(), Some("example.org"));
}

#[test]
fn a_server_that_changes_to_version_2_and_closes() {
    let hello = initial(1, &ID, true, &ID, 0, &crypto(0, &client_hello()));
    let early = [&[0xd0, 0, 0, 0, 1, 8][..], &ID, &[2, 1, 2, 30], &[0x66; 30]].concat();
    let close = [&[0x1c, 0x41, 0x78, 0, 3][..], b"bye"].concat();
    let answer = initial(V2, &ID, false, &[1, 2], 0, &[crypto(0, &server_hello()), close].concat());
    let run = run(&[orig(&[hello, early].concat()), resp(&answer)]);
    let row = run.records::<QuicConnection>()[0].clone();
    assert_eq!((row.version, row.cipher, row.early_data), (V2, Some(0x1301), true));
    assert_eq!(row.close.as_deref(), Some("server 0x178 no_application_protocol: bye"));
}

#[test]
fn googles_own() {
    let old = [&[0x0d][..], &ID, b"Q043\x01", &[0; 12], &[0xa0, 1, 0, 4], &google::sample()].concat();
    let later = [&[0xc3][..], b"Q046\x50", &ID, &[0, 0, 0, 1], &[0; 12], &[0xa0, 1, 0, 4], &google::sample()]
        .concat();
    for (sent, version) in [(old, "Q043"), (later, "Q046")] {
        let run = run(&[orig(&sent)]);
        let row = run.records::<QuicConnection>()[0].clone();
        assert_eq!((Version(row.version).to_string(), run.service), (version.into(), Some("quic")));
        assert_eq!(
            (row.server_name.as_deref(), row.user_agent.as_deref()),
            (Some("example.org"), Some("Chrome/60"))
        );
    }
}

#[test]
fn other_datagrams_are_not_mine() {
    assert_eq!(run(&[orig(&short()), resp(&short())]).service, None);
    let cut = [&[0xc3, 0, 0, 0, 1, 8][..], &ID, &[0, 0, 0x44, 0xd0], &[9; 40]].concat();
    assert_eq!(run(&[orig(&cut)]).service, None, "a length that does not fit, with a version as small as 1");
    assert_eq!(run(&[orig(&[0x80; 40])]).service, None);
}

#[test]
fn prefixes_and_flipped_bits_survive() {
    let hello = initial(1, &ID, true, &ID, 0, &crypto(0, &client_hello()));
    let answer = initial(1, &ID, false, &[1, 2], 0, &crypto(0, &server_hello()));
    for end in 0..answer.len() {
        run(&[orig(&hello[..hello.len() - end]), resp(&answer[..end]), orig(&hello)]);
    }
    for bit in (0..60 * 8).chain([600 * 8]) {
        let mut bad = hello.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        run(&[orig(&bad), resp(&answer), orig(&hello)]);
    }
}
