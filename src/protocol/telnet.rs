//! Who logs in over Telnet, and to what?
//!
//! RFC 854 (commands and options), RFC 1091 (terminal type), RFC 1572 (environment). Options are read and taken out; what is left is text of two people talking: a prompt
//! of the server that asks for a name, the line that answers it, a prompt for a password, and what the server says then.
//! Refuses to keep what is typed besides the account, and to judge a login where the server's words do not tell.

use super::clues::{Clue, HOST_CLUES};
use super::credentials::{CREDENTIALS, Credential, MAX_ACCOUNT, Secret};
use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;

/// Text of the server before the first prompt that is kept as banner, bytes.
const MAX_BANNER: usize = 512;

/// Longest line of either side that is kept, bytes: prompts and names are short.
const MAX_TYPED: usize = 256;

/// Longest option that is kept while its end is waited for, bytes; an environment with several values fits.
const MAX_OPTION: usize = 1_024;

/// Lines that the server may say after a password before it is undecided: messages of the day.
const MAX_VERDICT_LINES: u8 = 40;

/// Bytes of both sides that are looked at. Logins come first; a session of hours tells no more.
const MAX_WATCHED: u64 = 256 << 10;

/// Attempts of one connection that are recorded; servers hang up after three to six.
const MAX_ATTEMPTS: u16 = 64;

/// The registry's entry.
pub static PROTOCOL: Protocol = Protocol {
    name: "telnet",
    about: "Telnet (RFC 854); told by option negotiation at the start of either side.",
    transports: &[Transport::Tcp],
    ports: &[23],
    tables: &[&TELNET, &CREDENTIALS, &HOST_CLUES],
    buffer_cap: 1,
    probe,
    parser: Some(|| Box::<TelnetParser>::default()),
};

fn probe(p: &Probe<'_>) -> Verdict {
    let on_port = p.on_port(PROTOCOL.ports);
    let negotiates = |d: &[u8]| {
        let command = |c: &[u8]| matches!(c, [0xff, 0xfb..=0xfe, 0..=49 | 0xff]);
        let commands = d.chunks(3).take_while(|c| command(c)).count();
        commands >= 2 || (commands == 1 && (d.len() == 3 || on_port))
    };
    let begins = |d: &[u8]| d.is_empty() || (d.len() < 3 && d.starts_with(&[0xff]));
    if negotiates(p.orig) || negotiates(p.resp) {
        return Verdict::Mine(if on_port { 90 } else { 70 });
    }
    // Devices that negotiate nothing still ask for a name.
    if on_port
        && p.resp.is_ascii()
        && prompt(p.resp.rsplit(|b| *b == b'\n').next().unwrap_or(&[])) == Some(Prompt::Name)
    {
        return Verdict::Mine(60);
    }
    let quiet = on_port && (p.orig.is_empty() || p.resp.is_empty() || p.resp.is_ascii());
    if (begins(p.orig) && begins(p.resp)) || quiet { Verdict::NeedMore } else { Verdict::NotMine }
}

/// One row per connection.
pub static TELNET: Table = Table::record(
    "telnet",
    "One row is one Telnet connection. ts is its first byte. Logins are in credentials.",
    &[
        col("terminal_type", T::Text, "", "Terminal that the client says it is; NULL when it does not."),
        col(
            "user",
            T::Text,
            "",
            "Account of the last login, else the user in the client's environment; NULL without either.",
        ),
        col(
            "banner",
            T::Text,
            "",
            "What the server says before its first prompt, at most 512 bytes; NULL when it says nothing.",
        ),
        col(
            "prompt",
            T::Text,
            "",
            "Last line of the server without an end, such as a shell's prompt; NULL without one.",
        ),
        col("attempts", T::U16, "logins", "Passwords that were asked for and given."),
    ],
);

/// One connection.
#[derive(Clone, Debug, Default)]
pub struct TelnetSession {
    /// As the client says.
    pub terminal_type: Option<String>,
    /// Account.
    pub user: Option<String>,
    /// Text before the first prompt, printable.
    pub banner: Option<String>,
    /// Last line without an end, printable.
    pub prompt: Option<String>,
    /// Passwords given.
    pub attempts: u16,
}

