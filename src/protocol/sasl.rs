//! Who logs in inside an AUTH or AUTHENTICATE command?
//!
//! SASL (RFC 4422) as SMTP (RFC 4954), POP3 (RFC 5034), IMAP (RFC 9051) and IRC carry it: base64 lines back and forth until the server decides. Reads the account out
//! of PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), DIGEST-MD5 (RFC 2831), SCRAM (RFC 5802), XOAUTH2 and OAUTHBEARER (RFC 7628) and EXTERNAL; NTLM, bare or
//! inside GSSAPI, is read by [`super::ntlm`].
//! Refuses to keep any proof: what is decoded is dropped once the account is out of it.

use super::credentials::{Credential, MAX_ACCOUNT, Secret};
use super::encoding::base64;
use super::ntlm::Session;
use super::{Output, lines};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::text::printable;

/// Longest answer of a client that is decoded, bytes of base64: GSSAPI tickets are longer, but no account is read out of them.
const MAX_RESPONSE: usize = 8 << 10;

/// Name as clients write it, as stored, and in which form the secret crosses.
const MECHANISMS: &[(&str, &str, Secret)] = &[
    ("PLAIN", "plain", Secret::Clear),
    ("LOGIN", "login", Secret::Clear),
    ("CRAM-MD5", "cram-md5", Secret::Hashed),
    ("DIGEST-MD5", "digest-md5", Secret::Hashed),
    ("SCRAM-SHA-1", "scram-sha-1", Secret::Hashed),
    ("SCRAM-SHA-256", "scram-sha-256", Secret::Hashed),
    ("SCRAM-SHA-1-PLUS", "scram-sha-1-plus", Secret::Hashed),
    ("SCRAM-SHA-256-PLUS", "scram-sha-256-plus", Secret::Hashed),
    ("NTLM", "ntlm", Secret::Hashed),
    ("XOAUTH2", "xoauth2", Secret::Clear),
    ("OAUTHBEARER", "oauthbearer", Secret::Clear),
    ("EXTERNAL", "external", Secret::None),
    ("ANONYMOUS", "anonymous", Secret::None),
    ("GSSAPI", "gssapi", Secret::Hashed),
];

/// One exchange that is not decided.
#[derive(Clone, Debug)]
pub(super) struct Sasl {
    began: At,
    service: &'static str,
    mechanism: &'static str,
    secret: Secret,
    /// Answers of the client so far.
    answers: u8,
    account: Option<String>,
    proved: bool,
    /// Reads the messages of NTLM, where the mechanism may carry them.
    ntlm: Option<Box<Session>>,
}

impl Sasl {
    /// The client of `service` asks for a mechanism, at once with its first answer or without.
    pub(super) fn begin(service: &'static str, argument: &[u8], out: &mut Output<'_>) -> Self {
        let (name, initial) = lines::word(argument);
        let known = MECHANISMS.iter().find(|(n, ..)| name.eq_ignore_ascii_case(n.as_bytes()));
        let (mechanism, secret) = known.map_or(("sasl", Secret::None), |(_, m, s)| (*m, *s));
        let ntlm = matches!(mechanism, "ntlm" | "gssapi").then(|| Box::new(Session::new(service)));
        let (answers, account, proved) = (0, None, false);
        let mut this = Self { began: out.at, service, mechanism, secret, answers, account, proved, ntlm };
        if !initial.is_empty() {
            this.answer(initial, out);
        }
        this
    }

    /// Name of the mechanism as stored.
    pub(super) fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// A line of the client, base64.
    pub(super) fn answer(&mut self, line: &[u8], out: &mut Output<'_>) {
        let n = self.answers;
        self.answers = n.saturating_add(1);
        let line = line.trim_ascii();
        // `*` gives up, a lone `=` is an empty answer.
        if line == b"*" || line == b"=" || line.len() > MAX_RESPONSE {
            return;
        }
        let Some(text) = base64(line) else { return };
        let found = match self.mechanism {
            "plain" => {
                let mut fields = text.split(|b| *b == 0);
                let (authorized, account) = (fields.next(), fields.next());
                self.proved |= fields.next().is_some_and(|p| !p.is_empty());
                account.filter(|a| !a.is_empty()).or(authorized)
            }
            "login" => {
                self.proved |= n > 0 && !text.is_empty();
                (n == 0).then_some(&text[..])
            }
            "cram-md5" => {
                self.proved = true;
                text.rsplitn(2, |b| *b == b' ').nth(1)
            }
            "digest-md5" => {
                self.proved |= !text.is_empty();
                quoted(&text, b"username=")
            }
            "xoauth2" => {
                self.proved |= text.windows(12).any(|w| w.eq_ignore_ascii_case(b"auth=bearer "));
                text.strip_prefix(b"user=").and_then(|t| t.split(|b| *b == 1).next())
            }
            "oauthbearer" => {
                self.proved |= text.windows(12).any(|w| w.eq_ignore_ascii_case(b"auth=bearer "));
                between(&text, b"a=", b',')
            }
            "external" | "anonymous" => Some(&text[..]),
            "ntlm" | "gssapi" => {
                self.proved |= self.mechanism == "gssapi" && !text.is_empty();
                if let Some(ntlm) = &mut self.ntlm {
                    ntlm.feed(Side::Orig, &text, out);
                }
                None
            }
            name if name.starts_with("scram") => {
                self.proved |= n > 0;
                if n == 0 { between(&text, b"n=", b',') } else { None }
            }
            _ => None,
        };
        if let Some(account) = found.filter(|a| !a.is_empty()) {
            self.account.get_or_insert_with(|| printable(account, MAX_ACCOUNT));
        }
    }

