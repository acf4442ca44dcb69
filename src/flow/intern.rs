//! How do many flows share one value?
//!
//! Addresses of 16 bytes, link addresses and tunnel paths repeat over and over; a flow keeps a 4-byte number
//! instead. Values are counted and forgotten with their last user, so memory follows the number of flows.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hash};

/// Values with numbers and users. Numbers are used again.
#[derive(Debug)]
pub(super) struct Interner<T> {
    index: HashTable<u32>,
    entries: Vec<(T, u32)>,
    free: Vec<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Interner<T> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T: Hash + Eq + Clone + Default> Interner<T> {
    /// The number of `value`, with one user more.
    pub(super) fn acquire(&mut self, value: &T) -> u32 {
        let hash = self.hasher.hash_one(value);
        let found = self.index.find(hash, |&id| self.get(id) == Some(value)).copied();
        if let Some(entry) = found.and_then(|id| self.entries.get_mut(id as usize)) {
            entry.1 = entry.1.saturating_add(1);
            return found.unwrap_or_default();
        }
        let id = self.free.pop().unwrap_or(self.entries.len() as u32);
        match self.entries.get_mut(id as usize) {
            Some(entry) => *entry = (value.clone(), 1),
            None => self.entries.push((value.clone(), 1)),
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.index.insert_unique(hash, id, |&other| {
            entries.get(other as usize).map_or(0, |(value, _)| hasher.hash_one(value))
        });
        id
    }

    /// One user less; the last one takes the value along.
    pub(super) fn release(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(id as usize) else { return };
        entry.1 = entry.1.saturating_sub(1);
        if entry.1 > 0 {
            return;
        }
        let value = std::mem::take(&mut entry.0);
        let hash = self.hasher.hash_one(&value);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == id) {
            found.remove();
            self.free.push(id);
        }
    }

    /// The value of a number.
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.entries.get(id as usize).map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_a_number_until_the_last_user_goes() {
        let mut pool = Interner::<String>::default();
        let (a, b) = (pool.acquire(&"x".into()), pool.acquire(&"y".into()));
        assert_eq!(pool.acquire(&"x".into()), a);
        assert_ne!(a, b);
        pool.release(a);
        assert_eq!(pool.get(a).map(String::as_str), Some("x"));
        pool.release(a);
        assert_eq!(pool.acquire(&"z".into()), a, "the number is used again");
        assert_eq!(pool.get(b).map(String::as_str), Some("y"));
    }

    #[test]
    fn many_values_come_and_go() {
        let mut pool = Interner::<u64>::default();
        for round in 0..3 {
            let ids: Vec<_> = (0..5_000u64).map(|v| pool.acquire(&(v * 7 + round))).collect();
            for (v, id) in ids.iter().enumerate() {
                assert_eq!(pool.get(*id), Some(&(v as u64 * 7 + round)));
            }
            ids.into_iter().for_each(|id| pool.release(id));
        }
        assert_eq!((pool.entries.len(), pool.index.len()), (5_000, 0));
    }
}
