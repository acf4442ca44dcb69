//! Who sent which mail to whom, and did the server take it?
//!
//! SMTP (RFC 5321) and LMTP (RFC 2033) with PIPELINING (RFC 2920), CHUNKING (RFC 3030), AUTH (RFC 4954), SIZE (RFC 1870) and STARTTLS (RFC 3207). Replies are paired with
//! commands in order; the message between DATA and its dot is read by `mime` while it passes.
//! Refuses to keep the text of a mail, and to guess how a reply belongs to a command after loss.

mod record;
#[cfg(test)]
mod tests;
mod transaction;

pub use record::{SMTP, SmtpTransaction};

use super::clues::{Clue, HOST_CLUES};
use super::credentials::CREDENTIALS;
use super::files::FILES;
use super::lines::{self, Cut, Lines, Replies};
use super::mime::Message;
use super::ntlm::NTLM;
use super::sasl::Sasl;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict, names};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::text::printable;
use std::collections::VecDeque;
use transaction::{Open, path, read_message, write};

/// Longest line that is kept whole, bytes: RFC 4954 section 4 allows 12,288 for AUTH. Longer lines of a message come in pieces.
const MAX_LINE: usize = 12 << 10;

/// Longest mailbox or host name kept, bytes: a path ends at 256 (RFC 5321 section 4.5.3.1.3).
const MAX_PATH: usize = 512;

/// Longest text of a reply kept, bytes; the RFC ends a line at 512.
const MAX_REPLY: usize = 512;

/// Recipients kept of one transaction: what every server must take (RFC 5321 section 4.5.3.1.8).
const MAX_RECIPIENTS: usize = 100;

/// Commands that wait for replies. A pipelined transaction with the recipients above fits; of flows of which only the client's side was captured the oldest are
/// forgotten, and no row is lost by it.
const MAX_PENDING: usize = 128;

const VERBS: &[&str] = &[
    "HELO", "EHLO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "AUTH", "STARTTLS", "QUIT", "NOOP",
    "VRFY", "EXPN", "HELP", "XCLIENT",
];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "smtp",
    about: "SMTP and LMTP (RFC 5321, RFC 2033); told by the client's EHLO or HELO behind the server's 220, or a greeting that says so.",
    transports: &[Transport::Tcp],
    ports: &[25, 587, 2525, 24],
    tables: &[&SMTP, &CREDENTIALS, &NTLM, &FILES, &HOST_CLUES],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Smtp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    const HELLO: &[&str] = &["EHLO", "HELO", "LHLO"];
    let greeted =
        lines::greeted(p, &["220", "421", "554"], "SMTP", HELLO, &["USER", "FEAT", "SYST"], PROTOCOL.ports);
    if matches!(greeted, Verdict::Mine(_)) {
        return greeted;
    }
    // Without the greeting, two commands in a row that nothing else has.
    let envelope = |line: &[u8]| {
        let begins = |prefix: &str| {
            line.get(..prefix.len()).is_some_and(|l| l.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        begins("MAIL FROM:") || begins("RCPT TO:")
    };
    let commands = p.orig.split(|b| *b == b'\n').filter(|l| l.ends_with(b"\r"));
    let said = commands.take(8).filter(|l| envelope(l) || names::begins_with_word(l, HELLO)).count();
    let answered = p.resp.starts_with(b"250");
    if p.orig.split(|b| *b == b'\n').take(8).any(envelope) && (said >= 2 || answered) {
        return Verdict::Mine(80);
    }
    let begins = lines::begins_like(p.orig, HELLO) || lines::begins_like(p.orig, &["MAIL FROM:", "RCPT TO:"]);
    let quiet = p.resp.is_empty() || (answered && !p.orig.is_empty());
    if greeted == Verdict::NotMine && !(begins && quiet) { Verdict::NotMine } else { Verdict::NeedMore }
}

/// What a reply will be an answer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// HELO and its kin, and what changes nothing here.
    Other,
    /// MAIL.
    Mail,
    Rcpt,
    /// DATA: go ahead or not.
    Data,
    /// The message, or its last chunk.
    Message,
    /// A chunk before the last.
    Chunk,
    Auth,
    StartTls,
}

