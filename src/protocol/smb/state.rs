//! Which sessions, shares and files are open, and which request does an answer belong to?
//!
//! One for each connection, fed by both versions: they turn bytes into an [`Ask`] or an [`Answer`], here these meet, and rows come of
//! it. Bytes of files go to `files`, those of pipes to DCE/RPC. Everything that is remembered has a cap; the oldest goes first.

use super::record::SmbRecord;
use super::status::{self, Status};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::clues::Clue;
use crate::protocol::credentials::{Credential, Secret};
use crate::protocol::dcerpc::{Conversation, Uuid};
use crate::protocol::files::FileWatch;
use crate::protocol::ntlm::Session;
use std::collections::VecDeque;

/// Requests that wait for their answers. Servers grant 512 credits, clients use some tens; the oldest is written without its answer.
const MAX_PENDING: usize = 256;

/// Files open at once. Explorer keeps some tens; the oldest is taken for closed.
const MAX_FILES: usize = 512;

/// Pipes open at once: each may keep up to 32 KiB of unfinished packets. Further ones are not looked into.
const MAX_PIPES: usize = 32;

/// Shares connected at once; the oldest loses its name.
const MAX_TREES: usize = 128;

/// Sessions, and logins under way, on one connection; only terminal servers have more than a few.
const MAX_SESSIONS: usize = 64;

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

/// An authentication under way.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) ntlm: Option<Session>,
    /// Account of a login without NTLMSSP, and in which form its secret came.
    pub(super) account: Option<(String, Secret)>,
    pub(super) native: [Option<Box<str>>; 2],
}

impl Login {
    pub(super) fn feed(&mut self, side: Side, blob: &[u8], out: &mut Output<'_>) {
        let fresh = || Session::new("smb");
        let mut session = self.ntlm.take().unwrap_or_else(fresh);
        if session.feed(side, blob, out) || session.is_proved() {
            self.ntlm = Some(session);
        }
    }
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

#[derive(Debug)]
struct Waiting {
    at: At,
    head: Head,
    ask: Ask,
}

#[derive(Debug)]
struct Tree {
    session: u64,
    id: u32,
    path: Box<str>,
    share_type: Option<&'static str>,
}

/// The bytes of a file in one direction.
#[derive(Debug, Default)]
struct Transfer {
    bytes: u64,
    /// Where the next byte in order is.
    next: u64,
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
struct OpenFile {
    id: u128,
    session: u64,
    tree: u32,
    name: Option<Box<str>>,
    directory: Option<bool>,
    size: Option<u64>,
    doomed: bool,
    read: Transfer,
    written: Transfer,
    pipe: Option<Box<Conversation>>,
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

/// What one connection has open.
#[derive(Debug, Default)]
pub(super) struct State {
    version: Option<&'static str>,
    waiting: VecDeque<Waiting>,
    logins: VecDeque<(u64, Box<Login>)>,
    users: VecDeque<(u64, Box<str>)>,
    trees: VecDeque<Tree>,
    files: VecDeque<OpenFile>,
}

impl State {
    /// Not even the version was agreed, and `version` is the family at hand.
    pub(super) fn speaks(&mut self, version: &'static str) {
        // A client may begin with SMB1 to ask for SMB2.
        if self.version.is_none_or(|v| v == "1") {
            self.version = Some(version);
        }
    }

    /// The login under way for this session, or a new one.
    pub(super) fn login(&mut self, session: u64) -> Box<Login> {
        let known = self.logins.iter().position(|(id, _)| *id == session && session != 0);
        known.and_then(|i| self.logins.remove(i)).map(|(_, login)| login).unwrap_or_default()
    }

    /// A request.
    pub(super) fn ask(&mut self, head: Head, ask: Ask, out: &mut Output<'_>) {
        if self.waiting.len() >= MAX_PENDING
            && let Some(oldest) = self.waiting.pop_front()
        {
            out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
            self.unanswered(oldest, out);
        }
        self.waiting.push_back(Waiting { at: out.at, head, ask });
    }

