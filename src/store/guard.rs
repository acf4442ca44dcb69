//! Is this SQL one statement that only reads?
//!
//! DuckDB's own parser answers: `json_serialize_sql` accepts SELECT statements alone (WITH, FROM, VALUES, DESCRIBE, SHOW and
//! SUMMARIZE are such) and shows every function they call. A read-only transaction on a database that is open for reading
//! stops the rest; a statement's type alone would let `EXPLAIN ANALYZE DELETE` or `nextval` through. Refuses functions
//! that act, reach into memory, or run text as SQL.

use super::StoreError;
use super::connect::sentence;
use duckdb::Connection;

/// Functions that are not run for an analyst: name and why.
const DENIED: &[(&str, &str)] = &[
    ("checkpoint", "writes the file"),
    ("force_checkpoint", "writes the file"),
    ("nextval", "changes a sequence"),
    ("setseed", "changes the session"),
    ("enable_logging", "changes what is logged"),
    ("disable_logging", "changes what is logged"),
    ("truncate_duckdb_logs", "deletes logs"),
    ("write_log", "writes logs"),
    ("enable_profiling", "writes files"),
    ("disable_profiling", "changes the session"),
    ("query", "runs text as SQL, unseen by this check"),
    ("json_execute_serialized_sql", "runs a plan, unseen by this check"),
    ("from_substrait", "runs a plan, unseen by this check"),
    ("from_substrait_json", "runs a plan, unseen by this check"),
    ("read_duckdb", "opens a database by path, which drops the lock of ours"),
    ("arrow_scan", "reads memory by address"),
    ("arrow_scan_dumb", "reads memory by address"),
    ("pandas_scan", "reads memory by address"),
    ("python_map_function", "reads memory by address"),
    ("seq_scan", "reads memory by address"),
    ("sleep_ms", "only waits"),
];

/// How functions that read files begin, and one that lists them.
const FILES: &[&str] = &["read_", "sniff_", "parquet_", "glob"];

/// How DuckDB says that a statement is no SELECT.
const NOT_A_SELECT: &str = "Only SELECT statements can be serialized";

/// How a call looks in the serialised statement. Quotes inside texts are escaped there, so no text can look like it.
const CALL: &str = "\"function_name\":\"";

/// How a table looks in the serialised statement.
const TABLE: &str = "\"table_name\":\"";

/// Check `sql`; gives back nothing but permission. Without `files`, what reads files is refused here already: a second descriptor of
/// the database, however short, would drop DuckDB's lock on it.
pub(super) fn check(db: &Connection, sql: &str, files: bool) -> Result<(), StoreError> {
    let refuse = |why: &str| Err(StoreError::NotReadOnly(why.to_owned()));
    if sql.contains('\0') {
        return refuse("the text contains a zero byte");
    }
    let mut core = sql;
    if let Some(rest) = keyword(core, "EXPLAIN") {
        core = keyword(rest, "ANALYZE").unwrap_or(rest);
        core = options(core);
    }
    let tree = serialised(db, core)?;
    match tree.statements {
        1 => {}
        0 => return refuse("there is no statement"),
        n => return refuse(&format!("there are {n} statements, run them one by one")),
    }
    for call in tree.text.split(CALL).skip(1) {
        let name = call.split('"').next().unwrap_or_default().to_ascii_lowercase();
        if let Some((name, why)) = DENIED.iter().find(|(d, _)| *d == name) {
            return refuse(&format!("the function {name} {why}"));
        }
        if !files && FILES.iter().any(|f| name.starts_with(f)) {
            return refuse(&format!("the function {name} reads files"));
        }
    }
    // DuckDB takes FROM 'x.csv' for a file. None of our tables is called so.
    for name in tree.text.split(TABLE).skip(1).filter(|_| !files).map(quoted) {
        if name.contains(['.', '/', '*']) {
            return refuse(&format!("{name} is a file"));
        }
    }
    Ok(())
}

