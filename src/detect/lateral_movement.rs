//! Does a host start programs on another, or put them there?
//!
//! Remote services (MS-SCMR), tasks (MS-TSCH), WMI and other objects of DCOM, WinRM, and programs written to shares, brought together for each
//! pair of hosts: a service that is created after a program was written to ADMIN$ is what PsExec and its kin do. Sources: the protocols' documents,
//! ATT&CK T1021, T1569.002, T1053.005, T1047, T1570.
//! Refuses to know who is an administrator: each sign by itself is low or medium, and says so.

use super::finding::Finding;
use super::window::Keyed;
use super::{Detector, Findings, Meta, Params, RecordFact, Scope, Threshold};
use crate::model::addr::Ip;
use crate::model::anomaly::{Severity, Subject};
use crate::model::flow::Side;
use crate::model::kind;
use crate::model::time::Timestamp;
use crate::protocol::dcerpc::{DCERPC, DcerpcRecord};
use crate::protocol::files::{FILES, FileRecord};
use crate::protocol::http1::{HTTP, HttpTransaction};
use crate::protocol::smb::{SMB, SmbRecord};

/// Pairs of hosts remembered in one shard: some 400 bytes each, so 16 shards stay under 26 MB.
const MAX_PAIRS: usize = 4_096;

/// What it says about itself.
pub static META: Meta = Meta {
    id: "lateral_movement",
    question: "Does a host start programs on another, or put them there?",
    method: "For each pair of hosts the signs are brought together: administrative shares opened, programs written or read over SMB, services or tasks \
             created and started by remote call, objects run over WMI or DCOM, commands over WinRM. One sign alone is low or medium, a program \
             followed by its start is high.",
    kinds: &[&kind::LATERAL_MOVEMENT],
    scope: Scope::Source,
    flows: false,
    tables: &[&SMB, &FILES, &DCERPC, &HTTP],
    icmp: false,
    thresholds: &[
        Threshold {
            name: "window",
            unit: "s",
            default: 600.0,
            why: "Time from the writing of a program to its start, in which both belong together.",
            source: "measured: under 5 s with PsExec and its kin; people take minutes",
        },
        Threshold {
            name: "winrm_requests",
            unit: "requests",
            default: 5.0,
            why: "A session of remote PowerShell takes some ten requests; a single one may be a question who is there.",
            source: "measured: 35 for one session",
        },
    ],
    innocent: &[
        "Software distribution, backup and inventory, which install services and copy programs from one central host.",
        "An administrator at work; ask who, from where, and whether the host is one that administrators use.",
    ],
    next: &[
        "Is the source a host of the administrators? Which account logged in (table ntlm, kerberos)?",
        "Fetch the program by its hash (table files) and the service or task on the target.",
        "Look for the same source with other targets.",
    ],
    references: &["MITRE ATT&CK T1021.002, T1021.003, T1021.006, T1047, T1053.005, T1569.002, T1570."],
    build: |p| Box::new(Movement::new(p)),
};

/// Pipes that tools of remote execution bring along.
const PIPES: [&str; 8] = [
    "psexesvc",
    "remcom_communicaton",
    "paexec",
    "csexecsvc",
    "winexesvc",
    "ahexec",
    "svcctl_remcom",
    "xcmd",
];

/// Parts of names of tools that hardly anybody but attackers copies. Names only: what they are called otherwise is not seen here.
const TOOLS: [&str; 18] = [
    "mimikatz",
    "mimilib",
    "psexesvc",
    "procdump",
    "lazagne",
    "rubeus",
    "sharphound",
    "bloodhound",
    "winpeas",
    "seatbelt",
    "safetykatz",
    "pwdump",
    "gsecdump",
    "secretsdump",
    "wce.exe",
    "ncat.exe",
    "remcom",
    "powersploit",
];

/// Ends of names of what runs, lower case.
const RUNS: [&str; 13] =
    [".exe", ".dll", ".scr", ".com", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".hta", ".msi", ".sys", ".lnk"];

/// A sign: when it was last seen, and how often.
#[derive(Clone, Copy, Debug, Default)]
struct Sign {
    last: Option<Timestamp>,
    n: u32,
}

impl Sign {
    fn note(&mut self, ts: Timestamp) {
        self.last = Some(self.last.map_or(ts, |t| t.max(ts)));
        self.n = self.n.saturating_add(1);
    }

