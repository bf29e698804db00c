//! The command line: one file per command group.
//!
//! Data goes to stdout, words to stderr. Commands and keys are English; human words are French
//! or English. Every command ends in one place, which alone turns failures into words, JSON and
//! exit codes.

mod archive;
mod backup;
mod calendar;
mod check;
mod complete;
mod completions;
mod config_show;
mod datapass;
mod demo;
mod explain;
mod explain_code;
mod export;
mod failure;
mod filed;
mod forget;
mod hash_password;
mod heard;
mod history;
mod import;
mod init;
mod layout;
mod list;
mod logging;
mod lookup;
mod man;
mod nagios;
mod outbox;
mod output;
mod preview;
mod probe;
mod reach;
mod release;
mod reload;
mod renew;
mod restore;
mod revoke;
mod run;
mod secret_input;
mod send_test;
mod show;
mod simulate;
mod snooze;
mod status;
mod supersede;
mod unseen;
mod usage;
mod verb;
mod when;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

use crate::clock;
use crate::config::{self, Config, Loaded, Surroundings};
use crate::domain::calendar::Calendar;
use crate::domain::language::Lang;
use crate::store::Store;

pub use self::failure::{Exit, Failure};
pub use self::nagios::Service;
use self::output::Out;

/// Watches over API Entreprise tokens and mails every renewal reminder that is owed.
#[derive(Debug, Parser)]
#[command(
    name = "jetond",
    version,
    about,
    propagate_version = true,
    max_term_width = 100
)]
struct Cli {
    /// The config file [default: config.toml, then /etc/jetond/config.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Language of human words [default: the locale, then the config]
    #[arg(long, global = true, value_name = "LANG")]
    lang: Option<LangArg>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LangArg {
    Fr,
    En,
}

/// Look as if it were another moment; the record stays what it is.
#[derive(Debug, Clone, clap::Args)]
struct At {
    /// Look as if it were INSTANT: 2026-11-22, 2026-11-22T09:00 or 2026-11-22T09:00:00+01:00
    #[arg(long, value_name = "INSTANT")]
    at: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play a token's whole life in seconds, then run the real daemon on samples
    Demo(demo::Args),
    /// Write a commented config to start from
    Init(init::Args),
    /// Run the daemon
    Run(run::Args),
    /// Have the running daemon take the changed file over, and say what that brought
    Reload(reload::Args),
    /// Say what is wrong with config, store, clock and mail server, and how to mend it
    Check(check::Args),
    /// Say whether everything owed is covered, and what comes next
    Status(status::Args),
    /// List the tokens, the first to expire first
    List(list::Args),
    /// Show one token
    Show(show::Args),
    /// Tell what happened, to one token or to all
    History(history::Args),
    /// Give a reason for every stage of a token's period
    Explain(explain::Args),
    /// Say what an answer of API Entreprise means, whose fault it is and what to do
    ExplainCode(explain_code::Args),
    /// Show a mail as it will be
    Preview(preview::Args),
    /// Show in advance every mail that will leave
    Simulate(simulate::Args),
    /// Send a test mail now
    SendTest(send_test::Args),
    /// Ask API Entreprise now what it says of a token, or of every token whose secret is given
    Probe(probe::Args),
    /// Look at the mails that are not settled, and act on them
    #[command(subcommand)]
    Outbox(outbox::Args),
    /// The same token lives on: give its new date
    Renew(renew::Args),
    /// Another token takes the place of this one
    Supersede(supersede::Args),
    /// The renewal request was filed, or refused
    Filed(filed::Args),
    /// Put off the early reminders of a token
    Snooze(snooze::Args),
    /// The token is revoked, now or on a day to come
    Revoke(revoke::Args),
    /// Put a token away, or all that are missing from the file
    Archive(archive::Args),
    /// Have a token watched again that was archived, revoked or superseded
    Restore(restore::Args),
    /// Take a list of tokens over: CSV, JSON lines, or tokens (JWT) on standard input
    Import(import::Args),
    /// Write the tokens that are watched as a list that `import` reads back
    Export(export::Args),
    /// Print the tokens as a calendar (iCalendar), or the address at which it can be subscribed to
    Calendar(calendar::Args),
    /// Make a person a pseudonym in everything that is on record
    Forget(forget::Args),
    /// Make what [web.auth] keeps of a password: its argon2id hash
    HashPassword(hash_password::Args),
    /// Look at what Data Pass said by webhook, and make tokens of it
    #[command(subcommand)]
    Datapass(datapass::Args),
    /// Copy the store while mails leave; prove a copy; put one back
    Backup(backup::Args),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config_show::Args),
    /// Print the script that completes commands, options and token ids in a shell
    Completions(completions::Args),
    /// Print a manual page, or write all of them
    Man(man::Args),
    /// What can follow an unfinished command line
    #[command(hide = true)]
    Complete(complete::Args),
}

/// What every command gets.
struct Context {
    file: Option<PathBuf>,
    lang_wish: Option<Lang>,
    out: Out,
    /// The stores that the command opened: closed at its end, however it ends, so that nothing
    /// is left beside their files.
    opened: Vec<Store>,
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    run_with(std::env::args_os())
}

