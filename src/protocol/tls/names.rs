//! What are the numbers of TLS called?
//!
//! Names of the IANA TLS registries for versions, the cipher suites that are met in practice, groups and alerts. A
//! number without a name here is shown as four hexadecimal digits.

use std::fmt;

/// A cipher suite, version or group: prints its registered name, else its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::protocol) struct Named(
    pub(in crate::protocol) Option<&'static str>,
    pub(in crate::protocol) u16,
);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(name), _) => f.write_str(name),
            Self(None, number) => write!(f, "0x{number:04x}"),
        }
    }
}

/// The name of a protocol version.
pub(in crate::protocol) fn version(number: u16) -> Named {
    let name = match number {
        0x0002 => "SSLv2",
        0x0300 => "SSLv3",
        0x0301 => "TLSv1.0",
        0x0302 => "TLSv1.1",
        0x0303 => "TLSv1.2",
        0x0304 => "TLSv1.3",
        0x0100 | 0xfeff => "DTLSv1.0",
        0xfefd => "DTLSv1.2",
        0xfefc => "DTLSv1.3",
        _ => return Named(None, number),
    };
    Named(Some(name), number)
}

/// The name of a group (curve or finite field).
pub(in crate::protocol) fn group(number: u16) -> Named {
    let name = match number {
        9 => "sect283k1",
        10 => "sect283r1",
        11 => "sect409k1",
        12 => "sect409r1",
        13 => "sect571k1",
        14 => "sect571r1",
        19 => "secp192r1",
        21 => "secp224r1",
        22 => "secp256k1",
        23 => "secp256r1",
        24 => "secp384r1",
        25 => "secp521r1",
        26 => "brainpoolP256r1",
        27 => "brainpoolP384r1",
        28 => "brainpoolP512r1",
        29 => "x25519",
        30 => "x448",
        41 => "curveSM2",
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x0103 => "ffdhe6144",
        0x0104 => "ffdhe8192",
        0x11ec => "X25519MLKEM768",
        0x6399 => "X25519Kyber768Draft00",
        _ => return Named(None, number),
    };
    Named(Some(name), number)
}

/// The name of an alert (RFC 8446 section 6).
pub(in crate::protocol) fn alert(number: u8) -> Named {
    let name = match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return Named(None, u16::from(number)),
    };
    Named(Some(name), u16::from(number))
}

/// The registered name of a cipher suite, with its `TLS_`.
pub(in crate::protocol) fn cipher(number: u16) -> String {
    match CIPHERS.binary_search_by_key(&number, |(n, _)| *n).ok().and_then(|at| CIPHERS.get(at)) {
        Some((_, name)) => format!("TLS_{name}"),
        None => format!("0x{number:04x}"),
    }
}

