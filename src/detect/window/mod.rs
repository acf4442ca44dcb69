//! How much, how many different, and when, in bounded memory?
//!
//! Counting that detectors share. Everything here takes facts that come late (a flow is told when it ends), has a cap, and counts what the
//! cap took. Results never depend on hash order.

mod distinct;

pub use self::distinct::{Distinct, fixed_hash};
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::Hash;

/// State per key, with a cap: when it is full, the quarter that is least suspicious (then least recent) is given up and counted.
#[derive(Debug)]
pub struct Keyed<K, V> {
    map: HashMap<K, Held<V>>,
    cap: usize,
    suspicion: fn(&V) -> u64,
    evicted: u64,
}

#[derive(Debug)]
struct Held<V> {
    last: Timestamp,
    value: V,
}

impl<K: Hash + Eq + Ord + Clone, V: Default> Keyed<K, V> {
    /// At most `cap` keys, or what the table holds that is one doubling smaller when that is nearly as much; `suspicion` ranks what is
    /// worth keeping.
    pub fn new(cap: usize, suspicion: fn(&V) -> u64) -> Self {
        Self { map: HashMap::new(), cap: fitting(cap.max(4)), suspicion, evicted: 0 }
    }

    /// The state of this key, new when there is none; touched at `ts`.
    pub fn at(&mut self, key: &K, ts: Timestamp) -> &mut V {
        if self.map.len() >= self.cap && !self.map.contains_key(key) {
            self.shrink();
        }
        let held = self.map.entry_ref(key).or_insert_with(|| Held { last: ts, value: V::default() });
        held.last = held.last.max(ts);
        &mut held.value
    }

    /// The state of this key, if there is one.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.map.get(key).map(|h| &h.value)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key).map(|h| &mut h.value)
    }

    /// Forget a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.map.remove(key).map(|h| h.value)
    }

    /// Everything, in the order of the keys.
    pub fn drain_sorted(&mut self) -> Vec<(K, V)> {
        let mut all: Vec<(K, V)> = self.map.drain().map(|(k, h)| (k, h.value)).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The keys, in their order.
    pub fn keys(&self) -> Vec<K> {
        let mut all: Vec<K> = self.map.keys().cloned().collect();
        all.sort();
        all
    }

    /// Keys held.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Keys given up because there were too many.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn shrink(&mut self) {
        let give_up = (self.cap / 4).max(1);
        let mut ranked: Vec<(u64, Timestamp, &K)> =
            self.map.iter().map(|(k, h)| ((self.suspicion)(&h.value), h.last, k)).collect();
        if give_up < ranked.len() {
            ranked.select_nth_unstable(give_up);
            ranked.truncate(give_up);
        }
        let gone: Vec<K> = ranked.into_iter().map(|(_, _, key)| key.clone()).collect();
        for key in gone {
            self.map.remove(&key);
            self.evicted += 1;
        }
    }
}

/// A hash table doubles when seven eighths of its places, a power of two, are taken: a cap just above that would cost twice the memory.
fn fitting(cap: usize) -> usize {
    let full = cap.next_power_of_two() / 8 * 7;
    if full < 64 { cap } else { cap.min(full) }
}

/// The latest things of a kind, in the order of their times, with a cap.
#[derive(Clone, Debug)]
pub struct Recent<T> {
    items: VecDeque<(Timestamp, T)>,
    dropped: u64,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), dropped: 0 }
    }
}

impl<T> Recent<T> {
    /// Keep `item`; what is `horizon` nanoseconds older than the newest goes, and the oldest beyond `cap` items.
    pub fn push(&mut self, ts: Timestamp, item: T, horizon: i64, cap: usize) {
        self.push_with(ts, item, horizon, cap, drop);
    }

    /// The same; `gone` gets what leaves.
    pub fn push_with(&mut self, ts: Timestamp, item: T, horizon: i64, cap: usize, mut gone: impl FnMut(T)) {
        // Mostly it is the newest.
        if self.items.back().is_none_or(|(t, _)| *t <= ts) {
            self.items.push_back((ts, item));
        } else {
            let at = self.items.partition_point(|(t, _)| *t <= ts);
            self.items.insert(at, (ts, item));
        }
        let newest = self.items.back().map_or(ts, |(t, _)| *t);
        while let Some((_, old)) = self.items.pop_front_if(|(t, _)| newest.since(*t) > horizon) {
            gone(old);
        }
        while self.items.len() > cap {
            self.items.pop_front().into_iter().for_each(|(_, old)| gone(old));
            self.dropped += 1;
        }
    }

