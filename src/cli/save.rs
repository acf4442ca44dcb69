//! `--save-pcap`: which packets of a stream are kept?
//!
//! Options that every command with a stream shares. What they do is in `capture::save`.

use super::exit::usage;
use crate::capture::Source;
use crate::capture::save::{Ring, save};
use crate::model::ids::CaptureId;
#[cfg(feature = "live")]
use anyhow::Context as _;
use anyhow::Result;
#[cfg(feature = "live")]
use std::path::Path;
use std::path::PathBuf;

/// Keeping packets.
#[derive(clap::Args, Clone, Debug, Default)]
pub(super) struct SaveOptions {
    /// Keep all packets in a ring of pcapng files in this folder, for extract
    #[arg(long, value_name = "DIR")]
    save_pcap: Option<PathBuf>,
    /// MiB that the ring may take; the oldest files go
    #[arg(long, value_name = "MIB", default_value_t = 10_240, requires = "save_pcap")]
    save_max_mib: u64,
    /// Hours of packets that the ring keeps; 0 = as many as fit
    #[arg(long, value_name = "HOURS", default_value_t = 0, requires = "save_pcap")]
    save_max_hours: u64,
    /// MiB of one file of the ring
    #[arg(long, value_name = "MIB", default_value_t = 256, requires = "save_pcap")]
    save_file_mib: u64,
}

/// A file of the ring spans at most this many seconds, so that a quiet network's packets can go by age.
const FILE_AGE: u64 = 3_600;

impl SaveOptions {
    /// Was a folder given?
    pub(super) fn is_wanted(&self) -> bool {
        self.save_pcap.is_some()
    }

    /// The folder that was given.
    #[cfg(feature = "live")]
    pub(super) fn folder(&self) -> Option<&Path> {
        self.save_pcap.as_deref()
    }

    /// Make the folder: whoever locks itself in has to, before it does.
    #[cfg(feature = "live")]
    pub(super) fn make_folder(&self) -> Result<()> {
        let Some(folder) = &self.save_pcap else { return Ok(()) };
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))
    }

    /// The source, with its packets kept if that is asked for.
    pub(super) fn keep(&self, source: Box<dyn Source>, capture: CaptureId) -> Result<Box<dyn Source>> {
        let Some(folder) = &self.save_pcap else { return Ok(source) };
        if self.save_file_mib == 0 || self.save_max_mib < self.save_file_mib.saturating_mul(2) {
            return Err(usage("--save-max-mib must be room for at least two files of --save-file-mib"));
        }
        let ring = Ring {
            folder: folder.clone(),
            file_bytes: self.save_file_mib << 20,
            file_age: FILE_AGE,
            total_bytes: self.save_max_mib << 20,
            total_age: self.save_max_hours.saturating_mul(3_600),
        };
        Ok(save(source, capture, &ring)?)
    }
}
