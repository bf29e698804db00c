//! The tokens as a calendar: what an event is, and what becomes of it when something happens to
//! its token.

mod command;
mod hostile;
mod parsed;
mod real;

pub(crate) use parsed::{Parsed, parsed};

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};
use jetond::agenda::{Agenda, Extent, Kind, LARGEST};
use jetond::app;
use jetond::domain::lifecycle::Who;
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::feed::Scope;

use crate::support::daemon::{Town, at, token};

const START: &str = "2026-09-14T08:00:00Z";

/// What stands in for a store's own identity.
const IDENTITY: &str = "0123456789abcdef";

fn head(more: &str) -> String {
    format!(
        "language = \"fr\"\norganisation = \"Ville d’Exemple\"\ncontact = \"dsi@ville.example\"\n{more}\n\
         [mail]\nfrom = \"jetons@ville.example\"\n"
    )
}

/// A town with one token that expires on 15 December 2026.
fn one(more: &str) -> String {
    head(more) + &token("marches", "2026-12-15", &["c.martin@ville.example"])
}

async fn text_of(town: &Town, scope: Scope<'_>, extent: Extent) -> String {
    let desk = app::desk(town.config());
    let wanted = (scope, extent);
    let agenda = Agenda::gather(town.store(), &desk, IDENTITY.to_owned(), wanted, town.now);
    let agenda = agenda.await.unwrap();
    match extent {
        Extent::Whole => agenda.pieces().collect(),
        Extent::Served => agenda.within(LARGEST),
    }
}

async fn calendar(town: &Town) -> Parsed {
    let whole = text_of(town, Scope::All, Extent::Whole).await;
    // What is served is the same where there is room.
    assert_eq!(whole, text_of(town, Scope::All, Extent::Served).await);
    parsed(&whole)
}

async fn act(town: &Town, id: &str, verb: Verb) {
    let hand = Hand {
        calendar: &town.config().calendar,
        who: Who::User("alex".to_owned()),
        now: town.now,
    };
    let done = verbs::act(town.store(), &hand, id, &verb).await.unwrap();
    done.unwrap_or_else(|why| panic!("{verb:?}: {why:?}"));
}

fn end_of(town: &Town, day: &str) -> DateTime<Utc> {
    let day: NaiveDate = day.parse().unwrap();
    town.config().calendar.end_of_day(day)
}

#[tokio::test]
async fn a_token_is_a_day_with_alarms_and_the_days_before_it() {
    let english = one("").replacen("\"fr\"", "\"en\"", 1);
    for (lang, config) in [("fr", one("")), ("en", english)] {
        let town = Town::start(&config, at(START)).await;
        let text = text_of(&town, Scope::All, Extent::Whole).await;
        parsed(&text);
        let shown = text.replace("\r\n", "\n").replace('\u{a0}', "~");
        insta::assert_snapshot!(format!("one_token_{lang}"), shown);
    }
}

/// Of each event: its days, whether it is cancelled, its sequence.
type Seen = BTreeMap<String, (String, String, bool, i64)>;

fn seen(calendar: &Parsed) -> Seen {
    let events = calendar.events.iter().map(|e| {
        let (start, end) = e.days();
        let what = (
            start.to_owned(),
            end.to_owned(),
            e.is_cancelled(),
            e.sequence(),
        );
        (e.get("UID").to_owned(), what)
    });
    events.collect()
}

/// Each event of `before` is still there, and its number has risen.
fn rose(before: &Seen, after: &Seen, what: &str) {
    for (uid, (.., sequence)) in before {
        let (.., now) = after
            .get(uid)
            .unwrap_or_else(|| panic!("{what}: {uid} is gone"));
        assert!(now > sequence, "{what}: {sequence} then {now}");
    }
    assert_eq!(before.len(), after.len(), "{what}");
}

