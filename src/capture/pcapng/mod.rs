//! Where are the packets of a pcapng file?
//!
//! Source: draft-ietf-opsawg-pcapng. A file is a chain of typed blocks; sections change the byte order and restart the
//! numbering of interfaces. What makes a block damaged is what Wireshark refuses, so that both count the same packets:
//! lengths that disagree, a packet of an undeclared interface, options that overrun their block. Blocks of no interest
//! (unknown, custom, journal) are skipped. Decryption secrets are counted and set aside, never kept. What only
//! describes (names, drop counts, comments) is read in [`describe`]. Refuses other versions than 1.0 and 1.2.

mod describe;
#[cfg(test)]
mod tests;

use super::split::{
    BadHeader, Big, DBUS_PACKET, Little, Next, Order, Splitter, Window, bytes_at, damaged, max_captured, more,
};
use crate::model::ledger::{FileLedger, Interface};
use crate::model::packet::{LinkType, PacketRef};
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use describe::options;

/// Block types.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const PACKET: u32 = 2;
    pub(super) const SIMPLE_PACKET: u32 = 3;
    pub(super) const NAMES: u32 = 4;
    pub(super) const STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
    pub(super) const SECRETS: u32 = 10;
    pub(super) const CUSTOM: u32 = 0x0bad;
    pub(super) const CUSTOM_NO_COPY: u32 = 0x4000_0bad;
}

/// The number that tells a section's byte order, as read in that order.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Type, length, and the length again at the end.
const MIN_BLOCK: usize = 12;
/// Larger blocks of any kind are damage, in bytes: room for the largest packet and options, Wireshark's limit.
const MAX_BLOCK: usize = DBUS_PACKET as usize + ENHANCED + (128 << 10);
/// Bytes of a block that are not packet data: header, fixed part and trailer.
const ENHANCED: usize = 32;
const SIMPLE: usize = 16;
/// Largest describing block, and most options after a packet, that are read, in bytes. Real ones are a few KiB; a file
/// must not make us hold more.
const MAX_DESCRIBING: usize = 16 << 20;
/// Unwanted blocks up to this size wait until they are whole, so that their trailer is checked, too; in bytes.
const CHECKED_SKIP: usize = 64 << 10;
/// Interfaces told apart in one file; the last number stands for all that follow.
const MAX_INTERFACES: usize = 1 << 16;

/// What a time stamp of an interface counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Micros,
    Nanos,
    /// So many units make a second.
    PerSecond(u128),
    /// Units so small that any 64-bit count is less than a nanosecond.
    Nothing,
}

impl Unit {
    /// From the option if_tsresol: a negative power of 10 or, with the top bit, of 2.
    fn from_option(value: u8) -> Self {
        let exponent = u32::from(value & 0x7f);
        match (value & 0x80 != 0, exponent) {
            (false, 6) => Self::Micros,
            (false, 9) => Self::Nanos,
            (false, _) => 10u128.checked_pow(exponent).map_or(Self::Nothing, Self::PerSecond),
            (true, _) => 1u128.checked_shl(exponent).map_or(Self::Nothing, Self::PerSecond),
        }
    }

    /// Nanoseconds in `count` units, rounded down; clamped to what fits.
    #[inline]
    fn nanos(self, count: u64) -> i64 {
        let signed = i64::try_from(count).unwrap_or(i64::MAX);
        match self {
            Self::Micros => signed.saturating_mul(1_000),
            Self::Nanos => signed,
            Self::PerSecond(units) => {
                let (secs, rest) = (u128::from(count) / units, u128::from(count) % units);
                // `rest` is below 2^64 or, for larger units, the whole count: the product fits into 94 bits.
                let nanos = secs * NANOS_PER_SEC as u128 + rest * NANOS_PER_SEC as u128 / units;
                i64::try_from(nanos).unwrap_or(i64::MAX)
            }
            Self::Nothing => 0,
        }
    }
}

/// What splitting needs of an interface.
#[derive(Clone, Copy, Debug)]
struct Known {
    link: LinkType,
    /// Largest captured length accepted.
    max: u32,
    snaplen: u32,
    unit: Unit,
    /// Nanoseconds added to each time (if_tsoffset).
    offset: i64,
    /// Its number in the file.
    number: u16,
}

/// The parser of one pcapng file.
#[derive(Debug)]
pub(super) struct Pcapng {
    big: bool,
    /// Interfaces of the current section.
    interfaces: Vec<Known>,
    /// Time of the packet before: simple packet blocks carry none.
    last: Timestamp,
}

