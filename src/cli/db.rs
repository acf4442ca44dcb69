//! `db`: how is the database looked after?
//!
//! Size and counts, consistent copies, export, emptying. What destroys data asks first, and without a terminal only
//! `--yes` is an answer.

use super::exit::usage;
use super::output::{self, grouped, size};
use super::{Context, Exit, private_files};
use crate::store::maintenance;
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

/// Look after the database: info, backup, restore, export, compact, reset
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Size, captures, rows per table, and what hit a cap
    Info,
    /// Write a consistent copy to a new file
    Backup {
        /// The copy; must not exist
        to: PathBuf,
    },
    /// Replace the database with a backup
    Restore {
        /// A file that `db backup` wrote
        from: PathBuf,
        /// Do not ask
        #[arg(short = 'y', long)]
        yes: bool,
    },
    /// Write all tables as Parquet, by sensor and day, to a new folder
    Export {
        /// The folder; must not exist
        to: PathBuf,
    },
    /// Give the space of deleted captures back to the disk
    Compact,
    /// Delete everything in the database
    Reset {
        /// Do not ask
        #[arg(short = 'y', long)]
        yes: bool,
    },
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let path = cx.database();
    let config = cx.settings.store.writing();
    match &args.what {
        What::Info => {
            let path = cx.database_to_read();
            output::print(&info(&path, &maintenance::info(&path, &config)?))?;
        }
        What::Backup { to } => {
            let bytes = maintenance::backup(&path, to, &config)?;
            output::print(&format!("{}  {}\n", to.display(), size(bytes)))?;
        }
        What::Restore { from, yes } => {
            if path.exists() {
                confirm(*yes, &format!("replace {} with {}", path.display(), from.display()))?;
            }
            maintenance::restore(&path, from, &config)?;
            output::print(&format!("{} is now what {} holds\n", path.display(), from.display()))?;
        }
        What::Export { to } => {
            let exported = maintenance::export(&path, to, &config)?;
            output::print(&format!("{}\n{}", exported.folder.display(), counts(&exported.tables)))?;
        }
        What::Compact => {
            let (before, after) = maintenance::compact(&path, &config)?;
            output::print(&format!("{}  {} -> {}\n", path.display(), size(before), size(after)))?;
        }
        What::Reset { yes } => {
            // Ask about what is there; a database that is not there is told by the store.
            if path.exists() {
                confirm(*yes, &format!("delete everything in {}", path.display()))?;
            }
            maintenance::reset(&path, &config)?;
            output::print(&format!("{} is empty\n", path.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// Ask a person; refuse when there is none.
fn confirm(yes: bool, what: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(usage(format!("this would {what}; say --yes to do it")));
    }
    let mut err = std::io::stderr().lock();
    write!(err, "This will {what}. Type yes to go on: ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(anyhow::anyhow!("nothing was changed")) }
}

fn counts(tables: &[(String, u64)]) -> String {
    let name = tables.iter().map(|(t, _)| t.len()).max().unwrap_or(0);
    let number = tables.iter().map(|(_, n)| grouped(*n).len()).max().unwrap_or(0);
    tables.iter().fold(String::new(), |mut out, (table, rows)| {
        let _ = writeln!(out, "  {table:name$}  {:>number$}", grouped(*rows));
        out
    })
}

fn info(path: &Path, i: &maintenance::Info) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "database  {}", path.display());
    let _ = writeln!(out, "size      {} in the file, {} in use", size(i.file_bytes), size(i.used_bytes));
    let _ = writeln!(out, "schema    version {}, DuckDB {}", i.schema_version, i.duckdb_version);
    let captures: Vec<String> = i.captures.iter().map(|(s, n)| format!("{} {s}", grouped(*n))).collect();
    let _ =
        writeln!(out, "captures  {}", if captures.is_empty() { "none".into() } else { captures.join(", ") });
    if let (Some(first), Some(last)) = (i.first_ts, i.last_ts) {
        let _ = writeln!(out, "packets   from {first} to {last}");
    }
    let _ = writeln!(out, "rows\n{}", counts(&i.tables).trim_end());
    if !i.caps_hit.is_empty() {
        let _ = writeln!(
            out,
            "caps hit (what was beyond them is not in the tables)\n{}",
            counts(&i.caps_hit).trim_end()
        );
    }
    out
}
