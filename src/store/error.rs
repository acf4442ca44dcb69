//! What can go wrong with the database, and what should the user do?
//!
//! One clear sentence each, on one line, without DuckDB's decorations. Refuses to hide the path.

use std::path::PathBuf;

/// Errors of the store. Each prints as one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no database at this path.
    #[error("no database at {path}; make one with `secnetmon init` or `secnetmon ingest FILE`, or name another with --db PATH", path = .0.display())]
    Missing(PathBuf),

    /// Another process has it open.
    #[error("the database {path} is in use by {owner}; wait for it to finish, or name another with --db PATH", path = .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// `process 123 (secnetmon ingest)` or what is known of it.
        owner: String,
    },

    /// Written by a newer program.
    #[error("the database {path} has schema version {found}, this program knows up to {known}; use a newer secnetmon, or name another database with --db PATH", path = .path.display())]
    TooNew {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },

    /// A file that is no database of ours.
    #[error("{path} is not a secnetmon database: {reason}; name another with --db PATH", path = .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong, in a few words.
        reason: String,
    },

    /// It does not open for another reason.
    #[error("cannot open the database {path}: {reason}", path = .path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// What DuckDB says.
        reason: String,
    },

    /// Made by an older program, and open for reading only.
    #[error("the database {path} was made by an older secnetmon; run `secnetmon init` once to bring it up to date", path = .0.display())]
    Outdated(PathBuf),

    /// Other content has the same short identity: same size, same first and last MiB.
    #[error(
        "{new} looks like {stored}, which is stored already (same size, beginning and end), but differs inside; use --force to replace it"
    )]
    SameIdentity {
        /// What was read now.
        new: String,
        /// What is stored.
        stored: String,
    },

    /// The operating system said no.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },

    /// The SQL is not one reading statement.
    #[error(
        "only one reading statement (SELECT, WITH, FROM, EXPLAIN, DESCRIBE, SHOW, SUMMARIZE) is run here: {0}"
    )]
    NotReadOnly(String),

    /// DuckDB refused the SQL; its first line, with its suggestion.
    #[error("{0}")]
    Sql(String),

    /// A `$name` without a value, or a value without a `$name`.
    #[error("{0}")]
    Parameter(String),

    /// The query took longer than its limit.
    #[error("the query was stopped after {0:?}; narrow it (a time range, a LIMIT) or raise the limit")]
    Timeout(std::time::Duration),

    /// The process that owns the database has as many clients as it serves.
    #[error("the process that owns the database answers {0} others already; try again in a moment")]
    Busy(usize),

    /// The socket beside the database cannot be used.
    #[error("{path}: {reason}", path = .path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },

    /// The target exists.
    #[error("{path} exists already; remove it or name another", path = .0.display())]
    Exists(PathBuf),

    /// Rows could not be written.
    #[error("cannot write to the database: {0}")]
    Write(String),

    /// The sink was called out of order: a mistake in our code.
    #[error("internal error: {0}")]
    Misuse(&'static str),
}
