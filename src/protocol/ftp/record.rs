//! What is kept of an FTP command?
//!
//! The table `ftp` and its typed record.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One row per command that touches files or opens a data connection.
pub static FTP: Table = Table::record(
    "ftp",
    "One row is one FTP command that moves, changes or removes a file, or says where data will flow. ts is the command. Logins are in credentials.",
    &[
        col("user", T::Text, "", "Account of the last USER before it; NULL when none was seen."),
        col("command", T::Text, "", "Command in upper case, such as RETR or STOR."),
        col("argument", T::Text, "", "Argument as sent; NULL without one."),
        col(
            "path",
            T::Text,
            "",
            "The file or folder from the root on, by following PWD and CWD; NULL when the working folder is not known or the command has no path.",
        ),
        col("reply_code", T::U16, "", "Code of the final reply; NULL when none was seen."),
        col(
            "reply_text",
            T::Text,
            "",
            "Last line of the final reply without its code; NULL when none was seen.",
        ),
        col(
            "file_size",
            T::U64,
            "bytes",
            "Size of the file as the server says, in its answer to SIZE or in the reply that opens the transfer; NULL when it does not.",
        ),
        col(
            "data_passive",
            T::Bool,
            "",
            "Does the client open the data connection (PASV, EPSV)? NULL when no data connection was announced.",
        ),
        col(
            "data_host",
            T::Text,
            "",
            "Address that was announced for the data connection, right or wrong; NULL when none was announced.",
        ),
        col("data_port", T::U16, "", "Port that was announced for it; NULL when none was announced."),
        col("rtt_s", T::F64, "seconds", "From the command to the final reply; NULL when none was seen."),
    ],
);

/// One command with its reply.
#[derive(Clone, Debug, Default)]
pub struct FtpCommand {
    /// Account of the last USER.
    pub user: Option<String>,
    /// Upper case.
    pub command: &'static str,
    /// As sent, printable.
    pub argument: Option<String>,
    /// From the root on.
    pub path: Option<String>,
    /// Code of the final reply.
    pub reply_code: Option<u16>,
    /// Its last line, printable.
    pub reply_text: Option<String>,
    /// Bytes, as the server says.
    pub file_size: Option<u64>,
    /// Data connection: does the client open it?
    pub data_passive: Option<bool>,
    /// Where it was said to go.
    pub data_host: Option<String>,
    /// To which port.
    pub data_port: Option<u16>,
    /// Seconds from command to final reply.
    pub rtt: Option<f64>,
}

impl Record for FtpCommand {
    fn table(&self) -> &'static Table {
        &FTP
    }

    fn write(&self, row: &mut Row<'_>) {
        row.opt_text(self.user.as_deref())
            .text(self.command)
            .opt_text(self.argument.as_deref())
            .opt_text(self.path.as_deref())
            .opt_u16(self.reply_code)
            .opt_text(self.reply_text.as_deref())
            .opt_u64(self.file_size)
            .opt_bool(self.data_passive)
            .opt_text(self.data_host.as_deref())
            .opt_u16(self.data_port)
            .opt_f64(self.rtt);
    }
}
