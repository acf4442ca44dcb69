//! Do exports say what other tools expect, by name, order and type?
//!
//! The lists are facts, typed by hand: fields marked `&log` of the `Info` records under Zeek's `scripts/base` (conn, dns and ssl were compared with
//! the scripts, the other logs are from knowledge of them) and the index of EVE's fields in Suricata's user guide (`eve-index`, made from `etc/schema.json`). What a site may add by policy scripts or
//! packages is named apart. Nothing of those tools has to be installed.

use crate::support::{Lab, all_samples};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Samples that speak every protocol with a log of its own.
const SPEAK: &[&str] = &[
    "cleartext_login",
    "dns",
    "exe_download",
    "guess_ssh",
    "icmp",
    "ipv6",
    "lan",
    "lateral_smb",
    "roasting",
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
         peer_descr:string actions:set[enum] email_dest:set[string] suppress_for:interval",
    ),
    (
        "dhcp",
        "ts:time uids:set[string] client_addr:addr server_addr:addr mac:string host_name:string client_fqdn:string domain:string \
         requested_addr:addr assigned_addr:addr lease_time:interval client_message:string server_message:string msg_types:vector[string] \
         duration:interval",
    ),
];

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
    lab.ingest(&captures).expect_codes(&[0]);
    lab
}

/// Is a cell of a TSV log of the type that its head says?
fn is(kind: &str, cell: &str) -> bool {
    if let Some(inner) = kind.strip_prefix("set[").or_else(|| kind.strip_prefix("vector[")) {
        return cell == "(empty)" || cell.split(',').all(|c| c == "-" || is(inner.trim_end_matches(']'), c));
    }
    match kind {
        "time" | "interval" => {
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

#[test]
fn zeek_logs_have_its_fields_in_its_order_and_of_its_types() {
    let lab = spoken();
    let to = exported(&lab, "zeek");
    let mut problems = BTreeSet::new();
    let mut seen = BTreeMap::new();
    for (log, told) in ZEEK {
        let told = told.replace("* ", ENDS).replace(" + ", " ");
        let told: Vec<(&str, &str)> = told.split_whitespace().map(|f| f.split_once(':').unwrap()).collect();
        let text = std::fs::read_to_string(to.join(format!("{log}.log"))).unwrap_or_default();
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
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(seen.len() > 150, "most fields were checked on a value: {}", seen.len());
    // Names of certificates as RFC 2253 writes them, the last attribute first.
    let x509 = std::fs::read_to_string(to.join("x509.log")).unwrap();
    assert!(x509.contains("\tCN=portal.example.com,O=Laboratory\t"), "{x509}");
}

/// EVE: fields of the events that are written, with their types. `s` text, `i` whole number, `b` yes or no, `S` texts, `N` numbers, `O` objects.
const EVE: &[(&str, &str)] = &[
    (
        "",
        "timestamp:s event_type:s flow_id:i src_ip:s src_port:i dest_ip:s dest_port:i proto:s community_id:s vlan:N tx_id:i pcap_cnt:i app_proto:s",
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
        assert!(kind == "smtp" || event[kind].is_object(), "what it is about stands under its name: {line}");
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let expected =
        ["alert", "anomaly", "dhcp", "dns", "fileinfo", "flow", "ftp", "http", "krb5", "smb", "ssh", "tls"];
    assert!(expected.iter().all(|e| events.contains(*e)), "{events:?}");
    assert!(seen.len() > 90, "{}", seen.len());
    // Written as Suricata writes them.
    for form in ["\"dialect\":\"3.11\"", "\"fingerprint\":\"20:91:1d:", "\"version\":\"TLS 1.2\""] {
        assert!(text.contains(form), "{form}");
    }
}
