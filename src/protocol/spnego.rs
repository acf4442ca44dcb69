//! Which way of proving oneself was chosen, and where is its token?
//!
//! GSS-API (RFC 2743 section 3.1) and SPNEGO (RFC 4178), as SMB, LDAP, HTTP, DCE/RPC and SMTP carry them. A blob may also be
//! bare NTLM (MS-NLMP) or bare Kerberos (RFC 4121 section 4.1): those are told too. Refuses to look into tokens.

use crate::model::bytes::Cursor;

/// Object identifier of SPNEGO, 1.3.6.1.5.5.2, as DER content.
const SPNEGO: &[u8] = &[0x2b, 6, 1, 5, 5, 2];

/// Kerberos, 1.2.840.113554.1.2.2.
const KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2];

/// Kerberos with a wrong number that Windows 2000 made up and all still offer, 1.2.840.48018.1.2.2.
const MS_KERBEROS: &[u8] = &[0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 1, 2, 2];

/// NTLM, 1.3.6.1.4.1.311.2.2.10.
const NTLM: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10];

/// Begins every NTLM message (MS-NLMP section 2.2.1).
pub const NTLM_SIGNATURE: &[u8] = b"NTLMSSP\0";

/// A way to prove who one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// NTLM.
    Ntlm,
    /// Kerberos version 5.
    Kerberos,
    /// Something else (NegoEx, user to user …).
    Other,
}

impl Mechanism {
    /// As in `credentials.mechanism`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ntlm => "ntlm",
            Self::Kerberos => "kerberos",
            Self::Other => "spnego",
        }
    }
}

/// How far the negotiation is, as the server says (RFC 4178 section 4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Proved.
    Completed,
    /// Another message is wanted.
    Incomplete,
    /// Refused.
    Reject,
}

/// What a blob holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Blob<'a> {
    /// The mechanism of the token where one is there, else the one chosen or liked best; `None` when nothing tells.
    pub mechanism: Option<Mechanism>,
    /// The token of that mechanism; empty without one.
    pub token: &'a [u8],
    /// What the server says of it; `None` in what clients send.
    pub state: Option<State>,
}

/// Read a blob; `None` when it is none of these.
pub fn read(blob: &[u8]) -> Option<Blob<'_>> {
    if let Some(bare) = token(blob) {
        return Some(bare);
    }
    let mut c = Cursor::new(blob);
    let (tag, mut content) = element(&mut c)?;
    let mut choice = tag;
    if tag == 0x60 {
        let mut inner = Cursor::new(content);
        let (6, oid) = element(&mut inner)? else { return None };
        if oid != SPNEGO {
            return Some(Blob { mechanism: Some(mechanism(oid)), token: inner.rest(), state: None });
        }
        (choice, content) = element(&mut inner)?;
    }
    match choice {
        0xa0 => initial(content),
        0xa1 => response(content),
        _ => None,
    }
}

/// Is it a token without anything around it?
fn token(blob: &[u8]) -> Option<Blob<'_>> {
    let mechanism = if blob.starts_with(NTLM_SIGNATURE) {
        Mechanism::Ntlm
    } else if matches!(blob, [0x6e, ..] | [1..=3, 0, 0x6e..=0x7e, ..]) {
        // AP-REQ as it is, or behind the two bytes that GSS-API puts before it.
        Mechanism::Kerberos
    } else {
        return None;
    };
    Some(Blob { mechanism: Some(mechanism), token: blob, state: None })
}

/// NegTokenInit: mechanisms [0], flags [1], the token of the first of them [2].
fn initial(content: &[u8]) -> Option<Blob<'_>> {
    let mut blob = Blob::default();
    for (tag, field) in fields(content)? {
        match tag {
            0xa0 => {
                let (0x30, list) = element(&mut Cursor::new(field))? else { return None };
                let (6, first) = element(&mut Cursor::new(list))? else { return None };
                blob.mechanism = Some(mechanism(first));
            }
            0xa2 => blob.token = octets(field)?,
            _ => {}
        }
    }
    Some(blob.settled())
}

/// NegTokenResp: state [0], the mechanism chosen [1], a token [2].
fn response(content: &[u8]) -> Option<Blob<'_>> {
    let mut blob = Blob::default();
    for (tag, field) in fields(content)? {
        match tag {
            0xa0 => {
                let (0x0a, value) = element(&mut Cursor::new(field))? else { return None };
                blob.state = match value {
                    [0] => Some(State::Completed),
                    [1 | 3] => Some(State::Incomplete),
                    [2] => Some(State::Reject),
                    _ => None,
                };
            }
            0xa1 => {
                let (6, oid) = element(&mut Cursor::new(field))? else { return None };
                blob.mechanism = Some(mechanism(oid));
            }
            0xa2 => blob.token = octets(field)?,
            _ => {}
        }
    }
    Some(blob.settled())
}

