//! What is a security report made of?
//!
//! Sections of typed blocks: sentences, facts, tables, bars, a time line, a matrix, groups of findings, hosts. No SQL and no markup: the
//! sections fill it, one writer per format shows it. Texts are printable already and still untrusted: each writer escapes for its syntax.

use crate::model::anomaly::Severity;
use crate::report::figures::short;

/// A whole report.
#[derive(Debug)]
pub struct Report {
    /// What it is about: a file name, a period, the database.
    pub subject: String,
    /// Version of the program that made it.
    pub version: &'static str,
    /// Findings in it by severity, [`Severity::ALL`]'s order.
    pub counts: [u64; 5],
    /// Its sections in order.
    pub sections: Vec<Section>,
}

/// A part under a heading.
#[derive(Debug)]
pub struct Section {
    /// Stable name: what a person asks for, and the member in JSON.
    pub name: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// One thing in a section.
#[derive(Debug)]
pub enum Block {
    /// Sentences.
    Prose(Prose),
    /// Names with values.
    Facts(Facts),
    /// Rows.
    Table(Table),
    /// Amounts to compare.
    Bars(Bars),
    /// What happened when.
    Timeline(Timeline),
    /// Who with whom.
    Matrix(Matrix),
    /// Findings of one kind.
    Group(Box<Group>),
    /// One host.
    Host(Box<Host>),
}

/// How a sentence is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Something to know before trusting the rest.
    Caution,
    /// An aside.
    Aside,
}

/// Sentences, each a paragraph; numbered ones are a list in order of importance.
#[derive(Debug)]
pub struct Prose {
    /// Member in JSON.
    pub name: &'static str,
    /// Small heading; empty: none.
    pub title: &'static str,
    /// How they are meant.
    pub tone: Tone,
    /// Are they a list in order?
    pub numbered: bool,
    /// The sentences.
    pub lines: Vec<String>,
    /// Findings they are about, by `anomaly_id`, in their order; empty: none.
    pub about: Vec<i64>,
}

/// Names with values.
#[derive(Debug)]
pub struct Facts {
    /// Member in JSON.
    pub name: &'static str,
    /// Stable key, name for eyes, value.
    pub pairs: Vec<(&'static str, &'static str, Cell)>,
}

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell {
    /// Nothing to say.
    Nothing,
    /// Text.
    Text(String),
    /// Several texts.
    List(Vec<String>),
    /// An address: may lead to its host.
    Address(String),
    /// How many.
    Count(u64),
    /// Bytes.
    Bytes(u64),
    /// Any number.
    Number(f64),
    /// Percent, 0 to 100.
    Percent(f64),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
    /// Impact.
    Severity(Severity),
    /// Yes or no.
    Flag(bool),
    /// `anomaly_id`, `capture_id`: a number that is a name.
    Id(i64),
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Stable name, as in JSON and CSV.
    pub key: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What its cells are.
    pub kind: Kind,
}

/// What the cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// [`Cell::Text`] or [`Cell::List`].
    Text,
    /// [`Cell::Address`].
    Address,
    /// [`Cell::Count`].
    Count,
    /// [`Cell::Bytes`].
    Bytes,
    /// [`Cell::Number`].
    Number,
    /// [`Cell::Percent`].
    Percent,
    /// [`Cell::Time`].
    Time,
    /// [`Cell::Severity`].
    Severity,
    /// [`Cell::Flag`].
    Flag,
    /// [`Cell::Id`].
    Id,
}

impl Kind {
    /// Is it read best from the right?
    pub fn is_number(self) -> bool {
        matches!(self, Self::Count | Self::Bytes | Self::Number | Self::Percent | Self::Id)
    }
}

/// Rows.
#[derive(Debug)]
pub struct Table {
    /// Member in JSON, part of a file's name in CSV.
    pub name: &'static str,
    /// Caption.
    pub title: &'static str,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows; each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
    /// How many there are, when more than `rows` shows.
    pub total: u64,
    /// Said when there is no row; empty: the table is left out where a person reads.
    pub empty: &'static str,
}

/// Amounts to compare.
#[derive(Debug)]
pub struct Bars {
    /// Member in JSON.
    pub name: &'static str,
    /// Caption.
    pub title: &'static str,
    /// What one bar is, such as `version`.
    pub of: &'static str,
    /// What its length is, such as `connections`.
    pub unit: &'static str,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug)]
pub struct Bar {
    /// What it is.
    pub label: String,
    /// [`Cell::Count`] or [`Cell::Bytes`].
    pub amount: Cell,
    /// Coloured as this severity.
    pub severity: Option<Severity>,
}

/// Intervals of equal length, and the findings in them.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Member in JSON.
    pub name: &'static str,
    /// Caption.
    pub title: &'static str,
    /// Start of the first interval, nanoseconds since 1970.
    pub start: i64,
    /// Length of an interval, nanoseconds; at least 1.
    pub step: i64,
    /// The intervals without gaps.
    pub buckets: Vec<Bucket>,
    /// The most urgent findings, to be marked.
    pub marks: Vec<Mark>,
}

