//! What name do these bytes spell?
//!
//! Domain names with compression (RFC 1035 section 4.1.4) and NetBIOS names in them (RFC 1001 section 14.1). A pointer must
//! point before the name that holds it, so following pointers always ends; a name has at most 255 bytes on the wire
//! (RFC 1035 section 3.1).
//!
//! The text is lower case, as names are compared. Dots and backslashes inside a label get a backslash, bytes that are not
//! printable UTF-8 become `\xNN`; the root is `.`.

use crate::model::text::printable;

/// Bytes of a name on the wire, length bytes included (RFC 1035 section 3.1).
const MAX_WIRE: usize = 255;

/// Pointers followed in one name. More than labels fit into a name only serve to waste time.
const MAX_POINTERS: usize = 127;

/// Why a name could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// It ends beyond the message.
    Cut,
    /// A pointer points forward, to itself, or there are too many.
    Pointer,
    /// It is longer than a name can be, or a label has a reserved type.
    Label,
}

/// Read the name at `at` and append its text to `out`. Returns where the next field begins. On an error `out`
/// holds what could be read.
pub fn read(message: &[u8], at: usize, out: &mut String) -> Result<usize, NameError> {
    let start = out.len();
    let mut pos = at;
    let mut lowest = at;
    let mut end = None;
    let mut wire = 0_usize;
    let mut pointers = 0;
    loop {
        let len = *message.get(pos).ok_or(NameError::Cut)?;
        match len {
            0 => {
                if out.len() == start {
                    out.push('.');
                }
                return Ok(end.unwrap_or(pos + 1));
            }
            1..=63 => {
                let label = message.get(pos + 1..pos + 1 + len as usize).ok_or(NameError::Cut)?;
                wire += label.len() + 1;
                if wire >= MAX_WIRE {
                    return Err(NameError::Label);
                }
                if out.len() > start {
                    out.push('.');
                }
                push_label(label, out);
                pos += 1 + label.len();
            }
            0xc0.. => {
                let low = *message.get(pos + 1).ok_or(NameError::Cut)?;
                let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                pointers += 1;
                if target >= lowest || pointers > MAX_POINTERS {
                    return Err(NameError::Pointer);
                }
                end.get_or_insert(pos + 2);
                lowest = target;
                pos = target;
            }
            _ => return Err(NameError::Label),
        }
    }
}

fn push_label(label: &[u8], out: &mut String) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
    if label.iter().all(plain) {
        out.extend(label.iter().map(|b| char::from(b.to_ascii_lowercase())));
        return;
    }
    for c in printable(label, label.len()).chars() {
        // `printable` keeps a backslash of the wire; one that it wrote itself begins an escape and looks the same.
        if c == '.' {
            out.push('\\');
        }
        out.push(c.to_ascii_lowercase());
    }
}

/// Read a NetBIOS name: 16 bytes in half-ASCII in the first label, the last of them the kind of name. It prints as
/// `NAME<20>`, a scope behind it after a dot. A name that is not encoded so prints as a domain name.
pub fn read_netbios(message: &[u8], at: usize, out: &mut String) -> Result<usize, NameError> {
    let start = out.len();
    let end = read(message, at, out)?;
    let spelled = out.get(start..).unwrap_or("");
    let (first, scope) = spelled.split_at_checked(32).unwrap_or((spelled, ""));
    if let Some(name) = decode_netbios(first.as_bytes())
        && (scope.is_empty() || scope.starts_with('.'))
    {
        let decoded = netbios_text(&name) + scope;
        out.truncate(start);
        out.push_str(&decoded);
    }
    Ok(end)
}

/// Undo the half-ASCII encoding of 32 letters `a` to `p`.
pub fn decode_netbios(letters: &[u8]) -> Option<[u8; 16]> {
    let mut name = [0; 16];
    if letters.len() != 32 {
        return None;
    }
    let (pairs, _) = letters.as_chunks::<2>();
    for (to, [high, low]) in name.iter_mut().zip(pairs) {
        let half = |c: u8| c.to_ascii_lowercase().checked_sub(b'a').filter(|h| *h < 16);
        *to = half(*high)? << 4 | half(*low)?;
    }
    Some(name)
}

/// A decoded NetBIOS name as text: padding removed, the kind in angle brackets.
pub fn netbios_text(name: &[u8; 16]) -> String {
    let [text @ .., kind] = name;
    let end = text.iter().rposition(|b| *b != b' ' && *b != 0).map_or(0, |i| i + 1);
    format!("{}<{kind:02x}>", printable(text.get(..end).unwrap_or(text), text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(message: &[u8], at: usize) -> Result<(String, usize), NameError> {
        let mut out = String::new();
        read(message, at, &mut out).map(|end| (out, end))
    }

    #[test]
    fn rfc_1035_section_4_1_4() {
        // The example of the RFC: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92.
        let mut m = vec![0; 93];
        m[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\0");
        m[40..46].copy_from_slice(b"\x03FOO\xc0\x14");
        m[64..66].copy_from_slice(b"\xc0\x1a");
        assert_eq!(name(&m, 20), Ok(("f.isi.arpa".into(), 32)));
        assert_eq!(name(&m, 40), Ok(("foo.f.isi.arpa".into(), 46)));
        assert_eq!(name(&m, 64), Ok(("arpa".into(), 66)));
        assert_eq!(name(&m, 92), Ok((".".into(), 93)));
    }

    #[test]
    fn loops_and_lies_end() {
        assert_eq!(name(b"\xc0\x00", 0), Err(NameError::Pointer), "to itself");
        assert_eq!(name(b"\xc0\x02\xc0\x00", 0), Err(NameError::Pointer), "forward");
        assert_eq!(name(b"\x01a\xc0\x00", 2), Err(NameError::Pointer), "back into the same name");
        assert_eq!(name(b"\x05ab", 0), Err(NameError::Cut));
        assert_eq!(name(b"\x80a", 0), Err(NameError::Label));
        assert_eq!(name(b"", 7), Err(NameError::Cut));
        let long = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
        assert_eq!(name(&[&long[..], &[0]].concat(), 0), Err(NameError::Label), "256 bytes");
    }

    #[test]
    fn odd_labels_stay_readable() {
        let (text, _) = name(b"\x09A.b \xc3\xa9\x1b\xff\\\x05local\0", 0).unwrap();
        assert_eq!(text, "a\\.b \u{e9}\\x1b\\xff\\.local");
    }

    #[test]
    fn netbios_names() {
        // RFC 1001 section 14.1, with the slip in its second letter.
        let wire = b"\x20FEGHGFCAEOGFHEECEJEPFDCAGOGBGNGF\x07NETBIOS\x03COM\0";
        let mut out = String::new();
        assert_eq!(read_netbios(wire, 0, &mut out), Ok(wire.len()));
        assert_eq!(out, "Tge NetBIOS nam<65>.netbios.com");
        let mut out = String::new();
        read_netbios(b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\0", 0, &mut out).unwrap();
        assert_eq!(out, "*<00>");
    }
}
