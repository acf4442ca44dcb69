//! `flows --follow`: what was said in this flow?
//!
//! The heading goes to stderr, what was said to stdout; raw bytes go to files of their own, and only there, because they may hold
//! anything.

use super::exit::usage;
use super::interrupt::Interrupt;
use super::output::{self, complain, grouped, plural, say};
use super::{Context, Exit, private_files};
use crate::capture::Options;
use crate::engine::follow::{Said, follow};
use crate::model::flow::Side;
use crate::report::conversation::{Conversation, Form, Printer};
use anyhow::{Context as _, Result};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Columns when there is no terminal to ask.
const PIPED_WIDTH: usize = 100;

/// What `--follow` takes besides.
#[derive(clap::Args, Debug)]
pub(super) struct FollowArgs {
    /// Show what was said in this flow (flow_id), read again from its capture
    #[arg(long, value_name = "ID", help_heading = "One conversation")]
    pub(super) follow: Option<i64>,
    /// As a hex dump
    #[arg(long, requires = "follow", help_heading = "One conversation")]
    hex: bool,
    /// Write what the originator said to this file, byte by byte
    #[arg(long, value_name = "FILE", requires = "follow", help_heading = "One conversation")]
    raw_src: Option<PathBuf>,
    /// Write what the responder said to this file, byte by byte
    #[arg(long, value_name = "FILE", requires = "follow", help_heading = "One conversation")]
    raw_dst: Option<PathBuf>,
    /// Show at most so many bytes; 0 = all
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, requires = "follow", help_heading = "One conversation")]
    bytes: u64,
    /// Where the capture is now, when it moved; one for each of its files
    #[arg(long = "file", value_name = "PATH", requires = "follow", help_heading = "One conversation")]
    files: Vec<PathBuf>,
}

/// A new file for raw bytes.
fn raw_file(path: &Path) -> Result<BufWriter<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

pub(super) fn run(id: i64, args: &FollowArgs, ndjson: bool, cx: &Context) -> Result<Exit> {
    private_files();
    if args.hex && ndjson {
        return Err(usage("--hex and --format are two ways to write; choose one"));
    }
    let conversation = Conversation::find(&cx.reader()?, id)?;
    let interrupt = Interrupt::listen()?;
    let options = Options { stop: interrupt.flag(), ..Options::default() };
    let mut source = conversation.open(&args.files, &options)?;
    let raw = |path: &Option<PathBuf>| path.as_deref().map(raw_file).transpose();
    let mut raws = [raw(&args.raw_src)?, raw(&args.raw_dst)?];
    let shown = args.raw_src.is_none() && args.raw_dst.is_none();
    let t = conversation.flow.tuple;
    say(&format!(
        "flow {id}: {}, {} port {} (>) and {} port {} (<), {} to {}, {}",
        conversation.title,
        t.src,
        t.src_port,
        t.dst,
        t.dst_port,
        conversation.flow.first_ts,
        conversation.last_ts,
        plural(conversation.packets, "packet"),
    ));
    let style = output::style(&cx.env);
    let form = match (args.hex, ndjson) {
        (true, _) => Form::Hex,
        (_, true) => Form::Ndjson,
        _ => Form::Text,
    };
    let limit = if args.bytes == 0 || !shown { u64::MAX } else { args.bytes };
    let mut printer =
        Printer::new(output::stdout(), form, style.colour, style.width.unwrap_or(PIPED_WIDTH), limit);
    let mut failed: Option<io::Error> = None;
    let mut heard = [0_u64; 2];
    let mut missing = 0;
    let mut all = true;
    let done = follow(&mut *source, &conversation.flow, &cx.settings.engine, &mut |said| {
        match said {
            Said::Bytes { side, data, .. } => {
                if let Some(n) = heard.get_mut(side.index()) {
                    *n += data.len() as u64;
                }
            }
            Said::Missing { bytes, .. } => missing += bytes,
        }
        let result = if shown { printer.say(said) } else { to_files(&mut raws, said) };
        match result {
            Ok(more) => all = more,
            Err(e) => failed = Some(e),
        }
        all && failed.is_none()
    });
    if let Some(e) = failed {
        return Err(e.into());
    }
    if !done.same_file && !interrupt.raised() {
        return Err(conversation.changed(&args.files).into());
    }
    if shown {
        printer.finish()?;
    }
    for raw in raws.iter_mut().flatten() {
        raw.flush()?;
    }
    let [src, dst] = heard;
    if interrupt.raised() {
        return Ok(Exit::Interrupted);
    }
    if !all {
        complain(&format!("only the first {} bytes are shown; --bytes 0 shows all", grouped(args.bytes)));
        return Ok(Exit::Done);
    }
    say(&format!("{} bytes from the originator, {} from the responder", grouped(src), grouped(dst)));
    if missing > 0 {
        complain(&format!("{} bytes are missing from the capture", grouped(missing)));
    }
    if !done.complete {
        complain(&format!(
            "the capture ends before the flow does: {} packets of {} were found",
            grouped(done.packets),
            grouped(conversation.packets)
        ));
        return Ok(Exit::Damaged);
    }
    Ok(Exit::Done)
}

/// Bytes to the file of their side; what is missing leaves no trace there, as in any stream that was pieced together.
fn to_files(raws: &mut [Option<BufWriter<File>>; 2], said: Said<'_>) -> io::Result<bool> {
    if let Said::Bytes { side, data, .. } = said
        && let Some(Some(out)) = raws.get_mut(Side::index(side))
    {
        out.write_all(data)?;
    }
    Ok(true)
}
