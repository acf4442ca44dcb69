//! What is told of a Modbus request and its answer?
//!
//! The row of `modbus`, its columns and their meaning.

use super::{exception_name, function_name, is_write};
use crate::model::record::Record;
use crate::model::rows::Row;
use crate::model::schema::{ColumnType as T, Table, col};
use crate::protocol::polling::{self, Repeated, Repeats, seconds};

/// One request with its answer.
#[derive(Clone, Debug)]
pub struct ModbusRecord {
    /// Transaction identifier.
    pub transaction_id: u16,
    /// Unit identifier.
    pub unit: u8,
    /// Function code without the exception bit.
    pub function_code: u8,
    /// Sub-function of diagnostics, MEI type, or UMAS function code.
    pub subfunction: Option<u16>,
    /// First address of what is read or written.
    pub address: Option<u16>,
    /// How many coils or registers.
    pub quantity: Option<u16>,
    /// Values written, or read.
    pub values: Option<String>,
    /// Exception code of the answer.
    pub exception: Option<u8>,
    /// Was there an answer?
    pub answered: bool,
    /// Nanoseconds to the answer.
    pub rtt: Option<i64>,
    /// How often.
    pub repeats: Repeats,
}

impl ModbusRecord {
    /// Does it change something?
    pub fn is_write(&self) -> bool {
        is_write(self.function_code, self.subfunction)
    }

    /// The function's name.
    pub fn function(&self) -> Option<&'static str> {
        function_name(self.function_code)
    }
}

impl Repeated for ModbusRecord {
    fn repeats(&mut self) -> &mut Repeats {
        &mut self.repeats
    }
}

/// Requests.
pub static TABLE: Table = Table::record(
    "modbus",
    "One row is one Modbus request with its answer, or many equal readings of one flow.",
    &[
        col("transaction_id", T::U16, "", "Transaction identifier of the request."),
        col(
            "unit",
            T::U8,
            "",
            "Unit identifier: the device behind a gateway; 0 and 255 mean the gateway itself.",
        ),
        col("function_code", T::U8, "", "Function code, without the bit that marks an exception."),
        col(
            "function",
            T::Text,
            "",
            "Name of the function; NULL for one that the specification does not name.",
        ),
        polling::IS_WRITE,
        col(
            "subfunction",
            T::U16,
            "",
            "Sub-function of diagnostics, MEI type, or function of UMAS; NULL for others.",
        ),
        col(
            "address",
            T::U16,
            "",
            "First coil or register, from 0, that is read, or else written; NULL when the request names none.",
        ),
        col(
            "quantity",
            T::U16,
            "coils or registers",
            "How many are read or written; NULL when the request does not say.",
        ),
        col(
            "values",
            T::Text,
            "",
            "Values written, else those of the first answer: registers as unsigned numbers, coils as 0 and 1, the first 32; NULL without.",
        ),
        col("exception_code", T::U8, "", "Why the device refused; NULL when it did not, or did not answer."),
        col("exception", T::Text, "", "Name of the exception; NULL without one, and for an unknown code."),
        col("answered", T::Bool, "", "Was an answer seen?"),
        polling::RTT,
        polling::COUNT,
        polling::LAST_TS,
    ],
);

impl Record for ModbusRecord {
    fn table(&self) -> &'static Table {
        &TABLE
    }

    fn write(&self, row: &mut Row<'_>) {
        row.u16(self.transaction_id)
            .u8(self.unit)
            .u8(self.function_code)
            .opt_text(self.function())
            .bool(self.is_write())
            .opt_u16(self.subfunction)
            .opt_u16(self.address)
            .opt_u16(self.quantity)
            .opt_text(self.values.as_deref())
            .opt_u8(self.exception)
            .opt_text(self.exception.and_then(exception_name))
            .bool(self.answered)
            .opt_f64(self.rtt.map(seconds))
            .u32(self.repeats.count)
            .time(self.repeats.last);
    }
}
