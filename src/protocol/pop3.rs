//! Who fetches mail over POP3, and what was asked?
//!
//! RFC 1939, RFC 2449 (CAPA), RFC 2595 (STLS), RFC 5034 (AUTH). Commands are paired with their replies in order, USER, PASS, APOP and AUTH become logins, and the
//! attachments of retrieved mails become files.
//! Refuses to keep mails: their lines pass, only attachments are hashed.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::files::FILES;
use super::lines::{self, Cut, Lines};
use super::mime::Message;
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

/// Longest line kept whole, bytes: the RFC ends commands at 255 and replies at 512, answers of AUTH are longer. Lines of mails come in pieces.
const MAX_LINE: usize = 8 << 10;

/// Longest text of an argument or reply kept, bytes.
const MAX_TEXT: usize = 512;

/// Commands that wait for replies; clients that pipeline (RFC 2449 section 6.6) send a mailbox of RETR at once.
const MAX_PENDING: usize = 256;

/// Rows of one session: a mailbox of a thousand mails is all there.
const MAX_ROWS: u32 = 2_000;

const VERBS: &[&str] = &[
    "USER", "PASS", "APOP", "AUTH", "STLS", "CAPA", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET",
    "NOOP", "QUIT", "UTF8", "LANG",
];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "pop3",
    about: "POP3 (RFC 1939); told by the server's +OK with the client's first command, or a greeting that says so.",
    transports: &[Transport::Tcp],
    ports: &[110],
    tables: &[&POP3, &CREDENTIALS, &NTLM, &FILES, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Pop3Parser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let first = &["USER", "APOP", "CAPA", "AUTH", "STLS", "QUIT", "UTF8"];
    lines::greeted(p, &["+OK"], "POP", first, &["PING", "EHLO"], PROTOCOL.ports)
}

/// One row per command.
pub static POP3: Table = Table::record(
    "pop3",
    "One row is one POP3 command with its reply. ts is the command. Logins are in credentials, attachments in files.",
    &[
        col("command", T::Text, "", "Command in upper case, such as RETR."),
        col("argument", T::Text, "", "Argument as sent, without secrets; NULL without one."),
        col("status", T::Text, "", "+OK or -ERR; NULL when the reply was not seen."),
        col("reply", T::Text, "", "Text behind the status; NULL when the reply was not seen or has none."),
    ],
);

/// One command with its reply.
#[derive(Clone, Debug)]
pub struct Pop3Command {
    /// Upper case; `None`: no command of the RFCs, and no row.
    pub command: &'static str,
    /// Printable, without secrets.
    pub argument: Option<String>,
    /// `+OK` or `-ERR`.
    pub status: Option<&'static str>,
    /// Text behind it, printable.
    pub reply: Option<String>,
}

impl Record for Pop3Command {
    fn table(&self) -> &'static Table {
        &POP3
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.status)
            .opt_text(self.reply.as_deref());
    }
}

/// A command that waits for its reply.
#[derive(Debug)]
struct Pending {
    began: At,
    verb: &'static str,
    argument: Option<String>,
}

/// A login that is not decided.
enum Login {
    /// USER or APOP: account, when it began, form of the secret.
    Named(At, Option<String>, Secret),
    Sasl(Sasl),
}

/// What the next lines of the server are.
#[derive(Default)]
enum Server {
    #[default]
    Reply,
    /// Lines up to a lone dot; those of a mail are looked into.
    Lines(Option<Box<Message>>),
}

/// The state of one session.
#[derive(Default)]
struct Pop3Parser {
    lines: Lines<MAX_LINE>,
    pending: VecDeque<Pending>,
    server: Server,
    mid_line: bool,
    /// Bytes of the mail at hand are lost.
    cut: bool,
    user: Option<String>,
    login: Option<Login>,
    /// The server wants the next answer of AUTH.
    challenged: bool,
    greeted: bool,
    rows: u32,
}

impl Parser for Pop3Parser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            let content = side == Side::Resp && matches!(self.server, Server::Lines(_));
            let cut = if content { self.lines.piece(side, rest) } else { self.lines.next(side, rest, out) };
            let (text, taken, end) = match cut {
                Cut::Wait(n) => return Fed::Took(at + n),
                Cut::Line { text, taken, end } => (text, taken, end),
            };
            at += taken;
            if content {
                self.content(text, end, out);
            } else if side == Side::Orig {
                self.command(text, out);
            } else if self.reply(text, out) {
                return Fed::Switch(at);
            }
        }
    }

    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed {
        self.lines.gap(side);
        match (side, &mut self.server) {
            (Side::Resp, Server::Lines(message)) => {
                (self.mid_line, self.cut) = (true, true);
                if let Some(message) = message {
                    message.gap(missing);
                }
            }
            // Which reply answers which command is not known any more.
            _ => self.flush(out),
        }
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.end_lines(false, out);
        self.flush(out);
        self.logged_in(None, None, out);
    }
}

