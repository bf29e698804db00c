//! `datapass`: the requests of which Data Pass spoke by webhook, and tokens made from them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::{self, Of};
use crate::cli::list::view;
use crate::cli::outbox::who;
use crate::cli::{Context, Exit, Failure, when};
use crate::clock;
use crate::config::Config;
use crate::domain::datapass::Event;
use crate::domain::datapass::fold::{Filing, Fold, Standing, fold};
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::Who;
use crate::domain::token::{DatapassId, TokenId};
use crate::renewal::datapass::adopt::{self, Adopted, Refused, Wish};
use crate::store::Store;
use crate::store::datapass::Request;
use crate::store::privacy::Commit;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// List the requests of which Data Pass spoke and that no token has the number of
    List {
        /// Also those with a token
        #[arg(long)]
        all: bool,
    },
    /// Show what Data Pass said of one request
    Show {
        /// The number of the request
        #[arg(value_name = "NUMBER")]
        number: String,
    },
    /// Make a token of a request: it is watched from then on, its people are told
    Adopt(Adopt),
}

#[derive(Debug, clap::Args)]
pub(super) struct Adopt {
    /// The number of the request
    #[arg(value_name = "NUMBER")]
    number: String,
    /// The token's id [default: datapass-NUMBER]
    #[arg(long, value_name = "TOKEN")]
    id: Option<String>,
    /// Its name for people [default: what the request is called]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// When it was issued [default: when the request was last approved]
    #[arg(long, value_name = "DATE", conflicts_with = "expires")]
    issued: Option<String>,
    /// When it expires
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    match args {
        Args::List { all } => list(&config, *all, context).await,
        Args::Show { number } => show(&config, number, context).await,
        Args::Adopt(args) => adopt(&config, args, context).await,
    }
}

async fn list(config: &Config, all: bool, context: &mut Context) -> Result<Exit, Failure> {
    let view = view(config, context, clock::now()).await?;
    let mut seen = Vec::new();
    for request in view.store.webhook_requests().await? {
        if all || request.tokens.is_empty() {
            let folded = fold(&view.store.webhook_events(&request.number).await?);
            seen.push((request, folded));
        }
    }
    if context.out.json {
        let rows = seen.iter().map(|(r, f)| row(r, f, config)).collect();
        context.out.data("datapass", rows)?;
        return Ok(Exit::Done);
    }
    let lang = context.out.lang;
    let rows: Vec<Vec<String>> = seen
        .iter()
        .map(|(r, f)| {
            vec![
                r.number.clone(),
                f.name.clone().unwrap_or_default(),
                standing(f).in_lang(lang).to_owned(),
                f.last
                    .as_ref()
                    .map(|w| when::day(w.at, &config.calendar))
                    .unwrap_or_default(),
                r.tokens.join(", "),
            ]
        })
        .collect();
    let head = lang.pick(
        ["NUMBER", "NAME", "STANDING", "LAST EVENT", "TOKEN"],
        ["NUMÉRO", "INTITULÉ", "ÉTAT", "DERNIER FAIT", "JETON"],
    );
    context.out.table(&head, &rows, 1)?;
    context.out.note(&if seen.iter().any(|(r, _)| r.tokens.is_empty()) {
        text!(
            "`jetond datapass adopt NUMBER` makes a token of one; or write its number into the token that it belongs to",
            "`jetond datapass adopt NUMÉRO` fait d’une demande un jeton ; ou bien écrire son numéro dans le jeton concerné"
        )
    } else if view.of == Of::FileOnly || seen.is_empty() {
        text!(
            "every request of which Data Pass spoke has its token",
            "chaque demande dont Data Pass a parlé a son jeton"
        )
    } else {
        return Ok(Exit::Done);
    });
    Ok(Exit::Done)
}

fn row(request: &Request, folded: &Fold, config: &Config) -> Value {
    let at = |at: DateTime<Utc>| when::rfc3339(at, &config.calendar);
    json!({
        "number": request.number, "name": folded.name, "tokens": request.tokens,
        "siret": folded.siret.as_ref().map(|s| s.as_str()), "scopes": folded.scopes,
        "events": request.events, "last_event": folded.last.as_ref().map(|w| w.what.word()),
        "last_fired_at": folded.last.as_ref().map(|w| at(w.at)), "received_at": at(request.received_at),
        "approved_at": folded.approved.map(at), "standing": standing(folded).en,
    })
}

