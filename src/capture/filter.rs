//! Which packets does the user want to see at all?
//!
//! A filter expression as tcpdump takes it (`--filter`), compiled by libpcap for each link type that is met. What does not match is
//! left out and counted; packet numbers count what is left. Packets of a link type for which the expression makes no
//! sense cannot match it and are left out, too. Without the feature `live` there is no libpcap and a filter is a clear error.

use super::error::OpenError;
use super::{Polled, Source};
use crate::model::ids::CaptureId;
use crate::model::ledger::SourceLedger;
use crate::model::packet::{Batch, LinkType};
use std::collections::BTreeMap;

#[cfg(feature = "live")]
mod bpf;

/// Without libpcap no expression compiles.
#[cfg(not(feature = "live"))]
mod bpf {
    use super::{LinkType, OpenError};

    #[derive(Debug)]
    pub(super) struct Program;

    impl Program {
        pub(super) fn compile(_: &str, _: LinkType) -> Result<Self, OpenError> {
            Err(OpenError::FilterUnavailable)
        }

        pub(super) fn matches(&self, _: &[u8], _: u32) -> bool {
            false
        }
    }
}

/// Another source without the packets that do not match.
pub(super) struct Filtered {
    inner: Box<dyn Source>,
    expression: String,
    /// One program a link type; none where the expression makes no sense.
    programs: BTreeMap<LinkType, Option<bpf::Program>>,
    next_number: u64,
    filtered: u64,
}

impl Filtered {
    /// Wrap `inner`. The expression must make sense for Ethernet or for IP, else it is refused here.
    pub(super) fn new(inner: Box<dyn Source>, expression: &str) -> Result<Self, OpenError> {
        let programs = BTreeMap::new();
        check(expression)?;
        let expression = expression.to_string();
        Ok(Self { inner, expression, programs, next_number: 1, filtered: 0 })
    }
}

/// Does the expression compile for any of the common link types?
pub(super) fn check(expression: &str) -> Result<(), OpenError> {
    const COMMON: [LinkType; 3] = [LinkType::ETHERNET, LinkType(101), LinkType(105)];
    let mut first = None;
    for link in COMMON {
        match bpf::Program::compile(expression, link) {
            Ok(_) => return Ok(()),
            Err(e) => first = first.or(Some(e)),
        }
    }
    first.map_or(Ok(()), Err)
}

impl Source for Filtered {
    fn poll(&mut self) -> Polled {
        loop {
            let Batch { block, mut packets, .. } = match self.inner.poll() {
                Polled::Packets(batch) => batch,
                other => return other,
            };
            let before = packets.len();
            let (programs, expression) = (&mut self.programs, &self.expression);
            packets.retain(|p| {
                let program =
                    programs.entry(p.link).or_insert_with(|| bpf::Program::compile(expression, p.link).ok());
                let start = p.start as usize;
                let data = block.bytes().get(start..start.saturating_add(p.captured as usize));
                matches!((program, data), (Some(program), Some(data)) if program.matches(data, p.original))
            });
            self.filtered = self.filtered.saturating_add((before - packets.len()) as u64);
            if !packets.is_empty() {
                let first_number = self.next_number;
                self.next_number = first_number.saturating_add(packets.len() as u64);
                return Polled::Packets(Batch { first_number, block, packets });
            }
        }
    }

    fn ledger(&self) -> SourceLedger {
        SourceLedger { filtered: self.filtered, ..self.inner.ledger() }
    }

    fn cut(&mut self, next: CaptureId) -> SourceLedger {
        SourceLedger { filtered: self.filtered, ..self.inner.cut(next) }
    }
}
