//! How does one capture run through the machine?
//!
//! A reader thread fills a short queue. For each batch: slices are decoded in parallel, then what needs packet order is done on
//! one thread, then shards of address pairs run in parallel, then shards of hosts; while that happens the next batch is already
//! being decoded. Rows go to the sink, which may block: that holds up everything before it, and memory stays bounded. The number
//! of shards is fixed and their outputs are taken in order, so the rows do not depend on the number of threads.

use super::front::{Front, Prepared, Slice};
use super::gather::Gather;
use super::host::{HostShard, RowBuffers};
use super::intervals::Intervals;
use super::judge::{SegmentJudge, watermark};
use super::lanes::{Lanes, fan_out};
use super::reader::{Heard, read};
use super::shard::Shard;
use super::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use super::stats::Stats;
use super::tables::CAPTURE_INTERVALS;
use super::weirds::WeirdLog;
use super::{Config, SHARDS, shard_of};
use crate::capture::{Polled, Source};
use crate::decode::{Decoder, Defragmenter, pair_hash};
use crate::flow::FlowTable;
use crate::model::addr::Ip;
use crate::model::ids::{CaptureId, CaptureNo};
use crate::model::ledger::{SourceLedger, Stop};
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use crate::model::weird::Weird;
use crate::protocol::dispatch::Dispatcher;
use crate::topology::{Inference, Subnets};
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Batches that may wait between reader and engine: one being filled ahead of the one in hand.
const QUEUED_BATCHES: usize = 2;
/// Flows taken from each shard in one round at the end of a capture, so that the last rows come in bounded portions.
const FLOWS_PER_ROUND: usize = 2_048;
/// How often a stream writes what it knows of hosts, nanoseconds: often enough to be asked, seldom enough that the parts of a day stay few.
const HOSTS_EVERY: i64 = 60_000_000_000;

/// Packets may be handled this much later than the tick of their time, nanoseconds: a flow shown once too often does no harm.
const OPEN_SLACK: i64 = 2_000_000_000;

/// What can go wrong besides the input, which never fails a run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError<E: std::error::Error + 'static> {
    /// The sink refused.
    #[error(transparent)]
    Sink(#[from] E),
    /// No threads could be started.
    #[error("cannot start worker threads: {0}")]
    Threads(String),
    /// The user stopped it; nothing of the capture was kept.
    #[error("stopped before the end of the capture; nothing of it was stored")]
    Interrupted,
    /// A record did not fit its table: a mistake in this program.
    #[error("internal error: {0} values did not fit their columns; nothing was stored")]
    Misfit(u64),
}

/// Run one capture from `source` into `sink` with `threads` workers (0 = one per core).
///
/// # Errors
/// When the sink fails, the user stops a file, or threads cannot be started. The capture is abandoned then. Damaged input is no
/// error: the summary's ledger tells.
pub fn run<S: Sink>(
    source: Box<dyn Source>,
    start: &CaptureStart,
    sink: &mut S,
    config: &Config,
    threads: usize,
    stats: &Arc<Stats>,
) -> Result<(CaptureSummary, Stored), EngineError<S::Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|n| format!("engine-{n}"))
        .build()
        .map_err(|e| EngineError::Threads(e.to_string()))?;
    let number = sink.begin(start)?;
    let outcome = std::thread::scope(|scope| {
        let (to_engine, from_reader) = sync_channel(QUEUED_BATCHES);
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, move || read(source, &to_engine))
            .map_err(|e| EngineError::Threads(e.to_string()))?;
        let mut engine = Engine::new(start, number, config, stats);
        // The receiver goes with it: when the engine fails, the reader learns by its next send.
        pool.install(|| engine.consume(from_reader, sink))?;
        let ledger = reader.join().map_err(|_| EngineError::Threads("the reader failed".into()))?;
        if !start.streaming && ledger.files.iter().any(|f| f.stop == Stop::Interrupted) {
            return Err(EngineError::Interrupted);
        }
        pool.install(|| engine.finish(&ledger, sink))?;
        let summary = engine.summary(ledger);
        // Storing the end of a large capture needs memory of its own.
        drop(engine);
        let stored = sink.commit(&summary)?;
        Ok((summary, stored))
    });
    if outcome.is_err() {
        // The first error is the one to tell; a sink that cannot even abandon leaves that to the next opening.
        let _ = sink.abandon();
    }
    outcome
}

