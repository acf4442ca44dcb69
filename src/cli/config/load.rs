//! How do file, environment and flags become settings?
//!
//! Each layer is laid over the defaults key by key, checked against the type of the default, and an error names
//! where the value came from. Refuses keys and types it does not know.

use super::keys::{self, KEYS};
use super::{Settings, defaults, settle};
use crate::cli::env::Env;
use crate::report::suggest::{closest, hint};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Variables that are no settings.
const OTHER_VARIABLES: [&str; 2] = ["SECNETMON_DB", "SECNETMON_CONFIG"];

/// A setting that cannot hold.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is not TOML.
    #[error("{origin}: not valid TOML: {message}")]
    Syntax {
        /// File and line.
        origin: String,
        /// What the parser said.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown setting {key:?}.{hint} `secnetmon init` writes a file with all of them.")]
    Unknown {
        /// File or flag.
        origin: String,
        /// As given.
        key: String,
        /// A near key, or nothing.
        hint: String,
    },
    /// A value of the wrong type or out of range.
    #[error("{origin}: {key} {what}")]
    Value {
        /// File, variable or flag.
        origin: String,
        /// The setting.
        key: String,
        /// What is wrong with it.
        what: String,
    },
}

/// All layers; `file` is the configuration to read, `flags` are `KEY=VALUE`. Second: warnings.
pub(in crate::cli) fn load(
    file: Option<&Path>,
    env: &Env,
    flags: &[String],
) -> Result<(Settings, Vec<String>), ConfigError> {
    let mut all = defaults();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_path_buf(), error })?;
        let origin = path.display().to_string();
        let given: Table = toml::from_str(&text).map_err(|e| {
            let line = e.span().and_then(|s| text.get(..s.start)).map(|before| before.lines().count().max(1));
            ConfigError::Syntax {
                origin: line.map_or_else(|| origin.clone(), |l| format!("{origin}, line {l}")),
                message: e.message().to_owned(),
            }
        })?;
        for (key, value) in flatten(&given) {
            overlay(&mut all, &origin, &key, value)?;
        }
    }
    let mut warnings = Vec::new();
    for (variable, text) in env.ours().filter(|(v, _)| !OTHER_VARIABLES.contains(&v.as_str())) {
        match KEYS.iter().find(|k| keys::variable(k.key) == variable) {
            Some(known) => {
                let value = from_text(&all, known.key, &text).map_err(|what| ConfigError::Value {
                    origin: variable.clone(),
                    key: known.key.into(),
                    what,
                })?;
                overlay(&mut all, &variable, known.key, value)?;
            }
            // Not an error: another program may use the prefix, and a variable is not as deliberate as a file.
            None => {
                let known: Vec<String> = KEYS.iter().map(|k| keys::variable(k.key)).collect();
                let near = hint(&variable, known.iter().map(String::as_str));
                warnings.push(format!(
                    "the environment variable {variable} is not a setting and is ignored.{near}"
                ));
            }
        }
    }
    for flag in flags {
        let origin = format!("--set {flag}");
        let (key, text) = flag.split_once('=').ok_or_else(|| ConfigError::Value {
            origin: origin.clone(),
            key: flag.clone(),
            what: "needs a value: --set KEY=VALUE".into(),
        })?;
        let value = from_text(&all, key, text).map_err(|what| {
            if KEYS.iter().any(|k| k.key == key) {
                ConfigError::Value { origin: origin.clone(), key: key.into(), what }
            } else {
                unknown(&origin, key)
            }
        })?;
        overlay(&mut all, &origin, key, value)?;
    }
    let settings = settle(all).map_err(|e| ConfigError::Value {
        origin: "configuration".into(),
        key: String::new(),
        what: e.message().to_owned(),
    })?;
    Ok((settings, warnings))
}

/// `a.b.c` and its value for every leaf; sections vanish, so an empty section says nothing.
pub(super) fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                out.extend(flatten(inner).into_iter().map(|(k, v)| (format!("{key}.{k}"), v)));
                // A section with nothing in it may still be misspelt.
                if inner.is_empty() && !KEYS.iter().any(|k| k.key.starts_with(&format!("{key}."))) {
                    out.push((key.clone(), value.clone()));
                }
            }
            other => out.push((key.clone(), other.clone())),
        }
    }
    out
}

