//! How do the values of a column lie in memory?
//!
//! In plain vectors, text as offsets and bytes, as Arrow wants them. Refuses to know rows: that a column has as many values as its neighbours is theirs.

/// The values of one column. NULLs have a default value here and a cleared bit in [`Column::valid`].
#[derive(Debug)]
pub enum Values {
    /// Booleans.
    Bool(Vec<bool>),
    /// Bytes.
    U8(Vec<u8>),
    /// 16-bit numbers.
    U16(Vec<u16>),
    /// 32-bit numbers.
    U32(Vec<u32>),
    /// 64-bit numbers.
    U64(Vec<u64>),
    /// Signed 64-bit numbers; also [`ColumnType::Time`] in nanoseconds.
    I64(Vec<i64>),
    /// Floating point.
    F64(Vec<f64>),
    /// Text: `ends[i]` is the end of row i in `bytes` (UTF-8); `ends[0]` is 0 and belongs to no row.
    Text {
        /// Offsets, one more than rows.
        ends: Vec<i32>,
        /// All the text.
        bytes: Vec<u8>,
    },
    /// Lists of text: `list_ends` counts items, `ends` and `bytes` hold them as in `Text`.
    TextList {
        /// Offsets into the items, one more than rows.
        list_ends: Vec<i32>,
        /// Offsets into the bytes, one more than items.
        ends: Vec<i32>,
        /// All the text.
        bytes: Vec<u8>,
    },
}

impl Values {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len() * 2,
            Self::U32(v) => v.len() * 4,
            Self::U64(v) => v.len() * 8,
            Self::I64(v) => v.len() * 8,
            Self::F64(v) => v.len() * 8,
            Self::Text { ends, bytes } => ends.len() * 4 + bytes.len(),
            Self::TextList { list_ends, ends, bytes } => list_ends.len() * 4 + ends.len() * 4 + bytes.len(),
        }
    }

    /// How many rows have a value, or a default in its place.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Text { ends, .. } => ends.len().saturating_sub(1),
            Self::TextList { list_ends, .. } => list_ends.len().saturating_sub(1),
        }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        match self {
            Self::Bool(v) => v.shrink_to_fit(),
            Self::U8(v) => v.shrink_to_fit(),
            Self::U16(v) => v.shrink_to_fit(),
            Self::U32(v) => v.shrink_to_fit(),
            Self::U64(v) => v.shrink_to_fit(),
            Self::I64(v) => v.shrink_to_fit(),
            Self::F64(v) => v.shrink_to_fit(),
            Self::Text { ends, bytes } => {
                ends.shrink_to_fit();
                bytes.shrink_to_fit();
            }
            Self::TextList { list_ends, ends, bytes } => {
                list_ends.shrink_to_fit();
                ends.shrink_to_fit();
                bytes.shrink_to_fit();
            }
        }
    }

    /// Move the values of `from`, which are of the same type, behind these.
    pub(super) fn append(&mut self, from: &mut Self) {
        match (self, from) {
            (Self::Bool(to), Self::Bool(from)) => take_all(to, from),
            (Self::U8(to), Self::U8(from)) => take_all(to, from),
            (Self::U16(to), Self::U16(from)) => take_all(to, from),
            (Self::U32(to), Self::U32(from)) => take_all(to, from),
            (Self::U64(to), Self::U64(from)) => take_all(to, from),
            (Self::I64(to), Self::I64(from)) => take_all(to, from),
            (Self::F64(to), Self::F64(from)) => take_all(to, from),
            (Self::Text { ends, bytes }, Self::Text { ends: more, bytes: text }) => {
                append_ends(ends, more);
                take_all(bytes, text);
            }
            (
                Self::TextList { list_ends, ends, bytes },
                Self::TextList { list_ends: more_lists, ends: more, bytes: text },
            ) => {
                append_ends(list_ends, more_lists);
                append_ends(ends, more);
                take_all(bytes, text);
            }
            // Columns of one table have one type.
            _ => {}
        }
    }
}

/// Vectors of emptied rows keep this much room, bytes: what a usual batch needs. Every shard has one per column and table.
const ROOM: usize = 4 << 10;

fn take_all<T: Copy>(to: &mut Vec<T>, from: &mut Vec<T>) {
    to.extend_from_slice(from);
    from.clear();
    if from.capacity() * size_of::<T>() > ROOM {
        *from = Vec::new();
    }
}

/// Append offsets, of which the first belongs to no item, behind others; `from` becomes that of nothing.
fn append_ends(to: &mut Vec<i32>, from: &mut Vec<i32>) {
    let base = to.last().copied().unwrap_or(0);
    // An overflow would need 2 GiB of text in one batch; wrapped offsets are refused before they reach the file.
    to.extend(from.iter().skip(1).map(|end| end.wrapping_add(base)));
    from.truncate(1);
}
