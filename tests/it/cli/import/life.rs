//! What a row does to a token on record, whatever happened to it before; and the file beside it.

use super::{config, fed, pairs, place, refused, taken, token, value};
use crate::cli::place::{Place, RECORDED, at};

const HEAD: &str = "id,name,jti,datapass_id,expires,recipients\n";

#[tokio::test]
async fn a_later_date_renews_the_same_changes_nothing_and_an_earlier_one_is_refused() {
    // A mail was sent for this token; what is still owed for its period ends with it.
    let place = Place::with_record().await;
    place.pass(at("2026-11-30T19:00:00+01:00")).await;
    let owed = "SELECT count(*) || '' FROM notice n JOIN token t ON t.no = n.token \
        WHERE t.id = 'marches-publics' AND n.state = 'owed'";
    assert_ne!(value(&place, owed).await, "0");
    let expiry = place.run("show marches-publics --json").json()["data"][0]["expires"].clone();
    let row = |date: &str| format!("id,expires\nmarches-publics,{date}\n");
    let day = &expiry.as_str().unwrap()[..10];
    assert_eq!(
        pairs(&taken(&place, "", &row(day))),
        [("marches-publics", "unchanged")]
    );
    // The same day at another hour is the same date.
    assert_eq!(
        pairs(&taken(&place, "", &row(&format!("{day}T10:00")))),
        [("marches-publics", "unchanged")]
    );
    let (line, said) = refused(&place, "", &row("2026-01-01"));
    assert_eq!(line, 2);
    assert!(
        said.contains("jetond revoke marches-publics --at 2026-01-01"),
        "{said}"
    );
    assert_ne!(value(&place, owed).await, "0");

    assert_eq!(
        pairs(&taken(&place, "", &row("2028-06-30"))),
        [("marches-publics", "renewed")]
    );
    assert_eq!(value(&place, owed).await, "0");
    assert_eq!(
        value(
            &place,
            "SELECT DISTINCT reason FROM notice WHERE reason IS NOT NULL AND state = 'suppressed'"
        )
        .await,
        "renewed"
    );
    assert_eq!(
        value(
            &place,
            "SELECT no || source FROM period WHERE token = 1 ORDER BY no"
        )
        .await,
        "1file 2import:-"
    );
    // Those who were reminded are to hear that it is done.
    assert_eq!(
        value(&place, "SELECT kind || ' ' || who FROM news").await,
        "renewed import:-"
    );
    // The file still says what it said: that undoes nothing.
    place.pass(at(RECORDED)).await;
    let shown = place.run("show marches-publics --json").json();
    assert!(
        shown["data"][0]["expires"]
            .as_str()
            .unwrap()
            .starts_with("2028-06-30")
    );
    let history = place.run("history marches-publics --lang en");
    assert!(history.out.contains("import:-"), "{history:?}");
}

#[tokio::test]
async fn a_wrong_record_is_corrected_only_on_request() {
    let place = place();
    let row = |date: &str| format!("{HEAD}a,A,aaaa-1,,{date},x@ville.example\n");
    taken(&place, "", &row("2072-01-01"));
    refused(&place, "", &row("2027-01-01"));
    assert_eq!(
        pairs(&taken(&place, "--correct", &row("2027-01-01"))),
        [("a", "corrected")]
    );
    assert_eq!(
        value(&place, "SELECT count(*) || '' FROM period").await,
        "1"
    );
}

