//! Who logs in to which XMPP server, and where does its encryption begin?
//!
//! XMPP (RFC 6120): the opening of the stream names the server, STARTTLS (section 5) hands the connection to TLS, SASL (section 6) becomes a login.
//! Elements are told by their tags; names may have a prefix. Refuses stanzas: once somebody is logged in, nobody listens any more.

use super::credentials::CREDENTIALS;
use super::ntlm::NTLM;
use super::sasl::Sasl;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::flow::Side;
use crate::model::text::printable;

/// Longest tag with the text before it, bytes. Lists of what a server can do have some thousand, tickets of GSSAPI 64 KiB and no account.
const MAX_TAG: usize = 16 << 10;

/// Tags before a login or STARTTLS. Lists of mechanisms and of what a server can do have below a hundred.
const MAX_TAGS: u32 = 512;

/// Longest name of a server: the longest domain name.
const MAX_NAME: usize = 255;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "xmpp",
    about: "XMPP (RFC 6120); told by the opening stream element and its name space.",
    transports: &[Transport::Tcp],
    ports: &[5222, 5269],
    tables: &[&CREDENTIALS, &NTLM],
    buffer_cap: MAX_TAG,
    probe,
    parser: Some(|| Box::<Xmpp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    let start = d.trim_ascii_start();
    let has = |word: &[u8]| d.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    if has(b"<stream:stream") && has(b"jabber:") {
        return Verdict::Mine(95);
    }
    let opens =
        [&b"<?xml"[..], b"<stream:stream"].iter().any(|w| w.starts_with(start) || start.starts_with(w));
    if opens { Verdict::NeedMore } else { Verdict::NotMine }
}

/// The state of one connection.
#[derive(Default)]
struct Xmpp {
    tags: u32,
    /// The client asked for TLS.
    wants_tls: bool,
    login: Option<Sasl>,
    /// Mechanism of an `auth` whose text is still to come.
    mechanism: Option<Vec<u8>>,
}

/// What a tag brought about.
enum Step {
    On,
    Tls,
    Over,
}

impl Xmpp {
    /// A tag without its brackets, and the text before it.
    fn tag(&mut self, side: Side, text: &[u8], tag: &[u8], out: &mut Output<'_>) -> Step {
        let closes = tag.starts_with(b"/");
        let tag = tag.strip_prefix(b"/").unwrap_or(tag);
        let end = tag.iter().position(|b| b.is_ascii_whitespace() || *b == b'/').unwrap_or(tag.len());
        let (name, attributes) = tag.split_at_checked(end).unwrap_or((tag, &[]));
        let prefix = memchr::memchr(b':', name).map_or(0, |i| i + 1);
        let name = name.get(prefix..).unwrap_or(name);
        let alone = attributes.ends_with(b"/");
        match (side, name) {
            (Side::Orig, b"stream") if !closes => {
                if let Some(server) = attribute(attributes, b"to").filter(|s| !s.is_empty()) {
                    out.hostname(&printable(server, MAX_NAME).to_lowercase());
                }
            }
            (Side::Orig, b"starttls") => self.wants_tls = true,
            (Side::Resp, b"proceed") if self.wants_tls => return Step::Tls,
            (Side::Resp, b"failure") if self.login.is_none() => self.wants_tls = false,
            (Side::Orig, b"auth") if !closes => {
                let mechanism = attribute(attributes, b"mechanism").unwrap_or(b"").to_vec();
                self.finish(out);
                if alone {
                    self.login = Some(Sasl::begin(PROTOCOL.name, &mechanism, out));
                } else {
                    self.mechanism = Some(mechanism);
                }
            }
            (Side::Orig, b"auth") => {
                if let Some(mut argument) = self.mechanism.take() {
                    argument.push(b' ');
                    argument.extend_from_slice(text.trim_ascii());
                    self.login = Some(Sasl::begin(PROTOCOL.name, &argument, out));
                }
            }
            (Side::Orig, b"response") if closes || alone => {
                if let Some(login) = &mut self.login {
                    login.answer(text, out);
                }
            }
            (Side::Resp, b"challenge") if closes => {
                if let Some(login) = &mut self.login {
                    login.challenge(text.trim_ascii(), out);
                }
            }
            (Side::Resp, b"success") => {
                self.decided(Some(true), out);
                return Step::Over;
            }
            (Side::Resp, b"failure") if closes => self.decided(Some(false), out),
            _ => {}
        }
        self.tags = self.tags.saturating_add(1);
        if self.tags > MAX_TAGS { Step::Over } else { Step::On }
    }

    fn decided(&mut self, success: Option<bool>, out: &mut Output<'_>) {
        if let Some(login) = self.login.take() {
            login.finish(success, None, out);
        }
    }
}

