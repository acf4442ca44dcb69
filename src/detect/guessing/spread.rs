//! Do many hosts share the guessing at one service between them?
//!
//! Each stays below what one host may do, together they try the same account, or hardly one of them ever gets in. Counts hosts that failed and
//! never succeeded. Refuses hosts that guess enough to be reported on their own, and users who mistype and then get in.

use super::attempt::{self, Attempt, shown};
use super::{MAX_ACCOUNTS, Names};
use crate::detect::window::Keyed;
use crate::detect::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::kind::BRUTE_FORCE;
use crate::model::time::Timestamp;
use crate::protocol::{credentials, ssh};
use std::collections::BTreeMap;

/// Services per shard, at most 70 KB each under attack.
const MAX_SERVICES: usize = 256;
/// Hosts of a service that are followed; the thresholds lie far below.
const MAX_HOSTS: usize = 512;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "login_guessing_spread",
    question: "Do many hosts together guess passwords at one service?",
    method: "Per service, hosts that failed to log in within the window and never succeeded are counted, those that failed often enough to be reported alone left out. Enough of them with one account, or a multiple of it with any, are one attack.",
    kinds: &[&BRUTE_FORCE],
    scope: Scope::Target,
    flows: false,
    tables: &[&credentials::CREDENTIALS, &ssh::TABLE],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "window",
            unit: "s",
            default: 3_600.0,
            why: "Spread guessing is slow; within an hour it still shows.",
            source: "Javed and Paxson, CCS 2013",
        },
        Threshold {
            name: "hosts",
            unit: "hosts",
            default: 5.0,
            why: "Hosts that fail at one and the same account; a person has fewer devices with an old password.",
            source: "Javed and Paxson, CCS 2013",
        },
        Threshold {
            name: "hosts_any",
            unit: "hosts",
            default: 15.0,
            why: "Hosts that fail at a service, whatever the account, while hardly any gets in.",
            source: "Javed and Paxson, CCS 2013",
        },
        Threshold {
            name: "failed",
            unit: "attempts",
            default: 15.0,
            why: "Failures of these hosts together.",
            source: "DETECTORS.md section 5",
        },
        Threshold {
            name: "alone",
            unit: "attempts",
            default: 10.0,
            why: "Hosts that failed this often are reported on their own.",
            source: "DETECTORS.md section 5",
        },
        Threshold {
            name: "success",
            unit: "share",
            default: 0.2,
            why: "From this share of hosts that get in on it is a service with many users who mistype.",
            source: "DETECTORS.md section 14, measured",
        },
    ],
    innocent: &[
        "Devices of one user with an old password.",
        "The background noise that every public service hears.",
    ],
    next: &[
        "See whether one of the hosts got in: success in credentials at this service.",
        "Close the service to the outside, or ask for keys or a second factor.",
    ],
    references: &[
        "https://attack.mitre.org/techniques/T1110/001/",
        "Javed and Paxson, Detecting Stealthy, Distributed SSH Brute-Forcing, CCS 2013",
    ],
    build: |p| Box::new(Spread::new(p)),
};

#[derive(Debug, Default)]
struct Host {
    failed: u64,
    worked: bool,
    last: Timestamp,
    accounts: Names,
}

#[derive(Debug, Default)]
struct Service {
    hosts: BTreeMap<Ip, Host>,
    dropped: u64,
}

struct Spread {
    window: i64,
    hosts: usize,
    hosts_any: usize,
    failed: u64,
    alone: u64,
    success: f64,
    services: Keyed<(Ip, &'static str), Service>,
}

impl Spread {
    fn new(p: &Params) -> Self {
        Self {
            window: p.nanos("window"),
            hosts: p.count("hosts"),
            hosts_any: p.count("hosts_any"),
            failed: p.count("failed") as u64,
            alone: p.count("alone") as u64,
            success: p.get("success"),
            services: Keyed::new(MAX_SERVICES, |s| s.hosts.len() as u64),
        }
    }

    fn attempt(&mut self, a: &Attempt, out: &mut Findings) {
        let key = (a.dst, a.service);
        let s = self.services.at(&key, a.ts);
        if s.hosts.len() >= MAX_HOSTS && !s.hosts.contains_key(&a.src) {
            let window = self.window;
            s.hosts.retain(|_, h| a.ts.since(h.last) <= window);
            if s.hosts.len() >= MAX_HOSTS {
                s.dropped += 1;
                return;
            }
        }
        let host = s.hosts.entry(a.src).or_default();
        if a.ts.since(host.last) > self.window {
            *host = Host::default();
        }
        host.last = host.last.max(a.ts);
        host.worked |= a.worked;
        host.failed += u64::from(a.failed);
        if let Some(account) = a.account.as_deref().filter(|_| a.failed > 0 && host.accounts.len() < 16) {
            host.accounts.insert(account.into());
        }
        if a.failed == 0 || s.hosts.len() < self.hosts {
            return;
        }
        let window = self.window;
        let recent = |h: &Host| a.ts.since(h.last) <= window;
        let guess = |h: &Host| recent(h) && !h.worked && h.failed > 0 && h.failed < self.alone;
        let all: Vec<(&Ip, &Host)> = s.hosts.iter().filter(|(_, h)| guess(h)).collect();
        let same: Vec<(&Ip, &Host)> = match a.account.as_deref() {
            Some(account) => all.iter().filter(|(_, h)| h.accounts.contains(account)).copied().collect(),
            None => Vec::new(),
        };
        let sum = |of: &[(&Ip, &Host)]| of.iter().map(|(_, h)| h.failed).sum::<u64>();
        let got_in = s.hosts.values().filter(|h| recent(h) && h.worked).count();
        let share = got_in as f64 / (got_in + all.len()).max(1) as f64;
        let (who, account, least) = if same.len() >= self.hosts && sum(&same) >= self.failed {
            (same, a.account.as_deref(), self.hosts)
        } else if all.len() >= self.hosts_any && sum(&all) >= self.failed && share < self.success {
            (all, None, self.hosts_any)
        } else {
            return;
        };
        let failed = sum(&who);
        let finding =
            out.open(&BRUTE_FORCE, Subject::to(a.dst).port(a.port).about(format!("{} spread", a.service)));
        finding.seen(a.ts, a.flow);
        finding.set_count(failed);
        finding.reason("hosts", who.len() as f64, least as f64, 0.6);
        finding.reason("failed_logins", failed as f64, self.failed as f64, 0.5);
        finding.list("sources", who.iter().map(|(ip, _)| ip.to_string()));
        let accounts: Names = who.iter().flat_map(|(_, h)| h.accounts.iter().cloned()).collect();
        finding.list("accounts", accounts.iter().take(MAX_ACCOUNTS).map(ToString::to_string));
        finding.protocol = Some(a.protocol);
        let whose = account.map(|x| format!(" of {x}")).unwrap_or_default();
        finding.title = format!(
            "{} hosts together guess passwords{whose} over {} at {} port {}: {failed} failed, none of them got in",
            who.len(),
            shown(a.service),
            a.dst,
            a.port
        );
    }
}

impl Detector for Spread {
    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        if let Some(a) = attempt::of_record(r) {
            self.attempt(&a, out);
        }
    }

    fn evicted(&self) -> u64 {
        self.services.evicted()
    }
}
