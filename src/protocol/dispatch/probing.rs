//! Who claims a flow?
//!
//! The first bytes of both sides go to the probes of all protocols that are not ruled out yet; the surest
//! claim wins. A protocol whose parser then finds that it was wrong is ruled out, and the others are asked with the same
//! bytes.

use super::candidates::{Candidates, Set};
use super::{Dispatcher, Marks, Outcome, Parsing, Phase, Piece, transport_of};
use crate::flow::{At, FlowView};
use crate::model::flow::Side;
use crate::protocol::{Probe, Protocol, Transport, Verdict};

/// A claim at least this sure (of 100) is taken although others still want to see more.
const SURE_ENOUGH: u8 = 50;

/// A claim at least this sure (of 100) is taken unheard of others when the port is the protocol's own: nearly every flow of DNS, TLS or
/// HTTP is decided so, by one probe instead of a hundred.
const SURE_AT_HOME: u8 = 85;

/// Ports above this are given to clients by most systems (Linux from 32768 on): that a server chose one says nothing.
const HIGHEST_HINT: u16 = 32_767;

/// The first bytes of a flow, kept while nobody can tell.
#[derive(Debug, Default)]
pub(super) struct Probing {
    /// Candidates that are not ruled out.
    open: Set,
    /// First bytes of originator and responder.
    sides: [Vec<u8>; 2],
    /// How they came, so that they can be handed on as they came.
    chunks: Vec<Chunk>,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    side: Side,
    at: At,
    len: u32,
    cut: bool,
}

impl Probing {
    pub(super) fn held(&self) -> usize {
        self.sides.iter().map(Vec::len).sum()
    }

    fn prefix(&self, side: Side) -> &Vec<u8> {
        let [orig, resp] = &self.sides;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    fn push(&mut self, piece: &Piece<'_>) {
        let [orig, resp] = &mut self.sides;
        let prefix = match piece.side {
            Side::Orig => orig,
            Side::Resp => resp,
        };
        prefix.extend_from_slice(piece.data);
        let len = u32::try_from(piece.data.len()).unwrap_or(u32::MAX);
        self.chunks.push(Chunk { side: piece.side, at: piece.at, len, cut: piece.cut });
    }

    /// The pieces as they came.
    fn pieces(&self) -> Vec<Piece<'_>> {
        let [mut orig, mut resp] = [self.prefix(Side::Orig).as_slice(), self.prefix(Side::Resp).as_slice()];
        let mut out = Vec::with_capacity(self.chunks.len());
        for c in &self.chunks {
            let from = match c.side {
                Side::Orig => &mut orig,
                Side::Resp => &mut resp,
            };
            let (data, rest) = from.split_at_checked(c.len as usize).unwrap_or((from, &[]));
            *from = rest;
            out.push(Piece { side: c.side, at: c.at, data, cut: c.cut });
        }
        out
    }
}

/// What asking the candidates came to.
enum Asked {
    /// One has the flow, or had it and wants no more.
    Taken(Phase),
    /// Some cannot tell yet.
    Open,
    /// All are ruled out.
    Nobody,
}

/// Ask every candidate in `open`; rule out those who decline. The surest claim comes back with its index.
fn judge(candidates: &Candidates, open: &mut Set, probe: &Probe<'_>, last: bool) -> Option<usize> {
    let (orig_port, resp_port) = probe.ports;
    let mut best: Option<(u8, usize)> = None;
    for i in candidates.at_home(resp_port).or(candidates.at_home(orig_port)).iter().filter(|i| open.has(*i)) {
        if let Some(Verdict::Mine(sure)) = candidates.get(i).map(|p| (p.probe)(probe))
            && best.is_none_or(|(b, _)| sure > b)
        {
            best = Some((sure, i));
        }
    }
    if let Some((SURE_AT_HOME.., i)) = best {
        return Some(i);
    }
    best = None;
    let mut waiting = false;
    for i in open.iter() {
        let Some(protocol) = candidates.get(i) else { continue };
        match (protocol.probe)(probe) {
            Verdict::Mine(sure) if best.is_none_or(|(b, _)| sure > b) => best = Some((sure, i)),
            Verdict::Mine(_) => {}
            Verdict::NeedMore => waiting = true,
            Verdict::NotMine => open.remove(i),
        }
    }
    best.filter(|(sure, _)| *sure >= SURE_ENOUGH || !waiting || last).map(|(_, i)| i)
}

impl Dispatcher {
    /// The first bytes of a flow, or of what follows a switch or a gap. Nothing is copied when they suffice.
    pub(super) fn probe_first(&mut self, flow: &FlowView, marks: &mut Marks, piece: Piece<'_>) -> Phase {
        let sides = match piece.side {
            Side::Orig => [piece.data, &[]],
            Side::Resp => [&[], piece.data],
        };
        let Some(candidates) = self.candidates(flow) else { return Phase::Over };
        let mut open = candidates.at_first(&flow.tuple, piece.side, piece.data);
        let full = piece.data.len() > self.config.probe_bytes;
        match self.ask(flow, marks, &mut open, sides, &[piece], full) {
            Asked::Taken(phase) => phase,
            Asked::Open if !full => {
                let mut probing = Box::new(Probing { open, ..Probing::default() });
                probing.push(&piece);
                Phase::Probing(probing)
            }
            Asked::Open | Asked::Nobody => self.unclaimed(flow, marks, open, &[piece]),
        }
    }

