//! Which program of ONC RPC is called, and where does it live?
//!
//! ONC RPC version 2 (RFC 5531), record marking over TCP included. The first call names the flow by its program: `nfs` with the
//! mount and lock protocols that belong to it (RFC 1813, RFC 8881), `portmap` (RFC 1833), `nis`, else `sunrpc`. Answers of the port mapper announce
//! the port of a program, so that flows to it have their name before their first byte. Refuses to read files: what is
//! called is not recorded.

use super::BOTH;
use super::reader::{Reader, Told, datagram, must, opener};
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::protocol::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};

/// Longest message of the port mapper that is read, bytes; its answers are shorter than an address is long.
const MAX_MESSAGE: usize = 4 << 10;

/// Questions that wait for their answer in one flow. A client asks one after the other.
const MAX_ASKED: usize = 8;

/// The port mapper's program.
const PORTMAP: u32 = 100_000;

/// ONC RPC.
pub static SUNRPC: Protocol = Protocol {
    name: "sunrpc",
    about: "ONC RPC (RFC 5531), named by its program: nfs with mount and locks, portmap, nis; told by a call or a reply whose fixed fields all fit.",
    transports: BOTH,
    ports: &[111, 2049],
    tables: &[],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<SunRpc>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    match p.transport {
        Transport::Udp => datagram(p, message, 90),
        Transport::Tcp => opener(
            p,
            |r| {
                // The last fragment of a record, and its length.
                r.u32_in(0x8000_0018..=0x8010_0000)?;
                message(r)
            },
            90,
        ),
    }
}

/// A call or a reply, up to its credentials.
fn message(r: &mut Reader<'_>) -> Told {
    r.skip(4)?;
    if r.u32_in(0..=1)? == 1 {
        // Accepted with a verifier, or refused; then a status.
        if r.u32_in(0..=1)? == 1 {
            return r.u32_in(0..=1).map(|_| ());
        }
        r.u32_in(0..=6)?;
        let len = r.u32_in(0..=400)?;
        r.skip(len as usize)?;
        return r.u32_in(0..=5).map(|_| ());
    }
    r.u32_in(2..=2)?;
    // Programs that are assigned, then transient ones.
    r.u32_in(PORTMAP..=0x5fff_ffff)?;
    r.u32_in(0..=16)?;
    r.u32_in(0..=255)?;
    let flavor = r.u32()?;
    must(matches!(flavor, 0..=3 | 6 | 7 | 390_000..=400_000))?;
    let len = r.u32_in(0..=400)?;
    must(flavor != 0 || len == 0)
}

/// What a program's flows are called.
fn name(program: u32) -> &'static str {
    match program {
        PORTMAP => "portmap",
        // NFS, mount, quota, locks, status of locks, access lists.
        100_003 | 100_005 | 100_011 | 100_021 | 100_024 | 100_227 => "nfs",
        100_004 | 100_007 | 100_009 => "nis",
        _ => "sunrpc",
    }
}

/// One flow.
#[derive(Default)]
struct SunRpc {
    service: Option<&'static str>,
    /// Transaction and program of questions to the port mapper.
    asked: Vec<(u32, u32)>,
}

impl SunRpc {
    /// One message. `false`: nothing more is worth reading.
    fn message(&mut self, data: &[u8], out: &mut Output<'_>) -> bool {
        let mut c = Cursor::new(data);
        let (Some(xid), Some(kind)) = (c.u32(), c.u32()) else { return true };
        if kind == 0 {
            return self.call(xid, c).unwrap_or(true);
        }
        if let Some(at) = self.asked.iter().position(|(x, _)| *x == xid) {
            let (_, program) = self.asked.swap_remove(at);
            if let Some(port) = answered_port(c).filter(|p| *p != 0) {
                out.expect(out.flow.tuple.dst, port, name(program));
            }
        }
        // Replies alone do not say which program answers.
        self.service.is_some_and(|s| s == "portmap") || self.service.is_none()
    }

    fn call(&mut self, xid: u32, mut c: Cursor<'_>) -> Option<bool> {
        c.skip(4)?;
        let program = c.u32()?;
        self.service.get_or_insert(name(program));
        if program != PORTMAP {
            return Some(false);
        }
        let (version, procedure) = (c.u32()?, c.u32()?);
        for _ in 0..2 {
            // Credentials and verifier: flavor, length, body.
            c.skip(4)?;
            let len = c.u32()?;
            c.skip(len as usize)?;
        }
        // Version 2 asks for a port, versions 3 and 4 for an address, both as procedure 3 and for a program first.
        if procedure == 3 && (2..=4).contains(&version) && self.asked.len() < MAX_ASKED {
            self.asked.push((xid, c.u32()?));
        }
        Some(true)
    }
}

