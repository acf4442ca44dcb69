//! Which commands does a MongoDB client give, and who is it?
//!
//! MongoDB's wire protocol (github.com/mongodb/specifications, "OP_MSG"; MongoDB manual, "Wire Protocol") and BSON (bsonspec.org): the name of each
//! command with its collection, its outcome, the client's metadata and SASL logins. Told by a little-endian length that
//! fits and a known operation with a document in its place.
//! Refuses: documents, of which only the first names are read, and compressed messages but for their presence.

mod bson;
mod record;

pub use record::{MongoCommand, TABLE};

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use bson::{Value, elements, zero_ended};
use std::collections::VecDeque;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "mongodb",
    about: "MongoDB wire protocol; told by a little-endian length that fits and a known operation with a document behind it.",
    transports: &[Transport::Tcp],
    ports: &[27017],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: KEEP + HEADER,
    probe,
    parser: Some(|| Box::<Mongo>::default()),
};

/// Length, number, number of what is answered, operation, bytes.
const HEADER: usize = 16;

/// Bytes of a message that are looked at; names stand at its start, `$db` behind most commands' arguments.
const KEEP: usize = 8 << 10;

/// Longest message, bytes: the server's own limit (48,000,000).
const MESSAGE_CAP: u32 = 48_000_000;

/// Longest name or error text shown, bytes; names of databases with collections end at 255.
const TEXT_CAP: usize = 256;

/// Commands that wait for their answers.
const PENDING_CAP: usize = 64;

/// Rows that one flow may write: an application server keeps its connections for days.
const COMMANDS_CAP: u32 = 10_000;

mod operation {
    pub(super) const REPLY: u32 = 1;
    pub(super) const UPDATE: u32 = 2001;
    pub(super) const INSERT: u32 = 2002;
    pub(super) const QUERY: u32 = 2004;
    pub(super) const GET_MORE: u32 = 2005;
    pub(super) const DELETE: u32 = 2006;
    pub(super) const KILL_CURSORS: u32 = 2007;
    pub(super) const COMPRESSED: u32 = 2012;
    pub(super) const MSG: u32 = 2013;
}

fn probe(p: &Probe<'_>) -> Verdict {
    let data = if p.orig.is_empty() { p.resp } else { p.orig };
    let mut c = Cursor::new(data);
    let (Some(len), Some(_), Some(reply_to), Some(op)) = (c.u32_le(), c.u32_le(), c.u32_le(), c.u32_le())
    else {
        // A length that fits: its high byte is 0 to 2.
        let fits = data.get(3).is_none_or(|b| *b <= 2);
        return if fits { Verdict::NeedMore } else { Verdict::NotMine };
    };
    if !(HEADER as u32 + 5..=MESSAGE_CAP).contains(&len) || (!p.orig.is_empty() && reply_to != 0) {
        return Verdict::NotMine;
    }
    let fits = match op {
        // Flags above the third bit may be set by nobody; a section of kind 0 or 1 follows.
        operation::MSG => match (c.u32_le(), c.u8()) {
            (Some(flags), Some(kind)) => flags & 0xfffe_fffc == 0 && kind <= 1,
            _ => return Verdict::NeedMore,
        },
        operation::QUERY => {
            c.skip(4);
            let name = c.rest();
            let end = name.iter().position(|b| *b == 0);
            match end {
                Some(end) => end > 2 && name.get(..end).is_some_and(|n| n.contains(&b'.') && n.is_ascii()),
                None if name.len() < TEXT_CAP => return Verdict::NeedMore,
                None => false,
            }
        }
        operation::COMPRESSED => match (c.u32_le(), c.u32_le(), c.u8()) {
            (Some(inner), Some(_), Some(how)) => matches!(inner, 1 | 2001..=2013) && how <= 3,
            _ => return Verdict::NeedMore,
        },
        operation::REPLY => p.orig.is_empty() && p.on_port(PROTOCOL.ports),
        operation::UPDATE
        | operation::INSERT
        | operation::GET_MORE
        | operation::DELETE
        | operation::KILL_CURSORS => p.on_port(PROTOCOL.ports),
        _ => false,
    };
    if fits { Verdict::Mine(88) } else { Verdict::NotMine }
}

