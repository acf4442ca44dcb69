//! How do facts reach the detectors, in the same order in every run?
//!
//! A fact becomes known when a packet completes it or a timeout passes, but the tables above tell it a little later, at the end of a batch
//! or when they sweep. So facts wait here until packet time is [`HOLD`] past them, and then go to the detectors in the order in which they became
//! known: first in the shard of the originator, then in that of the responder. What ends a batch therefore decides nothing.
//!
//! A stream may get other thresholds while it runs: a detector whose numbers changed begins anew, the others go on. What it had found stays open, so that a subject keeps its one
//! finding; it is not asked for a last judgement by the old numbers.

use super::{SHARDS, shard_of};
use crate::decode::{Arp, IcmpMessage, pair_hash};
use crate::detect::{ALL, Config, Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope};
use crate::model::anomaly::{Anomaly, DetectorRun};
use crate::model::ids::CaptureId;
use crate::model::schema::Table;
use crate::model::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Packet time that facts wait, nanoseconds (5 s): the flow table takes a flow at most 2 s of disorder and two ticks of 1.07 s after
/// its time.
const HOLD: i64 = 5_000_000_000;

/// Facts that wait in one shard. 16 shards of them take 48 MB at worst, which only a flood reaches; then the earlier half goes
/// ahead of its time.
const MAX_WAITING: usize = 8_192;

/// Facts that one detector looks at before the next one does: some 100 KB, which a core's second-level cache holds.
const PORTION: usize = 256;

/// Facts that wait for the detectors of the whole capture.
const MAX_WAITING_SEGMENT: usize = 65_536;

/// Up to which time facts may go to the detectors, when packet time is `now`.
pub(super) fn watermark(now: Option<Timestamp>) -> Timestamp {
    now.map_or(Timestamp(i64::MIN), |now| now.plus(-HOLD))
}

/// A fact on its way.
#[derive(Debug)]
pub(super) enum Fact {
    /// A flow.
    Flow(Box<FlowFact>),
    /// A record.
    Record(Box<RecordFact>),
}

/// Orders facts: when known, then by packet; the flow tells equal ones apart.
type Key = (Timestamp, u64, i64);

impl Fact {
    fn key(&self) -> Key {
        match self {
            Self::Flow(f) => (f.known, f.id.first_packet(), f.id.0),
            Self::Record(r) => (r.known, r.packet, r.flow_id.0),
        }
    }

    fn responder(&self) -> crate::model::addr::Ip {
        match self {
            Self::Flow(f) => f.tuple.dst,
            Self::Record(r) => r.tuple.dst,
        }
    }
}

/// Who looks at a fact: a bit for each detector of the originators' shard and of the responders', and whether those of the capture do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Readers {
    source: u64,
    target: u64,
    segment: bool,
}

/// A fact that waits, with what sorting and handing on ask of it: neither follows a pointer.
#[derive(Debug)]
struct Waiting {
    key: Key,
    readers: Readers,
    fact: Fact,
}

/// The detectors that run.
fn active(config: &Config) -> impl Iterator<Item = &'static Meta> {
    ALL.iter().copied().filter(|m| !config.disabled.iter().any(|d| d == m.id))
}

/// A detector at work, with what it has found.
struct Running {
    meta: &'static Meta,
    params: Params,
    detector: Box<dyn Detector>,
    findings: Findings,
    spent: Duration,
    reported: u64,
    /// Given up by instances before this one.
    evicted: u64,
    /// Given up in captures before this one.
    evicted_before: u64,
    /// Switched off while it ran: it sees nothing more, and keeps what it has in case it is switched on again.
    off: bool,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("detector", &self.meta.id).finish_non_exhaustive()
    }
}

impl Running {
    fn all(scope: Scope, config: &Arc<Config>) -> Vec<Self> {
        active(config).filter(|m| m.scope == scope).map(|meta| Self::new(meta, config)).collect()
    }

    fn new(meta: &'static Meta, config: &Arc<Config>) -> Self {
        let params = Params::of(meta, config);
        let detector = (meta.build)(&params);
        Self {
            meta,
            params,
            detector,
            findings: Findings::new(meta.id),
            spent: Duration::ZERO,
            reported: 0,
            evicted: 0,
            evicted_before: 0,
            off: false,
        }
    }

