//! `send-test ADDRESS`: one mail, now, by the configured way, and the dialogue with the relay;
//! `send-test '#NAME'`: one post to a channel.
//!
//! Nothing is recorded in the store, and the password never shows.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::config::{Config, Transport};
use crate::delivery::compose::letter::{Letter, Note};
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault};
use crate::delivery::smtp::Dialogue;
use crate::delivery::transport::Way;
use crate::domain::address::{Address, Mailbox};
use crate::domain::language::text;
use crate::posts;
use crate::posts::channel::{Channel, DEADLINE, Reply};
use crate::posts::message::{Post, Says};
use crate::{app, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to send it: an address, or a channel of the config as '#NAME'
    address: String,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    if let Some(name) = args.address.strip_prefix('#') {
        return post(name, &config, context).await;
    }
    let address = Address::parse(&args.address).map_err(|e| Failure::usage(e.0))?;
    let now = clock::now();
    let organisation = if config.organisation.is_empty() {
        "jetond".to_owned()
    } else {
        config.organisation.clone()
    };
    let note = Note {
        subject: text!(
            "Test mail of the token watch",
            "Courriel d’essai de la veille des jetons"
        ),
        body: vec![
            text!(
                "This is a test mail sent by {organisation}. It shows that reminders can reach this address.",
                "Ceci est un courriel d’essai envoyé par {organisation}. Il montre que les rappels peuvent arriver à cette adresse."
            ),
            text!("There is nothing to do.", "Il n’y a rien à faire."),
        ],
    };
    let message_id = format!(
        "test.{}.{}@{}",
        now.timestamp(),
        std::process::id(),
        config.mail.from.address.ascii_domain()
    );
    let desk = app::desk(&config);
    let envelope = desk.envelope(
        Mailbox {
            name: None,
            address: address.clone(),
        },
        context.out.lang,
        &message_id,
        now,
    );
    let composed = app::templates(&config)?
        .compose(&Letter::Note(note), &envelope, &config.calendar)
        .map_err(|e| Failure::unexpected(&e.to_string()))?;
    let mail = Outgoing {
        id: 0,
        envelope_from: &config.mail.from.address,
        envelope_to: &address,
        message_id: &message_id,
        bytes: &composed.bytes,
    };
    let dialogue = Dialogue::default();
    let outcome = match send(&config.mail.transport, &mail, &dialogue).await {
        Ok(outcome) => outcome,
        Err(fault) => Outcome::Relay(fault),
    };
    let lines = dialogue.lines();
    if !context.out.json {
        for line in &lines {
            context.out.note(&text!("{line}", "{line}"));
        }
    }
    let said = outcome.to_string();
    if let Outcome::Accepted(_) = outcome {
        if context.out.json {
            context.out.data(
                "send-test",
                vec![json!({
                    "address": address.as_str(), "outcome": "sent", "reply": said, "dialogue": lines,
                })],
            )?;
        } else {
            context
                .out
                .say(&text!("accepted: {said}", "accepté : {said}"))?;
        }
        return Ok(Exit::Done);
    }
    let failure = Failure::new(
        Exit::NotDelivered,
        "not_delivered",
        text!(
            "the test mail was not accepted: {said}",
            "le courriel d’essai n’a pas été accepté : {said}"
        ),
    );
    Err(failure.hint(text!(
        "`jetond check --online` looks at each step of the connection",
        "`jetond check --online` vérifie chaque étape de la connexion"
    )))
}

/// One post to a channel, now.
async fn post(name: &str, config: &Config, context: &mut Context) -> Result<Exit, Failure> {
    let Some(channel) = config.notify.iter().find(|c| c.name == name) else {
        let shown = name.escape_debug();
        let known: Vec<String> = config
            .notify
            .iter()
            .map(|c| format!("#{}", c.name))
            .collect();
        let hint = if known.is_empty() {
            text!(
                "no [[notify]] stands in the config",
                "aucun [[notify]] ne figure dans la configuration"
            )
        } else {
            let known = known.join(", ");
            text!("the channels are: {known}", "les canaux sont : {known}")
        };
        let message = text!(
            "there is no channel \"{shown}\"",
            "il n’y a pas de canal \"{shown}\""
        );
        return Err(Failure::new(Exit::NotFound, "no_channel", message).hint(hint));
    };
    let now = clock::now();
    let desk = app::desk(config);
    let channel = Channel::new(channel.clone(), DEADLINE);
    let post = Post {
        id: format!("test.{}.{}", now.timestamp(), std::process::id()),
        at: now,
        says: Says::Test,
    };
    let body = channel.body(&post, posts::setting(&desk, config.web.public_url.as_ref()));
    let reply = channel.post(&post, &body, now).await;
    let said = reply.said();
    let Reply::Taken(_) = reply else {
        let failure = Failure::new(
            Exit::NotDelivered,
            "not_delivered",
            text!(
                "the test message was not taken: {said}",
                "le message d’essai n’a pas été pris : {said}"
            ),
        );
        return Err(failure.hint(text!(
            "`jetond check --online` looks at the channel without posting",
            "`jetond check --online` regarde le canal sans rien publier"
        )));
    };
    if context.out.json {
        let row = json!({"address": format!("#{name}"), "outcome": "sent", "reply": said, "dialogue": []});
        context.out.data("send-test", vec![row])?;
    } else {
        context.out.say(&text!("taken: {said}", "pris : {said}"))?;
    }
    Ok(Exit::Done)
}

async fn send(
    transport: &Transport,
    mail: &Outgoing<'_>,
    dialogue: &Dialogue,
) -> Result<Outcome, RelayFault> {
    let mut way = Way::prepare(transport)?;
    if let Way::Smtp(relay) = &mut way {
        relay.record_in(dialogue);
    }
    let mut courier = way.open().await?;
    if let Err(outcome) = courier.offer(mail).await {
        courier.quit().await;
        return Ok(outcome);
    }
    let outcome = courier.complete(mail, None).await.outcome;
    if courier.is_usable() {
        courier.quit().await;
    }
    Ok(outcome)
}
