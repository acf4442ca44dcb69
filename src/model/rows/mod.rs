//! How do rows travel to the store?
//!
//! By column, in plain vectors that Arrow can take over without a copy: offsets and bytes for text, bits
//! for NULL. A row is written left to right with a typed call per column. A call that does not fit its column
//! writes NULL and is counted in [`Rows::faults`]; tests hold that at zero.

mod values;

pub use values::Values;

use super::addr::{Ip, Mac};
use super::schema::{ColumnType, Table};
use super::time::Timestamp;
use std::fmt::Write;

/// A column being filled.
#[derive(Debug)]
pub struct Column {
    /// Its stored type.
    pub kind: ColumnType,
    /// Its values.
    pub values: Values,
    /// One bit a row, least significant first, 1 = not NULL (Arrow's layout).
    pub valid: Vec<u8>,
    /// How many are NULL.
    pub nulls: usize,
}

impl Column {
    fn new(kind: ColumnType) -> Self {
        let values = match kind {
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::U8 => Values::U8(Vec::new()),
            ColumnType::U16 => Values::U16(Vec::new()),
            ColumnType::U32 => Values::U32(Vec::new()),
            ColumnType::U64 => Values::U64(Vec::new()),
            ColumnType::I64 | ColumnType::Time => Values::I64(Vec::new()),
            ColumnType::F64 => Values::F64(Vec::new()),
            ColumnType::Text => Values::Text { ends: vec![0], bytes: Vec::new() },
            ColumnType::TextList => Values::TextList { list_ends: vec![0], ends: vec![0], bytes: Vec::new() },
        };
        Self { kind, values, valid: Vec::new(), nulls: 0 }
    }

    fn mark(&mut self, row: usize, valid: bool) {
        if row.is_multiple_of(8) {
            self.valid.push(0);
        }
        if valid {
            if let Some(byte) = self.valid.last_mut() {
                *byte |= 1 << (row % 8);
            }
        } else {
            self.nulls += 1;
        }
    }

    /// Move the values of `from` behind those of the `row` rows that are here.
    fn append(&mut self, from: &mut Self, row: usize) {
        self.nulls += std::mem::take(&mut from.nulls);
        let shift = row % 8;
        if shift == 0 {
            self.valid.append(&mut from.valid);
        } else {
            // Bits beyond the last row are zero, so that a byte too many says nothing.
            for byte in from.valid.drain(..) {
                if let Some(last) = self.valid.last_mut() {
                    *last |= byte << shift;
                }
                self.valid.push(byte >> (8 - shift));
            }
        }
        self.values.append(&mut from.values);
        self.valid.truncate(self.values.rows().div_ceil(8));
    }

    fn push_default(&mut self) {
        match &mut self.values {
            Values::Bool(v) => v.push(false),
            Values::U8(v) => v.push(0),
            Values::U16(v) => v.push(0),
            Values::U32(v) => v.push(0),
            Values::U64(v) => v.push(0),
            Values::I64(v) => v.push(0),
            Values::F64(v) => v.push(0.0),
            Values::Text { ends, bytes } => ends.push(bytes.len() as i32),
            Values::TextList { list_ends, ends, .. } => list_ends.push(ends.len() as i32 - 1),
        }
    }
}

/// Rows of one table, by column.
#[derive(Debug)]
pub struct Rows {
    /// The table they belong to.
    pub table: &'static Table,
    /// One entry per column of [`Table::all_columns`].
    pub columns: Vec<Column>,
    len: usize,
    faults: u64,
}

