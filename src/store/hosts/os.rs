//! Which operating system does this host run?
//!
//! Weighs what was said about it and how it begins connections. Texts name systems by themselves (user agents, banners,
//! vendor classes, build numbers); a SYN is compared with the habits of stacks as their authors document them: initial
//! TTL, order of the options, window scale. Every guess names the clues behind it. Refuses to decide between
//! contradictory clues of like weight: many systems behind one address are none.

use super::Told;
use std::collections::BTreeMap;

/// How much a clue counts. A host describes itself when it asks for an address or logs in; a user agent may be made up.
mod weight {
    pub(super) const SYSTEM: u32 = 90;
    pub(super) const FINGERPRINT: u32 = 70;
    pub(super) const SERVER: u32 = 65;
    pub(super) const CLIENT: u32 = 50;
    /// Tools that speak like Windows say that they are; it must not outweigh what the stack shows.
    pub(super) const CLAIMED: u32 = 55;
    /// A shape that fits but is not rare elsewhere.
    pub(super) const WEAK: u32 = 30;
}

/// The best guess must outweigh the next one by this, in percent.
const LEAD: u32 = 125;

/// Clues named in a reason; more would not convince more.
const REASONS: usize = 4;

/// Source of clues from the Server field of HTTP.
const HTTP_SERVER: &str = "http.server";

/// Sources in which a system names itself as part of a protocol of Windows.
const CLAIMS: &[&str] = &["ntlm.version", "rdp.client_build", "smb.native_os"];

/// Options that a DHCP client asks for, in its order (RFC 2132 section 9.8). Only whole lists are compared.
#[rustfmt::skip] // one line a list
const ASKED: &[(&str, &str, &str)] = &[
    ("1,3,6,15,31,33,43,44,46,47,119,121,249,252", "windows", "Windows 10 or 11"),
    ("1,15,3,6,44,46,47,31,33,121,249,43", "windows", "Windows 7 or 8"),
    ("1,15,3,6,44,46,47,31,33,121,249,252,43", "windows", "Windows 7 or 8"),
    ("1,15,3,6,44,46,47,31,33,249,43", "windows", "Windows XP"),
    ("1,121,3,6,15,119,252,95,44,46", "apple", "macOS"),
    ("1,121,3,6,15,108,114,119,252,95,44,46", "apple", "macOS"),
    ("1,121,3,6,15,119,252", "apple", "iOS"),
    ("1,121,3,6,15,108,114,119,252", "apple", "iOS"),
    ("1,33,3,6,15,26,28,51,58,59", "linux", "Android"),
    ("1,3,6,15,26,28,51,58,59,43", "linux", "Android"),
    ("1,3,6,15,26,28,51,58,59,43,114", "linux", "Android"),
    ("1,28,2,3,15,6,119,12,44,47,26,121,42", "linux", "Debian Linux"),
];

/// What the list of a DHCP request says.
fn asked_for(list: &str) -> Option<(Sign<'_>, u32)> {
    let (_, family, system) = ASKED.iter().find(|(known, _, _)| *known == list)?;
    Some((Sign { family, system, exact: true, said: list }, weight::FINGERPRINT))
}

/// A guess and the clues that led to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Guess {
    pub(super) system: String,
    pub(super) reason: String,
}

/// One clue understood: family, the most exact name it gives, the part of the text that says so.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Sign<'a> {
    family: &'static str,
    system: &'static str,
    /// More than the family's name?
    exact: bool,
    said: &'a str,
}

