//! What is spoken on a flow, and what was said?
//!
//! One protocol a file, each with its probe, parser, record and table; [`ALL`] lists them. Service is told by
//! content; a port is only a hint. Parsers take bytes and time, nothing else: no I/O, no clock, no knowledge of detectors
//! or the database. To add one, copy `template.rs`.

pub mod bacnet;
pub mod ber;
pub mod clues;
pub mod coap;
pub mod credentials;
pub mod dcerpc;
pub mod dhcp;
pub mod dispatch;
pub mod dnp3;
pub mod dns;
pub mod dtls;
mod encoding;
pub mod enip;
pub mod files;
pub mod ftp;
pub mod headers;
pub mod http1;
pub mod http2;
pub mod iec104;
pub mod imap;
pub mod irc;
pub mod kerberos;
pub mod ldap;
mod lines;
pub mod mime;
pub mod modbus;
pub mod mongodb;
pub mod mqtt;
pub mod mysql;
pub mod names;
pub mod ntlm;
pub mod ntp;
pub mod polling;
pub mod pop3;
pub mod postgresql;
pub mod quic;
pub mod radius;
pub mod rdp;
pub mod redis;
mod registry;
pub mod rtp;
pub mod rtsp;
pub mod s7comm;
mod sasl;
pub mod sip;
pub mod smb;
pub mod smtp;
mod sniff;
pub mod snmp;
pub mod socks;
pub mod spnego;
pub mod ssdp;
pub mod ssh;
pub mod stratum;
pub mod stun;
pub mod syslog;
pub mod tds;
pub mod telnet;
pub mod template;
#[cfg(test)]
pub(crate) mod testing;
pub mod tftp;
pub mod tls;
pub mod unknown;
mod unpack;
pub mod websocket;
pub mod xmpp;

pub use self::registry::ALL;

use self::clues::{Clue, HostClue};
use crate::flow::{At, FlowView};
use crate::model::addr::Ip;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::schema::Table;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};

/// Over which transport a protocol runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// An ordered byte stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// What a probe says to the first bytes of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is this protocol; how sure, 1 to 100. The surest wins; equal ones by order in [`ALL`].
    Mine(u8),
    /// It is not, and no byte that may follow changes that: it is not asked again. A stream comes in pieces of any size, so
    /// what its first byte cannot refute is [`Verdict::NeedMore`] for that byte.
    NotMine,
    /// Cannot tell yet.
    NeedMore,
}

/// What a probe sees: the first bytes of both sides so far (datagrams: the first datagram of each side).
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// First bytes of the originator.
    pub orig: &'a [u8],
    /// First bytes of the responder.
    pub resp: &'a [u8],
    /// Over what.
    pub transport: Transport,
    /// Ports of originator and responder. Only to break ties.
    pub ports: (u16, u16),
}

impl Probe<'_> {
    /// Is one of the ports in `ports`?
    pub fn on_port(&self, ports: &[u16]) -> bool {
        ports.contains(&self.ports.1) || ports.contains(&self.ports.0)
    }
}

/// Where parsers put what they found.
pub struct Output<'a> {
    /// The flow.
    pub flow: &'a FlowView,
    /// The packet at hand.
    pub at: At,
    /// Are MD5 and SHA-1 of files wanted, too?
    pub old_hashes: bool,
    pub(crate) emit: &'a mut dyn FnMut(Emitted),
}

/// What a parser may emit.
#[derive(Debug)]
pub enum Emitted {
    /// A finished record; `at` is when it began.
    Record(At, Box<dyn Record>),
    /// An oddity.
    Weird(WeirdKind, Detail),
    /// The name of the server as the client said it (SNI, Host).
    Hostname(Box<str>),
    /// A flow to this address and port will come.
    Expect(Announced),
    /// What follows the switch that comes now is known.
    Next(Next),
}

/// What follows a [`Fed::Switch`], when the parser that ends knows it (an upgrade that both sides agreed on).
pub struct Next {
    /// The protocol.
    pub protocol: &'static Protocol,
    /// Who reads it, from its first byte on both sides.
    pub parser: Box<dyn Parser>,
}

impl std::fmt::Debug for Next {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Next").field("protocol", &self.protocol.name).finish()
    }
}

/// A flow that another one announced (FTP's data, SIP's media). Both must run between the same two hosts.
pub struct Announced {
    /// Where it will go.
    pub address: Ip,
    /// To which port.
    pub port: u16,
    /// What it will be, whatever it carries.
    pub service: &'static str,
    /// Who reads it, and as what; without, it is named and not looked into.
    pub parser: Option<(&'static Protocol, Box<dyn Parser>)>,
}

impl std::fmt::Debug for Announced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { address, port, service, .. } = self;
        f.debug_struct("Announced")
            .field("address", address)
            .field("port", port)
            .field("service", service)
            .finish()
    }
}

