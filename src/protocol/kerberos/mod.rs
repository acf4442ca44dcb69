//! Who logged in to the domain, which tickets did they get, and what was refused?
//!
//! Kerberos version 5 (RFC 4120) over UDP, and over TCP behind a length of four bytes (section 7.2.2). A request waits for the answer of
//! its kind, or for an error; a repeated request (same nonce) is one. Logins with a password go to `credentials`: the encrypted
//! time of a request, and the answer to a request without one, can be attacked offline.
//!
//! Refuses what is encrypted, and changes of passwords (RFC 3244), which come as another protocol.

mod codes;
mod message;
mod record;

pub use self::message::{Ticket, ap_req_ticket};
pub use self::record::{Exchange, KerberosRecord, TABLE};

use self::message::{KdcReply, KdcRequest, KrbError, Message, kind};
use super::ber::{self, Start};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::be32;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// Longest message in bytes. Tickets with the groups of a Windows user reach 64 KiB (MaxTokenSize).
const MAX_MESSAGE: usize = 128 << 10;

/// Requests that wait for their answer; a client asks one at a time.
const MAX_PENDING: usize = 8;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "kerberos",
    about: "Kerberos version 5 (RFC 4120); told by the application tag of a message, lengths that fit and version 5.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[88],
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Kerberos>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let first = told(if p.orig.is_empty() { p.resp } else { p.orig }, p.transport);
    // A connection that was joined in the middle of a request shows its first whole message on the other side.
    let midway = first == Verdict::NotMine && p.transport == Transport::Tcp && p.on_port(PROTOCOL.ports);
    match midway {
        true if p.resp.is_empty() => Verdict::NeedMore,
        true => told(p.resp, p.transport),
        false => first,
    }
}

/// What the first bytes of one side say.
fn told(d: &[u8], transport: Transport) -> Verdict {
    let told = match transport {
        // A datagram may be cut by the snaplen, but nothing follows its message.
        Transport::Udp => begins(d, None),
        Transport::Tcp => match be32(d, 0) {
            Some(len) if (16..=MAX_MESSAGE as u32).contains(&len) => {
                begins(d.get(4..).unwrap_or(&[]), Some(len as usize))
            }
            Some(_) => Some(false),
            None if d.iter().take(2).all(|b| *b == 0) => None,
            None => Some(false),
        },
    };
    match told {
        Some(true) => Verdict::Mine(90),
        Some(false) => Verdict::NotMine,
        None if transport == Transport::Tcp => Verdict::NeedMore,
        None => Verdict::NotMine,
    }
}

/// Application tag of a message that is `len` bytes long, a sequence that fills it, then version 5 in field 0 or 1. `None`: too short
/// to tell.
fn begins(d: &[u8], len: Option<usize>) -> Option<bool> {
    let outer = match ber::start(d) {
        Start::Element(h) => h,
        Start::Short => return None,
        Start::Bad => return Some(false),
    };
    let fits = len.map_or(outer.total() >= d.len(), |len| outer.total() == len);
    if !matches!(outer.tag, kind::AS_REQ..=kind::AP_REP | kind::ERROR) || !fits {
        return Some(false);
    }
    let inside = d.get(outer.size..)?;
    let sequence = match ber::start(inside) {
        Start::Element(h) => h,
        Start::Short => return None,
        Start::Bad => return Some(false),
    };
    let version = inside.get(sequence.size..)?.first_chunk::<5>()?;
    let filled = sequence.tag == ber::tag::SEQUENCE && sequence.total() == outer.len;
    Some(filled && matches!(version, [0xa0 | 0xa1, 3, 2, 1, 5]))
}

/// Kinds of pre-authentication that tell how a login is proved.
mod proof {
    pub(super) const ENC_TIMESTAMP: i64 = 2;
    pub(super) const PK_AS_REQ: i64 = 16;
    pub(super) const FAST: i64 = 136;
    pub(super) const ENCRYPTED_CHALLENGE: i64 = 138;
}

/// The error that asks for pre-authentication: the next request brings it.
const PREAUTH_REQUIRED: i64 = 25;

/// The error that says an account does not exist.
const CLIENT_UNKNOWN: i64 = 6;

/// A request without its answer.
struct Pending {
    at: At,
    exchange: Exchange,
    request: KdcRequest,
}

