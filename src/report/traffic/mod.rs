//! What goes on in this traffic, how much of it, and what is different elsewhere?
//!
//! A model of plain numbers and texts (`Statistics`, `Comparison`), filled by SQL over `flows` and the small tables beside it, then
//! written for eyes (`text`) or for programs (`data`). Every ranking has the same row, so that all of them draw and export alike.
//! Judges nothing: what is suspicious is the detectors' affair.

mod ask;
mod compare;
mod data;
mod scope;
mod text;
mod units;

#[cfg(test)]
mod tests;

pub use ask::{SECTIONS, ask};
pub use compare::{Change, Changes, Comparison, compare};
pub use scope::{Asked, Scope, ScopeError};
pub use text::{Look, changes_text, sparkline, statistics_text};
pub use units::span;

use crate::model::time::Timestamp;

/// What a ranking is sorted by, and what its bars show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// Bytes of both directions, with IP headers.
    Bytes,
    /// Packets of both directions.
    Packets,
    /// Flows.
    Flows,
}

/// Counts that add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Volume {
    /// Flows.
    pub flows: u64,
    /// Packets of both directions.
    pub packets: u64,
    /// Bytes from the originator (of a host: that it sent), with IP headers.
    pub sent: u64,
    /// Bytes from the responder (of a host: sent to it), with IP headers.
    pub received: u64,
}

impl Volume {
    /// Bytes of both directions.
    pub fn bytes(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }

    /// One of the counts.
    pub fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Bytes => self.bytes(),
            Measure::Packets => self.packets,
            Measure::Flows => self.flows,
        }
    }
}

/// A line of a ranking.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// What is counted, such as `tls`, `10.0.0.1` or `1 to 10 KB`. Printable.
    pub label: String,
    /// What else is known of it, such as its name; may be empty. Printable.
    pub note: String,
    /// How much.
    pub volume: Volume,
}

/// A list of the most, or of all classes in their order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ranking {
    /// Stable name, for options and programs.
    pub name: &'static str,
    /// Heading for eyes.
    pub title: &'static str,
    /// What its bars show.
    pub measure: Measure,
    /// Its lines.
    pub rows: Vec<Row>,
    /// Lines that were left out.
    pub more: u64,
}

/// An interval of the timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    /// Its begin.
    pub begin: Timestamp,
    /// Flows that began in it, with everything they carried.
    pub volume: Volume,
}

/// What the numbers are about.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Overview {
    /// Captures that lie in it.
    pub captures: u64,
    /// Begin of the first flow; `None` without flows.
    pub first: Option<Timestamp>,
    /// End of the last flow; `None` without flows.
    pub last: Option<Timestamp>,
    /// All flows together.
    pub volume: Volume,
    /// Addresses.
    pub hosts: u64,
    /// Of these in the local networks.
    pub internal_hosts: u64,
    /// Packets in no flow, over all its captures: ARP and others below IP, what could not be decoded, what the recording lost.
    pub unseen_packets: u64,
}

/// Everything `ask` finds out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Statistics {
    /// The frame.
    pub overview: Overview,
    /// Intervals of equal length without gaps; empty when not asked for.
    pub timeline: Vec<Interval>,
    /// Length of an interval. Unit: seconds.
    pub interval_s: i64,
    /// By hour of the day (UTC), when the time covered is longer than a day.
    pub hours: Option<[Volume; 24]>,
    /// The rankings asked for, in the order of [`SECTIONS`].
    pub rankings: Vec<Ranking>,
}
