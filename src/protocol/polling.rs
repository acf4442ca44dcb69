//! How do a million equal readings become a few rows?
//!
//! Controllers are asked for the same values several times a second, for years. What the industrial protocols share lies here: requests
//! that wait for their answer ([`Waiting`]), and equal readings that become one row with a count ([`Polls`]). The first
//! [`FIRST_ROWS`] readings of a kind in a flow are rows of their own, so that their values and times are there; what follows is one row for
//! each [`FOLD_TIME`]. What changes something is never folded. Refuses to decide what is equal: the protocol gives the key.

use super::{Output, Probe};
use crate::flow::At;
use crate::model::flow::{Side, Tuple};
use crate::model::record::Record;
use crate::model::schema::{Column, ColumnType as T, col};
use crate::model::time::{Timestamp, secs};
use crate::model::weird::{Detail, WeirdKind};
use std::collections::{BTreeMap, VecDeque};

/// Equal readings of one flow that get rows of their own before folding begins.
pub const FIRST_ROWS: u32 = 3;

/// Nanoseconds that one folded row may cover, so that a connection of a year still shows when it was polled.
pub const FOLD_TIME: i64 = secs(3_600);

/// Different readings of one flow that are remembered. A busy poller has some dozens; those past it are rows each.
const MAX_KEYS: usize = 256;

/// Requests of one flow that wait for an answer. The protocols allow 1 to 16 at once; a scanner sends more.
const MAX_WAITING: usize = 64;

/// How often, and until when, what a row says was repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// Requests that the row stands for.
    pub count: u32,
    /// When the last of them was seen.
    pub last: Timestamp,
}

impl Repeats {
    /// A request on its own.
    pub fn once(at: At) -> Self {
        Self { count: 1, last: at.ts }
    }
}

/// Shared columns: the saved report of commands reads them from every industrial table.
pub const IS_WRITE: Column = col(
    "is_write",
    T::Bool,
    "",
    "Does it change a value or the state of the device (a command), not only read?",
);
/// Requests a row stands for.
pub const COUNT: Column = col(
    "count",
    T::U32,
    "messages",
    "Equal readings of this flow that the row stands for; 1 for everything that is not folded, and for every command.",
);
/// The last of them.
pub const LAST_TS: Column =
    col("last_ts", T::Time, "UTC", "When the last message that the row stands for began.");
/// From request to answer.
pub const RTT: Column = col(
    "rtt_s",
    T::F64,
    "seconds",
    "From the first request that the row stands for to its answer; NULL when none was seen or none is due.",
);

/// A record that may stand for several equal readings.
pub trait Repeated: Record {
    /// Its count.
    fn repeats(&mut self) -> &mut Repeats;
}

/// The readings of one flow, by what makes them equal.
pub struct Polls<K, R> {
    seen: BTreeMap<K, Seen<R>>,
}

struct Seen<R> {
    rows: u32,
    folded: Option<(At, R)>,
}

impl<K, R> Default for Polls<K, R> {
    fn default() -> Self {
        Self { seen: BTreeMap::new() }
    }
}

impl<K: Ord, R: Repeated> Polls<K, R> {
    /// Write a reading that began at `began`, or count it to an equal one.
    pub fn reading(&mut self, key: K, began: At, record: R, out: &mut Output<'_>) {
        if self.seen.len() >= MAX_KEYS && !self.seen.contains_key(&key) {
            out.record(began, record);
            return;
        }
        let seen = self.seen.entry(key).or_insert(Seen { rows: 0, folded: None });
        if seen.rows < FIRST_ROWS {
            seen.rows += 1;
            out.record(began, record);
            return;
        }
        match &mut seen.folded {
            Some((first, row)) if began.ts.since(first.ts) < FOLD_TIME => {
                let repeats = row.repeats();
                repeats.count = repeats.count.saturating_add(1);
                repeats.last = began.ts;
            }
            folded => {
                if let Some((first, row)) = folded.replace((began, record)) {
                    out.record(first, row);
                }
            }
        }
    }

    /// Write what was folded.
    pub fn finish(&mut self, out: &mut Output<'_>) {
        for (_, seen) in std::mem::take(&mut self.seen) {
            if let Some((first, row)) = seen.folded {
                out.record(first, row);
            }
        }
    }
}

/// Requests that wait for their answer, oldest first.
pub struct Waiting<K, R> {
    queue: VecDeque<(K, At, R)>,
}

impl<K, R> Default for Waiting<K, R> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<K: PartialEq, R> Waiting<K, R> {
    /// A request was sent. Returns the oldest one when there are too many.
    pub fn put(&mut self, key: K, request: R, out: &mut Output<'_>) -> Option<(At, R)> {
        let oldest = if self.queue.len() >= MAX_WAITING {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_WAITING as u64));
            self.queue.pop_front().map(|(_, at, r)| (at, r))
        } else {
            None
        };
        self.queue.push_back((key, out.at, request));
        oldest
    }

    /// The oldest request with this key.
    pub fn take(&mut self, key: &K) -> Option<(At, R)> {
        let at = self.queue.iter().position(|(k, _, _)| k == key)?;
        self.queue.remove(at).map(|(_, at, r)| (at, r))
    }

    /// The oldest request with this key, left where it is.
    pub fn find(&mut self, key: &K) -> Option<(At, &mut R)> {
        self.queue.iter_mut().find(|(k, _, _)| k == key).map(|(_, at, r)| (*at, r))
    }

    /// Those that never got an answer, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = (At, R)> + use<K, R> {
        std::mem::take(&mut self.queue).into_iter().map(|(_, at, r)| (at, r))
    }
}

/// Which side asks? The one that does not sit on a port of the protocol; the originator, unless only it does (a capture that
/// begins mid-connection).
pub fn client(tuple: &Tuple, ports: &[u16]) -> Side {
    if ports.contains(&tuple.src_port) && !ports.contains(&tuple.dst_port) { Side::Resp } else { Side::Orig }
}

/// The first bytes of who asks and who answers, by the same rule.
pub fn asked_and_told<'a>(p: &Probe<'a>, ports: &[u16]) -> (&'a [u8], &'a [u8]) {
    if ports.contains(&p.ports.0) && !ports.contains(&p.ports.1) {
        (p.resp, p.orig)
    } else {
        (p.orig, p.resp)
    }
}

/// The address of a side.
pub fn address(tuple: &Tuple, side: Side) -> crate::model::addr::Ip {
    match side {
        Side::Orig => tuple.src,
        Side::Resp => tuple.dst,
    }
}

/// Seconds from nanoseconds.
pub fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}
