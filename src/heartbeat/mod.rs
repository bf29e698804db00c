//! The heartbeat: after each pass a monitor elsewhere is told that all is well, or that it is
//! not and why. Its silence tells the rest: a machine that is off, a daemon that hangs.
//!
//! Success is told only when nothing is ill. A ping that fails is logged once when that begins
//! and once when it is over; it makes nothing ill, and no loop waits for it. No log and no error
//! holds the path of the address, which is a key; no reason holds an address or a token's name.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{self, Beacon, Form, Heartbeat};
use crate::health::Ill;
use crate::http::header::{CONTENT_TYPE, HeaderValue};
use crate::http::{Bounds, Client, Fault, Method, Names, Reach, Roots, StatusCode};
use crate::meter::{Ended, Meter};

/// A whole ping, from the name's resolution to the answer, takes no longer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Pings are this far apart at least.
const PAUSE: Duration = Duration::from_mins(1);

/// Characters of a reason at most.
const REASON_LIMIT: usize = 200;

/// What a monitor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pulse {
    /// Promise 1 holds and nothing is ill.
    Well,
    /// In a few words: what is ill.
    Ill(String),
}

impl Pulse {
    /// The pulse of a watch with these illnesses.
    pub fn of(ills: &[Ill], now: DateTime<Utc>) -> Self {
        if ills.is_empty() {
            return Self::Well;
        }
        let told: Vec<String> = ills.iter().map(|ill| ill.headline(now).en).collect();
        let mut reason = told.join("; ");
        if let Some((cut, _)) = reason.char_indices().nth(REASON_LIMIT) {
            reason.truncate(cut);
            reason.push('…');
        }
        Self::Ill(reason)
    }
}

/// Why a ping was not heard. No variant holds the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// It cannot be read.
    #[error("the address of the heartbeat: {0}")]
    Address(String),
    /// There is no answer.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The server sends the ping elsewhere.
    #[error(
        "the answer is {0}, a redirection, which is not followed: write the address that it leads to"
    )]
    Redirected(u16),
    /// Any other status than success.
    #[error("the answer is {0}")]
    Status(u16),
}

/// Sends pings, one after the other.
#[derive(Debug)]
pub struct Pinger {
    client: Client,
}

impl Default for Pinger {
    fn default() -> Self {
        Self::new(DEADLINE, None)
    }
}

impl Pinger {
    /// A pinger with its own deadline; `roots` in place of the system's authorities.
    pub fn new(deadline: Duration, roots: Option<RootCertStore>) -> Self {
        let bounds = Bounds {
            deadline,
            // The answer counts by its status.
            keep: 0,
            reach: Reach::Anywhere,
        };
        let roots = roots.map_or(Roots::System, Roots::Given);
        Self {
            client: Client::new(bounds, roots, Names::System),
        }
    }

    /// One ping.
    ///
    /// # Errors
    /// The address cannot be read, nobody answers in time, or the answer is no success.
    pub async fn ping(&self, heartbeat: &Heartbeat, pulse: &Pulse) -> Result<(), PingError> {
        let url = address(heartbeat)?;
        let request = request(url, heartbeat.form, pulse).into_http();
        match self.client.send(&request).await?.status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                Err(PingError::Redirected(status.as_u16()))
            }
            status => Err(PingError::Status(status.as_u16())),
        }
    }
}

/// What is asked.
#[derive(Debug)]
struct Request {
    url: Url,
    /// Sent by POST; `None`: GET.
    body: Option<String>,
}

impl Request {
    fn into_http(self) -> crate::http::Request {
        let is_post = self.body.is_some();
        let words = HeaderValue::from_static("text/plain; charset=utf-8");
        crate::http::Request {
            method: if is_post { Method::POST } else { Method::GET },
            url: self.url,
            headers: is_post
                .then_some((CONTENT_TYPE, words))
                .into_iter()
                .collect(),
            body: self.body.unwrap_or_default().into(),
        }
    }
}

/// The address; it is read at each use, so a changed secret needs no restart.
fn address(heartbeat: &Heartbeat) -> Result<Url, PingError> {
    let read = |secret: &secrecy::SecretString| {
        config::beacon(secret.expose_secret()).map_err(|e| PingError::Address(e.to_string()))
    };
    match &heartbeat.url {
        Beacon::Url(url) => read(url),
        Beacon::Secret(source) => {
            let secret = source
                .resolve()
                .map_err(|e| PingError::Address(e.to_string()))?;
            read(&secret)
        }
    }
}

/// Where a heartbeat goes, as it may be shown: the host, or where its address is.
pub fn place(heartbeat: &Heartbeat) -> String {
    match &heartbeat.url {
        Beacon::Url(_) => address(heartbeat)
            .ok()
            .and_then(|url| Some(url.host_str()?.to_owned()))
            .unwrap_or_default(),
        Beacon::Secret(source) => source.to_string(),
    }
}

/// The form that an address shows.
fn form_of(url: &Url) -> Form {
    if url.path().contains("/api/push/") {
        Form::UptimeKuma
    } else {
        Form::Healthchecks
    }
}

