//! Which literal is a whole mail?
//!
//! A server sends one behind BODY[] or RFC822 (RFC 9051 sections 6.4.5 and 7.5.2, RFC 3501), a client appends one (section 6.3.12). Its attachments
//! are files. Refuses single parts (BODY[2]), whose name and encoding stand elsewhere, and ranges.

use crate::model::flow::Side;
use crate::protocol::mime::{Message, Pieces};
use crate::protocol::{Output, lines};

/// The mails that are on their way, one a side.
#[derive(Default)]
pub(super) struct Mails {
    sides: [Option<Box<Pieces>>; 2],
}

impl Mails {
    fn side(&mut self, side: Side) -> &mut Option<Box<Pieces>> {
        let [orig, resp] = &mut self.sides;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// A literal follows this text: does a mail begin?
    pub(super) fn literal(&mut self, side: Side, before: &[u8]) {
        let before = before.trim_ascii_end();
        let ends = |word: &[u8]| {
            before
                .len()
                .checked_sub(word.len())
                .and_then(|at| before.get(at..))
                .is_some_and(|b| b.eq_ignore_ascii_case(word))
        };
        let is_mail = match side {
            Side::Orig => lines::word(lines::word(before).1).0.eq_ignore_ascii_case(b"APPEND"),
            Side::Resp => ends(b"BODY[]") || ends(b"RFC822"),
        };
        *self.side(side) = is_mail.then(|| Box::new(Pieces::new(Message::new("imap", side))));
    }

    /// Is the literal at hand a mail?
    pub(super) fn is_open(&mut self, side: Side) -> bool {
        self.side(side).is_some()
    }

    /// The next bytes of it; `last`: there are no more.
    pub(super) fn data(&mut self, side: Side, bytes: &[u8], last: bool, out: &mut Output<'_>) {
        let slot = self.side(side);
        if let Some(mail) = slot {
            mail.data(bytes, out);
        }
        if last && let Some(mail) = slot.take() {
            mail.finish(true, out);
        }
    }

    /// Bytes of it are lost; `over`: its end was among them.
    pub(super) fn gap(&mut self, side: Side, missing: u64, over: bool, out: &mut Output<'_>) {
        let slot = self.side(side);
        if let Some(mail) = slot {
            mail.gap(missing);
        }
        if over && let Some(mail) = slot.take() {
            mail.finish(false, out);
        }
    }

    /// The connection is over.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        for mail in std::mem::take(&mut self.sides).into_iter().flatten() {
            mail.finish(false, out);
        }
    }
}
