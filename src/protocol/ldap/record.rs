//! What is stored of an LDAP operation?

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One operation with its result.
#[derive(Clone, Debug, Default)]
pub struct LdapRecord {
    /// Number of the message.
    pub message_id: u32,
    /// What was asked.
    pub operation: &'static str,
    /// Version of a bind.
    pub version: Option<u8>,
    /// How a bind proves who it is: `simple`, or the SASL mechanism.
    pub mechanism: Option<String>,
    /// Entry bound as, searched from, or changed; the number of an extended operation.
    pub object: Option<String>,
    /// How deep a search goes.
    pub scope: Option<&'static str>,
    /// What a search looks for.
    pub filter: Option<String>,
    /// Attributes wanted or changed, with commas.
    pub attributes: Option<String>,
    /// Result, as a number.
    pub result: Option<u32>,
    /// What the server says about it.
    pub diagnostic: Option<String>,
    /// Entries that a search returned.
    pub entries: u32,
    /// Referrals that a search returned.
    pub referrals: u32,
    /// Nanoseconds to the result.
    pub rtt: Option<i64>,
}

/// Operations.
pub static TABLE: Table = Table::record(
    "ldap",
    "One row is one LDAP operation with its result.",
    &[
        col("message_id", T::U32, "", "Number that the client gave it."),
        col(
            "operation",
            T::Text,
            "",
            "bind, unbind, search, modify, add, delete, modify_dn, compare, abandon, extended, starttls, or notice (the server alone).",
        ),
        col("version", T::U8, "", "Version of LDAP in a bind; NULL for other operations."),
        col(
            "mechanism",
            T::Text,
            "",
            "simple, sicily, or the SASL mechanism of a bind; NULL for other operations.",
        ),
        col(
            "object",
            T::Text,
            "",
            "Entry bound as, searched from, changed or compared; the number of an extended operation; NULL when empty.",
        ),
        col("scope", T::Text, "", "base, one or sub, for a search; NULL for other operations."),
        col(
            "filter",
            T::Text,
            "",
            "Filter of a search in the form of RFC 4515; NULL for other operations or when malformed.",
        ),
        col(
            "attributes",
            T::Text,
            "",
            "Attributes that are wanted, changed or compared, with commas; NULL without any.",
        ),
        col("result_code", T::U32, "", "Result; 0 is success. NULL when no result was seen."),
        col(
            "result",
            T::Text,
            "",
            "Name of the result in RFC 4511; NULL when none was seen, or it has no name.",
        ),
        col("diagnostic", T::Text, "", "What the server says about the result; NULL without words."),
        col("entries", T::U32, "entries", "Entries that a search returned as far as seen."),
        col(
            "referrals",
            T::U32,
            "referrals",
            "References to other servers that a search returned as far as seen.",
        ),
        col("rtt_s", T::F64, "seconds", "From the request to its result; NULL unless both were seen."),
    ],
);

/// Name of a result code (RFC 4511 appendix A).
pub(super) fn result_name(code: u32) -> Option<&'static str> {
    Some(match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        5 => "compareFalse",
        6 => "compareTrue",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        14 => "saslBindInProgress",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        18 => "inappropriateMatching",
        19 => "constraintViolation",
        20 => "attributeOrValueExists",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        33 => "aliasProblem",
        34 => "invalidDNSyntax",
        36 => "aliasDereferencingProblem",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        54 => "loopDetect",
        64 => "namingViolation",
        65 => "objectClassViolation",
        66 => "notAllowedOnNonLeaf",
        67 => "notAllowedOnRDN",
        68 => "entryAlreadyExists",
        69 => "objectClassModsProhibited",
        71 => "affectsMultipleDSAs",
        80 => "other",
        _ => return None,
    })
}

impl Record for LdapRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u32(self.message_id)
            .text(self.operation)
            .opt_u8(self.version)
            .opt_text(self.mechanism.as_deref())
            .opt_text(self.object.as_deref())
            .opt_text(self.scope)
            .opt_text(self.filter.as_deref())
            .opt_text(self.attributes.as_deref())
            .opt_u32(self.result)
            .opt_text(self.result.and_then(result_name))
            .opt_text(self.diagnostic.as_deref())
            .u32(self.entries)
            .u32(self.referrals)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
