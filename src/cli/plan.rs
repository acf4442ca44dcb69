//! Which captures do these paths mean?
//!
//! Files, folders, standard input and options become jobs, one a capture. A path that cannot be used is said at once
//! and does not stop the others. What is a capture is told by content, in `capture::folder`.

use super::Exit;
use super::exit::usage;
use super::ingest::Args;
use super::output::complain;
use crate::capture::folder::expand;
use crate::capture::{self, OpenError, Options, Polled, Progress, Source, identity};
use crate::model::ids::CaptureId;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// One capture to be: where its packets come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Job {
    /// One file.
    File(PathBuf),
    /// Files merged by packet time.
    Merged(Vec<PathBuf>),
    /// Standard input.
    Stdin,
    /// A folder or file that is being written to.
    Follow(PathBuf),
}

impl Job {
    /// How it is called in messages and in `captures.path`.
    pub(super) fn label(&self) -> String {
        match self {
            Self::File(path) | Self::Follow(path) => path.display().to_string(),
            Self::Merged(paths) => match paths.as_slice() {
                [] => String::new(),
                [only] => only.display().to_string(),
                [first, rest @ ..] => format!("{} and {} more", first.display(), rest.len()),
            },
            Self::Stdin => "-".to_owned(),
        }
    }

    /// Does it have no end that can be known beforehand?
    pub(super) fn is_stream(&self) -> bool {
        match self {
            Self::File(path) => std::fs::metadata(path).is_ok_and(|m| !m.is_file()),
            Self::Merged(_) => false,
            Self::Stdin | Self::Follow(_) => true,
        }
    }

    /// Its identity.
    pub(super) fn identity(&self) -> std::io::Result<CaptureId> {
        match self {
            Self::File(path) => identity::of_files(&[path]),
            Self::Merged(paths) => identity::of_files(paths),
            Self::Stdin | Self::Follow(_) => identity::random(),
        }
    }

    /// Its packets.
    pub(super) fn open(
        &self,
        options: &Options,
        progress: &Arc<Progress>,
    ) -> Result<Box<dyn Source>, OpenError> {
        match self {
            Self::File(path) => capture::open(path, options, progress),
            Self::Merged(paths) => capture::open_merged(paths, options, progress),
            Self::Stdin => capture::open_stdin(options, progress),
            Self::Follow(path) => capture::open_followed(path, options, progress),
        }
    }

    /// Is its content, decompressed, the one with this hash (hexadecimal BLAKE3)? Reads the whole file, which costs a
    /// fraction of ingesting it again. Only for single files; others are compared when they are committed.
    pub(super) fn has_content(&self, hash: &str, options: &Options) -> bool {
        if self.is_stream() || !matches!(self, Self::File(_)) {
            return false;
        }
        let options = Options { filter: None, ..options.clone() };
        let Ok(mut source) = self.open(&options, &Progress::new()) else { return false };
        while !matches!(source.poll(), Polled::End) {}
        match source.ledger().files.as_slice() {
            [file] => {
                file.content_hash.is_some_and(|h| blake3::Hash::from_bytes(h).to_hex().as_str() == hash)
            }
            _ => false,
        }
    }
}

/// What is to be read.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Captures in time order of their first packets; streams last.
    pub(super) jobs: Vec<Job>,
    /// What the command ends with if all of them go well.
    pub(super) exit: Exit,
    /// Files in folders that are no captures.
    pub(super) no_captures: u64,
    /// Paths that cannot be read.
    pub(super) failed: u64,
}

