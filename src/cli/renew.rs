//! `renew ID`: the same token lives on until a later date. `--write-config` has the file say so
//! too; without any date it writes the one on record.
//!
//! Without a date a person at a terminal is asked which renewal it is; a script is refused.

use crate::cli::secret_input::one_jwt;
use crate::cli::verb::question::{self, Answer};
use crate::cli::verb::{Dry, Event, date, file, perform};
use crate::cli::when::Bare;
use crate::cli::{Context, Exit, Failure, lookup};
use crate::config::Config;
use crate::domain::language::text;
use crate::renewal::verbs::{Renewal, Verb};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The token's id
    id: String,
    /// Its new date of issue: the expiry follows from `schedule.validity_months`
    #[arg(long, value_name = "DATE", group = "renewal")]
    issued: Option<String>,
    /// Its new expiry
    #[arg(long, value_name = "DATE", group = "renewal")]
    expires: Option<String>,
    /// Read its dates from the token itself, on standard input; nothing of it is kept but its
    /// numbers, dates and rights
    #[arg(long, value_name = "-", group = "renewal", allow_hyphen_values = true)]
    jwt: Option<String>,
    /// The date on record is wrong: it is corrected, and nothing is sent again
    #[arg(long, requires = "renewal", conflicts_with_all = ["write_config", "not_renewed"])]
    correct: bool,
    /// It is not renewed, although a recipient declared it: its reminders go on
    #[arg(long, group = "renewal", conflicts_with = "write_config")]
    not_renewed: bool,
    /// Have the file say so too; without a date, what the record says
    #[arg(long)]
    write_config: bool,
    #[command(flatten)]
    dry: Dry,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    let config = &loaded.config;
    let (id, dry_run) = (args.id.as_str(), args.dry.dry_run);
    if args.not_renewed {
        let event = Event {
            command: "renew",
            id,
            verb: Verb::Undeclare,
            dry_run,
        };
        return perform(config, &event, context).await;
    }
    let renewal = match said(args, config, context)? {
        Some(renewal) => Some(renewal),
        None if args.write_config => None,
        None => match asked(args, config, context).await? {
            Answer::SameToken(expires) => Some(Renewal::until(expires, None)),
            Answer::NewToken(by) => {
                let event = Event {
                    command: "supersede",
                    id,
                    verb: Verb::Supersede { by },
                    dry_run,
                };
                return perform(config, &event, context).await;
            }
        },
    };
    match renewal {
        Some(renewal) if !args.write_config => {
            let verb = if args.correct {
                Verb::Correct(renewal)
            } else {
                Verb::Renew(renewal)
            };
            let event = Event {
                command: "renew",
                id,
                verb,
                dry_run,
            };
            perform(config, &event, context).await
        }
        renewal => file::perform(&loaded, id, renewal, dry_run, context).await,
    }
}

/// The renewal that the options tell.
fn said(args: &Args, config: &Config, context: &Context) -> Result<Option<Renewal>, Failure> {
    let calendar = &config.calendar;
    if let Some(issued) = &args.issued {
        let issued = date(issued, calendar, Bare::EndOfDay)?;
        let expires = calendar.add_months(issued, config.validity_months);
        return Ok(Some(Renewal::until(expires, Some(issued))));
    }
    if let Some(expires) = &args.expires {
        let expires = date(expires, calendar, Bare::EndOfDay)?;
        return Ok(Some(Renewal::until(expires, None)));
    }
    match args.jwt.as_deref() {
        None => Ok(None),
        Some("-") => {
            let claims = one_jwt(context)?;
            let expires = claims
                .expiry(calendar, config.validity_months)
                .ok_or_else(|| Failure::unexpected("a token without any date"))?;
            Ok(Some(Renewal {
                issued: claims.issued,
                expires,
                jti: Some(claims.jti),
                scopes: claims.scopes,
                fingerprint: claims.fingerprint,
            }))
        }
        // It may be the token: it is not repeated.
        Some(_) => Err(Failure::usage(text!(
            "a token is read from standard input only, never from the command line, which is on show to others",
            "un jeton se lit sur l’entrée standard seulement, jamais sur la ligne de commande, visible d’autrui"
        ))
        .hint(text!(
            "write `--jwt -` and give the token on standard input, as `jetond renew ID --jwt - < FILE`",
            "écrire `--jwt -` et donner le jeton sur l’entrée standard, comme `jetond renew ID --jwt - < FICHIER`"
        ))),
    }
}

/// Which renewal it is, if a person is there to be asked.
async fn asked(args: &Args, config: &Config, context: &mut Context) -> Result<Answer, Failure> {
    let id = &args.id;
    let store = Store::open_to_read(&config.store).await?;
    context.keep(&store);
    let token = lookup::token(&store, id).await?;
    if !question::somebody_is_there(context) {
        return Err(Failure::new(
            Exit::Refused,
            "which_renewal",
            text!(
                "the same token with a later date, or a new token in its place?",
                "le même jeton avec une date plus lointaine, ou un nouveau jeton à sa place ?"
            ),
        )
        .hint(text!(
            "the same token: `jetond renew {id} --expires DATE` (or `--issued DATE`, or `--jwt -`); a new one: `jetond supersede {id} NEW`",
            "le même jeton : `jetond renew {id} --expires DATE` (ou `--issued DATE`, ou `--jwt -`) ; un nouveau : `jetond supersede {id} NOUVEAU`"
        )));
    }
    let known: Vec<String> = store.tokens().await?.into_iter().map(|t| t.id).collect();
    question::ask(&token, &known, config, context)
}
