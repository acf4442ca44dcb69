//! How do pieces that come in any order become one run of bytes?
//!
//! CRYPTO frames of QUIC (RFC 9000 section 19.6) and handshake fragments of DTLS (RFC 6347 section 4.2.3) say where their bytes
//! belong. Pieces may repeat and overlap; the first bytes seen stay. Refuses to grow past the cap it was made with.

/// Separate runs that are kept at once. Chrome cuts its hello into about 20 pieces and shuffles them.
const RUNS_CAP: usize = 64;

/// Bytes in the making.
#[derive(Clone, Debug, Default)]
pub(in crate::protocol) struct Assembly {
    data: Vec<u8>,
    /// Runs that are there, as (begin, end), apart from each other and in order.
    runs: Vec<(usize, usize)>,
}

impl Assembly {
    /// Add a piece; false when it does not fit below `cap` bytes or there are too many holes.
    pub(in crate::protocol) fn insert(&mut self, at: u64, piece: &[u8], cap: usize) -> bool {
        let Some((begin, end)) =
            usize::try_from(at).ok().and_then(|b| Some((b, b.checked_add(piece.len())?)))
        else {
            return false;
        };
        if end > cap {
            return false;
        }
        if piece.is_empty() {
            return true;
        }
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        // What lies in the holes between the runs that are there.
        let mut from = begin;
        for (run_begin, run_end) in self.runs.iter().chain(&[(end, end)]) {
            let to = (*run_begin).min(end);
            if from < to
                && let Some(hole) = self.data.get_mut(from..to)
                && let Some(bytes) = piece.get(from - begin..to - begin)
            {
                hole.copy_from_slice(bytes);
            }
            from = from.max(*run_end);
        }
        self.runs.push((begin, end));
        self.runs.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(self.runs.len());
        for (begin, end) in self.runs.drain(..) {
            match merged.last_mut() {
                Some(last) if begin <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((begin, end)),
            }
        }
        merged.truncate(RUNS_CAP + 1);
        self.runs = merged;
        self.runs.len() <= RUNS_CAP
    }

    /// The bytes from the beginning up to the first hole.
    pub(in crate::protocol) fn whole(&self) -> &[u8] {
        match self.runs.first() {
            Some((0, end)) => self.data.get(..*end).unwrap_or(&[]),
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_in_any_order_are_one_run() {
        let text = b"the quick brown fox jumps over the lazy dog";
        for step in [1, 2, 3, 7] {
            let mut a = Assembly::default();
            let pieces: Vec<_> = text.chunks(step).enumerate().collect();
            for (i, piece) in pieces.iter().rev().filter(|(i, _)| i % 2 == 0) {
                assert!(a.insert((i * step) as u64, piece, 100));
            }
            assert_eq!(a.whole(), &text[..step.min(text.len())]);
            for (i, piece) in pieces.iter().filter(|(i, _)| i % 2 == 1) {
                assert!(a.insert((i * step) as u64, piece, 100));
            }
            assert_eq!(a.whole(), text, "pieces of {step}");
        }
    }

    #[test]
    fn what_came_first_stays_and_caps_hold() {
        let mut a = Assembly::default();
        assert!(a.insert(2, b"cd", 10) && a.insert(0, b"xxxxxx", 10));
        assert_eq!(a.whole(), b"xxcdxx");
        assert!(!a.insert(8, b"abc", 10) && !a.insert(u64::MAX, b"a", 10));
        let mut holes = Assembly::default();
        assert!((0..RUNS_CAP as u64).all(|i| holes.insert(1 + i * 2, b"x", 1000)));
        assert!(!holes.insert(999, b"x", 1000) && holes.whole().is_empty());
    }
}
