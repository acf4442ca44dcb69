//! How does a report become a page that a person hands on?
//!
//! One file that needs nothing else: styles and the small script are inside, the policy in its head lets nothing else run or load, and names both
//! by their digests. Every text goes through [`esc`]; attributes are quoted always; data never enters the script. Without the script the page
//! is complete, only not sortable. Charts are SVG with positions in percent, so that nothing is stretched.

mod charts;
mod findings;
mod tables;

use crate::model::anomaly::Severity;
use crate::report::security::model::{Block, Prose, Report, Section, Tone};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A page being written.
struct Page {
    out: String,
    /// Anchors of hosts that have a profile, by address.
    hosts: BTreeMap<String, String>,
    /// Findings that stand on the page in full.
    shown: BTreeSet<i64>,
    /// Tables so far: their ids.
    tables: usize,
}

/// A text as HTML shows it and never acts on it, in elements and in quoted attributes.
fn esc(text: &str) -> String {
    let text = crate::model::text::printable(text.as_bytes(), text.len());
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// What stands between backticks is what a person types. The text is escaped already.
fn commands(escaped: &str) -> String {
    let mut out = String::with_capacity(escaped.len() + 32);
    let mut rest = escaped;
    while let Some((before, typed, after)) =
        rest.split_once('`').and_then(|(b, r)| r.split_once('`').map(|(t, a)| (b, t, a)))
    {
        let _ = write!(out, "{before}<code>{typed}</code>");
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Write the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let mut page = Page {
        out: String::with_capacity(256 << 10),
        hosts: BTreeMap::new(),
        shown: BTreeSet::new(),
        tables: 0,
    };
    for block in report.sections.iter().flat_map(|s| &s.blocks) {
        match block {
            Block::Host(h) => {
                let next = format!("host-{}", page.hosts.len() + 1);
                page.hosts.entry(h.ip.clone()).or_insert(next);
            }
            Block::Group(g) => page.shown.extend(g.shown.iter().map(|f| f.id)),
            _ => {}
        }
    }
    page.frame(report);
    out.write_all(page.out.as_bytes())?;
    out.flush()
}

impl Page {
    fn frame(&mut self, report: &Report) {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
            digest(STYLE),
            digest(SCRIPT)
        );
        let subject = esc(&report.subject);
        let _ = write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"generator\" content=\"secnetmon {version}\">\n\
             <title>Security report: {subject}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the report</a>\n<header class=\"top\"><div>\n\
             <div><p class=\"eyebrow\">Network security report</p><h1>{subject}</h1></div>\n\
             <div class=\"tools\" hidden><button type=\"button\" id=\"theme\">Dark</button><button type=\"button\" id=\"print\">Print</button></div>\n\
             </div></header>\n<div class=\"frame\">\n<nav aria-label=\"Sections\"><ul>\n",
            version = esc(report.version)
        );
        for s in &report.sections {
            let _ = writeln!(self.out, "<li><a href=\"#{}\">{}</a></li>", s.name, esc(s.title));
        }
        self.out.push_str("</ul></nav>\n<main id=\"main\">\n");
        for s in &report.sections {
            self.section(s, report);
        }
        let _ = write!(
            self.out,
            "<footer>Made by secnetmon {} from packets alone; nothing on this page is loaded from elsewhere. Times are UTC.</footer>\n\
             </main>\n</div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
            esc(report.version)
        );
    }

    fn section(&mut self, s: &Section, report: &Report) {
        let _ = write!(
            self.out,
            "<section id=\"{name}\" aria-labelledby=\"{name}-h\">\n<h2 id=\"{name}-h\">{}</h2>\n",
            esc(s.title),
            name = s.name
        );
        let groups = s.blocks.iter().filter(|b| matches!(b, Block::Group(_))).count();
        if groups > 1 {
            self.out.push_str(
                "<div class=\"toolbar\" hidden><button type=\"button\" id=\"open-all\">Open all</button><button type=\"button\" id=\"close-all\">Close all</button></div>\n",
            );
        }
        let mut in_hosts = false;
        for (i, block) in s.blocks.iter().enumerate() {
            let is_host = matches!(block, Block::Host(_));
            if is_host != in_hosts {
                self.out.push_str(if is_host { "<div class=\"hosts\">\n" } else { "</div>\n" });
                in_hosts = is_host;
            }
            match block {
                Block::Prose(p) => self.prose(p, i == 0 && s.name == "summary"),
                Block::Facts(f) => self.facts(f),
                Block::Table(t) => self.table(t),
                // Severities are tiles at the top of the page.
                Block::Bars(b) if b.name == "findings_by_severity" => self.tiles(&report.counts),
                Block::Bars(b) => self.bars(b),
                // The summary has it already.
                Block::Timeline(_)
                    if s.name != "summary" && report.sections.iter().any(|s| s.name == "summary") => {}
                Block::Timeline(t) => self.timeline(t),
                Block::Matrix(m) => self.matrix(m),
                Block::Group(g) => self.group(g, i == 0),
                Block::Host(h) => self.host(h),
            }
        }
        if in_hosts {
            self.out.push_str("</div>\n");
        }
        self.out.push_str("</section>\n");
    }

    fn prose(&mut self, p: &Prose, lead: bool) {
        let class = match (p.numbered, p.tone, lead) {
            (true, ..) => "block card",
            (_, Tone::Caution, _) => "block prose caution",
            (_, Tone::Aside, _) => "block prose aside",
            (_, Tone::Plain, true) => "block prose lead",
            (_, Tone::Plain, false) => "block prose",
        };
        let _ = write!(self.out, "<div class=\"{class}\">");
        if !p.title.is_empty() {
            let _ = write!(self.out, "<h3>{}</h3>", esc(p.title));
        }
        if p.numbered {
            self.out.push_str("<ol class=\"steps\">");
        }
        for (i, line) in p.lines.iter().enumerate() {
            let (open, close) = if p.numbered { ("<li>", "</li>") } else { ("<p>", "</p>") };
            let link = match p.about.get(i) {
                Some(id) if self.shown.contains(id) => {
                    format!(" <a href=\"#f-{id}\">See the finding</a>")
                }
                _ => String::new(),
            };
            let _ = write!(self.out, "{open}{}{link}{close}", commands(&esc(line)));
        }
        self.out.push_str(if p.numbered { "</ol></div>\n" } else { "</div>\n" });
    }

    fn tiles(&mut self, counts: &[u64; 5]) {
        self.out.push_str("<h3 class=\"sr\">Findings by severity</h3><ul class=\"tiles block\">");
        for (s, n) in Severity::ALL.iter().zip(counts).rev() {
            let none = if *n == 0 { " none" } else { "" };
            let _ = write!(
                self.out,
                "<li class=\"sev-{s}{none}\"><b>{}</b><span>{s}</span></li>",
                crate::report::figures::grouped(*n)
            );
        }
        self.out.push_str("</ul>\n");
    }

    /// An address, as a link where the page has its profile.
    fn address(&mut self, ip: &str) {
        let _ = match self.hosts.get(ip) {
            Some(anchor) => {
                write!(self.out, "<a class=\"mono\" href=\"#{anchor}\">{}</a>", esc(ip))
            }
            None => write!(self.out, "<span class=\"mono\">{}</span>", esc(ip)),
        };
    }
}

/// `<span class="chip sev-high">high</span>`.
fn chip(s: Severity) -> String {
    format!("<span class=\"chip sev-{s}\">{s}</span>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_html_acts_on_is_left() {
        assert_eq!(
            esc("</script><img src=x onerror='a()'>\"&\u{202e}\n"),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&quot;&amp;\\u{202e}\\x0a"
        );
    }

    #[test]
    fn commands_are_set_apart_and_a_lone_backtick_stays() {
        assert_eq!(commands("see `a b`, `c` or ` d"), "see <code>a b</code>, <code>c</code> or ` d");
    }

    #[test]
    fn what_is_inside_needs_nothing_and_cannot_end_early() {
        assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("innerHTML") && !SCRIPT.contains("eval("));
        for word in ["fetch(", "XMLHttpRequest", "import(", "http://", "https://"] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
