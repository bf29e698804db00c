//! What each case means, whose fault it is, what to do and whom to write to, in both languages.
//!
//! The words are those of the API's page « API Entreprise au quotidien », made short. A case
//! without them does not compile.

use crate::domain::language::{Text, text};
use crate::domain::verdict::{Case, Reading, Verdict};

/// Where incidents are listed, and sometimes foretold.
pub const INCIDENTS: &str = "https://dashboard.entreprise.api.gouv.fr/incidents";

/// Where the state of every endpoint is shown as it is now.
pub const REAL_TIME: &str = "https://dashboard.entreprise.api.gouv.fr/real_time";

/// Whom to write to at API Entreprise.
pub const SUPPORT: &str = "support@entreprise.api.gouv.fr";

/// Where the tokens of an account are, with their dates.
pub const ACCOUNT: &str = "https://entreprise.api.gouv.fr/compte";

/// Where rights are asked for.
pub const DATAPASS: &str = "https://datapass.api.gouv.fr";

/// Whose fault an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is wrong.
    Nobody,
    /// What was asked, or how often, or from where.
    Request,
    /// The token, or its rights.
    Token,
    /// A provider of data.
    Provider,
    /// API Entreprise itself.
    Service,
    /// It cannot be told from the answer.
    Unsure,
}

impl Fault {
    /// The word of JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Request => "request",
            Self::Token => "token",
            Self::Provider => "provider",
            Self::Service => "service",
            Self::Unsure => "unsure",
        }
    }

    /// In words.
    pub fn said(self) -> Text {
        match self {
            Self::Nobody => text!("nobody’s", "à personne"),
            Self::Request => text!("yours: the request", "à vous : la requête"),
            Self::Token => text!("yours: the token", "à vous : le jeton"),
            Self::Provider => text!("a data provider’s", "à un fournisseur de données"),
            Self::Service => text!("API Entreprise’s", "à API Entreprise"),
            Self::Unsure => text!(
                "not known: the service’s, yours, or of what lies between",
                "on ne sait pas : au service, à vous ou à ce qui est entre les deux"
            ),
        }
    }
}

impl Verdict {
    /// As a list says it.
    pub fn in_short(self) -> Text {
        match self {
            Self::Alive => text!("works", "fonctionne"),
            Self::BadRequest => text!("the request is at fault", "requête en cause"),
            Self::ScopeMissing => text!("works, a right is missing", "fonctionne, droit manquant"),
            Self::AddressNotAllowed => text!(
                "works, but not from here",
                "fonctionne, mais pas depuis cette adresse"
            ),
            Self::OverVolume => text!("works, volume used up", "fonctionne, volume épuisé"),
            Self::Expired => text!("refused: expired", "refusé : expiré"),
            Self::Revoked => text!("refused: withdrawn", "refusé : révoqué"),
            Self::Unknown => text!("refused: unknown", "refusé : inconnu"),
            Self::ProviderDown => text!("a provider is down", "un fournisseur est en panne"),
            Self::ServiceDown => text!("the API is down", "l’API est en panne"),
            Self::NoAnswer => text!("no answer", "pas de réponse"),
            Self::NotUnderstood => text!("not understood", "réponse incomprise"),
        }
    }
}

impl Reading {
    /// In a sentence of a note; or why there is no answer.
    pub fn in_short(&self) -> Text {
        let judged = self.case.verdict().in_short();
        match (self.status, self.said.as_str()) {
            (Some(status), _) => text!("{status}, {{}}", "{status}, {{}}").with(&judged),
            (None, "") => judged,
            (None, why) => text!("{{}} ({why})", "{{}} ({why})").with(&judged),
        }
    }
}

