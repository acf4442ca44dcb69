//! Are packets where the ring says, within its bounds, and does a stream outlive it?

use super::*;
use crate::capture::replay::Replay;
use crate::capture::testing::{Scratch, drain};
use crate::capture::{Options, Progress, open, open_at};
use crate::model::time::NANOS_PER_SEC;
use std::os::unix::fs::PermissionsExt as _;

fn ring(folder: &Path) -> Ring {
    Ring { folder: folder.to_owned(), file_bytes: 400, file_age: 3_600, total_bytes: 1 << 20, total_age: 0 }
}

fn stream(count: i64, step: i64) -> Box<dyn Source> {
    let mut source = Replay::new(3);
    for i in 0..count {
        let link = if i % 2 == 0 { LinkType::ETHERNET } else { LinkType(101) };
        let at = Timestamp((1_700_000_000 + i * step) * NANOS_PER_SEC + 7);
        source = source.cut_packet(at, link, &[i as u8; 20], 99);
    }
    Box::new(source)
}

fn names(folder: &Path) -> Vec<String> {
    let mut all: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn every_packet_lies_where_it_says() {
    let scratch = Scratch::new("ring");
    let folder = scratch.path().join("deep/er");
    let mut saving = save(stream(20, 1), CaptureId(5), &ring(&folder)).unwrap();
    let (packets, ledger) = drain(&mut *saving);
    assert!(ledger.files.len() > 2, "it rotates");
    assert_eq!(ledger.packets(), 20);
    for (packet, data) in &packets {
        let file = &ledger.files[usize::from(packet.file_no)];
        let mut source =
            open_at(&file.path, (packet.file_offset, 1), packet.file_no, &Options::default()).unwrap();
        let Polled::Packets(batch) = source.poll() else { panic!("nothing there") };
        let found = batch.get(0).unwrap();
        assert_eq!((found.data, found.meta.ts, found.meta.original), (&data[..], packet.ts, 99));
        assert_eq!((found.meta.link, found.meta.file_offset), (packet.link, packet.file_offset));
    }
    for (no, file) in ledger.files.iter().enumerate() {
        let (read, own) = drain(&mut *open(&file.path, &Options::default(), &Progress::new()).unwrap());
        assert_eq!((read.len() as u64, own.files[0].content_hash), (file.packets, file.content_hash));
        assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            files_of(&folder, CaptureId(5)).get(&(no as u16)),
            Some(&file.path.canonicalize().unwrap())
        );
    }
    assert_eq!(names(&folder).len(), ledger.files.len(), "nothing else is left");
}

#[test]
fn the_oldest_go_and_strangers_stay() {
    let scratch = Scratch::new("ring");
    let stranger = scratch.write("20000101T000000Z-mine.pcapng", &[0; 5_000]);
    let small = Ring { total_bytes: 1_200, ..ring(scratch.path()) };
    let (_, ledger) = drain(&mut *save(stream(40, 1), CaptureId(1), &small).unwrap());
    let before = names(scratch.path());
    assert!(ledger.removed.is_empty() && ledger.files.iter().any(|f| f.removed), "{ledger:?}");
    assert!(ledger.files.iter().all(|f| f.removed != f.path.exists()), "{ledger:?}");
    assert_eq!(ledger.packets(), 40, "what was removed was read all the same");
    let bytes: u64 =
        before.iter().skip(1).map(|n| std::fs::metadata(scratch.path().join(n)).unwrap().len()).sum();
    assert!((400..=1_600).contains(&bytes), "{bytes}: {before:?}");
    // Another run counts them, too, and a year later they are too old.
    let aged = Ring { total_age: 60, file_age: 10, total_bytes: 1 << 30, ..small };
    let (_, ledger) = drain(&mut *save(stream(40, 10), CaptureId(2), &aged).unwrap());
    let earlier = before.iter().filter(|n| parse_name(n).is_some()).count();
    assert_eq!(ledger.removed.len(), earlier, "those of the run before");
    let after = names(scratch.path());
    assert!(after.len() <= 10, "{after:?}");
    assert!(after.iter().filter_map(|n| parse_name(n)).all(|(id, _)| id == CaptureId(2)), "{after:?}");
    assert!(stranger.exists());
}

