//! Bounces: what came back of mails that a server had accepted, read from a Maildir.
//!
//! A delivery status notification counts for a Message-ID that really left, to the very address
//! that it was sent to; a forged one can do no more than that. A refusal is recorded as one, a
//! delay is only noted; both are put away once they are on record, so that a crash between the
//! two repeats nothing. Everything else stays in the Maildir, untouched.

pub mod dsn;
pub mod maildir;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::delivery::bounces::dsn::Action;
use crate::delivery::bounces::maildir::{Known, Look, Message};
use crate::domain::reach::{Hindrance, Way};
use crate::store::Store;
use crate::store::bounce::{Noted, Notification};
use crate::store::error::Result;

/// Reading takes a moment; a network disk that is gone may take for ever.
const DEADLINE: Duration = Duration::from_secs(60);

/// What one reading came to, in notifications.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Mails that came back.
    pub bounced: usize,
    /// Mails that are late.
    pub delayed: usize,
}

/// What one notification is to us.
enum Fit {
    /// It is on record now, or was before.
    Recorded(Read),
    /// It is none of ours.
    Foreign,
    /// To be looked at again.
    Later,
}

/// Reads a Maildir, again and again.
#[derive(Debug)]
pub struct Bounces {
    maildir: PathBuf,
    known: Arc<Mutex<HashMap<OsString, Known>>>,
    /// Held while a thread is at the disk.
    at_work: Arc<tokio::sync::Mutex<()>>,
}

impl Bounces {
    /// Of this Maildir.
    pub fn new(maildir: PathBuf) -> Self {
        Self {
            maildir,
            known: Arc::default(),
            at_work: Arc::default(),
        }
    }

    /// Where it is.
    pub fn maildir(&self) -> &Path {
        &self.maildir
    }

    /// Reads what is new, records it, and puts it away. What is in the way is recorded, not an
    /// error.
    ///
    /// # Errors
    /// When the store fails; what is not on record yet is read again.
    pub async fn read(&self, store: &Store, now: DateTime<Utc>) -> Result<Read> {
        let known = self.known().clone();
        let looked = self
            .at_the_disk(move |maildir| maildir::look(maildir, &known))
            .await;
        let look = match looked {
            Ok(look) => look,
            Err(hindrance) => {
                self.hindered(store, Some(&hindrance), now).await?;
                return Ok(Read::default());
            }
        };
        let mut total = Read::default();
        let recorded = self.record(store, &look, &mut total, now).await;
        let hindrance = self.put_away().await.err().or(look.hindrance);
        self.hindered(store, hindrance.as_ref(), now).await?;
        recorded.map(|()| total)
    }

    async fn record(
        &self,
        store: &Store,
        look: &Look,
        total: &mut Read,
        now: DateTime<Utc>,
    ) -> Result<()> {
        {
            let mut known = self.known();
            known.retain(|name, _| look.names.contains(name));
            known.extend(look.others.iter().map(|n| (n.clone(), Known::LeftAlone)));
        }
        for message in &look.found {
            let is = match note(store, message, now).await? {
                Fit::Recorded(read) => {
                    total.bounced += read.bounced;
                    total.delayed += read.delayed;
                    Known::Done
                }
                Fit::Foreign => Known::LeftAlone,
                Fit::Later => continue,
            };
            self.known().insert(message.name.clone(), is);
        }
        Ok(())
    }

    /// Moves what is on record out of the way.
    async fn put_away(&self) -> std::result::Result<(), Hindrance> {
        let done: Vec<OsString> = self
            .known()
            .iter()
            .filter(|(_, is)| **is == Known::Done)
            .map(|(name, _)| name.clone())
            .collect();
        if done.is_empty() {
            return Ok(());
        }
        let known = Arc::clone(&self.known);
        self.at_the_disk(move |maildir| {
            for name in done {
                maildir::put_away(maildir, &name)
                    .map_err(|e| Hindrance::Unmovable(e.to_string()))?;
                known.lock().expect("no holder panics").remove(&name);
            }
            Ok(())
        })
        .await
    }

    /// Does something slow where nobody waits for it longer than [`DEADLINE`]; while a thread is
    /// still stuck there, no other one is sent after it.
    async fn at_the_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> std::result::Result<T, Hindrance> + Send + 'static,
    ) -> std::result::Result<T, Hindrance> {
        let Ok(at_work) = Arc::clone(&self.at_work).try_lock_owned() else {
            return Err(Hindrance::Slow);
        };
        let maildir = self.maildir.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let done = work(&maildir);
            drop(at_work);
            done
        });
        match tokio::time::timeout(DEADLINE, thread).await {
            Ok(Ok(done)) => done,
            Ok(Err(e)) => Err(Hindrance::Unreadable(e.to_string())),
            Err(_) => Err(Hindrance::Slow),
        }
    }

    async fn hindered(
        &self,
        store: &Store,
        what: Option<&Hindrance>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        if let Some(what) = what {
            let (maildir, said) = (self.maildir.display(), what.said().en);
            tracing::debug!(%maildir, %said, "bounces");
        }
        store.set_bounces_trouble(what, now).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<OsString, Known>> {
        self.known.lock().expect("no holder panics")
    }
}

/// Records what a notification says of a mail of ours, to the address that it went to.
async fn note(store: &Store, message: &Message, now: DateTime<Utc>) -> Result<Fit> {
    for mail in store.returned(&message.dsn.message_ids).await? {
        let Some(fate) = message.dsn.fate_of(&mail.recipient) else {
            continue;
        };
        let lost = match fate.action {
            Action::Refused => Some(Way::Bounced),
            Action::Expired => Some(Way::Expired),
            Action::Delayed => None,
            Action::Other => continue,
        };
        let notification = Notification {
            digest: &message.digest,
            mail: mail.mail,
            lost,
            said: &fate.said,
        };
        return Ok(match store.note_bounce(&notification, now).await? {
            Noted::New => {
                let outcome = lost.map_or("delayed", Way::word);
                tracing::warn!(mail = mail.mail, outcome, reply = %fate.said, "came back");
                Fit::Recorded(Read {
                    bounced: usize::from(lost.is_some()),
                    delayed: usize::from(lost.is_none()),
                })
            }
            Noted::Again => Fit::Recorded(Read::default()),
            Noted::Later => Fit::Later,
        });
    }
    Ok(Fit::Foreign)
}
