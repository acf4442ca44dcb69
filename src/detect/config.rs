//! Which detectors run, and with which numbers?
//!
//! Thresholds are declared by the detectors ([`super::Meta::thresholds`]); here are the values that a user set instead. Refuses names that
//! no detector has: a mistyped threshold must not be believed to hold.

use super::Expected;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of detection.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Findings below this confidence (0..1) are not reported.
    pub confidence_threshold: f64,
    /// Detectors that do not run, by id.
    pub disabled: Vec<String>,
    /// Findings that are meant to be.
    pub expected: Expected,
    /// Further names or suffixes of mining pools.
    pub mining_pools: Vec<String>,
    /// Further ports of mining pools.
    pub mining_ports: Vec<u16>,
    /// Folder of further detections in SQL; empty: `detections` beside the configuration.
    pub folder: String,
    /// Thresholds by detector and name.
    #[serde(flatten)]
    pub thresholds: BTreeMap<String, BTreeMap<String, f64>>,
}

impl Default for Config {
    fn default() -> Self {
        let mut thresholds: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        for meta in super::ALL.iter().filter(|m| !m.thresholds.is_empty()) {
            let of = thresholds.entry(meta.id.to_owned()).or_default();
            of.extend(meta.thresholds.iter().map(|t| (t.name.to_owned(), t.default)));
        }
        Self {
            confidence_threshold: 0.5,
            disabled: Vec::new(),
            expected: Expected::default(),
            mining_pools: Vec::new(),
            mining_ports: Vec::new(),
            folder: String::new(),
            thresholds,
        }
    }
}

impl Config {
    /// The value set for a threshold.
    pub fn value(&self, detector: &str, name: &str) -> Option<f64> {
        self.thresholds.get(detector)?.get(name).copied()
    }

    /// Set a threshold.
    pub fn set(&mut self, detector: &str, name: &str, value: f64) {
        self.thresholds.entry(detector.to_owned()).or_default().insert(name.to_owned(), value);
    }

    /// Names that no detector or threshold has, as `detector` or `detector.name`. `others` are detectors besides [`super::ALL`].
    pub fn unknown(&self, others: &[&str]) -> Vec<String> {
        let known = |id: &str| others.contains(&id) || super::ALL.iter().any(|m| m.id == id);
        let mut out: Vec<String> = self.disabled.iter().filter(|d| !known(d)).cloned().collect();
        for (id, values) in &self.thresholds {
            match super::ALL.iter().find(|m| m.id == id.as_str()) {
                Some(meta) => out.extend(
                    values
                        .keys()
                        .filter(|name| meta.thresholds.iter().all(|t| t.name != name.as_str()))
                        .map(|name| format!("{id}.{name}")),
                ),
                None if others.contains(&id.as_str()) => {}
                None => out.push(id.clone()),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_detector_has_are_told() {
        let mut config = Config { disabled: vec!["nobody".into()], ..Config::default() };
        config.set("nobody_else", "ports", 3.0);
        assert_eq!(config.unknown(&[]), ["nobody", "nobody_else"]);
        assert_eq!(config.unknown(&["nobody"]), ["nobody_else"]);
        assert!(Config::default().unknown(&[]).is_empty());
    }
}
