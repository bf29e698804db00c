//! A request of which Data Pass spoke becomes a token: what was kept of it makes its facts, a
//! person gives what is missing.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Rules, carry_out, payload, recorded};
use crate::domain::address::Address;
use crate::domain::datapass::fold::{Fold, Standing, fold};
use crate::domain::datapass::merge;
use crate::domain::language::Lang;
use crate::domain::lifecycle::Who;
use crate::domain::token::{DatapassId, Declared, Recipient, Role, TokenId};
use crate::renewal::verbs::Hand;
use crate::store::Store;
use crate::store::declared::Numbered;
use crate::store::error::Result;
use crate::store::journal::Entry;
use crate::store::privacy::Commit;

/// What a person says of a token that is made from a request.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The number of the request.
    pub number: DatapassId,
    /// Its id; `None`: `datapass-NUMBER`.
    pub id: Option<TokenId>,
    /// Its name; `None`: what the request is called.
    pub name: Option<String>,
    /// When it was issued; `None`: at the last approval.
    pub issued: Option<DateTime<Utc>>,
    /// When it expires; `None`: as the issue says.
    pub expires: Option<DateTime<Utc>>,
    /// Who answers questions about it.
    pub contact: Address,
    /// The language of its mails.
    pub language: Lang,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// When it was issued, if known.
    pub issued: Option<DateTime<Utc>>,
    /// Its expiry.
    pub expires: DateTime<Utc>,
    /// Who is told about it: role and address.
    pub recipients: Vec<(Role, String)>,
}

/// Why no token can be made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Data Pass never spoke of it; the numbers nearest to it.
    Unknown(Vec<String>),
    /// A token has this number already.
    Taken(String),
    /// A token has this id already.
    IdTaken(TokenId),
    /// It was revoked then.
    Revoked(DateTime<Utc>),
    /// It was archived then.
    Archived(DateTime<Utc>),
    /// No approval is on record, and nobody gave a date.
    NoDate,
}

/// Makes a token of a request.
///
/// # Errors
/// When the store cannot be written; the inner one says why there can be none.
pub async fn adopt(
    store: &Store,
    rules: &Rules,
    wish: Wish,
    who: Who,
    commit: Commit,
    now: DateTime<Utc>,
) -> Result<std::result::Result<Adopted, Refused>> {
    let mut tx = store.begin().await?;
    let number = wish.number.as_str().to_owned();
    let events = tx.webhook_events(&number).await?;
    let folded = fold(&events);
    let refused = if events.is_empty() {
        let known = tx.numbers_of_webhooks().await?;
        Some(Refused::Unknown(nearest(&number, known)))
    } else if let Some(token) = tx.tokens_of_number(&number).await?.into_iter().next() {
        Some(Refused::Taken(token.id))
    } else {
        ended(&folded)
    };
    let declared = match refused {
        Some(refused) => Err(refused),
        None => declare(&folded, rules, &wish),
    };
    let declared = match declared {
        Ok(declared) if tx.token(declared.id.as_str()).await?.is_some() => {
            Err(Refused::IdTaken(declared.id))
        }
        other => other,
    };
    let declared = match declared {
        Ok(declared) => declared,
        Err(refused) => {
            tx.rollback().await?;
            return Ok(Err(refused));
        }
    };
    // The date of an approval is Data Pass's word, any other one the person's.
    let given = wish.issued.is_some() || wish.expires.is_some();
    let source = if given { who.clone() } else { Who::Webhook };
    let no = tx.next_token_no().await?;
    let numbered = Numbered {
        no,
        declared: &declared,
    };
    tx.insert_adopted(
        &numbered,
        &source.to_string(),
        folded.scopes.as_deref(),
        now,
    )
    .await?;
    let detail = json!({"number": number, "expires": declared.expires.to_rfc3339()});
    let entry = Entry {
        what: "adopted",
        token: Some(no),
        detail,
    };
    tx.journal(&who.to_string(), &[entry], now).await?;
    let hand = Hand {
        calendar: &rules.calendar,
        who: Who::Webhook,
        now,
    };
    let tokens = tx.tokens_of_number(&number).await?;
    for token in &tokens {
        let recorded = recorded(&mut tx, token, &tokens).await?;
        let acts = merge::acts(&folded, &recorded, &rules.terms());
        carry_out(&mut tx, &hand, token, acts).await?;
    }
    let recipients = tx.known_recipients_of(&[no]).await?;
    match commit {
        Commit::Yes => tx.commit().await?,
        Commit::No => tx.rollback().await?,
    }
    Ok(Ok(Adopted {
        id: declared.id,
        name: declared.name,
        issued: declared.issued,
        expires: declared.expires,
        recipients: recipients
            .into_iter()
            .map(|r| (Role::parse(&r.role).unwrap_or_default(), r.address))
            .collect(),
    }))
}

/// Why there is nothing left to watch, if the authorization has ended.
fn ended(folded: &Fold) -> Option<Refused> {
    let word = folded.standing.as_ref()?;
    match word.what {
        Standing::Valid => None,
        Standing::Revoked => Some(Refused::Revoked(word.at)),
        Standing::Archived => Some(Refused::Archived(word.at)),
    }
}

/// The token that a request makes. Whom it names is told by what the events say together; the
/// contact is told where it names nobody.
fn declare(folded: &Fold, rules: &Rules, wish: &Wish) -> std::result::Result<Declared, Refused> {
    let number = wish.number.as_str();
    let issued = wish.issued.or(match wish.expires {
        Some(_) => None,
        None => folded.approved,
    });
    let expires = wish
        .expires
        .or_else(|| issued.map(|at| rules.terms().until(at)));
    let default_id = || TokenId::parse(&format!("datapass-{number}")).expect("a number fits");
    let names_nobody = folded.told(|_, _| true).is_empty();
    let contact = Recipient {
        address: wish.contact.clone(),
        name: None,
        role: Role::Observer,
        language: wish.language,
        from_stage: None,
    };
    Ok(Declared {
        id: wish.id.clone().unwrap_or_else(default_id),
        name: wish
            .name
            .clone()
            .or_else(|| folded.name.clone())
            .unwrap_or_else(|| format!("Data Pass {number}")),
        issued,
        expires: expires.ok_or(Refused::NoDate)?,
        datapass_id: Some(wish.number.clone()),
        jti: None,
        siret: folded.siret.clone(),
        used_by: Vec::new(),
        tags: Vec::new(),
        client: None,
        contact: wish.contact.clone(),
        language: wish.language,
        recipients: if names_nobody {
            vec![contact]
        } else {
            Vec::new()
        },
    })
}

/// The numbers nearest to one that is not known, the nearest first.
pub fn nearest(number: &str, mut known: Vec<String>) -> Vec<String> {
    known.sort_by_key(|k| strsim::damerau_levenshtein(number, k));
    known.retain(|k| strsim::damerau_levenshtein(number, k) <= 2);
    known.truncate(3);
    known
}

/// A name as it can stand in a mail, on one line; `None`: nothing is left of it, or it looks like
/// a token itself.
pub fn name(written: &str) -> Option<String> {
    payload::words(written)
}
