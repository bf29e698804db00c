//! The life of one token, from its issue to its renewal: every reminder on its day, an outage
//! of 40 days, a crash with mails on their way. The clock is an argument of the real functions,
//! so eighteen months take seconds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use tokio_util::sync::CancellationToken;

use super::{Stage, write_config};
use crate::app::{self, Rig, SendingStore};
use crate::cli::{Failure, when};
use crate::config::Config;
use crate::delivery::transport::file::file_name;
use crate::domain::language::text;
use crate::renewal::reconcile::Brake;
use crate::store::Store;
use crate::store::mailbook::Which;

/// The outage begins before stage 60 and ends after stage 30.
const OUTAGE: (&str, &str) = ("2026-10-11T08:00:00Z", "2026-11-20T08:00:00Z");

/// On the morning of stage 15 the process is killed while mails are on their way.
const CRASH: &str = "2026-11-30T08:00:00Z";

/// A week after the access was cut, the new date is written into the file.
const RENEWAL: &str = "2026-12-23T10:00:00Z";

const BEGINNING: &str = "2025-06-15T08:00:00Z";
const END: &str = "2028-04-01T08:00:00Z";

fn config(expires: &str) -> String {
    format!(
        r#"# The configuration of the demo's life of a token.
timezone     = "Europe/Paris"
language     = "fr"
organisation = "Ville d'Exemple"
contact      = "dsi@ville.example"

[mail]
from      = "Veille des jetons <jetons@ville.example>"
transport = "file"
directory = "outbox"

[[token]]
id          = "marches-publics"
name        = "Marchés publics"
issued      = 2025-06-15
{expires}datapass_id = "11244"
used_by     = ["Plateforme des marchés publics"]
recipients  = [
  {{ email = "c.martin@ville.example", name = "Camille Martin", role = "demandeur" }},
  {{ email = "tech@editeur.example", name = "Équipe technique", role = "technique" }},
]
"#
    )
}

/// Plays it; answers how many reminders are missing, which must be 0.
pub(super) async fn play(dir: &Path, stage: &mut Stage<'_>) -> Result<usize, Failure> {
    let config = write_config(dir, &config(""), at(BEGINNING))?;
    stage
        .say(&text!(
            "The life of one token: issued 2025-06-15, valid for 18 months, two people to be told.\n",
            "La vie d’un jeton : délivré le 15 juin 2025, valable 18\u{a0}mois, deux personnes à prévenir.\n"
        ))
        .await?;
    let mut life = Life::begin(config, at(BEGINNING)).await?;
    life.until(at(OUTAGE.0), stage).await?;

    life.stop().await;
    let days = (at(OUTAGE.1) - at(OUTAGE.0)).num_days();
    stage
        .say(&text!(
            "2026-10-11         the machine is off for {days} days …",
            "2026-10-11         la machine est éteinte pendant {days}\u{a0}jours…"
        ))
        .await?;
    life.start_again(at(OUTAGE.1)).await?;
    life.pass(at(OUTAGE.1), stage).await?;
    stage
        .say(&text!(
            "                   … one catch-up mail each: stage 30 speaks for stage 60",
            "                   … un seul courriel de rattrapage chacun : l’étape 30 parle pour l’étape 60"
        ))
        .await?;
    life.until(at(CRASH) - Duration::seconds(1), stage).await?;

    let on_their_way = life.crash(at(CRASH)).await?;
    stage
        .say(&text!(
            "2026-11-30  09:00  killed while {on_their_way} mails are on their way",
            "2026-11-30  09:00  arrêt brutal pendant que {on_their_way} courriels sont en route"
        ))
        .await?;
    life.start_again(at(CRASH) + Duration::minutes(5)).await?;
    life.until(at(RENEWAL), stage).await?;

    let renewed = write_config(
        dir,
        &self::config("expires     = 2028-06-22\n"),
        at(RENEWAL),
    )?;
    life.renew(renewed, at(RENEWAL)).await?;
    stage
        .say(&text!(
            "2026-12-23         renewed until 2028-06-22: no further reminder leaves",
            "2026-12-23         renouvelé jusqu’au 22 juin 2028 : plus aucun rappel ne part"
        ))
        .await?;
    life.until(at(END), stage).await?;
    life.sum_up(dir, stage).await
}

fn at(instant: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(instant)
        .map(|i| i.with_timezone(&Utc))
        .expect("the demo's instants are well formed")
}

/// The parts of a daemon, under a clock of the demo's own.
struct Life {
    config: Config,
    running: Option<(SendingStore, Rig)>,
    now: DateTime<Utc>,
    told: i64,
}

impl Life {
    async fn begin(config: Config, now: DateTime<Utc>) -> Result<Self, Failure> {
        let mut life = Self {
            config,
            running: None,
            now,
            told: 0,
        };
        life.start_again(now).await?;
        Ok(life)
    }

    /// What a start of the daemon does.
    async fn start_again(&mut self, now: DateTime<Utc>) -> Result<(), Failure> {
        let sending = SendingStore::open(&self.config.store, now).await?;
        let rig = Rig::new(
            &self.config,
            sending.store.clone(),
            CancellationToken::new(),
        )?;
        app::take_over(&self.config, &sending.store, Brake::Keep, now).await?;
        self.running = Some((sending, rig));
        self.now = now;
        Ok(())
    }

