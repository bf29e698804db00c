//! Events of Data Pass on a real store: one state whatever their order, through the same verbs
//! as by hand.

use chrono::{DateTime, Duration, Utc};
use jetond::domain::address::Address;
use jetond::domain::datapass::merge::OnApprove;
use jetond::domain::datapass::{Contact, Event, Kind};
use jetond::domain::lifecycle::{State, Who};
use jetond::domain::token::{DatapassId, Role};
use jetond::renewal::datapass::{Received, Rules, receive};
use jetond::renewal::reconcile::{Brake, Declaration, reconcile};
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::Store;
use jetond::store::datapass::Arrival;
use proptest::prelude::*;

use super::events::{NUMBER, SPAN, start, two_deliveries};
use crate::config::{LEAST, Place};
use crate::support::daemon::{Town, at, head, token};

/// A store with the token of the events, and one with another number.
async fn two_tokens() -> (Store, Rules) {
    let token = |id: &str, number: &str| {
        format!(
            "[[token]]\nid = \"{id}\"\nname = \"T\"\nexpires = 2026-07-01\ndatapass_id = \"{number}\"\n\
             recipients = [\"p0@ville.example\", \"dsi@ville.example\"]\n"
        )
    };
    let declared = format!("{LEAST}{}{}", token("mine", NUMBER), token("other", "9002"));
    let config = Place::with(declared).config();
    let store = Store::in_memory().await.unwrap();
    let file = Declaration {
        tokens: &config.tokens,
        stages: &config.stages,
        calendar: &config.calendar,
        validity_months: config.validity_months,
        digest: &config.digest,
    };
    let before = start() - Duration::days(1);
    reconcile(&store, file, Brake::Archive, before)
        .await
        .unwrap();
    let rules = Rules {
        calendar: config.calendar,
        validity_months: config.validity_months,
        on_approve: OnApprove::Renew,
    };
    (store, rules)
}

/// What of a token counts; of one that is not watched, only that, and who was told.
#[derive(Debug, PartialEq)]
struct Seen {
    state: State,
    watched: Option<(DateTime<Utc>, Option<DateTime<Utc>>)>,
    people: Vec<(String, String, Option<String>)>,
}

async fn seen(store: &Store, id: &str) -> Seen {
    let token = store.token(id).await.unwrap().unwrap();
    let said = store.said(token.no).await.unwrap();
    let filed = said.iter().find_map(|s| s.filed_at);
    let mut tx = store.begin().await.unwrap();
    let people = tx.known_recipients_of(&[token.no]).await.unwrap();
    tx.rollback().await.unwrap();
    Seen {
        state: token.state,
        watched: (token.state == State::Active).then_some((token.period.expires, filed)),
        people: people
            .into_iter()
            .filter(|r| !r.removed)
            .map(|r| (r.key, r.role, r.name))
            .collect(),
    }
}

/// What a person did on the second day, before any event came.
async fn by_hand(store: &Store, rules: &Rules, what: u8) {
    let now = start() + Duration::days(SPAN / 2);
    let hand = Hand {
        calendar: &rules.calendar,
        who: Who::User("alex".to_owned()),
        now,
    };
    let verbs = match what {
        0 => vec![],
        1 => vec![Verb::File(Filing::default())],
        2 => vec![Verb::File(Filing::default()), Verb::Unfile],
        3 => vec![Verb::Renew(Renewal::until(now + Duration::days(100), None))],
        4 => vec![Verb::Archive, Verb::Restore],
        5 => vec![Verb::Archive],
        _ => vec![Verb::Revoke { at: None }, Verb::Restore],
    };
    for verb in verbs {
        verbs::act(store, &hand, "mine", &verb)
            .await
            .unwrap()
            .unwrap();
    }
}

