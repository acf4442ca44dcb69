//! Which files and pipes are open, and what passed through them?
//!
//! Bytes in order go to `files`, those of pipes to DCE/RPC; what is read twice is counted only, what is left out is a gap.
//! Refuses: putting together what was read or written out of order.

use super::State;
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::dcerpc::Conversation;
use crate::protocol::files::FileWatch;
use crate::protocol::smb::ask::{Head, Stream};
use crate::protocol::smb::record::SmbRecord;

/// Files open at once. Explorer keeps some tens; the oldest is taken for closed.
const MAX_FILES: usize = 512;

/// The bytes of a file in one direction.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    bytes: u64,
    /// Where the next byte in order is.
    pub(super) next: u64,
    watch: Option<Box<FileWatch>>,
}

impl Transfer {
    /// Bytes at `offset`. Those that were seen before are counted only, those left out are a gap.
    fn data(&mut self, offset: u64, bytes: &[u8], at: At, begin: impl FnOnce() -> FileWatch) {
        let end = offset.saturating_add(bytes.len() as u64);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        if end <= self.next {
            return;
        }
        let known = self.next.saturating_sub(offset);
        let watch = self.watch.get_or_insert_with(|| Box::new(begin()));
        if offset > self.next {
            watch.gap(offset - self.next);
        }
        watch.data(at, bytes.get(known as usize..).unwrap_or(&[]));
        self.next = end;
    }

    fn finish(&mut self, size: Option<u64>, out: &mut Output<'_>) {
        if let Some(watch) = self.watch.take() {
            let whole = size == Some(self.next);
            watch.declared(None, size).finish(whole, out);
        }
    }
}

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) id: u128,
    session: u64,
    tree: u32,
    pub(super) name: Option<Box<str>>,
    pub(super) directory: Option<bool>,
    pub(super) size: Option<u64>,
    pub(super) doomed: bool,
    pub(super) read: Transfer,
    written: Transfer,
    pub(super) pipe: Option<Box<Conversation>>,
}

impl OpenFile {
    fn action(&self) -> Option<&'static str> {
        match (self.doomed, self.read.bytes > 0, self.written.bytes > 0) {
            (true, ..) => Some("delete"),
            (_, true, true) => Some("read_write"),
            (_, true, false) => Some("read"),
            (_, false, true) => Some("write"),
            _ => None,
        }
    }
}

impl State {
    pub(super) fn open(
        &mut self,
        id: u128,
        head: Head,
        out: &mut Output<'_>,
        fill: impl FnOnce(&mut OpenFile),
    ) {
        if let Some(stale) = self.take_file(id) {
            self.left_open(stale, out);
        }
        if self.files.len() >= MAX_FILES
            && let Some(oldest) = self.files.pop_front()
        {
            out.weird(WeirdKind::StateFull, Detail::Number(MAX_FILES as u64));
            self.left_open(oldest, out);
        }
        let mut file = OpenFile {
            id,
            session: head.session,
            tree: head.tree,
            name: None,
            directory: None,
            size: None,
            doomed: false,
            read: Transfer::default(),
            written: Transfer::default(),
            pipe: None,
        };
        fill(&mut file);
        self.files.push_back(file);
    }

    pub(super) fn take_file(&mut self, id: u128) -> Option<OpenFile> {
        let at = self.files.iter().position(|f| f.id == id)?;
        self.files.remove(at)
    }

    /// Bytes of a file, or of a pipe, at `stream.offset`.
    pub(in crate::protocol::smb) fn data(&mut self, stream: &Stream, bytes: &[u8], out: &mut Output<'_>) {
        if !self.files.iter().any(|f| f.id == stream.file) {
            // Its open was not seen.
            let pipe = Conversation::looks_like(bytes).then(Box::<Conversation>::default);
            self.open(stream.file, stream.head, out, |f| f.pipe = pipe);
        }
        let Some(file) = self.files.iter_mut().rev().find(|f| f.id == stream.file) else { return };
        let side = stream.head.side;
        if let Some(pipe) = &mut file.pipe {
            pipe.feed_pipe(side, bytes, out);
        }
        let (transfer, is_pipe) =
            (if stream.write { &mut file.written } else { &mut file.read }, file.pipe.is_some());
        if is_pipe {
            transfer.bytes = transfer.bytes.saturating_add(bytes.len() as u64);
            return;
        }
        let name = &file.name;
        transfer.data(stream.offset, bytes, out.at, || {
            FileWatch::new("smb", side, out, name.as_deref().map(str::to_owned))
        });
        let next = transfer.next;
        if stream.write {
            file.size = file.size.map(|size| size.max(next));
        }
    }

    /// Something said to a pipe, or by it, in one request with its answer.
    pub(in crate::protocol::smb) fn pipe_data(
        &mut self,
        id: u128,
        head: Head,
        data: &[u8],
        out: &mut Output<'_>,
    ) {
        if !self.files.iter().any(|f| f.id == id) {
            self.open(id, head, out, |f| f.pipe = Some(Box::default()));
        }
        let file = self.files.iter_mut().rev().find(|f| f.id == id);
        if let Some(pipe) = file.and_then(|f| f.pipe.as_mut()) {
            pipe.feed_pipe(head.side, data, out);
        }
    }

    /// What is known of a file goes into the row of its close, and its content to `files`.
    pub(super) fn closed(&mut self, mut file: OpenFile, row: &mut SmbRecord, out: &mut Output<'_>) {
        row.action = file.action().filter(|_| file.pipe.is_none());
        (row.read_bytes, row.written_bytes) = (Some(file.read.bytes), Some(file.written.bytes));
        row.size = file.size;
        // Written where nobody said how long it was before: as long as what came.
        let written = file.size.or(Some(file.written.next));
        file.read.finish(file.size, out);
        file.written.finish(written, out);
        if let Some(pipe) = &mut file.pipe {
            pipe.finish(out);
        }
    }

    /// Nobody saw it closed. It has a row of its own only when something was read or written.
    pub(super) fn left_open(&mut self, file: OpenFile, out: &mut Output<'_>) {
        let head = Head { side: Side::Orig, key: 0, session: file.session, tree: file.tree, signed: false };
        let mut row = self.row("close", head);
        (row.file_name, row.is_directory) = (file.name.clone(), file.directory);
        let told = file.action().is_some();
        self.closed(file, &mut row, out);
        if told {
            out.record(out.at, row);
        }
    }
}
