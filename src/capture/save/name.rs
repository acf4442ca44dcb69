//! What are the files of a ring called?
//!
//! After the time of their first packet, so that a listing is in order, with the capture and their number in it, so that a ring explains itself without a database. Refuses
//! names that are not exactly so: only files named as ours are ever deleted.

use crate::model::ids::CaptureId;
use crate::model::time::Timestamp;

/// How a file's name ends.
const SUFFIX: &str = ".pcapng";

/// The name of file `no` of a capture whose first packet came at `ts`: in order of time, and telling which capture it is.
pub(super) fn name(ts: Timestamp, capture: CaptureId, no: u16) -> String {
    format!("{}-{:016x}-{no:05}{SUFFIX}", stamp(ts), capture.0)
}

/// `20240131T120000Z`.
pub(super) fn stamp(ts: Timestamp) -> String {
    let text = ts.to_string();
    let whole = text.split('.').next().unwrap_or(&text);
    whole.chars().filter(|c| c.is_ascii_alphanumeric()).chain(['Z']).take(16).collect()
}

/// Capture and number of a file that is named as ours.
pub fn parse_name(name: &str) -> Option<(CaptureId, u16)> {
    let mut parts = name.strip_suffix(SUFFIX)?.split('-');
    let (stamp, id, no) = (parts.next()?, parts.next()?, parts.next()?);
    let ours = parts.next().is_none() && stamp.len() == 16 && stamp.ends_with('Z') && id.len() == 16;
    let id = i64::from_str_radix(id, 16).ok().filter(|_| ours && no.len() == 5)?;
    Some((CaptureId(id), no.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::NANOS_PER_SEC;

    #[test]
    fn names_tell_capture_and_number() {
        let n = name(Timestamp(1_706_702_400 * NANOS_PER_SEC + 5), CaptureId(255), 3);
        assert_eq!(n, "20240131T120000Z-00000000000000ff-00003.pcapng");
        assert_eq!(parse_name(&n), Some((CaptureId(255), 3)));
        for other in [
            "x.pcapng",
            "20240131T120000Z-ff-00003.pcapng",
            "a-b-c.pcapng",
            ".20240131T120000Z-00000000000000ff-00003.pcapng.new",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}
