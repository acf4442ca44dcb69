//! Who talks most right now, and over which services?
//!
//! Hosts: packets on their way to the engine are looked at as they pass, so that who sends now is seen now and not when a flow ends. At most
//! [`LOOKED_AT`] packets a second are decoded; of more, every second, third … one is looked at and counted as often, so that looking costs a bounded part of
//! a core. Services: the flows that were written, by what they spoke. Both leave what is to be shown behind a lock that is held for a copy
//! of some lines: nobody waits for the screen. Refuses exactness: exact is the database.

use crate::capture::{Polled, Source};
use crate::decode::{self, Decoder, Layers, Role};
use crate::engine::tables::FLOWS;
use crate::model::addr::Ip;
use crate::model::flow::EndReason;
use crate::model::ids::CaptureId;
use crate::model::ledger::SourceLedger;
use crate::model::packet::Batch;
use crate::model::rows::{Rows, Values};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Packets decoded a second at most: a sample of that size tells the busy ones from the rest.
const LOOKED_AT: u64 = 50_000;
/// Between two publications.
const EVERY: Duration = Duration::from_secs(1);
/// Hosts remembered, 64 bytes each; beyond it the quieter half goes.
const HOSTS: usize = 16_384;
/// Services remembered; there are some hundred names.
const SERVICES: usize = 1_024;
/// Lines published: more than any terminal shows.
const LINES: usize = 100;
/// What is left of a host's recent bytes after a second: they are those of some ten seconds.
const FADING: f64 = 0.9;

/// A host.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Talker {
    pub(super) host: Ip,
    /// Bits a second that it sent and received, over some ten seconds.
    pub(super) sends: f64,
    pub(super) receives: f64,
    /// Bytes on the wire, both ways, since it was first remembered.
    pub(super) bytes: u64,
}

/// A service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ServiceLine {
    pub(super) name: String,
    pub(super) flows: u64,
    pub(super) bytes: u64,
}

/// What was published last.
#[derive(Clone, Default, Debug)]
pub(super) struct Busy {
    pub(super) talkers: Vec<Talker>,
    pub(super) services: Vec<ServiceLine>,
}

/// Busy hosts and services, for the one who shows them.
#[derive(Clone, Default, Debug)]
pub(in crate::cli::monitor) struct Shared(Arc<Mutex<Busy>>);

impl Shared {
    fn with<T>(&self, f: impl FnOnce(&mut Busy) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was published last.
    pub(super) fn now(&self) -> Busy {
        self.with(|b| b.clone())
    }
}

#[derive(Clone, Copy, Default)]
struct Host {
    sent: f64,
    received: f64,
    bytes: u64,
}

/// Bytes of hosts.
#[derive(Default)]
struct Hosts(BTreeMap<Ip, Host>);

impl Hosts {
    fn add(&mut self, src: Ip, dst: Ip, bytes: u64) {
        let from = self.0.entry(src).or_default();
        from.sent += bytes as f64;
        from.bytes += bytes;
        let to = self.0.entry(dst).or_default();
        to.received += bytes as f64;
        to.bytes += bytes;
    }

    /// So many seconds passed: the busiest ones, and what was sent longer ago counts less from now on.
    fn pass(&mut self, seconds: f64) -> Vec<Talker> {
        let fading = FADING.powf(seconds.max(0.0));
        // Where the rate is steady, recent bytes come to rate * EVERY / (1 - FADING).
        let per_s = 8.0 * (1.0 - FADING) / EVERY.as_secs_f64();
        let mut all: Vec<(Ip, Host)> = self.0.iter().map(|(ip, h)| (*ip, *h)).collect();
        all.sort_by(|(_, a), (_, b)| (b.sent + b.received).total_cmp(&(a.sent + a.received)));
        if all.len() > HOSTS {
            for (ip, _) in all.iter().skip(HOSTS / 2) {
                self.0.remove(ip);
            }
        }
        for h in self.0.values_mut() {
            h.sent *= fading;
            h.received *= fading;
        }
        let talker = |(host, h): &(Ip, Host)| Talker {
            host: *host,
            sends: h.sent * per_s,
            receives: h.received * per_s,
            bytes: h.bytes,
        };
        all.iter().take(LINES).map(talker).collect()
    }
}

/// A source whose packets are looked at as they pass.
pub(in crate::cli::monitor) struct Tap {
    source: Box<dyn Source>,
    shared: Shared,
    decoder: Decoder,
    layers: Layers,
    hosts: Hosts,
    /// Of so many packets one is looked at, chosen by how many came in the second before.
    one_of: u64,
    came: u64,
    published: Instant,
}

impl Tap {
    pub(in crate::cli::monitor) fn new(source: Box<dyn Source>, shared: &Shared) -> Self {
        Self {
            source,
            shared: shared.clone(),
            decoder: Decoder::new(&decode::Config::default()),
            layers: Layers::default(),
            hosts: Hosts::default(),
            one_of: 1,
            came: 0,
            published: Instant::now(),
        }
    }

