//! What does a flow say that no protocol claims?
//!
//! The first bytes of both sides, their entropy, and what their form is known for: the prompt or the greeting of a shell, a command for
//! one, a program. One row a flow, for flows without a name that carried data from their beginning on; the number of rows is capped by the hour.
//! Refuses to judge, and to keep more than a glance: names of systems and users stand in prompts.

use super::sniff::sniff;
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use std::borrow::Cow;

/// Bytes a side that are looked at: a greeting, a prompt, the first commands and the head of a program.
const KEPT: usize = 512;

/// Bytes a side that are stored.
const SHOWN: usize = 64;

/// Pieces after which a flow has said enough, however short they were.
const MAX_PIECES: u16 = 64;

/// Pieces after which the other side is not waited for, when all that is kept has come.
const MAX_ALONE: u16 = 4;

/// Longest line that is taken for a prompt or a command, bytes.
const MAX_LINE: usize = 200;

/// The first bytes of a flow that nobody claimed.
#[derive(Debug)]
pub(super) struct Heard {
    began: At,
    first: Side,
    last: Side,
    turns: u16,
    pieces: u16,
    sides: [Vec<u8>; 2],
}

impl Heard {
    pub(super) fn new(began: At, first: Side) -> Self {
        Self { began, first, last: first, turns: 0, pieces: 0, sides: Default::default() }
    }

    /// The next bytes of one side.
    pub(super) fn push(&mut self, side: Side, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.pieces = self.pieces.saturating_add(1);
        if side != self.last {
            self.last = side;
            self.turns = self.turns.saturating_add(1);
        }
        if let Some(kept) = self.sides.get_mut(side.index()) {
            let room = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(data.get(..room).unwrap_or(data));
        }
    }

    /// Is there nothing more to learn?
    pub(super) fn is_full(&self) -> bool {
        let full = |s: &Vec<u8>| s.len() >= KEPT;
        let one_way = self.turns == 0 && self.pieces >= MAX_ALONE && self.sides.iter().any(full);
        self.pieces >= MAX_PIECES || one_way || self.sides.iter().all(full)
    }

    /// Bytes kept.
    pub(super) fn held(&self) -> usize {
        self.sides.iter().map(Vec::len).sum()
    }

    /// Did both sides speak?
    pub(super) fn is_mutual(&self) -> bool {
        self.sides.iter().all(|s| !s.is_empty())
    }

    /// When it began, and the row.
    pub(super) fn record(&self) -> (At, UnknownRecord) {
        let [src, dst] = &self.sides;
        let record = UnknownRecord {
            first: self.first,
            turns: self.turns,
            src: Payload::of(src),
            dst: Payload::of(dst),
        };
        (self.began, record)
    }
}

/// What one side said.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    /// Its first bytes, printable; `None` when it said nothing.
    pub text: Option<Box<str>>,
    /// Bits per byte of what was looked at.
    pub entropy: Option<f64>,
    /// What its form is known for.
    pub form: Option<Form>,
}

impl Payload {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        let text = Some(printable(bytes, SHOWN).into());
        Self { text, entropy: Some(entropy(bytes)), form: Form::of(bytes) }
    }
}

/// Forms that mean something by themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Form {
    /// A program for Windows or Unix.
    Program,
    /// One behind its length in four bytes.
    StagedProgram,
    /// What the command line of Windows, PowerShell or a shell without a terminal says first.
    ShellGreeting,
    /// The answer of `id`.
    IdOutput,
    /// `C:\…>` and its kin.
    WindowsPrompt,
    /// `$ `, `# `, `user@host:~$ ` and their kin.
    UnixPrompt,
    /// Lines of which the first begins with a command of a shell.
    ShellCommand,
}

impl Form {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::StagedProgram => "staged_program",
            Self::ShellGreeting => "shell_greeting",
            Self::IdOutput => "id_output",
            Self::WindowsPrompt => "windows_prompt",
            Self::UnixPrompt => "unix_prompt",
            Self::ShellCommand => "shell_command",
        }
    }

    /// Does a shell speak so?
    pub fn is_shell(self) -> bool {
        matches!(self, Self::ShellGreeting | Self::IdOutput | Self::WindowsPrompt | Self::UnixPrompt)
    }

    /// The most telling form of these bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if is_program(bytes) {
            return Some(Self::Program);
        }
        if bytes.get(4..).is_some_and(is_program) && has_length(bytes) {
            return Some(Self::StagedProgram);
        }
        let has = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
        if GREETINGS.iter().any(|g| has(g)) {
            return Some(Self::ShellGreeting);
        }
        if has(b"uid=") && has(b" gid=") && has(b"(") {
            return Some(Self::IdOutput);
        }
        let mut lines = bytes.split(|b| matches!(b, b'\n' | b'\r')).filter(|l| !l.is_empty()).take(32);
        if let Some(form) = lines.find_map(prompt) {
            return Some(form);
        }
        is_command(bytes).then_some(Self::ShellCommand)
    }
}

