//! What API Entreprise says of a token, and of itself, in few words: for lists, pages and
//! `status`. What each case means, and what to do about it, is said by `domain::verdict`.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::incident::Side;
use crate::domain::language::{Text, text};
use crate::domain::verdict::{Bearing, Verdict, Volume};
use crate::store::probe::{Probed, Service};
use crate::words::when::{day, minute};

/// How a verdict looks: `good`, `warn`, `bad`, or nothing.
pub(crate) fn tone(verdict: Verdict) -> &'static str {
    match verdict.bearing() {
        Bearing::Dead => "bad",
        Bearing::Lives if verdict == Verdict::Alive => "good",
        Bearing::Lives => "warn",
        Bearing::Nothing => "",
    }
}

/// What is believed of a token, with the day of the last answer that says so, and whether that is
/// old.
pub(crate) fn in_short(probed: &Probed, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let said = believed_in_short(probed, calendar, now);
    match probed.known.suspicion {
        None => said,
        Some((suspected, _)) => text!(
            "{{}}; a first answer: {{}}",
            "{{}} ; une première réponse : {{}}"
        )
        .with(&said)
        .with(&suspected.in_short()),
    }
}

fn believed_in_short(probed: &Probed, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let unheard = probed.unheard_since(now).map(|at| day(at, calendar));
    match (&probed.known.belief, &probed.hindrance) {
        (Some(belief), hindrance) => {
            let on = day(belief.at, calendar);
            let said = dated(belief.verdict, &on, unheard.is_some());
            match hindrance {
                Some(_) => text!("{{}}; cannot be asked", "{{}} ; plus vérifié").with(&said),
                None => said,
            }
        }
        (None, Some(_)) => text!("cannot be asked", "ne peut pas être vérifié"),
        (None, None) => unheard.map_or_else(unknown, |on| learnt_nothing(&on)),
    }
}

/// A verdict with the day of the last answer that says so, and whether that is old.
pub(crate) fn dated(of: Verdict, on: &str, is_old: bool) -> Text {
    let said = if is_old {
        text!(
            "{{}} ({on}, nothing learnt since)",
            "{{}} ({on}, rien appris depuis)"
        )
    } else {
        text!("{{}} ({on})", "{{}} ({on})")
    };
    said.with(&of.in_short())
}

fn unknown() -> Text {
    text!("not known yet", "pas encore connu")
}

/// … of a token, since that day.
pub(crate) fn learnt_nothing(on: &str) -> Text {
    text!("nothing learnt since {on}", "rien appris depuis le {on}")
}

/// Data, in both languages as it is.
fn data(value: &str) -> Text {
    Text {
        en: value.to_owned(),
        fr: value.to_owned(),
    }
}

/// All that is on record of a token, as names and values.
pub(crate) fn facts(probed: &Probed, calendar: &Calendar, now: DateTime<Utc>) -> Vec<(Text, Text)> {
    let mut facts = Vec::new();
    let known = &probed.known;
    let unheard = probed.unheard_since(now).map(|at| minute(at, calendar));
    let believed = match (known.belief, unheard) {
        (None, None) => unknown(),
        (None, Some(at)) => learnt_nothing(&at),
        (Some(belief), unheard) => {
            let since = minute(belief.since, calendar);
            let said = text!("{{}}, since {since}", "{{}}, depuis le {since}")
                .with(&belief.verdict.in_short());
            match unheard {
                None => said,
                Some(at) => text!("{{}}; {{}}", "{{}} ; {{}}")
                    .with(&said)
                    .with(&learnt_nothing(&at)),
            }
        }
    };
    facts.push((text!("API says", "l’API dit"), believed));
    if let Some((suspected, at)) = known.suspicion {
        let at = minute(at, calendar);
        let said = text!(
            "{{}}, answered once on {at}; the next answer confirms it or not",
            "{{}}, répondu une fois le {at} ; la prochaine réponse le confirmera ou non"
        );
        facts.push((
            text!("suspected", "soupçon"),
            said.with(&suspected.in_short()),
        ));
    }
    if let Some(why) = &probed.hindrance {
        let label = text!("cannot be asked", "vérification impossible");
        facts.push((label, data(why)));
    }
    if let Some(at) = known.asked_at {
        let at = minute(at, calendar);
        facts.push((text!("last asked", "interrogée le"), text!("{at}", "{at}")));
    }
    if let Some(last) = &probed.last {
        let at = minute(last.at, calendar);
        let codes = if last.codes.is_empty() {
            String::new()
        } else {
            format!(" ({})", last.codes.join(", "))
        };
        let status = last
            .status
            .map_or_else(String::new, |s| format!("{s}{codes}, "));
        facts.push((
            text!("last answer", "dernière réponse"),
            text!("{status}{{}}, {at}", "{status}{{}}, {at}").with(&last.case.verdict().in_short()),
        ));
        if !last.said.is_empty() {
            let label = match last.status {
                Some(_) => text!("its text", "texte reçu"),
                None => text!("cause", "cause"),
            };
            facts.push((label, data(&last.said)));
        }
    }
    if let Some(scopes) = &known.scopes {
        let scopes = scopes.join(", ");
        facts.push((
            text!("rights by the API", "droits selon l’API"),
            data(&scopes),
        ));
    }
    if let Some(of) = known.volume {
        facts.push((text!("volume", "volume"), volume(of, calendar, now)));
    }
    facts
}

