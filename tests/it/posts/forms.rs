//! The form that a post has in each kind of channel, and that no secret and nobody's address is in
//! any of them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{channel, fifteen_before, head, pass, secret};
use crate::support::channel_server::ChannelServer;
use crate::support::daemon::Town;
use crate::support::serving::Told;

const SECRET: &str = "la clef du webhook";
const TOKEN: &str = "syt_dmVpbGxl_k3y";

/// A token whose name is markup and a call to everybody, of a client, told to a person.
const TOKENS: &str = r#"
[clients.mairie-x]
name = "Mairie de <X>"
contact = "dsi@mairie-x.example"
recipients = ["dgs@mairie-x.example"]

[[token]]
id = "marches"
name = "Marchés @all *publics*"
expires = 2026-12-01
datapass_id = "11244"
client = "mairie-x"
recipients = [{ email = "c.martin@ville.example", name = "Camille Martin", role = "demandeur" }]

[[token]]
id = "aides"
name = "Aides"
expires = 2026-11-23
recipients = ["tech@editeur.example"]
"#;

async fn told(kind: &str, more: &str) -> (Told, Town) {
    let server = ChannelServer::start();
    let text = head() + &channel("dsi", kind, &server, more) + TOKENS;
    let town = Town::start(&text, fifteen_before()).await;
    secret(&town, "matrix.token", TOKEN);
    secret(&town, "hook.secret", SECRET);
    assert_eq!(pass(&town).await.sent, 1);
    (server.told().remove(0), town)
}

