//! Does a client send requests shaped to break a web application?
//!
//! HTTP records: targets, headers that hold what attacks are made of, and the beginning of forms, with their disguises taken off (`text`) and
//! compared with the forms of attacks (`forms`). One finding a client and server, however many requests. Known exploits are a kind of their own.
//! Refuses to judge single quotes, percent signs and long queries, answers, and what is encrypted.

mod forms;
#[cfg(test)]
mod tests;
mod text;

use super::needles::Needles;
use super::suspicious_user_agent::attack_tool;
use super::window::{Keyed, Rate, Recent};
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::ip_protocol;
use crate::model::kind;
use crate::model::text::printable;
use crate::protocol::http1::{HTTP, HttpTransaction};
use forms::{Class, Place, Seen, inspect};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::sync::LazyLock;
use text::{jndi, plain};

/// What it says of itself.
pub static META: Meta = Meta {
    id: "web_attack",
    question: "Does a client send requests shaped to break a web application?",
    method: "Decodes targets, odd headers and the first bytes of forms and looks for the shapes of known exploits, SQL and command injection, path traversal, script \
             and file inclusion; counts missing pages asked for, and knows attack tools by their name. Shapes combine; several requests strengthen.",
    kinds: &[&kind::WEB_ATTACK, &kind::EXPLOIT_ATTEMPT],
    scope: Scope::Source,
    flows: false,
    tables: &[&HTTP],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "repeated",
            unit: "requests",
            default: 3.0,
            why: "So many requests of one family are no accident of one odd link.",
            source: "measured",
        },
        Threshold {
            name: "missing",
            unit: "paths",
            default: 40.0,
            why: "So many different paths that are refused or missing within the window are a list that is tried; broken pages have some ten.",
            source: "DETECTORS section 14",
        },
        Threshold {
            name: "missing_share",
            unit: "ratio",
            default: 0.5,
            why: "Least part of the answers in the window that refuse: programs that look for packages in several stores, and maps with holes, get most of what \
                  they ask for.",
            source: "lists of paths miss at nine of ten",
        },
        Threshold {
            name: "window",
            unit: "s",
            default: 60.0,
            why: "Tools that guess paths try hundreds a minute.",
            source: "measured on dirb and Nikto",
        },
    ],
    innocent: &[
        "An ordered test of the application's security.",
        "Lessons and articles about attacks that carry examples in their addresses.",
        "A crawler that follows broken links.",
    ],
    next: &[
        "Look at the answers: their status and length show whether one worked.",
        "See what the server did right after: connections it began, files it fetched.",
        "Update the application, or let its firewall refuse the form.",
    ],
    references: &[
        "https://owasp.org/www-project-top-ten/",
        "CVE-2021-44228",
        "CVE-2014-6271",
        "https://attack.mitre.org/techniques/T1190/",
        "https://attack.mitre.org/techniques/T1595/003/",
    ],
    build: |p| Box::new(WebAttack::new(p)),
};

/// Attacks remembered in a shard, 4 KB each at worst: 16 shards take 32 MB.
const MAX_ATTACKS: usize = 512;
/// Pairs whose missing paths are counted in a shard, 2 KB each at worst: 16 shards take 32 MB.
const MAX_WALKS: usize = 1_024;
/// Missing paths remembered of a pair.
const MAX_PATHS: usize = 96;
/// Examples kept of an attack.
const MAX_EXAMPLES: usize = 12;
/// Names of servers kept of an attack.
const MAX_HOSTS: usize = 16;
/// Different forms kept of an attack.
const MAX_FORMS: usize = 64;

#[derive(Debug, Default)]
struct Attack {
    requests: u64,
    /// Family: how sure the clearest request made it, and how many there were.
    classes: BTreeMap<Class, (f64, u64)>,
    forms: BTreeSet<&'static str>,
    examples: Vec<String>,
    hosts: BTreeSet<String>,
    statuses: BTreeMap<u16, u64>,
    tool: Option<&'static str>,
}

