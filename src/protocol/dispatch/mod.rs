//! Which parser gets the bytes of a flow?
//!
//! The only [`Application`] of the program. It shows the first bytes of both sides to every protocol that is
//! still possible, gives the flow to the surest one and feeds its parser from the first byte on. Rules:
//!
//! - Until the decision a flow costs a copy of its first bytes, at most [`Config::probe_bytes`] a side. A flow that
//!   nobody claims is then given up and costs nothing more.
//! - What a parser leaves of a stream is kept for it, up to [`Protocol::buffer_cap`]; nothing is copied when nothing is left.
//! - A service is named by content. The port is a hint for flows whose bytes neither proved nor refuted the protocol of
//!   that port; where the bytes speak against it, the service stays unknown.
//! - A connection that another one announced (FTP's data) has its name before its first byte, and is read by the parser that came with the
//!   announcement or not at all. Both must lie in one shard, so both ends must be the same two hosts.
//!
//! It refuses to know any protocol: all it has is the registry.

mod candidates;
mod hearing;
mod parsing;
mod probing;
#[cfg(test)]
mod tests;

use self::candidates::Candidates;
#[cfg(test)]
pub(in crate::protocol) use self::candidates::MAX_PROTOCOLS;
use self::parsing::{Outcome, Parsing};
use self::probing::Probing;
use super::{Announced, Emitted, Next, Output, Protocol, Transport};
use crate::flow::{AppSummary, Application, At, FlowView, Interest};
use crate::model::event::{Body, Event};
use crate::model::flow::{ServiceSource, Side, ip_protocol};
use crate::model::weird::{Detail, Weird, WeirdKind};
use crate::protocol::unknown::Heard;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Limits of the dispatcher. The engine divides none of them: `buffer_total` is meant for one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes a side that are kept while nobody claims a stream. 2 KiB hold every greeting and the first
    /// request of the protocols listed; beyond them, guessing only costs.
    pub probe_bytes: usize,
    /// Datagrams that are looked at before a flow without a claim is given up; also how often a stream is looked at anew after
    /// a gap.
    pub probe_attempts: u8,
    /// Bytes that all flows of one shard may keep for probes and unfinished messages; the flow that exceeds
    /// it is given up.
    pub buffer_total: usize,
    /// Oddities that one flow may report; what comes after them is only counted.
    pub weirds_per_flow: u8,
    /// Announced connections that one shard remembers until they come; the oldest is forgotten first.
    pub expected_total: usize,
    /// Flows without a name of which one shard keeps the first bytes in an hour of packet time.
    pub unknown_per_hour: u32,
    /// Times that one flow may change its protocol (proxy, then TLS, then another proxy …).
    pub switches_per_flow: u8,
    /// Are files hashed by MD5 and SHA-1 as well? Whoever holds a list of such hashes says so; it costs about what SHA-256 costs.
    pub old_hashes: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            probe_bytes: 2 << 10,
            probe_attempts: 4,
            buffer_total: 4 << 20,
            weirds_per_flow: 20,
            expected_total: 1_024,
            unknown_per_hour: 512,
            switches_per_flow: 4,
            old_hashes: false,
        }
    }
}

/// How often a cap was hit since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Oddities not reported because their flow had reported enough.
    pub weirds: u64,
    /// Flows given up because a message exceeded the cap of its parser.
    pub messages: u64,
    /// Flows given up because the shard's buffers were full.
    pub memory: u64,
    /// Flows given up because they changed protocol too often.
    pub switches: u64,
    /// Announced connections forgotten before they came.
    pub expected: u64,
    /// Flows without a name whose first bytes were not kept.
    pub unknown: u64,
}

impl Caps {
    /// By name, as the account of a capture lists them.
    pub fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("protocol_weirds_per_flow", self.weirds),
            ("protocol_message", self.messages),
            ("protocol_buffer_total", self.memory),
            ("protocol_switches_per_flow", self.switches),
            ("protocol_expected_total", self.expected),
            ("protocol_unknown_per_hour", self.unknown),
        ]
    }
}

/// Some bytes of one side, in order, or one datagram.
#[derive(Clone, Copy)]
struct Piece<'a> {
    side: Side,
    at: At,
    data: &'a [u8],
    /// Did the snaplen cut this datagram?
    cut: bool,
}

/// What is kept per flow.
#[derive(Debug, Default)]
pub struct State {
    phase: Phase,
    marks: Marks,
}

