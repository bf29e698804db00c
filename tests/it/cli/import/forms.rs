//! The three forms of a list, what an export gives back, and the report in both languages.

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
