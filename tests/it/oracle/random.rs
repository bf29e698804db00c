//! Large scenarios from a seed: the same on every machine, for ever.
//!
//! The generator is splitmix64. A seed chooses the zone, window, days and the opening of the
//! form; tokens expire all along the scenario and a little before and after it, share their
//! recipients so that mails become digests, and are renewed, corrected, taken out and put back.

use chrono_tz::Tz;

use super::civil::{DAY, Day, Days, Instant, MINUTE, Window, Zone, day_of, shift_months};
use super::scenario::{Dates, Edit, Recipient, Scenario, Token, VALIDITY_MONTHS};

const POOL: i64 = 300;
const FROM_STAGES: [i64; 6] = [60, 30, 15, 7, 1, 0];
/// An hour, some hours, most of a day, a long week-end, a week, the summer.
const OUTAGES: [i64; 6] = [60, 7 * 60, 22 * 60, 4 * 1440, 9 * 1440, 40 * 1440];

/// Splitmix64 (Steele, Lea and Flood, 2014).
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to just below `high`; `low` when there is none.
    pub(crate) fn within(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or(0).max(1);
        low + i64::try_from(self.next() % width).expect("less than the width")
    }

    /// Whether something happens that happens so many times out of a hundred.
    pub(crate) fn happens(&mut self, percent: i64) -> bool {
        self.within(0, 100) < percent
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = i64::try_from(choices.len()).expect("a short list");
        choices[usize::try_from(self.within(0, last)).expect("an index")]
    }

    fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xFFFF,
            a & 0xFFF,
            b >> 52,
            b & 0xFFFF_FFFF_FFFF
        )
    }
}

impl Scenario {
    /// So many tokens over so many months from some Monday of 2025 on.
    pub(crate) fn random(seed: u64, tokens: usize, months: i64) -> Self {
        let mut dice = Dice(seed);
        let (zone, window, days, opens): (Tz, &str, Days, Option<i64>) = match seed % 4 {
            0 => (chrono_tz::Europe::Paris, "09:00-18:00", Days::Any, None),
            1 => (
                chrono_tz::Europe::Paris,
                "09:00-18:00",
                Days::Working,
                Some(90),
            ),
            2 => (chrono_tz::Pacific::Noumea, "00:00-24:00", Days::Any, None),
            _ => (
                chrono_tz::America::Martinique,
                "08:30-12:00",
                Days::Working,
                None,
            ),
        };
        let clock = Zone::of(zone);
        let monday = day_of(2025, 1, 6) + 7 * dice.within(0, 52);
        let last = shift_months(monday, months);
        let mut scenario = Self {
            zone,
            window: Window::of(window),
            days,
            opens,
            stages: vec![90, 60, 30, 15, 7, 1],
            after_expiry: vec![0, 7, 30, 60, 90],
            then_every: 30,
            start: clock.first(monday * DAY + dice.within(420, 1020) * MINUTE),
            end: clock.first(last * DAY),
            tokens: Vec::new(),
            edits: Vec::new(),
            outages: Vec::new(),
            relay_down: Vec::new(),
        };
        let mut author = Author {
            dice,
            clock,
            monday,
            last,
            window: scenario.window,
        };
        for n in 0..tokens {
            author.write(&mut scenario, n);
        }
        let span = last - monday;
        for (part, edit) in [(3, Edit::AddStage(45)), (5, Edit::RemoveStage(60))] {
            let at = author.minute_of(monday + span * part / 9);
            scenario.edits.push((at, edit));
        }
        scenario.edits.sort_by_key(|(at, _)| *at);
        scenario.outages = author.outages(scenario.start, scenario.end);
        scenario
    }
}

/// Makes up the lives of tokens.
#[derive(Debug)]
struct Author {
    dice: Dice,
    clock: Zone,
    monday: Day,
    last: Day,
    window: Window,
}

