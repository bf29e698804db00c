//! The page of health: what ails the watch and what to do about it, what it knows of itself, and
//! all of it once more as a block to paste into a support request.
//!
//! The block holds no secret: of the configuration it has what `config show` says, and every
//! address in it is masked.

mod block;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::domain::address::mask_addresses;
use crate::domain::language::{Text, counted, text};
use crate::domain::timekeeping;
use crate::health::{Checkup, clock_held};
use crate::store::board::about::About;
use crate::store::coverage::{Uncovered, Why};
use crate::store::error::Result as StoreResult;
use crate::store::heard::Heard;
use crate::store::outbox::MailState;
use crate::store::probe::Service;
use crate::store::unreachable::Unreachable;
use crate::store::watch::ClockRecord;
use crate::web::board::lines::segment;
use crate::web::board::phrases::ago;
use crate::web::board::{Ask, Section};
use crate::web::{Live, Unready};
use crate::words::heard;
use crate::words::when::minute;

/// Uncovered notices that are named.
const NAMED: usize = 50;

pub(super) fn routes() -> Router<Live> {
    Router::new().route("/health", get(health))
}

/// What is known of the watch.
struct Known {
    about: About,
    clock: ClockRecord,
    next_due: Option<DateTime<Utc>>,
    next_mail: Option<DateTime<Utc>>,
    accepted: Option<DateTime<Utc>>,
    open: Vec<(MailState, u32)>,
    relay: Option<(DateTime<Utc>, String)>,
    unreachable: Vec<Unreachable>,
    service: Service,
    heard: Vec<Heard>,
    /// Bytes that are left on the disk of the store.
    room: Option<u64>,
}

impl Known {
    async fn of(ask: &Ask) -> StoreResult<Self> {
        let reader = &ask.site.reader;
        let (next_due, next_mail) = reader.next_instants().await?;
        Ok(Self {
            about: reader.about().await?,
            clock: reader.clock_record().await?,
            next_due,
            next_mail: next_mail.map(|at| ask.calendar().next_leave(at)),
            accepted: reader.last_acceptance().await?,
            open: reader.open_mail_counts().await?,
            relay: reader.relay_trouble().await?,
            unreachable: reader.unreachable(ask.now).await?,
            service: reader.service().await?,
            heard: reader.heard().await?,
            room: reader.path().and_then(room),
        })
    }
}

impl Known {
    /// Whether API Entreprise was ever asked about anything.
    fn has_asked(&self) -> bool {
        !self.heard.is_empty() || self.service != Service::default()
    }
}

