//! What is kept of one command to a MySQL server?
//!
//! The table `mysql` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One command, the login among them.
#[derive(Clone, Debug, Default)]
pub struct MySqlCommand {
    /// Its name.
    pub command: &'static str,
    /// Its argument.
    pub argument: Option<String>,
    /// Account of the connection.
    pub user: Option<Box<str>>,
    /// Database that the login asked for.
    pub database: Option<Box<str>>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Rows of the result.
    pub rows: Option<u64>,
    /// Rows changed.
    pub affected_rows: Option<u64>,
    /// Error number.
    pub error_code: Option<u16>,
    /// Error text.
    pub error: Option<Box<str>>,
    /// Software of the server, of the first row of a flow.
    pub server_version: Option<Box<str>>,
    /// How the login was proved.
    pub auth_plugin: Option<Box<str>>,
    /// Program that the client names.
    pub program: Option<Box<str>>,
    /// Did TLS follow?
    pub tls: bool,
    /// From the command to the first answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "mysql",
    "One row is one command of a MySQL client with its outcome; the first of a flow is its login.",
    &[
        col("command", T::Text, "", "login, query, stmt_prepare, init_db, quit and so on."),
        col(
            "argument",
            T::Text,
            "",
            "Text of the query, name of the database or account; cut at 2048 bytes; NULL for commands without text.",
        ),
        col("user", T::Text, "", "Account of the connection; NULL when its login was not seen."),
        col("database", T::Text, "", "Database that the login asked for; NULL without one."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or none is sent.",
        ),
        col(
            "rows",
            T::U64,
            "rows",
            "Rows of the result; NULL without a result or when its end was not seen.",
        ),
        col("affected_rows", T::U64, "rows", "Rows that were changed; NULL unless the server said so."),
        col("error_code", T::U16, "", "Error number of the server, such as 1045; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col("server_version", T::Text, "", "Version in the server's greeting; on the login only, else NULL."),
        col("auth_plugin", T::Text, "", "How the account was proved; on the login only, else NULL."),
        col("program", T::Text, "", "Program that the client names; on the login only, else NULL."),
        col("tls", T::Bool, "", "Did the client change to TLS instead of logging in openly?"),
        col("rtt_s", T::F64, "seconds", "From the command to the first answer; NULL when none was seen."),
    ],
);

impl Record for MySqlCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.database.as_deref())
            .opt_bool(self.success)
            .opt_u64(self.rows)
            .opt_u64(self.affected_rows)
            .opt_u16(self.error_code)
            .opt_text(self.error.as_deref())
            .opt_text(self.server_version.as_deref())
            .opt_text(self.auth_plugin.as_deref())
            .opt_text(self.program.as_deref())
            .bool(self.tls)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
