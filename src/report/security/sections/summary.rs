//! What does a reader with one minute need to know?
//!
//! What was looked at, how complete it is, what was found, the three things to look at first, each with what to do. Says plainly when nothing
//! was found, and what that does not prove.

use super::super::Context;
use super::super::model::{Bar, Bars, Block, Cell, Facts, Prose, Tone};
use super::findings::{about, groups};
use super::overview::Overview;
use super::{prose, timeline};
use crate::model::anomaly::Severity;
use crate::report::figures::{grouped, plural, short, size, span};
use crate::store::StoreError;

/// Things named in the summary.
const FIRST: usize = 3;

pub(crate) fn summary(cx: &Context<'_>) -> Result<Vec<Block>, StoreError> {
    let o = cx.overview;
    if o.captures == 0 {
        let line = match &o.limits {
            Some(limits) => format!(
                "Nothing in the database matches {limits}; so this report can say nothing, good or bad. \
                 `secnetmon query capture_ledger` lists what is there."
            ),
            None => "The database holds no capture yet; so this report can say nothing, good or bad. \
                     `secnetmon ingest FILE` reads one."
                .to_owned(),
        };
        return Ok(vec![prose("looked_at", Tone::Caution, vec![line])]);
    }
    let mut blocks =
        vec![prose("looked_at", Tone::Plain, vec![looked_at(o), found(o)]), Block::Bars(severities(o))];
    let complete = completeness(o);
    let tone = if complete.is_empty() { Tone::Aside } else { Tone::Caution };
    let lines = if complete.is_empty() { vec![whole(o)] } else { complete };
    blocks.push(Block::Prose(Prose {
        name: "completeness",
        title: "How complete it is",
        tone,
        numbered: false,
        lines,
        about: Vec::new(),
    }));
    let (lines, about): (Vec<String>, Vec<i64>) = look_first(cx)?.into_iter().unzip();
    if !lines.is_empty() {
        blocks.push(Block::Prose(Prose {
            name: "look_first",
            title: "Look at these first",
            tone: Tone::Plain,
            numbered: true,
            lines,
            about,
        }));
    }
    blocks.extend(timeline::timeline(cx)?.map(Block::Timeline));
    blocks.push(Block::Facts(facts(o)));
    Ok(blocks)
}

fn looked_at(o: &Overview) -> String {
    let what = match (&o.path, &o.limits) {
        (Some(path), None) => format!("the capture {path}"),
        (_, Some(limits)) => format!("{} ({limits})", plural(o.captures, "capture")),
        (None, None) => plural(o.captures, "capture"),
    };
    let when = match (o.first, o.last, o.when()) {
        (Some(a), Some(b), Some(when)) => format!(", {when} ({})", span(b.saturating_sub(a))),
        _ => String::new(),
    };
    format!(
        "This report looks at {what}{when}: {} ({} on the wire) in {} between {} inside and {} outside.",
        plural(o.packets, "packet"),
        size(o.bytes),
        plural(o.flows, "flow"),
        plural(o.inside, "host"),
        grouped(o.outside),
    )
}

/// How many findings, or what nothing means.
fn found(o: &Overview) -> String {
    let total = o.total();
    let mut out = if o.detectors == 0 {
        "No detector has run over it, so nothing is said about attacks; `secnetmon detect` runs the detections in SQL, \
         `ingest --force` all of them."
            .to_owned()
    } else if total == 0 {
        format!(
            "Nothing was found by the {}. That does not prove that nothing happened: they know certain forms of attack, \
             see packets only where they were captured, and cannot read what is encrypted.",
            plural(o.detectors, "detector"),
        )
    } else {
        let parts: Vec<String> = Severity::ALL
            .iter()
            .zip(o.findings)
            .rev()
            .filter(|(_, n)| *n > 0)
            .map(|(s, n)| format!("{} {s}", grouped(n)))
            .collect();
        format!(
            "The {} made {}: {}. A finding is a reason to look, not a verdict; each says what else looks like it.",
            plural(o.detectors, "detector"),
            plural(total, "finding"),
            parts.join(", ")
        )
    };
    if o.below > 0 {
        out.push_str(&format!(" Left out as less severe than asked for: {}.", plural(o.below, "finding")));
    }
    if o.dismissed > 0 {
        out.push_str(&format!(" Left out as marked false positive: {}.", plural(o.dismissed, "finding")));
    }
    if o.expected > 0 {
        out.push_str(&format!(
            " Left out as meant to be (detect.expected): {}.",
            plural(o.expected, "finding")
        ));
    }
    out
}

fn whole(o: &Overview) -> String {
    let drops = match o.counted_drops {
        0 => "the capturing system did not say whether it lost packets",
        _ => "the capturing system counted no lost packets",
    };
    let bytes = if o.tcp_bytes == 0 {
        "there was no TCP payload to measure loss by"
    } else {
        "no TCP byte that was acknowledged is missing"
    };
    format!(
        "{} to the end, {drops}, and {bytes}.",
        if o.captures == 1 { "The capture was read" } else { "All captures were read" }
    )
}

