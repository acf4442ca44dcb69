//! How is DuckDB started, and in what words do its errors reach the user?
//!
//! One place for settings: no extension is ever fetched or loaded by itself, memory and threads are bounded,
//! temporary files lie beside the database. Refuses to open a file without a lock of `files` held by the caller.

use super::{StoreConfig, StoreError, files};
use duckdb::{AccessMode, Config, Connection};
use std::path::Path;

/// Open the file for writing or reading. The caller holds the lock.
pub(super) fn open(path: &Path, config: &StoreConfig, mode: AccessMode) -> Result<Connection, StoreError> {
    let writes = mode != AccessMode::ReadOnly;
    let config = settings(path, config, mode).map_err(|e| StoreError::Sql(sentence(&e)))?;
    let db = Connection::open_with_flags(path, config).map_err(|e| opening(path, &e))?;
    if writes {
        db.execute_batch(NO_FSST).map_err(|e| StoreError::Sql(sentence(&e)))?;
    }
    Ok(db)
}

/// Trying FSST on every text column costs a tenth of writing and saves a hundredth of the file. As a setting at opening it has no effect.
const NO_FSST: &str = "SET GLOBAL disabled_compression_methods = 'fsst'";

/// The oldest DuckDB that has to read the files made from now on. Without it they are written for 0.10, which turns the sketch of distinct values of
/// each column into its old form and back: an empty database took 3.7 MB instead of 0.8, and opening one 248 million instructions instead of 139.
const STORAGE_VERSION: &str = "v1.2.0";

/// An instance without a database of its own, to which `path` is attached for reading as `src`: for copies. The caller
/// holds the lock.
pub(super) fn attach(path: &Path, config: &StoreConfig) -> Result<Connection, StoreError> {
    let config = settings(path, config, AccessMode::ReadWrite).map_err(|e| StoreError::Sql(sentence(&e)))?;
    let db = Connection::open_in_memory_with_flags(config).map_err(|e| opening(path, &e))?;
    let sql = format!("ATTACH {} AS src (READ_ONLY); USE src", text(&path.to_string_lossy()));
    db.execute_batch(&sql).map_err(|e| opening(path, &e))?;
    Ok(db)
}

fn settings(path: &Path, config: &StoreConfig, mode: AccessMode) -> duckdb::Result<Config> {
    Config::default()
        .access_mode(mode)?
        .enable_autoload_extension(false)?
        .with("autoinstall_known_extensions", "false")?
        .with("allow_community_extensions", "false")?
        .with("storage_compatibility_version", STORAGE_VERSION)?
        // Blocks keep DuckDB's usual 256 KiB. Half as many bytes a column and table would do for small captures, but what is put aside in any other size gets
        // a temporary file each: with 64 KiB five million packets took 7.5 s of system time instead of 2.4.
        .with("temp_directory", files::beside(path, ".tmp").to_string_lossy())?
        .max_memory(&format!("{}MiB", config.memory_limit_mib.max(MIN_MEMORY_MIB)))?
        .threads(config.threads.clamp(1, MAX_THREADS) as i64)?
        // Kept, so that a LIMIT without ORDER BY repeats. Writing needs it too: without it a million flows in one
        // transaction ran out of 128 MiB, with it they fit in 64.
        .with("preserve_insertion_order", "true")
}

/// How much of the machine DuckDB may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Share {
    /// One thread and two thirds of its memory: a stream or few rows are committed and asked about, or nothing happens.
    Usual,
    /// One thread and half of its memory: rows of a stream arrive.
    Stream,
    /// One thread and a third of its memory: rows of a file arrive, which need little of it, and the engine is at its largest. A second thread
    /// would only wait busily.
    Least,
    /// Everything: the engine is gone.
    Whole,
    /// All memory, and a thread less than there are: the one that asks beside works itself.
    Asking,
    /// All memory and one thread: a commit writes one piece after the other, on whichever thread takes it, and one that waits for it waits busily.
    Committing,
}

/// Tell DuckDB its share.
pub(super) fn allot(db: &Connection, config: &StoreConfig, share: Share) -> Result<(), StoreError> {
    let threads = match share {
        Share::Whole => config.threads.clamp(1, MAX_THREADS),
        Share::Asking => config.threads.clamp(2, MAX_THREADS) - 1,
        Share::Usual | Share::Stream | Share::Least | Share::Committing => 1,
    };
    db.execute_batch(&format!("SET threads = {threads}")).map_err(write_error)?;
    let all = config.memory_limit_mib.max(WRITING_MIB);
    let mib = match share {
        Share::Least => APPENDING_MIB.max(all / 3),
        Share::Stream => APPENDING_MIB.max(all / 2),
        Share::Usual => all / 3 * 2,
        Share::Whole | Share::Asking | Share::Committing => all,
    };
    match db.execute_batch(&format!("SET memory_limit = '{mib}MiB'")).map_err(write_error) {
        // Queries beside it hold more at the moment: then it stays as it was.
        Err(_) if matches!(share, Share::Usual | Share::Stream | Share::Least) => Ok(()),
        other => other,
    }
}

