//! Which packets belong together, and what happened between the two ends?
//!
//! Flows by order-free key, TCP state with Zeek's `conn_state` and `history`, ordered bytes for the
//! application above, expiry on packet time. One [`table::FlowTable`] per shard owns its flows. Never parses application
//! bytes: it hands them to an [`Application`].

mod community_id;
mod config;
mod history;
mod intern;
mod key;
mod queue;
mod record;
mod roles;
mod sctp;
mod slot;
mod stream;
pub mod table;
mod tcp;

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod testing;

pub use community_id::CommunityId;
pub use config::{Budget, Config};
pub use key::FlowKey;
pub use table::{FlowStats, FlowTable};

use crate::model::flow::{ServiceSource, Side, Tuple};
use crate::model::ids::FlowId;
use crate::model::time::Timestamp;

/// What the application layer may know of the flow whose bytes it gets.
#[derive(Clone, Copy, Debug)]
pub struct FlowView {
    /// Identity.
    pub id: FlowId,
    /// Who spoke to whom.
    pub tuple: Tuple,
    /// Time of the first packet.
    pub first_ts: Timestamp,
    /// Did the TCP handshake's start pass by? False for a capture that begins mid-connection, and without TCP.
    pub saw_start: bool,
}

/// When the bytes at hand arrived.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Packet time.
    pub ts: Timestamp,
    /// Number of the packet in the capture.
    pub packet: u64,
}

/// Does the application want more of this flow?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interest {
    /// Yes.
    More,
    /// No: buffers are freed and nothing more is handed over, except the end.
    Done,
}

/// What the application knows about a flow when it ends.
#[derive(Clone, Debug, Default)]
pub struct AppSummary {
    /// Protocol name, lower case.
    pub service: Option<&'static str>,
    /// How it was told.
    pub source: Option<ServiceSource>,
    /// SNI or Host.
    pub hostname: Option<Box<str>>,
}

/// The floor above, as flows see it. One per shard; `State` is what it keeps per flow, allocated at the first
/// payload byte.
pub trait Application {
    /// Kept per flow.
    type State;

    /// The first payload of a flow is about to come. `None`: not interested.
    fn open(&mut self, flow: &FlowView) -> Option<Self::State>;

    /// The next bytes of one side in order (TCP), or one whole datagram. `original_len` is larger than
    /// `data.len()` when the snaplen cut the payload of a datagram.
    fn data(
        &mut self,
        flow: &FlowView,
        state: &mut Self::State,
        side: Side,
        at: At,
        data: &[u8],
        original_len: u32,
    ) -> Interest;

    /// `missing` bytes of one side will never come; what follows in `data` is after the gap.
    fn gap(&mut self, flow: &FlowView, state: &mut Self::State, side: Side, at: At, missing: u64)
    -> Interest;

    /// What it knows of a flow that goes on.
    fn so_far(&self, _flow: &FlowView, _state: Option<&Self::State>) -> AppSummary {
        AppSummary::default()
    }

    /// How much it has said so far of all flows; only differences mean something.
    fn told(&self) -> u64 {
        0
    }

    /// The flow ended; pending requests are written without answers. `state` is `None` when no payload came.
    fn end(&mut self, flow: &FlowView, state: Option<Self::State>, at: At) -> AppSummary;
}
