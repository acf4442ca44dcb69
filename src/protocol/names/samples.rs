//! What do the first bytes of each protocol look like? For tests.
//!
//! Hand-made after the specifications, or transcribed from the wire; short, complete messages. [`super::tests`] shows each to everybody.

use crate::protocol::Transport::{self, Tcp, Udp};

/// The first bytes of both sides.
pub(in crate::protocol) struct Sample {
    pub(in crate::protocol) name: &'static str,
    pub(in crate::protocol) transport: Transport,
    /// Where it is usually spoken; its content is enough there.
    pub(in crate::protocol) port: u16,
    pub(in crate::protocol) orig: Vec<u8>,
    pub(in crate::protocol) resp: Vec<u8>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn cat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Every sample.
pub(in crate::protocol) fn all() -> Vec<Sample> {
    let mut out = Vec::new();
    let mut add = |name, transport, port, orig: Vec<u8>, resp: Vec<u8>| {
        out.push(Sample { name, transport, port, orig, resp });
    };
    streams(&mut add);
    datagrams(&mut add);
    out.extend(super::forms::all());
    out
}

fn streams(add: &mut impl FnMut(&'static str, Transport, u16, Vec<u8>, Vec<u8>)) {
    let client: &[(&'static str, u16, &[u8])] = &[
        ("spice", 5930, b"REDQ\x02\0\0\0\x02\0\0\0"),
        ("rlogin", 513, b"\0root\0root\0xterm/38400\0"),
        ("rsh", 514, b"1023\0me\0root\0id\0"),
        ("x11", 6000, b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0"),
        ("x11", 6000, b"B\0\0\x0b\0\0\0\0\0\0\0\0"),
        ("zookeeper", 2181, b"ruok"),
        ("clickhouse", 9000, b"\0\x11ClickHouse client"),
        ("bolt", 7687, b"\x60\x60\xb0\x17\0\0\x01\x04\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("firebird", 3050, b"\0\0\0\x01\0\0\0\x13\0\0\0\x02\0\0\0\x1d\0\0\0\x0b/data/db.fdb"),
        ("openwire", 61616, b"\0\0\0\xf0\x01ActiveMQ\0\0\0\x0c"),
        ("nsq", 4150, b"  V2IDENTIFY\n"),
        ("gearman", 4730, b"\0REQ\0\0\0\x1a\0\0\0\x04test"),
        ("hadoop", 8020, b"hrpc\x09\0\0"),
        ("hbase", 16020, b"HBas\0\x50"),
        ("drda", 50000, b"\0\x26\xd0\x41\0\x01\0\x20\x10\x41\0\x08\x11\x47"),
        ("rmi", 1099, b"JRMI\0\x02\x4b"),
        ("jdwp", 8000, b"JDWP-Handshake"),
        ("ajp", 8009, b"\x12\x34\0\x01\x0a"),
        ("ajp", 8009, b"\x12\x34\0\x40\x02\x02\0\x08HTTP/1.1\0\0\x01/"),
        ("fastcgi", 9000, b"\x01\x01\0\x01\0\x08\0\0\0\x01\0\0\0\0\0\0"),
        ("thrift", 9090, b"\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0"),
        ("thrift", 9090, b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0"),
        ("epmd", 4369, b"\0\x01n"),
        ("distcc", 3632, b"DIST00000001ARGC00000005"),
        ("hl7", 2575, b"\x0bMSH|^~\\&|A|B"),
        ("fix", 9878, b"8=FIX.4.4\x019=65\x0135=A\x01"),
        ("iperf3", 5201, b"abcdefghijklmnopqrstuvwxyz234567abcd\0"),
        ("smpp", 2775, b"\0\0\0\x21\0\0\0\x09\0\0\0\0\0\0\0\x01user\0pass\0\0\x34\0\0\0"),
        ("tacacs", 49, b"\xc0\x01\x01\0\x12\x34\x56\x78\0\0\0\x06\x01\x01\x01\x01\0\0"),
        ("diameter", 3868, b"\x01\0\0\x28\x80\0\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\x01\x08\x40\0\0\x13host.example"),
        ("megaco", 2944, b"MEGACO/1 [10.0.0.1]:2944\r\n"),
        ("slp", 427, b"\x02\x01\0\0\x31\0\0\0\0\0\x12\x34\0\x02en\0\0\0\x0fservice:x"),
        ("ldp", 646, b"\0\x01\0\x20\x0a\0\0\x01\0\0\x02\0\0\x16\0\0\0\x01\x05\0\0\x0e\0\x01\0\xb4"),
        ("lpd", 515, b"\x02queue\n"),
        ("pjl", 9100, b"\x1b%-12345X@PJL JOB\r\n"),
        ("cvs", 2401, b"BEGIN AUTH REQUEST\n/cvs\n"),
        ("whatsapp", 5222, b"WA\x06\x03\0\0\x24\x12\x22\x0a\x20"),
        ("whatsapp", 5222, b"ED\0\x01\0\0\x02\x08\x05WA\x06\x03\0\0\x24\x12\x22\x0a\x20"),
        ("skinny", 2000, b"\x18\0\0\0\0\0\0\0\x01\0\0\0SEP001122334455\0\0\0\0\0"),
        ("oscar", 5190, b"\x2a\x01\0\x01\0\x04\0\0\0\x01"),
        ("ymsg", 5050, b"YMSG\0\x0c\0\0\0\0\0\x4c"),
        ("msnp", 1863, b"VER 1 MSNP15 CVR0\r\n"),
        ("bitcoin", 8333, b"\xf9\xbe\xb4\xd9version\0\0\0\0\0\x66\0\0\0abcd"),
        ("monero", 18080, b"\x01\x21\x01\x01\x01\x01\x01\x01\xe3\0\0\0\0\0\0\0\x01"),
        ("gnutella", 6346, b"GNUTELLA CONNECT/0.6\r\n"),
        ("edonkey", 4662, b"\xe3\x3c\0\0\0\x01\x10abcdefghijklmnop\x01\x02\x03\x04\x36\x12\x03\0\0\0"),
        ("direct_connect", 411, b"$Lock EXTENDEDPROTOCOL"),
        ("libp2p", 4001, b"\x13/multistream/1.0.0\n"),
        ("afp", 548, b"\0\x04\0\x01\0\0\0\0\0\0\0\x06\0\0\0\0\x01\x04\0\0\x04\0"),
        ("afp", 548, b"\0\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("tinc", 655, b"0 node_a 17.7\n"),
        ("steam", 27017, b"\x10\0\0\0VT01abcdefgh"),
        ("minecraft", 25565, b"\x10\0\xfd\x05\x09localhost\x63\xdd\x01"),
        ("hart_ip", 5094, b"\x01\0\0\0\0\x02\0\x0d\x01\0\0\x75\x30"),
        ("someip", 30490, b"\x12\x34\0\x01\0\0\0\x08\0\x01\0\x01\x01\x01\0\0"),
        ("doip", 13400, b"\x02\xfd\0\x05\0\0\0\x07\x0e\0\0\0\0\0\0"),
        ("omron_fins", 9600, b"FINS\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("tuya", 6668, b"\0\0\x55\xaa\0\0\0\x01\0\0\0\x09\0\0\0\x08\x12\x34\x56\x78\0\0\xaa\x55"),
        ("beckhoff_ads", 48898, b"\0\0\x20\0\0\0\x0a\0\0\x01\x01\x01\x10\x27\x0a\0\0\x02\x01\x01\0\x80\x01\0\x04\0\0\0\0\0\0\0\0\0\x01\0\0\0"),
        ("cassandra", 4242, b"\x04\0\0\x01\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0"),
        ("cassandra", 9042, b"\x05\0\0\0\x05\0\0\0\0"),
        ("kafka", 9092, b"\0\0\0\x18\0\x12\0\x03\0\0\0\x01\0\x08consumer\0\0\0\0"),
        ("mqtt", 1883, b"\x33\x12\0\x05sport\0\x01{\"goals\":"),
        ("sunrpc", 111, b"\x80\0\0\x28\0\0\0\x07\0\0\0\0\0\0\0\x02\x30\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("perforce", 1666, b"\x2d\x2d\0\0\0cmpfile\0\0\0\0\0\0func\0\x08\0\0\0protocol\0"),
        ("memcached", 11211, b"\x80\0\0\x03\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0key"),
        ("h323", 1720, b"\x03\0\0\x26\x08\x02\x77\xf4\x05\x04\x03\x80\x90\xa5\x7e\0\x15\x05\x20\xa8\x06\0\x08\x91\x4a\0\x04\x01\x40\x06\0m\0.\0j\0e"),
        ("h323", 4242, b"\x03\0\0\x1c\x02\x30\x01\x06\0\x08\x81\x75\0\x05\0\x80\x1b\xc5\x20\x40\x1d\0\x80\0\0\0\x1b\xc5"),
        ("teamviewer", 5938, b"\x11\x30\x36\0\x18\0\0\0\x01\0\0\0\0\0\0\0\x1b\0\0\0\x18\0\0\0\x8c"),
    ];
    for (name, port, orig) in client {
        add(name, Tcp, *port, orig.to_vec(), Vec::new());
    }
    let server: &[(&'static str, u16, &[u8])] = &[
        ("ica", 1494, b"\x7f\x7fICA\0\x7f\x7fICA\0"),
        ("synergy", 24800, b"\0\0\0\x0bSynergy\0\x01\0\x06"),
        ("nats", 4222, b"INFO {\"server_id\":\"NAB\",\"version\":\"2.9\"}\r\n"),
        ("ceph", 6789, b"ceph v027"),
        ("svn", 3690, b"( success ( 2 2 ( ) ( edit-pipeline ) ) ) "),
        ("managesieve", 4190, b"\"IMPLEMENTATION\" \"Dovecot\"\r\n"),
        ("vmauthd", 902, b"220 VMware Authentication Daemon Version 1.10: SSL Required\r\n"),
        ("munin", 4949, b"# munin node at host.example\n"),
        ("checkmk", 6556, b"<<<check_mk>>>\nVersion: 2.0\n"),
        ("teamspeak", 10011, b"TS3\n\rWelcome"),
        ("nntp", 119, b"200 news.example InterNetNews NNRP server ready\r\n"),
        ("chargen", 19, b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n"),
    ];
    for (name, port, resp) in server {
        add(name, Tcp, *port, Vec::new(), resp.to_vec());
    }
    let both: &[(&'static str, u16, &[u8], &[u8])] = &[
        ("radmin", 4899, b"\x01\0\0\0\x01\0\0\0\x08\x08", b"\x01\0\0\0\x25\0\0\x02\x12\x08"),
        ("memcached", 4242, b"get key\r\n", b"END\r\n"),
        ("openflow", 6653, b"\x04\0\0\x10\0\0\0\x01\0\x01\0\x08\0\0\0\x10", b"\x01\0\0\x08\0\0\0\x02"),
        ("whois", 43, b"example.com\r\n", b"Domain Name: EXAMPLE.COM\r\n"),
        ("finger", 79, b"julien\r\n", b"Login: julien\r\n"),
        ("ident", 113, b"6193, 23\r\n", b"6193, 23 : USERID : UNIX : me\r\n"),
        ("zabbix", 10050, b"agent.ping\n", b"ZBXD\x01\x01\0\0\0\0\0\0\x001"),
        (
            "kafka",
            4242,
            b"\0\0\0\x0e\0\x12\0\x03\0\0\0\x07\xff\xff\0\0\0\0",
            b"\0\0\0\x0a\0\0\0\x07\0\0\0\0\0\0",
        ),
        (
            "tacacs",
            4242,
            b"\xc0\x01\x01\0\x12\x34\x56\x78\0\0\0\x06\x01\x01\x01\x01\0\0",
            b"\xc0\x01\x02\0\x12\x34\x56\x78\0\0\0\x06\x01\x01\x01\x01\0\0",
        ),
        ("mqtt", 4242, b"\xc0\0", b"\xd0\0\x33\x12\0\x05sport\0\x01{\"goals\":"),
    ];
    for (name, port, orig, resp) in both {
        add(name, Tcp, *port, orig.to_vec(), resp.to_vec());
    }
    let long = [b'A'; 32];
    add("dicom", Tcp, 104, cat(&[&[1, 0, 0, 0, 0, 0x60, 0, 1, 0, 0], &long, &[0; 32]]), Vec::new());
    let ping =
        cat(&[&[0, 0, 0, 45, 0, 0, 0, 0], &[0; 8], &[0, 0, 0x75, 0x30], &[0; 8], &[0, 0, 0, 16], &[0; 17]]);
    add("zookeeper", Tcp, 2181, ping, Vec::new());
    let version = 7_000_099_u32.to_be_bytes();
    add("elasticsearch", Tcp, 9300, cat(&[b"ES\0\0\0\x37\0\0\0\0\0\0\0\x01\x08", &version]), Vec::new());
    let head = [0, 58, 0, 0, 1, 0, 0, 0, 1, 0x39, 1, 0x2c];
    let tns = cat(&[&head, &[0; 12], &[0, 0, 0, 58], &[0; 30]]);
    add("oracle", Tcp, 1521, tns, Vec::new());
    let plug: Vec<u8> = br#"{"system":{"get_sysinfo":{}}}"#
        .iter()
        .scan(171, |key, b| {
            *key ^= b;
            Some(*key)
        })
        .collect();
    add("tplink_shp", Tcp, 9999, cat(&[&[0, 0, 0, plug.len() as u8], &plug]), Vec::new());
    add("tplink_shp", Udp, 9999, plug, Vec::new());
    let mms = hex("0300001611e00000000100c0010ac1020001c2020001");
    let initiate =
        hex("0300003002f0800d260506130100160102140200023302000134020001c1101108a0038001010628ca220201");
    add("mms", Tcp, 102, cat(&[&mms, &initiate]), Vec::new());
    let auth = "002a3892b8af4a777fc742781024c276d9a1a8c2321879a02264b3ccbc807700000001577e73b30000000000";
    add("openvpn", Tcp, 443, hex(auth), Vec::new());
    let team = "17240a200000000000000000004800800001000000148000006fb78c804805532216142004";
    add("teamviewer", Tcp, 5938, hex(team), Vec::new());
    let crypt = "0036382a56d979d99eccf40000000163cf4ff5b89824b0aa4e93c089c1e24af5443766b5cab18c23c17d51081eb196a229085eec179d0d88";
    add("openvpn", Tcp, 4242, hex(crypt), Vec::new());
    let rtmp = cat(&[&[3, 0, 0, 0, 0, 9, 0, 0x7c, 2], &[0x5a; 1528]]);
    add("rtmp", Tcp, 4242, rtmp, vec![3, 0x63, 0x50, 0x5f, 0xea, 1, 0, 5, 4]);
    add(
        "adb",
        Tcp,
        5555,
        cat(&[
            b"CNXN",
            &[0, 0, 0, 1, 0, 0, 4, 0, 7, 0, 0, 0, 1, 2, 0, 0],
            b"CNXN".map(|b| !b).as_slice(),
            b"host::\0",
        ]),
        Vec::new(),
    );
    add("c37118", Tcp, 4712, c37118(), Vec::new());
}

/// A command of IEEE C37.118 with the checksum of its frame.
fn c37118() -> Vec<u8> {
    let frame = [0xaa, 0x41, 0, 18, 0, 1, 0x65, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let sum = frame.iter().fold(0xffff_u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b) << 8, |c, _| if c & 0x8000 == 0 { c << 1 } else { c << 1 ^ 0x1021 })
    });
    cat(&[&frame, &sum.to_be_bytes()])
}

fn datagrams(add: &mut impl FnMut(&'static str, Transport, u16, Vec<u8>, Vec<u8>)) {
    let short: &[(&'static str, u16, &[u8])] = &[
        ("xdmcp", 177, b"\0\x01\0\x02\0\x01\0"),
        ("memcached", 11211, b"\0\x01\0\0\0\x01\0\0stats\r\n"),
        ("nat_pmp", 5351, b"\0\0"),
        ("nat_pmp", 5351, b"\0\x01\0\0\x1f\x90\x1f\x90\0\0\x0e\x10"),
        ("slp", 427, b"\x02\x01\0\0\x1d\0\0\0\0\0\x12\x34\0\x02en\0\0\0\x07service\0\0"),
        ("sap", 9875, b"\x20\0\x12\x34\x0a\0\0\x01application/sdp\0v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\n"),
        ("ipmi", 623, b"\x06\0\xff\x07\0\0\0\0\0\0\0\0\0\x09\x20\x18\xc8\x81\0\x38\x8e\x04\xb5"),
        ("ipmi", 623, b"\x06\0\xff\x06\0\0\x11\xbe\x80\0\0\0"),
        ("roughtime", 2002, b"ROUGHTIM\x04\0\0\0abcd"),
        ("wsd", 3702, b"<?xml version=\"1.0\"?><soap:Envelope xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\">"),
        ("ldp", 646, b"\0\x01\0\x1e\x0a\0\0\x01\0\0\x01\0\0\x14\0\0\0\0\x04\0\0\x04\0\x0f\0\0\x04\x01\0\x04\x0a\0\0\x01"),
        ("bfd", 3784, b"\x20\x40\x05\x18\0\0\0\x01\0\0\0\0\0\x0f\x42\x40\0\x0f\x42\x40\0\0\0\0"),
        ("hsrp", 1985, b"\0\0\x10\x03\x0a\x78\x01\0cisco\0\0\0\x0a\0\0\x01"),
        ("hsrp", 2029, b"\x01\x28\x02\0\x06\x04\0\x01\0\x11\x22\x33\x44\x55"),
        ("glbp", 3222, b"\x01\0\0\x0a\0\0\0\x11\x22\x33\x44\x55\x01\x08abcdef"),
        ("rip", 520, b"\x02\x02\0\0\0\x02\0\0\x0a\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\x01"),
        ("babel", 6696, b"\x2a\x02\0\x08\x04\x06\x12\x34\0\x64\x01\x90"),
        ("capwap", 5246, b"\x01\0\0\0\x16\xfe\xff\0\0"),
        ("capwap", 5246, b"\0\x10\0\0\0\0\0\0\0\0\0\x01\0\0\x08\0\0\x14\0\x01\0"),
        ("bjnp", 8611, b"BJNP\x01\x01\0\0\0\x01\0\0\0\0\0\0"),
        ("tivoconnect", 2190, b"TiVoConnect=1\nMethod=Broadcast\n"),
        ("discord", 50_001, b"\x13\x37\xca\xfe\x0e\0\0\0"),
        ("teamspeak", 9987, b"TS3INIT1\0\x65\0\0\x88"),
        ("iax", 4569, b"\x80\x01\0\0\0\0\0\0\0\0\x06\x01\x0b\x02\0\x02"),
        ("dropbox", 17500, b"{\"host_int\": 1, \"version\": [2, 0]}"),
        ("spotify", 57621, b"SpotUdp0abcd"),
        ("gnutella", 6346, b"abcdefgh\xff123456\0\0\x01\0\0\0\0\0"),
        ("edonkey", 4672, b"\xe3\x96\x12\x34\xaa\x55"),
        ("syncthing", 21027, b"\x2e\xa7\xd9\x0babcd"),
        ("tailscale", 41641, b"TS\xf0\x9f\x92\xacabcd"),
        ("steam", 27036, b"\xff\xff\xff\xff\x21\x4c\x5f\xa0\x16\0\0\0\x08"),
        ("source_engine", 27015, b"\xff\xff\xff\xffTSource Engine Query\0"),
        ("source_engine", 27015, b"\xff\xff\xff\xffU\xff\xff\xff\xff"),
        ("quake", 27960, b"\xff\xff\xff\xffgetstatus\n"),
        ("raknet", 19132, b"\x01\0\0\0\0\0\0\0\x01\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"),
        ("someip", 30490, b"\xff\xff\x81\0\0\0\0\x10\0\0\0\x01\x01\x01\x02\0abcdefgh"),
        ("rtps", 7400, b"RTPS\x02\x01\x01\x0fabcdefgh"),
        ("knxnet_ip", 3671, b"\x06\x10\x02\x01\0\x0e\x08\x01\0\0\0\0\x0e\x57"),
        ("omron_fins", 9600, b"\x80\0\x02\0\x01\0\0\x02\0\x01\x01\x01\x82\0\0\0\0\x01"),
        ("h323", 1719, b"\x02\x20\0\0\x06\0\x08\x91\x4a\0\x04\0\x11\x02\0\x7c"),
        ("gtp", 2123, b"\x40\x01\0\x09\0\0\x01\0\x03\0\x01\0\x07"),
        ("gtp", 2152, b"\x32\x01\0\x04\0\0\0\0\0\0\0\0"),
        ("pfcp", 8805, b"\x20\x01\0\x0c\0\0\x01\0\0\x60\0\x04\xe0\0\0\0"),
        ("openvpn", 1194, b"\x38\x33\x48\x57\x70\x3d\x96\xdb\x39\0\0\0\0\0"),
        ("openvpn", 4242, b"\x40\xd3\x1c\x3a\x69\x64\x60\x2f\xa0\x01\0\0\0\0\x33\x48\x57\x70\x3d\x96\xdb\x39\0\0\0\0"),
        ("bittorrent", 6881, b"\x41\0\x12\x34\0\0\x01\0\0\0\0\0\0\x10\0\0\0\x01\0\0"),
        ("bittorrent", 6771, b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"),
        ("collectd", 25826, b"\0\0\0\x09host\0\0\x08\0\x0c\x12\x34\x56\x78\x12\x34\x56\x78"),
    ];
    for (name, port, orig) in short {
        add(name, Udp, *port, orig.to_vec(), Vec::new());
    }
    add(
        "pcp",
        Udp,
        5351,
        cat(&[&[2, 0, 0, 0, 0, 0, 0, 0], &[0; 10], &[0xff, 0xff, 10, 0, 0, 1]]),
        Vec::new(),
    );
    add("ptpv2", Udp, 319, cat(&[&[0, 2, 0, 44, 0, 0], &[0; 38]]), Vec::new());
    add("wol", Udp, 9, cat(&[&[0xff; 6], &[2, 0, 0, 0, 0, 1].repeat(16)]), Vec::new());
    let route = cat(&[&[2, 1, 0, 0, 0x20, 1, 0x0d, 0xb8], &[0; 12], &[0, 0, 32, 1]]);
    add("ripng", Udp, 521, route, Vec::new());
    let register = cat(&[&[0x30, 0, 1, 1], &[7; 8], &[0, 1, 0, 20], &[9; 20], &[0, 0, 5, 0xa0]]);
    add("lisp", Udp, 4342, register, Vec::new());
    add("dnscrypt", Udp, 443, Vec::new(), cat(&[b"r6fnvWj8", &[0x5a; 24], &[0xa5; 80]]));
    add(
        "telegram",
        Udp,
        533,
        cat(&[&[0x5a; 16], &[0xff; 12], &[0xfe, 0xff, 0xff, 0xff], &[7; 8]]),
        Vec::new(),
    );
    let hello = cat(&[&[1, 0, 3], &[0x5a; 17], &[0; 60]]);
    add("zoom", Udp, 8801, hello, cat(&[&[2, 0, 3], &[0x5a; 17], &[1; 24]]));
    add("discord", Udp, 50_002, cat(&[&[0, 1, 0, 70, 0, 2, 0x4b, 0x18], &[0; 64], &[0, 0]]), Vec::new());
    add("mumble", Udp, 64738, cat(&[&[0; 4], &[7; 8]]), cat(&[&[0, 1, 2, 3], &[7; 8], &[0; 12]]));
    let ping = hex("04 cb840a00000182765f82765f c9840a00000282765f80 8465000000");
    let list = cat(&[&[0x5a; 96], &[1, 1, 0xc0 + ping.len() as u8], &ping]);
    add("ethereum", Udp, 30303, list, Vec::new());
    let mut team = vec![0; 96];
    team[10..17].copy_from_slice(&[3, 0x17, 0x24, 0x47, 80, 0, 5]);
    add("teamviewer", Udp, 36_037, team, Vec::new());
    add("miio", Udp, 54321, cat(&[&[0x21, 0x31, 0, 32], &[0xff; 28]]), Vec::new());
    let esp = cat(&[&[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1], &[0x5a; 80]]);
    add("esp", Udp, 4500, esp, Vec::new());
    let wireguard = cat(&[&[4, 0, 0, 0], &[0x5a; 4], &[9, 0, 0, 0, 0, 0, 0, 0], &[0xa5; 32]]);
    add("wireguard", Udp, 4242, wireguard, Vec::new());
    add(
        "sunrpc",
        Udp,
        111,
        hex("000000070000000000000002300000000000000100000000 00000000000000000000000000000000"),
        Vec::new(),
    );
}
