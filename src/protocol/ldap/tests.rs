//! Conversations made by hand after RFC 4511, and what they tell.

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::credentials::Secret;
use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

fn e(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let n = body.len();
    if n < 0x80 {
        [&[tag, n as u8][..], &body].concat()
    } else {
        [&[tag, 0x83, (n >> 16) as u8, (n >> 8) as u8, n as u8][..], &body].concat()
    }
}

fn message(id: u8, tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    e(0x30, &[&[2, 1, id], &e(tag, parts)])
}

fn octets(s: &[u8]) -> Vec<u8> {
    e(4, &[s])
}

fn result(id: u8, tag: u8, code: u8, words: &str) -> Vec<u8> {
    message(id, tag, &[&[10, 1, code], &octets(b""), &octets(words.as_bytes())])
}

fn simple(id: u8, dn: &str, password: &str) -> Vec<u8> {
    message(id, op::BIND, &[&[2, 1, 3], &octets(dn.as_bytes()), &e(0x80, &[password.as_bytes()])])
}

fn sasl(id: u8, mechanism: &str, token: &[u8]) -> Vec<u8> {
    message(
        id,
        op::BIND,
        &[&[2, 1, 3], &octets(b""), &e(0xa3, &[&octets(mechanism.as_bytes()), &octets(token)])],
    )
}

fn search(id: u8, base: &str) -> Vec<u8> {
    let filter = e(0x87, &[b"objectClass"]);
    let wanted = e(0x30, &[&octets(b"cn"), &octets(b"sn")]);
    let limits: &[u8] = &[10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0];
    message(id, op::SEARCH, &[&octets(base.as_bytes()), limits, &filter, &wanted])
}

fn entry(id: u8, dn: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(n, v)| e(0x30, &[&octets(n.as_bytes()), &e(0x31, &[&octets(v)])]))
        .collect();
    message(id, op::ENTRY, &[&octets(dn.as_bytes()), &e(0x30, &[&list])])
}

