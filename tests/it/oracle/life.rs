//! What must be mailed in a scenario, and what becomes of every due notice.
//!
//! The daemon looks at the world each minute; here only the minutes at which something can
//! change are visited: the openings of mail days (every slot is one), edits, and the ends of
//! outages and of the relay's failures. At each of them, when it is up, the daemon reads the
//! file if it has changed, finds what is owed, and sends what may leave; a mail server takes
//! every mail at once. There are no quotas, brakes or circuits.
//!
//! Where `docs/rules.md` is silent, this is the reading:
//!
//! - A pair (token, recipient) owes its most urgent due stage, unless that very notice was sent
//!   in this period, or it was absorbed and a more urgent one was sent. So an absorbed notice
//!   comes back only if nothing that absorbed it ever left.
//! - A correction that puts a slot into the future again makes its stage due at that slot,
//!   unless that very notice was sent: "nothing resent" speaks of what left.
//! - What was suppressed is looked at anew when its token or recipient comes back: the most
//!   urgent due stage is owed, the others are absorbed.
//! - A stage counts as due when it is in the schedule, within `from_stage`, its slot is past,
//!   and its slot is later than the reload that added it to the schedule, or the pair or the
//!   period is not older than that reload. The first read counts as always; a stage that was taken out and
//!   comes back is new; a restored token or recipient is as new as an added one.
//! - An open notice that is not due any more (corrected date, stage removed, `from_stage`
//!   lowered) vanishes: [`Fate::Unowed`].
//! - A waiting notice leaves at the first minute inside the window at which the recipient has
//!   had no mail that local day, or has had one and a notice of stage 1 or 0 is waiting; the
//!   mail takes all that waits for that recipient.
//! - Edits of an outage count by their sum: what is taken out and put back was never away.
//! - A token first declared more than 365 local days after its (current) day of expiry is not
//!   mailed; its due notices are [`Fate::Unowed`]. A renewal ends that.

use std::collections::{BTreeMap, BTreeSet};

use super::civil::{Day, Hours, Instant};
use super::scenario::{File, Scenario, Token};

/// The key of a notice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Notice {
    pub(crate) token: String,
    /// 0 for the first, one more for each renewal.
    pub(crate) period: u32,
    /// Days before the day of expiry; negative after it.
    pub(crate) stage: i64,
    /// In lower case.
    pub(crate) recipient: String,
}

/// A reminder mail that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mail {
    pub(crate) at: Instant,
    /// In lower case.
    pub(crate) recipient: String,
    /// In order of token.
    pub(crate) notices: Vec<Notice>,
}

/// What became of a due notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A mail server took it.
    Sent,
    /// A more urgent stage of the same token spoke, or will speak, for it.
    Absorbed,
    /// Its token was renewed or removed, or its recipient removed, while it was open.
    Suppressed,
    /// It waits for a mail.
    Open,
    /// Nothing is owed for it: it ceased to be due while it was open, or its token is not
    /// mailed. A record of it may say absorbed or suppressed, or be missing.
    Unowed,
}

/// The result of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// In order of time, then of recipient.
    pub(crate) mails: Vec<Mail>,
    pub(crate) fates: BTreeMap<Notice, Fate>,
}

/// What must come out of a scenario.
pub(crate) fn expected(scenario: &Scenario) -> Outcome {
    with_wakes(scenario, &BTreeSet::new())
}

/// The same, the daemon being woken at further instants, which must change nothing.
pub(crate) fn with_wakes(scenario: &Scenario, wakes: &BTreeSet<Instant>) -> Outcome {
    let mut life = Life::new(scenario);
    let mut file = File::of(scenario);
    let mut edits = scenario.edits.iter().peekable();
    let mut instants = interesting(scenario, &life.hours);
    instants.extend(wakes);
    let mut is_first = true;
    for now in instants.range(scenario.start..scenario.end).copied() {
        if within(&scenario.outages, now) {
            continue;
        }
        let mut is_changed = is_first;
        is_first = false;
        while let Some((_, edit)) = edits.next_if(|(at, _)| *at <= now) {
            file.apply(edit);
            is_changed = true;
        }
        if is_changed {
            life.reload(&file, now);
        }
        life.tick(now);
        if life.hours.may_leave(now) && !within(&scenario.relay_down, now) {
            life.deliver(now);
        }
    }
    life.outcome()
}

