//! How are bytes from the wire shown so that they can be read and cannot act?
//!
//! One turn after the other, each line marked `>` (originator) or `<` (responder), so that the sides are told apart without colours. Text is
//! cut into its lines and made printable; what is no text is shown with dots for bytes, or as a hex dump. A line is held until it is
//! complete, however the packets cut it. Refuses to print what it was not given: missing bytes are said.

use crate::engine::follow::Said;
use crate::model::flow::Side;
use crate::model::text::is_unsafe;
use crate::model::time::Timestamp;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Bytes of a line that are held back for its end.
const LINE_CAP: usize = 4_096;
/// A line is text when at least so many per cent of its characters are printable.
const TEXT_PERCENT: usize = 85;
/// Bytes in a line of a hex dump.
const HEX_BYTES: usize = 16;
const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// What is written of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Lines of text.
    Text,
    /// Hex dump.
    Hex,
    /// One JSON object a piece.
    Ndjson,
}

/// Writes a conversation.
#[derive(Debug)]
pub struct Printer<W: Write> {
    out: W,
    form: Form,
    colour: bool,
    /// Columns of a line of dots.
    width: usize,
    /// Bytes that may still be shown.
    left: u64,
    side: Option<Side>,
    /// The begin of a line whose end has not come.
    line: Vec<u8>,
    /// Bytes of each side shown so far: offsets of the hex dump.
    at: [u64; 2],
    last_ts: Option<Timestamp>,
}

/// The column that tells the sides apart.
fn mark(side: Side) -> &'static str {
    match side {
        Side::Orig => ">",
        Side::Resp => "<",
    }
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Orig => "src",
        Side::Resp => "dst",
    }
}

/// Bytes as one line: text with unsafe characters written out, or one dot for each byte that is none.
fn readable(bytes: &[u8]) -> String {
    let mut good = 0;
    let mut all = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            all += 1;
            good += usize::from(!is_unsafe(c) || c == '\t');
        }
        all += chunk.invalid().len();
    }
    if good * 100 >= all * TEXT_PERCENT {
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\t' => out.push_str("    "),
                    c if !is_unsafe(c) => out.push(c),
                    c if (c as u32) < 0x100 => {
                        let _ = write!(out, "\\x{:02x}", c as u32);
                    }
                    c => {
                        let _ = write!(out, "\\u{{{:x}}}", c as u32);
                    }
                }
            }
            for b in chunk.invalid() {
                let _ = write!(out, "\\x{b:02x}");
            }
        }
        return out;
    }
    bytes.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}

impl<W: Write> Printer<W> {
    /// Write to `out` at most `bytes` bytes of the conversation.
    pub fn new(out: W, form: Form, colour: bool, width: usize, bytes: u64) -> Self {
        let (line, at) = (Vec::new(), [0; 2]);
        Self {
            out,
            form,
            colour,
            width: width.max(HEX_BYTES + 4),
            left: bytes,
            side: None,
            line,
            at,
            last_ts: None,
        }
    }

    /// The next piece. False: no more is wanted.
    pub fn say(&mut self, said: Said<'_>) -> io::Result<bool> {
        match said {
            Said::Bytes { side, ts, packet, data, cut } => {
                let allowed = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                let shown = data.get(..allowed).unwrap_or(data);
                self.left -= shown.len() as u64;
                match self.form {
                    Form::Ndjson => self.json(side, ts, packet, shown, cut)?,
                    Form::Hex => {
                        self.turn(side, ts)?;
                        self.hex(side, shown)?;
                    }
                    Form::Text => {
                        self.turn(side, ts)?;
                        self.text(side, shown)?;
                    }
                }
                if cut > 0 && self.form != Form::Ndjson {
                    self.note(side, &format!("{cut} bytes were cut off by the capture's snaplen"))?;
                }
                if shown.len() < data.len() {
                    self.flush_line()?;
                    return Ok(false);
                }
            }
            Said::Missing { side, ts, bytes } if self.form == Form::Ndjson => {
                let line = serde_json::json!({"side": name(side), "ts": ts.to_string(), "missing": bytes});
                writeln!(self.out, "{line}")?;
            }
            Said::Missing { side, ts, bytes } => {
                self.turn(side, ts)?;
                self.flush_line()?;
                self.note(side, &format!("{bytes} bytes are missing from the capture"))?;
                if let Some(at) = self.at.get_mut(side.index()) {
                    *at += bytes;
                }
            }
        }
        Ok(self.left > 0)
    }

