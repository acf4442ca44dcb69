//! How does a person hear of findings while rows go to the store?
//!
//! A sink around the writer: what passes through it is told to the screen when it is new or has become more severe, never again and again while it
//! grows. On SIGHUP detections in SQL are read anew. A capture that fails is left as it is: what was stored before stays, and the next start marks it.

use super::super::{Context, detections, output};
use super::screen::Screen;
use super::tui::Services;
use crate::detect;
use crate::engine::sink::{CaptureStart, CaptureSummary, Sink, Stored};
use crate::model::anomaly::Anomaly;
use crate::model::ids::CaptureNo;
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
    asked: Arc<AtomicBool>,
}

impl<'a> Reload<'a> {
    /// Listen for SIGHUP from now on.
    pub(super) fn listen(cx: &'a Context) -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGHUP, Arc::clone(&asked)).context("cannot listen for SIGHUP")?;
        Ok(Self { cx, asked })
    }

    /// Detections in SQL as the files are now.
    pub(super) fn detections(&self, config: &detect::Config) -> Result<Vec<store::Detection>> {
        let mut sql = detections::all(self.cx);
        sql.retain(|d| !detections::is_off(config, d));
        detections::bound(&sql, config, &BTreeMap::new())
    }

    /// Anew, when it was asked for.
    fn due(&self, config: &detect::Config) -> Option<Vec<store::Detection>> {
        if !self.asked.swap(false, Ordering::Relaxed) {
            return None;
        }
        if let Some(log) = output::logged() {
            log.reopen();
        }
        // Thresholds of a running detector cannot change; those of the next run can.
        let fresh = Context::with(self.cx.global.clone(), self.cx.env.clone())
            .map_or_else(|e| Err(e).context("the configuration"), |cx| Ok(cx.settings.engine.detect));
        let config = match fresh {
            Ok(fresh) => fresh,
            Err(e) => {
                output::complain(&format!("not read anew: {e:#}"));
                config.clone()
            }
        };
        match self.detections(&config) {
            Ok(all) => {
                output::say(&format!(
                    "read anew: {} detections in SQL; settings of devices, flows and other detectors hold from the next start on",
                    all.len()
                ));
                Some(all)
            }
            Err(e) => {
                output::complain(&format!("not read anew: {e:#}"));
                None
            }
        }
    }
}

/// The writer, and who hears of findings.
pub(super) struct Telling<'a> {
    writer: &'a mut Writer,
    screen: &'a Screen,
    reload: &'a Reload<'a>,
    detect: &'a detect::Config,
    /// Counted for a screen that shows them.
    services: Option<Services>,
}

impl<'a> Telling<'a> {
    pub(super) fn new(
        writer: &'a mut Writer,
        screen: &'a Screen,
        reload: &'a Reload<'a>,
        detect: &'a detect::Config,
        services: Option<Services>,
    ) -> Self {
        Self { writer, screen, reload, detect, services }
    }
}

impl Sink for Telling<'_> {
    type Error = StoreError;

    fn begin(&mut self, start: &CaptureStart) -> Result<CaptureNo, StoreError> {
        self.writer.begin(start)
    }

    fn rows(&mut self, rows: Rows) -> Result<(), StoreError> {
        if let Some(services) = &mut self.services {
            services.see(&rows);
        }
        self.writer.rows(rows)
    }

    fn anomalies(&mut self, found: Vec<Anomaly>) -> Result<(), StoreError> {
        self.screen.found(&found);
        self.writer.anomalies(found)
    }

    fn progress(&mut self, summary: &CaptureSummary) -> Result<(), StoreError> {
        if let Some(services) = &mut self.services {
            services.publish();
        }
        if let Some(all) = self.reload.due(self.detect) {
            self.writer.detect_with(all)?;
        }
        self.writer.progress(summary)
    }

    fn commit(&mut self, summary: &CaptureSummary) -> Result<Stored, StoreError> {
        self.writer.commit(summary)
    }

    fn abandon(&mut self) -> Result<(), StoreError> {
        // Hours of rows are committed already; the store marks the capture as interrupted when it is opened next.
        Ok(())
    }
}
