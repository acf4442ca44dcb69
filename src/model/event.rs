//! What comes out of a flow shard?
//!
//! Facts in packet order: records, weirds and finished flows. They are regrouped by host, so that the stage
//! that names flows (and detectors) sees all of one host in one place.

use super::addr::Ip;
use super::flow::{FlowRecord, Tuple};
use super::ids::FlowId;
use super::record::Record;
use super::time::Timestamp;
use super::weird::Weird;

/// One fact.
#[derive(Debug)]
pub struct Event {
    /// When it happened in packet time; for an expired flow, when its timeout passed.
    pub ts: Timestamp,
    /// When it was known in packet time: for a record the packet that completed it. Detectors take facts in this order.
    pub known: Timestamp,
    /// The packet at which it was known, from 1; orders events of one batch.
    pub packet: u64,
    /// The host it is counted on: the originator of its flow.
    pub host: Ip,
    /// What happened.
    pub body: Body,
}

/// The kinds of facts.
#[derive(Debug)]
pub enum Body {
    /// A flow ended.
    Flow(Box<FlowRecord>),
    /// A flow that goes on, as it is now (streams).
    Open(Box<FlowRecord>),
    /// A flow that goes on in the next capture, as it was in the one that is cut here.
    Cut(Box<FlowRecord>),
    /// A flow ended that had begun before a cut.
    Continued {
        /// Its part in the capture at hand; `None` when it had nothing more to show.
        part: Option<Box<FlowRecord>>,
        /// All of it, for those who judge. Its id is that of its last row.
        whole: Box<FlowRecord>,
    },
    /// An application record.
    Record {
        /// The flow that carried it.
        flow_id: FlowId,
        /// Its five-tuple.
        tuple: Tuple,
        /// The record.
        record: Box<dyn Record>,
    },
    /// An oddity.
    Weird(Weird),
}
