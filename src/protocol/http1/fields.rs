//! Which header fields of a message become columns?
//!
//! RFC 9110, RFC 6266 and RFC 8187 (Content-Disposition), RFC 7617 and RFC 7616 (Basic, Digest), RFC 6265 (cookies).
//! Passwords, tokens and cookie values are read over, never kept.

use super::head::{Fields, Framing};
use super::record::{Content, HttpTransaction};
use crate::model::text::printable;
use crate::protocol::encoding::{base64, percent};
use crate::protocol::files::MAX_NAME;
use crate::protocol::ntlm;
use std::net::IpAddr;

/// Longest request target kept, bytes; RFC 9110 section 4.1 asks servers for at least 8000, of which the first half
/// tells what it is.
pub(in crate::protocol) const URI_CAP: usize = 4096;

/// Longest value of any other field kept, bytes: browsers' User-Agents stay below 300.
const VALUE_CAP: usize = 1024;

/// Longest Basic credential decoded, characters of base64: user names are short.
const BASIC_CAP: usize = 1024;

/// Longest NTLM message decoded, characters of base64: answers with target information stay below 1 KiB of bytes.
const NTLM_CAP: usize = 4096;

/// A value as stored: folded lines joined with one blank.
pub(in crate::protocol) fn text(value: &[u8], cap: usize) -> Option<Box<str>> {
    if value.is_empty() {
        return None;
    }
    if !value.contains(&b'\n') {
        return Some(printable(value, cap).into());
    }
    let mut joined = Vec::with_capacity(value.len());
    for line in value.split(|b| *b == b'\n') {
        if !joined.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(line.trim_ascii());
    }
    Some(printable(&joined, cap).into())
}

fn keep(slot: &mut Option<Box<str>>, value: &[u8]) {
    if slot.is_none() {
        *slot = text(value, VALUE_CAP);
    }
}

/// What the fields said beside what is stored.
#[derive(Clone, Default, Debug)]
pub(in crate::protocol) struct Told {
    /// Where the body ends.
    pub(super) framing: Framing,
    /// A line that no field has.
    pub(super) odd: bool,
    /// Does Connection name Upgrade?
    pub(super) upgrade: bool,
    /// A message of NTLM, bare or in SPNEGO (RFC 4559).
    pub(super) token: Option<Vec<u8>>,
    /// A header that only miners send.
    pub(super) mines: bool,
}

/// Read the fields of a request.
pub(in crate::protocol) fn request(fields: Fields<'_>, tx: &mut HttpTransaction) -> Told {
    let mut told = Told::default();
    for field in fields {
        told.odd |= field.odd;
        let value = field.value;
        if common(field.name, value, &mut tx.request, &mut told) {
            continue;
        }
        match field.name.len() {
            3 if is(field.name, "via") => keep(&mut tx.via, value),
            4 if is(field.name, "host") => keep(&mut tx.host, value),
            6 if is(field.name, "cookie") => {
                tx.cookies = tx.cookies.saturating_add(cookies(value));
                odd_header(field.name, value, tx);
            }
            6 if is(field.name, "origin") => keep(&mut tx.origin, value),
            7 if is(field.name, "referer") => keep(&mut tx.referrer, value),
            7 if is(field.name, "upgrade") => keep(&mut tx.upgrade, value),
            9 if is(field.name, "forwarded") => keep(&mut tx.forwarded, value),
            10 if is(field.name, "user-agent") => keep(&mut tx.user_agent, value),
            13 if is(field.name, "authorization") => authorization(value, tx, &mut told),
            15 if is(field.name, "x-forwarded-for") => keep(&mut tx.x_forwarded_for, value),
            17 if is(field.name, "x-mining-hashrate") => told.mines = true,
            19 if is(field.name, "x-mining-extensions") => told.mines = true,
            19 if is(field.name, "proxy-authorization") => authorization(value, tx, &mut told),
            _ => odd_header(field.name, value, tx),
        }
    }
    told
}

