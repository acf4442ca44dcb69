//! `extract`: which packets are behind this?
//!
//! Findings and flows know their files and offsets; the packets are taken back out of the captures as pcapng. Says what
//! was chosen, what could not be found, and never overwrites what it was not told to.

use super::exit::usage;
use super::interrupt::Interrupt;
use super::output::{self, complain, grouped, plural, say, size};
use super::{Context, Exit, private_files};
use crate::capture::Options;
use crate::report::evidence::files::{Moved, locate, removed};
use crate::report::evidence::take::{Taken, take};
use crate::report::evidence::{EvidenceError, Plan, Selection, plan};
use anyhow::{Context as _, Result, anyhow};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Bytes gathered before a write.
const OUT_BUFFER_BYTES: usize = 256 << 10;
/// Incomplete flows that are named.
const NAMED: usize = 5;

/// Take the packets behind findings and flows out of the captures
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon extract --anomaly 4611686018427387904 -o finding.pcapng
  secnetmon extract --flow 1099511627780 -o - | tshark -r -
  secnetmon extract --where \"dst_ip = '203.0.113.7' AND service = 'tls'\" -o tls.pcapng
  secnetmon extract --anomaly 4611686018427387904 --path /mnt/evidence=/archive -o finding.pcapng

The packets are read from the files that were ingested; each carries a comment with its flow and finding.
Exit code 3: packets were written, but some that the flows count are not in the files any more.")]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["anomalies", "flows", "condition"]))]
pub(super) struct Args {
    /// The packets of a finding (anomaly_id); repeatable
    #[arg(long = "anomaly", value_name = "ID")]
    anomalies: Vec<i64>,
    /// The packets of a flow (flow_id); repeatable
    #[arg(long = "flow", value_name = "ID")]
    flows: Vec<i64>,
    /// The packets of the flows for which this SQL holds
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Where to write; - for standard output
    #[arg(short, long, value_name = "FILE.pcapng")]
    output: PathBuf,
    /// Replace the output file when it is there
    #[arg(long)]
    force: bool,
    /// Captures that lay below OLD lie below NEW now; repeatable
    #[arg(long = "path", value_name = "OLD=NEW")]
    moved: Vec<String>,
    /// A capture file, or a folder with the capture files, that moved; repeatable
    #[arg(long = "file", value_name = "PATH")]
    places: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let moved = moved(args)?;
    let to_stdout = args.output.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(usage("standard output is a terminal; pipe it, or name a file with -o"));
    }
    if !to_stdout && !args.force && args.output.exists() {
        return Err(anyhow!("{} exists already; --force replaces it", args.output.display()));
    }
    let selection = Selection {
        anomalies: args.anomalies.clone(),
        flows: args.flows.clone(),
        condition: args.condition.clone(),
    };
    let vlan_in_key = cx.settings.engine.flow.vlan_in_key;
    let reader = cx.reader()?;
    let plan = plan(&reader, &cx.settings.query.limits(), &selection, vlan_in_key)?;
    drop(reader); // reading files may take long, and writers need not wait for it
    for note in &plan.notes {
        say(note);
    }
    let files: Vec<Vec<Option<PathBuf>>> =
        plan.captures.iter().map(|c| locate(c, &moved)).collect::<Result<_, EvidenceError>>()?;
    for (capture, found) in plan.captures.iter().zip(&files) {
        tell_removed(&removed(capture, found));
    }
    if !to_stdout {
        spare_inputs(&args.output, &files)?;
    }
    let interrupt = Interrupt::listen()?;
    let options = Options { stop: interrupt.flag(), ..Options::default() };
    let decode = &cx.settings.engine.decode;
    let done = if to_stdout {
        let out = BufWriter::with_capacity(OUT_BUFFER_BYTES, io::stdout().lock());
        take(&plan, &files, decode, vlan_in_key, &options, out).map(|(taken, _)| taken)
    } else {
        into_file(&args.output, args.force, |out| take(&plan, &files, decode, vlan_in_key, &options, out))?
    };
    match done {
        Ok(taken) => tell(&plan, &taken, (!to_stdout).then_some(&*args.output)),
        Err(EvidenceError::Interrupted) => {
            complain("stopped by the user; nothing was written");
            Ok(Exit::Interrupted)
        }
        // A pipe that was closed is no error; the program's end looks for this kind.
        Err(EvidenceError::Write(e)) => Err(e).context("cannot write the packets"),
        Err(e) => Err(e.into()),
    }
}

