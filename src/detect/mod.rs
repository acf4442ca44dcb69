//! What do the facts mean?
//!
//! One detector a file: facts in, findings out. A detector never parses bytes and never sees the database; `protocol` states facts,
//! this floor judges. [`ALL`] lists the detectors, each with a [`Meta`] that explains itself: question, thresholds with their reasons,
//! innocent causes. Detections that need the whole horizon are SQL (`queries/detections/`).
//!
//! Facts come in the order in which they became known, shard by shard: a detector sees all of one host (see [`Scope`]) and owns
//! what it remembers of it. A flow is told when it *ends*, so windows count by the flow's own first time and must take what comes
//! late. Nothing happens on a clock: a detector acts when a fact comes, and at the end. Read `fact` and `finding` next.

pub mod amplification;
pub mod arp_spoof;
pub mod arp_sweep;
pub mod coerced_login;
pub mod config;
pub mod credential_access;
pub mod dhcp_starvation;
pub mod dns_spoof;
pub mod expected;
pub mod exploits;
pub mod fact;
pub mod finding;
pub mod flood;
pub mod guessing;
pub mod host_sweep;
pub mod icmp_redirect;
pub mod icmp_tunnel;
pub mod industrial_command;
pub mod lateral_movement;
pub mod meta;
pub mod mining;
pub mod name_poisoning;
pub mod needles;
pub mod nonstandard_port;
pub mod obsolete_protocol;
pub mod os_probe;
pub mod port_scan;
pub mod port_scan_distributed;
pub mod remote_access_tool;
pub mod request_flood;
pub mod reverse_shell;
pub mod rogue_dhcp;
pub mod rogue_router;
pub mod slow_http;
pub mod stats;
pub mod suspicious_user_agent;
pub mod tor;
pub mod web_attack;
pub mod window;
pub mod words;

#[cfg(test)]
pub(crate) mod testing;

pub use config::Config;
pub use expected::Expected;
pub use fact::{FlowFact, Outcome, RecordFact};
pub use finding::{Finding, Findings};
pub use meta::{Meta, Params, Scope, Threshold};

use crate::decode::{Arp, IcmpMessage};

/// One judge. One instance a shard (or one for the capture: [`Scope::Segment`]); it owns its state.
pub trait Detector: Send {
    /// A flow ended; only for [`Meta::flows`].
    fn flow(&mut self, _flow: &FlowFact, _out: &mut Findings) {}

    /// A record of one of [`Meta::tables`].
    fn record(&mut self, _record: &RecordFact, _out: &mut Findings) {}

    /// Somebody said which link address an address has. [`Scope::Segment`] only.
    fn arp(&mut self, _arp: &Arp, _out: &mut Findings) {}

    /// An ICMP or ICMPv6 message. [`Scope::Segment`] only, and only for [`Meta::icmp`].
    fn icmp(&mut self, _message: &IcmpMessage, _out: &mut Findings) {}

    /// The stream is cut, and the detector goes on: write findings as they stand, where growth was held back until there is more of it.
    fn catch_up(&mut self, _out: &mut Findings) {}

    /// The capture is over: judge what was still open.
    fn finish(&mut self, _out: &mut Findings) {}

    /// State given up so far because a cap was reached.
    fn evicted(&self) -> u64 {
        0
    }
}

/// Every streaming detector, one line an entry, in the order in which they are shown.
#[rustfmt::skip] // one line an entry
pub static ALL: &[&Meta] = &[
    &mining::META,
    &guessing::META,
    &guessing::spread::META,
    &port_scan::META,
    &port_scan_distributed::META,
    &host_sweep::META,
    &arp_sweep::META,
    &os_probe::META,
    &flood::META,
    &flood::UNASKED,
    &request_flood::META,
    &amplification::META,
    &amplification::UNASKED,
    &slow_http::META,
    &dhcp_starvation::META,
    &exploits::META,
    &coerced_login::META,
    &lateral_movement::META,
    &credential_access::META,
    &reverse_shell::META,
    &industrial_command::META,
    &arp_spoof::META,
    &rogue_dhcp::META,
    &rogue_router::META,
    &icmp_redirect::META,
    &name_poisoning::META,
    &dns_spoof::META,
    &icmp_tunnel::META,
    &web_attack::META,
    &suspicious_user_agent::META,
    &nonstandard_port::META,
    &obsolete_protocol::META,
    &tor::META,
    &remote_access_tool::META,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detector_explains_itself() {
        for (i, m) in ALL.iter().enumerate() {
            let at = m.id;
            assert!(ALL.iter().skip(i + 1).all(|o| o.id != at), "{at} twice");
            assert!(m.question.ends_with('?'), "{at}: the question is one");
            assert!(m.method.ends_with('.'), "{at}: the method is a sentence");
            assert!(!m.kinds.is_empty(), "{at}: finds nothing");
            assert!(!m.innocent.is_empty(), "{at}: every detector has innocent causes");
            assert!(!m.next.is_empty(), "{at}: says what to do next");
            assert!(!m.references.is_empty(), "{at}: says where it comes from");
            for t in m.thresholds {
                assert!(
                    !t.unit.is_empty() && t.why.ends_with('.') && !t.source.is_empty(),
                    "{at}.{}",
                    t.name
                );
                let same = m.thresholds.iter().filter(|o| o.name == t.name).count();
                assert_eq!(same, 1, "{at}.{} twice", t.name);
            }
            let _ = (m.build)(&Params::of(m, &Config::default().into()));
        }
    }
}
