//! Which answer belongs to which question?
//!
//! Questions wait here, oldest first, until their answer comes or the flow ends. mDNS, and what is sent to many at once, is
//! not waited for: answers come from other addresses, in flows of their own, and each side's messages stand alone.

use super::message::{Edns, Message, Question};
use super::record::{DnsRecord, Kind, Reply};
use crate::flow::At;
use crate::model::flow::{Side, ip_protocol};
use crate::model::time::secs;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use std::collections::VecDeque;

/// Questions of one flow that wait for an answer. A busy resolver with one port has some dozens in flight.
const MAX_PENDING: usize = 256;

/// A question that comes again within this time is a retransmission, later it is a new one. Resolvers give up after
/// 5 to 30 seconds.
const RETRY_WINDOW: i64 = secs(30);

/// A question that was sent.
struct Pending {
    began: At,
    /// When it was sent last.
    sent: At,
    side: Side,
    record: DnsRecord,
    /// Answers that may still come: one for each time the question was sent.
    owed: u16,
    /// The answer that was written last, to tell a repetition from another answer.
    written: Option<u64>,
}

/// The open questions of one flow.
#[derive(Default)]
pub(super) struct Pairs {
    pending: VecDeque<Pending>,
}

/// Enough of an answer to tell a repetition from another answer (FNV-1a, 64 bits).
fn fingerprint(message: &[u8]) -> u64 {
    message.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

impl Pairs {
    /// Take a message.
    pub(super) fn take(&mut self, kind: Kind, side: Side, m: Message, bytes: &[u8], out: &mut Output<'_>) {
        if m.header.is_response() {
            self.response(kind, side, m, bytes, out);
        } else {
            for question in &m.questions {
                self.question(kind, side, &m, question, bytes.len(), out);
            }
        }
    }

    fn question(
        &mut self,
        kind: Kind,
        side: Side,
        m: &Message,
        question: &Question,
        len: usize,
        out: &mut Output<'_>,
    ) {
        let mut record = blank(kind, side, m, out);
        record.query = Some(question.name.clone());
        record.qtype = Some(question.qtype);
        record.qclass = Some(class(kind, question.qclass));
        record.attempts = 1;
        record.edns.clone_from(&m.edns);
        record.query_bytes = Some(len as u32);
        if kind == Kind::Mdns || out.flow.tuple.dst.is_multicast() {
            out.record(out.at, record);
            return;
        }
        if let Some(i) = self.find(side, m.header.id, Some(question)) {
            let now = out.at;
            let fresh = self.pending.get(i).is_none_or(|p| now.ts.since(p.sent.ts) > RETRY_WINDOW);
            match self.pending.get_mut(i) {
                Some(p) if !fresh => {
                    p.record.attempts = p.record.attempts.saturating_add(1);
                    p.owed = p.owed.saturating_add(1);
                    p.sent = now;
                    return;
                }
                _ => self.write(i, out),
            }
        }
        if self.pending.len() >= MAX_PENDING {
            self.write(0, out);
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
        }
        let (began, sent) = (out.at, out.at);
        self.pending.push_back(Pending { began, sent, side, record, owed: 1, written: None });
    }

    /// The question that waits, asked by `side`. An answer that does not repeat it is known by its identifier.
    fn find(&self, side: Side, id: u16, question: Option<&Question>) -> Option<usize> {
        self.pending.iter().position(|p| {
            let r = &p.record;
            let same = question.is_none_or(|q| {
                r.qtype == Some(q.qtype)
                    && r.qclass == Some(class(r.kind, q.qclass))
                    && r.query.as_deref() == Some(&q.name)
            });
            p.side == side && r.trans_id == id && same
        })
    }

    fn response(&mut self, kind: Kind, side: Side, mut m: Message, bytes: &[u8], out: &mut Output<'_>) {
        // The records belong to the first question; who asks several at once gets the same code for all.
        let mut answers = std::mem::take(&mut m.records);
        let mut take = |question: Option<&Question>| {
            let reply = Reply { answers: std::mem::take(&mut answers), ..bare_reply(&m, bytes.len()) };
            match self.find(side.other(), m.header.id, question) {
                Some(i) => self.answer(i, reply, m.edns.clone(), bytes, out),
                None => unasked(kind, side, question, reply, &m, out),
            }
        };
        // NetBIOS repeats the name in the answer instead of the question (RFC 1002 section 4.2.13).
        if m.questions.is_empty() {
            take(None);
        }
        for question in &m.questions {
            take(Some(question));
        }
    }

    fn answer(&mut self, i: usize, mut reply: Reply, edns: Option<Edns>, bytes: &[u8], out: &mut Output<'_>) {
        let Some(p) = self.pending.get_mut(i) else { return };
        let print = fingerprint(bytes);
        let again = p.written == Some(print);
        p.written = Some(print);
        p.owed = p.owed.saturating_sub(1);
        reply.rtt = Some(out.at.ts.since(p.sent.ts));
        let began = p.began;
        let record =
            if p.owed == 0 { self.pending.remove(i).map(|p| p.record) } else { Some(p.record.clone()) };
        if let Some(mut record) = record
            && !again
        {
            record.edns = record.edns.or(edns);
            record.reply = Some(reply);
            out.record(began, record);
        }
    }

    /// Write a question as it stands, unless its answer was written.
    fn write(&mut self, i: usize, out: &mut Output<'_>) {
        if let Some(p) = self.pending.remove(i)
            && p.written.is_none()
        {
            out.record(p.began, p.record);
        }
    }

    /// No more answers will come.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        while !self.pending.is_empty() {
            self.write(0, out);
        }
    }
}

