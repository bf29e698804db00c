//! 400 days with outages, restarts, power cuts and changes of clocks: no token is asked about
//! twice in a local day, and none is forgotten on a day that is well.

use std::collections::BTreeMap;

use chrono::{Duration, NaiveDate};

use super::{Asking, jwt};
use crate::oracle::random::Dice;
use crate::support::api_server::{Does, alive, error, over_volume, page};

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_asked_about_twice_in_a_day_over_a_year() {
    // The third hour is skipped in March, and comes twice in October.
    for (hour, days) in [(23, 400), (2, 250)] {
        a_year(hour, days).await;
    }
}

async fn a_year(hour: u32, days: i64) {
    const IDS: [&str; 3] = ["m", "nn", "ooo"];
    let mut asking = Asking::start(&IDS, "2029-12-01", "2026-03-01T09:00:00+01:00").await;
    asking.probe.hour = hour;
    let end = asking.town.now + Duration::days(days);
    let mut dice = Dice(7 + u64::from(hour));
    let mut calls: BTreeMap<(NaiveDate, String), u32> = BTreeMap::new();
    let mut troubled: Vec<NaiveDate> = Vec::new();
    let first = asking.town.config().calendar.date(asking.town.now);
    while asking.town.now < end {
        let date = asking.town.config().calendar.date(asking.town.now);
        let trouble = match dice.within(0, 12) {
            0 => Some(error(503, "01000")),
            1 => Some(page(200)),
            2 => Some(Does::Drops),
            3 => Some(error(401, "00105")),
            4 => Some(over_volume("Retry-After: 7200\r\n")),
            _ => None,
        };
        // A power cut after the call has left: its answer is never written down.
        let cut = dice.within(0, 15) == 0;
        if trouble.is_some() || cut {
            troubled.push(date);
        }
        asking
            .server
            .always(trouble.unwrap_or_else(|| alive(&["entreprises"])));
        let asked = if cut {
            let before = asking.server.told().len();
            asking.server.always(Does::Hangs);
            let asker = asking.asker();
            let mut step = std::pin::pin!(asker.step(asking.town.now));
            tokio::select! {
                asked = &mut step => Some(asked.unwrap()),
                () = until_told(&asking, before) => None,
            }
        } else {
            Some(asking.step().await)
        };
        for told in asking.server.told_since() {
            if told.line != "GET /privileges" {
                continue;
            }
            let of = IDS
                .iter()
                .find(|id| told.header("authorization").ends_with(&jwt(id)));
            *calls.entry((date, (*of.unwrap()).to_owned())).or_default() += 1;
        }
        if dice.within(0, 20) == 0 {
            asking.town.start_again().await;
        }
        let next = asked.and_then(|a| a.next).unwrap_or(asking.town.now);
        let at_most = Duration::minutes(dice.within(1, 600));
        let soon = asking.town.now + Duration::seconds(1);
        asking.town.now = next.min(asking.town.now + at_most).max(soon);
        // The machine is off for some days.
        if dice.within(0, 200) == 0 {
            asking.town.now += Duration::days(2);
        }
    }
    let twice: Vec<_> = calls.iter().filter(|(_, n)| **n > 1).collect();
    assert_eq!(twice, [], "{hour}");
    for id in IDS {
        let asked = calls
            .keys()
            .filter(|(date, of)| of == id && *date > first)
            .count();
        assert!(
            i64::try_from(asked).unwrap() > days * 3 / 4,
            "{id} was asked about on {asked} of {days} days ({} troubled)",
            troubled.len()
        );
    }
}

async fn until_told(asking: &Asking, before: usize) {
    while asking.server.told().len() == before {
        tokio::task::yield_now().await;
    }
}
