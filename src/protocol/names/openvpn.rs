//! Is this OpenVPN?
//!
//! The control channel of OpenVPN (its protocol description in `ssl_pkt.h`): an opcode with a key id, the sender's session, then, in this
//! order, what `--tls-auth` or `--tls-crypt` put there, the acknowledged packets and the packet's number. The first packet
//! of a session is a hard reset with number 0; its length says which of the three forms it has. Refuses data packets: they look random.

use super::reader::{Reader, Told, must, settle};
use super::{BOTH, named};
use crate::model::bytes::{be16, be32};
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// Lengths of the HMAC of `--tls-auth`: MD5, SHA-1, SHA-256, SHA-384, SHA-512.
const HMACS: [usize; 5] = [16, 20, 32, 48, 64];

/// Times that a packet may bear, Unix seconds: 2001 to 2038.
const TIMES: std::ops::RangeInclusive<u32> = 1_000_000_000..=0x7fff_ffff;

/// OpenVPN.
pub static OPENVPN: Protocol = named(
    "openvpn",
    "OpenVPN; told by a hard reset whose length, numbers and session ids fit plain, --tls-auth or --tls-crypt packets, or that the answer repeats.",
    BOTH,
    &[1194],
    probe,
);

fn probe(p: &Probe<'_>) -> Verdict {
    let first = if p.orig.is_empty() { p.resp } else { p.orig };
    let told = if p.transport == Transport::Tcp {
        // Over TCP a length of two bytes comes first.
        let mut r = Reader::new(first);
        r.u16_in(14..=1500).and_then(|len| {
            r.rest().first().map_or(Ok(()), |b| must(opcode(*b)))?;
            reset(r.take(usize::from(len))?)
        })
    } else if reset(p.orig).is_ok() || reset(p.resp).is_ok() {
        Ok(())
    } else {
        reset(first)
    };
    match settle(p, told, 90) {
        Verdict::NotMine if p.transport == Transport::Udp => echoed(p),
        verdict => verdict,
    }
}

/// Hard resets: of clients in versions 1, 2 and 3 (opcodes 1, 7, 10), of servers (2, 8); the low bits are the key id, 0 at first.
fn opcode(b: u8) -> bool {
    matches!(b, 0x08 | 0x10 | 0x38 | 0x40 | 0x50)
}

/// Is this a whole hard reset?
fn reset(d: &[u8]) -> Told {
    let mut r = Reader::new(d);
    let code = r.u8()?;
    must(opcode(code))?;
    r.skip(8)?;
    let server = matches!(code, 0x10 | 0x40);
    let behind = r.rest();
    let stamped =
        |at| be32(behind, at) == Some(1) && be32(behind, at + 4).is_some_and(|t| TIMES.contains(&t));
    let auth = HMACS.iter().any(|n| stamped(*n) && plain(behind.get(n + 8..).unwrap_or(&[]), server));
    // Encrypted: number and time, HMAC of 32 bytes, then as many bytes as the plain form has.
    let body = behind.len().saturating_sub(40);
    let crypt = stamped(0) && (body == 5 || (server && body == 17));
    must(plain(behind, server) || auth || crypt || (code == 0x50 && wrapped(behind)))
}

/// Behind the session: acknowledgements, the remote session where there are any, and number 0.
fn plain(d: &[u8], server: bool) -> bool {
    match d {
        [0, 0, 0, 0, 0] => true,
        [1, 0, 0, 0, 0, rest @ ..] => server && rest.len() == 12 && rest.ends_with(&[0; 4]),
        _ => false,
    }
}

/// A client of `--tls-crypt-v2` appends its key, wrapped, with its length at the end. The number's first byte is 0x0f when
/// the client also takes part in the early negotiation.
fn wrapped(d: &[u8]) -> bool {
    let number = matches!(be32(d, 0), Some(1 | 0x0f00_0001));
    let time = be32(d, 4).is_some_and(|t| TIMES.contains(&t));
    let key = d.len().checked_sub(2).and_then(|at| be16(d, at)).map(usize::from);
    number && time && key.is_some_and(|n| n >= 290 && n + 45 <= d.len())
}

/// A reset of a form unknown here, and a server's answer that repeats the client's session.
fn echoed(p: &Probe<'_>) -> Verdict {
    let ([0x38 | 0x50, ..], Some(session)) = (p.orig, p.orig.get(1..9)) else { return Verdict::NotMine };
    match p.resp {
        [] if p.orig.len() >= 14 => Verdict::NeedMore,
        [0x40, rest @ ..] if rest.windows(8).skip(8).any(|w| w == session) => Verdict::Mine(90),
        _ => Verdict::NotMine,
    }
}
