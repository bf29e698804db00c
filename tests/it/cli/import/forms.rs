//! The three forms of a list, what an export gives back, and every refusal with its line.

use super::{config, fed, fed_with, jwt, pairs, place, refused, taken, token, value};
use crate::cli::place::{Place, Ran};

const PORTAL: &str = "\u{feff}datapass_id,datapass_url,intitule,token_expiration,siret,demandeur_email\r\n\
    11244,https://datapass.api.gouv.fr/demandes/11244,\"Marchés,\r\npublics\",2027-12-31 12:00:00 UTC,13002526500013,c.martin@ville.example\r\n\
    \r\n\
    ,https://datapass.api.gouv.fr/demandes/11245?x=1,Cantine scolaire,31/12/2027,,\r\n";

#[tokio::test]
async fn the_portals_table_is_taken_and_says_nothing_new_the_second_time() {
    let place = place();
    std::fs::write(
        place.path("portail.csv"),
        PORTAL.replace(",\r\npublics", " publics"),
    )
    .unwrap();
    let ran = place.run("import portail.csv --json --lang en");
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows = ran.json()["data"].as_array().unwrap().clone();
    let of = |n: usize, key: &str| rows[n][key].clone();
    assert_eq!((of(0, "line"), of(1, "line")), (2.into(), 4.into()));
    assert_eq!(of(0, "token"), "marches-publics");
    assert_eq!(of(0, "expires"), "2027-12-31T13:00:00+01:00");
    assert_eq!(of(1, "token"), "cantine-scolaire");
    assert_eq!(of(1, "expires"), "2027-12-31T23:59:59+01:00");
    assert!(
        of(1, "remarks")[0]
            .as_str()
            .unwrap()
            .contains("only the contact")
    );
    assert_eq!(
        value(
            &place,
            "SELECT key || ' ' || role || ' ' || origin FROM recipient ORDER BY token"
        )
        .await,
        "c.martin@ville.example demandeur import dsi@ville.example observer import"
    );
    assert_eq!(
        value(&place, "SELECT group_concat(datapass_id) FROM token").await,
        "11244,11245"
    );
    assert_eq!(
        value(
            &place,
            "SELECT DISTINCT who FROM journal WHERE token IS NOT NULL"
        )
        .await,
        "import:portail.csv"
    );
    assert_eq!(
        value(&place, "SELECT DISTINCT source FROM period").await,
        "import:portail.csv"
    );

    let before = place.dump().await;
    let again = place.run("import portail.csv --lang en");
    assert_eq!(again.code, 0);
    assert_eq!(again.out, "");
    assert_eq!(again.err, "2 tokens: 2 unchanged\n");
    assert_eq!(place.dump().await, before);

    let check = place.run("check --lang en");
    assert!(
        check.out.contains(
            "1 imported token without a recipient, only the contact is told: cantine-scolaire"
        ),
        "{check:?}"
    );
    // A cell may go over two lines; the rows after it keep their lines. A name that may not be
    // shown on one line is refused.
    let (line, said) = refused(&place, "", PORTAL);
    assert_eq!(line, 2, "{said}");
}

#[tokio::test]
async fn a_table_of_our_own_and_json_lines_say_the_same() {
    let table = "id;Nom;numéro DataPass;jti;expire_le;destinataires;tags;used_by;client;from\n\
        a;Aides;77;aaaa-0001;2027-06-30;\"Jeanne D. <j@ville.example> (demandeur, 30, en); t@ville.example\";x, y;\"Guichet; accueil\";mairie-x;\n";
    let lines = "# what the editor wrote\n\
        {\"id\":\"a\",\"name\":\"Aides\",\"datapass_id\":77,\"jti\":\"aaaa-0001\",\"expires\":\"2027-06-30\",\"tags\":[\"x\",\"y\"],\
        \"used_by\":[\"Guichet\",\"accueil\"],\"client\":\"mairie-x\",\"recipients\":[{\"email\":\"j@ville.example\",\"name\":\"Jeanne D.\",\
        \"role\":\"demandeur\",\"from_stage\":30,\"language\":\"en\"},\"t@ville.example\"],\"siret\":null}\n";
    let (one, other) = (place(), place());
    let unquoted = table.replace("\"Guichet; accueil\"", "\"Guichet, accueil\"");
    let ran = fed(&one, "import -", &unquoted);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err.contains("the column \"from\" is not read"),
        "{ran:?}"
    );
    assert_eq!(pairs(&taken(&other, "", lines)), [("a", "added")]);
    let sql = "SELECT id || name || client || client_name || datapass_id || jti || used_by || tags || contact || \
        (SELECT group_concat(key || coalesce(name, '-') || role || language || coalesce(from_stage, '-')) FROM recipient) FROM token";
    assert_eq!(value(&one, sql).await, value(&other, sql).await);
    let people = value(
        &one,
        "SELECT group_concat(key, ' ') FROM (SELECT key FROM recipient ORDER BY key)",
    )
    .await;
    assert_eq!(
        people,
        "dgs@mairie-x.example j@ville.example t@ville.example"
    );
    // Each reads what the other wrote.
    assert_eq!(pairs(&taken(&one, "", lines)), [("a", "unchanged")]);
    assert_eq!(pairs(&taken(&other, "", &unquoted)), [("a", "unchanged")]);
}

