//! Who logged in, and how openly?
//!
//! The table `credentials`, shared by every protocol that authenticates: one row is one attempt, with its outcome when the
//! server's answer was seen. Refuses to keep a secret: that one was there, and in which form, is all that is stored.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// Longest account name in input bytes. Mail addresses end at 254, distinguished names of directories are longer.
pub const MAX_ACCOUNT: usize = 512;

/// In which form the secret crossed the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secret {
    /// Readable by anyone on the path, encodings such as Base64 included.
    Clear,
    /// A hash or the answer to a challenge: can be attacked offline.
    Hashed,
    /// Nothing that proves who it is was seen.
    None,
}

impl Secret {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Hashed => "hashed",
            Self::None => "none",
        }
    }
}

/// One attempt to log in.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Service that asked, as in `flows.service`.
    pub service: &'static str,
    /// Account, printable, at most [`MAX_ACCOUNT`] bytes of input; with its domain where the protocol says one.
    pub account: Option<String>,
    /// How it was proved: `password`, `plain`, `login`, `cram-md5`, `basic`, `digest`, `form`, `ntlm`, `community` …
    pub mechanism: &'static str,
    /// In which form the secret was seen.
    pub secret: Secret,
    /// Did the server accept it? `None` when its answer was not seen or does not tell.
    pub success: Option<bool>,
    /// What the server said to it, printable; or what else belongs to the attempt (database, realm).
    pub detail: Option<String>,
}

/// The table.
pub static CREDENTIALS: Table = Table::record(
    "credentials",
    "One row is one attempt to log in. ts is when the client tried. Secrets are never stored.",
    &[
        col("service", T::Text, "", "Service that asked for it, as in flows."),
        col("account", T::Text, "", "Account, as sent; NULL when none was named."),
        col("mechanism", T::Text, "", "How it was proved, such as password, cram-md5, basic, form or ntlm."),
        col(
            "secret",
            T::Text,
            "",
            "clear (anyone on the path can read it), hashed (can be attacked offline) or none (no proof was seen).",
        ),
        col("success", T::Bool, "", "Did the server accept it? NULL when its answer was not seen."),
        col("detail", T::Text, "", "What the server said to it, or what it was for; NULL without."),
    ],
);

impl Record for Credential {
    fn table(&self) -> &'static Table {
        &CREDENTIALS
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.service)
            .opt_text(self.account.as_deref())
            .text(self.mechanism)
            .text(self.secret.name())
            .opt_bool(self.success)
            .opt_text(self.detail.as_deref());
    }
}
