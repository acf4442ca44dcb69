//! What is kept of one live flow?
//!
//! 96 bytes for every flow, and a box when there is more to know: an answer, payload that the application wants, anything
//! but a first SYN. A table under a SYN flood or a UDP scan therefore stays small. Addresses are 4 bytes (IPv4 itself, or the
//! number of an interned IPv6 address); link addresses, VLANs and tunnel path are one interned number.

use super::config::Class;
use super::sctp::Association;
use super::tcp::Tcp;
use super::{Application, At, FlowView, Interest};
use crate::decode::{Decoded, TunnelPath};
use crate::model::addr::Mac;
use crate::model::flow::{Side, ip_protocol};
use crate::model::time::Timestamp;

/// No slot.
pub(super) const NIL: u32 = u32::MAX;
/// The offset of a first packet that has not come yet.
const NOWHERE: u64 = u64::MAX;

/// Packets and bytes of one side.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Count {
    /// Packets, every fragment counted.
    pub(super) packets: u64,
    /// Payload by the lengths the headers claim.
    pub(super) bytes: u64,
    /// With IP headers.
    pub(super) ip_bytes: u64,
}

impl Count {
    /// One more.
    pub(super) fn add(&mut self, d: &Decoded) {
        self.packets = self.packets.saturating_add(u64::from(d.fragments.max(1)));
        self.bytes = self.bytes.saturating_add(u64::from(d.payload_len));
        self.ip_bytes = self.ip_bytes.saturating_add(u64::from(d.ip_bytes));
    }
}

/// What surrounds the first packet of a flow.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Link {
    pub(super) src_mac: Mac,
    pub(super) dst_mac: Mac,
    pub(super) vlan: u16,
    pub(super) inner_vlan: u16,
    pub(super) tunnel: TunnelPath,
}

/// Where the application stands with a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Phase {
    /// No payload came yet.
    #[default]
    Unopened,
    /// It wants more.
    Open,
    /// It does not, or never did.
    Done,
}

/// A flow of which only one end was heard, and nothing that needs more room: equal plain SYNs, or datagrams that the
/// application does not want.
#[derive(Clone, Copy, Debug)]
pub(super) struct Young {
    /// TCP: the SYN's sequence number.
    pub(super) seq: u32,
    /// TCP: number of the SYN's shape; [`NIL`] when it is not known.
    pub(super) shape: u32,
    /// Distance of the last packet from the first, in packets and file bytes.
    last_packet: u32,
    last_offset: u32,
    bytes: u32,
    ip_bytes: u32,
    packets: u16,
    ttl: u8,
    flags: u8,
    pub(super) phase: Phase,
}

impl Default for Young {
    fn default() -> Self {
        Self {
            seq: 0,
            shape: NIL,
            last_packet: 0,
            last_offset: 0,
            bytes: 0,
            ip_bytes: 0,
            packets: 0,
            ttl: 0,
            flags: 0,
            phase: Phase::default(),
        }
    }
}

impl Young {
    /// Count a packet that lies `packets` and `offset` behind the first; false when it does not fit.
    fn add(&mut self, d: &Decoded, packets: u64, offset: u64) -> bool {
        let Some(next) = self.grown(d, packets, offset) else { return false };
        *self = next;
        true
    }

    fn grown(mut self, d: &Decoded, packets: u64, offset: u64) -> Option<Self> {
        if self.packets == 0 {
            self.ttl = d.ttl;
        }
        self.packets = self.packets.checked_add(d.fragments.max(1))?;
        self.bytes = self.bytes.checked_add(d.payload_len)?;
        self.ip_bytes = self.ip_bytes.checked_add(d.ip_bytes)?;
        self.last_packet = packets.try_into().ok()?;
        self.last_offset = offset.try_into().ok()?;
        self.flags |= d.tcp.flags;
        Some(self)
    }

    /// Was anything counted?
    pub(super) fn is_new(&self) -> bool {
        self.packets == 0
    }

