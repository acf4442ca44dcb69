//! Which captures do these paths mean?
//!
//! Files, folders, standard input and options become jobs, one a capture, in an order that does not depend on the
//! file system. A path that cannot be used is said at once and does not stop the others. Refuses to look into
//! files: whether one is a capture is found by opening it.

use super::exit::usage;
use super::ingest::Args;
use super::output::complain;
use super::{Exit, identity};
use crate::capture::{self, OpenError, Options, Progress, Source};
use crate::model::ids::CaptureId;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folders below folders that are entered: deeper is a loop of links.
const MAX_DEPTH: usize = 64;

/// One capture to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Job {
    pub(super) what: What,
    /// Found by looking into a folder, where other files may lie, too.
    pub(super) found_in_folder: bool,
}

/// Where its packets come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// One file.
    File(PathBuf),
    /// Files merged by packet time.
    Merged(Vec<PathBuf>),
    /// Standard input.
    Stdin,
    /// A folder that is being written to.
    Follow(PathBuf),
}

impl Job {
    /// How it is called in messages and in `captures.path`.
    pub(super) fn label(&self) -> String {
        match &self.what {
            What::File(path) | What::Follow(path) => path.display().to_string(),
            What::Merged(paths) => match paths.as_slice() {
                [] => String::new(),
                [only] => only.display().to_string(),
                [first, rest @ ..] => format!("{} and {} more", first.display(), rest.len()),
            },
            What::Stdin => "-".to_owned(),
        }
    }

    /// Does it have no end that can be known beforehand?
    pub(super) fn is_stream(&self) -> bool {
        match &self.what {
            What::File(path) => fs::metadata(path).is_ok_and(|m| !m.is_file()),
            What::Merged(_) => false,
            What::Stdin | What::Follow(_) => true,
        }
    }

    /// Its identity; the error is a sentence.
    pub(super) fn identity(&self) -> Result<CaptureId, String> {
        let cannot = |path: &Path, e: &std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => format!("{}: no such file; check the path", path.display()),
            std::io::ErrorKind::PermissionDenied => {
                format!("{}: permission denied; make it readable for this user", path.display())
            }
            _ => format!("{}: cannot be read: {e}", path.display()),
        };
        match &self.what {
            _ if self.is_stream() => Ok(identity::random()),
            What::File(path) => identity::of_file(path).map_err(|e| cannot(path, &e)),
            What::Merged(paths) => {
                for path in paths {
                    identity::of_file(path).map_err(|e| cannot(path, &e))?;
                }
                identity::of_files(paths.iter().map(PathBuf::as_path)).map_err(|e| e.to_string())
            }
            What::Stdin | What::Follow(_) => Ok(identity::random()),
        }
    }
}

/// The jobs, and what the command ends with if all of them go well.
pub(super) fn jobs(args: &Args) -> Result<(Vec<Job>, Exit)> {
    let mut exit = Exit::Done;
    let mut fail = |message: String, with: Exit| {
        complain(&message);
        exit = exit.and(with);
    };
    let mut found: Vec<Job> = Vec::new();
    for path in &args.paths {
        if path.as_os_str() == "-" {
            if args.as_one {
                return Err(usage("standard input cannot be merged with files; leave out --as-one"));
            }
            if found.iter().any(|j| j.what == What::Stdin) {
                return Err(usage("standard input can be read only once; give - once"));
            }
            found.push(Job { what: What::Stdin, found_in_folder: false });
            continue;
        }
        match fs::metadata(path) {
            Ok(m) if m.is_dir() && args.follow => {
                found.push(Job { what: What::Follow(path.clone()), found_in_folder: false });
            }
            Ok(m) if m.is_dir() && args.recursive => {
                let before = found.len();
                let mut problems = Vec::new();
                walk(path, 0, &mut found, &mut problems);
                if found.len() == before {
                    problems
                        .push(format!("{}: no files in this folder; give one with captures", path.display()));
                }
                for problem in problems {
                    fail(problem, Exit::Failed);
                }
            }
            Ok(m) if m.is_dir() => {
                fail(
                    format!("{}: is a folder; use -r to read the captures in it", path.display()),
                    Exit::Usage,
                );
            }
            Ok(_) if args.follow => {
                fail(format!("{}: is a file; --follow reads a folder", path.display()), Exit::Usage);
            }
            // What cannot even be asked about is told by opening it, in one place.
            _ => found.push(Job { what: What::File(path.clone()), found_in_folder: false }),
        }
    }
    if args.follow && found.len() > 1 {
        return Err(usage("--follow reads one folder; start one process a folder, each with its --db"));
    }
    if args.as_one && !found.is_empty() {
        let files = found
            .iter()
            .filter_map(|j| match &j.what {
                What::File(path) => Some(path.clone()),
                _ => None,
            })
            .collect();
        let found_in_folder = found.iter().any(|j| j.found_in_folder);
        found = vec![Job { what: What::Merged(files), found_in_folder }];
    }
    Ok((found, exit))
}

