//! What happened between the two ends of an SCTP association?
//!
//! RFC 9260, seen by the type of each packet's first chunk. Its handshake and shutdown map to TCP's letters and states well
//! enough to read them the same way: `s` INIT, `h` INIT-ACK, `a` SACK and other control, `d` DATA, `f` SHUTDOWN
//! and its acknowledgements, `r` ABORT, each once per end. Associations with several addresses show as several flows.
//! Refuses to look at verification tags or into bundled chunks.

use super::history::History;
use crate::model::flow::Side;

/// Letters by chunk type (RFC 9260, 3.2), as bits.
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const CONTROL: u8 = 4;
const DATA: u8 = 8;
const SHUTDOWN: u8 = 16;
const ABORT: u8 = 32;
/// COOKIE-ECHO and COOKIE-ACK: the handshake goes through.
const COOKIE: u8 = 64;

/// What the two ends sent.
#[derive(Debug, Default)]
pub(super) struct Association {
    sent: [u8; 2],
    history: History,
}

impl Association {
    /// A packet whose first chunk has this type.
    pub(super) fn chunk(&mut self, side: Side, chunk_type: u8) {
        let (bits, letter) = match chunk_type {
            0 | 64 => (DATA, b'D'), // 64: I-DATA, RFC 8260
            1 => (INIT, b'S'),
            2 => (INIT_ACK, b'H'),
            6 => (ABORT, b'R'),
            7 | 8 | 14 => (SHUTDOWN, b'F'),
            10 | 11 => (CONTROL | COOKIE, b'A'),
            _ => (CONTROL, b'A'),
        };
        let [orig, resp] = &mut self.sent;
        let sent = if side == Side::Orig { orig } else { resp };
        if *sent & bits & !COOKIE == 0 {
            self.history.push(side, letter);
        }
        *sent |= bits;
    }

    /// Aborted, or shut down from both ends?
    pub(super) fn is_closed(&self) -> bool {
        let [orig, resp] = self.sent;
        (orig | resp) & ABORT != 0 || orig & resp & SHUTDOWN != 0
    }

    /// In TCP's terms.
    pub(super) fn conn_state(&self) -> &'static str {
        let [orig, resp] = self.sent;
        let established = orig & INIT != 0 && resp & INIT_ACK != 0 && orig & (COOKIE | DATA) != 0;
        match () {
            () if resp & ABORT != 0 && orig & INIT != 0 && !established => "REJ",
            () if resp & ABORT != 0 && established => "RSTR",
            () if orig & ABORT != 0 && established => "RSTO",
            () if resp & ABORT != 0 && orig == 0 => "RSTRH",
            () if established && orig & resp & SHUTDOWN != 0 => "SF",
            () if established && orig & SHUTDOWN != 0 => "S2",
            () if established && resp & SHUTDOWN != 0 => "S3",
            () if established => "S1",
            () if orig & INIT != 0 && resp == 0 => "S0",
            () => "OTH",
        }
    }

    /// Letters so far.
    pub(super) fn history(&self) -> &History {
        &self.history
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{Orig, Resp};

    fn after(chunks: &[(Side, u8)]) -> (&'static str, String, bool) {
        let mut a = Association::default();
        chunks.iter().for_each(|&(side, kind)| a.chunk(side, kind));
        (a.conn_state(), String::from_utf8_lossy(a.history().letters()).into(), a.is_closed())
    }

    #[test]
    fn a_whole_association() {
        let setup = [(Orig, 1), (Resp, 2), (Orig, 10), (Resp, 11), (Orig, 0), (Resp, 3)];
        assert_eq!(after(&setup), ("S1", "ShAaD".into(), false));
        let end = [&setup[..], &[(Resp, 7), (Orig, 8), (Resp, 14)]].concat();
        assert_eq!(after(&end), ("SF", "ShAaDfF".into(), true));
    }

    #[test]
    fn refused_unanswered_and_joined_midway() {
        assert_eq!(after(&[(Orig, 1)]), ("S0", "S".into(), false));
        assert_eq!(after(&[(Orig, 1), (Resp, 6)]), ("REJ", "Sr".into(), true));
        assert_eq!(after(&[(Orig, 0), (Resp, 3)]), ("OTH", "Da".into(), false));
        assert_eq!(after(&[(Orig, 1), (Resp, 2), (Orig, 10), (Orig, 6)]), ("RSTO", "ShAR".into(), true));
    }
}
