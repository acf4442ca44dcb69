//! What is told of a scan, and how does it grow?
//!
//! Sums of one scan: targets, ports and their answers, speed, the tool. The finding is written anew for the first attempts, then
//! once in 16 and once in 64, so that a scan of millions costs little; the last word is said at the end.

use super::probe::Technique;
use super::source::{Seen, Setting, Verdict};
use crate::detect::window::{Distinct, fixed_hash};
use crate::detect::words::{counted, duration, grouped};
use crate::detect::{Finding, Findings, FlowFact, Outcome};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::{ip_protocol, protocol_name};
use crate::model::ids::FlowId;
use crate::model::kind::{self, Kind};
use crate::model::syn::SynShape;
use crate::model::time::Timestamp;
use std::collections::BTreeSet;

/// Different ports and pairs that are counted exactly, as nmap's usual thousand: 6 KB each; then a sketch of 1 KB.
const EXACT: usize = 1_024;

/// Targets that are counted exactly.
const EXACT_TARGETS: usize = 256;

/// Open pairs, and ports of the other answers, that are listed.
const LISTED: usize = 100;

/// Targets whose attempts are counted, to name the most hit one.
const RANKED: usize = 16;

/// Attempts between two writings of a finding, and of its beginning, whose first ones are written one by one.
const BATCH: usize = 64;
const BEGINNING: (u64, u64, usize) = (16, 256, 16);

/// How far a scan reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// Ports of one target, over one protocol (0: the protocols themselves).
    Vertical(Ip, u8),
    /// One port, over one protocol, of many.
    Horizontal(u16, u8),
    /// Many of many.
    Block,
    /// First contacts that fail, over hours.
    Slow,
}

/// One scan.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) reach: Reach,
    verdict: Verdict,
    first: Timestamp,
    last: Timestamp,
    attempts: u64,
    targets: Distinct<Ip>,
    ports: Distinct<u16>,
    pairs: Distinct<u32>,
    closed: Distinct<u32>,
    open: BTreeSet<(Ip, u16)>,
    /// Ports that refused, and that nobody answered for: the lowest ones.
    lists: [BTreeSet<u16>; 2],
    ranked: Vec<(Ip, u32)>,
    techniques: [u32; Technique::ALL.len()],
    /// SYNs by their looks: as nmap, masscan, zmap and hping send them, and others.
    tools: [u32; 5],
    setting: Setting,
    pending: Vec<(Timestamp, FlowId)>,
    /// Why it was a hint only, until it was none.
    was_mild: Option<&'static str>,
}

/// Everything on the Internet is scanned all day; what found nothing waits.
const FOUND_NOTHING: &str = "from_outside_found_nothing";

/// Tools by the SYNs they make, in the order of [`Case::tools`].
const TOOLS: [&str; 4] = ["nmap", "masscan", "zmap", "hping3"];

/// Which tool makes such SYNs: nmap offers 1 to 4 KiB and only the MSS option (its TCP/IP probes are raw); masscan and zmap send no
/// option, with windows of 1024 and 65535; hping3 sends none with 512.
fn tool(shape: SynShape) -> usize {
    let mut options = shape.options();
    let (first, second) = (options.next(), options.next());
    match (first, second, shape.window()) {
        (Some(2), None, 1_024 | 2_048 | 3_072 | 4_096) => 0,
        (None, None, 1_024) => 1,
        (None, None, 65_535) => 2,
        (None, None, 512) => 3,
        _ => 4,
    }
}

impl Case {
    /// A scan that was just noticed.
    pub(super) fn new(verdict: Verdict, ts: Timestamp, setting: Setting) -> Self {
        Self {
            reach: verdict.reach,
            verdict,
            first: ts,
            last: ts,
            attempts: 0,
            targets: Distinct::default(),
            ports: Distinct::default(),
            pairs: Distinct::default(),
            closed: Distinct::default(),
            open: BTreeSet::new(),
            lists: [BTreeSet::new(), BTreeSet::new()],
            ranked: Vec::new(),
            techniques: [0; Technique::ALL.len()],
            tools: [0; 5],
            setting,
            pending: Vec::new(),
            was_mild: None,
        }
    }

