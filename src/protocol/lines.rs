//! Where does a line of text end, and which reply does it belong to?
//!
//! Cuts what each side says into lines for the protocols that speak in them (FTP, SMTP, POP3, IMAP, IRC). A line ends with LF; one CR before
//! it belongs to the end (RFC 5321 section 2.3.8, RFC 959 section 4.2). A line beyond the cap is handed on cut, told as a weird, and the
//! rest of it is skipped. Also here: replies with three digits, and how a greeting tells protocols apart.
//! Refuses to know commands.

use super::names::{begins_with_word, contains_word, first_line};
use super::{Output, Probe, Verdict};
use crate::model::flow::Side;
use crate::model::weird::{Detail, WeirdKind};
use memchr::memchr;

/// Cuts both sides of a flow into lines of at most `CAP` bytes. The protocol's `buffer_cap` must not be smaller.
#[derive(Default, Debug)]
pub(super) struct Lines<const CAP: usize> {
    sides: [Half; 2],
}

/// One side.
#[derive(Default, Debug)]
struct Half {
    /// Bytes at hand that are known to hold no line end.
    scanned: usize,
    /// The line at hand was too long: what is left of it is not wanted.
    skipping: bool,
}

/// The next line, if there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut<'a> {
    /// A line without its end, and how many bytes it took with all that is to be dropped.
    Line {
        /// Without CR LF.
        text: &'a [u8],
        /// Bytes it took.
        taken: usize,
        /// CR LF or LF; empty: it goes on, the cap was reached before its end.
        end: &'static [u8],
    },
    /// None: so many bytes can be dropped, the others must come again.
    Wait(usize),
}

impl<const CAP: usize> Lines<CAP> {
    fn half(&mut self, side: Side) -> &mut Half {
        let [orig, resp] = &mut self.sides;
        match side {
            Side::Orig => orig,
            Side::Resp => resp,
        }
    }

    /// The next line in `data`; a longer one than the cap is cut, and its rest is skipped.
    pub(super) fn next<'a>(&mut self, side: Side, data: &'a [u8], out: &mut Output<'_>) -> Cut<'a> {
        let cut = self.piece(side, data);
        if let Cut::Line { text, end: b"", .. } = cut {
            self.half(side).skipping = true;
            out.weird(WeirdKind::LineTooLong, Detail::Number(text.len() as u64));
            // All of it is seen: it holds no line end.
            return Cut::Line { text, taken: data.len(), end: b"" };
        }
        cut
    }

    /// As [`Self::next`], for content: what is longer than the cap comes in several pieces, and nothing is lost.
    pub(super) fn piece<'a>(&mut self, side: Side, data: &'a [u8]) -> Cut<'a> {
        let half = self.half(side);
        let mut from = 0;
        if half.skipping {
            let Some(lf) = memchr(b'\n', data) else { return Cut::Wait(data.len()) };
            half.skipping = false;
            from = lf + 1;
        }
        let rest = data.get(from..).unwrap_or(&[]);
        let seen = std::mem::take(&mut half.scanned);
        if let Some(lf) = memchr(b'\n', rest.get(seen..).unwrap_or(&[])) {
            let taken = from + seen + lf + 1;
            let text = rest.get(..seen + lf).unwrap_or(rest);
            return match text.strip_suffix(b"\r") {
                Some(text) => Cut::Line { text, taken, end: b"\r\n" },
                None => Cut::Line { text, taken, end: b"\n" },
            };
        }
        if rest.len() < CAP {
            half.scanned = rest.len();
            return Cut::Wait(from);
        }
        // A CR may be half of the line end to come.
        let end = rest.len() - usize::from(rest.ends_with(b"\r") && rest.len() > 1);
        Cut::Line { text: rest.get(..end).unwrap_or(rest), taken: from + end, end: b"" }
    }

    /// Bytes of this side are lost: what comes next is taken for the start of a line, as senders put one into a packet.
    pub(super) fn gap(&mut self, side: Side) {
        *self.half(side) = Half::default();
    }
}

/// The first word of a line and what follows behind the blanks.
pub(super) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(at).unwrap_or((line, &[]));
    (word, rest.trim_ascii())
}

/// The entry of `known` (upper case) that a word is, whatever its case.
pub(super) fn known(word: &[u8], known: &'static [&'static str]) -> Option<&'static str> {
    known.iter().find(|k| word.eq_ignore_ascii_case(k.as_bytes())).copied()
}

/// Puts together replies of three digits, also those of several lines (RFC 5321 section 4.2.1, RFC 959 section 4.2).
#[derive(Default, Debug)]
pub(super) struct Replies {
    /// Code of the reply whose last line is to come.
    open: Option<u16>,
}

