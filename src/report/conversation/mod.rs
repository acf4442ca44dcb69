//! Where are the packets of a flow, and how is what was said in it shown?
//!
//! The row of the flow names its capture, files and offsets; the files are opened again and `engine::follow` puts the bytes in order.
//! `text` makes them safe to look at. Says clearly when a file is gone, was a stream, or is another one by now.

mod text;

pub use text::{Form, Printer};

use crate::capture::{OpenError, Options, Progress, Source, open, open_merged};
use crate::engine::follow::Followed;
use crate::model::addr::Ip;
use crate::model::flow::{Tuple, ip_protocol};
use crate::model::ids::FlowId;
use crate::model::time::Timestamp;
use crate::store::arrow::array::{Array, AsArray};
use crate::store::arrow::datatypes::{Int64Type, UInt16Type, UInt64Type};
use crate::store::{Limits, Reader, StoreError};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Why a conversation cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// No such flow.
    #[error("no flow {0} in the database; the column flow_id of `secnetmon flows` names them")]
    NoFlow(i64),
    /// Not from a file.
    #[error(
        "the packets of flow {0} came from {1} and were not kept; what was recognised in them is in the tables"
    )]
    NotKept(i64, String),
    /// The file is not where it was.
    #[error("{} is not there any more; say where the capture is now with --file PATH", .0.display())]
    Gone(PathBuf),
    /// The number of files does not fit.
    #[error("the capture has {wanted} files; give --file for each, in their order ({given} given)")]
    Files {
        /// That were ingested.
        wanted: usize,
        /// That were given.
        given: usize,
    },
    /// The file has changed.
    #[error(
        "{0} is not the capture that was ingested: packet {1} is not where it was; give the right one with --file PATH, or ingest it again"
    )]
    Changed(String, u64),
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A flow, and the files that hold its packets.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The flow as the engine looks for it.
    pub flow: Followed,
    /// Its id.
    pub flow_id: i64,
    /// Transport, service and name, for a heading. Printable.
    pub title: String,
    /// When it ended.
    pub last_ts: Timestamp,
    /// Packets it had.
    pub packets: u64,
    /// Payload of the originator. Unit: bytes.
    pub src_bytes: u64,
    /// Payload of the responder. Unit: bytes.
    pub dst_bytes: u64,
    /// The files of its capture, in their order.
    pub files: Vec<PathBuf>,
}

const FLOW: &str = "
SELECT src_ip, src_port, dst_ip, dst_port, protocol, coalesce(service, ''), coalesce(hostname, ''), epoch_ns(first_ts), epoch_ns(last_ts),
       first_packet, last_packet, first_offset, capture_id, (src_packets + dst_packets)::UBIGINT, src_bytes, dst_bytes
FROM flows WHERE flow_id = $id::BIGINT LIMIT 1";

const FILES: &str = "SELECT path FROM capture_files WHERE capture_id = $id::BIGINT AND format IS DISTINCT FROM 'live' ORDER BY file_no";

/// The number of a protocol as `flows.protocol` names it.
fn protocol_number(name: &str) -> u8 {
    match name {
        "tcp" => ip_protocol::TCP,
        "udp" => ip_protocol::UDP,
        "icmp" => ip_protocol::ICMP,
        "icmp6" => ip_protocol::ICMP6,
        "sctp" => ip_protocol::SCTP,
        number => number.parse().unwrap_or(0),
    }
}

impl Conversation {
    /// Look a flow up.
    pub fn find(reader: &Reader, flow_id: i64) -> Result<Self, ConversationError> {
        let id = |id: i64| [("id".to_owned(), Some(id.to_string()))];
        let mut found = None;
        for batch in reader.query(FLOW, &id(flow_id), &Limits::default())? {
            let batch = batch?;
            let text = |i: usize| {
                let column = batch.columns().get(i).and_then(|c| c.as_string_opt::<i32>());
                column.filter(|c| !c.is_empty()).map_or("", |c| c.value(0)).to_owned()
            };
            let port = |i: usize| {
                let column = batch.columns().get(i).and_then(|c| c.as_primitive_opt::<UInt16Type>());
                column.filter(|c| !c.is_empty()).map_or(0, |c| c.value(0))
            };
            let number = |i: usize| {
                let column = batch.columns().get(i).and_then(|c| c.as_primitive_opt::<UInt64Type>());
                column.filter(|c| !c.is_empty()).map_or(0, |c| c.value(0))
            };
            let signed = |i: usize| {
                let column = batch.columns().get(i).and_then(|c| c.as_primitive_opt::<Int64Type>());
                column.filter(|c| !c.is_empty()).map_or(0, |c| c.value(0))
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let (Ok(src), Ok(dst)) = (text(0).parse::<IpAddr>(), text(2).parse::<IpAddr>()) else { continue };
            let tuple = Tuple {
                src: Ip::from(src),
                src_port: port(1),
                dst: Ip::from(dst),
                dst_port: port(3),
                protocol: protocol_number(&text(4)),
            };
            let words: Vec<String> =
                [text(4), text(5), text(6)].into_iter().filter(|w| !w.is_empty()).collect();
            let flow = Followed {
                tuple,
                level: FlowId(flow_id).level(),
                first_packet: number(9),
                last_packet: number(10),
                first_ts: Timestamp(signed(7)),
                first_offset: number(11),
            };
            let conversation = Self {
                flow,
                flow_id,
                title: words.join(" "),
                last_ts: Timestamp(signed(8)),
                packets: number(13),
                src_bytes: number(14),
                dst_bytes: number(15),
                files: Vec::new(),
            };
            found = Some((signed(12), conversation));
        }
        let (capture, mut conversation) = found.ok_or(ConversationError::NoFlow(flow_id))?;
        for batch in reader.query(FILES, &id(capture), &Limits::default())? {
            let batch = batch?;
            let paths = batch.columns().first().and_then(|c| c.as_string_opt::<i32>());
            conversation.files.extend(paths.into_iter().flat_map(|c| c.iter().flatten().map(PathBuf::from)));
        }
        Ok(conversation)
    }

    /// Open its capture again, from where it was or from `instead`.
    pub fn open(&self, instead: &[PathBuf], options: &Options) -> Result<Box<dyn Source>, ConversationError> {
        let files = if instead.is_empty() {
            if let Some(stream) = self.files.iter().find(|p| *p == Path::new("-")) {
                let _ = stream;
                return Err(ConversationError::NotKept(self.flow_id, "standard input".to_owned()));
            }
            if self.files.is_empty() {
                return Err(ConversationError::NotKept(self.flow_id, "a device".to_owned()));
            }
            if let Some(gone) = self.files.iter().find(|p| !p.is_file()) {
                return Err(ConversationError::Gone(gone.clone()));
            }
            &self.files[..]
        } else if instead.len() == self.files.len() || self.files.is_empty() {
            instead
        } else {
            return Err(ConversationError::Files { wanted: self.files.len(), given: instead.len() });
        };
        Ok(match files {
            [one] => open(one, options, &Progress::new())?,
            several => open_merged(several, options, &Progress::new())?,
        })
    }

    /// The first packet was not where the row says.
    pub fn changed(&self, instead: &[PathBuf]) -> ConversationError {
        let files = if instead.is_empty() { &self.files } else { instead };
        let names: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
        ConversationError::Changed(names.join(", "), self.flow.first_packet)
    }
}
