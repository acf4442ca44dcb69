//! Which detections in SQL run, and with which values?
//!
//! The shipped ones and those of the user's folder, without the disabled ones, with thresholds from the configuration and values from the
//! command line over them. A file that cannot be read is told and left out. Used by `ingest`, `detect`, `detectors` and a finding's page.

use super::exit::usage;
use super::{Context, output, paths};
use crate::detect;
use crate::report::detection::Detection;
use crate::report::detections;
use crate::report::suggest::hint;
use crate::store;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The user's folder: `detect.folder`, else `detections` beside the configuration.
fn folder(cx: &Context) -> Option<PathBuf> {
    let set = &cx.settings.engine.detect.folder;
    if !set.is_empty() {
        return Some(PathBuf::from(set));
    }
    let config = cx.global.config.clone().unwrap_or_else(|| paths::own_config(&cx.env));
    config.parent().map(|p| p.join("detections"))
}

/// All that can be read, disabled ones too; the others are told.
pub(super) fn all(cx: &Context) -> Vec<Detection> {
    let (all, bad) = detections::with_folder(folder(cx).as_deref());
    for b in bad {
        output::complain(&format!("detection left out: {b}"));
    }
    all
}

/// Is it switched off by `detect.disabled`?
pub(super) fn is_off(config: &detect::Config, d: &Detection) -> bool {
    config.disabled.contains(&d.header.name)
}

/// As the store takes them. `given` are values for every detection that has a parameter of the name; a name that none has is an error.
pub(super) fn bound(
    all: &[Detection],
    config: &detect::Config,
    given: &BTreeMap<String, String>,
) -> Result<Vec<store::Detection>> {
    let params = || all.iter().flat_map(|d| d.header.params.iter().map(|p| p.name.as_str()));
    if let Some(name) = given.keys().find(|n| params().all(|p| p != n.as_str())) {
        let near = hint(name, params());
        return Err(usage(format!("none of these detections has a parameter {name}.{near}")));
    }
    all.iter()
        .map(|d| {
            let set = config.thresholds.get(&d.header.name).into_iter().flatten();
            let mut values: BTreeMap<String, String> = set.map(|(n, v)| (n.clone(), v.to_string())).collect();
            values.extend(given.iter().map(|(n, v)| (n.clone(), v.clone())));
            d.bind(&values, config.confidence_threshold, &config.expected).map_err(|e| usage(e.to_string()))
        })
        .collect()
}
