//! How are bytes hidden in text read back?
//!
//! Base64 (RFC 4648, and as MIME breaks it into lines, RFC 2045 section 6.8), quoted-printable (RFC 2045 section 6.7), percent signs (RFC 8187) and encoded
//! words in headers (RFC 2047). The first two take their input in pieces, so that attachments of any size can be hashed while they pass.
//! Refuses character sets other than UTF-8, US-ASCII, ISO-8859-1 and windows-1252: encoded words in others stay as sent.

/// Base64 that comes in pieces. Characters outside the alphabet are stepped over, as RFC 2045 asks; `=` ends a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Base64 {
    bits: u32,
    held: u32,
}

impl Base64 {
    /// Decode the next piece to the end of `out`.
    pub(crate) fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for c in text {
            let six = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => {
                    // What is left over are the zero bits that fill the last group.
                    (self.bits, self.held) = (0, 0);
                    continue;
                }
                _ => continue,
            };
            self.bits = (self.bits << 6 | u32::from(six)) & 0xff_ffff;
            self.held += 6;
            if self.held >= 8 {
                self.held -= 8;
                out.push((self.bits >> self.held) as u8);
            }
        }
    }
}

/// All of a short base64 text, such as an answer in a login. `None` when it holds anything else.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let fits = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_=".contains(b);
    let text = text.trim_ascii();
    text.iter().all(fits).then(|| {
        let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
        Base64::default().push(text, &mut out);
        out
    })
}

/// One line of quoted-printable, without its end, decoded to the end of `out`. True when the line goes on in the next one.
pub(crate) fn quoted_printable(line: &[u8], out: &mut Vec<u8>) -> bool {
    // Blanks at the end of a line were added on the way (RFC 2045 section 6.7, rule 3).
    let line = line.trim_ascii_end();
    let soft = line.ends_with(b"=");
    escaped(line.strip_suffix(b"=").unwrap_or(line), b'=', out);
    soft
}

/// `%41` and the like.
pub(crate) fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    escaped(text, b'%', &mut out);
    out
}

/// Bytes written as `escape` and two hexadecimal digits; what does not follow that stays as it is.
fn escaped(text: &[u8], escape: u8, out: &mut Vec<u8>) {
    let nibble = |b: &u8| (*b as char).to_digit(16);
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == escape
            && let [high, low, after @ ..] = tail
            && let (Some(h), Some(l)) = (nibble(high), nibble(low))
        {
            out.push((h * 16 + l) as u8);
            rest = after;
        } else {
            out.push(*first);
        }
    }
}

/// Text in a character set as UTF-8; `None` when the set is not known here.
pub(crate) fn to_utf8(charset: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let is = |names: &[&str]| names.iter().any(|n| charset.eq_ignore_ascii_case(n.as_bytes()));
    if is(&["utf-8", "utf8", "us-ascii", "ascii"]) {
        return Some(bytes.to_vec());
    }
    if !is(&["iso-8859-1", "latin1", "windows-1252", "cp1252"]) {
        return None;
    }
    Some(bytes.iter().map(|b| latin(*b)).collect::<String>().into_bytes())
}

/// windows-1252, of which ISO-8859-1 is the part that texts use.
fn latin(b: u8) -> char {
    const UPPER: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    b.checked_sub(0x80).and_then(|i| UPPER.get(usize::from(i))).copied().unwrap_or(char::from(b))
}

/// A header value with its encoded words (`=?utf-8?B?…?=`) decoded. Blanks between two of them belong to neither (RFC 2047 section 6.2).
pub(crate) fn words(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    while !rest.is_empty() {
        let Some(at) = rest.windows(2).position(|w| w == b"=?") else {
            out.extend_from_slice(rest);
            break;
        };
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        match encoded_word(from) {
            Some((text, behind)) => {
                if !(after_word && before.trim_ascii().is_empty()) {
                    out.extend_from_slice(before);
                }
                out.extend_from_slice(&text);
                rest = behind;
                after_word = true;
            }
            None => {
                out.extend_from_slice(before);
                out.extend_from_slice(b"=?");
                rest = from.get(2..).unwrap_or(&[]);
                after_word = false;
            }
        }
    }
    out
}

/// `=?charset?B or Q?text?=` at the start: what it says, and what follows it.
fn encoded_word(from: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut parts = from.get(2..)?.splitn(3, |b| *b == b'?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let end = rest.windows(2).position(|w| w == b"?=")?;
    let (text, behind) = rest.split_at_checked(end)?;
    let bytes = match encoding {
        [b'B' | b'b'] => base64(text)?,
        [b'Q' | b'q'] => {
            let spaced: Vec<_> = text.iter().map(|b| if *b == b'_' { b' ' } else { *b }).collect();
            let mut out = Vec::with_capacity(spaced.len());
            escaped(&spaced, b'=', &mut out);
            out
        }
        _ => return None,
    };
    // RFC 2231 section 5 lets a language follow the character set behind an asterisk.
    let charset = charset.split(|b| *b == b'*').next()?;
    Some((to_utf8(charset, &bytes)?, behind.get(2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_pieces() {
        let mut decoder = Base64::default();
        let mut out = Vec::new();
        for piece in [&b"Zm9v\r\nY"[..], b"mE=", b" Zm8= "] {
            decoder.push(piece, &mut out);
        }
        assert_eq!(out, b"foobafo");
        assert_eq!(base64(b"AGpvZQBzZWNyZXQ="), Some(b"\0joe\0secret".to_vec()));
        assert_eq!(base64(b"not base64!"), None);
    }

    #[test]
    fn quoted_printable_lines() {
        let mut out = Vec::new();
        assert!(!quoted_printable(b"caf=C3=A9 =3D =G1  ", &mut out));
        assert!(quoted_printable(b"go=", &mut out));
        assert_eq!(out, "caf\u{e9} = =G1go".as_bytes());
        assert_eq!(percent(b"a%20b%4"), b"a b%4");
    }

    #[test]
    fn encoded_words_of_rfc_2047() {
        let shown = |v: &[u8]| String::from_utf8(words(v)).unwrap();
        assert_eq!(shown(b"=?ISO-8859-1?Q?Andr=E9?= Pirard"), "Andr\u{e9} Pirard");
        assert_eq!(shown(b"(=?ISO-8859-1?Q?a?= =?utf-8?B?w7w=?=)"), "(a\u{fc})");
        assert_eq!(shown(b"=?windows-1252?q?=80_1?="), "\u{20ac} 1");
        assert_eq!(shown(b"=?koi8-r?B?8A==?= x"), "=?koi8-r?B?8A==?= x", "not guessed");
        assert_eq!(shown(b"a =? b"), "a =? b");
        assert_eq!(shown(b"=?utf-8?B?"), "=?utf-8?B?");
    }
}