/// The tokens after a delivery, whose events fired on the days of their seconds; each comes an
/// hour after the one before it at the earliest.
async fn delivered(events: &[Event], on_approve: OnApprove, person: u8) -> [Seen; 2] {
    let (store, mut rules) = two_tokens().await;
    rules.on_approve = on_approve;
    by_hand(&store, &rules, person).await;
    let mut now = start() + Duration::days(SPAN / 2);
    for event in events {
        let mut event = event.clone();
        let days = (event.fired_at - start()).num_seconds();
        event.fired_at = start() + Duration::days(days);
        now = now.max(event.fired_at) + Duration::hours(1);
        let received = receive(&store, &rules, &event, now).await.unwrap();
        assert_eq!(received.tokens, ["mine"]);
    }
    let seen = [seen(&store, "mine").await, seen(&store, "other").await];
    store.close().await;
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn any_events_in_any_order_end_in_the_same_record(
        [one, other] in two_deliveries(7),
        renew in any::<bool>(),
        person in 0..7_u8,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let on_approve = if renew { OnApprove::Renew } else { OnApprove::Ask };
        let (a, b, untouched) = runtime.block_on(async {
            let a = delivered(&one, on_approve, person).await;
            let b = delivered(&other, on_approve, person).await;
            (a, b, delivered(&[], on_approve, 0).await)
        });
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(&a[1], &untouched[1], "another number is nobody's business");
    }
}

/// A town with one token, and the payloads' way into its record.
struct Watched {
    town: Town,
    on_approve: OnApprove,
}

impl Watched {
    /// 75 days before the end of a token with the number 9001; its catch-up has left.
    async fn begin(on_approve: OnApprove) -> Self {
        let config = head(9).replace("\"smtp\"\n[mail.smtp]", "\"file\"\n[mail.smtp]")
            + &token("a", "2026-12-15", &["c@ville.example"]).replace("11244", NUMBER);
        let mut town = Town::start(&config, at("2026-10-01T08:29:00Z")).await;
        town.pass_after(1).await;
        Self { town, on_approve }
    }

    /// An event that fires now and comes at once.
    async fn event(&mut self, word: &str) -> Received {
        let event = self.made(word, self.town.now);
        self.receive(&event).await
    }

    fn made(&self, word: &str, fired_at: DateTime<Utc>) -> Event {
        Event {
            number: DatapassId::parse(NUMBER).unwrap(),
            kind: Kind::parse(word).unwrap(),
            fired_at,
            name: None,
            siret: None,
            scopes: None,
            people: Vec::new(),
        }
    }

    async fn receive(&mut self, event: &Event) -> Received {
        let config = self.town.config();
        let rules = Rules {
            calendar: config.calendar.clone(),
            validity_months: config.validity_months,
            on_approve: self.on_approve,
        };
        let received = receive(self.town.store(), &rules, event, self.town.now).await;
        self.town.now += Duration::minutes(1);
        received.unwrap()
    }

    /// The mails of these mornings: `DAY KIND ADDRESS`.
    async fn mornings(&mut self, days: i64) -> Vec<String> {
        let before = self.town.mails().await.len();
        for _ in 0..days {
            self.town.now += Duration::days(1);
            self.town.pass().await;
            self.town.pass().await;
        }
        let calendar = &self.town.config().calendar;
        let mails = self.town.mails().await.split_off(before);
        let day = |at: Option<DateTime<Utc>>| at.map(|at| calendar.date(at).to_string());
        mails
            .into_iter()
            .map(|m| format!("{} {} {}", day(m.settled_at).unwrap(), m.kind, m.address))
            .collect()
    }

    async fn expires(&self) -> String {
        let token = self.town.store().token("a").await.unwrap().unwrap();
        token.period.expires.to_rfc3339()
    }

    async fn words(&self) -> Vec<String> {
        let history = self.town.store().history(None, 1000).await.unwrap();
        let of = history.into_iter().filter(|e| e.who == "webhook");
        of.map(|e| e.what).collect()
    }
}

#[tokio::test]
async fn a_filed_request_is_silent_until_it_is_refused() {
    let mut watched = Watched::begin(OnApprove::Ask).await;
    watched.event("submit").await;
    assert_eq!(watched.mornings(18).await, [""; 0], "stage 60 is silenced");
    watched.event("refuse").await;
    let left = watched.mornings(1).await;
    assert_eq!(
        left,
        [
            "2026-10-20 reminder c@ville.example",
            "2026-10-20 note_request_refused dsi@ville.example"
        ]
    );
    watched.event("submit").await;
    watched.event("request_changes").await;
    let left = watched.mornings(1).await;
    assert_eq!(
        left,
        ["2026-10-21 note_changes_requested dsi@ville.example"]
    );
    assert_eq!(watched.town.uncovered().await, 0);
}

