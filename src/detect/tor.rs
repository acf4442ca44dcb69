//! Does a host use the Tor network?
//!
//! Connections of Tor to its relays are TLS with invented names (torspec tor-spec.txt section 2): the server name is `www.`, 8 to 20 letters and digits of base32 and `.com`,
//! the certificate names another such name under `.net`. No DNS answer leads there. Together with the ports of relays and with
//! questions for `.onion` that tells it. Refuses to know relays by address: a list of them is an indicator list's task.

use super::window::Keyed;
use super::{Detector, Findings, FlowFact, Meta, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::protocol::dns::record::{DnsRecord, TABLE as DNS};
use crate::protocol::tls::{TLS, TlsHandshake};
use std::collections::BTreeSet;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "tor",
    question: "Does a host use the Tor network?",
    method: "Server names and certificates of the invented form that Tor uses, ports of relays, no DNS answer that led there, and questions for .onion names; one \
             finding a host.",
    kinds: &[&kind::TOR],
    scope: Scope::Source,
    flows: true,
    tables: &[&TLS, &DNS],
    icmp: false,
    thresholds: &[Threshold {
        name: "relays",
        unit: "servers",
        default: 2.0,
        why: "A client keeps two to three guards; one server with such a name may be chance.",
        source: "tor-spec guard-spec, NumEntryGuards",
    }],
    innocent: &[
        "A person who wants privacy.",
        "Software that reaches its service over Tor by design (some wallets, SecureDrop).",
    ],
    next: &[
        "See which program on the host runs it and whether its policy allows that.",
        "Much data upward over Tor is worth a close look.",
    ],
    references: &["https://spec.torproject.org/tor-spec/", "https://attack.mitre.org/techniques/T1090/003/"],
    build: |p| {
        Box::new(Tor {
            relays: p.count("relays"),
            hosts: Keyed::new(MAX_HOSTS, |h: &Host| h.relays.len() as u64 + h.onion),
        })
    },
};

/// Hosts remembered in a shard, 2 KB each at worst: 16 shards take 16 MB.
const MAX_HOSTS: usize = 512;
/// Relays and names remembered of a host, each.
const MAX_LISTED: usize = 32;
/// Ports that relays commonly listen on.
const PORTS: &[u16] = &[9001, 9030, 9040, 9050, 9051, 9150];

#[derive(Debug, Default)]
struct Host {
    relays: BTreeSet<Ip>,
    on_ports: BTreeSet<Ip>,
    names: BTreeSet<String>,
    certificates: u64,
    onion: u64,
}

struct Tor {
    relays: usize,
    hosts: Keyed<Ip, Host>,
}