impl Output<'_> {
    /// The host at this end of the flow.
    pub fn host(&self, side: Side) -> Ip {
        match side {
            Side::Orig => self.flow.tuple.src,
            Side::Resp => self.flow.tuple.dst,
        }
    }

    /// Hand on a record that began at `began`.
    pub fn record(&mut self, began: At, record: impl Record) {
        (self.emit)(Emitted::Record(began, Box::new(record)));
    }

    /// Note an oddity.
    pub fn weird(&mut self, kind: WeirdKind, detail: Detail) {
        (self.emit)(Emitted::Weird(kind, detail));
    }

    /// The next connection to this address and port will be `service`, whatever it carries.
    pub fn expect(&mut self, address: Ip, port: u16, service: &'static str) {
        (self.emit)(Emitted::Expect(Announced { address, port, service, parser: None }));
    }

    /// The next flow to this address and port is `protocol`, and `parser` reads it from its first byte.
    pub fn expect_with(
        &mut self,
        address: Ip,
        port: u16,
        protocol: &'static Protocol,
        parser: Box<dyn Parser>,
    ) {
        let parser = Some((protocol, parser));
        let service = protocol.name;
        (self.emit)(Emitted::Expect(Announced { address, port, service, parser }));
    }

    /// What follows is `protocol`, and `parser` reads it: nobody is asked. Right before [`Fed::Switch`].
    pub fn next(&mut self, protocol: &'static Protocol, parser: Box<dyn Parser>) {
        (self.emit)(Emitted::Next(Next { protocol, parser }));
    }

    /// Something was said about the host `ip`, now.
    pub fn clue(&mut self, ip: Ip, clue: Clue, value: &str, source: &'static str) {
        let value = printable(value.trim().as_bytes(), clues::MAX_VALUE);
        if !value.is_empty() {
            self.record(self.at, HostClue { ip, clue, value, source });
        }
    }

    /// Name the server; the first name of a flow stays.
    pub fn hostname(&mut self, name: &str) {
        (self.emit)(Emitted::Hostname(name.into()));
    }
}

/// What a parser did with the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fed {
    /// Took the first `n` bytes; the rest comes again with more behind it. `n` = all is the common case. Streams
    /// only: what a parser leaves of a datagram is gone.
    Took(usize),
    /// Took all and will take `n` more bytes of this side unseen (a body): they are not even copied.
    Skip(u64),
    /// Has seen enough of this flow; nothing more comes, `finish` neither.
    Done,
    /// It is not this protocol after all, or broken beyond repair: the service is withdrawn if nothing was
    /// recorded.
    NotMine,
    /// Took the first `n` bytes; all that follows, on both sides, is another protocol (CONNECT, STARTTLS, Upgrade): probing
    /// begins again.
    Switch(usize),
}

/// A parser of one flow. Created when its probe won; then fed from the first byte.
pub trait Parser: Send {
    /// The next bytes of one side (streams: what was left over comes first), or one datagram.
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed;

    /// `missing` bytes of one side will never come. Left-over bytes of that side are dropped.
    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed;

    /// The flow ended, or was given up: write what is pending.
    fn finish(&mut self, out: &mut Output<'_>);

    /// `bytes` of what was to be skipped never came: lost in a gap, or the flow ended before. Comes before `finish`.
    fn unskipped(&mut self, _side: Side, _bytes: u64) {}

    /// A more exact name than the registry's, when the bytes tell (`mdns` for `dns`).
    fn service(&self) -> Option<&'static str> {
        None
    }

    /// Is it certain of its protocol? One that only a row of messages proves (RTP) says no until it has seen them; a flow that ends
    /// before stays without a name.
    fn sure(&self) -> bool {
        true
    }
}

/// One entry of the registry.
#[derive(Debug)]
pub struct Protocol {
    /// Name as in `flows.service`, lower case.
    pub name: &'static str,
    /// What it is and how it is recognised, a sentence, with its RFC.
    pub about: &'static str,
    /// Transports it runs over.
    pub transports: &'static [Transport],
    /// Usual ports: hints that break ties, and the service of flows without content. A probe asks about no others.
    pub ports: &'static [u16],
    /// Tables its records go to.
    pub tables: &'static [&'static Table],
    /// Largest message kept while waiting for its rest, bytes a side.
    pub buffer_cap: usize,
    /// Is it this protocol?
    pub probe: fn(&Probe<'_>) -> Verdict,
    /// A parser for a new flow; `None`: the name is all we know.
    pub parser: Option<fn() -> Box<dyn Parser>>,
}

#[cfg(test)]
mod tests;