    /// An answer.
    pub(super) fn answer(&mut self, head: Head, status: Status, answer: Answer<'_>, out: &mut Output<'_>) {
        if status == Status::Nt(status::PENDING) {
            return;
        }
        let is_negotiate = matches!(answer, Answer::Negotiate { .. });
        let at =
            self.waiting.iter().position(|w| w.head.key == head.key && w.head.side != head.side).or_else(
                || {
                    // The answer of version 2 to a question of version 1.
                    let negotiating = |w: &Waiting| matches!(w.ask.what, What::Negotiate(_));
                    if is_negotiate { self.waiting.iter().position(negotiating) } else { None }
                },
            );
        let Some(waiting) = at.and_then(|i| self.waiting.remove(i)) else { return };
        if let What::Create { .. } = waiting.ask.what {
            self.resolve(waiting.head.key, &answer);
        }
        self.answered(waiting, head, status, answer, out);
    }

    /// A read is answered: which file, and from which byte on? `None` when the request was not seen.
    pub(super) fn read_answer(&mut self, head: Head, status: Status) -> Option<(u128, u64)> {
        if status == Status::Nt(status::PENDING) {
            return None;
        }
        let at = self.waiting.iter().position(|w| w.head.key == head.key && w.head.side != head.side)?;
        let waiting = self.waiting.remove(at)?;
        let (What::Read(offset), Some(Handle::Of(id))) = (&waiting.ask.what, waiting.ask.file) else {
            return None;
        };
        if status == Status::Nt(0xc000_0011)
            && let Some(file) = self.files.iter_mut().find(|f| f.id == id)
            && file.read.next == *offset
        {
            // End of file, asked for where the last read ended: now the size is known.
            file.size.get_or_insert(*offset);
        }
        Some((id, *offset))
    }

    /// Requests behind a create in the same message get their file.
    fn resolve(&mut self, key: u64, answer: &Answer<'_>) {
        if let Answer::Create { file, .. } = answer {
            for w in &mut self.waiting {
                if w.ask.file == Some(Handle::OpenedBy(key)) {
                    w.ask.file = Some(Handle::Of(*file));
                }
            }
        }
    }

    fn tree(&self, session: u64, id: u32) -> Option<&Tree> {
        self.trees.iter().rev().find(|t| t.id == id && t.session == session)
    }

    fn user(&self, session: u64) -> Option<&str> {
        self.users.iter().rev().find(|(id, _)| *id == session).map(|(_, user)| &**user)
    }

    fn version(&self) -> &'static str {
        self.version.unwrap_or("2")
    }

    /// What every row begins with.
    fn row(&self, command: &'static str, head: Head) -> SmbRecord {
        let tree = self.tree(head.session, head.tree);
        SmbRecord {
            version: self.version(),
            command,
            username: self.user(head.session).map(Into::into),
            session_id: Some(head.session).filter(|id| *id != 0),
            tree_id: Some(head.tree).filter(|id| *id != 0),
            share: tree.map(|t| t.path.clone()),
            share_type: tree.and_then(|t| t.share_type),
            signed: head.signed,
            ..SmbRecord::default()
        }
    }

    fn row_of(&self, waiting: &Waiting) -> SmbRecord {
        let mut row = self.row(waiting.ask.command, waiting.head);
        let file = match waiting.ask.file {
            Some(Handle::Of(id)) => self.files.iter().find(|f| f.id == id),
            _ => None,
        };
        row.file_name = waiting.ask.name.as_deref().map(Into::into).or(file.and_then(|f| f.name.clone()));
        if let (true, Some(file)) = (waiting.ask.command == QUERY_DIRECTORY, file) {
            // The pattern belongs behind the directory.
            let pattern = row.file_name.take().unwrap_or_default();
            row.file_name = Some(match file.name.as_deref() {
                None | Some("") => pattern,
                Some(directory) => format!("{directory}\\{pattern}").into(),
            });
        }
        row.new_name = waiting.ask.new_name.as_deref().map(Into::into);
        row.is_directory = file.and_then(|f| f.directory);
        row.size = waiting.ask.size;
        if let What::Negotiate(guid) = waiting.ask.what {
            row.client_guid = guid;
        }
        row
    }

