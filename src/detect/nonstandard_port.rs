//! Does a protocol run on the port of another?
//!
//! What a flow speaks, told by its content, against what its port is registered for (IANA service names). Told are: another protocol on a
//! port that firewalls let through (53, 80, 123, 443 and their kin), something unknown there, and protocols of administrators on ports of their own. Refuses to
//! judge web servers and TLS on high ports, which are everywhere, and flows whose beginning was not seen.

use super::{Detector, Findings, FlowFact, Meta, Scope, Threshold};
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "nonstandard_port",
    question: "Does a protocol run on the port of another?",
    method: "Compares the protocol told by content with those that belong on the port. An unknown protocol counts only on 53, 80 and 443, when both sides sent enough to tell.",
    kinds: &[&kind::NONSTANDARD_PORT],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "bytes",
            unit: "bytes",
            default: 32.0,
            why: "Below this a flow on a port shows nothing that could be recognised: both sides together must have sent more.",
            source: "measured: a TLS hello takes over 100, a DNS question over 28",
        },
        Threshold {
            name: "answer_bytes",
            unit: "bytes",
            default: 1.0,
            why: "A service that says nothing is not there.",
            source: "measured",
        },
    ],
    innocent: &[
        "A service was put on an open port so that guests behind strict firewalls reach it (VPN, TURN, chat).",
        "SSH was moved to another port to be left alone by scanners.",
        "A protocol of a device that is not known here.",
    ],
    next: &[
        "See which program on the client uses it, and who owns the server.",
        "Look at the first bytes of the flow.",
    ],
    references: &[
        "https://www.iana.org/assignments/service-names-port-numbers/",
        "https://attack.mitre.org/techniques/T1571/",
    ],
    build: |p| {
        Box::new(NonstandardPort { bytes: p.get("bytes") as u64, answer_bytes: p.get("answer_bytes") as u64 })
    },
};

/// Ports that have an owner, and what may be spoken there.
#[rustfmt::skip]
const OWNED: &[(u16, &[&str])] = &[
    (21, &["ftp", "tls"]),
    (22, &["ssh"]),
    (23, &["telnet"]),
    (25, &["smtp", "tls"]),
    (53, &["dns", "tls", "dnscrypt", "quic"]),
    (80, &["http", "http2", "websocket", "tls", "rtmp", "ocsp"]),
    (88, &["kerberos"]),
    (110, &["pop3", "tls"]),
    (123, &["ntp"]),
    (135, &["dcerpc"]),
    (139, &["smb", "netbios", "nbss"]),
    (143, &["imap", "tls"]),
    (161, &["snmp"]),
    (389, &["ldap", "tls"]),
    (443, &["tls", "quic", "http2", "dtls", "openvpn", "wireguard", "stun", "rtp", "rtcp"]),
    (445, &["smb"]),
    (465, &["tls", "smtp"]),
    (587, &["smtp", "tls"]),
    (636, &["tls", "ldap"]),
    (853, &["tls", "quic", "dns", "dtls"]),
    (993, &["tls", "imap"]),
    (995, &["tls", "pop3"]),
    (3389, &["rdp", "tls", "rdpeudp"]),
];

/// Protocols of administrators with the ports where they are expected.
#[rustfmt::skip]
const ADMIN: &[(&str, &[u16])] = &[
    ("ssh", &[22, 2222, 22222, 830, 29418]),
    ("telnet", &[23, 2323, 992, 107, 4000]),
    ("rdp", &[3389]),
    ("ftp", &[21, 990, 2121]),
    ("smb", &[139, 445]),
    ("irc", &[194, 6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 7000, 6697]),
    ("rfb", &[5800, 5801, 5900, 5901, 5902, 5903, 5904, 5905, 5906, 5907, 5908, 5909, 5910]),
    ("socks", &[1080, 1081, 9050, 9150, 10080]),
    ("smtp", &[25, 465, 587, 2525, 24, 10025, 1025]),
];

/// Where even what is not recognised is told: ports that firewalls let through.
const OPEN_TO_ALL: &[u16] = &[53, 80, 443];

struct NonstandardPort {
    bytes: u64,
    answer_bytes: u64,
}

