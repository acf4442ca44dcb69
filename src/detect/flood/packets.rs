//! Which packets come in masses without a connection?
//!
//! TCP packets that open nothing, datagrams that nobody answers, ICMP. One target and kind of packets is one flood.

use super::{Limits, Tally, weight};
use crate::detect::window::Keyed;
use crate::detect::words::grouped;
use crate::detect::{Findings, FlowFact};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::{Tuple, ip_protocol};
use crate::model::kind::{self, Kind};

/// Targets remembered in one shard and kind of packets, 5 KB each when flooded: 16 shards take 40 MB at worst, below 2 MB in ordinary traffic.
const MAX_TARGETS: usize = 512;

/// What is counted together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Sort {
    /// TCP packets that no stack sends by itself.
    Bare,
    /// TCP packets that old connections leave as well.
    Stray,
    Datagrams,
    Icmp,
    IcmpErrors,
    /// SYN-ACKs to who sent no SYN.
    Answers,
}

#[derive(Debug, Default)]
struct Target {
    tally: Tally,
    /// Flows of one or two packets.
    single: u64,
    /// Flows that ICMP said nobody listens to.
    unreachable: u64,
    /// Flows that the target answered by a RST.
    refused: u64,
    technique: &'static str,
}

pub(super) struct Packets {
    targets: Keyed<(Ip, Sort), Target>,
}

/// Why it is milder: measurements and logs go to one port inside, and nobody answers them (StatsD, GELF, whatever a house made itself).
const COLLECTOR: &str = "may_be_a_collector";

const FLAGS: u8 = 0x3f;
const SYN_ACK: u8 = 0x12;

/// The sort and name of TCP packets that belong to no connection.
fn bare(f: &FlowFact) -> Option<(Sort, &'static str)> {
    let answered = f.history.any("hadf") || f.resp.bytes > 0;
    if f.history.begins('^') || answered || f.orig.packets == 0 || f.orig.packets > 3 {
        return None;
    }
    Some(match f.orig.tcp_flags & FLAGS {
        0 => (Sort::Bare, "null"),
        0x01 => (Sort::Bare, "fin"),
        0x29 => (Sort::Bare, "xmas"),
        0x03 | 0x0b | 0x2b => (Sort::Bare, "syn_fin"),
        0x08 | 0x20 | 0x28 => (Sort::Bare, "urg_psh"),
        0x04 | 0x14 => (Sort::Stray, "rst"),
        0x10 => (Sort::Stray, "ack"),
        0x11 | 0x19 => (Sort::Stray, "fin_ack"),
        0x18 => (Sort::Stray, "psh_ack"),
        _ => return None,
    })
}

/// The sort and name of what a flow brings.
fn sort(f: &FlowFact) -> Option<(Sort, &'static str)> {
    let dst = f.dst();
    match f.tuple.protocol {
        ip_protocol::TCP => bare(f),
        ip_protocol::UDP => {
            let turned = f.history.begins('^');
            let alone = f.resp.packets * 10 <= f.orig.packets && f.spoken().is_none();
            (alone && !turned && !dst.is_multicast()).then_some((Sort::Datagrams, "udp"))
        }
        // Errors answer what their receiver sent.
        ip_protocol::ICMP if matches!(f.tuple.src_port, 3 | 11) => Some((Sort::IcmpErrors, "icmp_error")),
        ip_protocol::ICMP6 if matches!(f.tuple.src_port, 1 | 3) => Some((Sort::IcmpErrors, "icmp_error")),
        ip_protocol::ICMP | ip_protocol::ICMP6 => {
            let echo = matches!(
                (f.tuple.protocol, f.tuple.src_port),
                (ip_protocol::ICMP, 8) | (ip_protocol::ICMP6, 128)
            );
            let group = dst.is_multicast() || dst.is_v4() && dst.0.last() == Some(&255);
            Some((
                Sort::Icmp,
                if echo && group {
                    "smurf"
                } else if echo {
                    "echo"
                } else {
                    "icmp"
                },
            ))
        }
        _ => None,
    }
}

impl Packets {
    pub(super) fn new() -> Self {
        Self {
            targets: Keyed::new(MAX_TARGETS, |t: &Target| {
                t.tally.packets + 100_000 * u64::from(t.tally.told)
            }),
        }
    }

    pub(super) fn flow(&mut self, f: &FlowFact, limits: &Limits, out: &mut Findings) {
        if let Some((sort, technique)) = sort(f) {
            self.note(f, sort, technique, f.history.has('r'), limits, out);
        }
    }

    /// A SYN-ACK that begins a flow, and nothing comes of it. The flow table turns such flows; here its sender is the originator again.
    pub(super) fn answer(&mut self, f: &FlowFact, limits: &Limits, out: &mut Findings) {
        let alone = f.resp.bytes == 0 && f.orig.bytes == 0 && !f.history.any("SADFadf") && f.history.has('h');
        if !f.history.begins('^') || !alone || f.resp.tcp_flags & FLAGS != SYN_ACK || f.resp.packets == 0 {
            return;
        }
        let mut turned = f.clone();
        let t = f.tuple;
        turned.tuple = Tuple {
            src: t.dst,
            dst: t.src,
            src_port: t.dst_port,
            dst_port: t.src_port,
            protocol: t.protocol,
        };
        (turned.orig, turned.resp) = (f.resp, f.orig);
        (turned.src_internal, turned.dst_internal) = (f.dst_internal, f.src_internal);
        turned.direction = match f.direction {
            "inbound" => "outbound",
            "outbound" => "inbound",
            same => same,
        };
        self.note(&turned, Sort::Answers, "syn_ack", f.history.has('R'), limits, out);
    }

