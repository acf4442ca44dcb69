//! What does a protocol parser hand on?
//!
//! A record: one transaction of an application protocol, typed, so that detectors read its fields, and able
//! to write itself as a row of its table. Records state facts; they never judge.

use super::rows::Row;
use super::schema::Table;
use std::any::Any;
use std::fmt::Debug;

/// One application record. Texts in it are already bounded and printable.
pub trait Record: Any + Send + Sync + Debug {
    /// The table it is stored in.
    fn table(&self) -> &'static Table;

    /// Write the columns of [`Table::columns`]; the common ones before them are written by the engine.
    fn write(&self, row: &mut Row<'_>);
}

impl dyn Record {
    /// The record as its own type, for who knows it.
    pub fn as_type<T: Record>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}