/// Does this look like a pcapng file? Twelve bytes are enough to tell.
pub(super) fn is_pcapng(data: &[u8]) -> bool {
    bytes_at(data, 0).map(u32::from_be_bytes) == Some(block::SECTION) && section_order(data).is_some()
}

/// Is the section header at the start of `data` big-endian? `None` when it is neither.
fn section_order(data: &[u8]) -> Option<bool> {
    let magic = bytes_at(data, 8)?;
    if u32::from_be_bytes(magic) == BYTE_ORDER_MAGIC {
        Some(true)
    } else if u32::from_le_bytes(magic) == BYTE_ORDER_MAGIC {
        Some(false)
    } else {
        None
    }
}

impl Pcapng {
    /// Check that the first section header, at the start of `data`, is one we read. It is consumed by splitting.
    pub(super) fn open(data: &[u8], ledger: &mut FileLedger) -> Result<Self, BadHeader> {
        let big = section_order(data).ok_or(BadHeader::Cut(MIN_BLOCK))?;
        let fixed = bytes_at::<16>(data, 0).ok_or(BadHeader::Cut(28))?;
        let version = if big { version::<Big>(&fixed) } else { version::<Little>(&fixed) };
        if !readable(version) {
            return Err(BadHeader::Unsupported(unreadable(version)));
        }
        ledger.format = "pcapng";
        Ok(Self { big, interfaces: Vec::new(), last: Timestamp::default() })
    }

    fn blocks<O: Order>(
        &mut self,
        w: Window<'_>,
        mut at: usize,
        out: &mut Vec<PacketRef>,
        ledger: &mut FileLedger,
    ) -> Blocks {
        loop {
            let Some([kind, length]) = head::<O>(w.data, at) else {
                return Blocks::Done(more(at, MIN_BLOCK));
            };
            if kind == block::SECTION {
                return Blocks::Section(at);
            }
            // Some programs write lengths that lack the padding; the specification asks for multiples of 4.
            let whole = length.checked_next_multiple_of(4).map(|l| l as usize);
            let Some(length) = whole.filter(|l| *l <= MAX_BLOCK) else {
                return Blocks::Done(damaged(at, format!("a block claims {length} bytes")));
            };
            let rest = w.data.len() - at;
            let least = match kind {
                block::INTERFACE => 20,
                block::PACKET | block::ENHANCED_PACKET => ENHANCED,
                block::SIMPLE_PACKET | block::NAMES | block::CUSTOM | block::CUSTOM_NO_COPY => 16,
                block::STATISTICS => 24,
                block::SECRETS => 20,
                _ => MIN_BLOCK,
            };
            if length < least {
                let why = format!(
                    "a block of type {kind:#x} claims {length} bytes, less than the {least} it needs"
                );
                return Blocks::Done(damaged(at, why));
            }
            let step = match kind {
                block::ENHANCED_PACKET | block::PACKET | block::SIMPLE_PACKET => {
                    self.packet::<O>(w, at, kind, length, out, ledger)
                }
                block::INTERFACE | block::NAMES | block::STATISTICS => {
                    if length > MAX_DESCRIBING {
                        let why = format!("a describing block of {length} bytes, more than {MAX_DESCRIBING}");
                        return Blocks::Done(damaged(at, why));
                    }
                    let Some(body) = w.data.get(at + 8..at + length - 4).filter(|_| length <= rest) else {
                        return Blocks::Done(more(at, length));
                    };
                    match kind {
                        block::INTERFACE => self.interface::<O>(body, ledger),
                        block::STATISTICS => self.statistics::<O>(body, ledger),
                        _ => {
                            describe::names(body, self.big, ledger);
                            Ok(())
                        }
                    }
                    .map_err(Next::Damaged)
                }
                block::SECRETS if rest < 16 => Err(Next::More(16)),
                _ if length > rest && length <= CHECKED_SKIP => Err(Next::More(length)),
                _ => {
                    if kind == block::SECRETS {
                        let secret = bytes_at(w.data, at + 12).map_or(0, O::u32);
                        ledger.secrets_bytes = ledger.secrets_bytes.saturating_add(u64::from(secret));
                    }
                    if length > rest {
                        return Blocks::Done((at, Next::Skip(length as u64)));
                    }
                    Ok(())
                }
            };
            if let Err(next) = step.and_then(|()| trailer::<O>(w.data, at, length).map_err(Next::Damaged)) {
                // A packet whose trailer is damaged is not kept.
                if matches!(next, Next::Damaged(_))
                    && out.last().is_some_and(|p| p.file_offset == w.offset + at as u64)
                {
                    out.pop();
                }
                return Blocks::Done((at, next));
            }
            at += length;
        }
    }

