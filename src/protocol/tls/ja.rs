//! How does this TLS stack look from outside?
//!
//! Fingerprints of the hellos, as their authors published them: JA3 and JA3S (salesforce/ja3), JA4 for TLS clients over TCP
//! (FoxIO-LLC/ja4, the client part under BSD 3-Clause). GREASE values are left out everywhere. Equal
//! fingerprints mean the same library with the same settings, not the same program.

use super::hello::{ClientHello, ServerHello, extension, is_grease};
use crate::model::text::{hex, push_decimal, push_hex};
use md5::{Digest, Md5};
use sha2::Sha256;
use std::fmt::Write;

/// An empty text with room for these numbers.
fn room(numbers: &impl Iterator<Item = u16>) -> String {
    String::with_capacity(numbers.size_hint().1.unwrap_or_default().saturating_mul("65535-".len()))
}

/// Numbers in decimal with a dash between them.
fn dashed(numbers: impl Iterator<Item = u16>) -> String {
    let mut out = room(&numbers);
    for n in numbers.filter(|n| !is_grease(*n)) {
        if !out.is_empty() {
            out.push('-');
        }
        push_decimal(&mut out, n);
    }
    out
}

/// Numbers in four hexadecimal digits with a comma between them.
fn commas(numbers: impl Iterator<Item = u16>) -> String {
    let mut out = room(&numbers);
    for n in numbers {
        if !out.is_empty() {
            out.push(',');
        }
        n.to_be_bytes().iter().for_each(|b| push_hex(&mut out, *b));
    }
    out
}

fn ja3_text(hello: &ClientHello) -> String {
    format!(
        "{},{},{},{},{}",
        hello.version,
        dashed(hello.ciphers.iter().copied()),
        dashed(hello.extensions.iter().copied()),
        dashed(hello.groups.iter().copied()),
        dashed(hello.point_formats.iter().map(|f| u16::from(*f))),
    )
}

/// JA3: MD5 over version, ciphers, extensions, groups and point formats in their order.
pub(in crate::protocol) fn ja3(hello: &ClientHello) -> String {
    hex(&Md5::digest(ja3_text(hello)))
}

/// JA3S: MD5 over the version field, the chosen cipher and the extensions in their order.
pub(in crate::protocol) fn ja3s(hello: &ServerHello) -> String {
    let extensions = dashed(hello.extensions.iter().copied());
    hex(&Md5::digest(format!("{},{},{extensions}", hello.version, hello.cipher)))
}

/// The first twelve digits of a SHA-256, or zeros for nothing.
fn twelve(text: &str, of_nothing: bool) -> String {
    if of_nothing {
        return "0".repeat(12);
    }
    let mut digits = hex(&Sha256::digest(text));
    digits.truncate(12);
    digits
}

/// First and last character of the first ALPN name, or of its hexadecimal form when one of them is no ASCII letter
/// or digit; `00` without a name.
fn alpn_mark(hello: &ClientHello) -> String {
    let Some([first, .., last] | [first @ last]) = hello.alpn.first().map(Vec::as_slice) else {
        return "00".into();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [*first as char, *last as char].iter().collect();
    }
    format!("{:x}{:x}", first >> 4, last & 0x0f)
}

/// JA4: what is offered in words, then a hash over the sorted ciphers, then one over the sorted extensions
/// (without server name and ALPN) with the signature algorithms in their order.
pub(in crate::protocol) fn ja4(hello: &ClientHello, transport: char) -> String {
    let mut ciphers: Vec<u16> = hello.ciphers.iter().copied().filter(|c| !is_grease(*c)).collect();
    let mut extensions: Vec<u16> = hello.extensions.iter().copied().filter(|e| !is_grease(*e)).collect();
    let version = match hello.highest_version() {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    };
    let name = if hello.has(extension::SERVER_NAME) { 'd' } else { 'i' };
    let (n_ciphers, n_extensions) = (ciphers.len().min(99), extensions.len().min(99));
    let alpn = alpn_mark(hello);
    ciphers.sort_unstable();
    extensions.sort_unstable();
    extensions.retain(|e| !matches!(*e, extension::SERVER_NAME | extension::ALPN));
    let signatures = commas(hello.signature_algorithms.iter().copied().filter(|s| !is_grease(*s)));
    let mut third = commas(extensions.iter().copied());
    if !signatures.is_empty() {
        let _ = write!(third, "_{signatures}");
    }
    format!(
        "{transport}{version}{name}{n_ciphers:02}{n_extensions:02}{alpn}_{}_{}",
        twelve(&commas(ciphers.iter().copied()), ciphers.is_empty()),
        twelve(&third, n_extensions == 0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &str) -> Vec<u16> {
        list.split('-').filter_map(|n| n.parse().ok()).collect()
    }

    #[test]
    fn the_published_examples_of_ja3() {
        let hello = ClientHello {
            version: 769,
            ciphers: numbers("47-53-5-10-49161-49162-49171-49172-50-56-19-4"),
            extensions: vec![0, 10, 11],
            groups: vec![23, 24, 25],
            point_formats: vec![0],
            ..ClientHello::default()
        };
        assert_eq!(ja3(&hello), "ada70206e40642a3e4461f35503241d5");
        let bare = ClientHello {
            version: 769,
            ciphers: numbers("4-5-10-9-100-98-3-6-19-18-99"),
            ..ClientHello::default()
        };
        assert_eq!(ja3(&bare), "de350869b8c85de67a350c8d186f11e6");
        let answer = ServerHello {
            version: 769,
            cipher: 47,
            extensions: numbers("65281-0-11-35-5-16"),
            ..ServerHello::default()
        };
        // What `printf 769,47,65281-0-11-35-5-16 | md5sum` prints.
        assert_eq!(ja3s(&answer), "836ce314215654b5b1f85f97c73e506f");
    }

    fn chrome() -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013,
                0xc014, 0x009c, 0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x2a2a, 0x0000, 0x0017, 0xff01, 0x000a, 0x000b, 0x0023, 0x0010, 0x0005, 0x000d, 0x0012,
                0x0033, 0x002d, 0x002b, 0x001b, 0x4469, 0x0015, 0x3a3a,
            ],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            versions: vec![0x5a5a, 0x0304, 0x0303],
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            ..ClientHello::default()
        }
    }

    #[test]
    fn the_published_example_of_ja4() {
        assert_eq!(ja4(&chrome(), 't'), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    }

    #[test]
    fn ja4_of_what_is_not_there() {
        assert_eq!(
            ja4(&ClientHello { version: 0x0301, ..ClientHello::default() }, 't'),
            "t10i000000_000000000000_000000000000"
        );
        let odd =
            |name: &[u8]| alpn_mark(&ClientHello { alpn: vec![name.to_vec()], ..ClientHello::default() });
        assert_eq!((odd(b"h"), odd(b"http/1.1")), ("hh".into(), "h1".into()));
        assert_eq!((odd(b"\xab\xcd"), odd(b"0\xab"), odd(b"")), ("ad".into(), "3b".into(), "00".into()));
    }
}
