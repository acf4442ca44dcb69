//! How are the packets of a stream kept as evidence, within bounds?
//!
//! A source around another one: what passes is also written to a ring of pcapng files, and every packet's place becomes its place in
//! the ring, so that flows and the ledger name the files that are kept, and `extract` needs no other index. A file appears with
//! its header complete, is written to its end batch by batch, and is closed at [`Ring::file_bytes`] or [`Ring::file_age`]; the oldest go when
//! all together are more than [`Ring::total_bytes`] or older than [`Ring::total_age`], also those of earlier runs. Only files
//! named as ours are deleted. When the disk is full the stream goes on, and the ledger says from where on nothing was kept.

use super::PcapngWriter;
use super::name::{name, parse_name, stamp};
use crate::capture::{OpenError, Polled, Source};
use crate::model::ids::CaptureId;
use crate::model::ledger::{FileLedger, Interface, SourceLedger, Stop};
use crate::model::packet::{Batch, LinkType, PacketRef};
use crate::model::time::{Timestamp, secs};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes gathered before a write.
const BUFFER: usize = 1 << 20;

/// Where packets are kept, and how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring {
    /// The folder; made (0700) when it is missing.
    pub folder: PathBuf,
    /// A file is closed when it has so many bytes.
    pub file_bytes: u64,
    /// Or when its first packet is so many seconds (of packet time) old.
    pub file_age: u64,
    /// Bytes of all files together; at least two files' worth is kept.
    pub total_bytes: u64,
    /// Seconds (of packet time) after which a file goes; 0 = never.
    pub total_age: u64,
}

/// Keep the packets of `source`, the stream of `capture`, in a ring.
pub fn save(source: Box<dyn Source>, capture: CaptureId, ring: &Ring) -> Result<Box<dyn Source>, OpenError> {
    let failed = |e: io::Error| OpenError::io(&ring.folder, e);
    if !ring.folder.is_dir() {
        DirBuilder::new().mode(0o700).recursive(true).create(&ring.folder).map_err(failed)?;
    }
    // Whoever asks later may stand in another folder.
    let folder = ring.folder.canonicalize().map_err(failed)?;
    let mut kept: Vec<(String, u64)> = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if parse_name(&name).is_some() {
            kept.push((name, entry.metadata().map_or(0, |m| m.len())));
        }
    }
    kept.sort();
    Ok(Box::new(Saving {
        source,
        capture,
        ring: Ring { folder, ..ring.clone() },
        kept: kept.into(),
        open: None,
        files: Vec::new(),
        removed: Vec::new(),
        placed: 0,
        failed: None,
    }))
}

/// A source whose packets are kept.
struct Saving {
    source: Box<dyn Source>,
    capture: CaptureId,
    ring: Ring,
    /// Closed files, oldest first, with their bytes; also those of earlier runs.
    kept: VecDeque<(String, u64)>,
    open: Option<Open>,
    /// Accounts of closed files.
    files: Vec<FileLedger>,
    /// Files of earlier captures that had to go.
    removed: Vec<PathBuf>,
    /// Packets of the batch in hand that have their place.
    placed: usize,
    /// Nothing is kept any more: why.
    failed: Option<String>,
}

/// The file being written.
struct Open {
    name: String,
    no: u16,
    began: Timestamp,
    writer: PcapngWriter<BufWriter<Hashed>>,
    /// Numbers in this file, by file, interface and link type of the source.
    interfaces: BTreeMap<(u16, u16, LinkType), u16>,
    packets: u64,
    /// Packets and bytes that are in the file for sure.
    safe: (u64, u64),
}