fn request(mut url: Url, form: Option<Form>, pulse: &Pulse) -> Request {
    match form.unwrap_or_else(|| form_of(&url)) {
        Form::Healthchecks => match pulse {
            Pulse::Well => Request { url, body: None },
            Pulse::Ill(reason) => {
                let path = format!("{}/fail", url.path().trim_end_matches('/'));
                url.set_path(&path);
                Request {
                    url,
                    body: Some(reason.clone()),
                }
            }
        },
        Form::UptimeKuma => {
            let (status, message) = match pulse {
                Pulse::Well => ("up", "OK"),
                Pulse::Ill(reason) => ("down", reason.as_str()),
            };
            // What the monitor shows as an example may have been copied with the address.
            let ours = ["status", "msg", "ping"];
            let kept: Vec<(String, String)> = url
                .query_pairs()
                .filter(|(name, _)| !ours.contains(&name.as_ref()))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            url.query_pairs_mut()
                .clear()
                .extend_pairs(kept)
                .append_pair("status", status)
                .append_pair("msg", message)
                .append_pair("ping", "");
            Request { url, body: None }
        }
    }
}

/// What the tick loop hands over after a pass.
type Beat = Option<(Heartbeat, Pulse, DateTime<Utc>)>;

/// Where the tick loop leaves the latest pulse. Leaving it never waits.
#[derive(Debug)]
pub struct Beats {
    latest: watch::Sender<Beat>,
}

impl Beats {
    /// A place for pulses, and the task that sends them until `stopping`.
    pub fn start(pinger: Pinger, meter: Meter, stopping: CancellationToken) -> Self {
        let (latest, beats) = watch::channel(None);
        tokio::spawn(async move {
            stopping
                .run_until_cancelled(beat(pinger, meter, beats))
                .await;
        });
        Self { latest }
    }

    /// Leaves the pulse of the pass at `now`; an earlier one that has not been sent is forgotten.
    pub fn leave(&self, heartbeat: &Heartbeat, pulse: Pulse, now: DateTime<Utc>) {
        let beat = (heartbeat.clone(), pulse, now);
        self.latest.send_replace(Some(beat));
    }
}

async fn beat(pinger: Pinger, meter: Meter, mut beats: watch::Receiver<Beat>) {
    let mut failing = false;
    while beats.changed().await.is_ok() {
        let Some((heartbeat, pulse, at)) = beats.borrow_and_update().clone() else {
            continue;
        };
        let began = Instant::now();
        let pinged = pinger.ping(&heartbeat, &pulse).await;
        meter.heartbeat(at, Ended::of(&pinged));
        match (pinged, failing) {
            (Ok(()), true) => {
                failing = false;
                tracing::info!("the heartbeat is heard again");
            }
            (Err(e), false) => {
                failing = true;
                let host = place(&heartbeat);
                tracing::warn!(%host, error = %e, "the heartbeat is not heard; it goes on");
            }
            (Ok(()), false) | (Err(_), true) => {}
        }
        // Passes come each minute too: a few seconds less keep a ping for each of them.
        tokio::time::sleep(left_of(PAUSE, began.elapsed())).await;
    }
}

fn left_of(pause: Duration, elapsed: Duration) -> Duration {
    pause.saturating_sub(elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(url: &str, form: Option<Form>, pulse: &Pulse) -> (String, Option<String>) {
        let Request { url, body } = request(Url::parse(url).unwrap(), form, pulse);
        (url.into(), body)
    }

    #[test]
    fn each_monitor_is_told_in_its_own_form() {
        let ill = Pulse::Ill("2 owed & more".to_owned());
        let hc = "https://hc-ping.com/0123/";
        assert_eq!(told(hc, None, &Pulse::Well), (hc.to_owned(), None));
        assert_eq!(
            told(hc, None, &ill),
            (
                "https://hc-ping.com/0123/fail".to_owned(),
                Some("2 owed & more".to_owned())
            )
        );
        let kuma = "http://kuma.lan:3001/api/push/Ab3?status=up&msg=OK&ping=";
        let well = told(kuma, None, &Pulse::Well).0;
        assert_eq!(well, kuma);
        assert_eq!(
            told(kuma, None, &ill).0,
            "http://kuma.lan:3001/api/push/Ab3?status=down&msg=2+owed+%26+more&ping="
        );
        let behind = "https://kuma.example/p/Ab3?team=7";
        assert_eq!(
            told(behind, Some(Form::UptimeKuma), &Pulse::Well).0,
            "https://kuma.example/p/Ab3?team=7&status=up&msg=OK&ping="
        );
    }

    #[test]
    fn a_reason_is_bounded_and_repeats_nothing_that_a_server_said() {
        let now = DateTime::UNIX_EPOCH;
        let ill = Ill::Relay {
            since: now,
            why: "450 <c.martin@ville.example> try later".to_owned(),
        };
        let Pulse::Ill(reason) = Pulse::of(&vec![ill; 40], now) else {
            panic!("it is ill");
        };
        assert!(!reason.contains('@'), "{reason}");
        assert_eq!(reason.chars().count(), REASON_LIMIT + 1);
        assert_eq!(Pulse::of(&[], now), Pulse::Well);
    }
}
