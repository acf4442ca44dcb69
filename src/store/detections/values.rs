//! How do the values of parameters get into a statement?
//!
//! Written into it, before DuckDB sees it. Where they are bound, DuckDB plans twice: at first for values that it does not know, then again because what was
//! bound is of another type than what the statement makes of it; and over a small capture planning is nearly all there is to do. Only what is a number, a
//! list of numbers or a time by its letters is written, as a text that the statement casts as before, so that it means the same as one that is bound. Refuses to
//! write anything else: it stays a parameter.

use std::borrow::Cow;

/// The statement with those of its parameters written out for which `value` has one that is harmless by its letters.
pub(super) fn written<'s>(sql: &str, value: impl Fn(&str) -> Option<Cow<'s, str>>) -> String {
    let mut out = String::with_capacity(sql.len() + 1_024);
    let mut rest = sql;
    while let Some(at) = rest.find(['$', '\'', '"', '-', '/']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let name = name(here);
        let literal = name.filter(|_| !ends_in_word(&out)).and_then(&value).filter(|v| harmless(v));
        let len = match (name, literal) {
            (Some(name), Some(v)) => {
                // As DuckDB has it when it is bound: a VARCHAR, and not a literal that takes any type.
                out.push_str("('");
                out.push_str(&v);
                out.push_str("'::VARCHAR)");
                rest = here.get(1 + name.len()..).unwrap_or_default();
                continue;
            }
            (Some(name), None) => 1 + name.len(),
            (None, _) => opaque(here),
        };
        let (kept, after) = here.split_at_checked(len).unwrap_or((here, ""));
        out.push_str(kept);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The name of the parameter that begins here.
fn name(here: &str) -> Option<&str> {
    let word = here.strip_prefix('$')?;
    let end = word.find(|c: char| !is_word(c)).unwrap_or(word.len());
    let name = word.get(..end).unwrap_or_default();
    // `$name$` begins a text that only another one ends.
    (!name.is_empty() && !word.get(end..)?.starts_with('$')).then_some(name)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Is the next letter one of a name that began before? In `a$b` there is no parameter.
fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(|c| is_word(c) || c == '$')
}

/// Bytes of the text, name or comment that begins here, in which nothing is a parameter; of anything else one.
fn opaque(here: &str) -> usize {
    let until = |from: usize, end: &str| {
        here.get(from..).and_then(|t| t.find(end)).map_or(here.len(), |n| from + n + end.len())
    };
    if here.starts_with("--") {
        until(2, "\n")
    } else if here.starts_with("/*") {
        until(2, "*/")
    } else if here.starts_with('\'') {
        until(1, "'")
    } else if here.starts_with('"') {
        until(1, "\"")
    } else if let Some(word) = here.strip_prefix('$') {
        // A text between two dollar signs, perhaps with a word between them.
        let end = word.find(|c: char| !is_word(c)).unwrap_or(word.len());
        if word.get(end..).is_some_and(|t| t.starts_with('$')) {
            let mark = here.get(..end + 2).unwrap_or("$$");
            until(mark.len(), mark)
        } else {
            1
        }
    } else {
        1
    }
}

/// Digits, signs, and what stands between them in lists and times: nothing that could end a text.
fn harmless(value: &str) -> bool {
    value
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b',' | b' ' | b':' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Expected;
    use crate::report::detection::Detection as Parsed;
    use crate::report::detections::SHIPPED;

    fn with(sql: &str) -> String {
        written(sql, |name| match name {
            "n" => Some("-1.5".into()),
            "list" => Some("[1, 2]".into()),
            "at" => Some("2024-01-31 00:00:00.5".into()),
            "text" => Some("it's".into()),
            "nothing" => None,
            other => panic!("{other}"),
        })
    }

    #[test]
    fn numbers_lists_and_times_are_written() {
        assert_eq!(with("SELECT $n::INT+$n"), "SELECT ('-1.5'::VARCHAR)::INT+('-1.5'::VARCHAR)");
        assert_eq!(
            with("$list::BIGINT[], $at::TIMESTAMP_NS)"),
            "('[1, 2]'::VARCHAR)::BIGINT[], ('2024-01-31 00:00:00.5'::VARCHAR)::TIMESTAMP_NS)"
        );
        assert_eq!(with("a/$n - b"), "a/('-1.5'::VARCHAR) - b");
    }

    #[test]
    fn texts_and_what_has_no_value_stay_parameters() {
        for sql in ["$text = x", "$nothing", "$", "$1x"] {
            let kept = written(sql, |name| (name == "text").then(|| "it's".into()));
            assert_eq!(kept, sql);
        }
    }

    #[test]
    fn nothing_is_written_into_texts_names_and_comments() {
        for sql in [
            "'$n' \"$n\" -- $n\n",
            "'it''s $n'",
            "/* $n ' */",
            "$$ $n ' $$",
            "$tag$ $n $$ $tag$",
            "a$n",
            "'open $n",
            "/* open $n",
            "-- $n",
            "$$ open $n",
            "é'$n'é",
        ] {
            assert_eq!(with(sql), sql);
        }
        assert_eq!(with("-- $n\n'x'$n/*$n*/"), "-- $n\n'x'('-1.5'::VARCHAR)/*$n*/");
    }

    #[test]
    fn no_shipped_detection_keeps_a_parameter() {
        for (name, sql) in SHIPPED {
            let d = Parsed::parse(name, name, sql)
                .unwrap()
                .bind(&std::collections::BTreeMap::new(), 0.5, &Expected::default())
                .unwrap();
            let all = written(sql, |p| match p {
                "capture" => Some("1".into()),
                "captures" => Some("[1]".into()),
                "since" | "until" => Some("2024-01-31 00:00:00".into()),
                p => d.params.iter().find(|(n, _)| n == p).and_then(|(_, v)| v.as_deref()).map(Cow::from),
            });
            let db = duckdb::Connection::open_in_memory().unwrap();
            db.execute_batch(&crate::store::schema::tables_for_tests()).unwrap();
            assert_eq!(db.prepare(&all).unwrap().parameter_count(), 0, "{name}");
            assert_eq!(all.lines().count(), sql.lines().count(), "{name}: lines of errors stay");
        }
    }
}