impl Case {
    /// What it means.
    pub fn meaning(self) -> Text {
        match self {
            Self::Complete => text!(
                "all is well: the answer is complete",
                "tout va bien : la réponse est complète"
            ),
            Self::Partial => text!(
                "the answer is incomplete: a provider failed, and the values concerned say “Donnée indisponible”",
                "réponse incomplète : un fournisseur a fait défaut, et les valeurs concernées portent « Donnée indisponible »"
            ),
            Self::BadRequest => text!("the request is badly formed", "la requête est mal formée"),
            Self::NotAuthorised => text!(
                "the token is missing from the request, badly copied or unknown",
                "le jeton manque dans la requête, est mal recopié ou inconnu"
            ),
            Self::Expired => text!("the token has expired", "le jeton a expiré"),
            Self::Blacklisted => text!(
                "the token was put on the blacklist: it was revoked",
                "le jeton a été mis sur liste noire : il est révoqué"
            ),
            Self::TokenNotFound => text!(
                "API Entreprise does not find this token: it was deleted, or comes from elsewhere",
                "API Entreprise ne trouve pas ce jeton : il a été supprimé, ou vient d’ailleurs"
            ),
            Self::ScopeMissing => text!(
                "the token works, but has no right to these data",
                "le jeton fonctionne, mais n’a pas droit à ces données"
            ),
            Self::AddressNotAllowed => text!(
                "the token works, but not from the IP address that asked",
                "le jeton fonctionne, mais pas depuis l’adresse IP qui a appelé"
            ),
            Self::NotFound => text!(
                "what was asked for was not found: an unknown number, or a company that these data do not cover",
                "ce qui est demandé n’a pas été trouvé : un numéro inconnu, ou une entreprise que ces données ne couvrent pas"
            ),
            Self::AlreadyRunning => text!(
                "the same request is already running",
                "la même requête est déjà en cours"
            ),
            Self::Unprocessable => text!(
                "a parameter is missing, or not in the form it must have",
                "un paramètre manque, ou n’a pas le format attendu"
            ),
            Self::OverVolume => text!(
                "more calls were made than are allowed in this time",
                "il a été fait plus d’appels que ce qui est permis dans ce délai"
            ),
            Self::Withheld => text!(
                "unavailable for legal reasons: this company’s data are not for the public",
                "indisponible pour raisons légales : les informations de cette entreprise ne sont pas diffusibles"
            ),
            Self::InternalError => text!(
                "API Entreprise failed; this says nothing of the token",
                "API Entreprise a rencontré une erreur interne ; cela ne dit rien du jeton"
            ),
            Self::ProviderError => text!(
                "a provider of data failed; this says nothing of the token",
                "un fournisseur de données a rencontré une erreur interne ; cela ne dit rien du jeton"
            ),
            Self::Unavailable => text!(
                "the service is out of order or in maintenance for a while; this says nothing of the token",
                "le service est temporairement indisponible ou en maintenance ; cela ne dit rien du jeton"
            ),
            Self::TooSlow => text!(
                "a provider of data took more than 10 seconds to answer; this says nothing of the token",
                "un fournisseur de données a mis plus de 10\u{a0}secondes à répondre ; cela ne dit rien du jeton"
            ),
            Self::GatewayError => text!(
                "at least one of several providers of data failed (`gateway_error`); this says nothing of the token",
                "au moins un fournisseur de données sur plusieurs a fait défaut (`gateway_error`) ; cela ne dit rien du jeton"
            ),
            Self::NoAnswer => text!(
                "nobody answered; this says nothing of the token",
                "personne n’a répondu ; cela ne dit rien du jeton"
            ),
            Self::NotUnderstood => text!(
                "this is no answer of API Entreprise, or it contradicts itself; it says nothing of the token",
                "ce n’est pas une réponse d’API Entreprise, ou elle se contredit ; elle ne dit rien du jeton"
            ),
        }
    }

    /// Whose fault it is.
    pub fn fault(self) -> Fault {
        match self {
            Self::Complete => Fault::Nobody,
            Self::BadRequest
            | Self::AddressNotAllowed
            | Self::NotFound
            | Self::AlreadyRunning
            | Self::Unprocessable
            | Self::OverVolume
            | Self::Withheld => Fault::Request,
            Self::NotAuthorised
            | Self::Expired
            | Self::Blacklisted
            | Self::TokenNotFound
            | Self::ScopeMissing => Fault::Token,
            Self::Partial | Self::ProviderError | Self::TooSlow | Self::GatewayError => {
                Fault::Provider
            }
            Self::InternalError | Self::Unavailable => Fault::Service,
            Self::NoAnswer | Self::NotUnderstood => Fault::Unsure,
        }
    }

