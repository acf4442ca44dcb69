//! How is a folder read that somebody is still writing?
//!
//! `tcpdump -G` or `-C` with `-w` writes one file after the other. The newest may still grow; a file is finished when a later one is
//! there and it has been quiet for [`QUIET`]. All files are one capture: numbers run on, each file has its account. A
//! file that is renamed or compressed after its rotation (`-z`) is recognised by its first bytes and not read again;
//! one that appears compressed is read when it has stopped growing. The wall clock is read for ticks only. Refuses
//! folders below the folder.

use super::error::OpenError;
use super::file::{FileSource, Step};
use super::folder::{Probe, probe};
use super::{Options, Polled, Progress, Source};
use crate::model::ledger::{FileLedger, SourceLedger, Stop};
use crate::model::time::Timestamp;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file that did not grow for so long, while a later one is there, is finished.
const QUIET: Duration = Duration::from_secs(1);
/// File numbers are 16 bits; a folder that is followed for longer gives the last number to all later files.
const LAST_FILE: u16 = u16::MAX;
/// Between two looks at the folder.
const SCAN: Duration = Duration::from_millis(250);
/// Between two looks at a file that may grow.
const NAP: Duration = Duration::from_millis(20);
/// Without packets the engine hears the time this often, so that flows expire.
const TICK: Duration = Duration::from_secs(1);
/// Bytes behind the start of the first packet that must agree before two files are taken for the same.
const TELLING: u64 = 32;

/// The first bytes of a file that was taken, for recognising it again.
struct Known {
    /// How many bytes, and their hash.
    length: usize,
    hash: blake3::Hash,
}

impl Known {
    /// `None` when the bytes do not reach into the first packet: headers alone do not tell files apart.
    fn of(head: &[u8], first_offset: u64) -> Option<Self> {
        (head.len() as u64 >= first_offset.saturating_add(TELLING))
            .then(|| Self { length: head.len(), hash: blake3::hash(head) })
    }

    fn matches(&self, head: &[u8]) -> bool {
        head.get(..self.length).is_some_and(|h| blake3::hash(h) == self.hash)
    }
}

/// What the folder showed of a file when it was last looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: (i64, i64),
}

/// A file to be read.
struct Waiting {
    path: PathBuf,
    first: Option<Timestamp>,
    place: (u64, u64),
    compressed: bool,
}

struct Current {
    source: FileSource,
    path: PathBuf,
    place: (u64, u64),
    first: Option<Timestamp>,
    first_offset: u64,
    /// When its last packets came.
    active: Instant,
}

/// A folder (or one file) that is being written.
pub(super) struct Follow {
    place: PathBuf,
    options: Options,
    progress: Arc<Progress>,
    current: Option<Current>,
    queue: Vec<Waiting>,
    /// Files that were looked at, by device and inode, and whether they were taken.
    looks: BTreeMap<(u64, u64), (Look, Instant, bool)>,
    known: Vec<Known>,
    done: Vec<FileLedger>,
    /// Where the account of a finished file is.
    places: BTreeMap<(u64, u64), usize>,
    next_number: u64,
    scanned: Option<Instant>,
    ticked: Instant,
}

