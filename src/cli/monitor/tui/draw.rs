//! How is the view put on a screen of any size?
//!
//! From top to bottom: one line of title, traffic beside its course, hosts beside services, findings, the last message, the keys. Colours only where they are wanted; what
//! they say is also said in words. Every text is cut to its place by what it takes in columns. Refuses to change the view.

use super::view::{Over, Sample, View};
use crate::cli::output::{grouped, size};
use crate::model::anomaly::{Anomaly, Severity};
use crate::model::text::printable;
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use crate::report::figures::short;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table, Wrap};

/// Below this nothing can be read.
const LEAST: (u16, u16) = (50, 14);
/// Lines of traffic and its course, with their frame.
const TRAFFIC: u16 = 6;
/// Lines of hosts and services, at least and at most.
const BUSY: (u16, u16) = (7, 16);

/// Draw everything.
pub(super) fn draw(view: &View, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let text = format!("{} x {} at least", LEAST.0, LEAST.1);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let busy = (area.height * 3 / 10).clamp(BUSY.0, BUSY.1);
    let busy = if area.height < 22 { 0 } else { busy };
    let [title, traffic, hosts, findings, message, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(TRAFFIC),
        Constraint::Length(busy),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    heading(view, frame, title);
    let [left, right] = Layout::horizontal([Constraint::Length(40), Constraint::Min(10)]).areas(traffic);
    numbers(view, frame, left);
    course(view, frame, right);
    let [left, right] = Layout::horizontal([Constraint::Percentage(62), Constraint::Fill(1)]).areas(hosts);
    talkers(view, frame, left);
    services(view, frame, right);
    list(view, frame, findings);
    last_message(view, frame, message);
    footer(view, frame, keys);
    match view.over {
        Over::Nothing => {}
        Over::Finding(from) => {
            if let Some(a) = view.chosen() {
                let area = findings_and_busy(hosts, findings);
                let place = format!(" finding {} of {} ", view.position() + 1, view.listed().len());
                over(frame, area, &place, details(a, view.colour), from);
            }
        }
        Over::Messages(from) => {
            let lines: Vec<Line<'_>> = view.messages.iter().rev().map(|m| Line::raw(m.as_str())).collect();
            over(frame, findings_and_busy(hosts, findings), " messages, newest first ", lines.into(), from);
        }
    }
}

fn findings_and_busy(hosts: Rect, findings: Rect) -> Rect {
    hosts.union(findings)
}

fn frame_of(title: String) -> Block<'static> {
    Block::bordered().title(title)
}

