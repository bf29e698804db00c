//! `forget ADDRESS`: a person becomes a pseudonym in everything that is on record.
//!
//! Refused as long as the person is still to be told something: who is in the file would be back
//! with the next reload.

use serde_json::json;

use crate::cli::outbox::who;
use crate::cli::{Context, Exit, Failure};
use crate::clock;
use crate::config::Config;
use crate::domain::address::Address;
use crate::domain::language::{Text, text};
use crate::store::Store;
use crate::store::privacy::{Commit, Forgotten, StillNeeded};
use crate::words::count;

/// Tokens that a refusal names.
const NAMED: usize = 10;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The address of the person
    address: String,
    /// Say what would be rewritten, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, context: &mut Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let address = Address::parse(&args.address).map_err(|e| Failure::usage(e.0))?;
    if let Some(place) = declared(&config, &address) {
        return Err(Failure::new(
            Exit::Refused,
            "still_declared",
            text!(
                "{address} is still in the file ({{}})",
                "{address} est encore dans le fichier ({{}})"
            )
            .with(&place),
        )
        .hint(take_out()));
    }
    let store = Store::open_existing(&config.store).await?;
    context.keep(&store);
    let commit = if args.dry_run {
        Commit::No
    } else {
        Commit::Yes
    };
    let done = store.forget(&address, &who(), commit, clock::now()).await?;
    let (name, done) = done.map_err(|why| refused(&address, why))?;
    if context.out.json {
        let row = json!({
            "address": address.as_str(), "as": name, "dry_run": args.dry_run, "mails": done.mails,
            "notices": done.notices, "recipients": done.recipients, "texts": done.texts, "bodies": done.bodies,
        });
        context.out.data("forget", vec![row])?;
        return Ok(Exit::Done);
    }
    context.out.say(&said(&address, &name, done, commit))?;
    context.out.note(&text!(
        "copies elsewhere still name the person: backups, .eml files, the mail server, the system’s log",
        "des copies nomment encore la personne : sauvegardes, fichiers .eml, serveur de messagerie, journal du système"
    ));
    Ok(Exit::Done)
}

fn said(address: &Address, name: &str, done: Forgotten, commit: Commit) -> Text {
    let Forgotten {
        notices,
        texts,
        bodies,
        ..
    } = done;
    let Text { en, fr } = count::mails(i64::try_from(done.mails).unwrap_or(i64::MAX));
    match commit {
        Commit::Yes => text!(
            "{address} is {name} now: {en}, {notices} notices, {texts} other entries; texts of mails cleared: {bodies}",
            "{address} est désormais {name} : {fr}, rappels : {notices}, autres entrées : {texts} ; textes de courriels effacés : {bodies}"
        ),
        Commit::No => text!(
            "{address} would become {name}: {en}, {notices} notices, {texts} other entries; texts of mails to clear: {bodies}; nothing was changed",
            "{address} deviendrait {name} : {fr}, rappels : {notices}, autres entrées : {texts} ; textes de courriels à effacer : {bodies} ; rien n’a changé"
        ),
    }
}

/// Where the file still names an address.
fn declared(config: &Config, address: &Address) -> Option<Text> {
    let key = address.key();
    if config.contact.key() == key {
        return Some(text!("contact", "contact"));
    }
    if config.mail.from.address.key() == key {
        return Some(text!("mail.from", "mail.from"));
    }
    config.tokens.iter().find_map(|t| {
        let id = t.id.as_str();
        if t.contact.key() == key {
            return Some(text!("contact of {id}", "contact de {id}"));
        }
        let is_told = t.recipients.iter().any(|r| r.address.key() == key);
        is_told.then(|| text!("recipient of {id}", "destinataire de {id}"))
    })
}

fn take_out() -> Text {
    text!(
        "take the address out of the file, reload (`systemctl reload jetond`), then try again; whom Data Pass names leaves when the request there names another",
        "retirer l’adresse du fichier, recharger (`systemctl reload jetond`), puis recommencer ; une personne nommée par Data Pass part quand la demande y en nomme une autre"
    )
}

fn refused(address: &Address, why: StillNeeded) -> Failure {
    let some = |ids: &[String]| {
        let more = if ids.len() > NAMED { "…" } else { "" };
        ids.iter()
            .take(NAMED)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
            + more
    };
    let refuse = |message| Failure::new(Exit::Refused, "still_needed", message);
    match why {
        StillNeeded::Told(ids) => {
            let ids = some(&ids);
            refuse(text!(
                "{address} is still told about {ids}",
                "{address} est encore prévenu pour {ids}"
            ))
            .hint(take_out())
        }
        StillNeeded::Contact(ids) => {
            let ids = some(&ids);
            refuse(text!(
                "{address} is still the contact of {ids}",
                "{address} est encore le contact de {ids}"
            ))
            .hint(take_out())
        }
        StillNeeded::OnItsWay(mail) => refuse(text!(
            "mail {mail} to {address} is on its way or in doubt",
            "le courriel {mail} à {address} est en route ou en doute"
        ))
        .hint(text!(
            "try again when `jetond outbox show {mail}` shows it settled",
            "recommencer quand `jetond outbox show {mail}` le montre réglé"
        )),
        StillNeeded::Unknown => Failure::new(
            Exit::NotFound,
            "unknown_address",
            text!(
                "nothing on record names {address}",
                "rien d’enregistré ne nomme {address}"
            ),
        ),
    }
}
