//! Which protocols can a flow still be?
//!
//! A set of the registry's entries of one transport, and the set that a flow begins with. Asking two hundred probes about
//! every new flow would cost more than all the rest of it; most are refuted by the first byte of a stream. So the first stream that
//! begins with a byte asks everybody about that byte alone, and the answer is kept; whoever is at home on one of the
//! flow's ports is asked in any case. That is sound because a probe that declines has declined for good: what it would say to
//! more bytes is never asked again anyhow. Datagrams come whole, so there is nothing to learn from their first byte alone.

use crate::model::flow::{Side, Tuple};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// Protocols that can be told apart on one transport.
pub(in crate::protocol) const MAX_PROTOCOLS: usize = Set::WORDS * 64;

/// A port that is nobody's (reserved, RFC 6335 section 6), and not one of the system's, on which some are never spoken.
const NOBODYS: u16 = u16::MAX;

/// A set of candidates by their index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Set([u64; Set::WORDS]);

impl Set {
    const WORDS: usize = 4;

    /// The first `n`.
    pub(super) fn first(n: usize) -> Self {
        let mut set = Self::default();
        for i in 0..n.min(MAX_PROTOCOLS) {
            set.insert(i);
        }
        set
    }

    pub(super) fn insert(&mut self, i: usize) {
        if let Some(word) = self.0.get_mut(i / 64) {
            *word |= 1 << (i % 64);
        }
    }

    pub(super) fn remove(&mut self, i: usize) {
        if let Some(word) = self.0.get_mut(i / 64) {
            *word &= !(1 << (i % 64));
        }
    }

    pub(super) fn has(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|word| word & 1 << (i % 64) != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; Self::WORDS]
    }

    /// In one of them.
    pub(super) fn or(self, other: Self) -> Self {
        let mut out = self;
        for (a, b) in out.0.iter_mut().zip(other.0) {
            *a |= b;
        }
        out
    }

    /// The members, ascending.
    pub(super) fn iter(self) -> Members {
        Members { words: self.0, at: 0 }
    }
}

/// The members of a set that were not shown yet.
pub(super) struct Members {
    words: [u64; Set::WORDS],
    at: usize,
}

impl Iterator for Members {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let word = self.words.get_mut(self.at)?;
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(self.at * 64 + bit);
            }
            self.at += 1;
        }
    }
}

/// The protocols of one transport.
#[derive(Debug)]
pub(super) struct Candidates {
    transport: Transport,
    all: Vec<&'static Protocol>,
    everybody: Set,
    /// Whose port is it? Ascending by port.
    homes: Vec<(u16, Set)>,
    /// Who can claim a stream that begins so, whatever its port; by side and first byte, filled in as they occur.
    openings: Vec<Option<Set>>,
}

impl Candidates {
    /// Those of `protocols` that run over `transport`; what is past [`MAX_PROTOCOLS`] is left out.
    pub(super) fn new(transport: Transport, protocols: &[&'static Protocol]) -> Self {
        let mut all: Vec<_> =
            protocols.iter().copied().filter(|p| p.transports.contains(&transport)).collect();
        all.truncate(MAX_PROTOCOLS);
        let mut ports: Vec<u16> = all.iter().flat_map(|p| p.ports).copied().collect();
        ports.sort_unstable();
        ports.dedup();
        let mut homes = Vec::with_capacity(ports.len());
        for port in ports {
            let mut set = Set::default();
            for i in all.iter().enumerate().filter(|(_, p)| p.ports.contains(&port)).map(|(i, _)| i) {
                set.insert(i);
            }
            homes.push((port, set));
        }
        let everybody = Set::first(all.len());
        Self { transport, all, everybody, homes, openings: Vec::new() }
    }

    pub(super) fn get(&self, i: usize) -> Option<&'static Protocol> {
        self.all.get(i).copied()
    }

    /// Whose port is this?
    pub(super) fn at_home(&self, port: u16) -> Set {
        let found = self.homes.binary_search_by_key(&port, |(p, _)| *p).ok();
        found.and_then(|i| self.homes.get(i)).map_or_else(Set::default, |(_, set)| *set)
    }

    /// Who can claim a flow of which these are the first bytes?
    pub(super) fn at_first(&mut self, tuple: &Tuple, side: Side, data: &[u8]) -> Set {
        let Some(byte) = data.first().filter(|_| self.transport == Transport::Tcp) else {
            return self.everybody;
        };
        if self.openings.is_empty() {
            self.openings = vec![None; 512];
        }
        let slot = side.index() * 256 + usize::from(*byte);
        let opening = match self.openings.get(slot).copied().flatten() {
            Some(known) => known,
            None => {
                let asked = self.ask_all(side, *byte);
                if let Some(slot) = self.openings.get_mut(slot) {
                    *slot = Some(asked);
                }
                asked
            }
        };
        opening.or(self.at_home(tuple.src_port)).or(self.at_home(tuple.dst_port))
    }

    /// Ask every probe about a stream of one byte, between ports that are nobody's.
    fn ask_all(&self, side: Side, byte: u8) -> Set {
        let one = [byte];
        let (orig, resp): (&[u8], &[u8]) = match side {
            Side::Orig => (&one, &[]),
            Side::Resp => (&[], &one),
        };
        let probe = Probe { orig, resp, transport: self.transport, ports: (NOBODYS, NOBODYS) };
        let mut out = Set::default();
        for (i, protocol) in self.all.iter().enumerate() {
            if (protocol.probe)(&probe) != Verdict::NotMine {
                out.insert(i);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set = Set::first(130);
        set.remove(64);
        assert_eq!(
            (set.iter().count(), set.has(63), set.has(64), set.has(129), set.has(130)),
            (129, true, false, true, false)
        );
        set.insert(MAX_PROTOCOLS);
        assert_eq!(set.iter().count(), 129, "past the end there is no place");
        assert_eq!(Set::default().or(Set::first(1)).iter().collect::<Vec<_>>(), [0]);
        assert!(Set::default().is_empty() && !Set::first(1).is_empty());
        assert_eq!(Set::first(MAX_PROTOCOLS).iter().count(), MAX_PROTOCOLS);
    }
}