    /// A section header: byte order, version, options. Returns its length.
    fn section(&mut self, w: Window<'_>, at: usize, ledger: &mut FileLedger) -> Result<usize, Next> {
        let data = w.data.get(at..).unwrap_or(&[]);
        if data.len() < 28 {
            return Err(Next::More(28));
        }
        self.big = section_order(data)
            .ok_or_else(|| Next::Damaged("a section header has no byte-order magic".into()))?;
        let read = if self.big { section::<Big> } else { section::<Little> };
        let length = read(data, ledger)?;
        self.interfaces.clear();
        Ok(length)
    }

    fn interface<O: Order>(&mut self, body: &[u8], ledger: &mut FileLedger) -> Result<(), String> {
        let link = LinkType(bytes_at(body, 0).map_or(0, O::u16));
        let snaplen = bytes_at(body, 4).map_or(0, O::u32);
        let number = ledger.interfaces.len().min(MAX_INTERFACES - 1);
        let found = describe::interface::<O>(body.get(8..).unwrap_or(&[]), number, ledger)?;
        if self.interfaces.len() < MAX_INTERFACES {
            self.interfaces.push(Known {
                link,
                max: max_captured(link),
                snaplen,
                unit: found.resolution.map_or(Unit::Micros, Unit::from_option),
                offset: found.offset.saturating_mul(NANOS_PER_SEC),
                number: number as u16,
            });
        } else {
            return Err(format!("a section with more than {MAX_INTERFACES} interfaces"));
        }
        if ledger.interfaces.len() < MAX_INTERFACES {
            ledger.interfaces.push(Interface { name: found.name, link, snaplen, ..Interface::default() });
        }
        Ok(())
    }

    fn statistics<O: Order>(&self, body: &[u8], ledger: &mut FileLedger) -> Result<(), String> {
        let number = bytes_at(body, 0).map_or(u32::MAX, O::u32);
        let known = self.interfaces.get(number as usize).map(|i| usize::from(i.number));
        describe::statistics::<O>(body.get(12..).unwrap_or(&[]), known, ledger)
    }

    /// One packet block of any of the three kinds.
    #[inline]
    fn packet<O: Order>(
        &mut self,
        w: Window<'_>,
        at: usize,
        kind: u32,
        length: usize,
        out: &mut Vec<PacketRef>,
        ledger: &mut FileLedger,
    ) -> Result<(), Next> {
        let (interface, time, captured, original, fixed, drops);
        if kind == block::SIMPLE_PACKET {
            let Some(wire) = bytes_at(w.data, at + 8).map(O::u32) else { return Err(Next::More(SIMPLE)) };
            let Some(first) = self.interfaces.first() else { return Err(undeclared(0, 0)) };
            let limit = if first.snaplen == 0 { u32::MAX } else { first.snaplen };
            (interface, time, captured, original, fixed, drops) =
                (0, None, wire.min(limit), wire, SIMPLE, None);
        } else {
            let (Some(numbers), Some(wire)) = (bytes_at::<16>(w.data, at + 8), bytes_at(w.data, at + 24))
            else {
                return Err(Next::More(ENHANCED));
            };
            let [id, high, low, size] = O::words(numbers);
            time = Some(u64::from(high) << 32 | u64::from(low));
            (captured, original, fixed) = (size, O::u32(wire), ENHANCED);
            (interface, drops) = if kind == block::PACKET {
                // The obsolete block has two 16-bit fields here; the second counts losses since the packet before.
                let half = |i| bytes_at(w.data, at + i).map_or(0, O::u16);
                (u32::from(half(8)), Some(half(10)).filter(|d| *d != u16::MAX))
            } else {
                (id, None)
            };
        }
        let Some(known) = self.interfaces.get(interface as usize) else {
            return Err(undeclared(interface, self.interfaces.len()));
        };
        if captured > known.max {
            let max = known.max;
            return Err(Next::Damaged(format!(
                "a packet claims {captured} captured bytes, more than the {max} that its link type allows"
            )));
        }
        // Both bounded: no overflow.
        let used = fixed + (captured as usize).next_multiple_of(4);
        if length < used {
            return Err(Next::Damaged(format!("a block of {length} bytes claims a packet of {captured}")));
        }
        if length - used > MAX_DESCRIBING {
            return Err(Next::Damaged(format!("a packet is followed by {} bytes of options", length - used)));
        }
        if length > w.data.len() - at {
            return Err(Next::More(length));
        }
        let ts = time.map_or(self.last, |t| Timestamp(known.unit.nanos(t)).plus(known.offset));
        let number = known.number;
        let link = known.link;
        if length > used && kind != block::SIMPLE_PACKET {
            let place = at + used - 4;
            let list = w.data.get(place..at + length - 4).unwrap_or(&[]);
            let count = ledger.packets.saturating_add(out.len() as u64 + 1);
            describe::packet::<O>(list, usize::from(number), count, ledger).map_err(Next::Damaged)?;
        }
        if let Some(lost) = drops.filter(|d| *d > 0) {
            describe::lost(ledger, usize::from(number), u64::from(lost));
        }
        self.last = ts;
        let data_at = at + fixed - 4;
        out.push(PacketRef { ts, captured, original, interface: number, link, ..w.packet(at, data_at) });
        Ok(())
    }
}