    fn seen(&self) -> bool {
        self.n > 0
    }
}

/// What one host did on another.
#[derive(Debug, Default)]
struct Pair {
    /// A file of this name that is a program by its content is passing.
    passing: Option<(Box<str>, Side)>,
    admin_share: Sign,
    written: Sign,
    written_to_admin: Sign,
    read_from_admin: Sign,
    tool: Sign,
    pipe: Sign,
    service: Sign,
    service_start: Sign,
    task: Sign,
    task_run: Sign,
    wmi: Sign,
    dcom: Sign,
    winrm: Sign,
    /// Creation of a service or task, or a method, that was refused.
    refused: Sign,
    program: Box<str>,
    share: Box<str>,
}

#[derive(Debug)]
struct Movement {
    window: i64,
    winrm: u32,
    pairs: Keyed<(Ip, Ip), Pair>,
}

impl Movement {
    fn new(p: &Params) -> Self {
        Self {
            window: p.nanos("window"),
            winrm: p.count("winrm_requests").min(u32::MAX as usize) as u32,
            pairs: Keyed::new(MAX_PAIRS, |p| {
                let signs =
                    [&p.written_to_admin, &p.tool, &p.pipe, &p.service, &p.task, &p.wmi, &p.dcom, &p.winrm];
                signs.into_iter().map(|s| u64::from(s.n)).sum()
            }),
        }
    }
}

/// The share's own name, and whether it is one that only administrators may use.
fn share_of(path: &str) -> (&str, bool) {
    let name = path.rsplit('\\').next().unwrap_or(path);
    let drive = matches!(name.as_bytes(), [letter, b'$'] if letter.is_ascii_alphabetic());
    (name, drive || name.eq_ignore_ascii_case("ADMIN$"))
}

/// The file's own name, lower case.
fn base(path: &str) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or(path).to_ascii_lowercase()
}

fn is_program(file: &FileRecord) -> bool {
    matches!(file.mime, Some("application/x-dosexec" | "application/x-elf" | "application/x-mach-binary"))
}

/// Note what a record of SMB says; true when it is a sign.
fn smb(pair: &mut Pair, ts: Timestamp, smb: &SmbRecord) -> bool {
    let (share, admin) = smb.share.as_deref().map_or(("", false), share_of);
    let ok = smb.status.is_none_or(|s| s.is_success());
    match smb.command {
        "tree_connect" if admin && ok => {
            pair.share = share.into();
            pair.admin_share.note(ts);
            true
        }
        "create" if smb.share_type == Some("pipe") && ok => {
            let pipe = smb.file_name.as_deref().map(base).unwrap_or_default();
            let known = PIPES.iter().any(|p| pipe.starts_with(p));
            if known {
                pair.pipe.note(ts);
            }
            known
        }
        "close" => {
            let Some(name) = smb.file_name.as_deref() else { return false };
            let base = base(name);
            let passing = pair.passing.take().filter(|(n, _)| **n == *name).map(|(_, side)| side);
            let runs = RUNS.iter().any(|end| base.ends_with(end));
            let moved = smb.written_bytes.unwrap_or(0) > 0 || smb.read_bytes.unwrap_or(0) > 0;
            let tool = moved && TOOLS.iter().any(|t| base.contains(t));
            let written = smb.written_bytes.unwrap_or(0) > 0 && (passing == Some(Side::Orig) || runs);
            let read = smb.read_bytes.unwrap_or(0) > 0 && passing == Some(Side::Resp) && admin;
            if tool {
                pair.tool.note(ts);
            }
            if written {
                if admin { pair.written_to_admin.note(ts) } else { pair.written.note(ts) }
            }
            if read {
                pair.read_from_admin.note(ts);
            }
            let any = tool || written || read;
            if any {
                (pair.program, pair.share) = (base.into(), share.into());
            }
            any
        }
        _ => false,
    }
}

