//! `--tui`: how does a running monitor look on a whole screen?
//!
//! The terminal and its manners: the other screen, raw keys, and that everything is as before however it ends (in order, by a panic anywhere, by a second signal). What
//! is shown is in `view`, how in `draw`, what keys do in `keys`. It runs on the thread that speaks, so a slow terminal holds up nobody. Refuses a terminal that is none.

mod busy;
mod draw;
mod keys;
#[cfg(test)]
mod tests;
mod view;

pub(super) use busy::{Services, Shared, Tap};

use super::super::Exit;
use super::super::exit::usage;
use super::super::interrupt::Interrupt;
use super::super::output;
use crate::capture::live::Watch;
use crate::engine::Stats;
use crate::model::anomaly::Anomaly;
use anyhow::{Context as _, Result};
use keys::Action;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{IsTerminal, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use view::{Totals, View};

/// Keys are looked for this long before what happened meanwhile is shown.
const KEYS: Duration = Duration::from_millis(100);
/// Between two drawings when no key is pressed.
const REDRAW: Duration = Duration::from_millis(500);
/// The terminal failed so often in a row: it is gone. Once is nothing: a change of its size fails where its device may not be opened.
const FAILURES: u32 = 20;
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(1);

/// Is the other screen shown? Whoever leaves it asks and clears this.
static SHOWN: AtomicBool = AtomicBool::new(false);
/// How often the end was asked for.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// Is there a terminal to show anything on?
pub(super) fn check() -> Result<()> {
    if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(usage("--tui needs a terminal for output and keys; without it findings come as lines"))
}

/// The screen.
pub(super) struct Tui {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    size: Rect,
    view: View,
    shared: Shared,
    stop: Arc<AtomicBool>,
    began: Instant,
    sampled: Instant,
    drawn: Option<Instant>,
    failures: u32,
}

/// As many columns and lines as the terminal has now. Asked of stdout: what else could be asked is closed to us.
fn size() -> Rect {
    let (width, height) =
        rustix::termios::tcgetwinsize(std::io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    if width == 0 || height == 0 { Rect::new(0, 0, 80, 24) } else { Rect::new(0, 0, width, height) }
}

/// A terminal of this size, of which nothing is shown yet.
fn terminal_of(size: Rect) -> std::io::Result<Terminal<CrosstermBackend<Stdout>>> {
    let options = TerminalOptions { viewport: Viewport::Fixed(size) };
    Terminal::with_options(CrosstermBackend::new(std::io::stdout()), options)
}

/// Everything as it was before; any thread may call it, at any time.
fn leave() {
    if SHOWN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs no order.
        let _ = execute!(std::io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = std::io::stdout().flush();
    }
}

/// The end was asked for once more: the first time in order, the second at once.
fn insist(stop: &AtomicBool) {
    stop.store(true, Ordering::Relaxed);
    if ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
        leave();
        std::process::exit(Exit::Interrupted.code().into());
    }
}

impl Tui {
    /// Show the other screen. Words to a person are kept for it from now on.
    pub(super) fn enter(interrupt: &Interrupt, label: &str, shared: Shared, colour: bool) -> Result<Self> {
        let stop = interrupt.flag();
        let signalled = Arc::clone(&stop);
        interrupt.on_each(move || insist(&signalled))?;
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        output::hold_words();
        let at = size();
        let terminal = terminal_of(at).context("cannot use the terminal")?;
        SHOWN.store(true, Ordering::SeqCst);
        let shown = enable_raw_mode()
            .and_then(|()| execute!(std::io::stdout(), EnterAlternateScreen, Hide))
            .context("cannot use the terminal");
        if shown.is_err() {
            leave();
        }
        shown?;
        let view = View::new(label, colour);
        let now = Instant::now();
        Ok(Self {
            terminal,
            size: at,
            view,
            shared,
            stop,
            began: now,
            sampled: now,
            drawn: None,
            failures: 0,
        })
    }

    /// Take keys, for a moment.
    pub(super) fn keys(&mut self) {
        // Asked here first: a terminal that was hung up is read for ever by what reads keys.
        let stdin = std::io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let waited = Timespec { tv_sec: 0, tv_nsec: i64::from(KEYS.subsec_nanos()) };
        match rustix::event::poll(&mut fds, Some(&waited)) {
            Ok(0) => return,
            Err(_) => {
                // A signal, mostly.
                std::thread::sleep(KEYS);
                return;
            }
            Ok(_) if fds.iter().all(|fd| fd.revents() == PollFlags::IN) => {}
            Ok(_) => {
                // Nobody could end it any more.
                self.stop.store(true, Ordering::Relaxed);
                std::thread::sleep(KEYS);
                return;
            }
        }
        let wait = Duration::ZERO;
        loop {
            match event::poll(wait).and_then(|there| there.then(event::read).transpose()) {
                Ok(None) => {
                    self.failures = 0;
                    return;
                }
                Ok(Some(Event::Key(key))) => {
                    match keys::pressed(&mut self.view, key) {
                        Action::Nothing => {}
                        Action::End => self.stop.store(true, Ordering::Relaxed),
                        Action::Insist => insist(&self.stop),
                    }
                    self.drawn = None;
                }
                Ok(Some(_)) => self.drawn = None,
                Err(_) => {
                    self.failures += 1;
                    if self.failures >= FAILURES {
                        // The terminal is gone: nobody could end it any more.
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    std::thread::sleep(KEYS);
                    return;
                }
            }
        }
    }

    /// A finding as it is now; is it news?
    pub(super) fn found(&mut self, a: &Anomaly, news: bool) {
        self.view.found(a, news);
    }

    /// Something to be read.
    pub(super) fn say(&mut self, message: &str) {
        self.view.say(message);
    }

    /// Show how it is now.
    pub(super) fn draw(&mut self, stats: &Stats, watch: &Watch, told: u64) {
        output::take_words().iter().for_each(|line| self.view.say(line));
        let passed = self.sampled.elapsed();
        if passed >= SAMPLE {
            self.sampled = Instant::now();
            let mut now = Totals {
                packets: stats.packets(),
                bytes: stats.bytes(),
                flows: stats.flows(),
                ..Totals::default()
            };
            for (_, c) in watch.counts() {
                now.dropped.received += c.received;
                now.dropped.kernel += c.kernel;
                now.dropped.interface += c.interface;
                now.dropped.ours += c.ours;
            }
            self.view.count(now, passed.as_secs_f64());
            let busy = self.shared.now();
            (self.view.talkers, self.view.services) = (busy.talkers, busy.services);
        }
        let at = size();
        if self.drawn.is_some_and(|t| t.elapsed() < REDRAW) && at == self.size {
            return;
        }
        self.drawn = Some(Instant::now());
        self.view.seconds = self.began.elapsed().as_secs();
        self.view.told = told;
        self.view.ending = self.stop.load(Ordering::Relaxed);
        if !SHOWN.load(Ordering::SeqCst) {
            return; // somebody panicked and the terminal is a person's again
        }
        if self.redraw(at).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Tui {
    /// Draw at this size. A new size is a new terminal: resizing one asks the device for its size, and that may not be opened any more.
    fn redraw(&mut self, at: Rect) -> std::io::Result<()> {
        if at != self.size {
            execute!(std::io::stdout(), Clear(ClearType::All))?;
            self.terminal = terminal_of(at)?;
            self.size = at;
        }
        self.terminal.draw(|frame| draw::draw(&self.view, frame)).map(drop)
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        leave();
        output::release_words();
        if std::thread::panicking() {
            // Without its screen nobody could end it.
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}
