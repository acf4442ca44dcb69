//! How does a capture end, and what goes on when a stream is cut?
//!
//! At the end everything that is open is written. At a cut everything is written, too, but stays open: flows, parsers, what detectors know, names, the
//! local networks and the clock go on in the next capture, which counts from nothing. Fragments that wait for each other are given up, as at an end:
//! their packets are numbered in the old capture. Here, too, is the account of a capture, and what a stream says of its hosts before it ends.

use super::host::HostShard;
use super::pipeline::{Engine, EngineError};
use super::shard::Shard;
use super::shard_of;
use super::sink::{CaptureStart, CaptureSummary, Sink};
use super::weirds::WeirdLog;
use crate::decode::pair_hash;
use crate::model::addr::Ip;
use crate::model::ids::CaptureId;
use crate::model::ledger::SourceLedger;
use crate::model::time::Timestamp;
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flows taken from each shard in one round at the end of a capture, so that the last rows come in bounded portions.
const FLOWS_PER_ROUND: usize = 2_048;
/// How often a stream writes what it knows of hosts, nanoseconds: often enough to be asked, seldom enough that the parts of a day stay few.
const HOSTS_EVERY: i64 = 60_000_000_000;

impl Engine {
    /// The capture is over: flows still open are written in portions, then what the buffers hold.
    pub(super) fn finish<S: Sink>(
        &mut self,
        ledger: &SourceLedger,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        self.write_flows(ledger, &|shard| shard.finish(FLOWS_PER_ROUND), sink)?;
        self.hosts.par_iter_mut().with_max_len(1).for_each(|h| h.judge.finish());
        self.segment.finish();
        self.write_rest(ledger, sink)
    }

    /// The stream is cut: the capture is complete, and `next` begins.
    pub(super) fn cut<S: Sink>(
        &mut self,
        ledger: SourceLedger,
        next: CaptureId,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        self.write_flows(&ledger, &|shard| shard.cut(FLOWS_PER_ROUND), sink)?;
        self.hosts.par_iter_mut().with_max_len(1).for_each(|h| h.judge.catch_up());
        self.segment.catch_up();
        self.write_rest(&ledger, sink)?;
        let summary = self.summary(ledger);
        let before = self.capture.capture_id;
        let next = CaptureStart { capture_id: next, continues: Some(before), ..self.capture.clone() };
        let number = sink.cut(&summary, &next)?;
        self.shards.iter_mut().for_each(|s| s.go_on(number));
        self.hosts.iter_mut().for_each(|h| h.go_on(next.capture_id));
        self.segment.go_on();
        self.weird_rows.go_on(next.capture_id);
        self.caps_before = self.caps();
        self.weird_log = WeirdLog::default();
        let totals = std::mem::take(&mut self.front.totals);
        self.passed.0 += totals.packets;
        self.passed.1 += totals.wire_bytes;
        (self.flows, self.lost, self.before) = (0, 0.0, self.last_number);
        self.capture = next;
        Ok(())
    }

    /// Every flow, in portions; `some` takes those of a shard and says whether more are left.
    fn write_flows<S: Sink>(
        &mut self,
        ledger: &SourceLedger,
        some: &(dyn Fn(&mut Shard) -> bool + Sync),
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        let (now, capture) = (self.front.clock.now(), self.capture.capture_id);
        self.intervals.finish(now, &ledger.devices, capture, &mut self.interval_rows);
        let leftover = self.front.leftover(&mut self.weirds);
        self.settle(true);
        leftover.said().for_each(|(arps, icmps)| self.segment.layers(arps, icmps));
        self.fan_out(Timestamp::MAX, &|s| s.run(&leftover, None));
        self.hand_on(false, sink)?;
        loop {
            let more = AtomicBool::new(false);
            self.fan_out(Timestamp::MAX, &|s| {
                if some(s) {
                    more.store(true, Ordering::Relaxed);
                }
            });
            self.hand_on(false, sink)?;
            if !more.into_inner() {
                return Ok(());
            }
        }
    }

    /// Hosts, findings and what the buffers hold.
    fn write_rest<S: Sink>(
        &mut self,
        ledger: &SourceLedger,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
        self.write_hosts(ledger, sink)?;
        self.hand_on_findings(self.loss(ledger), sink)?;
        self.hand_on(true, sink)
    }

    /// Which part of the packets the capture lost, by what the capturing program says (0 to 1).
    pub(super) fn loss(&self, ledger: &SourceLedger) -> f64 {
        let dropped: u64 = ledger.files.iter().flat_map(|f| &f.interfaces).filter_map(|i| i.dropped).sum();
        let seen = self.front.totals.packets;
        if dropped == 0 { 0.0 } else { dropped as f64 / (dropped + seen) as f64 }
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
    pub(super) fn write_hosts_of_stream<S: Sink>(
        &mut self,
        sink: &mut S,
    ) -> Result<(), EngineError<S::Error>> {
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

    pub(super) fn summary(&mut self, ledger: SourceLedger) -> CaptureSummary {
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

    /// What hit a cap in this capture, by name.
    fn caps_hit(&mut self) -> Vec<(&'static str, u64)> {
        let mut caps = self.caps();
        for (name, n) in &mut caps {
            let before = self.caps_before.iter().find(|(known, _)| known == name);
            *n = n.saturating_sub(before.map_or(0, |(_, n)| *n));
        }
        caps.insert(0, ("weirds_not_stored", self.weird_log.not_stored()));
        caps.retain(|(_, n)| *n > 0);
        caps
    }

    /// What hit a cap since the stream began.
    fn caps(&mut self) -> Vec<(&'static str, u64)> {
        let forgotten = self.hosts.iter().map(|h| h.names.forgotten()).sum();
        let pairs = self.hosts.iter().map(HostShard::pairs_forgotten).sum();
        let mut caps = vec![("dns_names_forgotten", forgotten), ("host_pairs_forgotten", pairs)];
        for shard in &mut self.shards {
            for (name, n) in shard.caps_hit() {
                match caps.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += n,
                    None => caps.push((name, n)),
                }
            }
        }
        caps
    }
}
