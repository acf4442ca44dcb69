//! Which calls were made over UDP?
//!
//! Connectionless DCE/RPC, version 4 (C706 section 12.5): every datagram names interface, activity and call number. PROFINET
//! devices and old Windows services speak it.

use super::Uuid;
use super::pdu::{u16_of, u32_of};
use super::record::DcerpcRecord;
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use std::collections::VecDeque;

/// Length of the header, bytes.
const HEADER: usize = 80;

/// Calls of one flow that wait for their answers; the oldest is written without its answer.
const MAX_PENDING: usize = 32;

/// Types of packets that begin or end a call.
mod kind {
    pub(super) const REQUEST: u8 = 0;
    pub(super) const RESPONSE: u8 = 2;
    pub(super) const FAULT: u8 = 3;
    pub(super) const REJECT: u8 = 6;
    /// The highest there is: cancel_ack.
    pub(super) const LAST: u8 = 10;
}

struct Header<'a> {
    kind: u8,
    object: Uuid,
    interface: Uuid,
    activity: Uuid,
    version: u32,
    sequence: u32,
    opnum: u16,
    fragment: u16,
    little: bool,
    body: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut c = Cursor::new(data);
        let [version, kind, _, _, order, float, zero, _]: [u8; 8] = c.array()?;
        if version != 4 || kind > kind::LAST || !matches!(order, 0 | 0x10) || float > 3 || zero != 0 {
            return None;
        }
        let little = order == 0x10;
        let mut uuid = || Uuid::read(&mut c, little);
        let (object, interface, activity) = (uuid()?, uuid()?, uuid()?);
        c.skip(4)?;
        let version = u32_of(&mut c, little)?;
        let sequence = u32_of(&mut c, little)?;
        let opnum = u16_of(&mut c, little)?;
        c.skip(4)?;
        let length = usize::from(u16_of(&mut c, little)?);
        let fragment = u16_of(&mut c, little)?;
        let authentication = c.u8()?;
        c.skip(1)?;
        // Behind the body only a verifier may stand, and only if authentication is on.
        let body = c.take(length)?;
        let fits = c.is_empty() || authentication != 0;
        let header =
            Self { kind, object, interface, activity, version, sequence, opnum, fragment, little, body };
        (fits && !interface.is_nil() && !activity.is_nil()).then_some(header)
    }
}

/// Is it a datagram of this kind?
pub(super) fn looks_like(data: &[u8]) -> bool {
    data.len() >= HEADER && Header::read(data).is_some()
}

#[derive(Debug)]
struct Pending {
    at: At,
    from: Side,
    activity: Uuid,
    sequence: u32,
    record: DcerpcRecord,
}

/// The calls of one flow.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    pending: VecDeque<Pending>,
}

impl Datagrams {
    pub(super) fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) {
        let Some(header) = Header::read(data) else {
            out.weird(WeirdKind::DcerpcMalformed, Detail::Number(data.len() as u64));
            return;
        };
        let at =
            self.pending.iter().position(|p| (p.activity, p.sequence) == (header.activity, header.sequence));
        match header.kind {
            kind::REQUEST => match at.and_then(|i| self.pending.get_mut(i)) {
                // A further fragment, or the same again because the answer was late.
                Some(pending) if header.fragment > 0 => {
                    let bytes = &mut pending.record.request_bytes;
                    *bytes = bytes.saturating_add(header.body.len() as u64);
                }
                Some(_) => {}
                None => self.request(side, &header, out),
            },
            kind::RESPONSE | kind::FAULT | kind::REJECT => {
                let mine = at.filter(|i| self.pending.get(*i).is_some_and(|p| p.from != side));
                let Some(mut pending) = mine.and_then(|i| self.pending.remove(i)) else { return };
                pending.record.rtt = Some(out.at.ts.since(pending.at.ts));
                if header.kind == kind::RESPONSE {
                    pending.record.response_bytes = header.body.len() as u64;
                } else {
                    pending.record.fault = u32_of(&mut Cursor::new(header.body), header.little);
                }
                out.record(pending.at, pending.record);
            }
            _ => {}
        }
    }

    fn request(&mut self, side: Side, header: &Header<'_>, out: &mut Output<'_>) {
        if self.pending.len() >= MAX_PENDING
            && let Some(oldest) = self.pending.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            out.record(oldest.at, oldest.record);
        }
        let record = DcerpcRecord {
            kind: "call",
            interface: Some((header.interface, header.version as u16, (header.version >> 16) as u16)),
            opnum: Some(header.opnum),
            object: Some(header.object).filter(|o| !o.is_nil()),
            call_id: header.sequence,
            request_bytes: header.body.len() as u64,
            ..DcerpcRecord::default()
        };
        let (activity, sequence) = (header.activity, header.sequence);
        self.pending.push_back(Pending { at: out.at, from: side, activity, sequence, record });
    }

    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        for pending in std::mem::take(&mut self.pending) {
            out.record(pending.at, pending.record);
        }
    }
}
