//! `detect`: what would be found in what is stored, with other values or in another period?
//!
//! Asks detections in SQL again. Findings are replaced by their id and keep what was said of them; those of the same detection that no longer
//! hold go. `--dry-run` only shows. Streaming detectors need the packets: `ingest --force` runs those again.

use super::exit::usage;
use super::output::{self, FormatOption, complain, grouped, plural};
use super::{Context, Exit, detections, private_files, query, serve};
use crate::model::anomaly::Anomaly;
use crate::model::ids::CaptureId;
use crate::report::params::parse_time;
use crate::report::render::render_all;
use crate::report::suggest::hint;
use crate::store::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use crate::store::{Period, Store};
use anyhow::{Result, anyhow};
use std::sync::Arc;

/// Ask detections in SQL again over what is stored
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon detect
  secnetmon detect beacon -p min_score=0.6 --dry-run
  secnetmon detect dns_tunnel dga --since 2024-01-31 --until 2024-02-01
  secnetmon detect slow_scan --threshold 30

`secnetmon detectors NAME` explains a detection and its parameters. Files in the folder detections beside the configuration
(or in detect.folder) are detections, too.")]
pub(super) struct Args {
    /// Which ones [default: all]
    names: Vec<String>,
    /// Value of a parameter, for every detection that has it; repeatable
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Only what happened from this time (UTC) on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what happened until this time (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only over this capture (captures.capture_id)
    #[arg(long, value_name = "ID")]
    capture: Option<i64>,
    /// Failed first contacts that make a slow scan; the same as -p threshold=N
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    /// Seconds in which they count; the same as -p window=S
    #[arg(long, value_name = "SECONDS")]
    window: Option<u32>,
    /// Show what would be found and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    format: FormatOption,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let config = &cx.settings.engine.detect;
    let mut all = detections::all(cx);
    if args.names.is_empty() {
        all.retain(|d| !detections::is_off(config, d));
    } else {
        for name in &args.names {
            if all.iter().all(|d| d.header.name != *name) {
                let near = hint(name, all.iter().map(|d| d.header.name.as_str()));
                return Err(anyhow!(
                    "no detection in SQL is called {name}.{near} `secnetmon detectors` lists them."
                ));
            }
        }
        all.retain(|d| args.names.contains(&d.header.name));
    }
    let mut given = query::given(&args.params)?;
    for (option, value) in [("threshold", args.threshold), ("window", args.window)] {
        if value == Some(0) {
            return Err(usage(format!("--{option} 0 would find everything; give at least 1")));
        }
        if let Some(n) = value {
            given.insert(option.to_owned(), n.to_string());
        }
    }
    let bound = detections::bound(&all, config, &given)?;
    let time = |option: &str, value: &Option<String>| match value {
        None => Ok(None),
        Some(v) => parse_time(v).map(Some).ok_or_else(|| {
            usage(format!("--{option} {v}: write a time like 2024-01-31 or 2024-01-31T13:45:00Z"))
        }),
    };
    let period = Period { since: time("since", &args.since)?, until: time("until", &args.until)? };
    let mut store = Store::open(&cx.database_to_read(), &cx.settings.store.reading())?;
    serve(&mut store);
    let mut captures: Vec<CaptureId> = store.captures_in(&period)?.iter().map(|c| c.capture_id).collect();
    if let Some(id) = args.capture {
        captures.retain(|c| c.0 == id);
        if captures.is_empty() {
            return Err(anyhow!(
                "no finished capture {id} in that period; `secnetmon query capture_ledger` lists them"
            ));
        }
    }
    let mut found: Vec<Anomaly> = Vec::new();
    let (mut failed, mut removed, mut left_out) = (false, 0, 0);
    for id in &captures {
        for outcome in store.detect(&bound, *id, &period, !args.dry_run)? {
            removed += outcome.removed;
            left_out += outcome.run.evicted;
            if let Some(error) = outcome.error {
                complain(&error);
                failed = true;
            }
            found.extend(outcome.found);
        }
    }
    store.close()?;
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
    let batch = table(&found)?;
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    render_all(format, output::stdout(), style, &batch.schema(), std::slice::from_ref(&batch))?;
    let mut said =
        format!("{} in {}", plural(found.len() as u64, "finding"), plural(captures.len() as u64, "capture"));
    let meant = found.iter().filter(|a| a.expected).count();
    if meant > 0 {
        said.push_str(&format!(", {} of them as expected", grouped(meant as u64)));
    }
    if left_out > 0 {
        said.push_str(&format!("; {} more were left out by a cap", grouped(left_out)));
    }
    if args.dry_run {
        said.push_str("; nothing was written");
    } else if removed > found.len() as u64 {
        said.push_str(&format!("; {} earlier ones no longer hold", grouped(removed - found.len() as u64)));
    }
    output::say(&said);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Findings as rows.
fn table(found: &[Anomaly]) -> Result<RecordBatch> {
    let text = |value: &dyn Fn(&Anomaly) -> Option<String>| -> ArrayRef {
        Arc::new(StringArray::from_iter(found.iter().map(value)))
    };
    let round = |n: f64| (n * 100.0).round() / 100.0;
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("severity", text(&|a| Some(a.severity.name().to_owned())), false),
        (
            "confidence",
            Arc::new(Float64Array::from_iter_values(found.iter().map(|a| round(a.confidence)))) as ArrayRef,
            false,
        ),
        ("kind", text(&|a| Some(a.kind.name.to_owned())), false),
        ("title", text(&|a| Some(a.title.clone())), false),
        ("src_ip", text(&|a| a.src.map(|ip| ip.to_string())), true),
        ("dst_ip", text(&|a| a.dst.map(|ip| ip.to_string())), true),
        ("detector", text(&|a| Some(a.detector.to_string())), false),
        ("first_ts", text(&|a| Some(a.first_ts.to_string())), false),
        ("last_ts", text(&|a| Some(a.last_ts.to_string())), false),
        ("count", Arc::new(UInt64Array::from_iter_values(found.iter().map(|a| a.count))), false),
        ("anomaly_id", Arc::new(Int64Array::from_iter_values(found.iter().map(|a| a.id.0))), false),
    ])?)
}
