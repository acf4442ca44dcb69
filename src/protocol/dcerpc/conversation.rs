//! Which answer belongs to which call?
//!
//! One connection, or one named pipe: contexts that were bound, calls that wait for their answers (by call number), and the
//! authentication that goes along. Only headers are looked at; what lies behind them is skipped.

use super::epm;
use super::interfaces::EPMAPPER;
use super::netlogon;
use super::pdu::{
    Context, HEADER, Header, contexts, flag, kind, nak_name, result_name, results, u16_of, u32_of,
};
use super::record::{DcerpcRecord, fault_name};
use super::{PROTOCOL, Uuid, announced};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::ntlm::Session;
use crate::protocol::spnego::{self, State};
use std::collections::VecDeque;

/// Longest packet that is read whole, bytes: a bind with a Kerberos ticket stays below it, as does an answer of the endpoint mapper.
/// Of a longer one the beginning is read and the rest skipped.
pub(super) const MAX_WHOLE: usize = 16 << 10;

/// Contexts of one connection that are remembered; clients bind a handful.
const MAX_CONTEXTS: usize = 64;

/// Contexts of one bind that are read; Windows offers three for each interface.
const MAX_OFFERED: usize = 32;

/// Calls that wait for their answers. Clients have one, with multiplexing a few; the oldest is written without its answer.
const MAX_PENDING: usize = 64;

/// Operation of the endpoint mapper that asks where an interface listens.
const EPT_MAP: u16 = 3;

/// Something that waits for its answer.
#[derive(Debug)]
struct Pending {
    at: At,
    from: Side,
    record: DcerpcRecord,
    /// Of a bind: what was offered, in order.
    offered: Vec<Context>,
    /// Has its answer begun?
    answered: bool,
}

/// One side.
#[derive(Debug, Default)]
struct Lane {
    /// Bytes to pass unseen.
    skip: u64,
    /// After a loss: wait for a segment that begins with a packet.
    lost: bool,
    /// What a pipe left for later; over TCP the dispatcher keeps it.
    left: Vec<u8>,
}

/// One connection's worth of DCE/RPC.
#[derive(Debug, Default)]
pub struct Conversation {
    pipe: Option<Box<str>>,
    lanes: [Lane; 2],
    contexts: VecDeque<Context>,
    pending: VecDeque<Pending>,
    auth: Option<(u8, u8)>,
    ntlm: Option<Session>,
    broken: bool,
}

impl Conversation {
    /// Over the named pipe `name`, printable, without a leading backslash.
    pub fn pipe(name: &str) -> Self {
        Self { pipe: Some(name.into()), ..Self::default() }
    }

    /// Does a packet begin here?
    pub fn looks_like(data: &[u8]) -> bool {
        Header::looks_like(data) == Some(true)
    }

    /// The next bytes of a pipe. What is not understood ends the conversation quietly: other things run over pipes, too.
    pub fn feed_pipe(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        if self.broken {
            return;
        }
        let mut left = std::mem::take(&mut self.lane(side).left);
        let fed = if left.is_empty() {
            self.feed(side, data, out).map(|taken| data.get(taken..).unwrap_or(&[]).to_vec())
        } else {
            left.extend_from_slice(data);
            self.feed(side, &left, out).map(|taken| {
                left.drain(..taken.min(left.len()));
                left
            })
        };
        match fed {
            Some(left) => self.lane(side).left = left,
            None => self.broken = true,
        }
    }

    /// The next bytes of a stream. Returns how many were taken; `None` when they are no DCE/RPC.
    pub(super) fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Option<usize> {
        let mut rest = data;
        while !rest.is_empty() {
            let lane = self.lane(side);
            if lane.skip > 0 {
                let n = usize::try_from(lane.skip).unwrap_or(usize::MAX).min(rest.len());
                lane.skip -= n as u64;
                rest = rest.get(n..).unwrap_or(&[]);
                continue;
            }
            if rest.len() < HEADER {
                if lane.lost || Header::looks_like(rest) == Some(false) {
                    return lane.lost.then_some(data.len());
                }
                break;
            }
            let Some(header) = Header::read(rest) else {
                if lane.lost {
                    return Some(data.len());
                }
                out.weird(WeirdKind::DcerpcMalformed, Detail::Text("no packet where one must begin".into()));
                return None;
            };
            lane.lost = false;
            let need = self.needed(&header);
            let Some(packet) = rest.get(..need) else { break };
            self.packet(side, &header, packet, out);
            rest = rest.get(need..).unwrap_or(&[]);
            self.lane(side).skip = header.length.saturating_sub(need) as u64;
        }
        Some(data.len() - rest.len())
    }

