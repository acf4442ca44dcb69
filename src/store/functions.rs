//! Which functions does SQL here have beside DuckDB's own?
//!
//! `ip_in(ip, cidr)`, `ip_class(ip)`, `is_internal(ip)`, `etld1(name)`, `port_name(port, protocol)`: for ad-hoc questions.
//! (`severity_rank` is a stored macro.) Views and shipped SQL use none of them, so that they run in any DuckDB. What
//! cannot be read (no address, no network) gives NULL, never an error: columns hold what attackers wrote.

use super::StoreError;
use super::arrow::array::{Array, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray};
use super::arrow::datatypes::{DataType, Int32Type};
use super::connect::write_error;
use duckdb::Connection;
use duckdb::vscalar::{ArrowFunctionSignature, VArrowScalar};
use ipnetwork::IpNetwork;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

type Answer = Result<Arc<dyn Array>, Box<dyn std::error::Error>>;

/// Make the functions known to every connection of the database.
pub(super) fn register(db: &Connection) -> Result<(), StoreError> {
    let all = || -> duckdb::Result<()> {
        db.register_scalar_function::<IpIn>("ip_in")?;
        db.register_scalar_function::<IpClass>("ip_class")?;
        db.register_scalar_function::<IsInternal>("is_internal")?;
        db.register_scalar_function::<Etld1>("etld1")?;
        db.register_scalar_function::<PortName>("port_name")
    };
    all().map_err(write_error)
}

/// The text column `i` of the input, as options.
fn texts(input: &RecordBatch, i: usize) -> Result<impl Iterator<Item = Option<&str>>, String> {
    input
        .columns()
        .get(i)
        .and_then(|c| c.as_string_opt::<i32>())
        .map(StringArray::iter)
        .ok_or_else(|| "expected a text".to_owned())
}

fn signature(parameters: &[DataType], result: DataType) -> Vec<ArrowFunctionSignature> {
    vec![ArrowFunctionSignature::exact(parameters.to_vec(), result)]
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|a| a.to_canonical())
}

/// `ip_in(ip, cidr)`: is the address in the network? NULL when one of them is none.
struct IpIn;

impl VArrowScalar for IpIn {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Answer {
        // The network is nearly always a constant: read it once.
        let mut last: (&str, Option<IpNetwork>) = ("", None);
        let found: BooleanArray = texts(&input, 0)?
            .zip(texts(&input, 1)?)
            .map(|(ip, cidr)| {
                let (ip, cidr) = (ip?, cidr?);
                if cidr != last.0 {
                    last = (cidr, cidr.parse().ok());
                }
                Some(last.1?.contains(address(ip)?))
            })
            .collect();
        Ok(Arc::new(found))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        signature(&[DataType::Utf8, DataType::Utf8], DataType::Boolean)
    }
}

/// `ip_class(ip)`: what kind of address; NULL when it is none.
struct IpClass;

impl VArrowScalar for IpClass {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Answer {
        let classes: StringArray = texts(&input, 0)?.map(|ip| Some(class(address(ip?)?))).collect();
        Ok(Arc::new(classes))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        signature(&[DataType::Utf8], DataType::Utf8)
    }
}

/// `is_internal(ip)`: private, unique local, link-local, shared (CGNAT) or loopback. A capture's own networks are in
/// `captures.local_nets`; `flows.src_internal` follows those.
struct IsInternal;

impl VArrowScalar for IsInternal {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Answer {
        let found: BooleanArray = texts(&input, 0)?
            .map(|ip| {
                Some(matches!(
                    class(address(ip?)?),
                    "private" | "unique_local" | "link_local" | "shared" | "loopback"
                ))
            })
            .collect();
        Ok(Arc::new(found))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        signature(&[DataType::Utf8], DataType::Boolean)
    }
}

/// `etld1(name)`: the registered domain by the public suffix list; NULL for addresses and bare suffixes.
struct Etld1;

impl VArrowScalar for Etld1 {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Answer {
        let domains: StringArray = texts(&input, 0)?.map(|n| registered_domain(n?)).collect();
        Ok(Arc::new(domains))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        signature(&[DataType::Utf8], DataType::Utf8)
    }
}

/// `port_name(port, protocol)`: the usual service; NULL when there is none.
struct PortName;

impl VArrowScalar for PortName {
    type State = ();

    fn invoke((): &(), input: RecordBatch) -> Answer {
        let ports: ArrayRef = input.columns().first().cloned().ok_or("expected a port")?;
        let ports = ports.as_primitive_opt::<Int32Type>().ok_or("expected a port")?;
        let names: StringArray =
            ports.iter().zip(texts(&input, 1)?).map(|(port, protocol)| service(port?, protocol?)).collect();
        Ok(Arc::new(names))
    }

    fn signatures() -> Vec<ArrowFunctionSignature> {
        signature(&[DataType::Int32, DataType::Utf8], DataType::Utf8)
    }
}

