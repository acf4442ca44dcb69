//! What goes over the wire right now?
//!
//! One or several devices through libpcap (pcap(3PCAP)), as one stream. Each device has a thread that does nothing but take
//! packets out of the kernel's ring into a bounded queue ([`lane`]); here they are given out, those of several devices in time order within
//! [`MERGE_WAIT`]. When the engine is slow the queue fills, then the ring, and then the kernel drops and counts: nobody ever waits for the
//! store. Ticks come every [`TICK`], also on a busy wire, and never tell a time that a packet still under way would have to be put before. A device that
//! vanishes is reported and awaited. The wall clock is read for ticks alone. Refuses to look into packets, and to change privileges.

mod clock;
mod device;
mod lane;
#[cfg(test)]
mod tests;
mod thread;

pub use device::{Found, LiveError, list};
pub use lane::Counts;

use super::{Polled, Source};
use crate::model::ledger::{DeviceLedger, FileLedger, Interface, SourceLedger, Stop};
use crate::model::packet::{Batch, Block, LinkType, PacketRef, Pool};
use crate::model::time::Timestamp;
use device::Handle;
use ipnetwork::IpNetwork;
use lane::{Exchange, Lane, Portion, State};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The engine hears the time this often, so that flows expire and rows become visible.
const TICK: Duration = Duration::from_secs(1);
/// A packet waits at most this long for earlier ones of other devices: three times what a ring may hold back.
const MERGE_WAIT: Duration = Duration::from_millis(300);
/// Between two looks at clock and stop flag while nothing comes.
const NAP: Duration = Duration::from_millis(50);
/// Packets and bytes of a batch put together from several devices.
const MERGED_PACKETS: usize = 1 << 15;
const MERGED_BYTES: usize = 2 << 20;
/// Idle buffers kept for the next blocks: as many as are under way while nothing waits. Those that a stall needed go back to the system after it.
const POOLED_BLOCKS: usize = 6;
/// Most devices of one capture: far below what file numbers could tell apart.
pub const MAX_DEVICES: usize = 64;

/// What to capture.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of devices; `any` is all of them (Linux).
    pub devices: Vec<String>,
    /// A filter expression of libpcap, run in the kernel.
    pub filter: Option<String>,
    /// Bytes captured of a packet at most.
    pub snaplen: u32,
    /// MiB of the kernel's ring, a device.
    pub buffer_mib: u32,
    /// Also packets for others?
    pub promiscuous: bool,
    /// End after so many packets.
    pub packets: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            filter: None,
            snaplen: 262_144,
            buffer_mib: 64,
            promiscuous: true,
            packets: None,
            duration: None,
        }
    }
}

/// What a person should hear of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// It cannot be read any more; it is awaited.
    Gone {
        /// The device.
        device: String,
        /// Why.
        reason: String,
    },
    /// It is read (again).
    Back {
        /// The device.
        device: String,
    },
    /// It is there, but switched off.
    Down {
        /// The device.
        device: String,
    },
    /// It is switched on again.
    Up {
        /// The device.
        device: String,
    },
    /// The clock of this machine was set, or it slept: packets after that bear other times.
    ClockSet {
        /// By how much, nanoseconds; back is negative.
        step: i64,
    },
    /// It delivers only what is addressed to this machine.
    NotPromiscuous {
        /// The device.
        device: String,
    },
}

/// Devices that are open, before a thread reads from them: the moment to give up privileges.
#[derive(Debug)]
pub struct Opened {
    settings: Settings,
    handles: Vec<(String, Option<Handle>)>,
    networks: Vec<IpNetwork>,
    notices: Vec<Notice>,
}

