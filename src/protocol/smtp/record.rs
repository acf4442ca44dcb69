//! What is kept of one mail transaction?
//!
//! The table `smtp` and its typed record: the envelope, what the server said, and the header of the mail inside.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::protocol::mime::MailHeader;

/// One row per mail transaction.
pub static SMTP: Table = Table::record(
    "smtp",
    "One row is one mail transaction, or a session that had none. ts is MAIL, else HELO. Attachments are in files, logins in credentials.",
    &[
        col(
            "trans_depth",
            T::U32,
            "",
            "Position among the transactions of its flow, from 1; 0 for a session that had none.",
        ),
        col("helo", T::Text, "", "Name that the client gave in HELO, EHLO or LHLO; NULL when none was seen."),
        col(
            "mailfrom",
            T::Text,
            "",
            "Sender of the envelope, empty for bounces; NULL without a MAIL command.",
        ),
        col("rcptto", T::TextList, "", "Recipients of the envelope, at most 100."),
        col("rcpt_count", T::U32, "recipients", "Recipients that the client named, all of them."),
        col("rcpt_rejected", T::U32, "recipients", "Recipients that the server refused."),
        col(
            "declared_bytes",
            T::U64,
            "bytes",
            "Size that the client declared (SIZE, RFC 1870); NULL without.",
        ),
        col(
            "message_bytes",
            T::U64,
            "bytes",
            "Bytes of the message that were seen, as on the wire; NULL when none was sent.",
        ),
        col("reply_code", T::U16, "", "Code of the last reply that belongs to it; NULL when none was seen."),
        col("reply_text", T::Text, "", "Last line of that reply without its code; NULL when none was seen."),
        col("tls", T::Bool, "", "Did the server accept STARTTLS? What follows it is encrypted."),
        col("auth_mechanism", T::Text, "", "Mechanism of the last AUTH before it; NULL without one."),
        col("date", T::Text, "", "Date of the mail as sent; NULL without one."),
        col("header_from", T::Text, "", "From of the mail; NULL without one."),
        col("header_to", T::Text, "", "To of the mail; NULL without one."),
        col("cc", T::Text, "", "Cc of the mail; NULL without one."),
        col("reply_to", T::Text, "", "Reply-To of the mail; NULL without one."),
        col("message_id", T::Text, "", "Message-ID of the mail; NULL without one."),
        col("in_reply_to", T::Text, "", "In-Reply-To of the mail; NULL without one."),
        col(
            "subject",
            T::Text,
            "",
            "Subject of the mail, decoded where its character set is known; NULL without one.",
        ),
        col(
            "user_agent",
            T::Text,
            "",
            "Program that wrote the mail (User-Agent or X-Mailer); NULL when it does not say.",
        ),
        col(
            "x_originating_ip",
            T::Text,
            "",
            "X-Originating-IP: the client of a web mailer; NULL without one.",
        ),
        col(
            "received",
            T::Text,
            "",
            "Topmost Received field: the last hop before this one; NULL without one.",
        ),
        col("received_count", T::U16, "hops", "Received fields: hops that the mail says it had."),
        col("attachments", T::TextList, "", "Names of attached files, at most 32."),
        col("attachment_count", T::U16, "parts", "Parts of the mail that are files, named or not."),
        col("complete", T::Bool, "", "Was the message seen from its first byte to its end?"),
    ],
);

/// One mail transaction.
#[derive(Clone, Debug, Default)]
pub struct SmtpTransaction {
    /// From 1; 0 for a session without one.
    pub trans_depth: u32,
    /// Name in HELO, EHLO or LHLO.
    pub helo: Option<String>,
    /// Sender of the envelope.
    pub mailfrom: Option<String>,
    /// Recipients, capped.
    pub rcptto: Vec<String>,
    /// All that were named.
    pub rcpt_count: u32,
    /// Those that were refused.
    pub rcpt_rejected: u32,
    /// SIZE, bytes.
    pub declared_bytes: Option<u64>,
    /// Bytes seen of the message.
    pub message_bytes: Option<u64>,
    /// Code of the last reply.
    pub reply_code: Option<u16>,
    /// Its text.
    pub reply_text: Option<String>,
    /// STARTTLS accepted.
    pub tls: bool,
    /// Mechanism of AUTH.
    pub auth_mechanism: Option<&'static str>,
    /// Header of the mail.
    pub header: MailHeader,
    /// Names of attachments.
    pub attachments: Vec<String>,
    /// Parts that are files.
    pub attachment_count: u16,
    /// Seen from first to last byte.
    pub complete: bool,
}

impl Record for SmtpTransaction {
    fn table(&self) -> &'static Table {
        &SMTP
    }

    fn write(&self, row: &mut Row<'_>) {
        let h = &self.header;
        row.u32(self.trans_depth)
            .opt_text(self.helo.as_deref())
            .opt_text(self.mailfrom.as_deref())
            .list(&self.rcptto)
            .u32(self.rcpt_count)
            .u32(self.rcpt_rejected)
            .opt_u64(self.declared_bytes)
            .opt_u64(self.message_bytes)
            .opt_u16(self.reply_code)
            .opt_text(self.reply_text.as_deref())
            .bool(self.tls)
            .opt_text(self.auth_mechanism)
            .opt_text(h.date.as_deref())
            .opt_text(h.from.as_deref())
            .opt_text(h.to.as_deref())
            .opt_text(h.cc.as_deref())
            .opt_text(h.reply_to.as_deref())
            .opt_text(h.message_id.as_deref())
            .opt_text(h.in_reply_to.as_deref())
            .opt_text(h.subject.as_deref())
            .opt_text(h.user_agent.as_deref())
            .opt_text(h.x_originating_ip.as_deref())
            .opt_text(h.received.as_deref())
            .u16(h.received_count)
            .list(&self.attachments)
            .u16(self.attachment_count)
            .bool(self.complete);
    }
}
