//! What is stored of a Kerberos exchange?

use super::codes;
use super::message::Ticket;
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::model::time::Timestamp;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exchange {
    /// A ticket-granting ticket: a login.
    As,
    /// A ticket for a service.
    Tgs,
    /// A ticket was shown to a service.
    Ap,
    /// Only an error was seen.
    Unknown,
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct KerberosRecord {
    /// What was asked for.
    pub exchange: Exchange,
    /// Who asked, without realm.
    pub client: Option<String>,
    /// Realm of the client.
    pub client_realm: Option<String>,
    /// Service asked for, parts with slashes.
    pub service: Option<String>,
    /// Realm asked.
    pub realm: Option<String>,
    /// Granted? `None` without an answer.
    pub success: Option<bool>,
    /// Number of the error.
    pub error: Option<i64>,
    /// The server's words for it.
    pub error_text: Option<String>,
    /// Validity as wanted.
    pub from: Option<Timestamp>,
    /// Its end as wanted.
    pub till: Option<Timestamp>,
    /// Last renewal as wanted.
    pub renew_till: Option<Timestamp>,
    /// Options of the request, bits as in RFC 4120 section 5.4.1; `None` when no request was seen.
    pub options: Option<u32>,
    /// Encryption types offered, in order.
    pub etypes: Vec<i64>,
    /// The ticket: who issued it, for what, and how it is encrypted.
    pub ticket: Ticket,
    /// Encryption of the reply's part for the client.
    pub reply_etype: Option<i64>,
    /// Kinds of pre-authentication that the client sent, in order.
    pub pre_auth: Vec<i64>,
    /// Nanoseconds from question to answer.
    pub rtt: Option<i64>,
}

/// Bits of the options.
mod bit {
    pub(super) const FORWARDABLE: u32 = 1 << 30;
    pub(super) const RENEWABLE: u32 = 1 << 23;
    pub(super) const CONSTRAINED_DELEGATION: u32 = 1 << 17;
}

/// Exchanges.
pub static TABLE: Table = Table::record(
    "kerberos",
    "One row is one Kerberos exchange: a request with its answer, or a message that stands alone.",
    &[
        col(
            "request_type",
            T::Text,
            "",
            "AS (login), TGS (ticket for a service) or AP (ticket shown to a service); NULL when only an error was seen.",
        ),
        col(
            "client",
            T::Text,
            "",
            "Account that asks; machines end in $. NULL when neither request nor answer named one.",
        ),
        col(
            "client_realm",
            T::Text,
            "",
            "Realm of the account; NULL when no answer named it and the request was no login.",
        ),
        col(
            "service",
            T::Text,
            "",
            "Service asked for, such as krbtgt/REALM or cifs/host; NULL when not named.",
        ),
        col("realm", T::Text, "", "Realm that was asked; NULL when not named."),
        col("success", T::Bool, "", "Was it granted? NULL when no answer was seen."),
        col("error_code", T::I64, "", "Number of the error; NULL without one."),
        col("error", T::Text, "", "Name of the error in RFC 4120; NULL without one, or when it has no name."),
        col("error_text", T::Text, "", "The server's words; NULL without any."),
        col(
            "valid_from",
            T::Time,
            "UTC",
            "Begin of validity that the client wants; NULL when it leaves that open.",
        ),
        col(
            "valid_till",
            T::Time,
            "UTC",
            "End of validity that the client wants; NULL when it leaves that open or no request was seen.",
        ),
        col(
            "renew_till",
            T::Time,
            "UTC",
            "Last renewal that the client wants; NULL when it leaves that open.",
        ),
        col(
            "forwardable",
            T::Bool,
            "",
            "Does the client want a forwardable ticket? NULL when no request was seen.",
        ),
        col(
            "renewable",
            T::Bool,
            "",
            "Does the client want a renewable ticket? NULL when no request was seen.",
        ),
        col(
            "delegated",
            T::Bool,
            "",
            "Does a service ask in a user's name (constrained delegation)? NULL when no request was seen.",
        ),
        col(
            "etypes",
            T::Text,
            "",
            "Encryption types that the client offers, in its order, with commas; NULL when no request was seen.",
        ),
        col(
            "ticket_etype",
            T::Text,
            "",
            "Encryption of the ticket; rc4-hmac for a service account can be attacked offline. NULL without a ticket.",
        ),
        col(
            "reply_etype",
            T::Text,
            "",
            "Encryption of the answer's part for the client; NULL without a ticket.",
        ),
        col(
            "pre_auth",
            T::Text,
            "",
            "Kinds of pre-authentication that the client sent, with commas; NULL without any.",
        ),
        col("rtt_s", T::F64, "seconds", "From the request to its answer; NULL unless both were seen."),
    ],
);

impl Record for KerberosRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let request_type = match self.exchange {
            Exchange::As => Some("AS"),
            Exchange::Tgs => Some("TGS"),
            Exchange::Ap => Some("AP"),
            Exchange::Unknown => None,
        };
        let wants = |bit| self.options.map(|o| o & bit != 0);
        let one = |etype: Option<i64>| etype.and_then(|e| codes::etypes(&[e]));
        row.opt_text(request_type)
            .opt_text(self.client.as_deref())
            .opt_text(self.client_realm.as_deref())
            .opt_text(self.service.as_deref())
            .opt_text(self.realm.as_deref())
            .opt_bool(self.success)
            .opt_i64(self.error)
            .opt_text(self.error.and_then(codes::error))
            .opt_text(self.error_text.as_deref())
            .opt_time(self.from)
            .opt_time(self.till)
            .opt_time(self.renew_till)
            .opt_bool(wants(bit::FORWARDABLE))
            .opt_bool(wants(bit::RENEWABLE))
            .opt_bool(wants(bit::CONSTRAINED_DELEGATION))
            .opt_text(codes::etypes(&self.etypes).as_deref())
            .opt_text(one(self.ticket.etype).as_deref())
            .opt_text(one(self.reply_etype).as_deref())
            .opt_text(codes::pre_auths(&self.pre_auth).as_deref())
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
