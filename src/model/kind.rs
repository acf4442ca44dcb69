//! Which kinds of findings are there, and how bad is each by itself?
//!
//! The closed list behind `anomalies.kind`. A kind has its base severity (the impact, before context moves it a step), the ATT&CK
//! technique it stands for, and a sentence. Detectors in Rust and in SQL name kinds from here and invent none.

use super::anomaly::Severity;

/// A kind of finding.
#[derive(PartialEq, Eq, Debug)]
pub struct Kind {
    /// Stable name, as stored.
    pub name: &'static str,
    /// Impact without context.
    pub severity: Severity,
    /// MITRE ATT&CK technique; `None` where none fits.
    pub technique: Option<&'static str>,
    /// What it says, a sentence.
    pub meaning: &'static str,
}

/// The kind of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.name == name).copied()
}

macro_rules! kinds {
    ($($ident:ident $name:literal $severity:ident $technique:expr, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub static $ident: Kind =
            Kind { name: $name, severity: Severity::$severity, technique: $technique, meaning: $meaning };)*
        /// Every kind.
        pub static KINDS: &[&Kind] = &[$(&$ident),*];
    };
}

#[rustfmt::skip] // one line a kind
kinds! {
    PORT_SCAN_VERTICAL "port_scan_vertical" Medium Some("T1046"), "One host tries many ports of another.";
    PORT_SCAN_HORIZONTAL "port_scan_horizontal" Medium Some("T1046"), "One host tries one port of many others.";
    PORT_SCAN_BLOCK "port_scan_block" Medium Some("T1046"), "One host tries many ports of many others.";
    PORT_SCAN_DISTRIBUTED "port_scan_distributed" Medium Some("T1595.001"), "Many hosts share the ports of one target between them.";
    PORT_SCAN_SLOW "port_scan_slow" Medium Some("T1046"), "First contacts of a host fail far more often than an honest client's.";
    HOST_SWEEP "host_sweep" Low Some("T1018"), "One host asks who is there.";
    OS_FINGERPRINT_PROBE "os_fingerprint_probe" Info Some("T1046"), "Packets that only a system-guessing tool sends.";
    CRYPTO_MINING "crypto_mining" High Some("T1496.001"), "A host works for a cryptocurrency mining pool.";
    CRYPTO_P2P "crypto_p2p" Info None, "A host takes part in a cryptocurrency's peer network.";
    POOL_LOOKUP "pool_lookup" Info Some("T1496.001"), "A host asked for a mining pool's name and did not connect.";
    BEACON "beacon" Medium Some("T1071"), "A host calls the same place again and again, as a clock would.";
    LONG_CONNECTION "long_connection" Low Some("T1071"), "A connection to the outside stays open for hours.";
    STROBE "strobe" Low Some("T1071"), "A host connects to one place more often than once a second, all day.";
    RARE_CONTACT "rare_contact" Low Some("T1071"), "A destination that hardly any host uses.";
    DNS_TUNNEL "dns_tunnel" High Some("T1071.004"), "Data travels inside DNS names and answers.";
    DGA "dga" Medium Some("T1568.002"), "A host tries names that an algorithm made.";
    DNS_FAST_FLUX "dns_fast_flux" Low Some("T1568.001"), "A name changes its addresses all the time.";
    DNS_REBINDING "dns_rebinding" Medium Some("T1557"), "An outside name answers with an inside address.";
    DNS_ZONE_TRANSFER "dns_zone_transfer" Medium Some("T1590.002"), "A client asked for a whole zone.";
    DNS_SPOOF "dns_spoof" Medium Some("T1557"), "Two different answers to one DNS question.";
    DNS_STORM "dns_storm" Low Some("T1498"), "A host asks for names that do not exist at a rate no user makes.";
    DNS_RESOLVER "dns_resolver" Low Some("T1071.004"), "A host asks a resolver that others here do not use.";
    BRUTE_FORCE "brute_force" Medium Some("T1110.001"), "Many attempts to log in at one service fail.";
    PASSWORD_SPRAY "password_spray" Medium Some("T1110.003"), "Few attempts to log in at each of many accounts.";
    LOGIN_AFTER_GUESSING "login_after_guessing" High Some("T1078"), "A login worked after many that failed.";
    SYN_FLOOD "syn_flood" Medium Some("T1499.001"), "More half-open connections than a service can bear.";
    TCP_FLOOD "tcp_flood" Medium Some("T1498.001"), "TCP packets that belong to no connection, in masses.";
    UDP_FLOOD "udp_flood" Medium Some("T1498.001"), "UDP packets in masses.";
    ICMP_FLOOD "icmp_flood" Medium Some("T1498.001"), "ICMP packets in masses.";
    HTTP_FLOOD "http_flood" Medium Some("T1499.002"), "HTTP requests in masses.";
    MQTT_FLOOD "mqtt_flood" Medium Some("T1499.002"), "MQTT connections or messages in masses.";
    AMPLIFICATION "amplification" Medium Some("T1498.002"), "Answers far larger or more than what was asked.";
    SLOW_HTTP "slow_http" Medium Some("T1499.002"), "Many connections that never finish their request.";
    DHCP_STARVATION "dhcp_starvation" Medium Some("T1499"), "Invented clients take all addresses of a DHCP server.";
    EXFILTRATION "exfiltration" Medium Some("T1041"), "Much data leaves to one place.";
    ICMP_TUNNEL "icmp_tunnel" High Some("T1095"), "Data travels inside echo messages.";
    ARP_SPOOF "arp_spoof" High Some("T1557.002"), "A host claims the address of another.";
    ADDRESS_CONFLICT "address_conflict" Low None, "Two hosts use one address.";
    ROGUE_DHCP "rogue_dhcp" Medium Some("T1557.003"), "A second DHCP server answers.";
    ROGUE_ROUTER "rogue_router" Medium Some("T1557"), "A new router announces itself.";
    ICMP_REDIRECT "icmp_redirect" Medium Some("T1557"), "A host tells others to send their packets elsewhere.";
    NAME_POISONING "name_poisoning" Medium Some("T1557.001"), "One host answers for names that are not its own.";
    NEW_DEVICE "new_device" Info None, "A link address that was not seen before.";
    CLEARTEXT_CREDENTIALS "cleartext_credentials" Low Some("T1040"), "A password crossed the network readable.";
    TLS_CERTIFICATE "tls_certificate" Low Some("T1587.003"), "A certificate that nobody should trust.";
    TLS_OBSOLETE "tls_obsolete" Low Some("T1040"), "Encryption that is known to be breakable.";
    RARE_FINGERPRINT "rare_fingerprint" Low Some("T1071.001"), "A client's TLS fingerprint that hardly any other client has.";
    NONSTANDARD_PORT "nonstandard_port" Low Some("T1571"), "A protocol on another's port.";
    OBSOLETE_PROTOCOL "obsolete_protocol" Low Some("T1210"), "A protocol that should be retired.";
    EXECUTABLE_DOWNLOAD "executable_download" Low Some("T1105"), "A program was fetched in clear text.";
    SUSPICIOUS_USER_AGENT "suspicious_user_agent" Low Some("T1071.001"), "A client that names itself as a tool or hides.";
    WEB_ATTACK "web_attack" Medium Some("T1190"), "Requests shaped to break a web application.";
    EXPLOIT_ATTEMPT "exploit_attempt" High Some("T1190"), "The form of a known exploit.";
    REMOTE_ACCESS_TOOL "remote_access_tool" Low Some("T1219"), "A tool to work on the host from far away.";
    TOR "tor" Low Some("T1090.003"), "A host uses the Tor network.";
    REVERSE_SHELL "reverse_shell" High Some("T1059"), "A shell's prompt or output leaves to the one who gives the commands.";
    LATERAL_MOVEMENT "lateral_movement" High Some("T1021.002"), "A host starts programs on another.";
    CREDENTIAL_ACCESS "credential_access" High Some("T1003"), "A host fetches secrets of a domain.";
    INDUSTRIAL_COMMAND "industrial_command" Medium Some("T0855"), "A command that changes a process or stops a controller.";
    INDICATOR_MATCH "indicator_match" High None, "An entry of an indicator list was seen.";
    BEHAVIOUR_CHANGE "behaviour_change" Low None, "A host behaves unlike itself and its peers.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_a_sentence() {
        for (i, k) in KINDS.iter().enumerate() {
            assert!(k.meaning.ends_with('.'), "{}", k.name);
            assert!(KINDS.iter().skip(i + 1).all(|o| o.name != k.name), "{} twice", k.name);
            assert_eq!(kind(k.name), Some(*k));
        }
    }
}
