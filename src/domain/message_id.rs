//! Message-IDs: they follow from what a mail was made for, so a repeat carries the same one.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// A Message-ID, without angle brackets, from a digest of what makes the mail unique. `domain`
/// is its right-hand side.
pub fn message_id(unique: Sha256, domain: &str) -> String {
    let mut id = String::with_capacity(64);
    for byte in &unique.finalize()[..15] {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    format!("{id}@{domain}")
}
