//! Who called, registered or probed whom over SIP, and how did it end?
//!
//! SIP (RFC 3261) over UDP and TCP. One row is one request with its final response. Digest answers go to `credentials`; media that SDP (RFC 8866,
//! RFC 3605) announces between the same two hosts is named when it comes. Refuses message bodies besides SDP, and addresses that are neither
//! end of the flow: what goes elsewhere is told by its own content.

mod message;
#[cfg(test)]
mod tests;

use self::message::{Message, Start};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::headers::{head, head_of_datagram, parameter};
use super::polling::{Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict, rtp};
use crate::flow::At;
use crate::model::flow::{Side, ip_protocol};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Largest message in bytes that is kept over TCP; what UDP could carry.
const MAX_MESSAGE: usize = 64 << 10;

/// The usual ports.
const PORTS: &[u16] = &[5060];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "sip",
    about: "SIP (RFC 3261); told by its version at the end of a request line or the start of a reply.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Sip>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let mut open = false;
    for whole in [p.orig, p.resp] {
        // Empty lines keep a connection alive (RFC 5626 section 3.5.1), and may come first.
        let ends = whole.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let d = whole.get(ends..).unwrap_or(&[]);
        match message::look(d) {
            Verdict::Mine(sure) => return Verdict::Mine(sure),
            Verdict::NeedMore if p.transport == Transport::Tcp && !whole.is_empty() => open = true,
            _ => {}
        }
    }
    if open { Verdict::NeedMore } else { Verdict::NotMine }
}

/// One request with its final response.
#[derive(Clone, Debug)]
pub struct SipRecord {
    /// Did the originator of the flow send the request?
    pub from_orig: bool,
    /// Method.
    pub method: String,
    /// Request-URI.
    pub uri: Option<String>,
    /// From, without its tag.
    pub from: Option<String>,
    /// To, without its tag.
    pub to: Option<String>,
    /// Call-ID.
    pub call_id: Option<String>,
    /// Number of CSeq.
    pub cseq: Option<u32>,
    /// User-Agent of the request.
    pub user_agent: Option<String>,
    /// Server, or User-Agent, of the response.
    pub server: Option<String>,
    /// Status of the final response, else of the last provisional one.
    pub status: Option<u16>,
    /// Its reason phrase.
    pub reason: Option<String>,
    /// Seconds that a registration or subscription shall last, or was granted.
    pub expires: Option<u32>,
    /// Hops in Via of the request.
    pub via: Option<u16>,
    /// Content-Type of the request.
    pub request_type: Option<String>,
    /// Content-Type of the response.
    pub response_type: Option<String>,
    /// Times that the request was sent again.
    pub retransmits: u16,
    /// Nanoseconds to the response.
    pub rtt: Option<i64>,
    /// User and realm of a digest in the request.
    pub login: Option<(String, Option<String>)>,
}

/// Requests.
pub static TABLE: Table = Table::record(
    "sip",
    "One row is one SIP request with its final response.",
    &[
        col("from_orig", T::Bool, "", "Was the request sent by the originator of the flow?"),
        col("method", T::Text, "", "Method of the request; of CSeq when only the response was seen."),
        col("uri", T::Text, "", "Request-URI; NULL when only the response was seen."),
        col("sip_from", T::Text, "", "Address in From, without its tag; NULL without."),
        col("sip_to", T::Text, "", "Address in To, without its tag; NULL without."),
        col("call_id", T::Text, "", "Call-ID, which all requests of a call share; NULL without."),
        col("cseq", T::U32, "", "Sequence number of the request; NULL without."),
        col("user_agent", T::Text, "", "User-Agent of the request; NULL without."),
        col("server", T::Text, "", "Server of the response, or its User-Agent; NULL without."),
        col(
            "status",
            T::U16,
            "",
            "Status of the final response, or of the last provisional one when no final one was seen; NULL without any, as for ACK.",
        ),
        col("reason", T::Text, "", "Reason phrase of that status; NULL without."),
        col(
            "expires",
            T::U32,
            "seconds",
            "How long a registration or subscription lasts, as granted, or else as asked; NULL when nobody says.",
        ),
        col(
            "via_count",
            T::U16,
            "hops",
            "Via fields of the request: 1 for a direct one; NULL when only the response was seen.",
        ),
        col("request_type", T::Text, "", "Content-Type of the request; NULL without a body."),
        col("response_type", T::Text, "", "Content-Type of the response; NULL without a body."),
        col(
            "retransmits",
            T::U16,
            "messages",
            "How often the request was sent again before its final response.",
        ),
        col("rtt_s", T::F64, "seconds", "From the request to that response; NULL when none was seen."),
    ],
);

