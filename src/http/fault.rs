//! Why there is no answer, in words that hold neither the address that was asked nor a key.

use std::time::Duration;

use crate::domain::language::{Text, text};
use crate::domain::network::Within;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nobody answers there.
    #[error("no connection: {0}")]
    Connect(String),
    /// The name has only addresses that may not be reached.
    #[error("the host has {}, to which nothing is sent", .0.told().en)]
    Forbidden(Within),
    /// The certificate, or the authorities.
    #[error("TLS: {0}")]
    Tls(String),
    /// The deadline passed before anything was asked.
    #[error("no connection within {0:?}")]
    Late(Duration),
    /// The deadline passed after it was asked.
    #[error("no answer within {0:?}")]
    Unanswered(Duration),
    /// What came back is no HTTP, or ends before its head does.
    #[error("no HTTP answer: {0}")]
    Protocol(String),
    /// What was to be asked cannot be written as HTTP.
    #[error("it cannot be asked: {0}")]
    Request(String),
}

impl Fault {
    /// Whether the request may have been read and acted upon all the same.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Unanswered(_) | Self::Protocol(_) => true,
            Self::Connect(_)
            | Self::Forbidden(_)
            | Self::Tls(_)
            | Self::Late(_)
            | Self::Request(_) => false,
        }
    }

    /// In both languages.
    pub fn told(&self) -> Text {
        match self {
            Self::Connect(why) => text!("no connection: {why}", "pas de connexion : {why}"),
            Self::Forbidden(kind) => text!(
                "the host has {{}}, to which nothing is sent",
                "l’hôte a {{}}, vers laquelle rien n’est envoyé"
            )
            .with(&kind.told()),
            Self::Tls(why) => text!("TLS: {why}", "TLS : {why}"),
            Self::Late(within) => text!(
                "no connection within {within:?}",
                "pas de connexion en {within:?}"
            ),
            Self::Unanswered(within) => {
                text!(
                    "no answer within {within:?}",
                    "pas de réponse en {within:?}"
                )
            }
            Self::Protocol(why) => text!("no HTTP answer: {why}", "pas de réponse HTTP : {why}"),
            Self::Request(why) => text!("it cannot be asked: {why}", "demande impossible : {why}"),
        }
    }
}
