//! What has been learned of the handshake so far, and is it over?
//!
//! Puts handshake messages together from records (RFC 8446 section 5.1: they may share or span them) and keeps what
//! they say. Over is a handshake when both sides have sent encrypted data: in TLS 1.3 records of application data,
//! before it a Finished behind ChangeCipherSpec or application data.

use super::hello::{ClientHello, ServerHello, extension, is_grease};
use super::names::{alert, group, version};
use super::record::TlsHandshake;
use super::x509::Certificate;
use super::{ja, names};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::clues::Clue;

/// Longest handshake message kept, bytes: long certificate chains have below 32 KiB, hellos with post-quantum shares below 4.
pub(in crate::protocol) const MESSAGE_CAP: usize = 128 << 10;

/// Certificates of one chain that are parsed; RFC 8446 sets no limit, real chains have two to five.
const CHAIN_CAP: usize = 16;

/// Longest list of names kept as text, entries (groups, versions, ALPN names); Chrome offers six groups.
pub(in crate::protocol) const LIST_CAP: usize = 24;

/// Longest name kept, bytes (RFC 6066: a DNS name).
pub(in crate::protocol) const NAME_CAP: usize = 255;

/// Shortest record that can hold a Finished of TLS 1.3: header 4, hash 32, type 1, tag 8 bytes. An alert has at most 19.
const FINISHED_LEN: usize = 45;

/// The version number of SSL 2.
const SSL2: u16 = 0x0002;

mod message {
    pub(super) const CLIENT_HELLO: u8 = 1;
    pub(super) const SERVER_HELLO: u8 = 2;
    pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
    pub(super) const CERTIFICATE: u8 = 11;
    pub(super) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(super) const CERTIFICATE_REQUEST: u8 = 13;

    /// IANA, TLS HandshakeType: those that are met in clear.
    pub(super) fn known(kind: u8) -> bool {
        matches!(kind, 0..=5 | 11..=16 | 20..=24)
    }
}

/// One direction.
#[derive(Default, Debug)]
struct Half {
    /// Beginning of a message whose end has not come.
    partial: Vec<u8>,
    /// Bytes of a message that is too large to keep.
    ignore: usize,
    /// Did it announce encryption?
    changed: bool,
    /// Did it send a Finished, as far as one can tell?
    finished: bool,
    /// Did it send application data?
    data: bool,
    /// Is what it sent not known to follow what came before?
    lost: bool,
}

/// A handshake in the making.
#[derive(Default, Debug)]
pub(in crate::protocol) struct Handshake {
    halves: [Half; 2],
    began: Option<At>,
    client: Option<Side>,
    /// The session id that the client offered.
    offered_id: Vec<u8>,
    tls13: bool,
    saw_client: bool,
    saw_server: bool,
    fatal: bool,
    /// Over datagrams (DTLS)?
    dtls: bool,
    row: Box<TlsHandshake>,
}

