//! `status`: is everything owed covered, when was the last pass, what leaves next, what failed.

mod print;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Map, Value, json};

use crate::app::{Of, View};
use crate::cli::heard::Api;
use crate::cli::list::view;
use crate::cli::nagios::{self, Seen, Service};
use crate::cli::reach;
use crate::cli::{At, Context, Exit, Failure, when};
use crate::clock;
use crate::config::Config;
use crate::domain::calendar::Calendar;
use crate::domain::language::{Lang, text};
use crate::domain::lifecycle::State;
use crate::domain::timekeeping::{self, Hold};
use crate::health::{Ill, RELAY_PATIENCE, Vitals};
use crate::store::lock::SenderLock;
use crate::store::mailbook::{MailRow, Which};
use crate::store::outbox::MailState;
use crate::store::telling::Waiting;
use crate::store::unreachable::Unreachable;

use self::print::print;

/// Mails that did not arrive concern a monitor for this long.
const RECENT: Duration = Duration::days(7);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    at: At,
    /// Answer as a plugin of Nagios and Centreon: exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long, conflicts_with = "at")]
    nagios: bool,
    /// With `run --once`: how old the last pass may be, as 26h, 90min or 2d
    #[arg(long, value_name = "AGE", requires = "nagios", value_parser = nagios::max_age)]
    nagios_max_age: Option<Duration>,
}

impl Args {
    /// Whether a monitor asks.
    pub(super) fn is_for_monitor(&self) -> bool {
        self.nagios
    }
}

/// What there is to tell.
struct Picture {
    of: Of,
    vitals: Vitals,
    active: usize,
    all: usize,
    running: bool,
    clock: Option<Hold>,
    notices: Vec<(String, u32)>,
    troubled: Vec<MailRow>,
    unreachable: Vec<Unreachable>,
    waiting: Waiting,
    expired: u32,
    /// Requests of which Data Pass spoke and that no token has the number of.
    unknown: u32,
    ills: Vec<Ill>,
    api: Api,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let now = args.at.now(&config.calendar)?;
    let view = view(&config, context, now).await?;
    let clock = match &args.at.at {
        Some(_) => None,
        None => clock_hold(&config, &view, now).await?,
    };
    let now = clock.map_or(now, |hold| hold.best_known(now));
    let picture = look(&config, &view, clock, now).await?;
    if args.nagios {
        if context.out.json {
            return Err(Failure::usage(text!(
                "--nagios and --json exclude each other",
                "--nagios et --json s’excluent"
            )));
        }
        let seen = seen(&picture, args.nagios_max_age, now);
        let (service, lines) = nagios::answer(&seen, context.out.lang);
        context.out.bytes(lines.as_bytes())?;
        return Ok(Exit::Monitor(service));
    }
    if context.out.json {
        let row = as_json(&picture, &config.calendar, now, context.out.lang);
        context.out.data("status", vec![row])?;
    } else {
        print(&picture, &config.calendar, now, context)?;
        let stale = picture
            .vitals
            .last_pass
            .is_none_or(|at| (clock::now() - at).num_minutes() > 10);
        if args.at.at.is_none() && !picture.running && stale {
            context.out.note(&text!(
                "note: no daemon runs on this store; nothing leaves until `jetond run` is started",
                "remarque : aucun service ne tourne sur cette base ; rien ne part avant le démarrage de `jetond run`"
            ));
        }
    }
    Ok(if picture.vitals.uncovered.is_empty() {
        Exit::Done
    } else {
        Exit::NotDelivered
    })
}

/// Whether the clock is held: by the daemon, or because it is behind the last pass.
async fn clock_hold(
    config: &Config,
    view: &View,
    now: DateTime<Utc>,
) -> Result<Option<Hold>, Failure> {
    let record = view.store.clock_record().await?;
    // What a daemon that is no more held is void.
    let ahead = record.ahead.filter(|_| SenderLock::is_held(&config.store));
    Ok(ahead.or_else(|| timekeeping::behind(record.mark, now)))
}

async fn look(
    config: &Config,
    view: &View,
    clock: Option<Hold>,
    now: DateTime<Utc>,
) -> Result<Picture, Failure> {
    let store = &view.store;
    let mut vitals = Vitals::look(store, &config.calendar, now).await?;
    if view.of == Of::FileOnly {
        // Nothing is owed before the first pass: the file was never taken over.
        vitals.uncovered.clear();
    }
    // A person also asks for what is settled.
    vitals.mails = store.mail_counts().await?;
    let tokens = store.tokens().await?;
    let troubled = store.mails(Which::Unfinished, 10_000).await?;
    let mut ills = Vec::new();
    if !vitals.uncovered.is_empty() {
        ills.push(Ill::Uncovered(vitals.uncovered.len()));
    }
    ills.extend(clock.map(Ill::ClockHeld));
    match vitals.count(|s| s == MailState::Held) {
        0 => {}
        n => ills.push(Ill::StormHeld(n)),
    }
    if let Some((since, why)) = store.relay_trouble().await?
        && now - since >= RELAY_PATIENCE
    {
        ills.push(Ill::Relay { since, why });
    }
    match vitals.out_of_reach.len() {
        0 => {}
        n => ills.push(Ill::OutOfReach(n)),
    }
    if config.mail.bounces.is_some()
        && let Some((since, what)) = store.bounces_trouble().await?
    {
        ills.push(Ill::Bounces { since, what });
    }
    match store.lost_notes(&config.contact.key()).await? {
        0 => {}
        n => ills.push(Ill::Unread(n)),
    }
    ills.extend(Ill::of_channels(store, now).await?);
    Ok(Picture {
        waiting: store.waiting(now - Duration::days(1)).await?,
        expired: store.standing(now, [now; 3]).await?.expired,
        unreachable: reach::unreachable(store, config, now).await?,
        unknown: store.unknown_numbers().await?,
        api: Api::of(store).await?,
        ills,
        of: view.of,
        vitals,
        active: tokens.iter().filter(|t| t.state == State::Active).count(),
        all: tokens.len(),
        running: view.of != Of::FileOnly && SenderLock::is_held(&config.store),
        clock,
        notices: store.notice_counts().await?,
        troubled: troubled
            .into_iter()
            .filter(|m| !matches!(m.state, MailState::Queued | MailState::Claimed))
            .collect(),
    })
}

