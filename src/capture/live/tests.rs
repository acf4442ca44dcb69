//! Lanes and the order of packets, without a device.

use super::lane::{Exchange, Lane, Portion};
use super::*;

fn portion(file_no: u16, times: &[i64]) -> Portion {
    let packets = times
        .iter()
        .enumerate()
        .map(|(n, t)| PacketRef {
            ts: Timestamp(*t),
            start: n as u32,
            captured: 1,
            original: 1,
            file_no,
            ..PacketRef::default()
        })
        .collect();
    let block = times.iter().map(|t| *t as u8).collect();
    Portion { packets, block, arrived: Instant::now() }
}

fn live(lanes: Vec<Lane>, limit: Option<u64>) -> Live {
    Live {
        exchange: Arc::new(Exchange::new(lanes)),
        pool: Pool::new(2),
        threads: Vec::new(),
        stop: Arc::default(),
        limit,
        until: None,
        snaplen: 64,
        next_number: 1,
        ticked: Instant::now(),
        steps: clock::Steps::new(),
        notices: std::sync::mpsc::channel().0,
    }
}

fn times(polled: Polled) -> Vec<(i64, u16, u8)> {
    let Polled::Packets(batch) = polled else { panic!("{polled:?}") };
    (0..batch.packets.len())
        .map(|i| {
            let p = batch.get(i).unwrap();
            (p.meta.ts.0, p.meta.file_no, p.data[0])
        })
        .collect()
}

#[test]
fn one_device_gives_its_portions_as_they_are_up_to_the_limit() {
    let mut lane = Lane::new("a");
    lane.push(portion(0, &[1, 2, 3]));
    lane.push(portion(0, &[4, 5]));
    let mut live = live(vec![lane], Some(4));
    assert_eq!(times(live.poll()), [(1, 0, 1), (2, 0, 2), (3, 0, 3)]);
    assert_eq!(times(live.poll()), [(4, 0, 4)]);
    assert!(matches!(live.poll(), Polled::End));
    let ledger = live.ledger();
    assert_eq!((ledger.packets(), ledger.files[0].stop.clone()), (4, Stop::End));
}

#[test]
fn several_devices_are_one_stream_in_time_order() {
    let (mut a, mut b) = (Lane::new("a"), Lane::new("b"));
    a.push(portion(0, &[1, 4, 9]));
    b.push(portion(1, &[2, 3, 5]));
    let mut live = live(vec![a, b], None);
    // Nothing later than 5: from b a packet before 9 may still come.
    assert_eq!(times(live.poll()), [(1, 0, 1), (2, 1, 2), (3, 1, 3), (4, 0, 4), (5, 1, 5)]);
    live.exchange.with(|s| s.lanes[1].until = Timestamp(20));
    assert_eq!(times(live.poll()), [(9, 0, 9)]);
    live.exchange.with(|s| s.lanes.iter_mut().for_each(|l| l.ended = true));
    assert!(matches!(live.poll(), Polled::End));
}

#[test]
fn a_silent_device_holds_nothing_back_for_long() {
    let (mut a, b) = (Lane::new("a"), Lane::new("b"));
    a.push(portion(0, &[7]));
    let mut live = live(vec![a, b], None);
    let begun = Instant::now();
    assert_eq!(times(live.poll()), [(7, 0, 7)]);
    assert!(begun.elapsed() >= MERGE_WAIT && begun.elapsed() < MERGE_WAIT * 4);
}

#[test]
fn ticks_never_pass_a_packet_that_waits() {
    let (mut a, mut b) = (Lane::new("a"), Lane::new("b"));
    a.push(portion(0, &[50]));
    a.until = Timestamp(50);
    b.until = Timestamp(80);
    let mut live = live(vec![a, b], None);
    live.ticked = Instant::now().checked_sub(TICK).unwrap();
    assert!(matches!(live.poll(), Polled::Tick(Timestamp(50))));
    assert_eq!(times(live.poll()), [(50, 0, 50)]);
}

#[test]
fn a_full_lane_says_so_until_it_is_read() {
    let mut lane = Lane::new("a");
    for _ in 0..17 {
        lane.push(Portion { packets: Vec::new(), block: vec![0; 1 << 20], arrived: Instant::now() });
    }
    let exchange = Exchange::new(vec![lane]);
    assert!(!exchange.has_room(0, Duration::from_millis(1)));
    exchange.with(|s| {
        s.lanes[0].take();
        s.lanes[0].take();
    });
    assert!(exchange.has_room(0, Duration::from_millis(1)));
}
