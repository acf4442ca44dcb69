//! Is a service filled with half-open connections?
//!
//! By service, and by host for floods over all ports. A handshake is complete when the client acknowledges (RFC 9293 section 3.5).

use super::{Limits, SECONDS, Tally, weight};
use crate::detect::window::{Keyed, Rate};
use crate::detect::words::counted;
use crate::detect::{Findings, FlowFact};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;

/// Services remembered in one shard. A flooded one takes 6 KB, one with a single failure 500 bytes: 16 shards take 48 MB at worst and below
/// 4 MB in ordinary traffic.
const MAX_SERVICES: usize = 512;

/// Port that stands for all of a host.
const ALL: u16 = 0;

#[derive(Debug, Default)]
struct Service {
    half: Tally,
    complete: Rate,
    completed: u64,
}

pub(super) struct Syns {
    services: Keyed<(Ip, u16), Service>,
}

/// Did the client let the handshake go? `None` for what is neither: joined late, or one half of the route.
fn is_half_open(f: &FlowFact) -> Option<bool> {
    let went_on = f.history.any("ADF");
    if !f.history.begins('S') {
        return None;
    }
    match f.conn_state {
        _ if f.established() && went_on => Some(false),
        "S0" | "REJ" | "S1" | "RSTO" | "RSTR" | "RSTOS0" if !went_on => Some(true),
        _ => None,
    }
}

impl Syns {
    pub(super) fn new() -> Self {
        Self {
            services: Keyed::new(MAX_SERVICES, |s: &Service| {
                s.half.packets + 10_000 * u64::from(s.half.told)
            }),
        }
    }

    pub(super) fn flow(&mut self, f: &FlowFact, limits: &Limits, out: &mut Findings) {
        let Some(half_open) = is_half_open(f) else { return };
        let dst = f.dst();
        for port in [f.tuple.dst_port, ALL] {
            let key = (dst, port);
            if !half_open {
                if let Some(service) = self.services.get_mut(&key) {
                    service.completed += 1;
                    service.complete.add(f.first_ts, 1, SECONDS);
                }
                continue;
            }
            let service = self.services.at(&key, f.first_ts);
            // A client's own retries are one attempt; a tool that keeps its port is not.
            let packets = if f.orig.packets > 20 { f.orig.packets } else { 1 };
            service.half.add(f, packets);
            service.judge(key, limits, out);
        }
    }

    pub(super) fn catch_up(&mut self, limits: &Limits, out: &mut Findings) {
        for key in self.services.keys() {
            if let Some(service) = self.services.get_mut(&key).filter(|s| s.half.told) {
                service.write(key, limits, out);
            }
        }
    }

    pub(super) fn finish(&mut self, limits: &Limits, out: &mut Findings) {
        for (key, mut service) in self.services.drain_sorted() {
            service.half.ended = true;
            service.judge(key, limits, out);
            if service.half.told {
                service.write(key, limits, out);
            }
        }
    }

    pub(super) fn evicted(&self) -> u64 {
        self.services.evicted()
    }
}

impl Service {
    fn incomplete(&self) -> f64 {
        let (half, complete) = (self.half.packets as f64, self.completed as f64);
        complete / (half + complete).max(1.0)
    }

    fn judge(&mut self, key: (Ip, u16), limits: &Limits, out: &mut Findings) {
        let peak = self.half.peaks(limits.window, limits.syns);
        if !self.half.told {
            if peak < limits.syns || !self.half.is_looked_at() {
                return;
            }
            // Over all ports only what no single port shows, and no scan makes.
            let (port, most) = self.half.busiest_port.first().map_or((0, 0), |(p, n)| (*p, n));
            let shown = key.1 == ALL && port != ALL && most * 2 >= self.half.packets;
            let fast = peak >= limits.syns && self.half.peak_1s >= limits.syns_per_s;
            if !fast || shown || self.incomplete() >= limits.completed || !self.half.is_no_scan(limits) {
                return;
            }
            self.half.told = true;
            self.write(key, limits, out);
        } else if self.half.is_due() {
            self.write(key, limits, out);
        }
    }

    fn write(&mut self, (dst, port): (Ip, u16), limits: &Limits, out: &mut Findings) {
        let subject = Subject::to(dst).over(ip_protocol::TCP);
        let all = port == ALL;
        let found =
            out.open(&kind::SYN_FLOOD, if all { subject.about("all_ports") } else { subject.port(port) });
        let at = if all { "many ports".to_owned() } else { format!("port {port}") };
        found.title = format!(
            "{} sent {} to {dst} {at} {} and completed {}",
            self.half.who(),
            counted(self.half.packets as usize, "SYN"),
            self.half.pace(),
            counted(self.completed as usize, "handshake")
        );
        found.reason(
            "syns_in_window",
            self.half.peak as f64,
            limits.syns as f64,
            weight(self.half.peak, limits.syns),
        );
        found.reason("completed_ratio", self.incomplete(), limits.completed, 0.3);
        found.detail("completed", self.completed);
        self.half.write(found, "syn");
    }
}