impl Record for SipRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .text(&self.method)
            .opt_text(self.uri.as_deref())
            .opt_text(self.from.as_deref())
            .opt_text(self.to.as_deref())
            .opt_text(self.call_id.as_deref())
            .opt_u32(self.cseq)
            .opt_text(self.user_agent.as_deref())
            .opt_text(self.server.as_deref())
            .opt_u16(self.status)
            .opt_text(self.reason.as_deref())
            .opt_u32(self.expires)
            .opt_u16(self.via)
            .opt_text(self.request_type.as_deref())
            .opt_text(self.response_type.as_deref())
            .u16(self.retransmits)
            .opt_f64(self.rtt.map(seconds));
    }
}

/// What a response repeats of its request: who asked, call, number, method.
type Key = (bool, Option<String>, Option<u32>, String);

/// Answered requests that are remembered, so that what is sent again makes no row again.
const MAX_DONE: usize = 16;

/// The state of one flow.
#[derive(Default)]
struct Sip {
    waiting: Waiting<Key, SipRecord>,
    done: std::collections::VecDeque<Key>,
    seen: bool,
    lost: bool,
    told: [bool; 2],
}

impl Sip {
    fn write(&mut self, began: At, row: SipRecord, out: &mut Output<'_>) {
        if let Some((account, realm)) = row.login.clone() {
            let success = match row.status {
                Some(200..=299) => Some(true),
                Some(401 | 403 | 407) => Some(false),
                _ => None,
            };
            let login = Credential {
                service: "sip",
                account: Some(account),
                mechanism: "digest",
                secret: Secret::Hashed,
                success,
                detail: realm,
            };
            out.record(began, login);
        }
        out.record(began, row);
    }

    /// Take a whole message.
    fn message(&mut self, side: Side, m: &Message<'_>, body: &[u8], out: &mut Output<'_>) {
        if m.is_sdp() {
            announce(body, out);
        }
        self.clues(side, m, out);
        match m.start {
            Start::Request { method, uri } => self.request(side, m, method, uri, out),
            Start::Response { status, reason } => self.response(side, m, status, reason, out),
        }
    }

    fn clues(&mut self, side: Side, m: &Message<'_>, out: &mut Output<'_>) {
        let host = address(&out.flow.tuple, side);
        let [orig, resp] = &mut self.told;
        let told = match side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        if let (false, Some(agent)) = (*told, m.agent()) {
            *told = true;
            let kind = if matches!(m.start, Start::Request { .. }) { Clue::Client } else { Clue::Server };
            out.clue(host, kind, &printable(agent, super::clues::MAX_VALUE), "sip.user_agent");
        }
    }

    fn request(&mut self, side: Side, m: &Message<'_>, method: &[u8], uri: &[u8], out: &mut Output<'_>) {
        let from_orig = side == Side::Orig;
        let method = message::text(method);
        let key = (from_orig, m.call_id(), m.cseq(), method.clone());
        if self.done.contains(&key) {
            return;
        }
        if let Some((_, waiting)) = self.waiting.find(&key) {
            waiting.retransmits = waiting.retransmits.saturating_add(1);
            return;
        }
        let user = m
            .get("authorization")
            .or_else(|| m.get("proxy-authorization"))
            .filter(|v| v.get(..7).is_some_and(|w| w.eq_ignore_ascii_case(b"digest ")));
        let login = user.and_then(|v| {
            let name = parameter(v, "username")?;
            let realm = parameter(v, "realm").map(message::text);
            Some((printable(name, MAX_ACCOUNT), realm))
        });
        if method == "REGISTER" {
            let host = address(&out.flow.tuple, side);
            out.clue(host, Clue::Role, "phone", "sip.register");
            if let Some(user) = m.get("to").and_then(message::user) {
                out.clue(host, Clue::User, &user, "sip.register");
            }
        }
        let row = SipRecord {
            from_orig,
            method,
            uri: Some(message::text(uri)),
            from: m.get("from").map(message::party),
            to: m.get("to").map(message::party),
            call_id: m.call_id(),
            cseq: m.cseq(),
            user_agent: m.agent().map(message::text),
            server: None,
            status: None,
            reason: None,
            expires: m.expires(),
            via: Some(m.via()),
            request_type: m.content_type(),
            response_type: None,
            retransmits: 0,
            rtt: None,
            login,
        };
        if row.method == "ACK" {
            self.write(out.at, row, out);
            self.done(key);
        } else if let Some((began, old)) = self.waiting.put(key, row, out) {
            self.write(began, old, out);
        }
    }

