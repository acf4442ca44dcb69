//! Which packets are behind a finding or a flow, and where do they lie?
//!
//! A [`Selection`] becomes a [`Plan`] by asking the database: per capture the wanted flows, the files with their offsets, and
//! what to call it all. [`files`] finds the files and checks that they are still what was read; [`take`] reads them and writes
//! pcapng. Refuses to guess: a file that is gone or different is named, and a flow of which packets are missing is counted.

pub mod files;
mod rows;
pub mod take;

use crate::capture::OpenError;
use crate::engine::carve::{Order, Wanted, WantedFlow, WantedHosts};
use crate::model::addr::Ip;
use crate::model::flow::{Position, Tuple, protocol_number};
use crate::model::ids::{CaptureId, FlowId};
use crate::model::time::{Timestamp, secs};
use crate::store::{Limits, Reader, StoreError};
use rows::{Row, ask, one};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

/// Flows taken at once: each costs some 300 bytes while packets are looked for.
const MAX_FLOWS: u64 = 1_000_000;
/// Reading goes on over a gap of this many bytes between two wanted flows: finding a place costs as much.
const GAP_BYTES: u64 = 16 << 20;

/// What is asked for. All of it together.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Findings, by anomaly_id.
    pub anomalies: Vec<i64>,
    /// Flows, by flow_id.
    pub flows: Vec<i64>,
    /// A condition in SQL over the columns of `flows`.
    pub condition: Option<String>,
}

/// Why nothing can be taken. One sentence each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing has this id.
    #[error("no {0} {1} in the database; `secnetmon {2}` lists them")]
    Unknown(&'static str, i64, &'static str),
    /// The condition holds for too many.
    #[error("more than {MAX_FLOWS} flows match; narrow the condition (a time range, a host)")]
    TooMany,
    /// The condition holds for none.
    #[error("no flow matches; `secnetmon flows --where` shows what a condition finds")]
    NoFlow,
    /// A row does not say what it should.
    #[error("the database does not say where the packets of {0} lie")]
    Unplaced(String),
    /// The ledger of a capture has no files.
    #[error(
        "the capture {0} is being written and its files are not noted yet, which takes some seconds; ask again, or name them with --file"
    )]
    Unfinished(String),
    /// A file is not where it was.
    #[error(
        "{path} of the capture {capture} is not there any more; say where it lies now with --file PATH or --path OLD=NEW"
    )]
    Gone {
        /// Where it was.
        path: String,
        /// Of which capture.
        capture: String,
    },
    /// The limits of the ring took all that is wanted.
    #[error(
        "{path} of the capture {capture} is not kept any more: the limits of its ring (--save-max-mib, --save-max-hours) took it; if you have it elsewhere, name it with --file PATH"
    )]
    Removed {
        /// Where it was.
        path: String,
        /// Of which capture.
        capture: String,
    },
    /// It came from a device and was not kept.
    #[error("the packets of {0} were not kept; monitor keeps them with --save-pcap DIR")]
    Device(String),
    /// It was read from a pipe and not kept.
    #[error(
        "the capture {0} was read from standard input and not kept; if you have it, name it with --file PATH"
    )]
    Stream(String),
    /// Another file is in its place.
    #[error(
        "{path} is not what was read as {stored}: its content differs; name the right file with --file PATH"
    )]
    Changed {
        /// What was looked at.
        path: String,
        /// As it was called then.
        stored: String,
    },
    /// A file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The result cannot be written.
    #[error("cannot write the packets: {0}")]
    Write(#[from] std::io::Error),
    /// The user stopped it.
    #[error("stopped by the user")]
    Interrupted,
}

/// A file of a capture, as the ledger has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredFile {
    /// Its path when it was read.
    pub path: PathBuf,
    /// Hex blake3 over its bytes after decompression; none when it was not read to its end.
    pub content_hash: Option<String>,
    /// Was it compressed?
    pub compressed: bool,
    /// Bytes read, after decompression.
    pub bytes: u64,
    /// Was it deleted by the limits of a ring?
    pub removed: bool,
    /// Is it a device, and no file at all?
    pub device: bool,
}

/// A part of a capture that is read in one go: from file and offset to file and offset, inclusive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stretch {
    /// Where reading begins: at a record.
    pub from: (u16, u64),
    /// The last record that is wanted.
    pub until: (u16, u64),
}

