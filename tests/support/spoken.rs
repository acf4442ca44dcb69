//! Which database holds something of every protocol that other tools have a log for?
//!
//! Samples, and for the protocols that none of them speaks a capture made by hand. Wire forms are written out; nothing is shared with the program.

use super::packets::{Packet, Pcap, pcap};
use super::talk::{der, in_order, mail, tcp, udp};
use super::{Lab, all_samples};

/// Samples that speak protocols with a log of their own; the others are made ([`made`]).
const SPEAK: &[&str] = &[
    "cleartext_login",
    "dns",
    "exe_download",
    "guess_ssh",
    "icmp",
    "ipv6",
    "lan",
    "lateral_smb",
    "modbus_write",
    "roasting",
    "scan",
    "ssh",
    "stealer_report",
    "tls",
    "tls_selfsigned_expired",
    "vlan",
    "web",
];

/// A mail with two recipients, a call, a proxy, a chat, a log message, a login at a directory, at a database, at a switch and at a desktop.
fn made() -> Vec<Packet> {
    let mut out = mail(
        &["bob@example.org", "carol@example.org"],
        "Received: from pc by client.example.net\r\nX-Originating-IP: [203.0.113.9]\r\nFrom: Alice <alice@example.net>\r\n\
                 To: \"Builder, Bob\" <bob@example.org>, carol@example.org\r\nCc: dave@example.org\r\nSubject: Figures\r\n\
                 Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n",
    );
    let head = "Via: SIP/2.0/UDP 10.20.0.10:40000;branch=z9hG4bK1\r\nFrom: <sip:alice@example.net>;tag=1\r\nTo: <sip:bob@example.org>\r\n\
                Call-ID: 7@example.net\r\nCSeq: 2 INVITE\r\nContent-Length: 0\r\n\r\n";
    out.push(udp(true, 5060, format!("INVITE sip:bob@example.org SIP/2.0\r\n{head}").as_bytes()));
    out.push(udp(false, 5060, format!("SIP/2.0 486 Busy Here\r\n{head}").as_bytes()));
    out.extend(tcp(
        1080,
        &[
            (true, "\x05\x01\x00"),
            (false, "\x05\x00"),
            (true, "\x05\x01\x00\x03\x0bexample.org\x00\x50"),
            (false, "\x05\x00\x00\x01\x0a\x00\x00\x02\x04\x38"),
            (true, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
            (false, "HTTP/1.1 204 No Content\r\n\r\n"),
        ],
    ));
    out.extend(tcp(
        6667,
        &[
            (true, "NICK joe\r\nUSER joe 0 * :Joe Doe\r\n"),
            (false, ":irc.example.org 001 joe :Welcome\r\n"),
            (true, "JOIN #lab\r\n"),
            (false, ":joe!joe@10.20.0.10 JOIN #lab\r\n"),
        ],
    ));
    out.push(udp(true, 514, b"<34>Nov 27 10:00:00 pc su: 'su root' failed"));
    let int = |n: u8| der(0x02, &[&[n]]);
    let text = |tag: u8, s: &str| der(tag, &[s.as_bytes()]);
    let ldap = |id: u8, operation: Vec<u8>| der(0x30, &[&int(id), &operation]);
    let result = |tag: u8, code: u8| der(tag, &[&der(0x0a, &[&[code]]), &text(0x04, ""), &text(0x04, "")]);
    let zero = der(0x0a, &[&[0]]);
    let wanted = der(0x30, &[&text(0x04, "cn"), &text(0x04, "mail")]);
    let search = [
        text(0x04, "DC=example,DC=org"),
        der(0x0a, &[&[2]]),
        zero,
        int(0),
        int(0),
        der(0x01, &[&[0]]),
        text(0x87, "uid"),
        wanted,
    ];
    let search: Vec<&[u8]> = search.iter().map(Vec::as_slice).collect();
    out.extend(tcp(
        389,
        &[
            (true, ldap(1, der(0x60, &[&int(3), &text(0x04, "CN=alice"), &text(0x80, "secret")]))),
            (false, ldap(1, result(0x61, 49))),
            (true, ldap(2, der(0x63, &search))),
            (false, ldap(2, result(0x65, 32))),
        ],
    ));
    // MySQL: greeting of version 10, login of 4.1, OK, a query, OK with three rows changed, quit.
    let mysql = |seq: u8, body: &[u8]| [&[u8::try_from(body.len()).unwrap(), 0, 0, seq], body].concat();
    let plugin = b"mysql_native_password\0";
    let greeting = [
        &b"\x0a8.0.36\0\x01\0\0\0saltsalt\0\xff\xf7\x21\x02\0\xff\x81\x15"[..],
        &[0; 10],
        b"saltsaltsalt\0",
        plugin,
    ]
    .concat();
    let login = [&b"\x01\x82\x08\0\0\0\0\x01\x21"[..], &[0; 23], b"root\0\x14", &[7; 20], plugin].concat();
    out.extend(tcp(
        3306,
        &[
            (false, mysql(0, &greeting)),
            (true, mysql(1, &login)),
            (false, mysql(2, &[0, 0, 0, 2, 0, 0, 0])),
            (true, mysql(0, b"\x03DELETE FROM t")),
            (false, mysql(1, &[0, 3, 0, 2, 0, 0, 0])),
            (true, mysql(0, &[1])),
        ],
    ));
    let radius = |code: u8, attributes: &[u8]| {
        [&[code, 7, 0, u8::try_from(20 + attributes.len()).unwrap()], &[9; 16][..], attributes].concat()
    };
    let asked = [&b"\x01\x07alice\x1f\x1300-10-A4-23-19-C0\x02\x12"[..], &[5; 16]].concat();
    out.push(udp(true, 1812, &radius(1, &asked)));
    out.push(udp(false, 1812, &radius(2, b"\x08\x06\x0a\x14\0\x63\x12\x04hi")));
    let request =
        [&b"\x03\0\0\x2b\x26\xe0\0\0\0\0\0Cookie: mstshash=alice\r\n"[..], b"\x01\0\x08\0\x0b\0\0\0"]
            .concat();
    out.extend(tcp(
        3389,
        &[(true, request), (false, b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\x02\0\0\0".to_vec())],
    ));
    in_order(out)
}

/// Everything in the form of `dialect`, in a new folder.
pub(crate) fn exported(lab: &Lab, dialect: &str) -> std::path::PathBuf {
    let to = lab.path(dialect);
    lab.run(&["export", "--format", dialect, "-o", to.to_str().unwrap()]).expect_code(0);
    to
}

/// A database with all of them.
pub(crate) fn spoken() -> Lab {
    let lab = Lab::new();
    let captures: Vec<_> =
        all_samples().into_iter().filter(|s| SPEAK.contains(&s.name.as_str())).map(|s| s.capture).collect();
    assert_eq!(captures.len(), SPEAK.len());
    let made = lab.write("made.pcap", &pcap(&made(), Pcap::Micro, false));
    lab.ingest(&captures.into_iter().chain([made]).collect::<Vec<_>>()).expect_codes(&[0]);
    lab
}
