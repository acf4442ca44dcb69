//! Who does this certificate say it is?
//!
//! RFC 5280, parsed with `x509-parser`. One row a certificate that was seen in clear. Refuses to verify signatures, chains or
//! validity: the row has the facts to ask about.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};
use crate::model::time::Timestamp;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// One row per certificate.
pub static X509: Table = Table::record(
    "x509",
    "One row is one certificate as one side of a TLS handshake showed it. ts is when it was complete. Joins tls by flow_id.",
    &[
        col("from_client", T::Bool, "", "Did the client show it? Else the server."),
        col("position", T::U8, "", "Place in the chain, from 0: the owner's own certificate."),
        col("subject", T::Text, "", "Whom it names, as a distinguished name; cut at 512 bytes."),
        col("issuer", T::Text, "", "Who issued it, as a distinguished name; cut at 512 bytes."),
        col("common_name", T::Text, "", "Common name of the subject; NULL without one."),
        col("serial", T::Text, "", "Serial number in hexadecimal."),
        col("not_before", T::Time, "UTC", "Begin of its validity."),
        col("not_after", T::Time, "UTC", "End of its validity; times after April 2262 are shown as that."),
        col(
            "san_dns",
            T::TextList,
            "",
            "DNS names it is valid for (subjectAltName), the first 64; empty without any.",
        ),
        col(
            "san_ip",
            T::TextList,
            "",
            "Addresses it is valid for (subjectAltName), the first 64; empty without any.",
        ),
        col("san_count", T::U16, "", "Alternative names of all kinds in it."),
        col(
            "key_type",
            T::Text,
            "",
            "Kind of public key: rsa, ec, dsa, ed25519, ed448, gost, else its object identifier.",
        ),
        col("key_bits", T::U16, "bits", "Size of the public key; NULL when its kind does not tell."),
        col("key_curve", T::Text, "", "Curve of an elliptic key; NULL for other keys."),
        col(
            "signature_algorithm",
            T::Text,
            "",
            "Algorithm of the issuer's signature, such as sha256WithRSAEncryption, else its object identifier.",
        ),
        col("is_ca", T::Bool, "", "May it issue other certificates (basicConstraints)?"),
        col(
            "self_issued",
            T::Bool,
            "",
            "Are subject and issuer the same? Then it is most likely self-signed; signatures are not checked.",
        ),
        col("version", T::U8, "", "X.509 version, 1 to 3."),
        col("size", T::U32, "bytes", "Length of the certificate (DER)."),
        col("sha1", T::Text, "", "SHA-1 fingerprint."),
        col("sha256", T::Text, "", "SHA-256 fingerprint."),
    ],
);

/// Longest distinguished name kept, bytes; RFC 5280 appendix A allows parts of 64, real ones stay below 300.
const NAME_CAP: usize = 512;

/// Alternative names kept of each kind: shared certificates list up to a few hundred, the first ones tell.
const SAN_CAP: usize = 64;

/// Longest DNS name kept, bytes (RFC 1035 allows 253 characters).
const DNS_CAP: usize = 255;

/// One certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Shown by the client?
    pub from_client: bool,
    /// Place in the chain, from 0.
    pub position: u8,
    /// Subject.
    pub subject: Box<str>,
    /// Issuer.
    pub issuer: Box<str>,
    /// Common name of the subject.
    pub common_name: Option<Box<str>>,
    /// Serial number, hexadecimal.
    pub serial: Box<str>,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// DNS names.
    pub san_dns: Vec<Box<str>>,
    /// Addresses.
    pub san_ip: Vec<Box<str>>,
    /// Alternative names of all kinds.
    pub san_count: u16,
    /// Kind of public key.
    pub key_type: Box<str>,
    /// Size of the public key, bits.
    pub key_bits: Option<u16>,
    /// Curve of an elliptic key.
    pub key_curve: Option<Box<str>>,
    /// Signature algorithm.
    pub signature_algorithm: Box<str>,
    /// May it issue others?
    pub is_ca: bool,
    /// Are subject and issuer the same?
    pub self_issued: bool,
    /// X.509 version.
    pub version: u8,
    /// Length, bytes.
    pub size: u32,
    /// SHA-1 fingerprint.
    pub sha1: Box<str>,
    /// SHA-256 fingerprint.
    pub sha256: Box<str>,
}

