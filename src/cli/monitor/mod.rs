//! `monitor`: what is happening on this network right now?
//!
//! The same engine and store as `ingest`, fed by devices. The order matters: devices are opened with the privileges the program was started with, then it becomes the
//! user whose database it is, locks itself in, and only then opens a file or looks at a packet. Findings are told as they happen. Ends in
//! order on SIGINT and SIGTERM, with everything stored; a second signal ends at once. Refuses to capture without being told from which device.

mod account;
mod daemon;
mod privileges;
mod screen;
mod telling;
mod tui;

use super::anomalies::ScanOptions;
use super::env::Env;
use super::exit::usage;
use super::interrupt::Interrupt;
use super::log::{self, Log};
use super::output::{self, complain};
use super::running::{Files, Report};
use super::save::SaveOptions;
use super::summary::{self, Account};
use super::{Context, Exit, Global, private_files, serve};
use crate::capture::live::{self, LiveError, Opened, Settings};
use crate::capture::{Source, identity};
use crate::engine::sink::{CaptureStart, CaptureSummary, Rotation, Stored};
use crate::engine::{self, EngineError};
use crate::store::Store;
use anyhow::{Context as _, Result, anyhow};
use ipnetwork::IpNetwork;
use screen::Screen;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use telling::Telling;

/// Watch devices and tell what is found as it happens. Monitor only networks whose owner has authorised you.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = "Examples:
  sudo secnetmon monitor -i eth0
  sudo secnetmon monitor -i eth0 -i wlan0 --sensor gateway --filter 'not port 22'
  sudo secnetmon monitor -i any --duration 10m --json
  sudo secnetmon monitor -i eth0 --tui
  sudo secnetmon monitor -i eth0 --daemon      then: secnetmon status, secnetmon stop

Recording other people's traffic is allowed only with the authorisation of the network's owner, and in many
places only within what the law says.

Under sudo the devices are opened as root; then the program becomes the user who called sudo (or --user), and
database and log are theirs. Without sudo the program needs a capability once:
  sudo setcap cap_net_raw,cap_net_admin=eip $(command -v secnetmon)

Ctrl-C or SIGTERM ends in order: everything seen is stored, exit code 0. A second one quits at once.
SIGHUP reads thresholds of detectors and detections in SQL anew and reopens the log.")]
pub(super) struct Args {
    /// Device to watch; repeatable, or with commas; any = all of them
    #[arg(short, long = "interface", value_name = "IFACE", value_delimiter = ',')]
    interfaces: Vec<String>,
    /// Capture only packets that match this filter (pcap-filter(7))
    #[arg(long, value_name = "BPF")]
    filter: Option<String>,
    /// Bytes captured of a packet at most [default: 262144]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(64..=262_144))]
    snaplen: Option<u32>,
    /// MiB of the kernel's buffer for each device [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=2_047))]
    buffer_mib: Option<u32>,
    /// Capture only what is addressed to this machine
    #[arg(long)]
    no_promisc: bool,
    /// End after this time, such as 90, 90s, 10m, 8h or 1d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// End after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    packets: Option<u64>,
    /// Begin a new capture at every multiple of this time (UTC), such as 1d or 6h, at least 10s; never = one capture to the end [default: 1d]
    #[arg(long, value_name = "TIME")]
    rotate: Option<String>,
    /// A network that is ours; repeatable, or with commas [default: the devices' networks]
    #[arg(long = "local-net", value_name = "CIDR", value_delimiter = ',')]
    local_nets: Vec<IpNetwork>,
    /// Where this is; captures of one sensor are joined
    #[arg(long, value_name = "NAME")]
    sensor: Option<String>,
    /// Worker threads, 0 = one a core
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    scan: ScanOptions,
    #[command(flatten)]
    save: SaveOptions,
    /// Findings as one JSON object a line
    #[arg(long)]
    json: bool,
    /// Rates, busy hosts and findings on the whole terminal; keys are shown there
    #[arg(long, conflicts_with_all = ["json", "daemon"])]
    tui: bool,
    /// Go on in the background; see also secnetmon status and secnetmon stop
    #[arg(long)]
    daemon: bool,
    /// When started as root: become this user once the devices are open [default: who called sudo]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The background process itself; started by --daemon
    #[arg(long, hide = true)]
    as_daemon: bool,
}

/// `90`, `90s`, `10m`, `8h` or `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match text.get(digits.len()..) {
        Some("" | "s") => 1,
        Some("m" | "min") => 60,
        Some("h") => 3_600,
        Some("d") => 86_400,
        _ => 0,
    };
    let n: u64 = digits.parse().unwrap_or(0);
    match n.saturating_mul(seconds) {
        0 => Err("give a number of seconds, or one with s, m, h or d behind it".to_owned()),
        total => Ok(Duration::from_secs(total)),
    }
}

/// Nothing shorter: facts wait five seconds for the detectors, and every capture is looked at by all detections in SQL.
const SHORTEST: Duration = Duration::from_secs(10);

