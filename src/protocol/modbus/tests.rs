//! Are Modbus exchanges told whole, lost and cut?

use super::*;
use crate::model::flow::ServiceSource;
use crate::protocol::clues::HostClue;
use crate::protocol::testing::{Bench, lost, orig, resp};

const READ: &[u8] = b"\0\x01\0\0\0\x06\x01\x03\0\x6b\0\x02";
const VALUES: &[u8] = b"\0\x01\0\0\0\x07\x01\x03\x04\x02\x2b\0\x01";

#[test]
fn a_reading_and_its_values() {
    let run = Bench::tcp(4242).run(&[orig(READ), resp(VALUES)]);
    let rows = run.records::<ModbusRecord>();
    let r = rows[0];
    assert_eq!((run.service, rows.len(), run.faults), (Some("modbus"), 1, 0));
    assert_eq!(
        (r.function(), r.unit, r.address, r.quantity),
        (Some("read_holding_registers"), 1, Some(0x6b), Some(2))
    );
    assert_eq!((r.values.as_deref(), r.is_write(), r.rtt), (Some("555,1"), false, Some(1_000_000)));
    let roles: Vec<_> = run.records::<HostClue>().iter().map(|c| c.value.clone()).collect();
    assert_eq!(roles, ["plc", "hmi"]);
}

#[test]
fn another_transaction_is_another_protocol() {
    let other = b"\0\x02\0\0\0\x07\x01\x03\x04\0\0\0\0";
    for port in [502, 4242] {
        assert_eq!(Bench::tcp(port).run(&[orig(READ), resp(other)]).service, None);
    }
    // Unless the request may lie before the capture.
    let run = Bench::tcp(502).midstream().run(&[orig(READ), resp(other), resp(VALUES)]);
    assert_eq!((run.service, run.records::<ModbusRecord>().len()), (Some("modbus"), 1));
    let run = Bench::tcp(502).run(&[orig(READ)]);
    assert_eq!(
        (run.source, run.records::<ModbusRecord>()[0].answered),
        (Some(ServiceSource::Content), false)
    );
    // A length that does not fit the function is no request, even on the port.
    assert_ne!(
        Bench::tcp(502).run(&[orig(b"\0\x01\0\0\0\x07\x01\x03\0\x6b\0\x02\0")]).source,
        Some(ServiceSource::Content)
    );
}

#[test]
fn equal_readings_are_counted_and_writes_are_not() {
    let write = b"\0\x02\0\0\0\x09\x01\x0f\0\x13\0\x0a\x02\xcd\x01";
    let done = b"\0\x02\0\0\0\x06\x01\x0f\0\x13\0\x0a";
    let mut sent = Vec::new();
    for _ in 0..10 {
        sent.extend([orig(READ), resp(VALUES), orig(write), resp(done)]);
    }
    let run = Bench::tcp(502).run(&sent);
    let rows = run.records::<ModbusRecord>();
    let writes: Vec<_> = rows.iter().filter(|r| r.is_write()).collect();
    assert_eq!((writes.len(), writes[0].values.as_deref()), (10, Some("1,0,1,1,0,0,1,1,1,0")));
    let reads: Vec<_> = rows.iter().filter(|r| !r.is_write()).map(|r| r.repeats.count).collect();
    assert_eq!(reads, [1, 1, 1, 7]);
}

#[test]
fn exceptions_identification_and_umas() {
    let run = Bench::tcp(502).run(&[orig(READ), resp(b"\0\x01\0\0\0\x03\x01\x83\x02")]);
    assert_eq!(
        run.records::<ModbusRecord>()[0].exception.and_then(exception_name),
        Some("illegal_data_address")
    );
    let ask = b"\0\x03\0\0\0\x05\xff\x2b\x0e\x01\0";
    let tell = b"\0\x03\0\0\0\x11\xff\x2b\x0e\x01\x01\0\0\x02\0\x04ACME\x01\x01X";
    let run = Bench::tcp(502).run(&[orig(ask), resp(tell)]);
    let clues = run.records::<HostClue>();
    assert!(clues.iter().any(|c| c.clue == Clue::System && c.value == "ACME X"), "{clues:?}");
    let stop = b"\0\x04\0\0\0\x06\0\x5a\x01\x41\xff\0";
    let run = Bench::tcp(502).run(&[orig(READ), resp(VALUES), orig(stop)]);
    let rows = run.records::<ModbusRecord>();
    assert_eq!((rows[1].function(), rows[1].is_write()), (Some("umas"), true));
}

#[test]
fn every_prefix_and_a_lost_piece_survive() {
    let talk = [READ, READ].concat();
    for end in 0..talk.len() {
        assert_eq!(Bench::tcp(502).run(&[orig(&talk[..end]), resp(&VALUES[..end.min(13)])]).faults, 0);
    }
    let run = Bench::tcp(502).run(&[
        orig(READ),
        resp(VALUES),
        lost(Side::Resp, 5),
        resp(b"junk that is no header"),
        orig(READ),
        resp(VALUES),
    ]);
    assert_eq!((run.records::<ModbusRecord>().len(), run.weirds.len()), (2, 0));
    let run = Bench::tcp(502).run(&[orig(READ), resp(VALUES), orig(b"GET / HTTP/1.1\r\n")]);
    assert_eq!(run.weirds, [WeirdKind::ModbusMalformed]);
}
