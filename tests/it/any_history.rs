//! After any sequence of verbs, links, webhooks, imports, reloads, passes and crashes: nothing owed
//! is uncovered, nothing leaves for a token that is not watched, nothing early leaves for one that is silent,
//! and no stage is told twice to one recipient in one period.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use jetond::app;
use jetond::domain::address::Address;
use jetond::domain::datapass::merge::OnApprove;
use jetond::domain::datapass::{self, Contact, Kind};
use jetond::domain::lifecycle::{LAST_WORDS, State, Who};
use jetond::domain::ticket::Holder;
use jetond::domain::token::{DatapassId, Role};
use jetond::renewal::datapass::{Rules, receive};
use jetond::renewal::import::{self, Absent, Earlier, Order, Wish};
use jetond::renewal::links::{self, Saying};
use jetond::renewal::verbs::{self, Filing, Hand, Renewal, Verb};
use jetond::store::keys;
use jetond::store::record::Notice;
use proptest::prelude::*;

use crate::support::daemon::{Town, at, head, token};

const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// So many of them, the first, may stand in the file.
const IN_FILE: usize = 4;
const PEOPLE: [&str; 3] = ["c@ville.example", "t@editeur.example", "m@ville.example"];
/// A Monday, 10:30 in Paris; days are counted from here.
const BEGIN: &str = "2026-09-07T08:30:00Z";

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    /// Somebody says something of a token.
    Said(usize, Said, By),
    /// The file is edited: a token's expiry in days, or none; who is told, in bits.
    Edited(usize, Option<i64>, usize),
    /// A link in a mail is opened, by that reader.
    Linked(usize, usize, Saying),
    /// Data Pass says something of a token's request, fired so many days ago; who it names, in
    /// bits.
    Hooked(usize, Kind, i64, usize),
    /// A list is imported: tokens with their expiry in days and who is told, in bits; what
    /// becomes of those that it does not have.
    Imported(Vec<(usize, i64, usize)>, Missing),
    /// Days go by, with a pass each morning.
    Days(u8),
    /// The daemon ends with mails taken up, and starts again.
    Crash,
    /// The daemon is down for days.
    Down(u8),
}

/// What a list does to imported tokens that it does not have.
#[derive(Debug, Clone, Copy)]
enum Missing {
    Stay,
    Leave,
    LeaveAllTheSame,
}

/// Of whom a token hears it.
#[derive(Debug, Clone, Copy)]
enum By {
    Person,
    Link,
    DataPass,
}

/// What is said; dates in days from the beginning.
#[derive(Debug, Clone)]
enum Said {
    Renew(i64),
    Supersede(usize),
    File,
    Unfile,
    RefuseFiled,
    Declare(Option<i64>),
    Undeclare,
    Snooze(i64),
    Wake,
    Revoke(Option<i64>),
    Archive,
    Restore,
}