impl Record for TelnetSession {
    fn table(&self) -> &'static Table {
        &TELNET
    }

    fn write(&self, row: &mut Row<'_>) {
        row.opt_text(self.terminal_type.as_deref())
            .opt_text(self.user.as_deref())
            .opt_text(self.banner.as_deref())
            .opt_text(self.prompt.as_deref())
            .u16(self.attempts);
    }
}

/// What the end of the server's text asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Prompt {
    Name,
    Password,
    /// A shell.
    Command,
}

/// What an unfinished line asks for.
fn prompt(line: &[u8]) -> Option<Prompt> {
    let line = line.trim_ascii().to_ascii_lowercase();
    let ends = |words: &[&[u8]]| words.iter().any(|w| line.ends_with(w));
    if ends(&[b"password:", b"passwd:", b"passcode:", b"password for"]) {
        Some(Prompt::Password)
    } else if ends(&[b"login:", b"username:", b"user name:", b"user:", b"account:"])
        && !line.starts_with(b"last login")
    {
        Some(Prompt::Name)
    } else if line.len() <= 80 && ends(&[b"$", b"#", b">", b"%"]) {
        Some(Prompt::Command)
    } else {
        None
    }
}

/// Does a line say how a login went?
fn verdict(line: &[u8]) -> Option<bool> {
    let line = line.to_ascii_lowercase();
    let has = |words: &[&[u8]]| words.iter().any(|w| memchr::memmem::find(&line, w).is_some());
    if has(&[
        b"incorrect",
        b"invalid",
        b"failed",
        b"failure",
        b"denied",
        b"bad password",
        b"unknown user",
        b"wrong password",
    ]) {
        Some(false)
    } else if has(&[b"last login", b"logged in", b"welcome to"]) {
        Some(true)
    } else {
        None
    }
}

/// Takes commands out of one side's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Iac {
    #[default]
    Text,
    /// Behind 255.
    Command,
    /// Behind WILL, WONT, DO or DONT.
    Option,
    /// Inside a subnegotiation.
    Sub,
    /// Behind 255 inside one.
    SubCommand,
}

#[derive(Default)]
struct Half {
    iac: Iac,
    option: Vec<u8>,
    line: Vec<u8>,
}

/// Who is being asked.
struct Login {
    began: At,
    account: Option<String>,
    /// The password was typed.
    proved: bool,
    lines: u8,
}

/// The state of one connection.
#[derive(Default)]
struct TelnetParser {
    halves: [Half; 2],
    began: Option<At>,
    asked: Option<Prompt>,
    login: Option<Login>,
    banner: Vec<u8>,
    prompted: bool,
    row: TelnetSession,
    watched: u64,
}

impl Parser for TelnetParser {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        self.began.get_or_insert(out.at);
        for b in data {
            let half = self.half(side);
            match (half.iac, *b) {
                (Iac::Text, 255) => half.iac = Iac::Command,
                (Iac::Text, b) => self.typed(side, b, out),
                (Iac::Command, 255) => {
                    half.iac = Iac::Text;
                    self.typed(side, 255, out);
                }
                (Iac::Command, 251..=254) => half.iac = Iac::Option,
                (Iac::Command, 250) => {
                    half.iac = Iac::Sub;
                    half.option.clear();
                }
                (Iac::Command | Iac::Option, _) => half.iac = Iac::Text,
                (Iac::Sub, 255) => half.iac = Iac::SubCommand,
                (Iac::SubCommand, 240) => {
                    half.iac = Iac::Text;
                    let option = std::mem::take(&mut half.option);
                    self.option(side, &option);
                }
                (Iac::Sub | Iac::SubCommand, b) => {
                    half.iac = Iac::Sub;
                    if half.option.len() < MAX_OPTION {
                        half.option.push(b);
                    }
                }
            }
        }
        if side == Side::Resp {
            self.asks(out);
        }
        self.watched = self.watched.saturating_add(data.len() as u64);
        if self.watched > MAX_WATCHED && self.login.is_none() {
            self.finish(out);
            return Fed::Done;
        }
        Fed::Took(data.len())
    }

    fn gap(&mut self, side: Side, _: u64, _: &mut Output<'_>) -> Fed {
        *self.half(side) = Half::default();
        Fed::Took(0)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.decided(None, None, out);
        let text = |bytes: &[u8], cap| Some(printable(bytes.trim_ascii(), cap)).filter(|t| !t.is_empty());
        let mut row = std::mem::take(&mut self.row);
        row.banner = text(&self.banner, MAX_BANNER);
        row.prompt = text(&self.half(Side::Resp).line, MAX_TYPED);
        if let Some(banner) = row.banner.as_deref() {
            out.clue(out.flow.tuple.dst, Clue::Server, banner, "telnet.banner");
        }
        out.record(self.began.unwrap_or(out.at), row);
    }
}

