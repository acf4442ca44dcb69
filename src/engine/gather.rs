//! How do the rows of all shards become batches of a table?
//!
//! After every batch of packets each shard has a few rows of many tables. Kept there until they are worth sending, they would lie in memory as often
//! as there are shards; so they are moved behind those of the shards before, and sent when a table has enough of them. The order of
//! rows is that of the shards, never that of threads. Refuses to hold more than [`MAX_BYTES`].

use crate::model::rows::Rows;
use crate::model::schema::Table;

/// Rows of a table before they go to the sink: two of DuckDB's vectors, so that it handles full ones.
const ROWS_PER_BATCH: usize = 4_096;

/// Bytes of rows that are held over all tables; past them the largest goes.
const MAX_BYTES: usize = 4 << 20;

/// Rows by table.
#[derive(Debug, Default)]
pub(super) struct Gather {
    tables: Vec<Rows>,
}

impl Gather {
    /// Take the rows of one shard and table; they are emptied.
    pub(super) fn add(&mut self, rows: &mut Rows) {
        if rows.is_empty() {
            return;
        }
        if let Some(held) = self.of(rows.table) {
            held.append(rows);
        }
    }

    fn of(&mut self, table: &'static Table) -> Option<&mut Rows> {
        let at = match self.tables.iter().position(|r| std::ptr::eq(r.table, table)) {
            Some(at) => at,
            None => {
                self.tables.push(Rows::new(table));
                self.tables.len() - 1
            }
        };
        self.tables.get_mut(at)
    }

    /// What is to be sent now: full batches, what is too much, or `all`.
    pub(super) fn take(&mut self, all: bool) -> Vec<Rows> {
        let least = if all { 1 } else { ROWS_PER_BATCH };
        let mut out: Vec<Rows> = self
            .tables
            .iter_mut()
            .filter(|r| r.len() >= least)
            .map(|r| std::mem::replace(r, Rows::new(r.table)))
            .collect();
        let mut held: usize = self.tables.iter().map(Rows::bytes).sum();
        while held > MAX_BYTES {
            let Some(most) = self.tables.iter_mut().max_by_key(|r| r.bytes()) else { break };
            held -= most.bytes();
            out.push(std::mem::replace(most, Rows::new(most.table)));
        }
        // They may wait long in the store, and vectors that grew are up to half empty.
        out.iter_mut().for_each(Rows::shrink_to_fit);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::{ColumnType, col};

    static A: Table = Table::plain("a", "A.", &[col("n", ColumnType::U32, "", "A number.")]);
    static B: Table = Table::plain("b", "B.", &[col("t", ColumnType::Text, "", "A text.")]);

    #[test]
    fn full_tables_go_and_the_order_stays() {
        let mut gather = Gather::default();
        let mut rows = Rows::new(&A);
        (0..ROWS_PER_BATCH as u32).for_each(|n| {
            rows.row().u32(n);
            gather.add(&mut rows);
        });
        let mut text = Rows::new(&B);
        text.row().text("x");
        gather.add(&mut text);
        let out = gather.take(false);
        assert_eq!(out.iter().map(|r| (r.table.name, r.len())).collect::<Vec<_>>(), [("a", ROWS_PER_BATCH)]);
        assert_eq!(out[0].get(77, 0), Some("77".into()));
        assert_eq!(gather.take(true).len(), 1);
        assert!(gather.take(true).is_empty());
    }

    #[test]
    fn long_texts_do_not_pile_up() {
        let mut gather = Gather::default();
        let mut text = Rows::new(&B);
        text.row().text(&"x".repeat(MAX_BYTES));
        gather.add(&mut text);
        let mut few = Rows::new(&A);
        few.row().u32(1);
        gather.add(&mut few);
        let out = gather.take(false);
        assert_eq!(out.iter().map(|r| r.table.name).collect::<Vec<_>>(), ["b"]);
    }
}
