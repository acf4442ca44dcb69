//! Which files crossed the wire, and are they whole?
//!
//! The table `files` and the one who watches a file go by, shared by every protocol that carries files (HTTP, FTP, SMB, SMTP,
//! TFTP …). Type by first bytes, size, and SHA-256 (FIPS 180-4) when every byte from the first to the last was seen in order; MD5 (RFC 1321) and SHA-1
//! only where somebody has a list of such, for nobody should rely on them. What was packed for the way (Content-Encoding) is hashed as its receiver
//! keeps it. Refuses to keep content, and to look into archives.

use super::Output;
use super::sniff::{SNIFF_LEN, sniff};
use super::unpack::{Packing, Unpack, packing};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::hex;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Longest file name in input bytes: the longest path of the common systems is 4,096, names end at 255.
pub const MAX_NAME: usize = 1_024;

/// Bytes of one file that are hashed. Malware, documents and archives worth comparing are smaller; disk images and videos beyond it cost more
/// time than their hash tells.
pub const HASH_CAP: u64 = 32 << 20;

/// One file.
#[derive(Clone, Debug)]
pub struct FileRecord {
    /// Protocol that carried it, as in `flows.service`.
    pub source: &'static str,
    /// Who sent it.
    pub sender: Side,
    /// Name or path as the protocol says, printable.
    pub name: Option<String>,
    /// Type by content.
    pub mime: Option<&'static str>,
    /// Type that the protocol declares, printable.
    pub declared_mime: Option<String>,
    /// Bytes seen.
    pub seen_bytes: u64,
    /// Size that the protocol declares, bytes.
    pub declared_bytes: Option<u64>,
    /// Bytes known to be missing.
    pub missing_bytes: u64,
    /// Of the whole file; `None` when part of it was not seen or it is larger than [`HASH_CAP`].
    pub sha256: Option<[u8; 32]>,
    /// MD5 and SHA-1 of the same; `None` also when nobody asked for them.
    pub old_hashes: Option<([u8; 16], [u8; 20])>,
    /// From the first byte to the last, nanoseconds.
    pub duration: i64,
}

/// The table.
pub static FILES: Table = Table::record(
    "files",
    "One row is one file that crossed the wire. ts is its first byte.",
    &[
        col("source", T::Text, "", "Protocol that carried it, such as http or smb."),
        col("sender", T::Text, "", "src or dst: which end of the flow sent it."),
        col("name", T::Text, "", "File name or path as the protocol says; NULL without one."),
        col("mime", T::Text, "", "Type by its first bytes; NULL when they show nothing known."),
        col("declared_mime", T::Text, "", "Type that the protocol declares; NULL without one."),
        col("seen_bytes", T::U64, "bytes", "Bytes of it that were seen, as they were sent."),
        col("declared_bytes", T::U64, "bytes", "Size that the protocol declares; NULL without one."),
        col("missing_bytes", T::U64, "bytes", "Bytes of it known to be missing from the capture."),
        col(
            "sha256",
            T::Text,
            "",
            "SHA-256 of the whole file as its receiver keeps it: Content-Encoding gzip and deflate are undone; NULL when a part of it was not seen, when it is larger than 32 MiB, or when it came in another encoding.",
        ),
        col("duration_s", T::F64, "seconds", "From its first byte to its last."),
        col(
            "md5",
            T::Text,
            "",
            "MD5 of the same; NULL where sha256 is. Only made while a list of indicators holds hashes of this kind, or with the setting protocol.old_hashes.",
        ),
        col("sha1", T::Text, "", "SHA-1 of the same; NULL likewise."),
    ],
);

impl Record for FileRecord {
    fn table(&self) -> &'static Table {
        &FILES
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.source)
            .text(if self.sender == Side::Orig { "src" } else { "dst" })
            .opt_text(self.name.as_deref())
            .opt_text(self.mime)
            .opt_text(self.declared_mime.as_deref())
            .u64(self.seen_bytes)
            .opt_u64(self.declared_bytes)
            .u64(self.missing_bytes)
            .opt_text(self.sha256.map(|h| hex(&h)).as_deref())
            .f64(self.duration as f64 / 1e9)
            .opt_text(self.old_hashes.map(|(md5, _)| hex(&md5)).as_deref())
            .opt_text(self.old_hashes.map(|(_, sha1)| hex(&sha1)).as_deref());
    }
}

/// Watches one file go by. About 400 bytes while it lasts, 44 KiB more when it is packed.
#[derive(Debug)]
pub struct FileWatch {
    source: &'static str,
    sender: Side,
    began: At,
    last: At,
    name: Option<String>,
    declared_mime: Option<String>,
    declared_bytes: Option<u64>,
    content: Content,
    /// Undoes its packing, if it is packed.
    unpack: Option<Box<Unpack>>,
    seen: u64,
    missing: u64,
    /// Everything so far came in order from the first byte on.
    whole: bool,
    /// Its first bytes are all that will be known of its content.
    lost: bool,
}

/// What a file holds, once it is unpacked.
#[derive(Debug)]
struct Content {
    head: Vec<u8>,
    hash: Sha256,
    old_hashes: Option<Box<(Md5, Sha1)>>,
    len: u64,
}

