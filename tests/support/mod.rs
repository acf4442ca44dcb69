//! How do the tests run the program, and how do they say what went wrong?
//!
//! [`Lab`] is a throw-away home (database, configuration, scratch files). [`Outcome`] is one run; a check that fails
//! prints the command, the folder and both outputs, so that it can be repeated by hand.

pub(crate) mod packets;
pub(crate) mod rows;
pub(crate) mod spoken;
pub(crate) mod talk;

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_secnetmon");

/// No run of a test takes longer; what does is a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that goes with the test.
pub(crate) struct Lab {
    dir: PathBuf,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("secnetmon-test-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("data/secnetmon.duckdb")
    }

    /// A file in the folder.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program with the lab as its home, not started yet.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.wrapped(&[BINARY], args)
    }

    /// A command that runs the program through others, such as `unshare`.
    pub(crate) fn wrapped<S: AsRef<OsStr>>(&self, through: &[&str], args: &[S]) -> Command {
        let mut command = Command::new(through[0]);
        command
            .args(&through[1..])
            .args(args)
            .current_dir(samples())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.dir)
            .env("XDG_DATA_HOME", self.path("share"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("SECNETMON_DB", self.database())
            .stdin(Stdio::null());
        if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
    }

    /// Run the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Outcome {
        finish(self.command(args), &[])
    }

    /// Run it with `input` on standard input.
    pub(crate) fn run_with_input<S: AsRef<OsStr>>(&self, args: &[S], input: &[u8]) -> Outcome {
        finish(self.command(args), input)
    }

    /// Ingest captures; the outcome still has to be judged.
    pub(crate) fn ingest<S: AsRef<OsStr>>(&self, paths: &[S]) -> Outcome {
        let mut args: Vec<OsString> = vec!["ingest".into()];
        args.extend(paths.iter().map(|p| p.as_ref().to_owned()));
        self.run(&args)
    }

    /// The answer to a question, as CSV with a header.
    pub(crate) fn csv(&self, sql: &str) -> String {
        self.run(&["query", "--format", "csv", "-e", sql]).expect_code(0).stdout
    }

    /// The single value of a question.
    pub(crate) fn value(&self, sql: &str) -> String {
        let table = rows::Csv::parse(&self.csv(sql));
        assert_eq!((table.rows.len(), table.header.len()), (1, 1), "not one value: {sql}");
        table.rows[0][0].clone()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// One run of the program.
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
    shown: String,
}

impl Outcome {
    /// It ended with this code, and not by a signal.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        self.expect_codes(&[code])
    }

    /// It ended with one of these codes.
    #[track_caller]
    pub(crate) fn expect_codes(self, codes: &[i32]) -> Self {
        if !self.status.code().is_some_and(|c| codes.contains(&c)) {
            self.fail(&format!("exit code {codes:?} expected"));
        }
        self
    }

    /// It says this on stderr (upper and lower case alike).
    #[track_caller]
    pub(crate) fn expect_said(self, text: &str) -> Self {
        if !self.stderr.to_lowercase().contains(&text.to_lowercase()) {
            self.fail(&format!("{text:?} expected on stderr"));
        }
        self
    }

    /// It failed with one clear message: some words, few lines, no panic and no bare debug output.
    #[track_caller]
    pub(crate) fn expect_one_sentence(self) -> Self {
        let lines: Vec<_> = self.stderr.lines().filter(|l| !l.trim().is_empty()).collect();
        let debug = ["panicked at", "RUST_BACKTRACE", "Os {", "DuckDBFailure", "Some(", "Err("];
        if lines.is_empty() || lines.len() > 6 || !lines[0].contains(' ') {
            self.fail("one clear sentence expected on stderr");
        }
        if debug.iter().any(|d| self.stderr.contains(d)) {
            self.fail("the message shows the program's insides");
        }
        self
    }

    #[track_caller]
    pub(crate) fn fail(&self, why: &str) -> ! {
        let end =
            |s: &str| s.chars().rev().take(3_000).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        panic!(
            "{why}\n--- command\n{}\n--- ended with {:?} (signal {:?}) after {:.1?}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown,
            self.status.code(),
            self.status.signal(),
            self.elapsed,
            end(&self.stdout),
            end(&self.stderr)
        );
    }
}

