//! `analyze`: what goes on in the traffic, and how much of it?
//!
//! Volume only: services, ports, talkers, pairs, sizes, the course of time; or what changed against another capture or period. Piped it is
//! the same text without colours, because the numbers for programs have forms of their own (`--format`).

use super::exit::usage;
use super::output::{self, FormatOption};
use super::scope::{ScopeOptions, told};
use super::{Context, Exit};
use crate::report::render::Format;
use crate::report::suggest::hint;
use crate::report::traffic::{self, Look, Measure, Scope};
use anyhow::Result;
use clap::ValueEnum;

/// Columns when there is no terminal to ask.
const PIPED_WIDTH: usize = 100;
/// Most intervals of a timeline for programs.
const MAX_INTERVALS: usize = 120;
/// Lines of a list when all are asked for; what is beyond it is said.
const ALL: u64 = 1_000_000;

/// Show traffic statistics, or compare two captures or periods
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon analyze --top 15
  secnetmon analyze services ports --capture office.pcap --by flows
  secnetmon analyze --since 2024-01-31T08:00 --until 2024-01-31T18:00
  secnetmon analyze --capture today.pcap --against yesterday.pcap
  secnetmon analyze --since 2024-01-31 --against 2024-01-30..2024-01-31 --format json")]
pub(super) struct Args {
    /// Sections: timeline, hours, directions, protocols, services, ports, talkers, pairs, names, sizes, durations, states [default: all]
    #[arg(value_name = "SECTION")]
    sections: Vec<String>,
    /// Lines of each list; 0 = all
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    top: u64,
    /// What lists are sorted by, and what bars show
    #[arg(long, value_enum, default_value_t = By::Bytes)]
    by: By,
    #[command(flatten)]
    scope: ScopeOptions,
    /// Say what is new, gone, more and less than in this capture or period (FROM..UNTIL)
    #[arg(long, value_name = "CAPTURE|PERIOD", conflicts_with = "sections")]
    against: Option<String>,
    #[command(flatten)]
    format: FormatOption,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum By {
    /// Bytes with IP headers
    Bytes,
    /// Packets
    Packets,
    /// Flows
    Flows,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    for name in &args.sections {
        if !traffic::SECTIONS.iter().any(|s| s.name == name) {
            let near = hint(name, traffic::SECTIONS.iter().map(|s| s.name));
            return Err(usage(format!("no section {name}.{near} `secnetmon analyze --help` lists them")));
        }
    }
    let asked = args.scope.asked()?;
    let measure = match args.by {
        By::Bytes => Measure::Bytes,
        By::Packets => Measure::Packets,
        By::Flows => Measure::Flows,
    };
    let top = if args.top == 0 { ALL } else { args.top };
    let style = output::style(&cx.env);
    let look = Look { width: style.width.unwrap_or(PIPED_WIDTH), colour: style.colour, measure };
    // Piped without a wish it is text, as on the terminal.
    let format = args.format.format.map_or(Format::Table, |_| args.format.resolve());
    let reader = cx.reader()?;
    let scope = Scope::resolve(&asked, &reader).map_err(told)?;
    let text = if let Some(word) = &args.against {
        let other = Scope::other(word, &asked, &reader).map_err(told)?;
        let c = traffic::compare(&reader, &scope, &other, top)?;
        match format {
            Format::Table => traffic::changes_text(&c, look),
            Format::Csv => c.csv(),
            Format::Json => format!("{:#}\n", c.json()),
            Format::Ndjson => c.ndjson(),
            Format::Markdown => c.markdown(),
        }
    } else {
        let intervals = if format == Format::Table { look.width.min(MAX_INTERVALS) } else { MAX_INTERVALS };
        let s = traffic::ask(&reader, &scope, &args.sections, measure, top, intervals)?;
        match format {
            Format::Table => traffic::statistics_text(&s, scope.name(), look),
            Format::Csv => s.csv(),
            Format::Json => format!("{:#}\n", s.json()),
            Format::Ndjson => s.ndjson(),
            Format::Markdown => s.markdown(scope.name()),
        }
    };
    output::print(&text)?;
    Ok(Exit::Done)
}