    /// No more will come.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush_line()?;
        self.out.flush()
    }

    fn painted(&self, side: Side) -> (&'static str, &'static str) {
        match (self.colour, side) {
            (false, _) => ("", ""),
            (true, Side::Orig) => ("\x1b[36m", RESET),
            (true, Side::Resp) => ("\x1b[33m", RESET),
        }
    }

    /// The word goes to `side`: end the other's line, say when.
    fn turn(&mut self, side: Side, ts: Timestamp) -> io::Result<()> {
        if self.side == Some(side) {
            return Ok(());
        }
        self.flush_line()?;
        let later = self.last_ts.map_or(String::new(), |last| format!("  +{:.3} s", ts.secs_since(last)));
        let gap = if self.side.is_some() { "\n" } else { "" };
        let (dim, plain) = if self.colour { (DIM, RESET) } else { ("", "") };
        writeln!(self.out, "{gap}{} {dim}-- {ts}{later}{plain}", mark(side))?;
        self.side = Some(side);
        self.last_ts = Some(ts);
        Ok(())
    }

    fn note(&mut self, side: Side, words: &str) -> io::Result<()> {
        self.flush_line()?;
        let (dim, plain) = if self.colour { (DIM, RESET) } else { ("", "") };
        writeln!(self.out, "{} {dim}[{words}]{plain}", mark(side))
    }

    fn flush_line(&mut self) -> io::Result<()> {
        let (Some(side), false) = (self.side, self.line.is_empty()) else { return Ok(()) };
        let line = std::mem::take(&mut self.line);
        self.put(side, &line)
    }

    /// One line of text; what is no text is broken at the width.
    fn put(&mut self, side: Side, line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let shown = readable(line);
        let (colour, plain) = self.painted(side);
        let room = self.width - 2;
        let letters: Vec<char> = shown.chars().collect();
        // Text that is longer than a line is left to the terminal; dots would only be noise in one line.
        let pieces = if letters.len() == line.len() && shown.contains("....") {
            letters.chunks(room)
        } else {
            letters.chunks(usize::MAX)
        };
        if letters.is_empty() {
            writeln!(self.out, "{}", mark(side))?;
        }
        for piece in pieces {
            let piece: String = piece.iter().collect();
            writeln!(self.out, "{} {colour}{piece}{plain}", mark(side))?;
        }
        Ok(())
    }

    fn text(&mut self, side: Side, data: &[u8]) -> io::Result<()> {
        if let Some(at) = self.at.get_mut(side.index()) {
            *at += data.len() as u64;
        }
        for part in data.split_inclusive(|b| *b == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.line.extend_from_slice(end);
                    let line = std::mem::take(&mut self.line);
                    self.put(side, &line)?;
                }
                None => self.line.extend_from_slice(part),
            }
            while self.line.len() > LINE_CAP {
                let rest = self.line.split_off(LINE_CAP);
                let line = std::mem::replace(&mut self.line, rest);
                self.put(side, &line)?;
            }
        }
        Ok(())
    }

    fn hex(&mut self, side: Side, data: &[u8]) -> io::Result<()> {
        let (colour, plain) = self.painted(side);
        let at = self.at.get(side.index()).copied().unwrap_or(0);
        for (i, bytes) in data.chunks(HEX_BYTES).enumerate() {
            let mut line = String::new();
            for (n, b) in bytes.iter().enumerate() {
                let _ = write!(line, "{b:02x}{}", if n == HEX_BYTES / 2 - 1 { "  " } else { " " });
            }
            let ascii: String = bytes
                .iter()
                .map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' })
                .collect();
            let offset = at + (i * HEX_BYTES) as u64;
            writeln!(self.out, "{} {offset:08x}  {colour}{line:<50}{ascii}{plain}", mark(side))?;
        }
        if let Some(at) = self.at.get_mut(side.index()) {
            *at += data.len() as u64;
        }
        Ok(())
    }

    fn json(&mut self, side: Side, ts: Timestamp, packet: u64, data: &[u8], cut: u64) -> io::Result<()> {
        let mut line = serde_json::json!({
            "side": name(side), "ts": ts.to_string(), "packet": packet, "bytes": data.len(),
            "text": readable(data), "hex": crate::model::text::hex(data),
        });
        if let (true, Some(line)) = (cut > 0, line.as_object_mut()) {
            line.insert("cut".into(), cut.into());
        }
        writeln!(self.out, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(side: Side, data: &[u8]) -> Said<'_> {
        Said::Bytes { side, ts: Timestamp(0), packet: 1, data, cut: 0 }
    }

    fn printed(form: Form, limit: u64, said: &[Said<'_>]) -> (String, bool) {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, form, false, 80, limit);
        let more = said.iter().all(|s| printer.say(*s).unwrap());
        printer.finish().unwrap();
        (String::from_utf8(out).unwrap(), more)
    }

    #[test]
    fn lines_are_whole_however_packets_cut_them() {
        let said = [
            bytes(Side::Orig, b"GET / HT"),
            bytes(Side::Orig, b"TP/1.1\r\nHost: x\r\n"),
            bytes(Side::Resp, b"200"),
        ];
        let (text, more) = printed(Form::Text, 1_000, &said);
        assert_eq!(
            text,
            "> -- 1970-01-01T00:00:00Z\n> GET / HTTP/1.1\n> Host: x\n\n< -- 1970-01-01T00:00:00Z  +0.000 s\n< 200\n"
        );
        assert!(more);
    }

    #[test]
    fn nothing_acts_on_a_terminal() {
        let evil = b"\x1b[2Jred\x07 \xe2\x80\xae \xff and a good deal of ordinary text behind it, so that it counts as such\n";
        for form in [Form::Text, Form::Hex, Form::Ndjson] {
            let (text, _) = printed(form, 1_000, &[bytes(Side::Orig, evil)]);
            assert!(text.chars().all(|c| c == '\n' || !is_unsafe(c)), "{form:?}: {text:?}");
        }
        let (text, _) = printed(Form::Text, 1_000, &[bytes(Side::Orig, evil)]);
        assert!(text.contains("\\x1b[2Jred\\x07 \\u{202e} \\xff and"), "{text}");
    }

    #[test]
    fn what_is_no_text_becomes_dots_and_a_dump_keeps_offsets() {
        let (text, _) = printed(Form::Text, 1_000, &[bytes(Side::Resp, &[0, 1, 2, b'A', 0xff, 0xfe])]);
        assert!(text.ends_with("< ...A..\n"), "{text}");
        let (text, _) = printed(Form::Hex, 1_000, &[bytes(Side::Resp, &[7; 17]), bytes(Side::Resp, b"ab")]);
        assert!(text.contains("< 00000010  07 ") && text.contains("< 00000011  61 62 "), "{text}");
    }

    #[test]
    fn limits_and_holes_are_said() {
        let (text, more) = printed(Form::Text, 3, &[bytes(Side::Orig, b"abcdef")]);
        assert!(text.ends_with("> abc\n") && !more, "{text}");
        let missing = Said::Missing { side: Side::Resp, ts: Timestamp(0), bytes: 99 };
        let (text, _) = printed(Form::Text, 9, &[missing]);
        assert!(text.contains("< [99 bytes are missing from the capture]"), "{text}");
        let long = vec![b'x'; LINE_CAP * 3];
        let (text, _) = printed(Form::Text, u64::MAX, &[bytes(Side::Orig, &long)]);
        assert_eq!(text.matches('x').count(), long.len());
    }
}
