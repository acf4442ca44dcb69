//! What do the fields of a mail's header say?
//!
//! RFC 5322 (fields, folding), RFC 2045 and RFC 2183 (Content-Type, Content-Transfer-Encoding, Content-Disposition), RFC 2231 (names in several pieces).
//! Texts are decoded as far as their character set is known, printable and bounded.

use crate::model::text::printable;
use crate::protocol::encoding::{percent, to_utf8, words};
use crate::protocol::files::MAX_NAME;

/// Longest field that is read with its continuations, bytes. Lists of recipients are longer; their rest is cut.
pub(super) const MAX_FIELD: usize = 4_096;

/// Longest value kept, bytes.
const MAX_VALUE: usize = 1_024;

/// Parameters of one field that are looked at; real ones have below ten, a name in pieces a few more.
const MAX_PARAMETERS: usize = 32;

/// What is kept of the header of a mail.
#[derive(Clone, Debug, Default)]
pub struct MailHeader {
    /// Date, as sent.
    pub date: Option<String>,
    /// From.
    pub from: Option<String>,
    /// To.
    pub to: Option<String>,
    /// Cc.
    pub cc: Option<String>,
    /// Reply-To.
    pub reply_to: Option<String>,
    /// Message-ID.
    pub message_id: Option<String>,
    /// In-Reply-To.
    pub in_reply_to: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// User-Agent, else X-Mailer.
    pub user_agent: Option<String>,
    /// X-Originating-IP: the client of a web mailer.
    pub x_originating_ip: Option<String>,
    /// Topmost Received: the last hop before this one.
    pub received: Option<String>,
    /// Received fields.
    pub received_count: u16,
}

impl MailHeader {
    /// Take one unfolded field.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        let slot = match name.len() {
            2 if is("to") => &mut self.to,
            2 if is("cc") => &mut self.cc,
            4 if is("from") => &mut self.from,
            4 if is("date") => &mut self.date,
            7 if is("subject") => &mut self.subject,
            8 if is("reply-to") => &mut self.reply_to,
            8 if is("x-mailer") => &mut self.user_agent,
            8 if is("received") => {
                self.received_count = self.received_count.saturating_add(1);
                &mut self.received
            }
            10 if is("message-id") => &mut self.message_id,
            10 if is("user-agent") => &mut self.user_agent,
            11 if is("in-reply-to") => &mut self.in_reply_to,
            16 if is("x-originating-ip") => &mut self.x_originating_ip,
            _ => return,
        };
        if slot.is_none() && !value.is_empty() {
            *slot = Some(printable(&words(value), MAX_VALUE));
        }
    }
}

/// How the content of a part is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Encoding {
    /// As it is.
    #[default]
    Identity,
    Base64,
    QuotedPrintable,
}

/// What the header of a part says about its content.
#[derive(Clone, Debug, Default)]
pub(super) struct PartHead {
    /// `type/subtype`, lower case.
    pub(super) mime: Option<String>,
    pub(super) boundary: Option<Vec<u8>>,
    pub(super) name: Option<String>,
    pub(super) attached: bool,
    pub(super) encoding: Encoding,
}

impl PartHead {
    /// Take one unfolded field.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        let is = |n: &str| name.eq_ignore_ascii_case(n.as_bytes());
        if is("content-type") {
            let (kind, parameters) = parameters(value);
            self.mime = Some(printable(kind, MAX_VALUE).to_ascii_lowercase()).filter(|m| !m.is_empty());
            self.boundary = parameters.iter().find(|(k, _)| k == b"boundary").map(|(_, v)| v.clone());
            if self.name.is_none() {
                self.name = named(&parameters, b"name");
            }
        } else if is("content-disposition") {
            let (kind, parameters) = parameters(value);
            self.attached = kind.eq_ignore_ascii_case(b"attachment");
            // The name here is the one that mail programs offer for saving.
            self.name = named(&parameters, b"filename").or(self.name.take());
        } else if is("content-transfer-encoding") {
            self.encoding = if value.eq_ignore_ascii_case(b"base64") {
                Encoding::Base64
            } else if value.eq_ignore_ascii_case(b"quoted-printable") {
                Encoding::QuotedPrintable
            } else {
                Encoding::Identity
            };
        }
    }

    /// Is the content a file of its own, and not the text of the mail?
    pub(super) fn is_file(&self) -> bool {
        let text = self.mime.as_deref().is_none_or(|m| m.starts_with("text/"));
        self.name.is_some() || self.attached || !text
    }
}

/// Name and value.
type Parameter = (Vec<u8>, Vec<u8>);

