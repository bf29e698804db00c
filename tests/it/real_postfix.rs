//! Against a real Postfix: what is told is what it did.

use jetond::delivery::outcome::Outcome;
use jetond::delivery::smtp::{Relay, Session};
use lettre::Message;
use lettre::message::header::ContentType;
use mail_parser::MessageParser;

use crate::smtp::{Mail, settings, word};
use crate::support::postfix::Postfix;

/// A mail as the program sends them: accents in the name, the subject and the text, and lines
/// that begin with dots.
fn letter() -> Vec<u8> {
    Message::builder()
        .from("Veille des jetons <jetons@ville.example>".parse().unwrap())
        .to("Zoé Lefèvre-Noël <zoe@ville.example>".parse().unwrap())
        .subject("Échéance dans 15 jours : « Marchés publics »")
        .message_id(Some("<m1.a-b@ville.example>".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(
            ".\r\n..\r\nLe jeton « Marchés publics » expire bientôt.\r\n.\r\nÀ bientôt\r\n"
                .to_owned(),
        )
        .unwrap()
        .formatted()
}

async fn send(session: &mut Session, to: &str, bytes: &[u8]) -> Outcome {
    let mail = Mail::to(to);
    let mail = mail.out(bytes);
    match session.offer(&mail).await {
        Ok(()) => session.complete(&mail, None).await.outcome,
        Err(outcome) => outcome,
    }
}

#[tokio::test]
async fn mails_arrive_whole_and_refusals_are_told_apart() {
    let Some(postfix) = Postfix::start(&[
        ("gone@ville.example", "550 5.1.1 no such user here"),
        ("grey@ville.example", "450 4.7.1 greylisted, come back"),
    ]) else {
        return;
    };
    let relay = Relay::prepare(&settings(postfix.port())).unwrap();
    let mut session = Session::open(&relay, None).await.unwrap();
    let letter = letter();

    let mut told = Vec::new();
    for to in [
        "zoe@ville.example",
        "gone@ville.example",
        "grey@ville.example",
        "zoe@elsewhere.example",
        "zoé@editeur.example",
    ] {
        let outcome = send(&mut session, to, &letter).await;
        assert!(session.is_usable(), "{to}: {outcome}");
        told.push((word(&outcome), outcome));
    }
    session.quit().await;
    let words: Vec<&str> = told.iter().map(|(word, _)| word.as_str()).collect();
    let expected = ["accepted", "recipient", "deferred", "recipient", "accepted"];
    assert_eq!(words, expected, "{told:?}");
    let said = told[1].1.to_string();
    assert!(said.starts_with("550 5.1.1 <gone@ville.example>"), "{said}");
    let Outcome::Deferred(reply) = &told[2].1 else {
        panic!("{:?}", told[2]);
    };
    assert!(reply.enhanced.unwrap().is_policy());

    let sent = String::from_utf8(letter).unwrap().replace("\r\n", "\n");
    for message in postfix.messages(2) {
        let message = String::from_utf8(message).unwrap();
        assert!(message.ends_with(&sent), "{message}");
        let parsed = MessageParser::default().parse(&message).unwrap();
        assert_eq!(
            parsed.subject(),
            Some("Échéance dans 15 jours : « Marchés publics »")
        );
        let to = parsed.to().unwrap().first().unwrap();
        assert_eq!(to.name(), Some("Zoé Lefèvre-Noël"));
        assert_eq!(parsed.message_id(), Some("m1.a-b@ville.example"));
        let body = parsed.body_text(0).unwrap();
        assert!(
            body.starts_with(".\n..\nLe jeton « Marchés publics »"),
            "{body}"
        );
    }
}
