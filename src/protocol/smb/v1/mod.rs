//! What does a message of SMB1 say?
//!
//! MS-CIFS section 2.2 and MS-SMB. A header of 32 bytes, then blocks of words and bytes, several where one command is chained to
//! another. Offsets inside are from the header; texts are UTF-16 at even offsets, or of some 8-bit set, as a flag says.
//! Refuses: raw and multiplexed transfers, second parts of transactions.

mod transaction2;

use super::ask::{Answer, Ask, Handle, Head, MAX_NAME, Stream, What};
use super::login::Login;
use super::state::State;
use super::status::Status;
use crate::model::bytes::{Cursor, le16, le32, le64};
use crate::model::flow::Side;
use crate::model::text::{printable, printable_utf16};
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::credentials::Secret;
use crate::protocol::dcerpc::Uuid;
use transaction2::transaction2;

/// Length of a header, bytes.
const HEADER: usize = 32;

/// Commands chained in one message. Clients chain three; what is behind is left out.
const MAX_CHAIN: usize = 8;

/// Bytes before the data of a read or write at most: header, words, byte count and padding.
const MAX_BEFORE_DATA: usize = HEADER + 1 + 28 + 2 + 64;

mod command {
    pub(super) const CREATE_DIRECTORY: u8 = 0x00;
    pub(super) const DELETE_DIRECTORY: u8 = 0x01;
    pub(super) const CLOSE: u8 = 0x04;
    pub(super) const DELETE: u8 = 0x06;
    pub(super) const RENAME: u8 = 0x07;
    pub(super) const TRANSACTION: u8 = 0x25;
    pub(super) const OPEN: u8 = 0x2d;
    pub(super) const READ: u8 = 0x2e;
    pub(super) const WRITE: u8 = 0x2f;
    pub(super) const TRANSACTION2: u8 = 0x32;
    pub(super) const TRANSACTION2_SECONDARY: u8 = 0x33;
    pub(super) const TREE_DISCONNECT: u8 = 0x71;
    pub(super) const NEGOTIATE: u8 = 0x72;
    pub(super) const SESSION_SETUP: u8 = 0x73;
    pub(super) const LOGOFF: u8 = 0x74;
    pub(super) const TREE_CONNECT: u8 = 0x75;
    pub(super) const NT_TRANSACT: u8 = 0xa0;
    pub(super) const NT_CREATE: u8 = 0xa2;
    pub(super) const NT_RENAME: u8 = 0xa5;
    pub(super) const NONE: u8 = 0xff;
}

#[derive(Clone, Copy)]
struct Header {
    command: u8,
    status: Status,
    answer: bool,
    unicode: bool,
    signed: bool,
    tree: u16,
    user: u16,
    /// Process and multiplex number: the same in request and answer.
    number: u64,
}

impl Header {
    fn read(data: &[u8]) -> Option<Self> {
        let mut c = Cursor::new(data);
        if c.array::<4>()? != *b"\xffSMB" {
            return None;
        }
        let command = c.u8()?;
        let status = c.u32_le()?;
        let (flags, flags2) = (c.u8()?, c.u16_le()?);
        c.skip(2 + 8 + 2)?;
        let (tree, process, user, multiplex) = (c.u16_le()?, c.u16_le()?, c.u16_le()?, c.u16_le()?);
        let [class, _, low, high] = status.to_le_bytes();
        Some(Self {
            command,
            status: if flags2 & 0x4000 != 0 {
                Status::Nt(status)
            } else {
                Status::Dos(class, u16::from_le_bytes([low, high]))
            },
            answer: flags & 0x80 != 0,
            unicode: flags2 & 0x8000 != 0,
            signed: flags2 & 4 != 0,
            tree,
            user,
            number: u64::from(process) << 16 | u64::from(multiplex),
        })
    }
}

/// As in `v2::wanted`.
pub(super) fn wanted(rest: &[u8], len: usize) -> usize {
    if len <= MAX_BEFORE_DATA {
        return len;
    }
    match Header::read(rest) {
        None => HEADER,
        Some(h) if (h.command == command::READ && h.answer) || (h.command == command::WRITE && !h.answer) => {
            MAX_BEFORE_DATA
        }
        Some(_) => len,
    }
}

/// One command of a chain: its words and bytes, and where the bytes begin.
#[derive(Clone, Copy)]
struct Block<'a> {
    message: &'a [u8],
    words: &'a [u8],
    bytes: &'a [u8],
    bytes_at: usize,
    unicode: bool,
}