/// What is wanted of one capture.
#[derive(Clone, Debug)]
pub struct CaptureEvidence {
    /// Which.
    pub id: CaptureId,
    /// As the user called it.
    pub path: String,
    /// Its files, by number.
    pub files: Vec<StoredFile>,
    /// Were they merged by time?
    pub merged: bool,
    /// How flows are bounded.
    pub order: Order,
    /// Flows and hosts.
    pub wanted: Wanted,
    /// What each wanted flow is called in the result.
    pub flow_words: Vec<String>,
    /// What each set of hosts is called.
    pub host_words: Vec<String>,
    /// What has to be read, in order; empty: everything.
    pub stretches: Vec<Stretch>,
}

/// All that is wanted, capture by capture.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In order of capture numbers.
    pub captures: Vec<CaptureEvidence>,
    /// What the result is, in sentences: they become its comments.
    pub about: Vec<String>,
    /// What a person should know about the choice.
    pub notes: Vec<String>,
}

/// Ask the database where everything lies. `vlan_in_key`: is the VLAN part of a flow's identity?
pub fn plan(
    reader: &Reader,
    limits: &Limits,
    selection: &Selection,
    vlan_in_key: bool,
) -> Result<Plan, EvidenceError> {
    let mut plan = Plan::default();
    // What a flow is wanted for, and hosts by capture.
    let mut findings: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut hosts: BTreeMap<i64, Vec<(WantedHosts, String)>> = BTreeMap::new();
    let mut conditions: Vec<String> = Vec::new();
    for id in &selection.anomalies {
        let finding = Finding::read(reader, limits, *id)?;
        plan.about.push(finding.about());
        if finding.flows.is_empty() {
            let (wanted, note) = finding.hosts();
            plan.notes.push(note);
            hosts.entry(finding.capture).or_default().push((wanted, finding.words()));
        } else {
            for flow in &finding.flows {
                findings.entry(*flow).or_default().push(finding.words());
            }
            plan.notes.extend(finding.capped());
            let ids: Vec<String> = finding.flows.iter().map(ToString::to_string).collect();
            conditions.push(format!("flow_id IN ({})", ids.join(", ")));
        }
    }
    for id in &selection.flows {
        if one(reader, limits, &format!("SELECT 1 FROM flows WHERE flow_id = {id}"), &[])?.is_none() {
            return Err(EvidenceError::Unknown("flow", *id, "flows"));
        }
        conditions.push(format!("flow_id = {id}"));
        plan.about.push(format!("packets of flow {id}"));
    }
    if let Some(sql) = &selection.condition {
        // On lines of its own, so that a comment in it ends before our bracket.
        conditions.push(format!("(\n{sql}\n)"));
        plan.about.push(format!(
            "packets of the flows where {}",
            sql.split_whitespace().collect::<Vec<_>>().join(" ")
        ));
    }
    let flows = if conditions.is_empty() {
        Vec::new()
    } else {
        wanted_flows(reader, limits, &conditions.join(" OR "), vlan_in_key)?
    };
    if flows.is_empty() && hosts.is_empty() {
        return Err(EvidenceError::NoFlow);
    }
    let mut by_capture: BTreeMap<i64, Vec<WantedFlow>> = hosts.keys().map(|c| (*c, Vec::new())).collect();
    for (capture, flow) in flows {
        by_capture.entry(capture).or_default().push(flow);
    }
    for (capture, flows) in by_capture {
        let of_hosts = hosts.remove(&capture).unwrap_or_default();
        plan.captures.push(of_capture(reader, limits, capture, flows, of_hosts, &findings)?);
    }
    Ok(plan)
}

/// A finding, as far as its packets are concerned.
struct Finding {
    id: i64,
    capture: i64,
    kind: String,
    title: String,
    ends: Vec<String>,
    from: Timestamp,
    until: Timestamp,
    events: u64,
    flows: Vec<i64>,
    packets: BTreeSet<u64>,
}