/// How far the decision is.
#[derive(Debug, Default)]
enum Phase {
    /// Nothing is kept; the next bytes are the first to look at.
    #[default]
    Fresh,
    /// Somebody needs more bytes to decide.
    Probing(Box<Probing>),
    /// A parser has the flow.
    Parsing(Box<Parsing>),
    /// No more bytes are wanted.
    Over,
}

impl Phase {
    /// Bytes kept in buffers.
    fn held(&self) -> usize {
        match self {
            Self::Probing(p) => p.held(),
            Self::Parsing(p) => p.held(),
            Self::Fresh | Self::Over => 0,
        }
    }
}

/// What is known of the flow, whatever its phase.
#[derive(Debug, Default)]
struct Marks {
    service: Option<&'static str>,
    hint: Option<&'static str>,
    hostname: Option<Box<str>>,
    weirds: u8,
    switches: u8,
    attempts: u8,
    /// Has the parser at work written a record?
    recorded: bool,
    /// Has it been said that too much waits for answers?
    full: bool,
    /// What few flows have.
    rare: Option<Box<Rare>>,
}

/// What few flows have, in one place, so that the others do not pay for it.
#[derive(Debug, Default)]
struct Rare {
    /// What follows the switch at hand, when the parser that ends knows it.
    next: Option<Next>,
    /// What nobody claimed so far.
    heard: Option<Heard>,
}

/// Takes the bytes of the flows of one shard, and keeps what the parsers found until it is fetched.
#[derive(Debug)]
pub struct Dispatcher {
    config: Config,
    tcp: Candidates,
    udp: Candidates,
    events: Vec<Event>,
    expected: VecDeque<Announced>,
    buffered: usize,
    /// The hour of packet time at hand, and flows without a name in it.
    unknown: (i64, u32),
    caps: Caps,
}

impl Dispatcher {
    /// With every protocol of the registry.
    pub fn new(config: &Config) -> Self {
        Self::with_protocols(config, super::ALL)
    }

    /// With some protocols only, in the order that breaks ties. Those past [`candidates::MAX_PROTOCOLS`] of one
    /// transport are left out; a test holds the registry below it.
    pub fn with_protocols(config: &Config, protocols: &[&'static Protocol]) -> Self {
        Self {
            config: config.clone(),
            tcp: Candidates::new(Transport::Tcp, protocols),
            udp: Candidates::new(Transport::Udp, protocols),
            events: Vec::new(),
            expected: VecDeque::new(),
            buffered: 0,
            unknown: (i64::MIN, 0),
            caps: Caps::default(),
        }
    }

    /// Move what was found since the last call to the end of `out`, in the order in which it was found.
    pub fn take_events(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.events);
    }

    /// How often a cap was hit.
    pub fn caps(&self) -> Caps {
        self.caps
    }

    /// Bytes that all flows keep in buffers now.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// Who may claim a flow of this transport; `None` for transports without parsers.
    fn candidates(&mut self, flow: &FlowView) -> Option<&mut Candidates> {
        match transport_of(flow)? {
            Transport::Tcp => Some(&mut self.tcp),
            Transport::Udp => Some(&mut self.udp),
        }
    }

