//! `explain-code`: what an answer of API Entreprise means, whose fault it is, what to do and whom
//! to write to. Needs no config, no record and no token.
//!
//! A status, a code of the API's own, both, or a whole answer on standard input; without any of
//! them, the table of all. In what is shown of an answer's words a token is masked; a piece of one
//! that has lost its beginning is not known for one.

mod transcript;

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{Context, Exit, Failure, secret_input};
use crate::clock;
use crate::domain::language::{Lang, Text, looks_like_jwt, text};
use crate::domain::verdict::words::{INCIDENTS, REAL_TIME, SUPPORT};
use crate::domain::verdict::{
    Asked, Bearing, Body, Case, Heard, ROWS, Reading, Row, judge, row_of_code, rows_of_status,
};
use crate::probe::read::{Written, guess, is_code, read};

use self::transcript::Transcript;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A status (451), a code (00103), both (401/00103), or `-`: an answer on standard input, as
    /// `curl -i` prints it, or its body alone [default: the table of all]
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// What is explained.
struct Explained {
    case: Case,
    status: Option<u16>,
    codes: Vec<String>,
    reading: Option<Reading>,
}

pub(super) fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    match args.code.as_deref() {
        None => table(context)?,
        Some("-") => {
            let answer = secret_input::read(Path::new("-"), context)?;
            explain(&of_answer(&answer)?, context)?;
        }
        Some(written) => explain(&of_code(written)?, context)?,
    }
    Ok(Exit::Done)
}

/// What can be asked for, each with its meaning.
pub(super) fn known_codes(lang: Lang) -> Vec<(String, String)> {
    let known = ROWS.iter().map(|r| {
        let meaning = r.case.meaning();
        (
            shown(r.status, r.code, r.case),
            meaning.in_lang(lang).to_owned(),
        )
    });
    known.collect()
}

/// A status, a code, `STATUS/CODE`, or the word of a case.
fn of_code(written: &str) -> Result<Explained, Failure> {
    let written = written.trim();
    let written = written.strip_prefix("HTTP ").unwrap_or(written);
    if looks_like_jwt(written) {
        return Err(Failure::token_instead_of(&text!("a code", "d’un code")));
    }
    if let Some(case) = Case::from_word(written) {
        let mut rows = ROWS.iter().filter(|r| r.case == case);
        let (row, others) = (rows.next(), rows.next());
        return Ok(Explained {
            case,
            status: row.and_then(|r| r.status),
            codes: code_of(row.filter(|_| others.is_none())),
            reading: None,
        });
    }
    match written.split_once(['/', ' ']) {
        Some((status, code)) => {
            let status = status_of(status.trim(), written)?;
            of_both(status, code.trim(), written)
        }
        None if written.len() == 5 => {
            let row = row_of_code(written).ok_or_else(|| unknown(written, written))?;
            Ok(Explained {
                case: row.case,
                status: row.status,
                codes: code_of(Some(row)),
                reading: None,
            })
        }
        None => {
            let status = status_of(written, written)?;
            Ok(Explained {
                case: judged(status, Body::Unseen),
                status: Some(status),
                codes: Vec::new(),
                reading: None,
            })
        }
    }
}

fn code_of(row: Option<&Row>) -> Vec<String> {
    row.and_then(|r| r.code)
        .map(str::to_owned)
        .into_iter()
        .collect()
}

/// `whole` is what was written.
fn of_both(status: u16, code: &str, whole: &str) -> Result<Explained, Failure> {
    match row_of_code(code) {
        Some(row) if row.status == Some(status) => {}
        Some(row) => {
            let belongs = row.status.unwrap_or_default();
            return Err(Failure::usage(text!(
                "the code {code} does not come with {status}",
                "le code {code} n’accompagne pas {status}"
            ))
            .hint(text!(
                "it comes with {belongs}: `jetond explain-code {belongs}/{code}`",
                "il accompagne {belongs} : `jetond explain-code {belongs}/{code}`"
            )));
        }
        // A provider has codes of its own; the status says what they have in common.
        None if is_code(code) && !matches!(status, 401 | 403) => {}
        None => return Err(unknown(code, whole)),
    }
    let codes = vec![code.to_owned()];
    Ok(Explained {
        case: judged(status, Body::Errors(codes.clone())),
        status: Some(status),
        codes,
        reading: None,
    })
}

fn judged(status: u16, body: Body) -> Case {
    let heard = Heard {
        status,
        body,
        gateway_error: None,
    };
    judge(Some(&heard), Asked::Anything)
}

