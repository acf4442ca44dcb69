//! Which devices and services were searched for or announced in the local network?
//!
//! SSDP as the UPnP Device Architecture 2.0 has it (section 1). One row is one search, announcement or reply; equal ones are counted (see
//! [`super::polling`]). Refuses descriptions, which come over HTTP.

use super::clues::{Clue, HOST_CLUES};
use super::headers::{Head, head_of_datagram};
use super::polling::{self, Polls, Repeated, Repeats, address};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Bytes of a field that are kept.
const MAX_TEXT: usize = 256;

/// Datagrams are not kept; this is what one may hold.
const MAX_MESSAGE: usize = 64 << 10;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "ssdp",
    about: "Discovery of UPnP; told by the request lines M-SEARCH and NOTIFY over UDP, or a reply with a unique service name.",
    transports: &[Transport::Udp],
    ports: &[1900],
    tables: &[&TABLE, &HOST_CLUES],
    buffer_cap: MAX_MESSAGE,
    probe,
    parser: Some(|| Box::<Ssdp>::default()),
};

/// What a datagram is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A search.
    Search,
    /// An announcement.
    Notify,
    /// The reply to a search.
    Reply,
}

impl Kind {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Search => "m_search",
            Self::Notify => "notify",
            Self::Reply => "reply",
        }
    }
}

fn read(d: &[u8]) -> Option<(Kind, Head<'_>)> {
    let starts = [
        (&b"M-SEARCH * HTTP/1."[..], Kind::Search),
        (b"NOTIFY * HTTP/1.", Kind::Notify),
        (b"HTTP/1.1 200 OK", Kind::Reply),
        (b"HTTP/1.0 200 OK", Kind::Reply),
    ];
    let (_, kind) =
        starts.iter().find(|(s, _)| d.get(..s.len()).is_some_and(|d| d.eq_ignore_ascii_case(s)))?;
    let head = head_of_datagram(d)?;
    (*kind != Kind::Reply || head.get("usn").is_some() || head.get("st").is_some()).then_some((*kind, head))
}

fn probe(p: &Probe<'_>) -> Verdict {
    let looks = |d: &[u8]| !d.is_empty() && read(d).is_some();
    if looks(p.orig) || looks(p.resp) { Verdict::Mine(95) } else { Verdict::NotMine }
}

/// One message.
#[derive(Clone, Debug)]
pub struct SsdpRecord {
    /// Did the originator of the flow send it?
    pub from_orig: bool,
    /// What it is.
    pub kind: Kind,
    /// What is searched for (ST) or announced (NT).
    pub target: Option<String>,
    /// NTS: `ssdp:alive`, `ssdp:byebye`, `ssdp:update`.
    pub state: Option<String>,
    /// USN.
    pub usn: Option<String>,
    /// Where the description is.
    pub location: Option<String>,
    /// Server.
    pub server: Option<String>,
    /// User-Agent.
    pub user_agent: Option<String>,
    /// How often.
    pub repeats: Repeats,
}

