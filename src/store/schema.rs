//! How does a database get its tables, and how does an older one get today's?
//!
//! Everything is derived from the declared tables: CREATE TABLE, COMMENT ON, and the difference to what an older
//! database has. A new database is made in one transaction in a file of its own and renamed, so it is there wholly
//! or not at all. What is more than a new table or column is a numbered migration. Refuses databases of a newer
//! program.

use super::connect::{ident, sentence, text, write_error};
use super::{StoreConfig, StoreError, connect, files, tables};
use crate::engine;
use duckdb::{AccessMode, Connection};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Steps that lead from version n (its index + 1) to the next, as SQL. Never edit one that was released.
const MIGRATIONS: &[&str] = &[];

/// The version that this program writes.
pub(super) const VERSION: i64 = 1 + MIGRATIONS.len() as i64;

/// Tables that hold no rows of captures.
const BOOKKEEPING: &str = "
CREATE TABLE IF NOT EXISTS schema_version(version BIGINT, fingerprint VARCHAR);
COMMENT ON TABLE schema_version IS 'One row is one change of the tables, the last one holds.';
COMMENT ON COLUMN schema_version.version IS 'Number of the schema.';
COMMENT ON COLUMN schema_version.fingerprint IS 'Hash of the declared tables.';
CREATE TABLE IF NOT EXISTS store_state(last_capture_no UINTEGER);
COMMENT ON TABLE store_state IS 'One row: what must not be forgotten when captures are deleted.';
COMMENT ON COLUMN store_state.last_capture_no IS 'Highest capture number ever given.';
";

/// A table as it should be.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    /// Name, SQL type, comment.
    pub(super) columns: Vec<(&'static str, &'static str, String)>,
}

impl Definition {
    /// Do its rows belong to captures, and go with them?
    pub(super) fn of_captures(&self) -> bool {
        self.columns.iter().any(|(name, _, _)| *name == "capture_id")
    }
}

/// Every table, in order: the store's own first.
pub(super) fn definitions() -> Vec<Definition> {
    let own = tables::ALL.iter().map(|t| definition_of(t));
    let filled = engine::tables::all().into_iter().map(|t| Definition {
        name: t.name,
        meaning: t.meaning,
        columns: t.all_columns().map(|c| (c.name, c.kind.sql(), comment(c.meaning, c.unit))).collect(),
    });
    own.chain(filled).collect()
}

fn definition_of(t: &'static tables::Table) -> Definition {
    Definition {
        name: t.name,
        meaning: t.meaning,
        columns: t.columns.iter().map(|c| (c.name, c.sql, comment(c.meaning, c.unit))).collect(),
    }
}

fn comment(meaning: &str, unit: &str) -> String {
    if unit.is_empty() { meaning.to_owned() } else { format!("{meaning} Unit: {unit}.") }
}

/// Column name -> type, per table, as the database has them.
type Present = BTreeMap<String, BTreeMap<String, String>>;

