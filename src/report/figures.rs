//! How are counts, sizes and times written for a person?
//!
//! Thousands separated, sizes in binary units, times in UTC to the second. Programs get the full values instead; see `cell`.

pub use crate::detect::words::grouped;

use crate::model::time::{NANOS_PER_SEC, Timestamp};

/// A size for eyes, in binary units: `12.3 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    for next in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// `1 packet`, `2 packets`.
pub fn plural(n: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `2024-01-31 13:45:07`, UTC, to the second.
pub fn second(nanos: i64) -> String {
    let whole = Timestamp(nanos.div_euclid(NANOS_PER_SEC).saturating_mul(NANOS_PER_SEC));
    whole.to_string().replace('T', " ").replace('Z', "")
}

/// The same, to the millisecond where `step` (nanoseconds) is shorter than a second.
pub fn instant(nanos: i64, step: i64) -> String {
    if step >= NANOS_PER_SEC {
        return second(nanos);
    }
    format!("{}.{:03}", second(nanos), nanos.rem_euclid(NANOS_PER_SEC) / 1_000_000)
}

/// A span for eyes: `20 ms`, `0.4 s`, `12 s`, `5 min`, `3.2 h`, `12 days`.
pub fn span(nanos: i64) -> String {
    let s = nanos as f64 / NANOS_PER_SEC as f64;
    if s > 0.0 && s < 0.1 {
        format!("{} ms", short(s * 1_000.0))
    } else if s < 10.0 {
        let text = format!("{s:.1}");
        format!("{} s", text.trim_end_matches(".0"))
    } else if s < 120.0 {
        format!("{s:.0} s")
    } else if s < 7_200.0 {
        format!("{:.0} min", s / 60.0)
    } else if s < 172_800.0 {
        format!("{:.1} h", s / 3_600.0)
    } else {
        format!("{} days", grouped((s / 86_400.0).round() as u64))
    }
}

/// A number with at most two decimals, none that say nothing.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".to_owned();
    }
    if value.abs() >= 1e12 {
        return format!("{value:.1e}");
    }
    if value.fract() == 0.0 {
        let whole = grouped(value.abs() as u64);
        return if value < 0.0 { format!("-{whole}") } else { whole };
    }
    // 0 is whole; what is left is small.
    if value.abs() < 0.01 {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text of at most `cap` characters, cut with a visible mark.
pub fn cut(text: &str, cap: usize) -> String {
    if text.chars().count() <= cap {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(cap.saturating_sub(1)).collect();
    out.push(crate::model::text::CUT_MARK);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_eyes() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned),
            [0, 999, 1_000, 1_234_567].map(grouped)
        );
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1 << 20), "1.0 MiB");
        assert_eq!(size(u64::MAX), "16384.0 PiB");
        assert_eq!((plural(1, "flow"), plural(0, "flow")), ("1 flow".into(), "0 flows".into()));
        assert_eq!(
            [65.0, 0.25, 1_000.5, -2.0, 0.001, 7.2e18, 0.0].map(short),
            ["65", "0.25", "1000.5", "-2", "1.0e-3", "7.2e18", "0"]
        );
    }

    #[test]
    fn times_for_eyes() {
        assert_eq!(second(1_700_000_000_999_999_999), "2023-11-14 22:13:20");
        assert_eq!(
            [
                20_000_000,
                400_000_000,
                12_000_000_000,
                300_000_000_000,
                11_520_000_000_000,
                1_036_800_000_000_000
            ]
            .map(span),
            ["20 ms", "0.4 s", "12 s", "5 min", "3.2 h", "12 days"]
        );
        assert_eq!(instant(1_700_000_000_120_000_000, 5_000_000), "2023-11-14 22:13:20.120");
        assert_eq!(instant(1_700_000_000_120_000_000, NANOS_PER_SEC), "2023-11-14 22:13:20");
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".into(), "ab…".into()));
    }
}
