//! The fate of one stage of one recipient: what became of it, or will, and why.

use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{State, Suppression};
use crate::domain::schedule::{self, Due, End, Told};
use crate::domain::stage::{Schedule, Stage};
use crate::store::outbox::{MailState, Person};
use crate::store::quiet::Said;
use crate::store::record::{Notice, Token};
use crate::words::state::silent;
use crate::words::{count, when};

/// Of an endless schedule, the stages of this time ahead are shown.
const AHEAD: Duration = Duration::days(120);

/// One stage of one recipient.
pub(crate) struct Line {
    pub(crate) recipient: String,
    pub(crate) stage: i32,
    pub(crate) slot: DateTime<Utc>,
    pub(crate) fate: &'static str,
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) mail: Option<i64>,
    pub(crate) reason: Text,
}

/// Every stage of one recipient, on record or not.
pub(crate) fn lines_of(
    token: &Token,
    person: &Person,
    schedule: &Schedule,
    notices: &[Notice],
    said: Option<&Said>,
    (calendar, now): (&Calendar, DateTime<Utc>),
) -> Vec<Line> {
    let on_record: HashMap<i32, &Notice> = notices
        .iter()
        .filter(|n| n.recipient == person.key)
        .map(|n| (n.stage, n))
        .collect();
    let until = now.max(token.period.expires) + AHEAD;
    let mut stages: Vec<Stage> = schedule
        .stages()
        .iter()
        .take_while(|s| s.days() >= 0 || calendar.slot(*s, token.period.expires) <= until)
        .collect();
    // A stage that has left the config since keeps its line.
    stages.extend(on_record.keys().map(|s| Stage::new(*s)));
    stages.sort_by(|a, b| b.cmp(a));
    stages.dedup();
    let told = person.told();
    let came = schedule::due(calendar, schedule, &token.period, now);
    let plan = Plan {
        told: &told,
        schedule,
        calendar,
        said,
        due: schedule::due_for(schedule, &token.period, &told, &came),
    };
    stages
        .into_iter()
        .map(|stage| match on_record.get(&stage.days()) {
            Some(notice) => recorded(notice, &person.address, calendar),
            None => {
                let slot = calendar.slot(stage, token.period.expires);
                let (fate, reason) = plan.unrecorded(token, stage, slot, now);
                Line {
                    recipient: person.address.clone(),
                    stage: stage.days(),
                    slot,
                    fate,
                    at: None,
                    mail: None,
                    reason,
                }
            }
        })
        .collect()
}

/// What one recipient is to be told of one token.
struct Plan<'a> {
    told: &'a Told,
    schedule: &'a Schedule,
    calendar: &'a Calendar,
    /// What silences the early stages.
    said: Option<&'a Said>,
    /// The stages that have come for them.
    due: Vec<Due>,
}

impl Plan<'_> {
    /// A stage without a record: why there is none.
    fn unrecorded(
        &self,
        token: &Token,
        stage: Stage,
        slot: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> (&'static str, Text) {
        if let Some(from) = self
            .told
            .from_stage
            .filter(|from| i64::from(stage.days()) > i64::from(*from))
        {
            let why = text!(
                "not theirs: told from stage {from} on",
                "pas pour ce destinataire, prévenu dès l’étape {from}"
            );
            return ("not_theirs", why);
        }
        if let Some(why) = stopped(token.state) {
            return ("stopped", why);
        }
        if !schedule::is_mailed(self.calendar, &token.period) {
            let why = text!(
                "none: first declared more than a year after its expiry",
                "aucun : déclaré plus d’un an après son expiration"
            );
            return ("not_mailed", why);
        }
        if token.period.end == End::Revoked && stage.days() < 1 {
            let end = when::day(token.period.expires, self.calendar);
            let why = text!(
                "none: the token is revoked on {end}",
                "aucun : le jeton est révoqué le {end}"
            );
            return ("stopped", why);
        }
        if let Some(said) = self.said.filter(|s| s.quiet().silences(stage, slot)) {
            let why = text!("silent: {{}}", "silence : {{}}").with(&silent(said, self.calendar));
            return ("silent", why);
        }
        if slot > now {
            let days = self.calendar.days_between(slot, token.period.expires);
            let Text { en, fr } = count::from_the_end(days);
            return ("to_come", text!("to come, {en}", "à venir, {fr}"));
        }
        self.passed(stage)
    }

    /// A stage whose slot has come, and that no pass has recorded.
    fn passed(&self, stage: Stage) -> (&'static str, Text) {
        if !self.due.iter().any(|d| d.stage == stage) {
            let since = self
                .schedule
                .known_since(stage)
                .map(|s| when::day(s, self.calendar))
                .unwrap_or_default();
            let why = text!(
                "none: this stage was added on {since}, after its slot",
                "aucun : cette étape a été ajoutée le {since}, après son créneau"
            );
            return ("not_counted", why);
        }
        let most_urgent = self.due.last().map_or(stage, |d| d.stage);
        let why = if stage == most_urgent {
            text!(
                "due; the next pass of the daemon takes it up",
                "dû ; le prochain passage du service le prend en charge"
            )
        } else {
            text!(
                "due; at the next pass stage {most_urgent} speaks for it",
                "dû ; au prochain passage l’étape {most_urgent} parlera pour lui"
            )
        };
        ("due", why)
    }
}

