//! What was heard does not outlive what it was heard of: a renewed token, a secret that is gone, a
//! date that has passed; and what asks for patience gets it from everything that asks.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::verdict::{Bearing, Verdict};
use jetond::probe::Told;
use jetond::renewal::clock;
use jetond::store::board::tokens::{Heard, Today, TokenFilter};

use super::{Asking, declared, head, jwt, section};
use crate::support::api_server::{ApiServer, alive, error, over_volume, ping, with_headers};
use crate::support::daemon::{Town, at};

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// What is asked for without a token.
const PING: &str = "/ping/insee/unites_legales";

fn file(server: &ApiServer, expires: &str, secret: &str) -> String {
    head() + &section(server) + &declared("m", expires) + secret
}

const SECRET: &str = "secret = { file = \"m.jwt\" }\n";

/// A town whose file says all of it.
async fn asking(expires: &str) -> Asking {
    let server = ApiServer::start();
    let town = Town::start(&file(&server, expires, ""), at(MORNING)).await;
    let mut asking = Asking {
        probe: server.probe(),
        town,
        server,
    };
    asking.give("m", &jwt("m"));
    let text = file(&asking.server, expires, SECRET);
    asking.town.reload(&text).await;
    asking
}

async fn deaths(asking: &Asking) -> usize {
    let mails = asking.town.mails().await;
    mails.iter().filter(|m| m.kind == "note_probe_dead").count()
}