/// State of one capture.
struct Engine {
    decoder: Arc<Decoder>,
    front: Front,
    shards: Vec<Shard>,
    hosts: Vec<HostShard>,
    lanes: Lanes,
    segment: SegmentJudge,
    /// The capture, and from which confidence on a finding is told.
    capture: CaptureId,
    least: f64,
    ours: Option<Subnets>,
    /// Is it a stream, which shows its rows as it goes?
    streaming: bool,
    /// When a stream last wrote its hosts, packet time.
    hosts_written: Option<Timestamp>,
    /// Nanoseconds after which a stream shows flows that go on (0: never), and up to which packet time it has.
    open_after: i64,
    opened: Option<Timestamp>,
    /// Which part of its packets a stream lost so far.
    lost: f64,
    weirds: Vec<Weird>,
    weird_rows: RowBuffers,
    weird_log: WeirdLog,
    intervals: Intervals,
    interval_rows: Rows,
    gather: Gather,
    spare: Vec<Slice>,
    stats: Arc<Stats>,
    flows: u64,
    misfits: u64,
}

impl Engine {
    fn new(start: &CaptureStart, number: CaptureNo, config: &Config, stats: &Arc<Stats>) -> Self {
        let budget = config.limits.per_shard();
        let shards = (0..SHARDS)
            .map(|n| {
                let app = Dispatcher::new(&config.protocol);
                Shard::new(n, FlowTable::new(&config.flow, number, budget, app))
            })
            .collect();
        let sensor = start.sensor.as_str().into();
        let inference = Inference::new(&config.topology);
        Self {
            decoder: Arc::new(Decoder::new(&config.decode)),
            front: Front::new(inference, Defragmenter::new(&config.decode)),
            shards,
            hosts: (0..SHARDS).map(|_| HostShard::new(start.capture_id, &sensor, &config.detect)).collect(),
            lanes: Lanes::new(),
            segment: SegmentJudge::new(&config.detect),
            capture: start.capture_id,
            least: config.detect.confidence_threshold,
            ours: None,
            streaming: start.streaming,
            hosts_written: None,
            open_after: crate::model::time::secs(config.flow.open_after),
            opened: None,
            lost: 0.0,
            weirds: Vec::new(),
            weird_rows: RowBuffers::new(start.capture_id),
            weird_log: WeirdLog::default(),
            intervals: Intervals::default(),
            interval_rows: Rows::new(&CAPTURE_INTERVALS),
            gather: Gather::default(),
            spare: Vec::new(),
            stats: Arc::clone(stats),
            flows: 0,
            misfits: 0,
        }
    }

    /// Everything the reader sends. The next batch is decoded while the one before it runs through the shards.
    fn consume<S: Sink>(
        &mut self,
        from_reader: Receiver<Heard>,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        let mut ready: Option<Prepared> = None;
        loop {
            // With work in hand never wait for more: a live packet must not wait for the one after it.
            let heard = if ready.is_some() { from_reader.try_recv().ok() } else { from_reader.recv().ok() };
            let (polled, ledger) = heard.map(|h| (h.polled, h.ledger)).unzip();
            let next = match polled {
                Some(Polled::Packets(batch)) => Some(batch),
                Some(Polled::Tick(now)) => {
                    if let Some(prepared) = ready.take() {
                        self.through(prepared, sink)?;
                    }
                    self.tick(now, sink)?;
                    if let Some(ledger) = ledger.flatten().filter(|_| self.streaming) {
                        self.lost = self.loss(&ledger);
                        self.intervals.read(now, &ledger.devices, self.capture, &mut self.interval_rows);
                        if let Some(detect) = sink.progress(&self.summary(ledger))? {
                            self.judge_by(&detect);
                        }
                    }
                    continue;
                }
                Some(Polled::End) | None if ready.is_none() => return Ok(()),
                Some(Polled::End) | None => None,
            };
            let decoder = Arc::clone(&self.decoder);
            let mut spare = std::mem::take(&mut self.spare);
            let decode = |spare: &mut Vec<Slice>| next.map(|batch| Prepared::decode(batch, &decoder, spare));
            ready = match ready.take() {
                None => {
                    let decoded = decode(&mut spare);
                    self.spare = spare;
                    decoded
                }
                Some(mut prepared) => {
                    let infer = self.ours.is_none();
                    self.front.in_order(&mut prepared, &decoder, infer, &mut self.weirds);
                    self.settle(false);
                    let now = self.front.clock.now();
                    prepared.said().for_each(|(arps, icmps)| self.segment.layers(arps, icmps));
                    let until = watermark(now);
                    let (shards, hosts, lanes, ours) =
                        (&mut self.shards, &mut self.hosts, &mut self.lanes, self.ours.as_ref());
                    let ((), decoded) = rayon::join(
                        || fan_out(shards, hosts, lanes, ours, until, &|shard| shard.run(&prepared, now)),
                        || decode(&mut spare),
                    );
                    self.judge_and_gather(until);
                    prepared.recycle(&mut spare);
                    self.spare = spare;
                    self.hand_on(false, sink)?;
                    self.write_hosts_of_stream(sink)?;
                    decoded
                }
            };
        }
    }

