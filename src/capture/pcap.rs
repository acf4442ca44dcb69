//! Where are the packets of a pcap file?
//!
//! Source: draft-ietf-opsawg-pcap and what programs really wrote. Both byte orders; micro- and nanoseconds; the
//! modified headers of Kuznetzov's patches (Red Hat 6, SuSE 6), Nokia's, AIX's and Ixia's. Several of these share one magic
//! number, so, as Wireshark does, the first records are tried in each layout and the one with the fewest contradictions
//! is taken. A record is refused only where it cannot be one: its captured length exceeds [`max_captured`]. An
//! original length below the captured one, or above the snaplen, is accepted. Refuses versions before 2.

use super::split::{
    BadHeader, Big, Little, Next, Order, Splitter, Window, bytes_at, comment, damaged, max_captured, more,
};
use crate::model::ledger::{FileLedger, Interface};
use crate::model::packet::{LinkType, PacketRef};
use crate::model::time::{NANOS_PER_SEC, Timestamp};

/// Magic numbers as read in the byte order of the file.
mod magic {
    pub(super) const MICROSECONDS: u32 = 0xa1b2_c3d4;
    pub(super) const NANOSECONDS: u32 = 0xa1b2_3c4d;
    pub(super) const MODIFIED: u32 = 0xa1b2_cd34;
    pub(super) const IXIA_HARDWARE: u32 = 0x1c00_01ac;
    pub(super) const IXIA_SOFTWARE: u32 = 0x1c00_01ab;
}

/// Bytes of the file header.
const HEADER: usize = 24;
/// Bytes of it with the record total that Ixia adds.
const IXIA_HEADER: usize = 28;
/// Records tried to tell layouts apart.
const TRIED_RECORDS: usize = 3;
/// An original length above this speaks against a layout, in bytes.
const LIKELY_ORIGINAL: u32 = 128 << 20;

/// How records are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    Standard,
    /// 8 more bytes: interface, protocol, packet type (patches of 1999-04-17 and 1999-10-29).
    Modified,
    /// 12 more bytes (patch of 1999-09-15).
    ModifiedLong,
    /// 4 more bytes.
    Nokia,
    /// Nanoseconds, its own link type numbers, 3 bytes before an FDDI frame.
    Aix,
}

impl Layout {
    fn header(self) -> usize {
        match self {
            Self::Standard | Self::Aix => 16,
            Self::Nokia => 20,
            Self::Modified => 24,
            Self::ModifiedLong => 28,
        }
    }

    fn name(self, nanoseconds: bool) -> &'static str {
        match self {
            Self::Standard if nanoseconds => "pcap-ns",
            Self::Standard => "pcap",
            Self::Modified | Self::ModifiedLong => "pcap-modified",
            Self::Nokia => "pcap-nokia",
            Self::Aix => "pcap-aix",
        }
    }
}

/// In which order a record gives its two lengths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lengths {
    CapturedFirst,
    /// Before version 2.3, and DG/UX.
    OriginalFirst,
    /// Version 2.3: some programs changed the number and not the order.
    SmallerIsCaptured,
}

impl Lengths {
    #[inline]
    fn order(self, first: u32, second: u32) -> (u32, u32) {
        match self {
            Self::CapturedFirst => (first, second),
            Self::SmallerIsCaptured if first <= second => (first, second),
            Self::OriginalFirst | Self::SmallerIsCaptured => (second, first),
        }
    }
}

/// The parser of one pcap file.
#[derive(Debug)]
pub(super) struct Pcap {
    big: bool,
    layout: Layout,
    lengths: Lengths,
    /// Nanoseconds in a unit of the fraction.
    unit: i64,
    link: LinkType,
    /// Largest captured length accepted.
    max: u32,
    /// Bytes between the record header and the packet.
    padding: usize,
}

/// Does this look like a pcap file? Four bytes are enough to tell.
pub(super) fn is_pcap(data: &[u8]) -> bool {
    bytes_at::<4>(data, 0).is_some_and(|b| byte_order(b).is_some())
}

