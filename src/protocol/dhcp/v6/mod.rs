//! Who got which IPv6 address, and what did the client say about itself?
//!
//! DHCP for IPv6 (RFC 8415) with FQDN (RFC 4704), name servers (RFC 3646) and relay identifiers (RFC 4649). What a relay forwards is
//! unwrapped. The list of wanted options, in the client's order, is its fingerprint.
//!
//! Refuses authentication and vendor options. Refuses to pair messages: questions go to a multicast address, so an answer is
//! another flow; `xid` joins them.

use super::{MAX_LISTED, MAX_OPTIONS, dns_names, joined, v6_list};
use crate::model::addr::{Ip, Mac};
use crate::model::bytes::{Cursor, be16};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::{hex, printable};
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::clues::{Clue, HOST_CLUES};
use crate::protocol::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};

/// Relays that one message may have passed (RFC 8415 section 7.6, HOP_COUNT_LIMIT).
const MAX_RELAYS: u8 = 8;

/// Longest identifier in bytes that is shown; DUIDs end at 130 (RFC 8415 section 11.1).
const MAX_ID: usize = 130;

/// Longest text of an option in bytes that is shown.
const MAX_TEXT: usize = 255;

/// Ports of client and server.
const PORTS: &[u16] = &[546, 547];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dhcpv6",
    about: "DHCP for IPv6 (RFC 8415); told by a message type and options that fill the datagram, on its ports.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Dhcpv6>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let looks = |d: &[u8]| {
        let header = match d.first() {
            Some(1..=11 | 14..=17 | 20 | 21) => 4,
            Some(&(RELAY_FORW | RELAY_REPL)) => 34,
            _ => return false,
        };
        let Some(options) = d.get(header..) else { return false };
        Options(options).fill()
    };
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    if p.on_port(PORTS) && looks(d) { Verdict::Mine(90) } else { Verdict::NotMine }
}

const RELAY_FORW: u8 = 12;
const RELAY_REPL: u8 = 13;

/// Name of a message type (RFC 8415 section 7.3, RFC 5007, RFC 5460, RFC 7341).
fn type_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "solicit",
        2 => "advertise",
        3 => "request",
        4 => "confirm",
        5 => "renew",
        6 => "rebind",
        7 => "reply",
        8 => "release",
        9 => "decline",
        10 => "reconfigure",
        11 => "information-request",
        RELAY_FORW => "relay-forw",
        RELAY_REPL => "relay-repl",
        14 => "leasequery",
        15 => "leasequery-reply",
        16 => "leasequery-done",
        17 => "leasequery-data",
        20 => "dhcpv4-query",
        21 => "dhcpv4-response",
        _ => return None,
    })
}

/// Codes of the options that are read.
mod option {
    pub(super) const CLIENT_ID: u16 = 1;
    pub(super) const SERVER_ID: u16 = 2;
    pub(super) const IA_NA: u16 = 3;
    pub(super) const IA_TA: u16 = 4;
    pub(super) const IA_ADDRESS: u16 = 5;
    pub(super) const WANTED: u16 = 6;
    pub(super) const RELAYED: u16 = 9;
    pub(super) const STATUS: u16 = 13;
    pub(super) const VENDOR_CLASS: u16 = 16;
    pub(super) const INTERFACE_ID: u16 = 18;
    pub(super) const DNS: u16 = 23;
    pub(super) const DOMAINS: u16 = 24;
    pub(super) const IA_PD: u16 = 25;
    pub(super) const IA_PREFIX: u16 = 26;
    pub(super) const REMOTE_ID: u16 = 37;
    pub(super) const FQDN: u16 = 39;
}

/// Options one behind the other: code and length, two bytes each.
#[derive(Clone, Copy)]
struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    fn each(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut c = Cursor::new(self.0);
        std::iter::from_fn(move || {
            let (code, len) = (c.u16()?, c.u16()?);
            Some((code, c.take(usize::from(len))?))
        })
        .take(MAX_OPTIONS)
    }

    fn get(self, wanted: u16) -> Option<&'a [u8]> {
        self.each().find(|(code, _)| *code == wanted).map(|(_, v)| v)
    }

    /// Do they end where the bytes end?
    fn fill(self) -> bool {
        self.each().map(|(_, v)| v.len() + 4).sum::<usize>() == self.0.len()
    }
}

