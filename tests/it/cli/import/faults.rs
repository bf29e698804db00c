//! Lists that cannot be taken: each fault with its line, and nothing of the list; and lists that
//! are only tried out.

use super::{fed, jwt, place, refused, token};

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