impl Finding {
    fn read(reader: &Reader, limits: &Limits, id: i64) -> Result<Self, EvidenceError> {
        let sql = format!(
            "SELECT capture_id, kind, title, src_ip, dst_ip, epoch_ns(first_ts), epoch_ns(last_ts), count, \
             list_aggregate(flow_ids, 'string_agg', ' '), list_aggregate(packets, 'string_agg', ' ') \
             FROM anomalies WHERE anomaly_id = {id}"
        );
        let row = one(reader, limits, &sql, &[])?;
        let row = row.ok_or(EvidenceError::Unknown("finding", id, "anomalies"))?;
        let list = |i: usize| row.text(i).split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<i64>>();
        Ok(Self {
            id,
            capture: row.number(0).unwrap_or_default(),
            kind: row.text(1).to_owned(),
            title: row.text(2).to_owned(),
            ends: [3, 4].into_iter().map(|i| row.text(i).to_owned()).filter(|a| !a.is_empty()).collect(),
            from: Timestamp(row.number(5).unwrap_or(i64::MIN)),
            until: Timestamp(row.number(6).unwrap_or(i64::MAX)),
            events: row.number(7).unwrap_or_default(),
            flows: list(8),
            packets: list(9).into_iter().filter_map(|n| u64::try_from(n).ok()).collect(),
        })
    }

    fn words(&self) -> String {
        format!("anomaly {} {}", self.id, self.kind)
    }

    fn about(&self) -> String {
        format!("packets of anomaly {} ({}): {}", self.id, self.kind, self.title)
    }

    /// A finding names some of its flows only.
    fn capped(&self) -> Option<String> {
        (self.events > self.flows.len() as u64).then(|| {
            format!(
                "anomaly {} counts {} events and names {} flows; their packets are taken, more with --where",
                self.id,
                self.events,
                self.flows.len()
            )
        })
    }

    /// A finding without flows: packets by address and time.
    fn hosts(&self) -> (WantedHosts, String) {
        let addresses: BTreeSet<Ip> =
            self.ends.iter().filter_map(|a| a.parse::<IpAddr>().ok()).map(Ip::from).take(1).collect();
        let named = self.packets.len();
        let who = addresses.first().map(ToString::to_string);
        let note = match (&who, named) {
            (Some(who), 0) => format!(
                "anomaly {} names no flows: all packets of {who} between its first and last event are taken",
                self.id
            ),
            (Some(who), n) => format!(
                "anomaly {} names no flows: the {n} packets it names and all of {who} between its first and last event are taken",
                self.id
            ),
            (None, n) => format!("anomaly {} names no flows: the {n} packets it names are taken", self.id),
        };
        (WantedHosts { addresses, from: self.from, until: self.until, packets: self.packets.clone() }, note)
    }
}

fn wanted_flows(
    reader: &Reader,
    limits: &Limits,
    condition: &str,
    vlan_in_key: bool,
) -> Result<Vec<(i64, WantedFlow)>, EvidenceError> {
    let limits = Limits { rows: Some(MAX_FLOWS), ..limits.clone() };
    // Where a monitor was cut after a flow's last packet, a record of it may come later: the flow then has a row without packets.
    let sql = format!(
        "SELECT capture_id, flow_id, src_ip, src_port, dst_ip, dst_port, protocol, tunnel, vlan, inner_vlan, \
         first_file, first_offset, first_packet, last_file, last_offset, last_packet, epoch_ns(first_ts), epoch_ns(last_ts), \
         src_packets + dst_packets FROM flows WHERE (\n{condition}\n) AND src_packets + dst_packets > 0 ORDER BY capture_id, first_packet, flow_id"
    );
    let (rows, more) = ask(reader, &limits, &sql, &[])?;
    if more {
        return Err(EvidenceError::TooMany);
    }
    rows.iter()
        .map(|row| {
            wanted_flow(row, vlan_in_key)
                .ok_or_else(|| EvidenceError::Unplaced(format!("flow {}", row.text(1))))
        })
        .collect()
}

fn wanted_flow(row: &Row, vlan_in_key: bool) -> Option<(i64, WantedFlow)> {
    let ip = |i: usize| row.text(i).parse::<IpAddr>().ok().map(Ip::from);
    let position = |i: usize| {
        Some(Position { file_no: row.number(i)?, offset: row.number(i + 1)?, packet: row.number(i + 2)? })
    };
    let flow = WantedFlow {
        id: FlowId(row.number(1)?),
        tuple: Tuple {
            src: ip(2)?,
            src_port: row.number(3).unwrap_or(0),
            dst: ip(4)?,
            dst_port: row.number(5).unwrap_or(0),
            protocol: protocol_number(row.text(6))?,
        },
        tunnel: Some(row.text(7)).filter(|t| !t.is_empty()).map(str::to_owned),
        vlans: vlan_in_key.then(|| (row.number(8), row.number(9))),
        first: position(10)?,
        last: position(13)?,
        first_ts: Timestamp(row.number(16)?),
        last_ts: Timestamp(row.number(17)?),
        packets: row.number(18)?,
    };
    Some((row.number(0)?, flow))
}

