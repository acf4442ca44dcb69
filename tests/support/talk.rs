//! How is a conversation made that no sample holds?
//!
//! Packets between 10.20.0.10 (the client, port 40000) and 10.20.0.20, from what the two say. Wire forms are written out by hand; nothing is shared
//! with the program.

use super::packets::Packet;

/// An Ethernet frame with IPv4 and what it carries, from the client or from the server. Checksums are left out: 0 for UDP, wrong for TCP.
fn frame(from_client: bool, protocol: u8, transport: &[u8]) -> Packet {
    let (client, server) = ([10, 20, 0, 10], [10, 20, 0, 20]);
    let (src, dst) = if from_client { (client, server) } else { (server, client) };
    let mut data = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    data.extend(u16::try_from(20 + transport.len()).unwrap().to_be_bytes());
    data.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    data.extend(src);
    data.extend(dst);
    data.extend(transport);
    Packet { secs: 1_700_000_000, nanos: 0, wire: u32::try_from(data.len()).unwrap(), data }
}

/// A TCP connection to `port` in which the two say these texts in turn.
pub(crate) fn tcp<T: AsRef<[u8]>>(port: u16, said: &[(bool, T)]) -> Vec<Packet> {
    let mut next = [1_000_u32, 5_000_u32];
    let mut out = Vec::new();
    let mut send = |from_client: bool, flags: u8, payload: &[u8]| {
        let (me, other) = if from_client { (0, 1) } else { (1, 0) };
        let ports = if from_client { [40_000, port] } else { [port, 40_000] };
        let mut t: Vec<u8> = ports.iter().flat_map(|p: &u16| p.to_be_bytes()).collect();
        t.extend(next[me].to_be_bytes());
        t.extend(if flags & 0x10 == 0 { 0 } else { next[other] }.to_be_bytes());
        t.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        t.extend(payload);
        next[me] += u32::try_from(payload.len()).unwrap() + u32::from(flags & 0x03 != 0);
        let mut packet = frame(from_client, 6, &t);
        packet.nanos = u32::try_from(out.len()).unwrap() * 1_000_000;
        out.push(packet);
    };
    send(true, 0x02, b"");
    send(false, 0x12, b"");
    send(true, 0x10, b"");
    for (from_client, text) in said {
        send(*from_client, 0x18, text.as_ref());
    }
    send(true, 0x11, b"");
    send(false, 0x11, b"");
    send(true, 0x10, b"");
    out
}

/// A value of DER.
pub(crate) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = vec![tag];
    match body.len() {
        n if n < 128 => out.push(n as u8),
        n => out.extend([0x81, u8::try_from(n).unwrap()]),
    }
    out.extend(body);
    out
}

/// A datagram between port 40000 and `port`.
pub(crate) fn udp(from_client: bool, port: u16, payload: &[u8]) -> Packet {
    let ports = if from_client { [40_000, port] } else { [port, 40_000] };
    let mut u: Vec<u8> = ports.iter().flat_map(|p: &u16| p.to_be_bytes()).collect();
    u.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    u.extend([0, 0]);
    u.extend(payload);
    frame(from_client, 17, &u)
}

/// Packets in the order in which they are, a millisecond apart.
pub(crate) fn in_order(mut packets: Vec<Packet>) -> Vec<Packet> {
    for (i, packet) in packets.iter_mut().enumerate() {
        packet.nanos = u32::try_from(i).unwrap() * 1_000_000;
    }
    packets
}

/// A mail that alice hands to a server (RFC 5321); `text` has its headers and its body.
pub(crate) fn mail(to: &[&str], text: &str) -> Vec<Packet> {
    let mut said = vec![
        (false, "220 mail.example.org ESMTP".to_owned()),
        (true, "EHLO client.example.net".to_owned()),
        (false, "250 mail.example.org".to_owned()),
        (true, "MAIL FROM:<alice@example.net>".to_owned()),
        (false, "250 ok".to_owned()),
    ];
    for one in to {
        said.push((true, format!("RCPT TO:<{one}>")));
        said.push((false, "250 ok".to_owned()));
    }
    said.push((true, "DATA".to_owned()));
    said.push((false, "354 go on".to_owned()));
    said.push((true, format!("{text}.")));
    said.push((false, "250 queued".to_owned()));
    said.push((true, "QUIT".to_owned()));
    said.push((false, "221 bye".to_owned()));
    let lines: Vec<(bool, String)> = said.into_iter().map(|(who, line)| (who, line + "\r\n")).collect();
    tcp(25, &lines)
}
