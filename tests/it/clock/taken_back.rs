//! A machine that started with a clock two years ahead and made its passes by it: once the clock
//! is right and a person has said so, every reminder comes as if nothing had been.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::datapass::merge::OnApprove;
use jetond::domain::datapass::{Event, Kind};
use jetond::domain::lifecycle::{State, Who};
use jetond::domain::token::DatapassId;
use jetond::renewal::clock;
use jetond::renewal::datapass::{Rules, receive};
use jetond::renewal::verbs::{self, Hand, Verb};
use jetond::store::outbox::MailState;

use crate::support::daemon::{Town, at, head, token};
use crate::support::smtp_server::{Script, SmtpServer};

const SET_RIGHT: &str = "2026-11-20T10:00:00Z";

/// One that is 25 days from its end, one that is far from it, one that has expired.
fn file(port: u16) -> String {
    head(port)
        + &token("proche", "2026-12-15", &["a@ville.example"])
        + &token("lointain", "2027-04-30", &["b@ville.example"])
        + &token("passe", "2026-11-01", &["c@ville.example"])
}

/// A token that is declared while the clock is wrong.
fn late(port: u16) -> String {
    file(port) + &token("tardif", "2027-02-10", &["d@ville.example"])
}

/// From the moment when the clock is right: a pass each morning, for a year. What is told of which token
/// at which stage, and on which day.
async fn year(town: &mut Town) -> Vec<(String, i32, DateTime<Utc>)> {
    let begin = town.now;
    for _ in 0..366 {
        town.pass().await;
        town.rig().tell(town.now).await.unwrap();
        assert_eq!(town.uncovered().await, 0, "{}", town.now);
        town.now += Duration::days(1);
    }
    let mut sent: Vec<_> = town
        .store()
        .all_notices()
        .await
        .unwrap()
        .into_iter()
        .filter(|(_, n)| n.state == "sent" && n.settled_at.is_some_and(|at| at >= begin))
        .map(|(id, n)| (id, n.stage, n.settled_at.unwrap()))
        .collect();
    sent.sort();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_two_years_ahead_is_taken_back() {
    let (server, twin_server) = (
        SmtpServer::start(Script::new()),
        SmtpServer::start(Script::new()),
    );
    // The twin never had a wrong clock.
    let mut twin = Town::start(&file(twin_server.port()), at("2026-10-20T10:00:00Z")).await;
    let mut town = Town::start(&file(server.port()), at("2026-10-20T10:00:00Z")).await;
    for town in [&mut twin, &mut town] {
        for _ in 0..29 {
            town.pass_after(24 * 60).await;
        }
    }
    town.now = at("2028-11-19T10:00:00Z");
    town.start_again().await;
    for _ in 0..3 {
        town.pass_after(60).await;
        town.rig().tell(town.now).await.unwrap();
    }
    town.reload(&late(server.port())).await;
    town.pass_after(1).await;
    let wrongly = server.count();

    town.now = at(SET_RIGHT);
    twin.now = at(SET_RIGHT);
    town.start_again().await;
    let calendar = town.config().calendar.clone();
    let released = clock::believe(town.store(), &calendar, "user:camille", town.now)
        .await
        .unwrap();
    assert!(
        released.was_behind() && released.taken_back > 10,
        "{released:?}"
    );
    twin.reload(&late(twin_server.port())).await;
    // A mail a day: who got a wrong one today gets the right one tomorrow at the latest.
    let (found, expected) = (year(&mut town).await, year(&mut twin).await);
    assert!(expected.len() > 20 && server.count() > wrongly);
    let stages = |sent: &[(String, i32, DateTime<Utc>)]| {
        let mut all: Vec<_> = sent.iter().map(|s| (s.0.clone(), s.1)).collect();
        all.dedup();
        all
    };
    assert_eq!(stages(&found), stages(&expected));
    for (f, e) in found.iter().zip(&expected) {
        assert!((f.2 - e.2).num_hours().abs() <= 24, "{f:?} {e:?}");
    }
    let open = town.mails().await;
    assert!(
        open.iter()
            .all(|m| m.state == MailState::Sent || m.state == MailState::Cancelled)
    );
    // The reports of the weeks that had come by the wrong clock leave, too.
    let (ours, theirs) = (reports(&town).await, reports(&twin).await);
    assert!(ours.abs_diff(theirs) <= 1 && theirs > 50, "{ours} {theirs}");
}

async fn reports(town: &Town) -> usize {
    let notes = town.notes().await;
    notes
        .iter()
        .filter(|(kind, _)| kind == "note_report")
        .count()
}

/// A word that was said by a clock a year ahead is no later than the moment when the clock was
/// set right: what Data Pass says the day after counts.
#[tokio::test]
async fn what_was_said_ahead_gives_way_to_what_data_pass_says_next() {
    let mut town = Town::start(&file(9), at("2026-10-20T10:00:00Z")).await;
    town.pass().await;
    town.now = at("2027-10-20T10:00:00Z");
    town.pass().await;
    for verb in [Verb::Archive, Verb::Restore] {
        let hand = Hand {
            calendar: &town.config().calendar,
            who: Who::User("alex".to_owned()),
            now: town.now,
        };
        let done = verbs::act(town.store(), &hand, "lointain", &verb).await;
        assert!(done.unwrap().is_ok());
    }
    town.now = at(SET_RIGHT);
    let calendar = town.config().calendar.clone();
    let released = clock::believe(town.store(), &calendar, "user:camille", town.now).await;
    assert!(released.unwrap().was_behind());
    let rules = Rules {
        calendar,
        validity_months: 18,
        on_approve: OnApprove::Ask,
    };
    let event = Event {
        number: DatapassId::parse("11244").unwrap(),
        kind: Kind::Revoke,
        fired_at: town.now + Duration::hours(24),
        name: None,
        siret: None,
        scopes: None,
        people: Vec::new(),
    };
    let later = event.fired_at + Duration::minutes(1);
    receive(town.store(), &rules, &event, later).await.unwrap();
    let token = town.store().token("lointain").await.unwrap().unwrap();
    assert_eq!(token.state, State::Revoked);
}