/// How many tokens the list shows as expired; and how many it finds as that, and as refused.
async fn listed(asking: &Asking) -> [i64; 3] {
    let store = asking.town.store();
    let today = Today::at(&asking.town.config().calendar, asking.town.now);
    let no = store.watched(&["m"]).await.unwrap().remove(0).no;
    let rows = store.listed(&[no], &today).await.unwrap();
    let shown = rows
        .iter()
        .filter(|r| r.verdict.is_some_and(|(v, _)| v == Verdict::Expired));
    let mut counts = [i64::from(shown.count() == 1), 0, 0];
    for (n, heard) in [Heard::Is(Verdict::Expired), Heard::Refused]
        .into_iter()
        .enumerate()
    {
        let filter = TokenFilter {
            heard: Some(heard),
            ..TokenFilter::default()
        };
        counts[n + 1] = store.count_tokens(&filter, &today).await.unwrap().rows;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_after_a_renewal_is_another_one() {
    // Dead at its date, as the record said, and dead before it: each is told anew after a renewal.
    for (expires, told) in [("2026-11-10", 0), ("2027-03-01", 2)] {
        let mut asking = asking(expires).await;
        asking.server.always(error(401, "00103"));
        asking.until_called(2).await;
        let death = asking.probed("m").await.death().unwrap();
        assert_eq!(death.verdict, Verdict::Expired);
        assert_eq!(listed(&asking).await, [1, 1, 1]);
        assert_eq!(deaths(&asking).await, told);
        let text = file(&asking.server, "2028-05-10", SECRET);
        asking.town.now += Duration::hours(10);
        asking.town.reload(&text).await;
        // What was heard of the former period is not said of this one, nor anywhere.
        assert_eq!(asking.probed("m").await.death(), None);
        assert_eq!(listed(&asking).await, [0, 0, 0]);
        asking.until_called(1).await;
        assert_eq!(deaths(&asking).await, told);
        asking.until_called(1).await;
        assert!(asking.probed("m").await.death().is_some());
        assert_eq!(deaths(&asking).await, told + 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_days_to_come_does_not_make_void_what_is_heard() {
    // The clock was a year ahead when the token was renewed.
    let mut asking = asking("2027-03-01").await;
    asking.town.now += Duration::days(365);
    let text = file(&asking.server, "2028-05-10", SECRET);
    asking.town.reload(&text).await;
    asking.town.now -= Duration::days(365);
    asking.until_called(1).await;
    let belief = asking.probed("m").await.known.belief.unwrap();
    assert_eq!(belief.verdict, Verdict::Alive);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_jti_on_record_is_not_asked_about() {
    // The text of the token before it, which is dead by right, may lie where its own should.
    let server = ApiServer::start();
    server.always(error(401, "00103"));
    let config = head() + &crate::support::daemon::token("m", "2027-03-01", &["a@ville.example"]);
    let town = Town::start(&config, at(MORNING)).await;
    let mut asking = Asking {
        probe: server.probe(),
        town,
        server,
    };
    asking.give("m", &jwt("m"));
    asking.probe.hour = 7;
    asking.town.now += Duration::days(2);
    assert_eq!(asking.step().await.calls, 0);
    let hindrance = asking.probed("m").await.hindrance.unwrap();
    assert!(hindrance.contains("jti"), "{hindrance}");
    assert!(asking.server.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_nothing_is_said_any_more() {
    let mut asking = asking("2027-03-01").await;
    asking.server.always(error(401, "00105"));
    asking.until_called(2).await;
    asking.server.always(error(503, "00503"));
    asking.until_called(1).await;
    assert!(asking.probed("m").await.death().is_some());
    let asked_at = asking.probed("m").await.known.asked_at;
    let text = file(&asking.server, "2027-03-01", "");
    asking.town.reload(&text).await;
    let probed = asking.probed("m").await;
    assert_eq!((probed.death(), probed.last), (None, None));
    // The day's call was made all the same.
    assert_eq!(probed.known.asked_at, asked_at);
    let service = asking.town.store().service().await.unwrap();
    assert_eq!(service.incident, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_before_a_look_at_the_token_proves_no_later_date() {
    let mut asking = asking("2026-11-10").await;
    for does in [over_volume("Retry-After: 60\r\n"), error(404, "00404")] {
        asking.server.always(does);
        asking.until_called(1).await;
        let probed = asking.probed("m").await;
        assert!(!probed.outlives(at("2026-11-10T22:59:59Z")), "{probed:?}");
    }
    let mails = asking.town.mails().await;
    assert!(!mails.iter().any(|m| m.kind == "note_probe_prolonged"));
    asking.server.always(alive(&["entreprises"]));
    asking.until_called(1).await;
    assert!(
        asking
            .probed("m")
            .await
            .outlives(at("2026-11-10T22:59:59Z"))
    );
}

/// When the service may be asked again.
async fn not_before(asking: &Asking) -> DateTime<Utc> {
    let service = asking.town.store().service().await.unwrap();
    service.not_before.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_ask_for_patience_and_get_it() {
    const WAIT: &str = "Retry-After: 43200\r\n";
    // The second one tells of an incident, whose end is looked for by pings alone.
    for (pinged, word) in [
        (over_volume(WAIT), "service"),
        (with_headers(ping("bad_gateway", None), WAIT), "provider"),
    ] {
        let mut asking = asking("2027-03-01").await;
        asking.server.always(error(502, "00502"));
        asking.server.pings(pinged);
        asking.until_called(1).await;
        let incident = asking.town.store().service().await.unwrap().incident;
        assert_eq!(incident.unwrap().side.word(), word);
        let until = not_before(&asking).await;
        assert!(until >= asking.town.now + Duration::hours(12) - Duration::seconds(1));
        asking.town.now = until - Duration::minutes(1);
        let asked = asking.step().await;
        assert_eq!((asked.calls, asked.pings), (0, 0));
        assert_eq!(asking.server.asked(PING), 1);
        asking.town.now = until;
        let asked = asking.step().await;
        assert_eq!(
            (asked.calls, asked.pings),
            (0, u32::from(word == "provider"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ping_follows_an_answer_that_asks_for_patience() {
    let mut asking = asking("2027-03-01").await;
    let does = with_headers(error(503, "00503"), "Retry-After: 3600\r\n");
    asking.server.always(does);
    asking.until_called(1).await;
    assert_eq!(asking.server.asked(PING), 0);
    let service = asking.town.store().service().await.unwrap();
    assert_eq!(service.incident.unwrap().side.word(), "service");
    assert!(not_before(&asking).await >= asking.town.now + Duration::minutes(59));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_may_not_read_a_secret_says_nothing_of_the_daemon() {
    let mut asking = asking("2027-03-01").await;
    asking.until_called(1).await;
    std::fs::remove_file(asking.town.dir().join("m.jwt")).unwrap();
    let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
    assert!(matches!(told, Told::Hindered(_)), "{told:?}");
    let probed = asking.probed("m").await;
    assert_eq!(probed.hindrance, None);
    assert_eq!(
        probed.known.belief.unwrap().verdict.bearing(),
        Bearing::Lives
    );
}

/// What the API said by a clock a year ahead does not lie ahead any more: the token is asked about
/// again from the next day on, and the service is left alone for as long as it has asked.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_by_a_clock_that_was_ahead_is_taken_back() {
    for (last, rest) in [
        (over_volume("Retry-After: 7200\r\n"), 7200),
        (error(503, "00503"), 30),
    ] {
        let mut asking = asking("2029-03-01").await;
        asking.until_called(1).await;
        let right = asking.town.now;
        asking.town.now += Duration::days(365);
        let resets = (asking.town.now + Duration::hours(5)).timestamp();
        let volume = format!(
            "RateLimit-Limit: 50\r\nRateLimit-Remaining: 1\r\nRateLimit-Reset: {resets}\r\n"
        );
        for does in [with_headers(error(401, "00105"), &volume), last] {
            asking.server.will([does]);
            let told = asking.asker().ask_now("m", asking.town.now).await.unwrap();
            assert!(matches!(told, Told::Heard(_)), "{told:?}");
        }
        asking.town.pass().await;
        asking.town.now = right + Duration::minutes(5);
        let (now, store) = (asking.town.now, asking.town.store());
        let calendar = &asking.town.config().calendar;
        let said = clock::believe(store, calendar, "user:camille", now).await;
        assert!(said.unwrap().was_behind());

        let service = store.service().await.unwrap();
        let rests = service.not_before.unwrap() - now;
        assert!(
            (rests.num_seconds() - rest).abs() < 5,
            "{rests} for {rest} s"
        );
        assert!(service.seen_at.unwrap() <= now);
        assert!(service.incident.is_none_or(|i| i.since <= now));
        let probed = asking.probed("m").await;
        let known = &probed.known;
        assert_eq!(known.asked_at, Some(now));
        let (_, suspected) = known.suspicion.unwrap();
        let belief = known.belief.unwrap();
        let heard = [suspected, belief.since, belief.at, probed.last.unwrap().at];
        assert!(heard.iter().all(|at| *at <= now), "{known:?}");
        assert_eq!(known.volume, None, "it would be near its end for a year");
        // The day has had its call; the next one comes as ever.
        assert_eq!(asking.step().await.calls, 0);
        asking.until_called(1).await;
        assert!(asking.town.now - now < Duration::days(2));
    }
}
