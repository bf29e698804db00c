//! The store of a configuration: one to send from, one to look at, a copy to try things on; and how
//! the file is taken over into it.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::app::{declaration, desk};
use crate::config::Config;
use crate::domain::address::Address;
use crate::renewal::reconcile::{Brake, Report, reconcile};
use crate::store::Store;
use crate::store::error::{Result as StoreResult, StoreError};
use crate::store::lock::SenderLock;

/// The store of a sender: locked, opened, sound, its older claims void.
#[derive(Debug)]
pub struct SendingStore {
    /// The store.
    pub store: Store,
    _lock: SenderLock,
}

impl SendingStore {
    /// Takes the sender's lock and opens the store.
    ///
    /// # Errors
    /// [`StoreError::SecondSender`] when another process sends; whatever is wrong with the file.
    pub async fn open(path: &Path, now: DateTime<Utc>) -> StoreResult<Self> {
        let lock = SenderLock::take(path)?;
        let store = Store::open(path).await?;
        store.check_soundness().await?;
        let voided = store.void_claims(now).await?;
        if voided > 0 {
            tracing::warn!(
                mails = voided,
                "an earlier run ended while mails were on their way"
            );
        }
        Ok(Self { store, _lock: lock })
    }
}

/// Takes the file over into the store.
///
/// # Errors
/// When the store fails.
pub async fn take_over(
    config: &Config,
    store: &Store,
    brake: Brake,
    now: DateTime<Utc>,
) -> StoreResult<Report> {
    let report = reconcile(store, declaration(config), brake, now).await?;
    if !report.kept.is_empty() {
        let note = desk(config).note_about_missing(&report.kept, &config.digest, now);
        store.settle(&[], &[note], now).await?;
    }
    let mut kept = vec![config.contact.key()];
    kept.extend(config.reports.recipients.iter().map(Address::key));
    store.end_marks_besides(&kept).await?;
    let asked = config.probe.ids();
    if store.has_unasked(&asked).await? {
        let mut tx = store.begin().await?;
        tx.forget_unasked(&asked).await?;
        tx.commit().await?;
    }
    if !report.is_empty() {
        tracing::info!(
            added = report.added.len(),
            renewed = report.renewed.len(),
            corrected = report.corrected.len(),
            restored = report.restored.len(),
            archived = report.archived.len(),
            kept = report.kept.len(),
            refused = report.refused.len(),
            "the file was compared with the record"
        );
    }
    Ok(report)
}

/// A store to look at: what is on record, or, where there is no store yet, what the file says.
///
/// # Errors
/// When the store cannot be read.
pub async fn view(config: &Config, now: DateTime<Utc>) -> StoreResult<View> {
    match Store::open_to_read(&config.store).await {
        Ok(store) => {
            let changed = store.setting("config_digest").await?.as_deref() != Some(&config.digest);
            Ok(View {
                store,
                of: if changed { Of::OlderFile } else { Of::Record },
            })
        }
        Err(StoreError::Missing(_)) => {
            let store = Store::in_memory().await?;
            reconcile(&store, declaration(config), Brake::Archive, now).await?;
            Ok(View {
                store,
                of: Of::FileOnly,
            })
        }
        Err(e) => Err(e),
    }
}

/// A copy of the store, in memory, with the file taken over: what the daemon will work with
/// after its next reload. A file that the brake would refuse leaves the missing tokens active,
/// as a start does.
///
/// # Errors
/// When the store cannot be read.
pub async fn copy(config: &Config, now: DateTime<Utc>) -> StoreResult<Store> {
    let store = match Store::copy_of(&config.store).await {
        Ok(store) => store,
        Err(StoreError::Missing(_)) => Store::in_memory().await?,
        Err(e) => return Err(e),
    };
    reconcile(&store, declaration(config), Brake::Keep, now).await?;
    Ok(store)
}

/// A store to look at.
#[derive(Debug)]
pub struct View {
    /// The store; only to be read.
    pub store: Store,
    /// What it shows.
    pub of: Of,
}

/// What a [`View`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The record; the file has not changed since the daemon read it.
    Record,
    /// The record; the file has changed since.
    OlderFile,
    /// There is no store yet: what the file says.
    FileOnly,
}
