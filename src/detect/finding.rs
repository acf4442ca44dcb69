//! How does a finding grow?
//!
//! A detector opens a finding for a subject once and then feeds it: events, evidence (the first and the last flows, not all), reasons.
//! What is handed on is the finding as it stands. Kept per shard and detector, and capped: an attack on the detector is told by the count
//! of what was given up, not by memory.
//!
//! Where a stream is cut, findings stay open, for detectors go on with what they know. What grows after the cut is a finding of the new capture: title and
//! reasons tell all that is known, count, times and flows only what came after, and `details.continues` names the finding before it. What does not
//! grow is not told again. Once half the room is taken, findings to which nothing happened between two cuts are forgotten.

use crate::model::addr::Ip;
use crate::model::anomaly::{Anomaly, AnomalyId, Reason, Severity, Subject, confidence, score};
use crate::model::ids::{CaptureId, FlowId};
use crate::model::kind::Kind;
use crate::model::time::Timestamp;
use hashbrown::HashMap;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::VecDeque;

/// Flows kept from the start of a finding; packets likewise. Enough to see how it began.
pub const FIRST_KEPT: usize = 20;
/// Flows kept from its end.
pub const LAST_KEPT: usize = 5;
/// Findings open at once per detector and shard: some 2 KB each, so 16 shards of a detector stay under 16 MB. What comes
/// after is counted and not told one by one: the first five hundred findings of one kind are enough to act on.
const MAX_OPEN: usize = 512;
/// Values kept in a list of details: ports or hosts, the lowest ones.
pub const LISTED: usize = 100;

/// One finding, growing.
#[derive(Debug)]
pub struct Finding {
    /// What kind.
    pub kind: &'static Kind,
    /// Whom and what it is about: its identity.
    pub subject: Subject,
    /// Who did what to whom, a sentence without a full stop.
    pub title: String,
    /// Who does it, where the subject leaves it open: the busiest one.
    pub src: Option<Ip>,
    /// To whom, where the subject leaves it open: the most hit one.
    pub dst: Option<Ip>,
    /// At which port, where the subject leaves it open.
    pub dst_port: Option<u16>,
    /// IP protocol, where the subject leaves it open.
    pub protocol: Option<u8>,
    /// As in `flows.direction`.
    pub direction: Option<&'static str>,
    /// Technique, where it is another than the kind's.
    pub technique: Option<&'static str>,
    severity: Severity,
    count: u64,
    span: Option<(Timestamp, Timestamp)>,
    first: Vec<FlowId>,
    last: VecDeque<FlowId>,
    packets: Vec<u64>,
    reasons: Vec<Reason>,
    details: Map<String, Value>,
    changed: bool,
    /// It was handed on in the capture at hand under this id.
    told: Option<AnomalyId>,
    /// What it was when the capture was cut in which it was handed on last.
    before: Option<Before>,
    /// Count and span at the last cut.
    mark: Option<(u64, Option<(Timestamp, Timestamp)>)>,
}

/// A finding as it was when the capture was cut.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// Under which id it was handed on.
    id: AnomalyId,
    count: u64,
    /// Its last event.
    until: Option<Timestamp>,
}

impl Finding {
    fn new(kind: &'static Kind, subject: Subject) -> Self {
        Self {
            kind,
            subject,
            title: String::new(),
            src: None,
            dst: None,
            dst_port: None,
            protocol: None,
            direction: None,
            technique: None,
            severity: kind.severity,
            count: 0,
            span: None,
            first: Vec::new(),
            last: VecDeque::new(),
            packets: Vec::new(),
            reasons: Vec::new(),
            details: Map::new(),
            changed: true,
            told: None,
            before: None,
            mark: None,
        }
    }

    /// Did something happen since the cut?
    fn has_grown(&self) -> bool {
        self.before.is_none_or(|b| self.count > b.count || self.span.map(|s| s.1) > b.until)
    }

    /// The capture is cut: from here on it counts anew, as far as it was told.
    fn go_on(&mut self) {
        if let Some(id) = self.told.take() {
            self.before = Some(Before { id, count: self.count, until: self.span.map(|s| s.1) });
            self.first.clear();
            self.last.clear();
            self.packets.clear();
            self.span = None;
            self.changed = false;
        }
        self.mark = Some((self.count, self.span));
    }

    /// Did nothing happen since the last cut?
    fn rests(&self) -> bool {
        self.mark == Some((self.count, self.span))
    }

    /// One more event at `ts`, carried by `flow`.
    pub fn seen(&mut self, ts: Timestamp, flow: FlowId) {
        self.event(ts);
        self.evidence(flow);
    }

