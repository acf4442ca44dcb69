//! Do events in EVE form have only fields that Suricata's have, of its types and in its words?
//!
//! The list is facts, typed by hand: the index of EVE's fields in Suricata's user guide (`eve-index`, made from `etc/schema.json`), and what its
//! loggers for mail, flows, SMB, Kerberos and DHCP write. Nothing of Suricata has to be installed.

use crate::support::spoken::{exported, spoken};
use std::collections::{BTreeMap, BTreeSet};

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