type Key = (Ip, Ip, u16);

struct WebAttack {
    repeated: u64,
    missing: usize,
    missing_share: f64,
    window: i64,
    attacks: Keyed<(Key, bool), Attack>,
    walks: Keyed<Key, Walk>,
}

/// What one client was refused by a server.
#[derive(Debug, Default)]
struct Walk {
    paths: Recent<u64>,
    /// Answers that gave what was asked for, since the first refusal.
    fine: Rate,
}

/// Seconds whose good answers are counted: two windows.
const SECONDS: usize = 120;

impl WebAttack {
    fn new(p: &Params) -> Self {
        Self {
            repeated: p.count("repeated") as u64,
            missing: p.count("missing").clamp(1, MAX_PATHS),
            window: p.nanos("window"),
            attacks: Keyed::new(MAX_ATTACKS, |a: &Attack| a.requests),
            missing_share: p.get("missing_share"),
            walks: Keyed::new(MAX_WALKS, |w: &Walk| w.paths.len() as u64),
        }
    }

    /// Forms of one kind in one request.
    fn attack(
        &mut self,
        record: &RecordFact,
        tx: &HttpTransaction,
        (src, dst, port): Key,
        seen: &[Seen],
        tool: Option<&'static str>,
        out: &mut Findings,
    ) {
        let exploit = seen.iter().any(|s| s.class == Class::Exploit);
        let a = self.attacks.at(&((src, dst, port), exploit), record.ts);
        let mut doubts: BTreeMap<Class, f64> = BTreeMap::new();
        for s in seen {
            *doubts.entry(s.class).or_insert(1.0) *= 1.0 - s.weight;
            if a.forms.len() < MAX_FORMS {
                a.forms.insert(s.form);
            }
        }
        for (class, doubt) in doubts {
            let (sure, count) = a.classes.entry(class).or_default();
            *sure = sure.max(1.0 - doubt);
            *count += 1;
        }
        a.requests += 1;
        a.tool = a.tool.or(tool);
        if let Some(host) = tx.host.as_deref().filter(|_| a.hosts.len() < MAX_HOSTS) {
            a.hosts.insert(host.to_owned());
        }
        if let Some(status) = tx.status_code {
            *a.statuses.entry(status).or_default() += 1;
        }
        if let Some(s) = seen.first().filter(|_| a.examples.len() < MAX_EXAMPLES) {
            a.examples.push(format!("{}: {}", s.class.words(), printable(s.shown.as_bytes(), 160)));
        }
        let kind = if exploit { &kind::EXPLOIT_ATTEMPT } else { &kind::WEB_ATTACK };
        let f = out.open(kind, Subject::pair(src, dst).port(port).over(ip_protocol::TCP));
        f.seen(record.ts, record.flow_id);
        for (class, (sure, count)) in &a.classes {
            let again = if *count >= self.repeated { 0.3 } else { 0.0 };
            f.reason(class.name(), *count as f64, 1.0, 1.0 - (1.0 - sure) * (1.0 - again));
        }
        if let Some(tool) = a.tool {
            f.reason("attack_tool", 1.0, 1.0, 0.6);
            f.detail("tool", tool);
        }
        f.direction = direction(record);
        let n = f.count();
        f.title = title(a, src, dst, port, n);
        f.list("forms", a.forms.iter().copied());
        f.list("examples", a.examples.iter().cloned());
        f.list("hosts", a.hosts.iter().cloned());
        let statuses: serde_json::Map<_, _> =
            a.statuses.iter().map(|(s, n)| (s.to_string(), (*n).into())).collect();
        f.detail("statuses", statuses);
        if let Some(client) = tx.x_forwarded_for.as_deref() {
            f.detail("forwarded_for", client);
        }
    }

