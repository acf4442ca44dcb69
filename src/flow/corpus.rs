//! Are the rows those of Zeek and tshark on real captures?
//!
//! Reads the captures beside this repository (`../shared/corpus`, not part of it) through the real floors below and compares
//! flow by flow, as `shared/check/flows.py` does with the whole program. Skips, and says so, where they are not.
#![allow(clippy::print_stderr)]

use super::testing::Notes;
use super::{Budget, Config, FlowTable};
use crate::capture::{self, Polled, Progress};
use crate::decode::{self, Decoded, Decoder, Defragmenter, Layers, PayloadAt};
use crate::model::event::{Body, Event};
use crate::model::flow::{FlowRecord, ip_protocol, protocol_name};
use crate::model::ids::CaptureNo;
use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The folder of captures, if it is here.
fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found =
        ["../shared/corpus", "../../shared/corpus"].map(|p| here.join(p)).into_iter().find(|p| p.is_dir());
    if found.is_none() {
        eprintln!("skipped: no ../shared/corpus beside the repository");
    }
    found
}

/// The flows of a capture, sorted by first packet; with `cap` at most so many at once, and out-of-order bytes.
fn flows(path: &Path, cap: usize) -> Vec<FlowRecord> {
    let app = Notes { enough: 64, ..Notes::default() };
    let budget = Budget { max_flows: cap, stream_bytes: 1 << 24 };
    let mut table = FlowTable::new(&Config::default(), CaptureNo(1), budget, app);
    let mut out: Vec<Event> = vec![];
    let config = decode::Config::default();
    let (decoder, mut defrag) = (Decoder::new(&config), Defragmenter::new(&config));
    let mut source = capture::open(path, &capture::Options::default(), &Progress::new()).expect("opens");
    let (mut now, mut last) = (Timestamp(i64::MIN), 0);
    while let Polled::Packets(batch) = source.poll() {
        for i in 0..batch.packets.len() {
            let packet = batch.get(i).expect("in the batch");
            now = now.max(packet.meta.ts);
            last = packet.number;
            let (mut layers, mut whole, mut datagrams) = (Layers::default(), Layers::default(), vec![]);
            decoder.decode(&packet, i as u32, &mut layers);
            for fragment in &layers.fragments {
                defrag.push(&decoder, fragment, packet.data, &mut whole, &mut datagrams);
            }
            defrag.advance(now, &mut whole);
            let mut items: Vec<&Decoded> = layers.items.iter().chain(&whole.items).collect();
            items.sort_by_key(|d| d.level);
            for d in items {
                let bytes = match d.payload_at {
                    PayloadAt::Packet => packet.data,
                    PayloadAt::Reassembled(n) => datagrams.get(n as usize).map_or(&[][..], Vec::as_slice),
                };
                table.packet(d, bytes, &mut out);
            }
        }
    }
    let mut rest = Layers::default();
    defrag.finish(&mut rest);
    rest.items.iter().for_each(|d| table.packet(d, &[], &mut out));
    table.advance(now, &mut out);
    while table.finish(1000, &mut out) {}
    let mut rows: Vec<_> =
        out.into_iter().filter_map(|e| if let Body::Flow(f) = e.body { Some(*f) } else { None }).collect();
    rows.sort_by_key(|r| r.id);
    assert!(rows.iter().all(|r| r.first.packet <= r.last.packet && r.last.packet <= last), "{path:?}");
    rows
}

/// Rows of a tab-separated file with a header line; `#` begins a comment.
fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).expect("truth is readable");
    let mut lines = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').map(str::to_owned));
    let Some(header) = lines.next().map(Vec::from_iter) else { return vec![] };
    lines.map(|row| header.iter().cloned().zip(row).collect()).collect()
}

type End = (IpAddr, u16);

fn end(row: &BTreeMap<String, String>, ip: &str, port: &str) -> End {
    (row[ip].parse().expect("an address"), row[port].parse().unwrap_or(0))
}

fn ends(f: &FlowRecord) -> (End, End) {
    ((f.tuple.src.to_std(), f.tuple.src_port), (f.tuple.dst.to_std(), f.tuple.dst_port))
}

/// The capture that a truth file `<category>__<capture>.<kind>` is about.
fn capture_of(corpus: &Path, truth: &str, kind: &str) -> Option<PathBuf> {
    let (category, name) = truth.strip_suffix(kind)?.split_once("__")?;
    ["open", "held", ""]
        .map(|sub| corpus.join(category).join(sub).join(name))
        .into_iter()
        .find(|p| p.exists())
}

fn truths(corpus: &Path, kind: &str) -> Vec<(String, PathBuf)> {
    let mut found: Vec<_> = std::fs::read_dir(corpus.join("flows_truth"))
        .expect("truth folder")
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((name.clone(), capture_of(corpus, &name, kind)?)))
        .collect();
    found.sort();
    found
}

