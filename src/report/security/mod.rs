//! What does a security report say, and how is it handed on?
//!
//! [`build`] fills the model (`model`) by SQL over the rows in a [`Scope`], one file of `sections/` per section; [`write()`] shows it in one of
//! five forms, one file of `write/` per form. To add a section: a file in `sections/` with a function of [`Ask`] and a line in [`SECTIONS`].
//! Refuses to judge: findings come from the detectors, their order from their scores.

mod ask;
pub mod model;
mod scope;
mod sections;
mod write;

pub use scope::Scope;
pub use write::{Form, csv_files, main_csv, write};

use super::detection::Detection;
use crate::store::{Limits, Reader, StoreError};
use ask::Ask;
use model::{Report, Section};
use sections::Overview;
use std::cell::OnceCell;

/// What a section is filled from.
struct Context<'a> {
    ask: Ask<'a>,
    overview: &'a Overview,
    detections: &'a [Detection],
    /// Rows of a table at most.
    rows: u64,
    /// Findings listed one by one at most.
    findings: u64,
    geo: Option<&'a Geo>,
    /// Two sections show it.
    timeline: OnceCell<Option<model::Timeline>>,
}

type Fill = fn(&Context<'_>) -> Result<Vec<model::Block>, StoreError>;

/// All sections in order: name, heading, what fills it.
const SECTIONS: &[(&str, &str, Fill)] = &[
    ("summary", "Summary", sections::summary),
    ("findings", "Findings", sections::findings),
    ("hosts", "Hosts by risk", sections::hosts),
    ("traffic", "Traffic", sections::traffic),
    ("dns", "DNS", sections::dns),
    ("tls", "TLS and certificates", sections::tls),
    ("files", "Files", sections::files),
    ("credentials", "Logins and credentials", sections::credentials),
    ("quality", "Quality of the captures", sections::quality),
    ("method", "How this report was made", sections::method),
];

/// Names of all sections in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|(name, ..)| *name)
}

/// The condition that the findings of a report meet, over the table `anomalies`, and the values to bind.
pub fn findings_in(scope: &Scope) -> (String, super::header::Bound) {
    scope.findings()
}

/// Countries of addresses, from a MaxMind file.
#[derive(Debug)]
pub struct Geo {
    countries: maxminddb::Reader<Vec<u8>>,
}

impl Geo {
    /// Open a file of MaxMind's format that knows countries, such as GeoLite2-Country.mmdb.
    pub fn open(path: &std::path::Path) -> Result<Self, String> {
        let countries =
            maxminddb::Reader::open_readfile(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { countries })
    }

    /// English name of the country of an address, else its code.
    fn country(&self, ip: std::net::IpAddr) -> Option<String> {
        let found = self.countries.lookup(ip).ok()?.decode::<maxminddb::geoip2::Country<'_>>().ok()??;
        let name = found.country.names.english.or(found.country.iso_code)?;
        Some(crate::model::text::printable(name.as_bytes(), name.len()))
    }
}

/// What is wanted.
#[derive(Debug)]
pub struct Request<'a> {
    /// Which rows.
    pub scope: &'a Scope,
    /// Sections by name; empty: all.
    pub sections: &'a [String],
    /// Detections in SQL, for what they say about themselves.
    pub detections: &'a [Detection],
    /// Countries of addresses.
    pub geo: Option<&'a Geo>,
    /// Longest wait for one answer.
    pub limits: Limits,
    /// Everything instead of what a person reads: for CSV.
    pub in_full: bool,
}

/// Rows of a table that a person reads.
const ROWS: u64 = 15;
/// Findings listed one by one for a person.
const FINDINGS: u64 = 200;
/// Rows of a table of a program: beyond that, `query` and `db export` are the tools.
const ALL_ROWS: u64 = 1_000_000;

/// Make the report.
pub fn build(reader: &Reader, request: &Request<'_>) -> Result<Report, StoreError> {
    let limits = Limits { rows: None, ..request.limits.clone() };
    let ask = Ask { reader, limits, scope: request.scope };
    let overview = Overview::ask(&ask)?;
    let (rows, findings) = if request.in_full { (ALL_ROWS, ALL_ROWS) } else { (ROWS, FINDINGS) };
    let cx = Context {
        ask,
        overview: &overview,
        detections: request.detections,
        rows,
        findings,
        geo: request.geo,
        timeline: OnceCell::new(),
    };
    let mut all = Vec::new();
    for (name, title, fill) in SECTIONS {
        if request.sections.is_empty() || request.sections.iter().any(|s| s == name) {
            all.push(Section { name, title, blocks: fill(&cx)? });
        }
    }
    Ok(Report {
        subject: overview.subject(),
        version: env!("CARGO_PKG_VERSION"),
        counts: overview.findings,
        sections: all,
    })
}
