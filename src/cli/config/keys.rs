//! Which settings are there, and what does each mean?
//!
//! The list behind the configuration file, its variables and `--set`. A test compares it with the settings' own
//! defaults, so none can be forgotten. To add one: the field where it is used, and one line here.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Key {
    /// `section.name`.
    pub(in crate::cli) key: &'static str,
    /// What it does, with its unit, in a sentence.
    pub(in crate::cli) meaning: &'static str,
}

const fn key(key: &'static str, meaning: &'static str) -> Key {
    Key { key, meaning }
}

/// The sections in the order of the file.
pub(in crate::cli) const SECTIONS: &[(&str, &str)] = &[
    ("ingest", "Reading captures."),
    ("query", "Asking the database."),
    ("store", "The database."),
    ("topology", "Which addresses are ours."),
    ("decode", "Headers, tunnels and fragments."),
    ("flow", "Flows: when they end and what they may keep in memory."),
    ("protocol", "Recognising and parsing application protocols."),
];

/// All settings in the order of the file.
pub(in crate::cli) const KEYS: &[Key] = &[
    key(
        "ingest.sensor",
        "Name of the place where captures are recorded; only captures of one named sensor are joined.",
    ),
    key("ingest.threads", "Worker threads; 0 = one a core. The rows do not depend on it."),
    key("query.time_limit_s", "Seconds after which a query is stopped; 0 = never."),
    key("query.max_rows", "Rows after which a result is cut, with a warning; 0 = all."),
    key("store.memory_limit_mib", "MiB that the database may use as cache while captures are read."),
    key("store.query_memory_limit_mib", "MiB that the database may use while it answers a query."),
    key("store.threads", "Threads of the database; 0 = one a core."),
    key(
        "topology.local_nets",
        "Networks that are ours, such as 10.0.0.0/8; empty = inferred from the traffic.",
    ),
];

/// The environment variable of a setting.
pub(in crate::cli) fn variable(key: &str) -> String {
    format!("{}{}", super::super::env::PREFIX, key.replace('.', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_settings_share_a_variable() {
        let mut names: Vec<String> = KEYS.iter().map(|k| variable(k.key)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
        assert_eq!(variable("query.max_rows"), "SECNETMON_QUERY_MAX_ROWS");
    }
}