impl TelnetParser {
    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.halves;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// A byte of text.
    fn typed(&mut self, side: Side, b: u8, out: &mut Output<'_>) {
        if side == Side::Resp && !self.prompted && self.banner.len() < MAX_BANNER && b != 0 {
            self.banner.push(b);
        }
        let half = self.half(side);
        match b {
            // A client's line ends with CR NUL or CR LF, whose second byte begins no line.
            b'\r' if side == Side::Orig => {
                let line = std::mem::take(&mut half.line);
                self.answered(&line, out);
            }
            b'\n' if side == Side::Orig && !half.line.is_empty() => {
                let line = std::mem::take(&mut half.line);
                self.answered(&line, out);
            }
            b'\n' if side == Side::Resp => {
                let line = std::mem::take(&mut half.line);
                self.said(&line, out);
            }
            8 | 127 => drop(half.line.pop()),
            0 | b'\r' | b'\n' => {}
            b if half.line.len() < MAX_TYPED => half.line.push(b),
            _ => {}
        }
    }

    /// The server stopped in the middle of a line: is that a prompt?
    fn asks(&mut self, out: &mut Output<'_>) {
        let Some(asked) = prompt(&self.half(Side::Resp).line) else { return };
        if !std::mem::replace(&mut self.prompted, true) {
            // The prompt is not part of the banner.
            let line = self.half(Side::Resp).line.len();
            let keep = self.banner.len().saturating_sub(line);
            self.banner.truncate(keep);
        }
        let proved = self.login.as_ref().is_some_and(|l| l.proved);
        match asked {
            // Asked again: it did not work.
            Prompt::Name | Prompt::Password if proved => self.decided(Some(false), None, out),
            Prompt::Command if proved => self.decided(Some(true), None, out),
            _ => {}
        }
        if asked != Prompt::Command {
            self.asked = Some(asked);
        }
    }

    /// A whole line of the server.
    fn said(&mut self, line: &[u8], out: &mut Output<'_>) {
        let Some(login) = self.login.as_mut().filter(|l| l.proved) else { return };
        login.lines = login.lines.saturating_add(1);
        let lines = login.lines;
        match verdict(line) {
            Some(success) => self.decided(Some(success), Some(printable(line.trim_ascii(), MAX_TYPED)), out),
            None if lines > MAX_VERDICT_LINES => self.decided(None, None, out),
            None => {}
        }
    }

    /// A whole line of the client.
    fn answered(&mut self, line: &[u8], out: &mut Output<'_>) {
        match self.asked.take() {
            Some(Prompt::Name) => {
                self.decided(None, None, out);
                let account = Some(printable(line.trim_ascii(), MAX_ACCOUNT)).filter(|a| !a.is_empty());
                self.row.user = account.clone().or(self.row.user.take());
                self.login = Some(Login { began: out.at, account, proved: false, lines: 0 });
            }
            Some(Prompt::Password) => {
                let login =
                    self.login.get_or_insert(Login { began: out.at, account: None, proved: true, lines: 0 });
                login.proved = true;
                self.row.attempts = self.row.attempts.saturating_add(1);
            }
            Some(Prompt::Command) | None => {}
        }
    }

    fn decided(&mut self, success: Option<bool>, detail: Option<String>, out: &mut Output<'_>) {
        let Some(Login { began, account, proved, .. }) = self.login.take() else { return };
        if self.row.attempts > MAX_ATTEMPTS {
            return;
        }
        let (mechanism, secret) = ("password", if proved { Secret::Clear } else { Secret::None });
        out.record(began, Credential { service: "telnet", account, mechanism, secret, success, detail });
    }

