//! What do devices report, and how grave is it?
//!
//! Syslog over UDP and TCP: RFC 5424, the older form of RFC 3164, and what Cisco's devices make of it. Over TCP each message has its length in
//! front or a line end behind it (RFC 6587). One row is one message. Messages are text for people; the parts in front are taken off where they
//! are clear, and the rest is the message.
//!
//! Refuses to guess times (RFC 3164 has neither year nor zone) and to take structured data apart.

use super::clues::{Clue, HOST_CLUES};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::flow::{Side, ip_protocol};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Longest message in bytes that is kept: RFC 3164 allows 1,024 with its head.
const MAX_MESSAGE: usize = 1_024;

/// Longest host, program or other part in bytes (RFC 5424 section 6: a host name ends at 255, a program at 48).
const MAX_PART: usize = 255;

/// Highest priority: facility 23, severity 7.
const MAX_PRIORITY: u8 = 191;

/// Bytes behind the priority that must be text.
const LOOKED_AT: usize = 16;

/// Longest message over TCP that is waited for, bytes: receivers should take 8,192 (RFC 5425 section 4.3.1). Of a longer one the beginning is read.
const MAX_FRAME: usize = 8_192;

/// Digits of a length in front of a message.
const MAX_DIGITS: usize = 7;

/// The usual ports: RFC 5426, and what devices use over TCP.
const PORTS: &[u16] = &[514, 601];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "syslog",
    about: "Syslog (RFC 5424, RFC 3164); told by the priority in angle brackets with a version, a date or, on its port, text behind it; over TCP perhaps behind a length.",
    transports: &[Transport::Udp, Transport::Tcp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_FRAME + MAX_DIGITS + 1,
    probe,
    parser: Some(|| Box::<Syslog>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    if p.transport == Transport::Tcp {
        return probe_stream(p);
    }
    told(if p.orig.is_empty() { p.resp } else { p.orig }, p)
}

/// Only the client speaks, and its first message begins with its first byte.
fn probe_stream(p: &Probe<'_>) -> Verdict {
    let undecided = || if p.resp.is_empty() { Verdict::NeedMore } else { Verdict::NotMine };
    if p.orig.is_empty() {
        return undecided();
    }
    let digits = p.orig.iter().take(MAX_DIGITS).take_while(|b| b.is_ascii_digit()).count();
    let framed = match length(p.orig) {
        Some((_, behind)) => behind,
        None if digits == p.orig.len() && !p.orig.starts_with(b"0") => return undecided(),
        None => p.orig,
    };
    // Priority and date have 24 bytes together.
    let begins =
        framed.is_empty() || (framed.starts_with(b"<") && framed.len() < 24 && !framed.contains(&b'\n'));
    match told(framed, p) {
        Verdict::Mine(sure) => Verdict::Mine(sure),
        _ if begins => undecided(),
        _ => Verdict::NotMine,
    }
}

/// The length in front of a message, and what is behind it (RFC 6587 section 3.4.1).
fn length(d: &[u8]) -> Option<(usize, &[u8])> {
    let end = d.iter().take(MAX_DIGITS + 1).position(|b| *b == b' ')?;
    let digits = d
        .get(..end)
        .filter(|t| matches!(t, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit)))?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, d.get(end + 1..)?))
}

/// Does a message begin here?
fn told(d: &[u8], p: &Probe<'_>) -> Verdict {
    let Some((_, behind)) = priority(d) else { return Verdict::NotMine };
    let dated = behind.starts_with(b"1 ") || bsd_time(behind).is_some();
    let line = behind.get(..LOOKED_AT).unwrap_or(behind);
    let text =
        !line.is_empty() && line.iter().all(|b| matches!(b, b' '..=b'~' | b'\t' | b'\n' | b'\r' | 0x80..));
    if text && (dated || p.on_port(PORTS)) { Verdict::Mine(80) } else { Verdict::NotMine }
}

/// The number in angle brackets without leading zeros, and what is behind it.
fn priority(d: &[u8]) -> Option<(u8, &[u8])> {
    let rest = d.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|b| *b == b'>')?;
    let digits = rest.get(..end)?;
    if digits.is_empty() || (digits.len() > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    let number: u8 =
        std::str::from_utf8(digits).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    Some((number, rest.get(end + 1..)?)).filter(|(n, _)| *n <= MAX_PRIORITY)
}

