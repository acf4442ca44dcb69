//! What does an ICMP message say besides its addresses?
//!
//! Echo, timestamp and address mask (RFC 792, RFC 950), redirect (RFC 792, RFC 4861 section 4.5) and router advertisement (RFC 4861 section
//! 4.2) become [`IcmpMessage`]s; detectors of tunnels, sweeps, redirects and routers read them. Errors are told by what they quote,
//! neighbour messages are `Arp`s. Payloads are not kept: two hashes and the entropy say whether they repeat and what they look like.

use super::walk::{Net, Span, Walk, n32};
use super::{Decoded, IcmpMessage, lan};
use crate::model::addr::Ip;
use crate::model::bytes::be16;
use std::sync::LazyLock;

/// Bytes of a payload that are looked at: a whole packet of Ethernet. Looking at more would let one large echo cost as much as a
/// hundred small ones.
const LOOKED_AT: usize = 1_500;

/// Bytes at the front of an echo's payload in which pings put the time (`timeval` of two longs; Windows and network devices: fewer).
const TIME: usize = 16;

/// Bytes behind the time that tell one payload from another. Pings of growing size repeat one pattern, which then still looks alike.
const BODY: usize = 64;

/// Options looked at in one advertisement.
const MAX_OPTIONS: usize = 16;

/// Option of an advertisement that tells a prefix.
const OPTION_PREFIX: u8 = 3;

/// Parts of a bit in [`GROWTH`].
const SCALE: f64 = 65_536.0;

/// By how much `c log2 c` grows from `c` to `c + 1`, in parts of [`SCALE`]: so the entropy is summed while bytes are counted, without
/// logarithms and without a walk over 256 counts.
static GROWTH: LazyLock<[u32; LOOKED_AT]> = LazyLock::new(|| {
    std::array::from_fn(|c| {
        let f = |n: f64| if n < 2.0 { 0.0 } else { n * n.log2() };
        ((f(c as f64 + 1.0) - f(c as f64)) * SCALE).round() as u32
    })
});

/// Bits per byte, 0 to 8, of at most [`LOOKED_AT`] bytes.
fn entropy(bytes: &[u8]) -> f32 {
    let bytes = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    if bytes.is_empty() {
        return 0.0;
    }
    let growth: &[u32; LOOKED_AT] = &GROWTH;
    let mut counts = [0u16; 256];
    let mut sum = 0u32;
    for b in bytes {
        if let Some(c) = counts.get_mut(usize::from(*b)) {
            sum += growth.get(usize::from(*c)).copied().unwrap_or(0);
            *c += 1;
        }
    }
    let n = bytes.len() as f64;
    (n.log2() - f64::from(sum) / SCALE / n).clamp(0.0, 8.0) as f32
}

/// A hash of bytes; not keyed, it only tells payloads apart.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mix = |h: u64, word: u64| {
        let m = u128::from(h ^ word) * 0x9e37_79b9_7f4a_7c15_u128;
        (m as u64) ^ ((m >> 64) as u64)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut h = words.iter().fold(seed ^ bytes.len() as u64, |h, w| mix(h, u64::from_le_bytes(*w)));
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    h = mix(h, u64::from_le_bytes(last));
    mix(h, 0xa076_1d64_78bd_642f)
}

impl Walk<'_, '_> {
    /// Take down the message `s`, whose flow record is `d`, if detectors ask about its kind.
    pub(super) fn message(&mut self, net: &Net, d: &Decoded, s: Span) {
        let v6 = net.version == 6;
        let echo = matches!((v6, d.icmp.0), (false, 0 | 8) | (true, 128 | 129));
        let tells = matches!((v6, d.icmp.0), (false, 5) | (true, 134 | 137));
        if !echo && !tells && !matches!((v6, d.icmp.0), (false, 13 | 14 | 17 | 18)) {
            return;
        }
        let bytes = self.bytes(s);
        let mut m = IcmpMessage {
            ts: self.stamp.ts,
            packet: self.stamp.packet,
            src: d.src,
            dst: d.dst,
            src_mac: d.src_mac,
            lan: lan(d.vlan, d.inner_vlan),
            ip_version: net.version,
            kind: d.icmp.0,
            code: d.icmp.1,
            id: d.icmp_id,
            seq: if tells { 0 } else { be16(bytes, 6).unwrap_or(0) },
            payload_len: n32(s.len().saturating_sub(8)),
            payload_hash: 0,
            body_hash: 0,
            entropy: 0.0,
            told: Ip::default(),
            about: Ip::default(),
        };
        if echo {
            let payload = bytes.get(8..).unwrap_or(&[]);
            let payload = payload.get(..LOOKED_AT).unwrap_or(payload);
            let body = payload.get(TIME..).filter(|b| !b.is_empty()).unwrap_or(payload);
            m.body_hash = hash(body.get(..BODY).unwrap_or(body), 1);
            m.payload_hash = hash(payload, 2);
            m.entropy = entropy(payload);
        } else if tells && !told(&mut m, v6, bytes) {
            return;
        }
        self.out.icmps.push(m);
    }
}

