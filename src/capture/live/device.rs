//! Which devices are there, and how is one opened?
//!
//! What libpcap lists, without what is no network (USB, Bluetooth, message buses). A handle is opened without blocking, with stamps of nanoseconds
//! and the kernel's ring of the asked size. Messages say what to do. Refuses to raise privileges.

use super::Settings;
use crate::model::packet::LinkType;
use ipnetwork::IpNetwork;
use pcap::{Active, Capture, Device, Error, Linktype, Precision};
use std::net::IpAddr;
use thiserror::Error as ThisError;

/// The name that means all devices (Linux).
pub(super) const ANY: &str = "any";
/// How long the kernel may hold back packets of a block that is not full, milliseconds.
pub(super) const HOLD_MS: i32 = 100;
/// Snaplen and ring of a device that is opened only to see whether it can be.
const TRIAL_SNAPLEN: i32 = 64;
const TRIAL_BUFFER: i32 = 1 << 20;
/// `LINKTYPE_LINUX_SLL2`: what `any` gives with the interface's number in it.
const SLL2: Linktype = Linktype(276);
/// Pseudo-devices of libpcap that are no networks.
const NO_NETWORKS: [&str; 6] = ["usbmon", "bluetooth", "nflog", "nfqueue", "dbus-", "rdma"];

