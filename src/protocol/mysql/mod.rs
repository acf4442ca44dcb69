//! Who asks which MySQL server what, and how did it answer?
//!
//! MySQL client/server protocol (dev.mysql.com, "Client/Server Protocol") and MariaDB's (mariadb.com/kb, same name): greeting,
//! login, commands with their results. TLS inside is followed by [`Fed::Switch`]. Told by the server's greeting.
//! Refuses: compressed connections behind their login, values of result rows, parameters of prepared statements.

mod record;
mod wire;

pub use record::{MySqlCommand, TABLE};

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use wire::{COMMANDS, attributes, capability, number, shown, zero_ended};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "mysql",
    about: "MySQL and MariaDB; told by the server's greeting: protocol 10 and a version in digits, or an error in its place.",
    transports: &[Transport::Tcp],
    ports: &[3306],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: KEEP + HEADER,
    probe,
    parser: Some(|| Box::<MySql>::default()),
};

/// Length and sequence number before each packet, bytes.
const HEADER: usize = 4;

/// Bytes of a packet that are looked at; queries are shown up to [`ARGUMENT_CAP`], logins are far below.
const KEEP: usize = 8 << 10;

/// Longest argument shown, bytes: enough for the queries that people and programs write, not for bulk inserts.
const ARGUMENT_CAP: usize = 2_048;

/// Longest name or message of the server, bytes; its own limit for messages is 512.
const TEXT_CAP: usize = 512;

/// Rows that one flow may write: an application server keeps its connections for days.
const COMMANDS_CAP: u32 = 10_000;

fn probe(p: &Probe<'_>) -> Verdict {
    let mut c = Cursor::new(p.resp);
    let Some([a, b, high, sequence]) = c.array::<4>() else {
        return if p.orig.is_empty() { Verdict::NeedMore } else { Verdict::NotMine };
    };
    let len = u32::from_le_bytes([a, b, high, 0]);
    if sequence != 0 || !(8..=1024).contains(&len) {
        return Verdict::NotMine;
    }
    match c.u8() {
        Some(10) => {
            let text = c.rest();
            let Some(end) = text.iter().position(|b| *b == 0) else {
                let fits = text.len() < 64 && text.iter().all(|b| matches!(b, b' '..=b'~'));
                return if fits { Verdict::NeedMore } else { Verdict::NotMine };
            };
            let version = text.get(..end).unwrap_or(&[]);
            let fits = version.first().is_some_and(u8::is_ascii_digit)
                && version.len() < 64
                && version.iter().all(|b| matches!(b, b' '..=b'~'));
            if fits { Verdict::Mine(90) } else { Verdict::NotMine }
        }
        // An error instead of a greeting: 1040 too many connections, 1129 and 1130 host not allowed.
        Some(255) if matches!(c.u16_le(), Some(1040 | 1129 | 1130)) => Verdict::Mine(85),
        Some(_) => Verdict::NotMine,
        None => Verdict::NeedMore,
    }
}

/// What the server's next packet is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Expect {
    #[default]
    Greeting,
    /// The end of the login, or another question.
    Login,
    /// The first packet of an answer.
    Answer,
    /// So many definitions of columns.
    Columns(u64),
    /// The mark behind them.
    ColumnsEnd,
    /// A row, or the end.
    Rows,
    /// Nothing that we know.
    Nothing,
}

/// The state of one connection.
#[derive(Default)]
struct MySql {
    expect: Expect,
    capabilities: u32,
    client_spoke: bool,
    user: Option<Box<str>>,
    database: Option<Box<str>>,
    secret: Option<Secret>,
    plugin: Option<Box<str>>,
    server_version: Option<Box<str>>,
    pending: Option<(At, Box<MySqlCommand>)>,
    written: u32,
    /// Where packets begin is unknown.
    lost: [bool; 2],
    /// Has the whole greeting been read?
    logged_in: bool,
}