/// Why a token is not watched any more.
fn stopped(state: State) -> Option<Text> {
    match state {
        State::Active => None,
        State::Archived => Some(text!(
            "none: the token is archived",
            "aucun\u{a0}: le jeton est archivé"
        )),
        State::Superseded => Some(text!(
            "none: another token took its place",
            "aucun\u{a0}: un autre jeton a pris sa place"
        )),
        State::Revoked => Some(text!(
            "none: the token is revoked",
            "aucun\u{a0}: le jeton est révoqué"
        )),
    }
}

/// A stage that is on record.
pub(crate) fn recorded(n: &Notice, address: &str, calendar: &Calendar) -> Line {
    let at = n
        .settled_at
        .map(|at| when::minute(at, calendar))
        .unwrap_or_default();
    let mail = n.mail.map(|(no, _, _)| no);
    let (fate, reason) = match n.state.as_str() {
        "sent" => {
            let no = mail.unwrap_or_default();
            (
                "sent",
                text!("sent {at} (mail {no})", "envoyé le {at} (courriel {no})"),
            )
        }
        "absorbed" => {
            let by = n.reason.clone().unwrap_or_default();
            (
                "absorbed",
                text!(
                    "absorbed: stage {by} spoke for it",
                    "absorbé : l’étape {by} a parlé pour lui"
                ),
            )
        }
        "suppressed" => {
            let why = n.reason.as_deref().and_then(Suppression::from_word);
            let why = why.map_or_else(|| text!("unknown", "inconnu"), said);
            let (en, fr) = (why.en, why.fr);
            (
                "suppressed",
                text!("suppressed {at}: {en}", "supprimé le {at} : {fr}"),
            )
        }
        "failed" if n.reason.as_deref() == Some("bounced") => {
            let no = mail.unwrap_or_default();
            (
                "failed",
                text!(
                    "failed {at}: accepted by the server, and came back (mail {no})",
                    "échoué le {at} : accepté par le serveur, puis revenu (courriel {no})"
                ),
            )
        }
        "failed" => {
            let why = n.reason.as_deref().and_then(MailState::from_word);
            let why = match why {
                Some(MailState::Refused) => text!(
                    "the server refused the address",
                    "le serveur a refusé l’adresse"
                ),
                Some(MailState::Parked) => text!(
                    "the message was refused, or its delivery not confirmed",
                    "le message a été refusé, ou sa remise non confirmée"
                ),
                _ => text!(
                    "put off for five days",
                    "remis à plus tard pendant cinq jours"
                ),
            };
            let (en, fr, no) = (why.en, why.fr, mail.unwrap_or_default());
            (
                "failed",
                text!(
                    "failed {at}: {en} (mail {no})",
                    "échoué le {at} : {fr} (courriel {no})"
                ),
            )
        }
        _ => ("owed", open(n, calendar)),
    };
    Line {
        recipient: address.to_owned(),
        stage: n.stage,
        slot: n.slot,
        fate,
        at: n.settled_at,
        mail,
        reason,
    }
}

fn open(n: &Notice, calendar: &Calendar) -> Text {
    match n.mail {
        None => text!(
            "owed: taken up by the next pass, once the recipient’s present mail is settled",
            "dû : pris en charge au prochain passage, une fois réglé le courriel en cours de ce destinataire"
        ),
        Some((no, state, next)) => {
            let next = next
                .map(|at| when::minute(calendar.next_leave(at), calendar))
                .unwrap_or_default();
            match state {
                MailState::Claimed => text!(
                    "owed: being sent now (mail {no})",
                    "dû : en cours d’envoi (courriel {no})"
                ),
                MailState::InDoubt => text!(
                    "owed: the server’s last reply was lost; sent again from {next} on (mail {no})",
                    "dû : la dernière réponse du serveur s’est perdue ; renvoyé à partir du {next} (courriel {no})"
                ),
                MailState::Deferred => text!(
                    "owed: put off by the server, tried again from {next} on (mail {no})",
                    "dû : remis à plus tard par le serveur, retenté à partir du {next} (courriel {no})"
                ),
                MailState::Held => text!(
                    "owed: late, and held with others; leaves from {next} on, or after `jetond outbox release` (mail {no})",
                    "dû : en retard, retenu avec d’autres ; part à partir du {next}, ou après `jetond outbox release` (courriel {no})"
                ),
                MailState::Queued
                | MailState::Sent
                | MailState::Refused
                | MailState::Parked
                | MailState::Failed
                | MailState::Cancelled => {
                    text!(
                        "owed: leaves from {next} on (mail {no})",
                        "dû : part à partir du {next} (courriel {no})"
                    )
                }
            }
        }
    }
}

fn said(why: Suppression) -> Text {
    match why {
        Suppression::Renewed => text!("the token was renewed", "le jeton a été renouvelé"),
        Suppression::Superseded => text!(
            "another token took its place",
            "un autre jeton a pris sa place"
        ),
        Suppression::Revoked => text!("the token was revoked", "le jeton a été révoqué"),
        Suppression::Archived => text!("the token was archived", "le jeton a été archivé"),
        Suppression::RecipientRemoved => text!(
            "the recipient is no longer told",
            "le destinataire n’est plus prévenu"
        ),
        Suppression::Cancelled => text!(
            "a person cancelled the mail",
            "une personne a annulé le courriel"
        ),
        Suppression::Filed => text!("the request was filed", "la demande était déposée"),
        Suppression::Declared => text!(
            "a recipient declared a renewal",
            "un destinataire a déclaré un renouvellement"
        ),
        Suppression::Snoozed => text!("it was put off", "il était en sommeil"),
    }
}
