//! What does a packet look like between the disk and the decoder?
//!
//! A batch is one shared block of bytes and a compact array of references into it: no allocation and no
//! copy per packet. Packets are numbered from 1 in the order of the capture, over all its files.

use super::time::Timestamp;
use std::sync::Arc;

/// A link-layer header type as capture files number them (LINKTYPE_ values of the tcpdump group).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LinkType(pub u16);

impl LinkType {
    /// IEEE 802.3 Ethernet.
    pub const ETHERNET: Self = Self(1);
}

/// Where a packet lies in its batch and what its record header said.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketRef {
    /// Packet time.
    pub ts: Timestamp,
    /// Byte offset of the packet's record in its file, after decompression.
    pub file_offset: u64,
    /// First byte in the batch's block.
    pub start: u32,
    /// Bytes captured.
    pub captured: u32,
    /// Bytes the packet had on the wire.
    pub original: u32,
    /// Interface number within its file.
    pub interface: u16,
    /// File number within the capture, from 0.
    pub file_no: u16,
    /// Link type of the packet's interface.
    pub link: LinkType,
}

/// A block of bytes that many packets share. Dropped blocks return their memory to the source's pool.
pub struct Block {
    bytes: Vec<u8>,
    pool: Option<Arc<Pool>>,
}

/// Memory for blocks, used again and again. Holds at most `keep` idle ones.
#[derive(Debug)]
pub struct Pool {
    idle: std::sync::Mutex<Vec<Vec<u8>>>,
    keep: usize,
}

impl Pool {
    /// A pool that keeps at most `keep` idle buffers.
    pub fn new(keep: usize) -> Arc<Self> {
        Arc::new(Self { idle: std::sync::Mutex::new(Vec::new()), keep })
    }

    /// An empty buffer, used before when there is one.
    pub fn take(&self) -> Vec<u8> {
        self.idle.lock().ok().and_then(|mut idle| idle.pop()).unwrap_or_default()
    }

    fn give(&self, mut bytes: Vec<u8>) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < self.keep
        {
            bytes.clear();
            idle.push(bytes);
        }
    }
}

impl Block {
    /// A block whose memory goes back to `pool` when the last batch over it is dropped.
    pub fn pooled(bytes: Vec<u8>, pool: &Arc<Pool>) -> Self {
        Self { bytes, pool: Some(Arc::clone(pool)) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, pool: None }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give(std::mem::take(&mut self.bytes));
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} bytes)", self.bytes.len())
    }
}

/// Packets that were read together, in capture order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of the first packet in the capture, from 1.
    pub first_number: u64,
    /// The bytes that the references point into.
    pub block: Arc<Block>,
    /// The packets.
    pub packets: Vec<PacketRef>,
}

impl Batch {
    /// The packet at `index` with its bytes; `None` past the end.
    pub fn get(&self, index: usize) -> Option<RawPacket<'_>> {
        let p = self.packets.get(index)?;
        let start = p.start as usize;
        let data = self.block.bytes().get(start..start.checked_add(p.captured as usize)?)?;
        Some(RawPacket { number: self.first_number + index as u64, meta: *p, data })
    }
}

/// One packet as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct RawPacket<'a> {
    /// Number in the capture, from 1.
    pub number: u64,
    /// What its record said.
    pub meta: PacketRef,
    /// The captured bytes.
    pub data: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_past_the_block_is_none() {
        let packets = vec![
            PacketRef { start: 1, captured: 2, original: 9, ..Default::default() },
            PacketRef { start: 2, captured: 9, ..Default::default() },
        ];
        let batch = Batch { first_number: 5, block: Arc::new(vec![1, 2, 3].into()), packets };
        let p = batch.get(0).unwrap();
        assert_eq!((p.number, p.data), (5, &[2u8, 3][..]));
        assert!(batch.get(1).is_none() && batch.get(2).is_none());
    }

    #[test]
    fn memory_comes_back_to_the_pool() {
        let pool = Pool::new(1);
        drop(Block::pooled(Vec::with_capacity(64), &pool));
        assert!(pool.take().capacity() >= 64);
        assert_eq!(pool.take().capacity(), 0);
    }
}
