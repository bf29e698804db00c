//! `calendar`: the tokens as an iCalendar file, and the addresses at which calendars can be
//! subscribed to.
//!
//! An address is a key: it is made when it is first asked for, and ends when it is renewed. A
//! file has everything; what is served is bounded (see [`LARGEST`]).

use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::agenda::{Agenda, Event, Extent, LARGEST};
use crate::app;
use crate::cli::list::view;
use crate::cli::outbox::{said_if_dry, who, writable};
use crate::cli::verb::Dry;
use crate::cli::{At, Context, Exit, Failure};
use crate::clock;
use crate::config::Config;
use crate::domain::language::{looks_like_jwt, text};
use crate::store::Store;
use crate::store::calendars::Secret;
use crate::store::error::StoreError;
use crate::store::feed::Scope;
use crate::web::calendar_path;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the tokens of this client
    #[arg(long, value_name = "KEY")]
    client: Option<String>,
    /// Write it to FILE instead of standard output
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["address", "renew_secret"])]
    output: Option<PathBuf>,
    /// Print the secret address to subscribe to; it is made when there is none
    #[arg(long, conflicts_with = "at")]
    address: bool,
    /// Make another secret address: the former one ends at once
    #[arg(long, conflicts_with = "at")]
    renew_secret: bool,
    #[command(flatten)]
    dry: Dry,
    #[command(flatten)]
    at: At,
}

/// In place of an identity that is not on record yet.
const PROVISIONAL: &str = "provisional";

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    if args.address || args.renew_secret {
        return address(args, &config, context).await;
    }
    if args.dry.dry_run {
        return Err(Failure::usage(text!(
            "`--dry-run` goes with `--address` or `--renew-secret`: a calendar changes nothing",
            "`--dry-run` va avec `--address` ou `--renew-secret` : un calendrier ne change rien"
        )));
    }
    let now = args.at.now(&config.calendar)?;
    let view = view(&config, context, now).await?;
    let scope = scope(args, &config, &view.store).await?;
    let identity = match view.store.calendar_identity().await? {
        Some(identity) => identity,
        None => make_identity(&config, context).await?,
    };
    let desk = app::desk(&config);
    let wanted = (scope, Extent::Whole);
    let agenda = Agenda::gather(&view.store, &desk, identity, wanted, now).await?;
    if context.out.json {
        let rows = agenda.events().map(|e| row(&e)).collect();
        context.out.data("calendar", rows)?;
        return Ok(Exit::Done);
    }
    let written = match &args.output {
        Some(file) if file.as_os_str() != "-" => {
            put(file, agenda.pieces()).map_err(|e| Failure::cannot_write(file, &e))?
        }
        Some(_) | None => {
            let mut written = 0;
            for piece in agenda.pieces() {
                context.out.bytes(piece.as_bytes())?;
                written += piece.len();
            }
            written
        }
    };
    if written > LARGEST {
        context.out.note(&text!(
            "note: this calendar is larger than 1 MB, which some programs refuse (Google Calendar); `--client KEY` makes one for each client",
            "remarque : ce calendrier dépasse 1 Mo, ce que certains logiciels refusent (Google Agenda) ; `--client CLÉ` en fait un par client"
        ));
    }
    Ok(Exit::Done)
}

/// The identity of a store that has none yet. Without a store nothing is made.
async fn make_identity(config: &Config, context: &mut Context) -> Result<String, Failure> {
    let store = match Store::open_existing(&config.store).await {
        Ok(store) => store,
        Err(StoreError::Missing(_)) => {
            context.out.note(&text!(
                "note: import this calendar nowhere yet: its events get their lasting identifiers from the store",
                "remarque : ne pas encore importer ce calendrier : ses événements tirent leurs identifiants durables de la base"
            ));
            return Ok(PROVISIONAL.to_owned());
        }
        Err(e) => return Err(e.into()),
    };
    context.keep(&store);
    let mut tx = store.begin().await?;
    let identity = tx.make_calendar_identity().await?;
    tx.commit().await?;
    Ok(identity)
}

async fn scope<'a>(args: &'a Args, config: &Config, store: &Store) -> Result<Scope<'a>, Failure> {
    let Some(key) = &args.client else {
        return Ok(Scope::All);
    };
    if config.clients.contains_key(key) {
        return Ok(Scope::Client(key));
    }
    let known = store.clients_of_tokens().await?;
    if known.contains(key) {
        return Ok(Scope::Client(key));
    }
    Err(no_such_client(key, config, &known))
}

fn no_such_client(key: &str, config: &Config, known: &[String]) -> Failure {
    let shown = if looks_like_jwt(key) {
        "***".to_owned()
    } else {
        key.escape_debug().to_string()
    };
    let all = config.clients.keys().chain(known);
    let near = all
        .map(|k| (strsim::damerau_levenshtein(key, k), k))
        .filter(|(distance, k)| *distance <= 2.max(k.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k.escape_debug());
    let hint = match near {
        Some(near) => text!(
            "did you mean `{near}`?",
            "vouliez-vous dire `{near}`\u{a0}?"
        ),
        None => text!(
            "clients are the tables [clients.KEY] of the config, and those that an import named",
            "les clients sont les tables [clients.CLÉ] de la configuration, et ceux nommés par un import"
        ),
    };
    Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "there is no client `{shown}`",
            "il n’y a pas de client `{shown}`"
        ),
    )
    .hint(hint)
}

