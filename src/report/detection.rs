//! What does a detection in SQL say about itself?
//!
//! The comment of a saved question ([`super::header`]) with a few more lines, the same facts that a detector in Rust states:
//!
//! ```sql
//! -- name: night_logins
//! -- question: Who logs in at night?
//! -- why: Nobody works then.
//! -- kind: behaviour_change
//! -- severity: medium
//! -- technique: T1078
//! -- horizon: 7 d
//! -- from: credentials 3, flows 10 or http 10
//! -- only: credentials: count(*) FILTER (secret = 'clear') >= $least::BIGINT
//! -- or: http: bool_or(status = 401)
//! -- params:
//! --   first_hour number 22 From that hour (UTC) on it is night; the office closes at nine.
//! -- innocent:
//! --   Shift work.
//! -- next:
//! --   Ask the person.
//! -- references:
//! --   MITRE ATT&CK T1078.
//! ```
//!
//! `kind` is one or more of the known kinds, with commas; `horizon` is `capture` or a number with `min`, `h` or `d`; `from` names the tables
//! without whose rows (at least one, or the number) it need not run; `only` a condition over all rows of a
//! table, in the captures that are joined, which holds wherever it finds anything, with `or` on the lines below for others of which one suffices; `needs: history` that it says nothing without earlier captures of the sensor. The parameters `$capture`, `$captures`, `$since` and `$until` are there without being declared. Refuses
//! half a header, with the line.

use super::header::{Header, HeaderError};
use super::params::check;
use super::suggest::hint;
use crate::detect::Expected;
use crate::model::anomaly::Severity;
use crate::model::kind::{KINDS, Kind, kind};
use crate::store;
use std::collections::BTreeMap;
use std::path::Path;

/// Parameters that every detection has.
const GIVEN: &[&str] = &["capture", "captures", "since", "until"];

/// Longest horizon in days: what is older than ten years is archaeology, and more would not fit the nanoseconds.
const MAX_DAYS: f64 = 3_660.0;

/// A detection with what it says about itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Detection {
    /// Name, question, reason, parameters and columns.
    pub header: Header,
    /// File it comes from; for a shipped one its name.
    pub origin: String,
    /// Does it come with the program?
    pub shipped: bool,
    /// Kinds of its findings.
    pub kinds: Vec<&'static Kind>,
    /// ATT&CK technique instead of the kind's.
    pub technique: Option<String>,
    /// Severity instead of the kind's.
    pub severity: Option<Severity>,
    /// How far back it looks, nanoseconds; 0: the capture alone.
    pub horizon: i64,
    /// Rows without which it need not run: all of these, each as one of several tables with a number.
    pub tables: Vec<Vec<(String, u64)>>,
    /// Conditions over the rows of tables without which it need not run: all of these, each as one of several.
    pub only: Vec<Vec<(String, String)>>,
    /// Does it say nothing without earlier captures of the same sensor?
    pub needs_history: bool,
    /// What else looks like this, a sentence each.
    pub innocent: Vec<String>,
    /// What an analyst does next, a sentence each.
    pub next: Vec<String>,
    /// Papers, RFCs, ATT&CK pages.
    pub references: Vec<String>,
    /// The statement with its header.
    pub sql: String,
}

/// A file that is no detection, or values that do not fit one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{origin}: {what}")]
pub struct BadDetection {
    /// The file.
    pub origin: String,
    /// Line and reason.
    pub what: String,
}

/// The sections of lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    None,
    Innocent,
    Next,
    References,
}

impl Detection {
    /// Read the comment at the top of `sql`. `stem` is the name of the file without `.sql`, which the name has to be.
    pub fn parse(origin: &str, stem: &str, sql: &str) -> Result<Self, BadDetection> {
        let bad = |what: String| BadDetection { origin: origin.to_owned(), what };
        let header = Header::parse(sql).map_err(|e| bad(e.to_string()))?;
        let mut d = Self {
            header,
            origin: origin.to_owned(),
            shipped: false,
            kinds: Vec::new(),
            technique: None,
            severity: None,
            horizon: 0,
            tables: Vec::new(),
            only: Vec::new(),
            needs_history: false,
            innocent: Vec::new(),
            next: Vec::new(),
            references: Vec::new(),
            sql: sql.to_owned(),
        };
        d.read_lines(sql).map_err(|(line, what)| bad(format!("line {line} of the header: {what}")))?;
        d.complete(stem).map_err(|what| bad(format!("line 1 of the header: {what}")))?;
        Ok(d)
    }

