//! Are RDP connections told whole, refused, lost and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn x224(code: u8, behind: &[u8]) -> Vec<u8> {
    // Data has one byte behind its code, a connection request five and what it asks for.
    let fixed: &[u8] = if code == DATA { &[0x80] } else { &[0; 5] };
    let counted = fixed.len() + if code == DATA { 0 } else { behind.len() };
    let len = (6 + fixed.len() + behind.len()) as u16;
    [&[3, 0][..], &len.to_be_bytes(), &[1 + counted as u8, code], fixed, behind].concat()
}

fn ask(protocols: u8) -> Vec<u8> {
    x224(
        CONNECTION_REQUEST,
        &[&b"Cookie: mstshash=alice\r\n"[..], &[1, 0, 8, 0, protocols, 0, 0, 0]].concat(),
    )
}

fn block(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(body.len() as u16 + 4).to_le_bytes(), body].concat()
}

fn wide(text: &str, len: usize) -> Vec<u8> {
    let mut out: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    out.resize(len, 0);
    out
}

fn client_settings() -> Vec<u8> {
    let mut core = vec![4, 0, 8, 0, 0x80, 7, 0x38, 4, 1, 0xca, 3, 0xaa];
    core.extend([9, 4, 0, 0]);
    core.extend(19_041_u32.to_le_bytes());
    core.extend(wide("DESKTOP-1", 32));
    core.extend([0; 90]);
    core.extend(wide("00331-10000", 64));
    let net = [&[2, 0, 0, 0][..], b"rdpdr\0\0\0\0\0\0\0", b"cliprdr\0\0\0\0\0"].concat();
    let blocks = [block(0xc001, &core), block(0xc003, &net)].concat();
    let len = blocks.len() as u16 | 0x8000;
    x224(DATA, &[&b"\x7f\x65 conference Duca"[..], &len.to_be_bytes(), &blocks].concat())
}

fn run(sent: &[Sent<'_>]) -> Run {
    Bench::tcp(3389).only(&[&PROTOCOL]).run(sent)
}

#[test]
fn tls_follows_when_it_is_chosen() {
    let yes = x224(CONNECTION_CONFIRM, &[2, 0, 8, 0, 2, 0, 0, 0]);
    let run = run(&[orig(&ask(3)), resp(&yes), orig(&[0x16, 3, 1, 0, 9])]);
    let r = run.records::<RdpRecord>()[0];
    assert_eq!((r.cookie.as_deref(), r.requested, r.selected), (Some("alice"), Some(3), Some(2)));
    assert_eq!((r.rtt, run.service, run.faults), (Some(1_000_000), Some("rdp"), 0));
    assert_eq!(run.records::<Credential>()[0].account.as_deref(), Some("alice"));
    assert_eq!(run.done_after, Some(3), "nobody else is there to take it");
}

#[test]
fn without_tls_the_client_says_who_it_is() {
    let (yes, settings) = (x224(CONNECTION_CONFIRM, &[]), client_settings());
    let blocks = block(0x0c02, &[2, 0, 0, 0, 3, 0, 0, 0]);
    let answer = x224(DATA, &[&b"conference McDn"[..], &[blocks.len() as u8], &blocks].concat());
    let run =
        run(&[orig(&ask(0)), resp(&yes), orig(&settings[..100]), orig(&settings[100..]), resp(&answer)]);
    let r = run.records::<RdpRecord>()[0];
    let c = &r.client;
    assert_eq!((c.name.as_deref(), c.build, c.keyboard), (Some("DESKTOP-1"), Some(19_041), Some(0x409)));
    assert_eq!((c.width, c.height, c.channels.as_deref()), (Some(1920), Some(1080), Some("rdpdr,cliprdr")));
    assert_eq!(c.product_id.as_deref(), Some("00331-10000"));
    assert_eq!((r.selected, r.encryption_method, r.encryption_level), (Some(0), Some(2), Some(3)));
    assert!(run.records::<HostClue>().iter().any(|c| c.value == "DESKTOP-1"));
    assert_eq!((run.done_after, run.weirds.len()), (Some(5), 0));
}

#[test]
fn refusals_are_named() {
    let no = x224(CONNECTION_CONFIRM, &[3, 0, 8, 0, 5, 0, 0, 0]);
    let run = run(&[orig(&ask(0)), resp(&no)]);
    let r = run.records::<RdpRecord>()[0];
    assert_eq!((r.failure.and_then(failure_name), r.selected), (Some("hybrid_required_by_server"), None));
}

#[test]
fn every_prefix_and_a_gap_survive() {
    let (ask, settings) = (ask(0), client_settings());
    let yes = x224(CONNECTION_CONFIRM, &[]);
    for end in 0..settings.len() {
        assert_eq!(run(&[orig(&ask), resp(&yes), orig(&settings[..end])]).records::<RdpRecord>().len(), 1);
    }
    for end in 0..ask.len() {
        assert_eq!(run(&[orig(&ask[..end])]).faults, 0);
    }
    let run = run(&[orig(&ask), lost(Side::Resp, 19)]);
    assert_eq!((run.records::<RdpRecord>().len(), run.done_after), (1, Some(2)));
}
