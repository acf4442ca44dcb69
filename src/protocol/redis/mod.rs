//! Which commands does a Redis client give, and who is it?
//!
//! RESP 2 and 3 (redis.io, "Redis serialization protocol"): requests as arrays of bulk strings or as inline lines, answers in order. Told by a
//! request as an array whose first string has the length it says and is a word.
//! Refuses: values. Of the arguments the first is shown (most often a key), and none of AUTH.

mod record;

pub use record::{RedisCommand, TABLE};

use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "redis",
    about: "Redis (RESP); told by a request as an array of bulk strings that begins with a word.",
    transports: &[Transport::Tcp],
    ports: &[6379],
    tables: &[&TABLE, &CREDENTIALS],
    buffer_cap: LINE_CAP * 2,
    probe,
    parser: Some(|| Box::<Redis>::default()),
};

/// Longest line (inline request, error, simple string), bytes: the server's own limit for inline requests.
const LINE_CAP: usize = 64 << 10;

/// Bytes of an argument that are waited for; what is longer is stepped over.
const KEEP: usize = 512;

/// Longest argument or error text shown, bytes.
const TEXT_CAP: usize = 256;

/// Arguments of a request that are looked at: AUTH and HELLO need five.
const ARGUMENTS: usize = 8;

/// Requests that wait for their answers; pipelines of clients hold some hundred.
const PENDING_CAP: usize = 1_024;

/// Rows that one flow may write: clients send thousands of commands in a second.
const COMMANDS_CAP: u32 = 10_000;

/// A decimal number before CR LF: its value and the bytes it takes. `Some(None)`: no number.
fn number(data: &[u8]) -> Option<Option<(i64, usize)>> {
    let end = data.iter().take(24).position(|b| *b == b'\n');
    let Some(end) = end else { return if data.len() < 24 { None } else { Some(None) } };
    let text = data.get(..end).and_then(|l| l.strip_suffix(b"\r"));
    let value = text.and_then(|t| std::str::from_utf8(t).ok()).and_then(|t| t.parse().ok());
    Some(value.map(|v| (v, end + 1)))
}

fn probe(p: &Probe<'_>) -> Verdict {
    let d = p.orig;
    if d.is_empty() && p.resp.is_empty() {
        return Verdict::NeedMore;
    }
    let Some(rest) = d.strip_prefix(b"*") else { return inline(p) };
    let Some(count) = number(rest) else { return Verdict::NeedMore };
    let Some((1..=1_048_576, used)) = count else { return Verdict::NotMine };
    let Some((b'$', rest)) = rest.get(used..).and_then(|r| r.split_first()).map(|(a, b)| (*a, b)) else {
        return if rest.len() == used { Verdict::NeedMore } else { Verdict::NotMine };
    };
    let Some(length) = number(rest) else { return Verdict::NeedMore };
    let Some((length @ 1..=64, used)) = length else { return Verdict::NotMine };
    let word = rest.get(used..).unwrap_or(&[]);
    let word = word.get(..length as usize).unwrap_or(word);
    let fits = word.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
    match (fits, word.len() == length as usize) {
        (true, true) => Verdict::Mine(92),
        (true, false) => Verdict::NeedMore,
        (false, _) => Verdict::NotMine,
    }
}

/// Commands as lines, as people type them: believed with the matching answer.
fn inline(p: &Probe<'_>) -> Verdict {
    let known: [(&[u8], &[&[u8]]); 4] = [
        (b"PING\r\n", &[b"+PONG\r\n", b"-NOAUTH "]),
        (b"INFO\r\n", &[b"$", b"-NOAUTH "]),
        (b"COMMAND\r\n", &[b"*", b"-NOAUTH "]),
        (b"AUTH ", &[b"+OK\r\n", b"-WRONGPASS ", b"-ERR "]),
    ];
    let begins = |ask: &[u8]| p.orig.get(..ask.len()).is_some_and(|o| o.eq_ignore_ascii_case(ask));
    let Some((ask, answers)) = known.into_iter().find(|(ask, _)| begins(ask)) else {
        let may = |ask: &[u8]| ask.get(..p.orig.len()).is_some_and(|a| a.eq_ignore_ascii_case(p.orig));
        let open = p.resp.is_empty() && known.iter().any(|(ask, _)| may(ask));
        return if open { Verdict::NeedMore } else { Verdict::NotMine };
    };
    if p.resp.is_empty() {
        return Verdict::NeedMore;
    }
    let fits = match ask {
        b"INFO\r\n" => p.resp.starts_with(b"-") || p.resp.windows(8).any(|w| w == b"# Server"),
        // Mail servers know AUTH too.
        b"AUTH " => p.resp.starts_with(b"-W") || p.on_port(PROTOCOL.ports),
        _ => true,
    };
    if fits && answers.iter().any(|a| p.resp.starts_with(a)) {
        return Verdict::Mine(80);
    }
    Verdict::NotMine
}

/// A command that waits for its answer.
struct Pending {
    began: At,
    row: RedisCommand,
    /// Who logs in with it, if somebody does.
    login: Option<Option<String>>,
}

