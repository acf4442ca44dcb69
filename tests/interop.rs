//! Do Zeek's logs that we export say what Zeek's own say, by name, order, type and in its words?
//!
//! The list is facts, typed by hand: fields marked `&log` of the `Info` records under Zeek's `scripts/base` and `scripts/policy`, compared log by log
//! with those scripts and with the logs of Zeek's own tests. What a site may add by policy scripts or packages is named apart. Nothing of Zeek has
//! to be installed.

use crate::support::spoken::{exported, spoken};
use crate::support::{Lab, root};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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
