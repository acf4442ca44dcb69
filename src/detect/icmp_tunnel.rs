//! Does data travel inside echo messages?
//!
//! A ping repeats one pattern behind the time it was sent, and its answer repeats the question (RFC 792, RFC 4443 section 4.1). A tunnel sends another payload each time,
//! and answers with something else than it was asked. Judged on hashes and entropy of what echo messages carry, one pair of hosts at a
//! time, in packet order. Refuses to decode tunnels; one backdoor is known by its form alone, and whoever sends it commands works at a shell.

use super::window::{Keyed, Recent};
use super::{Detector, Findings, Meta, Params, Scope, Threshold};
use crate::decode::IcmpMessage;
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::model::time::Timestamp;
use hashbrown::HashMap;

/// What it says of itself.
pub static META: Meta = Meta {
    id: "icmp_tunnel",
    question: "Does data travel inside echo messages?",
    method: "Counts the different payloads (behind the bytes in which pings put the time) among the echo messages of a pair within the window, and answers unlike \
             their questions. Many different ones of high entropy, or many such answers, are a tunnel. Commands for the backdoor Pingback are known by their \
             length and sequence numbers.",
    kinds: &[&kind::ICMP_TUNNEL, &kind::REVERSE_SHELL],
    scope: Scope::Segment,
    flows: false,
    tables: &[],
    icmp: true,
    thresholds: &[
        Threshold {
            name: "echoes",
            unit: "messages",
            default: 20.0,
            why: "Fewer echo messages with a payload say nothing; a session through a tunnel takes hundreds.",
            source: "DETECTORS section 14",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 60.0,
            why: "An idle tunnel still sends every one to five seconds, to stay open.",
            source: "ptunnel's manual, measured",
        },
        Threshold {
            name: "different",
            unit: "payloads",
            default: 10.0,
            why: "Pings repeat one payload; a few sizes of it make a few.",
            source: "measured on ping, fping, mtr and Windows",
        },
        Threshold {
            name: "entropy",
            unit: "bits",
            default: 4.5,
            why: "Encrypted and compressed bytes, and text, have more; counters in zeros have less.",
            source: "DETECTORS section 14",
        },
        Threshold {
            name: "unlike",
            unit: "answers",
            default: 10.0,
            why: "An answer has to repeat its question; broken networks change some, not all.",
            source: "RFC 792",
        },
    ],
    innocent: &[
        "A tool that measures links fills each echo with new random bytes.",
        "A device on the way changes the payload of echo messages.",
    ],
    next: &[
        "Read the payloads: a banner (SSH, HTTP) or command often stands in clear text.",
        "See what else the two hosts did, and which process sends echo messages: a normal program has no reason to.",
        "Let only small echo messages through the firewall.",
    ],
    references: &[
        "RFC 792",
        "RFC 4443",
        "L. Macrohon and R. Mendrez, Backdoor at the End of the ICMP Tunnel, 2021",
        "https://attack.mitre.org/techniques/T1095/",
    ],
    build: |p| Box::new(IcmpTunnel::new(p)),
};

/// Pairs remembered, 10 KB each at worst: 20 MB, one instance for the capture.
const MAX_PAIRS: usize = 2_048;
/// Echo messages remembered of a pair; a fast tunnel fills them in a second, which is enough to see.
const MAX_ECHOES: usize = 192;
/// A pair is judged once in so many messages: what lasts is seen a moment later, and a flood costs little.
const EVERY: u64 = 8;
/// Payloads below this many bytes carry nothing.
const LEAST: u32 = 8;
/// Of a flood that nobody answers, messages a second from which it is left to the detector of floods.
const FLOOD: f64 = 100.0;

/// Length of the messages of Pingback, a backdoor of 2021, and their sequence numbers 1234 to 1236 in both byte orders.
const PINGBACK_LEN: u32 = 788;
const PINGBACK_SEQ: [u16; 6] = [1234, 1235, 1236, 0xd204, 0xd304, 0xd404];
/// Those of them that carry a command; the others carry data and say that it came.
const PINGBACK_COMMAND: [u16; 2] = [1234, 0xd204];

#[derive(Debug)]
struct Echo {
    by_low: bool,
    answer: bool,
    key: (u16, u16),
    payload: u64,
    body: u64,
    entropy: f32,
    len: u32,
    /// An answer to a question that is remembered, and not like it.
    unlike: bool,
}

