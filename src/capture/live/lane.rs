//! What waits between the threads that capture and the one that reads?
//!
//! A lane a device: blocks of packets in the order of their arrival, how far the device is known to be read, and its counters. Bounded in bytes: a
//! thread whose lane is full does not read on, and the kernel's ring takes over. Refuses to drop anything itself.

use crate::model::packet::{LinkType, PacketRef, Pool};
use crate::model::time::Timestamp;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may wait a device, references included: enough to take turns with the reader. What a longer stall needs is the ring's, which is sized by its
/// owner and there anyway.
const LANE_BYTES: usize = 16 << 20;

/// What the system counted at a device, since it was first opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Packets that passed the filter, those that were dropped included.
    pub received: u64,
    /// Dropped by the kernel, because its ring was full: we were too slow.
    pub kernel: u64,
    /// Dropped by the interface or its driver.
    pub interface: u64,
    /// Left behind by ourselves: what was in the ring and could not be read when the end came.
    pub ours: u64,
}

impl Counts {
    /// All that were dropped.
    pub fn dropped(&self) -> u64 {
        self.kernel.saturating_add(self.interface).saturating_add(self.ours)
    }
}

/// Packets that were taken from a device together.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) packets: Vec<PacketRef>,
    pub(super) block: Vec<u8>,
    pub(super) arrived: Instant,
}

impl Portion {
    fn bytes(&self) -> usize {
        self.block.len() + self.packets.len() * size_of::<PacketRef>()
    }
}

/// One device.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) portions: VecDeque<Portion>,
    /// Packets of the first portion that were given out already.
    at: usize,
    bytes: usize,
    /// Everything earlier is here.
    pub(super) until: Timestamp,
    /// Time of the last packet that came.
    last: Timestamp,
    pub(super) link: Option<LinkType>,
    pub(super) counts: Counts,
    /// Given out to the engine.
    pub(super) given: u64,
    pub(super) given_bytes: u64,
    /// Bytes these packets had on the wire.
    pub(super) given_wire: u64,
    /// No more will come.
    pub(super) ended: bool,
}

impl Lane {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            portions: VecDeque::new(),
            at: 0,
            bytes: 0,
            until: Timestamp(0),
            last: Timestamp(0),
            link: None,
            counts: Counts::default(),
            given: 0,
            given_bytes: 0,
            given_wire: 0,
            ended: false,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= LANE_BYTES
    }

    pub(super) fn push(&mut self, portion: Portion) {
        self.last = portion.packets.last().map_or(self.last, |p| p.ts);
        self.bytes += portion.bytes();
        self.portions.push_back(portion);
    }

    /// The whole first portion, of a lane that is alone.
    pub(super) fn take(&mut self) -> Option<Portion> {
        let portion = self.portions.pop_front()?;
        self.bytes = self.bytes.saturating_sub(portion.bytes());
        Some(portion)
    }

    /// Time and place of the next packet.
    pub(super) fn next(&self) -> Option<(Timestamp, usize)> {
        self.portions.front()?.packets.get(self.at).map(|p| (p.ts, self.at))
    }

    /// The next packet.
    pub(super) fn next_packet(&self) -> Option<(PacketRef, &[u8])> {
        let portion = self.portions.front()?;
        let packet = portion.packets.get(self.at)?;
        let start = packet.start as usize;
        Some((*packet, portion.block.get(start..start.checked_add(packet.captured as usize)?)?))
    }

    /// The next packet was given out.
    pub(super) fn advance(&mut self, pool: &Arc<Pool>) {
        self.at += 1;
        if self.portions.front().is_some_and(|p| self.at >= p.packets.len()) {
            self.at = 0;
            if let Some(portion) = self.take() {
                drop(crate::model::packet::Block::pooled(portion.block, pool));
            }
        }
    }

    /// Up to which time packets of this lane are known: nothing earlier comes later.
    pub(super) fn complete_to(&self) -> Timestamp {
        match (self.ended, self.portions.is_empty()) {
            (true, _) => Timestamp::MAX,
            (false, false) => self.last.max(self.until),
            (false, true) => self.until,
        }
    }

    /// Up to which time this lane has nothing more to say.
    pub(super) fn silent_to(&self) -> Timestamp {
        self.next().map_or(self.until, |(ts, _)| ts.min(self.until))
    }
}

/// What the threads share.
#[derive(Debug)]
pub(super) struct Exchange {
    state: Mutex<State>,
    came: Condvar,
    room: Condvar,
    ending: AtomicBool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: Vec<Lane>,
}

impl Exchange {
    pub(super) fn new(lanes: Vec<Lane>) -> Self {
        Self {
            state: Mutex::new(State { lanes }),
            came: Condvar::new(),
            room: Condvar::new(),
            ending: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.lock())
    }

    /// Wait until something comes, at most `most`.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.came.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Something came into a lane, or it ended.
    pub(super) fn came(&self) {
        self.came.notify_one();
    }

    /// There is room again.
    pub(super) fn freed(&self) {
        self.room.notify_all();
    }

    /// Wait until lane `n` has room, at most `most`. Does it?
    pub(super) fn has_room(&self, n: usize, most: Duration) -> bool {
        let full = |s: &State| s.lanes.get(n).is_some_and(Lane::is_full);
        let state = self.lock();
        if !full(&state) {
            return true;
        }
        !full(&self.room.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// The end is near: threads take what is there and leave.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }
}
