//! A flow for tests: what is said goes through the real dispatcher, and what comes out can be looked at.

use super::dispatch::{Config, Dispatcher};
use super::{ALL, Protocol};
use crate::flow::{Application, At, FlowView, Interest};
use crate::model::addr::Ip;
use crate::model::event::Body;
use crate::model::flow::{ServiceSource, Side, Tuple, ip_protocol};
use crate::model::ids::{CaptureNo, FlowId};
use crate::model::record::Record;
use crate::model::rows::Rows;
use crate::model::schema::Table;
use crate::model::time::Timestamp;
use crate::model::weird::WeirdKind;

/// Something that happens on a flow, a millisecond after what happened before.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    side: Side,
    data: &'a [u8],
    original: usize,
    missing: u64,
}

impl Sent<'_> {
    /// Cut by the snaplen from `len` bytes.
    pub(crate) fn of(self, len: usize) -> Self {
        Self { original: len, ..self }
    }

    /// Does nothing happen at all?
    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.missing == 0
    }
}

/// The originator says this.
pub(crate) fn orig(data: &[u8]) -> Sent<'_> {
    Sent { side: Side::Orig, data, original: data.len(), missing: 0 }
}

/// The responder says this.
pub(crate) fn resp(data: &[u8]) -> Sent<'_> {
    Sent { side: Side::Resp, ..orig(data) }
}

/// Bytes of one side were lost.
pub(crate) fn lost(side: Side, missing: u64) -> Sent<'static> {
    Sent { side, missing, ..orig(&[]) }
}

/// A flow from 10.0.0.1 port 40000 to 10.0.0.2.
pub(crate) struct Bench {
    flow: FlowView,
    config: Config,
    protocols: Vec<&'static Protocol>,
}

impl Bench {
    fn new(protocol: u8, port: u16) -> Self {
        let (src, dst) = (Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]));
        let tuple = Tuple { src, dst, src_port: 40_000, dst_port: port, protocol };
        let id = FlowId::new(CaptureNo(1), 1, 0);
        let flow = FlowView { id, tuple, first_ts: Timestamp(0), saw_start: protocol == ip_protocol::TCP };
        Self { flow, config: Config::default(), protocols: ALL.to_vec() }
    }

    pub(crate) fn tcp(port: u16) -> Self {
        Self::new(ip_protocol::TCP, port)
    }

    pub(crate) fn udp(port: u16) -> Self {
        Self::new(ip_protocol::UDP, port)
    }

    pub(crate) fn source_port(mut self, port: u16) -> Self {
        self.flow.tuple.src_port = port;
        self
    }

    pub(crate) fn midstream(mut self) -> Self {
        self.flow.saw_start = false;
        self
    }

    pub(crate) fn only(mut self, protocols: &[&'static Protocol]) -> Self {
        self.protocols = protocols.to_vec();
        self
    }

    pub(crate) fn with(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Play the flow to its end.
    pub(crate) fn run(&self, sent: &[Sent<'_>]) -> Run {
        let mut dispatcher = Dispatcher::with_protocols(&self.config, &self.protocols);
        let mut state = dispatcher.open(&self.flow);
        let (mut done_after, mut at) = (None, At { ts: Timestamp(0), packet: 0 });
        let mut most_buffered = 0;
        for (i, s) in sent.iter().enumerate() {
            at = At { ts: at.ts.plus(1_000_000), packet: at.packet + 1 };
            let Some(state) = &mut state else { break };
            let interest = if s.missing > 0 {
                dispatcher.gap(&self.flow, state, s.side, at, s.missing)
            } else {
                dispatcher.data(&self.flow, state, s.side, at, s.data, s.original as u32)
            };
            most_buffered = most_buffered.max(dispatcher.buffered());
            if interest == Interest::Done {
                done_after = Some(i + 1);
                break;
            }
        }
        let summary = dispatcher.end(&self.flow, state, at);
        assert_eq!(dispatcher.buffered(), 0, "a flow that ended keeps nothing");
        let mut events = Vec::new();
        dispatcher.take_events(&mut events);
        let mut run = Run {
            records: Vec::new(),
            weirds: Vec::new(),
            service: summary.service,
            source: summary.source,
            hostname: summary.hostname.map(Into::into),
            faults: 0,
            done_after,
            most_buffered,
        };
        for event in events {
            match event.body {
                Body::Record { record, .. } => {
                    run.faults += faults(&*record);
                    run.records.push(record);
                }
                Body::Weird(weird) => run.weirds.push(weird.kind),
                _ => unreachable!("flows are not the dispatcher's"),
            }
        }
        run
    }
}

/// Values that did not fit the record's own columns.
fn faults(record: &dyn Record) -> u64 {
    let own = record.table();
    let table: &'static Table = Box::leak(Box::new(Table::plain(own.name, own.meaning, own.columns)));
    let mut rows = Rows::new(table);
    record.write(&mut rows.row());
    rows.faults()
}

/// What came of it.
pub(crate) struct Run {
    records: Vec<Box<dyn Record>>,
    pub(crate) weirds: Vec<WeirdKind>,
    pub(crate) service: Option<&'static str>,
    pub(crate) source: Option<ServiceSource>,
    pub(crate) hostname: Option<String>,
    pub(crate) faults: u64,
    /// After how many pieces nothing more was wanted.
    pub(crate) done_after: Option<usize>,
    pub(crate) most_buffered: usize,
}

impl Run {
    /// The records of one type.
    pub(crate) fn records<T: Record>(&self) -> Vec<&T> {
        self.records.iter().filter_map(|r| r.as_type()).collect()
    }
}
