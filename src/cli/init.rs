//! `init`: what must be there before the first capture?
//!
//! A commented configuration and an empty database, with permissions for the owner alone. Repeatable: what is there stays as it
//! is, byte for byte. Nothing depends on it: `ingest` makes the database, too.

use super::config::template;
use super::{Context, Exit, Global, output, paths, private_files};
use crate::store::Store;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Create configuration and database; what is there already stays
#[derive(clap::Args, Debug)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, mut global: Global) -> Result<Exit> {
    private_files();
    let env = super::env::Env::of_process();
    let path = global.config.clone().unwrap_or_else(|| paths::own_config(&env));
    let made = write_config(&path)?;
    let mut said = String::new();
    let _ =
        writeln!(said, "configuration  {}  ({})", path.display(), if made { "created" } else { "was there" });

    // Read it back, so that a broken file is told now and not at the first capture.
    global.config = Some(path);
    let cx = Context::new(global)?;
    let database = cx.database();
    let new = Store::create_if_missing(&database)?;
    for folder in &new.folders {
        let _ = writeln!(said, "folder         {}  (created)", folder.display());
    }
    let state = if new.database.is_some() { "created" } else { "was there" };
    let _ = writeln!(said, "database       {}  ({state})", database.display());
    output::print(&said)?;
    output::say("next: secnetmon ingest FILE");
    Ok(Exit::Done)
}

/// True when the file was created.
fn write_config(path: &Path) -> Result<bool> {
    let cannot = || format!("cannot create the configuration {}", path.display());
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(cannot)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(template().as_bytes()).and_then(|()| file.sync_all()).with_context(cannot)?;
            Ok(true)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e).with_context(cannot),
    }
}
