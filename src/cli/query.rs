//! `query`: what does the database say?
//!
//! One reading statement: a file, a saved question by name, or SQL on the command line. Parameters are checked against
//! the header before the database sees them. Writing SQL is refused by the store.

use super::exit::usage;
use super::output::{self, FormatOption};
use super::{Context, Exit};
use crate::report::catalog;
use crate::report::header::Header;
use crate::report::render::{Format, Style, render_all};
use crate::report::suggest::closest;
use crate::store::arrow::array::{ArrayRef, RecordBatch, StringArray};
use anyhow::{Context as _, Result, anyhow};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The largest SQL file that is read, bytes: one that is larger is not SQL.
const MAX_SQL_BYTES: u64 = 1 << 20;

/// Ask the database: a saved question, an SQL file, or SQL
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon query --list
  secnetmon query top_talkers -p limit=5
  secnetmon query my/question.sql --format json
  secnetmon query -e 'SELECT service, count(*) FROM flows GROUP BY ALL'
  secnetmon query -e 'FROM flows WHERE dst_ip = $ip' -p ip=10.0.0.1")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["target", "sql", "list"]))]
pub(super) struct Args {
    /// A file (*.sql), - for standard input, or the name of a saved question
    #[arg(value_name = "FILE.sql|NAME")]
    target: Option<String>,
    /// SQL: one statement that reads
    #[arg(short = 'e', long = "execute", value_name = "SQL")]
    sql: Option<String>,
    /// List the saved questions
    #[arg(long)]
    list: bool,
    /// Value of a parameter ($name in SQL); repeatable
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Explain the question, its parameters and columns instead of asking it
    #[arg(long, conflicts_with_all = ["list", "sql"])]
    describe: bool,
    #[command(flatten)]
    format: FormatOption,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    if args.list {
        list(format, style)?;
        return Ok(Exit::Done);
    }
    let (origin, sql) = match (&args.sql, &args.target) {
        (Some(sql), _) => (String::new(), sql.clone()),
        (None, Some(target)) => load(target)?,
        (None, None) => return Err(usage("give a question: FILE.sql, NAME or -e SQL")),
    };
    let header = Header::parse(&sql).map_err(|e| usage(prefixed(&origin, &e.to_string())))?;
    if args.describe {
        output::print(&describe(&origin, &header))?;
        return Ok(Exit::Done);
    }
    let given = given(&args.params)?;
    let reader = cx.reader()?;
    let told = |e: crate::store::StoreError| anyhow!(prefixed(&origin, &e.to_string()));
    let wanted = reader.parameters(&sql).map_err(told)?;
    let params = header.bind(&given, &wanted).map_err(|e| usage(prefixed(&origin, &e.to_string())))?;
    let mut results = reader.query(&sql, &params, &cx.settings.query.limits()).map_err(told)?;
    output::rows(&mut results, format, style)?;
    Ok(Exit::Done)
}

fn prefixed(origin: &str, message: &str) -> String {
    if origin.is_empty() { message.to_owned() } else { format!("{origin}: {message}") }
}

/// `name=value` pairs.
pub(super) fn given(params: &[String]) -> Result<BTreeMap<String, String>> {
    let mut given = BTreeMap::new();
    for param in params {
        let (name, value) = param
            .split_once('=')
            .ok_or_else(|| usage(format!("-p {param}: write a parameter as NAME=VALUE")))?;
        let name = name.trim().trim_start_matches('$');
        if given.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(usage(format!("parameter {name} is given twice")));
        }
    }
    Ok(given)
}

