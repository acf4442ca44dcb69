//! What do the two hellos of a TLS handshake say?
//!
//! RFC 8446 section 4.1, RFC 5246 section 7.4.1, RFC 6066 (server name), RFC 7301 (ALPN), RFC 8701 (GREASE), and the
//! hello of SSL 2 in its own form and as a bearer of later versions (RFC 5246 appendix E.2). Lists keep the order of
//! the wire. What is cut or contradicts itself is marked and what came before it is kept.

use crate::model::bytes::Cursor;

/// Numbers of extensions that are read (IANA).
pub(in crate::protocol) mod extension {
    pub(in crate::protocol) const SERVER_NAME: u16 = 0;
    pub(in crate::protocol) const SUPPORTED_GROUPS: u16 = 10;
    pub(in crate::protocol) const EC_POINT_FORMATS: u16 = 11;
    pub(in crate::protocol) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in crate::protocol) const USE_SRTP: u16 = 14;
    pub(in crate::protocol) const ALPN: u16 = 16;
    pub(in crate::protocol) const SESSION_TICKET: u16 = 35;
    pub(in crate::protocol) const PRE_SHARED_KEY: u16 = 41;
    pub(in crate::protocol) const EARLY_DATA: u16 = 42;
    pub(in crate::protocol) const SUPPORTED_VERSIONS: u16 = 43;
    pub(in crate::protocol) const KEY_SHARE: u16 = 51;
    pub(in crate::protocol) const QUIC_PARAMETERS: u16 = 57;
    pub(in crate::protocol) const QUIC_PARAMETERS_DRAFT: u16 = 0xffa5;
    pub(in crate::protocol) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    pub(in crate::protocol) const ENCRYPTED_SERVER_NAME: u16 = 0xffce;
}

/// Reserved values that clients send to keep servers tolerant (RFC 8701); they say nothing about the client.
pub(in crate::protocol) fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// What a client offers.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(in crate::protocol) struct ClientHello {
    /// The version field; TLS 1.3 hides behind 1.2 here.
    pub(in crate::protocol) version: u16,
    pub(in crate::protocol) session_id: Vec<u8>,
    pub(in crate::protocol) ciphers: Vec<u16>,
    /// Types of the extensions.
    pub(in crate::protocol) extensions: Vec<u16>,
    pub(in crate::protocol) groups: Vec<u16>,
    pub(in crate::protocol) point_formats: Vec<u8>,
    pub(in crate::protocol) signature_algorithms: Vec<u16>,
    /// Of the extension supported_versions.
    pub(in crate::protocol) versions: Vec<u16>,
    pub(in crate::protocol) server_name: Option<Vec<u8>>,
    pub(in crate::protocol) alpn: Vec<Vec<u8>>,
    /// Transport parameters of QUIC, as sent; empty without them.
    pub(in crate::protocol) quic_parameters: Vec<u8>,
    /// Does it bring a session ticket?
    pub(in crate::protocol) ticket: bool,
    /// Sent in the form of SSL 2?
    pub(in crate::protocol) ssl2_form: bool,
    /// Ciphers of SSL 2 itself, whose numbers have three bytes.
    pub(in crate::protocol) ssl2_ciphers: usize,
    /// Something in it contradicts itself.
    pub(in crate::protocol) malformed: bool,
}

impl ClientHello {
    /// From the body of the handshake message. `None`: not even the fixed part is there.
    pub(in crate::protocol) fn parse(body: &[u8]) -> Option<Self> {
        Self::parse_with(body, false)
    }

    /// The same over DTLS, which has a cookie behind the session id (RFC 6347 section 4.2.1).
    pub(in crate::protocol) fn parse_dtls(body: &[u8]) -> Option<Self> {
        Self::parse_with(body, true)
    }

    fn parse_with(body: &[u8], cookie: bool) -> Option<Self> {
        let mut c = Cursor::new(body);
        let version = c.u16()?;
        c.skip(32)?;
        let session_id = short_vector(&mut c)?.to_vec();
        if cookie {
            short_vector(&mut c)?;
        }
        let ciphers = u16s(long_vector(&mut c)?);
        short_vector(&mut c)?;
        let mut hello = Self { version, session_id, ciphers, ..Self::default() };
        hello.malformed = hello.session_id.len() > 32;
        // SSL 3 and TLS 1.0 have no extensions.
        if !c.is_empty() {
            let fits = extensions(&mut c, |kind, value| hello.extension(kind, value));
            hello.malformed |= !fits || !c.is_empty();
        }
        Some(hello)
    }

    /// From the payload of an SSL 2 record: type 1, version, three lengths, three bytes a cipher.
    pub(in crate::protocol) fn parse_ssl2(payload: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(payload);
        if c.u8()? != 1 {
            return None;
        }
        let version = c.u16()?;
        let (ciphers, session_id, challenge) = (c.u16()?, c.u16()?, c.u16()?);
        // Ciphers of later versions begin with a zero; the others have no number of two bytes.
        let kinds = c.take(usize::from(ciphers))?;
        let ciphers: Vec<u16> = kinds
            .chunks_exact(3)
            .filter_map(|kind| match kind {
                [0, a, b] => Some(u16::from_be_bytes([*a, *b])),
                _ => None,
            })
            .collect();
        let ssl2_ciphers = (kinds.len() / 3).saturating_sub(ciphers.len());
        let session_id = c.take(usize::from(session_id))?.to_vec();
        c.skip(usize::from(challenge))?;
        let malformed = !c.is_empty();
        Some(Self {
            version,
            session_id,
            ciphers,
            ssl2_form: true,
            ssl2_ciphers,
            malformed,
            ..Self::default()
        })
    }

