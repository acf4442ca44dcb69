//! What does a row of a detection say?
//!
//! Columns are found by their names, in any order and of any type that can be read as what is meant. Refuses a row without times, of a kind
//! that its header does not name, or with an address that is none, and says which.

use super::{Detection, Scope};
use crate::model::addr::Ip;
use crate::model::anomaly::{Anomaly, AnomalyId, Reason, Severity, Subject, confidence, score};
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::kind::{Kind, kind};
use crate::model::text::printable;
use crate::model::time::Timestamp;
use duckdb::Row;
use duckdb::types::{TimeUnit, Value};
use std::net::IpAddr;

/// Flows kept per finding: enough to look at, and a finding stays below 2 KB.
const MAX_FLOWS: usize = 25;

/// Reasons kept per finding.
const MAX_REASONS: usize = 32;

/// Bytes of a title.
const MAX_TITLE: usize = 512;

/// Bytes of what tells a finding from others, and of a detail's text.
const MAX_ABOUT: usize = 256;

/// Bytes of details.
const MAX_DETAILS: usize = 4_096;

/// How much a detection that gives no reasons says by itself.
const BARE_WEIGHT: f64 = 0.75;

/// Where the columns stand.
#[derive(Debug)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// By their names; those that must be there are.
    pub(super) fn of(names: Vec<String>) -> Result<Self, String> {
        for needed in ["first_ts", "last_ts", "src_ip"] {
            if !names.iter().any(|n| n == needed) {
                return Err(format!("the result has no column {needed}"));
            }
        }
        Ok(Self(names))
    }

    fn get(&self, row: &Row<'_>, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|n| n == name)?;
        row.get::<_, Value>(at).ok().filter(|v| *v != Value::Null)
    }

    fn text(&self, row: &Row<'_>, name: &str) -> Option<String> {
        match self.get(row, name)? {
            Value::Text(t) | Value::Enum(t) => Some(t),
            other => number(&other).map(|n| n.to_string()),
        }
    }

    fn time(&self, row: &Row<'_>, name: &str) -> Result<Timestamp, String> {
        match self.get(row, name) {
            Some(Value::Timestamp(unit, n)) => {
                let per = match unit {
                    TimeUnit::Second => 1_000_000_000,
                    TimeUnit::Millisecond => 1_000_000,
                    TimeUnit::Microsecond => 1_000,
                    TimeUnit::Nanosecond => 1,
                };
                n.checked_mul(per).map(Timestamp).ok_or_else(|| format!("{name} is out of range"))
            }
            _ => Err(format!("{name} is no time")),
        }
    }

    fn address(&self, row: &Row<'_>, name: &str) -> Result<Option<Ip>, String> {
        match self.text(row, name) {
            None => Ok(None),
            Some(t) => t
                .parse::<IpAddr>()
                .map(|a| Some(Ip::from(a)))
                .map_err(|_| format!("{name} {t:?} is no address")),
        }
    }

    fn kind(&self, row: &Row<'_>, d: &Detection) -> Result<&'static Kind, String> {
        let Some(name) = self.text(row, "kind") else {
            return d.kinds.first().copied().ok_or_else(|| "its header names no kind".to_owned());
        };
        let known = kind(&name).ok_or_else(|| format!("{name:?} is no kind of finding"))?;
        if d.kinds.contains(&known) {
            Ok(known)
        } else {
            Err(format!("kind {name} is not named in its header"))
        }
    }

    /// The finding that a row is.
    pub(super) fn anomaly(&self, row: &Row<'_>, d: &Detection, scope: &Scope) -> Result<Anomaly, String> {
        let kind = self.kind(row, d)?;
        let severity = match self.text(row, "severity") {
            Some(s) => Severity::of(&s).ok_or_else(|| format!("{s:?} is no severity"))?,
            None => d.severity.unwrap_or(kind.severity),
        };
        let (src, dst) = (self.address(row, "src_ip")?, self.address(row, "dst_ip")?);
        let count = self.get(row, "count").and_then(|v| number(&v)).map_or(1, |n| n.clamp(0.0, 1e18) as u64);
        let mut reasons = self.reasons(row)?;
        if reasons.is_empty() {
            reasons.push(Reason::new("matches", count as f64, 1.0, BARE_WEIGHT));
        }
        // Sums of many numbers may differ in their last bits from run to run.
        let confidence = round(confidence(&reasons));
        let subject = Subject {
            src,
            dst,
            dst_port: self
                .get(row, "dst_port")
                .and_then(|v| number(&v))
                .and_then(|n| u16::try_from(n as i64).ok()),
            protocol: self.text(row, "protocol").and_then(|p| protocol(&p)),
            about: printable(self.text(row, "about").unwrap_or_default().as_bytes(), MAX_ABOUT).into(),
        };
        let title = self.text(row, "title").unwrap_or_else(|| kind.meaning.trim_end_matches('.').to_owned());
        let mut found = Anomaly {
            id: AnomalyId::new(scope.capture, &d.name, kind, &subject),
            capture: scope.capture,
            detector: d.name.clone().into(),
            kind,
            title: printable(title.as_bytes(), MAX_TITLE),
            severity,
            confidence,
            score: score(severity, confidence),
            src,
            dst,
            dst_port: subject.dst_port,
            protocol: subject.protocol,
            direction: self.direction(row, src, dst, scope).map(Into::into),
            technique: d.technique.clone().map(Into::into).or_else(|| kind.technique.map(Into::into)),
            count,
            first_ts: self.time(row, "first_ts")?,
            last_ts: self.time(row, "last_ts")?,
            reasons,
            flows: self.flows(row),
            packets: Vec::new(),
            details: self.details(row),
            expected: false,
        };
        found.expected = d.expected.covers(&found);
        Ok(found)
    }

    /// As the flows say, else by the capture's local networks.
    fn direction(
        &self,
        row: &Row<'_>,
        src: Option<Ip>,
        dst: Option<Ip>,
        scope: &Scope,
    ) -> Option<&'static str> {
        match (self.get(row, "src_internal"), self.get(row, "dst_internal")) {
            (Some(Value::Boolean(true)), Some(Value::Boolean(true))) => Some("internal"),
            (Some(Value::Boolean(true)), Some(Value::Boolean(false))) => Some("outbound"),
            (Some(Value::Boolean(false)), Some(Value::Boolean(true))) => Some("inbound"),
            (Some(Value::Boolean(false)), Some(Value::Boolean(false))) => Some("external"),
            _ => Some(scope.subnets.direction(src?, dst?)),
        }
    }

    fn reasons(&self, row: &Row<'_>) -> Result<Vec<Reason>, String> {
        let items = match self.get(row, "reasons") {
            Some(Value::List(items) | Value::Array(items)) => items,
            None => return Ok(Vec::new()),
            Some(_) => return Err("reasons is no list".to_owned()),
        };
        let mut out = Vec::new();
        for item in items.into_iter().filter(|i| *i != Value::Null).take(MAX_REASONS) {
            let Value::Struct(fields) = item else {
                return Err("a reason is a STRUCT of name, value, threshold and weight".to_owned());
            };
            let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
            let real = |name: &str| field(name).and_then(number).unwrap_or(0.0);
            let Some(Value::Text(name)) = field("name") else {
                return Err("a reason has no name".to_owned());
            };
            let name = printable(name.as_bytes(), MAX_ABOUT);
            out.push(Reason::new(
                name,
                real("value"),
                real("threshold"),
                round(real("weight").clamp(-1.0, 1.0)),
            ));
        }
        Ok(out)
    }

    fn flows(&self, row: &Row<'_>) -> Vec<FlowId> {
        let Some(Value::List(items)) = self.get(row, "flow_ids") else { return Vec::new() };
        items.iter().filter_map(number_i64).take(MAX_FLOWS).map(FlowId).collect()
    }

    fn details(&self, row: &Row<'_>) -> serde_json::Map<String, serde_json::Value> {
        let text = self.text(row, "details").filter(|t| t.len() <= MAX_DETAILS).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(serde_json::Value::Object(facts)) => facts.into_iter().filter(|(_, v)| !v.is_null()).collect(),
            _ => serde_json::Map::new(),
        }
    }
}