/// A request in the making.
#[derive(Default)]
struct Request {
    began: Option<At>,
    /// Strings still to come.
    left: u64,
    count: u32,
    arguments: Vec<Vec<u8>>,
}

/// The state of one connection.
#[derive(Default)]
struct Redis {
    request: Request,
    /// Elements of the answer at hand still to come; 0 between answers.
    answer_left: u64,
    pending: VecDeque<Pending>,
    lost: [bool; 2],
    /// Answers are no longer one a request: subscriptions push, MONITOR streams.
    pushing: bool,
    written: u32,
    seen: bool,
}

/// What one step did.
enum Step {
    Took(usize),
    Wait,
    /// All that is there, and so many bytes more.
    Skip(u64),
    Lost,
}

impl Redis {
    fn lost(&mut self, side: Side) -> &mut bool {
        let [orig, resp] = &mut self.lost;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// One element of a request.
    fn ask(&mut self, rest: &[u8], out: &mut Output<'_>) -> Step {
        let Some((kind, tail)) = rest.split_first() else { return Step::Wait };
        if self.request.left == 0 {
            if *kind != b'*' {
                return self.inline(rest, out);
            }
            return match number(tail) {
                None => Step::Wait,
                Some(Some((count @ 0..=1_048_576, used))) => {
                    self.request = Request { began: Some(out.at), left: count as u64, ..Request::default() };
                    Step::Took(used + 1)
                }
                Some(_) => Step::Lost,
            };
        }
        if *kind != b'$' {
            return Step::Lost;
        }
        let (length, used) = match number(tail) {
            None => return Step::Wait,
            Some(Some((length @ 0..=536_870_912, used))) => (length as usize, used + 1),
            Some(_) => return Step::Lost,
        };
        let wanted = self.request.arguments.len() < ARGUMENTS;
        let have = rest.get(used..).unwrap_or(&[]);
        if wanted && have.len() < length.min(KEEP) {
            return Step::Wait;
        }
        if wanted {
            let value = have.get(..length.min(KEEP)).unwrap_or(have);
            self.request.arguments.push(value.to_vec());
        }
        self.request.count = self.request.count.saturating_add(1);
        self.request.left = self.request.left.saturating_sub(1);
        if self.request.left == 0 {
            self.asked(out);
        }
        over(used, length, rest)
    }

    /// A request as one line.
    fn inline(&mut self, rest: &[u8], out: &mut Output<'_>) -> Step {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return if rest.len() < LINE_CAP { Step::Wait } else { Step::Lost };
        };
        let line = rest.get(..end).unwrap_or(rest).trim_ascii();
        let words = line.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty());
        let mut request = Request { began: Some(out.at), ..Request::default() };
        for word in words {
            request.count = request.count.saturating_add(1);
            if request.arguments.len() < ARGUMENTS {
                request.arguments.push(word.get(..KEEP).unwrap_or(word).to_vec());
            }
        }
        if request.count > 0 {
            self.request = request;
            self.asked(out);
        }
        Step::Took(end + 1)
    }

    /// A whole request.
    fn asked(&mut self, out: &mut Output<'_>) {
        let request = std::mem::take(&mut self.request);
        let mut arguments = request.arguments.iter().map(Vec::as_slice);
        let name = arguments.next().unwrap_or(&[]);
        let command = printable(name, TEXT_CAP).to_uppercase();
        self.seen = true;
        let login = match command.as_str() {
            // AUTH password, or AUTH user password.
            "AUTH" if request.count >= 3 => Some(arguments.next().map(|u| printable(u, MAX_ACCOUNT))),
            "AUTH" => Some(None),
            "HELLO" => {
                let at = request.arguments.iter().position(|a| a.eq_ignore_ascii_case(b"AUTH"));
                at.map(|at| request.arguments.get(at + 1).map(|u| printable(u, MAX_ACCOUNT)))
            }
            _ => None,
        };
        let open = !matches!(command.as_str(), "AUTH" | "HELLO");
        let argument = arguments.next().filter(|_| open).map(|a| printable(a, TEXT_CAP));
        self.pushing |= matches!(
            command.as_str(),
            "SUBSCRIBE" | "PSUBSCRIBE" | "SSUBSCRIBE" | "MONITOR" | "SYNC" | "PSYNC"
        );
        if self.pending.len() >= PENDING_CAP {
            out.weird(WeirdKind::PendingFull, Detail::Number(PENDING_CAP as u64));
            if let Some(oldest) = self.pending.pop_front() {
                self.write(oldest, out);
            }
        }
        let row = RedisCommand {
            command,
            argument,
            arguments: request.count.saturating_sub(1),
            ..RedisCommand::default()
        };
        let began = request.began.unwrap_or(out.at);
        self.pending.push_back(Pending { began, row, login });
    }

    /// One element of an answer.
    fn answer(&mut self, rest: &[u8], out: &mut Output<'_>) -> Step {
        let Some((kind, tail)) = rest.split_first() else { return Step::Wait };
        let Some(end) = memchr::memchr(b'\n', tail.get(..LINE_CAP).unwrap_or(tail)) else {
            return if tail.len() < LINE_CAP { Step::Wait } else { Step::Lost };
        };
        let line = tail.get(..end).unwrap_or(tail).trim_ascii_end();
        let value = std::str::from_utf8(line).ok().and_then(|t| t.parse::<i64>().ok());
        let used = end + 2;
        let (name, more, body) = match (kind, value) {
            (b'+', _) => ("string", 0, None),
            (b'-' | b'!', _) if *kind == b'-' || value.is_some() => {
                ("error", 0, value.filter(|_| *kind == b'!').and_then(|v| usize::try_from(v).ok()))
            }
            (b':', Some(_)) => ("integer", 0, None),
            (b'$', Some(-1)) | (b'*', Some(-1)) | (b'_', _) => ("null", 0, None),
            (b'$' | b'=', Some(n @ 0..)) => ("bulk", 0, usize::try_from(n).ok()),
            (b'*', Some(n @ 0..)) => ("array", n as u64, None),
            (b'~', Some(n @ 0..)) => ("set", n as u64, None),
            (b'>', Some(n @ 0..)) => ("push", n as u64, None),
            (b'%', Some(n @ 0..)) => ("map", (n as u64).saturating_mul(2), None),
            (b'|', Some(n @ 0..)) => ("attribute", (n as u64).saturating_mul(2).saturating_add(1), None),
            (b'#', _) => ("boolean", 0, None),
            (b',', _) => ("double", 0, None),
            (b'(', _) => ("big_number", 0, None),
            _ => return Step::Lost,
        };
        if self.answer_left == 0 {
            self.answered(name, line, out);
            self.answer_left = more;
        } else {
            self.answer_left = (self.answer_left - 1).saturating_add(more);
        }
        match body {
            Some(length) => over(used, length, rest),
            None => Step::Took(used),
        }
    }

    /// An answer begins.
    fn answered(&mut self, kind: &'static str, line: &[u8], out: &mut Output<'_>) {
        // Pushes answer nobody; before RESP 3 they look like arrays.
        let unasked = kind == "push" || (self.pushing && self.pending.is_empty());
        if unasked {
            return;
        }
        let Some(mut pending) = self.pending.pop_front() else { return };
        pending.row.reply = Some(kind);
        pending.row.success = Some(kind != "error");
        pending.row.rtt = Some(out.at.ts.since(pending.began.ts));
        if kind == "error" {
            pending.row.error = Some(printable(line, TEXT_CAP).into());
        }
        self.write(pending, out);
    }

    fn write(&mut self, pending: Pending, out: &mut Output<'_>) {
        let Pending { began, row, login } = pending;
        if let Some(account) = login {
            let detail = row.error.as_deref().map(String::from);
            let success = row.success;
            out.record(
                began,
                Credential {
                    service: "redis",
                    account,
                    mechanism: "password",
                    secret: Secret::Clear,
                    success,
                    detail,
                },
            );
        }
        if self.written == COMMANDS_CAP {
            out.weird(WeirdKind::RecordsFull, Detail::Number(u64::from(COMMANDS_CAP)));
        }
        if self.written <= COMMANDS_CAP {
            self.written += 1;
        }
        if self.written <= COMMANDS_CAP {
            out.record(began, row);
        }
    }
}

