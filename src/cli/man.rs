//! `man`: where are the manual pages?

use super::{Exit, output};
use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// Print the manual page, or write the pages of all commands to a folder
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples: secnetmon man | man -l -\n          secnetmon man --out ~/.local/share/man/man1"
)]
pub(super) struct Args {
    /// Write secnetmon.1, secnetmon-ingest.1 and so on to this folder; it is made when missing
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Args, command: clap::Command) -> Result<Exit> {
    match &args.out {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            output::print(&String::from_utf8_lossy(&page))?;
        }
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .and_then(|()| clap_mangen::generate_to(command, folder))
                .with_context(|| format!("cannot write the manual pages to {}", folder.display()))?;
            output::say(&format!("manual pages written to {}", folder.display()));
        }
    }
    Ok(Exit::Done)
}
