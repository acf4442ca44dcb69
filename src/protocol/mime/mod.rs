//! Which files are inside a mail, and what does its header say?
//!
//! Reads a message of RFC 5322 line by line while it passes: header fields, then the parts of RFC 2046 (multipart, message/rfc822) inside each other. Content of
//! attachments is decoded on the way (base64, quoted-printable) and goes to `files`; nothing of it is kept. For every protocol that carries mail.
//! Refuses: parts deeper than [`MAX_DEPTH`], more than [`MAX_PARTS`], and the text of the mail itself, which is no file.

mod header;
mod pieces;

pub use header::MailHeader;
pub(super) use pieces::Pieces;

use self::header::{Encoding, MAX_FIELD, PartHead};
use super::Output;
use super::encoding::{Base64, quoted_printable};
use super::files::FileWatch;
use crate::model::flow::Side;

/// Multiparts inside each other that are followed; forwarded mails of mailing lists reach four or five.
const MAX_DEPTH: usize = 8;

/// Parts of one message that are looked at; later ones are not told apart from the text around them.
const MAX_PARTS: u16 = 256;

/// Names of attachments kept of one message.
const MAX_ATTACHMENTS: usize = 32;

/// Longest boundary, bytes (RFC 2046 section 5.1.1 allows 70; some write more).
const MAX_BOUNDARY: usize = 200;

/// Where in the message we are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Place {
    /// In a header: of the mail, of a part, or of a mail inside a part.
    #[default]
    Header,
    /// In the content of a part, or between parts.
    Body,
}

/// A part that is watched as a file.
#[derive(Debug)]
struct Content {
    watch: FileWatch,
    encoding: Encoding,
    base64: Base64,
    /// A line end that belongs to the content if a line follows, and to the boundary if that follows.
    line_end: &'static [u8],
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Message {
    source: &'static str,
    sender: Side,
    place: Place,
    /// The field at hand, unfolded so far.
    field: Vec<u8>,
    header: MailHeader,
    /// Still in the header of the mail itself?
    outermost: bool,
    head: PartHead,
    boundaries: Vec<Vec<u8>>,
    parts: u16,
    content: Option<Box<Content>>,
    /// The piece to come continues a line.
    mid_line: bool,
    decoded: Vec<u8>,
    attachments: Vec<String>,
    attachment_count: u16,
}

/// What is known of a message when it is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) header: MailHeader,
    /// Names of attachments.
    pub(super) attachments: Vec<String>,
    /// Parts that are files, named or not.
    pub(super) attachment_count: u16,
}

impl Message {
    /// A message that `sender` is about to send by `source`.
    pub(super) fn new(source: &'static str, sender: Side) -> Self {
        Self {
            source,
            sender,
            place: Place::Header,
            field: Vec::new(),
            header: MailHeader::default(),
            outermost: true,
            head: PartHead::default(),
            boundaries: Vec::new(),
            parts: 0,
            content: None,
            mid_line: false,
            decoded: Vec::new(),
            attachments: Vec::new(),
            attachment_count: 0,
        }
    }

    /// The next line and how it ends (CR LF or LF), or a piece of one that ends later.
    pub(super) fn line(&mut self, text: &[u8], end: &'static [u8], out: &mut Output<'_>) {
        let starts = !std::mem::replace(&mut self.mid_line, end.is_empty());
        if starts && self.boundary(text, out) {
            return;
        }
        match self.place {
            Place::Header => self.header_line(text, starts, out),
            Place::Body => {
                if let Some(content) = &mut self.content {
                    content.line(text, end, &mut self.decoded, out);
                }
            }
        }
    }

    /// Bytes of the message are lost.
    pub(super) fn gap(&mut self, missing: u64) {
        self.mid_line = true;
        self.field.clear();
        if let Some(content) = &mut self.content {
            content.watch.gap(missing);
        }
    }

    /// The message is over; `whole`: its end was seen.
    pub(super) fn finish(mut self, whole: bool, out: &mut Output<'_>) -> Told {
        self.end_field();
        // A part ends with a boundary; one that ends with the mail was cut by whoever wrote it.
        let whole = whole && self.boundaries.is_empty();
        self.end_content(whole, out);
        let Self { header, attachments, attachment_count, .. } = self;
        Told { header, attachments, attachment_count }
    }

