//! "The same token or a new one?": asked on a terminal, of whoever renews without a date.
//!
//! An answer that cannot be understood is asked again; no answer changes nothing.

use std::io::{self, BufRead as _, IsTerminal as _};

use chrono::{DateTime, Utc};

use crate::cli::lookup::no_such_token;
use crate::cli::verb::date;
use crate::cli::when::{self, Bare};
use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::domain::language::{Text, text};
use crate::store::record::Token;

/// Which renewal it is.
pub(in crate::cli) enum Answer {
    /// The same token, with this expiry.
    SameToken(DateTime<Utc>),
    /// The token of this id took its place.
    NewToken(String),
}

/// Whether a person can read a question and answer it.
pub(in crate::cli) fn somebody_is_there(context: &Context) -> bool {
    !context.out.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks until the answer is understood.
pub(in crate::cli) fn ask(
    token: &Token,
    known: &[String],
    config: &Config,
    context: &Context,
) -> Result<Answer, Failure> {
    let calendar = &config.calendar;
    let (id, expires) = (&token.id, when::day(token.period.expires, calendar));
    context.out.note(&text!(
        "`{id}` expires on {expires}. The same token with a later date, or a new token in its place?",
        "`{id}` expire le {expires}. Le même jeton avec une date plus lointaine, ou un nouveau jeton à sa place ?"
    ));
    let which = text!(
        "[s]ame token or [n]ew one: ",
        "[m]ême jeton ou [n]ouveau\u{a0}: "
    );
    let is_new = loop {
        match answer(&which, context)?.to_lowercase().as_str() {
            "s" | "same" | "m" | "même" | "meme" => break false,
            "n" | "new" | "nouveau" => break true,
            _ => context.out.note(&text!(
                "answer s for the same token, n for a new one; Ctrl-C to leave it",
                "répondre m pour le même jeton, n pour un nouveau ; Ctrl-C pour renoncer"
            )),
        }
    };
    loop {
        let understood = if is_new {
            let of_new = text!(
                "id of the new token: ",
                "identifiant du nouveau jeton\u{a0}: "
            );
            let new = answer(&of_new, context)?;
            if known.contains(&new) {
                Ok(Answer::NewToken(new))
            } else {
                Err(no_such_token(&new, known, Some(config)))
            }
        } else {
            let until = text!(
                "its new expiry, as 2028-06-15: ",
                "sa nouvelle date d’expiration, comme 2028-06-15\u{a0}: "
            );
            date(&answer(&until, context)?, calendar, Bare::EndOfDay).map(Answer::SameToken)
        };
        match understood {
            Ok(answer) => return Ok(answer),
            Err(failure) => {
                context.out.note(&failure.message);
                if let Some(hint) = &failure.hint {
                    context.out.note(hint);
                }
            }
        }
    }
}

/// One line of the terminal; its end, or an empty one, is no answer.
fn answer(question: &Text, context: &Context) -> Result<String, Failure> {
    context.out.ask(question);
    let mut line = String::new();
    let read = io::stdin().lock().read_line(&mut line);
    let line = line.trim();
    match read {
        Ok(_) if !line.is_empty() => Ok(line.to_owned()),
        Ok(_) | Err(_) => Err(Failure::new(
            Exit::Refused,
            "unanswered",
            text!(
                "no answer: nothing was changed",
                "pas de réponse : rien n’a changé"
            ),
        )
        .hint(text!(
            "`jetond renew ID --expires DATE` and `jetond supersede OLD NEW` ask nothing",
            "`jetond renew ID --expires DATE` et `jetond supersede ANCIEN NOUVEAU` ne demandent rien"
        ))),
    }
}