/// To millionths.
fn round(n: f64) -> f64 {
    (n * 1e6).round() / 1e6
}

/// Any number.
fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::TinyInt(n) => f64::from(*n),
        Value::SmallInt(n) => f64::from(*n),
        Value::Int(n) => f64::from(*n),
        Value::BigInt(n) => *n as f64,
        Value::HugeInt(n) => *n as f64,
        Value::UTinyInt(n) => f64::from(*n),
        Value::USmallInt(n) => f64::from(*n),
        Value::UInt(n) => f64::from(*n),
        Value::UBigInt(n) => *n as f64,
        Value::Float(n) => f64::from(*n),
        Value::Double(n) => *n,
        Value::Decimal(n) => n.to_string().parse().ok()?,
        Value::Boolean(b) => f64::from(u8::from(*b)),
        _ => return None,
    })
    .filter(|n| n.is_finite())
}

/// A number that must not lose digits.
fn number_i64(value: &Value) -> Option<i64> {
    match value {
        Value::BigInt(n) => Some(*n),
        Value::HugeInt(n) => i64::try_from(*n).ok(),
        Value::UBigInt(n) => i64::try_from(*n).ok(),
        other => number(other).map(|n| n as i64),
    }
}

/// The number of a transport, by its name as in `flows.protocol`.
fn protocol(name: &str) -> Option<u8> {
    match name {
        "tcp" => Some(ip_protocol::TCP),
        "udp" => Some(ip_protocol::UDP),
        "icmp" => Some(ip_protocol::ICMP),
        "icmp6" => Some(ip_protocol::ICMP6),
        "sctp" => Some(ip_protocol::SCTP),
        other => other.parse().ok(),
    }
}