    /// Is this line a boundary of a multipart around us? Then what was inside is over.
    fn boundary(&mut self, text: &[u8], out: &mut Output<'_>) -> bool {
        let Some(line) = text.strip_prefix(b"--").filter(|_| !self.boundaries.is_empty()) else {
            return false;
        };
        let line = line.trim_ascii_end();
        let closing = line.strip_suffix(b"--");
        let found = self.boundaries.iter().rposition(|b| b == line || closing.is_some_and(|c| b == c));
        let Some(i) = found else { return false };
        let opens = self.boundaries.get(i).is_some_and(|b| b == line);
        self.end_field();
        self.end_content(true, out);
        self.boundaries.truncate(if opens { i + 1 } else { i });
        self.head = PartHead::default();
        self.outermost = false;
        self.place = Place::Body;
        if opens && self.parts < MAX_PARTS {
            self.parts += 1;
            self.place = Place::Header;
        }
        true
    }

    fn header_line(&mut self, text: &[u8], starts: bool, out: &mut Output<'_>) {
        if !starts && self.field.is_empty() {
            // What a gap left of a field.
            return;
        }
        let folded = matches!(text.first(), Some(b' ' | b'\t'));
        if !starts || (folded && !self.field.is_empty()) {
            let room = MAX_FIELD.saturating_sub(self.field.len());
            let text = if starts { text.trim_ascii_start() } else { text };
            if starts && room > 0 {
                self.field.push(b' ');
            }
            self.field.extend(text.iter().take(room.saturating_sub(1)));
            return;
        }
        self.end_field();
        if text.is_empty() {
            return self.begin_body(out);
        }
        self.field.extend(text.iter().take(MAX_FIELD));
    }

    /// The field at hand is complete.
    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        let Some(colon) = memchr::memchr(b':', &field) else { return };
        let (name, value) = field.split_at_checked(colon).unwrap_or((&field, &[]));
        let (name, value) = (name.trim_ascii_end(), value.get(1..).unwrap_or(&[]).trim_ascii());
        if self.outermost {
            self.header.field(name, value);
        }
        self.head.field(name, value);
    }

    /// The empty line behind a header.
    fn begin_body(&mut self, out: &mut Output<'_>) {
        self.outermost = false;
        self.place = Place::Body;
        let head = std::mem::take(&mut self.head);
        let kind = head.mime.as_deref().unwrap_or("text/plain");
        if kind.starts_with("multipart/") {
            let boundary = head.boundary.filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY);
            if let Some(boundary) = boundary.filter(|_| self.boundaries.len() < MAX_DEPTH) {
                self.boundaries.push(boundary);
            }
            return;
        }
        if !head.is_file() {
            return;
        }
        self.attachment_count = self.attachment_count.saturating_add(1);
        if let Some(name) = head.name.clone().filter(|_| self.attachments.len() < MAX_ATTACHMENTS) {
            self.attachments.push(name);
        }
        // A mail inside a mail is looked into: its parts are files, it is none.
        if kind == "message/rfc822" && head.encoding == Encoding::Identity {
            self.place = Place::Header;
            return;
        }
        let watch = FileWatch::new(self.source, self.sender, out, head.name).declared(head.mime, None);
        let encoding = head.encoding;
        self.content = Some(Box::new(Content { watch, encoding, base64: Base64::default(), line_end: b"" }));
    }

    fn end_content(&mut self, whole: bool, out: &mut Output<'_>) {
        if let Some(content) = self.content.take() {
            content.watch.finish(whole, out);
        }
    }
}

impl Content {
    fn line(&mut self, text: &[u8], end: &'static [u8], decoded: &mut Vec<u8>, out: &mut Output<'_>) {
        decoded.clear();
        let due = std::mem::replace(&mut self.line_end, end);
        match self.encoding {
            Encoding::Base64 => self.base64.push(text, decoded),
            Encoding::Identity => {
                if !due.is_empty() {
                    self.watch.data(out.at, due);
                }
                return self.watch.data(out.at, text);
            }
            Encoding::QuotedPrintable => {
                decoded.extend_from_slice(due);
                if quoted_printable(text, decoded) {
                    self.line_end = b"";
                }
            }
        }
        if !decoded.is_empty() {
            self.watch.data(out.at, decoded);
        }
    }
}

#[cfg(test)]
mod tests;
