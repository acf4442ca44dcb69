//! Lists in JSON: STIX 2.1 bundles, MISP events and feeds, arrays of texts.
//!
//! Lines of a JSON file say little; what is refused is named by its position among the objects.

use super::List;
use super::table::{kind, part, put};
use super::value::{Read, read as value};
use crate::store::IndicatorKind as K;
use serde_json::Value;

/// How deep events and objects of MISP lie in each other, at most.
const MAX_DEPTH: u8 = 8;

/// Is it JSON? A defanged line (`[.]`) begins like an array.
pub(super) fn looks_like(text: &str) -> bool {
    let inside = text.trim_start().get(1..).map(str::trim_start).unwrap_or("");
    inside.starts_with(['"', '{', '[', ']', '}'])
}

pub(super) fn read(origin: &str, text: &str, given: Option<K>) -> Result<List, String> {
    let json: Value = serde_json::from_str(text).map_err(|e| format!("line {}: {e}", e.line()))?;
    let mut list = List::default();
    if json.get("type").and_then(Value::as_str) == Some("bundle") {
        list.format = "stix";
        let objects = json.get("objects").and_then(Value::as_array).ok_or("the bundle has no objects")?;
        for (i, object) in objects.iter().enumerate() {
            stix(&mut list, origin, i + 1, object, given);
        }
        return Ok(list);
    }
    list.format = "misp";
    let mut n = 0;
    walk(&mut list, origin, &json, given, 0, &mut n);
    Ok(list)
}

fn text<'a>(v: &'a Value, name: &str) -> Option<&'a str> {
    v.get(name).and_then(Value::as_str)
}

/// Attributes of MISP, wherever they lie; texts of a plain array.
fn walk(list: &mut List, origin: &str, v: &Value, given: Option<K>, depth: u8, n: &mut usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match v {
        Value::Array(items) => items.iter().for_each(|i| walk(list, origin, i, given, depth + 1, n)),
        Value::String(s) if depth <= 1 => {
            *n += 1;
            put(list, origin, *n, value(s, given, None, None));
        }
        Value::Object(fields) => {
            if let (Some(type_name), Some(entry)) = (text(v, "type"), text(v, "value")) {
                *n += 1;
                attribute(list, origin, *n, v, type_name, entry, given);
            }
            for name in ["response", "Event", "Attribute", "Object", "attributes", "data"] {
                if let Some(inner) = fields.get(name) {
                    walk(list, origin, inner, given, depth + 1, n);
                }
            }
        }
        _ => {}
    }
}

fn attribute(
    list: &mut List,
    origin: &str,
    n: usize,
    v: &Value,
    type_name: &str,
    entry: &str,
    given: Option<K>,
) {
    if v.get("to_ids") == Some(&Value::Bool(false)) || v.get("deleted") == Some(&Value::Bool(true)) {
        return;
    }
    let told = match kind(type_name) {
        Some(Some(kind)) => Some(kind),
        Some(None) => {
            list.unseen += 1;
            return;
        }
        None => None,
    };
    let date = text(v, "first_seen").or_else(|| text(v, "date"));
    put(list, origin, n, value(part(type_name, entry), given.or(told), date, text(v, "comment")));
}

/// An indicator of STIX: its pattern's comparisons.
fn stix(list: &mut List, origin: &str, n: usize, object: &Value, given: Option<K>) {
    if text(object, "type") != Some("indicator") || object.get("revoked") == Some(&Value::Bool(true)) {
        return;
    }
    if text(object, "pattern_type").is_some_and(|t| t != "stix") {
        list.unseen += 1;
        return;
    }
    let Some(pattern) = text(object, "pattern") else {
        return list.reject(origin, n, "the indicator has no pattern");
    };
    // Conditions that must hold together are wider when each is taken alone.
    if pattern.contains(" AND ") || pattern.contains(" FOLLOWEDBY ") || pattern.contains(" NOT ") {
        list.unseen += 1;
        return;
    }
    let found = comparisons(pattern);
    if found.is_empty() {
        return list.reject(origin, n, "the pattern holds no comparison that is understood");
    }
    let note = text(object, "name").or_else(|| text(object, "description"));
    for (path, entry) in found {
        let read = match path_kind(&path) {
            Some(kind) => value(&entry, given.or(Some(kind)), text(object, "valid_from"), note),
            None => Read::Unseen,
        };
        put(list, origin, n, read);
    }
}

/// Path and value of each comparison in a pattern, values of a set one by one.
fn comparisons(pattern: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let inside = pattern.trim().trim_start_matches('[').trim_end_matches(']');
    for condition in inside.split(" OR ") {
        let condition = condition.trim().trim_matches(['[', ']', '(', ' ']);
        let Some(at) = condition.find([' ', '=']) else { continue };
        let (path, rest) = condition.split_at(at);
        let rest =
            rest.trim_start().trim_start_matches("ISSUBSET").trim_start_matches("IN").trim_start_matches('=');
        let mut quoted = rest.split('\'').skip(1).step_by(2).map(str::to_owned).peekable();
        if quoted.peek().is_none() {
            continue;
        }
        out.extend(quoted.map(|v| (path.to_ascii_lowercase(), v)));
    }
    out
}

fn path_kind(path: &str) -> Option<K> {
    let path = path.replace(['\'', '"'], "");
    match path.split_once(':')? {
        ("ipv4-addr" | "ipv6-addr", "value") => Some(K::Address),
        ("domain-name", "value") => Some(K::Domain),
        ("url", "value") => Some(K::Url),
        ("file", "hashes.sha-256" | "hashes.sha256" | "hashes.sha-1" | "hashes.sha1" | "hashes.md5") => {
            Some(K::File)
        }
        ("x509-certificate", "hashes.sha-256" | "hashes.sha256" | "hashes.sha-1") => Some(K::Certificate),
        ("network-traffic", "dst_ref.value" | "src_ref.value") => Some(K::Address),
        _ => None,
    }
}
