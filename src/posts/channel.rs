//! One channel: where it is, how a post is put to it, and what its answer comes to.
//!
//! The address and the secrets are read at each use, so a changed one needs no restart. Whatever
//! is said of an exchange holds none of them, nor more than the first words of the answer.

use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use sha2::Sha256;
use url::Url;

use crate::config::{self, Beacon, ChannelKind};
use crate::domain::language::{Text, text};
use crate::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use crate::http::{self, Answer, Client, Method, Request, StatusCode};
use crate::posts::message::{Post, Setting};
use crate::posts::words;

/// For a whole exchange.
pub const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Bytes of an answer that are read.
const KEEP: usize = 16 * 1024;

/// A channel that asks for patience gets no more of it than this.
const MOST_PATIENCE: Duration = Duration::days(1);

/// `t=<seconds>,v1=<hex>`: HMAC-SHA256 over the seconds, a dot and the body (`docs/notify.md`).
const SIGNATURE: HeaderName = HeaderName::from_static("x-jetond-signature");

/// What is the same when a post is repeated.
const DELIVERY: HeaderName = HeaderName::from_static("x-jetond-delivery");
const IDEMPOTENCY: HeaderName = HeaderName::from_static("idempotency-key");

/// A channel of the configuration, ready to be told.
#[derive(Debug)]
pub struct Channel {
    config: config::Channel,
    client: Client,
}

/// What became of a post, with words for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The channel took it.
    Taken(String),
    /// Not now; where it asked for so much patience, with that.
    Later(String, Option<Duration>),
    /// Never: the post, the key or the room is refused.
    Never(String),
    /// There was no answer; the channel may have taken it.
    Lost(String),
}

impl Reply {
    /// What was said.
    pub fn said(&self) -> &str {
        match self {
            Self::Taken(said) | Self::Later(said, _) | Self::Never(said) | Self::Lost(said) => said,
        }
    }
}

/// Where a post goes, and what must not be shown of that.
struct Target {
    url: Url,
    secrets: Vec<String>,
}

impl Channel {
    /// A channel, with a deadline for each exchange.
    pub fn new(config: config::Channel, deadline: std::time::Duration) -> Self {
        let ca_file = config.ca_file.as_deref();
        Self {
            client: Client::declared(deadline, KEEP, config.allow_private, ca_file),
            config,
        }
    }

    /// What the file says of it.
    pub fn config(&self) -> &config::Channel {
        &self.config
    }

    /// The body of a post.
    pub fn body(&self, post: &Post, setting: Setting<'_>) -> String {
        words::body(&self.config, post, setting).to_string()
    }

    /// Puts a post to the channel; `body` is that of [`Channel::body`].
    pub async fn post(&self, post: &Post, body: &str, now: DateTime<Utc>) -> Reply {
        let (request, secrets) = match self.request(post, body) {
            Ok(ready) => ready,
            // The file or the secret is to be mended; the post waits for it.
            Err(why) => return Reply::Later(why, None),
        };
        match self.client.send(&request).await {
            Ok(answer) => self.judge(&answer, &secrets, now),
            Err(fault) => {
                let said = mask(&fault.to_string(), &secrets);
                // A room knows a repeat by its transaction: nothing is doubled by trying again.
                let knows_repeats = matches!(self.config.kind, ChannelKind::Matrix { .. });
                if fault.may_have_arrived() && !knows_repeats {
                    Reply::Lost(said)
                } else {
                    Reply::Later(said, None)
                }
            }
        }
    }

