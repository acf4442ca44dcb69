//! Which packets wait until it is known whose they are?
//!
//! Fragments: all of one datagram belong to whatever it turns out to hold. Packets leave in the order they came, so what
//! follows a waiting fragment waits, too. Bounded: when more than [`MAX_BYTES`] wait, the oldest datagram is given up.

use super::{Carved, Place, Reason};
use crate::decode::Fragment;
use crate::model::addr::Ip;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of packets that may wait: twice what the defragmenter holds by default, and as much again for wanted packets behind them.
const MAX_BYTES: usize = 32 << 20;

/// Fragments with equal keys belong together: the defragmenter's rule.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
    protocol: u8,
    version: u8,
    tunnel: Option<Arc<str>>,
}

/// A packet that waits.
#[derive(Debug)]
struct Waiting {
    place: Place,
    data: Vec<u8>,
    reasons: Vec<Reason>,
    /// Datagrams it is part of that are not decided yet.
    open: u32,
}

/// Packets in the order they came.
#[derive(Debug, Default)]
pub(super) struct Held {
    packets: BTreeMap<u64, Waiting>,
    bytes: usize,
    groups: HashMap<Key, Vec<u64>>,
    /// Group of each packet that is part of one; a packet with two keeps the last.
    keys: BTreeMap<u64, Key>,
}

impl Held {
    /// A packet that is wanted, or may turn out to be.
    pub(super) fn add(&mut self, number: u64, place: Place, data: &[u8], reasons: Vec<Reason>) {
        self.bytes += data.len();
        self.packets.insert(number, Waiting { place, data: data.to_vec(), reasons, open: 0 });
    }

    /// Packet `number` carries this fragment.
    pub(super) fn wait(&mut self, number: u64, fragment: &Fragment) {
        let head = &fragment.head;
        let key = Key {
            src: head.src,
            dst: head.dst,
            id: fragment.id,
            protocol: if head.ip_version == 4 { head.protocol } else { 0 },
            version: head.ip_version,
            tunnel: head.tunnel.clone(),
        };
        if let Some(packet) = self.packets.get_mut(&number) {
            packet.open += 1;
            self.groups.entry(key.clone()).or_default().push(number);
            self.keys.insert(number, key);
        }
    }

    /// The packets of the datagram that packet `number` is part of.
    pub(super) fn group_of(&self, number: u64) -> Option<Vec<u64>> {
        self.groups.get(self.keys.get(&number)?).cloned()
    }

    /// Where they are.
    pub(super) fn places(&self, group: &[u64]) -> Vec<Place> {
        group.iter().filter_map(|n| Some(self.packets.get(n)?.place)).collect()
    }

    /// All packets of a datagram are wanted for this reason.
    pub(super) fn give(&mut self, group: &[u64], reason: Reason) {
        for number in group {
            if let Some(packet) = self.packets.get_mut(number)
                && !packet.reasons.contains(&reason)
            {
                packet.reasons.push(reason);
            }
        }
    }

    /// The datagrams that these packets are part of are decided.
    pub(super) fn settled(&mut self, numbers: impl Iterator<Item = u64>) {
        for number in numbers {
            if let Some(key) = self.keys.get(&number).cloned() {
                self.decided(&key);
            }
        }
        while self.bytes > MAX_BYTES {
            let Some(key) = self.keys.first_key_value().map(|(_, k)| k.clone()) else { break };
            self.decided(&key);
            self.trim();
        }
    }

    fn decided(&mut self, key: &Key) {
        for number in self.groups.remove(key).unwrap_or_default() {
            if self.keys.get(&number) == Some(key) {
                self.keys.remove(&number);
            }
            if let Some(packet) = self.packets.get_mut(&number) {
                packet.open = packet.open.saturating_sub(1);
            }
        }
    }

    /// Forget decided packets that nobody wants.
    fn trim(&mut self) {
        let bytes = &mut self.bytes;
        self.packets.retain(|_, p| {
            let keep = p.open > 0 || !p.reasons.is_empty();
            if !keep {
                *bytes = bytes.saturating_sub(p.data.len());
            }
            keep
        });
    }

    /// Nothing is waited for any more.
    pub(super) fn give_up(&mut self) {
        self.groups.clear();
        self.keys.clear();
        self.packets.values_mut().for_each(|p| p.open = 0);
    }

    /// Give out what is decided, in order.
    pub(super) fn release<E>(&mut self, take: &mut dyn FnMut(Carved) -> Result<(), E>) -> Result<(), E> {
        while let Some(first) = self.packets.first_entry() {
            if first.get().open > 0 {
                return Ok(());
            }
            let Waiting { place, data, mut reasons, .. } = first.remove();
            self.bytes = self.bytes.saturating_sub(data.len());
            if !reasons.is_empty() {
                reasons.sort_unstable();
                take(Carved { meta: place.meta, data, reasons })?;
            }
        }
        Ok(())
    }
}
