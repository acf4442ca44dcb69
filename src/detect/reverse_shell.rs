//! Does a host give its shell to somebody, over nothing that is a protocol?
//!
//! The first bytes of flows without a name (`unknown_payloads`): a prompt, the greeting of a command line or the output of `id` from the one who
//! connected means that the shell runs there and the commands come from the other end. The same from the one who was connected to is a shell
//! that waits on a port. A program as the first thing that is said is a stage. Source: measured captures; ATT&CK T1059, T1104.
//! Refuses what has a protocol: Telnet and SSH show prompts by right.

use super::finding::Finding;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::Subject;
use crate::model::flow::Side;
use crate::model::kind;
use crate::protocol::unknown::{Form, Payload, UNKNOWN, UnknownRecord};

/// What it says about itself.
pub static META: Meta = Meta {
    id: "reverse_shell",
    question: "Does a host give its shell to somebody, over nothing that is a protocol?",
    method: "A flow that no protocol claims begins with what a shell says (prompt, greeting, output of id), or with shell commands that are answered \
             with text, or with a program. Who sends the prompt has the shell; when that is the one who connected, the shell was handed out.",
    kinds: &[&kind::REVERSE_SHELL],
    scope: Scope::Source,
    flows: false,
    tables: &[&UNKNOWN],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "turns",
            unit: "turns",
            default: 2.0,
            why: "A command, its output and the next command: fewer is no dialogue.",
            source: "measured: 6 to 63 in the samples",
        },
        Threshold {
            name: "text_entropy",
            unit: "bits/byte",
            default: 6.0,
            why: "What answers a command is text; text stays below this, compressed and encrypted bytes do not.",
            source: "measured: 3.1 to 5.2 for output of shells",
        },
    ],
    innocent: &[
        "A console server or a device that offers its command line on a port without Telnet.",
        "A person who copies a program with netcat.",
        "A chat or a bulletin board whose prompt looks like a shell's.",
    ],
    next: &[
        "Read the flow (details has its beginning): which commands were given, and what was answered?",
        "What made the host connect: look at what it received in the minutes before.",
        "Isolate the host that has the shell; who typed is at the other end.",
    ],
    references: &["MITRE ATT&CK T1059, T1104, T1571."],
    build: |p| Box::new(ReverseShell::new(p)),
};

#[derive(Debug)]
struct ReverseShell {
    turns: u16,
    text_entropy: f64,
}

impl ReverseShell {
    fn new(p: &Params) -> Self {
        Self {
            turns: p.count("turns").min(usize::from(u16::MAX)) as u16,
            text_entropy: p.get("text_entropy"),
        }
    }

    /// Is it text, so that it can be the output of a command?
    fn is_text(&self, side: &Payload) -> bool {
        side.entropy.is_some_and(|e| e < self.text_entropy)
            && side.text.as_deref().is_some_and(|t| t.matches("\\x").count() * 8 <= t.len())
    }

    fn shell(&self, r: &RecordFact, u: &UnknownRecord, side: Side, found: &mut Findings) {
        let (shell, other) = sides(u, side);
        let form = shell.form.filter(|f| f.is_shell());
        let commanded = other.form == Some(Form::ShellCommand);
        let dialogue = u.turns >= self.turns;
        let weight = match form {
            Some(Form::ShellGreeting) => 0.8,
            Some(Form::WindowsPrompt) => 0.75,
            Some(Form::UnixPrompt) => 0.6,
            Some(Form::IdOutput) => 0.55,
            _ => 0.0,
        };
        let f = open(r, if side == Side::Orig { "reverse" } else { "bind" }, found);
        if let Some(form) = form {
            f.reason(form.name(), 1.0, 0.0, weight);
        }
        f.reason("shell_command", f64::from(u8::from(commanded)), 1.0, if commanded { 0.5 } else { 0.0 });
        if commanded && u.first != side {
            f.reason("waited_for_commands", 1.0, 0.0, 0.3);
        }
        if dialogue {
            f.reason("turns", f64::from(u.turns), f64::from(self.turns), 0.3);
        }
        if side == Side::Resp && form == Some(Form::UnixPrompt) && !commanded {
            f.lower("prompt_of_a_service_that_waits");
        }
        glance(f, u);
        let (src, dst, port) = (r.tuple.src, r.tuple.dst, r.tuple.dst_port);
        f.title = match side {
            Side::Orig => format!("{src} hands a shell to {dst}:{port}"),
            Side::Resp => format!("{dst} gives {src} a shell on port {port}"),
        };
    }
}

fn sides(u: &UnknownRecord, side: Side) -> (&Payload, &Payload) {
    match side {
        Side::Orig => (&u.src, &u.dst),
        Side::Resp => (&u.dst, &u.src),
    }
}

fn open<'a>(r: &RecordFact, about: &'static str, found: &'a mut Findings) -> &'a mut Finding {
    let subject = Subject::pair(r.tuple.src, r.tuple.dst).port(r.tuple.dst_port).about(about);
    let f = found.open(&kind::REVERSE_SHELL, subject);
    f.seen(r.ts, r.flow_id);
    f.protocol = Some(r.tuple.protocol);
    f
}

