//! How do the time line and the matrix look on the page?

use super::tables::share;
use super::{Page, esc};
use crate::model::anomaly::Severity;
use crate::report::figures::{grouped, instant, plural, size, span};
use crate::report::security::model::{Bucket, Matrix, Timeline};
use std::fmt::Write as _;

/// Height of the curve in pixels, as in the style.
const HEIGHT: f64 = 110.0;

fn found(b: &Bucket) -> u64 {
    b.findings.iter().sum()
}

fn worst(b: &Bucket) -> Option<Severity> {
    Severity::ALL.into_iter().zip(b.findings).rev().find(|(_, n)| *n > 0).map(|(s, _)| s)
}

/// `2 high, 1 low`.
fn words(b: &Bucket) -> String {
    let parts: Vec<String> = Severity::ALL
        .iter()
        .zip(b.findings)
        .rev()
        .filter(|(_, n)| *n > 0)
        .map(|(s, n)| format!("{} {s}", grouped(n)))
        .collect();
    parts.join(", ")
}

impl Page {
    pub(super) fn timeline(&mut self, t: &Timeline) {
        let n = t.buckets.len().max(1) as f64;
        let at = |i: usize| t.start.saturating_add(t.step.saturating_mul(i as i64));
        let most = t.buckets.iter().map(|b| b.bytes).max().unwrap_or(0);
        let _ = write!(
            self.out,
            "<figure class=\"timeline card block\"><figcaption>{}</figcaption>",
            esc(t.title)
        );
        if t.buckets.iter().any(|b| found(b) > 0) {
            self.out.push_str("<svg class=\"marks\" role=\"group\" aria-label=\"Findings by time\">");
            for (i, b) in t.buckets.iter().enumerate() {
                let Some(severity) = worst(b) else { continue };
                let (from, to) = (at(i), at(i + 1));
                // The most urgent finding of the interval that stands on the page.
                let link = t
                    .marks
                    .iter()
                    .find(|m| m.at >= from && m.at < to && self.shown.contains(&m.id))
                    .map_or("#findings".to_owned(), |m| format!("#f-{}", m.id));
                let title = t.marks.iter().find(|m| m.at >= from && m.at < to).map(|m| m.title.as_str());
                let radius = 5.0 + (found(b) as f64).ln().min(5.0);
                let label = format!(
                    "{} from {}: {}{}",
                    plural(found(b), "finding"),
                    instant(from, t.step),
                    words(b),
                    title.map(|t| format!("; {t}")).unwrap_or_default()
                );
                let _ = write!(
                    self.out,
                    "<a href=\"{link}\" aria-label=\"{label}\"><circle cx=\"{:.2}%\" cy=\"13\" r=\"{radius:.1}\" class=\"fill-{severity}\"><title>{label}</title></circle></a>",
                    (i as f64 + 0.5) * 100.0 / n,
                    label = esc(&label),
                );
            }
            self.out.push_str("</svg>");
        }
        let _ = write!(
            self.out,
            "<svg class=\"curve\" role=\"img\" aria-label=\"Bytes by time, at most {} in {}\">",
            size(most),
            span(t.step)
        );
        for (i, b) in t.buckets.iter().enumerate().filter(|(_, b)| b.flows > 0) {
            let high = (share(b.bytes, most) * HEIGHT / 100.0).max(1.5);
            let _ = write!(
                self.out,
                "<rect x=\"{:.2}%\" width=\"{:.2}%\" y=\"{:.1}\" height=\"{high:.1}\" rx=\"1\" class=\"fill-bar\"><title>{}: {} in {}</title></rect>",
                (i as f64 + 0.07) * 100.0 / n,
                86.0 / n,
                HEIGHT - high,
                esc(&instant(at(i), t.step)),
                esc(&size(b.bytes)),
                esc(&plural(b.flows, "flow"))
            );
        }
        let _ = write!(
            self.out,
            "</svg><div class=\"axis\"><span>{}</span><span>{} a bar, highest {}</span><span>{}</span></div>",
            instant(t.start, t.step),
            span(t.step),
            size(most),
            instant(at(t.buckets.len()), t.step)
        );
        self.out.push_str("<ul class=\"legend\">");
        for (class, label) in [
            ("critical", "critical"),
            ("high", "high"),
            ("medium", "medium"),
            ("low", "low"),
            ("info", "info"),
        ] {
            if t.buckets.iter().any(|b| worst(b).is_some_and(|s| s.name() == label)) {
                let _ = write!(
                    self.out,
                    "<li><svg aria-hidden=\"true\"><circle cx=\"5\" cy=\"5\" r=\"4.5\" class=\"fill-{class}\"/></svg>worst finding {label}</li>"
                );
            }
        }
        self.out.push_str("</ul></figure>\n");
    }

    pub(super) fn matrix(&mut self, m: &Matrix) {
        let most = m.cells.iter().map(|c| c.2).max().unwrap_or(0);
        let _ = write!(
            self.out,
            "<div class=\"matrix block\"><h3>{title}</h3><p class=\"note\">Rows asked, columns were asked; the stronger the colour, the more.</p>\
             <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\"><table><caption class=\"sr\">{title}</caption><thead><tr><th scope=\"col\">From, to</th>",
            title = esc(m.title)
        );
        for t in &m.targets {
            self.out.push_str("<th scope=\"col\">");
            self.address(t);
            self.out.push_str("</th>");
        }
        self.out.push_str("</tr></thead><tbody>");
        for (i, s) in m.sources.iter().enumerate() {
            self.out.push_str("<tr><th scope=\"row\">");
            self.address(s);
            self.out.push_str("</th>");
            for j in 0..m.targets.len() {
                match m.cells.iter().find(|c| c.0 == i && c.1 == j) {
                    Some((_, _, bytes, flows)) => {
                        let _ = write!(
                            self.out,
                            "<td class=\"heat-{}\" title=\"{}\">{}</td>",
                            heat(*bytes, most),
                            esc(&plural(*flows, "flow")),
                            size(*bytes)
                        );
                    }
                    None => self.out.push_str("<td></td>"),
                }
            }
            self.out.push_str("</tr>");
        }
        self.out.push_str("</tbody></table></div></div>\n");
    }
}

/// 1 to 5 by the order of magnitude: traffic differs by powers.
fn heat(bytes: u64, most: u64) -> u32 {
    let down = (most.max(1) as f64 / bytes.max(1) as f64).log10();
    (5.0 - down).round().clamp(1.0, 5.0) as u32
}