/// How a run over blocks of one byte order ended.
enum Blocks {
    Done((usize, Next)),
    /// A section header stands at this place: the byte order may change.
    Section(usize),
}

impl Splitter for Pcapng {
    fn split(&mut self, w: Window<'_>, out: &mut Vec<PacketRef>, ledger: &mut FileLedger) -> (usize, Next) {
        let mut at = 0;
        loop {
            let run = if self.big {
                self.blocks::<Big>(w, at, out, ledger)
            } else {
                self.blocks::<Little>(w, at, out, ledger)
            };
            match run {
                Blocks::Done(done) => return done,
                Blocks::Section(header) => match self.section(w, header, ledger) {
                    Ok(length) => at = header + length,
                    Err(next) => return (header, next),
                },
            }
        }
    }
}

fn head<O: Order>(data: &[u8], at: usize) -> Option<[u32; 2]> {
    let [a, b, c, d, e, f, g, h] = bytes_at::<8>(data, at)?;
    // With fewer bytes than the smallest block there is nothing to decide yet.
    (data.len() - at >= MIN_BLOCK).then(|| [O::u32([a, b, c, d]), O::u32([e, f, g, h])])
}

/// The length at a block's end must repeat the one at its start.
#[inline]
fn trailer<O: Order>(data: &[u8], at: usize, length: usize) -> Result<(), String> {
    match bytes_at(data, at + length - 4).map(O::u32) {
        Some(again) if again.checked_next_multiple_of(4) == Some(length as u32) => Ok(()),
        Some(again) => Err(format!("a block says it has {length} bytes at its start and {again} at its end")),
        None => Ok(()),
    }
}

fn version<O: Order>(fixed: &[u8]) -> (u16, u16) {
    (bytes_at(fixed, 12).map_or(0, O::u16), bytes_at(fixed, 14).map_or(0, O::u16))
}

/// 1.2 differs from 1.0 only by the number.
fn readable(version: (u16, u16)) -> bool {
    matches!(version, (1, 0 | 2))
}

fn unreadable((major, minor): (u16, u16)) -> String {
    format!("pcapng version {major}.{minor} (1.0 and 1.2 are read)")
}

fn section<O: Order>(data: &[u8], ledger: &mut FileLedger) -> Result<usize, Next> {
    let length = bytes_at(data, 4).map_or(0, O::u32).checked_next_multiple_of(4).unwrap_or(0) as usize;
    if !(28..=MAX_DESCRIBING).contains(&length) {
        return Err(Next::Damaged(format!("a section header claims {length} bytes")));
    }
    let version = version::<O>(data);
    if !readable(version) {
        return Err(Next::Damaged(unreadable(version)));
    }
    let Some(list) = data.get(24..length - 4).filter(|_| data.len() >= length) else {
        return Err(Next::More(length));
    };
    trailer::<O>(data, 0, length).map_err(Next::Damaged)?;
    describe::section(options::<O>(list), ledger).map_err(Next::Damaged)?;
    Ok(length)
}

fn undeclared(interface: u32, known: usize) -> Next {
    Next::Damaged(format!("a packet of interface {interface}, but its section declares {known}"))
}
