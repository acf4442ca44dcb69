//! Who is it? Addresses of the network and link layers.
//!
//! `Ip` keeps both families in 16 bytes (IPv4 as ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), because the
//! hot path hashes and compares millions of them. Consequence: an IPv6 packet that really carries a mapped
//! address prints as IPv4; the flow's `ip_version` still tells.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address in 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ip(pub [u8; 16]);

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Ip {
    /// From the four bytes of an IPv4 header.
    pub fn v4(b: [u8; 4]) -> Self {
        let [a, c, d, e] = b;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, c, d, e])
    }

    /// From the sixteen bytes of an IPv6 header.
    pub fn v6(b: [u8; 16]) -> Self {
        Self(b)
    }

    /// Is it (kept as) an IPv4 address?
    pub fn is_v4(&self) -> bool {
        self.0.starts_with(&MAPPED)
    }

    /// As the standard library's type.
    pub fn to_std(self) -> IpAddr {
        let [.., a, b, c, d] = self.0;
        if self.is_v4() { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) } else { IpAddr::V6(Ipv6Addr::from(self.0)) }
    }

    /// The address bytes as on the wire: 4 or 16.
    pub fn wire(&self) -> &[u8] {
        if self.is_v4() { self.0.get(12..).unwrap_or(&[]) } else { &self.0 }
    }

    /// Multicast of either family (224.0.0.0/4, ff00::/8) or IPv4's limited broadcast.
    pub fn is_multicast(&self) -> bool {
        match self.to_std() {
            IpAddr::V4(a) => a.is_multicast() || a.is_broadcast(),
            IpAddr::V6(a) => a.is_multicast(),
        }
    }
}

impl From<IpAddr> for Ip {
    fn from(a: IpAddr) -> Self {
        match a {
            IpAddr::V4(a) => Self::v4(a.octets()),
            IpAddr::V6(a) => Self::v6(a.octets()),
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_std().fmt(f)
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A link-layer (EUI-48) address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All zero: the link layer has no addresses, or none was seen.
    pub const NONE: Self = Self([0; 6]);

    /// Is there an address at all?
    pub fn is_some(&self) -> bool {
        *self != Self::NONE
    }

    /// Group bit set: multicast or broadcast, never a sender.
    pub fn is_group(&self) -> bool {
        self.0.first().is_some_and(|b| b & 1 == 1)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_print_canonically() {
        assert_eq!(Ip::v4([10, 0, 0, 1]).to_string(), "10.0.0.1");
        assert_eq!(Ip::v6(Ipv6Addr::LOCALHOST.octets()).to_string(), "::1");
        assert_eq!(Ip::from(IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4))).wire(), [1, 2, 3, 4]);
        assert_eq!(Mac([0, 1, 2, 0xab, 4, 5]).to_string(), "00:01:02:ab:04:05");
    }

    #[test]
    fn broadcast_counts_as_multicast() {
        assert!(Ip::v4([255; 4]).is_multicast() && Ip::v4([239, 0, 0, 1]).is_multicast());
        assert!(!Ip::v4([10, 255, 255, 255]).is_multicast());
    }
}
