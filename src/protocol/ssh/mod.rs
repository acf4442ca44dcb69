//! Which SSH software talks, and what did the two agree on?
//!
//! Banners and key exchange of RFC 4253 (sections 4.2, 7.1) and the version 1 protocol by its banner. The algorithms are
//! those that section 7.1 chooses from the two lists. HASSH (<https://github.com/salesforce/hassh>) fingerprints each side: MD5 over
//! `kex;encryption;mac;compression` as sent, client to server for the client, server to client for the server.
//!
//! Refuses what is encrypted: how many logins were tried and whether one worked is told by the sizes of the server's answers
//! (see [`login`]), nothing else.

mod login;
mod record;

use self::login::Login;
pub use self::record::{KexInit, SshRecord, TABLE};
use super::clues::Clue;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Longest banner in bytes with its line end (RFC 4253 section 4.2).
const MAX_BANNER: usize = 255;

/// Lines that a server may send before its banner; the RFC sets no limit.
const MAX_LINES_BEFORE: u8 = 64;

/// Longest packet in bytes that is kept: what every implementation must take (RFC 4253 section 6.1).
const MAX_PACKET: usize = 35_000;

/// Bytes of a list that is shown. Real lists stay below 1,000.
const MAX_LIST: usize = 4_096;

/// Message number of SSH_MSG_KEXINIT.
const KEXINIT: u8 = 20;

/// Message number of SSH_MSG_NEWKEYS: what follows it is encrypted.
const NEWKEYS: u8 = 21;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ssh",
    about: "Secure Shell (RFC 4253); told by the banner SSH- that each side sends first.",
    transports: &[Transport::Tcp],
    ports: &[22],
    tables: &[&TABLE],
    buffer_cap: MAX_PACKET,
    probe,
    parser: Some(|| Box::<SshParser>::default()),
};

/// Longest line before a banner that is waited for, bytes; servers say `Exceeded MaxStartups` or less.
const MAX_LINE_BEFORE: usize = 256;

fn probe(p: &Probe<'_>) -> Verdict {
    let banner = |data: &[u8]| data.starts_with(b"SSH-1.") || data.starts_with(b"SSH-2.");
    let begins = |data: &[u8]| b"SSH-1.".starts_with(data) || b"SSH-2.".starts_with(data);
    if banner(p.orig) || banner(p.resp) {
        return Verdict::Mine(95);
    }
    if !begins(p.orig) {
        return Verdict::NotMine;
    }
    // Only a server may say something before its banner; the client's banner, or a later line, decides.
    if p.orig.is_empty() && p.resp.windows(7).any(|w| w == b"\nSSH-2." || w == b"\nSSH-1.") {
        return Verdict::Mine(80);
    }
    // Where the server's first line has not ended, its next may still be the banner.
    let open = p.resp.len() < MAX_LINE_BEFORE && !p.resp.iter().any(|b| *b == b'\n' || !b.is_ascii());
    if begins(p.resp) || open || p.on_port(PROTOCOL.ports) { Verdict::NeedMore } else { Verdict::NotMine }
}

/// How far one side is.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Its banner is to come.
    #[default]
    Banner,
    /// Its key exchange message is to come.
    Kex,
    /// The rest of the exchange is to come, up to the message after which it encrypts.
    Exchange,
    /// It encrypts.
    Encrypted,
    /// Nothing more is wanted of it.
    Through,
}

/// The state of one connection.
#[derive(Default)]
struct SshParser {
    began: Option<At>,
    stages: [Stage; 2],
    record: SshRecord,
    login: Login,
}

