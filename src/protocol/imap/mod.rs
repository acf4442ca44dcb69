//! Who reads which mailbox over IMAP?
//!
//! IMAP4rev1 and rev2 (RFC 3501, RFC 9051), ID (RFC 2971), initial answers (RFC 4959) and non-synchronising literals (RFC 7888). Commands are paired with their tagged
//! results, LOGIN and AUTHENTICATE become logins, STARTTLS hands the connection on; attachments of mails that are fetched or appended whole are files (`mails`).
//! Other literals are stepped over unseen.

mod mails;

use self::mails::Mails;
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::files::FILES;
use super::lines::{self, Cut, Lines};
use super::names::{begins_with_word, contains_word, first_line};
use super::ntlm::NTLM;
use super::sasl::Sasl;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// Longest line kept, bytes (RFC 7162 section 4 asks servers for 8,192).
const MAX_LINE: usize = 8 << 10;

/// Longest command that is put together of lines and literals, bytes.
const MAX_COMMAND: usize = 8 << 10;

/// Longest literal of a client that is read and not skipped, bytes: account names and mailboxes.
const MAX_SMALL_LITERAL: u64 = 512;

/// Longest argument or result text kept, bytes.
const MAX_TEXT: usize = 512;

/// Commands that wait for results; clients send a handful at once.
const MAX_PENDING: usize = 64;

/// Rows of one session: clients that stay connected all day send a few hundred.
const MAX_ROWS: u32 = 2_000;

const VERBS: &[&str] = &[
    "LOGIN",
    "AUTHENTICATE",
    "STARTTLS",
    "CAPABILITY",
    "ID",
    "ENABLE",
    "SELECT",
    "EXAMINE",
    "CREATE",
    "DELETE",
    "RENAME",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST",
    "LSUB",
    "XLIST",
    "NAMESPACE",
    "STATUS",
    "APPEND",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "EXPUNGE",
    "SEARCH",
    "FETCH",
    "STORE",
    "COPY",
    "MOVE",
    "UID",
    "SORT",
    "THREAD",
    "GETQUOTA",
    "GETQUOTAROOT",
    "SETACL",
    "GETACL",
    "NOOP",
    "IDLE",
    "DONE",
    "LOGOUT",
    "COMPRESS",
];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "imap",
    about: "IMAP (RFC 9051); told by the server's untagged OK with a tagged command of the client, or a greeting that says so.",
    transports: &[Transport::Tcp],
    ports: &[143],
    tables: &[&IMAP, &CREDENTIALS, &NTLM, &FILES, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<ImapParser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let greeting = p.resp.is_empty() || p.resp.starts_with(b"* ") || b"* ".starts_with(p.resp);
    if !greeting {
        return Verdict::NotMine;
    }
    let status = begins_with_word(p.resp.get(2..).unwrap_or(&[]), &["OK", "PREAUTH", "BYE"]);
    let known = ["CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "ID", "NOOP", "LOGOUT"];
    let tag =
        p.orig.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')).count();
    let command = p.orig.get(tag + 1..).unwrap_or(&[]);
    // Clients count their commands; longer tags than this are something else.
    let tagged =
        tag <= 20 && matches!(p.orig.get(tag), None | Some(b' ')) && lines::begins_like(command, &known);
    if status && begins_with_word(command, &known) {
        return Verdict::Mine(90);
    }
    if status && contains_word(first_line(p.resp), "IMAP") && p.orig.is_empty() {
        return Verdict::Mine(80);
    }
    if tagged { Verdict::NeedMore } else { Verdict::NotMine }
}

/// One row per command.
pub static IMAP: Table = Table::record(
    "imap",
    "One row is one IMAP command with its result. ts is the command. Logins are in credentials.",
    &[
        col("tag", T::Text, "", "Tag that the client gave it."),
        col("command", T::Text, "", "Command in upper case, such as SELECT or UID FETCH."),
        col("argument", T::Text, "", "Arguments as sent, without secrets; NULL without any."),
        col(
            "mailbox",
            T::Text,
            "",
            "Mailbox that it names, else the one that is selected; NULL without either.",
        ),
        col("result", T::Text, "", "OK, NO or BAD; NULL when the result was not seen."),
        col("text", T::Text, "", "Text of the result; NULL when it was not seen or has none."),
    ],
);

/// One command with its result.
#[derive(Clone, Debug)]
pub struct ImapCommand {
    /// Tag, printable.
    pub tag: String,
    /// Upper case.
    pub command: String,
    /// Printable, without secrets.
    pub argument: Option<String>,
    /// Named or selected.
    pub mailbox: Option<String>,
    /// `OK`, `NO` or `BAD`.
    pub result: Option<&'static str>,
    /// Its text, printable.
    pub text: Option<String>,
}

impl Record for ImapCommand {
    fn table(&self) -> &'static Table {
        &IMAP
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(&self.tag)
            .text(&self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.mailbox.as_deref())
            .opt_text(self.result)
            .opt_text(self.text.as_deref());
    }
}