    /// All that is kept, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(Timestamp, T)> {
        self.items.iter()
    }

    /// Those from `from` to `to`, both included.
    pub fn between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &(Timestamp, T)> {
        let start = self.items.partition_point(|(t, _)| *t < from);
        let end = self.items.partition_point(|(t, _)| *t <= to);
        self.items.range(start..end.max(start))
    }

    /// Most items in any stretch of `window` nanoseconds that holds the time `around`.
    pub fn most(&self, around: Timestamp, window: i64) -> usize {
        self.most_distinct_by(around, window, None::<fn(&T) -> u64>)
    }

    /// Most different `key`s in any stretch of `window` nanoseconds that holds the time `around`.
    pub fn most_distinct<K: Hash + Eq>(
        &self,
        around: Timestamp,
        window: i64,
        key: impl Fn(&T) -> K,
    ) -> usize {
        self.most_distinct_by(around, window, Some(key))
    }

    fn most_distinct_by<K: Hash + Eq>(
        &self,
        around: Timestamp,
        window: i64,
        key: Option<impl Fn(&T) -> K>,
    ) -> usize {
        let near: Vec<&(Timestamp, T)> = self.between(around.plus(-window), around.plus(window)).collect();
        let mut counts: HashMap<K, u32> = HashMap::new();
        let (mut best, mut from, mut n) = (0, 0usize, 0usize);
        for (ts, item) in &near {
            n += 1;
            if let Some(key) = &key {
                *counts.entry(key(item)).or_default() += 1;
            }
            while let Some((old, gone)) = near.get(from).filter(|(t, _)| ts.since(*t) > window) {
                debug_assert!(old <= ts);
                from += 1;
                n -= 1;
                if let Some(key) = &key
                    && let Some(c) = counts.get_mut(&key(gone))
                {
                    *c -= 1;
                    if *c == 0 {
                        counts.remove(&key(gone));
                    }
                }
            }
            best = best.max(if key.is_some() { counts.len() } else { n });
        }
        best
    }

    /// Number kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Dropped because of the cap.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}

/// Counts by the second, for rates. Takes what comes late within the seconds it keeps.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    /// Second since 1970 and its count, in order.
    seconds: VecDeque<(i64, u64)>,
}

impl Rate {
    /// `n` events at `ts`; at most `keep` seconds with events are kept.
    pub fn add(&mut self, ts: Timestamp, n: u64, keep: usize) {
        let second = ts.0.div_euclid(NANOS_PER_SEC);
        let at = self.seconds.partition_point(|(s, _)| *s < second);
        match self.seconds.get_mut(at).filter(|(s, _)| *s == second) {
            Some((_, count)) => *count += n,
            None => self.seconds.insert(at, (second, n)),
        }
        while self.seconds.len() > keep.max(1) {
            self.seconds.pop_front();
        }
    }

    /// `n` events spread evenly from `first` to `last` (a flow).
    pub fn spread(&mut self, first: Timestamp, last: Timestamp, n: u64, keep: usize) {
        let (from, to) = (
            first.0.div_euclid(NANOS_PER_SEC),
            last.0.div_euclid(NANOS_PER_SEC).max(first.0.div_euclid(NANOS_PER_SEC)),
        );
        // Only the last seconds would be kept anyway: a flow of years costs no more than these.
        let seconds = to.saturating_sub(from).saturating_add(1);
        let told = seconds.min(keep.max(1) as i64);
        let all = u128::from(seconds.unsigned_abs().max(1));
        let until = |i: i64| u128::from(n) * u128::from(i.unsigned_abs()) / all;
        for i in 0..told {
            let share = until(i + 1) - until(i);
            self.add(Timestamp(to.saturating_sub(i).saturating_mul(NANOS_PER_SEC)), share as u64, keep);
        }
    }

    /// Most events in any `window` whole seconds in a row.
    pub fn peak(&self, window: i64) -> u64 {
        let (mut best, mut sum, mut from) = (0, 0u64, 0usize);
        for (second, n) in &self.seconds {
            sum += n;
            while let Some((old, gone)) = self.seconds.get(from).filter(|(s, _)| second - s >= window) {
                debug_assert!(old <= second);
                sum -= gone;
                from += 1;
            }
            best = best.max(sum);
        }
        best
    }

    /// Events from the second of `from` to that of `to`.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> u64 {
        let (from, to) = (from.0.div_euclid(NANOS_PER_SEC), to.0.div_euclid(NANOS_PER_SEC));
        self.seconds.iter().filter(|(s, _)| (from..=to).contains(s)).map(|(_, n)| n).sum()
    }

    /// All that is kept.
    pub fn total(&self) -> u64 {
        self.seconds.iter().map(|(_, n)| n).sum()
    }
}

/// Places of [`Busiest`]: what makes up more than a ninth is found.
const PLACES: usize = 8;

/// Which few occur most (Misra, Gries 1982): what is more than a ninth of all is kept, with a count that is at most as much too low.
#[derive(Clone, Debug)]
pub struct Busiest<T> {
    places: Vec<(T, u64)>,
}

impl<T> Default for Busiest<T> {
    fn default() -> Self {
        Self { places: Vec::new() }
    }
}

