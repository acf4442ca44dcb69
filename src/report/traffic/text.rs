//! How do statistics look on a terminal?
//!
//! Bars in eighths of a letter, sparklines in eighths of a line, as wide as the terminal and never wider: texts are shortened,
//! bars take what is left, and what finds no room is left out. The same without colours when piped. Numbers are rounded for eyes;
//! `data` has them whole.

use super::units::{bytes, count, grouped, share, span};
use super::{Change, Changes, Comparison, Interval, Measure, Overview, Ranking, Row, Statistics, Volume};
use crate::report::fold::{without_end, without_middle};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// How it may look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// Columns.
    pub width: usize,
    /// May escape sequences be written?
    pub colour: bool,
    /// What bars and sparklines show where a section does not say.
    pub measure: Measure,
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// Below this nothing useful fits; lines are then made for this width.
const MIN_WIDTH: usize = 40;
/// Longest bar: longer ones say no more.
const MAX_BAR: usize = 40;
/// A bar shorter than this tells nothing; it is left out.
const MIN_BAR: usize = 6;
/// Widest label and note.
const MAX_LABEL: usize = 44;
const MAX_NOTE: usize = 36;
const MIN_LABEL: usize = 12;
/// Between the two ends of a pair.
const PAIR: &str = " → ";

const EIGHTHS_RIGHT: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const EIGHTHS_UP: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Look {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("{code}{text}{RESET}") } else { text.to_owned() }
    }

    fn width(self) -> usize {
        self.width.max(MIN_WIDTH)
    }
}

/// `text` in exactly `width` columns: shortened with a mark, or filled with blanks. Of a pair both ends stay.
fn fitted(text: &str, width: usize) -> String {
    let short = match text.split_once(PAIR) {
        Some((from, to)) if text.width() > width => {
            let each = width.saturating_sub(PAIR.width());
            let from = without_middle(from, each.saturating_sub(to.width().min(each / 2)));
            let to = without_middle(to, each.saturating_sub(from.width()));
            format!("{from}{PAIR}{to}")
        }
        _ => without_end(text, width),
    };
    let blanks = width.saturating_sub(short.width());
    without_end(&short, width) + &" ".repeat(blanks)
}

/// A bar of at most `width` columns; something that is more than nothing shows at least a sliver.
fn bar(value: u64, most: u64, width: usize) -> String {
    if most == 0 || value == 0 {
        return String::new();
    }
    let eighths = ((value as f64 / most as f64) * (width * 8) as f64).round().max(1.0) as usize;
    let mut out = "█".repeat(eighths / 8);
    if let Some(&part) = EIGHTHS_RIGHT.get(eighths % 8).filter(|_| !eighths.is_multiple_of(8)) {
        out.push(part);
    }
    out
}

/// One letter a value, its height by the largest; nothing is a blank.
pub fn sparkline(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or(0);
    values
        .iter()
        .map(|&v| match v {
            0 => ' ',
            v => {
                let level = ((v as f64 / most as f64) * 8.0).ceil() as usize;
                EIGHTHS_UP.get(level.clamp(1, 8) - 1).copied().unwrap_or(' ')
            }
        })
        .collect()
}

fn shown(value: u64, measure: Measure) -> String {
    match measure {
        Measure::Bytes => bytes(value),
        Measure::Packets | Measure::Flows => count(value),
    }
}

fn word(measure: Measure) -> &'static str {
    match measure {
        Measure::Bytes => "bytes",
        Measure::Packets => "packets",
        Measure::Flows => "flows",
    }
}

fn heading(out: &mut String, look: Look, title: &str) {
    let _ = writeln!(out, "\n{}", look.paint(BOLD, fitted(title, look.width()).trim_end()));
}