impl Handshake {
    /// A handshake over datagrams.
    pub(in crate::protocol) fn over_datagrams() -> Self {
        Self { dtls: true, ..Self::default() }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn is_client(&self, side: Side) -> bool {
        self.client.unwrap_or(Side::Orig) == side
    }

    /// Has no hello been seen yet?
    pub(in crate::protocol) fn is_untouched(&self) -> bool {
        !self.saw_client && !self.saw_server
    }

    /// May this side speak SSL 2 now?
    pub(in crate::protocol) fn expects_ssl2(&self, side: Side) -> bool {
        let version2 = self.row.client_version == Some(SSL2);
        (!self.saw_client && !self.saw_server) || (version2 && !self.is_client(side) && !self.saw_server)
    }

    /// Is a handshake or alert record of this side encrypted? In TLS 1.3 only hellos come as such, and its
    /// ChangeCipherSpec means nothing.
    pub(in crate::protocol) fn is_encrypted(&mut self, side: Side) -> bool {
        let clear = self.tls13 || self.row.hello_retry;
        self.half(side).changed && !clear
    }

    /// Bytes of one side are missing: the message at hand is lost.
    pub(in crate::protocol) fn lose(&mut self, side: Side) {
        let half = self.half(side);
        half.partial = Vec::new();
        half.ignore = 0;
        half.lost = true;
    }

    /// Behind loss: is this no message in clear? Then the ChangeCipherSpec was among what was lost.
    fn is_dark(&mut self, side: Side, payload: &[u8]) -> bool {
        let clear = self.tls13 || self.row.hello_retry;
        let half = self.half(side);
        if !std::mem::replace(&mut half.lost, false) || clear {
            return false;
        }
        let mut c = Cursor::new(payload);
        let known = c.u8().is_some_and(message::known) && c.u24().is_some_and(|n| n as usize <= MESSAGE_CAP);
        half.changed |= !known;
        !known
    }

    /// The payload of a handshake record in clear.
    pub(in crate::protocol) fn bytes(&mut self, side: Side, payload: &[u8], out: &mut Output<'_>) {
        if self.is_dark(side, payload) {
            return self.encrypted(side, false, payload.len(), out.at);
        }
        let half = self.half(side);
        let ignored = half.ignore.min(payload.len());
        half.ignore -= ignored;
        let payload = payload.get(ignored..).unwrap_or(&[]);
        let mut held = std::mem::take(&mut half.partial);
        let mut rest = if held.is_empty() {
            payload
        } else {
            held.extend_from_slice(payload);
            &held
        };
        while !rest.is_empty() {
            let mut c = Cursor::new(rest);
            let (Some(kind), Some(length)) = (c.u8(), c.u24()) else { break };
            let length = length as usize;
            let Some(body) = c.take(length) else {
                if length > MESSAGE_CAP {
                    out.weird(WeirdKind::TlsHandshakeTooLarge, Detail::Number(length as u64));
                    self.half(side).ignore = length.saturating_sub(c.remaining());
                    return;
                }
                break;
            };
            rest = c.rest();
            self.message(side, kind, body, out);
        }
        self.half(side).partial = rest.to_vec();
    }

    /// One whole message.
    pub(in crate::protocol) fn message(&mut self, side: Side, kind: u8, body: &[u8], out: &mut Output<'_>) {
        let fits = match kind {
            message::CLIENT_HELLO => {
                let hello = if self.dtls { ClientHello::parse_dtls(body) } else { ClientHello::parse(body) };
                hello.map(|hello| self.client_hello(side, &hello, out))
            }
            // The server of DTLS asks for the same hello with a cookie (RFC 6347 section 4.2.1).
            message::HELLO_VERIFY_REQUEST if self.dtls => {
                self.began.get_or_insert(out.at);
                self.client.get_or_insert(side.other());
                self.row.hello_retry = true;
                Some(())
            }
            message::SERVER_HELLO => {
                ServerHello::parse(body).map(|hello| self.server_hello(side, &hello, out))
            }
            message::CERTIFICATE => self.certificates(side, body, out),
            message::SERVER_KEY_EXCHANGE => self.key_exchange(body),
            message::CERTIFICATE_REQUEST => {
                self.row.client_cert_requested = true;
                Some(())
            }
            _ => Some(()),
        };
        if fits.is_none() {
            malformed("a handshake message that ends early", out);
        }
    }

    fn client_hello(&mut self, side: Side, hello: &ClientHello, out: &mut Output<'_>) {
        self.began.get_or_insert(out.at);
        if hello.malformed {
            malformed("a ClientHello that contradicts itself", out);
        }
        // The second hello after a retry repeats the first; a renegotiation in clear is not another handshake.
        if std::mem::replace(&mut self.saw_client, true) {
            return;
        }
        self.client.get_or_insert(side);
        self.offered_id.clone_from(&hello.session_id);
        let row = &mut self.row;
        let count = |n: usize| Some(u16::try_from(n).unwrap_or(u16::MAX));
        row.client_version = Some(hello.highest_version());
        let offered = hello.ciphers.iter().filter(|c| !is_grease(**c)).count();
        // Beside ciphers of a later version those of SSL 2 are for servers that do not know it.
        row.ciphers_offered = count(if hello.version == SSL2 { hello.ssl2_ciphers } else { offered });
        if !hello.ssl2_form {
            row.extensions_offered = count(hello.extensions.iter().filter(|e| !is_grease(**e)).count());
            row.ja3 = Some(ja::ja3(hello).into());
            row.ja4 = Some(ja::ja4(hello, if self.dtls { 'd' } else { 't' }).into());
        }
        row.versions_offered = listed(&hello.versions, version);
        row.groups_offered = listed(&hello.groups, group);
        let alpn: Vec<_> = hello.alpn.iter().take(LIST_CAP).map(|name| printable(name, NAME_CAP)).collect();
        row.alpn_offered = (!alpn.is_empty()).then(|| alpn.join(",").into());
        row.early_data = hello.has(extension::EARLY_DATA);
        row.srtp = hello.has(extension::USE_SRTP);
        row.ech = hello.has(extension::ENCRYPTED_CLIENT_HELLO) || hello.has(extension::ENCRYPTED_SERVER_NAME);
        if let Some(name) = &hello.server_name {
            let name = printable(name, NAME_CAP).to_lowercase();
            out.hostname(name.trim_end_matches('.'));
            row.server_name = Some(name.into());
        }
    }

    fn server_hello(&mut self, side: Side, hello: &ServerHello, out: &mut Output<'_>) {
        self.began.get_or_insert(out.at);
        if hello.malformed {
            malformed("a ServerHello that contradicts itself", out);
        }
        self.client.get_or_insert(side.other());
        let row = &mut self.row;
        if hello.is_retry {
            row.hello_retry = true;
            // They stay (RFC 8446 section 4.1.4), also when nothing comes of it.
            (row.version, row.cipher) = (Some(hello.negotiated()), Some(hello.cipher));
            return;
        }
        if std::mem::replace(&mut self.saw_server, true) {
            return;
        }
        self.tls13 = hello.is_tls13();
        row.version = Some(hello.negotiated());
        row.cipher = Some(hello.cipher);
        row.ja3s = Some(ja::ja3s(hello).into());
        row.curve = hello.group.map(|g| group(g).to_string().into());
        row.alpn = hello.alpn.as_ref().map(|name| printable(name, NAME_CAP).into());
        let same_id = !hello.session_id.is_empty() && hello.session_id == self.offered_id;
        // Before TLS 1.3 a full handshake shows itself by a certificate or a key exchange, which withdraw this.
        row.resumed =
            Some(if self.tls13 { hello.extensions.contains(&extension::PRE_SHARED_KEY) } else { same_id });
    }

    /// RFC 5246 section 7.4.2; in TLS 1.3 certificates are encrypted.
    fn certificates(&mut self, side: Side, body: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut c = Cursor::new(body);
        let length = c.u24()?;
        let mut list = Cursor::new(c.take(length as usize)?);
        let mut position = 0u8;
        while !list.is_empty() {
            let length = list.u24()?;
            let der = list.take(length as usize)?;
            if usize::from(position) < CHAIN_CAP {
                self.certificate(side, der, position, out);
            }
            position = position.saturating_add(1);
        }
        if self.is_client(side) {
            self.row.client_certs = position;
        } else {
            self.row.server_certs = position;
            self.row.resumed = self.row.resumed.map(|_| false);
        }
        Some(())
    }

    fn certificate(&mut self, side: Side, der: &[u8], position: u8, out: &mut Output<'_>) {
        let from_client = self.is_client(side);
        let Some(cert) = Certificate::parse(der, from_client, position) else {
            out.weird(WeirdKind::CertificateMalformed, Detail::Number(der.len() as u64));
            return;
        };
        if position == 0 && !from_client {
            self.row.subject = Some(cert.subject.clone());
            self.row.issuer = Some(cert.issuer.clone());
            self.row.cert_sha256 = Some(cert.sha256.clone());
            tell_name(&cert, side, out);
        }
        out.record(out.at, cert);
    }

    /// The group of an ephemeral key exchange (RFC 8422 section 5.4), or the size of its prime (RFC 5246 section 7.4.3).
    fn key_exchange(&mut self, body: &[u8]) -> Option<()> {
        let suite = names::cipher(self.row.cipher?);
        let mut c = Cursor::new(body);
        if suite.starts_with("TLS_ECDHE_") || suite.starts_with("TLS_ECDH_") {
            const NAMED_CURVE: u8 = 3;
            if c.u8()? == NAMED_CURVE {
                self.row.curve = Some(group(c.u16()?).to_string().into());
            }
        } else if suite.starts_with("TLS_DH") && !suite.contains("_PSK_") {
            let length = c.u16()?;
            self.row.dh_bits = Some(length.saturating_mul(8));
        }
        self.row.resumed = self.row.resumed.map(|_| false);
        Some(())
    }

    /// An alert in clear; true when it ends the connection.
    pub(in crate::protocol) fn alert(&mut self, side: Side, payload: &[u8], out: &mut Output<'_>) -> bool {
        let &[level, name] = payload else {
            // Behind loss it may be encrypted.
            if !self.half(side).lost {
                malformed("an alert that is not two bytes", out);
            }
            return false;
        };
        let fatal = level == 2;
        if fatal || !self.fatal {
            let who = if self.is_client(side) { "client" } else { "server" };
            let level = if fatal { "fatal" } else { "warning" };
            self.row.alert = Some(format!("{who} {level} {}", alert(name)).into());
        }
        self.fatal |= fatal;
        fatal
    }

    /// A heartbeat in clear whose record holds `length` bytes (RFC 6520 section 4): a type, the length of what is to come back, that, and at
    /// least 16 bytes of padding. What does not fit must be dropped; who answers it gives away memory (CVE-2014-0160).
    pub(in crate::protocol) fn heartbeat(&mut self, head: &[u8], length: usize) {
        const AROUND: usize = 3 + 16;
        match head {
            [1, high, low] => {
                let claimed = usize::from(u16::from_be_bytes([*high, *low]));
                let beyond = (claimed + AROUND).saturating_sub(length).try_into().unwrap_or(u16::MAX);
                self.row.heartbeat_beyond = self.row.heartbeat_beyond.max(Some(beyond));
            }
            [2, ..] => {
                let sum = self.row.heartbeat_answer.unwrap_or(0).saturating_add(length as u64);
                self.row.heartbeat_answer = Some(sum);
            }
            _ => {}
        }
    }

    /// This side encrypts from now on (before TLS 1.3).
    pub(in crate::protocol) fn change_cipher_spec(&mut self, side: Side) {
        let by_server = !self.is_client(side);
        let half = self.half(side);
        let first = !std::mem::replace(&mut half.changed, true);
        // A ticket may resume a session without an id: then the server goes dark without a certificate or a key exchange.
        if first
            && by_server
            && !self.tls13
            && self.row.server_certs == 0
            && self.row.curve.is_none()
            && self.row.dh_bits.is_none()
        {
            self.row.resumed = self.row.resumed.map(|_| true);
        }
    }

    /// This side sent an encrypted record.
    pub(in crate::protocol) fn encrypted(&mut self, side: Side, is_data: bool, length: usize, at: At) {
        let (tls13, by_client, saw_server) = (self.tls13, self.is_client(side), self.saw_server);
        let half = self.half(side);
        if tls13 {
            half.data |= is_data && (!by_client || length >= FINISHED_LEN);
        } else {
            // A client's data before any answer may be early data of TLS 1.3; a Finished before it never is.
            half.finished |= half.changed && !is_data;
            half.data |= is_data && (saw_server || !by_client);
        }
        let over = self.halves.iter().all(|h| h.data || h.finished);
        if over && self.row.established_after.is_none() {
            self.row.established_after = self.began.map(|began| at.ts.since(began.ts));
        }
    }

    /// Have both sides gone on to encrypted data?
    pub(in crate::protocol) fn is_established(&self) -> bool {
        self.row.established_after.is_some()
    }

    /// A message of SSL 2; false when nothing after it can be read.
    pub(in crate::protocol) fn ssl2(&mut self, side: Side, payload: &[u8], out: &mut Output<'_>) -> bool {
        if let Some(hello) = ClientHello::parse_ssl2(payload) {
            self.client_hello(side, &hello, out);
            return true;
        }
        if self.ssl2_server(side, payload, out).is_none() {
            malformed("a message of SSL 2 that is no hello", out);
        }
        false
    }

    /// SERVER-HELLO: type 4, session hit, certificate type, version, three lengths, certificate, ciphers, connection id.
    fn ssl2_server(&mut self, side: Side, payload: &[u8], out: &mut Output<'_>) -> Option<()> {
        let mut c = Cursor::new(payload);
        if c.u8()? != 4 {
            return None;
        }
        let hit = c.u8()? != 0;
        c.skip(1)?;
        let (version, length) = (c.u16()?, c.u16()?);
        c.skip(4)?;
        self.began.get_or_insert(out.at);
        self.saw_server = true;
        self.client.get_or_insert(side.other());
        self.row.version = Some(version);
        self.row.resumed = Some(hit);
        let der = c.take(usize::from(length))?;
        if !der.is_empty() {
            self.row.server_certs = 1;
            self.certificate(side, der, 0, out);
        }
        Some(())
    }

    /// Write the row, if there was a hello.
    pub(in crate::protocol) fn write(&mut self, out: &mut Output<'_>) {
        if let Some(began) = self.began {
            out.record(began, std::mem::take(&mut *self.row));
        }
    }
}

/// A server's certificate names it. A wildcard names nobody, and a blank is in no host's name.
fn tell_name(cert: &Certificate, side: Side, out: &mut Output<'_>) {
    let tuple = &out.flow.tuple;
    let server = if side == Side::Orig { tuple.src } else { tuple.dst };
    let name = cert.common_name.as_deref().or(cert.san_dns.first().map(|n| &**n));
    if let Some(name) = name.filter(|n| n.contains('.') && !n.contains(['*', ' ', '@', '/'])) {
        out.clue(server, Clue::Name, name, "tls.certificate");
    }
}

fn malformed(why: &'static str, out: &mut Output<'_>) {
    out.weird(WeirdKind::TlsMalformed, Detail::Text(why.into()));
}

/// Names of numbers with a comma between them, without GREASE.
pub(in crate::protocol) fn listed(numbers: &[u16], name: fn(u16) -> names::Named) -> Option<Box<str>> {
    let names = numbers.iter().filter(|n| !is_grease(**n)).take(LIST_CAP).map(|n| name(*n).to_string());
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then(|| names.join(",").into())
}