fn room(path: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[derive(Serialize)]
struct View {
    unmeasured: bool,
    ills: Vec<IllView>,
    uncovered: Vec<Row>,
    uncovered_in_all: usize,
    facts: Vec<Fact>,
    block: String,
}

#[derive(Serialize)]
struct IllView {
    said: String,
    advice: String,
}

#[derive(Serialize)]
struct Row {
    path: String,
    token: String,
    stage: i32,
    recipient: String,
    since: String,
    why: String,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    said: String,
    /// Where there is more of it, from the root.
    path: Option<&'static str>,
}

async fn health(ask: Ask) -> Result<Response, Unready> {
    let known = Known::of(&ask).await?;
    let checkup = ask.site.bulletin.last();
    let checkup = checkup.as_deref();
    let vitals = checkup.and_then(|c| c.vitals.as_ref());
    let uncovered = vitals.map_or(&[][..], |v| &v.uncovered);
    let view = View {
        unmeasured: checkup.is_none(),
        ills: checkup
            .into_iter()
            .flat_map(|c| &c.ills)
            .map(|ill| IllView {
                said: mask_addresses(ask.say(&ill.told(ask.now))),
                advice: ask.say(&ill.advice()).to_owned(),
            })
            .collect(),
        uncovered: uncovered.iter().take(NAMED).map(|u| row(u, &ask)).collect(),
        uncovered_in_all: uncovered.len(),
        facts: facts(&known, checkup, &ask),
        block: block::block(&known, checkup, &ask),
    };
    let title = text!("Health", "Santé");
    Ok(ask.page(Section::Health, &title, "health.html", &view))
}

fn row(u: &Uncovered, ask: &Ask) -> Row {
    let why = match u.why {
        Why::Unseen => text!("no pass has seen it", "vu par aucun passage"),
        Why::Stranded => text!("no mail will take it up", "aucun courriel ne le prendra"),
        Why::Late => text!(
            "its mail waits too long",
            "son courriel attend trop longtemps"
        ),
    };
    Row {
        path: segment(&u.token),
        token: u.token.clone(),
        stage: u.stage,
        recipient: u.recipient.clone(),
        since: minute(u.since, ask.calendar()),
        why: ask.say(&why).to_owned(),
    }
}

fn facts(known: &Known, checkup: Option<&Checkup>, ask: &Ask) -> Vec<Fact> {
    let at = |at: Option<DateTime<Utc>>, none: Text| match at {
        None => none,
        Some(at) => {
            let on = minute(at, ask.calendar());
            if at <= ask.now {
                text!("{on}, {{}}", "{on}, {{}}").with(&ago(ask.now - at))
            } else {
                text!("{on}", "{on}")
            }
        }
    };
    let never = || text!("never", "jamais");
    let none = || text!("none", "aucun");
    let mut facts = Vec::new();
    let mut add = |name: Text, said: Text, path| {
        facts.push(Fact {
            name: ask.say(&name).to_owned(),
            said: mask_addresses(ask.say(&said)),
            path,
        });
    };
    let vitals = checkup.and_then(|c| c.vitals.as_ref());
    let covered = match vitals.map(|v| v.uncovered.len()) {
        None => text!("not known", "inconnue"),
        Some(0) => text!(
            "everything owed is covered",
            "tout ce qui est dû est couvert"
        ),
        Some(n) => text!("{{}} not on the way", "{{}} pas en route").with(&counted(
            n,
            ["owed reminder", "owed reminders"],
            ["rappel dû", "rappels dus"],
        )),
    };
    add(text!("Coverage", "Couverture"), covered, None);
    add(
        text!("Measured", "Mesurée"),
        at(checkup.map(|c| c.at), never()),
        None,
    );
    add(
        text!("Last pass", "Dernier passage"),
        at(known.clock.last_pass, never()),
        None,
    );
    add(
        text!("Last mail accepted", "Dernier courriel accepté"),
        at(known.accepted, never()),
        None,
    );
    add(
        text!("Next stage due", "Prochaine étape"),
        at(known.next_due, none()),
        known.next_due.map(|_| "timeline"),
    );
    add(
        text!("Next mail", "Prochain courriel"),
        at(known.next_mail, none()),
        known.next_mail.map(|_| "outbox"),
    );
    add(
        text!("Waiting mails", "Courriels en attente"),
        waiting(&known.open),
        (!known.open.is_empty()).then_some("outbox"),
    );
    let hold = known
        .clock
        .ahead
        .or_else(|| timekeeping::behind(known.clock.mark, ask.now));
    let clock = hold.map_or_else(|| text!("as expected", "sans écart"), clock_held);
    add(text!("Clock", "Horloge"), clock, None);
    let relay = match &known.relay {
        None => text!("no trouble", "sans trouble"),
        Some((since, why)) => {
            let since = minute(*since, ask.calendar());
            text!(
                "failing since {since}: {why}",
                "en échec depuis le {since} : {why}"
            )
        }
    };
    add(text!("Mail server", "Serveur de messagerie"), relay, None);
    let people = match known.unreachable.len() {
        0 => text!("everybody", "tout le monde"),
        n => text!("all but {{}}", "tous sauf {{}}").with(&counted(
            n,
            ["person", "people"],
            ["personne", "personnes"],
        )),
    };
    add(
        text!("Can be reached", "Joignables"),
        people,
        (!known.unreachable.is_empty()).then_some("recipients"),
    );
    if known.has_asked() {
        let said = heard::service(&known.service, ask.calendar(), ask.now);
        add(text!("API Entreprise", "API Entreprise"), said, None);
        let dead = known.heard.iter().filter(|h| h.probed.death().is_some());
        let dead = dead.count();
        if dead > 0 {
            let said = counted(dead, ["token", "tokens"], ["jeton", "jetons"]);
            let path = Some("tokens?verdict=refused");
            add(text!("Refused tokens", "Jetons refusés"), said, path);
        }
        let hindered = known.heard.iter().filter(|h| h.probed.hindrance.is_some());
        let hindered = hindered.count();
        if hindered > 0 {
            let said = counted(hindered, ["token", "tokens"], ["jeton", "jetons"]);
            let path = Some("tokens?verdict=hindered");
            add(
                text!("Not checked with the API", "Non vérifiés auprès de l’API"),
                said,
                path,
            );
        }
        let unheard = known
            .heard
            .iter()
            .filter(|h| h.probed.hindrance.is_none() && h.probed.unheard_since(ask.now).is_some());
        let unheard = unheard.count();
        if unheard > 0 {
            let said = counted(unheard, ["token", "tokens"], ["jeton", "jetons"]);
            let name = text!(
                "Nothing learnt for 7 days",
                "Rien appris depuis 7\u{a0}jours"
            );
            add(name, said, None);
        }
        let volumes = known.heard.iter().filter_map(|h| h.probed.known.volume);
        let least = volumes
            .filter(|v| ask.now < v.resets)
            .min_by(|a, b| a.by_what_is_left(*b));
        if let Some(least) = least {
            let said = heard::volume(least, ask.calendar(), ask.now);
            add(text!("Lowest volume", "Volume le plus bas"), said, None);
        }
    }
    if let Some(room) = known.room {
        let [room, store] = [room, known.about.bytes].map(block::size);
        let said = text!(
            "{{}} left, the store takes {{}}",
            "{{}} libres, la base en prend {{}}"
        );
        let said = said.with(&room).with(&store);
        add(text!("Disk of the store", "Disque de la base"), said, None);
    }
    facts
}

fn waiting(open: &[(MailState, u32)]) -> Text {
    let all: u32 = open.iter().map(|(_, n)| n).sum();
    match all {
        0 => text!("none", "aucun"),
        _ => counted(all, ["mail", "mails"], ["courriel", "courriels"]),
    }
}
