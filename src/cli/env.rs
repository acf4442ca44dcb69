//! What does the environment say?
//!
//! The only place that reads variables. Everything below the cli floor gets settings handed down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Every variable of ours begins so.
pub(super) const PREFIX: &str = "SECNETMON_";

/// The environment as the commands see it; tests make their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Env(BTreeMap<OsString, OsString>);

impl Env {
    /// The environment of this process.
    pub(super) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// A made-up environment.
    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| (OsString::from(k), OsString::from(v))).collect())
    }

    /// A variable that is set and not empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(&OsString::from(name)).map(|v| v.to_string_lossy().into_owned()).filter(|v| !v.is_empty())
    }

    /// A variable that holds a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.0.get(&OsString::from(name)).filter(|v| !v.is_empty()).map(PathBuf::from)
    }

    /// An absolute path, as the XDG base directory specification demands; others are ignored there.
    pub(super) fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|p| p.is_absolute())
    }

    /// The environment as the owner of `home` would have it: base folders that are somebody else's are left out.
    #[must_use]
    pub(super) fn at_home(mut self, home: &std::path::Path) -> Self {
        if self.path("HOME").as_deref() != Some(home) {
            self.0.retain(|name, _| !name.to_string_lossy().starts_with("XDG_"));
            self.0.insert("HOME".into(), home.as_os_str().to_owned());
        }
        self
    }

    /// Names and values of all our variables, sorted.
    pub(super) fn ours(&self) -> impl Iterator<Item = (String, String)> {
        self.0
            .iter()
            .map(|(k, v)| (k.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
            .filter(|(k, _)| k.starts_with(PREFIX))
    }
}
