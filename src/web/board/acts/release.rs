//! The answer to a hold: mails that the storm brake holds may leave, a clock that is in doubt is
//! believed.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::Who;
use crate::domain::timekeeping;
use crate::renewal::clock::believe_in;
use crate::store::error::Result;
use crate::store::watch::Released;
use crate::web::Live;
use crate::web::board::acts::flash::Note;
use crate::web::board::acts::view::{Effect, Fact, Form, Page, Problem, Question, back};
use crate::web::board::acts::{Answered, Fields, shut};
use crate::web::board::{Ask, Section};
use crate::words::count;

/// The field that remembers what was held.
const SEEN: &str = "seen";

/// What a release answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Held mails, and a clock that jumped ahead.
    All,
    /// The clock, ahead or behind.
    Clock,
}

impl Answer {
    fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Clock => "clock",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::All, Self::Clock]
            .into_iter()
            .find(|a| a.word() == word)
    }
}

pub(super) fn routes() -> Router<Live> {
    Router::new().route("/outbox/release", get(show).post(hear))
}

async fn show(ask: Ask) -> Answered {
    if !ask.visitor.may_act() {
        return Ok(shut(&ask, Section::Outbox));
    }
    page(&ask, ask.query.get("do"), StatusCode::OK, None).await
}

async fn hear(ask: Ask, headers: HeaderMap, body: Bytes) -> Answered {
    let who = match ask.visitor.acts(&ask.site, &headers, &body) {
        Ok(who) => who,
        Err(refusal) => return Ok(refusal),
    };
    let fields = Fields::of_body(&body);
    let Some(answer) = fields.get("do").and_then(Answer::from_word) else {
        let words = text!(
            "This form is not ours.",
            "Ce formulaire n’est pas le nôtre."
        );
        return page(&ask, None, StatusCode::UNPROCESSABLE_ENTITY, Some(&words)).await;
    };
    if answer == Answer::Clock && timekeeping::behind(None, ask.now).is_some() {
        return page(&ask, Some(answer.word()), StatusCode::CONFLICT, None).await;
    }
    let mut tx = ask.site.store.begin().await?;
    let released = perform(&mut tx, &ask, answer, &who).await?;
    let note = match (released.is_nothing(), answer) {
        (true, _) => Note::Already,
        (false, _) if fields.get(SEEN) != Some(&mark(&released)) => {
            tx.rollback().await?;
            let words = text!(
                "What is held changed meanwhile, and nothing was released. Please look again before you confirm.",
                "Ce qui est retenu a changé entre-temps, et rien n’a été relâché. Merci de revoir avant de confirmer."
            );
            let word = Some(answer.word());
            return page(&ask, word, StatusCode::CONFLICT, Some(&words)).await;
        }
        (false, Answer::All) => Note::Released,
        (false, Answer::Clock) => Note::Believed,
    };
    tx.commit().await?;
    tracing::info!(act = "release", answer = answer.word(), "said by a page");
    Ok(back(&ask, "../outbox", note))
}

async fn perform(
    tx: &mut crate::store::Tx,
    ask: &Ask,
    answer: Answer,
    who: &Who,
) -> Result<Released> {
    let who = who.to_string();
    match answer {
        Answer::All => tx.release(&who, ask.now).await,
        Answer::Clock => believe_in(tx, ask.calendar(), &who, ask.now).await,
    }
}

/// What a release would do, taken back.
async fn tried(ask: &Ask, answer: Answer) -> Result<Released> {
    let who = Who::Web(ask.visitor.name.clone().unwrap_or_default());
    let mut tx = ask.site.store.begin().await?;
    let released = perform(&mut tx, ask, answer, &who).await;
    tx.rollback().await?;
    released
}

/// What a form remembers of what was held.
fn mark(released: &Released) -> String {
    let clock = released.clock.map_or("-", timekeeping::Hold::word);
    format!("{} {clock}", released.mails)
}

