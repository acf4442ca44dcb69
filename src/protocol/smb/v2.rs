//! What does a message of SMB2 or SMB3 say?
//!
//! MS-SMB2 section 2.2. A message may hold several requests or answers; each has a header of 64 bytes. Offsets inside are from that
//! header.

use super::ask::{Answer, Ask, Handle, Head, MAX_NAME, QUERY_DIRECTORY, Stream, What};
use super::state::State;
use super::status::{self, Status};
use crate::model::bytes::{Cursor, le16, le32, le64};
use crate::model::flow::Side;
use crate::model::text::printable_utf16;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::dcerpc::Uuid;

/// Length of a header, bytes.
const HEADER: usize = 64;

/// Requests in one message. Clients send three; what is behind is left out.
const MAX_COMPOUND: usize = 32;

/// Bytes before the data of a read or write at most: header, fixed part and padding.
const MAX_BEFORE_DATA: usize = HEADER + 48 + 64;

/// A file handle, session or share that is the one of the request before.
const PREVIOUS: u128 = u128::MAX;

/// Says something to a pipe and waits for its answer (MS-FSCC section 2.3).
const FSCTL_PIPE_TRANSCEIVE: u32 = 0x0011_c017;

mod flag {
    pub(super) const ANSWER: u32 = 1;
    pub(super) const ASYNC: u32 = 2;
    pub(super) const RELATED: u32 = 4;
    pub(super) const SIGNED: u32 = 8;
}

mod command {
    pub(super) const NEGOTIATE: u16 = 0;
    pub(super) const SESSION_SETUP: u16 = 1;
    pub(super) const LOGOFF: u16 = 2;
    pub(super) const TREE_CONNECT: u16 = 3;
    pub(super) const TREE_DISCONNECT: u16 = 4;
    pub(super) const CREATE: u16 = 5;
    pub(super) const CLOSE: u16 = 6;
    pub(super) const READ: u16 = 8;
    pub(super) const WRITE: u16 = 9;
    pub(super) const IOCTL: u16 = 11;
    pub(super) const QUERY_DIRECTORY: u16 = 14;
    pub(super) const SET_INFO: u16 = 17;
}

#[derive(Clone, Copy)]
struct Header {
    command: u16,
    status: u32,
    flags: u32,
    next: usize,
    message: u64,
    tree: u32,
    session: u64,
}

impl Header {
    fn read(data: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(data);
        if c.array::<4>()? != *b"\xfeSMB" || c.u16_le()? != 64 {
            return None;
        }
        c.skip(2)?;
        let status = c.u32_le()?;
        let command = c.u16_le()?;
        c.skip(2)?;
        let (flags, next, message) = (c.u32_le()?, c.u32_le()?, c.u64_le()?);
        c.skip(4)?;
        let tree = c.u32_le()?;
        let session = c.u64_le()?;
        c.skip(16)?;
        // What comes later has a number of its own where the share was.
        let tree = if flags & flag::ASYNC != 0 { 0 } else { tree };
        Some(Self { command, status, flags, next: usize::try_from(next).ok()?, message, tree, session })
    }

    fn is_answer(&self) -> bool {
        self.flags & flag::ANSWER != 0
    }
}

/// Bytes of a message of `len` bytes that must be there to read it: of the data of a read or write, only what comes before.
pub(super) fn wanted(rest: &[u8], len: usize) -> usize {
    if len <= MAX_BEFORE_DATA {
        return len;
    }
    match Header::read(rest) {
        None => HEADER,
        Some(h) if h.next == 0 && carries_data(&h) => MAX_BEFORE_DATA,
        Some(_) => len,
    }
}

fn carries_data(h: &Header) -> bool {
    (h.command == command::READ && h.is_answer()) || (h.command == command::WRITE && !h.is_answer())
}

