//! What do the headers of a packet say?
//!
//! Bytes to fixed-size records, one per network layer in the packet: the outermost at level 0, what a tunnel
//! carries at level 1 and so on. Never fails: it stops where it must, says where and why as weirds, and keeps what it
//! has. Reads `model` only; knows nothing of flows.
//!
//! Two steps: [`Decoder::decode`] runs in parallel over slices of a batch; IP fragments that it finds go through a
//! [`Defragmenter`] one by one in packet order. Read `walk` next, then `link`, `network`, `transport`, `tunnel`.

use crate::model::addr::{Ip, Mac};
use crate::model::time::Timestamp;
use crate::model::weird::Weird;
use std::sync::Arc;

mod checksum;
mod config;
mod defrag;
mod link;
mod message;
mod neighbour;
mod network;
mod path;
mod transport;
mod tunnel;
mod walk;

#[cfg(test)]
mod samples;

pub use config::Config;
pub use defrag::{Defragmenter, Fragment};
pub use walk::Decoder;

/// A path of tunnels, outermost first, such as `gre` or `vxlan:42`. Equal paths compare equal; the text is
/// shared. `None` outside tunnels.
pub type TunnelPath = Option<Arc<str>>;

/// Where the payload bytes of a [`Decoded`] lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PayloadAt {
    /// In the packet's own captured bytes.
    #[default]
    Packet,
    /// In a datagram put together from fragments, kept beside the batch at this index.
    Reassembled(u32),
}

/// TCP header fields that flows need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpHeader {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number (0 unless ACK is set).
    pub ack: u32,
    /// FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    /// Window as sent, unscaled.
    pub window: u16,
    /// Length of the options in bytes; they end where the payload starts.
    pub options_len: u8,
}

/// What is special about a decoded record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Role {
    /// An IP packet, to be counted on its flow.
    #[default]
    Packet,
    /// The packet that an ICMP error quotes: addresses and ports are the quoted ones, `icmp` is the error's
    /// type and code. It is counted nowhere; its flow only learns of the error.
    Quoted,
}

/// One network layer of one packet.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Packet time.
    pub ts: Timestamp,
    /// Number of the packet in the capture, from 1.
    pub packet: u64,
    /// Byte offset of the packet's record in its file.
    pub file_offset: u64,
    /// Index of the packet in its batch.
    pub index: u32,
    /// File number within the capture.
    pub file_no: u16,
    /// Sender.
    pub src: Ip,
    /// Receiver.
    pub dst: Ip,
    /// Sender's port; ICMP: the type (echo: see `icmp_id`).
    pub src_port: u16,
    /// Receiver's port; ICMP: the code.
    pub dst_port: u16,
    /// IP protocol number of the transport (after IPv6 extension headers).
    pub protocol: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Tunnel level: 0 = outermost.
    pub level: u8,
    /// A packet or a quotation.
    pub role: Role,
    /// Did the transport header get decoded? If not, only the packet is counted; the ports are those of a header
    /// that was cut after them, else 0.
    pub has_transport: bool,
    /// TCP fields; all zero without TCP.
    pub tcp: TcpHeader,
    /// ICMP and ICMPv6: type and code; for [`Role::Quoted`] those of the error.
    pub icmp: (u8, u8),
    /// ICMP echo: the identifier, which tells parallel pings apart.
    pub icmp_id: u16,
    /// Where the payload lies.
    pub payload_at: PayloadAt,
    /// First payload byte, in the packet or the reassembled datagram.
    pub payload_start: u32,
    /// Payload bytes that are there (a snaplen may have cut them).
    pub payload_captured: u32,
    /// Payload bytes that the headers claim, on the wire.
    pub payload_len: u32,
    /// IP packet length with header as on the wire, all fragments added.
    pub ip_bytes: u32,
    /// Packets this record stands for: more than 1 when it was put together from fragments.
    pub fragments: u16,
    /// Sender's link address at this level, or none.
    pub src_mac: Mac,
    /// Receiver's link address at this level, or none.
    pub dst_mac: Mac,
    /// Outermost VLAN id at this level; `u16::MAX` = none.
    pub vlan: u16,
    /// Second VLAN id; `u16::MAX` = none.
    pub inner_vlan: u16,
    /// Tunnels around this level.
    pub tunnel: TunnelPath,
}

/// Marks a packet without VLAN tag in [`Decoded::vlan`].
pub const NO_VLAN: u16 = u16::MAX;

impl Decoded {
    /// A hash of the address pair that is the same for both directions: decides the shard.
    pub fn pair_hash(&self) -> u64 {
        pair_hash(self.src, self.dst)
    }
}

