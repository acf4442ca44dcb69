//! What kind of file do the first bytes of a body look like?
//!
//! Magic numbers as their formats publish them; what is declared in Content-Type is not looked at, so that the
//! two can be compared. Refuses to unpack: a compressed body is named by its compression.

/// Bytes of a body that are kept for this; the last magic (tar) ends at byte 262.
pub(crate) const SNIFF_LEN: usize = 264;

/// Offset, magic, type. The first that fits names it, so longer magics stand before shorter ones.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\0asm", "application/wasm"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "application/ogg"),
    (0, b"FWS", "application/x-shockwave-flash"),
    (0, b"CWS", "application/x-shockwave-flash"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"-----BEGIN ", "application/x-pem-file"),
    (0, b"#!", "text/x-script"),
];

/// Openings of text formats, lower case, after blanks and a byte order mark.
const TEXT: &[(&[u8], &str)] = &[
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<head", "text/html"),
    (b"<body", "text/html"),
    (b"<script", "text/html"),
    (b"<?php", "text/x-php"),
    (b"<svg", "image/svg+xml"),
    (b"<?xml", "application/xml"),
    (b"{\"", "application/json"),
    (b"[{", "application/json"),
    (b"[\"", "application/json"),
];

/// The type that the first bytes show; `None` when they show none.
pub(crate) fn sniff(body: &[u8]) -> Option<&'static str> {
    // Two letters are too few: a DOS program also has its relocation table behind the header or at 0x40.
    if body.starts_with(b"MZ") && body.len() >= 64 && body.iter().take(64).any(|b| *b == 0) {
        return Some("application/x-dosexec");
    }
    let magic =
        |(at, magic, _): &&(usize, &[u8], &str)| body.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((.., kind)) = MAGIC.iter().find(magic) {
        return Some(kind);
    }
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let opens =
        |(open, _): &&(&[u8], &str)| text.get(..open.len()).is_some_and(|t| t.eq_ignore_ascii_case(open));
    if let Some((_, kind)) = TEXT.iter().find(opens) {
        return Some(kind);
    }
    is_text(body).then_some("text/plain")
}

/// UTF-8 without control characters other than white space; a character cut at the end is forgiven.
fn is_text(body: &[u8]) -> bool {
    let valid = match std::str::from_utf8(body) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    valid && !body.is_empty() && !body.iter().any(|b| b.is_ascii_control() && !b.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_content() {
        let mut dos = [0u8; 64];
        dos[..2].copy_from_slice(b"MZ");
        assert_eq!(sniff(&dos), Some("application/x-dosexec"));
        assert_eq!(sniff(b"MZ is a car plate"), Some("text/plain"));
        assert_eq!(sniff(b"PK\x03\x04rest"), Some("application/zip"));
        assert_eq!(sniff(b"  <!DOCTYPE HTML PUBLIC"), Some("text/html"));
        assert_eq!(sniff(b"\xef\xbb\xbf{\"a\":1}"), Some("application/json"));
        assert_eq!(sniff("gr\u{fc}n".as_bytes()), Some("text/plain"));
        assert_eq!(sniff(&"gr\u{fc}"[..].as_bytes()[..3]), Some("text/plain"));
        assert_eq!(sniff(b"\x00\x01\x02"), None);
        assert_eq!(sniff(b""), None);
        let mut tar = [b'a'; SNIFF_LEN];
        tar[257..262].copy_from_slice(b"ustar");
        assert_eq!(sniff(&tar), Some("application/x-tar"));
    }

    #[test]
    fn every_magic_lies_within_what_is_kept() {
        assert!(MAGIC.iter().all(|(at, magic, _)| at + magic.len() <= SNIFF_LEN));
    }
}