/// Neither a person nor a secret is in what was told, on record, or in an answer of the program.
async fn tells_of_nobody(told: &Told, town: &Town) {
    let body = String::from_utf8(told.body.clone()).unwrap();
    let record: String = super::posts(town)
        .await
        .iter()
        .map(|m| format!("{m:?}"))
        .collect();
    for canary in [
        "@ville.example",
        "@mairie-x.example",
        "@editeur.example",
        "Camille",
        "Martin",
        SECRET,
        TOKEN,
        "k3yk3y",
    ] {
        assert!(!body.contains(canary), "{canary}: {body}");
        let known = canary == "@ville.example";
        assert!(known || !record.contains(canary), "{canary}: {record}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_json_signed_over_the_time_and_the_bytes() {
    let (told, town) = told("webhook", "secret = { file = \"hook.secret\" }").await;
    assert_eq!(told.line, "POST /hooks/k3yk3yk3y");
    assert_eq!(told.header("content-type"), "application/json");
    let mail = super::posts(&town).await.remove(0);
    let id = mail.message_id.split('@').next().unwrap();
    for header in ["idempotency-key", "x-jetond-delivery"] {
        assert_eq!(told.header(header), id);
    }
    let json = told.json();
    assert_eq!(
        json,
        serde_json::json!({
            "schema": "jetond.notify/1",
            "id": id,
            "at": "2026-11-16T09:00:00+01:00",
            "kind": "stages",
            "alarm": null,
            "tokens": [
                {
                    "token": "aides", "name": "Aides", "client": null, "stage": 7, "days_left": 7,
                    "expires": "2026-11-23T23:59:59+01:00", "link": null, "page": null,
                },
                {
                    "token": "marches", "name": "Marchés @all *publics*", "client": "Mairie de <X>",
                    "stage": 15, "days_left": 15, "expires": "2026-12-01T23:59:59+01:00",
                    "link": "https://datapass.api.gouv.fr/demandes/11244/reopen-from-external", "page": null,
                },
            ],
            "more": 0,
            "text": {
                "en": "2 tokens to renew: the first expires in 7\u{a0}days\n\
                       - Aides: expires on 23 November 2026, in 7\u{a0}days\n\
                       - Marchés @all *publics* (Mairie de <X>): expires on 1 December 2026, in 15\u{a0}days\n  \
                         https://datapass.api.gouv.fr/demandes/11244/reopen-from-external\n\
                       The people concerned are told by mail.",
                "fr": json["text"]["fr"],
            },
        })
    );
    // As another program would verify it.
    let signed = told.header("x-jetond-signature");
    let (time, signature) = signed.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    assert_eq!(time, fifteen_before().timestamp().to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&told.body);
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(signature, expected);
    tells_of_nobody(&told, &town).await;
}

/// The sample of `docs/notify.md`, as it stands there, on what was really sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_sample_verifier_takes_what_is_sent_and_nothing_else() {
    if std::env::var_os("JETOND_TEST_REAL").is_none() {
        return;
    }
    let (told, town) = told("webhook", "secret = { file = \"hook.secret\" }").await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/notify.md"));
    let page = page.unwrap();
    let sample = page.split("```python\n").nth(1).unwrap();
    let sample = sample.split("```").next().unwrap();
    let program = town.dir().join("verify.py");
    let main = "\nimport sys\nbody = open(sys.argv[1], 'rb').read()\n\
                print(is_genuine(sys.argv[2], body, sys.argv[3].encode(), int(sys.argv[4])))\n";
    std::fs::write(&program, format!("{sample}{main}")).unwrap();
    let body = town.dir().join("body");
    let now = fifteen_before().timestamp();
    let verify = |bytes: &[u8], secret: &str, now: i64| {
        std::fs::write(&body, bytes).unwrap();
        let output = std::process::Command::new("python3")
            .arg(&program)
            .arg(&body)
            .args([told.header("x-jetond-signature"), secret, &now.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim() == "True"
    };
    assert!(verify(&told.body, SECRET, now + 10));
    assert!(!verify(&told.body, SECRET, now + 3600), "old");
    assert!(!verify(&told.body, "other", now));
    let mut other = told.body.clone();
    other.push(b' ');
    assert!(!verify(&other, SECRET, now));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_gets_text_and_html_under_the_transaction_of_the_outbox() {
    let (told, town) = told("matrix", "").await;
    let mail = super::posts(&town).await.remove(0);
    let id = mail.message_id.split('@').next().unwrap();
    assert_eq!(
        told.line,
        format!("PUT /_matrix/client/v3/rooms/!salon:ville.example/send/m.room.message/{id}")
    );
    assert_eq!(told.header("authorization"), format!("Bearer {TOKEN}"));
    let json = told.json();
    assert_eq!(json["msgtype"], "m.text");
    assert_eq!(json["m.mentions"], serde_json::json!({}));
    assert_eq!(json["format"], "org.matrix.custom.html");
    let html = json["formatted_body"].as_str().unwrap();
    assert!(
        html.contains(
            "<a href=\"https://datapass.api.gouv.fr/demandes/11244/reopen-from-external\">\
             Marchés @all *publics* (Mairie de &lt;X&gt;)</a>\u{a0}: expire le 1er décembre 2026, dans 15\u{a0}jours"
        ),
        "{html}"
    );
    let text = json["body"].as_str().unwrap();
    assert!(
        text.starts_with("2\u{a0}jetons à renouveler\u{a0}: le premier expire dans 7\u{a0}jours\n"),
        "{text}"
    );
    tells_of_nobody(&told, &town).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mattermost_gets_markdown_that_calls_nobody() {
    let (told, town) = told("mattermost", "language = \"en\"").await;
    assert_eq!(told.line, "POST /hooks/k3yk3yk3y");
    let json = told.json();
    let text = json["text"].as_str().unwrap();
    assert!(text.starts_with("**2 tokens to renew:\u{2060} the first expires in 7\u{a0}days**\n"));
    assert!(
        text.contains(
            "[Marchés @\u{2060}all \\*publics\\* (Mairie de \\<X\\>)](https://datapass.api.gouv.fr/"
        ),
        "{text}"
    );
    tells_of_nobody(&told, &town).await;
}
