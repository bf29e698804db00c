//! `backup`: a consistent copy of the store, its proof, and the way back.

use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::cli::{Context, Exit, Failure, outbox, when};
use crate::clock;
use crate::config::{self, Surroundings};
use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, counted, text};
use crate::store::backup::{self, BackupError, Contents, Over, Restored};
use crate::words::count;

#[derive(Debug, clap::Args)]
#[command(subcommand_negates_reqs = true)]
pub(super) struct Args {
    /// Where to write the copy; the daemon may go on sending
    #[arg(required = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Put the copy in the place of an older backup of that name
    #[arg(long)]
    force: bool,
    #[command(subcommand)]
    act: Option<Act>,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Prove that a backup is sound, and say what it holds
    Verify {
        /// The backup
        file: PathBuf,
    },
    /// Put a backup in the place of the store, which is set aside; the daemon must not run
    Restore {
        /// The backup
        file: PathBuf,
        /// Say what would be done, and change nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    // Not clap's `args_conflicts_with_subcommands`: it would count `--json` among the args.
    match (&args.act, &args.file) {
        (None, Some(file)) => make(file, args.force, context).await,
        (Some(Act::Verify { file }), None) if !args.force => verify(file, context).await,
        (Some(Act::Restore { file, dry_run }), None) if !args.force => {
            restore(file, *dry_run, context).await
        }
        (Some(_) | None, _) => Err(Failure::usage(text!(
            "FILE and `--force` do not go with another command of backup",
            "FILE et `--force` ne vont pas avec une autre commande de backup"
        ))
        .hint(text!(
            "write `jetond backup FILE`, `jetond backup verify FILE` or `jetond backup restore FILE`",
            "écrire `jetond backup FILE`, `jetond backup verify FILE` ou `jetond backup restore FILE`"
        ))),
    }
}

async fn make(file: &Path, force: bool, context: &mut Context) -> Result<Exit, Failure> {
    is_named(file)?;
    let config = context.config()?;
    let over = if force {
        Over::AnOlderOne
    } else {
        Over::Nothing
    };
    let contents = backup::make(&config.store, file, over).await?;
    told(&contents, file, Some(&config.calendar), context)?;
    Ok(Exit::Done)
}

async fn verify(file: &Path, context: &mut Context) -> Result<Exit, Failure> {
    is_named(file)?;
    let contents = backup::verify(file).await?;
    // It is asked of a file; a config only says in which zone to tell the time.
    let surroundings = Surroundings { now: clock::now() };
    let calendar = super::file_or_default(context.file.as_ref())
        .and_then(|f| config::load(&f, &surroundings).ok())
        .map(|l| l.config.calendar);
    told(&contents, file, calendar.as_ref(), context)?;
    if !context.out.json {
        context
            .out
            .note(&text!("a sound backup", "sauvegarde saine"));
    }
    Ok(Exit::Done)
}

async fn restore(file: &Path, dry_run: bool, context: &mut Context) -> Result<Exit, Failure> {
    is_named(file)?;
    let config = context.config()?;
    let now = clock::now();
    let done = if dry_run {
        backup::look(&config.store, file, now).await?
    } else {
        backup::restore(&config.store, file, &outbox::who(), now).await?
    };
    if context.out.json {
        let mut value = row(&done.contents, file, Some(&config.calendar));
        value["store"] = json!(config.store);
        value["set_aside"] = json!(done.set_aside);
        value["was_damaged"] = json!(done.was_damaged);
        value["schema_now"] = json!(done.schema);
        value["dry_run"] = json!(dry_run);
        context.out.data("backup", vec![value])?;
        return Ok(Exit::Done);
    }
    told(&done.contents, file, Some(&config.calendar), context)?;
    for line in consequences(&done, dry_run, Some(&config.calendar)) {
        context.out.note(&line);
    }
    Ok(Exit::Done)
}

/// What became, or would become, of the store.
fn consequences(done: &Restored, dry_run: bool, calendar: Option<&Calendar>) -> Vec<Text> {
    let mut lines = Vec::new();
    if let Some(aside) = &done.set_aside {
        let aside = aside.display();
        lines.push(match (dry_run, done.was_damaged) {
            (true, _) => text!(
                "the present store would be set aside as {aside}",
                "la base actuelle serait mise de côté : {aside}"
            ),
            (false, false) => text!(
                "the former store was set aside as {aside}",
                "l’ancienne base est mise de côté : {aside}"
            ),
            (false, true) => text!(
                "the former store, which is damaged, was set aside with its log as {aside}",
                "l’ancienne base, endommagée, est mise de côté avec son journal : {aside}"
            ),
        });
    }
    let (from, to) = (done.contents.schema, done.schema);
    if from != to {
        lines.push(text!(
            "its schema is brought from {from} to {to}",
            "son schéma passe de {from} à {to}"
        ));
    }
    let as_of = as_of(&done.contents, calendar);
    let Text { en, fr } = as_of;
    lines.push(if dry_run {
        text!(
            "dry run: nothing was changed; the backup of {en} can be restored",
            "essai à blanc : rien n’a changé ; la sauvegarde du {fr} peut être restaurée"
        )
    } else {
        text!(
            "restored from the backup of {en}; what left since is not known any more: each person gets one catch-up mail at most",
            "restauré depuis la sauvegarde du {fr} ; ce qui est parti depuis n’est plus connu : chacun recevra au plus un courriel de rattrapage"
        )
    });
    lines
}

/// A backup has a name: it is synced, proved, and put in its place whole.
fn is_named(file: &Path) -> Result<(), Failure> {
    if file.as_os_str() != "-" {
        return Ok(());
    }
    Err(Failure::usage(text!(
        "a backup is a file; `-` (a stream) can be neither synced nor proved",
        "une sauvegarde est un fichier ; `-` (un flux) ne peut être ni mis à l’abri ni vérifié"
    ))
    .hint(text!(
        "name a file, and send that on once it is there",
        "indiquer un fichier, et le transmettre une fois écrit"
    )))
}

fn told(
    contents: &Contents,
    file: &Path,
    calendar: Option<&Calendar>,
    context: &mut Context,
) -> Result<(), Failure> {
    if context.out.json {
        context
            .out
            .data("backup", vec![row(contents, file, calendar)])?;
        return Ok(());
    }
    let lang = context.out.lang;
    let size = counted(
        i64::try_from(contents.bytes).unwrap_or(i64::MAX),
        ["byte", "bytes"],
        ["octet", "octets"],
    );
    let (tokens, mails) = (count::tokens(contents.tokens), count::mails(contents.mails));
    let holds = text!("{{}}, {{}}", "{{}}, {{}}").with(&tokens).with(&mails);
    let as_of = as_of(contents, calendar);
    context.out.facts(&[
        (lang.pick("file", "fichier"), file.display().to_string()),
        (
            lang.pick("size", "taille"),
            context.out.pick(&size).to_owned(),
        ),
        (lang.pick("schema", "schéma"), contents.schema.to_string()),
        (
            lang.pick("holds", "contient"),
            context.out.pick(&holds).to_owned(),
        ),
        (
            lang.pick("last pass", "dernier passage"),
            context.out.pick(&as_of).to_owned(),
        ),
    ])?;
    Ok(())
}

fn as_of(contents: &Contents, calendar: Option<&Calendar>) -> Text {
    match contents.last_pass {
        Some(at) => {
            let at = match calendar {
                Some(calendar) => when::minute(at, calendar),
                None => at.format("%Y-%m-%d %H:%M UTC").to_string(),
            };
            text!("{at}", "{at}")
        }
        None => text!("before any pass", "avant tout passage"),
    }
}

fn row(contents: &Contents, file: &Path, calendar: Option<&Calendar>) -> Value {
    let last_pass = contents.last_pass.map(|at| match calendar {
        Some(calendar) => when::rfc3339(at, calendar),
        None => at.to_rfc3339_opts(SecondsFormat::Secs, true),
    });
    json!({
        "file": file, "bytes": contents.bytes, "schema": contents.schema, "tokens": contents.tokens,
        "mails": contents.mails, "last_pass": last_pass,
    })
}

impl From<BackupError> for Failure {
    fn from(e: BackupError) -> Self {
        let (message, hint) = e.told();
        let (exit, code) = match e {
            BackupError::Store(e) => return e.into(),
            BackupError::Missing(_) => (Exit::NotFound, "not_found"),
            BackupError::Unsound { .. } => (Exit::Store, "backup_unsound"),
            BackupError::Newer { .. } => (Exit::Store, "backup_newer"),
            BackupError::Unreadable { .. } => (Exit::Store, "backup_unreadable"),
            BackupError::IsTheStore(_) => (Exit::Refused, "is_the_store"),
            BackupError::Exists(_) => (Exit::Refused, "exists"),
            BackupError::NotABackup(_) => (Exit::Refused, "not_a_backup"),
            BackupError::NoDirectory(_) => (Exit::Refused, "no_directory"),
            BackupError::CannotWrite { .. } => (Exit::Refused, "cannot_write"),
            BackupError::Busy(_) => (Exit::Refused, "busy"),
            BackupError::Owner { .. } => (Exit::Refused, "owner"),
        };
        Self::new(exit, code, message).hint(hint)
    }
}