impl<'a> Block<'a> {
    fn read(message: &'a [u8], at: usize, unicode: bool) -> Option<Self> {
        let mut c = Cursor::new(message);
        c.skip(at)?;
        let words = usize::from(c.u8()?) * 2;
        let words = c.take(words)?;
        let count = usize::from(c.u16_le()?);
        let bytes_at = c.position();
        // The count of large writes and reads overflows, and that of a message cut short lies beyond it.
        let bytes = c.rest().get(..count).unwrap_or(c.rest());
        Some(Self { message, words, bytes, bytes_at, unicode })
    }

    /// A text of `bytes` at `at`, up to its zero, and where the next begins.
    fn text(&self, at: usize) -> Option<(String, usize)> {
        if !self.unicode {
            return self.ascii(at);
        }
        // Even from the header's start.
        let at = at + (self.bytes_at + at) % 2;
        let rest = self.bytes.get(at..)?;
        let (pairs, _) = rest.as_chunks::<2>();
        let units = pairs.iter().position(|p| *p == [0, 0]).unwrap_or(pairs.len());
        let len = units * 2;
        Some((printable_utf16(rest.get(..len)?, MAX_NAME), at + len + 2))
    }

    fn ascii(&self, at: usize) -> Option<(String, usize)> {
        let rest = self.bytes.get(at..)?;
        let len = rest.iter().position(|b| *b == 0).unwrap_or(rest.len());
        Some((printable(rest.get(..len)?, MAX_NAME), at + len + 1))
    }

    /// The text behind a byte that says that a text follows.
    fn marked(&self, at: usize) -> Option<(String, usize)> {
        (*self.bytes.get(at)? == 4).then(|| self.text(at + 1))?
    }

    /// Several texts in a row; empty ones are `None`.
    fn texts<const N: usize>(&self, mut at: usize) -> [Option<Box<str>>; N] {
        std::array::from_fn(|_| {
            let (text, next) = self.text(at)?;
            at = next;
            (!text.is_empty()).then(|| text.into())
        })
    }

    /// The bytes that an offset from the header and a length point to.
    fn part(&self, offset: Option<u16>, len: Option<u16>) -> Option<&'a [u8]> {
        let (offset, len) = (usize::from(offset?), usize::from(len?));
        if len == 0 { Some(&[]) } else { self.message.get(offset..offset.checked_add(len)?) }
    }
}

fn has_chain(command: u8) -> bool {
    matches!(command, 0x24 | 0x2d..=0x2f | 0x73..=0x75 | 0xa2)
}

/// A message, or as much of it as [`wanted`] asked for. Returns the data that is still to come.
pub(super) fn message(state: &mut State, side: Side, data: &[u8], out: &mut Output<'_>) -> Option<Stream> {
    let Some(h) = Header::read(data) else {
        out.weird(WeirdKind::SmbMalformed, Detail::Text("no SMB1 header where one must be".into()));
        return None;
    };
    let (mut command, mut at) = (h.command, HEADER);
    let mut stream = None;
    for _ in 0..MAX_CHAIN {
        let Some(block) = Block::read(data, at, h.unicode) else {
            // Answers to what went wrong may end behind their header.
            if !h.answer || at > HEADER {
                out.weird(WeirdKind::SmbMalformed, Detail::Number(u64::from(command)));
            }
            if h.answer {
                let head = head_of(&h, side, command);
                state.answer(head, h.status, Answer::Plain, out);
            }
            return stream;
        };
        let head = head_of(&h, side, command);
        if command != command::NEGOTIATE {
            state.speaks("1");
        }
        stream = if h.answer {
            answer(state, head, &h, command, &block, out)
        } else {
            request(state, head, command, &block, out)
        };
        match block.words {
            [next, _, low, high, ..] if has_chain(command) && *next != command::NONE => {
                let offset = usize::from(u16::from_le_bytes([*low, *high]));
                // Only forward: no circles.
                if offset <= at || h.answer && !h.status.is_success() {
                    return stream;
                }
                (command, at) = (*next, offset);
            }
            _ => return stream,
        }
    }
    stream
}

fn head_of(h: &Header, side: Side, command: u8) -> Head {
    let key = u64::from(command) << 32 | h.number;
    let tree = if h.tree == u16::MAX { 0 } else { u32::from(h.tree) };
    Head { side, key, session: u64::from(h.user), tree, signed: h.signed }
}

