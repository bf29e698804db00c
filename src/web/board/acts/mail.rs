//! The acts on a mail: it leaves at the next occasion, or not at all.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use crate::delivery::compose;
use crate::domain::language::{Text, text};
use crate::domain::lifecycle::Who;
use crate::store::mailbook::{MailRow, Refusal};
use crate::store::outbox::MailState;
use crate::store::{StoreError, Tx};
use crate::web::Live;
use crate::web::board::acts::flash::Note;
use crate::web::board::acts::view::{Change, Effect, Fact, Page, Problem, Question, back};
use crate::web::board::acts::{Answered, Fields, shut};
use crate::web::board::{Ask, Section};
use crate::words::mail::word;

/// The field that remembers the state in which the mail was.
const SEEN: &str = "seen";

/// What may be done with a mail: a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Retry,
    Cancel,
}

impl Act {
    const ALL: [Self; 2] = [Self::Retry, Self::Cancel];

    fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
        }
    }

    async fn perform(self, tx: &mut Tx, ask: &Ask, no: i64, who: &Who) -> Result<(), Refusal> {
        let who = who.to_string();
        match self {
            Self::Retry => tx.retry(no, &who, ask.now).await,
            Self::Cancel => tx.cancel(no, &who, ask.now).await,
        }
    }

    fn note(self) -> Note {
        match self {
            Self::Retry => Note::Retried,
            Self::Cancel => Note::Cancelled,
        }
    }
}

pub(super) fn routes() -> Router<Live> {
    let mut routes = Router::new();
    for act in Act::ALL {
        let show = move |path, ask| show(act, path, ask);
        let hear = move |path, ask, headers, body| hear(act, path, ask, headers, body);
        let path = format!("/outbox/{{no}}/{}", act.word());
        routes = routes.route(&path, get(show).post(hear));
    }
    routes
}

async fn show(act: Act, Path(no): Path<String>, ask: Ask) -> Answered {
    if !ask.visitor.may_act() {
        return Ok(shut(&ask, Section::Outbox));
    }
    page(&ask, act, &no, StatusCode::OK, None).await
}

async fn hear(
    act: Act,
    Path(written): Path<String>,
    ask: Ask,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let who = match ask.visitor.acts(&ask.site, &headers, &body) {
        Ok(who) => who,
        Err(refusal) => return Ok(refusal),
    };
    let Ok(no) = written.parse() else {
        return Ok(ask.missing(Section::Outbox));
    };
    let fields = Fields::of_body(&body);
    let seen = fields.get(SEEN).and_then(MailState::from_word);
    let mut tx = ask.site.store.begin().await?;
    let done = perform(&mut tx, &ask, act, no, &who, seen).await;
    match done {
        Ok(note) => {
            tx.commit().await?;
            tracing::info!(mail = no, act = act.word(), "said by a page");
            Ok(back(&ask, &format!("../{no}"), note))
        }
        Err(Unmoved::Changed) => {
            tx.rollback().await?;
            let words = text!(
                "This mail changed meanwhile, and nothing was done: it stands as shown here now. Please look again before you confirm.",
                "Ce courriel a changé entre-temps, et rien n’a été fait : il est maintenant tel qu’affiché ici. Merci de revoir avant de confirmer."
            );
            page(&ask, act, &written, StatusCode::CONFLICT, Some(&words)).await
        }
        Err(Unmoved::Refused(Refusal::Store(e))) => Err(e.into()),
        Err(Unmoved::Refused(_)) => {
            tx.rollback().await?;
            page(&ask, act, &written, StatusCode::CONFLICT, None).await
        }
    }
}

/// Why nothing was done.
enum Unmoved {
    /// The mail is not any more as it was shown.
    Changed,
    Refused(Refusal),
}

impl From<Refusal> for Unmoved {
    fn from(e: Refusal) -> Self {
        Self::Refused(e)
    }
}

async fn perform(
    tx: &mut Tx,
    ask: &Ask,
    act: Act,
    no: i64,
    who: &Who,
    seen: Option<MailState>,
) -> Result<Note, Unmoved> {
    let state = tx.mail_state(no).await?;
    // A form that was sent twice did its work once.
    let is_done = match act {
        Act::Cancel => state == MailState::Cancelled,
        Act::Retry => state == MailState::Queued && seen.is_some_and(|s| s != state),
    };
    if is_done {
        return Ok(Note::Already);
    }
    if seen != Some(state) {
        return Err(Unmoved::Changed);
    }
    act.perform(tx, ask, no, who).await?;
    Ok(act.note())
}

