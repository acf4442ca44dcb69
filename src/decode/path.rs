//! How is the path of tunnels around a packet named?
//!
//! Steps such as `gre` or `vxlan:42` joined by `/`, outermost first. A path is part of a flow's identity, so it
//! must be the same in both directions: identifiers that each side chooses for itself (GTP tunnel endpoints, GRE and
//! PPTP keys, L2TP sessions, MPLS labels) stay out of it, identifiers of a network (VXLAN, GENEVE, NVGRE, ERSPAN) are in.
//!
//! The text of a path is made once: each [`super::Layers`] remembers the paths it met, and all share one table, so
//! that equal paths are mostly the same pointer and a known tunnel costs no allocation per packet.

use super::TunnelPath;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Paths in the shared table. A capture with more networks than this still gets right texts, only not shared ones; 64 Ki
/// paths take about 6 MiB.
const SHARED_PATHS: usize = 65_536;
/// Slots of the small cache in front of it; a power of two.
const CACHE_SLOTS: usize = 256;

/// One tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Gre,
    Nvgre(u32),
    Erspan(u16),
    IpIp,
    SixInFour,
    FourInSix,
    SixInSix,
    EtherIp,
    MplsIp,
    Vxlan(u32),
    Geneve(u32),
    GtpU,
    Teredo,
    L2tp,
    Ayiya,
    Capwap,
    GreUdp,
    MplsUdp,
}

impl Step {
    /// A number that differs for different steps.
    fn number(self) -> u64 {
        let (kind, id) = match self {
            Self::Gre => (0, 0),
            Self::Nvgre(id) => (1, id),
            Self::Erspan(id) => (2, u32::from(id)),
            Self::IpIp => (3, 0),
            Self::SixInFour => (4, 0),
            Self::FourInSix => (5, 0),
            Self::SixInSix => (6, 0),
            Self::EtherIp => (7, 0),
            Self::MplsIp => (8, 0),
            Self::Vxlan(id) => (9, id),
            Self::Geneve(id) => (10, id),
            Self::GtpU => (11, 0),
            Self::Teredo => (12, 0),
            Self::L2tp => (13, 0),
            Self::Ayiya => (14, 0),
            Self::Capwap => (15, 0),
            Self::GreUdp => (16, 0),
            Self::MplsUdp => (17, 0),
        };
        (kind << 32) | u64::from(id)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gre => f.write_str("gre"),
            Self::Nvgre(id) => write!(f, "nvgre:{id}"),
            Self::Erspan(id) => write!(f, "erspan:{id}"),
            Self::IpIp => f.write_str("ipip"),
            Self::SixInFour => f.write_str("6in4"),
            Self::FourInSix => f.write_str("4in6"),
            Self::SixInSix => f.write_str("6in6"),
            Self::EtherIp => f.write_str("etherip"),
            Self::MplsIp => f.write_str("mpls"),
            Self::Vxlan(id) => write!(f, "vxlan:{id}"),
            Self::Geneve(id) => write!(f, "geneve:{id}"),
            Self::GtpU => f.write_str("gtpu"),
            Self::Teredo => f.write_str("teredo"),
            Self::L2tp => f.write_str("l2tp"),
            Self::Ayiya => f.write_str("ayiya"),
            Self::Capwap => f.write_str("capwap"),
            Self::GreUdp => f.write_str("gre-udp"),
            Self::MplsUdp => f.write_str("mpls-udp"),
        }
    }
}

/// The paths of all workers.
#[derive(Debug, Default)]
pub(super) struct Paths {
    known: Mutex<HashMap<Box<str>, Arc<str>>>,
}

impl Paths {
    fn share(&self, text: String) -> Arc<str> {
        let Ok(mut known) = self.known.lock() else { return text.into() };
        if let Some(path) = known.get(text.as_str()) {
            return Arc::clone(path);
        }
        let path: Arc<str> = text.as_str().into();
        if known.len() < SHARED_PATHS {
            known.insert(text.into(), Arc::clone(&path));
        }
        path
    }
}

#[derive(Debug)]
struct Slot {
    parent: TunnelPath,
    step: Step,
    path: Arc<str>,
}

/// The paths one worker met last.
#[derive(Debug, Default)]
pub(super) struct PathCache {
    slots: Vec<Option<Slot>>,
}

/// The same text in the same place? Different places are taken as different: that costs one look into the table.
fn same(a: &TunnelPath, b: &TunnelPath) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

impl PathCache {
    /// `parent` with one more `step`.
    pub(super) fn extend(&mut self, shared: &Paths, parent: &TunnelPath, step: Step) -> Arc<str> {
        if self.slots.is_empty() {
            self.slots.resize_with(CACHE_SLOTS, || None);
        }
        let place = parent.as_ref().map_or(0, |p| p.as_ptr() as usize as u64);
        let mixed = (step.number() ^ place.rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let index = mixed as usize % CACHE_SLOTS;
        if let Some(Some(slot)) = self.slots.get(index)
            && slot.step == step
            && same(&slot.parent, parent)
        {
            return Arc::clone(&slot.path);
        }
        let path = shared.share(match parent {
            Some(parent) => format!("{parent}/{step}"),
            None => step.to_string(),
        });
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(Slot { parent: parent.clone(), step, path: Arc::clone(&path) });
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_paths_are_one_pointer_across_workers() {
        let shared = Paths::default();
        let (mut one, mut two) = (PathCache::default(), PathCache::default());
        let a = one.extend(&shared, &None, Step::Vxlan(42));
        let b = two.extend(&shared, &None, Step::Vxlan(42));
        assert!(Arc::ptr_eq(&a, &b) && &*a == "vxlan:42");
        let c = one.extend(&shared, &Some(a.clone()), Step::IpIp);
        let d = two.extend(&shared, &Some(b), Step::IpIp);
        assert!(Arc::ptr_eq(&c, &d) && &*c == "vxlan:42/ipip");
        assert!(Arc::ptr_eq(&c, &one.extend(&shared, &Some(a), Step::IpIp)));
    }

    #[test]
    fn more_networks_than_slots_keep_their_names() {
        let shared = Paths::default();
        let mut cache = PathCache::default();
        for round in 0..2 {
            for id in 0..2 * CACHE_SLOTS as u32 {
                assert_eq!(
                    *cache.extend(&shared, &None, Step::Geneve(id)),
                    *format!("geneve:{id}"),
                    "{round}"
                );
            }
        }
        assert_eq!(shared.known.lock().unwrap().len(), 2 * CACHE_SLOTS);
    }
}
