//! What is a finding, and how sure is it?
//!
//! An anomaly grows: an ongoing scan is one row that is replaced under the same [`AnomalyId`], not hundreds. Severity is the impact,
//! confidence how sure we are: independent factors combine as 1 - prod(1 - w). Each factor is kept as a [`Reason`]. Nothing here judges; the
//! detectors do.

use super::addr::Ip;
use super::flow::protocol_name;
use super::ids::{CaptureId, FlowId};
use super::kind::Kind;
use super::time::Timestamp;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The impact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Severity {
    /// Worth knowing.
    Info = 1,
    /// Worth a look.
    Low,
    /// Worth an hour.
    Medium,
    /// Act today.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// All, least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// 1 for info to 5 for critical.
    pub fn rank(self) -> u8 {
        self as u8
    }

    /// By its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// One step worse.
    #[must_use]
    pub fn raised(self) -> Self {
        Self::ALL.into_iter().find(|s| *s > self).unwrap_or(Self::Critical)
    }

    /// One step milder.
    #[must_use]
    pub fn lowered(self) -> Self {
        Self::ALL.into_iter().rev().find(|s| *s < self).unwrap_or(Self::Info)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One factor of a verdict.
#[derive(Clone, PartialEq, Debug)]
pub struct Reason {
    /// What was measured, a word with underscores and its unit at the end (`ports`, `rate_per_s`, `median_gap_s`).
    pub name: Cow<'static, str>,
    /// What was seen.
    pub value: f64,
    /// From where on it counts; 0 where seeing it at all counts.
    pub threshold: f64,
    /// How much it says by itself, 0 to 1. 0: context that moves the severity only. Negative: speaks against.
    pub weight: f64,
}

impl Reason {
    /// A factor.
    pub fn new(name: impl Into<Cow<'static, str>>, value: f64, threshold: f64, weight: f64) -> Self {
        Self { name: name.into(), value, threshold, weight }
    }
}

/// How sure independent reasons make us together: 1 - prod(1 - w), then reasons against are subtracted. 0 to 1.
pub fn confidence(reasons: &[Reason]) -> f64 {
    let doubt: f64 = reasons.iter().map(|r| 1.0 - r.weight.clamp(0.0, 1.0)).product();
    let against: f64 = reasons.iter().map(|r| r.weight.min(0.0)).sum();
    (1.0 - doubt + against).clamp(0.0, 1.0)
}

/// Rank for sorting, 0 to 100: severity in steps of 20, confidence within a step.
pub fn score(severity: Severity, confidence: f64) -> f64 {
    (f64::from(severity.rank() - 1) * 20.0 + confidence.clamp(0.0, 1.0) * 20.0).clamp(0.0, 100.0)
}

/// 63 bits that name a finding: the same from its first sighting on, and in every run over the same capture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AnomalyId(pub i64);

impl AnomalyId {
    /// The finding of `detector` of this kind about this subject.
    pub fn new(capture: CaptureId, detector: &str, kind: &Kind, subject: &Subject) -> Self {
        let text = format!(
            "{}|{detector}|{}|{}|{}|{}|{}|{}",
            capture.0,
            kind.name,
            subject.src.map(|a| a.to_string()).unwrap_or_default(),
            subject.dst.map(|a| a.to_string()).unwrap_or_default(),
            subject.dst_port.map(|p| p.to_string()).unwrap_or_default(),
            subject.protocol.map(|p| p.to_string()).unwrap_or_default(),
            subject.about,
        );
        let hash = blake3::hash(text.as_bytes());
        let head = hash.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        Self((u64::from_le_bytes(head) >> 1) as i64)
    }
}

/// Whom and what a finding is about; with capture, detector and kind its identity. Leave out what may still change.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Subject {
    /// Who does it.
    pub src: Option<Ip>,
    /// To whom.
    pub dst: Option<Ip>,
    /// At which port.
    pub dst_port: Option<u16>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// What else tells it from others: a domain, an account, a fingerprint. Printable and bounded.
    pub about: Cow<'static, str>,
}

impl Subject {
    /// One host does it, to whomever.
    pub fn by(src: Ip) -> Self {
        Self { src: Some(src), ..Self::default() }
    }

    /// One host does it to another.
    pub fn pair(src: Ip, dst: Ip) -> Self {
        Self { src: Some(src), dst: Some(dst), ..Self::default() }
    }

    /// It is done to one host, by whomever.
    pub fn to(dst: Ip) -> Self {
        Self { dst: Some(dst), ..Self::default() }
    }

    /// At this port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.dst_port = Some(port);
        self
    }

    /// Over this IP protocol.
    #[must_use]
    pub fn over(mut self, protocol: u8) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Told apart by this word.
    #[must_use]
    pub fn about(mut self, word: impl Into<Cow<'static, str>>) -> Self {
        self.about = word.into();
        self
    }
}