    /// Bytes of `side` that the caller may pass by, once.
    pub(super) fn take_skip(&mut self, side: Side) -> u64 {
        std::mem::take(&mut self.lane(side).skip)
    }

    /// Bytes of `side` are lost.
    pub fn lose(&mut self, side: Side) {
        *self.lane(side) = Lane { lost: true, ..Lane::default() };
    }

    /// Write what waits.
    pub fn finish(&mut self, out: &mut Output<'_>) {
        for pending in std::mem::take(&mut self.pending) {
            write(pending, out);
        }
        if let Some(ntlm) = &mut self.ntlm {
            ntlm.finish(out);
        }
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        let [orig, resp] = &mut self.lanes;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// Bytes of a packet that must be there before it is read.
    fn needed(&self, header: &Header) -> usize {
        let fixed = match header.kind {
            kind::REQUEST if header.flags & flag::OBJECT != 0 => HEADER + 24,
            kind::REQUEST if header.length <= netlogon::LONGEST && self.contexts.iter().any(is_netlogon) => {
                header.length
            }
            kind::REQUEST => HEADER + 8,
            kind::FAULT => HEADER + 12,
            kind::RESPONSE if !self.is_map_answer(header) && !self.is_channel_answer(header) => HEADER + 8,
            _ => MAX_WHOLE,
        };
        fixed.min(header.length)
    }

    fn is_map_answer(&self, header: &Header) -> bool {
        self.pending.iter().any(|p| {
            let interface = p.record.interface.map(|(uuid, _, _)| uuid);
            p.record.call_id == header.call_id
                && p.record.opnum == Some(EPT_MAP)
                && interface == Some(EPMAPPER)
        })
    }

    /// The answer to a machine that logs in to its domain controller; short.
    fn is_channel_answer(&self, header: &Header) -> bool {
        header.length <= MAX_CHANNEL_ANSWER
            && self.pending.iter().any(|p| p.record.call_id == header.call_id && opens_channel(&p.record))
    }

    fn packet(&mut self, side: Side, header: &Header, packet: &[u8], out: &mut Output<'_>) {
        let body = packet.get(HEADER..).unwrap_or(&[]);
        match header.kind {
            kind::REQUEST => self.request(side, header, body, out),
            kind::RESPONSE => self.response(side, header, body, out),
            kind::FAULT => self.fault(side, header, body, out),
            kind::BIND | kind::ALTER_CONTEXT => {
                self.bind(side, header, body, out);
                self.authenticate(side, header, packet, out);
            }
            kind::BIND_ACK | kind::ALTER_CONTEXT_RESP => {
                let results = results(body, header.little, MAX_OFFERED);
                self.bound(side, header, |i| results.get(i).map(|(r, why)| result_name(*r, *why)), out);
                self.authenticate(side, header, packet, out);
            }
            kind::BIND_NAK => {
                let reason = u16_of(&mut Cursor::new(body), header.little);
                self.bound(side, header, |_| Some(reason.map_or("reason_not_specified", nak_name)), out);
                self.settle(Some(false), reason.map(nak_name), out);
            }
            kind::AUTH3 => self.authenticate(side, header, packet, out),
            // Cancels and orphans answer nothing; shutdown is a wish of the server's.
            _ => {}
        }
    }

    fn push(&mut self, pending: Pending, out: &mut Output<'_>) {
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            write(oldest, out);
        }
        self.pending.push_back(pending);
    }

    /// The one that waits for an answer from `side` with this number.
    fn waiting(&self, side: Side, call_id: u32, bind: bool) -> Option<usize> {
        self.pending
            .iter()
            .position(|p| p.from != side && p.record.call_id == call_id && (p.record.kind != "call") == bind)
    }