    /// Does this attempt belong to it?
    pub(super) fn takes(&self, seen: &Seen) -> bool {
        match self.reach {
            Reach::Vertical(dst, protocol) => seen.dst == dst && seen.protocol == protocol,
            Reach::Horizontal(port, protocol) => seen.port == port && seen.protocol == protocol,
            Reach::Block => seen.probe.counts(),
            Reach::Slow => seen.probe.counts() && seen.protocol == ip_protocol::TCP,
        }
    }

    /// Is it only a hint?
    pub(super) fn is_mild(&self) -> bool {
        self.verdict.mild.is_some()
    }

    /// It is no hint any more.
    pub(super) fn harden(&mut self, verdict: Verdict) {
        self.was_mild = self.verdict.mild.or(self.was_mild);
        self.verdict = verdict;
    }

    /// For ranking what to keep.
    pub(super) fn weight(&self) -> usize {
        1 + self.attempts.min(1_000) as usize
    }

    /// One more attempt, with its flow.
    pub(super) fn add(&mut self, ts: Timestamp, f: &FlowFact, seen: &Seen) {
        if let Some(shape) = f.syn {
            self.looks(shape);
        }
        self.count(ts, seen);
    }

    /// One more SYN that looks so.
    pub(super) fn looks(&mut self, shape: SynShape) {
        if let Some(n) = self.tools.get_mut(tool(shape)) {
            *n += 1;
        }
    }

    /// One more attempt.
    pub(super) fn count(&mut self, ts: Timestamp, seen: &Seen) {
        self.attempts += 1;
        (self.first, self.last) = (self.first.min(ts), self.last.max(ts));
        self.targets.insert(&seen.dst, EXACT_TARGETS);
        self.ports.insert(&seen.port, EXACT);
        let pair = fixed_hash(&(seen.dst, seen.port, seen.protocol)) as u32;
        self.pairs.insert(&pair, EXACT);
        if let Some(n) = self.techniques.get_mut(seen.probe.technique as usize) {
            *n += 1;
        }
        if let Some((_, n)) = self.ranked.iter_mut().find(|(ip, _)| *ip == seen.dst) {
            *n += 1;
        } else if self.ranked.len() < RANKED {
            self.ranked.push((seen.dst, 1));
        }
        let [closed, filtered] = &mut self.lists;
        let list = |ports: &mut BTreeSet<u16>| {
            if ports.len() < LISTED {
                ports.insert(seen.port);
            }
        };
        match seen.probe.outcome {
            Outcome::Open if self.open.len() < LISTED => drop(self.open.insert((seen.dst, seen.port))),
            Outcome::Closed => {
                self.closed.insert(&pair, EXACT);
                list(closed);
            }
            Outcome::Filtered => list(filtered),
            Outcome::Open | Outcome::Unknown => {}
        }
        self.pending.push((ts, seen.flow));
    }

    /// Another scan was a part of this one: its sums are in here from now on, its finding is taken back.
    pub(super) fn absorb(&mut self, part: &Self, src: Ip, out: &mut Findings) {
        self.attempts += part.attempts;
        (self.first, self.last) = (self.first.min(part.first), self.last.max(part.last));
        self.targets.absorb(&part.targets, EXACT_TARGETS);
        self.ports.absorb(&part.ports, EXACT);
        self.pairs.absorb(&part.pairs, EXACT);
        self.closed.absorb(&part.closed, EXACT);
        let room = LISTED.saturating_sub(self.open.len());
        self.open.extend(part.open.iter().take(room));
        for (mine, of_part) in self.lists.iter_mut().zip(&part.lists) {
            let room = LISTED.saturating_sub(mine.len());
            mine.extend(of_part.iter().take(room));
        }
        for (ip, n) in &part.ranked {
            if let Some((_, mine)) = self.ranked.iter_mut().find(|(mine, _)| mine == ip) {
                *mine += n;
            } else if self.ranked.len() < RANKED {
                self.ranked.push((*ip, *n));
            }
        }
        let sums =
            |mine: &mut [u32], of_part: &[u32]| mine.iter_mut().zip(of_part).for_each(|(m, p)| *m += p);
        sums(&mut self.techniques, &part.techniques);
        sums(&mut self.tools, &part.tools);
        let flows = out.withdraw(part.kind(), &part.subject(src));
        let found = out.open(self.kind(), self.subject(src));
        flows
            .into_iter()
            .chain(part.pending.iter().map(|(_, flow)| *flow))
            .for_each(|flow| found.evidence(flow));
        found.cover(part.first, part.last);
    }

