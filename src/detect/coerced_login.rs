//! Was a host made to log in at the one who just spoke to it?
//!
//! Calls of EFS, DFS, the spooler and others take a path and make the server open it, on the caller's own machine when the caller says so: the
//! server then proves who it is to the caller, who passes that on (ATT&CK T1187). Where the calls are encrypted, what shows is the order: one
//! host opens a session of SMB, and within seconds the other opens many of its own back, as a machine or as nobody. Source: PetitPotam,
//! measured. Refuses single sessions back: file servers that serve each other have those.

use super::window::Keyed;
use super::{Detector, Findings, Meta, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::smb::{SMB, SmbRecord};

/// Pairs of hosts remembered: some 100 bytes each, so at most 1 MB.
const MAX_PAIRS: usize = 8_192;

/// What it says about itself.
pub static META: Meta = Meta {
    id: "coerced_login",
    question: "Was a host made to log in at the one who just spoke to it?",
    method: "One host logs in at another over SMB, and within a short time the other tries to log in back, again and again, as a machine or without a \
             name. Servers do not do that by themselves.",
    kinds: &[&kind::EXPLOIT_ATTEMPT],
    scope: Scope::Segment,
    flows: false,
    tables: &[&SMB],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "logins_back",
            unit: "logins",
            default: 5.0,
            why: "A server that is made to open a path tries each way a few times; a share that is used both ways takes one or two logins.",
            source: "measured: 23 in one forced login",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 60.0,
            why: "Time after the first login in which those back count.",
            source: "measured: under 5 s",
        },
    ],
    innocent: &["Two file servers that serve each other and log in as machines."],
    next: &[
        "What did the first host call on the second (table dcerpc, as far as it is not encrypted)?",
        "Where did the login go from the first host: to a certificate authority, to LDAP?",
        "Require signing, and filter the calls that force logins.",
    ],
    references: &["MITRE ATT&CK T1187; CVE-2021-36942."],
    build: |p| {
        Box::new(Coerced {
            least: p.count("logins_back").clamp(1, 1_000_000) as u32,
            window: p.nanos("window"),
            pairs: Keyed::new(MAX_PAIRS, |p| u64::from(p.back)),
        })
    },
};

/// What a client did at a server, and what came back.
#[derive(Debug, Default)]
struct Pair {
    login: Option<Timestamp>,
    back: u32,
    refused: u32,
}

#[derive(Debug)]
struct Coerced {
    least: u32,
    window: i64,
    pairs: Keyed<(Ip, Ip), Pair>,
}

/// A machine's account, or nobody's.
fn is_machine(username: Option<&str>) -> bool {
    let name = username.unwrap_or("").rsplit('\\').next().unwrap_or("");
    name.is_empty() || name.ends_with('$')
}

impl Detector for Coerced {
    fn record(&mut self, r: &RecordFact, found: &mut Findings) {
        let Some(s) = r.of::<SmbRecord>().filter(|s| s.command == "session_setup") else { return };
        let Some(status) = s.status else { return };
        let (src, dst) = (r.tuple.src, r.tuple.dst);
        let back = self.pairs.get(&(dst, src)).and_then(|p| p.login).is_some_and(|t| {
            let gap = r.ts.since(t);
            (0..=self.window).contains(&gap)
        });
        if back && is_machine(s.username.as_deref()) {
            // Steps of a login that goes on have an answer of their own and are not counted.
            if status.is_success()
                || status.to_string() == "STATUS_ACCESS_DENIED"
                || status.to_string() == "STATUS_LOGON_FAILURE"
            {
                return self.back(r, dst, src, !status.is_success(), found);
            }
            return;
        }
        if status.is_success() {
            let pair = self.pairs.at(&(src, dst), r.ts);
            pair.login = Some(r.ts);
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

impl Coerced {
    /// The host that `by` logged in at logs in at `by`.
    fn back(&mut self, r: &RecordFact, by: Ip, forced: Ip, refused: bool, found: &mut Findings) {
        let pair = self.pairs.at(&(by, forced), r.ts);
        pair.back = pair.back.saturating_add(1);
        pair.refused += u32::from(refused);
        if pair.back < self.least {
            return;
        }
        let f = found.open(&kind::EXPLOIT_ATTEMPT, Subject::pair(by, forced).about("coerced_login"));
        f.seen(r.ts, r.flow_id);
        f.set_count(u64::from(pair.back));
        f.technique = Some("T1187");
        f.dst_port = Some(445);
        f.reason("logins_back", f64::from(pair.back), f64::from(self.least), 0.5);
        if pair.refused > 0 {
            f.reason("refused", f64::from(pair.refused), 1.0, 0.3);
        }
        f.lower("the_call_itself_is_not_seen");
        f.detail("exploit", "coerced_login");
        f.title = format!(
            "{forced} logs in {} times at {by}, which had just logged in there (forced login)",
            pair.back
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, record};
    use super::*;
    use crate::model::anomaly::Severity;
    use crate::protocol::smb::Status;

    fn login(n: u64, at: f64, src: u8, dst: u8, user: &str, status: u32) -> RecordFact {
        let smb = SmbRecord {
            command: "session_setup",
            status: Some(Status::Nt(status)),
            username: (!user.is_empty()).then(|| user.into()),
            ..SmbRecord::default()
        };
        record(n, at, inside(src), inside(dst), 445, smb)
    }

    const OK: u32 = 0;
    const MORE: u32 = 0xc000_0016;
    const DENIED: u32 = 0xc000_0022;

    #[test]
    fn logins_that_come_back_in_numbers() {
        let mut bench = Bench::new(&META);
        bench.records([login(1, 0.0, 15, 80, "D\\anna", OK)]);
        for n in 0..23 {
            let at = 1.0 + n as f64 * 0.1;
            bench.records([login(10 + n, at, 80, 15, "", MORE), login(100 + n, at, 80, 15, "", DENIED)]);
        }
        let found = bench.end();
        assert_eq!((found.len(), found[0].count, found[0].severity), (1, 23, Severity::Medium));
        assert_eq!(
            found[0].title,
            "10.0.0.80 logs in 23 times at 10.0.0.15, which had just logged in there (forced login)"
        );
    }

    #[test]
    fn servers_that_serve_each_other() {
        let mut bench = Bench::new(&META);
        for n in 0..30 {
            let at = n as f64 * 100.0;
            bench.records([
                login(1 + n, at, 1, 2, "D\\anna", OK),
                login(100 + n, at + 1.0, 2, 1, "D\\bert", OK),
            ]);
        }
        for n in 0..4 {
            bench.records([
                login(200 + n, 9_000.0, 3, 4, "D\\anna", OK),
                login(300 + n, 9_001.0, 4, 3, "D\\PC4$", OK),
            ]);
        }
        // Nobody logged in before.
        (0..30).for_each(|n| {
            bench.records([login(400 + n, 9_500.0, 6, 5, "", DENIED)]);
        });
        assert!(bench.kinds().is_empty());
    }
}