    fn request(&mut self, side: Side, header: &Header, body: &[u8], out: &mut Output<'_>) {
        let object = header.flags & flag::OBJECT != 0;
        let stub = header.stub(HEADER + if object { 24 } else { 8 });
        if header.flags & flag::FIRST == 0 {
            let at = self.waiting(side.other(), header.call_id, false);
            if let Some(pending) = at.and_then(|i| self.pending.get_mut(i)) {
                pending.record.request_bytes = pending.record.request_bytes.saturating_add(stub);
            }
            return;
        }
        let mut c = Cursor::new(body);
        let (Some(()), Some(context), Some(opnum)) =
            (c.skip(4), u16_of(&mut c, header.little), u16_of(&mut c, header.little))
        else {
            return;
        };
        let record = DcerpcRecord {
            kind: "call",
            interface: self.contexts.iter().find(|c| c.id == context).map(|c| c.interface),
            opnum: Some(opnum),
            named_pipe: self.pipe.clone(),
            object: if object { Uuid::read(&mut c, header.little) } else { None },
            auth: self.auth.filter(|_| header.auth_length > 0),
            call_id: header.call_id,
            request_bytes: stub,
            zero_proof: self.contexts.iter().find(|c| c.id == context).filter(|c| is_netlogon(c)).and_then(
                |_| {
                    let stub = usize::try_from(stub).ok().and_then(|n| body.get(8..)?.get(..n))?;
                    netlogon::zero_proof(opnum, stub, header.little)
                },
            ),
            ..DcerpcRecord::default()
        };
        self.push(Pending { at: out.at, from: side, record, offered: Vec::new(), answered: false }, out);
    }

    fn response(&mut self, side: Side, header: &Header, body: &[u8], out: &mut Output<'_>) {
        self.settle(Some(true), None, out);
        let Some(i) = self.waiting(side, header.call_id, false) else { return };
        let Some(pending) = self.pending.get_mut(i) else { return };
        let record = &mut pending.record;
        if !pending.answered {
            pending.answered = true;
            record.rtt = Some(out.at.ts.since(pending.at.ts));
        }
        record.response_bytes = record.response_bytes.saturating_add(header.stub(HEADER + 8));
        let is_map =
            record.opnum == Some(EPT_MAP) && record.interface.is_some_and(|(uuid, _, _)| uuid == EPMAPPER);
        let encrypted = record.auth.is_some_and(|(_, level)| level == 6);
        if is_map && header.little && !encrypted {
            let towers = epm::map_answer(body.get(8..).unwrap_or(&[]));
            if !towers.is_empty() && record.endpoint.is_none() {
                let all: Vec<_> = towers.iter().map(ToString::to_string).collect();
                record.endpoint = Some(all.join(" "));
            }
            let server = if side == Side::Orig { out.flow.tuple.src } else { out.flow.tuple.dst };
            for port in towers.iter().filter(|t| t.sequence == "ncacn_ip_tcp").filter_map(|t| t.port) {
                // The tower may give an address of another of its interfaces; the client goes where it went before.
                out.expect_with(server, port, &PROTOCOL, announced());
            }
        }
        if opens_channel(record) && header.little && !encrypted && header.length <= MAX_CHANNEL_ANSWER {
            let status = body.last_chunk::<4>().map(|b| u32::from_le_bytes(*b));
            let at = pending.at;
            if let Some(status) = status.filter(|_| header.auth_length == 0) {
                out.record(at, channel(status));
            }
        }
        if header.flags & flag::LAST != 0
            && let Some(done) = self.pending.remove(i)
        {
            write(done, out);
        }
    }

    fn fault(&mut self, side: Side, header: &Header, body: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(body);
        let status = c.skip(8).and_then(|()| u32_of(&mut c, header.little));
        let denied = status == Some(5);
        self.settle(Some(!denied), status.and_then(fault_name).filter(|_| denied), out);
        if let Some(mut pending) =
            self.waiting(side, header.call_id, false).and_then(|i| self.pending.remove(i))
        {
            pending.record.fault = status;
            pending.record.rtt = Some(out.at.ts.since(pending.at.ts));
            write(pending, out);
        }
    }

