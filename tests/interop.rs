//! Do exports say what other tools expect, by name, order and type?
//!
//! The lists are facts, typed by hand: fields marked `&log` of the `Info` records under Zeek's `scripts/base` and `scripts/policy`, compared log by log
//! with those scripts and with the logs of Zeek's own tests, and the index of EVE's fields in Suricata's user guide (`eve-index`, made from
//! `etc/schema.json`). What a site may add by policy scripts or packages is named apart. Nothing of those tools has to be installed.

use crate::support::packets::{Packet, Pcap, pcap};
use crate::support::talk::{der, in_order, tcp, udp};
use crate::support::{Lab, all_samples, root};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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

const ENDS: &str = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port ";

/// Zeek's logs: the fields of its base scripts in their order, `*` for [`ENDS`], then behind `+` those of policy scripts and packages.
const ZEEK: &[(&str, &str)] = &[
    (
        "conn",
        "* proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool \
         missed_bytes:count history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string] \
         ip_proto:count + community_id:string vlan:int inner_vlan:int orig_l2_addr:string resp_l2_addr:string",
    ),
    (
        "dns",
        "* proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count qtype_name:string rcode:count \
         rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count answers:vector[string] TTLs:vector[interval] rejected:bool",
    ),
    (
        "http",
        "* trans_depth:count method:string host:string uri:string referrer:string version:string user_agent:string origin:string \
         request_body_len:count response_body_len:count status_code:count status_msg:string info_code:count info_msg:string tags:set[enum] \
         username:string password:string proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] \
         orig_mime_types:vector[string] resp_fuids:vector[string] resp_filenames:vector[string] resp_mime_types:vector[string]",
    ),
    (
        "ssl",
        "* version:string cipher:string curve:string server_name:string resumed:bool last_alert:string next_protocol:string established:bool \
         ssl_history:string cert_chain_fps:vector[string] client_cert_chain_fps:vector[string] sni_matches_cert:bool + ja3:string ja3s:string \
         ja4:string",
    ),
    (
        "x509",
        "ts:time fingerprint:string certificate.version:count certificate.serial:string certificate.subject:string certificate.issuer:string \
         certificate.not_valid_before:time certificate.not_valid_after:time certificate.key_alg:string certificate.sig_alg:string \
         certificate.key_type:string certificate.key_length:count certificate.exponent:string certificate.curve:string san.dns:vector[string] \
         san.uri:vector[string] san.email:vector[string] san.ip:vector[addr] basic_constraints.ca:bool basic_constraints.path_len:count \
         host_cert:bool client_cert:bool",
    ),
    (
        "files",
        "ts:time fuid:string uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port source:string depth:count \
         analyzers:set[string] mime_type:string filename:string duration:interval local_orig:bool is_orig:bool seen_bytes:count \
         total_bytes:count missing_bytes:count overflow_bytes:count timedout:bool parent_fuid:string md5:string sha1:string sha256:string \
         extracted:string extracted_cutoff:bool extracted_size:count",
    ),
    (
        "ssh",
        "* version:count auth_success:bool auth_attempts:count direction:enum client:string server:string cipher_alg:string mac_alg:string \
         compression_alg:string kex_alg:string host_key_alg:string host_key:string + hassh:string hasshServer:string",
    ),
    ("smb_mapping", "* path:string service:string native_file_system:string share_type:string"),
    (
        "smb_files",
        "* fuid:string action:enum path:string name:string size:count prev_name:string times.modified:time times.accessed:time \
         times.created:time times.changed:time",
    ),
    (
        "ftp",
        "* user:string password:string command:string arg:string mime_type:string file_size:count reply_code:count reply_msg:string \
         data_channel.passive:bool data_channel.orig_h:addr data_channel.resp_h:addr data_channel.resp_p:port fuid:string",
    ),
    (
        "kerberos",
        "* request_type:string client:string service:string success:bool error_msg:string from:time till:time cipher:string forwardable:bool \
         renewable:bool client_cert_subject:string client_cert_fuid:string server_cert_subject:string server_cert_fuid:string",
    ),
    ("weird", "* name:string addl:string notice:bool peer:string source:string"),
    (
        "notice",
        "* fuid:string file_mime_type:string file_desc:string proto:enum note:enum msg:string sub:string src:addr dst:addr p:port n:count \
         peer_descr:string actions:set[enum] email_dest:set[string] suppress_for:interval remote_location.country_code:string \
         remote_location.region:string remote_location.city:string remote_location.latitude:double remote_location.longitude:double",
    ),
    (
        "dhcp",
        "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string client_fqdn:string domain:string \
         requested_addr:addr assigned_addr:addr lease_time:interval client_message:string server_message:string msg_types:vector[string] \
         duration:interval",
    ),
    (
        "smtp",
        "* trans_depth:count helo:string mailfrom:string rcptto:set[string] date:string from:string to:set[string] cc:set[string] \
         reply_to:string msg_id:string in_reply_to:string subject:string x_originating_ip:addr first_received:string second_received:string \
         last_reply:string path:vector[addr] user_agent:string tls:bool fuids:vector[string] + is_webmail:bool",
    ),
    (
        "ntlm",
        "* username:string hostname:string domainname:string server_nb_computer_name:string server_dns_computer_name:string \
         server_tree_name:string success:bool",
    ),
    ("dce_rpc", "* rtt:interval named_pipe:string endpoint:string operation:string"),
    (
        "rdp",
        "* cookie:string result:string security_protocol:string client_channels:vector[string] keyboard_layout:string client_build:string \
         client_name:string client_dig_product_id:string desktop_width:count desktop_height:count requested_color_depth:string \
         cert_type:string cert_count:count cert_permanent:bool encryption_level:string encryption_method:string",
    ),
    (
        "sip",
        "* trans_depth:count method:string uri:string date:string request_from:string request_to:string response_from:string \
         response_to:string reply_to:string call_id:string seq:string subject:string request_path:vector[string] \
         response_path:vector[string] user_agent:string status_code:count status_msg:string warning:string request_body_len:count \
         response_body_len:count content_type:string",
    ),
    (
        "snmp",
        "* duration:interval version:string community:string get_requests:count get_bulk_requests:count get_responses:count \
         set_requests:count display_string:string up_since:time",
    ),
    (
        "socks",
        "* version:count user:string password:string status:string request.host:addr request.name:string request_p:port bound.host:addr \
         bound.name:string bound_p:port",
    ),
    (
        "radius",
        "* username:string mac:string framed_addr:addr tunnel_client:string connect_info:string reply_msg:string result:string ttl:interval",
    ),
    ("mysql", "* cmd:string arg:string success:bool rows:count response:string"),
    ("modbus", "* tid:count unit:count func:string pdu_type:string exception:string"),
    (
        "ldap",
        "* message_id:int version:int opcode:string result:string diagnostic_message:string object:string argument:string",
    ),
    (
        "ldap_search",
        "* message_id:int scope:string deref_aliases:string base_object:string result_count:count result:string \
         diagnostic_message:string filter:string attributes:vector[string]",
    ),
    (
        "irc",
        "* nick:string user:string command:string value:string addl:string dcc_file_name:string dcc_file_size:count dcc_mime_type:string \
         fuid:string",
    ),
    ("syslog", "* proto:enum facility:string severity:string message:string"),
];