    /// A page that is missing or refused.
    fn walk(&mut self, record: &RecordFact, key: Key, uri: &str, out: &mut Findings) {
        let path = uri.split(['?', '#']).next().unwrap_or(uri);
        let mut hash = std::hash::DefaultHasher::new();
        hash.write(path.as_bytes());
        let walk = self.walks.at(&key, record.ts);
        walk.paths.push(record.ts, hash.finish(), self.window.saturating_mul(2), MAX_PATHS);
        if walk.paths.len() < self.missing {
            return;
        }
        let different = walk.paths.most_distinct(record.ts, self.window, |p| *p);
        if different < self.missing {
            return;
        }
        let near = walk.paths.between(record.ts.plus(-self.window), record.ts).count();
        let fine = walk.fine.between(record.ts.plus(-self.window), record.ts);
        let share = near as f64 / (near as f64 + fine as f64).max(1.0);
        if share < self.missing_share {
            return;
        }
        let (src, dst, port) = key;
        let f = out.open(
            &kind::WEB_ATTACK,
            Subject::pair(src, dst).port(port).over(ip_protocol::TCP).about("paths"),
        );
        f.seen(record.ts, record.flow_id);
        f.reason("missing_paths", different as f64, self.missing as f64, 0.7);
        f.reason("missing_share", share, self.missing_share, 0.1);
        f.technique = Some("T1595.003");
        f.direction = direction(record);
        f.title = format!(
            "{src} tries paths of {dst}:{port}: {different} or more that are missing or refused within {} s",
            self.window / 1_000_000_000
        );
        f.detail("last_path", printable(path.as_bytes(), 160));
    }
}

/// Classes of attacks that a title names.
const NAMED: usize = 5;

fn title(a: &Attack, src: Ip, dst: Ip, port: u16, n: u64) -> String {
    let classes: Vec<&str> = a.classes.keys().map(|c| c.words()).collect();
    let exploits: Vec<&str> = if a.classes.contains_key(&Class::Exploit) {
        a.forms.iter().copied().take(2).collect()
    } else {
        Vec::new()
    };
    let what = match (exploits.is_empty(), classes.is_empty(), a.tool) {
        (false, ..) => format!("the form of {}", exploits.join(" and ")),
        (_, true, Some(tool)) => format!("the attack tool {tool}"),
        // A long list would push the target out of a line.
        _ if classes.len() > NAMED => {
            let (named, rest) = classes.split_at(NAMED - 1);
            format!("{} and {} more forms", named.join(", "), rest.len())
        }
        _ => classes.join(", "),
    };
    let requests = if n == 1 { "one request".to_owned() } else { format!("{n} requests") };
    let to = a
        .hosts
        .iter()
        .next()
        .filter(|h| !h.starts_with(&dst.to_string()))
        .map(|h| format!(" ({h})"))
        .unwrap_or_default();
    format!("{src} sends {requests} with {what} to {dst}:{port}{to}")
}

fn direction(record: &RecordFact) -> Option<&'static str> {
    Some(match (record.src_internal, record.dst_internal) {
        (true, true) => "internal",
        (true, false) => "outbound",
        (false, true) => "inbound",
        (false, false) => "external",
    })
}

/// Log4shell and Shellshock in any text.
fn anywhere(text: &str, place: &'static str, seen: &mut Vec<Seen>) {
    // Lookups are also hidden behind percent signs.
    let decoded = if text.contains(['%', '\\']) { plain(text.as_bytes()) } else { String::new() };
    if let Some(shown) = jndi(text).or_else(|| jndi(&decoded)) {
        let shown = format!("{place}: {shown}");
        seen.push(Seen { class: Class::Exploit, form: "Log4Shell, CVE-2021-44228", weight: 0.95, shown });
    }
    if let Some(at) = text.find("() {").or_else(|| text.find("(){"))
        && text.get(at..).is_some_and(|t| t.contains(';'))
    {
        let shown = format!("{place}: {}", text::around(text, at));
        seen.push(Seen { class: Class::Exploit, form: "Shellshock, CVE-2014-6271", weight: 0.95, shown });
    }
}

