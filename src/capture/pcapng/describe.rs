//! What does a pcapng file say about itself?
//!
//! Options (comments, names, resolution, drop counts) and the name resolution block, whose records pcap-file parses: it is a
//! rare block, off the hot path, and what that crate refuses costs a name and never a packet. All text is made printable
//! and bounded. Options that overrun their block are damage, as Wireshark sees it.

use super::Order;
use crate::capture::split::{bytes_at, comment, text};
use crate::model::ledger::{FileLedger, Interface};
use pcap_file::Endianness;
use pcap_file::pcapng::PcapNgState;
use pcap_file::pcapng::blocks::block_common::{Block, RawBlock};
use pcap_file::pcapng::blocks::name_resolution::Record;
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use std::marker::PhantomData;

/// Names kept for one file: a busy site's DNS of a day.
const MAX_NAMES: usize = 65_536;

/// Option codes that every block shares.
const COMMENT: u16 = 1;
const CUSTOM: [u16; 4] = [0x0bac, 0x0bad, 0x4bac, 0x4bad];

/// An option list, read one by one.
pub(super) struct Options<'a, O> {
    data: &'a [u8],
    order: PhantomData<O>,
}

/// The options in `data`.
pub(super) fn options<O: Order>(data: &[u8]) -> Options<'_, O> {
    Options { data, order: PhantomData }
}

impl<'a, O: Order> Iterator for Options<'a, O> {
    type Item = Result<(u16, &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.data.is_empty() {
            return None;
        }
        let (Some(code), Some(length)) =
            (bytes_at(self.data, 0).map(O::u16), bytes_at(self.data, 2).map(O::u16))
        else {
            self.data = &[];
            return Some(Err("an option list ends inside an option".into()));
        };
        let end = 4 + usize::from(length).next_multiple_of(4);
        let Some(value) = self.data.get(4..4 + usize::from(length)).filter(|_| self.data.len() >= end) else {
            self.data = &[];
            return Some(Err(format!("option {code} claims {length} bytes, more than its block holds")));
        };
        if code == 0 {
            self.data = &[];
            return None;
        }
        if CUSTOM.contains(&code) && length < 4 {
            return Some(Err(format!("custom option {code} has no enterprise number")));
        }
        self.data = self.data.get(end..).unwrap_or(&[]);
        Some(Ok((code, value)))
    }
}

/// Options of a section header: the system that captured.
pub(super) fn section<O: Order>(list: Options<'_, O>, ledger: &mut FileLedger) -> Result<(), String> {
    for option in list {
        let (code, value) = option?;
        let label = match code {
            COMMENT => "comment",
            2 => "hardware",
            3 => "operating system",
            4 => "captured by",
            _ => continue,
        };
        comment(ledger, format!("{label}: {}", text(value)));
    }
    Ok(())
}

/// What an interface description says beside its fixed part.
#[derive(Default)]
pub(super) struct Described {
    /// if_name, else if_description.
    pub(super) name: Option<String>,
    /// if_tsresol.
    pub(super) resolution: Option<u8>,
    /// if_tsoffset, seconds.
    pub(super) offset: i64,
}

/// Options of interface `number`.
pub(super) fn interface<O: Order>(
    list: &[u8],
    number: usize,
    ledger: &mut FileLedger,
) -> Result<Described, String> {
    let mut found = Described::default();
    let mut description = None;
    for option in options::<O>(list) {
        match option? {
            (COMMENT, v) => comment(ledger, format!("interface {number}: {}", text(v))),
            (2, v) => found.name = Some(text(v)),
            (3, v) => description = Some(text(v)),
            // A repeated resolution is not obeyed: Wireshark keeps the first.
            (9, &[resolution]) => found.resolution = found.resolution.or(Some(resolution)),
            (11, []) => return Err("an interface's filter option is empty".into()),
            // The first byte tells the kind of filter: 0 = an expression.
            (11, [0, v @ ..]) => {
                comment(ledger, format!("interface {number} was captured with the filter: {}", text(v)));
            }
            (14, v) => found.offset = u64_option::<O>(v).map_or(found.offset, |n| n as i64),
            _ => {}
        }
    }
    found.name = found.name.or(description);
    Ok(found)
}

