//! How does a parser get its bytes?
//!
//! Bytes that a parser leaves come again with more behind them; bytes that it wants to skip are not touched;
//! gaps inside skipped bytes are none of its business.

use super::{Dispatcher, Marks, Phase, Piece, transport_of};
use crate::flow::{At, FlowView};
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::{Fed, Output, Parser, Protocol, Transport};

/// A flow in the hands of a parser.
pub(super) struct Parsing {
    protocol: &'static Protocol,
    parser: Box<dyn Parser>,
    lanes: [Lane; 2],
}

/// One side of it.
#[derive(Debug, Default)]
struct Lane {
    /// Bytes that the parser left for later.
    left: Vec<u8>,
    /// Bytes that it wants to pass unseen.
    skip: u64,
}

impl std::fmt::Debug for Parsing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parsing").field("protocol", &self.protocol.name).field("lanes", &self.lanes).finish()
    }
}

impl Parsing {
    pub(super) fn new(protocol: &'static Protocol, parser: Box<dyn Parser>) -> Self {
        Self { protocol, parser, lanes: Default::default() }
    }

    pub(super) fn held(&self) -> usize {
        self.lanes.iter().map(|l| l.left.len()).sum()
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        let [orig, resp] = &mut self.lanes;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// Nothing more comes: tell the parser what of its skips never came, then let it write what is pending.
    fn finish(&mut self, out: &mut Output<'_>) {
        for side in [Side::Orig, Side::Resp] {
            let unseen = std::mem::take(&mut self.lane(side).skip);
            if unseen > 0 {
                self.parser.unskipped(side, unseen);
            }
        }
        self.parser.finish(out);
    }

    /// The bytes left over of one side, for whoever comes next.
    pub(super) fn into_left(self, side: Side) -> Vec<u8> {
        let [orig, resp] = self.lanes;
        match side {
            Side::Orig => orig.left,
            Side::Resp => resp.left,
        }
    }
}

/// What became of the flow.
pub(super) enum Outcome {
    /// The parser goes on.
    More,
    /// It has finished.
    Over,
    /// It says that the flow is not its protocol.
    Refused,
    /// Another protocol follows, beginning with these bytes of the side at hand.
    Switch(Vec<u8>),
}

impl Dispatcher {
    /// Hand bytes to the parser.
    pub(super) fn feed(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        parsing: &mut Parsing,
        piece: Piece<'_>,
    ) -> Outcome {
        let Piece { side, at, mut data, cut } = piece;
        let lane = parsing.lane(side);
        if lane.skip > 0 {
            let n = usize::try_from(lane.skip).unwrap_or(usize::MAX).min(data.len());
            lane.skip -= n as u64;
            data = data.get(n..).unwrap_or(&[]);
            if data.is_empty() {
                return Outcome::More;
            }
        }
        let mut joined = std::mem::take(&mut lane.left);
        if !joined.is_empty() {
            joined.extend_from_slice(data);
            data = &joined;
        }
        let parser = &mut parsing.parser;
        let fed = self.emitting(flow, marks, at, cut, |out| parser.feed(side, data, out));
        match fed {
            Fed::Took(n) => {
                let rest = data.get(n..).unwrap_or(&[]);
                if rest.is_empty() || transport_of(flow) != Some(Transport::Tcp) {
                    return Outcome::More;
                }
                if rest.len() > parsing.protocol.buffer_cap {
                    self.caps.messages += 1;
                    let detail = Detail::Number(rest.len() as u64);
                    self.emitting(flow, marks, at, cut, |out| {
                        out.weird(WeirdKind::ParserBufferFull, detail);
                        parsing.finish(out);
                    });
                    self.named(marks, parsing);
                    return Outcome::Over;
                }
                parsing.lane(side).left = if joined.is_empty() {
                    rest.to_vec()
                } else {
                    joined.drain(..n.min(joined.len()));
                    joined
                };
                Outcome::More
            }
            Fed::Skip(n) => {
                parsing.lane(side).skip = n;
                Outcome::More
            }
            Fed::Done => {
                self.named(marks, parsing);
                Outcome::Over
            }
            Fed::NotMine => Outcome::Refused,
            Fed::Switch(n) => {
                let rest = data.get(n..).unwrap_or(&[]).to_vec();
                self.emitting(flow, marks, at, cut, |out| parsing.finish(out));
                self.named(marks, parsing);
                Outcome::Switch(rest)
            }
        }
    }

    /// Tell the parser that bytes are missing, unless it did not want them anyway.
    pub(super) fn parser_gap(
        &mut self,
        flow: &FlowView,
        marks: &mut Marks,
        mut parsing: Box<Parsing>,
        side: Side,
        at: At,
        missing: u64,
    ) -> Phase {
        let lane = parsing.lane(side);
        let unseen = lane.skip.min(missing);
        lane.skip -= unseen;
        let missing = missing - unseen;
        if unseen > 0 {
            parsing.parser.unskipped(side, unseen);
        }
        if missing == 0 {
            return Phase::Parsing(parsing);
        }
        parsing.lane(side).left = Vec::new();
        let parser = &mut parsing.parser;
        match self.emitting(flow, marks, at, false, |out| parser.gap(side, missing, out)) {
            Fed::Took(_) => Phase::Parsing(parsing),
            Fed::Skip(n) => {
                parsing.lane(side).skip = n;
                Phase::Parsing(parsing)
            }
            Fed::Done => {
                self.named(marks, &parsing);
                Phase::Over
            }
            Fed::NotMine => {
                if !marks.recorded && marks.switches == 0 {
                    marks.service = None;
                }
                Phase::Over
            }
            Fed::Switch(_) => {
                self.emitting(flow, marks, at, false, |out| parsing.finish(out));
                self.named(marks, &parsing);
                let piece = Piece { side, at, data: &[], cut: false };
                self.switched(flow, marks, *parsing, piece, Vec::new(), &[])
            }
        }
    }

    /// The flow is over: the parser writes what is pending.
    pub(super) fn finish(&mut self, flow: &FlowView, marks: &mut Marks, mut parsing: Parsing, at: At) {
        self.emitting(flow, marks, at, false, |out| parsing.finish(out));
        self.named(marks, &parsing);
    }

    /// Take over the parser's more exact name, unless the flow keeps the name from before a switch.
    fn named(&self, marks: &mut Marks, parsing: &Parsing) {
        if marks.switches == 0 {
            let name = parsing.parser.service().or(Some(parsing.protocol.name));
            marks.service = name.filter(|_| parsing.parser.sure());
        }
    }
}