/// What runs the program: two threads, whatever the machine has.
///
/// # Errors
/// When the system gives no thread.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(e) => return not_parsed(&e, &args),
    };
    let wish = cli.lang.map(|l| match l {
        LangArg::Fr => Lang::Fr,
        LangArg::En => Lang::En,
    });
    let wish = wish.or_else(lang_of_locale);
    let lang = wish
        .or_else(|| config::language_of(&file_or_default(cli.config.as_ref())?))
        .unwrap_or_default();
    let to_monitor = matches!(&cli.command, Command::Status(args) if args.is_for_monitor());
    let mut context = Context {
        file: cli.config,
        lang_wish: wish,
        out: Out::new(cli.json, lang),
        opened: Vec::new(),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => {
            let failure = Failure::unexpected(&e.to_string());
            context.out.fail(&failure);
            return failure.exit.into();
        }
    };
    let result = runtime.block_on(async {
        let result = dispatch(cli.command, &mut context).await;
        for store in &context.opened {
            store.close().await;
        }
        result
    });
    let result = result.and_then(|exit| context.out.finish().map(|()| exit).map_err(Failure::from));
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) if failure.is_closed_stream() => Exit::Done,
        Err(failure) if to_monitor => context.out.unknown(&failure),
        Err(failure) => {
            context.out.fail(&failure);
            failure.exit
        }
    };
    // A lookup or a disk that hangs must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit.into()
}

/// Help and version are data; anything else is a failure in words.
fn not_parsed(e: &clap::Error, args: &[OsString]) -> ExitCode {
    if !e.use_stderr() {
        // The stream may be closed.
        let _ = e.print();
        return Exit::Done.into();
    }
    let wishes = usage::Wishes::of(args);
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        && !wishes.json
        && !wishes.monitor
    {
        let _ = e.print();
        return Exit::Usage.into();
    }
    let lang = wishes
        .lang
        .or_else(lang_of_locale)
        .or_else(|| wishes.lang_of_config())
        .unwrap_or_default();
    let mut out = Out::new(wishes.json, lang);
    if wishes.monitor {
        return out.unknown(&usage::failure(e)).into();
    }
    out.fail(&usage::failure(e));
    Exit::Usage.into()
}

async fn dispatch(command: Command, context: &mut Context) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args, context).await,
        Command::Init(args) => init::run(&args, context),
        Command::Run(args) => run::run(&args, context).await,
        Command::Reload(args) => reload::run(&args, context).await,
        Command::Check(args) => check::run(&args, context).await,
        Command::Status(args) => status::run(&args, context).await,
        Command::List(args) => list::run(&args, context).await,
        Command::Show(args) => show::run(&args, context).await,
        Command::History(args) => history::run(&args, context).await,
        Command::Explain(args) => explain::run(&args, context).await,
        Command::ExplainCode(args) => explain_code::run(&args, context),
        Command::Preview(args) => preview::run(&args, context).await,
        Command::Simulate(args) => simulate::run(&args, context).await,
        Command::SendTest(args) => send_test::run(&args, context).await,
        Command::Probe(args) => probe::run(&args, context).await,
        Command::Outbox(args) => outbox::run(&args, context).await,
        Command::Renew(args) => renew::run(&args, context).await,
        Command::Supersede(args) => supersede::run(&args, context).await,
        Command::Filed(args) => filed::run(&args, context).await,
        Command::Snooze(args) => snooze::run(&args, context).await,
        Command::Revoke(args) => revoke::run(&args, context).await,
        Command::Restore(args) => restore::run(&args, context).await,
        Command::Archive(args) => archive::run(&args, context).await,
        Command::Import(args) => import::run(&args, context).await,
        Command::Export(args) => export::run(&args, context).await,
        Command::Calendar(args) => calendar::run(&args, context).await,
        Command::Forget(args) => forget::run(&args, context).await,
        Command::HashPassword(args) => hash_password::run(&args, context),
        Command::Datapass(args) => datapass::run(&args, context).await,
        Command::Backup(args) => backup::run(&args, context).await,
        Command::Config(config_show::Args::Show) => config_show::run(context),
        Command::Completions(args) => completions::run(&args, context),
        Command::Man(args) => man::run(&args, context),
        Command::Complete(args) => complete::run(&args, context),
    }
}

impl Context {
    /// Loads the configuration; from then on words are in its language, unless the person or
    /// the locale chose another.
    fn load(&mut self) -> Result<Loaded, Failure> {
        let file = file_or_default(self.file.as_ref()).ok_or_else(Failure::no_config)?;
        match config::load(&file, &Surroundings { now: clock::now() }) {
            Ok(loaded) => {
                self.out.lang = self.lang_wish.unwrap_or(loaded.config.language);
                Ok(loaded)
            }
            Err(rejected) => {
                self.out.diagnostics(&rejected.warnings, &rejected.sources);
                self.out.diagnostics(&rejected.errors, &rejected.sources);
                Err(Failure::config(&rejected.errors, self.out.lang))
            }
        }
    }

    /// Has a store closed at the end of the command.
    fn keep(&mut self, store: &Store) {
        self.opened.push(store.clone());
    }

    fn config(&mut self) -> Result<Config, Failure> {
        self.load().map(|l| l.config)
    }
}

impl At {
    /// The moment to look at.
    fn now(&self, calendar: &Calendar) -> Result<DateTime<Utc>, Failure> {
        match &self.at {
            None => Ok(clock::now()),
            Some(written) => when::instant(written, calendar, when::Bare::EndOfDay),
        }
    }
}

fn file_or_default(named: Option<&PathBuf>) -> Option<PathBuf> {
    named.cloned().or_else(config::default_file)
}

/// The language of the locale, if it says French or English (POSIX: `LC_ALL`, then
/// `LC_MESSAGES`, then `LANG`; `C` and `POSIX` say nothing).
fn lang_of_locale() -> Option<Lang> {
    let set = |name| std::env::var(name).ok().filter(|v: &String| !v.is_empty());
    let locale = set("LC_ALL")
        .or_else(|| set("LC_MESSAGES"))
        .or_else(|| set("LANG"))?;
    match locale.split(['_', '.', '@']).next() {
        Some("fr") => Some(Lang::Fr),
        Some("en") => Some(Lang::En),
        _ => None,
    }
}
