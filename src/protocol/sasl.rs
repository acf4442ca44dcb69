//! Who logs in inside an AUTH or AUTHENTICATE command?
//!
//! SASL (RFC 4422) as SMTP (RFC 4954), POP3 (RFC 5034), IMAP (RFC 9051) and IRC carry it: base64 lines back and forth until the server decides. Reads the account out
//! of PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), DIGEST-MD5 (RFC 2831), SCRAM (RFC 5802), NTLM, XOAUTH2 and OAUTHBEARER (RFC 7628) and EXTERNAL.
//! Refuses to keep any proof: what is decoded is dropped once the account is out of it.

use super::credentials::{Credential, MAX_ACCOUNT, Secret};
use super::encoding::base64;
use super::{Output, lines};
use crate::flow::At;
use crate::model::bytes::Cursor;
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
    mechanism: &'static str,
    secret: Secret,
    /// Answers of the client so far.
    answers: u8,
    account: Option<String>,
    proved: bool,
}

impl Sasl {
    /// The client asks for a mechanism, at once with its first answer or without.
    pub(super) fn begin(began: At, argument: &[u8]) -> Self {
        let (name, initial) = lines::word(argument);
        let known = MECHANISMS.iter().find(|(n, ..)| name.eq_ignore_ascii_case(n.as_bytes()));
        let (mechanism, secret) = known.map_or(("sasl", Secret::None), |(_, m, s)| (*m, *s));
        let mut this = Self { began, mechanism, secret, answers: 0, account: None, proved: false };
        if !initial.is_empty() {
            this.answer(initial);
        }
        this
    }

    /// Name of the mechanism as stored.
    pub(super) fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// A line of the client, base64.
    pub(super) fn answer(&mut self, line: &[u8]) {
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
            "ntlm" => {
                if let Some(account) = ntlm_account(&text) {
                    self.proved = true;
                    self.account.get_or_insert(account);
                }
                None
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
            "gssapi" => {
                self.proved |= !text.is_empty();
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

    /// The server decided, or the answer was not seen.
    pub(super) fn finish(
        self,
        service: &'static str,
        success: Option<bool>,
        detail: Option<String>,
        out: &mut Output<'_>,
    ) {
        let secret = if self.proved { self.secret } else { Secret::None };
        let Self { began, mechanism, account, .. } = self;
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

/// `domain\user` of an NTLM AUTHENTICATE message ([MS-NLMP] section 2.2.1.3).
pub(super) fn ntlm_account(message: &[u8]) -> Option<String> {
    let mut c = Cursor::new(message);
    if c.take(8)? != b"NTLMSSP\0" || c.u32_le()? != 3 {
        return None;
    }
    c.skip(16)?;
    let mut field = || -> Option<&[u8]> {
        let (len, _, at) = (c.u16_le()?, c.u16_le()?, c.u32_le()?);
        let at = usize::try_from(at).ok()?;
        message.get(at..at.checked_add(usize::from(len))?)
    };
    let (domain, user) = (field()?, field()?);
    c.skip(16)?;
    let unicode = c.u32_le()? & 1 != 0;
    let text = |bytes: &[u8]| {
        if !unicode {
            return printable(bytes, MAX_ACCOUNT);
        }
        let (pairs, _) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|p| u16::from_le_bytes(*p));
        let decoded: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        printable(decoded.as_bytes(), MAX_ACCOUNT)
    };
    let (domain, user) = (text(domain), text(user));
    Some(if domain.is_empty() { user } else { format!("{domain}\\{user}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn after(argument: &[u8], answers: &[&[u8]]) -> (Option<String>, bool) {
        let mut sasl = Sasl::begin(At { ts: Timestamp(0), packet: 1 }, argument);
        answers.iter().for_each(|a| sasl.answer(a));
        (sasl.account, sasl.proved)
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
    fn an_ntlm_answer_names_domain_and_user() {
        let mut m = b"NTLMSSP\0\x03\0\0\0".to_vec();
        m.extend_from_slice(&[0; 16]);
        m.extend_from_slice(&[4, 0, 4, 0, 64, 0, 0, 0]);
        m.extend_from_slice(&[6, 0, 6, 0, 68, 0, 0, 0]);
        m.extend_from_slice(&[0; 16]);
        m.extend_from_slice(&[1, 0, 0, 0]);
        m.extend_from_slice(b"D\0C\0j\0o\0e\0");
        assert_eq!(ntlm_account(&m).as_deref(), Some("DC\\joe"));
        for end in 0..m.len() {
            assert_eq!(ntlm_account(&m[..end]), None);
        }
    }
}