impl Content {
    /// The next bytes; `hashed`: is the hash still wanted?
    fn push(&mut self, bytes: &[u8], hashed: bool) {
        let room = SNIFF_LEN.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.len = self.len.saturating_add(bytes.len() as u64);
        if hashed && self.len <= HASH_CAP {
            self.hash.update(bytes);
            if let Some(old) = &mut self.old_hashes {
                old.0.update(bytes);
                old.1.update(bytes);
            }
        }
    }
}

impl FileWatch {
    /// A file that begins with the packet at hand; `name` is already printable and bounded.
    pub fn new(source: &'static str, sender: Side, out: &Output<'_>, name: Option<String>) -> Self {
        let old_hashes = out.old_hashes.then(Box::default);
        Self {
            source,
            sender,
            began: out.at,
            last: out.at,
            name,
            declared_mime: None,
            declared_bytes: None,
            content: Content { head: Vec::new(), hash: Sha256::new(), old_hashes, len: 0 },
            unpack: None,
            seen: 0,
            missing: 0,
            whole: true,
            lost: false,
        }
    }

    /// What the protocol says about its type and size.
    #[must_use]
    pub fn declared(mut self, mime: Option<String>, bytes: Option<u64>) -> Self {
        (self.declared_mime, self.declared_bytes) = (mime, bytes);
        self
    }

    /// How it is packed, as Content-Encoding says; before its first byte.
    #[must_use]
    pub fn packed(mut self, encoding: Option<&str>) -> Self {
        let packing = packing(encoding);
        self.unpack = Unpack::new(packing).map(Box::new);
        self.whole &= packing != Packing::Unknown;
        self
    }

    /// The name, where it is known only later; the first one stays.
    pub fn named(&mut self, name: Option<String>) {
        if self.name.is_none() {
            self.name = name;
        }
    }

    /// The next bytes, in order.
    pub fn data(&mut self, at: At, bytes: &[u8]) {
        self.seen = self.seen.saturating_add(bytes.len() as u64);
        self.last = at;
        if !self.is_curious() {
            return;
        }
        let Self { content, unpack, whole, .. } = self;
        let hashed = *whole;
        match unpack {
            None => content.push(bytes, hashed),
            Some(packed) => {
                if packed.push(bytes, &mut |piece| content.push(piece, hashed)).is_err() {
                    self.lose();
                }
            }
        }
        if self.content.len > HASH_CAP {
            self.whole = false;
            self.unpack = None;
        }
    }

    /// Its bytes are not in order any more, or cannot be unpacked: there is no hash, and no more of its beginning.
    fn lose(&mut self) {
        self.whole = false;
        self.unpack = None;
        self.lost = true;
    }

    /// Do the next bytes still matter? If not, they may be passed by with [`Self::skipped`].
    pub fn is_curious(&self) -> bool {
        self.whole || (!self.lost && self.content.head.len() < SNIFF_LEN)
    }

    /// The next `bytes` pass by unseen. They count as seen; [`Self::unskipped`] takes back what never comes.
    pub fn skipped(&mut self, bytes: u64) {
        self.seen = self.seen.saturating_add(bytes);
        if bytes > 0 {
            self.lose();
        }
    }

    /// So many of the skipped bytes never came.
    pub fn unskipped(&mut self, bytes: u64) {
        self.seen = self.seen.saturating_sub(bytes);
        self.missing = self.missing.saturating_add(bytes);
    }

    /// `missing` bytes of it will never come, or came out of order and were not looked at.
    pub fn gap(&mut self, missing: u64) {
        self.missing = self.missing.saturating_add(missing);
        self.lose();
    }

    /// Who sends it.
    pub fn sender(&self) -> Side {
        self.sender
    }

    /// Bytes seen so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Type by content, as far as it was seen.
    pub fn mime(&self) -> Option<&'static str> {
        sniff(&self.content.head)
    }

    /// It ended. `whole`: the protocol says that its last byte was reached. An empty file that nobody named is no file.
    pub fn finish(self, whole: bool, out: &mut Output<'_>) {
        if self.seen == 0 && self.missing == 0 && self.name.is_none() {
            return;
        }
        let short = self.declared_bytes.is_some_and(|n| n != self.seen);
        let unpacked = self.unpack.is_none_or(|u| u.is_whole());
        let Content { head, hash, old_hashes, .. } = self.content;
        let whole = self.whole && whole && !short && unpacked;
        let sha256 = whole.then(|| hash.finalize().into());
        let old_hashes =
            old_hashes.filter(|_| whole).map(|old| (old.0.finalize().into(), old.1.finalize().into()));
        let record = FileRecord {
            source: self.source,
            sender: self.sender,
            name: self.name,
            mime: sniff(&head),
            declared_mime: self.declared_mime,
            seen_bytes: self.seen,
            declared_bytes: self.declared_bytes,
            missing_bytes: self.missing,
            sha256,
            old_hashes,
            duration: self.last.ts.since(self.began.ts),
        };
        out.record(self.began, record);
    }
}
