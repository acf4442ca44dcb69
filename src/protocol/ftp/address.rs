//! Where does an announcement say that data will flow, and which file does a path mean?
//!
//! Arguments and replies of PORT and PASV (RFC 959 section 4.1.2), EPRT and EPSV (RFC 2428), and paths relative to a working folder.

use super::MAX_PATH;
use crate::model::addr::Ip;
use std::net::IpAddr;

/// `h1,h2,h3,h4,p1,p2`, somewhere in the text: replies put words before it.
pub(super) fn host_port(text: &[u8]) -> Option<(Ip, u16)> {
    let from =
        text.windows(2).position(|w| w.iter().all(u8::is_ascii_digit) || matches!(w, [b'0'..=b'9', b',']))?;
    let list = text.get(from..)?;
    let end = list.iter().position(|b| !b.is_ascii_digit() && *b != b',').unwrap_or(list.len());
    let mut numbers = std::str::from_utf8(list.get(..end)?).ok()?.split(',').map(|n| n.parse::<u8>().ok());
    let mut next = || numbers.next().flatten();
    let [a, b, c, d, high, low] = [next()?, next()?, next()?, next()?, next()?, next()?];
    Some((Ip::v4([a, b, c, d]), u16::from_be_bytes([high, low])))
}

/// `|family|address|port|`, where a server leaves family and address empty.
pub(super) fn extended(text: &[u8]) -> Option<(Option<Ip>, u16)> {
    let (delimiter, rest) = text.split_first()?;
    let mut fields = rest.split(|b| b == delimiter);
    let (_, address, port) = (fields.next()?, fields.next()?, fields.next()?);
    let address = std::str::from_utf8(address).ok()?.parse::<IpAddr>().ok();
    Some((address.map(Ip::from), std::str::from_utf8(port).ok()?.parse().ok()?))
}

/// What stands between the first two double quotes, a doubled one inside standing for one (RFC 959 appendix II).
pub(super) fn quoted(text: &str) -> Option<String> {
    let inner = text.split_once('"')?.1;
    let mut out = String::new();
    let mut chars = inner.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if chars.peek() == Some(&'"') => {
                chars.next();
                out.push('"');
            }
            '"' => return Some(out),
            c => out.push(c),
        }
    }
    None
}

/// A path seen from a working folder, without `.` and `..`. `None` when it is relative and the folder unknown, or too long.
pub(super) fn resolve(folder: Option<&str>, path: &str) -> Option<String> {
    // Paths of Windows and mainframes mean what their server says: only those with a root of their own are whole.
    let drive = matches!(path.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z', b':', ..]);
    if drive {
        return Some(path.to_owned());
    }
    let base = if path.starts_with('/') { "" } else { folder? };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let joined = format!("/{}", parts.join("/"));
    (joined.len() <= MAX_PATH).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_of_rfc_959_and_2428() {
        let port = |text: &[u8]| host_port(text).map(|(_, port)| port);
        assert_eq!(host_port(b"132,235,1,2,24,131\r"), Some((Ip::v4([132, 235, 1, 2]), 6275)));
        assert_eq!(port(b"Entering Passive Mode (132,235,1,3,0,21)."), Some(21));
        assert_eq!(port(b"Entering (1,2,3,4,5)"), None);
        assert_eq!(port(b"(1,2,3,400,5,6)"), None);
        assert_eq!(extended(b"|1|132.235.1.2|6275|"), Some((Some(Ip::v4([132, 235, 1, 2])), 6275)));
        assert_eq!(extended(b"|2|2001:db8::1|6446|").map(|e| e.1), Some(6446));
        assert_eq!(extended(b"|||6446|)"), Some((None, 6446)));
        assert_eq!(extended(b"|||99999|)"), None);
        for end in 0..20 {
            host_port(&b"(132,235,1,3,0,21).."[..end]);
            extended(&b"|1|132.235.1.2|6275|"[..end]);
        }
    }

    #[test]
    fn paths_are_followed_from_a_known_folder() {
        assert_eq!(resolve(Some("/a/b"), "c").as_deref(), Some("/a/b/c"));
        assert_eq!(resolve(Some("/a/b"), "../.././../x//y/.").as_deref(), Some("/x/y"));
        assert_eq!(resolve(None, "/etc/passwd").as_deref(), Some("/etc/passwd"));
        assert_eq!(resolve(None, "passwd"), None);
        assert_eq!(resolve(None, "C:\\x").as_deref(), Some("C:\\x"));
        assert_eq!(quoted("\"/a \"\"b\"\"\" is current").as_deref(), Some("/a \"b\""));
        assert_eq!(quoted("no"), None);
    }
}