/// Why devices cannot be listed or opened.
#[derive(Clone, Debug, ThisError)]
pub enum LiveError {
    /// No such device.
    #[error("there is no device {device}; there are: {}", .known.join(", "))]
    NoSuchDevice {
        /// As asked for.
        device: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// The process may not capture.
    #[error("{device}: this user may not capture")]
    NotPermitted {
        /// The device.
        device: String,
    },
    /// libpcap refused.
    #[error("{device}: cannot be opened: {reason}")]
    Device {
        /// The device.
        device: String,
        /// In libpcap's words.
        reason: String,
    },
    /// The filter is not understood.
    #[error("{0}")]
    Filter(String),
    /// The devices cannot be listed.
    #[error("the devices cannot be listed: {0}")]
    List(String),
    /// None, or too many.
    #[error("{0} devices cannot be one capture; give 1 to {max}", max = super::MAX_DEVICES)]
    HowMany(usize),
}

/// A device as it is now.
#[derive(Clone, Debug)]
pub struct Found {
    /// Name.
    pub name: String,
    /// What libpcap calls it.
    pub description: Option<String>,
    /// Its addresses with the networks they are in.
    pub addresses: Vec<IpNetwork>,
    /// Is it switched on?
    pub up: bool,
    /// Is it running (has it a carrier)?
    pub running: bool,
    /// Is it the machine's own loop?
    pub loopback: bool,
    /// Is it wireless?
    pub wireless: bool,
    /// Why we cannot open it; `None`: we can. Only told by [`list`].
    pub refused: Option<String>,
}

pub(super) fn is_network(name: &str) -> bool {
    !NO_NETWORKS.iter().any(|prefix| name.starts_with(prefix))
}

/// Every device, unopened.
pub(super) fn all() -> Result<Vec<Found>, LiveError> {
    let devices = Device::list().map_err(|e| LiveError::List(words(&e)))?;
    Ok(devices
        .into_iter()
        .map(|d| Found {
            addresses: d.addresses.iter().map(|a| with_mask(a.addr, a.netmask)).collect(),
            up: d.flags.is_up(),
            running: d.flags.is_running(),
            loopback: d.flags.is_loopback(),
            wireless: d.flags.is_wireless(),
            name: d.name,
            description: d.desc,
            refused: None,
        })
        .collect())
}

/// The network devices, each opened for a moment to see whether it can be.
///
/// # Errors
/// When the system does not tell its devices.
pub fn list() -> Result<Vec<Found>, LiveError> {
    let mut found = all()?;
    found.retain(|f| is_network(&f.name));
    for f in &mut found {
        let tried = Capture::from_device(f.name.as_str())
            .and_then(|c| c.snaplen(TRIAL_SNAPLEN).buffer_size(TRIAL_BUFFER).timeout(HOLD_MS).open());
        f.refused = tried.err().map(|e| match refused(&f.name, &e) {
            LiveError::NotPermitted { .. } => "not permitted".to_owned(),
            other => match other {
                LiveError::Device { reason, .. } => reason,
                other => other.to_string(),
            },
        });
    }
    Ok(found)
}

fn with_mask(addr: IpAddr, mask: Option<IpAddr>) -> IpNetwork {
    mask.and_then(|mask| IpNetwork::with_netmask(addr, mask).ok()).unwrap_or_else(|| IpNetwork::from(addr))
}

/// The networks of the chosen devices. A device that has only link-local addresses (a mirror port) tells nothing.
pub(super) fn networks(found: &[Found], chosen: &[String]) -> Vec<IpNetwork> {
    let all = chosen.iter().any(|c| c == ANY);
    let mut nets: Vec<IpNetwork> = found
        .iter()
        .filter(|f| all || chosen.contains(&f.name))
        .flat_map(|f| &f.addresses)
        .filter_map(|a| IpNetwork::new(a.network(), a.prefix()).ok())
        .collect();
    nets.sort();
    nets.dedup();
    let telling = |net: &IpNetwork| match net.ip() {
        IpAddr::V4(a) => !a.is_link_local() && !a.is_loopback(),
        IpAddr::V6(a) => !a.is_unicast_link_local() && !a.is_loopback(),
    };
    // Who watches loopback alone means this machine: nothing is to be waited for.
    let loopback = !nets.is_empty() && nets.iter().all(|net| net.ip().is_loopback());
    if loopback || nets.iter().any(telling) { nets } else { Vec::new() }
}

/// Is a device of this name there, but switched off? Linux tells.
pub(super) fn is_down(name: &str) -> bool {
    flags(name).is_some_and(|f| f & 1 == 0)
}

/// Is a device of this name there, as far as the system tells?
pub(super) fn is_missing(name: &str) -> bool {
    cfg!(target_os = "linux") && name != ANY && is_network(name) && flags(name).is_none()
}

fn flags(name: &str) -> Option<u32> {
    if name.contains(['/', '.']) && !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let text = std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

/// What libpcap says.
pub(super) fn words(e: &Error) -> String {
    match e {
        Error::PcapError(text) if !text.is_empty() => text.trim().trim_end_matches('.').to_owned(),
        other => other.to_string(),
    }
}

fn refused(device: &str, e: &Error) -> LiveError {
    let reason = words(e);
    let lower = reason.to_ascii_lowercase();
    let device = device.to_owned();
    if ["permission", "permitted", "cap_net_raw"].iter().any(|w| lower.contains(w)) {
        return LiveError::NotPermitted { device };
    }
    LiveError::Device { device, reason }
}

/// An open device.
pub(super) struct Handle {
    pub(super) capture: Capture<Active>,
    pub(super) link: LinkType,
    pub(super) promiscuous: bool,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("link", &self.link).finish_non_exhaustive()
    }
}

impl Handle {
    pub(super) fn open(name: &str, settings: &Settings) -> Result<Self, LiveError> {
        let promiscuous = settings.promiscuous && name != ANY;
        let opened = match Self::activate(name, settings, promiscuous) {
            // Some devices cannot; what they give is better than nothing.
            Err(_) if promiscuous => Self::activate(name, settings, false).map(|c| (c, false)),
            other => other.map(|c| (c, promiscuous)),
        };
        let (mut capture, promiscuous) = opened.map_err(|e| refused(name, &e))?;
        if name == ANY && capture.list_datalinks().is_ok_and(|l| l.contains(&SLL2)) {
            capture.set_datalink(SLL2).map_err(|e| refused(name, &e))?;
        }
        if let Some(filter) = &settings.filter {
            capture.filter(filter, true).map_err(|e| {
                LiveError::Filter(format!("{name}: the filter '{filter}' is not understood: {}", words(&e)))
            })?;
        }
        let capture = capture.setnonblock().map_err(|e| refused(name, &e))?;
        let link = linktype(capture.get_datalink().0);
        Ok(Self { capture, link, promiscuous })
    }

    fn activate(name: &str, settings: &Settings, promiscuous: bool) -> Result<Capture<Active>, Error> {
        let buffer = i32::try_from(u64::from(settings.buffer_mib) << 20).unwrap_or(i32::MAX);
        let inactive = Capture::from_device(name)?
            .snaplen(i32::try_from(settings.snaplen).unwrap_or(i32::MAX))
            .buffer_size(buffer)
            .promisc(promiscuous)
            .timeout(HOLD_MS);
        let inactive = if NANOS { inactive.precision(Precision::Nano) } else { inactive };
        inactive.open()
    }
}

/// Does libpcap give nanoseconds for every device of this system? Where it does not, nothing says so afterwards.
pub(super) const NANOS: bool = cfg!(target_os = "linux");

/// The number that a file would have for what libpcap calls a link type here. They differ where systems had used a number before.
fn linktype(dlt: i32) -> LinkType {
    match dlt {
        12 | 14 => LinkType(101),
        11 => LinkType(100),
        other => LinkType(u16::try_from(other).unwrap_or(u16::MAX)),
    }
}
