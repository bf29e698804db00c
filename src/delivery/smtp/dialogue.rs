//! The dialogue with a relay, line by line, for a person to read. Nothing secret is in it: the
//! wire is told what to show in place of a password, and servers that echo one are masked.

use std::sync::{Arc, Mutex};

use super::reply::Raw;
use crate::delivery::outcome::clean;

/// What was said so far; copies share their lines.
#[derive(Debug, Clone, Default)]
pub struct Dialogue {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Dialogue {
    /// The lines: `>` ours, `<` the server's, `*` about the connection.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no writer panics").clone()
    }

    pub(super) fn note(&self, about: &str) {
        self.push(format!("* {}", clean(about)));
    }

    pub(super) fn ours(&self, command: &str) {
        self.push(format!("> {}", clean(command)));
    }

    pub(super) fn theirs(&self, raw: &Raw) {
        let last = raw.lines.len().saturating_sub(1);
        for (n, line) in raw.lines.iter().enumerate() {
            let dash = if n == last { ' ' } else { '-' };
            self.push(format!("< {}{dash}{}", raw.code, clean(line)));
        }
    }

    fn push(&self, line: String) {
        let line = line.trim_end().to_owned();
        self.lines.lock().expect("no writer panics").push(line);
    }
}
