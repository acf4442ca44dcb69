//! Who is the originator when nobody saw the beginning?
//!
//! Usually who spoke first. But a capture may begin midway, or lose the first packet: then a sender that uses a
//! server's port was the one spoken to. The rule and the ports are Zeek's (`likely_server_ports` of its default
//! scripts), so that rows compare; one rule is ours: whoever sends a SYN-ACK was spoken to, whatever its port. A flow turned
//! this way begins its history with `^`.

use crate::decode::Decoded;
use crate::model::flow::ip_protocol;

const FIN_SYN_RST: u8 = 0x07;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// TCP ports that Zeek's default analysers register, ascending.
static TCP_SERVERS: &[u16] = &[
    21, 22, 25, 53, 79, 80, 81, 88, 110, 135, 139, 143, 389, 443, 445, 502, 563, 585, 587, 614, 631, 636,
    989, 990, 992, 993, 995, 1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5222, 5223, 5269, 5432, 6379,
    6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000,
];

/// UDP ports that Zeek's default analysers register, ascending.
static UDP_SERVERS: &[u16] = &[
    53, 67, 88, 123, 137, 161, 162, 389, 443, 514, 784, 1812, 2123, 2152, 3389, 3544, 4789, 5060, 5072, 5353,
    5355, 6081, 20000,
];

fn is_server(ports: &[u16], port: u16) -> bool {
    ports.binary_search(&port).is_ok()
}

/// Does the first packet seen of a flow come from the end that was spoken to?
pub(super) fn first_comes_from_responder(d: &Decoded) -> bool {
    if !d.has_transport || d.dst.is_multicast() {
        return false; // a group never opens a conversation
    }
    let (from, to) = (d.src_port, d.dst_port);
    match d.protocol {
        ip_protocol::TCP if d.tcp.flags & FIN_SYN_RST == SYN => d.tcp.flags & ACK != 0,
        ip_protocol::TCP => is_server(TCP_SERVERS, from) && (!is_server(TCP_SERVERS, to) || from < to),
        ip_protocol::UDP => is_server(UDP_SERVERS, from) && !is_server(UDP_SERVERS, to),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::TcpHeader;
    use crate::flow::testing::{ip4, udp};

    #[test]
    fn lists_are_sorted_for_the_search() {
        assert!(TCP_SERVERS.is_sorted() && UDP_SERVERS.is_sorted());
    }

    #[test]
    fn a_server_port_tells_the_responder() {
        let turned = |from, to| first_comes_from_responder(&udp(1, 0, (ip4(1), from), (ip4(2), to), 1));
        assert!(turned(53, 40_000));
        assert!(!turned(40_000, 53) && !turned(68, 67) && !turned(40_000, 40_001));
        let group = udp(1, 0, (ip4(1), 53), (crate::model::addr::Ip::v4([239, 0, 0, 1]), 40_000), 1);
        assert!(!first_comes_from_responder(&group));
    }

    #[test]
    fn tcp_is_told_by_its_flags_first() {
        let turned = |flags, from, to| {
            first_comes_from_responder(&Decoded {
                protocol: ip_protocol::TCP,
                tcp: TcpHeader { flags, ..Default::default() },
                ..udp(1, 0, (ip4(1), from), (ip4(2), to), 0)
            })
        };
        assert!(!turned(SYN, 80, 40_000), "a SYN opens, even from port 80");
        assert!(turned(SYN | ACK, 40_000, 40_001), "a SYN-ACK answers");
        assert!(turned(ACK, 443, 50_000) && !turned(ACK, 50_000, 443));
        assert!(turned(ACK, 80, 443) && !turned(ACK, 443, 80), "of two servers the lower port serves");
    }
}