#[tokio::test]
async fn an_approval_renews_where_it_may() {
    let mut watched = Watched::begin(OnApprove::Renew).await;
    watched.mornings(20).await;
    watched.event("submit").await;
    let approve = watched.made("approve", watched.town.now);
    watched.receive(&approve).await;
    assert_eq!(watched.expires().await, "2028-04-21T08:31:00+00:00");
    let left = watched.mornings(80).await;
    assert_eq!(left, ["2026-10-22 note_renewed c@ville.example"]);
    // Once more, and an older one: nothing.
    let again = watched.receive(&approve).await;
    assert_eq!(again.arrival, Arrival::Again);
    let older = watched.made("approve", approve.fired_at - Duration::days(3));
    watched.receive(&older).await;
    assert_eq!(watched.expires().await, "2028-04-21T08:31:00+00:00");
    let words = watched.words().await;
    let renewals = words.iter().filter(|w| *w == "renewed").count();
    assert_eq!(renewals, 1, "{words:?}");
}

#[tokio::test]
async fn an_approval_that_asks_gives_the_command_and_silences_nothing() {
    let mut watched = Watched::begin(OnApprove::Ask).await;
    watched.event("submit").await;
    let approve = watched.made("approve", watched.town.now);
    watched.receive(&approve).await;
    watched.receive(&approve).await;
    let left = watched.mornings(20).await;
    assert_eq!(
        left,
        [
            "2026-10-02 note_request_approved dsi@ville.example",
            "2026-10-16 reminder c@ville.example"
        ]
    );
    let mails = watched.town.mails().await;
    let note = mails.iter().find(|m| m.kind == "note_request_approved");
    let body = watched
        .town
        .store()
        .body(note.unwrap().no)
        .await
        .unwrap()
        .unwrap();
    let body = mail_parser::MessageParser::default()
        .parse(&body)
        .unwrap()
        .body_text(0)
        .unwrap()
        .into_owned();
    assert!(
        body.contains("jetond renew a --issued 2026-10-01"),
        "{body}"
    );
    assert_eq!(watched.expires().await, "2026-12-15T22:59:59+00:00");
}

#[tokio::test]
async fn what_ended_is_told_no_more_and_lives_again_after_an_approval() {
    let mut watched = Watched::begin(OnApprove::Ask).await;
    watched.event("revoke").await;
    assert_eq!(watched.mornings(30).await, [""; 0]);
    assert_eq!(seen(watched.town.store(), "a").await.state, State::Revoked);
    watched.event("approve").await;
    assert_eq!(seen(watched.town.store(), "a").await.state, State::Active);
    let left = watched.mornings(1).await;
    assert!(left.iter().any(|m| m.contains("reminder")), "{left:?}");
}

#[tokio::test]
async fn a_transfer_brings_people_and_the_files_stay() {
    let mut watched = Watched::begin(OnApprove::Ask).await;
    let named = |address: &str| Contact {
        role: Role::Demandeur,
        address: Some(Address::parse(address).unwrap()),
        name: Some("Camille".to_owned()),
    };
    let mut create = watched.made("create", watched.town.now);
    create.people = vec![named("first@ville.example")];
    watched.receive(&create).await;
    let mut transfer = watched.made("transfer", watched.town.now);
    transfer.people = vec![named("next@ville.example"), named("C@ville.example")];
    watched.receive(&transfer).await;
    let people = seen(watched.town.store(), "a").await.people;
    let camille = Some("Camille".to_owned());
    assert_eq!(
        people,
        [
            ("c@ville.example".to_owned(), "observer".to_owned(), None),
            (
                "next@ville.example".to_owned(),
                "demandeur".to_owned(),
                camille
            ),
        ]
    );
    let left = watched.mornings(16).await;
    assert_eq!(
        left,
        [
            "2026-10-02 reminder next@ville.example",
            "2026-10-16 reminder c@ville.example",
            "2026-10-16 reminder next@ville.example"
        ],
        "who comes is caught up once"
    );
    assert_eq!(watched.town.uncovered().await, 0);
}

