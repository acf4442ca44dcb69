//! What does one SIP message say, and which media does its description announce?
//!
//! RFC 3261 sections 7, 19, 20 (with the short names of section 7.3.3), RFC 8866 (SDP), RFC 3605 (a=rtcp), RFC 8839 (a=candidate).

use crate::model::addr::Ip;
use crate::model::text::printable;
use crate::protocol::Verdict;
use crate::protocol::headers::{Head, parameter, status, words};
use memchr::memchr;
use std::net::IpAddr;

/// Bytes of a field that are shown.
const MAX_TEXT: usize = 256;

/// Media of one description that are announced; calls have audio, video and a presentation.
const MAX_MEDIA: usize = 8;

/// Longest method in bytes; the longest registered one has 9.
const MAX_METHOD: usize = 20;

/// A field, printable and bounded.
pub(super) fn text(bytes: &[u8]) -> String {
    printable(bytes, MAX_TEXT)
}

/// Does a message begin here?
pub(super) fn look(d: &[u8]) -> Verdict {
    let line_end = memchr(b'\n', d);
    let line = d.get(..line_end.unwrap_or(d.len())).unwrap_or(&[]).trim_ascii_end();
    if d.starts_with(b"SIP/2.0 ") {
        return Verdict::Mine(90);
    }
    if line_end.is_none() && b"SIP/2.0 ".starts_with(d) {
        return Verdict::NeedMore;
    }
    let method = d.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'_').count();
    let shape = (1..=MAX_METHOD).contains(&method) && matches!(d.get(method), None | Some(b' '));
    if shape && line.ends_with(b" SIP/2.0") {
        return Verdict::Mine(90);
    }
    let printable = line.iter().all(|b| matches!(b, b' '..=b'~'));
    if shape && line_end.is_none() && printable { Verdict::NeedMore } else { Verdict::NotMine }
}

/// A first line.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Response { status: u16, reason: &'a [u8] },
}

/// One message.
pub(super) struct Message<'a> {
    pub(super) start: Start<'a>,
    head: Head<'a>,
}

/// The short form of a name (RFC 3261 section 7.3.3).
fn short(name: &str) -> &str {
    match name {
        "call-id" => "i",
        "from" => "f",
        "to" => "t",
        "via" => "v",
        "content-type" => "c",
        "contact" => "m",
        _ => name,
    }
}

impl<'a> Message<'a> {
    pub(super) fn read(head: &Head<'a>) -> Option<Self> {
        let [first, second, third] = words(head.start);
        let start = if first == b"SIP/2.0" {
            Start::Response { status: status(second)?, reason: third }
        } else if third == b"SIP/2.0" && first.iter().all(|b| b.is_ascii_graphic()) && !first.is_empty() {
            Start::Request { method: first, uri: second }
        } else {
            return None;
        };
        Some(Self { start, head: *head })
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.head.get(name).or_else(|| self.head.get(short(name)))
    }

    pub(super) fn call_id(&self) -> Option<String> {
        self.get("call-id").map(text)
    }

    pub(super) fn cseq(&self) -> Option<u32> {
        let number = self.get("cseq")?.split(|b| *b == b' ').next()?;
        std::str::from_utf8(number).ok()?.parse().ok()
    }

    pub(super) fn cseq_method(&self) -> Option<&'a [u8]> {
        self.get("cseq")?.split(|b| *b == b' ').next_back()
    }

    pub(super) fn agent(&self) -> Option<&'a [u8]> {
        self.get("server").or_else(|| self.get("user-agent")).filter(|a| !a.is_empty())
    }

    /// Of the field, or of the first contact.
    pub(super) fn expires(&self) -> Option<u32> {
        let value = self.get("expires").or_else(|| parameter(self.get("contact")?, "expires"))?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }

    /// Hops: a field may hold several with commas.
    pub(super) fn via(&self) -> u16 {
        let vias = self
            .head
            .fields()
            .filter(|(n, _)| n.eq_ignore_ascii_case(b"via") || n.eq_ignore_ascii_case(b"v"));
        let hops = vias.map(|(_, v)| v.iter().filter(|b| **b == b',').count() + 1).sum::<usize>();
        u16::try_from(hops).unwrap_or(u16::MAX)
    }

    pub(super) fn content_type(&self) -> Option<String> {
        self.get("content-type").map(text)
    }

    pub(super) fn is_sdp(&self) -> bool {
        self.get("content-type")
            .is_some_and(|t| t.get(..15).is_some_and(|t| t.eq_ignore_ascii_case(b"application/sdp")))
    }
}

/// The address of From or To: what stands between the angle brackets, or before the first parameter.
pub(super) fn party(value: &[u8]) -> String {
    text(uri(value))
}

fn uri(value: &[u8]) -> &[u8] {
    let inner = memchr(b'<', value).and_then(|from| {
        let rest = value.get(from + 1..)?;
        rest.get(..memchr(b'>', rest)?)
    });
    inner.unwrap_or_else(|| value.split(|b| *b == b';').next().unwrap_or(value).trim_ascii())
}

/// The user in the address of From or To.
pub(super) fn user(value: &[u8]) -> Option<String> {
    let uri = uri(value);
    let rest = uri.get(memchr(b':', uri)? + 1..)?;
    let user = rest.get(..memchr(b'@', rest)?)?;
    (!user.is_empty()).then(|| text(user))
}

/// Where one stream of media shall go.
pub(super) struct Media {
    pub(super) address: Option<Ip>,
    pub(super) port: u16,
    pub(super) rtcp: Option<u16>,
}

/// The RTP streams of a description. Those inside DTLS are left out: they tell themselves by their handshake.
pub(super) fn media(body: &[u8]) -> Vec<Media> {
    let mut all: Vec<Media> = Vec::new();
    let mut session = None;
    // Do lines belong to a stream that is kept?
    let mut keeps = false;
    let mut any = false;
    for line in body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end) {
        let Some((kind, value)) = line.split_at_checked(2) else { continue };
        match kind {
            b"c=" => {
                let address = connection(value);
                match all.last_mut().filter(|_| keeps) {
                    Some(m) => m.address = address,
                    None if !any => session = address,
                    None => {}
                }
            }
            b"m=" => {
                any = true;
                let mut w = value.split(|b| *b == b' ').skip(1);
                let port = w.next().and_then(|p| number(p.split(|b| *b == b'/').next()?)).filter(|p| *p > 0);
                let is_rtp = w.next().is_some_and(|p| p.starts_with(b"RTP/"));
                keeps = is_rtp && port.is_some() && all.len() < MAX_MEDIA;
                if let (true, Some(port)) = (keeps, port) {
                    all.push(Media { address: session, port, rtcp: port.checked_add(1) });
                }
            }
            b"a=" if keeps => {
                let Some(m) = all.last_mut() else { continue };
                if let Some(rest) = value.strip_prefix(b"rtcp:") {
                    m.rtcp = rest.split(|b| *b == b' ').next().and_then(number);
                } else if value == b"rtcp-mux" {
                    m.rtcp = None;
                }
            }
            _ => {}
        }
    }
    all
}

fn number(digits: &[u8]) -> Option<u16> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `IN IP4 address`, a multicast one with a slash behind it.
fn connection(value: &[u8]) -> Option<Ip> {
    let address = value.split(|b| *b == b' ').nth(2)?;
    let address = address.split(|b| *b == b'/').next()?;
    std::str::from_utf8(address).ok()?.parse::<IpAddr>().ok().map(Ip::from)
}