#[tokio::test]
async fn tokens_on_standard_input_give_their_claims_and_nothing_else() {
    let place = place();
    let list = format!(
        "Bearer {}\n\n# a second one\n{}\n",
        token(
            "11111111-2222-4333-8444-555555555555",
            "Démo",
            1_782_864_000
        ),
        jwt(
            r#"{"jti":"22222222-2222-4333-8444-555555555555","roles":["b","a"],"sub":"Démo","iat":1735689600}"#
        )
    );
    let args = [
        "import",
        "-",
        "--json",
        "--client",
        "mairie-x",
        "--recipient",
        "Jean <j@ville.example> (demandeur)",
    ];
    let ran = fed_with(&place, &args, &list);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows = ran.json()["data"].as_array().unwrap().clone();
    assert_eq!(rows[0]["line"], 1);
    assert_eq!(rows[1]["line"], 4);
    assert_eq!(
        (&rows[0]["token"], &rows[1]["token"]),
        (&"demo".into(), &"demo-555555".into())
    );
    // Without `exp`: 18 months after `iat`.
    assert_eq!(rows[1]["expires"], "2026-07-01T01:00:00+02:00");
    let remarks = rows[1]["remarks"].to_string();
    assert!(
        remarks.contains("no expiry") && remarks.contains("`roles`"),
        "{remarks}"
    );
    assert_eq!(
        value(&place, "SELECT scopes FROM token ORDER BY no").await,
        "[\"entreprises\"] [\"a\",\"b\"]"
    );
    assert_eq!(
        value(
            &place,
            "SELECT DISTINCT length(fingerprint) || '' FROM token"
        )
        .await,
        "64"
    );
    assert_eq!(
        value(
            &place,
            "SELECT group_concat(key) FROM (SELECT DISTINCT key FROM recipient ORDER BY key)"
        )
        .await,
        "dgs@mairie-x.example,j@ville.example"
    );
    // One token, completed on the command line.
    let one = token(
        "33333333-2222-4333-8444-555555555555",
        "Autre",
        1_782_864_000,
    );
    assert_eq!(
        pairs(&taken(&place, "--id mon-jeton --datapass-id 4711", &one)),
        [("mon-jeton", "added")]
    );
    assert_eq!(
        value(
            &place,
            "SELECT datapass_id FROM token WHERE id = 'mon-jeton'"
        )
        .await,
        "4711"
    );
    assert_eq!(fed(&place, "import - --id x", &list).code, 2);

    std::fs::write(place.path("secret.txt"), &one).unwrap();
    let ran = place.run("import secret.txt --lang en");
    assert!(ran.err.contains("delete it now"), "{ran:?}");
}

/// What is exported is imported unchanged, and makes the same tokens elsewhere.
#[tokio::test]
async fn an_export_is_read_back_unchanged() {
    let place = Place::new();
    assert_eq!(place.run("run --once").code, 0);
    let list = "id,name,siret,issued,expires,tags,used_by,recipients,demandeur_email,language\n\
        a,\"Aides, \"\"jeunes\"\"\",13002526500013,2026-01-15T10:30:00Z,2027-06-30,\"x, \"\"y;z\"\"\",,\"\"\"D., (J) \"\" <j@ville.example>\",d@ville.example,en\n\
        b,Sans destinataire,,,2027-01-31T16:45:00+01:00,,,,,\n";
    let ran = fed(&place, "import -", list);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        pairs(&taken(
            &place,
            "",
            &token("4444-5555", "Jeton lu", 1_814_400_000)
        )),
        [("jeton-lu", "added")]
    );
    for format in ["csv", "json"] {
        let exported = place.run(&format!("export --format {format}"));
        assert_eq!(exported.code, 0, "{exported:?}");
        assert!(exported.out.contains("marches-publics"));
        let before = place.dump().await;
        let ran = fed(&place, "import - --sync --json", &exported.out);
        assert_eq!(ran.code, 0, "{ran:?}");
        let rows = ran.json()["data"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 5);
        assert!(rows.iter().all(|r| r["outcome"] == "unchanged"), "{rows:?}");
        assert_eq!(place.dump().await, before, "{format}");

        let elsewhere = Place::with_config(&config(""));
        let ran = fed(&elsewhere, "import -", &exported.out);
        assert_eq!(ran.code, 0, "{ran:?}");
        let again = elsewhere.run(&format!("export --format {format}"));
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&again.out), sorted(&exported.out));
    }
    let document = place.run("export --json").json();
    assert_eq!(document["schema"], "jetond.export/1");
    assert_eq!(document["data"].as_array().unwrap().len(), 5);
}