/// The state of one flow.
#[derive(Default)]
struct Kerberos {
    pending: VecDeque<Pending>,
    /// Has a side lost its place after a gap, or was it joined midway?
    lost: [bool; 2],
    begun: bool,
}

impl Kerberos {
    fn message(&mut self, side: Side, message: Message, out: &mut Output<'_>) {
        match message {
            Message::AsRequest(request) => self.asked(Exchange::As, request, out),
            Message::TgsRequest(request) => self.asked(Exchange::Tgs, request, out),
            Message::AsReply(reply) => self.granted(side, Exchange::As, reply, out),
            Message::TgsReply(reply) => self.granted(side, Exchange::Tgs, reply, out),
            Message::ApRequest(ticket) => out.record(out.at, shown(ticket, out.at)),
            Message::ApReply => {}
            Message::Error(error) => self.refused(side, error, out),
        }
    }

    fn asked(&mut self, exchange: Exchange, request: KdcRequest, out: &mut Output<'_>) {
        // UDP repeats itself until it is answered.
        if self.pending.iter().any(|p| p.exchange == exchange && p.request.nonce == request.nonce) {
            return;
        }
        if self.pending.len() >= MAX_PENDING {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            self.unanswered(out);
        }
        if let Some(name) = &request.netbios {
            out.clue(out.host(Side::Orig), Clue::Name, name, "kerberos.addresses");
        }
        self.pending.push_back(Pending { at: out.at, exchange, request });
    }

    fn granted(&mut self, side: Side, exchange: Exchange, reply: KdcReply, out: &mut Output<'_>) {
        let found = self.pending.iter().position(|p| p.exchange == exchange);
        let pending = found.and_then(|i| self.pending.remove(i));
        let (began, mut record) = begun(exchange, pending, out.at);
        record.success = Some(true);
        record.client = reply.client.or(record.client);
        record.client_realm = reply.client_realm.or(record.client_realm);
        record.service = record.service.or_else(|| reply.ticket.service.clone());
        record.realm = record.realm.or_else(|| reply.ticket.realm.clone());
        record.reply_etype = reply.etype;
        record.ticket = reply.ticket;
        let (kdc, client) = (out.host(side), out.host(side.other()));
        out.clue(kdc, Clue::Role, "domain_controller", "kerberos");
        if let Some(realm) = &record.ticket.realm {
            out.clue(kdc, Clue::Domain, realm, "kerberos.realm");
        }
        if exchange == Exchange::As {
            let account = record.client.as_deref();
            if let Some(machine) = account.and_then(|a| a.strip_suffix('$')) {
                out.clue(client, Clue::Name, machine, "kerberos.client");
                if let Some(realm) = &record.client_realm {
                    out.clue(client, Clue::Domain, realm, "kerberos.realm");
                }
            } else if let Some(user) = account {
                out.clue(client, Clue::User, user, "kerberos.client");
            }
        }
        write(began, record, out);
    }

    fn refused(&mut self, side: Side, error: KrbError, out: &mut Output<'_>) {
        let pending = self.pending.pop_front();
        let exchange = pending.as_ref().map_or(Exchange::Unknown, |p| p.exchange);
        if exchange != Exchange::Unknown {
            out.clue(out.host(side), Clue::Role, "domain_controller", "kerberos");
        }
        let (began, mut record) = begun(exchange, pending, out.at);
        record.success = Some(false);
        record.error = Some(error.code);
        record.error_text = error.text;
        record.client = record.client.or(error.client);
        record.client_realm = record.client_realm.or(error.client_realm);
        record.service = record.service.or(error.service);
        record.realm = record.realm.or(error.realm);
        write(began, record, out);
    }

