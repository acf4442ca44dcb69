//! How do answers reach stdout and words stderr?
//!
//! Rows go to stdout in the chosen form; everything said to a person goes to stderr, printable and one sentence a
//! line. A reader that has seen enough (`| head`) is no error.

use super::env::Env;
use super::log::Log;
use crate::model::text::printable;
pub(super) use crate::report::figures::{grouped, plural, size};
use crate::report::fold::fold;
use crate::report::render::{Format, Style, renderer};
use crate::report::suggest::hint;
use crate::store::ResultSet;
use crate::store::arrow::array::AsArray;
use anyhow::Result;
use clap::ValueEnum;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::sync::{Mutex, OnceLock};
use unicode_width::UnicodeWidthStr;

/// Columns assumed when the terminal does not tell.
const DEFAULT_WIDTH: usize = 80;
/// Columns that did not fit are named up to this many.
const HIDDEN_NAMED: usize = 8;
/// Terminals narrower than this are left to break lines themselves.
const NARROWEST: usize = 40;
/// What begins a line and is at most so wide is a label.
const WIDEST_LABEL: usize = 12;
/// Bytes gathered before a write to stdout.
const OUT_BUFFER_BYTES: usize = 64 << 10;

/// Columns of the terminal that a pager shows our output on: then stdout is a pipe, but read by a person.
static PAGED_WIDTH: OnceLock<usize> = OnceLock::new();
/// What is to be said when the pager has ended; `None`: say it at once.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// `--format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum FormatArg {
    /// Aligned columns for eyes
    Table,
    /// Comma-separated values with a header
    Csv,
    /// One array of objects
    Json,
    /// One object a line
    Ndjson,
    /// A Markdown table
    Markdown,
}

/// The `--format` option of every command that prints rows.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct FormatOption {
    /// Form of the rows [default: table on a terminal, csv when piped]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = false)]
    pub(super) format: Option<FormatArg>,
}

impl FormatOption {
    /// The form to write.
    pub(super) fn resolve(self) -> Format {
        match self.format {
            Some(FormatArg::Table) => Format::Table,
            Some(FormatArg::Csv) => Format::Csv,
            Some(FormatArg::Json) => Format::Json,
            Some(FormatArg::Ndjson) => Format::Ndjson,
            Some(FormatArg::Markdown) => Format::Markdown,
            None if is_terminal() => Format::Table,
            None => Format::Csv,
        }
    }
}

/// Does a person read stdout, directly or through a pager?
fn is_terminal() -> bool {
    PAGED_WIDTH.get().is_some() || io::stdout().is_terminal()
}

/// Note what the terminal is like, before a pager takes its place.
pub(super) fn remember_terminal(env: &Env) {
    let _ = PAGED_WIDTH.set(width(env));
}

/// From now on keep what is said until [`release_words`].
pub(super) fn hold_words() {
    if let Ok(mut held) = HELD.lock() {
        held.get_or_insert_default();
    }
}

/// What was kept so far, for a screen to show; what comes is kept on.
#[cfg_attr(not(feature = "live"), allow(dead_code))]
pub(super) fn take_words() -> Vec<String> {
    HELD.lock().ok().and_then(|mut held| held.as_mut().map(std::mem::take)).unwrap_or_default()
}

/// Say what was kept.
pub(super) fn release_words() {
    let kept = HELD.lock().ok().and_then(|mut held| held.take());
    for line in kept.into_iter().flatten() {
        say(&line);
    }
}

/// What stdout can show.
pub(super) fn style(env: &Env) -> Style {
    let terminal = is_terminal();
    Style { width: terminal.then(|| width(env)), colour: terminal && colour(env), terminal }
}

/// Which columns a listing has: all when asked, those `for_eyes` as a table on a terminal, and `piped`, which never change, elsewhere.
pub(super) fn columns<'a>(
    all: bool,
    format: Format,
    style: Style,
    for_eyes: &'a str,
    piped: &'a str,
) -> &'a str {
    match format {
        _ if all => "*",
        Format::Table if style.terminal => for_eyes,
        _ => piped,
    }
}

/// Are colours wanted? <https://no-color.org>, and a terminal that can.
pub(super) fn colour(env: &Env) -> bool {
    env.text("NO_COLOR").is_none() && env.text("TERM").as_deref() != Some("dumb")
}

fn width(env: &Env) -> usize {
    if let Some(width) = PAGED_WIDTH.get() {
        return *width;
    }
    rustix::termios::tcgetwinsize(io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .or_else(|| env.text("COLUMNS")?.parse().ok())
        .unwrap_or(DEFAULT_WIDTH)
}

/// Stdout, buffered.
pub(super) fn stdout() -> BufWriter<io::StdoutLock<'static>> {
    BufWriter::with_capacity(OUT_BUFFER_BYTES, io::stdout().lock())
}

/// Write `text` to stdout.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Write lines to stdout as they fit the terminal, each label on the left; elsewhere as they are.
pub(super) fn tell(text: &str, env: &Env) -> Result<()> {
    let Some(width) = style(env).width.filter(|columns| *columns >= NARROWEST) else { return print(text) };
    let lines = text.lines().flat_map(|line| match line.width() > width {
        true => fitting(line, width),
        false => vec![line.to_owned()],
    });
    print(&lines.map(|line| line + "\n").collect::<String>())
}

/// Columns of the terminal that stderr goes to.
fn words_width() -> Option<usize> {
    let stderr = io::stderr();
    let size = stderr.is_terminal().then(|| rustix::termios::tcgetwinsize(&stderr).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns >= NARROWEST)
}

