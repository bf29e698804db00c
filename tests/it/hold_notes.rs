//! The words of the notes about holds: every moment in words, the same way as in other mails,
//! in both languages.

use std::fmt::Write as _;

use chrono::Duration;
use jetond::app;
use jetond::config::{self, Surroundings};
use jetond::delivery::holds::Storm;
use jetond::delivery::notes::Words;
use jetond::domain::timekeeping::{End, Hold};

use crate::support::daemon::{at, head};

#[test]
fn a_hold_is_told_in_words_with_its_moments_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, head(9)).unwrap();
    let now = at("2026-11-22T08:16:00Z");
    let loaded = config::load(&file, &Surroundings { now }).unwrap();
    let desk = app::desk(&loaded.config);
    let ahead = Hold::Ahead {
        since: at("2026-11-22T08:00:00Z"),
        by: Duration::days(40),
    };
    let behind = Hold::Behind {
        until: at("2026-11-01T08:05:00Z"),
        by: Duration::days(400),
    };
    let storm = |urgent, others| Storm {
        mails: 72,
        urgent_at: urgent,
        others_at: others,
    };
    let (soon, later) = (at("2026-11-23T08:00:00Z"), at("2026-11-23T08:16:00Z"));
    let notes = [
        desk.note_about_storm(storm(Some(soon), Some(later)), now),
        desk.note_about_storm(storm(None, Some(later)), now),
        desk.note_about_clock(ahead, None, now),
        desk.note_about_clock(ahead, Some(End::Steady), now),
        desk.note_about_clock(behind, None, now),
        desk.note_about_clock(behind, Some(End::Right), now),
    ];
    let mut told = String::new();
    for note in notes {
        let words = Words::read(&note.words).unwrap();
        for text in [&words.subject].into_iter().chain(&words.body) {
            writeln!(told, "{}\n{}", text.en, text.fr.replace('\u{a0}', "~")).unwrap();
        }
        told.push('\n');
    }
    assert!(!told.contains("{}") && !told.contains("2026-"), "{told}");
    insta::assert_snapshot!(told);
}
