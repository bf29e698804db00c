//! The secret addresses under which calendars are read, and what identifies their events.
//!
//! An address is looked up at each request, so that one that was renewed ends at once. All of it
//! is in the store and its backups; a restore keeps what the store had that it replaces.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sqlx::{Row, SqliteConnection};
use zeroize::Zeroizing;

use crate::store::error::{Result, StoreError};
use crate::store::feed::Scope;
use crate::store::journal::Entry;
use crate::store::{Store, Tx, seconds};

/// What makes this store's events differ from those of any other, in hex.
const IDENTITY: &str = "calendar_identity";

/// The address of the calendar of all tokens; with `/CLIENT` behind it, that of a client's.
const ADDRESS: &str = "calendar_address";

/// Below every revision: set by a restore.
pub(in crate::store) const REVISIONS_FROM: &str = "calendar_revisions_from";

/// 2020-01-01T00:00:00Z in minutes: revisions are numbers of 32 bits for their readers.
const MINUTES_BEFORE_2020: i64 = 26_297_280;

/// Random bytes of an identity.
const IDENTITY_BYTES: usize = 16;

/// Random bytes of a secret: 144 bits are far beyond guessing, and 24 characters.
const SECRET_BYTES: usize = 18;

/// The secret part of a calendar's address.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// As it stands in an address: characters that need no escape there.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is what was given, in a time that tells nothing of where it differs.
    pub fn is(&self, given: &str) -> bool {
        let mac = |of: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(of.as_bytes());
            mac
        };
        mac(given)
            .verify_slice(&mac(&self.0).finalize().into_bytes())
            .is_ok()
    }

    fn fresh() -> Result<Self> {
        use base64::Engine as _;
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        random(bytes.as_mut_slice())?;
        let written = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self(Zeroizing::new(written)))
    }
}

/// An address as it stands after it was asked for.
#[derive(Debug, Clone)]
pub struct Address {
    /// The client whose calendar it is; `None`: that of all tokens.
    pub client: Option<String>,
    /// Its secret.
    pub secret: Secret,
}

fn key_of(scope: Scope<'_>) -> String {
    match scope {
        Scope::All => ADDRESS.to_owned(),
        Scope::Client(key) => format!("{ADDRESS}/{key}"),
    }
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|e| StoreError::Io(e.to_string()))
}

impl Store {
    /// What makes the events of this store differ from those of any other; `None` as long as
    /// nobody has asked for a calendar.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calendar_identity(&self) -> Result<Option<String>> {
        self.setting(IDENTITY).await
    }

    /// The secret of a calendar's address; `None`: nobody has asked for one.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calendar_secret(&self, scope: Scope<'_>) -> Result<Option<Secret>> {
        let secret = self.setting(&key_of(scope)).await?;
        Ok(secret.map(|s| Secret(Zeroizing::new(s))))
    }

    /// Every address that there is, that of all tokens first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn calendar_addresses(&self) -> Result<Vec<Address>> {
        let mut connection = self.pool.acquire().await?;
        let rows = settings(&mut connection).await?;
        Ok(rows
            .into_iter()
            .filter_map(|(key, value)| {
                let client = key.strip_prefix(ADDRESS)?;
                Some(Address {
                    client: client.strip_prefix('/').map(str::to_owned),
                    secret: Secret(Zeroizing::new(value)),
                })
            })
            .collect())
    }
}