/// Odd header fields kept of one request: scanners that try them all send the same in each.
pub(in crate::protocol) const ODD_CAP: usize = 8;

/// Longest value of an odd header kept, bytes.
const ODD_VALUE_CAP: usize = 512;

/// Longest name of it, bytes.
const ODD_NAME_CAP: usize = 64;

/// Does a value hold characters that browsers do not send there, and attacks need?
fn is_odd(value: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(value, needle).is_some();
    memchr::memchr3(b'\'', b'<', b'$', value).is_some()
        || memchr::memchr3(b'`', b'|', b'%', value).is_some()
        || has(b"() {")
        || has(b"../")
        || has(b").")
        || has(b"{{")
        || has(b"BEResource=")
        || has(b"18446744073709551615")
}

/// Codings that an honest client can name (RFC 9110 section 8.4.1 and the registry of the IANA).
const CODINGS: [&str; 11] =
    ["gzip", "x-gzip", "deflate", "br", "zstd", "identity", "compress", "x-compress", "*", "sdch", "dcb"];

/// Does Accept-Encoding hold an empty element among codings that do not exist? Clients that end with a comma name real ones.
fn is_odd_coding(value: &[u8]) -> bool {
    let (mut empty, mut unknown) = (false, false);
    for part in value.split(|b| *b == b',') {
        let name = part.split(|b| *b == b';').next().unwrap_or(part).trim_ascii();
        empty |= name.is_empty();
        unknown |= !name.is_empty() && !CODINGS.iter().any(|c| is(name, c));
    }
    empty && unknown
}

fn odd_header(name: &[u8], value: &[u8], tx: &mut HttpTransaction) {
    let odd = || match name.len() {
        15 if is(name, "accept-encoding") => is_odd_coding(value),
        _ => is_odd(value),
    };
    if tx.odd_headers.len() < ODD_CAP && odd() {
        let name = printable(name, ODD_NAME_CAP).into();
        tx.odd_headers.push((name, printable(value, ODD_VALUE_CAP).into()));
    }
}

/// Read the fields of a response.
pub(in crate::protocol) fn response(fields: Fields<'_>, tx: &mut HttpTransaction) -> Told {
    let mut told = Told::default();
    for field in fields {
        told.odd |= field.odd;
        let value = field.value;
        if common(field.name, value, &mut tx.response, &mut told) {
            continue;
        }
        match field.name.len() {
            6 if is(field.name, "server") => keep(&mut tx.server, value),
            8 if is(field.name, "location") => keep(&mut tx.location, value),
            10 if is(field.name, "set-cookie") => tx.set_cookies = tx.set_cookies.saturating_add(1),
            16 if is(field.name, "www-authenticate") => told.challenge(value),
            18 if is(field.name, "proxy-authenticate") => told.challenge(value),
            _ => {}
        }
    }
    tx.response.content_length = told.framing.length;
    told
}

fn is(name: &[u8], lower: &str) -> bool {
    name.eq_ignore_ascii_case(lower.as_bytes())
}

/// Fields of both kinds of messages; true when it was one.
fn common(name: &[u8], value: &[u8], content: &mut Content, told: &mut Told) -> bool {
    match name.len() {
        10 if is(name, "connection") => {
            told.upgrade |= value.split(|b| *b == b',').any(|v| is(v.trim_ascii(), "upgrade"));
        }
        12 if is(name, "content-type") => keep(&mut content.content_type, value),
        14 if is(name, "content-length") => told.framing.content_length(value),
        16 if is(name, "content-encoding") => keep(&mut content.encoding, value),
        17 if is(name, "transfer-encoding") => told.framing.transfer_encoding(value),
        19 if is(name, "content-disposition") => content.file_name = file_name(value),
        _ => return false,
    }
    true
}

fn cookies(value: &[u8]) -> u16 {
    let pairs = value.split(|b| *b == b';').filter(|pair| !pair.trim_ascii().is_empty()).count();
    u16::try_from(pairs).unwrap_or(u16::MAX)
}

