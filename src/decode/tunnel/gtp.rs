//! Which user packet does a GTP-U message carry?
//!
//! 3GPP TS 29.281: version 1, message type 255 (G-PDU), extension headers by their own lengths. All other messages
//! manage the tunnel. Everything is checked: version, type, length against the datagram, the chain of extensions, and an
//! IP packet that fits, so that a G-PDU can be told on any port.

use super::super::network::plausible_ip;
use super::super::path::Step;
use super::super::walk::{Span, Walk};
use crate::model::bytes::be16;

/// Extension headers followed in one message; 5G uses one or two.
const MAX_EXTENSIONS: usize = 8;

impl Walk<'_, '_> {
    pub(super) fn gtpu(&mut self, s: Span) {
        let Some(&[flags, kind, l0, l1, ..]) = self.head::<8>(s) else { return };
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        // Version 1, protocol type 1; bit 4 is spare.
        if flags & 0xf8 != 0x30 || kind != 0xff || length + 8 != s.len() {
            return;
        }
        let mut inner = s.skip(8);
        if flags & 7 != 0 {
            // Any of the three flags brings all three fields: sequence, N-PDU number, next extension.
            let Some(&[_, _, _, mut next]) = self.head::<4>(inner) else { return };
            inner = inner.skip(4);
            let mut followed = 0;
            while flags & 4 != 0 && next != 0 {
                let Some(&[units]) = self.head::<1>(inner) else { return };
                let len = usize::from(units) * 4;
                let (true, Some(&last)) = (len > 0, self.bytes(inner).get(len.wrapping_sub(1))) else {
                    return;
                };
                (inner, next) = (inner.skip(len), last);
                followed += 1;
                if followed > MAX_EXTENSIONS {
                    return;
                }
            }
        }
        let bytes = self.bytes(inner);
        let Some(version) = plausible_ip(bytes, inner.len()) else { return };
        let filled = match version {
            4 => be16(bytes, 2).map(usize::from),
            _ => be16(bytes, 4).map(|n| usize::from(n) + 40),
        };
        if filled == Some(inner.len()) {
            self.inner_ip(Step::GtpU, inner, version);
        }
    }
}
