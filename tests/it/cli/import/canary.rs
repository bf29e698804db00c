//! The text of a token goes in and comes out nowhere: not in the store or its log, not in words,
//! documents, mails or the journal, in no form.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use sqlx::sqlite::SqlitePool;

use super::{fed, jwt, place};
use crate::cli::place::{Place, open};

/// Every form of a text that would give it away. Base64 depends on where in a text it begins.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex];
    for shift in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(shift));
        for encoded in [
            BASE64_STANDARD_NO_PAD.encode(&shifted),
            BASE64_STANDARD.encode(&shifted),
            BASE64_URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            // The ends mix with what stands before and behind.
            forms.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    forms
}

/// Bytes as a text that can be searched for ASCII.
fn searchable(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

/// The files below a directory that hold a form of a secret.
fn leaks(place: &Place, secrets: &[String], but: &str) -> Vec<String> {
    let is_input = |name: &str| name == but;
    let mut leaks = Vec::new();
    for name in place.files().into_iter().filter(|n| !is_input(n)) {
        let path = place.path(&name);
        if !Path::new(&path).is_file() {
            continue;
        }
        let text = searchable(&std::fs::read(&path).unwrap());
        if secrets.iter().any(|s| text.contains(s)) {
            leaks.push(name);
        }
    }
    leaks
}

/// As long as somebody else reads it, the log stays beside the store. Reading the files in this
/// process ends that: a new one is needed each time.
async fn reading(place: &Place) -> SqlitePool {
    let reader = open(&place.store()).await;
    let _tokens: i64 = sqlx::query_scalar("SELECT count(*) FROM token")
        .fetch_one(&reader)
        .await
        .unwrap();
    reader
}

#[tokio::test]
async fn no_form_of_a_token_is_left_anywhere() {
    let claims = |jti: &str, more: &str| {
        jwt(&format!(
            r#"{{"uid":"{jti}","jti":"{jti}","scopes":["entreprises"],"sub":"Jeton canari","extra_info":{{"note":"canari-4711-canari-4712"}},"iat":1735689600{more}}}"#
        ))
    };
    let soon = jetond::clock::now().timestamp() + 20 * 86_400;
    let sound = claims(
        "11111111-2222-4333-8444-555555555555",
        &format!(",\"exp\":{soon}"),
    );
    let odd = claims("22222222-2222-4333-8444-555555555555", "");
    let no_date =
        jwt(r#"{"jti":"33333333-2222-4333-8444-555555555555","sub":"canari-4711-canari-4712"}"#);
    let mut secrets: Vec<String> = Vec::new();
    for token in [&sound, &odd, &no_date] {
        secrets.extend(forms(token));
        // The header is the same for every token of the State and no secret; of the others each
        // part counts by itself.
        for part in token.split('.').skip(1) {
            secrets.extend(forms(part));
        }
    }
    secrets.extend(forms("canari-4711-canari-4712"));
    secrets.push(sound.split('.').next().unwrap().to_owned());
    assert!(secrets.iter().all(|s| s.len() >= 10));

    let place = place();
    assert_eq!(place.run("run --once").code, 0);
    let mut said = Vec::new();
    for (words, list, code) in [
        (
            "import - --recipient x@ville.example",
            format!("{sound}\nBearer {odd}\n"),
            0,
        ),
        ("import - --json", sound.clone(), 0),
        ("import -", format!("{sound}\n{no_date}\n"), 5),
        ("import - --json", no_date.clone(), 5),
        ("import -", sound.replace('.', "\n"), 5),
        ("import -", format!("{sound}{odd}"), 5),
        ("import -", format!("{}\n", &sound[..sound.len() - 60]), 5),
        (
            "import -",
            format!("id,name,expires\na,{sound},2027-01-01\n"),
            5,
        ),
        (
            "import - --json",
            format!("id,{sound},expires\na,b,2027-01-01\n"),
            5,
        ),
        ("import - --json", format!("id,expires\na,{sound}\n"), 5),
        (
            "import - --json",
            format!("{{\"id\":\"a\",\"expires\":\"{sound}\"}}\n"),
            5,
        ),
        ("import - --json", format!("{{\"{sound}\":\"a\"}}\n"), 5),
        ("import -", format!("{{\"id\":{sound}}}\n"), 5),
    ] {
        let reader = reading(&place).await;
        let ran = fed(&place, words, &list);
        assert_eq!(ran.code, code, "{words}");
        said.push(ran.out + &ran.err);
        assert!(place.path("jetond.db-wal").exists());
        assert_eq!(leaks(&place, &secrets, ""), [""; 0]);
        reader.close().await;
    }
    let reader = reading(&place).await;
    std::fs::write(place.path("jetons.txt"), format!("{sound}\n")).unwrap();
    for words in [
        "import jetons.txt",
        "run --once",
        "export",
        "export --format json",
        "export --json",
        "history --json",
        "show jeton-canari --json",
        "list --json",
        "check --json",
        "status --json",
        "simulate --json",
    ] {
        let ran = place.run(words);
        assert!([0, 6].contains(&ran.code), "{words}: {ran:?}");
        said.push(ran.out + &ran.err);
    }
    let exported = &said[said.len() - 9];
    assert!(
        exported.contains("11111111-2222-4333-8444-555555555555"),
        "{exported}"
    );
    for text in &said {
        let leak = secrets.iter().find(|s| text.contains(*s));
        assert!(leak.is_none(), "{text}");
    }
    // A reminder has left, and it is as clean as the rest.
    assert!(
        place.files().iter().any(|f| f.ends_with(".eml")),
        "{:?}",
        place.files()
    );
    assert_eq!(leaks(&place, &secrets, "jetons.txt"), [""; 0]);
    reader.close().await;
    assert_eq!(leaks(&place, &secrets, "jetons.txt"), [""; 0]);
    // The test sees what it looks for.
    std::fs::write(
        place.path("leak"),
        BASE64_STANDARD.encode(format!("ab{sound}")),
    )
    .unwrap();
    assert_eq!(leaks(&place, &secrets, "jetons.txt"), ["leak"]);
}
