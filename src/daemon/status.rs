//! The daemon's state in one line, for `systemctl status`: what waits and when the next mail may
//! leave, or what is wrong; and for an hour what the last reload brought, a refused one until a
//! good one.
//!
//! In the config's language and in local time. Nothing is looked up here, and nothing names a
//! person.

use chrono::{DateTime, Duration, Utc};

use crate::daemon::watch::Findings;
use crate::delivery::compose;
use crate::domain::address::mask_addresses;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, Text, text};
use crate::health::Vitals;
use crate::store::outbox::MailState;

/// For so long a good reload is worth a word.
const REMEMBERED: Duration = Duration::hours(1);

/// How a reload ended.
#[derive(Debug, Clone)]
pub(super) struct Reloaded {
    pub(super) at: DateTime<Utc>,
    /// What changed, or why nothing did.
    pub(super) said: Result<Text, Text>,
}

/// The state after a pass, in one line.
pub(super) fn line(
    findings: &Findings,
    reloaded: Option<&Reloaded>,
    calendar: &Calendar,
    lang: Lang,
    now: DateTime<Utc>,
) -> String {
    let mut parts: Vec<String> = Vec::new();
    if !findings.ills.is_empty() {
        let ills: Vec<Text> = findings.ills.iter().map(|i| i.told(now)).collect();
        let ills: Vec<&str> = ills.iter().map(|t| t.in_lang(lang)).collect();
        let ills = ills.join("; ");
        parts.push(
            text!("ILL: {ills}", "MALADE : {ills}")
                .in_lang(lang)
                .to_owned(),
        );
    }
    if let Some(vitals) = &findings.vitals {
        parts.push(waiting(vitals, calendar, now).in_lang(lang).to_owned());
    }
    if let Some(Reloaded { at, said }) = reloaded {
        let hour = moment(*at, calendar, now);
        let Text { en, fr } = hour;
        let told = match said {
            Ok(what) if now - *at < REMEMBERED => {
                Some(text!("reloaded {en}: {{}}", "relu {fr} : {{}}").with(what))
            }
            Ok(_) => None,
            Err(why) => Some(
                text!(
                    "REFUSED reload, {en}: {{}}",
                    "relecture REFUSÉE, {fr} : {{}}"
                )
                .with(why),
            ),
        };
        parts.extend(told.map(|t| t.in_lang(lang).to_owned()));
    }
    // A relay’s last words may repeat an address.
    mask_addresses(&parts.join(" – "))
}

/// What waits, and when the next mail may leave.
fn waiting(vitals: &Vitals, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let n = vitals.count(MailState::is_open);
    let mails = match n {
        0 => text!("nothing waits", "rien en attente"),
        1 => text!("1 mail waits", "1\u{a0}courriel en attente"),
        _ => text!("{n} mails wait", "{n}\u{a0}courriels en attente"),
    };
    let slot = match next(vitals) {
        // The time of a mail that is on its way is the end of its lease.
        _ if vitals.count(|s| s == MailState::Claimed) > 0 => {
            text!("being sent", "envoi en cours")
        }
        None => text!("no slot to come", "aucun créneau à venir"),
        Some(at) if at <= now => text!("due now", "à envoyer maintenant"),
        Some(at) => {
            text!("next slot {{}}", "prochain créneau {{}}").with(&moment(at, calendar, now))
        }
    };
    text!("{{}}, {{}}", "{{}}, {{}}").with(&mails).with(&slot)
}

/// When the next mail may leave, as far as is known: the first open one, or the next stage.
pub(super) fn next(vitals: &Vitals) -> Option<DateTime<Utc>> {
    [vitals.next_mail, vitals.next_due]
        .into_iter()
        .flatten()
        .min()
}