    fn read_lines(&mut self, sql: &str) -> Result<(), (usize, String)> {
        let mut list = List::None;
        for (i, line) in sql.trim_start_matches('\u{feff}').lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("--") else {
                if line.trim().is_empty() {
                    continue;
                }
                break;
            };
            let indented = comment.starts_with("  ") || comment.starts_with('\t');
            let text = comment.trim();
            if indented {
                let items = match list {
                    List::None => continue,
                    List::Innocent => &mut self.innocent,
                    List::Next => &mut self.next,
                    List::References => &mut self.references,
                };
                match items.last_mut() {
                    // A sentence may go on in the next line.
                    Some(last) if !last.ends_with(['.', '?']) => {
                        last.push(' ');
                        last.push_str(text);
                    }
                    _ => items.push(text.to_owned()),
                }
                continue;
            }
            let (word, rest) = text.split_once(':').map_or((text, ""), |(w, r)| (w.trim(), r.trim()));
            list = match word {
                "innocent" => List::Innocent,
                "next" => List::Next,
                "references" => List::References,
                _ => List::None,
            };
            self.field(word, rest).map_err(|what| (i + 1, what))?;
        }
        Ok(())
    }

    fn field(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let words = || rest.split(',').map(str::trim).filter(|w| !w.is_empty());
        match word {
            "kind" | "kinds" => {
                for name in words() {
                    let near = || hint(name, KINDS.iter().map(|k| k.name));
                    self.kinds.push(
                        kind(name)
                            .ok_or_else(|| format!("no kind of finding is called {name:?}.{}", near()))?,
                    );
                }
            }
            "severity" => {
                self.severity = Some(Severity::of(rest).ok_or_else(|| {
                    format!("{rest:?} is no severity: info, low, medium, high or critical")
                })?);
            }
            "technique" => {
                let tail = rest.strip_prefix('T').unwrap_or_default();
                if tail.len() < 4 || !tail.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                    return Err(format!("{rest:?} is no ATT&CK technique such as T1071.004"));
                }
                self.technique = Some(rest.to_owned());
            }
            "horizon" => self.horizon = horizon(rest)?,
            "from" => {
                for choice in words() {
                    self.tables.push(choice.split(" or ").map(table).collect::<Result<_, _>>()?);
                }
            }
            "only" => self.only.push(vec![condition(rest)?]),
            "or" => {
                let first = self.only.last_mut().ok_or("`or` has no `only` above it")?;
                first.push(condition(rest)?);
            }
            "needs" if rest == "history" => self.needs_history = true,
            "needs" => return Err(format!("it may need history, and nothing else such as {rest:?}")),
            _ => {}
        }
        Ok(())
    }

    /// Is everything there that a finding's page needs?
    fn complete(&self, stem: &str) -> Result<(), String> {
        let h = &self.header;
        if h.name.is_empty() {
            return Err("it lacks `name:`".to_owned());
        }
        if h.name != stem {
            return Err(format!("the name {} is not that of the file, {stem}.sql", h.name));
        }
        if !h.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err(format!("{:?} is no name: lower-case letters, digits and _", h.name));
        }
        if h.question.is_empty() || h.why.is_empty() {
            return Err("it lacks `question:` or `why:`".to_owned());
        }
        if self.kinds.is_empty() {
            return Err("it lacks `kind:`, what its findings are".to_owned());
        }
        if let Some(p) = h.params.iter().find(|p| GIVEN.contains(&p.name.as_str())) {
            return Err(format!("the parameter {} is there without being declared", p.name));
        }
        Ok(())
    }

    /// As the store runs it, with the values of its parameters: what is given, else the default. Values for parameters it does not have
    /// are left alone; the caller knows whether any detection has them.
    pub fn bind(
        &self,
        given: &BTreeMap<String, String>,
        confidence_threshold: f64,
        expected: &Expected,
    ) -> Result<store::Detection, BadDetection> {
        let mut params = Vec::with_capacity(self.header.params.len());
        for p in &self.header.params {
            let value = match given.get(&p.name) {
                Some(v) => Some(check(p.kind, v).map_err(|bad| BadDetection {
                    origin: self.origin.clone(),
                    what: HeaderError::Value { name: p.name.clone(), bad }.to_string(),
                })?),
                None => p.default.clone(),
            };
            params.push((p.name.clone(), value));
        }
        Ok(store::Detection {
            name: self.header.name.clone(),
            origin: self.origin.clone(),
            sql: self.sql.clone(),
            kinds: self.kinds.clone(),
            technique: self.technique.clone(),
            severity: self.severity,
            horizon: self.horizon,
            tables: self.tables.clone(),
            only: self.only.clone(),
            needs_history: self.needs_history,
            trusted: self.shipped,
            params,
            confidence_threshold,
            expected: expected.clone(),
        })
    }
}