fn status_of(written: &str, whole: &str) -> Result<u16, Failure> {
    let status = written.parse().ok().filter(|_| written.len() == 3);
    match status {
        Some(status) if rows_of_status(status).next().is_some() || status / 100 == 5 => Ok(status),
        Some(100..=599) => Err(Failure::usage(text!(
            "API Entreprise does not answer {written}",
            "API Entreprise ne répond pas {written}"
        ))
        .hint(text!(
            "it may come from a proxy: `jetond explain-code -` reads the whole answer; `jetond explain-code` lists what API Entreprise answers",
            "cela peut venir d’un mandataire : `jetond explain-code -` lit la réponse entière ; `jetond explain-code` liste ce que répond API Entreprise"
        ))),
        Some(_) | None => Err(neither(whole)),
    }
}

fn neither(whole: &str) -> Failure {
    Failure::usage(text!(
        "{whole:?} is neither a status nor a code of API Entreprise",
        "{whole:?} n’est ni un code HTTP ni un code d’API Entreprise"
    ))
    .hint(text!(
        "write `jetond explain-code 451`, `jetond explain-code 401/00103`, or pass a whole answer: `curl -i … | jetond explain-code -`",
        "écrire `jetond explain-code 451`, `jetond explain-code 401/00103`, ou passer une réponse entière : `curl -i … | jetond explain-code -`"
    ))
}

/// A code without a row.
fn unknown(code: &str, whole: &str) -> Failure {
    if !is_code(code) {
        return neither(whole);
    }
    let all: Vec<String> = ROWS
        .iter()
        .filter_map(|r| Some(format!("{}/{}", r.status?, r.code?)))
        .collect();
    let all = all.join(", ");
    Failure::usage(text!(
        "{code} is no code of API Entreprise’s own",
        "{code} n’est pas un code propre à API Entreprise"
    ))
    .hint(text!(
        "these are known: {all}; a provider’s code needs its status: `jetond explain-code 502/{code}`",
        "ceux-ci sont connus : {all} ; le code d’un fournisseur s’écrit avec le code HTTP : `jetond explain-code 502/{code}`"
    ))
}

/// An answer as it was heard: head and body, or a body alone.
fn of_answer(answer: &[u8]) -> Result<Explained, Failure> {
    let answer = answer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(answer);
    if answer.trim_ascii().is_empty() {
        return Err(Failure::usage(text!(
            "there is nothing on standard input",
            "il n’y a rien sur l’entrée standard"
        ))
        .hint(text!(
            "no answer at all is explained by `jetond explain-code no_answer`; with `curl`, `-i` prints the head",
            "l’absence de réponse s’explique par `jetond explain-code no_answer` ; avec `curl`, `-i` écrit l’en-tête"
        )));
    }
    let heard = Transcript::of(answer);
    let status = match heard.status.or_else(|| guess(heard.body)) {
        Some(status) => status,
        None => {
            return Err(Failure::usage(text!(
                "this body alone does not tell what it means: the status is missing",
                "ce corps ne dit pas à lui seul ce qu’il signifie : le code HTTP manque"
            ))
            .hint(text!(
                "pass the whole answer: `curl -i … | jetond explain-code -`, or name the status: `jetond explain-code 404`",
                "passer la réponse entière : `curl -i … | jetond explain-code -`, ou donner le code HTTP : `jetond explain-code 404`"
            )));
        }
    };
    let written = Written {
        status,
        retry_after: heard.header("retry-after"),
        rate_limit: [
            heard.header("ratelimit-limit"),
            heard.header("ratelimit-remaining"),
            heard.header("ratelimit-reset"),
        ],
        body: Some(heard.body),
    };
    let reading = read(&written, Asked::Anything, &[], clock::now());
    Ok(Explained {
        case: reading.case,
        status: Some(status),
        codes: reading.codes.clone(),
        reading: Some(reading),
    })
}

fn explain(explained: &Explained, context: &mut Context) -> Result<(), Failure> {
    let case = explained.case;
    if context.out.json {
        let row = row(explained, context.out.lang);
        context.out.data("explain-code", vec![row])?;
        return Ok(());
    }
    let name = shown(
        explained.status,
        Some(explained.codes.join("+").as_str()).filter(|codes| !codes.is_empty()),
        case,
    );
    let Text { en, fr } = case.meaning();
    let head = text!("{name}: {en}", "{name} : {fr}");
    context.out.say(&head)?;
    let lang = context.out.lang;
    let pick = |text: Text| text.in_lang(lang).to_owned();
    let mut facts = vec![
        (lang.pick("token", "jeton"), pick(bearing(case))),
        (
            lang.pick("fault", "à qui la faute"),
            pick(case.fault().said()),
        ),
        (lang.pick("what to do", "que faire"), pick(case.advice())),
        (lang.pick("write to", "écrire"), pick(case.whom())),
        (lang.pick("incidents", "incidents"), INCIDENTS.to_owned()),
        (lang.pick("real time", "temps réel"), REAL_TIME.to_owned()),
    ];
    if let Some(reading) = &explained.reading {
        facts.extend(heard(reading, lang));
    } else if let Some(others) = finer(explained) {
        facts.push((lang.pick("see also", "voir aussi"), others));
    }
    context.out.facts(&facts)?;
    Ok(())
}

