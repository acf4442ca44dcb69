//! Does a client name itself as a tool, or badly as a browser?
//!
//! The User-Agent of HTTP records (RFC 9110 section 10.1.5). Tools of attackers name themselves unless told not to; malware copies the name of a
//! browser and makes mistakes that no browser makes. Refuses to call programs that fetch things (curl, wget, python) suspicious by
//! themselves, and missing names.

use super::needles::Needles;
use super::window::Keyed;
use super::{Detector, Findings, Meta, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::protocol::http1::{HTTP, HttpTransaction};
use std::sync::LazyLock;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "suspicious_user_agent",
    question: "Does a client name itself as a tool, or badly as a browser?",
    method: "Compares the User-Agent with names of scanners and of system tools that malware uses to fetch, and looks for mistakes of copied browser names: \
             doubled header names, misspelled Mozilla, bare or cut names, versions that never were.",
    kinds: &[&kind::SUSPICIOUS_USER_AGENT],
    scope: Scope::Source,
    flows: false,
    tables: &[&HTTP],
    icmp: false,
    thresholds: &[Threshold {
        name: "requests",
        unit: "requests",
        default: 1.0,
        why: "A name is the same in the first request and the last.",
        source: "measured",
    }],
    innocent: &[
        "Administrators use the same tools.",
        "Home-made programs and cheap devices name themselves carelessly.",
    ],
    next: &[
        "See which program on the host sends it, and what it fetched.",
        "Look at how many hosts use this name: one is worth a look.",
    ],
    references: &["RFC 9110", "https://attack.mitre.org/techniques/T1071/001/"],
    build: |p| {
        Box::new(UserAgent { requests: p.count("requests") as u64, seen: Keyed::new(MAX_SEEN, |n| *n) })
    },
};

/// Clients and reasons remembered in a shard, 100 bytes each.
const MAX_SEEN: usize = 1_024;

/// Tools that attack web applications: part of the name in lower case, and how they are called.
const ATTACK_TOOLS: &[(&str, &str)] = &[
    ("nikto", "Nikto"),
    ("sqlmap", "sqlmap"),
    ("wpscan", "WPScan"),
    ("nuclei", "Nuclei"),
    ("acunetix", "Acunetix"),
    ("netsparker", "Netsparker"),
    ("dirbuster", "DirBuster"),
    ("gobuster", "gobuster"),
    ("feroxbuster", "feroxbuster"),
    ("fuzz faster u fool", "ffuf"),
    ("wfuzz", "Wfuzz"),
    ("w3af", "w3af"),
    ("arachni/", "Arachni"),
    ("havij", "Havij"),
    ("nessus", "Nessus"),
    ("openvas", "OpenVAS"),
    ("whatweb", "WhatWeb"),
    ("joomscan", "JoomScan"),
    ("commix/", "commix"),
    ("zmeu", "ZmEu"),
    ("morfeus", "Morfeus"),
    ("jorgee", "Jorgee"),
    ("hydra)", "Hydra"),
    ("fimap", "fimap"),
    ("paros/", "Paros"),
    ("skipfish", "skipfish"),
];

/// Scanners of the whole Internet and of networks.
const SCANNERS: &[(&str, &str)] = &[
    ("nmap scripting engine", "nmap"),
    ("masscan", "masscan"),
    ("zgrab", "ZGrab"),
    ("censysinspect", "Censys"),
    ("expanse", "Expanse"),
    ("hello, world", "the Mozi botnet"),
    ("l9explore", "LeakIX"),
];

/// Tools of Windows that fetch files and that people hardly use for it. BITS is not among them: it fetches updates all day.
const LIVING: &[(&str, &str)] = &[("certutil url agent", "certutil"), ("windowspowershell/", "PowerShell")];

/// All tools, to see at once that a name is none of them, as nearly all are.
static TOOLS: LazyLock<Needles> = LazyLock::new(|| {
    Needles::new(ATTACK_TOOLS.iter().chain(SCANNERS).chain(LIVING).map(|(part, _)| *part), true)
});

/// The attack tool that a User-Agent names.
pub(super) fn attack_tool(agent: &str) -> Option<&'static str> {
    if !TOOLS.may_be_in(agent) {
        return None;
    }
    let lower = agent.get(..agent.len().min(256)).unwrap_or(agent).to_ascii_lowercase();
    ATTACK_TOOLS.iter().find(|(part, _)| lower.contains(part)).map(|(_, name)| *name)
}