    fn note(
        &mut self,
        f: &FlowFact,
        sort: Sort,
        technique: &'static str,
        refused: bool,
        limits: &Limits,
        out: &mut Findings,
    ) {
        let key = (f.dst(), sort);
        let target = self.targets.at(&key, f.first_ts);
        target.tally.add(f, f.orig.packets.max(1));
        target.single += u64::from(f.orig.packets <= 2);
        target.unreachable += u64::from(f.icmp_closed());
        target.refused += u64::from(refused);
        if f.orig.packets > 50 || target.technique.is_empty() {
            target.technique = technique;
        }
        target.judge(key, limits, out);
    }

    pub(super) fn catch_up(&mut self, limits: &Limits, out: &mut Findings) {
        for key in self.targets.keys() {
            if let Some(target) = self.targets.get_mut(&key).filter(|t| t.tally.told) {
                target.write(key, limits, out);
            }
        }
    }

    pub(super) fn finish(&mut self, limits: &Limits, out: &mut Findings) {
        for (key, mut target) in self.targets.drain_sorted() {
            target.tally.ended = true;
            target.judge(key, limits, out);
            if target.tally.told {
                target.write(key, limits, out);
            }
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.targets.evicted()
    }
}

impl Target {
    fn floor(&self, sort: Sort, limits: &Limits) -> u64 {
        match sort {
            // A RST says that there never was a connection, or no more.
            Sort::Bare => limits.bare,
            Sort::Stray | Sort::Answers if self.refused * 2 >= self.tally.flows => limits.bare,
            Sort::Stray | Sort::Answers => limits.stray,
            Sort::Datagrams => limits.datagrams,
            Sort::Icmp => limits.echoes,
            Sort::IcmpErrors => limits.errors,
        }
    }

    fn is_flood(&self, sort: Sort, limits: &Limits) -> bool {
        let t = &self.tally;
        match sort {
            Sort::Bare | Sort::Stray => t.is_no_scan(limits),
            Sort::Datagrams => {
                let spread = t.ports.len() >= limits.spread || t.sources.len() >= limits.spread;
                let hurried = t.peak_1s >= limits.fast && t.bytes <= limits.small.saturating_mul(t.packets);
                spread || self.single >= limits.single || self.unreachable > 0 || hurried
            }
            Sort::Icmp | Sort::IcmpErrors => true,
            // A crowd of ports is no scan: nobody scans with answers.
            Sort::Answers => true,
        }
    }

    fn judge(&mut self, key: (Ip, Sort), limits: &Limits, out: &mut Findings) {
        let floor = self.floor(key.1, limits);
        let peak = self.tally.peaks(limits.window, floor);
        if !self.tally.told {
            if peak < floor || !self.tally.is_looked_at() || !self.is_flood(key.1, limits) {
                return;
            }
            self.tally.told = true;
            self.write(key, limits, out);
        } else if self.tally.is_due() {
            self.write(key, limits, out);
        }
    }

    fn write(&mut self, (dst, sort): (Ip, Sort), limits: &Limits, out: &mut Findings) {
        let (kind, protocol, what): (&'static Kind, u8, &str) = match sort {
            Sort::Bare | Sort::Stray => (&kind::TCP_FLOOD, ip_protocol::TCP, "TCP packets of no connection"),
            Sort::Answers => (&kind::TCP_FLOOD, ip_protocol::TCP, "SYN-ACKs that answer nothing"),
            Sort::Datagrams => (&kind::UDP_FLOOD, ip_protocol::UDP, "unanswered datagrams"),
            Sort::Icmp if dst.is_v4() => (&kind::ICMP_FLOOD, ip_protocol::ICMP, "ICMP messages"),
            Sort::IcmpErrors if dst.is_v4() => (&kind::ICMP_FLOOD, ip_protocol::ICMP, "ICMP errors"),
            Sort::Icmp => (&kind::ICMP_FLOOD, ip_protocol::ICMP6, "ICMPv6 messages"),
            Sort::IcmpErrors => (&kind::ICMP_FLOOD, ip_protocol::ICMP6, "ICMPv6 errors"),
        };
        let floor = self.floor(sort, limits);
        let t = &mut self.tally;
        let subject = Subject::to(dst).over(protocol);
        let found = out.open(kind, if sort == Sort::Stray { subject.about("stray") } else { subject });
        let sent = format!("{} {what} ({}) {}", grouped(t.packets), self.technique, t.pace());
        found.title = match (self.technique, t.busiest.first()) {
            ("smurf", Some((victim, _))) => {
                format!("In the name of {victim}, {sent}, to everybody at {dst}: the answers flood {victim}")
            }
            _ => format!("{} sent {dst} {sent}", t.who()),
        };
        if !matches!(sort, Sort::Icmp | Sort::IcmpErrors) {
            found.dst_port = t.busiest_port.first().filter(|(_, n)| n * 2 >= t.packets).map(|(p, _)| *p);
        }
        found.reason("packets_in_window", t.peak as f64, floor as f64, weight(t.peak, floor));
        if sort == Sort::Datagrams {
            found.reason("single_packet_flows", self.single as f64, limits.single as f64, 0.2);
            if self.unreachable > 0 {
                found.reason("nobody_listens", self.unreachable as f64, 1.0, 0.2);
            }
        }
        let one_port = t.busiest_port.first().is_some_and(|(_, n)| n * 10 >= t.packets * 9);
        let quiet = self.unreachable == 0 && t.peak_1s < limits.fast && t.direction == "internal";
        if sort == Sort::Datagrams && one_port && quiet && !t.is_spoofed() {
            found.lower(COLLECTOR);
        } else {
            found.unmoved(COLLECTOR);
        }
        t.write(found, self.technique);
    }
}
