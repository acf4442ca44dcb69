//! How do numbers read at a glance?
//!
//! Sizes in decimal units with three figures, counts with `k` and `M`, shares in per cent, lengths of time by their two largest units. For eyes only:
//! programs get whole numbers.

/// `value` with the first unit that leaves at most three digits before the point.
fn scaled(value: u64, units: &[&str]) -> String {
    let mut shown = value as f64;
    let mut at = 0;
    // 999.5 would be written as 1000.
    while shown >= 999.5 && at + 1 < units.len() {
        shown /= 1000.0;
        at += 1;
    }
    let unit = units.get(at).copied().unwrap_or_default();
    if at == 0 {
        format!("{value}{unit}")
    } else if shown < 9.95 {
        format!("{shown:.1}{unit}")
    } else {
        format!("{shown:.0}{unit}")
    }
}

/// Bytes: `812 B`, `1.4 kB`, `56 GB`.
pub(super) fn bytes(n: u64) -> String {
    scaled(n, &[" B", " kB", " MB", " GB", " TB", " PB", " EB"])
}

/// Counts: `812`, `14k`, `1.2M`.
pub(super) fn count(n: u64) -> String {
    scaled(n, &["", "k", "M", "G", "T"])
}

/// Digits in groups of three.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `part` of `whole`: `0.3%`, `12%`; empty when there is no whole.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if part == 0 => "0%".to_owned(),
        p if p < 0.1 => "<0.1%".to_owned(),
        p if p < 9.95 => format!("{p:.1}%"),
        p => format!("{p:.0}%"),
    }
}

/// Seconds: `0.4 s`, `58 min 34 s`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    if seconds < 60.0 {
        return if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") };
    }
    let s = seconds.round() as u64;
    let (big, small, units) = match s {
        0..3_600 => (s / 60, s % 60, (" min", " s")),
        3_600..86_400 => (s / 3_600, s % 3_600 / 60, (" h", " min")),
        _ => (s / 86_400, s % 86_400 / 3_600, (" d", " h")),
    };
    if small == 0 { format!("{big}{}", units.0) } else { format!("{big}{} {small}{}", units.0, units.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_figures_and_a_unit() {
        assert_eq!(
            [0, 999, 1_000, 9_949, 9_950, 999_499, 999_500].map(count),
            ["0", "999", "1.0k", "9.9k", "10k", "999k", "1.0M"]
        );
        assert_eq!([812, 1_400, 56_000_000_000, u64::MAX].map(bytes), ["812 B", "1.4 kB", "56 GB", "18 EB"]);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn shares_and_spans() {
        assert_eq!(
            [(0, 5), (1, 100_000), (3, 1000), (995, 10_000), (1, 1), (1, 0)].map(|(a, b)| share(a, b)),
            ["0%", "<0.1%", "0.3%", "10%", "100%", ""]
        );
        assert_eq!(
            [0.04, 9.96, 61.0, 3_514.0, 7_200.0, 273_600.0].map(span),
            ["0.0 s", "10 s", "1 min 1 s", "58 min 34 s", "2 h", "3 d 4 h"]
        );
    }
}