/// Words in user agents, banners, vendor classes and build numbers, the most telling first. Windows stands before the others: its
/// phones called themselves Android and iPhone, too.
#[rustfmt::skip] // one line a word
const WORDS: &[(&str, &str, &str)] = &[
    // Part of the text, family, system. Build numbers first: they are the most exact.
    ("10.0.26100", "windows", "Windows 11 24H2 or Server 2025"),
    ("10.0.22631", "windows", "Windows 11 23H2"),
    ("10.0.22621", "windows", "Windows 11 22H2"),
    ("10.0.22000", "windows", "Windows 11 21H2"),
    ("10.0.20348", "windows", "Windows Server 2022"),
    ("10.0.1904", "windows", "Windows 10 20H1 to 22H2"),
    ("10.0.1836", "windows", "Windows 10 1903 or 1909"),
    ("10.0.17763", "windows", "Windows 10 1809 or Server 2019"),
    ("10.0.14393", "windows", "Windows 10 1607 or Server 2016"),
    ("6.3.9600", "windows", "Windows 8.1 or Server 2012 R2"),
    ("6.2.9200", "windows", "Windows 8 or Server 2012"),
    ("6.1.760", "windows", "Windows 7 or Server 2008 R2"),
    ("6.0.600", "windows", "Windows Vista or Server 2008"),
    ("5.2.3790", "windows", "Windows Server 2003"),
    ("5.1.2600", "windows", "Windows XP"),
    ("build 26100", "windows", "Windows 11 24H2 or Server 2025"),
    ("build 22631", "windows", "Windows 11 23H2"),
    ("build 22621", "windows", "Windows 11 22H2"),
    ("build 22000", "windows", "Windows 11 21H2"),
    ("build 20348", "windows", "Windows Server 2022"),
    ("build 1904", "windows", "Windows 10 20H1 to 22H2"),
    ("build 17763", "windows", "Windows 10 1809 or Server 2019"),
    ("build 14393", "windows", "Windows 10 1607 or Server 2016"),
    ("build 9600", "windows", "Windows 8.1 or Server 2012 R2"),
    ("build 760", "windows", "Windows 7 or Server 2008 R2"),
    ("build 2600", "windows", "Windows XP"),
    ("Windows NT 10.0", "windows", "Windows 10 or 11"),
    ("Windows NT 6.3", "windows", "Windows 8.1"),
    ("Windows NT 6.2", "windows", "Windows 8"),
    ("Windows NT 6.1", "windows", "Windows 7"),
    ("Windows NT 6.0", "windows", "Windows Vista"),
    ("Windows NT 5.2", "windows", "Windows XP x64 or Server 2003"),
    ("Windows NT 5.1", "windows", "Windows XP"),
    ("Windows NT 5.0", "windows", "Windows 2000"),
    ("Windows Server 2022", "windows", "Windows Server 2022"),
    ("Windows Server 2019", "windows", "Windows Server 2019"),
    ("Windows Server 2016", "windows", "Windows Server 2016"),
    ("Windows Server 2012 R2", "windows", "Windows Server 2012 R2"),
    ("Windows Server 2012", "windows", "Windows Server 2012"),
    ("Windows Server 2008 R2", "windows", "Windows Server 2008 R2"),
    ("Windows Server 2008", "windows", "Windows Server 2008"),
    ("Windows Server 2003", "windows", "Windows Server 2003"),
    ("Windows 10", "windows", "Windows 10"),
    ("Windows 8.1", "windows", "Windows 8.1"),
    ("Windows 8", "windows", "Windows 8"),
    ("Windows 7", "windows", "Windows 7"),
    ("Windows Vista", "windows", "Windows Vista"),
    ("Windows XP", "windows", "Windows XP"),
    ("Windows 5.1", "windows", "Windows XP"),
    ("Windows 5.0", "windows", "Windows 2000"),
    ("Windows 2000", "windows", "Windows 2000"),
    ("Windows Phone", "windows", "Windows Phone"),
    ("MSFT 5.0", "windows", "Windows"),
    ("Microsoft-IIS/", "windows", "Windows"),
    ("Microsoft-HTTPAPI/", "windows", "Windows"),
    ("Microsoft-CryptoAPI/", "windows", "Windows"),
    ("Windows-Update-Agent", "windows", "Windows"),
    ("Microsoft NCSI", "windows", "Windows"),
    ("OpenSSH_for_Windows", "windows", "Windows"),
    ("Windows", "windows", "Windows"),
    ("Win32", "windows", "Windows"),
    ("Win64", "windows", "Windows"),
    ("iPhone", "apple", "iOS"),
    ("iPad", "apple", "iPadOS"),
    ("AppleTV", "apple", "tvOS"),
    ("MacBook", "apple", "macOS"),
    ("Macintosh", "apple", "macOS"),
    ("Macmini", "apple", "macOS"),
    ("iMac", "apple", "macOS"),
    ("Mac OS X", "apple", "macOS"),
    ("macOS", "apple", "macOS"),
    ("Darwin", "apple", "macOS or iOS"),
    ("android-dhcp-", "linux", "Android"),
    ("Android", "linux", "Android"),
    ("CrOS ", "linux", "ChromeOS"),
    ("Raspbian", "linux", "Raspbian Linux"),
    ("Ubuntu", "linux", "Ubuntu Linux"),
    ("ubuntu", "linux", "Ubuntu Linux"), // behind Debian's name in older banners of OpenSSH
    ("Debian", "linux", "Debian Linux"),
    ("Fedora", "linux", "Fedora Linux"),
    ("CentOS", "linux", "CentOS Linux"),
    ("Red Hat", "linux", "Red Hat Linux"),
    ("SUSE", "linux", "SUSE Linux"),
    ("OpenWrt", "linux", "OpenWrt Linux"),
    ("dropbear", "linux", "embedded Linux"),
    ("udhcp ", "linux", "embedded Linux"),
    ("Linux", "linux", "Linux"),
    ("FreeBSD", "freebsd", "FreeBSD"),
    ("OpenBSD", "openbsd", "OpenBSD"),
    ("NetBSD", "netbsd", "NetBSD"),
    ("SunOS", "solaris", "Solaris"),
    ("Solaris", "solaris", "Solaris"),
    ("RouterOS", "routeros", "MikroTik RouterOS"),
    ("MikroTik", "routeros", "MikroTik RouterOS"),
    ("ROSSSH", "routeros", "MikroTik RouterOS"),
    ("Cisco-1.", "cisco", "Cisco IOS"), // SSH; the maker's name alone is in the agents of its client programs
    ("cisco-IOS", "cisco", "Cisco IOS"),
    ("Cisco IOS", "cisco", "Cisco IOS"),
    ("JUNOS", "junos", "Juniper Junos"),
    ("FortiSSH", "fortios", "FortiOS"),
    ("VMware ESX", "esx", "VMware ESXi"),
    ("VxWorks", "vxworks", "VxWorks"),
];