#[test]
fn rows_are_those_of_zeek() {
    let Some(corpus) = corpus() else { return };
    let mut equal: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut rows, mut missing) = (0, 0);
    for (truth, path) in truths(&corpus, ".zeek_conn.tsv") {
        let mut mine: BTreeMap<(String, End, End), Vec<FlowRecord>> = BTreeMap::new();
        for f in flows(&path, usize::MAX) {
            let (a, b) = ends(&f);
            mine.entry((protocol_name(f.tuple.protocol).into(), a, b)).or_default().push(f);
        }
        let zeek = table(&corpus.join("flows_truth").join(&truth));
        let key = |r: &BTreeMap<String, String>| {
            (r["proto"].clone(), end(r, "id.orig_h", "id.orig_p"), end(r, "id.resp_h", "id.resp_p"))
        };
        for r in &zeek {
            let k = key(r);
            if zeek.iter().filter(|other| key(other) == k).count() > 1
                || !matches!(k.0.as_str(), "tcp" | "udp")
            {
                continue;
            }
            rows += 1;
            let Some([f]) = mine.get(&k).map(Vec::as_slice) else {
                missing += 1;
                eprintln!("{truth} {k:?}: {} flows here", mine.get(&k).map_or(0, Vec::len));
                continue;
            };
            for (what, ours) in [
                ("conn_state", f.conn_state.to_owned()),
                ("history", f.history.clone()),
                ("orig_bytes", f.orig.stream_bytes.to_string()),
                ("resp_bytes", f.resp.stream_bytes.to_string()),
                ("orig_pkts", f.orig.packets.to_string()),
                ("resp_pkts", f.resp.packets.to_string()),
                ("orig_ip_bytes", f.orig.ip_bytes.to_string()),
                ("resp_ip_bytes", f.resp.ip_bytes.to_string()),
                ("missed_bytes", (f.orig.missed_bytes + f.resp.missed_bytes).to_string()),
            ] {
                let same = r[what] == ours || (r[what] == "-" && what.ends_with("_bytes"));
                *equal.entry(what).or_default() += usize::from(same);
                if !same {
                    eprintln!("{truth} {k:?}: {what} {}, here {ours}", r[what]);
                }
            }
        }
    }
    eprintln!("{rows} rows of Zeek, {missing} not one flow here; equal: {equal:?}");
    assert!(rows > 130, "the corpus has them");
    for (what, n) in equal {
        assert!(n * 100 >= rows * 95, "{what}: {n} of {rows}");
    }
}

#[test]
fn conversations_are_those_of_tshark() {
    let Some(corpus) = corpus() else { return };
    let (mut total, mut packets, mut payload) = (0, 0, 0);
    for (truth, path) in truths(&corpus, ".conv.tsv") {
        let mut mine: BTreeMap<(String, End, End), [u64; 4]> = BTreeMap::new();
        for f in flows(&path, usize::MAX) {
            let (a, b) = ends(&f);
            let name = protocol_name(f.tuple.protocol).into_owned();
            let (o, r) = (f.orig, f.resp);
            for (key, add) in [
                ((name.clone(), a, b), [o.packets, r.packets, o.bytes, r.bytes]),
                ((name, b, a), [r.packets, o.packets, r.bytes, o.bytes]),
            ] {
                mine.entry(key).or_default().iter_mut().zip(add).for_each(|(sum, n)| *sum += n);
            }
        }
        let mut want: BTreeMap<(String, End, End), [u64; 4]> = BTreeMap::new();
        for r in table(&corpus.join("flows_truth").join(&truth)) {
            let n = |what: &str| r[what].parse::<f64>().unwrap_or(0.0) as u64;
            let (a, b) = (end(&r, "a_ip", "a_port"), end(&r, "b_ip", "b_port"));
            let turned = want.contains_key(&(r["l4"].clone(), b, a)) && b < a;
            let (key, add) = if turned {
                ((r["l4"].clone(), b, a), [n("pkts_ba"), n("pkts_ab"), n("payload_ba"), n("payload_ab")])
            } else {
                ((r["l4"].clone(), a, b), [n("pkts_ab"), n("pkts_ba"), n("payload_ab"), n("payload_ba")])
            };
            want.entry(key).or_default().iter_mut().zip(add).for_each(|(sum, n)| *sum += n);
        }
        let mut shown = 0;
        for (key, w) in want {
            let h = mine.get(&key).copied().unwrap_or_default();
            total += 1;
            packets += usize::from(h[..2] == w[..2]);
            payload += usize::from(h[2..] == w[2..]);
            if h != w && shown < 2 {
                shown += 1;
                eprintln!("{truth} {key:?}: tshark {w:?}, here {h:?}");
            }
        }
    }
    eprintln!("{total} conversations, packets equal {packets}, payload equal {payload}");
    assert!(total > 10_000, "the corpus has them");
    assert!(packets * 100 >= total * 99, "packets: {packets} of {total}");
    assert!(payload * 100 >= total * 98, "payload: {payload} of {total}");
}

#[test]
fn small_tables_lose_no_packet() {
    let Some(corpus) = corpus() else { return };
    for (_, path) in truths(&corpus, ".zeek_conn.tsv") {
        let sum = |rows: Vec<FlowRecord>| {
            rows.iter().fold([0; 3], |[p, b, i], r| {
                [
                    p + r.orig.packets + r.resp.packets,
                    b + r.orig.bytes + r.resp.bytes,
                    i + r.orig.ip_bytes + r.resp.ip_bytes,
                ]
            })
        };
        assert_eq!(sum(flows(&path, usize::MAX)), sum(flows(&path, 3)), "{path:?}");
        assert!(
            flows(&path, 3).iter().all(|r| r.tuple.protocol != ip_protocol::TCP || !r.conn_state.is_empty())
        );
    }
}
