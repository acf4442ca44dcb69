//! What happened on a connection, letter by letter?
//!
//! Zeek's `history`: upper case for the originator, lower case for the responder. `s` SYN, `h` SYN-ACK, `a` pure ACK,
//! `d` payload, `f` FIN, `r` RST, `g` content gap, `t` retransmitted payload, `w` zero window, `i` FIN with RST, `q` other
//! contradicting flags, `^` direction turned. `g`, `t` and `w` are written at the 1st, 10th, 100th … time.

use crate::model::flow::Side;

/// Letters kept of one flow. A peer that keeps changing the sequence numbers of its RSTs could go on for ever; real
/// histories have fewer than 30.
pub(super) const MAX_LETTERS: usize = 120;

/// Letters that fit without an allocation.
const INLINE: usize = 22;

/// The letters so far; 24 bytes as long as there are few.
#[derive(Clone, Debug)]
pub(super) enum History {
    /// Number of letters, and they.
    Short(u8, [u8; INLINE]),
    /// More than fit.
    Long(u8, Box<[u8; MAX_LETTERS]>),
}

impl Default for History {
    fn default() -> Self {
        Self::Short(0, [0; INLINE])
    }
}

impl History {
    /// Append a letter, given in upper case.
    pub(super) fn push(&mut self, side: Side, letter: u8) {
        let letter = if side == Side::Orig { letter } else { letter.to_ascii_lowercase() };
        if let Self::Short(len, letters) = self
            && *len as usize == INLINE
        {
            let mut more = [0; MAX_LETTERS];
            more.iter_mut().zip(letters).for_each(|(to, from)| *to = *from);
            *self = Self::Long(INLINE as u8, Box::new(more));
        }
        let (len, letters) = match self {
            Self::Short(len, letters) => (len, letters.as_mut_slice()),
            Self::Long(len, letters) => (len, letters.as_mut_slice()),
        };
        if let Some(place) = letters.get_mut(usize::from(*len)) {
            *place = letter;
            *len += 1;
        }
    }

    /// The letters.
    pub(super) fn letters(&self) -> &[u8] {
        match self {
            Self::Short(len, letters) => letters.get(..*len as usize).unwrap_or(&[]),
            Self::Long(len, letters) => letters.get(..*len as usize).unwrap_or(&[]),
        }
    }
}

/// Is this count worth a letter: the 1st, 10th, 100th … time?
pub(super) fn is_milestone(count: u32) -> bool {
    count > 0 && 10u32.checked_pow(count.ilog10()) == Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_take_the_case_of_their_side_and_stop_at_the_cap() {
        let mut h = History::default();
        assert_eq!(size_of::<History>(), 24);
        h.push(Side::Orig, b'S');
        h.push(Side::Resp, b'H');
        assert_eq!(h.letters(), b"Sh");
        for _ in 0..500 {
            h.push(Side::Resp, b'R');
        }
        assert_eq!(h.letters().len(), MAX_LETTERS);
        assert!(h.letters().starts_with(b"Shrrrrrrrrrrrrrrrrrrrrrrrrrrr"));
    }

    #[test]
    fn milestones_are_powers_of_ten() {
        let hits: Vec<u32> = (0..=1000).filter(|&n| is_milestone(n)).collect();
        assert_eq!(hits, [1, 10, 100, 1000]);
        assert!(is_milestone(1_000_000_000) && !is_milestone(u32::MAX));
    }
}