    /// One more event that belongs to no flow.
    pub fn seen_packet(&mut self, ts: Timestamp, packet: u64) {
        self.event(ts);
        if self.packets.len() < FIRST_KEPT {
            self.packets.push(packet);
        }
    }

    /// One more event without evidence of its own.
    pub fn event(&mut self, ts: Timestamp) {
        self.count += 1;
        self.cover(ts, ts);
    }

    /// A flow behind it, without counting an event.
    pub fn evidence(&mut self, flow: FlowId) {
        self.changed = true;
        if self.first.contains(&flow) || self.last.contains(&flow) {
            return;
        }
        if self.first.len() < FIRST_KEPT {
            self.first.push(flow);
            return;
        }
        if self.last.len() >= LAST_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(flow);
    }

    /// It lasted from `first` to `last` at least.
    pub fn cover(&mut self, first: Timestamp, last: Timestamp) {
        self.changed = true;
        let (from, to) = self.span.unwrap_or((first, last));
        self.span = Some((from.min(first), to.max(last)));
    }

    /// Events so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Set the number of events, where the detector counts better itself.
    pub fn set_count(&mut self, count: u64) {
        self.count = count;
        self.changed = true;
    }

    /// A factor; one of the same name is replaced.
    pub fn reason(&mut self, name: impl Into<Cow<'static, str>>, value: f64, threshold: f64, weight: f64) {
        self.changed = true;
        let reason = Reason::new(name, value, threshold, weight);
        match self.reasons.iter_mut().find(|r| r.name == reason.name) {
            Some(old) => *old = reason,
            None => self.reasons.push(reason),
        }
    }

    /// Context makes it this bad; `why` is kept as a reason without weight.
    pub fn severity(&mut self, severity: Severity, why: &'static str) {
        self.severity = severity;
        self.reason(why, 1.0, 0.0, 0.0);
    }

    /// Take back a factor that no longer holds.
    pub fn forget(&mut self, name: &str) {
        self.reasons.retain(|r| r.name != name);
    }

    /// Context makes it one step worse than its kind; said twice it counts once.
    pub fn raise(&mut self, why: &'static str) {
        self.severity(self.kind.severity.raised(), why);
    }

    /// Context makes it one step milder than its kind.
    pub fn lower(&mut self, why: &'static str) {
        self.severity(self.kind.severity.lowered(), why);
    }

    /// What moved the severity holds no more: it is as bad as its kind again.
    pub fn unmoved(&mut self, why: &'static str) {
        if let Some(at) = self.reasons.iter().position(|r| r.name == why) {
            self.reasons.remove(at);
            self.severity = self.kind.severity;
        }
    }

    /// One more fact; replaces one of the same name.
    pub fn detail(&mut self, name: &str, value: impl Into<Value>) {
        self.changed = true;
        self.details.insert(name.to_owned(), value.into());
    }

    /// A list of facts, the first [`LISTED`] of them.
    pub fn list<T: Into<Value>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let values: Vec<Value> = values.into_iter().take(LISTED).map(Into::into).collect();
        self.detail(name, values);
    }

    /// How sure it is so far, 0 to 1.
    pub fn confidence(&self) -> f64 {
        confidence(&self.reasons)
    }

    /// As it is stored; `loss` (0..1) of the capture's packets makes it less sure.
    fn sealed(&self, capture: CaptureId, detector: &'static str, loss: f64) -> Anomaly {
        let sure = self.confidence() * (1.0 - loss.clamp(0.0, MOST_DOUBT));
        let (mut first_ts, last_ts) = self.span.unwrap_or_default();
        let (mut count, mut details) = (self.count, self.details.clone());
        if let Some(before) = &self.before {
            // A detector that says again when it all began means the capture before.
            first_ts = before.until.map_or(first_ts, |until| first_ts.max(until)).min(last_ts);
            count = count.saturating_sub(before.count).max(1);
            details.insert("continues".to_owned(), before.id.0.into());
        }
        Anomaly {
            id: AnomalyId::new(capture, detector, self.kind, &self.subject),
            capture,
            detector: detector.into(),
            kind: self.kind,
            title: self.title.clone(),
            severity: self.severity,
            confidence: sure,
            score: score(self.severity, sure),
            src: self.subject.src.or(self.src),
            dst: self.subject.dst.or(self.dst),
            dst_port: self.subject.dst_port.or(self.dst_port),
            protocol: self.subject.protocol.or(self.protocol),
            direction: self.direction.map(Into::into),
            technique: self.technique.or(self.kind.technique).map(Into::into),
            count,
            first_ts,
            last_ts,
            reasons: self.reasons.clone(),
            flows: self.first.iter().chain(&self.last).copied().collect(),
            packets: self.packets.clone(),
            details,
            expected: false,
        }
    }
}

