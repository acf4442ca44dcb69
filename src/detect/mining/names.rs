//! Which names, addresses and ports belong to mining pools?
//!
//! The lists `pools.txt` and `ports.txt` beside this file, and what the configuration adds. Refuses to judge: it says how much a name looks
//! like a place where miners connect, and how much like a website.

use crate::detect::Config;
use crate::model::addr::Ip;
use hashbrown::HashSet;
use std::net::IpAddr;

/// First labels of names that serve people, not miners.
const FOR_PEOPLE: &[&str] = &[
    "www",
    "web",
    "m",
    "app",
    "apps",
    "api",
    "cdn",
    "static",
    "assets",
    "img",
    "images",
    "media",
    "blog",
    "news",
    "help",
    "support",
    "docs",
    "wiki",
    "forum",
    "status",
    "stats",
    "account",
    "accounts",
    "login",
    "auth",
    "my",
    "dashboard",
    "explorer",
    "mail",
    "smtp",
    "mx",
    "ns1",
    "ns2",
    "shop",
    "store",
    "download",
    "downloads",
];

/// A name that is on the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hit {
    /// The entry.
    pub(super) listed: Box<str>,
    /// Does the name look like one that miners connect to, and not like a website?
    pub(super) for_miners: bool,
}

/// The lists in force.
#[derive(Debug)]
pub(super) struct Pools {
    names: HashSet<Box<str>>,
    addresses: HashSet<IpAddr>,
    /// One bit a port.
    ports: Box<[u64; 1024]>,
}

/// The first words of the lines that are no comments.
fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_whitespace().next())
}

impl Pools {
    pub(super) fn new(config: &Config) -> Self {
        let mut pools = Self { names: HashSet::new(), addresses: HashSet::new(), ports: Box::new([0; 1024]) };
        let own = config.mining_pools.iter().map(String::as_str);
        for name in entries(include_str!("pools.txt")).chain(own) {
            match name.parse() {
                Ok(address) => pools.addresses.insert(address),
                Err(_) => pools.names.insert(name.trim_matches(['*', '.']).to_ascii_lowercase().into()),
            };
        }
        let ports = entries(include_str!("ports.txt")).filter_map(|p| p.parse::<u16>().ok());
        for port in ports.chain(config.mining_ports.iter().copied()) {
            if let Some(word) = pools.ports.get_mut(usize::from(port) / 64) {
                *word |= 1 << (port % 64);
            }
        }
        pools
    }

    /// Is it a port of pools?
    pub(super) fn port(&self, port: u16) -> bool {
        self.ports.get(usize::from(port) / 64).is_some_and(|word| word >> (port % 64) & 1 == 1)
    }

    /// Is it an address that the user listed?
    pub(super) fn address(&self, ip: Ip) -> bool {
        !self.addresses.is_empty()
            && ip.to_string().parse().is_ok_and(|a: IpAddr| self.addresses.contains(&a))
    }

    /// Is the name, or one above it, on the list?
    pub(super) fn find(&self, name: &str) -> Option<Hit> {
        let lower;
        let name = if name.bytes().any(|b| b.is_ascii_uppercase()) {
            lower = name.to_ascii_lowercase();
            &lower
        } else {
            name
        };
        let name = name.trim_end_matches('.');
        let mut rest = name;
        loop {
            if let Some(listed) = self.names.get(rest) {
                let below = name.strip_suffix(rest).unwrap_or("").trim_end_matches('.');
                let first = below.split('.').next().unwrap_or("");
                // An entry of three labels or more was listed because miners connect to it.
                let for_miners = match first {
                    "" => listed.matches('.').count() >= 2,
                    word => !FOR_PEOPLE.contains(&word),
                };
                return Some(Hit { listed: listed.clone(), for_miners });
            }
            let (_, above) = rest.split_once('.')?;
            rest = above;
        }
    }
}

/// The host of the first mining URI in a text, as `stratum+tcp://HOST:PORT`.
pub(super) fn uri(text: &str) -> Option<&str> {
    let at = ["stratum+", "stratum1+", "stratum2+", "stratum://", "ethstratum+"]
        .iter()
        .find_map(|s| text.find(s))?;
    let rest = text.get(at..)?;
    let scheme = rest.find("://").filter(|n| *n <= 20)?;
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | ',' | ';'));
    rest.get(..end.unwrap_or(rest.len())).filter(|u| u.len() > scheme + 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_clean() {
        let names: Vec<&str> = entries(include_str!("pools.txt")).collect();
        for n in &names {
            assert_eq!(names.iter().filter(|o| *o == n).count(), 1, "{n} twice");
            assert!(n.contains('.') && !n.starts_with('.') && *n == n.to_ascii_lowercase(), "{n}");
            for dynamic in ["no-ip", "dyndns", "duckdns", "ddns.net", "hopto.org", "ngrok"] {
                assert!(!n.contains(dynamic), "{n}: anybody may have a name there");
            }
        }
        let ports: Vec<&str> = entries(include_str!("ports.txt")).collect();
        assert!(ports.len() >= 17 && ports.iter().all(|p| p.parse::<u16>().is_ok()));
    }

    #[test]
    fn names_below_an_entry_count_and_websites_less() {
        let config = Config {
            mining_pools: vec!["*.Pool.Example".into(), "192.0.2.7".into()],
            mining_ports: vec![12_345],
            ..Config::default()
        };
        let pools = Pools::new(&config);
        let hit = |n: &str| pools.find(n).map(|h| (h.listed.to_string(), h.for_miners));
        assert_eq!(hit("xmr-eu1.nanopool.org"), Some(("nanopool.org".into(), true)));
        assert_eq!(hit("www.NanoPool.org."), Some(("nanopool.org".into(), false)));
        assert_eq!(hit("nanopool.org"), Some(("nanopool.org".into(), false)));
        assert_eq!(hit("notnanopool.org"), None);
        assert_eq!(hit("eu.pool.example"), Some(("pool.example".into(), true)));
        assert!(pools.address(Ip::v4([192, 0, 2, 7])) && !pools.address(Ip::v4([192, 0, 2, 8])));
        assert!(pools.port(3333) && pools.port(12_345) && !pools.port(443) && !pools.port(22));
    }

    #[test]
    fn uris_of_pools() {
        assert_eq!(uri("v=1 stratum+tcp://a.example:3333 x"), Some("stratum+tcp://a.example:3333"));
        assert_eq!(uri("\"stratum2+tcp://a.example:34254\""), Some("stratum2+tcp://a.example:34254"));
        assert_eq!(uri("the stratum+ of the soil"), None);
        assert_eq!(uri("https://example.org"), None);
    }
}