impl Told {
    /// A value of a field that may carry a message of NTLM; the first one counts.
    fn challenge(&mut self, value: &[u8]) {
        let (scheme, rest) = scheme(value);
        if self.token.is_none() && (is(scheme, "ntlm") || is(scheme, "negotiate")) {
            let rest = rest.trim_ascii();
            let token = base64(rest.get(..NTLM_CAP).unwrap_or(rest));
            self.token = token.filter(|t| ntlm::find(t).is_some());
        }
    }
}

/// The scheme at the front of credentials or of a challenge, and what follows it with its blank.
fn scheme(value: &[u8]) -> (&[u8], &[u8]) {
    let blank = value.iter().position(|b| *b == b' ');
    blank.and_then(|at| value.split_at_checked(at)).unwrap_or((value, &[]))
}

/// `Basic base64(user:password)`, `Digest username="user", …`, or any other scheme with something opaque.
fn authorization(value: &[u8], tx: &mut HttpTransaction, told: &mut Told) {
    // No credential holds a lookup or a shell's function.
    if memchr::memmem::find(value, b"${").or_else(|| memchr::memmem::find(value, b"() {")).is_some() {
        odd_header(b"authorization", value, tx);
    }
    let (scheme, rest) = scheme(value);
    // A scheme is a token (RFC 9110 section 11.1); anything else may be the secret itself.
    if scheme.len() <= 16
        && scheme.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !rest.is_empty()
    {
        keep(&mut tx.auth_scheme, scheme);
    }
    if is(scheme, "basic") {
        let rest = rest.trim_ascii();
        let decoded = base64(rest.get(..BASIC_CAP).unwrap_or(rest)).unwrap_or_default();
        let mut parts = decoded.splitn(2, |b| *b == b':');
        let user = parts.next().unwrap_or(&[]);
        if let Some(password) = parts.next() {
            keep(&mut tx.username, user);
            tx.password_seen |= !password.is_empty();
        }
    } else if is(scheme, "ntlm") || is(scheme, "negotiate") {
        told.challenge(value);
    } else if is(scheme, "digest")
        && let Some(user) = parameter(rest, b"username")
    {
        keep(&mut tx.username, user);
    }
}

/// The value of `name=` in a list of parameters, with or without quotes. Parameters are told apart by `;` or `,`
/// outside quotes.
fn parameter<'a>(list: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut quoted = false;
    list.split(|b| {
        quoted ^= *b == b'"';
        !quoted && matches!(b, b';' | b',')
    })
    .find_map(|part| {
        let at = part.iter().position(|b| *b == b'=')?;
        let (key, value) = part.split_at_checked(at)?;
        let value = value.get(1..)?.trim_ascii();
        let bare = value.strip_prefix(b"\"").map(|v| v.strip_suffix(b"\"").unwrap_or(v)).unwrap_or(value);
        key.trim_ascii().eq_ignore_ascii_case(name).then_some(bare)
    })
}

/// The file name of a Content-Disposition; the extended form (`filename*=UTF-8''…`) is the better one.
fn file_name(value: &[u8]) -> Option<Box<str>> {
    if let Some(extended) = parameter(value, b"filename*") {
        let encoded = extended.splitn(3, |b| *b == b'\'').nth(2)?;
        return text(&percent(encoded), VALUE_CAP);
    }
    text(parameter(value, b"filename")?, VALUE_CAP)
}

/// The last segment of a path: the name under which a browser would save it. `None` for a folder.
pub(super) fn last_segment(target: &str) -> Option<String> {
    let path = target.split(['?', '#']).next()?;
    let path =
        path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let name = percent(path.rsplit('/').next()?.as_bytes());
    (!name.is_empty() && target != "*").then(|| printable(&name, MAX_NAME))
}