    /// Run `work` with an [`Output`] that writes into our events.
    fn emitting<R>(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        at: At,
        cut: bool,
        work: impl FnOnce(&mut Output<'_>) -> R,
    ) -> R {
        let Self { events, expected, caps, config, .. } = self;
        let mut emit = |emitted| match emitted {
            Emitted::Record(began, record) => {
                marks.recorded = true;
                let body = Body::Record { flow_id: flow.id, tuple: flow.tuple, record };
                let host = flow.tuple.src;
                events.push(Event { ts: began.ts, known: at.ts, packet: at.packet, host, body });
            }
            // What looks malformed in a cut datagram is the capture's doing, not the sender's.
            Emitted::Weird(..) if cut => {}
            // One half of a route fills it again and again with what is never answered; the first time says it all.
            Emitted::Weird(WeirdKind::PendingFull, _) if std::mem::replace(&mut marks.full, true) => {}
            Emitted::Weird(..) if marks.weirds >= config.weirds_per_flow => caps.weirds += 1,
            Emitted::Weird(kind, detail) => {
                marks.weirds += 1;
                let weird = Weird { kind, ts: at.ts, packet: at.packet, flow_id: Some(flow.id), detail };
                let body = Body::Weird(weird);
                let host = flow.tuple.src;
                events.push(Event { ts: at.ts, known: at.ts, packet: at.packet, host, body });
            }
            Emitted::Expect(announced) => {
                // The same announcement again, as clients do that try twice, is one: the later one knows more.
                expected.retain(|e| (e.address, e.port) != (announced.address, announced.port));
                if expected.len() >= config.expected_total {
                    expected.pop_front();
                    caps.expected += 1;
                }
                expected.push_back(announced);
            }
            Emitted::Next(next) => marks.rare().next = Some(next),
            Emitted::Hostname(name) => {
                marks.hostname.get_or_insert(name);
            }
        };
        work(&mut Output { flow, at, old_hashes: config.old_hashes, emit: &mut emit })
    }

    /// Take a step with the next bytes.
    fn step(&mut self, flow: &FlowView, marks: &mut Marks, phase: Phase, piece: Piece<'_>) -> Phase {
        match phase {
            Phase::Over => {
                if let Some(heard) = marks.rare.as_mut().and_then(|r| r.heard.as_mut()) {
                    heard.push(piece.side, piece.data);
                }
                Phase::Over
            }
            Phase::Fresh => self.probe_first(flow, marks, piece),
            Phase::Probing(probing) => self.probe_more(flow, marks, probing, piece),
            Phase::Parsing(mut parsing) => match self.feed(flow, marks, &mut parsing, piece) {
                Outcome::More => Phase::Parsing(parsing),
                Outcome::Over => Phase::Over,
                Outcome::Refused => {
                    if marks.recorded || marks.switches > 0 {
                        return Phase::Over;
                    }
                    marks.service = None;
                    let datagrams = transport_of(flow) == Some(Transport::Udp);
                    if datagrams && marks.attempts < self.config.probe_attempts {
                        // The datagram that refutes one protocol may begin another.
                        marks.attempts += 1;
                        return self.probe_first(flow, marks, piece);
                    }
                    Phase::Over
                }
                Outcome::Switch(rest) => self.switched(flow, marks, *parsing, piece, rest, &[]),
            },
        }
    }

    /// A parser handed the flow on: what it left goes to the next one. `later` are pieces that were to follow.
    fn switched(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        parsing: Parsing,
        piece: Piece<'_>,
        rest: Vec<u8>,
        later: &[Piece<'_>],
    ) -> Phase {
        let other = parsing.into_left(piece.side.other());
        marks.switches = marks.switches.saturating_add(1);
        marks.attempts = 0;
        marks.recorded = false;
        if marks.switches > self.config.switches_per_flow {
            self.caps.switches += 1;
            return Phase::Over;
        }
        let mut phase = match marks.rare.as_mut().and_then(|r| r.next.take()) {
            Some(next) => Phase::Parsing(Box::new(Parsing::new(next.protocol, next.parser))),
            None => Phase::Fresh,
        };
        for (side, data) in [(piece.side, rest), (piece.side.other(), other)] {
            if !data.is_empty() {
                phase = self.step(flow, marks, phase, Piece { side, data: &data, ..piece });
            }
        }
        for piece in later {
            phase = self.step(flow, marks, phase, *piece);
        }
        phase
    }

    /// Replace the phase of a flow by what `next` makes of it, and keep the account of buffered bytes.
    fn advance(
        &mut self,
        flow: &FlowView,
        state: &mut State,
        at: At,
        next: impl FnOnce(&mut Self, &mut Marks, Phase) -> Phase,
    ) -> Interest {
        let phase = std::mem::take(&mut state.phase);
        self.buffered = self.buffered.saturating_sub(phase.held().saturating_add(state.marks.held()));
        let mut phase = next(self, &mut state.marks, phase);
        let marks = &mut state.marks;
        if marks.heard().is_some_and(|h| marks.service.is_some() || h.is_full()) {
            self.tell_unknown(flow, marks, at);
        }
        let held = phase.held().saturating_add(marks.held());
        if held > 0 && self.buffered.saturating_add(held) > self.config.buffer_total {
            self.caps.memory += 1;
            self.emitting(flow, &mut state.marks, at, false, |out| {
                out.weird(WeirdKind::ParserBufferFull, Detail::Text("buffers of all flows".into()));
            });
            phase = self.ended(flow, &mut state.marks, phase, at);
            self.tell_unknown(flow, &mut state.marks, at);
        } else {
            self.buffered = self.buffered.saturating_add(held);
        }
        let over = matches!(phase, Phase::Over) && state.marks.heard().is_none();
        state.phase = phase;
        if over { Interest::Done } else { Interest::More }
    }

    /// The flow ends, or is given up: decide with what is there, and let the parser finish.
    fn ended(&mut self, flow: &FlowView, marks: &mut Marks, phase: Phase, at: At) -> Phase {
        let phase = match phase {
            Phase::Probing(probing) => self.probe_last(flow, marks, *probing),
            other => other,
        };
        if let Phase::Parsing(parsing) = phase {
            self.finish(flow, marks, *parsing, at);
        }
        Phase::Over
    }
}

/// Over which of the transports that have parsers does a flow run?
fn transport_of(flow: &FlowView) -> Option<Transport> {
    match flow.tuple.protocol {
        ip_protocol::TCP => Some(Transport::Tcp),
        ip_protocol::UDP => Some(Transport::Udp),
        _ => None,
    }
}

impl Application for Dispatcher {
    type State = State;

    fn open(&mut self, flow: &FlowView) -> Option<State> {
        transport_of(flow)?;
        let tuple = &flow.tuple;
        let announced = self.expected.iter().position(|e| (e.address, e.port) == (tuple.dst, tuple.dst_port));
        let Some(expected) = announced.and_then(|i| self.expected.remove(i)) else {
            return Some(State::default());
        };
        let marks = Marks { service: Some(expected.service), ..Marks::default() };
        let phase = match expected.parser {
            Some((protocol, parser)) => Phase::Parsing(Box::new(Parsing::new(protocol, parser))),
            None => Phase::Over,
        };
        Some(State { phase, marks })
    }

    fn data(
        &mut self,
        flow: &FlowView,
        state: &mut State,
        side: Side,
        at: At,
        data: &[u8],
        original_len: u32,
    ) -> Interest {
        if data.is_empty() {
            let over = matches!(state.phase, Phase::Over) && state.marks.heard().is_none();
            return if over { Interest::Done } else { Interest::More };
        }
        let cut = data.len() < original_len as usize;
        let piece = Piece { side, at, data, cut };
        self.advance(flow, state, at, |this, marks, phase| this.step(flow, marks, phase, piece))
    }

    fn gap(&mut self, flow: &FlowView, state: &mut State, side: Side, at: At, missing: u64) -> Interest {
        self.advance(flow, state, at, |this, marks, phase| {
            let phase = match phase {
                Phase::Probing(probing) => this.probe_last(flow, marks, *probing),
                other => other,
            };
            match phase {
                Phase::Parsing(parsing) => this.parser_gap(flow, marks, parsing, side, at, missing),
                Phase::Over if marks.service.is_none() && marks.attempts < this.config.probe_attempts => {
                    // Nobody knew the bytes before the gap; those behind it may begin a message.
                    marks.attempts += 1;
                    Phase::Fresh
                }
                other => other,
            }
        })
    }

    fn so_far(&self, flow: &FlowView, state: Option<&State>) -> AppSummary {
        state.map_or_else(|| by_number(flow), |state| summary(&state.marks))
    }

    fn told(&self) -> u64 {
        self.events.len() as u64
    }

    fn end(&mut self, flow: &FlowView, state: Option<State>, at: At) -> AppSummary {
        let Some(mut state) = state else { return by_number(flow) };
        self.advance(flow, &mut state, at, |this, marks, phase| {
            let phase = this.ended(flow, marks, phase, at);
            this.tell_unknown(flow, marks, at);
            phase
        });
        summary(&state.marks)
    }
}

/// Other protocols than TCP and UDP have no ports and no parser: their number is all the service there is.
fn by_number(flow: &FlowView) -> AppSummary {
    let service = super::names::by_number(flow.tuple.protocol);
    AppSummary { service, source: service.map(|_| ServiceSource::Content), hostname: None }
}

fn summary(marks: &Marks) -> AppSummary {
    let Marks { service, hint, hostname, .. } = marks;
    let source = match (service, hint) {
        (Some(_), _) => Some(ServiceSource::Content),
        (None, Some(_)) => Some(ServiceSource::Port),
        (None, None) => None,
    };
    AppSummary { service: service.or(*hint), source, hostname: hostname.clone() }
}
