//! How does text from the wire become safe to store and to print?
//!
//! Host names, banners and agents are chosen by attackers. Control characters (C0, DEL, C1, line and
//! paragraph separators, bidirectional overrides) become `\xNN` or `\u{…}`, invalid UTF-8 becomes `\xNN`, and
//! length is bounded with a visible mark. Refuses to guess other character sets.

use std::fmt::Write;

/// Ends a text that was cut at its cap.
pub const CUT_MARK: char = '…';

/// Would this character act on a terminal or hide in one?
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Bytes as printable UTF-8 of at most `cap` input bytes. Backslashes stay as they are: the text is for
/// reading and joining, not for turning back into bytes.
pub fn printable(bytes: &[u8], cap: usize) -> String {
    let shown = bytes.get(..cap).unwrap_or(bytes);
    let mut out = String::with_capacity(shown.len() + 4);
    // Nearly everything is plain ASCII, which is taken as it is.
    let plain = shown.iter().take_while(|b| matches!(b, b' '..=b'~')).count();
    let (plain, rest) = shown.split_at_checked(plain).unwrap_or((shown, &[]));
    out.push_str(str::from_utf8(plain).unwrap_or_default());
    for chunk in rest.utf8_chunks() {
        for c in chunk.valid().chars() {
            if !is_unsafe(c) {
                out.push(c);
            } else if let Ok(b) = u8::try_from(c) {
                out.push_str("\\x");
                push_hex(&mut out, b);
            } else {
                let _ = write!(out, "\\u{{{:x}}}", c as u32);
            }
        }
        for b in chunk.invalid() {
            out.push_str("\\x");
            push_hex(&mut out, *b);
        }
    }
    if shown.len() < bytes.len() {
        out.push(CUT_MARK);
    }
    out
}

/// UTF-16, little endian, as printable UTF-8 of at most `cap` input bytes. Half a surrogate pair becomes U+FFFD, an odd byte
/// at the end is left out.
pub fn printable_utf16(bytes: &[u8], cap: usize) -> String {
    let shown = bytes.get(..cap).unwrap_or(bytes);
    let (pairs, _) = shown.as_chunks::<2>();
    let text: String = char::decode_utf16(pairs.iter().map(|p| u16::from_le_bytes(*p)))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    let mut out = printable(text.as_bytes(), usize::MAX);
    if shown.len() < bytes.len() {
        out.push(CUT_MARK);
    }
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    bytes.iter().for_each(|b| push_hex(&mut out, *b));
    out
}

/// Two lower-case hexadecimal digits. By hand, like [`push_decimal`]: digests and fingerprints through `fmt` showed in the profile.
pub fn push_hex(out: &mut String, byte: u8) {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    out.push(digit(byte >> 4));
    out.push(digit(byte & 15));
}

/// A number in decimal.
pub fn push_decimal(out: &mut String, number: u16) {
    let mut place = 10_000;
    while place > 1 && number < place {
        place /= 10;
    }
    while place > 0 {
        out.push(char::from(b'0' + (number / place % 10) as u8));
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_would_act_on() {
        assert_eq!(printable(b"a\x1b[31m\r\n", 99), "a\\x1b[31m\\x0d\\x0a");
        assert_eq!(printable("é\u{202e}".as_bytes(), 99), "é\\u{202e}");
        assert_eq!(printable(&[0xff, b'x'], 99), "\\xffx");
    }

    #[test]
    fn plain_beginnings_are_taken_as_they_are() {
        assert_eq!(printable(b"GET /", 99), "GET /");
        assert_eq!(printable(b"GET /", 3), "GET…");
        assert_eq!(printable(b"", 3), "");
        assert_eq!(printable(b"a~\x7f\xc3\xa9b", 99), "a~\\x7féb");
        assert_eq!(printable("aé".as_bytes(), 2), "a\\xc3…");
    }

    #[test]
    fn numbers_are_those_of_fmt() {
        for n in 0..=u16::MAX {
            let mut out = String::new();
            push_decimal(&mut out, n);
            assert_eq!(out, n.to_string());
        }
        for b in 0..=u8::MAX {
            assert_eq!(hex(&[b]), format!("{b:02x}"));
        }
    }

    #[test]
    fn utf16_is_as_safe() {
        assert_eq!(printable_utf16(b"a\0\x1b\0\xac\x20", 99), "a\\x1b\u{20ac}");
        assert_eq!(printable_utf16(b"a\0b\0", 2), "a…");
        assert_eq!(printable_utf16(b"\0\xd8x", 99), "\u{fffd}");
    }

    #[test]
    fn cuts_visibly_and_never_inside_a_character() {
        assert_eq!(printable(b"abcdef", 3), "abc…");
        assert_eq!(printable("é".as_bytes(), 1), "\\xc3…");
    }
}
