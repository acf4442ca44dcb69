//! Who speaks QUIC with whom, and what do its first packets say?
//!
//! RFC 9000, RFC 9001 (Initial packets and TLS in them), RFC 9369 (version 2), RFC 8999, drafts 22 to 34 and Facebook's variants of them;
//! Google's own versions by their hello in clear. The hello may be spread over several packets in any order, and several packets
//! share a datagram. Told by a long header with a known version whose lengths fit the datagram.
//! Refuses: what is protected by other keys than those of Initial packets, and flows that are joined after their handshake: a
//! short header looks like anything.
//! Read `packet` (what is in clear), then `initial` (keys), `version`, `google` and `record`.

mod google;
mod initial;
mod packet;
mod record;
mod version;

pub use record::{QUIC, QuicConnection};

use super::tls::assembly::Assembly;
use super::tls::hello::{ClientHello, ServerHello, extension};
use super::tls::{handshake, ja};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::{Cursor, be32};
use crate::model::flow::Side;
use crate::model::text::{hex, printable};
use crate::model::weird::{Detail, WeirdKind};
use initial::Pair;
use packet::{Body, Long, ack, varint};
use version::{Kind, Version};

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "quic",
    about: "QUIC (RFC 9000, RFC 9369) and the versions before it; told by a long header with a known version whose lengths fit.",
    transports: &[Transport::Udp],
    ports: &[443],
    tables: &[&QUIC],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::new(Quic::default())),
};

/// Bytes of the handshake of one side that are kept, bytes: a hello with post-quantum shares has below 4 KiB.
const CRYPTO_CAP: usize = 16 << 10;

/// Datagrams of a flow that are looked at; a handshake with losses and 0-RTT data has fewer.
const DATAGRAMS_CAP: u16 = 64;

/// Packets of a flow that are decrypted. Chrome spreads its hello over two or three; the rest is for repeated ones.
const OPENED_CAP: u8 = 24;

/// Shortest datagram with a client's Initial, bytes (RFC 9000 section 14.1).
const INITIAL_MIN: usize = 1200;

/// Versions listed from a version negotiation.
const VERSIONS_CAP: usize = 24;

/// Longest reason for a close, bytes; it is for people.
const REASON_CAP: usize = 128;

/// Longest name of a program, bytes.
const AGENT_CAP: usize = 256;

fn probe(p: &Probe<'_>) -> Verdict {
    let sure = [p.orig, p.resp].into_iter().map(looks).max().unwrap_or(0);
    if sure > 0 { Verdict::Mine(sure) } else { Verdict::NotMine }
}

/// How sure is it that this datagram begins a connection? 0 to 100.
fn looks(data: &[u8]) -> u8 {
    let Some((first, version)) = data.first().zip(be32(data, 1)) else { return 0 };
    if first & 0x80 == 0 {
        return if old_google(data).is_some() { 90 } else { 0 };
    }
    let version = Version(version);
    if version.known() && !version.standard_header() {
        // Drafts and Google's versions with packed lengths: 32 bits of version are all there is to check.
        return if first & 0x40 != 0 || version.google().is_none() { 85 } else { 0 };
    }
    // A server may clear the fixed bit (RFC 9287); with a version as small as 1 that is too little to go by.
    if first & 0x40 == 0 && matches!(version.0, 1..=0xffff) {
        return 0;
    }
    match packet::long(&mut Cursor::new(data)) {
        Some(Long { body: Body::Negotiation(list), .. }) => {
            let known = list.chunks_exact(4).filter_map(|v| be32(v, 0)).any(|v| Version(v).known());
            if known { 90 } else { 0 }
        }
        Some(Long { version, .. }) if version.known() => 95,
        Some(Long { version, body: Body::Protected { kind: Kind::Initial, .. }, .. })
            if version.reserved() && data.len() >= INITIAL_MIN =>
        {
            90
        }
        // Versions of those who try things out: a client's first datagram, in which every length fits.
        Some(Long {
            version,
            destination,
            body: Body::Protected { kind: Kind::Initial, packet, .. },
            ..
        }) if first & 0xf0 == 0xc0
            && version.0 > 0xffff
            && (8..=20).contains(&destination.len())
            && data.len() >= INITIAL_MIN
            && packet.len() == data.len() =>
        {
            75
        }
        // Cut by the snaplen: the number of a version that is not small is enough.
        None if version.known() && version.0 > 0xffff && first & 0x40 != 0 => 80,
        _ => 0,
    }
}