/// Every file below a folder, by name. Links to folders are not followed: they make loops.
fn walk(folder: &Path, depth: usize, found: &mut Vec<Job>, problems: &mut Vec<String>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => {
            problems.push(format!("{}: cannot be read: {e}", folder.display()));
            return;
        }
    };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => walk(&path, depth + 1, found, problems),
            Ok(kind) if kind.is_dir() => problems.push(format!("{}: too deep; not read", path.display())),
            Ok(kind) if kind.is_file() || (kind.is_symlink() && path.is_file()) => {
                found.push(Job { what: What::File(path), found_in_folder: true });
            }
            _ => {}
        }
    }
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

    fn planned(words: &[&str]) -> Result<(Vec<Job>, Exit), String> {
        let all = ["x"].iter().chain(words);
        jobs(&Alone::try_parse_from(all).unwrap().args).map_err(|e| e.to_string())
    }

    fn file(path: &str) -> Job {
        Job { what: What::File(path.into()), found_in_folder: false }
    }

    #[test]
    fn files_and_standard_input() {
        let (all, exit) = planned(&["/nowhere/a", "-"]).unwrap();
        assert_eq!(all, [file("/nowhere/a"), Job { what: What::Stdin, found_in_folder: false }]);
        assert_eq!(exit, Exit::Done);
        assert!(planned(&["-", "-"]).unwrap_err().contains("only once"));
        assert!(planned(&["--as-one", "-"]).unwrap_err().contains("--as-one"));
    }

    #[test]
    fn folders_need_a_word() {
        let folder = std::env::temp_dir().join(format!("secnetmon-plan-{}", std::process::id()));
        let inner = folder.join("b");
        std::fs::create_dir_all(&inner).unwrap();
        for name in ["c.pcap", "a.pcap", "b/x.pcap"] {
            std::fs::write(folder.join(name), b"").unwrap();
        }
        std::os::unix::fs::symlink(&folder, inner.join("loop")).unwrap();
        let path = folder.to_str().unwrap();
        assert_eq!(planned(&[path]).unwrap(), (vec![], Exit::Usage));
        let (all, exit) = planned(&["-r", path]).unwrap();
        let names: Vec<String> = all.iter().map(|j| j.label().replace(path, "")).collect();
        assert_eq!((names, exit), (vec!["/a.pcap".into(), "/b/x.pcap".into(), "/c.pcap".into()], Exit::Done));
        let (all, _) = planned(&["-r", "--as-one", path]).unwrap();
        assert_eq!((all.len(), all[0].label()), (1, format!("{path}/a.pcap and 2 more")));
        let (all, _) = planned(&["--follow", path]).unwrap();
        assert_eq!(all, [Job { what: What::Follow(folder.clone()), found_in_folder: false }]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
