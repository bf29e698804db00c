//! When tokens are asked about, what leaves, and what is written down of the answers.

use chrono::Duration;
use jetond::app::gate::Gate;
use jetond::domain::timekeeping::Reading;
use jetond::domain::verdict::{Case, Verdict};
use jetond::probe::Told;
use jetond::store::Store;

use super::{Asking, jwt};
use crate::support::api_server::{Does, alive, error};
use crate::support::daemon::token;
use crate::support::pipe;

/// An hour and more after the tokens were declared, in the morning.
const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// Three days on, when every token's moment has come.
fn days_later(asking: &mut Asking) {
    asking.probe.hour = 9;
    asking.town.now += Duration::days(3) + Duration::hours(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_about_once_a_day_in_its_hour() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    let mut asked = asking.step().await;
    for day in 16..20 {
        assert_eq!(asked.calls, 0, "its hour has not come");
        let next = asked.next.unwrap();
        assert!(
            asking
                .local(next)
                .starts_with(&format!("2026-11-{day} 23:")),
            "{}",
            asking.local(next)
        );
        asking.town.now = next - Duration::seconds(1);
        assert_eq!(asking.step().await.calls, 0);
        asking.town.now = next;
        asked = asking.step().await;
        assert_eq!(asked.calls, 1);
        asked = asking.step().await;
    }
    assert_eq!(asking.server.asked("/privileges"), 4);
    let told = asking.server.told();
    assert_eq!(
        told[0].header("authorization"),
        format!("Bearer {}", jwt("m"))
    );
    assert_eq!(
        told[0].header("host"),
        format!("localhost:{}", asking.server.port())
    );
    assert!(told[0].body.is_empty());
    let probed = asking.probed("m").await;
    assert_eq!(probed.last.unwrap().case, Case::Complete);
    assert_eq!(probed.known.belief.unwrap().verdict, Verdict::Alive);
    assert_eq!(probed.known.scopes.unwrap(), ["entreprises"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_believed_with_a_second_answer_an_hour_later() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.server.always(error(401, "00105"));
    asking.until_called(1).await;
    let first = asking.probed("m").await.known;
    assert_eq!(first.belief, None);
    let (suspected, at) = first.suspicion.unwrap();
    assert_eq!((suspected, at), (Verdict::Revoked, asking.town.now));
    asking.until_called(1).await;
    assert!(asking.town.now - at >= Duration::hours(1));
    assert!(asking.town.now - at < Duration::minutes(63));
    let second = asking.probed("m").await.known;
    assert_eq!(second.belief.unwrap().verdict, Verdict::Revoked);
    // It is asked about every day all the same, and heals by itself.
    asking.server.always(alive(&["entreprises"]));
    asking.until_called(1).await;
    let healed = asking.probed("m").await.known;
    assert_eq!(healed.belief.unwrap().verdict, Verdict::Alive);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_of_a_token_changes_nothing_that_is_believed() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.until_called(1).await;
    let before = asking.probed("m").await.known;
    for does in [Does::Drops, Does::Garbage, Does::Huge, error(503, "04001")] {
        asking.server.always(does.clone());
        asking.until_called(1).await;
        let after = asking.probed("m").await.known;
        assert_eq!(
            (after.belief, after.suspicion),
            (before.belief, None),
            "{does:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_call_counts_as_the_days_and_is_never_kept_from_asking() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    for _ in 0..2 {
        let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
        assert!(matches!(told, Told::Heard(_)), "{told:?}");
        asking.town.now += Duration::hours(1);
    }
    let asked = asking.step().await;
    let next = asking.local(asked.next.unwrap());
    assert!(next.starts_with("2026-11-17 23:"), "{next}");
    asking.until_called(1).await;
    let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Heard(_)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_record_is_given_an_hour() {
    let asking = Asking::start(&["m"], "2027-12-01", "2026-11-16T23:50:00+01:00").await;
    let asked = asking.step().await;
    assert_eq!(
        (asked.calls, asking.local(asked.next.unwrap())),
        (0, "2026-11-17 23:49".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_ask_at_once_make_one_call_of_the_day() {
    let mut asking = Asking::start(&["m", "n", "o"], "2027-12-01", MORNING).await;
    days_later(&mut asking);
    let mut askers = Vec::new();
    for _ in 0..4 {
        let store = Store::open_existing(&asking.town.config().store)
            .await
            .unwrap();
        askers.push(asking.asker_by(asking.probe.clone(), store));
    }
    let mut steps = tokio::task::JoinSet::new();
    for asker in askers {
        let now = asking.town.now;
        steps.spawn(async move { asker.step(now).await.unwrap().calls });
    }
    let made: u32 = steps.join_all().await.into_iter().sum();
    assert_eq!((made, asking.server.asked("/privileges")), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_and_the_daemon_at_once_both_hear_and_believe_the_same() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.server.always(error(401, "00105"));
    asking.until_called(1).await;
    asking.town.now += Duration::hours(2);
    let store = Store::open_existing(&asking.town.config().store)
        .await
        .unwrap();
    let (daemon, person) = (asking.asker(), asking.asker_by(asking.probe.clone(), store));
    let now = asking.town.now;
    let (step, told) = tokio::join!(daemon.step(now), person.ask_now("m", now));
    assert!(matches!(told.unwrap(), Told::Heard(_)));
    let calls = usize::try_from(step.unwrap().calls).unwrap();
    assert_eq!(asking.server.asked("/privileges"), 2 + calls);
    let known = asking.probed("m").await.known;
    assert_eq!(known.belief.unwrap().verdict, Verdict::Revoked);
    assert_eq!(known.asked_at, Some(now));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_are_asked_at_a_time_and_the_rest_at_once_after_them() {
    let ids: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut asking = Asking::start(&ids, "2027-12-01", MORNING).await;
    days_later(&mut asking);
    let mut made = Vec::new();
    loop {
        let asked = asking.step().await;
        made.push(asked.calls);
        if asked.next.unwrap() > asking.town.now + Duration::seconds(30) {
            break;
        }
    }
    assert_eq!(made, [4, 4, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_day_are_spread_over_the_hour() {
    let ids: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut asking = Asking::start(&ids, "2027-12-01", MORNING).await;
    let mut tens = std::collections::BTreeSet::new();
    while asking.server.asked("/privileges") < ids.len() {
        asking.until_called(1).await;
        let at = asking.local(asking.town.now);
        assert!(at.starts_with("2026-11-16 23:"), "{at}");
        tens.insert(at[..15].to_owned());
    }
    assert!(tens.len() >= 4, "{tens:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_is_told_of_and_used_once_mended() {
    let mut asking = Asking::start(&["m", "n"], "2027-12-01", MORNING).await;
    asking.give("m", &jwt("n"));
    days_later(&mut asking);
    let asked = asking.step().await;
    assert_eq!(asked.calls, 1, "the other one is asked about all the same");
    let probed = asking.probed("m").await;
    assert_eq!(probed.known.asked_at, None);
    let why = probed.hindrance.unwrap();
    assert!(why.contains("autre jeton"), "{why}");
    let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Hindered(_)), "{told:?}");
    asking.give("m", &format!("Bearer {}\n", jwt("m")));
    asking.town.now = asked.next.unwrap();
    assert_eq!(asking.step().await.calls, 1);
    assert_eq!(asking.probed("m").await.hindrance, None);
    let told = asking.server.told();
    assert_eq!(
        told[1].header("authorization"),
        format!("Bearer {}", jwt("m"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_in_place_of_a_secret_holds_nothing_up() {
    let mut asking = Asking::start(&["m", "n"], "2027-12-01", MORNING).await;
    let place = asking.town.dir().join("m.jwt");
    std::fs::remove_file(&place).unwrap();
    pipe(&place);
    days_later(&mut asking);
    assert_eq!(asking.step().await.calls, 1);
    let why = asking.probed("m").await.hindrance.unwrap();
    assert!(why.contains("fichier ordinaire"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_what_changed_meanwhile_is_of_no_use() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.server.always(Does::Hangs);
    let asker = asking.asker();
    let mut call = std::pin::pin!(asker.ask_now("m", asking.town.now));
    tokio::select! {
        _ = &mut call => panic!("nobody answers"),
        () = asking.server.until_asked(1) => {}
    }
    let text = super::head() + &super::declared("m", "2029-06-01");
    asking.town.now += Duration::minutes(1);
    asking.town.reload(&text).await;
    let Told::Heard(heard) = call.await.unwrap() else {
        panic!("it was asked");
    };
    assert_eq!(heard.known, None);
    assert_eq!(asking.probed("m").await.last, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_active_tokens_with_a_secret_are_asked_about() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    let without = token("n", "2027-12-01", &["c.martin@ville.example"]);
    asking
        .town
        .reload(&(super::head() + &super::declared("m", "2027-12-01") + &without))
        .await;
    let asker = asking.asker();
    assert_eq!(
        asker.ask_now("n", asking.town.now).await.unwrap(),
        Told::NoSecret
    );
    asking.town.reload(&(super::head() + &without)).await;
    assert_eq!(
        asker.ask_now("m", asking.town.now).await.unwrap(),
        Told::NotWatched
    );
    days_later(&mut asking);
    assert_eq!(asking.step().await.calls, 0);
    asking.probe.secrets.clear();
    assert_eq!(asking.step().await, jetond::probe::Asked::default());
    assert!(asking.server.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_asked_while_the_clock_is_held() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    // It is due, by the time that is still known too.
    asking.probe.hour = 9;
    asking.town.now += Duration::hours(2);
    asking.town.pass().await;
    let begun = asking.town.now;
    let reading = |after: Duration, boot: Duration| Reading {
        wall: begun + after,
        boot: Duration::days(1) + boot,
    };
    let mut rig = jetond::app::Rig::new(
        asking.town.config(),
        asking.town.store().clone(),
        tokio_util::sync::CancellationToken::new(),
    )
    .unwrap();
    rig.asker = asking.asker();
    let minute = Duration::minutes(1);
    let (gate, _) = Gate::open(asking.town.store().clone(), reading(minute, minute))
        .await
        .unwrap();
    // Days ahead all at once.
    let passed = gate.ask(&rig, reading(Duration::days(3), minute * 2)).await;
    assert!(passed.hold.is_some());
    assert_eq!(passed.done.unwrap().calls, 0);
    // Behind.
    let passed = gate
        .ask(&rig, reading(Duration::days(-3), minute * 3))
        .await;
    assert_eq!(passed.done.unwrap().calls, 0);
    assert!(asking.server.told().is_empty());
    let passed = gate.ask(&rig, reading(minute * 4, minute * 4)).await;
    assert!(passed.hold.is_none());
    assert_eq!(passed.done.unwrap().calls, 1, "it is believed again");
}
