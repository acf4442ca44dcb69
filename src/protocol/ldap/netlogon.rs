//! What does a domain controller say about itself when it is pinged?
//!
//! The attribute `Netlogon` in the answer to a search over UDP (MS-ADTS section 6.3.3): NETLOGON_SAM_LOGON_RESPONSE_EX (section
//! 6.3.1.9) holds names in the encoding of RFC 1035, with pointers back into the attribute. Refuses the older forms, which are not
//! sent any more.

use crate::model::bytes::Cursor;
use crate::model::text::printable;

/// Labels of one name; a name has at most 127 (RFC 1035).
const MAX_LABELS: usize = 127;

/// Pointers that one name may follow.
const MAX_JUMPS: usize = 8;

/// What it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) domain: String,
    pub(super) host: String,
    pub(super) netbios_domain: String,
    pub(super) netbios_host: String,
    pub(super) site: String,
}

/// Read the attribute's value.
pub(super) fn read(value: &[u8]) -> Option<Controller> {
    let mut c = Cursor::new(value);
    // LOGON_SAM_LOGON_RESPONSE_EX, or the same for an unknown user.
    if !matches!(c.u16_le()?, 23 | 25) {
        return None;
    }
    // Reserved, flags, and the domain's GUID.
    c.skip(2 + 4 + 16)?;
    let mut at = c.position();
    let mut next = || {
        let (name, end) = name(value, at)?;
        at = end;
        Some(name)
    };
    let _forest = next()?;
    let (domain, host, netbios_domain, netbios_host) = (next()?, next()?, next()?, next()?);
    let _user = next()?;
    Some(Controller { domain, host, netbios_domain, netbios_host, site: next()? })
}

/// The name that begins at `at`, and where the next one begins.
fn name(value: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut out, mut end, mut jumps) = (Vec::new(), None, 0);
    for _ in 0..MAX_LABELS {
        let len = *value.get(at)?;
        at += 1;
        match len {
            0 => {
                let end = end.unwrap_or(at);
                return Some((printable(&out, 255), end));
            }
            0xc0.. => {
                let low = *value.get(at)?;
                end = end.or(Some(at + 1));
                at = usize::from(len & 0x3f) << 8 | usize::from(low);
                jumps += 1;
                if jumps > MAX_JUMPS {
                    return None;
                }
            }
            1..=63 => {
                if !out.is_empty() {
                    out.push(b'.');
                }
                out.extend_from_slice(value.get(at..at + usize::from(len))?);
                at += usize::from(len);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
pub(super) fn sample() -> Vec<u8> {
    let mut d = vec![23, 0, 0, 0, 0xfd, 0xf3, 1, 0];
    d.extend([7; 16]);
    d.extend(b"\x04corp\x02ex\0\xc0\x18\x04DC01\xc0\x18\x04CORP\0\x04DC01\0\0\x07Default\0\xc0\x3a");
    d.extend([5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_pointers_back() {
        let d = sample();
        let c = read(&d).unwrap();
        assert_eq!((c.domain.as_str(), c.host.as_str()), ("corp.ex", "DC01.corp.ex"));
        assert_eq!((c.netbios_domain.as_str(), c.netbios_host.as_str()), ("CORP", "DC01"));
        assert_eq!(c.site, "Default");
        for end in 0..d.len() {
            read(&d[..end]);
        }
    }

    #[test]
    fn pointers_in_a_circle_end() {
        let mut d = sample();
        d[24..26].copy_from_slice(&[0xc0, 0x18]);
        assert_eq!(read(&d), None);
    }
}
