//! What was read, and why did it stop? The honest account of a capture.
//!
//! A capture is one packet stream; it may consist of several files. Sources fill [`SourceLedger`]; the engine
//! adds what it decoded. Nothing here is ever "about right": a packet that was there is counted.

use super::packet::LinkType;
use std::path::PathBuf;

/// Why reading a file ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Stop {
    /// Still being read.
    #[default]
    Reading,
    /// At its end.
    End,
    /// At damage: everything before it was kept.
    Damaged {
        /// What is wrong there, one sentence.
        reason: String,
        /// Byte at which the damage starts, after decompression.
        offset: u64,
    },
    /// The user or a limit stopped it.
    Interrupted,
    /// A file of a ring took no more, such as on a full disk: the stream goes on without being kept.
    NotKept {
        /// Why, one sentence.
        reason: String,
    },
}

/// One interface that a file or device describes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Name where the file tells it.
    pub name: Option<String>,
    /// Link type.
    pub link: LinkType,
    /// Largest captured length, 0 = no limit.
    pub snaplen: u32,
    /// Packets received as the capturing system counted them.
    pub received: Option<u64>,
    /// Packets dropped as the capturing system counted them (interface and kernel).
    pub dropped: Option<u64>,
}

/// The account of one file of a capture.
#[derive(Clone, Debug, Default)]
pub struct FileLedger {
    /// Path as the user gave it; `-` for standard input.
    pub path: PathBuf,
    /// `pcap`, `pcapng`, `snoop` …
    pub format: &'static str,
    /// `gzip`, `zstd`, `lz4`, `xz`, `bzip2`, or none.
    pub compression: Option<&'static str>,
    /// Interfaces in order of appearance.
    pub interfaces: Vec<Interface>,
    /// Packets read.
    pub packets: u64,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// blake3 over all bytes, after decompression; set at the end.
    pub content_hash: Option<[u8; 32]>,
    /// Comments and the capturing software, as the file says; printable, bounded.
    pub comments: Vec<String>,
    /// Names the file itself gives to addresses (pcapng name resolution), bounded.
    pub names: Vec<(std::net::IpAddr, String)>,
    /// Bytes of decryption secrets set aside, never stored.
    pub secrets_bytes: u64,
    /// Why it ended.
    pub stop: Stop,
    /// Was it deleted since, by the limits of a ring? Its account stays: the packets were read.
    pub removed: bool,
}

/// What was counted at a device since it was first opened, also before a cut; only grows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeviceLedger {
    /// Its name.
    pub name: String,
    /// Packets taken from it.
    pub packets: u64,
    /// Bytes these had on the wire.
    pub bytes: u64,
    /// Packets dropped by the kernel, because its ring was full.
    pub dropped_kernel: u64,
    /// Packets dropped by the interface or its driver.
    pub dropped_interface: u64,
    /// Packets that were captured and that this program left behind.
    pub dropped_here: u64,
}

/// The account of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceLedger {
    /// Its files in order; a device counts as one file.
    pub files: Vec<FileLedger>,
    /// Packets that a filter left out.
    pub filtered: u64,
    /// Files of earlier captures that the limits of a ring deleted since this one began; no more than lay there then.
    pub removed: Vec<PathBuf>,
    /// Devices, of a source that captures.
    pub devices: Vec<DeviceLedger>,
}

impl SourceLedger {
    /// The first damage, if any.
    pub fn damage(&self) -> Option<(&FileLedger, &str, u64)> {
        self.files.iter().find_map(|f| match &f.stop {
            Stop::Damaged { reason, offset } => Some((f, reason.as_str(), *offset)),
            _ => None,
        })
    }

    /// From which file on packets are not kept any more, and why.
    pub fn not_kept(&self) -> Option<(&FileLedger, &str)> {
        self.files.iter().find_map(|f| match &f.stop {
            Stop::NotKept { reason } => Some((f, reason.as_str())),
            _ => None,
        })
    }

    /// What came after `before`, an earlier account of the same source: files and interfaces keep their places, counts begin anew there.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        let less = |n: Option<u64>, b: Option<u64>| n.map(|n| n.saturating_sub(b.unwrap_or_default()));
        for (f, b) in self.files.iter_mut().zip(&before.files) {
            f.packets = f.packets.saturating_sub(b.packets);
            f.bytes = f.bytes.saturating_sub(b.bytes);
            for (i, b) in f.interfaces.iter_mut().zip(&b.interfaces) {
                (i.received, i.dropped) = (less(i.received, b.received), less(i.dropped, b.dropped));
            }
        }
        self.filtered = self.filtered.saturating_sub(before.filtered);
        self
    }

    /// Packets read from all files.
    pub fn packets(&self) -> u64 {
        self.files.iter().map(|f| f.packets).sum()
    }
}
