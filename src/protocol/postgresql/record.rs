//! What is kept of one command to a PostgreSQL server?
//!
//! The table `postgresql` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One command, the login among them.
#[derive(Clone, Debug, Default)]
pub struct PostgresCommand {
    /// Its name.
    pub command: &'static str,
    /// Its text.
    pub argument: Option<String>,
    /// Account of the connection.
    pub user: Option<Box<str>>,
    /// Database of the connection.
    pub database: Option<Box<str>>,
    /// Program that the client names.
    pub application: Option<Box<str>>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Rows of the result.
    pub rows: Option<u64>,
    /// What the server says it did.
    pub tag: Option<Box<str>>,
    /// SQLSTATE.
    pub error_code: Option<Box<str>>,
    /// Error text.
    pub error: Option<Box<str>>,
    /// How the login was proved.
    pub auth: Option<&'static str>,
    /// Software of the server.
    pub server_version: Option<Box<str>>,
    /// From the command to the first answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "postgresql",
    "One row is one command of a PostgreSQL client with its outcome; the first of a flow is its login or what it asked instead.",
    &[
        col(
            "command",
            T::Text,
            "",
            "login, query, parse (a prepared query), execute (of one prepared before), copy, tls, gss, cancel or terminate.",
        ),
        col(
            "argument",
            T::Text,
            "",
            "Text of the query, name of the prepared one, or account; cut at 2048 bytes; NULL without one.",
        ),
        col("user", T::Text, "", "Account of the connection; NULL when its start was not seen."),
        col("database", T::Text, "", "Database of the connection; NULL when none was named."),
        col("application", T::Text, "", "Program that the client names; NULL when it names none."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or none is sent.",
        ),
        col("rows", T::U64, "rows", "Rows of the result that were sent; NULL without a result."),
        col("tag", T::Text, "", "What the server says it did, such as SELECT 5; NULL when it said nothing."),
        col("error_code", T::Text, "", "SQLSTATE of the error, such as 28P01; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "auth",
            T::Text,
            "",
            "How the account was proved: trust, password, md5, scram-sha-256, gss …; on the login only, else NULL.",
        ),
        col("server_version", T::Text, "", "Version that the server names; on the login only, else NULL."),
        col("rtt_s", T::F64, "seconds", "From the command to the first answer; NULL when none was seen."),
    ],
);

impl Record for PostgresCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.database.as_deref())
            .opt_text(self.application.as_deref())
            .opt_bool(self.success)
            .opt_u64(self.rows)
            .opt_text(self.tag.as_deref())
            .opt_text(self.error_code.as_deref())
            .opt_text(self.error.as_deref())
            .opt_text(self.auth)
            .opt_text(self.server_version.as_deref())
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
