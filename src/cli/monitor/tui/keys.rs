//! What does a key do?
//!
//! Changes the view, or asks for the end. Refuses to touch the terminal.

use super::view::{Over, View};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Lines of a page where nobody says how long one is.
const PAGE: u16 = 10;

/// What is to be done besides drawing anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// Nothing.
    Nothing,
    /// End in order.
    End,
    /// End in order; when that was asked for before, at once.
    Insist,
}

/// A key was pressed.
pub(super) fn pressed(view: &mut View, key: KeyEvent) -> Action {
    if key.kind == KeyEventKind::Release {
        return Action::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'C') => Action::Insist,
            _ => Action::Nothing,
        };
    }
    match (view.over, key.code) {
        (Over::Nothing, KeyCode::Char('q')) => return Action::End,
        (Over::Nothing, KeyCode::Enter) if view.chosen().is_some() => {
            view.hold();
            view.over = Over::Finding(0);
        }
        (Over::Nothing, KeyCode::Char('m')) => view.over = Over::Messages(0),
        (Over::Nothing, KeyCode::Char('s')) => view.worst_first = !view.worst_first,
        (Over::Nothing, KeyCode::Char('f')) => view.next_least(),
        (Over::Nothing, code) => {
            if let Some(by) = movement(code) {
                view.step(by);
            }
        }
        (_, KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q')) | (Over::Messages(_), KeyCode::Char('m')) => {
            view.over = Over::Nothing;
        }
        // The next finding without going back.
        (Over::Finding(_), KeyCode::Right | KeyCode::Char('n')) => other(view, 1),
        (Over::Finding(_), KeyCode::Left | KeyCode::Char('p')) => other(view, -1),
        (Over::Finding(at), code) => view.over = Over::Finding(moved(at, code)),
        (Over::Messages(at), code) => view.over = Over::Messages(moved(at, code)),
    }
    Action::Nothing
}

fn other(view: &mut View, by: isize) {
    view.step(by);
    view.hold();
    view.over = Over::Finding(0);
}

/// How far a key goes in a list.
fn movement(code: KeyCode) -> Option<isize> {
    Some(match code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -(PAGE as isize),
        KeyCode::PageDown | KeyCode::Char(' ') => PAGE as isize,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN,
        KeyCode::End | KeyCode::Char('G') => isize::MAX,
        _ => return None,
    })
}

fn moved(at: u16, code: KeyCode) -> u16 {
    let Some(by) = movement(code) else { return at };
    let by = by.clamp(-isize::from(i16::MAX), isize::from(i16::MAX)) as i16;
    at.saturating_add_signed(by)
}
