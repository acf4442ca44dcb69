//! Which remote procedures were called?
//!
//! DCE/RPC: connection-oriented, version 5, over TCP and over named pipes of SMB (which hands the bytes to a [`Conversation`]), and
//! connectionless, version 4, over UDP. C706 chapter 12, MS-RPCE. Binds and calls are paired with their answers; arguments are skipped
//! unread, but for the endpoint mapper's answer, which tells where the next connection will go. After loss it waits for a
//! segment that begins with a packet. Refuses: arguments and results, RPC over HTTP.
//! Read `pdu` (what a packet looks like), then `conversation`, `datagram`, `epm`, `interfaces`, `record`.

mod conversation;
mod datagram;
mod epm;
mod interfaces;
mod netlogon;
mod pdu;
mod record;
#[cfg(test)]
pub(crate) mod tests;

pub use conversation::Conversation;
pub use record::{DCERPC, DcerpcRecord};

use super::clues::HOST_CLUES;
use super::credentials::CREDENTIALS;
use super::ntlm::NTLM;
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::bytes::Cursor;
use crate::model::flow::{Side, ip_protocol};
use crate::model::text::push_hex;
use pdu::Header;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "dcerpc",
    about: "DCE/RPC over TCP (version 5) and UDP (version 4), C706 and MS-RPCE; told by version, packet type, data representation and a length that fits the type.",
    transports: &[Transport::Tcp, Transport::Udp],
    ports: &[135],
    tables: &[&DCERPC, &NTLM, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: conversation::MAX_WHOLE,
    probe,
    parser: Some(|| Box::<Rpc>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let yes = |yes, sure| if yes { Verdict::Mine(sure) } else { Verdict::NotMine };
    if p.transport == Transport::Udp {
        let looks = |d: &[u8]| d.is_empty() || datagram::looks_like(d);
        let spoke = !p.orig.is_empty() || !p.resp.is_empty();
        return yes(spoke && looks(p.orig) && looks(p.resp), 85);
    }
    let sides = [p.orig, p.resp].map(|d| if d.is_empty() { None } else { Some(Header::looks_like(d)) });
    match sides {
        // Both must agree when both have spoken: version and type alone are eight bytes that others may send.
        [Some(Some(false)), _] | [_, Some(Some(false))] | [None, None] => Verdict::NotMine,
        [Some(Some(true)), _] | [_, Some(Some(true))] => Verdict::Mine(85),
        _ => Verdict::NeedMore,
    }
}

/// A UUID, its bytes in the order in which they are printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From the wire, where the first three fields have the sender's byte order.
    pub(crate) fn read(c: &mut Cursor<'_>, little: bool) -> Option<Self> {
        let mut bytes: [u8; 16] = c.array()?;
        if little {
            let (time, rest) = bytes.split_at_mut(8);
            let (low, mid) = time.split_at_mut(4);
            let (mid, high) = mid.split_at_mut(2);
            low.reverse();
            mid.reverse();
            high.reverse();
            debug_assert_eq!(rest.len(), 8);
        }
        Some(Self(bytes))
    }

    /// Is every byte zero?
    pub fn is_nil(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl std::fmt::Display for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::with_capacity(36);
        for (i, b) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            push_hex(&mut text, *b);
        }
        f.write_str(&text)
    }
}

impl std::fmt::Debug for Uuid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// The parser of one flow, of either kind.
#[derive(Default)]
struct Rpc {
    connection: Conversation,
    datagrams: datagram::Datagrams,
    /// Was at least one packet of the side understood?
    spoke: [bool; 2],
    /// Another flow said that this one would be DCE/RPC: no probe has looked at it.
    announced: bool,
}

impl Rpc {
    fn stream(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let [orig, resp] = &mut self.spoke;
        let spoke = if side == Side::Orig { orig } else { resp };
        if !*spoke && !self.announced && Header::looks_like(data) == Some(false) {
            // The capture begins inside a packet.
            self.connection.lose(side);
            return Fed::Took(data.len());
        }
        match self.connection.feed(side, data, out) {
            Some(taken) => {
                *spoke |= taken > 0;
                match self.connection.take_skip(side) {
                    0 => Fed::Took(taken),
                    skip => Fed::Skip(skip),
                }
            }
            None if self.spoke == [false; 2] => Fed::NotMine,
            None => {
                self.connection.finish(out);
                Fed::Done
            }
        }
    }
}

impl Parser for Rpc {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == ip_protocol::TCP {
            return self.stream(side, data, out);
        }
        self.datagrams.feed(side, data, out);
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.connection.lose(side);
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.connection.finish(out);
        self.datagrams.finish(out);
    }
}

/// A parser for a connection that is known to be DCE/RPC.
fn announced() -> Box<dyn Parser> {
    Box::new(Rpc { announced: true, ..Rpc::default() })
}
