//! How many different things, in bounded memory?
//!
//! Exact while they are few, then a HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007), whose estimate is kept ready: it is asked far more
//! often than it changes.

use hashbrown::HashSet;
use std::hash::{Hash, Hasher};

/// Registers of the sketch: 2^10, so an estimate is off by some 3 % (1.04 / sqrt(1024), Flajolet et al. 2007).
const REGISTERS: usize = 1 << 10;

/// Greatest value of a register: 64 bits of hash without the 10 that choose it.
const MOST_RANK: u32 = 54;

/// How many different things: exact up to a cap, a HyperLogLog of 1 KiB past it.
#[derive(Clone, Debug)]
pub enum Distinct<T> {
    /// Few.
    Exact(HashSet<T>),
    /// Many.
    Sketch(Box<Sketch>),
}

/// The registers of a HyperLogLog, with what an estimate needs of them: it is asked far more often than it changes.
#[derive(Clone, Debug)]
pub struct Sketch {
    registers: [u8; REGISTERS],
    /// Sum of 2^-register, in parts of 2^-54: the greatest register is 54.
    sum: u128,
    empty: u32,
}

impl Sketch {
    fn new() -> Box<Self> {
        Box::new(Self {
            registers: [0; REGISTERS],
            sum: (REGISTERS as u128) << MOST_RANK,
            empty: REGISTERS as u32,
        })
    }

    /// Count `item`; true when that changed something.
    fn note(&mut self, item: &impl Hash) -> bool {
        let hash = fixed_hash(item);
        let rank = (hash >> 10).trailing_zeros().min(MOST_RANK - 1) as u8 + 1;
        match self.registers.get_mut(hash as usize % REGISTERS) {
            Some(r) if *r < rank => {
                self.empty -= u32::from(*r == 0);
                self.sum -= (1 << (MOST_RANK - u32::from(*r))) - (1 << (MOST_RANK - u32::from(rank)));
                *r = rank;
                true
            }
            _ => false,
        }
    }

    /// Registers are maxima, so those of both together are the greater ones.
    fn absorb(&mut self, other: &Self) {
        for (mine, other) in self.registers.iter_mut().zip(other.registers) {
            *mine = (*mine).max(other);
        }
        self.empty = self.registers.iter().filter(|r| **r == 0).count() as u32;
        self.sum = self.registers.iter().map(|r| 1_u128 << (MOST_RANK - u32::from(*r))).sum();
    }

    fn estimate(&self) -> usize {
        let m = REGISTERS as f64;
        let sum = self.sum as f64 / (1_u64 << MOST_RANK) as f64;
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let small = raw <= 2.5 * m && self.empty > 0;
        let corrected = if small { m * (m / f64::from(self.empty)).ln() } else { raw };
        corrected.round() as usize
    }
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self::Exact(HashSet::new())
    }
}

impl<T: Hash + Eq + Ord + Clone> Distinct<T> {
    /// Count `item`; exact while there are at most `cap`. True when it is new (past the cap: when the sketch changed).
    pub fn insert(&mut self, item: &T, cap: usize) -> bool {
        match self {
            Self::Exact(set) if set.contains(item) => false,
            Self::Exact(set) if set.len() < cap => set.insert(item.clone()),
            Self::Exact(set) => {
                let mut sketch = Sketch::new();
                // Registers are maxima: the order does not show.
                #[allow(clippy::iter_over_hash_type)]
                for old in set.iter() {
                    sketch.note(old);
                }
                let new = sketch.note(item);
                *self = Self::Sketch(sketch);
                new
            }
            Self::Sketch(sketch) => sketch.note(item),
        }
    }

    /// Count all that `other` counted; exact while together there are at most `cap`.
    pub fn absorb(&mut self, other: &Self, cap: usize) {
        match (&mut *self, other) {
            (_, Self::Exact(set)) => {
                // Sets and registers do not show the order.
                #[allow(clippy::iter_over_hash_type)]
                for item in set {
                    self.insert(item, cap);
                }
            }
            (Self::Sketch(mine), Self::Sketch(other)) => mine.absorb(other),
            (Self::Exact(set), Self::Sketch(other)) => {
                let mut sketch = other.clone();
                // Registers are maxima here, too.
                #[allow(clippy::iter_over_hash_type)]
                for item in set.iter() {
                    sketch.note(item);
                }
                *self = Self::Sketch(sketch);
            }
        }
    }

    /// How many, past the cap an estimate.
    pub fn len(&self) -> usize {
        match self {
            Self::Exact(set) => set.len(),
            Self::Sketch(sketch) => sketch.estimate(),
        }
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is the number exact?
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    /// The lowest ones, as far as they are known exactly.
    pub fn sorted(&self) -> Vec<T> {
        match self {
            Self::Exact(set) => {
                let mut all: Vec<T> = set.iter().cloned().collect();
                all.sort_unstable();
                all
            }
            Self::Sketch(_) => Vec::new(),
        }
    }
}

/// A fixed hash: the same on every machine and in every run.
pub fn fixed_hash(item: &impl Hash) -> u64 {
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            // FNV's low bits mix well, its high ones do not: a finalizer spreads them.
            let mut h = self.0;
            h ^= h >> 33;
            h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
            h ^= h >> 33;
            h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            h ^ (h >> 33)
        }
        fn write(&mut self, bytes: &[u8]) {
            for b in bytes {
                self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    item.hash(&mut hasher);
    hasher.finish()
}
