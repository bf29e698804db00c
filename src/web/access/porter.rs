//! The porter: what of the access outlives a configuration, and the one place where a password
//! is compared.
//!
//! Whatever is asked and whoever asks, comparing costs the same: a name that nobody has is
//! compared with somebody's hash. At most two are compared at a time, on threads of their own,
//! so no number of guesses takes more memory or more processors than that.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use sha2::Sha256;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::config::{Password, WebAuth, WebUser};
use crate::domain::password::PasswordHash;
use crate::web::Site;
use crate::web::access::sessions::{Key, Sessions};
use crate::web::access::tries::Tries;

/// Passwords that are compared at once.
const BENCHES: usize = 2;

/// Requests that wait for one of these; the next is told to come again.
const WAITING: usize = 16;

/// A program's name and password are believed for so long without being compared again.
const REMEMBERED: TimeDelta = TimeDelta::minutes(5);

/// Programs that are remembered.
const MOST_REMEMBERED: usize = 64;

/// What everybody waits who finds no place.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);

/// Stands for a hash that cannot be read, so that this does not show. It is of no password.
static NOBODYS: LazyLock<PasswordHash> = LazyLock::new(|| {
    PasswordHash::parse("$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LW5vYm9keQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        .expect("a well-formed hash")
});

/// What came of a name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    /// They are right; the mark tells this user from a later one of the same name.
    Right([u8; 32]),
    /// One of them is wrong.
    Wrong,
    /// Nothing is compared before so much time.
    Later(TimeDelta),
}

/// Whether a right pair is believed again without being compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remember {
    /// A program that sends it with each request.
    AWhile,
    /// A person who logs in.
    Never,
}

/// What outlives a configuration.
#[derive(Clone)]
pub(in crate::web) struct Porter(Arc<Inner>);

struct Inner {
    key: Zeroizing<[u8; 32]>,
    sessions: Mutex<Sessions>,
    tries: Mutex<Tries>,
    remembered: Mutex<HashMap<[u8; 32], DateTime<Utc>>>,
    waiting: Arc<Semaphore>,
    benches: Arc<Semaphore>,
}

impl fmt::Debug for Porter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Porter(…)")
    }
}

impl Default for Porter {
    fn default() -> Self {
        Self(Arc::new(Inner {
            key: Zeroizing::new(random()),
            sessions: Mutex::default(),
            tries: Mutex::default(),
            remembered: Mutex::default(),
            waiting: Arc::new(Semaphore::new(WAITING)),
            benches: Arc::new(Semaphore::new(BENCHES)),
        }))
    }
}

/// 256 bits that nobody can guess.
pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has random bytes to give");
    bytes
}

impl Porter {
    /// A keyed hash of these parts, for one purpose. Nobody without the key, which ends with the
    /// process, can make one.
    pub(super) fn seal(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0.key).expect("HMAC takes a key of any length");
        for part in [purpose.as_bytes()].iter().chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// What the forms of a visitor carry; `whose` is a session's key or a name.
    pub(super) fn csrf(&self, purpose: &str, whose: &[u8]) -> String {
        let seal = self.seal(purpose, &[whose]);
        seal.iter().map(|b| format!("{b:02x}")).collect()
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().expect("no holder panics")
    }

    /// The user of the session of this key, if they are still who they were.
    pub(super) async fn session(&self, site: &Arc<Site>, key: &Key) -> Option<WebUser> {
        let now = (site.now)();
        let session = self.sessions().look(key, now)?;
        let user = user(site.door.auth.as_ref()?, &session.name).cloned();
        let Some(user) = user else {
            self.sessions().close(key);
            return None;
        };
        if session.is_to_compare(site, now) {
            let mark = match hash(&user.password).await {
                Some(hash) => self.mark(&user, &hash),
                None => [0; 32],
            };
            let mut sessions = self.sessions();
            if mark != session.mark {
                sessions.close(key);
                tracing::info!(name = %user.name, "a session ended: its user changed");
                return None;
            }
            sessions.compared(key, site, now);
        }
        Some(user)
    }

