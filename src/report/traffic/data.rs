//! How do statistics reach another program, or a report?
//!
//! JSON with whole numbers under stable names; CSV with one row a line of any section, all of the same columns; Markdown with one table a
//! section. Text from the wire is escaped for each of them. Rounds nothing.

use super::{Change, Comparison, Overview, Ranking, Row, Statistics, Volume};
use crate::report::render::markdown_escape;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Columns of the CSV of statistics.
const COLUMNS: [&str; 8] =
    ["section", "label", "note", "flows", "packets", "bytes", "bytes_sent", "bytes_received"];
/// Columns of the CSV of a comparison.
const CHANGE_COLUMNS: [&str; 8] =
    ["kind", "status", "label", "note", "flows_before", "bytes_before", "flows_after", "bytes_after"];

fn volume(v: &Volume) -> Value {
    json!({"flows": v.flows, "packets": v.packets, "bytes": v.bytes(), "bytes_sent": v.sent, "bytes_received": v.received})
}

fn overview(o: &Overview) -> Value {
    json!({
        "captures": o.captures, "first_ts": o.first.map(|t| t.to_string()), "last_ts": o.last.map(|t| t.to_string()),
        "volume": volume(&o.volume), "hosts": o.hosts, "internal_hosts": o.internal_hosts, "unseen_packets": o.unseen_packets,
    })
}

fn row(r: &Row) -> Value {
    json!({"label": r.label, "note": r.note, "volume": volume(&r.volume)})
}

fn csv_line(out: &mut csv::Writer<Vec<u8>>, cells: &[String]) {
    // Writing to memory fails only for records of unequal length, and these are equal.
    let _ = out.write_record(cells);
}

fn finished(out: csv::Writer<Vec<u8>>) -> String {
    out.into_inner().map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

fn cells(section: &str, label: &str, note: &str, v: &Volume) -> Vec<String> {
    let numbers = [v.flows, v.packets, v.bytes(), v.sent, v.received].map(|n| n.to_string());
    [section, label, note].iter().map(|s| (*s).to_owned()).chain(numbers).collect()
}

fn titles(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

impl Statistics {
    /// One object.
    pub fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        all.insert("overview".into(), overview(&self.overview));
        if !self.timeline.is_empty() {
            let steps: Vec<Value> = self
                .timeline
                .iter()
                .map(|i| json!({"begin": i.begin.to_string(), "volume": volume(&i.volume)}))
                .collect();
            all.insert("timeline".into(), json!({"interval_s": self.interval_s, "intervals": steps}));
        }
        if let Some(hours) = &self.hours {
            all.insert("hours".into(), hours.iter().map(volume).collect());
        }
        for Ranking { name, rows, more, .. } in &self.rankings {
            all.insert(
                (*name).to_owned(),
                json!({"rows": rows.iter().map(row).collect::<Vec<_>>(), "more": more}),
            );
        }
        Value::Object(all)
    }

    /// Every line of every section as (section, label, note, volume).
    fn lines(&self) -> Vec<(&'static str, String, String, Volume)> {
        let mut all = vec![("overview", "all".to_owned(), String::new(), self.overview.volume)];
        all.extend(self.timeline.iter().map(|i| ("timeline", i.begin.to_string(), String::new(), i.volume)));
        let hours = self.hours.iter().flatten().enumerate();
        all.extend(hours.map(|(h, v)| ("hours", h.to_string(), String::new(), *v)));
        for r in &self.rankings {
            all.extend(r.rows.iter().map(|row| (r.name, row.label.clone(), row.note.clone(), row.volume)));
        }
        all
    }

    /// RFC 4180 with LF and a header.
    pub fn csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        csv_line(&mut out, &titles(&COLUMNS));
        for (section, label, note, v) in self.lines() {
            csv_line(&mut out, &cells(section, &label, &note, &v));
        }
        finished(out)
    }

    /// One object a line, with the columns of the CSV.
    pub fn ndjson(&self) -> String {
        self.lines().iter().fold(String::new(), |mut out, (section, label, note, v)| {
            let mut line = json!({"section": section, "label": label, "note": note});
            if let (Value::Object(line), Value::Object(numbers)) = (&mut line, volume(v)) {
                line.extend(numbers);
            }
            let _ = writeln!(out, "{line}");
            out
        })
    }

    /// A heading and a table a section.
    pub fn markdown(&self, name: &str) -> String {
        let mut out = format!("# {}\n", escaped(name));
        let mut last = "";
        for (section, label, note, v) in self.lines() {
            if section != last {
                let title = super::SECTIONS.iter().find(|s| s.name == section).map_or("All", |s| s.title);
                let _ = write!(
                    out,
                    "\n## {title}\n\n| | | flows | packets | bytes | sent | received |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
                );
                last = section;
            }
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                escaped(&label),
                escaped(&note),
                v.flows,
                v.packets,
                v.bytes(),
                v.sent,
                v.received
            );
        }
        out
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    markdown_escape(&mut out, text);
    out
}

