//! What a mail is about, what state it is in, and what became of an attempt to send it.

use crate::domain::language::{Text, text};
use crate::store::outbox::MailState;

/// What a note is about; a kind that is not known stays as it is.
pub(crate) fn note(kind: &str) -> Text {
    match kind {
        "note_refused" => text!("note: address refused", "avis : adresse refusée"),
        "note_parked" => text!("note: reminder parked", "avis : rappel mis de côté"),
        "note_deferred" => text!("note: reminder put off", "avis : rappel remis à plus tard"),
        "note_failed" => text!("note: reminder given up", "avis : rappel abandonné"),
        "note_unreached" => text!("note: nobody could be told", "avis : personne de prévenu"),
        "note_missing" => text!("note: tokens vanished", "avis : jetons disparus du fichier"),
        "note_relay" => text!(
            "note: mail server out of reach",
            "avis : serveur de messagerie injoignable"
        ),
        "note_disk" => text!("note: disk full", "avis : disque plein"),
        "note_clock" => text!("note: clock not believed", "avis : horloge mise en doute"),
        "note_storm" => text!(
            "note: late mails held",
            "avis : courriels en retard retenus"
        ),
        "note_renewed" => text!("note: renewed", "avis : renouvelé"),
        "note_superseded" => text!("note: superseded", "avis : remplacé"),
        "note_declared" => text!(
            "note: renewal to confirm",
            "avis : renouvellement à confirmer"
        ),
        "note_filed" => text!(
            "note: request without answer",
            "avis : demande sans réponse"
        ),
        "note_request_refused" => text!("note: request refused", "avis : demande refusée"),
        "note_changes_requested" => {
            text!("note: changes requested", "avis : modifications demandées")
        }
        "note_request_approved" => text!("note: request approved", "avis : demande acceptée"),
        "reminder" => text!("reminder", "rappel"),
        "note_not_for_me" => text!("note: not for them", "avis : pas pour cette personne"),
        "post" => text!("post: tokens to renew", "message : jetons à renouveler"),
        "post_alarm" => text!("post: alarm", "message : alarme"),
        "note_probe_dead" => text!(
            "note: token refused by the API",
            "avis : jeton refusé par l’API"
        ),
        "note_probe_healed" => text!(
            "note: token accepted again",
            "avis : jeton de nouveau accepté"
        ),
        "note_probe_prolonged" => text!(
            "note: works past its date",
            "avis : fonctionne après sa date"
        ),
        "note_probe_expired" => text!("note: expiry confirmed", "avis : expiration confirmée"),
        "note_probe_scopes" => text!("note: rights changed", "avis : droits modifiés"),
        "note_probe_address" => text!("note: address not allowed", "avis : adresse non autorisée"),
        "note_probe_hindered" => text!(
            "note: the API cannot be asked",
            "avis : vérification impossible auprès de l’API"
        ),
        "note_channel" => text!("note: channel fails", "avis : canal en échec"),
        "note_report" => text!("weekly report", "rapport hebdomadaire"),
        kind => text!("{kind}", "{kind}"),
    }
}

/// What an attempt came to; a word that is not known stays as it is.
pub(crate) fn outcome(of: &str) -> Text {
    match of {
        "returned" => text!("not tried", "non tenté"),
        "bounced" => text!("came back", "revenu"),
        "delayed" => text!("delayed further on", "retardé plus loin"),
        of => MailState::from_word(of).map_or_else(|| text!("{of}", "{of}"), word),
    }
}

/// The word of a state.
pub(crate) fn word(state: MailState) -> Text {
    match state {
        MailState::Queued => text!("queued", "en file"),
        MailState::Claimed => text!("being sent", "en cours"),
        MailState::InDoubt => text!("in doubt", "douteux"),
        MailState::Deferred => text!("deferred", "différé"),
        MailState::Held => text!("held", "retenu"),
        MailState::Sent => text!("sent", "envoyé"),
        MailState::Refused => text!("refused", "refusé"),
        MailState::Parked => text!("parked", "mis de côté"),
        MailState::Failed => text!("failed", "échoué"),
        MailState::Cancelled => text!("cancelled", "annulé"),
    }
}

/// What a state means for a person who looks at it, and what can be done; `None` where all is as
/// it should be.
pub(crate) fn advice(state: MailState) -> Option<Text> {
    match state {
        MailState::Queued | MailState::Claimed | MailState::Sent | MailState::Cancelled => None,
        MailState::InDoubt => Some(text!(
            "The server’s last reply was lost: nobody knows whether it was taken. It is sent again by itself, twice at most.",
            "La dernière réponse du serveur s’est perdue : nul ne sait si le courriel a été pris. Il est renvoyé de lui-même, deux fois au plus."
        )),
        MailState::Deferred => Some(text!(
            "The server put it off. It is tried again by itself, for five days at most.",
            "Le serveur l’a remis à plus tard. Il est retenté de lui-même, pendant cinq jours au plus."
        )),
        MailState::Held => Some(text!(
            "It is late, and held with others until somebody has looked. `jetond outbox release` lets them leave; the urgent ones leave at the next slot, the others after a day.",
            "Il est en retard, et retenu avec d’autres en attendant un regard humain. `jetond outbox release` les laisse partir ; les urgents partent au prochain créneau, les autres après un jour."
        )),
        MailState::Refused => Some(text!(
            "The server refuses this address for good. Correct the address, then `jetond outbox retry` if the server was wrong.",
            "Le serveur refuse définitivement cette adresse. Corriger l’adresse, ou `jetond outbox retry` si le serveur s’est trompé."
        )),
        MailState::Parked => Some(text!(
            "The server refused the message itself, or it stayed in doubt. Read the server’s reply, then `jetond outbox retry` or `cancel`.",
            "Le serveur a refusé le message lui-même, ou le doute est resté. Lire la réponse du serveur, puis `jetond outbox retry` ou `cancel`."
        )),
        MailState::Failed => Some(text!(
            "It was put off for five days, or came back, and was given up. Tell the person in another way, then `jetond outbox retry` or `cancel`.",
            "Remis à plus tard pendant cinq jours, ou revenu, il a été abandonné. Prévenir la personne autrement, puis `jetond outbox retry` ou `cancel`."
        )),
    }
}