/// Note what a call does; true when it is a sign.
fn call(pair: &mut Pair, ts: Timestamp, call: &DcerpcRecord) -> bool {
    if call.kind != "call" {
        return false;
    }
    let (Some(interface), Some(operation)) = (call.interface_name(), call.operation()) else { return false };
    if call.fault.is_some() {
        // That it was refused makes the wish no smaller.
        let wanted = matches!(
            operation,
            "RCreateServiceW"
                | "RCreateServiceA"
                | "NetrJobAdd"
                | "SchRpcRegisterTask"
                | "ExecMethod"
                | "ExecMethodAsync"
        );
        if wanted {
            pair.refused.note(ts);
        }
        return wanted;
    }
    let sign = match (interface, operation) {
        (
            "svcctl",
            "RCreateServiceW"
            | "RCreateServiceA"
            | "RCreateServiceWOW64W"
            | "RCreateServiceWOW64A"
            | "RCreateWowService",
        ) => &mut pair.service,
        ("svcctl", "RChangeServiceConfigW" | "RChangeServiceConfigA") => &mut pair.service,
        ("svcctl", "RStartServiceW" | "RStartServiceA") => &mut pair.service_start,
        ("atsvc", "NetrJobAdd") | ("ITaskSchedulerService", "SchRpcRegisterTask") => &mut pair.task,
        ("ITaskSchedulerService", "SchRpcRun") => &mut pair.task_run,
        // An instance put in place is how a subscription is made that runs a program later (T1546.003).
        ("IWbemServices", "ExecMethod" | "ExecMethodAsync" | "PutInstance" | "PutInstanceAsync") => {
            &mut pair.wmi
        }
        ("IDispatch", "Invoke") => &mut pair.dcom,
        _ => return false,
    };
    sign.note(ts);
    true
}

/// Note remote PowerShell; true when it is a sign.
fn winrm(pair: &mut Pair, ts: Timestamp, r: &RecordFact, http: &HttpTransaction) -> bool {
    let path = http.uri.as_deref().unwrap_or("");
    let to_wsman = path.get(..6).is_some_and(|p| p.eq_ignore_ascii_case("/wsman"));
    let obeyed = http.method.as_deref() == Some("POST") && http.status_code == Some(200);
    let sign = to_wsman && obeyed && matches!(r.tuple.dst_port, 5985 | 5986 | 80 | 443 | 47001);
    if sign {
        pair.winrm.note(ts);
    }
    sign
}

impl Movement {
    /// Did the program come no longer than the window before `sign`?
    fn follows(&self, sign: &Sign, written: &Sign) -> bool {
        match (sign.last, written.last) {
            (Some(started), Some(came)) => {
                let gap = started.since(came);
                (-1_000_000_000..=self.window).contains(&gap)
            }
            _ => false,
        }
    }

