//! Which camera or player was asked for which stream, with which login?
//!
//! RTSP (RFC 2326, RFC 7826). One row is one request with its response. Basic and Digest answers go to `credentials`; the ports that SETUP
//! agrees on are named when their flows come. Refuses bodies, and media that is interleaved in the connection.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::headers::{Head, head, parameter, status, words};
use super::polling::{Waiting, address, seconds};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict, rtp};
use crate::flow::At;
use crate::model::bytes::be16;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use memchr::memchr;

/// Largest head in bytes; real ones stay below 2,000.
const MAX_HEAD: usize = 16 << 10;

/// Bytes of a field that are kept.
const MAX_TEXT: usize = 512;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "rtsp",
    about: "RTSP (RFC 2326, RFC 7826); told by its version at the end of a request line or the start of a reply.",
    transports: &[Transport::Tcp],
    ports: &[554, 8554],
    tables: &[&TABLE, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: MAX_HEAD,
    probe,
    parser: Some(|| Box::<Rtsp>::default()),
};

/// Does a message begin here?
fn look(d: &[u8]) -> Verdict {
    let end = memchr(b'\n', d);
    let line = d.get(..end.unwrap_or(d.len())).unwrap_or(&[]).trim_ascii_end();
    if d.starts_with(b"RTSP/1.0 ") || d.starts_with(b"RTSP/2.0 ") {
        return Verdict::Mine(95);
    }
    if end.is_none() && (b"RTSP/1.0 ".starts_with(d) || b"RTSP/2.0 ".starts_with(d)) {
        return Verdict::NeedMore;
    }
    let method = d.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'_').count();
    let shape = method > 0 && matches!(d.get(method), None | Some(b' '));
    if shape && (line.ends_with(b" RTSP/1.0") || line.ends_with(b" RTSP/2.0")) {
        return Verdict::Mine(95);
    }
    let text = line.iter().all(|b| matches!(b, b' '..=b'~'));
    if shape && end.is_none() && text { Verdict::NeedMore } else { Verdict::NotMine }
}

fn probe(p: &Probe<'_>) -> Verdict {
    let of = |d: &[u8]| if d.is_empty() { Verdict::NotMine } else { look(d) };
    match (of(p.orig), of(p.resp)) {
        (Verdict::Mine(sure), _) | (_, Verdict::Mine(sure)) => Verdict::Mine(sure),
        (Verdict::NeedMore, _) | (_, Verdict::NeedMore) => Verdict::NeedMore,
        _ => Verdict::NotMine,
    }
}

/// One request with its response.
#[derive(Clone, Debug)]
pub struct RtspRecord {
    /// Did the originator of the flow send the request?
    pub from_orig: bool,
    /// Method; `None` when only the response was seen.
    pub method: Option<String>,
    /// URL.
    pub url: Option<String>,
    /// CSeq.
    pub cseq: Option<u32>,
    /// User-Agent.
    pub user_agent: Option<String>,
    /// Server.
    pub server: Option<String>,
    /// Session.
    pub session: Option<String>,
    /// Transport that was agreed on, else asked for.
    pub transport: Option<String>,
    /// Content-Type of the response.
    pub content_type: Option<String>,
    /// Status.
    pub status: Option<u16>,
    /// Reason phrase.
    pub reason: Option<String>,
    /// Nanoseconds to the response.
    pub rtt: Option<i64>,
    /// Scheme, account and form of the secret in Authorization.
    pub login: Option<(&'static str, Option<String>, Secret)>,
}

/// Requests.
pub static TABLE: Table = Table::record(
    "rtsp",
    "One row is one RTSP request with its response.",
    &[
        col("from_orig", T::Bool, "", "Was the request sent by the originator of the flow?"),
        col("method", T::Text, "", "Method; NULL when only the response was seen."),
        col("url", T::Text, "", "URL of the stream; NULL when only the response was seen."),
        col("cseq", T::U32, "", "Number that the response repeats; NULL without."),
        col("user_agent", T::Text, "", "Software of the client; NULL when it does not say."),
        col("server", T::Text, "", "Software of the server; NULL when it does not say."),
        col(
            "session",
            T::Text,
            "",
            "Identifier of the session, of the response or else the request; NULL without.",
        ),
        col(
            "transport",
            T::Text,
            "",
            "Transport with its ports, as agreed or else as asked for; NULL but for SETUP.",
        ),
        col("content_type", T::Text, "", "Content-Type of the response; NULL without a body."),
        col("status", T::U16, "", "Status of the response; NULL when none was seen."),
        col("reason", T::Text, "", "Reason phrase; NULL when no response was seen."),
        col(
            "rtt_s",
            T::F64,
            "seconds",
            "From the request to its response; NULL when one of them was not seen.",
        ),
    ],
);

impl Record for RtspRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .opt_text(self.method.as_deref())
            .opt_text(self.url.as_deref())
            .opt_u32(self.cseq)
            .opt_text(self.user_agent.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(self.session.as_deref())
            .opt_text(self.transport.as_deref())
            .opt_text(self.content_type.as_deref())
            .opt_u16(self.status)
            .opt_text(self.reason.as_deref())
            .opt_f64(self.rtt.map(seconds));
    }
}

