//! Chat rooms and hooks: what they are told, how a post lives in the outbox, and what a channel
//! that fails changes for the rest, which is nothing.

mod alarms;
mod client;
mod forms;
mod life;
mod program;
mod settings;
mod told;
mod trouble;

use std::time::Duration;

use chrono::{DateTime, Utc};
use jetond::delivery::step::Step;
use jetond::posts::Herald;
use jetond::store::mailbook::MailRow;
use jetond::store::posts::{WantedPosts, is_post};
use tokio_util::sync::CancellationToken;

use crate::support::channel_server::ChannelServer;
use crate::support::daemon::{Town, at, token};

/// Long enough for any exchange on this machine that is meant to end.
const SHORT: Duration = Duration::from_millis(300);

/// The beginning of a config whose mails are files.
fn head() -> String {
    "timezone = \"Europe/Paris\"\nlanguage = \"fr\"\norganisation = \"Ville d'Exemple\"\n\
     contact = \"dsi@ville.example\"\n[reports]\nweekly = false\n[mail]\nfrom = \"Veille <jetons@ville.example>\"\n"
        .to_owned()
}

/// A channel at this server, with further lines.
pub(crate) fn channel(name: &str, kind: &str, server: &ChannelServer, more: &str) -> String {
    let here = format!("http://127.0.0.1:{}", server.port());
    let place = match kind {
        "matrix" => format!(
            "homeserver = \"{here}\"\nroom = \"!salon:ville.example\"\ntoken = {{ file = \"matrix.token\" }}\n"
        ),
        _ => format!("url = \"{here}/hooks/k3yk3yk3y\"\n"),
    };
    format!(
        "[[notify]]\nname = \"{name}\"\nkind = \"{kind}\"\n{place}allow_private = true\n{more}\n"
    )
}

/// The day on which stage 15 of a token that expires on 2026-12-01 is due, in the window.
fn fifteen_before() -> DateTime<Utc> {
    at("2026-11-16T09:00:00+01:00")
}

fn december(id: &str) -> String {
    token(id, "2026-12-01", &["c.martin@ville.example"])
}

/// A secret in the town's directory, which only its owner may read.
fn secret(town: &Town, name: &str, text: &str) {
    let path = town.dir().join(name);
    crate::support::private_file(&path, text);
}

/// One pass with its mails, then the posts.
async fn pass(town: &Town) -> Step {
    town.pass().await;
    post(town).await
}

async fn post(town: &Town) -> Step {
    let rig = town.rig();
    rig.post(WantedPosts::All, town.now).await.unwrap()
}

/// The town's herald with less patience for those that do not answer.
fn hurried(town: &Town) -> Herald {
    let desk = jetond::app::desk(town.config());
    let store = town.store().clone();
    let stopping = CancellationToken::new();
    Herald::by(SHORT, &town.config().notify, store, (desk, None), stopping)
}

/// The posts on record, in the order of their making.
async fn posts(town: &Town) -> Vec<MailRow> {
    let mut mails = town.mails().await;
    mails.retain(|m| is_post(&m.kind));
    mails
}