/// Some of the wanted files are not kept any more.
fn tell_removed(files: &[&Path]) {
    if let (Some(first), Some(last)) = (files.first(), files.last()) {
        let of = if files.len() == 1 { String::new() } else { format!(" to {}", last.display()) };
        complain(&format!(
            "{} ({}{of}) not kept any more: the limits of the ring took {}",
            plural(files.len() as u64, "file"),
            first.display(),
            if files.len() == 1 { "it" } else { "them" },
        ));
    }
}

/// What the user says about files that moved.
fn moved(args: &Args) -> Result<Moved> {
    let pair = |text: &String| {
        text.split_once('=')
            .map(|(old, new)| (PathBuf::from(old), PathBuf::from(new)))
            .filter(|(old, new)| !old.as_os_str().is_empty() && !new.as_os_str().is_empty())
            .ok_or_else(|| usage(format!("--path {text}: write it as OLD=NEW")))
    };
    for place in &args.places {
        if !place.exists() {
            return Err(usage(format!("--file {}: no such file or folder", place.display())));
        }
    }
    Ok(Moved { prefixes: args.moved.iter().map(pair).collect::<Result<_>>()?, places: args.places.clone() })
}

/// The result must not take the place of what it is read from.
fn spare_inputs(output: &Path, files: &[Vec<Option<PathBuf>>]) -> Result<()> {
    let Ok(target) = output.canonicalize() else { return Ok(()) };
    let same = |p: &PathBuf| p.canonicalize().is_ok_and(|p| p == target);
    if files.iter().flatten().flatten().any(same) {
        return Err(usage(format!("{} is one of the captures; write to another file", output.display())));
    }
    Ok(())
}

type Taking = Result<(Taken, BufWriter<File>), EvidenceError>;

/// Write into a file that appears under its name only when it is complete.
fn into_file(
    path: &Path,
    replace: bool,
    fill: impl FnOnce(BufWriter<File>) -> Taking,
) -> Result<Result<Taken, EvidenceError>> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let done = fill(BufWriter::with_capacity(OUT_BUFFER_BYTES, file)).and_then(|(taken, out)| {
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        // A name that appeared meanwhile is not ours to replace.
        let linked =
            if replace { Err(io::ErrorKind::Unsupported.into()) } else { std::fs::hard_link(&part, path) };
        match linked {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(e.into()),
            // Also where a file system has no links.
            Err(_) => std::fs::rename(&part, path)?,
            Ok(()) => {}
        }
        Ok(taken)
    });
    if done.is_err() || !replace {
        let _ = std::fs::remove_file(&part); // the first error is the one to tell
    }
    Ok(done)
}

fn tell(plan: &Plan, taken: &Taken, path: Option<&Path>) -> Result<Exit> {
    let wanted: usize = plan.captures.iter().map(|c| c.wanted.flows.len()).sum();
    let of_flows = if wanted > 0 { format!(" of {}", plural(taken.flows, "flow")) } else { String::new() };
    let what = format!("{}{of_flows}, {} on the wire", plural(taken.packets, "packet"), size(taken.bytes));
    match path {
        Some(path) => output::print(&format!("{}  {what}\n", path.display()))?,
        None => say(&what),
    }
    if taken.incomplete.is_empty() {
        return Ok(Exit::Done);
    }
    for (id, found, expected) in taken.incomplete.iter().take(NAMED) {
        complain(&format!("flow {id}: {} of {} packets found", grouped(*found), grouped(*expected)));
    }
    if taken.incomplete.len() > NAMED {
        complain(&format!("and {} more flows are incomplete", taken.incomplete.len() - NAMED));
    }
    Ok(Exit::Damaged)
}
