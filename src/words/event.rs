//! What happened, and who did it: the entries of the journal, and what became of mails.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::store::record::Event;
use crate::words::{count, when};

/// Who acted: `user:NAME`, `import:FILE` and what is not known stay as they are.
pub(crate) fn who(who: &str) -> Text {
    match who {
        "file" => text!("file", "fichier"),
        "daemon" => text!("daemon", "service"),
        "webhook" => text!("Data Pass", "Data Pass"),
        "mail" => text!("mail", "courriel"),
        who => match who.strip_prefix("recipient:") {
            Some(key) => text!("recipient {key}", "destinataire {key}"),
            None => text!("{who}", "{who}"),
        },
    }
}

/// What a token was said to be filed, declared or put off, in the state that an event left or
/// found.
fn said_of(e: &Event, state: &str, kind: &str) -> serde_json::Value {
    let said = e.detail[state]["said"].as_array();
    let found = said.and_then(|s| s.iter().find(|s| s["kind"] == kind));
    found.cloned().unwrap_or_default()
}

/// The events that a verb records; `None` for another word.
fn verb(e: &Event, calendar: &Calendar) -> Option<Text> {
    let expires = |when: &str| day(&e.detail[when]["expires"], calendar);
    Some(match e.what.as_str() {
        "superseded" => {
            let by = e.detail["after"]["superseded_by"]
                .as_str()
                .unwrap_or_default();
            text!("superseded by {by}", "remplacé par {by}")
        }
        "filed" => {
            let filed = said_of(e, "after", "filed");
            let on = day(&filed["filed_at"], calendar);
            let mut said = text!("request filed on {on}", "demande déposée le {on}");
            if let Some(by) = filed["filed_by"].as_str() {
                said = text!("{{}} by {by}", "{{}} par {by}").with(&said);
            }
            if let Some(no) = filed["reference"].as_str() {
                said = text!("{{}}, reference {no}", "{{}}, référence {no}").with(&said);
            }
            said
        }
        // Data Pass never says that: it says what became of the request.
        "filed_undone" if e.who == "webhook" => text!(
            "the request is pending no longer",
            "la demande n’est plus en cours"
        ),
        "filed_undone" => text!("not filed after all", "finalement pas déposée"),
        "filed_refused" => text!("request refused", "demande refusée"),
        "renewal_declared" => {
            let declared = said_of(e, "after", "declared");
            match declared["expires"].as_str() {
                Some(_) => {
                    let until = day(&declared["expires"], calendar);
                    text!(
                        "renewal declared until {until}, to be confirmed",
                        "renouvellement déclaré jusqu’au {until}, à confirmer"
                    )
                }
                None => text!(
                    "renewal declared, to be confirmed",
                    "renouvellement déclaré, à confirmer"
                ),
            }
        }
        "declaration_undone" => text!(
            "declaration of a renewal taken back",
            "déclaration de renouvellement retirée"
        ),
        "snoozed" => {
            let until = day(&said_of(e, "after", "snoozed")["until"], calendar);
            text!("put off until {until}", "en sommeil jusqu’au {until}")
        }
        "snooze_undone" => text!("put off no longer", "plus en sommeil"),
        "snooze_ended" => text!("the snooze ended", "fin du sommeil"),
        "revocation_planned" => {
            let (before, after) = (expires("before"), expires("after"));
            text!(
                "to be revoked: {before} → {after}",
                "à révoquer : {before} → {after}"
            )
        }
        "revoked" => text!("revoked", "révoqué"),
        "archived" if e.who != "file" => text!("archived", "archivé"),
        "restored" if e.who != "file" => text!("watched again", "de nouveau surveillé"),
        "file_updated" => {
            let (file, line) = (&e.detail["file"], &e.detail["line"]);
            let file = file.as_str().unwrap_or_default();
            text!(
                "date written to {file}:{line}",
                "date écrite dans {file}:{line}"
            )
        }
        _ => return None,
    })
}

/// The local date of an instant in an event's detail.
fn day(instant: &serde_json::Value, calendar: &Calendar) -> String {
    instant
        .as_str()
        .and_then(|written| DateTime::parse_from_rfc3339(written).ok())
        .map(|at| when::day(at.with_timezone(&Utc), calendar))
        .unwrap_or_default()
}

