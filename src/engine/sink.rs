//! Who takes the rows?
//!
//! One capture is `begin`, then `rows` many times, then `commit` or `abandon`. A sink is called from one
//! thread at a time.

use crate::detect;
use crate::model::anomaly::{Anomaly, DetectorRun};
use crate::model::ids::{CaptureId, CaptureNo};
use crate::model::ledger::SourceLedger;
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use ipnetwork::IpNetwork;

/// What is known of a capture before its first packet.
#[derive(Clone, Debug)]
pub struct CaptureStart {
    /// Its identity everywhere.
    pub capture_id: CaptureId,
    /// Path or device as the user gave it.
    pub path: String,
    /// Where it was recorded; empty = not said, and nothing joins across captures.
    pub sensor: String,
    /// Commit per batch (streams), or once at the end (files)?
    pub streaming: bool,
    /// Replace what is stored of the same content?
    pub replace: bool,
    /// The capture before it, when a stream was cut there.
    pub continues: Option<CaptureId>,
    /// When a stream is cut; `None` = it is one capture to its end.
    pub rotation: Option<Rotation>,
}

/// When a stream is cut into captures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// At every multiple of this since 1970, nanoseconds of packet time: those of a day are midnights of UTC.
    pub every: i64,
}

/// What is known at its end.
#[derive(Clone, Debug, Default)]
pub struct CaptureSummary {
    /// What the source read.
    pub ledger: SourceLedger,
    /// Time of the earliest packet.
    pub first_ts: Option<Timestamp>,
    /// Time of the latest packet.
    pub last_ts: Option<Timestamp>,
    /// Bytes the packets had on the wire.
    pub wire_bytes: u64,
    /// Packets whose network layer was decoded.
    pub decoded_packets: u64,
    /// Packets of which the snaplen cut something.
    pub truncated_packets: u64,
    /// Packets whose link type has no decoder.
    pub unknown_link_packets: u64,
    /// Packets earlier than one before them.
    pub out_of_order_packets: u64,
    /// Oddities, all of them, stored or not.
    pub weird_count: u64,
    /// Networks taken for our own, frozen at the first row.
    pub local_nets: Vec<IpNetwork>,
    /// How they were found: `configured`, `interface`, `inferred` or `private`.
    pub local_nets_source: &'static str,
    /// What hit a cap: its name and how often. Empty when nothing was lost.
    pub caps_hit: Vec<(&'static str, u64)>,
    /// Flows written.
    pub flows: u64,
    /// Detectors that ran.
    pub runs: Vec<DetectorRun>,
}

/// How a capture ended in the sink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stored {
    /// It is in.
    Committed,
    /// The same content was there already under this path; nothing was changed.
    Duplicate(String),
}

/// Where rows go.
pub trait Sink: Send {
    /// What goes wrong in it.
    type Error: std::error::Error + Send + Sync + 'static;

    /// A capture begins; its number within the sink comes back.
    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, Self::Error>;

    /// Rows of one table. May block: that is the back-pressure.
    fn rows(&mut self, rows: Rows) -> Result<(), Self::Error>;

    /// Findings: new ones, or ones that grew and replace what was handed on under their id.
    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), Self::Error>;

    /// How far a stream is, now and then: what its account would be if it ended here. Whoever shows streams while they run keeps it.
    /// May answer with other thresholds, which hold from then on.
    fn progress(&mut self, _summary: &CaptureSummary) -> Result<Option<detect::Config>, Self::Error> {
        Ok(None)
    }

    /// The capture is complete: keep it.
    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, Self::Error>;

    /// A stream is cut: what was handed on so far is a complete capture, what follows belongs to `next`, whose number comes back. Whoever can
    /// stores the end of the old one while the new one goes on.
    fn cut(&mut self, summary: &CaptureSummary, next: &CaptureStart) -> Result<CaptureNo, Self::Error> {
        self.commit(summary)?;
        self.begin(next)
    }

    /// The capture failed: leave no trace of it.
    fn abandon(&mut self) -> Result<(), Self::Error>;
}
