//! What is declared, and what happens to it: the input of the oracle.
//!
//! A [`Scenario`] is data. It starts with a config file (`tokens` and the schedule) and changes
//! that file at the instants of `edits`; a daemon that is up reloads at that very instant, one
//! that is down (`outages`) reads only the last state of the file when it comes back.
//! [`Scenario::to_config_toml`] writes the file as it stands at an instant, so that whoever runs
//! the product on a scenario need not interpret an edit: write the file and reload.
//!
//! All instants are whole minutes. Edits fall on no slot: whether a stage that is added at the
//! instant of its slot counts is not defined.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::civil::{DAY, Day, Days, Hours, Instant, MINUTE, Window, Zone, civil};

/// Months from the day of issue to the day of expiry.
pub(crate) const VALIDITY_MONTHS: i64 = 18;

/// A whole life of a daemon: its config file, what happens to it, and when it cannot work.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) zone: Tz,
    pub(crate) window: Window,
    pub(crate) days: Days,
    /// `[renewal] opens`, in days of 24 h.
    pub(crate) opens: Option<i64>,
    /// Days before expiry.
    pub(crate) stages: Vec<i64>,
    /// Days after expiry.
    pub(crate) after_expiry: Vec<i64>,
    /// The period of the tail in days; 0: none.
    pub(crate) then_every: i64,
    /// When the daemon first runs, on an empty store.
    pub(crate) start: Instant,
    /// When it is stopped for good; nothing happens at this instant any more.
    pub(crate) end: Instant,
    /// What the file declares at first.
    pub(crate) tokens: Vec<Token>,
    /// In order of time.
    pub(crate) edits: Vec<(Instant, Edit)>,
    /// Down from the first instant until just before the second, at which it reloads and ticks.
    pub(crate) outages: Vec<(Instant, Instant)>,
    /// No mail leaves from the first instant until just before the second; none is charged.
    pub(crate) relay_down: Vec<(Instant, Instant)>,
}

/// A token as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) dates: Dates,
    pub(crate) jti: Option<String>,
    pub(crate) recipients: Vec<Recipient>,
}

/// One recipient of a token. Addresses are compared without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    pub(crate) address: String,
    /// The earliest stage that is theirs; `None`: all.
    pub(crate) from_stage: Option<i64>,
}

/// How the file gives the date of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    /// A bare date: 23:59:59 local of that day; the expiry is 18 months later.
    Issued(Day),
    /// A date-time.
    IssuedAt(Instant),
    /// A bare date: 23:59:59 local of that day.
    Expires(Day),
    /// A date-time.
    ExpiresAt(Instant),
}

/// A change of the config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Another `[[token]]`.
    AddToken(Token),
    /// The `[[token]]` is taken out; edits go on applying to it out of sight.
    RemoveToken(String),
    /// A `[[token]]` that was taken out comes back, as it stands after the edits since.
    RestoreToken(String),
    /// Another date: a renewal if the new expiry is 30 local days later or more, else a
    /// correction.
    SetDates(String, Dates),
    /// Another `jti`: a renewal, unless there was none before.
    SetJti(String, String),
    /// One more line in `recipients`.
    AddRecipient(String, Recipient),
    /// All lines with this address go.
    RemoveRecipient(String, String),
    /// Another `from_stage` for all lines with this address.
    SetFromStage(String, String, Option<i64>),
    /// A stage in the schedule: positive in `stages`, else in `after_expiry`.
    AddStage(i64),
    /// The reverse.
    RemoveStage(i64),
}

/// The config file after some edits.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// In order of declaration, each with whether it is in the file.
    tokens: Vec<(Token, bool)>,
    pub(crate) stages: Vec<i64>,
    pub(crate) after_expiry: Vec<i64>,
}

impl Edit {
    /// The token that it is about; `None`: the schedule.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::AddToken(token) => Some(&token.id),
            Self::RemoveToken(id)
            | Self::RestoreToken(id)
            | Self::SetDates(id, _)
            | Self::SetJti(id, _)
            | Self::AddRecipient(id, _)
            | Self::RemoveRecipient(id, _)
            | Self::SetFromStage(id, _, _) => Some(id),
            Self::AddStage(_) | Self::RemoveStage(_) => None,
        }
    }
}

impl File {
    pub(crate) fn of(scenario: &Scenario) -> Self {
        Self {
            tokens: scenario.tokens.iter().map(|t| (t.clone(), true)).collect(),
            stages: scenario.stages.clone(),
            after_expiry: scenario.after_expiry.clone(),
        }
    }

    /// The tokens in the file.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Token> {
        self.tokens
            .iter()
            .filter(|(_, is_in)| *is_in)
            .map(|(t, _)| t)
    }

    pub(crate) fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::AddToken(token) => self.tokens.push((token.clone(), true)),
            Edit::RemoveToken(id) => self.entry(id).1 = false,
            Edit::RestoreToken(id) => self.entry(id).1 = true,
            Edit::SetDates(id, dates) => self.entry(id).0.dates = *dates,
            Edit::SetJti(id, jti) => self.entry(id).0.jti = Some(jti.clone()),
            Edit::AddRecipient(id, recipient) => {
                self.entry(id).0.recipients.push(recipient.clone());
            }
            Edit::RemoveRecipient(id, address) => {
                let recipients = &mut self.entry(id).0.recipients;
                recipients.retain(|r| !r.address.eq_ignore_ascii_case(address));
            }
            Edit::SetFromStage(id, address, from_stage) => {
                let recipients = &mut self.entry(id).0.recipients;
                for r in recipients
                    .iter_mut()
                    .filter(|r| r.address.eq_ignore_ascii_case(address))
                {
                    r.from_stage = *from_stage;
                }
            }
            Edit::AddStage(stage) => {
                let (list, days) = self.list(*stage);
                if !list.contains(&days) {
                    list.push(days);
                }
            }
            Edit::RemoveStage(stage) => {
                let (list, days) = self.list(*stage);
                list.retain(|n| *n != days);
            }
        }
    }

    fn entry(&mut self, id: &str) -> &mut (Token, bool) {
        let found = self.tokens.iter_mut().find(|(t, _)| t.id == id);
        found.expect("an edit names a token that was declared")
    }

    fn list(&mut self, stage: i64) -> (&mut Vec<i64>, i64) {
        if stage > 0 {
            (&mut self.stages, stage)
        } else {
            (&mut self.after_expiry, -stage)
        }
    }
}