/// The account in `user:password` behind Base64 (RFC 7617); the password is not looked at.
fn basic_account(value: &[u8]) -> Option<String> {
    let mut bits = 0_u32;
    let mut have = 0_u32;
    let mut out = Vec::new();
    for b in value.iter().take(MAX_ACCOUNT * 4 / 3) {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            let byte = (bits >> have) as u8;
            if byte == b':' {
                return Some(printable(&out, MAX_ACCOUNT));
            }
            out.push(byte);
        }
    }
    None
}

fn login(value: &[u8]) -> Option<(&'static str, Option<String>, Secret)> {
    let space = memchr(b' ', value)?;
    let (scheme, rest) = value.split_at_checked(space)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"basic") {
        Some(("basic", basic_account(rest), Secret::Clear))
    } else if scheme.eq_ignore_ascii_case(b"digest") {
        let account = parameter(rest, "username").map(|u| printable(u, MAX_ACCOUNT));
        Some(("digest", account, Secret::Hashed))
    } else {
        None
    }
}

/// The state of one connection.
#[derive(Default)]
struct Rtsp {
    waiting: Waiting<(bool, Option<u32>), RtspRecord>,
    seen: bool,
    lost: bool,
    told: [bool; 2],
}

impl Rtsp {
    fn write(&mut self, began: At, row: RtspRecord, out: &mut Output<'_>) {
        if let Some((mechanism, account, secret)) = row.login.clone() {
            let success = match row.status {
                Some(401 | 403) => Some(false),
                Some(200..=299) => Some(true),
                _ => None,
            };
            let detail = row.url.clone();
            out.record(began, Credential { service: "rtsp", account, mechanism, secret, success, detail });
        }
        out.record(began, row);
    }

    fn clue(&mut self, side: Side, kind: Clue, value: Option<&str>, out: &mut Output<'_>) {
        let [orig, resp] = &mut self.told;
        let told = match side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        if let (false, Some(value)) = (*told, value) {
            *told = true;
            out.clue(address(&out.flow.tuple, side), kind, value, "rtsp");
        }
    }

    fn message(&mut self, side: Side, h: &Head<'_>, out: &mut Output<'_>) -> bool {
        let [first, second, third] = words(h.start);
        let text = |name: &str| h.get(name).filter(|v| !v.is_empty()).map(|v| printable(v, MAX_TEXT));
        let cseq = h.number("cseq").and_then(|n| u32::try_from(n).ok());
        let session =
            h.get("session").and_then(|s| s.split(|b| *b == b';').next()).map(|s| printable(s, MAX_TEXT));
        let mut row = RtspRecord {
            from_orig: side == Side::Orig,
            method: None,
            url: None,
            cseq,
            user_agent: None,
            server: None,
            session,
            transport: text("transport"),
            content_type: None,
            status: None,
            reason: None,
            rtt: None,
            login: None,
        };
        if third.starts_with(b"RTSP/") {
            row.method = Some(printable(first, MAX_TEXT));
            row.url = Some(printable(second, MAX_TEXT));
            row.user_agent = text("user-agent");
            row.login = h.get("authorization").and_then(login);
            self.clue(side, Clue::Client, row.user_agent.as_deref(), out);
            if let Some((began, old)) = self.waiting.put((row.from_orig, cseq), row, out) {
                self.write(began, old, out);
            }
            return true;
        }
        let (true, Some(status)) = (first.starts_with(b"RTSP/"), status(second)) else { return false };
        if status < 200 {
            return true;
        }
        let asked = self.waiting.take(&(side == Side::Resp, cseq));
        let mut began = out.at;
        let RtspRecord { session, transport, .. } = row;
        row = match asked {
            Some((at, asked)) => {
                began = at;
                let rtt = Some(out.at.ts.since(at.ts));
                RtspRecord {
                    session: session.or(asked.session),
                    transport: transport.or(asked.transport),
                    rtt,
                    ..asked
                }
            }
            None => RtspRecord { session, transport, from_orig: side == Side::Resp, ..row },
        };
        row.server = text("server");
        row.content_type = text("content-type");
        (row.status, row.reason) = (Some(status), Some(printable(third, MAX_TEXT)));
        self.clue(side, Clue::Server, row.server.as_deref(), out);
        if status == 200 && row.method.as_deref() == Some("SETUP") {
            self.announced(side, h.get("transport").unwrap_or(&[]), out);
        }
        self.write(began, row, out);
        true
    }

