//! 400 days with outages, restarts, power cuts, reloads, persons who ask and clocks that jump: the
//! daemon asks about no token twice in a local day, asks about each on every day that is well, and
//! nothing before the moment that the service has named.
//!
//! A clock that is set back repeats no call, and one that was a year ahead neither, once a person
//! has said that it is right: what it wrote counts as of then.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Duration, NaiveDate};
use jetond::probe::Told;
use jetond::renewal::clock;

use super::{Asking, declared, head, jwt, section};
use crate::oracle::random::Dice;
use crate::support::api_server::{Does, alive, error, over_volume, page};

const IDS: [&str; 4] = ["m", "nn", "ooo", "pppp"];

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_asked_about_twice_in_a_day_over_a_year() {
    // The third hour is skipped in March, and comes twice in October.
    for (hour, days) in [(23, 400), (2, 250)] {
        let mut year = Year::begin(hour).await;
        let end = year.asking.town.now + Duration::days(days);
        let mut is_far_ahead_on = BTreeSet::from([70, 180]);
        while year.asking.town.now < end {
            year.step().await;
            let day = (end - year.asking.town.now).num_days();
            if is_far_ahead_on.last().is_some_and(|on| day <= *on) {
                is_far_ahead_on.pop_last();
                year.a_day_a_year_ahead().await;
            }
        }
        year.prove(hour, days);
    }
}

/// Who has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Daemon,
    Person,
}