/// Google's versions before Q044: flags, eight bytes of connection id, the version as text.
fn old_google(data: &[u8]) -> Option<(Version, &[u8])> {
    let (first, id) = (data.first()?, data.get(1..9)?);
    let version = Version(be32(data, 9)?);
    let fits = first & 0x89 == 0x09 && matches!(version.google(), Some((b'Q', ..44)));
    fits.then_some((version, id))
}

/// One side.
#[derive(Default, Debug)]
struct Half {
    crypto: Assembly,
    /// Bytes of it that were read: a request for another hello.
    taken: usize,
    /// Has its hello been read?
    read: bool,
}

/// The parser of one flow.
#[derive(Default)]
struct Quic {
    began: Option<At>,
    client: Option<Side>,
    /// The connection id that the keys follow from.
    key_id: Vec<u8>,
    keys: Option<(u32, Pair)>,
    halves: [Half; 2],
    plain: Vec<u8>,
    datagrams: u16,
    opened: u8,
    answered: bool,
    row: Box<QuicConnection>,
}

impl Quic {
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

    /// A server's packet of any kind.
    fn answer(&mut self, side: Side, out: &Output<'_>) {
        if !self.is_client(side) && !std::mem::replace(&mut self.answered, true) {
            self.row.rtt =
                self.began.map(|began| out.at.ts.since(began.ts)).filter(|_| self.row.client_dcid.is_some());
        }
    }

    fn long(&mut self, side: Side, long: &Long<'_>, out: &mut Output<'_>) {
        match long.body {
            Body::Negotiation(list) => {
                self.client.get_or_insert(side.other());
                self.answer(side, out);
                let versions = list.chunks_exact(4).filter_map(|v| be32(v, 0)).map(Version);
                let shown = versions.filter(|v| !v.reserved()).take(VERSIONS_CAP).map(|v| v.to_string());
                self.row.server_versions = Some(shown.collect::<Vec<_>>().join(",").into());
            }
            Body::Retry => {
                self.client.get_or_insert(side.other());
                self.answer(side, out);
                self.row.retry = true;
                // From now on the keys follow from the id that the server chose (RFC 9001 section 5.2).
                self.key_id = long.source.to_vec();
                self.keys = None;
            }
            Body::Protected { kind, packet, number_at } => {
                if kind == Kind::ZeroRtt {
                    self.row.early_data = true;
                    return;
                }
                if kind == Kind::Initial {
                    self.initial(side, long, packet, number_at, out);
                }
                self.answer(side, out);
                let id =
                    if self.is_client(side) { &mut self.row.client_cid } else { &mut self.row.server_cid };
                if !long.source.is_empty() {
                    *id = Some(hex(long.source).into());
                }
            }
        }
    }

    fn initial(
        &mut self,
        side: Side,
        long: &Long<'_>,
        packet: &[u8],
        number_at: usize,
        out: &mut Output<'_>,
    ) {
        let both = self.halves.iter().all(|h| h.read);
        if both || self.opened >= OPENED_CAP {
            return;
        }
        self.opened += 1;
        if self.row.client_dcid.is_none() && self.client.is_none_or(|c| c == side) && self.key_id.is_empty() {
            self.key_id = long.destination.to_vec();
        }
        let mut plain = std::mem::take(&mut self.plain);
        let opened = self.open(side, long, packet, number_at, &mut plain);
        if opened {
            if self.is_client(side) && self.row.client_dcid.is_none() {
                self.row.client_dcid = Some(hex(long.destination).into());
            }
            self.row.version = long.version.0;
            self.frames(side, long.version, &plain, out);
        }
        self.plain = plain;
    }

    /// Decrypt with the keys at hand, else with those of this packet's version or, from a client, of its connection id.
    fn open(
        &mut self,
        side: Side,
        long: &Long<'_>,
        packet: &[u8],
        number_at: usize,
        plain: &mut Vec<u8>,
    ) -> bool {
        let direction = |pair: &Pair, client: bool, plain: &mut Vec<u8>| {
            let keys = if client { &pair.client } else { &pair.server };
            keys.open(packet, number_at, plain).is_some()
        };
        let from_client = self.is_client(side);
        if let Some((version, pair)) = &self.keys
            && *version == long.version.0
            && direction(pair, from_client, plain)
        {
            return true;
        }
        // A client that begins anew, after a refused version or a lost connection, has another id.
        let anew = (from_client && self.key_id != long.destination).then(|| long.destination.to_vec());
        for id in [Some(self.key_id.clone()), anew].into_iter().flatten() {
            for salt in long.version.salts() {
                let Some(pair) = Pair::derive(salt, &id) else { continue };
                if direction(&pair, from_client, plain) {
                    self.client.get_or_insert(if from_client { side } else { side.other() });
                    self.key_id = id;
                    self.keys = Some((long.version.0, pair));
                    return true;
                }
            }
        }
        false
    }

