//! Exchanges made by hand after RFC 4120, and what they tell.

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

/// An element of any length up to 65,535.
fn e(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = match len {
        0..=0x7f => vec![tag, len as u8],
        _ => vec![tag, 0x82, (len >> 8) as u8, len as u8],
    };
    [head, body.to_vec()].concat()
}

fn field(n: u8, body: &[u8]) -> Vec<u8> {
    e(0xa0 | n, body)
}

fn int(n: i32) -> Vec<u8> {
    e(2, &n.to_be_bytes())
}

fn small(n: u8) -> Vec<u8> {
    e(2, &[n])
}

fn text(s: &str) -> Vec<u8> {
    e(0x1b, s.as_bytes())
}

fn name(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<u8> = parts.iter().flat_map(|p| text(p)).collect();
    e(0x30, &[field(0, &small(1)), field(1, &e(0x30, &parts))].concat())
}

fn encrypted(etype: i32) -> Vec<u8> {
    e(0x30, &[field(0, &int(etype)), field(2, &e(4, &[0xaa; 200]))].concat())
}

fn request(tag: u8, pre_auth: &[i32], nonce: i32) -> Vec<u8> {
    let data: Vec<u8> = pre_auth
        .iter()
        .flat_map(|k| e(0x30, &[field(1, &int(*k)), field(2, &e(4, b"secret"))].concat()))
        .collect();
    let padata = if pre_auth.is_empty() { vec![] } else { field(3, &e(0x30, &data)) };
    let client = if tag == 0x6a { field(1, &name(&["alice"])) } else { vec![] };
    let service: &[&str] = if tag == 0x6a { &["krbtgt", "EX"] } else { &["cifs", "srv"] };
    let netbios = e(0x30, &[field(0, &small(20)), field(1, &e(4, b"DESK1           "))].concat());
    let body = [
        field(0, &e(3, &[0, 0x40, 0x81, 0, 0x10])),
        client,
        field(2, &text("EX")),
        field(3, &name(service)),
        field(5, &e(0x18, b"20370913024805Z")),
        field(7, &int(nonce)),
        field(8, &e(0x30, &[small(18), small(23)].concat())),
        field(9, &e(0x30, &netbios)),
    ]
    .concat();
    let kind = if tag == 0x6a { 10 } else { 12 };
    e(
        tag,
        &e(0x30, &[field(1, &small(5)), field(2, &small(kind)), padata, field(4, &e(0x30, &body))].concat()),
    )
}

fn ticket(etype: i32) -> Vec<u8> {
    let inside = [
        field(0, &small(5)),
        field(1, &text("EX")),
        field(2, &name(&["cifs", "srv"])),
        field(3, &encrypted(etype)),
    ];
    e(0x61, &e(0x30, &inside.concat()))
}

fn reply(tag: u8, client: &str) -> Vec<u8> {
    let body = [
        field(0, &small(5)),
        field(1, &small(11)),
        field(3, &text("EX")),
        field(4, &name(&[client])),
        field(5, &ticket(23)),
        field(6, &encrypted(18)),
    ];
    e(tag, &e(0x30, &body.concat()))
}

fn error(code: u8) -> Vec<u8> {
    let body = [
        field(0, &small(5)),
        field(1, &small(30)),
        field(4, &e(0x18, b"20240301000000Z")),
        field(5, &small(1)),
        field(6, &small(code)),
        field(9, &text("EX")),
        field(10, &name(&["krbtgt", "EX"])),
    ];
    e(0x7e, &e(0x30, &body.concat()))
}