/// The time by the wall clock: only what the engine is told while nothing comes.
#[expect(
    clippy::disallowed_methods,
    reason = "a folder that is being written is live: ticks need the wall clock"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Follow {
    pub(super) fn open(place: &Path, options: &Options, progress: &Arc<Progress>) -> Result<Self, OpenError> {
        std::fs::metadata(place).map_err(|e| OpenError::io(place, e))?;
        Ok(Self {
            place: place.to_path_buf(),
            options: options.clone(),
            progress: Arc::clone(progress),
            current: None,
            queue: Vec::new(),
            looks: BTreeMap::new(),
            known: Vec::new(),
            done: Vec::new(),
            places: BTreeMap::new(),
            next_number: 1,
            scanned: None,
            ticked: Instant::now(),
        })
    }

    /// Look for files that are new or have become readable.
    fn scan(&mut self) {
        if self.scanned.is_some_and(|at| at.elapsed() < SCAN) {
            return;
        }
        self.scanned = Some(Instant::now());
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(&self.place) {
            Ok(entries) => entries.filter_map(|e| Some(e.ok()?.path())).collect(),
            Err(_) => vec![self.place.clone()],
        };
        paths.sort();
        for path in paths {
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            if !meta.is_file() {
                continue;
            }
            let place = (meta.dev(), meta.ino());
            let look = Look { bytes: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()) };
            let (before, since, taken) = *self.looks.entry(place).or_insert((look, Instant::now(), false));
            let changed = before != look;
            if changed {
                self.looks.insert(place, (look, Instant::now(), taken));
            }
            // A ring of files (-W) writes into old ones again, so a file that changed is looked into once more.
            let reading = self.current.as_ref().is_some_and(|c| c.place == place);
            if taken && (!changed || reading || self.queue.iter().any(|w| w.place == place)) {
                continue;
            }
            let settled = !changed && since.elapsed() >= QUIET;
            self.consider(path, place, look, settled);
        }
        // What came first is read first; a file without packets is the newest.
        self.queue.sort_by(|a, b| {
            let key = |w: &Waiting| (w.first.is_none(), w.first);
            (key(a), &a.path).cmp(&(key(b), &b.path))
        });
    }

    /// Take a file into the queue, unless it is no capture, not ready, or was read before.
    fn consider(&mut self, path: PathBuf, place: (u64, u64), look: Look, settled: bool) {
        let found: Probe = match probe(&path, &self.options) {
            Ok(found) => found,
            // Its header may still come.
            Err(OpenError::Empty(_) | OpenError::Damaged { .. }) => return,
            Err(_) => return self.taken(place, look),
        };
        if found.compressed && !settled {
            return;
        }
        self.taken(place, look);
        if !self.was_read(&found) {
            self.progress.add_total(look.bytes);
            let Probe { first, compressed, .. } = found;
            self.queue.push(Waiting { path, first, place, compressed });
        } else if let Some(ledger) = self.places.get(&place).and_then(|i| self.done.get_mut(*i))
            && ledger.stop == Stop::End
            && ledger.compression.is_none()
            && look.bytes > ledger.bytes
        {
            let reason = "the file grew after a later one had appeared; what was added is not read".into();
            ledger.stop = Stop::Damaged { reason, offset: ledger.bytes };
        }
    }

    fn taken(&mut self, place: (u64, u64), look: Look) {
        self.looks.insert(place, (look, Instant::now(), true));
    }

    fn was_read(&self, found: &Probe) -> bool {
        let current = self.current.as_ref().and_then(|c| Known::of(c.source.head(), c.first_offset));
        self.known.iter().chain(&current).any(|k| k.matches(&found.head))
    }

    /// Open the first file of the queue.
    fn begin(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let waiting = self.queue.remove(0);
        let number = u16::try_from(self.done.len()).unwrap_or(LAST_FILE);
        match FileSource::open(&waiting.path, !waiting.compressed, &self.options, &self.progress) {
            Ok(mut source) => {
                source.place(number, self.next_number);
                self.current = Some(Current {
                    source,
                    path: waiting.path,
                    place: waiting.place,
                    first: waiting.first,
                    first_offset: u64::MAX,
                    active: Instant::now(),
                });
            }
            // Renamed or compressed before its turn: it will be found again under its new name.
            Err(OpenError::NotFound(_)) => drop(self.looks.remove(&waiting.place)),
            Err(OpenError::Interrupted(_)) => {}
            Err(e) => self.done.push(FileLedger {
                path: waiting.path,
                stop: Stop::Damaged { reason: e.to_string(), offset: 0 },
                ..FileLedger::default()
            }),
        }
    }

    /// Is a file there that was begun after the current one?
    fn has_successor(&self, first: Option<Timestamp>) -> bool {
        self.queue.iter().any(|w| w.first.is_none() || w.first >= first)
    }

    /// Close the account of the current file.
    fn finish(&mut self, current: Current) {
        self.next_number = current.source.next_number();
        self.known.extend(Known::of(current.source.head(), current.first_offset));
        self.places.insert(current.place, self.done.len());
        self.done.push(current.source.file_ledger().clone());
    }
}

impl Source for Follow {
    fn poll(&mut self) -> Polled {
        loop {
            let Some(mut current) = self.current.take() else {
                if self.options.stop.load(Ordering::Relaxed) {
                    return Polled::End;
                }
                self.scan();
                if self.queue.is_empty() {
                    if self.ticked.elapsed() >= TICK {
                        self.ticked = Instant::now();
                        return Polled::Tick(now());
                    }
                    sleep(NAP);
                }
                self.begin();
                continue;
            };
            match current.source.step() {
                Step::Packets(batch) => {
                    let first = batch.packets.first();
                    if current.first_offset == u64::MAX {
                        current.first_offset = first.map_or(u64::MAX, |p| p.file_offset);
                    }
                    current.first = current.first.or(first.map(|p| p.ts));
                    current.active = Instant::now();
                    self.ticked = current.active;
                    self.current = Some(current);
                    return Polled::Packets(batch);
                }
                Step::End => self.finish(current),
                Step::Idle => {
                    // The folder may be gone over while the file is kept: it is only looked at.
                    let quiet =
                        current.active.elapsed() >= QUIET || older_than_the_rest(&current.path, &self.queue);
                    let first = current.first;
                    self.current = Some(current);
                    self.scan();
                    if quiet && self.has_successor(first) {
                        if let Some(current) = &self.current {
                            current.source.stop_growing();
                        }
                    } else if self.ticked.elapsed() >= TICK {
                        self.ticked = Instant::now();
                        return Polled::Tick(now());
                    } else {
                        sleep(NAP);
                    }
                }
            }
        }
    }

