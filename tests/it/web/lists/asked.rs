//! Filters, orders and pages against a naive reading of the same record, and files read back.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use jetond::domain::language::Lang;
use jetond::domain::lifecycle::{Silence, State};
use jetond::renewal::verbs::{Filing, Verb};
use jetond::store::Store;
use jetond::store::board::journal::{EventFilter, Start};
use jetond::store::board::tokens::{OfClient, Standing, Today, TokenFilter, TokenOrder};
use jetond::store::board::{Search, Slice};
use jetond::store::outbox::Person;
use jetond::store::quiet::Said;
use jetond::store::record::Token;

use super::{Board, PRESENT, WEB, act, lived_in, unescaped};
use crate::support::daemon::{Town, at, head};
use crate::support::town;

/// A letter without its dress, as a person would write it down in haste.
fn plain(text: &str) -> String {
    let mut written = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'à' | 'â' | 'å' | 'ä' => written.push('a'),
            'é' | 'è' | 'ê' | 'ë' => written.push('e'),
            'î' | 'ï' => written.push('i'),
            'ô' | 'ö' | 'ø' => written.push('o'),
            'ù' | 'û' | 'ü' => written.push('u'),
            'ç' => written.push('c'),
            'ñ' => written.push('n'),
            'š' => written.push('s'),
            'ÿ' => written.push('y'),
            'œ' => written.push_str("oe"),
            '’' => written.push('\''),
            c => written.push(c),
        }
    }
    written
}

struct Record {
    tokens: Vec<(Token, Option<Silence>, Vec<Person>)>,
}

impl Record {
    async fn of(store: &Store) -> Self {
        let mut tokens = Vec::new();
        for token in store.tokens().await.unwrap() {
            let said: Vec<Said> = store.said(token.no).await.unwrap();
            let people = store.people(&[token.no]).await.unwrap();
            tokens.push((token, said.first().map(|s| s.kind), people));
        }
        Self { tokens }
    }

    /// The ids that a filter leaves, in an order.
    fn ids(&self, town: &Town, filter: &Asked, order: TokenOrder) -> Vec<String> {
        let left = |t: &Token| {
            town.config()
                .calendar
                .days_between(PRESENT(), t.period.expires)
        };
        let mut found: Vec<&Token> = self
            .tokens
            .iter()
            .filter(|(t, said, people)| {
                let is_active = t.state == State::Active;
                let is_over = t.period.expires < PRESENT();
                let standing = match filter.standing {
                    Standing::Active => is_active,
                    Standing::Expired => is_active && is_over,
                    Standing::Urgent => is_active && !is_over && left(t) <= 15,
                    Standing::ToRenew => is_active && !is_over && left(t) <= 90,
                    Standing::Filed => is_active && *said == Some(Silence::Filed),
                    Standing::Declared => is_active && *said == Some(Silence::Declared),
                    Standing::Snoozed => is_active && *said == Some(Silence::Snoozed),
                    Standing::Archived => t.state == State::Archived,
                    Standing::Superseded => t.state == State::Superseded,
                    Standing::Revoked => t.state == State::Revoked,
                    Standing::All => true,
                };
                let client = match &filter.client {
                    None => true,
                    Some(OfClient::None) => t.facts.client.is_none(),
                    Some(OfClient::Key(key)) => t.facts.client.as_ref() == Some(key),
                };
                let recipient = filter
                    .recipient
                    .is_none_or(|key| people.iter().any(|p| p.key == key));
                let text = [
                    t.id.as_str(),
                    &t.facts.name,
                    t.facts.client.as_deref().unwrap_or_default(),
                    t.facts.client_name.as_deref().unwrap_or_default(),
                    t.facts.datapass_id.as_deref().unwrap_or_default(),
                ]
                .join("\n");
                let names = people
                    .iter()
                    .map(|p| format!("{}\n{}", p.address, p.name.as_deref().unwrap_or_default()));
                let texts: Vec<String> = names.chain([text]).map(|t| plain(&t)).collect();
                let search = filter
                    .q
                    .split_whitespace()
                    .all(|word| texts.iter().any(|t| t.contains(&plain(word))));
                standing && client && recipient && search
            })
            .map(|(t, _, _)| t)
            .collect();
        let end = |t: &Token| (t.period.expires, t.no);
        match order {
            TokenOrder::Expiry => found.sort_by_key(|t| end(t)),
            TokenOrder::Name => found.sort_by_key(|t| (sorted(&t.facts.name), end(t))),
            TokenOrder::Client => found.sort_by_key(|t| {
                let name = t.facts.client_name.as_deref().unwrap_or_default();
                (
                    t.facts.client.is_none(),
                    sorted(name),
                    t.facts.client.clone(),
                    end(t),
                )
            }),
        }
        found.into_iter().map(|t| t.id.clone()).collect()
    }
}

