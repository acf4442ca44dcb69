//! What is told of an EtherNet/IP command and its answer?
//!
//! The row of `enip`, its columns and their meaning.

use super::{command_name, is_write, service_name};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::protocol::polling::{self, Repeated, Repeats, seconds};

/// One command with its answer.
#[derive(Clone, Debug)]
pub struct EnipRecord {
    /// Encapsulation command.
    pub command: u16,
    /// Session handle.
    pub session: u32,
    /// Status of the encapsulation in the answer.
    pub status: Option<u32>,
    /// CIP service without the reply bit.
    pub service: Option<u8>,
    /// Class, instance and attribute that it is asked of.
    pub path: Path,
    /// General status of the CIP answer.
    pub cip_status: Option<u8>,
    /// Identity that the device sent.
    pub identity: Option<Identity>,
    /// Was there an answer?
    pub answered: bool,
    /// Nanoseconds to it.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// Class.
    pub class: Option<u16>,
    /// Instance.
    pub instance: Option<u32>,
    /// Attribute.
    pub attribute: Option<u16>,
    /// Name of a tag.
    pub symbol: Option<String>,
}

/// What a device says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor number (ODVA's list).
    pub vendor: u16,
    /// Device type number.
    pub device_type: u16,
    /// Product code, the vendor's.
    pub product_code: u16,
    /// Revision, major and minor.
    pub revision: (u8, u8),
    /// Serial number.
    pub serial: u32,
    /// Name, printable.
    pub name: String,
}

impl EnipRecord {
    /// Does it change the device?
    pub fn is_write(&self) -> bool {
        self.service.is_some_and(|s| is_write(s, self.path.class))
    }

    /// Name of the function.
    pub fn function(&self) -> Option<&'static str> {
        match self.service {
            Some(s) => service_name(s, self.path.class),
            None => command_name(self.command),
        }
    }
}

impl Repeated for EnipRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Commands.
pub static TABLE: Table = Table::record(
    "enip",
    "One row is one EtherNet/IP command with its answer, or many equal readings of one flow.",
    &[
        col("command", T::U16, "", "Number of the encapsulation command."),
        col("command_name", T::Text, "", "Its name; NULL for an unknown one."),
        col("session", T::U32, "", "Session handle; 0 before a session is registered."),
        col(
            "status",
            T::U32,
            "",
            "Status of the encapsulation in the answer, 0 = done; NULL when no answer was seen.",
        ),
        col("service", T::U8, "", "CIP service; NULL for a command without one."),
        col(
            "function",
            T::Text,
            "",
            "Name of the CIP service, or of the command when it carries none; NULL for an unknown one.",
        ),
        polling::IS_WRITE,
        col("class", T::U16, "", "CIP class that is asked; NULL when the path names none."),
        col("instance", T::U32, "", "Instance of the class; NULL when the path names none."),
        col("attribute", T::U16, "", "Attribute; NULL when the path names none."),
        col("symbol", T::Text, "", "Name of the tag; NULL when the path names none."),
        col("cip_status", T::U8, "", "General status of the CIP answer, 0 = done; NULL when none was seen."),
        col("vendor_id", T::U16, "", "Vendor of the device; NULL unless it sent its identity."),
        col("device_type", T::U16, "", "Device type; NULL unless it sent its identity."),
        col("product_code", T::U16, "", "Product code; NULL unless it sent its identity."),
        col("revision", T::Text, "", "Revision as major.minor; NULL unless it sent its identity."),
        col("serial", T::U32, "", "Serial number; NULL unless it sent its identity."),
        col("product", T::Text, "", "Product name; NULL unless it sent its identity."),
        col("answered", T::Bool, "", "Was an answer seen?"),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for EnipRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        let i = self.identity.as_ref();
        row.u16(self.command)
            .opt_text(command_name(self.command))
            .u32(self.session)
            .opt_u32(self.status)
            .opt_u8(self.service)
            .opt_text(self.function())
            .bool(self.is_write())
            .opt_u16(self.path.class)
            .opt_u32(self.path.instance)
            .opt_u16(self.path.attribute)
            .opt_text(self.path.symbol.as_deref())
            .opt_u8(self.cip_status)
            .opt_u16(i.map(|i| i.vendor))
            .opt_u16(i.map(|i| i.device_type))
            .opt_u16(i.map(|i| i.product_code))
            .opt_text(i.map(|i| format!("{}.{}", i.revision.0, i.revision.1)).as_deref())
            .opt_u32(i.map(|i| i.serial))
            .opt_text(i.map(|i| i.name.as_str()))
            .bool(self.answered)
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}
