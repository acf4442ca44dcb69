//! Where will an FTP session send its files?
//!
//! FTP control connections (RFC 959, RFC 2428, RFC 4217): the data connections that PORT, EPRT, PASV and EPSV announce are named
//! `ftp_data` when they come, and AUTH hands the connection to TLS. Commands and transfers become records later.
//!
//! Refuses to believe the addresses in the announcements: address translation makes them wrong, bounces somebody else's. Only the
//! port is taken, and only connections to the session's own hosts are named.

use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict, names};
use crate::model::flow::Side;

/// Longest line in bytes that is waited for. The RFC sets none; servers take 512 to 4,096.
const MAX_LINE: usize = 8 << 10;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ftp",
    about: "FTP control connection (RFC 959); told by the server's 220 with the client's first command, or a greeting that says so.",
    transports: &[Transport::Tcp],
    ports: &[21],
    tables: &[],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Ftp>::default()),
};

/// Name of the connections that carry files and listings.
const DATA: &str = "ftp_data";

fn probe(p: &Probe<'_>) -> Verdict {
    const FIRST: &[&str] = &["USER", "AUTH", "FEAT", "SYST", "HELP", "OPTS", "HOST", "CLNT", "PASS", "ACCT"];
    names::lines::greeted(p, &["220", "120"], "FTP", FIRST, &["EHLO", "HELO", "LHLO"], &[21])
}

/// The state of one session.
#[derive(Default)]
struct Ftp {
    /// The client asked for TLS; the server's 234 grants it.
    wants_tls: bool,
}

impl Ftp {
    /// Take a line. True when TLS begins behind it.
    fn line(&mut self, side: Side, line: &[u8], out: &mut Output<'_>) -> bool {
        let tuple = out.flow.tuple;
        let announced = match side {
            Side::Orig => {
                let (command, argument) = line.split_at_checked(5).unwrap_or((line, &[]));
                self.wants_tls = command.eq_ignore_ascii_case(b"AUTH ");
                if command.eq_ignore_ascii_case(b"PORT ") {
                    host_port(argument)
                } else if command.eq_ignore_ascii_case(b"EPRT ") {
                    extended(argument)
                } else {
                    None
                }
            }
            Side::Resp if line.starts_with(b"227 ") => host_port(line.get(4..).unwrap_or(&[])),
            Side::Resp if line.starts_with(b"229 ") => {
                let from = line.iter().position(|b| *b == b'(').map_or(line.len(), |i| i + 1);
                extended(line.get(from..).unwrap_or(&[]))
            }
            Side::Resp => return self.wants_tls && line.starts_with(b"234"),
        };
        let own = match side {
            Side::Orig => tuple.src,
            Side::Resp => tuple.dst,
        };
        if let Some(port) = announced.filter(|port| *port > 0) {
            out.expect(own, port, DATA);
        }
        false
    }
}

/// `h1,h2,h3,h4,p1,p2`, somewhere in the text (RFC 959 section 4.1.2; replies put words before it).
fn host_port(text: &[u8]) -> Option<u16> {
    let from =
        text.windows(2).position(|w| w.iter().all(u8::is_ascii_digit) || matches!(w, [b'0'..=b'9', b',']))?;
    let list = text.get(from..)?;
    let end = list.iter().position(|b| !b.is_ascii_digit() && *b != b',').unwrap_or(list.len());
    let mut numbers = std::str::from_utf8(list.get(..end)?).ok()?.split(',').map(|n| n.parse::<u8>().ok());
    let mut next = || numbers.next().flatten();
    let [_, _, _, _, high, low] = [next()?, next()?, next()?, next()?, next()?, next()?];
    Some(u16::from_be_bytes([high, low]))
}

/// `|family|address|port|`, where a server leaves family and address empty (RFC 2428).
fn extended(text: &[u8]) -> Option<u16> {
    let (delimiter, rest) = text.split_first()?;
    let port = rest.split(|b| b == delimiter).nth(2)?;
    std::str::from_utf8(port).ok()?.parse().ok()
}

impl Parser for Ftp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = behind.get(1..).unwrap_or(&[]);
            if self.line(side, line, out) {
                return Fed::Switch(data.len() - rest.len());
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        // The next line begins behind the next line feed; half a line announces nothing.
        Fed::Took(0)
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, orig, resp};

    #[test]
    fn announcements_of_rfc_959_and_2428() {
        assert_eq!(host_port(b"132,235,1,2,24,131\r"), Some(6275));
        assert_eq!(host_port(b"Entering Passive Mode (132,235,1,3,0,21)."), Some(21));
        assert_eq!(host_port(b"Entering (1,2,3,4,5)"), None);
        assert_eq!(host_port(b"(1,2,3,400,5,6)"), None);
        assert_eq!(extended(b"|1|132.235.1.2|6275|"), Some(6275));
        assert_eq!(extended(b"|2|2001:db8::1|6446|"), Some(6446));
        assert_eq!(extended(b"|||6446|)"), Some(6446));
        assert_eq!(extended(b"|||99999|)"), None);
        for end in 0..20 {
            host_port(&b"(132,235,1,3,0,21).."[..end]);
            extended(&b"|1|132.235.1.2|6275|"[..end]);
        }
    }

    #[test]
    fn tls_follows_a_granted_auth() {
        let greeting = resp(b"220 ready\r\n");
        // Alone in the registry: what follows the switch then has no other claimant, and the flow is given up.
        let bench = || Bench::tcp(21).only(&[&PROTOCOL]);
        let granted = bench().run(&[greeting, orig(b"AUTH TLS\r\n"), resp(b"234 go\r\n"), orig(&[b'z'; 64])]);
        assert_eq!(
            (granted.service, granted.done_after),
            (Some("ftp"), Some(4)),
            "nobody knows what follows"
        );
        let refused = bench().run(&[greeting, orig(b"AUTH TLS\r\n"), resp(b"502 no\r\n"), orig(&[b'z'; 64])]);
        assert_eq!((refused.service, refused.done_after), (Some("ftp"), None));
    }
}
