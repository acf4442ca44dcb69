//! What names a capture before it is read?
//!
//! 63 bits of BLAKE3 over size, first and last MiB for files; random bits for streams, which cannot be looked at twice.
//! A hit in the database is only a suspicion: the full content decides.

use crate::model::ids::CaptureId;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes looked at from each end of a file.
const END_BYTES: u64 = 1 << 20;

/// The identity of a file.
pub(super) fn of_file(path: &Path) -> io::Result<CaptureId> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.to_le_bytes());
    let mut part = Vec::new();
    file.by_ref().take(END_BYTES).read_to_end(&mut part)?;
    hasher.update(&part);
    if size > END_BYTES {
        part.clear();
        file.seek(SeekFrom::Start((size - END_BYTES).max(END_BYTES)))?;
        file.take(END_BYTES).read_to_end(&mut part)?;
        hasher.update(&part);
    }
    Ok(shorten(&hasher.finalize()))
}

/// The identity of several files that are read as one, in whatever order they are given.
pub(super) fn of_files<'a>(paths: impl IntoIterator<Item = &'a Path>) -> io::Result<CaptureId> {
    let mut ids = paths.into_iter().map(of_file).collect::<io::Result<Vec<_>>>()?;
    ids.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(&id.0.to_le_bytes());
    }
    Ok(shorten(&hasher.finalize()))
}

/// The identity of a stream: from the random keys that the system gives every process, and the time.
pub(super) fn random() -> CaptureId {
    let mut hasher = blake3::Hasher::new();
    for _ in 0..2 {
        hasher.update(&RandomState::new().hash_one(std::process::id()).to_le_bytes());
    }
    #[allow(clippy::disallowed_methods, reason = "an identity, no time of a packet")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    hasher.update(&now.as_nanos().to_le_bytes());
    shorten(&hasher.finalize())
}

fn shorten(hash: &blake3::Hash) -> CaptureId {
    let mut first = [0_u8; 8];
    for (to, from) in first.iter_mut().zip(hash.as_bytes()) {
        *to = *from;
    }
    // 0 is what an unset id would be.
    CaptureId((i64::from_le_bytes(first) & i64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides_not_the_name() {
        let folder = std::env::temp_dir().join(format!("secnetmon-identity-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut long = vec![7_u8; 3 << 20];
        let a = file("a", &long);
        let b = file("b", &long);
        long[(3 << 20) - 1] = 8;
        let c = file("c", &long);
        let (d, e) = (file("d", b"x"), file("e", b""));
        let id = |p: &Path| of_file(p).unwrap();
        assert_eq!(id(&a), id(&b));
        let different = [id(&a), id(&c), id(&d), id(&e)];
        for (i, x) in different.iter().enumerate() {
            assert!(x.0 > 0 && different[i + 1..].iter().all(|y| x != y));
        }
        let both = of_files([a.as_path(), c.as_path()]).unwrap();
        assert_eq!(both, of_files([c.as_path(), b.as_path()]).unwrap());
        assert!(both != id(&a));
        assert_ne!(random(), random());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