/// Said by command lines when they start without a terminal, or with one.
const GREETINGS: [&[u8]; 10] = [
    // What is in the brackets is said in the system's language.
    b"Microsoft Windows [",
    b"Microsoft Windows XP [",
    b"Microsoft Windows 2000 [",
    b"(C) Copyright 1985-",
    b"Copyright (C) Microsoft Corporation",
    b"Windows PowerShell",
    b"job control turned off",
    b"no job control in this shell",
    b"cannot set terminal process group",
    b"BusyBox v",
];

fn is_program(bytes: &[u8]) -> bool {
    matches!(sniff(bytes), Some("application/x-dosexec" | "application/x-elf"))
}

/// Four bytes of length, little endian, of something between 1 KiB and 64 MiB, as staged loaders send it.
fn has_length(bytes: &[u8]) -> bool {
    crate::model::bytes::le32(bytes, 0).is_some_and(|n| (1 << 10..1 << 26).contains(&n))
}

/// A line without the sequences that steer a terminal (ECMA-48 section 5.4: `ESC [` to a letter; xterm's titles: `ESC ]` to BEL).
fn without_controls(line: &[u8]) -> Cow<'_, [u8]> {
    const ESC: u8 = 0x1b;
    const BEL: u8 = 7;
    if !line.contains(&ESC) {
        return Cow::Borrowed(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != ESC {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'[') => while bytes.next().is_some_and(|b| !(b'@'..=b'~').contains(&b)) {},
            Some(b']') => while bytes.next().is_some_and(|b| b != BEL) {},
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// The prompt that a line begins with.
fn prompt(line: &[u8]) -> Option<Form> {
    // Colours and titles of terminals stand before and within prompts.
    let plain = without_controls(line.get(..MAX_LINE).unwrap_or(line));
    let line = plain.as_ref();
    let bare = line.strip_prefix(b"PS ").unwrap_or(line);
    if let [drive, b':', b'\\', path @ ..] = bare
        && drive.is_ascii_alphabetic()
        && let Some(end) = memchr::memchr(b'>', path)
        && path.get(..end).is_some_and(|p| p.iter().all(|b| !b"<|\"?*:".contains(b) && *b >= b' '))
    {
        return Some(Form::WindowsPrompt);
    }
    let at = line.windows(2).position(|w| matches!(w, b"$ " | b"# "))?;
    let before = line.get(..at)?;
    if before.len() > 80 || before.iter().any(|b| !(b' '..=b'~').contains(b)) {
        return None;
    }
    let begins = |with: &[u8]| before.starts_with(with);
    let named = before.contains(&b'@') && before.iter().any(|b| matches!(b, b':' | b'/' | b'~' | b' '));
    let shell = [&b"sh-"[..], b"bash-", b"dash-", b"/ ", b"~ "].into_iter().any(begins);
    // A lone sign is a prompt when it stands alone; with text behind it it may be a comment.
    let lone = before.is_empty() && line.len() == 2;
    let bracketed = before.starts_with(b"[") && before.ends_with(b"]");
    let named = named && (!before.contains(&b'.') || before.contains(&b':') || bracketed);
    (named || shell || lone).then_some(Form::UnixPrompt)
}

/// Commands that people type first into a shell that is not theirs.
#[rustfmt::skip] // a list
const COMMANDS: &[&str] = &[
    "id", "whoami", "uname", "ls", "pwd", "dir", "ipconfig", "ifconfig", "hostname", "cat", "cd", "ps", "w", "who", "net", "netstat",
    "systeminfo", "tasklist", "wget", "curl", "chmod", "echo", "python", "python3", "powershell", "powershell.exe", "cmd", "cmd.exe", "type",
    "export", "sudo", "su", "bash", "sh", "/bin/sh", "/bin/bash", "find", "env", "nltest", "route", "arp", "set", "rm", "cp", "mv", "kill",
    "ver", "wmic", "reg", "certutil", "ip", "ss", "df", "mount", "history", "unset", "stty",
];

/// Printable lines, the first of which begins with a command.
fn is_command(bytes: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return false };
    let line = bytes.get(..end).unwrap_or(bytes).trim_ascii();
    let text = bytes.iter().all(|b| (b' '..=b'~').contains(b) || matches!(b, b'\n' | b'\r' | b'\t'));
    let Some(word) = line.split(|b| matches!(b, b' ' | b';' | b'&' | b'|')).next() else { return false };
    text && line.len() <= MAX_LINE && COMMANDS.iter().any(|c| c.as_bytes() == word)
}

/// Bits per byte, 0 to 8.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for b in bytes {
        if let Some(c) = counts.get_mut(usize::from(*b)) {
            *c += 1;
        }
    }
    let n = bytes.len().max(1) as f64;
    let shares = counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / n);
    shares.map(|p| -p * p.log2()).sum::<f64>().max(0.0)
}

/// One flow without a name.
#[derive(Clone, Debug)]
pub struct UnknownRecord {
    /// Who spoke first.
    pub first: Side,
    /// How often the speaker changed while it was listened to.
    pub turns: u16,
    /// The originator.
    pub src: Payload,
    /// The responder.
    pub dst: Payload,
}