#[tokio::test]
async fn whatever_happens_moves_or_cancels_the_same_events_under_a_higher_number() {
    let config = one("") + &token("suivant", "2028-01-31", &["c.martin@ville.example"]);
    let mut town = Town::start(&config, at(START)).await;
    let mut before = seen(&calendar(&town).await);
    assert_eq!(before.len(), 4);
    let (window, expiry) = uids(&town).await;
    let days = |seen: &Seen, uid: &str| {
        let (start, end, cancelled, _) = seen[uid].clone();
        (start, end, cancelled)
    };
    let on = |start: &str, end: &str, cancelled| (start.to_owned(), end.to_owned(), cancelled);
    assert_eq!(days(&before, &window), on("20260916", "20261215", false));
    assert_eq!(days(&before, &expiry), on("20261215", "20261216", false));

    let until = |town: &Town, day: &str| Renewal::until(end_of(town, day), None);
    let renewed = Verb::Renew(until(&town, "2028-06-15"));
    let corrected = Verb::Correct(until(&town, "2028-06-20"));
    let to_be_revoked = Verb::Revoke {
        at: Some(end_of(&town, "2027-03-01")),
    };
    let filed = Verb::File(Filing::default());
    let steps = [
        (
            "filed",
            filed,
            on("20260916", "20261215", false),
            on("20261215", "20261216", false),
        ),
        (
            "renewed",
            renewed,
            on("20280317", "20280615", false),
            on("20280615", "20280616", false),
        ),
        (
            "corrected",
            corrected,
            on("20280322", "20280620", false),
            on("20280620", "20280621", false),
        ),
        (
            "to be revoked",
            to_be_revoked,
            on("20261201", "20270301", true),
            on("20270301", "20270302", false),
        ),
        (
            "restored",
            Verb::Restore,
            on("20280322", "20280620", false),
            on("20280620", "20280621", false),
        ),
        (
            "archived",
            Verb::Archive,
            on("20280322", "20280620", true),
            on("20280620", "20280621", true),
        ),
        (
            "back",
            Verb::Restore,
            on("20280322", "20280620", false),
            on("20280620", "20280621", false),
        ),
        (
            "revoked",
            Verb::Revoke { at: None },
            on("20280322", "20280620", true),
            on("20280620", "20280621", true),
        ),
        (
            "again",
            Verb::Restore,
            on("20280322", "20280620", false),
            on("20280620", "20280621", false),
        ),
        (
            "superseded",
            Verb::Supersede {
                by: "suivant".to_owned(),
            },
            on("20280322", "20280620", true),
            on("20280620", "20280621", true),
        ),
    ];
    for (what, verb, its_window, its_expiry) in steps {
        town.now += Duration::hours(1);
        act(&town, "marches", verb).await;
        let after = seen(&calendar(&town).await);
        assert_eq!(days(&after, &window), its_window, "{what}");
        assert_eq!(days(&after, &expiry), its_expiry, "{what}");
        let of_it = |seen: &Seen| -> Seen {
            let mine = seen
                .iter()
                .filter(|(uid, _)| [&window, &expiry].contains(uid));
            mine.map(|(uid, what)| (uid.clone(), what.clone()))
                .collect()
        };
        rose(&of_it(&before), &of_it(&after), what);
        before = after;
    }
    // What the file says counts as well.
    town.now += Duration::hours(1);
    town.reload(&(head("") + &token("suivant", "2028-03-31", &["a@ville.example"])))
        .await;
    let after = seen(&calendar(&town).await);
    for (uid, (.., sequence)) in &before {
        let (start, _, _, now) = &after[uid];
        let is_next = *uid != window && *uid != expiry;
        assert_eq!(now > sequence, is_next, "{uid} on {start}");
    }
}

#[tokio::test]
async fn the_day_of_a_revocation_cancels_by_itself() {
    let mut town = Town::start(&one(""), at(START)).await;
    let on = end_of(&town, "2026-10-20");
    act(&town, "marches", Verb::Revoke { at: Some(on) }).await;
    let planned = calendar(&town).await;
    let (_, expiry) = uids(&town).await;
    let event = |c: &Parsed| {
        let found = c.events.iter().find(|e| e.get("UID") == expiry);
        found.unwrap().clone()
    };
    assert!(
        event(&planned)
            .get("SUMMARY")
            .starts_with("Révocation du jeton")
    );
    assert!(!event(&planned).is_cancelled());
    assert_eq!(event(&planned).get("URL"), "");
    town.now = at("2026-10-21T08:00:00Z");
    town.pass().await;
    let over = event(&calendar(&town).await);
    assert!(over.is_cancelled() && over.alarms.is_empty());
    assert!(over.sequence() > event(&planned).sequence());
    assert!(over.get("SUMMARY").starts_with("Annulé\u{a0}: révocation"));
}

