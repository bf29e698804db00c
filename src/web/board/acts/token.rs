//! The acts on a token: filed, renewed, put off, revoked, and what takes each back.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;

use crate::domain::language::{Text, text};
use crate::domain::lifecycle::{Silence, State, Who};
use crate::renewal::verbs::refusal;
use crate::renewal::verbs::seen::{self, Outcome};
use crate::renewal::verbs::{Hand, Refused, Standing, Verb};
use crate::store::record::Token;
use crate::web::Live;
use crate::web::board::acts::choice::{Act, Choice};
use crate::web::board::acts::flash::Note;
use crate::web::board::acts::form::{FIELDS, Slip, given_back, read};
use crate::web::board::acts::view::{Page, Problem, Question, back};
use crate::web::board::acts::{Answered, Fields, effect, hint, shut, slug};
use crate::web::board::{Ask, Section};

/// The field that remembers how the token stood.
const SEEN: &str = "seen";

pub(super) fn routes() -> Router<Live> {
    let mut routes = Router::new();
    for act in Act::ALL {
        let show = move |path, ask| show(act, path, ask);
        let hear = move |path, ask, headers, body| hear(act, path, ask, headers, body);
        let path = format!("/tokens/{{id}}/{}", act.word());
        routes = routes.route(&path, get(show).post(hear));
    }
    routes
}

/// A page before it is shown.
struct Asked {
    act: Act,
    token: Token,
    standing: Standing,
    choice: Option<Choice>,
    fields: Fields,
}

async fn show(act: Act, Path(id): Path<String>, ask: Ask) -> Answered {
    if !ask.visitor.may_act() {
        return Ok(shut(&ask, Section::Tokens));
    }
    let Some((token, standing)) = found(&ask, &id).await? else {
        return Ok(ask.missing(Section::Tokens));
    };
    let asked = Asked {
        act,
        choice: match ask.query.get("do") {
            Some(word) => act.choice(word),
            None => act.of_itself(&standing),
        },
        fields: Fields::of_query(&ask, &FIELDS),
        token,
        standing,
    };
    page(&ask, asked, StatusCode::OK, None).await
}

async fn hear(
    act: Act,
    Path(id): Path<String>,
    ask: Ask,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let who = match ask.visitor.acts(&ask.site, &headers, &body) {
        Ok(who) => who,
        Err(refusal) => return Ok(refusal),
    };
    let Some((token, standing)) = found(&ask, &id).await? else {
        return Ok(ask.missing(Section::Tokens));
    };
    let fields = Fields::of_body(&body);
    let asked = Asked {
        act,
        choice: fields.get("do").and_then(|word| act.choice(word)),
        fields,
        token,
        standing,
    };
    let Some(choice) = asked.choice else {
        let words = text!(
            "This form is not ours.",
            "Ce formulaire n’est pas le nôtre."
        );
        return page(&ask, asked, StatusCode::UNPROCESSABLE_ENTITY, Some(&words)).await;
    };
    let Ok(verb) = read(
        choice,
        &asked.fields,
        ask.calendar(),
        ask.site.validity_months,
    ) else {
        return page(&ask, asked, StatusCode::UNPROCESSABLE_ENTITY, None).await;
    };
    let mark = asked.fields.get(SEEN).unwrap_or_default();
    let outcome = seen::act(&ask.site.store, &hand(&ask, who), &id, &verb, mark).await?;
    match outcome {
        Outcome::Done(done) => {
            tracing::info!(token = %id, act = verb.word(), changed = done.changed(), "said by a page");
            let note = if done.changed() {
                choice.note(|| done.after.state == State::Active)
            } else {
                Note::Already
            };
            Ok(back(&ask, &format!("../{}", slug(&id)), note))
        }
        Outcome::Refused(_) => page(&ask, asked, StatusCode::CONFLICT, None).await,
        Outcome::Changed => {
            let Some((token, standing)) = found(&ask, &id).await? else {
                return Ok(ask.missing(Section::Tokens));
            };
            let words = text!(
                "This token changed meanwhile, and nothing was recorded: it stands as shown here now. Please look again before you confirm.",
                "Ce jeton a changé entre-temps, et rien n’a été enregistré : il est maintenant tel qu’affiché ici. Merci de revoir avant de confirmer."
            );
            let asked = Asked {
                token,
                standing,
                ..asked
            };
            page(&ask, asked, StatusCode::CONFLICT, Some(&words)).await
        }
    }
}

