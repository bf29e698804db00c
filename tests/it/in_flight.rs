//! Something happens to a token while its mail is in flight: at each step of the dialogue the
//! mail goes out if and only if it came after the commit before the dot.

use jetond::domain::lifecycle::Who;
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::outbox::MailState;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Act, Gate, Phase, Script, SmtpServer};

/// The steps at which the commit before the dot has not been made, and that at which it has.
const STEPS: [(Phase, MailState); 7] = [
    (Phase::Connect, MailState::Cancelled),
    (Phase::Greeting, MailState::Cancelled),
    (Phase::Ehlo, MailState::Cancelled),
    (Phase::Mail, MailState::Cancelled),
    (Phase::Rcpt, MailState::Cancelled),
    (Phase::Data, MailState::Cancelled),
    (Phase::Dot, MailState::Sent),
];

/// One mail on its way, held at `phase` until `verb` is done; what became of it, and how many
/// messages the server took.
async fn met(phase: Phase, verb: &Verb) -> (MailState, usize) {
    let gate = Gate::new();
    let server = SmtpServer::start(Script::new().first(1, phase, Act::Wait(gate.clone())));
    let two = token("a", "2026-12-15", &["c@ville.example"])
        + &token("b", "2028-12-15", &[]).replace("11244", "11245");
    let mut town = Town::start(&(head(server.port()) + &two), at("2026-11-15T08:00:00Z")).await;
    town.rig().tick(town.now).await.unwrap();
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    let delivery = town.rig().deliver(town.now);
    let event = async {
        gate.reached().await;
        let done = verbs::act(town.store(), &hand, "a", verb).await.unwrap();
        assert!(done.unwrap().changed());
        gate.open();
    };
    let (step, ()) = tokio::join!(delivery, event);
    step.unwrap();
    let state = town.reminders().await[0].1;
    // Nothing of it is sent later on either.
    for _ in 0..3 {
        town.now += chrono::Duration::days(1);
        town.pass().await;
    }
    let reminders = town.reminders().await;
    assert_eq!(reminders.len(), 1, "{phase:?}: {reminders:?}");
    let taken = server
        .accepted()
        .iter()
        .filter(|m| m.to.iter().any(|to| to.contains("c@ville.example")) && !is_note(&m.bytes))
        .count();
    assert_eq!(
        town.store()
            .uncovered(&town.config().calendar, town.now)
            .await
            .unwrap(),
        []
    );
    (state, taken)
}

/// A closing note has no button to renew with.
fn is_note(message: &[u8]) -> bool {
    let message = mail_parser::MessageParser::default()
        .parse(message)
        .unwrap();
    !message
        .body_text(0)
        .unwrap()
        .contains("reopen-from-external")
}

async fn holds_at_each_step(verb: Verb) {
    for (phase, expected) in STEPS {
        let (state, taken) = met(phase, &verb).await;
        let expected_taken = usize::from(expected == MailState::Sent);
        assert_eq!(
            (state, taken),
            (expected, expected_taken),
            "{verb:?} at {phase:?}"
        );
    }
}

#[tokio::test]
async fn a_renewal_stops_a_mail_up_to_the_commit_before_its_dot() {
    let expires = at("2028-06-15T21:59:59Z");
    holds_at_each_step(Verb::Renew(Renewal::until(expires, None))).await;
}

#[tokio::test]
async fn so_does_a_request_that_is_filed() {
    holds_at_each_step(Verb::File(Filing::default())).await;
}

#[tokio::test]
async fn so_do_a_revocation_an_archive_and_a_successor() {
    holds_at_each_step(Verb::Revoke { at: None }).await;
    holds_at_each_step(Verb::Archive).await;
    holds_at_each_step(Verb::Supersede { by: "b".to_owned() }).await;
}

#[tokio::test]
async fn what_arrives_after_all_is_not_told_again_when_it_is_taken_back() {
    for (verb, back) in [
        (Verb::File(Filing::default()), Verb::Unfile),
        (Verb::Archive, Verb::Restore),
    ] {
        for undone in ["in flight", "afterwards"] {
            let gate = Gate::new();
            let script = Script::new().first(1, Phase::Dot, Act::Wait(gate.clone()));
            let server = SmtpServer::start(script);
            let one = token("a", "2026-12-15", &["c@ville.example"]);
            let config = head(server.port()) + &one;
            let mut town = Town::start(&config, at("2026-11-15T08:00:00Z")).await;
            town.rig().tick(town.now).await.unwrap();
            let hand = Hand {
                calendar: &town.config().calendar,
                who: Who::User("alex".to_owned()),
                now: town.now,
            };
            let act = async |verb| {
                let done = verbs::act(town.store(), &hand, "a", verb).await.unwrap();
                assert!(done.unwrap().changed());
            };
            let event = async {
                gate.reached().await;
                act(&verb).await;
                if undone == "in flight" {
                    act(&back).await;
                }
                gate.open();
            };
            let (step, ()) = tokio::join!(town.rig().deliver(town.now), event);
            step.unwrap();
            if undone == "afterwards" {
                act(&back).await;
            }
            for _ in 0..3 {
                town.now += chrono::Duration::days(1);
                town.pass().await;
            }
            assert_eq!(server.accepted().len(), 1, "{verb:?} {undone}");
            let fates = town.fates("a").await;
            assert!(
                fates.iter().any(|f| (f.0, f.2.as_str()) == (30, "sent")),
                "{fates:?}"
            );
        }
    }
}
