//! How are numbers said in a title?
//!
//! Counts with their nouns and groups of thousands, seconds in the unit that a person would choose.

/// `1 port`, `1,000 ports`; the noun makes its plural with an `s`.
pub fn counted(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n as u64), if n == 1 { "" } else { "s" })
}

/// With a comma between thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Seconds as a person says them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than 1 s".to_owned(),
        s if s < 600.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn said_as_a_person_would() {
        assert_eq!(counted(1, "port"), "1 port");
        assert_eq!(counted(65_535, "port"), "65,535 ports");
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
        assert_eq!([0.2, 23.4, 640.0, 86_400.0].map(duration), ["less than 1 s", "23 s", "11 min", "24.0 h"]);
    }
}
