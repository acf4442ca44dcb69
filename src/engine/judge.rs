//! How do facts reach the detectors, in the same order in every run?
//!
//! A fact becomes known when a packet completes it or a timeout passes, but the tables above tell it a little later, at the end of a batch
//! or when they sweep. So facts wait here until packet time is [`HOLD`] past them, and then go to the detectors in the order in which they became
//! known: first in the shard of the originator, then in that of the responder. What ends a batch therefore decides nothing.

use super::{SHARDS, shard_of};
use crate::decode::{Arp, IcmpMessage, pair_hash};
use crate::detect::{ALL, Config, Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope};
use crate::model::anomaly::{Anomaly, DetectorRun};
use crate::model::ids::CaptureId;
use crate::model::schema::Table;
use crate::model::time::Timestamp;
use std::time::{Duration, Instant};

/// Packet time that facts wait, nanoseconds (5 s): the flow table takes a flow at most 2 s of disorder and two ticks of 1.07 s after
/// its time.
const HOLD: i64 = 5_000_000_000;

/// Facts that wait in one shard. 16 shards of them take 100 MB at worst, which only a flood reaches; then the earlier half goes
/// ahead of its time.
const MAX_WAITING: usize = 16_384;

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

impl Fact {
    /// Orders facts: when known, then by packet; the flow tells equal ones apart.
    fn key(&self) -> (Timestamp, u64, i64) {
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

/// A detector at work, with what it has found.
struct Running {
    meta: &'static Meta,
    params: Params,
    detector: Box<dyn Detector>,
    findings: Findings,
    spent: Duration,
    reported: u64,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("detector", &self.meta.id).finish_non_exhaustive()
    }
}

impl Running {
    fn all(scope: Scope, config: &Config) -> Vec<Self> {
        let on = |m: &&&'static Meta| m.scope == scope && !config.disabled.iter().any(|d| d == m.id);
        ALL.iter()
            .filter(on)
            .map(|meta| {
                let params = Params::of(meta, config);
                let detector = (meta.build)(&params);
                Self {
                    meta,
                    params,
                    detector,
                    findings: Findings::new(meta.id),
                    spent: Duration::ZERO,
                    reported: 0,
                }
            })
            .collect()
    }

    fn reads(&self, table: &'static Table) -> bool {
        self.meta.tables.iter().any(|t| std::ptr::eq(*t, table))
    }

    /// Show it facts, one after the other.
    fn see(&mut self, facts: &[Fact]) {
        let began = Instant::now();
        for fact in facts {
            match fact {
                Fact::Flow(flow) => self.detector.flow(flow, &mut self.findings),
                Fact::Record(r) if self.reads(r.record.table()) => {
                    self.detector.record(r, &mut self.findings);
                }
                Fact::Record(_) => {}
            }
        }
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
            run.evicted += self.detector.evicted() + self.findings.refused();
        }
    }
}

/// The detectors of one shard of hosts.
#[derive(Debug)]
pub(super) struct ShardJudge {
    source: Vec<Running>,
    target: Vec<Running>,
    /// Tables that detectors of each scope read.
    source_tables: Vec<&'static Table>,
    target_tables: Vec<&'static Table>,
    segment_tables: Vec<&'static Table>,
    waiting: Vec<Fact>,
    /// Facts for the shards of their responders.
    pub(super) to_target: Vec<Vec<Fact>>,
    /// Records for the detectors of the whole capture.
    pub(super) to_segment: Vec<RecordFact>,
}

fn tables_of(running: &[Running]) -> Vec<&'static Table> {
    running.iter().flat_map(|r| r.meta.tables.iter().copied()).collect()
}

