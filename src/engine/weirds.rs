//! Which oddities are stored?
//!
//! All are counted; of each kind the first [`STORED_PER_KIND`] in packet order become rows, because a capture with checksum
//! offload has as many as packets and the ten-thousandth teaches nothing.

use crate::model::weird::{Weird, WeirdKind};

/// Rows stored per kind and capture.
pub(super) const STORED_PER_KIND: u64 = 1_000;

/// Counts of one capture.
#[derive(Debug)]
pub(super) struct WeirdLog {
    counts: Vec<u64>,
}

impl Default for WeirdLog {
    fn default() -> Self {
        Self { counts: vec![0; WeirdKind::ALL.len()] }
    }
}

impl WeirdLog {
    /// Count it; true when it is to be stored.
    pub(super) fn admit(&mut self, weird: &Weird) -> bool {
        match self.counts.get_mut(weird.kind as usize) {
            Some(n) => {
                *n += 1;
                *n <= STORED_PER_KIND
            }
            None => false,
        }
    }

    /// All that were counted.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Counted but not stored.
    pub(super) fn not_stored(&self) -> u64 {
        self.counts.iter().map(|n| n.saturating_sub(STORED_PER_KIND)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use crate::model::weird::Detail;

    #[test]
    fn stores_the_first_and_counts_all() {
        let mut log = WeirdLog::default();
        let w = Weird {
            kind: WeirdKind::BadIpChecksum,
            ts: Timestamp(0),
            packet: 1,
            flow_id: None,
            detail: Detail::None,
        };
        let stored = (0..STORED_PER_KIND + 5).filter(|_| log.admit(&w)).count() as u64;
        assert_eq!((stored, log.total(), log.not_stored()), (STORED_PER_KIND, STORED_PER_KIND + 5, 5));
    }
}