fn shown(text: &[u8]) -> Option<Box<str>> {
    (!text.is_empty()).then(|| printable(text, TEXT_CAP).into())
}

/// A command that waits for its answer.
struct Pending {
    began: At,
    id: u32,
    /// Does its answer end the login?
    login: bool,
    row: Box<MongoCommand>,
}

/// A login that is going on.
struct Login {
    began: At,
    account: Option<String>,
    mechanism: &'static str,
    secret: Secret,
    database: Option<Box<str>>,
}

/// The state of one connection.
#[derive(Default)]
struct Mongo {
    pending: VecDeque<Pending>,
    login: Option<Login>,
    written: u32,
    lost: [bool; 2],
    seen: bool,
}

impl Mongo {
    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// The document of a message, and the collection of the older ones.
    fn document<'a>(op: u32, c: &mut Cursor<'a>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        match op {
            operation::MSG => {
                c.skip(4)?;
                // Kind 1 is a list of documents that belong to the command; it may stand before it.
                loop {
                    match c.u8()? {
                        0 => return Some((c.rest(), None)),
                        1 => {
                            let length = c.u32_le()? as usize;
                            c.skip(length.checked_sub(4)?)?;
                        }
                        _ => return None,
                    }
                }
            }
            operation::QUERY => {
                c.skip(4)?;
                let name = zero_ended(c)?;
                c.skip(8)?;
                Some((c.rest(), Some(name)))
            }
            operation::REPLY => {
                c.skip(20)?;
                Some((c.rest(), None))
            }
            _ => None,
        }
    }

    fn ask(&mut self, id: u32, op: u32, payload: &[u8], out: &mut Output<'_>) {
        let mut row = Box::<MongoCommand>::default();
        let mut c = Cursor::new(payload);
        let mut login = false;
        let no_answer = match op {
            operation::MSG => Cursor::new(payload).u32_le().is_some_and(|flags| flags & 2 != 0),
            operation::UPDATE | operation::INSERT | operation::DELETE | operation::KILL_CURSORS => true,
            _ => false,
        };
        let old = match op {
            operation::UPDATE => Some("update"),
            operation::INSERT => Some("insert"),
            operation::DELETE => Some("delete"),
            operation::GET_MORE => Some("getMore"),
            operation::KILL_CURSORS => Some("killCursors"),
            _ => None,
        };
        if let Some(name) = old {
            row.command = Some(name.into());
            c.skip(4);
            if op != operation::KILL_CURSORS {
                named(&mut row, zero_ended(&mut c).unwrap_or(&[]));
            }
        } else if let Some((document, name)) = Self::document(op, &mut c) {
            let query = name.is_some_and(|n| !n.ends_with(b".$cmd"));
            if let Some(name) = name {
                named(&mut row, name);
            }
            if query {
                row.command = Some("find".into());
            } else {
                row.collection = None;
                login = self.command(&mut row, document, out);
            }
        } else if op != operation::COMPRESSED {
            out.weird(
                WeirdKind::DatabaseMalformed,
                Detail::Text("a message of MongoDB without its document".into()),
            );
            return;
        }
        if no_answer {
            self.write(Pending { began: out.at, id, login: false, row }, out);
            return;
        }
        if self.pending.len() >= PENDING_CAP {
            out.weird(WeirdKind::PendingFull, Detail::Number(PENDING_CAP as u64));
            if let Some(oldest) = self.pending.pop_front() {
                self.write(oldest, out);
            }
        }
        self.pending.push_back(Pending { began: out.at, id, login, row });
    }

    /// Read a command's document; true when it belongs to a login.
    fn command(&mut self, row: &mut MongoCommand, document: &[u8], out: &mut Output<'_>) -> bool {
        let mut login = false;
        for (i, (name, value)) in elements(document).enumerate() {
            match (name, value) {
                _ if i == 0 => {
                    row.command = shown(name);
                    if let Value::Text(collection) = value {
                        row.collection = shown(collection);
                    }
                    login = matches!(name, b"saslStart" | b"saslContinue" | b"authenticate");
                    if matches!(name, b"saslStart" | b"authenticate") {
                        self.start(document, out);
                    }
                }
                (b"$db", Value::Text(database)) => {
                    row.database = shown(database);
                    if let Some(login) = &mut self.login
                        && login.database.is_none()
                    {
                        login.database.clone_from(&row.database);
                    }
                }
                (b"collection", Value::Text(collection)) => row.collection = shown(collection),
                (b"client", Value::Document(client)) => row.client = program(client),
                (b"speculativeAuthenticate", Value::Document(start)) => self.start(start, out),
                _ => {}
            }
        }
        login
    }

    /// The first step of a login.
    fn start(&mut self, document: &[u8], out: &Output<'_>) {
        let (mut mechanism, mut payload, mut account, mut database) = (&b""[..], &b""[..], None, None);
        for (name, value) in elements(document) {
            match (name, value) {
                (b"mechanism", Value::Text(m)) => mechanism = m,
                (b"payload", Value::Bytes(p) | Value::Text(p)) => payload = p,
                (b"user", Value::Text(user)) => account = Some(printable(user, MAX_ACCOUNT)),
                (b"db" | b"$db", Value::Text(name)) => database = shown(name),
                _ => {}
            }
        }
        let (mechanism, secret) = match mechanism {
            b"SCRAM-SHA-1" => ("scram-sha-1", Secret::Hashed),
            b"SCRAM-SHA-256" => ("scram-sha-256", Secret::Hashed),
            b"MONGODB-CR" => ("mongodb-cr", Secret::Hashed),
            b"PLAIN" => ("plain", Secret::Clear),
            b"MONGODB-X509" => ("x509", Secret::None),
            b"GSSAPI" => ("gssapi", Secret::Hashed),
            b"MONGODB-AWS" => ("aws", Secret::Hashed),
            _ => ("sasl", Secret::Hashed),
        };
        if secret == Secret::Clear {
            // Who is meant, who it is, the password, with zeros between them.
            let who = payload.split(|b| *b == 0).nth(1);
            account = account.or(who.map(|w| printable(w, MAX_ACCOUNT)));
        } else if mechanism.starts_with("scram") {
            // "n,,n=user,r=nonce" (RFC 5802 section 7).
            let who = payload.split(|b| *b == b',').find_map(|part| part.strip_prefix(b"n="));
            account = account.or(who.map(|w| printable(w, MAX_ACCOUNT)));
        }
        self.login = Some(Login { began: out.at, account, mechanism, secret, database });
    }

    fn answer(&mut self, id: u32, op: u32, payload: &[u8], out: &mut Output<'_>) {
        let Some(at) = self.pending.iter().position(|p| p.id == id) else { return };
        let Some(mut pending) = self.pending.remove(at) else { return };
        let row = &mut pending.row;
        row.rtt = Some(out.at.ts.since(pending.began.ts));
        let mut login_done = false;
        let document = Self::document(op, &mut Cursor::new(payload));
        let listed = op == operation::REPLY && row.command.as_deref() == Some("find");
        if op == operation::REPLY {
            // Flags: cursor not found, query failed.
            let mut c = Cursor::new(payload);
            let failed = c.u32_le().is_some_and(|flags| flags & 3 != 0);
            c.skip(12);
            row.success = Some(!failed);
            row.count = c.u32_le().map(u64::from).filter(|_| listed);
        }
        for (name, value) in document.into_iter().flat_map(|(d, _)| elements(d)) {
            match (name, value) {
                (b"ok", Value::Number(n)) => row.success = Some(n != 0.0),
                (b"ok", Value::Bool(yes)) => row.success = Some(yes),
                (b"n", Value::Number(n)) if !listed => row.count = Some(n as u64),
                (b"code", Value::Number(n)) if !listed => row.error_code = Some(n as i64),
                (b"errmsg", Value::Text(text)) => row.error = shown(text),
                (b"done", Value::Bool(done)) => login_done = done,
                _ => {}
            }
        }
        let over = pending.login && (login_done || row.success == Some(false));
        let (success, error) = (row.success, row.error.clone());
        if over || (pending.login && row.command.as_deref() == Some("authenticate")) {
            self.logged_in(success, error, out);
        }
        self.write(pending, out);
    }

    fn logged_in(&mut self, success: Option<bool>, error: Option<Box<str>>, out: &mut Output<'_>) {
        let Some(login) = self.login.take() else { return };
        let detail = error.map(String::from).or(login.database.map(|d| format!("database {d}")));
        let (account, mechanism, secret) = (login.account, login.mechanism, login.secret);
        out.record(
            login.began,
            Credential { service: "mongodb", account, mechanism, secret, success, detail },
        );
    }

    fn write(&mut self, pending: Pending, out: &mut Output<'_>) {
        if self.written == COMMANDS_CAP {
            out.weird(WeirdKind::RecordsFull, Detail::Number(u64::from(COMMANDS_CAP)));
        }
        if self.written <= COMMANDS_CAP {
            self.written += 1;
        }
        if self.written <= COMMANDS_CAP {
            out.record(pending.began, *pending.row);
        }
    }
}