impl Replies {
    /// The reply that ends with this line: its code and the text of the line.
    pub(super) fn line<'a>(&mut self, line: &'a [u8]) -> Option<(u16, &'a [u8])> {
        let (code, more, text) = match line {
            [a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let digit = |d: &u8| u16::from(d - b'0');
                let code = digit(a) * 100 + digit(b) * 10 + digit(c);
                match rest {
                    [b'-', text @ ..] => (code, true, text),
                    [b' ', text @ ..] => (code, false, text),
                    [] => (code, false, rest),
                    _ => return None,
                }
            }
            _ => return None,
        };
        match (self.open, more) {
            // Inside a reply only a line with its own code can end it; other numbers are text.
            (Some(open), _) if open != code => None,
            (_, true) => {
                self.open = Some(code);
                None
            }
            (_, false) => {
                self.open = None;
                Some((code, text.trim_ascii()))
            }
        }
    }

    /// Lines were lost.
    pub(super) fn gap(&mut self) {
        self.open = None;
    }
}

/// A protocol whose server greets with one of `codes`. Its name in the greeting or one of the client's `first` commands
/// makes it sure, one of `other` makes it another protocol.
pub(super) fn greeted(
    p: &Probe<'_>,
    codes: &[&str],
    name: &str,
    first: &[&str],
    other: &[&str],
    ports: &[u16],
) -> Verdict {
    let greeting = first_line(p.resp);
    let fits = codes.iter().any(|c| p.resp.starts_with(c.as_bytes()));
    let begins = codes.iter().any(|c| c.as_bytes().starts_with(p.resp));
    if (!fits && !begins) || begins_with_word(p.orig, other) {
        return Verdict::NotMine;
    }
    if fits && begins_with_word(p.orig, first) {
        return Verdict::Mine(90);
    }
    if fits && contains_word(greeting, name) {
        return Verdict::Mine(if p.on_port(ports) { 85 } else { 75 });
    }
    let ready = !fits && begins_with_word(p.orig, first) && p.on_port(ports) && p.orig.contains(&b'\n');
    if ready && p.resp.is_empty() {
        // One side only: its command on the usual port, unless the server still speaks.
        return Verdict::NeedMore;
    }
    if !p.orig.is_empty() && !begins_like(p.orig, first) { Verdict::NotMine } else { Verdict::NeedMore }
}

/// Could this become one of the words?
pub(super) fn begins_like(data: &[u8], words: &[&str]) -> bool {
    words.iter().any(|w| {
        let n = data.len().min(w.len());
        data.get(..n).zip(w.as_bytes().get(..n)).is_some_and(|(d, w)| d.eq_ignore_ascii_case(w))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(lines: &mut Lines<8>, data: &[u8]) -> (Vec<(Vec<u8>, usize)>, usize) {
        let (mut got, mut at) = (Vec::new(), 0);
        loop {
            match lines.piece(Side::Orig, &data[at..]) {
                Cut::Line { text, taken, end } => {
                    got.push((text.to_vec(), end.len()));
                    at += taken;
                }
                Cut::Wait(n) => return (got, at + n),
            }
        }
    }

    #[test]
    fn lines_end_with_lf_and_one_cr_before_it() {
        let mut lines = Lines::<8>::default();
        let (got, taken) = cut(&mut lines, b"a\r\nb\nc\r\r\nrest");
        assert_eq!(got, [(b"a".to_vec(), 2), (b"b".to_vec(), 1), (b"c\r".to_vec(), 2)]);
        assert_eq!(taken, 9, "the rest comes again");
        assert_eq!(cut(&mut lines, b"rest\r\n").0, [(b"rest".to_vec(), 2)]);
    }

    #[test]
    fn content_beyond_the_cap_comes_in_pieces() {
        let mut lines = Lines::<8>::default();
        let (got, taken) = cut(&mut lines, b"12345678\r");
        assert_eq!((got, taken), (vec![(b"12345678".to_vec(), 0)], 8), "the CR waits for its LF");
        assert_eq!(cut(&mut lines, b"\r\nx\n").0, [(b"".to_vec(), 2), (b"x".to_vec(), 1)]);
    }

    #[test]
    fn replies_of_several_lines_end_with_their_own_code() {
        let mut replies = Replies::default();
        assert_eq!(replies.line(b"250-first"), None);
        assert_eq!(replies.line(b" 230 text inside"), None);
        assert_eq!(replies.line(b"123 text inside"), None);
        assert_eq!(replies.line(b"250 last "), Some((250, &b"last"[..])));
        assert_eq!(replies.line(b"354"), Some((354, &b""[..])));
        assert_eq!(replies.line(b"2500 no"), None);
        assert_eq!(replies.line(b"no"), None);
    }
}
