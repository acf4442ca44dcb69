//! In which form is a report handed on?
//!
//! One file a form; each escapes for its own syntax in one place and nowhere else. Refuses to ask for anything: what is not in the model is not
//! shown.

mod csv;
mod html;
mod json;
mod markdown;
mod text;

pub use csv::{csv_files, main_csv};

use super::model::{Cell, Reason, Report};
use crate::report::figures::{grouped, second, short, size};
use crate::report::render::Style;
use std::io::{self, Write};

/// The forms of a whole report; CSV has its own ways, [`csv_files`] and [`main_csv`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For a terminal.
    Text,
    /// GitHub's Markdown.
    Markdown,
    /// One self-contained page.
    Html,
    /// One object.
    Json,
}

/// Write the report.
pub fn write(report: &Report, form: Form, out: &mut impl Write, style: Style) -> io::Result<()> {
    match form {
        Form::Text => text::write(report, out, style),
        Form::Markdown => markdown::write(report, out),
        Form::Html => html::write(report, out),
        Form::Json => json::write(report, out),
    }
}

/// A cell for a person; not escaped.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Text(t) | Cell::Address(t) => t.clone(),
        Cell::List(list) => list.join(", "),
        Cell::Count(n) => grouped(*n),
        Cell::Bytes(n) => size(*n),
        Cell::Number(x) => short(*x),
        Cell::Percent(x) => format!("{} %", short(*x)),
        Cell::Time(t) => second(*t),
        Cell::Severity(s) => s.name().to_owned(),
        Cell::Flag(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Cell::Id(n) => n.to_string(),
    }
}

/// `ports 65 (counts from 15 on)`; not escaped.
fn reason(r: &Reason) -> String {
    let name = r.name.replace('_', " ");
    let against = if r.weight < 0.0 { ", speaks against" } else { "" };
    if r.threshold == 0.0 {
        format!("{name} {}{against}", r.seen())
    } else {
        format!("{name} {} (threshold {}{against})", r.seen(), short(r.threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::*;
    use super::*;
    use crate::model::anomaly::Severity;

    /// Texts that try to act, each with a number, so that none can stand for another.
    #[derive(Default)]
    struct Hostile(std::cell::Cell<usize>);

    impl Hostile {
        fn text(&self) -> String {
            self.0.set(self.0.get() + 1);
            format!("</script><img src=x onerror='a()'>\"]({})\u{1b}[0m", self.0.get())
        }
    }

    /// A report in which every text is hostile. A new field has to be added here before this compiles.
    fn hostile(h: &Hostile) -> Report {
        let column = |kind| Column { key: "k", title: "T", kind };
        let table = || Table {
            name: "t",
            title: "Table",
            columns: vec![column(Kind::Text), column(Kind::Text), column(Kind::Address)],
            rows: vec![vec![Cell::Text(h.text()), Cell::List(vec![h.text()]), Cell::Address(h.text())]; 1],
            total: 1,
            empty: "",
        };
        let finding = || Finding {
            id: 1,
            title: h.text(),
            kind: h.text(),
            severity: Severity::High,
            confidence: 1.0,
            source: Some(h.text()),
            target: Some(h.text()),
            port: Some(1),
            first: 0,
            last: 0,
            count: 1,
            capture: h.text(),
            status: h.text(),
            reasons: vec![Reason { name: h.text(), value: 1.0, threshold: 0.0, weight: 1.0 }],
            details: vec![(h.text(), h.text())],
        };
        let prose = |numbered, about| {
            Block::Prose(Prose {
                name: "p",
                title: "",
                tone: Tone::Plain,
                numbered,
                lines: vec![h.text()],
                about,
            })
        };
        let blocks = vec![
            prose(false, vec![]),
            prose(true, vec![1]),
            Block::Facts(Facts { name: "f", pairs: vec![("k", "K", Cell::Text(h.text()))] }),
            Block::Table(table()),
            Block::Bars(Bars {
                name: "b",
                title: "B",
                of: "x",
                unit: "y",
                bars: vec![Bar { label: h.text(), amount: Cell::Count(1), severity: None }],
            }),
            Block::Timeline(Timeline {
                name: "t",
                title: "T",
                start: 0,
                step: 1,
                buckets: vec![Bucket { flows: 1, bytes: 1, findings: [0, 0, 0, 1, 0] }],
                marks: vec![Mark { id: 1, at: 0, severity: Severity::High, title: h.text() }],
            }),
            Block::Matrix(Matrix {
                name: "m",
                title: "M",
                sources: vec![h.text()],
                targets: vec![h.text()],
                cells: vec![(0, 0, 1, 1)],
            }),
            Block::Group(Box::new(Group {
                kind: h.text(),
                detector: h.text(),
                meaning: h.text(),
                technique: Some(h.text()),
                severity: Severity::High,
                counts: [0, 0, 0, 2, 0],
                total: 9,
                sources: 1,
                targets: 1,
                first: 0,
                last: 0,
                shown: vec![finding()],
                more: vec![finding()],
                innocent: vec![h.text()],
                next: vec![h.text()],
            })),
            Block::Host(Box::new(Host {
                ip: h.text(),
                sensor: h.text(),
                risk: 50.0,
                severity: Severity::High,
                internal: true,
                facts: vec![("k", "K", Cell::Text(h.text()))],
                findings: table(),
                peers: table(),
            })),
        ];
        Report {
            subject: h.text(),
            version: "0",
            counts: [0, 0, 0, 2, 0],
            sections: vec![Section { name: "summary", title: "S", blocks }],
        }
    }

    fn written(report: &Report, form: Form) -> String {
        let mut out = Vec::new();
        write(report, form, &mut out, Style { width: None, colour: false, terminal: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_text_of_the_model_acts_in_any_form() {
        let report = hostile(&Hostile::default());
        let page = written(&report, Form::Html);
        assert_eq!(page.matches("</script>").count(), 1, "the page's own");
        for bad in ["<img", "onerror='", "\"](", "\u{1b}"] {
            assert!(!page.contains(bad), "{bad}");
        }
        let escaped = page.matches("&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&quot;](").count();
        assert!(escaped > 30, "nearly every field is shown: {escaped}");
        let markdown = written(&report, Form::Markdown);
        assert!(!markdown.contains("<img") && !markdown.contains('\u{1b}'), "{markdown}");
        let text = written(&report, Form::Text);
        assert!(text.contains("onerror") && !text.contains('\u{1b}'), "{text}");
    }
}
