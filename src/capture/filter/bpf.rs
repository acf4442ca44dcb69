//! Does a packet match a compiled filter?
//!
//! libpcap compiles the expression; its instructions are run here (McCanne and Jacobson, "The BSD Packet Filter", 1993). The
//! crate can run them, too, but tells the program that a packet was as long as what was captured of it, so that
//! `greater 1000` would never match in a capture with a small snaplen. Programs cannot loop: jumps only go forward.

use super::{LinkType, OpenError};
use pcap::{Capture, Linktype};

/// Scratch memory of the machine, in words.
const MEMORY: usize = 16;

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Instruction {
    code: u16,
    on_true: u8,
    on_false: u8,
    k: u32,
}

/// A compiled filter.
#[derive(Debug)]
pub(super) struct Program(Vec<Instruction>);

impl Program {
    /// Compile `expression` for packets of a link type.
    pub(super) fn compile(expression: &str, link: LinkType) -> Result<Self, OpenError> {
        let refused = |reason: String| OpenError::Filter { expression: expression.to_string(), reason };
        let dead = Capture::dead(Linktype(dlt(link))).map_err(|e| refused(e.to_string()))?;
        let compiled = dead.compile(expression, true).map_err(|e| refused(e.to_string()))?;
        // The crate keeps the fields to itself but prints them.
        let read = |text: String| {
            let mut numbers = text.split(' ').map(str::parse::<u32>);
            let mut next = || numbers.next()?.ok();
            Some(Instruction {
                code: u16::try_from(next()?).ok()?,
                on_true: u8::try_from(next()?).ok()?,
                on_false: u8::try_from(next()?).ok()?,
                k: next()?,
            })
        };
        let instructions: Option<Vec<_>> =
            compiled.get_instructions().iter().map(|i| read(i.to_string())).collect();
        instructions.map(Self).ok_or_else(|| refused("libpcap's program cannot be read".into()))
    }

    /// Is this packet, which had `original` bytes on the wire, wanted?
    pub(super) fn matches(&self, data: &[u8], original: u32) -> bool {
        self.run(data, original).unwrap_or(0) > 0
    }

    /// What the program returns; `None` = it looked past the captured bytes, or is no program: no match.
    fn run(&self, data: &[u8], original: u32) -> Option<u32> {
        let (mut a, mut x) = (0u32, 0u32);
        let mut memory = [0u32; MEMORY];
        let mut at = 0usize;
        loop {
            let i = self.0.get(at)?;
            at += 1;
            let operand = if i.code & 0x08 != 0 { x } else { i.k };
            match i.code & 0x07 {
                // ld, ldx: class; mode in the bits 0xe0, size in 0x18.
                class @ (0 | 1) => {
                    let value = match i.code & 0xe0 {
                        0x00 => i.k,
                        0x20 => load(data, i.k, i.code)?,
                        0x40 => load(data, x.checked_add(i.k)?, i.code)?,
                        0x60 => *memory.get(i.k as usize)?,
                        0x80 => original,
                        // Four times the low half of a byte: the length of an IPv4 header.
                        0xa0 => (u32::from(*data.get(i.k as usize)?) & 0xf) * 4,
                        _ => return None,
                    };
                    if class == 0 { a = value } else { x = value }
                }
                2 => *memory.get_mut(i.k as usize)? = a,
                3 => *memory.get_mut(i.k as usize)? = x,
                4 => {
                    a = match i.code & 0xf0 {
                        0x00 => a.wrapping_add(operand),
                        0x10 => a.wrapping_sub(operand),
                        0x20 => a.wrapping_mul(operand),
                        0x30 => a.checked_div(operand)?,
                        0x40 => a | operand,
                        0x50 => a & operand,
                        0x60 => a.checked_shl(operand).unwrap_or(0),
                        0x70 => a.checked_shr(operand).unwrap_or(0),
                        0x80 => a.wrapping_neg(),
                        0x90 => a.checked_rem(operand)?,
                        0xa0 => a ^ operand,
                        _ => return None,
                    }
                }
                5 => {
                    let holds = match i.code & 0xf0 {
                        0x00 => {
                            at = at.checked_add(i.k as usize)?;
                            continue;
                        }
                        0x10 => a == operand,
                        0x20 => a > operand,
                        0x30 => a >= operand,
                        0x40 => a & operand != 0,
                        _ => return None,
                    };
                    at += usize::from(if holds { i.on_true } else { i.on_false });
                }
                6 => return Some(if i.code & 0x18 == 0x10 { a } else { i.k }),
                _ if i.code & 0xf8 == 0x80 => a = x,
                _ => x = a,
            }
        }
    }
}

