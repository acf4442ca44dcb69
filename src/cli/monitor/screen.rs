//! What does a person see of a running monitor?
//!
//! One thread says everything: findings on stdout, a line each, as they happen; notices about devices and losses on stderr; on a terminal a line that
//! shows how it goes; and the report for `status`. It never holds up the engine: what cannot be said in time is counted, and stands in the database
//! anyway. A finding is told when it is new and when it has become more severe.

use super::super::env::Env;
use super::super::log;
use super::super::output::{self, colour, grouped, plural};
use super::super::progress::per_second;
use super::super::running::{Claim, Report};
use super::tui::Tui;
use crate::capture::live::{Counts, Notice, Watch};
use crate::engine::Stats;
use crate::model::anomaly::{Anomaly, Severity};
use crate::model::text::printable;
use crate::store::Outcome;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Findings that may wait to be said; a terminal that is held (Ctrl-S) must not grow memory.
const WAITING: usize = 4_096;
/// Findings remembered as told, 16 bytes each; beyond it memory begins anew and a few are told twice.
const REMEMBERED: usize = 1 << 17;
/// Between two drawings of the line.
const REDRAW: Duration = Duration::from_millis(500);
/// Between two reports for `status`.
const REPORT: Duration = Duration::from_secs(2);
/// Losses are said this often at most.
const LOSSES: Duration = Duration::from_secs(60);

/// The thread that speaks.
pub(super) struct Screen {
    found: SyncSender<Anomaly>,
    unsaid: Arc<AtomicU64>,
    thread: JoinHandle<Claim>,
}

struct Speaker {
    json: bool,
    terminal: bool,
    colour: bool,
    watch: Watch,
    stats: Arc<Stats>,
    notices: Receiver<Notice>,
    outcomes: Receiver<Outcome>,
    claim: Claim,
    report: Report,
    unsaid: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    told: BTreeMap<i64, Severity>,
    began: Instant,
    /// When the rate was last taken, and the packets then.
    rated: (Instant, u64),
    reported: Instant,
    /// Losses that were said, and when.
    lost: BTreeMap<String, Counts>,
    lost_said: Option<Instant>,
    drawn: bool,
    /// The whole screen, where it is wanted.
    tui: Option<Tui>,
}

