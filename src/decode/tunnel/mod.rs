//! What travels inside IP and UDP?
//!
//! Tunnels directly over IP are announced by the protocol number: see `ip`. Those over UDP are not announced at
//! all: a port is a hint, and the structure of what follows must fit (version, reserved bits, lengths, and an
//! IP packet or Ethernet frame inside), so that an ordinary datagram to such a port is not mistaken. See `udp`, `gtp`. The
//! outer packet has been recorded when these functions run; whatever they refuse stays its payload.

mod gtp;
mod ip;
mod udp;

use super::config::Config;

/// What a UDP port hints at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hint {
    Vxlan,
    VxlanGpe,
    Geneve,
    GtpU,
    Teredo,
    L2tp,
    Ayiya,
    Capwap,
    Gre,
    Mpls,
}

/// The ports that hint at tunnels. A bit for each port answers almost every packet from 8 KiB.
#[derive(Debug)]
pub(super) struct PortSet {
    bits: Box<[u64]>,
    hints: Vec<(u16, Hint)>,
}

impl PortSet {
    pub(super) fn new(config: &Config) -> Self {
        let lists = [
            (&config.vxlan_ports, Hint::Vxlan),
            (&config.vxlan_gpe_ports, Hint::VxlanGpe),
            (&config.geneve_ports, Hint::Geneve),
            (&config.gtpu_ports, Hint::GtpU),
            (&config.teredo_ports, Hint::Teredo),
            (&config.l2tp_ports, Hint::L2tp),
            (&config.ayiya_ports, Hint::Ayiya),
            (&config.capwap_ports, Hint::Capwap),
            (&config.gre_udp_ports, Hint::Gre),
            (&config.mpls_udp_ports, Hint::Mpls),
        ];
        let mut set = Self { bits: vec![0; 1024].into_boxed_slice(), hints: Vec::new() };
        for (ports, hint) in lists {
            for &port in ports {
                set.hints.push((port, hint));
                if let Some(word) = set.bits.get_mut(usize::from(port >> 6)) {
                    *word |= 1 << (port & 63);
                }
            }
        }
        set
    }

    /// Does any tunnel use this port?
    #[inline]
    pub(super) fn has(&self, port: u16) -> bool {
        self.bits.get(usize::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 == 1)
    }

    /// What the port hints at; the first list that names it wins.
    fn hint(&self, port: u16) -> Option<Hint> {
        self.hints.iter().find(|(p, _)| *p == port).map(|(_, hint)| *hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configured_port_is_known_and_no_other() {
        let set = PortSet::new(&Config::default());
        let known: Vec<u16> = (0..=u16::MAX).filter(|p| set.has(*p)).collect();
        assert_eq!(known, [1701, 2152, 3544, 4754, 4789, 4790, 5072, 5247, 6081, 6635, 8472]);
        assert!(known.iter().all(|p| set.hint(*p).is_some()));
    }
}
