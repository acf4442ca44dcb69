//! What did a client of Google's own QUIC say in its hello?
//!
//! Google's crypto handshake (CHLO) of versions Q009 to Q050, before TLS 1.3: a tag, a number of pairs of tag and end offset,
//! then the values. Read are the server's name and the user agent. Refuses the rest: keys, proofs and certificates.

use super::packet::varint;
use crate::model::bytes::Cursor;
use memchr::memmem;

/// Pairs in a hello; Chrome sent below 30.
const TAGS_CAP: u16 = 128;

/// Where in a datagram the hello begins at the latest, bytes: behind headers, a hash and the header of the stream.
const SEARCH: usize = 128;

/// What a hello says.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Hello<'a> {
    pub(super) server_name: Option<&'a [u8]>,
    pub(super) user_agent: Option<&'a [u8]>,
}

/// A hello near the start of a datagram or of a crypto stream.
pub(super) fn find(data: &[u8]) -> Option<Hello<'_>> {
    let at = memmem::find(data.get(..SEARCH).unwrap_or(data), b"CHLO")?;
    let mut c = Cursor::new(data.get(at..)?);
    c.skip(4)?;
    let tags = c.u16_le()?;
    if c.u16()? != 0 || !(1..=TAGS_CAP).contains(&tags) {
        return None;
    }
    let mut pairs = Cursor::new(c.take(usize::from(tags).checked_mul(8)?)?);
    let values = c.rest();
    let (mut hello, mut begin) = (Hello::default(), 0);
    while let (Some(tag), Some(end)) = (pairs.array::<4>(), pairs.u32_le()) {
        let end = usize::try_from(end).ok()?;
        // Offsets grow; the last values may lie in the next datagram.
        if end < begin {
            return None;
        }
        let value = values.get(begin..end).filter(|v| !v.is_empty());
        match &tag {
            b"SNI\0" => hello.server_name = value,
            b"UAID" => hello.user_agent = value,
            _ => {}
        }
        begin = end;
    }
    Some(hello)
}

/// Google's parameter 0x3129: the program's name.
pub(super) fn user_agent(parameters: &[u8]) -> Option<&[u8]> {
    const USER_AGENT: u64 = 0x3129;
    let mut c = Cursor::new(parameters);
    loop {
        let (id, length) = (varint(&mut c)?, varint(&mut c)?);
        let value = c.take(usize::try_from(length).ok()?)?;
        if id == USER_AGENT {
            return Some(value).filter(|v| !v.is_empty());
        }
    }
}

#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let pad = [b'-'; 5];
    let values = [&pad[..], b"example.org", b"Chrome/60"].concat();
    let pairs: [(&[u8; 4], u32); 3] = [(b"PAD\0", 5), (b"SNI\0", 16), (b"UAID", 25)];
    let pairs: Vec<u8> = pairs.iter().flat_map(|(t, e)| [&t[..], &e.to_le_bytes()].concat()).collect();
    [&b"CHLO\x03\0\0\0"[..], &pairs, &values].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_in_any_state() {
        let whole = [&[0x5a; 30][..], &sample()].concat();
        let hello = find(&whole).unwrap();
        assert_eq!(hello.server_name, Some(&b"example.org"[..]));
        assert_eq!(hello.user_agent, Some(&b"Chrome/60"[..]));
        for end in 0..whole.len() {
            if let Some(cut) = find(&whole[..end]) {
                assert!(cut.user_agent.is_none());
            }
        }
        assert_eq!(find(b"nothing of the kind"), None);
    }
}