/// What is behind `Mmm dd hh:mm:ss ` (RFC 3164 section 4.1.2).
fn bsd_time(d: &[u8]) -> Option<&[u8]> {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let (head, rest) = d.split_first_chunk::<16>()?;
    let known = MONTHS.contains(&head.get(..3)?);
    let shape = matches!(head, [_, _, _, b' ', b' ' | b'0'..=b'9', b'0'..=b'9', b' ', .., b' ' | b':'])
        && head.get(9) == Some(&b':')
        && head.get(12) == Some(&b':');
    (known && shape).then_some(rest)
}

/// Names of severities (RFC 5424 section 6.2.1).
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Names of facilities.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyslogRecord {
    /// Facility and severity, `facility * 8 + severity`.
    pub priority: u8,
    /// Host that it is about.
    pub host: Option<String>,
    /// Program.
    pub program: Option<String>,
    /// Process.
    pub process: Option<String>,
    /// Kind of message.
    pub message_id: Option<String>,
    /// The text.
    pub message: String,
}

/// Messages.
pub static TABLE: Table = Table::record(
    "syslog",
    "One row is one syslog message.",
    &[
        col(
            "facility",
            T::Text,
            "",
            "Part of the system that reports: kern, auth, daemon, local0 and so on.",
        ),
        col("severity", T::Text, "", "emergency, alert, critical, error, warning, notice, info or debug."),
        col("host", T::Text, "", "Host that it is about, as the message says; NULL when it does not."),
        col("program", T::Text, "", "Program that reports; NULL when it does not say."),
        col("process", T::Text, "", "Process, mostly its number; NULL when it does not say."),
        col(
            "message_id",
            T::Text,
            "",
            "Kind of message (RFC 5424), or Cisco's code of it; NULL without one.",
        ),
        col("message", T::Text, "", "The text, cut at 1,024 bytes."),
    ],
);

impl Record for SyslogRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let name = |names: &[&'static str], n: u8| names.get(usize::from(n)).copied().unwrap_or("");
        row.text(name(&FACILITIES, self.priority / 8))
            .text(name(&SEVERITIES, self.priority % 8))
            .opt_text(self.host.as_deref())
            .opt_text(self.program.as_deref())
            .opt_text(self.process.as_deref())
            .opt_text(self.message_id.as_deref())
            .text(&self.message);
    }
}

/// A part as text; a dash stands for nothing (RFC 5424 section 6).
fn part(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty() && bytes != b"-").then(|| printable(bytes, MAX_PART))
}

/// Up to the next space, and what is behind it.
fn word(d: &[u8]) -> (&[u8], &[u8]) {
    let end = d.iter().position(|b| *b == b' ').unwrap_or(d.len());
    let (word, rest) = d.split_at_checked(end).unwrap_or((d, &[]));
    (word, rest.get(1..).unwrap_or(&[]))
}

/// Name and process in `name[process]:` or `name:`, and what is behind; `None` when the text begins otherwise.
fn tag(d: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = d.iter().take(MAX_PART).position(|b| matches!(b, b':' | b'[' | b' '))?;
    let (name, rest) = d.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    match rest.split_first()? {
        (b':', rest) => Some((name, &[], rest)),
        (b'[', rest) => {
            let close = rest.iter().take(MAX_PART).position(|b| *b == b']')?;
            let (process, rest) = rest.split_at_checked(close)?;
            let rest = rest.get(1..)?;
            Some((name, process, rest.strip_prefix(b":").unwrap_or(rest)))
        }
        _ => None,
    }
}

impl SyslogRecord {
    /// Read a message.
    fn read(d: &[u8]) -> Option<Self> {
        let (priority, rest) = priority(d)?;
        let mut record = match rest.strip_prefix(b"1 ") {
            Some(rest) => Self::ietf(rest),
            None => Self::bsd(rest),
        };
        record.priority = priority;
        Some(record)
    }

    /// Time, host, program, process, kind and structured data, then the text (RFC 5424 section 6).
    fn ietf(d: &[u8]) -> Self {
        let (_time, rest) = word(d);
        let (host, rest) = word(rest);
        let (program, rest) = word(rest);
        let (process, rest) = word(rest);
        let (id, rest) = word(rest);
        let text = rest.strip_prefix(b"- ").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self {
            priority: 0,
            host: part(host),
            program: part(program),
            process: part(process),
            message_id: part(id),
            message: printable(text.trim_ascii_end(), MAX_MESSAGE),
        }
    }

