//! `check`: config, templates, store, clock, mail server: what is wrong and how to mend it.
//!
//! Nothing is written, and nothing leaves the machine without `--online`.

mod channels;
mod datapass;
mod domain;
mod imported;
mod metrics;
mod online;
mod probe;
mod reach;
mod record;
mod web;

use std::net::{IpAddr, SocketAddr};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Context, Exit, Failure};
use crate::clock;
use crate::config::{Config, Diagnostic, Loaded, Place, Transport};
use crate::delivery::outcome::{RelayFault, RelayFaultKind};
use crate::domain::language::{Text, counted, text};
use crate::heartbeat;
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::lock::SenderLock;

use self::online::DnsWish;
use crate::words::count;

/// Warnings of one kind shown one by one; an editor with thousands of tokens gets a count.
const SHOWN: usize = 50;

/// The clock is not set if it is before this program was written: 1 November 2026.
const WRITTEN: i64 = 1_793_491_200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also talk to the mail server, up to the sender's address, ask the DNS about the sender's
    /// domain, and see whether chat rooms and the API answer; no mail, post or token is sent
    #[arg(long)]
    online: bool,
    /// The selector of the DKIM key that the relay signs with
    #[arg(long, value_name = "NAME", requires = "online")]
    dkim_selector: Option<String>,
    /// Ask this name server, as 192.0.2.53 or 192.0.2.53:53, in place of the system's
    #[arg(long, value_name = "ADDRESS", requires = "online")]
    dns: Option<String>,
    /// Only the file and the templates: what a reload depends on
    #[arg(long, conflicts_with = "online")]
    file: bool,
}

fn name_server(written: &str) -> Result<SocketAddr, Failure> {
    let address = written.parse::<IpAddr>().map(|ip| (ip, 53).into());
    address
        .or_else(|_| written.parse::<SocketAddr>())
        .map_err(|_| {
            let shown = written.escape_debug();
            Failure::usage(text!(
                "`{shown}` is not the address of a name server",
                "`{shown}` n’est pas l’adresse d’un serveur de noms"
            ))
            .hint(text!(
                "write an IP address, with its port if that is not 53: 192.0.2.53, 127.0.0.1:5353, [2001:db8::53]:5353",
                "écrire une adresse IP, avec son port si ce n’est pas 53 : 192.0.2.53, 127.0.0.1:5353, [2001:db8::53]:5353"
            ))
        })
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    mark: Mark,
    said: Text,
    hint: Option<Text>,
    /// The place in a file that it is about.
    place: Option<Place>,
}

/// How it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Well,
    /// It works, and something should be mended.
    Doubtful,
    /// It does not; the command ends with this.
    Wrong(Exit),
}

impl Mark {
    fn exit(self) -> Exit {
        match self {
            Self::Well | Self::Doubtful => Exit::Done,
            Self::Wrong(exit) => exit,
        }
    }

    fn severity(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Doubtful => "warning",
            Self::Wrong(_) => "error",
        }
    }
}

impl Finding {
    fn well(what: &'static str, said: Text) -> Self {
        Self {
            what,
            mark: Mark::Well,
            said,
            hint: None,
            place: None,
        }
    }

    fn doubtful(what: &'static str, said: Text, hint: Text) -> Self {
        Self {
            what,
            mark: Mark::Doubtful,
            said,
            hint: Some(hint),
            place: None,
        }
    }

    fn wrong(what: &'static str, failure: Failure) -> Self {
        Self {
            what,
            mark: Mark::Wrong(failure.exit),
            said: failure.message,
            hint: failure.hint.map(|h| *h),
            place: None,
        }
    }
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let server = args.dns.as_deref().map(name_server).transpose()?;
    let loaded = context.load()?;
    show_warnings(&loaded, context);
    let config = &loaded.config;
    let now = clock::now();
    let mut findings = vec![said_of_config(config), templates(config)];
    if !args.file {
        findings.extend(store(&loaded, context, now).await);
        findings.extend(imported::look(config, context).await);
        findings.push(time(now));
        findings.extend(reach::people(config, now).await);
        findings.extend(reach::bounces(config));
    }
    if args.online {
        let dns = DnsWish {
            selector: args.dkim_selector.as_deref(),
            server,
        };
        findings.extend(online::look(config, &dns, context).await);
    } else if !args.file {
        findings.push(transport(config));
    }
    if args.online {
        findings.extend(channels::look(config).await);
    } else {
        findings.extend(channels::declared(config));
    }

