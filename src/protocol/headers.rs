//! What do the head lines of a message that looks like HTTP say?
//!
//! SIP, RTSP and SSDP took the shape of their heads from HTTP (RFC 9112 section 2): a start line, fields, an empty line. They share this
//! reader. Nothing is allocated. Refuses to judge: what a field means, and how a body ends, is the protocol's.

use memchr::{memchr, memmem};

/// A head: its start line without line end, and its fields.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The first line.
    pub start: &'a [u8],
    /// What follows it, up to the empty line.
    fields: &'a [u8],
    /// Bytes of the head with its empty line.
    pub len: usize,
}

/// The head at the start of `data`; `None` until its empty line is there.
pub fn head(data: &[u8]) -> Option<Head<'_>> {
    let len = match memmem::find(data, b"\r\n\r\n") {
        Some(at) => at + 4,
        // Some devices leave the carriage return away.
        None => memmem::find(data, b"\n\n")? + 2,
    };
    part(data.get(..len)?, len)
}

/// The head of a datagram: one that ends with its last field is taken too.
pub fn head_of_datagram(data: &[u8]) -> Option<Head<'_>> {
    head(data).or_else(|| part(data, data.len()))
}

fn part(data: &[u8], len: usize) -> Option<Head<'_>> {
    let end = memchr(b'\n', data)?;
    let (start, fields) = data.split_at_checked(end + 1)?;
    Some(Head { start: start.trim_ascii_end(), fields, len })
}

impl<'a> Head<'a> {
    /// Every field as name and value. Lines that continue the one before are left out; they are forbidden today.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.fields.split(|b| *b == b'\n').filter(|line| !line.starts_with(b" ")).filter_map(|line| {
            let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
            Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
        })
    }

    /// The first field of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
    }

    /// The number in a field.
    pub fn number(&self, name: &str) -> Option<u64> {
        std::str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }
}

/// The words of a start line: at most three, the last with its blanks.
pub fn words(line: &[u8]) -> [&[u8]; 3] {
    let mut parts = line.splitn(3, |b| *b == b' ');
    [(); 3].map(|()| parts.next().unwrap_or(&[]))
}

/// A status of three digits.
pub fn status(word: &[u8]) -> Option<u16> {
    match word {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some([a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(**d - b'0')))
        }
        _ => None,
    }
}

/// `name=value` or `name="value"` of a list with commas or semicolons, as in Authorization, Transport and Contact.
pub fn parameter<'a>(list: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut at = 0;
    while let Some(found) =
        list.get(at..)?.windows(name.len()).position(|w| w.eq_ignore_ascii_case(name.as_bytes()))
    {
        let from = at + found;
        at = from + name.len();
        let before = from.checked_sub(1).and_then(|i| list.get(i));
        let begins = before.is_none_or(|b| matches!(b, b' ' | b',' | b';' | b'\t' | b'?' | b'&'));
        if let (true, Some([b'=', value @ ..])) = (begins, list.get(at..)) {
            if let [b'"', quoted @ ..] = value {
                return quoted.get(..memchr(b'"', quoted)?);
            }
            let end =
                value.iter().position(|b| matches!(b, b',' | b';' | b' ' | b'>')).unwrap_or(value.len());
            return value.get(..end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_and_its_parts() {
        let data = b"INVITE sip:a@b SIP/2.0\r\nVia: x\r\ncontent-LENGTH:  5\r\n folded\r\n\r\nbody!";
        let h = head(data).unwrap();
        assert_eq!(
            (words(h.start)[1], h.number("Content-Length"), h.get("Via")),
            (&b"sip:a@b"[..], Some(5), Some(&b"x"[..]))
        );
        assert_eq!(&data[h.len..], b"body!");
        assert_eq!((status(b"200"), status(b"20"), status(b"2000")), (Some(200), None, None));
        for end in 0..data.len() {
            assert_eq!(head(&data[..end]).is_some(), end >= h.len);
            head_of_datagram(&data[..end]);
        }
    }

    #[test]
    fn parameters_with_and_without_quotes() {
        let list = b"Digest xusername=no, username=\"al ice\",realm=r;client_port=5000-5001";
        assert_eq!(parameter(list, "username"), Some(&b"al ice"[..]));
        assert_eq!(parameter(list, "client_port"), Some(&b"5000-5001"[..]));
        assert_eq!((parameter(list, "nonce"), parameter(b"a=\"", "a")), (None, None));
    }
}
