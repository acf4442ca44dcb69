//! Which findings are meant to be?
//!
//! A site has its own scanner, its own pool, a server that everybody asks every minute. A rule says so in words, `port_scan_* from 10.0.0.5`: the kind, and
//! where it matters the source, the target and the port. Findings that a rule covers are made and kept like all others, and marked; whoever lists findings leaves them
//! out. Refuses a rule that covers everything, and a kind that does not exist: either would hide what nobody thought of.

use crate::model::anomaly::Anomaly;
use crate::model::kind::KINDS;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// All rules, as the configuration has them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Expected {
    rules: Vec<Rule>,
}

/// One rule: all that it names must hold.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    /// As it was written.
    text: String,
    kind: Pattern,
    from: Option<IpNetwork>,
    to: Option<IpNetwork>,
    port: Option<u16>,
}

/// Which kinds.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Pattern {
    Any,
    /// All that begin so.
    Begins(String),
    Is(String),
}

impl Pattern {
    fn of(word: &str) -> Self {
        match word.strip_suffix('*') {
            Some("") => Self::Any,
            Some(beginning) => Self::Begins(beginning.to_owned()),
            None => Self::Is(word.to_owned()),
        }
    }

    fn covers(&self, kind: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Begins(beginning) => kind.starts_with(beginning.as_str()),
            Self::Is(name) => kind == name,
        }
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("the rule {text:?} {what}");
        let mut words = text.split_whitespace();
        let kind = words.next().ok_or_else(|| wrong("names no kind of finding; * is any"))?;
        let mut rule =
            Self { text: text.to_owned(), kind: Pattern::of(kind), from: None, to: None, port: None };
        if !KINDS.iter().any(|k| rule.kind.covers(k.name)) {
            return Err(wrong(&format!(
                "names a kind that does not exist: {kind}; * at its end stands for all that begin so"
            )));
        }
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| wrong(&format!("says nothing after {word}")))?;
            let network = || {
                value
                    .parse::<IpNetwork>()
                    .map_err(|_| wrong(&format!("has {value}, which is no address or network")))
            };
            let twice = match word {
                "from" => rule.from.replace(network()?).is_some(),
                "to" => rule.to.replace(network()?).is_some(),
                "port" => {
                    let port = value.parse().map_err(|_| wrong(&format!("has {value}, which is no port")))?;
                    rule.port.replace(port).is_some()
                }
                _ => return Err(wrong(&format!("has {word}: after the kind come from, to and port"))),
            };
            if twice {
                return Err(wrong(&format!("says {word} twice")));
            }
        }
        if rule.kind == Pattern::Any && rule.from.is_none() && rule.to.is_none() && rule.port.is_none() {
            return Err(wrong("covers everything; name a kind, from, to or port"));
        }
        Ok(rule)
    }

    fn covers(&self, a: &Anomaly) -> bool {
        let within = |network: Option<IpNetwork>, ip: Option<crate::model::addr::Ip>| {
            network.is_none_or(|n| ip.is_some_and(|ip| n.contains(ip.to_std())))
        };
        self.kind.covers(a.kind.name)
            && within(self.from, a.src)
            && within(self.to, a.dst)
            && self.port.is_none_or(|p| a.dst_port == Some(p))
    }
}

impl Expected {
    /// Is it meant to be?
    pub fn covers(&self, a: &Anomaly) -> bool {
        self.rules.iter().any(|r| r.covers(a))
    }
}

impl TryFrom<Vec<String>> for Expected {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        Ok(Self { rules: texts.iter().map(|t| Rule::parse(t)).collect::<Result<_, _>>()? })
    }
}

impl From<Expected> for Vec<String> {
    fn from(all: Expected) -> Self {
        all.rules.into_iter().map(|r| r.text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Findings;
    use super::*;
    use crate::model::addr::Ip;
    use crate::model::anomaly::Subject;
    use crate::model::ids::CaptureId;
    use crate::model::kind;

    fn rules(texts: &[&str]) -> Result<Expected, String> {
        Expected::try_from(texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>())
    }

    fn scan(src: [u8; 4], dst: Option<[u8; 4]>, port: Option<u16>) -> Anomaly {
        let subject =
            Subject { src: Some(Ip::v4(src)), dst: dst.map(Ip::v4), dst_port: port, ..Subject::default() };
        let mut all = Findings::new("port_scan");
        let found = all.open(&kind::PORT_SCAN_VERTICAL, subject);
        found.title = "a scan".to_owned();
        found.reason("ports", 20.0, 15.0, 0.9);
        all.take(CaptureId(1), 0.0, 0.0).remove(0)
    }

    #[test]
    fn everything_that_a_rule_names_must_hold() {
        let covers = |rule: &str, a: &Anomaly| rules(&[rule]).unwrap().covers(a);
        let a = scan([10, 0, 0, 5], Some([10, 1, 2, 3]), Some(443));
        for yes in [
            "port_scan_vertical",
            "port_scan_*",
            "port_scan_* from 10.0.0.5",
            "* from 10.0.0.0/24 to 10.1.0.0/16 port 443",
            "*  port 443   from 10.0.0.5/32",
        ] {
            assert!(covers(yes, &a), "{yes}");
        }
        for no in [
            "beacon",
            "port_scan_horizontal",
            "port_scan_* from 10.0.0.6",
            "port_scan_* to 10.0.0.5",
            "* port 80",
            "* from 2001:db8::/32",
        ] {
            assert!(!covers(no, &a), "{no}");
        }
        assert!(!covers("* to 10.1.2.3", &scan([10, 0, 0, 5], None, None)));
        assert!(rules(&["beacon", "* port 443"]).unwrap().covers(&a));
        assert!(!Expected::default().covers(&a));
    }

    #[test]
    fn what_would_hide_too_much_is_refused_with_the_reason() {
        for (rule, why) in [
            ("", "names no kind"),
            ("*", "covers everything"),
            ("port_scn_*", "does not exist: port_scn_*"),
            ("beacon from", "nothing after from"),
            ("beacon from host7", "host7, which is no address"),
            ("beacon port 70000", "70000, which is no port"),
            ("beacon at 10.0.0.1", "has at"),
            ("beacon to 10.0.0.1 to 10.0.0.2", "says to twice"),
        ] {
            let e = rules(&["beacon", rule]).unwrap_err();
            assert!(e.contains(why), "{rule:?}: {e}");
        }
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        let texts = ["beacon  from 10.0.0.5", "* port 22"];
        assert_eq!(Vec::<String>::from(rules(&texts).unwrap()), texts);
    }
}