#[test]
fn without_its_folder_the_stream_goes_on_and_says_so() {
    let scratch = Scratch::new("ring");
    let folder = scratch.path().join("gone");
    let mut saving = save(stream(20, 1), CaptureId(1), &ring(&folder)).unwrap();
    let mut count = 0;
    while let Polled::Packets(batch) = saving.poll() {
        count += batch.packets.len();
        let _ = std::fs::remove_dir_all(&folder);
    }
    assert_eq!(count, 20);
    let ledger = saving.ledger();
    assert_eq!(ledger.packets(), 20);
    let (file, reason) = ledger.not_kept().unwrap();
    assert!(reason.contains("could not be kept") && ledger.damage().is_none(), "{ledger:?}");
    assert_eq!(file.path, ledger.files.last().unwrap().path);
}

#[test]
fn when_the_folder_is_back_packets_are_kept_again_and_the_gap_is_counted() {
    let scratch = Scratch::new("ring");
    let folder = scratch.path().join("gone");
    let mut saving = save(stream(60, 5), CaptureId(1), &ring(&folder)).unwrap();
    let (mut count, mut there) = (0, 0);
    while let Polled::Packets(batch) = saving.poll() {
        count += batch.packets.len();
        match count {
            3 => std::fs::remove_dir_all(&folder).unwrap(),
            30 => std::fs::create_dir(&folder).unwrap(),
            _ => {}
        }
        let ledger = saving.ledger();
        // What lies behind the end of its file is not there.
        there += batch
            .packets
            .iter()
            .filter(|p| p.file_offset < ledger.files[usize::from(p.file_no)].bytes)
            .count();
    }
    assert_eq!(count, 60);
    let ledger = saving.ledger();
    assert_eq!(ledger.packets(), 60);
    let gaps: Vec<&str> = ledger
        .files
        .iter()
        .filter_map(|f| if let Stop::NotKept { reason } = &f.stop { Some(reason.as_str()) } else { None })
        .collect();
    assert_eq!(gaps.len(), 1, "{ledger:?}");
    let missing: usize = gaps[0].split(' ').next().unwrap().parse().unwrap();
    assert!(gaps[0].contains("packets after it could not be kept, until 2023-11-14T22:1"), "{gaps:?}");
    assert_eq!(there, 60 - missing, "{gaps:?}");
    assert!((15..35).contains(&missing), "kept again some ten seconds after it was there: {gaps:?}");
    let last = ledger.files.last().unwrap();
    assert!(last.path.exists() && last.stop == Stop::End && names(&folder).len() > 2);
}

#[test]
fn where_the_stream_is_cut_a_file_ends_and_numbers_begin_anew() {
    let scratch = Scratch::new("ring");
    let large = Ring { file_bytes: 1 << 20, ..ring(scratch.path()) };
    let mut saving = save(stream(20, 1), CaptureId(1), &large).unwrap();
    let mut first = 0;
    while first < 9 {
        let Polled::Packets(batch) = saving.poll() else { panic!() };
        first += batch.packets.len();
    }
    let ended = saving.cut(CaptureId(2));
    assert_eq!((ended.packets(), ended.files.len(), ended.files[0].stop.clone()), (9, 1, Stop::End));
    assert_eq!(saving.ledger().packets(), 0, "nothing came yet");
    let mut rest = Vec::new();
    while let Polled::Packets(batch) = saving.poll() {
        rest.extend(batch.packets);
    }
    let ledger = saving.ledger();
    assert_eq!((rest.len(), ledger.packets(), ledger.files.len()), (11, 11, 1));
    assert!(rest.iter().all(|p| p.file_no == 0));
    for (id, file) in [(1, &ended.files[0]), (2, &ledger.files[0])] {
        let name = file.path.file_name().unwrap().to_string_lossy();
        assert_eq!(parse_name(&name), Some((CaptureId(id), 0)));
        let (read, _) = drain(&mut *open(&file.path, &Options::default(), &Progress::new()).unwrap());
        assert_eq!(read.len() as u64, file.packets);
    }
}
