//! `report`: what does a capture, a period or the whole database say, on a page to hand on?
//!
//! Picks rows, sections and form, and writes to stdout or into files; what stands in a report is `report::security`'s. A file is written beside
//! its place and renamed, so that a half one is never read. Refuses sections that are none.

use super::anomalies::{SeverityArg, found};
use super::exit::usage;
use super::output::{self, plural, size};
use super::{Context, Exit, detections, private_files};
use crate::report::security::{self, Form, Geo, Request, Scope, model};
use crate::report::suggest::hint;
use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Write the security report of a capture, a period or everything
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Sections: summary, findings, hosts, traffic, dns, tls, files, credentials, quality, method

Examples:
  secnetmon report
  secnetmon report -o report.html
  secnetmon report summary findings --min-severity medium
  secnetmon report --since 2024-05-01 --until 2024-05-02 --format markdown -o may-1.md
  secnetmon report --format csv -o report/
  secnetmon report --format csv hosts
  secnetmon report --format json --fail-on high > report.json"
)]
pub(super) struct Args {
    /// Only these sections
    #[arg(value_name = "NAME")]
    sections: Vec<String>,
    /// Form [default: by the ending of --output (.html, .md, .json, .csv), else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatArg>,
    /// Write into this file; csv: into this folder, one file a table
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only what lasted until this time (UTC) or later
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what began before this time (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only this capture (captures.capture_id)
    #[arg(long, value_name = "ID")]
    capture: Option<i64>,
    /// Only captures of this sensor
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Only findings of at least this severity: info, low, medium, high, critical
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<SeverityArg>,
    /// Name the countries of outside hosts by this MaxMind file (.mmdb)
    #[arg(long, value_name = "FILE")]
    geoip: Option<PathBuf>,
    /// End with exit code 4 when a finding at or above this severity is in it
    #[arg(long, value_enum, value_name = "SEVERITY")]
    fail_on: Option<SeverityArg>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum FormatArg {
    /// For a terminal
    Text,
    /// A page of Markdown
    Markdown,
    /// One self-contained page to look at
    Html,
    /// One object
    Json,
    /// Tables
    Csv,
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    if args.format.is_none() && args.output.as_deref().and_then(Path::extension).is_some_and(|e| e == "pdf") {
        return Err(usage(
            "no PDF is written; write a .html and print it from a browser, it is made for that",
        ));
    }
    let format = args.format.unwrap_or_else(|| by_ending(args.output.as_deref()));
    let mut sections = args.sections.clone();
    for name in &sections {
        if security::names().all(|n| n != name) {
            let near = hint(name, security::names());
            let all = security::names().collect::<Vec<_>>().join(", ");
            return Err(usage(format!("a report has no section {name}.{near} It has {all}")));
        }
    }
    if format == FormatArg::Csv && args.output.is_none() {
        if sections.len() > 1 {
            return Err(usage("csv on stdout holds one section; name one, or a folder with --output"));
        }
        if sections.is_empty() {
            sections.push("findings".to_owned());
        }
    }
    let scope = scope(args)?;
    let geo = args.geoip.as_deref().map(Geo::open).transpose().map_err(|e| anyhow!("--geoip {e}"))?;
    let known = detections::all(cx);
    let reader = cx.reader()?;
    let request = Request {
        scope: &scope,
        sections: &sections,
        detections: &known,
        geo: geo.as_ref(),
        limits: cx.settings.query.limits(),
        in_full: format == FormatArg::Csv,
    };
    let report = security::build(&reader, &request)?;
    match &args.output {
        None => print(&report, format, cx)?,
        Some(path) if format == FormatArg::Csv => into_folder(&report, path)?,
        Some(path) => into_file(&report, form(format), path)?,
    }
    match args.fail_on {
        Some(least) => {
            let (condition, bound) = security::findings_in(&scope);
            found(&reader, cx, &condition, &bound, least.severity())
        }
        None => Ok(Exit::Done),
    }
}

fn scope(args: &Args) -> Result<Scope> {
    Scope::default()
        .capture(args.capture)
        .sensor(args.sensor.clone())
        .at_least(args.min_severity.map(SeverityArg::severity))
        .since(args.since.as_deref())
        .map_err(|e| usage(format!("--since: {e}")))?
        .until(args.until.as_deref())
        .map_err(|e| usage(format!("--until: {e}")))
}

/// The form that a file's name asks for.
fn by_ending(path: Option<&Path>) -> FormatArg {
    let ending = path.and_then(Path::extension).map(|e| e.to_ascii_lowercase());
    match ending.as_deref().and_then(|e| e.to_str()) {
        Some("html" | "htm") => FormatArg::Html,
        Some("md" | "markdown") => FormatArg::Markdown,
        Some("json") => FormatArg::Json,
        Some("csv") => FormatArg::Csv,
        _ => FormatArg::Text,
    }
}

fn form(format: FormatArg) -> Form {
    match format {
        FormatArg::Text | FormatArg::Csv => Form::Text,
        FormatArg::Markdown => Form::Markdown,
        FormatArg::Html => Form::Html,
        FormatArg::Json => Form::Json,
    }
}

fn print(report: &model::Report, format: FormatArg, cx: &Context) -> Result<()> {
    if format == FormatArg::Html && io::stdout().is_terminal() {
        return Err(usage("an HTML page is not for a terminal; give --output FILE.html"));
    }
    let mut out = output::stdout();
    match format {
        FormatArg::Csv => security::main_csv(report, &mut out)?,
        _ => security::write(report, form(format), &mut out, output::style(&cx.env))?,
    }
    Ok(())
}

/// Write beside the place, then rename.
fn put(path: &Path, fill: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>) -> Result<u64> {
    let mut name =
        path.file_name().ok_or_else(|| usage(format!("{} is no file", path.display())))?.to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let write = || -> io::Result<u64> {
        let mut out = io::BufWriter::new(fs::File::create(&part)?);
        fill(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let bytes = file.metadata()?.len();
        drop(file);
        fs::rename(&part, path)?;
        Ok(bytes)
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&part); // the first error is the one to tell
        anyhow::Error::from(e).context(format!("{}", path.display()))
    })
}

fn into_file(report: &model::Report, form: Form, path: &Path) -> Result<()> {
    private_files();
    if path.is_dir() {
        return Err(usage(format!("{} is a folder; give a file", path.display())));
    }
    // A file has no width and no colours.
    let style = crate::report::render::Style::default();
    let bytes = put(path, |out| security::write(report, form, out, style))?;
    output::say(&format!("wrote {} ({})", path.display(), size(bytes)));
    Ok(())
}

fn into_folder(report: &model::Report, folder: &Path) -> Result<()> {
    private_files();
    if folder.exists() && !folder.is_dir() {
        return Err(usage(format!("{} is a file; csv needs a folder", folder.display())));
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let files = security::csv_files(report)?;
    for (name, bytes) in &files {
        put(&folder.join(name), |out| out.write_all(bytes))?;
    }
    output::say(&format!("wrote {} into {}", plural(files.len() as u64, "file"), folder.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_chooses_the_form() {
        let of = |name: &str| by_ending(Some(Path::new(name)));
        assert_eq!(of("a/b.HTML"), FormatArg::Html);
        assert_eq!(of("b.md"), FormatArg::Markdown);
        assert_eq!(of("b.json"), FormatArg::Json);
        assert_eq!(of("b.csv"), FormatArg::Csv);
        assert_eq!(of("b.txt"), FormatArg::Text);
        assert_eq!(by_ending(None), FormatArg::Text);
    }
}