#[tokio::test]
async fn a_file_that_is_read_again_undoes_none_of_it() {
    let mut watched = Watched::begin(OnApprove::Renew).await;
    let mut approve = watched.made("approve", watched.town.now);
    let address = Address::parse("next@ville.example").unwrap();
    approve.people = vec![Contact {
        role: Role::Demandeur,
        address: Some(address),
        name: None,
    }];
    watched.receive(&approve).await;
    let before = seen(watched.town.store(), "a").await;
    let file = std::fs::read_to_string(watched.town.file()).unwrap();
    watched.town.reload(&format!("{file}\n# changed\n")).await;
    watched.town.start_again().await;
    assert_eq!(seen(watched.town.store(), "a").await, before);
}

#[tokio::test]
async fn retention_ends_the_names_and_nobody_leaves_for_it() {
    let mut watched = Watched::begin(OnApprove::Ask).await;
    let mut create = watched.made("create", watched.town.now);
    create.people = vec![Contact {
        role: Role::Demandeur,
        address: Some(Address::parse("next@ville.example").unwrap()),
        name: Some("Camille".to_owned()),
    }];
    watched.receive(&create).await;
    let before = seen(watched.town.store(), "a").await;
    let later = watched.town.now + Duration::days(1);
    watched.town.store().forget_names(later).await.unwrap();
    let kept = watched.town.store().webhook_events(NUMBER).await.unwrap();
    assert_eq!(
        kept[0].people,
        [Contact {
            role: Role::Demandeur,
            address: None,
            name: None
        }]
    );
    // Neither a repeated delivery nor an event that names nobody changes who is told.
    watched.receive(&create).await;
    watched.event("update").await;
    let kept = watched.town.store().webhook_events(NUMBER).await.unwrap();
    assert_eq!(kept[0].people[0].address, None);
    assert_eq!(seen(watched.town.store(), "a").await, before);
}

#[tokio::test]
async fn of_two_tokens_with_one_number_none_is_renewed_by_a_guess() {
    let config = head(9).replace("\"smtp\"\n[mail.smtp]", "\"file\"\n[mail.smtp]")
        + &token("a", "2026-12-15", &["c@ville.example"]).replace("11244", NUMBER)
        + &token("b", "2027-12-15", &["c@ville.example"]).replace("11244", NUMBER);
    let mut town = Town::start(&config, at("2026-10-01T08:29:00Z")).await;
    town.pass_after(1).await;
    let mut watched = Watched {
        town,
        on_approve: OnApprove::Renew,
    };
    assert_eq!(watched.event("approve").await.tokens, ["a", "b"]);
    assert_eq!(watched.expires().await, "2026-12-15T22:59:59+00:00");
    let left = watched.mornings(1).await;
    let note = "2026-10-02 note_request_approved dsi@ville.example";
    assert_eq!(left, [note, note], "each with its own command");
}

#[tokio::test]
async fn the_approval_that_made_a_token_does_not_renew_it_at_a_later_event() {
    let mut watched = Watched::begin(OnApprove::Renew).await;
    let dated = |id: &str, issued: &str| {
        token(id, "2026-12-15", &["c@ville.example"])
            .replace("expires = 2026-12-15", &format!("issued = {issued}"))
            .replace("11244", "9003")
    };
    // Kept before anyone declared the token; its own issue is 7 s earlier.
    let mut approve = watched.made("approve", at("2026-09-30T10:00:07Z"));
    approve.number = DatapassId::parse("9003").unwrap();
    watched.receive(&approve).await;
    let file = head(9).replace("\"smtp\"\n[mail.smtp]", "\"file\"\n[mail.smtp]")
        + &dated("new", "2026-09-30T12:00:00+02:00");
    watched.town.reload(&file).await;
    let mut reopen = watched.made("reopen", watched.town.now);
    reopen.number = approve.number.clone();
    watched.receive(&reopen).await;
    let new = watched.town.store().token("new").await.unwrap().unwrap();
    assert_eq!(new.period_no, 1);
    assert_eq!(new.period.expires, at("2028-03-30T10:00:00Z"));
    // The next approval does.
    watched.town.now += Duration::days(300);
    approve.fired_at = watched.town.now;
    watched.receive(&approve).await;
    let new = watched.town.store().token("new").await.unwrap().unwrap();
    assert_eq!(new.period_no, 2);
}