/// Logs that no sample fills and that cannot be made by hand (a QUIC hello is encrypted, DNP3 has checksums in every block): a capture of the corpus
/// that lies beside the project on some machines.
const CORPUS: &[(&str, &str, &str)] = &[
    (
        "quic",
        "protocols/ndpi_quic-v2.pcapng",
        "* version:string client_initial_dcid:string client_scid:string server_scid:string server_name:string client_protocol:string \
         history:string",
    ),
    ("dnp3", "protocols/zeekx_dnp3_dnp3.pcap", "* fc_request:string fc_reply:string iin:count"),
];

/// A mail with two recipients, a call, a proxy, a chat, a log message, a login at a directory, at a database, at a switch and at a desktop.
fn made() -> Vec<Packet> {
    let mut out = tcp(
        25,
        &[
            (false, "220 mail.example.org ESMTP\r\n"),
            (true, "EHLO client.example.net\r\n"),
            (false, "250 mail.example.org\r\n"),
            (true, "MAIL FROM:<alice@example.net>\r\n"),
            (false, "250 ok\r\n"),
            (true, "RCPT TO:<bob@example.org>\r\n"),
            (false, "250 ok\r\n"),
            (true, "RCPT TO:<carol@example.org>\r\n"),
            (false, "250 ok\r\n"),
            (true, "DATA\r\n"),
            (false, "354 go on\r\n"),
            (
                true,
                "Received: from pc by client.example.net\r\nX-Originating-IP: [203.0.113.9]\r\nFrom: Alice <alice@example.net>\r\n\
                 To: \"Builder, Bob\" <bob@example.org>, carol@example.org\r\nCc: dave@example.org\r\nSubject: Figures\r\n\
                 Date: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\nHello.\r\n.\r\n",
            ),
            (false, "250 queued\r\n"),
            (true, "QUIT\r\n"),
            (false, "221 bye\r\n"),
        ],
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

fn exported(lab: &Lab, dialect: &str) -> std::path::PathBuf {
    let to = lab.path(dialect);
    lab.run(&["export", "--format", dialect, "-o", to.to_str().unwrap()]).expect_code(0);
    to
}

fn spoken() -> Lab {
    let lab = Lab::new();
    let captures: Vec<_> =
        all_samples().into_iter().filter(|s| SPEAK.contains(&s.name.as_str())).map(|s| s.capture).collect();
    assert_eq!(captures.len(), SPEAK.len());
    let made = lab.write("made.pcap", &pcap(&made(), Pcap::Micro, false));
    lab.ingest(&captures.into_iter().chain([made]).collect::<Vec<_>>()).expect_codes(&[0]);
    lab
}

/// Is a cell of a TSV log of the type that its head says?
fn is(kind: &str, cell: &str) -> bool {
    if let Some(inner) = kind.strip_prefix("set[").or_else(|| kind.strip_prefix("vector[")) {
        return cell == "(empty)" || cell.split(',').all(|c| c == "-" || is(inner.trim_end_matches(']'), c));
    }
    match kind {
        "time" | "interval" | "double" => {
            cell.split_once('.').is_some_and(|(s, f)| s.parse::<i64>().is_ok() && f.len() == 6)
        }
        "addr" => cell.parse::<IpAddr>().is_ok(),
        "port" => cell.parse::<u16>().is_ok(),
        "count" => cell.parse::<u64>().is_ok(),
        "int" => cell.parse::<i64>().is_ok(),
        "bool" => cell == "T" || cell == "F",
        "enum" => !cell.is_empty() && !cell.contains(' '),
        "string" => !cell.is_empty(),
        other => panic!("no type of Zeek's: {other}"),
    }
}

/// Names, order and types of a log's fields, and every cell of it. How many fields had a value is counted in `seen`.
fn check(
    text: &str,
    log: &str,
    told: &str,
    seen: &mut BTreeMap<String, usize>,
    problems: &mut BTreeSet<String>,
) {
    let told = told.replace("* ", ENDS).replace(" + ", " ");
    let told: Vec<(&str, &str)> = told.split_whitespace().map(|f| f.split_once(':').unwrap()).collect();
    let head = |name: &str| -> Vec<String> {
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        line.split('\t').skip(1).map(str::to_owned).collect()
    };
    let ours: Vec<(String, String)> = head("#fields").into_iter().zip(head("#types")).collect();
    let ours: Vec<(&str, &str)> = ours.iter().map(|(f, t)| (f.as_str(), t.as_str())).collect();
    assert_eq!(ours, told, "{log}.log");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        for (cell, (field, kind)) in line.split('\t').zip(&told) {
            if cell != "-" {
                *seen.entry(format!("{log}.{field}")).or_insert(0) += 1;
                if !is(kind, cell) {
                    problems.insert(format!("{log}.{field} is {kind}, not {cell}"));
                }
            }
        }
    }
}

#[test]
fn zeek_logs_have_its_fields_in_its_order_and_of_its_types() {
    let lab = spoken();
    let to = exported(&lab, "zeek");
    let (mut problems, mut seen) = (BTreeSet::new(), BTreeMap::new());
    for (log, told) in ZEEK {
        let text = std::fs::read_to_string(to.join(format!("{log}.log"))).unwrap_or_default();
        check(&text, log, told, &mut seen, &mut problems);
    }
    let corpus = root().join("../shared/corpus");
    if corpus.is_dir() {
        for (log, capture, told) in CORPUS {
            let lab = Lab::new();
            lab.ingest(&[corpus.join(capture)]).expect_codes(&[0, 3]);
            let text = std::fs::read_to_string(exported(&lab, "zeek").join(format!("{log}.log")))
                .unwrap_or_default();
            check(&text, log, told, &mut seen, &mut problems);
        }
    } else {
        eprintln!("skipped: quic.log and dnp3.log, no corpus at ../shared/corpus");
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(seen.len() > 250, "most fields were checked on a value: {}", seen.len());
    // Values in Zeek's words.
    let log = |name: &str| std::fs::read_to_string(to.join(format!("{name}.log"))).unwrap();
    for (name, words) in [
        ("x509", "\tCN=portal.example.com,O=Laboratory\t"),
        ("smtp", "\t\"Builder\\x2c Bob\" <bob@example.org>,carol@example.org\tdave@example.org\t"),
        ("socks", "\t5\t-\t-\tsucceeded\t-\texample.org\t80\t10.0.0.2\t-\t1080"),
        ("ldap", "\t1\t3\tbind simple\tinvalid credentials\t"),
        ("ldap_search", "\ttree\t-\tDC=example,DC=org\t0\tno such object\t-\t(uid=*)\tcn,mail"),
        ("mysql", "\tquery\tDELETE FROM t\tT\t3\t-"),
        ("radius", "\talice\t00:10:a4:23:19:c0\t10.20.0.99\t-\t-\thi\tsuccess\t"),
        ("rdp", "\talice\tencrypted\tHYBRID\t"),
        ("sip", "\t0\tINVITE\tsip:bob@example.org\t"),
        ("syslog", "\tudp\tAUTH\tCRIT\t"),
        ("irc", "\tjoe\tjoe\tJOIN\t#lab\t"),
        ("modbus", "\tWRITE_SINGLE_"),
        ("ssh", "\tOUTBOUND\tSSH-2.0-"),
        ("ftp", "\tRETR\tftp://10.20.0.20/plan.txt\t"),
    ] {
        assert!(log(name).contains(words), "{name}: {words}\n{}", log(name));
    }
}

/// EVE: fields of the events that are written, with their types. `s` text, `i` whole number, `b` yes or no, `S` texts, `N` numbers, `O` objects.
const EVE: &[(&str, &str)] = &[
    (
        "",
        "timestamp:s event_type:s flow_id:i src_ip:s src_port:i dest_ip:s dest_port:i proto:s community_id:s vlan:N tx_id:i pcap_cnt:i app_proto:s icmp_type:i icmp_code:i",
    ),
    (
        "flow",
        "action:s age:i alerted:b bytes_toclient:i bytes_toserver:i end:s pkts_toclient:i pkts_toserver:i reason:s start:s state:s",
    ),
    ("tcp", "state:s tcp_flags:s tcp_flags_tc:s tcp_flags_ts:s"),
    (
        "dns",
        "aa:b flags:s id:i qr:b ra:b rcode:s rd:b rrname:s rrtype:s tx_id:i type:s version:i opcode:i tc:b answers:O authorities:O",
    ),
    ("dns.answers", "rdata:s rrname:s rrtype:s ttl:i"),
    (
        "http",
        "hostname:s http_content_type:s http_method:s http_port:i http_refer:s http_user_agent:s length:i protocol:s redirect:s status:i url:s \
         version:s xff:s",
    ),
    (
        "tls",
        "client_alpns:S server_alpns:S fingerprint:s from_proto:s issuerdn:s subjectaltname:S notafter:s notbefore:s serial:s \
         session_resumed:b sni:s subject:s version:s ja4:s",
    ),
    ("tls.ja3", "hash:s string:s"),
    ("tls.ja3s", "hash:s string:s"),
    ("ssh.client", "proto_version:s software_version:s"),
    ("ssh.server", "proto_version:s software_version:s"),
    ("ssh.client.hassh", "hash:s string:s"),
    ("ssh.server.hassh", "hash:s string:s"),
    (
        "smb",
        "access:s command:s dialect:s directory:s disposition:s filename:s fuid:s id:i named_pipe:s session_id:i share:s share_type:s size:i \
         status:s status_code:s tree_id:i",
    ),
    ("smb.rename", "from:s to:s"),
    ("smtp", "helo:s mail_from:s rcpt_to:S"),
    ("email", "cc:S date:s from:s status:s subject:s to:S url:S x_mailer:s attachment:S message_id:s"),
    ("ftp", "command:s command_data:s dynamic_port:i mode:s reply_received:s completion_code:S reply:S"),
    (
        "dhcp",
        "assigned_ip:s client_id:s client_ip:s client_mac:s dhcp_type:s hostname:s id:i lease_time:i next_server_ip:s relay_ip:s \
         requested_ip:s subnet_mask:s type:s dns_servers:S routers:S",
    ),
    (
        "krb5",
        "cname:s encryption:s error_code:s failed_request:s msg_type:s realm:s sname:s ticket_encryption:s weak_encryption:b",
    ),
    ("fileinfo", "filename:s gaps:b magic:s md5:s sha1:s sha256:s size:i state:s stored:b tx_id:i"),
    ("alert", "action:s category:s gid:i rev:i severity:i signature:s signature_id:i"),
    ("anomaly", "app_proto:s event:s layer:s type:s"),
];

/// `2026-11-26T13:35:40.037151+0000`, as the schema's pattern asks.
fn is_time(text: &str) -> bool {
    let Some((date, zone)) = text.split_once('+') else { return false };
    let Some((whole, fraction)) = date.split_once('.') else { return false };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    whole.len() == 19 && whole.as_bytes()[10] == b'T' && digits(fraction) && digits(zone)
}

/// Every field of an object, against what is told of it.
fn walk(
    path: &str,
    object: &serde_json::Value,
    problems: &mut BTreeSet<String>,
    seen: &mut BTreeSet<String>,
) {
    use serde_json::Value;
    // Keys of a rule's metadata are free.
    if path == "alert.metadata" {
        let free = object
            .as_object()
            .unwrap()
            .values()
            .all(|v| v.as_array().is_some_and(|texts| texts.iter().all(Value::is_string)));
        assert!(free, "{object}");
        return;
    }
    let told: BTreeMap<&str, &str> = EVE
        .iter()
        .filter(|(name, _)| *name == path)
        .flat_map(|(_, fields)| fields.split_whitespace().map(|f| f.split_once(':').unwrap()))
        .collect();
    for (name, value) in object.as_object().unwrap() {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        seen.insert(inner.clone());
        let fits = match (told.get(name.as_str()), value) {
            (None, Value::Object(_))
                if EVE.iter().any(|(n, _)| *n == inner || n.starts_with(&format!("{inner}.")))
                    || inner == "alert.metadata" =>
            {
                walk(&inner, value, problems, seen);
                true
            }
            (Some(&"s"), Value::String(_)) | (Some(&"b"), Value::Bool(_)) => true,
            (Some(&"i"), v) => v.is_i64() || v.is_u64(),
            (Some(&"S"), Value::Array(a)) => a.iter().all(Value::is_string),
            (Some(&"N"), Value::Array(a)) => a.iter().all(Value::is_number),
            (Some(&"O"), Value::Array(a)) => {
                a.iter().for_each(|o| walk(&inner, o, problems, seen));
                true
            }
            _ => false,
        };
        if !fits {
            problems.insert(format!("{inner}: {value}"));
        }
    }
}

#[test]
fn eve_has_only_fields_of_suricata_and_of_its_types() {
    let lab = spoken();
    let text = std::fs::read_to_string(exported(&lab, "eve").join("eve.json")).unwrap();
    let (mut problems, mut seen, mut events) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        walk("", &event, &mut problems, &mut seen);
        let kind = event["event_type"].as_str().unwrap();
        events.insert(kind.to_owned());
        assert!(is_time(event["timestamp"].as_str().unwrap()), "{line}");
        assert!(event[kind].is_object(), "what it is about stands under its name: {line}");
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let expected = [
        "alert", "anomaly", "dhcp", "dns", "fileinfo", "flow", "ftp", "http", "krb5", "smb", "smtp", "ssh",
        "tls",
    ];
    assert!(expected.iter().all(|e| events.contains(*e)), "{events:?}");
    assert!(seen.len() > 90, "{}", seen.len());
    // Written as Suricata writes them.
    for form in ["\"dialect\":\"3.11\"", "\"fingerprint\":\"20:91:1d:", "\"version\":\"TLS 1.2\""] {
        assert!(text.contains(form), "{form}");
    }
}
