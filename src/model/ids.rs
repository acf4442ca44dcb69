//! What names a capture and a flow, everywhere and for ever?
//!
//! Identities follow content and packet order, never a counter of a thread, so that any number of threads
//! gives the same rows (promise 2). Rows are never renumbered.

use std::fmt;

/// 63 bits that name a capture everywhere: from its content, or random for a stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CaptureId(pub i64);

/// The number of a capture within its database, from 1; 23 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CaptureNo(pub u32);

/// Names a flow within its database: capture number << 40 | first packet << 2 | tunnel level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FlowId(pub i64);

/// Tunnel levels a flow id can tell apart: the outermost and three inside it.
pub const MAX_LEVELS: u8 = 4;

impl FlowId {
    /// The id of the flow that `first_packet` (from 1) began at tunnel level `level` (0 = outermost).
    pub fn new(capture: CaptureNo, first_packet: u64, level: u8) -> Self {
        let local = ((first_packet & ((1 << 38) - 1)) << 2) | u64::from(level & 3);
        Self(((u64::from(capture.0 & 0x7f_ffff) << 40) | local) as i64)
    }

    /// The packet that began the flow, from 1.
    pub fn first_packet(self) -> u64 {
        (self.0 as u64 & ((1 << 40) - 1)) >> 2
    }

    /// The tunnel level, 0 = outermost.
    pub fn level(self) -> u8 {
        (self.0 & 3) as u8
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_id_keeps_its_parts() {
        let id = FlowId::new(CaptureNo(7), 123_456_789, 3);
        assert_eq!((id.first_packet(), id.level(), id.0 >> 40), (123_456_789, 3, 7));
        assert!(FlowId::new(CaptureNo(0x7f_ffff), u64::MAX, 9).0 > 0, "stays positive");
    }
}