fn lists(tables: &[&'static Table], table: &'static Table) -> bool {
    tables.iter().any(|t| std::ptr::eq(*t, table))
}

impl ShardJudge {
    pub(super) fn new(config: &Config) -> Self {
        let (source, target) = (Running::all(Scope::Source, config), Running::all(Scope::Target, config));
        Self {
            source_tables: tables_of(&source),
            target_tables: tables_of(&target),
            segment_tables: tables_of(&Running::all(Scope::Segment, config)),
            source,
            target,
            waiting: Vec::new(),
            to_target: (0..SHARDS).map(|_| Vec::new()).collect(),
            to_segment: Vec::new(),
        }
    }

    /// Does anybody look at flows?
    pub(super) fn wants_flows(&self) -> bool {
        !(self.source.is_empty() && self.target.is_empty())
    }

    /// Does anybody read records of this table?
    pub(super) fn wants(&self, table: &'static Table) -> bool {
        [&self.source_tables, &self.target_tables, &self.segment_tables].iter().any(|t| lists(t, table))
    }

    /// A fact to look at when its time has come.
    pub(super) fn note(&mut self, fact: Fact) {
        self.waiting.push(fact);
    }

    /// Show the detectors of originators what was known by `until`, and hand it on.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.waiting.sort_by_key(Fact::key);
        let due = self.waiting.partition_point(|f| f.key().0 <= until);
        let crowded = self.waiting.len().saturating_sub(MAX_WAITING / 2);
        let due = if self.waiting.len() > MAX_WAITING { due.max(crowded) } else { due };
        let facts: Vec<Fact> = self.waiting.drain(..due).collect();
        self.source.iter_mut().for_each(|r| r.see(&facts));
        for fact in facts {
            let (to_target, to_segment) = match &fact {
                Fact::Flow(_) => (!self.target.is_empty(), false),
                Fact::Record(r) => {
                    let table = r.record.table();
                    (lists(&self.target_tables, table), lists(&self.segment_tables, table))
                }
            };
            match fact {
                // Those that both ask for go on to the capture's detectors from `meet`.
                Fact::Record(r) if to_segment && !to_target => self.to_segment.push(*r),
                fact if to_target => {
                    let responder = fact.responder();
                    if let Some(lane) = self.to_target.get_mut(shard_of(pair_hash(responder, responder))) {
                        lane.push(fact);
                    }
                }
                _ => {}
            }
        }
    }

    /// Show the detectors of responders what other shards hand on, one list a shard; they are emptied.
    pub(super) fn meet(&mut self, from: &mut [Vec<Fact>]) {
        let mut facts: Vec<Fact> = from.iter_mut().flat_map(|list| list.drain(..)).collect();
        facts.sort_by_key(Fact::key);
        self.target.iter_mut().for_each(|r| r.see(&facts));
        let shared = facts.into_iter().filter_map(|fact| match fact {
            Fact::Record(r) if lists(&self.segment_tables, r.record.table()) => Some(*r),
            _ => None,
        });
        self.to_segment.extend(shared);
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
    Icmp(Box<IcmpMessage>),
    Record(Box<RecordFact>),
}

impl SegmentFact {
    fn key(&self) -> (Timestamp, u64, i64) {
        match self {
            Self::Arp(a) => (a.ts, a.packet, 0),
            Self::Icmp(m) => (m.ts, m.packet, 0),
            Self::Record(r) => (r.known, r.packet, r.flow_id.0),
        }
    }
}

/// The detectors of the whole capture.
#[derive(Debug)]
pub(super) struct SegmentJudge {
    running: Vec<Running>,
    icmp: bool,
    waiting: Vec<SegmentFact>,
}

impl SegmentJudge {
    pub(super) fn new(config: &Config) -> Self {
        let running = Running::all(Scope::Segment, config);
        let icmp = running.iter().any(|r| r.meta.icmp);
        Self { running, icmp, waiting: Vec::new() }
    }

    /// What one slice of a batch showed.
    pub(super) fn layers(&mut self, arps: &[Arp], icmps: &[IcmpMessage]) {
        if self.running.is_empty() {
            return;
        }
        self.waiting.extend(arps.iter().copied().map(SegmentFact::Arp));
        if self.icmp {
            self.waiting.extend(icmps.iter().map(|m| SegmentFact::Icmp(Box::new(*m))));
        }
    }

    /// Records that the shards have let go.
    pub(super) fn records(&mut self, records: &mut Vec<RecordFact>) {
        self.waiting.extend(records.drain(..).map(|r| SegmentFact::Record(Box::new(r))));
    }

    /// Show the detectors what was known by `until`.
    pub(super) fn advance(&mut self, until: Timestamp) {
        self.waiting.sort_by_key(SegmentFact::key);
        let due = self.waiting.partition_point(|f| f.key().0 <= until);
        let crowded = self.waiting.len().saturating_sub(MAX_WAITING_SEGMENT / 2);
        let due = if self.waiting.len() > MAX_WAITING_SEGMENT { due.max(crowded) } else { due };
        let facts: Vec<SegmentFact> = self.waiting.drain(..due).collect();
        for r in &mut self.running {
            let began = Instant::now();
            for fact in &facts {
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