    /// Other numbers hold from now on, for all of a scope.
    fn renew(running: &mut Vec<Self>, scope: Scope, config: &Arc<Config>) {
        for r in running.iter_mut() {
            r.off = !active(config).any(|m| std::ptr::eq(m, r.meta));
            let params = Params::of(r.meta, config);
            if !r.params.same(&params) {
                r.evicted += r.detector.evicted();
                r.detector = (r.meta.build)(&params);
                r.params = params;
            }
        }
        for meta in active(config).filter(|m| m.scope == scope) {
            if !running.iter().any(|r| std::ptr::eq(r.meta, meta)) {
                running.push(Self::new(meta, config));
            }
        }
    }

    fn reads(&self, table: &'static Table) -> bool {
        !self.off && self.meta.tables.iter().any(|t| std::ptr::eq(*t, table))
    }

    /// Show it those facts that `mine` picks, one after the other.
    fn see(&mut self, facts: &[Waiting], mine: impl Fn(&Readers) -> bool) {
        let began = Instant::now();
        for waiting in facts.iter().filter(|w| mine(&w.readers)) {
            match &waiting.fact {
                Fact::Flow(flow) => self.detector.flow(flow, &mut self.findings),
                Fact::Record(r) => self.detector.record(r, &mut self.findings),
            }
        }
        self.spent += began.elapsed();
    }

    fn catch_up(&mut self) {
        let began = Instant::now();
        self.detector.catch_up(&mut self.findings);
        self.spent += began.elapsed();
    }

    fn finish(&mut self) {
        let began = Instant::now();
        self.detector.finish(&mut self.findings);
        self.spent += began.elapsed();
    }

    fn take(&mut self, capture: CaptureId, least: f64, loss: f64) -> Vec<Anomaly> {
        let found = self.findings.take(capture, least, loss);
        self.reported += found.len() as u64;
        found
    }

    /// All that was given up since the stream began.
    fn given_up(&self) -> u64 {
        self.evicted + self.detector.evicted() + self.findings.refused()
    }

    /// The capture was cut: the detector goes on, its account and what it finds begin anew.
    fn go_on(&mut self) {
        self.findings.go_on();
        (self.spent, self.reported) = (Duration::ZERO, 0);
        self.evicted_before = self.given_up();
    }

    /// Add what this instance did to its detector's run.
    fn account(&self, runs: &mut Vec<DetectorRun>) {
        let at = match runs.iter().position(|r| r.detector == self.meta.id) {
            Some(at) => at,
            None => {
                let parameters = self.params.pairs().map(|(n, v)| (n.to_owned(), v.into())).collect();
                runs.push(DetectorRun {
                    detector: self.meta.id.into(),
                    parameters,
                    ..DetectorRun::default()
                });
                runs.len() - 1
            }
        };
        if let Some(run) = runs.get_mut(at) {
            run.duration_s += self.spent.as_secs_f64();
            run.findings += self.reported;
            run.evicted += self.given_up().saturating_sub(self.evicted_before);
        }
    }
}

/// Show facts to detectors, in portions that stay in the processor's cache while one detector after the other looks at them.
fn show(running: &mut [Running], facts: &[Waiting], bits: fn(&Readers) -> u64) {
    for portion in facts.chunks(PORTION) {
        for (n, detector) in running.iter_mut().enumerate() {
            detector.see(portion, |r| bits(r) & (1 << n) != 0);
        }
    }
}

/// The detectors of one shard of hosts.
#[derive(Debug)]
pub(super) struct ShardJudge {
    source: Vec<Running>,
    target: Vec<Running>,
    /// Who looks at flows.
    of_flows: Readers,
    /// Who reads records, for every table that somebody reads.
    of_records: Vec<(&'static Table, Readers)>,
    waiting: Vec<Waiting>,
    /// Facts for the shards of their responders.
    pub(super) to_target: Vec<Vec<Fact>>,
    /// Records for the detectors of the whole capture.
    pub(super) to_segment: Vec<RecordFact>,
}

/// A bit for each of `running` that `wants`.
fn bits_of(running: &[Running], wants: impl Fn(&Running) -> bool) -> u64 {
    running.iter().enumerate().filter(|(_, r)| wants(r)).fold(0, |bits, (n, _)| bits | 1 << n)
}

impl ShardJudge {
    pub(super) fn new(config: &Config) -> Self {
        let config = &Arc::new(config.clone());
        let mut new = Self {
            source: Running::all(Scope::Source, config),
            target: Running::all(Scope::Target, config),
            of_flows: Readers::default(),
            of_records: Vec::new(),
            waiting: Vec::new(),
            to_target: (0..SHARDS).map(|_| Vec::new()).collect(),
            to_segment: Vec::new(),
        };
        new.address(config);
        new
    }

