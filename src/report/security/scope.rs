//! Which rows is a report about?
//!
//! A capture, a sensor, a period, a least severity; without any the whole database. Questions name a table in braces (`{flows}`), and this
//! puts the rows in scope there. Values are bound, never spliced. Refuses times that are none.

use super::super::header::Bound;
use super::super::params::{BadValue, Kind, check};
use crate::model::anomaly::{LISTED, Severity};

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    since: Option<String>,
    until: Option<String>,
    capture: Option<i64>,
    sensor: Option<String>,
    least: Option<Severity>,
}

impl Scope {
    /// Only this capture.
    #[must_use]
    pub fn capture(mut self, id: Option<i64>) -> Self {
        self.capture = id;
        self
    }

    /// Only captures of this sensor.
    #[must_use]
    pub fn sensor(mut self, name: Option<String>) -> Self {
        self.sensor = name;
        self
    }

    /// Only findings of this severity or worse.
    #[must_use]
    pub fn at_least(mut self, severity: Option<Severity>) -> Self {
        self.least = severity;
        self
    }

    /// Only what lasted until `since` or later.
    pub fn since(mut self, text: Option<&str>) -> Result<Self, BadValue> {
        self.since = text.map(|t| check(Kind::Time, t)).transpose()?;
        Ok(self)
    }

    /// Only what began before `until`.
    pub fn until(mut self, text: Option<&str>) -> Result<Self, BadValue> {
        self.until = text.map(|t| check(Kind::Time, t)).transpose()?;
        Ok(self)
    }

    /// Is there a period?
    pub(super) fn has_period(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Least severity.
    pub(super) fn least(&self) -> Option<Severity> {
        self.least
    }

    /// The limits in words, without the severity; `None`: the whole database.
    pub(super) fn words(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(id) = self.capture {
            parts.push(format!("capture {id}"));
        }
        if let Some(s) = &self.sensor {
            parts.push(format!("sensor {}", crate::model::text::printable(s.as_bytes(), s.len())));
        }
        if let Some(t) = &self.since {
            parts.push(format!("from {t}"));
        }
        if let Some(t) = &self.until {
            parts.push(format!("before {t}"));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The condition that findings in scope meet, over `anomalies`, and the values to bind.
    pub(super) fn findings(&self) -> (String, Bound) {
        self.apply("anomaly_id IN (SELECT anomaly_id FROM {findings})")
    }

    /// `sql` with every `{table}` replaced by its rows in scope, and the values to bind.
    pub(super) fn apply(&self, sql: &str) -> (String, Bound) {
        let mut out = String::with_capacity(sql.len() * 2);
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            out.push_str(&self.rows(name));
            rest = tail;
        }
        out.push_str(rest);
        let values = [("since", &self.since), ("until", &self.until), ("sensor", &self.sensor)];
        let bound = values
            .into_iter()
            .filter(|(name, value)| value.is_some() && out.contains(&format!("${name}")))
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        (out, bound)
    }

    fn rows(&self, name: &str) -> String {
        let (table, first, last) = match name {
            "flows" | "captures" | "host_facts" => (name, "first_ts", "last_ts"),
            // With the least severity; `all_findings` without.
            "findings" | "all_findings" => ("anomalies", "first_ts", "last_ts"),
            "detector_runs" | "capture_files" => (name, "", ""),
            _ => (name, "ts", "ts"),
        };
        let mut sql: Vec<String> = Vec::new();
        if let Some(id) = self.capture {
            sql.push(format!("capture_id = {id}"));
        }
        if self.sensor.is_some() {
            sql.push("capture_id IN (SELECT capture_id FROM captures WHERE sensor = $sensor)".into());
        }
        if !first.is_empty() {
            if self.since.is_some() {
                sql.push(format!("{last} >= $since::TIMESTAMP_NS"));
            }
            if self.until.is_some() {
                sql.push(format!("{first} < $until::TIMESTAMP_NS"));
            }
        } else if self.has_period() {
            let bounds = Self { capture: None, sensor: None, ..self.clone() }.rows("captures");
            sql.push(format!("capture_id IN (SELECT capture_id FROM {bounds})"));
        }
        if name == "findings" {
            sql.push(LISTED.into());
            if let Some(least) = self.least {
                sql.push(format!("severity_rank >= {}", least.rank()));
            }
        }
        if sql.is_empty() {
            return table.to_owned();
        }
        format!("(SELECT * FROM {table} WHERE {})", sql.join(" AND "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_limited_and_values_bound() {
        assert_eq!(Scope::default().apply("FROM {flows} f").0, "FROM flows f");
        let s = Scope::default().capture(Some(7)).since(Some("2024-01-02")).unwrap();
        let (sql, bound) = s.apply("FROM {dns} d, {findings} a, x");
        assert_eq!(
            sql,
            "FROM (SELECT * FROM dns WHERE capture_id = 7 AND ts >= $since::TIMESTAMP_NS) d, (SELECT * FROM anomalies WHERE \
             capture_id = 7 AND last_ts >= $since::TIMESTAMP_NS AND status NOT IN ('false_positive', 'expected')) a, x"
        );
        assert_eq!(bound, [("since".to_owned(), Some("2024-01-02 00:00:00".to_owned()))]);
        let s = Scope::default().sensor(Some("a' OR 1".into()));
        assert!(s.apply("FROM {files}").0.ends_with("WHERE sensor = $sensor))"));
        assert!(s.apply("SELECT 1").1.is_empty(), "a value that nothing uses is an error of the store");
        assert!(Scope::default().until(Some("noon")).is_err());
        assert_eq!(Scope::default().capture(Some(7)).words().as_deref(), Some("capture 7"));
    }
}
