//! Where does a mail transaction begin and end, and what is written of it?
//!
//! RFC 5321 section 3.3: MAIL opens one, the answer to its message, RSET or the next MAIL ends it. One whose message is not
//! answered yet waits beside the next. Refuses: more rows of one flow than a list server needs.

use super::{MAX_PATH, MAX_PENDING, Smtp, SmtpTransaction};
use crate::flow::At;
use crate::model::text::printable;
use crate::model::weird::{Detail, WeirdKind};
use crate::protocol::clues::Clue;
use crate::protocol::mime::Message;
use crate::protocol::{Output, lines};

/// Transactions of one flow that are written. Lists keep a connection for some hundred.
const MAX_ROWS: u32 = 10_000;

/// A transaction in the making.
pub(super) struct Open {
    began: At,
    pub(super) row: SmtpTransaction,
    pub(super) message: Option<Box<Message>>,
    /// Bytes of the message are missing.
    pub(super) cut: bool,
    /// Its end was seen.
    pub(super) ended: bool,
    /// Replies to the message that are still to come (LMTP: one a recipient).
    pub(super) finals: u32,
}

impl Smtp {
    /// MAIL: a transaction begins.
    pub(super) fn begin(&mut self, argument: &[u8], out: &mut Output<'_>) {
        self.depth = self.depth.saturating_add(1);
        let (mailfrom, parameters) = path(argument);
        let size = parameters.split(|b| *b == b' ').find_map(|p| {
            let value = p.get(..5).filter(|k| k.eq_ignore_ascii_case(b"SIZE=")).and(p.get(5..))?;
            std::str::from_utf8(value).ok()?.parse().ok()
        });
        let row = SmtpTransaction {
            trans_depth: self.depth,
            helo: self.helo.as_ref().map(|(_, name)| name.clone()),
            mailfrom: Some(mailfrom),
            declared_bytes: size,
            tls: self.tls,
            auth_mechanism: self.auth_mechanism,
            ..SmtpTransaction::default()
        };
        self.open =
            Some(Box::new(Open { began: out.at, row, message: None, cut: false, ended: false, finals: 0 }));
    }

    /// The transaction at hand. A message whose MAIL was not captured gets one without an envelope.
    pub(super) fn transaction(&mut self, at: At) -> &mut Open {
        let depth = &mut self.depth;
        let (tls, auth_mechanism) = (self.tls, self.auth_mechanism);
        let helo = &self.helo;
        self.open.get_or_insert_with(|| {
            *depth = depth.saturating_add(1);
            let helo = helo.as_ref().map(|(_, name)| name.clone());
            let row = SmtpTransaction {
                trans_depth: *depth,
                helo,
                tls,
                auth_mechanism,
                ..SmtpTransaction::default()
            };
            Box::new(Open { began: at, row, message: None, cut: false, ended: false, finals: 0 })
        })
    }

    /// The transaction with this number; without one, the one at hand.
    pub(super) fn numbered(&mut self, depth: Option<u32>) -> Option<&mut Open> {
        let is = |o: &&mut Box<Open>| depth.is_none_or(|d| o.row.trans_depth == d);
        self.waiting.iter_mut().find(is).or(self.open.as_mut().filter(is)).map(|open| &mut **open)
    }

    /// The server had the last word on a transaction.
    pub(super) fn answered(&mut self, depth: Option<u32>, out: &mut Output<'_>) {
        if let Some(i) = self.waiting.iter().position(|o| Some(o.row.trans_depth) == depth) {
            if let Some(open) = self.waiting.remove(i) {
                write(*open, out);
            }
        } else if self.open.as_ref().is_some_and(|o| Some(o.row.trans_depth) == depth)
            && let Some(open) = self.open.take()
        {
            write(*open, out);
        }
    }

    /// The transaction at hand is over for the client. One that the server has not answered waits for that.
    pub(super) fn close(&mut self, out: &mut Output<'_>) {
        let Some(open) = self.open.take() else { return };
        let expected = self.pending.iter().any(|(_, depth)| *depth == open.row.trans_depth);
        if expected && open.finals > 0 && self.waiting.len() < MAX_PENDING {
            self.waiting.push_back(open);
        } else {
            write(*open, out);
        }
    }
}

/// Write a transaction.
pub(super) fn write(mut open: Open, out: &mut Output<'_>) {
    read_message(&mut open, false, out);
    open.row.complete = open.ended && !open.cut;
    match open.row.trans_depth {
        ..=MAX_ROWS => out.record(open.began, open.row),
        n if n == MAX_ROWS + 1 => out.weird(WeirdKind::TooManyCommands, Detail::Number(u64::from(MAX_ROWS))),
        _ => {}
    }
}

/// The message is over: its header belongs to the row now.
pub(super) fn read_message(open: &mut Open, whole: bool, out: &mut Output<'_>) {
    let Some(message) = open.message.take() else { return };
    let told = message.finish(whole && !open.cut, out);
    // Only a mail without a hop was written by the client itself.
    if let Some(agent) = told.header.user_agent.as_deref().filter(|_| told.header.received_count == 0) {
        out.clue(out.flow.tuple.src, Clue::Client, agent, "smtp.user_agent");
    }
    let row = &mut open.row;
    (row.header, row.attachments, row.attachment_count) =
        (told.header, told.attachments, told.attachment_count);
}

/// The mailbox in `FROM:<a@b> PARAMETERS` or `TO:<a@b>`, printable, and what follows it.
pub(super) fn path(argument: &[u8]) -> (String, &[u8]) {
    let from = memchr::memchr(b':', argument).map_or(0, |i| i + 1);
    let rest = argument.get(from..).unwrap_or(&[]).trim_ascii();
    let (mailbox, parameters) = match rest.strip_prefix(b"<") {
        Some(inner) => {
            let end = memchr::memchr(b'>', inner).unwrap_or(inner.len());
            (inner.get(..end).unwrap_or(inner), inner.get(end + 1..).unwrap_or(&[]))
        }
        None => lines::word(rest),
    };
    (printable(mailbox, MAX_PATH), parameters.trim_ascii())
}