/// Bits a second for eyes: `12.3 Mbit/s`.
fn bits(rate: f64) -> String {
    let mut value = rate;
    for unit in ["bit/s", "kbit/s", "Mbit/s"] {
        if value < 999.95 {
            return if unit == "bit/s" { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1_000.0;
    }
    format!("{value:.1} Gbit/s")
}

fn heading(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let s = view.seconds;
    let time = format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    let state = if view.ending { "  ending: what was seen is being stored" } else { "" };
    let text = format!(" secnetmon  {}  {time}{state}", view.label);
    frame.render_widget(Paragraph::new(text).style(Style::new().add_modifier(Modifier::REVERSED)), area);
}

fn numbers(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let t = &view.totals;
    let Sample { packets_per_s, bits_per_s, dropped_per_s } = view.rate();
    let bad =
        if view.colour { Style::new().fg(Color::Red) } else { Style::new() }.add_modifier(Modifier::BOLD);
    let d = &t.dropped;
    let dropped = if d.dropped() == 0 {
        Line::raw("dropped   0")
    } else {
        let by = [("kernel", d.kernel), ("device", d.interface), ("ourselves", d.ours)];
        let by: Vec<String> =
            by.iter().filter(|(_, n)| *n > 0).map(|(who, n)| format!("{who} {}", grouped(*n))).collect();
        let now =
            if dropped_per_s > 0 { format!(" ({}/s now)", grouped(dropped_per_s)) } else { String::new() };
        // The sum first: the rest may not fit.
        Line::styled(format!("dropped   {}{now}: {}", grouped(d.dropped()), by.join(", ")), bad)
    };
    let lines = vec![
        Line::raw(format!("packets   {} ({}/s)", grouped(t.packets), grouped(packets_per_s))),
        Line::raw(format!("bytes     {} ({})", size(t.bytes), bits(bits_per_s as f64))),
        dropped,
        Line::raw(format!("flows     {}  findings {}", grouped(t.flows), grouped(view.told))),
    ];
    frame.render_widget(Paragraph::new(lines).block(frame_of(" traffic ".into())), area);
}

fn course(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let room = usize::from(area.width.saturating_sub(2));
    let skip = view.samples.len().saturating_sub(room);
    let mut data: Vec<u64> = view.samples.iter().skip(skip).map(|s| s.packets_per_s).collect();
    let peak = data.iter().copied().max().unwrap_or(0);
    // The newest second is always at the right edge.
    while data.len() < room {
        data.insert(0, 0);
    }
    let title = format!(" packets/s, last {room} s, peak {} ", grouped(peak));
    let style = if view.colour { Style::new().fg(Color::Cyan) } else { Style::new() };
    frame.render_widget(
        Sparkline::default().block(frame_of(title)).data(&data).max(peak.max(1)).style(style),
        area,
    );
}

/// From this width on all columns of the talkers fit beside an IPv4 address.
const TALKERS_IN_FULL: u16 = 56;

fn talkers(view: &View, frame: &mut Frame<'_>, area: Rect) {
    // An address in full is worth more than the sum.
    let columns = if area.width < TALKERS_IN_FULL { 3 } else { 4 };
    let rows = view.talkers.iter().map(|t| {
        let cells = [
            Cell::new(t.host.to_string()),
            Cell::new(Text::raw(bits(t.sends)).alignment(Alignment::Right)),
            Cell::new(Text::raw(bits(t.receives)).alignment(Alignment::Right)),
            Cell::new(Text::raw(size(t.bytes)).alignment(Alignment::Right)),
        ];
        Row::new(cells.into_iter().take(columns))
    });
    let right = |text: &'static str| Cell::new(Text::raw(text).alignment(Alignment::Right));
    let header = [Cell::new("host"), right("sends"), right("receives"), right("both, all")];
    let header = Row::new(header.into_iter().take(columns));
    let widths =
        [Constraint::Fill(1), Constraint::Length(12), Constraint::Length(12), Constraint::Length(10)];
    table(rows, header, widths.get(..columns).unwrap_or(&widths), " top talkers, last 10 s ", frame, area);
}

fn services(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let rows = view.services.iter().map(|s| {
        Row::new([
            Cell::new(s.name.clone()),
            Cell::new(Text::raw(grouped(s.flows)).alignment(Alignment::Right)),
            Cell::new(Text::raw(size(s.bytes)).alignment(Alignment::Right)),
        ])
    });
    let right = |text: &'static str| Cell::new(Text::raw(text).alignment(Alignment::Right));
    let header = Row::new([Cell::new("service"), right("flows"), right("bytes")]);
    let widths = [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(9)];
    table(rows, header, &widths, " services of ended flows ", frame, area);
}

fn table<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    header: Row<'a>,
    widths: &[Constraint],
    title: &str,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let header = header.style(Style::new().add_modifier(Modifier::BOLD));
    let rows = rows.take(usize::from(area.height.saturating_sub(3)));
    frame.render_widget(Table::new(rows, widths).header(header).block(frame_of(title.to_owned())), area);
}

fn style_of(severity: Severity, colour: bool) -> Style {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match severity {
        Severity::Critical | Severity::High if colour => bold.fg(Color::Red),
        Severity::Critical | Severity::High => bold,
        Severity::Medium if colour => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    }
}

/// `10:20:30`, UTC.
fn time_of_day(ts: Timestamp) -> String {
    let s = ts.0.div_euclid(NANOS_PER_SEC).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

fn list(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let listed = view.listed();
    let at = view.position();
    let room = usize::from(area.height.saturating_sub(2)).max(1);
    // The chosen one stays in sight.
    let from = (at + 1).saturating_sub(room);
    let order = if view.worst_first { "worst first" } else { "newest first" };
    let least = view.least.map_or_else(String::new, |s| format!(", {} and worse", s.name()));
    let title = format!(" findings: {} {order}{least} ", grouped(listed.len() as u64));
    let rows = listed.iter().enumerate().skip(from).take(room).map(|(n, a)| {
        let row = Row::new([
            Cell::new(time_of_day(a.last_ts)),
            Cell::new(Span::styled(a.severity.name(), style_of(a.severity, view.colour))),
            Cell::new(a.kind.name),
            Cell::new(a.title.clone()),
        ]);
        if n == at { row.style(Style::new().add_modifier(Modifier::REVERSED)) } else { row }
    });
    let kind = if area.width >= 100 { 26 } else { 20 };
    let widths =
        [Constraint::Length(8), Constraint::Length(8), Constraint::Length(kind), Constraint::Fill(1)];
    let block = frame_of(title);
    if listed.is_empty() {
        let none = if view.told == 0 { "none so far" } else { "none as bad as that" };
        frame.render_widget(Paragraph::new(none).block(block), area);
        return;
    }
    frame.render_widget(Table::new(rows, widths).block(block), area);
}

/// All about a finding.
fn details(a: &Anomaly, colour: bool) -> Text<'static> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let safe = |text: &str| printable(text.as_bytes(), text.len());
    let mut lines = vec![
        Line::styled(safe(&a.title), bold),
        Line::from(vec![
            Span::styled(a.severity.name(), style_of(a.severity, colour)),
            Span::raw(format!(", confidence {:.2}, score {:.0}", a.confidence, a.score)),
        ]),
    ];
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(Line::raw(format!("{name:<11}{value}")));
        }
    };
    line("kind", format!("{} ({})", a.kind.name, safe(&a.detector)));
    line("technique", a.technique.as_deref().map(safe).unwrap_or_default());
    let text = |ip: Option<crate::model::addr::Ip>| ip.map(|ip| ip.to_string());
    line("from", text(a.src).unwrap_or_default());
    let port = a.dst_port.map_or_else(String::new, |p| format!(" port {p}"));
    let protocol = a.protocol_name().map_or_else(String::new, |p| format!(" {p}"));
    let to = text(a.dst).unwrap_or_default();
    line("to", format!("{to}{port}{protocol}").trim().to_owned());
    line("direction", a.direction.as_deref().map(safe).unwrap_or_default());
    line("seen", format!("{} to {}", a.first_ts, a.last_ts));
    line("events", grouped(a.count));
    lines.push(Line::default());
    lines.push(Line::styled(format!("{:<34}{:>12}{:>12}{:>8}", "why", "value", "from", "weight"), bold));
    for r in &a.reasons {
        let values = format!("{:>12}{:>12}{:>8.2}", short(r.value), short(r.threshold), r.weight);
        lines.push(Line::raw(format!("{:<34}{values}", safe(&r.name))));
    }
    if !a.details.is_empty() {
        lines.push(Line::default());
        lines.push(Line::styled("details", bold));
        for (name, value) in &a.details {
            lines.push(Line::raw(safe(&format!("{name}: {value}"))));
        }
    }
    lines.push(Line::default());
    lines.push(Line::raw(format!("all of it, also while this runs: secnetmon anomalies show {}", a.id.0)));
    lines.into()
}

