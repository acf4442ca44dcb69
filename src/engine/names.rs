//! By which name was a server called?
//!
//! Remembers, per client, the names whose DNS answers gave an address, so that a flow to that address gets the name its
//! client had asked for. Kept per host shard: client and answer meet there. Refuses to guess: an answer to another client, or one that came
//! after the flow began, names nothing.

use crate::model::addr::Ip;
use crate::model::time::Timestamp;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Client and server pairs remembered per shard: what a table of 8,192 places holds before it doubles. At about 200 bytes a pair 16 shards
/// stay under 23 MB. Beyond it the oldest is forgotten and counted.
const PAIRS: usize = 7_168;
/// Names remembered per pair: enough for a busy content network's address, which one client meets under several names.
const NAMES_PER_PAIR: usize = 4;

/// Which client asked, and which address it was given.
type Pair = (Ip, Ip);

/// Names of one shard's clients.
#[derive(Debug, Default)]
pub(super) struct Names {
    pairs: HashMap<Pair, VecDeque<(Timestamp, Arc<str>)>>,
    order: VecDeque<Pair>,
    forgotten: u64,
}

impl Names {
    /// At `ts`, `client` was told that `name` is at `server`.
    pub(super) fn learn(&mut self, client: Ip, server: Ip, ts: Timestamp, name: &Arc<str>) {
        let pair = (client, server);
        if let Some(known) = self.pairs.get_mut(&pair) {
            if known.back().is_some_and(|(_, last)| last == name) {
                return; // asked again: the first answer already names what follows
            }
            if known.len() >= NAMES_PER_PAIR {
                known.pop_front();
            }
            known.push_back((ts, Arc::clone(name)));
            return;
        }
        if self.order.len() >= PAIRS
            && let Some(oldest) = self.order.pop_front()
        {
            self.pairs.remove(&oldest);
            self.forgotten += 1;
        }
        self.order.push_back(pair);
        self.pairs.insert(pair, VecDeque::from([(ts, Arc::clone(name))]));
    }

    /// The name under which `client` reached `server` with a flow that began at `began`.
    pub(super) fn of(&self, client: Ip, server: Ip, began: Timestamp) -> Option<&Arc<str>> {
        let known = self.pairs.get(&(client, server))?;
        known.iter().rev().find(|(ts, _)| *ts <= began).map(|(_, name)| name)
    }

    /// Pairs forgotten because there were too many.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_answer_before_the_flow_names_it() {
        let (client, server) = (Ip::v4([10, 0, 0, 1]), Ip::v4([192, 0, 2, 1]));
        let (a, b): (Arc<str>, Arc<str>) = ("a.example".into(), "b.example".into());
        let mut names = Names::default();
        names.learn(client, server, Timestamp(10), &a);
        names.learn(client, server, Timestamp(20), &b);
        let name = |t| names.of(client, server, Timestamp(t)).map(|n| &**n);
        assert_eq!(
            (name(5), name(10), name(19), name(99)),
            (None, Some("a.example"), Some("a.example"), Some("b.example"))
        );
        assert!(names.of(server, client, Timestamp(99)).is_none());
    }

    #[test]
    fn memory_is_bounded_and_forgetting_counted() {
        let mut names = Names::default();
        let name: Arc<str> = "x".into();
        for i in 0..PAIRS as u32 + 10 {
            names.learn(Ip::v4(i.to_be_bytes()), Ip::v4([1; 4]), Timestamp(0), &name);
        }
        assert_eq!((names.pairs.len(), names.forgotten()), (PAIRS, 10));
    }
}