/// A message, or as much of it as [`wanted`] asked for. Returns the data that is still to come.
pub(super) fn message(state: &mut State, side: Side, data: &[u8], out: &mut Output<'_>) -> Option<Stream> {
    state.speaks("2");
    let mut rest = data;
    let mut stream = None;
    let mut previous: Option<(Head, Option<Handle>)> = None;
    for _ in 0..MAX_COMPOUND {
        let Some(h) = Header::read(rest) else {
            out.weird(WeirdKind::SmbMalformed, Detail::Text("no SMB2 header where one must be".into()));
            return stream;
        };
        let (here, behind) = match h.next {
            0 => (rest, &[][..]),
            next => rest.split_at_checked(next).unwrap_or((rest, &[])),
        };
        let mut head = Head {
            side,
            key: h.message,
            session: h.session,
            tree: h.tree,
            signed: h.flags & flag::SIGNED != 0,
        };
        if let Some((before, _)) = previous.filter(|_| h.flags & flag::RELATED != 0) {
            if head.session == u64::MAX {
                head.session = before.session;
            }
            if head.tree == u32::MAX {
                head.tree = before.tree;
            }
        }
        if h.is_answer() {
            stream = answer(state, head, &h, here, out);
        } else {
            let before = previous.and_then(|(_, file)| file);
            let (file, later) = request(state, head, &h, here, before, out);
            stream = later;
            previous = Some((head, file));
        }
        if behind.is_empty() {
            return stream;
        }
        rest = behind;
    }
    out.weird(WeirdKind::SmbMalformed, Detail::Text("too many requests in one message".into()));
    stream
}

/// The bytes that an offset from the header and a length point to.
fn part(here: &[u8], offset: Option<u16>, len: Option<u32>) -> Option<&[u8]> {
    let (offset, len) = (usize::from(offset?), usize::try_from(len?).ok()?);
    if len == 0 { Some(&[]) } else { here.get(offset..offset.checked_add(len)?) }
}

fn name(here: &[u8], offset: Option<u16>, len: Option<u16>) -> Option<String> {
    Some(printable_utf16(part(here, offset, len.map(u32::from))?, MAX_NAME))
}

fn file_id(body: &[u8], at: usize) -> Option<u128> {
    body.get(at..at.checked_add(16)?)?.try_into().ok().map(u128::from_le_bytes)
}

/// A request. Returns the file it is about, for the one behind it, and data still to come.
fn request(
    state: &mut State,
    head: Head,
    h: &Header,
    here: &[u8],
    before: Option<Handle>,
    out: &mut Output<'_>,
) -> (Option<Handle>, Option<Stream>) {
    let b = here.get(HEADER..).unwrap_or(&[]);
    let handle = |at| match file_id(b, at)? {
        PREVIOUS => before,
        id => Some(Handle::Of(id)),
    };
    let mut ask = Ask::default();
    let mut file = before;
    match h.command {
        command::NEGOTIATE => {
            let guid = b.get(12..28).and_then(|b| Uuid::read(&mut Cursor::new(b), true));
            ask.command = "negotiate";
            ask.what = What::Negotiate(guid.filter(|g| !g.is_nil()));
        }
        command::SESSION_SETUP => {
            let mut login = state.login(head.session);
            if let Some(blob) = part(here, le16(b, 12), le16(b, 14).map(u32::from)) {
                login.feed(head.side, blob, out);
            }
            ask.command = "session_setup";
            ask.what = What::SessionSetup(login);
        }
        command::LOGOFF => (ask.command, ask.what) = ("logoff", What::Logoff),
        command::TREE_CONNECT => {
            ask.command = "tree_connect";
            ask.what = What::TreeConnect;
            ask.name = name(here, le16(b, 4), le16(b, 6));
        }
        command::TREE_DISCONNECT => (ask.command, ask.what) = ("tree_disconnect", What::TreeDisconnect),
        command::CREATE => {
            const DELETE_ON_CLOSE: u32 = 0x1000;
            let delete_on_close = le32(b, 40).is_some_and(|options| options & DELETE_ON_CLOSE != 0);
            ask.command = "create";
            ask.what = What::Create { delete_on_close };
            ask.name = name(here, le16(b, 44), le16(b, 46));
            file = Some(Handle::OpenedBy(h.message));
        }
        command::CLOSE => {
            file = handle(8);
            (ask.command, ask.what) = ("close", What::Close);
        }
        command::READ => {
            file = handle(16);
            (ask.command, ask.what) = ("read", What::Read(le64(b, 8).unwrap_or(0)));
        }
        command::WRITE => {
            file = handle(16);
            return (file, write(state, head, here, b, file, out));
        }
        command::IOCTL => {
            file = handle(8);
            let code = le32(b, 4).unwrap_or(0);
            ask.command = ioctl_name(code);
            if code == FSCTL_PIPE_TRANSCEIVE {
                let said = part(here, le32(b, 24).and_then(|o| u16::try_from(o).ok()), le32(b, 28));
                if let (Some(Handle::Of(id)), Some(said)) = (file, said) {
                    state.pipe_data(id, head, said, out);
                }
                ask.what = What::Transact;
            }
        }
        command::QUERY_DIRECTORY => {
            file = handle(8);
            ask.command = QUERY_DIRECTORY;
            ask.name = name(here, le16(b, 24), le16(b, 26));
        }
        command::SET_INFO => {
            file = handle(16);
            set_info(&mut ask, here, b);
        }
        // Flushes, locks, echoes, queries and notifications change nothing; a cancel has no answer.
        _ => {
            let about = match h.command {
                7 | 10 | 15 => handle(8),
                // A query has its buffers before the file (section 2.2.37).
                16 => handle(24),
                _ => None,
            };
            return (about.or(before), None);
        }
    }
    ask.file = file;
    state.ask(head, ask, out);
    (file, None)
}

