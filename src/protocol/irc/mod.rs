//! Who joins which IRC channel as whom, and is it a bot?
//!
//! RFC 1459 and RFC 2812, capabilities and SASL of IRCv3, STARTTLS, and the Client-to-Client Protocol for files (DCC SEND). Registration, joins, operator
//! logins and file offers become rows; of the messages to and from one target the first text and their number, which shows a herder's orders.
//! Refuses to keep conversations, and servers that link to each other.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::lines::{self, Cut, Lines};
use super::names::{begins_with_word, first_line, is_text};
use super::ntlm::NTLM;
use super::sasl::Sasl;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Longest line read, bytes: 512 (RFC 1459 section 2.3), and 8,191 of IRCv3's tags before it.
const MAX_LINE: usize = 9 << 10;

/// Longest text kept, bytes: a line without its command.
const MAX_TEXT: usize = 512;

/// Targets whose messages are counted in one flow. A person talks in a few channels, a herder's bot in one.
const MAX_TARGETS: usize = 64;

/// Rows of one flow.
const MAX_ROWS: u32 = 1_000;

/// Services that take passwords in messages: what is said to them is never kept.
const SERVICES: &[&str] = &["NICKSERV", "CHANSERV", "AUTHSERV", "OPERSERV", "USERSERV", "X", "Q", "NS", "CS"];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "irc",
    about: "IRC (RFC 1459); told by the client's NICK and USER, a capability request, or the server's notices, on any port.",
    transports: &[Transport::Tcp],
    ports: &[6667, 6660, 6666, 6669, 7000],
    tables: &[&IRC, &CREDENTIALS, &NTLM, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<IrcParser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let line = |data: &[u8], word: &str| {
        data.split(|b| *b == b'\n').any(|l| begins_with_word(l, &[word]) && is_text(l.trim_ascii_end()))
    };
    let registers = line(p.orig, "NICK") && line(p.orig, "USER");
    let negotiates = line(p.orig, "CAP LS") || line(p.orig, "CAP REQ");
    let greets = p.resp.starts_with(b"NOTICE AUTH :")
        || p.resp.starts_with(b"NOTICE * :")
        || relayed(first_line(p.resp));
    if registers || negotiates || greets || relayed(first_line(p.orig)) {
        return Verdict::Mine(90);
    }
    let first = ["NICK", "USER", "PASS", "CAP", "STARTTLS"];
    let text = p.resp.is_empty() || matches!(p.resp.first(), Some(b':' | b'N' | b'P'));
    // A capture that begins later, or a server that calls another one: the line must be there to tell.
    let prefixed = p.orig.starts_with(b":") && !p.orig.contains(&b'\n');
    let open = text && (prefixed || lines::begins_like(p.orig, &first));
    if open { Verdict::NeedMore } else { Verdict::NotMine }
}

/// A line that a server relays or writes: `:server NOTICE target :text`, `:nick!user@host PRIVMSG target :text`, `:server 001 nick :text`.
fn relayed(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b":") else { return false };
    let (prefix, rest) = lines::word(rest);
    let (command, rest) = lines::word(rest);
    let person = prefix.contains(&b'!') && prefix.contains(&b'@');
    let words = ["PRIVMSG", "NOTICE", "JOIN", "PART", "QUIT", "NICK", "MODE", "KICK", "TOPIC"];
    let said = words.iter().any(|w| command == w.as_bytes());
    let welcome = matches!(command, b"001" | b"020" | b"372" | b"375" | b"433" | b"670" | b"691")
        && rest.contains(&b' ');
    !prefix.is_empty() && is_text(line) && ((person && said) || command == b"NOTICE" || welcome)
}

/// One row per event of a session.
pub static IRC: Table = Table::record(
    "irc",
    "One row is one IRC command that tells who is where: registration, join, login, file offer; or all messages between the client and one target. ts is the first of them.",
    &[
        col("nick", T::Text, "", "Nickname of who sent it; NULL when not known yet."),
        col("user", T::Text, "", "User name of who sent it; NULL when not known yet."),
        col("command", T::Text, "", "NICK, USER, JOIN, OPER, PRIVMSG, NOTICE or DCC."),
        col("sender", T::Text, "", "src or dst: which end of the flow sent it; dst relays what others say."),
        col("target", T::Text, "", "Channel or nickname that it is about; NULL without one."),
        col(
            "value",
            T::Text,
            "",
            "New nickname, real name, or the first text to the target; NULL without, and for what is said to services that take passwords.",
        ),
        col(
            "messages",
            T::U32,
            "messages",
            "Messages between these two in this direction; 1 for other commands.",
        ),
        col("dcc_file_name", T::Text, "", "File that a DCC SEND offers; NULL for other commands."),
        col("dcc_file_size", T::U64, "bytes", "Its size as announced; NULL without."),
        col("dcc_host", T::Text, "", "Address that the file is offered from; NULL for other commands."),
        col("dcc_port", T::U16, "", "Port that it is offered on; NULL for other commands."),
    ],
);

