//! `detectors`: what is looked for, how, and what must be known to judge a finding?
//!
//! Every detector explains itself; this command only prints. Those in Rust run while packets are read, those in SQL after a capture, over
//! what is stored.

use super::output::{self, FormatOption};
use super::{Context, Exit, detections};
use crate::detect::{self, Meta, Params, Scope};
use crate::report::detection::Detection;
use crate::report::render::Format;
use crate::report::suggest::hint;
use anyhow::{Result, anyhow};
use serde_json::json;
use std::fmt::Write as _;

/// Widest line of text, characters.
const WIDTH: usize = 100;

/// List the detectors, or explain one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  secnetmon detectors
  secnetmon detectors port_scan
  secnetmon --set detect.port_scan.ports=30 ingest capture.pcap")]
pub(super) struct Args {
    /// Explain this one
    name: Option<String>,
    #[command(flatten)]
    format: FormatOption,
}

/// What a finding's page says about the detector behind it.
pub(super) struct About {
    /// Innocent causes, a sentence each.
    pub(super) innocent: Vec<String>,
    /// Next steps, a sentence each.
    pub(super) next: Vec<String>,
}

/// About the detector of this name.
pub(super) fn about(name: &str, cx: &Context) -> Option<About> {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    if let Some(m) = detect::ALL.iter().find(|m| m.id == name) {
        return Some(About { innocent: owned(m.innocent), next: owned(m.next) });
    }
    let in_sql = detections::all(cx).into_iter().find(|d| d.header.name == name);
    in_sql.map(|d| About { innocent: d.innocent, next: d.next })
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let in_sql = detections::all(cx);
    let config = &cx.settings.engine.detect;
    let text = match &args.name {
        None => list(args, &in_sql, config),
        Some(name) => {
            let streaming = detect::ALL.iter().find(|m| m.id == name.as_str());
            match (streaming, in_sql.iter().find(|d| d.header.name == *name)) {
                (Some(meta), _) => explained(meta, &Params::of(meta, config)),
                (None, Some(d)) => explained_sql(d, config),
                (None, None) => {
                    let known = detect::ALL.iter().map(|m| m.id);
                    let near = hint(name, known.chain(in_sql.iter().map(|d| d.header.name.as_str())));
                    return Err(anyhow!("no detector {name}.{near} `secnetmon detectors` lists them."));
                }
            }
        }
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

fn list(args: &Args, in_sql: &[Detection], config: &detect::Config) -> String {
    let rust = detect::ALL.iter().map(|m| (m.id, m.question, "packets", m.kinds));
    let sql =
        in_sql.iter().map(|d| (d.header.name.as_str(), d.header.question.as_str(), "sql", &d.kinds[..]));
    let all: Vec<_> = rust.chain(sql).collect();
    let off = |id: &str| config.disabled.iter().any(|d| d == id);
    let mut out = String::new();
    if matches!(args.format.format.map(|_| args.format.resolve()), Some(Format::Json | Format::Ndjson)) {
        let all: Vec<_> = all
            .iter()
            .map(|(name, question, runs, kinds)| {
                let kinds: Vec<_> = kinds.iter().map(|k| k.name).collect();
                json!({"name": name, "question": question, "runs": runs, "kinds": kinds, "enabled": !off(name)})
            })
            .collect();
        let _ = writeln!(out, "{}", serde_json::Value::from(all));
        return out;
    }
    let widest = all.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, question, runs, _) in &all {
        let state = if off(name) { "  (off)" } else { "" };
        let _ = writeln!(out, "{name:widest$}  {runs:7}  {question}{state}");
    }
    out
}

/// Everything that a detection in SQL says of itself.
fn explained_sql(d: &Detection, config: &detect::Config) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n", d.header.name);
    wrap(&mut out, "", &d.header.question);
    out.push('\n');
    wrap(&mut out, "", &d.header.why);
    let reach = match d.horizon {
        0 => "the capture alone".to_owned(),
        ns => format!("{} hours back", ns / 3_600_000_000_000),
    };
    let from = if d.shipped { "shipped" } else { d.origin.as_str() };
    wrap(&mut out, "", &format!("It is SQL ({from}), asked after each capture, and looks at {reach}."));
    finds(&mut out, &d.kinds);
    if !d.header.params.is_empty() {
        let _ = writeln!(
            out,
            "\nThresholds (detect.{}.NAME in the configuration, -p NAME=VALUE for detect)",
            d.header.name
        );
        for p in &d.header.params {
            let default = p.default.as_deref().unwrap_or("null");
            let set = config.value(&d.header.name, &p.name).map(|v| v.to_string()).filter(|v| v != default);
            let told = set.map_or_else(|| default.to_owned(), |v| format!("{v}, default {default}"));
            let _ = writeln!(out, "  {} = {told}", p.name);
            wrap(&mut out, "      ", &p.meaning);
        }
    }
    lists(&mut out, &d.innocent, &d.next, &d.references);
    out
}

