//! Lists of lines: plain text, CSV, MISP's CSV, hosts files.

use super::List;
use super::value::{Read, read as value};
use crate::store::IndicatorKind as K;

/// Names of columns, lower case, by what they hold.
const VALUES: [&str; 18] = [
    "value",
    "indicator",
    "ioc",
    "ioc_value",
    "observable",
    "dst_ip",
    "ip",
    "ip_address",
    "domain",
    "url",
    "sha256",
    "sha256_hash",
    "sha1",
    "sha1_hash",
    "md5",
    "md5_hash",
    "ja3_md5",
    "listingreason_value",
];
const TYPES: [&str; 5] = ["type", "ioc_type", "indicator_type", "kind", "attribute_type"];
const DATES: [&str; 8] = [
    "date",
    "first_seen",
    "firstseen",
    "first_seen_utc",
    "dateadded",
    "date_added",
    "last_seen",
    "listingdate",
];
const NOTES: [&str; 9] = [
    "comment",
    "description",
    "note",
    "malware",
    "malware_printable",
    "threat",
    "tags",
    "listingreason",
    "reference",
];

/// What a type of MISP, ThreatFox or a hand-made list means; `Some(None)`: nothing that records show.
pub(super) fn kind(name: &str) -> Option<Option<K>> {
    let name = name.trim().to_ascii_lowercase();
    // `ip-dst|port`: the first part counts.
    let first = name.split('|').next().unwrap_or(&name);
    Some(match first {
        "ip-dst" | "ip-src" | "ip" | "ipv4" | "ipv6" | "address" | "ip:port" | "ipv4-addr" | "ipv6-addr" => {
            Some(K::Address)
        }
        "network" | "cidr" => Some(K::Network),
        "domain" | "hostname" | "fqdn" | "host" | "domain-name" => Some(K::Domain),
        "url" | "uri" | "link" => Some(K::Url),
        "ja3" | "ja3_md5" | "ja3-fingerprint-md5" => Some(K::Ja3),
        "ja4" | "ja4-plus" => Some(K::Ja4),
        "x509-fingerprint-sha256" | "x509-fingerprint-sha1" | "certificate" | "cert" => Some(K::Certificate),
        // Columns of this name hold files in one list and certificates in the next.
        "sha1" | "sha1_hash" => Some(K::Sha1),
        "md5" | "md5_hash" | "filehash-md5" | "filehash-sha1" | "sha256" | "sha256_hash"
        | "filehash-sha256" | "file" | "malware-sample" => Some(K::File),
        "filename" if ["|md5", "|sha1", "|sha256"].iter().any(|h| name.ends_with(h)) => Some(K::File),
        "sha512"
        | "ssdeep"
        | "imphash"
        | "filename"
        | "email"
        | "email-src"
        | "email-dst"
        | "regkey"
        | "mutex"
        | "yara"
        | "user-agent"
        | "text"
        | "comment"
        | "btc"
        | "as"
        | "port"
        | "x509-fingerprint-md5"
        | "tlsh" => None,
        _ => return None,
    })
}

/// The part of a composed value that its type means: `1.2.3.4|80`, `name.exe|hash`.
pub(super) fn part<'a>(type_name: &str, value: &'a str) -> &'a str {
    let file = type_name.trim().to_ascii_lowercase().starts_with("filename|");
    let composed = type_name.contains('|');
    let value = match value.split_once('|') {
        Some((_, hash)) if file => hash,
        Some((first, _)) if composed => first,
        _ => value,
    };
    match value.rsplit_once(':') {
        // `address:port`, of IPv4 only.
        Some((ip, _)) if type_name.eq_ignore_ascii_case("ip:port") => ip,
        _ => value,
    }
}

/// Where the columns of a header stand.
#[derive(Debug)]
struct Header {
    value: usize,
    kind: Option<usize>,
    date: Option<usize>,
    note: Option<usize>,
    wanted: Option<usize>,
    /// What the value's column is named for, such as sha256.
    meaning: Option<K>,
    misp: bool,
}

