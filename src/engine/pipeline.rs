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
use super::{Config, SHARDS};
use crate::capture::{Polled, Source};
use crate::decode::{Decoder, Defragmenter};
use crate::detect::Expected;
use crate::flow::FlowTable;
use crate::model::ids::CaptureNo;
use crate::model::ledger::Stop;
use crate::model::packet::Batch;
use crate::model::rows::Rows;
use crate::model::time::Timestamp;
use crate::model::weird::Weird;
use crate::protocol::dispatch::Dispatcher;
use crate::topology::{Inference, Subnets};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Batches that may wait between reader and engine: one being filled ahead of the one in hand.
const QUEUED_BATCHES: usize = 2;

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
    let (first, rotation) = (start.capture_id, start.rotation.filter(|_| start.streaming));
    let outcome = std::thread::scope(|scope| {
        let (to_engine, from_reader) = sync_channel(QUEUED_BATCHES);
        let reader = std::thread::Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, move || read(source, first, rotation, &to_engine))
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
pub(super) struct Engine {
    decoder: Arc<Decoder>,
    pub(super) front: Front,
    pub(super) shards: Vec<Shard>,
    pub(super) hosts: Vec<HostShard>,
    lanes: Lanes,
    pub(super) segment: SegmentJudge,
    /// The capture at hand.
    pub(super) capture: CaptureStart,
    /// Number of the last packet that came, and of the last one before the capture at hand, as the source counts.
    pub(super) last_number: u64,
    pub(super) before: u64,
    /// From which confidence on a finding is told.
    least: f64,
    /// Which findings are meant to be.
    expected: Expected,
    pub(super) ours: Option<Subnets>,
    /// Is it a stream, which shows its rows as it goes?
    pub(super) streaming: bool,
    /// When a stream last wrote its hosts, packet time.
    pub(super) hosts_written: Option<Timestamp>,
    /// Nanoseconds after which a stream shows flows that go on (0: never), and up to which packet time it has.
    open_after: i64,
    opened: Option<Timestamp>,
    /// Which part of its packets a stream lost so far.
    pub(super) lost: f64,
    pub(super) weirds: Vec<Weird>,
    pub(super) weird_rows: RowBuffers,
    pub(super) weird_log: WeirdLog,
    pub(super) intervals: Intervals,
    pub(super) interval_rows: Rows,
    gather: Gather,
    spare: Vec<Slice>,
    stats: Arc<Stats>,
    pub(super) flows: u64,
    /// Packets and bytes on the wire of the captures before, where the stream was cut.
    pub(super) passed: (u64, u64),
    /// What had hit a cap by then.
    pub(super) caps_before: Vec<(&'static str, u64)>,
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
            capture: start.clone(),
            last_number: 0,
            before: 0,
            least: config.detect.confidence_threshold,
            expected: config.detect.expected.clone(),
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
            passed: (0, 0),
            caps_before: Vec::new(),
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
            let (polled, account) = heard.map(|h| (h.polled, (h.ledger, h.next))).unzip();
            let (ledger, cut) = account.unwrap_or_default();
            let next = match polled {
                Some(Polled::Packets(batch)) => Some(self.numbered(batch)),
                Some(Polled::Tick(now)) => {
                    if let Some(prepared) = ready.take() {
                        self.through(prepared, sink)?;
                    }
                    self.tick(now, sink)?;
                    let Some(ledger) = ledger.filter(|_| self.streaming) else { continue };
                    if let Some(next) = cut {
                        self.cut(ledger, next, sink)?;
                    } else {
                        self.lost = self.loss(&ledger);
                        let capture = self.capture.capture_id;
                        self.intervals.read(now, &ledger.devices, capture, &mut self.interval_rows);
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

    /// Packets are numbered in their capture, those of a stream that was cut from the cut on.
    fn numbered(&mut self, mut batch: Batch) -> Batch {
        self.last_number = batch.first_number.saturating_add(batch.packets.len() as u64).saturating_sub(1);
        batch.first_number = batch.first_number.saturating_sub(self.before);
        batch
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
        self.expected = detect.expected.clone();
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

    /// Run the shards, then the detectors of the whole capture.
    pub(super) fn fan_out(&mut self, until: Timestamp, work: &(dyn Fn(&mut Shard) + Sync)) {
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

    /// Findings that changed, shard by shard in order.
    pub(super) fn hand_on_findings<S: Sink>(
        &mut self,
        loss: f64,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        let (capture, least) = (self.capture.capture_id, self.least);
        let mut found = self.segment.take(capture, least, loss);
        for host in &mut self.hosts {
            found.extend(host.judge.take(capture, least, loss));
        }
        found.iter_mut().for_each(|a| a.expected = self.expected.covers(a));
        if !found.is_empty() {
            sink.anomalies(found)?;
        }
        Ok(())
    }

    /// Freeze the local networks once enough was seen, or at the end.
    pub(super) fn settle(&mut self, end: bool) {
        if self.ours.is_some() {
            return;
        }
        let now = self.front.clock.now().unwrap_or_default();
        if end || !self.front.inference.wants_more(self.front.totals.packets, now) {
            self.ours = Some(self.front.inference.freeze());
        }
    }

    /// Gather what the shards have, in their order, and give full batches (or all) to the sink.
    pub(super) fn hand_on<S: Sink>(&mut self, all: bool, sink: &mut S) -> Result<(), EngineError<S::Error>> {
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
        let (totals, (packets, bytes)) = (&self.front.totals, self.passed);
        self.stats.set_packets(packets + totals.packets, bytes + totals.wire_bytes);
        if self.misfits > 0 { Err(EngineError::Misfit(self.misfits)) } else { Ok(()) }
    }
}

/// Gather rows and oddities of the shards, in their order.
fn gather_rows(hosts: &mut [HostShard], weirds: &mut Vec<Weird>, gather: &mut Gather) {
    for host in hosts {
        weirds.append(&mut host.weirds);
        host.rows.gather(gather);
    }
}
