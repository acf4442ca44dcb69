//! What do the tests of this floor share? A folder that goes away, small captures, and a source run to its end.

use super::{Polled, Source};
use crate::model::ledger::{SourceLedger, Stop};
use crate::model::packet::PacketRef;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder in the temporary directory; removed with its content when dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("secnetmon-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The record of a packet in a little-endian pcap file of microseconds.
pub(super) fn record(secs: u32, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let mut out: Vec<u8> = [secs, 0, length, length].into_iter().flat_map(u32::to_le_bytes).collect();
    out.extend(bytes);
    out
}

/// A pcap file of Ethernet packets at whole seconds.
pub(super) fn pcap(packets: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    packets.iter().for_each(|(secs, bytes)| out.extend(record(*secs, bytes)));
    out
}

/// All packets with their bytes, and the account.
pub(super) fn drain(source: &mut dyn Source) -> (Vec<(PacketRef, Vec<u8>)>, SourceLedger) {
    let mut packets = Vec::new();
    loop {
        match source.poll() {
            Polled::Packets(batch) => {
                assert!(!batch.packets.is_empty(), "an empty batch");
                assert_eq!(batch.first_number, packets.len() as u64 + 1, "numbers have no gaps");
                for i in 0..batch.packets.len() {
                    let packet = batch.get(i).expect("a reference lies in its block");
                    packets.push((packet.meta, packet.data.to_vec()));
                }
            }
            Polled::Tick(_) => {}
            Polled::End => break,
        }
    }
    assert!(matches!(source.poll(), Polled::End), "the end stays the end");
    let ledger = source.ledger();
    assert!(ledger.files.iter().all(|f| f.stop != Stop::Reading));
    assert_eq!(ledger.packets(), (packets.len() as u64) + ledger.filtered);
    (packets, ledger)
}