/// One event.
#[derive(Clone, Debug)]
pub struct IrcEvent {
    /// Nickname of the sender.
    pub nick: Option<String>,
    /// User name of the sender.
    pub user: Option<String>,
    /// Upper case.
    pub command: &'static str,
    /// Which end sent it.
    pub sender: Side,
    /// Channel or nickname.
    pub target: Option<String>,
    /// What belongs to it, printable.
    pub value: Option<String>,
    /// How many.
    pub messages: u32,
    /// What DCC offers.
    pub dcc: Option<Dcc>,
}

/// A file that is offered from one client to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dcc {
    /// Name, printable.
    pub name: String,
    /// Address.
    pub host: Ip,
    /// Port; 0 when the receiver shall listen.
    pub port: u16,
    /// Bytes, as announced.
    pub size: Option<u64>,
}

impl Record for IrcEvent {
    fn table(&self) -> &'static Table {
        &IRC
    }

    fn write(&self, row: &mut Row<'_>) {
        row.opt_text(self.nick.as_deref())
            .opt_text(self.user.as_deref())
            .text(self.command)
            .text(if self.sender == Side::Orig { "src" } else { "dst" })
            .opt_text(self.target.as_deref())
            .opt_text(self.value.as_deref())
            .u32(self.messages)
            .opt_text(self.dcc.as_ref().map(|d| d.name.as_str()))
            .opt_u64(self.dcc.as_ref().and_then(|d| d.size));
        match &self.dcc {
            Some(dcc) => row.ip(dcc.host).u16(dcc.port),
            None => row.null().null(),
        };
    }
}

/// A message cut into its parts (RFC 1459 section 2.3.1).
struct Message<'a> {
    prefix: &'a [u8],
    command: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(line: &'a [u8]) -> Self {
        // Tags of IRCv3 come first.
        let line = if line.starts_with(b"@") { lines::word(line).1 } else { line };
        let (prefix, line) = match line.strip_prefix(b":") {
            Some(rest) => lines::word(rest),
            None => (&[][..], line),
        };
        let (command, rest) = lines::word(line);
        Self { prefix, command, rest }
    }

    /// Parameter `n`; one that begins with a colon takes the rest of the line.
    fn parameter(&self, n: usize) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        for i in 0..=n {
            if rest.is_empty() {
                return None;
            }
            if let Some(last) = rest.strip_prefix(b":") {
                return (i == n).then_some(last);
            }
            let (word, behind) = lines::word(rest);
            if i == n {
                return Some(word);
            }
            rest = behind;
        }
        None
    }

    fn text(&self, n: usize) -> Option<String> {
        self.parameter(n).filter(|t| !t.is_empty()).map(|t| printable(t, MAX_TEXT))
    }

    /// Nickname and user name of the prefix `nick!user@host`.
    fn sender(&self) -> (Option<String>, Option<String>) {
        let mut fields = self.prefix.splitn(2, |b| *b == b'!');
        let text = |t: &[u8]| Some(printable(t, MAX_TEXT)).filter(|t| !t.is_empty());
        let nick = fields.next().and_then(text);
        let user = fields.next().and_then(|u| u.split(|b| *b == b'@').next()).and_then(text);
        (nick, user)
    }
}