impl MySql {
    /// One packet, of which `payload` may be the beginning only. `Some`: the flow goes another way.
    fn packet(
        &mut self,
        side: Side,
        sequence: u8,
        len: usize,
        payload: &[u8],
        out: &mut Output<'_>,
    ) -> Option<Fed> {
        match side {
            Side::Orig if !self.client_spoke => return self.login(payload, out),
            Side::Orig if !self.logged_in => {
                // An answer to another question of the login; open when the plugin says so.
                if self.plugin.as_deref() == Some("mysql_clear_password") && len > 1 {
                    self.secret = Some(Secret::Clear);
                }
            }
            Side::Orig if sequence == 0 => self.command(payload, out),
            // More packets of a command, or a file that the server asked for.
            Side::Orig => {}
            Side::Resp => return self.answer(len, payload, out),
        }
        None
    }

    fn greeting(&mut self, payload: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(payload);
        if c.u8() == Some(0xff) {
            let mut row = Box::new(MySqlCommand { command: "login", ..MySqlCommand::default() });
            failed(&mut row, &mut c);
            self.pending = Some((out.at, row));
            self.write(out);
            self.expect = Expect::Nothing;
            return;
        }
        let version = zero_ended(&mut c);
        // MariaDB from 10 on says 5.5.5 first, for the sake of old replicas.
        let version = version.strip_prefix(b"5.5.5-").filter(|v| v.starts_with(b"1")).unwrap_or(version);
        let version = printable(version, TEXT_CAP);
        out.clue(out.flow.tuple.dst, super::clues::Clue::Server, &format!("MySQL {version}"), "mysql");
        self.server_version = Some(version.into());
        // Thread, 8 bytes of a nonce, filler, capabilities, character set, status, capabilities, length, reserved, nonce.
        c.skip(4 + 8 + 1 + 2 + 1 + 2 + 2);
        let nonce = usize::from(c.u8().unwrap_or(0));
        c.skip(10 + nonce.saturating_sub(8).max(13));
        self.plugin = shown(zero_ended(&mut c));
        self.expect = Expect::Login;
    }

    /// The client's first packet.
    fn login(&mut self, payload: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        self.client_spoke = true;
        let mut c = Cursor::new(payload);
        let low = u32::from(c.u16_le()?);
        let new = low & capability::PROTOCOL_41 != 0;
        self.capabilities = if new { low | u32::from(c.u16_le()?) << 16 } else { low };
        let mut row = Box::new(MySqlCommand { command: "login", ..MySqlCommand::default() });
        row.server_version.clone_from(&self.server_version);
        let fixed = if new { 28 } else { 3 };
        if self.capabilities & capability::TLS != 0 && c.remaining() <= fixed {
            row.tls = true;
            self.pending = Some((out.at, row));
            return Some(Fed::Switch(0));
        }
        c.skip(fixed);
        let user = zero_ended(&mut c);
        self.user = shown(user);
        row.argument = (!user.is_empty()).then(|| printable(user, TEXT_CAP));
        let has = |bit: u32| self.capabilities & bit != 0;
        let length = if has(capability::LONG_ANSWER) {
            number(&mut c).and_then(|n| usize::try_from(n).ok())
        } else if has(capability::SECURE_CONNECTION) {
            c.u8().map(usize::from)
        } else {
            let answer = zero_ended(&mut c);
            self.secret = Some(if answer.is_empty() { Secret::None } else { Secret::Hashed });
            None
        };
        if let Some(length) = length {
            let clear = self.plugin.as_deref() == Some("mysql_clear_password");
            self.secret = Some(match length {
                0 => Secret::None,
                _ if clear => Secret::Clear,
                _ => Secret::Hashed,
            });
            c.skip(length);
        }
        if has(capability::WITH_DATABASE) {
            self.database = shown(zero_ended(&mut c));
        }
        if has(capability::PLUGIN) {
            self.plugin = shown(zero_ended(&mut c)).or(self.plugin.take());
        }
        if has(capability::ATTRIBUTES) {
            row.program = attributes(&mut c);
        }
        self.pending = Some((out.at, row));
        None
    }