#[tokio::test]
async fn what_is_over_stays_ninety_days() {
    let config = one("") + &token("autre", "2026-12-20", &["c.martin@ville.example"]);
    let mut town = Town::start(&config, at(START)).await;
    act(&town, "autre", Verb::Archive).await;
    let ids = async |town: &Town| -> Vec<String> {
        let desk = app::desk(town.config());
        let wanted = (Scope::All, Extent::Whole);
        let agenda = Agenda::gather(town.store(), &desk, IDENTITY.to_owned(), wanted, town.now);
        let agenda = agenda.await.unwrap();
        let days = agenda.events().filter(|e| e.kind == Kind::Expiry);
        days.map(|e| e.token).collect()
    };
    assert_eq!(ids(&town).await, ["marches", "autre"]);
    for (now, there) in [
        ("2026-12-13T22:30:00Z", &["marches", "autre"][..]),
        ("2026-12-13T23:30:00Z", &["marches"]),
        ("2027-03-15T12:00:00Z", &["marches"]),
        ("2027-03-16T12:00:00Z", &[]),
    ] {
        town.now = at(now);
        assert_eq!(ids(&town).await, there, "{now}");
    }
}

#[tokio::test]
async fn the_same_record_is_the_same_bytes_whenever_it_is_read() {
    let config = one("") + &token("autre", "2027-12-20", &["c.martin@ville.example"]);
    let mut town = Town::start(&config, at(START)).await;
    let first = text_of(&town, Scope::All, Extent::Whole).await;
    town.pass().await;
    town.now += Duration::days(20);
    // Reminders left meanwhile: that is no news to a calendar.
    town.pass().await;
    assert_eq!(text_of(&town, Scope::All, Extent::Whole).await, first);
    town.stop().await;
    town.start_again().await;
    assert_eq!(text_of(&town, Scope::All, Extent::Whole).await, first);
    // Another token's news leaves an event as it was.
    act(&town, "autre", Verb::Archive).await;
    let after = parsed(&text_of(&town, Scope::All, Extent::Whole).await);
    let of_marches = |c: &Parsed| {
        let events = c
            .events
            .iter()
            .filter(|e| e.get("DESCRIPTION").contains("marches"));
        events.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_marches(&after), of_marches(&parsed(&first)));
    assert_ne!(after, parsed(&first));
}

#[tokio::test]
async fn alarms_go_off_when_reminders_leave() {
    let stages = "[schedule]\nstages = [90, 30, 7, 1]\nafter_expiry = [0, 7]\nwindow = \"08:30-18:00\"\ndays = \"working\"\n";
    let mut town = Town::start(&one(stages), at(START)).await;
    let triggers = |c: &Parsed| -> Vec<String> {
        let event = c.events.iter().find(|e| !e.alarms.is_empty()).unwrap();
        event
            .alarms
            .iter()
            .map(|(trigger, _)| trigger.clone())
            .collect()
    };
    // 15 December 2026 is a Tuesday: the 30th day before it is a Sunday.
    assert_eq!(
        triggers(&calendar(&town).await),
        [
            "-P89DT15H30M",
            "-P31DT15H30M",
            "-P6DT15H30M",
            "-PT15H30M",
            "PT8H30M"
        ]
    );
    // What was filed silences the early ones only.
    act(&town, "marches", Verb::File(Filing::default())).await;
    let filed = calendar(&town).await;
    assert_eq!(triggers(&filed), ["-P6DT15H30M", "-PT15H30M", "PT8H30M"]);
    assert!(
        filed.events[0]
            .get("DESCRIPTION")
            .contains("a été déposée le 14 septembre 2026")
    );
    // The day on which the form opens, where it is known: 90 × 24 h before the last second.
    town.reload(&one("[renewal]\nopens = 90\n")).await;
    let window = &calendar(&town).await.events[0];
    assert_eq!(window.days(), ("20260917", "20261215"));
    // However many stages there are, an event has eight alarms at most.
    let many: Vec<String> = (1..=60).map(|n| n.to_string()).collect();
    let many = format!("[schedule]\nstages = [{}]\n", many.join(", "));
    act(&town, "marches", Verb::Unfile).await;
    town.reload(&one(&many)).await;
    assert_eq!(triggers(&calendar(&town).await).len(), 8);
}

#[tokio::test]
async fn nobody_is_named() {
    let config = head("").replace("dsi@ville.example", "chef@ville.example")
        + "[clients.x]\nname = \"Mairie X (contact@mairie.example)\"\nrecipients = [\"elu@mairie.example\"]\n\
           [[token]]\nid = \"jeton-de-c.martin@ville.example\"\nname = \"Jeton de c.martin@ville.example\"\nexpires = 2026-12-15\nclient = \"x\"\n\
           recipients = [{ email = \"dgs@mairie.example\", name = \"Camille Martin\", role = \"demandeur\" }]\n";
    let mut town = Town::start(&config, at(START)).await;
    let id = "jeton-de-c.martin@ville.example";
    let filing = Filing {
        by: Some("Camille Martin".to_owned()),
        ..Filing::default()
    };
    act(&town, id, Verb::File(filing)).await;
    let silent = |text: &str| {
        let flat = text.replace("\r\n ", "");
        for word in [
            "martin@", "contact@", "chef@", "dgs@", "elu@", "Camille", "alex",
        ] {
            assert!(!flat.contains(word), "{word} in {flat}");
        }
        assert!(flat.contains("Mairie X (c***@mairie.example)"), "{flat}");
    };
    silent(&text_of(&town, Scope::All, Extent::Whole).await);
    silent(&text_of(&town, Scope::Client("x"), Extent::Whole).await);
    town.now += Duration::hours(1);
    act(&town, id, Verb::Archive).await;
    silent(&text_of(&town, Scope::All, Extent::Whole).await);
}