/// A login that is not decided.
enum Login {
    /// When, with which command, and which account.
    Password(At, &'static str, Option<String>),
    Sasl(Sasl),
}

/// The state of one flow.
#[derive(Default)]
struct IrcParser {
    lines: Lines<MAX_LINE>,
    nick: Option<String>,
    user: Option<String>,
    /// PASS, OPER or AUTHENTICATE.
    login: Option<Login>,
    wants_tls: bool,
    /// Messages by sender and target, in the order of the first.
    talks: Vec<(At, IrcEvent)>,
    rows: u32,
    named: bool,
}

impl Parser for IrcParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        loop {
            match self.lines.next(side, data.get(at..).unwrap_or(&[]), out) {
                Cut::Wait(n) => return Fed::Took(at + n),
                Cut::Line { text, taken, .. } => {
                    at += taken;
                    let message = Message::read(text);
                    match side {
                        Side::Orig => self.client(&message, out),
                        Side::Resp => {
                            if self.server(&message, out) {
                                return Fed::Switch(at);
                            }
                        }
                    }
                }
            }
        }
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lines.gap(side);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.decided(None, None, out);
        for (began, event) in std::mem::take(&mut self.talks) {
            out.record(began, event);
        }
    }
}

impl IrcParser {
    fn client(&mut self, m: &Message<'_>, out: &mut Output<'_>) {
        const VERBS: &[&str] =
            &["NICK", "USER", "JOIN", "PASS", "OPER", "AUTHENTICATE", "STARTTLS", "PRIVMSG", "NOTICE"];
        let Some(verb) = lines::known(m.command, VERBS) else { return };
        match verb {
            "NICK" => {
                let new = m.text(0);
                self.row("NICK", Side::Orig, None, new.clone(), out);
                self.nick = new.or(self.nick.take());
            }
            "USER" => {
                self.user = m.text(0);
                self.row("USER", Side::Orig, None, m.text(3), out);
                if let Some(user) = self.user.as_deref() {
                    out.clue(out.flow.tuple.src, Clue::User, user, "irc.user");
                }
            }
            "JOIN" => {
                // Keys of channels are secrets, so only the list of channels is kept.
                self.row("JOIN", Side::Orig, m.text(0), None, out);
            }
            "PASS" => self.login = Some(Login::Password(out.at, "password", None)),
            "OPER" => {
                self.decided(None, None, out);
                let account = m.parameter(0).map(|a| printable(a, MAX_ACCOUNT));
                self.login = Some(Login::Password(out.at, "oper", account.clone()));
                self.row("OPER", Side::Orig, account, None, out);
            }
            "AUTHENTICATE" => match &mut self.login {
                Some(Login::Sasl(sasl)) => sasl.answer(m.parameter(0).unwrap_or(&[]), out),
                _ => {
                    let mechanism = m.parameter(0).unwrap_or(&[]);
                    self.login = Some(Login::Sasl(Sasl::begin("irc", mechanism, out)));
                }
            },
            "STARTTLS" => self.wants_tls = true,
            verb => {
                let (nick, user) = (self.nick.clone(), self.user.clone());
                self.talk(verb, Side::Orig, nick, user, m, out);
            }
        }
    }

    /// True when TLS begins behind the message.
    fn server(&mut self, m: &Message<'_>, out: &mut Output<'_>) -> bool {
        match m.command {
            b"001" => {
                // The server's word for our nickname; registration worked, and with it PASS.
                self.nick = m.text(0).or(self.nick.take());
                if matches!(self.login, Some(Login::Password(_, "password", _))) {
                    self.decided(Some(true), None, out);
                }
            }
            b"004" => {
                if let Some(version) = m.text(2).filter(|_| !std::mem::replace(&mut self.named, true)) {
                    out.clue(out.flow.tuple.dst, Clue::Server, &version, "irc.myinfo");
                    out.clue(out.flow.tuple.dst, Clue::Role, "irc_server", "irc");
                }
            }
            b"381" | b"903" => self.decided(Some(true), m.text(1), out),
            b"464" | b"491" | b"904" | b"905" => self.decided(Some(false), m.text(1), out),
            b"670" => return self.wants_tls,
            b"691" => self.wants_tls = false,
            b"PRIVMSG" | b"NOTICE" if m.prefix.contains(&b'!') => {
                let (nick, user) = m.sender();
                let command = if m.command == b"NOTICE" { "NOTICE" } else { "PRIVMSG" };
                self.talk(command, Side::Resp, nick, user, m, out);
            }
            _ => {}
        }
        false
    }

