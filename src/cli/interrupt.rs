//! What happens on Ctrl-C?
//!
//! The first SIGINT or SIGTERM raises a flag that reading looks at; the second ends the process at once, which is
//! safe: a capture is one transaction. Refuses to do anything else in a signal handler.

use super::Exit;
use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised by the first signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listen from now on.
    pub(super) fn listen() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the shutdown must see the flag as it was before this signal raised it.
            flag::register_conditional_shutdown(signal, Exit::Interrupted.code().into(), Arc::clone(&raised))
                .and_then(|_| flag::register(signal, Arc::clone(&raised)))
                .context("cannot listen for signals")?;
        }
        Ok(Self(raised))
    }

    /// Listen from now on, for a program that has a screen to leave before it ends: nothing happens at once but what [`Self::on_each`] does.
    #[cfg(feature = "live")]
    pub(super) fn listen_gently() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&raised)).context("cannot listen for signals")?;
        }
        Ok(Self(raised))
    }

    /// Do this at each signal from now on, on a thread of its own and not in a handler.
    #[cfg(feature = "live")]
    pub(super) fn on_each(&self, what: impl Fn() + Send + 'static) -> Result<()> {
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(|_| what()))
            .context("cannot start the thread that hears signals")?;
        Ok(())
    }

    /// For the source to look at.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Was it raised?
    pub(super) fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
