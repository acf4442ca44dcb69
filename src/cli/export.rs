//! `export`: how do other tools get what is stored?
//!
//! Into a new folder, private to its owner, complete or not at all. Parquet is what `db export` writes.

use super::exit::usage;
use super::output::{self, grouped};
use super::scope::{ScopeOptions, told};
use super::{Context, Exit, private_files};
use crate::report::export::{Dialect, export};
use crate::report::traffic::{Asked, Scope};
use crate::store::maintenance;
use anyhow::Result;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Hand what is stored on to other tools: Zeek logs, Suricata EVE, CSV, Parquet
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon export --format zeek -o logs
  secnetmon export --format zeek-json --capture office.pcap -o logs
  secnetmon export --format eve --since 2024-01-31 -o eve
  secnetmon export --format parquet -o lake")]
pub(super) struct Args {
    /// In whose words
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Form,
    /// The folder; must not exist
    #[arg(short = 'o', long = "out", value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    scope: ScopeOptions,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Form {
    /// Zeek's logs, tab-separated
    Zeek,
    /// Zeek's logs, one JSON object a line
    ZeekJson,
    /// Suricata's EVE in one file
    Eve,
    /// Every table as CSV
    Csv,
    /// Every table as Parquet, by sensor and day
    Parquet,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let asked = args.scope.asked()?;
    let dialect = match args.format {
        Form::Zeek => Dialect::Zeek,
        Form::ZeekJson => Dialect::ZeekJson,
        Form::Eve => Dialect::Eve,
        Form::Csv => Dialect::Csv,
        Form::Parquet if asked == Asked::default() => {
            let exported =
                maintenance::export(&cx.database_to_read(), &args.out, &cx.settings.store.writing())?;
            return tell(&args.out, &exported.tables);
        }
        Form::Parquet => {
            return Err(usage("Parquet is written of the whole database: its folders are by sensor and day"));
        }
    };
    let reader = cx.reader()?;
    let scope = Scope::resolve(&asked, &reader).map_err(told)?;
    let written = export(&reader, &scope, dialect, &args.out, &mut |_| ())?;
    tell(&args.out, &written.files)
}

fn tell(folder: &std::path::Path, files: &[(String, u64)]) -> Result<Exit> {
    let name = files.iter().map(|(f, _)| f.len()).max().unwrap_or(0);
    let number = files.iter().map(|(_, n)| grouped(*n).len()).max().unwrap_or(0);
    let mut out = format!("{}\n", folder.display());
    for (file, rows) in files.iter().filter(|(_, n)| *n > 0) {
        let _ = writeln!(out, "  {file:name$}  {:>number$}", grouped(*rows));
    }
    output::print(&out)?;
    Ok(Exit::Done)
}
