//! What is kept of one connection?
//!
//! The table `ssh`, the lists of both sides as sent, and what RFC 4253 section 7.1 chooses from them.

use super::MAX_LIST;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};
use md5::{Digest, Md5};

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct SshRecord {
    /// 1 or 2; `None` for a banner that says neither.
    pub version: Option<u8>,
    /// The client's banner without line end.
    pub client: Option<String>,
    /// The server's banner.
    pub server: Option<String>,
    /// Lines that the server sent before its banner.
    pub lines_before_banner: u8,
    /// What the client offers.
    pub client_kex: Option<KexInit>,
    /// What the server offers.
    pub server_kex: Option<KexInit>,
    /// Proofs of identity that the client offered, by the sizes of the answers; `None` when none was answered.
    pub auth_attempts: Option<u16>,
    /// Did one of them work, by the size of the answers? `None` when it cannot be told.
    pub auth_success: Option<bool>,
}

/// The lists of a key exchange message, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KexInit {
    /// Key exchange, host key, encryption (client to server, server to client), MAC (both), compression (both),
    /// in the order of the message; printable and bounded.
    pub lists: [String; 8],
    /// HASSH of the client's or the server's direction.
    pub hassh: String,
}

/// Positions in [`KexInit::lists`].
pub(super) mod list {
    pub(in crate::protocol::ssh) const KEX: usize = 0;
    pub(in crate::protocol::ssh) const HOST_KEY: usize = 1;
    pub(in crate::protocol::ssh) const CIPHER_OUT: usize = 2;
    pub(in crate::protocol::ssh) const CIPHER_IN: usize = 3;
    pub(in crate::protocol::ssh) const MAC_OUT: usize = 4;
    pub(in crate::protocol::ssh) const MAC_IN: usize = 5;
    pub(in crate::protocol::ssh) const COMPRESSION_OUT: usize = 6;
    pub(in crate::protocol::ssh) const COMPRESSION_IN: usize = 7;
}

impl KexInit {
    /// Read the payload of the message behind its number: a cookie, then ten lists with their lengths before them.
    pub(super) fn read(payload: &[u8], side: Side) -> Option<Self> {
        let mut c = Cursor::new(payload);
        c.skip(16)?;
        let mut raw: [&[u8]; 8] = [&[]; 8];
        for list in &mut raw {
            let len = c.u32()?;
            *list = c.take(usize::try_from(len).ok()?)?;
        }
        // Direction of the fingerprint: what the side itself will send.
        let [kex, _, cipher_out, cipher_in, mac_out, mac_in, compression_out, compression_in] = raw;
        let own = match side {
            Side::Orig => [kex, cipher_out, mac_out, compression_out],
            Side::Resp => [kex, cipher_in, mac_in, compression_in],
        };
        let hassh = hex(&Md5::digest(own.join(&b';')));
        Some(Self { lists: raw.map(|l| printable(l, MAX_LIST)), hassh })
    }

    fn list(&self, which: usize) -> &str {
        self.lists.get(which).map_or("", String::as_str)
    }

    fn offers(&self, which: usize, name: &str) -> bool {
        self.list(which).split(',').any(|n| n == name)
    }
}

impl SshRecord {
    /// The algorithm that both will use: the first of the client's that the server has too (RFC 4253 section
    /// 7.1). `None` when a side's list was not seen or nothing fits.
    pub(super) fn chosen(&self, which: usize) -> Option<&str> {
        let (client, server) = (self.client_kex.as_ref()?, self.server_kex.as_ref()?);
        client.list(which).split(',').find(|n| !n.is_empty() && server.offers(which, n))
    }

    /// Message authentication, unless the cipher brings its own.
    pub(super) fn chosen_mac(&self, mac: usize, cipher: usize) -> Option<&str> {
        let brings_its_own =
            |c: &str| c.contains("-gcm") || c.starts_with("AEAD_") || c.starts_with("chacha20-poly1305");
        if self.chosen(cipher).is_some_and(brings_its_own) { Some("<implicit>") } else { self.chosen(mac) }
    }

    /// Do both sides offer OpenSSH's protection against prefix truncation (Terrapin)?
    pub fn strict_kex(&self) -> Option<bool> {
        let (client, server) = (self.client_kex.as_ref()?, self.server_kex.as_ref()?);
        Some(
            client.offers(list::KEX, "kex-strict-c-v00@openssh.com")
                && server.offers(list::KEX, "kex-strict-s-v00@openssh.com"),
        )
    }
}