fn request(
    state: &mut State,
    head: Head,
    command: u8,
    b: &Block<'_>,
    out: &mut Output<'_>,
) -> Option<Stream> {
    let w = b.words;
    let handle = |at| le16(w, at).map(|id| Handle::Of(u128::from(id)));
    let mut ask = Ask::default();
    match command {
        command::NEGOTIATE => (ask.command, ask.what) = ("negotiate", What::Negotiate(None)),
        command::SESSION_SETUP => {
            ask.command = "session_setup";
            ask.what = What::SessionSetup(login(state, head, b, out));
        }
        command::LOGOFF => (ask.command, ask.what) = ("logoff", What::Logoff),
        command::TREE_CONNECT => {
            let password = usize::from(le16(w, 6).unwrap_or(0));
            ask.command = "tree_connect";
            ask.what = What::TreeConnect;
            ask.name = b.text(password).map(|(path, _)| path);
        }
        command::TREE_DISCONNECT => (ask.command, ask.what) = ("tree_disconnect", What::TreeDisconnect),
        command::NT_CREATE => {
            const DELETE_ON_CLOSE: u32 = 0x1000;
            let delete_on_close = le32(w, 39).is_some_and(|options| options & DELETE_ON_CLOSE != 0);
            ask.command = "create";
            ask.what = What::Create { delete_on_close };
            ask.name = b.text(0).map(|(name, _)| name);
        }
        command::OPEN => {
            ask.command = "create";
            ask.what = What::Create { delete_on_close: false };
            ask.name = b.text(0).map(|(name, _)| name);
        }
        command::CLOSE => (ask.command, ask.what, ask.file) = ("close", What::Close, handle(0)),
        command::READ => {
            let high = u64::from(le32(w, 20).unwrap_or(0)) << 32;
            (ask.command, ask.file) = ("read", handle(4));
            ask.what = What::Read(u64::from(le32(w, 6).unwrap_or(0)) | high);
        }
        command::WRITE => {
            let high = u64::from(le32(w, 24).unwrap_or(0)) << 32;
            let offset = u64::from(le32(w, 6)?) | high;
            let left = u64::from(le16(w, 20)?) | u64::from(le16(w, 18)?) << 16;
            let file = u128::from(le16(w, 4)?);
            return transfer(
                state,
                Stream { file, head, write: true, offset, left },
                b,
                usize::from(le16(w, 22)?),
                out,
            );
        }
        command::RENAME | command::NT_RENAME => {
            let (old, next) = b.marked(0)?;
            ask.command = "rename";
            ask.action = Some("rename");
            (ask.name, ask.new_name) = (Some(old), b.marked(next).map(|(new, _)| new));
        }
        command::DELETE | command::DELETE_DIRECTORY => {
            ask.command = if command == command::DELETE { "delete" } else { "delete_directory" };
            ask.action = Some("delete");
            ask.name = b.marked(0).map(|(name, _)| name);
        }
        command::CREATE_DIRECTORY => {
            (ask.command, ask.action) = ("create_directory", Some("create"));
            ask.name = b.marked(0).map(|(name, _)| name);
        }
        command::TRANSACTION => {
            // Transact and its kin name a pipe by its number (MS-CIFS section 2.2.5.6).
            if le16(w, 28) != Some(0x26) {
                ask.command = "transaction";
                ask.name = b.text(0).map(|(name, _)| name);
            } else {
                let id = u128::from(le16(w, 30)?);
                if let Some(said) = b.part(le16(w, 24), le16(w, 22)) {
                    state.pipe_data(id, head, said, out);
                }
                ask = Ask { command: "transact", what: What::Transact, file: Some(Handle::Of(id)), ..ask };
            }
        }
        command::TRANSACTION2 => transaction2(&mut ask, b)?,
        // The first of them only: an overlong transaction has dozens, and none is answered by itself.
        command::TRANSACTION2_SECONDARY if state.is_first_secondary(head.key) => {
            ask.command = "trans2_secondary";
            ask.announced = le16(w, 2).map(u32::from);
        }
        command::NT_TRANSACT => {
            ask.command = "nt_transact";
            ask.announced = le32(w, 7);
        }
        _ => return None,
    }
    state.ask(head, ask, out);
    None
}

