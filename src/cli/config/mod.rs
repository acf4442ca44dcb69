//! Which settings hold?
//!
//! Flag over environment over file over default. All settings are in one list, [`keys::KEYS`], each with a sentence;
//! the file, the variables (`flow.tcp_idle_s` is `SECNETMON_FLOW_TCP_IDLE_S`) and `--set KEY=VALUE` share it. An unknown key is an
//! error with a suggestion: a threshold that is silently ignored is worse than none. Refuses to know what a setting does.

mod keys;
mod load;
mod template;

pub(in crate::cli) use load::load;
pub(in crate::cli) use template::template;

use crate::store::StoreConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Every setting.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Settings {
    /// Of `ingest`.
    pub(in crate::cli) ingest: Ingest,
    /// Of `monitor`.
    pub(in crate::cli) monitor: Monitor,
    /// Of queries.
    pub(in crate::cli) query: Query,
    /// Of the database.
    pub(in crate::cli) store: Database,
    /// Of the engine and the floors below.
    pub(in crate::cli) engine: crate::engine::Config,
}

/// Section `ingest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Ingest {
    /// Name of the place where captures are recorded.
    pub(in crate::cli) sensor: String,
    /// Worker threads, 0 = one a core.
    pub(in crate::cli) threads: usize,
}

/// Section `monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Monitor {
    /// Names of devices.
    pub(in crate::cli) interfaces: Vec<String>,
    /// A filter of libpcap; empty = none.
    pub(in crate::cli) filter: String,
    /// Bytes of a packet.
    pub(in crate::cli) snaplen: u32,
    /// MiB of the kernel's ring, a device.
    pub(in crate::cli) buffer_mib: u32,
    /// Also packets for others?
    pub(in crate::cli) promiscuous: bool,
    /// Whom to become; empty = who called sudo.
    pub(in crate::cli) user: String,
    /// When a new capture begins; `never` = at no time.
    pub(in crate::cli) capture_rotate: String,
    /// MiB of a log.
    pub(in crate::cli) log_mib: u64,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            filter: String::new(),
            snaplen: 262_144,
            buffer_mib: 64,
            promiscuous: true,
            user: String::new(),
            capture_rotate: "1d".to_owned(),
            log_mib: 10,
        }
    }
}

/// Section `query`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Query {
    /// Seconds, 0 = no limit.
    pub(in crate::cli) time_limit_s: u64,
    /// Rows, 0 = no limit.
    pub(in crate::cli) max_rows: u64,
}

impl Default for Query {
    fn default() -> Self {
        Self { time_limit_s: 300, max_rows: 0 }
    }
}

impl Query {
    /// As the store takes them.
    pub(in crate::cli) fn limits(&self) -> crate::store::Limits {
        crate::store::Limits {
            time: (self.time_limit_s > 0).then(|| Duration::from_secs(self.time_limit_s)),
            rows: (self.max_rows > 0).then_some(self.max_rows),
        }
    }
}

/// Section `store`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli) struct Database {
    /// MiB while writing.
    pub(in crate::cli) memory_limit_mib: u64,
    /// MiB while reading.
    pub(in crate::cli) query_memory_limit_mib: u64,
    /// Threads of the database, 0 = one a core.
    pub(in crate::cli) threads: usize,
    /// Days for which captures are kept, 0 = for ever.
    pub(in crate::cli) retention_days: u64,
    /// MiB that they may take, 0 = no limit.
    pub(in crate::cli) max_database_size_mib: u64,
}

impl Default for Database {
    fn default() -> Self {
        let store = StoreConfig::default();
        Self {
            memory_limit_mib: store.memory_limit_mib,
            query_memory_limit_mib: 1024,
            threads: 0,
            retention_days: 0,
            max_database_size_mib: 0,
        }
    }
}

impl Database {
    fn threads(&self) -> usize {
        if self.threads > 0 {
            self.threads
        } else {
            std::thread::available_parallelism().map_or(StoreConfig::default().threads, usize::from)
        }
    }

    /// What is kept.
    pub(in crate::cli) fn retention(&self) -> crate::store::Retention {
        crate::store::Retention { days: self.retention_days, max_mib: self.max_database_size_mib }
    }

    /// For `ingest` and maintenance.
    pub(in crate::cli) fn writing(&self) -> StoreConfig {
        StoreConfig { memory_limit_mib: self.memory_limit_mib, threads: self.threads() }
    }

    /// For queries: nothing else runs then, so they may use more.
    pub(in crate::cli) fn reading(&self) -> StoreConfig {
        StoreConfig { memory_limit_mib: self.query_memory_limit_mib, threads: self.threads() }
    }
}

/// Detection, parameter, default and meaning of the numbers of the shipped detections in SQL. They are settings, too.
fn sql_thresholds() -> Vec<(String, String, f64, String)> {
    let all = crate::report::detections::shipped();
    let params = all.into_iter().flat_map(|d| {
        let name = d.header.name;
        d.header.params.into_iter().map(move |p| (name.clone(), p))
    });
    params
        .filter_map(|(name, p)| {
            let number = p.default.filter(|_| p.kind == crate::report::params::Kind::Number)?;
            Some((name, p.name, number.parse().ok()?, p.meaning))
        })
        .collect()
}

/// The defaults of all sections as TOML.
fn defaults() -> toml::Table {
    fn table<T: Serialize>(value: &T) -> toml::Table {
        // Settings are plain structs; one that TOML cannot hold would miss its keys, and a test says so.
        toml::Table::try_from(value).unwrap_or_default()
    }
    let mut all = table(&crate::engine::Config::default());
    if let Some(toml::Value::Table(detect)) = all.get_mut("detect") {
        for (id, name, default, _) in sql_thresholds() {
            if let toml::Value::Table(of) =
                detect.entry(id).or_insert_with(|| toml::Value::Table(toml::Table::new()))
            {
                of.insert(name, default.into());
            }
        }
    }
    all.insert("ingest".into(), table(&Ingest::default()).into());
    all.insert("monitor".into(), table(&Monitor::default()).into());
    all.insert("query".into(), table(&Query::default()).into());
    all.insert("store".into(), table(&Database::default()).into());
    all
}

/// The settings from a complete TOML table.
fn settle(mut all: toml::Table) -> Result<Settings, toml::de::Error> {
    let mut section = |name: &str| all.remove(name).unwrap_or_else(|| toml::Table::new().into());
    Ok(Settings {
        ingest: section("ingest").try_into()?,
        monitor: section("monitor").try_into()?,
        query: section("query").try_into()?,
        store: section("store").try_into()?,
        engine: all.try_into()?,
    })
}
