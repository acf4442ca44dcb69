//! What is there to be seen on the screen?
//!
//! Plain data: what a running monitor counts anyway, a sample a second, and the findings as they come. All of it bounded. Knows neither terminal nor
//! keys nor clock: who feeds it says how much time passed. Text of findings came off the wire; it is made harmless here again, where it enters.

use super::busy::{ServiceLine, Talker};
use crate::capture::live::Counts;
use crate::model::anomaly::{Anomaly, Severity};
use crate::model::text::printable;
use std::collections::VecDeque;

/// Samples kept, one a second: ten minutes are wider than any terminal.
const SAMPLES: usize = 600;
/// Findings kept; some KB each. Beyond them the longest unheard-of goes; the database has all.
pub(super) const FINDINGS: usize = 1_000;
/// Messages kept.
const MESSAGES: usize = 200;

/// One second of traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Sample {
    pub(super) packets_per_s: u64,
    pub(super) bits_per_s: u64,
    pub(super) dropped_per_s: u64,
}

/// What was counted since the monitor began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) flows: u64,
    pub(super) dropped: Counts,
}

/// What lies over the lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Over {
    /// Nothing.
    #[default]
    Nothing,
    /// The chosen finding in full, from this line on.
    Finding(u16),
    /// What was said, from this line on counted from the newest.
    Messages(u16),
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Devices.
    pub(super) label: String,
    pub(super) seconds: u64,
    pub(super) totals: Totals,
    /// Oldest first.
    pub(super) samples: VecDeque<Sample>,
    pub(super) talkers: Vec<Talker>,
    pub(super) services: Vec<ServiceLine>,
    /// The ones last heard of as news first.
    findings: VecDeque<Anomaly>,
    /// Findings told, whether kept here or not.
    pub(super) told: u64,
    /// The chosen one, by its identity, so that it stays chosen while others come.
    chosen: Option<i64>,
    /// Only findings at least that bad are listed.
    pub(super) least: Option<Severity>,
    pub(super) worst_first: bool,
    pub(super) over: Over,
    /// Newest last.
    pub(super) messages: VecDeque<String>,
    /// The end was asked for.
    pub(super) ending: bool,
    /// May colours be used?
    pub(super) colour: bool,
}

impl View {
    /// Nothing seen yet.
    pub(super) fn new(label: &str, colour: bool) -> Self {
        Self { label: printable(label.as_bytes(), label.len()), colour, ..Self::default() }
    }

    /// Counters now, `seconds` after the last time.
    pub(super) fn count(&mut self, now: Totals, seconds: f64) {
        let before = std::mem::replace(&mut self.totals, now);
        let rate = |now: u64, before: u64| {
            if seconds > 0.0 { (now.saturating_sub(before) as f64 / seconds).round() as u64 } else { 0 }
        };
        self.samples.push_back(Sample {
            packets_per_s: rate(now.packets, before.packets),
            bits_per_s: rate(now.bytes, before.bytes).saturating_mul(8),
            dropped_per_s: rate(now.dropped.dropped(), before.dropped.dropped()),
        });
        while self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// The last second.
    pub(super) fn rate(&self) -> Sample {
        self.samples.back().copied().unwrap_or_default()
    }

    /// A finding as it is now. `news`: it is new or more severe than before, so it comes first; else its row is brought up to date.
    pub(super) fn found(&mut self, a: &Anomaly, news: bool) {
        let mut a = a.clone();
        a.title = printable(a.title.as_bytes(), a.title.len());
        match self.findings.iter().position(|f| f.id == a.id) {
            Some(at) if news => {
                self.findings.remove(at);
                self.findings.push_front(a);
            }
            Some(at) => {
                if let Some(old) = self.findings.get_mut(at) {
                    *old = a;
                }
            }
            None => self.findings.push_front(a),
        }
        self.findings.truncate(FINDINGS);
    }

    /// Something was said.
    pub(super) fn say(&mut self, message: &str) {
        for line in message.lines() {
            self.messages.push_back(printable(line.as_bytes(), line.len()));
        }
        while self.messages.len() > MESSAGES {
            self.messages.pop_front();
        }
    }

    /// Findings as they are listed.
    pub(super) fn listed(&self) -> Vec<&Anomaly> {
        let mut all: Vec<&Anomaly> =
            self.findings.iter().filter(|a| self.least.is_none_or(|least| a.severity >= least)).collect();
        if self.worst_first {
            // Stable: equal ones stay in the order of news.
            all.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        all
    }

    /// Where the chosen one stands in the list; the first when nothing was chosen, or it went.
    pub(super) fn position(&self) -> usize {
        let listed = self.listed();
        self.chosen.and_then(|id| listed.iter().position(|a| a.id.0 == id)).unwrap_or(0)
    }

    /// The chosen finding.
    pub(super) fn chosen(&self) -> Option<&Anomaly> {
        self.listed().get(self.position()).copied()
    }

    /// Choose the one so many places further down or up.
    pub(super) fn step(&mut self, by: isize) {
        let at = self.position().saturating_add_signed(by);
        let id = {
            let listed = self.listed();
            listed.get(at).or(listed.last()).map(|a| a.id.0)
        };
        // At the top nothing is held on to: news is followed.
        self.chosen = if at == 0 { None } else { id };
    }

    /// Hold on to the one that is shown, also when news comes.
    pub(super) fn hold(&mut self) {
        self.chosen = self.chosen().map(|a| a.id.0);
    }

    /// The next least severity: all, then without the mildest ones, and around.
    pub(super) fn next_least(&mut self) {
        self.least = match self.least {
            None => Some(Severity::Low),
            Some(Severity::Critical) => None,
            Some(s) => Some(s.raised()),
        };
    }
}
