//! The real daemon with `[datapass]`, and what signs and sends its webhooks.

use std::net::SocketAddr;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::http_client::{Reply, talk};
use crate::support::program::{Program, Running};
use crate::web::own_address;

/// The header of a signature of this body.
pub(super) fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("sha256={hex}")
}

/// A request as Data Pass sends it.
pub(super) fn signed(signature: Option<&str>, body: &str) -> String {
    let length = body.len();
    let signature = signature.map_or_else(String::new, |s| format!("X-Hub-Signature-256: {s}\r\n"));
    format!(
        "POST /webhooks/datapass HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         X-App-Environment: production\r\n{signature}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// An event of today's format that fired some seconds ago.
pub(super) fn event(word: &str, number: u64, seconds_ago: i64) -> Value {
    json!({
        "event": word, "fired_at": jetond::clock::now().timestamp() - seconds_ago,
        "model_type": "authorization_request/api_entreprise", "model_id": number,
        "data": {"id": number, "state": word},
    })
}

/// Writes a secret as only its owner may read it.
pub(super) fn write_secret(place: &Path, name: &str, secret: &str) {
    let path = place.join(name);
    crate::support::private_file(&path, &format!("{secret}\n"));
}

/// A daemon with a token of the number 9001 that webhooks are sent to.
pub(super) struct Hooked {
    pub(super) program: Program,
    pub(super) running: Running,
    pub(super) at: SocketAddr,
}

pub(super) fn config(at: SocketAddr, datapass: &str) -> String {
    format!(
        "language = \"en\"\ncontact = \"dsi@ville.example\"\n[mail]\nfrom = \"j@ville.example\"\n\
         [web]\nlisten = \"{at}\"\n{datapass}\n\
         [[token]]\nid = \"marches\"\nname = \"Marchés\"\nexpires = 2027-02-01\ndatapass_id = \"9001\"\n\
         recipients = [\"a@ville.example\"]\n\
         [[token]]\nid = \"other\"\nname = \"Other\"\nexpires = 2027-02-01\ndatapass_id = \"9002\"\n\
         recipients = [\"a@ville.example\"]\n"
    )
}

impl Hooked {
    /// With one secret, `secret`.
    pub(super) fn start(more: &str) -> Self {
        Self::with(&format!(
            "[datapass]\nsecrets = [{{ file = \"secret\" }}]\n{more}"
        ))
    }

    pub(super) fn with(datapass: &str) -> Self {
        let at = own_address();
        let program = Program::new(&config(at, datapass));
        write_secret(program.place(), "secret", "secret");
        let running = Running::start(program.command(&["run"]));
        running.wait_for("watching");
        Self {
            program,
            running,
            at,
        }
    }

    /// Sends a body with its signature.
    pub(super) async fn send(&self, body: &Value) -> Reply {
        let body = body.to_string();
        self.raw(Some(&signature("secret", &body)), &body).await
    }

    pub(super) async fn raw(&self, signature: Option<&str>, body: &str) -> Reply {
        talk(self.at, signed(signature, body)).await.unwrap()
    }

    /// The words of the journal that webhooks wrote, with their details.
    pub(super) fn journal(&self) -> Vec<(String, Value)> {
        let rows = self.program.json(&["history"]);
        rows.into_iter()
            .filter(|r| r["who"] == "webhook")
            .map(|r| (r["what"].as_str().unwrap().to_owned(), r["detail"].clone()))
            .collect()
    }
}