    async fn stop(&mut self) {
        if let Some((sending, _)) = self.running.take() {
            sending.store.close().await;
        }
    }

    /// Takes mails up as a pass does, and ends there: nothing of it is recorded.
    async fn crash(&mut self, now: DateTime<Utc>) -> Result<usize, Failure> {
        let Some((sending, rig)) = self.running.take() else {
            return Ok(0);
        };
        rig.tick(now).await?;
        let batch = rig.sender.clerk().take_up(now, 100).await?;
        sending.store.close().await;
        Ok(batch.claimed())
    }

    async fn renew(&mut self, config: Config, now: DateTime<Utc>) -> Result<(), Failure> {
        self.stop().await;
        self.config = config;
        self.start_again(now).await
    }

    /// Passes at every instant at which something is due, up to `end`.
    async fn until(&mut self, end: DateTime<Utc>, stage: &mut Stage<'_>) -> Result<(), Failure> {
        let mut now = self.now;
        while now < end {
            self.pass(now, stage).await?;
            let Some((sending, _)) = &self.running else {
                return Ok(());
            };
            let (token, mail) = sending.store.next_instants().await?;
            let mail = mail.map(|at| self.config.calendar.next_leave(at));
            let Some(next) = [token, mail].into_iter().flatten().min() else {
                break;
            };
            now = next.max(now + Duration::minutes(1));
        }
        self.now = end;
        Ok(())
    }

    /// One pass of the daemon, and a line for each mail that left.
    async fn pass(&mut self, now: DateTime<Utc>, stage: &mut Stage<'_>) -> Result<(), Failure> {
        let Some((sending, rig)) = &self.running else {
            return Ok(());
        };
        rig.tick(now).await?;
        rig.deliver(now).await?;
        let mut mails = sending.store.mails(Which::All, 1_000_000).await?;
        mails.sort_by_key(|m| m.no);
        let calendar = &self.config.calendar;
        for mail in mails
            .iter()
            .filter(|m| m.no > self.told && m.settled_at.is_some())
        {
            let (when, to) = (
                when::minute(mail.settled_at.unwrap_or(now), calendar).replace(' ', "  "),
                &mail.address,
            );
            let mark: String = mail
                .notices
                .iter()
                .map(|(_, stage)| stage.to_string())
                .collect::<Vec<_>>()
                .join(", ");
            let subject = mail.subject.as_deref().unwrap_or_default();
            stage
                .say(&text!(
                    "{when}  {mark:>4}  {to:<22}  {subject}",
                    "{when}  {mark:>4}  {to:<22}  {subject}"
                ))
                .await?;
        }
        self.told = mails
            .iter()
            .filter(|m| m.settled_at.is_some())
            .map(|m| m.no)
            .max()
            .unwrap_or(self.told);
        Ok(())
    }

    /// What was due, what became of it, and what is missing.
    async fn sum_up(mut self, dir: &Path, stage: &mut Stage<'_>) -> Result<usize, Failure> {
        let Some((sending, _)) = &self.running else {
            return Ok(0);
        };
        let store = &sending.store;
        let mut fates: BTreeMap<String, usize> = BTreeMap::new();
        for (_, notice) in store.all_notices().await? {
            *fates.entry(notice.state).or_default() += 1;
        }
        let missing = store
            .uncovered(&self.config.calendar, self.now)
            .await?
            .len();
        let count = |state: &str| fates.get(state).copied().unwrap_or(0);
        let (due, sent, absorbed) = (
            fates.values().sum::<usize>(),
            count("sent"),
            count("absorbed"),
        );
        let lost = count("failed") + count("owed");
        let outbox = dir.join("outbox");
        let open = last_reminder(store, &outbox).await?.unwrap_or(outbox);
        let open = open.display();
        stage
            .say(&text!(
                "\nDue: {due} reminders. Sent: {sent}. Absorbed by a more urgent one: {absorbed}. Failed or open: {lost}.\nReminders missing: {missing}\nOpen a mail:       {open}",
                "\nRappels dus : {due}. Envoyés : {sent}. Absorbés par un plus urgent : {absorbed}. Échoués ou en attente : {lost}.\nRappels manquants : {missing}\nOuvrir un courriel : {open}"
            ))
            .await?;
        if stage.out.json {
            let row = serde_json::json!({
                "due": due, "sent": sent, "absorbed": absorbed, "failed_or_open": lost, "missing": missing,
                "mail": open.to_string(),
            });
            stage.out.data("demo", vec![row])?;
        }
        self.stop().await;
        Ok(missing + lost)
    }
}

/// The file of the last reminder, for a person to open.
async fn last_reminder(store: &Store, outbox: &Path) -> Result<Option<PathBuf>, Failure> {
    let mails = store.mails(Which::All, 1_000_000).await?;
    let last = mails
        .iter()
        .filter(|m| m.kind == "reminder" && m.settled_at.is_some())
        .max_by_key(|m| m.no);
    Ok(last.map(|m| outbox.join(file_name(&m.message_id))))
}