    /// Time, host and tag where they are; devices leave out any of them.
    fn bsd(d: &[u8]) -> Self {
        let mut record = Self::default();
        let mut rest = d;
        if let Some(behind) = bsd_time(d) {
            let (host, text) = word(behind);
            // A first word that ends like a tag is the program: some leave the host out.
            if tag(behind).is_none() {
                record.host = part(host);
                rest = text;
            } else {
                rest = behind;
            }
        }
        // Cisco: a number, a time, then %FACILITY-SEVERITY-CODE.
        if let Some(at) = rest.windows(3).position(|w| matches!(w, [b':', b' ', b'%'])) {
            let (code, text) = word(rest.get(at + 3..).unwrap_or(&[]));
            record.message_id = part(code.strip_suffix(b":").unwrap_or(code));
            rest = text;
        } else if let Some((name, process, text)) = tag(rest) {
            (record.program, record.process) = (part(name), part(process));
            rest = text;
        }
        record.message =
            printable(rest.trim_ascii_end().strip_suffix(b"\0").unwrap_or(rest).trim_ascii(), MAX_MESSAGE);
        record
    }
}

/// The host names of one flow, as far as a clue needs them.
#[derive(Default)]
enum Hosts {
    #[default]
    None,
    One(String),
    /// A relay: what it forwards says nothing about itself.
    Many,
}

/// The state of one flow.
#[derive(Default)]
struct Syslog {
    hosts: Hosts,
    /// The rest of a line that is too long, or of a lost one, is still to come.
    lost: bool,
}

impl Syslog {
    /// One message.
    fn message(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        // What is no message says nothing about the next one.
        if let Some(record) = SyslogRecord::read(data) {
            if let Some(host) = record.host.as_ref().filter(|_| side == Side::Orig) {
                match &self.hosts {
                    Hosts::None => self.hosts = Hosts::One(host.clone()),
                    Hosts::One(known) if known != host => self.hosts = Hosts::Many,
                    Hosts::One(_) | Hosts::Many => {}
                }
            }
            out.record(out.at, record);
        }
    }

    /// Messages behind their lengths, or in lines.
    fn stream(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            let counted = length(rest).filter(|(_, d)| d.is_empty() || d.starts_with(b"<"));
            if std::mem::take(&mut self.lost) && counted.is_none() && !rest.starts_with(b"<") {
                match memchr::memchr(b'\n', rest) {
                    Some(end) => at += end + 1,
                    None => {
                        self.lost = true;
                        return Fed::Took(data.len());
                    }
                }
                continue;
            }
            if let Some((len, behind)) = counted {
                let head = rest.len() - behind.len();
                if let Some(message) = behind.get(..len) {
                    self.message(side, message, out);
                    at += head + len;
                    continue;
                }
                if behind.len() < MAX_FRAME {
                    return Fed::Took(at);
                }
                self.message(side, behind, out);
                return Fed::Skip(len.saturating_sub(behind.len()) as u64);
            }
            let whole = memchr::memchr(b'\n', rest);
            match whole {
                Some(end) => {
                    self.message(side, rest.get(..end).unwrap_or(rest), out);
                    at += end + 1;
                }
                None if rest.len() < MAX_FRAME => return Fed::Took(at),
                None => {
                    self.message(side, rest, out);
                    self.lost = true;
                    return Fed::Took(data.len());
                }
            }
        }
        Fed::Took(at)
    }
}