/// A command that waits for its result.
struct Pending {
    began: At,
    row: ImapCommand,
}

/// A login that is not decided, with the tag of its command.
enum Login {
    Password(At, Option<String>),
    Sasl(Sasl),
}

/// The state of one session.
#[derive(Default)]
struct ImapParser {
    lines: Lines<MAX_LINE>,
    /// Bytes of a literal that are still to come, of either side.
    literals: [u64; 2],
    /// Mails among them.
    mails: Mails,
    /// The client's command so far: lines, with short literals as quoted strings.
    command: Vec<u8>,
    /// Its last literal is short enough to be part of it.
    small: bool,
    /// Literals in the server's line: it goes on behind them.
    continued: bool,
    pending: VecDeque<Pending>,
    login: Option<(String, Login)>,
    selected: Option<String>,
    greeted: bool,
    rows: u32,
}

impl Parser for ImapParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            let left = *self.literal(side);
            if left > 0 {
                let here = left.min(rest.len() as u64);
                let inside = side == Side::Orig && self.small;
                let bytes = rest.get(..here as usize).unwrap_or(rest);
                at += here as usize;
                let left = left - here;
                if self.mails.is_open(side) {
                    self.mails.data(side, bytes, left == 0, out);
                    *self.literal(side) = left;
                    if left > 0 {
                        return Fed::Took(data.len());
                    }
                    continue;
                }
                if inside {
                    self.extend(bytes);
                }
                *self.literal(side) = if inside { left } else { 0 };
                if left > 0 {
                    return if inside { Fed::Took(data.len()) } else { Fed::Skip(left) };
                }
                if inside {
                    self.command.push(b'"');
                }
                continue;
            }
            match self.lines.next(side, rest, out) {
                Cut::Wait(n) => return Fed::Took(at + n),
                Cut::Line { text, taken, .. } => {
                    at += taken;
                    match side {
                        Side::Orig => self.client_line(text, out),
                        Side::Resp => {
                            if self.server_line(text, out) {
                                return Fed::Switch(at);
                            }
                        }
                    }
                }
            }
        }
    }

    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed {
        let left = *self.literal(side);
        self.mails.gap(side, missing, missing >= left, out);
        *self.literal(side) = left.saturating_sub(missing);
        if missing <= left {
            return Fed::Took(0);
        }
        self.lines.gap(side);
        match side {
            Side::Orig => self.command.clear(),
            Side::Resp => self.continued = false,
        }
        // Results carry tags, so commands that wait need not be given up.
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some((_, login)) = self.login.take() {
            decided(login, None, None, out);
        }
        for pending in std::mem::take(&mut self.pending) {
            self.write(pending, out);
        }
        self.mails.finish(out);
    }
}

