//! Lists of tokens from elsewhere: read, compared with the record, and taken over whole or not
//! at all.
//!
//! A list says what is, never what happened: from the difference follows whether a token is new,
//! unchanged, or renewed. Of a token's own text only its claims and a fingerprint get beyond
//! [`read`].

mod cell;
mod column;
mod dates;
mod found;
mod meeting;
mod new;
mod people;
mod plan;
mod read;
mod rows;
mod slug;
mod write;

pub use cell::{people, write_list, write_people};

pub use column::Column;
pub use dates::Order;
pub use plan::{Done, Earlier, Fate, House, Wish};
pub use read::{Form, List, read};
pub use rows::{Fault, Row};
pub use write::{Absent, Hand, Outcome, Refused, import};
