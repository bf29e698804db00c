//! `send-test ADDRESS`: one mail, now, by the configured way, and the dialogue with the relay.
//!
//! Nothing is recorded in the store, and the password never shows.

use serde_json::json;

use crate::cli::{Context, Exit, Failure};
use crate::config::Transport;
use crate::delivery::compose::letter::{Letter, Note};
use crate::delivery::outcome::{Outcome, Outgoing, RelayFault};
use crate::delivery::smtp::Dialogue;
use crate::delivery::transport::Way;
use crate::domain::address::{Address, Mailbox};
use crate::domain::language::text;
use crate::{app, clock};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to send it
    address: String,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
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
