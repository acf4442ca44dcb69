//! What does a detector say about itself?
//!
//! `secnetmon detectors NAME` prints it, the configuration file lists its thresholds, and a test asks that nothing is missing.

use super::{Config, Detector};
use crate::model::kind::Kind;
use crate::model::schema::Table;
use std::cell::Cell;
use std::sync::Arc;

/// On which host facts are brought together for a detector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// On the originator: one instance sees all that a host begins.
    Source,
    /// On the responder: one instance sees all that is done to a host.
    Target,
    /// On nothing: one instance sees the whole capture, flows excepted. For what is rare (ARP, DHCP, router advertisements).
    Segment,
}

/// A number that decides.
#[derive(Debug)]
pub struct Threshold {
    /// Lower case with underscores; the setting is `detect.DETECTOR.NAME`.
    pub name: &'static str,
    /// Such as `ports` or `s`.
    pub unit: &'static str,
    /// Used when nothing else is set.
    pub default: f64,
    /// What it decides and why it is so, a sentence.
    pub why: &'static str,
    /// Where the number comes from: a paper, an RFC, `measured`.
    pub source: &'static str,
}

/// A detector that explains itself.
#[derive(Debug)]
pub struct Meta {
    /// Stable name, as in `anomalies.detector`.
    pub id: &'static str,
    /// The question it answers.
    pub question: &'static str,
    /// How it tells, in sentences.
    pub method: &'static str,
    /// What it may find.
    pub kinds: &'static [&'static Kind],
    /// Where facts meet.
    pub scope: Scope,
    /// Does it look at flows?
    pub flows: bool,
    /// Tables whose records it reads.
    pub tables: &'static [&'static Table],
    /// Does it read ICMP messages?
    pub icmp: bool,
    /// Its numbers.
    pub thresholds: &'static [Threshold],
    /// What else looks like this, a sentence each.
    pub innocent: &'static [&'static str],
    /// What an analyst does next, a sentence each.
    pub next: &'static [&'static str],
    /// Papers, RFCs, ATT&CK pages.
    pub references: &'static [&'static str],
    /// Make an instance for one shard.
    pub build: fn(&Params) -> Box<dyn Detector>,
}

/// The thresholds of one detector with the values in force.
#[derive(Clone, Debug)]
pub struct Params {
    meta: &'static Meta,
    values: Vec<f64>,
    config: Arc<Config>,
    /// Was more asked for than numbers?
    lists: Cell<bool>,
}

impl Params {
    /// The values in force for this detector.
    pub fn of(meta: &'static Meta, config: &Arc<Config>) -> Self {
        let values =
            meta.thresholds.iter().map(|t| config.value(meta.id, t.name).unwrap_or(t.default)).collect();
        Self { meta, values, config: Arc::clone(config), lists: Cell::new(false) }
    }

    /// Would the detector that was built with these judge alike by `other`? Lists count where it asked for them.
    pub fn same(&self, other: &Self) -> bool {
        let (a, b) = (&self.config, &other.config);
        let lists = a.mining_pools == b.mining_pools && a.mining_ports == b.mining_ports;
        self.values == other.values && (lists || !self.lists.get())
    }

    /// One value; 0 for a name that the [`Meta`] does not have, which is a mistake that tests find.
    pub fn get(&self, name: &str) -> f64 {
        let at = self.meta.thresholds.iter().position(|t| t.name == name);
        debug_assert!(at.is_some(), "{} has no threshold {name}", self.meta.id);
        at.and_then(|i| self.values.get(i)).copied().unwrap_or(0.0)
    }

    /// One value as a count, rounded.
    pub fn count(&self, name: &str) -> usize {
        self.get(name).round().clamp(0.0, 1e15) as usize
    }

    /// One value in seconds, as nanoseconds.
    pub fn nanos(&self, name: &str) -> i64 {
        (self.get(name) * 1e9).clamp(0.0, 9e18) as i64
    }

    /// Everything that is configured, for lists.
    pub fn config(&self) -> &Config {
        self.lists.set(true);
        &self.config
    }

    /// Names and values, for `detector_runs`.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.meta.thresholds.iter().map(|t| t.name).zip(self.values.iter().copied())
    }
}
