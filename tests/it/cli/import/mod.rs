//! Lists of tokens: what each form says, what each row does, and what is refused, by the real
//! program on a real store.

mod canary;
mod faults;
mod forms;
mod life;
mod sync;

use std::io::Write as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::cli::place::{Place, Ran, open};

/// A place with two clients and no token in its file.
fn place() -> Place {
    Place::with_config(&config(""))
}

fn config(tokens: &str) -> String {
    format!(
        r#"contact = "dsi@ville.example"
[schedule]
window = "00:00-24:00"
[mail]
from = "jetons@ville.example"
[reports]
weekly = false
[clients.mairie-x]
name = "Mairie de X"
contact = "dsi@mairie-x.example"
recipients = ["dgs@mairie-x.example"]
[clients.mairie-y]
name = "Mairie de Y"
{tokens}"#
    )
}

/// Runs the program with a list on its standard input.
fn fed(place: &Place, words: &str, list: &str) -> Ran {
    let args: Vec<&str> = words.split_whitespace().collect();
    fed_with(place, &args, list)
}

fn fed_with(place: &Place, args: &[&str], list: &str) -> Ran {
    let mut child = place
        .command(args)
        .args(["--lang", "en"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its command line reads nothing.
    let _closed = child.stdin.take().unwrap().write_all(list.as_bytes());
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

/// Imports a list that must be taken; what its rows did: token, outcome.
fn taken(place: &Place, words: &str, list: &str) -> Vec<(String, String)> {
    let ran = fed(place, &format!("import - --json {words}"), list);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows = ran.json()["data"].as_array().unwrap().clone();
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter()
        .map(|r| (word(r, "token"), word(r, "outcome")))
        .collect()
}

/// Imports a list that must be refused; the first fault's line and words.
fn refused(place: &Place, words: &str, list: &str) -> (u64, String) {
    let ran = fed(place, &format!("import - --json {words}"), list);
    assert_eq!(ran.code, 5, "{list}: {ran:?}");
    let fault = ran.json()["error"]["details"][0].clone();
    let message = fault["message"].as_str().unwrap_or_default().to_owned();
    assert!(ran.err.contains(&message), "{ran:?}");
    (fault["line"].as_u64().unwrap_or_default(), message)
}

/// One value of the store.
async fn value(place: &Place, sql: &'static str) -> String {
    let pool = open(&place.store()).await;
    let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.join(" ")
}

fn pairs(rows: &[(String, String)]) -> Vec<(&str, &str)> {
    rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
}

/// A token's text with these claims.
fn jwt(claims: &str) -> String {
    let b64 = |s: &str| BASE64_URL_SAFE_NO_PAD.encode(s);
    let signature = BASE64_URL_SAFE_NO_PAD.encode([7; 32]);
    format!("{}.{}.{signature}", b64(r#"{"alg":"HS256"}"#), b64(claims))
}

/// One that is known by `jti` and ends at `exp`.
fn token(jti: &str, sub: &str, exp: i64) -> String {
    jwt(&format!(
        r#"{{"uid":"{jti}","jti":"{jti}","scopes":["entreprises"],"sub":"{sub}","iat":1735689600,"exp":{exp}}}"#
    ))
}