/// A finding as it is stored.
#[derive(Clone, PartialEq, Debug)]
pub struct Anomaly {
    /// Its identity.
    pub id: AnomalyId,
    /// The capture.
    pub capture: CaptureId,
    /// Who found it.
    pub detector: Cow<'static, str>,
    /// What kind.
    pub kind: &'static Kind,
    /// Who did what to whom, a sentence without a full stop.
    pub title: String,
    /// Impact in context.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence: f64,
    /// Rank for sorting, 0 to 100.
    pub score: f64,
    /// Who does it.
    pub src: Option<Ip>,
    /// To whom; the most hit one where there are many.
    pub dst: Option<Ip>,
    /// At which port.
    pub dst_port: Option<u16>,
    /// IP protocol number.
    pub protocol: Option<u8>,
    /// As in `flows.direction`.
    pub direction: Option<Cow<'static, str>>,
    /// ATT&CK technique.
    pub technique: Option<Cow<'static, str>>,
    /// Events behind it.
    pub count: u64,
    /// The first of them.
    pub first_ts: Timestamp,
    /// The last of them.
    pub last_ts: Timestamp,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Flows behind it, capped: the first and the last ones.
    pub flows: Vec<FlowId>,
    /// Packets behind it that belong to no flow (ARP), capped.
    pub packets: Vec<u64>,
    /// More facts.
    pub details: Map<String, Value>,
    /// Is it meant to be (`detect.expected`)? It is kept, and listed only when asked for.
    pub expected: bool,
}

/// SQL: is a finding one to list and to count? Innocent ones and those that are meant to be are not.
pub const LISTED: &str = "status NOT IN ('false_positive', 'expected')";

impl Anomaly {
    /// Name of the transport, as in `flows.protocol`.
    pub fn protocol_name(&self) -> Option<Cow<'static, str>> {
        self.protocol.map(protocol_name)
    }
}

/// What one detector did over one capture.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DetectorRun {
    /// Which.
    pub detector: Cow<'static, str>,
    /// Its parameters by name.
    pub parameters: Map<String, Value>,
    /// How long it ran, seconds.
    pub duration_s: f64,
    /// Findings it made.
    pub findings: u64,
    /// State given up, or findings left out, because a cap was reached.
    pub evicted: u64,
}

#[cfg(test)]
mod tests {
    use super::super::kind;
    use super::*;

    #[test]
    fn independent_reasons_add_up_below_one() {
        let r = |w| Reason::new("x", 1.0, 0.0, w);
        assert_eq!(confidence(&[]), 0.0);
        assert!((confidence(&[r(0.5), r(0.5)]) - 0.75).abs() < 1e-9);
        assert!((confidence(&[r(0.5), r(0.5), r(-0.25)]) - 0.5).abs() < 1e-9);
        assert_eq!(confidence(&[r(-1.0)]), 0.0);
        assert_eq!(confidence(&[r(1.0), r(0.3)]), 1.0);
    }

    #[test]
    fn severity_moves_in_steps_and_stops_at_the_ends() {
        assert_eq!(Severity::High.raised(), Severity::Critical);
        assert_eq!(Severity::Critical.raised(), Severity::Critical);
        assert_eq!(Severity::Info.lowered(), Severity::Info);
        assert_eq!(Severity::of("medium"), Some(Severity::Medium));
        assert!(score(Severity::Low, 1.0) <= score(Severity::Medium, 0.0));
        assert_eq!(score(Severity::Critical, 1.0), 100.0);
    }

    #[test]
    fn an_id_follows_the_subject_and_nothing_else() {
        let id = |c, s: &Subject| AnomalyId::new(CaptureId(c), "port_scan", &kind::PORT_SCAN_VERTICAL, s);
        let pair = Subject::pair(Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]));
        assert_eq!(id(1, &pair), id(1, &pair.clone()));
        assert_ne!(id(1, &pair), id(2, &pair));
        assert_ne!(id(1, &pair), id(1, &pair.clone().port(80)));
        assert_ne!(id(1, &Subject::by(Ip::v4([10, 0, 0, 1]))), id(1, &Subject::to(Ip::v4([10, 0, 0, 1]))));
        assert!(id(1, &pair).0 >= 0);
    }
}