    fn unanswered(&mut self, mut waiting: Waiting, out: &mut Output<'_>) {
        if matches!(waiting.ask.what, What::Read(_) | What::Transact) {
            return;
        }
        let mut row = self.row_of(&waiting);
        match &mut waiting.ask.what {
            What::SessionSetup(login) => settle(login, None, None, &mut row, out),
            What::TreeConnect => row.share = row.file_name.take(),
            _ => {}
        }
        out.record(waiting.at, row);
    }

    fn answered(
        &mut self,
        mut waiting: Waiting,
        head: Head,
        status: Status,
        answer: Answer<'_>,
        out: &mut Output<'_>,
    ) {
        let success = status.is_success();
        if waiting.ask.command == QUERY_DIRECTORY && status == Status::Nt(status::NO_MORE_FILES) {
            return;
        }
        let mut row = self.row_of(&waiting);
        row.status = Some(status);
        row.rtt = Some(out.at.ts.since(waiting.at.ts));
        row.signed |= head.signed;
        row.action = waiting.ask.action.filter(|_| success);
        let id = match waiting.ask.file {
            Some(Handle::Of(id)) => Some(id),
            _ => None,
        };
        let server = if head.side == Side::Orig { out.flow.tuple.src } else { out.flow.tuple.dst };
        match (&mut waiting.ask.what, answer) {
            (What::Transact, Answer::Data(data)) => {
                if let Some(id) = id {
                    self.pipe_data(id, head, data, out);
                }
                return;
            }
            (What::Transact | What::Read(_), _) => return,
            (What::Negotiate(_), Answer::Negotiate { version, signing, guid }) => {
                self.version = Some(version);
                (row.version, row.signing, row.server_guid) = (version, Some(signing), guid);
            }
            (What::SessionSetup(login), Answer::SessionSetup { encrypt, guest, blob, native }) => {
                row.session_id = Some(head.session).filter(|id| *id != 0);
                row.encrypted = encrypt;
                login.feed(head.side, blob, out);
                let [os, software] = native;
                for (clue, value, source) in [
                    (Clue::System, &os, "smb.native_os"),
                    (Clue::Server, &software, "smb.native_lan_manager"),
                ] {
                    if let Some(value) = value {
                        out.clue(server, clue, value, source);
                    }
                }
                (row.native[2], row.native[3]) = (os, software);
                [row.native[0], row.native[1]] = login.native.clone();
                if status.is_more() {
                    let login = std::mem::take(login);
                    self.keep_login(head.session, login, out);
                } else {
                    settle(login, Some((success, guest)), Some(status), &mut row, out);
                    if success && let Some(user) = row.username.clone() {
                        forget_oldest(&mut self.users, MAX_SESSIONS, out);
                        self.users.push_back((head.session, user));
                    }
                }
            }
            (What::SessionSetup(login), _) => {
                settle(login, Some((success, false)), Some(status), &mut row, out)
            }
            (What::Logoff, _) => self.users.retain(|(id, _)| *id != head.session),
            (What::TreeConnect, Answer::TreeConnect { share_type, encrypt }) if success => {
                let path: Box<str> = waiting.ask.name.take().unwrap_or_default().into();
                row.tree_id = Some(head.tree);
                (row.share, row.share_type, row.encrypted) = (Some(path.clone()), share_type, encrypt);
                row.file_name = None;
                share_clues(&path, share_type, server, out);
                forget_oldest(&mut self.trees, MAX_TREES, out);
                self.trees.push_back(Tree { session: waiting.head.session, id: head.tree, path, share_type });
            }
            (What::TreeConnect, _) => row.share = row.file_name.take(),
            (What::TreeDisconnect, _) if success => {
                self.trees.retain(|t| t.id != waiting.head.tree || t.session != waiting.head.session);
            }
            (What::Create { delete_on_close }, Answer::Create { file, action, size, directory })
                if success =>
            {
                row.action = Some(match action {
                    0 => "supersede",
                    2 => "create",
                    3 => "overwrite",
                    _ => "open",
                });
                (row.size, row.is_directory) =
                    (Some(size).filter(|_| row.share_type != Some("pipe")), directory);
                let doomed = *delete_on_close;
                let name = row.file_name.clone();
                let pipe = self.is_pipe(&row).then(|| row.file_name.clone()).flatten();
                let pipe =
                    pipe.filter(|_| self.files.iter().filter(|f| f.pipe.is_some()).count() < MAX_PIPES);
                let pipe = pipe.map(|name| {
                    let bare = name.trim_start_matches('\\');
                    Box::new(Conversation::pipe(bare.strip_prefix("PIPE\\").unwrap_or(bare)))
                });
                let size = row.size.filter(|_| directory != Some(true));
                self.open(file, waiting.head, out, |f| {
                    (f.name, f.directory, f.size, f.doomed, f.pipe) = (name, directory, size, doomed, pipe);
                });
            }
            (What::Close, _) => {
                if let Some(file) = id.and_then(|id| self.take_file(id)) {
                    self.closed(file, &mut row, out);
                }
            }
            (What::Doom(doomed), _) if success => {
                if let Some(file) = self.files.iter_mut().find(|f| Some(f.id) == id) {
                    file.doomed = *doomed;
                }
            }
            (What::Rename, _) if success => {
                if let Some(file) = self.files.iter_mut().find(|f| Some(f.id) == id) {
                    file.name = row.new_name.clone();
                }
            }
            (What::Truncate, _) if success => {
                if let Some(file) = self.files.iter_mut().find(|f| Some(f.id) == id) {
                    file.size = waiting.ask.size;
                }
            }
            _ => {}
        }
        out.record(waiting.at, row);
    }