/// Whether an instant lies in one of some stretches of time.
pub(crate) fn within(stretches: &[(Instant, Instant)], at: Instant) -> bool {
    stretches
        .iter()
        .any(|(from, to)| (*from..*to).contains(&at))
}

/// The instants at which anything can change.
pub(crate) fn interesting(scenario: &Scenario, hours: &Hours) -> BTreeSet<Instant> {
    let first = hours.zone.day(scenario.start);
    let last = hours.zone.day(scenario.end);
    let openings = (first..=last)
        .filter(|day| hours.is_mail_day(*day))
        .map(|day| hours.opening(day));
    let edits = scenario.edits.iter().map(|(at, _)| *at);
    let ends = scenario
        .outages
        .iter()
        .chain(&scenario.relay_down)
        .map(|(_, to)| *to);
    openings
        .chain(edits)
        .chain(ends)
        .chain([scenario.start])
        .collect()
}

/// The stages of a schedule, up to a distance that no scenario outlives.
fn all_stages(file: &File, then_every: i64) -> BTreeSet<i64> {
    const HORIZON: i64 = 4_000;
    let last = file.after_expiry.iter().copied().max().unwrap_or(0);
    let after = file.after_expiry.iter().map(|days| -days);
    let listed = file.stages.iter().copied().chain(after);
    let tail = (1..).map(|n| last + n * then_every);
    let tail = tail.take_while(|days| then_every > 0 && *days <= HORIZON);
    listed.chain(tail.map(|days| -days)).collect()
}

/// What the daemon knows of a token.
#[derive(Debug)]
struct Known {
    /// As last read from the file.
    declared: Token,
    expires: Instant,
    jti: Option<String>,
    period: u32,
    period_since: Instant,
    first_declared: Day,
    is_active: bool,
    /// Stages and slots up to the end of the scenario, the earliest first.
    slots: Vec<(i64, Instant)>,
    /// By address in lower case.
    pairs: BTreeMap<String, Pair>,
}

/// What the daemon knows of a token's recipient; records outlive a removal.
#[derive(Debug)]
struct Pair {
    from_stage: Option<i64>,
    since: Instant,
    is_active: bool,
    /// By period and stage.
    fates: BTreeMap<(u32, i64), Fate>,
    /// The stage of the current period that waits for a mail.
    open: Option<i64>,
    /// Nothing new can be due before this instant.
    looked_after: Instant,
}

impl Pair {
    fn set(&mut self, period: u32, stage: i64, fate: Fate) {
        self.fates.insert((period, stage), fate);
    }

    fn close(&mut self, period: u32, fate: Fate) {
        if let Some(stage) = self.open.take() {
            self.set(period, stage, fate);
        }
    }

    /// Whether the most urgent due stage is owed.
    fn owes(&self, period: u32, stage: i64) -> bool {
        let has_spoken = || {
            self.fates
                .range((period, i64::MIN)..(period, stage))
                .any(|(_, fate)| *fate == Fate::Sent)
        };
        match self.fates.get(&(period, stage)) {
            None => true,
            Some(Fate::Sent | Fate::Open) => false,
            Some(Fate::Unowed) => true,
            Some(Fate::Absorbed | Fate::Suppressed) => !has_spoken(),
        }
    }
}

#[derive(Debug)]
struct Life {
    hours: Hours,
    end: Instant,
    then_every: i64,
    /// The stages in force, each with the reload that added it; `None`: the first one.
    stages: BTreeMap<i64, Option<Instant>>,
    tokens: BTreeMap<String, Known>,
    /// Tokens with an open notice, by address.
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// The local day of the last mail to an address, and how many it got that day.
    mailed: BTreeMap<String, (Day, u32)>,
    mails: Vec<Mail>,
}

impl Life {
    fn new(scenario: &Scenario) -> Self {
        Self {
            hours: scenario.hours(),
            end: scenario.end,
            then_every: scenario.then_every,
            stages: BTreeMap::new(),
            tokens: BTreeMap::new(),
            waiting: BTreeMap::new(),
            mailed: BTreeMap::new(),
            mails: Vec::new(),
        }
    }

