//! What is kept of one TLS handshake?
//!
//! The table `tls` and its typed record. Certificates are rows of `x509` with the same flow_id.

use super::names::{cipher, version};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One row per handshake.
pub static TLS: Table = Table::record(
    "tls",
    "One row is one TLS, SSL or DTLS handshake, complete or not. ts is its first hello. Certificates are in x509 under the same flow_id.",
    &[
        col(
            "version",
            T::Text,
            "",
            "Version that the server chose, such as TLSv1.3; NULL when its hello was not seen.",
        ),
        col(
            "client_version",
            T::Text,
            "",
            "Highest version that the client offers; NULL when its hello was not seen.",
        ),
        col(
            "versions_offered",
            T::Text,
            "",
            "Versions in the client's supported_versions, in its order; NULL without that extension.",
        ),
        col("server_name", T::Text, "", "Name of the server in clear (SNI), lower case; NULL without one."),
        col(
            "alpn_offered",
            T::Text,
            "",
            "Application protocols that the client offers (ALPN), in its order; NULL without any.",
        ),
        col(
            "alpn",
            T::Text,
            "",
            "Application protocol that the server chose in clear; NULL without one, and always in TLS 1.3.",
        ),
        col(
            "cipher",
            T::Text,
            "",
            "Cipher suite that the server chose, by its IANA name; NULL when its hello was not seen.",
        ),
        col(
            "ciphers_offered",
            T::U16,
            "",
            "Cipher suites that the client offers, without GREASE; NULL when its hello was not seen.",
        ),
        col(
            "curve",
            T::Text,
            "",
            "Group of the key exchange, such as x25519; NULL when not seen or without one.",
        ),
        col("dh_bits", T::U16, "bits", "Size of the prime of a finite-field key exchange; NULL without one."),
        col(
            "groups_offered",
            T::Text,
            "",
            "Groups that the client offers, in its order, without GREASE; NULL without that extension.",
        ),
        col(
            "extensions_offered",
            T::U16,
            "",
            "Extensions in the client's hello, without GREASE; NULL when it was not seen.",
        ),
        col(
            "resumed",
            T::Bool,
            "",
            "Was an earlier session resumed (its id echoed, its ticket or key accepted)? NULL when the server's hello was not seen.",
        ),
        col("early_data", T::Bool, "", "Did the client announce data before the handshake's end (0-RTT)?"),
        col(
            "ech",
            T::Bool,
            "",
            "Did the client send an encrypted hello or server name (or GREASE of it)? server_name may be a cover then.",
        ),
        col("srtp", T::Bool, "", "Did the client offer to make keys for SRTP (use_srtp), as WebRTC does?"),
        col(
            "hello_retry",
            T::Bool,
            "",
            "Did the server ask for another ClientHello (in DTLS: also one with a cookie)?",
        ),
        col(
            "client_cert_requested",
            T::Bool,
            "",
            "Did the server ask the client for a certificate in clear?",
        ),
        col(
            "ja3",
            T::Text,
            "",
            "JA3 fingerprint of the client's hello (MD5); NULL when it was not seen or had the form of SSL 2.",
        ),
        col("ja3s", T::Text, "", "JA3S fingerprint of the server's hello (MD5); NULL when it was not seen."),
        col(
            "ja4",
            T::Text,
            "",
            "JA4 fingerprint of the client's hello; NULL when it was not seen or had the form of SSL 2.",
        ),
        col("server_certs", T::U8, "", "Certificates that the server showed in clear."),
        col("client_certs", T::U8, "", "Certificates that the client showed in clear."),
        col("subject", T::Text, "", "Subject of the server's own certificate; NULL when none was seen."),
        col("issuer", T::Text, "", "Issuer of the server's own certificate; NULL when none was seen."),
        col(
            "cert_sha256",
            T::Text,
            "",
            "SHA-256 of the server's own certificate; joins x509.sha256; NULL when none was seen.",
        ),
        col(
            "alert",
            T::Text,
            "",
            "Last alert in clear, a fatal one before others: who, level and name; NULL without one.",
        ),
        col(
            "heartbeat_beyond_bytes",
            T::U16,
            "bytes",
            "Bytes that a heartbeat request asks for beyond what its record holds, the most of all; NULL without a request in clear.",
        ),
        col(
            "heartbeat_answer_bytes",
            T::U64,
            "bytes",
            "Bytes that heartbeat answers hold; NULL without an answer in clear.",
        ),
        col(
            "established",
            T::Bool,
            "",
            "Did both sides go on to encrypted data? False also when one side was not seen.",
        ),
        col(
            "handshake_s",
            T::F64,
            "seconds",
            "From the first hello until both sides had gone on to encrypted data; NULL if they did not.",
        ),
    ],
);