/// The value of an attribute, as written.
fn attribute<'a>(attributes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_ascii_start();
        let equals = memchr::memchr(b'=', rest)?;
        let key = rest.get(..equals)?.trim_ascii();
        let value = rest.get(equals + 1..)?.trim_ascii_start();
        let (quote, value) = value.split_first().filter(|(q, _)| matches!(q, b'"' | b'\''))?;
        let end = memchr::memchr(*quote, value)?;
        if key == name {
            return value.get(..end);
        }
        rest = value.get(end + 1..)?;
    }
}

impl Parser for Xmpp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut at = 0;
        while let Some(rest) = data.get(at..) {
            let Some(end) = memchr::memchr(b'>', rest) else { break };
            let unit = rest.get(..end).unwrap_or(&[]);
            let open = memchr::memchr(b'<', unit).unwrap_or(unit.len());
            let (text, tag) = unit.split_at_checked(open).unwrap_or((unit, &[]));
            at += end + 1;
            match self.tag(side, text, tag.get(1..).unwrap_or(&[]), out) {
                Step::On => {}
                Step::Tls => return Fed::Switch(at),
                Step::Over => {
                    self.finish(out);
                    return Fed::Done;
                }
            }
        }
        Fed::Took(at)
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        // The next tag is told again; what was lost is at most one login's outcome.
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.mechanism = None;
        self.decided(None, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::credentials::{Credential, Secret};
    use crate::protocol::testing::{Bench, lost, orig, resp};
    use crate::protocol::{ALL, tls};

    const OPEN: &[u8] =
        b"<?xml version='1.0'?><stream:stream to='Example.ORG' xmlns='jabber:client' version='1.0'>";
    const FEATURES: &[u8] =
        b"<stream:features><mechanisms><mechanism>PLAIN</mechanism></mechanisms></stream:features>";
    const STARTTLS: &[u8] = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    const PROCEED: &[u8] = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
    /// PLAIN for juliet, from RFC 6120 section 9.1.
    const AUTH: &[u8] =
        b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGp1bGlldAByMG0zMG15cjBtMzA=</auth>";

    /// A ClientHello with nothing but a cipher.
    fn hello() -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let mut out = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
        out.extend(body);
        out
    }

    #[test]
    fn starttls_is_followed() {
        let hello = hello();
        let talk = [orig(OPEN), resp(OPEN), resp(FEATURES), orig(STARTTLS), resp(PROCEED), orig(&hello)];
        let run = Bench::tcp(9999).only(ALL).run(&talk);
        assert_eq!((run.service, run.records::<tls::TlsHandshake>().len(), run.faults), (Some("xmpp"), 1, 0));
    }

    #[test]
    fn a_refused_starttls_is_not() {
        let hello = hello();
        let talk = [orig(OPEN), resp(OPEN), orig(STARTTLS), resp(b"<failure/>"), resp(PROCEED), orig(&hello)];
        assert!(Bench::tcp(9999).only(ALL).run(&talk).records::<tls::TlsHandshake>().is_empty());
    }

    #[test]
    fn logins_are_kept_without_their_secret() {
        for (answer, success) in [
            (&b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"[..], Some(true)),
            (b"<failure xmlns='x'><not-authorized/></failure>", Some(false)),
            (b"", None),
        ] {
            let run =
                Bench::tcp(5222).only(&[&PROTOCOL]).run(&[orig(OPEN), resp(OPEN), orig(AUTH), resp(answer)]);
            let logins: Vec<_> = run
                .records::<Credential>()
                .into_iter()
                .map(|c| (c.mechanism, c.account.as_deref(), c.secret, c.success))
                .collect();
            assert_eq!(logins, [("plain", Some("juliet"), Secret::Clear, success)]);
        }
    }

    #[test]
    fn every_prefix_and_hole_survives() {
        let talk: Vec<u8> = [OPEN, STARTTLS, AUTH].concat();
        let back: Vec<u8> = [OPEN, FEATURES, b"<challenge>cQ==</challenge><failure/>"].concat();
        for end in 0..talk.len() {
            let cut = &back[..end.min(back.len())];
            let run = Bench::tcp(5222).run(&[
                orig(&talk[..end]),
                lost(Side::Resp, 3),
                resp(cut),
                orig(&talk[end..]),
            ]);
            assert_eq!(run.faults, 0);
        }
    }

    #[test]
    fn attributes_are_found_in_either_quotes() {
        let tag = b" xmlns=\"a='b'\" to = 'c' from='d'/";
        assert_eq!((attribute(tag, b"to"), attribute(tag, b"id")), (Some(&b"c"[..]), None));
    }
}