    /// RFC 9000 section 12.4: what an Initial packet may hold.
    fn frames(&mut self, side: Side, version: Version, plain: &[u8], out: &mut Output<'_>) {
        let mut c = Cursor::new(plain);
        while let Some(kind) = c.u8() {
            let fits = match kind {
                // PADDING, PING
                0 | 1 => Some(()),
                2 | 3 => ack(&mut c, kind == 3),
                6 => self.crypto(side, &mut c, out),
                0x1c => self.close(side, &mut c),
                _ => None,
            };
            if fits.is_none() {
                // Google's early mixtures have frames of their own; what came before is kept.
                if version.google().is_none() {
                    out.weird(WeirdKind::QuicMalformed, Detail::Text(format!("frame 0x{kind:02x}").into()));
                }
                return;
            }
        }
    }

    fn crypto(&mut self, side: Side, c: &mut Cursor<'_>, out: &mut Output<'_>) -> Option<()> {
        let (offset, length) = (varint(c)?, varint(c)?);
        let piece = c.take(usize::try_from(length).ok()?)?;
        if self.half(side).read {
            return Some(());
        }
        if !self.half(side).crypto.insert(offset, piece, CRYPTO_CAP) {
            out.weird(WeirdKind::TlsHandshakeTooLarge, Detail::Number(offset.saturating_add(length)));
            self.half(side).read = true;
            return Some(());
        }
        let crypto = std::mem::take(&mut self.half(side).crypto);
        let taken = self.half(side).taken;
        let mut read = self.hello(side, crypto.whole().get(taken..).unwrap_or(&[]), out);
        let again = self.half(side).taken;
        if again > taken {
            read = self.hello(side, crypto.whole().get(again..).unwrap_or(&[]), out);
        }
        let half = self.half(side);
        half.read = read;
        if !read {
            half.crypto = crypto;
        }
        Some(())
    }