    fn extension(&mut self, kind: u16, value: &[u8]) -> bool {
        self.extensions.push(kind);
        let mut c = Cursor::new(value);
        let read = match kind {
            extension::SERVER_NAME => self.server_name(&mut c),
            extension::SUPPORTED_GROUPS => long_vector(&mut c).map(|v| self.groups = u16s(v)),
            extension::EC_POINT_FORMATS => short_vector(&mut c).map(|v| self.point_formats = v.to_vec()),
            extension::SIGNATURE_ALGORITHMS => {
                long_vector(&mut c).map(|v| self.signature_algorithms = u16s(v))
            }
            extension::SUPPORTED_VERSIONS => short_vector(&mut c).map(|v| self.versions = u16s(v)),
            extension::ALPN => long_vector(&mut c).map(|v| {
                let mut names = Cursor::new(v);
                while let Some(name) = short_vector(&mut names) {
                    self.alpn.push(name.to_vec());
                }
            }),
            extension::QUIC_PARAMETERS | extension::QUIC_PARAMETERS_DRAFT => {
                self.quic_parameters = value.to_vec();
                Some(())
            }
            extension::SESSION_TICKET => {
                self.ticket = !value.is_empty();
                Some(())
            }
            _ => Some(()),
        };
        read.is_some()
    }

    /// The first host name of the list; there is no other type of name.
    fn server_name(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let mut names = Cursor::new(long_vector(c)?);
        let kind = names.u8()?;
        let name = long_vector(&mut names)?;
        if kind == 0 && !name.is_empty() {
            self.server_name = Some(name.to_vec());
        }
        Some(())
    }

    /// The highest version it offers, without GREASE. Versions of DTLS count downwards.
    pub(in crate::protocol) fn highest_version(&self) -> u16 {
        let versions = self.versions.iter().copied().filter(|v| !is_grease(*v));
        let highest = if self.version >> 8 == 0xfe { versions.min() } else { versions.max() };
        highest.unwrap_or(self.version)
    }

    pub(in crate::protocol) fn has(&self, kind: u16) -> bool {
        self.extensions.contains(&kind)
    }
}

/// What a server chose.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(in crate::protocol) struct ServerHello {
    /// The version field.
    pub(in crate::protocol) version: u16,
    pub(in crate::protocol) session_id: Vec<u8>,
    pub(in crate::protocol) cipher: u16,
    /// Types of the extensions.
    pub(in crate::protocol) extensions: Vec<u16>,
    /// Of the extension supported_versions.
    pub(in crate::protocol) selected_version: Option<u16>,
    /// Of the extension key_share.
    pub(in crate::protocol) group: Option<u16>,
    pub(in crate::protocol) alpn: Option<Vec<u8>>,
    /// Does it ask for another ClientHello?
    pub(in crate::protocol) is_retry: bool,
    /// Something in it contradicts itself.
    pub(in crate::protocol) malformed: bool,
}

/// The random of a HelloRetryRequest: SHA-256 of its name (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

impl ServerHello {
    /// From the body of the handshake message. `None`: not even the fixed part is there.
    pub(in crate::protocol) fn parse(body: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(body);
        let version = c.u16()?;
        let is_retry = c.array::<32>()? == RETRY_RANDOM;
        let mut hello = Self { version, is_retry, ..Self::default() };
        // Drafts of TLS 1.3 up to 21 (0x7f..) had neither session id nor compression here.
        let old_draft = version >> 8 == 0x7f;
        if !old_draft {
            hello.session_id = short_vector(&mut c)?.to_vec();
        }
        hello.cipher = c.u16()?;
        if !old_draft {
            c.skip(1)?;
        }
        hello.malformed = hello.session_id.len() > 32;
        if !c.is_empty() {
            let fits = extensions(&mut c, |kind, value| hello.extension(kind, value));
            hello.malformed |= !fits || !c.is_empty();
        }
        Some(hello)
    }

    fn extension(&mut self, kind: u16, value: &[u8]) -> bool {
        self.extensions.push(kind);
        let mut c = Cursor::new(value);
        let read = match kind {
            extension::SUPPORTED_VERSIONS => c.u16().map(|v| self.selected_version = Some(v)),
            extension::KEY_SHARE => c.u16().map(|g| self.group = Some(g)),
            extension::ALPN => long_vector(&mut c).and_then(|v| {
                self.alpn = Some(short_vector(&mut Cursor::new(v))?.to_vec());
                Some(())
            }),
            _ => Some(()),
        };
        read.is_some()
    }

    /// The version that will be spoken.
    pub(in crate::protocol) fn negotiated(&self) -> u16 {
        self.selected_version.unwrap_or(self.version)
    }

    /// Is all that follows encrypted, as in TLS 1.3 and its drafts?
    pub(in crate::protocol) fn is_tls13(&self) -> bool {
        let v = self.negotiated();
        v == 0x0304 || v == 0xfefc || v >> 8 == 0x7f || v >> 8 == 0xfb
    }
}

/// Bytes behind a length of one byte.
fn short_vector<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = c.u8()?;
    c.take(usize::from(n))
}

/// Bytes behind a length of two bytes.
fn long_vector<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = c.u16()?;
    c.take(usize::from(n))
}

fn u16s(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    pairs.filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes)).collect()
}

/// Walk a list of extensions; false when it contradicts itself.
fn extensions(c: &mut Cursor<'_>, mut each: impl FnMut(u16, &[u8]) -> bool) -> bool {
    let Some(list) = long_vector(c) else { return false };
    let mut list = Cursor::new(list);
    let mut fits = true;
    while !list.is_empty() {
        let (Some(kind), Some(value)) = (list.u16(), long_vector(&mut list)) else { return false };
        fits &= each(kind, value);
    }
    fits
}
