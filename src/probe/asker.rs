//! One step: the tokens that are due are asked one after the other, a few at a time.
//!
//! A call is on record before it leaves, and its answer, what is believed since and the notes
//! about it in one transaction after it. Nothing of the store is held over the network.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize as _;

use crate::config::{Probe, SecretSource};
use crate::delivery::desk::Desk;
use crate::delivery::news::probe::{hindered, notes};
use crate::domain::incident::Incident;
use crate::domain::language::{Lang, Text};
use crate::domain::probing::{Known, follow, may_be_of_before, next_ask};
use crate::domain::verdict::{self, Reading};
use crate::http::{Answer, Fault};
use crate::probe::read::{Written, read, unanswered};
use crate::probe::secret;
use crate::probe::service::{self, Pinged};
use crate::probe::wire::{DEADLINE, Wire};
use crate::store::Store;
use crate::store::error::{Result, StoreError};
use crate::store::heard::OLD;
use crate::store::probe::{Service, Watched};

/// Tokens that one step asks about.
const AT_MOST: u32 = 4;

/// A token whose secret cannot be used is looked at again after this.
const MENDED: chrono::Duration = chrono::Duration::minutes(1);

/// After SIGTERM an answer is waited for this long.
const GRACE: Duration = Duration::from_secs(5);

/// Tries to write an outcome, and of a person's call to begin.
const TRIES: u32 = 3;

/// Asks about the tokens of a configuration. What it knows is in the store.
#[derive(Debug)]
pub struct Asker {
    store: Store,
    desk: Desk,
    probe: Probe,
    wire: Wire,
    /// What an answer asked for that could not be written down.
    patience: Mutex<Option<DateTime<Utc>>>,
    stopping: CancellationToken,
}

/// What came of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Tokens that were asked about.
    pub calls: u32,
    /// Pings that were asked, without a token.
    pub pings: u32,
    /// When to come again; `None`: nothing is ever asked.
    pub next: Option<DateTime<Utc>>,
}

/// What came of asking about one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The call was made.
    Heard(Box<Heard>),
    /// Nothing is asked of the service before.
    Rests(DateTime<Utc>),
    /// Its secret cannot be used, and this is why.
    Hindered(Text),
    /// No secret is given for it.
    NoSecret,
    /// It is not watched.
    NotWatched,
    /// Another process asks about it at this moment.
    Elsewhere,
    /// The program ends before an answer came.
    Stopped,
}

/// What was heard of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: DateTime<Utc>,
    /// What the answer says.
    pub reading: Reading,
    /// What is known since; `None`: its record changed meanwhile, and the answer is of no use.
    pub known: Option<Known>,
    /// Whether it may be of before a change of the record, and counts for nothing.
    pub is_of_before: bool,
    /// What is known of the service since.
    pub service: Service,
    /// Whether a ping was asked.
    pinged: bool,
}

impl Asker {
    /// An asker of this configuration. Its desk says how its notes are written.
    pub fn new(probe: Probe, store: Store, desk: Desk, stopping: CancellationToken) -> Self {
        Self::by(DEADLINE, probe, store, desk, stopping)
    }