/// What the next bytes of the client are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Client {
    #[default]
    Command,
    /// DATA was sent; a client that goes on before the answer sends the message.
    Asked,
    /// Lines of a message up to a lone dot.
    Message,
    /// So many bytes of a chunk, and whether it is the last one.
    Chunk(u64, bool),
}

/// The state of one session.
#[derive(Default)]
struct Smtp {
    lines: Lines<MAX_LINE>,
    replies: Replies,
    client: Client,
    /// What waits for a reply, each with the number of its transaction.
    pending: VecDeque<(Asked, u32)>,
    open: Option<Box<Open>>,
    /// Transactions whose message was sent and not answered when the next one began.
    waiting: VecDeque<Box<Open>>,
    /// HELO, and when.
    helo: Option<(At, String)>,
    auth: Option<Sasl>,
    /// The server asked for the next answer of AUTH.
    challenged: bool,
    auth_mechanism: Option<&'static str>,
    tls: bool,
    lmtp: bool,
    greeted: bool,
    depth: u32,
    /// The next piece of the message continues a line.
    mid_line: bool,
}

impl Parser for Smtp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        loop {
            let rest = data.get(at..).unwrap_or(&[]);
            let (taken, more) = match (side, self.client) {
                (Side::Orig, Client::Chunk(left, last)) if left > 0 => self.chunk(rest, left, last, out),
                (Side::Orig, Client::Asked | Client::Message) => match self.lines.piece(side, rest) {
                    Cut::Wait(n) => (n, false),
                    Cut::Line { text, taken, end } => {
                        self.content(text, end, taken, out);
                        (taken, true)
                    }
                },
                _ => match self.lines.next(side, rest, out) {
                    Cut::Wait(n) => (n, false),
                    Cut::Line { text, taken, .. } if side == Side::Orig => {
                        self.command(text, out);
                        (taken, true)
                    }
                    Cut::Line { text, taken, .. } => {
                        if self.reply(text, out) {
                            return Fed::Switch(at + taken);
                        }
                        (taken, true)
                    }
                },
            };
            at += taken;
            if !more {
                return Fed::Took(at);
            }
        }
    }

    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed {
        self.lines.gap(side);
        match (side, self.client) {
            (Side::Orig, Client::Command) => self.forget(out),
            (Side::Orig, client) => {
                self.mid_line = true;
                if let Some(open) = &mut self.open {
                    open.cut = true;
                    if let Some(message) = &mut open.message {
                        message.gap(missing);
                    }
                }
                if let Client::Chunk(left, last) = client {
                    self.client = Client::Chunk(left.saturating_sub(missing), last);
                    if missing > left {
                        self.end_message(out);
                        self.forget(out);
                    } else if missing == left {
                        self.end_chunk(last, out);
                    }
                }
            }
            (Side::Resp, _) => {
                self.replies.gap();
                self.forget(out);
            }
        }
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.authenticated(None, None, out);
        self.forget(out);
        self.close(out);
        if self.depth == 0
            && let Some((began, helo)) = self.helo.take()
        {
            let row = SmtpTransaction {
                helo: Some(helo),
                tls: self.tls,
                auth_mechanism: self.auth_mechanism,
                ..SmtpTransaction::default()
            };
            out.record(began, row);
        }
    }
}