/// The token, and how it stands.
async fn found(ask: &Ask, id: &str) -> Result<Option<(Token, Standing)>, crate::store::StoreError> {
    let Some(token) = ask.site.store.token(id).await? else {
        return Ok(None);
    };
    let mut tx = ask.site.store.begin().await?;
    let standing = seen::standing(&mut tx, id).await?;
    tx.rollback().await?;
    Ok(standing.map(|standing| (token, standing)))
}

fn hand(ask: &Ask, who: Who) -> Hand<'_> {
    Hand {
        calendar: ask.calendar(),
        who,
        now: ask.now,
    }
}

/// The page that asks: of what was chosen, what it would change, or why it cannot be done.
async fn page(ask: &Ask, asked: Asked, status: StatusCode, problem: Option<&Text>) -> Answered {
    let say = |text: &Text| ask.say(text).to_owned();
    let Asked {
        act,
        token,
        standing,
        choice,
        fields,
    } = asked;
    let id = token.id.as_str();
    let mut page = Page {
        back: format!("tokens/{}", slug(id)),
        back_words: say(&text!("Back to the token", "Retour au jeton")),
        facts: effect::standing(ask, &standing),
        problem: problem.map(|words| Problem {
            words: say(words),
            hint: None,
            links: Vec::new(),
        }),
        ..Page::default()
    };
    let mut status = status;
    let mut slip = None;
    if let Some(choice) = choice {
        match read(choice, &fields, ask.calendar(), ask.site.validity_months) {
            Err(wrong) => {
                status = StatusCode::UNPROCESSABLE_ENTITY;
                page.problem.get_or_insert(Problem {
                    words: say(&wrong.why),
                    hint: None,
                    links: Vec::new(),
                });
                slip = Some(wrong);
            }
            Ok(verb) => {
                if let Some(refused) = tried(ask, &mut page, id, choice, &verb, &fields).await? {
                    status = StatusCode::CONFLICT;
                    let (_, words) = refusal::said(id, &refused, ask.calendar());
                    let (hint, links) = hint::of(ask, id, &refused);
                    page.problem.get_or_insert(Problem {
                        words: say(&words),
                        hint,
                        links,
                    });
                }
            }
        }
    }
    let typed = |of: Choice, name: &str| match choice {
        Some(choice) if choice == of => fields.get(name).map(given_back),
        _ => recorded(ask, &standing, of, name),
    };
    let today = ask.calendar().date(ask.now);
    page.forms = act
        .choices(&standing)
        .into_iter()
        .map(|of| {
            let slip: Option<&Slip> = slip.as_ref().filter(|_| choice == Some(of));
            of.form(ask.lang, &|name| typed(of, name), slip, today)
        })
        .collect();
    let title = act.title().with(&Text {
        en: token.facts.name.clone(),
        fr: token.facts.name,
    });
    Ok(page.answer(ask, status, Section::Tokens, &title))
}

/// Tries a verb out, and puts what it would change on the page, with the question. Answers why
/// it would be refused.
async fn tried(
    ask: &Ask,
    page: &mut Page,
    id: &str,
    choice: Choice,
    verb: &Verb,
    fields: &Fields,
) -> Result<Option<Refused>, crate::store::StoreError> {
    let hand = hand(ask, Who::Web(ask.visitor.name.clone().unwrap_or_default()));
    let done = match seen::try_out(&ask.site.store, &hand, id, verb).await? {
        Ok(done) => done,
        Err(refused) => return Ok(Some(refused)),
    };
    page.effect = Some(effect::of(ask, &done, verb));
    if done.changed() {
        let mut hidden = vec![
            ("csrf", ask.visitor.csrf.clone().unwrap_or_default()),
            ("do", choice.word().to_owned()),
            (SEEN, done.before.mark()),
        ];
        for name in choice.fields() {
            if let Some(value) = fields.get(name) {
                hidden.push((name, value.to_owned()));
            }
        }
        page.question = Some(Question {
            hidden,
            button: ask.say(&choice.button()).to_owned(),
            is_grave: choice == Choice::Revoke,
        });
    }
    Ok(None)
}

/// What is on record of a field, to begin with.
fn recorded(ask: &Ask, standing: &Standing, of: Choice, name: &str) -> Option<String> {
    let said = |kind| standing.said.iter().find(|s| s.kind == kind);
    let day = |at| ask.calendar().date(at).to_string();
    match (of, name) {
        (Choice::File, "on") => said(Silence::Filed)?.filed_at.map(day),
        (Choice::File, "by") => said(Silence::Filed)?.filed_by.clone(),
        (Choice::File, "reference") => said(Silence::Filed)?.reference.clone(),
        (Choice::Renew, "expires") => said(Silence::Declared)?.expires.map(day),
        (Choice::Snooze, "until") => said(Silence::Snoozed)?.until.map(day),
        _ => None,
    }
}