impl Certificate {
    /// From its DER form. `None`: it cannot be parsed.
    pub fn parse(der: &[u8], from_client: bool, position: u8) -> Option<Self> {
        let (_, cert) = X509Certificate::from_der(der).ok()?;
        let tbs = &cert.tbs_certificate;
        let names = cert.subject_alternative_name().ok().flatten();
        let names = names.map_or(&[][..], |ext| ext.value.general_names.as_slice());
        let (mut san_dns, mut san_ip) = (Vec::new(), Vec::new());
        for name in names {
            match name {
                GeneralName::DNSName(dns) if san_dns.len() < SAN_CAP => {
                    san_dns.push(printable(dns.as_bytes(), DNS_CAP).into());
                }
                GeneralName::IPAddress(bytes) if san_ip.len() < SAN_CAP => san_ip.extend(address(bytes)),
                _ => {}
            }
        }
        let (key_type, key_bits, key_curve) = key(&tbs.subject_pki);
        let common_name = tbs.subject.iter_common_name().next().and_then(|cn| cn.as_str().ok());
        let serial = tbs.raw_serial();
        let serial = match serial {
            // The sign byte of a positive number.
            [0, rest @ ..] if !rest.is_empty() => rest,
            _ => serial,
        };
        let time = |t: x509_parser::time::ASN1Time| Timestamp::from_secs_nanos(t.timestamp(), 0);
        Some(Self {
            from_client,
            position,
            subject: name(&tbs.subject),
            issuer: name(&tbs.issuer),
            common_name: common_name.map(|cn| printable(cn.as_bytes(), NAME_CAP).into()),
            serial: hex(serial.get(..64).unwrap_or(serial)).into(),
            not_before: time(tbs.validity.not_before),
            not_after: time(tbs.validity.not_after),
            san_dns,
            san_ip,
            san_count: u16::try_from(names.len()).unwrap_or(u16::MAX),
            key_type,
            key_bits,
            key_curve,
            signature_algorithm: signature(&cert.signature_algorithm.algorithm.to_id_string()),
            is_ca: cert.is_ca(),
            self_issued: tbs.subject.as_raw() == tbs.issuer.as_raw(),
            version: u8::try_from(tbs.version.0.saturating_add(1)).unwrap_or(u8::MAX),
            size: u32::try_from(der.len()).unwrap_or(u32::MAX),
            sha1: hex(&Sha1::digest(der)).into(),
            sha256: hex(&Sha256::digest(der)).into(),
        })
    }
}

fn name(name: &X509Name<'_>) -> Box<str> {
    printable(name.to_string().as_bytes(), NAME_CAP).into()
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let ip = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(ip.to_string().into())
}

/// Kind, size and curve of a public key.
fn key(info: &SubjectPublicKeyInfo<'_>) -> (Box<str>, Option<u16>, Option<Box<str>>) {
    let oid = info.algorithm.algorithm.to_id_string();
    // RFC 8410 keys are not among those the crate knows.
    match oid.as_str() {
        "1.3.101.112" => return ("ed25519".into(), Some(256), None),
        "1.3.101.113" => return ("ed448".into(), Some(456), None),
        _ => {}
    }
    let bits = |n: usize| u16::try_from(n).ok();
    match info.parsed() {
        Ok(PublicKey::RSA(rsa)) => ("rsa".into(), integer_bits(rsa.modulus), None),
        Ok(PublicKey::EC(point)) => {
            let parameters = info.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|p| p.as_oid().ok()).map(|oid| oid.to_id_string());
            let (name, size) = match curve.as_deref() {
                Some("1.2.840.10045.3.1.7") => ("secp256r1", 256),
                Some("1.3.132.0.34") => ("secp384r1", 384),
                Some("1.3.132.0.35") => ("secp521r1", 521),
                Some("1.3.132.0.10") => ("secp256k1", 256),
                Some(other) => (other, point.key_size()),
                None => return ("ec".into(), bits(point.key_size()), None),
            };
            ("ec".into(), bits(size), Some(name.into()))
        }
        Ok(PublicKey::DSA(y)) => ("dsa".into(), integer_bits(y), None),
        Ok(PublicKey::GostR3410(_) | PublicKey::GostR3410_2012(_)) => ("gost".into(), None, None),
        Ok(PublicKey::Unknown(_)) | Err(_) => (oid.into(), None, None),
    }
}

/// Significant bits of an unsigned integer; `None` beyond any key in use.
fn integer_bits(bytes: &[u8]) -> Option<u16> {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let rest = bytes.get(zeros..)?;
    let first = rest.first()?;
    u16::try_from(rest.len() * 8).ok()?.checked_sub(first.leading_zeros() as u16)
}

/// Names of signature algorithms (RFC 3279, 4055, 5758, 8410).
fn signature(oid: &str) -> Box<str> {
    match oid {
        "1.2.840.113549.1.1.2" => "md2WithRSAEncryption",
        "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => "sha1WithRSAEncryption",
        "1.2.840.113549.1.1.10" => "rsassaPss",
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.113549.1.1.14" => "sha224WithRSAEncryption",
        "1.2.840.10040.4.3" => "dsa-with-sha1",
        "1.2.840.10045.4.1" => "ecdsa-with-SHA1",
        "1.2.840.10045.4.3.1" => "ecdsa-with-SHA224",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "ed25519",
        "1.3.101.113" => "ed448",
        other => other,
    }
    .into()
}

impl Record for Certificate {
    fn table(&self) -> &'static Table {
        &X509
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_client)
            .u8(self.position)
            .text(&self.subject)
            .text(&self.issuer)
            .opt_text(self.common_name.as_deref())
            .text(&self.serial)
            .time(self.not_before)
            .time(self.not_after)
            .list(&self.san_dns)
            .list(&self.san_ip)
            .u16(self.san_count)
            .text(&self.key_type)
            .opt_u16(self.key_bits)
            .opt_text(self.key_curve.as_deref())
            .text(&self.signature_algorithm)
            .bool(self.is_ca)
            .bool(self.self_issued)
            .u8(self.version)
            .u32(self.size)
            .text(&self.sha1)
            .text(&self.sha256);
    }
}