    /// More bytes of a flow that is not decided.
    pub(super) fn probe_more(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        mut probing: Box<Probing>,
        piece: Piece<'_>,
    ) -> Phase {
        let datagrams = transport_of(flow) == Some(Transport::Udp);
        if datagrams && !probing.prefix(piece.side).is_empty() {
            // A second datagram of the same side: what the first one left open stays open.
            let phase = self.probe_last(flow, marks, *probing);
            let again = matches!(phase, Phase::Over)
                && marks.service.is_none()
                && marks.attempts < self.config.probe_attempts;
            if again {
                marks.attempts += 1;
            }
            return self.step(flow, marks, if again { Phase::Fresh } else { phase }, piece);
        }
        probing.push(&piece);
        let mut open = probing.open;
        let full = probing.prefix(piece.side).len() > self.config.probe_bytes;
        let last = full || (datagrams && probing.sides.iter().all(|s| !s.is_empty()));
        let sides = [probing.prefix(Side::Orig).as_slice(), probing.prefix(Side::Resp).as_slice()];
        match self.ask(flow, marks, &mut open, sides, &probing.pieces(), last) {
            Asked::Taken(phase) => phase,
            Asked::Open if !last => {
                probing.open = open;
                Phase::Probing(probing)
            }
            Asked::Open | Asked::Nobody => self.unclaimed(flow, marks, open, &probing.pieces()),
        }
    }

    /// No more bytes will come: the surest claim wins, however weak.
    pub(super) fn probe_last(&mut self, flow: &FlowView, marks: &mut Marks, probing: Probing) -> Phase {
        let mut open = probing.open;
        let sides = [probing.prefix(Side::Orig).as_slice(), probing.prefix(Side::Resp).as_slice()];
        match self.ask(flow, marks, &mut open, sides, &probing.pieces(), true) {
            Asked::Taken(phase) => phase,
            Asked::Open | Asked::Nobody => {
                self.hint(flow, marks, open);
                self.hear(flow, marks, &probing.pieces());
                Phase::Over
            }
        }
    }

    /// Ask the candidates, and start the parser of the one who claims the flow; when it turns out wrong, ask
    /// the others.
    fn ask(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        open: &mut Set,
        sides: [&[u8]; 2],
        pieces: &[Piece<'_>],
        last: bool,
    ) -> Asked {
        let Some(transport) = transport_of(flow) else { return Asked::Nobody };
        let [orig, resp] = sides;
        let probe = Probe { orig, resp, transport, ports: (flow.tuple.src_port, flow.tuple.dst_port) };
        loop {
            let Some(candidates) = self.candidates(flow) else { return Asked::Nobody };
            let Some(index) = judge(candidates, open, &probe, last) else {
                return if open.is_empty() { Asked::Nobody } else { Asked::Open };
            };
            let Some(protocol) = candidates.get(index) else { return Asked::Nobody };
            if let Some(phase) = self.start(flow, marks, protocol, pieces) {
                return Asked::Taken(phase);
            }
            open.remove(index);
        }
    }

    /// Give a flow to a protocol. `None`: its parser says that it is another one after all.
    fn start(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        protocol: &'static Protocol,
        pieces: &[Piece<'_>],
    ) -> Option<Phase> {
        // After a switch the flow keeps the name of the protocol that it began with.
        let named = marks.service;
        marks.service = named.or(Some(protocol.name));
        marks.recorded = false;
        let Some(parser) = protocol.parser else { return Some(Phase::Over) };
        let (events_before, weirds_before) = (self.events.len(), marks.weirds);
        let mut parsing = Box::new(Parsing::new(protocol, parser()));
        for (i, piece) in pieces.iter().enumerate() {
            match self.feed(flow, marks, &mut parsing, *piece) {
                Outcome::More => {}
                Outcome::Over => return Some(Phase::Over),
                Outcome::Refused if marks.recorded => return Some(Phase::Over),
                Outcome::Refused => {
                    marks.service = named;
                    marks.weirds = weirds_before;
                    self.events.truncate(events_before);
                    return None;
                }
                Outcome::Switch(rest) => {
                    let later = pieces.get(i.saturating_add(1)..).unwrap_or(&[]);
                    return Some(self.switched(flow, marks, *parsing, *piece, rest, later));
                }
            }
        }
        Some(Phase::Parsing(parsing))
    }

    /// Nobody claims these bytes. The next datagram may be clearer; a stream is given up, unless its beginning was not captured: then the
    /// next segment may begin a message.
    fn unclaimed(&mut self, flow: &FlowView, marks: &mut Marks, open: Set, pieces: &[Piece<'_>]) -> Phase {
        self.hint(flow, marks, open);
        self.hear(flow, marks, pieces);
        let again = transport_of(flow) == Some(Transport::Udp) || !flow.saw_start;
        if again && marks.attempts < self.config.probe_attempts {
            marks.attempts += 1;
            return Phase::Fresh;
        }
        Phase::Over
    }

    /// The protocol of the responder's port is a hint as long as its probe has never declined: one datagram that it declined is
    /// enough. A stream of which the beginning was not captured cannot speak against a well-known port; past those, only bytes count.
    fn hint(&mut self, flow: &FlowView, marks: &mut Marks, open: Set) {
        let port = flow.tuple.dst_port;
        let midstream = transport_of(flow) == Some(Transport::Tcp) && !flow.saw_start && port < 1024;
        let before = marks.hint;
        let again = marks.attempts > 0;
        let Some(candidates) = self.candidates(flow).filter(|_| port <= HIGHEST_HINT) else { return };
        let mut possible = candidates.at_home(port).iter().filter(|i| midstream || open.has(*i));
        let found = possible.find_map(|i| candidates.get(i)).map(|p| p.name);
        marks.hint = if again { found.filter(|f| before == Some(*f)) } else { found };
    }
}
