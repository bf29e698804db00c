//! Verbs of people who were shown how a token stands: what a verb would do is tried out and
//! taken back, and is done later only if the token still stands as it was shown.
//!
//! Of two people who act at once the second is told what the first one did.

use sha2::{Digest as _, Sha256};

use super::{Done, Hand, Refused, Standing, Verb, act_in};
use crate::store::error::Result;
use crate::store::{Store, Tx};

/// What came of a verb of somebody who had seen a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or was on record already.
    Done(Box<Done>),
    /// It contradicts the record; nothing was changed.
    Refused(Refused),
    /// The token does not stand any more as it was shown; nothing was changed.
    Changed,
}

impl Standing {
    /// A mark by which a form remembers this standing: 16 hexadecimal digits.
    pub fn mark(&self) -> String {
        let digest = Sha256::digest(self.to_json().to_string());
        digest[..8].iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// How a token stands; `None`: it is not on record.
///
/// # Errors
/// When the store cannot be read.
pub async fn standing(tx: &mut Tx, id: &str) -> Result<Option<Standing>> {
    let Some(token) = tx.token(id).await? else {
        return Ok(None);
    };
    let said = tx.said(token.no).await?;
    Ok(Some(Standing::of(&token, said)))
}

/// What a verb would do, in a transaction that is taken back.
///
/// # Errors
/// As [`act_in`].
pub async fn try_out(
    store: &Store,
    hand: &Hand<'_>,
    id: &str,
    verb: &Verb,
) -> Result<std::result::Result<Done, Refused>> {
    let mut tx = store.begin().await?;
    let done = act_in(&mut tx, hand, id, verb).await;
    tx.rollback().await?;
    done
}

/// Does what a verb says, if the token stands as the mark remembers it. What is on record
/// already is so whatever the mark: a form that was sent twice did its work once.
///
/// # Errors
/// As [`act_in`].
pub async fn act(
    store: &Store,
    hand: &Hand<'_>,
    id: &str,
    verb: &Verb,
    mark: &str,
) -> Result<Outcome> {
    let mut tx = store.begin().await?;
    let seen = standing(&mut tx, id).await?;
    let is_as_shown = seen.is_some_and(|s| s.mark() == mark);
    let outcome = match act_in(&mut tx, hand, id, verb).await? {
        Ok(done) if is_as_shown || !done.changed() => {
            tx.commit().await?;
            return Ok(Outcome::Done(Box::new(done)));
        }
        Err(refused) if is_as_shown => Outcome::Refused(refused),
        Ok(_) | Err(_) => Outcome::Changed,
    };
    tx.rollback().await?;
    Ok(outcome)
}