    /// As [`Asker::new`], with another deadline for each call.
    pub fn by(
        deadline: Duration,
        probe: Probe,
        store: Store,
        desk: Desk,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            wire: Wire::new(&probe, deadline),
            store,
            desk,
            probe,
            patience: Mutex::new(None),
            stopping,
        }
    }

    /// Whether there is nothing to ask about.
    pub fn is_empty(&self) -> bool {
        self.probe.secrets.is_empty()
    }

    /// Asks about what is due at `now`, a few tokens at most, one after the other, and says when
    /// to come again. Where nothing is due and an incident stands that a ping can end, that is
    /// asked instead.
    ///
    /// # Errors
    /// When the store fails; no call leaves without its commit.
    pub async fn step(&self, now: DateTime<Utc>) -> Result<Asked> {
        let mut asked = Asked::default();
        if self.is_empty() {
            return Ok(asked);
        }
        let started = Instant::now();
        let present = || now + seconds_of(started.elapsed());
        let watched = self.store.watched(&self.probe.ids()).await?;
        let due = |t: &Watched| self.due_at(&t.known, t, now);
        let mut queue: Vec<_> = watched.iter().map(|t| (due(t), t)).collect();
        queue.sort_by_key(|(at, token)| (*at, token.no));
        let mut again: Vec<DateTime<Utc>> = Vec::new();
        let mut rests = None;
        for (at, token) in queue {
            let now = present();
            if at > now {
                again.push(at);
                continue;
            }
            if asked.calls == AT_MOST || rests.is_some() || self.stopping.is_cancelled() {
                again.push(now);
                continue;
            }
            match self.ask(token, now).await? {
                Told::Heard(heard) => {
                    self.store.forget_hindrance(token.no).await?;
                    asked.calls += 1;
                    asked.pings += u32::from(heard.pinged);
                    rests = heard.service.not_before;
                    let known = heard.known.as_ref().unwrap_or(&token.known);
                    let known = Known {
                        asked_at: Some(now),
                        ..known.clone()
                    };
                    again.push(self.due_at(&known, token, heard.at));
                }
                Told::Rests(until) => {
                    rests = Some(until);
                    again.push(until);
                }
                // A person who may not read a secret says nothing of the daemon, which may.
                Told::Hindered(why) => {
                    self.hinder(token, &why, now).await?;
                    again.push(now + MENDED);
                }
                Told::Elsewhere => again.push(now),
                Told::Stopped | Told::NoSecret | Told::NotWatched => {}
            }
        }
        let over = self.look_whether_it_is_over(present(), &mut asked).await?;
        again.extend(over);
        let next = again.into_iter().min();
        asked.next = next.map(|at| rests.map_or(at, |until| at.max(until)));
        Ok(asked)
    }

    /// Asks about one token at a person's wish, whether or not it is due. It counts as the day's
    /// call.
    ///
    /// # Errors
    /// As [`Asker::step`].
    pub async fn ask_now(&self, id: &str, now: DateTime<Utc>) -> Result<Told> {
        if self.source(id).is_none() {
            return Ok(Told::NoSecret);
        }
        for _ in 0..TRIES {
            let Some(token) = self.store.watched(&[id]).await?.pop() else {
                return Ok(Told::NotWatched);
            };
            let told = self.ask(&token, now).await?;
            if told != Told::Elsewhere {
                return Ok(told);
            }
        }
        Ok(Told::Elsewhere)
    }

    fn source(&self, id: &str) -> Option<&SecretSource> {
        let mut secrets = self.probe.secrets.iter();
        secrets
            .find(|(token, _)| token.as_str() == id)
            .map(|(_, source)| source)
    }

    fn due_at(&self, known: &Known, token: &Watched, now: DateTime<Utc>) -> DateTime<Utc> {
        let moment = (self.probe.hour, moment_of(&token.id));
        next_ask(known, token.dates, &self.desk.calendar, moment, now)
    }

    /// One call about a token, with everything that is written before and after it.
    async fn ask(&self, token: &Watched, now: DateTime<Utc>) -> Result<Told> {
        let service = self.store.service().await?;
        if let Some(until) = self.rests(&service, now) {
            return Ok(Told::Rests(until));
        }
        let Some(source) = self.source(&token.id) else {
            return Ok(Told::NoSecret);
        };
        let usable = match self.wire.refusal() {
            Some(why) => Err(why),
            None => {
                let (source, jti) = (source.clone(), token.jti.clone());
                // A slow disk is nothing for a thread that others wait for.
                tokio::task::spawn_blocking(move || secret::of(&source, jti.as_deref()))
                    .await
                    .expect("reading a file does not panic")
            }
        };
        let jwt = match usable {
            Ok(jwt) => jwt,
            Err(why) => return Ok(Told::Hindered(why)),
        };
        let before = token.known.asked_at;
        if !self.store.ask_begins(token.no, before, now).await? {
            return Ok(Told::Elsewhere);
        }
        let started = Instant::now();
        let present = || now + seconds_of(started.elapsed());
        let answer = tokio::select! {
            answer = self.wire.privileges(&jwt) => answer,
            () = self.has_no_time() => return Ok(Told::Stopped),
        };
        let reading = reading_of(answer, &jwt, self.desk.language, present());
        drop(jwt);
        let is_silent = !service::is_well_by(&reading);
        // Who asks for patience gets it, from pings too.
        let ping = if is_silent && reading.return_at.is_none() {
            self.ping(present()).await
        } else {
            None
        };
        let asked_for = reading.return_at.max(ping.and_then(|p| p.return_at));
        let recorded = self.record(token, reading, ping, present()).await;
        if recorded.is_err() {
            let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
            *patience = asked_for.max(*patience);
        }
        let heard = recorded?;
        let (case, status) = (heard.reading.case.word(), heard.reading.status);
        if is_silent {
            let said = &heard.reading.said;
            let incident = heard.service.incident.map(|i| i.side.word());
            tracing::warn!(token = %token.id, case, status, %said, incident, "asked, and heard nothing of the token");
        } else {
            tracing::info!(token = %token.id, case, status, "asked");
        }
        Ok(Told::Heard(Box::new(heard)))
    }

    /// Until when nothing may be asked; `None`: it may.
    fn rests(&self, service: &Service, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let patience = *self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let is_to_come = |at: &DateTime<Utc>| service::is_to_come(at, now);
        [service.not_before, patience]
            .into_iter()
            .flatten()
            .filter(is_to_come)
            .max()
    }

    /// Why a token cannot be asked about is written down and logged once; where it lasts, a person
    /// is told.
    async fn hinder(&self, token: &Watched, why: &Text, now: DateTime<Utc>) -> Result<()> {
        let words = why.in_lang(self.desk.language);
        let known = self.store.probed(&token.id).await?;
        let known = known.and_then(|p| p.hindrance.zip(p.hindered_at));
        let is_news = known.as_ref().is_none_or(|(said, _)| said != words);
        let lasting = known
            .map(|(_, since)| since)
            .filter(|at| hindered::lasts(*at, now));
        let notes = match lasting {
            Some(since) => {
                hindered::notes(&self.store, &self.desk, token.no, (since, why), now).await?
            }
            None => Vec::new(),
        };
        if !is_news && notes.is_empty() {
            return Ok(());
        }
        let mut tx = self.store.begin().await?;
        if is_news {
            tracing::warn!(token = %token.id, why = %why.en, "cannot be asked about");
            tx.put_hindrance(token.no, words, now).await?;
        }
        if !notes.is_empty() {
            tx.settle(&[], &notes, now).await?;
        }
        tx.commit().await
    }

    /// Asks how the source of data is; `None`: the program ends.
    async fn ping(&self, now: DateTime<Utc>) -> Option<Pinged> {
        tokio::select! {
            answer = self.wire.ping(&self.probe.ping) => Some(Pinged::of(&answer, now)),
            () = self.has_no_time() => None,
        }
    }

    /// Where an incident stands that a ping can end, asks it; answers when that may be asked
    /// again.
    async fn look_whether_it_is_over(
        &self,
        now: DateTime<Utc>,
        asked: &mut Asked,
    ) -> Result<Option<DateTime<Utc>>> {
        let service = self.store.service().await?;
        if !service.incident.is_some_and(Incident::ends_by_ping) || self.wire.refusal().is_some() {
            return Ok(None);
        }
        if let Some(until) = self.rests(&service, now) {
            return Ok(Some(until));
        }
        let Some(ping) = self.ping(now).await else {
            return Ok(None);
        };
        asked.pings += 1;
        let mut tx = self.store.begin().await?;
        let after = service::after_ping(&tx.service_now().await?, ping, now);
        tx.put_service(&after).await?;
        tx.commit().await?;
        if after.incident.is_none() {
            tracing::info!("the API answers again");
        }
        Ok(after.incident.and(after.not_before))
    }

    async fn has_no_time(&self) {
        self.stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    }

    async fn record(
        &self,
        token: &Watched,
        reading: Reading,
        ping: Option<Pinged>,
        now: DateTime<Utc>,
    ) -> Result<Heard> {
        let mut tries = 1;
        let (known, service) = loop {
            match self.write(token, &reading, ping, now).await {
                Err(StoreError::Busy) if tries < TRIES => tries += 1,
                result => break result?,
            }
        };
        Ok(Heard {
            at: now,
            is_of_before: may_be_of_before(reading.case.verdict(), token.dates, now),
            reading,
            known,
            service,
            pinged: ping.is_some(),
        })
    }

    async fn write(
        &self,
        token: &Watched,
        reading: &Reading,
        ping: Option<Pinged>,
        now: DateTime<Utc>,
    ) -> Result<(Option<Known>, Service)> {
        let mut tx = self.store.begin().await?;
        let service = service::after_call(&tx.service_now().await?, reading, ping, now);
        tx.put_service(&service).await?;
        // An answer is of the token as it was when it was asked about.
        let current = tx.watched_now(token.no).await?;
        let current = current.filter(|t| (t.dates, &t.jti) == (token.dates, &token.jti));
        let mut known = None;
        if let Some(token) = current {
            let is_of_before = may_be_of_before(reading.case.verdict(), token.dates, now);
            let (after, follows) = if is_of_before {
                (token.known.clone(), Vec::new())
            } else {
                follow(&token.known, reading, token.dates.expires, now)
            };
            let in_vain = tx.put_answer(&token, &after, reading, now).await?;
            let mut notes = notes(&mut tx, &self.desk, token.no, &follows, reading, now).await?;
            if let Some(since) = in_vain.filter(|since| now - *since >= OLD) {
                let about = (since, reading);
                notes.extend(hindered::in_vain(&mut tx, &self.desk, token.no, about, now).await?);
            }
            if !notes.is_empty() {
                tx.settle(&[], &notes, now).await?;
            }
            known = Some(after);
        }
        tx.commit().await?;
        Ok((known, service))
    }
}

/// What an answer says. No part of the token is in it, whatever the server repeats.
fn reading_of(
    answer: std::result::Result<Answer, Fault>,
    jwt: &SecretString,
    lang: Lang,
    now: DateTime<Utc>,
) -> Reading {
    match answer {
        Ok(mut answer) => {
            let secrets = [jwt.expose_secret()];
            let written = Written::of(&answer);
            let reading = read(&written, verdict::Asked::Privileges, &secrets, now);
            answer.body.zeroize();
            reading
        }
        Err(fault) => unanswered(fault.told().in_lang(lang)),
    }
}

/// A token's own moment of the hour of asking, in seconds. The last minutes are left for calls
/// that take long: what is asked after midnight is the next day's call.
fn moment_of(id: &str) -> u32 {
    let hash = Sha256::digest(id.as_bytes());
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % (55 * 60)
}

fn seconds_of(elapsed: Duration) -> chrono::Duration {
    chrono::Duration::seconds(elapsed.as_secs().cast_signed())
}
