//! How do facts get from the shards of address pairs to those of hosts?
//!
//! Each shard fills one list a target; the lists are exchanged between the parallel steps, never copied. Their order is that of the shards.

use super::SHARDS;
use super::host::HostShard;
use super::inventory::Sighting;
use super::judge::Fact;
use super::shard::Shard;
use crate::model::event::Event;
use crate::model::time::Timestamp;
use crate::topology::Subnets;
use rayon::prelude::*;

/// Run every flow shard, carry its events over to the host shards, run those. Each step is parallel; the order in which a host shard
/// gets its events is that of the shards, never that of the threads.
pub(super) fn fan_out(
    shards: &mut [Shard],
    hosts: &mut [HostShard],
    lanes: &mut Lanes,
    ours: Option<&Subnets>,
    until: Timestamp,
    work: &(dyn Fn(&mut Shard) + Sync),
) {
    shards.par_iter_mut().with_max_len(1).for_each(work);
    for (s, shard) in shards.iter_mut().enumerate() {
        cross(&mut shard.by_host, &mut lanes.events, s);
    }
    hosts
        .par_iter_mut()
        .zip(lanes.events.par_iter_mut())
        .with_max_len(1)
        .for_each(|(host, lane)| host.run(lane, ours, until));
    for (s, host) in hosts.iter_mut().enumerate() {
        cross(&mut host.abroad, &mut lanes.sightings, s);
        cross(&mut host.judge.to_target, &mut lanes.facts, s);
    }
    hosts
        .par_iter_mut()
        .zip(lanes.sightings.par_iter_mut().zip(lanes.facts.par_iter_mut()))
        .with_max_len(1)
        .for_each(|(host, (sightings, facts))| {
            host.meet(sightings);
            host.judge.meet(facts);
        });
}

/// What is on its way from one shard to another: `[to][from]`.
pub(super) struct Lanes {
    /// From flow shards to host shards.
    events: Vec<Vec<Vec<Event>>>,
    /// From the shard of one end of a flow to that of the other.
    sightings: Vec<Vec<Vec<Sighting>>>,
    /// From the shard of an originator to that of the responder.
    facts: Vec<Vec<Vec<Fact>>>,
}

impl Lanes {
    pub(super) fn new() -> Self {
        fn square<T>() -> Vec<Vec<Vec<T>>> {
            (0..SHARDS).map(|_| (0..SHARDS).map(|_| Vec::new()).collect()).collect()
        }
        Self { events: square(), sightings: square(), facts: square() }
    }
}

/// Room that an emptied lane keeps. There are 256 of them: at their largest, which a burst towards one host decides, they would
/// hold tens of MB for good.
const LANE_ROOM: usize = 32;

/// Exchange the lists that shard `from` has filled, one a target, with the emptied ones of the lanes.
fn cross<T>(filled: &mut [Vec<T>], lanes: &mut [Vec<Vec<T>>], from: usize) {
    for (list, lane) in filled.iter_mut().zip(lanes) {
        if let Some(slot) = lane.get_mut(from) {
            std::mem::swap(list, slot);
            list.shrink_to(LANE_ROOM);
        }
    }
}
