//! Who changes the plant, who should not?
//!
//! Commands of Modbus, S7, DNP3, IEC 60870-5-104, EtherNet/IP and BACnet, as the records mark them. A controller is read all day and written
//! by few stations, always alike; so what counts is what a command can break (stop, restart, download), how many different points are
//! written in short time, and whether it comes from outside. Source: ATT&CK for ICS; measured captures.
//! Refuses to know what a value means to the plant: an operator's station that writes the same points is only noted.

use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::{Severity, Subject};
use crate::model::flow::Side;
use crate::model::kind;
use crate::model::record::Record;
use crate::model::time::Timestamp;
use crate::protocol;
use crate::protocol::bacnet::{self, BacnetRecord};
use crate::protocol::dnp3::{self, Dnp3Record};
use crate::protocol::enip::{self, EnipRecord};
use crate::protocol::iec104::{self, Iec104Record};
use crate::protocol::modbus::{self, ModbusRecord};
use crate::protocol::polling::client;
use crate::protocol::s7comm::{self, S7Record};
use std::collections::BTreeSet;

/// Pairs of stations and devices remembered in one shard: up to 3 KB each, so 16 shards stay under 50 MB, which only a made-up plant reaches.
const MAX_PAIRS: usize = 1_024;

/// Points of one pair that are told apart; more than this is many.
const MAX_POINTS: usize = 128;

/// What it says about itself.
pub static META: Meta = Meta {
    id: "industrial_command",
    question: "Who changes the plant, who should not?",
    method: "Commands are told from readings by their function. Stopping, restarting, programming or blinding a controller is worth a look by itself; \
             writing many different points in a short time, and any command from outside the network, too. A station that writes the same few \
             points again and again is only noted.",
    kinds: &[&kind::INDUSTRIAL_COMMAND],
    scope: Scope::Source,
    flows: false,
    tables: &[&modbus::TABLE, &s7comm::TABLE, &dnp3::TABLE, &iec104::TABLE, &enip::TABLE, &bacnet::TABLE],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "points",
            unit: "points",
            default: 20.0,
            why: "An operator changes a few set points at a time; who writes so many different ones tries them out.",
            source: "measured: at most 9 for HMIs in the samples",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 60.0,
            why: "Time in which different points are counted.",
            source: "chosen",
        },
        Threshold {
            name: "refused",
            unit: "commands",
            default: 5.0,
            why: "A station of the plant knows what its devices accept; one that is refused so often does not belong to it.",
            source: "chosen",
        },
    ],
    innocent: &[
        "An engineer who loads a program or restarts a controller in a maintenance window.",
        "An operator's station that writes set points as it always does.",
    ],
    next: &[
        "Ask the plant whether the command was meant and by whom it was given.",
        "Is the source an engineering or operator station, and did it send commands before?",
        "Compare the controller's program with the version that is kept.",
    ],
    references: &["MITRE ATT&CK for ICS T0855, T0858, T0816, T0843, T0814."],
    build: |p| Box::new(Commands::new(p)),
};

/// What a command does to the device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Effect {
    /// Changes values, or the clock.
    Write,
    /// Changes the program or configuration.
    Program,
    /// Stops, starts, restarts or silences it.
    Control,
}

/// A command, whatever the protocol.
struct Command {
    name: &'static str,
    effect: Effect,
    /// What tells the point written from others.
    point: u64,
    refused: bool,
}