/// Run to the end, feeding standard input; kills and fails when it takes longer than [`PATIENCE`].
#[track_caller]
pub(crate) fn finish(mut command: Command, input: &[u8]) -> Outcome {
    let dir = command.get_current_dir().unwrap_or(Path::new(".")).display().to_string();
    let shown = format!("cd {dir} && {command:?}");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let began = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start: {e}\n{shown}"));
    thread::scope(|scope| {
        if let Some(mut pipe) = child.stdin.take() {
            // A program that stops reading early closes the pipe; that is its right.
            scope.spawn(move || drop(pipe.write_all(input)));
        }
        let stdout = drain(scope, child.stdout.take());
        let stderr = drain(scope, child.stderr.take());
        let (status, late) = wait(&mut child, PATIENCE);
        let outcome = Outcome {
            status,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            elapsed: began.elapsed(),
            shown,
        };
        if late {
            outcome.fail("did not end in time and was killed");
        }
        outcome
    })
}

fn drain<'s, R: Read + Send + 's>(
    scope: &'s thread::Scope<'s, '_>,
    pipe: Option<R>,
) -> thread::ScopedJoinHandle<'s, String> {
    scope.spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Wait for the end; true when it had to be killed.
fn wait(child: &mut Child, patience: Duration) -> (ExitStatus, bool) {
    let end = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (status, false);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            return (child.wait().unwrap(), true);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The folder of this package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the samples; every run starts there, so that stored paths are the same everywhere.
pub(crate) fn samples() -> PathBuf {
    root().join("samples")
}

/// A shipped sample.
pub(crate) struct Sample {
    pub(crate) name: String,
    /// Relative to [`samples`].
    pub(crate) capture: PathBuf,
}

impl Sample {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        std::fs::read(samples().join(&self.capture)).unwrap()
    }

    /// What ORIGIN.md's table says of this fact, once for each of its lines.
    pub(crate) fn facts(&self, name: &str) -> Vec<String> {
        let about = std::fs::read_to_string(samples().join(&self.name).join("ORIGIN.md")).unwrap();
        let lines = about.lines().filter(|l| l.starts_with(&format!("| {name}")));
        lines.map(|l| l.rsplit('|').nth(1).unwrap().trim().to_owned()).collect()
    }

    /// Was it recorded for a finding, or for one that is still missed?
    pub(crate) fn is_shown(&self) -> bool {
        self.fact("finding").or_else(|| self.fact("missed")).is_some()
    }

    /// The first of them.
    pub(crate) fn fact(&self, name: &str) -> Option<String> {
        self.facts(name).into_iter().next()
    }
}

/// Every sample, by name.
pub(crate) fn all_samples() -> Vec<Sample> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(samples()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        for file in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()) {
            if file.to_string_lossy().contains(".pcap") {
                found.push(Sample { name: name.clone(), capture: Path::new(&name).join(file) });
            }
        }
    }
    found.sort_by(|a, b| a.capture.cmp(&b.capture));
    assert!(found.len() >= 8, "the samples are missing from {}", samples().display());
    found
}

/// Samples for what costs many runs of each: all of ordinary traffic, and of those that show a finding or its innocent twin every
/// `step`-th.
pub(crate) fn some_samples(step: usize) -> Vec<Sample> {
    let (shown, ordinary): (Vec<_>, Vec<_>) = all_samples().into_iter().partition(Sample::is_shown);
    ordinary.into_iter().chain(shown.into_iter().step_by(step)).collect()
}

/// Is the command there? When not, the test says so and is skipped.
pub(crate) fn tool(name: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(name).is_file()));
    if !found {
        eprintln!("skipped: needs {name}");
    }
    found
}

/// May this test make mount namespaces? When not, the test says so and is skipped.
pub(crate) fn may_mount() -> bool {
    let may = tool("unshare")
        && Command::new("unshare")
            .args(["--mount", "true"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
    if !may {
        eprintln!("skipped: needs root, for a mount namespace");
    }
    may
}
