//! What was asked of the directory, by whom, and did it answer?
//!
//! LDAP (RFC 4511) over TCP and its connectionless form over UDP (MS-ADTS section 3.1.1.3.1.8). Requests wait for their results by
//! message number. StartTLS hands the connection on. After a SASL login that seals what follows (RFC 4422 section 3.7) nothing can be
//! read, and the parser stops quietly. What a server says about itself in its root entry or when pinged becomes clues.
//!
//! Refuses values of entries: photographs and password hashes are not for the store. Entries over [`MAX_MESSAGE`] are counted and
//! passed unseen.

mod filter;
mod message;
mod netlogon;
pub mod record;

pub use self::record::{LdapRecord, TABLE};

use self::message::{Login, answers, op};
use super::ber::{self, Element, Header, Reader, Start};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential};
use super::ntlm::{self, NTLM, Session};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::{Side, ip_protocol};
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// Longest message in bytes that is read as a whole.
const MAX_MESSAGE: usize = 64 << 10;

/// Bytes at the start of a long entry that are needed to count it: headers of message, number and operation.
const ENTRY_HEAD: usize = 24;

/// Operations that wait for their result.
const MAX_PENDING: usize = 64;

/// Ports of LDAP and of the global catalogue.
const PORTS: &[u16] = &[389, 3268];

/// Result of a login that has more steps.
const IN_PROGRESS: u32 = 14;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ldap",
    about: "LDAP and CLDAP (RFC 4511); told by a message in BER: sequence, message number, then an operation that begins as its kind does.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &CREDENTIALS, &NTLM, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Ldap>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    match begins(d) {
        Some(true) => Verdict::Mine(85),
        None if p.transport == Transport::Tcp => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// Is it a message whose operation begins as its kind does? `None`: too short to tell.
fn begins(d: &[u8]) -> Option<bool> {
    let header = |d: &[u8]| match ber::start(d) {
        Start::Element(h) => Some(Some(h)),
        Start::Short => None,
        Start::Bad => Some(None),
    };
    let Some(outer) = header(d)?.filter(|h| h.tag == ber::tag::SEQUENCE && h.len >= 5) else {
        return Some(false);
    };
    let inside = d.get(outer.size..)?;
    let Some(id) = header(inside)?.filter(|h| h.tag == ber::tag::INTEGER && (1..=4).contains(&h.len)) else {
        return Some(false);
    };
    let behind = inside.get(id.total()..)?;
    let Some(operation) = header(behind)?.filter(|h| h.total() + id.total() <= outer.len) else {
        return Some(false);
    };
    let body = behind.get(operation.size..)?;
    let begins_with = |want: u8| body.first().map(|t| *t == want);
    match operation.tag {
        op::BIND => body.first_chunk::<3>().map(|b| matches!(b, [2, 1, 2 | 3])),
        op::UNBIND => Some(operation.len == 0),
        op::DELETE => Some(true),
        op::ABANDON => Some((1..=4).contains(&operation.len)),
        op::SEARCH | op::MODIFY | op::ADD | op::MODIFY_DN | op::COMPARE | op::ENTRY | op::REFERENCE => {
            begins_with(ber::tag::OCTET_STRING)
        }
        op::EXTENDED => begins_with(0x80),
        op::INTERMEDIATE => Some(true),
        op::BIND_RESPONSE
        | op::SEARCH_DONE
        | op::MODIFY_RESPONSE
        | op::ADD_RESPONSE
        | op::DELETE_RESPONSE
        | op::MODIFY_DN_RESPONSE
        | op::COMPARE_RESPONSE
        | op::EXTENDED_RESPONSE => begins_with(ber::tag::ENUMERATED),
        _ => Some(false),
    }
}

/// An operation without its result.
struct Pending {
    at: At,
    record: LdapRecord,
    login: Option<Login>,
}

/// What comes after a message.
#[derive(PartialEq, Eq)]
enum Next {
    Message,
    Tls,
}

/// The state of one connection.
#[derive(Default)]
struct Ldap {
    pending: VecDeque<Pending>,
    /// Name from an earlier step of a login with several.
    account: Option<String>,
    /// A login by NTLM inside the binds.
    ntlm: Option<Box<Session>>,
    /// A login that may seal what follows has succeeded.
    may_seal: bool,
    /// Has a side lost its place after a gap?
    lost: [bool; 2],
}