/// What is odd about a name, and how odd.
fn odd(agent: &str) -> Option<(&'static str, f64, String)> {
    let lower = agent.to_ascii_lowercase();
    let any = TOOLS.may_be_in(agent);
    let named = |list: &'static [(&str, &str)]| list.iter().find(|(part, _)| any && lower.contains(part));
    if let Some((_, name)) = named(ATTACK_TOOLS).or_else(|| named(SCANNERS)) {
        return Some(("tool", 0.8, format!("the tool {name}")));
    }
    if let Some((_, name)) = named(LIVING) {
        return Some(("system_tool", 0.6, (*name).to_owned()));
    }
    let trimmed = lower.trim();
    if trimmed.starts_with("user-agent:") || trimmed.starts_with("useragent:") {
        return Some(("doubled_header", 0.7, "a program that doubles the header's name".into()));
    }
    if ["mozila/", "mozzila/", "mozlila/", "mozilla /", "mozilla/v"].iter().any(|m| trimmed.starts_with(m)) {
        return Some(("misspelled", 0.7, "a browser whose name is misspelled".into()));
    }
    // Only exact: many devices add something of their own.
    if matches!(
        trimmed,
        "mozilla"
            | "mozilla/4.0"
            | "mozilla/5.0"
            | "ie"
            | "internet explorer"
            | "chrome"
            | "firefox"
            | "explorer"
            | "-"
    ) {
        return Some(("bare", 0.55, "a browser by a bare name".into()));
    }
    let opened = trimmed.matches('(').count();
    if trimmed.starts_with("mozilla/")
        && opened > trimmed.matches(')').count()
        && agent.len() < 200
        && !agent.contains('…')
    {
        return Some(("unclosed", 0.5, "a browser whose name is cut off".into()));
    }
    if ["windows nt 7", "windows nt 8", "windows nt 9", "windows nt 12", "msie 12", "msie 13"]
        .iter()
        .any(|v| trimmed.contains(v))
    {
        return Some(("never_was", 0.6, "a browser or system of a version that never was".into()));
    }
    None
}

struct UserAgent {
    requests: u64,
    seen: Keyed<(Ip, &'static str), u64>,
}

impl Detector for UserAgent {
    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let Some(tx) = record.of::<HttpTransaction>() else { return };
        let Some(agent) = tx.user_agent.as_deref() else { return };
        let Some((why, weight, who)) = odd(agent) else { return };
        let (src, dst) = (record.tuple.src, record.tuple.dst);
        let n = self.seen.at(&(src, why), record.ts);
        *n += 1;
        if *n < self.requests {
            return;
        }
        let f = out.open(&kind::SUSPICIOUS_USER_AGENT, Subject::by(src).over(ip_protocol::TCP).about(why));
        f.seen(record.ts, record.flow_id);
        f.reason(why, *n as f64, self.requests as f64, weight);
        f.dst = f.dst.or(Some(dst));
        f.dst_port = f.dst_port.or(Some(record.tuple.dst_port));
        f.title = format!("{src} names itself as {who} in {n} requests");
        f.detail("user_agent", agent);
        if let Some(host) = tx.host.as_deref() {
            f.detail("host", host);
        }
    }

    fn evicted(&self) -> u64 {
        self.seen.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record};
    use super::*;

    fn with(agent: &str) -> RecordFact {
        let tx = HttpTransaction {
            user_agent: Some(agent.into()),
            host: Some("h.example".into()),
            ..HttpTransaction::default()
        };
        record(1, 0.0, inside(1), outside(1), 80, tx)
    }

    #[test]
    fn tools_and_mistakes_are_told() {
        for agent in [
            "sqlmap/1.7#stable (https://sqlmap.org)",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
            "User-Agent: Mozilla/5.0",
            "Mozila/5.0 (Windows NT 10.0)",
            "Mozilla/4.0",
            "CertUtil URL Agent",
        ] {
            assert_eq!(
                Bench::new(&META).records([with(agent)]).kinds(),
                ["suspicious_user_agent"],
                "{agent}"
            );
        }
    }

    #[test]
    fn browsers_and_programs_are_not() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
            "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)",
            "curl/8.5.0",
            "Wget/1.21",
            "python-requests/2.31",
            "Microsoft BITS/7.8",
            "Debian APT-HTTP/1.3 (2.6.1)",
            "",
        ] {
            assert!(Bench::new(&META).records([with(agent)]).end().is_empty(), "{agent}");
        }
    }

    #[test]
    fn one_row_a_client_and_mistake() {
        let found = Bench::new(&META).records((0..50).map(|_| with("Mozilla/4.0"))).end();
        assert!(found.len() == 1 && found[0].count == 50 && found[0].severity.name() == "low", "{found:?}");
    }
}
