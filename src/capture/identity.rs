//! What is the identity of a capture before it is read?
//!
//! 63 bits of blake3 over size, first and last MiB of the file as it lies on disk: cheap for any size, and equal everywhere for
//! the same file. Two captures that agree in it are compared by their full content hash later. Streams have no such content
//! beforehand: they get random bits.

use crate::model::ids::CaptureId;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes hashed at either end of a file.
const END: u64 = 1 << 20;

/// The identity of a capture that consists of these files, in this order. A pipe or device among them makes it random.
pub fn of_files<P: AsRef<Path>>(paths: &[P]) -> io::Result<CaptureId> {
    let mut digests = blake3::Hasher::new();
    let mut single = None;
    for path in paths {
        let Some(digest) = of_ends(path.as_ref())? else { return random() };
        digests.update(digest.as_bytes());
        single = Some(digest);
    }
    match (paths.len(), single) {
        (0, _) => random(),
        (1, Some(digest)) => Ok(id(digest)),
        _ => Ok(id(digests.finalize())),
    }
}

/// An identity for a stream: random bits of the operating system.
pub fn random() -> io::Result<CaptureId> {
    let mut bits = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bits)?;
    Ok(id(blake3::hash(&bits)))
}

/// The identity of the capture after a cut of a stream: it follows from the one before, and nobody has to ask for chance again.
pub fn following(before: CaptureId) -> CaptureId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"cut").update(&before.0.to_be_bytes());
    id(hasher.finalize())
}

/// Hash of size and ends; `None` for what is no regular file.
fn of_ends(path: &Path) -> io::Result<Option<blake3::Hash>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let size = meta.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.to_le_bytes());
    let mut end = Vec::new();
    file.by_ref().take(END).read_to_end(&mut end)?;
    hasher.update(&end);
    // Between one and two MiB the ends overlap; that is fine, the size tells.
    if size > END {
        file.seek(SeekFrom::Start(size - END))?;
        end.clear();
        file.take(END).read_to_end(&mut end)?;
        hasher.update(&end);
    }
    Ok(Some(hasher.finalize()))
}

/// The first 63 bits, never 0.
fn id(digest: blake3::Hash) -> CaptureId {
    let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    CaptureId(((u64::from_be_bytes(first) >> 1) as i64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::testing::Scratch;

    #[test]
    fn follows_content_and_order_not_the_name() {
        let scratch = Scratch::new("identity");
        let mut long = vec![7; 3 << 20];
        let (a, b, c) = (scratch.write("a", &long), scratch.write("b", &long), scratch.write("c", b"x"));
        assert_eq!(of_files(&[&a]).unwrap(), of_files(&[&b]).unwrap());
        assert_ne!(of_files(&[&a, &c]).unwrap(), of_files(&[&c, &a]).unwrap());
        // Both ends and the size count.
        let before = of_files(&[&a]).unwrap();
        *long.last_mut().unwrap() = 8;
        scratch.write("a", &long);
        assert_ne!(of_files(&[&a]).unwrap(), before);
        scratch.write("a", &[&long[..], &[8]].concat());
        assert_ne!(of_files(&[&a]).unwrap(), before);
        assert!(before.0 > 0);
    }

    #[test]
    fn captures_of_one_stream_differ() {
        let first = CaptureId(7);
        let second = following(first);
        assert!(second != first && second.0 > 0 && following(second) != second);
        assert_eq!(following(first), second);
    }

    #[test]
    fn streams_are_never_the_same_twice() {
        assert_ne!(random().unwrap(), random().unwrap());
        assert_ne!(of_files(&["/dev/null"]).unwrap(), of_files(&["/dev/null"]).unwrap());
        assert!(of_files(&["/nonexistent"]).is_err());
    }
}
