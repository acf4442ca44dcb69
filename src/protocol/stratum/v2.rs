//! What does a miner say in the binary version of Stratum, where it is not encrypted?
//!
//! Stratum V2 specification, sections 3 (frames and types), 4 (common messages) and 5 (mining). On local links it runs without its Noise
//! handshake. Told by a whole SetupConnection, whose texts must fill the frame to the byte. With the handshake (section 4) only sizes are there:
//! a key of 64 bytes, an answer of 234 (170 by an earlier text), then encrypted frames. Refuses jobs' contents.

use super::{Dialect, StratumRecord};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::text::printable;
use crate::protocol::Verdict;
use crate::protocol::credentials::MAX_ACCOUNT;

/// Bytes of a text that is kept; the format's own limit.
const MAX_TEXT: usize = 255;

/// Message types.
mod kind {
    pub(super) const SETUP: u8 = 0x00;
    pub(super) const SETUP_SUCCESS: u8 = 0x01;
    pub(super) const SETUP_ERROR: u8 = 0x02;
    pub(super) const OPEN_STANDARD: u8 = 0x10;
    pub(super) const OPEN_STANDARD_SUCCESS: u8 = 0x11;
    pub(super) const OPEN_ERROR: u8 = 0x12;
    pub(super) const OPEN_EXTENDED: u8 = 0x13;
    pub(super) const OPEN_EXTENDED_SUCCESS: u8 = 0x14;
    pub(super) const NEW_JOB: u8 = 0x15;
    pub(super) const SUBMIT_STANDARD: u8 = 0x1a;
    pub(super) const SUBMIT_EXTENDED: u8 = 0x1b;
    pub(super) const SUBMIT_SUCCESS: u8 = 0x1c;
    pub(super) const SUBMIT_ERROR: u8 = 0x1d;
}

/// A frame.
pub(super) struct Frame<'a> {
    kind: u8,
    payload: &'a [u8],
}

/// The frame at the start of `data`, and its length.
pub(super) fn frame(data: &[u8]) -> Option<(Frame<'_>, usize)> {
    let mut c = Cursor::new(data);
    let (_extension, kind, [a, b, d]) = (c.u16_le()?, c.u8()?, c.array::<3>()?);
    let payload = c.take(u32::from_le_bytes([a, b, d, 0]) as usize)?;
    Some((Frame { kind, payload }, c.position()))
}

/// A text with its length in one byte.
fn text(c: &mut Cursor<'_>, cap: usize) -> Option<String> {
    let n = c.u8()?;
    c.take(usize::from(n)).map(|t| printable(t, cap))
}

/// Host with port, and software, of a SetupConnection that fills its frame.
fn setup(payload: &[u8]) -> Option<(String, String)> {
    let mut c = Cursor::new(payload);
    let (protocol, low, high) = (c.u8()?, c.u16_le()?, c.u16_le()?);
    if protocol > 2 || low != 2 || !(2..=9).contains(&high) {
        return None;
    }
    c.skip(4)?;
    let host = text(&mut c, MAX_TEXT)?;
    let port = c.u16_le()?;
    let mut agent = String::new();
    for _ in 0..3 {
        let part = text(&mut c, MAX_TEXT)?;
        if !agent.is_empty() && !part.is_empty() {
            agent.push(' ');
        }
        agent.push_str(&part);
    }
    text(&mut c, MAX_TEXT)?; // the device's own identifier
    c.is_empty().then(|| (format!("{host}:{port}"), agent))
}

