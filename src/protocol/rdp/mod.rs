//! Who opened a remote desktop, from which machine, and how is it protected?
//!
//! The beginning of an RDP connection (MS-RDPBCGR sections 2.2.1.1 to 2.2.1.4) in X.224 packets (RFC 1006): the user's cookie, what
//! protection is asked for and chosen, and, where none is, what the client says about itself in its first settings. When TLS or CredSSP is
//! chosen, the connection is handed on; the client's settings then travel inside TLS.
//!
//! Refuses the session itself: screens, keys and files.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Longest packet in bytes; a TPKT holds no more.
const MAX_PACKET: usize = 65_535;

/// Channels of one connection that are shown (MS-RDPBCGR section 2.2.1.3.4 allows 31).
const MAX_CHANNELS: usize = 31;

/// Ports: the usual one.
const PORTS: &[u16] = &[3389];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "rdp",
    about: "Remote Desktop (MS-RDPBCGR); told by an X.224 connection request with a cookie or a negotiation request, or on its port.",
    transports: &[Transport::Tcp],
    ports: PORTS,
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_PACKET,
    probe,
    parser: Some(|| Box::<Rdp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let Some([3, 0, high, low, indicator, code, 0, 0]) = p.orig.first_chunk::<8>() else {
        let begins = [3, 0].starts_with(p.orig.get(..2).unwrap_or(p.orig)) && p.orig.len() < 8;
        return if begins && p.resp.is_empty() { Verdict::NeedMore } else { Verdict::NotMine };
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if *code != CONNECTION_REQUEST || usize::from(*indicator) + 5 != len {
        return Verdict::NotMine;
    }
    let Some(variable) = p.orig.get(11..len) else { return Verdict::NeedMore };
    let cookie = variable.starts_with(b"Cookie: ");
    let negotiation = variable.windows(4).any(|w| matches!(w, [REQUEST, _, 8, 0]));
    if cookie || negotiation || p.on_port(PORTS) { Verdict::Mine(90) } else { Verdict::NotMine }
}

/// Codes of X.224.
const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const DATA: u8 = 0xf0;

/// Kinds of negotiation (MS-RDPBCGR sections 2.2.1.1.1, 2.2.1.2.1, 2.2.1.2.2).
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const FAILURE: u8 = 3;

/// Names of the protocols that bits ask for.
const PROTOCOLS: [(u32, &str); 5] =
    [(1, "tls"), (2, "credssp"), (4, "rdstls"), (8, "credssp_ex"), (16, "rdsaad")];

/// Name of a protocol that was chosen.
fn chosen_name(protocol: u32) -> Option<&'static str> {
    if protocol == 0 {
        return Some("rdp");
    }
    PROTOCOLS.iter().find(|(bit, _)| *bit == protocol).map(|(_, name)| *name)
}

/// Why negotiation failed.
fn failure_name(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "ssl_required_by_server",
        2 => "ssl_not_allowed_by_server",
        3 => "ssl_cert_not_on_server",
        4 => "inconsistent_flags",
        5 => "hybrid_required_by_server",
        6 => "ssl_with_user_auth_required_by_server",
        _ => return None,
    })
}

/// One connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdpRecord {
    /// User in the cookie, as far as it is sent: clients cut it at nine characters.
    pub cookie: Option<String>,
    /// Protection asked for, bits; `None` when the client did not negotiate.
    pub requested: Option<u32>,
    /// Protection chosen; `None` when the server did not answer or failed.
    pub selected: Option<u32>,
    /// Why the server refused.
    pub failure: Option<u32>,
    /// The client's settings.
    pub client: ClientData,
    /// Encryption that the server chose, bits (MS-RDPBCGR section 2.2.1.4.3).
    pub encryption_method: Option<u32>,
    /// Level that the server chose.
    pub encryption_level: Option<u32>,
    /// Nanoseconds from the client's request to the server's answer.
    pub rtt: Option<i64>,
}

/// What a client says about itself (MS-RDPBCGR section 2.2.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientData {
    /// Machine.
    pub name: Option<String>,
    /// Build of the client, which for Windows is that of the system.
    pub build: Option<u32>,
    /// Keyboard layout: a language of Windows.
    pub keyboard: Option<u32>,
    /// Desktop, pixels.
    pub width: Option<u16>,
    /// Desktop, pixels.
    pub height: Option<u16>,
    /// Product: a number that tells the machine.
    pub product_id: Option<String>,
    /// Channels, with commas.
    pub channels: Option<String>,
}

