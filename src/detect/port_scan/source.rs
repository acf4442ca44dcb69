//! What did one host try, and what is told of it?
//!
//! The last attempts of a host, in the order of their times, which `lately` judges. Beside them a walk over first contacts (Jung, Paxson, Berger, Balakrishnan 2004) that sees what is spread over hours.

use super::case::{Case, Reach};
use super::lately::PEERS_PORTS;
use super::probe::{Probe, Technique};
use super::{Limits, SENSITIVE};
use crate::detect::window::{Recent, fixed_hash};
use crate::detect::{Findings, FlowFact};
use crate::model::addr::Ip;
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::syn::SynShape;
use crate::model::time::Timestamp;
use hashbrown::HashSet;

/// Scans of one reach that are told of one host; what is more is a block scan. Each takes up to 16 KB.
const MAX_CASES: usize = 18;

/// First contacts remembered of one host: 256 of them take 2 KB. When they are full, the memory begins anew.
const CONTACTS: usize = 256;

/// Attempts of a scan that are looked at one by one, and how many of the later ones are: one in 16, then one in 256.
const BEGINNING: u32 = 256;
const SAMPLED: u32 = 16;

/// Flows kept of a walk, to show where it began.
const WALKED: usize = 20;

/// One attempt, as it is remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) dst: Ip,
    pub(super) port: u16,
    pub(super) protocol: u8,
    pub(super) flow: FlowId,
    pub(super) probe: Probe,
}

impl Seen {
    pub(super) fn of(f: &FlowFact, probe: Probe) -> Self {
        let protocol = f.tuple.protocol;
        // The protocols of an IP protocol scan are its ports.
        let scanned = probe.technique == Technique::IpProtocol;
        let (port, protocol) = if scanned { (u16::from(protocol), 0) } else { (f.tuple.dst_port, protocol) };
        Self { dst: f.dst(), port, protocol, flow: f.id, probe }
    }

    /// Is it a contact that the walk is about?
    fn is_contact(&self) -> bool {
        let technique = self.probe.technique;
        self.protocol == ip_protocol::TCP && technique.stealth() == 0 && !technique.may_be_stray()
    }

    /// Would it be a failed step of a walk that it begins?
    fn is_step(&self) -> bool {
        self.is_contact() && self.probe.outcome.is_failure() && (self.port < 1_024 || self.is_sensitive())
    }

    pub(super) fn is_sensitive(&self) -> bool {
        self.protocol == ip_protocol::TCP && SENSITIVE.contains(&self.port)
    }
}

/// Why a scan was opened.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) reach: Reach,
    /// Reasons: name, value, threshold, weight.
    pub(super) reasons: Vec<(&'static str, f64, f64, f64)>,
    /// Only a hint: one step milder.
    pub(super) mild: Option<&'static str>,
}

/// Where it happens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Setting {
    pub(super) src_internal: bool,
    pub(super) dst_internal: bool,
    pub(super) direction: &'static str,
}

impl Setting {
    pub(super) fn of(f: &FlowFact) -> Self {
        Self { src_internal: f.src_internal, dst_internal: f.dst_internal, direction: f.direction }
    }
}

/// The attempt at which a scan was noticed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noticed {
    pub(super) src: Ip,
    pub(super) ts: Timestamp,
    pub(super) setting: Setting,
    pub(super) syn: Option<SynShape>,
}

/// A walk over first contacts.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Natural logarithm of the likelihood ratio.
    ratio: f64,
    failures: usize,
    successes: usize,
    hosts: HashSet<u32>,
    contacts: HashSet<u32>,
    flows: Recent<Seen>,
    first: Option<Timestamp>,
    last: Timestamp,
    setting: Setting,
}

/// What is known of one host.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Its first attempt, while it is the only one and not sorted in: made-up senders leave millions of those, which must cost little.
    only: Option<(Timestamp, Seen, Setting)>,
    /// Was there a first one?
    begun: bool,
    pub(super) recent: Recent<Seen>,
    pub(super) walk: Walk,
    pub(super) cases: Vec<Case>,
    /// Attempts that belonged to scans that are told.
    taken: u32,
}

impl Walk {
    /// Did all failures that are kept ask for the same port, one of logins and shares?
    fn is_of_one_sensitive_port(&self) -> bool {
        let mut all = self.flows.iter().map(|(_, s)| s);
        all.next().is_some_and(|first| first.is_sensitive() && all.all(|s| s.port == first.port))
    }

    /// Its last failure.
    pub(super) fn end(&self) -> (Timestamp, Setting) {
        (self.last, self.setting)
    }
}

impl Source {
    /// What is worth keeping: scans told, then attempts.
    pub(super) fn suspicion(&self) -> u64 {
        if let Some((_, seen, _)) = &self.only {
            return 1 + 4 * u64::from(seen.is_step());
        }
        let cases: usize = self.cases.iter().map(Case::weight).sum();
        (cases * 1_000 + self.recent.len() + 4 * self.walk.failures) as u64
    }