    /// A subnegotiation of the client: terminal type IS, environment IS or INFO.
    fn option(&mut self, side: Side, option: &[u8]) {
        match (side, option) {
            (Side::Orig, [24, 0, name @ ..]) => self.row.terminal_type = Some(printable(name, MAX_TYPED)),
            (Side::Orig, [36 | 39, 0 | 2, values @ ..]) => {
                // VAR or USERVAR, name, VALUE, value.
                let mut parts = values.split(|b| matches!(b, 0 | 1 | 3)).skip_while(|name| *name != b"USER");
                if let (Some(_), Some(user)) = (parts.next(), parts.next()) {
                    self.row.user.get_or_insert_with(|| printable(user, MAX_ACCOUNT));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, Run, lost, orig, resp};

    const SESSION: &[(bool, &[u8])] = &[
        (false, b"\xff\xfd\x18\xff\xfd\x20\xff\xfb\x01"),
        (true, b"\xff\xfb\x18\xff\xfc\x20\xff\xfa\x18\x00xterm\xff\xf0"),
        (false, b"Debian GNU/Linux 5.0\r\nhost login: "),
        (true, b"jox\x7fe\r\0"),
        (false, b"joe\r\nPassword: "),
        (true, b"wrong\r\0"),
        (false, b"\r\nLogin incorrect\r\nhost login: "),
        (true, b"joe\r\n"),
        (false, b"joe\r\nPassword: "),
        (true, b"secret\r\n"),
        (false, b"\r\nYou have mail.\r\njoe@host:~$ "),
        (true, b"ls\r\n"),
    ];

    fn logins(run: &Run) -> Vec<(Option<&str>, Secret, Option<bool>)> {
        assert_eq!(run.faults, 0);
        run.records::<Credential>().iter().map(|c| (c.account.as_deref(), c.secret, c.success)).collect()
    }

    #[test]
    fn a_login_that_fails_and_one_that_works() {
        let all: Vec<_> = SESSION.iter().map(|(c, d)| if *c { orig(d) } else { resp(d) }).collect();
        let run = Bench::tcp(23).run(&all);
        let joe = |success| (Some("joe"), Secret::Clear, Some(success));
        assert_eq!(logins(&run), [joe(false), joe(true)]);
        let row = run.records::<TelnetSession>()[0];
        assert_eq!((row.terminal_type.as_deref(), row.user.as_deref()), (Some("xterm"), Some("joe")));
        assert_eq!((row.banner.as_deref(), row.attempts), (Some("Debian GNU/Linux 5.0"), 2));
        assert_eq!(row.prompt.as_deref(), Some("joe@host:~$"));
        let said = format!("{row:?}");
        assert!(!said.contains("wrong") && !said.contains("secret"));
        for end in 0..all.len() {
            logins(&Bench::tcp(23).run(&all[..end]));
            let mut holed = all.clone();
            holed[end] = lost(if SESSION[end].0 { Side::Orig } else { Side::Resp }, 9);
            logins(&Bench::tcp(23).run(&holed));
        }
    }

    #[test]
    fn prompts_and_verdicts() {
        assert_eq!(prompt(b"Username: "), Some(Prompt::Name));
        assert_eq!(prompt(b"joe's password:"), Some(Prompt::Password));
        assert_eq!(prompt(b"router>"), Some(Prompt::Command));
        assert_eq!(prompt(b"Last login: "), None);
        assert_eq!(prompt(b"text"), None);
        assert_eq!(verdict(b"% Bad password or Authentication failed"), Some(false));
        assert_eq!(verdict(b"Last login: Mon"), Some(true));
        assert_eq!(verdict(b"You have mail."), None);
    }

    #[test]
    fn a_device_without_options_is_told_on_its_port_only() {
        let sent = [resp(b"\r\nUser Access Verification\r\n\r\nUsername: "), orig(b"x\r\n")];
        assert_eq!(Bench::tcp(23).run(&sent).service, Some("telnet"));
        assert_eq!(Bench::tcp(4242).run(&sent).service, None);
    }
}
