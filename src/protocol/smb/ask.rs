//! Which words do both versions have for what is asked and answered?
//!
//! `v1` and `v2` turn bytes into an [`Ask`] or an [`Answer`] with its [`Head`]; `state` lets these meet.
//! Refuses: numbers of commands, flags and offsets, which each version keeps to itself.

use super::login::Login;
use crate::model::flow::Side;
use crate::protocol::dcerpc::Uuid;

/// The only request that is repeated until there is nothing left to answer.
pub(super) const QUERY_DIRECTORY: &str = "query_directory";

/// Longest name or path kept, bytes of UTF-16: the longest that Windows opens without extended paths, doubled.
pub(super) const MAX_NAME: usize = 1_040;

/// Where a message belongs.

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) side: Side,
    /// What request and answer have in common.
    pub(super) key: u64,
    pub(super) session: u64,
    pub(super) tree: u32,
    pub(super) signed: bool,
}

/// Which file?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handle {
    /// This one.
    Of(u128),
    /// The one that the request with this key, before it in the same message, opens.
    OpenedBy(u64),
}

/// A request, of either version.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) command: &'static str,
    pub(super) what: What,
    pub(super) file: Option<Handle>,
    pub(super) name: Option<String>,
    pub(super) new_name: Option<String>,
    /// What a success means for the file.
    pub(super) action: Option<&'static str>,
    pub(super) size: Option<u64>,
    /// Bytes of data that a transaction announces (SMB1).
    pub(super) announced: Option<u32>,
}

/// What a request needs to have its answer understood.
#[derive(Debug, Default)]
pub(super) enum What {
    /// A row, no more.
    #[default]
    Row,
    Negotiate(Option<Uuid>),
    SessionSetup(Box<Login>),
    Logoff,
    TreeConnect,
    TreeDisconnect,
    Create {
        delete_on_close: bool,
    },
    Close,
    Read(u64),
    /// Will the file be deleted when it is closed?
    Doom(bool),
    Rename,
    Truncate,
    /// Something said to a pipe, with its answer; no row.
    Transact,
}

/// An answer.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    Plain,
    Negotiate { version: &'static str, signing: &'static str, guid: Option<Uuid> },
    SessionSetup { encrypt: bool, guest: bool, blob: &'a [u8], native: [Option<Box<str>>; 2] },
    TreeConnect { share_type: Option<&'static str>, encrypt: bool },
    Create { file: u128, action: u32, size: u64, directory: Option<bool> },
    Data(&'a [u8]),
}

/// Bytes of a file that come in pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) file: u128,
    pub(super) head: Head,
    pub(super) write: bool,
    pub(super) offset: u64,
    /// Bytes still to come.
    pub(super) left: u64,
}