fn unknown(origin: &str, key: &str) -> ConfigError {
    // A key in the wrong section is the commonest mistake: compare the last part first.
    let last = |k: &str| k.rsplit('.').next().map(str::to_owned).unwrap_or_default();
    let near = KEYS
        .iter()
        .find(|k| last(k.key) == last(key))
        .map(|k| k.key)
        .or_else(|| closest(key, KEYS.iter().map(|k| k.key)))
        .or_else(|| {
            let lasts: Vec<String> = KEYS.iter().map(|k| last(k.key)).collect();
            let near = closest(&last(key), lasts.iter().map(String::as_str))?.to_owned();
            KEYS.iter().map(|k| k.key).find(|k| last(k) == near)
        });
    ConfigError::Unknown {
        origin: origin.into(),
        key: key.into(),
        hint: near.map(|k| format!(" Did you mean {k}?")).unwrap_or_default(),
    }
}

fn place<'a>(all: &'a mut Table, key: &str) -> Option<(&'a mut Table, String)> {
    match key.split_once('.') {
        None => Some((all, key.to_owned())),
        Some((section, rest)) => match all.entry(section).or_insert_with(|| Table::new().into()) {
            Value::Table(inner) => place(inner, rest),
            _ => None,
        },
    }
}

fn find<'a>(all: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => all.get(key),
        Some((section, rest)) => find(all.get(section)?.as_table()?, rest),
    }
}

/// Lay one value over the defaults.
fn overlay(all: &mut Table, origin: &str, key: &str, value: Value) -> Result<(), ConfigError> {
    if !KEYS.iter().any(|k| k.key == key) {
        return Err(unknown(origin, key));
    }
    let wrong = |what: String| ConfigError::Value { origin: origin.into(), key: key.into(), what };
    let value = match (find(all, key), value) {
        (Some(Value::Float(_)), Value::Integer(n)) => Value::Float(n as f64),
        (Some(default), value) if !default.same_type(&value) => {
            return Err(wrong(format!("must be {}, not {}", kind(default), kind(&value))));
        }
        (_, value) => value,
    };
    let (section, last) = place(all, key).ok_or_else(|| wrong("is a section, not a value".into()))?;
    let before = section.insert(last.clone(), value);
    // Ranges and forms (a port, a network) are what the setting's own type says.
    if let Err(e) = settle(all.clone()) {
        if let Some((section, before)) = place(all, key).map(|(s, _)| s).zip(before) {
            section.insert(last, before);
        }
        return Err(wrong(format!("has a value that does not fit: {}", e.message())));
    }
    Ok(())
}