impl Comparison {
    /// One object.
    pub fn json(&self) -> Value {
        let change = |c: &Change| json!({"label": c.label, "note": c.note, "before": volume(&c.before), "after": volume(&c.after)});
        let kinds: serde_json::Map<String, Value> = self
            .kinds
            .iter()
            .map(|k| {
                let rows = |r: &[Row]| r.iter().map(row).collect::<Vec<_>>();
                let value = json!({
                    "new": rows(&k.new), "new_more": k.new_more, "gone": rows(&k.gone), "gone_more": k.gone_more,
                    "changed": k.changed.iter().map(change).collect::<Vec<_>>(), "both": k.both,
                });
                (k.name.to_owned(), value)
            })
            .collect();
        json!({
            "after": {"name": self.after_name, "overview": overview(&self.after)},
            "before": {"name": self.before_name, "overview": overview(&self.before)},
            "kinds": kinds,
        })
    }

    /// Every line as (kind, status, label, note, before, after).
    fn lines(&self) -> Vec<(&'static str, &'static str, &str, &str, Volume, Volume)> {
        let none = Volume::default();
        let mut all = Vec::new();
        for k in &self.kinds {
            all.extend(
                k.new.iter().map(|r| (k.name, "new", r.label.as_str(), r.note.as_str(), none, r.volume)),
            );
            all.extend(
                k.gone.iter().map(|r| (k.name, "gone", r.label.as_str(), r.note.as_str(), r.volume, none)),
            );
            all.extend(
                k.changed
                    .iter()
                    .map(|c| (k.name, "changed", c.label.as_str(), c.note.as_str(), c.before, c.after)),
            );
        }
        all
    }

    /// RFC 4180 with LF and a header.
    pub fn csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        csv_line(&mut out, &titles(&CHANGE_COLUMNS));
        for (kind, status, label, note, before, after) in self.lines() {
            let numbers = [before.flows, before.bytes(), after.flows, after.bytes()].map(|n| n.to_string());
            let line: Vec<String> = titles(&[kind, status, label, note]).into_iter().chain(numbers).collect();
            csv_line(&mut out, &line);
        }
        finished(out)
    }

    /// One object a line, with the columns of the CSV.
    pub fn ndjson(&self) -> String {
        self.lines().iter().fold(String::new(), |mut out, (kind, status, label, note, before, after)| {
            let line = json!({
                "kind": kind, "status": status, "label": label, "note": note, "flows_before": before.flows,
                "bytes_before": before.bytes(), "flows_after": after.flows, "bytes_after": after.bytes(),
            });
            let _ = writeln!(out, "{line}");
            out
        })
    }

    /// A table of all changes.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {} against {}\n", escaped(&self.after_name), escaped(&self.before_name));
        let _ = write!(
            out,
            "\n| kind | status | | | flows before | bytes before | flows after | bytes after |\n| --- | --- | --- | --- | ---: | ---: | ---: | ---: |\n"
        );
        for (kind, status, label, note, before, after) in self.lines() {
            let _ = writeln!(
                out,
                "| {} | {status} | {} | {} | {} | {} | {} | {} |",
                escaped(kind),
                escaped(label),
                escaped(note),
                before.flows,
                before.bytes(),
                after.flows,
                after.bytes()
            );
        }
        out
    }
}
