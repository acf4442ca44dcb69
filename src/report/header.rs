//! What does a saved question say about itself?
//!
//! The comment at the top of a `.sql` file, up to the first line that is no comment:
//!
//! ```sql
//! -- name: top_talkers
//! -- question: Which hosts moved the most bytes?
//! -- why: Large movers are where exfiltration hides.
//! -- params:
//! --   limit number 20 How many hosts to show.
//! --   since time null Only flows that began at or after this time.
//! -- columns:
//! --   ip Address of the host.
//! ```
//!
//! A parameter is: name, type (`number`, `text`, `time`), default (`null`, a word, or text in single quotes) and meaning.
//! A file without such a comment is plain SQL and gets an empty header. Refuses half a header.

use super::params::{BadValue, Kind, check};
use super::suggest::hint;
use std::collections::BTreeMap;

/// A parameter of a saved question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    /// As in SQL behind the `$`.
    pub name: String,
    /// What may be handed in.
    pub kind: Kind,
    /// Used when nothing is handed in; `None` = NULL.
    pub default: Option<String>,
    /// A sentence.
    pub meaning: String,
}

/// What the comment says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// Same as the file's name.
    pub name: String,
    /// The question, in one sentence.
    pub question: String,
    /// Why an analyst asks it and how to read the answer.
    pub why: String,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// Result columns in order: name and meaning.
    pub columns: Vec<(String, String)>,
}

/// A header that cannot be understood, or parameters that do not fit it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    /// A line of the comment.
    #[error("line {line} of the header: {what}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong, without a full stop.
        what: String,
    },
    /// A parameter that the question does not have.
    #[error("no parameter {name}.{hint} Its parameters: {known}.")]
    Unknown {
        /// As handed in.
        name: String,
        /// A near name, as a sentence after a blank, or nothing.
        hint: String,
        /// All names, with commas.
        known: String,
    },
    /// A parameter without a default, and nothing was handed in.
    #[error("parameter {name} has no value; give it with -p {name}=VALUE")]
    Missing {
        /// As in the SQL.
        name: String,
    },
    /// A value of the wrong type.
    #[error("parameter {name}: {bad}")]
    Value {
        /// Of the parameter.
        name: String,
        /// What does not fit.
        bad: BadValue,
    },
}

/// The section that indented lines belong to.
enum Section {
    None,
    Name,
    Question,
    Why,
    Params,
    Columns,
}

impl Header {
    /// Read the comment at the top of `sql`. A comment without any of the known words is no header.
    pub fn parse(sql: &str) -> Result<Self, HeaderError> {
        let mut header = Self::default();
        let mut section = Section::None;
        for (i, line) in sql.trim_start_matches('\u{feff}').lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("--") else {
                if line.trim().is_empty() {
                    continue;
                }
                break;
            };
            let fail = |what: String| HeaderError::Line { line: i + 1, what };
            let indented = comment.starts_with("  ") || comment.starts_with('\t');
            let text = comment.trim();
            let (word, rest) = match text.split_once(':') {
                Some((w, r)) if !indented => (w.trim(), r.trim()),
                _ => ("", text),
            };
            match word {
                "name" => {
                    rest.clone_into(&mut header.name);
                    section = Section::Name;
                }
                "question" => {
                    rest.clone_into(&mut header.question);
                    section = Section::Question;
                }
                "why" => {
                    rest.clone_into(&mut header.why);
                    section = Section::Why;
                }
                "params" => section = Section::Params,
                "columns" => section = Section::Columns,
                _ if !indented || text.is_empty() => section = Section::None,
                _ => match section {
                    Section::None => {}
                    Section::Name => return Err(fail("a name is one word".into())),
                    Section::Question => join(&mut header.question, text),
                    Section::Why => join(&mut header.why, text),
                    Section::Params => header.params.push(param(text).map_err(fail)?),
                    Section::Columns => {
                        let (name, meaning) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
                        header.columns.push((name.to_owned(), meaning.trim().to_owned()));
                    }
                },
            }
        }
        let mut names: Vec<&str> = header.params.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(HeaderError::Line { line: 1, what: format!("parameter {twice} is there twice") });
        }
        Ok(header)
    }

    /// Every parameter with its value: what was handed in, else its default. `wanted` are the names that the
    /// statement uses: parameters that no header declares are text.
    pub fn bind(
        &self,
        given: &BTreeMap<String, String>,
        wanted: &[String],
    ) -> Result<Vec<(String, Option<String>)>, HeaderError> {
        let mut known: Vec<&str> = self.params.iter().map(|p| p.name.as_str()).collect();
        known.extend(wanted.iter().map(String::as_str).filter(|w| !self.params.iter().any(|p| p.name == *w)));
        if let Some(name) = given.keys().find(|g| !known.contains(&g.as_str())) {
            return Err(HeaderError::Unknown {
                name: name.clone(),
                hint: hint(name, known.iter().copied()),
                known: if known.is_empty() { "none".into() } else { known.join(", ") },
            });
        }
        let mut bound = Vec::new();
        for name in wanted {
            let declared = self.params.iter().find(|p| p.name == *name);
            let value = match (given.get(name), declared) {
                (Some(v), Some(p)) => {
                    Some(check(p.kind, v).map_err(|bad| HeaderError::Value { name: name.clone(), bad })?)
                }
                (Some(v), None) => Some(v.clone()),
                (None, Some(p)) => p.default.clone(),
                (None, None) => return Err(HeaderError::Missing { name: name.clone() }),
            };
            bound.push((name.clone(), value));
        }
        Ok(bound)
    }
}