    fn count(&self) -> Count {
        Count { packets: self.packets.into(), bytes: self.bytes.into(), ip_bytes: self.ip_bytes.into() }
    }
}

/// A flow without TCP that has more to it.
#[derive(Debug)]
pub(super) struct Datagrams<S> {
    pub(super) counts: [Count; 2],
    pub(super) last_packet: u64,
    pub(super) last_offset: u64,
    pub(super) app: Option<Box<S>>,
    pub(super) sctp: Option<Box<Association>>,
    pub(super) last_file: u16,
    pub(super) ttls: [u8; 2],
    pub(super) phase: Phase,
}

/// A TCP connection that is more than its first SYN.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) tcp: Tcp,
    pub(super) last_packet: u64,
    pub(super) last_offset: u64,
    pub(super) app: Option<Box<S>>,
    /// As in [`Young`].
    pub(super) shape: u32,
    pub(super) last_file: u16,
    pub(super) phase: Phase,
}

/// How much is known.
#[derive(Debug)]
pub(super) enum State<S> {
    /// Little.
    Young(Young),
    /// Datagrams both ways, or application state.
    Datagrams(Box<Datagrams<S>>),
    /// A connection.
    Tcp(Box<Connection<S>>),
}

/// Addresses are IPv4 itself, not interned.
pub(super) const INLINE_ADDRESSES: u8 = 1;
/// IP version 6.
pub(super) const VERSION_6: u8 = 2;
/// The first packet came from the responder.
pub(super) const FLIPPED: u8 = 4;
/// Inside a tunnel.
pub(super) const TUNNELLED: u8 = 8;
/// The transport header is missing.
pub(super) const BARE: u8 = 16;
/// The other end may answer within this flow.
pub(super) const TWO_WAY: u8 = 32;
/// An ICMP error quoted it.
pub(super) const ICMP_ERROR: u8 = 64;
/// The place is not in use.
pub(super) const FREE: u8 = 128;

/// One flow.
#[derive(Debug)]
pub(super) struct Slot<S> {
    /// Originator and responder: see [`INLINE_ADDRESSES`].
    pub(super) addresses: [u32; 2],
    pub(super) ports: [u16; 2],
    pub(super) link: u32,
    pub(super) first_ts: Timestamp,
    pub(super) last_ts: Timestamp,
    pub(super) first_packet: u64,
    pub(super) first_offset: u64,
    /// Neighbours in the queue of its class.
    pub(super) before: u32,
    pub(super) after: u32,
    pub(super) first_file: u16,
    pub(super) protocol: u8,
    pub(super) flags: u8,
    pub(super) class: Class,
    pub(super) level: u8,
    /// Type and code of the last ICMP error that quoted it.
    pub(super) icmp_error: [u8; 2],
    pub(super) state: State<S>,
}

impl<S> Slot<S> {
    /// A place without a flow.
    pub(super) fn free() -> Self {
        Self {
            addresses: [0; 2],
            ports: [0; 2],
            link: 0,
            first_ts: Timestamp(0),
            last_ts: Timestamp(0),
            first_packet: 0,
            first_offset: 0,
            before: NIL,
            after: NIL,
            first_file: 0,
            protocol: 0,
            flags: FREE,
            class: Class::Other,
            level: 0,
            icmp_error: [0; 2],
            state: State::Young(Young::default()),
        }
    }

    /// The capture was cut: no packet of this flow has come since.
    pub(super) fn go_silent(&mut self) {
        self.first_offset = NOWHERE;
    }

    /// Was the capture cut since its last packet?
    pub(super) fn is_silent(&self) -> bool {
        self.first_offset == NOWHERE
    }