/// One message, without its relays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcpv6Record {
    /// Number of the message type.
    pub message_type: u8,
    /// Transaction, 24 bits.
    pub xid: u32,
    /// The client's DUID, hexadecimal.
    pub client_duid: Option<String>,
    /// Hardware address inside it.
    pub client_mac: Option<Mac>,
    /// The server's DUID, hexadecimal.
    pub server_duid: Option<String>,
    /// Addresses asked for or given.
    pub addresses: Vec<Ip>,
    /// Prefixes asked for or given.
    pub prefixes: Vec<String>,
    /// Valid lifetime of the first address or prefix, seconds.
    pub lease: Option<u32>,
    /// Name.
    pub fqdn: Option<String>,
    /// Vendor class with its enterprise number.
    pub vendor_class: Option<String>,
    /// Options wanted, in order.
    pub fingerprint: Option<String>,
    /// Name servers.
    pub dns_servers: Vec<Ip>,
    /// Domains.
    pub domains: Vec<String>,
    /// Status of the message, or of the first address.
    pub status: Option<u16>,
    /// What the server says about it.
    pub message: Option<String>,
    /// Relays passed.
    pub relays: u8,
    /// The client's address as the relay next to it saw it.
    pub relay_peer: Option<Ip>,
    /// That relay's address on the client's link.
    pub relay_link: Option<Ip>,
    /// That relay's name for the interface, printable or hexadecimal.
    pub interface_id: Option<String>,
    /// Its name for the far end, hexadecimal behind the enterprise number.
    pub remote_id: Option<String>,
}

/// Messages.
pub static TABLE: Table = Table::record(
    "dhcpv6",
    "One row is one DHCP message for IPv6, unwrapped from its relays. Question and answer run over different flows; xid and client_duid join them.",
    &[
        col(
            "message_type",
            T::Text,
            "",
            "solicit, advertise, request, confirm, renew, rebind, reply, release …, or a number.",
        ),
        col("xid", T::U32, "", "Transaction, chosen by the client."),
        col("client_duid", T::Text, "", "The client's identifier, hexadecimal; NULL without one."),
        col("client_mac", T::Text, "", "Ethernet address inside the client's identifier; NULL without one."),
        col("server_duid", T::Text, "", "The server's identifier, hexadecimal; NULL without one."),
        col(
            "addresses",
            T::Text,
            "",
            "Addresses asked for, offered or given, with commas; NULL without any.",
        ),
        col(
            "prefixes",
            T::Text,
            "",
            "Delegated prefixes asked for, offered or given, with commas; NULL without any.",
        ),
        col(
            "lease_s",
            T::U32,
            "seconds",
            "Valid lifetime of the first of them; 4294967295 is for ever; NULL without one.",
        ),
        col("fqdn", T::Text, "", "The client's name (option 39); NULL without one."),
        col("vendor_class", T::Text, "", "Enterprise number and class (option 16); NULL without one."),
        col(
            "fingerprint",
            T::Text,
            "",
            "Numbers of the options wanted, in the client's order, with commas; NULL without them.",
        ),
        col("dns_servers", T::Text, "", "Name servers, with commas; NULL without any."),
        col("domains", T::Text, "", "Domains to search, with commas; NULL without any."),
        col(
            "status",
            T::U16,
            "",
            "Status of the message or of its first address, 0 is success; NULL when it says none.",
        ),
        col("message", T::Text, "", "What the server says about the status; NULL without words."),
        col("relays", T::U8, "hops", "Relays that it came through."),
        col(
            "relay_peer",
            T::Text,
            "",
            "The client's address as the relay next to it saw it; NULL without a relay.",
        ),
        col("relay_link", T::Text, "", "That relay's address on the client's link; NULL without one."),
        col(
            "interface_id",
            T::Text,
            "",
            "Where that relay heard it, text or hexadecimal; NULL when it does not say.",
        ),
        col(
            "remote_id",
            T::Text,
            "",
            "That relay's enterprise number and name for the far end; NULL when it does not say.",
        ),
    ],
);

