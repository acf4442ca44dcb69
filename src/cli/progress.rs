//! How far is it?
//!
//! A bar on stderr with rate and time left, drawn by a thread of its own from counters, so that the engine never
//! waits for a terminal. Nothing at all when stderr is no terminal.

use super::env::Env;
use super::output::{colour, grouped, size};
use crate::capture::Progress;
use crate::engine::Stats;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two drawings.
const REDRAW: Duration = Duration::from_millis(100);
/// Characters of a path that the bar shows.
const LABEL_CHARS: usize = 24;

/// A bar until it is dropped.
#[derive(Debug)]
pub(super) struct Bar {
    ended: Arc<AtomicBool>,
    drawing: Option<JoinHandle<()>>,
}

impl Bar {
    /// Begin to draw, if anybody can see it.
    pub(super) fn begin(label: &str, progress: &Arc<Progress>, stats: &Arc<Stats>, env: &Env) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        if !std::io::stderr().is_terminal() {
            return Self { ended, drawing: None };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_prefix(shortened(label));
        let (progress, stats, stop) = (Arc::clone(progress), Arc::clone(stats), Arc::clone(&ended));
        let colour = colour(env);
        let drawing = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || draw(&bar, &progress, &stats, &stop, colour))
            .ok();
        Self { ended, drawing }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(drawing) = self.drawing.take() {
            drawing.thread().unpark();
            // A bar that failed is not worth an error.
            let _ = drawing.join();
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress, stats: &Stats, ended: &AtomicBool, colour: bool) {
    let began = Instant::now();
    let mut sized = None;
    while !ended.load(Ordering::Relaxed) {
        let (read, total) = progress.get();
        if sized != Some(total > 0) {
            sized = Some(total > 0);
            bar.set_style(style(total > 0, colour));
        }
        if total > 0 {
            bar.set_length(total);
        }
        bar.set_position(read);
        let elapsed = began.elapsed().as_secs_f64();
        bar.set_message(line(read, total, stats, elapsed));
        bar.tick();
        std::thread::park_timeout(REDRAW);
    }
    bar.finish_and_clear();
}

/// What stands behind the bar, most wanted first: a narrow terminal cuts the end.
fn line(read: u64, total: u64, stats: &Stats, elapsed: f64) -> String {
    let packets = stats.packets();
    let rate = per_second(packets as f64 / elapsed.max(0.001));
    let counts = format!("{} packets, {} flows", grouped(packets), grouped(stats.flows()));
    if total == 0 {
        return format!("{rate}, {elapsed:.0} s, {counts}, {}", size(read));
    }
    let left = elapsed * total.saturating_sub(read) as f64 / read.max(1) as f64;
    let left = if read == 0 { "?".to_owned() } else { format!("{left:.0}") };
    format!("{rate}, {left} s left, {counts}, {} of {}", size(read), size(total))
}

fn style(sized: bool, colour: bool) -> ProgressStyle {
    let template = match (sized, colour) {
        (true, true) => "{prefix} {bar:16.cyan/dim} {percent:>3}% {wide_msg}",
        (true, false) => "{prefix} {bar:16} {percent:>3}% {wide_msg}",
        (false, _) => "{prefix} {wide_msg}",
    };
    ProgressStyle::with_template(template)
        .map(|s| s.progress_chars("━━─"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `1.2 M packets/s`.
pub(super) fn per_second(rate: f64) -> String {
    if rate >= 1e6 {
        format!("{:.2} M packets/s", rate / 1e6)
    } else if rate >= 1e3 {
        format!("{:.0} k packets/s", rate / 1e3)
    } else {
        format!("{rate:.0} packets/s")
    }
}

/// The end of a path, which tells most.
fn shortened(label: &str) -> String {
    let safe = crate::model::text::printable(label.as_bytes(), label.len());
    let count = safe.chars().count();
    if count <= LABEL_CHARS {
        return safe;
    }
    std::iter::once('…').chain(safe.chars().skip(count - LABEL_CHARS + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_labels_for_eyes() {
        assert_eq!(per_second(1_234_567.0), "1.23 M packets/s");
        assert_eq!(per_second(12_345.0), "12 k packets/s");
        assert_eq!(per_second(7.0), "7 packets/s");
        let long = format!("/a/{}/end.pcap", "x".repeat(99));
        assert_eq!(shortened(&long).chars().count(), LABEL_CHARS);
        assert!(shortened(&long).ends_with("end.pcap"));
        assert_eq!(shortened("a\u{1b}b"), "a\\x1bb");
        let stats = Stats::new();
        assert!(line(1 << 20, 4 << 20, &stats, 2.0).starts_with("0 packets/s, 6 s left"));
        assert!(line(0, 4 << 20, &stats, 2.0).contains("? s left"));
        assert!(line(1 << 20, 0, &stats, 2.0).starts_with("0 packets/s, 2 s, "));
    }

    #[test]
    fn templates_are_understood() {
        for (sized, colour) in [(true, true), (true, false), (false, true)] {
            style(sized, colour);
        }
        let (progress, stats) = (Progress::new(), Stats::new());
        drop(Bar::begin("x", &progress, &stats, &Env::of(&[])));
    }
}
