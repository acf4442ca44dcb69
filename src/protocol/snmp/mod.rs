//! Who manages which device, how, and what does the device say it is?
//!
//! SNMP version 1 (RFC 1157), 2c (RFC 3416) and 3 (RFC 3412, RFC 3414). A manager asks thousands of times, so one row is one flow with
//! counts; what is written to a device (`set`) has its own columns. Each community, and each user of version 3, is an attempt to
//! log in. What a device answers about itself (RFC 3418: sysDescr, sysName) becomes clues.
//!
//! Refuses to keep a community: it is a password. Refuses values of variables other than those two.

use super::ber::{self, Element, Reader, Start, tag};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};
use crate::model::weird::{Detail, WeirdKind};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Different variables of one flow that are shown.
const MAX_OIDS: usize = 8;

/// Variables of one message that are looked at; 65,000 bytes could hold thousands.
const MAX_VARIABLES: usize = 128;

/// Different communities or users of one flow that are told apart; further ones are not written.
const MAX_LOGINS: usize = 64;

/// Longest user, context or engine in bytes that is shown (RFC 3411 section 5 allows 32).
const MAX_NAME: usize = 64;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "snmp",
    about: "SNMP, versions 1 to 3 (RFC 3416); told by a BER sequence that fills the datagram, the version, and a message of its kind.",
    transports: &[Transport::Udp],
    ports: &[161, 162],
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Snmp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    let Start::Element(outer) = ber::start(d) else { return Verdict::NotMine };
    let mut body = Reader::new(d.get(outer.size..).unwrap_or(&[]));
    // A datagram may be cut by the snaplen, but nothing follows its message.
    if outer.tag != tag::SEQUENCE || outer.total() < d.len() {
        return Verdict::NotMine;
    }
    let told = match body.integer() {
        Some(0 | 1) => {
            body.octets().is_some_and(|c| c.len() <= 255)
                && matches!(body.peek(), Some(pdu::GET..=pdu::REPORT))
        }
        Some(3) => body.enter(tag::SEQUENCE).and_then(|mut global| global.integer()).is_some(),
        _ => false,
    };
    if told { Verdict::Mine(90) } else { Verdict::NotMine }
}

/// Tags of what is asked or said (RFC 3416 section 3).
mod pdu {
    pub(super) const GET: u8 = 0xa0;
    pub(super) const GET_NEXT: u8 = 0xa1;
    pub(super) const RESPONSE: u8 = 0xa2;
    pub(super) const SET: u8 = 0xa3;
    pub(super) const TRAP_V1: u8 = 0xa4;
    pub(super) const GET_BULK: u8 = 0xa5;
    pub(super) const INFORM: u8 = 0xa6;
    pub(super) const TRAP: u8 = 0xa7;
    pub(super) const REPORT: u8 = 0xa8;
}

/// System group (RFC 3418): description and name.
const SYS_DESCR: &str = "1.3.6.1.2.1.1.1.0";
const SYS_NAME: &str = "1.3.6.1.2.1.1.5.0";

/// How often each kind of message was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Get.
    pub get: u32,
    /// Get next.
    pub get_next: u32,
    /// Get bulk.
    pub get_bulk: u32,
    /// Set.
    pub set: u32,
    /// Responses.
    pub responses: u32,
    /// Traps and informs.
    pub traps: u32,
    /// Reports of version 3.
    pub reports: u32,
    /// Sealed messages of version 3.
    pub encrypted: u32,
    /// Responses that report an error.
    pub errors: u32,
    /// Variables in responses.
    pub variables: u32,
}

/// One flow.
#[derive(Clone, Debug, Default)]
pub struct SnmpRecord {
    /// As on the wire: 0 is version 1, 1 is 2c, 3 is 3.
    pub version: u8,
    /// Messages by kind.
    pub counts: Counts,
    /// Number of the first request.
    pub request_id: Option<i64>,
    /// First variables asked for or reported.
    pub oids: Vec<String>,
    /// First variables written.
    pub set_oids: Vec<String>,
    /// First error that a response reports.
    pub error_status: Option<u8>,
    /// Different communities.
    pub communities: u32,
    /// User of version 3.
    pub user: Option<String>,
    /// Engine of version 3, hexadecimal.
    pub engine_id: Option<String>,
    /// Context of version 3.
    pub context: Option<String>,
    /// Flags of version 3: 1 authenticated, 2 encrypted; the highest seen.
    pub security: Option<u8>,
    /// What the device says it is.
    pub sys_descr: Option<String>,
    /// What the device is called.
    pub sys_name: Option<String>,
    /// Nanoseconds from the first message to the last.
    pub duration: i64,
}

