//! What is kept of one command to a Redis server?
//!
//! The table `redis` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One command.
#[derive(Clone, Debug, Default)]
pub struct RedisCommand {
    /// Its name, upper case.
    pub command: String,
    /// Its first argument.
    pub argument: Option<String>,
    /// Arguments in all.
    pub arguments: u32,
    /// Did the server do it?
    pub success: Option<bool>,
    /// Error text.
    pub error: Option<Box<str>>,
    /// Kind of the answer.
    pub reply: Option<&'static str>,
    /// From the command to its answer, nanoseconds.
    pub rtt: Option<i64>,
}

/// Commands.
pub static TABLE: Table = Table::record(
    "redis",
    "One row is one command of a Redis client with the kind of its answer.",
    &[
        col("command", T::Text, "", "Name of the command, upper case."),
        col(
            "argument",
            T::Text,
            "",
            "Its first argument, most often a key; cut at 256 bytes; NULL without one, and for AUTH and HELLO.",
        ),
        col("arguments", T::U32, "", "Arguments in all, without the name."),
        col("success", T::Bool, "", "Was the answer no error? NULL when it was not seen."),
        col("error", T::Text, "", "Error text of the server; NULL without an error."),
        col(
            "reply",
            T::Text,
            "",
            "Kind of the answer: string, error, integer, bulk, null, array, map and so on; NULL when it was not seen.",
        ),
        col("rtt_s", T::F64, "seconds", "From the command to its answer; NULL when none was seen."),
    ],
);

impl Record for RedisCommand {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(&self.command)
            .opt_text(self.argument.as_deref())
            .u32(self.arguments)
            .opt_bool(self.success)
            .opt_text(self.error.as_deref())
            .opt_text(self.reply)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