impl Author {
    /// Declares a token, now or late, and all that happens to it.
    fn write(&mut self, scenario: &mut Scenario, n: usize) {
        let expiry = if self.dice.happens(4) {
            // Some were dead long before: a part of them more than 365 days.
            self.monday - self.dice.within(200, 500)
        } else {
            let day = self.dice.within(self.monday - 90, self.last + 120);
            // Some expire a multiple of 30 days apart, so that their stages meet in digests.
            let apart = (day - self.monday).rem_euclid(30);
            if self.dice.happens(30) {
                day - apart
            } else {
                day
            }
        };
        let dates = self.dates(expiry, self.monday);
        let token = Token {
            id: format!("t{n:04}"),
            dates,
            jti: self.dice.happens(50).then(|| self.dice.uuid()),
            recipients: self.recipients(),
        };
        let mut declared = self.monday;
        if self.dice.happens(8) {
            declared = self.dice.within(self.monday + 1, self.last);
            let at = self.minute_of(declared);
            scenario.edits.push((at, Edit::AddToken(token.clone())));
        } else {
            scenario.tokens.push(token.clone());
        }
        let mut edits = self.plan(declared + 1, expiry);
        edits.retain(|(at, _)| (declared + 1..self.last).contains(&self.clock.day(*at)));
        edits.sort_by_key(|(at, _)| *at);
        let mut dates = dates;
        for (at, event) in edits {
            let edit = self.edit(&token, &mut dates, at, event);
            scenario.edits.push((at, edit));
        }
    }

    /// A way to write an expiry on a day (or near it) in the file of `today`; none says that a
    /// token will be issued later.
    fn dates(&mut self, expiry: Day, today: Day) -> Dates {
        let minute = self.dice.within(0, 1440) * MINUTE;
        let issued = shift_months(expiry, -VALIDITY_MONTHS);
        match self.dice.within(0, 10) {
            0..=4 if issued <= today => Dates::Issued(issued),
            5 if issued < today => Dates::IssuedAt(self.clock.first(issued * DAY + minute)),
            0..=7 => Dates::Expires(expiry),
            _ => Dates::ExpiresAt(self.clock.first(expiry * DAY + minute)),
        }
    }

    fn recipients(&mut self) -> Vec<Recipient> {
        let mut recipients = Vec::new();
        for _ in 0..self.dice.within(1, 5) {
            recipients.push(self.recipient());
        }
        if self.dice.happens(2) {
            let address = recipients[0].address.clone();
            recipients.push(Recipient {
                address,
                from_stage: Some(30),
            });
        }
        recipients
    }

    fn recipient(&mut self) -> Recipient {
        let person = self.dice.within(0, POOL);
        let address = if self.dice.happens(3) {
            format!("P{person:03}@Pool.example")
        } else {
            format!("p{person:03}@pool.example")
        };
        let from_stage = self
            .dice
            .happens(20)
            .then(|| self.dice.one_of(&FROM_STAGES));
        Recipient {
            address,
            from_stage,
        }
    }

    /// What happens to a token, not yet in order.
    fn plan(&mut self, first: Day, expiry: Day) -> Vec<(Instant, Event)> {
        let mut plan = Vec::new();
        if self.dice.happens(55) {
            let day = expiry + self.dice.within(-95, 75);
            plan.push((self.minute_of(day), Event::Renew));
        }
        let others = [
            (10, Event::CorrectEarlier, None),
            (10, Event::CorrectLater, None),
            (3, Event::NewJti, None),
            (6, Event::Remove, Some(Event::Restore)),
            (12, Event::AddRecipient, None),
            (12, Event::RemoveLast, Some(Event::AddLast)),
            (8, Event::LowerFromStage, Some(Event::ClearFromStage)),
        ];
        for (percent, event, then) in others {
            if self.dice.happens(percent) {
                // Half of it near the expiry, where it matters most.
                let day = if self.dice.happens(50) {
                    expiry + self.dice.within(-90, 60)
                } else {
                    self.dice.within(first, self.last)
                };
                plan.push((self.minute_of(day), event));
                if let Some(then) = then.filter(|_| self.dice.happens(70)) {
                    let later = day.max(first) + self.dice.within(1, 50);
                    plan.push((self.minute_of(later), then));
                }
            }
        }
        if self.dice.happens(25) {
            // Somebody is added on the last days, who may have had a mail in the morning.
            let day = expiry - self.dice.within(0, 2);
            let minute = self.dice.within(self.window.open + 1, self.window.close);
            plan.push((self.at(day, minute), Event::AddRecipient));
        }
        if self.dice.happens(10) {
            // A mail that is owed in the evening, and something else before the morning.
            let evening = expiry + self.dice.within(-90, 60);
            let late = self.dice.within(self.window.close, 1440).min(1439);
            let early = self.dice.within(0, self.window.open);
            let then = self.dice.one_of(&[
                Event::RemoveGuest,
                Event::Renew,
                Event::Remove,
                Event::CorrectEarlier,
                Event::CorrectLater,
            ]);
            plan.push((self.at(evening, late), Event::AddGuest));
            plan.push((self.at(evening + 1, early), then));
            if self.dice.happens(50) {
                let later = evening + self.dice.within(2, 40);
                plan.push((self.minute_of(later), Event::Restore));
            }
        }
        plan
    }