/// An order-free, well-mixed hash of two addresses. Not keyed: it only spreads work over shards.
pub fn pair_hash(a: Ip, b: Ip) -> u64 {
    fn mix(ip: Ip) -> u64 {
        let x = u128::from_ne_bytes(ip.0);
        let folded = (x as u64) ^ ((x >> 64) as u64).rotate_left(29);
        let m = u128::from(folded ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        (m as u64) ^ ((m >> 64) as u64)
    }
    let sum = mix(a).wrapping_add(mix(b));
    let m = u128::from(sum) * 0xa076_1d64_78bd_642f_u128;
    (m as u64) ^ ((m >> 64) as u64)
}

/// An ARP packet (RFC 826) between IPv4 hosts, or an IPv6 neighbour message's essence.
#[derive(Clone, Copy, Debug)]
pub struct Arp {
    /// Packet time.
    pub ts: Timestamp,
    /// Number of the packet.
    pub packet: u64,
    /// 1 = who has, 2 = is at.
    pub operation: u16,
    /// Sender's link address as claimed.
    pub sender_mac: Mac,
    /// Sender's address as claimed.
    pub sender_ip: Ip,
    /// Target's link address.
    pub target_mac: Mac,
    /// Target's address.
    pub target_ip: Ip,
    /// The virtual network it was sent in, as [`lan`] gives it: an address means another host in each.
    pub lan: u32,
}

/// One number for a virtual network: the tag and the one inside it. Without a tag, or with one that only says how urgent a frame is (IEEE 802.1Q
/// section 6.9.1), it is the cable's own.
fn lan(vlan: u16, inner: u16) -> u32 {
    let own = |id: u16| if id == 0 { NO_VLAN } else { id };
    u32::from(own(vlan)) << 16 | u32::from(own(inner))
}

/// What an ICMP (RFC 792) or ICMPv6 (RFC 4443, RFC 4861) message says besides its addresses: for detectors of tunnels, redirects and
/// routers that should not be. Neighbour messages are [`Arp`]s.
#[derive(Clone, Copy, Debug)]
pub struct IcmpMessage {
    /// Packet time.
    pub ts: Timestamp,
    /// Number of the packet.
    pub packet: u64,
    /// Sender.
    pub src: Ip,
    /// Receiver.
    pub dst: Ip,
    /// Sender's link address, or none.
    pub src_mac: Mac,
    /// The virtual network it was sent in, as in [`Arp::lan`].
    pub lan: u32,
    /// 4 or 6.
    pub ip_version: u8,
    /// Message type.
    pub kind: u8,
    /// Message code.
    pub code: u8,
    /// Echo: the identifier.
    pub id: u16,
    /// Echo: the sequence number.
    pub seq: u16,
    /// Payload bytes behind the header, on the wire.
    pub payload_len: u32,
    /// Echo: a hash of the captured payload (its first 1,500 bytes): equal payloads have equal ones.
    pub payload_hash: u64,
    /// Echo: the same of the 64 bytes behind the first 16, in which pings put the time: it repeats as their pattern does.
    pub body_hash: u64,
    /// Echo: bits per byte of the captured payload (its first 1,500 bytes), 0 to 8.
    pub entropy: f32,
    /// Redirect: the gateway to use instead. Router advertisement: the first prefix.
    pub told: Ip,
    /// Redirect: for which destination. Router advertisement: its lifetime in seconds in the last two bytes.
    pub about: Ip,
}

impl IcmpMessage {
    /// Router advertisement: seconds for which the sender is a router; 0 = not any more.
    pub fn lifetime(&self) -> u16 {
        let [.., high, low] = self.about.0;
        u16::from_be_bytes([high, low])
    }
}

/// What one or many packets decoded to, in packet order. Reused between batches: `clear` keeps the memory.
#[derive(Debug, Default)]
pub struct Layers {
    /// Network layers, in packet order and outermost first within a packet.
    pub items: Vec<Decoded>,
    /// ARP packets.
    pub arps: Vec<Arp>,
    /// ICMP messages that detectors ask about.
    pub icmps: Vec<IcmpMessage>,
    /// Oddities.
    pub weirds: Vec<Weird>,
    /// IP fragments at any tunnel level, in packet order: for the [`Defragmenter`]. They are in no item yet.
    pub fragments: Vec<Fragment>,
    /// Packets whose link type has no decoder.
    pub unknown_link: u64,
    /// Packets of a known link type that carry neither IP nor ARP (spanning tree, LLDP, management frames …).
    pub not_ip: u64,
    /// Tunnel paths met last, so that a known tunnel costs no allocation. Survives `clear`.
    paths: path::PathCache,
}

/// Room for so many of the rarer kinds is kept.
const KEPT: usize = 64;

fn forget<T>(list: &mut Vec<T>) {
    list.clear();
    list.shrink_to(KEPT);
}

impl Layers {
    /// Forget the packets, keep the memory; but not what one flood of the rarer kinds took.
    pub fn clear(&mut self) {
        self.items.clear();
        forget(&mut self.arps);
        forget(&mut self.icmps);
        forget(&mut self.weirds);
        forget(&mut self.fragments);
        self.unknown_link = 0;
        self.not_ip = 0;
    }
}
