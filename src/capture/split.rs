//! How does a container format say where its packets are?
//!
//! A [`Splitter`] sees a window of bytes and writes a reference for each whole record in it. It does no I/O, copies
//! nothing and keeps no packet, so the same code serves files, pipes and growing files. The splitting is our own and
//! not pcap-file's: that crate hands out one parsed record at a time, checks lengths more strictly than Wireshark does
//! (it refuses packets longer than the snaplen) and stops at the first block it dislikes, while we must count exactly what
//! Wireshark counts and spend about 15 ns a packet. Refuses to look into packets.

use crate::model::ledger::FileLedger;
use crate::model::packet::{LinkType, PacketRef};

/// Bytes from the start of the first record that was not split yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    /// What is there.
    pub(super) data: &'a [u8],
    /// Where `data` starts in its block.
    pub(super) start: usize,
    /// Where `data` starts in its file, after decompression.
    pub(super) offset: u64,
    /// Number of the file in the capture.
    pub(super) file_no: u16,
}

impl Window<'_> {
    /// The reference to a packet whose record is at `record` and whose bytes are at `at`, both from the window's start.
    /// A block never holds 4 GiB: the largest record that is accepted is [`DBUS_PACKET`] and options.
    pub(super) fn packet(&self, record: usize, at: usize) -> PacketRef {
        PacketRef {
            file_offset: self.offset.saturating_add(record as u64),
            start: self.start.saturating_add(at) as u32,
            file_no: self.file_no,
            ..PacketRef::default()
        }
    }
}

/// Why a splitter gave the window back.
#[derive(Debug)]
pub(super) enum Next {
    /// The next record needs this many bytes from its start, more than the window holds.
    More(usize),
    /// The next bytes, as many as this, are of no interest.
    Skip(u64),
    /// The next record is damaged; why, as a sentence without a full stop.
    Damaged(String),
}

/// The state of one container's parser.
pub(super) trait Splitter: Send {
    /// Split every whole record of the window into `out`. Returns the bytes that are done with and what comes next.
    fn split(
        &mut self,
        window: Window<'_>,
        out: &mut Vec<PacketRef>,
        ledger: &mut FileLedger,
    ) -> (usize, Next);

    /// Can a record be understood without the ones before it?
    fn stands_alone(&self) -> bool {
        false
    }

    /// The file was read to its end or its damage: write what only then is known.
    fn finish(&mut self, _ledger: &mut FileLedger) {}
}

/// Why a file's header was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// It needs this many bytes.
    Cut(usize),
    /// What the format or version is that we do not read, as a phrase.
    Unsupported(String),
}

/// Largest captured length that is not taken for damage, in bytes: the limit of libpcap and Wireshark, more than
/// any link carries.
pub(super) const STANDARD_PACKET: u32 = 262_144;
/// The same for D-Bus, whose specification allows messages of 128 MiB.
pub(super) const DBUS_PACKET: u32 = 128 << 20;
/// The same for USBPcap, where large transfers are one record.
const USB_PACKET: u32 = 128 << 20;
/// The same for EBHSCR (automotive recorders), 8 MiB in its specification.
const EBHSCR_PACKET: u32 = 8 << 20;

/// The largest captured length accepted for a link type, as Wireshark's.
pub(super) fn max_captured(link: LinkType) -> u32 {
    match link.0 {
        231 => DBUS_PACKET,
        249 => USB_PACKET,
        279 => EBHSCR_PACKET,
        _ => STANDARD_PACKET,
    }
}

/// Byte order of a file's integers, fixed at compile time so that the hot loops do not ask.
pub(super) trait Order: Send {
    /// Four consecutive 32-bit numbers.
    fn words(bytes: [u8; 16]) -> [u32; 4];
    /// One 32-bit number.
    fn u32(bytes: [u8; 4]) -> u32;
    /// One 16-bit number.
    fn u16(bytes: [u8; 2]) -> u16;
}

/// Least significant byte first.
pub(super) struct Little;
/// Most significant byte first.
pub(super) struct Big;

impl Order for Little {
    #[inline]
    fn words(bytes: [u8; 16]) -> [u32; 4] {
        let all = u128::from_le_bytes(bytes);
        [all as u32, (all >> 32) as u32, (all >> 64) as u32, (all >> 96) as u32]
    }
    #[inline]
    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_le_bytes(bytes)
    }
    #[inline]
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_le_bytes(bytes)
    }
}

impl Order for Big {
    #[inline]
    fn words(bytes: [u8; 16]) -> [u32; 4] {
        let all = u128::from_be_bytes(bytes);
        [(all >> 96) as u32, (all >> 64) as u32, (all >> 32) as u32, all as u32]
    }
    #[inline]
    fn u32(bytes: [u8; 4]) -> u32 {
        u32::from_be_bytes(bytes)
    }
    #[inline]
    fn u16(bytes: [u8; 2]) -> u16 {
        u16::from_be_bytes(bytes)
    }
}

/// The `N` bytes at `at`, if they are all there.
#[inline]
pub(super) fn bytes_at<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk::<N>().copied()
}

/// What remains to be split when the last whole record ends at `at`: the next record needs `size` bytes.
pub(super) fn more(at: usize, size: usize) -> (usize, Next) {
    (at, Next::More(size))
}

/// The record at `at` is damaged.
pub(super) fn damaged(at: usize, reason: String) -> (usize, Next) {
    (at, Next::Damaged(reason))
}

/// Comments kept for one file; what exceeds it is only counted in the last one. Enough to read, small enough to store.
const MAX_COMMENTS: usize = 1_000;
/// Longest comment kept, in bytes.
const MAX_COMMENT: usize = 1_024;

/// Keep a comment of the file.
pub(super) fn comment(ledger: &mut FileLedger, text: String) {
    match ledger.comments.len() {
        n if n < MAX_COMMENTS => ledger.comments.push(text),
        MAX_COMMENTS => {
            ledger.comments.push(format!("more than {MAX_COMMENTS} comments; the rest is not kept"))
        }
        _ => {}
    }
}

/// Text of a capture file, made printable and bounded; a terminating zero is not part of it.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    crate::model::text::printable(bytes.get(..end).unwrap_or(bytes), MAX_COMMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_read_the_same_numbers() {
        let mut little = Vec::new();
        let mut big = Vec::new();
        for n in [1u32, 0x0203_0405, u32::MAX, 7] {
            little.extend(n.to_le_bytes());
            big.extend(n.to_be_bytes());
        }
        let want = [1, 0x0203_0405, u32::MAX, 7];
        assert_eq!(Little::words(bytes_at(&little, 0).unwrap()), want);
        assert_eq!(Big::words(bytes_at(&big, 0).unwrap()), want);
        assert_eq!((Little::u32([1, 0, 0, 0]), Big::u16([0, 1])), (1, 1));
        assert_eq!((Big::u32([0, 0, 0, 1]), Little::u16([1, 0])), (1, 1));
        assert!(bytes_at::<4>(&little, 13).is_none() && bytes_at::<4>(&little, usize::MAX).is_none());
    }

    #[test]
    fn comments_are_bounded_and_say_so() {
        let mut ledger = FileLedger::default();
        for i in 0..MAX_COMMENTS + 50 {
            comment(&mut ledger, i.to_string());
        }
        assert_eq!(ledger.comments.len(), MAX_COMMENTS + 1);
        assert!(ledger.comments.last().unwrap().contains("not kept"));
        assert_eq!(text(b"abc\0def"), "abc");
    }
}
