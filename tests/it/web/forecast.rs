//! The mails of the next fourteen days: the page says what `simulate` says of the same store, and
//! the part of the store that it copies is enough for that.

use axum::Router;
use chrono::{DateTime, Days, Duration, Utc};
use jetond::app;
use jetond::delivery::clerk::Clerk;
use jetond::domain::lifecycle::{Silence, Who};
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::simulate::{self, Announced};
use jetond::store::Store;
use jetond::web::Limits;

use super::Server;
use super::overview::{HEAD, overview};
use crate::support::daemon::{Town, at};
use crate::support::town::town;

/// Every mail of a copy from now until then, in an order of its own.
async fn announced(town: &Town, copy: Store, until: DateTime<Utc>) -> Vec<Announced> {
    let config = town.config();
    let clerk = Clerk {
        store: copy,
        desk: app::desk(config),
    };
    let mut all = Vec::new();
    simulate::run(
        &clerk,
        &app::planner(config),
        None,
        town.now,
        until,
        |_, mails| all.extend(mails),
    )
    .await
    .unwrap();
    clerk.store.close().await;
    all.sort_by_key(|a| format!("{a:?}"));
    all
}

async fn act(town: &Town, who: Who, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who,
        now: town.now,
    };
    // What the tokens of chance do not allow is refused, and changes nothing.
    let _refused = verbs::act(town.store(), &hand, id, &verb).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_part_that_matters_announces_the_same_mails_as_the_whole() {
    let first = "2026-11-23".parse().unwrap();
    let declared = town(110, first, 11);
    let config = format!(
        "{HEAD}[reports]\nweekly = false\n{}",
        declared.declared.as_str()
    );
    let mut town = Town::start(&config, at("2026-11-23T07:30:00Z")).await;
    let user = || Who::User("alex".to_owned());
    let id = |n: usize| declared.tokens[n % declared.tokens.len()].id.clone();
    let (mut compared, mut mails) = (0, 0);
    for day in 0..20_usize {
        // Whatever changes what will be told, on some token or other each day.
        let now = town.now;
        let later = |days| now + Duration::days(days);
        act(&town, user(), &id(day * 7), Verb::File(Filing::default())).await;
        let until = later(20);
        act(&town, user(), &id(day * 11 + 1), Verb::Snooze { until }).await;
        let declare = Verb::Declare { expires: None };
        act(
            &town,
            Who::Recipient("p7@ville.example".to_owned()),
            &id(day * 13 + 2),
            declare,
        )
        .await;
        let revoke = Verb::Revoke { at: Some(later(9)) };
        act(&town, user(), &id(day * 17 + 3), revoke).await;
        let renew = Verb::Renew(Renewal::until(later(540), None));
        act(&town, user(), &id(day * 19 + 4), renew).await;
        let by = id(day * 29 + 6);
        act(&town, user(), &id(day * 23 + 5), Verb::Supersede { by }).await;
        if day % 6 == 3 {
            // Before the pass: news are untold, stages are due and nothing is planned.
            let path = town.store().path().unwrap().to_owned();
            let end = later(14);
            let whole = Store::copy_of(&path).await.unwrap();
            let part = Store::copy_until(&path, now, end).await.unwrap();
            assert!(part.tokens().await.unwrap().len() < declared.tokens.len());
            let whole = announced(&town, whole, end).await;
            let part = announced(&town, part, end).await;
            assert_eq!(part, whole, "on day {day}");
            compared += 1;
            mails += whole.len();
        }
        town.pass().await;
        town.now += Duration::days(1);
    }
    assert_eq!(compared, 3);
    assert!(mails > 100, "{mails} mails say little");
    let said = town.store().all_said().await.unwrap();
    for kind in [Silence::Filed, Silence::Declared, Silence::Snoozed] {
        assert!(said.iter().any(|(_, s)| s.kind == kind), "{kind:?}");
    }
}

/// The days of the page: date, mails, people.
fn days(page: &str) -> Vec<(String, usize, usize)> {
    let table = page.split("<table class=\"ahead\">").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let number = |cell: &str| {
        let inner = cell.split('>').nth(1).unwrap().split('<').next().unwrap();
        let digits: String = inner.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    table
        .split("<tr>")
        .skip(2)
        .map(|row| {
            let date = row.split("datetime=\"").nth(1).unwrap();
            let mut cells = row.split("<td class=\"number\"").skip(1);
            let mut next = || number(cells.next().unwrap());
            (date.split('"').next().unwrap().to_owned(), next(), next())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_simulate_says() {
    const PRESENT: fn() -> DateTime<Utc> = || at("2026-12-03T08:30:00Z");
    let declared = town(120, "2026-11-23".parse().unwrap(), 5);
    let mut town = Town::start(
        &format!("{HEAD}{}", declared.declared),
        at("2026-12-01T08:00:00Z"),
    )
    .await;
    while town.now < PRESENT() {
        town.pass().await;
        town.now += Duration::days(1);
    }
    town.now = PRESENT();
    let site = app::site(town.config(), town.rig().sender.clerk(), PRESENT);
    let server = Server::on(site, Limits::default(), Router::new()).await;
    let page = overview(&server, "/?lang=en").await;

    // The command's own functions, on the whole store.
    let (config, calendar) = (town.config(), &town.config().calendar);
    let clerk = app::clerk(config, app::copy(config, town.now).await.unwrap());
    let end = calendar.end_of_day(calendar.date(town.now) + Days::new(14));
    let (planner, reporter) = (app::planner(config), app::reporter(config));
    let mut told: Vec<(String, usize, Vec<String>)> = Vec::new();
    simulate::run(
        &clerk,
        &planner,
        reporter.as_ref(),
        town.now,
        end,
        |when, mails| {
            let date = calendar.date(when).to_string();
            if told.last().is_none_or(|(last, ..)| *last != date) {
                told.push((date, 0, Vec::new()));
            }
            let (_, count, people) = told.last_mut().unwrap();
            *count += mails.len();
            people.extend(mails.into_iter().map(|m| m.recipient));
        },
    )
    .await
    .unwrap();
    let told: Vec<(String, usize, usize)> = told
        .into_iter()
        .map(|(date, mails, mut people)| {
            people.sort();
            people.dedup();
            (date, mails, people.len())
        })
        .collect();
    assert!(told.len() > 5, "{told:?}");
    assert_eq!(days(&page), told);
    assert!(page.contains("weekly report"), "{page}");
    server.stop().await;
}