/// A file with the hash of what was written to it.
struct Hashed {
    file: File,
    hasher: blake3::Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or(bytes));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Saving {
    /// Write a batch; its packets are then where they were written.
    fn keep(&mut self, batch: &mut Batch) -> io::Result<()> {
        let mut described: Option<SourceLedger> = None;
        for index in 0..batch.packets.len() {
            self.placed = index;
            let Some(packet) = batch.get(index) else { continue };
            let meta = packet.meta;
            if self.is_over(meta.ts) {
                self.close()?;
            }
            if self.open.is_none() {
                self.begin(meta.ts)?;
            }
            let Some(open) = &mut self.open else { continue };
            let key = (meta.file_no, meta.interface, meta.link);
            let interface = match open.interfaces.get(&key) {
                Some(number) => *number,
                None => {
                    let ledger = described.get_or_insert_with(|| self.source.ledger());
                    let number = open.describe(&meta, ledger)?;
                    open.interfaces.insert(key, number);
                    number
                }
            };
            let offset =
                open.writer.packet(u32::from(interface), meta.ts, meta.original, packet.data, &[])?;
            open.packets += 1;
            let place = PacketRef { file_no: open.no, file_offset: offset, interface, ..meta };
            if let Some(packet) = batch.packets.get_mut(index) {
                *packet = place;
            }
        }
        self.placed = batch.packets.len();
        // What was given out is there: who finds a flow finds its packets.
        if let Some(open) = &mut self.open {
            open.writer.get_mut().flush()?;
            open.safe = (open.packets, open.writer.written());
        }
        Ok(())
    }

    /// Nothing is kept any more, save for the first `placed` packets, as far as they are in a file: the others lie where nothing is, behind the end of the
    /// last file, and not where others lie.
    fn let_go(&self, batch: &mut Batch, placed: usize) {
        let Some(last) = self.files.last() else { return };
        let file_no = u16::try_from(self.files.len() - 1).unwrap_or(u16::MAX);
        for (n, packet) in batch.packets.iter_mut().enumerate() {
            if n < placed && (packet.file_no, packet.file_offset) < (file_no, last.bytes) {
                continue;
            }
            *packet = PacketRef { file_no, file_offset: last.bytes, interface: 0, ..*packet };
        }
    }

    /// Is the open file full or old?
    fn is_over(&self, now: Timestamp) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let old = now.since(open.began) >= secs(self.ring.file_age.max(1));
            (open.writer.written() >= self.ring.file_bytes || old) && open.no < u16::MAX
        })
    }

    /// Begin the next file: it gets its name when its header is written.
    fn begin(&mut self, ts: Timestamp) -> io::Result<()> {
        self.make_room(ts)?;
        let no = u16::try_from(self.files.len()).unwrap_or(u16::MAX);
        let name = name(ts, self.capture, no);
        let new = self.ring.folder.join(format!(".{name}.new"));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        let out = BufWriter::with_capacity(BUFFER, Hashed { file, hasher: blake3::Hasher::new() });
        let comment = format!("capture {} file {no}", self.capture.0);
        let mut writer = PcapngWriter::new(out, &[comment])?;
        writer.get_mut().flush()?;
        std::fs::rename(&new, self.ring.folder.join(&name))?;
        let safe = (0, writer.written());
        self.open = Some(Open { name, no, began: ts, writer, interfaces: BTreeMap::new(), packets: 0, safe });
        Ok(())
    }

    /// Delete the oldest files until the next one fits.
    fn make_room(&mut self, now: Timestamp) -> io::Result<()> {
        let limit = self.ring.total_bytes.saturating_sub(self.ring.file_bytes).max(self.ring.file_bytes);
        let oldest = (self.ring.total_age > 0)
            .then(|| stamp(now.plus(-secs(self.ring.total_age.min(i32::MAX as u64)))));
        loop {
            let total: u64 = self.kept.iter().map(|(_, bytes)| bytes).sum();
            // A file is as old as the beginning of the one after it.
            let old = match (&oldest, self.kept.get(1)) {
                (Some(oldest), Some((next, _))) => next.get(..16).is_some_and(|s| s < oldest.as_str()),
                _ => false,
            };
            if total <= limit && !old {
                return Ok(());
            }
            let Some((name, _)) = self.kept.pop_front() else { return Ok(()) };
            let path = self.ring.folder.join(&name);
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            match parse_name(&name) {
                Some((capture, no)) if capture == self.capture => {
                    if let Some(file) = self.files.get_mut(usize::from(no)) {
                        file.removed = true;
                    }
                }
                _ => self.removed.push(path),
            }
        }
    }

    /// Close the open file and note its account.
    fn close(&mut self) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Err(e) = open.writer.get_mut().flush() {
            self.cut(open);
            return Err(e);
        }
        self.kept.push_back((open.name.clone(), open.writer.written()));
        let ledger = self.account(&open, Stop::End);
        self.files.push(ledger);
        Ok(())
    }

    /// A file that took no more: it ends with its last whole batch.
    fn cut(&mut self, open: Open) {
        let (packets, bytes) = open.safe;
        self.kept.push_back((open.name.clone(), bytes));
        self.files.push(FileLedger { packets, bytes, ..self.account(&open, Stop::Interrupted) });
        // The buffer would try once more to write what does not fit.
        let (out, _) = open.writer.into_inner().into_parts();
        // Where that fails, a part of a packet is left at its end, which nothing points to.
        let _ = out.file.set_len(bytes);
    }

    fn account(&self, open: &Open, stop: Stop) -> FileLedger {
        let whole = stop == Stop::End;
        let mut interfaces: Vec<Interface> = Vec::new();
        let source = self.source.ledger();
        let mut numbers: Vec<_> = open.interfaces.iter().map(|(key, number)| (*number, *key)).collect();
        numbers.sort_unstable();
        for (_, (file, interface, link)) in numbers {
            let known = source.files.get(usize::from(file)).or(source.files.first());
            let known = known.and_then(|f| f.interfaces.get(usize::from(interface))).cloned();
            // Its counts of losses go with the whole capture, once.
            interfaces.push(Interface { link, received: None, dropped: None, ..known.unwrap_or_default() });
        }
        FileLedger {
            path: self.ring.folder.join(&open.name),
            format: "pcapng",
            interfaces,
            packets: open.packets,
            bytes: open.writer.written(),
            content_hash: whole.then(|| *open.writer.get_ref().get_ref().hasher.finalize().as_bytes()),
            stop,
            ..FileLedger::default()
        }
    }

    /// The disk is full, or the folder gone: the stream goes on without.
    fn give_up(&mut self, e: &io::Error) {
        self.failed = Some(format!("the packets from here on could not be kept: {e}"));
        if let Some(open) = self.open.take() {
            self.cut(open);
        }
    }
}

