//! `ingest`: what is in these captures?
//!
//! One capture a file, one transaction a capture; a file that cannot be read does not stop the others. What was already
//! there is said and skipped. Ends with an honest account: what was read, what was found, what was lost.

use super::anomalies::{ScanOptions, SeverityArg};
use super::exit::usage;
use super::interrupt::Interrupt;
use super::output::{self, complain};
use super::plan::{self, Job};
use super::progress::Bar;
use super::save::SaveOptions;
use super::summary::{self, Account};
use super::{Context, Exit, detections, private_files, serve};
use crate::capture::{OpenError, Options, Progress, Source};
use crate::engine::sink::{CaptureStart, CaptureSummary, Stored};
use crate::engine::{self, EngineError};
use crate::model::ids::CaptureId;
use crate::store::{Store, StoreError, Writer};
use anyhow::Result;
use ipnetwork::IpNetwork;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Read captures into the database
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon ingest monday.pcapng tuesday.pcap.gz
  secnetmon ingest -r /var/captures --sensor gateway --local-net 10.0.0.0/8
  secnetmon ingest --as-one ring-1.pcap ring-2.pcap
  tcpdump -i eth0 -w - | secnetmon ingest -

A capture whose content is already there is skipped; --force reads it again and replaces it.
Ctrl-C stops after nothing of the current file was stored (exit code 130); a second one quits at once.
Exit code 3: everything was read, but some of it was damaged; all before the damage is stored.")]
pub(super) struct Args {
    /// Capture files, folders (with -r), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Read all captures in folders and the folders below
    #[arg(short, long)]
    pub(super) recursive: bool,
    /// Merge all files by packet time into one capture
    #[arg(long, conflicts_with = "follow")]
    pub(super) as_one: bool,
    /// Keep reading a folder that a rotating capture is written to, until Ctrl-C
    #[arg(long)]
    pub(super) follow: bool,
    /// Where the captures were recorded; captures of one sensor are joined
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Read only packets that match this filter (pcap-filter(7))
    #[arg(long, value_name = "BPF")]
    filter: Option<String>,
    /// A network that is ours; repeatable, or with commas [default: inferred from the traffic]
    #[arg(long = "local-net", value_name = "CIDR", value_delimiter = ',')]
    local_nets: Vec<IpNetwork>,
    /// Worker threads, 0 = one a core; the rows do not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Replace captures that are already there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    scan: ScanOptions,
    #[command(flatten)]
    save: SaveOptions,
    /// End with exit code 4 when something at or above this severity was found
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<SeverityArg>,
}

/// More worker threads than this is a typing error.
const MAX_THREADS: usize = 1024;

/// How one capture went.
pub(super) enum Outcome {
    /// Read and stored.
    Stored(CaptureId, Box<CaptureSummary>),
    /// Its content was there already, under this path.
    Known(String),
    /// Not read; the sentence says why.
    Failed(String),
    /// Stopped by the user; nothing of it is stored.
    Interrupted,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let sensor = args.sensor.clone().unwrap_or_else(|| cx.settings.ingest.sensor.clone());
    let threads = args.threads.unwrap_or(cx.settings.ingest.threads);
    if threads > MAX_THREADS {
        return Err(usage(format!("{threads} threads are too many; 0 takes one a core")));
    }
    let mut config = cx.settings.engine.clone();
    if !args.local_nets.is_empty() {
        config.topology.local_nets.clone_from(&args.local_nets);
    }
    args.scan.apply(&mut config.detect)?;
    let began = Instant::now();
    let interrupt = Interrupt::listen()?;
    let options = Options { stop: interrupt.flag(), filter: args.filter.clone(), ..Options::default() };
    let plan = plan::plan(args, &options)?;
    if args.save.is_wanted() && !plan.jobs.iter().any(Job::is_stream) {
        return Err(usage(
            "--save-pcap keeps the packets of streams (--follow, -); these files are there already",
        ));
    }
    let mut exit = plan.exit;
    let mut account = Account::new(plan.no_captures, plan.failed);
    if plan.jobs.is_empty() {
        return Ok(exit);
    }
    let mut store = Store::open(&cx.database(), &cx.settings.store.writing())?;
    serve(&mut store);
    config.protocol.old_hashes |= store.wants_old_hashes()?;
    let mut writer = store.writer()?;
    writer.retain(cx.settings.store.retention())?;
    let mut sql = detections::all(cx);
    sql.retain(|d| !detections::is_off(&config.detect, d));
    writer.detect_with(detections::bound(&sql, &config.detect, &BTreeMap::new())?)?;
    let run =
        Run { save: &args.save, sensor: &sensor, threads, force: args.force, config: &config, cx, options };
    for job in &plan.jobs {
        if interrupt.raised() {
            exit = exit.and(Exit::Interrupted);
            break;
        }
        exit = exit.and(account.add(job, run.one(job, &store, &mut writer)?, cx)?);
        for error in writer.outcomes()?.into_iter().filter_map(|o| o.error) {
            complain(&error);
        }
    }
    drop(writer);
    store.close()?;
    exit = exit.and(account.finish(cx, began.elapsed(), args.fail_on.map(SeverityArg::severity))?);
    Ok(exit)
}