fn said() -> impl Strategy<Value = Said> {
    let day = -30_i64..700;
    prop_oneof![
        2 => day.clone().prop_map(Said::Renew),
        1 => (0..IDS.len()).prop_map(Said::Supersede),
        3 => Just(Said::File),
        1 => Just(Said::Unfile),
        1 => Just(Said::RefuseFiled),
        2 => proptest::option::of(day.clone()).prop_map(Said::Declare),
        1 => Just(Said::Undeclare),
        2 => (0_i64..200).prop_map(Said::Snooze),
        1 => Just(Said::Wake),
        1 => proptest::option::of(0_i64..200).prop_map(Said::Revoke),
        1 => Just(Said::Archive),
        2 => Just(Said::Restore),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let by = prop_oneof![Just(By::Person), Just(By::Link), Just(By::DataPass)];
    let row = (0..IDS.len(), -40_i64..400, 0_usize..8);
    let rows = proptest::collection::vec(row, 0..4);
    let missing = prop_oneof![
        Just(Missing::Stay),
        Just(Missing::Leave),
        Just(Missing::LeaveAllTheSame)
    ];
    let expiry = prop_oneof![1 => Just(None), 5 => (-40_i64..200).prop_map(Some)];
    prop_oneof![
        5 => (0..IDS.len(), said(), by).prop_map(|(t, s, by)| Event::Said(t, s, by)),
        2 => (0..IN_FILE, expiry, 0_usize..8).prop_map(|(t, e, p)| Event::Edited(t, e, p)),
        3 => (rows, missing).prop_map(|(r, m)| Event::Imported(r, m)),
        3 => (0..IDS.len(), 0..PEOPLE.len(), saying()).prop_map(|(t, p, s)| Event::Linked(t, p, s)),
        4 => (0..IDS.len(), kind(), 0_i64..9, 0_usize..8)
            .prop_map(|(t, k, ago, people)| Event::Hooked(t, k, ago, people)),
        5 => (1_u8..25).prop_map(Event::Days),
        1 => Just(Event::Crash),
        1 => (1_u8..60).prop_map(Event::Down),
    ]
}

fn saying() -> impl Strategy<Value = Saying> {
    prop_oneof![
        Just(Saying::Filed(None)),
        Just(Saying::NotFiled),
        proptest::option::of(0_i64..700).prop_map(|n| Saying::Renewed(n.map(day))),
        Just(Saying::NotRenewed),
        Just(Saying::NotForMe),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    let words = [
        "create",
        "update",
        "transfer",
        "submit",
        "approve",
        "refuse",
        "request_changes",
        "revoke",
        "archive",
        "reopen",
        "cancel_reopening",
    ];
    proptest::sample::select(words.to_vec()).prop_map(|w| Kind::parse(w).unwrap())
}

/// How many histories are played: `JETOND_HISTORIES`, or a short form.
fn histories() -> u32 {
    std::env::var("JETOND_HISTORIES").map_or(20, |n| n.parse().unwrap())
}

/// What the file says.
type File = [Option<(i64, usize)>; 4];

fn day(n: i64) -> DateTime<Utc> {
    at(BEGIN) + Duration::days(n)
}

fn written(file: &File) -> String {
    let mut config = head(9).replace("\"smtp\"\n[mail.smtp]", "\"file\"\nstorm = 0\n[mail.smtp]");
    for (i, declared) in file.iter().enumerate() {
        if let Some((expires, people)) = declared {
            let told: Vec<&str> = (0..3)
                .filter(|p| people & (1 << p) != 0)
                .map(|p| PEOPLE[p])
                .collect();
            let expires = day(*expires).format("%Y-%m-%d").to_string();
            config += &token(IDS[i], &expires, &told).replace("11244", &format!("{}", 500 + i));
        }
    }
    config
}

type Key = (String, i64, i32, String);

struct World {
    town: Town,
    file: File,
    /// The mail that told each notice.
    told: HashMap<Key, i64>,
}

impl World {
    async fn begin() -> Self {
        let file = [Some((100, 3)), Some((40, 1)), Some((60, 0)), Some((-10, 6))];
        let town = Town::start(&written(&file), at(BEGIN)).await;
        let mut world = Self {
            town,
            file,
            told: HashMap::new(),
        };
        world.pass().await;
        world
    }

    async fn happens(&mut self, event: &Event) {
        match event {
            Event::Said(token, said, by) => self.say(IDS[*token], said, *by).await,
            Event::Edited(token, expires, people) => {
                let before = self.file;
                self.file[*token] = expires.map(|e| (e, *people));
                let report = self.town.reload(&written(&self.file)).await;
                if !report.refused.is_empty() {
                    self.file = before;
                    self.town.reload(&written(&self.file)).await;
                }
            }
            Event::Linked(token, reader, saying) => self.link(token, reader, saying).await,
            Event::Hooked(token, kind, ago, people) => {
                self.hook(*token, kind, *ago, *people).await;
            }
            Event::Imported(rows, missing) => self.import(rows, *missing).await,
            Event::Days(days) => {
                for _ in 0..*days {
                    self.town.now += Duration::days(1);
                    self.pass().await;
                }
            }
            Event::Crash => {
                let rig = self.town.rig();
                rig.tick(self.town.now).await.unwrap();
                rig.sender
                    .clerk()
                    .take_up(self.town.now, 100)
                    .await
                    .unwrap();
                self.town.start_again().await;
            }
            Event::Down(days) => {
                self.town.stop().await;
                self.town.now += Duration::days(i64::from(*days));
                self.town.start_again().await;
            }
        }
        self.pass().await;
    }

    async fn say(&self, token: &str, said: &Said, by: By) {
        let verb = match said {
            Said::Renew(n) => Verb::Renew(Renewal::until(day(*n), None)),
            Said::Supersede(n) => Verb::Supersede {
                by: IDS[*n].to_owned(),
            },
            Said::File => Verb::File(Filing::default()),
            Said::Unfile => Verb::Unfile,
            Said::RefuseFiled => Verb::RefuseFiled,
            Said::Declare(n) => Verb::Declare {
                expires: n.map(day),
            },
            Said::Undeclare => Verb::Undeclare,
            Said::Snooze(n) => Verb::Snooze { until: day(*n) },
            Said::Wake => Verb::Wake,
            Said::Revoke(n) => Verb::Revoke { at: n.map(day) },
            Said::Archive => Verb::Archive,
            Said::Restore => Verb::Restore,
        };
        let hand = Hand {
            calendar: &self.town.config().calendar,
            who: match by {
                By::Person => Who::User("alex".to_owned()),
                By::Link => Who::Recipient(PEOPLE[0].to_owned()),
                By::DataPass => Who::Webhook,
            },
            now: self.town.now,
        };
        let store = self.town.store();
        let before = self.notices().await;
        let done = verbs::act(store, &hand, token, &verb).await.unwrap();
        // A refusal, and what is on record already, change nothing.
        if !done.is_ok_and(|done| done.changed()) {
            assert_eq!(self.notices().await, before);
        }
    }

    async fn link(&self, token: &usize, reader: &usize, saying: &Saying) {
        let store = self.town.store();
        let Some(token) = store.token(IDS[*token]).await.unwrap() else {
            return;
        };
        let keys = keys::open(&self.town.config().store).unwrap();
        let ticket = keys.sign(&Holder {
            token: token.no,
            period: token.period_no,
            opened_at: token.period.opened_at,
            id: &token.id,
            recipient: PEOPLE[*reader],
        });
        let when = (&self.town.config().calendar, self.town.now);
        links::say(store, &keys, &ticket.unwrap(), saying, when)
            .await
            .unwrap();
    }

    async fn hook(&self, token: usize, kind: &Kind, ago: i64, people: usize) {
        let rules = Rules {
            calendar: self.town.config().calendar.clone(),
            validity_months: 18,
            // Each of the two for some of the tokens.
            on_approve: match token % 2 {
                0 => OnApprove::Ask,
                _ => OnApprove::Renew,
            },
        };
        let people = (0..3).filter(|p| people & (1 << p) != 0);
        let event = datapass::Event {
            number: DatapassId::parse(&format!("{}", 500 + token)).unwrap(),
            kind: kind.clone(),
            fired_at: self.town.now - Duration::days(ago),
            name: None,
            siret: None,
            scopes: None,
            people: people
                .map(|p| Contact {
                    role: Role::Metier,
                    address: Some(Address::parse(PEOPLE[p]).unwrap()),
                    name: None,
                })
                .collect(),
        };
        let store = self.town.store();
        receive(store, &rules, &event, self.town.now).await.unwrap();
        // It comes again, as after an answer that was lost: nothing more happens.
        let before = self.notices().await;
        receive(store, &rules, &event, self.town.now).await.unwrap();
        assert_eq!(self.notices().await, before);
    }

    async fn import(&self, rows: &[(usize, i64, usize)], missing: Missing) {
        let mut list = String::from("id,datapass_id,expires,recipients\n");
        for (token, expires, people) in rows {
            let told: Vec<&str> = (0..3)
                .filter(|p| people & (1 << p) != 0)
                .map(|p| PEOPLE[p])
                .collect();
            let expires = day(*expires).format("%Y-%m-%d");
            let (id, number, told) = (IDS[*token], 500 + token, told.join(";"));
            list += &format!("{id},{number},{expires},{told}\n");
        }
        let config = self.town.config();
        let calendar = &config.calendar;
        let rows = import::read(list.as_bytes(), Order::Unknown, calendar).unwrap();
        let hand = import::Hand {
            house: app::house(config),
            wish: Wish {
                client: None,
                people: &[],
                earlier: Earlier::Refused,
            },
            absent: match missing {
                Missing::Stay => Absent::Kept,
                Missing::Leave => Absent::Archived,
                Missing::LeaveAllTheSame => Absent::ArchivedAllTheSame,
            },
            who: Who::Import("list.csv".to_owned()),
            now: self.town.now,
        };
        let before = self.notices().await;
        let store = self.town.store();
        let done = import::import(store, &hand, &rows.rows, |_, _| {})
            .await
            .unwrap();
        if done.is_err() {
            assert_eq!(self.notices().await, before);
        }
    }

    async fn notices(&self) -> Vec<(String, Notice)> {
        self.town.store().all_notices().await.unwrap()
    }

    /// One pass, and all that must hold after it.
    async fn pass(&mut self) {
        let store = self.town.store();
        let said: HashMap<i64, Option<DateTime<Utc>>> = store
            .all_said()
            .await
            .unwrap()
            .into_iter()
            .map(|(token, said)| (token, said.until))
            .collect();
        self.town.pass().await;
        let now = self.town.now;
        let calendar = &self.town.config().calendar;
        assert_eq!(store.uncovered(calendar, now).await.unwrap(), []);
        let tokens: BTreeMap<String, (State, i64, i64)> = store
            .tokens()
            .await
            .unwrap()
            .into_iter()
            .map(|t| (t.id, (t.state, t.period_no, t.no)))
            .collect();
        let is_silent = |no: i64| said.get(&no).is_some_and(|u| u.is_none_or(|u| u > now));
        let mut present = HashSet::new();
        for (id, notice) in self.notices().await {
            let (state, period, no) = tokens[&id];
            let key = (
                id.clone(),
                notice.period,
                notice.stage,
                notice.recipient.clone(),
            );
            present.insert(key.clone());
            if notice.state == "owed" {
                assert_eq!((state, period), (State::Active, notice.period), "{key:?}");
                assert!(notice.stage <= LAST_WORDS || !is_silent(no), "{key:?}");
            }
            let Some((mail, _, _)) = notice.mail.filter(|_| notice.state == "sent") else {
                assert!(!self.told.contains_key(&key), "{key:?} is untold");
                continue;
            };
            match self.told.get(&key) {
                Some(first) => assert_eq!(*first, mail, "{key:?} is told twice"),
                None => {
                    assert_eq!(state, State::Active, "{key:?} left");
                    assert_eq!(period, notice.period, "{key:?} left");
                    assert!(notice.stage <= LAST_WORDS || !is_silent(no), "{key:?} left");
                    self.told.insert(key, mail);
                }
            }
        }
        for key in self.told.keys() {
            assert!(present.contains(key), "{key:?} is forgotten");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: histories(),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_nothing_is_forgotten_and_nobody_is_nagged(
        events in proptest::collection::vec(event(), 1..25)
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                let mut world = World::begin().await;
                for event in &events {
                    world.happens(event).await;
                }
            });
    }
}