/// Name and text of the question.
fn load(target: &str) -> Result<(String, String)> {
    let read = |source: &mut dyn Read, origin: &str| -> Result<(String, String)> {
        let mut bytes = Vec::new();
        source
            .take(MAX_SQL_BYTES + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {origin}"))?;
        if bytes.len() as u64 > MAX_SQL_BYTES {
            return Err(anyhow!("{origin} is larger than 1 MiB; that is no SQL file"));
        }
        let text =
            String::from_utf8(bytes).map_err(|_| anyhow!("{origin} is not text; give a file with SQL"))?;
        Ok((origin.to_owned(), text))
    };
    if target == "-" {
        return read(&mut std::io::stdin().lock(), "standard input");
    }
    let path = Path::new(target);
    if path.is_dir() {
        // A folder that happens to be called like a saved question does not hide it.
        if let Ok(report) = catalog::find(target) {
            return Ok((report.name.to_owned(), report.sql.to_owned()));
        }
        return Err(usage(format!(
            "{target} is a folder; give one .sql file, or a name from `query --list`"
        )));
    }
    let looks_like_a_file = target.contains('/') || target.ends_with(".sql");
    match std::fs::File::open(path) {
        Ok(mut file) => read(&mut file, target),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && looks_like_a_file => {
            let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
            let names = catalog::ALL.iter().map(|r| r.name);
            let hint = closest(stem, names)
                .map(|n| format!(" A saved question is called {n}: secnetmon query {n}"))
                .unwrap_or_default();
            Err(anyhow!("no file {target}.{hint}"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let report = catalog::find(target).map_err(|e| usage(e.to_string()))?;
            Ok((report.name.to_owned(), report.sql.to_owned()))
        }
        Err(e) => Err(e).with_context(|| format!("cannot read {target}")),
    }
}

fn list(format: Format, style: Style) -> Result<()> {
    let headers: Vec<Header> = catalog::ALL.iter().map(catalog::Report::header).collect();
    let text = |value: &dyn Fn(&Header) -> String| {
        Arc::new(StringArray::from_iter_values(headers.iter().map(value))) as ArrayRef
    };
    let params = |h: &Header| {
        let all: Vec<String> = h
            .params
            .iter()
            .map(|p| p.default.as_ref().map_or_else(|| p.name.clone(), |d| format!("{}={d}", p.name)))
            .collect();
        all.join(" ")
    };
    let batch = RecordBatch::try_from_iter([
        ("name", text(&|h| h.name.clone())),
        ("question", text(&|h| h.question.clone())),
        ("parameters", text(&params)),
    ])?;
    render_all(format, output::stdout(), style, &batch.schema(), std::slice::from_ref(&batch))?;
    Ok(())
}

/// The header for a person.
fn describe(origin: &str, header: &Header) -> String {
    let mut out = String::new();
    let name = if header.name.is_empty() { origin } else { &header.name };
    let question = if header.question.is_empty() { "(no header)" } else { &header.question };
    let _ = writeln!(out, "{name}: {question}");
    if !header.why.is_empty() {
        let _ = writeln!(out, "\n{}", header.why);
    }
    if !header.params.is_empty() {
        let _ = writeln!(out, "\nParameters (-p name=value):");
        for p in &header.params {
            let default = p.default.as_deref().unwrap_or("not set");
            let _ = writeln!(out, "  {}  {}  [default: {default}]", p.name, p.meaning);
        }
    }
    if !header.columns.is_empty() {
        let _ = writeln!(out, "\nColumns:");
        for (column, meaning) in &header.columns {
            let _ = writeln!(out, "  {column}  {meaning}");
        }
    }
    // The file may come from anywhere.
    out.lines().map(|l| crate::model::text::printable(l.as_bytes(), l.len()) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_pairs() {
        let ok = given(&["a=1".into(), "$b=x=y".into()]).unwrap();
        assert_eq!((ok["a"].as_str(), ok["b"].as_str()), ("1", "x=y"));
        assert!(given(&["a".into()]).unwrap_err().to_string().contains("NAME=VALUE"));
        assert!(given(&["a=1".into(), "a=2".into()]).is_err());
    }

    #[test]
    fn a_name_a_file_and_a_near_miss() {
        assert_eq!(load("top_talkers").unwrap().0, "top_talkers");
        assert!(load("top_takers").unwrap_err().to_string().contains("Did you mean top_talkers?"));
        let e = load("nowhere/top_talkers.sql").unwrap_err().to_string();
        assert!(e.contains("secnetmon query top_talkers"), "{e}");
        assert!(load("/").unwrap_err().to_string().contains("is a folder"));
    }

    #[test]
    fn a_description_holds_everything() {
        for report in catalog::ALL {
            let header = report.header();
            let text = describe(report.name, &header);
            for part in header.columns.iter().map(|(c, _)| c).chain(header.params.iter().map(|p| &p.name)) {
                assert!(text.contains(part.as_str()), "{}: {part}", report.name);
            }
        }
    }
}