impl Rows {
    /// No rows yet.
    pub fn new(table: &'static Table) -> Self {
        let columns = table.all_columns().map(|c| Column::new(c.kind)).collect();
        Self { table, columns, len: 0, faults: 0 }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No rows?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values that did not fit their column: a mistake in a record's code, never in the input.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// One value as text, for tests and small listings; `None` for NULL and past the end.
    pub fn get(&self, row: usize, column: usize) -> Option<String> {
        let c = self.columns.get(column)?;
        if c.valid.get(row / 8)? & (1 << (row % 8)) == 0 {
            return None;
        }
        match &c.values {
            Values::Bool(v) => v.get(row).map(ToString::to_string),
            Values::U8(v) => v.get(row).map(ToString::to_string),
            Values::U16(v) => v.get(row).map(ToString::to_string),
            Values::U32(v) => v.get(row).map(ToString::to_string),
            Values::U64(v) => v.get(row).map(ToString::to_string),
            Values::I64(v) if c.kind == ColumnType::Time => v.get(row).map(|n| Timestamp(*n).to_string()),
            Values::I64(v) => v.get(row).map(ToString::to_string),
            Values::F64(v) => v.get(row).map(ToString::to_string),
            Values::Text { ends, bytes } => item(ends, bytes, row),
            Values::TextList { list_ends, ends, bytes } => {
                let (from, to) = (*list_ends.get(row)? as usize, *list_ends.get(row + 1)? as usize);
                Some((from..to).filter_map(|i| item(ends, bytes, i)).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Bytes that the values take, without what their vectors keep in reserve.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|c| c.valid.len() + c.values.bytes()).sum()
    }

    /// Move all rows of `from`, which are of the same table, behind the own ones. `from` is empty then and keeps its room for the next, but for
    /// what an unusual batch left behind.
    pub fn append(&mut self, from: &mut Self) {
        for (to, from) in self.columns.iter_mut().zip(&mut from.columns) {
            to.append(from, self.len);
        }
        self.len += std::mem::take(&mut from.len);
        self.faults += std::mem::take(&mut from.faults);
    }

    /// Give back the room that nothing lies in.
    pub fn shrink_to_fit(&mut self) {
        for column in &mut self.columns {
            column.valid.shrink_to_fit();
            column.values.shrink_to_fit();
        }
    }

    /// Begin a row; what is not written when it is dropped becomes NULL and counts as a fault.
    pub fn row(&mut self) -> Row<'_> {
        Row { rows: self, next: 0 }
    }
}

fn item(ends: &[i32], bytes: &[u8], i: usize) -> Option<String> {
    let (from, to) = (*ends.get(i)? as usize, *ends.get(i + 1)? as usize);
    Some(String::from_utf8_lossy(bytes.get(from..to)?).into_owned())
}

/// One row being written, column after column.
#[derive(Debug)]
pub struct Row<'a> {
    rows: &'a mut Rows,
    next: usize,
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $opt:ident, $variant:ident, $type:ty) => {
        $(#[$doc])*
        pub fn $name(&mut self, value: $type) -> &mut Self {
            self.put(|c| match &mut c.values {
                Values::$variant(v) => { v.push(value); true }
                _ => false,
            })
        }
        /// As above; `None` becomes NULL.
        pub fn $opt(&mut self, value: Option<$type>) -> &mut Self {
            match value {
                Some(v) => self.$name(v),
                None => self.null(),
            }
        }
    };
}

impl Row<'_> {
    fn put(&mut self, write: impl FnOnce(&mut Column) -> bool) -> &mut Self {
        let row = self.rows.len;
        match self.rows.columns.get_mut(self.next) {
            Some(column) => {
                let fits = write(column);
                if !fits {
                    column.push_default();
                    self.rows.faults += 1;
                }
                column.mark(row, fits);
            }
            None => self.rows.faults += 1,
        }
        self.next += 1;
        self
    }

    number!(
        /// A boolean.
        bool, opt_bool, Bool, bool);
    number!(
        /// A byte.
        u8, opt_u8, U8, u8);
    number!(
        /// A 16-bit number.
        u16, opt_u16, U16, u16);
    number!(
        /// A 32-bit number.
        u32, opt_u32, U32, u32);
    number!(
        /// A 64-bit number.
        u64, opt_u64, U64, u64);
    number!(
        /// A signed 64-bit number.
        i64, opt_i64, I64, i64);
    number!(
        /// A floating-point number.
        f64, opt_f64, F64, f64);