impl Repeated for SsdpRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Messages.
pub static TABLE: Table = Table::record(
    "ssdp",
    "One row is one SSDP search, announcement or reply, or many equal ones of one flow.",
    &[
        col("from_orig", T::Bool, "", "Was it sent by the originator of the flow?"),
        col("method", T::Text, "", "m_search, notify or reply."),
        col("target", T::Text, "", "What is searched for (ST) or announced (NT); NULL without."),
        col("nts", T::Text, "", "ssdp:alive, ssdp:byebye or ssdp:update; NULL but for announcements."),
        col(
            "usn",
            T::Text,
            "",
            "Unique service name: the device's identifier and the service; NULL for searches.",
        ),
        col("location", T::Text, "", "Address of the description; NULL without."),
        col("server", T::Text, "", "System and software of the device; NULL without."),
        col("user_agent", T::Text, "", "Software of who searches; NULL without."),
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for SsdpRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.bool(self.from_orig)
            .text(self.kind.name())
            .opt_text(self.target.as_deref())
            .opt_text(self.state.as_deref())
            .opt_text(self.usn.as_deref())
            .opt_text(self.location.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(self.user_agent.as_deref())
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}

/// What the device types of the UPnP Forum say about a host.
fn role(target: &str) -> Option<&'static str> {
    let device = target.split(":device:").nth(1)?;
    match device.split(':').next()? {
        "InternetGatewayDevice" | "WANDevice" | "WANConnectionDevice" => Some("router"),
        "Printer" => Some("printer"),
        "DigitalSecurityCamera" => Some("camera"),
        _ => None,
    }
}

/// What makes two messages equal.
type Key = (bool, Kind, Option<String>, Option<String>, Option<String>);

/// The state of one flow.
#[derive(Default)]
struct Ssdp {
    polls: Polls<Key, SsdpRecord>,
}

impl Parser for Ssdp {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        // Other text on the port is no business of ours; the next datagram may be.
        let Some((kind, head)) = read(data) else { return Fed::Took(data.len()) };
        let text = |name: &str| head.get(name).filter(|v| !v.is_empty()).map(|v| printable(v, MAX_TEXT));
        let row = SsdpRecord {
            from_orig: side == Side::Orig,
            kind,
            target: text(if kind == Kind::Notify { "nt" } else { "st" }),
            state: text("nts"),
            usn: text("usn"),
            location: text("location"),
            server: text("server"),
            user_agent: text("user-agent"),
            repeats: Repeats::once(out.at),
        };
        let host = address(&out.flow.tuple, side);
        if let (Some(server), true) = (row.server.as_deref(), kind != Kind::Search) {
            out.clue(host, Clue::Server, server, "ssdp.server");
        }
        if let Some(agent) = row.user_agent.as_deref() {
            out.clue(host, Clue::Client, agent, "ssdp.user_agent");
        }
        if kind != Kind::Search
            && let Some(role) = row.target.as_deref().and_then(role)
        {
            out.clue(host, Clue::Role, role, "ssdp.device");
        }
        let key = (row.from_orig, kind, row.target.clone(), row.state.clone(), row.usn.clone());
        self.polls.reading(key, out.at, row, out);
        Fed::Took(data.len())
    }

    fn gap(&mut self, _: Side, _: u64, _: &mut Output<'_>) -> Fed {
        Fed::Took(0) // datagrams have none
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.polls.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::clues::HostClue;
    use crate::protocol::testing::{Bench, orig, resp};

    const SEARCH: &[u8] = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\nUSER-AGENT: Chrome/1 Linux\r\n\r\n";
    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:1::urn\r\nLOCATION: http://10.0.0.2/d.xml\r\nSERVER: Linux/3 UPnP/1.0 x/1\r\n\r\n";

    #[test]
    fn searches_replies_and_clues() {
        let run =
            Bench::udp(1900).run(&[orig(SEARCH), orig(SEARCH), orig(SEARCH), orig(SEARCH), resp(REPLY)]);
        let rows = run.records::<SsdpRecord>();
        let counts: Vec<_> = rows.iter().map(|r| (r.kind.name(), r.repeats.count)).collect();
        assert_eq!(
            counts,
            [("m_search", 1), ("m_search", 1), ("m_search", 1), ("reply", 1), ("m_search", 1)]
        );
        assert_eq!(
            (run.service, run.faults, rows[3].location.as_deref()),
            (Some("ssdp"), 0, Some("http://10.0.0.2/d.xml"))
        );
        let clues: Vec<_> = run.records::<HostClue>().iter().map(|c| (c.clue, c.value.clone())).collect();
        assert!(
            clues.contains(&(Clue::Role, "router".into()))
                && clues.contains(&(Clue::Client, "Chrome/1 Linux".into()))
        );
    }

    #[test]
    fn prefixes_survive_and_other_replies_are_not_taken() {
        for end in 0..REPLY.len() {
            assert_eq!(Bench::udp(1900).run(&[orig(SEARCH), resp(&REPLY[..end])]).faults, 0);
        }
        assert_eq!(Bench::udp(4242).run(&[orig(b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")]).service, None);
    }
}