impl Open {
    /// Declare the interface of a packet as its source describes it.
    fn describe(&mut self, meta: &PacketRef, source: &SourceLedger) -> io::Result<u16> {
        let file = source.files.get(usize::from(meta.file_no)).or(source.files.first());
        let known = file.and_then(|f| f.interfaces.get(usize::from(meta.interface)));
        let (snaplen, name) = known.map_or((0, None), |i| (i.snaplen, i.name.as_deref()));
        let number = self.writer.interface(meta.link, snaplen, name, None)?;
        u16::try_from(number).map_err(|_| io::Error::other("more interfaces than a file can number"))
    }
}

impl Source for Saving {
    fn poll(&mut self) -> Polled {
        let mut polled = self.source.poll();
        let done = match &mut polled {
            Polled::Packets(batch) if self.failed.is_none() => {
                let kept = self.keep(batch);
                if let Err(e) = &kept {
                    self.give_up(e);
                    self.let_go(batch, self.placed);
                }
                Ok(())
            }
            Polled::Packets(batch) => {
                self.let_go(batch, 0);
                Ok(())
            }
            Polled::End => self.close(),
            _ => Ok(()),
        };
        if let Err(e) = done {
            self.give_up(&e);
        }
        polled
    }

    /// Files of the ring in place of the source's; what the source says of the whole stream stands in the first and the last of them.
    fn ledger(&self) -> SourceLedger {
        let source = self.source.ledger();
        let mut files = self.files.clone();
        files.extend(self.open.iter().map(|open| self.account(open, Stop::Reading)));
        let (packets, kept) = (source.packets(), files.iter().map(|f| f.packets).sum::<u64>());
        let Some(first) = files.first_mut() else { return source };
        for file in &source.files {
            first.comments.extend(file.comments.iter().cloned());
            first.names.extend(file.names.iter().cloned());
            first.secrets_bytes = first.secrets_bytes.saturating_add(file.secrets_bytes);
        }
        let of_source = || source.files.iter().flat_map(|f| &f.interfaces);
        let sum =
            |count: fn(&Interface) -> Option<u64>| of_source().filter_map(count).reduce(u64::saturating_add);
        if let Some(interface) = first.interfaces.first_mut() {
            (interface.received, interface.dropped) = (sum(|i| i.received), sum(|i| i.dropped));
        }
        if let Some(last) = files.last_mut() {
            // Packets that passed without being kept are packets of the capture all the same.
            last.packets += packets.saturating_sub(kept).saturating_sub(source.filtered);
            let damage = source.damage().map(|(f, reason, offset)| Stop::Damaged {
                reason: format!("{}: {reason}", f.path.display()),
                offset,
            });
            let stopped = source.files.iter().map(|f| &f.stop).find(|s| **s == Stop::Interrupted).cloned();
            let failed = self.failed.as_ref().map(|reason| Stop::NotKept { reason: reason.clone() });
            if let Some(stop) = damage.or(failed).or(stopped) {
                last.stop = stop;
            }
        }
        SourceLedger { files, removed: self.removed.clone(), ..source }
    }
}

/// The files of a capture in a folder, by number: for a capture whose ledger is not written yet.
pub fn files_of(folder: &Path, capture: CaptureId) -> BTreeMap<u16, PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|e| {
            let (id, no) = parse_name(&e.file_name().to_string_lossy())?;
            (id == capture).then(|| (no, e.path()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::replay::Replay;
    use crate::capture::testing::{Scratch, drain};
    use crate::capture::{Options, Progress, open, open_at};
    use crate::model::time::NANOS_PER_SEC;
    use std::os::unix::fs::PermissionsExt as _;

    fn ring(folder: &Path) -> Ring {
        Ring {
            folder: folder.to_owned(),
            file_bytes: 400,
            file_age: 3_600,
            total_bytes: 1 << 20,
            total_age: 0,
        }
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
}
