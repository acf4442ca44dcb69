//! Which protocol of text lines is it?
//!
//! SMTP (RFC 5321), POP3 (RFC 1939), IMAP (RFC 9051), NNTP (RFC 3977), IRC (RFC 1459), XMPP (RFC 6120), Telnet (RFC 854), rsync, git.
//! Greetings look alike, so where the server's word is not enough, the client's first command decides.

use super::{TCP, begins_with_word, contains_word, first_line, is_text, magic, named, surest};
use crate::protocol::{Probe, Protocol, Verdict};

/// SMTP.
pub static SMTP: Protocol = named(
    "smtp",
    "SMTP (RFC 5321); told by the client's EHLO or HELO behind the server's 220, or a greeting that says so.",
    TCP,
    &[25, 587, 2525],
    |p| {
        let first = &["EHLO", "HELO", "LHLO"];
        greeted(p, &["220", "421", "554"], "SMTP", first, &["USER", "FEAT", "SYST"], &[25, 587, 2525])
    },
);

/// POP3.
pub static POP3: Protocol = named(
    "pop3",
    "POP3 (RFC 1939); told by the server's +OK with the client's first command, or a greeting that says so.",
    TCP,
    &[110],
    |p| {
        let first = &["USER", "APOP", "CAPA", "AUTH", "STLS", "QUIT", "UTF8"];
        greeted(p, &["+OK"], "POP", first, &["PING", "EHLO"], &[110])
    },
);