impl SshParser {
    fn stage(&mut self, side: Side) -> &mut Stage {
        let [orig, resp] = &mut self.stages;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// The next line. Returns its length, or 0 when it is not complete.
    fn line(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> usize {
        let Some(end) = data.iter().take(MAX_BANNER).position(|b| *b == b'\n') else {
            if data.len() >= MAX_BANNER {
                self.malformed(side, "no line end in the longest banner allowed", out);
            }
            return 0;
        };
        let line = data.get(..end).unwrap_or(&[]).trim_ascii_end();
        if line.starts_with(b"SSH-") {
            self.banner(side, line, out);
        } else if side == Side::Resp && self.record.lines_before_banner < MAX_LINES_BEFORE {
            self.record.lines_before_banner += 1;
        } else {
            self.malformed(side, "no banner", out);
        }
        end + 1
    }

    fn banner(&mut self, side: Side, line: &[u8], out: &mut Output<'_>) {
        let version = match line.get(4..).and_then(|v| v.split(|b| *b == b'-').next()) {
            // 1.99 is a version 2 server that also takes version 1 (RFC 4253 section 5.1).
            Some(b"2.0" | b"1.99") => Some(2),
            Some([b'1', b'.', ..]) => Some(1),
            _ => None,
        };
        if version.is_none() {
            out.weird(WeirdKind::SshMalformed, Detail::Text("a banner of an unknown version".into()));
        }
        let text = Some(printable(line, MAX_BANNER));
        // `SSH-2.0-software comment` (RFC 4253 section 4.2): the rest names the software, often its system, too.
        let software = text.as_deref().and_then(|t| t.splitn(3, '-').nth(2)).unwrap_or_default();
        let tuple = &out.flow.tuple;
        match side {
            Side::Orig => {
                out.clue(tuple.src, Clue::Client, software, "ssh.banner");
                self.record.client = text;
                self.record.version =
                    if version == Some(1) { version } else { self.record.version.or(version) };
            }
            Side::Resp => {
                out.clue(tuple.dst, Clue::Server, software, "ssh.banner");
                self.record.server = text;
                // A client of version 1 keeps a server that can do both at version 1.
                self.record.version = if self.record.version == Some(1) { Some(1) } else { version };
            }
        }
        *self.stage(side) = if version == Some(2) { Stage::Kex } else { Stage::Through };
        // Packets of version 1 have another form, also those of a server that can do both.
        if self.record.version == Some(1) {
            self.stages = [Side::Orig, Side::Resp].map(|s| match *self.stage(s) {
                Stage::Banner => Stage::Banner,
                _ => Stage::Through,
            });
        }
    }

    /// The next binary packet (RFC 4253 section 6). Returns its length, or 0 when it is not complete.
    fn packet(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> usize {
        let mut c = Cursor::new(data);
        let (Some(len), Some(padding)) = (c.u32(), c.u8()) else { return 0 };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !(2..=MAX_PACKET - 4).contains(&len) || usize::from(padding) + 2 > len {
            self.malformed(side, "impossible packet length", out);
            return 0;
        }
        let Some(body) = c.take(len - 1) else { return 0 };
        let payload = body.get(..body.len() - usize::from(padding)).unwrap_or(&[]);
        match payload.split_first() {
            Some((&KEXINIT, lists)) => match KexInit::read(lists, side) {
                Some(kex) => {
                    match side {
                        Side::Orig => self.record.client_kex = Some(kex),
                        Side::Resp => self.record.server_kex = Some(kex),
                    }
                    *self.stage(side) = Stage::Exchange;
                }
                None => self.malformed(side, "lists longer than their message", out),
            },
            // Ignore, debug and unimplemented may come at any time (RFC 4253 section 11).
            Some((1..=4, _)) => {}
            _ => self.malformed(side, "another message before the key exchange", out),
        }
        4 + len
    }

    /// The next message of the exchange of keys; its content is nobody's business. Returns its length, or 0 when it is not complete.
    fn exchange(&mut self, side: Side, data: &[u8]) -> usize {
        let mut c = Cursor::new(data);
        let (Some(len), Some(padding)) = (c.u32(), c.u8()) else { return 0 };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if !(2..=MAX_PACKET - 4).contains(&len) || usize::from(padding) + 2 > len {
            *self.stage(side) = Stage::Through;
            return 0;
        }
        let Some(body) = c.take(len - 1) else { return 0 };
        if body.first() == Some(&NEWKEYS) {
            *self.stage(side) = Stage::Encrypted;
        }
        4 + len
    }

    fn malformed(&mut self, side: Side, what: &str, out: &mut Output<'_>) {
        out.weird(WeirdKind::SshMalformed, Detail::Text(what.into()));
        *self.stage(side) = Stage::Through;
    }
}

impl Parser for SshParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        let mut rest = data;
        loop {
            let taken = match *self.stage(side) {
                Stage::Banner => self.line(side, rest, out),
                Stage::Kex => self.packet(side, rest, out),
                Stage::Exchange => self.exchange(side, rest),
                Stage::Encrypted => {
                    self.login.sent(side, rest.len());
                    break;
                }
                Stage::Through => break,
            };
            if taken == 0 && !matches!(*self.stage(side), Stage::Through) {
                return Fed::Took(data.len() - rest.len());
            }
            rest = rest.get(taken..).unwrap_or(&[]);
        }
        let over = |stage: Stage| stage == Stage::Through;
        let [orig, resp] = self.stages;
        let read = |stage: Stage| matches!(stage, Stage::Exchange | Stage::Encrypted);
        // The lists of one side are there, the other is lost: the rest would tell nothing.
        let hopeless = (over(orig) && read(resp)) || (over(resp) && read(orig));
        if (over(orig) && over(resp)) || hopeless || self.login.is_told() {
            self.finish(out);
            return Fed::Done;
        }
        if over(*self.stage(side)) {
            // The other side is still to come; of this one nothing is wanted any more.
            return Fed::Skip(u64::MAX);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Behind a gap in what is encrypted, sizes go on telling; anything else is lost.
        if *self.stage(side) != Stage::Encrypted {
            *self.stage(side) = Stage::Through;
        }
        self.feed(side, &[], out)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(began) = self.began.take() {
            (self.record.auth_attempts, self.record.auth_success) = self.login.outcome();
            out.record(began, std::mem::take(&mut self.record));
        }
    }
}

#[cfg(test)]
mod tests;