impl Smtp {
    /// A line of the client outside a message.
    fn command(&mut self, line: &[u8], out: &mut Output<'_>) {
        let (word, argument) = lines::word(line);
        let verb = lines::known(word, VERBS);
        if let Some(auth) = &mut self.auth {
            if verb.is_none() || self.challenged {
                self.challenged = false;
                auth.answer(line, out);
                return self.push(Asked::Auth);
            }
            self.authenticated(None, None, out);
        }
        let asked = match verb {
            Some("EHLO" | "HELO" | "LHLO") => {
                self.close(out);
                self.lmtp |= verb == Some("LHLO");
                let name = printable(argument, MAX_PATH);
                // A literal address says nothing that the packet does not.
                if name.contains('.') && !name.starts_with('[') {
                    out.clue(out.flow.tuple.src, Clue::Name, &name, "smtp.helo");
                }
                self.helo = Some((out.at, name));
                Asked::Other
            }
            Some("MAIL") => {
                self.close(out);
                self.begin(argument, out);
                Asked::Mail
            }
            Some("RCPT") => {
                if let Some(open) = &mut self.open {
                    open.row.rcpt_count = open.row.rcpt_count.saturating_add(1);
                    if open.row.rcptto.len() < MAX_RECIPIENTS {
                        open.row.rcptto.push(path(argument).0);
                    }
                }
                Asked::Rcpt
            }
            Some("DATA") => {
                self.client = Client::Asked;
                self.mid_line = false;
                Asked::Data
            }
            Some("BDAT") => return self.begin_chunk(argument, out),
            Some("RSET") => {
                self.close(out);
                Asked::Other
            }
            Some("AUTH") => {
                let sasl = Sasl::begin("smtp", argument, out);
                self.auth_mechanism = Some(sasl.mechanism());
                self.auth = Some(sasl);
                self.challenged = false;
                Asked::Auth
            }
            Some("STARTTLS") => Asked::StartTls,
            _ => Asked::Other,
        };
        self.push(asked);
    }

    fn push(&mut self, asked: Asked) {
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back((asked, self.depth));
    }

    /// Which reply answers what is not known any more.
    fn forget(&mut self, out: &mut Output<'_>) {
        self.pending.clear();
        for open in std::mem::take(&mut self.waiting) {
            write(*open, out);
        }
    }

    /// A piece of the message that DATA announced; `taken` bytes on the wire.
    fn content(&mut self, text: &[u8], end: &'static [u8], taken: usize, out: &mut Output<'_>) {
        self.client = Client::Message;
        let starts = !std::mem::replace(&mut self.mid_line, end.is_empty());
        if starts && !end.is_empty() && text == b"." {
            self.client = Client::Command;
            self.end_message(out);
            return self.push(Asked::Message);
        }
        let text = text.strip_prefix(b".").filter(|_| starts).unwrap_or(text);
        self.message_piece(text, end, taken, out);
    }

    fn message_piece(&mut self, text: &[u8], end: &'static [u8], taken: usize, out: &mut Output<'_>) {
        let open = self.transaction(out.at);
        let bytes = open.row.message_bytes.get_or_insert(0);
        *bytes = bytes.saturating_add(taken as u64);
        let message = open.message.get_or_insert_with(|| Box::new(Message::new("smtp", Side::Orig)));
        message.line(text, end, out);
    }

    /// BDAT: so many bytes of the message follow, whatever the server will say.
    fn begin_chunk(&mut self, argument: &[u8], out: &mut Output<'_>) {
        let (size, last) = lines::word(argument);
        let Some(size) = std::str::from_utf8(size).ok().and_then(|s| s.parse::<u64>().ok()) else {
            return self.push(Asked::Other);
        };
        let last = last.eq_ignore_ascii_case(b"LAST");
        self.client = Client::Chunk(size, last);
        if size == 0 {
            self.end_chunk(last, out);
        }
    }

    /// Bytes of a chunk. How many were taken, and whether there may be more to do.
    fn chunk(&mut self, rest: &[u8], left: u64, last: bool, out: &mut Output<'_>) -> (usize, bool) {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let whole = here as u64 == left;
        let slice = rest.get(..here).unwrap_or(rest);
        let taken = match self.lines.piece(Side::Orig, slice) {
            Cut::Line { text, taken, end } => {
                self.message_piece(text, end, taken, out);
                taken
            }
            Cut::Wait(n) if whole => {
                // A chunk may end inside a line, which the next one continues.
                self.lines.gap(Side::Orig);
                let text = slice.get(n..).unwrap_or(&[]);
                self.message_piece(text, b"", text.len(), out);
                here
            }
            Cut::Wait(n) => {
                self.client = Client::Chunk(left.saturating_sub(n as u64), last);
                return (n, false);
            }
        };
        let left = left.saturating_sub(taken as u64);
        self.client = Client::Chunk(left, last);
        if left == 0 {
            self.end_chunk(last, out);
        }
        (taken, true)
    }