/// Flows.
pub static TABLE: Table = Table::record(
    "snmp",
    "One row is one flow of SNMP between two hosts, with counts of what was asked and answered.",
    &[
        col("version", T::Text, "", "1, 2c or 3, of the first message."),
        col("get_requests", T::U32, "messages", "Get requests."),
        col("get_next_requests", T::U32, "messages", "Get-next requests."),
        col(
            "get_bulk_requests",
            T::U32,
            "messages",
            "Get-bulk requests: a small question with a large answer.",
        ),
        col("set_requests", T::U32, "messages", "Set requests: somebody changes the device."),
        col("responses", T::U32, "messages", "Responses."),
        col("traps", T::U32, "messages", "Traps and informs: the device speaks first."),
        col("reports", T::U32, "messages", "Reports of version 3: discovery, or a refused user."),
        col("encrypted", T::U32, "messages", "Messages of version 3 that cannot be read."),
        col("errors", T::U32, "messages", "Responses with an error."),
        col("variables", T::U32, "variables", "Variables in responses."),
        col("request_id", T::I64, "", "Number of the first request; NULL when none could be read."),
        col(
            "oids",
            T::Text,
            "",
            "First variables asked for or reported, with commas; NULL when none could be read.",
        ),
        col("set_oids", T::Text, "", "First variables written, with commas; NULL without a set request."),
        col(
            "error_status",
            T::U8,
            "",
            "First error that a response reports (RFC 3416 section 3); NULL without one.",
        ),
        col(
            "communities",
            T::U32,
            "communities",
            "Different communities that were tried, as far as told apart; they are passwords and not stored.",
        ),
        col(
            "user",
            T::Text,
            "",
            "User of version 3; NULL for other versions, or when only discovery was seen.",
        ),
        col("engine_id", T::Text, "", "Engine of version 3, hexadecimal; NULL for other versions."),
        col("context", T::Text, "", "Context of version 3; NULL when empty or encrypted."),
        col(
            "security_level",
            T::Text,
            "",
            "none, auth or auth_encrypted, the highest seen; NULL for other versions than 3.",
        ),
        col("sys_descr", T::Text, "", "What the device says it is; NULL when nobody asked."),
        col("sys_name", T::Text, "", "What the device is called; NULL when nobody asked."),
        col("duration_s", T::F64, "seconds", "From the first message to the last."),
    ],
);

impl Record for SnmpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let c = &self.counts;
        let list = |oids: &[String]| (!oids.is_empty()).then(|| oids.join(","));
        let level = self.security.map(|flags| match flags & 3 {
            0 => "none",
            1 => "auth",
            _ => "auth_encrypted",
        });
        row.text(match self.version {
            0 => "1",
            1 => "2c",
            _ => "3",
        });
        for n in
            [c.get, c.get_next, c.get_bulk, c.set, c.responses, c.traps, c.reports, c.encrypted, c.errors]
        {
            row.u32(n);
        }
        row.u32(c.variables)
            .opt_i64(self.request_id)
            .opt_text(list(&self.oids).as_deref())
            .opt_text(list(&self.set_oids).as_deref())
            .opt_u8(self.error_status)
            .u32(self.communities)
            .opt_text(self.user.as_deref())
            .opt_text(self.engine_id.as_deref())
            .opt_text(self.context.as_deref())
            .opt_text(level)
            .opt_text(self.sys_descr.as_deref())
            .opt_text(self.sys_name.as_deref())
            .f64(self.duration as f64 / 1e9);
    }
}

