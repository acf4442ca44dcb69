//! Who got which IPv4 address, from whom, and what did the client say about itself?
//!
//! DHCP (RFC 2131) with the options of RFC 2132, FQDN (RFC 4702), relay information (RFC 3046), static routes (RFC 3442) and long
//! options (RFC 3396); BOOTP (RFC 951) as far as it looks the same. The list of wanted options, in the client's order, is its
//! fingerprint.
//!
//! Refuses authentication and vendor options: nobody joins on them. Refuses to pair messages: see [`super`].

mod record;

pub use self::record::{DhcpRecord, TABLE};

use super::{MAX_OPTIONS, dns_names, joined, v4_list};
use crate::model::addr::{Ip, Mac};
use crate::model::bytes::{Cursor, be32};
use crate::model::flow::Side;
use crate::model::text::{hex, printable};
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::clues::{Clue, HOST_CLUES};
use crate::protocol::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use std::borrow::Cow;

/// Behind the BOOTP header (RFC 2131 section 3).
const COOKIE: u32 = 0x6382_5363;

/// Bytes of the BOOTP header.
const HEADER: usize = 236;

/// Bytes of it up to the client's hardware address, without which a message says nothing.
const ADDRESSES: usize = 44;

/// Longest text of an option: one option's length byte.
const MAX_TEXT: usize = 255;

/// Routes of one message that are shown.
const MAX_ROUTES: usize = 16;

/// Ports of server and client.
const PORTS: &[u16] = &[67, 68];

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dhcp",
    about: "DHCP for IPv4 (RFC 2131) and BOOTP; told by the magic cookie behind the BOOTP header, or by that header on its ports.",
    transports: &[Transport::Udp],
    ports: PORTS,
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<Dhcp>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let header = |d: &[u8]| matches!(d, [1 | 2, _, 0..=16, ..]);
    let dhcp = |d: &[u8]| header(d) && be32(d, HEADER) == Some(COOKIE);
    // BOOTP without the cookie: 300 bytes for Ethernet (RFC 951 section 3). A short one was cut before its cookie; both ports have to fit then.
    let bootp = |d: &[u8]| matches!(d, [1 | 2, 1, 6, 0..=16, ..]) && d.len() >= 300;
    let cut = |d: &[u8]| matches!(d, [1 | 2, 1, 6, 0..=16, ..]) && (ADDRESSES..HEADER + 4).contains(&d.len());
    let between = PORTS.contains(&p.ports.0) && PORTS.contains(&p.ports.1);
    let d = if p.orig.is_empty() { p.resp } else { p.orig };
    if dhcp(d) {
        Verdict::Mine(95)
    } else if (bootp(d) && p.on_port(PORTS)) || (cut(d) && between) {
        Verdict::Mine(60)
    } else {
        Verdict::NotMine
    }
}

/// Codes of the options that are read (RFC 2132 and the IANA registry).
mod option {
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const DNS: u8 = 6;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const DOMAIN: u8 = 15;
    pub(super) const NTP: u8 = 42;
    pub(super) const NETBIOS_SERVERS: u8 = 44;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const MESSAGE_TYPE: u8 = 53;
    pub(super) const SERVER_ID: u8 = 54;
    pub(super) const WANTED: u8 = 55;
    pub(super) const MESSAGE: u8 = 56;
    pub(super) const VENDOR_CLASS: u8 = 60;
    pub(super) const CLIENT_ID: u8 = 61;
    pub(super) const TFTP_SERVER: u8 = 66;
    pub(super) const BOOT_FILE: u8 = 67;
    pub(super) const FQDN: u8 = 81;
    pub(super) const RELAY: u8 = 82;
    pub(super) const ROUTES: u8 = 121;
    pub(super) const MICROSOFT_ROUTES: u8 = 249;
    pub(super) const PROXY: u8 = 252;
}

/// Name of a message type (RFC 2132 section 9.6, RFC 3203, RFC 4388, RFC 6926).
fn type_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "discover",
        2 => "offer",
        3 => "request",
        4 => "decline",
        5 => "ack",
        6 => "nak",
        7 => "release",
        8 => "inform",
        9 => "forcerenew",
        10 => "leasequery",
        11 => "leaseunassigned",
        12 => "leaseunknown",
        13 => "leaseactive",
        14 => "bulkleasequery",
        15 => "leasequerydone",
        _ => return None,
    })
}

/// The options of a message; parts of a long one are joined (RFC 3396).
#[derive(Default)]
struct Options<'a> {
    list: Vec<(u8, Cow<'a, [u8]>)>,
    /// Does an area end inside an option, or are there too many?
    broken: bool,
}