struct Year {
    asking: Asking,
    dice: Dice,
    hour: u32,
    /// The tokens whose secret is given.
    given: BTreeSet<&'static str>,
    today: NaiveDate,
    /// What the API does today, where that is no answer about a token.
    trouble: Option<Does>,
    calls: BTreeMap<(NaiveDate, &'static str), Vec<By>>,
    /// Days that the machine has seen.
    lived: BTreeSet<NaiveDate>,
    /// Days of which it has seen a part, or the service was ill.
    bad: BTreeSet<NaiveDate>,
    /// Days on which a token was asked about for a part only.
    partly: BTreeSet<(NaiveDate, &'static str)>,
    cuts: u32,
}

impl Year {
    async fn begin(hour: u32) -> Self {
        let asking = Asking::start(&IDS, "2029-12-01", "2026-03-01T09:00:00+01:00").await;
        let today = asking.town.config().calendar.date(asking.town.now);
        let mut year = Self {
            asking,
            dice: Dice(7 + u64::from(hour)),
            hour,
            given: IDS.into(),
            today,
            trouble: None,
            calls: BTreeMap::new(),
            lived: BTreeSet::new(),
            bad: BTreeSet::from([today]),
            partly: BTreeSet::new(),
            cuts: 0,
        };
        year.reload().await;
        year
    }

    /// Takes a file over in which the secrets are given that are to be.
    async fn reload(&mut self) {
        let mut text = head() + &section(&self.asking.server) + &format!("hour = {}\n", self.hour);
        for id in IDS {
            text += &declared(id, "2029-12-01");
            if self.given.contains(id) {
                text += &format!("secret = {{ file = \"{id}.jwt\" }}\n");
            }
        }
        self.asking.town.reload(&text).await;
        self.asking.probe = self.asking.town.config().probe.clone();
    }

    /// One look of the daemon, and what happens about it.
    async fn step(&mut self) {
        self.dawn();
        // A secret is taken out of the file, and given again.
        let absent = IDS.iter().find(|id| !self.given.contains(*id));
        let often = if absent.is_some() { 6 } else { 40 };
        if self.dice.within(0, often) == 0 {
            let id = absent.copied().unwrap_or_else(|| self.any_token());
            if !self.given.remove(id) {
                self.given.insert(id);
            }
            self.partly.insert((self.today, id));
            self.reload().await;
        }
        self.lived.insert(self.today);
        let without = IDS.iter().filter(|id| !self.given.contains(*id));
        self.partly.extend(without.map(|id| (self.today, *id)));
        if self.dice.within(0, 20) == 0 {
            self.asking.town.start_again().await;
        }
        let does = self.trouble.clone();
        self.asking
            .server
            .always(does.unwrap_or_else(|| alive(&["entreprises"])));
        if self.dice.within(0, 25) == 0 {
            let id = self.any_token();
            let now = self.asking.town.now;
            let told = self
                .kept_waiting(async |asking| asking.asker().ask_now(id, now).await)
                .await;
            assert_eq!(told == Told::NoSecret, !self.given.contains(id), "{told:?}");
            self.note(By::Person);
        }
        // A power cut after the call has left: its answer is never written down.
        let next = if self.dice.within(0, 15) == 0 {
            self.cut_short().await
        } else {
            let now = self.asking.town.now;
            self.kept_waiting(async |asking| asking.asker().step(now).await)
                .await
                .next
        };
        self.note(By::Daemon);
        let now = self.asking.town.now;
        let next = next.unwrap_or(now + Duration::minutes(1));
        let at_most = Duration::minutes(self.dice.within(1, 900));
        self.asking.town.now = next.min(now + at_most).max(now + Duration::seconds(1));
        // The machine is off for some days; its clock is set.
        let jump = match self.dice.within(0, 400) {
            0 | 1 => Duration::days(2),
            2..8 => Duration::hours(3),
            8..14 => Duration::hours(-2),
            _ => return,
        };
        self.bad.insert(self.today);
        self.dawn();
        self.asking.town.now += jump;
        self.dawn();
        self.bad.insert(self.today);
    }

    /// Where a new day has begun, it is drawn what the service does on it.
    fn dawn(&mut self) {
        let date = self
            .asking
            .town
            .config()
            .calendar
            .date(self.asking.town.now);
        if date == self.today {
            return;
        }
        self.today = date;
        self.trouble = match self.dice.within(0, 20) {
            0 => Some(error(503, "01000")),
            1 => Some(page(200)),
            2 => Some(Does::Drops),
            3 => Some(error(401, "00105")),
            4 => Some(over_volume("Retry-After: 7200\r\n")),
            _ => None,
        };
        if self.trouble.is_some() {
            self.bad.insert(date);
        }
    }

    /// Nothing leaves while the service is to be left alone.
    async fn kept_waiting<T, E: std::fmt::Debug>(
        &self,
        ask: impl AsyncFnOnce(&Asking) -> Result<T, E>,
    ) -> T {
        let before = self.asking.town.store().service().await.unwrap().not_before;
        let told = self.asking.server.told().len();
        let done = ask(&self.asking).await.unwrap();
        // Seconds go by within a step.
        let now = self.asking.town.now;
        if before.is_some_and(|until| until > now + Duration::seconds(5)) {
            assert_eq!(
                self.asking.server.told().len(),
                told,
                "{now}: asked before {before:?}"
            );
        }
        done
    }

    async fn cut_short(&mut self) -> Option<chrono::DateTime<chrono::Utc>> {
        let before = self.asking.server.told().len();
        self.asking.server.always(Does::Hangs);
        let asker = self.asking.asker();
        let mut step = std::pin::pin!(asker.step(self.asking.town.now));
        tokio::select! {
            asked = &mut step => asked.unwrap().next,
            () = until_told(&self.asking, before) => {
                self.cuts += 1;
                None
            }
        }
    }

    /// Writes down who was asked about since.
    fn note(&mut self, by: By) {
        for told in self.asking.server.told_since() {
            if told.line == "GET /privileges" {
                let of = |id: &&&str| told.header("authorization").ends_with(&jwt(id));
                let id = IDS.iter().find(of).unwrap();
                self.calls.entry((self.today, id)).or_default().push(by);
            }
        }
    }

    async fn a_day_a_year_ahead(&mut self) {
        self.bad.insert(self.today);
        let ahead = Duration::days(365);
        self.asking.town.now += ahead;
        let until = self.asking.town.now + Duration::days(1);
        while self.asking.town.now < until {
            self.step().await;
            self.bad.insert(self.today);
        }
        self.asking.town.pass().await;
        self.asking.town.now -= ahead;
        let town = &self.asking.town;
        let calendar = &town.config().calendar;
        let said = clock::believe(town.store(), calendar, "user:camille", town.now).await;
        assert!(said.unwrap().was_behind());
        self.dawn();
        self.bad.insert(self.today);
    }

    fn any_token(&mut self) -> &'static str {
        IDS[usize::try_from(self.dice.within(0, 4)).unwrap()]
    }

    fn prove(&self, hour: u32, days: i64) {
        for (of, calls) in &self.calls {
            // A person may ask whenever they like, and it counts.
            let again = calls.iter().skip(1).any(|by| *by == By::Daemon);
            assert!(!again, "{hour}: {of:?} {calls:?}");
        }
        assert!(self.cuts > 20, "{} cuts", self.cuts);
        // On each day that is well each token is asked about.
        let mut well = 0;
        for date in self
            .lived
            .difference(&self.bad)
            .filter(|date| **date != self.today)
        {
            for id in IDS {
                if !self.partly.contains(&(*date, id)) {
                    let is_asked = self.calls.contains_key(&(*date, id));
                    assert!(is_asked, "{hour}: nothing was asked about {id} on {date}");
                    well += 1;
                }
            }
        }
        assert!(
            well > days,
            "only {well} of {days} days of four tokens were well"
        );
    }
}

async fn until_told(asking: &Asking, before: usize) {
    while asking.server.told().len() == before {
        tokio::task::yield_now().await;
    }
}