/// When the stream is cut: `never`, `0`, or a time as [`duration`] reads it.
fn rotation(text: &str) -> Result<Option<Rotation>> {
    if ["0", "never"].contains(&text.trim()) {
        return Ok(None);
    }
    let every = duration(text)
        .map_err(|e| usage(format!("monitor.capture_rotate (--rotate) is \"{text}\": {e}, or never")))?;
    if every < SHORTEST {
        return Err(usage(format!(
            "monitor.capture_rotate (--rotate) is {} s; it must be {} s at least, or never",
            every.as_secs(),
            SHORTEST.as_secs()
        )));
    }
    Ok(Some(Rotation { every: i64::try_from(every.as_nanos()).unwrap_or(i64::MAX) }))
}

/// How a user comes to be allowed to capture.
pub(super) fn remedy(command: &str) -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "secnetmon".to_owned(), |p| p.display().to_string());
    format!(
        "capturing needs a privilege: run sudo {command}, or once: sudo setcap cap_net_raw,cap_net_admin=eip {program}"
    )
}

impl Args {
    fn settings(&self, cx: &Context) -> Result<Settings> {
        let set = &cx.settings.monitor;
        let devices =
            if self.interfaces.is_empty() { set.interfaces.clone() } else { self.interfaces.clone() };
        if devices.is_empty() {
            return Err(usage("which device? Give -i IFACE; secnetmon interfaces lists them"));
        }
        Ok(Settings {
            devices,
            filter: self.filter.clone().or_else(|| Some(set.filter.clone()).filter(|f| !f.is_empty())),
            snaplen: self.snaplen.unwrap_or(set.snaplen),
            buffer_mib: self.buffer_mib.unwrap_or(set.buffer_mib),
            promiscuous: set.promiscuous && !self.no_promisc,
            packets: self.packets,
            duration: self.duration,
        })
    }
}

pub(super) fn run(args: &Args, global: Global) -> Result<Exit> {
    private_files();
    let env = Env::of_process();
    // The configuration is that of the user to become; only who that is may stand in the caller's.
    let named = args.user.clone().filter(|u| !u.is_empty());
    let caller = named.is_none().then(|| account::caller(&env)).transpose()?.flatten();
    let mut owner = match &named {
        Some(name) => account::named(name)?,
        None => caller,
    };
    let env = owner.as_ref().map_or_else(|| env.clone(), |o| env.clone().at_home(&o.home));
    let cx = Context::with(global, env)?;
    if named.is_none() && !cx.settings.monitor.user.is_empty() {
        owner = account::named(&cx.settings.monitor.user)?;
    }
    let settings = args.settings(&cx)?;
    if args.tui {
        tui::check()?;
    }
    let files = Files::of_context(&cx);
    if args.daemon && !args.as_daemon {
        return daemon::start(&files);
    }
    let opened = match live::open(&settings) {
        Ok(opened) => opened,
        Err(e @ (LiveError::NoSuchDevice { .. } | LiveError::Filter(_) | LiveError::HowMany(_))) => {
            return Err(usage(e.to_string()));
        }
        Err(LiveError::NotPermitted { device }) => {
            let again = format!("secnetmon monitor -i {}", settings.devices.join(","));
            return Err(anyhow!("{device}: {}", remedy(&again)));
        }
        Err(e) => return Err(anyhow!("{e}")),
    };
    privileges::become_user(owner.as_ref())?;
    watch(args, &cx, &settings, &files, opened)
}

