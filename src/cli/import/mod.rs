//! `import`: a list of tokens from elsewhere, taken over whole or not at all.
//!
//! What each line did goes to stdout; lines that change nothing and need no look are only
//! counted. A list that is refused is told line by line on stderr.

mod report;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::app;
use crate::cli::{Context, Exit, Failure, secret_input};
use crate::clock;
use crate::config::Config;
use crate::domain::language::{Invalid, is_hazardous, looks_like_jwt, text};
use crate::domain::lifecycle::Who;
use crate::domain::people::Person;
use crate::domain::token::{DatapassId, TokenId};
use crate::renewal::import::{self, Absent, Earlier, Form, Hand, List, Order, Refused, Wish};
use crate::renewal::reconcile::Brake;
use crate::store::Store;
use crate::store::error::StoreError;

use self::report::{about, accident, empty, refused, report};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A table (CSV), a JSON object a line, or a token (JWT) a line; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The client of the rows that name none, as in [clients.KEY]; with --sync, whose tokens the
    /// list is about
    #[arg(long, value_name = "KEY")]
    client: Option<String>,
    /// Who is told about the tokens of rows that name nobody; once for each person
    #[arg(long = "recipient", value_name = "ADDRESS")]
    recipients: Vec<String>,
    /// The Data Pass number of the one token of the list
    #[arg(long, value_name = "NUMBER")]
    datapass_id: Option<String>,
    /// The id of the one token of the list
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Archive the imported tokens that the list no longer has
    #[arg(long)]
    sync: bool,
    /// Archive them even if they are many
    #[arg(long, requires = "sync")]
    archive_missing: bool,
    /// Take a date that is earlier than the one on record as a correction of it
    #[arg(long)]
    correct: bool,
    /// Read 03/04/2026 as the third of April where the list does not show it
    #[arg(long)]
    day_first: bool,
    /// Say what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let people = people(&args.recipients)?;
    check_client(args, &config)?;
    let name = name_of(&args.file);
    let list = read(args, &config, context)?;
    for remark in &list.remarks {
        context.out.note(&about(&name, 0, remark));
    }
    let store = open(args, &config, context).await?;
    let now = clock::now();
    let hand = Hand {
        house: app::house(&config),
        wish: Wish {
            client: args.client.as_deref(),
            people: &people,
            earlier: match args.correct {
                true => Earlier::Correction,
                false => Earlier::Refused,
            },
        },
        absent: match (args.sync, args.archive_missing) {
            (false, _) => Absent::Kept,
            (true, false) => Absent::Archived,
            (true, true) => Absent::ArchivedAllTheSame,
        },
        who: Who::Import(name.clone()),
        now,
    };
    let bar = progress();
    let imported = import::import(&store, &hand, &list.rows, |written, of| {
        bar.set_length(of as u64);
        bar.set_position(written as u64);
    })
    .await;
    bar.finish_and_clear();
    let outcome = match imported? {
        Ok(outcome) => outcome,
        Err(Refused::Rows(faults)) => return Err(refused(&name, &faults, context)),
        Err(Refused::Empty) => return Err(empty()),
        Err(Refused::Accident { missing, active }) => return Err(accident(&missing, active)),
    };
    report(args, &outcome, &config, context)?;
    if list.form == Form::Tokens && name != "-" && !args.dry_run {
        context.out.note(&text!(
            "{name} holds tokens in clear, which are secrets: delete it now",
            "{name} contient des jetons en clair, qui sont des secrets : le supprimer maintenant"
        ));
    }
    Ok(Exit::Done)
}

/// The list, with what the command line says of its one token. The text itself is wiped here.
fn read(args: &Args, config: &Config, context: &mut Context) -> Result<List, Failure> {
    let order = match args.day_first {
        true => Order::DayFirst,
        false => Order::Unknown,
    };
    let bytes = secret_input::read(&args.file, context)?;
    let read = import::read(&bytes, order, &config.calendar);
    drop(bytes);
    let mut list = match read {
        Ok(list) => list,
        Err(faults) => return Err(refused(&name_of(&args.file), &faults, context)),
    };
    let wrong = |e: Invalid| Failure::usage(e.0);
    let id = args.id.as_deref().map(TokenId::parse).transpose();
    let number = args
        .datapass_id
        .as_deref()
        .map(DatapassId::parse)
        .transpose();
    let (id, number) = (id.map_err(wrong)?, number.map_err(wrong)?);
    if id.is_none() && number.is_none() {
        return Ok(list);
    }
    let rows = list.rows.len();
    let [row] = &mut list.rows[..] else {
        return Err(Failure::usage(text!(
            "--id and --datapass-id speak of one token, this list has {rows}",
            "--id et --datapass-id parlent d’un jeton, cette liste en a {rows}"
        ))
        .hint(text!(
            "add a column `id` or `datapass_id` to the list",
            "ajouter une colonne `id` ou `datapass_id` à la liste"
        )));
    };
    row.id = row.id.take().or(id);
    row.datapass_id = row.datapass_id.take().or(number);
    Ok(list)
}

fn people(written: &[String]) -> Result<Vec<Person>, Failure> {
    let mut people = Vec::new();
    for entry in written {
        people.extend(import::people(entry).map_err(Failure::usage)?);
    }
    Ok(people)
}

fn check_client(args: &Args, config: &Config) -> Result<(), Failure> {
    let Some(key) = &args.client else {
        return Ok(());
    };
    if config.clients.contains_key(key) {
        return Ok(());
    }
    if looks_like_jwt(key) {
        return Err(Failure::token_instead_of(&text!(
            "the key of a client",
            "de la clé d’un client"
        )));
    }
    let shown = key.escape_debug();
    let near = config
        .clients
        .keys()
        .map(|k| (strsim::damerau_levenshtein(key, k), k))
        .filter(|(distance, k)| *distance <= 2.max(k.chars().count() / 3))
        .min();
    Err(Failure::new(
        Exit::NotFound,
        "not_found",
        text!(
            "there is no [clients.{shown}] in the config",
            "il n’y a pas de [clients.{shown}] dans la configuration"
        ),
    )
    .hint(match near {
        Some((_, near)) => text!("did you mean `{near}`?", "vouliez-vous dire `{near}` ?"),
        None => text!(
            "add it to the config, with its name and its recipients",
            "l’ajouter à la configuration, avec son nom et ses destinataires"
        ),
    }))
}

/// The store to import into: the record itself, or a copy of it that is thrown away. Where there
/// is none yet it is made, and knows the file first.
async fn open(args: &Args, config: &Config, context: &mut Context) -> Result<Store, Failure> {
    let opened = match args.dry_run {
        true => Store::copy_of(&config.store).await,
        false => Store::open_existing(&config.store).await,
    };
    let (store, is_new) = match opened {
        Ok(store) => (store, false),
        Err(StoreError::Missing(_)) if args.dry_run => (Store::in_memory().await?, true),
        Err(StoreError::Missing(_)) => (Store::open(&config.store).await?, true),
        Err(e) => return Err(e.into()),
    };
    context.keep(&store);
    if is_new {
        app::take_over(config, &store, Brake::Keep, clock::now()).await?;
    }
    Ok(store)
}

/// Progress in tokens, on a terminal only.
fn progress() -> ProgressBar {
    let bar = ProgressBar::no_length();
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style)
}

/// The list's name, as journal and words have it.
fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    let name = name.to_string_lossy();
    name.chars()
        .filter(|c| !is_hazardous(*c))
        .take(100)
        .collect()
}
