//! What is kept of one QUIC connection?
//!
//! The table `quic` and its typed record. What TLS says in the clear part is here too, so that one table tells of the connection.

use super::version::Version;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::protocol::tls::names;

/// One row a connection.
pub static QUIC: Table = Table::record(
    "quic",
    "One row is one QUIC connection as far as its first packets can be read. ts is its first packet.",
    &[
        col("version", T::Text, "", "Version spoken: v1, v2, draft-29, Q046, mvfst-27 or a number."),
        col(
            "client_dcid",
            T::Text,
            "",
            "Connection id that the client first chose for the server, hexadecimal; NULL when its first packet was not seen.",
        ),
        col(
            "client_cid",
            T::Text,
            "",
            "Connection id of the client, hexadecimal; NULL when not seen or empty.",
        ),
        col(
            "server_cid",
            T::Text,
            "",
            "Connection id of the server, hexadecimal; NULL when not seen or empty.",
        ),
        col("server_name", T::Text, "", "Name of the server in clear (SNI), lower case; NULL without one."),
        col(
            "alpn_offered",
            T::Text,
            "",
            "Application protocols that the client offers, in its order, such as h3 or doq; NULL without any. The choice is encrypted.",
        ),
        col(
            "tls_version",
            T::Text,
            "",
            "Version of TLS that the server chose; NULL when its hello was not read.",
        ),
        col("cipher", T::Text, "", "Cipher suite that the server chose; NULL when its hello was not read."),
        col("curve", T::Text, "", "Group of the key exchange; NULL when the server's hello was not read."),
        col("ja3", T::Text, "", "JA3 fingerprint of the client's hello; NULL when it was not read."),
        col("ja3s", T::Text, "", "JA3S fingerprint of the server's hello; NULL when it was not read."),
        col("ja4", T::Text, "", "JA4 fingerprint of the client's hello; NULL when it was not read."),
        col(
            "user_agent",
            T::Text,
            "",
            "Program that the client names (Google's QUIC and Chrome); NULL without one.",
        ),
        col(
            "ech",
            T::Bool,
            "",
            "Did the client send an encrypted hello (or GREASE of it)? server_name may be a cover then.",
        ),
        col(
            "resumed",
            T::Bool,
            "",
            "Did the server accept a key of an earlier session? NULL when its hello was not read.",
        ),
        col("early_data", T::Bool, "", "Did the client send data before the handshake's end (0-RTT)?"),
        col("retry", T::Bool, "", "Did the server ask the client to come again with a token (Retry)?"),
        col("hello_retry", T::Bool, "", "Did the server ask for another ClientHello?"),
        col("version_negotiation", T::Bool, "", "Did the server refuse the client's first version?"),
        col(
            "server_versions",
            T::Text,
            "",
            "Versions that the server has, from its refusal; NULL without one.",
        ),
        col(
            "close",
            T::Text,
            "",
            "Who closed the connection during the handshake, with error code and reason; NULL when nobody did in clear.",
        ),
        col(
            "established",
            T::Bool,
            "",
            "Did the client go on with short headers after the server's hello? False also when a side was not seen.",
        ),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From the client's first packet to the server's first answer; NULL unless both were seen.",
        ),
    ],
);

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct QuicConnection {
    /// Version number as on the wire.
    pub version: u32,
    /// The client's choice for the server, hexadecimal.
    pub client_dcid: Option<Box<str>>,
    /// Connection id of the client, hexadecimal.
    pub client_cid: Option<Box<str>>,
    /// Connection id of the server, hexadecimal.
    pub server_cid: Option<Box<str>>,
    /// Server name, lower case.
    pub server_name: Option<Box<str>>,
    /// ALPN names of the client.
    pub alpn_offered: Option<Box<str>>,
    /// TLS version of the server's hello.
    pub tls_version: Option<u16>,
    /// Cipher suite (IANA number).
    pub cipher: Option<u16>,
    /// Group of the key exchange (IANA number).
    pub group: Option<u16>,
    /// JA3.
    pub ja3: Option<Box<str>>,
    /// JA3S.
    pub ja3s: Option<Box<str>>,
    /// JA4.
    pub ja4: Option<Box<str>>,
    /// Program that the client names.
    pub user_agent: Option<Box<str>>,
    /// Encrypted hello?
    pub ech: bool,
    /// Was a session resumed?
    pub resumed: Option<bool>,
    /// 0-RTT seen?
    pub early_data: bool,
    /// Retry seen?
    pub retry: bool,
    /// HelloRetryRequest seen?
    pub hello_retry: bool,
    /// Versions that the server has, from a version negotiation.
    pub server_versions: Option<Box<str>>,
    /// Who closed it, and why.
    pub close: Option<Box<str>>,
    /// Did the client go on with short headers?
    pub established: bool,
    /// Nanoseconds from the first packet to the first answer.
    pub rtt: Option<i64>,
}

impl Record for QuicConnection {
    fn table(&self) -> &'static Table {
        &QUIC
    }

    fn write(&self, row: &mut Row<'_>) {
        row.display(&Version(self.version))
            .opt_text(self.client_dcid.as_deref())
            .opt_text(self.client_cid.as_deref())
            .opt_text(self.server_cid.as_deref())
            .opt_text(self.server_name.as_deref())
            .opt_text(self.alpn_offered.as_deref());
        match self.tls_version {
            Some(v) => drop(row.display(&names::version(v))),
            None => drop(row.null()),
        }
        row.opt_text(self.cipher.map(names::cipher).as_deref());
        match self.group {
            Some(g) => drop(row.display(&names::group(g))),
            None => drop(row.null()),
        }
        row.opt_text(self.ja3.as_deref())
            .opt_text(self.ja3s.as_deref())
            .opt_text(self.ja4.as_deref())
            .opt_text(self.user_agent.as_deref())
            .bool(self.ech)
            .opt_bool(self.resumed)
            .bool(self.early_data)
            .bool(self.retry)
            .bool(self.hello_retry)
            .bool(self.server_versions.is_some())
            .opt_text(self.server_versions.as_deref())
            .opt_text(self.close.as_deref())
            .bool(self.established)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
