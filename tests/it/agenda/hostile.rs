//! Names that try to break out of a calendar: whatever they hold, it stays within its value.

use chrono::DateTime;
use jetond::agenda::{Agenda, Extent};
use jetond::config::{self, Surroundings};
use jetond::domain::language::is_hazardous;
use jetond::renewal::reconcile::{Brake, Declaration, reconcile};
use jetond::store::Store;
use jetond::store::feed::Scope;
use jetond::{app, domain};
use proptest::prelude::{Strategy, any, prop, proptest};
use proptest::test_runner::Config;

use super::{head, parsed};
use crate::support::daemon::token;

/// Pieces of what has broken calendars.
const PIECES: [&str; 22] = [
    "\r\nBEGIN:VEVENT\r\n",
    "\n",
    "\r",
    "\\n",
    "\\",
    ";",
    ",",
    ":",
    "\"",
    "\t",
    "{}",
    "{{ x }}",
    "🏛️",
    "👩‍👩‍👧",
    "é",
    "\u{202e}",
    "\u{2066}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "a@b.example",
];

fn name() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(&PIECES[..]).prop_map(str::to_owned);
    let letter = any::<char>().prop_map(String::from);
    prop::collection::vec(proptest::prop_oneof![piece, letter], 1..128)
        .prop_map(|parts| parts.concat().chars().take(128).collect())
}

/// What a reader's program is to show of it.
fn shown(written: &str) -> String {
    let line: String = written
        .chars()
        .map(|c| if is_hazardous(c) { ' ' } else { c })
        .collect();
    domain::address::mask_addresses(&line)
}

/// A calendar of one token by this name, as it would be had something let it in.
async fn of(written: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config.toml");
    std::fs::write(
        &file,
        head("") + &token("t", "2026-12-15", &["a@ville.example"]),
    )
    .unwrap();
    let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let mut config = config::load(&file, &Surroundings { now }).unwrap().config;
    written.clone_into(&mut config.tokens[0].name);
    written.clone_into(&mut config.organisation);
    let store = Store::in_memory().await.unwrap();
    let declared = app::declaration(&config);
    reconcile(&store, Declaration { ..declared }, Brake::Keep, now)
        .await
        .unwrap();
    let desk = app::desk(&config);
    let wanted = (Scope::All, Extent::Served);
    let agenda = Agenda::gather(&store, &desk, "x".to_owned(), wanted, now);
    agenda.await.unwrap().within(1_000_000)
}

proptest! {
    #![proptest_config(Config { cases: 64, ..Config::default() })]
    #[test]
    fn a_name_stays_within_its_value(name in name()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let calendar = parsed(&runtime.block_on(of(&name)));
        assert_eq!(calendar.events.len(), 2);
        let shown = shown(&name);
        let title = &calendar.own["X-WR-CALNAME"];
        let squeezed = |s: &str| s.replace('\u{a0}', " ");
        assert!(squeezed(title).ends_with(&squeezed(&shown)), "{title:?} of {shown:?}");
        assert_eq!(title, &calendar.own["NAME"]);
        for event in &calendar.events {
            let lines = [event.get("SUMMARY"), event.get("DESCRIPTION").lines().next().unwrap()];
            for line in lines {
                assert!(squeezed(line).contains(&squeezed(&shown)), "{line:?} without {shown:?}");
            }
            for (_, words) in &event.alarms {
                assert!(squeezed(words).contains(&squeezed(&shown)));
            }
        }
    }
}
