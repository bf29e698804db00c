//! An editor's whole list, day after day: what is missing is archived under the brake, what is
//! back is restored, and a power cut leaves all of it or nothing.

use std::fmt::Write as _;
use std::process::Stdio;

use super::{fed, place, taken, value};
use crate::cli::place::Place;

const TOKENS: usize = 3000;

/// An editor's export: some tokens of two clients, some of none.
fn export(tokens: impl Iterator<Item = usize>, year: i32) -> String {
    let mut list =
        String::from("jti;nom;datapass;date d’expiration;client;demandeur;technique\r\n");
    for n in tokens {
        let client = ["mairie-x", "mairie-y", ""][n % 3];
        let (month, day) = (1 + n % 12, 1 + n % 28);
        write!(
            list,
            "8c089a39-c02f-40b3-984b-{n:012};\"Usage « n° {n} »; guichet\";{};{day:02}/{month:02}/{year};{client};p{}@ville.example;t@editeur.example\r\n",
            20_000 + n,
            n % 200
        )
        .unwrap();
    }
    list
}

fn counts(place: &Place, words: &str, list: &str) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for (_, outcome) in taken(place, words, list) {
        *counts.entry(outcome).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

fn count(outcome: &str, n: usize) -> (String, usize) {
    (outcome.to_owned(), n)
}

#[tokio::test]
async fn an_editors_list_is_imported_and_synchronised() {
    let place = place();
    let all = export(0..TOKENS, 2027);
    assert_eq!(counts(&place, "--sync", &all), [count("added", TOKENS)]);
    assert_eq!(counts(&place, "--sync", &all), [count("unchanged", TOKENS)]);
    let ids =
        "SELECT count(DISTINCT id) || ' ' || count(DISTINCT jti) || ' ' || count(*) FROM token";
    assert_eq!(value(&place, ids).await, "3000 3000 3000");
    assert_eq!(
        value(&place, "SELECT id FROM token WHERE no = 8").await,
        "usage-n-7-guichet"
    );

    // Some are gone, some are new, some renewed, in another order.
    let mut next = export((100..TOKENS).rev(), 2027);
    next += export(TOKENS..TOKENS + 50, 2028)
        .split_once("\r\n")
        .unwrap()
        .1;
    let next = next.replacen("/2027;", "/2029;", 20);
    let expected = [
        count("added", 50),
        count("archived", 100),
        count("renewed", 20),
        count("unchanged", TOKENS - 120),
    ];
    let before = place.dump().await;
    assert_eq!(counts(&place, "--sync --dry-run", &next), expected);
    assert_eq!(place.dump().await, before);
    assert_eq!(counts(&place, "--sync", &next), expected);
    // Without --sync nothing leaves; with it they come back.
    let back = export(0..40, 2027);
    assert_eq!(counts(&place, "", &back), [count("restored", 40)]);

    // A list that was cut is not believed …
    let before = place.dump().await;
    let cut = export(0..1000, 2027);
    let ran = fed(&place, "import - --sync --json", &cut);
    assert_eq!(ran.code, 5, "{ran:?}");
    let error = &ran.json()["error"];
    assert_eq!(error["code"], "too_many_missing");
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains("--archive-missing")
    );
    assert_eq!(place.dump().await, before);
    // … unless a person says so.
    let done = counts(&place, "--sync --archive-missing", &cut);
    assert_eq!(
        done.iter().map(|(_, n)| n).sum::<usize>(),
        1000 + TOKENS + 50 - 60 - 940
    );
    assert_eq!(
        value(
            &place,
            "SELECT count(*) || '' FROM token WHERE state = 'active'"
        )
        .await,
        "1000"
    );
}

#[tokio::test]
async fn a_list_of_one_client_says_nothing_of_the_others() {
    let place = place();
    taken(&place, "", &export(0..30, 2027));
    // Nine of its ten, and none of the others'.
    let nine = export((0..27).filter(|n| n % 3 == 0), 2027);
    assert_eq!(
        counts(&place, "--sync --client mairie-x", &nine),
        [count("archived", 1), count("unchanged", 9)]
    );
    assert_eq!(
        value(
            &place,
            "SELECT count(*) || '' FROM token WHERE state = 'active'"
        )
        .await,
        "29"
    );
    // What a person archived stays away, even if the list has it.
    let pool = crate::cli::place::open(&place.store()).await;
    sqlx::query("UPDATE token SET state = 'archived', state_by = 'person' WHERE no = 1")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    taken(&place, "--sync", &export(0..30, 2027));
    assert_eq!(
        value(
            &place,
            "SELECT count(*) || '' FROM token WHERE state = 'active'"
        )
        .await,
        "29"
    );
    assert_eq!(
        value(&place, "SELECT state FROM token WHERE no = 1").await,
        "archived"
    );
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_all_of_it_or_nothing() {
    let place = place();
    taken(&place, "", &export(0..3, 2026));
    std::fs::write(place.path("list.csv"), export(0..20_000, 2027)).unwrap();
    let log = place.path("jetond.db-wal");
    let mut in_the_middle = 0;
    for megabytes in [1, 4, 8] {
        let mut child = place
            .command(&["import", "list.csv"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Before it commits, what does not fit into memory is in the log already.
        let written = || std::fs::metadata(&log).map_or(0, |m| m.len());
        while written() < megabytes * 1024 * 1024 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let tokens = value(&place, "SELECT count(*) || '' FROM token").await;
        let renewed = value(&place, "SELECT count(*) || '' FROM period WHERE no = 2").await;
        match (tokens.as_str(), renewed.as_str()) {
            ("3", "0") => in_the_middle += 1,
            ("20000", "3") => {}
            other => panic!("half done: {other:?}"),
        }
    }
    assert!(in_the_middle > 0, "every kill came after the commit");
    assert_eq!(place.run("import list.csv").code, 0);
    assert_eq!(
        value(&place, "SELECT count(*) || '' FROM token").await,
        "20000"
    );
}