/// What a redirect or an advertisement tells; false when it was cut before it.
fn told(m: &mut IcmpMessage, v6: bool, bytes: &[u8]) -> bool {
    let v6_at = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk::<16>()).map(|b| Ip::v6(*b));
    let v4_at = |at: usize| bytes.get(at..).and_then(|b| b.first_chunk::<4>()).map(|b| Ip::v4(*b));
    let found = match (v6, m.kind) {
        // The quoted header begins behind 8 bytes; its destination stands 16 bytes into it.
        (false, _) => v4_at(4).zip(v4_at(8 + 16)),
        (true, 137) => v6_at(8).zip(v6_at(24)),
        (true, _) => be16(bytes, 6).map(|lifetime| {
            let [high, low] = lifetime.to_be_bytes();
            let about = Ip([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low]);
            (prefix(bytes.get(16..).unwrap_or(&[])).unwrap_or_default(), about)
        }),
    };
    if let Some((to, about)) = found {
        (m.told, m.about) = (to, about);
    }
    found.is_some()
}

/// The first prefix among the options of an advertisement (RFC 4861 section 4.6.2).
fn prefix(mut options: &[u8]) -> Option<Ip> {
    for _ in 0..MAX_OPTIONS {
        let &[kind, units, ..] = options else { return None };
        let len = usize::from(units) * 8;
        if kind == OPTION_PREFIX {
            return options.get(16..).and_then(|b| b.first_chunk::<16>()).map(|b| Ip::v6(*b));
        }
        options = options.get(len..).filter(|_| len > 0)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::samples::{decode, ether, ip4, ip6};
    use super::*;

    fn echo(kind: u8, seq: u8, payload: &[u8]) -> Vec<u8> {
        ether(0x0800, &ip4(1, &[&[kind, 0, 0, 0, 0x12, 0x34, 0, seq], payload].concat()))
    }

    #[test]
    fn echoes_are_told_by_what_they_carry() {
        let ping = |time: u8| [&[time; 16][..], &(0x10..0x38).collect::<Vec<u8>>()].concat();
        let said: Vec<IcmpMessage> = [echo(8, 1, &ping(1)), echo(0, 1, &ping(1)), echo(8, 2, &ping(2))]
            .iter()
            .flat_map(|p| decode(p).icmps)
            .collect();
        let [a, answer, b] = &said[..] else { panic!("{said:?}") };
        assert_eq!((a.kind, a.id, a.seq, a.payload_len, a.ip_version), (8, 0x1234, 1, 56, 4));
        assert_eq!((a.payload_hash, a.body_hash), (answer.payload_hash, answer.body_hash));
        assert_ne!(a.payload_hash, b.payload_hash, "the time differs");
        assert_eq!(a.body_hash, b.body_hash, "the pattern does not");
        assert!(decode(&echo(8, 1, &[])).icmps[0].entropy == 0.0);
        assert_eq!(decode(&echo(13, 7, &[0; 12])).icmps[0].kind, 13);
        assert!(decode(&echo(3, 7, &[0; 12])).icmps.is_empty());
    }

    #[test]
    fn entropy_is_that_of_the_books() {
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b"abab"[..], b"a", b"hello, world", &all, &all.repeat(9)] {
            let looked = &bytes[..bytes.len().min(LOOKED_AT)];
            let share = |b: u8| looked.iter().filter(|x| **x == b).count() as f64 / looked.len() as f64;
            let bits: f64 = (0..=255).map(share).filter(|p| *p > 0.0).map(|p| -p * p.log2()).sum();
            assert!((f64::from(entropy(bytes)) - bits).abs() < 1e-3, "{bytes:?}");
        }
    }

    #[test]
    fn redirects_name_gateway_and_destination() {
        let quoted = ip4(17, &[0; 8]);
        let v4 = ether(0x0800, &ip4(1, &[&[5, 1, 0, 0, 10, 0, 0, 66], &quoted[..]].concat()));
        let said = decode(&v4).icmps;
        assert_eq!(said.len(), 1);
        assert_eq!((said[0].told, said[0].about), (Ip::v4([10, 0, 0, 66]), Ip::v4([10, 0, 0, 2])));
        let v6 = [&[137, 0, 0, 0, 0, 0, 0, 0][..], &[0xfe; 16], &[0x20; 16]].concat();
        let said = decode(&ether(0x86dd, &ip6(58, &v6))).icmps;
        assert_eq!((said[0].told, said[0].about), (Ip([0xfe; 16]), Ip([0x20; 16])));
        assert!(decode(&ether(0x86dd, &ip6(58, &v6[..30]))).icmps.is_empty(), "cut");
    }

    #[test]
    fn advertisements_tell_prefix_and_lifetime() {
        let head = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
        let link = [1, 1, 2, 0, 0, 0, 0, 9];
        let prefix = [&[3, 4, 64, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0x20; 16]].concat();
        let said = decode(&ether(0x86dd, &ip6(58, &[&head[..], &link, &prefix].concat()))).icmps;
        assert_eq!(said[0].told, Ip([0x20; 16]));
        assert_eq!(said[0].lifetime(), 1_800);
        assert_eq!(said[0].src_mac.0, [2, 0, 0, 0, 0, 1]);
    }
}