    fn look(&mut self, batch: &Batch) {
        let each = usize::try_from(self.one_of).unwrap_or(usize::MAX).max(1);
        let skip = (self.one_of - self.came % self.one_of.max(1)) as usize % each;
        self.came += batch.packets.len() as u64;
        for index in (skip..batch.packets.len()).step_by(each) {
            let Some(packet) = batch.get(index) else { continue };
            self.layers.clear();
            self.decoder.decode(&packet, index as u32, &mut self.layers);
            let outermost = self.layers.items.iter().find(|d| d.level == 0 && d.role == Role::Packet);
            if let Some(d) = outermost {
                self.hosts.add(d.src, d.dst, u64::from(packet.meta.original) * self.one_of);
            }
        }
    }

    fn publish(&mut self) {
        let passed = self.published.elapsed();
        if passed < EVERY {
            return;
        }
        let seconds = passed.as_secs_f64();
        self.published = Instant::now();
        let talkers = self.hosts.pass(seconds);
        self.shared.with(|b| b.talkers = talkers);
        let rate = std::mem::take(&mut self.came) as f64 / seconds;
        self.one_of = (rate as u64).div_ceil(LOOKED_AT).max(1);
    }
}

impl Source for Tap {
    fn poll(&mut self) -> Polled {
        let polled = self.source.poll();
        if let Polled::Packets(batch) = &polled {
            self.look(batch);
        }
        self.publish();
        polled
    }

    fn ledger(&self) -> SourceLedger {
        self.source.ledger()
    }

    fn cut(&mut self, next: CaptureId) -> SourceLedger {
        self.source.cut(next)
    }
}

/// Services of the flows that were written.
pub(in crate::cli::monitor) struct Services {
    shared: Shared,
    columns: Columns,
    all: BTreeMap<String, (u64, u64)>,
    published: Option<Instant>,
}

/// Places of columns in `flows`.
struct Columns {
    service: usize,
    reason: usize,
    bytes: [usize; 2],
}

impl Services {
    pub(in crate::cli::monitor) fn new(shared: &Shared) -> Self {
        let place = |name: &str| FLOWS.all_columns().position(|c| c.name == name).unwrap_or(usize::MAX);
        let columns = Columns {
            service: place("service"),
            reason: place("end_reason"),
            bytes: [place("src_ip_bytes"), place("dst_ip_bytes")],
        };
        Self { shared: shared.clone(), columns, all: BTreeMap::new(), published: None }
    }

    /// Rows on their way to the store.
    pub(in crate::cli::monitor) fn see(&mut self, rows: &Rows) {
        if rows.table.name != FLOWS.name {
            return;
        }
        let number = |row: usize, column: usize| match rows.columns.get(column).map(|c| &c.values) {
            Some(Values::U64(v)) => v.get(row).copied().unwrap_or(0),
            _ => 0,
        };
        for row in 0..rows.len() {
            // A flow that goes on comes again when it ends.
            if rows.get(row, self.columns.reason).as_deref() == Some(EndReason::Open.name()) {
                continue;
            }
            let name = rows.get(row, self.columns.service).unwrap_or_else(|| "(unknown)".to_owned());
            if self.all.len() >= SERVICES && !self.all.contains_key(&name) {
                continue;
            }
            let (flows, bytes) = self.all.entry(name).or_default();
            *flows += 1;
            *bytes += self.columns.bytes.iter().map(|c| number(row, *c)).sum::<u64>();
        }
        if self.published.is_none_or(|at| at.elapsed() >= EVERY) {
            self.publish();
        }
    }

    /// Show what was counted; also called when time passes without rows.
    pub(in crate::cli::monitor) fn publish(&mut self) {
        self.published = Some(Instant::now());
        let line = |(name, (flows, bytes)): (&String, &(u64, u64))| ServiceLine {
            name: name.clone(),
            flows: *flows,
            bytes: *bytes,
        };
        let mut lines: Vec<ServiceLine> = self.all.iter().map(line).collect();
        lines.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        lines.truncate(LINES);
        self.shared.with(|b| b.services = lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Ip {
        Ip::v4([10, 0, 0, last])
    }

    #[test]
    fn a_steady_host_shows_its_rate_and_a_silent_one_fades() {
        let mut hosts = Hosts::default();
        let mut shown = Vec::new();
        for _ in 0..100 {
            hosts.add(ip(1), ip(2), 1_000);
            shown = hosts.pass(1.0);
        }
        assert_eq!((shown[0].host, shown[0].bytes), (ip(1), 100_000));
        assert!((shown[0].sends - 8_000.0).abs() < 1.0 && shown[0].receives == 0.0, "{shown:?}");
        for _ in 0..60 {
            shown = hosts.pass(1.0);
        }
        assert!(shown[0].sends < 20.0, "{shown:?}");
    }

    #[test]
    fn many_hosts_do_not_grow_memory_and_the_busy_ones_stay() {
        let mut hosts = Hosts::default();
        for n in 0..(HOSTS as u32 + 10) {
            hosts.add(Ip::v4(n.to_be_bytes()), ip(9), if n == 77 { 9_000 } else { 10 });
        }
        hosts.pass(1.0);
        assert_eq!(hosts.0.len(), HOSTS / 2);
        assert!(hosts.0.contains_key(&ip(9)) && hosts.0.contains_key(&Ip::v4(77_u32.to_be_bytes())));
    }
}