/// Loss of packets takes at most this part of the confidence: half of a scan is still a scan.
const MOST_DOUBT: f64 = 0.3;

/// The open findings of one detector in one shard.
#[derive(Debug)]
pub struct Findings {
    detector: &'static str,
    index: HashMap<(&'static str, Subject), usize>,
    open: Vec<Finding>,
    /// Takes what is beyond the cap; never handed on.
    beyond: Finding,
    refused: u64,
}

impl Findings {
    /// None yet.
    pub fn new(detector: &'static str) -> Self {
        let beyond = Finding::new(&crate::model::kind::NEW_DEVICE, Subject::default());
        Self { detector, index: HashMap::new(), open: Vec::new(), beyond, refused: 0 }
    }

    /// The finding of this kind about this subject, begun when there is none.
    pub fn open(&mut self, kind: &'static Kind, subject: Subject) -> &mut Finding {
        let key = (kind.name, subject);
        if let Some(&at) = self.index.get(&key) {
            return self.open.get_mut(at).unwrap_or(&mut self.beyond);
        }
        if self.open.len() >= MAX_OPEN {
            self.refused += 1;
            self.beyond = Finding::new(kind, key.1);
            return &mut self.beyond;
        }
        let at = self.open.len();
        self.open.push(Finding::new(kind, key.1.clone()));
        self.index.insert(key, at);
        self.open.get_mut(at).unwrap_or(&mut self.beyond)
    }

    /// Is there one already?
    pub fn has(&self, kind: &'static Kind, subject: &Subject) -> bool {
        self.index.contains_key(&(kind.name, subject.clone()))
    }

    /// Take it back: what was found turned out to be innocent, or a part of something else that its flows then belong to. It must not have been
    /// handed on yet (live), else it stays stored.
    pub fn withdraw(&mut self, kind: &'static Kind, subject: &Subject) -> Vec<FlowId> {
        if let Some(at) = self.index.remove(&(kind.name, subject.clone()))
            && let Some(f) = self.open.get_mut(at)
        {
            // Its place stays, so that the places of others do not move.
            f.reasons.clear();
            f.changed = false;
            return f.first.drain(..).chain(f.last.drain(..)).collect();
        }
        Vec::new()
    }

    /// The findings that changed since the last call and are sure enough, in the order in which they were opened.
    pub fn take(&mut self, capture: CaptureId, least: f64, loss: f64) -> Vec<Anomaly> {
        let detector = self.detector;
        self.open
            .iter_mut()
            .filter_map(|f| {
                if !std::mem::take(&mut f.changed) || !f.has_grown() {
                    return None;
                }
                let sealed = f.sealed(capture, detector, loss);
                let is_told = sealed.confidence >= least && !sealed.title.is_empty();
                f.told = f.told.or(is_told.then_some(sealed.id));
                is_told.then_some(sealed)
            })
            .collect()
    }

    /// The capture is cut, and everything was handed on.
    pub fn go_on(&mut self) {
        if self.open.len() > MAX_OPEN / 2 {
            // A detector that meets the subject again opens it again. Those that were withdrawn are not in the index.
            let index = std::mem::take(&mut self.index);
            let mut at = 0..;
            self.open.retain(|f| {
                let here = index.get(&(f.kind.name, f.subject.clone())).copied();
                at.next() == here && !f.rests()
            });
            let places = self.open.iter().enumerate();
            self.index = places.map(|(at, f)| ((f.kind.name, f.subject.clone()), at)).collect();
        }
        self.open.iter_mut().for_each(Finding::go_on);
    }

    /// All that are open, for tests and for detectors that look back.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.open.iter().filter(|f| !f.reasons.is_empty())
    }

    /// Findings that were not opened because too many are.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::CaptureNo;
    use crate::model::kind;

    fn flow(n: u64) -> FlowId {
        FlowId::new(CaptureNo(1), n, 0)
    }

    #[test]
    fn a_finding_is_one_row_that_grows() {
        let mut found = Findings::new("test");
        let who = || Subject::by(Ip::v4([10, 0, 0, 1]));
        for n in 1..=100 {
            let f = found.open(&kind::HOST_SWEEP, who());
            f.seen(Timestamp(n * 1_000), flow(n as u64));
            f.reason("hosts", n as f64, 12.0, 0.8);
            f.title = format!("{n} hosts");
        }
        let all = found.take(CaptureId(1), 0.5, 0.0);
        assert_eq!(all.len(), 1);
        let a = &all[0];
        assert_eq!((a.count, a.first_ts, a.last_ts), (100, Timestamp(1_000), Timestamp(100_000)));
        assert_eq!((a.title.as_str(), a.reasons.len()), ("100 hosts", 1));
        assert_eq!(a.flows.len(), FIRST_KEPT + LAST_KEPT);
        assert_eq!((a.flows[0], a.flows[24]), (flow(1), flow(100)));
        assert!(found.take(CaptureId(1), 0.5, 0.0).is_empty(), "nothing changed");
    }