    fn keep_login(&mut self, session: u64, login: Box<Login>, out: &mut Output<'_>) {
        if self.logins.len() >= MAX_SESSIONS
            && let Some((_, mut oldest)) = self.logins.pop_front()
        {
            out.weird(WeirdKind::StateFull, Detail::Number(MAX_SESSIONS as u64));
            if let Some(ntlm) = &mut oldest.ntlm {
                ntlm.finish(out);
            }
        }
        self.logins.push_back((session, login));
    }

    /// Is what was opened a pipe? Where the share is not known, by the names that services have.
    fn is_pipe(&self, row: &SmbRecord) -> bool {
        const PIPES: &[&str] = &[
            "atsvc", "browser", "efsrpc", "epmapper", "eventlog", "lsarpc", "lsass", "netdfs", "netlogon",
            "samr", "spoolss", "srvsvc", "svcctl", "winreg", "wkssvc",
        ];
        match row.share_type {
            Some(kind) => kind == "pipe",
            None => row.file_name.as_deref().is_some_and(|name| {
                let name = name.trim_start_matches('\\').to_ascii_lowercase();
                row.share.is_none() && PIPES.contains(&name.as_str())
            }),
        }
    }

    fn open(&mut self, id: u128, head: Head, out: &mut Output<'_>, fill: impl FnOnce(&mut OpenFile)) {
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

    fn take_file(&mut self, id: u128) -> Option<OpenFile> {
        let at = self.files.iter().position(|f| f.id == id)?;
        self.files.remove(at)
    }

    /// Bytes of a file, or of a pipe, at `stream.offset`.
    pub(super) fn data(&mut self, stream: &Stream, bytes: &[u8], out: &mut Output<'_>) {
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
            FileWatch::new("smb", side, out.at, name.as_deref().map(str::to_owned))
        });
        let next = transfer.next;
        if stream.write {
            file.size = file.size.map(|size| size.max(next));
        }
    }

