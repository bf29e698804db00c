//! The verbs on the command line: what each says in both languages and as JSON, its exit code,
//! what it asks, and that a dry run leaves no trace. What they do to mails is in `verbs.rs`
//! beside this directory.

use std::io::Write as _;
use std::process::{Command, Stdio};

use chrono::{Days, NaiveDate};
use serde_json::Value;

use crate::cli::place::{Place, Ran, at};
use crate::cli::snapshots::{faults, snapshots};

/// Three tokens whose days are all to come, whatever the date of the machine.
const TOKENS: &str = r#"contact = "dsi@ville.example"
[schedule]
stages       = [90, 30, 15, 1]
after_expiry = [0, 7]
then_every   = 0
[mail]
from      = "jetons@ville.example"
transport = "file"
directory = "outbox"
[reports]
weekly = false
[[token]]
id         = "marches"
name       = "Marchés publics"
issued     = 2089-01-15
jti        = "11111111-2222-4333-8444-555555555555"
recipients = ["c.martin@ville.example", { email = "tech@editeur.example", from_stage = 15 }]
[[token]]
id         = "aides"
name       = "Aides sociales"
expires    = 2090-09-01
recipients = ["aides@ville.example", "dgs@ville.example"]
[[token]]
id         = "nouveau"
name       = "Marchés publics, nouveau jeton"
issued     = 2090-06-20
"#;

/// A token's text of which the signature is nobody's; its `jti` is that of the first token.
const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJqdGkiOiIxMTExMTExMS0yMjIyLTQzMzMtODQ0NC01NTU1NTU1NTU1NTUiLCJzY29wZXMiOlsiZW50cmVwcmlzZXMiLCJhdHRlc3RhdGlvbl9maXNjYWxlX2RnZmlwIl0sInN1YiI6IkRlbW8iLCJleHRyYV9pbmZvIjp7fSwiaWF0IjoxNzM1Njg5NjAwLCJ2ZXJzaW9uIjoiMS4wIiwiZXhwIjoxNzgyODY0MDAwfQ.v-S5y1sROmw7a32ZsLc6s6Ns0X-BGbCmyaPN5CCblvI";

/// Long before any run of these tests.
const FIRST: &str = "2026-01-04T09:00:00+01:00";

async fn place() -> Place {
    let place = Place::with_config(TOKENS);
    place.pass(at(FIRST)).await;
    place
}

fn today() -> NaiveDate {
    jetond::clock::now()
        .with_timezone(&chrono_tz::Europe::Paris)
        .date_naive()
}

/// Tries the words out in both languages, then does them; what was said, with its exit code.
///
/// A dry run changes no row of the store, and says what the deed then says.
async fn told(place: &Place, words: &str) -> String {
    let mut told = format!("$ jetond {words}\n");
    let mut last = None;
    for lang in ["fr", "en"] {
        let before = place.dump().await;
        let ran = place.run(&format!("--lang {lang} {words} -n"));
        assert_eq!(place.dump().await, before, "{words}");
        if lang == "fr" {
            let said = format!("{}{}", ran.out, ran.err);
            assert_eq!(faults(&said), Vec::<String>::new(), "{words}: {said}");
        }
        told += &ran.out;
        for line in ran.err.lines() {
            told += &format!("2> {line}\n");
        }
        last = Some(ran);
    }
    let dry = last.unwrap();
    let done = place.run(&format!("--lang en {words}"));
    assert_eq!(done.code, dry.code, "{words}: {done:?} {dry:?}");
    assert_eq!(done.out, dry.out.replace(" (dry run)", ""), "{words}");
    assert_eq!(
        format!(
            "{}{}",
            done.err,
            if dry.code == 0 {
                "dry run: nothing was changed\n"
            } else {
                ""
            }
        ),
        dry.err,
        "{words}"
    );
    told += &format!("= {}\n\n", dry.code);
    let tomorrow = today() + Days::new(1);
    told.replace('\u{a0}', "~")
        .replace(&today().to_string(), "[today]")
        .replace(&tomorrow.to_string(), "[tomorrow]")
}

async fn story(name: &str, steps: &[&str]) {
    let place = place().await;
    let mut story = String::new();
    for words in steps {
        story += &told(&place, words).await;
    }
    snapshots().bind(|| insta::assert_snapshot!(format!("verbs_{name}"), story));
}

