//! When tokens are asked about, what leaves, and what is written down of the answers.

use chrono::Duration;
use jetond::domain::verdict::{Case, Verdict};

use super::{Asking, jwt};
use crate::support::api_server::{Does, alive, error};

/// An hour and more after the tokens were declared, in the morning.
const MORNING: &str = "2026-11-16T09:00:00+01:00";

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
    assert!(asking.town.now - at < Duration::minutes(61));
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
