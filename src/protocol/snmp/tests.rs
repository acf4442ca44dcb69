//! Are SNMP exchanges told whole and cut?

use super::*;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, Run, Sent, orig, resp};

fn e(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag, 0x81, body.len() as u8][..], &body].concat()
}

const DESCR: &[u8] = &[6, 8, 0x2b, 6, 1, 2, 1, 1, 1, 0];
const NAME: &[u8] = &[6, 8, 0x2b, 6, 1, 2, 1, 1, 5, 0];

fn pdu(kind: u8, status: u8, variables: &[(&[u8], &[u8])]) -> Vec<u8> {
    let list: Vec<u8> = variables.iter().flat_map(|(n, v)| e(0x30, &[n, v])).collect();
    e(kind, &[&[2, 1, 42, 2, 1, status, 2, 1, 0], &e(0x30, &[&list])])
}

fn v2(community: &str, pdu: &[u8]) -> Vec<u8> {
    e(0x30, &[&[2, 1, 1], &e(4, &[community.as_bytes()]), pdu])
}

fn v3(flags: u8, user: &str, scoped: &[u8]) -> Vec<u8> {
    let global = e(0x30, &[&[2, 1, 9, 2, 2, 5, 0xdc, 4, 1, flags, 2, 1, 3]]);
    let usm = e(0x30, &[&[4, 2, 0x80, 1, 2, 1, 0, 2, 1, 0], &e(4, &[user.as_bytes()]), &[4, 0, 4, 0]]);
    e(0x30, &[&[2, 1, 3], &global, &e(4, &[&usm]), scoped])
}

fn run(sent: &[Sent<'_>]) -> Run {
    Bench::udp(161).only(&[&PROTOCOL]).run(sent)
}

const NULL: &[u8] = &[5, 0];

#[test]
fn a_device_is_asked_who_it_is() {
    let ask = v2("s3cr3t", &pdu(pdu::GET, 0, &[(DESCR, NULL), (NAME, NULL)]));
    let say = v2("s3cr3t", &pdu(pdu::RESPONSE, 0, &[(DESCR, b"\x04\x07Linux 6"), (NAME, b"\x04\x03sw1")]));
    let run = run(&[orig(&ask), resp(&say), orig(&ask), resp(&say)]);
    let r = run.records::<SnmpRecord>()[0];
    assert_eq!((r.version, r.counts.get, r.counts.responses, r.counts.variables), (1, 2, 2, 4));
    assert_eq!(r.oids, [SYS_DESCR, SYS_NAME]);
    assert_eq!((r.sys_descr.as_deref(), r.sys_name.as_deref()), (Some("Linux 6"), Some("sw1")));
    assert_eq!((r.duration, r.request_id, run.faults), (3_000_000, Some(42), 0));
    let login = run.records::<Credential>();
    assert_eq!((login.len(), login[0].secret, login[0].success), (1, Secret::Clear, Some(true)));
    assert!(!format!("{r:?}{login:?}").contains("s3cr3t"));
    let clues: Vec<_> = run.records::<HostClue>().iter().map(|c| (c.clue, c.value.as_str())).collect();
    assert!(clues.contains(&(Clue::System, "Linux 6")) && clues.contains(&(Clue::Name, "sw1")));
}

#[test]
fn guesses_and_changes_are_counted() {
    let asks: Vec<_> =
        (0..70).map(|i| v2(&format!("guess{i}"), &pdu(pdu::GET, 0, &[(DESCR, NULL)]))).collect();
    let sent: Vec<_> = asks.iter().map(|a| orig(a)).collect();
    let guessing = run(&sent);
    assert_eq!(guessing.records::<Credential>().len(), MAX_LOGINS);
    assert!(guessing.records::<Credential>().iter().all(|c| c.success.is_none() && c.account.is_none()));
    let set = v2("private", &pdu(pdu::SET, 0, &[(NAME, b"\x04\x01x")]));
    let no = v2("private", &pdu(pdu::RESPONSE, 17, &[]));
    let run = run(&[orig(&set), resp(&no)]);
    let r = run.records::<SnmpRecord>()[0];
    assert_eq!((r.counts.set, r.counts.errors, r.error_status), (1, 1, Some(17)));
    assert_eq!(r.set_oids, [SYS_NAME]);
}

#[test]
fn version_3_names_its_user() {
    let discovery = v3(4, "", &e(0x30, &[b"\x04\0\x04\0", &pdu(pdu::GET, 0, &[])]));
    let report = v3(0, "", &e(0x30, &[b"\x04\0\x04\0", &pdu(pdu::REPORT, 0, &[])]));
    let sealed = v3(7, "alice", &e(4, &[&[0xee; 40]]));
    let run = run(&[orig(&discovery), resp(&report), orig(&sealed), resp(&sealed)]);
    let r = run.records::<SnmpRecord>()[0];
    assert_eq!((r.version, r.counts.encrypted, r.counts.reports, r.counts.get), (3, 2, 1, 1));
    assert_eq!(
        (r.user.as_deref(), r.engine_id.as_deref(), r.security),
        (Some("alice"), Some("8001"), Some(3))
    );
    let c = run.records::<Credential>();
    assert_eq!(
        (c[0].account.as_deref(), c[0].secret, c[0].success),
        (Some("alice"), Secret::Hashed, Some(true))
    );
    assert_eq!(run.weirds, []);
}

#[test]
fn every_prefix_survives() {
    for whole in [v2("public", &pdu(pdu::GET, 0, &[(DESCR, NULL)])), v3(3, "u", &e(4, &[&[1; 9]]))] {
        for end in 0..whole.len() {
            assert_eq!(run(&[orig(&whole[..end])]).faults, 0);
        }
    }
}

#[test]
fn what_only_looks_like_it_is_left_alone() {
    assert_eq!(run(&[orig(&[0x30, 3, 2, 1, 7])]).service, None);
    let ldap = [0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];
    assert_eq!(run(&[orig(&ldap)]).service, None);
}