    /// A time; [`Timestamp::MAX`] cannot be stored apart from infinity and is clamped below it.
    pub fn time(&mut self, ts: Timestamp) -> &mut Self {
        // DuckDB keeps the largest value of TIMESTAMP_NS for infinity and the smallest for minus infinity.
        self.i64(ts.0.clamp(-i64::MAX + 1, i64::MAX - 1))
    }

    /// A time; `None` becomes NULL.
    pub fn opt_time(&mut self, ts: Option<Timestamp>) -> &mut Self {
        match ts {
            Some(ts) => self.time(ts),
            None => self.null(),
        }
    }

    /// Text that is already printable (see [`super::text`]).
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.put(|c| match &mut c.values {
            Values::Text { ends, bytes } => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len() as i32);
                true
            }
            _ => false,
        })
    }

    /// Text; `None` becomes NULL.
    pub fn opt_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(t) => self.text(t),
            None => self.null(),
        }
    }

    /// Anything that prints, written without a string in between.
    pub fn display(&mut self, value: &dyn std::fmt::Display) -> &mut Self {
        self.put(|c| match &mut c.values {
            Values::Text { ends, bytes } => {
                let _ = write!(Utf8(bytes), "{value}");
                ends.push(bytes.len() as i32);
                true
            }
            _ => false,
        })
    }

    /// An address as canonical text. IPv4 by hand: four of them a flow through `fmt` showed in the profile.
    pub fn ip(&mut self, ip: Ip) -> &mut Self {
        if !ip.is_v4() {
            return self.display(&ip);
        }
        self.bytes(|out| {
            for (i, octet) in ip.wire().iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                if *octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if *octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        })
    }

    /// A link-layer address; NULL when there is none. By hand for the same reason.
    pub fn mac(&mut self, mac: Mac) -> &mut Self {
        if !mac.is_some() {
            return self.null();
        }
        let digit = |n: u8| if n < 10 { b'0' + n } else { b'a' + n - 10 };
        self.bytes(|out| {
            for (i, b) in mac.0.iter().enumerate() {
                if i > 0 {
                    out.push(b':');
                }
                out.extend_from_slice(&[digit(b >> 4), digit(b & 15)]);
            }
        })
    }

    /// Text written as ASCII bytes by `write`.
    fn bytes(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.put(|c| match &mut c.values {
            Values::Text { ends, bytes } => {
                write(bytes);
                ends.push(bytes.len() as i32);
                true
            }
            _ => false,
        })
    }

    /// A list of texts.
    pub fn list<T: AsRef<str>>(&mut self, items: &[T]) -> &mut Self {
        self.put(|c| match &mut c.values {
            Values::TextList { list_ends, ends, bytes } => {
                for item in items {
                    bytes.extend_from_slice(item.as_ref().as_bytes());
                    ends.push(bytes.len() as i32);
                }
                list_ends.push(ends.len() as i32 - 1);
                true
            }
            _ => false,
        })
    }

    /// NULL.
    pub fn null(&mut self) -> &mut Self {
        let row = self.rows.len;
        match self.rows.columns.get_mut(self.next) {
            Some(column) => {
                column.push_default();
                column.mark(row, false);
            }
            None => self.rows.faults += 1,
        }
        self.next += 1;
        self
    }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        while self.next < self.rows.columns.len() {
            self.null();
            self.rows.faults += 1;
        }
        self.rows.len += 1;
    }
}

struct Utf8<'a>(&'a mut Vec<u8>);