    /// Write the oldest request without its answer.
    fn unanswered(&mut self, out: &mut Output<'_>) {
        if let Some(pending) = self.pending.pop_front() {
            let (began, record) = begun(pending.exchange, Some(pending), out.at);
            write(began, KerberosRecord { rtt: None, ..record }, out);
        }
    }

    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// Messages behind their lengths.
    fn stream(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some((head, body)) = rest.split_first_chunk::<4>() {
            // The highest bit is reserved for extensions (RFC 5021); a request without a ticket stays below the cap.
            let len = u32::from_be_bytes(*head) as usize;
            let plausible = begins(body, Some(len));
            if *self.lost(side) && plausible != Some(true) {
                // Messages begin with segments: what does not begin one is the rest of the lost one.
                return Fed::Took(data.len());
            }
            if plausible == Some(false) || len > MAX_MESSAGE {
                out.weird(WeirdKind::KerberosMalformed, Detail::Number(len as u64));
                *self.lost(side) = true;
                return Fed::Took(data.len());
            }
            let Some((message, behind)) = body.split_at_checked(len) else { break };
            *self.lost(side) = false;
            self.one(side, message, out);
            rest = behind;
        }
        Fed::Took(data.len() - rest.len())
    }

    fn one(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        match message::read(data) {
            Some(message) => self.message(side, message, out),
            None => out.weird(WeirdKind::KerberosMalformed, Detail::None),
        }
    }
}

/// A record with what the request says, and when it began.
fn begun(exchange: Exchange, pending: Option<Pending>, now: At) -> (At, KerberosRecord) {
    let rtt = pending.as_ref().map(|p| now.ts.since(p.at.ts));
    let (began, options) = pending.as_ref().map_or((now, None), |p| (p.at, Some(p.request.options)));
    let request = pending.map(|p| p.request).unwrap_or_default();
    let record = KerberosRecord {
        exchange,
        // The realm of a login is the client's own.
        client_realm: request.realm.clone().filter(|_| exchange == Exchange::As),
        client: request.client,
        service: request.service,
        realm: request.realm,
        success: None,
        error: None,
        error_text: None,
        from: request.from,
        till: request.till,
        renew_till: request.renew_till,
        options,
        etypes: request.etypes,
        ticket: Ticket::default(),
        reply_etype: None,
        pre_auth: request.pre_auth,
        rtt,
    };
    (began, record)
}

/// A ticket shown to a service.
fn shown(ticket: Ticket, now: At) -> KerberosRecord {
    let (_, record) = begun(Exchange::Ap, None, now);
    KerberosRecord { service: ticket.service.clone(), realm: ticket.realm.clone(), ticket, ..record }
}

/// Hand on the record, and the attempt to log in where it was one.
fn write(began: At, record: KerberosRecord, out: &mut Output<'_>) {
    if record.exchange == Exchange::As
        && record.options.is_some()
        && let Some(login) = login(&record)
    {
        out.record(began, login);
    }
    out.record(began, record);
}

/// The attempt to log in that a request for a ticket-granting ticket is. `None` when it only asks what proof is wanted.
fn login(record: &KerberosRecord) -> Option<Credential> {
    let sent = |kinds: &[i64]| record.pre_auth.iter().any(|k| kinds.contains(k));
    let proved = sent(&[proof::ENC_TIMESTAMP, proof::ENCRYPTED_CHALLENGE, proof::FAST]);
    let (mechanism, secret, note) = if sent(&[proof::PK_AS_REQ]) {
        ("pkinit", Secret::None, None)
    } else if proved {
        ("kerberos", Secret::Hashed, None)
    } else if record.success == Some(true) {
        ("kerberos", Secret::Hashed, Some("without pre-authentication"))
    } else if record.error == Some(CLIENT_UNKNOWN) {
        ("kerberos", Secret::None, None)
    } else {
        return None;
    };
    if record.error == Some(PREAUTH_REQUIRED) && !sent(&[proof::ENC_TIMESTAMP]) {
        return None;
    }
    let account = match (&record.client, &record.client_realm) {
        (Some(client), Some(realm)) => Some(format!("{client}@{realm}")),
        (client, _) => client.clone(),
    };
    let detail = record.error.and_then(codes::error).or(note).map(Into::into);
    Some(Credential { service: PROTOCOL.name, account, mechanism, secret, success: record.success, detail })
}

impl Parser for Kerberos {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if !std::mem::replace(&mut self.begun, true) && !out.flow.saw_start {
            self.lost = [true; 2];
        }
        if out.flow.tuple.protocol == crate::model::flow::ip_protocol::TCP {
            return self.stream(side, data, out);
        }
        self.one(side, data, out);
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        while !self.pending.is_empty() {
            self.unanswered(out);
        }
    }
}

#[cfg(test)]
mod tests;
