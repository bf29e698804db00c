//! The pages of a list: which rows stand on this one, and where the others are.

use serde::Serialize;

use crate::store::board::{Count, Slice};
use crate::web::board::Ask;
use crate::web::board::query::ROWS;

/// Where a page stands in its list; each link is a query.
#[derive(Debug, Serialize)]
pub(super) struct Pager {
    /// Its first and last row, from 1; both 0 in an empty list.
    from: i64,
    to: i64,
    /// All rows, or those that were counted.
    of: i64,
    /// Whether there are more than were counted.
    is_more: bool,
    first: Option<String>,
    previous: Option<String>,
    next: Option<String>,
    last: Option<String>,
}

impl Pager {
    /// The page that was asked for, or the last one; and its part of the list.
    pub(super) fn of(ask: &Ask, count: Count) -> (Self, Slice) {
        let rows = i64::try_from(ROWS).unwrap_or(i64::MAX);
        let last = (count.rows.max(1) + rows - 1) / rows;
        let page = i64::try_from(ask.query.page()).unwrap_or(last).min(last);
        let from = (page - 1) * rows;
        let link = |to: i64| match to {
            1 => ask.query.with("page", ""),
            to => ask.query.with("page", &to.to_string()),
        };
        let pager = Self {
            from: (from + 1).min(count.rows),
            to: (from + rows).min(count.rows),
            of: count.rows,
            is_more: count.is_more,
            first: (page > 1).then(|| link(1)),
            previous: (page > 1).then(|| link(page - 1)),
            next: (page < last).then(|| link(page + 1)),
            last: (page < last).then(|| link(last)),
        };
        (pager, Slice { from, rows })
    }
}
