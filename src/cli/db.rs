//! `db`: how is the database looked after?
//!
//! Size and counts, consistent copies, export, emptying. What destroys data asks first, and without a terminal only
//! `--yes` is an answer.

use super::exit::usage;
use super::output::{self, grouped, plural, size};
use super::{Context, Exit, private_files};
use crate::store::{Retention, StoreConfig, maintenance};
use anyhow::Result;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

/// Look after the database: info, backup, restore, export, prune, compact, reset
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
    /// Delete captures that are too old, or the oldest until the rest fits
    Prune {
        /// Keep captures read in the last so many days [default: store.retention_days]
        #[arg(long, value_name = "DAYS")]
        days: Option<u64>,
        /// Keep the database below so many MiB in use [default: store.max_database_size_mib]
        #[arg(long, value_name = "MIB")]
        max_mib: Option<u64>,
        /// Only say which captures are too old
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short = 'y', long)]
        yes: bool,
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
        What::Prune { days, max_mib, dry_run, yes } => {
            let mut keep = cx.settings.store.retention();
            keep.days = days.unwrap_or(keep.days);
            keep.max_mib = max_mib.unwrap_or(keep.max_mib);
            prune(&path, &keep, *dry_run, *yes, &config)?;
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

/// Delete captures, and give their space back where it is worth it.
fn prune(path: &Path, keep: &Retention, dry_run: bool, yes: bool, config: &StoreConfig) -> Result<()> {
    if keep.is_off() {
        return Err(usage(
            "nothing says what to keep; give --days or --max-mib, or set store.retention_days",
        ));
    }
    if !dry_run && path.exists() {
        let mut rules = Vec::new();
        if keep.days > 0 {
            rules.push(format!("captures read more than {} days ago", keep.days));
        }
        if keep.max_mib > 0 {
            rules.push(format!("the oldest until {} MiB are in use", keep.max_mib));
        }
        confirm(yes, &format!("delete {} from {}", rules.join(" and "), path.display()))?;
    }
    let report = maintenance::prune(path, keep, dry_run, config)?;
    let verb = if dry_run { "would delete" } else { "deleted" };
    let mut out = String::new();
    for c in &report.captures {
        let _ = writeln!(out, "{verb}  {}  {}, read {}", c.path, plural(c.packets, "packet"), c.read_at);
    }
    let (before, after) = report.used_mib;
    let _ = writeln!(
        out,
        "{verb} {}; {before} MiB in use, {after} now",
        plural(report.captures.len() as u64, "capture")
    );
    output::print(&out)?;
    // A quarter of the file: less would be written anew for little.
    if !dry_run && !report.captures.is_empty() && after < before - before / 4 {
        let (before, after) = maintenance::compact(path, config)?;
        output::print(&format!("{}  {} -> {}\n", path.display(), size(before), size(after)))?;
    }
    Ok(())
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
