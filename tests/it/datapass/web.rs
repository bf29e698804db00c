//! Webhooks sent to the real daemon by an HTTP client: what is taken, what is refused, and that
//! nothing is lost when the store cannot be written.

use std::process::Command;

use serde_json::{Value, json};
use sqlx::Connection as _;

use super::hooks::{Hooked, config, event, signature, signed, write_secret};
use crate::support::http_client::{request, talk};
use crate::support::pipe;
use crate::support::program::{Program, Running};
use crate::web::own_address;

/// The body of the documentation's vector, and its signature with `secret`.
const VECTOR: &str = r#"{"event":"approve","fired_at":1628253953,"model_type":"authorization_request/api_entreprise","model_id":9001,"data":{"id":9001,"state":"validated"}}"#;
const ITS_SIGNATURE: &str =
    "sha256=dd902f95bbf49e96910bbefb7873b03d9df1ff56ac73912f4e825d53d1729e98";

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_payloads_reach_the_record() {
    let hooked = Hooked::start("on_approve = \"renew\"");
    let first = hooked.raw(Some(ITS_SIGNATURE), VECTOR).await;
    assert_eq!(first.status, 200, "{first:?}");
    let again = hooked.raw(Some(ITS_SIGNATURE), VECTOR).await;
    assert_eq!(again, first, "a duplicate gets the same answer");

    let test = json!({"test": true, "timestamp": "2026-11-22T09:00:00+01:00"});
    assert_eq!(hooked.send(&test).await.status, 200);

    let mut submit = event("submit", 9001, 300);
    submit["data"] = json!({
        "id": 9001, "public_id": "0c1e", "type": "AuthorizationRequest::APIEntreprise", "state": "submitted",
        "form_uid": "api-entreprise-marches-publics", "created_at": "2026-01-01T09:00:00+01:00",
        "last_submitted_at": "2026-11-01T09:00:00+01:00", "last_validated_at": null,
        "organization": {"id": 1, "name": "Ville d'Exemple", "siret": "13002526500013"},
        "applicant": {"id": 2, "email": "c.martin@ville.example", "given_name": "Camille",
            "family_name": "Martin", "job_title": "Directrice", "phone_number": "0836656565"},
        "service_provider": null, "authorizations": [],
        "data": {"intitule": "Marchés publics", "description": "…", "scopes": ["entreprises"],
            "contact_technique_email": "tech@editeur.example", "contact_technique_given_name": "Lou",
            "contact_technique_family_name": null, "contact_metier_email": null},
    });
    assert_eq!(hooked.send(&submit).await.status, 200);
    let shown = &hooked.program.json(&["show", "marches"])[0];
    let people = shown["recipients"].to_string();
    for address in [
        "a@ville.example",
        "c.martin@ville.example",
        "tech@editeur.example",
    ] {
        assert!(people.contains(address), "{people}");
    }

    // The older format: the same request, approved.
    let fired_at = jetond::clock::now().timestamp() - 60;
    let older = json!({
        "event": "validate", "fired_at": fired_at, "model_type": "Pass",
        "data": {"pass": {"id": 9001, "status": "validated", "siret": "13002526500013",
            "intitule": "Marchés publics", "scopes": {"entreprises": true, "etablissements": false},
            "team_members": [{"type": "contact_metier", "email": "metier@ville.example",
                "given_name": null, "family_name": null}],
            "copied_from_enrollment_id": null, "previous_enrollment_id": null}},
    });
    assert_eq!(hooked.send(&older).await.status, 200);
    let words: Vec<String> = hooked.journal().into_iter().map(|(what, _)| what).collect();
    let count = |word: &str| words.iter().filter(|w| *w == word).count();
    assert_eq!(count("webhook_received"), 3, "{words:?}");
    for once in ["webhook_tested", "filed", "renewed"] {
        assert_eq!(count(once), 1, "{once} in {words:?}");
    }
    // Nothing of it concerns a token with another number.
    let other = hooked.program.json(&["history", "other"]);
    assert!(other.iter().all(|e| e["who"] != "webhook"), "{other:?}");
    hooked.running.signal("TERM");
    assert_eq!(hooked.running.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing_and_leaves_no_trace_of_its_body() {
    let hooked = Hooked::start("");
    let before = hooked.program.json(&["show", "marches"]);
    let canary = "canary-a81b";
    let good = event("revoke", 9001, 10).to_string();
    let sign = |body: &str| Some(signature("secret", body));
    let mut canaried = event("revoke", 9001, 10);
    canaried["data"]["data"] = json!({"intitule": canary});
    let canaried = canaried.to_string();
    let large = format!("{{\"x\":\"{}\"}}", canary.repeat(7000));
    let not_json = format!("{canary} is not JSON");
    let shape = json!({"hello": canary}).to_string();
    let wrong = signature("another", &canaried);
    let changed = signature("secret", &good);
    for (body, signature, status, reason) in [
        (&large, sign(&large), 413, "too_large"),
        (&canaried, None, 401, "unsigned"),
        (&canaried, Some(wrong), 401, ""),
        (&canaried, Some(changed), 401, ""),
        (&canaried, Some("sha256=".to_owned()), 401, ""),
        (&not_json, sign(&not_json), 400, "not_json"),
        (&shape, sign(&shape), 422, "unknown_shape"),
    ] {
        let reply = hooked.raw(signature.as_deref(), body).await;
        assert_eq!(reply.status, status, "{reply:?}");
        assert!(
            !reply.body.contains(canary) && !reply.body.contains("secret"),
            "{reply:?}"
        );
        let (what, detail) = hooked.journal().pop().unwrap();
        assert_eq!(what, "webhook_refused");
        // Only the first of a kind in an hour is a line of its own.
        if !reason.is_empty() {
            assert_eq!(detail["reason"], reason);
            assert_eq!(detail["in_this_hour"], 1);
        }
    }
    assert_eq!(hooked.journal().len(), 4);
    // The last one may have begun an hour of its own.
    let get = talk(
        hooked.at,
        request("GET", "/webhooks/datapass", "localhost", ""),
    )
    .await;
    assert_eq!(get.unwrap().status, 405);
    assert_eq!(hooked.program.json(&["show", "marches"]), before);
    for file in ["jetond.db", "jetond.db-wal"] {
        let bytes = std::fs::read(hooked.program.place().join(file)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(canary), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_secrets_there_is_no_such_address() {
    let hooked = Hooked::with("");
    let reply = hooked.send(&event("approve", 9001, 1)).await;
    assert_eq!(reply.status, 404);
    let get = talk(
        hooked.at,
        request("GET", "/webhooks/datapass", "localhost", ""),
    )
    .await;
    assert_eq!(get.unwrap().status, 404);
    assert_eq!(hooked.journal(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_stand_side_by_side_and_are_read_anew_for_each_webhook() {
    let both = "[datapass]\nsecrets = [{ file = \"secret\" }, { file = \"next\" }]\n";
    let hooked = Hooked::with(both);
    let body = event("update", 9001, 5).to_string();
    let with = async |secret: &str| {
        let signature = signature(secret, &body);
        hooked.raw(Some(&signature), &body).await.status
    };
    // The next one is not there yet: the present one works all the same.
    assert_eq!((with("secret").await, with("next").await), (200, 401));
    write_secret(hooked.program.place(), "next", "next");
    assert_eq!((with("secret").await, with("next").await), (200, 200));
    write_secret(hooked.program.place(), "secret", "other");
    assert_eq!((with("secret").await, with("next").await), (401, 200));
    // Without any that can be read nobody can tell what is right: it has to come again.
    for name in ["secret", "next"] {
        std::fs::remove_file(hooked.program.place().join(name)).unwrap();
    }
    assert_eq!((with("next").await, with("wrong").await), (503, 503));
    hooked
        .running
        .wait_for("no secret of [datapass] can be read");
}

/// The events on record, as the program shows them.
async fn kept(hooked: &Hooked) -> Vec<String> {
    let store = jetond::store::Store::open_to_read(&hooked.program.place().join("jetond.db"))
        .await
        .unwrap();
    let events = store.webhook_events("9001").await.unwrap();
    store.close().await;
    events
        .iter()
        .map(|e| format!("{} {}", e.kind.word(), e.fired_at.timestamp()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_store_is_answered_while_it_is_locked_and_nothing_is_lost() {
    let hooked = Hooked::start("");
    let submit = event("submit", 9001, 5);
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(hooked.program.place().join("jetond.db"));
    let mut other = sqlx::SqliteConnection::connect_with(&options)
        .await
        .unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    // The lock is let go only after the answers.
    for _ in 0..3 {
        let reply = hooked.send(&submit).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.header("retry-after").is_some());
    }
    // A refusal needs no store.
    assert_eq!(hooked.raw(None, "{}").await.status, 401);
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let reply = hooked.send(&submit).await;
    assert!([200, 503].contains(&reply.status), "{reply:?}");
    // What waited may still be at it; the next ones find the store free.
    while hooked.send(&submit).await.status != 200 {}
    assert_eq!(kept(&hooked).await.len(), 1);
    let words: Vec<String> = hooked.journal().into_iter().map(|(what, _)| what).collect();
    let count = |word: &str| words.iter().filter(|w| *w == word).count();
    assert_eq!(
        (count("webhook_received"), count("filed")),
        (1, 1),
        "{words:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_break_nothing_off() {
    use tokio::io::AsyncWriteExt as _;
    let hooked = Hooked::start("");
    for n in 0..100 {
        let body = event("update", 9001, n).to_string();
        let bytes = signed(Some(&signature("secret", &body)), &body);
        let mut stream = tokio::net::TcpStream::connect(hooked.at).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
    }
    // More than may wait at once: what is turned away comes again.
    let last = event("submit", 9001, 0);
    while hooked.send(&last).await.status != 200 {}
    assert!(kept(&hooked).await.iter().any(|e| e.starts_with("submit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_used_is_stored() {
    let hooked = Hooked::start("");
    let mut full = event("update", 9001, 5);
    let canaries: Vec<String> = (0..9).map(|n| format!("canary{n}x5e1f")).collect();
    full["data"] = json!({
        "id": 9001, "public_id": canaries[0], "form_uid": canaries[1],
        "organization": {"id": 1, "name": canaries[2], "siret": "13002526500013"},
        "applicant": {"id": 2, "email": "c.martin@ville.example", "given_name": "Camille",
            "family_name": "Martin", "job_title": canaries[3], "phone_number": canaries[4]},
        "service_provider": {"name": canaries[5]},
        "data": {"intitule": "Marchés", "description": canaries[6],
            "contact_technique_email": "tech@editeur.example",
            "contact_technique_phone_number": canaries[7],
            "delegue_protection_donnees_email": format!("{}@ville.example", canaries[8])},
    });
    full["extra"] = json!(canaries[0]);
    assert_eq!(hooked.send(&full).await.status, 200);
    let place = hooked.program.place().to_owned();
    let all = |place: &std::path::Path| -> String {
        let files = ["jetond.db", "jetond.db-wal"]
            .map(|f| std::fs::read(place.join(f)).unwrap_or_default());
        files
            .iter()
            .map(|b| String::from_utf8_lossy(b).into_owned())
            .collect()
    };
    let stored = all(&place);
    assert!(
        stored.contains("c.martin@ville.example"),
        "it looks in the right place"
    );
    for canary in &canaries {
        assert!(!stored.contains(canary.as_str()), "{canary}");
    }
    assert!(!stored.contains("\"secret\""));
    let logged: Value = json!(hooked.journal());
    assert!(!logged.to_string().contains("canary"));
}

/// The daemon on a disk of two megabytes, which is filled and emptied by writing into `go`; the
/// answer comes from `done`. What is on the disk at the end is copied beside it.
const ON_A_SMALL_DISK: &str = r#"
    mkdir disk && mount -t tmpfs -o size=2m tmpfs disk || exit 99
    sed -i 's/\[mail\]/[store]\nurl = "sqlite:disk\/jetond.db"\n[mail]/' config.toml
    (
        read x < go; dd if=/dev/zero of=disk/filler bs=1k 2>/dev/null; echo > done
        read x < go; rm disk/filler; echo > done
    ) &
    "$0" run &
    daemon=$!
    trap 'kill -TERM $daemon' TERM
    wait $daemon
    wait $daemon
    cp disk/jetond.db* .
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_with_503_and_nothing_is_lost() {
    let mounts = Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    if !mounts.is_ok_and(|o| o.status.success()) {
        return;
    }
    let at = own_address();
    let datapass = "[datapass]\nsecrets = [{ file = \"secret\" }]\n";
    let program = Program::new(&config(at, datapass));
    let place = program.place().to_owned();
    write_secret(&place, "secret", "secret");
    pipe(&place.join("go"));
    pipe(&place.join("done"));
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", ON_A_SMALL_DISK])
        .arg(env!("CARGO_BIN_EXE_jetond"))
        .current_dir(&place);
    let running = Running::start(command);
    running.wait_for("watching");
    let hooked = Hooked {
        program,
        running,
        at,
    };
    let turn = || {
        std::fs::write(place.join("go"), "\n").unwrap();
        std::fs::read(place.join("done")).unwrap();
    };
    let mut events = Vec::new();
    let first = event("update", 9001, 0);
    let padded = |n: usize| {
        let mut event = first.clone();
        event["fired_at"] = json!(first["fired_at"].as_u64().unwrap() - n as u64);
        event["data"]["data"] = json!({"intitule": format!("{n} {}", "é".repeat(190))});
        event
    };
    turn();
    // What the log has room for is taken: all of it must be there at the end.
    let refused = loop {
        assert!(events.len() < 5_000, "the disk is never full");
        match hooked.send(&padded(events.len())).await.status {
            200 => events.push(padded(events.len())),
            status => break status,
        }
    };
    assert_eq!(refused, 503);
    assert_eq!(
        hooked.raw(None, "{}").await.status,
        401,
        "it goes on answering"
    );
    turn();
    while hooked.send(&padded(events.len())).await.status != 200 {}
    events.push(padded(events.len()));
    hooked.running.signal("TERM");
    let Hooked {
        program, running, ..
    } = hooked;
    running.ended();
    let store = jetond::store::Store::open_existing(&program.place().join("jetond.db"))
        .await
        .unwrap();
    let kept = store.webhook_events("9001").await.unwrap();
    store.close().await;
    let fired: Vec<i64> = kept.iter().map(|e| e.fired_at.timestamp()).collect();
    let sent = events.iter().rev().map(|e| e["fired_at"].as_i64().unwrap());
    assert_eq!(fired, sent.collect::<Vec<_>>());
}
