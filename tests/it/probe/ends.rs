//! A date that passes: what is said of it follows from what the API said after it, and not long
//! ago. An ordinary end is no refusal.

use jetond::app;
use jetond::delivery::report::{Beyond, Reporter};
use jetond::domain::verdict::{Case, Reading};

use super::notes::{alive, blacklisted, hear, hear_twice, reading, taken};
use super::shown::{PRESENT, QUIET, get, server};
use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

/// The mail of a day after the date, 2026-06-10, where these answers were heard before.
async fn mail(answers: &[(&str, Reading)], now: &str) -> String {
    let relay = SmtpServer::start(Script::new());
    let text = head(relay.port())
        + "[schedule]\nstages = [90]\nafter_expiry = [3, 30]\nthen_every = 0\n"
        + &token("m", "2026-06-10", &["a@ville.example"]);
    let mut town = Town::start(&text, at("2026-01-05T08:00:00Z")).await;
    for (moment, answer) in answers {
        town.now = at(moment);
        hear(&town, "m", answer).await;
    }
    town.now = at(now);
    town.pass().await;
    let mails = taken(&relay);
    let mut of_person = mails
        .iter()
        .filter(|m| m.starts_with("To: a@ville") && !m.contains("Urgent"));
    of_person.next_back().unwrap().replace('\u{a0}', " ")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_worked_long_ago_is_not_said_to_work() {
    let works = "mais il fonctionne encore";
    let answers = [("2026-06-12T21:00:00Z", alive(&[]))];
    let of = async |now| mail(&answers, now).await;
    assert!(of("2026-06-13T08:00:00Z").await.contains(works));
    assert!(!of("2026-07-10T08:00:00Z").await.contains(works));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_before_the_date_proves_no_expiry() {
    let confirmed = "confirmé";
    let answers = [
        ("2026-06-08T21:00:00Z", blacklisted()),
        ("2026-06-08T22:10:00Z", blacklisted()),
    ];
    let mail = mail(&answers, "2026-06-13T08:00:00Z").await;
    assert!(
        mail.contains("expiré le") && !mail.contains(confirmed),
        "{mail}"
    );
}

/// One that its own date has ended counts as expired, whenever the API said so first.
#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_expiry_counts_as_no_refusal() {
    let relay = SmtpServer::start(Script::new());
    let text = head(relay.port()) + QUIET + &token("fini", "2026-11-20", &["a@ville.example"]);
    let mut town = Town::start(&text, at("2026-11-20T22:30:00Z")).await;
    let expired = reading(Case::Expired, 401, &["00103"]);
    hear_twice(&mut town, "fini", &expired).await;
    town.now = PRESENT();
    town.pass().await;
    let server = server(&town).await;
    let metrics = get(&server, "/metrics").await;
    assert!(metrics.contains("\njetond_tokens_refused 0\n"), "{metrics}");
    let desk = app::desk(town.config());
    let (reporter, beyond) = (Reporter::new(vec![desk.contact.clone()]), Beyond::default());
    let queued = reporter.queue(town.store(), &desk, &beyond, town.now);
    queued.await.unwrap();
    town.rig().deliver(town.now).await.unwrap();
    let mails = taken(&relay);
    let report = mails
        .iter()
        .find(|m| m.contains("Rappels des sept"))
        .unwrap();
    assert!(!report.contains("par l’API"), "{report}");
}
