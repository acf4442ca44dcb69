//! Where are the packets of a snoop file?
//!
//! Source: RFC 1761, and the habits of Solaris and of Surveyor (Shomiti, Finisar), which share the magic. All
//! numbers are big-endian, times are microseconds. Surveyor uses other numbers for link types; it is known by the large
//! trailer of its first record, as in Wireshark. Refuses versions other than 2 to 5.

use super::split::{BadHeader, Big, Next, Order, STANDARD_PACKET, Splitter, Window, bytes_at, damaged, more};
use crate::model::ledger::{FileLedger, Interface};
use crate::model::packet::{LinkType, PacketRef};
use crate::model::time::Timestamp;

const MAGIC: &[u8] = b"snoop\0\0\0";
/// Bytes of the file header.
const HEADER: usize = 16;
/// Bytes of a record's header.
const RECORD: usize = 24;
/// Padding from which on a record is Surveyor's, in bytes.
const SURVEYOR_TRAILER: u32 = 16;
/// A record may be longer than its packet by this at most, in bytes; real ones by less than 64.
const MAX_PADDING: u32 = 64 << 10;
/// Stands for link types that have no number of the tcpdump group: never decoded, but counted.
const NO_LINK_TYPE: LinkType = LinkType(u16::MAX);

/// The parser of one snoop file.
#[derive(Debug)]
pub(super) struct Snoop {
    link: LinkType,
    /// Packets lost so far, as the last record says.
    drops: u32,
}

/// Is this a snoop file?
pub(super) fn is_snoop(data: &[u8]) -> bool {
    data.starts_with(MAGIC)
}

fn link_type(number: u32, surveyor: bool) -> LinkType {
    LinkType(match (number, surveyor) {
        (0 | 4, _) | (10 | 12 | 19, true) => 1,
        (2, _) | (11 | 13 | 14, true) => 6,
        (8, _) => 10,
        (9 | 14, false) => 0,
        (16, false) => 122,
        (18, false) => 123,
        (26, false) => 242,
        (0x8000_0005, false) => 226,
        _ => return NO_LINK_TYPE,
    })
}

impl Snoop {
    /// Read the file header from the start of `data`, which should hold the first record, too. Returns its length.
    pub(super) fn open(data: &[u8], ledger: &mut FileLedger) -> Result<(usize, Self), BadHeader> {
        let cut = BadHeader::Cut(HEADER);
        let (Some(version), Some(number)) =
            (bytes_at(data, 8).map(Big::u32), bytes_at(data, 12).map(Big::u32))
        else {
            return Err(cut);
        };
        if !(2..=5).contains(&version) {
            return Err(BadHeader::Unsupported(format!("snoop version {version} (2 to 5 are read)")));
        }
        let first = bytes_at::<16>(data, HEADER).map(Big::words);
        let surveyor = first.is_some_and(|[_, captured, record, _]| {
            record.saturating_sub(captured).saturating_sub(RECORD as u32) >= SURVEYOR_TRAILER
        });
        let link = link_type(number, surveyor);
        ledger.format = if surveyor { "snoop-surveyor" } else { "snoop" };
        ledger.interfaces.push(Interface { link, ..Interface::default() });
        Ok((HEADER, Self { link, drops: 0 }))
    }
}

impl Splitter for Snoop {
    fn split(&mut self, w: Window<'_>, out: &mut Vec<PacketRef>, _: &mut FileLedger) -> (usize, Next) {
        let mut at = 0;
        loop {
            let (Some(lengths), Some(time)) = (bytes_at::<16>(w.data, at), bytes_at::<8>(w.data, at + 16))
            else {
                return more(at, RECORD);
            };
            let [original, captured, record, drops] = Big::words(lengths);
            let [a, b, c, d, e, f, g, h] = time;
            if original.max(captured) > STANDARD_PACKET {
                let size = original.max(captured);
                return damaged(at, format!("a packet claims {size} bytes, more than {STANDARD_PACKET}"));
            }
            let least = captured + RECORD as u32;
            if !(least..=least + MAX_PADDING).contains(&record) {
                return damaged(at, format!("a record of {record} bytes claims a packet of {captured}"));
            }
            let end = at + record as usize;
            if end > w.data.len() {
                return more(at, record as usize);
            }
            let (secs, micros) = (Big::u32([a, b, c, d]), Big::u32([e, f, g, h]));
            out.push(PacketRef {
                ts: Timestamp::from_secs_nanos(i64::from(secs), i64::from(micros) * 1_000),
                captured,
                original,
                link: self.link,
                ..w.packet(at, at + RECORD)
            });
            self.drops = drops;
            at = end;
        }
    }

    fn stands_alone(&self) -> bool {
        true
    }

    fn finish(&mut self, ledger: &mut FileLedger) {
        if let Some(interface) = ledger.interfaces.first_mut() {
            interface.dropped = Some(u64::from(self.drops));
        }
    }
}
