//! How is an answer read that is longer than the screen?
//!
//! Through `$PAGER`, else `less`, as other tools do: only on a terminal, only for commands that show rows, and `less` ends by itself when all
//! fits on one screen. The pager gets our stdout; what is said on stderr waits until it has ended, so that it does not write over the page.
//! Starts no shell: `$PAGER` is a program and its options.

use super::env::Env;
use super::output;
use rustix::stdio::dup2_stdout;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

/// What `less` is told when the user has no wishes: end when it fits, keep colours, leave the text on the screen.
const LESS_OPTIONS: &str = "FRX";

/// A pager that shows what goes to stdout.
#[derive(Debug)]
pub(super) struct Pager {
    child: Child,
    /// The terminal, for afterwards.
    terminal: OwnedFd,
}

/// The pager's words, if one is wanted.
fn words(env: &Env) -> Option<Vec<String>> {
    if env.text("TERM").is_none_or(|t| t == "dumb") {
        return None;
    }
    let wish = env.text("PAGER").unwrap_or_else(|| "less".to_owned());
    let words: Vec<String> = wish.split_whitespace().map(str::to_owned).collect();
    words.first().is_some_and(|w| w != "cat").then_some(words)
}

impl Pager {
    /// Start it where it helps; a pager that cannot be started is none.
    pub(super) fn start(env: &Env) -> Option<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return None;
        }
        let words = words(env)?;
        let (program, options) = words.split_first()?;
        let mut command = Command::new(program);
        command.args(options).stdin(Stdio::piped());
        if env.text("LESS").is_none() {
            command.env("LESS", LESS_OPTIONS);
        }
        let terminal = rustix::io::dup(io::stdout()).ok()?;
        output::remember_terminal(env);
        let mut child = command.spawn().ok()?;
        let pipe = child.stdin.take()?;
        dup2_stdout(&pipe).ok()?;
        output::hold_words();
        Some(Self { child, terminal })
    }

    /// The answer is complete: wait until it was read, then say what was held back.
    pub(super) fn finish(mut self) {
        // Nobody else holds the pipe: the pager sees its end. When that fails the pager must not be waited for.
        if dup2_stdout(&self.terminal).is_ok() {
            let _ = self.child.wait();
        }
        output::release_words();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_followed() {
        let of = |pairs: &[(&str, &str)]| words(&Env::of(pairs));
        assert_eq!(of(&[("TERM", "xterm")]), Some(vec!["less".into()]));
        assert_eq!(of(&[("TERM", "xterm"), ("PAGER", "more -s")]), Some(vec!["more".into(), "-s".into()]));
        assert_eq!(of(&[("TERM", "xterm"), ("PAGER", "cat")]), None);
        assert_eq!(of(&[("TERM", "dumb")]), None);
        assert_eq!(of(&[]), None);
    }
}
