//! Miners, and who only looks like one.

use super::*;
use crate::detect::Config;
use crate::detect::testing::{Bench, at, inside, outside, record, used};
use crate::flow::At;
use crate::model::anomaly::Severity;
use crate::protocol::stratum::Dialect;

fn said(method: &str, seconds: f64) -> StratumRecord {
    let at = At { ts: at(seconds), packet: 1 };
    let mut s = StratumRecord::new(Dialect::CryptoNote, method, true, at);
    s.by_orig = true;
    s
}

fn to(n: u64, host: &str, port: u16, service: &'static str) -> FlowFact {
    let mut f = used(n, n as f64, inside(1), outside(9), port, service);
    (f.hostname, f.hostname_source) = (Some(host.into()), Some("content"));
    f
}

/// An even trickle of small packets for ten minutes.
fn trickle(mut f: FlowFact) -> FlowFact {
    f.last_ts = f.first_ts.plus(600 * 1_000_000_000);
    (f.orig.packets, f.resp.packets) = (60, 60);
    (f.orig.ip_bytes, f.resp.ip_bytes) = (6_000, 6_000);
    f
}

#[test]
fn the_protocol_proves_it_and_one_row_grows() {
    let mut login = said("login", 1.0);
    (login.account, login.agent) = (Some("4BCeEPhodgPMbPWFN1dPwhWXdRX8q4".into()), Some("xmrig/6".into()));
    login.accepted = Some(true);
    let share = |n: u64, ok: bool| {
        let mut s = said("submit", n as f64);
        s.accepted = Some(ok);
        record(1, n as f64, inside(1), outside(9), 9050, s)
    };
    let all: Vec<_> = (0..30).map(|n| share(n, n % 10 != 0)).collect();
    let mut b = Bench::new(&META);
    b.records([record(1, 1.0, inside(1), outside(9), 9050, login)]).records(all);
    let found = b.end();
    assert_eq!(found.len(), 1);
    let a = &found[0];
    assert_eq!(
        (a.kind.name, a.severity, a.src, a.dst),
        ("crypto_mining", Severity::High, Some(inside(1)), Some(outside(9)))
    );
    assert!(a.title.contains("xmrig/6") && a.title.contains("27 of 30 shares accepted"), "{}", a.title);
    assert_eq!((a.count, a.details["shares_rejected"].as_u64()), (31, Some(3)));
}

#[test]
fn a_capture_that_begins_with_the_pool_turns_it_round() {
    let mut job = said("job", 1.0);
    (job.from_miner, job.by_orig) = (false, false);
    let mut b = Bench::new(&META);
    let found = b.records([record(1, 1.0, outside(9), inside(1), 40_000, job)]).end();
    assert_eq!((found[0].src, found[0].dst), (Some(inside(1)), Some(outside(9))));
}

#[test]
fn names_ports_and_shape() {
    let kinds = |f: FlowFact| Bench::new(&META).flows([f]).kinds();
    assert_eq!(kinds(to(1, "xmr-eu1.nanopool.org", 10_343, "tls")), ["crypto_mining"]);
    // A website: the apex, on the port of websites, though it was left open.
    assert!(kinds(to(1, "www.nanopool.org", 443, "tls")).is_empty());
    assert!(kinds(to(1, "nanopool.org", 443, "tls")).is_empty());
    assert_eq!(kinds(to(1, "nanopool.org", 14_444, "tls")), ["crypto_mining"], "0.45 and a pool's port");
    assert_eq!(kinds(trickle(to(1, "nanopool.org", 443, "tls"))), ["crypto_mining"]);
    // Nobody's name: neither port nor shape is enough.
    assert!(kinds(trickle(to(1, "chat.example.org", 3333, "tls"))).is_empty());
    assert!(kinds(trickle(used(1, 1.0, inside(1), outside(9), 4444, "json"))).is_empty());
    assert!(kinds(to(1, "www.binance.com", 443, "tls")).is_empty());
}

#[test]
fn sizes_of_version_2_need_a_port_or_a_shape() {
    let run = |port: u16, shaped: bool| {
        let mut s = said(stratum::NOISE, 1.0);
        s.dialect = Dialect::V2;
        let mut f = used(1, 1.0, inside(1), outside(9), port, "stratum");
        if shaped {
            f = trickle(f);
        }
        let mut b = Bench::new(&META);
        b.records([record(1, 1.0, inside(1), outside(9), port, s)]).flows([f]).kinds()
    };
    assert!(run(9_777, false).is_empty());
    assert_eq!(run(34_254, false), ["crypto_mining"]);
    assert_eq!(run(9_777, true), ["crypto_mining"]);
}

#[test]
fn a_browser_is_no_miner() {
    let hello = |alpn: &str| TlsHandshake {
        server_name: Some("eu.nanopool.org".into()),
        alpn_offered: Some(alpn.into()),
        ..TlsHandshake::default()
    };
    let run = |alpn: &str| {
        let mut b = Bench::new(&META);
        b.records([record(1, 1.0, inside(1), outside(9), 443, hello(alpn))]);
        b.flows([to(1, "eu.nanopool.org", 443, "tls")]).kinds()
    };
    assert!(run("h2,http/1.1").is_empty());
    assert_eq!(run("http/1.1"), ["crypto_mining"]);
}

#[test]
fn lists_are_extended_by_the_configuration() {
    let config =
        Config { mining_pools: vec!["203.0.113.9".into(), "work.example".into()], ..Config::default() };
    let mut b = Bench::with(&META, &config);
    assert_eq!(b.flows([used(1, 1.0, inside(1), outside(9), 443, "tls")]).kinds(), ["crypto_mining"]);
    let mut b = Bench::with(&META, &config);
    assert_eq!(b.flows([to(1, "a.work.example", 443, "tls")]).kinds(), ["crypto_mining"]);
}

#[test]
fn nodes_are_information() {
    let peer = |n: u8| used(n.into(), f64::from(n), inside(1), outside(n), 8333, "bitcoin");
    let found = Bench::new(&META).flows((1..=40).map(peer)).end();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind.name, found[0].severity), ("crypto_p2p", Severity::Info));
    assert_eq!(found[0].count, 40);
}

#[test]
fn the_cap_holds() {
    let mut b = Bench::new(&META);
    for n in 0..2_000_u32 {
        let ip = Ip::v4([10, 1, (n >> 8) as u8, n as u8]);
        b.records([record(n.into(), 1.0, ip, outside(9), 3333, said("login", 1.0))]);
    }
    assert!(b.detector.evicted() > 0);
}
