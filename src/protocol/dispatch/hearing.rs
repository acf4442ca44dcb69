//! What is kept of flows that nobody claims?
//!
//! The first bytes of both sides, for the table `unknown_payloads`. Half of the buffers stays free for flows that may still get a name,
//! and the rows of an hour are counted: a flood of nonsense is told by the count of what was left out.

use super::{Dispatcher, Marks, Piece, Rare, transport_of};
use crate::flow::{At, FlowView};
use crate::protocol::Transport;
use crate::protocol::unknown::Heard;

impl Marks {
    /// Bytes kept of what nobody claimed.
    pub(super) fn held(&self) -> usize {
        self.heard().map_or(0, Heard::held)
    }

    pub(super) fn heard(&self) -> Option<&Heard> {
        self.rare.as_ref()?.heard.as_ref()
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

impl Dispatcher {
    /// Keep what nobody claimed, of flows whose beginning was seen.
    pub(super) fn hear(&mut self, flow: &FlowView, marks: &mut Marks, pieces: &[Piece<'_>]) {
        // Half of the buffers is for those who may still get a name.
        let midstream = transport_of(flow) == Some(Transport::Tcp) && !flow.saw_start;
        if marks.service.is_some() || midstream || self.buffered > self.config.buffer_total / 2 {
            return;
        }
        let Some(first) = pieces.first() else { return };
        if marks.heard().is_none() {
            let hour = first.at.ts.0.div_euclid(3_600_000_000_000);
            if self.unknown.0 != hour {
                self.unknown = (hour, 0);
            }
            if self.unknown.1 >= self.config.unknown_per_hour {
                self.caps.unknown += 1;
                return;
            }
            self.unknown.1 += 1;
        }
        let heard = marks.rare().heard.get_or_insert_with(|| Heard::new(first.at, first.side));
        pieces.iter().for_each(|p| heard.push(p.side, p.data));
    }

    /// Write what nobody claimed; nothing when somebody did after all, or when datagrams went one way only.
    pub(super) fn tell_unknown(&mut self, flow: &FlowView, marks: &mut Marks, at: At) {
        let Some(heard) = marks.rare.take().and_then(|r| r.heard) else { return };
        let exchanged = transport_of(flow) == Some(Transport::Tcp) || heard.is_mutual();
        if marks.service.is_none() && exchanged {
            let (began, record) = heard.record();
            self.emitting(flow, marks, at, false, |out| out.record(began, record));
        }
    }
}