    /// The first packet since the cut: places count from here on.
    pub(super) fn resume(&mut self, d: &Decoded) {
        (self.first_ts, self.first_packet) = (d.ts, d.packet);
        (self.first_file, self.first_offset) = (d.file_no, d.file_offset);
        match &mut self.state {
            State::Young(y) => (y.last_packet, y.last_offset) = (0, 0),
            State::Datagrams(f) => f.last_packet = 0,
            State::Tcp(c) => c.last_packet = 0,
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The end that sent the first packet.
    pub(super) fn first_side(&self) -> Side {
        if self.has(FLIPPED) { Side::Resp } else { Side::Orig }
    }

    /// Is TCP's state followed?
    pub(super) fn is_tcp(&self) -> bool {
        self.protocol == ip_protocol::TCP && !self.has(BARE)
    }

    /// Count a packet while little is known; false when there is no room for it.
    pub(super) fn add_young(&mut self, d: &Decoded) -> bool {
        let (packets, offset) = (
            d.packet.checked_sub(self.first_packet),
            d.file_offset.checked_sub(self.first_offset).filter(|_| d.file_no == self.first_file),
        );
        match (&mut self.state, packets, offset) {
            (State::Young(y), Some(packets), Some(offset)) => y.add(d, packets, offset),
            _ => false,
        }
    }

    /// The last packet and its place: number, file, offset.
    pub(super) fn last(&self) -> (u64, u16, u64) {
        match &self.state {
            State::Young(y) => (
                self.first_packet.saturating_add(y.last_packet.into()),
                self.first_file,
                self.first_offset.saturating_add(y.last_offset.into()),
            ),
            State::Datagrams(f) => (f.last_packet, f.last_file, f.last_offset),
            State::Tcp(c) => (c.last_packet, c.last_file, c.last_offset),
        }
    }

    /// What a side sent: counts, union of TCP flags, TTL of the first packet.
    pub(super) fn sent(&self, side: Side) -> (Count, u8, u8) {
        match &self.state {
            State::Young(y) if side == self.first_side() => (y.count(), y.flags, y.ttl),
            State::Young(_) => (Count::default(), 0, 0),
            State::Datagrams(f) => {
                let i = side.index();
                (f.counts.get(i).copied().unwrap_or_default(), 0, f.ttls.get(i).copied().unwrap_or_default())
            }
            State::Tcp(c) => {
                let half = c.tcp.half(side);
                (half.count, half.flags, half.ttl)
            }
        }
    }

    /// Make room: a young TCP flow becomes a connection.
    pub(super) fn grow_tcp(&mut self) {
        let State::Young(y) = &self.state else { return };
        let (last_packet, last_file, last_offset) = self.last();
        let mut tcp = if y.is_new() {
            Tcp::new(self.has(FLIPPED))
        } else {
            Tcp::after_syn(y.seq, self.has(FLIPPED), self.last_ts)
        };
        let half = tcp.half_mut(self.first_side());
        (half.count, half.ttl) = (y.count(), y.ttl);
        half.flags |= y.flags;
        let app = None;
        let (phase, shape) = (y.phase, y.shape);
        self.state =
            State::Tcp(Box::new(Connection { tcp, last_packet, last_offset, app, shape, last_file, phase }));
    }

    /// Make room: a young flow of another protocol gets counts for both sides and a place for application state.
    pub(super) fn grow_datagrams(&mut self, app: Option<Box<S>>) {
        let State::Young(y) = &self.state else { return };
        let (last_packet, last_file, last_offset) = self.last();
        let (mut counts, mut ttls) = ([Count::default(); 2], [0; 2]);
        let first = self.first_side().index();
        if let (Some(count), Some(ttl)) = (counts.get_mut(first), ttls.get_mut(first)) {
            (*count, *ttl) = (y.count(), y.ttl);
        }
        let phase = if app.is_some() { Phase::Open } else { y.phase };
        let sctp = (self.protocol == ip_protocol::SCTP && !self.has(BARE)).then(Box::default);
        self.state = State::Datagrams(Box::new(Datagrams {
            counts,
            last_packet,
            last_offset,
            app,
            sctp,
            last_file,
            ttls,
            phase,
        }));
    }

    /// Number of the shape of its SYN; [`NIL`] when it is not known.
    pub(super) fn shape(&self) -> u32 {
        match &self.state {
            State::Young(y) => y.shape,
            State::Tcp(c) => c.shape,
            State::Datagrams(_) => NIL,
        }
    }

    /// The class whose timeout applies now.
    pub(super) fn class_now(&self) -> Class {
        match (&self.state, self.protocol) {
            (State::Tcp(c), _) if c.tcp.is_closed() => Class::Closed,
            (State::Tcp(c), _) if c.tcp.is_attempt() => Class::Attempt,
            (State::Tcp(_), _) => Class::Established,
            (_, ip_protocol::TCP) if !self.has(BARE) => Class::Attempt,
            (_, ip_protocol::UDP) => Class::Udp,
            (_, ip_protocol::ICMP | ip_protocol::ICMP6) => Class::Icmp,
            (State::Datagrams(f), ip_protocol::SCTP) => match &f.sctp {
                Some(a) if a.is_closed() => Class::Closed,
                Some(_) => Class::Established,
                None => Class::Other,
            },
            _ => Class::Other,
        }
    }
}

/// Hands the bytes of one flow to the application, until it has enough.
pub(super) struct Tap<'a, A: Application> {
    pub(super) app: &'a mut A,
    pub(super) state: &'a mut Option<Box<A::State>>,
    pub(super) phase: &'a mut Phase,
    pub(super) view: &'a FlowView,
    pub(super) at: At,
}

impl<A: Application> Tap<'_, A> {
    fn open(&mut self) {
        if *self.phase == Phase::Unopened {
            *self.state = self.app.open(self.view).map(Box::new);
            *self.phase = if self.state.is_some() { Phase::Open } else { Phase::Done };
        }
    }

