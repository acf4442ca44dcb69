//! What do the numbers of DNS mean?
//!
//! Names of record types, classes, response codes and operation codes, as registered with IANA (DNS parameters), and
//! those of NetBIOS (RFC 1002 section 4.2). Unknown types print as RFC 3597 section 5 says: `TYPE731`.

use std::borrow::Cow;

/// Record types that the code names.
pub mod rtype {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Name server.
    pub const NS: u16 = 2;
    /// Canonical name.
    pub const CNAME: u16 = 5;
    /// Start of a zone.
    pub const SOA: u16 = 6;
    /// Any bytes (RFC 1035, experimental; tunnels like it).
    pub const NULL: u16 = 10;
    /// Pointer to a name.
    pub const PTR: u16 = 12;
    /// Host information.
    pub const HINFO: u16 = 13;
    /// Mail exchanger.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address.
    pub const AAAA: u16 = 28;
    /// NetBIOS name (RFC 1002).
    pub const NB: u16 = 32;
    /// NetBIOS node status (RFC 1002); the same number as SRV.
    pub const NBSTAT: u16 = 33;
    /// Service.
    pub const SRV: u16 = 33;
    /// Naming authority pointer.
    pub const NAPTR: u16 = 35;
    /// Redirection of a subtree.
    pub const DNAME: u16 = 39;
    /// EDNS (RFC 6891).
    pub const OPT: u16 = 41;
    /// Delegation signer.
    pub const DS: u16 = 43;
    /// Signature.
    pub const RRSIG: u16 = 46;
    /// Next secure name.
    pub const NSEC: u16 = 47;
    /// Public key.
    pub const DNSKEY: u16 = 48;
    /// Service binding (RFC 9460).
    pub const SVCB: u16 = 64;
    /// Service binding for HTTPS.
    pub const HTTPS: u16 = 65;
    /// Sender policy.
    pub const SPF: u16 = 99;
    /// Certification authority authorization.
    pub const CAA: u16 = 257;
}

/// Numbers and names, in order of number.
const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP-PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (56, "NINFO"),
    (57, "RKEY"),
    (58, "TALINK"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (258, "AVC"),
    (259, "DOA"),
    (260, "AMTRELAY"),
    (261, "RESINFO"),
    (32768, "TA"),
    (32769, "DLV"),
];

/// Is the type registered?
pub fn is_known_type(number: u16) -> bool {
    TYPES.binary_search_by_key(&number, |t| t.0).is_ok()
}

/// The type's name. `netbios` says that the numbers of RFC 1002 hold.
pub fn type_name(number: u16, netbios: bool) -> Cow<'static, str> {
    match number {
        rtype::NB if netbios => return "NB".into(),
        rtype::NBSTAT if netbios => return "NBSTAT".into(),
        _ => {}
    }
    match TYPES.binary_search_by_key(&number, |t| t.0).ok().and_then(|i| TYPES.get(i)) {
        Some((_, name)) => (*name).into(),
        None => format!("TYPE{number}").into(),
    }
}

/// The name of a response code; codes above 15 need EDNS.
pub fn rcode_name(code: u16) -> Cow<'static, str> {
    let name = match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        11 => "DSOTYPENI",
        16 => "BADVERS",
        17 => "BADKEY",
        18 => "BADTIME",
        19 => "BADMODE",
        20 => "BADNAME",
        21 => "BADALG",
        22 => "BADTRUNC",
        23 => "BADCOOKIE",
        n => return format!("RCODE{n}").into(),
    };
    name.into()
}

/// Can a header carry this operation code? 5 to 9 and 15 are NetBIOS's too.
pub fn is_known_opcode(opcode: u8, netbios: bool) -> bool {
    matches!(opcode, 0..=2 | 4..=6) || (netbios && matches!(opcode, 7..=9 | 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_in_order() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(type_name(rtype::HTTPS, false), "HTTPS");
        assert_eq!(type_name(rtype::SRV, true), "NBSTAT");
        assert_eq!(type_name(731, false), "TYPE731");
        assert_eq!(rcode_name(3), "NXDOMAIN");
    }
}