/// Cipher suites by number; their names without `TLS_`.
const CIPHERS: &[(u16, &str)] = &[
    (0x0000, "NULL_WITH_NULL_NULL"),
    (0x0001, "RSA_WITH_NULL_MD5"),
    (0x0002, "RSA_WITH_NULL_SHA"),
    (0x0003, "RSA_EXPORT_WITH_RC4_40_MD5"),
    (0x0004, "RSA_WITH_RC4_128_MD5"),
    (0x0005, "RSA_WITH_RC4_128_SHA"),
    (0x0006, "RSA_EXPORT_WITH_RC2_CBC_40_MD5"),
    (0x0007, "RSA_WITH_IDEA_CBC_SHA"),
    (0x0008, "RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0009, "RSA_WITH_DES_CBC_SHA"),
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0011, "DHE_DSS_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0012, "DHE_DSS_WITH_DES_CBC_SHA"),
    (0x0013, "DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
    (0x0014, "DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    (0x0015, "DHE_RSA_WITH_DES_CBC_SHA"),
    (0x0016, "DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0017, "DH_anon_EXPORT_WITH_RC4_40_MD5"),
    (0x0018, "DH_anon_WITH_RC4_128_MD5"),
    (0x0019, "DH_anon_EXPORT_WITH_DES40_CBC_SHA"),
    (0x001a, "DH_anon_WITH_DES_CBC_SHA"),
    (0x001b, "DH_anon_WITH_3DES_EDE_CBC_SHA"),
    (0x002c, "PSK_WITH_NULL_SHA"),
    (0x002d, "DHE_PSK_WITH_NULL_SHA"),
    (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
    (0x0032, "DHE_DSS_WITH_AES_128_CBC_SHA"),
    (0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0034, "DH_anon_WITH_AES_128_CBC_SHA"),
    (0x0035, "RSA_WITH_AES_256_CBC_SHA"),
    (0x0038, "DHE_DSS_WITH_AES_256_CBC_SHA"),
    (0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x003a, "DH_anon_WITH_AES_256_CBC_SHA"),
    (0x003b, "RSA_WITH_NULL_SHA256"),
    (0x003c, "RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "RSA_WITH_AES_256_CBC_SHA256"),
    (0x0040, "DHE_DSS_WITH_AES_128_CBC_SHA256"),
    (0x0041, "RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0045, "DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    (0x0060, "RSA_EXPORT1024_WITH_RC4_56_MD5"),
    (0x0061, "RSA_EXPORT1024_WITH_RC2_CBC_56_MD5"),
    (0x0062, "RSA_EXPORT1024_WITH_DES_CBC_SHA"),
    (0x0064, "RSA_EXPORT1024_WITH_RC4_56_SHA"),
    (0x0066, "DHE_DSS_WITH_RC4_128_SHA"),
    (0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006a, "DHE_DSS_WITH_AES_256_CBC_SHA256"),
    (0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x006c, "DH_anon_WITH_AES_128_CBC_SHA256"),
    (0x006d, "DH_anon_WITH_AES_256_CBC_SHA256"),
    (0x0084, "RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x0088, "DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    (0x008a, "PSK_WITH_RC4_128_SHA"),
    (0x008b, "PSK_WITH_3DES_EDE_CBC_SHA"),
    (0x008c, "PSK_WITH_AES_128_CBC_SHA"),
    (0x008d, "PSK_WITH_AES_256_CBC_SHA"),
    (0x008e, "DHE_PSK_WITH_RC4_128_SHA"),
    (0x008f, "DHE_PSK_WITH_3DES_EDE_CBC_SHA"),
    (0x0090, "DHE_PSK_WITH_AES_128_CBC_SHA"),
    (0x0091, "DHE_PSK_WITH_AES_256_CBC_SHA"),
    (0x0096, "RSA_WITH_SEED_CBC_SHA"),
    (0x009a, "DHE_RSA_WITH_SEED_CBC_SHA"),
    (0x009c, "RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "RSA_WITH_AES_256_GCM_SHA384"),
    (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x00a2, "DHE_DSS_WITH_AES_128_GCM_SHA256"),
    (0x00a3, "DHE_DSS_WITH_AES_256_GCM_SHA384"),
    (0x00a6, "DH_anon_WITH_AES_128_GCM_SHA256"),
    (0x00a7, "DH_anon_WITH_AES_256_GCM_SHA384"),
    (0x00a8, "PSK_WITH_AES_128_GCM_SHA256"),
    (0x00a9, "PSK_WITH_AES_256_GCM_SHA384"),
    (0x00aa, "DHE_PSK_WITH_AES_128_GCM_SHA256"),
    (0x00ab, "DHE_PSK_WITH_AES_256_GCM_SHA384"),
    (0x00ae, "PSK_WITH_AES_128_CBC_SHA256"),
    (0x00af, "PSK_WITH_AES_256_CBC_SHA384"),
    (0x00b0, "PSK_WITH_NULL_SHA256"),
    (0x00b1, "PSK_WITH_NULL_SHA384"),
    (0x00b2, "DHE_PSK_WITH_AES_128_CBC_SHA256"),
    (0x00b3, "DHE_PSK_WITH_AES_256_CBC_SHA384"),
    (0x00b4, "DHE_PSK_WITH_NULL_SHA256"),
    (0x00b5, "DHE_PSK_WITH_NULL_SHA384"),
    (0x00ff, "EMPTY_RENEGOTIATION_INFO_SCSV"),
    (0x1301, "AES_128_GCM_SHA256"),
    (0x1302, "AES_256_GCM_SHA384"),
    (0x1303, "CHACHA20_POLY1305_SHA256"),
    (0x1304, "AES_128_CCM_SHA256"),
    (0x1305, "AES_128_CCM_8_SHA256"),
    (0x5600, "FALLBACK_SCSV"),
    (0xc002, "ECDH_ECDSA_WITH_RC4_128_SHA"),
    (0xc003, "ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc004, "ECDH_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc005, "ECDH_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc006, "ECDHE_ECDSA_WITH_NULL_SHA"),
    (0xc007, "ECDHE_ECDSA_WITH_RC4_128_SHA"),
    (0xc008, "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc00c, "ECDH_RSA_WITH_RC4_128_SHA"),
    (0xc00d, "ECDH_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc00e, "ECDH_RSA_WITH_AES_128_CBC_SHA"),
    (0xc00f, "ECDH_RSA_WITH_AES_256_CBC_SHA"),
    (0xc010, "ECDHE_RSA_WITH_NULL_SHA"),
    (0xc011, "ECDHE_RSA_WITH_RC4_128_SHA"),
    (0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc025, "ECDH_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc026, "ECDH_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc029, "ECDH_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc02a, "ECDH_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc02b, "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02d, "ECDH_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02e, "ECDH_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc031, "ECDH_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc032, "ECDH_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc033, "ECDHE_PSK_WITH_RC4_128_SHA"),
    (0xc034, "ECDHE_PSK_WITH_3DES_EDE_CBC_SHA"),
    (0xc035, "ECDHE_PSK_WITH_AES_128_CBC_SHA"),
    (0xc036, "ECDHE_PSK_WITH_AES_256_CBC_SHA"),
    (0xc037, "ECDHE_PSK_WITH_AES_128_CBC_SHA256"),
    (0xc038, "ECDHE_PSK_WITH_AES_256_CBC_SHA384"),
    (0xc039, "ECDHE_PSK_WITH_NULL_SHA"),
    (0xc03a, "ECDHE_PSK_WITH_NULL_SHA256"),
    (0xc03b, "ECDHE_PSK_WITH_NULL_SHA384"),
    (0xc0ac, "ECDHE_ECDSA_WITH_AES_128_CCM"),
    (0xc0ad, "ECDHE_ECDSA_WITH_AES_256_CCM"),
    (0xc0ae, "ECDHE_ECDSA_WITH_AES_128_CCM_8"),
    (0xc0af, "ECDHE_ECDSA_WITH_AES_256_CCM_8"),
    (0xcc13, "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcc14, "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcc15, "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca8, "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca9, "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccaa, "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccab, "PSK_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccac, "ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"),
    (0xccad, "DHE_PSK_WITH_CHACHA20_POLY1305_SHA256"),
    (0xd001, "ECDHE_PSK_WITH_AES_128_GCM_SHA256"),
    (0xd002, "ECDHE_PSK_WITH_AES_256_GCM_SHA384"),
    (0xd003, "ECDHE_PSK_WITH_AES_128_CCM_8_SHA256"),
    (0xd005, "ECDHE_PSK_WITH_AES_128_CCM_SHA256"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_numbers_stay() {
        assert!(CIPHERS.windows(2).all(|w| w[0].0 < w[1].0), "binary search needs order");
        assert_eq!(cipher(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cipher(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(cipher(0xfafa), "0xfafa");
        assert_eq!((version(0x0303).to_string(), group(29).to_string()), ("TLSv1.2".into(), "x25519".into()));
        assert_eq!(
            (alert(40).to_string(), alert(200).to_string()),
            ("handshake_failure".into(), "0x00c8".into())
        );
    }
}
