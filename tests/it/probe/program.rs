//! `jetond probe`: what it refuses, and with which words and exit codes.

use serde_json::Value;

use super::daemon::record;
use super::{declared, head, jwt, section};
use crate::support::api_server::{ApiServer, alive, error, over_volume};
use crate::support::private_file;
use crate::support::program::{Program, said};

fn told(program: &Program, args: &[&str]) -> (i32, Value, String) {
    let output = program.command(args).arg("--json").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let code = answer["error"]["code"].clone();
    (output.status.code().unwrap(), code, said(&output))
}

#[test]
fn what_cannot_be_asked_about_is_refused_with_what_to_do() {
    let program = Program::new(&(head() + &declared("m", "2099-12-01")));
    let nothing = program.command(&["probe"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(5), "{}", said(&nothing));
    let made = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    for (args, exit, code) in [
        (&["probe", "elsewhere"][..], 4, "not_found"),
        (&["probe", "m"][..], 5, "no_secret"),
        (&["probe"][..], 5, "no_secret"),
    ] {
        let (found, word, said) = told(&program, args);
        assert_eq!((found, word.as_str()), (exit, Some(code)), "{said}");
    }
    for (lang, words) in [
        ("fr", "aucun secret n’est donné pour `m`"),
        ("en", "no secret is given for `m`"),
    ] {
        let output = program
            .command(&["--lang", lang, "probe", "m"])
            .output()
            .unwrap();
        let said = said(&output);
        assert!(
            said.contains(words) && said.contains("secret = { credential"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_says_is_printed_with_an_exit_code_of_its_own() {
    let server = ApiServer::start();
    let token = declared("m", "2099-12-01") + "secret = { file = \"m.jwt\" }\n";
    let program = Program::new(&(head() + &section(&server) + &token));
    private_file(&program.place().join("m.jwt"), &jwt("m"));
    let made = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert!(server.told().is_empty(), "one pass asks nothing");
    let row = program.json(&["probe"]).remove(0);
    assert_eq!(
        (
            row["token"].as_str(),
            row["verdict"].as_str(),
            row["status"].as_u64()
        ),
        (Some("m"), Some("alive"), Some(200))
    );
    server.always(error(401, "00105"));
    let dead = program
        .command(&["--lang", "fr", "probe", "m"])
        .output()
        .unwrap();
    assert_eq!(dead.status.code(), Some(6), "{}", said(&dead));
    let words = said(&dead);
    // The token was declared a moment ago.
    assert!(
        words.contains("401 00105") && words.contains("ce qu’elle savait avant"),
        "{words}"
    );
    let shown = program.json(&["show", "m"]).remove(0);
    assert!(shown["probe"]["suspected"].is_null(), "{shown:#}");
    for sql in [
        "UPDATE period SET opened_at = opened_at - 7200, dated_at = dated_at - 7200",
        "UPDATE token SET state_at = state_at - 7200",
    ] {
        record(&program, sql).await;
    }
    let dead = program
        .command(&["--lang", "fr", "probe", "m"])
        .output()
        .unwrap();
    let words = said(&dead);
    assert!(words.contains("une première réponse"), "{words}");
    // What lives, and what could not be asked about.
    server.always(alive(&["entreprises"]));
    let other = declared("n", "2099-12-01") + "secret = { file = \"n.jwt\" }\n";
    program.rewrite(&(head() + &section(&server) + &token + &other));
    let made = program.command(&["run", "--once"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let part = program.command(&["probe", "--json"]).output().unwrap();
    assert_eq!(part.status.code(), Some(5), "{}", said(&part));
    let answer: Value = serde_json::from_slice(&part.stdout).unwrap();
    assert_eq!(answer["data"].as_array().unwrap().len(), 1, "{answer}");
    assert!(said(&part).contains("n.jwt"), "{}", said(&part));
    server.always(over_volume("Retry-After: 600\r\n"));
    // That is no sign of life.
    let much = program.command(&["probe", "m", "--json"]).output().unwrap();
    assert_eq!(much.status.code(), Some(6), "{}", said(&much));
    let answer: Value = serde_json::from_slice(&much.stdout).unwrap();
    assert_eq!(answer["data"][0]["verdict"], "over_volume", "{answer}");
    let (exit, word, said) = told(&program, &["probe", "m"]);
    assert_eq!((exit, word.as_str()), (5, Some("service_rests")), "{said}");
    assert_eq!(server.asked("/privileges"), 5);
    // Once, and to the second: a pause may be half a minute.
    let all = program
        .command(&["--lang", "en", "probe"])
        .output()
        .unwrap();
    let words = String::from_utf8(all.stderr).unwrap();
    assert_eq!(words.matches("is not asked before").count(), 1, "{words}");
    let (_, at) = words.split_once("is not asked before ").unwrap();
    assert_eq!(at.split(':').nth(2).map(str::len), Some(2), "{words}");
}