    fn response(&mut self, side: Side, m: &Message<'_>, status: u16, reason: &[u8], out: &mut Output<'_>) {
        let from_orig = side == Side::Resp;
        let method = m.cseq_method().map(message::text).unwrap_or_default();
        let key = (from_orig, m.call_id(), m.cseq(), method.clone());
        if status < 200 {
            if let Some((began, row)) = self.waiting.find(&key) {
                row.rtt = Some(out.at.ts.since(began.ts));
                (row.status, row.reason) = (Some(status), Some(message::text(reason)));
            }
            return;
        }
        if self.done.contains(&key) {
            return;
        }
        let (began, mut row) = self.waiting.take(&key).unwrap_or_else(|| {
            let row = SipRecord {
                from_orig,
                method,
                uri: None,
                from: m.get("from").map(message::party),
                to: m.get("to").map(message::party),
                call_id: m.call_id(),
                cseq: m.cseq(),
                user_agent: None,
                server: None,
                status: None,
                reason: None,
                expires: None,
                via: None,
                request_type: None,
                response_type: None,
                retransmits: 0,
                rtt: None,
                login: None,
            };
            (out.at, row)
        });
        row.rtt = row.uri.is_some().then(|| out.at.ts.since(began.ts));
        (row.status, row.reason) = (Some(status), Some(message::text(reason)));
        row.server = m.agent().map(message::text);
        row.response_type = m.content_type();
        row.expires = m.expires().or(row.expires);
        self.write(began, row, out);
        self.done(key);
    }

    fn done(&mut self, key: Key) {
        if self.done.len() >= MAX_DONE {
            self.done.pop_front();
        }
        self.done.push_back(key);
    }
}

/// Expect the media that a description announces, where it goes to one of the two hosts of this flow.
fn announce(body: &[u8], out: &mut Output<'_>) {
    for media in message::media(body) {
        let ends = [out.flow.tuple.src, out.flow.tuple.dst];
        let Some(to) = media.address.filter(|a| ends.contains(a)) else { continue };
        out.expect_with(to, media.port, &rtp::PROTOCOL, rtp::announced());
        if let Some(port) = media.rtcp.filter(|p| *p != media.port) {
            out.expect_with(to, port, &rtp::RTCP, rtp::announced_control());
        }
    }
}

impl Parser for Sip {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let datagram = out.flow.tuple.protocol == ip_protocol::UDP;
        let mut rest = data;
        loop {
            // Blank lines and zero bytes keep paths open (RFC 5626).
            let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n' | 0)).count();
            rest = rest.get(blank..).unwrap_or(&[]);
            if rest.is_empty() || (datagram && rest == b"jaK") {
                return Fed::Took(data.len());
            }
            let found = if datagram { head_of_datagram(rest) } else { head(rest) };
            let Some(h) = found else {
                if datagram || matches!(message::look(rest), Verdict::NotMine) {
                    return self.broken(data.len(), out);
                }
                return Fed::Took(data.len() - rest.len());
            };
            let Some(m) = Message::read(&h) else { return self.broken(data.len(), out) };
            let length = h.number("content-length").or_else(|| h.number("l"));
            let behind = rest.get(h.len..).unwrap_or(&[]);
            let wanted = match length.and_then(|n| usize::try_from(n).ok()) {
                Some(n) => n,
                None if datagram => behind.len(),
                None => 0,
            };
            let Some(body) = behind.get(..wanted).or(datagram.then_some(behind)) else {
                if wanted > MAX_MESSAGE / 2 {
                    self.message(side, &m, &[], out);
                    return Fed::Skip((wanted - behind.len()) as u64);
                }
                return Fed::Took(data.len() - rest.len());
            };
            self.seen = true;
            self.lost = false;
            self.message(side, &m, body, out);
            if datagram {
                return Fed::Took(data.len());
            }
            rest = behind.get(wanted..).unwrap_or(&[]);
        }
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
    }
}

impl Sip {
    /// What comes is no message: another protocol, damage, or the rest of one of which the start was lost.
    fn broken(&mut self, len: usize, out: &mut Output<'_>) -> Fed {
        if !self.seen && !self.lost {
            return Fed::NotMine;
        }
        if !self.lost {
            out.weird(WeirdKind::SipMalformed, Detail::Number(len as u64));
        }
        // Messages begin where segments do, mostly: the next piece is tried again.
        self.lost = true;
        Fed::Took(len)
    }
}