/// A number of the packet in network order: 4, 2 or 1 bytes.
fn load(data: &[u8], at: u32, code: u16) -> Option<u32> {
    let rest = data.get(at as usize..)?;
    match code & 0x18 {
        0x00 => rest.first_chunk().copied().map(u32::from_be_bytes),
        0x08 => rest.first_chunk().copied().map(u16::from_be_bytes).map(u32::from),
        0x10 => rest.first().copied().map(u32::from),
        _ => None,
    }
}

/// What libpcap on this system calls a link type of a file. They differ where systems had used a number before.
fn dlt(link: LinkType) -> i32 {
    match link.0 {
        // Raw IP: 12, but 14 on OpenBSD.
        101 if cfg!(target_os = "openbsd") => 14,
        101 => 12,
        100 => 11,
        other => i32::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An Ethernet frame with an IPv4 UDP packet from port 53, 60 bytes captured.
    fn frame() -> Vec<u8> {
        let mut f = vec![0; 60];
        f[12..14].copy_from_slice(&[8, 0]);
        f[14] = 0x45;
        f[23] = 17;
        f[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        f[34..38].copy_from_slice(&[0, 53, 0x12, 0x34]);
        f
    }

    fn matches(expression: &str, data: &[u8], original: u32) -> bool {
        Program::compile(expression, LinkType::ETHERNET).unwrap().matches(data, original)
    }

    #[test]
    fn expressions_match_what_they_say() {
        let f = frame();
        for yes in
            ["", "udp", "port 53", "src host 10.0.0.1", "net 10.0.0.0/8 and not tcp", "udp[2:2] = 0x1234"]
        {
            assert!(matches(yes, &f, 60), "{yes}");
        }
        for no in ["tcp", "port 54", "dst host 10.0.0.1", "ip6", "ip[0] & 0xf != 5", "ether[2000] = 1"] {
            assert!(!matches(no, &f, 60), "{no}");
        }
    }

    #[test]
    fn the_length_is_the_one_on_the_wire() {
        assert!(matches("greater 1000", &frame(), 1500) && !matches("greater 1000", &frame(), 60));
    }

    #[test]
    fn agrees_with_libpcap_on_every_prefix_and_flipped_bits() {
        let f = frame();
        let dead = Capture::dead(Linktype(1)).unwrap();
        for expression in
            ["udp port 53", "ip[6:2] & 0x1fff = 0 and src net 10", "len > 40 or vlan or mpls", "ip6 or arp"]
        {
            let theirs = dead.compile(expression, true).unwrap();
            let ours = Program::compile(expression, LinkType::ETHERNET).unwrap();
            let mut tried: Vec<Vec<u8>> = (1..f.len()).map(|n| f[..n].to_vec()).collect();
            for bit in 0..f.len() * 8 {
                let mut flipped = f.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                tried.push(flipped);
            }
            for data in &tried {
                assert_eq!(
                    ours.matches(data, data.len() as u32),
                    theirs.filter(data),
                    "{expression} {data:x?}"
                );
            }
        }
    }

    #[test]
    fn nonsense_is_refused_with_libpcaps_words() {
        let e = Program::compile("port http or", LinkType::ETHERNET).unwrap_err();
        assert!(e.to_string().contains("port http or"), "{e}");
    }
}
