//! What are the numbers and texts of MySQL's packets?
//!
//! Capabilities, commands and the basic types of the client/server protocol.

use super::TEXT_CAP;
use crate::model::bytes::Cursor;
use crate::model::text::printable;

/// Capabilities (the client's say what is spoken).
pub(super) mod capability {
    pub(in super::super) const WITH_DATABASE: u32 = 1 << 3;
    pub(in super::super) const COMPRESS: u32 = 1 << 5;
    pub(in super::super) const PROTOCOL_41: u32 = 1 << 9;
    pub(in super::super) const TLS: u32 = 1 << 11;
    pub(in super::super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in super::super) const PLUGIN: u32 = 1 << 19;
    pub(in super::super) const ATTRIBUTES: u32 = 1 << 20;
    pub(in super::super) const LONG_ANSWER: u32 = 1 << 21;
    pub(in super::super) const NO_EOF: u32 = 1 << 24;
    pub(in super::super) const QUERY_ATTRIBUTES: u32 = 1 << 27;
}

/// Commands by number.
pub(super) const COMMANDS: [&str; 32] = [
    "sleep",
    "quit",
    "init_db",
    "query",
    "field_list",
    "create_db",
    "drop_db",
    "refresh",
    "shutdown",
    "statistics",
    "process_info",
    "connect",
    "process_kill",
    "debug",
    "ping",
    "time",
    "delayed_insert",
    "change_user",
    "binlog_dump",
    "table_dump",
    "connect_out",
    "register_replica",
    "stmt_prepare",
    "stmt_execute",
    "stmt_send_long_data",
    "stmt_close",
    "stmt_reset",
    "set_option",
    "stmt_fetch",
    "daemon",
    "binlog_dump_gtid",
    "reset_connection",
];

/// A number in one to nine bytes ("length-encoded integer").
pub(super) fn number(c: &mut Cursor<'_>) -> Option<u64> {
    Some(match c.u8()? {
        n @ 0..=250 => u64::from(n),
        252 => u64::from(c.u16_le()?),
        253 => c.array::<3>().map(|[a, b, d]| u64::from(u32::from_le_bytes([a, b, d, 0])))?,
        254 => u64::from_le_bytes(c.array()?),
        _ => return None,
    })
}

/// Text up to a zero, or to the end.
pub(super) fn zero_ended<'a>(c: &mut Cursor<'a>) -> &'a [u8] {
    let rest = c.rest();
    let end = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
    let text = c.take(end).unwrap_or(&[]);
    c.skip(1);
    text
}

pub(super) fn shown(text: &[u8]) -> Option<Box<str>> {
    (!text.is_empty()).then(|| printable(text, TEXT_CAP).into())
}

/// Pairs of name and value; the program's name is kept.
pub(super) fn attributes(c: &mut Cursor<'_>) -> Option<Box<str>> {
    let length = usize::try_from(number(c)?).ok()?;
    let mut pairs = Cursor::new(c.take(length.min(c.remaining()))?);
    let mut program = None;
    while !pairs.is_empty() {
        let n = usize::try_from(number(&mut pairs)?).ok()?;
        let name = pairs.take(n)?;
        let n = usize::try_from(number(&mut pairs)?).ok()?;
        let value = pairs.take(n)?;
        if name == b"program_name" || (name == b"_client_name" && program.is_none()) {
            program = shown(value);
        }
    }
    program
}
