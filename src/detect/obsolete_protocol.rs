//! Is a protocol still used that should be retired?
//!
//! SMB 1 (deprecated by Microsoft in 2013, the way of EternalBlue), SSH 1 (RFC 4251 replaced it; broken since 1998), Telnet and the r-commands,
//! which carry passwords and sessions in the clear (RFC 854, RFC 1282). Told by what was agreed, not by what was offered. Refuses to count FTP and HTTP: they
//! carry much that is public; passwords in them are told elsewhere.

use super::{Detector, Findings, FlowFact, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::smb::{SMB, SmbRecord};
use crate::protocol::ssh::{SshRecord, TABLE as SSH};

/// What it says of itself.
pub static META: Meta = Meta {
    id: "obsolete_protocol",
    question: "Is a protocol still used that should be retired?",
    method: "SMB sessions that agreed on version 1, SSH servers of version 1 only, and connections recognised as Telnet, rlogin or rsh.",
    kinds: &[&kind::OBSOLETE_PROTOCOL],
    scope: Scope::Source,
    flows: true,
    tables: &[&SMB, &SSH],
    icmp: false,
    thresholds: &[Threshold {
        name: "uses",
        unit: "uses",
        default: 1.0,
        why: "One use shows that the service is still on.",
        source: "measured",
    }],
    innocent: &["An old device that knows nothing newer, in a network of its own.", "A honeypot."],
    next: &[
        "Find out what still needs it; turn it off or fence it in.",
        "Change passwords that were typed over Telnet.",
    ],
    references: &["https://attack.mitre.org/techniques/T1210/", "RFC 854", "RFC 1282", "RFC 4251"],
    build: |p: &Params| Box::new(Obsolete { uses: p.count("uses") as u64 }),
};

struct Obsolete {
    uses: u64,
}

impl Obsolete {
    fn tell(
        &self,
        name: &'static str,
        pair: (Ip, Ip),
        port: u16,
        at: (Timestamp, FlowId),
        out: &mut Findings,
    ) {
        let (src, dst) = pair;
        let f = out.open(
            &kind::OBSOLETE_PROTOCOL,
            Subject::pair(src, dst).port(port).over(ip_protocol::TCP).about(name),
        );
        f.seen(at.0, at.1);
        let n = f.count();
        f.reason("uses", n as f64, self.uses as f64, if n >= self.uses { 0.9 } else { 0.0 });
        f.title = format!("{src} uses {name} with {dst}:{port}");
        f.detail("protocol", name);
    }
}

impl Detector for Obsolete {
    fn flow(&mut self, flow: &FlowFact, out: &mut Findings) {
        let name = match flow.spoken() {
            Some("telnet") => "Telnet",
            Some("rlogin") => "rlogin",
            Some("rsh") => "rsh",
            _ => return,
        };
        if flow.established() && flow.resp.bytes > 0 {
            self.tell(name, (flow.src(), flow.dst()), flow.tuple.dst_port, (flow.first_ts, flow.id), out);
        }
    }

    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let t = &record.tuple;
        let at = (record.ts, record.flow_id);
        if let Some(smb) = record.of::<SmbRecord>() {
            // A negotiation alone only asks; a session is used.
            if smb.version == "1" && smb.status.is_some() && !smb.command.eq_ignore_ascii_case("negotiate") {
                self.tell("SMB 1", (t.src, t.dst), t.dst_port, at, out);
            }
        } else if let Some(ssh) = record.of::<SshRecord>() {
            let both = [&ssh.client, &ssh.server]
                .map(|b| b.as_deref().is_some_and(|b| b.starts_with("SSH-1.") && !b.starts_with("SSH-1.99")));
            if both.contains(&true) && ssh.client.is_some() && ssh.server.is_some() {
                self.tell("SSH 1", (t.src, t.dst), t.dst_port, at, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record, used};
    use super::*;

    fn ssh(client: &str, server: &str) -> RecordFact {
        let r =
            SshRecord { client: Some(client.into()), server: Some(server.into()), ..SshRecord::default() };
        record(1, 0.0, inside(1), outside(1), 22, r)
    }

    #[test]
    fn old_protocols_are_told_once_a_pair() {
        let found =
            Bench::new(&META).flows((0..5).map(|n| used(n, 0.0, inside(1), inside(2), 23, "telnet"))).end();
        assert!(found.len() == 1 && found[0].count == 5 && found[0].severity.name() == "low", "{found:?}");
        assert_eq!(found[0].title, "10.0.0.1 uses Telnet with 10.0.0.2:23");
        assert_eq!(
            Bench::new(&META).records([ssh("SSH-1.5-PuTTY", "SSH-1.5-Cisco-1.25")]).kinds(),
            ["obsolete_protocol"]
        );
    }

    #[test]
    fn what_is_only_offered_is_silent() {
        assert!(Bench::new(&META).records([ssh("SSH-2.0-OpenSSH_9", "SSH-1.99-OpenSSH_3")]).end().is_empty());
        assert!(Bench::new(&META).flows([used(1, 0.0, inside(1), inside(2), 22, "ssh")]).end().is_empty());
    }
}
