//! What is a table?
//!
//! Each record declares its table here in code, column by column with unit and meaning, and everything else
//! is derived: CREATE TABLE and COMMENT ON, CSV headers, the schema page, the tests. Refuses a column without
//! a sentence (a test asks for it).

/// How a column is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColumnType {
    /// BOOLEAN
    Bool,
    /// UTINYINT
    U8,
    /// USMALLINT
    U16,
    /// UINTEGER
    U32,
    /// UBIGINT
    U64,
    /// BIGINT
    I64,
    /// DOUBLE
    F64,
    /// VARCHAR
    Text,
    /// TIMESTAMP_NS, UTC
    Time,
    /// VARCHAR[]; for tables with few rows
    TextList,
}

impl ColumnType {
    /// DuckDB's name of the type.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::U8 => "UTINYINT",
            Self::U16 => "USMALLINT",
            Self::U32 => "UINTEGER",
            Self::U64 => "UBIGINT",
            Self::I64 => "BIGINT",
            Self::F64 => "DOUBLE",
            Self::Text => "VARCHAR",
            Self::Time => "TIMESTAMP_NS",
            Self::TextList => "VARCHAR[]",
        }
    }
}

/// One column: name, type, unit ("" when it has none) and what it means, in a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Lower snake case; part of the contract.
    pub name: &'static str,
    /// Stored type.
    pub kind: ColumnType,
    /// Unit such as "bytes", "seconds", "packets"; empty for names and codes.
    pub unit: &'static str,
    /// Meaning, a full sentence; says when it is NULL.
    pub meaning: &'static str,
}

/// Shorthand so that a table reads as a table.
pub const fn col(name: &'static str, kind: ColumnType, unit: &'static str, meaning: &'static str) -> Column {
    Column { name, kind, unit, meaning }
}

/// A table and its columns in order.
#[derive(Debug)]
pub struct Table {
    /// Lower snake case; part of the contract.
    pub name: &'static str,
    /// What one row is, a full sentence.
    pub meaning: &'static str,
    /// The columns of its own. Tables of application records are stored with [`RECORD_COLUMNS`] before them.
    pub columns: &'static [Column],
    /// Does every row belong to a flow, and so begin with [`RECORD_COLUMNS`]?
    pub is_record: bool,
}

/// What every application record begins with.
pub const RECORD_COLUMNS: &[Column] = &[
    col("ts", ColumnType::Time, "UTC", "When the record began: the time of its first packet."),
    col("capture_id", ColumnType::I64, "", "The capture the record was seen in; joins captures."),
    col("flow_id", ColumnType::I64, "", "The flow that carried the record; joins flows."),
];

impl Table {
    /// A table of application records; `columns` follow [`RECORD_COLUMNS`].
    pub const fn record(name: &'static str, meaning: &'static str, columns: &'static [Column]) -> Self {
        Self { name, meaning, columns, is_record: true }
    }

    /// A table whose columns are all listed.
    pub const fn plain(name: &'static str, meaning: &'static str, columns: &'static [Column]) -> Self {
        Self { name, meaning, columns, is_record: false }
    }

    /// Every stored column in order.
    pub fn all_columns(&self) -> impl Iterator<Item = &Column> {
        let common = if self.is_record { RECORD_COLUMNS } else { &[] };
        common.iter().chain(self.columns)
    }
}