fn join(sentence: &mut String, more: &str) {
    if !sentence.is_empty() {
        sentence.push(' ');
    }
    sentence.push_str(more);
}

/// `name type default meaning`.
fn param(text: &str) -> Result<Param, String> {
    let usage = || format!("a parameter is: name type default meaning; got {text:?}");
    let (name, rest) = text.split_once(char::is_whitespace).ok_or_else(usage)?;
    let (kind, rest) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(usage)?;
    let rest = rest.trim_start();
    let (default, meaning) = match rest.strip_prefix('\'') {
        Some(quoted) => {
            let (value, after) = quoted.split_once('\'').ok_or_else(usage)?;
            (Some(value.to_owned()), after)
        }
        None => {
            let (word, after) = rest.split_once(char::is_whitespace).ok_or_else(usage)?;
            ((word != "null").then(|| word.to_owned()), after)
        }
    };
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("{name:?} is no name: lower-case letters, digits and _"));
    }
    let kind = Kind::parse(kind).ok_or_else(|| format!("{kind:?} is no type: number, text or time"))?;
    let default = match default {
        Some(d) => Some(check(kind, &d).map_err(|e| format!("default of {name}: {e}"))?),
        None => None,
    };
    Ok(Param { name: name.to_owned(), kind, default, meaning: meaning.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- name: x\n-- question: How much\n--   is it?\n-- why: Because.\n-- params:\n\
        --   limit number 20 How many.\n--   since time null From then on.\n--   word text 'a b' A word.\n\
        -- columns:\n--   ip The address.\n\nSELECT 1 -- name: not this\n";

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn reads_every_part() {
        let h = Header::parse(SQL).unwrap();
        assert_eq!(
            (h.name.as_str(), h.question.as_str(), h.why.as_str()),
            ("x", "How much is it?", "Because.")
        );
        assert_eq!(h.params.len(), 3);
        assert_eq!(h.params[1].default, None);
        assert_eq!(h.params[2].default.as_deref(), Some("a b"));
        assert_eq!(h.columns, [("ip".to_owned(), "The address.".to_owned())]);
    }

    #[test]
    fn plain_sql_has_an_empty_header() {
        for sql in ["SELECT 1", "", "-- just a note: here\nSELECT 1", "\n\n-- why not\nSELECT 2"] {
            assert_eq!(Header::parse(sql).unwrap().params, [], "{sql}");
        }
    }

    #[test]
    fn says_which_line_is_wrong() {
        for (sql, part) in [
            ("-- params:\n--   limit", "line 2 of the header: a parameter is"),
            ("-- params:\n--   limit int 5 How many.", "\"int\" is no type"),
            ("-- params:\n--   limit number many How many.", "default of limit"),
            ("-- params:\n--   a text null A.\n--   a text null A.", "parameter a is there twice"),
            ("-- params:\n--   a;b text null A.", "is no name"),
        ] {
            let e = Header::parse(sql).unwrap_err().to_string();
            assert!(e.contains(part), "{e}");
        }
    }

    #[test]
    fn binds_what_is_given_else_the_default() {
        let h = Header::parse(SQL).unwrap();
        let wanted = names(&["limit", "since", "word"]);
        let bound = h.bind(&given(&[("limit", "5"), ("since", "2024-01-31")]), &wanted).unwrap();
        assert_eq!(bound[0], ("limit".into(), Some("5".into())));
        assert_eq!(bound[1], ("since".into(), Some("2024-01-31 00:00:00".into())));
        assert_eq!(bound[2], ("word".into(), Some("a b".into())));

        let e = h.bind(&given(&[("limt", "5")]), &wanted).unwrap_err().to_string();
        assert_eq!(e, "no parameter limt. Did you mean limit? Its parameters: limit, since, word.");
        let e = h.bind(&given(&[("limit", "five")]), &wanted).unwrap_err().to_string();
        assert_eq!(e, "parameter limit: \"five\" is not a number");
        let e = Header::default().bind(&given(&[]), &names(&["ip"])).unwrap_err().to_string();
        assert!(e.contains("-p ip=VALUE"), "{e}");
        let bound = Header::default().bind(&given(&[("ip", "10.0.0.1")]), &names(&["ip"])).unwrap();
        assert_eq!(bound, [("ip".into(), Some("10.0.0.1".into()))]);
    }
}
