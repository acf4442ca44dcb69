//! How are lists of indicators kept?
//!
//! A list with its entries, replaced as a whole in one transaction. Matching is SQL (`queries/detections/indicator_match.sql`), which asks for
//! entries in the form that columns have: canonical addresses, lower-case names and hashes. Refuses to read files: that is for the floor above.

use super::connect::{text, write_error};
use super::{StoreError, capture};
use duckdb::{Connection, params};

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IndicatorKind {
    /// An address of IPv4 or IPv6.
    Address,
    /// A network, from its first to its last address.
    Network,
    /// A name, with all names below it.
    Domain,
    /// A URL without its scheme.
    Url,
    /// JA3 fingerprint.
    Ja3,
    /// JA4 fingerprint.
    Ja4,
    /// SHA-256 or SHA-1 of a certificate.
    Certificate,
    /// MD5, SHA-1 or SHA-256 of a file.
    File,
    /// JA3 fingerprint or MD5 of a file: the form does not tell.
    Md5,
    /// SHA-1 of a certificate or a file.
    Sha1,
    /// SHA-256 of a certificate or a file.
    Sha256,
}

impl IndicatorKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Address,
        Self::Network,
        Self::Domain,
        Self::Url,
        Self::Ja3,
        Self::Ja4,
        Self::Certificate,
        Self::File,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
    ];

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Ja3 => "ja3",
            Self::Ja4 => "ja4",
            Self::Certificate => "certificate",
            Self::File => "file",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }
}

/// One entry, in the form in which it is compared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Indicator {
    /// What it is about.
    pub kind: IndicatorKind,
    /// The entry.
    pub value: String,
    /// First and last address of a network, 32 hexadecimal digits each.
    pub range: Option<(String, String)>,
    /// Date that the list gives.
    pub date: Option<String>,
    /// What the list says about it.
    pub note: Option<String>,
}

impl Indicator {
    /// Can only MD5 or SHA-1 of a file match it (or a JA3, or a certificate)?
    pub fn wants_old_hash(&self) -> bool {
        match self.kind {
            IndicatorKind::Md5 | IndicatorKind::Sha1 => true,
            IndicatorKind::File => self.value.len() < 64,
            _ => false,
        }
    }
}

/// Does a list hold entries that only MD5 or SHA-1 of files can match?
pub(super) fn want_old_hashes(db: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (FROM indicators WHERE kind IN ('md5', 'sha1') OR (kind = 'file' AND length(value) < 64))";
    db.query_row(sql, [], |r| r.get(0)).map_err(write_error)
}

/// Replace the list `name`.
pub(super) fn add(
    db: &Connection,
    name: &str,
    source: &str,
    format: &str,
    entries: &[Indicator],
) -> Result<(), StoreError> {
    let write = || -> duckdb::Result<()> {
        db.execute_batch(&format!(
            "BEGIN; DELETE FROM indicators WHERE list = {name}; DELETE FROM indicator_lists WHERE name = {name};",
            name = text(name)
        ))?;
        let mut appender = db.appender("indicators")?;
        for e in entries {
            let (low, high) = e.range.as_ref().map(|(low, high)| (low.as_str(), high.as_str())).unzip();
            appender.append_row(params![name, e.kind.name(), e.value, low, high, e.date, e.note])?;
        }
        appender.flush()?;
        drop(appender);
        db.execute_batch(&format!(
            "INSERT INTO indicator_lists(name, source, format, entries, added_at)
             VALUES ({}, {}, {}, {}, make_timestamp_ns({})); COMMIT;",
            text(name),
            text(source),
            text(format),
            entries.len(),
            capture::now().0
        ))
    };
    write().map_err(|e| {
        let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
        write_error(e)
    })
}

/// Forget the list `name`.
pub(super) fn remove(db: &Connection, name: &str) -> Result<bool, StoreError> {
    let gone = || -> duckdb::Result<bool> {
        db.execute("DELETE FROM indicators WHERE list = ?", [name])?;
        Ok(db.execute("DELETE FROM indicator_lists WHERE name = ?", [name])? > 0)
    };
    gone().map_err(write_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &str) -> Indicator {
        Indicator {
            kind: IndicatorKind::Domain,
            value: value.into(),
            range: None,
            date: None,
            note: Some("x".into()),
        }
    }

    #[test]
    fn a_list_is_replaced_as_a_whole() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&super::super::schema::tables_for_tests()).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap();
        add(&db, "a", "a.txt", "text", &[entry("one.example"), entry("two.example")]).unwrap();
        add(&db, "b", "b.txt", "text", &[entry("three.example")]).unwrap();
        add(&db, "a", "a.txt", "text", &[entry("four.example")]).unwrap();
        assert_eq!(count("SELECT count(*) FROM indicators"), 2);
        assert_eq!(count("SELECT entries FROM indicator_lists WHERE name = 'a'"), 1);
        assert!(remove(&db, "a").unwrap() && !remove(&db, "a").unwrap());
        assert_eq!(count("SELECT count(*) FROM indicators"), 1);
    }

    #[test]
    fn old_hashes_are_wanted_while_a_list_holds_some() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&super::super::schema::tables_for_tests()).unwrap();
        let file = |digits: usize| Indicator { kind: IndicatorKind::File, ..entry(&"a".repeat(digits)) };
        let md5 = Indicator { kind: IndicatorKind::Md5, ..entry(&"b".repeat(32)) };
        for (with, wanted) in
            [(entry("one.example"), false), (file(64), false), (file(40), true), (md5, true)]
        {
            add(&db, "a", "a.txt", "text", &[with]).unwrap();
            assert_eq!(want_old_hashes(&db).unwrap(), wanted);
        }
    }
}