fn udp(sent: &[Sent<'_>]) -> Run {
    Bench::udp(88).only(&[&PROTOCOL]).run(sent)
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

/// Account, form of the secret, success, detail.
type Facts<'a> = (Option<&'a str>, Secret, Option<bool>, Option<&'a str>);

fn logins(run: &Run) -> Vec<Facts<'_>> {
    run.records::<Credential>()
        .into_iter()
        .map(|c| (c.account.as_deref(), c.secret, c.success, c.detail.as_deref()))
        .collect()
}

#[test]
fn a_login_asks_twice() {
    let (bare, proved) = (request(0x6a, &[128], 1), request(0x6a, &[2, 128], 2));
    let (wanted, granted) = (error(25), reply(0x6b, "alice"));
    let run = udp(&[orig(&bare), resp(&wanted), orig(&proved), resp(&granted)]);
    let rows = run.records::<KerberosRecord>();
    assert_eq!((rows.len(), run.faults, run.service), (2, 0, Some("kerberos")));
    assert_eq!((rows[0].error, rows[0].success), (Some(25), Some(false)));
    let r = rows[1];
    assert_eq!((r.client.as_deref(), r.client_realm.as_deref()), (Some("alice"), Some("EX")));
    assert_eq!((r.service.as_deref(), r.success, r.rtt), (Some("krbtgt/EX"), Some(true), Some(1_000_000)));
    assert_eq!((r.ticket.etype, r.reply_etype, r.etypes.as_slice()), (Some(23), Some(18), &[18, 23][..]));
    assert_eq!(r.till.map(|t| t.0), Some(2_136_422_885_000_000_000));
    assert_eq!(logins(&run), [(Some("alice@EX"), Secret::Hashed, Some(true), None)]);
    let clues: Vec<_> =
        run.records::<HostClue>().iter().map(|c| (c.ip.to_string(), c.value.clone())).collect();
    for want in
        [("10.0.0.2", "domain_controller"), ("10.0.0.2", "EX"), ("10.0.0.1", "alice"), ("10.0.0.1", "DESK1")]
    {
        assert!(clues.iter().any(|(ip, v)| (ip.as_str(), v.as_str()) == want), "{want:?} in {clues:?}");
    }
}

#[test]
fn refusals_and_missing_proofs_are_told() {
    let (bare, proved) = (request(0x6a, &[], 1), request(0x6a, &[2], 2));
    let run = udp(&[orig(&proved), resp(&error(24))]);
    assert_eq!(
        logins(&run),
        [(Some("alice@EX"), Secret::Hashed, Some(false), Some("KDC_ERR_PREAUTH_FAILED"))]
    );
    let run = udp(&[orig(&bare), resp(&error(6))]);
    assert_eq!(
        logins(&run),
        [(Some("alice@EX"), Secret::None, Some(false), Some("KDC_ERR_C_PRINCIPAL_UNKNOWN"))]
    );
    let run = udp(&[orig(&bare), resp(&reply(0x6b, "alice"))]);
    assert_eq!(
        logins(&run),
        [(Some("alice@EX"), Secret::Hashed, Some(true), Some("without pre-authentication"))]
    );
    assert_eq!(logins(&udp(&[orig(&proved)])), [(Some("alice@EX"), Secret::Hashed, None, None)]);
}

#[test]
fn a_machine_is_a_name() {
    let run = udp(&[orig(&request(0x6a, &[2], 1)), resp(&reply(0x6b, "DC01$"))]);
    assert!(run.records::<HostClue>().iter().any(|c| c.value == "DC01" && c.clue == Clue::Name));
    assert!(!run.records::<HostClue>().iter().any(|c| c.clue == Clue::User));
}

#[test]
fn repeated_requests_are_one() {
    let ask = request(0x6c, &[1], 7);
    let run = udp(&[orig(&ask), orig(&ask), resp(&reply(0x6d, "alice"))]);
    let rows = run.records::<KerberosRecord>();
    assert_eq!((rows.len(), rows[0].service.as_deref(), rows[0].rtt), (1, Some("cifs/srv"), Some(2_000_000)));
    assert_eq!(run.records::<Credential>().len(), 0, "a ticket for a service is no login");
}

#[test]
fn streams_are_cut_anywhere_and_survive_a_gap() {
    let (ask, answer) = (framed(&request(0x6c, &[1], 7)), framed(&reply(0x6d, "alice")));
    let bench = || Bench::tcp(88).only(&[&PROTOCOL]);
    for at in 1..ask.len() {
        let run = bench().run(&[orig(&ask[..at]), orig(&ask[at..]), resp(&answer)]);
        assert_eq!(run.records::<KerberosRecord>().len(), 1, "cut at {at}");
        let run = bench().run(&[orig(&ask[..at])]);
        assert_eq!((run.faults, run.records::<KerberosRecord>().len()), (0, 0));
    }
    let run = bench().run(&[orig(&ask), lost(Side::Resp, 9), resp(b"tail of something"), resp(&answer)]);
    assert_eq!(run.records::<KerberosRecord>()[0].success, Some(true));
}

#[test]
fn tickets_in_blobs_can_be_read() {
    let body = [field(0, &small(5)), field(1, &small(14)), field(2, &e(3, &[0; 5])), field(3, &ticket(18))];
    let ap = e(0x6e, &e(0x30, &[&body.concat()[..], &field(4, &encrypted(18))].concat()));
    let ticket = ap_req_ticket(&ap).unwrap();
    assert_eq!((ticket.service.as_deref(), ticket.etype), (Some("cifs/srv"), Some(18)));
    let run = udp(&[orig(&ap)]);
    assert_eq!(run.records::<KerberosRecord>()[0].exchange, Exchange::Ap);
    assert_eq!(ap_req_ticket(&request(0x6a, &[], 1)), None);
}

#[test]
fn a_connection_joined_midway_shows_its_answer() {
    let refusal = framed(&error(13));
    let run = Bench::tcp(88).midstream().run(&[orig(&[0xaa; 600]), resp(&refusal)]);
    let rows: Vec<_> = run.records::<KerberosRecord>().iter().map(|r| (r.exchange, r.error)).collect();
    assert_eq!((rows, run.weirds), (vec![(Exchange::Unknown, Some(13))], vec![]));
    assert!(Bench::tcp(4444).midstream().run(&[orig(&[0xaa; 600]), resp(&refusal)]).service.is_none());
}
