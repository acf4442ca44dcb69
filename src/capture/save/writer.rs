//! How do packets become a pcapng file?
//!
//! Source: draft-ietf-opsawg-pcapng. Little-endian, one section, times in nanoseconds, a comment where one is given. It is
//! our own and not pcap-file's, because the evidence index needs the offset of each record, and a ring written beside a
//! capture must not allocate for every packet. Refuses nothing that was captured: a packet longer than its interface's
//! snaplen is written all the same.

use crate::model::packet::LinkType;
use crate::model::time::Timestamp;
use std::io::{self, Write};

/// Block types.
mod block {
    pub(super) const SECTION: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE: u32 = 1;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes.
mod option {
    pub(super) const COMMENT: u16 = 1;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_DESCRIPTION: u16 = 3;
    pub(super) const RESOLUTION: u16 = 9;
    pub(super) const USER_APPLICATION: u16 = 4;
}

/// Times count nanoseconds: 10 to the power of minus this.
const NANOSECONDS: u8 = 9;
/// The number that tells the byte order.
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// Longest text of one option, bytes: its length has 16 bits, and it is padded.
const MAX_TEXT: usize = 65_532;

/// Writes one section of pcapng.
#[derive(Debug)]
pub struct PcapngWriter<W: Write> {
    out: W,
    written: u64,
    interfaces: u32,
    /// The block being put together; reused.
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begin a file. Each comment becomes a line of the section's description.
    pub fn new(out: W, comments: &[String]) -> io::Result<Self> {
        let mut new = Self { out, written: 0, interfaces: 0, block: Vec::new() };
        new.begin(block::SECTION);
        new.block.extend(BYTE_ORDER_MAGIC.to_le_bytes());
        new.block.extend([1, 0, 0, 0]); // version 1.0
        new.block.extend((-1i64).to_le_bytes()); // length of the section: not said
        for comment in comments {
            new.option(option::COMMENT, comment.as_bytes());
        }
        new.option(option::USER_APPLICATION, concat!("secnetmon ", env!("CARGO_PKG_VERSION")).as_bytes());
        new.end()?;
        Ok(new)
    }

    /// Declare an interface; its number for [`Self::packet`]. `snaplen` in bytes, 0 = no limit.
    pub fn interface(
        &mut self,
        link: LinkType,
        snaplen: u32,
        name: Option<&str>,
        description: Option<&str>,
    ) -> io::Result<u32> {
        self.begin(block::INTERFACE);
        self.block.extend(link.0.to_le_bytes());
        self.block.extend([0, 0]);
        self.block.extend(snaplen.to_le_bytes());
        for (code, text) in [(option::INTERFACE_NAME, name), (option::INTERFACE_DESCRIPTION, description)] {
            if let Some(text) = text {
                self.option(code, text.as_bytes());
            }
        }
        self.option(option::RESOLUTION, &[NANOSECONDS]);
        self.end()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Write a packet of `original` bytes on the wire, of which `data` was captured. Returns the offset of its record. Times before
    /// 1970, which the format cannot hold, become 1970.
    pub fn packet(
        &mut self,
        interface: u32,
        ts: Timestamp,
        original: u32,
        data: &[u8],
        comments: &[String],
    ) -> io::Result<u64> {
        let at = self.written;
        let time = u64::try_from(ts.0).unwrap_or(0);
        let captured = u32::try_from(data.len()).map_err(|_| io::Error::other("a packet of 4 GiB"))?;
        self.begin(block::ENHANCED_PACKET);
        for word in [interface, (time >> 32) as u32, time as u32, captured, original] {
            self.block.extend(word.to_le_bytes());
        }
        self.block.extend_from_slice(data);
        self.pad();
        for comment in comments {
            self.option(option::COMMENT, comment.as_bytes());
        }
        self.end()?;
        Ok(at)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// The same, to look at.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// Give back what was written to as it is.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Flush, and give back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.block.extend(kind.to_le_bytes());
        self.block.extend([0; 4]); // its length, known at the end
    }

    fn pad(&mut self) {
        let length = self.block.len().next_multiple_of(4);
        self.block.resize(length, 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..cut(value)).unwrap_or(value);
        self.block.extend(code.to_le_bytes());
        self.block.extend((value.len() as u16).to_le_bytes());
        self.block.extend_from_slice(value);
        self.pad();
    }

    fn end(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.block.len() + 4).map_err(|_| io::Error::other("a block of 4 GiB"))?;
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        self.block.extend(length.to_le_bytes());
        self.out.write_all(&self.block)?;
        self.written += u64::from(length);
        Ok(())
    }
}

/// Where a text that is too long is cut: not inside a character.
fn cut(value: &[u8]) -> usize {
    if value.len() <= MAX_TEXT {
        return value.len();
    }
    (0..=MAX_TEXT).rev().find(|at| value.get(*at).is_none_or(|b| b & 0xc0 != 0x80)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testing::drain;
    use crate::capture::{Options, open_bytes};

    #[test]
    fn what_is_written_reads_back() {
        let comments = ["about it".to_owned(), "ä".repeat(40_000)];
        let mut w = PcapngWriter::new(Vec::new(), &comments).unwrap();
        let eth = w.interface(LinkType::ETHERNET, 96, Some("eth0"), None).unwrap();
        let raw = w.interface(LinkType(101), 0, None, Some("tunnel")).unwrap();
        let times = [1_700_000_000_123_456_789, 0, i64::MAX];
        let mut offsets = Vec::new();
        for (ts, (on, data)) in times.into_iter().zip([(eth, &b"abcde"[..]), (raw, b""), (eth, b"four")]) {
            offsets.push(w.packet(on, Timestamp(ts), 1_500, data, &["flow 7".to_owned()]).unwrap());
        }
        let written = w.written();
        let bytes = w.finish().unwrap();
        assert_eq!(written, bytes.len() as u64);
        let (packets, ledger) = drain(&mut *open_bytes(bytes, &Options::default()).unwrap());
        assert!(ledger.damage().is_none());
        let file = &ledger.files[0];
        assert_eq!(packets.iter().map(|(p, _)| p.ts.0).collect::<Vec<_>>(), times);
        assert_eq!(packets.iter().map(|(p, _)| p.file_offset).collect::<Vec<_>>(), offsets);
        assert_eq!(
            packets.iter().map(|(p, _)| (p.original, p.link.0)).collect::<Vec<_>>(),
            [(1_500, 1), (1_500, 101), (1_500, 1)]
        );
        assert_eq!((packets[0].1.as_slice(), packets[1].1.len()), (&b"abcde"[..], 0));
        assert_eq!((file.interfaces[0].name.as_deref(), file.interfaces[0].snaplen), (Some("eth0"), 96));
        assert_eq!(file.interfaces[1].name.as_deref(), Some("tunnel"));
        assert!(file.comments.iter().any(|c| c == "comment: about it"), "{:?}", file.comments);
        assert!(file.comments.iter().any(|c| c == "packet 1: flow 7"));
    }
}