fn tcp(sent: &[Sent<'_>]) -> Run {
    Bench::tcp(389).only(&[&PROTOCOL]).run(sent)
}

fn logins(run: &Run) -> Vec<(Option<&str>, &str, Secret, Option<bool>)> {
    let all = run.records::<Credential>();
    all.into_iter().map(|c| (c.account.as_deref(), c.mechanism, c.secret, c.success)).collect()
}

#[test]
fn a_login_and_a_search() {
    let ask = [simple(1, "cn=admin,dc=ex", "hunter2"), search(2, "dc=ex")].concat();
    let say = [
        result(1, op::BIND_RESPONSE, 0, ""),
        entry(2, "cn=a,dc=ex", &[("cn", b"a")]),
        entry(2, "cn=b,dc=ex", &[("cn", b"b")]),
        result(2, op::SEARCH_DONE, 4, "too many\0"),
    ]
    .concat();
    let run = tcp(&[orig(&ask), resp(&say), orig(&message(3, op::UNBIND, &[]))]);
    let rows = run.records::<LdapRecord>();
    assert_eq!((rows.len(), run.faults, run.weirds.len(), run.service), (3, 0, 0, Some("ldap")));
    assert_eq!(
        (rows[0].operation, rows[0].version, rows[0].mechanism.as_deref()),
        ("bind", Some(3), Some("simple"))
    );
    let s = rows[1];
    assert_eq!(
        (s.object.as_deref(), s.scope, s.filter.as_deref()),
        (Some("dc=ex"), Some("sub"), Some("(objectClass=*)"))
    );
    assert_eq!((s.attributes.as_deref(), s.entries, s.result), (Some("cn,sn"), 2, Some(4)));
    assert_eq!((s.diagnostic.as_deref(), s.rtt), (Some("too many"), Some(1_000_000)));
    assert_eq!(rows[2].operation, "unbind");
    assert_eq!(logins(&run), [(Some("cn=admin,dc=ex"), "simple", Secret::Clear, Some(true))]);
    assert!(!format!("{:?}{:?}", rows, run.records::<Credential>()).contains("hunter2"));
}

#[test]
fn logins_of_every_kind() {
    let (bind, refused) = (simple(1, "u", "p"), result(1, op::BIND_RESPONSE, 49, ""));
    let run = tcp(&[orig(&bind), resp(&refused)]);
    assert_eq!(logins(&run), [(Some("u"), "simple", Secret::Clear, Some(false))]);
    assert_eq!(logins(&tcp(&[orig(&simple(1, "", ""))])), [], "anonymous");
    let plain = tcp(&[orig(&sasl(1, "PLAIN", b"\0bob\0pw"))]);
    assert_eq!(logins(&plain), [(Some("bob"), "plain", Secret::Clear, None)]);
    let [first, second] =
        [(1, b"n,,n=carol,r=abc"), (2, b"c=biws,r=abc,p=x")].map(|(id, t)| sasl(id, "SCRAM-SHA-512", t));
    let (go_on, done) = (result(1, op::BIND_RESPONSE, 14, ""), result(2, op::BIND_RESPONSE, 0, ""));
    let run = tcp(&[orig(&first), resp(&go_on), orig(&second), resp(&done)]);
    assert_eq!(logins(&run), [(Some("carol"), "scram", Secret::Hashed, Some(true))]);
    assert_eq!(run.records::<LdapRecord>().len(), 2);
}

#[test]
fn starttls_hands_the_connection_on() {
    let ask = message(1, op::EXTENDED, &[&e(0x80, &[b"1.3.6.1.4.1.1466.20037"])]);
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let granted = tcp(&[orig(&ask), resp(&result(1, op::EXTENDED_RESPONSE, 0, "")), orig(&hello)]);
    assert_eq!(
        (granted.service, granted.done_after),
        (Some("ldap"), Some(3)),
        "nobody else is there to take it"
    );
    assert_eq!((granted.records::<LdapRecord>()[0].operation, granted.weirds.len()), ("starttls", 0));
    let refused = tcp(&[orig(&ask), resp(&result(1, op::EXTENDED_RESPONSE, 2, "")), orig(&search(2, ""))]);
    assert_eq!(refused.records::<LdapRecord>().len(), 2);
}

#[test]
fn what_a_login_seals_ends_it_quietly() {
    let run = tcp(&[
        orig(&sasl(1, "GSS-SPNEGO", b"x")),
        resp(&result(1, op::BIND_RESPONSE, 0, "")),
        orig(&[0, 0, 0, 60, 5, 4, 6, 0xff]),
    ]);
    assert_eq!((run.weirds.len(), run.done_after, logins(&run).len()), (0, Some(3), 1));
    let broken = tcp(&[orig(&search(1, "")), orig(b"garbage")]);
    assert_eq!((broken.weirds, broken.done_after), (vec![WeirdKind::LdapMalformed], Some(2)));
}

#[test]
fn long_entries_pass_unseen_and_are_counted() {
    let long = entry(1, "cn=a", &[("jpegPhoto", &[0xff; 200_000])]);
    let done = result(1, op::SEARCH_DONE, 0, "");
    let ask = search(1, "dc=ex");
    let mut sent = vec![orig(&ask)];
    sent.extend(long.chunks(1_400).map(resp));
    sent.push(resp(&done));
    let run = tcp(&sent);
    let r = run.records::<LdapRecord>()[0];
    assert_eq!((r.entries, r.result, run.weirds.len()), (1, Some(0), 0));
    assert!(run.most_buffered < 4_096, "{}", run.most_buffered);
}

#[test]
fn controllers_say_who_they_are() {
    let answer =
        [entry(1, "", &[("Netlogon", &netlogon::sample())]), result(1, op::SEARCH_DONE, 0, "")].concat();
    let run = Bench::udp(389).only(&[&PROTOCOL]).run(&[orig(&search(1, "")), resp(&answer)]);
    let said: Vec<_> =
        run.records::<HostClue>().iter().map(|c| format!("{} {}", c.clue.name(), c.value)).collect();
    for want in ["role domain_controller", "name DC01.corp.ex", "name DC01", "domain corp.ex", "domain CORP"]
    {
        assert!(said.iter().any(|s| s == want), "{want} in {said:?}");
    }
    assert_eq!(run.records::<LdapRecord>()[0].entries, 1);
}

#[test]
fn every_cut_and_a_gap_survive() {
    let ask = [simple(1, "u", "p"), search(2, "dc=ex")].concat();
    for at in 1..ask.len() {
        let run = tcp(&[orig(&ask[..at]), orig(&ask[at..])]);
        assert_eq!((run.records::<LdapRecord>().len(), run.faults), (2, 0), "cut at {at}");
        tcp(&[orig(&ask[..at])]);
    }
    let done = result(2, op::SEARCH_DONE, 0, "");
    let run = tcp(&[orig(&ask), lost(Side::Resp, 40), resp(b"rest of something"), resp(&done)]);
    assert_eq!(run.records::<LdapRecord>()[0].result, Some(0));
}

#[test]
fn ntlm_inside_binds() {
    use crate::protocol::ntlm::NtlmRecord;
    use crate::protocol::ntlm::tests::{type1, type2, type3};
    let sasl = |id, token: &[u8]| {
        let proof = e(0xa3, &[&octets(b"GSS-SPNEGO"), &octets(token)]);
        message(id, op::BIND, &[&[2, 1, 3], &octets(b""), &proof])
    };
    let more = |code: u8, token: &[u8]| {
        let body: [&[u8]; 4] = [&[10, 1, code], &octets(b""), &octets(b""), &e(0x87, &[token])];
        message(1, op::BIND_RESPONSE, &body)
    };
    for (code, success) in [(0, true), (49, false)] {
        let run = tcp(&[
            orig(&sasl(1, &type1())),
            resp(&more(14, &type2())),
            orig(&sasl(2, &type3(&[1; 90]))),
            resp(&result(2, op::BIND_RESPONSE, code, "")),
        ]);
        assert_eq!(logins(&run), [(Some("CORP\\alice"), "ntlm", Secret::Hashed, Some(success))]);
        let r = run.records::<NtlmRecord>();
        assert_eq!((r.len(), r[0].service, run.faults), (1, "ldap", 0));
        assert_eq!((r[0].server.nb_computer.as_deref(), r[0].success), (Some("DC1"), Some(success)));
    }
    // Nobody answered the proof.
    let run = tcp(&[orig(&sasl(1, &type1())), resp(&more(14, &type2())), orig(&sasl(2, &type3(&[1; 90])))]);
    assert_eq!(logins(&run), [(Some("CORP\\alice"), "ntlm", Secret::Hashed, None)]);
}
