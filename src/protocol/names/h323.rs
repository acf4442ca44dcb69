//! Is this H.323?
//!
//! Call signalling (H.225.0 over Q.931 and TPKT), registration (RAS, UDP 1719) and control (H.245). All three are ASN.1 in PER; what
//! does not change are the identifiers of the recommendations, `itu-t recommendation h 2250 version` and `… 245 version`.
//! Refuses to read calls: names only.

use super::reader::{Reader, Told, datagram, must, settle};
use super::{BOTH, named};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// Length of the identifier, then `0.0.8.2250.0`; the version follows.
const H225: &[u8] = &[6, 0, 0x08, 0x91, 0x4a, 0];

/// The same for `0.0.8.245.0`.
const H245: &[u8] = &[6, 0, 0x08, 0x81, 0x75, 0];

/// Behind the header of a message of RAS: type, sequence number, then the identifier.
const RAS_HEADER: std::ops::RangeInclusive<usize> = 2..=5;

/// H.323.
pub static H323: Protocol = named(
    "h323",
    "H.323 calls; told by Q.931 in TPKT, by H.245 in TPKT or by a RAS message, each with the identifier of its recommendation.",
    BOTH,
    &[1720, 1719],
    probe,
);

fn probe(p: &Probe<'_>) -> Verdict {
    if p.transport == Transport::Udp {
        return datagram(p, ras, 90);
    }
    // Either end may begin, and an answer may leave out the identifier.
    let mut open = false;
    for side in [p.orig, p.resp] {
        match settle(p, tpkt(&mut Reader::new(side)), 90) {
            Verdict::NotMine => return Verdict::NotMine,
            Verdict::NeedMore => open |= side.is_empty() || side.len() < 4,
            mine @ Verdict::Mine(_) => return mine,
        }
    }
    if open || p.orig.len() + p.resp.len() < 1024 { Verdict::NeedMore } else { Verdict::NotMine }
}

/// TPKT with a Q.931 message or one of H.245.
fn tpkt(r: &mut Reader<'_>) -> Told {
    r.eq(&[3, 0])?;
    let len = usize::from(r.u16_in(6..=8192)?);
    let whole = r.left() >= len - 4;
    let message = r.rest().get(..len - 4).unwrap_or(r.rest());
    let kind = r.u8()?;
    if kind == 8 {
        // Q.931: a call reference of two bytes, then a message type.
        r.eq(&[2])?;
        r.skip(2)?;
        must(matches!(r.u8()?, 1 | 2 | 3 | 5 | 7 | 0x0d | 0x5a | 0x62 | 0x6e | 0x75 | 0x7b | 0x7d))?;
        return contains(message, H225, whole);
    }
    // H.245 begins with terminalCapabilitySet or an answer to it; X.224 has its own length and code in these bytes.
    must(kind == 2 && message.get(1).is_none_or(|b| *b & 0x8f == 0))?;
    contains(message.get(..16).unwrap_or(message), H245, message.len() >= 16)
}

fn contains(message: &[u8], what: &[u8], whole: bool) -> Told {
    if message.windows(what.len()).any(|w| w == what) {
        return Ok(());
    }
    Err(if whole { Verdict::NotMine } else { Verdict::NeedMore })
}

fn ras(r: &mut Reader<'_>) -> Told {
    must(RAS_HEADER.clone().into_iter().any(|at| r.rest().get(at..).is_some_and(|d| d.starts_with(H225))))
}
