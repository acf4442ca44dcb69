//! `detectors`: what is looked for, how, and what must be known to judge a finding?
//!
//! Every detector explains itself; this command only prints. Streaming detectors run while packets are read.

use super::output::{self, FormatOption};
use super::{Context, Exit};
use crate::detect::{self, Meta, Params, Scope};
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
pub(super) fn about(name: &str) -> Option<About> {
    let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let streaming = detect::ALL.iter().find(|m| m.id == name);
    streaming.map(|m| About { innocent: owned(m.innocent), next: owned(m.next) })
}

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    match &args.name {
        None => list(args, cx),
        Some(name) => {
            let meta = detect::ALL.iter().find(|m| m.id == name.as_str()).ok_or_else(|| {
                let near = hint(name, detect::ALL.iter().map(|m| m.id));
                anyhow!("no detector {name}.{near} `secnetmon detectors` lists them.")
            })?;
            output::print(&explained(meta, &Params::of(meta, &cx.settings.engine.detect)))?;
            Ok(Exit::Done)
        }
    }
}

fn list(args: &Args, cx: &Context) -> Result<Exit> {
    use crate::report::render::Format;
    let config = &cx.settings.engine.detect;
    let off = |m: &Meta| config.disabled.iter().any(|d| d == m.id);
    let mut out = String::new();
    match args.format.format.map(|_| args.format.resolve()) {
        Some(Format::Json | Format::Ndjson) => {
            let all: Vec<_> = detect::ALL
                .iter()
                .map(|m| {
                    let kinds: Vec<_> = m.kinds.iter().map(|k| k.name).collect();
                    json!({"name": m.id, "question": m.question, "kinds": kinds, "enabled": !off(m)})
                })
                .collect();
            let _ = writeln!(out, "{}", serde_json::Value::from(all));
        }
        _ => {
            let widest = detect::ALL.iter().map(|m| m.id.len()).max().unwrap_or(0);
            for m in detect::ALL {
                let state = if off(m) { "  (off)" } else { "" };
                let _ = writeln!(out, "{:widest$}  {}{state}", m.id, m.question);
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
