//! `probe [ID]`: asks API Entreprise now what it says of a token, or of all whose secret is given.
//!
//! It counts as the token's call of the day, so the daemon asks no second time; but it is made
//! whether or not the daemon has asked today. While the service wants to be left alone, nothing
//! is asked.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::outbox::writable;
use crate::cli::{Context, Exit, Failure, lookup};
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::verdict::Bearing;
use crate::probe::{Asker, Heard, Told};
use crate::store::Store;
use crate::words::heard as said;
use crate::words::when::soon;
use crate::{app, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id [default: every token whose secret is given]
    id: Option<String>,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    if args.id.is_none() && config.probe.secrets.is_empty() {
        return Err(no_secret(None));
    }
    let store = writable(&config, false, context).await?;
    let asker = app::asker(&config, store.clone(), CancellationToken::new());
    let (heard, is_whole) = match &args.id {
        Some(id) => (
            vec![(id.clone(), one(id, &asker, &store, &config).await?)],
            true,
        ),
        None => all(&asker, &config, context).await?,
    };
    let is_well = heard
        .iter()
        .all(|(_, h)| h.reading.case.verdict().proves_life());
    if context.out.json {
        let rows = heard.iter().map(|(id, h)| row(id, h, &config.calendar));
        context.out.data("probe", rows.collect())?;
    } else {
        for (id, heard) in &heard {
            print(id, heard, &config.calendar, context)?;
        }
    }
    Ok(match (is_well, is_whole) {
        (true, true) => Exit::Done,
        (true, false) => Exit::Refused,
        (false, _) => Exit::NotDelivered,
    })
}

async fn one(id: &str, asker: &Asker, store: &Store, config: &Config) -> Result<Heard, Failure> {
    lookup::token(store, id).await?;
    match asker.ask_now(id, clock::now()).await? {
        Told::Heard(heard) => Ok(*heard),
        refused => Err(refusal(id, refused, &config.calendar)),
    }
}

/// Every token whose secret is given, and whether all were asked about; what cannot be asked is
/// told, and does not stop the others.
async fn all(
    asker: &Asker,
    config: &Config,
    context: &Context,
) -> Result<(Vec<(String, Heard)>, bool), Failure> {
    let mut heard = Vec::new();
    let mut refused = None;
    for (id, _) in &config.probe.secrets {
        match asker.ask_now(id.as_str(), clock::now()).await? {
            Told::Heard(one) => heard.push((id.as_str().to_owned(), *one)),
            told => {
                let ends = matches!(told, Told::Rests(_));
                let failure = refusal(id.as_str(), told, &config.calendar);
                // The last one is told at the end, once.
                if let Some(before) = refused.replace(failure) {
                    let before: Failure = before;
                    context.out.note(&before.message);
                }
                if ends {
                    break;
                }
            }
        }
    }
    match refused {
        Some(failure) if heard.is_empty() => Err(failure),
        Some(failure) => {
            context.out.note(&failure.message);
            Ok((heard, false))
        }
        None => Ok((heard, true)),
    }
}

fn no_secret(id: Option<&str>) -> Failure {
    let message = match id {
        Some(id) => text!(
            "no secret is given for `{id}`: without the token’s own text the API cannot be asked about it",
            "aucun secret n’est donné pour `{id}` : sans le texte du jeton, l’API ne peut pas être interrogée à son sujet"
        ),
        None => text!(
            "no token of the config has a secret: there is nothing to ask about",
            "aucun jeton de la configuration n’a de secret : il n’y a rien à demander"
        ),
    };
    Failure::new(Exit::Refused, "no_secret", message).hint(text!(
        "write to its [[token]] where its text is: secret = {{ credential = \"…\" }}",
        "écrire dans son [[token]] où est son texte : secret = {{ credential = \"…\" }}"
    ))
}

/// Why a token was not asked about.
fn refusal(id: &str, told: Told, calendar: &Calendar) -> Failure {
    match told {
        Told::NoSecret => no_secret(Some(id)),
        Told::Rests(until) => {
            let at = soon(until, calendar, clock::now());
            Failure::new(
                Exit::Refused,
                "service_rests",
                text!(
                    "API Entreprise is not asked before {at}: it asked for that, or it does not answer",
                    "API Entreprise n’est pas interrogée avant le {at} : elle l’a demandé, ou ne répond pas"
                ),
            )
            .hint(text!(
                "ask again then; an address that goes on asking after a 429 is banned for 12 hours",
                "redemander alors ; une adresse qui insiste après un 429 est bannie 12 heures"
            ))
        }
        Told::Hindered(why) => Failure::new(
            Exit::Refused,
            "secret_unusable",
            text!(
                "`{id}` cannot be asked about: {{}}",
                "`{id}` ne peut pas être interrogé : {{}}"
            )
            .with(&why),
        )
        .hint(text!(
            "`jetond check` says what to do about the text of each token",
            "`jetond check` dit que faire du texte de chaque jeton"
        )),
        Told::NotWatched => Failure::new(
            Exit::Refused,
            "not_active",
            text!(
                "`{id}` is not watched: it is archived, revoked or superseded, or not on record yet",
                "`{id}` n’est pas surveillé : il est archivé, révoqué ou remplacé, ou pas encore enregistré"
            ),
        ),
        Told::Heard(_) | Told::Elsewhere | Told::Stopped => Failure::new(
            Exit::Refused,
            "asked_elsewhere",
            text!(
                "`{id}` is being asked about by another process; `jetond show {id}` tells what it hears",
                "`{id}` est interrogé par un autre processus ; `jetond show {id}` dit ce qu’il apprend"
            ),
        ),
    }
}