impl Record for Dhcpv6Record {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        match type_name(self.message_type) {
            Some(name) => row.text(name),
            None => row.display(&self.message_type),
        };
        row.u32(self.xid)
            .opt_text(self.client_duid.as_deref())
            .mac(self.client_mac.unwrap_or(Mac::NONE))
            .opt_text(self.server_duid.as_deref())
            .opt_text(joined(&self.addresses).as_deref())
            .opt_text(joined(&self.prefixes).as_deref())
            .opt_u32(self.lease)
            .opt_text(self.fqdn.as_deref())
            .opt_text(self.vendor_class.as_deref())
            .opt_text(self.fingerprint.as_deref())
            .opt_text(joined(&self.dns_servers).as_deref())
            .opt_text(joined(&self.domains).as_deref())
            .opt_u16(self.status)
            .opt_text(self.message.as_deref())
            .u8(self.relays);
        for ip in [self.relay_peer, self.relay_link] {
            match ip {
                Some(ip) => row.ip(ip),
                None => row.null(),
            };
        }
        row.opt_text(self.interface_id.as_deref()).opt_text(self.remote_id.as_deref());
    }
}

/// Hexadecimal of an identifier.
fn id(value: &[u8]) -> String {
    hex(value.get(..MAX_ID).unwrap_or(value))
}

/// The Ethernet address in a DUID of type 1 (behind a time) or 3 (RFC 8415 section 11).
fn duid_mac(duid: &[u8]) -> Option<Mac> {
    let address = match (be16(duid, 0)?, be16(duid, 2)?) {
        (1, 1) => duid.get(8..),
        (3, 1) => duid.get(4..),
        _ => None,
    }?;
    address.first_chunk::<6>().filter(|_| address.len() == 6).map(|m| Mac(*m))
}

/// Enterprise number, then classes with their lengths; the first one is shown.
fn vendor_class(value: &[u8]) -> Option<String> {
    let mut c = Cursor::new(value);
    let (enterprise, len) = (c.u32()?, c.u16()?);
    let class = c.take(usize::from(len))?;
    Some(format!("{enterprise} {}", printable(class, MAX_TEXT)))
}

impl Dhcpv6Record {
    /// Read a message; relays around it are taken off. `None` when it contradicts itself.
    fn read(mut d: &[u8]) -> Option<Self> {
        let mut record = Self::default();
        while let Some(&(RELAY_FORW | RELAY_REPL)) = d.first() {
            let mut c = Cursor::new(d);
            c.skip(2)?;
            record.relay_link = Some(Ip::v6(c.array()?)).filter(|ip| ip.0 != [0; 16]);
            record.relay_peer = Some(Ip::v6(c.array()?));
            let options = Options(c.rest());
            let interface = options.get(option::INTERFACE_ID);
            record.interface_id = interface.map(|v| {
                let shown = v.get(..MAX_ID).unwrap_or(v);
                if shown.iter().all(|b| matches!(b, b' '..=b'~')) {
                    printable(shown, MAX_ID)
                } else {
                    id(shown)
                }
            });
            record.remote_id = options.get(option::REMOTE_ID).and_then(|v| {
                let (enterprise, name) = v.split_first_chunk::<4>()?;
                Some(format!("{} {}", u32::from_be_bytes(*enterprise), id(name)))
            });
            record.relays = record.relays.checked_add(1).filter(|n| *n <= MAX_RELAYS)?;
            d = options.get(option::RELAYED)?;
        }
        let mut c = Cursor::new(d);
        (record.message_type, record.xid) = (c.u8()?, c.u24()?);
        let options = Options(c.rest());
        for (code, value) in options.each() {
            record.option(code, value);
        }
        options.fill().then_some(record)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        match code {
            option::CLIENT_ID => (self.client_duid, self.client_mac) = (Some(id(value)), duid_mac(value)),
            option::SERVER_ID => self.server_duid = Some(id(value)),
            // Behind the IAID and, except for temporary addresses, two times.
            option::IA_NA | option::IA_PD => self.association(value.get(12..).unwrap_or(&[])),
            option::IA_TA => self.association(value.get(4..).unwrap_or(&[])),
            option::WANTED => {
                let wanted: Vec<_> = value
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .take(MAX_OPTIONS)
                    .map(|b| u16::from_be_bytes(*b))
                    .collect();
                self.fingerprint = joined(&wanted);
            }
            option::STATUS => self.status(value),
            option::VENDOR_CLASS => self.vendor_class = vendor_class(value),
            option::DNS => self.dns_servers = v6_list(value),
            option::DOMAINS => self.domains = dns_names(value),
            option::FQDN => self.fqdn = dns_names(value.get(1..).unwrap_or(&[])).into_iter().next(),
            _ => {}
        }
    }