fn byte_order(b: [u8; 4]) -> Option<(bool, u32)> {
    use magic::*;
    [(false, u32::from_le_bytes(b)), (true, u32::from_be_bytes(b))]
        .into_iter()
        .find(|(_, m)| matches!(*m, MICROSECONDS | NANOSECONDS | MODIFIED | IXIA_HARDWARE | IXIA_SOFTWARE))
}

impl Pcap {
    /// Read the file header from the start of `data`, which should hold some records too: they decide the layout.
    /// Returns the header's length.
    pub(super) fn open(data: &[u8], ledger: &mut FileLedger) -> Result<(usize, Self), BadHeader> {
        let bytes = bytes_at::<HEADER>(data, 0).ok_or(BadHeader::Cut(HEADER))?;
        let (big, magic) =
            bytes_at(&bytes, 0).and_then(byte_order).ok_or(BadHeader::Unsupported("no pcap magic".into()))?;
        if big {
            Self::open_in::<Big>(data, bytes, magic, true, ledger)
        } else {
            Self::open_in::<Little>(data, bytes, magic, false, ledger)
        }
    }

    fn open_in<O: Order>(
        data: &[u8],
        header: [u8; HEADER],
        magic: u32,
        big: bool,
        ledger: &mut FileLedger,
    ) -> Result<(usize, Self), BadHeader> {
        let cut = || BadHeader::Cut(HEADER);
        let major = bytes_at(&header, 4).map(O::u16).ok_or_else(cut)?;
        let minor = bytes_at(&header, 6).map(O::u16).ok_or_else(cut)?;
        let snaplen = bytes_at(&header, 16).map(O::u32).ok_or_else(cut)?;
        let network = bytes_at(&header, 20).map(O::u32).ok_or_else(cut)?;
        if major < 2 {
            return Err(BadHeader::Unsupported(format!(
                "pcap version {major}.{minor} (2.0 and later are read)"
            )));
        }
        let ixia = matches!(magic, magic::IXIA_HARDWARE | magic::IXIA_SOFTWARE);
        let records = if ixia { IXIA_HEADER } else { HEADER };
        if data.len() < records {
            return Err(BadHeader::Cut(records));
        }
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, _) => Lengths::OriginalFirst,
            (2, 3) => Lengths::SmallerIsCaptured,
            _ => Lengths::CapturedFirst,
        };
        // Upper half of the link type field: 4 bits length of the frame check sequence in 16-bit words, 1 reserved, 1
        // "that length is given", 10 reserved. What the reserved bits say is not our business.
        let mut link = LinkType(network as u16);
        let mut nanoseconds = matches!(magic, magic::NANOSECONDS | magic::IXIA_HARDWARE);
        let mut layout = Layout::Standard;
        let aix = match (magic, major, minor, network) {
            // AIX writes interface types (RFC 1573) instead of link types.
            (magic::MICROSECONDS, 2, 2, 6) => Some(LinkType::ETHERNET),
            (magic::MICROSECONDS, 2, 2, 9) => Some(LinkType(6)),
            (magic::MICROSECONDS, 2, 2, 15) => Some(LinkType(10)),
            (magic::MICROSECONDS, 2, 2, 24) => Some(LinkType(0)),
            _ => None,
        };
        let candidates: &[Layout] = if let Some(l) = aix {
            link = l;
            nanoseconds = true;
            layout = Layout::Aix;
            &[]
        } else {
            match magic {
                magic::MODIFIED => &[Layout::Modified, Layout::ModifiedLong],
                magic::MICROSECONDS if lengths == Lengths::CapturedFirst => {
                    &[Layout::Standard, Layout::Modified, Layout::Nokia]
                }
                _ => &[],
            }
        };
        let body = data.get(records..).unwrap_or(&[]);
        if let Some(best) = candidates.iter().min_by_key(|l| contradictions::<O>(body, **l, link, snaplen)) {
            layout = *best;
        }
        let unit = if nanoseconds { 1 } else { 1_000 };
        let padding = if layout == Layout::Aix && link.0 == 10 { 3 } else { 0 };
        ledger.format = layout.name(nanoseconds);
        ledger.interfaces.push(Interface { link, snaplen, ..Interface::default() });
        if network & 0x0400_0000 != 0 {
            let words = network >> 28;
            comment(ledger, format!("frames end with a check sequence of {} bytes", words * 2));
        }
        Ok((records, Self { big, layout, lengths, unit, link, max: max_captured(link), padding }))
    }

    fn records<O: Order>(&self, w: Window<'_>, out: &mut Vec<PacketRef>) -> (usize, Next) {
        let header = self.layout.header();
        let mut at = 0;
        loop {
            let Some(bytes) = bytes_at::<16>(w.data, at) else { return more(at, header) };
            let [secs, fraction, first, second] = O::words(bytes);
            let (captured, original) = self.lengths.order(first, second);
            if captured > self.max {
                return damaged(
                    at,
                    format!(
                        "a record claims {captured} captured bytes, more than the {} that its link type allows",
                        self.max
                    ),
                );
            }
            // Bounded by the check above: no overflow.
            let end = at + header + captured as usize;
            if end > w.data.len() {
                return more(at, end - at);
            }
            let padding = self.padding as u32;
            if captured < padding {
                return damaged(at, format!("a record of {captured} bytes is too short for its padding"));
            }
            out.push(PacketRef {
                ts: Timestamp::from_secs_nanos(i64::from(secs), i64::from(fraction) * self.unit),
                captured: captured - padding,
                original: original.saturating_sub(padding),
                link: self.link,
                ..w.packet(at, at + header + self.padding)
            });
            at = end;
        }
    }
}

