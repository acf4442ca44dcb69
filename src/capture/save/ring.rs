//! How are the packets of a stream kept as evidence, within bounds?
//!
//! A source around another one: what passes is also written to a ring of pcapng files, and every packet's place becomes its place in
//! the ring, so that flows and the ledger name the files that are kept, and `extract` needs no other index. A file appears with
//! its header complete, is written to its end batch by batch, and is closed at [`Ring::file_bytes`] or [`Ring::file_age`]; the oldest go when
//! all together are more than [`Ring::total_bytes`] or older than [`Ring::total_age`], also those of earlier runs. Only files
//! named as ours are deleted. When the disk is full the stream goes on without ([`super::gap`]), and the ledger says after which file how many packets
//! are missing. Where the stream is cut a file ends, so that each belongs to one capture.

use super::PcapngWriter;
use super::gap::Gap;
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
        before: SourceLedger::default(),
        now: Timestamp::default(),
        placed: 0,
        gap: None,
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
    /// What the source had counted when the capture at hand began.
    before: SourceLedger,
    /// Packet time, as far as the source is.
    now: Timestamp,
    /// Packets of the batch in hand that have their place.
    placed: usize,
    /// Nothing is kept at the moment.
    gap: Option<Gap>,
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

    /// Nothing is kept at the moment, save for the first `placed` packets, as far as they are in a file: the others lie where nothing is, behind the end
    /// of the last file, and not where others lie. They are packets of the capture all the same.
    fn let_go(&mut self, batch: &mut Batch, placed: usize) {
        let file_no = u16::try_from(self.files.len().saturating_sub(1)).unwrap_or(u16::MAX);
        let end = self.files.last().map(|last| last.bytes);
        let mut passed = 0;
        for (n, packet) in batch.packets.iter_mut().enumerate() {
            if n < placed && end.is_some_and(|end| (packet.file_no, packet.file_offset) < (file_no, end)) {
                continue;
            }
            passed += 1;
            if let Some(file_offset) = end {
                *packet = PacketRef { file_no, file_offset, interface: 0, ..*packet };
            }
        }
        if let Some(last) = self.files.last_mut() {
            last.packets = last.packets.saturating_add(passed);
        }
        if let Some(gap) = &mut self.gap {
            gap.pass(passed);
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

    fn close_or_give_up(&mut self) {
        if let Err(e) = self.close() {
            self.give_up(&e, self.now);
        }
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
    fn give_up(&mut self, e: &io::Error, now: Timestamp) {
        self.gap = Some(Gap::new(e, now));
        if let Some(open) = self.open.take() {
            self.cut(open);
        }
    }

    /// Is there room again? The last file says what is missing after it.
    fn try_again(&mut self, now: Timestamp) {
        let Some(gap) = &mut self.gap else { return };
        if !gap.is_over(now, &self.ring.folder, self.ring.file_bytes) {
            return;
        }
        if let Some(last) = self.files.last_mut() {
            last.stop = Stop::NotKept { reason: gap.ended(now) };
        }
        self.gap = None;
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
        match &mut polled {
            Polled::Packets(batch) => {
                let now = batch.packets.first().map_or(self.now, |p| p.ts);
                self.now = now;
                self.try_again(now);
                let kept = if self.gap.is_none() { self.keep(batch) } else { Ok(()) };
                if let Err(e) = kept {
                    self.give_up(&e, now);
                    self.let_go(batch, self.placed);
                } else if self.gap.is_some() {
                    self.let_go(batch, 0);
                }
            }
            Polled::Tick(now) => self.now = *now,
            Polled::End => self.close_or_give_up(),
        }
        polled
    }

    /// Files of the ring in place of the source's; what the source says of the whole stream stands in the first and the last of them.
    fn ledger(&self) -> SourceLedger {
        let source = self.source.ledger().since(&self.before);
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
            // Those that passed before there was a file.
            last.packets += packets.saturating_sub(kept).saturating_sub(source.filtered);
            let damage = source.damage().map(|(f, reason, offset)| Stop::Damaged {
                reason: format!("{}: {reason}", f.path.display()),
                offset,
            });
            let stopped = source.files.iter().map(|f| &f.stop).find(|s| **s == Stop::Interrupted).cloned();
            let gap = self.gap.as_ref().map(|gap| Stop::NotKept { reason: gap.so_far() });
            if let Some(stop) = damage.or(gap).or(stopped) {
                last.stop = stop;
            }
        }
        SourceLedger { files, removed: self.removed.clone(), ..source }
    }

    /// The file at hand belongs to the capture that ends; the next one is the first of `next`.
    fn cut(&mut self, next: CaptureId) -> SourceLedger {
        self.close_or_give_up();
        let ended = self.ledger();
        self.before = self.source.ledger();
        self.capture = next;
        self.files.clear();
        self.removed.clear();
        ended
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
mod tests;