    /// One batch with nothing behind it.
    fn through<S: Sink>(
        &mut self,
        mut prepared: Prepared,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        self.front.in_order(&mut prepared, &self.decoder, self.ours.is_none(), &mut self.weirds);
        self.settle(false);
        let now = self.front.clock.now();
        prepared.said().for_each(|(arps, icmps)| self.segment.layers(arps, icmps));
        self.fan_out(watermark(now), &|s| s.run(&prepared, now));
        prepared.recycle(&mut self.spare);
        self.hand_on(false, sink)
    }

    /// Time passed without packets: expire, and hand on what is there, so that it can be asked for.
    fn tick<S: Sink>(&mut self, now: Timestamp, sink: &mut S) -> Result<(), EngineError<S::Error>> {
        self.front.clock.tick(now);
        self.settle(false);
        self.write_hosts_of_stream(sink)?;
        let open = self.open_due();
        self.fan_out(watermark(self.front.clock.now()), &|s| {
            s.tick(now);
            if let Some((began, active)) = open {
                s.still_open(began, active);
            }
        });
        self.hand_on(true, sink)
    }

    /// Other thresholds hold from now on.
    fn judge_by(&mut self, detect: &crate::detect::Config) {
        self.least = detect.confidence_threshold;
        self.hosts.iter_mut().for_each(|h| h.judge.renew(detect));
        self.segment.renew(detect);
    }

    /// Is it time to show flows that go on? Until when they must have begun, and after when been active.
    fn open_due(&mut self) -> Option<(Timestamp, Timestamp)> {
        let now = self.front.clock.now().filter(|_| self.streaming && self.open_after > 0)?;
        let last = *self.opened.get_or_insert(now);
        if now.since(last) < self.open_after {
            return None;
        }
        // What was active since the last time, packets that came a little late included.
        self.opened = Some(now);
        Some((now.plus(-self.open_after), last.plus(-OPEN_SLACK)))
    }