    fn reload(&mut self, file: &File, now: Instant) {
        let is_other_schedule = self.reload_schedule(file, now);
        let hours = self.hours.clone();
        let present: BTreeSet<&str> = file.present().map(|t| t.id.as_str()).collect();
        for (id, known) in &mut self.tokens {
            if known.is_active && !present.contains(id.as_str()) {
                known.is_active = false;
                // The schedule may be another one when the token comes back.
                known.slots.clear();
                known
                    .pairs
                    .values_mut()
                    .for_each(|p| p.close(known.period, Fate::Suppressed));
            }
        }
        for token in file.present() {
            let known = self.tokens.get(&token.id);
            if !is_other_schedule && known.is_some_and(|k| k.is_active && k.declared == *token) {
                continue;
            }
            let expires = token.dates.expires(&self.hours.zone);
            let today = self.hours.zone.day(now);
            let known = self
                .tokens
                .entry(token.id.clone())
                .or_insert_with(|| Known {
                    declared: token.clone(),
                    expires,
                    jti: token.jti.clone(),
                    period: 0,
                    period_since: now,
                    first_declared: today,
                    is_active: true,
                    slots: Vec::new(),
                    pairs: BTreeMap::new(),
                });
            if !known.is_active {
                known.is_active = true;
                known.pairs.values_mut().for_each(|p| p.is_active = false);
            }
            let later = self.hours.zone.day(expires) - self.hours.zone.day(known.expires);
            let is_other = matches!((&known.jti, &token.jti), (Some(a), Some(b)) if a != b);
            if later >= 30 || is_other {
                known
                    .pairs
                    .values_mut()
                    .for_each(|p| p.close(known.period, Fate::Suppressed));
                known.period += 1;
                known.period_since = now;
            }
            if known.slots.is_empty() || is_other_schedule || expires != known.expires {
                known.slots = slots(&self.hours, &self.stages, expires, self.end);
            }
            known.declared = token.clone();
            known.expires = expires;
            known.jti = token.jti.clone().or(known.jti.take());
            known.reload_recipients(&recipients(token), now);
            let is_to_come = |stage| hours.slot(stage, expires) > now;
            for pair in known.pairs.values_mut().filter(|p| p.is_active) {
                pair.await_again(known.period, is_to_come);
            }
        }
    }

    /// Takes the file's stages over, and says whether they changed.
    fn reload_schedule(&mut self, file: &File, now: Instant) -> bool {
        let is_first = self.stages.is_empty();
        let before = std::mem::take(&mut self.stages);
        for stage in all_stages(file, self.then_every) {
            let added = (!is_first).then_some(now);
            let since = before.get(&stage).copied().unwrap_or(added);
            self.stages.insert(stage, since);
        }
        before != self.stages
    }

    fn tick(&mut self, now: Instant) {
        for (id, known) in self.tokens.iter_mut().filter(|(_, k)| k.is_active) {
            let expired_for = known.first_declared - self.hours.zone.day(known.expires);
            for (address, pair) in known.pairs.iter_mut().filter(|(_, p)| p.is_active) {
                if now < pair.looked_after {
                    continue;
                }
                let next = known.slots.iter().find(|(_, slot)| *slot > now);
                pair.looked_after = next.map_or(Instant::MAX, |(_, slot)| *slot);
                let due: Vec<i64> = known
                    .slots
                    .iter()
                    .take_while(|(_, slot)| *slot <= now)
                    .filter(|(stage, slot)| {
                        let from = pair.since.max(known.period_since);
                        pair.counts(*stage, *slot, self.stages[stage], from)
                    })
                    .map(|(stage, _)| *stage)
                    .collect();
                if expired_for > 365 {
                    pair.leave_alone(known.period, &due);
                } else {
                    pair.look(known.period, &due);
                }
                if pair.open.is_some() {
                    self.waiting
                        .entry(address.clone())
                        .or_default()
                        .insert(id.clone());
                }
            }
        }
    }

    fn deliver(&mut self, now: Instant) {
        let today = self.hours.zone.day(now);
        for (address, ids) in &mut self.waiting {
            let mut notices = Vec::new();
            for id in ids.iter() {
                let known = &self.tokens[id];
                // A notice may have been closed since it began to wait.
                notices.extend(known.pairs[address].open.map(|stage| Notice {
                    token: id.clone(),
                    period: known.period,
                    stage,
                    recipient: address.clone(),
                }));
            }
            let had = match self.mailed.get(address) {
                Some((day, count)) if *day == today => *count,
                _ => 0,
            };
            let may_be_second = notices.iter().any(|n| matches!(n.stage, 0 | 1));
            let starts = had == 0 || (had == 1 && may_be_second);
            if notices.is_empty() || !starts {
                continue;
            }
            for notice in &notices {
                let known = self.tokens.get_mut(&notice.token).expect("a known token");
                let period = known.period;
                let pair = known.pairs.get_mut(address).expect("a known recipient");
                pair.close(period, Fate::Sent);
            }
            ids.clear();
            self.mailed.insert(address.clone(), (today, had + 1));
            let recipient = address.clone();
            self.mails.push(Mail {
                at: now,
                recipient,
                notices,
            });
        }
        self.waiting.retain(|_, ids| !ids.is_empty());
    }