/// How much of a volume is left, and until when.
pub(crate) fn volume(of: Volume, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let Volume {
        limit,
        remaining,
        resets,
    } = of;
    let at = minute(resets, calendar);
    if now >= resets {
        return text!(
            "{limit} calls in all; counted anew since {at}",
            "{limit} appels en tout ; décompte remis à zéro le {at}"
        );
    }
    let said = text!(
        "{remaining} of {limit} calls left until {at}",
        "{remaining} appels sur {limit} restants jusqu’au {at}"
    );
    if of.is_near_its_end(now) {
        return text!("{{}}: near its end", "{{}} : presque épuisé").with(&said);
    }
    said
}

/// What is wrong with the service, where anything is known to be. Of its own failing nothing is
/// known between two calls: it is said when it failed, not that it is down.
pub(crate) fn incident(service: &Service, calendar: &Calendar) -> Option<Text> {
    let incident = service.incident?;
    let [since, last] = [incident.since, incident.seen_at].map(|at| minute(at, calendar));
    Some(match incident.side {
        Side::Provider => text!(
            "incident at a provider of data since {since}, seen last on {last}",
            "incident chez un fournisseur de données depuis le {since}, constaté en dernier le {last}"
        ),
        Side::Service if since == last => text!(
            "API Entreprise failed when last tried, on {last}",
            "API Entreprise en panne au dernier essai, le {last}"
        ),
        Side::Service => text!(
            "API Entreprise failed when last tried, on {last}, and first on {since}",
            "API Entreprise en panne au dernier essai, le {last}, et déjà le {since}"
        ),
        Side::Ours => text!(
            "not reached since {since}, or another server answered in its place; tried last on {last}: the fault seems to be on our side (network, proxy, certificates)",
            "injoignable depuis le {since}, ou un autre serveur a répondu à sa place ; dernier essai le {last} : le problème semble être de notre côté (réseau, mandataire, certificats)"
        ),
    })
}

/// How the service is.
pub(crate) fn service(of: &Service, calendar: &Calendar, now: DateTime<Utc>) -> Text {
    let said = incident(of, calendar).unwrap_or_else(|| match of.seen_at {
        None => text!("no answer yet", "pas encore de réponse"),
        Some(at) => {
            let at = minute(at, calendar);
            text!(
                "answers (last on {at})",
                "répond (dernière réponse le {at})"
            )
        }
    });
    let Some(until) = of.not_before.filter(|at| *at > now) else {
        return said;
    };
    let at = minute(until, calendar);
    if of.patience.is_some_and(|patience| patience >= until) {
        return text!(
            "{{}}; it asks for patience until {at}",
            "{{}} ; elle demande d’attendre jusqu’au {at}"
        )
        .with(&said);
    }
    text!(
        "{{}}; asked again from {at} on",
        "{{}} ; interrogée de nouveau à partir du {at}"
    )
    .with(&said)
}
