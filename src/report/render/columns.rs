//! How wide are the columns of a table, and what gives way when the terminal is narrow?
//!
//! Only texts and times shrink, each as far as it still says something; then columns go, from the right. Half a number is a wrong number: numbers
//! never shrink.

use crate::report::fold::{without_end, without_middle};
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// A text column is not made narrower than this, in terminal columns: an IPv4 address stays whole.
const MIN_TEXT_WIDTH: usize = 15;
/// A column of addresses is not made narrower than this: an IPv4 address with its port stays whole.
const MIN_ADDRESS_WIDTH: usize = 21;
/// A time to the second, with its zone: what is left of one that gives its fraction for another column.
const SECOND_WIDTH: usize = "2024-01-31T12:00:00Z".len();
/// A column of sentences keeps this share of the terminal, in percent: fifteen letters of a sentence say nothing, so others give way first.
const SENTENCE_SHARE: usize = 45;
/// Blanks from which on a cell is a sentence.
const SENTENCE_BLANKS: usize = 3;
/// Two blanks between columns.
pub(super) const GAP: usize = 2;
/// How NULL looks.
pub(super) const NULL_MARK: &str = "-";
/// A column of a table.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) right: bool,
    /// Addresses and other short words have no blanks and are compared whole: still text to us. Only text shrinks.
    pub(super) shrinks: bool,
    /// What most cells are.
    pub(super) words: Words,
    /// Digits behind the point, with it, of the number that has most of them; 0 for what is no number.
    pub(super) fraction: usize,
    pub(super) width: usize,
}

/// What stands in a column of text: how far it may be shortened depends on that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    Few,
    Address,
    Sentence,
    Time,
}

/// `2024-01-31T12:00:00`, with what follows, or with a blank in it.
fn is_time(text: &str) -> bool {
    let shape = |(i, b): (usize, u8)| match i {
        4 | 7 => b == b'-',
        10 => b == b'T' || b == b' ',
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    };
    text.len() >= 19 && text.bytes().take(19).enumerate().all(shape)
}

impl Words {
    /// What most of the cells are.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Self {
        let address = |c: &&str| {
            c.contains([':', '.']) && c.bytes().all(|b| b.is_ascii_hexdigit() || b":.[]".contains(&b))
        };
        let most = |n: usize| n * 2 > cells.clone().count();
        if most(cells.clone().filter(|c| is_time(c)).count()) {
            Self::Time
        } else if most(cells.clone().filter(|c| c.matches(' ').count() >= SENTENCE_BLANKS).count()) {
            Self::Sentence
        } else if most(cells.clone().filter(address).count()) {
            Self::Address
        } else {
            Self::Few
        }
    }
}

impl Column {
    /// Blanks behind a number that has fewer digits behind its point than another.
    pub(super) fn blanks_behind(&self, text: &str) -> usize {
        match text {
            NULL_MARK => 0,
            number => self.fraction.saturating_sub(fraction(number)),
        }
    }

    /// Narrowest width that still says something, of `available`.
    fn floor(&self, available: usize) -> usize {
        let least = match self.words {
            Words::Time => SECOND_WIDTH,
            _ if !self.shrinks => self.width,
            Words::Few => MIN_TEXT_WIDTH,
            Words::Address => MIN_ADDRESS_WIDTH,
            Words::Sentence => MIN_TEXT_WIDTH.max(available * SENTENCE_SHARE / 100),
        };
        self.width.min(least)
    }
}

/// Digits of a number behind its point, with the point.
pub(super) fn fraction(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, digits)| digits.len() + 1)
}

/// `text` in at most `width` columns, with its width. An address loses its middle, all else its end.
pub(super) fn shorten(text: &str, width: usize, words: Words) -> (Cow<'_, str>, usize) {
    let full = text.width();
    if full <= width {
        return (text.into(), full);
    }
    if words == Words::Time {
        let whole = text.split('.').next().unwrap_or(text);
        let zone = if text.ends_with('Z') && !whole.ends_with('Z') { "Z" } else { "" };
        return (format!("{whole}{zone}").into(), whole.len() + zone.len());
    }
    let short = if words == Words::Address { without_middle(text, width) } else { without_end(text, width) };
    let width = short.width();
    (short.into(), width)
}

/// Make the columns fit: the widest text gives first; when no text can give more, columns are dropped from the right.
/// Returns how many; at least one stays.
pub(super) fn fit(columns: &mut [Column], available: usize) -> usize {
    let total = |columns: &[Column]| columns.iter().map(|c| c.width + GAP).sum::<usize>().saturating_sub(GAP);
    let floor = |c: &Column| c.floor(available);
    let mut kept = columns.len();
    while kept > 1 {
        let least: usize =
            columns.iter().take(kept).map(|c| floor(c) + GAP).sum::<usize>().saturating_sub(GAP);
        if least <= available {
            break;
        }
        kept -= 1;
    }
    let hidden = columns.len() - kept;
    let shown = columns.get_mut(..kept).unwrap_or_default();
    let natural: Vec<usize> = shown.iter().map(|c| c.width).collect();
    let mut excess = total(shown).saturating_sub(available);
    while excess > 0 {
        // The widest column that can still give comes down to the second widest, or as far as needed.
        let mut widths: Vec<usize> = shown.iter().filter(|c| c.width > floor(c)).map(|c| c.width).collect();
        widths.sort_unstable_by(|a, b| b.cmp(a));
        widths.dedup();
        let Some(&widest) = widths.first() else { break };
        let next = widths.get(1).copied().unwrap_or(0);
        let givers = shown.iter().filter(|c| c.width == widest && c.width > floor(c)).count().max(1);
        let step = (widest - next).min(excess.div_ceil(givers)).max(1);
        for c in shown.iter_mut().filter(|c| c.width == widest) {
            let least = floor(c);
            if excess == 0 || c.width <= least {
                continue;
            }
            let give = step.min(c.width - least).min(excess);
            c.width -= give;
            excess -= give;
        }
    }
    // A time that gave something shows whole seconds: it needs no more.
    for (c, natural) in
        shown.iter_mut().zip(natural).filter(|(c, natural)| c.words == Words::Time && c.width < *natural)
    {
        c.width = SECOND_WIDTH.min(natural);
    }
    hidden
}