    /// Did it go on until shortly before then?
    pub(super) fn lasts(&self, ts: Timestamp, within: i64) -> bool {
        ts.since(self.last) <= within
    }

    /// Is it time to write the finding?
    pub(super) fn is_due(&self) -> bool {
        let (one_by_one, beginning, batch) = BEGINNING;
        self.attempts <= one_by_one
            || self.pending.len() >= if self.attempts <= beginning { batch } else { BATCH }
    }

    fn technique(&self) -> Technique {
        let most =
            Technique::ALL.iter().zip(self.techniques).max_by_key(|(t, n)| (*n, std::cmp::Reverse(**t)));
        let most = most.map_or(Technique::Syn, |(t, _)| *t);
        // A SYN scan meets closed ports too; whole handshakes at the open ones tell a connect scan.
        let of = |t: Technique| self.techniques.get(t as usize).copied().unwrap_or(0);
        let half_open = !self.open.is_empty() && of(Technique::Connect) == 0;
        let [nmap, masscan, zmap, hping, other] = self.tools;
        let stack = other > nmap + masscan + zmap + hping;
        if most == Technique::Syn && !half_open && stack { Technique::Connect } else { most }
    }

    /// The tool, and in which part of the SYNs it shows.
    fn tool(&self) -> Option<(&'static str, f64)> {
        let all: u32 = self.tools.iter().sum();
        let (name, n) = TOOLS.iter().zip(self.tools).max_by_key(|(_, n)| *n)?;
        let part = f64::from(n) / f64::from(all.max(1));
        (part >= 0.8 && n >= 5).then_some((name, part))
    }