/// Connections.
pub static TABLE: Table = Table::record(
    "ssh",
    "One row is one SSH connection: who talked, and what was agreed before encryption began.",
    &[
        col(
            "version",
            T::U8,
            "",
            "Protocol version, 1 or 2, as the server's banner says, or else the client's; NULL when neither is clear.",
        ),
        col("client", T::Text, "", "The client's banner; NULL when it was not seen."),
        col("server", T::Text, "", "The server's banner; NULL when it was not seen."),
        col("lines_before_banner", T::U8, "lines", "Lines that the server sent before its banner."),
        col(
            "kex_algorithm",
            T::Text,
            "",
            "Key exchange that both sides prefer; NULL unless both lists were seen and agree.",
        ),
        col(
            "host_key_algorithm",
            T::Text,
            "",
            "Kind of host key; NULL unless both lists were seen and agree.",
        ),
        col(
            "cipher_client",
            T::Text,
            "",
            "Encryption from client to server; NULL unless both lists were seen and agree.",
        ),
        col(
            "cipher_server",
            T::Text,
            "",
            "Encryption from server to client; NULL unless both lists were seen and agree.",
        ),
        col(
            "mac_client",
            T::Text,
            "",
            "Authentication of messages from client to server, <implicit> when the cipher brings its own; NULL unless both lists were seen and agree.",
        ),
        col("mac_server", T::Text, "", "The same from server to client."),
        col(
            "compression_client",
            T::Text,
            "",
            "Compression from client to server; NULL unless both lists were seen and agree.",
        ),
        col(
            "compression_server",
            T::Text,
            "",
            "Compression from server to client; NULL unless both lists were seen and agree.",
        ),
        col(
            "strict_kex",
            T::Bool,
            "",
            "Do both sides protect the handshake against truncation (kex-strict of OpenSSH)? NULL unless both lists were seen.",
        ),
        col("hassh", T::Text, "", "Fingerprint of the client's lists; NULL when they were not seen."),
        col("hassh_server", T::Text, "", "Fingerprint of the server's lists; NULL when they were not seen."),
        col(
            "client_kex_algorithms",
            T::Text,
            "",
            "Key exchanges that the client offers, in its order; NULL when not seen.",
        ),
        col(
            "client_ciphers",
            T::Text,
            "",
            "Ciphers that the client offers for what it sends; NULL when not seen.",
        ),
        col(
            "client_macs",
            T::Text,
            "",
            "Message authentication that the client offers for what it sends; NULL when not seen.",
        ),
        col(
            "server_kex_algorithms",
            T::Text,
            "",
            "Key exchanges that the server offers, in its order; NULL when not seen.",
        ),
        col("server_host_keys", T::Text, "", "Kinds of host key that the server has; NULL when not seen."),
        col(
            "server_ciphers",
            T::Text,
            "",
            "Ciphers that the server offers for what it sends; NULL when not seen.",
        ),
        col(
            "server_macs",
            T::Text,
            "",
            "Message authentication that the server offers for what it sends; NULL when not seen.",
        ),
        col(
            "auth_attempts",
            T::U16,
            "",
            "Proofs of identity that the client offered (keys and the question what is wanted included), guessed from the sizes of the server's answers; NULL when none was answered.",
        ),
        col(
            "auth_success",
            T::Bool,
            "",
            "Did a login work, guessed from the sizes of the server's answers? NULL when it cannot be told.",
        ),
    ],
);

impl Record for SshRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let (client, server) = (self.client_kex.as_ref(), self.server_kex.as_ref());
        row.opt_u8(self.version)
            .opt_text(self.client.as_deref())
            .opt_text(self.server.as_deref())
            .u8(self.lines_before_banner)
            .opt_text(self.chosen(list::KEX))
            .opt_text(self.chosen(list::HOST_KEY))
            .opt_text(self.chosen(list::CIPHER_OUT))
            .opt_text(self.chosen(list::CIPHER_IN))
            .opt_text(self.chosen_mac(list::MAC_OUT, list::CIPHER_OUT))
            .opt_text(self.chosen_mac(list::MAC_IN, list::CIPHER_IN))
            .opt_text(self.chosen(list::COMPRESSION_OUT))
            .opt_text(self.chosen(list::COMPRESSION_IN))
            .opt_bool(self.strict_kex())
            .opt_text(client.map(|k| k.hassh.as_str()))
            .opt_text(server.map(|k| k.hassh.as_str()))
            .opt_text(client.map(|k| k.list(list::KEX)))
            .opt_text(client.map(|k| k.list(list::CIPHER_OUT)))
            .opt_text(client.map(|k| k.list(list::MAC_OUT)))
            .opt_text(server.map(|k| k.list(list::KEX)))
            .opt_text(server.map(|k| k.list(list::HOST_KEY)))
            .opt_text(server.map(|k| k.list(list::CIPHER_IN)))
            .opt_text(server.map(|k| k.list(list::MAC_IN)))
            .opt_u16(self.auth_attempts)
            .opt_bool(self.auth_success);
    }
}
