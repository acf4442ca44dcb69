//! How does a report become a page of Markdown?
//!
//! GitHub's dialect. Whatever Markdown or HTML would act on is escaped by the one function that all of the program's Markdown goes through.

use super::{plain, reason, text};
use crate::report::figures::{grouped, instant, plural, second, short, size, span};
use crate::report::render::markdown_escape;
use crate::report::security::model::{
    Bars, Block, Cell, Facts, Finding, Group, Host, Matrix, Prose, Report, Table, Timeline, Tone,
};
use std::io::{self, Write};

/// Length of a bar in characters.
const BAR: u64 = 20;

/// Write the report.
pub(super) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# Security report: {}", esc(&report.subject))?;
    for section in &report.sections {
        writeln!(out, "\n## {}", esc(section.title))?;
        for b in &section.blocks {
            block(out, b)?;
        }
    }
    out.flush()
}

fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    markdown_escape(&mut out, text);
    out
}

fn shown(cell: &Cell) -> String {
    match cell {
        // Ours, and read better without entities.
        Cell::Time(_) | Cell::Severity(_) | Cell::Count(_) | Cell::Bytes(_) => plain(cell),
        _ => esc(&plain(cell)),
    }
}

fn block(out: &mut impl Write, b: &Block) -> io::Result<()> {
    match b {
        Block::Prose(p) => prose(out, p),
        Block::Facts(f) => facts(out, f),
        Block::Table(t) => table(out, t, 3),
        Block::Bars(b) => bars(out, b),
        Block::Timeline(t) => timeline(out, t),
        Block::Matrix(m) => matrix(out, m),
        Block::Group(g) => group(out, g),
        Block::Host(h) => host(out, h),
    }
}

fn prose(out: &mut impl Write, p: &Prose) -> io::Result<()> {
    if !p.title.is_empty() {
        writeln!(out, "\n### {}", esc(p.title))?;
    }
    writeln!(out)?;
    for (i, line) in p.lines.iter().enumerate() {
        match (p.numbered, p.tone) {
            (true, _) => writeln!(out, "{}. {}", i + 1, esc(line))?,
            (false, Tone::Caution) => writeln!(out, "> **Note:** {}\n>", esc(line))?,
            _ => writeln!(out, "{}\n", esc(line))?,
        }
    }
    Ok(())
}

fn facts(out: &mut impl Write, f: &Facts) -> io::Result<()> {
    writeln!(out, "\n| | |\n| --- | --- |")?;
    for (_, title, cell) in f.pairs.iter().filter(|(_, _, c)| *c != Cell::Nothing) {
        writeln!(out, "| {} | {} |", esc(title), shown(cell))?;
    }
    Ok(())
}

fn table(out: &mut impl Write, t: &Table, level: usize) -> io::Result<()> {
    if t.rows.is_empty() && t.empty.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{} {}\n", "#".repeat(level), esc(t.title))?;
    if t.rows.is_empty() {
        return writeln!(out, "{}", esc(t.empty));
    }
    let keep: Vec<usize> = (0..t.columns.len())
        .filter(|i| t.rows.iter().any(|r| r.get(*i).is_some_and(|c| *c != Cell::Nothing)))
        .collect();
    let (mut head, mut rule) = (String::from("|"), String::from("|"));
    for c in keep.iter().filter_map(|i| t.columns.get(*i)) {
        head.push_str(&format!(" {} |", esc(c.title)));
        rule.push_str(if c.kind.is_number() { " ---: |" } else { " --- |" });
    }
    writeln!(out, "{head}\n{rule}")?;
    for row in &t.rows {
        let mut line = String::from("|");
        for cell in keep.iter().filter_map(|i| row.get(*i)) {
            line.push_str(&format!(" {} |", shown(cell)));
        }
        writeln!(out, "{line}")?;
    }
    if t.total > t.rows.len() as u64 {
        writeln!(out, "\n{} of {} rows.", grouped(t.rows.len() as u64), grouped(t.total))?;
    }
    Ok(())
}

fn bars(out: &mut impl Write, b: &Bars) -> io::Result<()> {
    if b.bars.is_empty() {
        return Ok(());
    }
    let amount = |c: &Cell| match c {
        Cell::Count(n) | Cell::Bytes(n) => *n,
        _ => 0,
    };
    let most = b.bars.iter().map(|x| amount(&x.amount)).max().unwrap_or(0).max(1);
    writeln!(out, "\n### {}\n\n| {} | {} | |\n| --- | ---: | --- |", esc(b.title), esc(b.of), esc(b.unit))?;
    for bar in &b.bars {
        let n = amount(&bar.amount);
        let length = (u128::from(n) * u128::from(BAR) / u128::from(most)) as usize;
        let length = if n > 0 { length.max(1) } else { 0 };
        writeln!(out, "| {} | {} | {} |", esc(&bar.label), shown(&bar.amount), "█".repeat(length))?;
    }
    Ok(())
}