/// Less than this and DuckDB cannot even checkpoint, MiB.
const MIN_MEMORY_MIB: u64 = 32;

/// What writing gets in any case, MiB: with 96, the end of a capture of 757,000 flows failed.
const WRITING_MIB: u64 = 128;

/// What appending gets in any case, MiB. DuckDB pins a block of 256 KiB for each column of the table it appends to, and cannot put aside the small buffers
/// of columns with few rows: with 32 a million flows failed, with 48 a folder of a hundred small captures that fill most tables.
const APPENDING_MIB: u64 = 64;

/// More threads than any machine has: a typing error.
const MAX_THREADS: usize = 1024;

/// Why a database did not open.
fn opening(path: &Path, e: &duckdb::Error) -> StoreError {
    let text = sentence(e);
    if text.contains("Could not set lock") || text.contains("onflicting lock") {
        return StoreError::Locked { path: path.to_owned(), owner: holder(&text) };
    }
    let not_a_database = [
        "not a valid DuckDB database file",
        "Corrupt database file",
        "Serialization Error",
        "storage version",
        "storage_version",
    ];
    if not_a_database.iter().any(|s| text.contains(s)) {
        return StoreError::NotADatabase { path: path.to_owned(), reason: text };
    }
    if text.contains("Permission denied") {
        return StoreError::Io {
            action: "open",
            path: path.to_owned(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
    }
    StoreError::Open { path: path.to_owned(), reason: text }
}

/// `/usr/bin/duckdb (process 12)` from DuckDB's "Conflicting lock is held in PROGRAM (PID 12)".
fn holder(text: &str) -> String {
    let Some((_, rest)) = text.split_once("lock is held in ") else { return "another process".to_owned() };
    let Some((program, rest)) = rest.split_once(" (PID ") else { return "another process".to_owned() };
    let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
    format!("process {pid} ({program})")
}

/// What DuckDB says on one line: without its LINE and caret, with its suggestion.
pub(super) fn sentence(e: &duckdb::Error) -> String {
    let text = match e {
        duckdb::Error::DuckDBFailure(_, Some(m)) => m.clone(),
        other => other.to_string(),
    };
    let cut = text.find("\n\nLINE ").or_else(|| text.find("\nLINE ")).unwrap_or(text.len());
    let text = text.get(..cut).unwrap_or(&text);
    let mut out = String::with_capacity(text.len());
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if line.starts_with("Stack Trace") {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(line);
    }
    out
}

/// A quoted SQL identifier.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted SQL text.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''").replace('\0', "\u{fffd}"))
}

/// Errors of our own SQL while writing. A full disk and a folder that cannot be written are said in our words: DuckDB's are about its settings and
/// its transactions.
pub(super) fn write_error(e: duckdb::Error) -> StoreError {
    let text = sentence(&e);
    if text.contains("No space left on device") || text.contains("max_temp_directory_size") {
        return StoreError::Write(
            "the disk is full; free some space or name a database elsewhere with --db PATH".to_owned(),
        );
    }
    if let Some(why) = ["Read-only file system", "Permission denied"].iter().find(|w| text.contains(**w)) {
        let path = text.split('"').nth(1).filter(|p| p.starts_with('/'));
        let path = path.map_or(String::new(), |p| format!(" {p}"));
        return StoreError::Write(format!(
            "its folder does not let us:{path}: {why}; what was committed is safe and there at the next start"
        ));
    }
    StoreError::Write(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_lock_is_named() {
        let m = "IO Error: Could not set lock on file \"/a\": Conflicting lock is held in /usr/bin/python3.12 (PID 777). See also https://x";
        assert_eq!(holder(m), "process 777 (/usr/bin/python3.12)");
        assert_eq!(holder("Conflicting lock"), "another process");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_in_our_words() {
        let duck = duckdb::Error::DuckDBFailure(
            duckdb::ffi::Error::new(1),
            Some("TransactionContext Error: Failed to commit: Could not write file \"/d/s.duckdb.wal\": Read-only file system".into()),
        );
        let said = write_error(duck).to_string();
        assert!(
            said.starts_with(
                "cannot write to the database: its folder does not let us: /d/s.duckdb.wal: Read-only"
            ),
            "{said}"
        );
    }

    #[test]
    fn errors_fit_on_a_line_and_keep_the_suggestion() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE flows(src_ip VARCHAR)").unwrap();
        let e = sentence(&db.prepare("SELECT * FROM\n flow").err().unwrap());
        assert_eq!(e, "Catalog Error: Table with name flow does not exist! Did you mean \"flows\"?");
        let e = sentence(&db.prepare("SELECT srcip FROM flows").err().unwrap());
        assert!(e.contains("Candidate bindings: \"src_ip\"") && !e.contains('\n'), "{e}");
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("it's"), "'it''s'");
    }
}