/// Connections.
pub static TABLE: Table = Table::record(
    "rdp",
    "One row is one connection to a remote desktop, as far as its beginning can be read.",
    &[
        col(
            "cookie",
            T::Text,
            "",
            "User in the connection request, cut by clients at nine characters; NULL without one.",
        ),
        col(
            "requested_protocols",
            T::Text,
            "",
            "Protection that the client offers: tls, credssp, credssp_ex …, with commas, or rdp for RDP's own; NULL when it did not negotiate.",
        ),
        col(
            "selected_protocol",
            T::Text,
            "",
            "Protection that the server chose; rdp is RDP's own, also of servers that do not negotiate. NULL without an answer, or a number.",
        ),
        col("failure", T::Text, "", "Why the server refused; NULL when it did not."),
        col("client_name", T::Text, "", "Name of the client's machine; NULL when TLS hides it."),
        col(
            "client_build",
            T::U32,
            "",
            "Build of the client, for Windows that of the system; NULL when TLS hides it.",
        ),
        col(
            "keyboard_layout",
            T::U32,
            "",
            "Keyboard layout, a language number of Windows; NULL when TLS hides it.",
        ),
        col("desktop_width", T::U16, "pixels", "Width of the desktop; NULL when TLS hides it."),
        col("desktop_height", T::U16, "pixels", "Height of the desktop; NULL when TLS hides it."),
        col(
            "client_product_id",
            T::Text,
            "",
            "Number that tells the client's machine; NULL when empty or hidden.",
        ),
        col(
            "channels",
            T::Text,
            "",
            "Channels that the client asks for, with commas: cliprdr is the clipboard, rdpdr its drives; NULL when hidden.",
        ),
        col(
            "encryption_method",
            T::U32,
            "",
            "RDP's own encryption that the server chose, bits of MS-RDPBCGR 2.2.1.4.3; NULL with TLS or without an answer.",
        ),
        col(
            "encryption_level",
            T::U32,
            "",
            "Its level: 0 none, 1 low, 2 client compatible, 3 high, 4 FIPS; NULL likewise.",
        ),
        col("rtt_s", T::F64, "seconds", "From the connection request to its answer; NULL without one."),
    ],
);

impl Record for RdpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let requested = self.requested.map(|bits| {
            let names: Vec<_> = PROTOCOLS.iter().filter(|(b, _)| bits & b != 0).map(|(_, n)| *n).collect();
            if names.is_empty() { "rdp".into() } else { names.join(",") }
        });
        row.opt_text(self.cookie.as_deref()).opt_text(requested.as_deref());
        named(row, self.selected, chosen_name);
        named(row, self.failure, failure_name);
        let c = &self.client;
        row.opt_text(c.name.as_deref())
            .opt_u32(c.build)
            .opt_u32(c.keyboard)
            .opt_u16(c.width)
            .opt_u16(c.height)
            .opt_text(c.product_id.as_deref())
            .opt_text(c.channels.as_deref())
            .opt_u32(self.encryption_method)
            .opt_u32(self.encryption_level)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

/// The name of a number, or the number.
fn named(row: &mut Row<'_>, number: Option<u32>, name: fn(u32) -> Option<&'static str>) {
    match number.map(|n| (n, name(n))) {
        Some((_, Some(name))) => row.text(name),
        Some((n, None)) => row.display(&n),
        None => row.null(),
    };
}

/// UTF-16, little endian, up to the first zero.
fn utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).take_while(|u| *u != 0);
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    (!text.is_empty()).then(|| printable(text.as_bytes(), 256))
}

impl ClientData {
    /// Read the settings of a client: blocks of kind and length.
    fn read(blocks: &[u8]) -> Self {
        let mut out = Self::default();
        each_block(blocks, |kind, block| match kind {
            0xc001 => {
                let _ = out.core(block);
            }
            0xc003 => {
                let names = block.get(4..).unwrap_or(&[]).as_chunks::<12>().0.iter().take(MAX_CHANNELS);
                let names: Vec<_> = names
                    .map(|c| {
                        let name = c.get(..8).and_then(|n| n.split(|b| *b == 0).next()).unwrap_or(&[]);
                        printable(name, 8)
                    })
                    .filter(|n| !n.is_empty())
                    .collect();
                out.channels = (!names.is_empty()).then(|| names.join(","));
            }
            _ => {}
        });
        out
    }

    /// MS-RDPBCGR section 2.2.1.3.2; what lies behind the keyboard came with later versions.
    fn core(&mut self, block: &[u8]) -> Option<()> {
        let mut c = Cursor::new(block);
        let _version = c.u32_le()?;
        (self.width, self.height) = (c.u16_le(), c.u16_le());
        let (_depth, _sequence) = (c.u16_le()?, c.u16_le()?);
        (self.keyboard, self.build) = (c.u32_le(), c.u32_le());
        self.name = utf16(c.take(32)?);
        // Kind of keyboard, input method, depth, product, serial number, depths and flags.
        c.skip(12 + 64 + 2 + 2 + 4 + 2 + 2 + 2)?;
        self.product_id = utf16(c.take(64)?);
        Some(())
    }
}

/// Go through blocks of kind and length, both of two bytes, little endian; the length counts itself.
fn each_block<'a>(blocks: &'a [u8], mut take: impl FnMut(u16, &'a [u8])) {
    let mut c = Cursor::new(blocks);
    while let (Some(kind), Some(len)) = (c.u16_le(), c.u16_le()) {
        let Some(block) = usize::from(len).checked_sub(4).and_then(|n| c.take(n)) else { break };
        take(kind, block);
    }
}

