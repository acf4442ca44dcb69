//! How does the program end, and what does that tell a script?
//!
//! Exit codes as a type. Part of the contract: scripts branch on them, so old ones never change their meaning.

use std::fmt;
use std::process::ExitCode;

/// The outcome of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Exit {
    /// 0: done.
    #[default]
    Done,
    /// 1: failed; one sentence on stderr says why.
    Failed,
    /// 2: the command line or the configuration is wrong; nothing was done.
    Usage,
    /// 3: done, but the input was damaged or partly unreadable; everything before the damage is kept.
    Damaged,
    /// 4: done, and something at or above the asked severity was found.
    Found,
    /// 130: stopped by the user (128 + SIGINT, as shells expect, so that a loop around it stops, too).
    Interrupted,
}

impl Exit {
    /// The number.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Damaged => 3,
            Self::Found => 4,
            Self::Interrupted => 130,
        }
    }

    /// Of two files of one command, what the command ends with: being stopped outweighs failure, failure damage.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let rank = |e: Self| match e {
            Self::Done => 0,
            Self::Found => 1,
            Self::Damaged => 2,
            Self::Usage => 3,
            Self::Failed => 4,
            Self::Interrupted => 5,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(e: Exit) -> Self {
        Self::from(e.code())
    }
}

/// What the user asked for cannot be meant: exit code 2.
#[derive(Debug)]
pub(super) struct UsageError(pub(super) String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Shorthand for an error that ends with code 2.
pub(super) fn usage(message: impl Into<String>) -> anyhow::Error {
    UsageError(message.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_contract() {
        let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Damaged, Exit::Found, Exit::Interrupted];
        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 130]);
    }

    #[test]
    fn the_worst_file_decides() {
        assert_eq!(Exit::Done.and(Exit::Damaged).and(Exit::Done), Exit::Damaged);
        assert_eq!(Exit::Damaged.and(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Failed.and(Exit::Damaged), Exit::Failed);
        assert_eq!(Exit::Damaged.and(Exit::Found), Exit::Damaged);
    }
}
