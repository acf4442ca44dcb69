//! Through which proxy does a connection go, and where to?
//!
//! SOCKS 4 and 4a (their authors' memos), SOCKS 5 (RFC 1928) with user name and password (RFC 1929). One request a flow; once the proxy grants it, what
//! follows is another protocol and is probed anew.
//! Refuses GSSAPI (RFC 1961), whose messages wrap all that follows, and datagrams of UDP ASSOCIATE.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::addr::Ip;
use crate::model::bytes::Cursor;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Longest message, bytes: version 4a with a user name and a host name. The memos set no limit; names end at 255.
const MAX_MESSAGE: usize = 1_024;

/// The last method that has been assigned (IANA, SOCKS Methods). Private ones follow from 0x80, which no client is known to offer, and which
/// chance offers often.
const LAST_METHOD: u8 = 9;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "socks",
    about: "SOCKS versions 4 and 5 (RFC 1928); told by the client's greeting and the server's matching choice.",
    transports: &[Transport::Tcp],
    ports: &[1080],
    tables: &[&SOCKS, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<SocksParser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let claim = |yes: bool| if yes { Verdict::Mine(85) } else { Verdict::NotMine };
    match (p.orig, p.resp) {
        ([5, n, methods @ ..], resp) if *n > 0 => {
            let offered = methods.get(..usize::from(*n)).unwrap_or(methods);
            match resp {
                [] | [5] if methods.len() <= usize::from(*n) => Verdict::NeedMore,
                [5, 0xff] => Verdict::Mine(80),
                [5, chosen, ..] => {
                    let told = offered.len() == usize::from(*n) && offered.contains(chosen);
                    claim(told && *chosen <= LAST_METHOD)
                }
                _ => Verdict::NotMine,
            }
        }
        ([4, 1 | 2, rest @ ..], resp) => match resp {
            [] | [0] if rest.len() < MAX_MESSAGE => Verdict::NeedMore,
            [0, 90..=93, ..] => claim(rest.len() >= 7 && rest.contains(&0)),
            _ => Verdict::NotMine,
        },
        ([] | [4 | 5], []) => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// One row per flow through a proxy.
pub static SOCKS: Table = Table::record(
    "socks",
    "One row is one connection that a client asked a SOCKS proxy for. ts is the client's first byte.",
    &[
        col("version", T::U8, "", "4 or 5."),
        col(
            "command",
            T::Text,
            "",
            "connect, bind or udp_associate; NULL when no request was seen or it asks for something else.",
        ),
        col(
            "request_host",
            T::Text,
            "",
            "Name or address that the client wants to reach; NULL when no request was seen.",
        ),
        col("request_port", T::U16, "", "Port that it wants to reach; NULL when no request was seen."),
        col(
            "bound_host",
            T::Text,
            "",
            "Name or address that the proxy uses for it; NULL when the answer was not seen.",
        ),
        col("bound_port", T::U16, "", "Port that the proxy uses for it; NULL when the answer was not seen."),
        col("status", T::Text, "", "succeeded, or why not; NULL when the answer was not seen."),
        col(
            "method",
            T::Text,
            "",
            "How the client proves who it is: none, gssapi, password, or the number of another method; NULL in version 4.",
        ),
        col("user", T::Text, "", "Account that the client named; NULL without one."),
    ],
);

/// One connection through a proxy.
#[derive(Clone, Debug, Default)]
pub struct SocksRequest {
    /// 4 or 5.
    pub version: u8,
    /// What is asked for.
    pub command: Option<&'static str>,
    /// Where to.
    pub request: Option<(String, u16)>,
    /// Where the proxy sits for it.
    pub bound: Option<(String, u16)>,
    /// What became of it.
    pub status: Option<&'static str>,
    /// Method of version 5.
    pub method: Option<u8>,
    /// Account, printable.
    pub user: Option<String>,
}

impl Record for SocksRequest {
    fn table(&self) -> &'static Table {
        &SOCKS
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u8(self.version)
            .opt_text(self.command)
            .opt_text(self.request.as_ref().map(|(host, _)| host.as_str()))
            .opt_u16(self.request.as_ref().map(|(_, port)| *port))
            .opt_text(self.bound.as_ref().map(|(host, _)| host.as_str()))
            .opt_u16(self.bound.as_ref().map(|(_, port)| *port))
            .opt_text(self.status);
        match self.method {
            None => row.null(),
            Some(0) => row.text("none"),
            Some(1) => row.text("gssapi"),
            Some(2) => row.text("password"),
            Some(n) => row.display(&n),
        };
        row.opt_text(self.user.as_deref());
    }
}

/// The next message of a side.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Next {
    /// Greeting and choice of a method, or the request of version 4.
    #[default]
    Greeting,
    /// User name and password, and what the proxy says to them.
    Password,
    /// Request and reply.
    Request,
    /// Nothing more that is ours.
    Through,
}

