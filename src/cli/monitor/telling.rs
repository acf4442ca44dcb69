//! How does a person hear of findings while rows go to the store?
//!
//! A sink around the writer: what passes through it is told to the screen when it is new or has become more severe, never again and again while it
//! grows. On SIGHUP thresholds and detections in SQL are read anew, both or, where one is mistaken, neither. A capture that fails is left as it is: what was stored before stays, and the next start marks it.

use super::super::anomalies::ScanOptions;
use super::super::summary::{self, Account};
use super::super::{Context, detections, output};
use super::screen::Screen;
use super::tui::Services;
use crate::detect;
use crate::engine::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use crate::model::anomaly::Anomaly;
use crate::model::ids::{CaptureId, CaptureNo};
use crate::model::ledger::{SourceLedger, Stop};
use crate::model::rows::Rows;
use crate::store::{self, StoreError, Writer};
use anyhow::{Context as _, Result};
use signal_hook::consts::SIGHUP;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Reads anew what can be read anew.
pub(super) struct Reload<'a> {
    cx: &'a Context,
    /// What was given on the command line stays above the configuration.
    scan: ScanOptions,
    asked: Arc<AtomicBool>,
}

impl<'a> Reload<'a> {
    /// Listen for SIGHUP from now on.
    pub(super) fn listen(cx: &'a Context, scan: ScanOptions) -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&asked)).context("cannot listen for SIGHUP")?;
        Ok(Self { cx, scan, asked })
    }

    /// Detections in SQL as the files are now.
    pub(super) fn detections(&self, config: &detect::Config) -> Result<Vec<store::Detection>> {
        let mut sql = detections::all(self.cx);
        sql.retain(|d| !detections::is_off(config, d));
        detections::bound(&sql, config, &BTreeMap::new())
    }

    /// Thresholds and detections in SQL, when it was asked for. `now` are those that hold.
    fn due(&self, now: &detect::Config) -> Option<(detect::Config, Vec<store::Detection>)> {
        if !self.asked.swap(false, Ordering::Relaxed) {
            return None;
        }
        if let Some(log) = output::logged() {
            log.reopen();
        }
        match self.read() {
            Ok((fresh, sql)) => {
                output::say(&format!(
                    "read anew: {}, {} detections in SQL; settings of devices, flows and the store hold from the next start on",
                    changes(now, &fresh),
                    sql.len()
                ));
                Some((fresh, sql))
            }
            Err(e) => {
                output::complain(&format!("not read anew, everything stays as it was: {e:#}"));
                None
            }
        }
    }

    fn read(&self) -> Result<(detect::Config, Vec<store::Detection>)> {
        let cx = Context::with(self.cx.global.clone(), self.cx.env.clone()).context("the configuration")?;
        let mut fresh = cx.settings.engine.detect;
        self.scan.apply(&mut fresh)?;
        let sql = self.detections(&fresh)?;
        Ok((fresh, sql))
    }
}

/// Which detectors judge by other numbers than before, in words.
fn changes(now: &detect::Config, fresh: &detect::Config) -> String {
    let (now, fresh) = (Arc::new(now.clone()), Arc::new(fresh.clone()));
    let off = |config: &detect::Config, id: &str| config.disabled.iter().any(|d| d == id);
    let lists = now.mining_pools != fresh.mining_pools || now.mining_ports != fresh.mining_ports;
    let changed: Vec<&str> = detect::ALL
        .iter()
        .filter(|meta| {
            let values =
                |config| detect::Params::of(meta, config).pairs().map(|(_, v)| v).collect::<Vec<_>>();
            off(&now, meta.id) != off(&fresh, meta.id)
                || values(&now) != values(&fresh)
                || (lists && meta.id == detect::mining::META.id)
        })
        .map(|meta| meta.id)
        .collect();
    if changed.is_empty() {
        "no detector judges by other numbers".to_owned()
    } else {
        format!("other numbers for {}", changed.join(", "))
    }
}

