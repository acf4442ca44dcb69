//! What does the head of an HTTP/1 message say: its first line, its fields, and where its body ends?
//!
//! RFC 9112 (syntax, sections 2 to 6), RFC 9110 (fields). Code of our own instead of `httparse`: that crate is right for a
//! server, which must refuse folded lines, blanks before a colon, strange bytes in a value or more fields than its
//! array holds; a witness must read on, because malware and scanners send just that. Nothing is allocated here.
//! HTTP/0.9 is taken only where nothing else can be meant: a lone `GET` with a path. Refuses HTTP/2.

use memchr::memchr;

/// Longest method that is believed, bytes; the longest registered one (IANA) has 16.
const METHOD_CAP: usize = 24;

/// The first line of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StartLine<'a> {
    Request { method: &'a [u8], target: &'a [u8], version: (u8, u8) },
    Response { version: (u8, u8), status: u16, reason: &'a [u8] },
}

/// What the first bytes of a message look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    Request,
    Response,
    /// So far nothing speaks against it.
    Unclear,
    Other,
}

/// RFC 9110 section 5.6.2: what a method or field name is made of.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

/// `HTTP/` and two digits around a dot; only major versions 0 and 1 are this protocol.
fn version(text: &[u8]) -> Option<(u8, u8)> {
    match text.strip_prefix(b"HTTP/")? {
        [major @ b'0'..=b'1', b'.', minor @ b'0'..=b'9'] => Some((major - b'0', minor - b'0')),
        _ => None,
    }
}

/// Blank lines before a message are skipped (RFC 9112 section 2.2).
pub(super) fn blank_lines(data: &[u8]) -> usize {
    data.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}

/// Read a first line without its line end. Blanks inside a request target are tolerated: the version is what
/// follows the last one.
pub(super) fn start_line(line: &[u8]) -> Option<StartLine<'_>> {
    if line.starts_with(b"HTTP/") {
        let version = version(line.get(..8)?)?;
        let rest = line.get(8..)?.strip_prefix(b" ")?.trim_ascii_start();
        let (code, reason) = rest.split_at_checked(3)?;
        let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] = code else { return None };
        if !matches!(reason.first(), None | Some(b' ' | b'\t')) {
            return None;
        }
        let digit = |d: &u8| u16::from(d - b'0');
        let status = digit(a) * 100 + digit(b) * 10 + digit(c);
        return Some(StartLine::Response { version, status, reason: reason.trim_ascii() });
    }
    let (method, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    if method.is_empty() || method.len() > METHOD_CAP || !method.iter().all(|b| is_token(*b)) {
        return None;
    }
    let rest = rest.trim_ascii();
    let (target, last) = rest.split_at_checked(rest.iter().rposition(|b| *b == b' ')?)?;
    let version = version(last.trim_ascii())?;
    let target = target.trim_ascii();
    (!target.is_empty()).then_some(StartLine::Request { method, target, version })
}

/// The first line in `data`, without its line end; `None` until that is there.
pub(super) fn first_line(data: &[u8]) -> Option<&[u8]> {
    let line = data.get(..memchr(b'\n', data)?)?;
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Methods whose name alone makes an unfinished, long first line credible (RFC 9110, RFC 4918, RFC 5789).
const KNOWN: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// An unfinished first line longer than this is taken for a request if its method is known, bytes: probes see only
/// the beginning of a flow, and targets may be longer than that.
const LONG_LINE: usize = 256;

/// Does a message begin here?
pub(super) fn look(data: &[u8]) -> Look {
    let data = data.get(blank_lines(data)..).unwrap_or(&[]);
    if let Some(line) = first_line(data) {
        return match start_line(line) {
            Some(StartLine::Request { .. }) => Look::Request,
            Some(StartLine::Response { .. }) => Look::Response,
            None => Look::Other,
        };
    }
    let opening = b"HTTP/1.";
    if data.starts_with(opening) || opening.starts_with(data) {
        // Twelve bytes hold version and status; a status line is never long.
        return if data.len() < LONG_LINE { Look::Unclear } else { Look::Other };
    }
    let Some(blank) = memchr(b' ', data.get(..METHOD_CAP + 1).unwrap_or(data)) else {
        let fits = data.len() <= METHOD_CAP && data.iter().all(|b| is_token(*b));
        return if fits { Look::Unclear } else { Look::Other };
    };
    let (method, target) = data.split_at_checked(blank).unwrap_or((data, &[]));
    let method_fits = !method.is_empty() && method.iter().all(|b| is_token(*b));
    if !method_fits || target.iter().any(|b| b.is_ascii_control() && *b != b'\r') {
        return Look::Other;
    }
    match data.len() {
        ..LONG_LINE => Look::Unclear,
        _ if KNOWN.contains(&method) => Look::Request,
        _ => Look::Other,
    }
}

/// A request of HTTP/0.9, which is one line and no more: `GET`, one blank, and a path or an absolute target.
pub(super) fn simple_request(data: &[u8]) -> Option<(&[u8], &[u8])> {
    // Some send an empty line behind it, as they would after a head.
    let line = data.strip_suffix(b"\n")?.trim_ascii_end();
    let (method, target) = line.split_at_checked(3)?;
    let target = target.strip_prefix(b" ")?;
    let rooted = target.starts_with(b"/") || target.starts_with(b"http://");
    let visible = target.iter().all(u8::is_ascii_graphic);
    (method == b"GET" && rooted && visible).then_some((method, target))
}

/// The beginning of a first line whose rest is lost, as far as it is worth a row: a method that everybody knows, and what is there of a target.
pub(super) fn cut_request(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (method, target) = data.split_at_checked(memchr(b' ', data)?)?;
    let target = target.trim_ascii();
    let target = target.get(..memchr(b' ', target).unwrap_or(target.len()))?;
    let rooted = target.starts_with(b"/") || target.starts_with(b"http://");
    (KNOWN.contains(&method) && rooted).then_some((method, target))
}

/// Where the head ends (behind its empty line), looking from `from` on; line ends may lack the CR, as browsers and
/// servers tolerate. `None` until it is there.
pub(super) fn end(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'\n', data.get(at..)?)? + 1;
        match data.get(at..) {
            Some([b'\n', ..]) => return Some(at + 1),
            Some([b'\r', b'\n', ..]) => return Some(at + 2),
            _ => {}
        }
    }
}