/// Where a request stands, in a word or two.
fn standing(folded: &Fold) -> Text {
    match folded.standing.as_ref().map(|w| w.what) {
        Some(Standing::Revoked) => return text!("revoked", "révoquée"),
        Some(Standing::Archived) => return text!("archived", "archivée"),
        Some(Standing::Valid) | None => {}
    }
    match folded.filing.as_ref().map(|w| w.what) {
        Some(Filing::Filed) => text!("filed", "déposée"),
        Some(Filing::ChangesRequested) => text!("changes requested", "à modifier"),
        Some(Filing::Refused) => text!("refused", "refusée"),
        Some(Filing::Withdrawn) => text!("given up", "abandonnée"),
        Some(Filing::Approved) => text!("approved", "validée"),
        None => text!("draft", "brouillon"),
    }
}

fn number(written: &str) -> Result<DatapassId, Failure> {
    DatapassId::parse(written).map_err(|e| Failure::usage(e.0))
}

async fn show(config: &Config, written: &str, context: &mut Context) -> Result<Exit, Failure> {
    let number = number(written)?;
    let view = view(config, context, clock::now()).await?;
    let events = view.store.webhook_events(number.as_str()).await?;
    if events.is_empty() {
        let requests = view.store.webhook_requests().await?;
        let known = requests.into_iter().map(|r| r.number).collect();
        return Err(unknown(&number, &adopt::nearest(number.as_str(), known)));
    }
    if context.out.json {
        let rows = events.iter().map(|e| event(e, config)).collect();
        context.out.data("datapass", rows)?;
        return Ok(Exit::Done);
    }
    let lang = context.out.lang;
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|e| {
            let people: Vec<&str> = e
                .people
                .iter()
                .filter_map(|c| c.address.as_ref().map(|a| a.as_str()))
                .collect();
            vec![
                when::minute(e.fired_at, &config.calendar),
                e.kind.word().to_owned(),
                e.name.clone().unwrap_or_default(),
                people.join(", "),
            ]
        })
        .collect();
    let head = lang.pick(
        ["WHEN", "EVENT", "NAME", "PEOPLE"],
        ["QUAND", "FAIT", "INTITULÉ", "PERSONNES"],
    );
    context.out.table(&head, &rows, 3)?;
    Ok(Exit::Done)
}

fn event(event: &Event, config: &Config) -> Value {
    let people = event.people.iter().map(|c| {
        json!({
            "role": c.role.word(), "email": c.address.as_ref().map(|a| a.as_str()), "name": c.name,
        })
    });
    json!({
        "number": event.number.as_str(), "event": event.kind.word(),
        "fired_at": when::rfc3339(event.fired_at, &config.calendar), "name": event.name,
        "siret": event.siret.as_ref().map(|s| s.as_str()), "scopes": event.scopes,
        "people": people.collect::<Vec<_>>(),
    })
}

async fn adopt(config: &Config, args: &Adopt, context: &mut Context) -> Result<Exit, Failure> {
    let number = number(&args.number)?;
    let date = |written: &Option<String>| {
        let read = |w: &String| when::instant(w, &config.calendar, when::Bare::EndOfDay);
        written.as_ref().map(read).transpose()
    };
    let wish = Wish {
        number: number.clone(),
        id: args
            .id
            .as_deref()
            .map(|id| TokenId::parse(id).map_err(|e| Failure::usage(e.0)))
            .transpose()?,
        name: args.name.as_deref().map(name).transpose()?,
        issued: date(&args.issued)?,
        expires: date(&args.expires)?,
        contact: config.contact.clone(),
        language: config.language,
    };
    let commit = if args.dry_run {
        Commit::No
    } else {
        Commit::Yes
    };
    let store = Store::open_existing(&config.store).await?;
    context.keep(&store);
    let rules = app::datapass_rules(config);
    let who = who();
    let who = Who::User(who.trim_start_matches("user:").to_owned());
    let adopted = adopt::adopt(&store, &rules, wish, who, commit, clock::now())
        .await?
        .map_err(|refused| refusal(&number, refused, config))?;
    tell(&adopted, &number, args.dry_run, config, context)
}

/// A name that can stand in a mail.
fn name(written: &str) -> Result<String, Failure> {
    adopt::name(written).ok_or_else(|| {
        Failure::usage(text!(
            "this cannot be a token’s name: it is empty, or looks like a token itself",
            "ceci ne peut pas être le nom d’un jeton : c’est vide, ou cela ressemble au jeton lui-même"
        ))
    })
}