fn over(frame: &mut Frame<'_>, area: Rect, title: &str, text: Text<'_>, from: u16) {
    frame.render_widget(Clear, area);
    // What lies below the last line is not gone to.
    let room = area.height.saturating_sub(2);
    let width = usize::from(area.width.saturating_sub(2)).max(1);
    let tall: usize = text.lines.iter().map(|l| l.width().div_ceil(width).max(1)).sum();
    let last = u16::try_from(tall).unwrap_or(u16::MAX).saturating_sub(room);
    let shown = Paragraph::new(text).wrap(Wrap { trim: false }).scroll((from.min(last), 0));
    frame.render_widget(shown.block(frame_of(title.to_owned())), area);
}

fn last_message(view: &View, frame: &mut Frame<'_>, area: Rect) {
    if let Some(message) = view.messages.back() {
        frame.render_widget(Paragraph::new(format!(" {message}")), area);
    }
}

fn footer(view: &View, frame: &mut Frame<'_>, area: Rect) {
    let keys: &[(&str, &str)] = match view.over {
        Over::Nothing => &[
            ("↑↓", "choose"),
            ("Enter", "details"),
            ("s", "order"),
            ("f", "filter"),
            ("m", "messages"),
            ("q", "end"),
            ("^C ^C", "now"),
        ],
        Over::Finding(_) => &[("↑↓", "scroll"), ("←→", "other finding"), ("Esc", "back")],
        Over::Messages(_) => &[("↑↓", "scroll"), ("Esc", "back")],
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let spans = keys
        .iter()
        .flat_map(|(key, what)| [Span::raw(" "), Span::styled(*key, bold), Span::raw(format!(" {what} "))]);
    frame.render_widget(Paragraph::new(Line::from(spans.collect::<Vec<_>>())), area);
}