/// First bytes of flows without a name.
pub static UNKNOWN: Table = Table::record(
    "unknown_payloads",
    "One row is one flow that no protocol claimed, with the first bytes of both sides; at most 8,192 an hour of packet time.",
    &[
        col("first_speaker", T::Text, "", "src or dst: who sent the first data."),
        col("turns", T::U16, "", "How often the speaker changed among the first 64 segments with data."),
        col(
            "src_text",
            T::Text,
            "",
            "First 64 bytes of the originator, printable; NULL when it sent no data.",
        ),
        col(
            "dst_text",
            T::Text,
            "",
            "First 64 bytes of the responder, printable; NULL when it sent no data.",
        ),
        col(
            "src_entropy",
            T::F64,
            "bits",
            "Entropy of the originator's first 512 bytes, per byte; NULL without data.",
        ),
        col(
            "dst_entropy",
            T::F64,
            "bits",
            "Entropy of the responder's first 512 bytes, per byte; NULL without data.",
        ),
        col(
            "src_form",
            T::Text,
            "",
            "What the originator's bytes look like: program, staged_program (behind its length in four bytes), shell_greeting, id_output, windows_prompt, unix_prompt or shell_command; NULL for none of them.",
        ),
        col("dst_form", T::Text, "", "The same of the responder's bytes."),
    ],
);

impl Record for UnknownRecord {
    fn table(&self) -> &'static Table {
        &UNKNOWN
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(if self.first == Side::Orig { "src" } else { "dst" })
            .u16(self.turns)
            .opt_text(self.src.text.as_deref())
            .opt_text(self.dst.text.as_deref())
            .opt_f64(self.src.entropy)
            .opt_f64(self.dst.entropy)
            .opt_text(self.src.form.map(Form::name))
            .opt_text(self.dst.form.map(Form::name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_known_by_their_prompts() {
        for (bytes, form) in [
            (&b"sh-4.2$ "[..], Form::UnixPrompt),
            (b"$ ", Form::UnixPrompt),
            (b"\n# ", Form::UnixPrompt),
            (b"tomcat@UBUNTU5:/$ ", Form::UnixPrompt),
            (b"root@box:~# id\n", Form::UnixPrompt),
            (b"Microsoft Windows [Version 6.1.7601]\r\nCopyright", Form::ShellGreeting),
            (b"bash: no job control in this shell\n", Form::ShellGreeting),
            (b"\r\nC:\\Users\\x>whoami\r\n", Form::WindowsPrompt),
            (b"PS C:\\>", Form::WindowsPrompt),
            (b"Microsoft Windows [vers\xc6o 10.0.19045.2006]\r\n", Form::ShellGreeting),
            (
                b"Microsoft Windows XP [Version 5.1.2600]\r\n(C) Copyright 1985-2001 Microsoft Corp.\r\n",
                Form::ShellGreeting,
            ),
            (
                b"\x1b]0;www@box: /var\x07\x1b[01;32mwww@box\x1b[00m:\x1b[01;34m/var\x1b[00m$ ",
                Form::UnixPrompt,
            ),
            (b"\x1b[?2004h[root@web1.example.org ~]# ", Form::UnixPrompt),
            (b"uid=0(root) gid=0(root) groups=0(root)\n", Form::IdOutput),
            (b"ls -l\n", Form::ShellCommand),
            (b"whoami\nid\n", Form::ShellCommand),
        ] {
            assert_eq!(Form::of(bytes), Some(form), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_shell() {
        for bytes in [
            &b"# a comment at the start of a file\n"[..],
            b"it costs 5$ a piece\n",
            b"mail me at joe@example.org # thanks\n",
            b"C:\\temp is a folder\r\n",
            b"listen to this\n",
            b"hello\n",
            b"id",
            b"\x00\x01\x02\x03$ ",
            b"\x1b[31mred text for 5$ \x1b[",
            b"\x1b]",
            b"",
        ] {
            assert_eq!(Form::of(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_program_also_behind_its_length() {
        let mut program = vec![0u8; 200];
        program[..2].copy_from_slice(b"MZ");
        assert_eq!(Form::of(&program), Some(Form::Program));
        let mut staged = 200_000u32.to_le_bytes().to_vec();
        staged.extend_from_slice(&program);
        assert_eq!(Form::of(&staged), Some(Form::StagedProgram));
        staged[3] = 0xff;
        assert_eq!(Form::of(&staged), None, "no length");
    }

    #[test]
    fn a_glance_is_bounded() {
        let at = At { ts: crate::model::time::Timestamp(0), packet: 1 };
        let mut heard = Heard::new(at, Side::Orig);
        for n in 0..100 {
            heard.push(if n % 2 == 0 { Side::Orig } else { Side::Resp }, &[b'a'; 100]);
        }
        assert!(heard.is_full() && heard.is_mutual());
        assert_eq!(heard.held(), 2 * KEPT);
        let (_, record) = heard.record();
        assert_eq!((record.turns, record.src.entropy), (99, Some(0.0)));
        assert!(record.src.text.is_some_and(|t| t.chars().count() == SHOWN + 1));
    }
}
