//! What holds in every life, whatever is edited and however the relay answers: the promises
//! that need no oracle.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use jetond::store::mailbook::Which;
use jetond::store::settle::Settlement;
use proptest::prelude::*;

use crate::oracle::civil::{DAY, Days, Instant, MINUTE, Window, Zone, day_of};
use crate::oracle::life::{Mail, Notice, interesting};
use crate::oracle::random::Dice;
use crate::oracle::scenario::{Dates, Edit, Recipient, Scenario, Token};
use crate::whole_life::drive::{Daemon, Medium, utc};

/// Days of a life.
const SPAN: i64 = 70;

fn to(person: u8) -> Recipient {
    Recipient {
        address: format!("p{person}@x.example"),
        from_stage: None,
    }
}

/// One edit: a token, what happens to it, a number that says how.
fn edit() -> impl Strategy<Value = (i64, i64, usize, u8, i64)> {
    (1..SPAN, 0..1440_i64, 0..4_usize, 0..8_u8, 0..120_i64)
}

/// Four tokens of three people; `edits` in any order.
fn scenario(expiries: &[i64], days: Days, edits: &[(i64, i64, usize, u8, i64)]) -> Scenario {
    let zone = Zone::of(chrono_tz::Europe::Paris);
    let monday = day_of(2026, 3, 2);
    let id = |n: usize| format!("t{n}");
    let tokens = expiries.iter().enumerate().map(|(n, left)| Token {
        id: id(n),
        dates: Dates::Expires(monday + left),
        jti: None,
        recipients: vec![to(0), to(if n % 2 == 0 { 1 } else { 2 })],
    });
    let mut edits: Vec<(Instant, Edit)> = edits
        .iter()
        .map(|(day, minute, token, kind, n)| {
            let at = zone.first((monday + day) * DAY + minute * MINUTE);
            let id = id(*token);
            let edit = match kind {
                0 | 1 => Edit::SetDates(id, Dates::Expires(monday + day + n)),
                2 => Edit::SetDates(id, Dates::Expires(monday + day + n + 400)),
                3 => Edit::RemoveToken(id),
                4 => Edit::RestoreToken(id),
                5 => Edit::AddRecipient(id, to(3)),
                6 => Edit::RemoveRecipient(id, to(3).address),
                _ => Edit::SetFromStage(id, to(0).address, (n % 2 == 0).then_some(n % 40)),
            };
            (at, edit)
        })
        .collect();
    edits.sort_by_key(|(at, _)| *at);
    Scenario {
        zone: chrono_tz::Europe::Paris,
        window: Window::of("09:00-18:00"),
        days,
        opens: None,
        stages: vec![90, 60, 30, 15, 7, 1],
        after_expiry: vec![0, 7, 30],
        then_every: 30,
        start: zone.first(monday * DAY + 8 * 60 * MINUTE),
        end: zone.first((monday + SPAN) * DAY),
        tokens: tokens.collect(),
        edits,
        outages: Vec::new(),
        relay_down: Vec::new(),
    }
}

/// Runs a life with a relay that defers, as the dice say, and checks each step.
async fn holds(scenario: &Scenario, mut dice: Dice) {
    let hours = scenario.hours();
    let scheduled = interesting(scenario, &hours);
    let mut daemon = Daemon::first_start(scenario, Medium::Memory).await;
    let mut now = scenario.start;
    while now < scenario.end {
        daemon.tick(now).await;
        let mut recipients = BTreeSet::new();
        for mail in daemon.store.mails(Which::Unfinished, 1000).await.unwrap() {
            let is_first = recipients.insert(mail.address.to_lowercase());
            assert!(is_first, "two open mails: {mail:?}");
        }
        loop {
            let batch = daemon.take_up(now).await;
            if batch.claimed() == 0 {
                break;
            }
            assert!(hours.may_leave(now), "outside the window: {now}");
            if dice.happens(20) {
                let next_at = utc(now) + Duration::hours(1);
                let deferred = || Settlement::Deferred { next_at };
                daemon.settle_as(batch, now, deferred).await;
                continue;
            }
            let before = daemon.accepted.len();
            daemon.accept(&batch, now);
            for (_, mail) in &daemon.accepted[before..] {
                nothing_is_over(scenario, mail);
            }
            daemon.settle(batch, now).await;
        }
        now = daemon.wait(&scheduled, now).await;
    }
    let mails: Vec<&Mail> = daemon.accepted.iter().map(|(_, mail)| mail).collect();
    let mut told: BTreeSet<&Notice> = BTreeSet::new();
    for notice in mails.iter().flat_map(|m| &m.notices) {
        assert!(told.insert(notice), "told twice: {notice:?}");
    }
    let mut days: BTreeMap<(i64, &str), Vec<&Mail>> = BTreeMap::new();
    for mail in mails {
        let day = hours.zone.day(mail.at);
        days.entry((day, &mail.recipient)).or_default().push(mail);
    }
    for mails in days.values() {
        let urgent = |m: &Mail| m.notices.iter().any(|n| matches!(n.stage, 0 | 1));
        let rest = &mails[1..];
        assert!(
            rest.is_empty() || (rest.len() == 1 && urgent(rest[0])),
            "{mails:?}"
        );
    }
}

/// What leaves is about a token that is in the file, its current date, and people listed there.
fn nothing_is_over(scenario: &Scenario, mail: &Mail) {
    let file = scenario.file_at(mail.at);
    let hours = scenario.hours();
    for notice in &mail.notices {
        let token = file.present().find(|t| t.id == notice.token);
        let token = token.unwrap_or_else(|| panic!("not in the file: {notice:?}"));
        let slot = hours.slot(notice.stage, token.dates.expires(&hours.zone));
        assert!(slot <= mail.at, "of another date: {notice:?}");
        let listed = token
            .recipients
            .iter()
            .find(|r| r.address == mail.recipient);
        let listed = listed.unwrap_or_else(|| panic!("not told any more: {notice:?}"));
        assert!(listed.from_stage.is_none_or(|from| notice.stage <= from));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_promises_hold_in_any_life(
        expiries in prop::collection::vec(-40..180_i64, 4),
        is_working in any::<bool>(),
        edits in prop::collection::vec(edit(), 0..25),
        seed in any::<u64>(),
    ) {
        let days = if is_working { Days::Working } else { Days::Any };
        let scenario = scenario(&expiries, days, &edits);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(holds(&scenario, Dice(seed)));
    }
}
