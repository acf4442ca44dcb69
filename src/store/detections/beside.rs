//! In which order, and how many at once, are detections asked?
//!
//! Two at once, each on a connection of its own: planning a statement takes one thread, and so does most of what these ask, while a thread of DuckDB that has
//! nothing to do waits busily. Answers come back by position, so that it cannot be seen who was first. What failed for want of memory while another
//! was asked is asked again alone. Refuses to judge the answers.

use super::{Detection, Outcome, Period, Scope, ask};
use duckdb::Connection;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Statements asked at once. DuckDB's memory is shared among them, and the shipped ones were measured in pairs.
const AT_ONCE: usize = 2;

/// The outcomes of those that are `worth` it, by position. `two`: may two be asked at once?
pub(super) fn ask_all(
    db: &Connection,
    all: &[Detection],
    worth: &[bool],
    scope: &Scope,
    period: &Period,
    two: bool,
) -> BTreeMap<usize, Outcome> {
    let asked: Vec<(usize, &Detection)> =
        all.iter().enumerate().filter(|(i, _)| worth.get(*i).copied().unwrap_or(false)).collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = |db: &Connection| {
        while let Some((i, d)) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = ask(db, d, scope, period);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(*i, outcome);
        }
    };
    // Without a second connection it goes on with one.
    let others: Vec<Connection> = if two && asked.len() > 1 {
        (1..AT_ONCE).filter_map(|_| db.try_clone().ok()).collect()
    } else {
        Vec::new()
    };
    let alone = others.is_empty();
    std::thread::scope(|s| {
        for other in others {
            let work = &work;
            s.spawn(move || work(&other));
        }
        work(db);
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !alone {
        for (i, d) in asked {
            if done.get(&i).and_then(|o| o.error.as_deref()).is_some_and(|e| e.contains(NO_MEMORY)) {
                done.insert(i, ask(db, d, scope, period));
            }
        }
    }
    done
}

/// How DuckDB's sentence begins when a statement does not fit into its memory.
const NO_MEMORY: &str = "Out of Memory Error";
