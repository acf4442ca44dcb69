//! Which points does a DNP3 fragment name, and which are to be switched?
//!
//! Object headers of IEEE 1815 clause 4.2.2.7.3: group, variation, qualifier, range. What follows a header is stepped over where the size of
//! its objects is fixed (annex A); at the first header of unknown size reading stops. Commands are those of groups 12 and 41. Refuses values.

use crate::model::bytes::Cursor;
use std::fmt::Write;

/// Headers, and commands, of one fragment that are shown.
const MAX_SHOWN: usize = 8;

/// What a fragment names.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) headers: Option<String>,
    pub(super) command: Option<String>,
}

/// Bytes of one object, by group and variation; for those that requests carry or that are common in reports. Packed bits
/// are in [`packed`].
fn size(group: u8, variation: u8) -> Option<usize> {
    Some(match (group, variation) {
        (1 | 10 | 3, 2) => 1,
        (2 | 4 | 11 | 13, 1) => 1,
        (2 | 4 | 11 | 13, 2) => 7,
        (2 | 4, 3) => 3,
        (12, 1 | 2) => 11,
        (20..=21, 1) => 5,
        (20..=21, 2) => 3,
        (20, 5) => 4,
        (20, 6) => 2,
        (22, 1) => 5,
        (22, 2) => 3,
        (22, 5) => 11,
        (22, 6) => 9,
        (30, 1) | (32, 1) | (40, 1) | (42, 1) => 5,
        (30, 2) | (32, 2) | (40, 2) | (42, 2) => 3,
        (30, 3) => 4,
        (30, 4) => 2,
        (30 | 32 | 40 | 42, 5) => 5,
        (30 | 32 | 40 | 42, 6) => 9,
        (32 | 42, 3) => 11,
        (32 | 42, 4) => 9,
        (41, 1 | 3) => 5,
        (41, 2) => 3,
        (41, 4) => 9,
        (50, 1) => 6,
        (50, 4) => 11,
        (51, 1 | 2) => 6,
        (52, 1 | 2) => 2,
        _ => return None,
    })
}

/// Is it a row of bits, eight objects a byte?
fn packed(group: u8, variation: u8) -> bool {
    matches!((group, variation), (1 | 3 | 10 | 80, 1))
}

/// Operation of a control relay output block, and the close or trip that goes with it (group 12).
fn relay(code: u8) -> String {
    let operation = match code & 0x0f {
        0 => "nul",
        1 => "pulse_on",
        2 => "pulse_off",
        3 => "latch_on",
        4 => "latch_off",
        _ => "undefined",
    };
    let which = match code >> 6 {
        1 => "close_",
        2 => "trip_",
        _ => "",
    };
    format!("{which}{operation}")
}

/// What one object of group 12 or 41 asks for.
fn control(group: u8, variation: u8, object: &[u8]) -> Option<String> {
    let mut c = Cursor::new(object);
    Some(match (group, variation) {
        (12, 1) => {
            let (code, count, on) = (c.u8()?, c.u8()?, c.u32_le()?);
            format!("{} count={count} on={on}ms", relay(code))
        }
        (41, 1) => format!("set {}", c.u32_le()?.cast_signed()),
        (41, 2) => format!("set {}", c.u16_le()?.cast_signed()),
        (41, 3) => format!("set {}", f32::from_bits(c.u32_le()?)),
        _ => return None,
    })
}

/// Read the headers of a fragment whose function is `function`.
pub(super) fn read(body: &[u8], function: u8) -> Seen {
    let (mut headers, mut command) = (String::new(), String::new());
    let mut c = Cursor::new(body);
    for _ in 0..MAX_SHOWN {
        if header(&mut c, function, &mut headers, &mut command).is_none() {
            break;
        }
    }
    let some = |text: String| (!text.is_empty()).then_some(text);
    if !c.is_empty() && !headers.is_empty() {
        headers.push_str(",…");
    }
    Seen { headers: some(headers), command: some(command) }
}

/// One header and its objects. `None` when nothing behind it can be read.
fn header(c: &mut Cursor<'_>, function: u8, headers: &mut String, command: &mut String) -> Option<()> {
    let [group, variation, qualifier] = c.array()?;
    let comma = if headers.is_empty() { "" } else { "," };
    let _ = write!(headers, "{comma}{group}:{variation}");
    let (first, count) = match qualifier & 0x0f {
        0 => range(headers, u32::from(c.u8()?), u32::from(c.u8()?))?,
        1 => range(headers, u32::from(c.u16_le()?), u32::from(c.u16_le()?))?,
        6 => return Some(()),
        7 => counted(headers, u32::from(c.u8()?)),
        8 => counted(headers, u32::from(c.u16_le()?)),
        // Free format: count, then each object with its length; files, mostly.
        _ => return None,
    };
    // Reads name points and carry nothing; freezes and class assignments too.
    if matches!(function, 1 | 7..=12 | 20..=22) && qualifier >> 4 == 0 {
        return Some(());
    }
    let prefix = match qualifier >> 4 & 7 {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        _ => return None,
    };
    if packed(group, variation) && prefix == 0 {
        return c.skip(usize::try_from(count.div_ceil(8)).ok()?);
    }
    let size = if function == 1 { 0 } else { size(group, variation)? };
    let commands = matches!(function, 3..=6) && matches!(group, 12 | 41);
    if !commands {
        return c.skip(usize::try_from(count).ok()?.checked_mul(size + prefix)?);
    }
    for i in 0..count {
        let point = match prefix {
            1 => u32::from(c.u8()?),
            2 => u32::from(c.u16_le()?),
            4 => c.u32_le()?,
            _ => first.saturating_add(i),
        };
        let object = c.take(size)?;
        if (i as usize) < MAX_SHOWN
            && let Some(what) = control(group, variation, object)
        {
            let comma = if command.is_empty() { "" } else { ", " };
            let _ = write!(command, "{comma}{point} {what}");
        }
    }
    Some(())
}

fn range(headers: &mut String, first: u32, last: u32) -> Option<(u32, u32)> {
    let _ = write!(headers, " {first}..{last}");
    Some((first, last.checked_sub(first)?.saturating_add(1)))
}

fn counted(headers: &mut String, count: u32) -> (u32, u32) {
    let _ = write!(headers, " x{count}");
    (0, count)
}
