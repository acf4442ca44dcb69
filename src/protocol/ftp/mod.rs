//! Who fetched which file over FTP, and where did it flow?
//!
//! Control connections of RFC 959, RFC 2389, RFC 2428, RFC 3659 and RFC 4217: commands are paired with their replies in order. Data connections that PORT, EPRT, PASV
//! and EPSV announce are named `ftp_data` and watched as files (`data`); AUTH hands the connection to TLS; USER, PASS and ADAT become logins.
//!
//! Refuses to follow announcements to other hosts: address translation makes them wrong, bounces make them somebody else's. The address is
//! stored as said, but only connections to the session's own hosts are named.

mod address;
mod data;
mod record;
#[cfg(test)]
mod tests;

pub use data::DATA;
pub use record::{FTP, FtpCommand};

use self::data::{Channel, Data, Shared};
use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::files::FILES;
use super::lines::{self, Cut, Lines, Replies};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// Longest line that is read, bytes. The RFC sets none; servers take 512 to 4,096.
const MAX_LINE: usize = 8 << 10;

/// Longest path kept, bytes.
const MAX_PATH: usize = super::files::MAX_NAME;

/// Longest text of a reply kept, bytes.
const MAX_REPLY: usize = 512;

/// Commands that wait for their replies. Clients send one, a few pipeline; the oldest is written without its reply.
const MAX_PENDING: usize = 32;

/// Rows of one session. A mirror of a large archive stays below; a script that floods commands does not fill the store.
const MAX_ROWS: u32 = 10_000;

/// Commands with a meaning here (RFC 959, RFC 1639, RFC 2228, RFC 2389, RFC 2428, RFC 3659, RFC 7151).
const VERBS: &[&str] = &[
    "USER", "PASS", "ACCT", "CWD", "XCWD", "CDUP", "XCUP", "PWD", "XPWD", "PORT", "PASV", "EPRT", "EPSV",
    "TYPE", "REST", "RETR", "STOR", "STOU", "APPE", "DELE", "RNFR", "RNTO", "MKD", "XMKD", "RMD", "XRMD",
    "SITE", "LIST", "NLST", "MLSD", "SIZE", "SYST", "CLNT", "AUTH", "ADAT", "REIN", "ABOR", "STAT", "QUIT",
];

/// Those that get a row.
const RECORDED: &[&str] = &[
    "ACCT", "PORT", "PASV", "EPRT", "EPSV", "RETR", "STOR", "STOU", "APPE", "DELE", "RNFR", "RNTO", "MKD",
    "XMKD", "RMD", "XRMD", "SITE",
];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ftp",
    about: "FTP control connection (RFC 959); told by the server's 220 with the client's first command, or a greeting that says so.",
    transports: &[Transport::Tcp],
    ports: &[21],
    tables: &[&FTP, &CREDENTIALS, &FILES, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Ftp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    const FIRST: &[&str] = &["USER", "AUTH", "FEAT", "SYST", "HELP", "OPTS", "HOST", "CLNT", "PASS", "ACCT"];
    lines::greeted(p, &["220", "120"], "FTP", FIRST, &["EHLO", "HELO", "LHLO"], &[21])
}

/// A command that waits for its reply.
struct Pending {
    began: At,
    verb: &'static str,
    argument: String,
    /// The data connection that it uses.
    channel: Option<Announcement>,
    file_size: Option<u64>,
}

/// A data connection as it was announced.
#[derive(Clone)]
struct Announcement {
    passive: bool,
    host: Ip,
    port: u16,
    shared: Shared,
}

/// A login that is not decided.
struct Login {
    began: At,
    proved: bool,
    mechanism: &'static str,
}

/// The state of one session.
#[derive(Default)]
struct Ftp {
    lines: Lines<MAX_LINE>,
    replies: Replies,
    pending: VecDeque<Pending>,
    user: Option<String>,
    login: Option<Login>,
    /// Working folder, once the server said it.
    folder: Option<String>,
    /// The data connection that the next transfer will use.
    announced: Option<Announcement>,
    /// TYPE I: sizes count bytes on the wire.
    binary: bool,
    /// REST: the next transfer begins in the middle.
    restart: bool,
    /// Answer to the last SIZE, with its argument.
    size: Option<(String, u64)>,
    greeted: bool,
    rows: u32,
}

impl Parser for Ftp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        loop {
            match self.lines.next(side, data.get(at..).unwrap_or(&[]), out) {
                Cut::Wait(n) => return Fed::Took(at + n),
                Cut::Line { text, taken, .. } => {
                    at += taken;
                    match side {
                        Side::Orig => self.command(text, out),
                        Side::Resp => {
                            if self.reply(text, out) {
                                return Fed::Switch(at);
                            }
                        }
                    }
                }
            }
        }
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        self.lines.gap(side);
        self.replies.gap();
        // Which reply answers which command is not known any more.
        self.flush(out);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.flush(out);
        self.logged_in(None, None, out);
    }
}

