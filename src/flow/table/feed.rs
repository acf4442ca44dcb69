//! What does a packet do to its flow?
//!
//! Counts, state, and the payload on its way to the application. The flow was found or begun by [`super`].

use super::super::slot::{Datagrams, NIL, Phase, Slot, State, Tap};
use super::super::stream::{Outcome, Payload, Piece};
use super::super::tcp::Segment;
use super::super::{Application, At};
use super::{FlowTable, weird};
use crate::decode::Decoded;
use crate::model::event::Event;
use crate::model::flow::{Side, ip_protocol};
use crate::model::syn::SynShape;
use crate::model::weird::{Detail, WeirdKind};

impl<A: Application> FlowTable<A> {
    /// A packet of anything but TCP.
    pub(super) fn datagram(&mut self, i: u32, side: Side, d: &Decoded, bytes: &[u8]) {
        let Some(slot) = self.slots.get(i as usize) else { return };
        let view = self.view(slot);
        let at = At { ts: d.ts, packet: d.packet };
        let Some(slot) = self.slots.get_mut(i as usize) else { return };
        let payload = d.has_transport && d.payload_len > 0;
        if let State::Young(y) = &mut slot.state {
            let mut app = None;
            if payload && y.phase == Phase::Unopened {
                app = self.app.open(&view).map(Box::new);
                y.phase = Phase::Done;
            }
            let sctp = d.protocol == ip_protocol::SCTP && d.has_transport;
            if app.is_none() && !sctp && side == slot.first_side() && slot.add_young(d) {
                return;
            }
            slot.grow_datagrams(app);
        }
        let State::Datagrams(flow) = &mut slot.state else { return };
        let Datagrams { counts, ttls, app, sctp, phase, .. } = &mut **flow;
        if let (Some(count), Some(ttl)) = (counts.get_mut(side.index()), ttls.get_mut(side.index())) {
            if count.packets == 0 {
                *ttl = d.ttl;
            }
            count.add(d);
        }
        let data = payload_of(d, bytes);
        if let (Some(association), Some(&chunk_type)) = (sctp, data.first()) {
            association.chunk(side, chunk_type);
        }
        if payload {
            Tap { app: &mut self.app, state: app, phase, view: &view, at }.data(side, data, d.payload_len);
        }
        // Fragments that were given up come late.
        if d.packet >= flow.last_packet {
            (flow.last_packet, flow.last_file, flow.last_offset) = (d.packet, d.file_no, d.file_offset);
        }
    }

    /// A TCP segment.
    pub(super) fn segment(&mut self, i: u32, side: Side, d: &Decoded, bytes: &[u8], out: &mut Vec<Event>) {
        let seg = Segment::of(d);
        let Some(slot) = self.slots.get_mut(i as usize) else { return };
        if let State::Young(y) = &mut slot.state {
            let plain = side == Side::Orig && seg.is_plain_syn();
            if y.is_new() && plain {
                y.seq = seg.seq;
                y.shape = shape_of(d, bytes).map_or(NIL, |shape| self.shapes.acquire(&shape));
            }
            if plain && y.seq == seg.seq && slot.add_young(d) {
                return;
            }
            slot.grow_tcp();
        }
        let at = At { ts: d.ts, packet: d.packet };
        let State::Tcp(connection) = &mut slot.state else { return };
        let tcp = &mut connection.tcp;
        let half = tcp.half_mut(side);
        if half.count.packets == 0 {
            half.ttl = d.ttl;
        }
        half.count.add(d);
        let step = tcp.segment(side, &seg, d.ts);
        if d.packet >= connection.last_packet {
            (connection.last_packet, connection.last_file, connection.last_offset) =
                (d.packet, d.file_no, d.file_offset);
        }
        let acked = step.acked.filter(|&up_to| tcp.is_news(side.other(), up_to));
        if acked.is_none() && step.data_at.is_none() && step.weird.is_none() && !step.restarted {
            return;
        }

        let Some(slot) = self.slots.get(i as usize) else { return };
        let view = self.view(slot);
        let Some(Slot { state: State::Tcp(connection), .. }) = self.slots.get_mut(i as usize) else { return };
        let connection = &mut **connection;
        let (limits, memory) = (self.limits, &mut self.memory);
        let (tcp, phase) = (&mut connection.tcp, connection.phase);
        let mut tap = Tap {
            app: &mut self.app,
            state: &mut connection.app,
            phase: &mut connection.phase,
            view: &view,
            at,
        };
        if step.restarted {
            tcp.clear(side, memory);
        }
        let gaps = [Side::Orig, Side::Resp].map(|s| tcp.gaps(s));
        let (mut behind, mut ahead) = (Outcome::default(), Outcome::default());
        if let Some(up_to) = acked {
            let peer = side.other();
            behind = tcp.acked(peer, up_to, memory, &mut |piece| hand_on(&mut tap, peer, piece));
        }
        if let Some(start) = step.data_at {
            let payload = Payload { start, data: payload_of(d, bytes) };
            let keep = *tap.phase != Phase::Done;
            ahead =
                tcp.data(side, payload, keep, limits, memory, &mut |piece| hand_on(&mut tap, side, piece));
        }
        if connection.phase == Phase::Done && phase != Phase::Done {
            connection.tcp.forget_bytes(memory);
        }

        self.stats.gaps += u64::from(behind.gaps) + u64::from(ahead.gaps);
        let new_gaps = [Side::Orig, Side::Resp].map(|s| connection.tcp.gaps(s));
        let told_gap =
            gaps.iter().zip(new_gaps).any(|(&old, new)| old.checked_ilog10() != new.checked_ilog10());
        self.stats.buffer_full += u64::from(ahead.full == Some(WeirdKind::TcpBufferFull));
        self.stats.memory_full += u64::from(ahead.full == Some(WeirdKind::StreamMemoryFull));
        let missing = Detail::Number(behind.missing.saturating_add(ahead.missing));
        for (kind, detail) in [
            (step.weird, Detail::None),
            (ahead.differs.then_some(WeirdKind::TcpOverlap), Detail::None),
            (ahead.full, Detail::None),
            (told_gap.then_some(WeirdKind::TcpGap), missing),
        ] {
            if let Some(kind) = kind {
                out.push(weird(kind, at, view.tuple.src, Some(view.id), detail));
            }
        }
    }
}

/// Give a piece of a stream to the application.
fn hand_on<A: Application>(tap: &mut Tap<'_, A>, side: Side, piece: Piece<'_>) {
    match piece {
        Piece::Data(data) => tap.data(side, data, data.len() as u32),
        Piece::Gap(missing) => tap.gap(side, missing),
    }
}

/// The shape of a SYN; `None` when its options were not captured.
fn shape_of(d: &Decoded, bytes: &[u8]) -> Option<SynShape> {
    let end = d.payload_start as usize;
    let start = end.checked_sub(usize::from(d.tcp.options_len))?;
    SynShape::read(d.ttl, d.tcp.window, bytes.get(start..end)?)
}

/// The captured payload of a packet.
fn payload_of<'a>(d: &Decoded, bytes: &'a [u8]) -> &'a [u8] {
    let start = d.payload_start as usize;
    let end = start.saturating_add(d.payload_captured.min(d.payload_len) as usize).min(bytes.len());
    bytes.get(start..end).unwrap_or(&[])
}