#[tokio::test]
async fn a_row_finds_its_token_by_what_it_has() {
    let place = place();
    // By number only, then by the jti that a later list gives it.
    taken(
        &place,
        "",
        "intitule,datapass_id,token_expiration\nCantine,77,2027-01-31\n",
    );
    let ran = fed(
        &place,
        "import - -n",
        "jti,datapass_id,expires\naaaa-1,77,2028-07-31\n",
    );
    assert!(ran.out.contains("jetond supersede cantine NEW"), "{ran:?}");
    assert_eq!(
        pairs(&taken(&place, "", "jti,datapass_id\naaaa-1,77\n")),
        [("cantine", "changed")]
    );
    assert_eq!(
        pairs(&taken(
            &place,
            "",
            &token("aaaa-1", "Autre nom", 1_801_353_600)
        )),
        [("cantine", "changed")]
    );
    assert_eq!(
        value(&place, "SELECT name || length(fingerprint) FROM token").await,
        "Cantine64"
    );
    // The same number, another jti: a token of its own, and a proposal that works.
    let ran = fed(
        &place,
        "import -",
        "name,jti,datapass_id,expires\nCantine,bbbb-2,77,2028-07-31\n",
    );
    assert!(
        ran.out.contains("jetond supersede cantine cantine-77"),
        "{ran:?}"
    );
    assert_eq!(
        place.run("list --json").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Now a number alone does not tell which.
    let (_, said) = refused(&place, "", "datapass_id,expires\n77,2029-01-01\n");
    assert!(said.contains("`cantine` and `cantine-77`"), "{said}");
    let (_, said) = refused(&place, "", "id,jti,expires\ncantine,cccc-3,2029-01-01\n");
    assert!(said.contains("another jti"), "{said}");
    let (_, said) = refused(&place, "", "id,jti\ncantine,bbbb-2\n");
    assert!(said.contains("that of another token"), "{said}");
    let ran = fed(&place, "import -", "id,jti\nnouveau,bbbb-2\n");
    assert!(ran.out.contains("keeps that id"), "{ran:?}");
}

#[tokio::test]
async fn what_a_row_leaves_out_stays_and_what_it_says_replaces() {
    let place = place();
    let people = "SELECT group_concat(key, ' ') FROM (SELECT key FROM recipient WHERE removed_at IS NULL ORDER BY key)";
    taken(
        &place,
        "",
        "id,name,expires,siret,tags\na,Aides,2027-01-31,13002526500013,\"x, y\"\n",
    );
    assert_eq!(value(&place, people).await, "dsi@ville.example");
    taken(
        &place,
        "",
        "id,recipients\na,\"j@ville.example (demandeur), t@ville.example\"\n",
    );
    assert_eq!(
        value(&place, people).await,
        "j@ville.example t@ville.example"
    );
    assert_eq!(
        value(&place, "SELECT name || siret || tags FROM token").await,
        "Aides13002526500013[\"x\",\"y\"]"
    );
    // Nobody named: nobody leaves; the client's people come in addition.
    assert_eq!(
        pairs(&taken(&place, "--client mairie-x", "id,name\na,Aides\n")),
        [("a", "changed")]
    );
    assert_eq!(
        value(&place, people).await,
        "dgs@mairie-x.example j@ville.example t@ville.example"
    );
    assert_eq!(
        value(&place, "SELECT contact FROM token").await,
        "dsi@mairie-x.example"
    );
    taken(&place, "", "id,recipients\na,J@Ville.example\n");
    assert_eq!(
        value(&place, people).await,
        "dgs@mairie-x.example j@ville.example"
    );
    let said = value(&place, "SELECT what || ' ' || (detail ->> 'recipient') FROM journal WHERE what LIKE 'recipient%' ORDER BY 1").await;
    assert!(said.contains("recipient_removed t@ville.example"), "{said}");
    assert!(
        said.contains("recipient_removed dsi@ville.example"),
        "{said}"
    );
}

#[tokio::test]
async fn a_token_that_ended_is_not_brought_back_by_a_list() {
    let place = place();
    let list = format!(
        "{HEAD}a,A,aaaa-1,,2027-01-31,x@ville.example\nb,B,bbbb-1,,2027-01-31,x@ville.example\n"
    );
    let later = list.replace("2027-01-31", "2028-07-31");
    taken(&place, "", &list);
    let pool = crate::cli::place::open(&place.store()).await;
    let set = async |sql: &'static str| {
        sqlx::query(sql).execute(&pool).await.unwrap();
    };
    set("UPDATE token SET state = 'archived', state_by = 'person' WHERE id = 'a'").await;
    let ran = fed(&place, "import -", &list);
    assert!(ran.out.contains("until `jetond restore a`"), "{ran:?}");
    assert_eq!(
        value(&place, "SELECT state FROM token WHERE id = 'a'").await,
        "archived"
    );

    set("UPDATE token SET state = 'superseded', superseded_by = 2 WHERE id = 'a'").await;
    assert_eq!(pairs(&taken(&place, "", &list))[0], ("a", "unchanged"));
    let (line, said) = refused(&place, "", &later);
    assert_eq!(line, 2);
    assert!(said.contains("superseded by `b`"), "{said}");
    assert_eq!(
        value(&place, "SELECT group_concat(period ORDER BY no) FROM token").await,
        "1,1"
    );

    set("UPDATE token SET state = 'revoked', superseded_by = NULL WHERE id = 'a'").await;
    let ran = fed(&place, "import -", &later);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("this token is revoked"), "{ran:?}");
    assert_eq!(
        value(&place, "SELECT group_concat(period ORDER BY no) FROM token").await,
        "1,2"
    );
    pool.close().await;
}

