//! What was echoed? (Copy this file to begin a protocol; answer its question here, name its source.)
//!
//! Source: a toy of our own, not in [`super::ALL`]. The client greets with `TOY 1` and a line feed, then sends lines; the
//! server answers each line with one line. Refuses lines over [`MAX_LINE`], and everything binary.
//!
//! The order of a protocol file: what it is, limits, registry entry, probe, record and table, parser, tests.

use super::{Fed, Output, Parser, Probe, Protocol, Transport, Verdict};
use crate::flow::At;
use crate::model::flow::Side;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use std::collections::VecDeque;

/// The first bytes of the client.
const GREETING: &[u8] = b"TOY 1\n";

/// Longest line in bytes. Twice what the protocol allows; a longer one is another protocol, or an attack.
const MAX_LINE: usize = 512;

/// Lines that wait for their answer. The client is told to wait, so a few are already odd.
const MAX_PENDING: usize = 16;

/// The registry's entry: one line in [`super::ALL`] turns it on.
pub static PROTOCOL: Protocol = Protocol {
    name: "toy",
    about: "A toy that shows how a protocol is written; told by the client's greeting.",
    transports: &[Transport::Tcp],
    ports: &[7],
    tables: &[&TABLE],
    buffer_cap: MAX_LINE,
    probe,
    parser: Some(|| Box::<Toy>::default()),
};

/// Strict: a wrong name is worse than none. `NeedMore` only while every byte so far fits.
fn probe(p: &Probe<'_>) -> Verdict {
    if p.orig.starts_with(GREETING) {
        Verdict::Mine(90)
    } else if GREETING.starts_with(p.orig) {
        Verdict::NeedMore
    } else {
        Verdict::NotMine
    }
}

/// One line and its answer.
#[derive(Clone, Debug)]
pub struct ToyRecord {
    /// What the client said, printable.
    pub said: String,
    /// What the server answered; `None` when no answer was seen.
    pub answer: Option<String>,
    /// Nanoseconds between them.
    pub rtt: Option<i64>,
}

/// Every column has a unit where it has one, and a sentence that says when it is NULL.
pub static TABLE: Table = Table::record(
    "toy",
    "One row is one line of the toy protocol with its answer.",
    &[
        col("said", T::Text, "", "What the client said."),
        col("answer", T::Text, "", "What the server answered; NULL when no answer was seen."),
        col("rtt_s", T::F64, "seconds", "From the line to its answer; NULL when no answer was seen."),
    ],
);

impl Record for ToyRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(&self.said).opt_text(self.answer.as_deref()).opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}

/// The state of one flow: as little as will do.
#[derive(Default)]
struct Toy {
    greeted: bool,
    pending: VecDeque<(At, String)>,
}

impl Toy {
    fn line(&mut self, side: Side, line: &[u8], out: &mut Output<'_>) {
        let text = printable(line, MAX_LINE);
        match side {
            // The probe saw the greeting; it is no line of its own.
            Side::Orig if !self.greeted => self.greeted = true,
            Side::Orig => {
                if self.pending.len() >= MAX_PENDING {
                    out.weird(WeirdKind::PendingFull, Detail::Number(MAX_PENDING as u64));
                    self.write_oldest(out);
                }
                self.pending.push_back((out.at, text));
            }
            Side::Resp => {
                // A real protocol adds a kind of weird for an answer that nobody asked for.
                if let Some((began, said)) = self.pending.pop_front() {
                    let rtt = Some(out.at.ts.since(began.ts));
                    out.record(began, ToyRecord { said, answer: Some(text), rtt });
                }
            }
        }
    }

    fn write_oldest(&mut self, out: &mut Output<'_>) {
        if let Some((began, said)) = self.pending.pop_front() {
            out.record(began, ToyRecord { said, answer: None, rtt: None });
        }
    }
}

impl Parser for Toy {
    fn feed(&mut self, side: Side, data: &[u8], out: &mut Output<'_>) -> Fed {
        let mut rest = data;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.line(side, line, out);
            rest = behind.get(1..).unwrap_or(&[]);
        }
        // What has no line feed yet comes again; past `buffer_cap` the dispatcher gives the flow up.
        Fed::Took(data.len() - rest.len())
    }

    fn gap(&mut self, _: Side, _: u64, out: &mut Output<'_>) -> Fed {
        // Answers cannot be matched to lines any more: write what is there and stop. A protocol that can find the start
        // of its next message goes on instead.
        self.finish(out);
        Fed::Done
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        while !self.pending.is_empty() {
            self.write_oldest(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::testing::{Bench, lost, orig, resp};

    fn bench() -> Bench {
        Bench::tcp(7).only(&[&PROTOCOL])
    }

    #[test]
    fn lines_and_answers_are_paired() {
        let run = bench().run(&[orig(b"TO"), orig(b"Y 1\na\nb\n"), resp(b"A\nB"), resp(b"\n"), orig(b"c\n")]);
        let rows: Vec<_> = run
            .records::<ToyRecord>()
            .into_iter()
            .map(|r| (r.said.as_str(), r.answer.as_deref(), r.rtt))
            .collect();
        assert_eq!(
            rows,
            [("a", Some("A"), Some(1_000_000)), ("b", Some("B"), Some(2_000_000)), ("c", None, None)]
        );
        assert_eq!((run.service, run.faults), (Some("toy"), 0));
    }

    #[test]
    fn every_prefix_survives() {
        let talk = b"TOY 1\nhello\n\xff\x1b\n\n";
        for end in 0..talk.len() {
            let run = bench().run(&[orig(&talk[..end]), resp(&talk[..end])]);
            // Before the greeting is complete the port is a hint; without a byte there is nothing to hint at.
            assert_eq!((run.service.is_some(), run.faults), (end > 0, 0));
        }
    }

    #[test]
    fn a_gap_ends_it_and_keeps_what_was_there() {
        let run = bench().run(&[orig(b"TOY 1\na\n"), lost(Side::Orig, 9), orig(b"b\n")]);
        assert_eq!((run.records::<ToyRecord>().len(), run.done_after), (1, Some(2)));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let run = bench().run(&[orig(b"TOY 1\n"), orig(&[b'x'; 400]), orig(&[b'x'; 400])]);
        assert_eq!((run.weirds, run.done_after), (vec![WeirdKind::ParserBufferFull], Some(3)));
    }

    #[test]
    fn what_is_not_the_toy_is_left_alone() {
        assert_eq!(bench().run(&[orig(b"GET / HTTP/1.1\r\n")]).service, None);
    }
}
