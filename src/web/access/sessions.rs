//! Who is logged in: kept in memory, so that a restart ends every session.
//!
//! Only the SHA-256 of an id is kept: whoever reads this memory gets no id. An id is made here
//! and never taken from a client. A session ends an hour after its last request, half a day
//! after its login, when the clock was put back, and when the user it is of is another one now.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use crate::web::Site;

/// Without a request.
const IDLE: TimeDelta = TimeDelta::hours(1);

/// From the login.
const LONGEST: TimeDelta = TimeDelta::hours(12);

/// A clock that was put back by more than this ends a session: how old it is is not known.
const SLACK: TimeDelta = TimeDelta::seconds(60);

/// After that a password that is kept elsewhere is looked at again.
const TRUSTED: TimeDelta = TimeDelta::seconds(60);

/// Sessions at once; the one that was idle for longest goes.
const MOST: usize = 256;

/// What an id is kept as.
pub(super) type Key = [u8; 32];

/// One who is logged in.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) name: String,
    /// What was known of the user at the login: another password or role is another user.
    pub(super) mark: [u8; 32],
    begun: DateTime<Utc>,
    seen: DateTime<Utc>,
    /// When the mark was last compared, and under which configuration.
    compared: DateTime<Utc>,
    under: Weak<Site>,
}

impl Session {
    /// Whether its user must be compared with the configuration before it is believed.
    pub(super) fn is_to_compare(&self, site: &Arc<Site>, now: DateTime<Utc>) -> bool {
        !Weak::ptr_eq(&self.under, &Arc::downgrade(site)) || now - self.compared >= TRUSTED
    }

    fn has_ended(&self, now: DateTime<Utc>) -> bool {
        now - self.seen >= IDLE || now - self.begun >= LONGEST || self.seen - now > SLACK
    }
}

/// Everybody who is logged in.
#[derive(Debug, Default)]
pub(super) struct Sessions(HashMap<Key, Session>);

impl Sessions {
    /// Begins a session; answers the id that its client keeps.
    pub(super) fn open(
        &mut self,
        random: [u8; 32],
        name: &str,
        mark: [u8; 32],
        (site, now): (&Arc<Site>, DateTime<Utc>),
    ) -> String {
        let id = URL_SAFE_NO_PAD.encode(random);
        let session = Session {
            name: name.to_owned(),
            mark,
            begun: now,
            seen: now,
            compared: now,
            under: Arc::downgrade(site),
        };
        self.put(key(&id), session, now);
        id
    }

    fn put(&mut self, key: Key, session: Session, now: DateTime<Utc>) {
        self.0.retain(|_, s| !s.has_ended(now));
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, s)| s.seen).map(|(k, _)| *k)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, session);
    }

    /// The session of an id, which has just been used.
    pub(super) fn look(&mut self, key: &Key, now: DateTime<Utc>) -> Option<Session> {
        let session = self.0.get_mut(key)?;
        if session.has_ended(now) {
            self.0.remove(key);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    /// Notes that the user is still who they were.
    pub(super) fn compared(&mut self, key: &Key, site: &Arc<Site>, now: DateTime<Utc>) {
        if let Some(session) = self.0.get_mut(key) {
            session.compared = now;
            session.under = Arc::downgrade(site);
        }
    }

    /// Ends a session; answers whose it was.
    pub(super) fn close(&mut self, key: &Key) -> Option<String> {
        self.0.remove(key).map(|s| s.name)
    }
}

/// What an id is kept as.
pub(super) fn key(id: &str) -> Key {
    Sha256::digest(id.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn open(sessions: &mut Sessions, n: u32, now: DateTime<Utc>) -> Key {
        let mut random = [0; 32];
        random[..4].copy_from_slice(&n.to_be_bytes());
        // No site is in force in these tests: a session is compared at its next use.
        let id = URL_SAFE_NO_PAD.encode(random);
        let session = Session {
            name: format!("n{n}"),
            mark: [0; 32],
            begun: now,
            seen: now,
            compared: now,
            under: Weak::new(),
        };
        sessions.put(key(&id), session, now);
        key(&id)
    }

    #[test]
    fn a_session_ends_after_an_idle_hour_and_after_half_a_day() {
        let mut sessions = Sessions::default();
        let idle = open(&mut sessions, 1, at(0));
        assert!(sessions.look(&idle, at(59)).is_some());
        assert!(sessions.look(&idle, at(118)).is_some());
        assert!(sessions.look(&idle, at(178)).is_none());
        assert!(
            sessions.look(&idle, at(178)).is_none(),
            "it does not come back"
        );
        let busy = open(&mut sessions, 2, at(0));
        for quarter in 1..48 {
            assert!(sessions.look(&busy, at(15 * quarter)).is_some());
        }
        assert!(sessions.look(&busy, at(12 * 60)).is_none());
    }

    #[test]
    fn a_clock_that_was_put_back_ends_a_session_and_one_that_is_corrected_does_not() {
        let mut sessions = Sessions::default();
        let one = open(&mut sessions, 1, at(100));
        assert!(sessions.look(&one, at(99)).is_some());
        assert!(sessions.look(&one, at(97)).is_none());
    }

    #[test]
    fn some_hundred_are_kept_and_the_one_idle_for_longest_goes() {
        let mut sessions = Sessions::default();
        let (first, second) = (open(&mut sessions, 0, at(0)), open(&mut sessions, 1, at(0)));
        assert!(sessions.look(&first, at(1)).is_some());
        for n in 2..300 {
            open(&mut sessions, n, at(2));
            assert!(sessions.0.len() <= MOST);
            if n == 256 {
                assert!(sessions.look(&second, at(2)).is_none());
                assert!(sessions.look(&first, at(2)).is_some());
            }
        }
        // Those that have ended go first.
        open(&mut sessions, 300, at(70));
        assert_eq!(sessions.0.len(), 1);
    }
}