/// IMAP.
pub static IMAP: Protocol = named(
    "imap",
    "IMAP (RFC 9051); told by the server's untagged OK with a tagged command of the client, or a greeting that says so.",
    TCP,
    &[143],
    |p| {
        let greeting = p.resp.is_empty() || p.resp.starts_with(b"* ") || b"* ".starts_with(p.resp);
        if !greeting {
            return Verdict::NotMine;
        }
        let status = begins_with_word(p.resp.get(2..).unwrap_or(&[]), &["OK", "PREAUTH", "BYE"]);
        let known = ["CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "ID", "NOOP", "LOGOUT"];
        let tag = p
            .orig
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            .count();
        let command = p.orig.get(tag + 1..).unwrap_or(&[]);
        // Clients count their commands; longer tags than this are something else.
        let tagged =
            tag <= 20 && matches!(p.orig.get(tag), None | Some(b' ')) && begins_like(command, &known);
        if status && begins_with_word(command, &known) {
            return Verdict::Mine(90);
        }
        if status && contains_word(first_line(p.resp), "IMAP") && p.orig.is_empty() {
            return Verdict::Mine(80);
        }
        if tagged { Verdict::NeedMore } else { Verdict::NotMine }
    },
);

/// A protocol whose server greets with one of `codes`. Its name in the greeting or one of the client's `first` commands
/// makes it sure, one of `other` makes it another protocol.
pub(in crate::protocol) fn greeted(
    p: &Probe<'_>,
    codes: &[&str],
    name: &str,
    first: &[&str],
    other: &[&str],
    ports: &[u16],
) -> Verdict {
    let greeting = first_line(p.resp);
    let fits = codes.iter().any(|c| p.resp.starts_with(c.as_bytes()));
    let begins = codes.iter().any(|c| c.as_bytes().starts_with(p.resp));
    if (!fits && !begins) || begins_with_word(p.orig, other) {
        return Verdict::NotMine;
    }
    if fits && begins_with_word(p.orig, first) {
        return Verdict::Mine(90);
    }
    if fits && contains_word(greeting, name) {
        return Verdict::Mine(if p.on_port(ports) { 85 } else { 75 });
    }
    let ready = !fits && begins_with_word(p.orig, first) && p.on_port(ports) && p.orig.contains(&b'\n');
    if ready && p.resp.is_empty() {
        // One side only: its command on the usual port, unless the server still speaks.
        return Verdict::NeedMore;
    }
    if !p.orig.is_empty() && !begins_like(p.orig, first) { Verdict::NotMine } else { Verdict::NeedMore }
}

/// Could this become one of the words?
fn begins_like(data: &[u8], words: &[&str]) -> bool {
    words.iter().any(|w| {
        let n = data.len().min(w.len());
        data.get(..n).zip(w.as_bytes().get(..n)).is_some_and(|(d, w)| d.eq_ignore_ascii_case(w))
    })
}

/// NNTP.
pub static NNTP: Protocol = named(
    "nntp",
    "Network news (RFC 3977); told by the server's 200 or 201 with a command of news readers.",
    TCP,
    &[119],
    |p| {
        let first = &["MODE READER", "CAPABILITIES", "GROUP", "ARTICLE", "XOVER", "NEWGROUPS", "AUTHINFO"];
        if !p.resp.starts_with(b"200 ") && !p.resp.starts_with(b"201 ") {
            let begins = b"200 ".starts_with(p.resp) || b"201 ".starts_with(p.resp);
            return if begins && begins_like(p.orig, first) { Verdict::NeedMore } else { Verdict::NotMine };
        }
        let says =
            ["NNTP", "NEWS SERVER", "INTERNETNEWS"].iter().any(|w| contains_word(first_line(p.resp), w));
        if begins_with_word(p.orig, first) || (says && p.resp.contains(&b'\n')) {
            Verdict::Mine(90)
        } else if begins_like(p.orig, first) {
            Verdict::NeedMore
        } else {
            Verdict::NotMine
        }
    },
);

/// IRC.
pub static IRC: Protocol = named(
    "irc",
    "IRC (RFC 1459); told by the client's NICK and USER, a capability request, or the server's notices.",
    TCP,
    &[6667, 6660, 6666, 6669, 7000],
    |p| {
        let line = |data: &[u8], word: &str| {
            data.split(|b| *b == b'\n').any(|l| begins_with_word(l, &[word]) && is_text(l.trim_ascii_end()))
        };
        let registers = line(p.orig, "NICK") && line(p.orig, "USER");
        let negotiates = line(p.orig, "CAP LS") || line(p.orig, "CAP REQ");
        let notice = p.resp.starts_with(b"NOTICE AUTH :")
            || p.resp.starts_with(b"NOTICE * :")
            || (p.resp.starts_with(b":")
                && first_line(p.resp).splitn(3, |b| *b == b' ').nth(1).is_some_and(|w| w == b"NOTICE"));
        if registers || negotiates || notice {
            return Verdict::Mine(90);
        }
        let first = ["NICK", "USER", "PASS", "CAP"];
        let text = p.resp.is_empty() || matches!(p.resp.first(), Some(b':' | b'N' | b'P'));
        if text && begins_like(p.orig, &first) { Verdict::NeedMore } else { Verdict::NotMine }
    },
);

/// XMPP.
pub static XMPP: Protocol = named(
    "xmpp",
    "XMPP (RFC 6120); told by the opening stream element and its name space.",
    TCP,
    &[5222, 5269],
    |p| {
        let d = if p.orig.is_empty() { p.resp } else { p.orig };
        let start = d.trim_ascii_start();
        if contains_word(d, "<stream:stream") && contains_word(d, "jabber:") {
            return Verdict::Mine(95);
        }
        let opens =
            [&b"<?xml"[..], b"<stream:stream"].iter().any(|w| w.starts_with(start) || start.starts_with(w));
        if opens { Verdict::NeedMore } else { Verdict::NotMine }
    },
);

/// Telnet.
pub static TELNET: Protocol = named(
    "telnet",
    "Telnet (RFC 854); told by option negotiation at the start of either side.",
    TCP,
    &[23],
    |p| {
        let negotiates = |d: &[u8]| {
            let command = |c: &[u8]| matches!(c, [0xff, 0xfb..=0xfe, 0..=49 | 0xff]);
            let commands = d.chunks(3).take_while(|c| command(c)).count();
            commands >= 2 || (commands == 1 && (d.len() == 3 || p.on_port(&[23])))
        };
        let begins = |d: &[u8]| d.is_empty() || (d.len() < 3 && d.starts_with(&[0xff]));
        if negotiates(p.orig) || negotiates(p.resp) {
            Verdict::Mine(if p.on_port(&[23]) { 90 } else { 70 })
        } else if (begins(p.orig) && begins(p.resp))
            || (p.on_port(&[23]) && (p.orig.is_empty() || p.resp.is_empty()))
        {
            Verdict::NeedMore
        } else {
            Verdict::NotMine
        }
    },
);

/// rsync.
pub static RSYNC: Protocol = named("rsync", "The rsync daemon; told by its greeting.", TCP, &[873], |p| {
    magic(first_side(p), b"@RSYNCD: ", 95)
});

/// git.
pub static GIT: Protocol =
    named("git", "The git daemon; told by a packet line that asks to fetch or push.", TCP, &[9418], |p| {
        let d = p.orig;
        let length = d.iter().take(4).all(u8::is_ascii_hexdigit);
        if !length || (p.orig.is_empty() && !p.resp.is_empty()) {
            return Verdict::NotMine;
        }
        let command = d.get(4..).unwrap_or(&[]);
        surest(&[magic(command, b"git-upload-pack ", 95), magic(command, b"git-receive-pack ", 95)])
    });

fn first_side<'a>(p: &Probe<'a>) -> &'a [u8] {
    if p.orig.is_empty() { p.resp } else { p.orig }
}