    fn status(&mut self, value: &[u8]) {
        if let Some(code) = be16(value, 0).filter(|_| self.status.is_none()) {
            self.status = Some(code);
            let words = value.get(2..).unwrap_or(&[]);
            self.message = (!words.is_empty()).then(|| printable(words, MAX_TEXT));
        }
    }

    /// What belongs to one identity association.
    fn association(&mut self, options: &[u8]) {
        for (code, value) in Options(options).each() {
            let mut c = Cursor::new(value);
            let lifetime = match code {
                option::IA_ADDRESS => {
                    let Some(address) = c.array::<16>() else { continue };
                    if self.addresses.len() < MAX_LISTED {
                        self.addresses.push(Ip::v6(address));
                    }
                    c.u32().and_then(|_| c.u32())
                }
                option::IA_PREFIX => {
                    let times = (c.u32(), c.u32());
                    let (Some(len), Some(prefix)) = (c.u8(), c.array::<16>()) else { continue };
                    if self.prefixes.len() < MAX_LISTED {
                        self.prefixes.push(format!("{}/{len}", Ip::v6(prefix)));
                    }
                    times.1
                }
                option::STATUS => {
                    self.status(value);
                    None
                }
                _ => None,
            };
            self.lease = self.lease.or(lifetime);
        }
    }

    /// What the message says about hosts.
    fn clues(&self, sender: Ip, out: &mut Output<'_>) {
        match self.message_type {
            // From a client: its own address as it sends, and those that it asks to have or to keep.
            1 | 3..=6 | 8 | 9 | 11 => {
                let own = self.relay_peer.or(Some(sender).filter(|_| self.relays == 0));
                let asked = self.addresses.iter().copied().filter(|_| matches!(self.message_type, 3 | 5 | 6));
                for ip in own.into_iter().chain(asked) {
                    let mac = self.client_mac.map(|m| m.to_string());
                    let said = [
                        (Clue::Name, &self.fqdn, "dhcpv6.fqdn"),
                        (Clue::Mac, &mac, "dhcpv6.duid"),
                        (Clue::System, &self.vendor_class, "dhcpv6.vendor_class"),
                        (Clue::Fingerprint, &self.fingerprint, "dhcpv6.fingerprint"),
                    ];
                    for (clue, value, source) in said {
                        if let Some(value) = value {
                            out.clue(ip, clue, value, source);
                        }
                    }
                }
            }
            2 | 7 => {
                if self.relays == 0 {
                    out.clue(sender, Clue::Role, "dhcp_server", "dhcpv6");
                }
                for ip in &self.dns_servers {
                    out.clue(*ip, Clue::Role, "resolver", "dhcpv6.dns_servers");
                }
            }
            _ => {}
        }
    }
}

/// A flow of DHCP has no state: each message speaks for itself.
#[derive(Default)]
struct Dhcpv6;

impl Parser for Dhcpv6 {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        match Dhcpv6Record::read(data) {
            Some(record) => {
                record.clues(out.host(side), out);
                out.record(out.at, record);
            }
            None => {
                out.weird(WeirdKind::DhcpMalformed, Detail::Text("options do not fill the message".into()))
            }
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0)
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

#[cfg(test)]
mod tests;