    /// A line of the server that asks for more, base64 behind its code.
    pub(super) fn challenge(&mut self, line: &[u8], out: &mut Output<'_>) {
        let Some(ntlm) = self.ntlm.as_mut().filter(|_| line.len() <= MAX_RESPONSE) else { return };
        if let Some(token) = base64(line) {
            ntlm.feed(Side::Resp, &token, out);
        }
    }

    /// The server decided, or the answer was not seen.
    pub(super) fn finish(self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        let secret = if self.proved { self.secret } else { Secret::None };
        let Self { began, service, mechanism, account, ntlm, .. } = self;
        if let Some(mut ntlm) = ntlm {
            // With a proof the attempt is told by NTLM's own reader.
            if ntlm.is_proved() {
                return ntlm.outcome(success, detail, out);
            }
            ntlm.finish(out);
        }
        out.record(began, Credential { service, account, mechanism, secret, success, detail });
    }
}

/// What stands between quotes behind `name`.
fn quoted<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(name.len()).position(|w| w.eq_ignore_ascii_case(name))?;
    text.get(at + name.len()..)?.strip_prefix(b"\"")?.split(|b| *b == b'"').next()
}

/// The value of an attribute in a list with commas: at its start or behind a comma.
fn between<'a>(text: &'a [u8], name: &[u8], end: u8) -> Option<&'a [u8]> {
    text.split(|b| *b == end).find_map(|part| part.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ntlm::NtlmRecord;
    use crate::protocol::ntlm::tests::{in_base64, type1, type2, type3};
    use crate::protocol::testing::{Bench, orig, resp};

    /// What POP3 makes of an exchange that is not decided: the account, and whether a secret crossed.
    fn after(argument: &[u8], answers: &[&[u8]]) -> (Option<String>, bool) {
        let begin = [b"AUTH ", argument, b"\r\n"].concat();
        let answers: Vec<_> = answers.iter().map(|a| [*a, b"\r\n"].concat()).collect();
        let mut sent = vec![resp(b"+OK POP3\r\n"), orig(&begin)];
        sent.extend(answers.iter().flat_map(|a| [resp(b"+ \r\n"), orig(a)]));
        let run = Bench::tcp(110).run(&sent);
        let c = run.records::<Credential>()[0];
        (c.account.clone(), c.secret != Secret::None)
    }

    #[test]
    fn accounts_without_their_secrets() {
        let joe = |proved| (Some("joe".to_owned()), proved);
        assert_eq!(after(b"PLAIN AGpvZQBzZWNyZXQ=", &[]), joe(true));
        assert_eq!(after(b"plain", &[b"AGpvZQBzZWNyZXQ="]), joe(true));
        assert_eq!(after(b"LOGIN", &[b"am9l", b"c2VjcmV0"]), joe(true));
        assert_eq!(after(b"LOGIN", &[b"am9l"]), joe(false));
        // The example of RFC 2195 section 2.
        let tim = after(b"CRAM-MD5", &[b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"]);
        assert_eq!(tim, (Some("tim".into()), true));
        // RFC 5802 section 5: n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL
        let user = after(b"SCRAM-SHA-1 biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM", &[]);
        assert_eq!(user, (Some("user".into()), false));
        // user=joe^Aauth=Bearer x^A^A
        assert_eq!(after(b"XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgeAEB", &[]), joe(true));
        assert_eq!(after(b"PLAIN", &[b"*"]), (None, false));
        assert_eq!(after(b"PLAIN", &[b"!!"]), (None, false));
    }

    #[test]
    fn ntlm_is_read_in_every_carrier_of_lines() {
        let [ask, challenge, proof] = [type1(), type2(), type3(&[1; 90])].map(|m| in_base64(&m));
        let line = |parts: &[&str]| [&parts.concat(), "\r\n"].concat().into_bytes();
        let cases = [
            ("pop3", 110, "+OK POP3", "AUTH NTLM", "+ ", "+OK in"),
            ("smtp", 25, "220 mx.example ESMTP", "AUTH NTLM", "334 ", "235 in"),
            ("imap", 143, "* OK IMAP", "a AUTHENTICATE NTLM", "+ ", "a OK in"),
        ];
        for (service, port, banner, begin, more, end) in cases {
            let server = [line(&[banner]), line(&[more]), line(&[more, &challenge]), line(&[end])];
            let client = [line(&[begin]), line(&[&ask]), line(&[&proof])];
            let hello = line(&["EHLO pc7.example"]);
            let mut sent = vec![resp(&server[0])];
            if service == "smtp" {
                sent.extend([orig(&hello), resp(b"250 mx.example\r\n")]);
            }
            for (c, s) in client.iter().zip(&server[1..]) {
                sent.extend([orig(c), resp(s)]);
            }
            let run = Bench::tcp(port).run(&sent);
            let r = run.records::<NtlmRecord>();
            assert_eq!((run.service, r.len(), run.faults), (Some(service), 1, 0));
            assert_eq!(
                (r[0].service, r[0].server.nb_computer.as_deref(), r[0].success),
                (service, Some("DC1"), Some(true))
            );
            let c = run.records::<Credential>();
            assert_eq!((c.len(), c[0].account.as_deref()), (1, Some("CORP\\alice")));
            assert_eq!((c[0].mechanism, c[0].secret, c[0].success), ("ntlm", Secret::Hashed, Some(true)));
        }
    }
}
