//! Three mails on their way together, as a lane sends them: what the tests of flights share.

use jetond::config::Smtp;
use jetond::delivery::outcome::{Outcome, Outgoing};
use jetond::delivery::smtp::Session;

use super::{Mail, TEXT, open, word};
use crate::support::smtp_server::SmtpServer;

pub(super) const FLIGHT: [&str; 3] = ["a@ville.example", "b@ville.example", "c@ville.example"];

/// The outcome of each mail, sent in turn as a lane sends them: a session serves as long as it
/// can, the next mail rides behind a dot, and one against which nothing is known is offered once
/// more on a connection of its own.
pub(super) async fn send(settings: &Smtp, mails: &[Outgoing<'_>]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut session: Option<Session> = None;
    let mut offered = false;
    while let Some(mail) = mails.get(outcomes.len()) {
        let usable = offered || session.as_mut().is_some_and(Session::is_usable);
        let mut ready = match session.take().filter(|_| usable) {
            Some(session) => session,
            None => match open(settings).await {
                Ok(session) => session,
                Err(fault) => {
                    outcomes.push(Outcome::Relay(fault));
                    continue;
                }
            },
        };
        if !offered && let Err(outcome) = ready.offer(mail).await {
            outcomes.push(outcome);
            session = Some(ready);
            continue;
        }
        let next = mails.get(outcomes.len() + 1);
        let completed = ready.complete(mail, next).await;
        outcomes.push(completed.outcome);
        offered = matches!(completed.next, Some(Ok(())));
        assert!(
            !(offered && ready.is_usable()),
            "an offer takes the session"
        );
        if let Some(Err(refused)) = completed.next {
            outcomes.push(refused);
        }
        session = Some(ready);
    }
    outcomes
}

/// Sends the flight, all on one connection if it lasts, and tells each outcome in a word.
pub(super) async fn fly(settings: &Smtp) -> Vec<String> {
    fly_in(settings, FLIGHT.len()).await
}

/// Sends the flight in parts of so many mails, each part on a connection of its own.
pub(super) async fn fly_in(settings: &Smtp, parts: usize) -> Vec<String> {
    let owned: Vec<Mail> = FLIGHT.iter().map(|to| Mail::to(to)).collect();
    let mails: Vec<Outgoing<'_>> = (1..)
        .zip(&owned)
        .map(|(id, m)| m.out_as(id, TEXT))
        .collect();
    let mut words = Vec::new();
    for part in mails.chunks(parts) {
        words.extend(send(settings, part).await.iter().map(word));
    }
    words
}

/// Holds what was told against what the server has: *accepted* is what it took and said so, what
/// is neither accepted nor in doubt it never took, and nothing was taken twice.
pub(super) fn told_truly(server: &SmtpServer, words: &[String], cell: &str) {
    let accepted = server.accepted();
    for (to, word) in FLIGHT.iter().zip(words) {
        let path = format!("<{to}>");
        let taken = accepted.iter().filter(|a| a.to[0].starts_with(&path));
        let taken: Vec<_> = taken.collect();
        assert!(
            taken.iter().all(|a| a.bytes == TEXT),
            "{cell}: {to} came whole"
        );
        match word.as_str() {
            "accepted" => assert_eq!(taken.len(), 1, "{cell}: {to} was taken"),
            "in doubt" => assert!(taken.len() <= 1, "{cell}: {to} was taken once at most"),
            other => assert!(taken.is_empty(), "{cell}: {to} is {other} and was taken"),
        }
    }
    assert_eq!(words.len(), FLIGHT.len(), "{cell}: one outcome a mail");
}