/// A table and a condition over its rows, `dns: count(*) > 3`.
fn condition(text: &str) -> Result<(String, String), String> {
    let (table, condition) = text.split_once(':').unwrap_or_default();
    if is_name(table) && !condition.trim().is_empty() {
        Ok((table.to_owned(), condition.trim().to_owned()))
    } else {
        Err(format!("{text:?} is no table with a condition over its rows, such as dns: count(*) > 3"))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A table and how many rows of it, `dns 10`; one when nothing is said.
fn table(text: &str) -> Result<(String, u64), String> {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap_or_default();
    let wrong = || format!("{text:?} is no table with a number of rows, such as dns 10");
    let rows = words.next().map_or(Ok(1), str::parse).map_err(|_| wrong())?;
    if is_name(name) && words.next().is_none() { Ok((name.to_owned(), rows)) } else { Err(wrong()) }
}

/// Nanoseconds of `capture`, `30 min`, `24 h` or `7 d`.
fn horizon(text: &str) -> Result<i64, String> {
    if text == "capture" {
        return Ok(0);
    }
    let wrong = || format!("{text:?} is no horizon: capture, or such as 30 min, 24 h, 7 d");
    let (n, unit) = text.split_once(' ').ok_or_else(wrong)?;
    let n: f64 = n.parse().map_err(|_| wrong())?;
    let days = match unit.trim() {
        "min" => n / 1_440.0,
        "h" => n / 24.0,
        "d" => n,
        _ => return Err(wrong()),
    };
    if !(days > 0.0 && days <= MAX_DAYS) {
        return Err(format!("a horizon of {text} is out of range: up to {MAX_DAYS} days"));
    }
    Ok((days * 86_400e9) as i64)
}

/// The name of a file without `.sql`.
pub fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- name: x\n-- question: Who?\n-- why: Because.\n-- kind: beacon, strobe\n-- technique: T1071.004\n\
        -- severity: high\n-- horizon: 24 h\n-- from: flows 12 or http 8, dns\n-- only: dns: max(x::INT) > $n\n-- or: http: true\n-- only: dns: false\n-- params:\n--   n number 3 How many.\n\
        -- innocent:\n--   One\n--   and a half.\n--   Two.\n-- next:\n--   Look.\n-- references:\n--   RFC 1.\nSELECT $n\n";

    fn reason(sql: &str) -> String {
        Detection::parse("my/x.sql", "x", sql).unwrap_err().to_string()
    }

    #[test]
    fn everything_in_the_header_is_read() {
        let d = Detection::parse("my/x.sql", "x", SQL).unwrap();
        assert_eq!(d.kinds.iter().map(|k| k.name).collect::<Vec<_>>(), ["beacon", "strobe"]);
        assert_eq!(
            (d.technique.as_deref(), d.severity, d.horizon),
            (Some("T1071.004"), Some(Severity::High), 86_400_000_000_000)
        );
        let named = |n: &str, rows| (n.to_owned(), rows);
        assert_eq!(d.tables, [vec![named("flows", 12), named("http", 8)], vec![named("dns", 1)]]);
        let only = |t: &str, c: &str| (t.to_owned(), c.to_owned());
        assert_eq!(
            d.only,
            [vec![only("dns", "max(x::INT) > $n"), only("http", "true")], vec![only("dns", "false")]]
        );
        assert_eq!(d.innocent, ["One and a half.", "Two."]);
        assert_eq!((d.next.len(), d.references.len(), d.header.params.len()), (1, 1, 1));
    }

    #[test]
    fn a_bad_header_is_told_with_file_line_and_reason() {
        for (from, to, what) in [
            (
                "kind: beacon, strobe",
                "kind: becon",
                "my/x.sql: line 4 of the header: no kind of finding is called \"becon\". Did you mean beacon?",
            ),
            ("severity: high", "severity: bad", "line 6 of the header: \"bad\" is no severity"),
            ("technique: T1071.004", "technique: 1071", "line 5 of the header"),
            ("horizon: 24 h", "horizon: 24 hours", "line 7 of the header"),
            ("horizon: 24 h", "horizon: 9999 d", "out of range"),
            ("http 8", "http many", "line 8 of the header: \"http many\" is no table"),
            (
                "only: dns: max",
                "only: max",
                "line 9 of the header: \"max(x::INT) > $n\" is no table with a condition",
            ),
            ("only: dns: max", "or: dns: max", "line 9 of the header: `or` has no `only`"),
            ("name: x", "name: y", "is not that of the file, x.sql"),
            ("kind: beacon, strobe", "kinds:", "lacks `kind:`"),
            ("n number 3", "n int 3", "line 13 of the header: \"int\" is no type"),
            ("n number 3", "since number 3", "is there without being declared"),
            ("why: Because.", "why:", "lacks `question:` or `why:`"),
        ] {
            let e = reason(&SQL.replace(from, to));
            assert!(e.contains(what), "{e}");
        }
    }

    #[test]
    fn values_are_bound_and_checked() {
        let d = Detection::parse("x.sql", "x", SQL).unwrap();
        let given =
            |v: &str| BTreeMap::from([("n".to_owned(), v.to_owned()), ("other".to_owned(), "1".to_owned())]);
        assert_eq!(
            d.bind(&given("7"), 0.5, &Expected::default()).unwrap().params,
            [("n".to_owned(), Some("7".to_owned()))]
        );
        assert_eq!(
            d.bind(&BTreeMap::new(), 0.5, &Expected::default()).unwrap().params,
            [("n".to_owned(), Some("3".to_owned()))]
        );
        assert!(
            d.bind(&given("many"), 0.5, &Expected::default())
                .unwrap_err()
                .to_string()
                .contains("x.sql: parameter n: \"many\" is not a number")
        );
    }
}