impl Screen {
    #[expect(clippy::too_many_arguments, reason = "everything a person may want to see")]
    pub(super) fn begin(
        json: bool,
        env: &Env,
        watch: Watch,
        stats: &Arc<Stats>,
        notices: Receiver<Notice>,
        outcomes: Receiver<Outcome>,
        claim: Claim,
        report: Report,
        stop: Arc<AtomicBool>,
        tui: Option<Tui>,
    ) -> Result<Self> {
        let (found, to_say) = sync_channel(WAITING);
        let unsaid = Arc::new(AtomicU64::new(0));
        let quiet = output::logged().is_some();
        let speaker = Speaker {
            json,
            terminal: std::io::stderr().is_terminal() && !quiet,
            colour: std::io::stdout().is_terminal() && colour(env) && !quiet,
            watch,
            stats: Arc::clone(stats),
            notices,
            outcomes,
            claim,
            report,
            unsaid: Arc::clone(&unsaid),
            stop,
            told: BTreeMap::new(),
            began: Instant::now(),
            rated: (Instant::now(), 0),
            reported: Instant::now(),
            lost: BTreeMap::new(),
            lost_said: None,
            drawn: false,
            tui,
        };
        let thread = std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || speaker.run(&to_say))
            .context("cannot start the thread that speaks")?;
        Ok(Self { found, unsaid, thread })
    }

    /// These were found, or have grown.
    pub(super) fn found<'a>(&self, found: impl Iterator<Item = &'a Anomaly>) {
        for a in found {
            if self.found.try_send(a.clone()).is_err() {
                self.unsaid.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Say what is left to say, and end. What comes back says that this monitor runs, as long as it lives.
    pub(super) fn end(self) -> Option<Claim> {
        drop(self.found);
        // A thread that failed has nothing more to say.
        self.thread.join().ok()
    }
}

impl Speaker {
    fn run(mut self, found: &Receiver<Anomaly>) -> Claim {
        self.write_report();
        loop {
            let first = match &mut self.tui {
                // It waits for keys instead.
                Some(tui) => {
                    tui.keys();
                    found.recv_timeout(Duration::ZERO)
                }
                None => found.recv_timeout(REDRAW),
            };
            let over = match first {
                Ok(a) => {
                    self.finding(&a);
                    while let Ok(a) = found.try_recv() {
                        self.finding(&a);
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            while let Ok(outcome) = self.outcomes.try_recv() {
                if let Some(error) = &outcome.error {
                    self.say(&format!("secnetmon: {error}"));
                }
                outcome.found.iter().filter(|a| !a.expected).for_each(|a| self.finding(a));
            }
            while let Ok(notice) = self.notices.try_recv() {
                self.notice(&notice);
            }
            self.losses(over);
            if over {
                break;
            }
            self.draw();
            if self.reported.elapsed() >= REPORT {
                self.write_report();
            }
        }
        let unsaid = self.unsaid.swap(0, Ordering::Relaxed);
        if unsaid > 0 {
            self.say(&format!(
                "{} could not be said in time; secnetmon anomalies has all",
                plural(unsaid, "finding")
            ));
        }
        self.wipe();
        // The terminal is a person's again before anything else is said.
        self.tui = None;
        self.claim
    }

    /// Tell a finding, if it is news.
    fn finding(&mut self, a: &Anomaly) {
        // What goes on after a cut of the capture was told.
        let continues = a.details.get("continues").and_then(serde_json::Value::as_i64);
        let before = self.told.get(&a.id.0).or_else(|| self.told.get(&continues?)).copied();
        let news = before.is_none_or(|b| b < a.severity);
        if let Some(before) = before.filter(|_| !news) {
            self.told.entry(a.id.0).or_insert(before);
        }
        if let Some(tui) = &mut self.tui {
            tui.found(a, news);
        }
        if !news {
            return;
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert(a.id.0, a.severity);
        self.report.findings += u64::from(before.is_none());
        if self.tui.is_some() {
            return;
        }
        let line = if self.json { json(a, before) } else { line(a, before, self.colour) };
        if let Some(log) = output::logged() {
            log.write(&line);
            return;
        }
        self.wipe();
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        if written.is_err_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe) {
            // Who reads the findings has seen enough.
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn notice(&mut self, notice: &Notice) {
        self.say(&match notice {
            Notice::Gone { device, reason } => format!("{device}: lost: {reason}; waiting for it"),
            Notice::Back { device } => format!("{device}: captured again"),
            Notice::Down { device } => format!("{device}: is switched off; waiting for it"),
            Notice::Up { device } => format!("{device}: is switched on again"),
            Notice::ClockSet { step } => {
                let (way, by) = (
                    if *step < 0 { "back" } else { "forward" },
                    (step.unsigned_abs() + 500_000_000) / 1_000_000_000,
                );
                format!(
                    "the clock of this machine went {way} by {} s; packets from here on bear its times",
                    grouped(by)
                )
            }
            Notice::NotPromiscuous { device } => {
                format!("{device}: gives only what is addressed to this machine (no promiscuous mode)")
            }
        });
    }

    /// Packets that were dropped since it was last said.
    fn losses(&mut self, at_once: bool) {
        if !at_once && self.lost_said.is_some_and(|at| at.elapsed() < LOSSES) {
            return;
        }
        for (device, now) in self.watch.counts() {
            let before = self.lost.insert(device.clone(), now).unwrap_or_default();
            let lost = now.dropped().saturating_sub(before.dropped());
            if lost == 0 {
                continue;
            }
            self.lost_said = Some(Instant::now());
            let by = |name: &str, now: u64, before: u64| {
                (now > before).then(|| format!("{} by {name}", grouped(now - before)))
            };
            let parts: Vec<String> = [
                by("the kernel (its buffer was full)", now.kernel, before.kernel),
                by("the device", now.interface, before.interface),
                by("ourselves at the end", now.ours, before.ours),
            ]
            .into_iter()
            .flatten()
            .collect();
            let received = now.received.saturating_sub(before.received);
            self.say(&format!(
                "{device}: {} of {} dropped: {}",
                plural(lost, "packet"),
                grouped(received),
                parts.join(", ")
            ));
        }
    }

    /// A line for a person, beside the line that is drawn.
    fn say(&mut self, message: &str) {
        match &mut self.tui {
            Some(tui) => tui.say(&format!("{} {message}", log::to_the_second(log::now()))),
            None => {
                self.wipe();
                output::say(message);
            }
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            // A terminal that went away shows nothing.
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K");
        }
    }

    fn rate(&mut self) -> f64 {
        let (at, before) = self.rated;
        let (now, packets) = (Instant::now(), self.stats.packets());
        let secs = now.duration_since(at).as_secs_f64();
        if secs >= 1.0 {
            self.rated = (now, packets);
            self.report.packets_per_s = packets.saturating_sub(before) as f64 / secs;
        }
        self.report.packets_per_s
    }

    fn draw(&mut self) {
        let rate = self.rate();
        if let Some(tui) = &mut self.tui {
            tui.draw(&self.stats, &self.watch, self.report.findings);
        }
        if !self.terminal || self.tui.is_some() {
            return;
        }
        let dropped: u64 = self.watch.counts().iter().map(|(_, c)| c.dropped()).sum();
        let secs = self.began.elapsed().as_secs();
        let text = format!(
            "{:02}:{:02}:{:02}  {}  {}  {}  {} dropped  {}",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60,
            per_second(rate),
            plural(self.stats.packets(), "packet"),
            plural(self.stats.flows(), "flow"),
            grouped(dropped),
            plural(self.report.findings, "finding"),
        );
        let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |s| usize::from(s.ws_col));
        let text: String = text.chars().take(width.max(2) - 1).collect();
        let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{text}");
        self.drawn = true;
    }

    fn write_report(&mut self) {
        self.reported = Instant::now();
        self.rate();
        let mut sum = Counts::default();
        for (_, c) in self.watch.counts() {
            sum.kernel += c.kernel;
            sum.interface += c.interface;
            sum.ours += c.ours;
        }
        let r = &mut self.report;
        r.at = log::to_the_second(log::now());
        (r.packets, r.bytes, r.flows) = (self.stats.packets(), self.stats.bytes(), self.stats.flows());
        (r.dropped_kernel, r.dropped_interface, r.dropped_ours) = (sum.kernel, sum.interface, sum.ours);
        self.claim.say(&self.report);
    }
}

/// A finding on a line: when, how bad, what, who and whom, how sure.
fn line(a: &Anomaly, before: Option<Severity>, colour: bool) -> String {
    let (on, off) = match (colour, a.severity) {
        (false, _) => ("", ""),
        (true, Severity::Critical | Severity::High) => ("\x1b[1;31m", "\x1b[0m"),
        (true, Severity::Medium) => ("\x1b[33m", "\x1b[0m"),
        (true, _) => ("\x1b[2m", "\x1b[0m"),
    };
    let grown = before.map_or_else(String::new, |b| format!(", before {}", b.name()));
    format!(
        "{} {on}{:<8}{off} {:<22} {} (confidence {:.2}{grown}, ID {})",
        log::to_the_second(a.last_ts),
        a.severity.name(),
        a.kind.name,
        printable(a.title.as_bytes(), a.title.len()),
        a.confidence,
        a.id.0
    )
}

/// The same for programs.
fn json(a: &Anomaly, before: Option<Severity>) -> String {
    serde_json::json!({
        "event": if before.is_some() { "raised" } else { "new" },
        "anomaly_id": a.id.0,
        "capture_id": a.capture.0,
        "first_ts": a.first_ts.to_string(),
        "last_ts": a.last_ts.to_string(),
        "detector": a.detector,
        "kind": a.kind.name,
        "title": a.title,
        "severity": a.severity.name(),
        "severity_before": before.map(Severity::name),
        "confidence": a.confidence,
        "score": a.score,
        "src_ip": a.src.map(|ip| ip.to_string()),
        "dst_ip": a.dst.map(|ip| ip.to_string()),
        "dst_port": a.dst_port,
        "protocol": a.protocol_name(),
        "direction": a.direction,
        "technique": a.technique,
        "count": a.count,
        "reasons": a.reasons.iter().map(|r| serde_json::json!({
            "name": r.name, "value": r.value, "threshold": r.threshold, "weight": r.weight,
        })).collect::<Vec<_>>(),
        "flow_ids": a.flows.iter().map(|f| f.0).collect::<Vec<_>>(),
        "details": a.details,
    })
    .to_string()
}