    /// The next bytes of a stream, or a datagram.
    pub(super) fn data(&mut self, side: Side, data: &[u8], original_len: u32) {
        self.open();
        if let (Phase::Open, Some(state)) = (*self.phase, self.state.as_deref_mut())
            && self.app.data(self.view, state, side, self.at, data, original_len) == Interest::Done
        {
            *self.phase = Phase::Done;
        }
    }

    /// Bytes that will never come.
    pub(super) fn gap(&mut self, side: Side, missing: u64) {
        self.open();
        if let (Phase::Open, Some(state)) = (*self.phase, self.state.as_deref_mut())
            && self.app.gap(self.view, state, side, self.at, missing) == Interest::Done
        {
            *self.phase = Phase::Done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::testing::{ip4, udp};

    /// Promise 8 and decision 18 of the design: bytes per tracked connection.
    #[test]
    fn a_flow_is_small() {
        assert_eq!(size_of::<Slot<[u64; 32]>>(), 96);
        let connection = size_of::<Slot<[u64; 32]>>() + size_of::<Connection<[u64; 32]>>();
        assert!(connection <= 320, "established: {connection} bytes");
        assert!(size_of::<Slot<()>>() + size_of::<Datagrams<()>>() <= 200);
    }

    #[test]
    fn a_young_flow_counts_until_it_runs_out_of_room() {
        let mut slot = Slot::<()> { first_packet: 10, first_offset: 100, flags: 0, ..Slot::free() };
        let packet = |number, offset, len| Decoded {
            file_offset: offset,
            ..udp(number, 0, (ip4(1), 1), (ip4(2), 2), len)
        };
        assert!(slot.add_young(&packet(10, 100, 5)) && slot.add_young(&packet(12, 200, 7)));
        assert_eq!(slot.last(), (12, 0, 200));
        assert_eq!((slot.sent(Side::Orig).0.bytes, slot.sent(Side::Resp).0.packets), (12, 0));
        assert!(!slot.add_young(&packet(13, u64::MAX, 1)), "too far away");
        assert!(!slot.add_young(&Decoded { file_no: 1, ..packet(13, 300, 1) }), "another file");
        assert!(!slot.add_young(&packet(13, 300, u32::MAX)));
        assert_eq!(slot.sent(Side::Orig).0.packets, 2, "what did not fit was not counted");
        slot.grow_datagrams(None);
        assert_eq!((slot.last(), slot.sent(Side::Orig).0.bytes), ((12, 0, 200), 12));
    }
}
