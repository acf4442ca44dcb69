//! Which sessions, shares and files are open, and which request does an answer belong to?
//!
//! One for each connection, fed by both versions: they turn bytes into an [`Ask`] or an [`Answer`], here these meet, and rows come of
//! it. What passes through files and pipes is in `files`. Everything that is remembered has a cap; the oldest goes first.

mod files;

use super::ask::{Answer, Ask, Handle, Head, QUERY_DIRECTORY, What};
use super::login::{Login, settle};
use super::record::SmbRecord;
use super::status::{self, Status};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::Output;
use crate::protocol::clues::Clue;
use crate::protocol::dcerpc::Conversation;
use files::OpenFile;
use std::collections::VecDeque;

/// Requests that wait for their answers. Servers grant 512 credits, clients use some tens; the oldest is written without its answer.
const MAX_PENDING: usize = 256;

/// Pipes open at once: each may keep up to 32 KiB of unfinished packets. Further ones are not looked into.
const MAX_PIPES: usize = 32;

/// Shares connected at once; the oldest loses its name.
const MAX_TREES: usize = 128;

/// Sessions, and logins under way, on one connection; only terminal servers have more than a few.
const MAX_SESSIONS: usize = 64;

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

/// What one connection has open.
#[derive(Debug, Default)]
pub(super) struct State {
    version: Option<&'static str>,
    waiting: VecDeque<Waiting>,
    logins: VecDeque<(u64, Box<Login>)>,
    users: VecDeque<(u64, Box<str>)>,
    trees: VecDeque<Tree>,
    files: VecDeque<OpenFile>,
    /// Key of the last transaction whose second part was told.
    secondary: Option<u64>,
}

/// An answer of SMB1 to a command that servers do not implement: an implant that lives in the server answers with this much added to the
/// number of the request: it did as told, did not understand, or had no memory.
const IMPLANT_STEPS: [u64; 3] = [0x10, 0x20, 0x30];

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

    /// Is this the first second part of the transaction with this key?
    pub(super) fn is_first_secondary(&mut self, key: u64) -> bool {
        self.secondary.replace(key) != Some(key)
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
                    let implanted = |w: &Waiting| {
                        w.ask.command == SESSION_SETUP2
                            && IMPLANT_STEPS.iter().any(|step| w.head.key.saturating_add(*step) == head.key)
                            && w.head.side != head.side
                    };
                    if is_negotiate {
                        self.waiting.iter().position(negotiating)
                    } else {
                        self.waiting.iter().position(implanted)
                    }
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
        row.transaction_bytes = waiting.ask.announced;
        if matches!(waiting.ask.command, SESSION_SETUP2 | "nt_transact" | "trans2_secondary") {
            row.multiplex = [Some(multiplex(waiting.head.key)), None];
        }
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
        let [asked, answered] = &mut row.multiplex;
        *answered = asked.and(Some(multiplex(head.key)));
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

/// The command that no server implements.
const SESSION_SETUP2: &str = "trans2_session_setup";

/// The multiplex number in the key of an SMB1 message.
fn multiplex(key: u64) -> u16 {
    (key & 0xffff) as u16
}

fn forget_oldest<T>(list: &mut VecDeque<T>, cap: usize, out: &mut Output<'_>) {
    if list.len() >= cap {
        out.weird(WeirdKind::StateFull, Detail::Number(cap as u64));
        list.pop_front();
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
