//! What do a call and the tokens of an answer say?
//!
//! [MS-TDS] 2.2.6.6 (procedure calls) and 2.2.7 (tokens). Answers are read up to the first token that describes rows; what comes
//! behind needs the types of all columns, and only its last token is of interest.

use super::{ARGUMENT_CAP, DONE_LEN, TEXT_CAP, TdsCommand};
use crate::model::bytes::Cursor;
use crate::model::text::printable;

/// UTF-16, little endian, as printable text.
pub(super) fn wide(bytes: &[u8], cap: usize) -> Option<String> {
    let shown = bytes.get(..cap).unwrap_or(bytes);
    let units: Vec<u16> =
        shown.chunks_exact(2).filter_map(|p| p.try_into().ok().map(u16::from_le_bytes)).collect();
    let mut text = printable(String::from_utf16_lossy(&units).as_bytes(), usize::MAX);
    if shown.len() < bytes.len() {
        text.push(crate::model::text::CUT_MARK);
    }
    (!text.is_empty()).then_some(text)
}

/// What the tokens of an answer say.
#[derive(Default)]
pub(super) struct Tokens {
    pub(super) login: bool,
    pub(super) error: Option<(u32, Option<String>)>,
    pub(super) program: Option<String>,
    pub(super) done: Option<(u16, u64)>,
}

/// Procedures with a number instead of a name ([MS-TDS] 2.2.6.6), from 1.
const PROCEDURES: [&str; 15] = [
    "sp_cursor",
    "sp_cursoropen",
    "sp_cursorprepare",
    "sp_cursorexecute",
    "sp_cursorprepexec",
    "sp_cursorunprepare",
    "sp_cursorfetch",
    "sp_cursoroption",
    "sp_cursorclose",
    "sp_executesql",
    "sp_prepare",
    "sp_execute",
    "sp_prepexec",
    "sp_prepexecrpc",
    "sp_unprepare",
];

/// From version 7.2 on, batches and calls begin with a list of headers ([MS-TDS] 2.2.5.3): a length in all, then of each.
pub(super) fn without_headers(head: &[u8]) -> &[u8] {
    let mut c = Cursor::new(head);
    let (Some(all), Some(first), Some(kind)) = (c.u32_le(), c.u32_le(), c.u16_le()) else { return head };
    let (all, first) = (all as usize, first as usize);
    let fits = (10..=head.len()).contains(&all) && first.saturating_add(4) <= all && (1..=3).contains(&kind);
    if fits { head.get(all..).unwrap_or(&[]) } else { head }
}

/// A procedure call: its name or number, and the text when its first parameter is one.
pub(super) fn call(head: &[u8]) -> TdsCommand {
    let mut row = TdsCommand { command: "rpc", ..TdsCommand::default() };
    let mut c = Cursor::new(without_headers(head));
    match c.u16_le() {
        Some(0xffff) => {
            let number = c.u16_le().unwrap_or(0);
            let name = PROCEDURES.get(usize::from(number).wrapping_sub(1));
            row.procedure = Some(name.map_or_else(|| format!("#{number}"), |n| (*n).to_string()));
        }
        Some(length) => {
            row.procedure = c.take(usize::from(length).saturating_mul(2)).and_then(|n| wide(n, TEXT_CAP));
        }
        None => return row,
    }
    // Place of the statement among the parameters; handles and declarations come before it.
    let statement = match row.procedure.as_deref() {
        Some("sp_executesql") => 0,
        Some("sp_cursoropen") => 1,
        Some("sp_prepare" | "sp_prepexec") => 2,
        Some("sp_cursorprepexec") => 3,
        _ => return row,
    };
    for place in 0..=statement {
        match parameter(&mut c) {
            Some(text) if place == statement => row.argument = text,
            Some(_) => {}
            None => break,
        }
    }
    row
}