#[derive(Debug, Default)]
struct Pair {
    echoes: Recent<Echo>,
    /// How often each payload is among them.
    bodies: HashMap<u64, u32>,
    /// Answers among them that were unlike their questions when they came: never fewer than a look finds.
    unlike: usize,
    /// Some came out of order: then the two above do not hold.
    mixed: bool,
    total: u64,
    bytes: [u64; 2],
    pingback: u64,
    /// Is there a finding about it?
    told: bool,
    /// Did the lower address send the first question?
    low_asks: Option<bool>,
}

impl Pair {
    fn keep(&mut self, ts: Timestamp, mut echo: Echo, window: i64) {
        self.mixed |= self.echoes.iter().next_back().is_some_and(|(last, _)| ts < *last);
        if echo.answer && echo.len >= LEAST {
            // The latest of equal questions leaves last, so what is like it now stays so.
            let asked =
                |e: &&(Timestamp, Echo)| !e.1.answer && e.1.by_low != echo.by_low && e.1.key == echo.key;
            let question = self.echoes.iter().rev().find(asked);
            echo.unlike = question.is_some_and(|(_, q)| q.payload != echo.payload && echo.len >= q.len);
            self.unlike += usize::from(echo.unlike);
        }
        if echo.len >= LEAST {
            *self.bodies.entry(echo.body).or_default() += 1;
        }
        let (bodies, unlike) = (&mut self.bodies, &mut self.unlike);
        self.echoes.push_with(ts, echo, window, MAX_ECHOES, |gone| {
            *unlike -= usize::from(gone.unlike);
            if gone.len >= LEAST
                && let Some(n) = bodies.get_mut(&gone.body)
            {
                *n -= 1;
                if *n == 0 {
                    bodies.remove(&gone.body);
                }
            }
        });
    }
}

/// What a look at a pair showed.
struct Look {
    echoes: usize,
    different: usize,
    entropy: f64,
    unlike: usize,
    answered: bool,
    rate: f64,
}

fn look(pair: &Pair) -> Look {
    let mut bodies: HashMap<u64, f32> = HashMap::new();
    let mut asked: HashMap<(bool, u16, u16), Vec<(u64, u32)>> = HashMap::new();
    let (mut n, mut unlike, mut answered) = (0, 0, false);
    for (_, e) in pair.echoes.iter() {
        if e.answer {
            answered = true;
            if let Some(questions) = asked.get(&(!e.by_low, e.key.0, e.key.1)) {
                // Some networks cut long answers; that is no other answer.
                let like = |q: &(u64, u32)| q.0 == e.payload || e.len < q.1;
                unlike += usize::from(e.len >= LEAST && !questions.iter().any(like));
            }
        } else {
            asked.entry((e.by_low, e.key.0, e.key.1)).or_default().push((e.payload, e.len));
        }
        if e.len >= LEAST {
            n += 1;
            bodies.insert(e.body, e.entropy);
        }
    }
    let sum: f64 = bodies.values().map(|e| (f64::from(*e) * 1e3).round()).sum();
    let span = match (pair.echoes.iter().next(), pair.echoes.iter().next_back()) {
        (Some((a, _)), Some((b, _))) => b.secs_since(*a).max(1e-3),
        _ => 1.0,
    };
    Look {
        echoes: n,
        different: bodies.len(),
        entropy: sum / 1e3 / bodies.len().max(1) as f64,
        unlike,
        answered,
        rate: pair.echoes.len() as f64 / span,
    }
}

/// Commands for Pingback: each is one struct of fixed size in an echo request (a shell, a transfer, a program to start).
fn commanded(m: &IcmpMessage, protocol: u8, out: &mut Findings) {
    let f = out.open(&kind::REVERSE_SHELL, Subject::pair(m.src, m.dst).over(protocol).about("pingback"));
    f.seen_packet(m.ts, m.packet);
    f.reason("commands_of_pingback", f.count() as f64, 1.0, 0.8);
    f.technique = Some("T1095");
    f.detail("tool", "Pingback");
    f.title = format!("{} gives commands to the backdoor Pingback on {} by echo messages", m.src, m.dst);
}

struct IcmpTunnel {
    echoes: usize,
    window: i64,
    different: usize,
    entropy: f64,
    unlike: usize,
    pairs: Keyed<(Ip, Ip), Pair>,
}

