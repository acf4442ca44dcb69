//! What is this entry, and how is it compared?

use super::MAX_NOTE;
use crate::model::text::printable;
use crate::store::{Indicator, IndicatorKind as K};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// What became of an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// An indicator.
    Entry(Indicator),
    /// One of a kind that records do not show.
    Unseen,
    /// None.
    Bad(&'static str),
}

/// Read an entry of a kind, or of the kind that its form shows.
pub(super) fn read(value: &str, kind: Option<K>, date: Option<&str>, note: Option<&str>) -> Read {
    let value = refang(value.trim().trim_matches(['"', '\'']));
    if value.is_empty() {
        return Read::Bad("is empty");
    }
    let clean =
        |text: Option<&str>| text.map(|t| printable(t.trim().as_bytes(), MAX_NOTE)).filter(|t| !t.is_empty());
    let make = |kind, value, range| {
        Read::Entry(Indicator { kind, value, range, date: clean(date), note: clean(note) })
    };
    let Some(kind) = kind.or_else(|| form(&value)) else {
        let hash = value.len() == 128 && is_hex(&value);
        return if hash || value.contains('@') {
            Read::Unseen
        } else {
            Read::Bad("is no address, network, name, URL or hash")
        };
    };
    match kind {
        K::Address | K::Network => match network(&value) {
            Some((n, true)) => make(K::Address, n.ip().to_canonical().to_string(), None),
            Some((n, false)) if n.prefix() >= shortest(&n) => {
                make(K::Network, n.to_string(), Some((key(n.network()), key(n.broadcast()))))
            }
            Some(_) => Read::Bad("is a network so wide that it matches half the world"),
            None => Read::Bad("is no address or network"),
        },
        K::Domain => match domain(&value) {
            Some(name) => make(K::Domain, name, None),
            None => Read::Bad("is no name of a host or domain"),
        },
        K::Url => match url(&value) {
            Some(url) => make(K::Url, url, None),
            None => Read::Bad("is no URL"),
        },
        K::Ja3 if value.len() == 32 && is_hex(&value) => make(K::Ja3, value.to_ascii_lowercase(), None),
        K::Ja4 if is_ja4(&value) => make(K::Ja4, value.to_ascii_lowercase(), None),
        K::Certificate if matches!(bare(&value).len(), 40 | 64) && is_hex(&bare(&value)) => {
            make(K::Certificate, bare(&value), None)
        }
        K::File | K::Md5 | K::Sha1 | K::Sha256 if is_hex(&bare(&value)) => match (kind, bare(&value).len()) {
            (K::File, 32 | 40 | 64) | (K::Md5, 32) | (K::Sha1, 40) | (K::Sha256, 64) => {
                make(kind, bare(&value), None)
            }
            (K::File, 128) => Read::Unseen,
            _ => Read::Bad("is no fingerprint or hash of its kind"),
        },
        _ => Read::Bad("is no fingerprint or hash of its kind"),
    }
}

/// A hash without colons, lower case.
fn bare(value: &str) -> String {
    value.replace([':', ' '], "").to_ascii_lowercase()
}

/// Undo what lists do so that nobody clicks: `hxxp`, `[.]`.
fn refang(value: &str) -> String {
    let v = value
        .replace("[.]", ".")
        .replace("(.)", ".")
        .replace("[dot]", ".")
        .replace("[:]", ":")
        .replace("[://]", "://");
    match v.get(..4) {
        Some(h) if h.eq_ignore_ascii_case("hxxp") => format!("http{}", v.get(4..).unwrap_or("")),
        _ => v,
    }
}

/// The kind that the form shows.
fn form(value: &str) -> Option<K> {
    let hash = is_hex(&bare(value));
    if network(value).is_some() {
        Some(K::Address)
    } else if value.contains("://") {
        Some(K::Url)
    } else if is_ja4(value) {
        Some(K::Ja4)
    } else if hash && value.len() == 32 {
        Some(K::Md5)
    } else if hash && bare(value).len() == 40 {
        Some(K::Sha1)
    } else if hash && bare(value).len() == 64 {
        Some(K::Sha256)
    } else if value.contains('/') {
        Some(K::Url).filter(|_| value.split('/').next().is_some_and(|h| domain(h).is_some()))
    } else {
        domain(value).map(|_| K::Domain)
    }
}

fn is_hex(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `t13d1516h2_8daaf6152771_b186095e22b6`.
fn is_ja4(value: &str) -> bool {
    let mut parts = value.split('_');
    let (a, b, c) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    parts.next().is_none()
        && a.len() == 10
        && a.starts_with(['t', 'q', 'd', 'T', 'Q', 'D'])
        && [b, c].iter().all(|p| p.len() == 12 && is_hex(p))
}

/// A network, and whether it is one address.
fn network(value: &str) -> Option<(IpNetwork, bool)> {
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Some((IpNetwork::from(ip.to_canonical()), true));
    }
    let (address, prefix) = value.split_once('/')?;
    let n = IpNetwork::new(address.parse::<IpAddr>().ok()?, prefix.parse().ok()?).ok()?;
    let n = IpNetwork::new(n.network(), n.prefix()).ok()?;
    let whole = if n.is_ipv4() { 32 } else { 128 };
    Some((n, n.prefix() == whole))
}

/// Networks wider than this are a mistake of the list.
fn shortest(n: &IpNetwork) -> u8 {
    if n.is_ipv4() { 8 } else { 16 }
}

/// 32 hexadecimal digits; IPv4 as IPv6 maps it.
fn key(ip: IpAddr) -> String {
    let v6 = match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    format!("{:032x}", u128::from(v6))
}

/// A name, lower case, without the dots and wildcards around it (RFC 1123 section 2.1, with underscores).
fn domain(value: &str) -> Option<String> {
    let name =
        value.trim_start_matches("*.").trim_start_matches("||").trim_matches(['.', '^']).to_ascii_lowercase();
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b >= 0x80)
    };
    let mut labels = name.split('.');
    let last = name.rsplit('.').next().unwrap_or("");
    let ends_well = last.len() >= 2 && !last.bytes().all(|b| b.is_ascii_digit());
    (name.len() <= 253 && name.contains('.') && labels.all(label) && ends_well).then_some(name)
}

/// Host and path; the host in lower case, the fragment gone.
fn url(value: &str) -> Option<String> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or(rest);
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or(host).to_ascii_lowercase();
    let host = host.strip_suffix(":80").unwrap_or(&host);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!host.is_empty() && host.len() <= 260 && !host.contains(' ')).then(|| format!("{host}{slash}{path}"))
}