/// What a person heard of the packets that are kept.
#[derive(Default)]
struct Kept {
    /// Files after which something is missing.
    gaps: usize,
    /// It was said that nothing is kept at the moment.
    lost: bool,
}

impl Kept {
    /// Say what changed.
    fn look(&mut self, ledger: &SourceLedger) {
        let mut gaps = ledger.files.iter().enumerate().filter_map(|(n, f)| match &f.stop {
            Stop::NotKept { reason } => Some((n + 1 == ledger.files.len(), f, reason)),
            _ => None,
        });
        let (count, last) = (gaps.clone().count(), gaps.next_back());
        match last {
            Some((true, file, reason)) if !self.lost => {
                self.lost = true;
                output::complain(&format!("{}: {reason}; the capture goes on without", file.path.display()));
            }
            Some((false, file, reason)) if self.lost || count > self.gaps => {
                self.lost = false;
                output::say(&format!("packets are kept again; {}: {reason}", file.path.display()));
            }
            // The stream was cut meanwhile: what is missing stands in the capture before.
            None if self.lost && ledger.files.iter().any(|f| f.format == "pcapng") => {
                self.lost = false;
                output::say("packets are kept again");
            }
            _ => {}
        }
        self.gaps = count;
    }
}

/// The writer, and who hears of findings.
pub(super) struct Telling<'a> {
    writer: &'a mut Writer,
    screen: &'a Screen,
    reload: &'a Reload<'a>,
    /// The thresholds that hold.
    detect: detect::Config,
    /// Counted for a screen that shows them.
    services: Option<Services>,
    /// What was said of packets that are not kept.
    kept: Kept,
    /// The capture at hand, and the sums of those before it.
    capture: CaptureId,
    account: Account,
}

impl<'a> Telling<'a> {
    pub(super) fn new(
        writer: &'a mut Writer,
        screen: &'a Screen,
        reload: &'a Reload<'a>,
        detect: &detect::Config,
        services: Option<Services>,
    ) -> Self {
        Self {
            writer,
            screen,
            reload,
            detect: detect.clone(),
            services,
            kept: Kept::default(),
            capture: CaptureId::default(),
            account: Account::new(0, 0),
        }
    }
}

impl Telling<'_> {
    /// The sums over all captures of this monitor.
    pub(super) fn into_account(self) -> Account {
        self.account
    }
}

impl Sink for Telling<'_> {
    type Error = StoreError;

    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, StoreError> {
        self.capture = start.capture_id;
        self.writer.begin(start)
    }

    fn rows(&mut self, rows: Rows) -> Result<(), StoreError> {
        if let Some(services) = &mut self.services {
            services.see(&rows);
        }
        self.writer.rows(rows)
    }

    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), StoreError> {
        self.screen.found(found.iter().filter(|a| !a.expected));
        self.writer.anomalies(found)
    }

    fn progress(&mut self, summary: &CaptureSummary) -> Result<Option<detect::Config>, StoreError> {
        if let Some(services) = &mut self.services {
            services.publish();
        }
        self.kept.look(&summary.ledger);
        self.writer.progress(summary)?;
        let Some((fresh, sql)) = self.reload.due(&self.detect) else { return Ok(None) };
        self.writer.detect_with(sql)?;
        self.detect = fresh;
        Ok(Some(self.detect.clone()))
    }

    fn cut(&mut self, summary: &CaptureSummary, next: &CaptureStart) -> Result<CaptureNo, StoreError> {
        self.kept.look(&summary.ledger);
        self.account.count(self.capture, summary);
        output::say(&format!(
            "cut; the monitor goes on in a new capture. {}",
            summary::capture(&next.path, summary).trim_end()
        ));
        (self.capture, self.kept.gaps) = (next.capture_id, 0);
        self.writer.cut(summary, next)
    }

    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, StoreError> {
        self.account.count(self.capture, summary);
        self.writer.commit(summary)
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        // Hours of rows are committed already; the store marks the capture as interrupted when it is opened next.
        Ok(())
    }
}
