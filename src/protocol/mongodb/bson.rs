//! What stands in a document?
//!
//! BSON (bsonspec.org), as far as names, texts, numbers and inner documents go. Documents may be cut at what is kept of a message:
//! what is there is read.

use crate::model::bytes::Cursor;

/// Elements of one document that are walked.
const ELEMENTS_CAP: usize = 64;

/// A value of a document, as far as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(f64),
    Text(&'a [u8]),
    Bytes(&'a [u8]),
    Document(&'a [u8]),
    Bool(bool),
    Other,
}

/// The elements of a document, or as many as are there.
pub(super) fn elements(document: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    let mut c = Cursor::new(document);
    c.skip(4);
    std::iter::from_fn(move || element(&mut c)).take(ELEMENTS_CAP)
}

fn element<'a>(c: &mut Cursor<'a>) -> Option<(&'a [u8], Value<'a>)> {
    let kind = c.u8().filter(|k| *k != 0)?;
    let name = zero_ended(c)?;
    let value = match kind {
        0x01 => Value::Number(f64::from_bits(u64::from_le_bytes(c.array()?))),
        0x02 | 0x0d | 0x0e => {
            let length = c.u32_le()? as usize;
            let text = c.take(length)?;
            Value::Text(text.strip_suffix(&[0]).unwrap_or(text))
        }
        0x03 | 0x04 => {
            let rest = c.rest();
            let length = c.u32_le()? as usize;
            // A document may be cut at what is kept of the message.
            let whole = rest.get(..length);
            c.skip(length.checked_sub(4)?.min(c.remaining()))?;
            Value::Document(whole.unwrap_or(rest))
        }
        0x05 => {
            let length = c.u32_le()? as usize;
            c.skip(1)?;
            Value::Bytes(c.take(length)?)
        }
        0x06 | 0x0a | 0x7f | 0xff => Value::Other,
        0x07 => c.skip(12).map(|()| Value::Other)?,
        0x08 => Value::Bool(c.u8()? != 0),
        0x09 | 0x11 => c.skip(8).map(|()| Value::Other)?,
        0x12 => Value::Number(i64::from_le_bytes(c.array()?) as f64),
        0x0b => {
            zero_ended(c)?;
            zero_ended(c)?;
            Value::Other
        }
        0x10 => Value::Number(f64::from(i32::from_le_bytes(c.array()?))),
        0x13 => c.skip(16).map(|()| Value::Other)?,
        _ => return None,
    };
    Some((name, value))
}

pub(super) fn zero_ended<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let end = c.rest().iter().position(|b| *b == 0)?;
    let text = c.take(end)?;
    c.skip(1)?;
    Some(text)
}
