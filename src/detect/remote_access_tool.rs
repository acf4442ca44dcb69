//! Can somebody far away work on a host here?
//!
//! Tools for remote help and administration, by the protocol that a flow speaks and by the names of their relays (not of their web sites), and desktops (RDP,
//! VNC and kin) that cross the border of the network. Support staff uses them every day; so do intruders, because nobody wonders.
//! Refuses to count visits of their makers' web pages and desktops within the network.

use super::{Detector, Findings, FlowFact, Meta, Params, Scope, Threshold};
use crate::model::anomaly::Subject;
use crate::model::kind;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "remote_access_tool",
    question: "Can somebody far away work on a host here?",
    method: "Flows that speak TeamViewer, Radmin and kin, or go to names of relays of such tools; and RDP, VNC, X11 and similar connections, answered, between inside \
             and outside. From outside to inside is one step worse.",
    kinds: &[&kind::REMOTE_ACCESS_TOOL],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[Threshold {
        name: "answer_bytes",
        unit: "bytes",
        default: 200.0,
        why: "A desktop that answers less has refused; scanners get that much everywhere.",
        source: "measured on RDP and VNC refusals",
    }],
    innocent: &["The support staff works with this tool.", "A person works from home on an own machine."],
    next: &[
        "Ask whether the tool is allowed here and who installed it.",
        "See what came before: a download, a mail, a login.",
    ],
    references: &[
        "https://attack.mitre.org/techniques/T1219/",
        "https://attack.mitre.org/techniques/T1021/001/",
    ],
    build: |p: &Params| Box::new(RemoteAccess { answer_bytes: p.get("answer_bytes") as u64 }),
};

/// Ends of names of relays, and the tool. A dot in front keeps the makers' own pages out where those differ.
#[rustfmt::skip]
const RELAYS: &[(&str, &str)] = &[
    (".net.anydesk.com", "AnyDesk"),
    (".relay.anydesk.com", "AnyDesk"),
    ("relays.net.anydesk.com", "AnyDesk"),
    (".router.teamviewer.com", "TeamViewer"),
    ("router.teamviewer.com", "TeamViewer"),
    ("ping3.teamviewer.com", "TeamViewer"),
    ("master.teamviewer.com", "TeamViewer"),
    (".screenconnect.com", "ScreenConnect"),
    (".rustdesk.com", "RustDesk"),
    (".ammyy.com", "Ammyy"),
    (".logmein-gateway.com", "LogMeIn"),
    (".logmeinrescue.com", "LogMeIn Rescue"),
    (".relay.splashtop.com", "Splashtop"),
    (".api.splashtop.com", "Splashtop"),
    (".remoteutilities.com", "Remote Utilities"),
    (".dwservice.net", "DWService"),
    (".zohoassist.com", "Zoho Assist"),
    (".beyondtrustcloud.com", "BeyondTrust"),
    (".bomgarcloud.com", "BeyondTrust"),
    (".swi-rc.com", "SolarWinds Take Control"),
    (".hoptodesk.com", "HopToDesk"),
    (".getscreen.me", "Getscreen"),
    (".realvnc.services", "RealVNC"),
    (".atera.com", "Atera"),
    (".ngrok.io", "ngrok"),
    (".ngrok-free.app", "ngrok"),
];

/// Protocols that are such a tool wherever they go.
const TOOLS: &[(&str, &str)] = &[("teamviewer", "TeamViewer"), ("radmin", "Radmin")];

/// Desktops, which only the border makes a finding.
const DESKTOPS: &[(&str, &str)] = &[
    ("rdp", "RDP"),
    ("rdpeudp", "RDP"),
    ("rfb", "VNC"),
    ("x11", "X11"),
    ("spice", "SPICE"),
    ("ica", "Citrix ICA"),
    ("adb", "Android's debug bridge"),
];

/// Names that are pages for people.
fn is_page(name: &str) -> bool {
    ["www.", "get.", "download.", "support.", "blog.", "community.", "account."]
        .iter()
        .any(|p| name.starts_with(p))
}

struct RemoteAccess {
    answer_bytes: u64,
}

impl Detector for RemoteAccess {
    fn flow(&mut self, flow: &FlowFact, out: &mut Findings) {
        let spoken = flow.spoken();
        let named = |list: &'static [(&str, &'static str)]| {
            spoken.and_then(|s| list.iter().find(|(name, _)| *name == s)).map(|(_, tool)| *tool)
        };
        let relay = flow
            .hostname
            .as_deref()
            .filter(|n| !is_page(n))
            .and_then(|n| RELAYS.iter().find(|(end, _)| n.ends_with(end)).map(|(_, tool)| *tool));
        let crosses = flow.src_internal != flow.dst_internal;
        let (tool, why, weight) = match (named(TOOLS), relay, named(DESKTOPS)) {
            (Some(tool), ..) => (tool, "protocol", 0.85),
            (_, Some(tool), _) => (tool, "relay_name", 0.7),
            (.., Some(tool)) if crosses && flow.resp.bytes >= self.answer_bytes => {
                (tool, "desktop_across_the_border", 0.7)
            }
            _ => return,
        };
        if !flow.established() {
            return;
        }
        let subject = Subject::pair(flow.src(), flow.dst()).over(flow.tuple.protocol).about(tool);
        let f = out.open(&kind::REMOTE_ACCESS_TOOL, subject);
        f.seen(flow.first_ts, flow.id);
        f.cover(flow.first_ts, flow.last_ts);
        f.reason(why, f.count() as f64, 1.0, weight);
        if flow.dst_internal && !flow.src_internal {
            f.raise("from_outside");
        }
        f.dst_port = Some(flow.tuple.dst_port);
        f.direction = Some(flow.direction).filter(|d| !d.is_empty());
        f.title = format!("{} uses {tool} with {}:{}", flow.src(), flow.dst(), flow.tuple.dst_port);
        f.detail("tool", tool);
        if let Some(host) = &flow.hostname {
            f.detail("hostname", host.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, used};
    use super::*;

    #[test]
    fn tools_are_known_by_protocol_and_by_relay() {
        let mut relay = used(2, 0.0, inside(1), outside(2), 443, "tls");
        relay.hostname = Some("relay-4f1b.net.anydesk.com".into());
        let flows = [used(1, 0.0, inside(1), outside(1), 5938, "teamviewer"), relay];
        let found = Bench::new(&META).flows(flows).end();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].title, "10.0.0.1 uses AnyDesk with 203.0.113.2:443");
    }

    #[test]
    fn a_desktop_counts_across_the_border_only() {
        let within = used(1, 0.0, inside(1), inside(2), 3389, "rdp");
        assert!(Bench::new(&META).flows([within]).end().is_empty());
        let out = Bench::new(&META).flows([used(1, 0.0, inside(1), outside(2), 5900, "rfb")]).end();
        let inward = Bench::new(&META).flows([used(1, 0.0, outside(1), inside(2), 3389, "rdp")]).end();
        assert_eq!((out[0].severity.name(), inward[0].severity.name()), ("low", "medium"));
    }

    #[test]
    fn pages_of_the_makers_are_silent() {
        for name in
            ["www.teamviewer.com", "anydesk.com", "download.anydesk.com", "www.atera.com", "notanydesk.org"]
        {
            let mut f = used(1, 0.0, inside(1), outside(2), 443, "tls");
            f.hostname = Some(name.into());
            assert!(Bench::new(&META).flows([f]).end().is_empty(), "{name}");
        }
    }
}