/// `database.collection`, as the older messages say it.
fn named(row: &mut MongoCommand, name: &[u8]) {
    let dot = name.iter().position(|b| *b == b'.').unwrap_or(name.len());
    row.database = shown(name.get(..dot).unwrap_or(&[]));
    row.collection = shown(name.get(dot + 1..).unwrap_or(&[]));
}

/// The client's metadata: its application, else its driver with version.
fn program(client: &[u8]) -> Option<Box<str>> {
    let text = |document: &[u8], wanted: &[u8]| {
        elements(document).find_map(|(name, value)| match value {
            Value::Text(text) if name == wanted => shown(text),
            _ => None,
        })
    };
    let (mut application, mut driver) = (None, None);
    for (name, value) in elements(client) {
        match (name, value) {
            (b"application", Value::Document(d)) => application = text(d, b"name"),
            (b"driver", Value::Document(d)) => {
                driver = text(d, b"name").map(|n| match text(d, b"version") {
                    Some(version) => format!("{n} {version}").into(),
                    None => n,
                });
            }
            _ => {}
        }
    }
    application.or(driver)
}

impl Parser for Mongo {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            let mut c = Cursor::new(rest);
            let (Some(len), Some(id), Some(reply_to), Some(op)) =
                (c.u32_le(), c.u32_le(), c.u32_le(), c.u32_le())
            else {
                break;
            };
            let known = matches!(
                op,
                operation::REPLY | operation::UPDATE
                    ..=operation::KILL_CURSORS | operation::COMPRESSED | operation::MSG | 2010 | 2011
            );
            let valid = known && (HEADER as u32..=MESSAGE_CAP).contains(&len);
            if *self.lost(side) {
                // Only the start of a segment can be the start of a message.
                if at > 0 || !valid || op == operation::REPLY && side == Side::Orig {
                    return Fed::Took(data.len());
                }
                *self.lost(side) = false;
            }
            if !valid {
                if !self.seen {
                    return Fed::NotMine;
                }
                out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no message of MongoDB".into()));
                self.finish(out);
                return Fed::Done;
            }
            let len = len as usize - HEADER;
            if c.remaining() < len.min(KEEP) {
                break;
            }
            self.seen = true;
            let payload = c.rest().get(..len.min(KEEP)).unwrap_or(c.rest());
            match side {
                Side::Orig => self.ask(id, op, payload, out),
                Side::Resp => self.answer(reply_to, op, payload, out),
            }
            if len > c.remaining() {
                return Fed::Skip((len - c.remaining()) as u64);
            }
            at += HEADER + len;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.logged_in(None, None, out);
        while let Some(pending) = self.pending.pop_front() {
            self.write(pending, out);
        }
    }
}

#[cfg(test)]
mod tests;