    /// The server's answer to a login.
    fn logged_in(&mut self, payload: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        let mut c = Cursor::new(payload);
        let success = match c.u8()? {
            0 => true,
            0xff => false,
            0xfe => {
                // Another way to prove it; without a name it is the one from before version 4.1.
                self.plugin = shown(zero_ended(&mut c)).or(Some("mysql_old_password".into()));
                return None;
            }
            // More questions of the same plugin.
            _ => return None,
        };
        self.logged_in = true;
        self.expect = Expect::Nothing;
        let (began, row) = self.pending.as_mut()?;
        row.auth_plugin.clone_from(&self.plugin);
        row.success = Some(success);
        row.rtt = Some(out.at.ts.since(began.ts));
        if !success {
            failed(row, &mut c);
        }
        let error = row.error.clone();
        self.credential(Some(success), error, out);
        self.write(out);
        (!success || self.capabilities & capability::COMPRESS != 0).then_some(Fed::Done)
    }

    fn credential(&mut self, success: Option<bool>, error: Option<Box<str>>, out: &mut Output<'_>) {
        let Some((began, row)) = &self.pending else { return };
        let Some(secret) = self.secret.take() else { return };
        let mechanism = match self.plugin.as_deref() {
            Some("caching_sha2_password") => "caching_sha2_password",
            Some("sha256_password") => "sha256_password",
            Some("mysql_clear_password") => "password",
            Some("mysql_old_password") => "mysql_old_password",
            Some("client_ed25519") => "ed25519",
            Some("mysql_native_password") | None => "mysql_native_password",
            Some(_) => "plugin",
        };
        let record = Credential {
            service: "mysql",
            account: row.argument.as_deref().map(|u| printable(u.as_bytes(), MAX_ACCOUNT)),
            mechanism,
            secret,
            success,
            detail: error.map(String::from).or(self.database.as_deref().map(|d| format!("database {d}"))),
        };
        out.record(*began, record);
    }

    fn command(&mut self, payload: &[u8], out: &mut Output<'_>) {
        self.write(out);
        let mut c = Cursor::new(payload);
        let Some(command) = c.u8() else { return };
        let Some(&name) = COMMANDS.get(usize::from(command)) else {
            out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no command of MySQL".into()));
            return;
        };
        let argument = match name {
            "query" if self.capabilities & capability::QUERY_ATTRIBUTES != 0 => {
                let count = number(&mut c);
                number(&mut c);
                // Attributes have types of their own; a query behind them is not shown.
                (count == Some(0)).then(|| c.rest())
            }
            "query" | "stmt_prepare" | "init_db" | "create_db" | "drop_db" => Some(c.rest()),
            "change_user" | "field_list" => Some(zero_ended(&mut c)),
            _ => None,
        };
        let argument = argument.filter(|a| !a.is_empty()).map(|a| printable(a, ARGUMENT_CAP));
        if name == "change_user" {
            self.user = argument.as_deref().map(Into::into);
            let answer = c.u8().unwrap_or(0);
            self.secret = Some(if answer == 0 { Secret::None } else { Secret::Hashed });
            c.skip(usize::from(answer));
            self.database = shown(zero_ended(&mut c));
            c.skip(2);
            self.plugin = shown(zero_ended(&mut c)).or(self.plugin.take());
        }
        self.pending =
            Some((out.at, Box::new(MySqlCommand { command: name, argument, ..MySqlCommand::default() })));
        self.expect = Expect::Answer;
        if matches!(name, "quit" | "stmt_close" | "stmt_send_long_data") {
            self.write(out);
            self.expect = Expect::Nothing;
        }
    }

    /// A packet of the server.
    fn answer(&mut self, len: usize, payload: &[u8], out: &mut Output<'_>) -> Option<Fed> {
        match self.expect {
            Expect::Greeting => self.greeting(payload, out),
            Expect::Login => return self.logged_in(payload, out),
            Expect::Answer => self.first_answer(payload, out),
            Expect::Columns(n @ 2..) => self.expect = Expect::Columns(n - 1),
            Expect::Columns(_) => {
                let none = self.capabilities & capability::NO_EOF != 0;
                self.expect = if none { Expect::Rows } else { Expect::ColumnsEnd };
            }
            Expect::ColumnsEnd => self.expect = Expect::Rows,
            Expect::Rows => {
                let Some((_, row)) = self.pending.as_mut() else {
                    self.expect = Expect::Nothing;
                    return None;
                };
                match payload.first() {
                    // The end: EOF has five bytes, or it is an OK under EOF's number that no row is as short as.
                    Some(0xfe) if len < 9 || self.capabilities & capability::NO_EOF != 0 => {
                        row.success = Some(true);
                        self.write(out);
                    }
                    Some(0xff) => {
                        row.success = Some(false);
                        failed(row, &mut Cursor::new(payload.get(1..).unwrap_or(&[])));
                        self.write(out);
                    }
                    _ => row.rows = Some(row.rows.unwrap_or(0).saturating_add(1)),
                }
            }
            Expect::Nothing => {}
        }
        None
    }