/// The authority in a request target: of `http://host:port/…`, or the whole of CONNECT's.
pub(in crate::protocol) fn authority<'a>(method: &[u8], target: &'a [u8]) -> Option<&'a [u8]> {
    if method == b"CONNECT" {
        return Some(target);
    }
    let colon = target.get(..8)?.windows(3).position(|w| w == b"://")?;
    let rest = target.get(colon + 3..)?;
    let rest = rest.split(|b| matches!(b, b'/' | b'?' | b'#')).next()?;
    // What stands before an @ may be a password.
    rest.rsplit(|b| *b == b'@').next()
}

/// The server's name in a Host header: lower case, without port; `None` for addresses and for what no name looks like.
pub(in crate::protocol) fn server_name(host: &str) -> Option<String> {
    if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
        return None;
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name).trim_end_matches('.');
    let fits = !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') || b >= 0x80)
        && name.parse::<IpAddr>().is_err();
    fits.then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_request(head: &[u8]) -> HttpTransaction {
        let mut tx = HttpTransaction::default();
        request(Fields::new(head), &mut tx);
        tx
    }

    #[test]
    fn accounts_are_kept_and_secrets_are_not() {
        // The example of RFC 7617 section 2.
        let tx = of_request(b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
        assert_eq!((tx.username.as_deref(), tx.password_seen), (Some("Aladdin"), true));
        assert!(!format!("{tx:?}").contains("sesame"));
        let tx = of_request(b"Authorization: Digest realm=\"a, b\", username=\"Mufasa\", nonce=\"x\"\r\n");
        assert_eq!((tx.username.as_deref(), tx.password_seen), (Some("Mufasa"), false));
        let tx = of_request(b"Authorization: Bearer abc.def\r\nCookie: a=1; b=2;\r\n");
        assert_eq!((tx.auth_scheme.as_deref(), tx.cookies), (Some("Bearer"), 2));
        assert!(!format!("{tx:?}").contains("abc.def"));
        let tx = of_request(b"Authorization: justasecret\r\n");
        assert!(!format!("{tx:?}").contains("justasecret"));
    }

    #[test]
    fn folded_values_are_joined() {
        let tx = of_request(b"User-Agent: one\r\n\ttwo\r\n  three\r\nHost: h\r\n");
        assert_eq!((tx.user_agent.as_deref(), tx.host.as_deref()), (Some("one two three"), Some("h")));
    }

    #[test]
    fn file_names() {
        assert_eq!(file_name(b"attachment; filename=\"a; b.exe\"").as_deref(), Some("a; b.exe"));
        assert_eq!(file_name(b"attachment; filename=plain.txt").as_deref(), Some("plain.txt"));
        // The example of RFC 6266 section 5.
        let both = b"attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates";
        assert_eq!(file_name(both).as_deref(), Some("\u{20ac} rates"));
        assert_eq!(file_name(b"inline"), None);
        assert_eq!(last_segment("/a/b%20c.exe?x=/y").as_deref(), Some("b c.exe"));
        assert_eq!(last_segment("http://h.org/z").as_deref(), Some("z"));
        assert_eq!(
            (last_segment("/a/"), last_segment("http://h.org"), last_segment("*")),
            (None, None, None)
        );
    }

    #[test]
    fn names_of_servers() {
        assert_eq!(authority(b"GET", b"http://u:p@h.org:81/x@y").unwrap(), b"h.org:81");
        assert_eq!(authority(b"CONNECT", b"h.org:443").unwrap(), b"h.org:443");
        assert_eq!(authority(b"GET", b"/redirect?to=http://x/"), None);
        assert_eq!(server_name("WWW.Example.org:8080").as_deref(), Some("www.example.org"));
        assert_eq!(server_name("10.0.0.1:80"), None);
        assert_eq!(server_name("[::1]:80"), None);
        assert_eq!(server_name("a b"), None);
    }

    #[test]
    fn codings_that_do_not_exist_are_odd_and_a_comma_too_many_is_not() {
        assert!(is_odd_coding(b"doar-e, ftw, imo, ,"));
        for usual in
            [&b"gzip, deflate, br"[..], b"gzip,deflate,", b"*;q=0", b"identity", b"gzip;q=1.0, x-new"]
        {
            assert!(!is_odd_coding(usual));
        }
    }
}
