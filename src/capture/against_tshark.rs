//! Do we read what Wireshark reads? Number, time, captured and original length of every packet of a folder of captures, against tshark.
//!
//! Needs tshark and the corpus that lies beside the project (`../shared/corpus`); says so and passes without. Ignored by default: it
//! takes minutes: about six over the whole corpus. `cargo test --lib --no-default-features against_tshark -- --ignored --nocapture`.

#![expect(clippy::print_stdout, reason = "a measure: it shows what it found")]

use super::{Options, Polled, Progress, open};
use crate::model::ledger::Stop;
use crate::model::packet::PacketRef;
use std::path::{Path, PathBuf};
use std::process::Command;

fn corpus() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    ["../shared/corpus", "../../shared/corpus"].iter().map(|p| here.join(p)).find(|p| p.is_dir())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = ["tsv", "txt", "md", "json", "log"];
        if path.is_dir() {
            files(&path, found);
        } else if !path.extension().is_some_and(|e| text.contains(&e.to_str().unwrap_or(""))) {
            found.push(path);
        }
    }
}

/// Time in nanoseconds where the packet has one and tshark's own arithmetic did not overflow; lengths.
type Row = (Option<i128>, u32, u32);

fn tshark(path: &Path) -> Option<(Vec<Row>, bool)> {
    let fields = ["frame.time_epoch", "frame.cap_len", "frame.len", "frame.encap_type"];
    let mut command = Command::new("tshark");
    command.args(["-n", "-r"]).arg(path).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().ok()?;
    let rows = String::from_utf8_lossy(&output.stdout)
        .lines()
        // tshark numbers some other pcapng blocks, too; they have no encapsulation, and capinfos does not count them.
        .filter(|line| !line.ends_with('\t'))
        .map(|line| {
            let mut f = line.split('\t');
            let time = f.next().unwrap().split_once('.').and_then(|(s, n)| {
                (!s.starts_with('-'))
                    .then(|| s.parse::<i128>().unwrap() * 1_000_000_000 + n.parse::<i128>().unwrap())
            });
            (time, f.next().unwrap().parse().unwrap(), f.next().unwrap().parse().unwrap())
        })
        .collect();
    Some((rows, output.status.success()))
}

fn ours(path: &Path, block_bytes: usize) -> Result<(Vec<PacketRef>, Stop), String> {
    let options = Options { block_bytes, ..Options::default() };
    let mut source = open(path, &options, &Progress::new()).map_err(|e| e.to_string())?;
    let mut packets = Vec::new();
    loop {
        match source.poll() {
            Polled::Packets(batch) => {
                assert_eq!(batch.first_number, packets.len() as u64 + 1);
                assert!(
                    (0..batch.packets.len()).all(|i| batch.get(i).is_some()),
                    "a reference past its block"
                );
                packets.extend(batch.packets);
            }
            Polled::Tick(_) => {}
            Polled::End => break,
        }
    }
    let ledger = source.ledger();
    assert_eq!(ledger.packets(), packets.len() as u64);
    Ok((packets, ledger.files[0].stop.clone()))
}

#[test]
#[ignore = "needs tshark and the corpus, takes minutes: about six over the whole corpus"]
fn every_packet_is_tsharks() {
    let Some(corpus) = corpus() else { return println!("skipped: no ../shared/corpus") };
    let mut paths = Vec::new();
    files(&corpus, &mut paths);
    paths.sort();
    let (mut equal, mut packets, mut different) = (0, 0, Vec::new());
    for path in &paths {
        let Some((theirs, readable)) = tshark(path) else { return println!("skipped: no tshark") };
        let mine = ours(path, super::BLOCK_BYTES);
        let small = ours(path, 512);
        let (mine, stop) = match mine {
            Err(e) if theirs.is_empty() && !readable => {
                println!("neither: {e}");
                continue;
            }
            Ok(_) if theirs.is_empty() && !readable => {
                println!("only we: {}", path.display());
                continue;
            }
            Ok(found) => found,
            Err(e) => {
                different.push(format!("{}: {e}, tshark reads {} packets", path.display(), theirs.len()));
                continue;
            }
        };
        let small = small.unwrap();
        assert_eq!(small.1, stop, "{}: block size changes the end", path.display());
        let same = |a: &PacketRef, b: &PacketRef| {
            (a.ts, a.file_offset, a.captured) == (b.ts, b.file_offset, b.captured)
        };
        assert!(small.0.len() == mine.len() && small.0.iter().zip(&mine).all(|(a, b)| same(a, b)));
        if readable != (stop == Stop::End) {
            println!("{}: tshark {readable}, we {stop:?}", path.display());
        }
        if mine.len() != theirs.len() {
            different.push(format!(
                "{}: {} packets, tshark {}; {stop:?}",
                path.display(),
                mine.len(),
                theirs.len()
            ));
            continue;
        }
        let odd = mine.iter().zip(&theirs).enumerate().find(|(_, (m, t))| {
            // What lies beyond the year 2262 does not fit, and tshark's microseconds overflow 32 bits.
            let overflow = path.ends_with("pcap_ts_invalid_micro.pcap");
            let time = overflow || t.0.is_none_or(|ns| ns.min(i128::from(i64::MAX)) == i128::from(m.ts.0));
            !time || m.captured != t.1 || m.original != t.2
        });
        match odd {
            None => {
                equal += 1;
                packets += mine.len();
            }
            Some((i, (m, t))) => {
                different.push(format!("{}: packet {}: {m:?}, tshark {t:?}", path.display(), i + 1))
            }
        }
    }
    println!("{equal} files with {packets} packets equal");
    assert!(different.is_empty(), "{}", different.join("\n"));
}