    /// Whether the channel answers, without posting; in words.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn knock(&self) -> Result<Text, String> {
        match &self.config.kind {
            ChannelKind::Webhook { .. } | ChannelKind::Mattermost { .. } => {
                let Target { url, secrets } = self.target()?;
                self.client
                    .knock(&url)
                    .await
                    .map_err(|fault| mask(&fault.to_string(), &secrets))?;
                let host = url.host_str().unwrap_or_default();
                Ok(text!(
                    "{host} is there; only a post shows more",
                    "{host} répond ; seul un message en dirait plus"
                ))
            }
            ChannelKind::Matrix {
                homeserver, token, ..
            } => {
                let token = token.resolve().map_err(|e| e.to_string())?;
                let secrets = vec![token.expose_secret().to_owned()];
                let request = Request {
                    method: Method::GET,
                    url: below(
                        homeserver,
                        &["_matrix", "client", "v3", "account", "whoami"],
                    ),
                    headers: vec![bearer(&token)?],
                    body: Default::default(),
                };
                let answer = self.client.send(&request).await;
                let answer = answer.map_err(|fault| mask(&fault.to_string(), &secrets))?;
                let user = serde_json::from_slice::<Value>(&answer.body).ok();
                let user = user.and_then(|v| Some(v["user_id"].as_str()?.to_owned()));
                match user.filter(|_| answer.status.is_success()) {
                    Some(user) => {
                        let user = http::printable(user.as_bytes(), &[], http::MOST_WORDS);
                        Ok(text!("it posts as {user}", "il publie comme {user}"))
                    }
                    None => Err(said(&answer, &secrets)),
                }
            }
        }
    }

    fn request(&self, post: &Post, body: &str) -> Result<(Request, Vec<String>), String> {
        let Target { url, mut secrets } = self.target()?;
        let json = HeaderValue::from_static("application/json");
        let id = HeaderValue::from_str(&post.id).map_err(|_| "the post has no id".to_owned())?;
        let mut headers = vec![
            (CONTENT_TYPE, json),
            (IDEMPOTENCY, id.clone()),
            (DELIVERY, id),
        ];
        let mut method = Method::POST;
        let mut url = url;
        match &self.config.kind {
            ChannelKind::Webhook { secret, .. } => {
                if let Some(secret) = secret {
                    let secret = secret.resolve().map_err(|e| e.to_string())?;
                    headers.push((SIGNATURE, sign(&secret, post.at, body)?));
                    secrets.push(secret.expose_secret().to_owned());
                }
            }
            ChannelKind::Mattermost { .. } => {}
            ChannelKind::Matrix { room, token, .. } => {
                let token = token.resolve().map_err(|e| e.to_string())?;
                let path = ["_matrix", "client", "v3", "rooms", room, "send"];
                url = below(&url, &path);
                url = below(&url, &["m.room.message", &post.id]);
                headers.push(bearer(&token)?);
                secrets.push(token.expose_secret().to_owned());
                method = Method::PUT;
            }
        }
        let request = Request {
            method,
            url,
            headers,
            body: body.to_owned().into(),
        };
        Ok((request, secrets))
    }

    /// Where posts go: an address of one of the hosts that the file names.
    fn target(&self) -> Result<Target, String> {
        let allow_private = self.config.allow_private;
        let read = |written: &SecretString| {
            config::hook(written.expose_secret(), allow_private).map_err(|e| e.to_string())
        };
        let (url, is_key) = match &self.config.kind {
            ChannelKind::Matrix { homeserver, .. } => (homeserver.clone(), false),
            ChannelKind::Webhook { url, .. } | ChannelKind::Mattermost { url } => {
                let url = match url {
                    Beacon::Url(written) => read(written)?,
                    Beacon::Secret(source) => read(&source.resolve().map_err(|e| e.to_string())?)?,
                };
                (url, true)
            }
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_matches(['[', ']']).trim_end_matches('.');
        if !self.config.allowed_hosts.iter().any(|h| h == host) {
            return Err(
                "the secret address leads to a host that is not in allowed_hosts".to_owned(),
            );
        }
        let mut secrets = Vec::new();
        if is_key {
            secrets.push(url.as_str().to_owned());
            secrets.push(url[url::Position::BeforePath..].to_owned());
            secrets.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
            secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        }
        Ok(Target { url, secrets })
    }

    fn judge(&self, answer: &Answer, secrets: &[String], now: DateTime<Utc>) -> Reply {
        let status = answer.status;
        let said = said(answer, secrets);
        if status.is_success() {
            return Reply::Taken(said);
        }
        if status.is_redirection() {
            return Reply::Never(format!(
                "{said} (a redirection, which is not followed: write the address that it leads to)"
            ));
        }
        let may_pass = status.is_server_error()
            || [
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::TOO_EARLY,
                StatusCode::TOO_MANY_REQUESTS,
            ]
            .contains(&status);
        if may_pass {
            return Reply::Later(said, patience(answer, now));
        }
        Reply::Never(said)
    }
}

