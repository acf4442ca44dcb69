//! `detectors`: what is looked for, how, and what must be known to judge a finding?
//!
//! Every detector explains itself; this command only prints. Streaming detectors run while packets are
//! read, detections in SQL over what is stored.

use super::output::{self, FormatOption};
use super::{Context, Exit, detections};
use crate::detect::{self, Meta, Params, Scope};
use crate::model::kind::Kind;
use crate::model::time::NANOS_PER_SEC;
use crate::report::detection::Detection;
use crate::report::fold::hang;
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
    let in_sql = detections::all(cx).into_iter().find(|d| d.header.name == name)?;
    Some(About { innocent: in_sql.innocent, next: in_sql.next })
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    match &args.name {
        None => list(args, cx),
        Some(name) => {
            let config = &cx.settings.engine.detect;
            if let Some(meta) = detect::ALL.iter().find(|m| m.id == name.as_str()) {
                output::print(&explained(meta, &Params::of(meta, &config.clone().into())))?;
                return Ok(Exit::Done);
            }
            let in_sql = detections::all(cx);
            let d = in_sql.iter().find(|d| d.header.name == *name).ok_or_else(|| {
                let names = in_sql.iter().map(|d| d.header.name.as_str());
                let near = hint(name, detect::ALL.iter().map(|m| m.id).chain(names));
                anyhow!("no detector {name}.{near} `secnetmon detectors` lists them.")
            })?;
            output::print(&explained_in_sql(d, config))?;
            Ok(Exit::Done)
        }
    }
}

fn list(args: &Args, cx: &Context) -> Result<Exit> {
    use crate::report::render::Format;
    let config = &cx.settings.engine.detect;
    let in_sql = detections::all(cx);
    // Name, question, kinds, whether it runs.
    let streaming = detect::ALL
        .iter()
        .map(|m| (m.id, m.question, m.kinds.to_vec(), config.disabled.iter().any(|d| d == m.id)));
    let stored = in_sql.iter().map(|d| {
        (d.header.name.as_str(), d.header.question.as_str(), d.kinds.clone(), detections::is_off(config, d))
    });
    let mut rows: Vec<(&str, &str, Vec<&Kind>, bool)> = streaming.chain(stored).collect();
    rows.sort_by_key(|(name, ..)| *name);
    let mut out = String::new();
    match args.format.format.map(|_| args.format.resolve()) {
        Some(Format::Json | Format::Ndjson) => {
            let all: Vec<_> = rows
                .iter()
                .map(|(name, question, kinds, off)| {
                    let kinds: Vec<_> = kinds.iter().map(|k| k.name).collect();
                    json!({"name": name, "question": question, "kinds": kinds, "enabled": !off})
                })
                .collect();
            let _ = writeln!(out, "{}", serde_json::Value::from(all));
        }
        _ => {
            let widest = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
            for (name, question, _, off) in rows {
                let state = if off { "  (off)" } else { "" };
                let _ = writeln!(out, "{name:widest$}  {question}{state}");
            }
        }
    }
    output::print(&out)?;
    Ok(Exit::Done)
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
    out.push_str("\nFinds\n");
    for k in m.kinds {
        let technique = k.technique.map(|t| format!(", ATT&CK {t}")).unwrap_or_default();
        let _ = writeln!(out, "  {} ({}{technique}): {}", k.name, k.severity, k.meaning);
    }
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
    for (title, lines) in
        [("What else looks like this", m.innocent), ("What to do next", m.next), ("References", m.references)]
    {
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            wrap(&mut out, "  - ", line);
        }
    }
    out
}

/// The same of a detection in SQL.
fn explained_in_sql(d: &Detection, config: &detect::Config) -> String {
    let (mut out, h) = (String::new(), &d.header);
    let _ = writeln!(out, "{}\n", h.name);
    wrap(&mut out, "", &h.question);
    out.push('\n');
    wrap(&mut out, "", &h.why);
    let back = match d.horizon / NANOS_PER_SEC {
        0 => "It looks at one capture, when that is stored and with `secnetmon detect`.".to_owned(),
        s => format!(
            "It looks at a capture and {} hours back in those of the same named sensor, when it is stored and with `secnetmon detect`.",
            s / 3_600
        ),
    };
    wrap(&mut out, "", &back);
    if !d.shipped {
        wrap(&mut out, "", &format!("It is your own: {}", d.origin));
    }
    out.push_str("\nFinds\n");
    for k in &d.kinds {
        let technique =
            d.technique.as_deref().or(k.technique).map(|t| format!(", ATT&CK {t}")).unwrap_or_default();
        let _ =
            writeln!(out, "  {} ({}{technique}): {}", k.name, d.severity.unwrap_or(k.severity), k.meaning);
    }
    if !h.params.is_empty() {
        let _ =
            writeln!(out, "\nThresholds (detect.{}.NAME in the configuration, detect -p NAME=VALUE)", h.name);
    }
    for p in &h.params {
        let default = p.default.as_deref().unwrap_or("not set");
        let now = match config.value(&h.name, &p.name).map(|v| v.to_string()) {
            Some(v) if v != default => format!("{v}, default {default}"),
            _ => default.to_owned(),
        };
        let _ = writeln!(out, "  {} = {now}", p.name);
        wrap(&mut out, "      ", &p.meaning);
    }
    for (title, lines) in [
        ("What else looks like this", &d.innocent),
        ("What to do next", &d.next),
        ("References", &d.references),
    ] {
        let _ = writeln!(out, "\n{title}");
        for line in lines {
            wrap(&mut out, "  - ", line);
        }
    }
    // A file of the user's may come from anywhere.
    out.lines().map(|l| crate::model::text::printable(l.as_bytes(), l.len()) + "\n").collect()
}

/// Text in lines of [`WIDTH`]; lines after the first are indented as far.
fn wrap(out: &mut String, indent: &str, text: &str) {
    for line in hang(indent, text, WIDTH) {
        let _ = writeln!(out, "{line}");
    }
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
    fn every_detection_in_sql_can_be_explained() {
        for d in crate::report::detections::shipped() {
            let text = explained_in_sql(&d, &detect::Config::default());
            assert!(text.contains("What else looks like this") && text.contains(d.kinds[0].name));
        }
    }

    #[test]
    fn every_detector_can_be_explained() {
        for m in detect::ALL {
            let text = explained(m, &Params::of(m, &detect::Config::default().into()));
            assert!(
                text.contains("What else looks like this")
                    && text.contains(m.question.split(' ').next().unwrap())
            );
        }
    }
}
