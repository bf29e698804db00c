//! Samples dated around today: every urgency, a digest, an editor's client. The real daemon
//! works on them as it will on the tokens of a town.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use chrono::{DateTime, Days, NaiveDate, Utc};
use tokio_util::sync::CancellationToken;

use super::{Stage, write_config};
use crate::app::{self, Rig, SendingStore};
use crate::cli::{Exit, Failure};
use crate::clock;
use crate::config::Config;
use crate::daemon::{self, Ended, Signals};
use crate::domain::language::text;
use crate::renewal::reconcile::Brake;

/// A sample: id, name, days from today to its end, Data Pass number, and what follows verbatim.
type Sample = (&'static str, &'static str, i64, &'static str, &'static str);

const SAMPLES: [Sample; 7] = [
    (
        "urbanisme",
        "Autorisations d’urbanisme",
        297,
        "10871",
        DEMANDEUR,
    ),
    (
        "subventions",
        "Subventions aux associations",
        90,
        "11020",
        DEMANDEUR,
    ),
    ("marches-publics", "Marchés publics", 30, "11244", TWO),
    (
        "aides-sociales",
        "Instruction des aides sociales",
        15,
        "11302",
        DEMANDEUR,
    ),
    ("taxe-sejour", "Taxe de séjour", 1, "11377", TWO),
    (
        "cantines",
        "Inscriptions aux cantines",
        0,
        "11401",
        DEMANDEUR,
    ),
    (
        "mairie-x-portail",
        "Portail des usagers",
        -7,
        "9001",
        CLIENT,
    ),
];

const DEMANDEUR: &str = r#"recipients = [{ email = "c.martin@ville.example", name = "Camille Martin", role = "demandeur" }, { group = "dsi", from_stage = 15 }]"#;
const TWO: &str = r#"used_by = ["Plateforme des marchés publics"]
recipients = [
  { email = "c.martin@ville.example", name = "Camille Martin", role = "demandeur" },
  { email = "tech@editeur.example", name = "Support technique", role = "technique", language = "en" },
]"#;
const CLIENT: &str = "client = \"mairie-x\"";

/// The port that the dashboard has when it is free.
const PORT: u16 = 8080;

/// A port of this machine that nobody listens on.
fn free_port() -> std::io::Result<u16> {
    let taken = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr();
    taken(PORT).or_else(|_| taken(0)).map(|a| a.port())
}

fn config(today: NaiveDate, port: Option<u16>) -> String {
    let mut toml = String::from(
        r#"# Samples of `jetond demo`, dated around the day of the demo.
timezone     = "Europe/Paris"
language     = "fr"
organisation = "Ville d'Exemple"
contact      = "dsi@ville.example"

[schedule]
window = "00:00-24:00"          # so that the demo works at night too

[mail]
from      = "Veille des jetons <jetons@ville.example>"
transport = "file"
directory = "outbox"

[groups.dsi]
recipients = ["dsi@ville.example"]

[clients.mairie-x]
name       = "Mairie de X"
contact    = "dsi@mairie-x.example"
recipients = [{ email = "dgs@mairie-x.example", name = "Dominique Girard", role = "demandeur" }]
"#,
    );
    if let Some(port) = port {
        toml += &format!("\n[web]\nlisten = \"127.0.0.1:{port}\"\n");
    }
    for (id, name, days, datapass_id, rest) in SAMPLES {
        let n = Days::new(days.unsigned_abs());
        let expires = if days < 0 {
            today.checked_sub_days(n)
        } else {
            today.checked_add_days(n)
        }
        .unwrap_or(today);
        toml += &format!(
            "\n[[token]]\nid = \"{id}\"\nname = \"{name}\"\nexpires = {expires}\ndatapass_id = \"{datapass_id}\"\n{rest}\n"
        );
    }
    toml
}

pub(super) async fn show(dir: &Path, once: bool, stage: &mut Stage<'_>) -> Result<Exit, Failure> {
    let now = clock::now();
    let today = now.with_timezone(&chrono_tz::Europe::Paris).date_naive();
    // One pass needs no dashboard.
    let port = if once { None } else { free_port().ok() };
    let config = write_config(dir, &config(today, port), now)?;
    let (file, outbox) = (config.file.clone(), dir.join("outbox"));
    let (shown, outbox) = (
        dir.join("config.toml").display().to_string(),
        outbox.display().to_string(),
    );
    stage
        .say(&text!(
            "\nNow the real daemon, on sample tokens dated around today:\n  config  {shown}\n  mails   {outbox}\nTry in another terminal, with `-c {shown}`:\n  jetond list · jetond explain marches-publics · jetond simulate · jetond status",
            "\nMaintenant le vrai service, sur des jetons d’exemple datés autour d’aujourd’hui :\n  configuration  {shown}\n  courriels      {outbox}\nÀ essayer dans un autre terminal, avec `-c {shown}` :\n  jetond list · jetond explain marches-publics · jetond simulate · jetond status"
        ))
        .await?;
    if once {
        pass(&config, now, stage).await
    } else {
        watch(config, file, stage).await
    }
}

async fn pass(config: &Config, now: DateTime<Utc>, stage: &mut Stage<'_>) -> Result<Exit, Failure> {
    let sending = SendingStore::open(&config.store, now).await?;
    let rig = Rig::new(config, sending.store.clone(), CancellationToken::new())?;
    app::take_over(config, &sending.store, Brake::Keep, now).await?;
    rig.tick(now).await?;
    let step = rig.deliver(now).await?;
    sending.store.close().await;
    let sent = step.sent;
    stage
        .say(&text!(
            "One pass: {sent} mails sent.",
            "Un passage : {sent} courriels envoyés."
        ))
        .await?;
    Ok(if step.is_troubled() {
        Exit::NotDelivered
    } else {
        Exit::Done
    })
}

async fn watch(
    config: Config,
    file: std::path::PathBuf,
    stage: &mut Stage<'_>,
) -> Result<Exit, Failure> {
    let signals = Signals::listen()?;
    crate::cli::logging::start();
    let mut said = Ok(());
    let at = config.web.listen;
    let ended = daemon::run(config, file, signals, || {
        if let Some(at) = at {
            said = stage.say_at_once(&text!(
                "\nIts dashboard: open http://{at}/ in a browser.",
                "\nSon tableau de bord : ouvrir http://{at}/ dans un navigateur."
            ));
        }
        let until = text!("It runs until Ctrl-C.", "Il tourne jusqu’à Ctrl-C.");
        said = std::mem::replace(&mut said, Ok(())).and(stage.say_at_once(&until));
    })
    .await?;
    said?;
    match ended {
        Ended::Asked => Ok(Exit::Done),
        Ended::LoopDied(why) => Err(Failure::unexpected(&why)),
    }
}
