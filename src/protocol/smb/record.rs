//! What is kept of a request and its answer?
//!
//! The table `smb`. Names of commands as in MS-SMB2 and MS-CIFS, lower case.

use super::status::Status;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::protocol::dcerpc::Uuid;

/// One request with its answer.
#[derive(Clone, Debug, Default)]
pub struct SmbRecord {
    /// Dialect agreed, or the family while none is.
    pub version: &'static str,
    /// Command.
    pub command: &'static str,
    /// Answer; `None` without one.
    pub status: Option<Status>,
    /// What happened to a file.
    pub action: Option<&'static str>,
    /// Account of the session.
    pub username: Option<Box<str>>,
    /// Session.
    pub session_id: Option<u64>,
    /// Share connection.
    pub tree_id: Option<u32>,
    /// Share as the client named it.
    pub share: Option<Box<str>>,
    /// `disk`, `pipe` or `print`.
    pub share_type: Option<&'static str>,
    /// File, directory, pipe or pattern.
    pub file_name: Option<Box<str>>,
    /// Name after a rename.
    pub new_name: Option<Box<str>>,
    /// Is it a directory?
    pub is_directory: Option<bool>,
    /// Bytes read from the file between open and close.
    pub read_bytes: Option<u64>,
    /// Bytes written to it.
    pub written_bytes: Option<u64>,
    /// Size as the server says, bytes.
    pub size: Option<u64>,
    /// Did request or answer carry a signature?
    pub signed: bool,
    /// `disabled`, `enabled` or `required`, as a server says when it is asked for its version.
    pub signing: Option<&'static str>,
    /// Encrypted.
    pub encrypted: bool,
    /// Client's own number.
    pub client_guid: Option<Uuid>,
    /// Server's own number.
    pub server_guid: Option<Uuid>,
    /// System and SMB software as SMB1 says, client's in a request, server's in its answer.
    pub native: [Option<Box<str>>; 4],
    /// Multiplex numbers of an SMB1 transaction and of its answer, which differ only when an implant answers.
    pub multiplex: [Option<u16>; 2],
    /// Bytes of data that a transaction of SMB1 announces.
    pub transaction_bytes: Option<u32>,
    /// Nanoseconds to the answer.
    pub rtt: Option<i64>,
}

/// The table.
pub static SMB: Table = Table::record(
    "smb",
    "One row is one request of SMB with its answer. Reads and writes are added up in the row of the close; echoes, locks, flushes and queries have none.",
    &[
        col(
            "version",
            T::Text,
            "",
            "Dialect: 1 (NT LM 0.12 and before), 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1; 2 while or when it is not known more exactly.",
        ),
        col(
            "command",
            T::Text,
            "",
            "Command, such as negotiate, session_setup, tree_connect, create, close, set_info, ioctl or trans2_session_setup; encrypted or compressed for the first message that cannot be read.",
        ),
        col(
            "status",
            T::Text,
            "",
            "Answer, NTSTATUS by name or in hexadecimal, dos:class:code of old servers; NULL without an answer.",
        ),
        col(
            "action",
            T::Text,
            "",
            "What happened to the file: open, create, overwrite, supersede, read, write, read_write, rename, delete, truncate; NULL for what is not about a file or changes nothing.",
        ),
        col(
            "username",
            T::Text,
            "",
            "Account of the session, with its domain; NULL when it was not seen in NTLM or clear.",
        ),
        col("session_id", T::U64, "", "Session, in SMB1 the user number; NULL before there is one."),
        col("tree_id", T::U32, "", "Connection to the share; NULL when there is none."),
        col(
            "share",
            T::Text,
            "",
            "Share as the client named it, \\\\server\\share; NULL without one or when its connect was not seen.",
        ),
        col("share_type", T::Text, "", "disk, pipe or print; NULL when not known."),
        col(
            "file_name",
            T::Text,
            "",
            "File, directory, pipe or search pattern, relative to the share; NULL without one or when its open was not seen.",
        ),
        col("new_name", T::Text, "", "Name after a rename or of a link; NULL for all else."),
        col("is_directory", T::Bool, "", "Is it a directory? NULL when the server did not say."),
        col(
            "read_bytes",
            T::U64,
            "bytes",
            "Bytes of the file read since its open, repeated ones too; NULL but for a close.",
        ),
        col(
            "written_bytes",
            T::U64,
            "bytes",
            "Bytes sent to be written since its open; NULL but for a close.",
        ),
        col(
            "size_bytes",
            T::U64,
            "bytes",
            "Size of the file, as the server or the one who sets it says; NULL when nobody did.",
        ),
        col("signed", T::Bool, "", "Did the request or its answer carry a signature?"),
        col("signing", T::Text, "", "disabled, enabled or required by the server; NULL but for negotiate."),
        col("encrypted", T::Bool, "", "Encrypted, or agreed to be from here on? What is inside is not read."),
        col(
            "client_guid",
            T::Text,
            "",
            "Number that the client's machine gave itself; NULL but for negotiate of SMB 2.1 on.",
        ),
        col("server_guid", T::Text, "", "Number that the server gave itself; NULL but for negotiate."),
        col(
            "native_os",
            T::Text,
            "",
            "System of the client as SMB1 says; NULL but for session_setup of SMB1.",
        ),
        col(
            "native_lan_manager",
            T::Text,
            "",
            "Software of the client as SMB1 says; NULL but for session_setup of SMB1.",
        ),
        col(
            "server_native_os",
            T::Text,
            "",
            "System of the server as SMB1 says; NULL but for session_setup of SMB1.",
        ),
        col(
            "server_native_lan_manager",
            T::Text,
            "",
            "Software of the server as SMB1 says; NULL but for session_setup of SMB1.",
        ),
        col(
            "multiplex_id",
            T::U16,
            "",
            "Number of a transaction of SMB1; NULL but for trans2_session_setup, trans2_secondary and nt_transact.",
        ),
        col(
            "answer_multiplex_id",
            T::U16,
            "",
            "Number in its answer, which repeats that of the request; NULL without one.",
        ),
        col(
            "transaction_bytes",
            T::U32,
            "bytes",
            "Data that a transaction of SMB1 announces in all; NULL but for nt_transact, trans2_session_setup and trans2_secondary.",
        ),
        col("rtt_s", T::F64, "seconds", "From the request to its final answer; NULL when that was not seen."),
    ],
);

impl Record for SmbRecord {
    fn table(&self) -> &'static Table {
        &SMB
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.version).text(self.command);
        match &self.status {
            Some(status) => row.display(status),
            None => row.null(),
        };
        row.opt_text(self.action)
            .opt_text(self.username.as_deref())
            .opt_u64(self.session_id)
            .opt_u32(self.tree_id)
            .opt_text(self.share.as_deref())
            .opt_text(self.share_type)
            .opt_text(self.file_name.as_deref())
            .opt_text(self.new_name.as_deref())
            .opt_bool(self.is_directory)
            .opt_u64(self.read_bytes)
            .opt_u64(self.written_bytes)
            .opt_u64(self.size)
            .bool(self.signed)
            .opt_text(self.signing)
            .bool(self.encrypted);
        for guid in [&self.client_guid, &self.server_guid] {
            match guid {
                Some(guid) => row.display(guid),
                None => row.null(),
            };
        }
        for native in &self.native {
            row.opt_text(native.as_deref());
        }
        let [asked, answered] = self.multiplex;
        row.opt_u16(asked).opt_u16(answered).opt_u32(self.transaction_bytes);
        row.opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
