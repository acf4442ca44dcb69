//! Which protocols can a flow still be?
//!
//! A set of the registry's entries of one transport, and the set that a flow begins with. Asking two hundred probes about
//! every new flow would cost more than all the rest of it; most are refuted by the first byte of a stream. So the first stream that
//! begins with a byte asks everybody about that byte alone, once for any port and once for a port of theirs, and
//! the answer is kept. That is sound because a probe that declines has declined for good: what it would say to more bytes is never asked
//! again anyhow. Datagrams come whole, so there is nothing to learn from their first byte alone.

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

    /// In both.
    fn and(self, other: Self) -> Self {
        let mut out = self;
        for (a, b) in out.0.iter_mut().zip(other.0) {
            *a &= b;
        }
        out
    }

    /// In one of them.
    fn or(self, other: Self) -> Self {
        let mut out = self;
        for (a, b) in out.0.iter_mut().zip(other.0) {
            *a |= b;
        }
        out
    }

    /// The members, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = word.trailing_zeros();
                word &= word.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit as usize)
            })
        })
    }
}

/// Who can claim a stream that begins with one byte.
#[derive(Clone, Copy, Debug)]
struct Opening {
    /// On a port that means nothing to anybody.
    anywhere: Set,
    /// On a port of theirs.
    at_home: Set,
}

/// The protocols of one transport.
#[derive(Debug)]
pub(super) struct Candidates {
    transport: Transport,
    all: Vec<&'static Protocol>,
    everybody: Set,
    /// Whose port is it? Ascending by port.
    homes: Vec<(u16, Set)>,
    /// By side and first byte, filled in as they occur.
    openings: Vec<Option<Opening>>,
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
        let at_home = self.at_home(tuple.src_port).or(self.at_home(tuple.dst_port));
        opening.anywhere.or(opening.at_home.and(at_home))
    }

    /// Ask every probe about a stream of one byte.
    fn ask_all(&self, side: Side, byte: u8) -> Opening {
        let one = [byte];
        let (orig, resp): (&[u8], &[u8]) = match side {
            Side::Orig => (&one, &[]),
            Side::Resp => (&[], &one),
        };
        let mut out = Opening { anywhere: Set::default(), at_home: Set::default() };
        for (i, protocol) in self.all.iter().enumerate() {
            let possible = |port| {
                let probe = Probe { orig, resp, transport: self.transport, ports: (NOBODYS, port) };
                (protocol.probe)(&probe) != Verdict::NotMine
            };
            if possible(NOBODYS) {
                out.anywhere.insert(i);
            }
            if protocol.ports.iter().any(|port| possible(*port)) {
                out.at_home.insert(i);
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
        assert_eq!(Set::first(3).and(Set::first(2)).iter().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(Set::default().or(Set::first(1)).iter().collect::<Vec<_>>(), [0]);
        assert!(Set::default().is_empty() && !Set::first(1).is_empty());
        assert_eq!(Set::first(MAX_PROTOCOLS).iter().count(), MAX_PROTOCOLS);
    }
}
