//! Who sends packets that only a system-guessing tool sends?
//!
//! nmap's operating system detection (its book, "TCP/IP Fingerprinting Methods"): SYNs with the six fixed windows 1, 63, 4, 4, 16, 512 and the ECN
//! probe's 3, and packets without flags (T2), with SYN, FIN, PSH and URG (T3), or FIN, PSH and URG (T7). Refuses to name the
//! system that was guessed: the answers do not say what the tool made of them.

use super::window::Keyed;
use super::{Detector, Findings, FlowFact, Meta, Params, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::ids::FlowId;
use crate::model::kind;
use crate::model::time::Timestamp;

/// Pairs of prober and target remembered in one shard; one takes 500 bytes, so 16 shards take 4 MB.
const MAX_PAIRS: usize = 512;

/// Windows of the six sequence probes and of the ECN probe.
const WINDOWS: [u16; 6] = [1, 3, 4, 16, 63, 512];

/// Flags of T2, T3 and T7.
const ODD: [u8; 3] = [0, 0x2b, 0x29];

/// The detector.
#[rustfmt::skip] // one threshold a line
pub static META: Meta = Meta {
    id: "os_probe",
    question: "Who sends packets that only a system-guessing tool sends?",
    method: "SYNs with the fixed small windows of nmap's probes and packets with impossible flags are counted by their different forms, for one target within two minutes.",
    kinds: &[&kind::OS_FINGERPRINT_PROBE],
    scope: Scope::Source,
    flows: true,
    tables: &[],
    icmp: false,
    thresholds: &[
        Threshold { name: "forms", unit: "forms", default: 4.0, why: "Different forms of probes out of nine; chance brings one or two.", source: "nmap sends all in 0.6 s" },
        Threshold { name: "window_s", unit: "s", default: 120.0, why: "Seconds in which they must lie; nmap repeats them up to five times.", source: "nmap's book, OS detection" },
    ],
    innocent: &["An authorised inventory with nmap -O or -A.", "A stack for tiny devices with small windows; it sends no impossible flags."],
    next: &["Look at the port scan that comes with it."],
    references: &["https://nmap.org/book/osdetect-methods.html", "https://attack.mitre.org/techniques/T1046/"],
    build: |p| Box::new(OsProbe::new(p)),
};

#[derive(Debug, Default)]
struct Pair {
    /// When each form was last seen: the windows, then the flags.
    forms: [Option<Timestamp>; WINDOWS.len() + ODD.len()],
    flows: Vec<(Timestamp, FlowId)>,
    told: bool,
}

struct OsProbe {
    forms: usize,
    window: i64,
    pairs: Keyed<(Ip, Ip), Pair>,
}

impl OsProbe {
    fn new(p: &Params) -> Self {
        Self {
            forms: p.count("forms").max(1),
            window: p.nanos("window_s"),
            pairs: Keyed::new(MAX_PAIRS, |p: &Pair| p.flows.len() as u64),
        }
    }
}

fn form(f: &FlowFact) -> Option<usize> {
    if f.tuple.protocol != ip_protocol::TCP || f.orig.packets == 0 || f.orig.packets > 4 || f.orig.bytes > 0 {
        return None;
    }
    if let Some(shape) = f.syn {
        return WINDOWS.iter().position(|w| *w == shape.window());
    }
    let odd = f.orig.tcp_flags & 0x3f;
    let turned = f.history.begins('^');
    ODD.iter().position(|o| *o == odd && !turned).map(|i| WINDOWS.len() + i)
}

impl Detector for OsProbe {
    fn flow(&mut self, f: &FlowFact, out: &mut Findings) {
        let Some(form) = form(f) else { return };
        let (src, dst, ts) = (f.src(), f.dst(), f.first_ts);
        let pair = self.pairs.at(&(src, dst), ts);
        if let Some(slot) = pair.forms.get_mut(form) {
            *slot = Some(ts);
        }
        if pair.flows.len() < 25 {
            pair.flows.push((ts, f.id));
        }
        let near = |t: &&Option<Timestamp>| t.is_some_and(|t| ts.since(t).abs() <= self.window);
        let forms = pair.forms.iter().filter(near).count();
        let impossible = pair.forms.iter().skip(WINDOWS.len()).filter(near).count();
        if forms < self.forms {
            return;
        }
        let found = out.open(&kind::OS_FINGERPRINT_PROBE, Subject::pair(src, dst));
        if pair.told {
            found.seen(ts, f.id);
        } else {
            pair.flows.iter().for_each(|(then, flow)| found.seen(*then, *flow));
            pair.told = true;
        }
        found.title = format!(
            "{src} sent {dst} packets that guess its operating system ({forms} forms of nmap's probes)"
        );
        (found.protocol, found.direction) = (Some(ip_protocol::TCP), Some(f.direction));
        found.reason("forms", forms as f64, self.forms as f64, 0.7);
        if impossible > 0 {
            found.reason("impossible_flags", impossible as f64, 1.0, 0.5);
        }
        found.detail("tool", "nmap");
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::model::syn::SynShape;

    fn syn(n: u64, seconds: f64, window: u16) -> FlowFact {
        let mut f = tcp(n, seconds, inside(1), inside(2), 22, "RSTO", "ShR");
        f.syn = SynShape::read(64, window, b"\x02\x04\x05\xb4\x01\x03\x03\x0a");
        (f.orig.tcp_flags, f.orig.packets) = (6, 2);
        f
    }

    #[test]
    fn nmaps_probes_are_told() {
        let mut flows: Vec<FlowFact> = [1, 63, 4, 4, 16, 512]
            .iter()
            .enumerate()
            .map(|(i, w)| syn(i as u64 + 1, 0.1 * i as f64, *w))
            .collect();
        let mut null = tcp(9, 1.0, inside(1), inside(2), 22, "OTH", "");
        null.orig.tcp_flags = 0;
        flows.push(null);
        let all = Bench::new(&META).flows(flows).end();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].kind.name, all[0].count), ("os_fingerprint_probe", 7));
        assert!(all[0].title.ends_with("(6 forms of nmap's probes)"), "{}", all[0].title);
    }

    #[test]
    fn some_of_it_is_chance() {
        assert!(Bench::new(&META).flows([1, 63, 4].map(|w| syn(u64::from(w), 1.0, w))).kinds().is_empty());
        assert!(
            Bench::new(&META).flows((0..99).map(|n| syn(n + 1, n as f64, 512))).kinds().is_empty(),
            "hping3's window"
        );
        let slow = [1, 63, 4, 16, 512].map(|w| syn(u64::from(w), f64::from(w) * 300.0, w));
        assert!(Bench::new(&META).flows(slow).kinds().is_empty());
    }

    #[test]
    fn pairs_are_capped() {
        let mut bench = Bench::new(&META);
        bench.flows((0..9_000u32).map(|i| {
            let mut f = syn(u64::from(i) + 1, 1.0, 1);
            f.tuple.dst = Ip::v4(i.to_be_bytes());
            f
        }));
        assert!(bench.detector.evicted() > 8_000);
    }
}