    fn kind(&self) -> &'static Kind {
        match self.reach {
            Reach::Vertical(..) => &kind::PORT_SCAN_VERTICAL,
            Reach::Horizontal(..) => &kind::PORT_SCAN_HORIZONTAL,
            Reach::Block => &kind::PORT_SCAN_BLOCK,
            Reach::Slow => &kind::PORT_SCAN_SLOW,
        }
    }

    fn subject(&self, src: Ip) -> Subject {
        match self.reach {
            Reach::Vertical(dst, 0) => Subject::pair(src, dst).about("ip_protocol"),
            Reach::Vertical(dst, protocol) => Subject::pair(src, dst).over(protocol),
            Reach::Horizontal(port, protocol) => Subject::by(src).port(port).over(protocol),
            Reach::Block | Reach::Slow => Subject::by(src),
        }
    }

    /// Write the finding as it stands.
    pub(super) fn write(&mut self, src: Ip, out: &mut Findings) {
        let closed = self.closed.len();
        let pairs =
            if matches!(self.reach, Reach::Vertical(..)) { self.ports.len() } else { self.pairs.len() };
        let (open, seconds) = (self.open.len(), self.last.secs_since(self.first));
        let filtered = pairs.saturating_sub(open + closed);
        let technique = self.technique();
        let title = self.title(src, technique, [pairs, open, closed, filtered], seconds);
        let (targets, ports) = (self.targets.len(), self.ports.len());
        let found = out.open(self.kind(), self.subject(src));
        found.title = title;
        found.direction = Some(self.setting.direction);
        for (ts, flow) in self.pending.drain(..) {
            found.cover(ts, ts);
            found.evidence(flow);
        }
        found.set_count(self.attempts);
        if !matches!(self.reach, Reach::Vertical(..)) {
            let most = self.ranked.iter().max_by_key(|(ip, n)| (*n, std::cmp::Reverse(*ip)));
            found.dst = self.open.first().map(|(ip, _)| *ip).or(most.map(|(ip, _)| *ip));
        }
        found.protocol = (technique == Technique::Udp).then_some(ip_protocol::UDP).or(Some(ip_protocol::TCP));
        if technique == Technique::IpProtocol {
            found.protocol = None;
        }
        for &(name, value, threshold, weight) in &self.verdict.reasons {
            let value = match (name, self.reach) {
                ("failed_ports" | "ip_protocols", _) => (closed + filtered).max(value as usize) as f64,
                ("failed_hosts", _) => value.max(targets.saturating_sub(open) as f64),
                ("failed_pairs", _) => value.max((closed + filtered) as f64),
                _ => value,
            };
            // Twice the threshold leaves half of the doubt, and so on; never less than a tenth.
            let sure = 1.0 - (1.0 - weight) * (threshold / value.max(threshold)).max(0.1).sqrt();
            let counted = name.starts_with("failed_");
            found.reason(name, value, threshold, if counted { sure } else { weight });
        }
        let names: Vec<&str> = Technique::ALL
            .iter()
            .zip(self.techniques)
            .filter(|(_, n)| *n > 0)
            .map(|(t, _)| t.name())
            .collect();
        found.detail("technique", technique.name());
        found.list("techniques", names);
        found.detail("targets", targets);
        found.detail("ports", ports);
        found.detail("open", open);
        found.detail("closed", closed);
        found.detail("filtered", filtered);
        found.detail("rate_per_s", (self.attempts as f64 / seconds.max(1.0) * 100.0).round() / 100.0);
        self.lists(found);
        if let Some((tool, part)) = self.tool() {
            found.reason("tool_signature", part, 0.8, 0.5);
            found.detail("tool", tool);
        }
        self.context(found, open);
    }

    fn lists(&self, found: &mut Finding) {
        let [closed, filtered] = &self.lists;
        match self.reach {
            Reach::Vertical(..) => {
                found.list("open_ports", self.open.iter().map(|(_, p)| *p));
                let open = |p: &&u16| !self.open.iter().any(|(_, o)| o == *p);
                found.list("closed_ports", closed.iter().filter(open).copied());
                let rest = |p: &&u16| !closed.contains(*p);
                found.list("filtered_ports", filtered.iter().filter(open).filter(rest).copied());
            }
            Reach::Horizontal(..) => {
                found.list("open_hosts", self.open.iter().map(|(ip, _)| ip.to_string()));
                found.list("hosts", self.targets.sorted().iter().map(ToString::to_string));
            }
            Reach::Block | Reach::Slow => {
                found.list("open_services", self.open.iter().map(|(ip, p)| format!("{ip} port {p}")));
                found.list("hosts", self.targets.sorted().iter().map(ToString::to_string));
                found.list("tried_ports", self.ports.sorted());
            }
        }
    }

    /// Severity moves with where it comes from and what it found.
    fn context(&self, found: &mut Finding, open: usize) {
        if let Some(why) = self.was_mild {
            found.unmoved(why);
        }
        match (self.verdict.mild, (self.setting.src_internal, self.setting.dst_internal)) {
            (Some(why), _) => found.lower(why),
            (None, (true, false)) => found.raise("leaves_the_network"),
            (None, (false, true)) if open == 0 => found.lower(FOUND_NOTHING),
            (None, (false, true)) => found.unmoved(FOUND_NOTHING),
            _ => {}
        }
    }

    fn title(&self, src: Ip, technique: Technique, sums: [usize; 4], seconds: f64) -> String {
        let [pairs, open, closed, filtered] = sums;
        let (targets, ports) = (self.targets.len(), self.ports.len());
        let how = match technique {
            Technique::IpProtocol => "IP protocol".to_owned(),
            t => t.name().replace('_', "+").to_uppercase(),
        };
        let some = if self.pairs.is_exact() { "" } else { "some " };
        let [closed, filtered] = [closed, filtered].map(|n| grouped(n as u64));
        let found = format!("{open} open, {closed} closed, {filtered} filtered");
        let time = duration(seconds);
        match self.reach {
            Reach::Vertical(dst, 0) => {
                format!("{src} tried {} of {dst} in {time} ({found})", counted(ports, "IP protocol"))
            }
            Reach::Vertical(dst, protocol) => format!(
                "{src} tried {some}{} of {dst} in {time}: {found} ({how} scan)",
                counted(ports, &format!("{} port", protocol_name(protocol).to_uppercase()))
            ),
            Reach::Horizontal(port, protocol) => format!(
                "{src} tried {} port {port} of {} in {time}: {found} ({how} scan)",
                protocol_name(protocol).to_uppercase(),
                counted(targets, "host")
            ),
            Reach::Block => format!(
                "{src} tried {} of {} in {time}: {some}{} pairs, {found} ({how} scan)",
                counted(ports, "port"),
                counted(targets, "host"),
                grouped(pairs as u64)
            ),
            Reach::Slow => format!(
                "{src} contacted {} and {} for the first time in {time}: {found}",
                counted(targets, "host"),
                counted(ports, "port"),
            ),
        }
    }
}
