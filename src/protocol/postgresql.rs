//! Who asks which PostgreSQL server what, and how did it answer?
//!
//! PostgreSQL's frontend/backend protocol 3 (postgresql.org/docs, chapter "Frontend/Backend Protocol"): start-up, TLS request, login, simple
//! and prepared queries with their results. TLS inside is followed by [`Fed::Switch`]. Told by the client's start-up, TLS or
//! cancel request with its exact length.
//! Refuses: protocol 2, values of result rows, parameters of prepared statements, copied data.

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be32};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
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

/// One command, the login among them.
#[derive(Clone, Debug, Default)]
pub struct PostgresCommand {
    /// Its name.
    pub command: &'static str,
    /// Its text.
    pub argument: Option<String>,
    /// Account of the connection.
    pub user: Option<Box<str>>,
    /// Database of the connection.
    pub database: Option<Box<str>>,
    /// Program that the client names.
    pub application: Option<Box<str>>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Rows of the result.
    pub rows: Option<u64>,
    /// What the server says it did.
    pub tag: Option<Box<str>>,
    /// SQLSTATE.
    pub error_code: Option<Box<str>>,
    /// Error text.
    pub error: Option<Box<str>>,
    /// How the login was proved.
    pub auth: Option<&'static str>,
    /// Software of the server.
    pub server_version: Option<Box<str>>,
    /// From the command to the first answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "postgresql",
    "One row is one command of a PostgreSQL client with its outcome; the first of a flow is its login or what it asked instead.",
    &[
        col(
            "command",
            T::Text,
            "",
            "login, query, parse (a prepared query), execute (of one prepared before), copy, tls, gss, cancel or terminate.",
        ),
        col(
            "argument",
            T::Text,
            "",
            "Text of the query, name of the prepared one, or account; cut at 2048 bytes; NULL without one.",
        ),
        col("user", T::Text, "", "Account of the connection; NULL when its start was not seen."),
        col("database", T::Text, "", "Database of the connection; NULL when none was named."),
        col("application", T::Text, "", "Program that the client names; NULL when it names none."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or none is sent.",
        ),
        col("rows", T::U64, "rows", "Rows of the result that were sent; NULL without a result."),
        col("tag", T::Text, "", "What the server says it did, such as SELECT 5; NULL when it said nothing."),
        col("error_code", T::Text, "", "SQLSTATE of the error, such as 28P01; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "auth",
            T::Text,
            "",
            "How the account was proved: trust, password, md5, scram-sha-256, gss …; on the login only, else NULL.",
        ),
        col("server_version", T::Text, "", "Version that the server names; on the login only, else NULL."),
        col("rtt_s", T::F64, "seconds", "From the command to the first answer; NULL when none was seen."),
    ],
);

