//! How does a mail arrive that comes in pieces of any size, not in lines?
//!
//! In literals of IMAP and in forms of HTTP. Pieces are cut into the lines that a [`Message`] reads; what has no end yet is held back.
//! Refuses to hold more than a line that could be a boundary.

use super::{Message, Told};
use crate::model::flow::Side;
use crate::protocol::Output;
use crate::protocol::lines::{Cut, Lines};

/// Bytes that are held back while no line end shows: a boundary line is shorter.
const LINE_CAP: usize = 1024;

/// A message on its way: what is known of it, and the line at hand.
#[derive(Debug)]
pub(in crate::protocol) struct Pieces {
    message: Message,
    lines: Lines<LINE_CAP>,
    left: Vec<u8>,
}

impl Pieces {
    /// A message whose first byte comes next.
    pub(in crate::protocol) fn new(message: Message) -> Self {
        Self { message, lines: Lines::default(), left: Vec::new() }
    }

    /// The next bytes of it.
    pub(in crate::protocol) fn data(&mut self, bytes: &[u8], out: &mut Output<'_>) {
        let Self { message, lines, left } = self;
        let mut joined = std::mem::take(left);
        let data = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let mut at = 0;
        loop {
            // Whoever sends it: here is one direction only.
            match lines.piece(Side::Orig, data.get(at..).unwrap_or(&[])) {
                Cut::Line { text, taken, end } => {
                    message.line(text, end, out);
                    at += taken;
                }
                Cut::Wait(n) => {
                    *left = data.get(at + n..).unwrap_or(&[]).to_vec();
                    return;
                }
            }
        }
    }

    /// Bytes of it are lost.
    pub(in crate::protocol) fn gap(&mut self, missing: u64) {
        self.left.clear();
        self.lines.gap(Side::Orig);
        self.message.gap(missing);
    }

    /// It is over; `whole`: its last byte was reached.
    pub(in crate::protocol) fn finish(self, whole: bool, out: &mut Output<'_>) -> Told {
        let Self { mut message, left, .. } = self;
        message.line(&left, b"", out);
        message.finish(whole, out)
    }
}