impl<T: Eq + Ord + Clone> Busiest<T> {
    /// `n` more of `item`.
    pub fn add(&mut self, item: &T, n: u64) {
        if let Some((_, count)) = self.places.iter_mut().find(|(i, _)| i == item) {
            *count += n;
        } else if self.places.len() < PLACES {
            self.places.push((item.clone(), n));
        } else {
            let least = self.places.iter().map(|(_, c)| *c).min().unwrap_or(0).min(n);
            self.places.iter_mut().for_each(|(_, c)| *c -= least);
            self.places.retain(|(_, c)| *c > 0);
            if n > least && self.places.len() < PLACES {
                self.places.push((item.clone(), n - least));
            }
        }
    }

    /// The one that occurs most, with its count; of equals the lowest.
    pub fn first(&self) -> Option<(&T, u64)> {
        self.places.iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0))).map(|(i, c)| (i, *c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = NANOS_PER_SEC;

    #[test]
    fn what_comes_late_still_counts_in_its_window() {
        let mut r = Recent::default();
        for (t, port) in [(0, 1), (70, 2), (10, 3), (65, 4), (20, 1)] {
            r.push(Timestamp(t * S), port, 300 * S, 100);
        }
        assert_eq!(r.most_distinct(Timestamp(20 * S), 60 * S, |p| *p), 4, "10 to 70: ports 3, 1, 4, 2");
        assert_eq!(r.most(Timestamp(0), 20 * S), 3);
        assert_eq!(r.between(Timestamp(10 * S), Timestamp(65 * S)).count(), 3);
    }

    #[test]
    fn old_and_excess_items_go() {
        let mut r = Recent::default();
        (0..100).for_each(|t| r.push(Timestamp(t * S), (), 10 * S, 5));
        assert_eq!((r.len(), r.dropped()), (5, 95));
    }

    #[test]
    fn rates_find_their_peak() {
        let mut r = Rate::default();
        r.add(Timestamp(5 * S), 10, 60);
        r.add(Timestamp(9 * S), 30, 60);
        r.add(Timestamp(7 * S), 20, 60);
        assert_eq!((r.peak(1), r.peak(3), r.peak(5), r.total()), (30, 50, 60, 60));
        assert_eq!(r.between(Timestamp(6 * S), Timestamp(9 * S)), 50);
        let mut s = Rate::default();
        s.spread(Timestamp(0), Timestamp(9 * S), 105, 60);
        assert_eq!((s.total(), s.peak(10)), (105, 105));
        let mut rare = Rate::default();
        rare.spread(Timestamp(0), Timestamp(600 * S), 600, 60);
        assert!(rare.peak(10) <= 11, "one a second, wherever the rest goes");
        s.spread(Timestamp(0), Timestamp(i64::MAX), 1_000, 60);
        assert!(s.seconds.len() <= 60);
    }

    #[test]
    fn the_busiest_is_found_among_many() {
        let mut b = Busiest::default();
        (0..1_000u32).for_each(|n| b.add(&if n % 3 == 0 { 7 } else { n + 100 }, 1));
        let (item, count) = b.first().unwrap();
        assert!(*item == 7 && (200..=334).contains(&count), "{item} {count}");
        assert_eq!(Busiest::<u8>::default().first(), None);
    }

    #[test]
    fn the_least_suspicious_go_first() {
        let mut k: Keyed<u32, u64> = Keyed::new(8, |v| *v);
        for n in 0..8 {
            *k.at(&n, Timestamp(0)) = u64::from(n);
        }
        k.at(&99, Timestamp(1));
        assert_eq!(k.evicted(), 2);
        assert!(k.get(&0).is_none() && k.get(&1).is_none() && k.get(&7).is_some() && k.get(&99).is_some());
    }

    #[test]
    fn many_are_estimated_within_a_tenth() {
        for n in [100u32, 1_000, 50_000] {
            let mut d = Distinct::default();
            (0..n).for_each(|i| {
                d.insert(&i, 256);
                d.insert(&i, 256);
            });
            let error = (d.len() as f64 - f64::from(n)).abs() / f64::from(n);
            assert!(error < 0.1, "{n}: {}", d.len());
        }
    }

    #[test]
    fn two_counts_become_one_as_if_counted_together() {
        for (a, b) in
            [(0..50u32, 25..90u32), (0..5_000, 4_000..4_100), (0..60, 0..9_000), (0..5_000, 3_000..9_000)]
        {
            let mut parts = [Distinct::default(), Distinct::default(), Distinct::default()];
            let [one, other, both] = &mut parts;
            for i in a.clone() {
                one.insert(&i, 256);
            }
            for i in b.clone() {
                other.insert(&i, 256);
            }
            for i in a.clone().chain(b.clone()) {
                both.insert(&i, 256);
            }
            one.absorb(other, 256);
            assert_eq!((one.len(), one.is_exact()), (both.len(), both.is_exact()), "{a:?} {b:?}");
        }
    }
}
