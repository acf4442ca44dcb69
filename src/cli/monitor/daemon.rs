//! How does a monitor go into the background?
//!
//! The program starts itself anew in a session of its own and waits until the new one says that it captures. What that one has to complain about until then
//! is shown here, with its exit code; from then on it speaks to its log. Refuses to fork: a copy of a process with threads is no process to rely on.

use super::super::running::Files;
use super::super::{Exit, output};
use anyhow::{Context as _, Result, anyhow};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

/// What the background process says on its stdout when it captures.
const READY: &str = "ready";

/// In the foreground: start the other one.
pub(super) fn start(files: &Files) -> Result<Exit> {
    if let Some(pid) = files.owner() {
        return Err(anyhow!(
            "a monitor is running already (process {}); stop it with secnetmon stop",
            pid.as_raw_nonzero()
        ));
    }
    let program = std::env::current_exe().context("cannot find the program itself")?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .arg("--as-daemon")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("cannot start in the background")?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line).context("cannot hear of the background process")?;
    }
    if line.trim() == READY {
        output::say(&format!(
            "running in the background as process {}; log: {}; secnetmon status, secnetmon stop",
            child.id(),
            files.log().display()
        ));
        return Ok(Exit::Done);
    }
    let status = child.wait().context("cannot hear of the background process")?;
    match status.code() {
        Some(2) => Ok(Exit::Usage),
        // It has said why.
        Some(_) => Ok(Exit::Failed),
        None => Err(anyhow!("the background process was ended by signal {}", status.signal().unwrap_or(0))),
    }
}

/// In the background: everything stands; let the terminal go.
pub(super) fn ready() -> Result<()> {
    // A session of its own: closing the terminal must not end it. It fails where it leads one already, which is as good.
    let _ = rustix::process::setsid();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{READY}").and_then(|()| out.flush());
    let nowhere =
        OpenOptions::new().read(true).write(true).open("/dev/null").context("cannot open /dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)
        .and_then(|()| rustix::stdio::dup2_stderr(&nowhere))
        .context("cannot let go of the terminal")?;
    Ok(())
}
