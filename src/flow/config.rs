//! When does silence end a flow, and how much may flows hold?
//!
//! Seconds of packet time, and caps. Defaults follow Zeek where rows are compared with it (TCP idle 300 s, UDP and ICMP
//! 60 s, 5 s after a close); an attempt waits longer than Zeek's 5 s, so that the usual SYN retries (1, 3, 7, 15 s
//! after the first) stay one row.

use crate::model::time::{Timestamp, secs};
use serde::{Deserialize, Serialize};

/// Timeouts and caps of the flow table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seconds after which a silent TCP connection that was established, or joined midway, ends.
    pub connection_timeout: u64,
    /// Seconds a closed TCP connection waits for stragglers (late ACKs, repeated FINs) before its row is written.
    pub tcp_closed_linger: u64,
    /// Seconds a TCP connection attempt without an answer waits for one.
    pub tcp_attempt_timeout: u64,
    /// Seconds after which a silent UDP flow ends.
    pub udp_timeout: u64,
    /// Seconds after which a silent ICMP or ICMPv6 flow ends.
    pub icmp_timeout: u64,
    /// Seconds after which a silent flow of any other protocol ends (SCTP keeps `connection_timeout`).
    pub other_timeout: u64,
    /// Seconds after which a stream writes a flow that has not ended, and again as long as it goes on; its last row replaces them. 0: never.
    pub open_after: u64,
    /// Do equal addresses and ports in different VLANs make different flows?
    pub vlan_in_key: bool,
    /// Out-of-order bytes kept per direction of one flow; beyond it the gap before them is given up. The largest
    /// unscaled window is 64 KiB; four of them cover ordinary reordering on scaled windows.
    pub pending_bytes_per_side: usize,
    /// Out-of-order pieces kept per direction of one flow: bounds the search among them.
    pub pending_pieces_per_side: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection_timeout: 300,
            tcp_closed_linger: 5,
            tcp_attempt_timeout: 20,
            udp_timeout: 60,
            icmp_timeout: 60,
            other_timeout: 60,
            open_after: 60,
            vlan_in_key: false,
            pending_bytes_per_side: 256 << 10,
            pending_pieces_per_side: 256,
        }
    }
}

/// What one table may hold. The engine divides the program's caps over its shards.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Flows at once; at least 1. The longest idle one is given up for a new one.
    pub max_flows: usize,
    /// Bytes of out-of-order stream data of all flows together.
    pub stream_bytes: usize,
}

/// Which timeout applies to a flow. The order breaks ties of eviction: what is worth least comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Class {
    /// A TCP attempt without an answer.
    Attempt,
    /// A TCP connection that was closed.
    Closed,
    /// UDP.
    Udp,
    /// ICMP and ICMPv6.
    Icmp,
    /// Other protocols.
    Other,
    /// A TCP connection or SCTP association under way.
    Established,
}

/// How many classes there are.
pub(super) const CLASSES: usize = 6;

/// The timeouts in nanoseconds, by class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts([i64; CLASSES]);

impl Timeouts {
    /// From seconds.
    pub(super) fn new(c: &Config) -> Self {
        // In the order of `Class`.
        Self(
            [
                c.tcp_attempt_timeout,
                c.tcp_closed_linger,
                c.udp_timeout,
                c.icmp_timeout,
                c.other_timeout,
                c.connection_timeout,
            ]
            .map(secs),
        )
    }

    /// Nanoseconds of silence that end a flow of this class.
    pub(super) fn of(&self, class: Class) -> i64 {
        self.0.get(class as usize).copied().unwrap_or(i64::MAX)
    }

    /// When a flow that was last seen at `last` has timed out.
    pub(super) fn deadline(&self, class: Class, last: Timestamp) -> Timestamp {
        last.plus(self.of(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_own_timeout() {
        let t = Timeouts::new(&Config { udp_timeout: 7, tcp_closed_linger: 2, ..Config::default() });
        assert_eq!(t.deadline(Class::Udp, Timestamp(1)), Timestamp(7_000_000_001));
        assert_eq!(t.of(Class::Closed), 2_000_000_000);
        assert_eq!(t.of(Class::Established), 300_000_000_000);
        assert_eq!(t.deadline(Class::Other, Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn unknown_settings_are_errors() {
        assert!(toml::from_str::<Config>("udp_timeout = 5").is_ok_and(|c| c.udp_timeout == 5));
        assert!(toml::from_str::<Config>("udp_timout = 5").is_err());
    }
}