/// A community or user that was tried. Of a community only a hash is held, and only while the flow lasts.
struct Tried {
    key: u64,
    at: At,
    user: Option<String>,
    secret: Secret,
    answered: Option<bool>,
}

/// The state of one flow.
#[derive(Default)]
struct Snmp {
    began: Option<At>,
    last: Option<At>,
    record: SnmpRecord,
    tried: Vec<Tried>,
}

/// What the variables of a message are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Asked,
    Written,
    Answered,
}

impl Snmp {
    /// Read a message; `None` when it does not follow its ASN.1.
    fn message(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut body = Reader::new(data).enter(tag::SEQUENCE)?;
        let version = u8::try_from(body.integer()?).ok()?;
        if self.record.counts == Counts::default() {
            self.record.version = version;
        }
        match version {
            0 | 1 => {
                let community = body.octets()?;
                let said = body.element()?;
                self.community(community, said.tag, out);
                self.said(side, &said, out)
            }
            3 => self.version3(side, &mut body, out),
            _ => None,
        }
    }

    fn community(&mut self, community: &[u8], kind: u8, out: &mut Output<'_>) {
        let mut hasher = DefaultHasher::new();
        community.hash(&mut hasher);
        if self.tried(hasher.finish(), None, Secret::Clear, kind, out) {
            self.record.communities = self.record.communities.saturating_add(1);
        }
    }

    /// Remember an attempt, and whether it was answered. True when it is a new one.
    fn tried(&mut self, key: u64, user: Option<String>, secret: Secret, kind: u8, out: &Output<'_>) -> bool {
        let answer = match kind {
            pdu::RESPONSE => Some(true),
            pdu::REPORT => Some(false),
            _ => None,
        };
        if let Some(known) = self.tried.iter_mut().find(|t| t.key == key) {
            known.answered = answer.or(known.answered);
            return false;
        }
        if self.tried.len() >= MAX_LOGINS {
            return false;
        }
        self.tried.push(Tried { key, at: out.at, user, secret, answered: answer });
        true
    }

    /// Header, security parameters, then the message, readable or sealed (RFC 3412 section 6).
    fn version3(&mut self, side: Side, body: &mut Reader<'_>, out: &mut Output<'_>) -> Option<()> {
        let mut global = body.enter(tag::SEQUENCE)?;
        let (_id, _size) = (global.integer()?, global.integer()?);
        let flags = global.octets()?.first().copied()? & 3;
        let parameters = body.octets()?;
        let mut usm = Reader::new(parameters).enter(tag::SEQUENCE)?;
        let engine = usm.octets()?;
        let (_boots, _time) = (usm.integer()?, usm.integer()?);
        let user = usm.octets()?;
        self.record.security = self.record.security.max(Some(flags));
        if !engine.is_empty() {
            self.record.engine_id.get_or_insert_with(|| hex(engine.get(..MAX_NAME).unwrap_or(engine)));
        }
        let plain = body.enter(tag::SEQUENCE).filter(|_| flags & 2 == 0);
        let said = match plain {
            Some(mut scoped) => {
                scoped.octets()?;
                let context = scoped.octets()?;
                if !context.is_empty() {
                    self.record.context.get_or_insert_with(|| printable(context, MAX_NAME));
                }
                Some(scoped.element()?)
            }
            None => None,
        };
        if !user.is_empty() {
            let name = printable(user, MAX_NAME);
            let mut hasher = DefaultHasher::new();
            user.hash(&mut hasher);
            let secret = if flags & 1 != 0 { Secret::Hashed } else { Secret::None };
            self.record.user.get_or_insert_with(|| name.clone());
            // A sealed message from the other side is an answer, whatever it says.
            let kind = said.map_or(if side == Side::Resp { pdu::RESPONSE } else { pdu::GET }, |s| s.tag);
            self.tried(hasher.finish(), Some(name), secret, kind, out);
        }
        match said {
            Some(said) => self.said(side, &said, out)?,
            None => add(&mut self.record.counts.encrypted, 1),
        }
        Some(())
    }