    fn tell(&self, pair: &Pair, r: &RecordFact, f: &mut Finding) {
        let n = |s: &Sign| f64::from(s.n);
        let add = |f: &mut Finding, name: &'static str, sign: &Sign, least: f64, weight: f64| {
            if n(sign) >= least.max(1.0) {
                f.reason(name, n(sign), least, weight);
            }
        };
        add(f, "admin_share_opened", &pair.admin_share, 1.0, 0.5);
        add(f, "programs_written_to_share", &pair.written, 1.0, 0.5);
        add(f, "programs_written_to_admin_share", &pair.written_to_admin, 1.0, 0.6);
        add(f, "programs_read_from_admin_share", &pair.read_from_admin, 1.0, 0.4);
        add(f, "attack_tool_by_name", &pair.tool, 1.0, 0.7);
        add(f, "pipe_of_remote_execution", &pair.pipe, 1.0, 0.8);
        add(f, "services_created", &pair.service, 1.0, 0.5);
        add(f, "services_started", &pair.service_start, 1.0, 0.25);
        add(f, "tasks_created", &pair.task, 1.0, 0.5);
        add(f, "tasks_started", &pair.task_run, 1.0, 0.25);
        add(f, "starts_refused", &pair.refused, 1.0, 0.5);
        add(f, "wmi_methods", &pair.wmi, 1.0, 0.55);
        add(f, "dcom_invocations", &pair.dcom, 1.0, 0.5);
        add(f, "winrm_requests", &pair.winrm, f64::from(self.winrm), 0.6);
        let starts = [
            &pair.service,
            &pair.service_start,
            &pair.task,
            &pair.task_run,
            &pair.wmi,
            &pair.dcom,
            &pair.refused,
        ];
        let came = [&pair.written_to_admin, &pair.written];
        let both = starts.iter().any(|s| s.seen() && came.iter().any(|w| self.follows(s, w)));
        let started = pair.service.seen() || pair.task.seen() || pair.wmi.seen() || pair.dcom.seen();
        let (src, dst) = (r.tuple.src, r.tuple.dst);
        let (program, share) = (&pair.program, &pair.share);
        let outside = !r.src_internal && r.dst_internal;
        for old in CONTEXTS {
            f.forget(old);
        }
        let (severity, why) = match () {
            () if both => (Severity::High, "program_and_its_start"),
            () if pair.tool.seen() || pair.pipe.seen() => (Severity::High, "known_tool"),
            () if outside => (Severity::High, "from_outside"),
            () if started || pair.written_to_admin.seen() => (Severity::Medium, "as_administrators_do_too"),
            () => (Severity::Low, "common_by_itself"),
        };
        f.severity(severity, why);
        let how = match () {
            () if pair.service.seen() => ("T1569.002", format!("installs a service on {dst}")),
            () if pair.task.seen() => ("T1053.005", format!("creates a task on {dst}")),
            () if pair.wmi.seen() => {
                ("T1047", format!("runs {} over WMI on {dst}", plural(pair.wmi.n, "method")))
            }
            () if pair.pipe.seen() => ("T1569.002", format!("drives a tool of remote execution on {dst}")),
            () if pair.dcom.seen() => ("T1021.003", format!("runs objects of DCOM on {dst}")),
            () if pair.refused.seen() => {
                ("T1569.002", format!("is refused when it wants to start a program on {dst}"))
            }
            () if pair.winrm.n >= self.winrm => {
                ("T1021.006", format!("gives commands to {dst} over WinRM ({} requests)", pair.winrm.n))
            }
            () if pair.written_to_admin.seen() || pair.written.seen() => {
                ("T1570", format!("writes {program} to {share} on {dst}"))
            }
            () if pair.read_from_admin.seen() || pair.tool.seen() => {
                ("T1570", format!("reads {program} from {share} on {dst}"))
            }
            () => ("T1021.002", format!("opens the administrative share {share} on {dst}")),
        };
        f.technique = Some(how.0);
        f.title = if both && how.0 != "T1570" {
            format!("{src} writes {program} to {share} on {dst} and {}", how.1)
        } else {
            format!("{src} {}", how.1)
        };
        if !program.is_empty() {
            f.detail("program", program.to_string());
        }
        if !share.is_empty() {
            f.detail("share", share.to_string());
        }
    }
}

/// What moves the severity; one of them holds at a time.
const CONTEXTS: [&str; 5] =
    ["program_and_its_start", "known_tool", "from_outside", "as_administrators_do_too", "common_by_itself"];

fn plural(n: u32, word: &str) -> String {
    if n == 1 { format!("a {word}") } else { format!("{n} {word}s") }
}

impl Detector for Movement {
    fn record(&mut self, r: &RecordFact, found: &mut Findings) {
        let key = (r.tuple.src, r.tuple.dst);
        let is_sign = if let Some(s) = r.of::<SmbRecord>() {
            // Most rows of a file server are no sign, and cost no state.
            let worth = matches!(s.command, "tree_connect" | "close") || s.share_type == Some("pipe");
            worth && smb(self.pairs.at(&key, r.ts), r.ts, s)
        } else if let Some(file) = r.of::<FileRecord>() {
            if file.source == "smb" && is_program(file) {
                let name = file.name.as_deref().unwrap_or("").into();
                self.pairs.at(&key, r.ts).passing = Some((name, file.sender));
            }
            false
        } else if let Some(c) = r.of::<DcerpcRecord>() {
            c.kind == "call" && call(self.pairs.at(&key, r.ts), r.ts, c)
        } else if let Some(http) = r.of::<HttpTransaction>() {
            let wsman =
                http.uri.as_deref().is_some_and(|u| u.starts_with("/wsman") || u.starts_with("/WSMAN"));
            wsman && winrm(self.pairs.at(&key, r.ts), r.ts, r, http)
        } else {
            false
        };
        if !is_sign {
            return;
        }
        let f = found.open(&kind::LATERAL_MOVEMENT, Subject::pair(r.tuple.src, r.tuple.dst));
        f.seen(r.ts, r.flow_id);
        f.dst_port = Some(r.tuple.dst_port);
        f.protocol = Some(r.tuple.protocol);
        if let Some(pair) = self.pairs.get(&key) {
            self.tell(pair, r, f);
        }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted()
    }
}

#[cfg(test)]
mod tests;