/// Bytes to be written; those that are not there yet are returned.
fn write(
    state: &mut State,
    head: Head,
    here: &[u8],
    b: &[u8],
    file: Option<Handle>,
    out: &mut Output<'_>,
) -> Option<Stream> {
    let (Some(Handle::Of(file)), Some(at), Some(len), Some(offset)) =
        (file, le16(b, 2), le32(b, 4), le64(b, 8))
    else {
        return None;
    };
    transfer(
        state,
        Stream { file, head, write: true, offset, left: u64::from(len) },
        here,
        usize::from(at),
        out,
    )
}

/// Take what is there of the data at `at`; the rest is returned.
fn transfer(
    state: &mut State,
    mut stream: Stream,
    here: &[u8],
    at: usize,
    out: &mut Output<'_>,
) -> Option<Stream> {
    let there = here.get(at..)?;
    let now = usize::try_from(stream.left).unwrap_or(usize::MAX).min(there.len());
    state.data(&stream, there.get(..now).unwrap_or(&[]), out);
    stream.offset = stream.offset.saturating_add(now as u64);
    stream.left = stream.left.saturating_sub(now as u64);
    (stream.left > 0).then_some(stream)
}

/// What is changed about a file (MS-FSCC section 2.4).
fn set_info(ask: &mut Ask, here: &[u8], b: &[u8]) {
    const FILE: u8 = 1;
    ask.command = "set_info";
    let Some(info) = part(here, le16(b, 8), le32(b, 4)) else { return };
    let (Some(&FILE), Some(class)) = (b.get(2), b.get(3)) else { return };
    match class {
        // Rename and link; the second form of each differs in flags only.
        10 | 11 | 65 | 72 => {
            let bytes = le32(info, 16)
                .and_then(|n| usize::try_from(n).ok())
                .and_then(|n| Cursor::new(info.get(20..)?).take(n));
            ask.new_name = bytes.map(|b| printable_utf16(b, MAX_NAME));
            if matches!(class, 10 | 65) {
                (ask.what, ask.action) = (What::Rename, Some("rename"));
            }
        }
        // Disposition: whether it goes when it is closed.
        13 | 64 => {
            let doomed = info.first().is_some_and(|b| b & 1 != 0);
            ask.what = What::Doom(doomed);
            ask.action = doomed.then_some("delete");
        }
        20 => {
            (ask.what, ask.action, ask.size) = (What::Truncate, Some("truncate"), le64(info, 0));
        }
        _ => {}
    }
}