fn tell(
    adopted: &Adopted,
    number: &DatapassId,
    dry_run: bool,
    config: &Config,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let Adopted { id, expires, .. } = adopted;
    if context.out.json {
        let people = adopted.recipients.iter();
        let row = json!({
            "id": id.as_str(), "number": number.as_str(), "name": adopted.name, "dry_run": dry_run,
            "issued": adopted.issued.map(|at| when::rfc3339(at, &config.calendar)),
            "expires": when::rfc3339(*expires, &config.calendar),
            "recipients": people.map(|(role, address)| json!({"role": role.word(), "address": address}))
                .collect::<Vec<_>>(),
        });
        context.out.data("datapass", vec![row])?;
        return Ok(Exit::Done);
    }
    let until = when::day(*expires, &config.calendar);
    let people: Vec<&str> = adopted.recipients.iter().map(|(_, a)| a.as_str()).collect();
    let (people, name) = (people.join(", "), &adopted.name);
    let number = number.as_str();
    context.out.say(&if dry_run {
        text!(
            "request {number} would become the token {id}, “{name}”, until {until}, told to {people}; nothing was changed",
            "la demande {number} deviendrait le jeton {id}, « {name} », jusqu’au {until}, avec pour destinataires {people} ; rien n’a changé"
        )
    } else {
        text!(
            "request {number} is the token {id} now, “{name}”, until {until}, told to {people}",
            "la demande {number} est désormais le jeton {id}, « {name} », jusqu’au {until}, avec pour destinataires {people}"
        )
    })?;
    context.out.note(&text!(
        "`jetond explain {id}` says what leaves when",
        "`jetond explain {id}` dit ce qui part et quand"
    ));
    Ok(Exit::Done)
}

fn unknown(number: &DatapassId, near: &[String]) -> Failure {
    let number = number.as_str();
    let hint = match near.first() {
        Some(near) => text!("did you mean `{near}`?", "vouliez-vous dire `{near}` ?"),
        None => text!(
            "`jetond datapass list --all` shows the numbers",
            "`jetond datapass list --all` affiche les numéros"
        ),
    };
    Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "Data Pass never spoke of a request {number}",
            "Data Pass n’a jamais parlé d’une demande {number}"
        ),
    )
    .hint(hint)
}

fn refusal(number: &DatapassId, refused: Refused, config: &Config) -> Failure {
    let day = |at: DateTime<Utc>| when::day(at, &config.calendar);
    let refuse = |code, said, hint| Failure::new(Exit::Refused, code, said).hint(hint);
    let shown = number.as_str();
    match refused {
        Refused::Unknown(near) => unknown(number, &near),
        Refused::Taken(id) => refuse(
            "already_adopted",
            text!(
                "the token {id} has the number {shown} already",
                "le jeton {id} a déjà le numéro {shown}"
            ),
            text!(
                "`jetond show {id}` shows it",
                "`jetond show {id}` l’affiche"
            ),
        ),
        Refused::IdTaken(id) => refuse(
            "id_taken",
            text!("there is a token {id} already", "il y a déjà un jeton {id}"),
            text!(
                "give another one with --id, or write datapass_id = \"{shown}\" into that token if it is the same",
                "en donner un autre avec --id, ou écrire datapass_id = \"{shown}\" dans ce jeton si c’est le même"
            ),
        ),
        Refused::Revoked(at) => {
            let on = day(at);
            refuse(
                "revoked",
                text!(
                    "Data Pass revoked request {shown} on {on}: there is nothing left to watch",
                    "Data Pass a révoqué la demande {shown} le {on} : il n’y a plus rien à surveiller"
                ),
                text!(
                    "`jetond datapass show {shown}` tells its events",
                    "`jetond datapass show {shown}` donne ses événements"
                ),
            )
        }
        Refused::Archived(at) => {
            let on = day(at);
            refuse(
                "archived",
                text!(
                    "request {shown} was archived on {on}: there is nothing left to watch",
                    "la demande {shown} a été archivée le {on} : il n’y a plus rien à surveiller"
                ),
                text!(
                    "`jetond datapass show {shown}` tells its events",
                    "`jetond datapass show {shown}` donne ses événements"
                ),
            )
        }
        Refused::NoDate => refuse(
            "no_date",
            text!(
                "no approval of request {shown} is on record, so its token’s date is not known",
                "aucune validation de la demande {shown} n’est enregistrée : la date de son jeton est inconnue"
            ),
            text!(
                "give it: `jetond datapass adopt {shown} --issued DATE`, or --expires DATE",
                "la donner : `jetond datapass adopt {shown} --issued DATE`, ou --expires DATE"
            ),
        ),
    }
}
