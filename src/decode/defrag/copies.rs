//! Is this fragment one more copy of what is complete already?
//!
//! A mirror port that copies both ways of a switch, or a capture before and behind a router, has every packet twice. Of a datagram in
//! fragments the last copy comes when its datagram is complete and gone; without a memory it would begin another one that never
//! ends. A copy has the same place and bytes, and comes at once. Refuses anything else: identifiers come round again (RFC 6864).

use super::super::{Decoded, PayloadAt};
use super::{Fragment, Key};
use crate::model::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A copy comes this soon, nanoseconds (20 ms): through a switch or a router it takes microseconds; identifiers of 16 bits come round in that
/// time only beyond three million datagrams a second between two hosts.
const WITHIN: i64 = 20_000_000;

/// Datagrams remembered, some 1.5 KB each when they had 45 fragments: 400 KB. They are the large ones of more than a millisecond at 10 Gbit/s.
const MAX_DONE: usize = 256;

/// Where a fragment belongs, how long it is, and its bytes as a number.
type Mark = (u32, u32, u64);

/// What is known of fragments that came, while their datagram waits and for a while after it.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Mark>);

impl Marks {
    pub(super) fn add(&mut self, fragment: &Fragment, packet: &[u8]) {
        self.0.push(mark(fragment, packet));
    }
}

/// A datagram that is complete.
#[derive(Debug)]
struct Done {
    at: Timestamp,
    marks: Marks,
    /// What a copy counts as: the flow of the datagram.
    item: Decoded,
}

/// Datagrams that were completed lately.
#[derive(Debug, Default)]
pub(super) struct Copies {
    done: HashMap<Key, Done>,
    order: VecDeque<Key>,
}

impl Copies {
    /// This datagram is complete; `item` is the outermost of what it holds.
    pub(super) fn complete(&mut self, key: Key, at: Timestamp, marks: Marks, item: Decoded) {
        if self.done.insert(key.clone(), Done { at, marks, item }).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_DONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.done.remove(&oldest);
        }
    }

    /// The record that counts this fragment, when it is a copy.
    pub(super) fn counted(&self, key: &Key, fragment: &Fragment, packet: &[u8]) -> Option<Decoded> {
        let head = &fragment.head;
        let done = self.done.get(key).filter(|d| (0..=WITHIN).contains(&head.ts.since(d.at)))?;
        if !done.marks.0.contains(&mark(fragment, packet)) {
            return None;
        }
        let mut item = done.item.clone();
        (item.ts, item.packet, item.file_offset) = (head.ts, head.packet, head.file_offset);
        (item.index, item.file_no, item.ttl) = (head.index, head.file_no, head.ttl);
        (item.src_mac, item.dst_mac) = (head.src_mac, head.dst_mac);
        (item.payload_at, item.payload_start, item.payload_captured) = (PayloadAt::Packet, 0, 0);
        item.payload_len = head.payload_len;
        (item.fragments, item.ip_bytes) = (1, head.ip_bytes);
        Some(item)
    }
}

fn mark(fragment: &Fragment, packet: &[u8]) -> Mark {
    let head = &fragment.head;
    let start = head.payload_start as usize;
    let bytes = packet.get(start..start.saturating_add(head.payload_captured as usize)).unwrap_or(&[]);
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    (fragment.offset, head.payload_len, hasher.finish())
}