/// Does a stream begin with a SetupConnection?
pub(super) fn probe(data: &[u8]) -> Verdict {
    // Extension 0, type 0, and a length below 256 * 6: what every such frame begins with.
    let begins = data.iter().zip([0_u8, 0, kind::SETUP]).all(|(a, b)| *a == b)
        && data.get(4).is_none_or(|b| *b < 6)
        && data.get(5).is_none_or(|b| *b == 0)
        && data.get(6).is_none_or(|b| *b <= 2)
        && data.get(7..11).is_none_or(|v| matches!(v, [2, 0, 2..=9, 0]));
    match (begins, frame(data)) {
        (true, Some((f, _))) if setup(f.payload).is_some() => Verdict::Mine(90),
        (true, None) if !data.is_empty() => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// Bytes of the client's first message: a key in ElligatorSwift encoding.
const KEY: usize = 64;
/// Bytes of the server's answer: its key, its encrypted static key and its certificate.
const ANSWERS: [usize; 2] = [234, 170];
/// Least bytes of the client's first encrypted message: a header of 22, a tag of 16, a SetupConnection of 16 or more.
const LEAST_FRAME: usize = 54;
/// Different values among 64 random bytes: 57 on average, 45 in all but one of a million. Texts and headers have fewer.
const LEAST_VALUES: u32 = 45;

/// Do these bytes begin with what may be a key?
pub(super) fn begins_with_key(data: &[u8]) -> bool {
    let Some(key) = data.get(..KEY) else { return false };
    let mut seen = [0_u64; 4];
    for b in key {
        if let Some(word) = seen.get_mut(usize::from(*b) / 64) {
            *word |= 1 << (b % 64);
        }
    }
    seen.iter().map(|w| w.count_ones()).sum::<u32>() >= LEAST_VALUES
}

/// Is it the handshake? The key comes in one segment, so that a first piece of another size is something else.
pub(super) fn probe_noise(orig: &[u8], resp: &[u8]) -> Verdict {
    if !begins_with_key(orig) {
        return Verdict::NotMine;
    }
    let whole = ANSWERS.contains(&resp.len());
    match orig.len() - KEY {
        0 if resp.len() <= 234 => Verdict::NeedMore,
        LEAST_FRAME..=1_024 if whole => Verdict::Mine(50),
        _ => Verdict::NotMine,
    }
}

/// The row of a handshake.
pub(super) fn handshake(at: At) -> StratumRecord {
    StratumRecord::new(Dialect::V2, super::NOISE, true, at)
}

/// What a frame says.
pub(super) enum Seen {
    /// A request and the key that its answer repeats.
    Request(String, Box<StratumRecord>),
    /// An answer: key, was it taken, what was said against it.
    Answer(String, bool, Option<String>),
    Notice(Box<StratumRecord>),
}

/// Read a frame; `None` for those that say nothing about who mines.
pub(super) fn read(frame: &Frame<'_>, at: At) -> Option<Seen> {
    let mut c = Cursor::new(frame.payload);
    let row = |method: &str, from_miner| Box::new(StratumRecord::new(Dialect::V2, method, from_miner, at));
    let open = |id: u32| format!("open {id}");
    Some(match frame.kind {
        kind::SETUP => {
            let (pool, agent) = setup(frame.payload)?;
            let mut row = row("setup_connection", true);
            (row.pool, row.agent) = (Some(pool), Some(agent).filter(|a| !a.is_empty()));
            Seen::Request("setup".into(), row)
        }
        kind::SETUP_SUCCESS => Seen::Answer("setup".into(), true, None),
        kind::SETUP_ERROR => {
            c.skip(4)?;
            Seen::Answer("setup".into(), false, text(&mut c, MAX_TEXT))
        }
        code @ (kind::OPEN_STANDARD | kind::OPEN_EXTENDED) => {
            let id = c.u32_le()?;
            let method = if code == kind::OPEN_STANDARD {
                "open_standard_mining_channel"
            } else {
                "open_extended_mining_channel"
            };
            let mut row = row(method, true);
            row.account(&text(&mut c, MAX_ACCOUNT)?);
            Seen::Request(open(id), row)
        }
        kind::OPEN_STANDARD_SUCCESS | kind::OPEN_EXTENDED_SUCCESS => {
            Seen::Answer(open(c.u32_le()?), true, None)
        }
        kind::OPEN_ERROR => {
            let id = c.u32_le()?;
            Seen::Answer(open(id), false, text(&mut c, MAX_TEXT))
        }
        kind::NEW_JOB => {
            c.skip(4)?;
            let mut row = row("new_mining_job", false);
            row.job_id = Some(c.u32_le()?.to_string());
            Seen::Notice(row)
        }
        code @ (kind::SUBMIT_STANDARD | kind::SUBMIT_EXTENDED) => {
            let (channel, sequence, job) = (c.u32_le()?, c.u32_le()?, c.u32_le()?);
            let method = if code == kind::SUBMIT_STANDARD {
                "submit_shares_standard"
            } else {
                "submit_shares_extended"
            };
            let mut row = row(method, true);
            row.job_id = Some(job.to_string());
            Seen::Request(format!("share {channel} {sequence}"), row)
        }
        kind::SUBMIT_SUCCESS => {
            let (channel, sequence) = (c.u32_le()?, c.u32_le()?);
            Seen::Answer(format!("share {channel} {sequence}"), true, None)
        }
        kind::SUBMIT_ERROR => {
            let (channel, sequence) = (c.u32_le()?, c.u32_le()?);
            Seen::Answer(format!("share {channel} {sequence}"), false, text(&mut c, MAX_TEXT))
        }
        _ => return None,
    })
}
