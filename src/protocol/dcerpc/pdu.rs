//! What does a packet of connection-oriented DCE/RPC look like?
//!
//! C706 section 12.6, MS-RPCE section 2.2.2. Sixteen bytes begin each packet; the byte order of the rest is the sender's.

use super::Uuid;
use crate::model::bytes::Cursor;

/// Types of packets.
pub(super) mod kind {
    pub(crate) const REQUEST: u8 = 0;
    pub(crate) const RESPONSE: u8 = 2;
    pub(crate) const FAULT: u8 = 3;
    pub(crate) const BIND: u8 = 11;
    pub(crate) const BIND_ACK: u8 = 12;
    pub(crate) const BIND_NAK: u8 = 13;
    pub(crate) const ALTER_CONTEXT: u8 = 14;
    pub(crate) const ALTER_CONTEXT_RESP: u8 = 15;
    pub(crate) const AUTH3: u8 = 16;
}

/// Flags: the first and last fragment of a call, an object is named.
pub(super) mod flag {
    pub(crate) const FIRST: u8 = 1;
    pub(crate) const LAST: u8 = 2;
    pub(crate) const OBJECT: u8 = 0x80;
}

/// Length of a header, bytes.
pub(super) const HEADER: usize = 16;

/// A verifier begins with eight bytes before its value (type, level, padding, reserved, context).
const VERIFIER: usize = 8;

/// The common beginning of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) little: bool,
    /// Bytes of the whole packet.
    pub(super) length: usize,
    /// Bytes of the authentication value; the verifier before it is not counted.
    pub(super) auth_length: usize,
    pub(super) call_id: u32,
}

/// A number in the sender's byte order.
pub(super) fn u16_of(c: &mut Cursor<'_>, little: bool) -> Option<u16> {
    if little { c.u16_le() } else { c.u16() }
}

/// As above, four bytes.
pub(super) fn u32_of(c: &mut Cursor<'_>, little: bool) -> Option<u32> {
    if little { c.u32_le() } else { c.u32() }
}

impl Header {
    /// The header at the front of `data`; `None` when it is none, or cut.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        if Self::looks_like(data) != Some(true) {
            return None;
        }
        let mut c = Cursor::new(data);
        let [_, _, kind, flags, order, _, _, _]: [u8; 8] = c.array()?;
        let little = order & 0x10 != 0;
        let length = usize::from(u16_of(&mut c, little)?);
        let auth_length = usize::from(u16_of(&mut c, little)?);
        let call_id = u32_of(&mut c, little)?;
        Some(Self { kind, flags, little, length, auth_length, call_id })
    }

    /// Does a packet begin here? `None`: so far it could, but ten bytes are needed to tell.
    pub(super) fn looks_like(data: &[u8]) -> Option<bool> {
        let at = |i: usize, fits: fn(u8) -> bool| data.get(i).is_none_or(|b| fits(*b));
        let fits = at(0, |b| b == 5)
            && at(1, |b| b <= 1)
            && at(2, |b| matches!(b, 0 | 2 | 3 | 11..=19))
            && at(4, |b| matches!(b, 0 | 0x10))
            && at(5, |b| b <= 3)
            && at(6, |b| b == 0)
            && at(7, |b| b == 0);
        if !fits {
            return Some(false);
        }
        let (kind, order) = (data.get(2)?, data.get(4)?);
        let mut c = Cursor::new(data.get(8..)?);
        let length = u16_of(&mut c, order & 0x10 != 0)?;
        let least = match *kind {
            kind::REQUEST | kind::RESPONSE | 11 | 12 | 14 | 15 => 24,
            kind::FAULT => 28,
            _ => 16,
        };
        let auth = u16_of(&mut c, order & 0x10 != 0).unwrap_or(0);
        Some(length >= least && (auth == 0 || usize::from(auth) + VERIFIER + HEADER <= usize::from(length)))
    }

    /// Bytes of arguments or results in a packet whose own header takes `fixed` bytes.
    pub(super) fn stub(&self, fixed: usize) -> u64 {
        let verifier = if self.auth_length > 0 { self.auth_length + VERIFIER } else { 0 };
        self.length.saturating_sub(fixed).saturating_sub(verifier) as u64
    }

    /// Type, level and value of the authentication at the end of a whole packet.
    pub(super) fn auth<'a>(&self, packet: &'a [u8]) -> Option<(u8, u8, &'a [u8])> {
        if self.auth_length == 0 || packet.len() < self.length {
            return None;
        }
        let at = self.length.checked_sub(self.auth_length.checked_add(VERIFIER)?)?;
        let mut c = Cursor::new(packet.get(at..self.length)?);
        let (kind, level) = (c.u8()?, c.u8()?);
        c.skip(6)?;
        Some((kind, level, c.rest()))
    }
}

