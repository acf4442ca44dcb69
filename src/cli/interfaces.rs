//! `interfaces`: which devices are there, and may we capture from them?
//!
//! Each is opened for a moment and closed again: that is the only honest answer. Captures nothing.

use super::output::{self, FormatOption};
use super::{Exit, env::Env};
use crate::capture::live::{self, Found};
use crate::report::render::renderer;
use crate::store::arrow::array::{ArrayRef, RecordBatch, StringArray};
use anyhow::{Result, anyhow};
use std::sync::Arc;

/// List the devices that can be watched, with addresses, state and whether we may open them
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    format: FormatOption,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let env = Env::of_process();
    let found = live::list().map_err(|e| anyhow!("{e}"))?;
    let column = |value: &dyn Fn(&Found) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(found.iter().map(value)))
    };
    let batch = RecordBatch::try_from_iter([
        ("interface", column(&|f| f.name.clone())),
        ("state", column(&|f| state(f).to_owned())),
        (
            "can_capture",
            column(&|f| f.refused.clone().map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"))),
        ),
        ("addresses", column(&|f| f.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))),
        ("description", column(&|f| f.description.clone().unwrap_or_default())),
    ])?;
    let mut out = renderer(args.format.resolve(), output::stdout(), output::style(&env));
    out.begin(&batch.schema())?;
    out.batch(&batch)?;
    out.finish()?;
    drop(out);
    if found.iter().any(|f| f.refused.as_deref() == Some("not permitted")) {
        output::say(&super::monitor::remedy("secnetmon monitor -i INTERFACE"));
    }
    Ok(Exit::Done)
}

fn state(f: &Found) -> &'static str {
    match (f.up, f.running) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) if f.loopback => "up, loopback",
        (true, true) if f.wireless => "up, wireless",
        (true, true) => "up",
    }
}