    /// Other thresholds hold from now on, also for facts that wait.
    pub(super) fn renew(&mut self, config: &Config) {
        let config = &Arc::new(config.clone());
        Running::renew(&mut self.source, Scope::Source, config);
        Running::renew(&mut self.target, Scope::Target, config);
        self.address(config);
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting = waiting.into_iter().map(|w| self.waiting(w.fact)).collect();
    }

    /// Who looks at what.
    fn address(&mut self, config: &Config) {
        let (source, target) = (&self.source, &self.target);
        self.of_records.clear();
        for meta in active(config) {
            for table in meta.tables {
                if !self.of_records.iter().any(|(t, _)| std::ptr::eq(*t, *table)) {
                    let readers = Readers {
                        source: bits_of(source, |r| r.reads(table)),
                        target: bits_of(target, |r| r.reads(table)),
                        segment: active(config).any(|m| {
                            m.scope == Scope::Segment && m.tables.iter().any(|t| std::ptr::eq(*t, *table))
                        }),
                    };
                    self.of_records.push((table, readers));
                }
            }
        }
        let flows = |r: &Running| r.meta.flows && !r.off;
        self.of_flows =
            Readers { source: bits_of(source, flows), target: bits_of(target, flows), segment: false };
    }

    /// Does anybody look at flows?
    pub(super) fn wants_flows(&self) -> bool {
        self.of_flows != Readers::default()
    }

    fn readers(&self, table: &'static Table) -> Option<Readers> {
        self.of_records.iter().find(|(t, _)| std::ptr::eq(*t, table)).map(|(_, readers)| *readers)
    }

    /// Does anybody read records of this table?
    pub(super) fn wants(&self, table: &'static Table) -> bool {
        self.readers(table).is_some()
    }

    /// A fact to look at when its time has come.
    pub(super) fn note(&mut self, fact: Fact) {
        let waiting = self.waiting(fact);
        self.waiting.push(waiting);
    }

    fn waiting(&self, fact: Fact) -> Waiting {
        let readers = match &fact {
            Fact::Flow(_) => self.of_flows,
            Fact::Record(r) => self.readers(r.record.table()).unwrap_or_default(),
        };
        Waiting { key: fact.key(), readers, fact }
    }

    /// Show the detectors of originators what was known by `until`, and hand it on.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.waiting.sort_by_key(|w| w.key);
        let due = self.waiting.partition_point(|w| w.key.0 <= until);
        let crowded = self.waiting.len().saturating_sub(MAX_WAITING / 2);
        let due = if self.waiting.len() > MAX_WAITING { due.max(crowded) } else { due };
        show(&mut self.source, self.waiting.get(..due).unwrap_or_default(), |r| r.source);
        for waiting in self.waiting.drain(..due) {
            let Readers { target, segment, .. } = waiting.readers;
            if target != 0 {
                // Those that both ask for go on to the capture's detectors from `meet`.
                let responder = waiting.fact.responder();
                if let Some(lane) = self.to_target.get_mut(shard_of(pair_hash(responder, responder))) {
                    lane.push(waiting.fact);
                }
            } else if segment && let Fact::Record(r) = waiting.fact {
                self.to_segment.push(*r);
            }
        }
    }

    /// Show the detectors of responders what other shards hand on, one list a shard; they are emptied.
    pub(super) fn meet(&mut self, from: &mut [Vec<Fact>]) {
        let mut facts: Vec<Waiting> = Vec::with_capacity(from.iter().map(Vec::len).sum());
        facts.extend(from.iter_mut().flat_map(|list| list.drain(..)).map(|fact| self.waiting(fact)));
        facts.sort_by_key(|w| w.key);
        show(&mut self.target, &facts, |r| r.target);
        self.to_segment.extend(facts.into_iter().filter(|w| w.readers.segment).filter_map(
            |w| match w.fact {
                Fact::Record(r) => Some(*r),
                Fact::Flow(_) => None,
            },
        ));
    }

    /// The capture is cut, and all of its facts were shown.
    pub(super) fn catch_up(&mut self) {
        self.source.iter_mut().chain(&mut self.target).for_each(Running::catch_up);
    }

    /// The next capture begins, and all findings of the old one were taken.
    pub(super) fn go_on(&mut self) {
        self.source.iter_mut().chain(&mut self.target).for_each(Running::go_on);
    }