    fn end_chunk(&mut self, last: bool, out: &mut Output<'_>) {
        self.client = Client::Command;
        if last {
            self.end_message(out);
        }
        self.push(if last { Asked::Message } else { Asked::Chunk });
    }

    /// The last byte of the message passed by.
    fn end_message(&mut self, out: &mut Output<'_>) {
        self.client = Client::Command;
        let lmtp = self.lmtp;
        let Some(open) = &mut self.open else { return };
        open.ended = true;
        read_message(open, true, out);
        let accepted = open.row.rcpt_count.saturating_sub(open.row.rcpt_rejected);
        open.finals = if lmtp { accepted.max(1) } else { 1 };
    }

    /// A line of the server. True when TLS begins behind it.
    fn reply(&mut self, line: &[u8], out: &mut Output<'_>) -> bool {
        if !self.greeted {
            self.greeted = true;
            if line.starts_with(b"220") {
                let server = out.flow.tuple.dst;
                let text = line.get(4..).unwrap_or(&[]);
                out.clue(server, Clue::Server, &printable(text, MAX_REPLY), "smtp.banner");
                out.clue(server, Clue::Role, "mail_server", "smtp");
                // RFC 5321 section 4.2: the name of the host comes first.
                let (name, _) = lines::word(text);
                if name.contains(&b'.')
                    && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
                {
                    out.clue(server, Clue::Name, &printable(name, MAX_PATH), "smtp.banner");
                }
                return false;
            }
        }
        let Some((code, said)) = self.replies.line(line) else { return false };
        let text = printable(said, MAX_REPLY);
        let (asked, depth) = self.pending.front().copied().unzip();
        let lost_end =
            asked.is_none() && self.client == Client::Message && self.open.as_ref().is_some_and(|o| o.cut);
        let mut more = false;
        if let Some(open) = self.numbered(depth)
            && !matches!(asked, Some(Asked::Other | Asked::Auth | Asked::StartTls))
        {
            open.row.reply_code = Some(code);
            open.row.reply_text = Some(text.clone());
            match asked {
                Some(Asked::Rcpt) if code >= 400 => {
                    open.row.rcpt_rejected = open.row.rcpt_rejected.saturating_add(1);
                }
                Some(Asked::Message) => {
                    open.finals = open.finals.saturating_sub(1);
                    more = open.finals > 0;
                }
                _ => {}
            }
        }
        if !more {
            self.pending.pop_front();
        }
        match asked {
            Some(Asked::Mail) if code >= 400 => self.answered(depth, out),
            Some(Asked::Data) if code == 354 => self.client = Client::Message,
            Some(Asked::Data) if self.client == Client::Asked => self.client = Client::Command,
            Some(Asked::Message) if !more => self.answered(depth, out),
            Some(Asked::Chunk) if code >= 400 => self.answered(depth, out),
            Some(Asked::Auth) => match code {
                334 => {
                    self.challenged = true;
                    if let Some(auth) = &mut self.auth {
                        auth.challenge(said, out);
                    }
                }
                235 => self.authenticated(Some(true), Some(text), out),
                _ => self.authenticated(Some(false), Some(text), out),
            },
            Some(Asked::StartTls) if code == 220 => {
                self.tls = true;
                return true;
            }
            // The end of the message was lost, and the server answers it.
            None if lost_end && code >= 250 => {
                self.client = Client::Command;
                self.close(out);
            }
            _ => {}
        }
        false
    }

    fn authenticated(&mut self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        self.challenged = false;
        if let Some(auth) = self.auth.take() {
            auth.finish(success, detail, out);
        }
    }
}