/// The settings in a message that sets up the conference (T.124): behind the key of who sends them and a length (X.691).
fn settings<'a>(data: &'a [u8], key: &[u8; 4]) -> Option<&'a [u8]> {
    let at = data.windows(4).position(|w| w == key)?;
    let mut c = Cursor::new(data.get(at + 4..)?);
    let first = c.u8()?;
    // One byte below 128, two with the highest bit set above.
    let len = if first & 0x80 == 0 {
        usize::from(first)
    } else {
        usize::from(first & 0x7f) << 8 | usize::from(c.u8()?)
    };
    let rest = c.rest();
    Some(rest.get(..len).unwrap_or(rest))
}

/// The state of one connection.
#[derive(Default)]
struct Rdp {
    began: Option<At>,
    record: RdpRecord,
}

impl Rdp {
    /// One X.224 packet. Returns what comes next, if it is not the next packet.
    fn packet(&mut self, side: Side, packet: &[u8], out: &mut Output<'_>) -> Option<Next> {
        let (&code, body) = packet.split_first()?;
        match (side, code) {
            (Side::Orig, CONNECTION_REQUEST) => {
                self.request(body.get(5..)?, out);
                None
            }
            (Side::Resp, CONNECTION_CONFIRM) => Some(self.confirm(body.get(5..)?, out)),
            (Side::Orig, DATA) => {
                if let Some(blocks) = settings(body, b"Duca") {
                    self.record.client = ClientData::read(blocks);
                    self.clues(out);
                }
                None
            }
            (Side::Resp, DATA) => {
                each_block(settings(body, b"McDn")?, |kind, block| {
                    if kind == 0x0c02 {
                        let mut c = Cursor::new(block);
                        (self.record.encryption_method, self.record.encryption_level) =
                            (c.u32_le(), c.u32_le());
                    }
                });
                Some(Next::Over)
            }
            // A disconnect or an error.
            (_, 0x80 | 0x70) => Some(Next::Over),
            _ => None,
        }
    }

    /// A cookie or a routing token up to its line end, then the negotiation.
    fn request(&mut self, mut variable: &[u8], out: &Output<'_>) {
        self.began = Some(out.at);
        if let Some(end) = variable.windows(2).position(|w| w == b"\r\n") {
            let (line, rest) = variable.split_at_checked(end).unwrap_or((variable, &[]));
            let user = line.strip_prefix(b"Cookie: mstshash=").filter(|u| !u.is_empty());
            self.record.cookie = user.map(|u| printable(u, MAX_ACCOUNT));
            variable = rest.get(2..).unwrap_or(&[]);
        }
        self.record.requested = negotiation(variable, REQUEST);
    }

    fn confirm(&mut self, variable: &[u8], out: &Output<'_>) -> Next {
        self.record.rtt = self.began.map(|b| out.at.ts.since(b.ts));
        if let Some(code) = negotiation(variable, FAILURE) {
            self.record.failure = Some(code);
            return Next::Over;
        }
        // A server from before negotiation says nothing and means RDP's own protection.
        let selected = negotiation(variable, RESPONSE).unwrap_or(0);
        self.record.selected = Some(selected);
        if selected == 0 { Next::Packet } else { Next::Tls }
    }

    fn clues(&self, out: &mut Output<'_>) {
        let (host, client) = (out.host(Side::Orig), &self.record.client);
        if let Some(name) = &client.name {
            out.clue(host, Clue::Name, name, "rdp.client_name");
        }
        if let Some(build) = client.build.filter(|b| *b > 0) {
            out.clue(host, Clue::System, &format!("build {build}"), "rdp.client_build");
        }
    }

    fn malformed(&mut self, out: &mut Output<'_>) -> Fed {
        out.weird(WeirdKind::RdpMalformed, Detail::None);
        self.finish(out);
        Fed::Done
    }
}

/// What comes behind a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Packet,
    Tls,
    Over,
}

/// Kind, flags, the length 8 and a number.
fn negotiation(data: &[u8], wanted: u8) -> Option<u32> {
    let mut c = Cursor::new(data);
    let (kind, _flags, len) = (c.u8()?, c.u8()?, c.u16_le()?);
    c.u32_le().filter(|_| kind == wanted && len == 8)
}

impl Parser for Rdp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        let mut rest = data;
        while let Some([version, _, high, low]) = rest.first_chunk::<4>() {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if *version != 3 || len < 7 {
                return self.malformed(out);
            }
            let Some((packet, behind)) = rest.split_at_checked(len) else { break };
            rest = behind;
            // Behind the TPKT header and X.224's length.
            match self.packet(side, packet.get(5..).unwrap_or(&[]), out) {
                Some(Next::Tls) => return Fed::Switch(data.len() - rest.len()),
                Some(Next::Over) => {
                    self.finish(out);
                    return Fed::Done;
                }
                Some(Next::Packet) | None => {}
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        let Some(began) = self.began.take() else { return };
        let record = std::mem::take(&mut self.record);
        if record.cookie.is_some() {
            let login = Credential {
                service: PROTOCOL.name,
                account: record.cookie.clone(),
                mechanism: "cookie",
                secret: Secret::None,
                success: None,
                detail: None,
            };
            out.record(began, login);
        }
        out.record(began, record);
    }
}

#[cfg(test)]
mod tests;