    fn outcome(self) -> Outcome {
        let mut fates = BTreeMap::new();
        for (token, known) in &self.tokens {
            for (recipient, pair) in &known.pairs {
                for ((period, stage), fate) in &pair.fates {
                    let notice = Notice {
                        token: token.clone(),
                        period: *period,
                        stage: *stage,
                        recipient: recipient.clone(),
                    };
                    fates.insert(notice, *fate);
                }
            }
        }
        Outcome {
            mails: self.mails,
            fates,
        }
    }
}

impl Known {
    fn reload_recipients(&mut self, listed: &BTreeMap<String, Option<i64>>, now: Instant) {
        for (address, pair) in &mut self.pairs {
            if pair.is_active && !listed.contains_key(address) {
                pair.is_active = false;
                pair.close(self.period, Fate::Suppressed);
            }
        }
        for (address, from_stage) in listed {
            let pair = self.pairs.entry(address.clone()).or_insert_with(|| Pair {
                from_stage: None,
                since: now,
                is_active: false,
                fates: BTreeMap::new(),
                open: None,
                looked_after: now,
            });
            if !pair.is_active {
                pair.is_active = true;
                pair.since = now;
                let period = self.period;
                pair.fates
                    .retain(|(p, _), fate| *p != period || *fate != Fate::Suppressed);
            }
            pair.from_stage = *from_stage;
            pair.looked_after = now;
        }
    }
}

impl Pair {
    /// Whether a stage of the schedule concerns this recipient; `added`: the reload that added
    /// it to the schedule; `from`: when the pair, or its period, began.
    fn counts(&self, stage: i64, slot: Instant, added: Option<Instant>, from: Instant) -> bool {
        self.from_stage.is_none_or(|from| stage <= from)
            && added.is_none_or(|added| slot > added || from >= added)
    }

    /// Settles what is owed, given the due stages.
    fn look(&mut self, period: u32, due: &[i64]) {
        let most_urgent = due.iter().copied().min();
        match (self.open, most_urgent) {
            (Some(open), Some(urgent)) if urgent < open && due.contains(&open) => {
                self.close(period, Fate::Absorbed);
            }
            (Some(open), _) if !due.contains(&open) => self.close(period, Fate::Unowed),
            _ => {}
        }
        let Some(urgent) = most_urgent else { return };
        if self.owes(period, urgent) {
            self.open = Some(urgent);
            self.set(period, urgent, Fate::Open);
        }
        for stage in due.iter().filter(|stage| **stage != urgent) {
            self.fates.entry((period, *stage)).or_insert(Fate::Absorbed);
        }
    }

    /// What was absorbed, and whose slot is to come under the new date, comes in its time.
    fn await_again(&mut self, period: u32, is_to_come: impl Fn(i64) -> bool) {
        self.fates.retain(|(p, stage), fate| {
            *p != period || matches!(fate, Fate::Sent | Fate::Open) || !is_to_come(*stage)
        });
    }

    /// The token expired too long ago when it was declared.
    fn leave_alone(&mut self, period: u32, due: &[i64]) {
        self.close(period, Fate::Unowed);
        for stage in due {
            self.fates.entry((period, *stage)).or_insert(Fate::Unowed);
        }
    }
}

/// The recipients of a token by address; of one that is listed twice the earliest stage.
fn recipients(token: &Token) -> BTreeMap<String, Option<i64>> {
    let mut listed: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for recipient in &token.recipients {
        let from = recipient.from_stage;
        let earliest = |other: Option<i64>| other.zip(from).map(|(a, b)| a.max(b));
        listed
            .entry(recipient.address.to_ascii_lowercase())
            .and_modify(|other| *other = earliest(*other))
            .or_insert(from);
    }
    listed
}

fn slots(
    hours: &Hours,
    stages: &BTreeMap<i64, Option<Instant>>,
    expires: Instant,
    end: Instant,
) -> Vec<(i64, Instant)> {
    let earliest_first = stages.keys().rev();
    earliest_first
        .map(|stage| (*stage, hours.slot(*stage, expires)))
        .take_while(|(_, slot)| *slot < end)
        .collect()
}
