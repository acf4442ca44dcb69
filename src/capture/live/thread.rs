//! How do packets get from a device into its lane?
//!
//! A thread of its own, which waits for the device and takes what the kernel has gathered. Where the device vanishes it says so and tries again, at
//! first soon, then every [`RETRY_MOST`]. When the end comes it takes what was captured before, bounded in time, and counts what it must leave.

use super::device::{self, HOLD_MS, Handle, NANOS};
use super::lane::{Exchange, Portion};
use super::{Notice, Settings, clock};
use crate::model::packet::{LinkType, PacketRef, Pool};
use crate::model::time::Timestamp;
use pcap::{Packet, Stat};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes taken together at most, and the time that may take: a busy wire must not make the first packet wait.
const BLOCK_BYTES: usize = 2 << 20;
const GATHER: Duration = Duration::from_millis(50);
/// Packets taken by one call: few enough that a block ends near its size, also with large ones.
const AT_ONCE: usize = 256;
/// Longest wait for a packet, between two looks at the stop flag.
const WAIT: Duration = Duration::from_millis(100);
/// Counters and the state of the device are asked this often.
const LOOK: Duration = Duration::from_millis(1_000);
/// Before the first and later attempts to open a vanished device.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MOST: Duration = Duration::from_secs(10);
/// What a silent device may still hold back, nanoseconds: twice what the kernel was told.
const HELD_BACK: i64 = 2 * HOLD_MS as i64 * 1_000_000;
/// At the end the ring is emptied for so long at most.
const DRAIN: Duration = Duration::from_secs(5);

/// One device and its thread.
pub(super) struct Capturing {
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) settings: Arc<Settings>,
    pub(super) exchange: Arc<Exchange>,
    pub(super) pool: Arc<Pool>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) notices: Sender<Notice>,
}

/// How reading a handle ended.
enum Ended {
    Asked,
    Lost(String),
}

/// What was counted at one handle.
#[derive(Default)]
struct Tally {
    last: Option<Stat>,
    /// Packets of this handle that went into the lane.
    read: u64,
    received: u64,
    dropped: u64,
}

impl Capturing {
    pub(super) fn run(self, handle: Option<Handle>) {
        let mut handle = handle;
        let mut wait = RETRY_FIRST;
        loop {
            if let Some(open) = handle.take() {
                wait = RETRY_FIRST;
                match self.read(open) {
                    Ended::Asked => break,
                    Ended::Lost(reason) => {
                        self.say(Notice::Gone { device: self.name.clone(), reason });
                    }
                }
            }
            if !self.pause(wait) {
                break;
            }
            wait = (wait * 2).min(RETRY_MOST);
            if !device::is_missing(&self.name)
                && let Ok(open) = Handle::open(&self.name, &self.settings)
            {
                self.say(Notice::Back { device: self.name.clone() });
                handle = Some(open);
            }
        }
        self.exchange.with(|s| {
            if let Some(lane) = s.lanes.get_mut(self.number) {
                lane.ended = true;
            }
        });
        self.exchange.came();
    }

    fn say(&self, notice: Notice) {
        // Nobody listening is no error.
        let _ = self.notices.send(notice);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.exchange.is_ending()
    }

    /// Nothing will come for a while; false when the end came.
    fn pause(&self, time: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < time {
            if self.is_over() {
                return false;
            }
            self.silent_until(clock::now());
            sleep(WAIT.min(time));
        }
        true
    }

    fn silent_until(&self, until: Timestamp) {
        self.exchange.with(|s| {
            if let Some(lane) = s.lanes.get_mut(self.number) {
                lane.until = until;
            }
        });
    }