/// As [`plain`], with the signs as they are.
fn sorted(text: &str) -> String {
    let text: Vec<String> = text
        .chars()
        .map(|c| match c {
            '’' => "’".to_owned(),
            c => plain(&c.to_string()),
        })
        .collect();
    text.concat()
}

struct Asked {
    standing: Standing,
    client: Option<OfClient>,
    recipient: Option<&'static str>,
    q: &'static str,
}

impl Asked {
    fn filter(&self) -> TokenFilter {
        TokenFilter {
            standing: self.standing,
            search: Search::of(self.q),
            client: self.client.clone(),
            recipient: self.recipient.map(str::to_owned),
            ..TokenFilter::default()
        }
    }
}

const STANDINGS: [Standing; 11] = [
    Standing::Active,
    Standing::Expired,
    Standing::Urgent,
    Standing::ToRenew,
    Standing::Filed,
    Standing::Declared,
    Standing::Snoozed,
    Standing::Archived,
    Standing::Superseded,
    Standing::Revoked,
    Standing::All,
];

/// A town of three hundred tokens, some of them in every state.
async fn large() -> Town {
    let first = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    let declared = town::town(300, first, 7).declared;
    let town = Town::start(&(head(1) + WEB + &declared), at("2026-11-20T08:30:00Z")).await;
    let far: Vec<String> = town
        .store()
        .tokens()
        .await
        .unwrap()
        .into_iter()
        .filter(|t| t.period.expires > at("2027-01-01T00:00:00Z"))
        .map(|t| t.id)
        .collect();
    for (n, id) in far.iter().take(30).enumerate() {
        let verb = match n % 6 {
            0 => Verb::File(Filing {
                at: None,
                by: None,
                reference: None,
            }),
            1 => Verb::Declare { expires: None },
            2 => Verb::Snooze {
                until: at("2026-12-05T00:00:00Z"),
            },
            3 => Verb::Archive,
            4 => Verb::Supersede {
                by: far[far.len() - 1].clone(),
            },
            _ => Verb::Revoke { at: None },
        };
        act(&town, id, verb).await;
    }
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_finds_what_a_naive_reading_finds() {
    let town = large().await;
    let record = Record::of(town.store()).await;
    let today = Today::at(&town.config().calendar, PRESENT());
    let mut asked = Vec::new();
    for standing in STANDINGS {
        for client in [
            None,
            Some(OfClient::None),
            Some(OfClient::Key("mairie-3".to_owned())),
        ] {
            for recipient in [None, Some("p12@editeur.example")] {
                asked.push(Asked {
                    standing,
                    client: client.clone(),
                    recipient,
                    q: "",
                });
            }
        }
    }
    for q in [
        "eclairage",
        "OEUVRES",
        "Œting",
        "l'hay",
        "j0007",
        "%",
        "_",
        "*",
        "[a-z]",
        "?",
        "]",
        "^",
        "'",
        "\"",
        "\\",
        "lefevre",
        "MARCHES saint-etienne",
        "p12@",
        "20049",
        "mairie de besancon",
        "nothing is like that",
    ] {
        asked.push(Asked {
            standing: Standing::All,
            client: None,
            recipient: None,
            q,
        });
    }
    let (mut some, mut none) = (0, 0);
    for a in &asked {
        for order in [TokenOrder::Expiry, TokenOrder::Name, TokenOrder::Client] {
            let expected = record.ids(&town, a, order);
            let mut found = Vec::new();
            // Parts that do not fit the list.
            for from in (0..).step_by(37) {
                let slice = Slice { from, rows: 37 };
                let nos = town
                    .store()
                    .find_tokens(&a.filter(), order, &today, slice)
                    .await
                    .unwrap();
                if nos.is_empty() {
                    break;
                }
                let listed = town.store().listed(&nos, &today).await.unwrap();
                found.extend(listed.into_iter().map(|l| l.token.id));
            }
            assert_eq!(found, expected, "{:?} {:?} {order:?}", a.filter(), a.q);
            let count = town
                .store()
                .count_tokens(&a.filter(), &today)
                .await
                .unwrap();
            assert_eq!(usize::try_from(count.rows).unwrap(), expected.len());
            if expected.is_empty() {
                none += 1;
            } else {
                some += 1;
            }
        }
    }
    assert!(some > 100 && none > 10, "{some} {none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_row_says_of_its_token_is_what_the_record_says() {
    let town = large().await;
    let record = Record::of(town.store()).await;
    let today = Today::at(&town.config().calendar, PRESENT());
    let nos: Vec<i64> = record.tokens.iter().map(|(t, _, _)| t.no).collect();
    let listed = town.store().listed(&nos, &today).await.unwrap();
    assert_eq!(listed.len(), record.tokens.len());
    for (l, (t, said, people)) in listed.iter().zip(&record.tokens) {
        assert_eq!(l.token.id, t.id);
        assert_eq!(l.said.as_ref().map(|s| s.kind), *said, "{}", t.id);
        assert_eq!(usize::try_from(l.told).unwrap(), people.len(), "{}", t.id);
    }
}

/// The links of a page of a list: what is called so.
fn link(page: &str, name: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!(">{name}</a>"))?;
    let (_, href) = before.rsplit_once("href=\"")?;
    let (href, _) = href.split_once('"')?;
    Some(unescaped(href))
}

#[tokio::test(flavor = "multi_thread")]
async fn leafing_through_a_list_meets_every_row_once() {
    let board = Board::of(large().await).await;
    let page = board.page("/tokens?state=all&sort=name&lang=en").await;
    assert!(page.contains("1–200 of 300"), "{page}");
    let rows = |page: &str| -> Vec<String> {
        let rows = page.split("<th scope=\"row\"><a href=\"").skip(1);
        rows.map(|r| r.split('"').next().unwrap().to_owned())
            .collect()
    };
    let mut seen = rows(&page);
    assert_eq!(seen.len(), 200);
    let next = link(&page, "Next").unwrap();
    assert_eq!(link(&page, "Last").unwrap(), next);
    assert_eq!(link(&page, "Previous"), None);
    let second = board.page(&format!("/tokens{next}")).await;
    assert!(second.contains("201–300 of 300"), "{second}");
    assert!(second.contains("value=\"name\" selected"), "{second}");
    seen.extend(rows(&second));
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 300);
    let first = link(&second, "First").unwrap();
    assert_eq!(
        rows(&board.page(&format!("/tokens{first}")).await),
        rows(&page)
    );
    // Beyond the end is the last page.
    let beyond = board
        .page("/tokens?state=all&sort=name&lang=en&page=99")
        .await;
    assert_eq!(rows(&beyond), rows(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_holds_the_whole_list_and_is_read_back() {
    let board = Board::of(large().await).await;
    let today = Today::at(&board.town.config().calendar, PRESENT());
    for (query, filter) in [
        ("state=all", Standing::All),
        ("state=to-renew", Standing::ToRenew),
        ("", Standing::Active),
    ] {
        let reply = board.get(&format!("/tokens.csv?{query}&lang=fr")).await;
        assert_eq!(
            reply.header("content-disposition"),
            Some("attachment; filename=\"jetons.csv\"")
        );
        let text = reply.body.strip_prefix('\u{feff}').unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().get(0), Some("identifiant"));
        let rows: Vec<_> = reader.records().map(|r| r.unwrap()).collect();
        let filter = TokenFilter {
            standing: filter,
            ..TokenFilter::default()
        };
        let all = Slice { from: 0, rows: 999 };
        let store = board.town.store();
        let nos = store
            .find_tokens(&filter, TokenOrder::Expiry, &today, all)
            .await
            .unwrap();
        let listed = store.listed(&nos, &today).await.unwrap();
        assert_eq!(rows.len(), listed.len());
        for (row, l) in rows.iter().zip(&listed) {
            assert_eq!(row.get(0), Some(l.token.id.as_str()));
            assert_eq!(row.get(1), Some(l.token.facts.name.as_str()));
            let expires = board.town.config().calendar.date(l.token.period.expires);
            assert_eq!(row.get(3), Some(expires.to_string().as_str()));
        }
    }
    // Nothing like that is an empty list with its head.
    let none = board.get("/tokens.csv?client=nobody").await.body;
    assert_eq!(none.lines().count(), 1, "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_lists_are_files_too() {
    let (board, _server) = lived_in().await;
    for (path, rows, holds) in [
        ("/clients.csv?lang=en", 3, "Mairie de X"),
        ("/recipients.csv?lang=en&reach=no", 1, "parti@ville.example"),
        ("/outbox.csv?lang=en&state=refused", 1, "550 5.1.1"),
        ("/journal.csv?lang=en&who=user", 4, "user:alex"),
    ] {
        let reply = board.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let text = reply.body.strip_prefix('\u{feff}').unwrap();
        assert!(text.contains(holds), "{path}: {text}");
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows, "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_read_page_by_page_without_a_gap() {
    let (board, _server) = lived_in().await;
    let store = board.town.store();
    let mut whole = store.history(None, 10_000).await.unwrap();
    whole.reverse();
    assert!(whole.len() > 15, "{}", whole.len());
    let bare =
        |events: &[jetond::store::record::Event]| -> Vec<(DateTime<Utc>, String, Option<String>)> {
            events
                .iter()
                .map(|e| (e.at, e.what.clone(), e.token.clone()))
                .collect()
        };
    let all = EventFilter::default();
    for most in [1, 7, 200] {
        let (mut from, mut read, mut back) = (Start::Latest, Vec::new(), None);
        loop {
            let page = store.journal_page(&all, from, most).await.unwrap();
            read.extend(bare(&page.events));
            match page.older {
                Some(place) => from = Start::Before(place),
                None => {
                    back = page.newer.or(back);
                    break;
                }
            }
        }
        assert_eq!(read, bare(&whole), "{most}");
        // And the way back, from the oldest page.
        let mut newer: Vec<Vec<_>> = Vec::new();
        while let Some(place) = back {
            let page = store
                .journal_page(&all, Start::After(place), most)
                .await
                .unwrap();
            newer.push(bare(&page.events));
            back = page.newer;
        }
        let back: Vec<_> = newer.into_iter().rev().flatten().collect();
        assert_eq!(back, bare(&whole)[..back.len()], "{most}");
        assert!(most > 1 || back.len() + 1 == whole.len(), "{}", back.len());
    }
    // Each filter against the same filter in plain words.
    let token = store.token("marches").await.unwrap().unwrap();
    let since = at("2026-11-19T08:34:00Z");
    for (filter, holds) in [
        (
            EventFilter {
                who: Some("user".to_owned()),
                ..all.clone()
            },
            Box::new(|e: &jetond::store::record::Event| e.who.starts_with("user:"))
                as Box<dyn Fn(&jetond::store::record::Event) -> bool>,
        ),
        (
            EventFilter {
                what: Some("mail_sent".to_owned()),
                ..all.clone()
            },
            Box::new(|e| e.what == "mail_sent"),
        ),
        (
            EventFilter {
                since: Some(since),
                ..all.clone()
            },
            Box::new(move |e| e.at >= since),
        ),
        (
            EventFilter {
                until: Some(since),
                ..all.clone()
            },
            Box::new(move |e| e.at < since),
        ),
    ] {
        let page = store
            .journal_page(&filter, Start::Latest, 10_000)
            .await
            .unwrap();
        let expected: Vec<_> = whole.iter().filter(|e| holds(e)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() < whole.len());
        assert_eq!(bare(&page.events), bare(&expected));
    }
    let theirs = EventFilter {
        token: Some(token.no),
        ..all
    };
    let page = store
        .journal_page(&theirs, Start::Latest, 10_000)
        .await
        .unwrap();
    let mut expected = store.history(Some(token.no), 10_000).await.unwrap();
    expected.reverse();
    assert_eq!(bare(&page.events), bare(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_languages_are_kept_once_chosen() {
    let (board, _server) = lived_in().await;
    for lang in [Lang::En, Lang::Fr] {
        let reply = board.get(&format!("/tokens?q=x&lang={lang}")).await;
        let kept = reply.header("set-cookie").unwrap();
        assert!(kept.starts_with(&format!("jetond_lang={lang}")), "{kept}");
        let csv = board.get(&format!("/tokens.csv?lang={lang}")).await.body;
        assert!(
            csv.contains(lang.pick("days left", "jours restants")),
            "{csv}"
        );
    }
}