async fn page(
    ask: &Ask,
    chosen: Option<&str>,
    status: StatusCode,
    problem: Option<&Text>,
) -> Answered {
    let say = |text: &Text| ask.say(text).to_owned();
    let trouble = |words| Problem {
        words: say(words),
        hint: None,
        links: Vec::new(),
    };
    let all = tried(ask, Answer::All).await?;
    let clock = tried(ask, Answer::Clock).await?;
    let answer = match chosen.and_then(Answer::from_word) {
        Some(answer) => answer,
        None if all.is_nothing() && !clock.is_nothing() => Answer::Clock,
        None => Answer::All,
    };
    let (released, nothing) = match answer {
        Answer::All => (
            &all,
            text!("No mail is held.", "Aucun courriel n’est retenu."),
        ),
        Answer::Clock => (
            &clock,
            text!(
                "The clock is not in doubt.",
                "L’horloge n’est pas mise en doute."
            ),
        ),
    };
    let mut page = Page {
        back: "outbox".to_owned(),
        back_words: say(&text!("Back to the outbox", "Retour aux courriels")),
        facts: facts(ask, &all, &clock),
        problem: problem.map(trouble),
        ..Page::default()
    };
    let mut status = status;
    if answer == Answer::Clock && timekeeping::behind(None, ask.now).is_some() {
        status = StatusCode::CONFLICT;
        page.problem = Some(trouble(&text!(
            "The clock of this machine was never set: set it (`timedatectl`), then nothing need be released.",
            "L’horloge de cette machine n’a jamais été mise à l’heure : la régler (`timedatectl`) ; il n’y aura plus rien à relâcher."
        )));
    } else if released.is_nothing() {
        page.effect = Some(Effect {
            what: say(&nothing),
            ..Effect::default()
        });
    } else {
        page.effect = Some(effect(ask, released));
        page.question = Some(Question {
            hidden: vec![
                ("csrf", ask.visitor.csrf.clone().unwrap_or_default()),
                ("do", answer.word().to_owned()),
                (SEEN, mark(released)),
            ],
            button: say(&match answer {
                Answer::All => text!("Release", "Relâcher"),
                Answer::Clock => text!("Believe the clock", "Accepter l’horloge"),
            }),
            is_grave: false,
        });
    }
    // The other answer, where there is something for it to release.
    let other = match answer {
        Answer::All if !clock.is_nothing() => Some(Form {
            choice: Answer::Clock.word(),
            heading: say(&text!("The clock alone", "L’horloge seule")),
            words: say(&text!(
                "Held mails stay held.",
                "Les courriels retenus le restent."
            )),
            fields: Vec::new(),
            button: say(&text!("Show what this changes", "Voir ce que cela change")),
        }),
        Answer::Clock if all.mails > 0 => Some(Form {
            choice: Answer::All.word(),
            heading: say(&text!("The held mails", "Les courriels retenus")),
            words: String::new(),
            fields: Vec::new(),
            button: say(&text!("Show what this changes", "Voir ce que cela change")),
        }),
        Answer::All | Answer::Clock => None,
    };
    page.forms.extend(other);
    let title = text!("Release what is held", "Relâcher ce qui est retenu");
    Ok(page.answer(ask, status, Section::Outbox, &title))
}

fn facts(ask: &Ask, all: &Released, clock: &Released) -> Vec<Fact> {
    let fact = |en: &str, fr: &str, value: String| Fact {
        label: ask.lang.pick(en, fr).to_owned(),
        value,
    };
    let held = match clock.clock {
        None => text!("believed", "acceptée"),
        Some(timekeeping::Hold::Ahead { .. }) => text!("jumped ahead", "a bondi en avant"),
        Some(timekeeping::Hold::Behind { .. }) => {
            text!("behind the last pass", "en retard sur le dernier passage")
        }
    };
    vec![
        fact("Held mails", "Courriels retenus", all.mails.to_string()),
        fact("Clock", "Horloge", ask.say(&held).to_owned()),
    ]
}

fn effect(ask: &Ask, released: &Released) -> Effect {
    let say = |text: &Text| ask.say(text).to_owned();
    let mails = (released.mails > 0).then(|| {
        text!(
            "{{}} may leave at the next occasion.",
            "{{}} : départ possible à la prochaine occasion."
        )
        .with(&count::mails(released.mails))
    });
    let clock = released.clock.map(|_| {
        text!(
            "The clock is believed as it is now.",
            "L’horloge est acceptée telle qu’elle est."
        )
    });
    let mut said = mails.iter().chain(&clock).map(say);
    let taken_back = (released.taken_back > 0).then(|| {
        let n = released.taken_back;
        text!(
            "Reminders recorded before their day, which will come again: {n}.",
            "Rappels consignés avant leur jour, et qui reviendront : {n}."
        )
    });
    Effect {
        what: said.next().unwrap_or_default(),
        remarks: said.chain(taken_back.iter().map(say)).collect(),
        ..Effect::default()
    }
}