/// The codes that tell more than the status that was named.
fn finer(explained: &Explained) -> Option<String> {
    let status = explained.status.filter(|_| explained.codes.is_empty())?;
    let codes: Vec<String> = rows_of_status(status)
        .filter_map(|r| Some(format!("{status}/{}", r.code?)))
        .collect();
    (codes.len() > 1).then(|| codes.join(", "))
}

/// What the case says of the token.
fn bearing(case: Case) -> Text {
    match case.verdict().bearing() {
        // A header that was forgotten is no dead token.
        _ if case == Case::NotAuthorised => text!(
            "it was not accepted as it was sent: first see that it was, and whole",
            "il n’a pas été accepté tel qu’envoyé : vérifier d’abord qu’il l’a été, et en entier"
        ),
        Bearing::Lives => text!("it works", "il fonctionne"),
        Bearing::Dead => text!("it does not work", "il ne fonctionne pas"),
        Bearing::Nothing => text!("nothing is learnt of it", "on n’en apprend rien"),
    }
}

/// What else was in an answer.
fn heard(reading: &Reading, lang: Lang) -> Vec<(&'static str, String)> {
    let moment = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut facts = Vec::new();
    if let Some(at) = reading.return_at {
        facts.push((lang.pick("not before", "pas avant"), moment(at)));
    }
    if let Some(volume) = reading.volume {
        let (limit, left, at) = (volume.limit, volume.remaining, moment(volume.resets));
        let Text { en, fr } = text!(
            "{left} of {limit} requests left, until {at}",
            "{left} requêtes sur {limit} restent, jusqu’au {at}"
        );
        facts.push((lang.pick("volume", "volume"), lang.pick(en, fr)));
    }
    if let Some(scopes) = &reading.scopes {
        facts.push((lang.pick("rights", "droits"), scopes.join(", ")));
    }
    if !reading.said.is_empty() {
        facts.push((lang.pick("it said", "il est dit"), reading.said.clone()));
    }
    facts
}

/// `401/00103`, `502`, or the word of a case that has no status.
fn shown(status: Option<u16>, code: Option<&str>, case: Case) -> String {
    match (status, code) {
        (Some(status), Some(code)) => format!("{status}/{code}"),
        (Some(status), None) => status.to_string(),
        (None, _) => case.word().to_owned(),
    }
}

fn row(explained: &Explained, lang: Lang) -> Value {
    let case = explained.case;
    let pick = |text: Text| text.in_lang(lang).to_owned();
    let mut row = json!({
        "status": explained.status,
        "codes": explained.codes,
        "case": case.word(),
        "verdict": case.verdict().word(),
        "token": match case.verdict().bearing() {
            Bearing::Lives => "works",
            Bearing::Dead => "dead",
            Bearing::Nothing => "unknown",
        },
        "fault": case.fault().word(),
        "meaning": pick(case.meaning()),
        "advice": pick(case.advice()),
        "write_to": pick(case.whom()),
        "support": SUPPORT,
        "incidents": INCIDENTS,
        "real_time": REAL_TIME,
    });
    if let Some(reading) = &explained.reading {
        let rfc3339 = |at: chrono::DateTime<chrono::Utc>| {
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        };
        row["not_before"] = json!(reading.return_at.map(rfc3339));
        row["volume"] = json!(reading.volume.map(|v| {
            json!({"limit": v.limit, "remaining": v.remaining, "resets": rfc3339(v.resets)})
        }));
        row["scopes"] = json!(reading.scopes);
        row["said"] = json!(reading.said);
    }
    row
}

fn table(context: &mut Context) -> Result<(), Failure> {
    let lang = context.out.lang;
    let explained = ROWS.iter().map(|r| Explained {
        case: r.case,
        status: r.status,
        codes: code_of(Some(r)),
        reading: None,
    });
    if context.out.json {
        let rows = explained.map(|e| row(&e, lang)).collect();
        context.out.data("explain-code", rows)?;
        return Ok(());
    }
    let head = lang.pick(
        ["CODE", "TOKEN", "WHOSE FAULT", "MEANING"],
        ["CODE", "JETON", "À QUI LA FAUTE", "SIGNIFICATION"],
    );
    let rows: Vec<Vec<String>> = ROWS
        .iter()
        .map(|r| {
            vec![
                shown(r.status, r.code, r.case),
                bearing(r.case).in_lang(lang).to_owned(),
                r.case.fault().said().in_lang(lang).to_owned(),
                r.case.meaning().in_lang(lang).to_owned(),
            ]
        })
        .collect();
    context.out.table(&head, &rows, 3)?;
    context.out.line("")?;
    context.out.facts(&[
        (lang.pick("incidents", "incidents"), INCIDENTS.to_owned()),
        (lang.pick("real time", "temps réel"), REAL_TIME.to_owned()),
        (lang.pick("write to", "écrire à"), SUPPORT.to_owned()),
    ])?;
    Ok(())
}