/// A JSON text up to its closing quote, escapes left as they are.
fn quoted(text: &str) -> &str {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

struct Tree {
    statements: i64,
    text: String,
}

fn serialised(db: &Connection, sql: &str) -> Result<Tree, StoreError> {
    let (failed, message, statements, text) = db
        .query_row(
            "SELECT j->>'$.error', j->>'$.error_message', json_array_length(j, '$.statements')::BIGINT, j::VARCHAR \
             FROM (SELECT json_serialize_sql(?::VARCHAR) AS j)",
            [sql],
            |r| {
                Ok((
                    r.get::<_, Option<String>>(0)?,
                    r.get::<_, Option<String>>(1)?,
                    r.get::<_, Option<i64>>(2)?,
                    r.get::<_, String>(3)?,
                ))
            },
        )
        .map_err(|e| StoreError::Sql(sentence(&e)))?;
    if failed.as_deref() == Some("false") {
        return Ok(Tree { statements: statements.unwrap_or(0), text });
    }
    let message = message.unwrap_or_default();
    if message.contains(NOT_A_SELECT) {
        return Err(StoreError::NotReadOnly("this is another kind".to_owned()));
    }
    Err(StoreError::Sql(message.lines().next().unwrap_or("the statement cannot be read").to_owned()))
}

/// What follows `word` (any case) at the start of `sql`, after blanks and comments; `None` when it is not there.
fn keyword<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let sql = blank(sql);
    let (head, rest) = sql.split_at_checked(word.len())?;
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// Without EXPLAIN's options in parentheses, such as `(FORMAT json)`; `(SELECT …)` stays.
fn options(sql: &str) -> &str {
    let trimmed = blank(sql);
    let Some(inner) = trimmed.strip_prefix('(') else { return sql };
    let (is_option, end) = (
        ["FORMAT", "ANALYZE"].iter().any(|w| keyword(inner, w).is_some()),
        inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ',' || c.is_ascii_whitespace())),
    );
    match end.and_then(|e| inner.get(e..)).and_then(|r| r.strip_prefix(')')) {
        Some(rest) if is_option => rest,
        _ => sql,
    }
}

/// Without leading blanks and comments.
fn blank(mut sql: &str) -> &str {
    loop {
        sql = sql.trim_start();
        sql = if let Some(rest) = sql.strip_prefix("--") {
            rest.split_once('\n').map_or("", |(_, r)| r)
        } else if let Some(rest) = sql.strip_prefix("/*") {
            rest.split_once("*/").map_or("", |(_, r)| r)
        } else {
            return sql;
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sql: &str) -> Result<(), StoreError> {
        check(&Connection::open_in_memory().unwrap(), sql, false)
    }

    #[test]
    fn reading_statements_pass() {
        for sql in [
            "SELECT 1",
            "select 1;",
            "-- a question\n/* of two */ WITH a AS (SELECT 1) FROM a;\n-- the end",
            "FROM flows",
            "VALUES (1)",
            "TABLE flows",
            "DESCRIBE flows",
            "SHOW TABLES",
            "SUMMARIZE flows",
            "EXPLAIN SELECT 1",
            "explain analyze (select 1)",
            "EXPLAIN (FORMAT json) SELECT 1",
            "EXPLAIN (SELECT 1)",
            "SELECT 'checkpoint; DELETE', '\"function_name\":\"checkpoint\"'",
            "SELECT $a, $b",
        ] {
            assert!(verdict(sql).is_ok(), "{sql}: {:?}", verdict(sql));
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "",
            "-- nothing",
            "SELECT 1; SELECT 2",
            "SELECT 1; DROP TABLE flows",
            "DELETE FROM flows",
            "INSERT INTO flows VALUES (1)",
            "EXPLAIN DELETE FROM flows",
            "EXPLAIN ANALYZE DELETE FROM flows",
            "EXPLAIN (ANALYZE) DELETE FROM flows",
            "EXPLAIN /* x */ ANALYZE UPDATE flows SET vlan = 1",
            "COPY (SELECT 1) TO 'x'",
            "ATTACH 'x'",
            "SET threads = 1",
            "PRAGMA database_list",
            "CALL checkpoint()",
            "FROM checkpoint()",
            "SELECT * FROM FORCE_CHECKPOINT()",
            "SELECT nextval('s')",
            "WITH a AS (SELECT nextval('s')) FROM a",
            "SELECT (SELECT max(x) FROM (SELECT nextval('s') AS x))",
            "SELECT * FROM query('FROM checkpoint()')",
            "SELECT * FROM read_duckdb('x.db')",
            "FROM read_blob('x')",
            "FROM 'x.csv'",
            "FROM flows JOIN \"a\"\".parquet\" ON true",
            "WITH a AS (FROM glob('*')) FROM a",
            "BEGIN",
            "INSTALL httpfs",
            "PREPARE a AS SELECT 1",
            "SELECT 1\0",
        ] {
            assert!(matches!(verdict(sql), Err(StoreError::NotReadOnly(_))), "{sql}: {:?}", verdict(sql));
        }
    }

    #[test]
    fn errors_of_grammar_are_one_line() {
        let Err(StoreError::Sql(e)) = verdict("SELEC 1") else { panic!("passed") };
        assert!(e.contains("SELEC") && !e.contains('\n'), "{e}");
    }

    #[test]
    fn deep_expressions_are_no_trouble() {
        assert!(verdict(&format!("SELECT {}", vec!["1"; 400].join("+"))).is_ok());
    }
}