/// A line of words, broken between them where the terminal ends.
fn sentence(out: &mut String, look: Look, words: &str) {
    let mut used = 0;
    for word in words.split(' ') {
        let w = word.width();
        if used > 0 && used + 1 + w > look.width() {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += w;
    }
    out.push('\n');
}

/// Time without its fraction.
fn time(t: crate::model::time::Timestamp) -> String {
    let text = t.to_string();
    text.split('.').next().unwrap_or(&text).trim_end_matches('Z').replace('T', " ")
}

fn frame(out: &mut String, look: Look, name: &str, o: &Overview) {
    let (Some(first), Some(last)) = (o.first, o.last) else {
        let _ = writeln!(out, "{}: no flows", look.paint(BOLD, name));
        return;
    };
    let seconds = last.secs_since(first);
    sentence(
        out,
        look,
        &format!("{} from {} to {} UTC ({})", look.paint(BOLD, name), time(first), time(last), span(seconds)),
    );
    let v = o.volume;
    let captures =
        if o.captures == 1 { "1 capture".to_owned() } else { format!("{} captures", grouped(o.captures)) };
    sentence(
        out,
        look,
        &format!(
            "{} flows, {} packets, {} in {captures}; {} hosts, {} of them local",
            grouped(v.flows),
            grouped(v.packets),
            bytes(v.bytes()),
            grouped(o.hosts),
            grouped(o.internal_hosts)
        ),
    );
    if seconds >= 1.0 {
        let rate = |n: u64| (n as f64 / seconds).round() as u64;
        sentence(
            out,
            look,
            &format!(
                "on average {}/s, {} packets/s, {} bytes a packet, {} a flow",
                bytes(rate(v.bytes())),
                count(rate(v.packets)),
                v.bytes() / v.packets.max(1),
                bytes(v.bytes() / v.flows.max(1))
            ),
        );
    }
    if o.unseen_packets > 0 {
        let text = format!(
            "not in these numbers: {} packets outside of flows: ARP and others below IP, not decoded, or lost (secnetmon query capture_ledger)",
            grouped(o.unseen_packets)
        );
        sentence(out, look, &text);
    }
}

/// Statistics as text; `name` says of what.
pub fn statistics_text(s: &Statistics, name: &str, look: Look) -> String {
    let mut out = String::new();
    frame(&mut out, look, name, &s.overview);
    timeline(&mut out, look, s.interval_s, &s.timeline);
    if let Some(hours) = &s.hours {
        heading(&mut out, look, &format!("By hour of the day (UTC), {}", word(look.measure)));
        let values: Vec<u64> = hours.iter().map(|v| v.of(look.measure)).collect();
        // Two columns an hour, so that the marks below have room.
        let line: String = sparkline(&values).chars().flat_map(|c| [c, c]).collect();
        let _ = writeln!(out, "{}\n0     3     6     9     12    15    18    21", look.paint(CYAN, &line));
    }
    for ranking in &s.rankings {
        rank(&mut out, look, ranking, &s.overview);
    }
    out
}

fn timeline(out: &mut String, look: Look, interval_s: i64, line: &[Interval]) {
    let (Some(first), Some(last)) = (line.first(), line.last()) else { return };
    if line.len() < 2 {
        return;
    }
    heading(
        out,
        look,
        &format!("Over time, each step {} (a flow counts where it began)", span(interval_s as f64)),
    );
    for measure in [Measure::Bytes, Measure::Flows] {
        let values: Vec<u64> = line.iter().map(|i| i.volume.of(measure)).collect();
        let peak = values.iter().copied().max().unwrap_or(0);
        let at = line.iter().max_by_key(|i| (i.volume.of(measure), std::cmp::Reverse(i.begin)));
        let at = at.map_or(String::new(), |i| time(i.begin));
        let _ = writeln!(out, "{}", look.paint(CYAN, &sparkline(&values)));
        let _ = writeln!(
            out,
            "{}",
            look.paint(DIM, &format!("{}, most {} at {at}", word(measure), shown(peak, measure)))
        );
    }
    let (from, to) = (time(first.begin), time(last.begin));
    if line.len() >= from.len() + to.len() + 2 {
        let _ = writeln!(out, "{from}{}{to}", " ".repeat(line.len() - from.len() - to.len()));
    }
}

/// Widths of the columns of text and the bar, so that a line fits.
struct Fit {
    label: usize,
    note: usize,
    bar: usize,
}

/// `numbers`: columns taken by the numbers and their gaps.
fn fit(labels: usize, notes: usize, numbers: usize, width: usize) -> Fit {
    let label = labels.clamp(1, MAX_LABEL);
    let note = notes.min(MAX_NOTE);
    let gap = |w: usize| if w > 0 { w + 2 } else { 0 };
    // Numbers first, then a short label, then a bar, then the note; then all grow as far as they like.
    let room = width.saturating_sub(numbers);
    let mut f = Fit { label: label.min(room.max(1)), note: 0, bar: 0 };
    if f.label + 2 + MIN_BAR > room && label > MIN_LABEL {
        f.label = room.saturating_sub(2 + MIN_BAR).clamp(MIN_LABEL.min(room.max(1)), label);
    }
    let left = room.saturating_sub(f.label);
    if left >= 2 + MIN_BAR {
        f.bar = (left - 2).min(MAX_BAR);
        if note > 0 {
            // The note may take the bar down to its half.
            let spare = (left - 2).saturating_sub(MAX_BAR / 2);
            f.note = if spare >= note + 2 { note } else { spare.saturating_sub(2) };
            if f.note < 8.min(note) {
                f.note = 0;
            }
            f.bar = left.saturating_sub(2 + gap(f.note)).min(MAX_BAR);
        }
    }
    f
}

fn rank(out: &mut String, look: Look, r: &Ranking, o: &Overview) {
    if r.rows.is_empty() {
        return;
    }
    let host = r.name == "talkers";
    let directed =
        matches!(r.name, "talkers" | "pairs" | "services" | "ports" | "names" | "protocols" | "directions");
    let histogram = matches!(r.name, "sizes" | "durations");
    heading(out, look, &format!("{}, by {}", r.title, word(r.measure)));
    let whole = if r.name == "states" {
        r.rows.iter().map(|x| x.volume.of(r.measure)).sum()
    } else {
        o.volume.of(r.measure)
    };
    let most = r.rows.iter().map(|x| x.volume.of(r.measure)).max().unwrap_or(0);
    // The columns of numbers: heading and cell.
    type Cell<'a> = Box<dyn Fn(&Volume) -> String + 'a>;
    let mut columns: Vec<(&str, Cell)> =
        vec![(word(r.measure), Box::new(|v: &Volume| shown(v.of(r.measure), r.measure)))];
    columns.push(("share", Box::new(move |v: &Volume| share(v.of(r.measure), whole))));
    if r.measure != Measure::Flows {
        columns.push(("flows", Box::new(|v: &Volume| count(v.flows))));
    }
    if r.measure != Measure::Bytes && !histogram {
        columns.push(("bytes", Box::new(|v: &Volume| bytes(v.bytes()))));
    }
    if directed && look.width() >= 90 {
        let (a, b) = if host { ("sent", "received") } else { ("out", "back") };
        columns.push((a, Box::new(|v: &Volume| bytes(v.sent))));
        columns.push((b, Box::new(|v: &Volume| bytes(v.received))));
    }
    let cells: Vec<Vec<String>> =
        r.rows.iter().map(|row| columns.iter().map(|(_, f)| f(&row.volume)).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, (name, _))| {
            cells.iter().filter_map(|c| c.get(i)).map(|c| c.width()).max().unwrap_or(0).max(name.len())
        })
        .collect();
    let numbers: usize = widths.iter().map(|w| w + 2).sum();
    let widest = |f: fn(&Row) -> &str| r.rows.iter().map(|row| f(row).width()).max().unwrap_or(0);
    let f = fit(widest(|r| &r.label), widest(|r| &r.note), numbers, look.width());
    let mut head = " ".repeat(f.label);
    for ((name, _), width) in columns.iter().zip(&widths) {
        let _ = write!(head, "  {name:>width$}");
    }
    let _ = writeln!(out, "{}", look.paint(DIM, &head));
    for (row, cells) in r.rows.iter().zip(&cells) {
        let mut line = fitted(&row.label, f.label);
        for (cell, width) in cells.iter().zip(&widths) {
            let _ = write!(line, "  {cell:>width$}");
        }
        if f.bar > 0 {
            let drawn = bar(row.volume.of(r.measure), most, f.bar);
            let blanks = if f.note > 0 { f.bar.saturating_sub(drawn.width()) } else { 0 };
            let _ = write!(line, "  {}{}", look.paint(CYAN, &drawn), " ".repeat(blanks));
        }
        if f.note > 0 {
            let _ = write!(line, "  {}", look.paint(DIM, fitted(&row.note, f.note).trim_end()));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if r.more > 0 {
        let _ = writeln!(
            out,
            "{}",
            look.paint(DIM, &format!("and {} more (--top 0 shows all)", grouped(r.more)))
        );
    }
}

/// A comparison as text.
pub fn changes_text(c: &Comparison, look: Look) -> String {
    let mut out = String::new();
    frame(&mut out, look, &c.after_name, &c.after);
    out.push('\n');
    frame(&mut out, look, &format!("against {}", c.before_name), &c.before);
    let (after, before) = (c.after.hours(), c.before.hours());
    for kind in &c.kinds {
        changes(&mut out, look, kind, after, before);
    }
    out
}

fn changes(out: &mut String, look: Look, k: &Changes, after_h: f64, before_h: f64) {
    let (new, gone) = (k.new.len() as u64 + k.new_more, k.gone.len() as u64 + k.gone_more);
    if new + gone + k.both == 0 {
        return;
    }
    heading(
        out,
        look,
        &format!(
            "{}: {} new, {} gone, {} on both sides",
            k.title,
            grouped(new),
            grouped(gone),
            grouped(k.both)
        ),
    );
    let label = k
        .new
        .iter()
        .chain(&k.gone)
        .map(|r| r.label.width())
        .chain(k.changed.iter().map(|c| c.label.width()))
        .max()
        .unwrap_or(0);
    // Mark, gaps, bytes, flows.
    let label = label.min(MAX_LABEL).min(look.width().saturating_sub(26));
    for (mark, code, rows, more) in [("+", GREEN, &k.new, k.new_more), ("-", RED, &k.gone, k.gone_more)] {
        for row in rows {
            let v = row.volume;
            let line = format!(
                "{mark} {}  {:>7}  {:>5} {}",
                fitted(&row.label, label),
                bytes(v.bytes()),
                count(v.flows),
                if v.flows == 1 { "flow " } else { "flows" }
            );
            let room = look.width().saturating_sub(line.width() + 2);
            let note = if room >= 8 && !row.note.is_empty() {
                format!("  {}", fitted(&row.note, room).trim_end())
            } else {
                String::new()
            };
            let _ = writeln!(out, "{}{}", look.paint(code, line.trim_end()), look.paint(DIM, &note));
        }
        if more > 0 {
            let _ = writeln!(out, "{}", look.paint(DIM, &format!("{mark} and {} more", grouped(more))));
        }
    }
    for change in &k.changed {
        let _ = writeln!(out, "{}", change_line(change, label, look, after_h, before_h));
    }
}

/// Volume per hour before and after, and by what factor.
fn change_line(c: &Change, label: usize, look: Look, after_h: f64, before_h: f64) -> String {
    let (before, after) = (c.before.bytes() as f64 / before_h, c.after.bytes() as f64 / after_h);
    let factor = match (before, after) {
        (b, a) if b > 0.0 && a >= b => format!("x {}", figure(a / b)),
        (b, a) if b > 0.0 && a > 0.0 => format!("/ {}", figure(b / a)),
        _ => String::new(),
    };
    let line = format!(
        "{} {}  {:>7}/h to {:>7}/h  {factor}",
        if after >= before { "↑" } else { "↓" },
        fitted(&c.label, label),
        bytes(before.round() as u64),
        bytes(after.round() as u64),
    );
    fitted(&line, look.width()).trim_end().to_owned()
}

fn figure(x: f64) -> String {
    if x < 9.95 { format!("{x:.1}") } else { grouped(x.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_never_longer_and_never_hide_something() {
        assert_eq!(bar(0, 10, 8), "");
        assert_eq!(bar(1, 1_000_000, 8), "▏");
        assert_eq!(bar(10, 10, 8), "████████");
        assert_eq!(bar(5, 10, 3), "█▌");
        assert_eq!(sparkline(&[0, 1, 50, 100]), " ▁▄█");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn texts_are_fitted_by_display_width() {
        assert_eq!(
            (fitted("abc", 5), fitted("abcdef", 4), fitted("日本語", 5)),
            ("abc  ".into(), "abc…".into(), "日本…".into())
        );
        assert_eq!(fitted("abc", 0), "");
        assert_eq!(fitted("2001:db8::1:f629 → 2a00:1450::2002", 25), "2001:…:f629 → 2a00:…:2002");
        assert_eq!(fitted("10.0.0.6 → 2a00:1450:4007:805::2002", 25), "10.0.0.6 → 2a00:1…5::2002");
    }
}