/// The command in a record; `None` for readings and what does not count.
fn command(r: &RecordFact) -> Option<Command> {
    let make = |name: Option<&'static str>, effect, point, refused| {
        Some(Command { name: name.unwrap_or("command"), effect, point, refused })
    };
    if let Some(m) = r.of::<ModbusRecord>() {
        // Restart of communication and listen-only mode (diagnostics), and a program for Schneider's controllers (UMAS).
        let silenced = m.function_code == 8 && matches!(m.subfunction, Some(1 | 4));
        let effect = match m.function_code {
            8 if silenced => Effect::Control,
            90 if matches!(m.subfunction, Some(0x40 | 0x41)) => Effect::Control,
            90 => Effect::Program,
            _ => Effect::Write,
        };
        let point = u64::from(m.unit) << 16 | u64::from(m.address.unwrap_or(0));
        return (m.is_write() || silenced)
            .then(|| make(m.function(), effect, point, m.exception.is_some()))?;
    }
    if let Some(s) = r.of::<S7Record>().filter(|s| s.is_write()) {
        let effect = match (s.rosctr, s.code) {
            // What is asked of the controller's programs: `P_PROGRAM` starts it; `_INSE`, `_DELE`, `_MODU` and `_GARB` put blocks in force, delete
            // and keep them, as every download ends with.
            (1, Some(0x28)) if s.object.as_deref().is_some_and(|o| o.starts_with('_')) => Effect::Program,
            (1, Some(0x28 | 0x29)) => Effect::Control,
            (1, Some(0x1a..=0x1c)) => Effect::Program,
            (7, _) if s.group == Some(1) => Effect::Program,
            _ => Effect::Write,
        };
        let point = s.object.as_deref().map_or(0, point_of);
        return make(s.function(), effect, point, s.error.is_some_and(|e| e != 0));
    }
    if let Some(d) = r.of::<Dnp3Record>().filter(|d| d.is_write()) {
        let effect = match d.request {
            Some(13..=18) => Effect::Control,
            Some(19 | 27 | 31) => Effect::Program,
            // Enabling reports and assigning classes is how every session begins.
            Some(7..=12 | 20 | 22 | 24) => return None,
            Some(21) => Effect::Control,
            _ => Effect::Write,
        };
        // A write of the clock or of the restart flag is upkeep (IEEE 1815: group 50 and 80).
        let upkeep = d.request == Some(2)
            && d.objects.as_deref().is_some_and(|o| o.starts_with("g50") || o.starts_with("g80"));
        let point = u64::from(d.destination) << 32
            | d.command.as_deref().or(d.objects.as_deref()).map_or(0, point_of) & 0xffff_ffff;
        let refused = d.iin.is_some_and(|iin| iin & 0x0700 != 0);
        return if upkeep { None } else { make(d.function(), effect, point, refused) };
    }
    if let Some(i) = r.of::<Iec104Record>().filter(|i| i.is_write()) {
        let effect = match i.type_id {
            Some(105) => Effect::Control,
            Some(110..=113) => Effect::Program,
            // Clock, interrogation and test are how a session is kept.
            Some(100..=104 | 106 | 107) => return None,
            _ => Effect::Write,
        };
        let point = u64::from(i.common_address.unwrap_or(0)) << 32 | u64::from(i.object_address.unwrap_or(0));
        return make(i.function, effect, point, i.negative == Some(true));
    }
    if let Some(e) = r.of::<EnipRecord>().filter(|e| e.is_write()) {
        let effect = match e.service {
            Some(0x05..=0x07) => Effect::Control,
            Some(0x08 | 0x09) => Effect::Program,
            _ => Effect::Write,
        };
        let p = &e.path;
        let point = match &p.symbol {
            Some(tag) => point_of(tag),
            None => {
                u64::from(p.class.unwrap_or(0)) << 32
                    | u64::from(p.instance.unwrap_or(0)) << 16
                    | u64::from(p.attribute.unwrap_or(0))
            }
        };
        return make(e.function(), effect, point, e.cip_status.is_some_and(|s| s != 0));
    }
    let b = r.of::<BacnetRecord>().filter(|b| b.is_write())?;
    let effect = match (b.confirmed, b.service) {
        (true, Some(17 | 20)) => Effect::Control,
        (true, Some(7..=11)) => Effect::Program,
        // The time is set by every building's head station.
        (false, Some(6 | 9)) => return None,
        _ => Effect::Write,
    };
    let (kind, instance) = b.object.unwrap_or((0, 0));
    make(b.function(), effect, u64::from(kind) << 32 | u64::from(instance), b.error.is_some())
}

/// On which ports devices of this protocol are asked.
fn ports(protocol: &str) -> &'static [u16] {
    protocol::ALL.iter().find(|p| p.name == protocol).map_or(&[], |p| p.ports)
}

/// A number for a name: FNV, the same in every run.
fn point_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// What one station did to one device.
#[derive(Debug, Default)]
struct Pair {
    readings: u64,
    commands: u64,
    refused: u64,
    points: BTreeSet<u64>,
    window: Option<Timestamp>,
    /// Most different points in one window.
    most: usize,
    worst: Option<Effect>,
    names: BTreeSet<&'static str>,
}

/// What moves the severity; one of them holds at a time.
const CONTEXTS: [&str; 5] = [
    "from_outside",
    "controls_and_tries_out",
    "beyond_set_points",
    "writes_as_operators_stations_do",
    "a_few_writes",
];

