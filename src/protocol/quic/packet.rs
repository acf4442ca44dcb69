//! What stands in clear in a QUIC packet?
//!
//! RFC 8999 (what holds for all versions), RFC 9000 section 17 (long headers). One datagram may hold several packets
//! behind each other.

use super::version::{Kind, Version};
use crate::model::bytes::Cursor;

/// Longest connection id of the versions that are known, bytes (RFC 9000 section 17.2).
const ID_CAP: usize = 20;

/// Shortest protected part: a packet number and payload of four bytes together, and the tag of 16 (RFC 9001 section 5.4.2).
const PROTECTED_MIN: usize = 20;

/// A number in one, two, four or eight bytes (RFC 9000 section 16).
pub(super) fn varint(c: &mut Cursor<'_>) -> Option<u64> {
    let first = c.u8()?;
    let more = (1_usize << (first >> 6)) - 1;
    let rest = c.take(more)?;
    Some(rest.iter().fold(u64::from(first & 0x3f), |n, b| n << 8 | u64::from(*b)))
}

/// A packet with a long header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Long<'a> {
    pub(super) version: Version,
    pub(super) destination: &'a [u8],
    pub(super) source: &'a [u8],
    pub(super) body: Body<'a>,
}

/// What follows the connection ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body<'a> {
    /// Version 0: the versions that the server has, four bytes each.
    Negotiation(&'a [u8]),
    /// All of the packet, and where its packet number begins.
    Protected { kind: Kind, packet: &'a [u8], number_at: usize },
    /// The server asks the client to come again with a token.
    Retry,
}

/// The packet at the start of `c`, which has a long header. `None`: it does not fit.
pub(super) fn long<'a>(c: &mut Cursor<'a>) -> Option<Long<'a>> {
    let whole = c.rest();
    let begin = c.position();
    let first = c.u8()?;
    let version = Version(c.u32()?);
    let destination = id(c)?;
    let source = id(c)?;
    let body = if version.0 == 0 {
        let list = c.take(c.remaining())?;
        if list.is_empty() || list.len() % 4 != 0 {
            return None;
        }
        Body::Negotiation(list)
    } else {
        // The fixed bit is not asked for: the two may agree to send it at random (RFC 9287).
        match version.kind(first) {
            Kind::Retry => {
                c.take(c.remaining()).filter(|rest| rest.len() >= 16)?;
                Body::Retry
            }
            kind => {
                if kind == Kind::Initial {
                    let token = varint(c)?;
                    c.skip(usize::try_from(token).ok()?)?;
                }
                let length = usize::try_from(varint(c)?).ok()?;
                let number_at = c.position() - begin;
                if length < PROTECTED_MIN {
                    return None;
                }
                c.skip(length)?;
                let packet = whole.get(..c.position() - begin)?;
                Body::Protected { kind, packet, number_at }
            }
        }
    };
    Some(Long { version, destination, source, body })
}

fn id<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = usize::from(c.u8()?);
    if length > ID_CAP { None } else { c.take(length) }
}

/// Step over an ACK (RFC 9000 section 19.3).
pub(super) fn ack(c: &mut Cursor<'_>, with_counts: bool) -> Option<()> {
    varint(c)?;
    varint(c)?;
    let ranges = varint(c)?;
    varint(c)?;
    // Every range takes at least two bytes, so this ends with the packet.
    for _ in 0..ranges {
        varint(c)?;
        varint(c)?;
    }
    if with_counts {
        for _ in 0..3 {
            varint(c)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_examples_of_numbers() {
        let read = |bytes: &[u8]| varint(&mut Cursor::new(bytes));
        assert_eq!(read(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]), Some(151_288_809_941_952_652));
        assert_eq!(read(&[0x9d, 0x7f, 0x3e, 0x7d]), Some(494_878_333));
        assert_eq!((read(&[0x7b, 0xbd]), read(&[0x25]), read(&[0x40])), (Some(15_293), Some(37), None));
    }

    #[test]
    fn packets_behind_each_other() {
        let one = [&[0xc0, 0, 0, 0, 1, 2, 7, 7, 1, 9, 0, 20][..], &[3; 20]].concat();
        let two = [&one[..], &[0xe0, 0, 0, 0, 1, 2, 7, 7, 0, 30], &[3; 30]].concat();
        let mut c = Cursor::new(&two);
        let first = long(&mut c).unwrap();
        assert_eq!((first.destination, first.source), (&[7, 7][..], &[9][..]));
        assert!(
            matches!(first.body, Body::Protected { kind: Kind::Initial, number_at: 12, packet } if packet.len() == 32)
        );
        assert!(matches!(
            long(&mut c).unwrap().body,
            Body::Protected { kind: Kind::Handshake, number_at: 10, .. }
        ));
        assert!(c.is_empty());
        assert_eq!(long(&mut Cursor::new(&one[..31])), None, "cut");
        let negotiation = [0x80, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 1, 0xff, 0, 0, 0x1d];
        assert!(
            matches!(long(&mut Cursor::new(&negotiation)).unwrap().body, Body::Negotiation(l) if l.len() == 8)
        );
    }
}
