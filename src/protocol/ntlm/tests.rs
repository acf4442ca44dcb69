//! Are logins by NTLM told, whoever carries them?

use super::*;
use crate::protocol::testing::{Bench, Run, Sent, orig, resp};
use crate::protocol::{Fed, Parser, Protocol, Transport, Verdict};

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A message of fixed fields and the values that its pointers, all behind byte 12, name.
fn message(kind: u8, fixed: usize, put: &[(usize, &[u8])], pointers: &[(usize, &[u8])]) -> Vec<u8> {
    let mut m = vec![0; fixed];
    m[..8].copy_from_slice(NTLM_SIGNATURE);
    m[8] = kind;
    for (at, bytes) in put {
        m[*at..*at + bytes.len()].copy_from_slice(bytes);
    }
    for (at, value) in pointers {
        let (len, offset) = ((value.len() as u16).to_le_bytes(), (m.len() as u32).to_le_bytes());
        m[*at..*at + 8].copy_from_slice(&[len, len].concat().into_iter().chain(offset).collect::<Vec<_>>());
        m.extend_from_slice(value);
    }
    m
}

const VERSION_10: &[u8] = &[10, 0, 0x63, 0x45, 0, 0, 0, 15];

pub(crate) fn type1() -> Vec<u8> {
    message(1, 40, &[(12, &0xe208_8297_u32.to_le_bytes()), (32, VERSION_10)], &[])
}

pub(crate) fn type2() -> Vec<u8> {
    let pair = |id: u8, v: &str| [&[id, 0, 2 * v.len() as u8, 0][..], &utf16(v)].concat();
    let list =
        [pair(2, "CORP"), pair(1, "DC1"), pair(4, "corp.example"), pair(3, "dc1.corp.example"), vec![0; 4]];
    let flags = 0xe28a_8215_u32.to_le_bytes();
    message(2, 56, &[(20, &flags), (48, VERSION_10)], &[(12, &utf16("CORP")), (40, &list.concat())])
}

pub(crate) fn type3(nt: &[u8]) -> Vec<u8> {
    let flags = 0xe288_8215_u32.to_le_bytes();
    message(
        3,
        88,
        &[(60, &flags), (64, VERSION_10)],
        &[(28, &utf16("CORP")), (36, &utf16("alice")), (44, &utf16("PC7")), (12, &[0; 24]), (20, nt)],
    )
}

/// As carriers of text send it.
pub(crate) fn in_base64(bytes: &[u8]) -> String {
    let letter = |n: u32| match n as u8 {
        n @ 0..26 => b'A' + n,
        n @ 26..52 => b'a' + n - 26,
        n @ 52..62 => b'0' + n - 52,
        62 => b'+',
        _ => b'/',
    };
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let whole = group.iter().chain(&[0; 2]).take(3).fold(0, |sum, b| sum << 8 | u32::from(*b));
        for i in 0..4 {
            let c = if i > group.len() { b'=' } else { letter(whole >> (18 - 6 * i) & 63) };
            text.push(char::from(c));
        }
    }
    text
}

/// Carries one blob a segment; the server's `OK` or `NO` is the outcome.
struct Carrier(Session);

impl Parser for Carrier {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if !self.0.feed(side, data, out) {
            self.0.outcome(Some(data == b"OK"), Some(printable(data, 9)), out);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.0.finish(out);
    }
}

static CARRIER: Protocol = Protocol {
    name: "carrier",
    about: "Carries NTLM in tests.",
    transports: &[Transport::Tcp],
    ports: &[],
    tables: &[&NTLM],
    buffer_cap: 1,
    probe: |_| Verdict::Mine(100),
    parser: Some(|| Box::new(Carrier(Session::new("carrier")))),
};

fn run(sent: &[Sent<'_>]) -> Run {
    let run = Bench::tcp(1).only(&[&CARRIER]).run(sent);
    assert_eq!(run.faults, 0);
    run
}

#[test]
fn a_login_with_all_its_names() {
    let run = run(&[orig(&type1()), resp(&type2()), orig(&type3(&[1; 90])), resp(b"OK")]);
    let r = run.records::<NtlmRecord>()[0];
    assert_eq!(
        (r.domain.as_deref(), r.username.as_deref(), r.hostname.as_deref()),
        (Some("CORP"), Some("alice"), Some("PC7"))
    );
    assert_eq!(
        (r.response, r.success, r.client_version.as_deref()),
        (Some("NTLMv2"), Some(true), Some("10.0.17763"))
    );
    let names =
        (r.server.nb_computer.as_deref(), r.server.dns_domain.as_deref(), r.server.dns_tree.as_deref());
    assert_eq!(names, (Some("DC1"), Some("corp.example"), None));
    let c = run.records::<Credential>()[0];
    assert_eq!(
        (c.account.as_deref(), c.secret, c.success),
        (Some("CORP\\alice"), Secret::Hashed, Some(true))
    );
    let clues: Vec<_> = run.records::<crate::protocol::clues::HostClue>();
    assert!(
        clues
            .iter()
            .any(|c| c.clue == Clue::User && c.value == "CORP\\alice" && c.ip == Ip::v4([10, 0, 0, 1]))
    );
    assert!(
        clues.iter().any(|c| c.clue == Clue::Domain && c.value == "CORP" && c.ip == Ip::v4([10, 0, 0, 2]))
    );
}

#[test]
fn the_forms_of_a_response() {
    for (nt, want) in [(&[1; 24][..], "NTLMv1-ESS"), (&[], "LM"), (&[1; 25], "NTLMv2")] {
        let run = run(&[orig(&type3(nt)), resp(b"NO")]);
        let r = run.records::<NtlmRecord>()[0];
        assert_eq!((r.response, r.success, r.status.as_deref()), (Some(want), Some(false), Some("NO")));
    }
    let nobody = message(3, 64, &[(60, &0x801_u32.to_le_bytes())], &[]);
    let run = run(&[orig(&nobody), resp(b"OK")]);
    let c = run.records::<Credential>()[0];
    assert_eq!((c.account.as_deref(), c.secret), (None, Secret::None));
}

#[test]
fn an_answer_never_seen_is_unknown() {
    let run = run(&[orig(&type1()), resp(&type2()), orig(&type3(&[1; 90])), orig(&type1())]);
    let all: Vec<_> = run.records::<NtlmRecord>().iter().map(|r| (r.success, r.username.is_some())).collect();
    assert_eq!(all, [(None, true), (None, false)], "a second login begins a second row");
}

#[test]
fn every_prefix_survives() {
    for m in [type1(), type2(), type3(&[1; 90])] {
        for end in 1..m.len() {
            run(&[orig(&m[..end])]);
        }
    }
    let mut lies = type3(&[1; 90]);
    lies[28 + 4..28 + 8].copy_from_slice(&[0xff; 4]);
    assert_eq!(run(&[orig(&lies)]).weirds, [WeirdKind::NtlmMalformed]);
}