/// What all captures of one command share.
struct Run<'a> {
    save: &'a SaveOptions,
    sensor: &'a str,
    threads: usize,
    force: bool,
    config: &'a engine::Config,
    cx: &'a Context,
    options: Options,
}

impl Run<'_> {
    /// One capture from its path to its rows. Errors of the store end the command; those of the input do not.
    fn one(&self, job: &Job, store: &Store, writer: &mut Writer) -> Result<Outcome> {
        let (progress, stats) = (Progress::new(), engine::Stats::new());
        let capture_id = match job.identity() {
            Ok(id) => id,
            Err(e) => return Ok(Outcome::Failed(format!("{}: cannot be read: {e}", job.label()))),
        };
        if !self.force
            && let Some(known) = store.capture(capture_id)?
            && known.content_hash.as_deref().is_some_and(|hash| job.has_content(hash, &self.options))
        {
            return Ok(Outcome::Known(known.path));
        }
        let source = match job.open(&self.options, &progress) {
            Ok(source) => source,
            Err(OpenError::Interrupted(_)) => return Ok(Outcome::Interrupted),
            Err(e @ (OpenError::Filter { .. } | OpenError::FilterUnavailable)) => {
                return Err(usage(e.to_string()));
            }
            Err(e) => return Ok(Outcome::Failed(e.to_string())),
        };
        let source = if job.is_stream() { self.save.keep(source, capture_id)? } else { source };
        let start = CaptureStart {
            capture_id,
            path: job.label(),
            sensor: self.sensor.to_owned(),
            streaming: job.is_stream(),
            replace: self.force,
            continues: None,
            rotation: None,
        };
        let bar = Bar::begin(&start.path, &progress, &stats, &self.cx.env);
        let result = run_engine(source, &start, writer, self.config, self.threads, &stats);
        drop(bar);
        match result {
            Ok((summary, Stored::Committed)) => Ok(Outcome::Stored(capture_id, Box::new(summary))),
            Ok((_, Stored::Duplicate(path))) => Ok(Outcome::Known(path)),
            Err(EngineError::Interrupted) => Ok(Outcome::Interrupted),
            Err(e) => Err(e.into()),
        }
    }
}

/// The one place where the engine is called.
fn run_engine(
    source: Box<dyn Source>,
    start: &CaptureStart,
    sink: &mut Writer,
    config: &engine::Config,
    threads: usize,
    stats: &Arc<engine::Stats>,
) -> Result<(CaptureSummary, Stored), EngineError<StoreError>> {
    engine::run(source, start, sink, config, threads, stats)
}

impl Account {
    /// Tell the outcome of one capture as it is known; what the command ends with if it were the last.
    fn add(&mut self, job: &Job, outcome: Outcome, cx: &Context) -> Result<Exit> {
        match outcome {
            Outcome::Stored(id, summary) => {
                let damaged = summary.ledger.damage().is_some();
                for warning in summary::warnings(&summary) {
                    complain(&warning);
                }
                output::tell(&summary::capture(&job.label(), &summary), &cx.env)?;
                self.count(id, &summary);
                Ok(if damaged { Exit::Damaged } else { Exit::Done })
            }
            Outcome::Known(path) => {
                let label = job.label();
                let of = if path == label { String::new() } else { format!(" as {path}") };
                output::say(&format!("{label}: is already in the database{of}; --force reads it again"));
                self.known += 1;
                Ok(Exit::Done)
            }
            Outcome::Failed(why) => {
                complain(&why);
                self.failed += 1;
                Ok(Exit::Failed)
            }
            Outcome::Interrupted => {
                complain(&format!("{}: stopped by the user; nothing of it was stored", job.label()));
                Ok(Exit::Interrupted)
            }
        }
    }
}
