//! Guessers, sprayers, and who only mistypes.

use super::*;
use crate::detect::testing::{Bench, inside, outside, record, used};
use crate::model::anomaly::Severity;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::ssh::SshRecord;

fn login(n: u64, seconds: f64, src: Ip, dst: Ip, account: &str, success: bool) -> RecordFact {
    let c = Credential {
        service: "ftp",
        account: Some(account.into()),
        mechanism: "password",
        secret: Secret::Clear,
        success: Some(success),
        detail: None,
    };
    record(n, seconds, src, dst, 21, c)
}

fn ssh(n: u64, seconds: f64, tries: u16, success: Option<bool>) -> RecordFact {
    let r = SshRecord { auth_attempts: Some(tries), auth_success: success, ..SshRecord::default() };
    record(n, seconds, outside(1), inside(2), 22, r)
}

#[test]
fn thirty_wrong_passwords_are_one_row() {
    let all = (0..30).map(|n| login(n, n as f64 * 2.0, outside(1), inside(2), "bro", false));
    let found = Bench::new(&META).records(all).end();
    assert_eq!(found.len(), 1);
    let a = &found[0];
    assert_eq!((a.kind.name, a.severity, a.count), ("brute_force", Severity::Medium, 30));
    assert_eq!((a.src, a.dst, a.dst_port), (Some(outside(1)), Some(inside(2)), Some(21)));
    assert_eq!(
        a.title,
        "203.0.113.1 guesses passwords of bro over FTP at 10.0.0.2 port 21: 30 failed in 58 s"
    );
}

#[test]
fn a_success_afterwards_is_told_on_its_own() {
    let all = (0..20).map(|n| login(n, n as f64, outside(1), inside(2), "bro", n == 19));
    assert_eq!(Bench::new(&META).records(all).kinds(), ["brute_force", "login_after_guessing"]);
    // Another account that works is somebody else's business.
    let other = login(99, 30.0, outside(1), inside(2), "anna", true);
    let all = (0..19).map(|n| login(n, n as f64, outside(1), inside(2), "bro", false)).chain([other]);
    assert_eq!(Bench::new(&META).records(all).kinds(), ["brute_force"]);
}

#[test]
fn few_slow_or_mostly_working_logins_are_none() {
    let nine = (0..9).map(|n| login(n, n as f64, outside(1), inside(2), "bro", false));
    assert!(Bench::new(&META).records(nine).kinds().is_empty());
    let slow = (0..30).map(|n| login(n, n as f64 * 100.0, outside(1), inside(2), "bro", false));
    assert!(Bench::new(&META).records(slow).kinds().is_empty(), "6 in ten minutes");
    let gateway = (0..200).map(|n| login(n, n as f64, outside(1), inside(2), "bro", n % 3 != 0));
    assert!(Bench::new(&META).records(gateway).kinds().is_empty());
    let monitor = (0..200).map(|n| login(n, n as f64, outside(1), inside(2), "monitor", true));
    assert!(Bench::new(&META).records(monitor).kinds().is_empty());
    let typos = (0..3).map(|n| login(n, n as f64, outside(1), inside(2), "bro", n == 2));
    assert!(Bench::new(&META).records(typos).kinds().is_empty());
}

#[test]
fn the_window_and_the_number_are_settings() {
    let mut config = crate::detect::Config::default();
    config.set(META.id, "failed", 5.0);
    let all = (0..5).map(|n| login(n, n as f64, outside(1), inside(2), "bro", false));
    assert_eq!(Bench::with(&META, &config).records(all).kinds(), ["brute_force"]);
}

#[test]
fn many_accounts_are_sprayed() {
    let all =
        (0..24).map(|n| login(n, n as f64, outside(1), inside((n % 3) as u8), &format!("user{n}"), false));
    let found = Bench::new(&META).records(all).end();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind.name, "password_spray");
    assert!(
        found[0].title.contains("24 accounts") && found[0].title.contains("3 hosts"),
        "{}",
        found[0].title
    );
    // One of them works.
    let all = (0..24).map(|n| login(n, n as f64, outside(1), inside(2), &format!("user{}", n % 23), n == 23));
    assert_eq!(Bench::new(&META).records(all).kinds(), ["password_spray", "login_after_guessing"]);
}