#[tokio::test]
async fn what_is_said_of_a_filed_request_and_of_a_snooze() {
    story(
        "quiet",
        &[
            "filed marches --by Camille --on 2026-01-05 --reference 98765",
            "filed marches",
            "filed aides --on 2089-01-01",
            "filed marches --refused",
            "filed marches --refused",
            "filed marches",
            "filed marches --undo",
            "filed marches --undo",
            "snooze aides --until 2090-08-10",
            "snooze aides --until 2090-08-18",
            "snooze aides --until 2020-01-01",
            "snooze aides --undo",
            "filed aide",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_said_of_dates() {
    story(
        "dates",
        &[
            "renew marches",
            "renew marches --expires 2092-01-20",
            "renew marches --expires 2092-01-20",
            "renew marches --expires 2091-12-31",
            "renew marches --issued 2020-01-01",
            "renew aides --issued 2090-03-01T10:00",
            "filed aides --on 2020-01-01",
            "revoke aides --at 2091-06-01",
            "revoke aides --at 2095-01-01",
            "restore aides",
            "revoke aides",
            "renew aides --expires 2099-01-01",
            "renew aide --expires 2099-01-01",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_said_of_tokens_that_leave_their_place() {
    story(
        "place",
        &[
            "supersede marches nouveau",
            "supersede marches nouveau",
            "supersede nouveau marches",
            "supersede aides marches",
            "supersede aides nouveaux",
            "renew marches --expires 2099-01-01",
            "archive aides",
            "archive aides",
            "filed aides",
            "supersede nouveau aides",
            "restore aides",
            "restore marches",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_before_anything_is_opened() {
    let place = Place::with_config(TOKENS);
    for words in [
        "renew marches --expires 2099-13-01",
        "renew marches --expires soon",
        "renew marches --issued 2090-01-01 --expires 2092-01-01",
        "supersede marches",
        "filed marches --undo --refused",
        "filed marches --undo --by Camille",
        "filed marches --on hier",
        "snooze marches",
        "snooze marches --undo --until 2090-01-01",
        "revoke marches --at 32",
        "archive",
        "archive marches --missing",
        "restore",
        "filed marches --by ",
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, 2, "{words}: {ran:?}");
    }
    for by in ["", "a\nb", JWT, &"x".repeat(201)] {
        let ran = Ran::of(&mut place.command(&["filed", "marches", "--by", by]));
        assert_eq!(ran.code, 2, "{by}: {ran:?}");
    }
    // Without a store there is nothing to act upon.
    for words in [
        "renew marches",
        "renew marches --expires 2099-01-01",
        "renew marches --write-config",
        "supersede marches nouveau -n",
        "filed marches",
        "snooze marches --undo",
        "revoke marches",
        "archive marches",
        "restore marches",
    ] {
        let ran = place.run(words);
        assert_eq!(ran.code, 8, "{words}: {ran:?}");
    }
    assert_eq!(place.files(), ["config.toml"]);
}

#[tokio::test]
async fn json_has_the_token_before_and_after_and_what_leaves() {
    let place = place().await;
    let row = |words: &str| -> Value {
        let ran = place.run(&format!("{words} --json"));
        assert_eq!(ran.code, 0, "{words}: {ran:?}");
        let command = words.split(' ').next().unwrap();
        let document = ran.json();
        assert_eq!(document["schema"], format!("jetond.{command}/1"));
        assert_eq!(document["data"].as_array().unwrap().len(), 1);
        document["data"][0].clone()
    };
    let filed = row("filed marches --reference 98765");
    assert_eq!(filed["id"], "marches");
    assert_eq!(filed["changed"], true);
    assert_eq!(filed["dry_run"], false);
    assert_eq!(filed["before"]["said"], Value::Array(Vec::new()));
    assert_eq!(filed["after"]["said"][0]["kind"], "filed");
    assert_eq!(filed["after"]["said"][0]["reference"], "98765");
    let silenced: Vec<i64> = filed["no_longer"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["stage"].as_i64().unwrap())
        .collect();
    assert_eq!(silenced, [90, 30]);
    assert_eq!(filed["next"]["stage"], 15);
    assert_eq!(filed["next"]["at"], "2090-06-30T09:00:00+02:00");
    let renewed = row("renew marches --issued 2090-07-01");
    assert_eq!(renewed["before"]["expires"], "2090-07-15T23:59:59+02:00");
    assert_eq!(renewed["after"]["expires"], "2092-01-01T23:59:59+01:00");
    assert_eq!(renewed["after"]["issued"], "2090-07-01T23:59:59+02:00");
    assert_eq!(renewed["after"]["said"], Value::Array(Vec::new()));
    let superseded = row("supersede marches nouveau");
    assert_eq!(superseded["after"]["state"], "superseded");
    assert_eq!(superseded["after"]["superseded_by"], "nouveau");
    let inherited = &superseded["remarks"][0];
    assert_eq!(inherited["kind"], "inherited");
    assert_eq!(inherited["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(superseded["chain"][0]["id"], "nouveau");
    assert_eq!(superseded["chain"][1]["id"], "marches");
    for (words, state) in [
        ("snooze aides --until 2090-08-01", "active"),
        ("revoke aides --at 2090-08-20", "active"),
        ("restore aides", "active"),
        ("archive aides", "archived"),
        ("restore aides", "active"),
        ("revoke aides", "revoked"),
    ] {
        assert_eq!(row(words)["after"]["state"], state, "{words}");
    }
    // A refusal is an error like any other, with a word for programs.
    let ran = place.run("renew aides --json");
    assert_eq!(ran.code, 5);
    assert_eq!(ran.json()["error"]["code"], "which_renewal");
    let ran = place.run("renew aides --expires 2099-01-01 --json");
    assert_eq!(ran.json()["error"]["code"], "revoked");
}

/// Gives the program these bytes on standard input.
fn fed(place: &Place, words: &str, input: &str) -> Ran {
    let args: Vec<&str> = words.split_whitespace().collect();
    let mut child = place
        .command(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn a_token_on_standard_input_gives_its_dates_and_is_not_kept() {
    let config = TOKENS.replace("issued     = 2089-01-15", "issued     = 2024-10-01");
    let place = Place::with_config(&config);
    place.pass(at("2026-03-20T09:00:00+01:00")).await;
    let ran = fed(&place, "renew marches --jwt - --lang en", JWT);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out
            .starts_with("marches: renewed, 2026-04-01 → 2026-07-01\n"),
        "{ran:?}"
    );
    let shown = &place.run("show marches --json").json()["data"][0];
    assert_eq!(
        shown["scopes"],
        serde_json::json!(["attestation_fiscale_dgfip", "entreprises"])
    );
    assert_eq!(shown["issued"], "2025-01-01T01:00:00+01:00");
    // Of another token than the one that is named.
    let ran = fed(&place, "renew aides --jwt - --lang en", JWT);
    assert_eq!(ran.code, 5, "{ran:?}");
    // On the command line it is on show: it is neither taken nor repeated.
    for args in [
        ["renew", "marches", "--jwt", JWT],
        ["renew", JWT, "--expires", "2099-01-01"],
        ["supersede", "marches", JWT, "-n"],
        ["renew", "marches", "--lang", JWT],
        ["renew", "marches", "--jwt=-", JWT],
    ] {
        for json in [&[][..], &["--json"]] {
            let mut command = place.command(&args);
            let ran = Ran::of(command.args(json));
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(
                !ran.out.contains("eyJ") && !ran.err.contains("eyJ"),
                "{ran:?}"
            );
        }
    }
    let kept = place.dump().await.join("\n");
    for part in JWT.split('.') {
        assert!(!kept.contains(part), "{part}");
    }
}

/// Runs a command in a terminal and types these lines; `None` where there is no `script`.
fn typed(place: &Place, words: &str, lines: &str) -> Option<(i32, String)> {
    let line = format!("'{}' --lang en {words}", env!("CARGO_BIN_EXE_jetond"));
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(place.root())
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap().replace('\r', "");
    Some((output.status.code().unwrap(), said))
}

#[tokio::test]
async fn a_person_is_asked_which_renewal_it_is() {
    let place = place().await;
    let Some((code, said)) = typed(&place, "renew marches", "x\ns\nsoon\n2092-01-20\n") else {
        return;
    };
    assert_eq!(code, 0, "{said}");
    for part in [
        "`marches` expires on 2090-07-15. The same token with a later date, or a new token in its place?",
        "answer s for the same token, n for a new one",
        "`soon` is not a date",
        "marches: renewed, 2090-07-15 → 2092-01-20",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (code, said) = typed(&place, "renew marches", "n\nnouveaux\nnouveau\n").unwrap();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("did you mean `nouveau`?"), "{said}");
    assert!(
        said.contains("marches: superseded, nouveau takes its place"),
        "{said}"
    );
    // No answer, at either question, changes nothing; nor does a document for programs ask.
    let before = place.dump().await;
    for lines in ["\n", "s\n\n", "n\n\n"] {
        let (code, said) = typed(&place, "renew aides", lines).unwrap();
        assert_eq!(code, 5, "{said}");
        assert!(said.contains("no answer: nothing was changed"), "{said}");
    }
    let (code, said) = typed(&place, "renew aides --json", "s\n2092-01-20\n").unwrap();
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("which_renewal"), "{said}");
    let (code, said) = typed(&place, "renew aide", "s\n2092-01-20\n").unwrap();
    assert_eq!(code, 4, "{said}");
    assert_eq!(place.dump().await, before);
}

#[tokio::test]
async fn a_token_that_only_the_file_has_is_to_be_taken_over_first() {
    let place = place().await;
    let more = format!("{TOKENS}[[token]]\nid = \"neuf\"\nname = \"Neuf\"\nissued = 2090-01-01\n");
    std::fs::write(place.path("config.toml"), more).unwrap();
    let ran = place.run("supersede aides neuf --lang en");
    assert_eq!(ran.code, 4);
    assert!(
        ran.err
            .contains("`neuf` is in the file, and not on record yet"),
        "{ran:?}"
    );
    assert!(ran.err.contains("`jetond reload`"), "{ran:?}");
    // One that the file has lost is archived with its next reading, whoever restored it.
    let less = TOKENS.replace("[[token]]\nid         = \"nouveau\"\nname       = \"Marchés publics, nouveau jeton\"\nissued     = 2090-06-20\n", "");
    std::fs::write(place.path("config.toml"), less).unwrap();
    assert_eq!(place.run("archive nouveau").code, 0);
    let ran = place.run("restore nouveau --lang en");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("`nouveau` is not in the file"), "{ran:?}");
}

#[tokio::test]
async fn what_was_said_is_seen_wherever_a_token_is_looked_at() {
    let place = place().await;
    for words in [
        "filed marches --by Camille --on 2026-01-05 --reference 98765",
        "snooze aides --until 2090-08-10",
        "revoke nouveau --at 2091-11-30",
        "snooze nouveau --until 2091-10-01",
        "renew aides --expires 2090-09-02",
        "snooze aides --until 2090-08-10",
        "supersede aides nouveau",
        "restore aides",
        "supersede aides nouveau",
        "snooze nouveau --undo",
    ] {
        assert_eq!(place.run(words).code, 0, "{words}");
    }
    let mut seen = String::new();
    for words in [
        "list --all --at 2090-06-20T10:00",
        "list --all --at 2090-07-04T10:00",
        "show marches --at 2090-06-20T10:00",
        "show nouveau --at 2090-06-20T10:00",
        "explain marches --to c.martin@ville.example --at 2090-06-20T10:00",
        "explain nouveau --to dsi@ville.example --at 2090-06-20T10:00",
        "history marches",
        "history aides",
        "history nouveau",
    ] {
        for lang in ["fr", "en"] {
            let ran = place.run(&format!("--lang {lang} {words}"));
            assert_eq!(ran.code, 0, "{words}: {ran:?}");
            if lang == "fr" {
                // A name of the journal is no prose, 531 no singular, 90 no zero.
                let prose = ran
                    .out
                    .replace("user:", "user ")
                    .replace("1\u{a0}jours", "2\u{a0}jours")
                    .replace("0\u{a0}jours", "2\u{a0}jours");
                assert_eq!(faults(&prose), Vec::<String>::new(), "{words}");
            }
            seen += &format!("$ jetond --lang {lang} {words}\n{}\n", ran.out);
        }
    }
    let seen = seen
        .replace('\u{a0}', "~")
        .replace(&today().to_string(), "[today]");
    let mut settings = snapshots();
    settings.add_filter(r"\[today\] \d\d:\d\d", "[today, now]");
    settings.bind(|| insta::assert_snapshot!("verbs_seen", seen));
    // The last stages say that the request was filed; programs are told so too.
    let mail = place.run("preview marches --stage 15 --lang fr");
    let prose: Vec<&str> = mail.out.split_whitespace().collect();
    assert!(prose.join(" ").contains("5 janvier 2026"), "{mail:?}");
    let rows = place.run("list --all --json --at 2090-06-20T10:00").json();
    let row = |id: &str| {
        let rows = rows["data"].as_array().unwrap();
        rows.iter().find(|r| r["id"] == id).unwrap().clone()
    };
    assert_eq!(row("marches")["silent"], "filed");
    assert_eq!(row("marches")["next"]["stage"], 15);
    assert_eq!(row("nouveau")["silent"], Value::Null);
    assert_eq!(row("nouveau")["revoked_at_end"], true);
}
