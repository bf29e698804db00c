//! `renew --write-config`: the record and the file say the same date, or neither changes.
//!
//! The file takes its new text while the record's transaction is open, and gets the old one back
//! should that fail. Killed in between, the file alone has the new date, and the next reading of
//! it records the same renewal.

use serde_json::{Value, json};

use crate::cli::outbox::{said_if_dry, writable};
use crate::cli::verb::{Event, hand, refused, told};
use crate::cli::{Context, Exit, Failure};
use crate::clock;
use crate::config::{CannotEdit, Dates, Edit, Loaded, Place, Put, Surroundings};
use crate::domain::language::{Text, text};
use crate::domain::token::Jti;
use crate::renewal::verbs::{self, Done, Hand, Refused, Renewal, Verb};
use crate::store::Tx;
use crate::store::declared::Numbered;
use crate::store::error::StoreError;
use crate::store::journal::Entry;
use crate::store::record::Token;

/// Renews, and writes what the record then says into the file; without a renewal, what it says
/// already.
pub(in crate::cli) async fn perform(
    loaded: &Loaded,
    id: &str,
    renewal: Option<Renewal>,
    dry_run: bool,
    context: &mut Context,
) -> Result<Exit, Failure> {
    let config = &loaded.config;
    let now = clock::now();
    let hand = hand(config, now);
    let store = writable(config, dry_run, context).await?;
    let is_renewal = renewal.is_some();
    let mut tx = store.begin().await?;
    let both = async {
        let both = both(&mut tx, loaded, &hand, id, renewal).await?;
        if !dry_run && let Some(edit) = both.edit {
            let put = record(&mut tx, loaded, &hand, both.no, edit).await?;
            return Ok((both.verb, both.done, Some(Written::Put(Box::new(put)))));
        }
        let planned = both.edit.map(|e| Written::Planned(Box::new(e)));
        Ok((both.verb, both.done, planned))
    }
    .await;
    let (verb, done, written) = match both {
        Ok(both) => both,
        Err(why) => {
            tx.rollback().await?;
            return Err(match why {
                Why::Refused(why) => refused::failure(&store, config, id, why, now).await,
                Why::File(why) => cannot_edit(id, &why),
                Why::Unread(place) => unread(&place),
                Why::Store(e) => e.into(),
            });
        }
    };
    let written = match (tx.commit().await, written) {
        (Ok(()), written) => written,
        (Err(e), Some(Written::Put(put))) => {
            return Err(match put.take_back() {
                Ok(()) => e.into(),
                Err(_) => ahead(e),
            });
        }
        (Err(e), Some(Written::Planned(_)) | None) => return Err(e.into()),
    };
    let event = Event {
        command: "renew",
        id,
        verb,
        dry_run,
    };
    if context.out.json {
        let mut row = told::row(&done, &config.calendar, dry_run);
        row["file"] = as_json(written.as_ref());
        context.out.data(event.command, vec![row])?;
    } else {
        if is_renewal {
            told::print(&done, &event, &config.calendar, context)?;
        }
        say(id, written.as_ref(), context)?;
    }
    said_if_dry(dry_run, context);
    Ok(Exit::Done)
}

/// A renewal in the record, and the change of the file that goes with it.
struct Both {
    no: i64,
    verb: Verb,
    done: Done,
    edit: Option<Edit>,
}

/// The change of the file.
enum Written {
    Planned(Box<Edit>),
    Put(Box<Put>),
}

impl Written {
    fn edit(&self) -> &Edit {
        match self {
            Self::Planned(edit) => edit,
            Self::Put(put) => &put.edit,
        }
    }
}

enum Why {
    Refused(Refused),
    File(CannotEdit),
    /// The file has another date since the record took it over.
    Unread(Place),
    Store(StoreError),
}