/// Status and first words of an answer.
fn said(answer: &Answer, secrets: &[String]) -> String {
    let status = answer.status.as_u16();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    match http::printable(&answer.body, &secrets, http::MOST_WORDS).as_str() {
        "" => status.to_string(),
        words => format!("{status} {words}"),
    }
}

fn mask(said: &str, secrets: &[String]) -> String {
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    http::printable(said.as_bytes(), &secrets, http::MOST_WORDS)
}

/// How long a channel asks to be left alone: `Retry-After` in seconds or as a date (RFC 9110,
/// §10.2.3), or what Matrix says in the body.
fn patience(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let header = answer.retry_after.as_deref().and_then(|written| {
        let seconds = written.parse::<u32>().ok();
        let seconds = seconds.map(|s| Duration::seconds(s.into()));
        seconds.or_else(|| {
            let until = DateTime::parse_from_rfc2822(written).ok()?;
            Some(until.with_timezone(&Utc) - now)
        })
    });
    let matrix = || {
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        let ms = i64::try_from(body["retry_after_ms"].as_u64()?).ok()?;
        // Whole seconds, and not before.
        Some(Duration::seconds(ms.saturating_add(999) / 1000))
    };
    let asked = header.or_else(matrix)?;
    Some(asked.clamp(Duration::seconds(1), MOST_PATIENCE))
}

fn sign(secret: &SecretString, at: DateTime<Utc>, body: &str) -> Result<HeaderValue, String> {
    let at = at.timestamp();
    let key = secret.expose_secret().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{at}.").as_bytes());
    mac.update(body.as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    HeaderValue::from_str(&format!("t={at},v1={hex}")).map_err(|e| e.to_string())
}

fn bearer(token: &SecretString) -> Result<(HeaderName, HeaderValue), String> {
    http::bearer(token)
        .map_err(|_| "the access token holds a character that no token has".to_owned())
}

/// An address below another one; each part is one segment, whatever it holds.
fn below(url: &Url, path: &[&str]) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(str::to_owned),
            rate_limit: [None, None, None],
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn patience_is_what_the_channel_asks_for_and_a_day_at_most() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for (header, body, expected) in [
            (Some("120"), "", Some(120)),
            (Some("0"), "", Some(1)),
            (Some("999999999"), "", Some(86_400)),
            (Some("Fri, 15 Jan 2027 08:01:00 GMT"), "", Some(60)),
            (Some("Fri, 15 Jan 2027 07:00:00 GMT"), "", Some(1)),
            (Some("soon"), "", None),
            (None, r#"{"retry_after_ms":2001}"#, Some(3)),
            (None, r#"{"retry_after_ms":18446744073709551615}"#, None),
            (None, r#"{"retry_after_ms":-5}"#, None),
            (None, "no json", None),
        ] {
            let asked = patience(&answer(429, header, body), now).map(|p| p.num_seconds());
            assert_eq!(asked, expected, "{header:?} {body}");
        }
    }

    #[test]
    fn a_segment_stays_one_whatever_it_holds() {
        let server = Url::parse("https://m.example/base/").unwrap();
        let url = below(&server, &["rooms", "!a/b?c#d:m.example", "x"]);
        assert_eq!(
            url.as_str(),
            "https://m.example/base/rooms/!a%2Fb%3Fc%23d:m.example/x"
        );
    }

    #[test]
    fn the_signature_is_over_the_seconds_and_the_bytes() {
        let at = DateTime::from_timestamp(1_763_888_400, 0).unwrap();
        let secret = SecretString::from("clef".to_owned());
        let signed = sign(&secret, at, "{\"a\":1}").unwrap();
        // printf '1763888400.{"a":1}' | openssl dgst -sha256 -hmac clef
        assert_eq!(
            signed.to_str().unwrap(),
            "t=1763888400,v1=dc40d8139ce113b76e9e00479877800a34c08216ec94c91a4ac4513da5c8b275"
        );
    }
}
