//! Backlogs: many mails on several connections, in flights with one commit before their dots.
//! Every mail leaves once, whatever becomes of its neighbours; quotas and slow domains make only
//! their own mails wait.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;
use jetond::domain::body::Body;
use jetond::store::outbox::{Bounds, Doubt, MailState, Wanted};

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Accepted, Act, Phase, Script, SmtpServer};

const MORNING: &str = "2026-11-30T08:00:00Z";
const EXPIRES: &str = "2026-12-15";

/// A config in which `settings` stand below `[mail.smtp]` instead of two connections.
fn config(server: &SmtpServer, settings: &str, recipients: &[String]) -> String {
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    head(server.port()).replace("connections = 2", settings)
        + &token("marches", EXPIRES, &recipients)
}

fn people(number: usize, domain: &str) -> Vec<String> {
    (0..number).map(|n| format!("r{n}@{domain}")).collect()
}

/// RCPT's argument without its parameters.
fn recipient(mail: &Accepted) -> &str {
    let to = mail.to[0].split('>').next().unwrap_or_default();
    to.trim_start_matches('<')
}

fn taken(server: &SmtpServer) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for mail in server.accepted() {
        *taken.entry(recipient(&mail).to_owned()).or_default() += 1;
    }
    taken
}

async fn in_state(town: &Town, state: MailState) -> Vec<String> {
    let reminders = town.reminders().await;
    let of = reminders.into_iter().filter(|(_, s)| *s == state);
    of.map(|(address, _)| address).collect()
}