/// The special-purpose registries of IANA (RFC 6890 and its updates), in words.
fn class(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(a) => class_v4(a),
        IpAddr::V6(a) => class_v6(a),
    }
}

fn class_v4(a: Ipv4Addr) -> &'static str {
    let [b0, b1, b2, _] = a.octets();
    match (b0, b1, b2) {
        (0, _, _) => "unspecified",
        _ if a.is_private() => "private",
        (127, _, _) => "loopback",
        (169, 254, _) => "link_local",
        (100, 64..=127, _) => "shared",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (198, 18 | 19, _) => "benchmark",
        (224..=239, _, _) => "multicast",
        _ if a.is_broadcast() => "broadcast",
        (240..=255, _, _) => "reserved",
        _ => "global",
    }
}

fn class_v6(a: Ipv6Addr) -> &'static str {
    let [s0, s1, ..] = a.segments();
    match (s0, s1) {
        _ if a.is_unspecified() => "unspecified",
        _ if a.is_loopback() => "loopback",
        (0xff00..=0xffff, _) => "multicast",
        (0xfe80..=0xfebf, _) => "link_local",
        (0xfc00..=0xfdff, _) => "unique_local",
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => "documentation",
        _ => "global",
    }
}

fn registered_domain(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if address(&name).is_some() {
        return None;
    }
    psl::domain_str(&name).map(str::to_owned)
}

/// Usual services by port (IANA service names, and what is common where IANA has another or none).
const SERVICES: &[(i32, &str, &str)] = &[
    (20, "tcp", "ftp-data"),
    (21, "tcp", "ftp"),
    (22, "tcp", "ssh"),
    (23, "tcp", "telnet"),
    (25, "tcp", "smtp"),
    (43, "tcp", "whois"),
    (49, "tcp", "tacacs"),
    (53, "", "domain"),
    (67, "udp", "bootps"),
    (68, "udp", "bootpc"),
    (69, "udp", "tftp"),
    (70, "tcp", "gopher"),
    (79, "tcp", "finger"),
    (80, "tcp", "http"),
    (88, "", "kerberos"),
    (102, "tcp", "iso-tsap"),
    (110, "tcp", "pop3"),
    (111, "", "sunrpc"),
    (113, "tcp", "ident"),
    (119, "tcp", "nntp"),
    (123, "udp", "ntp"),
    (135, "tcp", "epmap"),
    (137, "udp", "netbios-ns"),
    (138, "udp", "netbios-dgm"),
    (139, "tcp", "netbios-ssn"),
    (143, "tcp", "imap"),
    (161, "udp", "snmp"),
    (162, "udp", "snmptrap"),
    (179, "tcp", "bgp"),
    (194, "tcp", "irc"),
    (389, "", "ldap"),
    (427, "", "svrloc"),
    (443, "", "https"),
    (445, "tcp", "microsoft-ds"),
    (464, "", "kpasswd"),
    (465, "tcp", "submissions"),
    (500, "udp", "isakmp"),
    (502, "tcp", "mbap"),
    (512, "tcp", "exec"),
    (513, "tcp", "login"),
    (514, "tcp", "shell"),
    (514, "udp", "syslog"),
    (515, "tcp", "printer"),
    (520, "udp", "router"),
    (546, "udp", "dhcpv6-client"),
    (547, "udp", "dhcpv6-server"),
    (548, "tcp", "afpovertcp"),
    (554, "", "rtsp"),
    (587, "tcp", "submission"),
    (623, "udp", "asf-rmcp"),
    (631, "", "ipp"),
    (636, "tcp", "ldaps"),
    (853, "", "domain-s"),
    (873, "tcp", "rsync"),
    (902, "", "ideafarm-door"),
    (989, "tcp", "ftps-data"),
    (990, "tcp", "ftps"),
    (992, "tcp", "telnets"),
    (993, "tcp", "imaps"),
    (995, "tcp", "pop3s"),
    (1080, "tcp", "socks"),
    (1194, "", "openvpn"),
    (1433, "tcp", "ms-sql-s"),
    (1434, "udp", "ms-sql-m"),
    (1521, "tcp", "oracle"),
    (1701, "udp", "l2tp"),
    (1723, "tcp", "pptp"),
    (1812, "udp", "radius"),
    (1813, "udp", "radius-acct"),
    (1883, "tcp", "mqtt"),
    (1900, "udp", "ssdp"),
    (2049, "", "nfs"),
    (2055, "udp", "netflow"),
    (2152, "udp", "gtp-user"),
    (2123, "udp", "gtp-control"),
    (2375, "tcp", "docker"),
    (2376, "tcp", "docker-s"),
    (2404, "tcp", "iec-104"),
    (3128, "tcp", "squid-http"),
    (3260, "tcp", "iscsi-target"),
    (3268, "tcp", "msft-gc"),
    (3269, "tcp", "msft-gc-ssl"),
    (3306, "tcp", "mysql"),
    (3333, "tcp", "stratum"),
    (3389, "", "ms-wbt-server"),
    (3478, "", "stun"),
    (3544, "udp", "teredo"),
    (3702, "udp", "ws-discovery"),
    (4444, "tcp", "krb524"),
    (4500, "udp", "ipsec-nat-t"),
    (4739, "", "ipfix"),
    (4789, "udp", "vxlan"),
    (5060, "", "sip"),
    (5061, "tcp", "sips"),
    (5222, "tcp", "xmpp-client"),
    (5269, "tcp", "xmpp-server"),
    (5353, "udp", "mdns"),
    (5355, "", "llmnr"),
    (5432, "tcp", "postgresql"),
    (5671, "tcp", "amqps"),
    (5672, "tcp", "amqp"),
    (5683, "udp", "coap"),
    (5900, "tcp", "rfb"),
    (5938, "", "teamviewer"),
    (5985, "tcp", "wsman"),
    (5986, "tcp", "wsmans"),
    (6081, "udp", "geneve"),
    (6379, "tcp", "redis"),
    (6443, "tcp", "sun-sr-https"),
    (6514, "tcp", "syslog-tls"),
    (6667, "tcp", "ircu"),
    (6881, "", "bittorrent"),
    (8000, "tcp", "irdmi"),
    (8080, "tcp", "http-alt"),
    (8333, "tcp", "bitcoin"),
    (8443, "tcp", "pcsync-https"),
    (8883, "tcp", "secure-mqtt"),
    (9001, "tcp", "etlservicemgr"),
    (9092, "tcp", "kafka"),
    (9100, "tcp", "hp-pdl-datastr"),
    (9200, "tcp", "elasticsearch"),
    (9418, "tcp", "git"),
    (11211, "", "memcache"),
    (20000, "", "dnp3"),
    (27017, "tcp", "mongodb"),
    (33434, "udp", "traceroute"),
    (44818, "", "enip"),
    (47808, "udp", "bacnet"),
    (51820, "udp", "wireguard"),
];