fn of_capture(
    reader: &Reader,
    limits: &Limits,
    capture: i64,
    flows: Vec<WantedFlow>,
    hosts: Vec<(WantedHosts, String)>,
    findings: &BTreeMap<i64, Vec<String>>,
) -> Result<CaptureEvidence, EvidenceError> {
    let sql = format!("SELECT path, filtered_packets FROM captures WHERE capture_id = {capture}");
    let row = one(reader, limits, &sql, &[])?.ok_or(EvidenceError::Unknown("capture", capture, "db info"))?;
    let (path, filtered) = (row.text(0).to_owned(), row.number::<u64>(1).unwrap_or(0) > 0);
    let sql = format!(
        "SELECT path, content_hash, compression IS NOT NULL, bytes, status = 'removed', format = 'live' FROM capture_files \
         WHERE capture_id = {capture} ORDER BY file_no"
    );
    let (rows, _) = ask(reader, limits, &sql, &[])?;
    let files: Vec<StoredFile> = rows
        .iter()
        .map(|r| StoredFile {
            path: PathBuf::from(r.text(0)),
            content_hash: Some(r.text(1)).filter(|h| !h.is_empty()).map(str::to_owned),
            compressed: r.text(2) == "true",
            bytes: r.number(3).unwrap_or(0),
            removed: r.text(4) == "true",
            device: r.text(5) == "true",
        })
        .collect();
    // A merge is called after its first file; a folder that was followed, after the folder.
    let merged =
        files.len() > 1 && files.first().is_some_and(|f| path.starts_with(&*f.path.to_string_lossy()));
    let order = match (merged, filtered) {
        (false, _) => Order::Position,
        (true, false) => Order::Number,
        (true, true) => Order::Time,
    };
    let mut flow_words = Vec::with_capacity(flows.len());
    for flow in &flows {
        let mut words = format!("flow {}", flow.id);
        for finding in findings.get(&flow.id.0).into_iter().flatten() {
            words.push_str("; ");
            words.push_str(finding);
        }
        flow_words.push(words);
    }
    let stretches =
        if merged || !hosts.is_empty() { Vec::new() } else { stretches(reader, limits, capture, &flows)? };
    let (hosts, host_words) = hosts.into_iter().unzip();
    Ok(CaptureEvidence {
        id: CaptureId(capture),
        path,
        files,
        merged,
        order,
        wanted: Wanted { flows, hosts },
        flow_words,
        host_words,
        stretches,
    })
}

/// What has to be read for these flows. Each stretch begins early enough for fragments of its first datagram: at a record that
/// some flow began with.
fn stretches(
    reader: &Reader,
    limits: &Limits,
    capture: i64,
    flows: &[WantedFlow],
) -> Result<Vec<Stretch>, EvidenceError> {
    let mut ends: Vec<(Stretch, Timestamp)> = flows
        .iter()
        .map(|f| {
            let from = (f.first.file_no, f.first.offset);
            (Stretch { from, until: (f.last.file_no, f.last.offset) }, f.first_ts)
        })
        .collect();
    ends.sort_unstable();
    let mut joined: Vec<(Stretch, Timestamp)> = Vec::new();
    for (next, ts) in ends {
        match joined.last_mut() {
            Some((last, _))
                if next.from <= last.until
                    || (next.from.0 == last.until.0 && next.from.1 - last.until.1 < GAP_BYTES) =>
            {
                last.until = last.until.max(next.until);
            }
            _ => joined.push((next, ts)),
        }
    }
    for (stretch, ts) in &mut joined {
        let (file, offset) = stretch.from;
        let earlier = if offset < GAP_BYTES {
            0
        } else {
            let before = ts.plus(-secs(crate::decode::Config::default().fragment_timeout_s));
            let sql = format!(
                "SELECT max(first_offset) FROM flows WHERE capture_id = {capture} AND first_file = {file} \
                 AND first_offset <= {offset} AND first_ts <= make_timestamp_ns({})",
                before.0
            );
            one(reader, limits, &sql, &[])?.and_then(|r| r.number(0)).unwrap_or(0)
        };
        stretch.from.1 = earlier;
    }
    Ok(joined.into_iter().map(|(s, _)| s).collect())
}