fn timeline(out: &mut impl Write, t: &Timeline) -> io::Result<()> {
    let last = t.start.saturating_add(t.step.saturating_mul(t.buckets.len() as i64));
    writeln!(
        out,
        "\n### {}\n\n{} to {} UTC in intervals of {}. Intervals with findings:\n",
        esc(t.title),
        instant(t.start, t.step),
        instant(last, t.step),
        span(t.step)
    )?;
    writeln!(out, "| From (UTC) | Flows | Bytes | Findings |\n| --- | ---: | ---: | ---: |")?;
    for (i, b) in t.buckets.iter().enumerate().filter(|(_, b)| b.findings.iter().any(|n| *n > 0)) {
        let at = t.start.saturating_add(t.step.saturating_mul(i as i64));
        let n: u64 = b.findings.iter().sum();
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            instant(at, t.step),
            grouped(b.flows),
            size(b.bytes),
            grouped(n)
        )?;
    }
    Ok(())
}

fn matrix(out: &mut impl Write, m: &Matrix) -> io::Result<()> {
    let mut cells = m.cells.clone();
    cells.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
    writeln!(out, "\n### {}\n\n| From | To | Bytes | Flows |\n| --- | --- | ---: | ---: |", esc(m.title))?;
    for (s, t, bytes, flows) in cells.iter().take(10) {
        let name = |list: &[String], i: usize| list.get(i).map(|x| esc(x)).unwrap_or_default();
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            name(&m.sources, *s),
            name(&m.targets, *t),
            size(*bytes),
            grouped(*flows)
        )?;
    }
    Ok(())
}

fn group(out: &mut impl Write, g: &Group) -> io::Result<()> {
    let technique = g.technique.as_deref().map(|t| format!(", ATT&CK {}", esc(t))).unwrap_or_default();
    writeln!(
        out,
        "\n### {}: {}\n\n{}{technique}. {}",
        esc(&super::super::sections::capital(g.severity.name())),
        esc(&g.kind),
        esc(&text::counted(g)),
        esc(&g.meaning)
    )?;
    for f in &g.shown {
        finding(out, f)?;
    }
    if !g.more.is_empty() {
        writeln!(out)?;
    }
    for f in &g.more {
        writeln!(
            out,
            "- {}, {} % sure: {} (finding {})",
            f.severity,
            (f.confidence * 100.0).round(),
            esc(&f.title),
            f.id
        )?;
    }
    let told = (g.shown.len() + g.more.len()) as u64;
    if g.total > told {
        writeln!(
            out,
            "\n… and {} more, of {}. All of them: `secnetmon anomalies --kind {} -n 0`",
            grouped(g.total - told),
            text::sides(g),
            esc(&g.kind.replace('`', ""))
        )?;
    }
    for (title, lines) in [("What else looks like this", &g.innocent), ("What to do next", &g.next)] {
        if !lines.is_empty() {
            writeln!(out, "\n**{title}**\n")?;
        }
        for line in lines {
            writeln!(out, "- {}", esc(line))?;
        }
    }
    Ok(())
}

fn finding(out: &mut impl Write, f: &Finding) -> io::Result<()> {
    writeln!(out, "\n**{}**\n", esc(&f.title))?;
    let acknowledged = if f.status == "acknowledged" { ", acknowledged" } else { "" };
    writeln!(
        out,
        "- {}, {} % sure, {} to {} UTC, {}{acknowledged}, finding {}, in {}",
        f.severity,
        (f.confidence * 100.0).round(),
        second(f.first),
        second(f.last),
        plural(f.count, "event"),
        f.id,
        esc(f.file())
    )?;
    let why: Vec<String> = f.reasons.iter().map(|r| esc(&reason(r))).collect();
    if !why.is_empty() {
        writeln!(out, "- Why: {}", why.join("; "))?;
    }
    for (name, value) in &f.details {
        writeln!(out, "- {}: {}", esc(&name.replace('_', " ")), esc(value))?;
    }
    Ok(())
}

fn host(out: &mut impl Write, h: &Host) -> io::Result<()> {
    let place = if h.internal { "inside" } else { "outside" };
    writeln!(out, "\n### Host {} (risk {}, {place})", esc(&h.ip), short(h.risk))?;
    facts(out, &Facts { name: "known", pairs: h.facts.clone() })?;
    table(out, &h.findings, 4)?;
    table(out, &h.peers, 4)
}