    #[test]
    fn loss_and_doubt_keep_it_back() {
        let mut found = Findings::new("test");
        let f = found.open(&kind::HOST_SWEEP, Subject::default());
        f.title = "x".into();
        f.reason("a", 1.0, 0.0, 0.6);
        assert!(found.take(CaptureId(1), 0.5, 0.9).is_empty(), "0.6 * 0.7 is below 0.5");
    }

    #[test]
    fn over_a_cut_what_was_told_counts_anew_and_what_was_not_is_kept() {
        let mut found = Findings::new("test");
        let who = |n: u8| Subject::by(Ip::v4([10, 0, 0, n]));
        let grow = |found: &mut Findings, n: u8, ts: i64, sure: f64| {
            let f = found.open(&kind::HOST_SWEEP, who(n));
            f.title = "x".into();
            f.seen(Timestamp(ts), flow(ts as u64));
            f.reason("hosts", 1.0, 0.0, sure);
        };
        let told = |found: &mut Findings, capture| -> Vec<(u64, usize, Option<i64>)> {
            let all = found.take(CaptureId(capture), 0.5, 0.0);
            let of = |a: &Anomaly| a.details.get("continues").and_then(Value::as_i64);
            all.iter().map(|a| (a.count, a.flows.len(), of(a))).collect()
        };
        (1..=3).for_each(|ts| grow(&mut found, 1, ts, 0.8));
        grow(&mut found, 2, 3, 0.2);
        let first = AnomalyId::new(CaptureId(1), "test", &kind::HOST_SWEEP, &who(1)).0;
        assert_eq!(told(&mut found, 1), [(3, 3, None)]);
        found.go_on();
        assert!(told(&mut found, 2).is_empty(), "nothing happened");
        // Said again as it was: nothing happened either.
        let f = found.open(&kind::HOST_SWEEP, who(1));
        f.set_count(3);
        f.cover(Timestamp(1), Timestamp(3));
        assert!(told(&mut found, 2).is_empty());
        found.go_on();
        grow(&mut found, 1, 9, 0.8);
        grow(&mut found, 2, 9, 0.8);
        assert_eq!(told(&mut found, 3), [(1, 1, Some(first)), (2, 2, None)], "the second was never told");
    }

    #[test]
    fn half_full_of_what_rests_there_is_room_after_a_cut() {
        let mut found = Findings::new("test");
        let open = |found: &mut Findings, n: u32, ts: i64| {
            let f = found.open(&kind::HOST_SWEEP, Subject::by(Ip::v4(n.to_be_bytes())));
            f.title = "x".into();
            f.reason("a", 1.0, 0.0, 0.9);
            f.event(Timestamp(ts));
        };
        (0..MAX_OPEN as u32).for_each(|n| open(&mut found, n, 1));
        found.take(CaptureId(1), 0.5, 0.0);
        found.go_on();
        assert_eq!(found.open.len(), MAX_OPEN, "each happened since the last cut");
        open(&mut found, 7, 2);
        found.withdraw(&kind::HOST_SWEEP, &Subject::by(Ip::v4(7u32.to_be_bytes())));
        open(&mut found, 8, 2);
        found.take(CaptureId(2), 0.5, 0.0);
        found.go_on();
        assert_eq!((found.open.len(), found.index.len()), (1, 1));
        open(&mut found, 8, 3);
        open(&mut found, 9, 3);
        assert_eq!((found.take(CaptureId(3), 0.5, 0.0).len(), found.refused()), (2, 0));
    }

    #[test]
    fn severity_moves_back_when_its_reason_is_gone() {
        let mut found = Findings::new("test");
        let f = found.open(&kind::HOST_SWEEP, Subject::default());
        f.raise("leaves_the_network");
        assert_eq!(f.severity, Severity::Medium);
        f.unmoved("another");
        assert_eq!((f.severity, f.reasons.len()), (Severity::Medium, 1));
        f.unmoved("leaves_the_network");
        assert_eq!((f.severity, f.reasons.len()), (Severity::Low, 0));
    }

    #[test]
    fn too_many_are_counted() {
        let mut found = Findings::new("test");
        for n in 0..MAX_OPEN as u32 + 7 {
            found.open(&kind::HOST_SWEEP, Subject::by(Ip::v4(n.to_be_bytes()))).title = "x".into();
        }
        assert_eq!((found.refused(), found.open.len()), (7, MAX_OPEN));
    }
}
