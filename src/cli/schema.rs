//! `schema`: which tables and columns are there?
//!
//! Read from the database, so it also shows what other versions left and what views offer.

use super::output::{self, FormatOption};
use super::{Context, Exit};
use crate::report::suggest::hint;
use crate::store::arrow::array::AsArray;
use anyhow::{Result, anyhow};

/// Show the tables, or the columns of one
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Table or view
    table: Option<String>,
    #[command(flatten)]
    format: FormatOption,
}

const TABLES: &str = "\
SELECT table_name AS name, comment AS meaning FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main'
UNION ALL
SELECT view_name, comment FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'
ORDER BY name";

const COLUMNS: &str = "\
SELECT column_name AS name, data_type AS type, comment AS meaning
FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main' AND table_name = $table ORDER BY column_index";

pub(super) fn run(args: &Args, cx: &Context) -> Result<Exit> {
    let (format, style) = (args.format.resolve(), output::style(&cx.env));
    let reader = cx.reader()?;
    let limits = cx.settings.query.limits();
    let Some(table) = &args.table else {
        output::rows(&mut reader.query(TABLES, &[], &limits)?, format, style)?;
        return Ok(Exit::Done);
    };
    let mut known = Vec::new();
    for batch in reader.query(TABLES, &[], &limits)? {
        let batch = batch?;
        if let Some(names) = batch.column_by_name("name").and_then(|c| c.as_string_opt::<i32>()) {
            known.extend(names.iter().flatten().map(str::to_owned));
        }
    }
    let name = table.to_ascii_lowercase();
    if !known.contains(&name) {
        let near = hint(&name, known.iter().map(String::as_str));
        return Err(anyhow!("no table {table}.{near} `secnetmon schema` lists them."));
    }
    let params = [("table".to_owned(), Some(name))];
    output::rows(&mut reader.query(COLUMNS, &params, &limits)?, format, style)?;
    Ok(Exit::Done)
}
