//! Who asks which Microsoft SQL Server what, and how did it answer?
//!
//! Tabular Data Stream 7.0 to 7.4 ([MS-TDS]): pre-login, login, SQL batches, procedure calls, and the tokens of the answers that tell
//! their outcome. Told by packet headers that fit their type, and a pre-login's own structure or the port.
//! Refuses: values of rows and parameters (but the text of sp_executesql), Sybase's TDS 5, and what TLS hides: its handshake is
//! wrapped in packets of TDS here, and nothing can be read behind it.

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "tds",
    about: "Tabular Data Stream of Microsoft SQL Server; told by a pre-login with its options, or by packets that fit on its port.",
    transports: &[Transport::Tcp],
    ports: &[1433],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: 64 << 10,
    probe,
    parser: Some(|| Box::<Tds>::default()),
};

/// Header of a packet, bytes.
const HEADER: usize = 8;

/// Bytes of a message that are kept: logins end at 4 KiB without extensions, queries are shown up to [`ARGUMENT_CAP`].
const KEEP: usize = 8 << 10;

/// Longest query shown, bytes of UTF-16: enough for what people and programs write.
const ARGUMENT_CAP: usize = 4_096;

/// Longest name or error text, bytes of UTF-16; names end at 128 characters in the server.
const TEXT_CAP: usize = 512;

/// Rows that one flow may write: an application server keeps its connections for days.
const COMMANDS_CAP: u32 = 10_000;

/// Length of the token that ends an answer: kind, status, command, number of rows ([MS-TDS] 2.2.7.6), bytes.
const DONE_LEN: usize = 13;

mod packet {
    pub(super) const BATCH: u8 = 1;
    pub(super) const RPC: u8 = 3;
    pub(super) const ANSWER: u8 = 4;
    pub(super) const ATTENTION: u8 = 6;
    pub(super) const BULK: u8 = 7;
    pub(super) const FEDERATED: u8 = 8;
    pub(super) const TRANSACTION: u8 = 14;
    pub(super) const LOGIN7: u8 = 16;
    pub(super) const SSPI: u8 = 17;
    pub(super) const PRELOGIN: u8 = 18;
}

/// Procedures with a number instead of a name ([MS-TDS] 2.2.6.6), from 1.
const PROCEDURES: [&str; 15] = [
    "sp_cursor",
    "sp_cursoropen",
    "sp_cursorprepare",
    "sp_cursorexecute",
    "sp_cursorprepexec",
    "sp_cursorunprepare",
    "sp_cursorfetch",
    "sp_cursoroption",
    "sp_cursorclose",
    "sp_executesql",
    "sp_prepare",
    "sp_execute",
    "sp_prepexec",
    "sp_prepexecrpc",
    "sp_unprepare",
];

/// Does a packet with this header fit? Type, status, length, process, number, window 0.
fn header(d: &[u8]) -> Option<(u8, u8, usize)> {
    let (&kind, &status) = d.first().zip(d.get(1))?;
    let known = matches!(
        kind,
        packet::BATCH
            | packet::RPC
            | packet::ANSWER
            | packet::ATTENTION
            | packet::BULK
            | packet::FEDERATED
            | packet::TRANSACTION
            | packet::LOGIN7
            | packet::SSPI
            | packet::PRELOGIN
    );
    let length = usize::from(be16(d, 2)?);
    let window = *d.get(7)?;
    (known && status & 0xe4 == 0 && window == 0 && (HEADER..=32_768).contains(&length))
        .then_some((kind, status, length))
}

/// Options of a pre-login: number, place, length; ended by 255. All must lie inside.
fn options(payload: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut c = Cursor::new(payload);
    let mut found = Vec::new();
    loop {
        let kind = c.u8()?;
        if kind == 0xff {
            return Some(found).filter(|f| f.first().is_some_and(|(kind, _)| *kind == 0));
        }
        let (at, len) = (usize::from(c.u16()?), usize::from(c.u16()?));
        found.push((kind, payload.get(at..at.checked_add(len)?)?));
        if found.len() > 16 {
            return None;
        }
    }
}

