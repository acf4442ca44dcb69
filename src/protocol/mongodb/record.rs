//! What is kept of one command to a MongoDB server?
//!
//! The table `mongodb` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One command.
#[derive(Clone, Debug, Default)]
pub struct MongoCommand {
    /// Its name.
    pub command: Option<Box<str>>,
    /// Database it works on.
    pub database: Option<Box<str>>,
    /// Collection it works on.
    pub collection: Option<Box<str>>,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Error number.
    pub error_code: Option<i64>,
    /// Error text.
    pub error: Option<Box<str>>,
    /// Documents in the answer, or changed.
    pub count: Option<u64>,
    /// Program and driver that the client names.
    pub client: Option<Box<str>>,
    /// From the command to its answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "mongodb",
    "One row is one command of a MongoDB client with its outcome.",
    &[
        col(
            "command",
            T::Text,
            "",
            "Name of the command, such as find or insert; NULL when it was compressed.",
        ),
        col("database", T::Text, "", "Database it works on; NULL when none was named in what is kept."),
        col("collection", T::Text, "", "Collection it works on; NULL for commands without one."),
        col(
            "success",
            T::Bool,
            "",
            "Did the server do it? NULL when its answer was not seen or none is sent.",
        ),
        col("error_code", T::I64, "", "Error number, such as 18 for a failed login; NULL without an error."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "count",
            T::U64,
            "documents",
            "Documents that the answer says were found or changed; NULL when it does not say.",
        ),
        col(
            "client",
            T::Text,
            "",
            "Program or driver that the client names; on its greeting only, else NULL.",
        ),
        col("rtt_s", T::F64, "seconds", "From the command to its answer; NULL when none was seen."),
    ],
);

impl Record for MongoCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.opt_text(self.command.as_deref())
            .opt_text(self.database.as_deref())
            .opt_text(self.collection.as_deref())
            .opt_bool(self.success)
            .opt_i64(self.error_code)
            .opt_text(self.error.as_deref())
            .opt_u64(self.count)
            .opt_text(self.client.as_deref())
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