    fn ledger(&self) -> SourceLedger {
        let current = self.current.iter().map(|c| c.source.file_ledger());
        SourceLedger { files: self.done.iter().chain(current).cloned().collect(), ..SourceLedger::default() }
    }
}

/// Was `path` last written at least [`QUIET`] before some file of the queue? Files of yesterday need no waiting.
fn older_than_the_rest(path: &Path, queue: &[Waiting]) -> bool {
    let modified = |p: &Path| std::fs::metadata(p).and_then(|m| m.modified()).ok();
    let Some(mine) = modified(path) else { return false };
    queue.iter().filter_map(|w| modified(&w.path)).any(|m| m.duration_since(mine).is_ok_and(|d| d >= QUIET))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, pcap, record};
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::thread::{JoinHandle, spawn};

    fn append(path: &Path, bytes: &[u8]) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    /// Follow `place` until `count` packets came; gives the first byte and number of each, and the account.
    fn follow(place: &Path, count: usize) -> JoinHandle<(Vec<(u8, u64)>, SourceLedger)> {
        let options = Options::default();
        let mut source = Follow::open(place, &options, &Progress::new()).unwrap();
        spawn(move || {
            let mut seen = Vec::new();
            let begun = Instant::now();
            loop {
                match source.poll() {
                    Polled::Packets(batch) => {
                        seen.extend(
                            (0..batch.packets.len())
                                .filter_map(|i| batch.get(i))
                                .map(|p| (p.data[0], p.number)),
                        );
                    }
                    Polled::Tick(now) => assert!(now > Timestamp(0)),
                    Polled::End => return (seen, source.ledger()),
                }
                if seen.len() >= count {
                    options.stop.store(true, Ordering::Relaxed);
                }
                assert!(begun.elapsed() < Duration::from_secs(60), "only {seen:?}");
            }
        })
    }

    #[test]
    fn reads_what_is_appended_then_the_next_file_and_never_a_renamed_one_twice() {
        let scratch = Scratch::new("follow");
        let first = scratch.write("cap1", &pcap(&[(1, b"a")]));
        scratch.write("notes.txt", b"not a capture");
        let reader = follow(scratch.path(), 5);
        sleep(Duration::from_millis(300));
        // A record in two pieces is one packet.
        let (begin, end) = {
            let r = record(2, b"bbbb");
            (r[..9].to_vec(), r[9..].to_vec())
        };
        append(&first, &begin);
        sleep(Duration::from_millis(100));
        append(&first, &end);
        sleep(Duration::from_millis(100));
        let second = scratch.write("cap2", &pcap(&[(3, b"c")]));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&std::fs::read(&first).unwrap()).unwrap();
        sleep(Duration::from_millis(1_500));
        scratch.write("cap1.gz", &gzip.finish().unwrap());
        std::fs::remove_file(&first).unwrap();
        append(&second, &record(4, b"d"));
        sleep(Duration::from_millis(1_800));
        std::fs::rename(&second, scratch.path().join("cap2.done")).unwrap();
        scratch.write("cap3", &pcap(&[(5, b"e")]));
        let (seen, ledger) = reader.join().unwrap();
        assert_eq!(seen, [(b'a', 1), (b'b', 2), (b'c', 3), (b'd', 4), (b'e', 5)]);
        let files: Vec<_> = ledger.files.iter().map(|f| (f.packets, f.stop.clone())).collect();
        assert_eq!(files, [(2, Stop::End), (2, Stop::End), (1, Stop::Interrupted)]);
    }

    #[test]
    fn old_files_are_read_in_time_order_without_waiting() {
        let scratch = Scratch::new("follow");
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for i in 0..20u32 {
            let path = scratch.write(&format!("f{}", 99 - i), &pcap(&[(i, &[i as u8])]));
            let file = OpenOptions::new().append(true).open(path).unwrap();
            file.set_modified(old + Duration::from_secs(u64::from(i) * 60)).unwrap();
        }
        let begun = Instant::now();
        let (seen, ledger) = follow(scratch.path(), 20).join().unwrap();
        assert_eq!(seen, (0..20).map(|i| (i as u8, i + 1)).collect::<Vec<_>>());
        assert!(begun.elapsed() < Duration::from_secs(10) && ledger.files.len() == 20);
    }
}