#[test]
fn ssh_by_refused_connections() {
    let six = (0..6).map(|n| ssh(n, n as f64 * 10.0, 2, Some(false)));
    assert_eq!(Bench::new(&META).records(six).kinds(), ["brute_force"]);
    let then = (0..8).map(|n| ssh(n, n as f64 * 10.0, 4, Some(n == 7)));
    assert_eq!(Bench::new(&META).records(then).kinds(), ["brute_force", "login_after_guessing"]);
    // A backup: one key, at once, every ten seconds; an agent that offers four keys first.
    let jobs = (0..60).map(|n| ssh(n, n as f64 * 10.0, 2, Some(true)));
    assert!(Bench::new(&META).records(jobs).kinds().is_empty());
    let agent = (0..20).map(|n| ssh(n, n as f64 * 10.0, 5, Some(true)));
    assert!(Bench::new(&META).records(agent).kinds().is_empty());
    let unknown = (0..60).map(|n| ssh(n, n as f64, 2, None));
    assert!(Bench::new(&META).records(unknown).kinds().is_empty());
}

#[test]
fn remote_desktops_by_what_comes_back() {
    let rdp = |n: u64, back: u64| {
        let mut f = used(n, n as f64 * 5.0, outside(1), inside(2), 3389, "rdp");
        (f.orig.bytes, f.resp.bytes) = (1_500, back);
        f
    };
    assert_eq!(Bench::new(&META).flows((0..12).map(|n| rdp(n, 3_000))).kinds(), ["brute_force"]);
    assert!(Bench::new(&META).flows((0..12).map(|n| rdp(n, 90_000))).kinds().is_empty());
}

#[test]
fn many_hosts_at_one_account() {
    let all = (0..24).map(|n| login(n, n as f64, outside((n % 8) as u8), inside(2), "root", false));
    let found = Bench::new(&spread::META).records(all).end();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind.name, found[0].dst), ("brute_force", Some(inside(2))));
    assert!(found[0].title.contains("8 hosts") && found[0].title.contains("root"), "{}", found[0].title);
    // Users who mistype, then get in; and four devices with an old password.
    let users = (0..40)
        .map(|n| login(n, n as f64, outside((n / 2) as u8), inside(2), &format!("u{}", n / 2), n % 2 == 1));
    assert!(Bench::new(&spread::META).records(users).kinds().is_empty());
    let devices = (0..36).map(|n| login(n, n as f64, outside((n % 4) as u8), inside(2), "anna", false));
    assert!(Bench::new(&spread::META).records(devices).kinds().is_empty());
}

#[test]
fn the_caps_hold() {
    let mut b = Bench::new(&META);
    for n in 0..5_000_u32 {
        let src = Ip::v4([198, 18, (n >> 8) as u8, n as u8]);
        b.records([login(n.into(), 1.0, src, inside(2), "root", false)]);
    }
    assert!(b.detector.evicted() > 0);
}

#[test]
fn forms_without_a_clear_answer() {
    let sent = |n: u64, seconds: f64, mechanism: &'static str| {
        let c = Credential {
            service: "http",
            account: Some("admin".into()),
            mechanism,
            secret: Secret::Clear,
            success: None,
            detail: Some("a.example/login".into()),
        };
        record(n, seconds, outside(1), inside(2), 80, c)
    };
    let post = |n: u64| sent(n, n as f64 * 10.0, "form");
    let found = Bench::new(&META).records((0..40).map(post)).end();
    assert_eq!(found.len(), 1);
    assert!(found[0].title.contains("39 forms sent and none known to work"), "{}", found[0].title);
    assert!(Bench::new(&META).records((0..20).map(post)).kinds().is_empty());
    // Faster than a hand: each is a failure.
    let found = Bench::new(&META).records((0..16).map(|n| sent(n, n as f64 * 0.1, "form"))).end();
    assert!(found.len() == 1 && found[0].title.contains("16 forms sent and none known to work"), "{found:?}");
    // An application that logs in with each request.
    assert!(Bench::new(&META).records((0..16).map(|n| sent(n, n as f64 * 0.1, "json"))).kinds().is_empty());
}

#[test]
fn a_list_of_communities_is_guessing_and_a_manager_is_not() {
    let snmp = |n: u64, communities: u32| {
        let one = snmp::SnmpRecord { communities, ..Default::default() };
        record(n, n as f64, inside(1), inside(2), 161, one)
    };
    let found = Bench::new(&META).records([snmp(1, 40)]).end();
    assert_eq!((found[0].kind.name, found[0].count), ("brute_force", 39));
    // A manager that asks an agent which is down, with the three communities of the house, for hours.
    assert!(Bench::new(&META).records((0..200).map(|n| snmp(n + 1, 3))).kinds().is_empty());
}