/// One presentation context of a bind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) id: u16,
    pub(super) interface: (Uuid, u16, u16),
}

/// The contexts of a bind or alter_context, behind the header; at most `cap`.
pub(super) fn contexts(body: &[u8], little: bool, cap: usize) -> Vec<Context> {
    let mut out = Vec::new();
    let mut c = Cursor::new(body);
    let read = |c: &mut Cursor<'_>| {
        let id = u16_of(c, little)?;
        let transfers = usize::from(c.u8()?);
        c.skip(1)?;
        let uuid = Uuid::read(c, little)?;
        let version = u32_of(c, little)?;
        c.skip(transfers.checked_mul(20)?)?;
        Some(Context { id, interface: (uuid, version as u16, (version >> 16) as u16) })
    };
    // Fragment sizes, association group, then the count and three bytes of nothing.
    let Some([count, _, _, _]) = c.skip(8).and_then(|()| c.array::<4>()) else { return out };
    while out.len() < usize::from(count).min(cap) {
        match read(&mut c) {
            Some(context) => out.push(context),
            None => break,
        }
    }
    out
}

/// The results of a bind_ack, behind the header: result and reason of each context.
pub(super) fn results(body: &[u8], little: bool, cap: usize) -> Vec<(u16, u16)> {
    let mut out = Vec::new();
    let mut c = Cursor::new(body);
    let start = |c: &mut Cursor<'_>| {
        c.skip(8)?;
        let address = usize::from(u16_of(c, little)?);
        c.skip(address)?;
        // The list begins at a multiple of four from the packet's start; the header is one.
        c.skip(c.position().wrapping_neg() & 3)?;
        let count = c.u8()?;
        c.skip(3)?;
        Some(usize::from(count))
    };
    let Some(count) = start(&mut c) else { return out };
    while out.len() < count.min(cap) {
        let (Some(result), Some(reason)) = (u16_of(&mut c, little), u16_of(&mut c, little)) else { break };
        out.push((result, reason));
        if c.skip(20).is_none() {
            break;
        }
    }
    out
}

/// What the server says to a context (C706 section 12.6.3.1).
pub(super) fn result_name(result: u16, reason: u16) -> &'static str {
    match (result, reason) {
        (0, _) => "acceptance",
        (1, _) => "user_rejection",
        (2, 1) => "abstract_syntax_not_supported",
        (2, 2) => "proposed_transfer_syntaxes_not_supported",
        (2, 3) => "local_limit_exceeded",
        (2, _) => "provider_rejection",
        (3, _) => "negotiate_ack",
        _ => "unknown",
    }
}

/// Why a server refuses a bind as a whole (C706 section 12.6.4.5, MS-RPCE section 2.2.2.5).
pub(super) fn nak_name(reason: u16) -> &'static str {
    match reason {
        1 => "temporary_congestion",
        2 => "local_limit_exceeded",
        4 => "protocol_version_not_supported",
        8 => "authentication_type_not_recognized",
        9 => "invalid_checksum",
        _ => "reason_not_specified",
    }
}
