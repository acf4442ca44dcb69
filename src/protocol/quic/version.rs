//! Which QUIC is this version number?
//!
//! RFC 9000, RFC 9369, the drafts, Google's and Facebook's own. A version decides the salt and the labels of the keys of
//! Initial packets (RFC 9001 section 5.2, RFC 9369 section 3.3, and the same place of each draft) and the numbers of the packet types.

use std::fmt;

/// A version as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version(pub(super) u32);

/// RFC 9369 and its drafts.
const V2: u32 = 0x6b33_43cf;
const V2_DRAFT: u32 = 0x709a_50c4;

/// Kinds of packets with a long header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// What turns a connection id into keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Salt {
    pub(super) salt: [u8; 20],
    /// Labels of key, IV and header protection.
    pub(super) labels: [&'static [u8]; 3],
}

const LABELS: [&[u8]; 3] = [b"quic key", b"quic iv", b"quic hp"];
const LABELS_V2: [&[u8]; 3] = [b"quicv2 key", b"quicv2 iv", b"quicv2 hp"];

/// Version 1 and drafts 33 and 34.
const SALT_V1: Salt = Salt {
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    labels: LABELS,
};

/// Version 2.
const SALT_V2: Salt = Salt {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    labels: LABELS_V2,
};

/// Drafts of version 2 before its number was fixed.
const SALT_V2_DRAFT: Salt = Salt {
    salt: [
        0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06, 0xea, 0x7a,
        0xe3, 0xe5, 0xd3,
    ],
    labels: LABELS_V2,
};

/// Drafts 29 to 32.
const SALT_29: Salt = Salt {
    salt: [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ],
    labels: LABELS,
};

/// Drafts 23 to 28.
const SALT_23: Salt = Salt {
    salt: [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ],
    labels: LABELS,
};

/// Draft 22.
const SALT_22: Salt = Salt {
    salt: [
        0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02,
        0x64, 0x41, 0x90,
    ],
    labels: LABELS,
};

/// Google's Q050.
const SALT_Q050: Salt = Salt {
    salt: [
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
        0xb5, 0x6b, 0x45,
    ],
    labels: LABELS,
};

/// Google's T050.
const SALT_T050: Salt = Salt {
    salt: [
        0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60,
        0x48, 0x83, 0x10,
    ],
    labels: LABELS,
};

/// Google's T051.
const SALT_T051: Salt = Salt {
    salt: [
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda,
        0x6e, 0x03, 0x3d,
    ],
    labels: LABELS,
};

impl Version {
    /// Of the drafts: their number.
    fn draft(self) -> Option<u32> {
        matches!(self.0, 0xff00_0001..=0xff00_0022).then_some(self.0 & 0xff)
    }

    /// `Q0nn` and `T0nn` of Google.
    pub(super) fn google(self) -> Option<(u8, u8)> {
        match self.0.to_be_bytes() {
            [kind @ (b'Q' | b'T'), b'0', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                Some((kind, (tens - b'0') * 10 + (ones - b'0')))
            }
            _ => None,
        }
    }

    /// Facebook's numbers.
    fn facebook(self) -> bool {
        self.0 >> 8 == 0x00fa_ceb0
    }

    /// Reserved for asking the server which versions it has (RFC 9000 section 15).
    pub(super) fn reserved(self) -> bool {
        self.0 & 0x0f0f_0f0f == 0x0a0a_0a0a
    }

    /// Is it a version that somebody defined?
    pub(super) fn known(self) -> bool {
        matches!(self.0, 1 | V2 | V2_DRAFT)
            || self.draft().is_some()
            || self.google().is_some()
            || self.facebook()
    }

    /// Does it have the long header of the standard? Google's older ones have one of their own.
    pub(super) fn standard_header(self) -> bool {
        match self.google() {
            Some((kind, number)) => kind == b'T' || number >= 50,
            // Drafts before 22 pack the lengths of the connection ids.
            None => self.draft().is_none_or(|n| n >= 22),
        }
    }

    /// The type in the first byte of a long header (RFC 9369 section 3.2 has other numbers).
    pub(super) fn kind(self, first: u8) -> Kind {
        let number = first >> 4 & 3;
        match (matches!(self.0, V2 | V2_DRAFT), number) {
            (false, 0) | (true, 1) => Kind::Initial,
            (false, 1) | (true, 2) => Kind::ZeroRtt,
            (false, 2) | (true, 3) => Kind::Handshake,
            _ => Kind::Retry,
        }
    }

    /// Salts to try. Facebook's numbers and reserved ones do not say which draft is behind them; the right one shows itself by the
    /// authentication tag.
    pub(super) fn salts(self) -> &'static [Salt] {
        match self.0 {
            V2 => &[SALT_V2],
            V2_DRAFT => &[SALT_V2_DRAFT],
            1 => &[SALT_V1],
            _ => match (self.draft(), self.google()) {
                (Some(33..), _) => &[SALT_V1],
                (Some(29..), _) => &[SALT_29],
                (Some(23..), _) => &[SALT_23],
                (Some(22), _) => &[SALT_22],
                (_, Some((b'Q', 50))) => &[SALT_Q050],
                (_, Some((b'T', 50))) => &[SALT_T050],
                (_, Some((b'T', 51))) => &[SALT_T051],
                _ if self.facebook() => &[SALT_V1, SALT_29, SALT_23, SALT_22],
                _ if self.reserved() => &[SALT_V1, SALT_29],
                _ => &[],
            },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.draft(), self.google()) {
            (1, ..) => f.write_str("v1"),
            (V2, ..) => f.write_str("v2"),
            (V2_DRAFT, ..) => f.write_str("v2-draft"),
            (_, Some(draft), _) => write!(f, "draft-{draft}"),
            (_, _, Some((kind, number))) => write!(f, "{}{number:03}", kind as char),
            (0xface_b001, ..) => f.write_str("mvfst-22"),
            (0xface_b002, ..) => f.write_str("mvfst-27"),
            _ if self.facebook() => write!(f, "mvfst-{:x}", self.0 & 0xff),
            _ => write!(f, "0x{:08x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds() {
        let shown = |n: u32| Version(n).to_string();
        assert_eq!((shown(1), shown(V2), shown(0xff00_001d)), ("v1".into(), "v2".into(), "draft-29".into()));
        assert_eq!((shown(0x5130_3436), shown(0x5430_3531)), ("Q046".into(), "T051".into()));
        assert_eq!((shown(0xface_b002), shown(0x1a2a_3a4a)), ("mvfst-27".into(), "0x1a2a3a4a".into()));
        assert_eq!((Version(1).kind(0xc3), Version(V2).kind(0xd3)), (Kind::Initial, Kind::Initial));
        assert!(Version(0x1a2a_3a4a).reserved() && !Version(0x1a2a_3a4a).known());
        assert!(!Version(0x5130_3433).standard_header() && Version(0x5130_3530).standard_header());
    }
}
