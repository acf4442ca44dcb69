//! Are RADIUS exchanges told whole and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, Run, Sent, orig, resp};

fn message(code: u8, id: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> =
        attributes.iter().flat_map(|(k, v)| [&[*k, v.len() as u8 + 2][..], v].concat()).collect();
    let len = (HEADER + list.len()) as u16;
    [&[code, id][..], &len.to_be_bytes(), &[id; 16], &list].concat()
}

fn run(sent: &[Sent<'_>]) -> Run {
    Bench::udp(1812).only(&[&PROTOCOL]).run(sent)
}

fn ask() -> Vec<u8> {
    message(
        1,
        7,
        &[
            (1, b"alice"),
            (2, &[9; 16]),
            (4, &[10, 0, 0, 3]),
            (5, &[0, 0, 0, 9]),
            (31, b"00-11-22-AA-bb-cc"),
            (32, b"ap-1"),
        ],
    )
}

#[test]
fn a_login_and_its_answer() {
    let yes = message(2, 7, &[(8, &[10, 9, 9, 9]), (18, b"welcome"), (81, b"\x00120")]);
    let run = run(&[orig(&ask()), orig(&ask()), resp(&yes)]);
    let rows = run.records::<RadiusRecord>();
    let r = rows[0];
    assert_eq!((rows.len(), r.request, r.answer, r.user.as_deref()), (1, Some(1), Some(2), Some("alice")));
    assert_eq!((r.nas_port, r.tunnel_group.as_deref(), r.rtt), (Some(9), Some("120"), Some(2_000_000)));
    let c = run.records::<Credential>();
    assert_eq!((c[0].mechanism, c[0].secret, c[0].success), ("pap", Secret::Hashed, Some(true)));
    let said: Vec<_> = run.records::<HostClue>().iter().map(|c| format!("{} {}", c.ip, c.value)).collect();
    for want in ["10.9.9.9 alice", "10.9.9.9 00:11:22:aa:bb:cc", "10.0.0.3 ap-1", "10.0.0.2 radius_server"] {
        assert!(said.iter().any(|s| s == want), "{want} in {said:?}");
    }
}

#[test]
fn refusals_challenges_and_silence() {
    let success = |sent: &[Sent<'_>]| run(sent).records::<Credential>().first().map(|c| c.success);
    assert_eq!(success(&[orig(&ask()), resp(&message(3, 7, &[]))]), Some(Some(false)));
    assert_eq!(success(&[orig(&ask()), resp(&message(11, 7, &[]))]), None);
    assert_eq!(success(&[orig(&ask())]), Some(None));
    let other = run(&[orig(&ask()), resp(&message(5, 7, &[]))]);
    assert_eq!(other.records::<RadiusRecord>().len(), 2, "an answer of another kind is none");
}

#[test]
fn accounting_adds_its_words() {
    let stop = message(
        4,
        1,
        &[
            (1, b"bob"),
            (40, &[0, 0, 0, 2]),
            (42, &[0, 0, 0, 5]),
            (52, &[0, 0, 0, 1]),
            (44, b"s1"),
            (46, &[0, 0, 1, 0]),
        ],
    );
    let run = run(&[orig(&stop), resp(&message(5, 1, &[]))]);
    let r = run.records::<RadiusRecord>()[0];
    assert_eq!((r.status, r.input, r.session_time), (Some(2), (Some(5), 1), Some(256)));
    assert_eq!((run.records::<Credential>().len(), run.faults), (0, 0));
}

#[test]
fn every_prefix_survives_and_nothing_else_is_taken() {
    let whole = ask();
    for end in 0..whole.len() {
        let run = run(&[orig(&whole[..end])]);
        assert_eq!((run.service, run.faults), (None, 0), "cut at {end}");
    }
    assert_eq!(hardware_address("00112233445g"), None);
    assert_eq!(
        hardware_address("0011.2233.4455").map(|m| m.to_string()).as_deref(),
        Some("00:11:22:33:44:55")
    );
}