    /// The beginning of one side's handshake; true when it is read or not worth waiting for. A request for another hello is followed by
    /// the hello itself.
    fn hello(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> bool {
        const CLIENT_HELLO: u8 = 1;
        const SERVER_HELLO: u8 = 2;
        let mut c = Cursor::new(data);
        if data.starts_with(b"CHLO") {
            return self.google_hello(data, out);
        }
        let (Some(kind), Some(length)) = (c.u8(), c.u24()) else { return false };
        let Some(body) = c.take(length as usize) else { return length as usize > CRYPTO_CAP };
        let fits = match kind {
            CLIENT_HELLO => ClientHello::parse(body).map(|hello| self.client_hello(&hello, out)),
            SERVER_HELLO => match ServerHello::parse(body) {
                Some(hello) if hello.is_retry && self.half(side).taken == 0 => {
                    self.half(side).taken = c.position();
                    self.retried(&hello);
                    return false;
                }
                hello => hello.map(|hello| self.server_hello(&hello)),
            },
            _ => None,
        };
        if fits.is_none() {
            out.weird(WeirdKind::TlsMalformed, Detail::Text("no hello where one should begin".into()));
        }
        true
    }

    fn client_hello(&mut self, hello: &ClientHello, out: &mut Output<'_>) {
        if hello.malformed {
            out.weird(WeirdKind::TlsMalformed, Detail::Text("a ClientHello that contradicts itself".into()));
        }
        let row = &mut self.row;
        row.ja3 = Some(ja::ja3(hello).into());
        row.ja4 = Some(ja::ja4(hello, 'q').into());
        row.ech = hello.has(extension::ENCRYPTED_CLIENT_HELLO);
        let names = hello.alpn.iter().take(handshake::LIST_CAP);
        let names: Vec<_> = names.map(|name| printable(name, handshake::NAME_CAP)).collect();
        row.alpn_offered = (!names.is_empty()).then(|| names.join(",").into());
        if let Some(agent) = google::user_agent(&hello.quic_parameters) {
            row.user_agent = Some(printable(agent, AGENT_CAP).into());
        }
        if let Some(name) = &hello.server_name {
            self.name(name, out);
        }
    }

    fn name(&mut self, name: &[u8], out: &mut Output<'_>) {
        let name = printable(name, handshake::NAME_CAP).to_lowercase();
        out.hostname(name.trim_end_matches('.'));
        self.row.server_name = Some(name.into());
    }

    /// The server asks for another hello (RFC 8446 section 4.1.4). Version and cipher stay.
    fn retried(&mut self, hello: &ServerHello) {
        let row = &mut self.row;
        row.hello_retry = true;
        (row.tls_version, row.cipher) = (Some(hello.negotiated()), Some(hello.cipher));
    }

    fn server_hello(&mut self, hello: &ServerHello) {
        let row = &mut self.row;
        row.tls_version = Some(hello.negotiated());
        row.cipher = Some(hello.cipher);
        row.group = hello.group;
        row.ja3s = Some(ja::ja3s(hello).into());
        row.resumed = Some(hello.extensions.contains(&extension::PRE_SHARED_KEY));
    }

    fn google_hello(&mut self, data: &[u8], out: &mut Output<'_>) -> bool {
        let Some(hello) = google::find(data) else { return false };
        if let Some(agent) = hello.user_agent {
            self.row.user_agent = Some(printable(agent, AGENT_CAP).into());
        }
        if let Some(name) = hello.server_name {
            self.name(name, out);
        }
        hello.server_name.is_some()
    }

    /// CONNECTION_CLOSE: error, frame type, reason.
    fn close(&mut self, side: Side, c: &mut Cursor<'_>) -> Option<()> {
        let (error, _) = (varint(c)?, varint(c)?);
        let length = varint(c)?;
        let reason = c.take(usize::try_from(length).ok()?)?;
        let who = if self.is_client(side) { "client" } else { "server" };
        // Errors of TLS are its alerts behind 0x100 (RFC 9001 section 4.8).
        let mut text = match u8::try_from(error.wrapping_sub(0x100)) {
            Ok(alert) => format!("{who} 0x{error:x} {}", super::tls::names::alert(alert)),
            Err(_) => format!("{who} 0x{error:x}"),
        };
        if !reason.is_empty() {
            text.push_str(": ");
            text.push_str(&printable(reason, REASON_CAP));
        }
        self.row.close = Some(text.into());
        Some(())
    }

    /// A datagram of Google's versions (and the oldest drafts) without the standard's header.
    fn google(&mut self, side: Side, version: Version, data: &[u8], out: &mut Output<'_>) {
        self.row.version = version.0;
        // Q044 to Q049: lengths of the connection ids in one byte, each less 3 (0: none).
        if let Some((&lengths, rest)) = data.get(5).zip(data.get(6..)).filter(|_| data.first() >= Some(&0x80))
        {
            let length = |n: u8| if n == 0 { 0 } else { usize::from(n) + 3 };
            let (to, from) = (length(lengths >> 4), length(lengths & 15));
            let id = if to > 0 { rest.get(..to) } else { rest.get(to..).and_then(|r| r.get(..from)) };
            if let Some(id) = id.filter(|id| !id.is_empty() && self.is_client(side)) {
                self.row.client_dcid.get_or_insert_with(|| hex(id).into());
            }
        }
        if self.google_hello(data, out) {
            self.client.get_or_insert(side);
        }
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if let Some(began) = self.began.take() {
            out.record(began, std::mem::take(&mut *self.row));
        }
    }
}

impl Parser for Quic {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        self.datagrams += 1;
        let mut done = self.datagrams >= DATAGRAMS_CAP;
        let mut c = Cursor::new(data);
        while let Some(first) = c.rest().first().copied() {
            if first & 0x80 == 0 {
                if let Some((version, id)) = old_google(c.rest()) {
                    self.row.client_dcid.get_or_insert_with(|| hex(id).into());
                    self.google(side, version, c.rest(), out);
                } else if first != 0 && self.is_client(side) && self.halves.iter().all(|h| h.read) {
                    // A zero is padding behind the packets, not a short header.
                    self.row.established = true;
                    done = true;
                }
                break;
            }
            let version = Version(be32(c.rest(), 1).unwrap_or(0));
            if version.known() && !version.standard_header() {
                self.google(side, version, c.rest(), out);
                break;
            }
            let Some(long) = packet::long(&mut c) else { break };
            if self.row.version == 0 {
                self.row.version = long.version.0;
            }
            self.long(side, &long, out);
        }
        if self.row.close.is_some() {
            done = true;
        }
        if done {
            self.write(out);
            return Fed::Done;
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

#[cfg(test)]
mod tests;