/// One interval.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bucket {
    /// Flows that began in it.
    pub flows: u64,
    /// Bytes of those flows, with IP headers.
    pub bytes: u64,
    /// Findings that began in it by severity, [`Severity::ALL`]'s order.
    pub findings: [u64; 5],
}

/// A finding on the time line.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Its id.
    pub id: i64,
    /// When it began.
    pub at: i64,
    /// Impact.
    pub severity: Severity,
    /// The finding in a sentence.
    pub title: String,
}

/// Who exchanges how much with whom.
#[derive(Debug)]
pub struct Matrix {
    /// Member in JSON.
    pub name: &'static str,
    /// Caption.
    pub title: &'static str,
    /// Addresses of those who began.
    pub sources: Vec<String>,
    /// Addresses of those who were asked.
    pub targets: Vec<String>,
    /// Source, target, bytes of both directions, flows; positions in the lists.
    pub cells: Vec<(usize, usize, u64, u64)>,
}

/// Findings of one kind and detector.
#[derive(Debug)]
pub struct Group {
    /// Kind, a stable name.
    pub kind: String,
    /// Who found them.
    pub detector: String,
    /// What the kind says.
    pub meaning: String,
    /// ATT&CK technique.
    pub technique: Option<String>,
    /// The worst among them.
    pub severity: Severity,
    /// How many by severity, [`Severity::ALL`]'s order.
    pub counts: [u64; 5],
    /// How many.
    pub total: u64,
    /// Different originators.
    pub sources: u64,
    /// Different targets.
    pub targets: u64,
    /// Begin of the first, nanoseconds since 1970.
    pub first: i64,
    /// End of the last.
    pub last: i64,
    /// The most urgent ones in full.
    pub shown: Vec<Finding>,
    /// The next ones, a line each.
    pub more: Vec<Finding>,
    /// What else looks like this.
    pub innocent: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
}

/// A finding in full.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `anomaly_id`.
    pub id: i64,
    /// The finding in a sentence.
    pub title: String,
    /// Kind, a stable name.
    pub kind: String,
    /// Impact.
    pub severity: Severity,
    /// How sure, 0 to 1.
    pub confidence: f64,
    /// Who did it.
    pub source: Option<String>,
    /// To whom.
    pub target: Option<String>,
    /// At which port.
    pub port: Option<u64>,
    /// Begin, nanoseconds since 1970.
    pub first: i64,
    /// End.
    pub last: i64,
    /// Events behind it.
    pub count: u64,
    /// File or device it was seen in.
    pub capture: String,
    /// `open` or `acknowledged`.
    pub status: String,
    /// Why.
    pub reasons: Vec<Reason>,
    /// More facts: name and value, shortened.
    pub details: Vec<(String, String)>,
}

/// A factor of a verdict.
#[derive(Clone, Debug)]
pub struct Reason {
    /// What was measured.
    pub name: String,
    /// What was seen.
    pub value: f64,
    /// From where on it counts.
    pub threshold: f64,
    /// How much it says, 0 to 1; negative: against.
    pub weight: f64,
}

impl Reason {
    /// What was seen, for a person: a port is a name, no amount.
    pub fn seen(&self) -> String {
        if self.name.split('_').any(|w| w == "port") && self.value.fract() == 0.0 {
            return format!("{:.0}", self.value);
        }
        short(self.value)
    }
}

impl Finding {
    /// The last part of the path of its capture, for a person; the whole path may fill a line.
    pub fn file(&self) -> &str {
        self.capture.rsplit('/').next().unwrap_or(&self.capture)
    }
}

/// A host with what is known of it.
#[derive(Debug)]
pub struct Host {
    /// Address.
    pub ip: String,
    /// Network island, empty when unnamed.
    pub sensor: String,
    /// 0 to 100 from its findings.
    pub risk: f64,
    /// The worst of them.
    pub severity: Severity,
    /// Is it ours?
    pub internal: bool,
    /// Facts: stable key, name, value.
    pub facts: Vec<(&'static str, &'static str, Cell)>,
    /// Its findings by kind.
    pub findings: Table,
    /// Whom it exchanges most with.
    pub peers: Table,
}
