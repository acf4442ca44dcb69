//! Does the screen show what is there, at every size, and do keys do what they say?
//!
//! Whole screens are compared with files in `screens/`; `BLESS=1` writes them anew, for a person to look at.

use super::busy::{ServiceLine, Talker};
use super::draw::draw;
use super::keys::{Action, pressed};
use super::view::{FINDINGS, Over, Totals, View};
use crate::capture::live::Counts;
use crate::model::addr::Ip;
use crate::model::anomaly::{Anomaly, AnomalyId, Reason, Severity};
use crate::model::ids::CaptureId;
use crate::model::kind;
use crate::model::time::{NANOS_PER_SEC, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use std::fmt::Write as _;
use std::path::Path;

fn finding(id: i64, severity: Severity) -> Anomaly {
    let at = Timestamp((1_700_000_000 + id) * NANOS_PER_SEC);
    let mut details = serde_json::Map::new();
    details.insert("names".to_owned(), serde_json::json!(["a.example", "\u{1b}]0;owned\u{7}"]));
    Anomaly {
        id: AnomalyId(id),
        capture: CaptureId(1),
        detector: "port_scan".into(),
        kind: &kind::PORT_SCAN_VERTICAL,
        title: format!("10.0.0.{id} asked \u{1b}[31m{} ports of 10.0.0.200 \u{202e}nottub", 100 + id),
        severity,
        confidence: 0.9,
        score: crate::model::anomaly::score(severity, 0.9),
        src: Some(Ip::v4([10, 0, 0, id as u8])),
        dst: Some(Ip::v4([10, 0, 0, 200])),
        dst_port: None,
        protocol: Some(6),
        direction: Some("internal".into()),
        technique: Some("T1046".into()),
        count: 1_234,
        first_ts: at,
        last_ts: at.plus(5 * NANOS_PER_SEC),
        reasons: vec![
            Reason::new("failed_ports", 123.0, 15.0, 0.8),
            Reason::new("failed_share", 0.97, 0.5, 0.5),
        ],
        flows: Vec::new(),
        packets: Vec::new(),
        details,
        expected: false,
    }
}

fn view() -> View {
    let mut view = View::new("eth0, wlan0", false);
    view.seconds = 3_725;
    let mut totals = Totals::default();
    for n in 0..90_u64 {
        totals.packets += 40 * (n % 30) * (n % 30);
        totals.bytes += 30_000 * (n % 30) * (n % 30);
        totals.flows += n;
        view.count(totals, 1.0);
    }
    totals.dropped = Counts { received: 5_000_000, kernel: 1_500, interface: 20, ours: 0 };
    view.count(totals, 1.0);
    let talker = |n: u8| Talker {
        host: Ip::v4([192, 168, 100, n]),
        sends: 9.0e9 / f64::from(n).powi(4),
        receives: 1.0e6 / f64::from(n).powi(4),
        bytes: u64::from(200 - n) << 20,
    };
    view.talkers = (1..30).map(talker).collect();
    view.talkers.insert(
        1,
        Talker { host: Ip([0x20, 1, 0xd, 0xb8, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ..talker(2) },
    );
    let service =
        |(name, flows): (&str, u64)| ServiceLine { name: name.to_owned(), flows, bytes: flows * 4_321 };
    view.services = [("tls", 12_345), ("dns", 2_000), ("(unknown)", 30)].map(service).to_vec();
    let all = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical, Severity::Info];
    for (n, severity) in all.into_iter().cycle().take(12).enumerate() {
        view.found(&finding(n as i64 + 1, severity), true);
        view.told += 1;
    }
    view.say("wlan0: lost: it was\u{1b}[2J removed; waiting for it");
    view
}

fn screen(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn colours(view: &View) -> usize {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(view, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    buffer.content().iter().filter(|c| c.fg != Color::Reset || c.bg != Color::Reset).count()
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "how a person says that screens are to be written anew")]
fn golden(name: &str, shown: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/monitor/tui/screens").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, shown).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap();
    assert!(shown == wanted, "{name} differs; shown:\n{shown}");
}

#[test]
fn screens_look_as_they_did() {
    let mut view = view();
    golden("80x24.txt", &screen(&view, 80, 24));
    golden("120x40.txt", &screen(&view, 120, 40));
    golden("begin.txt", &screen(&View::new("eth0", false), 80, 24));
    view.step(2);
    view.over = Over::Finding(0);
    golden("finding.txt", &screen(&view, 80, 24));
    view.over = Over::Messages(0);
    view.ending = true;
    golden("messages.txt", &screen(&view, 80, 24));
}

#[test]
fn nothing_from_the_wire_acts_on_the_terminal() {
    let mut view = view();
    for over in [Over::Nothing, Over::Finding(0), Over::Messages(0)] {
        view.over = over;
        let shown = screen(&view, 120, 40);
        assert!(!shown.chars().any(|c| c != '\n' && crate::model::text::is_unsafe(c)), "{shown:?}");
        assert!(shown.contains("\\x1b"), "{over:?}: {shown}");
    }
}

#[test]
fn every_size_is_drawn() {
    let mut view = view();
    for over in [Over::Nothing, Over::Finding(u16::MAX), Over::Messages(u16::MAX)] {
        view.over = over;
        for (width, height) in (1..60).flat_map(|w| (1..30).map(move |h| (w, h))).chain([(500, 200)]) {
            screen(&view, width, height);
        }
    }
    assert!(screen(&view, 20, 5).contains("at least"));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let mut view = view();
    assert_eq!(colours(&view), 0);
    view.colour = true;
    assert!(colours(&view) > 20);
}

fn press(view: &mut View, keys: &[KeyCode]) -> Action {
    keys.iter().map(|k| pressed(view, KeyEvent::new(*k, KeyModifiers::NONE))).last().unwrap()
}

#[test]
fn keys_do_what_the_last_line_says() {
    use KeyCode::{Char, Down, End, Enter, Esc, Home, Left, Right, Up};
    let mut view = view();
    let shown = |view: &View| view.chosen().unwrap().id.0;
    assert_eq!(shown(&view), 12, "the newest first");
    press(&mut view, &[Down, Down]);
    assert_eq!(shown(&view), 10);
    // What is chosen stays chosen while others come.
    view.found(&finding(50, Severity::Low), true);
    assert_eq!((shown(&view), view.position()), (10, 3));
    press(&mut view, &[End, Down]);
    assert_eq!(shown(&view), 1);
    press(&mut view, &[Home, Up]);
    view.found(&finding(51, Severity::Low), true);
    assert_eq!(shown(&view), 51, "at the top news is followed");
    press(&mut view, &[Enter]);
    view.found(&finding(52, Severity::Low), true);
    assert_eq!((shown(&view), view.over), (51, Over::Finding(0)), "but not while one is read");
    assert_eq!(press(&mut view, &[Down, Right]), Action::Nothing);
    assert_eq!((shown(&view), view.over), (50, Over::Finding(0)));
    press(&mut view, &[Left, Char('q')]);
    assert_eq!((shown(&view), view.over), (51, Over::Nothing), "q goes back before it ends");
    press(&mut view, &[Char('s'), Home]);
    assert_eq!(view.chosen().unwrap().severity, Severity::Critical);
    press(&mut view, &[Char('f'), Char('f'), Char('f')]);
    assert!(view.listed().iter().all(|a| a.severity >= Severity::High) && view.listed().len() == 4);
    press(&mut view, &[Char('f'), Char('f')]);
    assert_eq!((view.least, view.listed().len()), (None, 15));
    press(&mut view, &[Char('m'), Down]);
    assert_eq!(view.over, Over::Messages(1));
    press(&mut view, &[Esc]);
    assert_eq!(press(&mut view, &[Char('q')]), Action::End);
    assert_eq!(pressed(&mut view, KeyEvent::new(Char('c'), KeyModifiers::CONTROL)), Action::Insist);
    assert_eq!(press(&mut View::default(), &[Enter, Down, Up, End]), Action::Nothing, "nothing to choose");
}

#[test]
fn what_grows_keeps_its_place_and_what_is_kept_is_bounded() {
    let mut view = view();
    let mut grown = finding(3, Severity::High);
    grown.count = 9_999;
    view.found(&grown, false);
    let at = view.listed().iter().position(|a| a.id.0 == 3).unwrap();
    assert_eq!((at, view.listed()[at].count), (9, 9_999));
    view.found(&grown, true);
    assert_eq!(view.listed()[0].id.0, 3);
    for n in 0..2_000 {
        view.found(&finding(n + 100, Severity::Low), true);
        view.say("word");
        view.count(Totals::default(), 1.0);
    }
    assert_eq!((view.listed().len(), view.messages.len(), view.samples.len()), (FINDINGS, 200, 600));
}