impl Ldap {
    fn message(&mut self, side: Side, message: &Element<'_>, out: &mut Output<'_>) -> Next {
        let read = || {
            let mut body = message.inner()?;
            let id = u32::try_from(body.integer()?).ok()?;
            Some((id, body.element()?))
        };
        let Some((id, operation)) = read() else {
            out.weird(WeirdKind::LdapMalformed, Detail::None);
            return Next::Message;
        };
        if matches!(operation.tag, op::BIND | op::BIND_RESPONSE)
            && let Some(token) = message::token(&operation).filter(|t| ntlm::find(t).is_some())
        {
            self.ntlm.get_or_insert_with(|| Box::new(Session::new(PROTOCOL.name))).feed(side, token, out);
        }
        match operation.tag {
            op::ENTRY | op::REFERENCE => {
                self.returned(id, operation.tag);
                if let Some(attributes) = message::root_entry(&operation) {
                    about_server(side, &attributes, out);
                }
            }
            op::INTERMEDIATE => {}
            op::BIND_RESPONSE
            | op::SEARCH_DONE
            | op::MODIFY_RESPONSE
            | op::ADD_RESPONSE
            | op::DELETE_RESPONSE
            | op::MODIFY_DN_RESPONSE
            | op::COMPARE_RESPONSE
            | op::EXTENDED_RESPONSE => return self.answered(id, &operation, out),
            _ => self.asked(id, &operation, out),
        }
        Next::Message
    }

    /// A search returned something.
    fn returned(&mut self, id: u32, tag: u8) {
        let search =
            self.pending.iter_mut().find(|p| p.record.message_id == id && answers(tag, p.record.operation));
        if let Some(Pending { record, .. }) = search {
            let count = if tag == op::ENTRY { &mut record.entries } else { &mut record.referrals };
            *count = count.saturating_add(1);
        }
    }

    fn asked(&mut self, id: u32, operation: &Element<'_>, out: &mut Output<'_>) {
        let Some((record, login)) = message::request(id, operation) else {
            out.weird(WeirdKind::LdapMalformed, Detail::Number(operation.tag.into()));
            return;
        };
        // Nobody answers these two (RFC 4511 sections 4.3 and 4.11).
        if matches!(operation.tag, op::UNBIND | op::ABANDON) {
            out.record(out.at, record);
            return;
        }
        if self.pending.len() >= MAX_PENDING {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            self.unanswered(out);
        }
        self.pending.push_back(Pending { at: out.at, record, login });
    }

    fn answered(&mut self, id: u32, operation: &Element<'_>, out: &mut Output<'_>) -> Next {
        let Some((code, words)) = message::result(operation) else {
            out.weird(WeirdKind::LdapMalformed, Detail::Number(operation.tag.into()));
            return Next::Message;
        };
        let mine = |p: &Pending| p.record.message_id == id && answers(operation.tag, p.record.operation);
        let Some(found) = self.pending.iter().position(mine).and_then(|i| self.pending.remove(i)) else {
            // A notice of disconnection has number 0; else the request was before the capture.
            if id == 0 {
                let record = LdapRecord {
                    operation: "notice",
                    result: Some(code),
                    diagnostic: words,
                    ..LdapRecord::default()
                };
                out.record(out.at, record);
            }
            return Next::Message;
        };
        let Pending { at, mut record, login } = found;
        record.rtt = Some(out.at.ts.since(at.ts));
        (record.result, record.diagnostic) = (Some(code), words);
        let starttls = record.operation == "starttls" && code == 0;
        if let Some(mut login) = login {
            login.account = login.account.or_else(|| self.account.take());
            if code == IN_PROGRESS {
                self.account = login.account;
            } else {
                let seals =
                    ["gss-spnego", "gssapi", "digest-md5", "sicily", "sasl"].contains(&login.mechanism);
                self.may_seal |= code == 0 && seals;
                self.logged_in(at, login, &record, out);
            }
        }
        out.record(at, record);
        if starttls { Next::Tls } else { Next::Message }
    }

    /// Write the oldest operation without its result.
    fn unanswered(&mut self, out: &mut Output<'_>) {
        if let Some(Pending { at, record, login }) = self.pending.pop_front() {
            if let Some(login) = login {
                self.logged_in(at, login, &record, out);
            }
            out.record(at, record);
        }
    }