impl Parser for Syslog {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::TCP {
            return self.stream(side, data, out);
        }
        self.message(side, data, out);
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Hosts::One(host) = std::mem::take(&mut self.hosts) {
            // An address instead of a name is no news.
            if host.parse::<std::net::IpAddr>().is_err() {
                out.clue(out.host(Side::Orig), Clue::Name, &host, "syslog.host");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::clues::HostClue;
    use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

    fn run(sent: &[Sent<'_>]) -> Run {
        Bench::udp(514).only(&[&PROTOCOL]).run(sent)
    }

    /// Facility and severity as a number, then host, program, process, kind, text.
    fn parts(d: &[u8]) -> (u8, [String; 5]) {
        let r = SyslogRecord::read(d).unwrap();
        let or = |t: Option<String>| t.unwrap_or_default();
        (r.priority, [or(r.host), or(r.program), or(r.process), or(r.message_id), r.message])
    }

    #[test]
    fn every_dialect() {
        let cases: &[(&[u8], u8, [&str; 5])] = &[
            (
                b"<165>1 2003-10-11T22:14:15.003Z web.example evntslog 12 ID47 [a@1 b=\"c\"] go\n",
                165,
                ["web.example", "evntslog", "12", "ID47", "[a@1 b=\"c\"] go"],
            ),
            (b"<34>1 - - su - - - \xef\xbb\xbfhi", 34, ["", "su", "", "", "hi"]),
            (b"<34>Oct 11 22:14:15 mymachine su: failed", 34, ["mymachine", "su", "", "", "failed"]),
            (b"<38>Oct  1 02:14:15 gw sshd[77]: Accepted", 38, ["gw", "sshd", "77", "", "Accepted"]),
            (b"<6>Oct  1 02:14:15 kernel: up", 6, ["", "kernel", "", "", "up"]),
            (
                b"<189>29: *Mar  1 00:00:01.9: %SYS-5-CONFIG_I: Configured from console",
                189,
                ["", "", "", "SYS-5-CONFIG_I", "Configured from console"],
            ),
            (b"<13>just text", 13, ["", "", "", "", "just text"]),
        ];
        for (d, priority, want) in cases {
            let got = parts(d);
            let want: [String; 5] = want.map(Into::into);
            assert_eq!(got, (*priority, want));
            for end in 0..d.len() {
                assert_eq!(run(&[orig(&d[..end])]).faults, 0);
            }
        }
    }

    /// The texts of the messages of a stream to this port.
    fn texts(port: u16, sent: &[Sent<'_>]) -> Vec<String> {
        let run = Bench::tcp(port).run(sent);
        assert_eq!(run.faults, 0);
        run.records::<SyslogRecord>().iter().map(|r| r.message.clone()).collect()
    }

    #[test]
    fn streams_have_lengths_or_lines() {
        let counted = b"35 <34>Oct 11 22:14:15 gw1 su: one\ntwo26 <13>1 - gw1 su - - - three";
        let lines = b"<34>Oct 11 22:14:15 gw1 su: one\n<13>Oct 11 22:14:16 gw1 su: two\n";
        for end in 0..counted.len() {
            let got = texts(10_514, &[orig(&counted[..end]), orig(&counted[end..])]);
            assert_eq!(got, ["one\\x0atwo", "three"], "{end}");
        }
        for end in 0..lines.len() {
            assert_eq!(texts(10_514, &[orig(&lines[..end]), orig(&lines[end..])]), ["one", "two"], "{end}");
        }
        let hole =
            [orig(lines), orig(b"<34>Oct 11 22:14:1"), lost(Side::Orig, 40), orig(b"rest\n<13>just text\n")];
        assert_eq!(texts(514, &hole), ["one", "two", "just text"]);
        let long = [&b"9000 <34>Oct 11 22:14:15 gw1 su: "[..], &[b'x'; 8_972], b"23 <13>1 - h p - - - after"]
            .concat();
        assert_eq!(texts(514, &long.chunks(1_000).map(orig).collect::<Vec<_>>()).len(), 2);
        let long = [&b"<34>Oct 11 22:14:15 gw1 su: "[..], &[b'x'; 20_000], b"\n<13>after\n"].concat();
        assert_eq!(texts(514, &long.chunks(1_000).map(orig).collect::<Vec<_>>()).len(), 2);
    }

    #[test]
    fn other_streams_are_left_alone() {
        for d in [&b"220 ready\r\n"[..], b"12 <html>", b"<stream:stream>", b"123", b"<1"] {
            assert_eq!(Bench::tcp(9).only(&[&PROTOCOL]).run(&[orig(d), resp(b"x")]).service, None, "{d:?}");
        }
    }

    #[test]
    fn one_name_is_a_clue_and_a_relay_has_none() {
        let (a, b) = (b"<34>Oct 11 22:14:15 gw1 su: x", b"<34>Oct 11 22:14:15 gw2 su: x");
        let names = |sent: &[Sent<'_>]| run(sent).records::<HostClue>().len();
        assert_eq!((names(&[orig(a), orig(a)]), names(&[orig(a), orig(b)])), (1, 0));
        assert_eq!(names(&[orig(b"<34>Oct 11 22:14:15 10.0.0.9 su: x")]), 0);
    }

    #[test]
    fn what_is_not_syslog_is_left_alone() {
        for d in [&b"<192>text"[..], b"<012>text", b"<>text", b"<1>\x00\x01", b"<html>"] {
            assert_eq!(run(&[orig(d)]).service, None, "{d:?}");
        }
        assert_eq!(Bench::udp(9).only(&[&PROTOCOL]).run(&[orig(b"<13>just text")]).service, None);
    }
}