    /// Keep the first attempt for later; false when it is not the first.
    pub(super) fn hold(&mut self, ts: Timestamp, seen: Seen, setting: Setting) -> bool {
        let first = !std::mem::replace(&mut self.begun, true);
        if first {
            self.only = Some((ts, seen, setting));
        }
        first
    }

    /// Would this attempt, which does not count by itself, change anything beside the one that is held?
    pub(super) fn is_idle(&self) -> bool {
        self.only.is_some_and(|(_, seen, _)| !seen.is_step())
    }

    /// Sort in the attempt that was held.
    pub(super) fn unfold(&mut self, limits: &Limits) {
        if let Some((ts, seen, setting)) = self.only.take() {
            self.step(ts, setting, seen, limits);
            self.recent.push(ts, seen, limits.horizon(), limits.kept);
        }
    }

    /// An attempt. True when it belongs to a scan that is told already.
    pub(super) fn follow(&mut self, ts: Timestamp, f: &FlowFact, seen: &Seen) -> bool {
        let mut taken = false;
        for case in &mut self.cases {
            if case.takes(seen) {
                case.add(ts, f, seen);
                taken = true;
            }
        }
        taken
    }

    /// Remember an attempt and judge. At most one scan is opened by one attempt. What a scan that is told has `taken` is looked at
    /// once in a while only: it may become part of a larger one.
    pub(super) fn see(
        &mut self,
        ts: Timestamp,
        f: &FlowFact,
        seen: Seen,
        taken: bool,
        limits: &Limits,
    ) -> Option<Verdict> {
        let counts = seen.probe.counts_at_one_host();
        if self.cases.iter().any(|c| c.reach == Reach::Block)
            || !counts && self.recent.len() < 3 && self.walk.failures == 0
        {
            return None;
        }
        if taken {
            self.taken = self.taken.wrapping_add(1);
            let each = if self.taken > 16 * BEGINNING { 16 * SAMPLED } else { SAMPLED };
            if self.taken > BEGINNING && !self.taken.is_multiple_of(each) {
                return None;
            }
        } else {
            self.step(ts, Setting::of(f), seen, limits);
        }
        // The same once more says nothing new: a retry, or a flood.
        let same = |(then, s): &&(Timestamp, Seen)| {
            (s.port, s.dst, s.protocol, s.probe) == (seen.port, seen.dst, seen.protocol, seen.probe)
                && ts.since(*then).abs() <= limits.window
        };
        if self.recent.iter().rev().any(|e| same(&e)) {
            return None;
        }
        self.recent.push(ts, seen, limits.horizon(), limits.kept);
        if !counts || self.cases.len() >= MAX_CASES {
            return None;
        }
        self.harden(ts, f, &seen, limits);
        let told = |reach: Reach| self.cases.iter().any(|c| c.reach == reach);
        let rows = |of: fn(&Reach) -> bool| self.cases.iter().filter(|c| of(&c.reach)).count();
        let verticals = rows(|r| matches!(r, Reach::Vertical(..)));
        let horizontals = rows(|r| matches!(r, Reach::Horizontal(..)));
        let one = if told(Reach::Vertical(seen.dst, seen.protocol)) {
            None
        } else {
            self.vertical(ts, &seen, limits)
        };
        let one = match one {
            None if !told(Reach::Horizontal(seen.port, seen.protocol)) => {
                self.horizontal(ts, f, &seen, limits)
            }
            found => found,
        };
        match one {
            // Too many rows of their own: it is one scan of many by many.
            Some(_) if verticals.max(horizontals) >= limits.rows => {
                let n = (verticals + horizontals) as f64;
                let reasons = vec![("scans_of_this_host", n, limits.rows as f64, 0.8)];
                Some(Verdict { reach: Reach::Block, reasons, mild: None })
            }
            Some(found) => Some(found),
            None => self.block(ts, limits).or_else(|| self.walked(false, limits)),
        }
    }

    /// What was a hint when it was told may have become clear since: a scan that begins with the ports of logins goes on to others.
    fn harden(&mut self, ts: Timestamp, f: &FlowFact, seen: &Seen, limits: &Limits) {
        let mild = |c: &Case| c.is_mild() && c.takes(seen);
        let Some(at) = self.cases.iter().position(mild) else { return };
        let found = match self.cases.get(at).map(|c| c.reach) {
            Some(Reach::Vertical(..)) => self.vertical(ts, seen, limits),
            Some(Reach::Horizontal(..)) => self.horizontal(ts, f, seen, limits),
            _ => None,
        };
        if let (Some(verdict), Some(case)) = (found.filter(|v| v.mild.is_none()), self.cases.get_mut(at)) {
            case.harden(verdict);
        }
    }

