//! Cases of RFC 9293 and of Zeek's documentation, segment by segment.

use super::*;
use crate::flow::testing::Bench;
use Side::{Orig, Resp};

/// State and letters after these segments: side, flags, seq, ack, payload.
fn after(segments: &[(Side, &str, u32, u32, &str)]) -> (&'static str, String) {
    let mut b = Bench::new();
    for &(side, flags, seq, ack, text) in segments {
        b.tcp(side, flags, seq, ack, text);
    }
    let row = b.row();
    (row.conn_state, row.history)
}

const SYN: (Side, &str, u32, u32, &str) = (Orig, "S", 100, 0, "");
const SYN_ACK: (Side, &str, u32, u32, &str) = (Resp, "SA", 500, 101, "");
const DONE: (Side, &str, u32, u32, &str) = (Orig, "A", 101, 501, "");

#[test]
fn a_whole_connection() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "PA", 101, 501, "hello");
    b.tcp(Resp, "A", 501, 106, "");
    b.tcp(Resp, "PA", 501, 106, "good day");
    b.tcp(Orig, "FA", 106, 509, "");
    b.tcp(Resp, "FA", 509, 107, "");
    b.tcp(Orig, "A", 107, 510, "");
    let row = b.row();
    assert_eq!((row.conn_state, row.history.as_str()), ("SF", "ShADadFf"));
    assert_eq!((row.orig.stream_bytes, row.resp.stream_bytes), (5, 8));
    assert_eq!((row.orig.bytes, row.orig.packets, row.resp.packets), (5, 5, 4));
    assert_eq!((row.orig.tcp_flags, row.resp.tcp_flags), (0x1b, 0x1b));
    assert!(row.rtt.is_some_and(|ns| (19_000_000..21_000_000).contains(&ns)), "{:?}", row.rtt);
}

#[test]
fn attempts_that_fail() {
    assert_eq!(after(&[SYN]), ("S0", "S".into()));
    assert_eq!(after(&[SYN, SYN]), ("S0", "S".into()));
    assert_eq!(after(&[SYN, (Resp, "RA", 0, 101, "")]), ("REJ", "Sr".into()));
    assert_eq!(after(&[SYN, (Orig, "R", 101, 0, "")]), ("RSTOS0", "SR".into()));
    assert_eq!(after(&[SYN, (Orig, "FA", 101, 1, "")]), ("SH", "SF".into()));
    assert_eq!(after(&[SYN_ACK, (Resp, "FA", 501, 101, "")]), ("SHR", "^hf".into()));
    assert_eq!(after(&[SYN_ACK, (Resp, "R", 501, 101, "")]), ("RSTRH", "^hr".into()));
}

#[test]
fn half_closed_and_aborted() {
    let open = [SYN, SYN_ACK, DONE];
    let with = |more: (Side, &'static str, u32, u32, &'static str)| after(&[&open[..], &[more]].concat());
    assert_eq!(after(&open), ("S1", "ShA".into()));
    assert_eq!(with((Orig, "FA", 101, 501, "")), ("S2", "ShAF".into()));
    assert_eq!(with((Resp, "FA", 501, 101, "")), ("S3", "ShAf".into()));
    assert_eq!(with((Orig, "RA", 101, 501, "")), ("RSTO", "ShAR".into()));
    assert_eq!(with((Resp, "RA", 501, 101, "")), ("RSTR", "ShAr".into()));
}

#[test]
fn a_reset_after_both_fins_changes_nothing() {
    let all =
        [SYN, SYN_ACK, DONE, (Orig, "FA", 101, 501, ""), (Resp, "FA", 501, 102, ""), (Orig, "R", 102, 0, "")];
    assert_eq!(after(&all), ("SF", "ShAFfR".into()));
}

#[test]
fn joined_midway() {
    let both = [(Orig, "PA", 900, 70, "abc"), (Resp, "A", 70, 903, ""), (Resp, "PA", 70, 903, "de")];
    assert_eq!(after(&both), ("OTH", "Dad".into()));
    let mut b = Bench::new();
    b.tcp(Orig, "PA", 900, 70, "abc");
    b.tcp(Resp, "PA", 70, 903, "de");
    let row = b.row();
    assert_eq!((row.orig.stream_bytes, row.resp.stream_bytes), (3, 2));
    assert_eq!(b.table.app_mut().got, [">abc", "<de"]);
}

#[test]
fn a_simultaneous_open_is_one_connection() {
    let all = [SYN, (Resp, "S", 500, 0, ""), (Orig, "SA", 100, 501, ""), (Resp, "SA", 500, 101, "")];
    assert_eq!(after(&all), ("S1", "Ss".into()), "RFC 9293 figure 7");
}