impl Record for PostgresCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.database.as_deref())
            .opt_text(self.application.as_deref())
            .opt_bool(self.success)
            .opt_u64(self.rows)
            .opt_text(self.tag.as_deref())
            .opt_text(self.error_code.as_deref())
            .opt_text(self.error.as_deref())
            .opt_text(self.auth)
            .opt_text(self.server_version.as_deref())
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
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

    /// The first message of a client: no type, but a code. `None`: not complete, or nothing of ours.
    fn start(&mut self, data: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        let mut c = Cursor::new(data);
        let (length, code) = (c.u32()?, c.u32()?);
        let length = usize::try_from(length).ok()?;
        if !(8..=KEEP).contains(&length) {
            return Some(Fed::NotMine);
        }
        let mut body = Cursor::new(c.take(length - 8)?);
        match code {
            code::TLS | code::GSS => {
                self.push(if code == code::TLS { "tls" } else { "gss" }, None, out);
                self.stage = Stage::Encryption;
            }
            code::CANCEL => {
                self.push("cancel", None, out);
                self.finish(out);
                return Some(Fed::Done);
            }
            _ if code >> 16 == 3 => {
                self.stage = Stage::Login;
                while !body.is_empty() {
                    let (name, value) = (zero_ended(&mut body), zero_ended(&mut body));
                    match name {
                        b"user" => self.user = shown(value),
                        b"database" => self.database = shown(value),
                        b"application_name" => self.application = shown(value),
                        _ => {}
                    }
                }
                self.push("login", self.user.as_deref().map(Into::into), out);
            }
            _ => return Some(Fed::NotMine),
        }
        Some(Fed::Took(length))
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

    fn authentication(&mut self, c: &mut Cursor<'_>) {
        let Some(kind) = c.u32() else { return };
        self.auth = Some(match kind {
            0 => self.auth.unwrap_or("trust"),
            2 => "kerberos",
            3 => "password",
            5 => "md5",
            7 => "gss",
            9 => "sspi",
            10 => match zero_ended(c) {
                b"SCRAM-SHA-256" | b"SCRAM-SHA-256-PLUS" => "scram-sha-256",
                b"OAUTHBEARER" => "oauth",
                _ => "sasl",
            },
            _ => return,
        });
        if kind == 0
            && let Some(login) = self.pending.front_mut()
        {
            login.row.success = Some(true);
        }
    }

    fn login_over(&mut self, success: bool, out: &mut Output<'_>) {
        let Some(mut login) = self.pending.pop_front() else { return };
        login.row.success = Some(success);
        login.row.auth = self.auth;
        login.row.server_version.clone_from(&self.server_version);
        self.credential(&login, out);
        self.write(login, out);
    }

    fn credential(&self, login: &Pending, out: &mut Output<'_>) {
        let mechanism = self.auth.unwrap_or("none");
        let secret = match (mechanism, self.answered) {
            (_, false) | ("trust" | "none", _) => Secret::None,
            ("password" | "oauth", _) => Secret::Clear,
            _ => Secret::Hashed,
        };
        let account = login.row.argument.as_deref().map(|u| printable(u.as_bytes(), MAX_ACCOUNT));
        let detail = login.row.error.as_deref().map(String::from);
        let detail = detail.or_else(|| self.database.as_deref().map(|d| format!("database {d}")));
        let success = login.row.success;
        out.record(
            login.began,
            Credential { service: "postgresql", account, mechanism, secret, success, detail },
        );
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
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    fn start() -> Vec<u8> {
        let body = b"\0\x03\0\0user\0ann\0database\0shop\0application_name\0psql\0\0";
        [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    fn welcome() -> Vec<u8> {
        [
            message(b'R', &[0; 4]),
            message(b'S', b"server_version\x0016.1\0"),
            message(b'K', &[0; 8]),
            message(b'Z', b"I"),
        ]
        .concat()
    }

    const TLS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

    fn run(sent: &[Sent<'_>]) -> Run {
        let run = Bench::tcp(4242).run(sent);
        assert_eq!(run.faults, 0);
        run
    }

    /// Command, argument, success, rows, tag.
    type Facts<'a> = (&'a str, Option<&'a str>, Option<bool>, Option<u64>, Option<&'a str>);

    fn facts(run: &Run) -> Vec<Facts<'_>> {
        let rows = run.records::<PostgresCommand>().into_iter();
        rows.map(|r| (r.command, r.argument.as_deref(), r.success, r.rows, r.tag.as_deref())).collect()
    }

    #[test]
    fn a_login_and_simple_queries() {
        let result = [
            message(b'T', b"\0\x01"),
            message(b'D', b"\0\x01"),
            message(b'D', b"\0\x01"),
            message(b'C', b"SELECT 2\0"),
            message(b'Z', b"I"),
        ];
        let failed = [message(b'E', b"SERROR\0C42P01\0Mno such table\0\0"), message(b'Z', b"I")];
        let run = run(&[
            orig(TLS),
            resp(b"N"),
            orig(&start()),
            resp(&message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4])),
            orig(&message(b'p', b"md5abc\0")),
            resp(&welcome()),
            orig(&message(b'Q', b"SELECT 1\0")),
            resp(&result.concat()),
            orig(&message(b'Q', b"SELECT x\0")),
            resp(&failed.concat()),
            orig(&message(b'X', b"")),
        ]);
        assert_eq!(
            facts(&run),
            [
                ("tls", None, Some(false), None, None),
                ("login", Some("ann"), Some(true), None, None),
                ("query", Some("SELECT 1"), Some(true), Some(2), Some("SELECT 2")),
                ("query", Some("SELECT x"), Some(false), None, None),
                ("terminate", None, None, None, None),
            ]
        );
        let rows = run.records::<PostgresCommand>();
        assert_eq!((rows[1].auth, rows[1].server_version.as_deref()), (Some("md5"), Some("16.1")));
        assert_eq!(
            (rows[3].error_code.as_deref(), rows[3].error.as_deref()),
            (Some("42P01"), Some("no such table"))
        );
        assert_eq!(
            (rows[2].database.as_deref(), rows[2].application.as_deref()),
            (Some("shop"), Some("psql"))
        );
        let login = run.records::<Credential>()[0].clone();
        assert_eq!(
            (login.account.as_deref(), login.mechanism, login.secret, login.success),
            (Some("ann"), "md5", Secret::Hashed, Some(true))
        );
    }

    #[test]
    fn prepared_queries() {
        let ask = [
            message(b'P', b"s1\0INSERT INTO t VALUES ($1)\0\0\0"),
            message(b'B', b"\0s1\0\0\0\0\0\0\0"),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ];
        let again = [message(b'B', b"\0s1\0\0\0\0\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
        let did = [message(b'2', b""), message(b'C', b"INSERT 0 1\0"), message(b'Z', b"I")].concat();
        let broken = [message(b'P', b"\0SELEC\0\0\0"), message(b'E', b"\0\0\0\0\0"), message(b'S', b"")];
        let run = run(&[
            orig(&start()),
            resp(&welcome()),
            orig(&ask.concat()),
            resp(&[message(b'1', b""), did.clone()].concat()),
            orig(&[again.concat(), broken.concat()].concat()),
            resp(&[did, message(b'E', b"C42601\0Msyntax\0\0"), message(b'Z', b"I")].concat()),
        ]);
        assert_eq!(
            facts(&run)[1..],
            [
                ("parse", Some("INSERT INTO t VALUES ($1)"), Some(true), None, Some("INSERT 0 1")),
                ("execute", Some("s1"), Some(true), None, Some("INSERT 0 1")),
                ("parse", Some("SELEC"), Some(false), None, None),
            ]
        );
    }

    #[test]
    fn refusals_and_tls() {
        let refused = run(&[
            orig(&start()),
            resp(&message(b'R', &[0, 0, 0, 3])),
            orig(&message(b'p', b"secret\0")),
            resp(&message(b'E', b"SFATAL\0C28P01\0Mpassword authentication failed\0\0")),
        ]);
        let login = refused.records::<Credential>()[0].clone();
        assert_eq!((login.mechanism, login.secret, login.success), ("password", Secret::Clear, Some(false)));
        assert!(!format!("{:?}", refused.records::<PostgresCommand>()).contains("secret"));
        let hello = [&b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03"[..], &[0; 41]].concat();
        let tls = run(&[orig(TLS), resp(b"S"), orig(&hello)]);
        assert_eq!(facts(&tls), [("tls", None, Some(true), None, None)]);
        assert_eq!(tls.records::<crate::protocol::tls::TlsHandshake>().len(), 1);
    }

    #[test]
    fn loss_and_prefixes_survive() {
        let done = [message(b'C', b"SELECT 0\0"), message(b'Z', b"I")].concat();
        let run1 = run(&[
            orig(&start()),
            resp(&welcome()),
            orig(&message(b'Q', b"SELECT 1\0")),
            lost(Side::Resp, 999),
            resp(b"rest of a row"),
            orig(&message(b'Q', b"SELECT 2\0")),
            resp(&done),
        ]);
        assert_eq!(
            facts(&run1)[1..],
            [
                ("query", Some("SELECT 1"), None, None, None),
                ("query", Some("SELECT 2"), Some(true), None, Some("SELECT 0"))
            ]
        );
        let (a, b) = ([start(), message(b'Q', b"SELECT 1\0")].concat(), [welcome(), done].concat());
        for end in 0..a.len().max(b.len()) {
            run(&[orig(&a[..end.min(a.len())]), resp(&b[..end.min(b.len())]), orig(&a)]);
        }
    }
}
