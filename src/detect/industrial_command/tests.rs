//! Which commands are told as what, and when is a station only noted?

use super::*;
use crate::detect::testing::{Bench, inside, outside, record};
use crate::flow::At;
use crate::protocol::polling::Repeats;

fn modbus(n: u64, src: Ip, function: u8, address: u16) -> RecordFact {
    let at = At { ts: Timestamp(0), packet: n };
    let m = ModbusRecord {
        transaction_id: n as u16,
        unit: 1,
        function_code: function,
        subfunction: None,
        address: Some(address),
        quantity: Some(1),
        values: None,
        exception: None,
        answered: true,
        rtt: None,
        repeats: Repeats::once(at),
    };
    record(n, n as f64, src, inside(9), 502, m)
}

#[test]
fn an_operators_station_is_only_noted() {
    let mut bench = Bench::new(&META);
    bench.records((0..200).map(|n| modbus(n, inside(1), if n % 4 == 0 { 16 } else { 3 }, (n % 3) as u16)));
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity, found[0].count), (1, Severity::Info, 50));
}

#[test]
fn who_writes_and_hardly_reads_is_told() {
    let mut bench = Bench::new(&META);
    bench.records((0..60).map(|n| modbus(n, inside(1), if n % 4 == 0 { 3 } else { 16 }, (n % 3) as u16)));
    let found = bench.end();
    assert_eq!((found.len(), found[0].severity, found[0].count), (1, Severity::Low, 45));
}

#[test]
fn a_flow_that_begins_with_the_device_is_turned() {
    let mut bench = Bench::new(&META);
    let turned = |n: u64| {
        let mut r = modbus(n, inside(1), 6, n as u16);
        let t = r.tuple;
        (r.tuple.src, r.tuple.dst, r.tuple.src_port, r.tuple.dst_port) = (t.dst, t.src, 502, 1_080);
        r
    };
    bench.records((0..3).map(turned));
    let found = bench.end();
    assert_eq!(
        (found[0].src, found[0].dst, found[0].dst_port),
        (Some(inside(1)), Some(inside(9)), Some(502))
    );
}

#[test]
fn readings_are_none() {
    let mut bench = Bench::new(&META);
    bench.records((0..200).map(|n| modbus(n, inside(1), 3, n as u16)));
    assert!(bench.kinds().is_empty());
}

#[test]
fn many_points_in_short_time() {
    let mut bench = Bench::new(&META);
    bench.records((0..19).map(|n| modbus(n, inside(1), 5, n as u16)));
    assert!(bench.end()[0].severity < Severity::Medium);
    bench.records((19..30).map(|n| modbus(n, inside(1), 5, n as u16)));
    assert_eq!(bench.end()[0].severity, Severity::Medium);
}

#[test]
fn from_outside_any_write_is_bad() {
    let mut bench = Bench::new(&META);
    bench.records([modbus(1, outside(1), 6, 1)]);
    let found = bench.end();
    assert_eq!(found[0].severity, Severity::High);
    assert_eq!(
        found[0].title,
        "203.0.113.1 writes to the modbus device 10.0.0.9 (1 commands, such as write_single_register)"
    );
}

#[test]
fn a_controller_that_is_stopped() {
    let at = At { ts: Timestamp(0), packet: 1 };
    let stop = S7Record {
        rosctr: 1,
        reference: 1,
        code: Some(0x29),
        group: None,
        object: None,
        szl_id: None,
        error: None,
        answered: true,
        rtt: None,
        repeats: Repeats::once(at),
    };
    let mut bench = Bench::new(&META);
    bench.records([record(1, 1.0, inside(1), inside(9), 102, stop)]);
    let found = bench.end();
    assert_eq!(found[0].severity, Severity::Medium);
    assert!(found[0].title.contains("stops, restarts or silences the s7comm device"), "{}", found[0].title);
}

#[test]
fn a_download_that_is_put_in_force_stops_nothing() {
    let at = At { ts: Timestamp(0), packet: 1 };
    let service = |name: &str| S7Record {
        rosctr: 1,
        reference: 1,
        code: Some(0x28),
        group: None,
        object: Some(name.into()),
        szl_id: None,
        error: None,
        answered: true,
        rtt: None,
        repeats: Repeats::once(at),
    };
    let told = |name: &str| {
        let found =
            Bench::new(&META).records([record(1, 1.0, inside(1), inside(9), 102, service(name))]).end();
        found[0].title.clone()
    };
    assert!(told("_INSE").contains("changes the program or configuration of"), "{}", told("_INSE"));
    assert!(told("P_PROGRAM").contains("stops, restarts or silences"), "{}", told("P_PROGRAM"));
}