/// Can a target hold any of it? Most cannot, and are told so by one walk over their bytes.
fn is_dull(target: &str) -> bool {
    let bytes = target.as_bytes();
    !bytes.iter().any(|b| {
        matches!(
            b,
            b'\'' | b'"' | b'<' | b'>' | b'(' | b'$' | b';' | b'|' | b'%' | b'+' | b'`' | b'{' | b'\\'
        )
    }) && !TELLING.may_be_in(target)
        && target.len() <= LONG
}

/// Bytes of a target from which on it may be made to overflow something.
const LONG: usize = 200;

/// Where shippers of logs deliver: what others sent stands in their bodies, attacks among it.
const INTAKES: &[&str] =
    &["/loki/api/", "/_bulk", "/services/collector", "/api/v2/logs", "/api/v1/push", "/v1/logs", "/gelf"];

/// Fields of tools that exist to pass on statements of SQL.
const STATEMENTS: &[&str] = &["sql_query=", "\"rawsql\"", "\"sql\":", "\"query\":\"select", "\"statement\":"];

/// What makes a target worth a look, besides odd characters.
static TELLING: LazyLock<Needles> = LazyLock::new(|| {
    Needles::new(["..", "://", "etc/", ".exe", "/."].iter().chain(POINTERS).copied(), false)
});

/// Pieces of exploits that need no odd character.
const POINTERS: &[&str] = &[
    "eval-stdin",
    "nvokefunction",
    "lassLoader",
    "diag_Form",
    "syscmd",
    "DeviceUpgrade",
    "CoordinatorPortType",
    "JMXInvoker",
    "allow_url_include",
    "_ignition",
    "util/bash",
    "AsyncResponseService",
    "console/",
    "ztp/cgi-bin",
    "CloudSetup",
    "card_scan",
    "picsdesc",
    "SetupWizard.aspx/",
    "nas_sharing",
    "resource.loader",
    "@",
    "web.xml",
    "proc/self",
    "win.ini",
    "boot.ini",
    "cmd=",
    "exec=",
    "command=",
    "execute=",
    "shell=",
    "?c=",
    "&c=",
    "uploadova",
    "hyper/send",
    "moveitisapi",
    "RPC2",
    "jsp=/",
    "ecureGroovyScript",
    "logon_hash",
    "WebServiceBean",
    "text-inline.vm",
    "applicationConfig",
    "groovyProgram",
    ".printer",
    ".ida",
    "wp-config",
    "scripts/setup.php",
    "muieblackcat",
    "169.254.169",
    "metadata.google",
    "[$",
];

