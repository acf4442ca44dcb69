//! What goes over an FTP data connection?
//!
//! RFC 959 section 3.2: the connection carries one file or listing and nothing about it; name, direction and size are said on the control connection, before or
//! after the data connection opens. Both share a [`Channel`], which works because two flows between the same hosts live in one shard.
//! Refuses to be recognised by content: it is whatever was announced.

use crate::model::flow::Side;
use crate::protocol::files::{FILES, FileWatch};
use crate::protocol::{Fed, Output, Parser, Protocol, Transport, Verdict};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The registry's entry. Its flows come announced; nobody else is taken for one.
pub static DATA: Protocol = Protocol {
    name: "ftp_data",
    about: "FTP data connection (RFC 959); told by the PORT, PASV, EPRT or EPSV that announced it, never by content.",
    transports: &[Transport::Tcp],
    ports: &[],
    tables: &[&FILES],
    buffer_cap: 1,
    probe: |_| Verdict::NotMine,
    parser: Some(|| Box::<Data>::default()),
};

/// What the control connection knows of a transfer.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    /// A listing, not a file.
    pub(super) listing: bool,
    /// Path of the file, printable.
    pub(super) name: Option<String>,
    /// Size in bytes, when it is sure to count the bytes on the wire.
    pub(super) size: Option<u64>,
    /// It begins in the middle of the file (REST).
    pub(super) partial: bool,
    /// Did the server say that the transfer is complete?
    pub(super) complete: Option<bool>,
}

/// A channel in the hands of both connections.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Channel>>);

impl Shared {
    /// A panic while it was held cannot leave it half written: every change is one assignment.
    pub(super) fn lock(&self) -> MutexGuard<'_, Channel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One data connection.
#[derive(Default)]
pub(super) struct Data {
    channel: Shared,
    watch: Option<FileWatch>,
}

impl Data {
    pub(super) fn new(channel: Shared) -> Self {
        Self { channel, watch: None }
    }
}

impl Parser for Data {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        if self.channel.lock().listing {
            return Fed::Done;
        }
        // Only one side sends; what the other might say belongs to no file.
        let watch = self.watch.get_or_insert_with(|| FileWatch::new("ftp", side, out, None));
        if watch.sender() == side {
            watch.data(out.at, data);
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, missing: u64, out: &mut Output<'_>) -> Fed {
        let watch = self.watch.get_or_insert_with(|| FileWatch::new("ftp", side, out, None));
        if watch.sender() == side {
            watch.gap(missing);
        }
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        let channel = self.channel.lock().clone();
        let Some(mut watch) = self.watch.take().filter(|_| !channel.listing) else { return };
        watch.named(channel.name);
        // The end of the connection looks the same for a whole file and a broken transfer: the reply tells, or the size.
        let whole = !channel.partial && channel.complete.unwrap_or(channel.size.is_some());
        watch.declared(None, channel.size).finish(whole, out);
    }
}