    /// A message to a channel or a person.
    fn talk(
        &mut self,
        command: &'static str,
        sender: Side,
        nick: Option<String>,
        user: Option<String>,
        m: &Message<'_>,
        out: &mut Output<'_>,
    ) {
        let (Some(target), Some(text)) = (m.text(0), m.parameter(1)) else { return };
        if let Some(dcc) = dcc(text) {
            if dcc.port > 0 {
                out.expect(dcc.host, dcc.port, "irc_dcc");
            }
            let (target, command) = (Some(target), "DCC");
            let event =
                IrcEvent { nick, user, command, sender, target, value: None, messages: 1, dcc: Some(dcc) };
            return self.write(event, out);
        }
        let service =
            target.split('@').next().is_some_and(|t| SERVICES.iter().any(|s| t.eq_ignore_ascii_case(s)));
        if service && sender == Side::Orig {
            self.identify(text, out);
        }
        let same = |e: &&mut (At, IrcEvent)| {
            let e = &e.1;
            e.sender == sender && e.command == command && e.target.as_ref() == Some(&target) && e.nick == nick
        };
        if let Some((_, event)) = self.talks.iter_mut().find(same) {
            event.messages = event.messages.saturating_add(1);
        } else if self.talks.len() < MAX_TARGETS {
            let value = Some(printable(text, MAX_TEXT)).filter(|t| !service && !t.is_empty());
            let target = Some(target);
            let event = IrcEvent { nick, user, command, sender, target, value, messages: 1, dcc: None };
            self.talks.push((out.at, event));
        }
    }

    /// `IDENTIFY [account] password` to a service.
    fn identify(&mut self, text: &[u8], out: &mut Output<'_>) {
        let (word, rest) = lines::word(text);
        if !["IDENTIFY", "ID", "AUTH", "LOGIN"].iter().any(|w| word.eq_ignore_ascii_case(w.as_bytes()))
            || rest.is_empty()
        {
            return;
        }
        let (first, second) = lines::word(rest);
        let account = if second.is_empty() { self.nick.clone() } else { Some(printable(first, MAX_ACCOUNT)) };
        let (service, mechanism, secret) = ("irc", "nickserv", Secret::Clear);
        out.record(out.at, Credential { service, account, mechanism, secret, success: None, detail: None });
    }

    fn row(
        &mut self,
        command: &'static str,
        sender: Side,
        target: Option<String>,
        value: Option<String>,
        out: &mut Output<'_>,
    ) {
        let (nick, user) = (self.nick.clone(), self.user.clone());
        self.write(IrcEvent { nick, user, command, sender, target, value, messages: 1, dcc: None }, out);
    }

    fn write(&mut self, event: IrcEvent, out: &mut Output<'_>) {
        self.rows = self.rows.saturating_add(1);
        if self.rows <= MAX_ROWS {
            out.record(out.at, event);
        } else if self.rows == MAX_ROWS + 1 {
            out.weird(WeirdKind::TooManyCommands, Detail::Number(u64::from(MAX_ROWS)));
        }
    }

    fn decided(&mut self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        match self.login.take() {
            Some(Login::Sasl(sasl)) => sasl.finish(success, detail, out),
            Some(Login::Password(began, mechanism, account)) => {
                let account = account.or_else(|| self.nick.clone());
                let secret = Secret::Clear;
                out.record(began, Credential { service: "irc", account, mechanism, secret, success, detail });
            }
            None => {}
        }
    }
}

/// `\x01DCC SEND name address port size\x01`; the address is a number of 32 bits or IPv6 text, the name may be in quotes.
fn dcc(text: &[u8]) -> Option<Dcc> {
    let inner = text.strip_prefix(b"\x01DCC ")?;
    let inner = inner.strip_suffix(b"\x01").unwrap_or(inner);
    let (kind, rest) = lines::word(inner);
    if !kind.eq_ignore_ascii_case(b"SEND") {
        return None;
    }
    let (name, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = memchr::memchr(b'"', quoted)?;
            (quoted.get(..end)?, quoted.get(end + 1..)?.trim_ascii())
        }
        None => lines::word(rest),
    };
    let mut fields = std::str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let (address, port) = (fields.next()?, fields.next()?.parse().ok()?);
    let host = match address.parse::<u32>() {
        Ok(number) => Ip::v4(number.to_be_bytes()),
        Err(_) => Ip::from(address.parse::<std::net::IpAddr>().ok()?),
    };
    let size = fields.next().and_then(|s| s.parse().ok());
    Some(Dcc { name: printable(name, MAX_TEXT), host, port, size })
}

#[cfg(test)]
mod tests;