/// An answer. Returns data still to come.
fn answer(
    state: &mut State,
    mut head: Head,
    h: &Header,
    here: &[u8],
    out: &mut Output<'_>,
) -> Option<Stream> {
    let b = here.get(HEADER..).unwrap_or(&[]);
    let status = Status::Nt(h.status);
    // What went wrong has a body of its own.
    let ok = matches!(h.status, status::SUCCESS | status::BUFFER_OVERFLOW);
    let answer = match h.command {
        command::READ => {
            let (file, offset) = state.read_answer(head, status)?;
            let (at, len) = (usize::from(*b.get(2)?), le32(b, 4)?);
            if !ok || at == 0 {
                return None;
            }
            let stream = Stream { file, head, write: false, offset, left: u64::from(len) };
            return transfer(state, stream, here, at, out);
        }
        command::NEGOTIATE if ok => negotiated(b),
        command::SESSION_SETUP if ok || status.is_more() => {
            let flags = le16(b, 2).unwrap_or(0);
            let blob = part(here, le16(b, 4), le16(b, 6).map(u32::from)).unwrap_or(&[]);
            Answer::SessionSetup {
                encrypt: flags & 4 != 0,
                guest: flags & 1 != 0,
                blob,
                native: [None, None],
            }
        }
        command::TREE_CONNECT if ok => {
            let share_type = match b.get(2) {
                Some(1) => Some("disk"),
                Some(2) => Some("pipe"),
                Some(3) => Some("print"),
                _ => None,
            };
            Answer::TreeConnect { share_type, encrypt: le32(b, 4).is_some_and(|f| f & 0x8000 != 0) }
        }
        command::CREATE if ok => {
            const DIRECTORY: u32 = 0x10;
            match (file_id(b, 64), le32(b, 4), le64(b, 48), le32(b, 56)) {
                (Some(file), Some(action), Some(size), Some(attributes)) => {
                    Answer::Create { file, action, size, directory: Some(attributes & DIRECTORY != 0) }
                }
                _ => Answer::Plain,
            }
        }
        command::IOCTL if ok => {
            let data = part(here, le32(b, 32).and_then(|o| u16::try_from(o).ok()), le32(b, 36));
            Answer::Data(data.unwrap_or(&[]))
        }
        command::SESSION_SETUP | command::TREE_CONNECT | command::CREATE => Answer::Plain,
        _ => Answer::Plain,
    };
    if h.flags & flag::ASYNC != 0 {
        head.tree = 0;
    }
    state.answer(head, status, answer, out);
    None
}

fn negotiated(b: &[u8]) -> Answer<'static> {
    let version = match le16(b, 4) {
        Some(0x0202) => "2.0.2",
        Some(0x0210) => "2.1",
        Some(0x0300) => "3.0",
        Some(0x0302) => "3.0.2",
        Some(0x0311) => "3.1.1",
        // 0x02ff: the client will be asked again, in SMB2.
        _ => "2",
    };
    let signing = match le16(b, 2) {
        Some(mode) if mode & 2 != 0 => "required",
        Some(mode) if mode & 1 != 0 => "enabled",
        _ => "disabled",
    };
    let guid = b.get(8..24).and_then(|b| Uuid::read(&mut Cursor::new(b), true)).filter(|g| !g.is_nil());
    Answer::Negotiate { version, signing, guid }
}

/// Controls that matter (MS-FSCC section 2.3, MS-SMB2 section 2.2.31).
fn ioctl_name(code: u32) -> &'static str {
    match code {
        0x0006_0194 => "ioctl_dfs_get_referrals",
        0x0006_01b0 => "ioctl_dfs_get_referrals_ex",
        0x0009_0000 => "ioctl_request_oplock",
        0x0009_00a4 => "ioctl_set_reparse_point",
        0x0009_00a8 => "ioctl_get_reparse_point",
        0x0009_00c4 => "ioctl_set_sparse",
        0x0009_8208 => "ioctl_file_level_trim",
        0x0011_0018 => "ioctl_pipe_wait",
        0x0011_400c => "ioctl_pipe_peek",
        FSCTL_PIPE_TRANSCEIVE => "ioctl_pipe_transceive",
        0x0014_0078 => "ioctl_srv_request_resume_key",
        0x0014_01d4 => "ioctl_lmr_request_resiliency",
        0x0014_01fc => "ioctl_query_network_interface_info",
        0x0014_0204 => "ioctl_validate_negotiate_info",
        0x0014_4064 => "ioctl_srv_enumerate_snapshots",
        0x0014_40f2 => "ioctl_srv_copychunk",
        0x0014_41bb => "ioctl_srv_read_hash",
        0x0014_80f2 => "ioctl_srv_copychunk_write",
        _ => "ioctl",
    }
}