/// A value from the text of a variable or flag, by the type of the default.
fn from_text(all: &Table, key: &str, text: &str) -> Result<Value, String> {
    let default = find(all, key).ok_or_else(|| "is not a setting".to_owned())?;
    let wrong = || format!("must be {}, not {text:?}", kind(default));
    Ok(match default {
        Value::Integer(_) => Value::Integer(text.replace('_', "").parse().map_err(|_| wrong())?),
        Value::Float(_) => Value::Float(text.parse().map_err(|_| wrong())?),
        Value::Boolean(_) => Value::Boolean(text.parse().map_err(|_| wrong())?),
        // As in the file, or the items alone with commas between them.
        Value::Array(_) if text.trim_start().starts_with('[') => {
            let mut parsed: Table = toml::from_str(&format!("list = {text}")).map_err(|_| wrong())?;
            parsed.remove("list").ok_or_else(wrong)?
        }
        Value::Array(_) => {
            let items = || text.split(',').map(str::trim).filter(|s| !s.is_empty());
            // An empty default does not say whether its items are numbers or texts; the setting's own type does.
            let numbers: Result<Vec<Value>, _> = items().map(|s| s.parse().map(Value::Integer)).collect();
            let texts = Value::Array(items().map(Value::from).collect());
            match numbers.map(Value::Array) {
                Ok(list) if overlay(&mut all.clone(), "", key, list.clone()).is_ok() => list,
                _ => texts,
            }
        }
        _ => Value::String(text.to_owned()),
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
        Value::Datetime(_) => "a time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(
        text: &str,
        env: &[(&str, &str)],
        flags: &[&str],
    ) -> Result<(Settings, Vec<String>), String> {
        let folder = std::env::temp_dir().join(format!("secnetmon-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let hash = blake3::hash(format!("{text}{env:?}{flags:?}").as_bytes()).to_hex();
        let path = folder.join(format!("{hash}.toml"));
        std::fs::write(&path, text).unwrap();
        let flags: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
        let got = load(Some(&path), &Env::of(env), &flags);
        std::fs::remove_file(&path).unwrap();
        got.map_err(|e| e.to_string().replace(&path.display().to_string(), "FILE"))
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let env = [("SECNETMON_QUERY_TIME_LIMIT_S", "20")];
        let file = "[query]\ntime_limit_s = 10\nmax_rows = 7\n";
        let limit = |file, env: &[(&str, &str)], flags: &[&str]| {
            with_file(file, env, flags).unwrap().0.query.time_limit_s
        };
        assert_eq!(limit("", &[], &[]), Settings::default().query.time_limit_s);
        assert_eq!(limit(file, &[], &[]), 10);
        assert_eq!(limit(file, &env, &[]), 20);
        assert_eq!(limit(file, &env, &["query.time_limit_s=30"]), 30);
        assert_eq!(with_file(file, &env, &[]).unwrap().0.query.max_rows, 7);
    }

    #[test]
    fn a_mistake_names_its_place_and_a_way_out() {
        for (text, parts) in [
            (
                "[query]\ntime_limit = 1",
                &["FILE: unknown setting \"query.time_limit\"", "query.time_limit_s"][..],
            ),
            ("[qury]\nmax_rows = 1", &["Did you mean query.max_rows?"]),
            ("[qury]\n", &["unknown setting \"qury\""]),
            ("max_rows = 1", &["Did you mean query.max_rows?"]),
            ("[query]\nmax_rows = \"many\"", &["query.max_rows must be a whole number, not text"]),
            ("[query]\nmax_rows = -1", &["query.max_rows has a value that does not fit"]),
            ("[query]\n\nmax_rows = ", &["FILE, line 3: not valid TOML"]),
            ("query = 1", &["unknown setting \"query\""]),
        ] {
            let e = with_file(text, &[], &[]).unwrap_err();
            for part in parts {
                assert!(e.contains(part), "{text}: {e}");
            }
            assert!(!e.contains('\n'), "{e}");
        }
        let e = with_file("", &[("SECNETMON_QUERY_MAX_ROWS", "x")], &[]).unwrap_err();
        assert_eq!(e, "SECNETMON_QUERY_MAX_ROWS: query.max_rows must be a whole number, not \"x\"");
        let e = with_file("", &[], &["query.max_row=1"]).unwrap_err();
        assert!(e.contains("Did you mean query.max_rows?"), "{e}");
        let e = with_file("", &[], &["query.max_rows"]).unwrap_err();
        assert!(e.contains("KEY=VALUE"), "{e}");
    }

    #[test]
    fn an_unknown_variable_is_a_warning() {
        let (_, warnings) =
            with_file("", &[("SECNETMON_QUERY_MAX_ROW", "1"), ("SECNETMON_DB", "x")], &[]).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("Did you mean SECNETMON_QUERY_MAX_ROWS?"), "{warnings:?}");
    }

    #[test]
    fn lists_come_with_commas_or_as_in_the_file() {
        let (s, _) =
            with_file("", &[("SECNETMON_TOPOLOGY_LOCAL_NETS", "10.0.0.0/8, fd00::/8")], &[]).unwrap();
        assert_eq!(s.engine.topology.local_nets.len(), 2);
        let (s, _) = with_file("", &[], &["topology.local_nets=[\"10.0.0.0/8\", \"fd00::/8\"]"]).unwrap();
        assert_eq!(s.engine.topology.local_nets.len(), 2);
        for ports in ["3333, 4444", "[3333, 4444]"] {
            let (s, _) = with_file("", &[], &[&format!("detect.mining_ports={ports}")]).unwrap();
            assert_eq!(s.engine.detect.mining_ports, [3333, 4444]);
        }
        let (s, _) = with_file("", &[], &["detect.mining_pools=7,pool.example"]).unwrap();
        assert_eq!(s.engine.detect.mining_pools, ["7", "pool.example"]);
        for wrong in ["detect.mining_ports=many", "detect.mining_ports=[1", "detect.expected=*"] {
            assert!(with_file("", &[], &[wrong]).is_err(), "{wrong}");
        }
        let e = with_file("[topology]\nlocal_nets = [\"10.0.0.0/99\"]", &[], &[]).unwrap_err();
        assert!(e.contains("topology.local_nets has a value that does not fit"), "{e}");
    }
}