    /// The capture is over, and all facts were shown.
    pub(super) fn finish(&mut self) {
        self.source.iter_mut().chain(&mut self.target).for_each(Running::finish);
    }

    /// Findings that changed.
    pub(super) fn take(&mut self, capture: CaptureId, least: f64, loss: f64) -> Vec<Anomaly> {
        let all = self.source.iter_mut().chain(&mut self.target);
        all.flat_map(|r| r.take(capture, least, loss)).collect()
    }

    pub(super) fn account(&self, runs: &mut Vec<DetectorRun>) {
        self.source.iter().chain(&self.target).for_each(|r| r.account(runs));
    }
}

/// A fact for the detectors of the whole capture.
#[derive(Debug)]
enum SegmentFact {
    Arp(Arp),
    Icmp(IcmpMessage),
    Record(Box<RecordFact>),
}

/// The detectors of the whole capture.
#[derive(Debug)]
pub(super) struct SegmentJudge {
    running: Vec<Running>,
    icmp: bool,
    waiting: Vec<(Key, SegmentFact)>,
}

impl SegmentJudge {
    pub(super) fn new(config: &Config) -> Self {
        let running = Running::all(Scope::Segment, &Arc::new(config.clone()));
        let icmp = running.iter().any(|r| r.meta.icmp);
        Self { running, icmp, waiting: Vec::new() }
    }

    /// Other thresholds hold from now on, also for facts that wait.
    pub(super) fn renew(&mut self, config: &Config) {
        Running::renew(&mut self.running, Scope::Segment, &Arc::new(config.clone()));
        self.icmp = self.running.iter().any(|r| r.meta.icmp && !r.off);
    }

    /// What one slice of a batch showed.
    pub(super) fn layers(&mut self, arps: &[Arp], icmps: &[IcmpMessage]) {
        if self.running.is_empty() {
            return;
        }
        self.waiting.extend(arps.iter().map(|a| ((a.ts, a.packet, 0), SegmentFact::Arp(*a))));
        if self.icmp {
            self.waiting.extend(icmps.iter().map(|m| ((m.ts, m.packet, 0), SegmentFact::Icmp(*m))));
        }
    }

    /// Records that the shards have let go.
    pub(super) fn records(&mut self, records: &mut Vec<RecordFact>) {
        let fact = |r: RecordFact| ((r.known, r.packet, r.flow_id.0), SegmentFact::Record(Box::new(r)));
        self.waiting.extend(records.drain(..).map(fact));
    }

    /// Show the detectors what was known by `until`.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.waiting.sort_by_key(|(key, _)| *key);
        let due = self.waiting.partition_point(|(key, _)| key.0 <= until);
        let crowded = self.waiting.len().saturating_sub(MAX_WAITING_SEGMENT / 2);
        let due = if self.waiting.len() > MAX_WAITING_SEGMENT { due.max(crowded) } else { due };
        for facts in self.waiting.get(..due).unwrap_or_default().chunks(PORTION) {
            for r in self.running.iter_mut().filter(|r| !r.off) {
                let began = Instant::now();
                for (_, fact) in facts {
                    match fact {
                        SegmentFact::Arp(a) => r.detector.arp(a, &mut r.findings),
                        SegmentFact::Icmp(m) if r.meta.icmp => r.detector.icmp(m, &mut r.findings),
                        SegmentFact::Record(record) if r.reads(record.record.table()) => {
                            r.detector.record(record, &mut r.findings);
                        }
                        SegmentFact::Icmp(_) | SegmentFact::Record(_) => {}
                    }
                }
                r.spent += began.elapsed();
            }
        }
        self.waiting.drain(..due);
    }

    /// The capture is cut, and all of its facts were shown.
    pub(super) fn catch_up(&mut self) {
        self.running.iter_mut().for_each(Running::catch_up);
    }

    /// The next capture begins, and all findings of the old one were taken.
    pub(super) fn go_on(&mut self) {
        self.running.iter_mut().for_each(Running::go_on);
    }

    /// The capture is over, and all facts were shown.
    pub(super) fn finish(&mut self) {
        self.running.iter_mut().for_each(Running::finish);
    }

    /// Findings that changed.
    pub(super) fn take(&mut self, capture: CaptureId, least: f64, loss: f64) -> Vec<Anomaly> {
        self.running.iter_mut().flat_map(|r| r.take(capture, least, loss)).collect()
    }

    pub(super) fn account(&self, runs: &mut Vec<DetectorRun>) {
        self.running.iter().for_each(|r| r.account(runs));
    }
}