async fn page(
    ask: &Ask,
    act: Act,
    written: &str,
    status: StatusCode,
    problem: Option<&Text>,
) -> Answered {
    let found = match written.parse() {
        Ok(no) => ask.site.store.mail(no).await?,
        Err(_) => None,
    };
    let Some((mail, _)) = found else {
        return Ok(ask.missing(Section::Outbox));
    };
    let no = mail.no;
    let say = |text: &Text| ask.say(text).to_owned();
    let trouble = |words| Problem {
        words: say(words),
        hint: None,
        links: Vec::new(),
    };
    let mut page = Page {
        back: format!("outbox/{no}"),
        back_words: say(&text!("Back to the mail", "Retour au courriel")),
        facts: facts(ask, &mail),
        problem: problem.map(trouble),
        ..Page::default()
    };
    let mut status = status;
    match tried(ask, act, no).await? {
        Ok(after) => {
            page.effect = Some(effect(ask, act, &mail, after));
            page.question = Some(Question {
                hidden: vec![
                    ("csrf", ask.visitor.csrf.clone().unwrap_or_default()),
                    (SEEN, mail.state.word().to_owned()),
                ],
                button: say(&match act {
                    Act::Retry => text!("Let it leave", "Le faire partir"),
                    Act::Cancel => text!("Cancel this mail", "Annuler ce courriel"),
                }),
                is_grave: act == Act::Cancel,
            });
        }
        Err(words) => {
            status = StatusCode::CONFLICT;
            page.problem.get_or_insert(trouble(&words));
        }
    }
    let title = match act {
        Act::Retry => text!("Let mail {no} leave", "Faire partir le courriel {no}"),
        Act::Cancel => text!("Cancel mail {no}", "Annuler le courriel {no}"),
    };
    Ok(page.answer(ask, status, Section::Outbox, &title))
}

/// The state that the mail would have, or why it cannot be done.
async fn tried(ask: &Ask, act: Act, no: i64) -> Result<Result<MailState, Text>, StoreError> {
    let who = Who::Web(ask.visitor.name.clone().unwrap_or_default());
    let mut tx = ask.site.store.begin().await?;
    let done = match act.perform(&mut tx, ask, no, &who).await {
        Ok(()) => tx.mail_state(no).await,
        Err(refusal) => Err(refusal),
    };
    tx.rollback().await?;
    Ok(match done {
        Ok(state) => Ok(state),
        Err(Refusal::Store(e)) => return Err(e),
        Err(Refusal::NotFound(_)) => Err(text!("This mail is gone.", "Ce courriel n’existe plus.")),
        Err(Refusal::State(_, state)) => Err(text!(
            "This mail is {{}}: there is nothing to do about it.",
            "Ce courriel est dans l’état « {{}} » : il n’y a rien à y faire."
        )
        .with(&word(state))),
        Err(Refusal::NothingOwed(_)) => Err(text!(
            "Nothing of this mail is owed any more: a later reminder, a renewal or a removal came after it.",
            "Plus rien de ce courriel n’est dû : un rappel ultérieur, un renouvellement ou un retrait l’a suivi."
        )),
        Err(Refusal::Forgotten(_)) => Err(text!(
            "The recipient of this mail was forgotten: nobody knows where to send it.",
            "Le destinataire de ce courriel a été oublié : nul ne sait plus où l’envoyer."
        )),
    })
}

fn facts(ask: &Ask, mail: &MailRow) -> Vec<Fact> {
    let fact = |en: &str, fr: &str, value: String| Fact {
        label: ask.lang.pick(en, fr).to_owned(),
        value,
    };
    let tokens: Vec<&str> = mail.notices.iter().map(|(t, _)| t.as_str()).collect();
    let mut facts = vec![
        fact("To", "À", mail.address.clone()),
        fact("State", "État", ask.say(&word(mail.state)).to_owned()),
    ];
    if !tokens.is_empty() {
        facts.push(fact("Tokens", "Jetons", tokens.join(", ")));
    }
    if let Some(reply) = &mail.reply {
        facts.push(fact(
            "The server’s last reply",
            "Dernière réponse du serveur",
            reply.clone(),
        ));
    }
    facts
}

fn effect(ask: &Ask, act: Act, mail: &MailRow, after: MailState) -> Effect {
    let say = |text: &Text| ask.say(text).to_owned();
    let calendar = ask.calendar();
    let what = match act {
        Act::Retry => {
            let at = calendar.next_leave(ask.now);
            let [en, fr] = [
                crate::domain::language::Lang::En,
                crate::domain::language::Lang::Fr,
            ]
            .map(|lang| compose::moment(lang, calendar, at));
            text!(
                "It leaves at the next occasion, from {en} on.",
                "Il part à la prochaine occasion, à partir du {fr}."
            )
        }
        Act::Cancel if mail.state.is_open() => text!(
            "It does not leave. What it was to remind of is not told by this mail; later reminders leave as planned.",
            "Il ne part pas. Ce qu’il devait rappeler n’est pas dit par ce courriel ; les rappels suivants partent comme prévu."
        ),
        Act::Cancel => text!(
            "It is put aside: nobody need look at it any more.",
            "Il est mis de côté : plus personne n’a à s’en occuper."
        ),
    };
    let changes = (after != mail.state).then(|| Change {
        label: ask.lang.pick("State", "État").to_owned(),
        before: say(&word(mail.state)),
        after: say(&word(after)),
    });
    let mut effect = Effect {
        what: say(&what),
        changes: changes.into_iter().collect(),
        ..Effect::default()
    };
    if act == Act::Retry && mail.state == MailState::InDoubt {
        effect.warnings.push(say(&text!(
            "Nobody knows whether this mail was accepted: it may arrive twice.",
            "Nul ne sait si ce courriel a été accepté : il peut arriver deux fois."
        )));
    }
    effect
}
