//! Which part of the database is asked about?
//!
//! Options that `analyze` and `export` share: captures, a sensor, a period. What they mean is in `report::traffic`. A mistake in them is one of
//! usage; the database's errors are not.

use super::exit::usage;
use crate::model::time::Timestamp;
use crate::report::params::parse_time;
use crate::report::traffic::{Asked, ScopeError};
use anyhow::Result;

/// Captures, sensor, period.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct ScopeOptions {
    /// Only this capture: its path (the end is enough), number or id; repeatable
    #[arg(long, value_name = "CAPTURE")]
    capture: Vec<String>,
    /// Only captures of this sensor
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Only what began at or after this time (UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what began before this time (UTC)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl ScopeOptions {
    /// What was asked for.
    pub(super) fn asked(&self) -> Result<Asked> {
        Ok(Asked {
            captures: self.capture.clone(),
            since: time("since", self.since.as_deref())?,
            until: time("until", self.until.as_deref())?,
            sensor: self.sensor.clone(),
        })
    }
}

/// An option that is a time.
fn time(option: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    text.map(|t| {
        parse_time(t).ok_or_else(|| {
            usage(format!("--{option} {t:?} is not a time; write it like 2024-01-31 or 2024-01-31T13:45:00Z"))
        })
    })
    .transpose()
}

/// What was asked for wrongly is a matter of usage; the database's errors are not.
pub(super) fn told(e: ScopeError) -> anyhow::Error {
    match e {
        ScopeError::Store(e) => e.into(),
        e => usage(e.to_string()),
    }
}