    /// What to do.
    pub fn advice(self) -> Text {
        match self {
            Self::Complete => text!("nothing to do", "rien à faire"),
            Self::Partial => text!(
                "use what came, and ask for the rest later",
                "utiliser ce qui est venu, et redemander le reste plus tard"
            ),
            Self::BadRequest | Self::Unprocessable => text!(
                "correct the request: `errors` in the answer names the parameter; a SIREN has 9 digits, a SIRET 14",
                "corriger la requête : `errors` dans la réponse nomme le paramètre ; un SIREN a 9\u{a0}chiffres, un SIRET 14"
            ),
            Self::NotAuthorised => text!(
                "send `Authorization: Bearer` with the whole token, on one line, as it stands in your account: {ACCOUNT}",
                "envoyer `Authorization: Bearer` avec le jeton entier, sur une ligne, tel qu’il figure dans votre compte : {ACCOUNT}"
            ),
            Self::Expired => text!(
                "have it renewed by its demandeur; then take the new token, or its new date, from your account: {ACCOUNT}",
                "le faire renouveler par son demandeur ; puis prendre le nouveau jeton, ou sa nouvelle date, dans votre compte : {ACCOUNT}"
            ),
            Self::Blacklisted => text!(
                "stop calling with it; ask its demandeur why it was revoked, and use the token that takes its place: {ACCOUNT}",
                "ne plus appeler avec lui ; demander à son demandeur pourquoi il a été révoqué, et utiliser le jeton qui le remplace : {ACCOUNT}"
            ),
            Self::TokenNotFound => text!(
                "compare it with the one in your account, and check that it belongs to this environment (production or test): {ACCOUNT}",
                "le comparer à celui de votre compte, et vérifier qu’il est bien de cet environnement (production ou test) : {ACCOUNT}"
            ),
            Self::ScopeMissing => text!(
                "compare the token’s rights with the data asked for; ask for more in a new request: {DATAPASS}",
                "comparer les droits du jeton aux données demandées ; les élargir par une nouvelle demande d’habilitation : {DATAPASS}"
            ),
            Self::AddressNotAllowed => text!(
                "call from an allowed IP address, or have this one added to the token’s list",
                "appeler depuis une adresse IP autorisée, ou faire ajouter celle-ci à la liste du jeton"
            ),
            Self::NotFound => text!(
                "check the number, and in the catalogue which companies these data cover",
                "vérifier le numéro, et dans le catalogue quelles entreprises ces données couvrent"
            ),
            Self::AlreadyRunning => text!(
                "wait for the first answer; do not send the same request twice at a time",
                "attendre la première réponse ; ne pas envoyer deux fois la même requête en même temps"
            ),
            Self::OverVolume => text!(
                "stop until the moment that `Retry-After` names, then ask for less: who goes on is banned for 12 hours, without any answer",
                "cesser jusqu’au moment qu’indique `Retry-After`, puis demander moins : qui insiste est banni 12\u{a0}heures, sans aucune réponse"
            ),
            Self::Withheld => text!(
                "ask with the option for companies that are not public, if your use permits it; the endpoint’s page in the catalogue names it",
                "appeler avec l’option prévue pour les non-diffusibles, si votre usage le permet ; la fiche de l’API dans le catalogue la décrit"
            ),
            Self::InternalError | Self::ProviderError | Self::Unavailable | Self::GatewayError => {
                text!(
                    "look at the incident page, then at the real-time page; ask again later; leave the token as it is",
                    "consulter la page incident, puis la page temps réel ; redemander plus tard ; laisser le jeton tel qu’il est"
                )
            }
            Self::TooSlow => text!(
                "ask again later; if it lasts, look at the incident page, then at the real-time page; leave the token as it is",
                "redemander plus tard ; si cela dure, consulter la page incident, puis la page temps réel ; laisser le jeton tel qu’il est"
            ),
            Self::NoAnswer => text!(
                "check the network, DNS, proxy and firewall here; look at the incident page; after too many calls an address is banned for 12 hours, without any answer",
                "vérifier ici le réseau, le DNS, le mandataire (proxy) et le pare-feu ; consulter la page incident ; après trop d’appels, une adresse est bannie 12\u{a0}heures, sans aucune réponse"
            ),
            Self::NotUnderstood => text!(
                "see what lies between: proxy, firewall, captive portal, a wrong address; then ask again later; leave the token as it is",
                "voir ce qui est entre les deux : mandataire (proxy), pare-feu, portail captif, mauvaise adresse ; puis redemander plus tard ; laisser le jeton tel qu’il est"
            ),
        }
    }

    /// Whom to write to.
    pub fn whom(self) -> Text {
        match self {
            Self::Complete => text!("nobody", "à personne"),
            Self::BadRequest
            | Self::NotFound
            | Self::AlreadyRunning
            | Self::Unprocessable
            | Self::OverVolume
            | Self::Withheld => text!(
                "whoever makes or runs the calling software; {SUPPORT} if the documentation does not answer",
                "à qui édite ou exploite le logiciel appelant ; à {SUPPORT} si la documentation ne répond pas"
            ),
            Self::Expired => text!(
                "the token’s demandeur; {SUPPORT} if its date in the account is still to come",
                "au demandeur du jeton ; à {SUPPORT} si sa date dans le compte est encore à venir"
            ),
            Self::NotAuthorised
            | Self::Blacklisted
            | Self::TokenNotFound
            | Self::ScopeMissing
            | Self::AddressNotAllowed => text!(
                "the token’s demandeur; {SUPPORT} if it ought to work",
                "au demandeur du jeton ; à {SUPPORT} si cela devrait fonctionner"
            ),
            Self::Partial
            | Self::InternalError
            | Self::ProviderError
            | Self::Unavailable
            | Self::TooSlow
            | Self::GatewayError => text!(
                "{SUPPORT}, if the incident page does not list it",
                "à {SUPPORT}, si la page incident n’en dit rien"
            ),
            Self::NoAnswer | Self::NotUnderstood => text!(
                "whoever runs your network; {SUPPORT}, if it is not on your side and the incident page does not list it",
                "à qui tient votre réseau ; à {SUPPORT}, si ce n’est pas de votre côté et que la page incident n’en dit rien"
            ),
        }
    }
}
