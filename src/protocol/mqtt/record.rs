//! What is kept of one message of MQTT?
//!
//! The table `mqtt` and its typed record. Texts are printable and bounded; secrets are never taken over.

use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};

/// One thing that a client or the server did.
#[derive(Clone, Debug, Default)]
pub struct MqttMessage {
    /// What it was.
    pub action: &'static str,
    /// Did the client send it?
    pub from_client: bool,
    /// Name of the client.
    pub client_id: Option<Box<str>>,
    /// Account of the client.
    pub username: Option<Box<str>>,
    /// Protocol version.
    pub version: Option<&'static str>,
    /// Seconds.
    pub keep_alive: Option<u16>,
    /// Topic or filter.
    pub topic: Option<String>,
    /// Asked quality of service, 0 to 2.
    pub qos: Option<u8>,
    /// Is the server to keep it?
    pub retain: Option<bool>,
    /// Bytes of the payload.
    pub payload_len: Option<u64>,
    /// Reason or return code.
    pub code: Option<u8>,
    /// Did the other side accept it?
    pub success: Option<bool>,
    /// From it to its acknowledgement, nanoseconds.
    pub rtt: Option<i64>,
}

/// What was done.
pub static TABLE: Table = Table::record(
    "mqtt",
    "One row is one connect, publication, subscribed topic, unsubscribed topic or disconnect of MQTT.",
    &[
        col("action", T::Text, "", "connect, publish, subscribe, unsubscribe or disconnect."),
        col(
            "from_client",
            T::Bool,
            "",
            "Did the client send it? Else the server (publications to a subscriber).",
        ),
        col(
            "client_id",
            T::Text,
            "",
            "Name that the client gave itself; NULL when its connect was not seen or it has none.",
        ),
        col("username", T::Text, "", "Account of the client; NULL without one."),
        col(
            "version",
            T::Text,
            "",
            "Protocol version: 3.1, 3.1.1 or 5.0; NULL when the connect was not seen.",
        ),
        col(
            "keep_alive",
            T::U16,
            "seconds",
            "Longest silence that the client promises; on a connect only, else NULL.",
        ),
        col(
            "topic",
            T::Text,
            "",
            "Topic, or filter of topics; on a connect the topic of the client's will; NULL without one.",
        ),
        col(
            "qos",
            T::U8,
            "",
            "Quality of service: 0 at most once, 1 at least once, 2 exactly once; NULL where it means nothing.",
        ),
        col(
            "retain",
            T::Bool,
            "",
            "Is the server to keep the message for later subscribers? NULL for other actions.",
        ),
        col("payload_len", T::U64, "bytes", "Length of the message; NULL for other actions."),
        col("code", T::U8, "", "Return or reason code; NULL when no acknowledgement was seen."),
        col(
            "success",
            T::Bool,
            "",
            "Did the other side accept it? NULL when no acknowledgement was seen or none is sent.",
        ),
        col("rtt_s", T::F64, "seconds", "From it to its acknowledgement; NULL without one."),
    ],
);

impl Record for MqttMessage {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.text(self.action)
            .bool(self.from_client)
            .opt_text(self.client_id.as_deref())
            .opt_text(self.username.as_deref())
            .opt_text(self.version)
            .opt_u16(self.keep_alive)
            .opt_text(self.topic.as_deref())
            .opt_u8(self.qos)
            .opt_bool(self.retain)
            .opt_u64(self.payload_len)
            .opt_u8(self.code)
            .opt_bool(self.success)
            .opt_f64(self.rtt.map(|ns| ns as f64 / 1e9));
    }
}