#[tokio::test]
async fn the_file_and_an_import_share_a_token() {
    let place = place();
    let list = format!("{HEAD}a,Aides,aaaa-1,77,2027-01-31,\"x@ville.example, y@ville.example\"\n");
    taken(&place, "", &list);
    // Declared in the file: it is the file's from the next reading on, history and all.
    let declared = "[[token]]\nid = \"a\"\nname = \"Aides sociales\"\nexpires = 2027-01-31\njti = \"aaaa-1\"\n\
        recipients = [\"x@ville.example\", \"z@ville.example\"]\n";
    std::fs::write(place.path("config.toml"), config(declared)).unwrap();
    let now = jetond::clock::now();
    place.pass(now).await;
    let state = "SELECT origin || ' ' || name || ' ' || period || ' ' || state FROM token";
    assert_eq!(value(&place, state).await, "file Aides sociales 1 active");
    let people = "SELECT group_concat(key || ' ' || origin, ', ') FROM (SELECT * FROM recipient WHERE removed_at IS NULL ORDER BY key)";
    assert_eq!(
        value(&place, people).await,
        "x@ville.example file, z@ville.example file"
    );
    let history = place.run("history a --lang en");
    assert!(history.out.contains("declared in the file"), "{history:?}");
    // A list then tells its date, and nothing else.
    let ran = fed(
        &place,
        "import -",
        &list.replace("2027-01-31", "2028-07-31"),
    );
    assert!(
        ran.out.contains("renewed") && ran.out.contains("whose word counts for name"),
        "{ran:?}"
    );
    assert_eq!(value(&place, state).await, "file Aides sociales 2 active");
    place.pass(now).await;
    assert_eq!(value(&place, state).await, "file Aides sociales 2 active");
    // Gone from the file it is archived, and a list that has it takes it over.
    std::fs::write(place.path("config.toml"), config("")).unwrap();
    place.pass(now).await;
    assert_eq!(value(&place, state).await, "file Aides sociales 2 archived");
    assert_eq!(
        pairs(&taken(
            &place,
            "",
            &list.replace("2027-01-31", "2028-07-31")
        )),
        [("a", "restored")]
    );
    assert_eq!(value(&place, state).await, "import Aides 2 active");
    assert_eq!(
        value(&place, people).await,
        "x@ville.example import, y@ville.example import"
    );
    // A file that was changed and not taken over yet goes first.
    std::fs::write(
        place.path("config.toml"),
        config(
            &declared
                .replace("\"a\"", "\"neuf\"")
                .replace("aaaa-1", "cccc-3"),
        ),
    )
    .unwrap();
    let (_, said) = refused(&place, "", "name,jti,expires\nX,cccc-3,2027-01-31\n");
    assert!(said.contains("jetond reload"), "{said}");
}

#[tokio::test]
async fn one_token_under_two_ids_is_told_by_check() {
    let place = place();
    taken(
        &place,
        "",
        &format!("{HEAD}a,Aides,aaaa-1,77,2027-01-31,x@ville.example\n"),
    );
    let declared = "[[token]]\nid = \"aides\"\nname = \"Aides\"\nexpires = 2027-01-31\njti = \"aaaa-1\"\nrecipients = [\"x@ville.example\", \"z@ville.example\"]\n";
    std::fs::write(place.path("config.toml"), config(declared)).unwrap();
    place.pass(jetond::clock::now()).await;
    let check = place.run("check --lang en");
    assert_eq!(check.code, 0);
    assert!(
        check.out.contains("`a` and `aides` have the same jti"),
        "{check:?}"
    );
}