/// `www.` and 8 to 20 of base32's letters, under this top level; and not a word: words have no digits between letters.
fn invented(name: &str, top: &str) -> bool {
    let Some(label) = name.strip_prefix("www.").and_then(|n| n.strip_suffix(top)) else { return false };
    (8..=20).contains(&label.len()) && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

/// Does it look drawn by lot? Words alternate vowels and consonants; digits stand at their ends.
fn random(name: &str) -> bool {
    let label = name.trim_start_matches("www.").split('.').next().unwrap_or("");
    let digits_within =
        label.trim_end_matches(|c: char| c.is_ascii_digit()).bytes().any(|b| b.is_ascii_digit());
    let mut run = 0;
    let mut longest = 0;
    for b in label.bytes() {
        run = if matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y') { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    digits_within || longest >= 5
}

fn common_name(subject: &str) -> Option<&str> {
    // Tor's certificates hold one common name and nothing else.
    let name = subject.strip_prefix("CN=")?;
    (!name.contains([',', '/', '='])).then_some(name)
}

impl Tor {
    fn tell(
        &self,
        src: Ip,
        dst: Option<Ip>,
        port: u16,
        out: &mut Findings,
        seen: impl FnOnce(&mut super::Finding),
    ) {
        let Some(h) = self.hosts.get(&src) else { return };
        if h.certificates == 0 && h.onion == 0 && h.relays.is_empty() {
            return;
        }
        let f = out.open(&kind::TOR, Subject::by(src).over(ip_protocol::TCP));
        seen(f);
        if h.certificates > 0 {
            f.reason("certificates_of_its_form", h.certificates as f64, 1.0, 0.8);
        }
        let relays = h.relays.len();
        if relays > 0 {
            f.reason(
                "invented_names",
                relays as f64,
                self.relays as f64,
                if relays >= self.relays { 0.7 } else { 0.4 },
            );
        }
        if h.relays.iter().any(|r| h.on_ports.contains(r)) {
            f.reason("relay_port", h.on_ports.len() as f64, 1.0, 0.35);
        }
        if h.onion > 0 {
            f.reason("onion_names", h.onion as f64, 1.0, 0.5);
        }
        f.dst = f.dst.or(dst);
        f.dst_port = f.dst_port.or(Some(port));
        f.title = match relays {
            0 => format!("{src} asks for names of the Tor network"),
            1 => format!("{src} connects to what looks like a Tor relay"),
            n => format!("{src} connects to {n} servers that look like Tor relays"),
        };
        f.list("relays", h.relays.iter().map(Ip::to_string));
        f.list("names", h.names.iter().cloned());
    }
}

impl Detector for Tor {
    fn flow(&mut self, flow: &FlowFact, _out: &mut Findings) {
        if flow.is_tcp() && PORTS.contains(&flow.tuple.dst_port) && flow.established() && !flow.dst_internal {
            let h = self.hosts.at(&flow.src(), flow.first_ts);
            if h.on_ports.len() < MAX_LISTED {
                h.on_ports.insert(flow.dst());
            }
        }
    }

    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let t = record.tuple;
        if let Some(tls) = record.of::<TlsHandshake>() {
            let name = tls.server_name.as_deref().filter(|n| invented(n, ".com") && random(n));
            let subject = tls.subject.as_deref().and_then(common_name).filter(|n| invented(n, ".net"));
            let issuer = tls
                .issuer
                .as_deref()
                .and_then(common_name)
                .filter(|n| invented(n, ".com") || invented(n, ".net"));
            let certificate = subject.is_some() && issuer.is_some() && subject != issuer;
            // Browsers announce their protocols, Tor does not.
            if !(certificate || name.is_some() && tls.alpn_offered.is_none()) {
                return;
            }
            let h = self.hosts.at(&t.src, record.ts);
            if h.relays.len() < MAX_LISTED {
                h.relays.insert(t.dst);
            }
            if PORTS.contains(&t.dst_port) && h.on_ports.len() < MAX_LISTED {
                h.on_ports.insert(t.dst);
            }
            h.certificates += u64::from(certificate);
            if let Some(name) = name.or(subject).filter(|_| h.names.len() < MAX_LISTED) {
                h.names.insert(name.to_owned());
            }
            self.tell(t.src, Some(t.dst), t.dst_port, out, |f| f.seen(record.ts, record.flow_id));
        } else if let Some(dns) = record.of::<DnsRecord>() {
            let Some(name) = dns.query.as_deref().filter(|q| q.ends_with(".onion")) else { return };
            let h = self.hosts.at(&dns.client, record.ts);
            h.onion += 1;
            if h.names.len() < MAX_LISTED {
                h.names.insert(name.to_owned());
            }
            self.tell(dns.client, Some(dns.server), t.dst_port, out, |f| f.seen(record.ts, record.flow_id));
        }
    }

    fn evicted(&self) -> u64 {
        self.hosts.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record};
    use super::*;

    fn hello(
        n: u8,
        port: u16,
        name: Option<&str>,
        subject: Option<&str>,
        issuer: Option<&str>,
    ) -> RecordFact {
        let tls = TlsHandshake {
            server_name: name.map(Into::into),
            subject: subject.map(Into::into),
            issuer: issuer.map(Into::into),
            ..TlsHandshake::default()
        };
        record(n.into(), f64::from(n), inside(1), outside(n), port, tls)
    }

    #[test]
    fn invented_names_and_certificates_are_told() {
        let relay = hello(
            1,
            9001,
            Some("www.xg5j2qkhd7vw.com"),
            Some("CN=www.q4vbqk7xnd2.net"),
            Some("CN=www.jt6rd3whxa.com"),
        );
        let found = Bench::new(&META).records([relay]).end();
        assert!(
            found.len() == 1 && found[0].kind.name == "tor" && found[0].severity.name() == "low",
            "{found:?}"
        );
        let names = ["www.xg5j2qkhd7vw.com", "www.bcdfgh2jq5.com"];
        let two = (0..2).map(|n| hello(n + 1, 443, Some(names[usize::from(n)]), None, None));
        assert_eq!(
            Bench::new(&META).records(two).end()[0].title,
            "10.0.0.1 connects to 2 servers that look like Tor relays"
        );
    }

    #[test]
    fn honest_names_are_silent() {
        let names = ["www.microsoft.com", "www.facebook.com", "www.bestbuy24.com", "cdn.xg5j2qkhd7vw.com"];
        let all = names.iter().enumerate().map(|(n, name)| {
            hello(n as u8 + 1, 443, Some(name), Some("CN=www.example.net"), Some("CN=R3,O=x"))
        });
        assert!(Bench::new(&META).records(all).end().is_empty());
    }
}