impl Scenario {
    /// The scenario's calendar.
    pub(crate) fn hours(&self) -> Hours {
        Hours {
            zone: Zone::of(self.zone),
            window: self.window,
            days: self.days,
            opens: self.opens,
        }
    }

    /// The config file as it stands at an instant, the edits of that instant included.
    pub(crate) fn file_at(&self, at: Instant) -> File {
        let mut file = File::of(self);
        for (_, edit) in self.edits.iter().take_while(|(when, _)| *when <= at) {
            file.apply(edit);
        }
        file
    }

    /// The text of the config file at an instant: SQLite and the mails' directory beside it, no
    /// storm brake.
    pub(crate) fn to_config_toml(&self, at: Instant) -> String {
        self.write(&self.file_at(at), |_| true)
    }

    /// The text of a config file with those of its tokens that are `wanted`.
    pub(crate) fn write(&self, file: &File, wanted: impl Fn(&str) -> bool) -> String {
        let zone = Zone::of(self.zone);
        let days = match self.days {
            Days::Any => "any",
            Days::Working => "working",
        };
        let mut text = format!(
            "timezone = \"{}\"\n\
             language = \"fr\"\n\
             organisation = \"Ville d'Exemple\"\n\
             contact = \"contact@oracle.example\"\n\n\
             [store]\nurl = \"sqlite:jetond.db\"\n\n\
             [schedule]\n\
             validity_months = {VALIDITY_MONTHS}\n\
             stages = {:?}\nafter_expiry = {:?}\nthen_every = {}\n\
             window = \"{}\"\ndays = \"{days}\"\n\n\
             [mail]\nfrom = \"Veille des jetons <jetons@oracle.example>\"\n\
             transport = \"file\"\ndirectory = \"outbox\"\nstorm = 0\n\n\
             [renewal]\n",
            self.zone.name(),
            file.stages,
            file.after_expiry,
            self.then_every,
            self.window,
        );
        if let Some(opens) = self.opens {
            writeln!(text, "opens = {opens}").expect("a string takes all");
        }
        for token in file.present().filter(|t| wanted(&t.id)) {
            token.write(&zone, &mut text);
        }
        text
    }
}

impl Token {
    fn write(&self, zone: &Zone, text: &mut String) {
        let dates = match self.dates {
            Dates::Issued(day) => format!("issued = {}", date(day)),
            Dates::IssuedAt(at) => format!("issued = {}", rfc3339(zone, at)),
            Dates::Expires(day) => format!("expires = {}", date(day)),
            Dates::ExpiresAt(at) => format!("expires = {}", rfc3339(zone, at)),
        };
        let recipients: Vec<String> = self
            .recipients
            .iter()
            .map(|r| match r.from_stage {
                None => format!("  {:?},\n", r.address),
                Some(n) => format!("  {{ email = {:?}, from_stage = {n} }},\n", r.address),
            })
            .collect();
        let jti = self
            .jti
            .as_ref()
            .map_or(String::new(), |jti| format!("jti = {jti:?}\n"));
        write!(
            text,
            "\n[[token]]\nid = {id:?}\nname = \"Jeton {id}\"\n{dates}\n{jti}recipients = [\n{}]\n",
            recipients.concat(),
            id = self.id,
        )
        .expect("a string takes all");
    }
}

impl Dates {
    /// The instant of expiry.
    pub(crate) fn expires(self, zone: &Zone) -> Instant {
        match self {
            Self::Issued(day) => zone.add_months(zone.end_of_day(day), VALIDITY_MONTHS),
            Self::IssuedAt(at) => zone.add_months(at, VALIDITY_MONTHS),
            Self::Expires(day) => zone.end_of_day(day),
            Self::ExpiresAt(at) => at,
        }
    }
}

/// `2026-03-01`.
pub(crate) fn date(day: Day) -> String {
    let (y, m, d) = civil(day);
    format!("{y:04}-{m:02}-{d:02}")
}

/// `2026-03-01 09:00`, local; seconds are cut off.
pub(crate) fn minute(zone: &Zone, at: Instant) -> String {
    let local = zone.local(at);
    let minutes = local.rem_euclid(DAY) / MINUTE;
    format!(
        "{} {:02}:{:02}",
        date(local.div_euclid(DAY)),
        minutes / 60,
        minutes % 60
    )
}

fn rfc3339(zone: &Zone, at: Instant) -> String {
    let offset = zone.offset(at) / MINUTE;
    let (sign, offset) = if offset < 0 {
        ('-', -offset)
    } else {
        ('+', offset)
    };
    let seconds = zone.local(at).rem_euclid(MINUTE);
    format!(
        "{}:{seconds:02}{sign}{:02}:{:02}",
        minute(zone, at).replace(' ', "T"),
        offset / 60,
        offset % 60
    )
}