/// One field. The value may hold line ends of folded lines (RFC 9112 section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::protocol) struct Field<'a> {
    pub(in crate::protocol) name: &'a [u8],
    pub(in crate::protocol) value: &'a [u8],
    /// A blank before the colon, or bytes that no name may have: servers differ in what they make of it.
    pub(in crate::protocol) odd: bool,
}

/// The fields of a head; lines without a colon come with an empty name.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// `head` is what follows the first line.
    pub(in crate::protocol) fn new(head: &'a [u8]) -> Self {
        Self(head)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.0.trim_ascii().is_empty() {
            return None;
        }
        // A line that begins with a blank continues the one before it.
        let mut len = 0;
        loop {
            let rest = self.0.get(len..).unwrap_or(&[]);
            len = memchr(b'\n', rest).map_or(self.0.len(), |lf| len + lf + 1);
            if !matches!(self.0.get(len), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (line, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let Some((name, value)) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
            return Some(Field { name: b"", value: line.trim_ascii(), odd: true });
        };
        let trimmed = name.trim_ascii();
        let odd = trimmed.len() != name.len() || !trimmed.iter().all(|b| is_token(*b));
        let value = value.get(1..).unwrap_or(&[]).trim_ascii();
        Some(Field { name: trimmed, value, odd: odd || trimmed.is_empty() })
    }
}

/// How the end of a body is told (RFC 9112 section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    None,
    Length(u64),
    Chunked,
    /// It ends with the connection.
    UntilClose,
}

/// What the fields say about the body's end.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Framing {
    /// Content-Length; the first of several.
    pub(super) length: Option<u64>,
    /// Is there a Transfer-Encoding, and is `chunked` its last coding?
    pub(super) chunked: Option<bool>,
    /// Content-Length given twice with different values.
    pub(super) differs: bool,
    /// A Content-Length that is no number, or none that fits 64 bits.
    pub(super) bad: bool,
}

impl Framing {
    /// Take a Content-Length, which may be a list of equal numbers.
    pub(super) fn content_length(&mut self, value: &[u8]) {
        for item in value.split(|b| *b == b',') {
            match decimal(item.trim_ascii()) {
                Some(n) if self.length.is_some_and(|first| first != n) => self.differs = true,
                Some(n) => self.length = Some(n),
                None => self.bad = true,
            }
        }
    }

    /// Take a Transfer-Encoding; the last coding of the last field counts.
    pub(super) fn transfer_encoding(&mut self, value: &[u8]) {
        let last = value.rsplit(|b| *b == b',').next().unwrap_or(&[]);
        self.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    }

    /// Two statements that a proxy and a server may weigh differently.
    pub(super) fn conflicts(&self) -> bool {
        self.differs || (self.length.is_some() && self.chunked.is_some())
    }

    /// The body of a request.
    pub(super) fn request(&self) -> Body {
        match (self.chunked, self.length) {
            (Some(true), _) => Body::Chunked,
            (Some(false), _) => Body::UntilClose,
            (None, Some(n)) if n > 0 => Body::Length(n),
            (None, _) => Body::None,
        }
    }

    /// The body of a response with `status` to a request with `method`.
    pub(super) fn response(&self, status: u16, method: Option<&str>) -> Body {
        if method == Some("HEAD") || matches!(status, 100..=199 | 204 | 304) {
            return Body::None;
        }
        match (self.chunked, self.length) {
            (Some(true), _) => Body::Chunked,
            (None, Some(0)) => Body::None,
            (None, Some(n)) => Body::Length(n),
            (Some(false), _) | (None, None) => Body::UntilClose,
        }
    }
}

fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// The size in a chunk's first line (RFC 9112 section 7.1); extensions are skipped.
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| matches!(b, b';' | b' ' | b'\t')).next()?;
    let hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    hex.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let request = start_line(b"GET /a b?c HTTP/1.1");
        assert_eq!(request, Some(StartLine::Request { method: b"GET", target: b"/a b?c", version: (1, 1) }));
        let response = start_line(b"HTTP/1.0 404");
        assert_eq!(response, Some(StartLine::Response { version: (1, 0), status: 404, reason: b"" }));
        for other in [
            &b"GET /"[..],
            b"PRI * HTTP/2.0",
            b"RTSP/1.0 200 OK",
            b"OPTIONS sip:a SIP/2.0",
            b"HTTP/1.1 20",
            b"HTTP/1.1 2000 OK",
            b"HTTP/1.1 099 x",
            b"a\x01b / HTTP/1.1",
            b" / HTTP/1.1",
            b"220 mail ESMTP HTTP/1.1x",
        ] {
            assert_eq!(start_line(other), None, "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_look_decides_only_when_it_can() {
        assert_eq!(look(b""), Look::Unclear);
        assert_eq!(look(b"GE"), Look::Unclear);
        assert_eq!(look(b"HTT"), Look::Unclear);
        assert_eq!(look(b"GET / HTTP/1.1\r\n"), Look::Request);
        assert_eq!(look(b"\r\nHTTP/1.1 200 OK\n"), Look::Response);
        assert_eq!(look(b"SSH-2.0-OpenSSH_9.6 x\r\n"), Look::Other);
        assert_eq!(look(b"EHLO mail\r\n"), Look::Other);
        assert_eq!(look(b"\x16\x03\x01\x02\x00"), Look::Other);
        assert_eq!(look(b"GET \x00\x01"), Look::Other);
        let long = [&b"GET /"[..], &[b'a'; 300]].concat();
        assert_eq!(look(&long), Look::Request);
        assert_eq!(look(&[&b"HELLO /"[..], &[b'a'; 300]].concat()), Look::Other);
    }

    #[test]
    fn a_request_without_a_version_is_one_line() {
        assert_eq!(simple_request(b"GET /a\r\n"), Some((&b"GET"[..], &b"/a"[..])));
        assert_eq!(simple_request(b"GET /\n"), Some((&b"GET"[..], &b"/"[..])));
        assert_eq!(simple_request(b"GET /\r\n\n\n"), Some((&b"GET"[..], &b"/"[..])));
        for other in [
            &b"GET /a HTTP/1.0\r\n"[..],
            b"GET /a\r\nHost: x\r\n",
            b"GET key\r\n",
            b"GET /a",
            b"PUT /a\r\n",
            b"",
        ] {
            assert_eq!(simple_request(other), None, "{:?}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn heads_end_with_or_without_carriage_returns() {
        assert_eq!(end(b"a\r\nb\r\n\r\nc", 0), Some(8));
        assert_eq!(end(b"a\nb\n\nc", 0), Some(5));
        assert_eq!(end(b"a\r\nb\r\n\r", 0), None);
        assert_eq!(end(b"a", 9), None);
    }

    #[test]
    fn fields_fold_and_are_told_when_odd() {
        let all: Vec<_> = Fields::new(b"A: 1\r\nB:2\n  3\r\nC : 4\r\nno colon\r\n\r\n").collect();
        assert_eq!(all.len(), 4);
        assert_eq!((all[0].name, all[0].value, all[0].odd), (&b"A"[..], &b"1"[..], false));
        assert_eq!((all[1].name, all[1].value), (&b"B"[..], &b"2\n  3"[..]));
        assert!(all[2].odd && all[2].name == b"C" && all[3].odd && all[3].name.is_empty());
    }

    #[test]
    fn lengths_are_weighed_as_rfc_9112_says() {
        let with = |lengths: &[&[u8]], te: Option<&[u8]>| {
            let mut f = Framing::default();
            lengths.iter().for_each(|v| f.content_length(v));
            te.into_iter().for_each(|v| f.transfer_encoding(v));
            f
        };
        assert_eq!(with(&[b"5"], None).request(), Body::Length(5));
        assert_eq!(with(&[], None).request(), Body::None);
        assert_eq!(with(&[], None).response(200, Some("GET")), Body::UntilClose);
        assert_eq!(with(&[b"5"], None).response(200, Some("HEAD")), Body::None);
        assert_eq!(with(&[b"5"], None).response(304, None), Body::None);
        assert_eq!(with(&[], Some(b"gzip, chunked")).response(200, None), Body::Chunked);
        assert_eq!(with(&[], Some(b"chunked, gzip")).response(200, None), Body::UntilClose);
        assert!(!with(&[b"5, 5"], None).conflicts() && with(&[b"5", b"6"], None).conflicts());
        assert!(with(&[b"5"], Some(b"chunked")).conflicts());
        assert!(with(&[b"-1"], None).bad && with(&[b"99999999999999999999"], None).bad);
    }

    #[test]
    fn chunk_sizes() {
        assert_eq!(chunk_size(b"1aF;name=x"), Some(0x1af));
        assert_eq!(chunk_size(b"0"), Some(0));
        assert_eq!(chunk_size(b"ffffffffffffffffff"), None);
        assert_eq!(chunk_size(b"-1"), None);
        assert_eq!(chunk_size(b""), None);
    }
}