/// A line said to a person as it fits the terminal: a label at its beginning (two blanks before or behind it) stands alone on the left.
fn fitting(line: &str, width: usize) -> Vec<String> {
    let label = line.len() - line.trim_start().len();
    let rest = line.get(label..).unwrap_or_default();
    let word =
        rest.find(' ').map_or(0, |at| at + rest.get(at..).map_or(0, |r| r.len() - r.trim_start().len()));
    let gap = rest.get(..word).is_some_and(|w| w.ends_with("  "));
    let first = if (label > 0 || gap) && label + word <= WIDEST_LABEL { label + word } else { label };
    let (head, text) = line.split_at_checked(first).unwrap_or(("", line));
    // A line without a label goes on a little further in, so that it is not taken for the next one.
    let later = if head.is_empty() { "  ".to_owned() } else { " ".repeat(head.len()) };
    fold(head, &later, text, width)
}

/// Say something to the person at the terminal: one line on stderr. Nobody listening is no error.
pub(super) fn say(message: &str) {
    if let Ok(mut held) = HELD.lock()
        && let Some(held) = held.as_mut()
    {
        held.push(message.to_owned());
        return;
    }
    for line in message.lines() {
        let line = printable(line.as_bytes(), line.len());
        match LOG.get() {
            Some(log) => log.write(&line),
            None => {
                let lines = match words_width() {
                    Some(width) if line.width() > width => fitting(&line, width),
                    _ => vec![line],
                };
                for line in lines {
                    drop(writeln!(io::stderr().lock(), "{line}"));
                }
            }
        }
    }
}

/// Where words go when nobody sits at a terminal.
static LOG: OnceLock<Log> = OnceLock::new();

/// From now on words go to `log`. Only the first call counts.
#[cfg_attr(not(feature = "live"), allow(dead_code))]
pub(super) fn say_into(log: Log) -> Option<&'static Log> {
    LOG.set(log).ok()?;
    LOG.get()
}

/// Is there a log? Then nobody reads stdout.
#[cfg_attr(not(feature = "live"), allow(dead_code))]
pub(super) fn logged() -> Option<&'static Log> {
    LOG.get()
}

/// A sentence that begins with the program's name: errors and warnings.
pub(super) fn complain(message: &str) {
    let line = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    say(&format!("secnetmon: {line}"));
}

/// Write all rows of a result. On a terminal a last line says how many.
pub(super) fn rows(results: &mut ResultSet, format: Format, style: Style) -> Result<u64> {
    first_rows(results, format, style, 0)
}

/// Write the first `limit` rows (0: all) of a result that has one more when there are more, which is said.
pub(super) fn first_rows(results: &mut ResultSet, format: Format, style: Style, limit: u64) -> Result<u64> {
    let mut out = renderer(format, stdout(), style);
    let schema = results.schema().clone();
    out.begin(&schema)?;
    let mut left = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let mut more = false;
    for batch in results.by_ref() {
        let batch = batch?;
        more |= batch.num_rows() > left;
        out.batch(&batch.slice(0, batch.num_rows().min(left)))?;
        left = left.saturating_sub(batch.num_rows());
    }
    let written = out.finish()?;
    if more {
        say(&format!("the first {} only; -n 0 shows all", plural(written.rows, "row")));
    }
    if style.terminal && format == Format::Table {
        let rows = if written.rows == 1 { "row" } else { "rows" };
        if !more {
            say(&format!("({} {rows})", written.rows));
        }
        if !written.hidden.is_empty() && written.rows > 0 {
            let named: Vec<&str> = written.hidden.iter().take(HIDDEN_NAMED).map(String::as_str).collect();
            let more = match written.hidden.len() - named.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let names = named.join(", ");
            say(&format!("not shown, the terminal is too narrow: {names}{more} (--format csv shows all)"));
        }
    }
    if results.truncated() {
        complain(
            "more rows were there than the limit lets through; narrow the query or raise query.max_rows",
        );
    }
    Ok(written.rows)
}

/// The texts of the first column of a result.
pub(super) fn texts(results: &mut ResultSet) -> Result<Vec<String>> {
    let mut out = Vec::new();
    for batch in results.by_ref() {
        let batch = batch?;
        if let Some(column) = batch.columns().first().and_then(|c| c.as_string_opt::<i32>()) {
            out.extend(column.iter().flatten().map(str::to_owned));
        }
    }
    Ok(out)
}

/// Nothing was found that has this name: say so when nothing here has it, with the closest name that there is.
pub(super) fn not_there(what: &str, name: &str, known: &[String]) {
    if !known.iter().any(|k| k.eq_ignore_ascii_case(name)) {
        let hint = hint(name, known.iter().map(String::as_str));
        complain(&format!("no {what} is called {name} here.{hint}"));
    }
}

/// Did the reader of stdout go away? That ends a command quietly.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_seen_through_layers() {
        use anyhow::Context;
        let e = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        assert!(is_closed_pipe(&e));
        assert!(!is_closed_pipe(&anyhow::anyhow!("other")));
    }

    #[test]
    fn words_hang_under_their_label() {
        assert_eq!(
            fitting("  critical 10.0.0.1 talks to an implant", 30),
            ["  critical 10.0.0.1 talks to", "           an implant"]
        );
        assert_eq!(
            fitting("services  dns 3, http 2, tls 1, ssh 1", 24),
            ["services  dns 3, http 2,", "          tls 1, ssh 1"]
        );
        assert_eq!(
            fitting("read 2 captures: 8 packets, 2 flows", 20),
            ["read 2 captures: 8", "  packets, 2 flows"]
        );
    }

    #[test]
    fn colours_are_off_when_asked() {
        assert!(colour(&Env::of(&[("TERM", "xterm")])));
        assert!(!colour(&Env::of(&[("NO_COLOR", "1")])));
        assert!(colour(&Env::of(&[("NO_COLOR", "")])));
        assert!(!colour(&Env::of(&[("TERM", "dumb")])));
    }
}