fn row(id: &str, heard: &Heard, calendar: &Calendar) -> Value {
    let at = |at: DateTime<Utc>| at.with_timezone(&calendar.tz).to_rfc3339();
    let Heard {
        reading,
        known,
        service,
        ..
    } = heard;
    let (meaning, advice) = (reading.case.meaning(), reading.case.advice());
    let known = known.as_ref();
    json!({
        "token": id, "at": at(heard.at),
        "verdict": reading.case.verdict().word(), "case": reading.case.word(),
        "status": reading.status, "codes": reading.codes, "scopes": reading.scopes,
        "volume": reading.volume.map(|v| json!({
            "limit": v.limit, "remaining": v.remaining, "resets": at(v.resets),
        })),
        "return_at": reading.return_at.map(at), "said": reading.said,
        "meaning": {"en": meaning.en, "fr": meaning.fr}, "advice": {"en": advice.en, "fr": advice.fr},
        "believed": known.and_then(|k| k.belief).map(|b| b.verdict.word()),
        "suspected": known.and_then(|k| k.suspicion).map(|(verdict, _)| verdict.word()),
        "incident": service.incident.map(|i| json!({
            "what": i.side.word(), "since": at(i.since), "seen_at": at(i.seen_at),
        })),
        "not_before": service.not_before.map(at),
    })
}

fn print(
    id: &str,
    heard: &Heard,
    calendar: &Calendar,
    context: &mut Context,
) -> Result<(), Failure> {
    let reading = &heard.reading;
    let (meaning, advice) = (reading.case.meaning(), reading.case.advice());
    let lang = context.out.lang;
    let status = reading.status.map(|s| s.to_string());
    let codes = status.into_iter().chain(reading.codes.iter().cloned());
    let codes: Vec<String> = codes.collect();
    let said = meaning.in_lang(lang).to_owned();
    let colon = lang.pick(": ", "\u{a0}: ");
    context.out.line(&match codes.is_empty() {
        true => format!("{id}{colon}{said}"),
        false => format!("{id}{colon}{said} ({})", codes.join(" ")),
    })?;
    let advice = advice.in_lang(lang).to_owned();
    if !advice.is_empty() {
        context.out.indented(2, &advice)?;
    }
    if reading.status.is_none() && !reading.said.is_empty() {
        context.out.indented(2, &reading.said)?;
    }
    let more = [
        suspicion(heard),
        reading
            .volume
            .map(|volume| said::volume(volume, calendar, heard.at)),
        said::incident(&heard.service, calendar),
        heard.service.not_before.map(|until| {
            let until = soon(until, calendar, heard.at);
            text!(
                "nothing more is asked before {until}",
                "plus rien n’est demandé avant le {until}"
            )
        }),
    ];
    for line in more.into_iter().flatten() {
        context.out.indented(2, line.in_lang(lang))?;
    }
    Ok(())
}

/// What an answer of death counts for.
fn suspicion(heard: &Heard) -> Option<Text> {
    let known = heard.known.as_ref()?;
    let verdict = heard.reading.case.verdict();
    if verdict.bearing() != Bearing::Dead {
        return None;
    }
    if heard.is_of_before {
        return Some(text!(
            "it does not count: the token’s record was changed within the last hour, and the API may still say what it knew before; ask again in an hour",
            "elle ne compte pas : la fiche du jeton a changé il y a moins d’une heure, et l’API répond peut-être encore selon ce qu’elle savait avant ; redemander dans une heure"
        ));
    }
    if known.belief.is_some_and(|b| b.verdict == verdict) && known.suspicion.is_none() {
        return Some(text!(
            "two answers agree: it is believed dead",
            "deux réponses concordent : sa mort est tenue pour vraie"
        ));
    }
    known.suspicion.is_some().then(|| {
        text!(
            "a first answer: it is believed once a second one, an hour later or more, says the same",
            "une première réponse : elle sera tenue pour vraie quand une seconde, une heure plus tard au moins, la confirmera"
        )
    })
}