impl<'a> Options<'a> {
    /// Read one area: the options field, or a header field that holds options too (option 52).
    fn area(&mut self, data: &'a [u8]) {
        let mut c = Cursor::new(data);
        while let Some(code) = c.u8() {
            match code {
                0 => continue,
                255 => return,
                _ => {}
            }
            let Some(value) = c.u8().and_then(|len| c.take(usize::from(len))) else {
                self.broken = true;
                return;
            };
            if let Some((_, known)) = self.list.iter_mut().find(|(k, _)| *k == code) {
                known.to_mut().extend_from_slice(value);
            } else if self.list.len() < MAX_OPTIONS {
                self.list.push((code, Cow::Borrowed(value)));
            } else {
                self.broken = true;
                return;
            }
        }
    }

    fn get(&self, code: u8) -> Option<&[u8]> {
        self.list.iter().find(|(k, _)| *k == code).map(|(_, v)| v.as_ref())
    }

    fn ip(&self, code: u8) -> Option<Ip> {
        self.get(code)?.first_chunk::<4>().map(|a| Ip::v4(*a))
    }

    fn ips(&self, code: u8) -> Vec<Ip> {
        self.get(code).map(v4_list).unwrap_or_default()
    }

    /// Text without the zeros that some clients put behind it.
    fn text(&self, code: u8) -> Option<String> {
        self.get(code).and_then(text)
    }
}

/// Printable, up to the first zero; `None` when nothing is left.
fn text(value: &[u8]) -> Option<String> {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    let text = value.get(..end).unwrap_or(value);
    (!text.is_empty()).then(|| printable(text, MAX_TEXT))
}

/// Text where it is text, else hexadecimal.
fn text_or_hex(value: &[u8]) -> Option<String> {
    let value = value.get(..MAX_TEXT).unwrap_or(value);
    let is_text = value.iter().all(|b| matches!(b, b' '..=b'~'));
    (!value.is_empty()).then(|| if is_text { printable(value, MAX_TEXT) } else { hex(value) })
}

/// Type 1 with six bytes is an Ethernet address (RFC 2132 section 9.14).
fn client_id(value: &[u8]) -> Option<String> {
    match value {
        [1, mac @ ..] if mac.len() == 6 => mac.first_chunk::<6>().map(|m| Mac(*m).to_string()),
        [] => None,
        other => Some(hex(other.get(..MAX_TEXT).unwrap_or(other))),
    }
}

/// Flags, two old result codes, then the name: in DNS's encoding when the E bit says so (RFC 4702 section 2).
fn fqdn(value: &[u8]) -> Option<String> {
    let (flags, name) = (value.first()?, value.get(3..)?);
    if flags & 4 == 0 {
        return text(name);
    }
    dns_names(name).into_iter().next()
}

/// Prefix length, as many bytes of the net as it needs, router (RFC 3442).
fn routes(value: &[u8]) -> Vec<String> {
    let (mut c, mut out) = (Cursor::new(value), Vec::new());
    while let Some(len) = c.u8().filter(|l| *l <= 32 && out.len() < MAX_ROUTES) {
        let mut net = [0; 4];
        let Some(bytes) = c.take(usize::from(len).div_ceil(8)) else { break };
        for (to, from) in net.iter_mut().zip(bytes) {
            *to = *from;
        }
        let Some(router) = c.array::<4>() else { break };
        out.push(format!("{}/{len} via {}", Ip::v4(net), Ip::v4(router)));
    }
    out
}

/// The value of a numbered part of the relay's option.
fn relay_part(value: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut c = Cursor::new(value);
    loop {
        let (code, len) = (c.u8()?, c.u8()?);
        let part = c.take(usize::from(len))?;
        if code == wanted {
            return Some(part);
        }
    }
}

