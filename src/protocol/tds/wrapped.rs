//! Who shakes hands with TLS inside the packets of TDS?
//!
//! [MS-TDS] section 3.2.5.2: both sides wrap the handshake in packets of the pre-login's kind; what is encrypted then follows bare. The bytes go to
//! TLS's own parser, which ends by itself. Refuses what is behind the handshake.

use crate::model::flow::Side;
use crate::protocol::{Fed, Output, Parser, tls};

/// Bytes a side that wait for the rest of their record: the longest has 2^14 + 2048 and a header, and comes in packets of at most 32 KiB.
const MAX_LEFT: usize = 64 << 10;

/// TLS in the making; `None` once it is over.
pub(super) struct Wrapped {
    parser: Option<Box<dyn Parser>>,
    left: [Vec<u8>; 2],
    skip: [u64; 2],
}

impl Wrapped {
    pub(super) fn new() -> Self {
        let parser = tls::PROTOCOL.parser.map(|new| new());
        Self { parser, left: Default::default(), skip: [0; 2] }
    }

    /// The next bytes of a side, taken out of their packets. False when TLS wants no more.
    pub(super) fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> bool {
        let Some(parser) = &mut self.parser else { return false };
        let ([left, other_left], [skip, other_skip]) = (&mut self.left, &mut self.skip);
        let (left, skip) = if side == Side::Orig { (left, skip) } else { (other_left, other_skip) };
        let passed = usize::try_from(*skip).unwrap_or(usize::MAX).min(data.len());
        *skip -= passed as u64;
        left.extend_from_slice(data.get(passed..).unwrap_or(&[]));
        match parser.feed(side, left, out) {
            Fed::Took(n) if left.len() - n.min(left.len()) <= MAX_LEFT => {
                left.drain(..n.min(left.len()));
                true
            }
            Fed::Skip(n) => {
                left.clear();
                *skip = n;
                true
            }
            Fed::Done => {
                self.parser = None;
                false
            }
            Fed::Took(_) | Fed::NotMine | Fed::Switch(_) => {
                self.finish(out);
                false
            }
        }
    }

    /// The connection is over, or bytes are lost: what is known of the handshake is written.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(mut parser) = self.parser.take() {
            parser.finish(out);
        }
    }
}
