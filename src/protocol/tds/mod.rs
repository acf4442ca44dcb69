//! Who asks which Microsoft SQL Server what, and how did it answer?
//!
//! Tabular Data Stream 7.0 to 7.4 ([MS-TDS]): pre-login, login, SQL batches, procedure calls, and the tokens of the answers that tell
//! their outcome. Told by packet headers that fit their type, and a pre-login's own structure or the port.
//! TLS, whose handshake is wrapped in packets of TDS, is read by its own parser (`wrapped`).
//! Refuses: values of rows and parameters (but the text of sp_executesql), Sybase's TDS 5, and what TLS hides.

mod record;
mod tokens;
mod wrapped;

pub use record::{TABLE, TdsCommand};

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::tls::{TLS, X509};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use tokens::{call, done, tokens, wide, without_headers};
use wrapped::Wrapped;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "tds",
    about: "Tabular Data Stream of Microsoft SQL Server; told by a pre-login with its options, or by packets that fit on its port.",
    transports: &[Transport::Tcp],
    ports: &[1433],
    tables: &[&TABLE, &CREDENTIALS, &TLS, &X509],
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
    // A packet that is not the last of its message is full; no packet size is below 512.
    let filled = status & 1 == 1 || length >= 512;
    (known && status & 0xe4 == 0 && window == 0 && filled && (HEADER..=32_768).contains(&length))
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
    /// TLS inside the packets, once its handshake began.
    tls: Option<Box<Wrapped>>,
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
                    let tls = self.tls.insert(Box::new(Wrapped::new()));
                    return (!tls.feed(side, &half.head, out)).then_some(Fed::Done);
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
                // Encryption of the login ends what can be read: it follows the handshake without packets of TDS.
                if self.tls.as_mut().is_some_and(|tls| tls.feed(side, rest, out)) {
                    return Fed::Took(data.len());
                }
                self.finish(out);
                return Fed::Done;
            };
            // A segment begins with a packet; after loss only a beginning is believed.
            let Some(payload) = rest.get(HEADER..length) else { break };
            if let Some(tls) = self.tls.as_mut().filter(|_| kind == packet::PRELOGIN) {
                if !tls.feed(side, payload, out) {
                    return Fed::Done;
                }
                at += length;
                continue;
            }
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
        if self.tls.is_some() {
            self.finish(out);
            return Fed::Done;
        }
        *self.half(side) = Half { lost: true, ..Half::default() };
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
        if let Some(mut tls) = self.tls.take() {
            tls.finish(out);
        }
    }
}

#[cfg(test)]
mod tests;