/// What was said, as far as it is kept.
fn glance(f: &mut Finding, u: &UnknownRecord) {
    for (name, side) in [("from_source", &u.src), ("from_destination", &u.dst)] {
        if let Some(text) = &side.text {
            f.detail(name, text.to_string());
        }
    }
}

fn stage(r: &RecordFact, u: &UnknownRecord, side: Side, found: &mut Findings) {
    let (sender, _) = sides(u, side);
    let staged = sender.form == Some(Form::StagedProgram);
    let f = open(r, "stage", found);
    f.reason(
        if staged { "program_behind_its_length" } else { "program" },
        1.0,
        0.0,
        if staged { 0.8 } else { 0.55 },
    );
    if u.first == side {
        f.reason("said_first", 1.0, 0.0, 0.2);
    }
    if !staged {
        f.lower("a_plain_copy_looks_the_same");
    }
    let (from, to): (Ip, Ip) = match side {
        Side::Orig => (r.tuple.src, r.tuple.dst),
        Side::Resp => (r.tuple.dst, r.tuple.src),
    };
    f.technique = Some("T1104");
    f.title = format!("{from} sends {to} a program over no known protocol (port {})", r.tuple.dst_port);
}

impl Detector for ReverseShell {
    fn record(&mut self, r: &RecordFact, found: &mut Findings) {
        let Some(u) = r.of::<UnknownRecord>() else { return };
        for side in [Side::Orig, Side::Resp] {
            let (shell, other) = sides(u, side);
            let Some(form) = shell.form.or(other.form) else { return };
            if matches!(shell.form, Some(Form::Program | Form::StagedProgram)) {
                return stage(r, u, side, found);
            }
            let commands = other.form == Some(Form::ShellCommand) && u.turns >= 1 && self.is_text(shell);
            // Who connects and then waits to be commanded has no business of its own: that says it without a prompt.
            let commanded = commands && u.first != side;
            if (form.is_shell() && shell.form.is_some_and(Form::is_shell)) || commanded {
                return self.shell(r, u, side, found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, inside, outside, record};
    use super::*;
    use crate::model::anomaly::Severity;

    fn payload(bytes: &[u8]) -> Payload {
        let text = (!bytes.is_empty()).then(|| crate::model::text::printable(bytes, 64).into());
        Payload { text, entropy: (!bytes.is_empty()).then_some(4.0), form: Form::of(bytes) }
    }

    fn said(n: u64, first: Side, turns: u16, src: &[u8], dst: &[u8]) -> RecordFact {
        let u = UnknownRecord { first, turns, src: payload(src), dst: payload(dst) };
        record(n, n as f64, inside(5), outside(9), 9001, u)
    }

    #[test]
    fn a_prompt_from_who_connected() {
        let mut bench = Bench::new(&META);
        bench.records([said(1, Side::Orig, 4, b"Microsoft Windows [Version 10.0]\r\n", b"whoami\r\n")]);
        bench.records([said(2, Side::Orig, 4, b"C:\\Users\\a>", b"dir\r\n")]);
        let found = bench.end();
        assert_eq!(found.len(), 1, "one row that grows");
        assert_eq!((found[0].severity, found[0].count), (Severity::High, 2));
        assert_eq!(found[0].title, "10.0.0.5 hands a shell to 203.0.113.9:9001");
        assert!(found[0].confidence > 0.9);
    }

    #[test]
    fn commands_without_a_prompt_that_are_answered() {
        let mut bench = Bench::new(&META);
        bench.records([said(1, Side::Resp, 3, b"total 120\n-rw-r--r-- 1 root root", b"ls -l\n")]);
        assert_eq!(bench.kinds(), ["reverse_shell"]);
    }

    #[test]
    fn what_is_no_shell() {
        let mut bench = Bench::new(&META);
        bench.records([
            said(1, Side::Orig, 6, b"hello there\n", b"hi, how are you\n"),
            // A client's command to a text service of its own making is no shell of the client.
            said(2, Side::Orig, 1, b"set x=1\n", b"OK\n"),
            said(3, Side::Resp, 1, b"", b"id\n"),
            said(4, Side::Orig, 2, b"\x00\x01\x02", b"\xff\xfe"),
        ]);
        assert!(bench.kinds().is_empty());
    }

    #[test]
    fn a_stage_is_a_program_said_first() {
        let mut program = 90_000u32.to_le_bytes().to_vec();
        program.extend_from_slice(b"MZ");
        program.resize(200, 0);
        let mut bench = Bench::new(&META);
        bench.records([said(1, Side::Resp, 0, b"", &program)]);
        let found = bench.end();
        assert_eq!(found[0].title, "203.0.113.9 sends 10.0.0.5 a program over no known protocol (port 9001)");
        assert_eq!(found[0].severity, Severity::High);
    }
}