async fn address(args: &Args, config: &Config, context: &mut Context) -> Result<Exit, Failure> {
    let dry = args.dry.dry_run;
    let base = base(config)?;
    let store = writable(config, dry, context).await?;
    let scope = scope(args, config, &store).await?;
    let mut tx = store.begin().await?;
    let (who, now) = (who(), clock::now());
    let secret = if args.renew_secret {
        tx.renew_calendar_secret(scope, &who, now).await?
    } else {
        tx.make_calendar_secret(scope, &who, now).await?
    };
    tx.commit().await?;
    let mut all = vec![(args.client.clone(), secret)];
    // Who asks for that of all tokens sees the others that there are, too.
    if args.client.is_none() && !args.renew_secret {
        let others = store.calendar_addresses().await?.into_iter();
        all.extend(others.filter_map(|a| Some((Some(a.client?), a.secret))));
    }
    let url = |client: &Option<String>, secret: &Secret| {
        let scope = client.as_deref().map_or(Scope::All, Scope::Client);
        format!("{base}{}", calendar_path(scope, secret))
    };
    if context.out.json {
        let rows = all
            .iter()
            .map(|(client, secret)| json!({"client": client, "address": url(client, secret), "dry_run": dry}))
            .collect();
        context.out.data("calendar_address", rows)?;
        return Ok(Exit::Done);
    }
    if let [(client, secret)] = all.as_slice() {
        context.out.line(&url(client, secret))?;
    } else {
        let of_all = context.out.lang.pick("(all tokens)", "(tous les jetons)");
        let head = context
            .out
            .lang
            .pick(["CLIENT", "ADDRESS"], ["CLIENT", "ADRESSE"]);
        let rows: Vec<Vec<String>> = all
            .iter()
            .map(|(client, secret)| {
                let whose = client.clone().unwrap_or_else(|| of_all.to_owned());
                vec![whose, url(client, secret)]
            })
            .collect();
        context.out.table(&head, &rows, 0)?;
    }
    if config.web.public_url.is_none() {
        context.out.note(&text!(
            "note: only this machine can reach it: [web] public_url is not set",
            "remarque : seule cette machine peut l’atteindre : [web] public_url n’est pas défini"
        ));
    }
    context.out.note(&text!(
        "whoever has the address reads the calendar; `--renew-secret` ends it",
        "qui possède l’adresse lit le calendrier ; `--renew-secret` y met fin"
    ));
    said_if_dry(dry, context);
    Ok(Exit::Done)
}

/// The address of the pages.
fn base(config: &Config) -> Result<String, Failure> {
    if let Some(url) = &config.web.public_url {
        return Ok(url.page(""));
    }
    let Some(listen) = config.web.listen else {
        return Err(Failure::new(
            Exit::Refused,
            "no_pages",
            text!(
                "the daemon answers no calendar: [web] listen is not set",
                "le service ne sert pas de calendrier : [web] listen n’est pas défini"
            ),
        )
        .hint(text!(
            "set listen and public_url in [web], or write a file: `jetond calendar -o tokens.ics`",
            "définir listen et public_url dans [web], ou écrire un fichier : `jetond calendar -o jetons.ics`"
        )));
    };
    Ok(if listen.ip().is_unspecified() {
        format!("http://localhost:{}", listen.port())
    } else {
        format!("http://{listen}")
    })
}

/// Puts the file in place whole, or leaves what was there; answers its length.
fn put(file: &Path, pieces: impl Iterator<Item = String>) -> io::Result<usize> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = file.with_file_name(name);
    let write = || {
        let mut out = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(&new)?);
        let mut written = 0;
        for piece in pieces {
            out.write_all(piece.as_bytes())?;
            written += piece.len();
        }
        out.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()?;
        fs::rename(&new, file)?;
        Ok(written)
    };
    let put = write();
    if put.is_err() {
        let _ = fs::remove_file(&new);
    }
    put
}

fn row(event: &Event) -> Value {
    let last = event.end.pred_opt().unwrap_or(event.start);
    json!({
        "uid": event.uid, "kind": event.kind.word(), "token": event.token,
        "first_day": event.start.to_string(), "last_day": last.to_string(),
        "cancelled": event.status == crate::agenda::Status::Cancelled,
        "sequence": event.sequence, "changed_at": event.changed_at.to_rfc3339(),
        "summary": event.summary, "description": event.description, "url": event.url,
        "alarms": event.alarms.iter().map(|a| json!({"minutes": a.minutes, "words": a.words})).collect::<Vec<_>>(),
    })
}