    fn read(&self, mut handle: Handle) -> Ended {
        let link = handle.link;
        self.exchange.with(|s| {
            if let Some(lane) = s.lanes.get_mut(self.number) {
                lane.link = Some(link);
            }
        });
        let mut tally = Tally::default();
        let mut looked: Option<Instant> = None;
        let mut down = false;
        let mut over: Option<(Instant, Timestamp)> = None;
        loop {
            if over.is_none() && self.is_over() {
                over = Some((Instant::now(), clock::now()));
            }
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                self.count(&mut handle, &mut tally);
                let now_down = device::is_down(&self.name);
                if now_down != down {
                    down = now_down;
                    let device = self.name.clone();
                    self.say(if down { Notice::Down { device } } else { Notice::Up { device } });
                }
                if device::is_missing(&self.name) {
                    return Ended::Lost("it is not there any more".to_owned());
                }
            }
            // A full lane is not read into: the ring holds what comes, and the kernel counts what it cannot hold.
            if !self.exchange.has_room(self.number, WAIT) {
                if over.is_some_and(|(since, _)| since.elapsed() >= DRAIN) {
                    self.leave(&mut handle, &mut tally);
                    return Ended::Asked;
                }
                continue;
            }
            let before = clock::now();
            let (taken, last) = match self.take(&mut handle, link) {
                Ok(taken) => taken,
                Err(reason) => {
                    self.count(&mut handle, &mut tally);
                    return Ended::Lost(reason);
                }
            };
            tally.read += taken;
            if let Some((since, at)) = over {
                // The ring gives up a block that is not full only after its time; then what came before the end is here.
                let held = since.elapsed() >= Duration::from_millis(2 * HOLD_MS as u64);
                if (taken == 0 && held) || last.is_some_and(|ts| ts > at) {
                    self.count(&mut handle, &mut tally);
                    return Ended::Asked;
                }
                if since.elapsed() >= DRAIN {
                    self.leave(&mut handle, &mut tally);
                    return Ended::Asked;
                }
            }
            if taken == 0 {
                self.silent_until(before.plus(-HELD_BACK));
                self.exchange.came();
                wait_for(&handle);
            }
        }
    }

    /// Take what is there, up to a block. How many packets, and the time of the last one.
    fn take(&self, handle: &mut Handle, link: LinkType) -> Result<(u64, Option<Timestamp>), String> {
        let mut block = self.pool.take();
        let mut packets: Vec<PacketRef> = Vec::new();
        let file_no = self.number as u16;
        let begun = Instant::now();
        let mut lost = None;
        while block.len() < BLOCK_BYTES && begun.elapsed() < GATHER {
            let room = (BLOCK_BYTES - block.len()) / 64;
            let took = handle.capture.dispatch(Some(room.clamp(1, AT_ONCE)), |packet: Packet<'_>| {
                packets.push(PacketRef {
                    ts: stamp(&packet),
                    file_offset: 0,
                    start: block.len() as u32,
                    captured: packet.data.len() as u32,
                    original: packet.header.len.max(packet.data.len() as u32),
                    interface: 0,
                    file_no,
                    link,
                });
                block.extend_from_slice(packet.data);
            });
            match took {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) => {
                    lost = Some(device::words(&e));
                    break;
                }
            }
        }
        let taken = packets.len() as u64;
        let last = packets.last().map(|p| p.ts);
        if taken > 0 {
            let arrived = Instant::now();
            self.exchange.with(|s| {
                if let Some(lane) = s.lanes.get_mut(self.number) {
                    lane.push(Portion { packets, block, arrived });
                    // On a busy wire time passes with the packets.
                    lane.until = last.unwrap_or(lane.until);
                }
            });
            self.exchange.came();
        } else {
            drop(crate::model::packet::Block::pooled(block, &self.pool));
        }
        match lost {
            Some(reason) if taken == 0 => Err(reason),
            // It will say so again.
            _ => Ok((taken, last)),
        }
    }

    /// Add what the system counted since the last time. Its counters have 32 bits and begin anew with each handle.
    fn count(&self, handle: &mut Handle, tally: &mut Tally) {
        let Ok(stat) = handle.capture.stats() else { return };
        let last = tally.last.unwrap_or(Stat { received: 0, dropped: 0, if_dropped: 0 });
        let received = u64::from(stat.received.wrapping_sub(last.received));
        let kernel = u64::from(stat.dropped.wrapping_sub(last.dropped));
        // The system's own counters, which may be reset by its driver.
        let interface = u64::from(stat.if_dropped.saturating_sub(last.if_dropped));
        tally.last = Some(stat);
        tally.received += received;
        tally.dropped += kernel;
        self.exchange.with(|s| {
            if let Some(lane) = s.lanes.get_mut(self.number) {
                lane.counts.received += received;
                lane.counts.kernel += kernel;
                lane.counts.interface += interface;
            }
        });
    }

    /// The end came and the ring is not empty: what is left in it is lost by our fault.
    fn leave(&self, handle: &mut Handle, tally: &mut Tally) {
        self.count(handle, tally);
        let left = tally.received.saturating_sub(tally.dropped).saturating_sub(tally.read);
        self.exchange.with(|s| {
            if let Some(lane) = s.lanes.get_mut(self.number) {
                lane.counts.ours += left;
            }
        });
    }
}

fn stamp(packet: &Packet<'_>) -> Timestamp {
    let ts = packet.header.ts;
    // Not everywhere of the same width.
    #[allow(clippy::useless_conversion)]
    let (secs, fraction) = (i64::from(ts.tv_sec), i64::from(ts.tv_usec));
    Timestamp::from_secs_nanos(secs, if NANOS { fraction } else { fraction * 1_000 })
}

/// Wait until the device has something, at most [`WAIT`].
fn wait_for(handle: &Handle) {
    let descriptor = handle.capture.as_fd();
    let mut fds = [PollFd::new(&descriptor, PollFlags::IN)];
    let time = Timespec { tv_sec: 0, tv_nsec: i64::from(WAIT.subsec_nanos()) };
    let ready = poll(&mut fds, Some(&time));
    // A device that is down is always ready to say so: not more often than this.
    if ready.is_err() || fds.iter().any(|f| f.revents().intersects(PollFlags::ERR | PollFlags::HUP)) {
        sleep(WAIT);
    }
}