/// A login: with a blob, or with account and responses in the open.
fn login(state: &mut State, head: Head, b: &Block<'_>, out: &mut Output<'_>) -> Box<Login> {
    let w = b.words;
    let mut login = state.login(head.session);
    let hashed = |len: usize| match len {
        0 | 1 => Secret::None,
        // Both old responses have 24 bytes, the new one more; a password has as many as it has, and few have that many.
        24.. => Secret::Hashed,
        _ => Secret::Clear,
    };
    let account = |user: Option<Box<str>>, domain: Option<Box<str>>| match (user, domain) {
        (Some(user), Some(domain)) => format!("{domain}\\{user}"),
        (user, _) => user.map(String::from).unwrap_or_default(),
    };
    match w.len() / 2 {
        12 => {
            let blob = usize::from(le16(w, 14).unwrap_or(0));
            login.feed(head.side, b.bytes.get(..blob).unwrap_or(b.bytes), out);
            login.native = b.texts(blob);
        }
        13 => {
            let (lm, nt) = (usize::from(le16(w, 14).unwrap_or(0)), usize::from(le16(w, 16).unwrap_or(0)));
            let [user, domain, os, software] = b.texts(lm + nt);
            login.account = Some((account(user, domain), hashed(lm.max(nt))));
            login.native = [os, software];
        }
        10 => {
            let password = usize::from(le16(w, 14).unwrap_or(0));
            let [user, domain, os, software] = b.texts(password);
            login.account = Some((account(user, domain), hashed(password)));
            login.native = [os, software];
        }
        _ => {}
    }
    login
}

/// As in `v2`.
fn transfer(
    state: &mut State,
    mut stream: Stream,
    b: &Block<'_>,
    at: usize,
    out: &mut Output<'_>,
) -> Option<Stream> {
    let there = b.message.get(at..)?;
    let now = usize::try_from(stream.left).unwrap_or(usize::MAX).min(there.len());
    state.data(&stream, there.get(..now).unwrap_or(&[]), out);
    stream.offset = stream.offset.saturating_add(now as u64);
    stream.left = stream.left.saturating_sub(now as u64);
    (stream.left > 0).then_some(stream)
}

fn answer(
    state: &mut State,
    head: Head,
    h: &Header,
    command: u8,
    b: &Block<'_>,
    out: &mut Output<'_>,
) -> Option<Stream> {
    let w = b.words;
    let ok = h.status.is_success();
    let answer = match command {
        command::READ => {
            let (file, offset) = state.read_answer(head, h.status)?;
            let left = u64::from(le16(w, 10)?) | u64::from(le16(w, 14)?) << 16;
            let stream = Stream { file, head, write: false, offset, left };
            return transfer(state, stream, b, usize::from(le16(w, 12)?), out);
        }
        command::NEGOTIATE if w.len() >= 2 => {
            const NONE_OF_THEM: u16 = 0xffff;
            let mode = w.get(2).copied().unwrap_or(0);
            let signing = match mode & 0x0c {
                0 => "disabled",
                4 => "enabled",
                _ => "required",
            };
            let extended = le32(w, 19).is_some_and(|capabilities| capabilities & 0x8000_0000 != 0);
            let guid =
                b.bytes.get(..16).filter(|_| extended).and_then(|g| Uuid::read(&mut Cursor::new(g), true));
            if le16(w, 0) == Some(NONE_OF_THEM) {
                Answer::Plain
            } else {
                Answer::Negotiate { version: "1", signing, guid: guid.filter(|g| !g.is_nil()) }
            }
        }
        command::SESSION_SETUP if w.len() >= 6 => {
            let guest = le16(w, 4).is_some_and(|action| action & 1 != 0);
            let blob = if w.len() >= 8 { usize::from(le16(w, 6).unwrap_or(0)) } else { 0 };
            let native = b.texts(blob);
            Answer::SessionSetup {
                encrypt: false,
                guest,
                blob: b.bytes.get(..blob).unwrap_or(b.bytes),
                native,
            }
        }
        command::TREE_CONNECT if ok => {
            let share_type = match b.ascii(0).as_ref().map(|(service, _)| service.as_str()) {
                Some("A:") => Some("disk"),
                Some("IPC") => Some("pipe"),
                Some("LPT1:") => Some("print"),
                _ => None,
            };
            Answer::TreeConnect { share_type, encrypt: false }
        }
        command::NT_CREATE if ok => match (le16(w, 5), le32(w, 7), le64(w, 55), w.get(67)) {
            (Some(file), Some(action), Some(size), Some(directory)) => {
                Answer::Create { file: u128::from(file), action, size, directory: Some(*directory != 0) }
            }
            _ => Answer::Plain,
        },
        command::OPEN if ok => match (le16(w, 4), le32(w, 12)) {
            (Some(file), Some(size)) => Answer::Create {
                file: u128::from(file),
                action: 1,
                size: u64::from(size),
                directory: Some(false),
            },
            _ => Answer::Plain,
        },
        command::TRANSACTION => Answer::Data(b.part(le16(w, 14), le16(w, 12)).unwrap_or(&[])),
        _ => Answer::Plain,
    };
    state.answer(head, h.status, answer, out);
    None
}
