//! `status`: is a monitor running, and how is it doing?
//!
//! From what the monitor wrote a few seconds ago; the process itself is not disturbed. Exit code 1 when none runs, so that scripts can ask.

use super::output::{self, grouped, size};
use super::progress::per_second;
use super::running::{self, Report};
use super::{Context, Exit};
use crate::model::text::printable;
use anyhow::Result;
use std::fmt::Write as _;

/// Is a monitor running, and how is it doing?
#[derive(clap::Args, Debug)]
#[command(after_help = "Exit code 0: one is running for this database; 1: none is.")]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let Some((files, pid)) = running::find(cx) else {
        if args.json {
            output::print("null\n")?;
        } else {
            output::say(&format!("no monitor is running for {}", cx.database().display()));
        }
        return Ok(Exit::Failed);
    };
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    let report = files.last_report().unwrap_or_else(|| Report { pid, ..Report::default() });
    if args.json {
        output::print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        output::print(&page(pid, &report))?;
    }
    Ok(Exit::Done)
}

fn page(pid: u32, r: &Report) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<10}{}", printable(value.as_bytes(), value.len()));
    };
    line("running", &format!("process {pid}, since {}", r.since));
    line("watching", &r.interfaces.join(", "));
    line("database", &r.database);
    if let Some(log) = &r.log {
        line("log", log);
    }
    line(
        "packets",
        &format!("{} ({}, {} on the wire)", grouped(r.packets), per_second(r.packets_per_s), size(r.bytes)),
    );
    line(
        "dropped",
        &format!(
            "{} by the kernel, {} by devices, {} by ourselves",
            grouped(r.dropped_kernel),
            grouped(r.dropped_interface),
            grouped(r.dropped_ours)
        ),
    );
    line("flows", &grouped(r.flows));
    line("findings", &grouped(r.findings));
    line("as of", &r.at);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_counts() {
        let r = Report {
            packets: 1_234,
            dropped_kernel: 5,
            interfaces: vec!["eth0".into()],
            ..Report::default()
        };
        let page = page(7, &r);
        assert!(
            page.contains("process 7") && page.contains("1,234 (") && page.contains("5 by the kernel"),
            "{page}"
        );
    }
}
