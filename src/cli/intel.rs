//! `intel`: which addresses, names and hashes are known to be bad?
//!
//! Lists are loaded under a name, matched with all that is stored at once, and from then on with every capture that is read. Refuses to
//! fetch lists: the program has no traffic of its own.

use super::output::{self, FormatOption, complain, grouped, plural};
use super::{Context, Exit, detections, private_files};
use crate::report::indicators;
use crate::store::{Indicator, IndicatorKind, Period, Store};
use anyhow::{Result, anyhow};
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// The detection that compares.
const MATCH: &str = "indicator_match";

/// Shown by `intel list`.
const LISTS: &str = "SELECT l.name, l.entries, l.format, l.added_at, l.source,
       (SELECT string_agg(k, ', ' ORDER BY k) FROM (SELECT kind || ' ' || count(*) AS k FROM indicators i WHERE i.list = l.name GROUP BY kind)) AS kinds
FROM indicator_lists l ORDER BY l.name";

/// Load lists of indicators, and match them with what is stored
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon intel add feeds/c2.txt
  secnetmon intel add bundle.json --name partners
  secnetmon intel add ja3.csv --kind ja3
  secnetmon intel list
  secnetmon anomalies --kind indicator_match

Plain text, CSV, MISP (CSV, JSON) and STIX 2.1 are told by their content.")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Load a list, or replace the one of this name, and match it
    Add {
        /// The file
        file: PathBuf,
        /// Name of the list [default: the file's name without its ending]
        #[arg(long)]
        name: Option<String>,
        /// What its entries are, where they do not say it themselves
        #[arg(long, value_enum, default_value_t = Kind::Auto)]
        kind: Kind,
    },
    /// Show the lists that are loaded
    List {
        #[command(flatten)]
        format: FormatOption,
    },
    /// Forget a list, and the findings that only it made
    Remove {
        /// Name of the list
        name: String,
    },
    /// Match the lists again with everything that is stored
    Match,
}

/// What entries are about.
#[derive(Clone, Copy, ValueEnum, Debug)]
enum Kind {
    /// Told by the form of each
    Auto,
    /// Addresses and networks
    Address,
    /// Names, with all names below them
    Domain,
    /// URLs
    Url,
    /// JA3 fingerprints
    Ja3,
    /// JA4 fingerprints
    Ja4,
    /// SHA-256 or SHA-1 of certificates
    Certificate,
    /// MD5, SHA-1 or SHA-256 of files
    File,
}

impl Kind {
    fn told(self) -> Option<IndicatorKind> {
        match self {
            Self::Auto => None,
            Self::Address => Some(IndicatorKind::Address),
            Self::Domain => Some(IndicatorKind::Domain),
            Self::Url => Some(IndicatorKind::Url),
            Self::Ja3 => Some(IndicatorKind::Ja3),
            Self::Ja4 => Some(IndicatorKind::Ja4),
            Self::Certificate => Some(IndicatorKind::Certificate),
            Self::File => Some(IndicatorKind::File),
        }
    }
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    private_files();
    let open = || Store::open(&cx.database(), &cx.settings.store.writing());
    match &args.what {
        What::Add { file, name, kind } => {
            let list = indicators::read(file, kind.told())?;
            for bad in &list.bad {
                complain(bad);
            }
            let named = name.clone().or_else(|| file.file_stem().map(|s| s.to_string_lossy().into_owned()));
            let name =
                named.filter(|n| !n.is_empty()).ok_or_else(|| anyhow!("give the list a name with --name"))?;
            let store = open()?;
            store.add_indicators(&name, &file.display().to_string(), list.format, &list.entries)?;
            let mut said = format!("{} in list {name} ({})", entries(list.entries.len() as u64), list.format);
            for (n, what) in [
                (list.bad_count, "are none and were left out"),
                (list.unseen, "are of kinds that records do not show"),
                (list.beyond, "were too many"),
            ] {
                if n > 0 {
                    said.push_str(&format!("; {} {what}", grouped(n)));
                }
            }
            output::say(&said);
            if list.entries.iter().any(Indicator::wants_old_hash) {
                output::say("MD5 and SHA-1 of files are compared in what is read from now on");
            }
            matched(&store, cx).and_then(|exit| store.close().map(|()| exit).map_err(Into::into))
        }
        What::List { format } => {
            let reader = cx.reader()?;
            let (format, style) = (format.resolve(), output::style(&cx.env));
            output::rows(&mut reader.query(LISTS, &[], &cx.settings.query.limits())?, format, style)?;
            Ok(Exit::Done)
        }
        What::Remove { name } => {
            let store = open()?;
            if !store.remove_indicators(name)? {
                return Err(anyhow!("no list is called {name}; `secnetmon intel list` shows them"));
            }
            matched(&store, cx).and_then(|exit| store.close().map(|()| exit).map_err(Into::into))
        }
        What::Match => {
            let store = open()?;
            matched(&store, cx).and_then(|exit| store.close().map(|()| exit).map_err(Into::into))
        }
    }
}

fn entries(n: u64) -> String {
    if n == 1 { "1 entry".to_owned() } else { format!("{} entries", grouped(n)) }
}

/// Match with every stored capture.
fn matched(store: &Store, cx: &Context) -> Result<Exit> {
    let config = &cx.settings.engine.detect;
    let mut all = detections::all(cx);
    all.retain(|d| d.header.name == MATCH);
    let bound = detections::bound(&all, config, &Default::default())?;
    let (mut found, mut failed, mut captures) = (0, false, 0);
    for capture in store.captures_in(&Period::default())? {
        captures += 1;
        for outcome in store.detect(&bound, capture.capture_id, &Period::default(), true)? {
            found += outcome.found.len() as u64;
            if let Some(error) = outcome.error {
                complain(&error);
                failed = true;
            }
        }
    }
    output::say(&format!("{} in {}", plural(found, "finding"), plural(captures, "capture")));
    Ok(if failed { Exit::Failed } else { Exit::Done })
}
