//! `check`: config, templates, store, clock, mail server: what is wrong and how to mend it.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::app;
use crate::cli::{Context, Exit, Failure, words};
use crate::clock;
use crate::config::{Config, Diagnostic, Loaded, Transport};
use crate::delivery::outcome::{RelayFault, RelayFaultKind};
use crate::delivery::transport::Way;
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::error::StoreError;
use crate::store::lock::SenderLock;

/// Warnings of one kind shown one by one; an editor with thousands of tokens gets a count.
const SHOWN: usize = 50;

/// The clock is not set if it is before this program was written: 1 November 2026.
const WRITTEN: i64 = 1_793_491_200;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also connect to the mail server, up to the login; no mail is sent
    #[arg(long)]
    online: bool,
}

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    exit: Exit,
    said: Text,
    hint: Option<Text>,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let loaded = context.load()?;
    show_warnings(&loaded, context);
    let config = &loaded.config;
    let now = clock::now();
    let mut findings = vec![
        said_of_config(config),
        templates(config),
        store(config, context, now).await,
        time(now),
    ];
    findings.push(if args.online {
        online(config).await
    } else {
        transport(config)
    });

    let exit = findings
        .iter()
        .map(|f| f.exit)
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
            json!({
                "check": f.what, "ok": f.exit == Exit::Done,
                "severity": if f.exit == Exit::Done { "ok" } else { "error" },
                "message": f.said.in_lang(lang), "help": f.hint.as_ref().map(|h| h.in_lang(lang)),
            })
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
    let mark = if f.exit == Exit::Done {
        "ok"
    } else {
        context.out.lang.pick("ERROR", "ERREUR")
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
    let Text { en, fr } = words::tokens(config.tokens.len());
    Finding {
        what: "config",
        exit: Exit::Done,
        said: text!("{file}, {en}", "{file}, {fr}"),
        hint: None,
    }
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
            Finding {
                what: "templates",
                exit: Exit::Done,
                said,
                hint: None,
            }
        }
        Err(e) => {
            let failure = Failure::from(e);
            Finding {
                what: "templates",
                exit: failure.exit,
                said: failure.message,
                hint: failure.hint.map(|h| *h),
            }
        }
    }
}

async fn store(config: &Config, context: &mut Context, now: DateTime<Utc>) -> Finding {
    let path = config.store.display();
    let result = async {
        let store = Store::open_to_read(&config.store).await?;
        context.keep(&store);
        store.check_soundness().await?;
        let uncovered = store.uncovered(&config.calendar, now).await?.len();
        let read = store.setting("config_digest").await?;
        Ok::<_, StoreError>((uncovered, read.as_deref() == Some(&config.digest)))
    }
    .await;
    let (exit, said, hint) = match result {
        Err(StoreError::Missing(_)) => writable(config),
        Err(e) => {
            let failure = Failure::from(e);
            (failure.exit, failure.message, failure.hint.map(|h| *h))
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
                Exit::Done,
                text!(
                    "{path}, sound, everything owed is covered",
                    "{path}, saine, tout ce qui est dû est couvert"
                ),
                hint,
            )
        }
        Ok((n, _)) => {
            let Text { en, .. } =
                words::counted(n, ["owed reminder is", "owed reminders are"], ["", ""]);
            (
                Exit::NotDelivered,
                text!(
                    "{path}: {en} not on the way",
                    "{path} : rappels dus qui ne sont pas en route : {n}"
                ),
                Some(text!(
                    "`jetond status` names them; is the daemon running?",
                    "`jetond status` les nomme ; le service tourne-t-il ?"
                )),
            )
        }
    };
    Finding {
        what: "store",
        exit,
        said,
        hint,
    }
}

