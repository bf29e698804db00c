//! What the pages ask of the store, and nothing else does. Lists are filtered, sorted, counted and
//! cut in SQL, so that what is read follows what is shown.
//!
//! A list is asked in two steps: which rows stand on the page, and what they hold. Nothing here
//! writes.

pub mod about;
mod fold;
pub mod home;
pub mod journal;
pub mod listed;
pub mod mails;
pub mod people;
pub mod soon;
pub mod tokens;

use sqlx::QueryBuilder;
use sqlx::Sqlite;

pub use crate::store::board::fold::Search;

/// Rows that are counted one by one in a list that grows with time; more are "more than".
pub const COUNTED: i64 = 100_000;

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Rows to leave out.
    pub from: i64,
    /// Rows to take.
    pub rows: i64,
}

/// So many rows, and whether there are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many were counted.
    pub rows: i64,
    /// Whether counting ended before the list.
    pub is_more: bool,
}

impl Count {
    fn exactly(rows: i64) -> Self {
        Self {
            rows,
            is_more: false,
        }
    }

    fn at_most(rows: i64) -> Self {
        Self {
            rows: rows.min(COUNTED),
            is_more: rows > COUNTED,
        }
    }
}

/// A statement being written.
type Sql = QueryBuilder<Sqlite>;

fn cut(sql: &mut Sql, slice: Slice) {
    sql.push(" LIMIT ").push_bind(slice.rows.max(0));
    sql.push(" OFFSET ").push_bind(slice.from.max(0));
}
