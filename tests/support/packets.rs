//! How are captures made for a test?
//!
//! A sample's packets are read by this small reader of our own (classic pcap, little endian), changed, and written
//! into the container under test. It shares no code with the program.

/// One packet: seconds and nanoseconds, original length, bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) secs: u32,
    pub(crate) nanos: u32,
    pub(crate) wire: u32,
    pub(crate) data: Vec<u8>,
}

const ETHERNET: u32 = 1;
pub(crate) const SNAPLEN: u32 = 262_144;

/// Bytes of a file header, and of the header before each packet.
pub(crate) const FILE_HEADER: usize = 24;
pub(crate) const PACKET_HEADER: usize = 16;

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The whole packets of a little-endian pcap, micro- or nanoseconds; what follows the last whole one is ignored.
pub(crate) fn read(bytes: &[u8]) -> Vec<Packet> {
    let unit = match le32(bytes, 0) {
        0xa1b2_c3d4 => 1_000,
        0xa1b2_3c4d => 1,
        other => panic!("not a little-endian pcap: {other:#x}"),
    };
    let mut packets = Vec::new();
    let mut at = FILE_HEADER;
    while at + PACKET_HEADER <= bytes.len() {
        let length = le32(bytes, at + 8) as usize;
        let Some(data) = bytes.get(at + PACKET_HEADER..at + PACKET_HEADER + length) else { break };
        packets.push(Packet {
            secs: le32(bytes, at),
            nanos: le32(bytes, at + 4) * unit,
            wire: le32(bytes, at + 12),
            data: data.to_vec(),
        });
        at += PACKET_HEADER + length;
    }
    packets
}

/// Which variant of classic pcap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pcap {
    Micro,
    Nano,
    /// Kuznetzov's: eight more bytes before each packet.
    Modified,
}

/// A classic pcap file.
pub(crate) fn pcap(packets: &[Packet], kind: Pcap, big_endian: bool) -> Vec<u8> {
    let b32 = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let b16 = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let magic = match kind {
        Pcap::Micro => 0xa1b2_c3d4,
        Pcap::Nano => 0xa1b2_3c4d,
        Pcap::Modified => 0xa1b2_cd34,
    };
    let mut out = Vec::new();
    out.extend(b32(magic));
    out.extend(b16(2));
    out.extend(b16(4));
    for v in [0, 0, SNAPLEN, ETHERNET] {
        out.extend(b32(v));
    }
    for p in packets {
        let fraction = if kind == Pcap::Nano { p.nanos } else { p.nanos / 1_000 };
        for v in [p.secs, fraction, p.data.len() as u32, p.wire] {
            out.extend(b32(v));
        }
        if kind == Pcap::Modified {
            out.extend(b32(1)); // interface index
            out.extend(b16(0x0800)); // protocol
            out.extend([0, 0]); // packet type, padding
        }
        out.extend(&p.data);
    }
    out
}

/// A pcapng file: one section, one interface with `if_tsresol` 9, enhanced packet blocks.
pub(crate) fn pcapng(packets: &[Packet], big_endian: bool) -> Vec<u8> {
    let b32 = |v: u32| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let b16 = |v: u16| if big_endian { v.to_be_bytes() } else { v.to_le_bytes() };
    let block = |kind: u32, mut body: Vec<u8>| {
        body.resize(body.len().div_ceil(4) * 4, 0);
        let length = b32(body.len() as u32 + 12);
        [&b32(kind)[..], &length, &body, &length].concat()
    };
    let section = [
        &b32(0x1a2b_3c4d)[..],
        &b16(1),
        &b16(0),
        &if big_endian { (-1i64).to_be_bytes() } else { (-1i64).to_le_bytes() },
    ]
    .concat();
    let mut out = block(0x0a0d_0d0a, section);
    let resolution = [&b16(9)[..], &b16(1), &[9, 0, 0, 0], &b16(0), &b16(0)].concat();
    out.extend(block(1, [&b16(ETHERNET as u16)[..], &b16(0), &b32(SNAPLEN), &resolution].concat()));
    for p in packets {
        let ts = u64::from(p.secs) * 1_000_000_000 + u64::from(p.nanos);
        let head = [0, (ts >> 32) as u32, ts as u32, p.data.len() as u32, p.wire];
        let mut body: Vec<u8> = head.into_iter().flat_map(b32).collect();
        body.extend(&p.data);
        out.extend(block(6, body));
    }
    out
}

/// Numbers that look random and are the same in every run (xorshift64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

/// Many more packets: the same ones again and again, one second later each time, from other clients: the two middle
/// bytes of IPv4 addresses that begin with 10 change. Checksums stay as they are; a wrong one is no reason to drop.
pub(crate) fn multiply(packets: &[Packet], times: u32) -> Vec<Packet> {
    let mut out = Vec::with_capacity(packets.len() * times as usize);
    for n in 0..times {
        for p in packets {
            let mut p = p.clone();
            p.secs += n;
            if p.data.get(12..14) == Some(&[8, 0]) {
                for at in [26, 30] {
                    if p.data.get(at) == Some(&10) {
                        p.data[at + 1] = (n >> 8) as u8;
                        p.data[at + 2] = n as u8;
                    }
                }
            }
            out.push(p);
        }
    }
    out
}