/// A local moment as one would say it: "today 09:00", "Monday 09:00", "7 December 2026 09:00".
pub(super) fn moment(at: DateTime<Utc>, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let (day, today) = (calendar.date(at), calendar.date(now));
    let hour = at.with_timezone(&calendar.tz).format("%H:%M");
    let [en, fr] = [Lang::En, Lang::Fr].map(|lang| match (day - today).num_days() {
        0 => lang.pick("today", "aujourd’hui").to_owned(),
        1..=6 => compose::weekday(lang, day).to_owned(),
        _ => compose::date(lang, day),
    });
    text!("{en} {hour}", "{fr} {hour}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Surroundings, load};
    use crate::health::Ill;

    fn calendar() -> Calendar {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.toml");
        std::fs::write(&file, crate::config::EXAMPLE).unwrap();
        let loaded = load(
            &file,
            &Surroundings {
                now: at("2026-11-20T12:00:00Z"),
            },
        );
        loaded.unwrap().config.calendar
    }

    fn at(written: &str) -> DateTime<Utc> {
        written.parse().unwrap()
    }

    fn findings(open: u32, next_mail: Option<&str>, ills: Vec<Ill>) -> Findings {
        Findings {
            vitals: Some(Vitals {
                uncovered: Vec::new(),
                out_of_reach: Vec::new(),
                last_pass: None,
                next_due: Some(at("2026-12-07T08:00:00Z")),
                next_mail: next_mail.map(at),
                mails: vec![(MailState::Queued, open), (MailState::Sent, 7)],
            }),
            ills,
        }
    }

    #[test]
    fn the_line_says_what_waits_and_when_the_next_slot_is_in_local_time() {
        let (calendar, friday) = (calendar(), at("2026-11-20T17:30:00Z"));
        let say = |f: &Findings, lang| line(f, None, &calendar, lang, friday);
        let three = findings(3, Some("2026-11-23T08:00:00Z"), vec![]);
        assert_eq!(
            say(&three, Lang::En),
            "3 mails wait, next slot Monday 09:00"
        );
        assert_eq!(
            say(&three, Lang::Fr),
            "3\u{a0}courriels en attente, prochain créneau lundi 09:00"
        );
        let none = findings(0, None, vec![]);
        assert_eq!(
            say(&none, Lang::En),
            "nothing waits, next slot 7 December 2026 09:00"
        );
    }

    #[test]
    fn an_illness_comes_first() {
        let (calendar, now) = (calendar(), at("2026-11-20T17:30:00Z"));
        let relay = Ill::Relay {
            since: at("2026-11-20T15:30:00Z"),
            why: "connection refused".to_owned(),
        };
        let ill = findings(1, Some("2026-11-20T17:00:00Z"), vec![relay]);
        assert_eq!(
            line(&ill, None, &calendar, Lang::En, now),
            "ILL: relay unreachable for 2 h: connection refused – 1 mail waits, due now"
        );
        assert_eq!(
            line(&ill, None, &calendar, Lang::Fr, now),
            "MALADE\u{a0}: relais injoignable depuis 2\u{a0}h\u{a0}: connection refused – 1\u{a0}courriel en attente, à envoyer maintenant"
        );
    }

    #[test]
    fn a_good_reload_is_told_for_an_hour_and_a_refused_one_until_a_good_one() {
        let (calendar, now) = (calendar(), at("2026-11-20T17:30:00Z"));
        let quiet = findings(0, None, vec![]);
        let of = |minutes, said| Reloaded {
            at: now - Duration::minutes(minutes),
            said,
        };
        let say = |r: &Reloaded| line(&quiet, Some(r), &calendar, Lang::En, now);
        let good = || Ok(text!("+1 token", "+1 jeton"));
        let bad = Err(text!("3 errors", "3 erreurs"));
        assert!(say(&of(59, good())).ends_with(" – reloaded today 17:31: +1 token"));
        assert!(!say(&of(60, good())).contains("reloaded"));
        assert!(say(&of(3000, bad)).contains("REFUSED reload, 18 November 2026"));
    }
}
