//! Who asks which PostgreSQL server what, and how did it answer?
//!
//! PostgreSQL's frontend/backend protocol 3 (postgresql.org/docs, chapter "Frontend/Backend Protocol"): start-up, TLS request, login, simple
//! and prepared queries with their results. TLS inside is followed by [`Fed::Switch`]. Told by the client's start-up, TLS or
//! cancel request with its exact length.
//! Refuses: protocol 2, values of result rows, parameters of prepared statements, copied data.

mod login;
mod record;

pub use record::{PostgresCommand, TABLE};

use super::credentials::CREDENTIALS;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be32};
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "postgresql",
    about: "PostgreSQL; told by the client's start-up, TLS or cancel request with its exact length.",
    transports: &[Transport::Tcp],
    ports: &[5432],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: KEEP + HEADER,
    probe,
    parser: Some(|| Box::<Postgres>::default()),
};

/// Type and length before each message, bytes.
const HEADER: usize = 5;

/// Bytes of a message that are looked at; longer ones (rows, copied data, bulk inserts) are stepped over.
const KEEP: usize = 8 << 10;

/// Longest message that is believed, bytes: what one field may hold (1 GiB).
const MESSAGE_CAP: u32 = 1 << 30;

/// Longest query shown, bytes: enough for what people and programs write, not for bulk inserts.
const ARGUMENT_CAP: usize = 2_048;

/// Longest name or error text, bytes; names end at 63 in the server.
const TEXT_CAP: usize = 512;

/// Commands that wait for their answers; pipelines of drivers stay below.
const PENDING_CAP: usize = 256;

/// Rows that one flow may write: an application server keeps its connections for days.
const COMMANDS_CAP: u32 = 10_000;

mod code {
    pub(super) const V3_0: u32 = 0x0003_0000;
    pub(super) const V3_2: u32 = 0x0003_0002;
    pub(super) const CANCEL: u32 = 80_877_102;
    pub(super) const TLS: u32 = 80_877_103;
    pub(super) const GSS: u32 = 80_877_104;
}

fn probe(p: &Probe<'_>) -> Verdict {
    match (be32(p.orig, 0), be32(p.orig, 4)) {
        (Some(8), Some(code::TLS | code::GSS)) | (Some(16), Some(code::CANCEL)) => Verdict::Mine(95),
        (Some(9..=10_000), Some(code::V3_0 | code::V3_2)) => {
            // Parameters may come in any order; user and database lead in every client.
            let name = p.orig.get(8..).unwrap_or(&[]);
            let known = [
                &b"user\0"[..],
                b"database\0",
                b"application_name\0",
                b"client_encoding\0",
                b"replication\0",
                b"options\0",
            ];
            if known.iter().any(|k| name.starts_with(k)) {
                Verdict::Mine(90)
            } else if known.iter().any(|k| k.starts_with(name)) {
                Verdict::NeedMore
            } else {
                Verdict::NotMine
            }
        }
        (Some(8..=10_000), None) if p.resp.is_empty() => Verdict::NeedMore,
        (None, None) if p.resp.is_empty() => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// Text up to a zero, or to the end.
fn zero_ended<'a>(c: &mut Cursor<'a>) -> &'a [u8] {
    let rest = c.rest();
    let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    let text = c.take(end).unwrap_or(&[]);
    c.skip(1);
    text
}

fn shown(text: &[u8]) -> Option<Box<str>> {
    (!text.is_empty()).then(|| printable(text, TEXT_CAP).into())
}

/// A command that waits for its answer.
struct Pending {
    began: At,
    /// The batch it belongs to: the server ends each with ReadyForQuery.
    batch: u32,
    /// A prepared query: was it executed too?
    executed: bool,
    row: Box<PostgresCommand>,
}

/// How far the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Stage {
    /// The client's first message, which has no type.
    #[default]
    Start,
    /// The server answers a request for encryption with one byte.
    Encryption,
    Login,
    Ready,
}

/// The state of one connection.
#[derive(Default)]
struct Postgres {
    stage: Stage,
    user: Option<Box<str>>,
    database: Option<Box<str>>,
    application: Option<Box<str>>,
    server_version: Option<Box<str>>,
    auth: Option<&'static str>,
    answered: bool,
    pending: VecDeque<Pending>,
    /// Batches that the client ended, and the server.
    sent: u32,
    done: u32,
    /// Name of the prepared query that the last Bind named.
    bound: Option<String>,
    written: u32,
    lost: [bool; 2],
}

