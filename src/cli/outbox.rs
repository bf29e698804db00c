//! `outbox`: the mails that are not settled, and what a person may do with them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app::{self, Of};
use crate::cli::list::view;
use crate::cli::release::{self, Answer};
use crate::cli::{At, Context, Exit, Failure, when};
use crate::clock;
use crate::config::Config;
use crate::delivery::shown::{self, Letter};
use crate::domain::language::{Lang, Text, text};
use crate::domain::lifecycle::Who;
use crate::posts;
use crate::store::Store;
use crate::store::mailbook::{MailRow, Refusal, Which};
use crate::store::posts::{is_post, recipient};
use crate::words::mail::{note, outcome, word};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Args {
    /// List the mails that are not settled, and those that need a person
    List {
        /// Also those that were sent or cancelled
        #[arg(long)]
        all: bool,
        /// At most N mails
        #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Show one mail: what it carries, its attempts, and its text as it left or would leave now
    Show {
        /// The mail's number
        mail: i64,
        /// Print the message exactly as it left, and nothing else
        #[arg(long)]
        eml: bool,
        #[command(flatten)]
        at: At,
    },
    /// Make mails leave at the next occasion; also those that were refused, parked or given up
    Retry {
        /// The mails' numbers
        #[arg(required = true)]
        mails: Vec<i64>,
        /// Say what would be done, and change nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Cancel mails that have not left
    Cancel {
        /// The mails' numbers
        #[arg(required = true)]
        mails: Vec<i64>,
        /// Say what would be done, and change nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
    /// Answer a hold: the held mails may leave, a clock that jumped ahead is believed
    Release {
        /// Answer for the clock only: believe it as it is now, also behind the last pass
        #[arg(long)]
        clock: bool,
        /// Say what would be done, and change nothing
        #[arg(short = 'n', long)]
        dry_run: bool,
    },
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = clock::now();
    match args {
        Args::List { all, limit } => {
            let which = if *all { Which::All } else { Which::Unfinished };
            list(&config, which, *limit, context, now).await
        }
        Args::Show { mail, eml, at } => {
            let now = at.now(&config.calendar)?;
            if *eml && !context.out.json {
                return show_eml(&config, *mail, context, now).await;
            }
            show(&config, *mail, context, now).await
        }
        Args::Retry { mails, dry_run } => {
            act(&config, Act::Retry, mails, *dry_run, context, now).await
        }
        Args::Cancel { mails, dry_run } => {
            act(&config, Act::Cancel, mails, *dry_run, context, now).await
        }
        Args::Release { clock, dry_run } => {
            let answer = if *clock { Answer::Clock } else { Answer::All };
            release::run(&config, answer, *dry_run, context, now).await
        }
    }
}

async fn list(
    config: &Config,
    which: Which,
    limit: i64,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<Exit, Failure> {
    let view = view(config, context, now).await?;
    let mails = view.store.mails(which, limit).await?;
    if context.out.json {
        context
            .out
            .data("outbox", mails.iter().map(|m| row(m, config)).collect())?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = mails
        .iter()
        .map(|m| {
            vec![
                m.no.to_string(),
                context.out.pick(&word(m.state)).to_owned(),
                settled_or_leaves_at(m, config).unwrap_or_default(),
                m.address.clone(),
                about(m, context.out.lang),
            ]
        })
        .collect();
    let head = context.out.lang.pick(
        ["NO", "STATE", "WHEN", "TO", "ABOUT"],
        ["NO", "ÉTAT", "QUAND", "À", "CONCERNE"],
    );
    context.out.table(&head, &rows, 4)?;
    if rows.is_empty() && view.of != Of::FileOnly {
        context
            .out
            .note(&text!("the outbox is empty", "rien en attente"));
    }
    Ok(Exit::Done)
}

async fn show(
    config: &Config,
    no: i64,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<Exit, Failure> {
    let view = view(config, context, now).await?;
    let (mail, attempts) = view.store.mail(no).await?.ok_or(Refusal::NotFound(no))?;
    let letter = shown::letter(
        &app::desk(config),
        &app::templates(config)?,
        &view.store,
        &mail,
        now,
    )
    .await?;
    let letter = match letter {
        None if is_post(&mail.kind) && mail.state.is_open() => {
            as_it_would_be_posted(config, &view.store, &mail, now).await?
        }
        other => other,
    };
    let calendar = &config.calendar;
    if context.out.json {
        let mut value = row(&mail, config);
        value["log"] = attempts
            .iter()
            .map(|a| json!({"at": when::rfc3339(a.at, calendar), "outcome": a.outcome, "reply": a.reply}))
            .collect();
        value["text"] = json!(letter.as_ref().map(whole));
        value["eml"] = json!(
            letter
                .and_then(|l| l.eml)
                .map(|e| String::from_utf8_lossy(&e).into_owned())
        );
        context.out.data("outbox", vec![value])?;
        return Ok(Exit::Done);
    }
    let lang = context.out.lang;
    context.out.facts(&[
        (lang.pick("mail", "courriel"), mail.no.to_string()),
        (lang.pick("to", "à"), mail.address.clone()),
        (
            lang.pick("state", "état"),
            context.out.pick(&word(mail.state)).to_owned(),
        ),
        (
            lang.pick("when", "quand"),
            settled_or_leaves_at(&mail, config).unwrap_or_else(|| "—".to_owned()),
        ),
        (lang.pick("about", "concerne"), about(&mail, lang)),
        ("Message-ID", format!("<{}>", mail.message_id)),
        (
            lang.pick("made", "créé"),
            when::minute(mail.created_at, calendar),
        ),
    ])?;
    if !attempts.is_empty() {
        context.out.line("")?;
        let rows: Vec<Vec<String>> = attempts
            .iter()
            .map(|a| {
                vec![
                    when::minute(a.at, calendar),
                    outcome(&a.outcome).in_lang(lang).to_owned(),
                    a.reply.clone(),
                ]
            })
            .collect();
        let head = lang.pick(
            ["ATTEMPT", "OUTCOME", "REPLY"],
            ["ESSAI", "RÉSULTAT", "RÉPONSE"],
        );
        context.out.table(&head, &rows, 2)?;
    }
    if let Some(letter) = letter {
        context.out.line("")?;
        context.out.say(&letter.heading)?;
        context.out.line("")?;
        context.out.line(whole(&letter).trim_end())?;
    }
    Ok(Exit::Done)
}

async fn show_eml(
    config: &Config,
    no: i64,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<Exit, Failure> {
    let view = view(config, context, now).await?;
    let (mail, _) = view.store.mail(no).await?.ok_or(Refusal::NotFound(no))?;
    let eml = view.store.body(no).await?.ok_or_else(|| no_body(&mail))?;
    context.out.bytes(&eml)?;
    Ok(Exit::Done)
}

/// What an open post would say now; `None`: nothing any more, or its channel is no more.
async fn as_it_would_be_posted(
    config: &Config,
    store: &Store,
    mail: &MailRow,
    now: DateTime<Utc>,
) -> Result<Option<Letter>, Failure> {
    let mut channels = config.notify.iter();
    let Some(channel) = channels.find(|c| recipient(&c.name) == mail.address) else {
        return Ok(None);
    };
    let desk = app::desk(config);
    let setting = (&desk, config.web.public_url.as_ref());
    let said = posts::would_say(channel, store, setting, mail, now).await?;
    Ok(said.map(|message| {
        let whole = message.plain();
        let (subject, text) = whole.split_once('\n').unwrap_or((&whole, ""));
        Letter {
            heading: text!("as it would leave now:", "tel qu’il partirait maintenant :"),
            subject: subject.to_owned(),
            text: text.to_owned(),
            eml: None,
        }
    }))
}

/// Subject and text.
fn whole(letter: &Letter) -> String {
    format!("{}\n\n{}", letter.subject, letter.text)
}

/// Why there is no message to print.
fn no_body(mail: &MailRow) -> Failure {
    let no = mail.no;
    let message = if mail.settled_at.is_some() {
        text!(
            "the text of mail {no} is not kept: it never left, left before this version, or was cleared",
            "le texte du courriel {no} n’est pas conservé : il n’est jamais parti, est parti avant cette version, ou a été effacé"
        )
    } else {
        text!(
            "mail {no} has not left yet",
            "le courriel {no} n’est pas encore parti"
        )
    };
    Failure::new(Exit::NotFound, "no_body", message).hint(text!(
        "`jetond outbox show {no}` shows what is known of it",
        "`jetond outbox show {no}` montre ce qu’on en sait"
    ))
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Retry,
    Cancel,
}

async fn act(
    config: &Config,
    act: Act,
    mails: &[i64],
    dry_run: bool,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<Exit, Failure> {
    if !dry_run && mails.len() > 1 {
        // Of several mails all are acted upon, or none: tried out on a copy first.
        let copy = Store::copy_of(&config.store).await?;
        do_all(&copy, act, mails, now).await?;
    }
    let store = writable(config, dry_run, context).await?;
    do_all(&store, act, mails, now).await?;
    if context.out.json {
        let row = |no: &i64| json!({"mail": no, "dry_run": dry_run});
        context
            .out
            .data("outbox", mails.iter().map(row).collect())?;
    } else {
        for no in mails {
            context.out.say(&done(act, *no, dry_run))?;
        }
    }
    said_if_dry(dry_run, context);
    Ok(Exit::Done)
}

/// The store, or for a dry run a copy: everything is done, and leaves no trace.
pub(super) async fn writable(
    config: &Config,
    dry_run: bool,
    context: &mut Context,
) -> Result<Store, Failure> {
    let store = if dry_run {
        Store::copy_of(&config.store).await?
    } else {
        Store::open_existing(&config.store).await?
    };
    context.keep(&store);
    Ok(store)
}

async fn do_all(store: &Store, act: Act, mails: &[i64], now: DateTime<Utc>) -> Result<(), Refusal> {
    let who = who();
    for no in mails {
        match act {
            Act::Retry => store.retry(*no, &who, now).await?,
            Act::Cancel => store.cancel(*no, &who, now).await?,
        }
    }
    Ok(())
}

fn done(act: Act, no: i64, dry_run: bool) -> Text {
    match (act, dry_run) {
        (Act::Retry, false) => text!(
            "mail {no}: leaves at the next occasion",
            "courriel {no} : part à la prochaine occasion"
        ),
        (Act::Retry, true) => text!(
            "mail {no}: would leave at the next occasion",
            "courriel {no} : partirait à la prochaine occasion"
        ),
        (Act::Cancel, false) => text!("mail {no}: cancelled", "courriel {no} : annulé"),
        (Act::Cancel, true) => text!(
            "mail {no}: would be cancelled",
            "courriel {no} : serait annulé"
        ),
    }
}

/// When a mail was settled, or leaves at the earliest: never outside the window.
fn settled_or_leaves_at(m: &MailRow, config: &Config) -> Option<String> {
    let calendar = &config.calendar;
    let leaves = || m.next_at.map(|at| calendar.next_leave(at));
    m.settled_at
        .or_else(leaves)
        .map(|at| when::minute(at, calendar))
}

pub(super) fn said_if_dry(dry_run: bool, context: &Context) {
    if dry_run {
        context.out.note(&text!(
            "dry run: nothing was changed",
            "essai à blanc : rien n’a changé"
        ));
    }
}

/// Who acts, for the journal.
pub(super) fn who() -> String {
    Who::User(user()).to_string()
}

/// The person who acts, by the name of the system.
pub(super) fn user() -> String {
    std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .or_else(|_| std::env::var("LOGNAME"))
        .ok()
        .or_else(of_the_system)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The name that the list of users has for this process; services have no environment that
/// says it.
fn of_the_system() -> Option<String> {
    let id = rustix::process::getuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

fn row(m: &MailRow, config: &Config) -> Value {
    let at = |i| when::rfc3339(i, &config.calendar);
    json!({
        "mail": m.no, "message_id": m.message_id, "kind": m.kind, "recipient": m.address, "state": m.state.word(),
        "created_at": at(m.created_at), "next_at": m.next_at.map(at), "attempts": m.attempts,
        "settled_at": m.settled_at.map(at), "reply": m.reply, "subject": m.subject,
        "notices": m.notices.iter().map(|(t, s)| json!({"token": t, "stage": s})).collect::<Vec<_>>(),
    })
}

fn about(m: &MailRow, lang: Lang) -> String {
    if m.notices.is_empty() {
        return note(&m.kind).in_lang(lang).to_owned();
    }
    m.notices
        .iter()
        .map(|(token, stage)| format!("{token} ({stage})"))
        .collect::<Vec<_>>()
        .join(", ")
}
