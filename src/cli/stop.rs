//! `stop`: end the running monitor in order.
//!
//! Sends SIGTERM to the process that holds the monitor's lock, and waits until it has stored everything. Refuses to kill.

use super::{Context, Exit, output, running};
use anyhow::{Result, anyhow};
use rustix::process::{Signal, kill_process};
use std::time::{Duration, Instant};

/// End the running monitor; everything it saw is stored first
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Seconds to wait for its end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
}

/// Between two looks.
const NAP: Duration = Duration::from_millis(50);

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let Some((files, pid)) = running::find(cx) else {
        output::complain(&format!("no monitor is running for {}", cx.database().display()));
        return Ok(Exit::Failed);
    };
    let number = pid.as_raw_nonzero();
    kill_process(pid, Signal::TERM).map_err(|e| anyhow!("process {number} cannot be told to end: {e}"))?;
    let begun = Instant::now();
    while files.owner() == Some(pid) {
        if begun.elapsed() >= Duration::from_secs(args.wait) {
            return Err(anyhow!(
                "process {number} was told to end and is still storing what it saw after {} s",
                args.wait
            ));
        }
        std::thread::sleep(NAP);
    }
    output::say(&format!("the monitor (process {number}) has ended"));
    Ok(Exit::Done)
}
