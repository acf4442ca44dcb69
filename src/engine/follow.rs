//! What was said in this conversation, in order?
//!
//! Packets are read again and go through the same decoding, defragmentation and TCP reassembly that made the flow; instead of a protocol
//! parser a listener takes the ordered bytes and hands them on, piece by piece, so that memory does not grow with the conversation.
//! Only packets of the flow's own span are looked at. Refuses to guess: whether the file is still the one that was ingested is
//! told by its first packet's time and place.

use super::front::{Front, Prepared};
use super::{Config, shard_of};
use crate::capture::{Polled, Source};
use crate::decode::{Decoder, Defragmenter, pair_hash};
use crate::flow::{AppSummary, Application, At, FlowKey, FlowTable, FlowView, Interest};
use crate::model::flow::{Side, Tuple};
use crate::model::ids::CaptureNo;
use crate::model::time::Timestamp;
use crate::topology::Inference;

/// Packets before the flow's first that are decoded, too: its first datagram may have begun as a fragment among them.
const BEFORE: u64 = 4_096;
/// Flows that the packets may fall apart into: one, unless a pause was longer than the timeouts of now.
const MAX_FLOWS: usize = 64;
/// Out-of-order bytes held; what one side may hold is in the settings.
const STREAM_BYTES: usize = 16 << 20;

/// The flow to follow, as its row says.
#[derive(Clone, Copy, Debug)]
pub struct Followed {
    /// Who spoke to whom.
    pub tuple: Tuple,
    /// Tunnel level, 0 = outermost.
    pub level: u8,
    /// Number of its first packet, from 1.
    pub first_packet: u64,
    /// Number of its last packet.
    pub last_packet: u64,
    /// Time of its first packet.
    pub first_ts: Timestamp,
    /// Byte at which the first packet's record begins in its file.
    pub first_offset: u64,
}

/// The next that was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said<'a> {
    /// Bytes of one side in order; of datagrams each is one piece.
    Bytes {
        /// Who.
        side: Side,
        /// When it arrived.
        ts: Timestamp,
        /// In which packet.
        packet: u64,
        /// What. Shorter than it was on the wire when the snaplen cut it.
        data: &'a [u8],
        /// Bytes that the snaplen cut off behind it (datagrams; of TCP they are missing).
        cut: u64,
    },
    /// Bytes that the capture does not have.
    Missing {
        /// Of whom.
        side: Side,
        /// When it was known.
        ts: Timestamp,
        /// How many.
        bytes: u64,
    },
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Following {
    /// Packets of the flow that were found.
    pub packets: u64,
    /// Does the flow's first packet lie where it lay, with the same time?
    pub same_file: bool,
    /// Was the flow's last packet reached?
    pub complete: bool,
}

/// Takes the ordered bytes.
struct Listener<'a> {
    wanted: Tuple,
    say: &'a mut dyn FnMut(Said<'_>) -> bool,
    open: bool,
}

impl Listener<'_> {
    /// A side of the flow at hand as a side of the flow that is followed: a flow that fell apart may begin with the other end.
    fn side(&self, flow: &FlowView, side: Side) -> Side {
        let same = (flow.tuple.src, flow.tuple.src_port) == (self.wanted.src, self.wanted.src_port);
        if same { side } else { side.other() }
    }

    fn tell(&mut self, said: Said<'_>) -> Interest {
        self.open = self.open && (self.say)(said);
        if self.open { Interest::More } else { Interest::Done }
    }
}

impl Application for Listener<'_> {
    type State = ();

    fn open(&mut self, _: &FlowView) -> Option<()> {
        Some(())
    }

    fn data(&mut self, flow: &FlowView, (): &mut (), side: Side, at: At, data: &[u8], len: u32) -> Interest {
        let side = self.side(flow, side);
        let cut = u64::from(len).saturating_sub(data.len() as u64);
        self.tell(Said::Bytes { side, ts: at.ts, packet: at.packet, data, cut })
    }

    fn gap(&mut self, flow: &FlowView, (): &mut (), side: Side, at: At, missing: u64) -> Interest {
        let side = self.side(flow, side);
        self.tell(Said::Missing { side, ts: at.ts, bytes: missing })
    }

    fn end(&mut self, _: &FlowView, _: Option<()>, _: At) -> AppSummary {
        AppSummary::default()
    }
}

/// Is this the flow's tuple, in either direction?
fn either_way(key: Tuple, wanted: &Tuple) -> bool {
    let ahead = ((key.src, key.src_port), (key.dst, key.dst_port));
    let (src, dst) = ((wanted.src, wanted.src_port), (wanted.dst, wanted.dst_port));
    key.protocol == wanted.protocol && (ahead == (src, dst) || ahead == (dst, src))
}

/// Read `source`, the whole capture, and hand on what was said until `say` gives back false.
pub fn follow(
    source: &mut dyn Source,
    wanted: &Followed,
    config: &Config,
    say: &mut dyn FnMut(Said<'_>) -> bool,
) -> Following {
    let decoder = Decoder::new(&config.decode);
    let listener = Listener { wanted: wanted.tuple, say, open: true };
    let budget = crate::flow::Budget { max_flows: MAX_FLOWS, stream_bytes: STREAM_BYTES };
    let mut table = FlowTable::new(&config.flow, CaptureNo(1), budget, listener);
    let mut front = Front::new(Inference::default(), Defragmenter::new(&config.decode));
    let shard = shard_of(pair_hash(wanted.tuple.src, wanted.tuple.dst));
    let span = wanted.first_packet.saturating_sub(BEFORE)..=wanted.last_packet;
    let (mut spare, mut weirds, mut events) = (Vec::new(), Vec::new(), Vec::new());
    let mut done = Following::default();
    loop {
        let batch = match source.poll() {
            Polled::Packets(batch) => batch,
            Polled::Tick(_) => continue,
            Polled::End => break,
        };
        let (first, count) = (batch.first_number, batch.packets.len() as u64);
        if first > *span.end() {
            break;
        }
        if first + count <= *span.start() {
            continue;
        }
        if let Some(p) = wanted.first_packet.checked_sub(first).and_then(|i| batch.packets.get(i as usize)) {
            done.same_file = p.ts == wanted.first_ts && p.file_offset == wanted.first_offset;
            if !done.same_file {
                return done;
            }
        }
        done.complete |= first + count > wanted.last_packet;
        let mut prepared = Prepared::decode(batch, &decoder, &mut spare);
        front.in_order(&mut prepared, &decoder, false, &mut weirds);
        for (item, bytes) in prepared.of_shard(shard) {
            let inside = (wanted.first_packet..=wanted.last_packet).contains(&item.packet);
            let key = FlowKey::of(item, config.flow.vlan_in_key);
            if inside && item.level == wanted.level && either_way(key.tuple(), &wanted.tuple) {
                if item.role == crate::decode::Role::Packet {
                    done.packets += u64::from(item.fragments.max(1));
                }
                table.packet(item, bytes, &mut events);
            }
        }
        weirds.clear();
        events.clear();
        prepared.recycle(&mut spare);
        if !table.app_mut().open {
            return done;
        }
    }
    table.finish(MAX_FLOWS, &mut events);
    done
}