    /// Open a scan with the attempts that led to it.
    pub(super) fn begin(&mut self, verdict: Verdict, noticed: Noticed, limits: &Limits, out: &mut Findings) {
        let Noticed { src, ts, setting, syn } = noticed;
        let mut case = Case::new(verdict, ts, setting);
        // A block scan is one: the rows and columns of it that were told one by one are parts of it.
        let parts: Vec<Case> = if case.reach == Reach::Block {
            let is_part = |c: &mut Case| c.reach != Reach::Slow && c.lasts(ts, limits.horizon());
            self.cases.extract_if(.., is_part).collect()
        } else {
            Vec::new()
        };
        parts.iter().for_each(|part| case.absorb(part, src, out));
        let from = if case.reach == Reach::Slow { &self.walk.flows } else { &self.recent };
        from.iter()
            .filter(|(_, s)| case.takes(s) && !parts.iter().any(|part| part.takes(s)))
            .copied()
            .collect::<Vec<_>>()
            .iter()
            .for_each(|(ts, s)| case.count(*ts, s));
        if let Some(shape) = syn {
            case.looks(shape);
        }
        case.write(src, out);
        self.cases.push(case);
    }

    /// One step of the walk: the first contact of a host and port. TCP only, as in the paper: silence means nothing without a handshake.
    fn step(&mut self, ts: Timestamp, setting: Setting, seen: Seen, limits: &Limits) {
        if !seen.is_contact() {
            return;
        }
        let walk = &mut self.walk;
        let failed = seen.probe.outcome.is_failure();
        if !failed && walk.failures == 0 {
            return;
        }
        if walk.contacts.len() >= CONTACTS {
            walk.contacts.clear();
        }
        let key = |what: u8, dst: Ip, port: u16| fixed_hash(&(what, dst, port)) as u32;
        if !walk.contacts.insert(key(0, seen.dst, seen.port)) {
            return;
        }
        // A high port that no other host was asked for, of a host that was asked for no other: how peers find each other.
        let port_known = !walk.contacts.insert(key(1, Ip::default(), seen.port));
        let host_known = !walk.contacts.insert(key(2, seen.dst, 0));
        if failed && setting.direction == "outbound" && PEERS_PORTS.contains(&seen.port) {
            return;
        }
        if failed && seen.port >= 1_024 && !(port_known || host_known || seen.is_sensitive()) {
            return;
        }
        if !failed {
            walk.successes += 1;
            walk.ratio += limits.walk_down;
            if walk.ratio <= limits.walk_innocent {
                *walk = Walk::default();
            }
            return;
        }
        walk.failures += 1;
        walk.ratio += limits.walk_up;
        if walk.hosts.len() < CONTACTS {
            walk.hosts.insert(key(2, seen.dst, 0));
        }
        walk.flows.push(ts, seen, i64::MAX, WALKED);
        walk.first = Some(walk.first.map_or(ts, |first| first.min(ts)));
        walk.last = walk.last.max(ts);
        walk.setting = setting;
    }

    /// Does the walk end at a scanner? While it may still become another scan, only at the end of the capture (`over`).
    pub(super) fn walked(&self, over: bool, limits: &Limits) -> Option<Verdict> {
        let walk = &self.walk;
        let first = walk.first.filter(|_| self.cases.is_empty())?;
        let patient = over || walk.last.since(first) > limits.horizon();
        let all_failed = walk.successes == 0 && walk.hosts.len() >= limits.inbound_hosts;
        let inbound = all_failed
            && match walk.setting.direction {
                "inbound" | "external" => true,
                // Inside, whole networks fall silent; who then goes on with one port of logins from host to host is not a client of theirs.
                "internal" => walk.is_of_one_sensitive_port(),
                _ => false,
            };
        // Ports of one host are what `ports` is about, however slow.
        let least = if inbound {
            limits.inbound_failures
        } else if walk.hosts.len() == 1 {
            limits.walk_failures.max(limits.ports)
        } else {
            limits.walk_failures
        };
        if !patient || walk.failures < least || walk.ratio < limits.walk_scanner {
            return None;
        }
        let contacts = (walk.failures + walk.successes) as f64;
        let mut reasons = vec![
            ("failed_first_contacts", walk.failures as f64, least as f64, 0.6),
            ("likelihood_ratio_ln", walk.ratio, limits.walk_scanner, 0.3),
            ("failure_ratio", walk.failures as f64 / contacts, limits.ratio, 0.2),
        ];
        if inbound {
            reasons.push((
                "uninvited_from_outside",
                walk.hosts.len() as f64,
                limits.inbound_hosts as f64,
                0.4,
            ));
        }
        Some(Verdict { reach: Reach::Slow, reasons, mild: None })
    }
}