    /// The message itself.
    fn said(&mut self, side: Side, said: &Element<'_>, out: &mut Output<'_>) -> Option<()> {
        let counts = &mut self.record.counts;
        let (count, purpose) = match said.tag {
            pdu::GET => (&mut counts.get, Use::Asked),
            pdu::GET_NEXT => (&mut counts.get_next, Use::Asked),
            pdu::GET_BULK => (&mut counts.get_bulk, Use::Asked),
            pdu::SET => (&mut counts.set, Use::Written),
            pdu::RESPONSE => (&mut counts.responses, Use::Answered),
            pdu::TRAP_V1 | pdu::TRAP | pdu::INFORM => (&mut counts.traps, Use::Asked),
            pdu::REPORT => (&mut counts.reports, Use::Asked),
            _ => return None,
        };
        add(count, 1);
        let mut body = said.inner()?;
        if said.tag == pdu::TRAP_V1 {
            // Enterprise, agent, two kinds, time (RFC 1157 section 4.1.6).
            let enterprise = body.take(tag::OID)?;
            note(&mut self.record.oids, &enterprise);
            for _ in 0..4 {
                body.element()?;
            }
        } else {
            let id = body.integer()?;
            let (status, _index) = (body.integer()?, body.integer()?);
            if said.tag != pdu::RESPONSE {
                self.record.request_id.get_or_insert(id);
            } else if status != 0 {
                add(&mut self.record.counts.errors, 1);
                let status = u8::try_from(status).ok()?;
                self.record.error_status.get_or_insert(status);
            }
        }
        let mut variables = body.enter(tag::SEQUENCE)?;
        for _ in 0..MAX_VARIABLES {
            let Some(mut pair) = variables.enter(tag::SEQUENCE) else { break };
            let (name, value) = (pair.take(tag::OID)?, pair.element()?);
            self.variable(side, purpose, &name, &value, out);
        }
        Some(())
    }

    fn variable(
        &mut self,
        side: Side,
        purpose: Use,
        name: &Element<'_>,
        value: &Element<'_>,
        out: &mut Output<'_>,
    ) {
        match purpose {
            Use::Asked => note(&mut self.record.oids, name),
            Use::Written => {
                note(&mut self.record.oids, name);
                note(&mut self.record.set_oids, name);
            }
            Use::Answered => {
                add(&mut self.record.counts.variables, 1);
                let device = out.host(side);
                // The system group lies directly below 1.3.6.1.2.1.1: eight bytes tell it without a text.
                if value.tag != tag::OCTET_STRING || !name.body.starts_with(&[0x2b, 6, 1, 2, 1, 1]) {
                    return;
                }
                match name.oid().as_deref() {
                    Some(SYS_DESCR) => {
                        let text = value.text(super::clues::MAX_VALUE);
                        out.clue(device, Clue::System, &text, "snmp.sysDescr");
                        self.record.sys_descr.get_or_insert(text);
                    }
                    Some(SYS_NAME) => {
                        let text = value.text(super::clues::MAX_VALUE);
                        out.clue(device, Clue::Name, &text, "snmp.sysName");
                        self.record.sys_name.get_or_insert(text);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn add(count: &mut u32, n: u32) {
    *count = count.saturating_add(n);
}

/// Add a variable's name to the first ones of a flow.
fn note(list: &mut Vec<String>, name: &Element<'_>) {
    if list.len() < MAX_OIDS
        && let Some(oid) = name.oid().filter(|o| !list.contains(o))
    {
        list.push(oid);
    }
}

impl Parser for Snmp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        self.last = Some(out.at);
        if self.message(side, data, out).is_none() {
            out.weird(WeirdKind::SnmpMalformed, Detail::None);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for t in self.tried.drain(..) {
            let mechanism = if t.user.is_some() { "usm" } else { "community" };
            let credential = Credential {
                service: PROTOCOL.name,
                account: t.user,
                mechanism,
                secret: t.secret,
                success: t.answered,
                detail: None,
            };
            out.record(t.at, credential);
        }
        if let (Some(began), Some(last)) = (self.began.take(), self.last) {
            let mut record = std::mem::take(&mut self.record);
            record.duration = last.ts.since(began.ts);
            if record.counts != Counts::default() {
                out.record(began, record);
            }
        }
    }
}

#[cfg(test)]
mod tests;
