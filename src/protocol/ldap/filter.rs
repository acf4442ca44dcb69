//! What did a directory search look for?
//!
//! A filter of RFC 4511 section 4.5.1.7 as the text of RFC 4515. Bounded: nesting by the reader, text by [`MAX_FILTER`]; what does not
//! fit is cut with a visible mark.

use crate::model::text::{CUT_MARK, printable};
use crate::protocol::ber::Element;
use std::fmt::Write;

/// Longest filter in bytes of text. Tools that list a whole domain write about 500.
const MAX_FILTER: usize = 2_048;

/// Longest value in bytes that is shown.
const MAX_VALUE: usize = 256;

/// The text of a filter; `None` when it is malformed.
pub(super) fn text(filter: &Element<'_>) -> Option<String> {
    let mut out = String::new();
    write(filter, &mut out)?;
    if out.len() > MAX_FILTER {
        let end = (0..=MAX_FILTER).rev().find(|i| out.is_char_boundary(*i)).unwrap_or(0);
        out.truncate(end);
        out.push(CUT_MARK);
    }
    Some(out)
}

/// Append one filter. Stops adding once the text is over its cap, so that the work is bounded too.
fn write(filter: &Element<'_>, out: &mut String) -> Option<()> {
    if out.len() > MAX_FILTER {
        return Some(());
    }
    out.push('(');
    match filter.tag {
        0xa0 | 0xa1 => {
            out.push(if filter.tag == 0xa0 { '&' } else { '|' });
            let mut parts = filter.inner()?;
            while !parts.is_empty() {
                write(&parts.element()?, out)?;
            }
        }
        0xa2 => {
            out.push('!');
            write(&filter.inner()?.element()?, out)?;
        }
        0xa3 | 0xa5 | 0xa6 | 0xa8 => {
            let mut pair = filter.inner()?;
            let (name, value) = (pair.octets()?, pair.octets()?);
            out.push_str(&printable(name, MAX_VALUE));
            out.push_str(match filter.tag {
                0xa3 => "=",
                0xa5 => ">=",
                0xa6 => "<=",
                _ => "~=",
            });
            escaped(value, out);
        }
        0xa4 => {
            let mut pair = filter.inner()?;
            out.push_str(&printable(pair.octets()?, MAX_VALUE));
            out.push('=');
            let mut parts = pair.enter(0x30)?;
            let mut ends_open = true;
            while let Some(part) = parts.element() {
                // 0 begins the value, 1 is in its middle, 2 ends it.
                if part.tag != 0x80 {
                    out.push('*');
                }
                escaped(part.body, out);
                ends_open = part.tag != 0x82;
            }
            if ends_open {
                out.push('*');
            }
        }
        0x87 => {
            out.push_str(&printable(filter.body, MAX_VALUE));
            out.push_str("=*");
        }
        0xa9 => {
            let mut parts = filter.inner()?;
            let rule = parts.take(0x81);
            if let Some(name) = parts.take(0x82) {
                out.push_str(&name.text(MAX_VALUE));
            }
            let value = parts.take(0x83)?;
            if parts.take(0x84).is_some_and(|dn| dn.number() != Some(0)) {
                out.push_str(":dn");
            }
            if let Some(rule) = rule {
                out.push(':');
                out.push_str(&rule.text(MAX_VALUE));
            }
            out.push_str(":=");
            escaped(value.body, out);
        }
        _ => return None,
    }
    out.push(')');
    Some(())
}

/// A value with what RFC 4515 section 3 reserves, and all that is not printable UTF-8, as `\hh`.
fn escaped(value: &[u8], out: &mut String) {
    let shown = value.get(..MAX_VALUE).unwrap_or(value);
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            if matches!(c, '*' | '(' | ')' | '\\') || crate::model::text::is_unsafe(c) {
                for b in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{b:02x}");
                }
            } else {
                out.push(c);
            }
        }
        for b in chunk.invalid() {
            let _ = write!(out, "\\{b:02x}");
        }
    }
    if shown.len() < value.len() {
        out.push(CUT_MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ber::Reader;

    fn shown(bytes: &[u8]) -> Option<String> {
        text(&Reader::new(bytes).element()?)
    }

    #[test]
    fn every_kind_of_filter() {
        let cases: &[(&[u8], &str)] = &[
            (b"\x87\x0bobjectClass", "(objectClass=*)"),
            (b"\xa3\x07\x04\x02cn\x04\x01*", "(cn=\\2a)"),
            (b"\xa5\x06\x04\x01a\x04\x01b", "(a>=b)"),
            (b"\xa2\x08\xa6\x06\x04\x01a\x04\x01b", "(!(a<=b))"),
            (b"\xa0\x10\xa3\x06\x04\x01a\x04\x01b\xa8\x06\x04\x01c\x04\x01d", "(&(a=b)(c~=d))"),
            (b"\xa4\x0e\x04\x02cn\x30\x08\x80\x01a\x81\x01b\x82\x00", "(cn=a*b*)"),
            (b"\xa4\x08\x04\x02cn\x30\x02\x81\x00", "(cn=**)"),
            (b"\xa9\x0b\x81\x031.2\x82\x01u\x83\x012", "(u:1.2:=2)"),
        ];
        for (bytes, want) in cases {
            assert_eq!(shown(bytes).as_deref(), Some(*want));
            for end in 0..bytes.len() {
                shown(&bytes[..end]);
            }
        }
        assert_eq!(shown(b"\xa3\x03\x04\x01a"), None);
    }

    #[test]
    fn depth_and_length_have_an_end() {
        let mut deep = b"\x87\x01a".to_vec();
        for _ in 0..40 {
            let len = deep.len() as u8;
            deep.splice(0..0, [0xa2, len]);
        }
        assert_eq!(shown(&deep), None, "deeper than the reader follows");
        let many = b"\xa3\x06\x04\x01a\x04\x01b".repeat(5_000);
        let all = [&[0xa0, 0x82, (many.len() >> 8) as u8, many.len() as u8][..], &many].concat();
        let text = shown(&all).unwrap();
        assert!(text.len() < MAX_FILTER + 10 && text.ends_with(CUT_MARK), "{}", text.len());
    }
}