/// The state of one flow.
#[derive(Default)]
struct SocksParser {
    client: Next,
    server: Next,
    began: Option<At>,
    row: SocksRequest,
    login: Option<At>,
    written: bool,
}

/// What a message is made of: it is read from a cursor, `None` when it is not complete.
enum Step {
    Took,
    /// The connection is granted.
    Granted,
    /// Nothing more comes.
    Over,
    Broken,
}

impl Parser for SocksParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        let mut at = 0;
        loop {
            let mut c = Cursor::new(data.get(at..).unwrap_or(&[]));
            let step = match side {
                Side::Orig => self.client(&mut c, out),
                Side::Resp => self.server(&mut c, out),
            };
            match step {
                // The rest waits: for more of it, or for the other side.
                None if c.rest().len() >= MAX_MESSAGE && self.client != Next::Through => return Fed::NotMine,
                None => return Fed::Took(at),
                Some(Step::Took) => at += c.position(),
                Some(Step::Granted) => {
                    self.write(out);
                    return Fed::Switch(at + c.position());
                }
                Some(Step::Over) => {
                    self.write(out);
                    return Fed::Done;
                }
                Some(Step::Broken) => return self.broken(out),
            }
        }
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // The messages have no lengths to find the next one by.
        self.write(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

impl SocksParser {
    fn client(&mut self, c: &mut Cursor<'_>, out: &mut Output<'_>) -> Option<Step> {
        if self.client == Next::Through {
            return None;
        }
        let mut at = *c;
        let version = at.u8()?;
        match self.client {
            Next::Greeting if version == 4 => {
                self.request4(&mut at)?;
                self.row.version = 4;
                self.client = Next::Through;
                self.server = Next::Request;
            }
            Next::Greeting if version == 5 => {
                let n = at.u8()?;
                at.skip(usize::from(n))?;
                self.row.version = 5;
                // What comes next depends on the choice; without the server's side it is told by its first byte.
                self.client = Next::Password;
            }
            Next::Password if version == 1 => {
                let len = at.u8()?;
                let user = at.take(usize::from(len))?;
                let len = at.u8()?;
                at.skip(usize::from(len))?;
                self.row.user = Some(printable(user, MAX_ACCOUNT));
                self.login = Some(out.at);
                self.client = Next::Request;
            }
            Next::Password | Next::Request if version == 5 => {
                let command = at.u8()?;
                at.skip(1)?;
                let place = place(&mut at)?;
                self.row.command = match command {
                    1 => Some("connect"),
                    2 => Some("bind"),
                    3 => Some("udp_associate"),
                    _ => None,
                };
                self.row.request = Some(place);
                self.client = Next::Through;
            }
            _ => return Some(Step::Broken),
        }
        *c = at;
        Some(Step::Took)
    }

    /// Version 4 behind its first byte; 4a names a host behind an impossible address 0.0.0.x.
    fn request4(&mut self, c: &mut Cursor<'_>) -> Option<()> {
        let (command, port, address) = (c.u8()?, c.u16()?, c.array::<4>()?);
        let user = text(c)?;
        let host = match address {
            [0, 0, 0, 1..=255] => printable(text(c)?, MAX_MESSAGE),
            address => Ip::v4(address).to_string(),
        };
        self.row.command = match command {
            1 => Some("connect"),
            2 => Some("bind"),
            _ => None,
        };
        self.row.request = Some((host, port));
        self.row.user = Some(printable(user, MAX_ACCOUNT)).filter(|u| !u.is_empty());
        Some(())
    }

    fn server(&mut self, c: &mut Cursor<'_>, out: &mut Output<'_>) -> Option<Step> {
        let mut at = *c;
        let version = at.u8()?;
        let step = match self.server {
            Next::Request if self.row.version == 4 => {
                let (code, port, address) = (at.u8()?, at.u16()?, at.array::<4>()?);
                self.row.bound = Some((Ip::v4(address).to_string(), port));
                self.row.status = Some(match code {
                    90 => "succeeded",
                    91 => "rejected",
                    92 => "no_identd",
                    93 => "identd_mismatch",
                    _ => return Some(Step::Broken),
                });
                self.answered(code == 90, out)
            }
            Next::Greeting if version == 5 => {
                let method = at.u8()?;
                self.row.method = Some(method);
                self.row.version = 5;
                match method {
                    0 => self.server = Next::Request,
                    2 => self.server = Next::Password,
                    _ => {
                        self.row.status = (method == 0xff).then_some("no_acceptable_method");
                        return Some(Step::Over);
                    }
                }
                Step::Took
            }
            Next::Password => {
                let status = at.u8()?;
                self.logged_in(Some(status == 0), out);
                self.server = Next::Request;
                if status == 0 { Step::Took } else { Step::Over }
            }
            Next::Request if version == 5 => {
                let code = at.u8()?;
                at.skip(1)?;
                self.row.bound = Some(place(&mut at)?);
                // RFC 1928 section 6.
                const STATUS: [&str; 9] = [
                    "succeeded",
                    "general_failure",
                    "not_allowed",
                    "network_unreachable",
                    "host_unreachable",
                    "connection_refused",
                    "ttl_expired",
                    "command_not_supported",
                    "address_type_not_supported",
                ];
                self.row.status = Some(STATUS.get(usize::from(code)).copied().unwrap_or("unassigned"));
                self.answered(code == 0, out)
            }
            _ => Step::Broken,
        };
        *c = at;
        Some(step)
    }

    fn answered(&mut self, granted: bool, out: &mut Output<'_>) -> Step {
        self.server = Next::Through;
        out.clue(out.flow.tuple.dst, Clue::Role, "proxy", "socks");
        match self.row.command {
            // BIND answers again when somebody connects; datagrams go elsewhere.
            Some("connect") | None if granted => Step::Granted,
            _ => Step::Over,
        }
    }

    fn logged_in(&mut self, success: Option<bool>, out: &mut Output<'_>) {
        let Some(began) = self.login.take() else { return };
        let account = self.row.user.clone();
        let (mechanism, secret) = ("password", Secret::Clear);
        out.record(began, Credential { service: "socks", account, mechanism, secret, success, detail: None });
    }

    fn write(&mut self, out: &mut Output<'_>) {
        self.logged_in(None, out);
        if !std::mem::replace(&mut self.written, true) && self.row.version != 0 {
            out.record(self.began.unwrap_or(out.at), self.row.clone());
        }
    }

    /// Bytes that do not fit. What was read so far counts if a server agreed to it.
    fn broken(&mut self, out: &mut Output<'_>) -> Fed {
        if self.row.method.is_none() && self.row.status.is_none() {
            return Fed::NotMine;
        }
        self.write(out);
        Fed::Done
    }
}

/// Text up to its NUL.
fn text<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = c.rest().iter().position(|b| *b == 0)?;
    let text = c.take(len)?;
    c.skip(1)?;
    Some(text)
}

