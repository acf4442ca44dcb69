//! Which name do other tools give the same flow?
//!
//! Community ID version 1 (https://github.com/corelight/community-id-spec): SHA-1 over seed, ordered addresses, protocol and ordered
//! ports, in Base64, the same for both directions. Zeek, Suricata and Arkime log it too, so rows can be joined. ICMP
//! requests and replies count as two directions; other ICMP messages have none.

use super::key::counterpart;
use crate::model::flow::{Tuple, ip_protocol};
use sha1::{Digest, Sha1};
use std::fmt;

/// Length of the text: `1:` and 20 bytes in Base64.
const LEN: usize = 30;

/// A Community ID as text, without an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommunityId([u8; LEN]);

impl CommunityId {
    /// Of a flow, with the default seed 0.
    pub fn of(tuple: &Tuple) -> Self {
        Self::seeded(tuple, 0)
    }

    /// Of a flow, with a seed that sites may agree on.
    pub fn seeded(tuple: &Tuple, seed: u16) -> Self {
        let mut near = (tuple.src.wire(), tuple.src_port);
        let mut far = (tuple.dst.wire(), tuple.dst_port);
        let mut ordered = true;
        if matches!(tuple.protocol, ip_protocol::ICMP | ip_protocol::ICMP6) {
            match counterpart(tuple.protocol, tuple.src_port) {
                Some(other) => far.1 = other,
                None => ordered = false,
            }
        }
        if ordered && (far.0, far.1) < (near.0, near.1) {
            std::mem::swap(&mut near, &mut far);
        }
        let mut hash = Sha1::new();
        hash.update(seed.to_be_bytes());
        hash.update(near.0);
        hash.update(far.0);
        hash.update([tuple.protocol, 0]);
        if has_ports(tuple.protocol) {
            hash.update(near.1.to_be_bytes());
            hash.update(far.1.to_be_bytes());
        }
        Self(encode(&hash.finalize().into()))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Protocols whose ports (or types) are hashed.
fn has_ports(protocol: u8) -> bool {
    use ip_protocol::{ICMP, ICMP6, SCTP, TCP, UDP};
    matches!(protocol, ICMP | ICMP6 | SCTP | TCP | UDP)
}

/// `1:` and Base64 (RFC 4648) of a SHA-1.
fn encode(digest: &[u8; 20]) -> [u8; LEN] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; LEN];
    let [version, colon, base64 @ ..] = &mut text;
    (*version, *colon) = (b'1', b':');
    for (group, place) in digest.chunks(3).zip(base64.chunks_mut(4)) {
        let bits = group.iter().fold(0u32, |bits, &b| bits << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for (i, c) in place.iter_mut().take(group.len() + 1).enumerate() {
            *c = ALPHABET.get((bits >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'=');
        }
    }
    text
}

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::addr::Ip;
    use std::net::IpAddr;

    fn id(src: &str, dst: &str, src_port: u16, dst_port: u16, protocol: u8, seed: u16) -> String {
        let ip = |s: &str| Ip::from(s.parse::<IpAddr>().unwrap());
        let t = Tuple { src: ip(src), dst: ip(dst), src_port, dst_port, protocol };
        CommunityId::seeded(&t, seed).to_string()
    }

    /// The vectors that the specification's reference implementation is tested with.
    #[test]
    fn published_vectors() {
        for (a, b, p, q, protocol, want) in [
            ("128.232.110.120", "66.35.250.204", 34855, 80, 6, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            ("10.0.0.1", "10.0.0.2", 10, 11569, 6, "1:SXBGMX1lBOwhhoDrZynfROxnhnM="),
            ("192.168.1.52", "8.8.8.8", 54585, 53, 17, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
            ("192.168.170.8", "192.168.170.56", 7, 80, 132, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
            ("10.1.24.4", "10.1.12.1", 0, 0, 46, "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
        ] {
            assert_eq!(id(a, b, p, q, protocol, 0), want);
            assert_eq!(id(b, a, q, p, protocol, 0), want, "the same for both directions");
        }
        for (a, b, kind, code, protocol, want) in [
            ("192.168.0.89", "192.168.0.1", 8, 0, 1, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            ("192.168.0.1", "192.168.0.89", 0, 8, 1, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
            ("192.168.0.89", "192.168.0.1", 20, 0, 1, "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="),
            ("192.168.0.89", "192.168.0.1", 20, 1, 1, "1:tz/fHIDUHs19NkixVVoOZywde+I="),
            (
                "fe80::200:86ff:fe05:80da",
                "fe80::260:97ff:fe07:69ea",
                135,
                0,
                58,
                "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            ),
            (
                "fe80::260:97ff:fe07:69ea",
                "fe80::200:86ff:fe05:80da",
                136,
                0,
                58,
                "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
            ),
            (
                "3ffe:507:0:1:260:97ff:fe07:69ea",
                "3ffe:507:0:1:200:86ff:fe05:80da",
                3,
                0,
                58,
                "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w=",
            ),
        ] {
            assert_eq!(id(a, b, kind, code, protocol, 0), want, "{a} {kind}/{code}");
        }
        assert_eq!(id("10.1.24.4", "10.1.12.1", 0, 0, 46, 1), "1:BK3BVW3U2eemuwVQVN3zd/GULno=");
    }
}
