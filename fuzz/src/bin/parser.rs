//! The fuzzed program: one parser, by its name in SECNETMON_FUZZ.

#![no_main]

use libfuzzer_sys::fuzz_target;
use secnetmon::protocol::{ALL, Protocol};
use secnetmon_fuzz::{forced, parsers, play};
use std::sync::OnceLock;

/// The protocol at hand, alone and before all others.
static TARGET: OnceLock<(&'static Protocol, Vec<&'static Protocol>)> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let (of, protocols) = TARGET.get_or_init(|| {
        let name = std::env::var("SECNETMON_FUZZ").unwrap_or_default();
        let of = parsers().find(|p| p.name == name).expect("SECNETMON_FUZZ names a protocol with a parser");
        let mut protocols = forced(of);
        protocols.extend(ALL.iter().filter(|p| p.name != of.name));
        (of, protocols)
    });
    for transport in of.transports {
        play(protocols, *transport, of.ports.first().copied().unwrap_or(9), data);
    }
});