impl ImapParser {
    fn literal(&mut self, side: Side) -> &mut u64 {
        let [orig, resp] = &mut self.literals;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// Add to the command at hand; a quote or backslash of a literal is escaped.
    fn extend(&mut self, literal: &[u8]) {
        for b in literal {
            if self.command.len() >= MAX_COMMAND {
                break;
            }
            if matches!(b, b'"' | b'\\') {
                self.command.push(b'\\');
            }
            self.command.push(*b);
        }
    }

    fn client_line(&mut self, line: &[u8], out: &mut Output<'_>) {
        let waiting = self.command.is_empty() && matches!(self.login, Some((_, Login::Sasl(_))));
        if waiting && let Some((_, Login::Sasl(sasl))) = &mut self.login {
            return sasl.answer(line, out);
        }
        let room = MAX_COMMAND.saturating_sub(self.command.len());
        if let Some((before, size)) = literal(line) {
            self.command.extend(before.iter().take(room));
            self.mails.literal(Side::Orig, &self.command);
            self.small = !self.mails.is_open(Side::Orig) && size <= MAX_SMALL_LITERAL && room > before.len();
            *self.literal(Side::Orig) = size;
            if self.small {
                self.command.push(b'"');
                if size == 0 {
                    self.command.push(b'"');
                }
            }
            return;
        }
        self.command.extend(line.iter().take(room));
        let command = std::mem::take(&mut self.command);
        self.client_command(&command, out);
    }

    fn client_command(&mut self, line: &[u8], out: &mut Output<'_>) {
        let (tag, rest) = lines::word(line);
        let (word, mut argument) = lines::word(rest);
        let Some(verb) = lines::known(word, VERBS) else { return };
        let mut command = verb.to_owned();
        if verb == "UID" {
            let (second, behind) = lines::word(argument);
            command.push(' ');
            command.push_str(&printable(second, MAX_TEXT).to_ascii_uppercase());
            argument = behind;
        }
        let tag = printable(tag, MAX_TEXT);
        let first = || strings(argument).next().map(|s| printable(&s, MAX_ACCOUNT));
        let mut mailbox = self.selected.clone();
        match verb {
            "LOGIN" => self.login = Some((tag.clone(), Login::Password(out.at, first()))),
            "AUTHENTICATE" => {
                self.login = Some((tag.clone(), Login::Sasl(Sasl::begin("imap", argument, out))))
            }
            "SELECT" | "EXAMINE" | "CREATE" | "DELETE" | "RENAME" | "SUBSCRIBE" | "UNSUBSCRIBE"
            | "STATUS" | "APPEND" => {
                mailbox = first();
            }
            "COPY" | "MOVE" => mailbox = strings(argument).nth(1).map(|s| printable(&s, MAX_ACCOUNT)),
            "ID" => {
                let pairs: Vec<_> = strings(argument).map(|s| printable(&s, MAX_TEXT)).collect();
                out.clue(out.flow.tuple.src, Clue::Client, &pairs.join(" "), "imap.id");
            }
            _ if command == "UID COPY" || command == "UID MOVE" => {
                mailbox = strings(argument).nth(1).map(|s| printable(&s, MAX_ACCOUNT));
            }
            _ => {}
        }
        let argument = match verb {
            "LOGIN" => first(),
            "AUTHENTICATE" => Some(printable(lines::word(argument).0, MAX_TEXT)),
            _ => Some(printable(argument, MAX_TEXT)),
        };
        let argument = argument.filter(|a| !a.is_empty());
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::None);
            self.write(oldest, out);
        }
        let row = ImapCommand { tag, command, argument, mailbox, result: None, text: None };
        self.pending.push_back(Pending { began: out.at, row });
    }

    /// A line of the server. True when TLS begins behind it.
    fn server_line(&mut self, line: &[u8], out: &mut Output<'_>) -> bool {
        let behind = std::mem::take(&mut self.continued);
        if let Some((before, size)) = literal(line) {
            self.mails.literal(Side::Resp, before);
            *self.literal(Side::Resp) = size;
            self.continued = true;
            return false;
        }
        if behind {
            return false;
        }
        let (tag, rest) = lines::word(line);
        if tag == b"+" {
            if let Some((_, Login::Sasl(sasl))) = &mut self.login {
                sasl.challenge(rest, out);
            }
            return false;
        }
        let (word, text) = lines::word(rest);
        if tag == b"*" {
            if !std::mem::replace(&mut self.greeted, true) && begins_with_word(word, &["OK", "PREAUTH"]) {
                let server = out.flow.tuple.dst;
                // A code in brackets, such as the list of capabilities, is not the banner.
                let behind = text.iter().position(|b| *b == b']').map_or(0, |i| i + 1);
                let banner = if text.starts_with(b"[") { text.get(behind..).unwrap_or(&[]) } else { text };
                out.clue(server, Clue::Server, &printable(banner, MAX_TEXT), "imap.banner");
                out.clue(server, Clue::Role, "mail_server", "imap");
            }
            return false;
        }
        let Some(result) = lines::known(word, &["OK", "NO", "BAD"]) else { return false };
        let tag = printable(tag, MAX_TEXT);
        let text = Some(printable(text, MAX_TEXT)).filter(|t| !t.is_empty());
        if let Some((_, login)) = self.login.take_if(|(t, _)| *t == tag) {
            decided(login, Some(result == "OK"), text.clone(), out);
        }
        let Some(i) = self.pending.iter().position(|p| p.row.tag == tag) else { return false };
        let Some(mut pending) = self.pending.remove(i) else { return false };
        (pending.row.result, pending.row.text) = (Some(result), text);
        let good = result == "OK";
        match pending.row.command.as_str() {
            // A failed SELECT leaves none selected (RFC 9051 section 6.3.2).
            "SELECT" | "EXAMINE" => self.selected = pending.row.mailbox.clone().filter(|_| good),
            "CLOSE" | "UNSELECT" if good => self.selected = None,
            _ => {}
        }
        // What is compressed cannot be read on, and no other parser can either.
        let switch = good && matches!(pending.row.command.as_str(), "STARTTLS" | "COMPRESS");
        self.write(pending, out);
        switch
    }

    fn write(&mut self, pending: Pending, out: &mut Output<'_>) {
        self.rows = self.rows.saturating_add(1);
        if self.rows <= MAX_ROWS {
            out.record(pending.began, pending.row);
        } else if self.rows == MAX_ROWS + 1 {
            out.weird(WeirdKind::TooManyCommands, Detail::Number(u64::from(MAX_ROWS)));
        }
    }
}

