//! Who guesses passwords, who tries a few at many accounts, and did one work?
//!
//! Attempts come from `credentials` (protocols that show the outcome), from SSH by the sizes of the server's answers, from RDP and VNC by
//! connections in which hardly anything came back, from SNMP by the communities tried in one flow. Many failures and hardly a success in ten minutes are guessing; many accounts with few
//! tries each are spraying; a success afterwards is the alarm that matters. [`spread`] sees the same done by many hosts.
//! Refuses to count logins that work: a monitor, backups, an agent with several keys, two typos.

mod attempt;
pub mod spread;
#[cfg(test)]
mod tests;

use self::attempt::{Attempt, shown};
use super::stats::variation;
use super::window::{Keyed, Recent};
use super::{Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::kind::{BRUTE_FORCE, LOGIN_AFTER_GUESSING, PASSWORD_SPRAY};
use crate::model::time::Timestamp;
use crate::protocol::{credentials, snmp, ssh};
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of hosts per shard, at most 20 KB each when they guess (attempts of ten minutes, accounts): most hold one attempt of 100 bytes.
const MAX_PAIRS: usize = 2_048;
/// Attempts of a pair that are kept; the thresholds lie far below.
const MAX_TRIES: usize = 128;
/// Accounts of a pair or source that are told apart.
const MAX_ACCOUNTS: usize = 128;
/// Sources per shard whose accounts are followed.
const MAX_SOURCES: usize = 1_024;

/// Accounts by name, for lists.
type Names = BTreeSet<Box<str>>;

const WINDOW: Threshold = Threshold {
    name: "window",
    unit: "s",
    default: 600.0,
    why: "Attempts this close belong together; people who mistype stop earlier.",
    source: "DETECTORS.md section 5",
};

/// What it says of itself.
pub static META: Meta = Meta {
    id: "login_guessing",
    question: "Does a host guess passwords, and did one work?",
    method: "Failed logins are counted per pair of hosts and service, by the answers where they are readable and by their sizes where not. Many of them with hardly a success are guessing; few each at many accounts are spraying; a login that works afterwards is reported on its own.",
    kinds: &[&BRUTE_FORCE, &PASSWORD_SPRAY, &LOGIN_AFTER_GUESSING],
    scope: Scope::Source,
    flows: true,
    tables: &[&credentials::CREDENTIALS, &ssh::TABLE, &snmp::TABLE],
    icmp: false,
    thresholds: &[
        WINDOW,
        Threshold {
            name: "failed",
            unit: "attempts",
            default: 10.0,
            why: "Failed logins at one service within the window; a person gives up or asks after three to five.",
            source: "DETECTORS.md section 5",
        },
        Threshold {
            name: "connections",
            unit: "connections",
            default: 6.0,
            why: "Encrypted connections in which logins were refused and none worked.",
            source: "DETECTORS.md section 14, measured",
        },
        Threshold {
            name: "forms",
            unit: "forms",
            default: 3.0,
            why: "So many login forms of the web whose answer tells neither way count as one failure.",
            source: "own choice: 30 forms in ten minutes are no person",
        },
        Threshold {
            name: "form_hurry",
            unit: "s",
            default: 60.0,
            why: "As many forms of a page as `failed` within this are each a failure: nobody fills in one every six seconds, and who is let in does not send the next.",
            source: "measured on hydra: 16 forms in 2 s",
        },
        Threshold {
            name: "success",
            unit: "share",
            default: 0.2,
            why: "From this share of successes on it is somebody who knows the password and mistypes, or one of many users behind an address.",
            source: "DETECTORS.md section 14, measured",
        },
        Threshold {
            name: "accounts",
            unit: "accounts",
            default: 10.0,
            why: "Different accounts that one host failed to log in at within an hour.",
            source: "MITRE ATT&CK T1110.003",
        },
        Threshold {
            name: "tries",
            unit: "attempts/account",
            default: 3.0,
            why: "Sprayers stay below the lockout of accounts, mostly three to five attempts.",
            source: "MITRE ATT&CK T1110.003",
        },
        Threshold {
            name: "memory",
            unit: "s",
            default: 3_600.0,
            why: "So long after the last failure a success still belongs to the guessing, and accounts are counted together.",
            source: "NIST SP 800-63B lockouts and tools' pauses",
        },
    ],
    innocent: &[
        "A program with an old password tries again and again.",
        "Many users behind one address (a gateway, a web mailer) mistype.",
        "A test of passwords that the owner ordered.",
    ],
    next: &[
        "Where a login worked (login_after_guessing, or success in credentials), end it and see what was done there.",
        "Lock or change the accounts in details, and close the service to the source.",
        "Look what else the source does: other findings with the same src_ip.",
    ],
    references: &[
        "https://attack.mitre.org/techniques/T1110/",
        "RFC 4252 (SSH authentication)",
        "Javed and Paxson, Detecting Stealthy, Distributed SSH Brute-Forcing, CCS 2013",
    ],
    build: |p| Box::new(Guessing::new(p)),
};

#[derive(Clone, Copy, Debug)]
struct Try {
    failed: u16,
    worked: bool,
    by_size: bool,
}

/// What one host did at one service of another.
#[derive(Debug, Default)]
struct Pair {
    recent: Recent<Try>,
    failed: u64,
    worked: u64,
    /// Forms without a clear answer, the last ones, and how many failures they were counted as.
    unsure: u64,
    forms: Recent<()>,
    counted: u64,
    /// Encrypted connections without success.
    connections: u64,
    first_failed: Option<Timestamp>,
    last_failed: Option<Timestamp>,
    accounts: BTreeMap<Box<str>, u32>,
    guesses: bool,
}

impl Pair {
    fn suspicion(&self) -> u64 {
        self.failed + u64::from(self.guesses) * 1_000_000
    }
}

/// What one host did at a service, wherever.
#[derive(Debug, Default)]
struct Source {
    accounts: BTreeMap<Box<str>, u32>,
    hosts: BTreeMap<Ip, u32>,
    failed: u64,
    worked: u64,
    first_failed: Option<Timestamp>,
    last_failed: Option<Timestamp>,
    sprays: bool,
}

struct Guessing {
    window: i64,
    failed: u64,
    connections: u64,
    forms: u64,
    form_hurry: i64,
    success: f64,
    accounts: usize,
    tries: f64,
    memory: i64,
    pairs: Keyed<(Ip, Ip, &'static str), Pair>,
    sources: Keyed<(Ip, &'static str), Source>,
}

/// Share of successes.
fn share(worked: u64, failed: u64) -> f64 {
    worked as f64 / (worked + failed).max(1) as f64
}

fn counted(accounts: &mut BTreeMap<Box<str>, u32>, account: &str) {
    if let Some(n) = accounts.get_mut(account) {
        *n = n.saturating_add(1);
    } else if accounts.len() < MAX_ACCOUNTS {
        accounts.insert(account.into(), 1);
    }
}

/// "the account x", "3 accounts", or nothing.
fn whose(accounts: &BTreeMap<Box<str>, u32>) -> String {
    match accounts.len() {
        0 => String::new(),
        1 => accounts.keys().next().map(|a| format!(" of {a}")).unwrap_or_default(),
        n if n >= MAX_ACCOUNTS => format!(" of {n} accounts or more"),
        n => format!(" of {n} accounts"),
    }
}

fn seconds(span: (Option<Timestamp>, Option<Timestamp>)) -> String {
    let (Some(first), Some(last)) = span else { return String::new() };
    let s = last.secs_since(first).max(0.0);
    if s < 1.0 { "within a second".into() } else { format!("in {s:.0} s") }
}

impl Guessing {
    fn new(p: &Params) -> Self {
        Self {
            window: p.nanos("window"),
            failed: p.count("failed") as u64,
            connections: p.count("connections") as u64,
            forms: (p.count("forms") as u64).max(1),
            form_hurry: p.nanos("form_hurry"),
            success: p.get("success"),
            accounts: p.count("accounts"),
            tries: p.get("tries"),
            memory: p.nanos("memory"),
            pairs: Keyed::new(MAX_PAIRS, Pair::suspicion),
            sources: Keyed::new(MAX_SOURCES, |s| s.failed + u64::from(s.sprays) * 1_000_000),
        }
    }

    fn attempt(&mut self, a: &Attempt, out: &mut Findings) {
        if !a.unsure {
            self.source(a, out);
            self.pair(a, out);
            return;
        }
        // Forms without a clear answer: so many of them count as one failure, an application that sends a password with each request as none;
        // but forms that no hand fills in so fast count each.
        let p = self.pairs.at(&(a.src, a.dst, a.service), a.ts);
        p.unsure += 1;
        if a.form {
            p.forms.push(a.ts, (), self.form_hurry, MAX_TRIES);
        }
        let hurried = p.forms.most(a.ts, self.form_hurry) as u64 >= self.failed.max(2);
        let due = if hurried { p.unsure } else { p.unsure / self.forms }.saturating_sub(p.counted);
        if due > 0 && p.worked == 0 {
            p.counted += due;
            let failed = u16::try_from(due).unwrap_or(u16::MAX);
            self.pair(&Attempt { failed, ..a.clone() }, out);
        }
    }

    /// Many accounts, few tries each.
    fn source(&mut self, a: &Attempt, out: &mut Findings) {
        let Some(account) = a.account.as_deref() else { return };
        let key = (a.src, a.service);
        // Who never failed is not followed.
        if a.worked && self.sources.get(&key).is_none() {
            return;
        }
        let s = self.sources.at(&key, a.ts);
        if s.last_failed.is_some_and(|last| a.ts.since(last) > self.memory) && !s.sprays {
            *s = Source::default();
        }
        s.worked += u64::from(a.worked);
        if a.failed > 0 {
            s.failed += u64::from(a.failed);
            s.first_failed = Some(s.first_failed.map_or(a.ts, |t| t.min(a.ts)));
            s.last_failed = Some(s.last_failed.map_or(a.ts, |t| t.max(a.ts)));
            counted(&mut s.accounts, account);
            if s.hosts.len() < MAX_ACCOUNTS || s.hosts.contains_key(&a.dst) {
                *s.hosts.entry(a.dst).or_default() += 1;
            }
        }
        let each = s.failed as f64 / s.accounts.len().max(1) as f64;
        let seldom = share(s.worked, s.failed) < self.success;
        let many = s.accounts.len() >= self.accounts;
        s.sprays |= many && seldom && each <= self.tries;
        if !s.sprays {
            return;
        }
        if a.worked {
            if s.accounts.contains_key(account) {
                Self::worked(a, s.failed, out);
            }
            return;
        }
        let most = s.hosts.iter().max_by_key(|(ip, n)| (**n, std::cmp::Reverse(**ip))).map(|(ip, _)| *ip);
        let place = match (s.hosts.len(), most) {
            (1, Some(one)) => one.to_string(),
            (n, _) => format!("{n} hosts"),
        };
        let finding = out.open(&PASSWORD_SPRAY, Subject::by(a.src).about(a.service));
        finding.seen(a.ts, a.flow);
        finding.set_count(s.failed);
        finding.cover(s.first_failed.unwrap_or(a.ts), a.ts);
        finding.reason("accounts", s.accounts.len() as f64, self.accounts as f64, 0.75);
        finding.reason("attempts_per_account", each, self.tries, 0.3);
        finding.reason("success_share", share(s.worked, s.failed), self.success, 0.2);
        finding.list("accounts", s.accounts.keys().map(ToString::to_string));
        finding.list("hosts", s.hosts.keys().map(ToString::to_string));
        finding.detail("worked", s.worked);
        (finding.dst, finding.dst_port, finding.protocol) = (most, Some(a.port), Some(a.protocol));
        finding.title = format!(
            "{} tries few passwords{} over {} at {place}: {} failed {}",
            a.src,
            whose(&s.accounts),
            shown(a.service),
            s.failed,
            seconds((s.first_failed, s.last_failed)),
        );
    }

    /// Many failures at one service.
    fn pair(&mut self, a: &Attempt, out: &mut Findings) {
        let key = (a.src, a.dst, a.service);
        let (window, memory) = (self.window, self.memory);
        let p = self.pairs.at(&key, a.ts);
        if p.last_failed.is_some_and(|last| a.ts.since(last) > memory) && !p.guesses {
            *p = Pair::default();
        }
        p.worked += u64::from(a.worked);
        if a.failed > 0 {
            p.failed += u64::from(a.failed);
            p.connections += u64::from(a.by_size && !a.worked);
            p.first_failed = Some(p.first_failed.map_or(a.ts, |t| t.min(a.ts)));
            p.last_failed = Some(p.last_failed.map_or(a.ts, |t| t.max(a.ts)));
            if let Some(account) = a.account.as_deref() {
                counted(&mut p.accounts, account);
            }
        }
        let (mut most_failed, mut most_connections) = (p.failed, p.connections);
        if !p.guesses {
            let one = Try { failed: a.failed, worked: a.worked, by_size: a.by_size };
            p.recent.push(a.ts, one, window, MAX_TRIES);
            let (mut failed, mut connections, mut worked) = (0, 0, 0);
            for (_, t) in p.recent.iter() {
                failed += u64::from(t.failed);
                worked += u64::from(t.worked);
                connections += u64::from(t.by_size && !t.worked && t.failed > 0);
            }
            let many = failed >= self.failed || connections >= self.connections;
            // Few tries at each of many accounts are told as spraying.
            let sprayed =
                p.accounts.len() >= self.accounts && p.failed as f64 / p.accounts.len() as f64 <= self.tries;
            p.guesses = many && !sprayed && share(worked, failed) < self.success && a.failed > 0;
            (most_failed, most_connections) = (failed, connections);
            if !p.guesses {
                return;
            }
        }
        if a.worked {
            let known = a.account.as_deref().is_none_or(|acc| p.accounts.contains_key(acc));
            let soon = p.last_failed.is_some_and(|last| a.ts.since(last) <= memory);
            let after = p.first_failed.is_some_and(|first| a.ts >= first);
            if known && soon && after {
                Self::worked(a, p.failed, out);
            }
        }
        if a.failed == 0 {
            return;
        }
        let finding = out.open(&BRUTE_FORCE, Subject::pair(a.src, a.dst).about(a.service));
        let fresh = finding.count() == 0;
        finding.seen(a.ts, a.flow);
        finding.set_count(p.failed);
        finding.cover(p.first_failed.unwrap_or(a.ts), p.last_failed.unwrap_or(a.ts));
        if most_failed >= self.failed {
            // Sizes are a guess, answers are not.
            let weight = if a.by_size || a.unsure { 0.65 } else { 0.8 };
            finding.reason("failed_logins", p.failed as f64, self.failed as f64, weight);
        }
        if most_connections >= self.connections {
            finding.reason("refused_connections", p.connections as f64, self.connections as f64, 0.6);
        }
        finding.reason("success_share", share(p.worked, p.failed), self.success, 0.2);
        if fresh && a.by_size {
            let tries: Vec<f64> = p.recent.iter().map(|(_, t)| f64::from(t.failed)).collect();
            if variation(&tries) < 0.2 {
                finding.reason("tries_vary", variation(&tries), 0.2, 0.2);
            }
        }
        finding.list("accounts", p.accounts.keys().map(ToString::to_string));
        finding.detail("service", a.service);
        finding.detail("worked", p.worked);
        if p.connections > 0 {
            finding.detail("refused_connections", p.connections);
        }
        (finding.dst_port, finding.protocol) = (Some(a.port), Some(a.protocol));
        let end = if p.worked == 0 { String::new() } else { format!(", {} worked", p.worked) };
        let how_many = if p.unsure > 0 {
            finding.detail("forms_unclear", p.unsure);
            format!("{} forms sent and none known to work", p.unsure + p.failed.saturating_sub(p.counted))
        } else {
            format!("{} failed", p.failed)
        };
        finding.title = format!(
            "{} guesses passwords{} over {} at {} port {}: {how_many} {}{end}",
            a.src,
            whose(&p.accounts),
            shown(a.service),
            a.dst,
            a.port,
            seconds((p.first_failed, p.last_failed)),
        );
    }

    fn worked(a: &Attempt, failed: u64, out: &mut Findings) {
        let finding = out.open(&LOGIN_AFTER_GUESSING, Subject::pair(a.src, a.dst).about(a.service));
        finding.seen(a.ts, a.flow);
        finding.reason("failed_before", failed as f64, 1.0, 0.7);
        finding.reason("login_worked", 1.0, 1.0, if a.by_size { 0.5 } else { 0.8 });
        (finding.dst_port, finding.protocol) = (Some(a.port), Some(a.protocol));
        finding.detail("service", a.service);
        if let Some(account) = a.account.as_deref() {
            finding.detail("account", account);
        }
        let who = a.account.as_deref().map(|x| format!(" as {x}")).unwrap_or_default();
        finding.title = format!(
            "{} logged in{who} over {} at {} port {} after {failed} failed attempts",
            a.src,
            shown(a.service),
            a.dst,
            a.port
        );
    }
}

impl Detector for Guessing {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        if let Some(a) = attempt::of_flow(f) {
            self.attempt(&a, out);
        }
    }

    fn record(&mut self, r: &RecordFact, out: &mut Findings) {
        if let Some(a) = attempt::of_record(r) {
            self.attempt(&a, out);
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted() + self.sources.evicted()
    }
}
