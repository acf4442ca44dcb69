//! What does this host do in the network?
//!
//! From what others and it itself said (clues of the kind `role`) and from the services that answered on it, told by their
//! content and not by a port. Each role has one reason. Refuses to call a server what everybody runs: SSH or RDP make no role.

use super::Told;
use std::collections::BTreeMap;

/// Services and the role of who offers them.
#[rustfmt::skip] // one line a role
const OFFERS: &[(&[&str], &str)] = &[
    (&["http", "http2"], "web_server"),
    (&["smtp", "imap", "pop3"], "mail_server"),
    (&["ntp"], "time_server"),
    (&["smb", "nfs", "afp", "ftp", "rsync"], "file_server"),
    (&["mysql", "postgresql", "tds", "mongodb", "redis", "cassandra", "memcached"], "database"),
    (&["ipp", "jetdirect", "lpd"], "printer"),
    (&["modbus", "s7comm", "dnp3", "enip", "iec104"], "plc"),
    (&["socks"], "proxy"),
    (&["mqtt", "amqp"], "message_broker"),
];

/// Port of HTTPS: TLS there is taken for a web server's.
const HTTPS: &str = "443";

/// Port of the Internet Printing Protocol (RFC 8010), which is HTTP.
const IPP: &str = "631";

/// Roles with their reasons, in the order of their names.
pub(super) fn roles(told: &[Told]) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for t in told.iter().filter(|t| t.clue == "role") {
        found.entry(t.value.clone()).or_insert_with(|| t.source.clone());
    }
    let printing = |t: &Told| t.clue == "offer" && t.value == "http" && t.source == IPP;
    let offers =
        |service: &str| told.iter().find(|t| t.clue == "offer" && t.value == service && !printing(t));
    if let Some(t) = told.iter().find(|t| printing(t)) {
        found.entry("printer".to_owned()).or_insert_with(|| offered(t));
    }
    for (services, role) in OFFERS {
        if let Some(t) = services.iter().find_map(|s| offers(s)) {
            found.entry((*role).to_owned()).or_insert_with(|| offered(t));
        }
    }
    let https = |t: &&Told| t.clue == "offer" && matches!(&*t.value, "tls" | "quic") && t.source == HTTPS;
    if let Some(t) = told.iter().find(https) {
        found.entry("web_server".to_owned()).or_insert_with(|| offered(t));
    }
    if let (Some(kdc), Some(ldap)) = (offers("kerberos"), offers("ldap")) {
        let why = || format!("{} and {}", offered(kdc), offered(ldap));
        found.entry("domain_controller".to_owned()).or_insert_with(why);
    }
    if let Some(t) = told.iter().find(|t| t.clue == "router") {
        found.entry("router".to_owned()).or_insert_with(|| t.value.clone());
    }
    found
}

fn offered(t: &Told) -> String {
    format!("offers {}/{}", t.value, t.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(told: &[(&str, &str, &str)]) -> Vec<String> {
        let told: Vec<Told> = told
            .iter()
            .map(|(clue, value, source)| Told {
                clue: (*clue).into(),
                value: (*value).into(),
                source: (*source).into(),
            })
            .collect();
        roles(&told).into_iter().map(|(role, why)| format!("{role}: {why}")).collect()
    }

    #[test]
    fn clues_come_before_services() {
        assert_eq!(
            of(&[("role", "resolver", "dns.recursion"), ("offer", "dns", "53"), ("offer", "ssh", "22")]),
            ["resolver: dns.recursion"]
        );
        assert_eq!(
            of(&[("role", "printer", "mdns.service"), ("offer", "ipp", "631"), ("offer", "http", "80")]),
            ["printer: mdns.service", "web_server: offers http/80"]
        );
    }

    #[test]
    fn a_domain_controller_is_more_than_one_service() {
        assert_eq!(of(&[("offer", "ldap", "389")]), [""; 0]);
        assert_eq!(
            of(&[("offer", "ldap", "389"), ("offer", "kerberos", "88")]),
            ["domain_controller: offers kerberos/88 and offers ldap/389"]
        );
    }

    #[test]
    fn http_for_printing_is_no_web_server() {
        assert_eq!(of(&[("offer", "http", "631")]), ["printer: offers http/631"]);
        assert_eq!(
            of(&[("offer", "http", "631"), ("offer", "http", "80")]),
            ["printer: offers http/631", "web_server: offers http/80"]
        );
    }

    #[test]
    fn tls_is_a_web_server_only_on_its_port() {
        assert_eq!(of(&[("offer", "tls", "443")]), ["web_server: offers tls/443"]);
        assert_eq!(of(&[("offer", "tls", "8443")]), [""; 0]);
        assert_eq!(of(&[("router", "link address of 9 outside addresses", "")]).len(), 1);
    }
}