impl Ftp {
    /// A line of the client.
    fn command(&mut self, line: &[u8], out: &mut Output<'_>) {
        // Telnet's interrupt and synch stand before ABOR (RFC 959 section 4.1.3).
        let from = line.iter().position(|b| *b < 0xf0).unwrap_or(line.len());
        let (verb, argument) = lines::word(line.get(from..).unwrap_or(&[]));
        if verb.is_empty() {
            return;
        }
        let verb = lines::known(verb, VERBS).unwrap_or("");
        // What else a command says may be a secret.
        let argument = match verb {
            "" | "PASS" | "ADAT" => String::new(),
            "ACCT" if !argument.is_empty() => "…".to_owned(),
            "USER" => printable(argument, MAX_ACCOUNT),
            _ => printable(argument, MAX_PATH),
        };
        let mut pending = Pending { began: out.at, verb, argument, channel: None, file_size: None };
        match verb {
            "USER" => {
                self.logged_in(None, None, out);
                self.user = Some(pending.argument.clone());
                self.login = Some(Login { began: out.at, proved: false, mechanism: "password" });
            }
            "PASS" => {
                self.login
                    .get_or_insert(Login { began: out.at, proved: true, mechanism: "password" })
                    .proved = true;
            }
            "AUTH" if pending.argument.eq_ignore_ascii_case("GSSAPI") => {
                self.login = Some(Login { began: out.at, proved: false, mechanism: "gssapi" });
            }
            "ADAT" => {
                self.login.get_or_insert(Login { began: out.at, proved: true, mechanism: "gssapi" }).proved =
                    true;
            }
            "PORT" | "EPRT" => {
                let told = if verb == "PORT" {
                    address::host_port(argument_of(line))
                } else {
                    address::extended(argument_of(line))
                        .map(|(ip, port)| (ip.unwrap_or(out.flow.tuple.src), port))
                };
                if let Some((host, port)) = told {
                    pending.channel = Some(self.announce(false, host, port, out));
                }
            }
            "RETR" | "STOR" | "STOU" | "APPE" | "LIST" | "NLST" | "MLSD" => self.transfer(&mut pending),
            "CLNT" => out.clue(out.flow.tuple.src, Clue::Client, &pending.argument, "ftp.clnt"),
            _ => {}
        }
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::None);
            self.write(oldest, None, out);
        }
        self.pending.push_back(pending);
    }

    /// A data connection is announced: it will go to our own host on that side, whatever address is said.
    fn announce(&mut self, passive: bool, host: Ip, port: u16, out: &mut Output<'_>) -> Announcement {
        let own = if passive { out.flow.tuple.dst } else { out.flow.tuple.src };
        let shared = Shared::default();
        if port > 0 {
            out.expect_with(own, port, &DATA, Box::new(Data::new(shared.clone())));
        }
        let announcement = Announcement { passive, host, port, shared };
        self.announced = Some(announcement.clone());
        announcement
    }

    /// A command that will use the data connection.
    fn transfer(&mut self, pending: &mut Pending) {
        pending.channel = self.announced.take();
        let name = if pending.argument.is_empty() { None } else { Some(self.named(&pending.argument)) };
        pending.file_size = self.size.take().filter(|(of, _)| *of == pending.argument).map(|(_, size)| size);
        let partial = std::mem::take(&mut self.restart);
        let size = pending.file_size.filter(|_| self.binary && !partial && pending.verb == "RETR");
        if let Some(announcement) = &pending.channel {
            let listing = matches!(pending.verb, "LIST" | "NLST" | "MLSD");
            *announcement.shared.lock() = Channel { listing, name, size, partial, complete: None };
        }
    }

    /// A path for the table `files`: from the root on where that is known, else as sent.
    fn named(&self, argument: &str) -> String {
        address::resolve(self.folder.as_deref(), argument).unwrap_or_else(|| argument.to_owned())
    }

    /// A line of the server. True when TLS begins behind it.
    fn reply(&mut self, line: &[u8], out: &mut Output<'_>) -> bool {
        if !self.greeted {
            self.greeted = true;
            let (code, text) = line.split_at_checked(4).unwrap_or((line, &[]));
            if code.starts_with(b"220") {
                let server = out.flow.tuple.dst;
                out.clue(server, Clue::Server, &printable(text, MAX_REPLY), "ftp.banner");
                out.clue(server, Clue::Role, "file_server", "ftp");
            }
        }
        let Some((code, text)) = self.replies.line(line) else { return false };
        if code < 200 {
            if let Some(pending) = self.pending.front_mut() {
                opening(pending, text, self.binary);
            }
            return false;
        }
        let Some(mut pending) = self.pending.pop_front() else { return false };
        let done = (200..300).contains(&code);
        let shown = printable(text, MAX_REPLY);
        match pending.verb {
            "USER" | "PASS" | "ADAT" => match code {
                230 | 232 | 235 => self.logged_in(Some(true), Some(shown.clone()), out),
                331 | 332 | 334 | 335 => {}
                _ => self.logged_in(Some(false), Some(shown.clone()), out),
            },
            "AUTH" if code == 234 => return true,
            "AUTH" if code >= 400 && self.login.as_ref().is_some_and(|l| !l.proved) => self.login = None,
            "PWD" | "XPWD" if code == 257 => {
                self.folder = address::quoted(&shown).filter(|f| f.starts_with('/'));
            }
            "CWD" | "XCWD" if done => {
                self.folder = address::resolve(self.folder.as_deref(), &pending.argument)
            }
            "CDUP" | "XCUP" if done => self.folder = address::resolve(self.folder.as_deref(), ".."),
            "TYPE" if done => {
                self.binary = matches!(pending.argument.as_bytes().first(), Some(b'I' | b'i' | b'L' | b'l'));
            }
            "REST" => self.restart = code == 350 && pending.argument != "0",
            "SIZE" if code == 213 => {
                self.size = shown.trim().parse().ok().map(|size| (pending.argument.clone(), size));
            }
            "SYST" if code == 215 => out.clue(out.flow.tuple.dst, Clue::System, &shown, "ftp.syst"),
            "PASV" if code == 227 => {
                if let Some((host, port)) = address::host_port(text) {
                    pending.channel = Some(self.announce(true, host, port, out));
                }
            }
            "EPSV" if code == 229 => {
                let from = text.iter().position(|b| *b == b'(').map_or(text.len(), |i| i + 1);
                if let Some((host, port)) = address::extended(text.get(from..).unwrap_or(&[])) {
                    let host = host.unwrap_or(out.flow.tuple.dst);
                    pending.channel = Some(self.announce(true, host, port, out));
                }
            }
            "RETR" | "STOR" | "STOU" | "APPE" => {
                if let Some(announcement) = &pending.channel {
                    announcement.shared.lock().complete = Some(done);
                }
            }
            _ => {}
        }
        self.write(pending, Some((code, shown)), out);
        false
    }

    /// The login at hand is decided, or its answer was not seen.
    fn logged_in(&mut self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        let Some(Login { began, proved, mechanism }) = self.login.take() else { return };
        let account = self.user.clone().filter(|_| mechanism == "password");
        let anonymous = account
            .as_deref()
            .is_some_and(|a| ["anonymous", "ftp"].iter().any(|n| a.eq_ignore_ascii_case(n)));
        // What an anonymous user gives as password is an address, and no secret (RFC 1635).
        let (mechanism, secret) = match mechanism {
            _ if anonymous => ("anonymous", Secret::None),
            _ if !proved => (mechanism, Secret::None),
            "gssapi" => (mechanism, Secret::Hashed),
            _ => (mechanism, Secret::Clear),
        };
        out.record(began, Credential { service: "ftp", account, mechanism, secret, success, detail });
    }

    /// Write what waits, without replies.
    fn flush(&mut self, out: &mut Output<'_>) {
        for pending in std::mem::take(&mut self.pending) {
            self.write(pending, None, out);
        }
    }

    fn write(&mut self, pending: Pending, reply: Option<(u16, String)>, out: &mut Output<'_>) {
        let Pending { began, verb, argument, channel, file_size } = pending;
        if !RECORDED.contains(&verb) {
            return;
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows > MAX_ROWS {
            if self.rows == MAX_ROWS + 1 {
                out.weird(WeirdKind::TooManyCommands, Detail::Number(u64::from(MAX_ROWS)));
            }
            return;
        }
        let has_path =
            !matches!(verb, "PORT" | "PASV" | "EPRT" | "EPSV" | "SITE" | "ACCT") && !argument.is_empty();
        let rtt = reply.as_ref().map(|_| out.at.ts.secs_since(began.ts));
        let (reply_code, reply_text) = reply.unzip();
        let record = FtpCommand {
            user: self.user.clone(),
            command: verb,
            path: has_path.then(|| address::resolve(self.folder.as_deref(), &argument)).flatten(),
            argument: Some(argument).filter(|a| !a.is_empty()),
            reply_code,
            reply_text,
            file_size,
            data_passive: channel.as_ref().map(|c| c.passive),
            data_host: channel.as_ref().map(|c| c.host.to_string()),
            data_port: channel.as_ref().map(|c| c.port),
            rtt,
        };
        out.record(began, record);
    }
}

/// What follows the command in its line.
fn argument_of(line: &[u8]) -> &[u8] {
    lines::word(line).1
}

/// A transfer opens: servers like to say the size, `150 Opening BINARY mode data connection for x (123 bytes)`.
fn opening(pending: &mut Pending, text: &[u8], binary: bool) {
    if pending.verb != "RETR" {
        return;
    }
    let bytes = printable(text, MAX_REPLY);
    let Some((before, _)) = bytes.rsplit_once(" bytes") else { return };
    let number = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    let Ok(size) = number.parse::<u64>() else { return };
    pending.file_size = pending.file_size.or(Some(size));
    if let Some(announcement) = pending.channel.as_ref().filter(|_| binary) {
        let mut channel = announcement.shared.lock();
        if !channel.partial && channel.size.is_none() {
            channel.size = Some(size);
        }
    }
}