/// Names of families: what a clue that says no more than this is called.
const PLAIN: &[&str] = &["Windows", "Linux", "macOS or iOS"];

/// What a text says about the system that sent it.
fn named(text: &str) -> Option<Sign<'_>> {
    let found = |word: &str| text.find(word).and_then(|at| text.get(at..at + word.len()));
    WORDS.iter().find_map(|&(word, family, system)| {
        let said = found(word)?;
        Some(Sign { family, system, exact: !PLAIN.contains(&system), said })
    })
}

/// What a SYN says: `ttl:window:options`, as `SynShape` writes it.
fn stack(shape: &str) -> Option<(Sign<'_>, u32)> {
    let mut parts = shape.splitn(3, ':');
    let (ttl, window) = (parts.next()?, parts.next()?.parse::<u16>().ok()?);
    let options: Vec<&str> = parts.next()?.split(',').collect();
    // The order without the values.
    let order: Vec<&str> = options.iter().map(|o| o.trim_end_matches(|c: char| c.is_ascii_digit())).collect();
    let sign = |family, system| Sign { family, system, exact: false, said: shape };
    let scale = options.iter().find_map(|o| o.strip_prefix("ws"));
    let firm = weight::FINGERPRINT;
    Some(match (ttl, order.as_slice()) {
        ("64", ["mss", "sack", "ts", "nop", "ws"]) => (sign("linux", "Linux"), firm),
        ("64", ["mss", "nop", "ws", "nop", "nop", "ts", "sack", "eol+"]) => {
            (sign("apple", "macOS or iOS"), firm)
        }
        ("64", ["mss", "nop", "ws", "sack", "ts"]) if window == u16::MAX => {
            (sign("freebsd", "FreeBSD"), firm)
        }
        ("64", ["mss", "nop", "nop", "sack", "nop", "ws", "nop", "nop", "ts"]) => {
            (sign("openbsd", "OpenBSD"), firm)
        }
        ("64", ["mss", "nop", "ws", "sack", "nop", "nop", "nop", "nop", "ts"]) => {
            (sign("netbsd", "NetBSD"), firm)
        }
        ("128", ["mss", "nop", "ws", "nop", "nop", "sack"]) if scale.is_some() => {
            (sign("windows", "Windows"), firm)
        }
        ("128", ["mss", "nop", "ws", "sack", "ts"]) => (sign("windows", "Windows"), firm),
        ("128", ["mss", "nop", "nop", "sack"]) => (sign("windows", "Windows"), firm),
        ("255", ["mss"]) if window == 4128 => (sign("cisco", "Cisco IOS"), firm),
        ("255", ["mss"]) => (sign("embedded", "embedded system"), weight::WEAK),
        _ => return None,
    })
}