    /// Compares a name and a password.
    pub(super) async fn compare(
        &self,
        site: &Site,
        name: &str,
        password: Zeroizing<Vec<u8>>,
        remember: Remember,
    ) -> Tried {
        let Some(auth) = site.door.auth.as_ref().filter(|a| !a.users.is_empty()) else {
            return Tried::Wrong;
        };
        let now = (site.now)();
        let tried = self.seal("tried", &[name.as_bytes()]);
        let known = user(auth, name);
        // Somebody's hash for a name that nobody has, always the same one.
        let at = usize::from(tried[0]) * 256 + usize::from(tried[1]);
        let user = known.unwrap_or(&auth.users[at % auth.users.len()]);
        let read = hash(&user.password).await;
        let readable = read.is_some();
        let hash = read.unwrap_or_else(|| NOBODYS.clone());
        let right = Tried::Right(self.mark(user, &hash));
        let pair = self.seal(
            "remembered",
            &[name.as_bytes(), &password, hash.as_str().as_bytes()],
        );
        if remember == Remember::AWhile && self.remembers(&pair, now) {
            return right;
        }
        if let Err(wait) = self.tries().admit(tried, now) {
            return Tried::Later(wait);
        }
        let fits = self.fits(hash, password).await;
        match fits {
            None => {
                self.tries().not_made(&tried);
                Tried::Later(PATIENCE)
            }
            Some(true) if known.is_some() && readable => {
                self.tries().succeeded(&tried);
                if remember == Remember::AWhile {
                    self.remember(pair, now);
                }
                right
            }
            Some(_) => {
                // A name that nobody has may be a password in the wrong field.
                let name = known.map_or("unknown", |u| &u.name);
                tracing::warn!(name, "a login failed");
                Tried::Wrong
            }
        }
    }

    /// Whether the password fits, at one of the benches; `None`: too many wait already.
    async fn fits(&self, hash: PasswordHash, password: Zeroizing<Vec<u8>>) -> Option<bool> {
        let _place = Arc::clone(&self.0.waiting).try_acquire_owned().ok()?;
        let bench = Arc::clone(&self.0.benches).acquire_owned().await;
        let bench = bench.expect("nobody closes it");
        let compared = tokio::task::spawn_blocking(move || {
            let fits = hash.fits(&password);
            drop(bench);
            fits
        });
        // Where no thread could do it, it does not fit.
        Some(compared.await.unwrap_or(false))
    }

    fn mark(&self, user: &WebUser, hash: &PasswordHash) -> [u8; 32] {
        let role = format!("{:?}", user.role);
        let parts = [&user.name, hash.as_str(), &role].map(str::as_bytes);
        self.seal("user", &parts)
    }

    fn tries(&self) -> MutexGuard<'_, Tries> {
        self.0.tries.lock().expect("no holder panics")
    }

    fn remembers(&self, pair: &[u8; 32], now: DateTime<Utc>) -> bool {
        let mut remembered = self.0.remembered.lock().expect("no holder panics");
        remembered.retain(|_, since| (TimeDelta::zero()..REMEMBERED).contains(&(now - *since)));
        remembered.contains_key(pair)
    }

    fn remember(&self, pair: [u8; 32], now: DateTime<Utc>) {
        let mut remembered = self.0.remembered.lock().expect("no holder panics");
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(pair, now);
        }
    }
}

fn user<'a>(auth: &'a WebAuth, name: &str) -> Option<&'a WebUser> {
    auth.users.iter().find(|u| u.name == name)
}

/// The hash of a user; where it is kept elsewhere it is read for each use, so that a change
/// needs no reload.
async fn hash(password: &Password) -> Option<PasswordHash> {
    let source = match password {
        Password::Hash(hash) => return Some(hash.clone()),
        Password::Secret(source) => source.clone(),
    };
    let read = tokio::task::spawn_blocking(move || {
        let secret = source.resolve()?;
        PasswordHash::parse(secret.expose_secret())
    });
    match read.await.ok()? {
        Ok(hash) => Some(hash),
        Err(e) => {
            tracing::error!(error = %e, "the password of a user of [web.auth] cannot be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(b"correct horse battery staple".to_vec())
    }

    #[tokio::test]
    async fn some_wait_for_a_bench_and_the_next_is_told_to_come_again() {
        let porter = Porter::default();
        let benches = Arc::clone(&porter.0.benches);
        let all = u32::try_from(BENCHES).unwrap();
        let taken = benches.acquire_many_owned(all).await.unwrap();
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let porter = porter.clone();
                tokio::spawn(async move { porter.fits(NOBODYS.clone(), password()).await })
            })
            .collect();
        while porter.0.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(porter.fits(NOBODYS.clone(), password()).await, None);
        drop(taken);
        for one in waiting {
            assert_eq!(one.await.unwrap(), Some(false));
        }
        assert_eq!(porter.0.waiting.available_permits(), WAITING);
        assert_eq!(porter.0.benches.available_permits(), BENCHES);
    }

    #[test]
    fn a_seal_is_of_one_purpose_one_process_and_these_parts_alone() {
        let porter = Porter::default();
        let seal = porter.seal("a", &[b"bc", b"d"]);
        assert_eq!(seal, porter.seal("a", &[b"bc", b"d"]));
        for (purpose, parts) in [
            ("b", &[&b"bc"[..], b"d"][..]),
            ("a", &[b"b", b"cd"]),
            ("a", &[b"bcd"]),
            ("ab", &[b"c", b"d"]),
            ("a", &[b"bc", b"d", b""]),
        ] {
            assert_ne!(seal, porter.seal(purpose, parts), "{purpose} {parts:?}");
        }
        assert_ne!(seal, Porter::default().seal("a", &[b"bc", b"d"]));
    }
}