impl Write for Utf8<'_> {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        self.0.extend_from_slice(s.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::col;
    use super::*;

    static TABLE: Table = Table::plain(
        "t",
        "A test.",
        &[
            col("n", ColumnType::U16, "", "A number."),
            col("s", ColumnType::Text, "", "A text."),
            col("l", ColumnType::TextList, "", "A list."),
        ],
    );

    #[test]
    fn rows_keep_values_and_nulls() {
        let mut rows = Rows::new(&TABLE);
        rows.row().u16(7).text("ab").list(&["x", "yz"]);
        rows.row().null().ip(Ip::v4([1, 2, 3, 4])).null();
        assert_eq!((rows.len(), rows.faults()), (2, 0));
        let shown = |r| (0..3).map(|c| rows.get(r, c)).collect::<Vec<_>>();
        assert_eq!(shown(0), [Some("7".into()), Some("ab".into()), Some("x,yz".into())]);
        assert_eq!(shown(1), [None, Some("1.2.3.4".into()), None]);
        assert_eq!((rows.columns[0].valid[0], rows.columns[0].nulls), (0b01, 1));
        assert!(
            matches!(&rows.columns[1].values, Values::Text { ends, bytes } if ends == &[0, 2, 9] && bytes == b"ab1.2.3.4")
        );
        assert!(
            matches!(&rows.columns[2].values, Values::TextList { list_ends, ends, .. } if list_ends == &[0, 2, 2] && ends == &[0, 1, 3])
        );
    }

    #[test]
    fn addresses_read_as_they_print() {
        static ADDRESSES: Table = Table::plain(
            "a",
            "A test.",
            &[
                col("ip", ColumnType::Text, "", "An address."),
                col("mac", ColumnType::Text, "", "A link address."),
            ],
        );
        let mut rows = Rows::new(&ADDRESSES);
        let ips = [[0, 9, 10, 99], [100, 101, 199, 255], [1, 2, 3, 4]].map(Ip::v4);
        let macs = [Mac([0, 1, 0x0a, 0x9f, 0xf0, 0xff]), Mac([0xff; 6]), Mac([0, 0, 0, 0, 0, 1])];
        for (i, (ip, mac)) in ips.into_iter().zip(macs).enumerate() {
            rows.row().ip(ip).mac(mac);
            assert_eq!((rows.get(i, 0), rows.get(i, 1)), (Some(ip.to_string()), Some(mac.to_string())));
        }
        rows.row().ip(Ip::v6([0x20; 16])).mac(Mac::NONE);
        assert_eq!((rows.get(3, 0), rows.get(3, 1)), (Some(Ip([0x20; 16]).to_string()), None));
        assert_eq!(rows.faults(), 0);
    }

    #[test]
    fn rows_append_to_rows_whatever_their_number() {
        for (first, second) in [(0, 3), (8, 9), (3, 14), (7, 1), (13, 0), (5, 3)] {
            let (mut all, mut some, mut whole) = (Rows::new(&TABLE), Rows::new(&TABLE), Rows::new(&TABLE));
            let write = |rows: &mut Rows, n: u16| {
                if n.is_multiple_of(3) {
                    rows.row().null().text(&n.to_string()).list(&["x", "yz"]);
                } else {
                    rows.row().u16(n).null().list::<&str>(&[]);
                }
            };
            (0..first).for_each(|n| write(&mut all, n));
            (first..first + second).for_each(|n| write(&mut some, n));
            (0..first + second).for_each(|n| write(&mut whole, n));
            all.append(&mut some);
            assert_eq!(format!("{all:?}"), format!("{whole:?}"), "{first} and {second}");
            assert_eq!((some.len(), some.columns[0].nulls), (0, 0));
            write(&mut some, 3);
            assert_eq!(some.get(0, 1), Some("3".into()), "what was emptied can be filled again");
            assert_eq!(format!("{some:?}"), {
                let mut anew = Rows::new(&TABLE);
                write(&mut anew, 3);
                format!("{anew:?}")
            });
        }
    }

    #[test]
    fn a_misfit_is_null_and_counted() {
        let mut rows = Rows::new(&TABLE);
        rows.row().text("not a number").text("ok");
        assert_eq!((rows.len(), rows.faults()), (1, 2), "a wrong type and a column left out");
        rows.row().u16(1).text("a").null().u16(5);
        assert_eq!(rows.faults(), 3, "one value too many");
    }
}