/// One handshake.
#[derive(Clone, Debug, Default)]
pub struct TlsHandshake {
    /// Version that the server chose, as on the wire.
    pub version: Option<u16>,
    /// Highest version that the client offers.
    pub client_version: Option<u16>,
    /// Versions of supported_versions, by name.
    pub versions_offered: Option<Box<str>>,
    /// Server name, lower case.
    pub server_name: Option<Box<str>>,
    /// ALPN names of the client.
    pub alpn_offered: Option<Box<str>>,
    /// ALPN name of the server.
    pub alpn: Option<Box<str>>,
    /// Cipher suite that the server chose (IANA number).
    pub cipher: Option<u16>,
    /// Number of cipher suites offered, without GREASE.
    pub ciphers_offered: Option<u16>,
    /// Group of the key exchange, by name.
    pub curve: Option<Box<str>>,
    /// Size of the prime in a finite-field key exchange, bits.
    pub dh_bits: Option<u16>,
    /// Groups of the client, by name.
    pub groups_offered: Option<Box<str>>,
    /// Number of extensions of the client, without GREASE.
    pub extensions_offered: Option<u16>,
    /// Was a session resumed?
    pub resumed: Option<bool>,
    /// Did the client announce early data?
    pub early_data: bool,
    /// Did the client send an encrypted hello or server name?
    pub ech: bool,
    /// Did the client offer SRTP keys?
    pub srtp: bool,
    /// Did the server ask for another hello?
    pub hello_retry: bool,
    /// Did the server ask for a certificate of the client?
    pub client_cert_requested: bool,
    /// JA3.
    pub ja3: Option<Box<str>>,
    /// JA3S.
    pub ja3s: Option<Box<str>>,
    /// JA4.
    pub ja4: Option<Box<str>>,
    /// Certificates of the server in clear.
    pub server_certs: u8,
    /// Certificates of the client in clear.
    pub client_certs: u8,
    /// Subject of the server's own certificate.
    pub subject: Option<Box<str>>,
    /// Issuer of the server's own certificate.
    pub issuer: Option<Box<str>>,
    /// SHA-256 of the server's own certificate.
    pub cert_sha256: Option<Box<str>>,
    /// Last alert in clear, a fatal one before others.
    pub alert: Option<Box<str>>,
    /// Bytes that a heartbeat request in clear asks for beyond what its record holds, the most of all; `None` without a request.
    pub heartbeat_beyond: Option<u16>,
    /// Bytes of heartbeat answers in clear.
    pub heartbeat_answer: Option<u64>,
    /// From the first hello until both sides sent encrypted data, nanoseconds; `None`: not established.
    pub established_after: Option<i64>,
}

impl Record for TlsHandshake {
    fn table(&self) -> &'static Table {
        &TLS
    }

    fn write(&self, row: &mut Row<'_>) {
        let version_text = |row: &mut Row<'_>, v: Option<u16>| match v {
            Some(v) => drop(row.display(&version(v))),
            None => drop(row.null()),
        };
        version_text(row, self.version);
        version_text(row, self.client_version);
        row.opt_text(self.versions_offered.as_deref())
            .opt_text(self.server_name.as_deref())
            .opt_text(self.alpn_offered.as_deref())
            .opt_text(self.alpn.as_deref())
            .opt_text(self.cipher.map(cipher).as_deref())
            .opt_u16(self.ciphers_offered)
            .opt_text(self.curve.as_deref())
            .opt_u16(self.dh_bits)
            .opt_text(self.groups_offered.as_deref())
            .opt_u16(self.extensions_offered)
            .opt_bool(self.resumed)
            .bool(self.early_data)
            .bool(self.ech)
            .bool(self.srtp)
            .bool(self.hello_retry)
            .bool(self.client_cert_requested)
            .opt_text(self.ja3.as_deref())
            .opt_text(self.ja3s.as_deref())
            .opt_text(self.ja4.as_deref())
            .u8(self.server_certs)
            .u8(self.client_certs)
            .opt_text(self.subject.as_deref())
            .opt_text(self.issuer.as_deref())
            .opt_text(self.cert_sha256.as_deref())
            .opt_text(self.alert.as_deref())
            .opt_u16(self.heartbeat_beyond)
            .opt_u64(self.heartbeat_answer)
            .bool(self.established_after.is_some())
            .opt_f64(self.established_after.map(|ns| ns as f64 / 1e9));
    }
}
