//! Are exactly the packets of a flow taken, in their order, with their fragments and in their tunnels?

use super::*;
use crate::capture::replay::Replay;
use crate::capture::{Polled, Source};
use crate::model::flow::ip_protocol;
use crate::model::ids::CaptureNo;
use crate::model::packet::LinkType;

/// IPv4 without a link layer.
const RAW: LinkType = LinkType(101);

fn ip4(id: u16, fragment: u16, protocol: u8, from: u8, to: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let mut out = vec![0x45, 0];
    out.extend(length.to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(fragment.to_be_bytes());
    out.extend([64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    out.extend_from_slice(payload);
    out
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [from, to, (8 + payload.len()) as u16, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend_from_slice(payload);
    out
}

fn flow(ports: (u16, u16), first: (u64, u64), last: (u64, u64), level: u8) -> WantedFlow {
    let ip = |n| Ip::v4([10, 0, 0, n]);
    WantedFlow {
        id: FlowId::new(CaptureNo(1), first.0, level),
        tuple: Tuple {
            src: ip(1),
            dst: ip(2),
            src_port: ports.0,
            dst_port: ports.1,
            protocol: ip_protocol::UDP,
        },
        tunnel: None,
        vlans: None,
        first: Position { packet: first.0, file_no: 0, offset: first.1 },
        last: Position { packet: last.0, file_no: 0, offset: last.1 },
        first_ts: Timestamp(0),
        last_ts: Timestamp(1_000_000_000),
        packets: 0,
    }
}

/// Carve `packets` (a nanosecond apart); numbers from 1 of those that were taken, with their reasons.
fn carve(packets: &[Vec<u8>], wanted: Wanted, order: Order) -> (Vec<(i64, Vec<Reason>)>, Vec<u64>) {
    let mut results = Vec::new();
    for batch in [1, 3, 100] {
        let mut source = Replay::new(batch);
        for (packet, ts) in packets.iter().zip(1..) {
            source = source.packet(Timestamp(ts), RAW, packet);
        }
        let mut carver = Carver::new(wanted.clone(), order, &decode::Config::default(), false);
        let mut taken = Vec::new();
        let mut take = |c: Carved| {
            assert_eq!(c.data, packets[c.meta.ts.0 as usize - 1]);
            taken.push((c.meta.ts.0, c.reasons));
            Ok::<(), ()>(())
        };
        while let Polled::Packets(batch) = source.poll() {
            carver.batch(&batch, &mut take).unwrap();
        }
        carver.finish(&mut take).unwrap();
        results.push((taken, carver.found().to_vec()));
    }
    assert!(results.windows(2).all(|w| w[0] == w[1]), "batches decide nothing: {results:?}");
    results.swap_remove(0)
}

fn numbers(taken: &[(i64, Vec<Reason>)]) -> Vec<i64> {
    taken.iter().map(|(n, _)| *n).collect()
}

#[test]
fn both_directions_and_nothing_before_or_after() {
    let ask = ip4(1, 0, 17, 1, 2, &udp(5_000, 53, b"ask"));
    let answer = ip4(1, 0, 17, 2, 1, &udp(53, 5_000, b"answer"));
    let other = ip4(1, 0, 17, 1, 2, &udp(5_001, 53, b"other"));
    let packets = [ask.clone(), other, answer.clone(), ask.clone(), answer];
    let lengths: Vec<u64> =
        packets.iter().scan(0, |at, p| Some(std::mem::replace(at, *at + p.len() as u64))).collect();
    // The same ports twice: two flows, one after the other.
    let one = flow((5_000, 53), (1, lengths[0]), (3, lengths[2]), 0);
    let two = flow((5_000, 53), (4, lengths[3]), (5, lengths[4]), 0);
    for order in [Order::Position, Order::Number] {
        let (taken, found) = carve(&packets, Wanted { flows: vec![one.clone()], ..Wanted::default() }, order);
        assert_eq!((numbers(&taken), found), (vec![1, 3], vec![2]));
        let wanted = Wanted { flows: vec![one.clone(), two.clone()], ..Wanted::default() };
        let (taken, found) = carve(&packets, wanted, order);
        assert_eq!((numbers(&taken), found), (vec![1, 3, 4, 5], vec![2, 2]));
        assert_eq!(taken[2].1, [Reason::Flow(1)]);
    }
}

#[test]
fn fragments_come_along_in_their_place() {
    let datagram = udp(5_000, 9, &[7; 40]);
    let (head, tail) = datagram.split_at(24);
    let first = ip4(9, 0x2000, 17, 1, 2, head);
    let last = ip4(9, 3, 17, 1, 2, tail);
    let stranger = ip4(8, 0x2000, 17, 1, 2, head);
    let plain = ip4(1, 0, 17, 1, 2, &udp(5_000, 9, b"x"));
    // The end of the datagram came first, a packet of the same flow between, and a fragment whose rest never comes.
    let packets = [last, plain, stranger, first];
    let wanted = flow((5_000, 9), (1, 0), (4, 1_000), 0);
    let (taken, found) =
        carve(&packets, Wanted { flows: vec![wanted], ..Wanted::default() }, Order::Position);
    assert_eq!(numbers(&taken), [1, 2, 3, 4], "what is given up counts on its flow, too");
    assert_eq!(found, [4]);
}

#[test]
fn inside_a_tunnel_and_around_it() {
    let inner = ip4(1, 0, 17, 1, 2, &udp(5_000, 53, b"inner"));
    let outer = ip4(2, 0, 4, 3, 4, &inner);
    let bare = ip4(1, 0, 17, 1, 2, &udp(5_000, 53, b"bare"));
    let inside = WantedFlow { tunnel: Some("ipip".into()), ..flow((5_000, 53), (1, 0), (2, 1_000), 1) };
    let (taken, found) =
        carve(&[outer, bare], Wanted { flows: vec![inside], ..Wanted::default() }, Order::Number);
    assert_eq!((numbers(&taken), found), (vec![1], vec![1]));
}

#[test]
fn hosts_by_address_time_and_number() {
    let packets: Vec<Vec<u8>> = (1..=5).map(|to| ip4(1, 0, 17, 9, to, &udp(1, 2, b""))).collect();
    let hosts = WantedHosts {
        addresses: BTreeSet::from([Ip::v4([10, 0, 0, 2]), Ip::v4([10, 0, 0, 5])]),
        from: Timestamp(1),
        until: Timestamp(4),
        packets: BTreeSet::from([1]),
    };
    let (taken, _) = carve(&packets, Wanted { hosts: vec![hosts], ..Wanted::default() }, Order::Position);
    assert_eq!(numbers(&taken), [1, 2]);
    assert_eq!(taken[0].1, [Reason::Hosts(0)]);
}