impl<'a> Blob<'a> {
    /// What the token is says more than what was announced.
    fn settled(self) -> Self {
        let inner: Option<Blob<'a>> = read_token(self.token);
        match inner {
            Some(inner) => Self { mechanism: inner.mechanism, token: inner.token, ..self },
            None => self,
        }
    }
}

/// A token inside SPNEGO: bare, or Kerberos in a GSS-API frame of its own.
fn read_token(data: &[u8]) -> Option<Blob<'_>> {
    if let Some(bare) = token(data) {
        return Some(bare);
    }
    let (0x60, content) = element(&mut Cursor::new(data))? else { return None };
    let mut inner = Cursor::new(content);
    let (6, oid) = element(&mut inner)? else { return None };
    Some(Blob { mechanism: Some(mechanism(oid)), token: inner.rest(), state: None })
}

fn mechanism(oid: &[u8]) -> Mechanism {
    match oid {
        NTLM => Mechanism::Ntlm,
        KERBEROS | MS_KERBEROS => Mechanism::Kerberos,
        _ => Mechanism::Other,
    }
}

/// The fields of the sequence that `content` begins with.
fn fields(content: &[u8]) -> Option<impl Iterator<Item = (u8, &[u8])>> {
    let (0x30, sequence) = element(&mut Cursor::new(content))? else { return None };
    let mut c = Cursor::new(sequence);
    Some(std::iter::from_fn(move || element(&mut c)))
}

fn octets(field: &[u8]) -> Option<&[u8]> {
    match element(&mut Cursor::new(field))? {
        (4, content) => Some(content),
        _ => None,
    }
}

/// The next element with a definite length: its tag and content. What is cut off by the end of the data is `None`.
fn element<'a>(c: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let tag = c.u8()?;
    let first = c.u8()?;
    let len = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x84 => {
            let bytes = c.take(usize::from(first & 0x7f))?;
            bytes.iter().fold(0_usize, |len, b| len << 8 | usize::from(*b))
        }
        _ => return None,
    };
    Some((tag, c.take(len)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One element.
    pub(crate) fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
        let content = content.concat();
        let mut out = vec![tag];
        match content.len() {
            n @ 0..=0x7f => out.push(n as u8),
            n => out.extend([0x82, (n >> 8) as u8, n as u8]),
        }
        out.extend(content);
        out
    }

    /// What a client begins with.
    pub(crate) fn init(mechanism: &[u8], token: &[u8]) -> Vec<u8> {
        let mechanisms = der(0xa0, &[&der(0x30, &[&der(6, &[mechanism])])]);
        let token = der(0xa2, &[&der(4, &[token])]);
        der(0x60, &[&der(6, &[SPNEGO]), &der(0xa0, &[&der(0x30, &[&mechanisms, &token])])])
    }

    /// What both go on with.
    pub(crate) fn resp(state: u8, token: &[u8]) -> Vec<u8> {
        let state = der(0xa0, &[&[0x0a, 1, state]]);
        der(0xa1, &[&der(0x30, &[&state, &der(0xa2, &[&der(4, &[token])])])])
    }

    #[test]
    fn ntlm_in_spnego() {
        let blob = init(NTLM, b"NTLMSSP\0\x01");
        let want = Blob { mechanism: Some(Mechanism::Ntlm), token: b"NTLMSSP\0\x01", state: None };
        assert_eq!(read(&blob), Some(want));
        let blob = resp(1, b"NTLMSSP\0\x02");
        assert_eq!(read(&blob).unwrap().state, Some(State::Incomplete));
        assert_eq!(read(b"NTLMSSP\0\x03").unwrap().mechanism, Some(Mechanism::Ntlm));
        assert_eq!(read(&resp(2, b"")).unwrap().state, Some(State::Reject));
    }

    #[test]
    fn kerberos_in_spnego_and_alone() {
        let inner = der(0x60, &[&der(6, &[KERBEROS]), &[1, 0, 0x6e, 3, 0x30, 1, 0]]);
        for blob in [init(MS_KERBEROS, &inner), inner.clone()] {
            let read = read(&blob).unwrap();
            assert_eq!((read.mechanism, read.token.first()), (Some(Mechanism::Kerberos), Some(&1)));
        }
        assert_eq!(read(&init(&[0x2b, 1], b"x")).unwrap().mechanism, Some(Mechanism::Other));
        // The client hoped for Kerberos and offered it first, but sent NTLM.
        assert_eq!(read(&init(KERBEROS, b"NTLMSSP\0")).unwrap().mechanism, Some(Mechanism::Ntlm));
    }

    #[test]
    fn every_prefix_is_nothing() {
        let blob = init(NTLM, &[7; 300]);
        for end in 0..blob.len() {
            assert_eq!(read(&blob[..end]), None, "{end}");
        }
        assert_eq!(read(&[0x60, 0x84, 0xff, 0xff, 0xff, 0xff, 6]), None);
    }
}