    findings.extend(config.heartbeat.as_ref().map(|heartbeat| {
        let place = heartbeat::place(heartbeat);
        Finding::well(
            "heartbeat",
            text!(
                "after each pass, to {place}",
                "après chaque passage, à {place}"
            ),
        )
    }));

    findings.extend(web::look(config));
    findings.extend(datapass::look(config));
    findings.extend(metrics::look(config));
    if args.online {
        findings.extend(probe::knock(config).await);
    } else {
        findings.extend(probe::declared(config));
    }
    if !args.file {
        findings.extend(probe::look(&loaded, context).await);
    }

    let exit = findings
        .iter()
        .map(|f| f.mark.exit())
        .find(|e| *e != Exit::Done)
        .unwrap_or(Exit::Done);
    if context.out.json {
        let lang = context.out.lang;
        let mut rows: Vec<Value> = loaded
            .warnings
            .iter()
            .map(|w| {
                let mut row = json!(w.row(lang));
                row["check"] = json!("config");
                row["ok"] = json!(true);
                row
            })
            .collect();
        rows.extend(findings.iter().map(|f| {
            let mut row = json!({
                "check": f.what, "ok": f.mark.exit() == Exit::Done, "severity": f.mark.severity(),
                "message": f.said.in_lang(lang), "help": f.hint.as_ref().map(|h| h.in_lang(lang)),
            });
            if let Some(place) = &f.place {
                row["file"] = json!(place.file);
                row["line"] = json!(place.line);
                row["column"] = json!(place.column);
            }
            row
        }));
        context.out.data("check", rows)?;
        return Ok(exit);
    }
    for f in &findings {
        print(f, context)?;
    }
    Ok(exit)
}

fn print(f: &Finding, context: &mut Context) -> Result<(), Failure> {
    let mark = match f.mark {
        Mark::Well => "ok",
        Mark::Doubtful => context.out.lang.pick("advice", "avis"),
        Mark::Wrong(_) => context.out.lang.pick("ERROR", "ERREUR"),
    };
    let said = context.out.pick(&f.said).to_owned();
    context
        .out
        .line(&format!("{:<10} {mark:<6} {said}", f.what))?;
    if let Some(hint) = &f.hint {
        let hint = context.out.pick(hint).to_owned();
        context.out.line(&format!("{:18}→ {hint}", ""))?;
    }
    Ok(())
}

fn show_warnings(loaded: &Loaded, context: &Context) {
    let shown: Vec<Diagnostic> = loaded.warnings.iter().take(SHOWN).cloned().collect();
    context.out.diagnostics(&shown, &loaded.sources);
    let more = loaded.warnings.len() - shown.len();
    if more > 0 {
        context.out.note(&text!(
            "… and {more} more warnings (`--json` lists them all)",
            "… et {more} autres avertissements (`--json` les donne tous)"
        ));
    }
}

fn said_of_config(config: &Config) -> Finding {
    let file = config.file.display();
    let Text { en, fr } = count::tokens(config.tokens.len());
    Finding::well("config", text!("{file}, {en}", "{file}, {fr}"))
}

fn templates(config: &Config) -> Finding {
    match app::proven_templates(config) {
        Ok(_) => {
            let said = match &config.mail.templates {
                None => text!("the built-in ones", "ceux du programme"),
                Some(directory) => {
                    let directory = directory.display();
                    text!(
                        "the built-in ones and {directory}: every text renders",
                        "ceux du programme et {directory} : chaque texte se compose"
                    )
                }
            };
            Finding::well("templates", said)
        }
        Err(e) => Finding::wrong("templates", Failure::from(e)),
    }
}

