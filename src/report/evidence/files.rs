//! Where do the files of a capture lie now, and are they still what was read?
//!
//! By the path in the ledger, by what the user says moved, or among files the user names. The content is compared: by size and both
//! ends where the capture is named after them, else by size, else by the hash over all of it, which also recognises a file that was
//! compressed since. Refuses a file that differs.

use super::{CaptureEvidence, EvidenceError, StoredFile};
use crate::capture::save::{parse_name, ring};
use crate::capture::{self, Options, Polled, Progress, identity};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the user says about moved files.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// What a path began with, and what it begins with now.
    pub prefixes: Vec<(PathBuf, PathBuf)>,
    /// Files, and folders that hold them.
    pub places: Vec<PathBuf>,
}

impl Moved {
    /// Where a file may lie, most likely first.
    fn candidates(&self, stored: &Path) -> Vec<PathBuf> {
        let mut all = Vec::new();
        for place in &self.places {
            match stored.file_name() {
                Some(name) if place.is_dir() => all.push(place.join(name)),
                _ => all.push(place.clone()),
            }
        }
        for (old, new) in &self.prefixes {
            if let Ok(rest) = stored.strip_prefix(old) {
                // Joining an empty path would add a slash.
                all.push(if rest.as_os_str().is_empty() { new.clone() } else { new.join(rest) });
            }
        }
        all.push(stored.to_path_buf());
        all.retain(|p| p.is_file());
        all
    }
}

/// The paths of all files of a capture that have to be read, by number; `None` for those that need not, or that a ring's limits deleted
/// ([`removed`] names these).
pub fn locate(capture: &CaptureEvidence, moved: &Moved) -> Result<Vec<Option<PathBuf>>, EvidenceError> {
    if capture.files.is_empty() {
        return unfinished(capture, moved);
    }
    let needed = |no: usize| is_wanted(capture, no);
    // A merge is named after all its files: one look tells.
    if capture.merged {
        let first: Vec<Option<PathBuf>> =
            capture.files.iter().map(|f| moved.candidates(&f.path).into_iter().next()).collect();
        let all: Vec<&PathBuf> = first.iter().flatten().collect();
        if all.len() == first.len() && identity::of_files(&all).is_ok_and(|id| id == capture.id) {
            return Ok(first);
        }
    }
    let mut out = Vec::with_capacity(capture.files.len());
    let mut gone = None;
    for (no, file) in capture.files.iter().enumerate() {
        out.push(match find(capture, file, moved) {
            _ if !needed(no) => None,
            Err(e @ EvidenceError::Removed { .. }) => {
                gone = gone.or(Some(e));
                None
            }
            found => Some(found?),
        });
    }
    out.extend(later(capture).into_iter().map(|(no, path)| Some(path).filter(|_| needed(no))));
    match gone {
        Some(e) if out.iter().all(Option::is_none) => Err(e),
        _ => Ok(out),
    }
}

/// Do the wanted packets lie in file `no`?
fn is_wanted(capture: &CaptureEvidence, no: usize) -> bool {
    let within = |from: u16, until: u16| (usize::from(from)..=usize::from(until)).contains(&no);
    capture.stretches.is_empty() || capture.stretches.iter().any(|s| within(s.from.0, s.until.0))
}

/// The wanted files that the limits of a ring deleted and that are nowhere else.
pub fn removed<'a>(capture: &'a CaptureEvidence, found: &[Option<PathBuf>]) -> Vec<&'a Path> {
    let files = capture.files.iter().zip(found).enumerate();
    files
        .filter(|(no, (f, at))| f.removed && at.is_none() && is_wanted(capture, *no))
        .map(|(_, (f, _))| &*f.path)
        .collect()
}

/// Files of a ring that came after those in the ledger: it follows a stream within some seconds, and where the process was killed it
/// stays behind.
fn later(capture: &CaptureEvidence) -> Vec<(usize, PathBuf)> {
    let Some(last) = capture.files.last() else { return Vec::new() };
    let ours = last.path.file_name().and_then(|n| parse_name(&n.to_string_lossy()));
    let (Some((id, no)), Some(folder)) = (ours, last.path.parent()) else { return Vec::new() };
    if id != capture.id {
        return Vec::new();
    }
    let mut more = ring::files_of(folder, id).split_off(&no.saturating_add(1));
    (no.saturating_add(1)..).map_while(|n| Some((usize::from(n), more.remove(&n)?))).collect()
}

/// The ledger is written when a capture ends. Until then the names of a ring's files tell which they are; of another stream the user
/// names the one file.
fn unfinished(capture: &CaptureEvidence, moved: &Moved) -> Result<Vec<Option<PathBuf>>, EvidenceError> {
    let mut numbered = BTreeMap::new();
    for place in &moved.places {
        if place.is_dir() {
            numbered.extend(ring::files_of(place, capture.id));
        } else {
            numbered.entry(0).or_insert_with(|| place.clone());
        }
    }
    let Some(last) = numbered.keys().next_back().copied() else {
        return Err(EvidenceError::Unfinished(capture.path.clone()));
    };
    Ok((0..=last).map(|no| numbered.remove(&no)).collect())
}

fn find(capture: &CaptureEvidence, file: &StoredFile, moved: &Moved) -> Result<PathBuf, EvidenceError> {
    let mut different = None;
    for path in moved.candidates(&file.path) {
        if is_same(capture, file, &path) {
            return Ok(path);
        }
        different = different.or(Some(path));
    }
    let stored = file.path.display().to_string();
    Err(match different {
        Some(path) => EvidenceError::Changed { path: path.display().to_string(), stored },
        None if file.removed => EvidenceError::Removed { path: stored, capture: capture.path.clone() },
        None if file.device => EvidenceError::Device(stored),
        None if stored == "-" => EvidenceError::Stream(capture.path.clone()),
        None => EvidenceError::Gone { path: stored, capture: capture.path.clone() },
    })
}

fn is_same(capture: &CaptureEvidence, file: &StoredFile, path: &Path) -> bool {
    let single = capture.files.len() == 1;
    if single && identity::of_files(&[path]).is_ok_and(|id| id == capture.id) {
        return true;
    }
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    match &file.content_hash {
        Some(hash) => content_hash(path).as_deref() == Some(hash.as_str()),
        // Reading was stopped before its end: what was read must at least be there. The packets found are counted later.
        None => file.compressed || size >= file.bytes,
    }
}

/// Hex blake3 over all bytes after decompression.
fn content_hash(path: &Path) -> Option<String> {
    let mut source = capture::open(path, &Options::default(), &Progress::new()).ok()?;
    while !matches!(source.poll(), Polled::End) {}
    let hash = source.ledger().files.first()?.content_hash?;
    Some(blake3::Hash::from_bytes(hash).to_hex().to_string())
}
