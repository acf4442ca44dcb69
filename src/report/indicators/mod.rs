//! What stands in a list of indicators?
//!
//! Plain text, CSV with or without a header, MISP's CSV and JSON, STIX 2.1 bundles. Entries become the form in which they are compared: canonical
//! addresses, first and last address of a network, lower-case names and hashes, URLs without their scheme. A line that is no indicator is
//! told with file and line; the others are taken. Sources: OASIS STIX 2.1, the MISP core format, RFC 4180, RFC 5952.
//! A hash of 32 digits that nothing explains may be a JA3 or a file's MD5, and is compared with both.
//! Refuses what the records cannot show: SHA-512 of files, mail addresses, registry keys.

mod json;
mod table;
#[cfg(test)]
mod tests;
mod value;

use crate::store::{Indicator, IndicatorKind};
use std::path::Path;

/// The largest list that is read, bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Entries taken from one list; they are compared in memory.
const MAX_ENTRIES: usize = 2_000_000;

/// Lines told of that are no indicators; the others are counted.
const MAX_BAD: usize = 20;

/// Bytes kept of what a list says about an entry.
const MAX_NOTE: usize = 200;

/// A list as read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// `text`, `csv`, `misp` or `stix`.
    pub format: &'static str,
    /// What was taken, each once.
    pub entries: Vec<Indicator>,
    /// Where something is no indicator, and why; the first ones.
    pub bad: Vec<String>,
    /// How many there were.
    pub bad_count: u64,
    /// Entries of kinds that records do not show.
    pub unseen: u64,
    /// Entries that were left out because there are too many.
    pub beyond: u64,
}

impl List {
    fn reject(&mut self, origin: &str, line: usize, why: &str) {
        self.bad_count += 1;
        if self.bad.len() < MAX_BAD {
            self.bad.push(format!("{origin}:{line}: {why}"));
        }
    }

    fn take(&mut self, indicator: Indicator) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(indicator);
        } else {
            self.beyond += 1;
        }
    }
}

/// Why a list could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: {what}")]
pub struct BadList {
    origin: String,
    what: String,
}

/// Read a file. `kind` says what its entries are about where they do not say it; `None`: told by their form.
pub fn read(path: &Path, kind: Option<IndicatorKind>) -> Result<List, BadList> {
    let origin = path.display().to_string();
    let bad = |what: String| BadList { origin: origin.clone(), what };
    let size = std::fs::metadata(path).map_err(|e| bad(format!("cannot be read: {e}")))?.len();
    if size > MAX_BYTES {
        return Err(bad(format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    let bytes = std::fs::read(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    parse(&origin, &bytes, kind).map_err(bad)
}

/// Read a list from memory.
pub fn parse(origin: &str, bytes: &[u8], kind: Option<IndicatorKind>) -> Result<List, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut list = match text.trim_start().as_bytes().first() {
        Some(b'{' | b'[') if json::looks_like(text) => json::read(origin, text, kind)?,
        _ => table::read(origin, text, kind),
    };
    let key = |i: &Indicator| (i.kind, i.value.clone());
    list.entries.sort_by_cached_key(key);
    list.entries.dedup_by(|a, b| a.kind == b.kind && a.value == b.value);
    if list.entries.is_empty() && list.bad_count > 0 && list.unseen == 0 {
        let first = list.bad.first().cloned().unwrap_or_default();
        return Err(format!("holds no indicator; the first line that is none: {first}"));
    }
    Ok(list)
}