/// Open every device. One that is there but switched off is awaited later.
///
/// # Errors
/// When a device does not exist or may not be opened, or the filter is not understood.
pub fn open(settings: &Settings) -> Result<Opened, LiveError> {
    let mut devices = settings.devices.clone();
    let mut seen = std::collections::BTreeSet::new();
    devices.retain(|d| seen.insert(d.clone()));
    if devices.is_empty() || devices.len() > MAX_DEVICES {
        return Err(LiveError::HowMany(devices.len()));
    }
    if let Some(filter) = &settings.filter {
        super::filter::check(filter).map_err(|e| LiveError::Filter(e.to_string()))?;
    }
    let found = device::all()?;
    let networks = device::networks(&found, &devices);
    let (mut handles, mut notices) = (Vec::new(), Vec::new());
    for name in devices {
        if !found.iter().any(|f| f.name == name) {
            let known = found.iter().map(|f| f.name.clone()).filter(|n| device::is_network(n)).collect();
            return Err(LiveError::NoSuchDevice { device: name, known });
        }
        match Handle::open(&name, settings) {
            Ok(handle) => {
                if settings.promiscuous && !handle.promiscuous && name != device::ANY {
                    notices.push(Notice::NotPromiscuous { device: name.clone() });
                }
                handles.push((name, Some(handle)));
            }
            Err(LiveError::Device { reason, .. }) if device::is_down(&name) => {
                notices.push(Notice::Gone { device: name.clone(), reason });
                handles.push((name, None));
            }
            Err(e) => return Err(e),
        }
    }
    Ok(Opened { settings: settings.clone(), handles, networks, notices })
}

impl Opened {
    /// The networks of the devices: whose addresses are ours.
    pub fn networks(&self) -> &[IpNetwork] {
        &self.networks
    }

    /// The devices, for messages: `eth0, wlan0`.
    pub fn label(&self) -> String {
        self.handles.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Begin to read: one thread a device, with the privileges that the calling thread has now. `stop` ends it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(self, stop: &Arc<AtomicBool>, notices: &Sender<Notice>) -> std::io::Result<Live> {
        let lanes = self.handles.iter().map(|(name, _)| Lane::new(name)).collect();
        let exchange = Arc::new(Exchange::new(lanes));
        let pool = Pool::new(POOLED_BLOCKS);
        let settings = Arc::new(self.settings);
        for notice in self.notices {
            // Nobody listening is no error.
            let _ = notices.send(notice);
        }
        let mut threads = Vec::new();
        for (n, (name, handle)) in self.handles.into_iter().enumerate() {
            let capture = thread::Capturing {
                number: n,
                name,
                settings: Arc::clone(&settings),
                exchange: Arc::clone(&exchange),
                pool: Arc::clone(&pool),
                stop: Arc::clone(stop),
                notices: notices.clone(),
            };
            let builder = std::thread::Builder::new().name(format!("capture-{n}"));
            threads.push(builder.spawn(move || capture.run(handle))?);
        }
        Ok(Live {
            exchange,
            pool,
            threads,
            stop: Arc::clone(stop),
            limit: settings.packets,
            until: settings.duration.map(|d| Instant::now() + d),
            snaplen: settings.snaplen,
            next_number: 1,
            ticked: Instant::now(),
            steps: clock::Steps::new(),
            notices: notices.clone(),
        })
    }
}

/// Packets of devices as they come.
#[derive(Debug)]
pub struct Live {
    exchange: Arc<Exchange>,
    pool: Arc<Pool>,
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    limit: Option<u64>,
    until: Option<Instant>,
    snaplen: u32,
    next_number: u64,
    ticked: Instant,
    steps: clock::Steps,
    notices: Sender<Notice>,
}

/// A look at the counters of a running capture, from any thread.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Exchange>);

impl Watch {
    /// What was counted so far, device by device.
    pub fn counts(&self) -> Vec<(String, Counts)> {
        self.0.with(|s| s.lanes.iter().map(|l| (l.name.clone(), l.counts)).collect())
    }
}

impl Live {
    /// A look at its counters.
    pub fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.exchange))
    }

    fn batch(&mut self, mut packets: Vec<PacketRef>, block: Vec<u8>) -> Polled {
        let first_number = self.next_number;
        if let Some(limit) = self.limit {
            let room = limit.saturating_add(1).saturating_sub(first_number);
            packets.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        self.next_number = first_number.saturating_add(packets.len() as u64);
        if self.limit.is_some_and(|limit| self.next_number > limit) {
            self.exchange.end();
        }
        self.exchange.with(|s| {
            for p in &packets {
                if let Some(lane) = s.lanes.get_mut(usize::from(p.file_no)) {
                    lane.given += 1;
                    lane.given_bytes += u64::from(p.captured);
                    lane.given_wire += u64::from(p.original);
                }
            }
        });
        Polled::Packets(Batch { first_number, block: Arc::new(Block::pooled(block, &self.pool)), packets })
    }

    /// Packets of several devices in time order, as far as nothing earlier can come.
    fn merged(&self, state: &mut State) -> Option<(Vec<PacketRef>, Vec<u8>)> {
        let overdue =
            state.lanes.iter().filter_map(|l| l.portions.front()).any(|p| p.arrived.elapsed() >= MERGE_WAIT);
        let safe = if overdue { Timestamp::MAX } else { state.lanes.iter().map(Lane::complete_to).min()? };
        let (mut packets, mut block) = (Vec::new(), self.pool.take());
        while packets.len() < MERGED_PACKETS && block.len() < MERGED_BYTES {
            let next = state
                .lanes
                .iter()
                .enumerate()
                .filter_map(|(n, l)| Some((l.next()?.0, n)))
                .min()
                .filter(|(ts, _)| *ts <= safe);
            let Some((_, n)) = next else { break };
            let Some((meta, data)) = state.lanes.get(n).and_then(Lane::next_packet) else { break };
            packets.push(PacketRef { start: block.len() as u32, ..meta });
            block.extend_from_slice(data);
            if let Some(lane) = state.lanes.get_mut(n) {
                lane.advance(&self.pool);
            }
        }
        if packets.is_empty() { None } else { Some((packets, block)) }
    }
}