/// The store, and the lines of the file that it has left behind.
async fn store(loaded: &Loaded, context: &mut Context, now: DateTime<Utc>) -> Vec<Finding> {
    let config = &loaded.config;
    let path = config.store.display();
    let result = async {
        let store = Store::open_to_read(&config.store).await?;
        context.keep(&store);
        store.check_soundness().await?;
        let uncovered = store.uncovered(&config.calendar, now).await?.len();
        let read = store.setting("config_digest").await?;
        let behind = record::findings(loaded, &store).await?;
        Ok::<_, StoreError>((uncovered, read.as_deref() == Some(&config.digest), behind))
    }
    .await;
    let mut behind = Vec::new();
    let result = result.map(|(uncovered, up_to_date, found)| {
        behind = found;
        (uncovered, up_to_date)
    });
    let (mark, said, hint) = match result {
        Err(StoreError::Missing(_)) => writable(config),
        Err(e) => {
            let failure = Failure::from(e);
            return vec![Finding::wrong("store", failure)];
        }
        Ok((0, up_to_date)) => {
            let running = SenderLock::is_held(&config.store);
            let hint = match (up_to_date, running) {
                (true, _) => None,
                (false, true) => Some(text!(
                    "the file has changed since the daemon read it: `systemctl reload jetond`",
                    "le fichier a changé depuis que le service l’a lu : `systemctl reload jetond`"
                )),
                (false, false) => Some(text!(
                    "the next start takes the changed file over",
                    "le prochain démarrage prendra en compte le fichier modifié"
                )),
            };
            (
                Mark::Well,
                text!(
                    "{path}, sound, everything owed is covered",
                    "{path}, saine, tout ce qui est dû est couvert"
                ),
                hint,
            )
        }
        Ok((n, _)) => {
            let missing = counted(
                n,
                ["owed reminder is", "owed reminders are"],
                ["rappel dû n’est pas", "rappels dus ne sont pas"],
            );
            (
                Mark::Wrong(Exit::NotDelivered),
                text!("{path}: {{}} not on the way", "{path} : {{}} en route").with(&missing),
                Some(text!(
                    "`jetond status` names them; is the daemon running?",
                    "`jetond status` les nomme ; le service tourne-t-il ?"
                )),
            )
        }
    };
    let store = Finding {
        what: "store",
        mark,
        said,
        hint,
        place: None,
    };
    std::iter::once(store).chain(behind).collect()
}

/// There is no store yet: whether it can be made.
fn writable(config: &Config) -> (Mark, Text, Option<Text>) {
    let path = config.store.display();
    if config.store.parent().is_some_and(can_take_files) {
        (
            Mark::Well,
            text!(
                "{path} is made at the first start",
                "{path} sera créée au premier démarrage"
            ),
            None,
        )
    } else {
        (
            Mark::Wrong(Exit::Store),
            text!("{path} cannot be made", "{path} ne peut pas être créée"),
            Some(text!(
                "make its directory, writable for the user of the daemon",
                "créer son dossier, accessible en écriture à l’utilisateur du service"
            )),
        )
    }
}

/// Whether files can be made in a directory that may itself have to be made.
fn can_take_files(directory: &std::path::Path) -> bool {
    let existing = directory.ancestors().find(|p| p.exists());
    existing.is_some_and(|p| p.is_dir() && takes_files(p))
}

/// Whether a file can be made in a directory: it is made and removed.
fn takes_files(dir: &std::path::Path) -> bool {
    let probe = dir.join(format!(".jetond-check-{}", std::process::id()));
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
        .is_ok();
    made && std::fs::remove_file(&probe).is_ok()
}

fn time(now: DateTime<Utc>) -> Finding {
    let shown = now.format("%Y-%m-%d %H:%M UTC");
    let set = now.timestamp() >= WRITTEN;
    Finding {
        what: "clock",
        mark: if set {
            Mark::Well
        } else {
            Mark::Wrong(Exit::Unexpected)
        },
        said: text!("{shown}", "{shown}"),
        hint: (!set).then(|| {
            text!(
                "the clock is not set: install an NTP client",
                "l’horloge n’est pas à l’heure : installer un client NTP"
            )
        }),
        place: None,
    }
}

fn transport(config: &Config) -> Finding {
    let said = match &config.mail.transport {
        Transport::File { directory } if !can_take_files(directory) => {
            let directory = directory.display();
            let detail = format!("no file can be written into {directory}");
            return online::unreachable(&RelayFault::new(RelayFaultKind::Local, &detail));
        }
        Transport::File { directory } => {
            let directory = directory.display();
            text!(
                "mails are written as files to {directory}",
                "les courriels sont écrits en fichiers dans {directory}"
            )
        }
        Transport::Smtp(smtp) => {
            let (host, port) = (&smtp.host, smtp.port);
            text!(
                "{host}:{port} (not asked; `--online` does)",
                "{host}:{port} (non interrogé ; `--online` le fait)"
            )
        }
        Transport::Sendmail { command } => {
            let command = command.display();
            text!(
                "mails go to {command}",
                "les courriels passent par {command}"
            )
        }
    };
    Finding::well("mail", said)
}