impl From<StoreError> for Why {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

async fn both(
    tx: &mut Tx,
    loaded: &Loaded,
    hand: &Hand<'_>,
    id: &str,
    renewal: Option<Renewal>,
) -> Result<Both, Why> {
    let unknown = || Why::Refused(Refused::Unknown(id.to_owned()));
    let token = tx.token(id).await?.ok_or_else(unknown)?;
    if renewal.is_none() {
        refuse_unread(loaded, &token)?;
    }
    let stands = || Renewal::until(token.period.expires, None);
    let verb = Verb::Renew(renewal.unwrap_or_else(stands));
    let done = verbs::act_in(tx, hand, id, &verb)
        .await?
        .map_err(Why::Refused)?;
    let token = tx.token(id).await?.ok_or_else(unknown)?;
    let dates = Dates {
        issued: token.issued,
        // A revocation to come is no date of the file.
        expires: token.revoked_from.unwrap_or(token.period.expires),
        jti: token.jti.as_deref().and_then(|j| Jti::parse(j).ok()),
    };
    let surroundings = Surroundings { now: hand.now };
    let edit = Edit::of(loaded, id, &dates, &surroundings).map_err(Why::File)?;
    Ok(Both {
        no: token.no,
        verb,
        done,
        edit,
    })
}

/// A date that a person has just written is not overwritten by an older one of the record.
fn refuse_unread(loaded: &Loaded, token: &Token) -> Result<(), Why> {
    let tokens = &loaded.config.tokens;
    let Some(no) = tokens.iter().position(|t| t.id.as_str() == token.id) else {
        return Ok(());
    };
    match token.file_expires {
        Some(read) if read != tokens[no].expires => Err(Why::Unread(loaded.date_of(no))),
        Some(_) | None => Ok(()),
    }
}

fn unread(place: &Place) -> Failure {
    Failure::new(
        Exit::Refused,
        "file_unread",
        text!(
            "{place}: this date was written since the file was last taken over",
            "{place} : cette date a été écrite depuis la dernière prise en compte du fichier"
        ),
    )
    .hint(text!(
        "have it taken over first: `jetond reload`, or without a daemon `jetond run --once`",
        "la faire d’abord prendre en compte : `jetond reload`, ou sans service `jetond run --once`"
    ))
}

/// Puts the new text in place; the record knows that it was read.
async fn record(
    tx: &mut Tx,
    loaded: &Loaded,
    hand: &Hand<'_>,
    no: i64,
    edit: Edit,
) -> Result<Put, Why> {
    let declared = edit.declared();
    tx.remember_file_dates(&[Numbered { no, declared }]).await?;
    let known = tx.setting("config_digest").await?;
    if known.as_deref() == Some(&loaded.config.digest) {
        tx.set("config_digest", &edit.config.digest).await?;
    }
    let entry = Entry {
        what: "file_updated",
        token: Some(no),
        detail: json!({"file": edit.place.file, "line": edit.place.line, "lines": edit.lines}),
    };
    tx.journal(&hand.who.to_string(), &[entry], hand.now)
        .await?;
    let prepared = edit.prepare().map_err(Why::File)?;
    prepared.put().map_err(Why::File)
}

fn as_json(written: Option<&Written>) -> Value {
    written.map_or(Value::Null, |w| {
        let edit = w.edit();
        json!({
            "file": edit.place.file, "line": edit.place.line, "column": edit.place.column, "lines": edit.lines,
            "written": matches!(w, Written::Put(_)),
        })
    })
}

fn say(id: &str, written: Option<&Written>, context: &mut Context) -> Result<(), Failure> {
    let Some(written) = written else {
        context.out.say(&text!(
            "{id}: the file says so already",
            "{id} : le fichier le dit déjà"
        ))?;
        return Ok(());
    };
    let edit = written.edit();
    let place = &edit.place;
    context.out.say(&match written {
        Written::Put(_) => text!("{place}: written", "{place} : écrit"),
        Written::Planned(_) => text!("{place}: to be written", "{place} : à écrire"),
    })?;
    for line in &edit.lines {
        context.out.line(&format!("  {}", line.trim()))?;
    }
    Ok(())
}

/// The store failed after the file was changed, and the file could not be changed back.
fn ahead(e: StoreError) -> Failure {
    let mut failure = Failure::from(e);
    failure.hint = Some(Box::new(text!(
        "the file has the new date already: the next `jetond reload` records it",
        "le fichier porte déjà la nouvelle date : la prochaine `jetond reload` l’enregistrera"
    )));
    failure
}

fn cannot_edit(id: &str, why: &CannotEdit) -> Failure {
    let refuse = |code, message| Failure::new(Exit::Refused, code, message);
    let alone = || {
        text!(
            "nothing was recorded either; without `--write-config` the record alone changes",
            "rien n’a été enregistré non plus ; sans `--write-config`, seul l’historique change"
        )
    };
    match why {
        CannotEdit::NotDeclared => refuse(
            "not_in_file",
            text!(
                "`{id}` is not declared in the file: there is no line to change",
                "`{id}` n’est pas déclaré dans le fichier : il n’y a pas de ligne à changer"
            ),
        )
        .hint(alone()),
        CannotEdit::Changed(path) => {
            let path = path.display();
            refuse(
                "file_changed",
                text!(
                    "{path} was changed by somebody else just now; it was left as it is",
                    "{path} vient d’être modifié par ailleurs ; il est resté tel quel"
                ),
            )
            .hint(text!(
                "nothing was recorded either: look at the file, then try again",
                "rien n’a été enregistré non plus : regarder le fichier, puis recommencer"
            ))
        }
        CannotEdit::Owner(path) => {
            let path = path.display();
            refuse(
                "cannot_write",
                text!(
                    "{path} belongs to somebody else, and would not any more",
                    "{path} appartient à quelqu’un d’autre, et ne lui appartiendrait plus"
                ),
            )
            .hint(as_owner())
        }
        CannotEdit::Differs(place) => refuse(
            "file_differs",
            text!(
                "{place}: the date cannot be written there without changing something else",
                "{place} : la date ne peut pas y être écrite sans changer autre chose"
            ),
        )
        .hint(text!(
            "nothing was recorded either; change the line by hand, then `jetond reload`",
            "rien n’a été enregistré non plus ; changer la ligne à la main, puis `jetond reload`"
        )),
        CannotEdit::Io(path, e) => Failure::cannot_write(path, e).hint(as_owner()),
    }
}

fn as_owner() -> Text {
    text!(
        "nothing was recorded either; run it as the owner of the file, or without `--write-config`, which changes the record alone",
        "rien n’a été enregistré non plus ; lancer la commande sous le compte du propriétaire du fichier, ou sans `--write-config`, qui ne change que l’historique"
    )
}