#[derive(Debug)]
struct Commands {
    points: usize,
    window: i64,
    refused: u64,
    pairs: Keyed<(Ip, Ip, &'static str), Pair>,
}

impl Commands {
    fn new(p: &Params) -> Self {
        Self {
            points: p.count("points").clamp(1, MAX_POINTS),
            window: p.nanos("window"),
            refused: p.count("refused") as u64,
            pairs: Keyed::new(MAX_PAIRS, |p| p.commands),
        }
    }
}

impl Detector for Commands {
    fn record(&mut self, r: &RecordFact, found: &mut Findings) {
        let protocol = Record::table(&*r.record).name;
        // IEC 104: commands may come from either side of the flow. A flow that was joined midway may begin with the device.
        let backwards = match r.of::<Iec104Record>() {
            Some(i) => !i.from_orig,
            None => client(&r.tuple, ports(protocol)) == Side::Resp,
        };
        let (src, dst) = if backwards { (r.tuple.dst, r.tuple.src) } else { (r.tuple.src, r.tuple.dst) };
        let from_inside = if backwards { r.dst_internal } else { r.src_internal };
        let to_inside = if backwards { r.src_internal } else { r.dst_internal };
        let key = (src, dst, protocol);
        let Some(c) = command(r) else {
            if let Some(pair) = self.pairs.get_mut(&key) {
                pair.readings += 1;
            } else {
                self.pairs.at(&key, r.ts).readings = 1;
            }
            return;
        };
        let pair = self.pairs.at(&key, r.ts);
        pair.commands += 1;
        pair.refused += u64::from(c.refused);
        if pair.window.is_none_or(|w| r.ts.since(w) > self.window) {
            pair.window = Some(r.ts);
            pair.points.clear();
        }
        if pair.points.len() < MAX_POINTS {
            pair.points.insert(c.point);
        }
        pair.most = pair.most.max(pair.points.len());
        if pair.names.len() < 16 {
            pair.names.insert(c.name);
        }
        pair.worst = pair.worst.max(Some(c.effect));
        let outside = !from_inside && to_inside;
        let f = found.open(&kind::INDUSTRIAL_COMMAND, Subject::pair(src, dst).about(protocol));
        f.seen(r.ts, r.flow_id);
        f.dst_port = Some(if backwards { r.tuple.src_port } else { r.tuple.dst_port });
        f.reason("commands", pair.commands as f64, 1.0, 0.6);
        f.detail("readings", pair.readings);
        f.list("functions", pair.names.iter().copied());
        let many = pair.most >= self.points;
        if many {
            f.reason("points_in_window", pair.most as f64, self.points as f64, 0.4);
        }
        if pair.refused > 0 {
            let often = pair.refused >= self.refused;
            f.reason("refused", pair.refused as f64, self.refused as f64, if often { 0.4 } else { 0.0 });
        }
        let refused = pair.refused >= self.refused;
        let worst = pair.worst.unwrap_or(Effect::Write);
        match worst {
            Effect::Control => f.reason("controls_the_device", 1.0, 0.0, 0.6),
            Effect::Program => f.reason("changes_its_program", 1.0, 0.0, 0.6),
            Effect::Write => {}
        }
        f.technique = match worst {
            Effect::Control => Some("T0858"),
            Effect::Program => Some("T0843"),
            Effect::Write => None,
        };
        for old in CONTEXTS {
            f.forget(old);
        }
        match (worst, many || refused, outside) {
            (_, _, true) => f.severity(Severity::High, "from_outside"),
            (Effect::Control | Effect::Program, true, _) => {
                f.severity(Severity::High, "controls_and_tries_out")
            }
            (Effect::Control | Effect::Program, false, _) | (Effect::Write, true, _) => {
                f.severity(Severity::Medium, "beyond_set_points")
            }
            // Who reads little and writes on is no operator's station, which shows what it sets.
            (Effect::Write, false, _) if pair.commands >= 10 && pair.readings >= pair.commands => {
                f.severity(Severity::Info, "writes_as_operators_stations_do")
            }
            (Effect::Write, false, _) => f.severity(Severity::Low, "a_few_writes"),
        }
        let what = match worst {
            Effect::Control => "stops, restarts or silences",
            Effect::Program => "changes the program or configuration of",
            Effect::Write if many => "writes many points of",
            Effect::Write => "writes to",
        };
        f.title = format!(
            "{src} {what} the {protocol} device {dst} ({} commands, such as {})",
            pair.commands, c.name
        );
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

#[cfg(test)]
mod tests;