impl Header {
    fn of(fields: &[String]) -> Option<Self> {
        let names: Vec<String> = fields
            .iter()
            .map(|f| f.trim().trim_start_matches('#').trim().trim_matches('"').to_ascii_lowercase())
            .collect();
        let at = |wanted: &[&str]| wanted.iter().find_map(|w| names.iter().position(|n| n == w));
        let value = at(&VALUES)?;
        // A single word may be an entry of its own; a header has company, or a name that no entry has.
        let named = names.get(value).map(String::as_str).unwrap_or("");
        Some(Self {
            value,
            kind: at(&TYPES),
            date: at(&DATES),
            note: at(&NOTES),
            wanted: at(&["to_ids"]),
            meaning: kind(named).flatten(),
            misp: names.iter().any(|n| n == "to_ids" || n == "event_id"),
        })
    }
}

pub(super) fn read(origin: &str, text: &str, given: Option<K>) -> List {
    let mut list = List { format: "text", ..List::default() };
    let mut header: Option<Header> = None;
    let mut began = false;
    for (i, raw) in text.lines().enumerate() {
        let line = raw.trim();
        // Some lists hide their header behind the sign of a comment.
        let uncommented = line.trim_start_matches(['#', ';']).trim();
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let fields = split(uncommented);
        let may_be_header = fields.len() > 1 || (header.is_none() && fields.len() == 1);
        if !began
            && may_be_header
            && let Some(found) = Header::of(&fields)
        {
            list.format = if found.misp { "misp" } else { "csv" };
            header = Some(found);
            began = true;
            continue;
        }
        if line.starts_with(['#', ';']) {
            continue;
        }
        began = true;
        match &header {
            Some(h) => row(&mut list, origin, i + 1, h, &split(line), given),
            None => plain(&mut list, origin, i + 1, line, given),
        }
    }
    list
}

fn row(list: &mut List, origin: &str, line: usize, h: &Header, fields: &[String], given: Option<K>) {
    let get = |at: Option<usize>| {
        at.and_then(|i| fields.get(i)).map(String::as_str).filter(|f| !f.trim().is_empty())
    };
    let Some(entry) = get(Some(h.value)) else { return list.reject(origin, line, "has no value") };
    if get(h.wanted).is_some_and(|w| matches!(w.trim(), "0" | "False" | "false")) {
        return;
    }
    let type_name = get(h.kind).unwrap_or("");
    let told = match kind(type_name) {
        Some(Some(kind)) => Some(kind),
        Some(None) => {
            list.unseen += 1;
            return;
        }
        None => h.meaning,
    };
    put(list, origin, line, value(part(type_name, entry), given.or(told), get(h.date), get(h.note)));
}

/// A line without columns: an entry, perhaps with a remark, perhaps of a hosts file.
fn plain(list: &mut List, origin: &str, line: usize, text: &str, given: Option<K>) {
    let fields = split(text);
    if fields.len() > 1 {
        // Without a header, the first field that is an entry is the one.
        list.format = "csv";
        let found = fields.iter().map(|f| value(f, given, None, None)).find(|r| matches!(r, Read::Entry(_)));
        return put(list, origin, line, found.unwrap_or(Read::Bad("has no field that is an indicator")));
    }
    let (entry, note) =
        match text.split_once(" #").or_else(|| text.split_once("\t#")).or_else(|| text.split_once(" ;")) {
            Some((entry, note)) => (entry.trim(), Some(note)),
            None => (text, None),
        };
    let mut words = entry.split_whitespace();
    let entry = match (words.next(), words.next()) {
        (Some("0.0.0.0" | "127.0.0.1" | "::" | "::1"), Some(name)) => name,
        (Some(one), None) => one,
        _ => entry,
    };
    put(list, origin, line, value(entry, given, None, note));
}

pub(super) fn put(list: &mut List, origin: &str, line: usize, read: Read) {
    match read {
        Read::Entry(i) => list.take(i),
        Read::Unseen => list.unseen += 1,
        Read::Bad(why) => list.reject(origin, line, why),
    }
}

/// The fields of a line of CSV (RFC 4180), with commas, else semicolons or tabs between.
fn split(line: &str) -> Vec<String> {
    let between = [b',', b'\t', b';'].into_iter().find(|b| line.as_bytes().contains(b)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(between)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    match reader.records().next() {
        Some(Ok(record)) => record.iter().map(str::to_owned).collect(),
        _ => vec![line.to_owned()],
    }
}