    /// A bind is over: the attempt to log in that it is. One that proved itself by NTLM is told by that.
    fn logged_in(&mut self, at: At, login: Login, record: &LdapRecord, out: &mut Output<'_>) {
        let success = record.result.map(|code| code == 0);
        let detail = record.result.filter(|c| *c != 0).and_then(record::result_name).map(Into::into);
        if let Some(ntlm) = self.ntlm.as_mut().filter(|n| n.is_proved()) {
            return ntlm.outcome(success, detail, out);
        }
        let Login { account, mechanism, secret } = login;
        out.record(at, Credential { service: PROTOCOL.name, account, mechanism, secret, success, detail });
    }

    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// A message that is longer than what is read as a whole. `Some`: bytes of it that may pass unseen.
    fn long(&mut self, header: Header, data: &[u8]) -> Option<u64> {
        let mut body = Reader::new(data.get(header.size..)?);
        let id = u32::try_from(body.integer()?).ok()?;
        if body.peek() == Some(op::ENTRY) {
            self.returned(id, op::ENTRY);
        }
        u64::try_from(header.total().checked_sub(data.len())?).ok()
    }

    /// Messages one behind the other.
    fn messages(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while !rest.is_empty() {
            if *self.lost(side) && begins(rest) != Some(true) {
                // Messages mostly begin with segments; what does not begin one is the rest of the lost one.
                return Fed::Took(data.len());
            }
            let header = match ber::start(rest) {
                Start::Element(h) if h.tag == ber::tag::SEQUENCE => h,
                Start::Short => break,
                _ => return self.stop(rest, out),
            };
            *self.lost(side) = false;
            if header.total() > MAX_MESSAGE {
                if rest.len() < ENTRY_HEAD {
                    break;
                }
                if let Some(unseen) = self.long(header, rest) {
                    return Fed::Skip(unseen);
                }
            }
            let Some(element) = Reader::new(rest).element() else { break };
            rest = rest.get(header.total()..).unwrap_or(&[]);
            match self.message(side, &element, out) {
                Next::Message => {}
                Next::Tls => return Fed::Switch(data.len() - rest.len()),
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    /// What follows is no message: sealed by a login, or broken.
    fn stop(&mut self, rest: &[u8], out: &mut Output<'_>) -> Fed {
        // Sealed data has its length in four bytes before it (RFC 4422 section 3.7), below 16 MiB.
        let sealed =
            rest.first() == Some(&0) && (self.may_seal || self.pending.iter().any(|p| p.login.is_some()));
        if !sealed {
            out.weird(WeirdKind::LdapMalformed, Detail::Text("no message begins here".into()));
        }
        self.finish(out);
        Fed::Done
    }
}

/// Clues in an entry without a name: the root entry (RFC 4512 section 5.1), or the answer to a ping.
fn about_server(side: Side, attributes: &[(&[u8], &[u8])], out: &mut Output<'_>) {
    let server = out.host(side);
    for (name, value) in attributes {
        let is = |want: &str| name.eq_ignore_ascii_case(want.as_bytes());
        let text = || String::from_utf8_lossy(value);
        if is("dnsHostName") {
            out.clue(server, Clue::Name, &text(), "ldap.dnsHostName");
        } else if is("vendorVersion") || is("vendorName") {
            out.clue(server, Clue::Server, &text(), "ldap.vendor");
        } else if is("domainControllerFunctionality") || is("isGlobalCatalogReady") {
            out.clue(server, Clue::Role, "domain_controller", "ldap.root_entry");
        } else if is("netlogon")
            && let Some(c) = netlogon::read(value)
        {
            out.clue(server, Clue::Role, "domain_controller", "ldap.netlogon");
            for (clue, said) in [
                (Clue::Name, &c.host),
                (Clue::Name, &c.netbios_host),
                (Clue::Domain, &c.domain),
                (Clue::Domain, &c.netbios_domain),
            ] {
                out.clue(server, clue, said, "ldap.netlogon");
            }
        }
    }
}

impl Parser for Ldap {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::TCP {
            return self.messages(side, data, out);
        }
        // A datagram may hold several messages; one that is no message says nothing about the next.
        let mut messages = Reader::new(data);
        while let Some(message) = messages.take(ber::tag::SEQUENCE) {
            self.message(side, &message, out);
        }
        if !messages.is_empty() {
            out.weird(WeirdKind::LdapMalformed, Detail::None);
        }
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
        if let Some(mut ntlm) = self.ntlm.take() {
            ntlm.finish(out);
        }
    }
}

#[cfg(test)]
mod tests;