/// SQL that turns what is `present` into what is defined.
fn changes(present: &Present) -> String {
    let mut sql = String::from(BOOKKEEPING);
    for t in definitions() {
        let table = ident(t.name);
        match present.get(t.name) {
            None => {
                let columns: Vec<String> =
                    t.columns.iter().map(|(name, kind, _)| format!("{} {kind}", ident(name))).collect();
                let _ = writeln!(sql, "CREATE TABLE {table}({});", columns.join(", "));
            }
            Some(has) => {
                for (name, kind, _) in &t.columns {
                    let column = ident(name);
                    match has.get(*name) {
                        None => {
                            let _ = writeln!(sql, "ALTER TABLE {table} ADD COLUMN {column} {kind};");
                        }
                        Some(old) if old.replace('"', "") != kind.replace('"', "") => {
                            let _ = writeln!(sql, "ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind};");
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        comments(&mut sql, "TABLE", &t);
    }
    sql.push_str(&tables::hosts_view());
    sql.push_str(";\n");
    comments(&mut sql, "VIEW", &definition_of(&tables::HOSTS));
    for m in tables::MACROS {
        let _ = writeln!(sql, "{m};");
    }
    sql
}

fn comments(sql: &mut String, what: &str, t: &Definition) {
    let table = ident(t.name);
    let _ = writeln!(sql, "COMMENT ON {what} {table} IS {};", text(t.meaning));
    for (name, _, comment) in &t.columns {
        let _ = writeln!(sql, "COMMENT ON COLUMN {table}.{} IS {};", ident(name), text(comment));
    }
}

/// Every table of a new database, for tests that need no file.
#[cfg(test)]
pub(super) fn tables_for_tests() -> String {
    changes(&Present::new())
}

/// Names the declared schema: equal ones need no change.
fn fingerprint() -> String {
    blake3::hash(changes(&Present::new()).as_bytes()).to_hex().to_string()
}

/// Make a new database at `path`. The caller holds the lock and knows that nothing of worth is there.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let new = files::beside(path, ".new");
    files::remove(&new)?;
    make(&new)?;
    files::put_in_place(&new, path)
}

/// Make a new database in the file `new`, complete and closed.
pub(super) fn make(new: &Path) -> Result<(), StoreError> {
    // A second thread would take the statements, each too small to share, and the first would wait for it busily.
    let one = StoreConfig { threads: 1, ..StoreConfig::default() };
    let db = connect::open(new, &one, AccessMode::ReadWrite)?;
    let sql = format!(
        "BEGIN; {} INSERT INTO schema_version VALUES ({VERSION}, '{}'); INSERT INTO store_state VALUES (0); COMMIT; CHECKPOINT;",
        changes(&Present::new()),
        fingerprint(),
    );
    db.execute_batch(&sql).map_err(write_error)?;
    close(db)
}

/// Close a database and hear of it when that fails.
pub(super) fn close(db: Connection) -> Result<(), StoreError> {
    db.close().map_err(|(_, e)| write_error(e))
}

/// The version of an open database; an error when it is none of ours or newer than this program.
pub(super) fn version(db: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found: Option<i64> =
        db.query_row("SELECT max(version) FROM schema_version", [], |r| r.get(0)).map_err(|e| {
            let text = sentence(&e);
            let reason = if text.contains("schema_version") {
                "it has no table schema_version".to_owned()
            } else {
                text
            };
            StoreError::NotADatabase { path: path.to_owned(), reason }
        })?;
    match found {
        Some(v) if v > VERSION => Err(StoreError::TooNew { path: path.to_owned(), found: v, known: VERSION }),
        Some(v) if v >= 1 => Ok(v),
        _ => Err(StoreError::NotADatabase {
            path: path.to_owned(),
            reason: "its version is missing".to_owned(),
        }),
    }
}

/// Bring a database up to date in one transaction: migrations first, then new tables, columns and comments.
pub(super) fn upgrade(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let from = version(db, path)?;
    let ours = fingerprint();
    let theirs: String = db
        .query_row(
            "SELECT coalesce(last(fingerprint ORDER BY rowid), '') FROM schema_version WHERE version = ?",
            [from],
            |r| r.get(0),
        )
        .map_err(write_error)?;
    if from == VERSION && theirs == ours {
        return Ok(());
    }
    db.execute_batch("BEGIN").map_err(write_error)?;
    let done = migrate(db, from, MIGRATIONS).and_then(|()| {
        let sql = changes(&present(db)?);
        db.execute_batch(&format!("{sql} INSERT INTO schema_version VALUES ({VERSION}, '{ours}'); COMMIT;"))
            .map_err(write_error)
    });
    if done.is_err() {
        let _ = db.execute_batch("ROLLBACK"); // the first error is the one to tell
    }
    done
}

/// Run the steps after version `from`.
fn migrate(db: &Connection, from: i64, steps: &[&str]) -> Result<(), StoreError> {
    let done = usize::try_from(from - 1).unwrap_or(0);
    steps.iter().skip(done).try_for_each(|sql| db.execute_batch(sql).map_err(write_error))
}

fn present(db: &Connection) -> Result<Present, StoreError> {
    let mut found = Present::new();
    let mut add = || -> duckdb::Result<()> {
        let mut stmt = db.prepare(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() \
             WHERE database_name = current_database() AND schema_name = 'main'",
        )?;
        let mut rows = stmt.query([])?;
        while let Some(r) = rows.next()? {
            found.entry(r.get(0)?).or_default().insert(r.get(1)?, r.get(2)?);
        }
        Ok(())
    };
    add().map_err(write_error)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&changes(&Present::new())).unwrap();
        db.execute_batch("INSERT INTO schema_version VALUES (1, 'old'); INSERT INTO store_state VALUES (0)")
            .unwrap();
        db
    }

    fn one<T: duckdb::types::FromSql>(db: &Connection, sql: &str) -> T {
        db.query_row(sql, [], |r| r.get(0)).unwrap()
    }

    #[test]
    fn every_table_and_column_is_there_and_explained() {
        let db = fresh();
        let silent: i64 = one(
            &db,
            "SELECT (SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND comment IS NULL) \
             + (SELECT count(*) FROM duckdb_tables() WHERE comment IS NULL) \
             + (SELECT count(*) FROM duckdb_views() WHERE NOT internal AND comment IS NULL)",
        );
        assert_eq!(silent, 0);
        let found = present(&db).unwrap();
        for t in definitions() {
            assert_eq!(found[t.name].len(), t.columns.len(), "{}", t.name);
        }
        assert_eq!(one::<i64>(&db, "SELECT severity_rank('High')"), 4);
        assert_eq!(one::<i64>(&db, "SELECT count(*) FROM hosts"), 0);
    }

    #[test]
    fn what_is_declared_needs_no_change() {
        let db = fresh();
        let sql = changes(&present(&db).unwrap());
        assert!(!sql.contains("ALTER") && !sql.contains("CREATE TABLE \""), "{sql}");
    }

    #[test]
    fn an_older_database_gets_new_tables_columns_and_types() {
        let db = fresh();
        db.execute_batch(
            "DROP TABLE detector_runs; ALTER TABLE flows DROP COLUMN vlan; \
             ALTER TABLE weirds ALTER COLUMN packet TYPE INTEGER; INSERT INTO flows(flow_id) VALUES (7)",
        )
        .unwrap();
        upgrade(&db, Path::new("x")).unwrap();
        assert_eq!(one::<i64>(&db, "SELECT count(*) FROM flows WHERE flow_id = 7 AND vlan IS NULL"), 1);
        assert_eq!(one::<i64>(&db, "SELECT count(*) FROM detector_runs"), 0);
        assert_eq!(present(&db).unwrap()["weirds"]["packet"], "UBIGINT");
        assert_eq!(one::<i64>(&db, "SELECT count(*) FROM schema_version"), 2);
        upgrade(&db, Path::new("x")).unwrap();
        assert_eq!(
            one::<i64>(&db, "SELECT count(*) FROM schema_version"),
            2,
            "nothing to do the second time"
        );
    }

    #[test]
    fn migrations_run_from_where_the_database_is() {
        let db = fresh();
        let steps = ["CREATE TABLE one(a INT)", "CREATE TABLE two(a INT)"];
        migrate(&db, 2, &steps).unwrap();
        assert_eq!(
            one::<i64>(&db, "SELECT count(*) FROM duckdb_tables() WHERE table_name IN ('one', 'two')"),
            1
        );
        migrate(&db, 3, &steps).unwrap();
    }

    #[test]
    fn strangers_and_newer_databases_are_refused() {
        let db = Connection::open_in_memory().unwrap();
        let e = version(&db, Path::new("x")).unwrap_err().to_string();
        assert!(e.contains("x is not a secnetmon database: it has no table schema_version"), "{e}");
        let db = fresh();
        db.execute_batch("INSERT INTO schema_version VALUES (99, '')").unwrap();
        assert!(matches!(version(&db, Path::new("x")), Err(StoreError::TooNew { found: 99, .. })));
        assert!(upgrade(&db, Path::new("x")).is_err());
    }
}