impl Splitter for Pcap {
    fn split(&mut self, w: Window<'_>, out: &mut Vec<PacketRef>, _: &mut FileLedger) -> (usize, Next) {
        if self.big { self.records::<Big>(w, out) } else { self.records::<Little>(w, out) }
    }

    fn stands_alone(&self) -> bool {
        true
    }
}

/// How much the first records contradict a layout; 0 = nothing speaks against it. `min_by_key` keeps the first of equals.
fn contradictions<O: Order>(data: &[u8], layout: Layout, link: LinkType, snaplen: u32) -> u32 {
    let mut count = 0;
    let mut at = 0;
    for _ in 0..TRIED_RECORDS {
        if at == data.len() {
            break;
        }
        let Some(bytes) = bytes_at::<16>(data, at) else { return count + 1 };
        let [_, micros, captured, original] = O::words(bytes);
        count += u32::from(micros >= 1_000_000)
            + u32::from(captured > snaplen)
            + u32::from(original > LIKELY_ORIGINAL)
            + u32::from(captured > original);
        match layout {
            Layout::Standard | Layout::Aix => {}
            Layout::Modified | Layout::ModifiedLong => {
                let Some([interface, rest, ..]) =
                    bytes_at::<8>(data, at + 16).map(|[a, b, c, d, e, f, g, _]| {
                        [O::u32([a, b, c, d]), u32::from(O::u16([e, f])) << 8 | u32::from(g)]
                    })
                else {
                    return count + 1;
                };
                let protocol = rest >> 8;
                // EtherTypes, and the small numbers Linux uses beside them (ETH_P_LOOP, ETH_P_ECHO, ETH_P_PUP, 802.3).
                let known = protocol >= 0x600 || protocol <= 0x17 || matches!(protocol, 0x60 | 0x200 | 0x400);
                count += u32::from(interface > 10_000) + u32::from(!known) + u32::from(rest & 0xff > 4);
            }
            Layout::Nokia => {
                let Some(mark) = bytes_at(data, at + 16).map(O::u32) else { return count + 1 };
                let likely = mark & 0x0fff_00f0 == 0x0fbf_0000
                    && matches!(mark >> 28, 0x9 | 0xb)
                    && matches!(mark >> 12 & 0xf, 0xb | 0xd)
                    && matches!(mark >> 8 & 0xf, 0x6 | 0x9)
                    && matches!(mark & 0xf, 1 | 2);
                count += u32::from(!likely);
            }
        }
        if captured > max_captured(link) {
            return count + 1;
        }
        at += layout.header() + captured as usize;
        if at > data.len() {
            return count + 1;
        }
    }
    count
}

/// Nanoseconds must not overflow for any 32-bit second.
const _: () = assert!((u32::MAX as i64) < i64::MAX / NANOS_PER_SEC);