impl Detector for NonstandardPort {
    fn flow(&mut self, flow: &FlowFact, out: &mut Findings) {
        let port = flow.tuple.dst_port;
        let spoken = flow.spoken();
        if spoken.is_none() && !OPEN_TO_ALL.contains(&port) {
            return;
        }
        if flow.resp.bytes < self.answer_bytes
            || flow.orig.bytes + flow.resp.bytes < self.bytes
            || !flow.established()
            || flow.tunnelled
            || !matches!(flow.tuple.protocol, ip_protocol::TCP | ip_protocol::UDP)
        {
            return;
        }
        let owner = OWNED.iter().find(|(p, _)| *p == port).map(|(_, names)| *names);
        let (name, why, weight, threshold) = match (spoken, owner) {
            (Some(s), Some(names)) if !names.contains(&s) => (s, "port_of_another", 0.75, 1.0),
            (Some(s), None) => match ADMIN.iter().find(|(name, _)| *name == s) {
                Some((_, ports)) if !ports.contains(&port) => (s, "unusual_port", 0.55, 1.0),
                _ => return,
            },
            // A flow seen from its first byte on, that speaks nothing known. UDP carries too much that nobody names.
            (None, Some(_))
                if flow.history.begins(if flow.is_tcp() { 'S' } else { 'D' })
                    && (flow.is_tcp() || port == 53) =>
            {
                ("unknown", "unknown_on_open_port", 0.55, 1.0)
            }
            _ => return,
        };
        let subject = Subject::pair(flow.src(), flow.dst()).port(port).over(flow.tuple.protocol).about(name);
        let f = out.open(&kind::NONSTANDARD_PORT, subject);
        f.seen(flow.first_ts, flow.id);
        f.cover(flow.first_ts, flow.last_ts);
        f.reason(why, f.count() as f64, threshold, weight);
        f.direction = Some(flow.direction).filter(|d| !d.is_empty());
        let transport = if flow.is_tcp() { "TCP" } else { "UDP" };
        let said = match name {
            "unknown" => "something unrecognised".to_owned(),
            name => name.to_ascii_uppercase(),
        };
        f.title = format!("{} speaks {said} to {} on {transport} port {port}", flow.src(), flow.dst());
        f.detail("service", name);
        if let Some(names) = owner {
            f.list("expected", names.iter().copied());
        }
        if let Some(host) = &flow.hostname {
            f.detail("hostname", host.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, tcp, udp, used};
    use super::*;

    fn unknown(n: u64, port: u16, history: &str) -> FlowFact {
        let mut f = tcp(n, 0.0, inside(1), outside(1), port, "SF", history);
        (f.orig.bytes, f.resp.bytes) = (300, 300);
        f
    }

    #[test]
    fn others_on_an_owned_port_are_told_once() {
        let flows = (0..50).map(|n| used(n, n as f64, inside(1), outside(1), 443, "ssh"));
        let found = Bench::new(&META).flows(flows).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.kind.name, a.severity.name(), a.count), ("nonstandard_port", "low", 50));
        assert_eq!(a.title, "10.0.0.1 speaks SSH to 203.0.113.1 on TCP port 443");
    }

    #[test]
    fn something_unknown_on_an_open_port_is_told() {
        assert_eq!(Bench::new(&META).flows([unknown(1, 443, "ShADadFf")]).kinds(), ["nonstandard_port"]);
        let mut dns = udp(1, 0.0, inside(1), outside(1), 53, (9, 9));
        (dns.orig.bytes, dns.resp.bytes, dns.history) = (900, 900, super::super::fact::History::new("Dd"));
        assert_eq!(Bench::new(&META).flows([dns]).kinds(), ["nonstandard_port"]);
    }

    #[test]
    fn what_belongs_there_or_shows_too_little_is_silent() {
        let flows = [
            used(1, 0.0, inside(1), outside(1), 443, "tls"),
            used(2, 0.0, inside(1), outside(1), 8080, "http"),
            used(3, 0.0, inside(1), outside(1), 50_000, "tls"),
            used(4, 0.0, inside(1), outside(1), 22, "ssh"),
            used(5, 0.0, inside(1), outside(1), 2222, "ssh"),
            // In mid-connection, unanswered, on a port of nobody.
            unknown(6, 443, "DadA"),
            tcp(7, 0.0, inside(1), outside(1), 443, "S0", "S"),
            unknown(8, 4444, "ShADadFf"),
        ];
        assert!(Bench::new(&META).flows(flows).end().is_empty());
    }

    #[test]
    fn administrators_on_ports_of_their_own_are_told() {
        assert_eq!(
            Bench::new(&META).flows([used(1, 0.0, inside(1), outside(1), 902, "ssh")]).kinds(),
            ["nonstandard_port"]
        );
    }
}
