//! What a person sees of Data Pass's requests, and the tokens made from them.

use std::process::Output;

use serde_json::{Value, json};

use super::hooks::{Hooked, config, event, write_secret};
use crate::support::program::{Program, said};
use crate::web::own_address;

/// An approved request of which no token has the number.
fn approved(number: u64) -> Value {
    let mut approve = event("approve", number, 3600);
    approve["data"]["data"] = json!({
        "intitule": "Aides sociales", "scopes": ["entreprises"],
        "contact_metier_email": "metier@ville.example", "contact_metier_family_name": "Diallo",
    });
    approve["data"]["applicant"] = json!({"email": "c.martin@ville.example"});
    approve
}

fn failed(hooked: &Hooked, args: &[&str], exit: i32, words: &[&str]) {
    let output = hooked.program.command(args).output().unwrap();
    is_refused(&output, exit, words);
}

fn is_refused(output: &Output, exit: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(exit), "{}", said(output));
    for word in words {
        assert!(said(output).contains(word), "{word} in {}", said(output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_request_is_kept_shown_and_adopted() {
    let hooked = Hooked::start("");
    let json = |args: &[&str]| hooked.program.json(args);
    assert_eq!(json(&["datapass", "list"]), [Value::Null; 0]);
    assert_eq!(json(&["status"])[0]["unknown_requests"], 0);
    assert_eq!(hooked.send(&approved(7007)).await.status, 200);
    assert_eq!(hooked.send(&event("create", 7008, 60)).await.status, 200);
    assert_eq!(hooked.send(&event("revoke", 7009, 60)).await.status, 200);
    assert_eq!(hooked.send(&event("update", 9001, 60)).await.status, 200);

    assert_eq!(json(&["status"])[0]["unknown_requests"], 3);
    let status = hooked.program.command(&["status"]).output().unwrap();
    assert!(
        said(&status).contains("jetond datapass list"),
        "{}",
        said(&status)
    );
    let listed = json(&["datapass", "list"]);
    let numbers: Vec<&str> = listed
        .iter()
        .map(|r| r["number"].as_str().unwrap())
        .collect();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    assert_eq!(json(&["datapass", "list", "--all"]).len(), 4);
    let mine = listed.iter().find(|r| r["number"] == "7007").unwrap();
    assert_eq!(
        (&mine["standing"], &mine["name"]),
        (&json!("approved"), &json!("Aides sociales"))
    );
    let shown = json(&["datapass", "show", "7007"]);
    assert_eq!(shown[0]["people"].as_array().unwrap().len(), 2);

    // A trial changes nothing; then it is watched like any other token.
    let trial = json(&["datapass", "adopt", "7007", "--dry-run"]);
    assert_eq!(json(&["datapass", "list"]).len(), 3);
    let adopted = json(&["datapass", "adopt", "7007"]);
    assert_eq!(adopted[0]["id"], "datapass-7007");
    assert_eq!(adopted[0]["expires"], trial[0]["expires"]);
    let shown = &json(&["show", "datapass-7007"])[0];
    assert_eq!(shown["name"], "Aides sociales");
    for address in ["metier@ville.example", "c.martin@ville.example"] {
        assert!(shown["recipients"].to_string().contains(address), "{shown}");
    }
    assert_eq!(json(&["datapass", "list"]).len(), 2);
    let history = json(&["history", "datapass-7007"]);
    let adoption = history.iter().find(|e| e["what"] == "adopted").unwrap();
    assert!(
        adoption["who"].as_str().unwrap().starts_with("user:"),
        "{adoption}"
    );
    // The file does not name it, and does not end it.
    let reload = hooked.program.command(&["reload"]).output().unwrap();
    assert_eq!(reload.status.code(), Some(0), "{}", said(&reload));
    assert_eq!(json(&["show", "datapass-7007"])[0]["state"], "active");
    // From now on its events act.
    assert_eq!(hooked.send(&event("revoke", 7007, 0)).await.status, 200);
    assert_eq!(json(&["show", "datapass-7007"])[0]["state"], "revoked");

    failed(
        &hooked,
        &["datapass", "adopt", "7007"],
        5,
        &["datapass-7007", "already"],
    );
    failed(
        &hooked,
        &["datapass", "adopt", "7070"],
        4,
        &["never spoke", "7007"],
    );
    failed(&hooked, &["datapass", "show", "1"], 4, &["never spoke"]);
    failed(
        &hooked,
        &["datapass", "adopt", "7008"],
        5,
        &["--issued DATE"],
    );
    failed(&hooked, &["datapass", "adopt", "7009"], 5, &["revoked"]);
    failed(
        &hooked,
        &["datapass", "adopt", "../x"],
        2,
        &["Data Pass number"],
    );
    let by_hand = ["datapass", "adopt", "7008", "--expires", "2028-01-01"];
    failed(
        &hooked,
        &[&by_hand[..], &["--id", "marches"]].concat(),
        5,
        &["--id", "datapass_id"],
    );
    failed(
        &hooked,
        &[&by_hand[..], &["--issued", "2026-01-01"]].concat(),
        2,
        &[],
    );
    let adopted = json(&[&by_hand[..], &["--id", "cantine", "--name", "Cantine"]].concat());
    assert_eq!(
        (&adopted[0]["id"], &adopted[0]["name"]),
        (&json!("cantine"), &json!("Cantine"))
    );
    // Data Pass names nobody: the contact is told.
    assert_eq!(adopted[0]["recipients"][0]["address"], "dsi@ville.example");
    assert_eq!(json(&["status"])[0]["uncovered"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_requests_are_forgotten_with_the_rest() {
    let hooked = Hooked::start("");
    let approve = approved(7007);
    assert_eq!(hooked.send(&approve).await.status, 200);
    let forgotten = hooked.program.json(&["forget", "C.Martin@ville.example"]);
    assert_eq!(forgotten[0]["texts"], 1);
    // Sent again, it does not bring the person back; nor does adopting what is left.
    assert_eq!(hooked.send(&approve).await.status, 200);
    let shown = hooked.program.json(&["datapass", "show", "7007"]).remove(0);
    assert_eq!(shown["people"][0]["email"], Value::Null);
    assert_eq!(shown["people"][1]["email"], "metier@ville.example");
    let adopted = hooked
        .program
        .json(&["datapass", "adopt", "7007"])
        .remove(0);
    assert_eq!(
        adopted["recipients"].as_array().unwrap().len(),
        1,
        "{adopted}"
    );
    let place = hooked.program.place().to_owned();
    hooked.running.signal("TERM");
    assert_eq!(hooked.running.ended(), Some(0));
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("jetond.db")
        {
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            assert!(!text.contains("c.martin"), "{}", path.display());
        }
    }
}

#[test]
fn check_says_whether_webhooks_can_be_taken() {
    let at = own_address();
    let with = |config: &str| {
        let program = Program::new(config);
        write_secret(program.place(), "secret", "hunter2");
        program
    };
    let found = |program: &Program| {
        let rows = program.json(&["check", "--file"]);
        let row = rows.into_iter().find(|r| r["check"] == "datapass");
        row.map(|r| (r["severity"].as_str().unwrap().to_owned(), r.to_string()))
    };
    assert_eq!(found(&with(&config(at, ""))), None);
    let one = config(at, "[datapass]\nsecrets = [{ file = \"secret\" }]");
    let (severity, said) = found(&with(&one)).unwrap();
    assert_eq!(severity, "ok", "{said}");
    assert!(
        said.contains("/webhooks/datapass") && !said.contains("hunter2"),
        "{said}"
    );

    let two = one.replace("\" }]", "\" }, { env = \"JETOND_NEXT\" }]");
    let (severity, said) = found(&with(&two)).unwrap();
    assert_eq!(severity, "warning", "{said}");
    assert!(
        said.contains("JETOND_NEXT") && said.contains("401"),
        "{said}"
    );

    let none = one.replace("file = \"secret\"", "env = \"JETOND_NEXT\"");
    let (severity, said) = found(&with(&none)).unwrap();
    assert_eq!(severity, "warning", "{said}");
    assert!(said.contains("503"), "{said}");

    let deaf = one
        .replace("[web]", "[reports]")
        .replace(&format!("listen = \"{at}\""), "");
    let (severity, said) = found(&with(&deaf)).unwrap();
    assert_eq!(severity, "warning", "{said}");
    assert!(said.contains("[web] listen"), "{said}");
}
