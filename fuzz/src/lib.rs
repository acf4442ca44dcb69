//! How are fuzzed bytes turned into a conversation, and what must hold whatever they say?
//!
//! A conversation goes through the real dispatcher. Each protocol that has a parser is a target, by its name in
//! `protocol::ALL`: a new parser is fuzzed without a line here. Its own probe is passed over, so that its parser sees every byte;
//! behind a STARTTLS or an upgrade all protocols are asked, as in the program.

use secnetmon::flow::{Application, At, FlowView, Interest};
use secnetmon::model::addr::Ip;
use secnetmon::model::event::{Body, Event};
use secnetmon::model::flow::{Side, Tuple, ip_protocol};
use secnetmon::model::ids::{CaptureNo, FlowId};
use secnetmon::model::rows::Rows;
use secnetmon::model::schema::Table;
use secnetmon::model::time::Timestamp;
use secnetmon::protocol::dispatch::{Config, Dispatcher};
use secnetmon::protocol::{ALL, Protocol, Transport, Verdict};
use std::cell::RefCell;
use std::collections::HashMap;

/// Bytes between two pieces in the input, `\n~` and what the next piece is. Text, so that a fuzzer finds it, and a person can write seeds.
const MARK: &[u8] = b"\n~";

/// The protocols that have a parser.
pub fn parsers() -> impl Iterator<Item = &'static Protocol> {
    ALL.iter().copied().filter(|p| p.parser.is_some())
}

/// A protocol whose probe always says yes, before all others.
pub fn forced(of: &'static Protocol) -> Vec<&'static Protocol> {
    let forced = Protocol {
        name: of.name,
        about: of.about,
        transports: of.transports,
        ports: of.ports,
        tables: of.tables,
        buffer_cap: of.buffer_cap,
        probe: |_| Verdict::Mine(100),
        parser: of.parser,
    };
    vec![Box::leak(Box::new(forced))]
}

thread_local! {
    /// The tables of records without the columns that all records begin with; made once each.
    static TABLES: RefCell<HashMap<&'static str, &'static Table>> = RefCell::default();
}

/// What happens next: said by a side, or lost.
enum Piece<'a> {
    Said(Side, &'a [u8]),
    Lost(Side, u64),
}

/// `\n~o…` and `\n~r…` are said by originator and responder, `\n~O…` and `\n~R…` mean that as many bytes of theirs were lost.
fn pieces(data: &[u8]) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let (mut rest, mut kind) = (data, b'o');
    loop {
        let end = rest.windows(MARK.len()).position(|w| w == MARK).unwrap_or(rest.len());
        let said = &rest[..end];
        out.push(match kind {
            b'r' => Piece::Said(Side::Resp, said),
            b'O' => Piece::Lost(Side::Orig, said.len() as u64),
            b'R' => Piece::Lost(Side::Resp, said.len() as u64),
            _ => Piece::Said(Side::Orig, said),
        });
        let Some(behind) = rest.get(end + MARK.len()..) else { return out };
        let Some((next, behind)) = behind.split_first() else { return out };
        (rest, kind) = (behind, *next);
    }
}

/// Play the conversation with these protocols over this transport, and look at what comes out.
pub fn play(protocols: &[&'static Protocol], transport: Transport, port: u16, data: &[u8]) {
    let protocol = if transport == Transport::Tcp { ip_protocol::TCP } else { ip_protocol::UDP };
    let (src, dst) = (Ip::v4([10, 0, 0, 1]), Ip::v4([10, 0, 0, 2]));
    let tuple = Tuple { src, dst, src_port: 40_000, dst_port: port, protocol };
    let id = FlowId::new(CaptureNo(1), 1, 0);
    let flow = FlowView { id, tuple, first_ts: Timestamp(0), saw_start: true };
    let mut dispatcher = Dispatcher::with_protocols(&Config::default(), protocols);
    let mut state = dispatcher.open(&flow);
    let mut at = At { ts: Timestamp(0), packet: 0 };
    for piece in pieces(data) {
        at = At { ts: at.ts.plus(1_000_000), packet: at.packet + 1 };
        let Some(state) = &mut state else { break };
        let interest = match piece {
            Piece::Said(_, []) | Piece::Lost(_, 0) => continue,
            Piece::Said(side, said) => dispatcher.data(&flow, state, side, at, said, said.len() as u32),
            Piece::Lost(..) if transport == Transport::Udp => continue,
            Piece::Lost(side, bytes) => dispatcher.gap(&flow, state, side, at, bytes),
        };
        if interest == Interest::Done {
            break;
        }
    }
    dispatcher.end(&flow, state, at);
    let mut events: Vec<Event> = Vec::new();
    dispatcher.take_events(&mut events);
    for event in events {
        let Body::Record { record, .. } = event.body else { continue };
        let own = record.table();
        let table = TABLES.with_borrow_mut(|tables| {
            *tables
                .entry(own.name)
                .or_insert_with(|| Box::leak(Box::new(Table::plain(own.name, own.meaning, own.columns))))
        });
        let mut rows = Rows::new(table);
        record.write(&mut rows.row());
        assert_eq!(rows.faults(), 0, "a row of {} does not fit its table", own.name);
    }
}