#[test]
fn a_syn_ack_captured_before_its_syn() {
    let mut b = Bench::new();
    b.tcp(Resp, "SA", 500, 101, "");
    b.tcp(Orig, "S", 100, 0, "");
    b.tcp(Orig, "A", 101, 501, "");
    b.tcp(Orig, "PA", 101, 501, "x");
    let row = b.row();
    assert_eq!((row.conn_state, row.history.as_str(), row.tuple.src_port), ("S1", "^hSAD", 5000));
}

#[test]
fn repeated_letters_follow_the_sequence_numbers() {
    let resets = [SYN, (Resp, "RA", 0, 101, ""), SYN, (Resp, "RA", 0, 101, ""), (Resp, "R", 77, 0, "")];
    assert_eq!(after(&resets), ("REJ", "Srr".into()));
    let odd = [SYN, (Orig, "SF", 100, 0, ""), (Orig, "FR", 100, 0, ""), (Orig, "SF", 100, 0, "")];
    assert_eq!(after(&odd).1, "SQI");
}

#[test]
fn retransmissions_gaps_and_zero_windows_earn_letters() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "PA", 101, 501, "0123456789");
    b.tcp(Orig, "PA", 101, 501, "0123456789");
    b.tcp(Resp, "A", 501, 131, ""); // 20 bytes more than were seen
    b.tcp(Orig, "PA", 131, 501, "xyz");
    let row = b.row();
    assert_eq!(row.history, "ShADTaG");
    assert_eq!((row.orig.missed_bytes, row.orig.retransmits, row.orig.stream_bytes), (20, 1, 33));
    assert_eq!(row.orig.bytes, 23, "as observed, the repetition included");
    assert_eq!(b.table.app_mut().got, [">0123456789", ">gap 20", ">xyz"]);
    assert_eq!(b.weirds(), [WeirdKind::TcpGap]);

    let mut b = Bench::new();
    b.handshake();
    for _ in 0..100 {
        let mut d = crate::flow::testing::segment(Resp, "A", 501, 101, 0);
        d.tcp.window = 0;
        b.send(d, &[]);
    }
    assert_eq!(b.row().history, "ShAawww");
}

#[test]
fn a_keep_alive_is_no_retransmission() {
    let mut b = Bench::new();
    b.handshake();
    b.tcp(Orig, "PA", 101, 501, "abc");
    b.tcp(Resp, "A", 501, 104, "");
    b.tcp(Orig, "A", 103, 501, "c");
    assert_eq!(b.row().orig.retransmits, 0);
}

#[test]
fn data_on_a_syn_is_handed_on() {
    let mut b = Bench::new();
    b.tcp(Orig, "S", 100, 0, "early");
    b.tcp(Resp, "SA", 500, 106, "");
    b.tcp(Orig, "PA", 106, 501, "later");
    assert_eq!(b.row().history, "ShD");
    assert_eq!(b.table.app_mut().got, [">early", ">later"]);
    assert_eq!(b.weirds(), [WeirdKind::TcpSynWithData]);
}

#[test]
fn sequence_numbers_wrap() {
    let mut b = Bench::new();
    b.tcp(Orig, "S", u32::MAX - 3, 0, "");
    b.tcp(Resp, "SA", u32::MAX, u32::MAX - 2, "");
    b.tcp(Orig, "PA", u32::MAX - 2, 0, "abcde");
    b.tcp(Resp, "PA", 0, 2, "uvw");
    b.tcp(Orig, "PA", 2, 3, "fg");
    let row = b.row();
    assert_eq!((row.orig.stream_bytes, row.resp.stream_bytes, row.history.as_str()), (7, 3, "ShDd"));
    assert_eq!(b.table.app_mut().got, [">abcde", "<uvw", ">fg"]);
}

#[test]
fn any_flags_and_numbers_are_survived() {
    let mut b = Bench::new();
    let mut x = 0x2545_f491_4f6c_dd1du64;
    for _ in 0..20_000 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let side = if x & 1 == 0 { Orig } else { Resp };
        let mut d = crate::flow::testing::segment(
            side,
            "",
            (x >> 32) as u32,
            (x >> 16) as u32,
            (x >> 8) as u32 & 0xff,
        );
        d.tcp.flags = (x >> 40) as u8;
        d.tcp.window = (x >> 24) as u16 & 1;
        // Near numbers half of the time, so that segments overlap.
        if x & 2 == 0 {
            (d.tcp.seq, d.tcp.ack) = (1_000 + (x >> 50) as u32, 2_000 + (x >> 44) as u32 % 4096);
        }
        b.send(d, &[7; 256]);
    }
    let rows = b.rows();
    let total: u64 = rows.iter().map(|r| r.orig.packets + r.resp.packets).sum();
    assert_eq!(total, 20_000, "every packet is in one row");
    assert!(rows.iter().all(|r| r.history.len() <= crate::flow::history::MAX_LETTERS));
}