    /// Something said to a pipe, or by it, in one request with its answer.
    pub(super) fn pipe_data(&mut self, id: u128, head: Head, data: &[u8], out: &mut Output<'_>) {
        if !self.files.iter().any(|f| f.id == id) {
            self.open(id, head, out, |f| f.pipe = Some(Box::default()));
        }
        let file = self.files.iter_mut().rev().find(|f| f.id == id);
        if let Some(pipe) = file.and_then(|f| f.pipe.as_mut()) {
            pipe.feed_pipe(head.side, data, out);
        }
    }

    /// What is known of a file goes into the row of its close, and its content to `files`.
    fn closed(&mut self, mut file: OpenFile, row: &mut SmbRecord, out: &mut Output<'_>) {
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
    fn left_open(&mut self, file: OpenFile, out: &mut Output<'_>) {
        let head = Head { side: Side::Orig, key: 0, session: file.session, tree: file.tree, signed: false };
        let mut row = self.row("close", head);
        (row.file_name, row.is_directory) = (file.name.clone(), file.directory);
        let told = file.action().is_some();
        self.closed(file, &mut row, out);
        if told {
            out.record(out.at, row);
        }
    }

    /// The first message that cannot be read.
    pub(super) fn unreadable(
        &mut self,
        command: &'static str,
        session: u64,
        side: Side,
        out: &mut Output<'_>,
    ) {
        let head = Head { side, key: 0, session, tree: 0, signed: false };
        let mut row = self.row(command, head);
        row.encrypted = command == "encrypted";
        out.record(out.at, row);
    }

    /// The connection is over.
    pub(super) fn finish(&mut self, out: &mut Output<'_>) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.unanswered(waiting, out);
        }
        for (_, mut login) in std::mem::take(&mut self.logins) {
            if let Some(ntlm) = &mut login.ntlm {
                ntlm.finish(out);
            }
        }
        for file in std::mem::take(&mut self.files) {
            self.left_open(file, out);
        }
    }
}

fn forget_oldest<T>(list: &mut VecDeque<T>, cap: usize, out: &mut Output<'_>) {
    if list.len() >= cap {
        out.weird(WeirdKind::StateFull, Detail::Number(cap as u64));
        list.pop_front();
    }
}

/// A login ended: `outcome` is whether it was accepted, and whether only as a guest.
fn settle(
    login: &mut Login,
    outcome: Option<(bool, bool)>,
    status: Option<Status>,
    row: &mut SmbRecord,
    out: &mut Output<'_>,
) {
    let told = status.map(|s| s.to_string());
    // A guest was let in whatever the password was.
    let success = outcome.map(|(yes, guest)| yes && !guest);
    let detail = if outcome == Some((true, true)) { Some("guest".to_owned()) } else { told };
    if let Some(ntlm) = &mut login.ntlm {
        row.username = ntlm.account().map(Into::into);
        ntlm.outcome(success, detail, out);
    } else if let Some((account, secret)) = login.account.take() {
        row.username = Some(account.as_str()).filter(|a| !a.is_empty()).map(Into::into);
        let account = (!account.is_empty()).then_some(account);
        let mechanism = if secret == Secret::Clear { "password" } else { "ntlm" };
        out.record(out.at, Credential { service: "smb", account, mechanism, secret, success, detail });
    }
}

/// A share tells the server's name, and a few what it is.
fn share_clues(path: &str, kind: Option<&'static str>, server: crate::model::addr::Ip, out: &mut Output<'_>) {
    let mut parts = path.trim_start_matches('\\').splitn(2, '\\');
    let (host, share) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let is_address = host.parse::<std::net::IpAddr>().is_ok() || host.ends_with(".ipv6-literal.net");
    if !host.is_empty() && !is_address && !host.starts_with('*') {
        out.clue(server, Clue::Name, host, "smb.share");
    }
    if kind == Some("disk") {
        out.clue(server, Clue::Role, "file_server", "smb.share");
    }
    if ["SYSVOL", "NETLOGON"].iter().any(|s| share.eq_ignore_ascii_case(s)) {
        out.clue(server, Clue::Role, "domain_controller", "smb.share");
    }
}
