//! Message-IDs: they follow from what a mail was made for, so a repeat carries the same one.

use std::fmt::Write as _;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

/// A Message-ID, without angle brackets, from the day on which the mail was made and a digest
/// of what makes it unique. `domain` is its right-hand side. The day comes first, so that mails
/// that are files stand in their order.
pub fn message_id(day: NaiveDate, unique: Sha256, domain: &str) -> String {
    let mut id = day.format("%Y%m%d.").to_string();
    for byte in &unique.finalize()[..15] {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    format!("{id}@{domain}")
}