#[test]
fn each_fault_is_told_with_its_line_and_nothing_is_taken() {
    let place = place();
    let secret = token("5555-6666", "Secret", 1_782_864_000);
    let two_parts = secret.rsplit_once('.').unwrap().0.to_owned();
    let cut = format!("{}*{}", &secret[..60], &secret[61..]);
    for (list, line, word) in [
        ("hello\nworld\n".to_owned(), 1, "name the columns"),
        ("name\nÀ\n".to_owned(), 2, "has no date"),
        (
            "name,expires\nA,2027-01-01\nB,demain\n".to_owned(),
            3,
            "is not a date",
        ),
        ("name,expires\nA,03/04/2027\n".to_owned(), 2, "in two ways"),
        (
            "name,expires\nA,04/28/2027\nB,03/04/2027\n".to_owned(),
            2,
            "day/month/year",
        ),
        ("name,expires\nA,2027-01-01\nB\n".to_owned(), 3, "1 cells"),
        ("name,expires\nA,2027-01-01,x\n".to_owned(), 2, "3 cells"),
        (
            "name,expires,siret\nA,2027-01-01,1.30025E+13\n".to_owned(),
            2,
            "spreadsheet",
        ),
        (
            "name,expires,siret\nA,2027-01-01,13002526500014\n".to_owned(),
            2,
            "checksum",
        ),
        (
            "name,expires,demandeur_email\nA,2027-01-01,martin\n".to_owned(),
            2,
            "not a mail address",
        ),
        (
            "name,issued,expires\nA,2027-01-01,2026-01-01\n".to_owned(),
            2,
            "before it is issued",
        ),
        (
            "name,expires,client\nA,2027-01-01,mairie-z\n".to_owned(),
            2,
            "[clients.mairie-z]",
        ),
        ("name,expires,jti\nA,2027-01-01,x y\n".to_owned(), 2, "jti"),
        (
            "id,expires\n-a,2027-01-01\n".to_owned(),
            2,
            "cannot be an id",
        ),
        (
            "name,expires,nom\nA,2027-01-01,B\n".to_owned(),
            1,
            "two columns",
        ),
        (
            "name,expires\nA\u{7},2027-01-01\n".to_owned(),
            2,
            "control character",
        ),
        (
            format!("name,expires\nA,2027-01-01\n{secret},2027-01-01\n"),
            3,
            "a JWT",
        ),
        (
            "{\"name\":\"A\",\"expires\":\"2027-01-01\"}\nname\n".to_owned(),
            2,
            "no JSON object",
        ),
        (
            "{\"name\":\"A\",\"expires\":true}\n".to_owned(),
            1,
            "a text, a number or a list",
        ),
        ("{\"name\":\"A\",\"nom\":\"B\"}\n".to_owned(), 1, "two keys"),
        (
            "{\"name\":\"A\",\"expires\":\"2027-01-01\",\"recipients\":[7]}\n".to_owned(),
            1,
            "a recipient is",
        ),
        (
            format!("{{\"name\":\"A\"}}\n{{\"name\":\"{secret}\"}}\n"),
            2,
            "a JWT",
        ),
        (format!("{secret}\n{two_parts}\n"), 2, "this text has 2"),
        (format!("{secret}\n\n{cut}\n"), 3, "not base64url"),
        (format!("{secret}\nbonjour\n"), 2, "this text has 1"),
        (
            format!("{}\n", jwt(r#"{"sub":"a","exp":1782864000}"#)),
            1,
            "no `jti`",
        ),
        (
            format!("{}\n", jwt(r#"{"jti":"aaaa-1","exp":"x"}"#)),
            1,
            "neither the token’s `exp`",
        ),
        (
            "id,expires\na,2027-01-01\na,2027-01-02\n".to_owned(),
            3,
            "the same token",
        ),
        (
            "name,expires\nA,2027-01-01\nA,2027-01-02\n".to_owned(),
            3,
            "the same token",
        ),
        (
            "jti,expires\naaaa-1,2027-01-01\nAAAA-1,2027-01-02\n".to_owned(),
            3,
            "the same token",
        ),
        (
            "datapass_id,jti,expires\n7,aaaa-1,2027-01-01\n7,,2027-01-02\n".to_owned(),
            3,
            "the same token",
        ),
    ] {
        let (at, said) = refused(&place, "", &list);
        assert!(at == line && said.contains(word), "{list}: {at} {said}");
        assert!(!said.contains(&secret[40..60]), "{said}");
        assert_eq!(
            place.run("list --json").json()["data"]
                .as_array()
                .unwrap()
                .len(),
            0
        );
    }
    // Every fault of a list is told.
    let ran = fed(
        &place,
        "import - --json",
        "name,expires,siret\nA,x,y\nB,2027-01-01,\nC,,z\n",
    );
    let lines: Vec<u64> = ran.json()["error"]["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [2, 2, 4]);
    assert_eq!(ran.json()["error"]["code"], "import_refused");
    // A file of an old spreadsheet, and one of a new one.
    for (bytes, word) in [
        (
            b"name,expires\nA,2027-01-01\nCaf\xe9,2027-01-01\n".to_vec(),
            "latin.csv:3: this line is not UTF-8",
        ),
        (b"\xff\xfen\0a\0".to_vec(), "latin.csv:1: this is UTF-16"),
    ] {
        std::fs::write(place.path("latin.csv"), bytes).unwrap();
        let ran = place.run("import latin.csv --lang en");
        assert_eq!(ran.code, 5);
        assert!(ran.err.contains(word), "{ran:?}");
    }
    for (code, words) in [
        (4, "import nowhere.csv"),
        (4, "import - --client mairie-xx"),
        (5, "import ."),
        (5, "import - --sync"),
        (2, "import"),
        (2, "import - --recipient martin"),
        (2, "import - --archive-missing"),
        (0, "import -"),
    ] {
        let ran = fed(&place, words, "");
        assert_eq!(ran.code, code, "{words}: {ran:?}");
    }
    let near = fed(&place, "import - --client mairie-xx", "");
    assert!(near.err.contains("did you mean `mairie-x`?"), "{near:?}");
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let place = place();
    let files = place.files();
    let list = "name,expires\nA,2027-01-01\nA,2027-01-01\n";
    for words in ["import - -n", "import - -n --json"] {
        let ran = fed(&place, words, list);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(place.files(), files);
    }
    let ran = fed(&place, "import - -n", list);
    assert!(ran.out.contains("repeats line 2"), "{ran:?}");
    assert!(
        ran.err
            .ends_with("2 tokens: 1 added, 1 unchanged; nothing was changed\n"),
        "{ran:?}"
    );
}

#[test]
fn the_report_in_both_languages() {
    let place = Place::new();
    assert_eq!(place.run("run --once").code, 0);
    std::fs::write(
        place.path("liste.csv"),
        "id;name;datapass_id;jti;expires;demandeur_email;commentaire\n\
         marches-publics;Autre nom;11244;;2028-06-30;;\n\
         cantine;Cantine scolaire;20001;aaaa-0001;2027-08-31;c.martin@ville.example;oui\n\
         ;Cantine scolaire;20001;aaaa-0002;2029-02-28;c.martin@ville.example;\n\
         ;Crèche;;;2027-08-31;;\n",
    )
    .unwrap();
    std::fs::write(
        place.path("fautes.csv"),
        "id;expires\nmarches-publics;2020-01-31\ncantine;03/04/2027\n",
    )
    .unwrap();
    let mut told = String::new();
    for words in [
        "import liste.csv -n",
        "import fautes.csv",
        "import fautes.csv --day-first",
    ] {
        for lang in ["fr", "en"] {
            let Ran { code, out, err } = place.run(&format!("--lang {lang} {words}"));
            told += &format!("$ jetond --lang {lang} {words}\n{out}");
            for line in err.lines() {
                told += &format!("2> {line}\n");
            }
            told += &format!("= {code}\n\n");
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("../snapshots");
    settings.bind(|| insta::assert_snapshot!("import", told.replace('\u{a0}', "~")));
}
