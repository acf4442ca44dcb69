//! Why can a source not be opened?
//!
//! One sentence each that says what is wrong and what to do. Damage inside a capture is no error of this kind: it is in the
//! ledger, and everything before it is kept.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A source that could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{}: no such file; check the path", .0.display())]
    NotFound(PathBuf),
    /// The user may not read it.
    #[error("{}: permission denied; make it readable for this user", .0.display())]
    PermissionDenied(PathBuf),
    /// It is a folder and a file was wanted.
    #[error("{}: is a folder; use -r to read the captures in it", .0.display())]
    IsFolder(PathBuf),
    /// It has no bytes at all.
    #[error("{}: is empty; a capture has at least a header", .0.display())]
    Empty(PathBuf),
    /// Its content is something else.
    #[error("{}: not a capture file: it looks like {looks_like}; pcap, pcapng and snoop are read, also compressed", .path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// What its first bytes say.
        looks_like: &'static str,
    },
    /// It is a capture of a kind that is not read.
    #[error("{}: cannot be read: {what}; convert it to pcapng with Wireshark's editcap", .path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Format and version.
        what: String,
    },
    /// It ends, or its compression breaks, inside the file header: there is nothing to keep.
    #[error("{}: is damaged before its first packet: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}: cannot be read: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The filter expression does not compile for a link type.
    #[error("the filter '{expression}' is not understood: {reason}; see the manual page pcap-filter(7)")]
    Filter {
        /// As given.
        expression: String,
        /// What libpcap says.
        reason: String,
    },
    /// Built without libpcap.
    #[error("--filter needs libpcap, and this program was built without it; build with the feature 'live'")]
    FilterUnavailable,
    /// No file was given or found.
    #[error("no capture files to read; give files, or a folder with -r")]
    NoFiles,
    /// More files than one capture can number.
    #[error("{0} files are too many for one capture (65,536 at most); ingest them in several runs")]
    TooManyFiles(usize),
    /// The user stopped it before the first packet.
    #[error("{}: interrupted before its first packet", .0.display())]
    Interrupted(PathBuf),
}

impl OpenError {
    /// What the operating system said about `path`.
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(path),
            io::ErrorKind::PermissionDenied => Self::PermissionDenied(path),
            io::ErrorKind::IsADirectory => Self::IsFolder(path),
            _ => Self::Io { path, error },
        }
    }
}

/// What do the first bytes of a file that is no capture look like?
pub(super) fn looks_like(head: &[u8]) -> &'static str {
    const KNOWN: &[(&[u8], &str)] = &[
        (b"\x7fELF", "a program (ELF)"),
        (b"MZ", "a Windows program"),
        (b"PK\x03\x04", "a zip archive; unpack it first"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first"),
        (b"Rar!", "a RAR archive; unpack it first"),
        (b"%PDF", "a PDF document"),
        (b"\x89PNG", "a picture (PNG)"),
        (b"\xff\xd8\xff", "a picture (JPEG)"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"RTSS", "a Microsoft Network Monitor capture; convert it to pcapng with Wireshark's editcap"),
        (b"GMBU", "a Microsoft Network Monitor capture; convert it to pcapng with Wireshark's editcap"),
        (b"TRSNIFF data", "a Sniffer capture; convert it to pcapng with Wireshark's editcap"),
        (b"btsnoop\0", "a Bluetooth capture (btsnoop)"),
        (b"\xff\xfe", "text (UTF-16)"),
        (b"\xfe\xff", "text (UTF-16)"),
        (b"\xef\xbb\xbf", "text (UTF-8)"),
    ];
    if let Some((_, name)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return name;
    }
    if head.get(8..12) == Some(b"DUCK") {
        return "a DuckDB database";
    }
    if head.get(257..262) == Some(b"ustar") {
        return "a tar archive; unpack it first";
    }
    if head.iter().all(|b| *b == 0) {
        return "nothing but zeros";
    }
    // Text: no control characters but white space. A cut character at the end does no harm.
    let printable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    let mut chunks = head.utf8_chunks().peekable();
    let mut text = true;
    while let Some(chunk) = chunks.next() {
        text &=
            chunk.valid().chars().all(printable) && (chunk.invalid().is_empty() || chunks.peek().is_none());
    }
    if text { "text" } else { "unknown binary data" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_it_looks_like() {
        assert_eq!(looks_like(b"\x7fELF\x02\x01"), "a program (ELF)");
        assert_eq!(looks_like("time,host\nné".as_bytes()), "text");
        assert_eq!(looks_like(&"né".as_bytes()[..2]), "text");
        assert_eq!(looks_like(b"\xff\xfea\0b\0"), "text (UTF-16)");
        assert_eq!(looks_like(&[0; 64]), "nothing but zeros");
        assert_eq!(looks_like(&[1, 2, 3, 0x80]), "unknown binary data");
    }

    #[test]
    fn errors_say_what_to_do() {
        let e = OpenError::io(Path::new("x.pcap"), io::ErrorKind::NotFound.into());
        assert_eq!(e.to_string(), "x.pcap: no such file; check the path");
        let e = OpenError::NotACapture { path: "a".into(), looks_like: "text" };
        assert!(e.to_string().contains("looks like text"));
    }
}