#[tokio::test]
async fn a_client_has_its_own_tokens_in_its_own_language() {
    let of = |id: &str, client: &str| token(id, "2026-12-15", &["a@ville.example"]) + client;
    let config = head("")
        + "[clients.x]\nname = \"Mairie X\"\nlanguage = \"en\"\n[clients.y]\nname = \"Mairie Y\"\n"
        + &of("chez-x", "client = \"x\"\n")
        + &of("chez-y", "client = \"y\"\n")
        + &of("a-nous", "");
    let town = Town::start(&config, at(START)).await;
    let x = text_of(&town, Scope::Client("x"), Extent::Served).await;
    assert!(x.contains("chez-x") && !x.contains("chez-y") && !x.contains("a-nous"));
    let x = parsed(&x);
    assert_eq!(x.own["X-WR-CALNAME"], "API Entreprise tokens: Mairie X");
    assert_eq!(x.own["NAME"], x.own["X-WR-CALNAME"]);
    assert_eq!(
        x.events[1].get("SUMMARY"),
        "Token “Jeton chez-x” (Mairie X) expires"
    );
    // The same event, whoever subscribes to it.
    let all = calendar(&town).await;
    let uids = |c: &Parsed| {
        c.events
            .iter()
            .map(|e| e.get("UID").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(all.events.len(), 6);
    assert!(uids(&x).iter().all(|uid| uids(&all).contains(uid)));
    let nobody = parsed(&text_of(&town, Scope::Client("z"), Extent::Served).await);
    assert_eq!(nobody.events.len(), 0);
}

#[tokio::test]
async fn a_calendar_that_is_served_has_room_for_a_megabyte_and_says_where_it_ends() {
    let day = NaiveDate::from_ymd_opt(2026, 10, 1).unwrap();
    let name = "é".repeat(120);
    let tokens: String = (0..900)
        .map(|n| {
            let on = day + Duration::days(n / 2);
            format!("[[token]]\nid = \"t{n}\"\nname = \"{name}\"\nexpires = {on}\nrecipients = [\"a@ville.example\"]\n")
        })
        .collect();
    let town = Town::start(&(head("") + &tokens), at(START)).await;
    let whole = text_of(&town, Scope::All, Extent::Whole).await;
    assert!(whole.len() > LARGEST, "{}", whole.len());
    assert_eq!(parsed(&whole).events.len(), 1800);
    let served = text_of(&town, Scope::All, Extent::Served).await;
    assert!(
        served.len() <= LARGEST && served.len() > LARGEST - 10_000,
        "{}",
        served.len()
    );
    let mut events = parsed(&served).events;
    let last = events.pop().unwrap();
    assert_eq!(
        last.get("SUMMARY"),
        "À partir d’ici, ce calendrier est incomplet"
    );
    // The first that has no place comes right after the last that has one.
    let known = events.len() / 2;
    let first_left_out = day + Duration::days(i64::try_from(known).unwrap() / 2);
    assert_eq!(
        last.get("DTSTART"),
        first_left_out.format("%Y%m%d").to_string()
    );
    assert!(
        events
            .iter()
            .all(|e| e.get("DTSTART") <= last.get("DTSTART"))
    );
}

/// The identifiers of the events of `marches`: of its renewal, of its day.
async fn uids(town: &Town) -> (String, String) {
    let desk = app::desk(town.config());
    let wanted = (Scope::All, Extent::Whole);
    let agenda = Agenda::gather(town.store(), &desk, IDENTITY.to_owned(), wanted, town.now);
    let agenda = agenda.await.unwrap();
    let of = |kind: Kind| {
        let found = agenda
            .events()
            .find(|e| e.kind == kind && e.token == "marches");
        found.unwrap().uid
    };
    (of(Kind::Window), of(Kind::Expiry))
}