/// The kinds that it finds.
fn finds(out: &mut String, kinds: &[&crate::model::kind::Kind]) {
    out.push_str("\nFinds\n");
    for k in kinds {
        let technique = k.technique.map(|t| format!(", ATT&CK {t}")).unwrap_or_default();
        let _ = writeln!(out, "  {} ({}{technique}): {}", k.name, k.severity, k.meaning);
    }
}

/// Innocent causes, next steps and references.
fn lists<T: AsRef<str>>(out: &mut String, innocent: &[T], next: &[T], references: &[T]) {
    for (title, lines) in
        [("What else looks like this", innocent), ("What to do next", next), ("References", references)]
    {
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            wrap(out, "  - ", line.as_ref());
        }
    }
}

/// Everything that a detector says of itself.
fn explained(m: &Meta, params: &Params) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}\n", m.id);
    wrap(&mut out, "", m.question);
    out.push('\n');
    wrap(&mut out, "", m.method);
    let scope = match m.scope {
        Scope::Source => "It looks at each host that begins flows.",
        Scope::Target => "It looks at each host that flows go to.",
        Scope::Segment => "It looks at the capture as a whole.",
    };
    wrap(&mut out, "", scope);
    finds(&mut out, m.kinds);
    if !m.thresholds.is_empty() {
        out.push_str("\nThresholds (detect.");
        let _ = writeln!(out, "{}.NAME in the configuration)", m.id);
        for t in m.thresholds {
            let now = params.get(t.name);
            let set = if (now - t.default).abs() > f64::EPSILON {
                format!(", default {}", t.default)
            } else {
                String::new()
            };
            let _ = writeln!(out, "  {} = {now} {}{set}", t.name, t.unit);
            wrap(&mut out, "      ", &format!("{} Source: {}.", t.why, t.source));
        }
    }
    lists(&mut out, m.innocent, m.next, m.references);
    out
}

/// Text in lines of [`WIDTH`]; lines after the first are indented as far.
fn wrap(out: &mut String, indent: &str, text: &str) {
    let later = " ".repeat(indent.len());
    let mut line = indent.to_owned();
    for word in text.split_whitespace() {
        if line.len() > indent.len() && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line.clone_from(&later);
        }
        if line.len() > indent.len() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_with_its_indent() {
        let mut out = String::new();
        wrap(&mut out, "  - ", &"word ".repeat(40));
        assert!(out.lines().count() > 1 && out.lines().all(|l| l.len() <= WIDTH));
        assert!(out.starts_with("  - word") && out.lines().nth(1).is_some_and(|l| l.starts_with("    word")));
    }

    #[test]
    fn every_detector_can_be_explained() {
        for m in detect::ALL {
            let text = explained(m, &Params::of(m, &detect::Config::default()));
            assert!(
                text.contains("What else looks like this")
                    && text.contains(m.question.split(' ').next().unwrap())
            );
        }
    }
}