/// All forms in a request.
fn request(tx: &HttpTransaction) -> Vec<Seen> {
    let mut seen = Vec::new();
    if let Some(uri) = tx.uri.as_deref().filter(|u| !is_dull(u)) {
        anywhere(uri, "target", &mut seen);
        inspect(&uri.to_ascii_lowercase(), &plain(uri.as_bytes()), Place::Target, &mut seen);
    }
    let named = [
        ("User-Agent", &tx.user_agent),
        ("Referer", &tx.referrer),
        ("X-Forwarded-For", &tx.x_forwarded_for),
        ("Host", &tx.host),
        ("Origin", &tx.origin),
        ("Forwarded", &tx.forwarded),
        ("Content-Type", &tx.request.content_type),
        ("user name", &tx.username),
    ];
    for (name, value) in named {
        if let Some(value) = value.as_deref().filter(|v| v.contains(['{', '%'])) {
            anywhere(value, name, &mut seen);
            if value.contains("%{(#") {
                inspect(value, &value.to_ascii_lowercase(), Place::Header, &mut seen);
            }
        }
    }
    // Names of programs and of the page before: blanks, `;` and words of commands are ordinary there, quotes of SQL and tags are not.
    for value in [&tx.user_agent, &tx.referrer].into_iter().flatten() {
        if value.contains(['\'', '<', '%', '"']) {
            let mut of_name = Vec::new();
            inspect(&value.to_ascii_lowercase(), &plain(value.as_bytes()), Place::Header, &mut of_name);
            of_name.retain(|s| {
                matches!(s.class, Class::Sql | Class::Script | Class::Injection | Class::Exploit)
            });
            seen.append(&mut of_name);
        }
    }
    for value in [&tx.x_forwarded_for, &tx.host]
        .into_iter()
        .flatten()
        .filter(|v| v.len() > LONG || v.contains(['\'', '<', ';', '(', '`', '|']))
    {
        inspect(&value.to_ascii_lowercase(), &plain(value.as_bytes()), Place::Header, &mut seen);
    }
    for (name, value) in &tx.odd_headers {
        anywhere(value, "header", &mut seen);
        let named = format!("{name}: {value}").to_ascii_lowercase();
        inspect(&named, &plain(named.as_bytes()), Place::Header, &mut seen);
        if name.eq_ignore_ascii_case("accept-encoding") {
            let shown = format!("header: {named}");
            seen.push(Seen { class: Class::Exploit, form: "HTTP.sys, CVE-2021-31166", weight: 0.8, shown });
        }
    }
    if !tx.request.head.is_empty() {
        body(tx, &mut seen);
    }
    seen
}

/// The beginning of a form or another text that was sent.
fn body(tx: &HttpTransaction, seen: &mut Vec<Seen>) {
    let body = String::from_utf8_lossy(&tx.request.head);
    anywhere(&body, "body", seen);
    let uri = tx.uri.as_deref().unwrap_or("");
    if INTAKES.iter().any(|i| uri.contains(i)) {
        return;
    }
    let mut found = Vec::new();
    let lower = body.to_ascii_lowercase();
    inspect(&lower, &plain(&tx.request.head), Place::Body, &mut found);
    if STATEMENTS.iter().any(|s| lower.contains(s)) {
        found.retain(|s| s.class != Class::Sql);
    }
    // A file that is sent may be anything; a script of a web shell is what it is.
    if lower.contains("filename=") {
        found.retain(|s| matches!(s.class, Class::Injection | Class::Exploit | Class::Traversal));
    }
    seen.append(&mut found);
}

/// How sure all forms together make it.
fn sure(seen: &[Seen]) -> f64 {
    1.0 - seen.iter().map(|s| 1.0 - s.weight).product::<f64>()
}

impl Detector for WebAttack {
    fn record(&mut self, record: &RecordFact, out: &mut Findings) {
        let Some(tx) = record.of::<HttpTransaction>().filter(|t| t.method.is_some()) else { return };
        let key = (record.tuple.src, record.tuple.dst, record.tuple.dst_port);
        let mut seen = request(tx);
        // The form of an exploit says all; the shapes it is made of are left out.
        if seen.iter().any(|s| s.class == Class::Exploit) {
            seen.retain(|s| s.class == Class::Exploit);
        }
        let tool = tx.user_agent.as_deref().and_then(attack_tool);
        if tool.is_some() || sure(&seen) >= 0.5 {
            self.attack(record, tx, key, &seen, tool, out);
        }
        let missing = tx.status_code.is_some_and(|s| matches!(s, 400 | 403 | 404 | 405 | 410));
        if let Some(uri) = tx.uri.as_deref().filter(|_| missing) {
            self.walk(record, key, uri, out);
        } else if tx.status_code.is_some_and(|s| s < 400)
            && let Some(walk) = self.walks.get_mut(&key)
        {
            walk.fine.add(record.ts, 1, SECONDS);
        }
    }

    fn evicted(&self) -> u64 {
        self.attacks.evicted() + self.walks.evicted()
    }
}