async fn backlog(script: Script, settings: &str) {
    let server = SmtpServer::start(script);
    let everyone = people(300, "ville.example");
    let town = Town::start(&config(&server, settings, &everyone), at(MORNING)).await;
    let step = town.pass().await;
    assert_eq!((step.sent, step.is_troubled()), (300, false), "{step:?}");
    let taken = taken(&server);
    assert_eq!(taken.len(), 300);
    assert!(taken.values().all(|times| *times == 1));
    let connections: BTreeSet<usize> = server.accepted().iter().map(|m| m.connection).collect();
    assert!(connections.len() <= 4, "{connections:?}");
    assert_eq!(in_state(&town, MailState::Sent).await.len(), 300);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_leaves_once_in_flights() {
    backlog(Script::new().pipelining(), "connections = 4\nflight = 16").await;
    backlog(Script::new(), "connections = 4\nflight = 16").await;
    backlog(Script::new().pipelining(), "connections = 1\nflight = 1000").await;
    backlog(Script::new().pipelining(), "connections = 4\nflight = 1").await;
}

#[tokio::test]
async fn a_backlog_leaves_on_a_single_thread() {
    backlog(Script::new().pipelining(), "connections = 4\nflight = 16").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_a_flight_is_its_own_mails_only() {
    let server = SmtpServer::start(
        Script::new()
            .pipelining()
            .to("r3@ville.example", Act::Reply("550 5.1.1 gone"))
            .to("r17@ville.example", Act::Reply("451 4.3.0 later"))
            .to("r31@ville.example", Act::Reply("552 5.2.2 full")),
    );
    let everyone = people(60, "ville.example");
    let settings = "connections = 1\nflight = 16";
    let mut town = Town::start(&config(&server, settings, &everyone), at(MORNING)).await;
    town.rig().tick(town.now).await.unwrap();
    let step = town.rig().sender.drain(town.now).await.unwrap();
    assert_eq!((step.sent, step.refused, step.deferred), (57, 1, 2));
    assert_eq!(
        in_state(&town, MailState::Deferred).await,
        ["r17@ville.example", "r31@ville.example"]
    );
    let taken = taken(&server);
    assert!(taken.len() == 57 && taken.values().all(|times| *times == 1));
    // The relay is well, and the refused are asked again in their time.
    assert!(town.rig().sender.relay_trouble().is_none());
    // Their reminders, and what they are told of the one who is refused.
    let step = town.pass_after(10).await;
    assert_eq!(step.deferred, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_behind_a_lost_reply_returns_at_once() {
    let server = SmtpServer::start(Script::new().pipelining().first(
        1,
        Phase::Dot,
        Act::TakeAndDrop,
    ));
    let everyone = people(60, "ville.example");
    let settings = "connections = 1\nflight = 16";
    let mut town = Town::start(&config(&server, settings, &everyone), at(MORNING)).await;
    let step = town.pass().await;
    assert_eq!((step.sent, step.in_doubt), (59, 1), "{step:?}");
    let doubtful = in_state(&town, MailState::InDoubt).await;
    assert_eq!(doubtful.len(), 1);
    assert!(taken(&server).values().all(|times| *times == 1));
    let step = town.pass_after(31).await;
    assert_eq!(step.sent, 1);
    let taken = taken(&server);
    assert_eq!((taken.len(), taken[&doubtful[0]]), (60, 2));
    let copies: BTreeSet<Vec<u8>> = server
        .accepted()
        .into_iter()
        .filter(|mail| recipient(mail) == doubtful[0])
        .map(|mail| mail.bytes)
        .collect();
    assert_eq!(copies.len(), 1, "the same bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_goes_away_charges_no_mail_of_a_flight() {
    let server = SmtpServer::start(Script::new().pipelining().first(1, Phase::Mail, Act::Drop));
    let everyone = people(40, "ville.example");
    let settings = "connections = 2\nflight = 16";
    let mut town = Town::start(&config(&server, settings, &everyone), at(MORNING)).await;
    let first = town.pass().await;
    assert!(first.returned > 0 && first.deferred == 0, "{first:?}");
    let second = town.pass_after(1).await;
    let third = town.pass_after(1).await;
    assert_eq!(first.sent + second.sent + third.sent, 40);
    assert!(taken(&server).values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_of_domains_survive_a_restart_and_make_only_their_own_mails_wait() {
    let server = SmtpServer::start(Script::new().pipelining());
    let mut everyone = people(5, "ville.example");
    everyone.extend(people(3, "agence.example"));
    everyone.extend(people(4, "libre.example"));
    let config = config(&server, "connections = 2", &everyone).replace(
        "transport = \"smtp\"",
        "transport = \"smtp\"\nper_domain = { \"*\" = \"2/min\", \"libre.example\" = \"100/min\" }",
    );
    let mut town = Town::start(&config, at(MORNING)).await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        let step = town.pass().await;
        assert!(!step.is_troubled());
        sent.push(step.sent);
        // Neither a restart nor half a minute gives anybody more.
        town.start_again().await;
        town.now += Duration::seconds(30);
        assert_eq!(town.pass().await.sent, 0);
        town.now += Duration::seconds(30);
    }
    assert_eq!(sent, [8, 3, 1, 0]);
    assert_eq!(taken(&server).len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_does_not_answer_holds_up_nobody() {
    let mut script = Script::new().pipelining();
    let asleep = people(3, "endormi.example");
    for one in &asleep {
        script = script.to(one, Act::Hang);
    }
    let server = SmtpServer::start(script);
    let everyone: Vec<String> = people(60, "ville.example");
    let (some, rest) = everyone.split_at(20);
    let all = [some, &asleep, rest].concat();
    let settings = "connections = 2\nflight = 4";
    let mut town = Town::start(&config(&server, settings, &all), at(MORNING)).await;
    let step = town.pass().await;
    assert_eq!((step.sent, step.deferred), (60, 3), "{step:?}");
    assert!(town.rig().sender.relay_trouble().is_none());
    let mut deferred = in_state(&town, MailState::Deferred).await;
    deferred.sort();
    assert_eq!(deferred, asleep);
    assert!(taken(&server).values().all(|times| *times == 1));
    town.now += Duration::minutes(10);
    assert_eq!(town.uncovered().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_for_no_domain_is_out_of_reach() {
    let server = SmtpServer::start(Script::new().pipelining().at(Phase::Rcpt, Act::Hang));
    let everyone: Vec<String> = (0..6).map(|n| format!("r@ville{n}.example")).collect();
    let settings = "connections = 3";
    let town = Town::start(&config(&server, settings, &everyone), at(MORNING)).await;
    let step = town.pass().await;
    // Two may be about themselves, the third shows that it is the relay.
    assert_eq!((step.sent, step.deferred), (0, 2), "{step:?}");
    assert!(town.rig().sender.relay_trouble().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_after_the_window_though_a_flight_was_on_its_way() {
    let late = Act::TakeLate(std::time::Duration::from_secs(2));
    let server = SmtpServer::start(Script::new().pipelining().first(1, Phase::Dot, late));
    let everyone = people(40, "ville.example");
    let settings = "connections = 1\nflight = 16\n";
    let config = config(&server, settings, &everyone).replace("dot = 2", "dot = 60");
    let mut town = Town::start(&config, at("2026-11-30T16:59:59Z")).await;
    let step = town.pass().await;
    assert_eq!(step.sent, 1, "{step:?}");
    assert_eq!(server.count(), 1);
    town.now = at("2026-12-01T08:00:00Z");
    assert_eq!(town.pass().await.sent, 39);
    assert!(taken(&server).values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_breaks_its_sessions_does_not_keep_the_others() {
    let script = Script::new().to("r0@panne.example", Act::Drop);
    let server = SmtpServer::start(script.pipelining());
    let mut everyone = people(1, "panne.example");
    everyone.extend(people(30, "ville.example"));
    let mut town = Town::start(&config(&server, "connections = 2", &everyone), at(MORNING)).await;
    let mut sent = 0;
    for _ in 0..12 {
        sent += town.pass().await.sent;
        town.now += Duration::minutes(1);
    }
    assert_eq!(sent, 30);
    assert_eq!(
        in_state(&town, MailState::Deferred).await,
        ["r0@panne.example"],
        "it is charged for what it does"
    );
    assert!(taken(&server).values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_loses_its_replies_costs_few_mails_a_copy() {
    let server = SmtpServer::start(Script::new().pipelining().at(Phase::Dot, Act::TakeAndDrop));
    let everyone = people(60, "ville.example");
    let mut town = Town::start(&config(&server, "connections = 2", &everyone), at(MORNING)).await;
    let step = town.pass().await;
    assert!(step.in_doubt <= 4 && server.count() <= 4, "{step:?}");
    assert!(town.rig().sender.relay_trouble().is_some());
    // One probe at a time from then on.
    let step = town.pass_after(1).await;
    assert_eq!((step.in_doubt, step.sent), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_whatever_the_connections() {
    let refused = Act::Reply("535 5.7.8 no");
    let server = SmtpServer::start(Script::new().pipelining().at(Phase::Auth, refused));
    let everyone = people(40, "ville.example");
    let settings = "connections = 8\nusername = \"jetond\"\npassword = { file = \"password\" }";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    crate::support::private_file(&file, "wrong");
    let settings = settings.replace("\"password\" }", &format!("{file:?} }}"));
    let town = Town::start(&config(&server, &settings, &everyone), at(MORNING)).await;
    let step = town.pass().await;
    assert_eq!(step.sent, 0);
    let logins = server.heard();
    let logins = logins.iter().filter(|h| h.line.starts_with("AUTH "));
    assert_eq!(logins.count(), 1);
}

#[tokio::test]
async fn what_is_in_doubt_waits_its_time_although_its_outcome_was_never_recorded() {
    let server = SmtpServer::start(Script::new());
    let everyone = people(1, "ville.example");
    let mut town = Town::start(&config(&server, "connections = 1", &everyone), at(MORNING)).await;
    town.rig().tick(town.now).await.unwrap();
    let claim = async |town: &Town| {
        let bounds = Bounds::default();
        let claimed = town.store().claim(Wanted::All, town.now, 10, &bounds).await;
        claimed.unwrap()
    };
    let claimed = claim(&town).await;
    let doubt = Doubt {
        mail: claimed[0].no,
        fence: claimed[0].fence,
        content: Body::Whole(b"Subject: x\r\n\r\n".to_vec()),
        carried: 1,
    };
    let entered = town.store().enter_doubt(&[doubt], town.now).await.unwrap();
    assert_eq!(entered, [true]);
    // Its claim ends, and nobody knows what became of it.
    for (minutes, expected) in [(16, 0), (13, 0), (2, 1)] {
        town.now += Duration::minutes(minutes);
        assert_eq!(claim(&town).await.len(), expected, "after {minutes} more");
    }
}