/// What is missing, a sentence each.
fn completeness(o: &Overview) -> Vec<String> {
    let mut out = Vec::new();
    for (word, list) in [("damaged", &o.damaged), ("not finished", &o.unfinished)] {
        for (path, why) in list.iter().take(FIRST) {
            out.push(format!("{path} is {word}: {why}. What comes after that is not in this report."));
        }
        if list.len() > FIRST {
            let rest = (list.len() - FIRST) as u64;
            out.push(format!("So are {} more; see the section on quality.", plural(rest, "capture")));
        }
    }
    if o.dropped > 0 {
        let share = 100.0 * o.dropped as f64 / (o.dropped + o.packets).max(1) as f64;
        out.push(format!(
            "The capturing system lost {} ({} %); what was in them is unknown.",
            plural(o.dropped, "packet"),
            short(share)
        ));
    }
    if o.missed > 0 {
        // Sequence numbers say what is missing, and whoever forges packets chooses those.
        let beyond = if o.missed > o.bytes {
            " It is more than crossed the wire at all: forged or restarted sequence numbers count too."
        } else {
            ""
        };
        let why = if o.truncated > 0 {
            "are not in the capture, cut off or lost"
        } else {
            "were acknowledged and never seen"
        };
        out.push(format!(
            "{} of TCP payload ({} %) {why}: records and files may be incomplete.{beyond}",
            size(o.missed),
            short(o.missed_percent())
        ));
    }
    for (n, what) in [
        (o.truncated, "cut short by the snaplen; their contents were read as far as they go"),
        (o.unknown_link, "of a link type that this program does not decode"),
        (o.filtered, "left out by a filter when the capture was read"),
    ] {
        if n > 0 {
            out.push(format!("{} of {} were {what}.", grouped(n), plural(o.packets, "packet")));
        }
    }
    if o.caps > 0 {
        out.push(format!(
            "Limits of the program were reached {}; the section on quality names them.",
            plural(o.caps, "time")
        ));
    }
    if o.unjudged > 0 && o.detectors > 0 {
        out.push(format!("No detector has run over {}.", plural(o.unjudged, "capture")));
    }
    out
}

/// The most urgent kinds with what to do, each with the id of its worst finding.
fn look_first(cx: &Context<'_>) -> Result<Vec<(String, i64)>, StoreError> {
    let mut out = Vec::new();
    for group in groups(cx, 1, 0)?.iter().take(FIRST) {
        let Some(worst) = group.shown.first() else { continue };
        let next = about(&group.detector, cx.detections).1.into_iter().next().unwrap_or_default();
        let more = match group.total.saturating_sub(1) {
            0 => String::new(),
            n => format!(" ({} more like it)", grouped(n)),
        };
        let line = format!(
            "{}, {} % sure: {}{more}. {next}",
            capital(group.severity.name()),
            (worst.confidence * 100.0).round(),
            worst.title
        );
        out.push((line, worst.id));
    }
    Ok(out)
}

/// With a capital letter.
pub(crate) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

fn severities(o: &Overview) -> Bars {
    let bars = Severity::ALL.iter().zip(o.findings).rev().map(|(s, n)| Bar {
        label: s.name().to_owned(),
        amount: Cell::Count(n),
        severity: Some(*s),
    });
    Bars {
        name: "findings_by_severity",
        title: "Findings by severity",
        of: "severity",
        unit: "findings",
        bars: bars.collect(),
    }
}

fn facts(o: &Overview) -> Facts {
    let time = |t: Option<i64>| t.map_or(Cell::Nothing, Cell::Time);
    Facts {
        name: "totals",
        pairs: vec![
            ("captures", "Captures", Cell::Count(o.captures)),
            ("first_ts", "First packet", time(o.first)),
            ("last_ts", "Last packet", time(o.last)),
            ("packets", "Packets", Cell::Count(o.packets)),
            ("bytes", "Bytes on the wire", Cell::Bytes(o.bytes)),
            ("flows", "Flows", Cell::Count(o.flows)),
            ("hosts_inside", "Hosts inside", Cell::Count(o.inside)),
            ("hosts_outside", "Hosts outside", Cell::Count(o.outside)),
            ("findings", "Findings", Cell::Count(o.total())),
            ("detectors", "Detectors that ran", Cell::Count(o.detectors)),
            ("damaged_captures", "Damaged captures", Cell::Count(o.damaged.len() as u64)),
            (
                "dropped_packets",
                "Packets lost while capturing",
                if o.counted_drops > 0 { Cell::Count(o.dropped) } else { Cell::Nothing },
            ),
            ("missed_bytes", "TCP bytes missing", Cell::Bytes(o.missed)),
            ("weirds", "Oddities in packets", Cell::Count(o.weirds)),
        ],
    }
}
