//! Who got which address, and what did it say about itself?
//!
//! DHCP for IPv4 (RFC 2131, RFC 2132) and for IPv6 (RFC 8415). One row is one message: a client asks from 0.0.0.0 to everybody,
//! and the server answers to another address, so that one transaction is spread over several flows; `xid` joins them.

pub mod v4;
pub mod v6;

use crate::model::addr::Ip;
use std::fmt::Write;

/// Options of one message that are kept. Real ones carry up to 30.
const MAX_OPTIONS: usize = 128;

/// Addresses or names of one list that are shown.
const MAX_LISTED: usize = 16;

/// IPv4 addresses one behind the other. An incomplete one at the end is left out.
fn v4_list(data: &[u8]) -> Vec<Ip> {
    data.as_chunks::<4>().0.iter().take(MAX_LISTED).map(|a| Ip::v4(*a)).collect()
}

/// IPv6 addresses one behind the other.
fn v6_list(data: &[u8]) -> Vec<Ip> {
    data.as_chunks::<16>().0.iter().take(MAX_LISTED).map(|a| Ip::v6(*a)).collect()
}

/// With commas between; `None` when there is nothing.
fn joined<T: std::fmt::Display>(items: &[T]) -> Option<String> {
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        let _ = write!(out, "{}{item}", if i > 0 { "," } else { "" });
    }
    (!items.is_empty()).then_some(out)
}

/// Names in the encoding of RFC 1035 without compression, one behind the other (RFC 3315 section 8, RFC 4702).
fn dns_names(mut data: &[u8]) -> Vec<String> {
    let (mut names, mut name) = (Vec::new(), Vec::new());
    while let Some((&len, rest)) = data.split_first() {
        if names.len() >= MAX_LISTED {
            break;
        }
        if len == 0 {
            if !name.is_empty() {
                names.push(crate::model::text::printable(&name, 255));
                name.clear();
            }
            data = rest;
            continue;
        }
        let Some((label, behind)) = rest.split_at_checked(usize::from(len)).filter(|_| len < 64) else {
            break;
        };
        if !name.is_empty() {
            name.push(b'.');
        }
        name.extend_from_slice(label);
        data = behind;
    }
    // A partial name ends without its root (RFC 4704 section 4.2).
    if !name.is_empty() {
        names.push(crate::model::text::printable(&name, 255));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_their_root() {
        assert_eq!(dns_names(b"\x02ab\x01c\0\x01d\0"), ["ab.c", "d"]);
        assert_eq!(dns_names(b"\x04host"), ["host"]);
        assert_eq!(dns_names(b"\xc0\x0c"), [""; 0]);
        assert_eq!(dns_names(b"\x09ab"), [""; 0]);
    }

    #[test]
    fn lists_are_bounded() {
        assert_eq!(joined(&v4_list(&[10, 0, 0, 1, 10, 0, 0, 2, 9])).as_deref(), Some("10.0.0.1,10.0.0.2"));
        assert_eq!(v4_list(&[7; 400]).len(), MAX_LISTED);
        assert_eq!(joined::<String>(&[]), None);
    }
}