impl Postgres {
    fn push(&mut self, command: &'static str, argument: Option<String>, out: &mut Output<'_>) {
        if self.pending.len() >= PENDING_CAP {
            out.weird(WeirdKind::PendingFull, Detail::Number(PENDING_CAP as u64));
            if let Some(oldest) = self.pending.pop_front() {
                self.write(oldest, out);
            }
        }
        let row = Box::new(PostgresCommand { command, argument, ..PostgresCommand::default() });
        self.pending.push_back(Pending {
            began: out.at,
            batch: self.sent,
            executed: command != "parse",
            row,
        });
    }

    fn write(&mut self, mut pending: Pending, out: &mut Output<'_>) {
        let row = &mut pending.row;
        row.user.clone_from(&self.user);
        row.database.clone_from(&self.database);
        row.application.clone_from(&self.application);
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

    /// A message of the client.
    fn ask(&mut self, kind: u8, payload: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(payload);
        let text = |text: &[u8]| (!text.is_empty()).then(|| printable(text, ARGUMENT_CAP));
        match kind {
            b'p' => self.answered = true,
            b'Q' => {
                self.push("query", text(zero_ended(&mut c)), out);
                self.sent = self.sent.wrapping_add(1);
            }
            b'P' => {
                zero_ended(&mut c);
                self.push("parse", text(zero_ended(&mut c)), out);
            }
            b'B' => {
                zero_ended(&mut c);
                self.bound = text(zero_ended(&mut c));
            }
            b'E' => match self.pending.back_mut() {
                // The query that was prepared just before.
                Some(last) if !last.executed => last.executed = true,
                _ => {
                    let bound = self.bound.clone();
                    self.push("execute", bound, out);
                }
            },
            b'S' => self.sent = self.sent.wrapping_add(1),
            b'F' => {
                self.push("function_call", None, out);
                self.sent = self.sent.wrapping_add(1);
            }
            b'X' => {
                self.push("terminate", None, out);
            }
            _ => {}
        }
    }

    /// A message of the server.
    fn answer(&mut self, kind: u8, payload: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        let mut c = Cursor::new(payload);
        let at = out.at;
        if let Some(front) = self.pending.front_mut()
            && front.row.rtt.is_none()
            && !matches!(kind, b'S' | b'N' | b'A')
        {
            front.row.rtt = Some(at.ts.since(front.began.ts));
        }
        match kind {
            b'R' => self.authentication(&mut c),
            b'S' => {
                let (name, value) = (zero_ended(&mut c), zero_ended(&mut c));
                if name == b"server_version" {
                    self.server_version = shown(value);
                    let version = printable(value, TEXT_CAP);
                    out.clue(
                        out.flow.tuple.dst,
                        super::clues::Clue::Server,
                        &format!("PostgreSQL {version}"),
                        "postgresql",
                    );
                }
            }
            b'E' => {
                self.error(&mut c, out);
                if self.stage == Stage::Login {
                    self.login_over(false, out);
                    return Some(Fed::Done);
                }
            }
            b'Z' if self.stage == Stage::Login => {
                self.login_over(true, out);
                self.stage = Stage::Ready;
            }
            b'Z' => {
                self.done = self.done.wrapping_add(1);
                while self.pending.front().is_some_and(|p| p.batch < self.done) {
                    if let Some(pending) = self.pending.pop_front() {
                        self.write(pending, out);
                    }
                }
            }
            b'C' | b'I' | b's' => {
                // A prepared query that was not executed has its outcome already.
                while self.pending.front().is_some_and(|p| !p.executed) {
                    if let Some(pending) = self.pending.pop_front() {
                        self.write(pending, out);
                    }
                }
                let front = self.pending.front_mut()?;
                front.row.success = Some(true);
                if kind == b'C' {
                    front.row.tag = shown(zero_ended(&mut c));
                }
                // A simple query may hold several; its end is ReadyForQuery.
                if front.row.command != "query"
                    && let Some(pending) = self.pending.pop_front()
                {
                    self.write(pending, out);
                }
            }
            b'1' => {
                if let Some(front) =
                    self.pending.iter_mut().find(|p| p.row.command == "parse" && p.row.success.is_none())
                {
                    front.row.success = Some(true);
                }
            }
            b'T' => {
                if let Some(row) = self.running() {
                    row.rows.get_or_insert(0);
                }
            }
            b'D' => {
                if let Some(row) = self.running() {
                    row.rows = Some(row.rows.unwrap_or(0).saturating_add(1));
                }
            }
            _ => {}
        }
        None
    }

    /// The command that the server is at.
    fn running(&mut self) -> Option<&mut PostgresCommand> {
        self.pending.iter_mut().find(|p| p.executed).map(|p| &mut *p.row)
    }

    /// Fields of a letter and text each (chapter "Error and Notice Message Fields").
    fn error(&mut self, c: &mut Cursor<'_>, out: &mut Output<'_>) {
        let (mut state, mut text) = (None, None);
        while let Some(field @ 1..) = c.u8() {
            let value = zero_ended(c);
            match field {
                b'C' => state = shown(value),
                b'M' => text = shown(value),
                _ => {}
            }
        }
        // What was prepared and not executed failed in its place; what was executed comes before what follows.
        let Some(front) = self.pending.front_mut() else { return };
        front.row.success = Some(false);
        front.row.error_code = state;
        front.row.error = text;
        if front.row.command != "query"
            && self.stage == Stage::Ready
            && let Some(pending) = self.pending.pop_front()
        {
            self.write(pending, out);
        }
    }

    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// May a message of this side begin so?
    fn known(side: Side, kind: u8) -> bool {
        match side {
            Side::Orig => b"pQPBEDCSHFXdcf".contains(&kind),
            Side::Resp => b"RKSZCDTENIA123nstGHWvdcV".contains(&kind),
        }
    }
}

impl Parser for Postgres {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            match (self.stage, side) {
                (Stage::Start, Side::Orig) => {
                    match self.start(rest, out) {
                        Some(Fed::Took(n)) => at += n,
                        Some(fed) => return fed,
                        None => break,
                    }
                    continue;
                }
                (Stage::Start, Side::Resp) => return Fed::NotMine,
                // Behind its request the client waits for the answer.
                (Stage::Encryption, Side::Orig) => break,
                (Stage::Encryption, Side::Resp) => {
                    let accepted = match rest.first() {
                        Some(b'S' | b'G') => true,
                        Some(b'N') => false,
                        _ => {
                            self.finish(out);
                            return Fed::Done;
                        }
                    };
                    if let Some(mut request) = self.pending.pop_front() {
                        request.row.success = Some(accepted);
                        request.row.rtt = Some(out.at.ts.since(request.began.ts));
                        self.write(request, out);
                    }
                    at += 1;
                    if accepted {
                        return Fed::Switch(at);
                    }
                    self.stage = Stage::Start;
                    continue;
                }
                (Stage::Login | Stage::Ready, _) => {}
            }
            let mut c = Cursor::new(rest);
            let (Some(kind), Some(length)) = (c.u8(), c.u32()) else { break };
            let valid = (4..=MESSAGE_CAP).contains(&length) && Self::known(side, kind);
            if *self.lost(side) {
                // Only the start of a segment can be the start of a message.
                if at > 0 || !valid || length as usize > data.len() {
                    return Fed::Took(data.len());
                }
                *self.lost(side) = false;
            }
            if !valid {
                out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no message of PostgreSQL".into()));
                self.finish(out);
                return Fed::Done;
            }
            let length = length as usize - 4;
            // Values of rows are not looked at.
            let want = if matches!(kind, b'D' | b'd') { 0 } else { length.min(KEEP) };
            if c.remaining() < want {
                break;
            }
            let payload = c.rest().get(..length).unwrap_or(c.rest());
            let turn = match side {
                Side::Orig => {
                    self.ask(kind, payload, out);
                    None
                }
                Side::Resp => self.answer(kind, payload, out),
            };
            if let Some(fed) = turn {
                return fed;
            }
            if length > c.remaining() {
                return Fed::Skip((length - c.remaining()) as u64);
            }
            at += HEADER + length;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        self.finish(out);
        if self.stage != Stage::Ready {
            return Fed::Done;
        }
        self.done = self.sent;
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if self.stage == Stage::Login
            && let Some(mut login) = self.pending.pop_front()
        {
            login.row.auth = self.auth;
            self.credential(&login, out);
            self.write(login, out);
        }
        while let Some(pending) = self.pending.pop_front() {
            self.write(pending, out);
        }
    }
}

#[cfg(test)]
mod tests;