/// Address type, address and port of version 5.
fn place(c: &mut Cursor<'_>) -> Option<(String, u16)> {
    let host = match c.u8()? {
        1 => Ip::v4(c.array()?).to_string(),
        4 => Ip::v6(c.array()?).to_string(),
        3 => {
            let len = c.u8()?;
            printable(c.take(usize::from(len))?, MAX_MESSAGE)
        }
        _ => return Some((String::new(), 0)),
    };
    Some((host, c.u16()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, Run, Sent, lost, orig, resp};

    fn row(run: &Run) -> SocksRequest {
        assert_eq!(run.faults, 0);
        run.records::<SocksRequest>()[0].clone()
    }

    /// Version 5 with a password, to a host by name; then a protocol of its own.
    const FIVE: &[(bool, &[u8])] = &[
        (true, b"\x05\x02\x00\x02"),
        (false, b"\x05\x02"),
        (true, b"\x01\x03joe\x06secret"),
        (false, b"\x01\x00"),
        (true, b"\x05\x01\x00\x03\x0bexample.org\x00\x50"),
        (false, b"\x05\x00\x00\x01\x0a\x00\x00\x02\x04\x38"),
        (true, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        (false, b"HTTP/1.1 204 No\r\n\r\n"),
    ];

    #[test]
    fn version_5_with_a_password_and_what_is_inside() {
        let all: Vec<Sent<'_>> = FIVE.iter().map(|(c, d)| if *c { orig(d) } else { resp(d) }).collect();
        let bytes: Vec<_> = FIVE
            .iter()
            .flat_map(|(c, d)| d.chunks(1).map(move |b| if *c { orig(b) } else { resp(b) }))
            .collect();
        for sent in [&all, &bytes] {
            let run = Bench::tcp(1080).run(sent);
            let row = row(&run);
            assert_eq!((row.version, row.command, row.status), (5, Some("connect"), Some("succeeded")));
            assert_eq!(row.request, Some(("example.org".into(), 80)));
            assert_eq!((row.bound, row.user.as_deref()), (Some(("10.0.0.2".into(), 1080)), Some("joe")));
            let login = run.records::<Credential>()[0];
            assert_eq!(
                (login.account.as_deref(), login.secret, login.success),
                (Some("joe"), Secret::Clear, Some(true))
            );
            assert_eq!(run.records::<crate::protocol::http1::HttpTransaction>()[0].status_code, Some(204));
            assert_eq!(run.service, Some("socks"));
        }
        for end in 0..all.len() {
            Bench::tcp(1080).run(&all[..end]);
            let mut holed = all.clone();
            holed[end] = lost(if FIVE[end].0 { Side::Orig } else { Side::Resp }, 9);
            Bench::tcp(1080).run(&holed);
        }
    }

    #[test]
    fn version_4_and_4a() {
        let run = Bench::tcp(1080).run(&[
            orig(b"\x04\x01\x00\x50\x42\x66\x07\x63Fred\x00"),
            resp(b"\x00\x5b\x00\x00\x00\x00\x00\x00"),
        ]);
        let refused = row(&run);
        assert_eq!((refused.version, refused.user.as_deref()), (4, Some("Fred")));
        assert_eq!((refused.request, refused.status), (Some(("66.102.7.99".into(), 80)), Some("rejected")));
        let run = Bench::tcp(9050).run(&[
            orig(b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00example.org\x00"),
            resp(b"\x00\x5a\x00\x00\x00\x00\x00\x00"),
        ]);
        assert_eq!(row(&run).request, Some(("example.org".into(), 443)));
    }

    #[test]
    fn what_the_server_refuses_or_does_not_speak() {
        let run = Bench::tcp(1080).run(&[orig(b"\x05\x01\x00"), resp(b"\x05\xff")]);
        assert_eq!((row(&run).status, run.service), (Some("no_acceptable_method"), Some("socks")));
        let run = Bench::tcp(4242).run(&[orig(b"\x05\x01\x00"), resp(b"\x05\x02")]);
        assert_eq!(
            (run.service, run.records::<SocksRequest>().len()),
            (None, 0),
            "a method that was not offered"
        );
    }
}