/// With the devices open and the right user: lock in, capture, store, tell.
fn watch(args: &Args, cx: &Context, settings: &Settings, files: &Files, opened: Opened) -> Result<Exit> {
    let database = cx.database();
    files.make_folder()?;
    make_database_folder(&database)?;
    let claim = files.claim()?;
    if args.as_daemon {
        let log = Log::open(&files.log(), cx.settings.monitor.log_mib.max(1) << 20)
            .with_context(|| format!("cannot write the log {}", files.log().display()))?;
        output::say_into(log);
    }
    let interrupt = if args.tui { Interrupt::listen_gently()? } else { Interrupt::listen()? };
    let label = opened.label();
    output::say(&format!(
        "monitoring {label} into {}; only with the authorisation of the network's owner",
        database.display()
    ));
    let mut config = cx.settings.engine.clone();
    config.topology.interface_nets = opened.networks().to_vec();
    if !args.local_nets.is_empty() {
        config.topology.local_nets.clone_from(&args.local_nets);
    }
    args.scan.apply(&mut config.detect)?;
    args.save.make_folder()?;
    output::say(&privileges::lock_in(&privileges::Places::of(
        cx,
        &database,
        &files.folder,
        args.save.folder(),
    )));
    let (notices, noticed) = channel();
    // Threads that capture keep what they need to open a device again; all threads begun after them have nothing.
    let live = opened.start(&interrupt.flag(), &notices).context("cannot start to capture")?;
    privileges::drop_all()?;

    let mut store = Store::open(&database, &cx.settings.store.writing()).map_err(|e| anyhow!("{e}"))?;
    serve(&mut store);
    config.protocol.old_hashes |= store.wants_old_hashes()?;
    let mut writer = store.writer()?;
    writer.retain(cx.settings.store.retention())?;
    let (outcomes, told) = channel();
    writer.tell_outcomes(outcomes)?;
    let reload = telling::Reload::listen(cx, args.scan)?;
    writer.detect_with(reload.detections(&config.detect)?)?;
    let stats = engine::Stats::new();
    let start = CaptureStart {
        capture_id: identity::random()?,
        path: label.clone(),
        sensor: args.sensor.clone().unwrap_or_else(|| cx.settings.ingest.sensor.clone()),
        streaming: true,
        replace: false,
        continues: None,
        rotation: rotation(args.rotate.as_deref().unwrap_or(&cx.settings.monitor.capture_rotate))?,
    };
    let report = Report {
        pid: std::process::id(),
        interfaces: settings.devices.clone(),
        database: database.display().to_string(),
        log: output::logged().map(|_| files.log().display().to_string()),
        since: log::to_the_second(log::now()),
        ..Report::default()
    };
    let shared = args.tui.then(tui::Shared::default);
    let colour = output::colour(&cx.env);
    let shown = shared.clone().map(|busy| tui::Tui::enter(&interrupt, &label, busy, colour)).transpose()?;
    let screen = Screen::begin(
        args.json,
        &cx.env,
        live.watch(),
        &stats,
        noticed,
        told,
        claim,
        report,
        interrupt.flag(),
        shown,
    )?;
    if args.as_daemon {
        daemon::ready()?;
    }
    let began = Instant::now();
    let threads = args.threads.unwrap_or(cx.settings.ingest.threads);
    let mut source: Box<dyn Source> = Box::new(live);
    if let Some(shared) = &shared {
        source = Box::new(tui::Tap::new(source, shared));
    }
    let source = args.save.keep(source, start.capture_id)?;
    let (result, account) = {
        let services = shared.as_ref().map(tui::Services::new);
        let mut sink = Telling::new(&mut writer, &screen, &reload, &config.detect, services);
        let result = engine::run(source, &start, &mut sink, &config, threads, &stats);
        (result, sink.into_account())
    };
    drop(writer);
    // Held until everything is stored: `stop` waits for it.
    let _running = screen.end();
    let outcome = result.map_err(|e| match e {
        EngineError::Sink(e) => anyhow!("{e}; what was stored before stays"),
        e => anyhow!("{e}"),
    });
    let closed = store.close();
    let (summary, stored) = outcome?;
    closed?;
    match stored {
        Stored::Committed => finish(args, cx, &label, &account, &summary, began.elapsed()),
        Stored::Duplicate(_) => Ok(Exit::Done),
    }
}

/// The account at the end. Findings as JSON stand alone on stdout.
fn finish(
    args: &Args,
    cx: &Context,
    label: &str,
    account: &Account,
    summary: &CaptureSummary,
    took: Duration,
) -> Result<Exit> {
    for warning in summary::warnings(summary) {
        complain(&warning);
    }
    let lines = summary::capture(label, summary);
    if args.json || output::logged().is_some() {
        output::say(&lines);
        return Ok(Exit::Done);
    }
    output::print(&lines)?;
    account.finish(cx, took, None)
}

/// The folder must be there before the program locks itself in.
fn make_database_folder(database: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = match database.parent() {
        Some(f) if !f.as_os_str().is_empty() => f,
        _ => return Ok(()),
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create the folder {} as this user", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let secs = |t: &str| duration(t).map(|d| d.as_secs());
        assert_eq!(
            [secs("90"), secs("90s"), secs("10m"), secs("8h"), secs("1d")].map(Result::unwrap),
            [90, 90, 600, 28_800, 86_400]
        );
        assert!(["", "0", "x", "5y", "-1"].iter().all(|t| duration(t).is_err()));
    }

    #[test]
    fn a_rotation_is_a_time_of_ten_seconds_at_least_or_never() {
        let every = |t: &str| rotation(t).map(|r| r.map(|r| r.every / 1_000_000_000));
        assert_eq!(
            [every("1d"), every("10s"), every("6h")].map(Result::unwrap),
            [Some(86_400), Some(10), Some(21_600)]
        );
        assert_eq!([every("never"), every("0")].map(Result::unwrap), [None, None]);
        for (wrong, told) in [("9", "10 s at least"), ("daily", "daily"), ("", "or never")] {
            let e = every(wrong).unwrap_err().to_string();
            assert!(e.contains(told) && e.contains("capture_rotate"), "{e}");
        }
    }

    #[test]
    fn the_remedy_names_program_and_privilege() {
        let text = remedy("secnetmon monitor -i eth0");
        assert!(
            text.contains("sudo secnetmon monitor -i eth0")
                && text.contains("cap_net_raw,cap_net_admin=eip /"),
            "{text}"
        );
    }
}