/// The port in an accepted reply: a number, or the end of a universal address (`192.0.2.1.8.1` is port 2049).
fn answered_port(mut c: Cursor<'_>) -> Option<u16> {
    if c.u32()? != 0 {
        return None;
    }
    c.skip(4)?;
    let verifier = c.u32()?;
    c.skip(verifier as usize)?;
    if c.u32()? != 0 {
        return None;
    }
    let value = c.u32()?;
    let Some(text) = c.take(value as usize).filter(|t| !t.is_empty()) else {
        return u16::try_from(value).ok();
    };
    let mut parts = std::str::from_utf8(text).ok()?.rsplit('.');
    let (low, high) = (parts.next()?.parse::<u8>().ok()?, parts.next()?.parse::<u8>().ok()?);
    Some(u16::from_be_bytes([high, low]))
}

impl Parser for SunRpc {
    fn feed(&mut self, _: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if out.flow.tuple.protocol == crate::model::flow::ip_protocol::UDP {
            return if self.message(data, out) { Fed::Took(data.len()) } else { Fed::Done };
        }
        let mut c = Cursor::new(data);
        loop {
            let taken = c.position();
            let Some(mark) = c.u32() else { return Fed::Took(taken) };
            let len = (mark & 0x7fff_ffff) as usize;
            let known = self.service.is_some_and(|s| s == "portmap");
            if len > MAX_MESSAGE && known {
                return Fed::Done;
            }
            // A call says all we need in its first words; a long one is not waited for.
            let whole = c.take(len);
            let Some(message) =
                whole.or_else(|| Some(c.rest()).filter(|d| d.len() >= 40 || len > MAX_MESSAGE))
            else {
                return Fed::Took(taken);
            };
            if !self.message(message, out) || whole.is_none() {
                return Fed::Done;
            }
        }
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Done
    }

    fn finish(&mut self, _: &mut Output<'_>) {}

    fn service(&self) -> Option<&'static str> {
        self.service
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, orig, resp};

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    fn marked(message: &[u8]) -> Vec<u8> {
        [&(0x8000_0000 | message.len() as u32).to_be_bytes(), message].concat()
    }

    /// GETPORT of version 2 for NFS version 3 over TCP.
    fn ask() -> Vec<u8> {
        words(&[7, 0, 2, PORTMAP, 2, 3, 0, 0, 0, 0, 100_003, 3, 6, 0])
    }

    fn told() -> Vec<u8> {
        words(&[7, 1, 0, 0, 0, 0, 2049])
    }

    #[test]
    fn programs_name_their_flows() {
        for (program, service) in [
            (100_003, "nfs"),
            (100_005, "nfs"),
            (PORTMAP, "portmap"),
            (100_004, "nis"),
            (0x4000_0000, "sunrpc"),
        ] {
            let call = words(&[9, 0, 2, program, 3, 0, 0, 0, 0, 0]);
            assert_eq!(Bench::udp(4242).run(&[orig(&call)]).service, Some(service));
            assert_eq!(Bench::tcp(4242).run(&[orig(&marked(&call))]).service, Some(service));
            let bytes = marked(&call);
            let bytes: Vec<_> = bytes.chunks(1).map(orig).collect();
            assert_eq!(Bench::tcp(4242).run(&bytes).service, Some(service), "byte by byte");
        }
        assert_eq!(
            Bench::udp(4242).run(&[resp(&told())]).service,
            Some("sunrpc"),
            "an answer names no program"
        );
        let other = words(&[9, 0, 3, PORTMAP, 3, 0, 0, 0, 0, 0]);
        assert_eq!(Bench::udp(4242).run(&[orig(&other)]).service, None, "version 3 of RPC does not exist");
    }

    #[test]
    fn the_answer_of_the_port_mapper_holds_the_port() {
        assert_eq!(answered_port(Cursor::new(&told()[8..])), Some(2049));
        let address = [&words(&[0, 0, 0, 0, 13])[..], b"192.0.2.1.8.1\0\0\0"].concat();
        assert_eq!(answered_port(Cursor::new(&address)), Some(2049));
        assert_eq!(answered_port(Cursor::new(&words(&[1, 0, 0, 0, 2049]))), None, "denied");
        assert_eq!(answered_port(Cursor::new(&words(&[0, 0, 0, 1, 2049]))), None, "not successful");
        assert_eq!(answered_port(Cursor::new(&words(&[0, 0, 0, 0, 70_000]))), None, "no port");
    }

    #[test]
    fn every_prefix_survives() {
        let (ask, told) = (marked(&ask()), marked(&told()));
        for end in 0..ask.len() {
            Bench::tcp(111).run(&[orig(&ask[..end]), resp(&told[..end.min(told.len())])]);
            Bench::udp(111).run(&[orig(&ask[4.min(end)..end])]);
        }
        let run = Bench::tcp(111).run(&[orig(&ask), resp(&told)]);
        assert_eq!((run.service, run.faults), (Some("portmap"), 0));
    }
}