impl Pop3Parser {
    fn command(&mut self, line: &[u8], out: &mut Output<'_>) {
        if self.challenged
            && let Some(Login::Sasl(sasl)) = &mut self.login
        {
            self.challenged = false;
            return sasl.answer(line, out);
        }
        let (word, argument) = lines::word(line);
        let verb = lines::known(word, VERBS).unwrap_or("");
        let kept = match verb {
            "" | "PASS" => &[],
            // The digest, and an initial answer, are secrets.
            "APOP" | "AUTH" => lines::word(argument).0,
            _ => argument,
        };
        match verb {
            "USER" => {
                self.logged_in(None, None, out);
                self.user = Some(printable(argument, MAX_ACCOUNT));
            }
            "PASS" => self.login = Some(Login::Named(out.at, self.user.clone(), Secret::Clear)),
            "APOP" => {
                self.login = Some(Login::Named(out.at, Some(printable(kept, MAX_ACCOUNT)), Secret::Hashed))
            }
            "AUTH" if !argument.is_empty() => {
                self.login = Some(Login::Sasl(Sasl::begin("pop3", argument, out)))
            }
            _ => {}
        }
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::None);
            self.write(oldest, None, None, out);
        }
        let argument = Some(printable(kept, MAX_TEXT)).filter(|a| !a.is_empty());
        self.pending.push_back(Pending { began: out.at, verb, argument });
    }

    /// A status line. True when TLS begins behind it.
    fn reply(&mut self, line: &[u8], out: &mut Output<'_>) -> bool {
        let (status, said) = lines::word(line);
        let text = Some(printable(said, MAX_TEXT)).filter(|t| !t.is_empty());
        let status = match status {
            b"+OK" => "+OK",
            b"-ERR" => "-ERR",
            b"+" => {
                self.challenged = true;
                if let Some(Login::Sasl(sasl)) = &mut self.login {
                    sasl.challenge(said, out);
                }
                return false;
            }
            // Lines of an answer whose beginning is lost.
            _ => return false,
        };
        if !std::mem::replace(&mut self.greeted, true)
            && self.pending.front().is_none_or(|p| p.began.packet == out.at.packet)
        {
            let server = out.flow.tuple.dst;
            out.clue(server, Clue::Server, text.as_deref().unwrap_or(""), "pop3.banner");
            out.clue(server, Clue::Role, "mail_server", "pop3");
            return false;
        }
        let Some(pending) = self.pending.pop_front() else { return false };
        let good = status == "+OK";
        let many = match pending.verb {
            "RETR" | "TOP" | "CAPA" => true,
            "LIST" | "UIDL" | "AUTH" | "LANG" => pending.argument.is_none(),
            _ => false,
        };
        if good && many {
            let mail = pending.verb == "RETR";
            self.server = Server::Lines(mail.then(|| Box::new(Message::new("pop3", Side::Resp))));
            (self.mid_line, self.cut) = (false, false);
        }
        if matches!(pending.verb, "PASS" | "APOP") || (pending.verb == "AUTH" && pending.argument.is_some()) {
            self.logged_in(Some(good), text.clone(), out);
        }
        let switch = good && pending.verb == "STLS";
        self.write(pending, Some(status), text, out);
        switch
    }

    /// A line, or a piece of one, of an answer of several lines.
    fn content(&mut self, text: &[u8], end: &'static [u8], out: &mut Output<'_>) {
        let starts = !std::mem::replace(&mut self.mid_line, end.is_empty());
        if starts && !end.is_empty() && text == b"." {
            return self.end_lines(true, out);
        }
        if let Server::Lines(Some(message)) = &mut self.server {
            let text = text.strip_prefix(b".").filter(|_| starts).unwrap_or(text);
            message.line(text, end, out);
        }
    }

    fn end_lines(&mut self, whole: bool, out: &mut Output<'_>) {
        if let Server::Lines(Some(message)) = std::mem::take(&mut self.server) {
            message.finish(whole && !self.cut, out);
        }
    }

    fn logged_in(&mut self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        self.challenged = false;
        match self.login.take() {
            Some(Login::Sasl(sasl)) => sasl.finish(success, detail, out),
            Some(Login::Named(began, account, secret)) => {
                let mechanism = if secret == Secret::Hashed { "apop" } else { "password" };
                out.record(
                    began,
                    Credential { service: "pop3", account, mechanism, secret, success, detail },
                );
            }
            None => {}
        }
    }

    fn flush(&mut self, out: &mut Output<'_>) {
        for pending in std::mem::take(&mut self.pending) {
            self.write(pending, None, None, out);
        }
    }

    fn write(
        &mut self,
        pending: Pending,
        status: Option<&'static str>,
        reply: Option<String>,
        out: &mut Output<'_>,
    ) {
        let Pending { began, verb: command, argument } = pending;
        if command.is_empty() {
            return;
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows <= MAX_ROWS {
            out.record(began, Pop3Command { command, argument, status, reply });
        } else if self.rows == MAX_ROWS + 1 {
            out.weird(WeirdKind::TooManyCommands, Detail::Number(u64::from(MAX_ROWS)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::files::FileRecord;
    use crate::protocol::testing::{Bench, Run, lost, orig, resp};

    /// The session of RFC 1939 section 10, with a mail that carries a file.
    const SESSION: &[(bool, &[u8])] = &[
        (false, b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"),
        (true, b"APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"),
        (false, b"+OK mrose's maildrop has 2 messages (320 octets)\r\n"),
        (true, b"LIST\r\n"),
        (false, b"+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n"),
        (true, b"RETR 1\r\n"),
        (
            false,
            b"+OK 120 octets\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n.\r\n",
        ),
        (true, b"DELE 9\r\n"),
        (false, b"-ERR no such message\r\n"),
        (true, b"QUIT\r\n"),
        (false, b"+OK bye\r\n"),
    ];

    fn rows(run: &Run) -> Vec<(&str, Option<&str>, Option<&str>)> {
        assert_eq!(run.faults, 0);
        run.records::<Pop3Command>().iter().map(|r| (r.command, r.argument.as_deref(), r.status)).collect()
    }

    fn logins(run: &Run) -> Vec<(Option<&str>, &str, Secret, Option<bool>)> {
        run.records::<Credential>()
            .iter()
            .map(|c| (c.account.as_deref(), c.mechanism, c.secret, c.success))
            .collect()
    }

    #[test]
    fn the_session_of_the_rfc() {
        let expected = [
            ("APOP", Some("mrose"), Some("+OK")),
            ("LIST", None, Some("+OK")),
            ("RETR", Some("1"), Some("+OK")),
            ("DELE", Some("9"), Some("-ERR")),
            ("QUIT", None, Some("+OK")),
        ];
        let all: Vec<_> = SESSION.iter().map(|(c, d)| if *c { orig(d) } else { resp(d) }).collect();
        let bytes: Vec<_> = SESSION
            .iter()
            .flat_map(|(c, d)| d.chunks(1).map(move |b| if *c { orig(b) } else { resp(b) }))
            .collect();
        for pieces in [&all, &bytes] {
            let run = Bench::tcp(110).run(pieces);
            assert_eq!(rows(&run), expected);
            assert_eq!(logins(&run), [(Some("mrose"), "apop", Secret::Hashed, Some(true))]);
            let file = run.records::<FileRecord>()[0];
            assert_eq!(
                (file.name.as_deref(), file.seen_bytes, file.sha256.is_some()),
                (Some("a.zip"), 4, true)
            );
        }
        for end in 0..all.len() {
            rows(&Bench::tcp(110).run(&all[..end]));
            let mut holed = all.clone();
            holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 20);
            rows(&Bench::tcp(110).run(&holed));
        }
    }

    #[test]
    fn logins_of_all_kinds() {
        let run = Bench::tcp(110).run(&[
            resp(b"+OK ready\r\n"),
            orig(b"USER joe\r\n"),
            resp(b"+OK\r\n"),
            orig(b"PASS secret word\r\n"),
            resp(b"-ERR [AUTH] no\r\n"),
            orig(b"AUTH PLAIN\r\n"),
            resp(b"+ \r\n"),
            orig(b"AGpvZQBzZWNyZXQ=\r\n"),
            resp(b"+OK welcome\r\n"),
        ]);
        let expected = [
            (Some("joe"), "password", Secret::Clear, Some(false)),
            (Some("joe"), "plain", Secret::Clear, Some(true)),
        ];
        assert_eq!(logins(&run), expected);
        let shown = format!("{:?}", run.records::<Pop3Command>());
        assert!(!shown.contains("secret") && !shown.contains("AGpv"), "{shown}");
    }

    #[test]
    fn tls_follows_stls() {
        let session = |answer: &'static [u8]| {
            let sent = [resp(b"+OK ready\r\n"), orig(b"STLS\r\n"), resp(answer), orig(&[b'z'; 64])];
            Bench::tcp(110).only(&[&PROTOCOL]).run(&sent).done_after
        };
        assert_eq!(session(b"+OK begin\r\n"), Some(4));
        assert_eq!(session(b"-ERR no\r\n"), None);
    }
}
