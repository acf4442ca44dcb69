//! Which known name did the user mean?
//!
//! Optimal string alignment distance (Damerau 1964, restricted: a swapped pair of letters counts once). Refuses to
//! suggest what is not close: a wrong hint is worse than none.

/// A name further away than this many edits, or than a third of its letters, is not suggested.
const MAX_EDITS: usize = 3;

/// Edits (insert, delete, replace, swap neighbours) from `a` to `b`, in characters.
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_char = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut previous_b = None;
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(ca != cb)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && previous_char == Some(cb) && previous_b == Some(ca) {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
            previous_b = Some(cb);
        }
        before_last = std::mem::replace(&mut last, row);
        previous_char = Some(ca);
    }
    last.last().copied().unwrap_or(0)
}

/// The closest of `known` to `name`, if any is close; the first of equals.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|k| {
            let name = k.to_lowercase();
            // A name that holds all of what was typed, or the reverse, counts as one edit.
            let inside =
                wanted.len() >= 3 && (name.contains(&wanted) || (name.len() >= 3 && wanted.contains(&name)));
            let edits = distance(&wanted, &name);
            (if inside { edits.min(1) } else { edits }, k)
        })
        .filter(|(edits, k)| *edits <= MAX_EDITS && *edits * 3 <= k.chars().count().max(3))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, k)| k)
}

/// ` Did you mean NAME?`, or nothing when no known name is close.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(name, known).map(|k| format!(" Did you mean {k}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 1),
            ("tcp_idle", "tcp_idel", 1),
            ("übung", "ubung", 1),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn suggests_only_what_is_close() {
        let known = ["top_talkers", "top_ports", "timeline", "weirds"];
        assert_eq!(closest("top_takers", known), Some("top_talkers"));
        assert_eq!(closest("Weird", known), Some("weirds"));
        assert_eq!(
            closest("SECNETMON_QUERY_MAX_ROW", ["SECNETMON_QUERY_MAX_ROWS"]),
            Some("SECNETMON_QUERY_MAX_ROWS")
        );
        assert_eq!(closest("talkers", known), Some("top_talkers"));
        assert_eq!(closest("certificates", known), None);
        assert_eq!(closest("", known), None);
        assert_eq!(hint("time_line", known), " Did you mean timeline?");
    }
}