    /// The capture is over: flows still open are written in portions, then what the buffers hold.
    fn finish<S: Sink>(&mut self, ledger: &SourceLedger, sink: &mut S) -> Result<(), EngineError<S::Error>> {
        self.intervals.finish(self.front.clock.now(), &ledger.devices, self.capture, &mut self.interval_rows);
        let leftover = self.front.leftover(&mut self.weirds);
        self.settle(true);
        leftover.said().for_each(|(arps, icmps)| self.segment.layers(arps, icmps));
        self.fan_out(Timestamp::MAX, &|s| s.run(&leftover, None));
        self.hand_on(false, sink)?;
        loop {
            let more = std::sync::atomic::AtomicBool::new(false);
            self.fan_out(Timestamp::MAX, &|s| {
                if s.finish(FLOWS_PER_ROUND) {
                    more.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            });
            self.hand_on(false, sink)?;
            if !more.into_inner() {
                break;
            }
        }
        self.hosts.par_iter_mut().with_max_len(1).for_each(|h| h.judge.finish());
        self.segment.finish();
        self.write_hosts(ledger, sink)?;
        self.hand_on_findings(self.loss(ledger), sink)?;
        self.hand_on(true, sink)
    }

    /// Run the shards, then the detectors of the whole capture.
    fn fan_out(&mut self, until: Timestamp, work: &(dyn Fn(&mut Shard) + Sync)) {
        fan_out(&mut self.shards, &mut self.hosts, &mut self.lanes, self.ours.as_ref(), until, work);
        self.judge_and_gather(until);
    }

    /// The detectors of the whole capture look at what the shards let go, while the rows of the shards are gathered: neither touches what
    /// the other does.
    fn judge_and_gather(&mut self, until: Timestamp) {
        self.hosts.iter_mut().for_each(|host| self.segment.records(&mut host.judge.to_segment));
        let (segment, known) = (&mut self.segment, self.ours.is_some());
        let (hosts, weirds, gather) = (&mut self.hosts, &mut self.weirds, &mut self.gather);
        rayon::join(
            // Like rows, judgements wait for the local networks.
            || {
                if known {
                    segment.advance(until);
                }
            },
            || gather_rows(hosts, weirds, gather),
        );
    }

    /// Which part of the packets the capture lost, by what the capturing program says (0 to 1).
    fn loss(&self, ledger: &SourceLedger) -> f64 {
        let dropped: u64 = ledger.files.iter().flat_map(|f| &f.interfaces).filter_map(|i| i.dropped).sum();
        let seen = self.front.totals.packets;
        if dropped == 0 { 0.0 } else { dropped as f64 / (dropped + seen) as f64 }
    }

    /// Findings that changed, shard by shard in order.
    fn hand_on_findings<S: Sink>(&mut self, loss: f64, sink: &mut S) -> Result<(), EngineError<S::Error>> {
        let (capture, least) = (self.capture, self.least);
        let mut found = self.segment.take(capture, least, loss);
        for host in &mut self.hosts {
            found.extend(host.judge.take(capture, least, loss));
        }
        if !found.is_empty() {
            sink.anomalies(found)?;
        }
        Ok(())
    }

    /// What was seen of hosts, shard by shard, so that the rows of one are gone before the next come.
    fn write_hosts<S: Sink>(
        &mut self,
        ledger: &SourceLedger,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        for (ip, name) in ledger.files.iter().flat_map(|f| &f.names) {
            let ip = Ip::from(*ip);
            if let Some(host) = self.hosts.get_mut(shard_of(pair_hash(ip, ip))) {
                host.name(ip, name);
            }
        }
        for n in 0..self.hosts.len() {
            if let Some(host) = self.hosts.get_mut(n) {
                host.write_hosts();
            }
            self.hand_on(false, sink)?;
        }
        Ok(())
    }

    /// Streams show their hosts as they go: nobody knows when they end, and a killed process must leave more than flows.
    fn write_hosts_of_stream<S: Sink>(&mut self, sink: &mut S) -> Result<(), EngineError<S::Error>> {
        if !self.streaming {
            return Ok(());
        }
        let now = self.front.clock.now();
        match (self.hosts_written, now) {
            (Some(last), Some(now)) if now.since(last) >= HOSTS_EVERY => {
                self.hosts_written = Some(now);
                self.write_hosts(&SourceLedger::default(), sink)
            }
            (None, now) => {
                self.hosts_written = now;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Freeze the local networks once enough was seen, or at the end.
    fn settle(&mut self, end: bool) {
        if self.ours.is_some() {
            return;
        }
        let now = self.front.clock.now().unwrap_or_default();
        if end || !self.front.inference.wants_more(self.front.totals.packets, now) {
            self.ours = Some(self.front.inference.freeze());
        }
    }

    /// Gather what the shards have, in their order, and give full batches (or all) to the sink.
    fn hand_on<S: Sink>(&mut self, all: bool, sink: &mut S) -> Result<(), EngineError<S::Error>> {
        if self.streaming {
            self.hand_on_findings(self.lost, sink)?;
        }
        gather_rows(&mut self.hosts, &mut self.weirds, &mut self.gather);
        self.weird_rows.weirds(&mut self.weirds, &mut self.weird_log);
        self.weird_rows.gather(&mut self.gather);
        self.gather.add(&mut self.interval_rows);
        let mut rows_sent = 0;
        for rows in self.gather.take(all) {
            self.misfits += rows.faults();
            rows_sent += rows.len() as u64;
            sink.rows(rows)?;
        }
        let flows: u64 = self.hosts.iter().map(|h| h.flows).sum();
        self.stats.add_rows(rows_sent, flows - self.flows);
        self.flows = flows;
        let totals = &self.front.totals;
        self.stats.set_packets(totals.packets, totals.wire_bytes);
        if self.misfits > 0 { Err(EngineError::Misfit(self.misfits)) } else { Ok(()) }
    }

    fn summary(&mut self, ledger: SourceLedger) -> CaptureSummary {
        let caps_hit = self.caps_hit();
        let t = &self.front.totals;
        let ours = self.ours.clone().unwrap_or_default();
        let mut runs = Vec::new();
        self.hosts.iter().for_each(|host| host.judge.account(&mut runs));
        self.segment.account(&mut runs);
        CaptureSummary {
            ledger,
            first_ts: t.first_ts,
            last_ts: t.last_ts,
            wire_bytes: t.wire_bytes,
            decoded_packets: t.decoded,
            truncated_packets: t.truncated,
            unknown_link_packets: t.unknown_link,
            out_of_order_packets: t.out_of_order,
            weird_count: self.weird_log.total(),
            local_nets: ours.networks().to_vec(),
            local_nets_source: ours.source(),
            caps_hit,
            flows: self.flows,
            runs,
        }
    }

    /// What hit a cap, by name.
    fn caps_hit(&mut self) -> Vec<(&'static str, u64)> {
        let forgotten = self.hosts.iter().map(|h| h.names.forgotten()).sum();
        let mut caps =
            vec![("weirds_not_stored", self.weird_log.not_stored()), ("dns_names_forgotten", forgotten)];
        caps.push(("host_pairs_forgotten", self.hosts.iter().map(HostShard::pairs_forgotten).sum()));
        for shard in &mut self.shards {
            for (name, n) in shard.caps_hit() {
                match caps.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += n,
                    None => caps.push((name, n)),
                }
            }
        }
        caps.retain(|(_, n)| *n > 0);
        caps
    }
}

/// Gather rows and oddities of the shards, in their order.
fn gather_rows(hosts: &mut [HostShard], weirds: &mut Vec<Weird>, gather: &mut Gather) {
    for host in hosts {
        weirds.append(&mut host.weirds);
        host.rows.gather(gather);
    }
}