fn probe(p: &Probe<'_>) -> Verdict {
    let first = if p.orig.is_empty() { p.resp } else { p.orig };
    let likely = matches!(first.first(), None | Some(1 | 3 | 4 | 14 | 16 | 18));
    if first.len() < HEADER {
        return if likely { Verdict::NeedMore } else { Verdict::NotMine };
    }
    let Some((kind, _, length)) = header(first) else { return Verdict::NotMine };
    if kind == packet::PRELOGIN {
        let Some(payload) = first.get(HEADER..length) else {
            return if length <= 512 { Verdict::NeedMore } else { Verdict::NotMine };
        };
        return if options(payload).is_some() { Verdict::Mine(90) } else { Verdict::NotMine };
    }
    // Joined in the middle, or a client without pre-login: both sides fit, or one does on the port.
    let other = if p.orig.is_empty() { p.orig } else { p.resp };
    let answered = header(other).is_some_and(|(kind, ..)| kind == packet::ANSWER);
    let asked =
        matches!(kind, packet::BATCH | packet::RPC | packet::TRANSACTION | packet::LOGIN7 | packet::ANSWER);
    if !asked {
        return Verdict::NotMine;
    }
    match (p.on_port(PROTOCOL.ports), answered) {
        (true, true) => Verdict::Mine(85),
        (true, false) => Verdict::Mine(60),
        (false, true) if kind != packet::ANSWER => Verdict::Mine(60),
        (false, _) if other.is_empty() && length <= first.len() => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// UTF-16, little endian, as printable text.
fn wide(bytes: &[u8], cap: usize) -> Option<String> {
    let shown = bytes.get(..cap).unwrap_or(bytes);
    let units: Vec<u16> =
        shown.chunks_exact(2).filter_map(|p| p.try_into().ok().map(u16::from_le_bytes)).collect();
    let mut text = printable(String::from_utf16_lossy(&units).as_bytes(), usize::MAX);
    if shown.len() < bytes.len() {
        text.push(crate::model::text::CUT_MARK);
    }
    (!text.is_empty()).then_some(text)
}

/// One command, the login among them.
#[derive(Clone, Debug, Default)]
pub struct TdsCommand {
    /// Its name.
    pub command: &'static str,
    /// Its text.
    pub argument: Option<String>,
    /// Procedure that is called.
    pub procedure: Option<String>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Rows of the result, or changed.
    pub rows: Option<u64>,
    /// Error number.
    pub error_code: Option<u32>,
    /// Error text.
    pub error: Option<String>,
    /// Account.
    pub user: Option<Box<str>>,
    /// Database of the login.
    pub database: Option<Box<str>>,
    /// Name of the client's host.
    pub client_host: Option<Box<str>>,
    /// Program that the client names.
    pub application: Option<Box<str>>,
    /// Name of the server as the client says it.
    pub server: Option<Box<str>>,
    /// Version of the server.
    pub server_version: Option<Box<str>>,
    /// What the two say about encryption.
    pub encryption: Option<&'static str>,
    /// From the command to the first answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "tds",
    "One row is one command of a client of Microsoft SQL Server with its outcome: pre-login, login, SQL batch, procedure call.",
    &[
        col("command", T::Text, "", "prelogin, login, batch, rpc, bulk or transaction."),
        col(
            "argument",
            T::Text,
            "",
            "Text of the query, cut at 2048 characters; of a login the account; NULL without one.",
        ),
        col("procedure", T::Text, "", "Procedure that is called; NULL for other commands."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or does not tell.",
        ),
        col(
            "rows",
            T::U64,
            "rows",
            "Rows of the last result, or changed; NULL when the answer does not say.",
        ),
        col("error_code", T::U32, "", "Error number of the server, such as 18456; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "user",
            T::Text,
            "",
            "Account of the connection; NULL when its login was not seen in clear or is the system's own.",
        ),
        col("database", T::Text, "", "Database that the login asked for; NULL without one."),
        col("client_host", T::Text, "", "Name of the client's computer; on the login only, else NULL."),
        col("application", T::Text, "", "Program that the client names; on the login only, else NULL."),
        col("server", T::Text, "", "Name of the server as the client says it; on the login only, else NULL."),
        col("server_version", T::Text, "", "Version of the server; on pre-login and login, else NULL."),
        col(
            "encryption",
            T::Text,
            "",
            "What the server says about encryption: off (login only), on, unsupported, required; on pre-login only, else NULL.",
        ),
        col("rtt_s", T::F64, "seconds", "From the command to the first answer; NULL when none was seen."),
    ],
);

impl Record for TdsCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.procedure.as_deref())
            .opt_bool(self.success)
            .opt_u64(self.rows)
            .opt_u32(self.error_code)
            .opt_text(self.error.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.database.as_deref())
            .opt_text(self.client_host.as_deref())
            .opt_text(self.application.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(self.server_version.as_deref())
            .opt_text(self.encryption)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

/// One direction: the message at hand.
#[derive(Default)]
struct Half {
    began: Option<At>,
    /// Its first bytes.
    head: Vec<u8>,
    /// Its last bytes.
    tail: Vec<u8>,
    lost: bool,
}

/// The state of one connection.
#[derive(Default)]
struct Tds {
    halves: [Half; 2],
    user: Option<Box<str>>,
    database: Option<Box<str>>,
    server_version: Option<Box<str>>,
    secret: Option<Secret>,
    pending: Option<(At, Box<TdsCommand>)>,
    written: u32,
    seen: bool,
}

/// What the tokens of an answer say.
#[derive(Default)]
struct Tokens {
    login: bool,
    error: Option<(u32, Option<String>)>,
    program: Option<String>,
    done: Option<(u16, u64)>,
}

impl Tds {
    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// A whole message. `Some`: the flow goes another way.
    fn message(&mut self, side: Side, kind: u8, out: &mut Output<'_>) -> Option<Fed> {
        let half = std::mem::take(self.half(side));
        let began = half.began.unwrap_or(out.at);
        match (side, kind) {
            (Side::Orig, packet::PRELOGIN) => {
                if options(&half.head).is_none() {
                    // The handshake of TLS, wrapped.
                    self.write(out);
                    return Some(Fed::Done);
                }
                self.push(began, TdsCommand { command: "prelogin", ..TdsCommand::default() }, out);
            }
            (Side::Orig, packet::LOGIN7) => {
                if let Some(row) = self.login(&half.head) {
                    self.push(began, row, out);
                }
            }
            (Side::Orig, packet::BATCH) => {
                let text = without_headers(&half.head);
                let row = TdsCommand {
                    command: "batch",
                    argument: wide(text, ARGUMENT_CAP),
                    ..TdsCommand::default()
                };
                self.push(began, row, out);
            }
            (Side::Orig, packet::RPC) => {
                let row = call(&half.head);
                self.push(began, row, out);
            }
            (Side::Orig, packet::BULK) => {
                self.push(began, TdsCommand { command: "bulk", ..TdsCommand::default() }, out);
            }
            (Side::Orig, packet::TRANSACTION) => {
                self.push(began, TdsCommand { command: "transaction", ..TdsCommand::default() }, out);
            }
            (Side::Orig, packet::SSPI) => self.secret = Some(Secret::Hashed),
            (Side::Resp, packet::ANSWER) => self.answer(began, &half, out),
            _ => {}
        }
        None
    }

    fn push(&mut self, began: At, row: TdsCommand, out: &mut Output<'_>) {
        self.write(out);
        self.pending = Some((began, Box::new(row)));
    }

    fn login(&mut self, head: &[u8]) -> Option<TdsCommand> {
        // 36 bytes of lengths, versions, flags and zone, then places (in bytes) and lengths (in characters).
        let mut c = Cursor::new(head);
        c.skip(36)?;
        let mut fields = [&[][..]; 9];
        for field in &mut fields {
            let (at, len) = (usize::from(c.u16_le()?), usize::from(c.u16_le()?));
            *field = head.get(at..at.checked_add(len.checked_mul(2)?)?).unwrap_or(&[]);
        }
        let [host, user, password, application, server, _, _, _, database] = fields;
        c.skip(6)?;
        let (_, sspi) = (c.u16_le()?, c.u16_le()?);
        let name = |bytes: &[u8], cap: usize| wide(bytes, cap).map(String::into_boxed_str);
        self.user = name(user, MAX_ACCOUNT);
        self.database = name(database, TEXT_CAP);
        self.secret = Some(match (password.is_empty(), sspi) {
            // Swapped nibbles and a constant: anyone can read it.
            (false, _) => Secret::Clear,
            (true, 1..) => Secret::Hashed,
            (true, 0) => Secret::None,
        });
        Some(TdsCommand {
            command: "login",
            argument: self.user.as_deref().map(Into::into),
            client_host: name(host, TEXT_CAP),
            application: name(application, TEXT_CAP),
            server: name(server, TEXT_CAP),
            ..TdsCommand::default()
        })
    }

    fn answer(&mut self, began: At, half: &Half, out: &mut Output<'_>) {
        let Some((asked, mut row)) = self.pending.take() else { return };
        row.rtt = Some(began.ts.since(asked.ts));
        if row.command == "prelogin" {
            for (kind, value) in options(&half.head).unwrap_or_default() {
                match (kind, value) {
                    (0, [major, minor, high, low, ..]) => {
                        let build = u16::from_be_bytes([*high, *low]);
                        self.server_version = Some(format!("{major}.{minor}.{build}").into());
                    }
                    (1, [how, ..]) => {
                        row.encryption = match how {
                            0 => Some("off"),
                            1 => Some("on"),
                            2 => Some("unsupported"),
                            3 => Some("required"),
                            _ => None,
                        };
                    }
                    _ => {}
                }
            }
            row.success = row.encryption.map(|_| true);
            row.server_version.clone_from(&self.server_version);
        } else {
            let tokens = tokens(&half.head);
            if tokens.login {
                row.success = Some(true);
                row.server_version = self.server_version.clone().or(tokens.program.map(Into::into));
            }
            let tail: Option<&[u8; DONE_LEN]> = half.tail.as_slice().try_into().ok();
            let done = tokens.done.or_else(|| tail.and_then(done));
            if let Some((status, rows)) = done {
                // Bit 1: error. Bit 4: the number of rows is valid.
                row.success = row.success.or(Some(status & 2 == 0));
                row.rows = (status & 0x10 != 0).then_some(rows);
            }
            if let Some((number, text)) = tokens.error {
                row.success = Some(false);
                row.error_code = Some(number);
                row.error = text;
            }
        }
        if row.command == "login" {
            // A question of the system's login comes before the outcome.
            if row.success.is_none() && row.error_code.is_none() {
                self.pending = Some((asked, row));
                return;
            }
            self.credential(asked, &row, out);
            if let Some(version) = &row.server_version {
                let name = format!("Microsoft SQL Server {version}");
                out.clue(out.flow.tuple.dst, super::clues::Clue::Server, &name, "tds");
            }
            if let Some(host) = row.client_host.as_deref().filter(|_| row.success == Some(true)) {
                out.clue(out.flow.tuple.src, super::clues::Clue::Name, host, "tds.login");
            }
        }
        self.pending = Some((asked, row));
        self.write(out);
    }

    fn credential(&mut self, began: At, row: &TdsCommand, out: &mut Output<'_>) {
        let Some(secret) = self.secret.take() else { return };
        let record = Credential {
            service: "tds",
            account: row.argument.clone(),
            mechanism: if secret == Secret::Hashed { "sspi" } else { "password" },
            secret,
            success: row.success,
            detail: row.error.clone().or(self.database.as_deref().map(|d| format!("database {d}"))),
        };
        out.record(began, record);
    }

    fn write(&mut self, out: &mut Output<'_>) {
        let Some((began, mut row)) = self.pending.take() else { return };
        if row.command == "login" {
            self.credential(began, &row, out);
        }
        row.user.clone_from(&self.user);
        row.database.clone_from(&self.database);
        if self.written == COMMANDS_CAP {
            out.weird(WeirdKind::RecordsFull, Detail::Number(u64::from(COMMANDS_CAP)));
        }
        if self.written <= COMMANDS_CAP {
            self.written += 1;
        }
        if self.written <= COMMANDS_CAP {
            out.record(began, *row);
        }
    }
}

/// From version 7.2 on, batches and calls begin with a list of headers ([MS-TDS] 2.2.5.3): a length in all, then of each.
fn without_headers(head: &[u8]) -> &[u8] {
    let mut c = Cursor::new(head);
    let (Some(all), Some(first), Some(kind)) = (c.u32_le(), c.u32_le(), c.u16_le()) else { return head };
    let (all, first) = (all as usize, first as usize);
    let fits = (10..=head.len()).contains(&all) && first.saturating_add(4) <= all && (1..=3).contains(&kind);
    if fits { head.get(all..).unwrap_or(&[]) } else { head }
}

/// A procedure call: its name or number, and the text when its first parameter is one.
fn call(head: &[u8]) -> TdsCommand {
    let mut row = TdsCommand { command: "rpc", ..TdsCommand::default() };
    let mut c = Cursor::new(without_headers(head));
    match c.u16_le() {
        Some(0xffff) => {
            let number = c.u16_le().unwrap_or(0);
            let name = PROCEDURES.get(usize::from(number).wrapping_sub(1));
            row.procedure = Some(name.map_or_else(|| format!("#{number}"), |n| (*n).to_string()));
        }
        Some(length) => {
            row.procedure = c.take(usize::from(length).saturating_mul(2)).and_then(|n| wide(n, TEXT_CAP));
        }
        None => return row,
    }
    // Place of the statement among the parameters; handles and declarations come before it.
    let statement = match row.procedure.as_deref() {
        Some("sp_executesql") => 0,
        Some("sp_cursoropen") => 1,
        Some("sp_prepare" | "sp_prepexec") => 2,
        Some("sp_cursorprepexec") => 3,
        _ => return row,
    };
    for place in 0..=statement {
        match parameter(&mut c) {
            Some(text) if place == statement => row.argument = text,
            Some(_) => {}
            None => break,
        }
    }
    row
}

/// One parameter: `Some(Some)` for text, `Some(None)` for a number or nothing, `None` for what is not read.
fn parameter(c: &mut Cursor<'_>) -> Option<Option<String>> {
    // In the first parameter two bytes of option flags lead; a name has a length, a status follows.
    const NVARCHAR: u8 = 0xe7;
    const NTEXT: u8 = 0x63;
    const INTN: u8 = 0x26;
    let mut try_at = |flags: usize| {
        let mut at = *c;
        at.skip(flags)?;
        let name = at.u8()?;
        at.skip(usize::from(name).saturating_mul(2))?;
        at.skip(1)?;
        let value = match at.u8()? {
            NVARCHAR => {
                let max = at.u16_le()?;
                at.skip(5)?;
                if max == 0xffff {
                    // In chunks: total length in 8 bytes, then each with its own.
                    at.skip(8)?;
                    let length = at.u32_le()? as usize;
                    let text = at.rest();
                    let text = text.get(..length).unwrap_or(text);
                    at.skip(text.len())?;
                    at.skip(4);
                    Some(wide(text, ARGUMENT_CAP))
                } else {
                    let length = at.u16_le()?;
                    let length = if length == 0xffff { 0 } else { usize::from(length) };
                    let text = at.rest();
                    let text = text.get(..length).unwrap_or(text);
                    at.skip(text.len())?;
                    Some(wide(text, ARGUMENT_CAP))
                }
            }
            NTEXT => {
                at.skip(4 + 5)?;
                let length = at.u32_le()? as usize;
                let text = at.rest();
                let text = text.get(..length).unwrap_or(text);
                at.skip(text.len())?;
                Some(wide(text, ARGUMENT_CAP))
            }
            INTN => {
                let _ = at.u8()?;
                let length = at.u8()?;
                at.skip(usize::from(length))?;
                Some(None)
            }
            _ => None,
        };
        if value.is_some() {
            *c = at;
        }
        value
    };
    try_at(2).or_else(|| try_at(0))
}

/// The token that ends an answer.
fn done(token: &[u8; DONE_LEN]) -> Option<(u16, u64)> {
    let mut c = Cursor::new(token);
    let kind = c.u8()?;
    let (status, _) = (c.u16_le()?, c.u16_le()?);
    let rows = u64::from_le_bytes(c.array()?);
    (matches!(kind, 0xfd..=0xff) && status & 0xfe88 == 0).then_some((status, rows))
}

/// Walk the tokens up to the first that describes rows.
fn tokens(head: &[u8]) -> Tokens {
    let mut found = Tokens::default();
    let mut c = Cursor::new(head);
    while let Some(kind) = c.u8() {
        let next = match kind {
            // ERROR, INFO, LOGINACK, ENVCHANGE, SSPI, ORDER and others with a length.
            0xaa | 0xab | 0xad | 0xe3 | 0xed | 0xa9 | 0xa4 | 0xa5 => {
                let Some(body) = c.u16_le().and_then(|n| c.take(usize::from(n))) else { break };
                let mut b = Cursor::new(body);
                match kind {
                    0xaa if found.error.is_none() => {
                        let number = b.u32_le();
                        b.skip(2);
                        let text = b.u16_le().and_then(|n| b.take(usize::from(n).saturating_mul(2)));
                        found.error = number.map(|n| (n, text.and_then(|t| wide(t, TEXT_CAP))));
                    }
                    0xad => {
                        found.login = true;
                        b.skip(5);
                        let name = b.u8().and_then(|n| b.take(usize::from(n).saturating_mul(2)));
                        let version = b.array::<4>();
                        found.program = name.and_then(|n| wide(n, TEXT_CAP)).map(|_| ()).and(version.map(
                            |[major, minor, high, low]| {
                                format!("{major}.{minor}.{}", u16::from_be_bytes([high, low]))
                            },
                        ));
                    }
                    _ => {}
                }
                Some(())
            }
            // Return status of a procedure.
            0x79 => c.skip(4),
            0xfd..=0xff => {
                let token = c.take(DONE_LEN - 1);
                token.and_then(|rest| {
                    let mut token = [kind; DONE_LEN];
                    token.get_mut(1..)?.copy_from_slice(rest);
                    found.done = done(&token);
                    Some(())
                })
            }
            _ => break,
        };
        if next.is_none() {
            break;
        }
    }
    found
}

impl Parser for Tds {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            if rest.len() < HEADER {
                break;
            }
            let Some((kind, status, length)) = header(rest) else {
                if self.half(side).lost && at == 0 {
                    return Fed::Took(data.len());
                }
                if !self.seen {
                    return Fed::NotMine;
                }
                // Encryption of the login ends what can be read; a server that speaks TLS at once does so too.
                self.finish(out);
                return Fed::Done;
            };
            // A segment begins with a packet; after loss only a beginning is believed.
            let Some(payload) = rest.get(HEADER..length) else { break };
            let at_ts = out.at;
            let half = self.half(side);
            half.lost = false;
            half.began.get_or_insert(at_ts);
            let room = KEEP.saturating_sub(half.head.len());
            half.head.extend_from_slice(payload.get(..room).unwrap_or(payload));
            half.tail
                .extend_from_slice(payload.get(payload.len().saturating_sub(DONE_LEN)..).unwrap_or(payload));
            let over = half.tail.len().saturating_sub(DONE_LEN);
            half.tail.drain(..over);
            self.seen = true;
            at += length;
            // Bit 0: the last packet of its message.
            if status & 1 != 0
                && let Some(fed) = self.message(side, kind, out)
            {
                return fed;
            }
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        self.write(out);
        *self.half(side) = Half { lost: true, ..Half::default() };
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

    fn run(sent: &[Sent<'_>]) -> Run {
        let run = Bench::tcp(1433).run(sent);
        assert_eq!(run.faults, 0);
        run
    }

    fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() + HEADER) as u16;
        [&[kind, 1][..], &len.to_be_bytes(), &[0, 0, 1, 0], payload].concat()
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn prelogin(encryption: u8) -> Vec<u8> {
        let body = [&[0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff][..], &[15, 0, 0x07, 0xd0, 0, 0], &[encryption]];
        packet(18, &body.concat())
    }

    fn login() -> Vec<u8> {
        let texts = ["PC7", "sa", "secret", "sqlcmd", "db01", "", "ODBC", "", "shop"];
        let (mut places, mut body) = (Vec::new(), Vec::new());
        for text in texts {
            places.extend((94 + body.len() as u16).to_le_bytes());
            places.extend((text.len() as u16).to_le_bytes());
            body.extend(utf16(text));
        }
        let head = [&[0; 36][..], &places, &[0; 6 + 16]].concat();
        packet(16, &[head, body].concat())
    }

    fn done(status: u16, rows: u64) -> Vec<u8> {
        [&[0xfd][..], &status.to_le_bytes(), &[0xc1, 0], &rows.to_le_bytes()].concat()
    }

    fn error(number: u32, text: &str) -> Vec<u8> {
        let text_16 = utf16(text);
        let body =
            [&number.to_le_bytes()[..], &[1, 14], &(text.len() as u16).to_le_bytes(), &text_16, &[0; 6]]
                .concat();
        [&[0xaa][..], &(body.len() as u16).to_le_bytes(), &body].concat()
    }

    fn login_ack() -> Vec<u8> {
        let name = utf16("Microsoft SQL Server");
        let body = [&[1, 0x74, 0, 0, 4, 20][..], &name, &[15, 0, 0x07, 0xd0]].concat();
        [&[0xad][..], &(body.len() as u16).to_le_bytes(), &body].concat()
    }

    #[test]
    fn a_login_a_batch_and_a_call() {
        let headers = [&[22, 0, 0, 0, 18, 0, 0, 0, 2, 0][..], &[0; 12]].concat();
        let batch = packet(1, &[&headers[..], &utf16("SELECT 1")].concat());
        let rows = packet(4, &[&[0x81, 1, 0, 9, 9, 9][..], &done(0x10, 3)].concat());
        let text = utf16("DELETE FROM t");
        let parameter = [
            &[0, 0, 0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34][..],
            &(text.len() as u16).to_le_bytes(),
            &text,
        ]
        .concat();
        let call = packet(3, &[&headers[..], &[0xff, 0xff, 10, 0], &parameter].concat());
        let run = run(&[
            orig(&prelogin(0)),
            resp(&packet(4, &prelogin(2)[HEADER..])),
            orig(&login()),
            resp(&packet(4, &[login_ack(), done(0, 0)].concat())),
            orig(&batch),
            resp(&rows),
            orig(&call),
            resp(&packet(4, &[error(208, "Invalid object"), done(2, 0)].concat())),
        ]);
        let rows = run.records::<TdsCommand>();
        let facts: Vec<_> = rows
            .iter()
            .map(|r| (r.command, r.argument.as_deref(), r.success, r.rows, r.error_code))
            .collect();
        assert_eq!(
            facts,
            [
                ("prelogin", None, Some(true), None, None),
                ("login", Some("sa"), Some(true), None, None),
                ("batch", Some("SELECT 1"), Some(true), Some(3), None),
                ("rpc", Some("DELETE FROM t"), Some(false), None, Some(208)),
            ]
        );
        assert_eq!(
            (rows[0].encryption, rows[0].server_version.as_deref()),
            (Some("unsupported"), Some("15.0.2000"))
        );
        assert_eq!(
            (rows[1].client_host.as_deref(), rows[1].application.as_deref()),
            (Some("PC7"), Some("sqlcmd"))
        );
        assert_eq!(
            (rows[3].procedure.as_deref(), rows[3].error.as_deref()),
            (Some("sp_executesql"), Some("Invalid object"))
        );
        assert_eq!((rows[2].user.as_deref(), rows[2].database.as_deref()), (Some("sa"), Some("shop")));
        let login = run.records::<Credential>()[0].clone();
        assert_eq!(
            (login.account.as_deref(), login.secret, login.success),
            (Some("sa"), Secret::Clear, Some(true))
        );
        assert!(!format!("{rows:?}").contains("secret") && run.service == Some("tds"));
    }

    #[test]
    fn a_refused_login_and_encryption() {
        let refused =
            run(&[orig(&login()), resp(&packet(4, &[error(18456, "Login failed"), done(2, 0)].concat()))]);
        assert_eq!(refused.records::<TdsCommand>()[0].error_code, Some(18456));
        assert_eq!(refused.records::<Credential>()[0].success, Some(false));
        let hello = packet(18, b"\x16\x03\x01\0\x2f\x01\0\0\x2b\x03\x03");
        let dark = run(&[orig(&prelogin(1)), resp(&packet(4, &prelogin(1)[HEADER..])), orig(&hello)]);
        assert_eq!((dark.records::<TdsCommand>()[0].encryption, dark.done_after), (Some("on"), Some(3)));
    }

    #[test]
    fn loss_and_prefixes_survive() {
        let batch = packet(1, &utf16("SELECT 2"));
        let run1 = run(&[
            orig(&batch),
            lost(Side::Resp, 999),
            resp(b"rest of a row"),
            orig(&batch),
            resp(&packet(4, &done(0, 0))),
        ]);
        let successes: Vec<_> = run1.records::<TdsCommand>().into_iter().map(|r| r.success).collect();
        assert_eq!(successes, [None, Some(true)]);
        let (a, b) = (
            [prelogin(0), login(), batch].concat(),
            [packet(4, &prelogin(2)[HEADER..]), packet(4, &login_ack())].concat(),
        );
        for end in 0..a.len().max(b.len()) {
            run(&[orig(&a[..end.min(a.len())]), resp(&b[..end.min(b.len())]), orig(&a)]);
        }
    }

    #[test]
    fn other_streams_are_not_mine() {
        let verdict = |orig: &[u8], resp: &[u8], port| {
            probe(&Probe { orig, resp, transport: Transport::Tcp, ports: (1, port) })
        };
        assert_eq!(verdict(&prelogin(0), b"", 4242), Verdict::Mine(90));
        assert_eq!(verdict(&packet(1, b"x\0"), b"", 4242), Verdict::NeedMore);
        assert_eq!(verdict(&packet(1, b"x\0"), b"HTTP/1.1 200 OK", 4242), Verdict::NotMine);
        assert_eq!(verdict(&packet(18, &[0; 40]), b"", 1433), Verdict::NotMine);
        assert_eq!(verdict(b"GET / HTTP/1.1\r\n", b"", 1433), Verdict::NotMine);
    }
}
