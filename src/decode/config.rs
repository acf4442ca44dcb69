//! Which knobs does decoding have?
//!
//! Every value has a reason to be what it is; ports are IANA's unless said otherwise. A port alone never makes a
//! tunnel: what follows must also have its structure (see `tunnel`).

use serde::{Deserialize, Serialize};

/// Settings of the decoder and the defragmenter (`[decode]` in the configuration file).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Verify IPv4, TCP, UDP and ICMP checksums of packets that were captured whole. A wrong one is a weird.
    pub verify_checksums: bool,
    /// Seconds of packet time after which an incomplete fragmented packet is given up, counted from its first
    /// fragment. 30 is Linux' `ipfrag_time` and Zeek's default.
    pub fragment_timeout_s: u64,
    /// Memory for fragments that wait for others, MiB. Linux keeps 4; a capture of a backbone sees many hosts.
    pub fragment_memory_mib: u32,
    /// VXLAN (RFC 7348). 8472 was Linux' choice before IANA's.
    pub vxlan_ports: Vec<u16>,
    /// VXLAN with a next-protocol field (draft-ietf-nvo3-vxlan-gpe).
    pub vxlan_gpe_ports: Vec<u16>,
    /// GENEVE (RFC 8926).
    pub geneve_ports: Vec<u16>,
    /// GTP-U (3GPP TS 29.281). On other ports, a G-PDU is told by its content alone, which is strict.
    pub gtpu_ports: Vec<u16>,
    /// Teredo (RFC 4380). On other ports, told by the Teredo prefix inside.
    pub teredo_ports: Vec<u16>,
    /// L2TP versions 2 and 3 (RFC 2661, RFC 3931).
    pub l2tp_ports: Vec<u16>,
    /// AYIYA (draft-massar-v6ops-ayiya).
    pub ayiya_ports: Vec<u16>,
    /// CAPWAP data channel (RFC 5415).
    pub capwap_ports: Vec<u16>,
    /// GRE in UDP (RFC 8086).
    pub gre_udp_ports: Vec<u16>,
    /// MPLS in UDP (RFC 7510).
    pub mpls_udp_ports: Vec<u16>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            verify_checksums: true,
            fragment_timeout_s: 30,
            fragment_memory_mib: 8,
            vxlan_ports: vec![4789, 8472],
            vxlan_gpe_ports: vec![4790],
            geneve_ports: vec![6081],
            gtpu_ports: vec![2152],
            teredo_ports: vec![3544],
            l2tp_ports: vec![1701],
            ayiya_ports: vec![5072],
            capwap_ports: vec![5247],
            gre_udp_ports: vec![4754],
            mpls_udp_ports: vec![6635],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_errors_and_missing_ones_keep_their_default() {
        let read: Config = toml::from_str("fragment_timeout_s = 60\nvxlan_ports = [1]").unwrap();
        assert_eq!(read, Config { fragment_timeout_s: 60, vxlan_ports: vec![1], ..Config::default() });
        assert!(toml::from_str::<Config>("vxlan_port = [1]").is_err());
    }
}