/// There is no store yet: whether it can be made.
fn writable(config: &Config) -> (Exit, Text, Option<Text>) {
    let path = config.store.display();
    let existing = config.store.ancestors().skip(1).find(|p| p.exists());
    let writable = existing.is_some_and(|p| p.is_dir() && takes_files(p));
    if writable {
        (
            Exit::Done,
            text!(
                "{path} is made at the first start",
                "{path} sera créée au premier démarrage"
            ),
            None,
        )
    } else {
        (
            Exit::Store,
            text!("{path} cannot be made", "{path} ne peut pas être créée"),
            Some(text!(
                "make its directory, writable for the user of the daemon",
                "créer son dossier, accessible en écriture à l’utilisateur du service"
            )),
        )
    }
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
        exit: if set { Exit::Done } else { Exit::Unexpected },
        said: text!("{shown}", "{shown}"),
        hint: (!set).then(|| {
            text!(
                "the clock is not set: install an NTP client",
                "l’horloge n’est pas à l’heure : installer un client NTP"
            )
        }),
    }
}

/// Mails cannot leave.
fn unreachable(fault: &RelayFault) -> Finding {
    Finding {
        what: "mail",
        exit: Exit::NotDelivered,
        said: text!(
            "mails cannot leave: {fault}",
            "les courriels ne peuvent pas partir : {fault}"
        ),
        hint: Some(advice(fault.kind)),
    }
}

fn transport(config: &Config) -> Finding {
    let said = match &config.mail.transport {
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
    Finding {
        what: "mail",
        exit: Exit::Done,
        said,
        hint: None,
    }
}

async fn online(config: &Config) -> Finding {
    match reach(config).await {
        Ok(()) => {
            let mut finding = transport(config);
            if let Transport::Smtp(smtp) = &config.mail.transport {
                let (host, port) = (&smtp.host, smtp.port);
                finding.said = text!(
                    "{host}:{port} answers and lets us in",
                    "{host}:{port} répond et nous accepte"
                );
            }
            finding
        }
        Err(fault) => unreachable(&fault),
    }
}

async fn reach(config: &Config) -> Result<(), RelayFault> {
    let way = Way::prepare(&config.mail.transport)?;
    match &config.mail.transport {
        Transport::Smtp(smtp) => {
            let password = match &smtp.auth {
                None => None,
                Some(auth) => Some(
                    auth.password
                        .resolve()
                        .map_err(|e| RelayFault::new(RelayFaultKind::Auth, &e.to_string()))?,
                ),
            };
            way.open(password.as_ref()).await?.quit().await;
            Ok(())
        }
        Transport::File { .. } => Ok(()),
        Transport::Sendmail { command } => {
            if command.is_file() {
                Ok(())
            } else {
                let detail = format!("{} is not there", command.display());
                Err(RelayFault::new(RelayFaultKind::Local, &detail))
            }
        }
    }
}

fn advice(kind: RelayFaultKind) -> Text {
    match kind {
        RelayFaultKind::Resolve => text!(
            "check mail.smtp.host and the machine’s DNS",
            "vérifier mail.smtp.host et le DNS de la machine"
        ),
        RelayFaultKind::Connect | RelayFaultKind::Dropped | RelayFaultKind::Timeout => {
            text!(
                "check mail.smtp.host and port, and the firewall",
                "vérifier mail.smtp.host et port, et le pare-feu"
            )
        }
        RelayFaultKind::Tls => text!(
            "check mail.smtp.tls and port (587 with starttls, 465 with implicit), the host’s name in the certificate, and ca_file for a private authority",
            "vérifier mail.smtp.tls et port (587 avec starttls, 465 avec implicit), le nom de l’hôte dans le certificat, et ca_file pour une autorité privée"
        ),
        RelayFaultKind::Plaintext => text!(
            "use tls = \"starttls\", or allow the network in mail.smtp.plaintext_ok",
            "utiliser tls = \"starttls\", ou autoriser le réseau dans mail.smtp.plaintext_ok"
        ),
        RelayFaultKind::Auth => text!(
            "check mail.smtp.username and password",
            "vérifier mail.smtp.username et password"
        ),
        RelayFaultKind::Greeting
        | RelayFaultKind::Hello
        | RelayFaultKind::Mail
        | RelayFaultKind::Closing421
        | RelayFaultKind::Protocol => {
            text!(
                "ask the administrator of the mail server what its reply means",
                "demander à l’administrateur du serveur de messagerie ce que dit sa réponse"
            )
        }
        RelayFaultKind::Local => text!(
            "check the directory or the command, and its permissions",
            "vérifier le dossier ou la commande, et ses droits"
        ),
    }
}