impl IcmpTunnel {
    fn new(p: &Params) -> Self {
        Self {
            echoes: p.count("echoes"),
            window: p.nanos("window"),
            different: p.count("different"),
            entropy: p.get("entropy"),
            unlike: p.count("unlike"),
            pairs: Keyed::new(MAX_PAIRS, |p: &Pair| p.pingback * 1_000 + p.total.min(1_000)),
        }
    }
}

impl Detector for IcmpTunnel {
    fn icmp(&mut self, m: &IcmpMessage, out: &mut Findings) {
        let answer = match (m.ip_version, m.kind) {
            (4, 8) | (6, 128) => false,
            (4, 0) | (6, 129) => true,
            _ => return,
        };
        if m.dst.is_multicast() {
            return;
        }
        let by_low = m.src < m.dst;
        let key = if by_low { (m.src, m.dst) } else { (m.dst, m.src) };
        let pair = self.pairs.at(&key, m.ts);
        let echo = Echo {
            by_low,
            answer,
            key: (m.id, m.seq),
            payload: m.payload_hash,
            body: m.body_hash,
            entropy: m.entropy,
            len: m.payload_len,
            unlike: false,
        };
        pair.keep(m.ts, echo, self.window);
        pair.total += 1;
        if let Some(b) = pair.bytes.get_mut(usize::from(by_low)) {
            *b += u64::from(m.payload_len);
        }
        pair.low_asks.get_or_insert(by_low != answer);
        let form = m.payload_len == PINGBACK_LEN && PINGBACK_SEQ.contains(&m.seq);
        pair.pingback += u64::from(form && !answer);
        let pingback = form && pair.pingback >= 2;
        if !pingback && (pair.echoes.len() < self.echoes || !pair.total.is_multiple_of(EVERY)) {
            return;
        }
        // Most pairs ping: their payloads repeat and come back as they went.
        let may_be = pair.mixed || pair.bodies.len() >= self.different || pair.unlike >= self.unlike;
        if !(may_be || pingback || pair.told) {
            return;
        }
        let low_asks = pair.low_asks.unwrap_or(true);
        let (src, dst) = if low_asks { key } else { (key.1, key.0) };
        let protocol = if m.ip_version == 6 { ip_protocol::ICMP6 } else { ip_protocol::ICMP };
        let subject = Subject::pair(src, dst).over(protocol);
        let seen = look(pair);
        let enough = seen.echoes >= self.echoes;
        let varied = enough
            && seen.different >= self.different.max(seen.echoes / 4)
            && seen.entropy >= self.entropy
            && (seen.answered || seen.rate < FLOOD);
        let unlike = enough && seen.unlike >= self.unlike;
        if !(varied || unlike || pingback || out.has(&kind::ICMP_TUNNEL, &subject)) {
            return;
        }
        pair.told = true;
        let f = out.open(&kind::ICMP_TUNNEL, subject);
        f.seen_packet(m.ts, m.packet);
        f.set_count(pair.total);
        if varied {
            f.reason("different_payloads", seen.different as f64, self.different as f64, 0.6);
            f.reason("entropy_bits", seen.entropy, self.entropy, 0.2);
        }
        if unlike {
            f.reason("answers_unlike_questions", seen.unlike as f64, self.unlike as f64, 0.8);
        }
        if pair.pingback >= 2 {
            f.reason("form_of_pingback", pair.pingback as f64, 2.0, 0.85);
            f.detail("tool", "Pingback");
        }
        let [high, low] = pair.bytes;
        let (sent, received) = if low_asks { (low, high) } else { (high, low) };
        f.title = format!("{src} and {dst} exchange data inside {} echo messages", pair.total);
        f.detail("bytes_sent", sent);
        f.detail("bytes_received", received);
        if pingback && !answer && PINGBACK_COMMAND.contains(&m.seq) {
            commanded(m, protocol, out);
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, icmp, inside, outside};
    use super::*;

    /// A question and its answer, each with a payload of its own number.
    fn exchange(n: u16, seconds: f64, question: u64, answer: u64) -> [IcmpMessage; 2] {
        let say = |src, dst, kind, payload: u64, late: f64| IcmpMessage {
            seq: n,
            payload_hash: payload,
            body_hash: payload,
            entropy: 5.5,
            payload_len: 84,
            ..icmp(seconds + late, src, dst, kind)
        };
        [say(inside(1), outside(1), 8, question, 0.0), say(outside(1), inside(1), 0, answer, 0.01)]
    }

    #[test]
    fn payloads_that_change_are_a_tunnel() {
        let all = (0..60).flat_map(|n| exchange(n, f64::from(n), u64::from(n), u64::from(n) + 1_000));
        let found = Bench::new(&META).icmps(all).end();
        let [a] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.kind.name, a.src, a.dst), ("icmp_tunnel", Some(inside(1)), Some(outside(1))));
        assert!(a.confidence > 0.9 && a.reasons.len() == 3, "{a:?}");
        assert_eq!(a.title, "10.0.0.1 and 203.0.113.1 exchange data inside 120 echo messages");
    }

    #[test]
    fn pings_are_not() {
        // The time changes, the pattern does not; then a ping of growing size, and one to a host that cuts answers.
        let ping = (0..600).flat_map(|n| {
            let mut both = exchange(n, f64::from(n), u64::from(n), u64::from(n));
            both.iter_mut().for_each(|m| m.body_hash = 7);
            both
        });
        assert!(Bench::new(&META).icmps(ping).end().is_empty());
        let cut = (0..60).flat_map(|n| {
            let [q, mut a] = exchange(n, f64::from(n), 1, 2);
            a.payload_len = 64;
            [q, a]
        });
        assert!(Bench::new(&META).icmps(cut).end().is_empty());
        // Different, but nothing in it.
        let empty = (0..60).flat_map(|n| exchange(n, f64::from(n), u64::from(n), u64::from(n)));
        let empty = empty.map(|m| IcmpMessage { entropy: 2.0, ..m });
        assert!(Bench::new(&META).icmps(empty).end().is_empty());
    }

    #[test]
    fn too_few_or_too_slow_are_not() {
        let few = (0..9).flat_map(|n| exchange(n, f64::from(n), u64::from(n), 1_000));
        assert!(Bench::new(&META).icmps(few).end().is_empty());
        let slow = (0..200).flat_map(|n| exchange(n, f64::from(n) * 30.0, u64::from(n), 1_000));
        assert!(Bench::new(&META).icmps(slow).end().is_empty());
    }

    #[test]
    fn one_that_answers_with_commands_is_found() {
        // The host asks the same each time and gets something else: a shell over answers.
        let all = (0..30).flat_map(|n| exchange(n, f64::from(n), 1, 900 + u64::from(n % 3)));
        let found = Bench::new(&META).icmps(all.map(|m| IcmpMessage { entropy: 1.0, ..m })).end();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn empty_questions_that_are_answered_are_found() {
        let all = (0..30).flat_map(|n| {
            let [mut q, a] = exchange(n, f64::from(n), 1, 900);
            q.payload_len = 0;
            [q, a]
        });
        assert_eq!(Bench::new(&META).icmps(all).kinds(), ["icmp_tunnel"]);
    }

    #[test]
    fn the_form_of_a_backdoor_needs_no_number() {
        let all = (0..3).map(|n| IcmpMessage {
            seq: 0xd204,
            payload_len: 788,
            entropy: 0.1,
            ..icmp(f64::from(n) * 70.0, inside(1), inside(2), 8)
        });
        let found = Bench::new(&META).icmps(all).end();
        let told: Vec<_> = found.iter().map(|a| (a.kind.name, a.dst)).collect();
        assert_eq!(told, [("icmp_tunnel", Some(inside(2))), ("reverse_shell", Some(inside(2)))]);
    }

    #[test]
    fn pings_of_the_same_length_or_number_are_no_backdoor() {
        // A ping of 780 bytes, and a long-lasting ping that passes 1234.
        let length = (0..9)
            .flat_map(|n| exchange(n, f64::from(n), 1, 1))
            .map(|m| IcmpMessage { payload_len: 788, ..m });
        let number = (1230..1240).flat_map(|n| exchange(n, f64::from(n), 1, 1));
        assert!(Bench::new(&META).icmps(length.chain(number)).end().is_empty());
    }

    #[test]
    fn a_flood_stays_inside_its_cap() {
        let mut bench = Bench::new(&META);
        bench.icmps((0..MAX_PAIRS as u32 * 2).map(|n| {
            let [_, _, a, b] = n.to_be_bytes();
            icmp(f64::from(n) / 1e4, Ip::v4([172, 16, a, b]), inside(1), 8)
        }));
        assert!(bench.detector.evicted() > 0 && bench.end().is_empty());
    }
}