impl Source for Live {
    fn poll(&mut self) -> Polled {
        let exchange = Arc::clone(&self.exchange);
        let mut state = exchange.lock();
        loop {
            if self.limit.is_some_and(|limit| self.next_number > limit) {
                return Polled::End;
            }
            if self.stop.load(Ordering::Relaxed) || self.until.is_some_and(|u| Instant::now() >= u) {
                exchange.end();
            }
            if self.ticked.elapsed() >= TICK {
                self.ticked = Instant::now();
                if let Some(step) = self.steps.look() {
                    // Nobody listening is no error.
                    let _ = self.notices.send(Notice::ClockSet { step });
                }
                // Nothing that is still to come is earlier than this.
                let now = state.lanes.iter().map(Lane::silent_to).min();
                if let Some(now) = now.filter(|now| *now > Timestamp(0)) {
                    return Polled::Tick(now);
                }
            }
            let ready = match state.lanes.as_mut_slice() {
                [only] => only.take().map(|Portion { packets, block, .. }| (packets, block)),
                _ => self.merged(&mut state),
            };
            if let Some((packets, block)) = ready {
                drop(state);
                exchange.freed();
                return self.batch(packets, block);
            }
            if state.lanes.iter().all(|l| l.ended && l.portions.is_empty()) {
                return Polled::End;
            }
            state = exchange.wait(state, NAP);
        }
    }

    fn ledger(&self) -> SourceLedger {
        let snaplen = self.snaplen;
        let all_ended = self.threads.iter().all(JoinHandle::is_finished);
        let (files, devices) = self.exchange.with(|s| {
            let ended = all_ended || s.lanes.iter().all(|l| l.ended) || self.exchange.is_ending();
            let file = |l: &Lane| FileLedger {
                path: (&l.name).into(),
                format: "live",
                interfaces: vec![Interface {
                    name: Some(l.name.clone()),
                    link: l.link.unwrap_or(LinkType::ETHERNET),
                    snaplen,
                    received: Some(l.counts.received),
                    dropped: Some(l.counts.dropped()),
                }],
                packets: l.given,
                bytes: l.given_bytes,
                stop: if ended { Stop::End } else { Stop::Reading },
                ..FileLedger::default()
            };
            let device = |l: &Lane| DeviceLedger {
                name: l.name.clone(),
                packets: l.given,
                bytes: l.given_wire,
                dropped_kernel: l.counts.kernel,
                dropped_interface: l.counts.interface,
                dropped_here: l.counts.ours,
            };
            (s.lanes.iter().map(file).collect(), s.lanes.iter().map(device).collect())
        });
        SourceLedger { files, devices, ..SourceLedger::default() }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.exchange.end();
        self.exchange.freed();
        for thread in self.threads.drain(..) {
            // What a thread that failed had to say was said by its lane.
            let _ = thread.join();
        }
    }
}
