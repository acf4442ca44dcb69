//! What is kept of one command to a Microsoft SQL Server?
//!
//! The table `tds` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One command, the login among them.
#[derive(Clone, Debug, Default)]
pub struct TdsCommand {
    /// Its name.
    pub command: &'static str,
    /// Its text.
    pub argument: Option<String>,
    /// Procedure that is called.
    pub procedure: Option<String>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Rows of the result, or changed.
    pub rows: Option<u64>,
    /// Error number.
    pub error_code: Option<u32>,
    /// Error text.
    pub error: Option<String>,
    /// Account.
    pub user: Option<Box<str>>,
    /// Database of the login.
    pub database: Option<Box<str>>,
    /// Name of the client's host.
    pub client_host: Option<Box<str>>,
    /// Program that the client names.
    pub application: Option<Box<str>>,
    /// Name of the server as the client says it.
    pub server: Option<Box<str>>,
    /// Version of the server.
    pub server_version: Option<Box<str>>,
    /// What the two say about encryption.
    pub encryption: Option<&'static str>,
    /// From the command to the first answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "tds",
    "One row is one command of a client of Microsoft SQL Server with its outcome: pre-login, login, SQL batch, procedure call.",
    &[
        col("command", T::Text, "", "prelogin, login, batch, rpc, bulk or transaction."),
        col(
            "argument",
            T::Text,
            "",
            "Text of the query, cut at 2048 characters; of a login the account; NULL without one.",
        ),
        col("procedure", T::Text, "", "Procedure that is called; NULL for other commands."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or does not tell.",
        ),
        col(
            "rows",
            T::U64,
            "rows",
            "Rows of the last result, or changed; NULL when the answer does not say.",
        ),
        col("error_code", T::U32, "", "Error number of the server, such as 18456; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "user",
            T::Text,
            "",
            "Account of the connection; NULL when its login was not seen in clear or is the system's own.",
        ),
        col("database", T::Text, "", "Database that the login asked for; NULL without one."),
        col("client_host", T::Text, "", "Name of the client's computer; on the login only, else NULL."),
        col("application", T::Text, "", "Program that the client names; on the login only, else NULL."),
        col("server", T::Text, "", "Name of the server as the client says it; on the login only, else NULL."),
        col("server_version", T::Text, "", "Version of the server; on pre-login and login, else NULL."),
        col(
            "encryption",
            T::Text,
            "",
            "What the server says about encryption: off (login only), on, unsupported, required; on pre-login only, else NULL.",
        ),
        col("rtt_s", T::F64, "seconds", "From the command to the first answer; NULL when none was seen."),
    ],
);

impl Record for TdsCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.procedure.as_deref())
            .opt_bool(self.success)
            .opt_u64(self.rows)
            .opt_u32(self.error_code)
            .opt_text(self.error.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.database.as_deref())
            .opt_text(self.client_host.as_deref())
            .opt_text(self.application.as_deref())
            .opt_text(self.server.as_deref())
            .opt_text(self.server_version.as_deref())
            .opt_text(self.encryption)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