/// The value before the first semicolon, and the parameters behind it with their names in lower case.
fn parameters(value: &[u8]) -> (&[u8], Vec<Parameter>) {
    let (mut quoted, mut escaped) = (false, false);
    let mut parts = value.split(|b| {
        let ends = !quoted && *b == b';';
        quoted ^= *b == b'"' && !escaped;
        escaped = quoted && *b == b'\\' && !escaped;
        ends
    });
    let first = parts.next().unwrap_or(&[]).trim_ascii();
    let pairs = parts.take(MAX_PARAMETERS).filter_map(|part| {
        let at = part.iter().position(|b| *b == b'=')?;
        let (key, value) = part.split_at_checked(at)?;
        Some((key.trim_ascii().to_ascii_lowercase(), unquoted(value.get(1..)?.trim_ascii())))
    });
    (first, pairs.collect())
}

/// Without quotes and the backslashes inside them.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"") else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut escaped = false;
    for b in inner {
        match b {
            _ if escaped => {
                out.push(*b);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => break,
            _ => out.push(*b),
        }
    }
    out
}

/// The file name in parameters: `name`, `name*=utf-8''%41`, or either in numbered pieces.
fn named(parameters: &[Parameter], name: &[u8]) -> Option<String> {
    let get = |key: &[u8]| parameters.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice());
    let extended = |value: &[u8]| {
        let mut fields = value.splitn(3, |b| *b == b'\'');
        match (fields.next(), fields.next(), fields.next()) {
            (Some(charset), Some(_), Some(text)) => {
                let bytes = percent(text);
                to_utf8(charset, &bytes).unwrap_or(bytes)
            }
            _ => percent(value),
        }
    };
    let key = |suffix: &str| [name, suffix.as_bytes()].concat();
    if let Some(value) = get(&key("*")) {
        return Some(printable(&extended(value), MAX_NAME));
    }
    let mut joined = Vec::new();
    // The character set stands in the first piece and rules them all.
    let mut charset = Vec::new();
    for i in 0..MAX_PARAMETERS {
        if let Some(value) = get(&key(&format!("*{i}"))) {
            joined.extend_from_slice(value);
        } else if let Some(value) = get(&key(&format!("*{i}*"))) {
            let mut fields = value.splitn(3, |b| *b == b'\'');
            let text = match (fields.next(), fields.next(), fields.next()) {
                (Some(set), Some(_), Some(text)) if i == 0 => {
                    charset = set.to_vec();
                    text
                }
                _ => value,
            };
            joined.extend_from_slice(&percent(text));
        } else {
            break;
        }
    }
    if !joined.is_empty() {
        return Some(printable(&to_utf8(&charset, &joined).unwrap_or(joined), MAX_NAME));
    }
    get(name).filter(|v| !v.is_empty()).map(|value| printable(&words(value), MAX_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(value: &[u8]) -> Option<String> {
        let mut head = PartHead::default();
        head.field(b"Content-Disposition", value);
        head.name
    }

    #[test]
    fn names_in_all_their_forms() {
        assert_eq!(name_of(b"attachment; filename=a.txt").as_deref(), Some("a.txt"));
        assert_eq!(
            name_of(b"attachment; filename=\"a; \\\"b\\\".txt\"; size=1").as_deref(),
            Some("a; \"b\".txt")
        );
        assert_eq!(name_of(b"attachment; filename==?utf-8?B?w7wudHh0?=").as_deref(), Some("\u{fc}.txt"));
        assert_eq!(name_of(b"attachment; filename*=ISO-8859-1'de'%fc.txt").as_deref(), Some("\u{fc}.txt"));
        // RFC 2231 section 4.1, with a file's name.
        let pieces =
            b"a; filename*0*=us-ascii'en'This%20is%20; filename*1*=%2A%2A%2Afun; filename*2=\".txt\"";
        assert_eq!(name_of(pieces).as_deref(), Some("This is ***fun.txt"));
        assert_eq!(name_of(b"inline"), None);
    }

    #[test]
    fn parts_say_what_they_are() {
        let mut head = PartHead::default();
        head.field(b"content-type", b"Multipart/Mixed; Boundary=\"x;y\"; name=z");
        head.field(b"Content-Transfer-Encoding", b"BASE64");
        assert_eq!(head.mime.as_deref(), Some("multipart/mixed"));
        assert_eq!((head.boundary.as_deref(), head.encoding), (Some(&b"x;y"[..]), Encoding::Base64));
        assert!(head.is_file() && !PartHead::default().is_file());
    }
}