/// What a monitor judges.
fn seen(p: &Picture, max_age: Option<Duration>, now: DateTime<Utc>) -> Seen {
    let lost = |state| {
        let recent = p
            .troubled
            .iter()
            .filter(|m| m.state == state && m.settled_at.is_some_and(|at| now - at <= RECENT));
        u32::try_from(recent.count()).unwrap_or(u32::MAX)
    };
    let told = |ill: &Ill| {
        let service = match ill {
            // Nothing is planned, no reminder leaves, or none arrives, until somebody acts.
            Ill::ClockHeld(_) | Ill::Disk { .. } | Ill::OutOfReach(_) => Service::Critical,
            Ill::Passes { .. }
            | Ill::Deliveries { .. }
            | Ill::Relay { .. }
            | Ill::Uncovered(_)
            | Ill::StormHeld(_)
            | Ill::Unread(_)
            | Ill::Bounces { .. }
            | Ill::Channel { .. } => Service::Warning,
        };
        (service, ill.headline(now), ill.advice())
    };
    Seen {
        uncovered: p.vitals.uncovered.len(),
        running: p.running,
        pass_age: p.vitals.last_pass.map(|at| now - at),
        max_age,
        // What is uncovered is judged by itself.
        ills: p
            .ills
            .iter()
            .filter(|i| !matches!(i, Ill::Uncovered(_)))
            .map(told)
            .collect(),
        waiting: p.waiting.open,
        oldest: p.waiting.oldest.map(|at| now - at),
        put_off: p.waiting.put_off,
        held: p.vitals.count(|s| s == MailState::Held),
        refused: lost(MailState::Refused),
        parked: lost(MailState::Parked),
        failed: lost(MailState::Failed),
        unreachable: u32::try_from(p.unreachable.len()).unwrap_or(u32::MAX),
        tokens: u32::try_from(p.active).unwrap_or(u32::MAX),
        expired: p.expired,
    }
}

fn as_json(p: &Picture, calendar: &Calendar, now: DateTime<Utc>, lang: Lang) -> Value {
    let at = |i: DateTime<Utc>| when::rfc3339(i, calendar);
    let uncovered = p.vitals.uncovered.iter().map(|u| {
        json!({
            "token": u.token, "stage": u.stage, "recipient": u.recipient,
            "since": at(u.since), "why": u.why.word(),
        })
    });
    let troubled = p.troubled.iter().map(|m| {
        json!({
            "mail": m.no, "state": m.state.word(), "recipient": m.address,
            "next_at": m.next_at.map(at), "reply": m.reply,
        })
    });
    let ills = p.ills.iter().map(|ill| {
        json!({
            "ill": ill.word(),
            "what": ill.told(now).in_lang(lang),
            "do": ill.advice().in_lang(lang),
        })
    });
    json!({
        "ills": ills.collect::<Vec<_>>(),
        "oldest_open_mail": p.waiting.oldest.map(at),
        "expired_tokens": p.expired,
        "unknown_requests": p.unknown,
        "api": p.api.as_json(calendar),
        "uncovered": p.vitals.uncovered.len(),
        "uncovered_notices": uncovered.collect::<Vec<_>>(),
        "tokens_out_of_reach": p.vitals.out_of_reach,
        "unreachable": p.unreachable.iter().map(|u| reach::row(u, calendar)).collect::<Vec<_>>(),
        "running": p.running,
        "clock": p.clock.map(Hold::word),
        "store": p.of != Of::FileOnly,
        "last_pass": p.vitals.last_pass.map(at),
        "next_due": p.vitals.next_due.map(at),
        "next_mail": p.vitals.next_mail.map(at),
        "tokens": {"active": p.active, "all": p.all},
        "mails": p.vitals.mails.iter().map(|(s, n)| (s.word().to_owned(), json!(n))).collect::<Map<_, _>>(),
        "notices": p.notices.iter().map(|(s, n)| (s.clone(), json!(n))).collect::<Map<_, _>>(),
        "troubled_mails": troubled.collect::<Vec<_>>(),
    })
}