    fn bind(&mut self, side: Side, header: &Header, body: &[u8], out: &mut Output<'_>) {
        let offered = contexts(body, header.little, MAX_OFFERED);
        for context in &offered {
            self.contexts.retain(|known| known.id != context.id);
            if self.contexts.len() >= MAX_CONTEXTS {
                out.weird(WeirdKind::StateFull, Detail::Number(MAX_CONTEXTS as u64));
                self.contexts.pop_front();
            }
            self.contexts.push_back(*context);
        }
        let record = DcerpcRecord {
            kind: if header.kind == kind::BIND { "bind" } else { "alter_context" },
            named_pipe: self.pipe.clone(),
            call_id: header.call_id,
            ..DcerpcRecord::default()
        };
        self.push(Pending { at: out.at, from: side, record, offered, answered: false }, out);
    }

    /// A bind is answered: `result` says how, by the number of the context.
    fn bound(
        &mut self,
        side: Side,
        header: &Header,
        result: impl Fn(usize) -> Option<&'static str>,
        out: &mut Output<'_>,
    ) {
        let Some(i) = self.waiting(side, header.call_id, true) else { return };
        let Some(mut pending) = self.pending.remove(i) else { return };
        pending.record.rtt = Some(out.at.ts.since(pending.at.ts));
        let results: Vec<_> = (0..pending.offered.len()).map(result).collect();
        write_bind(pending, &results, out);
    }

    /// The authentication that a bind and what belongs to it carry.
    fn authenticate(&mut self, side: Side, header: &Header, packet: &[u8], out: &mut Output<'_>) {
        let Some((service, level, value)) = header.auth(packet) else { return };
        self.auth = Some((service, level));
        if let Some(bind) = self.pending.iter_mut().rev().find(|p| p.record.kind != "call") {
            bind.record.auth = self.auth;
        }
        // Only SPNEGO and NTLM itself may carry NTLM.
        if !matches!(service, 9 | 10) {
            return;
        }
        self.ntlm.get_or_insert_with(|| Session::new("dcerpc")).feed(side, value, out);
        match spnego::read(value).and_then(|blob| blob.state) {
            Some(State::Completed) => self.settle(Some(true), None, out),
            Some(State::Reject) => self.settle(Some(false), None, out),
            _ => {}
        }
    }

    /// The first answer behind a proof says whether it was accepted.
    fn settle(&mut self, success: Option<bool>, status: Option<&'static str>, out: &mut Output<'_>) {
        if let Some(ntlm) = self.ntlm.as_mut().filter(|n| n.is_proved()) {
            ntlm.outcome(success, status.map(str::to_owned), out);
        }
    }
}

/// Longest answer to a machine that logs in, bytes with its header; real ones have 36 to 44.
const MAX_CHANNEL_ANSWER: usize = 64;

/// Does the call set up a secure channel (MS-NRPC section 3.5.4.4: NetrServerAuthenticate and its successors)?
fn opens_channel(record: &DcerpcRecord) -> bool {
    record.operation().is_some_and(|name| name.starts_with("NetrServerAuthenticate"))
}

/// The login that such a call is. Its return value is the last thing in the answer.
fn channel(status: u32) -> Credential {
    Credential {
        service: "netlogon",
        account: None,
        mechanism: "netlogon",
        secret: Secret::Hashed,
        success: Some(status == 0),
        detail: (status != 0).then(|| format!("0x{status:08x}")),
    }
}

fn is_netlogon(context: &Context) -> bool {
    context.interface.0 == netlogon::INTERFACE
}

fn write(pending: Pending, out: &mut Output<'_>) {
    if pending.record.kind == "call" {
        out.record(pending.at, pending.record);
    } else {
        write_bind(pending, &[], out);
    }
}

/// One row for each interface of a bind. Windows offers each several times, once for each transfer syntax: the interface is accepted
/// when one of them is.
fn write_bind(pending: Pending, results: &[Option<&'static str>], out: &mut Output<'_>) {
    let Pending { at, record, offered, .. } = pending;
    if offered.is_empty() {
        out.record(at, record);
        return;
    }
    for (i, context) in offered.iter().enumerate() {
        let same = |other: &Context| other.interface == context.interface;
        if offered.iter().take(i).any(same) {
            continue;
        }
        let mut of_it = offered.iter().zip(results).filter(|(o, _)| same(o)).filter_map(|(_, r)| *r);
        let first = of_it.next();
        let bind_result = of_it.find(|r| *r == "acceptance").or(first);
        let bind_result = if first == Some("acceptance") { first } else { bind_result };
        out.record(at, DcerpcRecord { interface: Some(context.interface), bind_result, ..record.clone() });
    }
}