/// Options of an interface statistics block.
pub(super) fn statistics<O: Order>(
    list: &[u8],
    interface: Option<usize>,
    ledger: &mut FileLedger,
) -> Result<(), String> {
    let (mut received, mut dropped) = (None, None);
    for option in options::<O>(list) {
        let (code, value) = option?;
        let Some(count) = u64_option::<O>(value) else { continue };
        match code {
            4 => received = Some(count),
            // By the interface (5) and by the operating system (7).
            5 | 7 => dropped = Some(count.saturating_add(dropped.unwrap_or(0))),
            _ => {}
        }
    }
    // Counts run from the start of the capture: a later block replaces an earlier one.
    if let Some(known) = interface.and_then(|i| ledger.interfaces.get_mut(i)) {
        known.received = received.or(known.received);
        known.dropped = dropped.or(known.dropped);
    }
    Ok(())
}

/// Options of packet `number` (from 1, within its file), captured on `interface`.
pub(super) fn packet<O: Order>(
    list: &[u8],
    interface: usize,
    number: u64,
    ledger: &mut FileLedger,
) -> Result<(), String> {
    for option in options::<O>(list) {
        let (code, value) = option?;
        // Flags, drop count, packet id, queue, process and thread: fixed lengths that Wireshark insists on.
        let wanted = match code {
            2 | 6 => 4,
            4 | 5 | 8 => 8,
            _ => value.len(),
        };
        let verdict = matches!((code, value), (7, [1 | 2, ..])) && value.len() != 9;
        if value.len() != wanted || (matches!(code, 3 | 7) && value.is_empty()) || verdict {
            return Err(format!("option {code} of a packet has {} bytes", value.len()));
        }
        match code {
            COMMENT => comment(ledger, format!("packet {number}: {}", text(value))),
            4 => lost(ledger, interface, u64_option::<O>(value).unwrap_or(0)),
            _ => {}
        }
    }
    Ok(())
}

/// `count` packets were lost on an interface before one that was kept. Files with these counts carry no statistics block;
/// where there is one, it comes later and replaces the sum.
pub(super) fn lost(ledger: &mut FileLedger, interface: usize, count: u64) {
    if let Some(Interface { dropped, .. }) = ledger.interfaces.get_mut(interface) {
        *dropped = Some(dropped.unwrap_or(0).saturating_add(count));
    }
}

/// The records of a name resolution block.
pub(super) fn names(body: &[u8], big: bool, ledger: &mut FileLedger) {
    let mut state = PcapNgState::default();
    let endianness = if big { Endianness::Big } else { Endianness::Little };
    state.update_from_block(&Block::SectionHeader(SectionHeaderBlock { endianness, ..Default::default() }));
    let length = body.len() as u32 + 12;
    let raw =
        RawBlock { type_: super::block::NAMES, initial_len: length, body: body.into(), trailer_len: length };
    let parsed = match raw.try_into_block(&state) {
        Ok(Block::NameResolution(parsed)) => parsed,
        Ok(_) => return,
        Err(_) => return comment(ledger, "a name resolution block could not be read".into()),
    };
    for record in parsed.records {
        let (address, names) = match record {
            Record::Ipv4(r) => (r.ip_addr.into(), r.names),
            Record::Ipv6(r) => (r.ip_addr.into(), r.names),
            Record::End | Record::Unknown(_) => continue,
        };
        for name in names {
            if ledger.names.len() == MAX_NAMES {
                return comment(ledger, format!("more than {MAX_NAMES} names; the rest is not kept"));
            }
            ledger.names.push((address, text(name.as_bytes())));
        }
    }
}

fn u64_option<O: Order>(value: &[u8]) -> Option<u64> {
    let [a, b, c, d, e, f, g, h] = *value.first_chunk::<8>().filter(|_| value.len() == 8)?;
    let (first, second) = (u64::from(O::u32([a, b, c, d])), u64::from(O::u32([e, f, g, h])));
    // Which half comes first follows the byte order.
    Some(if O::u32([0, 0, 0, 1]) == 1 { first << 32 | second } else { second << 32 | first })
}