/// One parameter: `Some(Some)` for text, `Some(None)` for a number or nothing, `None` for what is not read.
fn parameter(c: &mut Cursor<'_>) -> Option<Option<String>> {
    // In the first parameter two bytes of option flags lead; a name has a length, a status follows.
    const NVARCHAR: u8 = 0xe7;
    const NTEXT: u8 = 0x63;
    const INTN: u8 = 0x26;
    let mut try_at = |flags: usize| {
        let mut at = *c;
        at.skip(flags)?;
        let name = at.u8()?;
        at.skip(usize::from(name).saturating_mul(2))?;
        at.skip(1)?;
        let value = match at.u8()? {
            NVARCHAR => {
                let max = at.u16_le()?;
                at.skip(5)?;
                if max == 0xffff {
                    // In chunks: total length in 8 bytes, then each with its own.
                    at.skip(8)?;
                    let length = at.u32_le()? as usize;
                    let text = at.rest();
                    let text = text.get(..length).unwrap_or(text);
                    at.skip(text.len())?;
                    at.skip(4);
                    Some(wide(text, ARGUMENT_CAP))
                } else {
                    let length = at.u16_le()?;
                    let length = if length == 0xffff { 0 } else { usize::from(length) };
                    let text = at.rest();
                    let text = text.get(..length).unwrap_or(text);
                    at.skip(text.len())?;
                    Some(wide(text, ARGUMENT_CAP))
                }
            }
            NTEXT => {
                at.skip(4 + 5)?;
                let length = at.u32_le()? as usize;
                let text = at.rest();
                let text = text.get(..length).unwrap_or(text);
                at.skip(text.len())?;
                Some(wide(text, ARGUMENT_CAP))
            }
            INTN => {
                let _ = at.u8()?;
                let length = at.u8()?;
                at.skip(usize::from(length))?;
                Some(None)
            }
            _ => None,
        };
        if value.is_some() {
            *c = at;
        }
        value
    };
    try_at(2).or_else(|| try_at(0))
}

/// The token that ends an answer.
pub(super) fn done(token: &[u8; DONE_LEN]) -> Option<(u16, u64)> {
    let mut c = Cursor::new(token);
    let kind = c.u8()?;
    let (status, _) = (c.u16_le()?, c.u16_le()?);
    let rows = u64::from_le_bytes(c.array()?);
    (matches!(kind, 0xfd..=0xff) && status & 0xfe88 == 0).then_some((status, rows))
}

/// Walk the tokens up to the first that describes rows.
pub(super) fn tokens(head: &[u8]) -> Tokens {
    let mut found = Tokens::default();
    let mut c = Cursor::new(head);
    while let Some(kind) = c.u8() {
        let next = match kind {
            // ERROR, INFO, LOGINACK, ENVCHANGE, SSPI, ORDER and others with a length.
            0xaa | 0xab | 0xad | 0xe3 | 0xed | 0xa9 | 0xa4 | 0xa5 => {
                let Some(body) = c.u16_le().and_then(|n| c.take(usize::from(n))) else { break };
                let mut b = Cursor::new(body);
                match kind {
                    0xaa if found.error.is_none() => {
                        let number = b.u32_le();
                        b.skip(2);
                        let text = b.u16_le().and_then(|n| b.take(usize::from(n).saturating_mul(2)));
                        found.error = number.map(|n| (n, text.and_then(|t| wide(t, TEXT_CAP))));
                    }
                    0xad => {
                        found.login = true;
                        b.skip(5);
                        let name = b.u8().and_then(|n| b.take(usize::from(n).saturating_mul(2)));
                        let version = b.array::<4>();
                        found.program = name.and_then(|n| wide(n, TEXT_CAP)).map(|_| ()).and(version.map(
                            |[major, minor, high, low]| {
                                format!("{major}.{minor}.{}", u16::from_be_bytes([high, low]))
                            },
                        ));
                    }
                    _ => {}
                }
                Some(())
            }
            // Return status of a procedure.
            0x79 => c.skip(4),
            0xfd..=0xff => {
                let token = c.take(DONE_LEN - 1);
                token.and_then(|rest| {
                    let mut token = [kind; DONE_LEN];
                    token.get_mut(1..)?.copy_from_slice(rest);
                    found.done = done(&token);
                    Some(())
                })
            }
            _ => break,
        };
        if next.is_none() {
            break;
        }
    }
    found
}