fn decided(login: Login, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
    match login {
        Login::Sasl(sasl) => sasl.finish(success, detail, out),
        Login::Password(began, account) => {
            let (mechanism, secret) = ("password", Secret::Clear);
            out.record(began, Credential { service: "imap", account, mechanism, secret, success, detail });
        }
    }
}

/// `{123}`, `{123+}` or `~{123}` at the end of a line: what stands before it, and the size of the literal that follows.
fn literal(line: &[u8]) -> Option<(&[u8], u64)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let (before, size) = inner.split_at_checked(open)?;
    let size = size.get(1..)?;
    let size = size.strip_suffix(b"+").unwrap_or(size);
    let digits = !size.is_empty() && size.iter().all(u8::is_ascii_digit);
    let size = digits.then(|| std::str::from_utf8(size).ok()?.parse().ok()).flatten()?;
    Some((before.strip_suffix(b"~").unwrap_or(before), size))
}

/// The strings of an argument: atoms, quoted ones, and what parentheses hold.
fn strings(argument: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let mut rest = argument;
    std::iter::from_fn(move || {
        let from = rest.iter().position(|b| !matches!(b, b' ' | b'(' | b')'))?;
        rest = rest.get(from..)?;
        let mut out = Vec::new();
        let mut taken = 0;
        let quoted = rest.first() == Some(&b'"');
        let mut escaped = false;
        for b in rest.iter().skip(usize::from(quoted)) {
            taken += 1;
            match b {
                _ if escaped => {
                    out.push(*b);
                    escaped = false;
                }
                b'\\' if quoted => escaped = true,
                b'"' if quoted => break,
                b' ' | b'(' | b')' if !quoted => break,
                _ => out.push(*b),
            }
        }
        rest = rest.get(taken + usize::from(quoted)..).unwrap_or(&[]);
        Some(out)
    })
}

#[cfg(test)]
mod tests;