    fn edit(&mut self, token: &Token, dates: &mut Dates, at: Instant, event: Event) -> Edit {
        let id = token.id.clone();
        let today = self.clock.day(at);
        let guest = format!("guest-{id}@pool.example");
        let expiry = self.clock.day(dates.expires(&self.clock));
        let last = || token.recipients[token.recipients.len() - 1].clone();
        match event {
            Event::Renew => {
                *dates = self.dates(shift_months(today, VALIDITY_MONTHS), today);
                Edit::SetDates(id, *dates)
            }
            Event::CorrectEarlier => {
                let earlier = self.dice.within(1, 60);
                *dates = self.dates(expiry - earlier, today);
                Edit::SetDates(id, *dates)
            }
            Event::CorrectLater => {
                let later = self.dice.within(1, 29);
                *dates = self.dates(expiry + later, today);
                Edit::SetDates(id, *dates)
            }
            Event::NewJti => Edit::SetJti(id, self.dice.uuid()),
            Event::Remove => Edit::RemoveToken(id),
            Event::Restore => Edit::RestoreToken(id),
            Event::AddGuest => Edit::AddRecipient(
                id,
                Recipient {
                    address: guest,
                    from_stage: None,
                },
            ),
            Event::RemoveGuest => Edit::RemoveRecipient(id, guest),
            Event::AddRecipient => Edit::AddRecipient(id, self.recipient()),
            // The first recipient stays, so that none loses them all.
            Event::RemoveLast if is_alone(token) => Edit::AddRecipient(id, self.recipient()),
            Event::AddLast if is_alone(token) => Edit::AddRecipient(id, self.recipient()),
            Event::RemoveLast => Edit::RemoveRecipient(id, last().address),
            Event::AddLast => Edit::AddRecipient(id, last()),
            Event::LowerFromStage => Edit::SetFromStage(id, last().address, Some(15)),
            Event::ClearFromStage => Edit::SetFromStage(id, last().address, None),
        }
    }

    /// Any minute of a day, at which no slot lies.
    fn minute_of(&mut self, day: Day) -> Instant {
        let minute = self.dice.within(0, 1440);
        self.at(day, minute)
    }

    /// A minute of a day; where a slot lies, the next one.
    fn at(&self, day: Day, minute: i64) -> Instant {
        let minute = minute + i64::from(minute == self.window.open);
        self.clock.first(day * DAY + minute * MINUTE)
    }

    /// Three to six outages, each in its own part of the time, a fresh length each.
    fn outages(&mut self, start: Instant, end: Instant) -> Vec<(Instant, Instant)> {
        let count = self.dice.within(3, 7);
        let part = (end - start) / count / MINUTE;
        let skipped = self.dice.within(0, 6);
        (0..count)
            .map(|n| {
                let index = usize::try_from((n + skipped) % 6).expect("an index");
                let length = OUTAGES[index].min(part / 2);
                let from = start + (n * part + self.dice.within(1, part / 2)) * MINUTE;
                (from, from + length * MINUTE)
            })
            .collect()
    }
}

/// What may happen to a token.
#[derive(Debug, Clone, Copy)]
enum Event {
    Renew,
    CorrectEarlier,
    CorrectLater,
    NewJti,
    Remove,
    Restore,
    AddRecipient,
    AddGuest,
    RemoveGuest,
    RemoveLast,
    AddLast,
    LowerFromStage,
    ClearFromStage,
}

/// Whether all recipients of a token are one address.
fn is_alone(token: &Token) -> bool {
    let last = &token.recipients[token.recipients.len() - 1].address;
    last.eq_ignore_ascii_case(&token.recipients[0].address)
}
