//! The service itself: when it is left alone, whose fault a silence is, and that no alarm about a
//! token ever follows from it.

use chrono::Duration;
use jetond::domain::incident::Side;
use jetond::domain::verdict::{Bearing, Case, Verdict};
use jetond::probe::Told;

use super::{Asking, SHORT};
use crate::coverage::edit;
use crate::support::api_server::{
    ApiServer, Does, alive, alive_before, error, error_before, gateway_error, over_volume, page,
    ping, redirect,
};
use crate::support::daemon::at;
use crate::support::smtp_server::Cert;

const MORNING: &str = "2026-11-16T09:00:00+01:00";

/// Asks about a token as a person does.
async fn heard(asking: &Asking, id: &str) -> jetond::probe::Heard {
    match asking.asker().ask_now(id, asking.town.now).await.unwrap() {
        Told::Heard(heard) => *heard,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_what_the_api_answers_has_its_case() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    for (does, case) in [
        (alive(&["a"]), Case::Complete),
        (alive_before(&["a"]), Case::Complete),
        (error(400, "00999"), Case::BadRequest),
        (error(401, "00101"), Case::NotAuthorised),
        (error(401, "00103"), Case::Expired),
        (error(401, "00105"), Case::Blacklisted),
        (error(401, "00106"), Case::TokenNotFound),
        (error_before(401), Case::NotAuthorised),
        (error(403, "00100"), Case::ScopeMissing),
        (error(403, "00107"), Case::AddressNotAllowed),
        (error(404, "00999"), Case::NotFound),
        (error(409, "00015"), Case::AlreadyRunning),
        (error(422, "00201"), Case::Unprocessable),
        (error(451, "00999"), Case::Withheld),
        (over_volume("Retry-After: 5\r\n"), Case::OverVolume),
        (error(500, "01000"), Case::InternalError),
        (error(502, "01000"), Case::ProviderError),
        (gateway_error(502), Case::GatewayError),
        (error(503, "01000"), Case::Unavailable),
        (error(504, "01000"), Case::TooSlow),
        (page(200), Case::NotUnderstood),
        (page(401), Case::NotUnderstood),
        (redirect("https://elsewhere.example/"), Case::NotUnderstood),
        (error(401, "00100"), Case::NotUnderstood),
        (Does::Garbage, Case::NoAnswer),
        (Does::Drops, Case::NoAnswer),
        (Does::Hangs, Case::NoAnswer),
        (Does::Drips, Case::NoAnswer),
        (Does::Huge, Case::NotUnderstood),
    ] {
        asking.server.will([does.clone()]);
        let heard = heard(&asking, "m").await;
        assert_eq!(heard.reading.case, case, "{does:?}");
        let verdict = case.verdict();
        let says = verdict.bearing() != Bearing::Nothing && verdict != Verdict::BadRequest;
        let counts = says && case != Case::OverVolume;
        assert_eq!(heard.service.failures == 0, counts, "{does:?}");
        assert_eq!(heard.service.incident.is_none(), says, "{does:?}");
        assert!(heard.reading.said.chars().count() <= 513, "{does:?}");
        asking.town.now += Duration::days(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_is_left_alone_longer_and_longer() {
    let ids: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut asking = Asking::start(&ids, "2027-12-01", MORNING).await;
    asking.server.always(error(500, "01000"));
    asking.probe.hour = 9;
    asking.until_called(1).await;
    // A day later they are all due.
    asking.town.now = at("2026-11-17T12:00:00+01:00");
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let asked = asking.step().await;
        assert_eq!(
            (asked.calls, asked.pings),
            (1, 1),
            "one call, one ping, and then none"
        );
        assert_eq!(asking.step().await.calls, 0);
        let next = asked.next.unwrap();
        let pause = (next - asking.town.now).num_seconds();
        pauses.push((pause + 15) / 30 * 30);
        asking.town.now = next - Duration::seconds(1);
        assert_eq!(asking.step().await.calls, 0);
        asking.town.now = next;
    }
    // The first failure was a day before.
    assert_eq!(pauses, [60, 120, 300, 600, 900, 900, 900, 900]);
    asking.server.always(alive(&["entreprises"]));
    // Those that have failed wait for the next day.
    assert_eq!(asking.step().await.calls, 2);
    let service = asking.town.store().service().await.unwrap();
    assert_eq!(
        (service.failures, service.incident, service.not_before),
        (0, None, None)
    );
    let notes = asking.town.notes().await;
    assert!(notes.is_empty(), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asked_wait_is_kept_to_the_letter_by_everyone() {
    let mut asking = Asking::start(&["m", "n"], "2027-12-01", MORNING).await;
    asking.server.will([over_volume("Retry-After: 43200\r\n")]);
    asking.probe.hour = 9;
    asking.until_called(1).await;
    let told_at = asking.town.now;
    let until = told_at + Duration::hours(12);
    // Not by a restart, nor by a person.
    asking.town.start_again().await;
    for minutes in [1, 60, 719] {
        asking.town.now = told_at + Duration::minutes(minutes);
        let asked = asking.step().await;
        assert_eq!((asked.calls, asked.pings), (0, 0));
        let told = asking.asker().ask_now("n", asking.town.now).await.unwrap();
        assert!(
            matches!(told, Told::Rests(at) if at >= until && at <= until + Duration::seconds(2))
        );
    }
    assert_eq!(asking.server.told().len(), 1);
    asking.town.now = until + Duration::seconds(2);
    assert_eq!(
        asking.step().await.calls,
        1,
        "the other one is due since then"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_without_a_wait_is_left_alone_longer_and_longer() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.server.always(over_volume(""));
    let mut waits = Vec::new();
    for _ in 0..6 {
        let heard = heard(&asking, "m").await;
        let until = heard.service.not_before.unwrap();
        waits.push((until - heard.at).num_minutes());
        assert_eq!(heard.service.incident, None);
        asking.town.now = until + Duration::seconds(1);
    }
    assert_eq!(waits, [1, 1, 2, 5, 10, 15]);
    asking.server.always(alive(&["a"]));
    assert_eq!(heard(&asking, "m").await.service.failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asked_wait_that_could_not_be_written_down_is_kept_all_the_same() {
    let mut asking = Asking::start(&["m", "n"], "2027-12-01", MORNING).await;
    asking.probe.hour = 7;
    asking.town.now += Duration::days(3);
    asking.server.always(over_volume("Retry-After: 600\r\n"));
    let asker = asking.asker();
    for sql in [
        "CREATE TRIGGER full BEFORE UPDATE OF answered_at ON probe BEGIN SELECT RAISE(ABORT, 'full'); END",
        "CREATE TRIGGER none BEFORE INSERT ON service BEGIN SELECT RAISE(ABORT, 'full'); END",
    ] {
        edit(&asking.town, sql).await;
    }
    asker.step(asking.town.now).await.unwrap_err();
    edit(&asking.town, "DROP TRIGGER full; DROP TRIGGER none").await;
    for minutes in [0, 9] {
        let now = asking.town.now + Duration::minutes(minutes);
        assert_eq!(asker.step(now).await.unwrap().calls, 0);
    }
    assert_eq!(asking.server.told().len(), 1);
    let later = asking.town.now + Duration::minutes(11);
    assert_eq!(asker.step(later).await.unwrap().calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_a_clock_wrote_that_was_ahead_is_no_wait() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.town.now += Duration::days(365);
    asking.server.will([error(503, "01000")]);
    assert_eq!(heard(&asking, "m").await.service.failures, 1);
    asking.town.now -= Duration::days(365);
    let heard = heard(&asking, "m").await;
    assert_eq!(heard.reading.case, Case::Complete);
    assert_eq!(heard.service.not_before, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_tells_whose_fault_it_is() {
    let last_ok = at("2026-11-16T07:00:00Z");
    for (privileges, pinged, expected) in [
        (
            error(502, "01000"),
            ping("bad_gateway", Some("2026-11-16T07:00:00Z")),
            ("provider", Some(last_ok)),
        ),
        (Does::Hangs, ping("maintenance", None), ("provider", None)),
        (error(500, "01000"), ping("ok", None), ("service", None)),
        (error(503, "01000"), Does::Drops, ("service", None)),
        (Does::Drops, ping("ok", None), ("service", None)),
        (Does::Drops, error(503, "01000"), ("service", None)),
        (Does::Drops, Does::Hangs, ("our_side", None)),
        (page(200), page(200), ("our_side", None)),
        (
            redirect("https://portail.example/"),
            redirect("https://portail.example/"),
            ("our_side", None),
        ),
        // A time that cannot be is none.
        (
            error(502, "01000"),
            ping("bad_gateway", Some("2038-01-01T00:00:00Z")),
            ("provider", None),
        ),
    ] {
        let asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
        asking.server.always(privileges.clone());
        asking.server.pings(pinged.clone());
        let heard = heard(&asking, "m").await;
        let incident = heard.service.incident.unwrap();
        let since = Some(incident.since).filter(|at| *at < asking.town.now);
        assert_eq!(
            (incident.side.word(), since),
            expected,
            "{privileges:?} {pinged:?}"
        );
        let pings: Vec<_> = asking
            .server
            .told()
            .into_iter()
            .filter(|t| t.line.contains("/ping/"))
            .collect();
        assert_eq!(pings.len(), 1);
        assert_eq!(pings[0].line, "GET /ping/insee/unites_legales");
        assert_eq!(
            pings[0].header("authorization"),
            "",
            "a ping carries no token"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_others_ends_by_a_ping_without_any_token() {
    let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    asking.server.always(error(502, "01000"));
    asking.server.pings(ping("bad_gateway", None));
    let mut asked = asking.until_called(1).await;
    let began = asking.town.now;
    for _ in 0..3 {
        asking.town.now = asked.next.unwrap();
        asked = asking.step().await;
        assert_eq!((asked.calls, asked.pings), (0, 1));
    }
    let service = asking.town.store().service().await.unwrap();
    let incident = service.incident.unwrap();
    assert_eq!(incident.side, Side::Provider);
    assert!(
        incident.since - began < Duration::seconds(5),
        "it began with the first"
    );
    assert!(incident.seen_at >= asking.town.now, "and was seen since");
    assert_eq!(service.patience, None, "nobody asked for the pause");
    asking.server.pings(ping("ok", None));
    asking.town.now = asked.next.unwrap();
    assert_eq!(asking.step().await.pings, 1);
    assert_eq!(asking.town.store().service().await.unwrap().incident, None);
    assert_eq!(asking.step().await.pings, 0);
    assert_eq!(asking.server.asked("/privileges"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ping_ends_what_a_ping_has_found_and_not_what_a_call_has() {
    for (privileges, is_ended) in [(Does::Drops, true), (error(503, "01000"), false)] {
        let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
        asking.server.always(privileges);
        asking.server.pings(error(503, "01000"));
        let asked = asking.until_called(1).await;
        let service = asking.town.store().service().await.unwrap();
        assert_eq!(service.incident.unwrap().side, Side::Service);
        asking.server.pings(ping("ok", None));
        asking.town.now = asked
            .next
            .unwrap()
            .min(asking.town.now + Duration::minutes(1));
        assert_eq!(asking.step().await.pings, u32::from(is_ended));
        let service = asking.town.store().service().await.unwrap();
        assert_eq!(service.incident.is_none(), is_ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_leaves_where_the_way_is_not_right() {
    // A certificate that does not hold: nobody has read the token.
    for cert in [Cert::Expired, Cert::WrongHost, Cert::UnknownCa] {
        let mut asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
        asking.server = ApiServer::with(cert);
        let secrets = std::mem::take(&mut asking.probe.secrets);
        asking.probe = asking.server.probe();
        asking.probe.secrets = secrets;
        let heard = heard(&asking, "m").await;
        assert_eq!(heard.reading.case, Case::NoAnswer, "{cert:?}");
        assert_eq!(heard.service.incident.unwrap().side.word(), "our_side");
        assert!(asking.server.told().is_empty());
    }
    // A private address, http, and a host that is not named.
    let asking = Asking::start(&["m"], "2027-12-01", MORNING).await;
    let with = |change: &dyn Fn(&mut jetond::config::Probe)| {
        let mut probe = asking.probe.clone();
        change(&mut probe);
        probe
    };
    let port = asking.server.port();
    let mut now = asking.town.now;
    for probe in [
        with(&|p| p.allow_private = false),
        with(&|p| p.allowed_hosts = vec!["entreprise.api.gouv.fr".to_owned()]),
        with(&|p| p.base_url = format!("http://localhost:{port}").parse().unwrap()),
    ] {
        let asker = asking.asker_of(probe);
        now += Duration::days(1);
        let told = asker.ask_now("m", now).await.unwrap();
        match told {
            Told::Heard(heard) => assert_eq!(heard.reading.case, Case::NoAnswer),
            Told::Hindered(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(asking.server.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_up_neither_passes_nor_mails() {
    let asking = Asking::start(&["m"], "2026-12-01", MORNING).await;
    asking.server.always(Does::Hangs);
    let asker = asking.asker();
    let mut call = std::pin::pin!(asker.ask_now("m", asking.town.now));
    tokio::select! {
        _ = &mut call => panic!("nobody answers"),
        () = asking.server.until_asked(1) => {}
    }
    // Stage 15 of that very token.
    assert_eq!(asking.town.pass().await.sent, 1);
    let began = std::time::Instant::now();
    let Told::Heard(heard) = call.await.unwrap() else {
        panic!("it was asked");
    };
    assert_eq!(heard.reading.case, Case::NoAnswer);
    assert!(began.elapsed() < SHORT * 10);
}