/// The class without mDNS's bit for unicast answers and cache flushes (RFC 6762 sections 5.4 and 10.2).
fn class(kind: Kind, class: u16) -> u16 {
    if kind == Kind::Mdns { class & 0x7fff } else { class }
}

/// What both sides' messages have in common. `side` is who asked.
fn blank(kind: Kind, side: Side, m: &Message, out: &Output<'_>) -> DnsRecord {
    let t = &out.flow.tuple;
    let (client, server) = match side {
        Side::Orig => (t.src, t.dst),
        Side::Resp => (t.dst, t.src),
    };
    DnsRecord {
        kind,
        tcp: t.protocol == ip_protocol::TCP,
        client,
        server,
        trans_id: m.header.id,
        opcode: m.header.opcode(),
        query: None,
        qtype: None,
        qclass: None,
        rd: m.header.rd(),
        attempts: 0,
        reply: None,
        edns: None,
        query_bytes: None,
    }
}

fn bare_reply(m: &Message, len: usize) -> Reply {
    let [_, counts @ ..] = m.header.counts;
    Reply {
        rtt: None,
        rcode: m.rcode(),
        aa: m.header.aa(),
        tc: m.header.tc(),
        ra: m.header.ra(),
        answers: Vec::new(),
        counts,
        bytes: len as u32,
    }
}

/// An answer that nobody is known to have asked for. For multicast protocols that is how it works.
fn unasked(
    kind: Kind,
    side: Side,
    question: Option<&Question>,
    reply: Reply,
    m: &Message,
    out: &mut Output<'_>,
) {
    if kind == Kind::Dns {
        out.weird(WeirdKind::DnsUnmatchedAnswer, Detail::Number(u64::from(m.header.id)));
    }
    let mut record = blank(kind, side.other(), m, out);
    let first = reply.answers.first();
    record.query = question.map(|q| q.name.clone()).or_else(|| first.map(|a| a.name.clone()));
    record.qtype = question.map(|q| q.qtype).or_else(|| first.map(|a| a.rtype));
    record.qclass = question.map(|q| class(kind, q.qclass));
    record.edns.clone_from(&m.edns);
    record.reply = Some(reply);
    out.record(out.at, record);
}