/// Step over `length` bytes and a line end behind the first `used` bytes.
fn over(used: usize, length: usize, rest: &[u8]) -> Step {
    let end = used.saturating_add(length).saturating_add(2);
    match end.checked_sub(rest.len()) {
        Some(beyond @ 1..) => Step::Skip(beyond as u64),
        _ => Step::Took(end),
    }
}

impl Parser for Redis {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            if *self.lost(side) {
                // A request begins a segment; answers are counted again once a request goes out alone.
                let begins = at == 0
                    && match side {
                        Side::Orig => rest.starts_with(b"*"),
                        Side::Resp => self.pending.len() == 1,
                    };
                if !begins {
                    return Fed::Took(data.len());
                }
                *self.lost(side) = false;
            }
            let step = match side {
                Side::Orig => self.ask(rest, out),
                Side::Resp => self.answer(rest, out),
            };
            match step {
                Step::Took(n) => at += n,
                Step::Wait => break,
                Step::Skip(n) => return Fed::Skip(n),
                Step::Lost => {
                    if !self.seen {
                        return Fed::NotMine;
                    }
                    out.weird(WeirdKind::DatabaseMalformed, Detail::Text("no element of RESP".into()));
                    self.finish(out);
                    return Fed::Done;
                }
            }
        }
        Fed::Took(at)
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Answers and requests cannot be matched any more.
        self.finish(out);
        self.request = Request::default();
        self.answer_left = 0;
        *self.lost(side) = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        while let Some(pending) = self.pending.pop_front() {
            self.write(pending, out);
        }
    }
}

#[cfg(test)]
mod tests;