    fn first_answer(&mut self, payload: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(payload);
        let Some((began, row)) = self.pending.as_mut() else {
            self.expect = Expect::Nothing;
            return;
        };
        row.rtt = Some(out.at.ts.since(began.ts));
        self.expect = Expect::Nothing;
        match payload.first() {
            Some(0) => {
                c.skip(1);
                row.success = Some(true);
                if row.command != "stmt_prepare" {
                    row.affected_rows = number(&mut c);
                }
            }
            Some(0xff) => {
                c.skip(1);
                row.success = Some(false);
                failed(row, &mut c);
            }
            // The server asks for a file of the client; its answer follows behind it.
            Some(0xfb) => {
                self.expect = Expect::Answer;
                return;
            }
            // A change of user goes on as a login does.
            Some(1 | 0xfe) if row.command == "change_user" => {
                self.expect = Expect::Answer;
                return;
            }
            Some(_) if matches!(row.command, "query" | "stmt_execute" | "process_info") => {
                if let Some(columns @ 1..) = number(&mut c) {
                    row.rows = Some(0);
                    self.expect = Expect::Columns(columns);
                    return;
                }
            }
            Some(0xfe) => {
                row.success = Some(true);
            }
            // Statistics are plain text; definitions of columns answer field_list.
            _ => row.success = Some(true),
        }
        if row.command == "change_user" {
            let (success, error) = (row.success, row.error.clone());
            self.credential(success, error, out);
        }
        self.write(out);
    }

    /// Write the command at hand, whatever is known of it.
    fn write(&mut self, out: &mut Output<'_>) {
        self.expect = Expect::Nothing;
        let Some((began, mut row)) = self.pending.take() else { return };
        if row.success.is_none() {
            row.rows = None;
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

    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }
}

/// An error: number, state behind `#`, text.
fn failed(row: &mut MySqlCommand, c: &mut Cursor<'_>) {
    row.success = Some(false);
    row.error_code = c.u16_le();
    let text = c.rest();
    let text = if text.first() == Some(&b'#') { text.get(6..).unwrap_or(&[]) } else { text };
    row.error = shown(text);
}

impl Parser for MySql {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            let mut c = Cursor::new(rest);
            let Some([a, b, high, sequence]) = c.array::<4>() else { break };
            let len = u32::from_le_bytes([a, b, high, 0]) as usize;
            if *self.lost(side) {
                // A command begins a segment and fills it; an answer has the number behind its command.
                let begins = match side {
                    Side::Orig => {
                        sequence == 0 && c.remaining() == len && rest.get(4).is_some_and(|b| *b < 32)
                    }
                    Side::Resp => sequence == 1 && self.expect == Expect::Answer,
                };
                if !begins {
                    return Fed::Took(data.len());
                }
                *self.lost(side) = false;
            }
            let want = len.min(KEEP);
            let Some(payload) = c.rest().get(..want.max(len.min(c.remaining()))) else { break };
            if let Some(fed) = self.packet(side, sequence, len, payload, out) {
                return match fed {
                    Fed::Switch(_) => Fed::Switch(at + HEADER + payload.len()),
                    other => other,
                };
            }
            if len > c.remaining() {
                return Fed::Skip((len - c.remaining()) as u64);
            }
            at += HEADER + len;
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        if !self.logged_in {
            self.finish(out);
            return Fed::Done;
        }
        self.write(out);
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if !self.logged_in {
            self.credential(None, None, out);
            if self.pending.is_none() && self.server_version.is_some() {
                // A greeting that nobody answered: a scanner, or a client that was refused by its own rules.
                let mut row = Box::new(MySqlCommand { command: "greeting", ..MySqlCommand::default() });
                row.server_version = self.server_version.take();
                self.pending = Some((out.at, row));
            }
        }
        self.write(out);
    }
}

#[cfg(test)]
mod tests;
