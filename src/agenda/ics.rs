//! The text of RFC 5545: content lines, their escapes, and their folding at 75 octets.
//!
//! Whatever a value holds, it stays within its line: what could end one, or turn the direction
//! of what follows, becomes a space. Nothing here reads a clock or makes a number up, so the same
//! values are the same bytes.

use std::fmt::Write as _;

use crate::domain::language::is_hazardous;

/// Octets of a line without its end (RFC 5545 §3.1).
const LONGEST: usize = 75;

/// Writes content lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
}

impl Lines {
    /// A property whose value is TEXT (§3.3.11); a line feed in it is one for its reader.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        let mut line = String::with_capacity(name.len() + value.len() + 16);
        line.push_str(name);
        line.push(':');
        for c in value.chars() {
            match c {
                '\\' | ';' | ',' => line.extend(['\\', c]),
                '\n' => line.push_str("\\n"),
                c if is_hazardous(c) => line.push(' '),
                c => line.push(c),
            }
        }
        self.fold(&line);
    }

    /// A property whose value is of another type, and holds nothing that people wrote.
    pub(super) fn plain(&mut self, name: &str, value: impl std::fmt::Display) {
        let mut line = String::with_capacity(64);
        let _ = write!(line, "{name}:{value}");
        line.retain(|c| !is_hazardous(c));
        self.fold(&line);
    }

    /// All of them.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn fold(&mut self, line: &str) {
        let (mut rest, mut room) = (line, LONGEST);
        while rest.len() > room {
            let mut at = room;
            while !rest.is_char_boundary(at) {
                at -= 1;
            }
            self.text.push_str(&rest[..at]);
            self.text.push_str("\r\n ");
            rest = &rest[at..];
            // The space that continues a line counts.
            room = LONGEST - 1;
        }
        self.text.push_str(rest);
        self.text.push_str("\r\n");
    }
}

/// A duration from the beginning of an event, in minutes (§3.3.6). Days in it are days of the
/// calendar: a change of clocks moves nothing.
pub(super) fn duration(minutes: i64) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    let all = minutes.unsigned_abs();
    let (days, hours, minutes) = (all / 1440, all % 1440 / 60, all % 60);
    let mut text = format!("{sign}P");
    if days > 0 {
        let _ = write!(text, "{days}D");
    }
    let _ = match (hours, minutes) {
        (0, 0) if days > 0 => Ok(()),
        (0, minutes) => write!(text, "T{minutes}M"),
        (hours, 0) => write!(text, "T{hours}H"),
        (hours, minutes) => write!(text, "T{hours}H{minutes}M"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: &str) -> String {
        let mut lines = Lines::default();
        lines.text("SUMMARY", value);
        lines.finish()
    }

    #[test]
    fn a_value_never_leaves_its_line() {
        assert_eq!(
            written("a,b;c\\d\r\nBEGIN:VEVENT\u{85}\u{2028}\u{202e}\0x"),
            "SUMMARY:a\\,b\\;c\\\\d \\nBEGIN:VEVENT    x\r\n"
        );
    }

    #[test]
    fn lines_are_folded_at_75_octets_between_characters() {
        for value in ["é".repeat(500), "🏛️".repeat(200), "x".repeat(5000)] {
            let text = written(&value);
            let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
            assert!(lines.iter().all(|l| l.len() <= LONGEST));
            assert!(lines[1..].iter().all(|l| l.starts_with(' ')));
            let unfolded = text.replace("\r\n ", "");
            assert_eq!(unfolded, format!("SUMMARY:{value}\r\n"));
        }
        let exact = "x".repeat(LONGEST - "SUMMARY:".len());
        assert_eq!(written(&exact), format!("SUMMARY:{exact}\r\n"));
    }

    #[test]
    fn durations_are_in_days_hours_and_minutes() {
        for (minutes, text) in [
            (-29 * 1440 - 15 * 60, "-P29DT15H"),
            (-90 * 1440, "-P90D"),
            (-1440 - 30, "-P1DT30M"),
            (-90, "-PT1H30M"),
            (0, "PT0M"),
            (9 * 60, "PT9H"),
        ] {
            assert_eq!(duration(minutes), text);
        }
    }
}
