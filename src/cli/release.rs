//! `outbox release`: a person's answer to a hold, of late mails or of the clock.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::cli::outbox::{said_if_dry, who, writable};
use crate::cli::{Context, Exit, Failure};
use crate::config::Config;
use crate::domain::language::{Text, text};
use crate::domain::timekeeping::{self, Hold};
use crate::health::clock_held;
use crate::renewal;
use crate::store::lock::SenderLock;
use crate::store::watch::Released;
use crate::words::count;

/// What a release answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Held mails, and a clock that jumped ahead.
    All,
    /// The clock, ahead or behind.
    Clock,
}

pub(super) async fn run(
    config: &Config,
    answer: Answer,
    dry_run: bool,
    context: &mut Context,
    now: DateTime<Utc>,
) -> Result<Exit, Failure> {
    let store = writable(config, dry_run, context).await?;
    let Released {
        mails,
        clock,
        taken_back,
    } = match answer {
        Answer::All => store.release(&who(), now).await?,
        Answer::Clock => {
            refuse_an_unset_clock(now)?;
            renewal::clock::believe(&store, &config.calendar, &who(), now).await?
        }
    };
    // What a daemon that is no more held is void.
    let clock = clock.filter(|hold| match hold {
        Hold::Ahead { .. } => SenderLock::is_held(&config.store),
        Hold::Behind { .. } => true,
    });
    if context.out.json {
        let clock = clock.map(Hold::word);
        let row = json!({"released": mails, "clock": clock, "taken_back": taken_back, "dry_run": dry_run});
        context.out.data("outbox", vec![row])?;
    } else {
        for line in freed(answer, mails, clock, dry_run) {
            context.out.say(&line)?;
        }
        if taken_back > 0 {
            context.out.say(&text!(
                "reminders recorded before their day, which will come again: {taken_back}",
                "rappels consignés avant leur jour, et qui reviendront : {taken_back}"
            ))?;
        }
    }
    let behind = timekeeping::behind(store.clock_record().await?.mark, now);
    if let (Answer::All, Some(hold)) = (answer, behind) {
        context.out.note(&clock_held(hold));
    }
    said_if_dry(dry_run, context);
    Ok(Exit::Done)
}

/// A clock that was never set is right in nobody's eyes; believed, it would undo the record.
fn refuse_an_unset_clock(now: DateTime<Utc>) -> Result<(), Failure> {
    match timekeeping::behind(None, now) {
        None => Ok(()),
        Some(_) => Err(Failure::new(
            Exit::Refused,
            "clock_unset",
            text!(
                "the clock of this machine says {now}: it was never set",
                "l’horloge de cette machine indique {now} : elle n’a jamais été mise à l’heure"
            ),
        )
        .hint(text!(
            "set the clock (`timedatectl`); then nothing need be released",
            "mettre l’horloge à l’heure (`timedatectl`) ; il n’y aura plus rien à relâcher"
        ))),
    }
}

/// What a release has freed, in words.
fn freed(answer: Answer, mails: u32, clock: Option<Hold>, dry_run: bool) -> Vec<Text> {
    let Text { en, fr } = count::mails(mails);
    let of_mails = match (mails, answer, dry_run) {
        (_, Answer::Clock, _) => None,
        (0, Answer::All, _) if clock.is_some() => None,
        (0, Answer::All, _) => Some(text!("no mail is held", "aucun courriel n’est retenu")),
        (_, Answer::All, false) => Some(text!("{en} released", "{fr} : plus de retenue")),
        (_, Answer::All, true) => Some(text!("{en} would be released", "{fr} : à relâcher")),
    };
    let of_clock = match (clock, answer, dry_run) {
        (Some(_), _, false) => Some(text!(
            "the clock is believed as it is now",
            "l’horloge est acceptée telle qu’elle est"
        )),
        (Some(_), _, true) => Some(text!(
            "the clock would be believed as it is now",
            "l’horloge serait acceptée telle qu’elle est"
        )),
        (None, Answer::Clock, _) => Some(text!(
            "the clock is not held",
            "l’horloge n’est pas mise en doute"
        )),
        (None, Answer::All, _) => None,
    };
    of_mails.into_iter().chain(of_clock).collect()
}