/// What is most likely, if anything is.
pub(super) fn guess(told: &[Told]) -> Option<Guess> {
    // Of each family, the heaviest clue of each kind: a hundred user agents of one browser are one.
    let mut families: BTreeMap<&str, BTreeMap<&str, (u32, Sign<'_>, &str)>> = BTreeMap::new();
    // Who shows the banners of several web servers stands in front of them and is none of them.
    let fronts = told.iter().filter(|t| t.clue == "server" && t.source == HTTP_SERVER).count() > 1;
    for t in told {
        let understood = match t.clue.as_str() {
            "system" => {
                let claimed = CLAIMS.contains(&t.source.as_str());
                named(&t.value).map(|s| (s, if claimed { weight::CLAIMED } else { weight::SYSTEM }))
            }
            "server" if fronts && t.source == HTTP_SERVER => None,
            "server" => named(&t.value).map(|s| (s, weight::SERVER)),
            "client" => named(&t.value).map(|s| (s, weight::CLIENT)),
            "fingerprint" if t.source == "tcp.syn" => stack(&t.value),
            "fingerprint" if t.source == "dhcp.fingerprint" => asked_for(&t.value),
            _ => None,
        };
        let Some((sign, weight)) = understood else { continue };
        let kinds = families.entry(sign.family).or_default();
        // A SYN and a DHCP request are two fingerprints.
        let kind = if t.clue == "fingerprint" { &t.source } else { &t.clue };
        let best = kinds.entry(kind.as_str());
        let place = best.or_insert_with(|| (0, sign.clone(), t.source.as_str()));
        let better = weight + u32::from(sign.exact) > place.0;
        if better {
            *place = (weight + u32::from(sign.exact), sign, t.source.as_str());
        }
    }
    let total = |kinds: &BTreeMap<&str, (u32, Sign<'_>, &str)>| kinds.values().map(|k| k.0).sum::<u32>();
    let mut ranked: Vec<_> = families.values().map(|kinds| (total(kinds), kinds)).collect();
    ranked.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
    let (best, kinds) = ranked.first()?;
    if ranked.get(1).is_some_and(|(next, _)| best * 100 < next * LEAD) {
        return None;
    }
    let mut signs: Vec<_> = kinds.values().collect();
    signs.sort_by_key(|(weight, sign, _)| (!sign.exact, std::cmp::Reverse(*weight)));
    let system = signs.first().map(|(_, sign, _)| sign.system.to_owned())?;
    let reasons: Vec<String> = signs
        .iter()
        .take(REASONS)
        .map(|(_, sign, source)| match *source {
            "tcp.syn" => format!("SYN {}", sign.said),
            source => format!("{source} \"{}\"", sign.said),
        })
        .collect();
    Some(Guess { system, reason: reasons.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(clues: &[(&str, &str, &str)]) -> Option<(String, String)> {
        let told: Vec<Told> = clues
            .iter()
            .map(|(clue, value, source)| Told {
                clue: (*clue).into(),
                value: (*value).into(),
                source: (*source).into(),
            })
            .collect();
        guess(&told).map(|g| (g.system, g.reason))
    }

    fn syn(shape: &str) -> Option<String> {
        told(&[("fingerprint", shape, "tcp.syn")]).map(|(system, _)| system)
    }

    #[test]
    fn stacks_are_told_by_their_syn() {
        assert_eq!(syn("64:64240:mss1460,sack,ts,nop,ws7").as_deref(), Some("Linux"));
        assert_eq!(syn("128:8192:mss1460,nop,ws8,nop,nop,sack").as_deref(), Some("Windows"));
        assert_eq!(syn("128:65535:mss1460,nop,nop,sack").as_deref(), Some("Windows"));
        assert_eq!(syn("64:65535:mss1460,nop,ws6,nop,nop,ts,sack,eol+1").as_deref(), Some("macOS or iOS"));
        assert_eq!(syn("64:65535:mss1460,nop,ws6,sack,ts").as_deref(), Some("FreeBSD"));
        assert_eq!(syn("64:16384:mss1460,nop,nop,sack,nop,ws6,nop,nop,ts").as_deref(), Some("OpenBSD"));
        assert_eq!(syn("64:32768:mss1460,nop,ws3,sack,nop,nop,nop,nop,ts").as_deref(), Some("NetBSD"));
        assert_eq!(syn("255:4128:mss536").as_deref(), Some("Cisco IOS"));
        for crafted in ["64:1024:mss1460", "255:1024:", "64:65535:", "", "x", "64:x:mss", "128:1:nop"] {
            assert_eq!(syn(crafted), None, "{crafted}");
        }
    }

    #[test]
    fn clues_of_one_family_add_up_and_are_named() {
        let agent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36";
        let (system, reason) = told(&[
            ("client", agent, "http.user_agent"),
            ("fingerprint", "128:64240:mss1460,nop,ws8,nop,nop,sack", "tcp.syn"),
        ])
        .unwrap();
        assert_eq!(system, "Windows 10 or 11");
        assert_eq!(reason, "http.user_agent \"Windows NT 10.0\"; SYN 128:64240:mss1460,nop,ws8,nop,nop,sack");
        let (system, _) = told(&[
            ("fingerprint", "64:65535:mss1460,sack,ts,nop,ws9", "tcp.syn"),
            ("client", "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7)", "http.user_agent"),
        ])
        .unwrap();
        assert_eq!(system, "Android");
    }

    #[test]
    fn banners_name_distributions() {
        let banner = |text| told(&[("server", text, "ssh.banner")]).map(|g| g.0);
        assert_eq!(banner("OpenSSH_9.2p1 Debian-2+deb12u3").as_deref(), Some("Debian Linux"));
        assert_eq!(banner("OpenSSH_5.8p1 Debian-7ubuntu1").as_deref(), Some("Ubuntu Linux"));
        assert_eq!(banner("OpenSSH_for_Windows_8.1").as_deref(), Some("Windows"));
        assert_eq!(banner("OpenSSH_9.9"), None);
    }

    #[test]
    fn what_tools_claim_weighs_less_than_their_stack() {
        let linux = ("fingerprint", "64:64240:mss1460,sack,ts,nop,ws7", "tcp.syn");
        let windows = ("fingerprint", "128:64240:mss1460,nop,ws8,nop,nop,sack", "tcp.syn");
        let version = ("system", "Windows 10.0.17763", "ntlm.version");
        let system = |clues: &[_]| told(clues).map(|g| g.0);
        assert_eq!(system(&[linux, version]).as_deref(), Some("Linux"));
        assert_eq!(system(&[windows, version]).as_deref(), Some("Windows 10 1809 or Server 2019"));
        let request = ("fingerprint", "1,121,3,6,15,108,114,119,252", "dhcp.fingerprint");
        let class = ("system", "android-dhcp-13", "dhcp.vendor_class");
        assert_eq!(system(&[request]).as_deref(), Some("iOS"));
        assert_eq!(system(&[class, linux]).as_deref(), Some("Android"));
    }

    #[test]
    fn contradictions_are_not_decided() {
        let linux = ("fingerprint", "64:64240:mss1460,sack,ts,nop,ws7", "tcp.syn");
        let windows = ("fingerprint", "128:64240:mss1460,nop,ws8,nop,nop,sack", "tcp.syn");
        assert_eq!(told(&[linux, windows]), None, "many hosts behind one address");
        let lie = ("client", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", "http.user_agent");
        assert_eq!(told(&[linux, lie]).map(|g| g.0).as_deref(), Some("Linux"), "agents may be made up");
        assert_eq!(told(&[("name", "windows-pc", "dhcp.hostname")]), None, "a name is no system");
        assert_eq!(told(&[]), None);
        let iis = ("server", "Microsoft-IIS/6.0", HTTP_SERVER);
        assert_eq!(told(&[iis]).map(|g| g.0).as_deref(), Some("Windows"));
        assert_eq!(told(&[iis, ("server", "AkamaiGHost", HTTP_SERVER)]), None, "a content network");
    }
}