impl DhcpRecord {
    /// Read a message. `None` when not even the addresses of its header are there; the flag says whether it ended early.
    fn read(d: &[u8]) -> Option<(Self, bool)> {
        let mut c = Cursor::new(d);
        let (op, kind, hardware_len, _) = (c.u8()?, c.u8()?, c.u8()?, c.u8()?);
        let xid = c.u32()?;
        c.skip(4)?;
        let mut address = || c.array::<4>().map(|a| Some(Ip::v4(a)).filter(|_| a != [0; 4]));
        let [client_ip, assigned_ip, next_server, relay_ip] =
            [address()?, address()?, address()?, address()?];
        let hardware = c.array::<16>()?;
        let (server_name, file) = (c.take(64).unwrap_or(&[]), c.take(128).unwrap_or(&[]));
        let mut options = Options { broken: d.len() < HEADER, ..Options::default() };
        if c.u32() == Some(COOKIE) {
            options.area(c.rest());
            let overload = options.get(option::OVERLOAD).and_then(|v| v.first()).copied().unwrap_or(0);
            if overload & 1 != 0 {
                options.area(file);
            }
            if overload & 2 != 0 {
                options.area(server_name);
            }
        }
        let overload = options.get(option::OVERLOAD).and_then(|v| v.first()).copied().unwrap_or(0);
        let header_text = |bit: u8, field: &[u8]| if overload & bit == 0 { text(field) } else { None };
        let client_mac = hardware.first_chunk::<6>().map(|m| Mac(*m));
        let relay = options.get(option::RELAY);
        let static_routes = options.get(option::ROUTES).or_else(|| options.get(option::MICROSOFT_ROUTES));
        let record = Self {
            message_type: options.get(option::MESSAGE_TYPE).and_then(|v| v.first()).copied(),
            from_server: op == 2,
            xid,
            client_mac: client_mac.filter(|m| kind == 1 && hardware_len == 6 && m.is_some()),
            client_id: options.get(option::CLIENT_ID).and_then(client_id),
            client_ip,
            assigned_ip,
            requested_ip: options.ip(option::REQUESTED),
            server_id: options.ip(option::SERVER_ID),
            next_server,
            relay_ip,
            host_name: options.text(option::HOST_NAME),
            fqdn: options.get(option::FQDN).and_then(fqdn),
            domain: options.text(option::DOMAIN),
            subnet_mask: options.ip(option::SUBNET_MASK),
            routers: options.ips(option::ROUTER),
            dns_servers: options.ips(option::DNS),
            ntp_servers: options.ips(option::NTP),
            netbios_servers: options.ips(option::NETBIOS_SERVERS),
            routes: static_routes.map(routes).unwrap_or_default(),
            proxy_url: options.text(option::PROXY),
            lease: options.get(option::LEASE).and_then(|v| be32(v, 0)),
            vendor_class: options.text(option::VENDOR_CLASS),
            fingerprint: options.get(option::WANTED).and_then(|v| joined(v.get(..MAX_TEXT).unwrap_or(v))),
            boot_server: options.text(option::TFTP_SERVER).or_else(|| header_text(2, server_name)),
            boot_file: options.text(option::BOOT_FILE).or_else(|| header_text(1, file)),
            message: options.text(option::MESSAGE),
            circuit_id: relay.and_then(|r| relay_part(r, 1)).and_then(text_or_hex),
            remote_id: relay.and_then(|r| relay_part(r, 2)).and_then(text_or_hex),
        };
        Some((record, options.broken))
    }

    /// What the message says about hosts. Wishes are no clues: only addresses in use, given, or confirmed by the client.
    fn clues(&self, sender: Ip, out: &mut Output<'_>) {
        const REQUEST: u8 = 3;
        const OFFER: u8 = 2;
        const ACK: u8 = 5;
        const INFORM: u8 = 8;
        match self.message_type {
            Some(REQUEST | INFORM) if !self.from_server => {
                // A client that asks for an address which it was offered, or had before, will have it unless the server objects.
                if let Some(ip) = self.client_ip.or(self.requested_ip) {
                    self.client_clues(ip, out);
                    self.self_description(ip, out);
                }
            }
            Some(kind @ (OFFER | ACK)) if self.from_server => {
                if let Some(ip) = self.assigned_ip.or(self.client_ip).filter(|_| kind == ACK) {
                    self.client_clues(ip, out);
                    if let Some(domain) = &self.domain {
                        out.clue(ip, Clue::Domain, domain, "dhcp.domain");
                    }
                }
                // A relay's address is not the server's; the identifier is.
                out.clue(self.server_id.unwrap_or(sender), Clue::Role, "dhcp_server", "dhcp");
                let roles = [
                    (&self.routers, "router", "dhcp.routers"),
                    (&self.dns_servers, "resolver", "dhcp.dns_servers"),
                    (&self.ntp_servers, "time_server", "dhcp.ntp_servers"),
                ];
                for (list, role, source) in roles {
                    for ip in list {
                        out.clue(*ip, Clue::Role, role, source);
                    }
                }
            }
            _ => {}
        }
    }

    fn client_clues(&self, ip: Ip, out: &mut Output<'_>) {
        if let Some(mac) = self.client_mac {
            out.clue(ip, Clue::Mac, &mac.to_string(), "dhcp");
        }
        if let Some(name) = &self.host_name {
            out.clue(ip, Clue::Name, name, "dhcp.host_name");
        }
        if let Some(name) = &self.fqdn {
            out.clue(ip, Clue::Name, name, "dhcp.fqdn");
        }
    }

    fn self_description(&self, ip: Ip, out: &mut Output<'_>) {
        if let Some(class) = &self.vendor_class {
            out.clue(ip, Clue::System, class, "dhcp.vendor_class");
        }
        if let Some(fingerprint) = &self.fingerprint {
            out.clue(ip, Clue::Fingerprint, fingerprint, "dhcp.fingerprint");
        }
    }
}

/// A flow of DHCP has no state: each message speaks for itself.
#[derive(Default)]
struct Dhcp;

impl Parser for Dhcp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        match DhcpRecord::read(data) {
            Some((record, broken)) => {
                if broken {
                    out.weird(
                        WeirdKind::DhcpMalformed,
                        Detail::Text("it ends early, or has too many options".into()),
                    );
                }
                record.clues(out.host(side), out);
                out.record(out.at, record);
            }
            None => out.weird(WeirdKind::DhcpMalformed, Detail::Text("no whole header".into())),
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