/// What happened.
pub(crate) fn said(e: &Event, calendar: &Calendar) -> Text {
    if let Some(said) = verb(e, calendar) {
        return said;
    }
    let word = |key: &str| e.detail[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| e.detail[key].as_i64().unwrap_or_default();
    let expires = |when: &str| day(&e.detail[when]["expires"], calendar);
    match e.what.as_str() {
        "declared" => {
            let until = day(&e.detail["expires"], calendar);
            text!("declared, expires {until}", "déclaré, expire le {until}")
        }
        "renewed" | "corrected" => {
            let (before, after) = (expires("before"), expires("after"));
            if e.what == "renewed" {
                text!(
                    "renewed: {before} → {after}",
                    "renouvelé : {before} → {after}"
                )
            } else {
                text!(
                    "date corrected: {before} → {after}",
                    "date corrigée : {before} → {after}"
                )
            }
        }
        "archived" if e.detail["reason"] == "not in the import" => text!(
            "archived: no longer in the import",
            "archivé : absent de l’import"
        ),
        "restored" if e.detail["reason"] == "back in the import" => {
            text!("back in the import", "de retour dans l’import")
        }
        "taken_over" => text!(
            "declared in the file, which decides from now on",
            "déclaré dans le fichier, qui décide désormais"
        ),
        "imported" => {
            let Text { en, fr } = count::tokens(number("rows"));
            text!("list imported: {en}", "liste importée : {fr}")
        }
        "archived" => text!(
            "archived: no longer in the file",
            "archivé : absent du fichier"
        ),
        "restored" => text!("back in the file", "de retour dans le fichier"),
        "facts_changed" => text!("facts changed", "données modifiées"),
        "recipient_added" => {
            let who = word("recipient");
            text!("recipient added: {who}", "destinataire ajouté : {who}")
        }
        "recipient_removed" => {
            let who = word("recipient");
            text!("recipient removed: {who}", "destinataire retiré : {who}")
        }
        "webhook_received" => {
            let (number, event) = (word("number"), word("event"));
            let on = day(&e.detail["fired_at"], calendar);
            text!(
                "request {number}: {event}, of {on}",
                "demande {number} : {event}, du {on}"
            )
        }
        "webhook_tested" => text!("test call answered", "appel d’essai reçu"),
        "webhook_refused" => {
            let (why, n) = (word("reason"), number("in_this_hour"));
            text!(
                "webhook refused: {why} ({n} in this hour)",
                "webhook refusé : {why} ({n} dans l’heure)"
            )
        }
        "adopted" => {
            let number = word("number");
            let until = day(&e.detail["expires"], calendar);
            text!(
                "made from request {number}, expires {until}",
                "issu de la demande {number}, expire le {until}"
            )
        }
        "stages_changed" => {
            let stages = word("stages");
            text!("stages changed: {stages}", "étapes modifiées : {stages}")
        }
        "calendar_changed" => text!(
            "window, days or zone changed",
            "plage, jours ou fuseau modifiés"
        ),
        "mail_retried" | "mail_cancelled" => {
            let no = number("mail");
            if e.what == "mail_retried" {
                text!("mail {no} to be sent again", "courriel {no} à renvoyer")
            } else {
                text!("mail {no} cancelled", "courriel {no} annulé")
            }
        }
        "person_forgotten" => {
            let name = word("as");
            text!("a person became {name}", "une personne est devenue {name}")
        }
        "store_restored" => {
            let from = day(&e.detail["last_pass"], calendar);
            let file = word("file");
            text!(
                "store restored from the backup {file} (last pass: {from})",
                "base restaurée depuis la sauvegarde {file} (dernier passage : {from})"
            )
        }
        "calendar_opened" | "calendar_address_renewed" => {
            let whose = match e.detail["client"].as_str() {
                Some(client) => text!("calendar of {client}", "calendrier de {client}"),
                None => text!("calendar of all tokens", "calendrier de tous les jetons"),
            };
            let Text { en, fr } = whose;
            if e.what == "calendar_opened" {
                text!("{en}: has an address", "{fr} : a une adresse")
            } else {
                text!("{en}: has another address", "{fr} : a changé d’adresse")
            }
        }
        "mails_released" => {
            let Text { en, fr } = count::mails(number("mails"));
            text!("{en} released", "{fr} : plus de retenue")
        }
        "not_for_me" => text!(
            "said: not for me; the others are told",
            "a répondu : pas pour moi ; les autres sont prévenus"
        ),
        "clock_believed" => text!("clock believed", "horloge acceptée"),
        what => {
            let (no, to, reply) = (number("mail"), word("recipient"), word("reply"));
            match what.strip_prefix("mail_") {
                Some("sent") => text!(
                    "mail {no} to {to}: accepted",
                    "courriel {no} à {to} : accepté"
                ),
                Some("deferred") => text!(
                    "mail {no} to {to}: put off ({reply})",
                    "courriel {no} à {to} : remis à plus tard ({reply})"
                ),
                Some("refused") => text!(
                    "mail {no} to {to}: address refused ({reply})",
                    "courriel {no} à {to} : adresse refusée ({reply})"
                ),
                Some("bounced") => text!(
                    "mail {no} to {to}: came back ({reply})",
                    "courriel {no} à {to} : revenu ({reply})"
                ),
                Some("delayed") => text!(
                    "mail {no} to {to}: delayed further on, still tried ({reply})",
                    "courriel {no} à {to} : retardé plus loin, encore tenté ({reply})"
                ),
                Some("parked") => text!(
                    "mail {no} to {to}: not delivered ({reply})",
                    "courriel {no} à {to} : non remis ({reply})"
                ),
                Some("failed") => text!(
                    "mail {no} to {to}: given up ({reply})",
                    "courriel {no} à {to} : abandonné ({reply})"
                ),
                Some("in_doubt") => text!(
                    "mail {no} to {to}: in doubt ({reply})",
                    "courriel {no} à {to} : douteux ({reply})"
                ),
                Some("returned") => text!(
                    "mail {no} to {to}: not tried, {reply}",
                    "courriel {no} à {to} : non tenté, {reply}"
                ),
                _ => text!("{what}", "{what}"),
            }
        }
    }
}