/// Make the plan. What cannot be read is said here, and does not stop the rest.
pub(super) fn plan(args: &Args, options: &Options) -> Result<Plan> {
    let (streams, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        args.paths.iter().cloned().partition(|p| p.as_os_str() == "-");
    if streams.len() > 1 {
        return Err(usage("standard input can be read only once; give - once"));
    }
    if args.follow {
        return match (streams.as_slice(), paths.as_slice()) {
            ([], [one]) => Ok(Plan { jobs: vec![Job::Follow(one.clone())], ..Plan::default() }),
            _ => {
                Err(usage("--follow reads one folder or file; start one process for each, with its own --db"))
            }
        };
    }
    if args.as_one && !streams.is_empty() {
        return Err(usage("standard input cannot be merged with files; leave out --as-one"));
    }
    let mut plan = Plan::default();
    let listing = expand(&paths, args.recursive, options);
    for skipped in &listing.skipped {
        let no_capture = matches!(skipped.reason, OpenError::NotACapture { .. } | OpenError::Empty(_));
        if no_capture && !skipped.named {
            plan.no_captures += 1;
            continue;
        }
        complain(&skipped.reason.to_string());
        plan.failed += 1;
        plan.exit = plan.exit.and(match skipped.reason {
            OpenError::IsFolder(_) => Exit::Usage,
            OpenError::Interrupted(_) => Exit::Interrupted,
            // Nobody asked for this very file: the folder was partly unreadable.
            _ if !skipped.named => Exit::Damaged,
            _ => Exit::Failed,
        });
    }
    let files: Vec<PathBuf> = listing.captures.into_iter().map(|found| found.path).collect();
    if args.as_one && !files.is_empty() {
        plan.jobs.push(Job::Merged(files));
    } else {
        plan.jobs.extend(files.into_iter().map(Job::File));
    }
    plan.jobs.extend(streams.iter().map(|_| Job::Stdin));
    if plan.jobs.is_empty() && plan.failed == 0 {
        complain("no captures in these folders; give one with pcap, pcapng or snoop files in it");
        plan.exit = plan.exit.and(Exit::Failed);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn planned(words: &[&str]) -> Result<Plan, String> {
        let all = ["x"].iter().chain(words);
        plan(&Alone::try_parse_from(all).unwrap().args, &Options::default()).map_err(|e| e.to_string())
    }

    /// A pcap file with one packet at `secs`.
    fn pcap(secs: u32) -> Vec<u8> {
        let mut out = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        for word in [0, 0, 65_535, 1, secs, 0, 1, 1] {
            out.extend(u32::to_le_bytes(word));
        }
        out.push(0);
        out
    }

    #[test]
    fn folders_need_a_word_and_order_is_time() {
        let folder = std::env::temp_dir().join(format!("secnetmon-plan-{}", std::process::id()));
        let inner = folder.join("b");
        std::fs::create_dir_all(&inner).unwrap();
        for (name, bytes) in
            [("c", pcap(2)), ("a", pcap(3)), ("b/x", pcap(1)), ("notes.txt", b"shopping".to_vec())]
        {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(&folder, inner.join("loop")).unwrap();
        let path = folder.to_str().unwrap();
        let p = planned(&[path]).unwrap();
        assert_eq!((p.jobs.len(), p.exit, p.failed), (0, Exit::Usage, 1));
        let p = planned(&["-r", path]).unwrap();
        let names: Vec<String> = p.jobs.iter().map(|j| j.label().replace(path, "")).collect();
        assert_eq!(
            (names, p.exit, p.no_captures),
            (vec!["/b/x".into(), "/c".into(), "/a".into()], Exit::Done, 1)
        );
        let p = planned(&["-r", "--as-one", path]).unwrap();
        assert_eq!((p.jobs.len(), p.jobs[0].label()), (1, format!("{path}/b/x and 2 more")));
        let p = planned(&["--follow", path]).unwrap();
        assert_eq!(p.jobs, [Job::Follow(folder.clone())]);
        let p = planned(&[&format!("{path}/notes.txt"), &format!("{path}/c"), "-"]).unwrap();
        assert_eq!((p.jobs.len(), p.exit), (2, Exit::Failed), "the good file is read all the same");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn standard_input_stands_alone() {
        assert_eq!(planned(&["-"]).unwrap().jobs, [Job::Stdin]);
        assert!(planned(&["-", "-"]).unwrap_err().contains("only once"));
        assert!(planned(&["--as-one", "-"]).unwrap_err().contains("--as-one"));
        assert!(planned(&["--follow", "a", "b"]).unwrap_err().contains("--follow"));
    }

    #[test]
    fn the_full_content_decides() {
        let path = std::env::temp_dir().join(format!("secnetmon-same-{}", std::process::id()));
        std::fs::write(&path, pcap(1)).unwrap();
        let job = Job::File(path.clone());
        let hash = blake3::hash(&pcap(1)).to_hex().to_string();
        assert!(job.has_content(&hash, &Options::default()));
        assert!(!job.has_content(&hash.replace(['0', '1'], "2"), &Options::default()));
        std::fs::remove_file(&path).unwrap();
    }
}