impl Tx {
    /// What makes the events of this store differ; made when there is none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn make_calendar_identity(&mut self) -> Result<String> {
        if let Some(identity) = self.setting(IDENTITY).await? {
            return Ok(identity);
        }
        let mut bytes = [0; IDENTITY_BYTES];
        random(&mut bytes)?;
        let identity: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        self.set(IDENTITY, &identity).await?;
        Ok(identity)
    }

    /// The secret of a calendar's address; made when there is none.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn make_calendar_secret(
        &mut self,
        scope: Scope<'_>,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<Secret> {
        if let Some(secret) = self.setting(&key_of(scope)).await? {
            return Ok(Secret(Zeroizing::new(secret)));
        }
        self.put_fresh_secret(scope, "calendar_opened", who, now)
            .await
    }

    /// Another secret for a calendar's address: the former address ends with the commit.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn renew_calendar_secret(
        &mut self,
        scope: Scope<'_>,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<Secret> {
        self.put_fresh_secret(scope, "calendar_address_renewed", who, now)
            .await
    }

    async fn put_fresh_secret(
        &mut self,
        scope: Scope<'_>,
        what: &'static str,
        who: &str,
        now: DateTime<Utc>,
    ) -> Result<Secret> {
        self.make_calendar_identity().await?;
        let secret = Secret::fresh()?;
        self.set(&key_of(scope), secret.expose()).await?;
        let client = match scope {
            Scope::All => None,
            Scope::Client(key) => Some(key),
        };
        let entry = Entry {
            what,
            token: None,
            detail: serde_json::json!({"client": client}),
        };
        self.journal(who, &[entry], now).await?;
        Ok(secret)
    }

    /// Carries the calendars of the store that this one replaces over: its addresses stay, so
    /// that one that was renewed does not come back to life, and every revision from now on is
    /// above those that were ever shown.
    pub(in crate::store) async fn take_calendars_over(
        &mut self,
        former: &Calendars,
        now: DateTime<Utc>,
    ) -> Result<()> {
        let had = former.settings.iter().any(|(key, _)| key == IDENTITY);
        if !had && self.setting(IDENTITY).await?.is_none() {
            // Nobody has ever been shown one.
            return Ok(());
        }
        // Where the former store could not be read, its revisions are below the minutes since 2020.
        let minutes = seconds(now).div_euclid(60) - MINUTES_BEFORE_2020;
        let from = minutes.max(former.latest_revision + 1);
        for (key, value) in &former.settings {
            match key.as_str() {
                REVISIONS_FROM => {}
                IDENTITY if self.setting(IDENTITY).await?.is_some() => {}
                key => self.set(key, value).await?,
            }
        }
        self.set(REVISIONS_FROM, &from.to_string()).await
    }
}

/// What a store keeps for its calendars.
#[derive(Debug, Default)]
pub(in crate::store) struct Calendars {
    settings: Vec<(String, String)>,
    /// The highest that any token has.
    latest_revision: i64,
}

impl Calendars {
    /// Those of a store, of whatever schema.
    pub(in crate::store) async fn of(store: &Store) -> Result<Self> {
        let mut connection = store.pool.acquire().await?;
        let settings = settings(&mut connection).await?;
        let entries: i64 = sqlx::query_scalar(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM journal WHERE token IS NOT NULL GROUP BY token)",
        )
        .fetch_one(&mut *connection)
        .await?;
        let from = settings.iter().find(|(key, _)| key == REVISIONS_FROM);
        let from = from.and_then(|(_, value)| value.parse::<i64>().ok());
        Ok(Self {
            settings,
            latest_revision: entries + from.unwrap_or_default(),
        })
    }
}

async fn settings(connection: &mut SqliteConnection) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query(
        "SELECT key, value FROM setting WHERE key IN ($1, $2, $3) OR substr(key, 1, length($3) + 1) = $3 || '/' ORDER BY key",
    )
    .bind(IDENTITY)
    .bind(REVISIONS_FROM)
    .bind(ADDRESS)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_calendar_has_a_secret_of_its_own_that_lasts_until_it_is_renewed() {
        let store = Store::in_memory().await.unwrap();
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(store.calendar_secret(Scope::All).await.unwrap(), None);
        let mut tx = store.begin().await.unwrap();
        let mut made = Vec::new();
        for scope in [Scope::All, Scope::Client("a"), Scope::Client("b/c")] {
            made.push(tx.make_calendar_secret(scope, "user:x", now).await.unwrap());
            let again = tx.make_calendar_secret(scope, "user:x", now).await.unwrap();
            assert_eq!(made.last(), Some(&again));
        }
        tx.commit().await.unwrap();
        assert!(made.iter().all(|s| s.expose().len() == 24));
        assert!(made[0] != made[1] && made[1] != made[2] && made[0] != made[2]);
        let listed = store.calendar_addresses().await.unwrap();
        let clients: Vec<_> = listed.iter().map(|a| a.client.as_deref()).collect();
        assert_eq!(clients, [None, Some("a"), Some("b/c")]);

        let mut tx = store.begin().await.unwrap();
        let renewed = tx
            .renew_calendar_secret(Scope::Client("a"), "user:x", now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_ne!(renewed, made[1]);
        let of = |scope| store.calendar_secret(scope);
        assert_eq!(of(Scope::Client("a")).await.unwrap(), Some(renewed));
        assert_eq!(of(Scope::All).await.unwrap(), Some(made[0].clone()));
        // Neither the list of what happened nor a debug print tells a secret.
        let history = format!("{:?} {made:?}", store.history(None, 10).await.unwrap());
        assert!(made.iter().all(|s| !history.contains(s.expose())));
        assert_eq!(store.history(None, 10).await.unwrap().len(), 4);
    }

    #[test]
    fn a_secret_is_itself_alone() {
        let secret = Secret::fresh().unwrap();
        assert!(secret.is(secret.expose()));
        for other in [
            "",
            "x",
            &secret.expose()[1..],
            &format!("{}x", secret.expose()),
        ] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(!secret.is(Secret::fresh().unwrap().expose()));
    }
}
