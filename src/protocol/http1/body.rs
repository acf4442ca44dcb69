//! Which files are in the body of a message?
//!
//! A body is one file, hashed as its receiver keeps it: with Content-Encoding undone. A form with files in it (`multipart/form-data`, RFC 7578) is as
//! many files as it has parts with a file name. Refuses to look into archives, and to hash more of a file than [`crate::protocol::files::HASH_CAP`].

use crate::model::flow::Side;
use crate::protocol::Output;
use crate::protocol::files::FileWatch;
use crate::protocol::mime::{Message, Pieces};

/// What the head of a message says of its body.
#[derive(Default)]
pub(super) struct Announced {
    /// File name, printable.
    pub(super) name: Option<String>,
    /// Content-Type.
    pub(super) mime: Option<String>,
    /// Content-Encoding.
    pub(super) encoding: Option<String>,
    /// It is a part of a file (status 206).
    pub(super) partial: bool,
}

/// Watches the body of one message.
#[derive(Debug)]
pub(super) struct Body {
    kind: Kind,
    partial: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a body is boxed as a whole, and nearly all are files")]
enum Kind {
    File(FileWatch),
    /// A form: each part with a file name is one.
    Form(Box<Pieces>),
}

impl Body {
    /// A body whose first byte is here; `len`: bytes that it is said to have.
    pub(super) fn new(side: Side, announced: Announced, len: Option<u64>, out: &mut Output<'_>) -> Box<Self> {
        let Announced { name, mime, encoding, partial } = announced;
        let form = mime
            .as_deref()
            .and_then(|m| m.get(..20))
            .is_some_and(|m| m.eq_ignore_ascii_case("multipart/form-data;"));
        let kind = match mime {
            Some(mime) if form => {
                let mut message = Message::new("http", side);
                message.line(format!("Content-Type: {mime}").as_bytes(), b"\r\n", out);
                message.line(b"", b"\r\n", out);
                Kind::Form(Box::new(Pieces::new(message)))
            }
            // Parameters such as the character set are not part of the type.
            mime => {
                let mime = mime
                    .map(|m| m.split(';').next().unwrap_or("").trim().to_owned())
                    .filter(|m| !m.is_empty());
                let watch = FileWatch::new("http", side, out, name).declared(mime, len);
                Kind::File(watch.packed(encoding.as_deref()))
            }
        };
        Box::new(Self { kind, partial })
    }

    /// The next bytes of it.
    pub(super) fn data(&mut self, bytes: &[u8], out: &mut Output<'_>) {
        match &mut self.kind {
            Kind::File(watch) => watch.data(out.at, bytes),
            Kind::Form(form) => form.data(bytes, out),
        }
    }

    /// Would more of it tell more?
    pub(super) fn is_curious(&self) -> bool {
        match &self.kind {
            Kind::File(watch) => watch.is_curious(),
            Kind::Form(_) => true,
        }
    }

    /// The next bytes pass by unseen.
    pub(super) fn skipped(&mut self, bytes: u64) {
        if let Kind::File(watch) = &mut self.kind {
            watch.skipped(bytes);
        }
    }

    /// So many of those that were to pass by never came.
    pub(super) fn unskipped(&mut self, bytes: u64) {
        if let Kind::File(watch) = &mut self.kind {
            watch.unskipped(bytes);
        }
    }

    /// Bytes of it are lost.
    pub(super) fn gap(&mut self, missing: u64) {
        match &mut self.kind {
            Kind::File(watch) => watch.gap(missing),
            Kind::Form(form) => form.gap(missing),
        }
    }

    /// It is over; `whole`: its last byte was reached.
    pub(super) fn finish(self, whole: bool, out: &mut Output<'_>) {
        match self.kind {
            Kind::File(watch) => watch.finish(whole && !self.partial, out),
            Kind::Form(form) => {
                form.finish(whole, out);
            }
        }
    }
}
