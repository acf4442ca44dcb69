//! Which captures are in these files and folders, and in which order?
//!
//! Known by content: every regular file is opened and asked for its first packet. The list is in time order of first packets, then
//! by name; what is no capture is listed with the reason. Pipes are taken as they are, because looking would consume
//! them. Links to folders are not followed (loops); a file reached twice is listed once.

use super::error::OpenError;
use super::file::{FileSource, Step};
use super::{Options, Progress};
use crate::model::time::Timestamp;
use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a block while only the first packet is wanted.
const PROBE_BLOCK: usize = 64 << 10;

/// A capture file that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// Time of its first packet; none in an empty capture or a pipe.
    pub first: Option<Timestamp>,
    /// Bytes on disk, 0 for a pipe.
    pub bytes: u64,
}

/// A file that is not read.
#[derive(Debug)]
pub struct Skipped {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub reason: OpenError,
    /// Did the user name it? Then it is worth an error, else a remark.
    pub named: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Captures in time order of their first packets, then by path.
    pub captures: Vec<Found>,
    /// What is no capture, or cannot be read, by path.
    pub skipped: Vec<Skipped>,
}

/// List the captures in `paths`; folders are entered, with all below them, when `recursive`.
pub fn expand(paths: &[PathBuf], recursive: bool, options: &Options) -> Listing {
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    for path in paths {
        match std::fs::metadata(path) {
            Err(e) => listing.skip(path, OpenError::io(path, e), true),
            Ok(meta) if !meta.is_dir() => listing.look(path, &meta, true, options, &mut seen),
            Ok(_) if recursive => listing.enter(path, true, options, &mut seen),
            Ok(_) => listing.skip(path, OpenError::IsFolder(path.clone()), true),
        }
    }
    // A capture without packets comes last: nothing says where it belongs.
    listing.captures.sort_by(|a, b| {
        let key = |f: &Found| (f.first.is_none(), f.first);
        (key(a), &a.path).cmp(&(key(b), &b.path))
    });
    listing.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    listing
}

impl Listing {
    fn skip(&mut self, path: &Path, reason: OpenError, named: bool) {
        self.skipped.push(Skipped { path: path.to_path_buf(), reason, named });
    }

    fn enter(&mut self, folder: &Path, named: bool, options: &Options, seen: &mut BTreeSet<(u64, u64)>) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) => return self.skip(folder, OpenError::io(folder, e), named),
        };
        for entry in entries {
            let (path, kind) = match entry.and_then(|e| Ok((e.path(), e.file_type()?))) {
                Ok(found) => found,
                Err(e) => {
                    self.skip(folder, OpenError::io(folder, e), named);
                    continue;
                }
            };
            if kind.is_dir() {
                self.enter(&path, false, options, seen);
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(meta) if meta.is_file() => self.look(&path, &meta, false, options, seen),
                // Links to folders, sockets, pipes and devices: not asked for.
                Ok(_) => {}
                Err(e) => self.skip(&path, OpenError::io(&path, e), false),
            }
        }
    }

    fn look(
        &mut self,
        path: &Path,
        meta: &Metadata,
        named: bool,
        options: &Options,
        seen: &mut BTreeSet<(u64, u64)>,
    ) {
        if !seen.insert((meta.dev(), meta.ino())) {
            return;
        }
        if !meta.is_file() {
            return self.captures.push(Found { path: path.to_path_buf(), first: None, bytes: 0 });
        }
        match probe(path, options) {
            Ok(probe) => {
                self.captures.push(Found { path: path.to_path_buf(), first: probe.first, bytes: meta.len() });
            }
            Err(reason) => self.skip(path, reason, named),
        }
    }
}

/// What a look at a file's beginning tells.
pub(super) struct Probe {
    /// Time of the first packet.
    pub(super) first: Option<Timestamp>,
    /// The file's first bytes, after decompression.
    pub(super) head: Vec<u8>,
    pub(super) compressed: bool,
}

/// Look at the beginning of a file.
pub(super) fn probe(path: &Path, options: &Options) -> Result<Probe, OpenError> {
    let options = Options { block_bytes: PROBE_BLOCK, ..options.clone() };
    let mut source = FileSource::open(path, false, &options, &Arc::new(Progress::default()))?;
    let first = match source.step() {
        Step::Packets(batch) => batch.packets.first().map(|p| p.ts),
        Step::Idle | Step::End => None,
    };
    Ok(Probe { first, head: source.head().to_vec(), compressed: source.file_ledger().compression.is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testing::{Scratch, pcap};

    #[test]
    fn lists_in_time_order_and_says_what_it_skips() {
        let scratch = Scratch::new("folder");
        let later = scratch.write("a", &pcap(&[(9, b"x")]));
        let earlier = scratch.write("sub/z", &pcap(&[(3, b"x"), (1, b"y")]));
        let same = scratch.write("b", &pcap(&[(9, b"x")]));
        let empty = scratch.write("0", &pcap(&[]));
        let text = scratch.write("notes.pcap", b"hello");
        std::os::unix::fs::symlink(scratch.path(), scratch.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(&later, scratch.path().join("again")).unwrap();
        let folder = scratch.path().to_path_buf();
        let listing = expand(&[folder.clone(), later.clone()], true, &Options::default());
        let paths: Vec<_> = listing.captures.iter().map(|f| f.path.clone()).collect();
        // `a` may be found as itself or through the link; it is there once.
        assert!(paths[1] == later || paths[1].ends_with("again"));
        assert_eq!((&paths[0], &paths[2], &paths[3], paths.len()), (&earlier, &same, &empty, 4));
        assert_eq!(listing.captures[0].first, Some(Timestamp::from_secs_nanos(3, 0)));
        assert_eq!((&listing.skipped[0].path, listing.skipped[0].named), (&text, false));
        let flat = expand(&[folder, "/nonexistent".into()], false, &Options::default());
        assert!(flat.captures.is_empty() && flat.skipped.iter().all(|s| s.named));
        assert!(flat.skipped.iter().any(|s| matches!(s.reason, OpenError::IsFolder(_))));
        assert!(flat.skipped.iter().any(|s| matches!(s.reason, OpenError::NotFound(_))));
    }
}
