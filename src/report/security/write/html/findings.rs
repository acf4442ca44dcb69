//! How do findings and hosts look on the page?

use super::tables::share;
use super::{Page, chip, esc};
use crate::model::anomaly::Severity;
use crate::report::figures::{grouped, plural, second, short};
use crate::report::security::model::{Finding, Group, Host, Reason};
use crate::report::security::write::text::{counted, sides};
use std::fmt::Write as _;

impl Page {
    /// A group, open when it is grave or the `first`.
    pub(super) fn group(&mut self, g: &Group, first: bool) {
        let open = if first || g.severity >= Severity::High { " open" } else { "" };
        let technique =
            g.technique.as_deref().map(|t| format!(" · ATT&amp;CK {}", esc(t))).unwrap_or_default();
        let _ = writeln!(
            self.out,
            "<details class=\"group sev-{s}\"{open}><summary>{chip}<span class=\"name\">{} <span class=\"meaning\">{}</span></span>\
             <span class=\"count\">{}{technique}</span></summary><div class=\"body\">",
            esc(&g.kind.replace('_', " ")),
            esc(&g.meaning),
            esc(&counted(g)),
            s = g.severity,
            chip = chip(g.severity),
        );
        for f in &g.shown {
            self.finding(f);
        }
        if !g.more.is_empty() {
            self.out.push_str("<ul class=\"more\">");
            for f in &g.more {
                let _ = write!(
                    self.out,
                    "<li>{} {} <span class=\"meta\">{} % sure · {} UTC · {}</span></li>",
                    chip(f.severity),
                    esc(&f.title),
                    (f.confidence * 100.0).round(),
                    second(f.first),
                    f.id
                );
            }
            self.out.push_str("</ul>");
        }
        let told = (g.shown.len() + g.more.len()) as u64;
        if g.total > told {
            let _ = write!(
                self.out,
                "<p class=\"note\">And {} more, of {}. All of them: <code>secnetmon anomalies --kind {} -n 0</code></p>",
                grouped(g.total - told),
                esc(&sides(g)),
                esc(&g.kind)
            );
        }
        self.out.push_str("<div class=\"advice\">");
        for (title, lines) in [("What to do next", &g.next), ("What else looks like this", &g.innocent)] {
            if lines.is_empty() {
                continue;
            }
            let _ = write!(self.out, "<div><h4>{title}</h4><ul>");
            for line in lines {
                let _ = write!(self.out, "<li>{}</li>", esc(line));
            }
            self.out.push_str("</ul></div>");
        }
        self.out.push_str("</div></div></details>\n");
    }

    fn finding(&mut self, f: &Finding) {
        let acknowledged = if f.status == "acknowledged" { " · acknowledged" } else { "" };
        let _ = write!(
            self.out,
            "<article class=\"finding\" id=\"f-{id}\"><h3>{}</h3><p class=\"meta\">{} {} % sure · {} to {} UTC · {}{acknowledged}",
            esc(&f.title),
            chip(f.severity),
            (f.confidence * 100.0).round(),
            second(f.first),
            second(f.last),
            esc(&plural(f.count, "event")),
            id = f.id
        );
        for (word, ip) in [("from", &f.source), ("to", &f.target)] {
            if let Some(ip) = ip {
                let _ = write!(self.out, " · {word} ");
                self.address(ip);
            }
        }
        if let Some(port) = f.port {
            let _ = write!(self.out, " port {port}");
        }
        let _ = write!(self.out, " · in {} · finding {}</p><div class=\"why\">", esc(f.file()), f.id);
        if !f.reasons.is_empty() {
            self.out.push_str(
                "<div><h4>Why</h4><table><caption class=\"sr\">Reasons</caption><thead><tr><th scope=\"col\">Measure</th><th scope=\"col\" class=\"num\">Seen</th>\
                 <th scope=\"col\" class=\"num\">Threshold</th><th scope=\"col\">Weight</th></tr></thead><tbody>",
            );
            for r in &f.reasons {
                self.reason(r);
            }
            self.out.push_str("</tbody></table></div>");
        }
        if !f.details.is_empty() {
            self.out.push_str("<div><h4>Details</h4><dl class=\"pairs\">");
            for (name, value) in &f.details {
                let _ = write!(self.out, "<dt>{}</dt><dd>{}</dd>", esc(&name.replace('_', " ")), esc(value));
            }
            self.out.push_str("</dl></div>");
        }
        self.out.push_str("</div></article>\n");
    }

    fn reason(&mut self, r: &Reason) {
        let from = if r.threshold == 0.0 { String::new() } else { short(r.threshold) };
        // What weighs nothing is said for the reader, and did not decide.
        let weight = match r.weight {
            0.0 => "noted".to_owned(),
            w if w < 0.0 => format!("{} against", short(-w)),
            w => short(w),
        };
        let bar = if r.weight == 0.0 {
            String::new()
        } else {
            format!(
                "<svg aria-hidden=\"true\"><rect width=\"100%\" height=\"8\" rx=\"3\" class=\"fill-track\"/>\
                 <rect width=\"{:.0}%\" height=\"8\" rx=\"3\" class=\"fill-bar\"/></svg> ",
                (r.weight.abs() * 100.0).clamp(0.0, 100.0)
            )
        };
        let _ = write!(
            self.out,
            "<tr><th scope=\"row\">{}</th><td class=\"num\">{}</td><td class=\"num\">{from}</td><td>{bar}{weight}</td></tr>",
            esc(&r.name.replace('_', " ")),
            r.seen(),
        );
    }

    pub(super) fn host(&mut self, h: &Host) {
        let anchor = self.hosts.get(&h.ip).cloned().unwrap_or_default();
        // Two sensors may know one address: the first has the anchor.
        let id = if self.out.contains(&format!("<article class=\"host card\" id=\"{anchor}\"")) {
            String::new()
        } else {
            format!(" id=\"{anchor}\"")
        };
        let sensor =
            if h.sensor.is_empty() { String::new() } else { format!(" · sensor {}", esc(&h.sensor)) };
        let _ = write!(
            self.out,
            "<article class=\"host card\"{id}><header><h3 class=\"mono\">{}</h3>{}<span class=\"meta\">risk {} of 100 · {}{sensor}</span>\
             <svg aria-hidden=\"true\"><rect width=\"100%\" height=\"8\" rx=\"3\" class=\"fill-track\"/><rect width=\"{:.1}%\" height=\"8\" rx=\"3\" class=\"fill-{}\"/></svg></header><div><dl class=\"pairs\">",
            esc(&h.ip),
            chip(h.severity),
            short(h.risk),
            if h.internal { "inside" } else { "outside" },
            share((h.risk * 10.0) as u64, 1_000),
            h.severity
        );
        for (_, title, cell) in &h.facts {
            let _ = write!(self.out, "<dt>{}</dt><dd>", esc(title));
            self.value(cell);
            self.out.push_str("</dd>");
        }
        self.out.push_str("</dl><div class=\"tables\">");
        for t in [&h.findings, &h.peers] {
            if !t.rows.is_empty() {
                self.out.push_str("<div>");
                self.rows(t, false);
                self.out.push_str("</div>");
            }
        }
        self.out.push_str("</div></div></article>\n");
    }
}
