//! Which fragments make up one packet?
//!
//! IPv4 (RFC 791) and IPv6 (RFC 8200 section 4.5) reassembly, at any tunnel level, one fragment after another in packet
//! order. Bytes that came first stay, as Zeek does it; other bytes for the same place are a weird. What is not complete
//! within the timeout (packet time) is given up but still counted: no packet is lost from the flows. Costs are bounded by the
//! bytes that really arrived, so a fragment with a large offset reserves nothing.

mod copies;
mod waiting;

#[cfg(test)]
mod tests;

use self::copies::Copies;
use self::waiting::Waiting;
use super::walk::Decoder;
use super::{Config, Decoded, Layers, PayloadAt, TunnelPath};
use crate::model::addr::Ip;
use crate::model::time::{Timestamp, secs};
use crate::model::weird::WeirdKind;
use std::collections::{BTreeMap, HashMap};

/// Fragments inside reassembled packets are put together in turn; levels end that, this is the second lock.
const MAX_NESTED: usize = 64;

/// A fragment as the decoder found it.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Addresses, times, link facts; its payload fields say where the fragment's bytes lie. Its protocol is the one
    /// the fragment header announces, which in IPv6 may be another extension header.
    pub head: Decoded,
    /// Receiver for checksums: differs from the header's behind an IPv6 routing header.
    pub(super) final_dst: Ip,
    /// Identification.
    pub id: u32,
    /// Where its bytes belong, in bytes.
    pub offset: u32,
    /// Do more follow?
    pub more: bool,
    /// Nested headers passed on the way.
    pub(super) headers: u8,
}

/// Fragments with equal keys belong together. The VLAN is not part of it, as it is not part of a flow.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    src: Ip,
    dst: Ip,
    id: u32,
    /// IPv4 only; in IPv6 later fragments need not repeat it.
    protocol: u8,
    version: u8,
    tunnel: TunnelPath,
}

/// Puts fragments together. One for a capture; not shared.
#[derive(Debug)]
pub struct Defragmenter {
    /// Decodes first fragments of packets that are given up.
    counting: Decoder,
    timeout: i64,
    cap: usize,
    used: usize,
    next_number: u64,
    waiting: HashMap<Key, Waiting>,
    /// In order of arrival, which is the order of giving up.
    by_age: BTreeMap<u64, Key>,
    copies: Copies,
}

impl Defragmenter {
    /// Nothing waits yet.
    pub fn new(config: &Config) -> Self {
        Self {
            counting: Decoder::new(config),
            timeout: secs(config.fragment_timeout_s),
            cap: (config.fragment_memory_mib as usize).saturating_mul(1 << 20),
            used: 0,
            next_number: 0,
            waiting: HashMap::new(),
            by_age: BTreeMap::new(),
            copies: Copies::default(),
        }
    }

    /// Packets that wait for fragments, and the memory they take in bytes.
    pub fn load(&self) -> (usize, usize) {
        (self.waiting.len(), self.used)
    }

    /// Take the next fragment. `packet` are the captured bytes of its packet. When it completes a datagram, that is
    /// appended to `datagrams` and what it holds to `out`, whose records point to it by its index there.
    pub fn push(
        &mut self,
        decoder: &Decoder,
        fragment: &Fragment,
        packet: &[u8],
        out: &mut Layers,
        datagrams: &mut Vec<Vec<u8>>,
    ) {
        let done = out.fragments.len();
        self.take(decoder, fragment, packet, out, datagrams);
        // Tunnels inside may have been fragmented, too.
        for _ in 0..MAX_NESTED {
            if out.fragments.len() <= done {
                return;
            }
            let inner = out.fragments.remove(done);
            let PayloadAt::Reassembled(index) = inner.head.payload_at else { continue };
            let bytes = datagrams.get_mut(index as usize).map(std::mem::take).unwrap_or_default();
            self.take(decoder, &inner, &bytes, out, datagrams);
            if let Some(place) = datagrams.get_mut(index as usize) {
                *place = bytes;
            }
        }
        out.fragments.truncate(done);
    }

    fn take(
        &mut self,
        decoder: &Decoder,
        fragment: &Fragment,
        packet: &[u8],
        out: &mut Layers,
        datagrams: &mut Vec<Vec<u8>>,
    ) {
        let key = Key {
            src: fragment.head.src,
            dst: fragment.head.dst,
            id: fragment.id,
            protocol: if fragment.head.ip_version == 4 { fragment.head.protocol } else { 0 },
            version: fragment.head.ip_version,
            tunnel: fragment.head.tunnel.clone(),
        };
        if self.waiting.get(&key).is_some_and(|w| w.deadline <= fragment.head.ts) {
            self.give_up(&key, WeirdKind::FragmentTimeout, out);
        }
        if !self.waiting.contains_key(&key)
            && let Some(copy) = self.copies.counted(&key, fragment, packet)
        {
            out.items.push(copy);
            return;
        }
        let (number, timeout) = (self.next_number, self.timeout);
        let entry =
            self.waiting.entry(key.clone()).or_insert_with(|| Waiting::new(number, timeout, fragment));
        if entry.number == number {
            self.next_number += 1;
            self.by_age.insert(number, key.clone());
            self.used += entry.cost;
        }
        let before = entry.cost;
        entry.add(fragment, packet, out);
        self.used += entry.cost - before;
        if entry.total == Some(entry.covered) {
            self.by_age.remove(&entry.number);
            if let Some(whole) = self.waiting.remove(&key) {
                self.used = self.used.saturating_sub(whole.cost);
                let outermost = out.items.len();
                whole.complete(decoder, out, datagrams);
                if let Some(item) = out.items.get(outermost) {
                    self.copies.complete(key, fragment.head.ts, whole.marks, item.clone());
                }
            }
            return;
        }
        while self.used > self.cap {
            let Some((_, oldest)) = self.by_age.first_key_value() else { break };
            let oldest = oldest.clone();
            self.give_up(&oldest, WeirdKind::FragmentEvicted, out);
        }
    }

    /// Packet time is `now`: give up what has waited too long. Its packets become records without payload.
    pub fn advance(&mut self, now: Timestamp, out: &mut Layers) {
        while let Some((_, key)) = self.by_age.first_key_value() {
            if self.waiting.get(key).is_some_and(|w| w.deadline > now) {
                return;
            }
            let key = key.clone();
            self.give_up(&key, WeirdKind::FragmentTimeout, out);
        }
    }

    /// The capture ended: give up all that waits.
    pub fn finish(&mut self, out: &mut Layers) {
        self.advance(Timestamp::MAX, out);
    }

    fn give_up(&mut self, key: &Key, why: WeirdKind, out: &mut Layers) {
        let Some(waiting) = self.waiting.remove(key) else { return };
        self.by_age.remove(&waiting.number);
        self.used = self.used.saturating_sub(waiting.cost);
        waiting.tell(why, out);
        out.items.push(waiting.counted(&self.counting));
    }
}