    /// A stream was set up: its server shows pictures, and its media will come from or go to the agreed ports.
    fn announced(&mut self, server: Side, transport: &[u8], out: &mut Output<'_>) {
        let tuple = out.flow.tuple;
        out.clue(address(&tuple, server), Clue::Role, "camera", "rtsp");
        let ports = |name: &str| {
            let value = std::str::from_utf8(parameter(transport, name)?).ok()?;
            let (low, high) = value.split_once('-').unwrap_or((value, ""));
            Some((low.parse::<u16>().ok().filter(|p| *p > 0)?, high.parse::<u16>().ok()))
        };
        for (side, name) in [(server.other(), "client_port"), (server, "server_port")] {
            let Some((media, control)) = ports(name) else { continue };
            out.expect_with(address(&tuple, side), media, &rtp::PROTOCOL, rtp::announced());
            if let Some(control) = control.filter(|c| *c != media) {
                out.expect_with(address(&tuple, side), control, &rtp::RTCP, rtp::announced_control());
            }
        }
    }
}

impl Parser for Rtsp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        loop {
            rest = rest.trim_ascii_start();
            // Interleaved media: a dollar, the channel, a length (RFC 2326 section 10.12).
            if rest.first() == Some(&b'$') {
                let Some(len) = be16(rest, 2).map(|n| usize::from(n) + 4) else { break };
                match rest.get(len..) {
                    Some(behind) => rest = behind,
                    None => return Fed::Skip((len - rest.len()) as u64),
                }
                continue;
            }
            let Some(h) = head(rest) else {
                if !rest.is_empty() && matches!(look(rest), Verdict::NotMine) {
                    return self.broken(data.len(), out);
                }
                break;
            };
            if !self.message(side, &h, out) {
                return self.broken(data.len(), out);
            }
            self.seen = true;
            self.lost = false;
            let length = h.number("content-length").unwrap_or(0);
            let behind = rest.get(h.len..).unwrap_or(&[]);
            match usize::try_from(length).ok().and_then(|n| behind.get(n..)) {
                Some(next) => rest = next,
                None => return Fed::Skip(length.saturating_sub(behind.len() as u64)),
            }
        }
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        self.lost = true;
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (began, row) in self.waiting.drain() {
            self.write(began, row, out);
        }
    }
}

impl Rtsp {
    /// What comes is no message: another protocol, damage, or the rest of one of which the start was lost.
    fn broken(&mut self, len: usize, out: &mut Output<'_>) -> Fed {
        if !self.seen && !self.lost {
            return Fed::NotMine;
        }
        if !self.lost {
            out.weird(WeirdKind::RtspMalformed, Detail::Number(len as u64));
        }
        self.lost = true;
        Fed::Took(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, lost, orig, resp};

    const DESCRIBE: &[u8] = b"DESCRIBE rtsp://10.0.0.2/live RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: VLC/3\r\nAuthorization: Basic YWRtaW46c2VjcmV0\r\n\r\n";
    const DENIED: &[u8] =
        b"RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nServer: Cam/1\r\nContent-Length: 4\r\n\r\nnope";
    const SETUP: &[u8] = b"SETUP rtsp://10.0.0.2/live/1 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n";
    const AGREED: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 77;timeout=60\r\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001\r\n\r\n";

    #[test]
    fn requests_logins_and_interleaved_media() {
        let media = [&b"$\0\0\x04abcd$\x01\x07\xd0"[..], &[0; 100]].concat();
        let run = Bench::tcp(554).run(&[
            orig(DESCRIBE),
            resp(DENIED),
            orig(SETUP),
            resp(AGREED),
            resp(&media),
            resp(&[1; 1_900]),
            resp(AGREED),
        ]);
        let rows = run.records::<RtspRecord>();
        let shown: Vec<_> =
            rows.iter().map(|r| (r.method.as_deref(), r.status, r.session.as_deref())).collect();
        assert_eq!((run.service, run.faults, run.weirds.len()), (Some("rtsp"), 0, 0));
        assert_eq!(
            shown,
            [
                (Some("DESCRIBE"), Some(401), None),
                (Some("SETUP"), Some(200), Some("77")),
                (None, Some(200), Some("77"))
            ]
        );
        let login = run.records::<Credential>()[0];
        assert_eq!(
            (login.account.as_deref(), login.secret, login.success),
            (Some("admin"), Secret::Clear, Some(false))
        );
        let bytes: Vec<_> = DESCRIBE.chunks(1).map(orig).chain(DENIED.chunks(1).map(resp)).collect();
        assert_eq!(Bench::tcp(4242).run(&bytes).records::<RtspRecord>().len(), 1);
    }

    #[test]
    fn prefixes_and_loss_survive() {
        for end in 0..SETUP.len() {
            assert_eq!(Bench::tcp(554).run(&[orig(&SETUP[..end]), resp(AGREED)]).faults, 0);
        }
        let run = Bench::tcp(554).run(&[
            orig(DESCRIBE),
            lost(Side::Orig, 9),
            orig(b"tail\r\n"),
            orig(SETUP),
            resp(AGREED),
        ]);
        assert_eq!((run.records::<RtspRecord>().len(), run.weirds.len()), (2, 0));
        assert_eq!(basic_account(b"YTpi"), Some("a".into()));
        assert_eq!((basic_account(b"YWI="), basic_account(b"")), (None, None));
    }
}