fn service(port: i32, protocol: &str) -> Option<&'static str> {
    let fits = |p: &str| p == protocol || (p.is_empty() && matches!(protocol, "tcp" | "udp"));
    SERVICES.iter().find(|(n, p, _)| *n == port && fits(p)).map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(expression: &str) -> String {
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        db.query_row(&format!("SELECT coalesce(({expression})::VARCHAR, 'NULL')"), [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn addresses_and_networks() {
        assert_eq!(ask("ip_in('10.1.2.3', '10.0.0.0/8')"), "true");
        assert_eq!(ask("ip_in('11.1.2.3', '10.0.0.0/8')"), "false");
        assert_eq!(ask("ip_in('2001:db8::1', '2001:db8::/32')"), "true");
        assert_eq!(ask("ip_in('::ffff:10.1.2.3', '10.0.0.0/8')"), "true");
        assert_eq!(ask("ip_in('x', '10.0.0.0/8')"), "NULL");
        assert_eq!(ask("ip_in('10.0.0.1', 'x')"), "NULL");
        assert_eq!(ask("ip_in(NULL, '10.0.0.0/8')"), "NULL");
        for (ip, kind) in [
            ("192.168.1.1", "private"),
            ("100.64.0.1", "shared"),
            ("192.0.2.9", "documentation"),
            ("255.255.255.255", "broadcast"),
            ("ff02::fb", "multicast"),
            ("fd00::1", "unique_local"),
            ("fe80::1", "link_local"),
            ("1.1.1.1", "global"),
            ("nonsense", "NULL"),
        ] {
            assert_eq!(ask(&format!("ip_class('{ip}')")), kind, "{ip}");
        }
        assert_eq!(ask("is_internal('172.31.0.1')"), "true");
        assert_eq!(ask("is_internal('192.0.2.1')"), "false", "laboratories use it as the outside");
    }

    #[test]
    fn names_and_ports() {
        assert_eq!(ask("etld1('a.b.example.co.uk.')"), "example.co.uk");
        assert_eq!(ask("etld1('WWW.Example.COM')"), "example.com");
        assert_eq!(ask("etld1('co.uk')"), "NULL");
        assert_eq!(ask("etld1('10.0.0.1')"), "NULL");
        assert_eq!(ask("port_name(443::USMALLINT, 'tcp')"), "https");
        assert_eq!(ask("port_name(514, 'udp')"), "syslog");
        assert_eq!(ask("port_name(22, 'icmp')"), "NULL");
    }

    #[test]
    fn columns_work_as_well_as_constants() {
        let db = Connection::open_in_memory().unwrap();
        register(&db).unwrap();
        let n: i64 = db
            .query_row(
                "SELECT count(*) FILTER (ip_in(ip, '10.0.0.0/24')) FROM \
                 (SELECT CASE WHEN i % 2 = 0 THEN '10.0.0.' || (i % 256) END AS ip FROM range(10000) t(i))",
                [],
                |r| r.get(0),
            )
            .unwrap();
        assert_eq!(n, 5000);
    }
}
